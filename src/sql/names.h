/* Private to src/sql: the relations that an analysis meets, each once. */
#ifndef WEIR_SQL_NAMES_H
#define WEIR_SQL_NAMES_H

#include "base/arena.h"
#include "sql/footprint.h"
#include "sql/lex.h"

typedef struct weir_names {
    weir_arena arena; /* of the names; users may take from it too */
    const char *reads[WEIR_FOOTPRINT_RELATIONS_MAX];
    const char *writes[WEIR_FOOTPRINT_RELATIONS_MAX];
    uint16_t read_count, written_count;
    bool too_many, out_of_memory;
} weir_names;

void weir_names_init(weir_names *n);
void weir_names_fini(weir_names *n);
/* "schema.name", or "name" where `schema` is empty. Failures are kept for the end. */
void weir_names_add(weir_names *n, const char *schema, const char *name, bool written);
/* `f` with these names, in one block. With too many names the kind becomes UNKNOWN if it was READ.
 * -ENOMEM. */
WEIR_MUST_CHECK int weir_names_footprint(const weir_names *n, weir_footprint *f,
                                         weir_footprint **ret);

#endif
