/* What a session leaves behind: see state.h. Here: what is to be asked and what the answers mean.
 */
#include "gateway/state.h"
#include "base/ascii.h"
#include "engine/catalog.h"
#include "gateway/guc.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define SETTINGS_MAX ((size_t)256 * 1024)
#define MENTIONED_MAX ((size_t)8 * 1024)
#define CUSTOMS_MAX 200u /* of functions */

/* What nothing takes back but the session's end. */
#define FOR_GOOD (WEIR_EFFECT_LOAD | WEIR_EFFECT_SEED | WEIR_EFFECT_SEQUENCE)
/* What others decided (names.c, listening.c). */
#define OF_OTHERS (WEIR_EFFECT_PREPARE | WEIR_EFFECT_LISTEN)
/* What the server can be asked about. */
#define VISIBLE (WEIR_EFFECT_TEMP | WEIR_EFFECT_ADVISORY_LOCK | WEIR_EFFECT_HOLD_CURSOR)
/* What keeps the session on its connection from the moment the statement goes out. */
#define PINNING (FOR_GOOD | VISIBLE | WEIR_EFFECT_DO)
#define TAKING_BACK ((unsigned)(WEIR_EFFECT_UNDO | WEIR_EFFECT_DISCARD))
/* What may change settings. */
#define SETTING                                                                                    \
    ((unsigned)(WEIR_EFFECT_SET | WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_UNDO |        \
                WEIR_EFFECT_DISCARD))
#define TRACKED (PINNING | WEIR_EFFECT_SET | WEIR_EFFECT_UNKNOWN | TAKING_BACK)

struct weir_state {
    weir_question question;
    weir_client *client;
    unsigned noted;        /* effects since the last question */
    unsigned asked;        /* those that it is about; 0: none is on its way */
    bool may_have_changed; /* ... something that the client was told is done: not only called what
                              is not known */
    bool told;             /* ... the same, of what no question was sent about yet */
    unsigned found;        /* what the answer says is there: of VISIBLE */
    bool strays;           /* a function may have made settings whose names nobody knows */
    bool discarded;        /* DISCARD ALL went well */
    bool incomplete;       /* memory was short while the answer came */
    weir_buf mentioned;    /* names of settings that no list of the server's has, "name\0" each */
    weir_buf settings;     /* found */
    weir_buf text;
};

static weir_state *state_of(weir_client *c)
{
    weir_state *s = c->relay.state;
    if (s)
        return s;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->client = c;
    weir_buf_init(&s->mentioned, MENTIONED_MAX);
    weir_buf_init(&s->settings, SETTINGS_MAX);
    weir_buf_init(&s->text, SETTINGS_MAX);
    c->relay.state = s;
    return s;
}

static void state_free(weir_client *c)
{
    weir_state *s = c->relay.state;
    if (!s)
        return;
    weir_buf_fini(&s->mentioned);
    weir_buf_fini(&s->settings);
    weir_buf_fini(&s->text);
    free(s);
    c->relay.state = NULL;
}

bool weir_client_state_drop(weir_client *c)
{
    weir_state *s = c->relay.state;
    if (!s)
        return false;
    bool asked = s->asked != 0, told = s->told || (asked && s->may_have_changed);
    if (asked)
        weir_list_remove(&s->question.node);
    c->session.tainted = true;
    state_free(c);
    return told;
}

void weir_client_state_told(weir_client *c)
{
    weir_state *s = c->relay.state;
    if (s && (s->noted & ~(unsigned)WEIR_EFFECT_UNKNOWN))
        s->told = true;
}

/* ---- settings ---- */

static int copy_pairs(weir_slice pairs, uint8_t **ret)
{
    *ret = NULL;
    if (pairs.len == 0)
        return 0;
    uint8_t *copy = malloc(pairs.len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, pairs.data, pairs.len);
    *ret = copy;
    return 0;
}

static void put_params(weir_client *c, uint8_t *params, size_t len)
{
    if (c->params != c->startup)
        free(c->params);
    c->params = params;
    c->params_len = len;
    c->fingerprint =
        weir_parameters_fingerprint(weir_slice_make(params, len), c->worker->gateway->options.seed);
}

int weir_client_set_startup(weir_client *c, weir_slice pairs)
{
    assert(!c->startup && !c->params);
    int r = copy_pairs(pairs, &c->startup);
    if (r < 0)
        return r;
    c->startup_len = pairs.len;
    put_params(c, c->startup, c->startup_len);
    return 0;
}

int weir_client_set_params(weir_client *c, weir_slice pairs)
{
    uint8_t *params;
    if (weir_slice_eq(pairs, weir_slice_make(c->startup, c->startup_len))) {
        put_params(c, c->startup, c->startup_len);
        return 0;
    }
    int r = copy_pairs(pairs, &params);
    if (r == 0)
        put_params(c, params, pairs.len);
    return r;
}

/* ---- noting ---- */

static int mention(weir_state *s, weir_slice name)
{
    for (size_t pos = 0; pos < s->mentioned.len;) {
        weir_slice other = weir_slice_cstr((const char *)s->mentioned.data + pos);
        if (weir_slice_eq(other, name))
            return 0;
        pos += other.len + 1;
    }
    int r = weir_buf_append(&s->mentioned, name);
    return r < 0 ? r : weir_buf_append_u8(&s->mentioned, 0);
}

static void on_naming(void *user, weir_naming what, weir_slice name, weir_slice statement)
{
    weir_state *s = user;
    (void)statement;
    if (what == WEIR_NAMING_SETTING && mention(s, name) < 0)
        s->incomplete = true;
}

int weir_client_note_value(weir_client *c, weir_slice value)
{
    weir_state *s = c->relay.state;
    uint8_t name[4 * WEIR_SQL_NAME_MAX];
    if (!s || !weir_sql_is_setting_name(value))
        return 0;
    assert(value.len <= sizeof(name));
    for (size_t i = 0; i < value.len; i++)
        name[i] = weir_ascii_lower(value.data[i]);
    return mention(s, weir_slice_make(name, value.len));
}

/* Large objects' functions: of a transaction, and all that libpq calls so. */
bool weir_client_is_large_object(uint32_t function)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {{715, 715}, {764, 764},   {767, 767},   {952, 957},
                  {964, 964}, {1004, 1004}, {3170, 3172}, {3457, 3460}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (function >= ranges[i].from && function <= ranges[i].to)
            return true;
    return false;
}

/* Behind the function: formats, then values. */
int weir_client_note_arguments(weir_client *c, weir_pg_reader reader)
{
    (void)weir_pg_read_bytes(&reader, 2 * (size_t)weir_pg_read_u16(&reader));
    uint16_t count = weir_pg_read_u16(&reader);
    int r = 0;
    for (uint16_t i = 0; r == 0 && reader.ok && i < count; i++) {
        uint32_t len = weir_pg_read_u32(&reader);
        if (len != UINT32_MAX)
            r = weir_client_note_value(c, weir_pg_read_bytes(&reader, len));
    }
    return r;
}

void weir_client_state_discarded(weir_client *c)
{
    if (c->relay.state)
        c->relay.state->discarded = true;
}

/* Nothing of the session is on any connection but what it said at startup. */
static bool is_blank(const weir_client *c)
{
    return !c->relay.state && !c->session.pinned && c->params == c->startup;
}

/* What is set on the connection is not known until it was asked for. */
static int doubt_settings(weir_client *c)
{
    static const weir_parameters unknown = {.fingerprint = WEIR_PARAMETERS_UNKNOWN};
    weir_conn *conn = c->session.conn;
    return conn->ops->adopted(conn, &unknown);
}

/* Its settings are RESET: all of them return to what the login gave. What the startup packet gave
 * goes with them, and comes back when the connection is adopted the next time. */
static int note_reset_of_startup(weir_client *c)
{
    return c->relay.resets ? doubt_settings(c) : 0;
}

static bool resets_startup(const weir_client *c, weir_slice text)
{
    return c->startup_len &&
           (weir_client_mentions(text, "reset") || weir_client_mentions(text, "discard") ||
            weir_client_mentions(text, "default"));
}

/* What statements of the session's mean from here on may not be what its settings say. */
static int note_meaning(weir_client *c, unsigned effects)
{
    if ((effects & (WEIR_EFFECT_TEMP | WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN)) ||
        (c->holds && (effects & SETTING)))
        c->relay.own_meaning = ++c->relay.own_contents;
    return effects & SETTING ? doubt_settings(c) : 0;
}

static int pin(weir_client *c, unsigned effects, weir_error *err)
{
    effects &= PINNING & ~c->session.pinned;
    return effects ? weir_session_pin(&c->session, effects, err) : 0;
}

/* ---- currval and lastval: what the session's own last nextval gave, on its own connection ----
 *
 * No list of the server's shows it and nothing can bring it to another connection, and every INSERT
 * may move a sequence: so sessions stay where they moved one, but only in databases where somebody
 * asks for it. That is known from the first time on; then, the value is there if nobody else had
 * the connection meanwhile, and else it is not (55000). */

bool weir_client_watches_sequences(const weir_client *c)
{
    return weir_database_watches_sequences(weir_session_database(&c->session));
}

/* Its transaction begins with this statement, so nothing in it can have moved a sequence. */
static bool begins(const weir_client *c, const weir_statement *statement)
{
    return c->relay.status == 'I' && c->relay.sent == 0 && statement->statements == 1;
}

/* What a table's defaults or a view say runs later. In doubt it runs now. */
static bool only_defines(const weir_statement *statement, weir_slice text)
{
    bool fills = weir_client_mentions(text, "as") && (weir_client_mentions(text, "table") ||
                                                      weir_client_mentions(text, "materialized"));
    return statement->kind == WEIR_KIND_DDL && !fills && !weir_client_mentions(text, "into") &&
           !weir_client_mentions(text, "alter");
}

static int note_sequences(weir_client *c, const weir_statement *statement, weir_slice text,
                          unsigned *effects, weir_error *err)
{
    weir_database *database = weir_session_database(&c->session);
    if ((*effects & WEIR_EFFECT_SEQUENCE) && !(c->session.pinned & WEIR_EFFECT_SEQUENCE)) {
        weir_database_watch_sequences(database);
        *effects &= ~(unsigned)WEIR_EFFECT_SEQUENCE;
        if (begins(c, statement) && !only_defines(statement, text) && !c->relay.moved &&
            !weir_session_alone(&c->session)) {
            weir_error_set(err, "55000",
                           "weir: no sequence was moved on this session's connection "
                           "yet, so currval and lastval are not defined");
            weir_error_hint(err, "Ask in the transaction that calls nextval, or use RETURNING. "
                                 "From now on sessions of this database that may move a sequence "
                                 "keep their connection.");
            return WEIR_SESSION_REFUSED;
        }
    }
    bool moves = (statement->effects & WEIR_EFFECT_NEXTVAL) || statement->kind == WEIR_KIND_WRITE ||
                 statement->kind == WEIR_KIND_COPY || statement->kind == WEIR_KIND_UNKNOWN;
    c->relay.moved = c->relay.moved || moves;
    if (moves && weir_database_watches_sequences(database))
        *effects |= WEIR_EFFECT_SEQUENCE;
    return 0;
}

static const uint8_t *skip_spaces(const uint8_t *p, const uint8_t *end)
{
    while (p < end && weir_ascii_is_space(*p))
        p++;
    return p;
}

/* Behind "set_config": its first argument is a string or a parameter, and nothing else. */
static bool names_plainly(const uint8_t *p, const uint8_t *end)
{
    p = skip_spaces(p, end);
    if (p == end || *p != '(')
        return true; /* it is not called */
    p = skip_spaces(p + 1, end);
    const uint8_t first = p < end ? *p++ : 0;
    if (first == '\'')
        while (p < end && *p++ != '\'')
            continue;
    else if (first == '$')
        while (p < end && *p >= '0' && *p <= '9')
            p++;
    else
        return false;
    p = skip_spaces(p, end);
    return p < end && *p == ',';
}

/* A set_config whose setting is computed: its name is not in the text. */
static bool computes_name(weir_slice text)
{
    static const char word[] = "set_config";
    const size_t n = sizeof(word) - 1;
    for (size_t i = 0; i + n <= text.len; i++)
        if (weir_slice_eq_nocase(weir_slice_make(text.data + i, n), word) &&
            !names_plainly(text.data + i + n, text.data + text.len))
            return true;
    return false;
}

int weir_client_note_effects(weir_client *c, const weir_statement *statement, weir_slice text,
                             weir_error *err)
{
    unsigned effects = statement->effects & TRACKED;
    if ((c->session.pinned & WEIR_EFFECT_TEMP) && statement->kind == WEIR_KIND_DDL)
        effects |= WEIR_EFFECT_UNDO; /* DROP TABLE */
    if ((effects & WEIR_EFFECT_SET) && weir_client_mentions(text, "default"))
        effects |= WEIR_EFFECT_UNDO; /* SET … TO DEFAULT is RESET */
    if (c->holds)
        return note_meaning(c, effects);
    if (effects & TAKING_BACK)
        c->relay.resets = c->relay.resets || resets_startup(c, text);
    int r = note_sequences(c, statement, text, &effects, err);
    if (r != 0 || !effects)
        return r;
    if ((effects & ~TAKING_BACK) == 0 && is_blank(c))
        return note_reset_of_startup(c);
    r = pin(c, effects, err);
    if (r == 0)
        r = note_meaning(c, effects);
    if (r != 0 || !(effects & ~(unsigned)FOR_GOOD))
        return r; /* there is nothing to ask about */
    weir_state *s = state_of(c);
    if (!s)
        return -ENOMEM;
    s->noted |= effects;
    s->strays = s->strays || (effects & (WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN)) ||
                (effects & ~statement->words & WEIR_EFFECT_SET) ||
                ((effects & WEIR_EFFECT_SET) && computes_name(text));
    if (effects & (WEIR_EFFECT_SET | WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN))
        weir_sql_each_naming(text, on_naming, s);
    return 0;
}

/* ---- asking ---- */

static int append_text(weir_buf *out, const char *text)
{
    return weir_buf_append(out, weir_slice_cstr(text));
}

static int append_custom(weir_buf *out, weir_slice name)
{
    int r = append_text(out, " UNION ALL SELECT 's',n,v FROM (SELECT '");
    if (r == 0)
        r = weir_buf_append(out, name); /* letters, digits, '_', '$', '.': weir_sql_each_naming */
    if (r == 0)
        r = append_text(out, "' AS n,pg_catalog.current_setting('");
    if (r == 0)
        r = weir_buf_append(out, name);
    return r < 0 ? r : append_text(out, "',true) AS v) AS c WHERE v IS NOT NULL");
}

/* Custom settings that functions of the database name: no statement's text need mention them. */
static int append_customs_of_functions(const weir_state *s, weir_buf *out)
{
    const weir_server_catalog *catalog =
        weir_database_catalog(weir_session_database(&s->client->session));
    weir_server_totals totals = {0};
    int r = 0;
    if (catalog)
        weir_server_total(catalog, &totals);
    for (uint32_t i = 0; r == 0 && i < totals.customs && i < CUSTOMS_MAX; i++) {
        weir_slice name = weir_server_custom_at(catalog, i);
        if (weir_sql_is_setting_name(name))
            r = append_custom(out, name);
    }
    return r;
}

/* Settings that a statement of the session made, the custom ones that have been heard of, and who
 * the session is. */
static int append_settings(weir_state *s, weir_buf *out)
{
    weir_slice name, value;
    const weir_client *c = s->client;
    int r = append_text(
        out, "SELECT 's' AS k,pg_catalog.lower(name) AS n,setting AS v FROM pg_catalog.pg_settings "
             "WHERE source OPERATOR(pg_catalog.=) 'session' AND name OPERATOR(pg_catalog.<>) ALL "
             "('{transaction_isolation,transaction_read_only,transaction_deferrable}') "
             "UNION ALL SELECT 'r','role',pg_catalog.current_setting('role') "
             "UNION ALL SELECT 'u','session_authorization',session_user::text");
    for (size_t pos = 0; r == 0 && pos < s->mentioned.len; pos += name.len + 1) {
        name = weir_slice_cstr((const char *)s->mentioned.data + pos);
        r = append_custom(out, name);
    }
    r = r < 0 ? r : append_customs_of_functions(s, out);
    weir_slice mine = weir_slice_make(c->params, c->params_len);
    for (size_t pos = 0; r == 0 && weir_pg_param_next(mine, &pos, &name, &value);)
        if (memchr(name.data, '.', name.len) && weir_sql_is_setting_name(name))
            r = append_custom(out, name);
    return r;
}

static const struct {
    unsigned effect;
    char key[2];
    const char *text;
} lists[] = {
    {WEIR_EFFECT_TEMP, "t",
     "SELECT 't',NULL,NULL WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE refclassid "
     "OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid "
     "OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())"},
    {WEIR_EFFECT_ADVISORY_LOCK, "a",
     "SELECT 'a',NULL,NULL WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype "
     "OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) "
     "pg_catalog.pg_backend_pid())"},
    {WEIR_EFFECT_HOLD_CURSOR, "c",
     "SELECT 'c',NULL,NULL WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_cursors WHERE is_holdable)"},
};

static int append_lists(weir_buf *out, unsigned about)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (!(about & lists[i].effect))
            continue;
        if (out->len > 0)
            r = append_text(out, " UNION ALL ");
        if (r == 0)
            r = append_text(out, lists[i].text);
    }
    return r;
}

/* Which lists may have changed: those noted and, where something was taken back, those that hold
 * the session now. DO may have done anything. */
static unsigned about(const weir_state *s)
{
    unsigned what = s->noted | (s->client->session.pinned & VISIBLE);
    if (s->noted & (WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN))
        what |= VISIBLE;
    if (s->noted & SETTING)
        what |= WEIR_EFFECT_SET;
    return what;
}

static void on_row(weir_question *question, const weir_slice *values, unsigned count);
static void on_done(weir_question *question, const weir_error *err);

static int ask(weir_state *s)
{
    weir_conn *conn = s->client->session.conn;
    unsigned what = about(s);
    weir_buf_clear(&s->text);
    weir_buf_clear(&s->settings);
    int r = what & WEIR_EFFECT_SET ? append_settings(s, &s->text) : 0;
    if (r == 0)
        r = append_lists(&s->text, what);
    if (r < 0)
        return r;
    s->asked = what;
    s->may_have_changed = (s->noted & ~(unsigned)WEIR_EFFECT_UNKNOWN) != 0;
    s->noted = 0;
    s->told = false;
    s->found = 0;
    s->question = (weir_question){.text = weir_buf_slice(&s->text), .row = on_row, .done = on_done};
    r = conn->ops->ask(conn, &s->question);
    if (r < 0)
        s->asked = 0; /* the loss of the connection follows */
    return 0;
}

bool weir_client_state_unsettled(weir_client *c)
{
    weir_state *s = c->relay.state;
    if (!s)
        return false;
    if (!s->asked && ask(s) < 0) {
        weir_error err;
        weir_error_set(&err, "53200", "weir: out of memory");
        weir_client_fatal(c, &err);
    }
    return true;
}

bool weir_client_state_awaited(const weir_client *c)
{
    return c->relay.state && c->relay.state->asked;
}

bool weir_client_state_changing(const weir_client *c)
{
    const weir_state *s = c->relay.state;
    return s && (s->noted & SETTING);
}

/* ---- the answer ---- */

/* RESET leaves a custom setting empty, not absent: the startup packet's value comes back. */
static bool is_reset_custom(const weir_state *s, weir_slice name, weir_slice value)
{
    const weir_client *c = s->client;
    return value.len == 0 && (s->asked & TAKING_BACK) && memchr(name.data, '.', name.len) &&
           weir_guc_find(weir_slice_make(c->startup, c->startup_len), name).data;
}

static int on_setting(weir_state *s, const weir_slice *values)
{
    if (values[0].data[0] == 'r' && weir_slice_eq_cstr(values[2], "none"))
        return 0;
    const weir_conn *conn = s->client->session.conn;
    if (values[0].data[0] == 'u' && conn && weir_slice_eq_cstr(values[2], conn->user))
        return 0;
    if (is_reset_custom(s, values[1], values[2]))
        return 0;
    return weir_guc_put(&s->settings, values[1], values[2]);
}

static void on_row(weir_question *question, const weir_slice *values, unsigned count)
{
    weir_state *s = WEIR_CONTAINER_OF(question, weir_state, question);
    if (count != 3 || values[0].len != 1)
        return;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if ((uint8_t)lists[i].key[0] == values[0].data[0])
            s->found |= lists[i].effect;
    if (values[1].data && values[2].data && on_setting(s, values) < 0)
        s->incomplete = true;
}

/* What the session has now, and what stands on this connection. Settings of the startup packet that
 * are not there were RESET, which means to what the packet said. */
static int take_settings(weir_client *c, weir_state *s)
{
    weir_conn *conn = c->session.conn;
    weir_hash_seed seed = c->worker->gateway->options.seed;
    weir_parameters here = {
        .pairs = weir_buf_slice(&s->settings), .session = c->id, .strays = s->strays};
    here.fingerprint = weir_parameters_fingerprint(here.pairs, seed);
    int r = conn->ops->adopted(conn, &here);
    if (r == 0)
        r = weir_guc_fill_up(&s->settings, weir_slice_make(c->startup, c->startup_len));
    if (r == 0)
        r = weir_client_set_params(c, weir_buf_slice(&s->settings));
    return r < 0 ? r : weir_client_settle_statements(c);
}

/* Custom settings are listed nowhere: which of them a function makes is known from the catalog
 * alone. While the right to read that is missing, the connection stays with whom a function ran
 * for. */
static unsigned hidden(const weir_client *c, const weir_state *s)
{
    weir_database *d = weir_session_database(&c->session);
    const weir_server_catalog *catalog = weir_database_catalog(d);
    weir_catalog_figures figures;
    bool ran = (s->asked & WEIR_EFFECT_UNKNOWN) != 0 || (c->session.pinned & WEIR_EFFECT_SET);
    if (!ran || s->discarded || !catalog || weir_server_is_whole(catalog))
        return 0;
    weir_database_catalog_figures(d, &figures);
    return figures.denied ? WEIR_EFFECT_SET : 0;
}

/* Pins what was found and lets go of what was not. */
static int take_pins(weir_client *c, const weir_state *s, weir_error *err)
{
    unsigned stays = c->session.pinned & (FOR_GOOD | OF_OTHERS);
    if (s->discarded)
        stays &= ~(unsigned)(WEIR_EFFECT_SEQUENCE | WEIR_EFFECT_PREPARE);
    unsigned pins = stays | s->found | hidden(c, s) | (s->noted & PINNING);
    if (!(pins & WEIR_EFFECT_TEMP))
        c->relay.own_meaning = 0;
    else if (s->asked & (WEIR_EFFECT_DO | WEIR_EFFECT_UNKNOWN)) /* what made them did not say so */
        c->relay.own_meaning = ++c->relay.own_contents;
#ifdef WEIR_TEST_FAULT_FORGET_PIN /* a build that the simulator must see through */
    static unsigned count;
    if (++count % 20 == 0)
        pins = 0;
#endif
    return weir_session_set_pins(&c->session, pins, err);
}

static void on_done(weir_question *question, const weir_error *err)
{
    weir_state *s = WEIR_CONTAINER_OF(question, weir_state, question);
    weir_client *c = s->client;
    weir_error refused;
    if (err) { /* a statement timeout, perhaps: asked again behind the next transaction */
        s->noted |= s->asked;
        s->asked = 0;
        weir_stream_resume(c->stream);
        if (c->session.conn && weir_session_pin(&c->session, WEIR_EFFECT_SET, &refused) != 0)
            weir_client_fatal(c, &refused);
        return;
    }
    int r = s->incomplete ? -ENOMEM : 0;
    if (r == 0 && (s->asked & WEIR_EFFECT_SET))
        r = take_settings(c, s);
    if (r == 0)
        r = take_pins(c, s, &refused);
    if (r < 0)
        weir_error_set(&refused, "53200", "weir: out of memory");
    bool settings = s->asked & WEIR_EFFECT_SET;
    s->asked = 0;
    s->discarded = false;
    if (r != 0) {
        weir_client_fatal(c, &refused);
        return;
    }
    if (!s->noted)
        state_free(c);
    weir_client_settled(c);
    if (settings && c->session.conn && weir_client_adopt(c) < 0)
        weir_client_close(c, 0);
    weir_stream_resume(c->stream);
}
