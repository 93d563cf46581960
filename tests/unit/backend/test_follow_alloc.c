/* Every allocation of the follower's core fails once: either a call says so, or everything that the
 * transaction may have changed is forgotten; nothing is missed, nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failalloc.h"
#include "follow_rig.h"

/* False: out of memory, and the stream is given up. */
static bool offered(rig *r, weir_slice payload)
{
    uint32_t oid = 0;
    int e = rig_offer(r, payload, &oid);
    if (e == PG_FOLLOW_ASK) {
        const weir_slice names[] = {WEIR_SLICE_LIT("public.root")};
        e = pg_follow_ancestors(&r->core, oid, names, 1);
        e = e == 0 ? rig_offer(r, payload, &oid) : e;
    }
    assert_true(e == 0 || (e == -ENOMEM && weir_failalloc_failed()));
    return e == 0;
}

/* More values than the first set of ids has room for. */
static bool transaction(rig *r)
{
    bool ok = offered(r, pgoutput_begin(&r->p, 100, 70)) &&
              offered(r, pgoutput_relation(&r->p, OID, "public", "t", 'd', "*id/23 v/25"));
    for (unsigned i = 0; ok && i < 300; i++) {
        char row[32];
        (void)snprintf(row, sizeof(row), "%u|x", i);
        ok = offered(r, pgoutput_insert(&r->p, OID, row));
    }
    return ok && offered(r, pgoutput_commit(&r->p, 100, 150));
}

static bool knows(const rig *r, uint64_t column)
{
    return rig_has(r, rig_relation("public.t")) && rig_has(r, rig_relation("public.root")) &&
           (rig_has(r, column) || rig_has(r, rig_integer(column, 299)));
}

static void run(void *user)
{
    pg_snapshot s = {0};
    (void)user;
    void *state = NULL;
    if (rig_set_up(&state) == 0) {
        rig *at = state;
        uint64_t column = rig_track(at, "public.t", "id");
        rig_connect_at(at, 100, 50);
        at->log[0] = '\0';
        if (transaction(at))
            assert_true(strstr(at->log, "forgot 150") || knows(at, column));
        int e = pg_snapshot_read(&s, WEIR_SLICE_LIT("60:80:60,61"));
        assert_true(e == 0 || e == -ENOMEM);
        pg_snapshot_fini(&s);
    }
    (void)rig_tear_down(&state);
}

static void test_without_memory_nothing_is_missed(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(200, run, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_nothing_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
