/* The simulator's schedule: clock, agenda, and which loop has the next turn. */
#include "simnet_private.h"
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64, TURN_US_MAX = 20, STALL_MS_MAX = 20 };

/* 2026-01-01, in seconds since 1970: a wall clock that is the same in each run. */
static const int64_t WALL_START_S = 1767225600;

void *sim_alloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (!p) {
        fprintf(stderr, "simnet: out of memory\n");
        abort();
    }
    return p;
}

/* ---- the generator: xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018) ---- */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t simnet_random(simnet *sim)
{
    uint64_t *s = sim->random;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t simnet_below(simnet *sim, uint64_t n)
{
    return n < 2 ? 0 : simnet_random(sim) % n;
}

bool simnet_chance(simnet *sim, unsigned chance)
{
    return chance > 0 && simnet_below(sim, 1000000) < chance;
}

weir_time sim_between(simnet *sim, weir_time least, weir_time most)
{
    assert(most >= least);
    return least + (weir_time)simnet_below(sim, (uint64_t)(most - least) + 1);
}

void sim_note(simnet *sim, uint64_t what)
{
    sim->trace = (rotl(sim->trace, 5) ^ what ^ (uint64_t)sim->now) * 0x100000001b3u;
}

/* ---- the agenda ---- */

sim_event *sim_event_new(sim_kind kind, int fd, size_t len)
{
    sim_event *event = sim_alloc(NULL, sizeof(*event) + len);
    memset(event, 0, sizeof(*event));
    weir_heap_node_init(&event->node);
    event->kind = kind;
    event->fd = fd;
    event->from = -1;
    event->len = len;
    return event;
}

void sim_schedule(simnet *sim, sim_event *event, weir_time at)
{
    if (weir_heap_push(&sim->agenda, &event->node, at) < 0)
        abort();
}

static void deliver_due(simnet *sim)
{
    weir_heap_node *min;
    while ((min = weir_heap_min(&sim->agenda)) && min->key <= sim->now) {
        sim_event *event = WEIR_CONTAINER_OF(min, sim_event, node);
        weir_heap_remove(&sim->agenda, min);
        sim_note(sim, ((uint64_t)event->kind << 56) ^ ((uint64_t)event->fd << 32) ^ event->len);
        if (event->kind == SIM_TASK) {
            /* True means "wake it"; here whoever has mail is awake. */
            if (sim->loops[event->loop])
                (void)!weir_mailbox_push(&sim->loops[event->loop]->ready.mailbox, event->task);
            free(event);
        } else {
            sim_deliver(sim, event);
        }
    }
}

/* ---- a turn ---- */

typedef struct happening {
    weir_ready_stream *stream;
    unsigned events;
} happening;

static unsigned events_of(simnet *sim, const sim_socket *socket)
{
    unsigned told = socket->interest | WEIR_READY_HUP | WEIR_READY_ERROR;
    return socket->interest ? sim_socket_ready(sim, socket) & told : 0;
}

/* Some of what is ready, in any order, as the kernel may tell it. */
static size_t gather(simnet *sim, sim_loop *loop, happening *out)
{
    size_t len = 0;
    for (weir_list *l = loop->sockets.next; l != &loop->sockets && len < BATCH; l = l->next) {
        const sim_socket *socket = WEIR_CONTAINER_OF(l, sim_socket, link);
        unsigned events = events_of(sim, socket);
        if (!events || simnet_below(sim, 8) == 0)
            continue;
        size_t at = simnet_below(sim, len + 1);
        out[len++] = out[at];
        out[at] = (happening){socket->stream, events};
    }
    return len;
}

/* Looked for anew each time: on_accept may close any listener. */
static sim_listener *busy_listener(const sim_loop *loop)
{
    for (weir_list *l = loop->listeners.next; l != &loop->listeners; l = l->next) {
        sim_listener *listener = WEIR_CONTAINER_OF(l, sim_listener, link);
        if (listener->backlog_len > 0)
            return listener;
    }
    return NULL;
}

static bool is_runnable(simnet *sim, sim_loop *loop)
{
    if (weir_ready_has_work(&loop->ready) || loop->ready.dirty ||
        atomic_load(&loop->ready.mailbox.head) ||
        weir_loop_deadline(&loop->ready.base) <= sim->now || busy_listener(loop))
        return true;
    for (weir_list *l = loop->sockets.next; l != &loop->sockets; l = l->next)
        if (events_of(sim, WEIR_CONTAINER_OF(l, sim_socket, link)))
            return true;
    return false;
}

static void accept_all(sim_loop *loop)
{
    sim_listener *listener;
    while ((listener = busy_listener(loop))) {
        sim_accept(loop, listener);
        weir_ready_flush_dirty(&loop->ready);
    }
}

static void sleeping(sim_loop *loop, int yes)
{
    const weir_loop_options *options = &loop->ready.base.options;
    if (options->on_sleep)
        options->on_sleep(options->user, &loop->ready.base, yes);
}

static void turn(simnet *sim, sim_loop *loop)
{
    happening batch[BATCH] = {0};
    sim_note(sim, 0x7000 + (uint64_t)loop->index);
    sim->running = loop->index;
    loop->ready.base.now = sim->now;
    sleeping(loop, 0);
    weir_ready_flush_dirty(&loop->ready); /* what was written outside of any turn */
    size_t len = gather(sim, loop, batch);
    for (size_t i = 0; i < len; i++) {
        weir_ready_stream_event(batch[i].stream, batch[i].events);
        weir_ready_flush_dirty(&loop->ready);
    }
    accept_all(loop);
    weir_ready_bottom(&loop->ready);
    sim_listeners_reap(loop);
    sleeping(loop, 1);
    sim->running = SIM_LOOPS_MAX;
    sim->now += sim_between(sim, 0, TURN_US_MAX * WEIR_US);
}

static bool put_forward(simnet *sim)
{
    const weir_heap_node *min = weir_heap_min(&sim->agenda);
    weir_time at = min ? min->key : WEIR_TIME_NEVER;
    for (int i = 0; i < sim->loops_len; i++) {
        weir_time due =
            sim->loops[i] ? weir_loop_deadline(&sim->loops[i]->ready.base) : WEIR_TIME_NEVER;
        at = due < at ? due : at;
    }
    if (at == WEIR_TIME_NEVER)
        return false;
    sim->now = at > sim->now ? at : sim->now;
    return true;
}

bool simnet_step(simnet *sim)
{
    sim_loop *ready[SIM_LOOPS_MAX];
    size_t len = 0;
    deliver_due(sim);
    for (int i = 0; i < sim->loops_len; i++)
        if (sim->loops[i] && is_runnable(sim, sim->loops[i]))
            ready[len++] = sim->loops[i];
    if (len == 0)
        return put_forward(sim);
    if (simnet_chance(sim, sim->options.stall_chance))
        sim->now += sim_between(sim, 0, STALL_MS_MAX * WEIR_MS);
    else
        turn(sim, ready[simnet_below(sim, len)]);
    return true;
}

bool simnet_run_until(simnet *sim, weir_time until)
{
    while (sim->now < until) {
        if (!simnet_step(sim))
            return true;
    }
    return false;
}

/* ---- the loop's operations ---- */

static void run(weir_loop *base)
{
    sim_loop *loop = sim_loop_of(base);
    while (!loop->stopping && simnet_step(loop->sim))
        continue;
    loop->stopping = false;
}

static void stop(weir_loop *loop)
{
    sim_loop_of(loop)->stopping = true;
}

static weir_time clock_now(const weir_loop *loop)
{
    return sim_loop_of(loop)->sim->now;
}

static int64_t wall(const weir_loop *loop)
{
    return WALL_START_S * WEIR_SECOND + sim_loop_of(loop)->sim->now;
}

static void random_bytes(weir_loop *loop, void *out, size_t len)
{
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)simnet_random(sim_loop_of(loop)->sim);
}

/* Each poster's tasks keep their order toward each loop; between posters there is none. */
static void post(weir_loop *base, weir_task *task)
{
    sim_loop *loop = sim_loop_of(base);
    simnet *sim = loop->sim;
    weir_time at = sim->now + sim_between(sim, 0, sim->options.post_delay_max);
    weir_time *last = &sim->last_post[sim->running][loop->index];
    if (at <= *last)
        at = *last + 1;
    *last = at;
    sim_event *event = sim_event_new(SIM_TASK, -1, 0);
    event->loop = loop->index;
    event->task = task;
    sim_schedule(sim, event, at);
}

static void timer_changed(weir_loop *loop)
{
    (void)loop; /* deadlines are looked at before each step */
}

static int no_export(weir_stream *stream, int *ret_fd)
{
    (void)stream;
    (void)ret_fd;
    return -ENOTSUP;
}

static int no_import(weir_loop *loop, int fd, weir_stream **ret)
{
    (void)loop;
    (void)fd;
    (void)ret;
    return -ENOTSUP;
}

/* Tasks still on their way reach the mailbox first, so that moving streams are dropped with it. */
static void hasten_tasks(sim_loop *loop)
{
    weir_heap *agenda = &loop->sim->agenda;
    for (size_t i = 0; i < agenda->len;) {
        sim_event *event = WEIR_CONTAINER_OF(agenda->nodes[i], sim_event, node);
        if (event->kind != SIM_TASK || event->loop != loop->index) {
            i++;
            continue;
        }
        weir_heap_remove(agenda, &event->node);
        (void)!weir_mailbox_push(&loop->ready.mailbox, event->task);
        free(event);
        i = 0;
    }
}

static void destroy(weir_loop *base)
{
    sim_loop *loop = sim_loop_of(base);
    hasten_tasks(loop);
    weir_list *link;
    while ((link = weir_list_first(&loop->listeners)))
        sim_listener_close(&WEIR_CONTAINER_OF(link, sim_listener, link)->base);
    sim_listeners_reap(loop);
    weir_ready_end(&loop->ready);
    loop->sim->loops[loop->index] = NULL;
    free(loop);
}

static const weir_loop_ops sim_ops = {
    .run = run,
    .stop = stop,
    .destroy = destroy,
    .clock = clock_now,
    .wall_ns = wall,
    .random = random_bytes,
    .post = post,
    .timer_changed = timer_changed,
    .connect = sim_connect,
    .listen = sim_listen,
    .listener_close = sim_listener_close,
    .write = weir_ready_write,
    .pause = weir_ready_pause,
    .resume = weir_ready_resume,
    .close = weir_ready_close,
    .finish = weir_ready_finish,
    .quiet = weir_ready_quiet,
    .move = weir_ready_move,
    .peer = weir_ready_peer,
    .export = no_export,
    .import = no_import,
};

weir_loop *simnet_loop_new(simnet *sim, const weir_loop_options *options)
{
    assert(sim->loops_len < SIM_LOOPS_MAX);
    sim_loop *loop = sim_alloc(NULL, sizeof(*loop));
    memset(loop, 0, sizeof(*loop));
    loop->sim = sim;
    loop->index = sim->loops_len;
    weir_list_init(&loop->sockets);
    weir_list_init(&loop->listeners);
    weir_list_init(&loop->dead_listeners);
    if (weir_ready_start(&loop->ready, &sim_ops, &sim_socket_ops, options) < 0)
        abort();
    sim->loops[sim->loops_len++] = loop;
    return &loop->ready.base;
}

/* ---- the whole ---- */

static void set_defaults(simnet_options *o)
{
    if (o->latency_max == 0) {
        o->latency_min = WEIR_US;
        o->latency_max = 200 * WEIR_US;
    }
    if (o->segment_max == 0)
        o->segment_max = 4096;
    if (o->window == 0)
        o->window = (size_t)64 * 1024;
    if (o->post_delay_max == 0)
        o->post_delay_max = 50 * WEIR_US;
    if (o->pause_max == 0)
        o->pause_max = 50 * WEIR_MS;
}

simnet *simnet_new(const simnet_options *options)
{
    simnet *sim = sim_alloc(NULL, sizeof(*sim));
    memset(sim, 0, sizeof(*sim));
    sim->options = *options;
    set_defaults(&sim->options);
    uint64_t seed = options->seed;
    for (int i = 0; i < 4; i++)
        sim->random[i] = splitmix(&seed);
    weir_heap_init(&sim->agenda);
    sim->now = WEIR_SECOND;
    sim->running = SIM_LOOPS_MAX;
    sim->next_port = 40000;
    return sim;
}

void simnet_free(simnet *sim)
{
    if (!sim)
        return;
    weir_heap_node *min;
    while ((min = weir_heap_min(&sim->agenda))) {
        weir_heap_remove(&sim->agenda, min);
        free(WEIR_CONTAINER_OF(min, sim_event, node));
    }
    weir_heap_fini(&sim->agenda);
    for (int fd = 0; fd < sim->sockets_len; fd++)
        assert(!sim->sockets[fd]);
    free(sim->sockets);
    free(sim);
}

weir_time simnet_now(const simnet *sim)
{
    return sim->now;
}

uint64_t simnet_trace(const simnet *sim)
{
    return sim->trace;
}

size_t simnet_sockets(const simnet *sim)
{
    return sim->sockets_open;
}
