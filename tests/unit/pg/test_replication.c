/* Reading a logical replication stream: messages made by hand from the documentation, some recorded
 * from PostgreSQL 15.20, and what is cut short or has something left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pgoutput.h"
#include "proto/pg/replication.h"

static weir_slice body_of(weir_slice payload)
{
    weir_pg_stream s;
    assert_int_equal(weir_pg_stream_read(payload, &s), 0);
    assert_int_equal(s.kind, WEIR_PG_STREAM_DATA);
    return s.body;
}

static weir_pg_change change_of(weir_slice payload)
{
    weir_pg_change c = {0};
    assert_int_equal(weir_pg_change_read(body_of(payload), &c), 0);
    return c;
}

static void is_text(weir_slice s, const char *text)
{
    assert_true(weir_slice_eq_cstr(s, text));
}

static void is_row(weir_pg_tuple t, const char *expected)
{
    char text[256] = "";
    weir_pg_tuple_value v;
    size_t pos = 0;
    unsigned count = 0;
    for (; weir_pg_tuple_next(t.values, &pos, &v); count++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof(text) - n, "%s%.*s", count ? "|" : "",
                       v.kind == WEIR_PG_VALUE_TEXT ? (int)v.bytes.len : 1,
                       v.kind == WEIR_PG_VALUE_NULL        ? "~"
                       : v.kind == WEIR_PG_VALUE_UNCHANGED ? "?"
                                                           : (const char *)v.bytes.data);
    }
    assert_int_equal(count, t.count);
    assert_string_equal(text, expected);
}

static void test_a_keepalive_says_how_far_the_server_has_sent(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_stream s;
    assert_int_equal(weir_pg_stream_read(pgoutput_keepalive(&p, 0x123456789ab, true), &s), 0);
    assert_int_equal(s.kind, WEIR_PG_STREAM_KEEPALIVE);
    assert_int_equal(s.position, 0x123456789ab);
    assert_int_equal(s.sent_at, 0x4444);
    assert_true(s.reply);
    assert_int_equal(weir_pg_stream_read(pgoutput_keepalive(&p, 1, false), &s), 0);
    assert_false(s.reply);
}

static void test_a_commit_has_its_end_beside_its_beginning(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_change c = change_of(pgoutput_begin(&p, 0x16B374D848, 0xfffffffe));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_BEGIN);
    assert_int_equal(c.u.begin.final, 0x16B374D848);
    assert_int_equal(c.u.begin.xid, 0xfffffffe);
    c = change_of(pgoutput_commit(&p, 0x16B374D848, 0x16B374D878));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_COMMIT);
    assert_int_equal(c.u.commit.begins, 0x16B374D848);
    assert_int_equal(c.u.commit.ends, 0x16B374D878);
}

static void test_a_relation_has_columns_and_an_identity(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_relation_column col;
    size_t pos = 0;
    weir_pg_change c =
        change_of(pgoutput_relation(&p, 16385, "public", "users", 'd', "*id/23 name/25"));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_RELATION);
    assert_int_equal(c.u.relation.oid, 16385);
    is_text(c.u.relation.schema, "public");
    is_text(c.u.relation.name, "users");
    assert_int_equal(c.u.relation.identity, 'd');
    assert_int_equal(c.u.relation.count, 2);
    assert_true(weir_pg_relation_column_next(c.u.relation.columns, &pos, &col));
    is_text(col.name, "id");
    assert_true(col.key && col.type == 23 && col.typmod == -1);
    assert_true(weir_pg_relation_column_next(c.u.relation.columns, &pos, &col));
    is_text(col.name, "name");
    assert_true(!col.key && col.type == 25);
    assert_false(weir_pg_relation_column_next(c.u.relation.columns, &pos, &col));
}

static void test_rows_come_whole_by_key_and_new(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_change c = change_of(pgoutput_insert(&p, 7, "1|~|abc"));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_INSERT);
    assert_int_equal(c.u.row.oid, 7);
    is_row(c.u.row.new, "1|~|abc");
    c = change_of(pgoutput_update(&p, 7, 0, NULL, "1|?|x"));
    assert_int_equal(c.u.row.old_kind, WEIR_PG_OLD_NONE);
    is_row(c.u.row.new, "1|?|x");
    c = change_of(pgoutput_update(&p, 7, 'K', "1|~|~", "2|y|x"));
    assert_int_equal(c.u.row.old_kind, WEIR_PG_OLD_KEY);
    is_row(c.u.row.old, "1|~|~");
    is_row(c.u.row.new, "2|y|x");
    c = change_of(pgoutput_delete(&p, 7, 'O', "1|a|b"));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_DELETE);
    assert_int_equal(c.u.row.old_kind, WEIR_PG_OLD_WHOLE);
    is_row(c.u.row.old, "1|a|b");
}

static void test_truncate_lists_its_relations(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_change c = change_of(pgoutput_truncate(&p, 5, 6));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_TRUNCATE);
    assert_int_equal(c.u.truncate.count, 2);
    assert_int_equal(c.u.truncate.flags, 1);
    assert_int_equal(weir_pg_truncated(c.u.truncate.oids, 0), 5);
    assert_int_equal(weir_pg_truncated(c.u.truncate.oids, 1), 6);
}

static void test_messages_origins_and_types(void **state)
{
    (void)state;
    pgoutput p;
    weir_pg_change c = change_of(pgoutput_message(&p, true, "weir", "heartbeat:1"));
    assert_int_equal(c.kind, WEIR_PG_CHANGE_MESSAGE);
    assert_true(c.u.message.transactional);
    is_text(c.u.message.prefix, "weir");
    is_text(c.u.message.content, "heartbeat:1");
    c = change_of(pgoutput_message(&p, false, "", ""));
    assert_false(c.u.message.transactional);
    c = change_of(pgoutput_origin(&p, 9, "elsewhere"));
    is_text(c.u.origin.name, "elsewhere");
    c = change_of(pgoutput_type(&p, 77, "public", "mood"));
    is_text(c.u.type.name, "mood");
}

/* From PostgreSQL 15.20: INSERT INTO t VALUES (1, 'a', 'x'), id int PRIMARY KEY, k text, v text. */
static void test_recorded_bytes_of_a_server(void **state)
{
    (void)state;
    static const uint8_t relation[] = "R\x00\x00\x40\x00public\0t\0d\x00\x03"
                                      "\x01id\0\x00\x00\x00\x17\xff\xff\xff\xff"
                                      "\x00k\0\x00\x00\x00\x19\xff\xff\xff\xff"
                                      "\x00v\0\x00\x00\x00\x19\xff\xff\xff\xff";
    static const uint8_t insert[] = "I\x00\x00\x40\x00N\x00\x03t\x00\x00\x00\x01"
                                    "1t\x00\x00\x00\x01"
                                    "at\x00\x00\x00\x01x";
    weir_pg_change c;
    assert_int_equal(weir_pg_change_read(weir_slice_make(relation, sizeof(relation) - 1), &c), 0);
    assert_int_equal(c.u.relation.oid, 16384);
    assert_int_equal(c.u.relation.count, 3);
    assert_int_equal(weir_pg_change_read(weir_slice_make(insert, sizeof(insert) - 1), &c), 0);
    is_row(c.u.row.new, "1|a|x");
}

/* Every proper prefix fails, and so does every message with a byte behind it. */
static void check_exact(weir_slice body)
{
    weir_pg_change c;
    uint8_t longer[4097];
    for (size_t n = 0; n < body.len; n++) {
        uint8_t *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, body.data, n);
        assert_true(weir_pg_change_read(weir_slice_make(copy, n), &c) < 0);
        free(copy);
    }
    memcpy(longer, body.data, body.len);
    longer[body.len] = 0;
    assert_int_equal(weir_pg_change_read(weir_slice_make(longer, body.len + 1), &c), -EPROTO);
}

static void test_messages_that_are_cut_or_too_long_are_refused(void **state)
{
    (void)state;
    pgoutput p;
    check_exact(body_of(pgoutput_begin(&p, 1, 2)));
    check_exact(body_of(pgoutput_commit(&p, 1, 2)));
    check_exact(body_of(pgoutput_relation(&p, 1, "s", "t", 'f', "*a/23 b/25")));
    check_exact(body_of(pgoutput_insert(&p, 1, "a|~|?|bcd")));
    check_exact(body_of(pgoutput_update(&p, 1, 'K', "a|~", "b|c")));
    check_exact(body_of(pgoutput_delete(&p, 1, 'K', "a|~")));
    check_exact(body_of(pgoutput_truncate(&p, 1, 2)));
    check_exact(body_of(pgoutput_message(&p, true, "weir", "ddl")));
    check_exact(body_of(pgoutput_type(&p, 1, "a", "b")));
    check_exact(body_of(pgoutput_origin(&p, 1, "b")));
}

static void test_what_is_no_message_is_refused(void **state)
{
    (void)state;
    weir_pg_stream s;
    weir_pg_change c;
    pgoutput p;
    assert_int_equal(weir_pg_stream_read((weir_slice){0}, &s), -EPROTO);
    assert_int_equal(weir_pg_stream_read(WEIR_SLICE_LIT("x"), &s), -EPROTO);
    assert_int_equal(weir_pg_stream_read(WEIR_SLICE_LIT("w1234567"), &s), -EPROTO);
    weir_slice k = pgoutput_keepalive(&p, 1, true);
    p.bytes[k.len] = 0;
    assert_int_equal(weir_pg_stream_read(weir_slice_make(p.bytes, k.len + 1), &s), -EPROTO);
    /* Streamed transactions are of version 2 on. */
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("S\0\0\0\1\1"), &c), -EOPNOTSUPP);
    /* An update without a new row, a delete without an old one, a value of a kind that is none. */
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("U\0\0\0\1K\0\0X\0\0"), &c), -EPROTO);
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("D\0\0\0\1N\0\0"), &c), -EPROTO);
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("I\0\0\0\1N\0\1z"), &c), -EPROTO);
    /* Lengths beyond what is there. */
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("I\0\0\0\1N\0\1t\xff\xff\xff\xff"
                                                        "a"),
                                         &c),
                     -EPROTO);
    assert_int_equal(weir_pg_change_read(WEIR_SLICE_LIT("T\x40\0\0\1\0\0\0\0\1"), &c), -EPROTO);
}

static void test_a_status_says_what_has_come_and_what_is_done_with(void **state)
{
    (void)state;
    uint8_t out[WEIR_PG_STATUS_SIZE];
    static const uint8_t expected[] = "r\0\0\0\x16\xB3\x74\xD8\x48\0\0\0\x16\xB3\x74\xD8\x40"
                                      "\0\0\0\x16\xB3\x74\xD8\x40\0\0\0\0\0\0\0\5\1";
    weir_pg_write_status(out, 0x16B374D848, 0x16B374D840, 5, true);
    assert_memory_equal(out, expected, sizeof(out));
}

static void test_positions_are_read_as_they_are_printed(void **state)
{
    (void)state;
    uint64_t position = 0;
    assert_int_equal(weir_pg_position_read(WEIR_SLICE_LIT("16/B374D848"), &position), 0);
    assert_int_equal(position, 0x16B374D848);
    assert_int_equal(weir_pg_position_read(WEIR_SLICE_LIT("FFFFFFFF/ffffffff"), &position), 0);
    assert_true(position == UINT64_MAX);
    const char *bad[] = {"", "/", "1/", "/1", "1", "1/g", "123456789/1", "1/123456789", "1/2/3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(weir_pg_position_read(weir_slice_cstr(bad[i]), &position), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_keepalive_says_how_far_the_server_has_sent),
        cmocka_unit_test(test_a_commit_has_its_end_beside_its_beginning),
        cmocka_unit_test(test_a_relation_has_columns_and_an_identity),
        cmocka_unit_test(test_rows_come_whole_by_key_and_new),
        cmocka_unit_test(test_truncate_lists_its_relations),
        cmocka_unit_test(test_messages_origins_and_types),
        cmocka_unit_test(test_recorded_bytes_of_a_server),
        cmocka_unit_test(test_messages_that_are_cut_or_too_long_are_refused),
        cmocka_unit_test(test_what_is_no_message_is_refused),
        cmocka_unit_test(test_a_status_says_what_has_come_and_what_is_done_with),
        cmocka_unit_test(test_positions_are_read_as_they_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
