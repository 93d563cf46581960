/* Frames and descriptors over a UNIX stream socket (handover_wire.h).
 *
 * A descriptor travels with the first byte of its frame, and descriptors arrive in the order in
 * which they were sent: the n-th frame that has one gets the n-th.
 *
 * Invariant: after on_gone nothing is called; memory is freed when no callback is under way. */
#include "gateway/handover_wire.h"
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536u
#define FDS_MAX 8u /* received and not claimed: one recvmsg brings those of one sendmsg */

typedef struct packet {
    weir_list node;
    int fd;
    size_t len, sent;
    uint8_t bytes[];
} packet;

struct weir_wire {
    int fd;
    weir_loop *loop;
    weir_watch *watch;
    weir_timer later; /* received while waiting, or a failure of sending: told from here */
    const weir_wire_events *events;
    void *user;
    weir_buf in;
    size_t used; /* of `in`: handed out already */
    weir_list out;
    int fds[FDS_MAX];
    unsigned fd_count;
    int error;
    bool broken, unsent, gone, in_call, dead; /* unsent: it broke while sending */
};

/* ---- sending ---- */

static ssize_t send_some(weir_wire *w, packet *p)
{
    struct iovec iov = {p->bytes + p->sent, p->len - p->sent};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (p->fd >= 0) {
        m.msg_control = control.space;
        m.msg_controllen = sizeof(control.space);
        control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &p->fd, sizeof(int));
    }
    ssize_t n = sendmsg(w->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static void packet_free(packet *p)
{
    weir_list_remove(&p->node);
    if (p->fd >= 0)
        (void)close(p->fd);
    explicit_bzero(p->bytes, p->len); /* a record may hold a password */
    free(p);
}

static void break_off(weir_wire *w, int error)
{
    if (w->broken)
        return;
    w->broken = true;
    w->error = error;
    if (w->loop)
        weir_timer_arm(w->loop, &w->later, weir_loop_now(w->loop));
}

/* ETOOMANYREFS: too many descriptors are under way; there is room when the other side has read. */
static bool is_for_now(ssize_t n)
{
    return n == -EAGAIN || n == -EINTR || n == -ETOOMANYREFS;
}

static void flush(weir_wire *w)
{
    for (weir_list *n; !w->broken && (n = weir_list_first(&w->out));) {
        packet *p = WEIR_CONTAINER_OF(n, packet, node);
        ssize_t sent = send_some(w, p);
        if (is_for_now(sent))
            break;
        if (sent < 0) {
            w->unsent = !w->broken;
            break_off(w, (int)sent);
            break;
        }
        if (p->fd >= 0)
            (void)close(p->fd);
        p->fd = -1;
        p->sent += (size_t)sent;
        if (p->sent == p->len)
            packet_free(p);
    }
    if (w->watch)
        weir_watch_set(w->watch, true, !w->broken && !weir_list_empty(&w->out));
}

int weir_wire_send(weir_wire *w, weir_slice frame, int fd)
{
    packet *p = malloc(sizeof(*p) + frame.len);
    if (!p)
        return -ENOMEM;
    p->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && p->fd < 0) {
        int r = -errno;
        free(p);
        return r;
    }
    p->len = frame.len;
    p->sent = 0;
    memcpy(p->bytes, frame.data, frame.len);
    weir_list_push_back(&w->out, &p->node);
    flush(w);
    return 0;
}

bool weir_wire_is_flushed(const weir_wire *w)
{
    return weir_list_empty(&w->out) && !w->broken;
}

/* ---- receiving ---- */

static void keep_fds(weir_wire *w, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (w->fd_count < FDS_MAX) {
                w->fds[w->fd_count++] = fd;
            } else {
                (void)close(fd);
                break_off(w, -EPROTO);
            }
        }
    }
    if (m->msg_flags & MSG_CTRUNC)
        break_off(w, -EMFILE); /* a descriptor was lost: no more of ours are free */
}

/* Reads once. -EAGAIN: nothing was there; -ECONNRESET: the other side has closed. */
static int receive(weir_wire *w)
{
    int r = weir_buf_reserve(&w->in, READ_SIZE);
    if (r < 0)
        return r;
    struct iovec iov = {w->in.data + w->in.len, READ_SIZE};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof(control.space)};
    ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    keep_fds(w, &m);
    w->in.len += (size_t)n;
    return n == 0 ? -ECONNRESET : 0;
}

/* The next frame of those received. 1: none is whole. */
static int next_frame(weir_wire *w, weir_handover_frame *ret, int *ret_fd)
{
    weir_handover_frame f;
    int r = weir_handover_frame_read(weir_slice_skip(weir_buf_slice(&w->in), w->used), &f);
    if (r != 0)
        return r;
    int fd = -1;
    if (weir_handover_has_descriptor(f.type)) {
        if (w->fd_count == 0)
            return -EPROTO;
        fd = w->fds[0];
        memmove(w->fds, w->fds + 1, --w->fd_count * sizeof(w->fds[0]));
    }
    w->used += f.size;
    *ret = f;
    *ret_fd = fd;
    return 0;
}

static void drop_used(weir_wire *w)
{
    weir_buf_consume(&w->in, w->used);
    w->used = 0;
}

int weir_wire_wait(weir_wire *w, int timeout_ms, weir_handover_frame *ret, int *ret_fd)
{
    for (;;) {
        int r = next_frame(w, ret, ret_fd);
        if (r != 1)
            return r;
        drop_used(w);
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        int n = poll(&p, 1, timeout_ms);
        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return -errno;
        r = n < 0 ? -EAGAIN : receive(w);
        if (r < 0 && r != -EAGAIN)
            return r;
    }
}

/* ---- events ---- */

static void wire_destroy(weir_wire *w)
{
    if (w->loop)
        weir_timer_disarm(w->loop, &w->later);
    weir_watch_free(w->watch);
    for (weir_list *n; (n = weir_list_first(&w->out));)
        packet_free(WEIR_CONTAINER_OF(n, packet, node));
    for (unsigned i = 0; i < w->fd_count; i++)
        (void)close(w->fds[i]);
    weir_buf_fini(&w->in);
    (void)close(w->fd);
    free(w);
}

void weir_wire_free(weir_wire *wire)
{
    if (!wire)
        return;
    wire->dead = true;
    if (!wire->in_call)
        wire_destroy(wire);
}

static void tell_gone(weir_wire *w)
{
    if (w->gone || w->dead)
        return;
    w->gone = true;
    weir_watch_free(w->watch);
    w->watch = NULL;
    w->events->on_gone(w->user, w->error);
}

static void hand_frames(weir_wire *w)
{
    weir_handover_frame f;
    int fd, r = 0;
    while (!w->dead && (r = next_frame(w, &f, &fd)) == 0)
        w->events->on_frame(w->user, &f, fd);
    if (w->dead)
        return;
    if (r < 0)
        break_off(w, r);
    drop_used(w);
}

/* What the other side said before it went is heard first. */
static void work(weir_wire *w, bool readable)
{
    w->in_call = true;
    int r = readable ? receive(w) : 0;
    hand_frames(w);
    if (!w->dead && r < 0 && r != -EAGAIN && !w->broken) {
        w->broken = true;
        w->error = r == -ECONNRESET ? 0 : r;
    }
    if (!w->dead && !w->broken) {
        bool waited = !weir_list_empty(&w->out);
        flush(w);
        if (waited && weir_list_empty(&w->out) && !w->broken)
            w->events->on_flushed(w->user);
    }
    while (!w->dead && w->unsent && receive(w) == 0)
        hand_frames(w);
    if (w->broken)
        tell_gone(w);
    w->in_call = false;
    if (w->dead)
        wire_destroy(w);
}

static void on_ready(weir_watch *watch, bool readable, bool writable)
{
    (void)writable;
    work(weir_watch_user(watch), readable);
}

static void on_later(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    work(WEIR_CONTAINER_OF(timer, weir_wire, later), false);
}

int weir_wire_new(int fd, weir_wire **ret)
{
    weir_wire *w = calloc(1, sizeof(*w));
    if (!w) {
        (void)close(fd);
        return -ENOMEM;
    }
    w->fd = fd;
    weir_list_init(&w->out);
    weir_timer_init(&w->later, on_later);
    weir_buf_init(&w->in, WEIR_HANDOVER_BODY_MAX + 2 * READ_SIZE);
    *ret = w;
    return 0;
}

int weir_wire_attach(weir_wire *w, weir_loop *loop, const weir_wire_events *events, void *user)
{
    int r = weir_watch_new(loop, w->fd, true, !weir_list_empty(&w->out), on_ready, w, &w->watch);
    if (r < 0)
        return r;
    w->loop = loop;
    w->events = events;
    w->user = user;
    weir_timer_arm(loop, &w->later, weir_loop_now(loop));
    return 0;
}
