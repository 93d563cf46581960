/* The side that is replaced. On the control thread.
 *
 *   IDLE ──a successor says HELLO──► OFFERING ──READY──► GIVING ──no client left, or too late──►
 * ENDED ▲                                  │                  │ └────────────it is
 * gone────────────┴──────────────────┘ unless it said BYE: then ENDED
 *
 * Invariants: we stop accepting only when the successor says that it accepts; a client is gone from
 * here only when the successor said TAKEN; whatever it had not answered when it went lives on here.
 * So a successor that cannot start, or dies, costs nothing. */
#include "gateway/handover.h"
#include "gateway/notify.h"
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY (10 * WEIR_MS)
#define PREPARE_MAX (120 * WEIR_SECOND) /* a successor's start */

static void say(const weir_handover *h, weir_log_level level, const char *what, const char *reason)
{
    weir_log_event(h->log, WEIR_LOG_GATEWAY, level, what, WEIR_F_STR("reason", reason),
                   WEIR_F_INT("successor", h->successor),
                   WEIR_F_INT("clients", weir_gateway_clients(h->options.gateway)));
}

/* ---- passages ---- */

static void arrive_again(weir_task *task, weir_loop *loop)
{
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    weir_gateway_worker *w = weir_loop_user(loop);
    int r = weir_passage_arrive(p, w);
    if (r == 0) {
        weir_client_set_out(weir_client_find(w, p->id));
    } else {
        weir_passage_turn_away(p->fd);
        p->fd = -1;
    }
    atomic_fetch_sub(&p->handover->under_way, 1);
    weir_passage_free(p);
}

static void give_back(weir_passage *p, bool stays)
{
    p->stays = stays;
    p->task.run = arrive_again;
    weir_loop_post(p->worker->loop, &p->task);
}

void weir_handover_on_given(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    weir_handover *h = p->handover;
    weir_buf frame;
    weir_buf_init(&frame, WEIR_HANDOVER_BODY_MAX + 16);
    int r = h->give == WEIR_GIVE_GIVING && h->newer ? 0 : -ENOTCONN;
    if (r == 0)
        r = weir_handover_write(&frame, WEIR_HANDOVER_CLIENT, weir_buf_slice(&p->record));
    if (r == 0)
        r = weir_wire_send(h->newer, weir_buf_slice(&frame), p->fd);
    weir_buf_fini(&frame);
    if (r < 0)
        give_back(p, false);
    else
        weir_list_push_back(&h->unanswered, &p->node);
}

static void on_verdict(weir_handover *h, bool taken, weir_slice body)
{
    uint32_t id;
    if (weir_handover_verdict_read(body, &id) < 0)
        return;
    for (weir_list *n = h->unanswered.next; n != &h->unanswered; n = n->next) {
        weir_passage *p = WEIR_CONTAINER_OF(n, weir_passage, node);
        if (p->id != id)
            continue;
        weir_list_remove(&p->node);
        if (!taken) {
            give_back(p, true);
            return;
        }
        atomic_fetch_sub(&h->under_way, 1);
        weir_passage_free(p);
        return;
    }
}

/* ---- offering ---- */

static int send_listener(weir_handover *h, weir_handover_kind kind, const char *address, int fd)
{
    weir_buf frame;
    weir_buf_init(&frame, 1024);
    int r = weir_handover_write_listener(&frame, kind, address);
    if (r == 0)
        r = weir_wire_send(h->newer, weir_buf_slice(&frame), fd);
    weir_buf_fini(&frame);
    return r;
}

static int share_listener(weir_handover *h, weir_handover_kind kind, const char *address,
                          const weir_listener *listener)
{
    int fd;
    int r = weir_listener_share(listener, &fd);
    if (r < 0)
        return r;
    r = send_listener(h, kind, address, fd);
    (void)close(fd);
    return r;
}

static int share_listeners(weir_handover *h)
{
    weir_gateway *g = h->options.gateway;
    int r = 0;
    for (unsigned i = 0; i < g->options.workers; i++)
        for (weir_list *n = g->workers[i].listeners.next; r == 0 && n != &g->workers[i].listeners;
             n = n->next) {
            const weir_gateway_listener *l = WEIR_CONTAINER_OF(n, weir_gateway_listener, node);
            r = share_listener(h, WEIR_HANDOVER_CLIENTS, l->configured, l->listener);
        }
    if (r == 0 && h->door)
        r = share_listener(h, WEIR_HANDOVER_RESTARTS, h->options.socket, h->door);
    int fd;
    if (r == 0 && h->options.share_admin &&
        h->options.share_admin(h->options.admin_user, &fd) == 0) {
        r = send_listener(h, WEIR_HANDOVER_ADMIN, "", fd);
        (void)close(fd);
    }
    return r;
}

static int send_bodiless(weir_wire *wire, weir_handover_type type)
{
    weir_buf frame;
    weir_buf_init(&frame, 64);
    int r = weir_handover_write(&frame, type, (weir_slice){0});
    if (r == 0)
        r = weir_wire_send(wire, weir_buf_slice(&frame), -1);
    weir_buf_fini(&frame);
    return r;
}

static uint32_t newest_id(const weir_gateway *g)
{
    uint32_t newest = 0;
    for (unsigned i = 0; i < g->options.workers; i++) {
        uint32_t id = atomic_load(&g->workers[i].next_id);
        newest = id > newest ? id : newest;
    }
    return newest;
}

static int make_offer(weir_handover *h, uint32_t version)
{
    weir_buf frame;
    weir_buf_init(&frame, 64);
    int r = weir_handover_write_offer(
        &frame,
        &(weir_handover_offer){.version = version, .next_id = newest_id(h->options.gateway)});
    if (r == 0)
        r = weir_wire_send(h->newer, weir_buf_slice(&frame), -1);
    weir_buf_fini(&frame);
    if (r == 0)
        r = share_listeners(h);
    return r < 0 ? r : send_bodiless(h->newer, WEIR_HANDOVER_OFFERED);
}

/* ---- giving ---- */

/* Shrunk: idle connections to databases are the successor's to keep now. */
static void set_pools(weir_gateway *g, bool shrunk)
{
    const weir_config *config = weir_gateway_config(g);
    for (unsigned i = 0; i < config->database_count; i++) {
        const weir_config_database *as = &config->databases[i];
        weir_database *d = weir_engine_find_database(g->engine, weir_slice_cstr(as->name));
        weir_pool_options pool = weir_gateway_pool_options(&as->pool);
        if (shrunk) {
            pool.size_min = 0;
            pool.idle_timeout = WEIR_SECOND;
        }
        if (d && weir_database_configure(d, &pool) < 0)
            weir_log_event(g->log, WEIR_LOG_POOL, WEIR_LOG_WARN, "out of memory: pool limits stay",
                           WEIR_F_STR("db", weir_database_label(d)));
    }
}

static void pause_all(weir_handover *h, bool paused)
{
    weir_gateway *g = h->options.gateway;
    atomic_store(&g->giving, paused);
    atomic_store(&g->leaving, paused || atomic_load(&g->draining));
    weir_gateway_settle(g);
    if (h->door && weir_listener_pause(h->door, paused) < 0)
        say(h, WEIR_LOG_ERROR, "cannot pause or resume listening for successors", "");
    if (h->options.pause_admin)
        h->options.pause_admin(h->options.admin_user, paused);
}

static void begin_giving(weir_handover *h)
{
    weir_gateway *g = h->options.gateway;
    h->give = WEIR_GIVE_GIVING;
    weir_handover_note_another(h);
    h->give_until =
        weir_deadline(weir_loop_now(h->options.control), weir_gateway_config(g)->timeouts.restart);
    say(h, WEIR_LOG_INFO, "a successor serves: giving it the clients", "");
    weir_notify_main(h->successor);
    pause_all(h, true);
    set_pools(g, true);
    weir_timer_arm(h->options.control, &h->look, weir_loop_now(h->options.control));
}

static void drop_successor(weir_handover *h)
{
    weir_wire_free(h->newer);
    h->newer = NULL;
    h->successor = 0;
    h->give = WEIR_GIVE_IDLE;
    weir_handover_note_another(h);
    weir_timer_disarm(h->options.control, &h->look);
}

/* It is gone: what it had not taken is ours again. */
static void serve_on(weir_handover *h, const char *reason)
{
    bool giving = h->give == WEIR_GIVE_GIVING;
    say(h, WEIR_LOG_ERROR,
        giving ? "the successor is gone: serving on" : "no successor came about: serving on",
        reason);
    drop_successor(h);
    for (weir_list *n; (n = weir_list_pop_front(&h->unanswered));)
        give_back(WEIR_CONTAINER_OF(n, weir_passage, node), false);
    if (!giving)
        return;
    pause_all(h, false);
    set_pools(h->options.gateway, false);
    weir_notify_main(getpid());
}

static void end_giving(weir_handover *h, const char *why)
{
    h->give = WEIR_GIVE_ENDED;
    weir_timer_disarm(h->options.control, &h->look);
    h->options.over(h->options.user, why);
}

static void on_look(weir_timer *timer, weir_loop *loop)
{
    weir_handover *h = WEIR_CONTAINER_OF(timer, weir_handover, look);
    weir_time now = weir_loop_now(loop);
    if (h->give == WEIR_GIVE_OFFERING && now >= h->give_until)
        serve_on(h, "it took too long to start");
    if (h->give == WEIR_GIVE_GIVING) {
        /* A predecessor that still serves is reached through us. */
        bool empty = weir_gateway_clients(h->options.gateway) == 0 && !weir_handover_busy(h);
        if (empty && !h->older)
            end_giving(h, "all clients are with the successor");
        else if (now >= h->give_until)
            end_giving(h, "timeouts.restart has passed");
    }
    if (h->give == WEIR_GIVE_OFFERING || h->give == WEIR_GIVE_GIVING)
        weir_timer_arm(loop, timer, now + LOOK_EVERY);
}

/* ---- what the successor says ---- */

static void on_hello(weir_handover *h, weir_slice body)
{
    uint32_t version;
    int r = weir_handover_hello_read(body, &version);
    if (r == 0)
        r = make_offer(h, version);
    if (r < 0)
        serve_on(h, r == -ENOTSUP ? "it speaks another version" : strerror(-r));
}

static void on_frame(void *user, const weir_handover_frame *f, int fd)
{
    weir_handover *h = user;
    weir_slice key;
    uint32_t id;
    if (fd >= 0)
        (void)close(fd); /* a successor sends none */
    if (f->type == WEIR_HANDOVER_HELLO && h->give == WEIR_GIVE_OFFERING)
        on_hello(h, f->body);
    else if (f->type == WEIR_HANDOVER_READY && h->give == WEIR_GIVE_OFFERING)
        begin_giving(h);
    else if (f->type == WEIR_HANDOVER_TAKEN || f->type == WEIR_HANDOVER_REFUSED)
        on_verdict(h, f->type == WEIR_HANDOVER_TAKEN, f->body);
    else if (f->type == WEIR_HANDOVER_CANCEL && weir_handover_cancel_read(f->body, &id, &key) == 0)
        weir_client_cancel_from(h->options.gateway, id, key, WEIR_CANCEL_FROM_NEWER);
    else if (f->type == WEIR_HANDOVER_BYE && h->give == WEIR_GIVE_GIVING)
        end_giving(h, "the successor was stopped");
    else if (h->give != WEIR_GIVE_ENDED)
        serve_on(h, "it does not keep to the protocol");
}

static void on_flushed(void *user)
{
    (void)user;
}

static void on_gone(void *user, int error)
{
    weir_handover *h = user;
    const char *reason = error ? strerror(-error) : "it closed the connection";
    if (h->give != WEIR_GIVE_ENDED) {
        serve_on(h, reason);
        return;
    }
    weir_wire_free(h->newer);
    h->newer = NULL;
    for (weir_list *n; (n = weir_list_pop_front(&h->unanswered));)
        give_back(WEIR_CONTAINER_OF(n, weir_passage, node), true);
}

static const weir_wire_events events = {
    .on_frame = on_frame, .on_flushed = on_flushed, .on_gone = on_gone};

/* Takes the socket. */
static int greet(weir_handover *h, int fd, pid_t pid)
{
    weir_wire *wire = NULL;
    int r = weir_wire_new(fd, &wire);
    if (r == 0)
        r = weir_wire_attach(wire, h->options.control, &events, h);
    if (r < 0) {
        weir_wire_free(wire);
        return r;
    }
    h->newer = wire;
    h->successor = pid;
    h->give = WEIR_GIVE_OFFERING;
    h->give_until = weir_loop_now(h->options.control) + PREPARE_MAX;
    weir_timer_init(&h->look, on_look);
    weir_timer_arm(h->options.control, &h->look, weir_loop_now(h->options.control));
    return 0;
}

static bool may_begin(const weir_handover *h)
{
    if (h->give == WEIR_GIVE_IDLE && !weir_gateway_draining(h->options.gateway))
        return true;
    say(h, WEIR_LOG_WARN, "a restart was asked for",
        h->give == WEIR_GIVE_IDLE ? "shutting down" : "one is under way");
    return false;
}

/* ---- a successor that comes by itself ---- */

static void on_knock(weir_listener *listener, weir_stream *stream)
{
    weir_handover *h = weir_listener_user(listener);
    static const weir_stream_handler mute = {.on_bytes = NULL};
    pid_t pid = 0;
    int fd = -1;
    weir_stream_set_handler(stream, &mute, NULL);
    int r = weir_stream_export(stream, &fd);
    if (r < 0) {
        weir_stream_close(stream, 0);
        return;
    }
    r = weir_handover_check_peer(fd, &pid);
    if (r < 0)
        say(h, WEIR_LOG_WARN, "somebody else knocked at restart.socket", strerror(-r));
    if (r < 0 || !may_begin(h)) {
        (void)close(fd);
        return;
    }
    r = greet(h, fd, pid);
    if (r < 0)
        say(h, WEIR_LOG_ERROR, "cannot talk to a successor", strerror(-r));
}

static int open_door(weir_handover *h)
{
    static const weir_listener_handler handler = {.on_accept = on_knock};
    const char *path = h->options.socket;
    int fd = weir_handover_take_listener(h, WEIR_HANDOVER_RESTARTS, path);
    if (fd >= 0) {
        int r = weir_listener_import(h->options.control, fd, &handler, h, &h->door);
        if (r < 0)
            (void)close(fd);
        return r;
    }
    int r = *path == '/' ? weir_listen(h->options.control, path, false, &handler, h, &h->door)
                         : -EINVAL;
    /* Who is not of our user is sent away in any case. */
    return r < 0 ? r : weir_notify_protect(path);
}

int weir_handover_listen(weir_handover *h, weir_error *err)
{
    int r = h->options.socket ? open_door(h) : 0;
    if (r < 0)
        weir_error_set(err, "58000", "weir: cannot listen on restart.socket %.100s: %s",
                       h->options.socket,
                       r == -EINVAL ? "it must be an absolute path" : strerror(-r));
    return r;
}

/* ---- a successor that we start ---- */

void weir_handover_restart(weir_handover *h)
{
    int pair[2];
    pid_t pid = 0;
    if (!may_begin(h))
        return;
    if (!h->options.argv || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        say(h, WEIR_LOG_ERROR, "cannot start a successor", strerror(errno));
        return;
    }
    int r = weir_notify_spawn(h->options.argv, pair[1], &pid);
    (void)close(pair[1]);
    if (r < 0)
        (void)close(pair[0]);
    else
        r = greet(h, pair[0], pid);
    if (r < 0)
        say(h, WEIR_LOG_ERROR, "cannot start a successor", strerror(-r));
    else
        say(h, WEIR_LOG_INFO, "started a successor", "");
}

void weir_handover_on_child(weir_handover *h, pid_t pid, int status)
{
    if (pid == h->successor)
        weir_log_event(h->log, WEIR_LOG_GATEWAY, WEIR_LOG_WARN, "the successor's process ended",
                       WEIR_F_INT("successor", pid),
                       WEIR_F_INT("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                       WEIR_F_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}
