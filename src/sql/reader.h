/* Private to src/sql: the parts of the reader of SQLite's SELECT.
 *
 * Whatever is not expected ends the reading: weir_reader_fail puts the reader at the end of the
 * text, where every loop stops. */
#ifndef WEIR_SQL_READER_H
#define WEIR_SQL_READER_H

#include "sql/lex.h"
#include "sql/read_sqlite.h"

#define WEIR_READER_DEPTH_MAX 100u
#define WEIR_READER_NODES_MAX 8192u
#define WEIR_READER_JOINS_MAX 64u /* of a level, as SQLite has it */

typedef struct weir_reader_token {
    weir_token_type type;
    const uint8_t *start, *end;
    weir_literal_kind literal;
    size_t ordinal; /* of a literal */
} weir_reader_token;

typedef struct weir_reader {
    weir_scan scan;
    weir_reader_token t, next;
    weir_token_type scanned; /* type of the newest token */
    size_t literals;
    const weir_lexed *lexed;
    weir_arena *arena;
    unsigned depth, nodes;
    weir_query *first, *last; /* all queries */
    weir_query *query;        /* the one that is read now */
    weir_level *level;        /* likewise */
    bool survivors;           /* where it is read: weir_sublink.survivors */
    bool no_memory;
    const char *failed; /* NULL: all is well */
} weir_reader;

/* A conjunct in the making: an equality, or a subquery that would be EXISTS or IN if it stood as a
 * conjunct of WHERE. */
typedef struct weir_term {
    weir_conjunct conjunct;
    weir_sublink *sublink; /* NULL: an equality */
    weir_sublink_kind kind;
    struct weir_term *next;
} weir_term;

typedef struct weir_expr {
    weir_operand operand;
    bool star;               /* qualifier.* */
    weir_term *first, *last; /* its conjuncts, as far as they say something */
} weir_expr;

void weir_reader_fail(weir_reader *r, const char *why);
void weir_reader_advance(weir_reader *r);
void *weir_reader_alloc(weir_reader *r, size_t size); /* zeroed; NULL: failed */

/* The current token is that word, unquoted, in any case. */
bool weir_reader_is(const weir_reader *r, const char *lower);
bool weir_reader_next_is(const weir_reader *r, const char *lower);
bool weir_reader_is_operator(const weir_reader *r, const char *text);
/* Consumes it; false: it is something else. */
bool weir_reader_take(weir_reader *r, const char *lower);
bool weir_reader_take_type(weir_reader *r, weir_token_type type);
/* Likewise, or the reading ends. */
void weir_reader_expect(weir_reader *r, const char *lower);
void weir_reader_expect_type(weir_reader *r, weir_token_type type);
/* A word that is a keyword nowhere in SQLite: an alias even without AS. */
bool weir_reader_at_plain_name(const weir_reader *r);
bool weir_reader_next_is_name(const weir_reader *r);
/* Without its quotes. */
weir_slice weir_reader_name(weir_reader *r);
/* SELECT, VALUES or WITH. */
bool weir_reader_at_query(const weir_reader *r);
/* To behind the parenthesis that closes what is open; no subquery may be inside. */
void weir_reader_skip_parenthesis(weir_reader *r);

/* read_sqlite_expr.c */
weir_expr weir_reader_expr(weir_reader *r);
void weir_reader_expr_list(weir_reader *r);
/* ORDER BY's and PARTITION BY's. */
void weir_reader_order_list(weir_reader *r);
/* "(…)" of OVER or WINDOW; the current token is "(". */
void weir_reader_window(weir_reader *r);

/* read_sqlite_from.c */
void weir_reader_from(weir_reader *r);

/* read_sqlite.c */
weir_query *weir_reader_query(weir_reader *r, weir_level *outer);
weir_query *weir_reader_add_query(weir_reader *r, weir_level *outer);
weir_level *weir_reader_add_level(weir_reader *r, weir_query *query);
/* A leaf of the current level. */
weir_from *weir_reader_add_leaf(weir_reader *r, weir_from_kind kind);

#endif
