/* Private to src/sql: making footprints. */
#ifndef WEIR_SQL_FOOTPRINT_H
#define WEIR_SQL_FOOTPRINT_H

#include "sql/sql.h"

#define WEIR_FOOTPRINT_RELATIONS_MAX 1024u

/* A copy of all of it, names and reason too, in one block. -ENOMEM. */
WEIR_MUST_CHECK int weir_footprint_copy(const weir_footprint *from, weir_footprint **ret);
/* What the lexer's word alone says; nothing in it is owned. */
weir_footprint weir_footprint_of_lexed(const weir_lexed *lexed);

#endif
