/* Workers, listeners and the hosting of the engine: what the gateway is made of, without threads.
 */
#include "gateway/gateway.h"
#include "gateway/background.h"
#include "gateway/ears.h"
#include "gateway/handover.h"
#include "gateway/listen.h"
#include "gateway/spelling.h"
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS_PER_WORKER_MAX (1u << 24)

/* ---- the engine's host ---- */

static weir_gateway_worker *worker_of(weir_gateway *g, const weir_worker *w)
{
    return &g->workers[weir_worker_index(w)];
}

static weir_time host_now(void *user, const weir_worker *w)
{
    return weir_loop_now(worker_of(user, w)->loop);
}

static weir_time host_clock(void *user, const weir_worker *w)
{
    return weir_loop_clock(worker_of(user, w)->loop);
}

static int64_t host_wall(void *user, const weir_worker *w)
{
    return weir_loop_wall_ns(worker_of(user, w)->loop);
}

static uint32_t host_random(void *user, weir_worker *w)
{
    uint32_t r;
    weir_loop_random(worker_of(user, w)->loop, &r, sizeof(r));
    return r;
}

static_assert(sizeof(weir_task) <= sizeof(((weir_message *)0)->host), "a message carries its task");

static void run_message(weir_task *task, weir_loop *loop)
{
    weir_gateway_worker *w = weir_loop_user(loop);
    weir_message *m = (weir_message *)(void *)((char *)task - offsetof(weir_message, host));
    m->run(m, w->engine);
}

static void host_post(void *user, weir_worker *to, weir_message *m)
{
    weir_task *task = (weir_task *)(void *)m->host;
    task->run = run_message;
    weir_loop_post(worker_of(user, to)->loop, task);
}

static void host_wake_at(void *user, weir_worker *w, weir_time at)
{
    weir_gateway_worker *gw = worker_of(user, w);
    weir_timer_arm(gw->loop, &gw->tick, at);
}

static void on_tick(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    weir_worker_tick(WEIR_CONTAINER_OF(timer, weir_gateway_worker, tick)->engine);
}

/* ---- life ---- */

int weir_gateway_new(const weir_gateway_options *options, weir_gateway **ret)
{
    weir_gateway *g = calloc(1, sizeof(*g) + options->workers * sizeof(weir_gateway_worker));
    if (!g)
        return -ENOMEM;
    g->options = *options;
    g->log = options->log;
    for (unsigned i = 0; i < options->workers; i++) {
        weir_gateway_worker *w = &g->workers[i];
        w->gateway = g;
        w->index = i;
        weir_list_init(&w->clients);
        weir_list_init(&w->listeners);
        weir_list_init(&w->catalogs);
        weir_map_init(&w->by_id, options->seed, CLIENTS_PER_WORKER_MAX);
        weir_timer_init(&w->tick, on_tick);
        weir_worker_init_handover(w);
    }
    weir_engine_options engine = {
        .workers = options->workers,
        .host = {.now = host_now,
                 .clock = host_clock,
                 .wall = host_wall,
                 .random = host_random,
                 .post = host_post,
                 .wake_at = host_wake_at,
                 .analyze = options->analyst ? weir_gateway_analyze : NULL,
                 .analyze_at = options->analyst ? weir_gateway_analyze_at : NULL,
                 .used = options->catalogs ? weir_gateway_on_used : NULL,
                 .user = g},
        .log = options->log,
        .memory = options->memory,
        .epoch = options->epoch,
        .seed = options->seed,
        .templates_max = options->config->limits.templates,
        .slow = options->config->log.slow,
    };
    weir_gateway_init_mock(g);
    int r = weir_gateway_put_settings(g, options->config, false);
    for (unsigned i = 0; r == 0 && i < options->workers; i++)
        r = weir_ears_new(&g->workers[i], &g->workers[i].ears);
    if (r == 0)
        r = weir_engine_new(&engine, &g->engine);
    if (r == 0)
        r = weir_gateway_add_cache(g, options->config);
    if (r == 0)
        r = weir_gateway_configure_users(g, options->config, NULL);
    if (r < 0) {
        weir_engine_free(g->engine);
        for (unsigned i = 0; i < options->workers; i++)
            weir_ears_free(g->workers[i].ears);
        weir_gateway_free_settings(g);
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void weir_gateway_free(weir_gateway *gateway)
{
    if (!gateway)
        return;
    for (unsigned i = 0; i < gateway->options.workers; i++)
        weir_loop_drop_tasks(gateway->workers[i].loop);
    weir_hubs_free(gateway);
    for (unsigned i = 0; i < gateway->options.workers; i++) {
        weir_catalogs_free(&gateway->workers[i]);
        weir_background_free(gateway->workers[i].background);
        weir_ears_free(gateway->workers[i].ears);
    }
    weir_engine_free(gateway->engine);
    weir_gateway_free_settings(gateway);
    weir_tls_slot_put(&gateway->tls, NULL);
    free(gateway);
}

void weir_gateway_set_opener(weir_gateway *gateway, weir_gateway_opener opener, void *user)
{
    gateway->opener = opener;
    gateway->opener_user = user;
}

weir_engine *weir_gateway_engine(weir_gateway *gateway)
{
    return gateway->engine;
}

weir_memory *weir_gateway_memory(weir_gateway *gateway)
{
    return gateway->options.memory;
}

weir_log *weir_gateway_log(weir_gateway *gateway)
{
    return gateway->log;
}

void *weir_gateway_hook(weir_gateway *gateway, unsigned index)
{
    return &gateway->workers[index];
}

void weir_gateway_on_turn(void *user, weir_loop *loop)
{
    (void)loop;
    weir_gateway_worker *w = user;
    if (w->engine)
        weir_epoch_quiescent(weir_worker_epoch(w->engine));
}

void weir_gateway_on_sleep(void *user, weir_loop *loop, int sleeping)
{
    (void)loop;
    weir_gateway_worker *w = user;
    if (!w->engine)
        return;
    if (sleeping)
        weir_epoch_offline(weir_worker_epoch(w->engine));
    else
        weir_epoch_online(weir_worker_epoch(w->engine));
}

int weir_gateway_add_worker(weir_gateway *gateway, unsigned index, weir_loop *loop)
{
    weir_gateway_worker *w = &gateway->workers[index];
    assert(weir_loop_user(loop) == w);
    w->loop = loop;
    w->background = weir_background_new(w);
    if (!w->background)
        return -ENOMEM;
    return weir_worker_start(gateway->engine, index, loop, &w->engine);
}

unsigned weir_gateway_clients(const weir_gateway *gateway)
{
    return atomic_load(&gateway->clients);
}

unsigned weir_gateway_consoles(const weir_gateway *gateway)
{
    return atomic_load(&gateway->consoles);
}

bool weir_gateway_draining(const weir_gateway *gateway)
{
    return atomic_load(&gateway->draining);
}

/* ---- listening ---- */

static void on_arrived(weir_stream *stream, void *user)
{
    weir_client_accept(user, stream);
}

static const weir_stream_handler mute = {.on_bytes = NULL, .on_close = NULL};

weir_gateway_worker *weir_gateway_least_loaded(weir_gateway_worker *mine)
{
    weir_gateway *g = mine->gateway;
    weir_gateway_worker *best = mine;
    for (unsigned i = 0; i < g->options.workers; i++) {
        weir_gateway_worker *w = &g->workers[i];
        if (atomic_load(&w->client_count) < atomic_load(&best->client_count))
            best = w;
    }
    return best;
}

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    weir_gateway_listener *l = weir_listener_user(listener);
    weir_gateway_worker *to = weir_gateway_least_loaded(l->worker);
    atomic_fetch_add(&to->client_count, 1);
    atomic_fetch_add(&to->gateway->clients, 1);
    if (to == l->worker) {
        weir_client_accept(to, stream);
        return;
    }
    weir_stream_set_handler(stream, &mute, NULL);
    weir_stream_move(stream, to->loop, on_arrived, to);
}

static void on_refused(weir_listener *listener, int error)
{
    weir_gateway_listener *l = weir_listener_user(listener);
    weir_log_event(l->worker->gateway->log, WEIR_LOG_NET, WEIR_LOG_ERROR,
                   "cannot accept clients for now",
                   WEIR_F_STR("address", weir_listener_address(listener)),
                   WEIR_F_STR("reason", strerror(-error)));
}

static const weir_listener_handler listener_handler = {.on_accept = on_accept,
                                                       .on_refused = on_refused};

int weir_gateway_listen(weir_gateway *gateway, unsigned index, const char *address,
                        const char **ret_address)
{
    weir_gateway_worker *w = &gateway->workers[index];
    weir_gateway_listener *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->worker = w;
    l->configured = address;
    int fd = weir_handover_take_listener(gateway->handover, WEIR_HANDOVER_CLIENTS, address);
    int r = fd < 0 ? weir_listen(w->loop, address, false, &listener_handler, l, &l->listener)
                   : weir_listener_import(w->loop, fd, &listener_handler, l, &l->listener);
    if (r < 0) {
        if (fd >= 0)
            (void)close(fd);
        free(l);
        return r;
    }
    weir_list_push_back(&w->listeners, &l->node);
    if (ret_address)
        *ret_address = weir_listener_address(l->listener);
    return 0;
}

weir_gateway_worker *weir_gateway_worker_of(weir_gateway *g, uint32_t id)
{
    return &g->workers[(id & 0xff) % g->options.workers];
}

static void close_listeners(weir_gateway_worker *w)
{
    for (weir_list *n; (n = weir_list_pop_front(&w->listeners));) {
        weir_gateway_listener *l = WEIR_CONTAINER_OF(n, weir_gateway_listener, node);
        weir_listener_close(l->listener);
        free(l);
    }
}

/* ---- draining ---- */

static void drain_worker(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_gateway_worker *w = WEIR_CONTAINER_OF(task, weir_gateway_worker, drain);
    close_listeners(w);
    weir_background_stop(w->background);
    for (weir_list *n = w->clients.next; n != &w->clients;) {
        weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        n = n->next;
        if (weir_client_at_rest(c))
            weir_client_goodbye(c);
    }
    weir_hubs_drain(w);
    weir_catalogs_drain(w);
}

void weir_gateway_drain(weir_gateway *gateway)
{
    if (atomic_exchange(&gateway->draining, true))
        return;
    atomic_store(&gateway->leaving, true);
    for (unsigned i = 0; i < gateway->options.workers; i++) {
        weir_gateway_worker *w = &gateway->workers[i];
        w->drain.run = drain_worker;
        weir_loop_post(w->loop, &w->drain);
    }
}

static void close_worker_clients(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_gateway_worker *w = WEIR_CONTAINER_OF(task, weir_gateway_worker, close);
    for (weir_list *n = w->clients.next; n != &w->clients;) {
        weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        n = n->next;
        if (c->relays && c->relay.sent > 0)
            weir_client_close(c, 0); /* our words might land in the middle of a row */
        else
            weir_client_goodbye(c);
    }
}

void weir_gateway_close_clients(weir_gateway *gateway)
{
    if (atomic_exchange(&gateway->closing, true))
        return;
    for (unsigned i = 0; i < gateway->options.workers; i++) {
        weir_gateway_worker *w = &gateway->workers[i];
        w->close.run = close_worker_clients;
        weir_loop_post(w->loop, &w->close);
    }
}

void weir_gateway_stop_worker(weir_gateway *gateway, unsigned index)
{
    weir_gateway_worker *w = &gateway->workers[index];
    close_listeners(w);
    weir_background_end(w->background);
    assert(weir_list_empty(&w->clients));
    weir_hubs_stop_worker(w);
    weir_catalogs_drain(w);
    weir_timer_disarm(w->loop, &w->tick);
    weir_timer_disarm(w->loop, &w->sweep);
    weir_map_fini(&w->by_id);
    weir_lookups_free(w);
    weir_spellings_free(w);
    weir_worker_stop(w->engine);
    w->engine = NULL;
}
