/* See rig.h. The rig keeps its own books of who waits and who holds what, and compares. */
#include "rig.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS_MAX 8
#define CONNS_MAX 512
#define WAITERS_MAX 4096
#define PENDING_MAX 1024

typedef struct borrower {
    weir_pool_waiter waiter;
    enum rig_waiter_state state;
    unsigned shard;
    int conn; /* held, or -1 */
} borrower;

typedef struct server {
    weir_pool_conn conn;
    int number;
    int borrower; /* or -1 */
    unsigned shard;
} server;

typedef struct pending {
    enum rig_pending_kind kind;
    unsigned shard;
    int conn;
} pending;

struct rig {
    weir_pool *pool;
    weir_pool_options options;
    unsigned shards;
    weir_time now;
    bool paused, draining;
    borrower *borrowers[WAITERS_MAX];
    server *servers[CONNS_MAX]; /* NULL: gone */
    bool leaked[CONNS_MAX];
    pending pending[PENDING_MAX];
    int borrower_count, server_count, pending_count;
    uint32_t random;
    char error[160];
};

static void broken(rig *r, const char *what, int number)
{
    if (!r->error[0])
        snprintf(r->error, sizeof(r->error), "%s (number %d)", what, number);
}

static weir_pool_shard *shard_at(rig *r, unsigned i)
{
    return weir_pool_shard_at(r->pool, i);
}

rig *rig_new(const weir_pool_options *options, unsigned shards)
{
    rig *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    assert(shards <= SHARDS_MAX);
    if (weir_pool_new(options, shards, &r->pool) != 0) {
        free(r);
        return NULL;
    }
    r->options = *options;
    r->shards = shards;
    r->now = WEIR_SECOND;
    return r;
}

weir_pool *rig_pool(rig *r)
{
    return r->pool;
}

weir_time rig_now(const rig *r)
{
    return r->now;
}

/* ---- carrying out actions ---- */

static void add_pending(rig *r, enum rig_pending_kind kind, unsigned shard, int conn)
{
    if (r->pending_count == PENDING_MAX)
        abort();
    for (int i = 0; kind == RIG_NUDGE && i < r->pending_count; i++)
        if (r->pending[i].kind == RIG_NUDGE && r->pending[i].shard == shard)
            broken(r, "two nudges under way to shard", (int)shard);
    r->pending[r->pending_count++] = (pending){kind, shard, conn};
}

/* First come, first served: nobody older may wait in the same shard. */
static void check_order(rig *r, const borrower *served, int number)
{
    for (int i = 0; i < r->borrower_count; i++) {
        const borrower *b = r->borrowers[i];
        if (b != served && b->state == RIG_WAITING && b->shard == served->shard &&
            !b->waiter.hopeless && i < number)
            broken(r, "overtaken: waiter", i);
    }
}

static int number_of(const rig *r, const weir_pool_waiter *w)
{
    for (int i = r->borrower_count - 1; i >= 0; i--)
        if (&r->borrowers[i]->waiter == w)
            return i;
    abort();
}

static void hand_out(rig *r, borrower *b, int number, server *s)
{
    if (s->borrower >= 0)
        broken(r, "lent twice: connection", s->number);
    if (s->shard != b->shard)
        broken(r, "lent across shards: connection", s->number);
    if (b->state != RIG_WAITING)
        broken(r, "lent to one who does not wait: waiter", number);
    s->borrower = number;
    b->conn = s->number;
    b->state = RIG_LENT;
}

static void carry_out(rig *r, unsigned shard, const weir_pool_action *a)
{
    server *s = a->conn ? WEIR_CONTAINER_OF(a->conn, server, conn) : NULL;
    int number = a->waiter ? number_of(r, a->waiter) : -1;
    unsigned other = a->shard ? weir_pool_shard_index(a->shard) : 0;
    switch (a->kind) {
    case WEIR_POOL_OPEN:
        add_pending(r, RIG_OPEN, shard, -1);
        break;
    case WEIR_POOL_VALIDATE:
        add_pending(r, RIG_VALIDATE, shard, s->number);
        break;
    case WEIR_POOL_CLOSE:
        add_pending(r, RIG_CLOSE, shard, s->number);
        break;
    case WEIR_POOL_LEND:
        check_order(r, r->borrowers[number], number);
        hand_out(r, r->borrowers[number], number, s);
        break;
    case WEIR_POOL_TIMEOUT:
        if (r->borrowers[number]->state != RIG_WAITING)
            broken(r, "timed out twice: waiter", number);
        r->borrowers[number]->state = RIG_TIMED_OUT;
        break;
    case WEIR_POOL_MOVE:
        add_pending(r, RIG_MOVE, other, s->number);
        break;
    case WEIR_POOL_NUDGE:
        add_pending(r, RIG_NUDGE, other, -1);
        break;
    case WEIR_POOL_LEAK:
        if (r->leaked[s->number])
            broken(r, "reported twice: connection", s->number);
        r->leaked[s->number] = true;
        break;
    }
}

static void pump(rig *r, unsigned shard)
{
    weir_pool_action a;
    while (weir_pool_next(shard_at(r, shard), &a))
        carry_out(r, shard, &a);
}

/* ---- borrowers ---- */

/* Nothing stands between an acquire there and a connection: it is granted at once. */
static bool has_free(const rig *r, unsigned shard)
{
    bool found = false;
    if (r->paused || r->draining)
        return false;
    for (int i = 0; i < r->borrower_count; i++)
        if (r->borrowers[i]->state == RIG_WAITING && r->borrowers[i]->shard == shard)
            return false;
    for (int i = 0; i < r->server_count; i++) {
        const server *s = r->servers[i];
        weir_time after = r->options.validate_after;
        found = found || (s && s->shard == shard && s->conn.state == WEIR_POOL_CONN_IDLE &&
                          (after == 0 || r->now - s->conn.state_since <= after));
    }
    return found;
}

int rig_acquire(rig *r, unsigned shard)
{
    bool at_once = has_free(r, shard);
    weir_pool_conn *conn = NULL;
    int number = r->borrower_count;
    borrower *b = number < WAITERS_MAX ? calloc(1, sizeof(*b)) : NULL;
    if (!b)
        return -1;
    weir_pool_waiter_init(&b->waiter);
    b->shard = shard;
    b->conn = -1;
    b->state = RIG_WAITING;
    r->borrowers[r->borrower_count++] = b;
    switch (weir_pool_acquire(shard_at(r, shard), &b->waiter, r->now, &conn)) {
    case 0:
        check_order(r, b, number);
        hand_out(r, b, number, WEIR_CONTAINER_OF(conn, server, conn));
        break;
    case WEIR_POOL_FULL:
        b->state = RIG_FULL;
        break;
    case WEIR_POOL_PAUSED:
        b->state = RIG_REFUSED;
        break;
    case WEIR_POOL_QUEUED:
        if (at_once)
            broken(r, "a waiter while a connection is free", number);
        break;
    default:
        broken(r, "acquire failed: waiter", number);
    }
    pump(r, shard);
    return number;
}

int rig_waiter_state(const rig *r, int waiter)
{
    return (int)r->borrowers[waiter]->state;
}

int rig_conn_of(const rig *r, int waiter)
{
    return r->borrowers[waiter]->conn;
}

int rig_waiters(const rig *r)
{
    return r->borrower_count;
}

static server *part(rig *r, borrower *b, enum rig_waiter_state state)
{
    server *s = r->servers[b->conn];
    b->state = state;
    b->conn = -1;
    s->borrower = -1;
    return s;
}

void rig_release(rig *r, int waiter, bool reusable)
{
    borrower *b = r->borrowers[waiter];
    server *s = part(r, b, RIG_DONE);
    r->leaked[s->number] = false;
    weir_pool_release(shard_at(r, b->shard), &s->conn, reusable, r->now);
    pump(r, b->shard);
}

void rig_withdraw(rig *r, int waiter)
{
    borrower *b = r->borrowers[waiter];
    weir_pool_withdraw(shard_at(r, b->shard), &b->waiter, r->now);
    if (b->waiter.shard)
        broken(r, "still in line: waiter", waiter);
    if (b->state == RIG_WAITING)
        b->state = RIG_WITHDRAWN;
    pump(r, b->shard);
}

int rig_pin(rig *r, int waiter, unsigned spare)
{
    borrower *b = r->borrowers[waiter];
    int result = weir_pool_pin(shard_at(r, b->shard), &r->servers[b->conn]->conn, spare, r->now);
    pump(r, b->shard);
    return result;
}

void rig_unpin(rig *r, int waiter)
{
    borrower *b = r->borrowers[waiter];
    weir_pool_unpin(shard_at(r, b->shard), &r->servers[b->conn]->conn, r->now);
    pump(r, b->shard);
}

/* ---- connections ---- */

int rig_conns(const rig *r)
{
    return r->server_count;
}

bool rig_conn_exists(const rig *r, int conn)
{
    return r->servers[conn] != NULL;
}

int rig_conn_state(const rig *r, int conn)
{
    return (int)r->servers[conn]->conn.state;
}

int rig_conn_shard(const rig *r, int conn)
{
    return (int)r->servers[conn]->shard;
}

bool rig_conn_leaked(const rig *r, int conn)
{
    return r->leaked[conn];
}

static void drop_pending(rig *r, int at)
{
    r->pending_count--;
    memmove(&r->pending[at], &r->pending[at + 1],
            (size_t)(r->pending_count - at) * sizeof(pending));
}

static void gone(rig *r, int conn)
{
    server *s = r->servers[conn];
    unsigned shard = s->shard;
    weir_pool_closed(shard_at(r, shard), &s->conn, r->now);
    free(s);
    r->servers[conn] = NULL;
    pump(r, shard);
}

bool rig_die(rig *r, int conn)
{
    server *s = r->servers[conn];
    if (!s || s->conn.state == WEIR_POOL_CONN_OPENING || s->conn.state == WEIR_POOL_CONN_MOVING)
        return false;
    if (s->borrower >= 0)
        part(r, r->borrowers[s->borrower], RIG_LOST);
    for (int i = r->pending_count - 1; i >= 0; i--)
        if (r->pending[i].conn == conn)
            drop_pending(r, i);
    gone(r, conn);
    return true;
}

static void opened(rig *r, unsigned shard)
{
    server *s = calloc(1, sizeof(*s));
    if (!s || r->server_count == CONNS_MAX)
        abort();
    weir_pool_conn_init(&s->conn);
    s->number = r->server_count;
    s->borrower = -1;
    s->shard = shard;
    r->servers[r->server_count++] = s;
    r->random = r->random * 1664525u + 1013904223u;
    weir_pool_opened(shard_at(r, shard), &s->conn, r->random, r->now);
}

/* ---- pending things ---- */

int rig_pending(const rig *r)
{
    return r->pending_count;
}

int rig_pending_kind(const rig *r, int at)
{
    return (int)r->pending[at].kind;
}

int rig_pending_shard(const rig *r, int at)
{
    return (int)r->pending[at].shard;
}

int rig_pending_conn(const rig *r, int at)
{
    return r->pending[at].conn;
}

int rig_count(const rig *r, int kind)
{
    int count = 0;
    for (int i = 0; i < r->pending_count; i++)
        count += (int)r->pending[i].kind == kind;
    return count;
}

static void complete_open(rig *r, unsigned shard, bool good)
{
    if (good)
        opened(r, shard);
    else
        weir_pool_open_failed(shard_at(r, shard), false, r->random, r->now);
}

void rig_complete(rig *r, int at, bool good)
{
    pending p = r->pending[at];
    weir_pool_shard *shard = shard_at(r, p.shard);
    drop_pending(r, at);
    switch (p.kind) {
    case RIG_OPEN:
        complete_open(r, p.shard, good);
        break;
    case RIG_VALIDATE:
        weir_pool_validated(shard, &r->servers[p.conn]->conn, good, r->now);
        break;
    case RIG_CLOSE:
        gone(r, p.conn);
        break;
    case RIG_MOVE:
        r->servers[p.conn]->shard = p.shard;
        weir_pool_arrived(shard, &r->servers[p.conn]->conn, r->now);
        break;
    case RIG_NUDGE:
        weir_pool_nudged(shard, r->now);
        break;
    }
    pump(r, p.shard);
}

bool rig_complete_first(rig *r, int kind, bool good)
{
    for (int i = 0; i < r->pending_count; i++) {
        if ((int)r->pending[i].kind != kind)
            continue;
        rig_complete(r, i, good);
        return true;
    }
    return false;
}

void rig_fail_open_for_good(rig *r)
{
    for (int i = 0; i < r->pending_count; i++) {
        if (r->pending[i].kind != RIG_OPEN)
            continue;
        unsigned shard = r->pending[i].shard;
        drop_pending(r, i);
        weir_pool_open_failed(shard_at(r, shard), true, r->random, r->now);
        pump(r, shard);
        return;
    }
}

void rig_complete_all(rig *r)
{
    /* Bounded: a pool that sends messages for ever must fail, not hang. */
    for (int steps = 0; r->pending_count > 0; steps++) {
        if (steps > 100000) {
            broken(r, "messages without end, pending", r->pending_count);
            return;
        }
        rig_complete(r, 0, true);
    }
}

/* ---- time and modes ---- */

void rig_tick_all(rig *r)
{
    for (unsigned i = 0; i < r->shards; i++) {
        weir_pool_tick(shard_at(r, i), r->now);
        pump(r, i);
    }
}

void rig_advance(rig *r, weir_time by)
{
    r->now += by;
    for (unsigned i = 0; i < r->shards; i++) {
        if (weir_pool_deadline(shard_at(r, i)) > r->now)
            continue;
        weir_pool_tick(shard_at(r, i), r->now);
        pump(r, i);
        if (weir_pool_deadline(shard_at(r, i)) <= r->now)
            broken(r, "a tick does not move the deadline of shard", (int)i);
    }
}

void rig_pause(rig *r, bool paused)
{
    r->paused = paused;
    weir_pool_pause(r->pool, paused);
    rig_tick_all(r);
}

void rig_drain(rig *r)
{
    r->draining = true;
    weir_pool_drain(r->pool);
    rig_tick_all(r);
}

void rig_reconnect(rig *r)
{
    weir_pool_reconnect(r->pool, r->now);
    rig_tick_all(r);
}

/* ---- checks ---- */

typedef struct tally {
    unsigned counted, pinned, lent, idle, opening, waiting;
} tally;

static void tally_server(rig *r, const server *s, tally *t)
{
    weir_pool_conn_state state = s->conn.state;
    bool on_its_way = state == WEIR_POOL_CONN_MOVING;
    t->counted += !s->conn.pinned;
    t->pinned += s->conn.pinned;
    t->lent += state == WEIR_POOL_CONN_LENT;
    t->idle += state == WEIR_POOL_CONN_IDLE || state == WEIR_POOL_CONN_VALIDATING;
    if ((state == WEIR_POOL_CONN_LENT) != (s->borrower >= 0))
        broken(r, "lent to nobody, or held and not lent: connection", s->number);
    if (on_its_way ? s->conn.shard != NULL : s->conn.shard != shard_at(r, s->shard))
        broken(r, "in the wrong shard: connection", s->number);
}

static tally tally_up(rig *r)
{
    tally t = {.opening = (unsigned)rig_count(r, RIG_OPEN)};
    t.counted = t.opening;
    for (int i = 0; i < r->server_count; i++)
        if (r->servers[i])
            tally_server(r, r->servers[i], &t);
    for (int i = 0; i < r->borrower_count; i++) {
        const borrower *b = r->borrowers[i];
        t.waiting += b->state == RIG_WAITING;
        if ((b->state == RIG_WAITING) != (b->waiter.shard != NULL))
            broken(r, "in line and not waiting, or the reverse: waiter", i);
    }
    return t;
}

const char *rig_check(rig *r)
{
    tally t = tally_up(r);
    weir_pool_stats stats;
    weir_pool_stats_read(r->pool, r->now, &stats);
    if (t.counted > r->options.size_max + r->options.reserve_size)
        broken(r, "more than size_max and the reserve", (int)t.counted);
    if (r->options.opening_max > 0 && t.opening > r->options.opening_max)
        broken(r, "more than opening_max", (int)t.opening);
    if (t.pinned > r->options.pinned_max)
        broken(r, "more than pinned_max", (int)t.pinned);
    if (t.waiting > r->options.waiters_max)
        broken(r, "more than waiters_max", (int)t.waiting);
    if (stats.lent != t.lent || stats.idle != t.idle || stats.opening != t.opening ||
        stats.waiting != t.waiting || stats.pinned != t.pinned)
        broken(r, "statistics disagree: lent", (int)t.lent);
    return r->error[0] ? r->error : NULL;
}

const char *rig_check_quiescent(rig *r)
{
    /* First back-off (10 s at most) passes, then what yields to older waiters; short enough in the
     * end that nothing opened meanwhile retires. */
    const weir_time rounds[] = {11 * WEIR_SECOND, 11 * WEIR_SECOND, 2 * WEIR_MS, 2 * WEIR_MS};
    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]) && !r->error[0]; i++) {
        rig_complete_all(r);
        rig_advance(r, rounds[i]);
    }
    rig_complete_all(r);
    tally t = tally_up(r);
    bool free_place = t.counted < r->options.size_max;
    if (t.waiting > 0 && !r->paused && (free_place || t.idle > 0))
        broken(r, "waiters are left while there is capacity", (int)t.waiting);
    if (!r->paused && !r->draining && t.counted < r->options.size_min)
        broken(r, "fewer than size_min", (int)t.counted);
    return rig_check(r);
}

void rig_free(rig *r)
{
    rig_drain(r);
    for (int i = 0; i < r->borrower_count; i++) {
        if (r->borrowers[i]->state == RIG_LENT)
            rig_release(r, i, true);
        else
            rig_withdraw(r, i);
    }
    rig_complete_all(r);
    weir_pool_free(r->pool);
    for (int i = 0; i < r->borrower_count; i++)
        free(r->borrowers[i]);
    for (int i = 0; i < r->server_count; i++)
        if (r->servers[i])
            abort(); /* draining left a connection */
    free(r);
}
