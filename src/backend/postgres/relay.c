/* The data path: a client's messages to the server, the server's bytes to the client.
 *
 * Toward the server every message that owes a reply is entered in the queue of owed replies before
 * it is written. From the server, runs of whole frames are handed on as they lie in the read
 * buffer; only the frames that change our own state are looked into. Large frames pass in pieces.
 *
 * Invariant: what reaches the client is what a server alone would have sent for the client's
 * messages: replies to ours are dropped, replies we answer ourselves stand at their place in the
 * queue. */
#include "backend/postgres/ours.h"

/* ---- toward the server ---- */

static void on_skipped(pg_conn *c);

static int send(pg_conn *c, weir_pg_owed_kind kind, bool hidden, uint64_t tag, weir_slice bytes)
{
    int r = weir_pg_owed_push(&c->owed, kind, hidden, tag);
    if (r < 0)
        return r;
    weir_stream_write(c->stream, bytes);
    on_skipped(c); /* behind an error the server skips this one too */
    return 0;
}

static void give(pg_conn *c, weir_slice bytes)
{
    if (c->base.sink)
        c->base.sink->events->on_bytes(c->base.sink, bytes);
}

static void tell_parsed(pg_conn *c, weir_parsing outcome)
{
    if (c->base.sink && c->base.sink->events->on_parsed)
        c->base.sink->events->on_parsed(c->base.sink, outcome);
}

/* Bytes in the server's stead answer a Parse, or a Close of a statement. */
static bool answers_naming(uint64_t type)
{
    return type == WEIR_PG_B_PARSE_COMPLETE || type == WEIR_PG_B_CLOSE_COMPLETE;
}

static void give_held(pg_conn *c)
{
    for (unsigned i = 0; i < c->held_len; i++) {
        const uint8_t message[] = {c->held[i], 0, 0, 0, 4};
        give(c, weir_slice_make(message, sizeof(message)));
    }
    c->held_len = 0;
}

static void give_interjections(pg_conn *c)
{
    weir_slice bytes;
    while (weir_pg_owed_next_interjection(&c->owed, &bytes)) {
        give_held(c);
        if (bytes.len > 0 && answers_naming(bytes.data[0]))
            tell_parsed(c, WEIR_PARSING_DONE);
        give(c, bytes);
    }
}

/* 0 also where it is swallowed. */
static int interject(pg_conn *c, weir_slice bytes, bool skippable)
{
    if (skippable && weir_pg_owed_is_skipping(&c->owed)) {
        if (bytes.len > 0 && answers_naming(bytes.data[0]))
            tell_parsed(c, WEIR_PARSING_SKIPPED);
        return 0;
    }
    int r = weir_pg_owed_interject(&c->owed, bytes, skippable);
    if (r == 0)
        give_interjections(c);
    return r;
}

/* A reply that the server would have given and that we give in its stead. Like the server we keep
 * it back until there is more to say or the client flushes: sent alone it would cost a system call
 * here and a wake-up there. */
static int fake(pg_conn *c, uint8_t type)
{
    const uint8_t message[] = {type, 0, 0, 0, 4};
    if (weir_pg_owed_is_at_rest(&c->owed) && c->held_len < PG_HELD) {
        c->held[c->held_len++] = type;
        tell_parsed(c, WEIR_PARSING_DONE);
        return 0;
    }
    return interject(c, weir_slice_make(message, sizeof(message)), true);
}

static int send_hidden_close(pg_conn *c, pg_prepared *p)
{
    char name[PG_NAME_SIZE];
    uint64_t tag = p->content[0];
    weir_buf out;
    weir_buf_init(&out, 128);
    int r = weir_pg_write_target(&out, WEIR_PG_F_CLOSE, 'S', pg_prepared_name(p->content, name));
    if (r == 0) {
        p->pending++;
        r = send(c, WEIR_PG_OWED_CLOSE, true, tag, weir_buf_slice(&out));
    }
    weir_buf_fini(&out);
    return r;
}

static void note_parse(pg_conn *c, const weir_prepared *s, pg_prepared *p)
{
    p->pending++;
    p->outdated = false;
    p->batch = c->batch;
    p->shape = 0;
    p->faithful =
        s->schema == atomic_load_explicit(&c->base.backend->changes, memory_order_relaxed);
}

/* It was the client's at some other time, so it is parsed under the settings of then. */
static int write_hidden_parse(pg_conn *c, const weir_prepared *s, bool examine)
{
    char name[PG_NAME_SIZE];
    weir_slice ours = pg_prepared_name(s->content, name);
    pg_ours b;
    pg_ours_begin(&b, c, PG_NAMES);
    unsigned set = pg_ours_set(&b, s);
    pg_ours_parse(&b, ours, s->text, s->oids, s->content[0]);
    if (examine)
        pg_ours_describe(&b, ours, PG_EXAMINED);
    pg_ours_set_back(&b, set);
    int r = pg_ours_send(&b, true);
    if (r == 0 && examine) {
        static const uint8_t flush[] = {WEIR_PG_F_FLUSH, 0, 0, 0, 4};
        weir_stream_write(c->stream, weir_slice_make(flush, sizeof(flush)));
    }
    if (r == 0)
        on_skipped(c);
    return r;
}

static int write_parse(pg_conn *c, const weir_prepared *s)
{
    char name[PG_NAME_SIZE];
    weir_buf out;
    weir_buf_init(&out, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = weir_pg_write_parse(&out, pg_prepared_name(s->content, name), s->text, s->oids);
    if (r == 0)
        r = send(c, WEIR_PG_OWED_PARSE, false, s->content[0], weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

typedef enum parsing { PARSE_CLIENTS, PARSE_HIDDEN, PARSE_EXAMINED } parsing;

/* Parses `s` under our name for it. A statement that may stand there already is closed first:
 * PostgreSQL refuses to parse over a name. */
static int send_named_parse(pg_conn *c, const weir_prepared *s, pg_prepared *p, parsing how)
{
    int r = 0;
    if (!p) {
        p = pg_prepared_add(&c->prepared, s->content);
        if (!p)
            return -ENOMEM;
    } else if (p->pending > 0 || p->on_server) {
        p->pending++; /* keeps it while the Close may be found to be skipped */
        r = send_hidden_close(c, p);
        p->pending--;
    }
    if (r == 0)
        note_parse(c, s, p);
    if (r == 0)
        r = how == PARSE_CLIENTS ? write_parse(c, s)
                                 : write_hidden_parse(c, s, how == PARSE_EXAMINED);
    pg_prepared *surplus = r == 0 ? pg_prepared_surplus(&c->prepared) : NULL;
    return surplus ? send_hidden_close(c, surplus) : r;
}

/* It stands on the server, as far as anything sent now can tell: it was parsed, or its Parse is on
 * the way in this very batch, so that an error which swallows the one swallows the other. */
static bool usable(const pg_conn *c, const pg_prepared *p)
{
    if (!p || p->outdated)
        return false;
    return p->pending == 0 ? p->on_server : p->batch == c->batch;
}

bool pg_relay_usable(const pg_conn *c, const pg_prepared *p)
{
    return usable(c, p);
}

int pg_relay_examine(pg_conn *c, const weir_prepared *s)
{
    return send_named_parse(c, s, pg_prepared_find(&c->prepared, s->content), PARSE_EXAMINED);
}

/* The server will refuse to parse it, in its own words (25P02), whatever stands there already. */
static bool is_in_vain(const pg_conn *c, const weir_prepared *s)
{
    return c->status == 'E' && weir_pg_owed_is_at_rest(&c->owed) && s->statement.statements == 1 &&
           s->statement.kind != WEIR_KIND_TRANSACTION && s->statement.kind != WEIR_KIND_UNKNOWN;
}

static int relay_parse(pg_conn *c, const weir_relay *m)
{
    const weir_prepared *s = m->prepared;
    if (!s || is_in_vain(c, s))
        return send(c, WEIR_PG_OWED_PARSE, false, 0, m->whole);
    pg_prepared *p = pg_prepared_find(&c->prepared, s->content);
    if (usable(c, p))
        return fake(c, WEIR_PG_B_PARSE_COMPLETE);
    if (!p && m->unnamed && !pg_prepared_seen(&c->prepared, s->content)) {
        memcpy(c->prepared.unnamed, s->content, sizeof(s->content));
        return send(c, WEIR_PG_OWED_PARSE, false, 0, m->whole);
    }
    return send_named_parse(c, s, p, PARSE_CLIENTS);
}

/* The client has no unnamed statement, whatever another one may have left: so the server says. */
static int ensure_no_unnamed(pg_conn *c)
{
    static const uint8_t close[] = {WEIR_PG_F_CLOSE, 0, 0, 0, 6, 'S', 0};
    c->prepared.unnamed[0] = c->prepared.unnamed[1] = 0;
    return send(c, WEIR_PG_OWED_CLOSE, true, 0, weir_slice_make(close, sizeof(close)));
}

/* The statement under a name of ours on this connection; `*ret_as_is`: the client's own words will
 * do. */
static int ensure_prepared(pg_conn *c, const weir_relay *m, bool *ret_as_is)
{
    const weir_prepared *s = m->prepared;
    *ret_as_is = !s;
    if (!s)
        return m->unnamed ? ensure_no_unnamed(c) : 0;
    pg_prepared *p = pg_prepared_find(&c->prepared, s->content);
    if (usable(c, p))
        return 0;
    if (!p && m->unnamed && memcmp(c->prepared.unnamed, s->content, sizeof(s->content)) == 0) {
        *ret_as_is = true;
        return 0;
    }
    return send_named_parse(c, s, p, PARSE_HIDDEN);
}

/* To fail as the server would fail it, were it the statement that it was: sent so that it fails,
 * and told in other words. */
static int relay_stale(pg_conn *c, weir_pg_owed_kind kind)
{
    static const char none[] = "weir_stale";
    weir_slice name = weir_slice_cstr(none);
    weir_pg_bind bind = {.portal = name, .statement = name};
    weir_buf out;
    weir_buf_init(&out, 128);
    int r = kind == WEIR_PG_OWED_BIND ? weir_pg_write_bind(&out, &bind)
                                      : weir_pg_write_target(&out, WEIR_PG_F_DESCRIBE, 'S', name);
    if (r == 0)
        r = send(c, kind, false, PG_STALE, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

/* Bind: type, length, portal, statement, rest; the statement's name is exchanged. */
static int relay_bind(pg_conn *c, const weir_relay *m)
{
    bool as_is;
    if (m->stale)
        return relay_stale(c, WEIR_PG_OWED_BIND);
    int r = ensure_prepared(c, m, &as_is);
    if (r < 0 || as_is)
        return r < 0 ? r : send(c, WEIR_PG_OWED_BIND, m->hidden, 0, m->whole);
    weir_pg_reader reader = weir_pg_reader_make(weir_slice_skip(m->whole, 5));
    weir_slice portal = weir_pg_read_cstr(&reader);
    (void)weir_pg_read_cstr(&reader);
    if (!reader.ok)
        return -EPROTO;
    uint8_t head[6 + PG_NAME_SIZE] = {WEIR_PG_F_BIND}; /* up to an unnamed portal, and our name */
    char *name = (char *)head + 6;
    weir_slice renamed = pg_prepared_name(m->prepared->content, name);
    size_t size = 4 + portal.len + 1 + renamed.len + 1 + reader.rest.len;
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    size_t at_once = portal.len == 0 ? 6 + renamed.len + 1 : 5;
    r = send(c, WEIR_PG_OWED_BIND, m->hidden, 0, weir_slice_make(head, at_once));
    if (r < 0)
        return r;
    if (portal.len > 0) {
        weir_stream_write(c->stream, weir_slice_make(portal.data, portal.len + 1));
        weir_stream_write(c->stream, weir_slice_make(name, renamed.len + 1));
    }
    weir_stream_write(c->stream, reader.rest);
    return 0;
}

static int relay_describe(pg_conn *c, const weir_relay *m)
{
    if (m->target == 'P')
        return send(c, WEIR_PG_OWED_DESCRIBE_PORTAL, false, 0, m->whole);
    if (m->stale)
        return relay_stale(c, WEIR_PG_OWED_DESCRIBE_STATEMENT);
    bool as_is;
    int r = ensure_prepared(c, m, &as_is);
    uint64_t tag = m->prepared && !m->prepared->shape ? m->prepared->content[0] : 0;
    if (r < 0 || as_is)
        return r < 0 ? r : send(c, WEIR_PG_OWED_DESCRIBE_STATEMENT, false, tag, m->whole);
    char name[PG_NAME_SIZE];
    weir_buf out;
    weir_buf_init(&out, 128);
    r = weir_pg_write_target(&out, WEIR_PG_F_DESCRIBE, 'S',
                             pg_prepared_name(m->prepared->content, name));
    if (r == 0)
        r = send(c, WEIR_PG_OWED_DESCRIBE_STATEMENT, false, tag, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

static int relay_query(pg_conn *c, const weir_relay *m)
{
    /* A simple Query ends the unnamed statement's life. */
    c->prepared.unnamed[0] = c->prepared.unnamed[1] = 0;
    return send(c, WEIR_PG_OWED_QUERY, false, m->temporary ? PG_TEMPORARY : 0, m->whole);
}

static int relay_message(pg_conn *c, const weir_relay *m)
{
    switch (m->kind) {
    case WEIR_RELAY_QUERY:
        return relay_query(c, m);
    case WEIR_RELAY_PARSE:
        return relay_parse(c, m);
    case WEIR_RELAY_BIND:
        return relay_bind(c, m);
    case WEIR_RELAY_DESCRIBE:
        return relay_describe(c, m);
    case WEIR_RELAY_CLOSE: /* statements stay prepared for whoever comes next */
        return m->target == 'P' ? send(c, WEIR_PG_OWED_CLOSE, false, 0, m->whole)
                                : fake(c, WEIR_PG_B_CLOSE_COMPLETE);
    case WEIR_RELAY_EXECUTE:
        return send(c, WEIR_PG_OWED_EXECUTE, m->hidden, m->temporary ? PG_TEMPORARY : 0, m->whole);
    case WEIR_RELAY_SYNC:
        c->batch++;
        return send(c, WEIR_PG_OWED_SYNC, false, 0, m->whole);
    case WEIR_RELAY_FUNCTION:
        return send(c, WEIR_PG_OWED_FUNCTION, false, 0, m->whole);
    case WEIR_RELAY_COPY_DONE:
    case WEIR_RELAY_COPY_FAIL:
        weir_pg_owed_copy_ended(&c->owed);
        weir_stream_write(c->stream, m->whole);
        return 0;
    case WEIR_RELAY_FLUSH: /* owes nothing */
        give_held(c);
        weir_stream_write(c->stream, m->whole);
        return 0;
    case WEIR_RELAY_COPY_DATA:
        weir_stream_write(c->stream, m->whole);
        return 0;
    }
    return -EINVAL;
}

/* The connection is being lost: on_lost follows and answers what is owed, this message too. */
static void owe_all_the_same(pg_conn *c, weir_relay_kind kind)
{
    int r = 0;
    if (kind == WEIR_RELAY_QUERY)
        r = weir_pg_owed_push(&c->owed, WEIR_PG_OWED_QUERY, false, 0);
    else if (kind == WEIR_RELAY_SYNC)
        r = weir_pg_owed_push(&c->owed, WEIR_PG_OWED_SYNC, false, 0);
    else if (kind == WEIR_RELAY_FUNCTION)
        r = weir_pg_owed_push(&c->owed, WEIR_PG_OWED_FUNCTION, false, 0);
    (void)r; /* what finds no room is counted all the same */
}

int pg_relay(weir_conn *conn, const weir_relay *m)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state != PG_READY) {
        owe_all_the_same(c, m->kind);
        return 0;
    }
    int r = relay_message(c, m);
    if (r < 0) {
        weir_error err;
        weir_error_set(&err, r == -ENOMEM ? "53200" : "54000",
                       r == -ENOMEM ? "weir: out of memory while relaying a message"
                                    : "weir: too many replies are owed on one connection");
        pg_conn_fail(c, &err);
    }
    return r;
}

int pg_relay_more(weir_conn *conn, weir_slice bytes)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state == PG_READY)
        weir_stream_write(c->stream, bytes);
    return 0;
}

int pg_interject(weir_conn *conn, weir_slice bytes, bool skippable)
{
    return interject(pg_conn_of(conn), bytes, skippable);
}

/* ---- from the server ---- */

static void on_statement(pg_conn *c, const char *sqlstate)
{
    if (c->base.sink)
        c->base.sink->events->on_statement(c->base.sink, c->rows, sqlstate);
    c->rows = 0;
}

static bool is_statement(weir_pg_owed_kind kind)
{
    return kind == WEIR_PG_OWED_QUERY || kind == WEIR_PG_OWED_EXECUTE ||
           kind == WEIR_PG_OWED_FUNCTION;
}

/* After an error the server skips up to Sync: those statements end here, and no Parse among them
 * counts. */
static void on_skipped(pg_conn *c)
{
    weir_pg_owed_skipped skipped;
    while (weir_pg_owed_next_skipped(&c->owed, &skipped)) {
        weir_pg_owed_kind kind = skipped.kind;
        uint64_t tag = skipped.tag;
        if (kind == WEIR_PG_OWED_INTERJECTION ? answers_naming(tag)
                                              : kind == WEIR_PG_OWED_PARSE && !skipped.hidden)
            tell_parsed(c, WEIR_PARSING_SKIPPED);
        if (kind == WEIR_PG_OWED_INTERJECTION)
            continue;
        if (tag == PG_ASKED || tag == PG_NAMES) {
            if (tag == PG_NAMES)
                pg_aliases_doubt(c);
            continue;
        }
        if (tag == PG_EXAMINED) {
            pg_describe_failed(c);
            continue;
        }
        if (kind == WEIR_PG_OWED_PARSE && tag)
            pg_prepared_parsed(&c->prepared, tag, false);
        if (kind == WEIR_PG_OWED_CLOSE && tag)
            pg_prepared_closed(&c->prepared, tag, false);
        if (is_statement(kind)) {
            on_statement(c, c->error_told ? NULL : c->sqlstate);
            c->error_told = true;
        }
    }
}

static void count_change(pg_conn *c, uint64_t change)
{
    weir_backend *b = c->base.backend;
    weir_backend_watcher *watcher = atomic_load_explicit(&b->watcher, memory_order_acquire);
    atomic_fetch_add_explicit(&b->changes, change, memory_order_acq_rel);
    if (watcher)
        watcher->changed(watcher);
}

static void on_complete(pg_conn *c, weir_slice tag, bool temporary)
{
    uint64_t change = temporary ? 0 : pg_change_of(tag);
    c->rows += weir_pg_tag_rows(tag);
    if (change) {
        count_change(c, change);
        c->change = change > c->change ? change : c->change; /* once more when it is committed */
    }
    if (pg_starts_with(tag, "DISCARD ALL") || pg_starts_with(tag, "DEALLOCATE ALL")) {
        pg_prepared_clear(&c->prepared);
        pg_aliases_ended(c);
        if (pg_starts_with(tag, "DISCARD"))
            pg_parameters_clear(c);
    }
}

/* Keeps the server's words; a FATAL is not passed on as such: the loss of the connection that
 * follows is told by an error of the same words, after which the client lives on. */
static void remember_fatal(pg_conn *c, const weir_pg_error_fields *e)
{
    char state[6] = "57P01";
    if (e->sqlstate.len == 5)
        memcpy(state, e->sqlstate.data, 5);
    weir_error_set(&c->lost, state, "%.*s", (int)e->message.len, (const char *)e->message.data);
    weir_error_detail(&c->lost, "The database server ended its connection.");
}

/* Returns true when the frame goes to the client. */
static bool on_error(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    weir_pg_error_fields e;
    if (weir_pg_error_read(f->body, &e) != 0)
        return true;
    if (v->tag == PG_NAMES) {
        pg_aliases_doubt(c);
        if (!v->forward && c->names_error.len == 0 &&
            weir_buf_append(&c->names_error, f->whole) < 0)
            weir_buf_clear(&c->names_error);
    }
    if ((v->tag == PG_ASKED || v->tag == PG_NAMES) && !v->forward) {
        if (v->tag == PG_ASKED)
            pg_question_failed(c, &e);
        on_skipped(c);
        return false;
    }
    bool of_ours = v->kind == WEIR_PG_OWED_QUERY && !v->forward;
    if (of_ours) {
        weir_error err;
        weir_error_set(&err, "08006",
                       v->tag == PG_ADOPTS
                           ? "weir: the database server refused a session parameter: %.*s"
                           : "weir: the database server failed a check: %.*s",
                       (int)e.message.len, (const char *)e.message.data);
        pg_conn_fail(c, &err);
        return false;
    }
    if (c->base.sink && c->base.sink->events->on_error)
        c->base.sink->events->on_error(c->base.sink);
    memset(c->sqlstate, 0, sizeof(c->sqlstate));
    memcpy(c->sqlstate, e.sqlstate.data, e.sqlstate.len < 5 ? e.sqlstate.len : 5);
    pg_target_refused(c);
    c->error_told = false;
    c->rows = c->passed = 0;
    if ((strcmp(c->sqlstate, "0A000") == 0 &&
         pg_starts_with(e.message, "cached plan must not change")) ||
        (strcmp(c->sqlstate, "XX000") == 0 && pg_starts_with(e.message, "cache lookup failed")))
        count_change(c, 1); /* somebody else's: what is parsed from now on is another statement */
    if (v->completes && v->kind == WEIR_PG_OWED_PARSE && v->tag)
        pg_prepared_parsed(&c->prepared, v->tag, false);
    if (v->completes && v->kind == WEIR_PG_OWED_PARSE && !v->hidden)
        tell_parsed(c, WEIR_PARSING_FAILED);
    if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE && v->tag != PG_NAMES) {
        on_statement(c, c->sqlstate);
        c->error_told = true;
    }
    on_skipped(c);
    return true;
}

/* A name that we could not make is missed by the client's statement now: why tells more. Only
 * between messages that are handed on. */
static bool is_for_names(pg_conn *c)
{
    return c->names_error.len > 0 &&
           (strcmp(c->sqlstate, "26000") == 0 || strcmp(c->sqlstate, "25P02") == 0);
}

static void on_own_ready(pg_conn *c, const weir_pg_owed_verdict *v)
{
    weir_backend *b = c->base.backend;
    if (v->tag == PG_ASKED)
        pg_question_answered(c);
    if (v->tag != PG_CHECKS || !c->validating)
        return;
    c->validating = false;
    if (c->returned)
        pg_conn_look_clean(c);
    else
        b->events->validated(b->engine, &c->base, true);
}

static void on_ready(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    uint8_t status;
    if (weir_pg_ready_read(f->body, &status) != 0) {
        weir_error err;
        weir_error_set(&err, "08P01", "weir: the database server sent a malformed ReadyForQuery");
        pg_conn_fail(c, &err);
        return;
    }
    c->status = (char)status;
    if (c->change && status == 'I') {
        count_change(c, c->change);
        c->change = 0;
    }
    if (!v->forward) {
        on_own_ready(c, v);
        return;
    }
    if (v->kind == WEIR_PG_OWED_QUERY || v->kind == WEIR_PG_OWED_FUNCTION)
        on_statement(c, c->sqlstate);
    c->sqlstate[0] = '\0';
    weir_buf_clear(&c->names_error);
    if (c->base.sink)
        c->base.sink->events->on_ready(c->base.sink, c->status, weir_pg_owed_count(&c->owed));
}

/* The limit is the operator's protection: what asks for more is broken off, at whatever cost. */
static bool too_many_rows(pg_conn *c)
{
    uint64_t most = c->place->options.rows_max;
    if (++c->passed <= most || most == 0)
        return false;
    weir_error err;
    weir_error_set(&err, "54000", "weir: the result has more rows than limits.rows allows (%llu)",
                   (unsigned long long)most);
    pg_conn_fail(c, &err);
    return true;
}

static void on_notification(pg_conn *c, weir_slice body)
{
    weir_pg_notification n;
    weir_relay_sink *sink = c->base.sink;
    if (sink && sink->events->on_notification && weir_pg_notification_read(body, &n) == 0)
        sink->events->on_notification(sink, n.pid, n.channel, n.payload);
}

/* Behind the last reply that is owed the sink may keep the ReadyForQuery back. */
static bool may_be_ready(const pg_conn *c, const weir_pg_frame *f)
{
    weir_relay_sink *sink = c->base.sink;
    if (!sink || !sink->events->may_be_ready || f->body.len != 1 ||
        !weir_pg_owed_is_at_rest(&c->owed))
        return true;
    return sink->events->may_be_ready(sink, (char)f->body.data[0]);
}

/* What a whole frame means to us. Returns whether it goes to the client. */
static bool on_frame(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    if ((v->tag == PG_ASKED || v->tag == PG_NAMES) && !v->forward && f->type != WEIR_PG_B_ERROR) {
        if (f->type == WEIR_PG_B_DATA_ROW && v->tag == PG_ASKED)
            pg_question_row(c, f->body);
        return false;
    }
    if (v->kind == WEIR_PG_OWED_DESCRIBE_STATEMENT && v->tag && f->type != WEIR_PG_B_ERROR)
        pg_describe_frame(c, f, v->tag);
    switch (f->type) {
    case WEIR_PG_B_DATA_ROW:
        return !too_many_rows(c) && v->forward;
    case WEIR_PG_B_NOTIFICATION:
        on_notification(c, f->body);
        return false;
    case WEIR_PG_B_COMMAND_COMPLETE:
        c->passed = 0;
        if (v->forward)
            on_complete(c, weir_slice_head(f->body, f->body.len ? f->body.len - 1 : 0),
                        v->tag == PG_TEMPORARY);
        if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE)
            on_statement(c, "");
        return v->forward;
    case WEIR_PG_B_EMPTY_QUERY:
    case WEIR_PG_B_PORTAL_SUSPENDED:
        c->passed = 0;
        if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE)
            on_statement(c, "");
        return v->forward;
    case WEIR_PG_B_PARSE_COMPLETE:
        if (v->tag)
            pg_prepared_parsed(&c->prepared, v->tag, true);
        if (!v->hidden)
            tell_parsed(c, WEIR_PARSING_DONE);
        return v->forward;
    case WEIR_PG_B_CLOSE_COMPLETE:
        if (v->tag)
            pg_prepared_closed(&c->prepared, v->tag, true);
        return v->forward;
    case WEIR_PG_B_ERROR:
        return on_error(c, f, v);
    default:
        return v->forward;
    }
}

/* Frames that may be of any size and tell us nothing: handed on as they come. */
static bool passes_in_pieces(uint8_t type)
{
    return type == WEIR_PG_B_DATA_ROW || type == WEIR_PG_COPY_DATA ||
           type == WEIR_PG_B_FUNCTION_RESULT;
}

static void hand_on(pg_conn *c, weir_slice in, size_t from, size_t to)
{
    if (to <= from)
        return;
    give_held(c);
    give(c, weir_slice_make(in.data + from, to - from));
}

static void break_off(pg_conn *c, const char *why)
{
    weir_error err;
    weir_error_set(&err, "08P01",
                   "weir: lost step with the database server (%s); its connection is closed", why);
    weir_log_event(c->place->options.log, WEIR_LOG_POSTGRES, WEIR_LOG_ERROR, "protocol out of step",
                   WEIR_F_INT("server", c->base.id), WEIR_F_STR("why", why));
    pg_conn_fail(c, &err);
}

static bool is_fatal(weir_slice body, weir_pg_error_fields *ret)
{
    return weir_pg_error_read(body, ret) == 0 &&
           (weir_slice_eq_cstr(ret->severity_fixed, "FATAL") ||
            weir_slice_eq_cstr(ret->severity_fixed, "PANIC"));
}

static bool tells_outcome(uint8_t type)
{
    return type == WEIR_PG_B_COMMAND_COMPLETE || type == WEIR_PG_B_ERROR || type == WEIR_PG_B_READY;
}

/* One frame at the front of in[*pos…]. False: nothing more can be done with these bytes now.
 * `*from` is where the run of bytes for the client began that has not been handed on. */
static bool take_frame(pg_conn *c, weir_slice in, size_t *from, size_t *pos)
{
    weir_pg_frame f;
    size_t size;
    weir_slice rest = weir_slice_skip(in, *pos);
    int r = weir_pg_frame_head(rest, WEIR_PG_MESSAGE_SIZE_MAX, &f.type, &size);
    if (r < 0)
        break_off(c, "an impossible length");
    if (r != 0)
        return false;
    bool in_pieces = rest.len < size && passes_in_pieces(f.type) && !weir_pg_owed_is_ours(&c->owed);
    if (rest.len < size && !in_pieces)
        return false;
    weir_pg_error_fields e;
    f.body = weir_slice_make(rest.data + 5, in_pieces ? 0 : size - 5);
    f.whole = weir_slice_head(rest, in_pieces ? rest.len : size);
    if (f.type == WEIR_PG_B_ERROR && is_fatal(f.body, &e)) {
        remember_fatal(c, &e);
        hand_on(c, in, *from, *pos);
        *pos += size;
        *from = *pos;
        return true;
    }
    weir_pg_owed_verdict v;
    if (weir_pg_owed_on(&c->owed, f.type, &v) < 0) {
        break_off(c, "a reply that nothing asked for");
        return false;
    }
    bool forward = on_frame(c, &f, &v);
    if (forward && c->base.sink && c->base.sink->outcomes && tells_outcome(f.type))
        c->base.sink->events->on_outcome(c->base.sink, f.type, f.body);
    if (forward && f.type == WEIR_PG_B_READY)
        forward = may_be_ready(c, &f);
    bool stale = forward && f.type == WEIR_PG_B_ERROR && v.tag == PG_STALE;
    if (stale && pg_stale_error(&c->names_error) < 0)
        stale = false;
    if (stale || (forward && f.type == WEIR_PG_B_ERROR && is_for_names(c))) {
        hand_on(c, in, *from, *pos);
        hand_on(c, weir_buf_slice(&c->names_error), 0, c->names_error.len);
        weir_buf_clear(&c->names_error);
        forward = false;
        *from = *pos;
    }
    if (!forward)
        hand_on(c, in, *from, *pos);
    *pos += f.whole.len;
    if (!forward)
        *from = *pos;
    if (in_pieces) {
        c->passing = size - f.whole.len;
        c->passing_on = forward;
    }
    if (f.type == WEIR_PG_B_READY || v.completes) {
        bool ready = f.type == WEIR_PG_B_READY;
        if (ready) {
            hand_on(c, in, *from, *pos);
            *from = *pos;
            on_ready(c, &f, &v);
        }
        pg_conn_look_roomy(c);
        if (weir_pg_owed_has_interjection(&c->owed)) {
            hand_on(c, in, *from, *pos);
            *from = *pos;
            give_interjections(c);
        }
    }
    return true;
}

/* The rest of a large frame. */
static size_t pass(pg_conn *c, weir_slice in)
{
    size_t n = in.len < c->passing ? in.len : c->passing;
    c->passing -= n;
    return n;
}

size_t pg_relay_on_bytes(weir_stream *stream, weir_slice in)
{
    pg_conn *c = weir_stream_user(stream);
    size_t pos = c->passing ? pass(c, in) : 0;
    size_t from = c->passing_on ? 0 : pos;
    while (c->state == PG_READY && c->passing == 0 && pos < in.len &&
           take_frame(c, in, &from, &pos))
        continue;
    if (c->state == PG_CLOSING)
        return in.len;
    hand_on(c, in, from, pos);
    weir_relay_sink *sink = c->base.sink;
    if (sink && c->state == PG_READY && sink->events->congested(sink)) {
        c->paused = true;
        weir_stream_pause(stream);
    }
    return pos;
}
