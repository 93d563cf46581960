/* A database's hub: the one connection that listens for all clients. It is a session of the engine
 * like any other, which borrows a connection of the pool and pins it. See listen.h.
 *
 *            ┌──────────── nobody wants anything for 30 s ───────────┐
 *            ▼                                                       │
 *   OFF ──open──► WAITING ──lent──► READY (asks: LISTEN …, UNLISTEN …, SELECT 1)
 *    ▲              │  ▲              │
 *    └── refused ───┤  └─open──┐      │ lost, or silent for 30 s
 *                   └──────► BACKOFF ◄┘
 *
 * Invariants: one question is under way at a time; what was listened to and lost is said to every
 * listener (`missed`), when it is listened to again, so that whoever then looks into his tables has
 * missed nothing. */
#include "gateway/listen_hub.h"
#include <stdio.h>
#include <stdlib.h>

#define IDLE_MAX (30 * WEIR_SECOND)    /* without channels, before the connection goes back */
#define PROBE_EVERY (30 * WEIR_SECOND) /* a connection that died silently is noticed so */
#define BACKOFF_MIN (100 * WEIR_MS)
#define BACKOFF_MAX (5 * WEIR_SECOND)

static const char prepare_text[] =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
    " WHERE name = 'idle_session_timeout' AND setting <> '0'";

static weir_hub *of_session(weir_session *session)
{
    return WEIR_CONTAINER_OF(session, weir_hub, session);
}

static weir_hub *of_sink(weir_relay_sink *sink)
{
    return WEIR_CONTAINER_OF(sink, weir_hub, sink);
}

static weir_gateway_worker *home_of(const weir_hub *h)
{
    return &h->gateway->workers[h->home];
}

static weir_time now_of(const weir_hub *h)
{
    return weir_loop_now(home_of(h)->loop);
}

static void set_state(weir_hub *h, weir_hub_state state)
{
    if (h->state == state)
        return;
    h->state = state;
    atomic_store_explicit(&h->since, now_of(h), memory_order_relaxed);
    atomic_store_explicit(&h->shown_state, (int)state, memory_order_relaxed);
}

static void arm(weir_hub *h, weir_time after)
{
    weir_timer_arm(home_of(h)->loop, &h->timer, now_of(h) + after);
}

static void log_hub(const weir_hub *h, weir_log_level level, const char *event, const char *reason)
{
    weir_log_event(h->gateway->log, WEIR_LOG_GATEWAY, level, event,
                   WEIR_F_STR("db", weir_database_label(h->database)),
                   WEIR_F_INT("channels", weir_plan_size(&h->plan)), WEIR_F_STR("reason", reason));
}

/* ---- answers ---- */

static void send_answers(weir_hub *h, weir_list *answered)
{
    for (weir_list *n; (n = weir_list_pop_front(answered));) {
        weir_hub_ticket *t = WEIR_CONTAINER_OF(n, weir_hub_ticket, ticket.node);
        t->task.run = weir_hub_on_answer;
        weir_loop_post(weir_hub_loop(h, t->ticket.worker), &t->task);
    }
    weir_count(&h->stats->channels, weir_plan_size(&h->plan) - h->shown_channels);
    h->shown_channels = weir_plan_size(&h->plan);
}

static void refuse_all(weir_hub *h, const weir_error *err)
{
    weir_list answered;
    weir_list_init(&answered);
    weir_plan_refuse(&h->plan, err, &answered);
    send_answers(h, &answered);
}

/* Whoever listens is told, once the listening goes on. */
static void tell_missed(weir_hub *h)
{
    h->missed = false;
    log_hub(h, WEIR_LOG_WARN, "listening again; notifications may have been lost", "reconnected");
    for (unsigned i = 0; i < h->gateway->options.workers; i++)
        if (!atomic_exchange(&h->parts[i].missed_posted, true))
            weir_loop_post(weir_hub_loop(h, i), &h->parts[i].missed);
}

static void miss(weir_hub *h)
{
    if (!h->missed)
        weir_count(&h->stats->episodes, 1);
    h->missed = true;
}

/* ---- the connection ---- */

static void work(weir_hub *h);

/* Gives the connection up: what is owed on it makes it unclean, so it is closed; else what it
 * listened to is forgotten before it is lent again. */
static void let_go(weir_hub *h)
{
    if (h->session.conn && h->asked)
        weir_list_remove(&h->question.node);
    if (h->session.conn)
        h->session.conn->sink = NULL;
    h->asked = h->preparing = false;
    if (weir_session_is_open(&h->session)) {
        weir_session_close(&h->session);
        weir_count(&h->stats->held, UINT64_MAX);
    }
}

static void back_off(weir_hub *h)
{
    if (weir_plan_size(&h->plan) == 0) {
        set_state(h, WEIR_HUB_OFF);
        return;
    }
    set_state(h, WEIR_HUB_BACKOFF);
    arm(h, h->backoff);
    h->backoff = h->backoff * 2 < BACKOFF_MAX ? h->backoff * 2 : BACKOFF_MAX;
}

/* The connection is gone, or no good. */
static void lost(weir_hub *h, const char *reason)
{
    weir_list answered;
    weir_list_init(&answered);
    let_go(h);
    if (weir_plan_lost(&h->plan, &answered)) {
        log_hub(h, WEIR_LOG_WARN, "the listening connection was lost", reason);
        miss(h);
    }
    send_answers(h, &answered);
    back_off(h);
}

static void refused(weir_hub *h, const weir_error *err)
{
    log_hub(h, WEIR_LOG_WARN, "cannot listen", err->message);
    let_go(h);
    refuse_all(h, err);
    back_off(h);
}

static void out_of_memory(weir_hub *h)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    refused(h, &err);
}

static int ask(weir_hub *h, weir_slice text)
{
    h->question.text = text;
    h->asked = true;
    h->asked_at = now_of(h);
    return h->session.conn->ops->ask(h->session.conn, &h->question);
}

static int adopt(weir_hub *h)
{
    char pairs[sizeof("client_encoding") + WEIR_ENCODING_MAX + 1];
    int n = snprintf(pairs, sizeof(pairs), "client_encoding%c%s", 0, h->encoding);
    weir_parameters p = {0};
    if (h->encoding[0]) {
        p.pairs = weir_slice_make(pairs, (size_t)n + 1);
        p.fingerprint = weir_parameters_fingerprint(p.pairs, h->gateway->options.seed);
    }
    return h->session.conn->ops->adopt(h->session.conn, &p);
}

static void on_lent(weir_session *session)
{
    weir_hub *h = of_session(session);
    weir_error err;
    if (weir_session_pin(session, WEIR_EFFECT_LISTEN, &err) != 0) {
        refused(h, &err);
        return;
    }
    session->conn->sink = &h->sink;
    set_state(h, WEIR_HUB_READY);
    h->preparing = true;
    weir_conn *conn = session->conn;
    if (adopt(h) < 0 || session->conn != conn ||
        ask(h, weir_slice_make(prepare_text, sizeof(prepare_text) - 1)) < 0) {
        if (h->state == WEIR_HUB_READY)
            lost(h, "out of memory");
        return;
    }
    arm(h, PROBE_EVERY);
}

static void on_refused(weir_session *session, const weir_error *err)
{
    refused(of_session(session), err);
}

static const weir_session_events session_events = {.lent = on_lent, .refused = on_refused};

static void open_session(weir_hub *h)
{
    weir_error err;
    int r = weir_session_open(&h->session, home_of(h)->engine, h->database,
                              weir_slice_cstr(h->user), &session_events, &err);
    if (r == 0) {
        weir_count(&h->stats->held, 1);
        set_state(h, WEIR_HUB_WAITING);
        r = weir_session_borrow(&h->session, WEIR_ROLE_WRITE, &err);
    }
    if (r == 0)
        on_lent(&h->session);
    else if (r == WEIR_SESSION_REFUSED)
        refused(h, &err);
    else if (r < 0)
        out_of_memory(h);
}

/* ---- its answers ---- */

static void on_row(weir_question *question, const weir_slice *values, unsigned count)
{
    (void)question;
    (void)values;
    (void)count;
}

static void on_done(weir_question *question, const weir_error *err)
{
    weir_hub *h = WEIR_CONTAINER_OF(question, weir_hub, question);
    weir_list answered;
    if (!h->asked || h->state != WEIR_HUB_READY)
        return; /* on_lost has seen to it */
    h->asked = false;
    if (h->preparing) { /* a server that has no such setting needs none */
        h->preparing = false;
        work(h);
        return;
    }
    weir_list_init(&answered);
    bool good = weir_plan_done(&h->plan, err, &answered);
    if (!err) {
        h->backoff = BACKOFF_MIN;
        if (h->missed && weir_plan_settled(&h->plan))
            tell_missed(h);
    }
    send_answers(h, &answered);
    if (good)
        work(h);
    else
        lost(h, err ? err->message : "");
}

static void post_note(weir_hub *h, unsigned worker, weir_note *note)
{
    weir_hub_note *n = NULL;
    if (atomic_load_explicit(&h->flying, memory_order_relaxed) < WEIR_HUB_FLYING_MAX)
        n = malloc(sizeof(*n));
    if (!n) {
        miss(h);
        return;
    }
    n->hub = h;
    n->worker = worker;
    n->note = weir_note_ref(note);
    n->task.run = weir_hub_on_note;
    atomic_fetch_add_explicit(&h->flying, note->frame_len, memory_order_relaxed);
    weir_loop_post(weir_hub_loop(h, worker), &n->task);
}

static void on_notification(weir_relay_sink *sink, uint32_t pid, weir_slice channel,
                            weir_slice payload)
{
    weir_hub *h = of_sink(sink);
    const uint64_t *workers = weir_plan_workers(&h->plan, channel);
    weir_count(&h->stats->notifications, 1);
    if (!workers)
        return;
    weir_note *note = weir_note_new(weir_hub_notifier(h, pid), channel, payload);
    if (!note) {
        miss(h);
        return;
    }
    for (unsigned i = 0; i < h->gateway->options.workers; i++)
        if (workers[i / 64] >> i % 64 & 1)
            post_note(h, i, note);
    weir_note_unref(note);
}

static void on_lost(weir_relay_sink *sink, const weir_error *err, size_t ready_owed, bool torn)
{
    weir_hub *h = of_sink(sink);
    (void)ready_owed;
    (void)torn;
    weir_session_lost(&h->session);
    lost(h, err->message);
}

static const weir_relay_events relay_events = {.on_bytes = weir_relay_ignore_bytes,
                                               .on_statement = weir_relay_ignore_statement,
                                               .on_notification = on_notification,
                                               .on_ready = weir_relay_ignore_ready,
                                               .congested = weir_relay_never_congested,
                                               .on_room = weir_relay_ignore_room,
                                               .on_lost = on_lost};

/* ---- what to do next ---- */

static void work_ready(weir_hub *h)
{
    int r;
    if (h->asked)
        return;
    if (weir_plan_next(&h->plan, &h->text, &r)) {
        if (r < 0 || ask(h, weir_buf_slice(&h->text)) < 0) {
            if (h->state == WEIR_HUB_READY)
                lost(h, "out of memory");
        }
        return;
    }
    if (weir_plan_size(&h->plan) > 0)
        h->idle_since = WEIR_TIME_NEVER;
    else if (h->idle_since == WEIR_TIME_NEVER)
        h->idle_since = now_of(h);
    if (weir_plan_size(&h->plan) == 0 && atomic_load(&h->gateway->draining)) {
        let_go(h);
        set_state(h, WEIR_HUB_OFF);
    }
}

static void work(weir_hub *h)
{
    if (h->state == WEIR_HUB_READY)
        work_ready(h);
    else if (h->state == WEIR_HUB_WAITING && weir_plan_size(&h->plan) == 0)
        lost(h, "nobody listens");
    else if (h->state == WEIR_HUB_BACKOFF && weir_plan_size(&h->plan) == 0)
        set_state(h, WEIR_HUB_OFF);
    else if (h->state == WEIR_HUB_OFF && weir_plan_size(&h->plan) > 0)
        open_session(h);
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    weir_hub *h = WEIR_CONTAINER_OF(timer, weir_hub, timer);
    weir_time now = weir_loop_now(loop);
    if (h->state == WEIR_HUB_BACKOFF) {
        set_state(h, WEIR_HUB_OFF);
        work(h);
    } else if (h->state == WEIR_HUB_READY && h->asked && now - h->asked_at >= PROBE_EVERY) {
        lost(h, "the server does not answer");
    } else if (h->state == WEIR_HUB_READY && h->idle_since != WEIR_TIME_NEVER &&
               now - h->idle_since >= IDLE_MAX) {
        let_go(h);
        set_state(h, WEIR_HUB_OFF);
    } else if (h->state == WEIR_HUB_READY) {
        h->plan.probe = true;
        arm(h, PROBE_EVERY);
        work(h);
    }
}

/* ---- tickets ---- */

static void keep_user(weir_hub *h, const weir_hub_ticket *t)
{
    if (h->state != WEIR_HUB_OFF && h->state != WEIR_HUB_BACKOFF)
        return;
    char *user = strndup(t->user, t->user_len);
    if (!user)
        return; /* the one before, or none: then no pool opens, and that is told */
    free(h->user);
    h->user = user;
}

static void take_want(weir_hub *h, weir_hub_ticket *t)
{
    keep_user(h, t);
    int r = weir_plan_want(&h->plan, &t->ticket);
    if (r == 0) {
        if (h->state == WEIR_HUB_BACKOFF) /* somebody waits for it: at once */
            set_state(h, WEIR_HUB_OFF);
        return;
    }
    weir_error_set(&t->ticket.err, r == WEIR_MAP_FULL ? "53400" : "53200",
                   r == WEIR_MAP_FULL ? "weir: too many channels are listened to (%u)"
                                      : "weir: out of memory",
                   WEIR_HUB_CHANNELS_MAX);
    weir_list answered;
    weir_list_init(&answered);
    weir_list_push_back(&answered, &t->ticket.node);
    send_answers(h, &answered);
}

static void take_sync(weir_hub *h, weir_hub_ticket *t)
{
    if (h->state == WEIR_HUB_READY) {
        weir_plan_sync(&h->plan, &t->ticket);
        return;
    }
    weir_list answered;
    weir_list_init(&answered);
    weir_list_push_back(&answered, &t->ticket.node);
    send_answers(h, &answered);
}

void weir_hub_on_ticket(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_hub_ticket *t = WEIR_CONTAINER_OF(task, weir_hub_ticket, task);
    weir_hub *h = t->hub;
    switch (t->ticket.kind) {
    case WEIR_TICKET_WANT:
        take_want(h, t);
        break;
    case WEIR_TICKET_SYNC:
        take_sync(h, t);
        break;
    case WEIR_TICKET_LEAVE:
        weir_plan_leave(&h->plan, t->ticket.worker, weir_slice_make(t->ticket.name, t->ticket.len));
        free(t);
        break;
    }
    work(h);
    weir_list none;
    weir_list_init(&none);
    send_answers(h, &none);
}

static void on_moved(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_hub *h = WEIR_CONTAINER_OF(task, weir_hub, moved);
    atomic_store(&h->moved_posted, false);
    if (h->state == WEIR_HUB_READY)
        lost(h, "the database was moved");
}

void weir_hubs_move(weir_gateway *gateway, const weir_database *database)
{
    for (weir_hub *h = atomic_load(&gateway->hubs); h; h = h->next)
        if (h->database == database && !atomic_exchange(&h->moved_posted, true))
            weir_loop_post(weir_hub_loop(h, h->home), &h->moved);
}

/* ---- life ---- */

void weir_hub_init_home(weir_hub *hub)
{
    hub->sink.events = &relay_events;
    hub->question = (weir_question){.row = on_row, .done = on_done};
    hub->moved.run = on_moved;
    hub->backoff = BACKOFF_MIN;
    hub->idle_since = WEIR_TIME_NEVER;
    weir_list_init(&hub->question.node);
    weir_timer_init(&hub->timer, on_timer);
    weir_buf_init(&hub->text, WEIR_PLAN_TEXT_MAX);
    weir_plan_init(&hub->plan, hub->gateway->options.seed, WEIR_HUB_CHANNELS_MAX);
}

void weir_hub_fini_home(weir_hub *hub)
{
    assert(!weir_session_is_open(&hub->session));
    weir_plan_fini(&hub->plan);
    weir_buf_fini(&hub->text);
    free(hub->user);
}

void weir_hubs_drain(weir_gateway_worker *worker)
{
    for (weir_hub *h = atomic_load(&worker->gateway->hubs); h; h = h->next)
        if (h->home == worker->index)
            work(h);
}

void weir_hubs_stop_worker(weir_gateway_worker *worker)
{
    for (weir_hub *h = atomic_load(&worker->gateway->hubs); h; h = h->next) {
        weir_list answered;
        if (h->home != worker->index)
            continue;
        weir_timer_disarm(worker->loop, &h->timer);
        let_go(h);
        weir_list_init(&answered);
        weir_plan_refuse(&h->plan, NULL, &answered);
        for (weir_list *n; (n = weir_list_pop_front(&answered));)
            free(WEIR_CONTAINER_OF(n, weir_hub_ticket, ticket.node));
    }
}
