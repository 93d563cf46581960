/* The words that decide what a statement is, and the names of functions that change a session. */
#ifndef WEIR_SQL_WORDS_H
#define WEIR_SQL_WORDS_H

#include "base/slice.h"

#define WEIR_WORD_LEN_MAX 31u

/* Only words that the classifier or the spacing of templates asks about have a code of their own.
 */
typedef enum weir_word_code {
    WORD_NONE,
    WORD_SPACED, /* a keyword that keeps its space before "(", and nothing else */
    WORD_CALL,   /* a function with session effects */
    WORD_ABORT,
    WORD_ALTER,
    WORD_ANALYZE,
    WORD_ARRAY,
    WORD_ATOMIC,
    WORD_ATTACH,
    WORD_BEGIN,
    WORD_CALL_STATEMENT,
    WORD_CASE,
    WORD_CHECKPOINT,
    WORD_CLOSE,
    WORD_CLUSTER,
    WORD_COMMIT,
    WORD_CONSTRAINTS,
    WORD_COPY,
    WORD_CREATE,
    WORD_DDL, /* starts nothing but DDL: GRANT, COMMENT, … */
    WORD_DEALLOCATE,
    WORD_DECLARE,
    WORD_DELETE,
    WORD_DISCARD,
    WORD_DO,
    WORD_DROP,
    WORD_END,
    WORD_EXECUTE,
    WORD_EXPLAIN,
    WORD_FETCH,
    WORD_FOR,
    WORD_GLOBAL,
    WORD_HOLD,
    WORD_IN,
    WORD_INSERT,
    WORD_INTO,
    WORD_KEY,
    WORD_LISTEN,
    WORD_LOAD,
    WORD_LOCAL,
    WORD_LOCK,
    WORD_MERGE,
    WORD_NOTIFY,
    WORD_ON,
    WORD_OPERATOR, /* counts as an operator: and, or, not, union, join, … */
    WORD_PG_TEMP,
    WORD_PRAGMA,
    WORD_PRAGMA_ASKS,   /* pragmas that only tell, whatever their argument */
    WORD_PRAGMA_WRITES, /* pragmas that write the file */
    WORD_PREPARE,
    WORD_PREPARED,
    WORD_REINDEX,
    WORD_RELEASE,
    WORD_REPLACE,
    WORD_RESET,
    WORD_ROLLBACK,
    WORD_SAVEPOINT,
    WORD_SELECT,
    WORD_SET,
    WORD_SHARE,
    WORD_SHOW,
    WORD_TABLE,
    WORD_TEMP,
    WORD_TO,
    WORD_TRANSACTION,
    WORD_TRIGGER,
    WORD_TRUNCATE,
    WORD_UESCAPE,
    WORD_UNLISTEN,
    WORD_UPDATE,
    WORD_VACUUM,
    WORD_VALUES,
    WORD_VIEW, /* a relation that shows what the session has: by its name alone */
    WORD_WITH
} weir_word_code;

typedef struct weir_word {
    char text[WEIR_WORD_LEN_MAX + 1]; /* lower case, zero-padded */
    uint8_t code;
    uint16_t effects; /* of WORD_CALL, WORD_VIEW */
} weir_word;

/* `lower` is lower-cased already. NULL for a word that means nothing here. */
const weir_word *weir_word_find(weir_slice lower);
/* In any case. */
const weir_word *weir_word_find_folded(weir_slice word);
/* The tables, for their test: entry `i` in order of length, NULL behind the last. */
const weir_word *weir_word_at(size_t i);

/* Whether this is a function of pg_catalog that is immutable or stable, as far as its name tells.
 */
bool weir_function_is_harmless(const char *name);

#endif
