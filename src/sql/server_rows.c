/* The questions to a PostgreSQL server that make up its catalog, and what its rows say.
 *
 * All statements run in one implicit transaction with one snapshot. search_path holds pg_catalog
 * alone, so that no object of a user's takes the place of a name or operator below. Trees are read
 * as text rather than by pg_get_viewdef and its kin, which lock the relations.
 *
 * Each row begins with a letter; the columns are said at its reader. */
#include "base/ascii.h"
#include "catalog/schema_build.h"
#include "sql/fingerprint.h"
#include "sql/row_values.h"
#include "sql/server.h"
#include "sql/words.h"
#include <stdlib.h>

#define BODY_MAX "262144"

static const char begin[] = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                            "SET LOCAL search_path = pg_catalog, pg_temp;"
                            "SET LOCAL statement_timeout = '60s';"
                            "SET LOCAL lock_timeout = '5s';";

static const char facts[] =
    ";SELECT 'V', current_setting('server_version_num');"
    "SELECT 'R', rolname, rolsuper, rolcanlogin, rolconnlimit, rolvaliduntil FROM pg_roles;"
    "SELECT 'D', coalesce(d.datname, ''), coalesce(r.rolname, ''), v FROM pg_db_role_setting s"
    " LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole,"
    " unnest(setconfig) v WHERE setdatabase = 0 OR d.datname = current_database();"
    "SELECT 'S', name, context, vartype, boot_val, reset_val FROM pg_settings;"
    "SELECT 'X', extname FROM pg_extension;"
    "SELECT 'N', nspname FROM pg_namespace WHERE nspname ~ '^pg_temp_';"
    "SELECT 'K', word FROM pg_get_keywords();"
    "SELECT DISTINCT 'K', typname FROM pg_type WHERE typtype IN ('b', 'd', 'e', 'r', 'm');"
    "SELECT DISTINCT 'B', proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace;"
    "SELECT 'F', p.oid, n.nspname, p.proname, l.lanname, p.provolatile, p.proconfig IS NOT NULL,"
    " e.extname, p.pronargs - p.pronargdefaults <= 1 AND p.pronargs > 0 AND t.typtype IN"
    " ('c', 'p'), CASE WHEN octet_length(prosrc) <= " BODY_MAX
    " AND prokind <> 'a' THEN prosrc END,"
    " p.prokind, p.prosrc = '' FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
    " JOIN pg_language l ON l.oid = prolang LEFT JOIN pg_type t ON t.oid = p.proargtypes[0]"
    " LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
    " AND d.deptype = 'e' LEFT JOIN pg_extension e ON e.oid = d.refobjid"
    " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND n.nspname !~ '^pg_(toast_)?temp_';"
    "SELECT 'C', c.oid, n.nspname, c.relname FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND relpersistence <> 't' AND c.oid >= 16384;"
    "SELECT 'C', y.oid, n.nspname, typname FROM pg_type y"
    " JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype = 'd' AND y.oid >= 16384;";

/* Kinds of edges: r read, w write, f function, x everywhere, e DDL; b: to a builtin by name. Types
 * and relations have oids of one counter each, and might meet: a needless effect. */
static const char uses[] =
    "SELECT DISTINCT 'E', 'w', tgrelid, 'f', tgfoid FROM pg_trigger"
    " WHERE NOT tgisinternal AND tgenabled <> 'D';"
    "SELECT 'E', k, inhparent, k, inhrelid FROM pg_inherits, unnest('{r,w}'::text[]) k;"
    "SELECT DISTINCT 'E', 'w', confrelid, 'w', conrelid FROM pg_constraint WHERE contype = 'f'"
    " AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'));"
    "SELECT DISTINCT 'E', 'w', attrelid, 'w', y.oid FROM pg_attribute a JOIN pg_type t"
    " ON t.oid = atttypid JOIN pg_type y ON y.oid IN (t.oid, t.typelem) WHERE y.typtype = 'd'"
    " AND attnum > 0 AND attrelid >= 16384;"
    "SELECT 'E', 'w', oid, 'w', typbasetype FROM pg_type WHERE typtype = 'd' AND oid >= 16384;"
    "SELECT DISTINCT 'E', 'x', 0, 'f', f FROM (SELECT castfunc AS f FROM pg_cast UNION"
    " SELECT oprcode::oid FROM pg_operator UNION SELECT amproc::oid FROM pg_amproc UNION"
    " SELECT rngcanonical::oid FROM pg_range UNION SELECT rngsubdiff::oid FROM pg_range) s"
    " WHERE f >= 16384;"
    "SELECT DISTINCT 'E', 'w', ev_class, 'W', '' FROM pg_rewrite WHERE ev_type <> '1'"
    " AND ev_class >= 16384;"
    "SELECT 'E', 'f', oid, 'W', '' FROM pg_proc p WHERE prosrc = '' AND oid >= 16384"
    " AND (to_jsonb(p) ->> 'prosqlbody') ~ ':commandType [2-9]';"
    "SELECT DISTINCT 'E', 'e', 0, 'f', evtfoid FROM pg_event_trigger WHERE evtenabled <> 'D'"
    " AND NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE"
    " p.oid = evtfoid AND nspname = 'weir' AND proname IN ('tell_ddl', 'tell_drop'));"
    "SELECT DISTINCT 'E', 'f', aggfnoid::oid, 'f', f FROM pg_aggregate, unnest(ARRAY[aggtransfn,"
    " aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn,"
    " aggmfinalfn]::oid[]) f WHERE aggfnoid::oid >= 16384 AND f <> 0;";

/* What hangs on relations and types, by what the server itself has written down of its uses: but
 * for its own functions, which are pinned. Domains that something casts to count as written: a
 * value is checked. */
static const char depends[] =
    "WITH objects(class, oid, kind, owner, writes) AS ("
    "SELECT 'pg_rewrite'::regclass, oid, CASE ev_type WHEN '1' THEN 'r' ELSE 'w' END, ev_class,"
    " ev_type <> '1' FROM pg_rewrite WHERE ev_class >= 16384"
    " UNION ALL SELECT 'pg_rewrite'::regclass, oid, 'w', ev_class, true FROM pg_rewrite"
    " WHERE ev_class >= 16384 AND ev_type = '1'"
    " UNION ALL SELECT 'pg_attrdef'::regclass, oid, 'w', adrelid, true FROM pg_attrdef"
    " UNION ALL SELECT 'pg_policy'::regclass, oid, 'r', polrelid, false FROM pg_policy"
    " UNION ALL SELECT 'pg_constraint'::regclass, oid, 'w', CASE WHEN conrelid <> 0 THEN conrelid"
    " ELSE contypid END, true FROM pg_constraint WHERE contype = 'c' AND oid >= 16384"
    " UNION ALL SELECT 'pg_trigger'::regclass, oid, 'w', tgrelid, true FROM pg_trigger"
    " WHERE NOT tgisinternal AND tgenabled <> 'D'"
    " UNION ALL SELECT 'pg_class'::regclass, indexrelid, 'w', indrelid, true FROM pg_index"
    " WHERE indrelid >= 16384 AND (indexprs IS NOT NULL OR indpred IS NOT NULL)"
    " UNION ALL SELECT 'pg_class'::regclass, partrelid, 'w', partrelid, true"
    " FROM pg_partitioned_table"
    " UNION ALL SELECT 'pg_type'::regclass, oid, 'w', oid, true FROM pg_type"
    " WHERE typtype = 'd' AND oid >= 16384"
    " UNION ALL SELECT 'pg_proc'::regclass, oid, 'f', oid,"
    " (to_jsonb(p) ->> 'prosqlbody') ~ ':commandType [2-9]' FROM pg_proc p"
    " WHERE prosrc = '' AND oid >= 16384)"
    "SELECT DISTINCT 'E', kind, owner, CASE refclassid WHEN 'pg_class'::regclass THEN"
    " CASE WHEN writes THEN 'w' ELSE 'r' END WHEN 'pg_type'::regclass THEN 'w' ELSE 'f' END,"
    " coalesce(oprcode::oid, refobjid) FROM objects JOIN pg_depend ON classid = class"
    " AND objid = objects.oid LEFT JOIN pg_operator p ON refclassid = 'pg_operator'::regclass"
    " AND p.oid = refobjid WHERE refclassid IN ('pg_class'::regclass, 'pg_type'::regclass,"
    " 'pg_proc'::regclass, 'pg_operator'::regclass) AND refobjid >= 16384;";

/* The server's own functions with effects, found in what is kept as trees. */
static const char trees_head[] =
    "WITH suspect AS (SELECT oid, proname FROM pg_proc WHERE pronamespace ="
    " 'pg_catalog'::regnamespace AND proname IN (";
static const char trees_tail[] =
    ")), pattern AS MATERIALIZED (SELECT ':(?:funcid|opfuncid|aggfnoid|winfnoid) ('"
    " || string_agg(oid::text, '|') || ') ' AS of FROM suspect), trees(kind, oid, tree) AS ("
    "SELECT CASE ev_type WHEN '1' THEN 'r' ELSE 'w' END, ev_class, concat(ev_qual::text,"
    " ev_action::text) FROM pg_rewrite WHERE ev_class >= 16384"
    " UNION ALL SELECT 'w', adrelid, adbin::text FROM pg_attrdef WHERE adrelid >= 16384"
    " UNION ALL SELECT 'r', polrelid, concat(polqual::text, polwithcheck::text) FROM pg_policy"
    " UNION ALL SELECT 'w', CASE WHEN conrelid <> 0 THEN conrelid ELSE contypid END, conbin::text"
    " FROM pg_constraint WHERE conbin IS NOT NULL AND oid >= 16384"
    " UNION ALL SELECT 'w', tgrelid, tgqual::text FROM pg_trigger WHERE tgqual IS NOT NULL"
    " UNION ALL SELECT 'w', indrelid, concat(indexprs::text, indpred::text) FROM pg_index"
    " WHERE indrelid >= 16384 AND (indexprs IS NOT NULL OR indpred IS NOT NULL)"
    " UNION ALL SELECT 'w', partrelid, partexprs::text FROM pg_partitioned_table"
    " WHERE partexprs IS NOT NULL"
    " UNION ALL SELECT 'w', oid, typdefaultbin::text FROM pg_type"
    " WHERE typdefaultbin IS NOT NULL AND oid >= 16384"
    " UNION ALL SELECT 'f', p.oid, to_jsonb(p) ->> 'prosqlbody' FROM pg_proc p"
    " WHERE prosrc = '' AND oid >= 16384)"
    "SELECT DISTINCT 'E', kind, trees.oid, 'b', proname FROM trees, pattern,"
    " regexp_matches(tree, of, 'g') m JOIN suspect ON suspect.oid = m[1]::oid WHERE tree ~ of";

/* ---- builtins and extensions ---- */

#define ANYTHING ((unsigned)(WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_WRITES))

typedef struct known_effects {
    const char *name;
    unsigned effects;
} known_effects;

/* Of pg_catalog, beyond the classifier's words: what runs text that it is given, and the rest of
 * what a session may be left with. */
static const known_effects builtins[] = {
    {"query_to_xml", ANYTHING},
    {"query_to_xmlschema", ANYTHING},
    {"query_to_xml_and_xmlschema", ANYTHING},
    {"ts_stat", ANYTHING},
    {"ts_rewrite", ANYTHING},
    {"pg_replication_origin_session_setup", ANYTHING},
    {"pg_replication_origin_session_reset", ANYTHING},
    {"pg_create_logical_replication_slot", ANYTHING},
    {"pg_create_physical_replication_slot", ANYTHING},
    {"pg_copy_logical_replication_slot", ANYTHING},
    {"pg_copy_physical_replication_slot", ANYTHING},
};

/* In C, of extensions. A name that ends in `_` stands for all that begin so. */
static const known_effects extensions[] = {
    {"set_limit", WEIR_EFFECT_SET}, /* pg_trgm */
    {"crosstab", ANYTHING},         /* tablefunc: runs text */
    {"crosstab_hash", ANYTHING},    {"connectby", ANYTHING},  {"connectby_text", ANYTHING},
    {"xpath_table", ANYTHING}, /* xml2 */
    {"set_user", ANYTHING},         {"reset_user", ANYTHING}, {"set_session_auth", ANYTHING},
    {"sepgsql_setcon", ANYTHING},   {"pgv_", ANYTHING}, /* pg_variables */
    {"pldbg_", ANYTHING},           {"plv8_", ANYTHING},      {"plpgsql_oid_debug", ANYTHING},
};

static unsigned look_up(const known_effects *table, size_t count, weir_slice name)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(table[i].name);
        bool prefix = table[i].name[n - 1] == '_';
        if ((prefix ? name.len >= n : name.len == n) && memcmp(name.data, table[i].name, n) == 0)
            return table[i].effects;
    }
    return 0;
}

/* What the words do not tell. */
static unsigned more_effects(weir_slice name)
{
    return look_up(builtins, sizeof(builtins) / sizeof(*builtins), name);
}

/* Effects of a builtin function by its name; 0: none known. */
static unsigned function_effects(weir_slice name)
{
    const weir_word *word = weir_word_find(name);
    return word && word->code == WORD_CALL ? word->effects : more_effects(name);
}

static bool has_prefix(weir_slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

/* ... of a function in C of an extension. */
static unsigned extension_effects(weir_slice schema, weir_slice name)
{
    /* dblink's own connections are session state; what opens one for a single call is not, nor
     * what only makes text. orafce keeps state in its dbms_ packages. */
    if (has_prefix(name, "dblink_"))
        return has_prefix(name, "dblink_build_sql") || has_prefix(name, "dblink_get_") ||
                       weir_slice_eq_cstr(name, "dblink_current_query") ||
                       weir_slice_eq_cstr(name, "dblink_fdw_validator")
                   ? 0
                   : ANYTHING;
    if (has_prefix(schema, "dbms_") || has_prefix(schema, "plunit"))
        return ANYTHING;
    return look_up(extensions, sizeof(extensions) / sizeof(*extensions), name);
}

/* A function in C of an extension may write if its volatility lets it, unless it is known not to.
 */
static unsigned extension_function_effects(const weir_server_function *f, weir_slice extension)
{
    static const char *const quiet[] = {"autoinc", "insert_username", "moddatetime"};
    unsigned effects = extension_effects(f->schema, f->name);
    if (f->volatility != 'v' || weir_schema_lists_extension(extension))
        return effects;
    for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
        if (weir_slice_eq_cstr(extension, quiet[i]))
            return effects;
    return effects | WEIR_EFFECT_WRITES;
}

/* ---- the text ---- */

static int put_builtins(weir_buf *out)
{
    const char *before = "";
    int r = 0;
    const weir_word *w;
    for (size_t i = 0; r == 0 && (w = weir_word_at(i)); i++) {
        if (w->code != WORD_CALL)
            continue;
        r = weir_buf_printf(out, "%s'%s'", before, w->text);
        before = ",";
    }
    for (size_t i = 0; r == 0 && i < sizeof(builtins) / sizeof(*builtins); i++)
        r = weir_buf_printf(out, "%s'%s'", before, builtins[i].name);
    return r;
}

int weir_server_query(weir_buf *out)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT(begin));
    if (r == 0)
        r = weir_buf_append(out, weir_fingerprint_select());
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(facts));
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(uses));
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(depends));
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(trees_head));
    if (r == 0)
        r = put_builtins(out);
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT(trees_tail));
}

/* ---- rows ---- */

typedef struct names_visit {
    weir_server_builder *builder;
    uint64_t from;
    bool writes;
    int error;
    uint64_t recent[64]; /* direct-mapped: most names come again and again */
} names_visit;

static void use(names_visit *v, weir_server_kind kind, uint64_t name)
{
    if (v->error == 0)
        v->error = weir_server_add_edge(v->builder, v->from, weir_server_named(kind, name));
}

static void on_name(void *user, uint64_t name, bool followed)
{
    names_visit *v = user;
    uint64_t *recent = &v->recent[(name >> 32) % 64];
    if (*recent == (name | followed))
        return;
    *recent = name | followed;
    if (followed)
        use(v, WEIR_SERVER_FUNCTION, name);
    use(v, v->writes ? WEIR_SERVER_WRITE : WEIR_SERVER_READ, name);
}

static void on_setting(void *user, weir_slice name)
{
    names_visit *v = user;
    uint8_t lower[128];
    if (v->error < 0 || name.len == 0 || name.len > sizeof(lower) ||
        !memchr(name.data, '.', name.len))
        return;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = weir_ascii_lower(name.data[i]);
    v->error = weir_server_add_custom(v->builder, weir_slice_make(lower, name.len));
}

static void on_naming(void *user, weir_naming what, weir_slice name, weir_slice statement)
{
    (void)statement;
    if (what == WEIR_NAMING_SETTING)
        on_setting(user, name);
}

static weir_language language_of(weir_slice name)
{
    if (weir_slice_eq_cstr(name, "sql"))
        return WEIR_LANGUAGE_SQL;
    return weir_slice_eq_cstr(name, "plpgsql") ? WEIR_LANGUAGE_PLPGSQL : WEIR_LANGUAGE_OTHER;
}

/* What SQL and PL/pgSQL call stable or immutable is refused writes of its own by the server; what
 * it calls is followed. */
static bool may_write(weir_language language, char volatility, const weir_body *body)
{
    if (body->effects & (WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_DO))
        return true;
    return body->writes && (volatility == 'v' || language == WEIR_LANGUAGE_OTHER);
}

/* Two looks: whether it writes, which its end may tell, and then the names. */
static int scan_body(weir_server_builder *b, weir_server_function *f, weir_slice source)
{
    weir_body body, again;
    weir_language language = language_of(f->language);
    names_visit visit = {.builder = b, .from = weir_server_object(WEIR_SERVER_FUNCTION, f->oid)};
    weir_body_visitor visitor = {.name = on_name, .setting = on_setting, .user = &visit};
    weir_body_scan(language, source, NULL, &body);
    visit.writes = body.writes;
    f->effects = body.effects |
                 (may_write(language, f->volatility, &body) ? (unsigned)WEIR_EFFECT_WRITES : 0);
    f->what = body.what;
    f->line = body.line;
    int r = weir_server_add_function(b, f);
    if (r < 0)
        return r;
    weir_body_scan(language, source, &visitor, &again);
    if (body.effects & (WEIR_EFFECT_SET | WEIR_EFFECT_UNKNOWN)) /* SET, in text that is run too */
        weir_sql_each_naming(source, on_naming, &visit);
    return visit.error;
}

static bool is_native(weir_slice language)
{
    return weir_slice_eq_cstr(language, "c") || weir_slice_eq_cstr(language, "internal");
}

/* oid, schema, name, language, volatility, has SET clauses, extension, attribute, source (null: too
 * long, or an aggregate), kind, has a tree instead. */
static int function_row(weir_server_builder *b, const weir_slice *v)
{
    weir_server_function f = {.oid = weir_row_oid(v[1]),
                              .schema = v[2],
                              .name = v[3],
                              .language = v[4],
                              .volatility = v[5].len ? (char)v[5].data[0] : 'v',
                              .settings = weir_row_is_yes(v[6]),
                              .attribute = weir_row_is_yes(v[8]),
                              .what = ""};
    bool aggregate = v[10].len == 1 && v[10].data[0] == 'a';
    if (aggregate)
        return weir_server_add_function(b, &f);
    if (is_native(f.language)) {
        f.effects = v[7].data ? extension_function_effects(&f, v[7]) : ANYTHING;
        f.what = v[7].data ? "an extension's function with state" : "is in C and of no extension";
        return weir_server_add_function(b, &f);
    }
    if (!v[9].data) {
        f.effects = ANYTHING;
        f.what = "is too long to be read";
        return weir_server_add_function(b, &f);
    }
    return scan_body(b, &f, v[9]);
}

static bool kind_of(weir_slice letter, weir_server_kind *ret)
{
    static const char letters[] = {[WEIR_SERVER_EVERYWHERE] = 'x',
                                   [WEIR_SERVER_DDL] = 'e',
                                   [WEIR_SERVER_FUNCTION] = 'f',
                                   [WEIR_SERVER_READ] = 'r',
                                   [WEIR_SERVER_WRITE] = 'w'};
    const char *at = letter.len == 1 ? memchr(letters, letter.data[0], sizeof(letters)) : NULL;
    if (at)
        *ret = (weir_server_kind)(at - letters);
    return at != NULL;
}

/* kind, oid, kind, oid or builtin's name; or kind, oid, W: it may write anything. */
static int edge_row(weir_server_builder *b, const weir_slice *v)
{
    weir_server_kind from, to;
    if (!kind_of(v[1], &from))
        return 0;
    uint64_t id = weir_server_object(from, weir_row_oid(v[2]));
    if (weir_slice_eq_cstr(v[3], "W"))
        return weir_server_add_effects(b, id, WEIR_EFFECT_WRITES, (weir_slice){0});
    if (weir_slice_eq_cstr(v[3], "b"))
        return weir_server_add_effects(b, id, function_effects(v[4]), v[4]);
    return kind_of(v[3], &to)
               ? weir_server_add_edge(b, id, weir_server_object(to, weir_row_oid(v[4])))
               : 0;
}

/* name, superuser, login, connection limit, valid until. */
static int role_row(weir_server_builder *b, const weir_slice *v)
{
    uint64_t limit = 0;
    weir_server_role role = {.name = v[1],
                             .superuser = weir_row_is_yes(v[2]),
                             .login = weir_row_is_yes(v[3]),
                             .connection_limit = weir_row_number(v[4], &limit) ? (int)limit : -1,
                             .valid_until = v[5]};
    return weir_server_add_role(b, &role);
}

static int default_row(weir_server_builder *b, const weir_slice *v)
{
    return weir_server_add_default(
        b, &(weir_server_default){.database = v[1], .role = v[2], .setting = v[3]});
}

static int setting_row(weir_server_builder *b, const weir_slice *v)
{
    return weir_server_add_setting(
        b, &(weir_server_setting){
               .name = v[1], .context = v[2], .type = v[3], .boot = v[4], .reset = v[5]});
}

static int fingerprint_row(weir_server_builder *b, const weir_slice *v)
{
    weir_fingerprints f;
    if (weir_server_fingerprints(v, WEIR_FINGERPRINT_COLUMNS, &f))
        weir_server_set_fingerprints(b, &f);
    return 0;
}

static int version_row(weir_server_builder *b, const weir_slice *v)
{
    uint64_t version = 0;
    if (weir_row_number(v[1], &version))
        weir_server_set_version(b, (unsigned)version);
    return 0;
}

static int name_row(weir_server_builder *b, const weir_slice *v)
{
    switch (v[0].data[0]) {
    case 'X':
        return weir_server_add_extension(b, v[1]);
    case 'N':
        return weir_server_add_temp_schema(b, v[1]);
    case 'B': /* the lexers of statements and of bodies see the words, and their arguments */
        return weir_server_add_known(b, v[1], more_effects(v[1]));
    default:
        return weir_server_add_known(b, v[1], 0);
    }
}

static int relation_row(weir_server_builder *b, const weir_slice *v)
{
    return weir_server_add_relation(b, weir_row_oid(v[1]), v[2], v[3]);
}

int weir_server_row(weir_server_builder *builder, const weir_slice *values, unsigned count)
{
    static const struct {
        char letter;
        unsigned count;
        int (*read)(weir_server_builder *b, const weir_slice *v);
    } rows[] = {{'V', 2, version_row},  {'P', WEIR_FINGERPRINT_COLUMNS, fingerprint_row},
                {'R', 6, role_row},     {'D', 4, default_row},
                {'S', 6, setting_row},  {'X', 2, name_row},
                {'N', 2, name_row},     {'K', 2, name_row},
                {'B', 2, name_row},     {'F', 12, function_row},
                {'C', 4, relation_row}, {'E', 5, edge_row}};
    for (size_t i = 0; count > 0 && values[0].len == 1 && i < sizeof(rows) / sizeof(*rows); i++)
        if (values[0].data[0] == (uint8_t)rows[i].letter && count == rows[i].count)
            return rows[i].read(builder, values);
    return 0;
}
