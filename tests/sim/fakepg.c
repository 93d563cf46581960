/* See fakepg.h. */
#include "fakepg.h"
#include "base/list.h"
#include "proto/pg/pg.h"
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 64, TEXT_MAX = 200 };

typedef struct fake_statement {
    char name[48];
    char text[TEXT_MAX];
} fake_statement;

typedef struct fake_session {
    weir_list node;
    fakepg *pg;
    weir_stream *stream;
    bool started, skipping, ending;
    char status;
    int owner, transaction; /* of the open transaction; owner 0: not known yet */
    char application[32];
    fake_statement statements[NAMES_MAX];
    char portal[TEXT_MAX];
    bool has_portal;
    weir_buf out;
} fake_session;

struct fakepg {
    simnet *sim;
    weir_loop *loop;
    weir_listener *listener;
    weir_list sessions;
    unsigned open, most;
    uint64_t statements, cancels;
    uint32_t next_pid;
    void (*violation)(void *user, const char *words);
    void *user;
};

static void ok(int r)
{
    if (r != 0)
        abort(); /* the test's own memory */
}

static void violate(fake_session *s, const char *what, const char *text)
{
    char words[400];
    (void)snprintf(words, sizeof(words), "%s: \"%s\" (status %c, owner c%d t%d, application %s)",
                   what, text, s->status, s->owner, s->transaction, s->application);
    s->pg->violation(s->pg->user, words);
}

static void send_error(fake_session *s, const char *severity, const char *state,
                       const char *message)
{
    weir_error err;
    weir_error_set(&err, state, "%s", message);
    ok(weir_pg_write_error(&s->out, severity, &err));
    if (s->status == 'T')
        s->status = 'E';
}

static void send_rows(fake_session *s, const char *token, int rows, bool describe)
{
    weir_pg_column column = {
        .name = WEIR_SLICE_LIT("echo"), .type_oid = 25, .type_size = -1, .type_modifier = -1};
    if (describe)
        ok(weir_pg_write_row_description(&s->out, &column, 1));
    for (int i = 0; i < rows; i++) {
        size_t mark;
        ok(weir_pg_row_begin(&s->out, 1, &mark));
        ok(weir_pg_row_cell(&s->out, weir_slice_cstr(token)));
        ok(weir_pg_row_end(&s->out, mark));
    }
    char tag[32];
    (void)snprintf(tag, sizeof(tag), "SELECT %d", rows);
    ok(weir_pg_write_command_complete(&s->out, weir_slice_cstr(tag)));
}

/* The rules that a pooler can break. */
static void check_token(fake_session *s, const char *token)
{
    int client = 0, transaction = 0;
    if (sscanf(token, "c%d-t%d-", &client, &transaction) != 2)
        return;
    char expected[32];
    (void)snprintf(expected, sizeof(expected), "c%d", client);
    if (strcmp(s->application, expected) != 0)
        violate(s, "a statement ran under another client's parameters", token);
    if (transaction > 0 && s->status == 'I')
        violate(s, "a transaction's statement ran outside it", token);
    if (s->status == 'I')
        return;
    if (s->owner == 0) {
        s->owner = client;
        s->transaction = transaction;
    } else if (s->owner != client || s->transaction != transaction) {
        violate(s, "a statement ran in another one's transaction", token);
    }
}

static void set_application(fake_session *s, const char *text)
{
    const char *p = strstr(text, "set_config(E'application_name',E'");
    if (!p) {
        s->application[0] = '\0';
        return;
    }
    (void)sscanf(p, "set_config(E'application_name',E'%31[^']", s->application);
}

/* True unless the statement failed. */
static bool run(fake_session *s, const char *text, bool simple)
{
    char token[TEXT_MAX];
    int rows = 0;
    s->pg->statements++;
    if (sscanf(text, "select echo('%199[^']', %d)", token, &rows) == 2) {
        check_token(s, token);
        if (s->status == 'E') {
            send_error(s, "ERROR", "25P02", token);
            return false;
        }
        send_rows(s, token, rows, simple);
        return true;
    }
    if (sscanf(text, "select boom('%199[^']')", token) == 1) {
        check_token(s, token);
        send_error(s, "ERROR", "22012", token);
        return false;
    }
    const char *tag = "SELECT 0";
    if (strncmp(text, "begin", 5) == 0) {
        if (s->status != 'I')
            violate(s, "begin inside a transaction", text);
        s->status = 'T';
        s->owner = s->transaction = 0;
        tag = "BEGIN";
    } else if (strcmp(text, "commit") == 0 || strcmp(text, "rollback") == 0) {
        if (s->status == 'I')
            violate(s, "an end without a transaction", text);
        tag = s->status == 'T' && text[0] == 'c' ? "COMMIT" : "ROLLBACK";
        s->status = 'I';
    } else if (strncmp(text, "RESET ", 6) == 0 ||
               strncmp(text, "SELECT pg_catalog.set_config(", 29) == 0) {
        set_application(s, text);
        tag = "SET";
    } else if (strcmp(text, "DISCARD ALL") == 0) {
        memset(s->statements, 0, sizeof(s->statements));
        set_application(s, "");
        tag = "DISCARD ALL";
    } else if (text[0] == '\0') {
        ok(weir_pg_write_empty(&s->out, WEIR_PG_B_EMPTY_QUERY));
        return true;
    } else {
        violate(s, "a statement that no client sent", text);
    }
    ok(weir_pg_write_command_complete(&s->out, weir_slice_cstr(tag)));
    return true;
}

/* ---- extended protocol ---- */

static fake_statement *statement(fake_session *s, weir_slice name, bool make)
{
    fake_statement *free_one = NULL;
    for (int i = 0; i < NAMES_MAX; i++) {
        fake_statement *st = &s->statements[i];
        if (st->text[0] && weir_slice_eq_cstr(name, st->name))
            return st;
        if (!st->text[0] && !free_one)
            free_one = st;
    }
    if (!make)
        return NULL;
    if (!free_one)
        abort(); /* the gateway keeps fewer */
    (void)snprintf(free_one->name, sizeof(free_one->name), "%.*s", (int)name.len,
                   (const char *)name.data);
    return free_one;
}

static void on_parse(fake_session *s, weir_slice body)
{
    weir_pg_parse p;
    ok(weir_pg_parse_read(body, &p));
    fake_statement *st = statement(s, p.name, false);
    if (st && p.name.len > 0) {
        violate(s, "a prepared statement was made twice", st->text);
        send_error(s, "ERROR", "42P05", "exists");
        s->skipping = true;
        return;
    }
    if (strstr((const char *)p.text.data, "syntax")) {
        send_error(s, "ERROR", "42601", "syntax");
        s->skipping = true;
        return;
    }
    if (!st)
        st = statement(s, p.name, true);
    (void)snprintf(st->text, sizeof(st->text), "%.*s", (int)p.text.len, (const char *)p.text.data);
    ok(weir_pg_write_empty(&s->out, WEIR_PG_B_PARSE_COMPLETE));
}

/* "select echo($1, $2)" and its values become text again. */
static void on_bind(fake_session *s, weir_slice body)
{
    weir_pg_bind b;
    ok(weir_pg_bind_read(body, &b));
    fake_statement *st = statement(s, b.statement, false);
    if (!st) {
        send_error(s, "ERROR", "26000", "no such statement");
        s->skipping = true;
        return;
    }
    weir_slice v[2] = {{0}, {0}};
    bool null;
    size_t pos = 0;
    for (int i = 0; i < 2 && weir_pg_value_next(b.values, &pos, &v[i], &null); i++)
        continue;
    if (strncmp(st->text, "select echo($1", 14) == 0)
        (void)snprintf(s->portal, sizeof(s->portal), "select echo('%.*s', %.*s)", (int)v[0].len,
                       (const char *)v[0].data, (int)v[1].len, (const char *)v[1].data);
    else if (strncmp(st->text, "select boom($1", 14) == 0)
        (void)snprintf(s->portal, sizeof(s->portal), "select boom('%.*s')", (int)v[0].len,
                       (const char *)v[0].data);
    else
        (void)snprintf(s->portal, sizeof(s->portal), "%s", st->text);
    s->has_portal = true;
    ok(weir_pg_write_empty(&s->out, WEIR_PG_B_BIND_COMPLETE));
}

static void on_close_target(fake_session *s, weir_slice body)
{
    weir_pg_target t;
    ok(weir_pg_target_read(body, &t));
    fake_statement *st = t.kind == 'S' ? statement(s, t.name, false) : NULL;
    if (st)
        st->text[0] = '\0';
    ok(weir_pg_write_empty(&s->out, WEIR_PG_B_CLOSE_COMPLETE));
}

static void on_message(fake_session *s, const weir_pg_frame *f)
{
    char text[TEXT_MAX];
    if (s->skipping && f->type != WEIR_PG_F_SYNC)
        return;
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        (void)snprintf(text, sizeof(text), "%s", (const char *)f->body.data);
        (void)run(s, text, true);
        ok(weir_pg_write_ready(&s->out, (uint8_t)s->status));
        break;
    case WEIR_PG_F_PARSE:
        on_parse(s, f->body);
        break;
    case WEIR_PG_F_BIND:
        on_bind(s, f->body);
        break;
    case WEIR_PG_F_EXECUTE:
        if (!run(s, s->portal, false))
            s->skipping = true;
        break;
    case WEIR_PG_F_CLOSE:
        on_close_target(s, f->body);
        break;
    case WEIR_PG_F_SYNC:
        s->skipping = false;
        ok(weir_pg_write_ready(&s->out, (uint8_t)s->status));
        break;
    case WEIR_PG_F_FLUSH:
        break;
    case WEIR_PG_F_TERMINATE:
        s->ending = true;
        weir_stream_close(s->stream, WEIR_SECOND);
        break;
    default:
        violate(s, "an unexpected message", "");
    }
}

/* ---- sessions ---- */

static void on_startup(fake_session *s, const weir_pg_startup *p)
{
    if (p->kind == WEIR_PG_STARTUP_CANCEL) {
        s->pg->cancels++;
        s->ending = true;
        weir_stream_close(s->stream, WEIR_SECOND);
        return;
    }
    s->started = true;
    s->pg->open++;
    if (s->pg->open > s->pg->most)
        s->pg->most = s->pg->open;
    ok(weir_pg_write_auth(&s->out, 0, (weir_slice){0}));
    ok(weir_pg_write_param_status(&s->out, WEIR_SLICE_LIT("server_version"),
                                  WEIR_SLICE_LIT("15.0")));
    ok(weir_pg_write_param_status(&s->out, WEIR_SLICE_LIT("application_name"),
                                  WEIR_SLICE_LIT("weir")));
    uint8_t key[4] = {1, 2, 3, 4};
    ok(weir_pg_write_key_data(&s->out, ++s->pg->next_pid, weir_slice_make(key, 4)));
    ok(weir_pg_write_ready(&s->out, 'I'));
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    fake_session *s = weir_stream_user(stream);
    size_t used = 0;
    while (!s->ending) {
        weir_slice rest = weir_slice_skip(in, used);
        if (!s->started) {
            weir_pg_startup p;
            weir_error err;
            int r = weir_pg_startup_read(rest, &p, &err);
            if (r == WEIR_PG_MORE)
                break;
            ok(r);
            used += p.size;
            on_startup(s, &p);
            continue;
        }
        weir_pg_frame f;
        int r = weir_pg_frame_next(rest, 1u << 20, &f);
        if (r == WEIR_PG_MORE)
            break;
        ok(r);
        used += f.whole.len;
        on_message(s, &f);
    }
    if (s->out.len > 0)
        weir_stream_write(stream, weir_buf_slice(&s->out));
    weir_buf_clear(&s->out);
    return s->ending ? in.len : used;
}

static void on_close(weir_stream *stream, int error)
{
    (void)error;
    fake_session *s = weir_stream_user(stream);
    if (s->started)
        s->pg->open--;
    weir_list_remove(&s->node);
    weir_buf_fini(&s->out);
    free(s);
}

static const weir_stream_handler handler = {.on_bytes = on_bytes, .on_close = on_close};

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    fakepg *pg = weir_listener_user(listener);
    fake_session *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->pg = pg;
    s->stream = stream;
    s->status = 'I';
    s->application[0] = '\0';
    weir_buf_init(&s->out, 1u << 24);
    weir_list_push_back(&pg->sessions, &s->node);
    weir_stream_set_handler(stream, &handler, s);
}

static void on_refused(weir_listener *listener, int error)
{
    (void)listener;
    (void)error;
}

static const weir_listener_handler listener_handler = {.on_accept = on_accept,
                                                       .on_refused = on_refused};

fakepg *fakepg_new(simnet *sim, weir_loop *loop, const char *address,
                   void (*violation)(void *user, const char *words), void *user)
{
    fakepg *pg = calloc(1, sizeof(*pg));
    if (!pg)
        abort();
    *pg = (fakepg){.sim = sim, .loop = loop, .violation = violation, .user = user};
    weir_list_init(&pg->sessions);
    ok(weir_listen(loop, address, false, &listener_handler, pg, &pg->listener));
    return pg;
}

void fakepg_terminate_one(fakepg *pg)
{
    if (weir_list_empty(&pg->sessions))
        return;
    uint64_t skip = simnet_below(pg->sim, 4);
    weir_list *n = pg->sessions.next;
    while (skip-- > 0 && n->next != &pg->sessions)
        n = n->next;
    fake_session *s = WEIR_CONTAINER_OF(n, fake_session, node);
    if (!s->started || s->ending)
        return;
    send_error(s, "FATAL", "57P01", "terminating connection due to administrator command");
    weir_stream_write(s->stream, weir_buf_slice(&s->out));
    weir_buf_clear(&s->out);
    s->ending = true;
    weir_stream_close(s->stream, WEIR_SECOND);
}

void fakepg_stop(fakepg *pg)
{
    if (pg->listener)
        weir_listener_close(pg->listener);
    pg->listener = NULL;
    for (weir_list *n = pg->sessions.next; n != &pg->sessions; n = n->next)
        weir_stream_close(WEIR_CONTAINER_OF(n, fake_session, node)->stream, 0);
}

void fakepg_free(fakepg *pg)
{
    free(pg);
}

unsigned fakepg_sessions(const fakepg *pg)
{
    return pg->open;
}

unsigned fakepg_sessions_most(const fakepg *pg)
{
    return pg->most;
}

uint64_t fakepg_statements(const fakepg *pg)
{
    return pg->statements;
}

uint64_t fakepg_cancels(const fakepg *pg)
{
    return pg->cancels;
}
