/* A backend on a temporary file, driven by one loop. */
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void told(harness *h)
{
    assert_true(h->pending > 0);
    if (--h->pending == 0)
        weir_loop_stop(h->loop);
}

void harness_wait(harness *h)
{
    while (h->pending > 0) /* a stop asked for before the run ends it at once */
        weir_loop_run(h->loop);
}

static void on_opened(void *engine, weir_conn *conn)
{
    harness *h = engine;
    h->opened = conn;
    told(h);
}

static void on_open_failed(void *engine, weir_conn *conn, bool fatal, const weir_error *err)
{
    (void)conn;
    (void)fatal;
    print_error("open failed: %s\n", err->message);
    told(engine);
}

static void on_closed(void *engine, weir_conn *conn)
{
    (void)conn;
    told(engine);
}

static void on_became_clean(void *engine, weir_conn *conn)
{
    (void)conn;
    harness *h = engine;
    h->became_clean++;
    told(h);
}

static const weir_backend_events events = {
    .opened = on_opened,
    .open_failed = on_open_failed,
    .closed = on_closed,
    .became_clean = on_became_clean,
};

void harness_open(harness *h, const weir_sqlite_options *options)
{
    weir_error err = {0};
    weir_sqlite_options o = options ? *options : (weir_sqlite_options){.executors = 2};
    weir_loop_options loop_options = {.name = "test"};
    *h = (harness){0};
    if (!o.path) {
        snprintf(h->dir, sizeof(h->dir), "/tmp/weir-sqlite-XXXXXX");
        assert_non_null(mkdtemp(h->dir));
        snprintf(h->path, sizeof(h->path), "%s/test.db", h->dir);
        o.path = h->path;
    }
    assert_int_equal(weir_loop_new(&loop_options, &h->loop), 0);
    if (weir_sqlite_open(&o, &h->backend, &err) != 0)
        fail_msg("%s", err.message);
    h->backend->events = &events;
    h->backend->engine = h;
}

void harness_close(harness *h)
{
    char command[128];
    if (h->backend) {
        h->backend->ops->stop(h->backend);
        h->backend->ops->destroy(h->backend);
    }
    weir_loop_free(h->loop);
    if (!h->dir[0])
        return;
    snprintf(command, sizeof(command), "rm -rf %s", h->dir);
    assert_int_equal(system(command), 0);
}

weir_conn *harness_reader(harness *h)
{
    weir_conn *conn = NULL;
    weir_conn_request request = {.role = WEIR_ROLE_READ};
    h->pending++;
    assert_int_equal(h->backend->ops->open(h->backend, h->loop, &request, &conn), 0);
    harness_wait(h);
    assert_ptr_equal(conn, h->opened);
    return conn;
}

void harness_close_reader(harness *h, weir_conn *conn)
{
    h->pending++;
    conn->ops->close(conn);
    harness_wait(h);
}

/* ---- statements ---- */

static int encode_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    (void)user;
    (void)out;
    assert_non_null(columns[count - 1].name);
    return 0;
}

static int encode_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    (void)user;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const weir_value *v = &cells[i];
        const char *end = i + 1 < count ? "," : ";";
        if (v->type == WEIR_VALUE_INTEGER)
            r = weir_buf_printf(out, "%lld%s", (long long)v->u.integer, end);
        else if (v->type == WEIR_VALUE_REAL)
            r = weir_buf_printf(out, "%g%s", v->u.real, end);
        else if (v->type == WEIR_VALUE_NULL)
            r = weir_buf_printf(out, "NULL%s", end);
        else
            r = weir_buf_printf(out, "%.*s%s", (int)v->u.bytes.len, (const char *)v->u.bytes.data,
                                end);
    }
    return r;
}

static void on_done(weir_exec *exec)
{
    statement *s = exec->user;
    s->told++;
    if (s->then)
        s->then(s);
    told(s->h);
}

void statement_init(harness *h, statement *s, const char *sql)
{
    *s = (statement){.h = h};
    s->exec.text = weir_slice_cstr(sql);
    s->exec.mode = WEIR_EXEC_RUN;
    s->exec.deadline = WEIR_TIME_NEVER;
    s->exec.encoder = (weir_encoder){.columns = encode_columns, .row = encode_row};
    s->exec.on_done = on_done;
    s->exec.user = s;
    weir_buf_init(&s->exec.out, (size_t)1 << 30);
}

void statement_fini(statement *s)
{
    weir_buf_fini(&s->exec.out);
}

void statement_write(statement *s, weir_time wait_until)
{
    s->h->pending++;
    s->h->backend->ops->write(s->h->backend, s->h->loop, &s->exec, wait_until);
}

void statement_execute(statement *s, weir_conn *conn)
{
    s->h->pending++;
    conn->ops->execute(conn, &s->exec);
}

void statement_resume(statement *s, weir_conn *conn)
{
    s->h->pending++;
    conn->ops->resume(conn, &s->exec, 0);
}

static void compare(statement *s, const char *sqlstate, const char *expected)
{
    if (strcmp(s->exec.outcome.error.sqlstate, sqlstate) != 0)
        print_error("%.*s: %s %s\n", (int)s->exec.text.len, (const char *)s->exec.text.data,
                    s->exec.outcome.error.sqlstate, s->exec.outcome.error.message);
    assert_string_equal(s->exec.outcome.error.sqlstate, sqlstate);
    assert_int_equal(s->exec.outcome.ok, sqlstate[0] == '\0');
    if (expected && !weir_slice_eq_cstr(weir_buf_slice(&s->exec.out), expected))
        fail_msg("%.*s gave %.*s, not %s", (int)s->exec.text.len, (const char *)s->exec.text.data,
                 (int)s->exec.out.len, (const char *)s->exec.out.data, expected);
    statement_fini(s);
}

void expect_write(harness *h, const char *sql, const char *sqlstate, const char *expected)
{
    statement s;
    statement_init(h, &s, sql);
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(h);
    compare(&s, sqlstate, expected);
}

void expect_run(harness *h, weir_conn *conn, const char *sql, const char *sqlstate,
                const char *expected)
{
    statement s;
    statement_init(h, &s, sql);
    statement_execute(&s, conn);
    harness_wait(h);
    compare(&s, sqlstate, expected);
}

static void on_granted(weir_claim *claim, weir_conn *conn, const weir_error *err)
{
    claimer *c = claim->user;
    c->conn = conn;
    if (err)
        c->error = *err;
    told(c->h);
}

void claimer_init(harness *h, claimer *c, weir_time wait_until)
{
    *c = (claimer){.h = h};
    c->claim.wait_until = wait_until;
    c->claim.granted = on_granted;
    c->claim.user = c;
}
