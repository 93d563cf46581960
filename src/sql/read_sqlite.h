/* Private to src/sql: reading SQLite's SELECT. */
#ifndef WEIR_SQL_READ_SQLITE_H
#define WEIR_SQL_READ_SQLITE_H

#include "sql/query.h"

#define WEIR_READ_GAVE_UP 1

/* The query of a text that SQLite has accepted; `lexed` is of the same text. Everything lies in
 * `arena` or borrows from the text. WEIR_READ_GAVE_UP: the text was not consumed as a whole; `*why`
 * says so in words. -ENOMEM. */
WEIR_MUST_CHECK int weir_read_sqlite(weir_arena *arena, weir_slice text, const weir_lexed *lexed,
                                     weir_query **ret, const char **why);

#endif
