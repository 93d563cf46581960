/* hash, map, heap, list: compared with plain models under a fixed pseudo-random sequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "failalloc.h"

static uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9ULL;
    return z ^ z >> 31;
}

/* Values of CPython 3.11's bytes hash, which is SipHash-1-3: PYTHONHASHSEED 0 and 42. */
static void test_hash_agrees_with_another_implementation(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 7, 8, 9, 15, 16, 63, 64};
    static const struct {
        weir_hash_seed seed;
        uint64_t hash[8];
    } known[] = {
        {{{0, 0}},
         {0x68a914128e01e473ULL, 0x2f098ab0c751325aULL, 0xead411e67ebe2eeaULL,
          0x75927f9d95124362ULL, 0xf30eb725bb91c9eaULL, 0x8972188433a5c5b7ULL,
          0x385d3e39e5f37359ULL, 0x75e05fd5bbc870c6ULL}},
        {{{0xdc504fd368cd90afULL, 0xb920bb9ffe99e9c1ULL}},
         {0xce880c366bcf3489ULL, 0xce280fabc397fbdaULL, 0x60866c3c108c6afbULL,
          0x68814005f7469e03ULL, 0x94ace24d68c18cf8ULL, 0x339176f3ac59ce05ULL,
          0x06e24d6f0d014c37ULL, 0x91639ef7de8d52cbULL}},
    };
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < 8; i++)
            assert_true(weir_hash(known[k].seed, weir_slice_make(bytes, lens[i])) ==
                        known[k].hash[i]);
    weir_hash(known[0].seed, weir_slice_make(NULL, 0));
}

#define KEYS 512

typedef struct item {
    char key[16];
    bool in;
} item;

static weir_slice item_key(const item *it)
{
    return weir_slice_cstr(it->key);
}

static item *make_items(void)
{
    static item items[KEYS];
    for (int i = 0; i < KEYS; i++) {
        items[i].in = false;
        memset(items[i].key, 0, sizeof(items[i].key));
        for (int d = 0, v = i; d == 0 || v > 0; d++, v /= 7)
            items[i].key[d] = (char)('a' + v % 7);
    }
    return items;
}

static void check_map(const weir_map *m, const item *items)
{
    size_t in = 0, seen = 0, pos = 0;
    for (int i = 0; i < KEYS; i++) {
        in += items[i].in;
        const void *found = weir_map_find(m, item_key(&items[i]));
        assert_ptr_equal(found, items[i].in ? &items[i] : NULL);
    }
    for (const item *it = weir_map_next(m, &pos); it; it = weir_map_next(m, &pos)) {
        assert_true(it->in);
        seen++;
    }
    assert_int_equal(in, m->len);
    assert_int_equal(seen, m->len);
    assert_true(m->len <= m->cap / 4 * 3);
}

static void test_map_agrees_with_a_model(void **state)
{
    (void)state;
    item *items = make_items();
    weir_map m;
    weir_map_init(&m, (weir_hash_seed){{1, 2}}, KEYS);
    uint64_t seed = 7;
    for (int step = 0; step < 60000; step++) {
        /* Waves, so that the map is now nearly full and now nearly empty. */
        bool filling = step / 5000 % 2 == 0;
        uint64_t dice = random_next(&seed);
        item *it = &items[dice % KEYS];
        if ((dice >> 32) % 4 == 0 ? !filling : filling) {
            void *old = &seed;
            assert_int_equal(weir_map_put(&m, item_key(it), it, &old), 0);
            assert_ptr_equal(old, it->in ? it : NULL);
            it->in = true;
        } else {
            assert_ptr_equal(weir_map_remove(&m, item_key(it)), it->in ? it : NULL);
            it->in = false;
        }
        if (step % 500 == 0)
            check_map(&m, items);
    }
    weir_map_fini(&m);
    assert_null(weir_map_find(&m, WEIR_SLICE_LIT("a")));
    assert_null(weir_map_remove(&m, WEIR_SLICE_LIT("a")));
}

static void test_map_full_refuses_new_keys_and_replaces_old_ones(void **state)
{
    (void)state;
    int first, second;
    void *old = NULL;
    weir_map m;
    weir_map_init(&m, (weir_hash_seed){{1, 2}}, 2);
    char key_again[] = "one";
    assert_int_equal(weir_map_put(&m, WEIR_SLICE_LIT("one"), &first, NULL), 0);
    assert_int_equal(weir_map_put(&m, weir_slice_make(NULL, 0), &first, NULL), 0);
    assert_int_equal(weir_map_put(&m, WEIR_SLICE_LIT("three"), &first, &old), WEIR_MAP_FULL);
    assert_null(weir_map_find(&m, WEIR_SLICE_LIT("three")));
    assert_int_equal(weir_map_put(&m, weir_slice_cstr(key_again), &second, &old), 0);
    assert_ptr_equal(old, &first);
    size_t with_new_key = 0;
    for (size_t i = 0; i < m.cap; i++)
        with_new_key += m.slots[i].key.data == (const uint8_t *)key_again;
    assert_int_equal(with_new_key, 1);
    assert_ptr_equal(weir_map_find(&m, WEIR_SLICE_LIT("")), &first);
    weir_map_fini(&m);
}

/* How many slots are looked at in vain while `to` is filled in the iteration order of `from`. */
static size_t probes_of_copy(weir_map *to, const weir_map *from)
{
    size_t pos = 0, probes = 0;
    for (uint64_t *key = weir_map_next(from, &pos); key; key = weir_map_next(from, &pos)) {
        weir_slice bytes = weir_slice_make(key, sizeof(*key));
        assert_int_equal(weir_map_put(to, bytes, key, NULL), 0);
        size_t mask = to->cap - 1;
        for (size_t i = weir_hash(to->seed, bytes) & mask; to->slots[i].value != key;
             i = (i + 1) & mask)
            probes++;
    }
    return probes;
}

static void test_map_copied_in_iteration_order_is_not_crowded(void **state)
{
    (void)state;
    enum { COUNT = 24000 };
    static uint64_t keys[COUNT];
    weir_map from, to;
    weir_map_init(&from, (weir_hash_seed){{3, 4}}, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = i;
        weir_slice bytes = weir_slice_make(&keys[i], sizeof(keys[i]));
        assert_int_equal(weir_map_put(&from, bytes, &keys[i], NULL), 0);
        if ((i & (i - 1)) != 0 && i % 2999 != 0)
            continue;
        weir_map_init(&to, from.seed, COUNT);
        assert_true(probes_of_copy(&to, &from) <= 4 * (i + 4));
        assert_int_equal(to.len, from.len);
        weir_map_fini(&to);
    }
    weir_map_fini(&from);
}

static void fill_map(void *user)
{
    (void)user;
    item *items = make_items();
    weir_map m;
    weir_map_init(&m, (weir_hash_seed){{5, 6}}, KEYS);
    for (int i = 0; i < 100; i++) {
        int r = weir_map_put(&m, item_key(&items[i]), &items[i], NULL);
        assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
        items[i].in = r == 0;
    }
    check_map(&m, items);
    weir_map_fini(&m);
}

static void test_map_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, fill_map, NULL) > 2);
}

static void check_heap(const weir_heap *h)
{
    for (size_t i = 0; i < h->len; i++) {
        assert_int_equal(h->nodes[i]->index, i);
        if (i > 0)
            assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
    }
}

static void test_heap_keeps_order_through_push_update_remove(void **state)
{
    (void)state;
    enum { NODES = 200 };
    weir_heap_node nodes[NODES];
    weir_heap h;
    weir_heap_init(&h);
    assert_null(weir_heap_min(&h));
    for (int i = 0; i < NODES; i++)
        weir_heap_node_init(&nodes[i]);
    uint64_t seed = 11;
    for (int step = 0; step < 20000; step++) {
        uint64_t dice = random_next(&seed);
        weir_heap_node *n = &nodes[dice % NODES];
        weir_time key = (weir_time)((dice >> 32) % 50);
        if (!weir_heap_contains(n))
            assert_int_equal(weir_heap_push(&h, n, key), 0);
        else if ((dice >> 40) % 2)
            weir_heap_update(&h, n, key);
        else
            weir_heap_remove(&h, n);
        if (step % 20 == 0)
            check_heap(&h);
    }
    weir_time last = 0;
    while (weir_heap_min(&h)) {
        weir_heap_node *n = weir_heap_min(&h);
        assert_true(last <= n->key);
        last = n->key;
        weir_heap_remove(&h, n);
        weir_heap_remove(&h, n);
    }
    weir_heap_fini(&h);
}

static void fill_heap(void *user)
{
    (void)user;
    weir_heap_node nodes[100];
    weir_heap h;
    weir_heap_init(&h);
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        weir_heap_node_init(&nodes[i]);
        int r = weir_heap_push(&h, &nodes[i], 100 - i);
        assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
        assert_int_equal(weir_heap_contains(&nodes[i]), r == 0);
        len += r == 0;
    }
    assert_int_equal(h.len, len);
    check_heap(&h);
    weir_heap_fini(&h);
    for (int i = 0; i < 100; i++)
        weir_heap_remove(&h, &nodes[i]);
}

static void test_heap_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, fill_heap, NULL) > 2);
}

static void test_list_keeps_order_and_forgives_double_removal(void **state)
{
    (void)state;
    weir_list list, a, b, c;
    weir_list_init(&list);
    assert_null(weir_list_first(&list));
    assert_null(weir_list_last(&list));
    assert_null(weir_list_pop_front(&list));
    weir_list_push_back(&list, &b);
    weir_list_push_back(&list, &c);
    weir_list_push_front(&list, &a);
    assert_ptr_equal(weir_list_first(&list), &a);
    assert_ptr_equal(weir_list_last(&list), &c);
    weir_list_remove(&b);
    weir_list_remove(&b);
    assert_ptr_equal(weir_list_pop_front(&list), &a);
    assert_ptr_equal(weir_list_pop_front(&list), &c);
    assert_true(weir_list_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_agrees_with_another_implementation),
        cmocka_unit_test(test_map_agrees_with_a_model),
        cmocka_unit_test(test_map_full_refuses_new_keys_and_replaces_old_ones),
        cmocka_unit_test(test_map_copied_in_iteration_order_is_not_crowded),
        cmocka_unit_test(test_map_survives_every_failed_allocation),
        cmocka_unit_test(test_heap_keeps_order_through_push_update_remove),
        cmocka_unit_test(test_heap_survives_every_failed_allocation),
        cmocka_unit_test(test_list_keeps_order_and_forgives_double_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
