/* The gateway: client sessions over the engine. The only place where client sockets, protocol and
 * engine meet. weir_gateway_* hosts it on loops that the caller runs (threads in serve.c, the
 * simulator in tests); weir_gateway_serve is the whole daemon. */
#ifndef WEIR_GATEWAY_GATEWAY_H
#define WEIR_GATEWAY_GATEWAY_H

#include "base/epoch.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/config.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "net/net.h"

typedef struct weir_gateway weir_gateway;

typedef struct weir_gateway_options {
    const weir_config *config; /* outlives the gateway */
    unsigned workers;
    weir_log *log;
    weir_memory *memory;
    weir_epoch *epoch;
    weir_hash_seed seed;
    weir_executor *analyst; /* runs the SQL grammar; NULL: the lexer's word stands */
    bool catalogs; /* reads the catalogs of PostgreSQL servers; else what functions do is not known
                    */
    weir_executor *hasher; /* what logins cost: passwords' hashes; NULL: the loops do it */
} weir_gateway_options;

WEIR_MUST_CHECK int weir_gateway_new(const weir_gateway_options *options, weir_gateway **ret);
/* No client, listener or connection may be left. */
void weir_gateway_free(weir_gateway *gateway);
weir_engine *weir_gateway_engine(weir_gateway *gateway);
weir_memory *weir_gateway_memory(weir_gateway *gateway);
weir_log *weir_gateway_log(weir_gateway *gateway);

/* Before the loops run: gives worker `index` its loop. */
WEIR_MUST_CHECK int weir_gateway_add_worker(weir_gateway *gateway, unsigned index, weir_loop *loop);
/* A listener of worker `index`; connections are spread over all workers. */
WEIR_MUST_CHECK int weir_gateway_listen(weir_gateway *gateway, unsigned index, const char *address,
                                        const char **ret_address);
/* Hooks for the loop's options: user is what weir_gateway_hook gives (made before the loop). */
void weir_gateway_on_turn(void *user, weir_loop *loop);
void weir_gateway_on_sleep(void *user, weir_loop *loop, int sleeping);
void *weir_gateway_hook(weir_gateway *gateway, unsigned index);

/* How a reload opens a database of `config`: adds it to the engine, or moves `there` to where it
 * says (STAYS: it is there already), or fails with words. On the thread that reloads. */
#define WEIR_GATEWAY_STAYS 1
typedef int (*weir_gateway_opener)(void *user, const weir_config *config,
                                   const weir_config_database *database, weir_database *there,
                                   weir_error *err);
void weir_gateway_set_opener(weir_gateway *gateway, weir_gateway_opener opener, void *user);

/* Puts another configuration in force, as far as that can be done without a restart, and takes it
 * over; the rest is said in the log. On the control thread. -ENOMEM: the old one stays, `config` is
 * the caller's. */
WEIR_MUST_CHECK int weir_gateway_reload(weir_gateway *gateway, weir_config *config);

/* Shutdown, from any thread: no new clients, idle ones are told 57P01 and closed, others when their
 * transaction ends. */
void weir_gateway_drain(weir_gateway *gateway);
/* Closes every client that is left, from any thread. */
void weir_gateway_close_clients(weir_gateway *gateway);
unsigned weir_gateway_clients(const weir_gateway *gateway);
/* Those of them that are in the admin database. */
unsigned weir_gateway_consoles(const weir_gateway *gateway);
bool weir_gateway_draining(const weir_gateway *gateway);
/* When the certificate that clients are shown ends, in seconds since 1970; 0: there is none. From
 * any thread. */
int64_t weir_gateway_tls_expiry(const weir_gateway *gateway);
/* Closes what is left and takes the workers out; on each worker's own thread. */
void weir_gateway_stop_worker(weir_gateway *gateway, unsigned index);

/* ---- reports (report.c): every SHOW command, /api/NAME.json ---- */

/* Has the report made. `done` comes on `home` (a worker's loop or any other that goes on running
 * until then), once, later; the report is borrowed until it returns. weir_report_error says whether
 * it is whole. -ENOENT: no such report; -ENOMEM: no callback comes. On `home`'s thread. */
WEIR_MUST_CHECK int weir_gateway_report(weir_gateway *gateway, weir_loop *home, weir_slice name,
                                        void (*done)(void *user, const weir_report *report),
                                        void *user);

/* What runs beside the gateway on the control thread (admin HTTP, metrics), so that the gateway
 * need not know it. `start` is called when the gateway stands; `*ret_address` is shown in the ready
 * line. */
typedef struct weir_gateway_extension {
    int (*start)(void *user, weir_gateway *gateway, weir_loop *control, const char **ret_address,
                 weir_error *err);
    void (*stop)(void *user);
    /* SIGHUP: reads the configuration anew. Negative: it is broken, and that was said. May be NULL.
     */
    int (*load)(void *user, weir_config **ret);
    /* Its listening socket in two processes, while one takes over from the other: a duplicate for
     * the other one; whether the other one serves; before `start`, the other one's (taken). May be
     * NULL. */
    int (*share)(void *user, int *ret_fd);
    void (*pause)(void *user, bool paused);
    void (*inherit)(void *user, int fd);
    const char *const *argv; /* starts a successor (SIGUSR2); NULL: cannot */
    const char *takeover;    /* from whom to take over: a path, or "fd:N"; NULL: from nobody */
    void *user;
} weir_gateway_extension;

/* What `weir serve` does: runs until SIGTERM or SIGINT, drains. 0: drained; negative: it could not
 * start, words in `err`. `extension` may be NULL. */
WEIR_MUST_CHECK int weir_gateway_serve(const weir_config *config,
                                       const weir_gateway_extension *extension, weir_error *err);

/* Reads a file of at most `out->size_max` bytes (configuration and secrets); negative errno. The
 * form is weir_config_source.read_file's, and it blocks. */
WEIR_MUST_CHECK int weir_gateway_read_file(void *user, const char *path, weir_buf *out);

/* ---- as a part of another program (embed.c) ---- */

typedef struct weir_embedding weir_embedding;

/* Starts threads and databases, with all signals blocked in the threads; listens where `config`
 * says, perhaps nowhere; serves no admin HTTP. `config` is borrowed until the end; `sink` takes the
 * log's lines, on any thread. Words in `err`. */
WEIR_MUST_CHECK int weir_gateway_embed(const weir_config *config,
                                       void (*sink)(void *user, weir_slice line), void *user,
                                       weir_embedding **ret, weir_error *err);
/* Makes a client of a connected stream socket, which need not prove who it is. From any thread.
 * -ENOMEM: the descriptor remains the caller's. */
WEIR_MUST_CHECK int weir_embedding_admit(weir_embedding *embedding, int fd);
/* Closes clients, then databases; waits. Nothing may be admitted any more. NULL is fine. */
void weir_embedding_end(weir_embedding *embedding);

#endif
