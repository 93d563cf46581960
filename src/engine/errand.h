/* An errand: one question put to a database by us rather than by a client (who may log in, what the
 * catalog says). It opens a session, borrows a connection of the pool as a client would, asks, and
 * gives it back. On one worker's thread. */
#ifndef WEIR_ENGINE_ERRAND_H
#define WEIR_ENGINE_ERRAND_H

#include "engine/engine.h"

typedef struct weir_errand {
    weir_session session;
    weir_relay_sink sink;
    weir_question question;
    void (*row)(struct weir_errand *errand, const weir_slice *values, unsigned count);
    void (*done)(struct weir_errand *errand, const weir_error *err);
    bool as_user; /* the caller's: as `user` even where the database has one of its own */
    bool asked, ended;
    uint64_t system; /* who answered, as weir_conn has it */
    uint32_t timeline;
} weir_errand;

/* Starts it; `errand` is the caller's, zeroed but for `row`, `done` and `as_user`, and must live
 * until `done`, which is called exactly once, perhaps from inside this call. `user`: whose pool (a
 * database with a user of its own uses that, but for `as_user`). `text` and `params` are borrowed
 * until `done`. */
void weir_errand_start(weir_errand *errand, weir_worker *worker, weir_database *database,
                       weir_slice user, weir_slice text, const weir_slice *params,
                       unsigned param_count);
/* Gives it up: `done` is not called any more, the memory is the caller's again. A connection that
 * has not answered yet is closed. Harmless when it has ended. */
void weir_errand_drop(weir_errand *errand);

#endif
