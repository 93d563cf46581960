/* Private to src/sql: identifiers as the names that a server's catalog knows. */
#ifndef WEIR_SQL_IDENTIFIER_H
#define WEIR_SQL_IDENTIFIER_H

#include "sql/lex.h"
#include "sql/server.h"

typedef struct weir_identifier {
    uint64_t name;
    bool readable; /* U&"…" is not */
} weir_identifier;

/* Of a word or quoted token. False: a reserved word, which names nothing. */
bool weir_identifier_read(const weir_token *t, bool behind_dot, weir_identifier *ret);
/* An unquoted word, in any case. */
bool weir_identifier_is_word(const weir_token *t, const char *lower);

#endif
