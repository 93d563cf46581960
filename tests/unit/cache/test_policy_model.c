/* LRU, LFU and S3-FIFO against models too simple to be wrong: arrays that are searched from end to
 * end. Every victim must be the model's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy_rig.h"

enum { KEYS = 256, CAPACITY = 120, STEPS = 60000 };

static rig tested;

/* A queue of keys, oldest first. */
typedef struct line {
    unsigned keys[KEYS + 1];
    size_t count, size;
} line;

typedef struct model {
    line fresh, small, main, ghost; /* LRU and LFU have small alone */
    uint64_t uses[KEYS];
    weir_s3fifo_knobs knobs;
} model;

static model m;

static size_t size_of(unsigned key)
{
    return 1 + key % 4;
}

static void append(line *l, unsigned key)
{
    l->keys[l->count++] = key;
    l->size += size_of(key);
    assert_true(l->count <= KEYS);
}

static bool take(line *l, unsigned key)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->keys[i] != key)
            continue;
        memmove(&l->keys[i], &l->keys[i + 1], (l->count - i - 1) * sizeof l->keys[0]);
        l->count--;
        l->size -= size_of(key);
        return true;
    }
    return false;
}

static unsigned take_oldest(line *l)
{
    unsigned key = l->keys[0];
    assert_true(take(l, key));
    return key;
}

/* ---- what each would do ---- */

typedef struct rules {
    void (*insert)(unsigned key);
    void (*hit)(unsigned key);
    unsigned (*evict)(void);
} rules;

static void simple_insert(unsigned key)
{
    m.uses[key] = 1;
    append(&m.small, key);
}

static void simple_hit(unsigned key)
{
    m.uses[key]++;
    assert_true(take(&m.small, key));
    append(&m.small, key);
}

static unsigned lru_evict(void)
{
    return take_oldest(&m.small);
}

static unsigned lfu_evict(void)
{
    unsigned least = m.small.keys[0];
    for (size_t i = 1; i < m.small.count; i++) {
        if (m.uses[m.small.keys[i]] < m.uses[least])
            least = m.small.keys[i];
    }
    assert_true(take(&m.small, least));
    return least;
}

static size_t all(void)
{
    return m.fresh.size + m.small.size + m.main.size;
}

static void s3fifo_settle(void)
{
    while (m.fresh.size > all() / 10 * m.knobs.skip / 1024) {
        unsigned key = take_oldest(&m.fresh);
        if (m.uses[key] > m.knobs.carried)
            m.uses[key] = m.knobs.carried;
        append(&m.small, key);
    }
}

static void s3fifo_insert(unsigned key)
{
    m.uses[key] = 0;
    append(take(&m.ghost, key) ? &m.main : &m.fresh, key);
    s3fifo_settle();
}

static void s3fifo_hit(unsigned key)
{
    m.uses[key] += m.uses[key] < WEIR_POLICY_COUNT_CAP;
}

static bool small_gives(unsigned *ret)
{
    *ret = take_oldest(m.small.count ? &m.small : &m.fresh);
    if (m.uses[*ret] >= m.knobs.threshold) {
        m.uses[*ret] = 0;
        append(&m.main, *ret);
        return false;
    }
    append(&m.ghost, *ret);
    while (m.ghost.size > CAPACITY - CAPACITY / 10)
        take_oldest(&m.ghost);
    return true;
}

static bool main_gives(unsigned *ret)
{
    *ret = take_oldest(&m.main);
    if (m.uses[*ret] == 0)
        return true;
    m.uses[*ret]--;
    append(&m.main, *ret);
    return false;
}

static unsigned s3fifo_evict(void)
{
    unsigned key;
    size_t share = all() - all() / 10;
    for (;;) {
        bool from_main = m.main.size > share || m.small.count + m.fresh.count == 0;
        if (!from_main)
            s3fifo_settle();
        if (from_main ? main_gives(&key) : small_gives(&key))
            return key;
    }
}

/* ---- both, side by side ---- */

static void evict_both(const rules *model_of)
{
    unsigned key = rig_evict(&tested);
    assert_int_equal(key, model_of->evict());
}

static void ask_both(const rules *model_of, unsigned key)
{
    if (tested.kept[key]) {
        (void)rig_ask(&tested, key, size_of(key));
        model_of->hit(key);
        return;
    }
    (void)rig_ask(&tested, key, size_of(key)); /* the capacity is kept here, not by the rig */
    model_of->insert(key);
    while (tested.size > CAPACITY)
        evict_both(model_of);
}

static void remove_both(unsigned key)
{
    rig_remove(&tested, key);
    assert_int_equal(take(&m.fresh, key) + take(&m.small, key) + take(&m.main, key), 1);
}

static void compare(weir_policy *policy, const rules *model_of)
{
    rig_init_with(&tested, policy, SIZE_MAX);
    for (int i = 0; i < STEPS; i++) {
        unsigned key = i / 1000 % 5 == 4 ? rig_random(&tested, KEYS) : rig_skewed(&tested, KEYS);
        if (rig_random(&tested, 50) == 0 && tested.kept[key])
            remove_both(key);
        else if (rig_random(&tested, 200) == 0 && tested.count)
            evict_both(model_of);
        else
            ask_both(model_of, key);
        assert_int_equal(tested.size, all());
    }
    rig_fini(&tested);
}

static weir_policy *new_policy(weir_policy_kind kind)
{
    weir_policy *policy;
    assert_int_equal(weir_policy_ops_of(kind)->new (CAPACITY, 0, &policy), 0);
    memset(&m, 0, sizeof m);
    return policy;
}

static void test_lru_is_the_naive_one(void **state)
{
    (void)state;
    compare(new_policy(WEIR_POLICY_LRU), &(rules){simple_insert, simple_hit, lru_evict});
}

static void test_lfu_is_the_naive_one(void **state)
{
    (void)state;
    compare(new_policy(WEIR_POLICY_LFU), &(rules){simple_insert, simple_hit, lfu_evict});
}

static void compare_s3fifo(weir_s3fifo_knobs knobs)
{
    weir_policy *policy;
    assert_int_equal(weir_s3fifo_new(CAPACITY, 2 * KEYS, knobs, &policy), 0);
    memset(&m, 0, sizeof m);
    m.knobs = knobs;
    compare(policy, &(rules){s3fifo_insert, s3fifo_hit, s3fifo_evict});
}

static void test_s3fifo_without_refinement_is_the_naive_one(void **state)
{
    (void)state;
    compare_s3fifo((weir_s3fifo_knobs){0, WEIR_POLICY_COUNT_CAP, 2});
    compare_s3fifo((weir_s3fifo_knobs){0, WEIR_POLICY_COUNT_CAP, 1});
}

static void test_s3fifo_is_the_naive_one(void **state)
{
    (void)state;
    compare_s3fifo((weir_s3fifo_knobs){48, 1, 2});
    compare_s3fifo((weir_s3fifo_knobs){256, 1, 2});
    compare_s3fifo((weir_s3fifo_knobs){512, 0, 2});
    compare_s3fifo((weir_s3fifo_knobs){1000, 1, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lru_is_the_naive_one),
        cmocka_unit_test(test_lfu_is_the_naive_one),
        cmocka_unit_test(test_s3fifo_without_refinement_is_the_naive_one),
        cmocka_unit_test(test_s3fifo_is_the_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
