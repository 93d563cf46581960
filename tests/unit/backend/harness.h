/* A backend on a temporary file, driven by one loop, for the tests of backend/sqlite. */
#ifndef WEIR_TEST_BACKEND_HARNESS_H
#define WEIR_TEST_BACKEND_HARNESS_H

#include "backend/sqlite/sqlite.h"

typedef struct harness {
    char dir[64];
    char path[96];
    weir_loop *loop;
    weir_backend *backend;
    unsigned pending; /* callbacks that are owed */
    unsigned became_clean;
    weir_conn *opened;
} harness;

/* One statement with its rows as text: cells by ',', rows by ';'. */
typedef struct statement {
    harness *h;
    weir_exec exec;
    unsigned told;
    void (*then)(struct statement *s);
    unsigned seen; /* what `then` found */
} statement;

void harness_open(harness *h, const weir_sqlite_options *options);
void harness_close(harness *h);
/* Until every owed callback came. */
void harness_wait(harness *h);
weir_conn *harness_reader(harness *h);
void harness_close_reader(harness *h, weir_conn *conn);

void statement_init(harness *h, statement *s, const char *sql);
void statement_fini(statement *s);
/* Submits it; harness_wait sees to the rest. */
void statement_write(statement *s, weir_time wait_until);
void statement_execute(statement *s, weir_conn *conn);
void statement_resume(statement *s, weir_conn *conn);
/* Whole stories: run, wait, compare. `expected` NULL: anything. */
void expect_write(harness *h, const char *sql, const char *sqlstate, const char *expected);
void expect_run(harness *h, weir_conn *conn, const char *sql, const char *sqlstate,
                const char *expected);

typedef struct claimer {
    harness *h;
    weir_claim claim;
    weir_conn *conn;
    weir_error error;
} claimer;
void claimer_init(harness *h, claimer *c, weir_time wait_until);

#endif
