/* Private to src/sql: the list of dependencies that an analysis makes. */
#ifndef WEIR_SQL_DEPENDENCIES_H
#define WEIR_SQL_DEPENDENCIES_H

#include "base/arena.h"
#include "sql/sql.h"

#define WEIR_DEPENDENCIES_MAX 512u

typedef struct weir_dependencies {
    weir_arena *arena; /* all of it, texts too */
    weir_read_dependency items[WEIR_DEPENDENCIES_MAX];
    uint16_t count;
    bool too_many, out_of_memory;
} weir_dependencies;

void weir_dependencies_init(weir_dependencies *d, weir_arena *arena);
/* All of a relation: takes the place of its keys, now and later. `why` is kept as it is. */
void weir_dependencies_add_whole(weir_dependencies *d, weir_slice relation, const char *why);
/* Its rows with `column` = a place; `key` fills `key`, `place`, `negated` and `operand`. */
void weir_dependencies_add_key(weir_dependencies *d, weir_slice relation, weir_slice column,
                               const weir_read_dependency *key);
/* Whether there is any of that relation. */
bool weir_dependencies_has(const weir_dependencies *d, weir_slice relation);

#endif
