/* The queue of background reads of a worker, and the agents that run them.
 *
 *   put ──► queued ──(rate, a free agent)──► under way ──ReadyForQuery──► kept, or lost
 *              ▲                                 └─ not kept, to warm: a few times more ─┐
 *              └──────────────────────────────────────────────────────────────────────────┘
 *
 *   agent: GREETING ──► SETTING (its session's settings) ──► IDLE ◄──► BUSY ──► gone (idle, failed)
 *
 * Invariant: an agent runs one job at a time, and only such as are of its own user, database and
 * settings. All of it on the worker's thread but `inbox`. */
#include "gateway/background.h"
#include "gateway/handover.h"
#include "gateway/internal.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOBS_MAX 4096u
#define ATTEMPTS_MAX 8u /* a statement is understood at its second or third run */
#define AGAIN_AFTER (200 * WEIR_MS)
#define IDLE_MAX (10 * WEIR_SECOND)
#define BUSY_MAX (60 * WEIR_SECOND)
#define LOOK_EVERY (5 * WEIR_SECOND)
#define ERROR_MAX 8192u

typedef struct agent {
    weir_list node;
    weir_background *of;
    weir_stream *stream; /* our end */
    weir_buf who, settings;
    weir_reading *job; /* under way, or waiting until it is greeted */
    enum { GREETING, SETTING, IDLE, BUSY, LEAVING } state;
    weir_time since;   /* in this state */
    uint32_t client;   /* the other end's id */
    unsigned kept;     /* its weir_session.refreshes before the job */
    size_t skip;       /* bytes of the message under way that tell nothing */
    char refused[160]; /* the words of the newest error; "" */
} agent;

struct weir_background {
    weir_gateway_worker *worker;
    weir_list jobs; /* by priority */
    _Atomic unsigned waiting;
    weir_list agents;
    unsigned agent_count;
    weir_time next_at; /* the rate allows the next */
    weir_timer timer;
    bool stopped;
    weir_spin lock;
    weir_list inbox; /* from other threads */
    _Atomic bool posted;
    weir_task task;
};

static void pump(weir_background *b);

static weir_time now_of(const weir_background *b)
{
    return weir_loop_now(b->worker->loop);
}

static void count(const weir_background *b, weir_strategy strategy)
{
    weir_engine_count_strategy(b->worker->gateway->engine, strategy);
}

static void wake_at(weir_background *b, weir_time at)
{
    weir_timer_arm(b->worker->loop, &b->timer, at);
}

/* ---- jobs ---- */

static void end_job(weir_background *b, weir_reading *job, bool kept, const char *why)
{
    count(b, kept ? WEIR_STRATEGY_KEPT : WEIR_STRATEGY_LOST);
    if (!kept && job->of[0] && !b->stopped)
        weir_log_event(
            b->worker->gateway->log, WEIR_LOG_CACHE, WEIR_LOG_WARN, "a statement was not warmed",
            WEIR_F_STR("statement", job->of),
            WEIR_F_STR("reason", *why ? why : "its answer is not kept: EXPLAIN CACHE says why"));
    atomic_fetch_sub(&b->waiting, 1);
    weir_reading_free(job);
}

/* Behind all of at least its priority. */
static void enqueue(weir_background *b, weir_reading *job)
{
    weir_list *at = &b->jobs;
    while (at->prev != &b->jobs &&
           WEIR_CONTAINER_OF(at->prev, weir_reading, node)->priority < job->priority)
        at = at->prev;
    weir_list_push_back(at, &job->node);
}

/* What a statement needs to be kept may come a moment after its first run. */
static void job_done(weir_background *b, weir_reading *job, bool kept, const char *why)
{
    if (kept || job->why != WEIR_STRATEGY_WARM || ++job->attempts >= ATTEMPTS_MAX || b->stopped) {
        end_job(b, job, kept, why);
        return;
    }
    job->not_before = now_of(b) + (AGAIN_AFTER << (job->attempts - 1));
    enqueue(b, job);
}

/* The first that may run now; `*ret_at`: when the next may. */
static weir_reading *find_job(const weir_background *b, weir_time now, weir_time *ret_at)
{
    *ret_at = WEIR_TIME_NEVER;
    for (weir_list *n = b->jobs.next; n != &b->jobs; n = n->next) {
        weir_reading *j = WEIR_CONTAINER_OF(n, weir_reading, node);
        if (j->not_before <= now)
            return j;
        if (j->not_before < *ret_at)
            *ret_at = j->not_before;
    }
    return NULL;
}

/* ---- agents ---- */

static void agent_free(agent *a)
{
    a->of->agent_count--;
    weir_list_remove(&a->node);
    weir_buf_fini(&a->who);
    weir_buf_fini(&a->settings);
    free(a);
}

static void set_state(agent *a, int state)
{
    a->state = state;
    a->since = now_of(a->of);
}

static unsigned kept_by(const agent *a)
{
    const weir_client *c = weir_client_find(a->of->worker, a->client);
    return c ? c->session.refreshes : 0;
}

static void run(agent *a)
{
    set_state(a, BUSY);
    a->refused[0] = '\0';
    a->kept = kept_by(a);
    weir_stream_write(a->stream, weir_buf_slice(&a->job->messages));
}

static void leave(agent *a)
{
    if (a->state == LEAVING)
        return;
    set_state(a, LEAVING);
    weir_stream_close(a->stream, 0);
}

static void on_ready(agent *a)
{
    weir_reading *job = a->job;
    if (a->state == GREETING && a->settings.len > 0) {
        set_state(a, SETTING);
        weir_stream_write(a->stream, weir_buf_slice(&a->settings));
        return;
    }
    if (a->state == SETTING && a->refused[0]) { /* it would be read as somebody else */
        leave(a);
        return;
    }
    if (a->state != BUSY) {
        if (job)
            run(a);
        return;
    }
    a->job = NULL;
    set_state(a, IDLE);
    job_done(a->of, job, kept_by(a) > a->kept, a->refused);
    pump(a->of);
}

static void take_error(agent *a, weir_slice body)
{
    weir_pg_error_fields e;
    if (weir_pg_error_read(body, &e) == 0)
        (void)snprintf(a->refused, sizeof(a->refused), "%.*s %.*s", (int)e.sqlstate.len,
                       (const char *)e.sqlstate.data, (int)e.message.len,
                       (const char *)e.message.data);
}

/* One message's head; its body tells nothing but for BackendKeyData. 0: more is needed. */
static size_t take_message(agent *a, weir_slice in)
{
    uint8_t type = 0;
    size_t size = 0;
    if (weir_pg_frame_head(in, WEIR_PG_MESSAGE_SIZE_MAX, &type, &size) != 0)
        return 0;
    bool whole = type == WEIR_PG_B_KEY_DATA || type == WEIR_PG_B_READY ||
                 (type == WEIR_PG_B_ERROR && size <= ERROR_MAX);
    if (whole && in.len < size)
        return 0;
    if (whole && type == WEIR_PG_B_ERROR)
        take_error(a, weir_slice_skip(weir_slice_head(in, size), 5));
    if (type == WEIR_PG_B_KEY_DATA && size >= 9) {
        weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(in, 5));
        a->client = weir_pg_read_u32(&r);
    }
    if (type == WEIR_PG_B_READY)
        on_ready(a);
    size_t used = in.len < size ? in.len : size;
    a->skip = size - used;
    return used;
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    agent *a = weir_stream_user(stream);
    size_t used = 0;
    while (used < in.len && a->state != LEAVING) {
        size_t n = in.len - used < a->skip ? in.len - used : a->skip;
        a->skip -= n;
        if (n == 0)
            n = take_message(a, weir_slice_skip(in, used));
        if (n == 0)
            return used;
        used += n;
    }
    return a->state == LEAVING ? in.len : used;
}

static void on_close(weir_stream *stream, int error)
{
    agent *a = weir_stream_user(stream);
    weir_background *b = a->of;
    weir_reading *job = a->job;
    (void)error;
    char refused[sizeof(a->refused)];
    memcpy(refused, a->refused, sizeof(refused));
    agent_free(a);
    if (job)
        job_done(b, job, false, refused[0] ? refused : "its connection ended");
    pump(b);
}

static const weir_stream_handler handler = {.on_bytes = on_bytes, .on_close = on_close};
static const weir_stream_handler deaf = {.on_bytes = NULL};

static int greet(agent *a)
{
    weir_buf out;
    weir_buf_init(&out, 2 * WEIR_PG_STARTUP_SIZE_MAX);
    int r = weir_pg_write_startup(&out, WEIR_PG_VERSION_3_0, weir_buf_slice(&a->who));
    if (r == 0)
        weir_stream_write(a->stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

/* Both ends. On failure nothing is left. */
static int open_streams(agent *a)
{
    int fds[2];
    weir_gateway_worker *w = a->of->worker;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = weir_stream_import(w->loop, fds[0], &handler, a, &a->stream);
    if (r < 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        return r;
    }
    weir_client *c = weir_client_take_in(w, fds[1]);
    if (c)
        c->internal = true;
    if (c && (r = greet(a)) == 0)
        return 0;
    weir_stream_set_handler(a->stream, &deaf, NULL);
    weir_stream_close(a->stream, 0);
    return r < 0 ? r : -ENOMEM;
}

/* NULL: none can be had now. */
static agent *agent_new(weir_background *b, const weir_reading *job)
{
    agent *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->of = b;
    b->agent_count++;
    weir_list_push_back(&b->agents, &a->node);
    weir_buf_init(&a->who, job->who.len + 1);
    weir_buf_init(&a->settings, job->settings.len + 1);
    set_state(a, GREETING);
    int r = weir_buf_append(&a->who, weir_buf_slice(&job->who));
    if (r == 0)
        r = weir_buf_append(&a->settings, weir_buf_slice(&job->settings));
    if (r == 0)
        r = open_streams(a);
    if (r == 0)
        return a;
    agent_free(a);
    return NULL;
}

static bool suits(const agent *a, const weir_reading *job)
{
    return weir_slice_eq(weir_buf_slice(&a->who), weir_buf_slice(&job->who)) &&
           weir_slice_eq(weir_buf_slice(&a->settings), weir_buf_slice(&job->settings));
}

/* An idle one that is the job's like; NULL: none, and `*ret_room` whether another may be made. Who
 * is idle and another's like makes room. */
static agent *find_agent(weir_background *b, const weir_reading *job, bool *ret_room)
{
    agent *idle = NULL;
    for (weir_list *n = b->agents.next; n != &b->agents; n = n->next) {
        agent *a = WEIR_CONTAINER_OF(n, agent, node);
        if (a->state == IDLE && suits(a, job))
            return a;
        if (a->state == IDLE)
            idle = a;
    }
    const weir_config *config = weir_gateway_config(b->worker->gateway);
    *ret_room = b->agent_count < config->cache.background.connections;
    if (!*ret_room && idle)
        leave(idle); /* on_close goes on */
    return NULL;
}

/* ---- the queue ---- */

static weir_time interval(const weir_background *b)
{
    const weir_gateway *g = b->worker->gateway;
    return (weir_time)g->options.workers * WEIR_SECOND /
           (weir_time)weir_gateway_config(g)->cache.background.rate;
}

/* False: not now. */
static bool begin(weir_background *b, weir_reading *job)
{
    bool room = false;
    agent *a = find_agent(b, job, &room);
    bool idle = a != NULL;
    if (!a && room)
        a = agent_new(b, job);
    if (!a && !room)
        return false;
    weir_list_remove(&job->node);
    b->next_at = now_of(b) + interval(b);
    if (!a) {
        job_done(b, job, false, "no connection of our own could be made");
        return true;
    }
    a->job = job;
    if (idle)
        run(a);
    return true;
}

static void pump(weir_background *b)
{
    weir_time at = WEIR_TIME_NEVER;
    if (b->stopped)
        return;
    if (atomic_load(&b->worker->gateway->leaving)) { /* a successor warms itself */
        weir_background_stop(b);
        return;
    }
    for (weir_reading *job; (job = find_job(b, now_of(b), &at)) != NULL;) {
        at = b->next_at;
        if (now_of(b) < b->next_at || !begin(b, job))
            break;
    }
    if (b->agent_count > 0 && at > now_of(b) + LOOK_EVERY)
        at = now_of(b) + LOOK_EVERY;
    if (at != WEIR_TIME_NEVER)
        wake_at(b, at > now_of(b) ? at : now_of(b) + WEIR_MS);
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    weir_background *b = WEIR_CONTAINER_OF(timer, weir_background, timer);
    weir_time now = weir_loop_now(loop);
    for (weir_list *n = b->agents.next; n != &b->agents;) {
        agent *a = WEIR_CONTAINER_OF(n, agent, node);
        n = n->next;
        if (a->state != LEAVING && now - a->since > (a->state == IDLE ? IDLE_MAX : BUSY_MAX))
            leave(a);
    }
    pump(b);
}

/* ---- from other threads ---- */

static void on_posted(weir_task *task, weir_loop *loop)
{
    weir_background *b = WEIR_CONTAINER_OF(task, weir_background, task);
    weir_list all;
    (void)loop;
    weir_list_init(&all);
    atomic_store(&b->posted, false);
    weir_spin_lock(&b->lock);
    for (weir_list *n; (n = weir_list_pop_front(&b->inbox));)
        weir_list_push_back(&all, n);
    weir_spin_unlock(&b->lock);
    for (weir_list *n; (n = weir_list_pop_front(&all));)
        enqueue(b, WEIR_CONTAINER_OF(n, weir_reading, node));
    if (b->stopped)
        weir_background_stop(b);
    pump(b);
}

/* False: too many. */
static bool take_place(weir_background *b)
{
    if (atomic_fetch_add(&b->waiting, 1) < JOBS_MAX)
        return true;
    atomic_fetch_sub(&b->waiting, 1);
    return false;
}

void weir_background_put(weir_background *background, weir_reading *job)
{
    weir_background *b = background;
    if (!take_place(b)) {
        count(b, WEIR_STRATEGY_DROPPED);
        weir_reading_free(job);
        return;
    }
    count(b, job->why);
    weir_spin_lock(&b->lock);
    weir_list_push_back(&b->inbox, &job->node);
    weir_spin_unlock(&b->lock);
    if (!atomic_exchange(&b->posted, true))
        weir_loop_post(b->worker->loop, &b->task);
}

bool weir_background_refresh(void *gateway, weir_worker *worker, const weir_entry *entry,
                             weir_strategy why)
{
    weir_gateway *g = gateway;
    weir_background *b = g->workers[weir_worker_index(worker)].background;
    const weir_database *d = weir_engine_database_at(g->engine, entry->scope);
    if (!b || b->stopped || !take_place(b))
        return false;
    weir_reading *job = weir_reading_of_question(d, weir_entry_question(entry), why);
    if (!job) {
        atomic_fetch_sub(&b->waiting, 1);
        return false;
    }
    job->priority = UINT_MAX; /* somebody asked for it */
    enqueue(b, job);
    wake_at(b, now_of(b)); /* not from inside a statement's story */
    return true;
}

/* ---- life ---- */

weir_background *weir_background_new(weir_gateway_worker *worker)
{
    weir_background *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->worker = worker;
    weir_list_init(&b->jobs);
    weir_list_init(&b->agents);
    weir_list_init(&b->inbox);
    weir_timer_init(&b->timer, on_timer);
    b->task.run = on_posted;
    return b;
}

void weir_background_stop(weir_background *b)
{
    b->stopped = true;
    for (weir_list *n; (n = weir_list_pop_front(&b->jobs));)
        end_job(b, WEIR_CONTAINER_OF(n, weir_reading, node), false, "");
    for (weir_list *n = b->agents.next; n != &b->agents;) {
        agent *a = WEIR_CONTAINER_OF(n, agent, node);
        n = n->next;
        leave(a);
    }
}

void weir_background_end(weir_background *background)
{
    weir_background *b = background;
    weir_background_stop(b);
    weir_timer_disarm(b->worker->loop, &b->timer);
    for (weir_list *n; (n = weir_list_first(&b->agents));) {
        agent *a = WEIR_CONTAINER_OF(n, agent, node);
        weir_stream_set_handler(a->stream, &deaf, NULL); /* its end is on its way */
        weir_reading_free(a->job);
        agent_free(a);
    }
}

void weir_background_free(weir_background *background)
{
    weir_background *b = background;
    if (!b)
        return;
    for (weir_list *n; (n = weir_list_pop_front(&b->inbox));)
        weir_reading_free(WEIR_CONTAINER_OF(n, weir_reading, node));
    free(b);
}
