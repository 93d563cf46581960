/* The data path toward the server: a client's messages.
 *
 * Every message that owes a reply is entered in the queue of owed replies before it is written.
 * Statements have names of ours on the server, so Parse, Bind and Describe are renamed, and a
 * statement that is not there yet is parsed in front of what names it, hidden from the client. */
#include "backend/postgres/ours.h"
#include "backend/postgres/relay.h"

static int send(pg_conn *c, weir_pg_owed_kind kind, bool hidden, uint64_t tag, weir_slice bytes)
{
    int r = weir_pg_owed_push(&c->owed, kind, hidden, tag);
    if (r < 0)
        return r;
    weir_stream_write(c->stream, bytes);
    pg_relay_skipped(c); /* behind an error the server skips this one too */
    return 0;
}

/* 0 also where it is swallowed. */
static int interject(pg_conn *c, weir_slice bytes, bool skippable)
{
    if (skippable && weir_pg_owed_is_skipping(&c->owed)) {
        if (bytes.len > 0 && pg_relay_answers_naming(bytes.data[0]))
            pg_relay_tell_parsed(c, WEIR_PARSING_SKIPPED);
        return 0;
    }
    int r = weir_pg_owed_interject(&c->owed, bytes, skippable);
    if (r == 0)
        pg_relay_give_interjections(c);
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
        pg_relay_tell_parsed(c, WEIR_PARSING_DONE);
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
        pg_relay_skipped(c);
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

bool pg_relay_usable(const pg_conn *c, const pg_prepared *p)
{
    if (!p || p->outdated)
        return false;
    return p->pending == 0 ? p->on_server : p->batch == c->batch;
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
    if (pg_relay_usable(c, p))
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
    if (pg_relay_usable(c, p))
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
        pg_relay_give_held(c);
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
