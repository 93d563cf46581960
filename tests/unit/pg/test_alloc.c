/* Every allocation of the codec, of authentication and of the queue of owed replies fails once:
 * nothing is half done, nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failalloc.h"
#include "proto/pg/owed.h"
#include "proto/pg/pg.h"

/* Done, or out of memory for good reason. */
static bool done(int r)
{
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
    return r == 0;
}

static const char long_text[] =
    "SELECT a, b, c FROM a_table_with_a_long_name JOIN another_one USING (some_column) WHERE a > 1";

static int write_nth(weir_buf *out, unsigned n)
{
    static const weir_error err = {"22012", "division by zero", "a detail", "a hint"};
    static const weir_pg_column column = {.name = WEIR_SLICE_LIT("id"),
                                          .table_oid = 16384,
                                          .attribute = 1,
                                          .type_oid = 23,
                                          .type_size = 4,
                                          .type_modifier = -1};
    static const uint32_t oids[] = {1, 2, 3};
    weir_slice text = weir_slice_cstr(long_text);
    uint32_t version;
    switch (n) {
    case 0:
        return weir_pg_write_query(out, text);
    case 1:
        return weir_pg_write_parse(out, text, text, (weir_slice){0});
    case 2:
        return weir_pg_write_execute(out, text, 1);
    case 3:
        return weir_pg_write_error(out, "ERROR", &err);
    case 4:
        return weir_pg_write_row_description(out, &column, 1);
    case 5:
        return weir_pg_write_param_description(out, oids, 3);
    case 6:
        return weir_pg_write_startup(out, WEIR_PG_VERSION_3_2, WEIR_SLICE_LIT("user\0ann\0"));
    case 7:
        return weir_pg_negotiate(WEIR_PG_VERSION(3, 9),
                                 WEIR_SLICE_LIT("_pq_.x\0"
                                                "1\0"),
                                 out, &version);
    case 8:
        return weir_pg_write_copy_response(out, WEIR_PG_B_COPY_IN, 0, 40);
    default:
        return weir_pg_write_copy_data(out, text);
    }
}

static void run_writers(void *user)
{
    (void)user;
    for (unsigned n = 0; n < 10; n++) {
        weir_buf out;
        weir_buf_init(&out, 4096);
        if (!done(write_nth(&out, n)))
            assert_int_equal(out.len, 0);
        size_t len = out.len;
        if (!done(write_nth(&out, n)))
            assert_int_equal(out.len, len);
        weir_buf_fini(&out);
    }
}

static void run_row(void *user)
{
    (void)user;
    weir_buf out;
    size_t mark;
    weir_buf_init(&out, 4096);
    if (done(weir_pg_row_begin(&out, 2, &mark)) &&
        done(weir_pg_row_cell(&out, weir_slice_cstr(long_text))) && done(weir_pg_row_null(&out)) &&
        done(weir_pg_row_end(&out, mark)))
        assert_int_equal(out.len, 5 + 2 + 4 + sizeof(long_text) - 1 + 4);
    weir_buf_fini(&out);
}

static void run_auth(void *user)
{
    (void)user;
    static const uint8_t random[32] = "0123456789abcdefghijklmnopqrstu", key[32] = {1};
    weir_pg_auth_server server = {0};
    weir_pg_auth_client client = {.user = WEIR_SLICE_LIT("ann"), .password = WEIR_SLICE_LIT("pw")};
    weir_buf to_client, to_server;
    weir_error err;
    weir_buf_init(&to_client, 4096);
    weir_buf_init(&to_server, 4096);
    bool ok = done(weir_pg_auth_server_begin(&server, WEIR_PG_AUTH_SCRAM, WEIR_SLICE_LIT("ann"),
                                             "pw", NULL, random, key, &to_client));
    weir_pg_frame f;
    while (ok && server.state != WEIR_PG_AUTH_DONE) {
        assert_int_equal(weir_pg_frame_next(weir_buf_slice(&to_client), 4096, &f), 0);
        ok = done(weir_pg_auth_client_feed(&client, f.body, &to_server, &err));
        weir_buf_clear(&to_client);
        if (!ok)
            break;
        assert_int_equal(weir_pg_frame_next(weir_buf_slice(&to_server), 4096, &f), 0);
        ok = done(weir_pg_auth_server_feed(&server, f.body, &to_client));
        weir_buf_clear(&to_server);
        assert_true(ok || to_client.len == 0);
    }
    weir_buf_fini(&to_client);
    weir_buf_fini(&to_server);
}

static void run_owed(void *user)
{
    (void)user;
    weir_pg_owed q;
    size_t owed = 0;
    weir_pg_owed_init(&q, 100);
    for (uint64_t i = 0; i < 30; i++) {
        owed += done(weir_pg_owed_push(&q, WEIR_PG_OWED_PARSE, false, i));
        (void)done(weir_pg_owed_interject(&q, WEIR_SLICE_LIT("late"), i % 2));
        assert_int_equal(weir_pg_owed_count(&q), owed);
    }
    weir_slice bytes;
    weir_pg_owed_verdict v;
    for (; owed > 0; owed--) {
        while (weir_pg_owed_next_interjection(&q, &bytes))
            assert_true(weir_slice_eq_cstr(bytes, "late"));
        assert_int_equal(weir_pg_owed_on(&q, '1', &v), 0);
    }
    weir_pg_owed_fini(&q);
}

/* What is not entered is not sent, and answered all the same when the connection ends. */
static void run_owed_ready(void *user)
{
    (void)user;
    static const weir_pg_owed_kind kinds[] = {WEIR_PG_OWED_QUERY, WEIR_PG_OWED_SYNC,
                                              WEIR_PG_OWED_FUNCTION, WEIR_PG_OWED_EXECUTE};
    size_t ready = 0;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 100);
    for (unsigned i = 0; i < 60; i++) {
        (void)done(weir_pg_owed_push(&q, kinds[i % 4], i % 3 == 0, 0));
        ready += i % 3 != 0 && kinds[i % 4] != WEIR_PG_OWED_EXECUTE; /* hidden: nobody's */
        assert_int_equal(weir_pg_owed_ready_count(&q), ready);
    }
    weir_pg_owed_fini(&q);
}

static void test_pg_answers_for_what_found_no_room(void **state)
{
    (void)state;
    weir_pg_owed q;
    weir_pg_owed_init(&q, 2);
    assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_EXECUTE, false, 0), 0);
    assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_SYNC, false, 0), 0);
    assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_QUERY, false, 0), -ENOSPC);
    assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_QUERY, true, 0), -ENOSPC);
    assert_int_equal(weir_pg_owed_push(&q, WEIR_PG_OWED_EXECUTE, false, 0), -ENOSPC);
    assert_int_equal(weir_pg_owed_ready_count(&q), 2);
    weir_pg_owed_fini(&q);
}

static void test_pg_survives_each_failing_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, run_writers, NULL) > 0);
    assert_true(weir_failalloc_each(100, run_row, NULL) > 0);
    assert_true(weir_failalloc_each(100, run_auth, NULL) > 0);
    assert_true(weir_failalloc_each(100, run_owed, NULL) > 0);
    assert_true(weir_failalloc_each(100, run_owed_ready, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pg_survives_each_failing_allocation),
        cmocka_unit_test(test_pg_answers_for_what_found_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
