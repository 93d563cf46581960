/* Admin HTTP: health, metrics, reports as JSON, a web page. Runs on a loop of its own caller's (the
 * control loop), never on a worker's. It knows the engine; of whoever hosts clients it knows the
 * functions below. */
#ifndef WEIR_OPS_OPS_H
#define WEIR_OPS_OPS_H

#include "base/memory.h"
#include "config/config.h"
#include "engine/report.h"
#include "net/net.h"

typedef struct weir_ops weir_ops;

typedef struct weir_ops_host {
    weir_engine *engine;
    weir_memory *memory;
    weir_log *log;
    /* Client connections now, and those of them that are operators'. */
    unsigned (*clients)(void *user);
    unsigned (*consoles)(void *user);
    /* It shuts down: not ready any more. */
    bool (*draining)(void *user);
    int64_t (*tls_expiry)(void *user); /* seconds since 1970; 0: no certificate */
    /* Has a report made: `done` comes on `home` once, later, unless this failed (-ENOENT: no such
     * report; -ENOMEM). */
    int (*report)(void *user, weir_loop *home, weir_slice name,
                  void (*done)(void *done_user, const weir_report *report), void *done_user);
    /* A listening socket to take over (taken), instead of opening one; 0: none. */
    int listen_fd;
    void *user;
} weir_ops_host;

/* Listens on config->admin (port 0 picks one). -EADDRINUSE, -EACCES (beyond loopback without a
 * token), …: words in `err`. `host` is copied; what it points to outlives the ops. */
WEIR_MUST_CHECK int weir_ops_start(weir_loop *loop, const weir_config *config,
                                   const weir_ops_host *host, weir_ops **ret, weir_error *err);
/* "127.0.0.1:8432": where it listens. */
const char *weir_ops_address(const weir_ops *ops);
/* Another process accepts (or not any more) on the same socket, of which _share gives a duplicate;
 * requests under way are answered. -EMFILE. */
WEIR_MUST_CHECK int weir_ops_share(const weir_ops *ops, int *ret_fd);
void weir_ops_pause(weir_ops *ops, bool paused);
/* When `loop` does not run any more, from its thread, while the workers still do: reports under way
 * are waited for. NULL is fine. */
void weir_ops_stop(weir_ops *ops);

/* The Prometheus text, as /metrics gives it; `now` is the workers' time. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_ops_metrics(const weir_ops_host *host, weir_time now, weir_buf *out);

#endif
