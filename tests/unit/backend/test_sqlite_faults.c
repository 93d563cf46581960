/* Group commit when the file system or memory fails, at every write and every sync in turn: who was
 * told that a write succeeded finds it exactly once, who was told that it failed finds nothing, and
 * the database goes on when the fault is over. */
#include "harness.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a file system that fails ---- */

typedef enum fault { NONE, SYNC, WRITE, FULL } fault;

typedef struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
} fault_file;

static sqlite3_vfs *real_vfs;
static _Atomic int fault_kind;
static _Atomic int fault_after; /* calls that still succeed */
static _Atomic int fault_lasts; /* calls that fail then */
static _Atomic int fault_hits;

static bool strikes(fault kind)
{
    int wanted = atomic_load(&fault_kind);
    if (wanted != (int)kind && !(wanted == FULL && kind == WRITE))
        return false;
    if (atomic_fetch_sub(&fault_after, 1) > 0)
        return false;
    if (atomic_fetch_sub(&fault_lasts, 1) <= 0)
        return false;
    atomic_fetch_add(&fault_hits, 1);
    return true;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((fault_file *)file)->real;
}

static int f_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    if (strikes(WRITE))
        return atomic_load(&fault_kind) == FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    return strikes(SYNC) ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_reserved(sqlite3_file *f, int *ret)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void f_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {.iVersion = 2, /* without memory mapping */
                                           .xClose = f_close,
                                           .xRead = f_read,
                                           .xWrite = f_write,
                                           .xTruncate = f_truncate,
                                           .xSync = f_sync,
                                           .xFileSize = f_size,
                                           .xLock = f_lock,
                                           .xUnlock = f_unlock,
                                           .xCheckReservedLock = f_reserved,
                                           .xFileControl = f_control,
                                           .xSectorSize = f_sector,
                                           .xDeviceCharacteristics = f_traits,
                                           .xShmMap = f_map,
                                           .xShmLock = f_shm_lock,
                                           .xShmBarrier = f_barrier,
                                           .xShmUnmap = f_unmap};

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
    fault_file *f = (fault_file *)file;
    (void)vfs;
    f->real = (sqlite3_file *)(f + 1);
    f->base.pMethods = NULL;
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, ret);
    if (f->real->pMethods)
        f->base.pMethods = &methods;
    return rc;
}

static sqlite3_vfs fault_vfs;

static int set_up(void **state)
{
    (void)state;
    real_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = *real_vfs;
    fault_vfs.zName = "weir-fault";
    fault_vfs.pNext = NULL;
    fault_vfs.szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile;
    fault_vfs.xOpen = v_open;
    return sqlite3_vfs_register(&fault_vfs, 1) == SQLITE_OK ? 0 : -1;
}

static void strike(fault kind, int after, int lasts)
{
    atomic_store(&fault_after, after);
    atomic_store(&fault_lasts, lasts);
    atomic_store(&fault_hits, 0);
    atomic_store(&fault_kind, kind);
}

/* ---- what is written ---- */

#define WRITES 12u

static void hold(harness *h, claimer *c)
{
    claimer_init(h, c, WEIR_TIME_NEVER);
    h->pending++;
    h->backend->ops->claim(h->backend, h->loop, &c->claim);
    harness_wait(h);
    assert_non_null(c->conn);
}

/* Rows of their own number, of which some fail in any case, all waiting at once. */
static void write_all(harness *h, statement *s, fault kind, int after, int lasts)
{
    claimer c;
    static char sql[WRITES][96];
    hold(h, &c);
    for (unsigned i = 0; i < WRITES; i++) {
        bool bad = i % 5 == 3;
        snprintf(sql[i], sizeof(sql[i]), "INSERT INTO t VALUES (%u, %s)", i,
                 bad ? "NULL" : "zeroblob(3000)");
        statement_init(h, &s[i], sql[i]);
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    strike(kind, after, lasts);
    h->backend->ops->unclaim(h->backend, c.conn);
    harness_wait(h);
    strike(NONE, 0, 0);
}

static void check(harness *h, const statement *s, const char *sqlstate)
{
    char sql[96];
    for (unsigned i = 0; i < WRITES; i++) {
        bool ok = s[i].exec.outcome.ok;
        assert_int_equal(s[i].told, 1);
        if (!ok && i % 5 != 3)
            assert_string_equal(s[i].exec.outcome.error.sqlstate, sqlstate);
        if (i % 5 == 3)
            assert_false(ok);
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM t WHERE id = %u", i);
        expect_write(h, sql, "", ok ? "1;" : "0;");
    }
}

static void fini_all(statement *s)
{
    for (unsigned i = 0; i < WRITES; i++)
        statement_fini(&s[i]);
}

/* The fault strikes at each call of its kind in turn, until one run meets it no more. */
static void sweep(fault kind, int lasts, const char *sqlstate)
{
    harness h;
    bool met = true;
    weir_sqlite_options o = {.synchronous_full = true, .executors = 1};
    for (int after = 0; met; after++) {
        statement s[WRITES];
        assert_true(after < 400);
        harness_open(&h, &o);
        expect_write(&h, "CREATE TABLE t(id INTEGER PRIMARY KEY, b NOT NULL)", "", "");
        write_all(&h, s, kind, after, lasts);
        met = atomic_load(&fault_hits) > 0;
        check(&h, s, sqlstate);
        fini_all(s);
        expect_write(&h, "INSERT INTO t VALUES (100, 1)", "", "");
        expect_write(&h, "PRAGMA integrity_check", "", "ok;");
        harness_close(&h);
    }
}

static void test_a_sync_that_fails_once_fails_nobody_twice(void **state)
{
    (void)state;
    sweep(SYNC, 1, "58030");
}

static void test_syncs_that_fail_for_a_while(void **state)
{
    (void)state;
    sweep(SYNC, 4, "58030");
}

static void test_a_write_that_fails_once(void **state)
{
    (void)state;
    sweep(WRITE, 1, "58030");
}

static void test_a_disk_that_is_full_for_a_while(void **state)
{
    (void)state;
    sweep(FULL, 5, "53100");
}

static void test_a_disk_that_stays_full_fails_all_and_keeps_what_was_there(void **state)
{
    (void)state;
    harness h;
    statement s[WRITES];
    weir_sqlite_options o = {.synchronous_full = true, .executors = 1};
    harness_open(&h, &o);
    expect_write(&h, "CREATE TABLE t(id INTEGER PRIMARY KEY, b NOT NULL)", "", "");
    expect_write(&h, "INSERT INTO t VALUES (50, 1)", "", "");
    write_all(&h, s, FULL, 0, 1000000);
    for (unsigned i = 0; i < WRITES; i++)
        assert_false(s[i].exec.outcome.ok);
    check(&h, s, "53100");
    fini_all(s);
    expect_write(&h, "SELECT id FROM t", "", "50;");
    expect_write(&h, "INSERT INTO t VALUES (51, 1)", "", "");
    harness_close(&h);
}

/* Memory for one member only runs out: its neighbours are there. */
static void test_memory_that_runs_out_fails_only_who_wants_it(void **state)
{
    (void)state;
    harness h;
    statement s[4];
    claimer c;
    weir_sqlite_options o = {.executors = 1};
    const char *sql[] = {"INSERT INTO t VALUES (1, 1)",
                         "INSERT INTO t SELECT 2, hex(randomblob(30000000))",
                         "INSERT INTO t VALUES (3, 1)", "INSERT INTO t VALUES (4, 1)"};
    harness_open(&h, &o);
    expect_write(&h, "CREATE TABLE t(id INTEGER PRIMARY KEY, b NOT NULL)", "", "");
    hold(&h, &c);
    for (size_t i = 0; i < 4; i++) {
        statement_init(&h, &s[i], sql[i]);
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    sqlite3_int64 before = sqlite3_hard_heap_limit64(-1);
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + 16 * 1024 * 1024);
    h.backend->ops->unclaim(h.backend, c.conn);
    harness_wait(&h);
    sqlite3_hard_heap_limit64(before);
    assert_string_equal(s[1].exec.outcome.error.sqlstate, "53200");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(s[i].told, 1);
        assert_int_equal(s[i].exec.outcome.ok, i != 1);
        statement_fini(&s[i]);
    }
    expect_write(&h, "SELECT id FROM t", "", "1;3;4;");
    harness_close(&h);
}

/* What it inserts later would have repaired it: alone it would have failed. */
static void test_a_neighbour_repairs_no_deferred_key(void **state)
{
    (void)state;
    harness h;
    statement s[3];
    claimer c;
    const char *sql[] = {"INSERT INTO c VALUES (7)", "INSERT INTO p VALUES (7)",
                         "INSERT INTO c VALUES (7)"};
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE p(id INTEGER PRIMARY KEY)", "", "");
    expect_write(&h, "CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)", "", "");
    hold(&h, &c);
    for (size_t i = 0; i < 3; i++) {
        statement_init(&h, &s[i], sql[i]);
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    h.backend->ops->unclaim(h.backend, c.conn);
    harness_wait(&h);
    assert_string_equal(s[0].exec.outcome.error.sqlstate, "23503");
    assert_true(s[1].exec.outcome.ok && s[2].exec.outcome.ok);
    for (size_t i = 0; i < 3; i++)
        statement_fini(&s[i]);
    expect_write(&h, "SELECT p FROM c", "", "7;");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sync_that_fails_once_fails_nobody_twice),
        cmocka_unit_test(test_syncs_that_fail_for_a_while),
        cmocka_unit_test(test_a_write_that_fails_once),
        cmocka_unit_test(test_a_disk_that_is_full_for_a_while),
        cmocka_unit_test(test_a_disk_that_stays_full_fails_all_and_keeps_what_was_there),
        cmocka_unit_test(test_memory_that_runs_out_fails_only_who_wants_it),
        cmocka_unit_test(test_a_neighbour_repairs_no_deferred_key),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
