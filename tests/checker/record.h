/* What the checker did and what came back, kept in memory until it is judged.
 *
 * A *statement* is one SQL statement as it was sent. A *request* is what goes out at once and is
 * answered by one ReadyForQuery. A *unit* is what commits or not as a whole: an autocommitted
 * write, a transaction, a string of several statements. Its number plus one is its op, which every
 * row that it writes carries and the history table lists in the order of the commits. */
#ifndef WEIR_CHECKER_RECORD_H
#define WEIR_CHECKER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARAMS_MAX = 3, TEXT_MAX = 12, NO_UNIT = UINT32_MAX };

/* Ends the program with exit status 2: the check could not be made. */
_Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...);

typedef struct param {
    bool is_text;
    bool typed; /* with its type's OID; else without one, in text, and compared as text */
    bool binary;
    int64_t number;
    char text[TEXT_MAX];
} param;

typedef enum statement_role {
    ROLE_READ,   /* has an interval of states to be right on */
    ROLE_INNER,  /* a read after its transaction's first write: right on that transaction's state */
    ROLE_WRITE,  /* also SAVEPOINT and its kin: replayed */
    ROLE_CONTROL /* BEGIN, COMMIT, ROLLBACK */
} statement_role;

typedef enum outcome {
    OUTCOME_LOST, /* never sent, or the connection was killed before the answer */
    OUTCOME_DONE,
    OUTCOME_REFUSED
} outcome;

typedef struct statement {
    const char *sql;
    const char *result; /* column names and rows (text_result in client.c); NULL: none */
    uint32_t unit;
    uint32_t client;
    statement_role role;
    bool shared;         /* reads what the outsider writes */
    bool binary_results; /* asked for */
    uint8_t param_count;
    int8_t shape; /* of a prepared statement; -1: none */
    param params[PARAMS_MAX];
    int64_t sent, answered; /* ns of the monotonic clock; 0: not. A repeatable read's `sent` is
                               that of its transaction's first one */
    outcome outcome;
    char sqlstate[6];
    int64_t rows; /* of its tag */
} statement;

typedef struct touched {
    char kind; /* of key, as in reads.c; 0: none */
    int key;
} touched;

typedef struct commit_unit {
    uint32_t first, count;  /* its statements */
    int64_t sent, answered; /* of what commits it; `sent` 0: nothing did */
    outcome outcome;        /* REFUSED also when rolled back */
    bool savepoints;        /* some of it may have been undone */
    bool partly;            /* may have been refused and yet have written */
    touched about;          /* something that it writes */
} commit_unit;

typedef struct record {
    statement *statements;
    size_t count, size;
    commit_unit *units;
    size_t unit_count, unit_size;
    struct chunk *chunks; /* where texts lie */
} record;

/* Valid until the next one is added. */
statement *record_add(record *r);
commit_unit *record_add_unit(record *r);
/* A copy that lives as long as the record. */
const char *record_text(record *r, const char *text, size_t len);
void record_free(record *r);

#endif
