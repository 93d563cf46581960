/* One session of the toy PostgreSQL as its protocol shows it: messages in, messages out, no
 * connection. The fake server has one behind each connection; a client of the simulator has one of
 * its own, to which it gives what it sends, and what comes out must come through the gateway. */
#ifndef WEIR_TESTS_SIM_FAKEBACKEND_H
#define WEIR_TESTS_SIM_FAKEBACKEND_H

#include "fakesql.h"

typedef struct fake_portal {
    char *text; /* NULL: there is none */
    char under[FAKE_TEXT];
} fake_portal;

typedef struct fake_backend_hooks {
    /* A function that names a client runs; NULL: nobody minds. */
    void (*called)(void *user, const char *token);
    /* What a client would not do. */
    void (*odd)(void *user, const char *words, const char *text);
    /* A transaction block has ended, perhaps with more behind it in its Query. May be NULL. */
    void (*ended)(void *user);
    /* The first `count` of the state's notes are notified. May write to `out`. */
    void (*committed)(void *user, unsigned count);
    /* Before ReadyForQuery: notifications go first. May be NULL. */
    void (*ready)(void *user);
    void *user;
} fake_backend_hooks;

typedef struct fake_backend {
    fake_state state;
    fake_names names;
    fake_portal unnamed, named; /* one with a name is enough */
    bool skipping;
    char reported[FAKE_REPORTED][FAKE_TEXT];
    weir_buf out;
    const fake_backend_hooks *hooks;
} fake_backend;

void fake_backend_init(fake_backend *b, const fake_backend_hooks *hooks);
void fake_backend_fini(fake_backend *b);
/* The startup packet: its settings, and everything up to ReadyForQuery. */
void fake_backend_start(fake_backend *b, const weir_pg_startup *startup, uint32_t pid,
                        weir_slice key);
void fake_backend_message(fake_backend *b, const weir_pg_frame *f);
/* A Query fails before it does anything. */
void fake_backend_refuse(fake_backend *b, const char *sqlstate, const char *message);
void fake_backend_error(fake_backend *b, const char *severity, const char *sqlstate,
                        const char *message);

#endif
