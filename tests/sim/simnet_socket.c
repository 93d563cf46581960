/* The simulator's sockets and listeners: what the kernel and the wire would do. */
#include "simnet_private.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- sockets ---- */

sim_socket *sim_socket_find(simnet *sim, int fd)
{
    return fd >= 0 && fd < sim->sockets_len ? sim->sockets[fd] : NULL;
}

static sim_socket *socket_new(simnet *sim, const char *address)
{
    if (sim->sockets_len == sim->sockets_cap) {
        sim->sockets_cap = sim->sockets_cap ? sim->sockets_cap * 2 : 64;
        sim->sockets = sim_alloc(sim->sockets, (size_t)sim->sockets_cap * sizeof(sim->sockets[0]));
    }
    sim_socket *socket = sim_alloc(NULL, sizeof(*socket));
    memset(socket, 0, sizeof(*socket));
    weir_list_init(&socket->link);
    socket->fd = sim->sockets_len;
    socket->peer = -1;
    socket->rx_tail = &socket->rx;
    snprintf(socket->address, sizeof(socket->address), "%s", address);
    sim->sockets[sim->sockets_len++] = socket;
    sim->sockets_open++;
    return socket;
}

static weir_time latency(simnet *sim)
{
    return sim_between(sim, sim->options.latency_min, sim->options.latency_max);
}

/* Events toward one socket arrive in the order in which they were sent. */
static void send_event(simnet *sim, sim_event *event, sim_socket *to, weir_time extra)
{
    weir_time at = sim->now + latency(sim) + extra;
    if (to && at <= to->last_at)
        at = to->last_at + 1;
    if (to)
        to->last_at = at;
    sim_schedule(sim, event, at);
}

static void send_reset(simnet *sim, sim_socket *to, int error)
{
    if (!to)
        return;
    sim_event *event = sim_event_new(SIM_RESET, to->fd, 0);
    event->error = error;
    event->drops = simnet_below(sim, 2) == 0;
    send_event(sim, event, to, 0);
}

static void drop_unread(sim_socket *socket)
{
    while (socket->rx) {
        sim_event *event = socket->rx;
        socket->rx = event->next;
        socket->rx_bytes -= event->len - event->begin;
        free(event);
    }
    socket->rx_tail = &socket->rx;
}

unsigned sim_socket_ready(simnet *sim, const sim_socket *socket)
{
    if (socket->error || socket->reset)
        return WEIR_READY_IN | WEIR_READY_OUT | WEIR_READY_HUP |
               (socket->error ? (unsigned)WEIR_READY_ERROR : 0);
    if (!socket->established)
        return 0;
    unsigned events = socket->rx || socket->fin_got ? WEIR_READY_IN : 0;
    const sim_socket *peer = sim_socket_find(sim, socket->peer);
    if (!peer || peer->rx_bytes < sim->options.window)
        events |= WEIR_READY_OUT;
    if (socket->fin_got && socket->fin_sent)
        events |= WEIR_READY_HUP;
    return events;
}

static int take_error(sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* How much of `n` moves at once: often all, often any part. */
static size_t portion(simnet *sim, size_t n)
{
    return simnet_below(sim, 2) == 0 ? n : 1 + (size_t)simnet_below(sim, n);
}

static ssize_t sim_recv(weir_loop *loop, int fd, void *buf, size_t len)
{
    simnet *sim = sim_loop_of(loop)->sim;
    sim_socket *socket = sim_socket_find(sim, fd);
    size_t got = 0;
    size_t most = portion(sim, len);
    while (socket->rx && got < most) {
        sim_event *event = socket->rx;
        size_t n = event->len - event->begin;
        n = n < most - got ? n : most - got;
        memcpy((uint8_t *)buf + got, event->data + event->begin, n);
        got += n;
        event->begin += n;
        socket->rx_bytes -= n;
        if (event->begin < event->len)
            break;
        socket->rx = event->next;
        free(event);
        if (!socket->rx)
            socket->rx_tail = &socket->rx;
    }
    if (got > 0)
        return (ssize_t)got;
    if (socket->error)
        return take_error(socket);
    return socket->fin_got || socket->reset ? 0 : -EAGAIN;
}

static void send_segment(simnet *sim, sim_socket *from, sim_socket *to, const uint8_t *data,
                         size_t len)
{
    sim_event *event = sim_event_new(SIM_DATA, to->fd, len);
    memcpy(event->data, data, len);
    event->from = from->fd;
    to->rx_bytes += len;
    bool held = simnet_chance(sim, sim->options.pause_chance);
    send_event(sim, event, to, held ? sim_between(sim, 0, sim->options.pause_max) : 0);
}

static size_t send_run(simnet *sim, sim_socket *from, sim_socket *to, const uint8_t *data,
                       size_t len)
{
    size_t room = to->rx_bytes < sim->options.window ? sim->options.window - to->rx_bytes : 0;
    len = len < room ? len : room;
    for (size_t at = 0; at < len;) {
        size_t n = 1 + (size_t)simnet_below(sim, sim->options.segment_max);
        n = n < len - at ? n : len - at;
        send_segment(sim, from, to, data + at, n);
        at += n;
    }
    return len;
}

static ssize_t sim_send(weir_loop *loop, int fd, const struct iovec *iov, int count)
{
    simnet *sim = sim_loop_of(loop)->sim;
    sim_socket *socket = sim_socket_find(sim, fd);
    if (socket->error)
        return take_error(socket);
    if (socket->reset || socket->fin_sent)
        return -EPIPE;
    if (!socket->established)
        return -EAGAIN;
    if (simnet_chance(sim, sim->options.reset_chance))
        simnet_reset(sim, &socket->stream->base);
    sim_socket *peer = sim_socket_find(sim, socket->peer);
    ssize_t sent = 0;
    for (int i = 0; i < count; i++) {
        size_t most = portion(sim, iov[i].iov_len);
        size_t n = peer ? send_run(sim, socket, peer, iov[i].iov_base, most) : iov[i].iov_len;
        sent += (ssize_t)n;
        if (n < iov[i].iov_len)
            break;
    }
    if (!peer) /* nobody there: the bytes go, and a reset comes back */
        send_reset(sim, socket, -ECONNRESET);
    return sent > 0 ? sent : -EAGAIN;
}

static int sim_interest(weir_loop *loop, weir_ready_stream *s, unsigned old, unsigned now)
{
    (void)old;
    sim_loop *own = sim_loop_of(loop);
    sim_socket *socket = sim_socket_find(own->sim, s->fd);
    socket->stream = s;
    socket->interest = now;
    weir_list_remove(&socket->link);
    if (now)
        weir_list_push_back(&own->sockets, &socket->link);
    return 0;
}

static void send_fin(simnet *sim, sim_socket *socket)
{
    sim_socket *peer = sim_socket_find(sim, socket->peer);
    if (socket->fin_sent || !peer)
        return;
    socket->fin_sent = true;
    sim_event *event = sim_event_new(SIM_FIN, peer->fd, 0);
    event->from = socket->fd;
    send_event(sim, event, peer, 0);
}

static void sim_shutdown(weir_loop *loop, int fd)
{
    simnet *sim = sim_loop_of(loop)->sim;
    send_fin(sim, sim_socket_find(sim, fd));
}

/* Unread bytes make it a reset, as in TCP. */
static void sim_close(weir_loop *loop, int fd)
{
    simnet *sim = sim_loop_of(loop)->sim;
    sim_socket *socket = sim_socket_find(sim, fd);
    sim_socket *peer = sim_socket_find(sim, socket->peer);
    if (socket->rx && peer)
        send_reset(sim, peer, -ECONNRESET);
    else
        send_fin(sim, socket);
    if (peer)
        peer->peer = -1;
    drop_unread(socket);
    weir_list_remove(&socket->link);
    sim->sockets[fd] = NULL;
    sim->sockets_open--;
    free(socket);
}

static int sim_error(weir_loop *loop, int fd)
{
    return take_error(sim_socket_find(sim_loop_of(loop)->sim, fd));
}

static bool sim_quiet(weir_loop *loop, int fd)
{
    const sim_socket *socket = sim_socket_find(sim_loop_of(loop)->sim, fd);
    return !socket->rx && !socket->fin_got && !socket->error && !socket->reset;
}

const weir_socket_ops sim_socket_ops = {
    .recv = sim_recv,
    .send = sim_send,
    .interest = sim_interest,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .error = sim_error,
    .quiet = sim_quiet,
    .short_is_empty = true,
};

/* ---- connecting and listening ---- */

/* In the form in which listeners are named, so that "unix:/x" and "/x" are one. */
static int normalise(const char *text, char out[WEIR_ADDRESS_TEXT_MAX], weir_peer *ret_peer)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    int r = weir_address_parse(text, &address, &len);
    if (r < 0)
        return r;
    weir_address_format(&address, out);
    weir_peer_set(ret_peer, &address);
    return 0;
}

int sim_connect(weir_loop *loop, const char *text, weir_stream **ret)
{
    simnet *sim = sim_loop_of(loop)->sim;
    char address[WEIR_ADDRESS_TEXT_MAX];
    weir_peer peer;
    int r = normalise(text, address, &peer);
    if (r < 0)
        return r;
    sim_socket *socket = socket_new(sim, address);
    weir_ready_loop *ready = (weir_ready_loop *)(void *)loop;
    weir_ready_stream *s = NULL;
    r = weir_ready_stream_new(ready, socket->fd, WEIR_READY_OPENING, &peer, &s);
    if (r < 0) {
        sim_close(loop, socket->fd);
        return r;
    }
    send_event(sim, sim_event_new(SIM_SYN, socket->fd, 0), NULL, 0);
    *ret = &s->base;
    return 0;
}

static bool is_unreachable(const simnet *sim, const char *address)
{
    for (int i = 0; i < SIM_UNREACHABLE_MAX; i++)
        if (strcmp(sim->unreachable[i], address) == 0)
            return true;
    return false;
}

/* One of those that listen there, as SO_REUSEPORT picks any. */
static sim_listener *find_listener(simnet *sim, const char *address)
{
    sim_listener *found = NULL;
    uint64_t count = 0;
    for (int i = 0; i < sim->loops_len; i++) {
        if (!sim->loops[i])
            continue;
        weir_list *all = &sim->loops[i]->listeners;
        for (weir_list *link = all->next; link != all; link = link->next) {
            sim_listener *l = WEIR_CONTAINER_OF(link, sim_listener, link);
            if (strcmp(l->base.address, address) == 0 && simnet_below(sim, ++count) == 0)
                found = l;
        }
    }
    return found;
}

static void deliver_syn(simnet *sim, sim_socket *client)
{
    if (is_unreachable(sim, client->address))
        return;
    sim_listener *l = find_listener(sim, client->address);
    if (!l) {
        send_reset(sim, client, -ECONNREFUSED);
        return;
    }
    if (l->backlog_len == l->backlog_cap) {
        l->backlog_cap = l->backlog_cap ? l->backlog_cap * 2 : 8;
        l->backlog = sim_alloc(l->backlog, l->backlog_cap * sizeof(l->backlog[0]));
    }
    l->backlog[l->backlog_len++] = client->fd;
}

static void accept_one(sim_loop *loop, sim_listener *l, sim_socket *client)
{
    simnet *sim = loop->sim;
    sim_socket *server = socket_new(sim, client->address);
    server->established = true;
    server->peer = client->fd;
    client->peer = server->fd;
    send_event(sim, sim_event_new(SIM_ACCEPT, client->fd, 0), client, 0);
    weir_peer peer = client->stream->peer;
    if (peer.family != AF_UNIX)
        peer.port = sim->next_port++;
    weir_ready_stream *s = NULL;
    int r = weir_ready_stream_new(&loop->ready, server->fd, WEIR_READY_OPEN, &peer, &s);
    if (r == 0) {
        weir_ready_accepted(&l->base, s);
        return;
    }
    sim_close(&loop->ready.base, server->fd);
    if (l->base.handler->on_refused)
        l->base.handler->on_refused(&l->base, r);
}

/* `on_accept` may close the listener, which empties its backlog. */
void sim_accept(sim_loop *loop, sim_listener *l)
{
    while (l->backlog_len > 0) {
        sim_socket *client = sim_socket_find(loop->sim, l->backlog[0]);
        l->backlog_len--;
        memmove(l->backlog, l->backlog + 1, l->backlog_len * sizeof(l->backlog[0]));
        if (client)
            accept_one(loop, l, client);
    }
}

static int pick_address(simnet *sim, const char *text, char out[WEIR_ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    weir_peer peer;
    int r = weir_address_parse(text, &address, &len);
    if (r < 0)
        return r;
    weir_address_format(&address, out);
    weir_peer_set(&peer, &address);
    if (peer.family != AF_UNIX && peer.port == 0) {
        peer.port = sim->next_port++;
        weir_peer_format(&peer, out);
    }
    return 0;
}

int sim_listen(weir_loop *base, const char *text, bool shared, weir_listener **ret)
{
    sim_loop *loop = sim_loop_of(base);
    char address[WEIR_ADDRESS_TEXT_MAX];
    int r = pick_address(loop->sim, text, address);
    if (r < 0)
        return r;
    if (shared && address[0] == '/')
        return -EINVAL;
    const sim_listener *other = find_listener(loop->sim, address);
    if (other && !(shared && other->shared))
        return -EADDRINUSE;
    sim_listener *l = sim_alloc(NULL, sizeof(*l));
    memset(l, 0, sizeof(*l));
    l->base.loop = base;
    l->shared = shared;
    snprintf(l->base.address, sizeof(l->base.address), "%s", address);
    weir_list_push_back(&loop->listeners, &l->link);
    *ret = &l->base;
    return 0;
}

void sim_listener_close(weir_listener *listener)
{
    sim_loop *loop = sim_loop_of(listener->loop);
    sim_listener *l = WEIR_CONTAINER_OF(listener, sim_listener, base);
    for (size_t i = 0; i < l->backlog_len; i++)
        send_reset(loop->sim, sim_socket_find(loop->sim, l->backlog[i]), -ECONNRESET);
    l->backlog_len = 0;
    weir_list_remove(&l->link);
    weir_list_push_back(&loop->dead_listeners, &l->link);
}

void sim_listeners_reap(sim_loop *loop)
{
    weir_list *link;
    while ((link = weir_list_pop_front(&loop->dead_listeners))) {
        sim_listener *l = WEIR_CONTAINER_OF(link, sim_listener, link);
        free(l->backlog);
        free(l);
    }
}

/* ---- arrivals ---- */

static void deliver_data(simnet *sim, sim_socket *socket, sim_event *event)
{
    if (!socket || socket->reset) {
        send_reset(sim, socket ? NULL : sim_socket_find(sim, event->from), -ECONNRESET);
        if (socket)
            socket->rx_bytes -= event->len;
        free(event);
        return;
    }
    event->next = NULL;
    *socket->rx_tail = event;
    socket->rx_tail = &event->next;
}

static void deliver_reset(sim_socket *socket, const sim_event *event)
{
    if (socket->reset)
        return;
    socket->reset = true;
    socket->error = event->error;
    if (event->drops)
        drop_unread(socket);
}

void sim_deliver(simnet *sim, sim_event *event)
{
    sim_socket *socket = sim_socket_find(sim, event->fd);
    if (event->kind == SIM_DATA) {
        deliver_data(sim, socket, event);
        return;
    }
    if (socket && event->kind == SIM_SYN)
        deliver_syn(sim, socket);
    else if (socket && event->kind == SIM_ACCEPT)
        socket->established = true;
    else if (socket && event->kind == SIM_FIN)
        socket->fin_got = true;
    else if (socket && event->kind == SIM_RESET)
        deliver_reset(socket, event);
    free(event);
}

/* ---- failures on demand ---- */

void simnet_reset(simnet *sim, weir_stream *stream)
{
    sim_socket *socket = sim_socket_find(sim, weir_ready_of(stream)->fd);
    send_reset(sim, sim_socket_find(sim, socket->peer), -ECONNRESET);
    send_reset(sim, socket, -ECONNRESET);
}

void simnet_reset_address(simnet *sim, const char *text)
{
    char address[WEIR_ADDRESS_TEXT_MAX];
    weir_peer peer;
    if (normalise(text, address, &peer) < 0)
        return;
    for (int fd = 0; fd < sim->sockets_len; fd++) {
        sim_socket *socket = sim->sockets[fd];
        if (socket && strcmp(socket->address, address) == 0)
            send_reset(sim, socket, -ECONNRESET);
    }
}

static char *unreachable_entry(simnet *sim, const char *address)
{
    for (int i = 0; i < SIM_UNREACHABLE_MAX; i++)
        if (strcmp(sim->unreachable[i], address) == 0)
            return sim->unreachable[i];
    return NULL;
}

void simnet_set_unreachable(simnet *sim, const char *text, bool unreachable)
{
    char address[WEIR_ADDRESS_TEXT_MAX];
    weir_peer peer;
    if (normalise(text, address, &peer) < 0)
        return;
    char *entry = unreachable_entry(sim, address);
    if (!entry && unreachable) {
        entry = unreachable_entry(sim, "");
        assert(entry);
        snprintf(entry, WEIR_ADDRESS_TEXT_MAX, "%s", address);
    } else if (entry && !unreachable) {
        entry[0] = '\0';
    }
}
