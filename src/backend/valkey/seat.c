/* A tier on Valkey: a seat for each worker, what it asks for and what it gives. */
#include "backend/valkey/internal.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- nodes ---- */

static void on_conn_timer(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    vk_conn_fail(WEIR_CONTAINER_OF(timer, vk_conn, timer), "no greeting in time");
}

static vk_node *find_node(vk_seat *seat, weir_slice address)
{
    for (weir_list *n = seat->nodes.next; n != &seat->nodes; n = n->next) {
        vk_node *node = WEIR_CONTAINER_OF(n, vk_node, link);
        if (weir_slice_eq_cstr(address, node->address))
            return node;
    }
    return NULL;
}

vk_node *vk_node_get(vk_seat *seat, weir_slice address)
{
    vk_node *node = find_node(seat, address);
    if (node || seat->node_count == VK_NODES_MAX)
        return node;
    node = calloc(1, sizeof(*node));
    if (!node)
        return NULL;
    node->address = strndup((const char *)address.data, address.len);
    if (!node->address) {
        free(node);
        return NULL;
    }
    node->seat = seat;
    for (unsigned i = 0; i < VK_CONNS_MAX; i++) {
        node->conn[i].node = node;
        weir_list_init(&node->conn[i].requests);
        weir_timer_init(&node->conn[i].timer, on_conn_timer);
    }
    weir_list_push_back(&seat->nodes, &node->link);
    seat->node_count++;
    return node;
}

/* Whom to ask for a key; NULL: not known. */
static vk_node *node_for(vk_seat *seat, weir_slice key)
{
    const weir_valkey_options *o = &seat->tier->options;
    vk_node *node = seat->slots ? seat->slots->node[weir_resp_slot(key)] : NULL;
    if (node)
        return node;
    return vk_node_get(seat, weir_slice_cstr(o->addresses[seat->current % o->address_count]));
}

/* ---- seats ---- */

static void on_deadline(weir_timer *timer, weir_loop *loop);

static vk_seat *seat_new(vk_tier *t, weir_loop *loop)
{
    vk_seat *seat = calloc(1, sizeof(*seat));
    if (!seat)
        return NULL;
    seat->tier = t;
    seat->loop = loop;
    weir_courier_init(&seat->courier, loop, t->encoder);
    weir_list_init(&seat->nodes);
    weir_list_init(&seat->waiting);
    weir_timer_init(&seat->timer, on_deadline);
    weir_buf_init(&seat->out, t->options.value_max + 1024);
    weir_buf_init(&seat->value, t->options.value_max);
    return seat;
}

static vk_seat *seat_of(vk_tier *t, unsigned worker, weir_loop *loop)
{
    assert(worker < t->options.workers);
    if (!t->seats[worker])
        t->seats[worker] = seat_new(t, loop);
    return t->seats[worker];
}

static void seat_free(vk_seat *seat)
{
    if (!seat)
        return;
    for (weir_list *n; (n = weir_list_pop_front(&seat->nodes));) {
        vk_node *node = WEIR_CONTAINER_OF(n, vk_node, link);
        free(node->address);
        free(node);
    }
    free(seat->slots);
    weir_buf_fini(&seat->out);
    weir_buf_fini(&seat->value);
    free(seat);
}

/* ---- those who wait ---- */

static vk_request *of_waiting(weir_list *n)
{
    return WEIR_CONTAINER_OF(n, vk_request, waiting);
}

/* In order of their deadlines; most wait equally long. */
static void enlist(vk_seat *seat, vk_request *q)
{
    weir_list *before = &seat->waiting;
    while (before->prev != &seat->waiting && of_waiting(before->prev)->deadline > q->deadline)
        before = before->prev;
    weir_list_push_back(before, &q->waiting);
    weir_timer_arm(seat->loop, &seat->timer, of_waiting(seat->waiting.next)->deadline);
}

void vk_request_end(vk_seat *seat, vk_request *q, weir_slice found)
{
    weir_tier_get *get = q->get;
    weir_list_remove(&q->waiting);
    free(q);
    if (found.len > 0)
        vk_count(seat->tier, VK_FOUND);
    if (get)
        get->done(get, found);
}

/* It goes on without whoever waited: the reply is still owed. */
static void give_up(vk_seat *seat, vk_request *q)
{
    weir_tier_get *get = q->get;
    assert(get);
    vk_conn *c = get->own;
    weir_list_remove(&q->waiting);
    q->get = NULL;
    vk_count(seat->tier, VK_LATE);
    if (++c->node->late >= VK_LATE_MAX)
        vk_node_fail(c->node, "answers came too late");
    get->done(get, (weir_slice){0});
}

static void on_deadline(weir_timer *timer, weir_loop *loop)
{
    vk_seat *seat = WEIR_CONTAINER_OF(timer, vk_seat, timer);
    weir_list *n;
    while ((n = weir_list_first(&seat->waiting)) != NULL) {
        vk_request *q = of_waiting(n);
        if (q->deadline > weir_loop_now(loop)) {
            weir_timer_arm(loop, timer, q->deadline);
            return;
        }
        give_up(seat, q);
    }
}

/* ---- commands ---- */

/* The key as it is said to the server. */
static weir_slice key_of(const vk_tier *t, const weir_tier_key *key, char out[VK_KEY_MAX])
{
    size_t len = (size_t)snprintf(out, VK_KEY_MAX, "%s", t->options.prefix);
    for (size_t i = 0; i < sizeof(key->bytes); i++)
        len += (size_t)snprintf(out + len, VK_KEY_MAX - len, "%02x", key->bytes[i]);
    return weir_slice_make(out, len);
}

static int put_command(weir_buf *out, const weir_slice *words, unsigned count)
{
    weir_buf_clear(out);
    int r = weir_resp_command(out, count);
    for (unsigned i = 0; i < count && r == 0; i++)
        r = weir_resp_word(out, words[i]);
    return r;
}

static vk_request *request_new(vk_kind kind, const weir_tier_key *key)
{
    vk_request *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->kind = kind;
    if (key)
        q->key = *key;
    weir_list_init(&q->link);
    weir_list_init(&q->waiting);
    return q;
}

bool vk_conn_ask(vk_conn *c, vk_kind kind, const weir_slice *words, unsigned count)
{
    weir_buf *out = &c->node->seat->out;
    vk_request *q = put_command(out, words, count) == 0 ? request_new(kind, NULL) : NULL;
    if (q)
        vk_conn_send(c, q);
    return q != NULL;
}

bool vk_send_get(vk_node *node, vk_request *q, bool asking)
{
    vk_seat *seat = node->seat;
    char text[VK_KEY_MAX];
    weir_slice words[] = {WEIR_SLICE_LIT("GET"), key_of(seat->tier, &q->key, text)};
    weir_slice prelude = WEIR_SLICE_LIT("ASKING");
    vk_conn *c = vk_conn_of(node);
    if (!c || (asking && !vk_conn_ask(c, VK_ASKING, &prelude, 1)) ||
        put_command(&seat->out, words, 2) < 0)
        return false;
    if (q->get)
        q->get->own = c;
    vk_conn_send(c, q);
    return true;
}

static weir_tier_answer tier_get(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                                 weir_tier_get *get)
{
    vk_tier *t = WEIR_CONTAINER_OF(tier, vk_tier, base);
    vk_seat *seat = seat_of(t, worker, loop);
    char text[VK_KEY_MAX];
    vk_node *node = seat ? node_for(seat, key_of(t, &get->key, text)) : NULL;
    vk_request *q = node ? request_new(VK_GET, &get->key) : NULL;
    if (q)
        q->get = get;
    if (!q || !vk_send_get(node, q, false)) {
        free(q);
        vk_count(t, VK_SKIPPED);
        return WEIR_TIER_SKIPPED;
    }
    q->deadline = get->deadline;
    enlist(seat, q);
    vk_count(t, VK_GETS);
    return WEIR_TIER_ASKED;
}

/* ---- keeping ---- */

typedef struct parcel { /* away at the encoder */
    weir_trip trip;
    vk_seat *seat;
    weir_tier_put *put;
    weir_buf value;
    int error;
} parcel;

static bool send_value(vk_seat *seat, const weir_tier_put *put, weir_slice value)
{
    vk_tier *t = seat->tier;
    char text[VK_KEY_MAX], ms[24];
    weir_slice key = key_of(t, &put->key, text);
    vk_node *node = node_for(seat, key);
    vk_conn *c = node ? vk_conn_of(node) : NULL;
    weir_time ttl = put->ttl / WEIR_MS;
    int len = snprintf(ms, sizeof(ms), "%lld", (long long)(ttl > 0 ? ttl : 1));
    weir_slice words[] = {WEIR_SLICE_LIT("SET"), key, value, WEIR_SLICE_LIT("PX"),
                          weir_slice_make(ms, (size_t)len)};
    if (!c || put_command(&seat->out, words, 5) < 0)
        return false;
    vk_request *q = request_new(VK_SET, &put->key);
    if (q)
        vk_conn_send(c, q);
    return q != NULL;
}

static void parcel_end(parcel *p)
{
    p->put->drop(p->put);
    weir_buf_fini(&p->value);
    free(p);
}

static void encode(weir_trip *trip)
{
    parcel *p = WEIR_CONTAINER_OF(trip, parcel, trip);
    p->error = p->put->write(p->put, &p->value);
}

static void encoded(weir_trip *trip)
{
    parcel *p = WEIR_CONTAINER_OF(trip, parcel, trip);
    vk_seat *seat = p->seat;
    bool sent = p->error == 0 && send_value(seat, p->put, weir_buf_slice(&p->value));
    vk_count(seat->tier, sent ? VK_PUTS : VK_DROPPED);
    seat->parcels--;
    parcel_end(p);
}

static void encoded_in_vain(weir_trip *trip)
{
    parcel_end(WEIR_CONTAINER_OF(trip, parcel, trip));
}

static bool send_to_encoder(vk_seat *seat, weir_tier_put *put)
{
    parcel *p = seat->parcels < VK_PARCELS_MAX ? calloc(1, sizeof(*p)) : NULL;
    if (!p)
        return false;
    p->seat = seat;
    p->put = put;
    p->trip.away = encode;
    p->trip.back = encoded;
    p->trip.dropped = encoded_in_vain;
    weir_buf_init(&p->value, seat->tier->options.value_max);
    seat->parcels++;
    weir_courier_send(&seat->courier, &p->trip);
    return true;
}

/* Whether it is worth writing: somebody there could take it. */
static bool can_send(vk_seat *seat, const weir_tier_key *key)
{
    char text[VK_KEY_MAX];
    vk_node *node = node_for(seat, key_of(seat->tier, key, text));
    return node && vk_conn_of(node);
}

static void tier_put(weir_tier *tier, unsigned worker, struct weir_loop *loop, weir_tier_put *put)
{
    vk_tier *t = WEIR_CONTAINER_OF(tier, vk_tier, base);
    vk_seat *seat = seat_of(t, worker, loop);
    bool able = seat && can_send(seat, &put->key);
    if (able && put->expensive && send_to_encoder(seat, put))
        return;
    if (able && !put->expensive) {
        weir_buf_clear(&seat->value);
        able = put->write(put, &seat->value) == 0 &&
               send_value(seat, put, weir_buf_slice(&seat->value));
        vk_count(t, able ? VK_PUTS : VK_DROPPED);
    } else {
        vk_count(t, VK_DROPPED);
    }
    put->drop(put);
}

static void tier_remove(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                        const weir_tier_key *key)
{
    vk_tier *t = WEIR_CONTAINER_OF(tier, vk_tier, base);
    vk_seat *seat = seat_of(t, worker, loop);
    char text[VK_KEY_MAX];
    weir_slice words[] = {WEIR_SLICE_LIT("UNLINK"), key_of(t, key, text)};
    vk_node *node = seat && !seat->detached ? node_for(seat, words[1]) : NULL;
    vk_conn *c = node ? vk_conn_of(node) : NULL;
    if (c && vk_conn_ask(c, VK_DELETE, words, 2))
        vk_count(t, VK_REMOVED);
}

static void tier_mark(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                      const weir_tier_key *key, weir_slice mark, weir_time ttl, bool over)
{
    vk_seat *seat = seat_of(WEIR_CONTAINER_OF(tier, vk_tier, base), worker, loop);
    char text[VK_KEY_MAX], ms[24];
    int len = snprintf(ms, sizeof(ms), "%lld", (long long)(ttl / WEIR_MS + 1));
    weir_slice key_text = seat ? key_of(seat->tier, key, text) : (weir_slice){0};
    vk_node *node = seat && !seat->detached ? node_for(seat, key_text) : NULL;
    vk_conn *c = node ? vk_conn_of(node) : NULL;
    weir_slice words[] = {WEIR_SLICE_LIT("SET"),
                          key_text,
                          mark,
                          WEIR_SLICE_LIT("PX"),
                          weir_slice_make(ms, (size_t)len),
                          WEIR_SLICE_LIT("NX")};
    bool sent = c && vk_conn_ask(c, VK_MARK, words, over ? 5 : 6);
    (void)sent; /* then nobody waits */
}

/* ---- life ---- */

static void tier_detach(weir_tier *tier, unsigned worker)
{
    vk_seat *seat = WEIR_CONTAINER_OF(tier, vk_tier, base)->seats[worker];
    if (!seat || seat->detached)
        return;
    seat->detached = true;
    for (weir_list *n = seat->nodes.next; n != &seat->nodes; n = n->next)
        vk_node_close(WEIR_CONTAINER_OF(n, vk_node, link));
    weir_timer_disarm(seat->loop, &seat->timer);
    weir_courier_close(&seat->courier);
}

static void tier_stats(weir_tier *tier, weir_tier_stats *ret)
{
    const vk_tier *t = WEIR_CONTAINER_OF(tier, vk_tier, base);
    uint64_t n[VK_COUNTERS];
    for (unsigned i = 0; i < VK_COUNTERS; i++)
        n[i] = atomic_load_explicit(&t->counts[i], memory_order_relaxed);
    *ret = (weir_tier_stats){.entries = WEIR_TIER_UNKNOWN,
                             .bytes = WEIR_TIER_UNKNOWN,
                             .bytes_max = WEIR_TIER_UNKNOWN,
                             .gets = n[VK_GETS],
                             .found = n[VK_FOUND],
                             .late = n[VK_LATE],
                             .skipped = n[VK_SKIPPED],
                             .puts = n[VK_PUTS],
                             .dropped = n[VK_DROPPED],
                             .errors = n[VK_ERRORS],
                             .losses = {[WEIR_TIER_REMOVED] = n[VK_REMOVED]},
                             .well = atomic_load_explicit(&t->ready, memory_order_relaxed) > 0};
}

static void tier_destroy(weir_tier *tier)
{
    vk_tier *t = WEIR_CONTAINER_OF(tier, vk_tier, base);
    weir_executor_free(t->encoder);
    for (unsigned i = 0; i < t->options.workers; i++)
        seat_free(t->seats[i]);
    for (unsigned i = 0; i < t->options.address_count; i++)
        free((char *)(uintptr_t)t->options.addresses[i]);
    free((char *)(uintptr_t)t->options.user);
    if (t->options.password)
        explicit_bzero((char *)(uintptr_t)t->options.password, strlen(t->options.password));
    free((char *)(uintptr_t)t->options.password);
    free((char *)(uintptr_t)t->options.prefix);
    weir_tls_context_unref(t->options.tls);
    free(t);
}

static const weir_tier_ops ops = {.name = "valkey",
                                  .get = tier_get,
                                  .put = tier_put,
                                  .remove = tier_remove,
                                  .mark = tier_mark,
                                  .detach = tier_detach,
                                  .stats = tier_stats,
                                  .destroy = tier_destroy};

/* ---- opening ---- */

static bool own(const char **text)
{
    if (*text)
        *text = strdup(*text);
    return *text != NULL;
}

static int own_options(vk_tier *t, const weir_valkey_options *from)
{
    weir_valkey_options *o = &t->options;
    bool whole = true;
    *o = *from;
    o->tls = from->tls ? weir_tls_context_ref(from->tls) : NULL;
    if (o->connections == 0 || o->connections > VK_CONNS_MAX)
        o->connections = o->connections == 0 ? 1 : VK_CONNS_MAX;
    for (unsigned i = 0; i < o->address_count; i++)
        whole &= own(&o->addresses[i]);
    whole &= !from->user || own(&o->user);
    whole &= !from->password || own(&o->password);
    whole &= own(&o->prefix);
    return whole ? 0 : -ENOMEM;
}

int weir_valkey_open(const weir_valkey_options *options, weir_tier **ret)
{
    if (options->address_count == 0 || options->address_count > WEIR_VALKEY_ADDRESSES_MAX ||
        strlen(options->prefix) > VK_PREFIX_MAX)
        return -EINVAL;
    vk_tier *t = calloc(1, sizeof(*t) + options->workers * sizeof(vk_seat *));
    if (!t)
        return -ENOMEM;
    t->base.ops = &ops;
    int r = own_options(t, options);
    if (r == 0)
        r = weir_executor_new("weir-tier", 1, 0, &t->encoder);
    if (r < 0) {
        tier_destroy(&t->base);
        return r;
    }
    *ret = &t->base;
    return 0;
}
