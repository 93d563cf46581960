/* The gateway as a part of another program: a host (host.h) whose control loop has a thread of its
 * own. Clients are that program's ends of socket pairs; signals stay the program's. */
#include "gateway/host.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct weir_embedding {
    weir_host host;
    pthread_t control;
    bool running; /* that thread */
    weir_task finish;
};

typedef struct admission {
    weir_task task;
    int fd;
} admission;

/* On the worker that will have it. Where it cannot be taken in, the program sees its end. */
static void admit(weir_task *task, weir_loop *loop)
{
    admission *a = WEIR_CONTAINER_OF(task, admission, task);
    (void)weir_client_take_in(weir_loop_user(loop), a->fd);
    free(a);
}

int weir_embedding_admit(weir_embedding *embedding, int fd)
{
    admission *a = malloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    *a = (admission){.task = {.run = admit}, .fd = fd};
    weir_gateway_worker *first = &embedding->host.gateway->workers[0];
    weir_loop_post(weir_gateway_least_loaded(first)->loop, &a->task);
    return 0;
}

static int listen_all(weir_host *h, weir_error *err)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < h->config->listen_count; i++) {
        r = weir_gateway_listen(h->gateway, i % h->workers, h->config->listen[i], NULL);
        if (r < 0)
            weir_error_set(err, "58000", "weir: cannot listen on %s: %s", h->config->listen[i],
                           strerror(-r));
    }
    return r;
}

static void *control_main(void *arg)
{
    weir_embedding *e = arg;
    weir_loop_run(e->host.control);
    return NULL;
}

static int start(weir_embedding *e, const weir_config *config, weir_host_log sink, void *user,
                 weir_error *err)
{
    int r = weir_host_start(&e->host, config, sink, user, err);
    if (r == 0)
        r = weir_host_open_databases(&e->host, err);
    if (r == 0)
        r = listen_all(&e->host, err);
    if (r == 0)
        r = weir_host_run(&e->host);
    if (r == 0)
        r = -pthread_create(&e->control, NULL, control_main, e);
    e->running = r == 0;
    return r;
}

int weir_gateway_embed(const weir_config *config, void (*sink)(void *user, weir_slice line),
                       void *user, weir_embedding **ret, weir_error *err)
{
    sigset_t all, before;
    weir_embedding *e = calloc(1, sizeof(*e));
    err->sqlstate[0] = '\0';
    int r = -ENOMEM;
    if (e) {
        sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, &before);
        r = start(e, config, sink, user, err);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (r < 0 && !err->sqlstate[0])
        weir_error_set(err, r == -ENOMEM ? "53200" : "58000", "weir: cannot start: %s",
                       strerror(-r));
    if (r < 0) {
        weir_embedding_end(e);
        e = NULL;
    }
    *ret = e;
    return r;
}

static void finish(weir_task *task, weir_loop *loop)
{
    weir_embedding *e = WEIR_CONTAINER_OF(task, weir_embedding, finish);
    (void)loop;
    weir_host_drain(&e->host, "the program closes it");
    weir_host_drain(&e->host, "at once");
}

void weir_embedding_end(weir_embedding *embedding)
{
    weir_embedding *e = embedding;
    if (!e)
        return;
    if (e->running) {
        e->finish.run = finish;
        weir_loop_post(e->host.control, &e->finish);
        (void)pthread_join(e->control, NULL);
    }
    weir_host_stop(&e->host);
    weir_host_free(&e->host);
    free(e);
}
