/* The toy PostgreSQL's language: texts that clients of the simulator send, and those that the
 * gateway asks and sets with (fakequestions.c). A text changes the state and writes its messages;
 * there are no connections here.
 *
 *   select echo('c3-t5-17', 2)    two rows with that text; a name `cN-` says which client asks,
 *                                 `tM-` (M > 0) in which of its transactions
 *   select boom('c3-t0-18')       an error with that text
 *   select probe('c3-t0-19')      the text, and everything that the session is
 *   select meant('c3-t0-20')      the text, and the DateStyle under which it was parsed
 *   select slow('c3-t0-21')       takes its time (fakepg.c): it can be cancelled
 *   set_config, current_setting, pg_advisory_lock, pg_advisory_unlock, pg_advisory_unlock_all
 *   SET, RESET, DISCARD, BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, CREATE TEMP TABLE, DROP
 * TABLE, DECLARE … WITH HOLD, FETCH, CLOSE, PREPARE, EXECUTE, DEALLOCATE, LISTEN, UNLISTEN, NOTIFY
 */
#ifndef WEIR_TESTS_SIM_FAKESQL_H
#define WEIR_TESTS_SIM_FAKESQL_H

#include "fakestate.h"
#include "proto/pg/pg.h"

enum { FAKE_CELL = 512, FAKE_WORD = 256, FAKE_NAMES = 64 };

typedef struct fake_statement {
    char name[48];
    char *text;            /* NULL: there is none */
    char under[FAKE_TEXT]; /* DateStyle as it was parsed */
} fake_statement;

typedef struct fake_names {
    fake_statement unnamed, list[FAKE_NAMES];
    unsigned used; /* of the list, with gaps */
} fake_names;

/* NULL: there is none. "" is the unnamed one. */
fake_statement *fake_name_find(fake_names *names, const char *name);
void fake_name_put(fake_names *names, const char *name, const char *text, const char *under);
void fake_name_drop(fake_statement *s);
/* All but the unnamed one. */
void fake_names_clear(fake_names *names);

/* A text on its way. */
typedef struct fake_run {
    fake_state *state;
    fake_names *names;
    weir_buf *out;
    bool describe; /* rows are described (a simple Query) */
    char under[FAKE_TEXT];
    /* A function that names a client was called; may be NULL. */
    void (*called)(void *user, const char *token);
    void (*odd)(void *user, const char *words, const char *text);
    /* A transaction block has ended. May be NULL. */
    void (*ended)(void *user);
    /* It is committed; `count` of the state's notes are notified. May be NULL. */
    void (*committed)(void *user, unsigned count);
    void *user;
    char sqlstate[6]; /* "": well so far */
    char message[FAKE_WORD];
} fake_run;

/* Runs all statements of the text, up to an error. */
void fake_sql_run(fake_run *r, const char *text);
/* It ends a transaction: it works in a failed one too. */
bool fake_sql_ends(const char *text);
/* Its rows, if it has any, have this many columns. */
unsigned fake_sql_columns(const char *text);
/* $1, $2, … become the values; malloc'd. */
char *fake_sql_bind(const char *text, const weir_slice *values, unsigned count);

/* ---- for fakesql.c, fakeexpr.c and fakequestions.c ---- */

/* kind: 'w' a word (lower case), 's' a string, '0' a number, 'q' a quoted name, 0 the end; else the
 * character itself. */
typedef struct fake_token {
    char kind;
    char text[FAKE_WORD];
} fake_token;

typedef struct fake_parser {
    fake_run *run;
    const char *at;
    fake_token token;
} fake_parser;

void fake_next(fake_parser *p);
/* The word stands here; and is passed over. */
bool fake_is(const fake_parser *p, const char *word);
bool fake_accept(fake_parser *p, const char *word);
bool fake_accept_char(fake_parser *p, char c);
/* A name of one or two parts; what is pg_catalog's goes by its own. */
void fake_read_name(fake_parser *p, char *out, size_t size);
void fake_fail(fake_run *r, const char *sqlstate, const char *format, ...) WEIR_PRINTF(3, 4);
/* An expression's value; false: it is NULL, or failed. */
bool fake_expression(fake_parser *p, char out[FAKE_CELL]);
void fake_columns(fake_run *r, unsigned count);
/* One row of text cells; NULL is NULL. */
void fake_row(fake_run *r, const char *const *cells, unsigned count);
void fake_tag(fake_run *r, const char *tag);
/* To a text without statements. */
void fake_empty(fake_run *r);
/* So many rows of one cell, and "TAG n". */
void fake_give_rows(fake_run *r, const char *cell, int rows, const char *tag);
/* What a client would not do. */
void fake_odd(fake_run *r, const char *words, const char *text);
/* NOTIFY, when it is committed. */
void fake_note_add(fake_run *r, const char *channel, const char *payload);
void fake_listen(fake_run *r, const char *channel, bool on);
/* One of the gateway's own questions stands at the front of the text: answers it and returns where
 * it ends. NULL: it is none. */
const char *fake_question(fake_run *r, const char *text);

#endif
