/* The catalog excerpt that comes with a statement's accesses, and its fingerprint. */
#include "backend/sqlite/catalog.h"
#include "harness.h"
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The newest report, as words: "t table(id:number b:text) rowid=id; v view(…)". */
typedef struct report {
    pthread_mutex_t lock;
    char text[256];
    char words[1024];
    uint64_t fingerprint;
    unsigned count;
} report;

static harness h;
static report seen;

static void append(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void append(const char *format, ...)
{
    va_list args;
    size_t len = strlen(seen.words);
    va_start(args, format);
    vsnprintf(seen.words + len, sizeof(seen.words) - len, format, args);
    va_end(args);
}

static void append_relation(const weir_relation_info *info)
{
    static const char *const kinds[] = {"table",    "view",   "virtual",
                                        "function", "system", "unknown"};
    static const char *const keys[] = {"none", "number", "text", "blob"};
    append("%s%s %s(", seen.words[0] ? "; " : "", (const char *)info->name.data, kinds[info->kind]);
    for (size_t i = 0; i < info->column_count; i++)
        append("%s%s:%s", i ? " " : "", (const char *)info->columns[i].name.data,
               keys[info->columns[i].key]);
    append(")%s", info->rowid ? " rowid" : "");
    if (info->rowid_alias.len)
        append("=%.*s", (int)info->rowid_alias.len, (const char *)info->rowid_alias.data);
}

static void on_accesses(void *user, weir_slice text, const weir_access *accesses, size_t count,
                        const weir_catalog *catalog)
{
    (void)user;
    (void)accesses;
    (void)count;
    pthread_mutex_lock(&seen.lock);
    snprintf(seen.text, sizeof(seen.text), "%.*s", (int)text.len, (const char *)text.data);
    seen.words[0] = '\0';
    seen.count++;
    if (!catalog)
        append("no catalog");
    for (size_t i = 0; catalog && i < catalog->count; i++)
        append_relation(&catalog->relations[i]);
    seen.fingerprint = catalog ? catalog->fingerprint : 0;
    pthread_mutex_unlock(&seen.lock);
}

static int set_up(void **state)
{
    (void)state;
    weir_sqlite_options o = {.executors = 2, .on_accesses = on_accesses};
    seen = (report){.count = 0};
    pthread_mutex_init(&seen.lock, NULL);
    harness_open(&h, &o);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&h);
    pthread_mutex_destroy(&seen.lock);
    return 0;
}

static void write_ok(const char *sql)
{
    expect_write(&h, sql, "", NULL);
}

static void expect_words(const char *sql, const char *words)
{
    write_ok(sql);
    assert_string_equal(seen.text, sql);
    assert_string_equal(seen.words, words);
    assert_true(seen.fingerprint != 0);
}

static uint64_t fingerprint_of(weir_conn *conn, const char *sql)
{
    statement s;
    statement_init(&h, &s, sql);
    statement_execute(&s, conn);
    harness_wait(&h);
    assert_true(s.exec.outcome.ok);
    statement_fini(&s);
    return s.exec.outcome.fingerprint;
}

static void test_affinities_and_collations(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a INT, b VARCHAR(5), c BLOB, d REAL, e DECIMAL(4,2), f, g TEXT "
             "COLLATE NOCASE, h AS (a), i AS (b) STORED, j CHARINT, k TEXT COLLATE RTRIM, "
             "l ANY, m floating, n TEXT COLLATE binary)");
    expect_words("SELECT a FROM t",
                 "t table(a:number b:text c:blob d:number e:number f:blob g:none h:none i:none "
                 "j:number k:none l:number m:number n:text) rowid");
    write_ok("CREATE TABLE s(a ANY, b INT) STRICT");
    expect_words("SELECT b FROM s", "s table(a:blob b:number) rowid");
    assert_int_equal(weir_sqlite_key_type("POINT", false), WEIR_KEY_SQLITE_NUMERIC);
    assert_int_equal(weir_sqlite_key_type("BLOBBY TEXT", false), WEIR_KEY_SQLITE_TEXT);
}

static void test_rowids_and_their_aliases(void **state)
{
    (void)state;
    write_ok("CREATE TABLE a(x, id INTEGER PRIMARY KEY)");
    write_ok("CREATE TABLE b(id INTEGER PRIMARY KEY DESC)");
    write_ok("CREATE TABLE c(id INT PRIMARY KEY)");
    write_ok("CREATE TABLE d(id INTEGER PRIMARY KEY) WITHOUT ROWID");
    write_ok("CREATE TABLE e(x INTEGER, y INTEGER, PRIMARY KEY (x, y))");
    write_ok("CREATE TABLE f(id integer, PRIMARY KEY (id DESC))");
    write_ok("CREATE TABLE g(RowId TEXT)");
    expect_words("SELECT id FROM a", "a table(x:blob id:number) rowid=id");
    expect_words("SELECT id FROM b", "b table(id:number) rowid");
    expect_words("SELECT id FROM c", "c table(id:number) rowid");
    expect_words("SELECT id FROM d", "d table(id:number)");
    expect_words("SELECT x FROM e", "e table(x:number y:number) rowid");
    expect_words("SELECT id FROM f", "f table(id:number) rowid=id");
    expect_words("SELECT rowid FROM g", "g table(RowId:text)");
}

static void test_kinds_of_relations(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a)");
    write_ok("CREATE VIEW v AS SELECT a AS b FROM t");
    write_ok("CREATE VIRTUAL TABLE f USING fts5(w)");
    expect_words("SELECT b FROM v", "t table(a:blob) rowid; v view(b:none)");
    expect_words("SELECT name FROM sqlite_schema", "sqlite_master system()");
    expect_words("SELECT w FROM f", "f virtual(w:none f:none rank:none)");
    write_ok("SELECT count(*) FROM json_each('[1]')");
    assert_non_null(strstr(seen.words, "json_each function("));
    write_ok("SELECT id FROM f_docsize");
    assert_non_null(strstr(seen.words, "f_docsize virtual("));
    write_ok("WITH x AS (SELECT a FROM t) SELECT count(*) FROM x");
    assert_non_null(strstr(seen.words, "t table(a:blob) rowid"));
    expect_words("SELECT 1", "");
}

static void test_fingerprint_is_the_same_on_each_connection_until_the_schema_changes(void **state)
{
    (void)state;
    static const char sql[] = "SELECT a FROM t";
    write_ok("CREATE TABLE t(a TEXT)");
    weir_conn *one = harness_reader(&h);
    weir_conn *two = harness_reader(&h);
    uint64_t first = fingerprint_of(one, sql);
    assert_true(first != 0);
    assert_true(first == seen.fingerprint);
    assert_true(fingerprint_of(two, sql) == first);
    unsigned count = seen.count;
    assert_true(fingerprint_of(one, sql) == first);
    assert_int_equal(seen.count, count); /* it is prepared: nothing is read again */
    assert_true(fingerprint_of(one, "SELECT a, a FROM t") != 0);
    write_ok("CREATE TABLE elsewhere(x)");
    assert_true(fingerprint_of(one, sql) == first); /* prepared anew, with the same facts */
    write_ok("DROP TABLE t");
    write_ok("CREATE TABLE t(a TEXT COLLATE NOCASE)");
    uint64_t later = fingerprint_of(one, sql);
    assert_string_equal(seen.words, "t table(a:none) rowid");
    assert_true(later != 0 && later != first && later == seen.fingerprint);
    assert_true(fingerprint_of(two, sql) == later);
    harness_close_reader(&h, one);
    harness_close_reader(&h, two);
}

/* A version that was undone comes again, for another schema. */
static void test_undone_schema_is_forgotten(void **state)
{
    (void)state;
    claimer c;
    claimer_init(&h, &c, WEIR_TIME_NEVER);
    write_ok("CREATE TABLE t(x)");
    h.pending++;
    h.backend->ops->claim(h.backend, h.loop, &c.claim);
    harness_wait(&h);
    expect_run(&h, c.conn, "CREATE TABLE u(a INT)", "", "");
    expect_run(&h, c.conn, "SELECT a FROM u", "", "");
    assert_string_equal(seen.words, "u table(a:number) rowid");
    expect_run(&h, c.conn, "ROLLBACK", "", "");
    expect_run(&h, c.conn, "BEGIN", "", "");
    expect_run(&h, c.conn, "CREATE TABLE u(a TEXT)", "", "");
    expect_run(&h, c.conn, "SELECT a FROM u", "", "");
    assert_string_equal(seen.words, "u table(a:text) rowid");
    expect_run(&h, c.conn, "COMMIT", "", "");
    h.backend->ops->unclaim(h.backend, c.conn);
}

/* A statement in a transaction keeps to its snapshot's schema. */
static void test_snapshot_has_its_own_schema(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a TEXT)");
    weir_conn *conn = harness_reader(&h);
    uint64_t first = fingerprint_of(conn, "SELECT a FROM t");
    expect_run(&h, conn, "BEGIN", "", "");
    assert_true(fingerprint_of(conn, "SELECT a FROM t") == first);
    write_ok("ALTER TABLE t ADD COLUMN b");
    assert_true(fingerprint_of(conn, "SELECT a FROM t") == first);
    expect_run(&h, conn, "SELECT a FROM t WHERE 1", "", "");
    assert_string_equal(seen.words, "t table(a:text) rowid");
    expect_run(&h, conn, "COMMIT", "", "");
    assert_true(fingerprint_of(conn, "SELECT a FROM t") != first);
    assert_string_equal(seen.words, "t table(a:text b:blob) rowid");
    harness_close_reader(&h, conn);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_affinities_and_collations),
        CASE(test_rowids_and_their_aliases),
        CASE(test_kinds_of_relations),
        CASE(test_fingerprint_is_the_same_on_each_connection_until_the_schema_changes),
        CASE(test_undone_schema_is_forgotten),
        CASE(test_snapshot_has_its_own_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
