/* Errors, inside Weir: a function returns 0 (done), a negative errno (fatal, forwarded unchanged)
 * or a positive outcome named by its module (the caller must handle it). Words for people travel in
 * a caller-supplied weir_error. */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include <errno.h>

#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
#define WEIR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What went wrong, for the person who must act on it. `sqlstate` is one of PostgreSQL's appendix A.
 */
typedef struct weir_error {
    char sqlstate[6];
    char message[320];
    char detail[256];
    char hint[256];
} weir_error;

/* Sets state and message, clears detail and hint. Too long a message is cut. `err` may be NULL. */
void weir_error_set(weir_error *err, const char *sqlstate, const char *fmt, ...) WEIR_PRINTF(3, 4);
void weir_error_detail(weir_error *err, const char *fmt, ...) WEIR_PRINTF(2, 3);
void weir_error_hint(weir_error *err, const char *fmt, ...) WEIR_PRINTF(2, 3);

#endif
