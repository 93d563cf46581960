/* The invariant of catalog/key.h against the real SQLite: whenever `column = ?` is true of a row,
 * the row's id and the operand's agree, or the operand has none; and the row's id is the same from
 * the preupdate hook, which is where changes come from, as from a SELECT. All pairs of values of
 * each affinity, by scan and by index, in databases of UTF-8 and UTF-16. */
#include "catalog/key.h"
#include "sqlite_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COLUMN 4711u
#define RANDOM_VALUES 300
#define ROWS_MAX 600

typedef struct shape {
    const char *declared;
    weir_key_type type;
    const char *encoding;
    bool index;
    bool rowid; /* is not found by the real -2^63, which is equal to it everywhere else */
} shape;

typedef struct bench {
    sqlite3 *db;
    weir_key_type type;
    bool rowid;
    uint64_t row[ROWS_MAX]; /* ids, by `n`; 0: NULL or not stored */
    uint64_t hook_old, hook_new;
    size_t agreed, absent;
} bench;

static void run(sqlite3 *db, const char *sql)
{
    char *words = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK)
        fail_msg("%s: %s", sql, words);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return stmt;
}

static uint64_t id_of(sqlite3_value *from)
{
    weir_value v = sqlite_values_of(from);
    uint64_t id = 0;
    int r = weir_key_of_row(COLUMN, &v, &id);
    assert_true(r == (v.type == WEIR_VALUE_NULL ? WEIR_KEY_ABSENT : 0));
    return id;
}

static void on_change(void *user, sqlite3 *db, int op, const char *database, const char *table,
                      sqlite3_int64 before, sqlite3_int64 after)
{
    (void)database, (void)table, (void)before, (void)after;
    bench *b = user;
    sqlite3_value *value = NULL;
    b->hook_old = b->hook_new = 0;
    if (op != SQLITE_INSERT) {
        assert_int_equal(sqlite3_preupdate_old(db, 0, &value), SQLITE_OK);
        b->hook_old = id_of(value);
    }
    if (op != SQLITE_DELETE) {
        assert_int_equal(sqlite3_preupdate_new(db, 0, &value), SQLITE_OK);
        b->hook_new = id_of(value);
    }
}

static void open_bench(bench *b, const shape *s)
{
    char sql[256];
    *b = (bench){.type = s->type, .rowid = s->rowid};
    assert_int_equal(sqlite3_open(":memory:", &b->db), SQLITE_OK);
    snprintf(sql, sizeof(sql), "PRAGMA encoding='%s'; CREATE TABLE t(c %s, n INTEGER);%s",
             s->encoding, s->declared, s->index ? "CREATE INDEX i ON t(c);" : "");
    run(b->db, sql);
    sqlite3_preupdate_hook(b->db, on_change, b);
}

/* A row without the value first, then an UPDATE to it: both ways of the hook. */
static void store(bench *b, sqlite3_stmt *insert, sqlite3_stmt *update, const weir_value *v, int n)
{
    sqlite3_stmt *by[] = {n % 2 ? update : insert, insert};
    if (n % 2) { /* 1000 + n: fits every column, the primary key too */
        sqlite3_bind_int(insert, 1, 1000 + n);
        sqlite3_bind_int(insert, 2, n);
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        sqlite3_reset(insert);
    }
    assert_int_equal(sqlite_values_bind(by[0], 1, v), SQLITE_OK);
    sqlite3_bind_int(by[0], 2, n);
    if (sqlite3_step(by[0]) == SQLITE_DONE)
        b->row[n] = b->hook_new;
    sqlite3_reset(by[0]);
}

static void fill(bench *b, size_t values)
{
    sqlite3_stmt *insert = prepare(b->db, "INSERT INTO t(c, n) VALUES (?1, ?2)");
    sqlite3_stmt *update = prepare(b->db, "UPDATE t SET c = ?1 WHERE n = ?2");
    uint64_t random = 88172645463325252ULL;
    char room[64];
    run(b->db, "BEGIN");
    for (size_t i = 0; i < values; i++) {
        weir_value v = sqlite_values_get(i, &random, room);
        store(b, insert, update, &v, (int)i);
    }
    run(b->db, "COMMIT");
    sqlite3_finalize(insert);
    sqlite3_finalize(update);
}

/* What a SELECT reads has the id that the hook reported. */
static void check_rows(bench *b)
{
    sqlite3_stmt *stmt = prepare(b->db, "SELECT c, n FROM t");
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        int n = sqlite3_column_int(stmt, 1);
        uint64_t id = id_of(sqlite3_column_value(stmt, 0));
        if (b->row[n] == 0) /* the UPDATE was refused: the row is as it was inserted */
            b->row[n] = id;
        assert_true(b->row[n] == id);
    }
    sqlite3_finalize(stmt);
}

static void check_match(bench *b, bool has_id, uint64_t id, int n, size_t operand)
{
    if (!has_id)
        b->absent++;
    else if (b->row[n] == id)
        b->agreed++;
    else
        fail_msg("operand %zu equals row %d, but their ids differ", operand, n);
}

static void check_operand(bench *b, sqlite3_stmt *query, const weir_value *v, size_t operand)
{
    uint64_t id = 0;
    bool matched[ROWS_MAX] = {false};
    bool has_id = weir_key_of_operand(COLUMN, b->type, v, &id) == 0;
    assert_int_equal(sqlite_values_bind(query, 1, v), SQLITE_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
        int n = sqlite3_column_int(query, 0);
        matched[n] = true;
        check_match(b, has_id, id, n, operand);
    }
    sqlite3_reset(query);
    for (int n = 0; has_id && n < ROWS_MAX; n++) { /* nor is an id coarser than `=` */
        if (!b->rowid && !matched[n] && b->row[n] == id)
            fail_msg("operand %zu and row %d have one id, but are not equal", operand, n);
    }
}

static void check_operands(bench *b, size_t values)
{
    sqlite3_stmt *query = prepare(b->db, "SELECT n FROM t WHERE c = ?1");
    uint64_t random = 88172645463325252ULL;
    char room[64];
    for (size_t i = 0; i < values; i++) {
        weir_value v = sqlite_values_get(i, &random, room);
        check_operand(b, query, &v, i);
    }
    sqlite3_finalize(query);
}

/* A row that goes reports the id that it came with. */
static void check_deletes(bench *b)
{
    sqlite3_stmt *stmt = prepare(b->db, "DELETE FROM t WHERE n = ?1");
    for (int n = 0; n < ROWS_MAX; n++) {
        b->hook_old = b->row[n];
        sqlite3_bind_int(stmt, 1, n);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        assert_true(b->hook_old == b->row[n]);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
}

static void check_shape(const shape *s)
{
    bench b;
    size_t values = sqlite_values_count() + RANDOM_VALUES;
    assert_true(values <= ROWS_MAX);
    open_bench(&b, s);
    fill(&b, values);
    check_rows(&b);
    check_operands(&b, values);
    check_deletes(&b);
    print_message("%-20s %-8s %-5s equal with id %5zu, without %5zu\n", s->declared, s->encoding,
                  s->index ? "index" : "scan", b.agreed, b.absent);
    assert_true(b.agreed > 100);
    sqlite3_close(b.db);
}

static void test_what_sqlite_calls_equal_has_one_id(void **state)
{
    (void)state;
    static const shape columns[] = {
        {.declared = "INTEGER", .type = WEIR_KEY_SQLITE_NUMERIC},
        {.declared = "REAL", .type = WEIR_KEY_SQLITE_NUMERIC},
        {.declared = "NUMERIC", .type = WEIR_KEY_SQLITE_NUMERIC},
        {.declared = "INTEGER PRIMARY KEY", .type = WEIR_KEY_SQLITE_NUMERIC, .rowid = true},
        {.declared = "TEXT", .type = WEIR_KEY_SQLITE_TEXT},
        {.declared = "BLOB", .type = WEIR_KEY_SQLITE_BLOB},
        {.declared = "", .type = WEIR_KEY_SQLITE_BLOB},
    };
    static const char *const encodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        for (size_t e = 0; e < 3; e++) {
            for (int index = 0; index < 2; index++) {
                shape s = columns[c];
                s.encoding = encodings[e];
                s.index = index;
                check_shape(&s);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_sqlite_calls_equal_has_one_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
