/* Random operations on a store and on a plain array that remembers the newest answer of each id.
 * With room for all they agree; without, the store may have less, and never anything else. */
#include "store_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define IDS 120
#define STEPS 20000

typedef struct model {
    store_rig rig;
    struct {
        bool there;
        weir_asof asof;
        size_t len;
        uint32_t scope;
        weir_time expires_at;
    } answers[IDS];
    weir_time now;
    bool roomy;
    uint64_t random;
} model;

static uint64_t next_random(model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static weir_asof random_asof(model *m)
{
    return (weir_asof){next_random(m) % 8, next_random(m) % 3};
}

static bool is_older(weir_asof a, weir_asof b)
{
    return a.wal < b.wal || (a.wal == b.wal && a.local < b.local);
}

static void put(model *m, unsigned id)
{
    rig_answer a = {.id = id,
                    .len = next_random(m) % 400,
                    .asof = random_asof(m),
                    .scope = id % 4,
                    .expires_at = m->now + (weir_time)(next_random(m) % (uint64_t)WEIR_SECOND)};
    if (next_random(m) % 2)
        a.expires_at = WEIR_TIME_NEVER;
    weir_entry *e = rig_entry(m->rig.store, a);
    int r = weir_store_put(m->rig.store, m->rig.member, e, m->now);
    weir_entry_unref(e);
    assert_int_equal(r, a.expires_at <= m->now ? WEIR_STORE_REFUSED : 0);
    if (r != 0 || (m->answers[id].there && m->answers[id].expires_at > m->now &&
                   is_older(a.asof, m->answers[id].asof)))
        return; /* in a narrow store it may be kept all the same: the newer one may be gone */
    m->answers[id].there = true;
    m->answers[id].asof = a.asof;
    m->answers[id].len = a.len;
    m->answers[id].scope = a.scope;
    m->answers[id].expires_at = a.expires_at;
}

static void ask(model *m, unsigned id)
{
    const weir_entry *e = rig_find(&m->rig, id);
    if (!m->roomy) {
        if (e)
            weir_store_hit(m->rig.store, 0, e);
        return;
    }
    bool fresh = m->answers[id].there && m->answers[id].expires_at > m->now;
    assert_int_equal(e != NULL && e->expires_at > m->now, fresh);
    if (!fresh)
        return;
    assert_int_equal(e->bytes_len, m->answers[id].len);
    assert_int_equal(e->asof.wal, m->answers[id].asof.wal);
    assert_int_equal(e->asof.local, m->answers[id].asof.local);
    weir_store_hit(m->rig.store, 0, e);
}

static void remove_one(model *m, unsigned id)
{
    const weir_entry *e = rig_find(&m->rig, id);
    if (!e)
        return;
    weir_store_remove(m->rig.store, m->rig.member, e, WEIR_REMOVAL_CHANGED);
    assert_null(rig_find(&m->rig, id));
    m->answers[id].there = false;
}

static void flush(model *m, uint32_t scope)
{
    weir_store_flush(m->rig.store, m->rig.member, scope);
    for (unsigned id = 0; id < IDS; id++) {
        if (m->answers[id].scope == scope)
            m->answers[id].there = false;
    }
}

static void step(model *m)
{
    unsigned id = (unsigned)(next_random(m) % IDS);
    unsigned choice = (unsigned)(next_random(m) % 1000);
    if (choice < 400)
        put(m, id);
    else if (choice < 900)
        ask(m, id);
    else if (choice < 950)
        remove_one(m, id);
    else if (choice < 995)
        (void)weir_store_expire(m->rig.store, m->rig.member,
                                m->now +=
                                (weir_time)(next_random(m) % (uint64_t)(WEIR_SECOND / 5)));
    else
        flush(m, (uint32_t)(next_random(m) % 4));
    if (choice % 4 == 0)
        weir_epoch_quiescent(m->rig.member);
}

static bool check_sum(void *user, const weir_entry *entry)
{
    assert_true(rig_entry_is_whole(entry, (unsigned)entry->rows));
    weir_store_stats *rest = user;
    rest->entries--;
    rest->bytes -= entry->node.size;
    return true;
}

static void run(weir_policy_kind policy, bool roomy)
{
    model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->roomy = roomy;
    m->random = 88172645463325252ull + policy;
    store_rig_init(&m->rig, (weir_store_options){.policy = policy,
                                                 .entries_max = roomy ? 0 : 30,
                                                 .size_max = roomy ? 0 : 16000});
    for (unsigned n = 0; n < STEPS; n++) {
        step(m);
        weir_store_stats stats = rig_stats(&m->rig);
        assert_true(roomy || (stats.entries <= 30 && stats.bytes <= 16000));
        if (n % 500 == 0) {
            weir_store_each(m->rig.store, check_sum, &stats);
            assert_int_equal(stats.entries, 0);
            assert_int_equal(stats.bytes, 0);
        }
    }
    store_rig_fini(&m->rig);
    free(m);
}

static void test_store_agrees_with_an_array_when_there_is_room(void **state)
{
    (void)state;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++)
        run(policy, true);
}

static void test_store_keeps_its_bounds_and_contents_when_there_is_not(void **state)
{
    (void)state;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++)
        run(policy, false);
}

/* Reads of Zipf's kind; a miss puts. */
static unsigned zipf_like(model *m, unsigned ids)
{
    unsigned most = 1 + (unsigned)(next_random(m) % ids);
    return (unsigned)(next_random(m) % most);
}

/* Hits wait in the reader's buffer and are told before anything is evicted: so in one thread the
 * order is exact. */
static void test_store_lru_is_exact(void **state)
{
    (void)state;
    enum { ROOM = 50, KEYS = 200 };
    model m = {.random = 99};
    unsigned used_at[KEYS] = {0}; /* 0: not there */
    unsigned there = 0;
    store_rig_init(&m.rig, (weir_store_options){.policy = WEIR_POLICY_LRU, .entries_max = ROOM});
    for (unsigned now = 1; now < 20000; now++) {
        unsigned id = zipf_like(&m, KEYS);
        assert_int_equal(rig_ask(&m.rig, id), used_at[id] > 0);
        if (used_at[id] == 0) {
            assert_int_equal(rig_put(&m.rig, (rig_answer){.id = id}), 0);
            unsigned oldest = KEYS;
            for (unsigned i = 0; i < KEYS; i++) {
                if (used_at[i] > 0 && (oldest == KEYS || used_at[i] < used_at[oldest]))
                    oldest = i;
            }
            if (there == ROOM)
                used_at[oldest] = 0;
            else
                there++;
        }
        used_at[id] = now;
        weir_epoch_quiescent(m.rig.member);
    }
    store_rig_fini(&m.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_agrees_with_an_array_when_there_is_room),
        cmocka_unit_test(test_store_keeps_its_bounds_and_contents_when_there_is_not),
        cmocka_unit_test(test_store_lru_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
