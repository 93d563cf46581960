/* libweir, as a program meets it: only its public header, on SQLite files of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir/weir.h>

#define OK(call) assert_ok((call), &fault, __LINE__)

typedef struct world {
    char directory[64], dsn[96];
    weir_instance *weir;
    weir_connection *c;
} world;

static weir_fault fault;

static void assert_ok(weir_status status, const weir_fault *why, int line)
{
    if (status < 0)
        fail_msg("line %d: %d %s: %s", line, status, why->sqlstate, why->message);
}

/* It fails so, and the connection goes on. */
static void assert_refused(weir_connection *c, weir_status status, weir_status expected,
                           const char *sqlstate)
{
    assert_int_equal(status, expected);
    assert_string_equal(fault.sqlstate, sqlstate);
    assert_true(strncmp(fault.message, "", 1) != 0);
    if (c)
        OK(weir_execute(c, "SELECT 1", NULL, 0, NULL, &fault));
}

static void run(weir_connection *c, const char *sql)
{
    OK(weir_execute(c, sql, NULL, 0, NULL, &fault));
}

static int64_t number(weir_connection *c, const char *sql, const weir_parameter *p, size_t n)
{
    weir_rows *rows;
    int64_t value;
    OK(weir_query(c, sql, p, n, &rows, &fault));
    assert_int_equal(weir_rows_next(rows, &fault), WEIR_ROW);
    OK(weir_rows_integer(rows, 0, &value));
    weir_rows_close(rows);
    return value;
}

static void open_at(world *w, const char *const *settings)
{
    weir_instance_options options = {.dsn = w->dsn, .settings = settings};
    OK(weir_instance_open(&options, &w->weir, &fault));
    OK(weir_connection_open(w->weir, NULL, NULL, &w->c, &fault));
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof(*w));
    strcpy(w->directory, "/tmp/weir-library-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->dsn, sizeof(w->dsn), "sqlite:%s/app.db", w->directory);
    open_at(w, NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    char command[128];
    weir_connection_close(w->c);
    weir_instance_close(w->weir);
    snprintf(command, sizeof(command), "rm -rf '%s'", w->directory);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* ---- values ---- */

static void test_values_of_every_kind_come_back(void **state)
{
    world *w = *state;
    const uint8_t blob[] = {0, 1, 'x', 0, 255};
    weir_parameter p[] = {weir_integer(INT64_MIN),
                          weir_real(0.1),
                          weir_boolean(true),
                          weir_text_of("grün; it's"),
                          weir_bytes(blob, sizeof(blob)),
                          weir_null()};
    weir_rows *rows;
    uint64_t affected;
    size_t len;
    int64_t i;
    double d;
    run(w->c, "CREATE TABLE v (i bigint, d double precision, b boolean, t text, y bytea, n text)");
    OK(weir_execute(w->c, "INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6)", p, 6, &affected,
                    &fault));
    assert_int_equal(affected, 1);
    OK(weir_query(w->c, "SELECT i, d, b, t, y, n FROM v", NULL, 0, &rows, &fault));
    assert_int_equal(weir_rows_columns(rows), 6);
    assert_string_equal(weir_rows_name(rows, 3), "t");
    assert_int_equal(weir_rows_type(rows, 0), 20);
    assert_null(weir_rows_text(rows, 0, NULL)); /* no row yet */
    assert_int_equal(weir_rows_next(rows, &fault), WEIR_ROW);
    OK(weir_rows_integer(rows, 0, &i));
    assert_true(i == INT64_MIN);
    OK(weir_rows_real(rows, 1, &d));
    assert_true(d == 0.1);
    OK(weir_rows_integer(rows, 2, &i));
    assert_int_equal(i, 1);
    assert_string_equal(weir_rows_text(rows, 3, &len), "grün; it's");
    assert_int_equal(len, strlen("grün; it's"));
    assert_memory_equal(weir_rows_bytes(rows, 4, &len), blob, sizeof(blob));
    assert_int_equal(len, sizeof(blob));
    assert_null(weir_rows_text(rows, 5, &len));
    assert_int_equal(weir_rows_integer(rows, 5, &i), WEIR_MISUSE);
    assert_int_equal(weir_rows_integer(rows, 1, &i), WEIR_MISUSE); /* 0.1 is no integer */
    assert_int_equal(weir_rows_integer(rows, 17, &i), WEIR_MISUSE);
    assert_null(weir_rows_name(rows, 17));
    assert_int_equal(weir_rows_next(rows, &fault), WEIR_OK);
    assert_string_equal(weir_rows_tag(rows), "SELECT 1");
    assert_null(weir_rows_text(rows, 3, NULL));
    weir_rows_close(rows);
}

/* Whatever length the last value has, the message behind it is read as it was. */
static void test_rows_of_any_size(void **state)
{
    world *w = *state;
    static const size_t sizes[] = {0, 1, 65530, 65536, 70000, 3000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = malloc(sizes[i] + 1);
        weir_rows *rows;
        size_t len;
        memset(text, 'a', sizes[i]);
        text[sizes[i]] = '\0';
        weir_parameter p = weir_text(text, sizes[i]);
        OK(weir_query(w->c, "SELECT $1::text, $1::text UNION ALL SELECT 'x', 'y'", &p, 1, &rows,
                      &fault));
        assert_int_equal(weir_rows_next(rows, &fault), WEIR_ROW);
        assert_string_equal(weir_rows_text(rows, 1, &len), text);
        assert_int_equal(len, sizes[i]);
        assert_int_equal(weir_rows_next(rows, &fault), WEIR_ROW);
        assert_string_equal(weir_rows_text(rows, 1, NULL), "y");
        assert_int_equal(weir_rows_next(rows, &fault), WEIR_OK);
        weir_rows_close(rows);
        free(text);
    }
}

/* ---- errors ---- */

static void test_what_is_refused_says_why_and_the_connection_goes_on(void **state)
{
    world *w = *state;
    weir_rows *rows, *others;
    weir_parameter zero = weir_text("a\0b", 3);
    run(w->c, "CREATE TABLE k (id int CONSTRAINT k_key PRIMARY KEY, n int CHECK (n > 0))");
    run(w->c, "INSERT INTO k VALUES (1, 1)");
    assert_refused(w->c, weir_execute(w->c, "INSERT INTO k VALUES (1, 1)", NULL, 0, NULL, &fault),
                   WEIR_REFUSED, "23505");
    assert_refused(w->c, weir_execute(w->c, "SELEC 1", NULL, 0, NULL, &fault), WEIR_REFUSED,
                   "42601");
    assert_refused(w->c, weir_execute(w->c, "SELECT 1; SELECT 2", NULL, 0, NULL, &fault),
                   WEIR_REFUSED, "42601");
    assert_refused(w->c, weir_execute(w->c, "SELECT $1::text", &zero, 1, NULL, &fault), WEIR_MISUSE,
                   "22021");
    assert_refused(w->c, weir_query(w->c, "SELECT 1/0", NULL, 0, &rows, &fault), WEIR_REFUSED,
                   "22012");
    assert_null(rows);
    OK(weir_query(w->c, "SELECT 1", NULL, 0, &rows, &fault));
    assert_int_equal(weir_query(w->c, "SELECT 2", NULL, 0, &others, &fault), WEIR_MISUSE);
    assert_int_equal(weir_execute(w->c, "SELECT 2", NULL, 0, NULL, NULL), WEIR_MISUSE);
    weir_rows_close(rows);
    weir_rows_close(NULL);
    run(w->c, "SELECT 3");
}

static void test_an_error_in_the_middle_of_rows(void **state)
{
    world *w = *state;
    weir_rows *rows;
    weir_status status;
    int seen = 0;
    OK(weir_query(w->c, "SELECT 10 / (90000 - i) FROM generate_series(1, 99999) AS g(i)", NULL, 0,
                  &rows, &fault));
    while ((status = weir_rows_next(rows, &fault)) == WEIR_ROW)
        seen++;
    assert_true(seen > 10000 && seen < 90000);
    assert_int_equal(status, WEIR_REFUSED);
    assert_string_equal(fault.sqlstate, "22012");
    assert_int_equal(weir_rows_next(rows, &fault), WEIR_REFUSED);
    weir_rows_close(rows);
    run(w->c, "SELECT 1");
}

static void test_copy_is_refused_in_both_directions(void **state)
{
    world *w = *state;
    run(w->c, "CREATE TABLE t (i int)");
    run(w->c, "INSERT INTO t SELECT * FROM generate_series(1, 10000)");
    assert_refused(w->c, weir_execute(w->c, "COPY t FROM STDIN", NULL, 0, NULL, &fault),
                   WEIR_REFUSED, "0A000");
    assert_refused(w->c, weir_execute(w->c, "COPY t TO STDOUT", NULL, 0, NULL, &fault),
                   WEIR_REFUSED, "0A000");
    assert_refused(w->c, weir_execute_script(w->c, "COPY t FROM STDIN", &fault), WEIR_REFUSED,
                   "0A000");
    assert_refused(w->c, weir_execute_script(w->c, "SELECT 1; COPY t TO STDOUT; SELECT 2", &fault),
                   WEIR_REFUSED, "0A000");
    assert_int_equal(number(w->c, "SELECT count(*) FROM t", NULL, 0), 10000);
}

static void test_a_script_is_one_transaction(void **state)
{
    world *w = *state;
    OK(weir_execute_script(w->c, "CREATE TABLE s (i int); INSERT INTO s VALUES (1), (2); ",
                           &fault));
    assert_refused(w->c, weir_execute_script(w->c, "INSERT INTO s VALUES (3); SELECT 1/0", &fault),
                   WEIR_REFUSED, "22012");
    assert_int_equal(number(w->c, "SELECT count(*) FROM s", NULL, 0), 2);
    OK(weir_execute_script(w->c, "", &fault));
}

/* ---- large results, and those who leave ---- */

static void test_rows_that_are_left_are_cancelled(void **state)
{
    world *w = *state;
    weir_rows *rows;
    OK(weir_query(w->c, "SELECT i, 'some text to carry' FROM generate_series(1, 100000000) AS g(i)",
                  NULL, 0, &rows, &fault));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(weir_rows_next(rows, &fault), WEIR_ROW);
    weir_rows_close(rows);
    run(w->c, "SELECT 1");
    assert_int_equal(weir_connection_status(w->c), WEIR_STATE_IDLE);
}

/* What is freed is to be gone, also where AddressSanitizer would keep it for a while. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=16";
}

static long resident_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void test_a_large_result_needs_little_memory(void **state)
{
    world *w = *state;
    weir_rows *rows;
    int64_t i, sum = 0;
    long before = resident_kib();
    OK(weir_query(w->c, "SELECT i, repeat('x', 500) FROM generate_series(1, 200000) AS g(i)", NULL,
                  0, &rows, &fault));
    while (weir_rows_next(rows, &fault) == WEIR_ROW) {
        OK(weir_rows_integer(rows, 0, &i));
        sum += i;
    }
    weir_rows_close(rows);
    assert_true(sum == INT64_C(200000) * 200001 / 2);
    assert_true(resident_kib() - before < 64 * 1024); /* of 100 MB */
}

static void *cancel_again(void *arg)
{
    for (int i = 0; i < 50; i++) {
        usleep(20000);
        (void)weir_connection_cancel(arg, NULL);
    }
    return NULL;
}

static void test_a_statement_is_cancelled_from_another_thread(void **state)
{
    world *w = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_again, w->c), 0);
    weir_status status = weir_execute(
        w->c, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
        NULL, 0, NULL, &fault);
    assert_int_equal(status, WEIR_REFUSED);
    assert_string_equal(fault.sqlstate, "57014");
    assert_int_equal(pthread_join(thread, NULL), 0);
    run(w->c, "SELECT 1");
}

/* ---- transactions and threads ---- */

typedef struct rival {
    weir_connection *other;
    int calls;
} rival;

/* The first time another transaction comes between. */
static weir_status raise_beside_another(weir_connection *c, void *user, weir_fault *why)
{
    rival *r = user;
    if (number(c, "SELECT n FROM a", NULL, 0) < 0)
        return WEIR_MISUSE;
    if (r->calls++ == 0)
        run(r->other, "UPDATE a SET n = n + 10");
    return weir_execute(c, "UPDATE a SET n = n + 1", NULL, 0, NULL, why);
}

static weir_status go_on_after_an_error(weir_connection *c, void *user, weir_fault *why)
{
    (void)user;
    run(c, "UPDATE a SET n = 1000");
    (void)!weir_execute(c, "SELECT 1/0", NULL, 0, NULL, why);
    return WEIR_OK;
}

static weir_status end_it(weir_connection *c, void *user, weir_fault *why)
{
    (void)user;
    return weir_execute(c, "COMMIT", NULL, 0, NULL, why);
}

static void test_a_transaction_is_tried_again(void **state)
{
    world *w = *state;
    rival r = {.calls = 0};
    OK(weir_connection_open(w->weir, NULL, "ann", &r.other, &fault));
    run(w->c, "CREATE TABLE a (n int)");
    run(w->c, "INSERT INTO a VALUES (0)");
    OK(weir_transact(w->c, "BEGIN ISOLATION LEVEL REPEATABLE READ", 3, raise_beside_another, &r,
                     &fault));
    assert_int_equal(r.calls, 2);
    assert_int_equal(number(w->c, "SELECT n FROM a", NULL, 0), 11);
    r.calls = 0;
    assert_refused(w->c,
                   weir_transact(w->c, "BEGIN ISOLATION LEVEL REPEATABLE READ", 1,
                                 raise_beside_another, &r, &fault),
                   WEIR_REFUSED, "40001");
    assert_refused(w->c, weir_transact(w->c, NULL, 3, go_on_after_an_error, NULL, &fault),
                   WEIR_REFUSED, "40000");
    assert_refused(w->c, weir_transact(w->c, NULL, 3, end_it, NULL, &fault), WEIR_MISUSE, "25P01");
    assert_int_equal(number(w->c, "SELECT n FROM a", NULL, 0), 21);
    assert_int_equal(weir_connection_status(w->c), WEIR_STATE_IDLE);
    run(w->c, "BEGIN");
    assert_int_equal(weir_connection_status(w->c), WEIR_STATE_TRANSACTION);
    assert_int_equal(weir_execute(w->c, "SELECT 1/0", NULL, 0, NULL, NULL), WEIR_REFUSED);
    assert_int_equal(weir_connection_status(w->c), WEIR_STATE_FAILED);
    run(w->c, "ROLLBACK");
    weir_connection_close(r.other);
}

enum { THREADS = 8, RAISES = 100 };

static void *raise_often(void *arg)
{
    world *w = arg;
    weir_fault mine;
    weir_connection *c;
    if (weir_connection_open(w->weir, NULL, NULL, &c, &mine) < 0)
        return arg;
    for (int i = 0; i < RAISES; i++) {
        weir_rows *rows;
        if (weir_execute(c, "UPDATE counted SET n = n + 1", NULL, 0, NULL, &mine) < 0 ||
            weir_query(c, "SELECT n FROM counted", NULL, 0, &rows, &mine) < 0)
            return arg;
        weir_rows_close(rows);
    }
    weir_connection_close(c);
    return NULL;
}

static void test_many_threads_lose_no_update(void **state)
{
    world *w = *state;
    pthread_t threads[THREADS];
    run(w->c, "CREATE TABLE counted (n int)");
    run(w->c, "INSERT INTO counted VALUES (0)");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, raise_often, w), 0);
    for (int i = 0; i < THREADS; i++) {
        void *why;
        assert_int_equal(pthread_join(threads[i], &why), 0);
        assert_null(why);
    }
    assert_int_equal(number(w->c, "SELECT n FROM counted", NULL, 0), THREADS * RAISES);
}

/* ---- the rest of a session ---- */

static void test_notifications_arrive(void **state)
{
    world *w = *state;
    weir_connection *other;
    weir_notification n;
    OK(weir_connection_open(w->weir, NULL, NULL, &other, &fault));
    run(w->c, "LISTEN news");
    assert_int_equal(weir_connection_wait(w->c, 0, &n, &fault), WEIR_OK);
    run(other, "NOTIFY news, 'one'");
    run(other, "NOTIFY news, 'two'");
    assert_int_equal(weir_connection_wait(w->c, -1, &n, &fault), WEIR_ROW);
    assert_string_equal(n.channel, "news");
    assert_string_equal(n.payload, "one");
    run(w->c, "SELECT 1"); /* what comes beside its answer is kept */
    assert_int_equal(weir_connection_wait(w->c, 10000, &n, &fault), WEIR_ROW);
    assert_string_equal(n.payload, "two");
    assert_int_equal(weir_connection_wait(w->c, 10, &n, &fault), WEIR_OK);
    run(w->c, "BEGIN");
    assert_int_equal(weir_connection_wait(w->c, 0, &n, &fault), WEIR_MISUSE);
    run(w->c, "ROLLBACK");
    weir_connection_close(other);
}

static void test_reads_come_from_the_cache_and_are_never_stale(void **state)
{
    world *w = *state;
    weir_connection *admin;
    weir_rows *rows;
    int64_t hits = 0;
    run(w->c, "CREATE TABLE kept (id int PRIMARY KEY, n int)");
    run(w->c, "INSERT INTO kept VALUES (1, 0)");
    for (int i = 0; i < 200; i++) {
        weir_parameter p = weir_integer(1);
        assert_int_equal(number(w->c, "SELECT n FROM kept WHERE id = $1", &p, 1), i / 20);
        if (i % 20 == 19)
            run(w->c, "UPDATE kept SET n = n + 1 WHERE id = 1");
    }
    OK(weir_connection_open(w->weir, "weir", NULL, &admin, &fault));
    OK(weir_query(admin, "SHOW CACHE", NULL, 0, &rows, &fault));
    while (weir_rows_next(rows, &fault) == WEIR_ROW)
        for (unsigned i = 0; i < weir_rows_columns(rows); i++)
            if (strcmp(weir_rows_name(rows, i), "hits") == 0)
                (void)weir_rows_integer(rows, i, &hits);
    weir_rows_close(rows);
    weir_connection_close(admin);
    assert_true(hits > 50);
}

/* ---- instances ---- */

static void test_options_that_are_wrong_are_named(void **state)
{
    world *w = *state;
    static const struct wrong {
        const char *setting, *part;
    } wrong[] = {{"pool.max_sise=3", "pool.max_sise"},
                 {"admin.listen=127.0.0.1:0", "not for the library"},
                 {"restart.socket=/tmp/x", "not for the library"},
                 {"listen=nonsense", "listen"}};
    weir_instance *other;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *settings[] = {wrong[i].setting, NULL};
        weir_instance_options options = {.dsn = w->dsn, .settings = settings};
        assert_int_equal(weir_instance_open(&options, &other, &fault), WEIR_MISUSE);
        assert_non_null(strstr(fault.message, wrong[i].part));
        assert_null(other);
    }
    weir_instance_options gone = {.dsn = "sqlite:/nonexistent/there/app.db"};
    assert_int_equal(weir_instance_open(&gone, &other, &fault), WEIR_REFUSED);
    assert_int_equal(
        weir_instance_open(&(weir_instance_options){.file = "/nonexistent"}, &other, &fault),
        WEIR_MISUSE);
    weir_instance_close(NULL);
    weir_connection_close(NULL);
}

static void test_several_databases_have_names(void **state)
{
    world *w = *state;
    char a[128], b[128];
    weir_instance *both;
    weir_connection *c;
    snprintf(a, sizeof(a), "databases.a.dsn=sqlite:%s/a.db", w->directory);
    snprintf(b, sizeof(b), "databases.b.dsn=sqlite:%s/b.db", w->directory);
    const char *settings[] = {a, b, NULL};
    OK(weir_instance_open(&(weir_instance_options){.settings = settings}, &both, &fault));
    assert_int_equal(weir_connection_open(both, NULL, NULL, &c, &fault), WEIR_MISUSE);
    assert_int_equal(weir_connection_open(both, "c", NULL, &c, &fault), WEIR_REFUSED);
    assert_string_equal(fault.sqlstate, "3D000");
    OK(weir_connection_open(both, "b", NULL, &c, &fault));
    run(c, "CREATE TABLE only_in_b (i int)");
    weir_connection_close(c);
    OK(weir_connection_open(both, "a", NULL, &c, &fault));
    assert_refused(c, weir_execute(c, "SELECT * FROM only_in_b", NULL, 0, NULL, &fault),
                   WEIR_REFUSED, "42P01");
    weir_connection_close(c);
    weir_instance_close(both);
}

static void count_lines(void *user, const char *line, size_t len)
{
    assert_true(len > 0 && line[len - 1] == '\n');
    __atomic_fetch_add((int *)user, 1, __ATOMIC_RELAXED);
}

static void test_an_instance_that_is_closed_ends_its_connections(void **state)
{
    world *w = *state;
    weir_instance *second;
    weir_connection *c;
    int lines = 0;
    weir_instance_options options = {.dsn = w->dsn, .log = count_lines, .user = &lines};
    OK(weir_instance_open(&options, &second, &fault)); /* two have one file open */
    OK(weir_connection_open(second, NULL, NULL, &c, &fault));
    run(c, "CREATE TABLE shared (i int)");
    run(w->c, "INSERT INTO shared VALUES (1)");
    assert_int_equal(number(c, "SELECT count(*) FROM shared", NULL, 0), 1);
    run(c, "BEGIN");
    run(c, "INSERT INTO shared VALUES (2)");
    weir_instance_close(second);
    assert_true(lines > 0);
    weir_connection_close(c);
    assert_int_equal(number(w->c, "SELECT count(*) FROM shared", NULL, 0), 1);
}

static void test_no_descriptor_is_left(void **state)
{
    world *w = *state;
    struct rlimit before, none;
    weir_connection *c;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    weir_status status = weir_connection_open(w->weir, NULL, NULL, &c, &fault);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(status, WEIR_NO_MEMORY);
    assert_null(c);
    OK(weir_connection_open(w->weir, NULL, NULL, &c, &fault));
    weir_connection_close(c);
}

/* What signals do is the program's: none of ours takes one. */
static void test_our_threads_block_all_signals(void **state)
{
    (void)state;
    DIR *tasks = opendir("/proc/self/task");
    int seen = 0;
    for (struct dirent *d; (d = readdir(tasks));) {
        char path[300], line[256];
        unsigned long long blocked;
        if (atoi(d->d_name) == 0 || atoi(d->d_name) == getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f)) {
            if (strncmp(line, "Name:\tweir", 10) == 0)
                seen |= 1 << 20;
            if (seen >> 20 && sscanf(line, "SigBlk: %llx", &blocked) == 1) {
                assert_true((blocked & 0x7ffbfeffULL) == 0x7ffbfeffULL); /* but KILL and STOP */
                seen = (seen & 0xffff) + 1;
            }
        }
        if (f)
            fclose(f);
    }
    closedir(tasks);
    assert_true(seen >= 4);
}

static void test_versions_agree(void **state)
{
    char text[32];
    (void)state;
    snprintf(text, sizeof(text), "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
             WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_of_every_kind_come_back),
        TEST(test_rows_of_any_size),
        TEST(test_what_is_refused_says_why_and_the_connection_goes_on),
        TEST(test_an_error_in_the_middle_of_rows),
        TEST(test_copy_is_refused_in_both_directions),
        TEST(test_a_script_is_one_transaction),
        TEST(test_rows_that_are_left_are_cancelled),
        TEST(test_a_large_result_needs_little_memory),
        TEST(test_a_statement_is_cancelled_from_another_thread),
        TEST(test_a_transaction_is_tried_again),
        TEST(test_many_threads_lose_no_update),
        TEST(test_notifications_arrive),
        TEST(test_reads_come_from_the_cache_and_are_never_stale),
        TEST(test_options_that_are_wrong_are_named),
        TEST(test_several_databases_have_names),
        TEST(test_an_instance_that_is_closed_ends_its_connections),
        TEST(test_no_descriptor_is_left),
        TEST(test_our_threads_block_all_signals),
        cmocka_unit_test(test_versions_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
