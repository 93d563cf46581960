/* The cache in the face of a client that talks to a PostgreSQL server: gives what is kept before a
 * connection is borrowed, or between a server's answers.
 *
 *   what stands at the front (front.c), all of it here
 *     ├─ found ──► given, the server never hears of it
 *     ├─ somebody fetches it ──► waits ──► given, or goes to the server
 *     ├─ no connection is to be had ──► given stale where that is declared, or the error
 *     └─ goes to the server, ──► its answer's bytes are kept if they are nothing but rows
 * (filling.c)
 *
 * A batch is answered statement by statement: its Sync goes to the server if anything of it did.
 *
 * Invariants: nothing is asked while a ReadyForQuery is owed to the client, while settings are not
 * known, or inside a transaction (a batch up to its Sync is one) that is not READ COMMITTED or has
 * run anything but reads that may be kept (DESIGN section 5, "Who may use the cache"). What is
 * given between a server's answers is swallowed by an error before it, as the server would have.
 * While the server may hold back answers of this client's, nobody waits for them, and it for
 * nobody. */
#include "gateway/cached.h"
#include "backend/postgres/postgres.h"
#include "gateway/internal.h"
#include "gateway/replica.h"
#include <stdlib.h>

#define WAIT 1
#define SYNC_SIZE 5u /* of the message */
/* Bytes of answers that wait for a server's before them; what is over it goes to the server, which
 * has them wait for the client. */
#define BETWEEN_MAX (256u * 1024)

/* ---- what may be asked ---- */

bool weir_client_cached_is_settled(const weir_client *c)
{
    const weir_relay_state *r = &c->relay;
    const weir_database *d = weir_session_database(&c->session);
    return !r->skipping && !r->waiting && !r->held && !r->examining && !r->lost && !r->state &&
           !r->own_meaning && !r->unsettled && !weir_listening_any(c) &&
           !weir_listening_is_busy(c) && !c->session.pinned && !c->holds &&
           c->session.lending == WEIR_LEND_TRANSACTION && !weir_database_paused(d) &&
           !weir_database_closed(d);
}

/* The server has been sent something of the batch under way. */
static bool is_under_way(const weir_client *c)
{
    return c->session.conn && c->relay.batch;
}

static bool may_ask(const weir_client *c)
{
    const weir_relay_state *r = &c->relay;
    const weir_conn *conn = c->session.conn;
    const weir_cached *k = c->cached;
    if (!weir_client_cached_is_settled(c) || r->unready > 0 || r->status == 'E')
        return false;
    if (!conn)
        return r->sent == 0 && !r->batch;
    if (r->batch)
        return k && k->clean && !k->lost && k->read_committed && k->between < BETWEEN_MAX;
#ifdef WEIR_TEST_FAULT_ANY_TRANSACTION
    return r->sent == 0 && conn->ops->owed(conn) == 0;
#endif
    return r->sent == 0 && conn->ops->owed(conn) == 0 &&
           (r->status == 'I' || (r->status == 'T' && k && k->clean));
}

/* Where it is more than one statement by itself, its transaction must be READ COMMITTED. */
static bool level_allows(const weir_client *c, const weir_cached *k, const weir_front *f)
{
    return k->read_committed || !f->extended || (f->synced && !k->here && !c->relay.batch);
}

/* Nobody can ask for its portal any more. */
static bool ends_portal(const weir_client *c, const weir_front *f)
{
    return f->closes || (f->synced && !is_under_way(c) && c->relay.status == 'I');
}

/* ---- giving ---- */

/* The client has this statement from now on, though no server has seen it; where an error of the
 * server's may yet swallow the Parse, that is not certain. */
static bool take_parse(weir_client *c, weir_front *f)
{
    bool unnamed = f->name.len == 0, promised = is_under_way(c);
    if (!f->parses)
        return true;
    if (unnamed && promised && weir_client_unnamed_promised(c) < 0)
        return false;
    if (unnamed && f->prepared == c->relay.unnamed)
        return true;
    if (unnamed)
        weir_client_set_unnamed(c, f->prepared);
    else if (weir_client_named_put(c, f->name, f->prepared, !promised) != 0)
        return false;
    f->made = false;
    return true;
}

/* What the server says before the rows, in its words. */
typedef struct opening {
    uint8_t bytes[10];
    size_t len;
} opening;

static void say(opening *o, uint8_t type)
{
    const uint8_t message[] = {type, 0, 0, 0, 4};
    memcpy(o->bytes + o->len, message, sizeof(message));
    o->len += sizeof(message);
}

/* In front of what the server is going to say next. */
static void put_between(weir_client *c, const opening *o, weir_slice bytes, const opening *closing)
{
    weir_conn *conn = c->session.conn;
    weir_buf out;
    size_t len = o->len + bytes.len + closing->len;
    c->cached->between += len;
    weir_buf_init(&out, len);
    int r = weir_buf_append(&out, weir_slice_make(o->bytes, o->len));
    if (r == 0)
        r = weir_buf_append(&out, bytes);
    if (r == 0)
        r = weir_buf_append(&out, weir_slice_make(closing->bytes, closing->len));
    if (r == 0)
        r = conn->ops->interject(conn, weir_buf_slice(&out), true);
    weir_buf_fini(&out);
    if (r < 0)
        weir_client_close(c, 0);
}

static void end_batch(weir_client *c, weir_cached *k)
{
    c->relay.batches++;
    k->here = false;
    if (c->relay.status == 'I')
        k->portal_here = false;
    weir_client_ready(c, c->relay.status);
    weir_client_seen(c);
}

/* Its messages are behind us, and so is the Sync behind them where it is answered here. */
static void write_answer(weir_client *c, weir_cached *k, weir_front *f, weir_slice bytes)
{
    opening o = {.len = 0}, closing = {.len = 0};
    if (f->parses)
        say(&o, WEIR_PG_B_PARSE_COMPLETE);
    if (f->extended && !f->of_statement)
        say(&o, WEIR_PG_B_BIND_COMPLETE);
    if (f->closes)
        say(&closing, WEIR_PG_B_CLOSE_COMPLETE);
    if (is_under_way(c)) { /* (its bytes are counted where they pass) */
        put_between(c, &o, bytes, &closing);
        return;
    }
    weir_session_count_bytes(&c->session, 0, bytes.len);
    if (o.len > 0)
        weir_client_write(c, weir_slice_make(o.bytes, o.len));
    weir_client_write(c, bytes);
    if (closing.len > 0)
        weir_client_write(c, weir_slice_make(closing.bytes, closing.len));
    k->here = f->extended;
    if (!f->synced)
        return;
    if (f->extended) {
        f->size += SYNC_SIZE;
        end_batch(c, k);
        return;
    }
    weir_client_ready(c, c->relay.status);
    weir_client_seen(c);
}

/* Where it could be asked for once more it can be made anew. False: no memory for it. */
static bool keep_portal(weir_client *c, weir_cached *k, const weir_front *f)
{
    k->portal_here = false;
    if (!f->extended || ends_portal(c, f))
        return true;
    weir_buf_clear(&k->portal.bind);
    if (weir_buf_append(&k->portal.bind, f->bind_message) < 0)
        return false;
    weir_client_prepared_unref(k->portal.prepared);
    k->portal.prepared = f->prepared;
    f->prepared->refs++;
    k->portal_here = true;
    return true;
}

/* The rest of a limited answer must be of the snapshot that its beginning was of: where it can be
 * asked for, the server gives both. */
static bool may_be_continued(const weir_client *c, const weir_front *f, const weir_entry *e)
{
    static const uint8_t suspended[] = {WEIR_PG_B_PORTAL_SUSPENDED, 0, 0, 0, 4};
    weir_slice bytes = weir_entry_bytes(e);
    return f->rows_max > 0 && !ends_portal(c, f) && bytes.len >= sizeof(suspended) &&
           memcmp(bytes.data + bytes.len - sizeof(suspended), suspended, sizeof(suspended)) == 0;
}

static bool give(weir_client *c, weir_cached *k, weir_front *f, const weir_entry *e)
{
    if (!keep_portal(c, k, f) || !take_parse(c, f))
        return false;
    if (is_under_way(c))
        k->sent++;
    weir_session_record_hit(&c->session, e, 0);
    write_answer(c, k, f, weir_entry_bytes(e));
    return true;
}

/* What its client is shown is what the server will be held to (weir_conn_ops.faithful). */
static bool give_description(weir_client *c, weir_cached *k, weir_front *f, const weir_entry *e)
{
    weir_slice bytes = weir_entry_bytes(e);
    uint64_t shape = weir_postgres_shape(bytes);
    weir_prepared *p = f->prepared;
    if ((p->shape && p->shape != shape) || !take_parse(c, f))
        return false;
    p->recalled = p->recalled || !p->shape;
    p->shape = shape;
    if (is_under_way(c))
        k->described++;
    weir_session_note_hit(&c->session, e);
    write_answer(c, k, f, bytes);
    return true;
}

/* ---- asking ---- */

static int fill_description(weir_client *c, const weir_front *f)
{
    weir_surroundings at;
    if (!weir_filling_may_begin(c) || !weir_client_cached_surroundings(c, &at) || at.meaning == 0)
        return WEIR_FILL_NONE;
    weir_ask ask = {.statement = &f->statement, .of_schema = true};
    weir_filling like = {.description = true};
    return weir_filling_begin(c, &ask, &like);
}

static int ask_description(weir_client *c, weir_cached *k, weir_front *f)
{
    weir_front_identify(c, k, f);
    const weir_entry *e = weir_session_find_answer(&c->session);
    if (e && give_description(c, k, f, e))
        return 0;
    int r = e ? WEIR_FILL_NONE : fill_description(c, f);
    (void)r; /* LEAD or NONE: it goes to the server */
    k->asked = true;
    return WEIR_CACHED_NOT_HERE;
}

static int fill(weir_client *c, const weir_front *f)
{
    weir_value values[WEIR_CACHED_PARAMS_MAX];
    uint32_t types[WEIR_CACHED_PARAMS_MAX];
    weir_surroundings at;
    weir_ask ask = {.statement = &f->statement,
                    .text = f->text,
                    .params = values,
                    .param_types = types,
                    .at = &at,
                    .wait_max = c->cached->statement_timeout,
                    .alone = !f->synced || c->relay.batch};
    weir_filling like = {.head = !f->extended || f->describes,
                         .limited = f->rows_max > 0,
                         .parses = f->parses,
                         .extended = f->extended,
                         .named = f->parses && f->name.len > 0,
                         .whole = f->synced && !f->closes && !c->relay.batch,
                         .bound = !f->extended};
    if (f->statement.kind != WEIR_KIND_READ || f->statement.effects != 0 ||
        f->statement.statements != 1 || !weir_filling_may_begin(c) ||
        (f->extended &&
         !weir_cached_params(f->prepared, &f->bind, values, types, &ask.param_count)) ||
        !weir_client_cached_surroundings(c, &at))
        return WEIR_FILL_NONE;
    return weir_filling_begin(c, &ask, &like);
}

/* What is not given is one that may be kept all the same: what follows it can be asked for. */
static int give_or_send(weir_client *c, weir_cached *k, weir_front *f, const weir_entry *e)
{
    if (!may_be_continued(c, f, e) && give(c, k, f, e))
        return 0;
    k->asked = k->kept = true;
    return WEIR_CACHED_NOT_HERE;
}

/* What was waited for: judged when its flight was joined. */
static int give_awaited(weir_client *c, weir_cached *k, weir_front *f)
{
    weir_entry *answer = k->answer;
    k->answer = NULL;
    k->waits_since = 0;
    k->asked = k->kept = false; /* the next one is another question */
    int r = give_or_send(c, k, f, answer);
    weir_entry_unref(answer);
    return r;
}

static int ask(weir_client *c, weir_cached *k, weir_front *f)
{
    if (k->answer)
        return give_awaited(c, k, f);
    if (!level_allows(c, k, f))
        return WEIR_CACHED_NOT_HERE;
    if (f->of_statement)
        return ask_description(c, k, f);
    if (k->described != k->told) /* rows are to be as it will be described */
        return WEIR_CACHED_NOT_HERE;
    weir_front_identify(c, k, f);
    const weir_entry *e = weir_session_find_answer(&c->session);
    if (e)
        return give_or_send(c, k, f, e);
    if (!f->extended)
        weir_session_understand(&c->session, f->text, &f->statement);
    else
        weir_session_review(&c->session, &f->statement);
    int r = fill(c, f);
    k->asked = true;
    k->kept = r != WEIR_FILL_NONE;
    if (r != WEIR_FILL_WAIT)
        return WEIR_CACHED_NOT_HERE;
    k->waits_since = weir_loop_now(c->worker->loop);
    weir_stream_pause(c->stream);
    return WAIT;
}

/* What was waited for is this front's, or nobody's: a schema that changed meanwhile sends the front
 * to the server, and the answer must not be there for the next one. */
static int not_here(weir_client *c)
{
    if (c->cached) {
        weir_entry_unref(c->cached->answer);
        c->cached->answer = NULL;
    }
    return WEIR_CACHED_NOT_HERE;
}

/* It was refused a connection. */
static int help_out(weir_client *c, weir_cached *k, weir_front *f)
{
    if (f->of_statement)
        return not_here(c);
    weir_front_identify(c, k, f);
    const weir_entry *e = weir_session_find_instead(&c->session, c->relay.refused->sqlstate);
    if (!e || may_be_continued(c, f, e) || !give(c, k, f, e))
        return WEIR_CACHED_NOT_HERE;
    weir_client_cached_failed(c);
    free(c->relay.refused);
    c->relay.refused = NULL;
    return 0;
}

static int ask_front(weir_client *c, weir_cached *k, weir_front *f)
{
    if (c->relay.refused)
        return help_out(c, k, f);
    if (f->extended)
        return ask(c, k, f);
    if (c->relay.batch)
        return not_here(c);
    if (f->text.len > 0 && memchr(f->text.data, ';', f->text.len)) {
        int r = weir_client_cached_pieces(c, k, f->text);
        if (r == 0 || k->asked)
            return r;
    }
    return weir_front_is_read(f->text) ? ask(c, k, f) : not_here(c);
}

/* ---- the unnamed portal, when it was answered here ---- */

static bool is_of_unnamed_portal(uint8_t type, weir_slice body)
{
    return type == WEIR_PG_F_EXECUTE ? body.len > 0 && body.data[0] == 0
                                     : type == WEIR_PG_F_DESCRIBE && body.len > 1 &&
                                           body.data[0] == 'P' && body.data[1] == 0;
}

/* The server makes the portal that the client believes to have, and nobody hears of it: it has come
 * to its end, as the answer had. */
static int make_portal(weir_client *c, weir_cached *k)
{
    weir_conn *conn = c->session.conn;
    const weir_prepared *p = k->portal.prepared;
    weir_buf execute;
    weir_buf_init(&execute, 64);
    int r = weir_pg_write_execute(&execute, WEIR_SLICE_LIT(""), 0);
    if (r == 0)
        r = weir_client_sent_push(c, &p->statement, WEIR_BLOCK_KEEPS);
    if (r == 0) {
        weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_BIND,
                                             .whole = weir_buf_slice(&k->portal.bind),
                                             .prepared = p,
                                             .stale = p->shape && !conn->ops->faithful(conn, p),
                                             .hidden = true});
        weir_client_forward(c, &(weir_relay){.kind = WEIR_RELAY_EXECUTE,
                                             .whole = weir_buf_slice(&execute),
                                             .hidden = true});
    }
    weir_buf_fini(&execute);
    return r;
}

int weir_client_cached_portal(weir_client *c, uint8_t type, weir_slice body)
{
    weir_cached *k = c->cached;
    if (!k || !k->portal_here || !is_of_unnamed_portal(type, body))
        return 0;
    k->lost = true; /* what is not given is not counted either */
    weir_filling_drop_all(k, false);
    int r = make_portal(c, k);
    k->clean = false;
    return r;
}

bool weir_client_cached_may_be(const weir_client *c, uint8_t type, weir_slice body)
{
    const weir_cached *k = c->cached;
    switch (type) {
    case WEIR_PG_F_QUERY:
    case WEIR_PG_F_PARSE:
    case WEIR_PG_F_BIND:
        return true;
    case WEIR_PG_F_DESCRIBE:
        return k && body.len > 0 && body.data[0] == 'S';
    case WEIR_PG_F_SYNC:
        return k && k->here;
    default:
        return false;
    }
}

/* Everything behind the last Sync was answered here. */
static int answer_sync(weir_client *c, weir_cached *k)
{
    if (!k)
        return WEIR_CACHED_NOT_HERE;
    k->here = false;
    if (c->relay.batch || c->relay.skipping || c->relay.lost)
        return WEIR_CACHED_NOT_HERE;
    end_batch(c, k);
    return 0;
}

int weir_client_cached(weir_client *c, weir_slice in, size_t *used)
{
    weir_front f;
    weir_cached *k = c->cached;
    uint8_t type = in.data[0];
    if (k && k->waiting)
        return WAIT;
    if (type == WEIR_PG_F_SYNC) {
        if (answer_sync(c, k) != 0)
            return WEIR_CACHED_NOT_HERE;
        *used += SYNC_SIZE;
        return 0;
    }
    if (k && k->asked && !k->answer && !c->relay.refused)
        return WEIR_CACHED_NOT_HERE;
    if (!(c->relay.refused || weir_session_may_ask(&c->session)) || !may_ask(c))
        return not_here(c);
    k = weir_cached_settled(c);
    bool read = k && weir_front_read(c, in, &f);
    int r = read ? ask_front(c, k, &f) : not_here(c);
    if (k && f.made)
        weir_client_prepared_unref(f.prepared);
    if (r == 0)
        *used += f.size;
    return r;
}

/* ---- what goes to the server ---- */

void weir_client_cached_begins(weir_client *c, const weir_statement *statement, weir_slice text)
{
    if (c->cached)
        c->cached->harmless = false;
    weir_temporary_sends(c, statement, text);
    if (statement->kind != WEIR_KIND_TRANSACTION || statement->statements != 1 ||
        statement->effects != 0 || !weir_session_may_ask(&c->session))
        return;
    weir_cached *k = weir_cached_settled(c);
    switch (k ? statement->transaction : WEIR_TRANSACTION_NONE) {
    case WEIR_TRANSACTION_BEGIN:
        k->harmless = c->relay.status == 'I' && weir_front_begins(k, text);
        return;
    case WEIR_TRANSACTION_SAVEPOINT:
    case WEIR_TRANSACTION_RELEASE:
    case WEIR_TRANSACTION_ROLLBACK_TO:
        k->harmless = c->relay.status != 'E';
        return;
    default:
        return;
    }
}

/* Another portal than the newest may be anything. */
static bool runs_newest(const weir_client *c, const weir_relay *m)
{
    return m->kind == WEIR_RELAY_QUERY ||
           (m->kind == WEIR_RELAY_EXECUTE && c->relay.bound_unnamed && m->whole.len > 5 &&
            m->whole.data[5] == 0);
}

void weir_client_cached_sends(weir_client *c, const weir_relay *m)
{
    weir_cached *k = c->cached;
    if (!k)
        return;
    k->here = false;
    switch (m->kind) {
    case WEIR_RELAY_DESCRIBE:
        if (m->target == 'S') {
            k->described++;
            k->asked = false;
        }
        return;
    case WEIR_RELAY_BIND:
        k->portal_here = false;
        return;
    case WEIR_RELAY_CLOSE:
        k->portal_here = k->portal_here && m->target != 'P';
        return;
    case WEIR_RELAY_QUERY:
    case WEIR_RELAY_EXECUTE:
    case WEIR_RELAY_FUNCTION:
        k->clean = k->clean && runs_newest(c, m) && (k->harmless || k->kept);
        k->harmless = k->kept = k->asked = false;
        k->portal_here = k->portal_here && m->kind == WEIR_RELAY_EXECUTE;
        k->sent++;
        return;
    default:
        return;
    }
}

void weir_client_cached_attached(weir_client *c)
{
    if (c->cached)
        c->cached->clean = true;
}

bool weir_client_cached_waits(const weir_client *c)
{
    return c->cached && c->cached->waiting;
}

void weir_client_cached_withdraw(weir_client *c)
{
    weir_filling_drop(c->cached, c->cached->waiting, true);
}

bool weir_client_cached_limit(const weir_client *c, weir_time *ret_since, weir_time *ret_limit)
{
    const weir_cached *k = c->cached;
    if (!k || !k->waits_since || k->statement_timeout <= 0)
        return false;
    *ret_since = k->waits_since;
    *ret_limit = k->statement_timeout;
    return true;
}

void weir_client_cached_overdue(weir_client *c)
{
    c->cached->waits_since = 0;
}

void weir_client_cached_free(weir_client *c)
{
    weir_cached *k = c->cached;
    if (!k)
        return;
    weir_filling_drop_all(k, true);
    weir_timer_disarm(c->worker->loop, &k->again);
    weir_temporary_forget(k);
    weir_client_visit_free(c);
    weir_entry_unref(k->answer);
    weir_buf_fini(&k->settings);
    weir_buf_fini(&k->parse);
    weir_buf_fini(&k->portal.bind);
    weir_client_prepared_unref(k->portal.prepared);
    free(k->search_path);
    free(k->role);
    free(k);
    c->cached = NULL;
}
