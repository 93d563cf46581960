/* Private to api/: what the public types are, and how a connection talks to its end in the gateway.
 *
 * A connection is one end of a socket pair, whose other end is a client of the gateway's like any
 * other, in this process: so a statement means what it means over the wire, and whatever holds
 * there (pools, cache, limits, waiting for who reads slowly) holds here.
 *
 * Invariant: between calls nothing is owed, unless rows are open: then exactly what is left of one
 * statement is. Whoever cannot read on to that point marks the connection lost. */
#ifndef WEIR_API_API_H
#define WEIR_API_API_H

#include "gateway/gateway.h"
#include "proto/pg/pg.h"
#include "weir/weir.h"
#include <locale.h>

#define API_SECRET_MAX 32u

struct weir_instance {
    weir_config *config;
    weir_embedding *embedding;
    void (*log)(void *user, const char *line, size_t len);
    void *user;
    locale_t plain; /* where a point is a point */
};

typedef struct api_column {
    const char *name;
    uint32_t type;
} api_column;

typedef struct api_cell {
    char *text; /* NULL: SQL's NULL */
    size_t len;
} api_cell;

struct weir_rows {
    weir_connection *connection;
    weir_buf head;    /* the RowDescription's body: names are in it */
    weir_buf decoded; /* of weir_rows_bytes */
    api_column *columns;
    api_cell *cells; /* of the row; in the connection's `in` */
    unsigned count;
    bool open;          /* to be closed; else nothing below counts */
    bool ended;         /* nothing is owed any more */
    bool waits;         /* a row has been read and not been asked for yet */
    bool on_row;        /* one is there */
    bool copies_in;     /* it asked for data, and was refused */
    weir_status status; /* how it ended */
    weir_fault fault;
    char tag[64];
};

typedef struct api_note {
    struct api_note *next;
    size_t len;
    uint8_t body[];
} api_note;

struct weir_connection {
    weir_instance *instance;
    int fd;
    weir_buf in, out;
    size_t taken;     /* of `in`, by the message given last */
    uint8_t *covered; /* the byte behind a row, which a zero byte stands in for; NULL: none */
    uint8_t cover;
    bool lost;
    char transaction;
    uint32_t id; /* for cancelling */
    uint8_t secret[API_SECRET_MAX];
    size_t secret_len;
    weir_rows rows;
    api_note *notes, *notes_last, *note; /* waiting; the one given last */
    size_t note_count;
};

/* ---- fault.c ---- */
weir_status api_fail(weir_fault *fault, weir_status status, const char *sqlstate, const char *fmt,
                     ...) WEIR_PRINTF(4, 5);
void api_hint(weir_fault *fault, const char *hint);
weir_status api_no_memory(weir_fault *fault);
/* Of an ErrorResponse. LOST: the session ends with it. */
weir_status api_fault_of(weir_fault *fault, weir_slice body);
void api_fault_of_error(weir_fault *fault, const weir_error *err);

/* ---- wire.c: all of them block ---- */
/* A connected socket, whose other end the gateway has. */
WEIR_MUST_CHECK weir_status api_socket(weir_instance *instance, int *ret_fd, weir_fault *fault);
/* Sends `out`, and empties it. Where that fails, reading finds out why. */
void api_send(weir_connection *c);
/* The next message that is an answer; what comes beside it is taken care of. Borrowed until the
 * next call. */
WEIR_MUST_CHECK weir_status api_receive(weir_connection *c, weir_pg_frame *ret, weir_fault *fault);
/* Takes what has come, or comes within `timeout_ms`, where nothing is owed. */
WEIR_MUST_CHECK weir_status api_listen(weir_connection *c, int timeout_ms, weir_fault *fault);
/* It breaks the protocol, or could not be read on: it is of no use any more. */
weir_status api_lose(weir_connection *c, weir_fault *fault, const char *why);

/* ---- statement.c ---- */
/* May a statement begin? */
WEIR_MUST_CHECK weir_status api_is_free(const weir_connection *c, weir_fault *fault);
/* Puts a statement into `out`. */
WEIR_MUST_CHECK weir_status api_put_statement(weir_connection *c, const char *sql,
                                              const weir_parameter *parameters, size_t count,
                                              weir_fault *fault);

#endif
