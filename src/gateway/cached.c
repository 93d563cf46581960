/* The cache in the face of a client that talks to a PostgreSQL server: gives what is kept before a
 * connection is borrowed, and keeps what passes.
 *
 *   at the front: Query, or Parse? Bind Describe? Execute Sync, all of it here
 *     ├─ found ──► given, the server never hears of it
 *     ├─ somebody fetches it ──► waits ──► given, or goes to the server
 *     └─ goes to the server, ──► its answer's bytes are kept if they are nothing but rows
 *
 * What its bytes depend on beside the data is the identity: user, settings, the text and what it
 * was parsed under, types, parameters, formats.
 *
 * Invariants: nothing is asked while anything is owed to the client, while settings are not known,
 * or inside a transaction that is not READ COMMITTED or has run anything but reads that may be kept
 * (DESIGN section 5, "Who may use the cache"). An answer is kept only if it is RowDescription
 * (where one was asked for), rows and a CommandComplete, and nothing else came with it. */
#include "gateway/cached.h"
#include "base/ascii.h"
#include "engine/catalog.h"
#include "gateway/guc.h"
#include "gateway/internal.h"
#include <stdlib.h>
#include <strings.h>

#define WAIT 1
#define SETTINGS_MAX ((size_t)64 * 1024)

/* ---- settings ---- */

/* They change how long something takes or what is logged, never what a read gives. */
static bool is_irrelevant(weir_slice name)
{
    static const char *const names[] = {"application_name",
                                        "client_connection_check_interval",
                                        "commit_delay",
                                        "effective_cache_size",
                                        "idle_in_transaction_session_timeout",
                                        "idle_session_timeout",
                                        "jit",
                                        "lock_timeout",
                                        "maintenance_work_mem",
                                        "statement_timeout",
                                        "synchronous_commit",
                                        "transaction_timeout",
                                        "work_mem"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_slice_eq_cstr(name, names[i]))
            return true;
    return name.len > 4 && memcmp(name.data, "tcp_", 4) == 0;
}

static int put_pair(weir_buf *out, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(out, name);
    if (r == 0)
        r = weir_buf_append_u8(out, 0);
    if (r == 0)
        r = weir_buf_append(out, value);
    return r == 0 ? weir_buf_append_u8(out, 0) : r;
}

static bool is_set(weir_slice role)
{
    return role.len > 0 && !weir_slice_eq_cstr(role, "none");
}

static char *copy(weir_slice s)
{
    return strndup(s.len ? (const char *)s.data : "", s.len);
}

/* What the session said, or what a session of its user begins with. */
static bool in_force(const weir_client *c, const weir_schema *schema, const char *name,
                     weir_slice *ret)
{
    *ret = weir_guc_find(weir_slice_make(c->params, c->params_len), weir_slice_cstr(name));
    return ret->data || weir_schema_default(
                            schema, weir_slice_cstr(weir_pools_user(c->session.pools)), name, ret);
}

static bool is_in_force(const weir_client *c, const weir_schema *schema, const char *name,
                        const char *value)
{
    weir_slice found;
    return in_force(c, schema, name, &found) && weir_slice_eq_nocase(found, value);
}

/* -ENOMEM, -EMSGSIZE. */
static int learn_settings(weir_cached *k, const weir_schema *schema)
{
    const weir_client *c = k->client;
    weir_slice params = weir_slice_make(c->params, c->params_len), name, value;
    weir_slice role = weir_guc_find(params, WEIR_SLICE_LIT("role"));
    int r = 0;
    weir_buf_clear(&k->settings);
    weir_buf_clear(&k->parse);
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);)
        r = is_irrelevant(name) ? 0 : put_pair(&k->settings, name, value);
    for (size_t i = 0; r == 0 && weir_parse_settings[i]; i++) {
        value = weir_guc_find(params, weir_slice_cstr(weir_parse_settings[i]));
        if (value.data)
            r = weir_guc_put(&k->parse, weir_slice_cstr(weir_parse_settings[i]), value);
    }
    free(k->search_path);
    free(k->role);
    if (!is_set(role))
        role = weir_guc_find(params, WEIR_SLICE_LIT("session_authorization"));
    k->role = copy(is_set(role) ? role : weir_slice_cstr(weir_pools_user(c->session.pools)));
    k->search_path = in_force(c, schema, "search_path", &value) ? copy(value) : NULL;
    k->read_committed = is_in_force(c, schema, "default_transaction_isolation", "read committed");
    k->utf8 = is_in_force(c, schema, "client_encoding", "utf8");
    k->plain_strings = is_in_force(c, schema, "standard_conforming_strings", "on");
    return r == 0 && k->role ? 0 : -ENOMEM;
}

/* NULL: no memory. */
static weir_cached *cached_of(weir_client *c)
{
    if (c->cached)
        return c->cached;
    weir_cached *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->client = c;
    weir_buf_init(&k->settings, SETTINGS_MAX);
    weir_buf_init(&k->parse, SETTINGS_MAX);
    c->cached = k;
    return k;
}

/* NULL: nothing can be asked. */
static weir_cached *settled(weir_client *c)
{
    const weir_schema *schema = weir_database_schema(weir_session_database(&c->session));
    weir_cached *k = schema ? cached_of(c) : NULL;
    if (!k)
        return NULL;
    uint64_t of_schema = weir_schema_fingerprint(schema);
    if (k->known && k->fingerprint == c->fingerprint && k->of_schema == of_schema)
        return k;
    k->known = learn_settings(k, schema) == 0;
    k->fingerprint = c->fingerprint;
    k->of_schema = of_schema;
    return k->known ? k : NULL;
}

weir_cached *weir_client_cached_surroundings(weir_client *c, weir_surroundings *ret)
{
    weir_cached *k = settled(c);
    if (!k || !k->search_path || !k->plain_strings)
        return NULL;
    *ret = (weir_surroundings){.search_path = weir_slice_cstr(k->search_path),
                               .role = weir_slice_cstr(k->role),
                               .utf8 = k->utf8};
    weir_session_locate(&c->session, ret);
    return k;
}

/* ---- what may be asked ---- */

static bool may_ask(const weir_client *c)
{
    const weir_relay_state *r = &c->relay;
    const weir_conn *conn = c->session.conn;
    if (r->skipping || r->batch || r->sent > 0 || r->waiting || r->held || r->examining ||
        r->lost_transaction || r->refused || r->state || r->own_meaning || r->unsettled ||
        c->listening || c->session.pinned || c->holds ||
        c->session.lending != WEIR_LEND_TRANSACTION ||
        weir_database_paused(weir_session_database(&c->session)) ||
        weir_database_closed(weir_session_database(&c->session)))
        return false;
    if (!conn)
        return true;
    return conn->ops->owed(conn) == 0 &&
           (r->status == 'I' || (r->status == 'T' && c->cached && c->cached->clean));
}

/* A text that could begin a read. */
static bool looks_like_a_read(weir_slice text)
{
    static const char *const first = "sSwWvVtT(/-";
    return text.len > 0 && text.data[0] != 0 && strchr(first, text.data[0]) != NULL;
}

static weir_slice trim(weir_slice text)
{
    while (text.len > 0 && weir_ascii_is_space(text.data[0]))
        text = weir_slice_skip(text, 1);
    while (text.len > 0 &&
           (weir_ascii_is_space(text.data[text.len - 1]) || text.data[text.len - 1] == ';'))
        text = weir_slice_head(text, text.len - 1);
    return text;
}

/* ---- a statement at the front ---- */

typedef struct front {
    size_t size; /* of its messages */
    weir_slice text;
    bool extended, parses, describes;
    weir_pg_parse parse;
    weir_pg_bind bind;
    weir_prepared *prepared; /* of extended ones */
    bool made;               /* ... by us, for this Parse: a reference */
    weir_statement statement;
} front;

static void put_sized(weir_buf *b, weir_slice s)
{
    uint32_t len = (uint32_t)s.len;
    if (b->size_max > 0 &&
        (weir_buf_append(b, weir_slice_make(&len, sizeof(len))) < 0 || weir_buf_append(b, s) < 0))
        b->size_max = 0; /* no identity any more */
}

/* That all are text is said in two ways. */
static weir_slice formats_of(weir_slice formats, uint16_t count)
{
    if (count == 1 && formats.len == 2 && formats.data[0] == 0 && formats.data[1] == 0)
        formats.len = 0;
    return formats;
}

static void identify(weir_client *c, const weir_cached *k, const front *f)
{
    weir_buf *b = weir_session_begin_identity(&c->session);
    bool head = !f->extended || f->describes;
    put_sized(b, head ? WEIR_SLICE_LIT("H") : WEIR_SLICE_LIT("R"));
    put_sized(b, weir_slice_cstr(weir_pools_user(c->session.pools)));
    put_sized(b, weir_buf_slice(&k->settings));
    put_sized(b, f->extended ? f->prepared->settings : weir_buf_slice(&k->parse));
    put_sized(b, f->extended ? f->prepared->oids : (weir_slice){0});
    put_sized(b, f->extended ? formats_of(f->bind.formats, f->bind.format_count) : (weir_slice){0});
    put_sized(b, f->extended ? f->bind.values : (weir_slice){0});
    put_sized(b, f->extended ? formats_of(f->bind.result_formats, f->bind.result_format_count)
                             : (weir_slice){0});
    put_sized(b, f->text);
}

static bool read_query(weir_slice whole, front *f)
{
    if (weir_pg_query_read(weir_slice_skip(whole, 5), &f->text) != 0)
        return false;
    f->text = trim(f->text);
    f->size = whole.len;
    return looks_like_a_read(f->text);
}

static uint64_t changes_of(const weir_client *c)
{
    const weir_backend *b = weir_database_backend(weir_session_database(&c->session));
    return atomic_load_explicit(&b->changes, memory_order_relaxed);
}

/* Its prepared statement: the client's, or as its Parse will make it. */
static bool find_prepared(weir_client *c, front *f)
{
    if (!f->parses) {
        f->prepared = weir_client_prepared_find(c, f->bind.statement);
    } else if (weir_client_name_taken(c, f->parse.name) ||
               !weir_slice_eq(f->parse.name, f->bind.statement)) {
        return false;
    } else if (f->parse.name.len == 0 && weir_client_same_statement(c, &f->parse)) {
        f->prepared = c->relay.unnamed;
    } else if (looks_like_a_read(trim(f->parse.text))) {
        f->prepared = weir_client_prepared_new(c, f->parse.text, f->parse.oids);
        f->made = f->prepared != NULL;
    }
    const weir_prepared *p = f->prepared;
    if (!p || p->by_sql || p->stale || p->unsettled || p->statement.kind != WEIR_KIND_READ ||
        (p->shape != 0 && p->schema != changes_of(c)))
        return false;
    f->text = trim(p->text);
    f->statement = p->statement;
    return true;
}

/* Parse? Bind Describe? Execute Sync, of the unnamed portal and all of its rows. */
static bool read_batch(weir_client *c, weir_slice in, front *f)
{
    size_t most = weir_gateway_config(c->worker->gateway)->limits.message_size;
    static const char order[] = "PBDES";
    const char *next = order;
    f->extended = true;
    for (size_t pos = 0; *next; pos = f->size) {
        weir_pg_frame m;
        weir_pg_execute execute;
        weir_pg_target target;
        if (weir_pg_frame_next(weir_slice_skip(in, pos), most, &m) != 0)
            return false;
        const char *at = strchr(next, m.type);
        if (!at || (m.type != 'B' && memchr(next, 'B', (size_t)(at - next))) ||
            (m.type == 'S' && memchr(next, 'E', (size_t)(at - next))))
            return false;
        bool fits = m.type == 'P' ? weir_pg_parse_read(m.body, &f->parse) == 0
                    : m.type == 'B'
                        ? weir_pg_bind_read(m.body, &f->bind) == 0 && f->bind.portal.len == 0
                    : m.type == 'D' ? weir_pg_target_read(m.body, &target) == 0 &&
                                          target.kind == 'P' && target.name.len == 0
                    : m.type == 'E' ? weir_pg_execute_read(m.body, &execute) == 0 &&
                                          execute.portal.len == 0 && execute.rows_max == 0
                                    : true;
        if (!fits)
            return false;
        f->parses = f->parses || m.type == 'P';
        f->describes = f->describes || m.type == 'D';
        f->size = pos + m.whole.len;
        next = at + 1;
    }
    return true;
}

/* ---- giving ---- */

static void write_empty(weir_client *c, uint8_t type)
{
    const uint8_t message[] = {type, 0, 0, 0, 4};
    weir_client_write(c, weir_slice_make(message, sizeof(message)));
}

/* The client has this statement from now on, though no server has seen it. */
static bool take_parse(weir_client *c, front *f)
{
    if (!f->parses || f->prepared == c->relay.unnamed)
        return true;
    if (f->parse.name.len == 0)
        weir_client_set_unnamed(c, f->prepared);
    else if (weir_client_named_put(c, f->parse.name, f->prepared, true) != 0)
        return false;
    f->made = false;
    return true;
}

static bool give(weir_client *c, front *f, const weir_entry *e)
{
    if (!take_parse(c, f))
        return false;
    char status = c->session.conn ? c->relay.status : 'I';
    weir_slice bytes = weir_entry_bytes(e);
    weir_session_record_hit(&c->session, e, 0);
    if (f->parses)
        write_empty(c, WEIR_PG_B_PARSE_COMPLETE);
    if (f->extended) {
        write_empty(c, WEIR_PG_B_BIND_COMPLETE);
        c->relay.batches++;
    }
    weir_client_write(c, bytes);
    weir_client_ready(c, status);
    weir_session_count_bytes(&c->session, 0, bytes.len);
    weir_client_seen(c);
    return true;
}

/* ---- filling ---- */

static void on_answered(weir_fill *fill, const weir_entry *entry)
{
    weir_cached *k = fill->user;
    k->waiting = false;
    if (entry)
        k->answer = weir_entry_ref((weir_entry *)(uintptr_t)entry);
    weir_stream_resume(k->client->stream);
}

static int begin_fill(weir_client *c, weir_cached *k, const front *f)
{
    weir_value values[WEIR_CACHED_PARAMS_MAX];
    uint32_t types[WEIR_CACHED_PARAMS_MAX];
    weir_surroundings at;
    weir_ask ask = {.statement = &f->statement,
                    .text = f->text,
                    .params = values,
                    .param_types = types,
                    .at = &at};
    if (f->statement.kind != WEIR_KIND_READ || f->statement.effects != 0 ||
        f->statement.statements != 1 ||
        (f->extended &&
         !weir_cached_params(f->prepared, &f->bind, values, types, &ask.param_count)) ||
        !weir_client_cached_surroundings(c, &at))
        return WEIR_FILL_NONE;
    k->fill.answered = on_answered;
    k->fill.user = k;
    k->head = !f->extended || f->describes;
    return weir_session_begin_fill(&c->session, &ask, &k->fill);
}

static int ask(weir_client *c, weir_cached *k, front *f)
{
    weir_entry *answer = k->answer;
    k->answer = NULL;
    if (answer) {         /* judged when its flight was joined */
        k->asked = false; /* the next one is another question */
        bool given = give(c, f, answer);
        weir_entry_unref(answer);
        return given ? 0 : WEIR_CACHED_NOT_HERE;
    }
    if (k->asked)
        return WEIR_CACHED_NOT_HERE;
    identify(c, k, f);
    const weir_entry *e = weir_session_find_answer(&c->session);
    if (e)
        return give(c, f, e) ? 0 : WEIR_CACHED_NOT_HERE;
    if (!f->extended)
        weir_session_understand(&c->session, f->text, &f->statement);
    else
        weir_session_review(&c->session, &f->statement);
    int r = begin_fill(c, k, f);
    k->asked = true;
    if (r != WEIR_FILL_WAIT)
        return WEIR_CACHED_NOT_HERE;
    k->waiting = true;
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

int weir_client_cached(weir_client *c, weir_slice in, size_t *used)
{
    front f = {0};
    if (c->cached && c->cached->waiting)
        return WAIT;
    if (!weir_session_may_ask(&c->session) || !may_ask(c))
        return not_here(c);
    weir_cached *k = settled(c);
    bool read =
        k && (in.data[0] == WEIR_PG_F_QUERY ? read_query(in, &f)
                                            : read_batch(c, in, &f) && find_prepared(c, &f));
    int r = read ? ask(c, k, &f) : not_here(c);
    if (f.made)
        weir_client_prepared_unref(f.prepared);
    if (r == 0)
        *used += f.size;
    return r;
}

/* ---- what comes from the server ---- */

/* Whatever is not one of these has options, or is not alone. */
static bool is_plain_begin(weir_slice text)
{
    static const char *const texts[] = {"begin", "begin work", "begin transaction",
                                        "start transaction"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (weir_slice_eq_nocase(text, texts[i]))
            return true;
    return false;
}

void weir_client_cached_begins(weir_client *c, const weir_statement *statement, weir_slice text)
{
    if (statement->transaction != WEIR_TRANSACTION_BEGIN || c->relay.status != 'I' ||
        !weir_session_may_ask(&c->session))
        return;
    weir_cached *k = settled(c);
    if (k)
        k->begins = k->read_committed && is_plain_begin(trim(text));
}

void weir_client_cached_runs(weir_client *c)
{
    weir_cached *k = c->cached;
    if (!k || weir_fill_is_open(&k->fill))
        return;
    k->clean = k->begins;
    k->begins = false;
}

void weir_client_cached_bytes(weir_client *c, weir_slice bytes)
{
    if (c->cached)
        weir_fill_add(&c->cached->fill, bytes);
}

typedef struct answer {
    size_t from, to, head_len;
    uint64_t rows;
} answer;

/* Nothing but what an answer is made of. */
static bool read_answer(weir_slice bytes, bool head, answer *ret)
{
    size_t pos = 0, head_len = 0;
    weir_pg_frame m;
    *ret = (answer){0};
    while (weir_pg_frame_next(weir_slice_skip(bytes, pos), WEIR_PG_MESSAGE_SIZE_MAX, &m) == 0) {
        size_t end = pos + m.whole.len;
        if (m.type == WEIR_PG_B_PARSE_COMPLETE || m.type == WEIR_PG_B_BIND_COMPLETE) {
            if (pos != ret->from)
                return false;
            ret->from = end;
        } else if (m.type == WEIR_PG_B_ROW_DESCRIPTION && pos == ret->from) {
            head_len = m.whole.len;
        } else if (m.type == WEIR_PG_B_COMMAND_COMPLETE && ret->to == 0) {
            ret->to = end;
            ret->rows = weir_pg_tag_rows(weir_slice_head(m.body, m.body.len ? m.body.len - 1 : 0));
        } else if (m.type == WEIR_PG_B_READY) {
            return ret->to == pos && ret->to > 0 && end == bytes.len && (head_len > 0) == head &&
                   (ret->head_len = head_len, true);
        } else if (m.type != WEIR_PG_B_DATA_ROW || ret->to > 0) {
            return false;
        }
        pos = end;
    }
    return false;
}

void weir_client_cached_ready(weir_client *c)
{
    weir_cached *k = c->cached;
    answer a;
    weir_surroundings at;
    if (!k)
        return;
    k->asked = false;
    if (c->relay.status == 'I')
        k->clean = false;
    if (!weir_fill_is_open(&k->fill))
        return;
    if (read_answer(weir_fill_bytes(&k->fill), k->head, &a) &&
        weir_client_cached_surroundings(c, &at) && at.meaning != 0) {
        weir_fill_trim(&k->fill, a.from, a.to);
        weir_fill_finish(&k->fill, a.head_len, a.rows, at.meaning);
    }
    weir_fill_abort(&k->fill, false);
}

void weir_client_cached_failed(weir_client *c)
{
    if (!c->cached)
        return;
    weir_fill_abort(&c->cached->fill, false);
    c->cached->asked = c->cached->clean = false;
}

bool weir_client_cached_waits(const weir_client *c)
{
    return c->cached && c->cached->waiting;
}

void weir_client_cached_withdraw(weir_client *c)
{
    c->cached->waiting = false;
    weir_fill_abort(&c->cached->fill, true);
}

void weir_client_cached_free(weir_client *c)
{
    weir_cached *k = c->cached;
    if (!k)
        return;
    weir_fill_abort(&k->fill, true);
    weir_entry_unref(k->answer);
    weir_buf_fini(&k->settings);
    weir_buf_fini(&k->parse);
    free(k->search_path);
    free(k->role);
    free(k);
    c->cached = NULL;
}
