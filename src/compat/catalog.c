/* psql's backslash commands (\dt \d \d+ \d NAME \di \dv \l \dn \du \df), recognised by what their
 * queries contain (psql 14 to 17 against a server that says 15) and answered from sqlite_master and
 * the pragma functions. A relation's OID is its rowid in sqlite_master + 16384. Other queries on
 * pg_catalog are not understood here. */
#include "compat/compat.h"
#include "compat/token.h"

#define OID_BASE 16384

typedef struct question {
    weir_slice text;
    const weir_compat_context *context;
    weir_buf *out;
} question;

static bool has(weir_slice text, const char *part)
{
    return text.data && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static int put(const question *q, const char *sql)
{
    return weir_buf_append(q->out, weir_slice_cstr(sql));
}

static int put_literal(const question *q, weir_slice text)
{
    int r = weir_buf_append_u8(q->out, '\'');
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        r = weir_buf_append_u8(q->out, text.data[i]);
        if (r == 0 && text.data[i] == '\'')
            r = weir_buf_append_u8(q->out, '\'');
    }
    return r == 0 ? weir_buf_append_u8(q->out, '\'') : r;
}

static weir_slice after(weir_slice text, const char *part)
{
    const uint8_t *at = memmem(text.data, text.len, part, strlen(part));
    if (!at)
        return (weir_slice){0};
    size_t skip = (size_t)(at - text.data) + strlen(part);
    return weir_slice_skip(text, skip);
}

/* The first quoted number that can be a relation's OID. */
static long long oid_in(weir_slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        long long oid = 0;
        size_t n = i + 1;
        if (text.data[i] != '\'')
            continue;
        while (n < text.len && n < i + 11 && text.data[n] >= '0' && text.data[n] <= '9')
            oid = oid * 10 + (text.data[n++] - '0');
        if (n > i + 1 && n < text.len && text.data[n] == '\'' && oid >= OID_BASE)
            return oid;
    }
    return 0;
}

static int put_oid_filter(const question *q)
{
    return weir_buf_printf(q->out, " m.rowid = %lld", oid_in(q->text) - OID_BASE);
}

/* ---- name patterns: psql sends `~ '^(a.*)$'` ---- */

/* One character of the regular expression as LIKE has it; moves to its last byte. */
static int put_pattern_char(const question *q, weir_slice re, size_t *i)
{
    uint8_t c = re.data[*i];
    if (c == '.' && *i + 1 < re.len && re.data[*i + 1] == '*') {
        *i += 1;
        return put(q, "%");
    }
    if (c == '.')
        return put(q, "_");
    if (c == '\\' && *i + 1 < re.len)
        c = re.data[++*i];
    int r = c == '%' || c == '_' || c == '!' ? put(q, "!") : 0;
    if (r == 0 && c == '\'')
        r = put(q, "'");
    return r == 0 ? weir_buf_append_u8(q->out, c) : r;
}

/* SQLite's names ignore case, so LIKE is right. `column` LIKE the pattern behind `marker`. */
static int put_pattern(const question *q, const char *column, const char *marker)
{
    weir_slice re = after(q->text, marker);
    if (re.len < 4 || memcmp(re.data, "^(", 2) != 0)
        return 0;
    re = weir_slice_skip(re, 2);
    const uint8_t *end = memmem(re.data, re.len, ")$'", 3);
    if (!end)
        return 0;
    re = weir_slice_head(re, (size_t)(end - re.data));
    int r = weir_buf_printf(q->out, " AND %s LIKE '", column);
    for (size_t i = 0; r == 0 && i < re.len; i++)
        r = put_pattern_char(q, re, &i);
    return r == 0 ? put(q, "' ESCAPE '!'") : r;
}

static int put_patterns(const question *q)
{
    int r = put_pattern(q, "m.name", "c.relname OPERATOR(pg_catalog.~) '");
    return r == 0 ? put_pattern(q, "'public'", "n.nspname OPERATOR(pg_catalog.~) '") : r;
}

#define USER_TABLE " m.name NOT LIKE 'sqlite!_%' ESCAPE '!'"

/* ---- lists ---- */

static int put_kinds(const question *q)
{
    weir_slice kinds = after(q->text, "c.relkind IN (");
    const uint8_t *end = kinds.len ? memchr(kinds.data, ')', kinds.len) : NULL;
    kinds = weir_slice_head(kinds, end ? (size_t)(end - kinds.data) : kinds.len);
    int r = put(q, " AND m.type IN (''");
    if (r == 0 && has(kinds, "'r'"))
        r = put(q, ", 'table'");
    if (r == 0 && has(kinds, "'v'"))
        r = put(q, ", 'view'");
    if (r == 0 && has(kinds, "'i'"))
        r = put(q, ", 'index'");
    return r == 0 ? put(q, ")") : r;
}

static int put_relation_extras(const question *q)
{
    static const struct {
        const char *marker, *sql;
    } extras[] = {
        {"c2.relname as \"Table\"", ", m.tbl_name AS \"Table\""},
        {"as \"Persistence\"", ", 'permanent' AS \"Persistence\""},
        {"as \"Access method\"",
         ", CASE m.type WHEN 'table' THEN 'heap' WHEN 'index' THEN 'btree' END AS "
         "\"Access method\""},
        {"as \"Size\"", ", NULL AS \"Size\""},
        {"as \"Description\"", ", NULL AS \"Description\""},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(extras) / sizeof(extras[0]); i++)
        if (has(q->text, extras[i].marker))
            r = put(q, extras[i].sql);
    return r;
}

static int relations(const question *q)
{
    int r = put(q, "SELECT 'public' AS \"Schema\", m.name AS \"Name\", m.type AS \"Type\", ");
    if (r == 0)
        r = put_literal(q, q->context->user);
    if (r == 0)
        r = put(q, " AS \"Owner\"");
    if (r == 0)
        r = put_relation_extras(q);
    if (r == 0)
        r = put(q, " FROM sqlite_master AS m WHERE" USER_TABLE);
    if (r == 0)
        r = put_kinds(q);
    if (r == 0)
        r = put_patterns(q);
    return r == 0 ? put(q, " ORDER BY 1, 2") : r;
}

static int databases(const question *q)
{
    int r = put(q, "SELECT ");
    if (r == 0)
        r = put_literal(q, q->context->database);
    if (r == 0)
        r = put(q, " AS \"Name\", ");
    if (r == 0)
        r = put_literal(q, q->context->user);
    return r == 0 ? put(q, " AS \"Owner\", 'UTF8' AS \"Encoding\", 'C' AS \"Collate\", 'C' AS "
                           "\"Ctype\", NULL AS \"ICU Locale\", 'libc' AS \"Locale Provider\", "
                           "NULL AS \"Access privileges\"")
                  : r;
}

static int schemas(const question *q)
{
    int r = put(q, "SELECT 'public' AS \"Name\", ");
    if (r == 0)
        r = put_literal(q, q->context->user);
    return r == 0 ? put(q, " AS \"Owner\"") : r;
}

static int roles(const question *q)
{
    int r = put(q, "SELECT ");
    if (r == 0)
        r = put_literal(q, q->context->user);
    return r == 0 ? put(q, " AS rolname, 'f' AS rolsuper, 't' AS rolinherit, 'f' AS rolcreaterole, "
                           "'f' AS rolcreatedb, 't' AS rolcanlogin, -1 AS rolconnlimit, NULL AS "
                           "rolvaliduntil, '{}' AS memberof, 'f' AS rolreplication, 'f' AS "
                           "rolbypassrls")
                  : r;
}

/* ---- one relation ---- */

static int find_relation(const question *q)
{
    int r = put(q, "SELECT m.rowid + 16384 AS oid, 'public' AS nspname, m.name AS relname FROM "
                   "sqlite_master AS m WHERE m.type IN ('table', 'view', 'index') AND" USER_TABLE);
    if (r == 0)
        r = put_patterns(q);
    return r == 0 ? put(q, " ORDER BY 2, 3") : r;
}

static int relation(const question *q)
{
    int r =
        put(q, "SELECT 0 AS relchecks, CASE m.type WHEN 'table' THEN 'r' WHEN 'view' THEN 'v' "
               "ELSE 'i' END AS relkind, CASE m.type WHEN 'table' THEN 't' ELSE 'f' END AS "
               "relhasindex, CASE m.type WHEN 'view' THEN 't' ELSE 'f' END AS relhasrules, 't' "
               "AS relhastriggers, 'f' AS "
               "relrowsecurity, 'f' AS relforcerowsecurity, 'f' AS relhasoids, 'f' AS "
               "relispartition, '' AS \"?column?\", 0 AS reltablespace, '' AS reloftype, 'p' AS "
               "relpersistence, 'd' AS relreplident, CASE m.type WHEN 'table' THEN 'heap' WHEN "
               "'index' THEN 'btree' END AS amname FROM sqlite_master AS m WHERE");
    return r == 0 ? put_oid_filter(q) : r;
}

static int columns(const question *q)
{
    int r = put(q, "SELECT c.name AS attname, coalesce(nullif(lower(c.type), ''), 'any') AS "
                   "format_type, c.dflt_value AS pg_get_expr, CASE WHEN c.\"notnull\" OR c.pk THEN "
                   "'t' ELSE 'f' END AS attnotnull, NULL AS attcollation, '' AS attidentity, '' AS "
                   "attgenerated");
    if (r == 0 && has(q->text, "a.attstorage"))
        r = put(q, ", 'p' AS attstorage");
    if (r == 0 && has(q->text, "AS attcompression"))
        r = put(q, ", '' AS attcompression");
    if (r == 0 && has(q->text, "attstattarget"))
        r = put(q, ", NULL AS attstattarget");
    if (r == 0 && has(q->text, "col_description"))
        r = put(q, ", NULL AS col_description");
    if (r == 0)
        r = put(q, " FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE");
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " ORDER BY c.cid") : r;
}

static int index_columns(const question *q)
{
    int r = put(q, "SELECT coalesce(i.name, 'expr') AS attname, coalesce((SELECT "
                   "nullif(lower(c.type), '') FROM pragma_table_info(m.tbl_name) AS c WHERE c.cid "
                   "= i.cid), 'any') AS format_type, 'yes' AS is_key, coalesce(i.name, 'expr') AS "
                   "indexdef FROM sqlite_master AS m, pragma_index_info(m.name) AS i WHERE");
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " ORDER BY i.seqno") : r;
}

static int index_facts(const question *q)
{
    int r = put(q, "SELECT CASE WHEN l.\"unique\" THEN 't' ELSE 'f' END AS indisunique, CASE "
                   "l.origin WHEN 'pk' THEN 't' ELSE 'f' END AS indisprimary, 'f' AS "
                   "indisclustered, 't' AS indisvalid, 'f' AS condeferrable, 'f' AS condeferred, "
                   "'f' AS indisreplident, 'f' AS indnullsnotdistinct, 'btree' AS amname, "
                   "m.tbl_name AS relname, NULL AS pg_get_expr FROM sqlite_master AS m, "
                   "pragma_index_list(m.tbl_name) AS l WHERE l.name = m.name AND");
    return r == 0 ? put_oid_filter(q) : r;
}

/* An INTEGER PRIMARY KEY is the table itself and has no index: it is listed all the same. */
static int indexes(const question *q)
{
    static const char rest[] = ", 'f' AS indisclustered, 't' AS indisvalid, 'CREATE INDEX USING "
                               "btree (' || ";
    static const char end[] = " || ')' AS pg_get_indexdef, NULL AS pg_get_constraintdef, NULL AS "
                              "contype, 'f' AS condeferrable, 'f' AS condeferred, 'f' AS "
                              "indisreplident, 0 AS reltablespace FROM sqlite_master AS m";
    int r = weir_buf_printf(
        q->out,
        "SELECT l.name AS relname, CASE l.origin WHEN 'pk' THEN 't' ELSE 'f' END AS indisprimary, "
        "CASE WHEN l.\"unique\" THEN 't' ELSE 'f' END AS indisunique%s(SELECT "
        "group_concat(coalesce(i.name, '(expression)'), ', ') FROM pragma_index_info(l.name) AS "
        "i)%s, pragma_index_list(m.name) AS l WHERE",
        rest, end);
    if (r == 0)
        r = put_oid_filter(q);
    if (r == 0)
        r = weir_buf_printf(q->out,
                            " UNION ALL SELECT m.name || '_pkey', 't', 't'%s(SELECT "
                            "group_concat(c.name, ', ') FROM pragma_table_info(m.name) AS c WHERE "
                            "c.pk > 0)%s WHERE EXISTS (SELECT 1 FROM pragma_table_info(m.name) "
                            "WHERE pk > 0) AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) "
                            "WHERE origin = 'pk') AND",
                            rest, end);
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " ORDER BY 2 DESC, 1") : r;
}

#define FOREIGN_KEY                                                                                \
    "'FOREIGN KEY (' || group_concat(f.\"from\", ', ') || ') REFERENCES ' || f.\"table\" || "      \
    "coalesce('(' || group_concat(f.\"to\", ', ') || ')', '') || CASE f.on_update WHEN 'NO "       \
    "ACTION' THEN '' ELSE ' ON UPDATE ' || f.on_update END || CASE f.on_delete WHEN 'NO ACTION' "  \
    "THEN '' ELSE ' ON DELETE ' || f.on_delete END AS condef"

static int foreign_keys(const question *q)
{
    int r = put(q, "SELECT 't' AS sametable, m.name || '_fkey' || (f.id + 1) AS "
                   "conname, " FOREIGN_KEY ", m.name AS ontable FROM sqlite_master AS m, "
                   "pragma_foreign_key_list(m.name) AS f WHERE");
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " GROUP BY f.id ORDER BY 2") : r;
}

static int referencing_keys(const question *q)
{
    int r = put(q, "SELECT t.name || '_fkey' || (f.id + 1) AS conname, t.name AS "
                   "ontable, " FOREIGN_KEY " FROM sqlite_master AS m, sqlite_master AS t, "
                   "pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table' AND "
                   "lower(f.\"table\") = lower(m.name) AND");
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " GROUP BY t.name, f.id ORDER BY 1") : r;
}

static int triggers(const question *q)
{
    int r = put(q, "SELECT t.name AS tgname, replace(t.sql, char(10), ' ') AS pg_get_triggerdef, "
                   "'O' AS tgenabled, 'f' AS tgisinternal, NULL AS parent FROM sqlite_master AS m, "
                   "sqlite_master AS t WHERE t.type = 'trigger' AND t.tbl_name = m.name AND");
    if (r == 0)
        r = put_oid_filter(q);
    return r == 0 ? put(q, " ORDER BY 1") : r;
}

static int view_text(const question *q)
{
    int r = put(q, "SELECT m.sql AS pg_get_viewdef FROM sqlite_master AS m WHERE");
    return r == 0 ? put_oid_filter(q) : r;
}

static int nothing(const question *q)
{
    return put(q,
               "SELECT NULL AS \"?column?\", NULL AS \"?column?\", NULL AS \"?column?\", NULL AS "
               "\"?column?\", NULL AS \"?column?\" WHERE 0");
}

typedef struct answer {
    const char *has, *and_has;
    int (*put)(const question *q);
} answer;

/* In order: the first that fits answers. */
static const answer answers[] = {
    {"n.nspname as \"Schema\"", "c.relname as \"Name\"", relations},
    {"c.relchecks, c.relkind", "c.oid = '", relation},
    {"SELECT c.oid,", "c.relname OPERATOR(pg_catalog.~)", find_relation},
    {"SELECT a.attname,", "AS is_key", index_columns},
    {"SELECT a.attname,", "a.attnotnull", columns},
    {"SELECT c2.relname, i.indisprimary", "i.indrelid", indexes},
    {"SELECT i.indisunique, i.indisprimary", "a.amname, c2.relname", index_facts},
    {"pg_catalog.pg_constraint", "r.conrelid = '", foreign_keys},
    {"pg_catalog.pg_constraint", "confrelid IN", referencing_keys},
    {"FROM pg_catalog.pg_trigger t", "t.tgname", triggers},
    {"SELECT pg_catalog.pg_get_viewdef('", "::pg_catalog.oid", view_text},
    {"d.datname as \"Name\"", "FROM pg_catalog.pg_database d", databases},
    {"n.nspname AS \"Name\"", "FROM pg_catalog.pg_namespace n", schemas},
    {"FROM pg_catalog.pg_roles r", "r.rolname", roles},
    {"FROM pg_catalog.pg_proc p", "p.proname as \"Name\"", nothing},
    {"FROM pg_catalog.pg_policy", "pol.polrelid = '", nothing},
    {"FROM pg_catalog.pg_statistic_ext", "stxrelid", nothing},
    {"FROM pg_catalog.pg_publication", "pubname", nothing},
    {"FROM pg_catalog.pg_rewrite", "r.rulename", nothing},
    {"pg_catalog.pg_inherits i", "inhrelid", nothing},
};

int weir_compat_catalog(weir_slice text, const weir_compat_context *context, weir_buf *out)
{
    question q = {.text = text, .context = context, .out = out};
    if (!weir_token_is(weir_token_peek(text), "select") || !has(text, "pg_catalog."))
        return WEIR_COMPAT_REFUSED;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (!has(text, answers[i].has) || !has(text, answers[i].and_has))
            continue;
        size_t mark = out->len;
        int r = answers[i].put(&q);
        if (r < 0)
            out->len = mark;
        return r;
    }
    return WEIR_COMPAT_REFUSED;
}
