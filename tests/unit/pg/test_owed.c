/* The queue of owed replies, case by case: pushes as a client's messages, then what the server says
 * and what each of its messages must mean. HAZARDS (wire protocol) are numbered at the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/owed.h"

/* Pushes by letter: P B D(escribe statement) O(describe portal) C E S Q F, hidden when lower case;
 * i an interjection, s a skippable one, '.' CopyDone. Tags are the letters' places, from 1. */
static void push(weir_pg_owed *q, const char *script)
{
    static const char letters[] = "QPBDOCESF";
    for (size_t i = 0; script[i]; i++) {
        char c = script[i];
        if (c == 'i' || c == 's' || c == '.') {
            if (c == '.')
                weir_pg_owed_copy_ended(q);
            else
                assert_int_equal(weir_pg_owed_interject(q, weir_slice_make(&c, 1), c == 's'), 0);
            continue;
        }
        bool hidden = c >= 'a';
        const char *at = strchr(letters, hidden ? c - 'a' + 'A' : c);
        assert_non_null(at);
        weir_pg_owed_kind kind = (weir_pg_owed_kind)(at - letters);
        assert_int_equal(weir_pg_owed_push(q, kind, hidden, i + 1), 0);
    }
}

/* What is given out and skipped now, as letters: interjections as they are, then "-" and the tags
 * of the skipped. */
static void drain(weir_pg_owed *q, char *ret)
{
    weir_slice bytes;
    weir_pg_owed_skipped skipped;
    while (weir_pg_owed_next_interjection(q, &bytes))
        *ret++ = (char)bytes.data[0];
    bool tags[64] = {false};
    bool any = false;
    while (weir_pg_owed_next_skipped(q, &skipped))
        if (skipped.kind != WEIR_PG_OWED_INTERJECTION)
            any = tags[skipped.tag] = true;
    if (any)
        *ret++ = '-';
    for (int i = 0; i < 64; i++)
        if (tags[i])
            *ret++ = (char)('0' + i);
    *ret = '\0';
}

/* Feeds server messages and compares with what is expected of each, separated by spaces: the
 * message's type; '+' forwarded or '/' dropped; the tag of an entry that it completes; then what is
 * drained. Example: "1+1 2+2 E+3-45" */
static void expect(weir_pg_owed *q, const char *script)
{
    char got[512] = "", drained[80];
    size_t len = 0;
    for (size_t i = 0; script[i]; i += strcspn(script + i, " "), i += script[i] == ' ') {
        weir_pg_owed_verdict v;
        assert_int_equal(weir_pg_owed_on(q, (uint8_t)script[i], &v), 0);
        drain(q, drained);
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%c%c", len ? " " : "", script[i],
                                v.forward ? '+' : '/');
        if (v.completes)
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%u", (unsigned)v.tag);
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s", drained);
        assert_true(len < sizeof(got));
    }
    assert_string_equal(got, script);
}

static const struct {
    const char *name, *sent, *got, *sent_then, *got_then;
} exchanges[] = {
    {"a query", "Q", "T+ D+ D+ C+ Z+1", "", ""},
    {"several statements in one query", "Q", "T+ D+ C+ C+ I+ H+ d+ c+ C+ Z+1", "", ""},
    {"the extended protocol", "PDBOES", "1+1 t+ T+2 2+3 T+4 D+ C+5 Z+6", "", ""},
    {"a suspended portal", "BES", "2+1 D+ s+2 Z+3", "", ""},
    {"hidden messages between the client's", "pBcES", "1/1 2+2 3/3 D+ C+4 Z+5", "", ""},
    {"a hidden query", "q", "T/ D/ C/ Z/1", "", ""},
    {"a hidden query that fails", "qQ", "E/1 Z/1 C+ Z+2", "", ""},
    {"a function call", "F", "V+ Z+1", "", ""},
    {"HAZARD 3: an error skips to Sync, queries and calls too", "PBEQFSQ", "1+1 E+2-345 Z+6 C+ Z+7",
     "", ""},
    {"HAZARD 3: an error in a query skips nothing", "QPS", "T+ E+1 Z+1 1+2 Z+3", "", ""},
    {"HAZARD 3: an error while Sync commits skips nothing", "SPS", "E+1 Z+1 1+2 Z+3", "", ""},
    {"an error in a function call skips nothing", "FS", "E+1 Z+1 Z+2", "", ""},
    {"HAZARD 3: the Sync comes after the error", "PB", "E+1-2", "EQS", "Z+3"},
    {"a hidden Parse fails for the client", "pBES", "E+1-23 Z+4", "", ""},
    {"a batch of ours fails", "pcsS", "E+1-2 Z+4", "", ""},
    {"HAZARD 8: asynchronous messages consume nothing", "PQ", "S+ A+ N+ 1+1 N+ S+ C+ A+ Z+2", "",
     ""},
    {"notices of our own query stay with us", "q", "N/ S+ Z/1", "", ""},
    {"HAZARD 4: an interjection waits for its turn", "QiQ", "C+ Z+1i C+ Z+3", "", ""},
    {"HAZARD 1: a faked reply is swallowed by an error", "PsBiES", "E+1i-35 Z+6", "", ""},
    {"HAZARD 5: COPY IN by query", "Q", "G+", ".", "C+ Z+1"},
    {"HAZARD 5: COPY IN by query fails", "Q", "G+ E+1 Z+1", ".Q", "C+ Z+2"},
    {"HAZARD 5: two COPY IN in one query, sent ahead", "Q..Q", "G+ C+ G+ C+ Z+1 C+ Z+4", "", ""},
    {"HAZARD 5: libpq's COPY: Sync before the data is ignored", "BES", "2+1 G+", ".S", "C+2 Z+2"},
    {"HAZARD 5: COPY IN sent ahead", "ES.SQ", "G+ C+1 Z+4 C+ Z+5", "", ""},
    {"HAZARD 5: COPY IN by Execute fails", "E", "G+ E+1", ".S", "Z+2"},
    {"HAZARD 5: COPY refused before it began, Sync answered", "ES.S", "E+1 Z+2 Z+4", "", ""},
    {"COPY OUT", "ES", "H+ d+ c+ C+1 Z+2", "", ""},
    {"COPY BOTH", "Q", "W+ d+ c+ C+ Z+1", "", ""},
};

static void test_owed_knows_each_exchange(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        weir_pg_owed q;
        char drained[80];
        weir_pg_owed_init(&q, 64);
        push(&q, exchanges[i].sent);
        drain(&q, drained);
        assert_string_equal(drained, "");
        expect(&q, exchanges[i].got);
        push(&q, exchanges[i].sent_then);
        drain(&q, drained); /* what was pushed while skipping */
        expect(&q, exchanges[i].got_then);
        if (!weir_pg_owed_is_empty(&q) || weir_pg_owed_count(&q) || weir_pg_owed_ready_count(&q))
            fail_msg("not empty after: %s", exchanges[i].name);
        assert_true(weir_pg_owed_is_at_rest(&q));
        weir_pg_owed_fini(&q);
    }
}

/* HAZARD 1: a reply that nothing asked for; the connection is never lent again. */
static void test_owed_notices_misalignment(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *got;
        char wrong;
    } cases[] = {
        {"", "", 'Z'},         {"", "", '1'},        {"", "", 'D'},     {"", "", 'C'},
        {"P", "", '2'},        {"P", "", 'Z'},       {"P", "1+1", '1'}, {"B", "", '1'},
        {"C", "", 'C'},        {"D", "", 'T'},       {"D", "t+", 't'},  {"O", "", 't'},
        {"E", "", 'T'},        {"E", "C+1", 'C'},    {"S", "", 'C'},    {"F", "", 'D'},
        {"Q", "", 's'},        {"Q", "E+1", 'D'},    {"Q", "E+1", 'C'}, {"Q", "Z+1", 'Z'},
        {"PES", "E+1-2", 'C'}, {"PE", "E+1-2", 'Z'}, {"Q", "", 'R'},    {"Q", "", 'K'},
        {"Q", "", 'v'},        {"Q", "", '\0'},      {"S", "", '\xff'}, {"F", "E+1", 'V'},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_pg_owed q;
        weir_pg_owed_verdict v;
        weir_pg_owed_init(&q, 64);
        push(&q, cases[i].sent);
        expect(&q, cases[i].got);
        assert_int_equal(weir_pg_owed_on(&q, (uint8_t)cases[i].wrong, &v), -EPROTO);
        assert_true(weir_pg_owed_is_doubtful(&q));
        assert_false(weir_pg_owed_is_empty(&q));
        assert_false(weir_pg_owed_is_at_rest(&q));
        weir_pg_owed_fini(&q);
    }
}

/* HAZARD 2: Flush without Sync, suspended portals, skipping: nothing is owed, yet not at rest. */
static void test_owed_is_not_at_rest_before_the_sync(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *got;
    } cases[] = {
        {"P", "1+1"}, {"BE", "2+1 s+2"}, {"P", "E+1"}, {"SP", "Z+1 1+2"}, {"QC", "Z+1 3+2"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_pg_owed q;
        weir_pg_owed_init(&q, 64);
        push(&q, cases[i].sent);
        expect(&q, cases[i].got);
        assert_true(weir_pg_owed_is_empty(&q));
        assert_false(weir_pg_owed_is_at_rest(&q));
        push(&q, "S");
        expect(&q, "Z+1");
        assert_true(weir_pg_owed_is_at_rest(&q));
        weir_pg_owed_fini(&q);
    }
}

/* HAZARD 5: the Sync that libpq sends right behind the Execute did not end the batch. */
static void test_owed_ignored_sync_does_not_end_the_batch(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 64);
    push(&q, "ES");
    assert_int_equal(weir_pg_owed_ready_count(&q), 1);
    expect(&q, "G+");
    assert_int_equal(weir_pg_owed_ready_count(&q), 0);
    push(&q, ".");
    expect(&q, "C+1");
    assert_true(weir_pg_owed_is_empty(&q));
    assert_false(weir_pg_owed_is_at_rest(&q));
    weir_pg_owed_fini(&q);
}

/* Which Syncs the server read before the error cannot be known: never lend it again. */
static void test_owed_doubts_an_error_in_copy_with_syncs(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 64);
    push(&q, "ES");
    expect(&q, "G+ E+1");
    assert_true(weir_pg_owed_is_doubtful(&q));
    push(&q, "S"); /* the client is still served */
    expect(&q, "Z+1");
    assert_false(weir_pg_owed_is_at_rest(&q));
    weir_pg_owed_fini(&q);
}

/* As PostgreSQL does when a BEFORE STATEMENT trigger fails: the early Sync was not ignored. */
static void test_owed_passes_on_a_ready_that_was_in_doubt(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_verdict v;
    weir_pg_owed_init(&q, 64);
    push(&q, "ES");
    expect(&q, "G+ E+1 Z+0");
    push(&q, ".S");
    expect(&q, "Z+2");
    assert_true(weir_pg_owed_is_doubtful(&q));
    assert_int_equal(weir_pg_owed_on(&q, 'Z', &v), -EPROTO);
    weir_pg_owed_fini(&q);
}

static void test_owed_doubts_a_server_that_ends_the_session(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 64);
    expect(&q, "E+");
    assert_true(weir_pg_owed_is_doubtful(&q));
    weir_pg_owed_fini(&q);
    weir_pg_owed_init(&q, 64);
    push(&q, "Q");
    expect(&q, "G+");
    push(&q, "P"); /* not a message for COPY IN */
    assert_true(weir_pg_owed_is_doubtful(&q));
    weir_pg_owed_fini(&q);
}

static void test_owed_a_swallowed_interjection_is_reported(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_verdict v;
    weir_pg_owed_skipped skipped;
    weir_pg_owed_init(&q, 0);
    push(&q, "Ps");
    assert_int_equal(weir_pg_owed_on(&q, 'E', &v), 0);
    assert_true(weir_pg_owed_next_skipped(&q, &skipped));
    assert_int_equal(skipped.kind, WEIR_PG_OWED_INTERJECTION);
    assert_int_equal(skipped.tag, 's');
    assert_false(weir_pg_owed_next_skipped(&q, &skipped));
    assert_true(weir_pg_owed_is_skipping(&q));
    push(&q, "S");
    assert_false(weir_pg_owed_is_skipping(&q));
    weir_pg_owed_fini(&q);
}

static void test_owed_interjection_with_nothing_owed_comes_at_once(void **state)
{
    (void)state;
    weir_pg_owed q;
    char drained[80];
    weir_pg_owed_init(&q, 64);
    push(&q, "isi");
    assert_false(weir_pg_owed_is_empty(&q));
    drain(&q, drained);
    assert_string_equal(drained, "isi");
    assert_true(weir_pg_owed_is_empty(&q));
    push(&q, "PBE");
    expect(&q, "E+1-23");
    push(&q, "si"); /* skipping: the first is what the server would not have said */
    drain(&q, drained);
    assert_string_equal(drained, "i");
    weir_pg_owed_fini(&q);
}

static void test_owed_is_bounded_and_gives_memory_back(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 1000);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 1000; i++)
            assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_PARSE, false, i), 0);
        assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_PARSE, false, 0), -ENOSPC);
        assert_int_equal(weir_pg_owed_interject(&q, WEIR_SLICE_LIT("x"), false), -ENOSPC);
        assert_non_null(q.large);
        for (uint64_t i = 0; i < 1000; i++) {
            weir_pg_owed_verdict v;
            assert_int_equal(weir_pg_owed_on(&q, '1', &v), 0);
            assert_int_equal(v.tag, i);
        }
        assert_null(q.large);
    }
    weir_pg_owed_fini(&q);
}

/* Freed with entries of every kind inside (the sanitizer watches). */
static void test_owed_fini_frees_what_waits(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_slice bytes;
    weir_pg_owed_init(&q, 64);
    push(&q, "iPsiBQsiSiPsE");
    assert_true(weir_pg_owed_next_interjection(&q, &bytes));
    weir_pg_owed_verdict v;
    assert_int_equal(weir_pg_owed_on(&q, 'E', &v), 0);
    weir_pg_owed_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owed_knows_each_exchange),
        cmocka_unit_test(test_owed_notices_misalignment),
        cmocka_unit_test(test_owed_is_not_at_rest_before_the_sync),
        cmocka_unit_test(test_owed_ignored_sync_does_not_end_the_batch),
        cmocka_unit_test(test_owed_doubts_an_error_in_copy_with_syncs),
        cmocka_unit_test(test_owed_passes_on_a_ready_that_was_in_doubt),
        cmocka_unit_test(test_owed_doubts_a_server_that_ends_the_session),
        cmocka_unit_test(test_owed_a_swallowed_interjection_is_reported),
        cmocka_unit_test(test_owed_interjection_with_nothing_owed_comes_at_once),
        cmocka_unit_test(test_owed_is_bounded_and_gives_memory_back),
        cmocka_unit_test(test_owed_fini_frees_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
