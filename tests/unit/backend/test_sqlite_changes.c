/* Row changes as ids: what each kind of statement reports at its commit. */
#include "recorder.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static harness h;
static recorder r;

static int set_up(void **state)
{
    (void)state;
    h = (harness){0};
    recorder_open(&r, &h, WEIR_SECOND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    recorder_close(&r, &h);
    return 0;
}

static void write_ok(const char *sql)
{
    expect_write(&h, sql, "", NULL);
}

/* Runs it, with nothing reported before, and compares. */
static void changes_of(const char *sql, const char *words)
{
    recorder_forget(&r);
    write_ok(sql);
    expect_changes(&r, words);
}

static void track(const char *relation, const char *column)
{
    recorder_track(&r, &h, relation, column);
}

static void test_insert_update_and_delete_give_old_and_new_values(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)");
    track("T", "A");
    track("t", "id");
    changes_of("INSERT INTO t VALUES (1, 'x', 0), (2, 'y', 0)", "t t.id=1 t.id=2 t.a='x' t.a='y'");
    changes_of("UPDATE t SET a = 'z' WHERE id = 1", "t t.id=1 t.a='x' t.a='z'");
    changes_of("UPDATE t SET id = 7 WHERE id = 2", "t t.id=2 t.id=7 t.a='y'");
    changes_of("UPDATE t SET a = NULL WHERE id = 7", "t t.id=7 t.a='y'");
    changes_of("DELETE FROM t WHERE id = 7", "t t.id=7");
    changes_of("DELETE FROM t WHERE id = 99", "");
    changes_of("SELECT * FROM t", "");
    changes_of("INSERT INTO t VALUES (3, '', 0)", "t t.id=3 t.a=''");
}

static void test_affinity_has_been_applied(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(i INTEGER, r REAL, n NUMERIC, x TEXT, o)");
    track("t", "i");
    track("t", "r");
    track("t", "n");
    track("t", "x");
    track("t", "o");
    changes_of("INSERT INTO t VALUES ('5', '5', '1e2', 5, '5')",
               "t t.i=5 t.r=5 t.n=100 t.x='5' t.o='5'");
    changes_of("UPDATE t SET i = 5.0, r = 6.5, n = 'no', x = 1.5, o = 5",
               "t t.i=5 t.r=5 t.r=6.5 t.n=100 t.n='no' t.x='5' t.x='1.5' t.o='5' t.o=5");
    changes_of("UPDATE t SET r = 7, x = x'6162', o = zeroblob(0), n = NULL, i = -0.0",
               "t t.i=5 t.i=0 t.r=6.5 t.r=7.0 t.n='no' t.x='1.5' t.x=x'ab' t.o=5 t.o=x''");
    changes_of("DELETE FROM t", "t t.i=0 t.r=7 t.x=x'ab' t.o=x''");
}

/* Hazard: rows that REPLACE deletes are not given to the update hook. */
static void test_replace_reports_the_rows_it_deletes(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(k TEXT UNIQUE, v TEXT)");
    track("t", "v");
    write_ok("INSERT INTO t VALUES ('a', 'old'), ('b', 'bold')");
    changes_of("REPLACE INTO t VALUES ('a', 'new')", "t t.v='old' t.v='new'");
    changes_of("UPDATE OR REPLACE t SET k = 'a' WHERE k = 'b'", "t t.v='new' t.v='bold'");
    changes_of("INSERT INTO t VALUES ('a', 'up') ON CONFLICT (k) DO UPDATE SET v = excluded.v",
               "t t.v='bold' t.v='up'");
    changes_of("INSERT INTO t VALUES ('a', 'no') ON CONFLICT DO NOTHING", "");
}

static void test_triggers_and_cascades_report_what_they_change(void **state)
{
    (void)state;
    write_ok("CREATE TABLE p(id INTEGER PRIMARY KEY)");
    write_ok("CREATE TABLE c(p INTEGER REFERENCES p ON UPDATE CASCADE ON DELETE CASCADE)");
    write_ok("CREATE TABLE n(p INTEGER REFERENCES p ON UPDATE SET NULL ON DELETE SET NULL)");
    write_ok("CREATE TABLE l(what)");
    write_ok("CREATE TRIGGER g AFTER DELETE ON c BEGIN INSERT INTO l VALUES (old.p); END");
    track("c", "p");
    track("n", "p");
    track("l", "what");
    write_ok("INSERT INTO p VALUES (1), (2)");
    write_ok("INSERT INTO c VALUES (1)");
    write_ok("INSERT INTO n VALUES (1)");
    changes_of("UPDATE p SET id = 3 WHERE id = 1", "p c c.p=1 c.p=3 n n.p=1");
    write_ok("UPDATE n SET p = 3");
    changes_of("DELETE FROM p WHERE id = 3", "p c c.p=3 n n.p=3 l l.what=3");
}

static void test_a_view_with_instead_of_trigger_reports_its_tables(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a)");
    write_ok("CREATE VIEW v AS SELECT a FROM t");
    write_ok("CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a); END");
    track("t", "a");
    changes_of("INSERT INTO v VALUES (4)", "t t.a=4");
}

static void test_without_rowid_tables(void **state)
{
    (void)state;
    write_ok("CREATE TABLE w(a TEXT, b INT, c, PRIMARY KEY (b, a)) WITHOUT ROWID");
    track("w", "a");
    track("w", "b");
    track("w", "rowid"); /* it has none */
    changes_of("INSERT INTO w VALUES ('p', '7', 0)", "w w.a='p' w.b=7 w.rowid=*");
    changes_of("UPDATE w SET b = 8", "w w.a='p' w.b=7 w.b=8 w.rowid=*");
    changes_of("REPLACE INTO w VALUES ('p', 8, 1)", "w w.a='p' w.b=8 w.rowid=*");
    write_ok("CREATE TABLE x(a TEXT, b INT, c, PRIMARY KEY (b, a)) WITHOUT ROWID");
    track("x", "a");
    changes_of("INSERT INTO x SELECT * FROM w", "x x.a='p'");
    changes_of("DELETE FROM w", "w w.a='p' w.b=8 w.rowid=*");
}

static void test_rowid_as_key(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a)");
    write_ok("CREATE TABLE hides(rowid TEXT)");
    track("t", "rowid");
    track("hides", "rowid");
    changes_of("INSERT INTO t VALUES (5), (6)", "t t.rowid=1 t.rowid=2");
    changes_of("UPDATE t SET rowid = 9 WHERE a = 5", "t t.rowid=1 t.rowid=9");
    changes_of("DELETE FROM t WHERE a = 5", "t t.rowid=9");
    changes_of("INSERT INTO hides VALUES (5)", "hides hides.rowid='5'");
}

/* Hazard: SQLite clears a table at once when no hook, trigger or key stands in the way. */
static void test_delete_of_all_rows_reports_each(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a INTEGER PRIMARY KEY)");
    track("t", "a");
    write_ok("INSERT INTO t VALUES (1), (2), (3)");
    changes_of("DELETE FROM t", "t t.a=1 t.a=2 t.a=3");
}

/* Hazard: the hook gives NULL for a column that is younger than the row. */
static void test_added_column_with_default_is_not_known_in_old_rows(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(id INTEGER PRIMARY KEY)");
    write_ok("INSERT INTO t VALUES (1), (2), (3)");
    write_ok("ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'd'");
    write_ok("ALTER TABLE t ADD COLUMN n TEXT");
    track("t", "b");
    track("t", "n");
    changes_of("UPDATE t SET b = 'e', n = 'f' WHERE id = 1", "t t.b=* t.b='e' t.n='f'");
    changes_of("DELETE FROM t WHERE id = 2", "t t.b=*");
    changes_of("DELETE FROM t WHERE id = 1", "t t.b='e' t.n='f'");
    write_ok("CREATE TABLE u(id INTEGER PRIMARY KEY, b TEXT DEFAULT 'd', n TEXT)");
    track("u", "b");
    changes_of("INSERT INTO u SELECT * FROM t", "u u.b=*"); /* whole records are copied */
}

/* Hazard: the hook counts columns as they are stored, and VIRTUAL ones are not. */
static void test_columns_behind_a_virtual_one_are_not_known(void **state)
{
    (void)state;
    write_ok("CREATE TABLE g(a, s AS (a || 's') STORED, b, v AS (b), c)");
    track("g", "a");
    track("g", "s");
    track("g", "b");
    track("g", "v");
    track("g", "c");
    changes_of("INSERT INTO g(a, b, c) VALUES (1, 2, 3)", "g g.a=1 g.s=* g.b=2 g.v=* g.c=*");
    changes_of("UPDATE g SET c = 4", "g g.a=1 g.s=* g.b=2 g.v=* g.c=*");
}

static void test_utf16_texts_are_not_known(void **state)
{
    (void)state;
    sqlite3 *other = NULL;
    recorder_close(&r, &h);
    h = (harness){0};
    char path[] = "/tmp/weir-utf16-XXXXXX";
    assert_true(mkstemp(path) >= 0);
    assert_int_equal(sqlite3_open(path, &other), 0);
    assert_int_equal(
        sqlite3_exec(other, "PRAGMA encoding='UTF-16le'; CREATE TABLE t(a, b)", NULL, NULL, NULL),
        0);
    sqlite3_close(other);
    weir_sqlite_options o = {.path = path, .executors = 1};
    harness_open(&h, &o);
    recorder_open(&r, &h, WEIR_SECOND);
    track("t", "a");
    track("t", "b");
    changes_of("INSERT INTO t VALUES ('x', 5)", "t t.a=* t.b=5");
    changes_of("UPDATE t SET a = 6", "t t.a=* t.a=6 t.b=5");
    unlink(path);
}

static void test_schema_changes_are_everything(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a)");
    expect_everything(&r, true);
    write_ok("CREATE TABLE IF NOT EXISTS t(a)");
    expect_everything(&r, false);
    write_ok("DROP TABLE IF EXISTS nowhere");
    expect_everything(&r, false);
    write_ok("ALTER TABLE t RENAME TO u");
    expect_everything(&r, true);
    write_ok("CREATE INDEX i ON u(a)");
    expect_everything(&r, true);
    write_ok("VACUUM");
    expect_everything(&r, true);
    write_ok("REINDEX");
    expect_everything(&r, false);
    write_ok("PRAGMA user_version = 5");
    expect_everything(&r, false);
    write_ok("INSERT INTO u VALUES (1)");
    expect_everything(&r, false);
    write_ok("DROP TABLE u");
    expect_everything(&r, true);
}

static void test_columns_are_found_again_after_schema_changes(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a, b)");
    track("t", "b");
    changes_of("INSERT INTO t VALUES (1, 2)", "t t.b=2");
    write_ok("ALTER TABLE t DROP COLUMN a");
    changes_of("INSERT INTO t VALUES (3)", "t t.b=3");
    write_ok("DROP TABLE t");
    write_ok("CREATE TABLE t(b, a)");
    changes_of("INSERT INTO t VALUES (4, 5)", "t t.b=4");
    write_ok("ALTER TABLE t RENAME COLUMN b TO c");
    changes_of("INSERT INTO t VALUES (6, 7)", "t t.b=*");
    write_ok("ALTER TABLE t RENAME COLUMN a TO b");
    changes_of("INSERT INTO t VALUES (8, 9)", "t t.b=9");
}

static void test_virtual_tables_report_their_shadows(void **state)
{
    (void)state;
    write_ok("CREATE VIRTUAL TABLE f USING fts5(a)");
    recorder_forget(&r);
    write_ok("INSERT INTO f VALUES ('word')");
    assert_true(r.count > 2);
}

static void test_too_many_values_become_their_columns(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    track("t", "a");
    track("t", "b");
    recorder_forget(&r);
    write_ok("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
             "INSERT INTO t SELECT i, -i FROM n");
    assert_int_equal(r.everything, 0);
    assert_in_range(r.count, 65536, 65600);
    recorder_forget(&r);
    changes_of("UPDATE t SET b = 0 WHERE a = 5", "t t.a=5 t.b=-5 t.b=0");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_insert_update_and_delete_give_old_and_new_values),
        CASE(test_affinity_has_been_applied),
        CASE(test_replace_reports_the_rows_it_deletes),
        CASE(test_triggers_and_cascades_report_what_they_change),
        CASE(test_a_view_with_instead_of_trigger_reports_its_tables),
        CASE(test_without_rowid_tables),
        CASE(test_rowid_as_key),
        CASE(test_delete_of_all_rows_reports_each),
        CASE(test_added_column_with_default_is_not_known_in_old_rows),
        CASE(test_columns_behind_a_virtual_one_are_not_known),
        CASE(test_utf16_texts_are_not_known),
        CASE(test_schema_changes_are_everything),
        CASE(test_columns_are_found_again_after_schema_changes),
        CASE(test_virtual_tables_report_their_shadows),
        CASE(test_too_many_values_become_their_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
