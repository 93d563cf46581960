/* See fakebackend.h. */
#include "fakebackend.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ok(int r)
{
    if (r != 0)
        abort(); /* the test's own memory */
}

static const char *date_style(fake_backend *b)
{
    return fake_top(&b->state)->settings[FAKE_DATE_STYLE].effective;
}

void fake_backend_error(fake_backend *b, const char *severity, const char *sqlstate,
                        const char *message)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "%s", message);
    ok(weir_pg_write_error(&b->out, severity, &err));
    if (b->state.status == 'T')
        b->state.status = 'E';
}

/* What a Query or a batch did by itself is committed, or taken back. */
static void end_implicit(fake_backend *b, bool good)
{
    if (!b->state.implicit)
        return;
    unsigned notes = 0;
    if (good)
        notes = fake_commit(&b->state);
    else
        fake_rollback(&b->state);
    if (notes > 0)
        b->hooks->committed(b->hooks->user, notes);
}

static void report(fake_backend *b, bool all)
{
    for (int i = 0; i < FAKE_REPORTED; i++) {
        const char *value = fake_top(&b->state)->settings[i].effective;
        if (!all && strcmp(value, b->reported[i]) == 0)
            continue;
        (void)snprintf(b->reported[i], sizeof(b->reported[i]), "%s", value);
        ok(weir_pg_write_param_status(&b->out, weir_slice_cstr(fake_setting_name(i)),
                                      weir_slice_cstr(value)));
    }
}

static void ready(fake_backend *b)
{
    report(b, false);
    if (b->hooks->ready && b->state.status == 'I')
        b->hooks->ready(b->hooks->user);
    ok(weir_pg_write_ready(&b->out, (uint8_t)b->state.status));
}

/* False: it failed, and the error is written. */
static bool run(fake_backend *b, const char *text, const char *under, bool describe)
{
    fake_run r;
    r.state = &b->state;
    r.names = &b->names;
    r.out = &b->out;
    r.describe = describe;
    r.called = b->hooks->called;
    r.odd = b->hooks->odd;
    r.ended = b->hooks->ended;
    r.committed = b->hooks->committed;
    r.user = b->hooks->user;
    r.sqlstate[0] = '\0';
    (void)snprintf(r.under, sizeof(r.under), "%s", under);
    if (b->state.depth == 0)
        fake_begin(&b->state, true);
    fake_sql_run(&r, text);
    if (r.sqlstate[0])
        fake_backend_error(b, "ERROR", r.sqlstate, r.message);
    return !r.sqlstate[0];
}

static void on_query(fake_backend *b, weir_slice body)
{
    weir_slice text;
    ok(weir_pg_query_read(body, &text));
    fake_name_drop(&b->names.unnamed);
    bool good = run(b, (const char *)text.data, date_style(b), true);
    end_implicit(b, good);
    ready(b);
}

void fake_backend_refuse(fake_backend *b, const char *sqlstate, const char *message)
{
    fake_backend_error(b, "ERROR", sqlstate, message);
    ready(b);
}

/* ---- extended protocol ---- */

static void fail(fake_backend *b, const char *sqlstate, const char *message)
{
    fake_backend_error(b, "ERROR", sqlstate, message);
    b->skipping = true;
}

static bool is_aborted(fake_backend *b, const char *text)
{
    if (b->state.status != 'E' || fake_sql_ends(text))
        return false;
    fail(b, "25P02",
         "current transaction is aborted, commands ignored until end of transaction block");
    return true;
}

static void on_parse(fake_backend *b, weir_slice body)
{
    weir_pg_parse p;
    char message[100];
    ok(weir_pg_parse_read(body, &p));
    const char *name = (const char *)p.name.data, *text = (const char *)p.text.data;
    if (is_aborted(b, text))
        return;
    if (strstr(text, "syntax")) {
        fail(b, "42601", "syntax");
        return;
    }
    if (name[0] && fake_name_find(&b->names, name)) {
        (void)snprintf(message, sizeof(message), "prepared statement \"%s\" already exists", name);
        fail(b, "42P05", message);
        return;
    }
    fake_name_put(&b->names, name, text, date_style(b));
    ok(weir_pg_write_empty(&b->out, WEIR_PG_B_PARSE_COMPLETE));
}

/* NULL: there is none, and the error is written. */
static fake_statement *statement(fake_backend *b, weir_slice name)
{
    char message[100];
    fake_statement *s = fake_name_find(&b->names, (const char *)name.data);
    if (s)
        return s;
    if (name.len > 0)
        (void)snprintf(message, sizeof(message), "prepared statement \"%s\" does not exist",
                       (const char *)name.data);
    else
        (void)snprintf(message, sizeof(message), "unnamed prepared statement does not exist");
    fail(b, "26000", message);
    return NULL;
}

static fake_portal *portal(fake_backend *b, weir_slice name)
{
    return name.len > 0 ? &b->named : &b->unnamed;
}

static void drop_portal(fake_portal *p)
{
    free(p->text);
    p->text = NULL;
}

static void on_bind(fake_backend *b, weir_slice body)
{
    weir_pg_bind bind;
    weir_slice values[4];
    unsigned n = 0;
    bool null;
    ok(weir_pg_bind_read(body, &bind));
    const fake_statement *s = statement(b, bind.statement);
    if (!s || is_aborted(b, s->text))
        return;
    fake_portal *p = portal(b, bind.portal);
    for (size_t pos = 0; n < 4 && weir_pg_value_next(bind.values, &pos, &values[n], &null);)
        n++;
    free(p->text);
    p->text = fake_sql_bind(s->text, values, n);
    memcpy(p->under, s->under, sizeof(p->under));
    ok(weir_pg_write_empty(&b->out, WEIR_PG_B_BIND_COMPLETE));
}

static void describe_rows(fake_backend *b, const char *text)
{
    weir_pg_column column = {
        .name = WEIR_SLICE_LIT("echo"), .type_oid = 25, .type_size = -1, .type_modifier = -1};
    if (fake_sql_columns(text))
        ok(weir_pg_write_row_description(&b->out, &column, 1));
    else
        ok(weir_pg_write_empty(&b->out, WEIR_PG_B_NO_DATA));
}

static void on_describe(fake_backend *b, weir_slice body)
{
    static const uint32_t oids[] = {25, 25, 25};
    weir_pg_target t;
    ok(weir_pg_target_read(body, &t));
    if (t.kind == 'P') {
        if (!portal(b, t.name)->text)
            fail(b, "34000", "portal does not exist");
        else
            describe_rows(b, portal(b, t.name)->text);
        return;
    }
    const fake_statement *s = statement(b, t.name);
    if (!s)
        return;
    size_t count = strstr(s->text, "$3") ? 3 : strstr(s->text, "$2") ? 2 : 0;
    ok(weir_pg_write_param_description(&b->out, oids, count));
    describe_rows(b, s->text);
}

static void on_execute(fake_backend *b, weir_slice body)
{
    weir_pg_execute e;
    ok(weir_pg_execute_read(body, &e));
    const fake_portal *p = portal(b, e.portal);
    if (!p->text)
        fail(b, "34000", "portal does not exist");
    else if (!run(b, p->text, p->under, false))
        b->skipping = true;
}

static void on_close(fake_backend *b, weir_slice body)
{
    weir_pg_target t;
    ok(weir_pg_target_read(body, &t));
    if (t.kind == 'P') {
        drop_portal(portal(b, t.name));
    } else {
        fake_statement *s = fake_name_find(&b->names, (const char *)t.name.data);
        if (s)
            fake_name_drop(s);
    }
    ok(weir_pg_write_empty(&b->out, WEIR_PG_B_CLOSE_COMPLETE));
}

static void on_sync(fake_backend *b)
{
    end_implicit(b, !b->skipping);
    b->skipping = false;
    if (b->state.status == 'I') {
        drop_portal(&b->unnamed);
        drop_portal(&b->named);
    }
    ready(b);
}

void fake_backend_message(fake_backend *b, const weir_pg_frame *f)
{
    if (b->skipping && f->type != WEIR_PG_F_SYNC)
        return;
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        on_query(b, f->body);
        break;
    case WEIR_PG_F_PARSE:
        on_parse(b, f->body);
        break;
    case WEIR_PG_F_BIND:
        on_bind(b, f->body);
        break;
    case WEIR_PG_F_DESCRIBE:
        on_describe(b, f->body);
        break;
    case WEIR_PG_F_EXECUTE:
        on_execute(b, f->body);
        break;
    case WEIR_PG_F_CLOSE:
        on_close(b, f->body);
        break;
    case WEIR_PG_F_SYNC:
        on_sync(b);
        break;
    case WEIR_PG_F_FLUSH:
        break;
    default:
        b->hooks->odd(b->hooks->user, "an unexpected message", "");
    }
}

/* ---- life ---- */

void fake_backend_init(fake_backend *b, const fake_backend_hooks *hooks)
{
    memset(b, 0, sizeof(*b));
    b->hooks = hooks;
    fake_state_init(&b->state);
    weir_buf_init(&b->out, 1u << 24);
}

void fake_backend_fini(fake_backend *b)
{
    drop_portal(&b->unnamed);
    drop_portal(&b->named);
    fake_name_drop(&b->names.unnamed);
    fake_names_clear(&b->names);
    weir_buf_fini(&b->out);
}

void fake_backend_start(fake_backend *b, const weir_pg_startup *startup, uint32_t pid,
                        weir_slice key)
{
    weir_slice name, value;
    for (size_t pos = 0; weir_pg_param_next(startup->params, &pos, &name, &value);)
        fake_startup(&b->state, (const char *)name.data, (const char *)value.data);
    ok(weir_pg_write_auth(&b->out, 0, (weir_slice){0}));
    ok(weir_pg_write_param_status(&b->out, WEIR_SLICE_LIT("server_version"),
                                  WEIR_SLICE_LIT("15.0")));
    report(b, true);
    ok(weir_pg_write_key_data(&b->out, pid, key));
    ok(weir_pg_write_ready(&b->out, 'I'));
}
