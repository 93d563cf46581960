/* Connections to a node: opening, greeting, replies in order, and the breaker.
 *
 *   CLOSED ─► RESOLVING ─► CONNECTING ─┬► SECURING ─► GREETING ─► READY
 *      ▲          │            │       └───────────────►│           │
 *      └──────────┴────────────┴──── vk_conn_fail ──────┴───────────┘
 *
 * The breaker is this: a node that fails, or answers late several times running, loses its
 * connections and is left alone for a while, longer each time. Only a greeting finds out whether it
 * is back, and no query waits for that. */
#include "backend/valkey/internal.h"
#include <stdlib.h>

#define PIPELINE_ENOUGH 8u /* owed by the least busy: another connection helps */
#define REPLY_EXTRA 4096u

static void set_state(vk_conn *c, vk_state to)
{
    vk_tier *t = c->node->seat->tier;
    assert(to == VK_CLOSED || to > c->state);
    if ((c->state == VK_READY) != (to == VK_READY))
        atomic_fetch_add_explicit(&t->ready, to == VK_READY ? 1u : -1u, memory_order_relaxed);
    c->state = to;
}

/* ---- closing ---- */

static size_t swallow(weir_stream *stream, weir_slice bytes)
{
    (void)stream;
    return bytes.len;
}

static void forget(weir_stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static const weir_stream_handler mute = {.on_bytes = swallow, .on_close = forget};

/* Those who wait are told last: they may ask again, and find it closed. */
static void conn_close(vk_conn *c)
{
    weir_list ended;
    weir_stream *stream = c->stream;
    vk_seat *seat = c->node->seat;
    if (c->state == VK_CLOSED)
        return;
    set_state(c, VK_CLOSED);
    c->stream = NULL;
    c->owed = 0;
    weir_timer_disarm(seat->loop, &c->timer);
    if (stream) {
        weir_stream_set_handler(stream, &mute, NULL);
        weir_stream_close(stream, 0);
    }
    weir_list_init(&ended);
    for (weir_list *n; (n = weir_list_pop_front(&c->requests));)
        weir_list_push_back(&ended, n);
    for (weir_list *n; (n = weir_list_pop_front(&ended));)
        vk_request_end(seat, WEIR_CONTAINER_OF(n, vk_request, link), (weir_slice){0});
}

void vk_node_close(vk_node *node)
{
    for (unsigned i = 0; i < VK_CONNS_MAX; i++)
        conn_close(&node->conn[i]);
}

static void leave_alone(vk_node *node, const char *why)
{
    vk_seat *seat = node->seat;
    vk_tier *t = seat->tier;
    vk_count(t, VK_ERRORS);
    node->late = 0;
    node->backoff = node->backoff == 0 ? VK_BACKOFF_MIN : 2 * node->backoff;
    if (node->backoff > VK_BACKOFF_MAX)
        node->backoff = VK_BACKOFF_MAX;
    node->retry_at = weir_loop_now(seat->loop) + node->backoff;
    weir_log_event(t->options.log, WEIR_LOG_CACHE, WEIR_LOG_WARN, "cache tier: server left alone",
                   WEIR_F_STR("server", node->address), WEIR_F_STR("reason", why),
                   WEIR_F_DURATION("for", node->backoff));
    if (!seat->slots)
        seat->current++;
}

void vk_node_fail(vk_node *node, const char *why)
{
    leave_alone(node, why);
    vk_node_close(node);
    if (node->seat->slots)
        vk_cluster_doubt(node->seat);
}

/* Nobody waits for what is not open yet: nobody is told, whoever called. */
static void open_failed(vk_conn *c, const char *why)
{
    assert(c->state != VK_READY);
    leave_alone(c->node, why);
    conn_close(c);
    if (c->node->seat->slots)
        vk_cluster_doubt(c->node->seat);
}

void vk_conn_fail(vk_conn *c, const char *why)
{
    if (c->state == VK_READY)
        vk_node_fail(c->node, why);
    else
        open_failed(c, why);
}

/* ---- greeting ---- */

static weir_slice user_of(const weir_valkey_options *o)
{
    return o->user ? weir_slice_cstr(o->user) : WEIR_SLICE_LIT("default");
}

bool vk_conn_authenticate(vk_conn *c)
{
    const weir_valkey_options *o = &c->node->seat->tier->options;
    weir_slice words[3] = {WEIR_SLICE_LIT("AUTH")};
    unsigned count = 1;
    if (o->user)
        words[count++] = weir_slice_cstr(o->user);
    words[count++] = weir_slice_cstr(o->password);
    return vk_conn_ask(c, VK_AUTH, words, count);
}

static bool select_database(vk_conn *c)
{
    const weir_valkey_options *o = &c->node->seat->tier->options;
    weir_buf number;
    weir_buf_init(&number, 16);
    bool sent = weir_buf_printf(&number, "%u", o->database) == 0;
    weir_slice words[] = {WEIR_SLICE_LIT("SELECT"), weir_buf_slice(&number)};
    sent = sent && vk_conn_ask(c, VK_SELECT, words, 2);
    weir_buf_fini(&number);
    return sent;
}

static void greet(vk_conn *c)
{
    const weir_valkey_options *o = &c->node->seat->tier->options;
    weir_slice words[5] = {WEIR_SLICE_LIT("HELLO"), WEIR_SLICE_LIT("3")};
    unsigned count = 2;
    set_state(c, VK_GREETING);
    if (o->password) {
        words[count++] = WEIR_SLICE_LIT("AUTH");
        words[count++] = user_of(o);
        words[count++] = weir_slice_cstr(o->password);
    }
    if (!vk_conn_ask(c, VK_HELLO, words, count) || (o->database > 0 && !select_database(c)))
        vk_conn_fail(c, "out of memory");
}

/* ---- the stream ---- */

static size_t on_bytes(weir_stream *stream, weir_slice bytes)
{
    vk_conn *c = weir_stream_user(stream);
    const weir_resp_limits limits = {
        .text_max = c->node->seat->tier->options.value_max + REPLY_EXTRA, .values_max = 1u << 20};
    size_t done = 0, size;
    int r;
    while ((r = weir_resp_size(weir_slice_skip(bytes, done), &limits, &size)) == 0) {
        weir_slice reply = weir_slice_head(weir_slice_skip(bytes, done), size);
        done += size;
        if (reply.data[0] == '>')
            continue;
        weir_list *n = weir_list_pop_front(&c->requests);
        bool good = n != NULL;
        if (good) {
            c->owed--;
            good = vk_reply(c, WEIR_CONTAINER_OF(n, vk_request, link), reply);
        }
        if (c->stream != stream)
            return bytes.len; /* it failed meanwhile */
        if (!good) {
            vk_conn_fail(c, "it does not answer as Valkey does");
            return bytes.len;
        }
        if (c->state == VK_GREETING && c->owed == 0) {
            set_state(c, VK_READY);
            weir_timer_disarm(c->node->seat->loop, &c->timer);
        }
    }
    if (r < 0) {
        vk_conn_fail(c, "it does not answer as Valkey does");
        return bytes.len;
    }
    return done;
}

/* "host:port" or "[::1]:port". */
static void host_of(const vk_node *node, char *out, size_t size)
{
    const char *from = node->address, *colon = strrchr(from, ':');
    size_t len = colon ? (size_t)(colon - from) : strlen(from);
    if (len >= 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    }
    len = len < size ? len : size - 1;
    memcpy(out, from, len);
    out[len] = '\0';
}

static void secure(vk_conn *c)
{
    const weir_valkey_options *o = &c->node->seat->tier->options;
    char host[256];
    host_of(c->node, host, sizeof(host));
    set_state(c, VK_SECURING);
    if (weir_stream_start_tls(c->stream, o->tls, host, o->tls_names ? host : NULL) < 0)
        vk_conn_fail(c, "out of memory");
}

static void on_open(weir_stream *stream)
{
    vk_conn *c = weir_stream_user(stream);
    if (c->state == VK_CONNECTING && c->node->seat->tier->options.tls)
        secure(c);
    else
        greet(c);
}

static void dial(vk_conn *c);

static void on_close(weir_stream *stream, int error)
{
    vk_conn *c = weir_stream_user(stream);
    vk_node *node = c->node;
    const char *tls = weir_stream_tls_failure(stream);
    c->stream = NULL;
    if (c->state == VK_CONNECTING && node->resolved_at + 1 < node->resolved_count) {
        node->resolved_at++; /* a name with several addresses */
        dial(c);
        return;
    }
    vk_conn_fail(c, tls ? tls : error < 0 ? strerrordesc_np(-error) : "it ended the connection");
}

static const weir_stream_handler handler = {
    .on_open = on_open, .on_bytes = on_bytes, .on_close = on_close};

/* ---- opening ---- */

static void dial(vk_conn *c)
{
    vk_node *node = c->node;
    vk_seat *seat = node->seat;
    int r = weir_connect(seat->loop, node->resolved[node->resolved_at], &handler, c, &c->stream);
    if (r < 0)
        vk_conn_fail(c, strerrordesc_np(-r));
    else
        weir_stream_set_limit(c->stream, seat->tier->options.value_max + 2 * REPLY_EXTRA);
}

static void on_resolved(void *user, const char *const *addresses, size_t count, const char *reason)
{
    vk_conn *c = user;
    vk_node *node = c->node;
    if (c->state != VK_RESOLVING)
        return;
    if (count == 0) {
        vk_conn_fail(c, reason);
        return;
    }
    node->resolved_count = node->resolved_at = 0;
    for (size_t i = 0; i < count && i < VK_RESOLVED_MAX; i++) {
        size_t len = strnlen(addresses[i], WEIR_RESOLVED_MAX - 1);
        memcpy(node->resolved[i], addresses[i], len);
        node->resolved[i][len] = '\0';
        node->resolved_count++;
    }
    set_state(c, VK_CONNECTING);
    dial(c);
}

static void conn_open(vk_conn *c)
{
    vk_seat *seat = c->node->seat;
    const weir_valkey_options *o = &seat->tier->options;
    set_state(c, VK_RESOLVING);
    weir_timer_arm(seat->loop, &c->timer, weir_loop_now(seat->loop) + o->connect_timeout);
    int r = weir_resolve(seat->loop, o->resolver, c->node->address, on_resolved, c);
    if (r < 0)
        vk_conn_fail(c, strerrordesc_np(-r));
}

/* ---- choosing, sending ---- */

vk_conn *vk_conn_of(vk_node *node)
{
    vk_seat *seat = node->seat;
    vk_conn *best = NULL, *closed = NULL;
    bool opening = false;
    if (seat->detached)
        return NULL;
    for (unsigned i = 0; i < seat->tier->options.connections; i++) {
        vk_conn *c = &node->conn[i];
        if (c->state == VK_CLOSED)
            closed = closed ? closed : c;
        else if (c->state != VK_READY || !c->stream) /* about to be closed, after another */
            opening = true;
        else if (!best || c->owed < best->owed)
            best = c;
    }
    if (closed && !opening && (!best || best->owed >= PIPELINE_ENOUGH) &&
        weir_loop_now(seat->loop) >= node->retry_at)
        conn_open(closed);
    if (!best || best->state != VK_READY || best->owed >= VK_OWED_MAX ||
        weir_stream_congested(best->stream))
        return NULL;
    return best;
}

void vk_conn_send(vk_conn *c, vk_request *q)
{
    weir_list_push_back(&c->requests, &q->link);
    c->owed++;
    weir_stream_write(c->stream, weir_buf_slice(&c->node->seat->out));
}
