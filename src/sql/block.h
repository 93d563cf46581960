/* What a statement, or a text of several, does to the transaction block around it: by its words
 * alone, read as strictly as PostgreSQL's grammar does. */
#ifndef WEIR_SQL_BLOCK_H
#define WEIR_SQL_BLOCK_H

#include "base/slice.h"

typedef enum weir_block_command {
    WEIR_BLOCK_NONE,        /* anything else, also a malformed one of these */
    WEIR_BLOCK_BEGIN,       /* BEGIN, START TRANSACTION; its modes are not looked at */
    WEIR_BLOCK_COMMIT,      /* COMMIT, END */
    WEIR_BLOCK_ROLLBACK,    /* ROLLBACK, ABORT */
    WEIR_BLOCK_PREPARE,     /* PREPARE TRANSACTION */
    WEIR_BLOCK_CHAIN,       /* one of the first three ends AND CHAIN: the next one begins at once */
    WEIR_BLOCK_ROLLBACK_TO, /* a savepoint */
} weir_block_command;

/* Of one statement, without its `;`. */
weir_block_command weir_sql_block_command(weir_slice statement);

/* Where a session is behind a text, if all of it goes well. */
typedef enum weir_block_effect {
    WEIR_BLOCK_KEEPS, /* where it was */
    WEIR_BLOCK_OPENS, /* inside */
    WEIR_BLOCK_CLOSES /* outside */
} weir_block_effect;

/* Of a text of any number of statements. */
weir_block_effect weir_sql_block_effect(weir_slice text);

#endif
