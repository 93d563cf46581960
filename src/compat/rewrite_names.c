/* Names that mean something else in SQLite: the catalogue's schemas and tables, functions that ask
 * for the session, functions of another name. */
#include "compat/rewriter.h"
#include "compat/values.h"

/* Tables that show the session's names: they are arguments. */
static bool needs_session(weir_slice name)
{
    static const char *const tables[] = {"pg_database", "pg_roles", "pg_user",
                                         "pg_tables",   "pg_views", "pg_sequences"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (weir_slice_eq_nocase(name, tables[i]))
            return true;
    return false;
}

static int put_session(rewriter *w)
{
    int r = rewriter_put(w, "(");
    if (r == 0)
        r = rewriter_put_literal(w, w->context->database);
    if (r == 0)
        r = rewriter_put(w, ", ");
    if (r == 0)
        r = rewriter_put_literal(w, w->context->user);
    return r == 0 ? rewriter_put(w, ")") : r;
}

#define NAMES_SIZE_MAX 65536u

/* As JSON. The session's own name is among them: every name may reach one database. */
static int put_names(weir_buf *out, weir_slice own, weir_slice names)
{
    bool found = false;
    int r = 0;
    for (size_t at = 0; r == 0 && (at < names.len || !found);) {
        bool listed = at < names.len;
        weir_slice name = listed ? weir_slice_cstr((const char *)names.data + at) : own;
        at += listed ? name.len + 1 : 0;
        found = found || weir_slice_eq(name, own);
        r = weir_buf_append(out, out->len > 0 ? WEIR_SLICE_LIT(",\"") : WEIR_SLICE_LIT("[\""));
        for (size_t i = 0; r == 0 && i < name.len; i++) {
            uint8_t c = name.data[i];
            if (c < ' ' || c == '"' || c == '\\')
                r = weir_buf_printf(out, "\\u%04x", c);
            else
                r = weir_buf_append_u8(out, c);
        }
        if (r == 0)
            r = weir_buf_append_u8(out, '"');
    }
    return r == 0 ? weir_buf_append_u8(out, ']') : r;
}

/* pg_database has all names as a third argument. */
static int put_databases(rewriter *w)
{
    const weir_compat_context *c = w->context;
    weir_buf names, json;
    weir_buf_init(&names, NAMES_SIZE_MAX);
    weir_buf_init(&json, 8 * NAMES_SIZE_MAX);
    int r = c->databases ? c->databases(c->user_data, &names) : 0;
    if (r == 0)
        r = put_names(&json, c->database, weir_buf_slice(&names));
    if (r == 0)
        r = put_session(w);
    if (r == 0) {
        w->out->len--; /* its parenthesis */
        r = rewriter_put(w, ", ");
    }
    if (r == 0)
        r = rewriter_put_literal(w, weir_buf_slice(&json));
    weir_buf_fini(&names);
    weir_buf_fini(&json);
    return r == 0 ? rewriter_put(w, ")") : r;
}

/* Does a table's alias follow? */
static bool alias_follows(weir_slice rest)
{
    static const char *const others[] = {
        "where",  "join",   "on",        "left",  "right",  "inner",   "cross",
        "full",   "group",  "order",     "limit", "union",  "natural", "having",
        "offset", "except", "intersect", "using", "window", "fetch",   "for"};
    weir_token t = weir_token_peek(rest);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (weir_token_is(t, others[i]))
            return false;
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

/* information_schema.tables: as a table it is information_schema_tables, as a qualifier tables. */
static int put_information(rewriter *w, weir_slice name)
{
    weir_token next = weir_token_peek(w->rest);
    bool table = rewriter_at_table(w);
    w->operand = w->out->len;
    int r = table ? rewriter_put(w, "information_schema_") : 0;
    if (r == 0)
        r = weir_buf_append(w->out, name);
    bool call = weir_token_is(next, "(");
    if (r == 0 && table && !call)
        r = put_session(w);
    if (r == 0 && table && !call && !alias_follows(w->rest)) {
        r = rewriter_put(w, " AS ");
        if (r == 0)
            r = weir_buf_append(w->out, name);
    }
    return r;
}

/* ---- functions that ask for the session ---- */

typedef struct function {
    const char *name;
    bool call; /* with () */
} function;

static const function functions[] = {
    {"version", true},
    {"current_database", true},
    {"current_schema", true},
    {"pg_backend_pid", true},
    {"current_user", false},
    {"session_user", false},
    {"current_catalog", false},
    {"current_schema", false},
    {"current_role", false},
    {"pg_advisory_unlock_all", true},
    {"inet_server_addr", true},
    {"inet_client_addr", true},
    {"inet_server_port", true},
    {"inet_client_port", true},
    {"user", false},
};

static int put_value(rewriter *w, const char *name)
{
    if (strcmp(name, "version") == 0)
        return weir_buf_printf(w->out, "'PostgreSQL 15.0 (Weir %s over SQLite)'", WEIR_VERSION);
    if (strcmp(name, "current_schema") == 0)
        return rewriter_put(w, "'public'");
    if (strcmp(name, "pg_backend_pid") == 0)
        return weir_buf_printf(w->out, "%u", w->context->pid);
    if (strcmp(name, "pg_advisory_unlock_all") == 0 || strncmp(name, "inet_", 5) == 0)
        return rewriter_put(w, "NULL");
    bool database = strcmp(name, "current_database") == 0 || strcmp(name, "current_catalog") == 0;
    return rewriter_put_literal(w, database ? w->context->database : w->context->user);
}

/* PostgreSQL names such a column after the function. */
static int put_alias(rewriter *w, const char *name)
{
    return rewriter_at_item(w) && rewriter_item_ends(w, w->rest)
               ? weir_buf_printf(w->out, " AS \"%s\"", name)
               : 0;
}

/* A name alone is a function only where no column can be meant: in the list of a query without
 * tables it cannot. */
static bool is_asked(const rewriter *w, const function *f, weir_slice *after)
{
    bool opens = weir_token_accept(after, "(");
    if (opens != f->call || (opens && !weir_token_accept(after, ")")))
        return false;
    if (strcmp(f->name, "user") == 0) /* too common as a column's or table's name */
        return weir_token_is(w->last, "select") && weir_token_peek(*after).kind == WEIR_TOKEN_END;
    return opens || !weir_token_is(weir_token_peek(*after), ".");
}

static int session_function(rewriter *w, weir_token t)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        weir_slice after = w->rest;
        if (!weir_slice_eq_nocase(t.text, functions[i].name) || !is_asked(w, &functions[i], &after))
            continue;
        if (functions[i].call)
            rewriter_skip(w, after);
        w->operand = w->out->len;
        int r = put_value(w, functions[i].name);
        if (r == 0)
            r = put_alias(w, functions[i].name);
        return r < 0 ? r : 1;
    }
    return 0;
}

/* ---- functions with arguments ---- */

static int put_setting(rewriter *w, weir_slice arguments)
{
    char name[64];
    weir_token t = weir_token_next(&arguments);
    weir_token end = weir_token_next(&arguments);
    bool missing_ok = weir_token_is(end, ",");
    if (t.kind != WEIR_TOKEN_STRING || !(missing_ok || weir_token_is(end, ")")))
        return rewriter_refuse(w, "current_setting of what is no literal", "Use SHOW.");
    weir_compat_name_fold(t.text, name, sizeof(name));
    const char *value = w->context->setting
                            ? w->context->setting(w->context->user_data, weir_slice_cstr(name))
                            : NULL;
    if (value)
        return rewriter_put_literal(w, weir_slice_cstr(value));
    if (missing_ok)
        return rewriter_put(w, "NULL");
    weir_error_set(w->err, "42704", "weir: unrecognized configuration parameter \"%s\"", name);
    return -ECANCELED;
}

/* The moment that is meant; NULL: the word means none. */
static const char *moment_of(weir_token t)
{
    static const char *const names[][2] = {{"now", "transaction"},
                                           {"transaction_timestamp", "transaction"},
                                           {"statement_timestamp", "statement"},
                                           {"clock_timestamp", "clock"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_token_is(t, names[i][0]))
            return names[i][1];
    return NULL;
}

/* 1: written */
static int put_now(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    const char *moment = moment_of(t);
    if (!moment || !weir_token_accept(&after, "(") || !weir_token_accept(&after, ")"))
        return 0;
    rewriter_skip(w, after);
    w->operand = w->out->len;
    /* What stays in the schema is SQLite's own: other programs open the file, too. */
    int r = w->stored ? rewriter_put(w, WEIR_NOW_WORDS)
                      : weir_buf_printf(w->out, "weir_moment_text(weir_moment('%s'))", moment);
    if (r == 0)
        r = put_alias(w, "now");
    return r < 0 ? r : 1;
}

/* 1: written */
static int put_uuid(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (!weir_token_is(t, "gen_random_uuid") || !weir_token_accept(&after, "(") ||
        !weir_token_accept(&after, ")"))
        return 0;
    rewriter_skip(w, after);
    w->operand = w->out->len;
    int r = rewriter_put(w, WEIR_UUID_WORDS);
    if (r == 0)
        r = put_alias(w, "gen_random_uuid");
    return r < 0 ? r : 1;
}

/* 1: it was one of those whose arguments are not looked at by SQLite. */
static int replaced_call(rewriter *w, weir_token t)
{
    weir_slice arguments = w->rest;
    bool owner = weir_token_is(t, "pg_get_userbyid");
    bool setting = weir_token_is(t, "current_setting");
    bool schemas = weir_token_is(t, "current_schemas");
    if (weir_token_is(t, "set_config") && weir_token_is(weir_token_peek(arguments), "("))
        return rewriter_refuse(w, "set_config in a larger query, or of what is no literal",
                               "Use SET, or SELECT set_config('name', 'value', false) alone.");
    if (weir_token_is(t, "pg_listening_channels"))
        return rewriter_refuse(w, "pg_listening_channels() in a larger query",
                               "Ask SELECT pg_listening_channels() alone.");
    if ((weir_token_is(t, "pg_cancel_backend") || weir_token_is(t, "pg_terminate_backend")) &&
        weir_token_is(weir_token_peek(arguments), "("))
        return rewriter_refuse(w, "ending sessions in a larger query, or by what is no number",
                               "Ask SELECT pg_terminate_backend(n) alone, n a number or $1.");
    if ((!owner && !setting && !schemas) || !weir_token_accept(&arguments, "("))
        return 0;
    weir_slice after = arguments;
    if (!weir_token_take_parentheses(&after, NULL))
        return 0;
    w->operand = w->out->len;
    int r = owner     ? rewriter_put_literal(w, w->context->user)
            : setting ? put_setting(w, arguments)
            : weir_token_is(weir_token_peek(arguments), "true")
                ? rewriter_put(w, "'{pg_catalog,public}'")
                : rewriter_put(w, "'{public}'");
    rewriter_skip(w, after);
    if (r == 0)
        r = put_alias(w, owner     ? "pg_get_userbyid"
                         : setting ? "current_setting"
                                   : "current_schemas");
    return r < 0 ? r : 1;
}

/* trim([BOTH | LEADING | TRAILING] [characters] FROM text), behind the parenthesis: which of the
 * functions it is, and what is left to read; NULL: written with commas. */
static const char *trim_function(weir_slice *rest)
{
    static const struct {
        const char *word, *all, *some;
    } kinds[] = {{"leading", "ltrim", "weir_ltrim"},
                 {"trailing", "rtrim", "weir_rtrim"},
                 {"both", "trim", "weir_trim"}};
    const char *all = NULL, *some = "weir_trim";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !all; i++) {
        if (weir_token_accept(rest, kinds[i].word)) {
            all = kinds[i].all;
            some = kinds[i].some;
        }
    }
    if (weir_token_accept(rest, "from"))
        return all ? all : "trim";
    weir_slice look = *rest;
    unsigned depth = 1;
    for (weir_token t; (t = weir_token_next(&look)).kind != WEIR_TOKEN_END && depth > 0;) {
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") ? 1u : 0u;
        if (depth == 1 && weir_token_is(t, "from"))
            return some;
    }
    return all;
}

/* 1: written, with its parenthesis. */
static int put_trim(rewriter *w)
{
    weir_slice after = w->rest;
    const char *name = weir_token_accept(&after, "(") ? trim_function(&after) : NULL;
    if (!name)
        return 0;
    size_t at = w->out->len;
    int r = rewriter_put(w, name);
    if (r == 0)
        r = rewriter_put(w, "(");
    rewriter_skip(w, after);
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) =
            (rewriter_level){.operand = at, .inside = w->out->len, .opening = REWRITER_KEYWORDS};
    w->operand = SIZE_MAX;
    return r < 0 ? r : 1;
}

/* The same by another name. */
static const char *other_name(weir_token t)
{
    static const struct {
        const char *name, *sql;
    } names[] = {
        {"bool_or", "max"},
        {"bool_and", "min"},
        {"every", "min"},
        {"json_build_object", "json_object"},
        {"jsonb_build_object", "json_object"},
        {"json_build_array", "json_array"},
        {"jsonb_build_array", "json_array"},
        {"char_length", "length"},
        {"btrim", "trim"},
        {"character_length", "length"},
        {"strpos", "instr"},
        {"chr", "char"},
        {"position", "weir_position"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_token_is(t, names[i].name))
            return names[i].sql;
    return NULL;
}

/* The settings as they are now, as rows. */
static int put_settings(rewriter *w)
{
    const weir_setting *s = NULL;
    int r = rewriter_put(w, "(SELECT column1 AS name, column2 AS setting, NULL AS unit, 'Weir' AS "
                            "category, '' AS short_desc, NULL AS extra_desc, iif(column3, "
                            "'internal', 'user') AS context, 'string' AS vartype, 'default' AS "
                            "source, NULL AS min_val, NULL AS max_val, NULL AS enumvals, column4 "
                            "AS boot_val, column4 AS reset_val, NULL AS sourcefile, NULL AS "
                            "sourceline, 0 AS pending_restart FROM (VALUES ");
    for (size_t i = 0; r == 0 && (s = weir_setting_at(i)) != NULL; i++) {
        weir_slice name = weir_slice_cstr(s->name);
        const char *now =
            w->context->setting ? w->context->setting(w->context->user_data, name) : s->value;
        r = rewriter_put(w, i > 0 ? ", (" : "(");
        if (r == 0)
            r = rewriter_put_literal(w, name);
        if (r == 0)
            r = rewriter_put(w, ", ");
        if (r == 0)
            r = rewriter_put_literal(w, weir_slice_cstr(now ? now : s->value));
        if (r == 0)
            r = rewriter_put(w, s->fixed ? ", 1, " : ", 0, ");
        if (r == 0)
            r = rewriter_put_literal(w, weir_slice_cstr(s->value));
        if (r == 0)
            r = rewriter_put(w, ")");
    }
    if (r == 0)
        r = rewriter_put(w, "))");
    return r == 0 && !alias_follows(w->rest) ? rewriter_put(w, " AS pg_settings") : r;
}

int rewriter_name(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (weir_token_is(w->last, "."))
        return 0;
    if (weir_token_is(t, "public") && weir_token_accept(&after, ".")) {
        rewriter_skip(w, after); /* all that the file holds is there */
        return 1;
    }
    if (weir_token_is(t, "pg_catalog") && weir_token_accept(&after, ".")) {
        rewriter_skip(w, after);
        t = weir_token_next(&w->rest);
        w->copied = w->rest.data; /* the word that follows is dealt with at once */
        int r = rewriter_name(w, t);
        if (r == 0)
            r = rewriter_set_word(w, t);
        w->instead = t;
        if (r != 0)
            return r;
        w->operand = w->out->len;
        r = weir_buf_append(w->out, t.text);
        return r < 0 ? r : 1;
    }
    if (weir_token_is(t, "information_schema") && weir_token_accept(&after, ".")) {
        int r = rewriter_expand_array(w, t);
        if (r != 0)
            return r;
        weir_token name = weir_token_next(&after);
        rewriter_skip(w, after);
        w->instead = name;
        r = put_information(w, name.text);
        return r < 0 ? r : 1;
    }
    if (weir_token_is(t, "pg_settings") && rewriter_at_table(w)) {
        int r = put_settings(w);
        return r < 0 ? r : 1;
    }
    if (needs_session(t.text) && rewriter_at_table(w) &&
        !weir_token_is(weir_token_peek(after), ".")) {
        int r = weir_buf_append(w->out, t.text);
        if (r == 0)
            r = weir_token_is(t, "pg_database") ? put_databases(w) : put_session(w);
        return r < 0 ? r : 1;
    }
    int r = weir_token_is(t, "trim") ? put_trim(w) : replaced_call(w, t);
    if (r == 0)
        r = session_function(w, t);
    if (r == 0)
        r = put_now(w, t);
    if (r == 0)
        r = put_uuid(w, t);
    const char *other =
        r == 0 && weir_token_is(weir_token_peek(w->rest), "(") ? other_name(t) : NULL;
    if (!other)
        return r;
    w->operand = w->out->len;
    r = rewriter_put(w, other);
    return r < 0 ? r : 1;
}
