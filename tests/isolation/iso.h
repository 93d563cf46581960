/* The isolation checker's parts. A client (talk.c) does one step after another (steps*.c): a step
 * writes messages, says exactly what must come back, and what the session is afterwards (model.c).
 * All on one thread; every choice is the seed's. */
#ifndef WEIR_TESTS_ISOLATION_ISO_H
#define WEIR_TESTS_ISOLATION_ISO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENTS_MAX = 512,
    TEXT_MAX = 512,
    WANTED_MAX = 64,
    LEVELS = 4,
    TEMPS = 2,
    NAMES = 4,
    CHANNELS = 3,
    SHARED_LOCKS = 4,
    VALUES = 9 /* of a setting and client; 0 is the default */
};

/* ---- what a session is ---- */

enum setting {
    APPLICATION_NAME,
    TIME_ZONE,
    DATE_STYLE,
    INTERVAL_STYLE,
    CONFORMING, /* these are reported */
    REPORTED,
    WORK_MEM = REPORTED,
    STATEMENT_TIMEOUT,
    LOCK_TIMEOUT,
    SEARCH_PATH,
    FLOAT_DIGITS,
    CUSTOM_A,
    CUSTOM_B,
    ROLE,
    AUTHORIZATION,
    SETTINGS
};

/* `effective` differs from `session` under SET LOCAL. */
typedef struct value {
    int session, effective;
} value;

/* What a transaction or savepoint takes back. */
typedef struct level {
    value set[SETTINGS];
    int temp[TEMPS]; /* what stands in the table; 0: there is none */
    unsigned listens;
} level;

typedef struct model {
    level levels[LEVELS];
    int depth;   /* of levels; 0: outside a transaction */
    char status; /* as ReadyForQuery says */
    int prepared[NAMES];
    unsigned doubtful; /* names of Parses that were skipped: the gateway may still find them */
    unsigned own_locks, shared_locks;
    int cursor, fetched; /* a cursor WITH HOLD */
    unsigned noted;      /* notifications of its own that it must have got */
    unsigned noting;     /* of the open transaction */
} model;

typedef struct client client;

extern const char *const setting_names[SETTINGS];
/* Of a direct connection without any wishes. */
extern char fresh[SETTINGS][TEXT_MAX];
const char *setting_text(const client *c, int setting, int id, char out[TEXT_MAX]);
/* What a row of the probe shows for it: the roles as current_user and session_user. */
const char *setting_shown(const client *c, const level *l, int setting, char out[TEXT_MAX]);
level *top(model *m);
void model_set(model *m, int setting, int id, bool local);
void model_begin(model *m);
void model_savepoint(model *m);
void model_rollback_to(model *m);
void model_release(model *m);
void model_commit(model *m);
void model_rollback(model *m);
/* Something that only one server connection can hold. */
bool model_pins(const model *m);

/* ---- a client ---- */

typedef struct bytes {
    uint8_t *data;
    size_t len, cap;
} bytes;

/* A message that must come next: the text is of a row's columns ('|' between), a tag, an SQLSTATE,
 * or a status. */
typedef struct wanted {
    char type;
    char text[TEXT_MAX];
} wanted;

typedef enum phase { PHASE_AWAY, PHASE_LOGIN, PHASE_READY, PHASE_DONE } phase;

struct client {
    int fd, number, cancel_fd;
    phase phase;
    uint64_t random;
    model now, next;
    level other; /* after the loss of a server: what may have been committed all the same */
    bool doubt, adopting;
    wanted want[WANTED_MAX];
    size_t want_at, want_len;
    bytes in, out;
    size_t out_at;
    unsigned serial, steps, notes;
    int startup[SETTINGS]; /* wishes of the startup packet */
    char reported[REPORTED][TEXT_MAX];
    uint8_t key[64];
    size_t key_len;
    bool lost, refused, pin, cancelled, guard, forget_names, forget_channels;
    bool spoilt;        /* an error that nothing explains: its session is not what the model says */
    bool failed_block;  /* it was lost with its server, and waits for its end */
    bool untold;        /* what the lost transaction set is gone, and was not reported back */
    bool was_reset;     /* settings of the startup packet come back with the next message */
    unsigned own_notes; /* received */
    int slot;           /* of w.locks, that its step is about; -1: none */
    bool watching;      /* it only looks whether it is held */
    uint32_t heard[CLIENTS_MAX + 1];
    char last[TEXT_MAX];
};

/* Of all clients, one at a time holds it. Its key changes when its holder vanished, whose lock may
 * live on for a while. */
typedef struct shared_lock {
    int owner; /* 0: free */
    bool changing;
    unsigned watchers, epoch;
} shared_lock;

typedef struct world {
    unsigned port, server_port, clients, pins_max, pins;
    int trace;                           /* the client whose steps are printed */
    const char *without;                 /* names of steps to be left out, ',' between */
    const char *user, *login, *database; /* the client's name, and what the server knows it as */
    uint64_t seed;
    bool kills, ending;
    uint64_t checks, leaks, misdelivered, wrong, statements, losses, refusals, kills_done, cancels,
        vanished, notes;
    int epoll;
    client *client[CLIENTS_MAX + 1]; /* from 1 */
    shared_lock locks[SHARED_LOCKS];
} world;

extern world w;

uint64_t below(client *c, uint64_t n);
bool percent(client *c, unsigned p);

/* ---- talk.c ---- */

typedef enum fault { LEAK, MISDELIVERED, WRONG } fault;
void blame(const client *c, fault what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void want(client *c, char type, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* ReadyForQuery, with the status of the model to come. */
void want_ready(client *c);
void query(client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void parse(client *c, const char *name, const char *text);
void bind_values(client *c, const char *portal, const char *statement, const char *const *values,
                 unsigned count);
void execute(client *c, const char *portal, unsigned rows);
void close_statement(client *c, const char *name);
void sync_batch(client *c);
void copy_data(client *c, const char *text);
void copy_end(client *c, const char *failure); /* NULL: done */
void client_connect(client *c);
void client_on_event(client *c, unsigned events);
/* Closes without a word, in the middle of whatever it is. */
void client_vanish(client *c);
/* Others are looking whether it holds a lock: it must not leave now. */
bool is_watched(const client *c);
void client_cancel(client *c);
void client_flush(client *c);

/* ---- steps.c, steps_more.c ---- */

void token(client *c, char out[TEXT_MAX]);
/* Begins the next step. */
void step(client *c);
void probe(client *c);
bool take_pin(client *c);
bool step_prepared(client *c);
bool step_temp(client *c);
bool step_lock(client *c);
bool step_cursor(client *c);
bool step_listen(client *c);
bool step_cancel(client *c);
bool step_copy(client *c);
bool step_pipeline(client *c);
bool step_shared_text(client *c);
bool step_suspended(client *c);

#endif
