/* The library's end of a connection: bytes out, messages in, on a socket that blocks. */
#include "api/api.h"
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
#define NOTES_MAX ((size_t)65536)

weir_status api_socket(weir_instance *instance, int *ret_fd, weir_fault *fault)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return api_fail(fault, WEIR_NO_MEMORY, "53000", "weir: no connection can be made: %s",
                        strerror(errno));
    if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0 ||
        weir_embedding_admit(instance->embedding, fds[1]) < 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        return api_no_memory(fault);
    }
    *ret_fd = fds[0];
    return WEIR_OK;
}

weir_status api_lose(weir_connection *c, weir_fault *fault, const char *why)
{
    c->lost = true;
    c->transaction = WEIR_STATE_IDLE;
    return api_fail(fault, WEIR_LOST, "08006", "weir: the connection is lost: %s", why);
}

void api_send(weir_connection *c)
{
    for (size_t sent = 0; sent < c->out.len;) {
        ssize_t n = send(c->fd, c->out.data + sent, c->out.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    weir_buf_clear(&c->out);
}

/* Forgets what was taken; makes room, also for a zero byte behind everything. */
static int make_room(weir_connection *c)
{
    if (c->taken > 0)
        weir_buf_consume(&c->in, c->taken);
    c->taken = 0;
    return weir_buf_reserve(&c->in, READ_SIZE + 1);
}

static weir_status read_more(weir_connection *c, weir_fault *fault)
{
    ssize_t n;
    if (make_room(c) < 0)
        return api_lose(c, fault, "no memory for what it says");
    do
        n = recv(c->fd, c->in.data + c->in.len, c->in.cap - c->in.len - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return api_lose(c, fault, n < 0 ? strerror(errno) : "it was closed");
    c->in.len += (size_t)n;
    return WEIR_OK;
}

/* The oldest go when there are too many. */
static int keep_note(weir_connection *c, weir_slice body)
{
    api_note *n = malloc(sizeof(*n) + body.len);
    if (!n)
        return -ENOMEM;
    n->next = NULL;
    n->len = body.len;
    memcpy(n->body, body.data, body.len);
    if (c->notes)
        c->notes_last->next = n;
    else
        c->notes = n;
    c->notes_last = n;
    if (++c->note_count > NOTES_MAX) {
        api_note *first = c->notes;
        c->notes = first->next;
        c->note_count--;
        free(first);
    }
    return 0;
}

/* A whole message of what was read. 0, WEIR_PG_MORE, -EPROTO. */
static int take(weir_connection *c, weir_pg_frame *ret)
{
    if (c->covered)
        *c->covered = c->cover;
    c->covered = NULL;
    weir_slice in = weir_slice_make(c->in.data + c->taken, c->in.len - c->taken);
    int r =
        c->in.len > c->taken ? weir_pg_frame_next(in, WEIR_PG_MESSAGE_SIZE_MAX, ret) : WEIR_PG_MORE;
    if (r == 0)
        c->taken += ret->whole.len;
    return r;
}

/* Whether it was something beside the answers. Negative: -ENOMEM. */
static int is_aside(weir_connection *c, const weir_pg_frame *f)
{
    switch (f->type) {
    case WEIR_PG_B_NOTICE:
    case WEIR_PG_B_PARAM_STATUS:
        return 1;
    case WEIR_PG_B_NOTIFICATION:
        return keep_note(c, f->body) < 0 ? -ENOMEM : 1;
    default:
        return 0;
    }
}

weir_status api_receive(weir_connection *c, weir_pg_frame *ret, weir_fault *fault)
{
    weir_status status = WEIR_OK;
    while (status == WEIR_OK) {
        int r = take(c, ret), aside = r == 0 ? is_aside(c, ret) : 0;
        if (r == 0 && aside == 0)
            return WEIR_OK;
        if (r < 0 || aside < 0)
            return api_lose(c, fault, r < 0 ? "it breaks the protocol" : "out of memory");
        if (r == WEIR_PG_MORE)
            status = read_more(c, fault);
    }
    return status;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool comes(weir_connection *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    int64_t until = now_ms() + timeout_ms, left = timeout_ms;
    int n;
    while ((n = poll(&p, 1, (int)left)) < 0 && errno == EINTR) {
        left = timeout_ms < 0 ? timeout_ms : until - now_ms();
        if (timeout_ms >= 0 && left < 0)
            left = 0;
    }
    return n > 0;
}

/* Only what stands beside answers, or the end. */
static weir_status take_aside(weir_connection *c, const weir_pg_frame *f, weir_fault *fault)
{
    int r = is_aside(c, f);
    if (r > 0)
        return WEIR_OK;
    (void)api_lose(c, fault, r < 0 ? "out of memory" : "it breaks the protocol");
    if (r == 0 && f->type == WEIR_PG_B_ERROR)
        (void)api_fault_of(fault, f->body);
    return WEIR_LOST;
}

weir_status api_listen(weir_connection *c, int timeout_ms, weir_fault *fault)
{
    weir_pg_frame f;
    weir_status status = WEIR_OK;
    bool waited = false;
    while (status == WEIR_OK) {
        int r = take(c, &f);
        if (r == 0) {
            status = take_aside(c, &f, fault);
        } else if (r < 0) {
            status = api_lose(c, fault, "it breaks the protocol");
        } else if (comes(c, waited || c->notes ? 0 : timeout_ms)) {
            waited = true;
            status = read_more(c, fault);
        } else {
            break;
        }
    }
    return status;
}
