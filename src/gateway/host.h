/* What holds a gateway in a process: memory, log, threads, workers with their loops, a control
 * loop, and the databases that its configuration names. serve.c makes a daemon of it, embed.c a
 * part of another program. Private to gateway/.
 *
 * In order: start, open_databases, run; then the control loop runs on a thread of the caller's
 * until drain has stopped it; then stop and free, which serve also what was begun and failed. */
#ifndef WEIR_GATEWAY_HOST_H
#define WEIR_GATEWAY_HOST_H

#include "gateway/internal.h"
#include <pthread.h>

typedef struct weir_host weir_host;

typedef struct weir_host_worker {
    pthread_t thread;
    bool running;
    weir_loop *loop;
    weir_task finish;
    weir_host *host;
    unsigned index;
} weir_host_worker;

/* Where the log's lines go; on any thread, one call per line. */
typedef void (*weir_host_log)(void *user, weir_slice line);

struct weir_host {
    const weir_config *config; /* borrowed; the gateway's after a reload */
    weir_host_log log_sink;
    void *log_user;
    weir_log *log;
    weir_memory memory;
    weir_epoch *epoch;
    weir_executor *analyst, *resolver, *hasher;
    weir_gateway *gateway;
    struct weir_warming *warming;
    weir_loop *control;
    _Atomic bool another; /* process of ours serves the same databases, while clients go over */
    weir_timer drain_timer;
    weir_time drain_until;
    bool draining, pools_draining;
    unsigned workers;
    weir_host_worker *worker; /* so many */
};

/* Everything but databases. Words in `err` where there are better ones than the errno's. */
WEIR_MUST_CHECK int weir_host_start(weir_host *host, const weir_config *config, weir_host_log sink,
                                    void *log_user, weir_error *err);
WEIR_MUST_CHECK int weir_host_open_databases(weir_host *host, weir_error *err);
/* Starts the workers' threads and what databases do by themselves. */
WEIR_MUST_CHECK int weir_host_run(weir_host *host);

/* On the control thread: clients end their transactions, or `timeouts.drain` passes; asked again,
 * they go at once; connections to databases close; then the control loop stops. */
void weir_host_drain(weir_host *host, const char *why);
/* Ends the workers; their clients and connections are gone. */
void weir_host_stop(weir_host *host);
void weir_host_free(weir_host *host);

/* opening.c: a weir_gateway_opener, whose user is the host. */
int weir_host_open(void *user, const weir_config *config, const weir_config_database *database,
                   weir_database *there, weir_error *err);

#endif
