/* Limits over several pools, under random histories: pools that share quotas, messages and answers
 * that come late, borrowers that come, hold and leave. No quota is ever exceeded, and nobody is
 * left waiting while a place is free or held by an idle connection of whatever pool. A failing seed
 * is printed; `test_pool_quota SEED` runs it alone. */
#include "pool/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOLS 4
#define SHARDS 3
#define QUOTAS 3
#define PENDING 512
#define BORROWERS 400
#define SEEDS 4000
#define STEPS 200

static uint64_t one_seed;

typedef struct borrower {
    weir_pool_waiter waiter;
    weir_pool_conn *conn;
    unsigned pool, shard;
    bool waits;
} borrower;

typedef struct server {
    weir_pool_conn conn;
    unsigned pool, shard;
} server;

typedef struct pending {
    weir_pool_action_kind kind;
    unsigned pool, shard;
    server *server;
} pending;

typedef struct world {
    uint64_t random;
    weir_time now;
    unsigned pools, shards, servers;
    weir_pool *pool[POOLS];
    weir_pool_quota *quota[QUOTAS];
    bool member[POOLS][QUOTAS];
    unsigned existing[POOLS];
    pending pending[PENDING];
    unsigned pending_count;
    borrower borrowers[BORROWERS];
    unsigned borrower_count;
    const char *error;
} world;

static unsigned draw(world *w, unsigned below)
{
    w->random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % below);
}

static weir_pool_shard *shard_at(world *w, unsigned pool, unsigned shard)
{
    return weir_pool_shard_at(w->pool[pool], shard);
}

static void add_pending(world *w, pending p)
{
    assert_true(w->pending_count < PENDING);
    w->pending[w->pending_count++] = p;
}

static unsigned number_of(world *w, const weir_pool *pool)
{
    unsigned i = 0;
    while (w->pool[i] != pool)
        i++;
    return i;
}

static server *server_of(weir_pool_conn *conn)
{
    return conn ? WEIR_CONTAINER_OF(conn, server, conn) : NULL;
}

static void carry_out(world *w, unsigned pool, unsigned shard, const weir_pool_action *a)
{
    pending p = {.kind = a->kind, .pool = pool, .shard = shard, .server = server_of(a->conn)};
    borrower *b = a->waiter ? WEIR_CONTAINER_OF(a->waiter, borrower, waiter) : NULL;
    switch (a->kind) {
    case WEIR_POOL_OPEN:
        w->existing[pool]++;
        add_pending(w, p);
        break;
    case WEIR_POOL_LEND:
        b->conn = a->conn;
        b->waits = false;
        break;
    case WEIR_POOL_TIMEOUT:
        b->waits = false;
        break;
    case WEIR_POOL_NUDGE:
    case WEIR_POOL_MOVE:
        p.pool = number_of(w, weir_pool_of(a->shard));
        p.shard = weir_pool_shard_index(a->shard);
        add_pending(w, p);
        break;
    case WEIR_POOL_VALIDATE:
    case WEIR_POOL_CLOSE:
        add_pending(w, p);
        break;
    case WEIR_POOL_LEAK:
        break;
    }
}

static void check_quotas(world *w)
{
    for (unsigned q = 0; q < QUOTAS; q++) {
        unsigned used = 0, max = weir_pool_quota_max(w->quota[q]);
        for (unsigned p = 0; p < w->pools; p++)
            used += w->member[p][q] ? w->existing[p] : 0;
        if (used != weir_pool_quota_used(w->quota[q]))
            w->error = "a quota is miscounted";
        if (max > 0 && used > max)
            w->error = "a quota is exceeded";
    }
}

static void pump(world *w, unsigned pool, unsigned shard)
{
    weir_pool_action a;
    while (weir_pool_next(shard_at(w, pool, shard), &a))
        carry_out(w, pool, shard, &a);
    check_quotas(w);
}

static void acquire(world *w)
{
    if (w->borrower_count == BORROWERS)
        return;
    borrower *b = &w->borrowers[w->borrower_count++];
    b->pool = draw(w, w->pools);
    b->shard = draw(w, w->shards);
    weir_pool_waiter_init(&b->waiter);
    int r = weir_pool_acquire(shard_at(w, b->pool, b->shard), &b->waiter, w->now, &b->conn);
    b->waits = r == WEIR_POOL_QUEUED;
    pump(w, b->pool, b->shard);
}

static void leave(world *w, borrower *b, bool reusable)
{
    weir_pool_conn *conn = b->conn;
    weir_pool_shard *shard = shard_at(w, b->pool, b->shard);
    b->conn = NULL;
    if (conn)
        weir_pool_release(shard, conn, reusable, w->now);
    else if (b->waits)
        weir_pool_withdraw(shard, &b->waiter, w->now);
    b->waits = false;
    pump(w, b->pool, b->shard);
}

static void opened(world *w, const pending *p)
{
    server *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    weir_pool_conn_init(&s->conn);
    s->pool = p->pool;
    s->shard = p->shard;
    w->servers++;
    weir_pool_opened(shard_at(w, p->pool, p->shard), &s->conn, draw(w, 1000), w->now);
}

static void complete(world *w, unsigned at, bool good)
{
    pending p = w->pending[at];
    weir_pool_shard *shard = shard_at(w, p.pool, p.shard);
    memmove(&w->pending[at], &w->pending[at + 1],
            (--w->pending_count - at) * sizeof(w->pending[0]));
    if (p.kind == WEIR_POOL_NUDGE) {
        weir_pool_nudged(shard, w->now);
    } else if (p.kind == WEIR_POOL_MOVE) {
        p.server->shard = p.shard;
        weir_pool_arrived(shard, &p.server->conn, w->now);
    } else if (p.kind == WEIR_POOL_VALIDATE) {
        weir_pool_validated(shard, &p.server->conn, good, w->now);
    } else if (p.kind == WEIR_POOL_CLOSE) {
        w->existing[p.pool]--;
        weir_pool_closed(shard, &p.server->conn, w->now);
        w->servers--;
        free(p.server);
    } else if (good) {
        opened(w, &p);
    } else {
        w->existing[p.pool]--;
        weir_pool_open_failed(shard, false, draw(w, 1000), w->now);
    }
    pump(w, p.pool, p.shard);
}

static void advance(world *w, weir_time by)
{
    w->now += by;
    for (unsigned p = 0; p < w->pools; p++)
        for (unsigned s = 0; s < w->shards; s++)
            if (weir_pool_deadline(shard_at(w, p, s)) <= w->now) {
                weir_pool_tick(shard_at(w, p, s), w->now);
                pump(w, p, s);
            }
}

static void settle(world *w)
{
    for (unsigned round = 0; round < 4 && !w->error; round++) {
        unsigned steps = 0;
        for (; w->pending_count > 0 && steps < 100000 && !w->error; steps++)
            complete(w, 0, true);
        if (steps == 100000)
            w->error = "messages without end";
        advance(w, 50 * WEIR_MS);
    }
    while (w->pending_count > 0 && !w->error)
        complete(w, 0, true);
}

static bool blocked(world *w, unsigned pool)
{
    weir_pool_stats own;
    weir_pool_stats_read(w->pool[pool], w->now, &own);
    if (own.idle > 0)
        return false;
    for (unsigned q = 0; q < QUOTAS; q++) {
        unsigned max = weir_pool_quota_max(w->quota[q]);
        if (!w->member[pool][q] || max == 0 || weir_pool_quota_used(w->quota[q]) < max)
            continue;
        uint64_t idle = 0;
        for (unsigned p = 0; p < w->pools; p++) {
            weir_pool_stats stats;
            weir_pool_stats_read(w->pool[p], w->now, &stats);
            idle += w->member[p][q] ? stats.idle : 0;
        }
        if (idle == 0)
            return true;
    }
    return w->existing[pool] >= 3; /* size_max */
}

static void check_nobody_starves(world *w)
{
    for (unsigned i = 0; i < w->borrower_count && !w->error; i++)
        if (w->borrowers[i].waits && !blocked(w, w->borrowers[i].pool))
            w->error = "somebody waits beside a free or idle place";
}

static void step(world *w)
{
    unsigned what = draw(w, 12);
    if (what < 4) {
        acquire(w);
    } else if (what < 7 && w->borrower_count > 0) {
        unsigned start = draw(w, w->borrower_count);
        for (unsigned i = 0; i < w->borrower_count; i++) {
            borrower *b = &w->borrowers[(start + i) % w->borrower_count];
            if (b->conn || (b->waits && draw(w, 6) == 0)) {
                leave(w, b, draw(w, 8) != 0);
                break;
            }
        }
    } else if (what < 11 && w->pending_count > 0) {
        complete(w, draw(w, w->pending_count), draw(w, 8) != 0);
    } else {
        advance(w, (weir_time)draw(w, 60) * WEIR_MS);
    }
}

static void build(world *w, uint64_t seed)
{
    *w = (world){.random = seed, .now = WEIR_SECOND};
    w->pools = 2 + draw(w, POOLS - 1);
    w->shards = 1 + draw(w, SHARDS);
    weir_pool_options o = {.size_max = 3,
                           .size_min = draw(w, 2),
                           .waiters_max = 1000,
                           .fair_within = WEIR_MS,
                           .opening_max = draw(w, 3),
                           .open_backoff_min = 2 * WEIR_MS,
                           .open_backoff_max = 20 * WEIR_MS};
    for (unsigned q = 0; q < QUOTAS; q++)
        assert_int_equal(weir_pool_quota_new(draw(w, 5), &w->quota[q]), 0);
    for (unsigned p = 0; p < w->pools; p++) {
        assert_int_equal(weir_pool_new(&o, w->shards, &w->pool[p]), 0);
        for (unsigned q = 0; q < QUOTAS; q++)
            if (q == 0 || draw(w, 2)) {
                weir_pool_join(w->pool[p], w->quota[q]);
                w->member[p][q] = true;
            }
    }
}

static void tear_down(world *w)
{
    for (unsigned p = 0; p < w->pools; p++)
        weir_pool_drain(w->pool[p]);
    for (unsigned i = 0; i < w->borrower_count; i++)
        leave(w, &w->borrowers[i], true);
    for (unsigned p = 0; p < w->pools; p++)
        for (unsigned s = 0; s < w->shards; s++) {
            weir_pool_tick(shard_at(w, p, s), w->now);
            pump(w, p, s);
        }
    while (w->pending_count > 0)
        complete(w, 0, true);
    assert_int_equal(w->servers, 0);
    for (unsigned p = 0; p < w->pools; p++)
        weir_pool_free(w->pool[p]);
    for (unsigned q = 0; q < QUOTAS; q++)
        weir_pool_quota_free(w->quota[q]);
}

static void run(world *w, uint64_t seed)
{
    build(w, seed);
    for (unsigned i = 0; i < STEPS && !w->error; i++)
        step(w);
    if (!w->error) {
        settle(w);
        check_nobody_starves(w);
    }
    if (w->error)
        fail_msg("seed %llu: %s", (unsigned long long)seed, w->error);
    tear_down(w);
}

static void test_quotas_hold_and_starve_nobody_in_random_histories(void **state)
{
    (void)state;
    static world w;
    uint64_t from = one_seed ? one_seed : 1, to = one_seed ? one_seed : SEEDS;
    for (uint64_t seed = from; seed <= to; seed++)
        run(&w, seed);
}

/* Two pools, one place. */
static void begin_pair(world *w)
{
    *w = (world){.random = 1, .now = WEIR_SECOND, .pools = 2, .shards = 1};
    weir_pool_options o = {.size_max = 2, .waiters_max = 10, .fair_within = WEIR_MS};
    for (unsigned q = 0; q < QUOTAS; q++)
        assert_int_equal(weir_pool_quota_new(q == 0, &w->quota[q]), 0);
    for (unsigned p = 0; p < 2; p++) {
        assert_int_equal(weir_pool_new(&o, 1, &w->pool[p]), 0);
        weir_pool_join(w->pool[p], w->quota[0]);
        w->member[p][0] = true;
    }
}

static borrower *borrow_from(world *w, unsigned pool)
{
    borrower *b = &w->borrowers[w->borrower_count++];
    b->pool = pool;
    weir_pool_waiter_init(&b->waiter);
    b->waits = weir_pool_acquire(shard_at(w, pool, 0), &b->waiter, w->now, &b->conn) != 0;
    pump(w, pool, 0);
    return b;
}

static void finish_all(world *w)
{
    while (w->pending_count > 0)
        complete(w, 0, true);
}

static void test_an_idle_connection_of_another_pool_gives_up_its_place(void **state)
{
    (void)state;
    static world w;
    begin_pair(&w);
    borrower *first = borrow_from(&w, 0);
    finish_all(&w);
    leave(&w, first, true); /* idle now */
    borrower *second = borrow_from(&w, 1);
    assert_null(second->conn);
    finish_all(&w);
    assert_non_null(second->conn);
    assert_int_equal(weir_pool_quota_used(w.quota[0]), 1);
    tear_down(&w);
}

static void test_a_busy_pool_yields_to_one_that_has_waited_for_long(void **state)
{
    (void)state;
    static world w;
    begin_pair(&w);
    borrower *busy = borrow_from(&w, 0);
    finish_all(&w);
    borrower *starving = borrow_from(&w, 1);
    finish_all(&w);
    w.now += WEIR_SECOND;
    borrower *next = borrow_from(&w, 0); /* in line behind the busy one */
    leave(&w, busy, true);
    finish_all(&w);
    assert_non_null(starving->conn);
    assert_true(next->waits);
    leave(&w, starving, true);
    finish_all(&w);
    assert_non_null(next->conn);
    tear_down(&w);
}

static void test_who_waited_as_long_is_not_served_by_closing_and_opening(void **state)
{
    (void)state;
    static world w;
    begin_pair(&w);
    borrower *busy = borrow_from(&w, 0);
    finish_all(&w);
    borrower *other = borrow_from(&w, 1);
    borrower *own = borrow_from(&w, 0);
    leave(&w, busy, true);
    assert_non_null(own->conn);
    assert_true(other->waits);
    tear_down(&w);
}

static void test_a_lowered_quota_closes_what_is_idle_and_then_what_comes_back(void **state)
{
    (void)state;
    static world w;
    begin_pair(&w);
    weir_pool_quota_configure(w.quota[0], 3);
    borrower *one = borrow_from(&w, 0), *two = borrow_from(&w, 1);
    borrower *three = borrow_from(&w, 1);
    finish_all(&w);
    leave(&w, three, true);
    weir_pool_quota_configure(w.quota[0], 1);
    for (unsigned p = 0; p < 2; p++) {
        weir_pool_tick(shard_at(&w, p, 0), w.now);
        weir_pool_action a;
        while (weir_pool_next(shard_at(&w, p, 0), &a))
            carry_out(&w, p, 0, &a);
    }
    assert_int_equal(w.pending_count, 1);
    weir_pool_quota_configure(w.quota[0], 2);
    finish_all(&w);
    assert_int_equal(weir_pool_quota_used(w.quota[0]), 2);
    assert_non_null(one->conn);
    assert_non_null(two->conn);
    tear_down(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_connection_of_another_pool_gives_up_its_place),
        cmocka_unit_test(test_a_busy_pool_yields_to_one_that_has_waited_for_long),
        cmocka_unit_test(test_who_waited_as_long_is_not_served_by_closing_and_opening),
        cmocka_unit_test(test_a_lowered_quota_closes_what_is_idle_and_then_what_comes_back),
        cmocka_unit_test(test_quotas_hold_and_starve_nobody_in_random_histories),
    };
    one_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
