/* store: what is found, replaced, refused and bounded, step by step on one thread. */
#include "failalloc.h"
#include "store_rig.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const weir_store_options lru = {.policy = WEIR_POLICY_LRU};

static void test_store_finds_what_was_put_with_its_content(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 300; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = id * 7}), 0);
    for (unsigned id = 0; id < 300; id++) {
        const weir_entry *e = rig_find(&rig, id); /* compares its content */
        assert_non_null(e);
        assert_int_equal(e->bytes_len, id * 7);
    }
    assert_null(rig_find(&rig, 300));
    assert_int_equal(rig_stats(&rig).entries, 300);
    assert_int_equal(rig_stats(&rig).puts, 300);
    store_rig_fini(&rig);
}

/* Hazards, caching 16. */
static void test_store_compares_the_identity_of_entries_with_one_hash(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    char text[32];
    for (unsigned id = 0; id < 4; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = 9, .hash = 77}), 0);
    for (unsigned id = 0; id < 4; id++) {
        const weir_entry *e = weir_store_find(rig.store, 77, rig_identity(id, &text));
        assert_non_null(e);
        assert_true(rig_entry_is_whole(e, id));
    }
    assert_null(weir_store_find(rig.store, 77, rig_identity(4, &text)));
    /* One of them goes: the others stay reachable. */
    const weir_entry *second = weir_store_find(rig.store, 77, rig_identity(1, &text));
    weir_store_remove(rig.store, rig.member, second, WEIR_REMOVAL_CHANGED);
    assert_null(weir_store_find(rig.store, 77, rig_identity(1, &text)));
    for (unsigned id = 0; id < 4; id += id == 0 ? 2 : 1)
        assert_non_null(weir_store_find(rig.store, 77, rig_identity(id, &text)));
    store_rig_fini(&rig);
}

static void test_store_hash_is_keyed(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    weir_store *other = NULL;
    weir_store_options options = {
        .size_max = RIG_ROOM, .entry_max = RIG_ROOM, .readers = 1, .seed = {{11, 13}}};
    assert_int_equal(weir_store_new(&options, &other), 0);
    char text[32];
    for (unsigned id = 0; id < 100; id++) {
        weir_slice identity = rig_identity(id, &text);
        assert_int_equal(weir_store_hash(rig.store, identity),
                         weir_store_hash(rig.store, identity));
        assert_int_not_equal(weir_store_hash(rig.store, identity),
                             weir_store_hash(other, identity));
    }
    (void)weir_store_hash(other, (weir_slice){NULL, 0});
    weir_store_free(other);
    weir_store_free(NULL);
    store_rig_fini(&rig);
}

static uint64_t kept_len(store_rig *rig)
{
    return weir_entry_bytes(rig_find(rig, 1)).len;
}

static void test_store_replaces_unless_the_present_answer_is_newer(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 10, .asof = {5, 5}}), 0);
    const struct {
        weir_asof asof;
        bool replaces;
    } steps[] = {{{4, 9}, false}, {{5, 4}, false}, {{5, 5}, true}, {{5, 6}, true},
                 {{6, 1}, true},  {{5, 9}, false}, {{6, 0}, false}};
    size_t len = 10;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 11 + i, .asof = steps[i].asof}),
                         0);
        len = steps[i].replaces ? 11 + i : len;
        assert_int_equal(kept_len(&rig), len);
        assert_int_equal(rig_stats(&rig).entries, 1);
    }
    assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_REPLACED], 3);
    /* Another database's positions say nothing about these. */
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 20, .asof = {1, 1}, .scope = 9}),
                     0);
    assert_int_equal(kept_len(&rig), 20);
    store_rig_fini(&rig);
}

static void test_store_replaces_a_newer_answer_that_has_expired(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    assert_int_equal(
        rig_put(&rig, (rig_answer){.id = 1, .len = 1, .asof = {9, 9}, .expires_at = 50}), 0);
    weir_entry *older = rig_entry(rig.store, (rig_answer){.id = 1, .len = 2, .expires_at = 60});
    assert_int_equal(weir_store_put(rig.store, rig.member, older, 49), 0);
    assert_int_equal(kept_len(&rig), 1);
    assert_int_equal(weir_store_put(rig.store, rig.member, older, 50), 0);
    assert_int_equal(kept_len(&rig), 2);
    assert_int_equal(weir_store_put(rig.store, rig.member, older, 51), 0); /* is there already */
    assert_int_equal(rig_stats(&rig).puts, 2);
    weir_entry_unref(older);
    store_rig_fini(&rig);
}

static void test_store_refuses_what_is_too_large_or_expired(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.entry_max = 4096});
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 4096}), WEIR_STORE_REFUSED);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 3000}), 0);
    weir_store_resize(rig.store, 16000, 0, SIZE_MAX); /* an eighth is the most for one */
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 2, .len = 2000}), WEIR_STORE_REFUSED);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 2, .len = 1500}), 0);
    weir_entry *late = rig_entry(rig.store, (rig_answer){.id = 3, .len = 3, .expires_at = 50});
    assert_int_equal(weir_store_put(rig.store, rig.member, late, 50), WEIR_STORE_REFUSED);
    weir_entry_unref(late);
    assert_int_equal(rig_stats(&rig).refused, 3);
    store_rig_fini(&rig);
}

static void test_store_new_refuses_senseless_options(void **state)
{
    (void)state;
    weir_store *store = NULL;
    weir_store_options good = {.size_max = 1, .entry_max = 1, .readers = 1};
    weir_store_options bad[] = {good, good, good, good};
    bad[0].size_max = 0;
    bad[1].entry_max = 0;
    bad[2].readers = 0;
    bad[3].policy = WEIR_POLICIES;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(weir_store_new(&bad[i], &store), -EINVAL);
    assert_null(store);
    assert_int_equal(weir_store_new(&good, &store), 0);
    weir_store_free(store);
}

typedef struct sum {
    size_t entries, bytes;
} sum;

static bool add_up(void *user, const weir_entry *entry)
{
    sum *s = user;
    s->entries++;
    s->bytes += malloc_usable_size((void *)(uintptr_t)entry);
    return true;
}

static void test_store_never_passes_its_bytes_as_the_allocator_counts_them(void **state)
{
    (void)state;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++) {
        store_rig rig = {0};
        store_rig_init(&rig, (weir_store_options){.size_max = 40000, .policy = policy});
        size_t fixed = rig_cache_memory(&rig);
        for (unsigned n = 0; n < 3000; n++) {
            unsigned id = n * 7919 % 500;
            assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = id * 31 % 3000}), 0);
            rig_ask(&rig, id * 3 % 500);
            weir_store_stats stats = rig_stats(&rig);
            assert_true(stats.bytes <= 40000);
            assert_int_equal(rig_cache_memory(&rig), fixed + stats.bytes);
            if (n % 50 == 0) {
                sum all = {0, 0};
                weir_store_each(rig.store, add_up, &all);
                assert_int_equal(all.bytes, stats.bytes);
                assert_int_equal(all.entries, stats.entries);
            }
            weir_epoch_quiescent(rig.member);
        }
        assert_true(rig_stats(&rig).bytes > 30000); /* it is used, too */
        store_rig_fini(&rig);
    }
}

static void test_store_keeps_exactly_so_many_entries(void **state)
{
    (void)state;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++) {
        store_rig rig = {0};
        store_rig_init(&rig, (weir_store_options){.entries_max = 20, .policy = policy});
        for (unsigned id = 0; id < 1000; id++) {
            assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = id % 50}), 0);
            assert_int_equal(rig_stats(&rig).entries, id < 20 ? id + 1 : 20);
        }
        assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_EVICTED], 980);
        store_rig_fini(&rig);
    }
}

static void test_store_removes_an_entry_once(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    weir_entry *never = rig_entry(rig.store, (rig_answer){.id = 1, .len = 5});
    weir_store_remove(rig.store, rig.member, never, WEIR_REMOVAL_CHANGED);
    weir_entry_unref(never);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 5}), 0);
    const weir_entry *e = rig_find(&rig, 1);
    weir_store_remove(rig.store, rig.member, e, WEIR_REMOVAL_CHANGED);
    assert_null(rig_find(&rig, 1));
    weir_store_remove(rig.store, rig.member, e, WEIR_REMOVAL_EXPIRED);
    assert_true(rig_entry_is_whole(e, 1)); /* until we are quiescent */
    assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_CHANGED], 1);
    assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_EXPIRED], 0);
    store_rig_fini(&rig);
}

static void test_store_gives_up_only_its_own_reference(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    weir_entry *mine = rig_entry(rig.store, (rig_answer){.id = 1, .len = 50});
    weir_entry *kept = rig_entry(rig.store, (rig_answer){.id = 2, .len = 60});
    assert_int_equal(weir_store_put(rig.store, rig.member, mine, 0), 0);
    assert_int_equal(weir_store_put(rig.store, rig.member, kept, 0), 0);
    weir_store_remove(rig.store, rig.member, mine, WEIR_REMOVAL_CHANGED);
    weir_epoch_quiescent(rig.member);
    weir_epoch_quiescent(rig.member);
    assert_int_equal(atomic_load(&mine->refs), 1);
    assert_int_equal(atomic_load(&kept->refs), 2);
    store_rig_fini(&rig);
    assert_true(rig_entry_is_whole(mine, 1));
    assert_true(rig_entry_is_whole(kept, 2));
    assert_ptr_equal(weir_entry_ref(mine), mine);
    weir_entry_unref(mine);
    weir_entry_unref(mine);
    weir_entry_unref(kept);
    weir_entry_unref(NULL);
}

static void test_store_expires_a_bounded_number_per_call(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 1000; id++)
        assert_int_equal(
            rig_put(&rig, (rig_answer){.id = id, .expires_at = id < 900 ? WEIR_SECOND : 0}), 0);
    assert_false(weir_store_expire(rig.store, rig.member, WEIR_SECOND - 1));
    assert_int_equal(rig_stats(&rig).entries, 1000);
    size_t before = 1000;
    unsigned calls = 0;
    for (bool more = true; more; calls++) {
        more = weir_store_expire(rig.store, rig.member, 2 * WEIR_SECOND);
        assert_true(before - rig_stats(&rig).entries <= 128);
        before = rig_stats(&rig).entries;
    }
    assert_int_equal(before, 100);
    assert_true(calls > 7 && calls < 40);
    assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_EXPIRED], 900);
    for (unsigned id = 900; id < 1000; id++)
        assert_non_null(rig_find(&rig, id));
    store_rig_fini(&rig);
}

static void test_store_flushes_a_scope_or_everything(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 600; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .scope = id % 3}), 0);
    weir_store_flush(rig.store, rig.member, 1);
    for (unsigned id = 0; id < 600; id++)
        assert_int_equal(rig_find(&rig, id) != NULL, id % 3 != 1);
    weir_store_flush(rig.store, rig.member, UINT32_MAX);
    assert_int_equal(rig_stats(&rig).entries, 0);
    assert_int_equal(rig_stats(&rig).bytes, 0);
    assert_int_equal(rig_stats(&rig).removals[WEIR_REMOVAL_FLUSHED], 600);
    store_rig_fini(&rig);
}

static void test_store_shrinks_by_puts_and_expiries_after_resize(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 1000; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    weir_store_resize(rig.store, RIG_ROOM, 500, RIG_ROOM);
    assert_int_equal(rig_stats(&rig).entries, 1000);
    assert_int_equal(rig_stats(&rig).entries_max, 500);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1000}), 0);
    size_t after_put = rig_stats(&rig).entries;
    assert_true(after_put < 1000 && after_put > 900); /* not all in one go */
    unsigned calls = 0;
    while (weir_store_expire(rig.store, rig.member, 0))
        calls++;
    assert_true(calls < 20);
    assert_int_equal(rig_stats(&rig).entries, 500);
    weir_store_resize(rig.store, 20000, 0, 20000);
    for (unsigned id = 2000; id < 2010; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    assert_true(rig_stats(&rig).bytes <= 20000);
    weir_store_resize(rig.store, RIG_ROOM, 0, RIG_ROOM);
    for (unsigned id = 3000; id < 3500; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    assert_true(rig_stats(&rig).entries >= 500);
    store_rig_fini(&rig);
}

static void test_store_makes_room_when_the_memory_is_full(void **state)
{
    (void)state;
    store_rig rig = {.memory = {.total_max = 100000}};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 1000; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = 100}), 0);
    size_t entries = rig_stats(&rig).entries;
    assert_true(entries > 100 && entries < 1000);
    assert_true(rig_stats(&rig).removals[WEIR_REMOVAL_EVICTED] == 1000 - entries);
    /* Much larger than what may be evicted for it in one go. */
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 2000, .len = 70000}), WEIR_STORE_REFUSED);
    assert_true(rig_stats(&rig).entries >= entries - 64);
    assert_non_null(rig_find(&rig, 999));
    store_rig_fini(&rig);
}

static void test_store_refuses_when_others_have_all_the_memory(void **state)
{
    (void)state;
    store_rig rig = {.memory = {.total_max = 100000}};
    store_rig_init(&rig, lru);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1, .len = 10}), 0);
    size_t rest = 100000 - atomic_load(&rig.memory.total);
    assert_int_equal(weir_memory_charge(&rig.memory, WEIR_MEMORY_CLIENT, rest), 0);
    /* Evicting could not give enough: so it is not begun. */
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 2, .len = 5000}), WEIR_STORE_REFUSED);
    assert_non_null(rig_find(&rig, 1));
    assert_int_equal(rig_stats(&rig).refused, 1);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 3, .len = 10}), 0);
    assert_null(rig_find(&rig, 1));
    assert_non_null(rig_find(&rig, 3));
    weir_memory_release(&rig.memory, WEIR_MEMORY_CLIENT, rest);
    store_rig_fini(&rig);
}

static void test_store_raises_the_counter_up_to_its_cap(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.policy = WEIR_POLICY_S3FIFO});
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 1}), 0);
    for (unsigned n = 1; n < 10; n++) {
        assert_true(rig_ask(&rig, 1));
        unsigned expected = n < WEIR_POLICY_COUNT_CAP ? n : WEIR_POLICY_COUNT_CAP;
        assert_int_equal(atomic_load(&rig_find(&rig, 1)->node.count), expected);
    }
    store_rig_fini(&rig);
}

/* More than a reader's buffer holds; LRU shows each that is missing. */
static void test_store_loses_no_hit_of_a_single_thread(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.policy = WEIR_POLICY_LRU, .entries_max = 400});
    for (unsigned id = 0; id < 400; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    for (unsigned id = 0; id < 400; id += 2)
        assert_true(rig_ask(&rig, id));
    for (unsigned id = 400; id < 600; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    for (unsigned id = 0; id < 400; id++)
        assert_int_equal(rig_find(&rig, id) != NULL, id % 2 == 0);
    store_rig_fini(&rig);
}

static void test_store_never_touches_a_gathered_entry_that_has_gone(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned round = 0; round < 50; round++) {
        assert_int_equal(rig_put(&rig, (rig_answer){.id = 1}), 0);
        assert_true(rig_ask(&rig, 1));
        weir_store_remove(rig.store, rig.member, rig_find(&rig, 1), WEIR_REMOVAL_CHANGED);
        weir_epoch_quiescent(rig.member);
        weir_epoch_quiescent(rig.member); /* it is freed: the address sanitizer watches */
        assert_int_equal(rig_put(&rig, (rig_answer){.id = 2 + round % 2}), 0);
    }
    store_rig_fini(&rig);
}

/* How many of the 50 hot answers are still there after so many others that nobody asks for again.
 */
static unsigned hot_after(weir_policy_kind policy, unsigned others, size_t len)
{
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.policy = policy, .size_max = 110000});
    for (unsigned n = 0; n < 50 * 8; n++) {
        if (!rig_ask(&rig, n % 50))
            assert_int_equal(rig_put(&rig, (rig_answer){.id = n % 50, .len = 300}), 0);
    }
    for (unsigned n = 0; n < others; n++) {
        assert_int_equal(rig_put(&rig, (rig_answer){.id = 1000 + n, .len = len}), 0);
        (void)rig_ask(&rig, n % 50);
        weir_epoch_quiescent(rig.member);
    }
    unsigned hot = 0;
    for (unsigned id = 0; id < 50; id++)
        hot += rig_find(&rig, id) != NULL;
    store_rig_fini(&rig);
    return hot;
}

static void test_store_is_not_flushed_by_one_hit_wonders_or_large_answers(void **state)
{
    (void)state;
    const weir_policy_kind policies[] = {WEIR_POLICY_S3FIFO, WEIR_POLICY_ADAPTIVE};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(hot_after(policies[i], 3000, 100), 50);
        assert_true(hot_after(policies[i], 300, 12000) >= 40); /* the last in a window may go */
    }
}

static bool stop_at_three(void *user, const weir_entry *entry)
{
    (void)entry;
    return ++*(unsigned *)user < 3;
}

static void test_store_each_ends_when_told(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    for (unsigned id = 0; id < 10; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id}), 0);
    unsigned seen = 0;
    weir_store_each(rig.store, stop_at_three, &seen);
    assert_int_equal(seen, 3);
    store_rig_fini(&rig);
}

static void test_entry_of_impossible_size_is_out_of_memory(void **state)
{
    (void)state;
    const weir_slice huge = {NULL, PTRDIFF_MAX}, whole = {NULL, SIZE_MAX};
    weir_entry *entry = NULL;
    assert_int_equal(weir_entry_new(&(weir_entry_options){.identity = whole}, &entry), -ENOMEM);
    assert_int_equal(weir_entry_new(&(weir_entry_options){.bytes = whole}, &entry), -ENOMEM);
    assert_int_equal(weir_entry_new(&(weir_entry_options){.identity = huge, .bytes = huge}, &entry),
                     -ENOMEM);
    assert_null(entry);
}

static void test_store_names_removals(void **state)
{
    (void)state;
    for (weir_removal why = 0; why < WEIR_REMOVALS; why++)
        assert_true(strlen(weir_removal_name(why)) > 0);
    assert_string_equal(weir_removal_name(WEIR_REMOVAL_CHANGED), "changed");
}

static void use_all(void *user)
{
    store_rig *rig = user;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++) {
        int r = store_rig_try(rig, (weir_store_options){.policy = policy, .entries_max = 8});
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_true(weir_failalloc_failed());
            assert_int_equal(rig_cache_memory(rig), 0);
            continue;
        }
        for (unsigned id = 0; id < 12; id++) {
            weir_entry *e = rig_entry_try(rig->store, (rig_answer){.id = id, .expires_at = 1});
            if (e)
                assert_int_equal(weir_store_put(rig->store, rig->member, e, 0), 0);
            weir_entry_unref(e);
            rig_ask(rig, id / 2);
            weir_epoch_quiescent(rig->member);
        }
        (void)weir_store_expire(rig->store, rig->member, WEIR_SECOND);
        weir_epoch_quiescent(rig->member);
        weir_store_free(rig->store);
        assert_int_equal(rig_cache_memory(rig), 0);
    }
}

static void test_store_survives_any_failing_allocation(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, lru);
    weir_store_free(rig.store);
    assert_true(weir_failalloc_each(2000, use_all, &rig) > 20);
    assert_int_equal(store_rig_try(&rig, lru), 0);
    store_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_finds_what_was_put_with_its_content),
        cmocka_unit_test(test_store_compares_the_identity_of_entries_with_one_hash),
        cmocka_unit_test(test_store_hash_is_keyed),
        cmocka_unit_test(test_store_replaces_unless_the_present_answer_is_newer),
        cmocka_unit_test(test_store_replaces_a_newer_answer_that_has_expired),
        cmocka_unit_test(test_store_refuses_what_is_too_large_or_expired),
        cmocka_unit_test(test_store_new_refuses_senseless_options),
        cmocka_unit_test(test_store_never_passes_its_bytes_as_the_allocator_counts_them),
        cmocka_unit_test(test_store_keeps_exactly_so_many_entries),
        cmocka_unit_test(test_store_removes_an_entry_once),
        cmocka_unit_test(test_store_gives_up_only_its_own_reference),
        cmocka_unit_test(test_store_expires_a_bounded_number_per_call),
        cmocka_unit_test(test_store_flushes_a_scope_or_everything),
        cmocka_unit_test(test_store_shrinks_by_puts_and_expiries_after_resize),
        cmocka_unit_test(test_store_makes_room_when_the_memory_is_full),
        cmocka_unit_test(test_store_refuses_when_others_have_all_the_memory),
        cmocka_unit_test(test_store_raises_the_counter_up_to_its_cap),
        cmocka_unit_test(test_store_loses_no_hit_of_a_single_thread),
        cmocka_unit_test(test_store_never_touches_a_gathered_entry_that_has_gone),
        cmocka_unit_test(test_store_is_not_flushed_by_one_hit_wonders_or_large_answers),
        cmocka_unit_test(test_store_each_ends_when_told),
        cmocka_unit_test(test_entry_of_impossible_size_is_out_of_memory),
        cmocka_unit_test(test_store_names_removals),
        cmocka_unit_test(test_store_survives_any_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
