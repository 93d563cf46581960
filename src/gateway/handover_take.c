/* The side that takes over, and what both sides share. On the control thread, but for `take_here`,
 * `set_out_here` and `refuse_here`, which run on a client's worker.
 *
 *   CLIENT came ─► take_here (lives here, paused) ─► on_taken: TAKEN goes out ─► set_out_here
 *
 * Invariant: a client is heard here only when the kernel has our TAKEN: from then on the
 * predecessor cannot take it for its own again, whatever happens to us. */
#include "gateway/handover.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ID_GAP 0x10000u
#define WAIT_MS 30000 /* for the predecessor's offer: it only has to write it */

/* ---- clients ---- */

static void set_out_here(weir_task *task, weir_loop *loop)
{
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    weir_client *c = weir_client_find(weir_loop_user(loop), p->id);
    if (c) /* else it has left meanwhile */
        weir_client_set_out(c);
    atomic_fetch_sub(&p->handover->under_way, 1);
    weir_passage_free(p);
}

/* The predecessor was not told, or has gone: if it lives, the client is its own. */
static void refuse_here(weir_task *task, weir_loop *loop)
{
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    weir_client *c = weir_client_find(weir_loop_user(loop), p->id);
    if (c)
        weir_client_close(c, 0);
    atomic_fetch_sub(&p->handover->under_way, 1);
    weir_passage_free(p);
}

static void finish(weir_passage *p, bool told)
{
    if (p->result < 0) {
        atomic_fetch_sub(&p->handover->under_way, 1);
        weir_passage_free(p);
        return;
    }
    p->task.run = told ? set_out_here : refuse_here;
    weir_loop_post(p->worker->loop, &p->task);
}

static void finish_all(weir_handover *h, bool told)
{
    for (weir_list *n; (n = weir_list_pop_front(&h->arrived));)
        finish(WEIR_CONTAINER_OF(n, weir_passage, node), told);
}

static void on_flushed(void *user)
{
    finish_all(user, true);
}

static void on_taken(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    weir_handover *h = p->handover;
    weir_buf frame;
    if (p->result < 0)
        weir_log_event(h->log, WEIR_LOG_GATEWAY, WEIR_LOG_WARN,
                       "a client stays with the predecessor", WEIR_F_INT("client", p->id),
                       WEIR_F_STR("reason", strerror(-p->result)));
    weir_buf_init(&frame, 64);
    int r = h->older ? weir_handover_write_verdict(&frame, p->result == 0, p->id) : -ENOTCONN;
    if (r == 0)
        r = weir_wire_send(h->older, weir_buf_slice(&frame), -1);
    weir_buf_fini(&frame);
    if (r < 0) {
        finish(p, false);
        return;
    }
    weir_list_push_back(&h->arrived, &p->node);
    if (weir_wire_is_flushed(h->older))
        finish_all(h, true);
}

static void take_here(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_passage *p = WEIR_CONTAINER_OF(task, weir_passage, task);
    p->result = weir_passage_arrive(p, p->worker);
    p->task.run = on_taken;
    weir_loop_post(p->handover->options.control, &p->task);
}

/* An id's low 8 bits name the worker that has its client, here as there. */
static void on_client(weir_handover *h, const weir_handover_frame *f, int fd)
{
    weir_gateway *g = h->options.gateway;
    weir_record record;
    int r = weir_record_read(f->body, &record);
    weir_passage *p = r < 0 ? NULL : calloc(1, sizeof(*p));
    if (p) {
        weir_buf_init(&p->record, WEIR_HANDOVER_BODY_MAX);
        r = weir_buf_append(&p->record, f->body);
    }
    if (!p || r < 0) { /* without a verdict the predecessor keeps it until we part */
        (void)close(fd);
        free(p);
        weir_log_event(h->log, WEIR_LOG_GATEWAY, WEIR_LOG_ERROR, "cannot read a client's record",
                       WEIR_F_STR("reason", strerror(r < 0 ? -r : ENOMEM)));
        weir_wire_free(h->older);
        h->older = NULL;
        return;
    }
    p->handover = h;
    p->worker = weir_gateway_worker_of(g, record.id);
    p->fd = fd;
    p->id = record.id;
    weir_list_init(&p->node);
    atomic_fetch_add(&h->under_way, 1);
    p->task.run = take_here;
    weir_loop_post(p->worker->loop, &p->task);
}

/* ---- the predecessor ---- */

static void on_frame(void *user, const weir_handover_frame *f, int fd)
{
    weir_handover *h = user;
    weir_slice key;
    uint32_t id;
    if (f->type == WEIR_HANDOVER_CLIENT) {
        on_client(h, f, fd);
        return;
    }
    if (fd >= 0)
        (void)close(fd);
    if (f->type == WEIR_HANDOVER_CANCEL && weir_handover_cancel_read(f->body, &id, &key) == 0)
        weir_client_cancel_from(h->options.gateway, id, key, WEIR_CANCEL_FROM_OLDER);
}

static void on_gone(void *user, int error)
{
    weir_handover *h = user;
    weir_log_event(h->log, WEIR_LOG_GATEWAY, error ? WEIR_LOG_WARN : WEIR_LOG_INFO,
                   "the predecessor is gone",
                   WEIR_F_STR("reason", error ? strerror(-error) : "it has ended"));
    finish_all(h, false);
    weir_wire_free(h->older);
    h->older = NULL;
    weir_handover_note_another(h);
}

static const weir_wire_events events = {
    .on_frame = on_frame, .on_flushed = on_flushed, .on_gone = on_gone};

static int send_frame(weir_wire *wire, int (*write)(weir_buf *out))
{
    weir_buf frame;
    weir_buf_init(&frame, 64);
    int r = write(&frame);
    if (r == 0)
        r = weir_wire_send(wire, weir_buf_slice(&frame), -1);
    weir_buf_fini(&frame);
    return r;
}

static int write_ready(weir_buf *out)
{
    return weir_handover_write(out, WEIR_HANDOVER_READY, (weir_slice){0});
}

static int write_bye(weir_buf *out)
{
    return weir_handover_write(out, WEIR_HANDOVER_BYE, (weir_slice){0});
}

int weir_handover_ready(weir_handover *h)
{
    if (!h->older)
        return 0;
    int r = 0;
    for (unsigned i = 0; i < h->inherited_count; i++) /* what our configuration does not name */
        if (h->inherited[i].fd >= 0)
            (void)close(h->inherited[i].fd);
    h->inherited_count = 0;
    weir_gateway_settle(h->options.gateway); /* we accept */
    if (h->door)
        r = weir_listener_pause(h->door, false);
    if (r == 0)
        r = weir_wire_attach(h->older, h->options.control, &events, h);
    if (r == 0)
        r = send_frame(h->older, write_ready);
    h->taking = r == 0;
    return r;
}

/* ---- the greeting, before anything runs ---- */

int weir_handover_check_peer(int fd, pid_t *ret_pid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return -errno;
    *ret_pid = peer.pid;
    return peer.uid == geteuid() ? 0 : -EPERM;
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pid_t pid;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    if (r == 0)
        r = weir_handover_check_peer(fd, &pid);
    if (r == 0)
        return fd;
    (void)close(fd);
    return r;
}

/* "fd:N" is what our own predecessor passes (notify.c). */
static int inherited_socket(const char *from)
{
    char *rest = NULL;
    long fd = strtol(from + 3, &rest, 10);
    pid_t pid;
    if (rest == from + 3 || *rest || fd < 3 || fd > INT16_MAX)
        return -EINVAL;
    int r = weir_handover_check_peer((int)fd, &pid);
    return r < 0 ? r : (int)fd;
}

static int keep_listener(weir_handover *h, weir_slice body, int fd)
{
    weir_inherited *i = &h->inherited[h->inherited_count];
    weir_slice address;
    int r = weir_handover_listener_read(body, &i->kind, &address);
    if (r == 0 &&
        (h->inherited_count == WEIR_HANDOVER_LISTENERS_MAX || address.len >= sizeof(i->address)))
        r = -E2BIG;
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    memcpy(i->address, address.data, address.len);
    i->address[address.len] = '\0';
    i->fd = fd;
    h->inherited_count++;
    return 0;
}

/* Up to OFFERED. */
static int hear_offer(weir_handover *h)
{
    weir_handover_frame f;
    int fd;
    for (;;) {
        int r = weir_wire_wait(h->older, WAIT_MS, &f, &fd);
        if (r == 0 && f.type == WEIR_HANDOVER_OFFER)
            r = weir_handover_offer_read(f.body, &h->offer);
        else if (r == 0 && f.type == WEIR_HANDOVER_LISTENER)
            r = keep_listener(h, f.body, fd);
        else if (r == 0)
            return f.type == WEIR_HANDOVER_OFFERED && h->offer.version > 0 ? 0 : -EPROTO;
        if (r < 0)
            return r;
    }
}

/* Those that the predecessor has given, and will give until we are ready. */
static void skip_ids(weir_handover *h)
{
    weir_gateway *g = h->options.gateway;
    for (unsigned i = 0; i < g->options.workers; i++)
        atomic_store(&g->workers[i].next_id, (h->offer.next_id + ID_GAP) & 0x7fffff);
}

int weir_handover_meet(weir_handover *h, const char *from, weir_error *err)
{
    int fd = strncmp(from, "fd:", 3) == 0 ? inherited_socket(from) : dial(from);
    int r = fd < 0 ? fd : weir_wire_new(fd, &h->older);
    if (r == 0)
        r = send_frame(h->older, weir_handover_write_hello);
    if (r == 0)
        r = hear_offer(h);
    if (r == 0) {
        skip_ids(h);
        weir_handover_note_another(h);
        return 0;
    }
    weir_error_set(err, "58000", "weir: cannot take over from %.100s: %s", from,
                   r == -ENOTSUP      ? "it speaks another version"
                   : r == -ECONNRESET ? "it refused"
                                      : strerror(-r));
    weir_error_hint(err, "The process that serves goes on as before; without --takeover a new one "
                         "is started beside it.");
    return r;
}

int weir_handover_take_listener(weir_handover *h, weir_handover_kind kind, const char *address)
{
    for (unsigned i = 0; h && i < h->inherited_count; i++) {
        weir_inherited *l = &h->inherited[i];
        if (l->fd < 0 || l->kind != kind || strcmp(l->address, address) != 0)
            continue;
        int fd = l->fd;
        l->fd = -1;
        return fd;
    }
    return -1;
}

/* ---- both sides ---- */

int weir_handover_new(const weir_handover_options *options, weir_handover **ret)
{
    weir_handover *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->options = *options;
    h->log = weir_gateway_log(options->gateway);
    weir_list_init(&h->unanswered);
    weir_list_init(&h->arrived);
    options->gateway->handover = h;
    *ret = h;
    return 0;
}

bool weir_handover_busy(const weir_handover *h)
{
    return atomic_load(&h->under_way) > 0;
}

weir_loop *weir_handover_loop(const weir_handover *h)
{
    return h->options.control;
}

void weir_handover_end(weir_handover *h)
{
    if (h->give != WEIR_GIVE_ENDED && h->older && h->taking)
        (void)!send_frame(h->older, write_bye); /* else it takes our end for a crash */
    h->give = WEIR_GIVE_ENDED;
}

void weir_handover_free(weir_handover *h)
{
    if (!h)
        return;
    weir_list *lists[] = {&h->unanswered, &h->arrived};
    for (unsigned i = 0; i < 2; i++)
        for (weir_list *n; (n = weir_list_pop_front(lists[i]));)
            weir_passage_free(WEIR_CONTAINER_OF(n, weir_passage, node));
    for (unsigned i = 0; i < h->inherited_count; i++)
        if (h->inherited[i].fd >= 0)
            (void)close(h->inherited[i].fd);
    weir_listener_close(h->door);
    weir_wire_free(h->older);
    weir_wire_free(h->newer);
    free(h);
}

/* ---- cancel requests for clients of the other process ---- */

typedef struct stray {
    weir_task task;
    weir_handover *handover;
    uint32_t id;
    weir_cancel_from from;
    size_t key_len;
    uint8_t key[WEIR_HANDOVER_KEY_MAX];
} stray;

/* What came from one side goes on to the other only: no request goes in circles. */
static void pass_on(weir_task *task, weir_loop *loop)
{
    (void)loop;
    stray *s = WEIR_CONTAINER_OF(task, stray, task);
    weir_handover *h = s->handover;
    weir_wire *to[] = {s->from == WEIR_CANCEL_FROM_NEWER ? NULL : h->newer,
                       s->from == WEIR_CANCEL_FROM_OLDER ? NULL : h->older};
    weir_buf frame;
    weir_buf_init(&frame, 512);
    if (weir_handover_write_cancel(&frame, s->id, weir_slice_make(s->key, s->key_len)) == 0)
        for (unsigned i = 0; i < 2; i++)
            if (to[i] && weir_wire_send(to[i], weir_buf_slice(&frame), -1) < 0)
                break; /* out of memory: as a request that came too late */
    weir_buf_fini(&frame);
    free(s);
}

void weir_handover_stray_cancel(weir_handover *h, uint32_t id, weir_slice key,
                                weir_cancel_from from)
{
    stray *s = h && key.len <= WEIR_HANDOVER_KEY_MAX ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return;
    s->handover = h;
    s->id = id;
    s->from = from;
    s->key_len = key.len;
    memcpy(s->key, key.data, key.len);
    s->task.run = pass_on;
    weir_loop_post(h->options.control, &s->task);
}
