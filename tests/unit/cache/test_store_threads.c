/* The store on real threads: readers that hold what they found while writers put, remove, expire,
 * flush and resize. Run it under ThreadSanitizer too. Every answer found must be whole, and stay so
 * until its reader is quiescent; the bounds hold at every moment. */
#include "store_rig.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define READERS 2
#define WRITERS 2
#define IDS 200u
#define READS 30000
#define WRITES 6000
#define SIZE_MAX_BYTES 30000

typedef struct worker {
    weir_epoch *epoch;
    weir_store *store;
    unsigned number;
    uint64_t random;
    uint64_t found, broken;
} worker;

static uint64_t next_random(worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static weir_epoch_member *join(worker *w)
{
    weir_epoch_member *member;
    if (weir_epoch_join(w->epoch, &member) < 0)
        abort(); /* cmocka's assertions are for its own thread */
    weir_epoch_online(member);
    return member;
}

static const weir_entry *find(worker *w, unsigned id)
{
    char text[32];
    weir_slice identity = rig_identity(id, &text);
    return weir_store_find(w->store, weir_store_hash(w->store, identity), identity);
}

static void *read_much(void *arg)
{
    worker *w = arg;
    weir_epoch_member *member = join(w);
    struct {
        const weir_entry *entry;
        unsigned id;
    } held[8];
    size_t count = 0;
    for (unsigned n = 0; n < READS; n++) {
        unsigned id = (unsigned)(next_random(w) % IDS);
        const weir_entry *e = find(w, id);
        if (e) {
            w->found++;
            weir_store_hit(w->store, w->number, e);
            held[count].entry = e;
            held[count++].id = id;
        }
        if (count < 8)
            continue;
        for (; count > 0; count--)
            w->broken += !rig_entry_is_whole(held[count - 1].entry, held[count - 1].id);
        weir_epoch_quiescent(member);
    }
    weir_epoch_leave(member);
    return NULL;
}

static bool check_whole(void *user, const weir_entry *entry)
{
    worker *w = user;
    w->broken += !rig_entry_is_whole(entry, (unsigned)entry->rows);
    return true;
}

static void put(worker *w, weir_epoch_member *member, weir_time now)
{
    rig_answer a = {.id = (unsigned)(next_random(w) % IDS),
                    .len = next_random(w) % 300,
                    .asof = {(uint64_t)now, 0},
                    .scope = (uint32_t)(next_random(w) % 3),
                    .expires_at = now + WEIR_SECOND};
    weir_entry *e = rig_entry_try(w->store, a);
    if (!e || weir_store_put(w->store, member, e, now) < 0)
        abort();
    weir_entry_unref(e);
}

static void seldom(worker *w, weir_epoch_member *member, weir_time now)
{
    switch (next_random(w) % 8) {
    case 0:
        weir_store_flush(w->store, member, (uint32_t)(next_random(w) % 3));
        break;
    case 1:
        weir_store_resize(w->store, SIZE_MAX_BYTES, 0, SIZE_MAX_BYTES);
        break;
    case 2:
        weir_store_each(w->store, check_whole, w);
        break;
    default:
        (void)weir_store_expire(w->store, member, now);
    }
    weir_store_stats stats;
    weir_store_stats_read(w->store, &stats);
    w->broken += stats.bytes > SIZE_MAX_BYTES;
}

static void *write_much(void *arg)
{
    worker *w = arg;
    weir_epoch_member *member = join(w);
    weir_time now = 0;
    for (unsigned n = 0; n < WRITES; n++) {
        now += WEIR_SECOND / 100;
        uint64_t choice = next_random(w) % 100;
        if (choice < 70) {
            put(w, member, now);
        } else if (choice < 95) {
            const weir_entry *e = find(w, (unsigned)(next_random(w) % IDS));
            if (e)
                weir_store_remove(w->store, member, e, WEIR_REMOVAL_CHANGED);
        } else {
            seldom(w, member, now);
        }
        weir_epoch_quiescent(member);
    }
    weir_epoch_leave(member);
    return NULL;
}

static void run(weir_policy_kind policy)
{
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.policy = policy,
                                              .size_max = SIZE_MAX_BYTES,
                                              .readers = READERS + WRITERS});
    weir_epoch_offline(rig.member);
    worker workers[READERS + WRITERS];
    pthread_t threads[READERS + WRITERS];
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        unsigned number = i < READERS ? i : i - READERS;
        workers[i] = (worker){
            .epoch = rig.epoch, .store = rig.store, .number = number, .random = i + policy * 8 + 1};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < READERS ? read_much : write_much, &workers[i]),
            0);
    }
    uint64_t found = 0;
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].broken, 0);
        found += workers[i].found;
    }
    assert_true(found > 0);
    weir_store_flush(rig.store, rig.member, UINT32_MAX);
    assert_int_equal(rig_stats(&rig).entries, 0);
    assert_int_equal(rig_stats(&rig).bytes, 0);
    store_rig_fini(&rig);
}

static void test_store_readers_hold_what_they_found_while_writers_change_it(void **state)
{
    (void)state;
    for (weir_policy_kind policy = 0; policy < WEIR_POLICIES; policy++)
        run(policy);
}

/* Threads take turns by themselves here: what must hold is the order, not the time. */
static void test_store_entry_stays_readable_until_its_reader_is_quiescent(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.policy = WEIR_POLICY_LRU});
    weir_epoch_member *writer;
    assert_int_equal(weir_epoch_join(rig.epoch, &writer), 0);
    assert_int_equal(rig_put(&rig, (rig_answer){.id = 5, .len = 100}), 0);
    const weir_entry *e = rig_find(&rig, 5);
    weir_store_remove(rig.store, writer, e, WEIR_REMOVAL_CHANGED);
    for (int n = 0; n < 10; n++)
        weir_epoch_quiescent(writer);
    assert_int_equal(atomic_load(&e->refs), 1); /* the store's, not given back yet */
    assert_true(rig_entry_is_whole(e, 5));
    assert_null(rig_find(&rig, 5));
    weir_entry *kept = weir_entry_ref((weir_entry *)(uintptr_t)e);
    weir_epoch_quiescent(rig.member);
    weir_epoch_quiescent(rig.member);
    weir_epoch_quiescent(writer);
    assert_int_equal(atomic_load(&kept->refs), 1); /* ours */
    weir_entry_unref(kept);
    weir_epoch_leave(writer);
    store_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_entry_stays_readable_until_its_reader_is_quiescent),
        cmocka_unit_test(test_store_readers_hold_what_they_found_while_writers_change_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
