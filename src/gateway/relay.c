/* A client before a backend that speaks its protocol: the story of its statements. Each message is
 * decoded, understood, given a server connection if there is none, forwarded and, when its answer
 * has passed, recorded. The connection goes back when every owed reply has passed and the server is
 * outside a transaction, unless the session is pinned to it.
 *
 * Invariants: between a message of the client and its answer the order is the client's own; an
 * error of ours is answered as the server would answer (extended protocol: everything up to Sync is
 * skipped, then one ReadyForQuery); a statement that was sent is never sent again. */
#include "gateway/cached.h"
#include "gateway/internal.h"
#include "gateway/lost.h"
#include "gateway/terminate.h"
#include <stdlib.h>

#define WAIT 1 /* the message was not taken: come again */

/* ---- errors of ours ---- */

static void give_error(weir_client *c, const weir_error *err)
{
    weir_conn *conn = c->session.conn;
    if (!conn) {
        weir_client_error(c, err);
        return;
    }
    weir_buf out;
    weir_buf_init(&out, 8192);
    int r = weir_pg_write_error(&out, "ERROR", err);
    if (r == 0)
        r = conn->ops->interject(conn, weir_buf_slice(&out), false);
    weir_buf_fini(&out);
    if (r < 0)
        weir_client_close(c, 0);
}

void weir_client_refuse(weir_client *c, uint8_t type, const weir_error *err)
{
    weir_client_cached_failed(c);
    give_error(c, err);
    if (type != WEIR_PG_F_QUERY && type != WEIR_PG_F_FUNCTION) {
        c->relay.skipping = true;
        return;
    }
    const uint8_t ready[] = {WEIR_PG_B_READY, 0, 0, 0, 5, (uint8_t)c->relay.status};
    if (!c->session.conn)
        weir_client_ready(c, c->relay.status);
    else if (c->session.conn->ops->interject(c->session.conn, weir_slice_make(ready, sizeof(ready)),
                                             false) < 0)
        weir_client_close(c, 0);
    weir_client_settled(c); /* nothing was sent that would be answered, and give it back */
}

static int refuse_memory(weir_client *c, uint8_t type)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    weir_client_refuse(c, type, &err);
    return 0;
}

/* ---- the client's messages ---- */

/* A DO whose body may change the schema: no tag will tell. */
static bool may_define(weir_slice text)
{
    return weir_client_mentions(text, "create") || weir_client_mentions(text, "alter") ||
           weir_client_mentions(text, "drop") || weir_client_mentions(text, "execute");
}

/* Notes what the statement may leave behind. False: refused, and answered. */
static bool admit_effects(weir_client *c, uint8_t type, const weir_statement *statement,
                          weir_slice text)
{
    weir_error err;
    if (c->session.lending == WEIR_LEND_STATEMENT && !weir_client_may_run(c, statement, &err)) {
        weir_client_refuse(c, type, &err);
        return false;
    }
    if (c->listening && statement->kind != WEIR_KIND_READ)
        c->relay.notified = true; /* a trigger may */
    if ((statement->effects & ~(unsigned)WEIR_EFFECT_WRITES) == 0 && !c->session.pinned &&
        (statement->kind == WEIR_KIND_READ || !weir_client_watches_sequences(c)))
        return true;
    if ((statement->effects & WEIR_EFFECT_DO) && may_define(text))
        c->relay.changed = true;
    int r = weir_client_note_effects(c, statement, text, &err);
    if (r == 0)
        return true;
    if (r < 0)
        weir_error_set(&err, "53200", "weir: out of memory");
    weir_client_refuse(c, type, &err);
    return false;
}

bool weir_client_mentions(weir_slice text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++)
        if ((text.data[i] | 0x20) == word[0] &&
            weir_slice_eq_nocase(weir_slice_make(text.data + i, n), word))
            return true;
    return false;
}

static bool mentions_listen(weir_slice text)
{
    return weir_client_mentions(text, "listen");
}

/* What a statement's transaction may listen to or notify. 0; WAIT; other: refused, and answered. */
static int admit_listening(weir_client *c, uint8_t type, unsigned effects, weir_slice text)
{
    weir_error err;
    if (effects & (WEIR_EFFECT_NOTIFY | WEIR_EFFECT_DO)) {
        c->relay.notified = c->relay.notifies = true;
        weir_listening_notifies(c);
    }
    bool listens =
        (effects & WEIR_EFFECT_LISTEN) ||
        ((effects & (WEIR_EFFECT_UNDO | WEIR_EFFECT_DISCARD)) && weir_listening_any(c)) ||
        ((effects & WEIR_EFFECT_DO) && mentions_listen(text));
    if (!listens)
        return 0;
    int r = weir_listening_admit(c, text, c->relay.batch, &err);
    if (r < 0)
        (void)refuse_memory(c, type);
    else if (r == WEIR_LISTENING_REFUSED)
        weir_client_refuse(c, type, &err);
    return r;
}

/* A transaction in which the client listens may end now. 0, WAIT. */
static int before_commit(weir_client *c)
{
    return c->listening && weir_listening_must_settle(c) ? weir_listening_before_commit(c) : 0;
}

static_assert(WAIT == WEIR_LISTENING_WAIT, "both mean: keep the message");

int weir_client_forward(weir_client *c, const weir_relay *m)
{
    weir_conn *conn = c->session.conn;
    weir_client_cached_sends(c, m);
    c->relay.batch =
        m->kind != WEIR_RELAY_SYNC &&
        (c->relay.batch || (m->kind != WEIR_RELAY_QUERY && m->kind != WEIR_RELAY_FUNCTION));
    if (m->kind == WEIR_RELAY_SYNC || m->kind == WEIR_RELAY_QUERY ||
        m->kind == WEIR_RELAY_FUNCTION) {
        c->relay.unready++;
        weir_client_sent_ready(c);
    }
    (void)conn->ops->relay(conn, m); /* a failure is told by on_lost */
    return 0;
}

/* A message that `out` has, unless it is empty. */
static weir_slice instead(const weir_pg_frame *f, const weir_buf *out)
{
    return out->len > 0 ? weir_buf_slice(out) : f->whole;
}

/* False: refused, and answered. */
static bool settle_names_to_run(weir_client *c, uint8_t type, unsigned effects, weir_slice text,
                                struct weir_namings **ret)
{
    weir_error err;
    int r = effects & WEIR_NAMING_EFFECTS ? weir_client_settle_names(c, text, ret, &err) : 0;
    if (r < 0)
        weir_error_set(&err, "53200", "weir: out of memory");
    if (r != 0)
        weir_client_refuse(c, type, &err);
    return r == 0;
}

static int send_query(weir_client *c, const weir_pg_frame *f, const weir_statement *st,
                      weir_slice text, weir_slice whole)
{
    weir_statement sent = *st;
    bool drops = weir_temporary_drops(c, st, text);
    if (drops)
        sent.effects |= WEIR_EFFECT_TEMP;
    if (weir_client_touches(c, st, text, NULL, NULL) == WAIT)
        return WAIT;
    if (!admit_effects(c, f->type, st, text))
        return 0;
    weir_client_cached_begins(c, st, text);
    struct weir_namings *namings = NULL;
    if (!settle_names_to_run(c, f->type, st->effects, text, &namings))
        return 0;
    if (weir_client_sent_push(c, &sent, weir_client_block_effect(st, text)) < 0) {
        weir_namings_free(namings);
        return refuse_memory(c, f->type);
    }
    weir_client_sent_name(c, namings);
    bool temporary = drops || weir_client_makes_temporary(st, text);
    return weir_client_forward(
        c, &(weir_relay){.kind = WEIR_RELAY_QUERY, .whole = whole, .temporary = temporary});
}

/* It may end another client (terminate.h). */
static int query_that_signals(weir_client *c, const weir_pg_frame *f, const weir_statement *st,
                              weir_slice text)
{
    weir_buf own;
    weir_buf_init(&own, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = weir_client_terminates(c, text, &own);
    if (r == 0)
        r = send_query(c, f, st, text, instead(f, &own));
    else if (r < 0)
        r = refuse_memory(c, f->type);
    weir_buf_fini(&own);
    return r == WAIT ? WAIT : 0;
}

static int on_query(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text;
    weir_statement st;
    if (weir_pg_query_read(f->body, &text) != 0)
        return -EPROTO;
    weir_session_understand(&c->session, text, &st);
    int r = st.effects ? admit_listening(c, f->type, st.effects, text) : 0;
    if (r == 0 && !(st.effects & WEIR_EFFECT_LISTEN)) /* (what is said now counts from now) */
        r = before_commit(c);
    if (r != 0)
        return r == WAIT ? WAIT : 0;
    if (st.effects & WEIR_EFFECT_NOTIFY)
        return query_that_signals(c, f, &st, text);
    return send_query(c, f, &st, text, f->whole);
}

bool weir_client_same_statement(const weir_client *c, const weir_pg_parse *parse)
{
    const weir_prepared *p = c->relay.unnamed;
    return p && c->relay.unnamed_under == weir_client_meaning(c) &&
           !weir_client_state_changing(c) && weir_slice_eq(p->text, parse->text) &&
           weir_slice_eq(p->oids, parse->oids) && !(p->statement.effects & WEIR_NAMING_EFFECTS);
}

void weir_client_set_unnamed(weir_client *c, weir_prepared *p)
{
    weir_client_prepared_unref(c->relay.unnamed);
    c->relay.unnamed = p;
    c->relay.unnamed_under = weir_client_meaning(c);
}

/* What the name stands for hangs on what the server has not answered yet. */
static bool awaits(weir_client *c, weir_slice name)
{
    if (!weir_client_name_awaited(c, name))
        return false;
    c->relay.behind = true;
    weir_stream_pause(c->stream);
    return true;
}

/* Names that its text says mean what the client means by them, also while it is only parsed. */
static int settle_names(weir_client *c, const weir_prepared *p)
{
    return p && (p->statement.effects & WEIR_NAMING_EFFECTS)
               ? weir_client_settle_names(c, p->text, NULL, NULL)
               : 0;
}

/* Before it is parsed, as long as nothing of the batch has gone out: what it listens to is settled
 * by questions of ours, which cannot go between. 0; WAIT; other: refused, and answered. */
static int admit_parse(weir_client *c, const weir_pg_frame *f, const weir_prepared *p)
{
    unsigned effects = p->statement.effects;
    int r = effects && !c->relay.batch ? admit_listening(c, f->type, effects, p->text) : 0;
    if (r == 0 && settle_names(c, p) < 0) {
        (void)refuse_memory(c, f->type);
        r = -ENOMEM;
    }
    return r;
}

/* A name that is taken: the server is to say so, in its words and at its place. */
static int parse_over(weir_client *c, const weir_pg_frame *f, weir_slice name)
{
    if (weir_client_take_name(c, name) < 0 || weir_client_promise_nothing(c) < 0)
        return refuse_memory(c, f->type);
    return weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_PARSE, .whole = f->whole});
}

/* A text may say its name (EXECUTE) when the settings of now cannot be made again, as they are not
 * known before the transaction ends: it is parsed under that name at once. */
static int name_unsettled(weir_client *c, weir_slice name, const weir_prepared *p)
{
    weir_conn *conn = c->session.conn;
    return conn && name.len > 0 && p->unsettled && c->relay.status != 'E'
               ? conn->ops->name(conn, weir_client_name_key(name), p)
               : 0;
}

/* The name stands for it from now on. Takes the reference; other than 0: refused, and answered. */
static int promise_parse(weir_client *c, const weir_pg_frame *f, weir_slice name, weir_prepared *p)
{
    weir_error err;
    int r =
        name.len > 0 ? weir_client_named_put(c, name, p, false) : weir_client_unnamed_promised(c);
    if (r == 0 && name.len == 0 && p != c->relay.unnamed)
        weir_client_set_unnamed(c, p);
    if (r < 0)
        (void)refuse_memory(c, f->type);
    if (r <= 0)
        return r;
    weir_error_set(&err, "53400", "weir: too many prepared statements (limits.prepared is %u)",
                   weir_gateway_config(c->worker->gateway)->limits.prepared);
    weir_client_refuse(c, f->type, &err);
    return r;
}

static int take_parse(weir_client *c, const weir_pg_frame *f, const weir_pg_parse *parse,
                      weir_buf *own)
{
    bool known = parse->name.len == 0 && weir_client_same_statement(c, parse);
    weir_prepared *p =
        known ? c->relay.unnamed : weir_client_prepared_new(c, parse->text, parse->oids);
    if (p && !known && (p->statement.effects & WEIR_EFFECT_NOTIFY))
        p = weir_client_prepare_termination(c, parse, p, own);
    if (!p)
        return refuse_memory(c, f->type);
    int e = admit_parse(c, f, p);
    if (e != 0) {
        if (!known)
            weir_client_prepared_unref(p);
        return e == WAIT ? WAIT : 0;
    }
    if (promise_parse(c, f, parse->name, p) != 0) {
        if (!known)
            weir_client_prepared_unref(p);
        return 0;
    }
    p->refs++; /* the server may be skipping what it is sent */
    (void)weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_PARSE,
                                               .whole = instead(f, own),
                                               .prepared = p,
                                               .unnamed = parse->name.len == 0});
    int r = name_unsettled(c, parse->name, p);
    weir_client_prepared_unref(p);
    return r < 0 ? refuse_memory(c, f->type) : 0;
}

static int on_parse(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_parse parse;
    if (weir_pg_parse_read(f->body, &parse) != 0)
        return -EPROTO;
    if (parse.name.len > 0 && awaits(c, parse.name))
        return WAIT;
    if (weir_client_name_taken(c, parse.name))
        return parse_over(c, f, parse.name);
    weir_buf own;
    weir_buf_init(&own, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = take_parse(c, f, &parse, &own);
    weir_buf_fini(&own);
    return r;
}

/* Values that may name settings (set_config) are looked at. */
static int note_values(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_bind bind;
    weir_slice value;
    bool null;
    if (weir_pg_bind_read(f->body, &bind) != 0)
        return 0; /* the server says what is wrong with it */
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_value_next(bind.values, &pos, &value, &null);)
        r = null ? 0 : weir_client_note_value(c, value);
    return r;
}

/* 0; WAIT; other: refused, and answered. */
static int bind_effects(weir_client *c, const weir_pg_frame *f, weir_prepared *p)
{
    weir_session_review(&c->session, &p->statement);
    c->relay.bound = p->statement;
    c->relay.bound_block = (uint8_t)weir_client_block_effect(&p->statement, p->text);
    weir_client_prepared_unref(c->relay.bound_to);
    c->relay.bound_to = NULL;
    unsigned effects = p->statement.effects;
    int r = effects ? admit_listening(c, f->type, effects, p->text) : 0;
    if (r != 0)
        return r;
    if (weir_client_touches_bound(c, p, f->body) == WAIT)
        return WAIT;
    c->relay.bound_drops = weir_temporary_drops(c, &p->statement, p->text);
    if (!admit_effects(c, f->type, &p->statement, p->text))
        return WEIR_SESSION_REFUSED;
    weir_client_cached_begins(c, &p->statement, p->text);
    if (effects == 0)
        return 0;
    r = effects & WEIR_EFFECT_SET ? note_values(c, f) : 0;
    if (r == 0)
        r = settle_names(c, p);
    if (r < 0) {
        (void)refuse_memory(c, f->type);
        return r;
    }
    p->refs++;
    c->relay.bound_to = p;
    return 0;
}

/* What SQL prepared stands on the server under the client's own name, which does as it is; what the
 * client has not got must not be there as another's. */
static int by_own_name(weir_client *c, weir_slice name, weir_prepared **p)
{
    weir_conn *conn = c->session.conn;
    if (name.len == 0 || c->relay.status == 'E' || (*p && !(*p)->by_sql))
        return 0;
    int r = conn->ops->name(conn, weir_client_name_key(name), *p);
    *p = NULL;
    return r;
}

/* The client was shown what a statement gives, and the schema has changed since: it is looked at
 * again where it does not stand yet. 0: it may go out; WAIT. */
static int see_to_shape(weir_client *c, weir_prepared *p)
{
    weir_conn *conn = c->session.conn;
    bool seen_to = c->relay.seen_to && c->relay.examined == p;
    c->relay.seen_to = false;
    if (!p || !p->shape || p->by_sql || p->stale || seen_to || c->relay.status == 'E' ||
        conn->ops->faithful(conn, p))
        return 0;
    c->relay.examining = c->relay.batch = true;
    c->relay.examined = p;
    if (conn->ops->examine(conn, p) < 0) {
        c->relay.examining = false;
        return 0; /* on_lost follows */
    }
    if (c->relay.examining)
        weir_stream_pause(c->stream);
    return WAIT;
}

static int send_bind(weir_client *c, const weir_pg_frame *f, weir_prepared *p, weir_slice name,
                     weir_slice whole)
{
    if (by_own_name(c, name, &p) < 0)
        return refuse_memory(c, f->type);
    return weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_BIND,
                                                .whole = whole,
                                                .stale = p && p->stale,
                                                .prepared = p,
                                                .unnamed = name.len == 0});
}

/* As query_that_signals. */
static int bind_that_signals(weir_client *c, const weir_pg_frame *f, weir_prepared *p,
                             weir_slice name)
{
    weir_buf own;
    weir_buf_init(&own, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = weir_client_binds_termination(c, f, p, &own);
    if (r == 0)
        r = send_bind(c, f, p, name, instead(f, &own));
    else if (r < 0)
        r = refuse_memory(c, f->type);
    weir_buf_fini(&own);
    return r == WAIT ? WAIT : 0;
}

static int on_bind(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_reader r = weir_pg_reader_make(f->body);
    weir_slice portal = weir_pg_read_cstr(&r);
    weir_slice name = weir_pg_read_cstr(&r);
    if (!r.ok)
        return -EPROTO;
    if (awaits(c, name))
        return WAIT;
    c->relay.bound_unnamed = portal.len == 0;
    weir_prepared *p = weir_client_prepared_find(c, name);
    int e = see_to_shape(c, p);
    if (e == 0 && p)
        e = bind_effects(c, f, p);
    if (e != 0)
        return e == WAIT ? WAIT : 0;
    if (p && (p->statement.effects & WEIR_EFFECT_NOTIFY))
        return bind_that_signals(c, f, p, name);
    return send_bind(c, f, p, name, f->whole);
}

static int on_target(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_target t;
    if (weir_pg_target_read(f->body, &t) != 0)
        return -EPROTO;
    bool close = f->type == WEIR_PG_F_CLOSE;
    if (!close && t.kind == 'S' && awaits(c, t.name))
        return WAIT;
    if (weir_client_cached_portal(c, f->type, f->body) < 0)
        return refuse_memory(c, f->type);
    weir_prepared *p = t.kind == 'S' ? weir_client_prepared_find(c, t.name) : NULL;
    if (!close && t.kind == 'S' && by_own_name(c, t.name, &p) < 0)
        return refuse_memory(c, f->type);
    if (!close && see_to_shape(c, p) == WAIT)
        return WAIT;
    if (close && t.kind == 'S' && weir_client_named_close(c, t.name) < 0)
        return refuse_memory(c, f->type);
    return weir_client_forward(c,
                               &(weir_relay){.kind = close ? WEIR_RELAY_CLOSE : WEIR_RELAY_DESCRIBE,
                                             .whole = f->whole,
                                             .prepared = close ? NULL : p,
                                             .unnamed = t.name.len == 0,
                                             .stale = !close && p && p->stale,
                                             .target = t.kind});
}

static int on_execute(weir_client *c, const weir_pg_frame *f)
{
    if (c->relay.bound.kind == WEIR_KIND_TRANSACTION && before_commit(c) == WAIT)
        return WAIT;
    if (weir_client_cached_portal(c, f->type, f->body) < 0)
        return refuse_memory(c, f->type);
    struct weir_namings *namings = NULL;
    const weir_prepared *p = c->relay.bound_to;
    if (p && !settle_names_to_run(c, f->type, p->statement.effects, p->text, &namings))
        return 0;
    bool newest = c->relay.bound_unnamed && f->body.len > 0 && f->body.data[0] == 0;
    bool drops = newest && c->relay.bound_drops;
    weir_statement sent = c->relay.bound;
    if (drops)
        sent.effects |= WEIR_EFFECT_TEMP;
    if (weir_client_sent_push(c, &sent, weir_client_block_of_portal(c, f->body)) < 0) {
        weir_namings_free(namings);
        return refuse_memory(c, f->type);
    }
    weir_client_sent_name(c, namings);
    bool temporary = drops || (p && newest && weir_client_makes_temporary(&p->statement, p->text));
    return weir_client_forward(
        c, &(weir_relay){.kind = WEIR_RELAY_EXECUTE, .whole = f->whole, .temporary = temporary});
}

static int on_function(weir_client *c, const weir_pg_frame *f)
{
    weir_statement unknown = {
        .template_id = UINT32_MAX, .kind = WEIR_KIND_UNKNOWN, .statements = 1};
    weir_pg_reader reader = weir_pg_reader_make(f->body);
    uint32_t function = weir_pg_read_u32(&reader);
    if (!reader.ok)
        return -EPROTO;
    if (!weir_client_is_large_object(function))
        unknown.effects = WEIR_EFFECT_DO; /* any: it is looked at as what DO does */
    if (!admit_effects(c, f->type, &unknown, (weir_slice){0}))
        return 0;
    if (unknown.effects && weir_client_note_arguments(c, reader) < 0)
        return refuse_memory(c, f->type);
    if (unknown.effects)
        weir_client_touches_anything(c);
    if (weir_client_sent_push(c, &unknown, WEIR_BLOCK_KEEPS) < 0)
        return refuse_memory(c, f->type);
    return weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_FUNCTION, .whole = f->whole});
}

/* Messages that need no connection when there is none. */
static int on_sync(weir_client *c, const weir_pg_frame *f)
{
    bool committed = c->relay.batch && c->relay.bound.kind == WEIR_KIND_TRANSACTION;
    if (!committed && before_commit(c) == WAIT) /* (the COMMIT's moment is not now) */
        return WAIT;
    weir_client_block_synced(c);
    c->relay.batches++;
    if (c->session.conn)
        return weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_SYNC, .whole = f->whole});
    weir_client_ready(c, c->relay.status);
    return 0;
}

static int on_flush_or_copy(weir_client *c, const weir_pg_frame *f)
{
    if (!c->session.conn)
        return 0; /* Flush owes nothing; copy data after its end is dropped, as the server does */
    weir_relay m = {.whole = f->whole};
    m.kind = f->type == WEIR_PG_F_FLUSH     ? WEIR_RELAY_FLUSH
             : f->type == WEIR_PG_COPY_DATA ? WEIR_RELAY_COPY_DATA
             : f->type == WEIR_PG_COPY_DONE ? WEIR_RELAY_COPY_DONE
                                            : WEIR_RELAY_COPY_FAIL;
    (void)c->session.conn->ops->relay(c->session.conn, &m);
    return 0;
}

static bool needs_conn(uint8_t type)
{
    return type == WEIR_PG_F_QUERY || type == WEIR_PG_F_PARSE || type == WEIR_PG_F_BIND ||
           type == WEIR_PG_F_DESCRIBE || type == WEIR_PG_F_CLOSE || type == WEIR_PG_F_EXECUTE ||
           type == WEIR_PG_F_FUNCTION;
}

#define NOT_HERE 2 /* it is for the server */

/* A Query that needs no server: LISTEN and UNLISTEN by themselves. */
static int answer_here(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text;
    if (f->body.len == 0 || !strchr(" \t\n/-lLuU", f->body.data[0]) ||
        weir_pg_query_read(f->body, &text) != 0 || !mentions_listen(text))
        return NOT_HERE;
    int r = weir_listening_take(c, text);
    if (r < 0)
        return refuse_memory(c, f->type);
    return r == WEIR_LISTENING_NOT_OURS ? NOT_HERE : r;
}

/* What is on its way decides what the message means: what a name stands for, whether settings of
 * the startup packet have to be made again in front of it, whether the transaction that listens, or
 * notifies whoever listens, or failed, has ended. And what was parsed under settings that are not
 * known yet stands where it was parsed, but could not be parsed again. */
static bool waits_behind(weir_client *c)
{
    bool on_its_way = c->session.conn && !c->relay.batch && c->relay.unready > 0;
    c->relay.behind =
        on_its_way && (c->relay.naming > 0 || c->relay.resets || weir_listening_notified(c) ||
                       weir_listening_must_settle(c) || c->relay.status == 'E' ||
                       (c->relay.unsettled && weir_client_state_changing(c)));
    return c->relay.behind;
}

int weir_client_on_message(weir_client *c, const weir_pg_frame *f)
{
    if (c->relay.skipping && f->type != WEIR_PG_F_SYNC && f->type != WEIR_PG_F_TERMINATE) {
        weir_client_block_unserved(c, f);
        return 0;
    }
    if (needs_conn(f->type)) {
        if (c->relay.lost)
            return weir_client_in_lost_block(c, f);
        if (c->relay.held || c->relay.examining || weir_client_state_awaited(c) ||
            waits_behind(c)) {
            weir_stream_pause(c->stream);
            return WAIT;
        }
        if (f->type == WEIR_PG_F_QUERY && !c->session.conn) {
            int r = answer_here(c, f);
            if (r != NOT_HERE)
                return r;
        }
        int r = weir_client_ensure_conn(c, f);
        if (r != 0)
            return r == WAIT ? WAIT : 0;
    }
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        return on_query(c, f);
    case WEIR_PG_F_PARSE:
        return on_parse(c, f);
    case WEIR_PG_F_BIND:
        return on_bind(c, f);
    case WEIR_PG_F_DESCRIBE:
    case WEIR_PG_F_CLOSE:
        return on_target(c, f);
    case WEIR_PG_F_EXECUTE:
        return on_execute(c, f);
    case WEIR_PG_F_FUNCTION:
        return on_function(c, f);
    case WEIR_PG_F_SYNC:
        return on_sync(c, f);
    case WEIR_PG_F_FLUSH:
    case WEIR_PG_COPY_DATA:
    case WEIR_PG_COPY_DONE:
    case WEIR_PG_F_COPY_FAIL:
        return on_flush_or_copy(c, f);
    case WEIR_PG_F_TERMINATE:
        weir_client_close(c, WEIR_SECOND);
        return 0;
    default:
        return -EPROTO;
    }
}

void weir_client_relay_init(weir_client *c)
{
    weir_client_hear(c);
    weir_map_init(&c->relay.named, c->worker->gateway->options.seed,
                  weir_gateway_config(c->worker->gateway)->limits.prepared);
}

void weir_client_relay_fini(weir_client *c)
{
    if (!c->relay.sink.events)
        return;
    weir_client_named_fini(c);
    weir_client_prepared_unref(c->relay.bound_to);
    weir_sent f;
    while (weir_client_sent_pop(c, &f))
        weir_namings_free(f.namings);
    free(c->relay.more);
    free(c->relay.refused);
}
