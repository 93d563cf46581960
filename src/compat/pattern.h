/* Private to compat: PostgreSQL's regular expressions, as far as POSIX has them. */
#ifndef WEIR_COMPAT_PATTERN_H
#define WEIR_COMPAT_PATTERN_H

#include "compat/compat.h"
#include <regex.h>

#define WEIR_PATTERN_GROUPS_MAX 9u

typedef struct weir_pattern {
    regex_t regex;
    size_t groups;                                /* as many as the pattern has, of the first 9 */
    uint8_t places[WEIR_PATTERN_GROUPS_MAX + 1u]; /* their numbers in `regex` */
} weir_pattern;

typedef struct weir_pattern_found {
    weir_slice whole, groups[WEIR_PATTERN_GROUPS_MAX]; /* no data: it took no part */
} weir_pattern_found;

/* REFUSED with words: it is none (2201B), or needs what only PostgreSQL's own engine has (0A000:
 * look-around, lazy quantifiers, back references). -ENOMEM. */
WEIR_MUST_CHECK int weir_pattern_match(weir_slice pattern, weir_slice text, bool fold,
                                       bool *ret_found, weir_error *err);

/* The same in two steps, with what was found. `fold`: capitals are no others. Not NULL-safe; freed
 * by weir_pattern_fini. */
WEIR_MUST_CHECK int weir_pattern_init(weir_slice pattern, bool fold, weir_pattern *ret,
                                      weir_error *err);
void weir_pattern_fini(weir_pattern *pattern);
/* From `from` on. False: no more. */
bool weir_pattern_find(const weir_pattern *pattern, weir_slice text, size_t from,
                       weir_pattern_found *ret);

#endif
