/* What rows of the stream become. Numbers are those of notes/cache-rule-proofs.md ("proofs") and
 * HAZARDS.md (caching). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "follow_rig.h"

/* ---- what reaches the slots ---- */

/* Proofs 14. */
static void test_truncate_reaches_every_column(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id"), k = rig_track(r, "public.t", "k");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_truncate(&r->p, OID, 0));
    rig_commit(r);
    assert_int_equal(r->count, 3);
    assert_true(rig_has(r, rig_relation("public.t")) && rig_has(r, id) && rig_has(r, k));
}

static void test_an_insert_reports_its_values(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id"), v = rig_track(r, "public.t", "v");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "-5|2|x y"));
    rig_commit(r);
    assert_int_equal(r->count, 3);
    assert_true(rig_has(r, rig_relation("public.t")) && rig_has(r, rig_integer(id, -5)) &&
                rig_has(r, rig_text(v, "x y")));
}

/* HAZARDS 4. */
static void test_an_update_reports_old_and_new_values(void **state)
{
    rig *r = *state;
    uint64_t k = rig_track(r, "public.t", "k");
    rig_begin(r, 70);
    rig_describe(r, "t", 'f', "*id/23 *k/20 *v/25");
    rig_commit(r);
    rig_begin(r, 71);
    rig_feed(r, pgoutput_update(&r->p, OID, 'O', "1|7|x", "1|8|x"));
    rig_commit(r);
    assert_int_equal(r->count, 3);
    assert_true(rig_has(r, rig_integer(k, 7)) && rig_has(r, rig_integer(k, 8)));
}

static void test_an_update_of_other_columns_keeps_the_identity_s_values(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id"), k = rig_track(r, "public.t", "k");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|x"));
    rig_commit(r);
    /* The old k is not sent. */
    assert_int_equal(r->count, 4);
    assert_true(rig_has(r, rig_integer(id, 1)) && rig_has(r, rig_integer(k, 8)) && rig_has(r, k) &&
                !rig_has(r, id));
}

/* What is not of the key is sent as NULL. */
static void test_an_old_key_says_nothing_of_other_columns(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id"), k = rig_track(r, "public.t", "k");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_update(&r->p, OID, 'K', "1|~|~", "2|8|x"));
    rig_commit(r);
    assert_int_equal(r->count, 5);
    assert_true(rig_has(r, rig_integer(id, 1)) && rig_has(r, rig_integer(id, 2)) &&
                rig_has(r, rig_integer(k, 8)) && rig_has(r, k));
    rig_begin(r, 71);
    rig_feed(r, pgoutput_delete(&r->p, OID, 'K', "2|~|~"));
    rig_commit(r);
    assert_int_equal(r->count, 3);
    assert_true(rig_has(r, rig_integer(id, 2)) && rig_has(r, k));
}

/* HAZARDS 5, proofs 19. */
static void test_unchanged_toast_is_not_null(void **state)
{
    rig *r = *state;
    uint64_t v = rig_track(r, "public.t", "v");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|?"));
    rig_commit(r);
    assert_int_equal(r->count, 2);
    assert_true(rig_has(r, v));
}

static void test_null_is_equal_to_nothing(void **state)
{
    rig *r = *state;
    (void)rig_track(r, "public.t", "v");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|8|~"));
    rig_commit(r);
    assert_int_equal(r->count, 1);
}

/* Proofs 19: generated columns, column lists. */
static void test_a_column_that_is_not_sent_is_never_known(void **state)
{
    rig *r = *state;
    uint64_t g = rig_track(r, "public.t", "generated");
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    rig_commit(r);
    assert_int_equal(r->count, 2);
    assert_true(rig_has(r, g));
}

/* As operands of a query have them. */
static void test_each_key_type_has_the_ids_of_its_operands(void **state)
{
    rig *r = *state;
    uint64_t u = rig_track(r, "public.t", "u"), b = rig_track(r, "public.t", "b");
    uint64_t d = rig_track(r, "public.t", "d"), s = rig_track(r, "public.t", "s");
    rig_begin(r, 70);
    rig_describe(r, "t", 'd', "*u/2950 b/16 d/1082 s/21");
    rig_commit(r);
    rig_begin(r, 71);
    rig_feed(r,
             pgoutput_insert(&r->p, OID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|t|2026-11-21|-7"));
    rig_commit(r);
    assert_int_equal(r->count, 5);
    assert_true(rig_has(r, rig_value(u, WEIR_KEY_PG_UUID, "A0EEBC999C0B4EF8BB6D6BB9BD380A11")));
    assert_true(rig_has(r, rig_value(b, WEIR_KEY_PG_BOOL, "true")));
    assert_true(rig_has(r, rig_value(d, WEIR_KEY_PG_DATE, "2026-11-21")));
    assert_true(rig_has(r, rig_integer(s, -7)));
}

/* Proofs 18. */
static void test_types_without_canonical_bytes_are_not_keys(void **state)
{
    rig *r = *state;
    uint64_t n = rig_track(r, "public.t", "n");
    rig_begin(r, 70);
    rig_describe(r, "t", 'd', "*id/23 n/1700");
    rig_commit(r);
    rig_begin(r, 71);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|1.00"));
    rig_commit(r);
    assert_true(rig_has(r, n));
    assert_int_equal(r->count, 2);
}

static void test_a_whole_identity_without_an_old_row_knows_nothing(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id");
    rig_begin(r, 70);
    rig_describe(r, "t", 'f', "*id/23 *k/20 *v/25");
    rig_feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|x"));
    rig_commit(r);
    assert_true(rig_has(r, id));
}

/* Proofs 16. */
static void test_columns_are_confirmed_between_transactions(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    uint64_t id = rig_track(r, "public.t", "id");
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    assert_int_equal(r->confirmed_at, 0);
    uint64_t end = rig_commit(r);
    assert_false(rig_has(r, rig_integer(id, 1)));
    assert_int_equal(r->confirmed_at, end);
    rig_begin(r, 71);
    rig_feed(r, pgoutput_insert(&r->p, OID, "2|8|x"));
    rig_commit(r);
    assert_true(rig_has(r, rig_integer(id, 2)));
}

/* Proofs 20: leaf and ancestors alike. */
static void test_a_partition_s_rows_are_its_ancestors_too(void **state)
{
    rig *r = *state;
    uint64_t leaf = rig_track(r, "public.t", "id"), root = rig_track(r, "public.root", "id");
    uint32_t oid = 0;
    const weir_slice names[] = {WEIR_SLICE_LIT("public.root"), WEIR_SLICE_LIT("public.middle")};
    rig_begin(r, 70);
    rig_describe(r, "t", 'd', "*id/23 k/20 v/25");
    assert_int_equal(rig_offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), PG_FOLLOW_ASK);
    assert_int_equal(oid, OID);
    assert_int_equal(pg_follow_ancestors(&r->core, oid, names, 2), 0);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    rig_commit(r);
    assert_int_equal(r->count, 5);
    assert_true(rig_has(r, rig_relation("public.t")) && rig_has(r, rig_relation("public.root")) &&
                rig_has(r, rig_relation("public.middle")) && rig_has(r, rig_integer(leaf, 1)) &&
                rig_has(r, rig_integer(root, 1)));
    rig_begin(r, 71);
    rig_feed(r, pgoutput_truncate(&r->p, OID, 0));
    rig_commit(r);
    assert_true(rig_has(r, leaf) && rig_has(r, root) && rig_has(r, rig_relation("public.middle")));
}

static void test_ancestors_are_asked_for_again_after_a_change_of_the_schema(void **state)
{
    rig *r = *state;
    uint32_t oid = 0;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", "ddl"));
    rig_commit(r);
    rig_begin(r, 71);
    assert_int_equal(rig_offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), PG_FOLLOW_ASK);
}

/* Nobody tells when a table was attached. */
static void test_a_change_of_inheritance_that_was_found_forgets_what_was_read(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    pg_follow_inheritance_changed(&r->core);
    rig_expect(r, "forgot 110");
    rig_commit(r);
    rig_expect(r, "changed 120, forgot 120");
}

/* Proofs 21, 22. */
static void test_a_change_of_the_schema_forgets_what_was_read_before_it(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", "ddl"));
    rig_commit(r);
    rig_expect(r, "forgot 120, altered 120");
    rig_begin(r, 71); /* rolled back or not of us */
    rig_feed(r, pgoutput_message(&r->p, true, "else", "ddl"));
    rig_commit(r);
    rig_expect(r, "");
}

static void test_a_relation_that_changed_is_changed_under_both_names(void **state)
{
    rig *r = *state;
    uint64_t id = rig_track(r, "public.t", "id"), other = rig_track(r, "public.u", "id");
    rig_begin(r, 70);
    rig_describe(r, "u", 'd', "*id/23 k/20 v/25");
    rig_commit(r);
    assert_int_equal(r->count, 4);
    assert_true(rig_has(r, rig_relation("public.t")) && rig_has(r, rig_relation("public.u")) &&
                rig_has(r, id) && rig_has(r, other));
}

static void test_a_relation_that_was_only_described_again_has_not_changed(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_describe(r, "t", 'd', "*id/23 k/20 v/25");
    rig_commit(r);
    rig_expect(r, "");
}

static void test_a_row_of_an_unknown_relation_forgets_everything(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, 12345, "1|8|x"));
    rig_commit(r);
    rig_expect(r, "forgot 120");
    rig_begin(r, 71);
    rig_feed(r, pgoutput_truncate(&r->p, 12345, 0));
    rig_commit(r);
    rig_expect(r, "forgot 130");
}

static void test_many_values_become_their_column(void **state)
{
    rig *r = *state;
    (void)rig_track(r, "public.t", "id");
    rig_begin(r, 70);
    for (unsigned i = 0; i < PG_CHANGES_VALUES_MAX + 1000; i++) {
        char row[40];
        (void)snprintf(row, sizeof(row), "%u|8|x", i);
        rig_feed(r, pgoutput_insert(&r->p, OID, row));
    }
    assert_true(r->core.changes.set.count <= PG_CHANGES_VALUES_MAX + 1);
    assert_false(r->core.changes.set.everything);
    weir_id_set_clear(&r->core.changes.set);
    rig_commit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOWING(test_truncate_reaches_every_column),
        FOLLOWING(test_an_insert_reports_its_values),
        FOLLOWING(test_an_update_reports_old_and_new_values),
        FOLLOWING(test_an_update_of_other_columns_keeps_the_identity_s_values),
        FOLLOWING(test_an_old_key_says_nothing_of_other_columns),
        FOLLOWING(test_unchanged_toast_is_not_null),
        FOLLOWING(test_null_is_equal_to_nothing),
        FOLLOWING(test_a_column_that_is_not_sent_is_never_known),
        FOLLOWING(test_each_key_type_has_the_ids_of_its_operands),
        FOLLOWING(test_types_without_canonical_bytes_are_not_keys),
        FOLLOWING(test_a_whole_identity_without_an_old_row_knows_nothing),
        FOLLOWING(test_columns_are_confirmed_between_transactions),
        FOLLOWING(test_a_partition_s_rows_are_its_ancestors_too),
        FOLLOWING(test_ancestors_are_asked_for_again_after_a_change_of_the_schema),
        FOLLOWING(test_a_change_of_inheritance_that_was_found_forgets_what_was_read),
        FOLLOWING(test_a_change_of_the_schema_forgets_what_was_read_before_it),
        FOLLOWING(test_a_relation_that_changed_is_changed_under_both_names),
        FOLLOWING(test_a_relation_that_was_only_described_again_has_not_changed),
        FOLLOWING(test_a_row_of_an_unknown_relation_forgets_everything),
        FOLLOWING(test_many_values_become_their_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
