/* The questions to a PostgreSQL server that make up its schema, and what its rows say. They run
 * behind those of server_rows.c, in their transaction, under their search_path.
 *
 * Rows begin with a small letter; those of server_rows.c that are read here too have capitals.
 * Columns that older servers lack (row filters) are looked for by to_jsonb. Temporary relations
 * belong to one session and are left out. */
#include "sql/schema_rows.h"
#include "sql/row_values.h"
#include "sql/server.h"

#define IS_TEMP " ~ '^pg_(toast_)?temp_'"

/* The extension that `classid`, `objid` belongs to. */
#define EXTENSION_OF(class, id)                                                                    \
    " LEFT JOIN pg_depend d ON d.classid = '" class "'::regclass AND d.objid = " id                \
                                                    " AND d.deptype = 'e' LEFT JOIN pg_extension " \
                                                    "e ON e.oid = d.refobjid "

static const char query[] =
    ";SELECT 'd', current_database(), session_user, pg_encoding_to_char(encoding),"
    " pg_is_in_recovery() FROM pg_database WHERE datname = current_database();"
    "SELECT 'n', nspname FROM pg_namespace WHERE NOT nspname" IS_TEMP ";"
    /* oid, schema, name, kind, persistence, policies, partition, identity, listed, whole, alters
     * (tgtype: 1 for each row, 2 before, 64 instead) */
    "SELECT 'c', c.oid, n.nspname, relname, relkind, relpersistence, relrowsecurity,"
    " relispartition, relreplident = 'f' OR EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid"
    " AND indisvalid AND indimmediate AND (relreplident = 'd' AND indisprimary"
    " OR relreplident = 'i' AND indisreplident)), u.oid IS NOT NULL,"
    " pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT pubviaroot"
    " AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL,"
    " EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgtype & 66 <> 0) OR EXISTS (SELECT"
    " FROM pg_rewrite WHERE ev_class = c.oid AND ev_type <> '1')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN (pg_publication_rel r"
    " JOIN pg_publication u ON u.oid = prpubid AND pubname = '" WEIR_SCHEMA_PUBLICATION "')"
    " ON prrelid = c.oid"
    " WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't' ORDER BY c.oid;"
    /* relation, number, name, type, deterministic, generated */
    "SELECT 'a', attrelid, attnum, attname, atttypid, coalesce(collisdeterministic, true),"
    " attgenerated <> '' FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
    " LEFT JOIN pg_collation l ON l.oid = attcollation WHERE attnum > 0 AND NOT attisdropped"
    " AND attrelid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c')"
    " AND relpersistence <> 't' ORDER BY attrelid, attnum;"
    "SELECT 'i', inhrelid, inhparent FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
    " WHERE relkind IN ('r', 'p', 'f') AND relpersistence <> 't';"
    /* what is referred to, by what, also when it is updated */
    "SELECT 'k', confrelid, conrelid, bool_or(confupdtype IN ('c', 'n', 'd')) FROM pg_constraint"
    " WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))"
    " GROUP BY confrelid, conrelid;"
    /* oid, schema, name, kind, category, of, extension, checks; but for the rows of tables */
    "SELECT 'y', t.oid, n.nspname, t.typname, t.typtype, t.typcategory, CASE t.typtype"
    " WHEN 'd' THEN t.typbasetype WHEN 'c' THEN t.typrelid WHEN 'r' THEN rngsubtype"
    " ELSE t.typelem END, extname, EXISTS (SELECT FROM pg_constraint WHERE contypid = t.oid)"
    " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_range"
    " ON rngtypid = t.oid LEFT JOIN pg_type y ON y.oid = t.typelem LEFT JOIN pg_class k"
    " ON k.oid = coalesce(nullif(t.typrelid, 0), y.typrelid)" EXTENSION_OF(
        "pg_type",
        "t.oid") "WHERE (k.oid IS NULL OR relkind = 'c') AND NOT n.nspname" IS_TEMP
                 " ORDER BY t.oid;"
                 /* oid, schema, name, volatility, extension, arguments */
                 "SELECT 'p', p.oid, n.nspname, proname, provolatile, extname, CASE WHEN p.oid >= "
                 "16384 THEN"
                 " (SELECT string_agg(o::text, ' ') FROM unnest(proargtypes[0:pronargs - "
                 "pronargdefaults - 1])"
                 " o) END FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace" EXTENSION_OF(
                     "pg_proc", "p.oid") "WHERE NOT n.nspname" IS_TEMP " ORDER BY p.oid;"
                                         "SELECT 'o', oid, oprname, oprleft, oprright, "
                                         "oprcode::oid FROM pg_operator ORDER BY oid;"
                                         "SELECT 'x', castsource, casttarget, castfunc FROM "
                                         "pg_cast WHERE oid >= 16384"
                                         " AND castmethod = 'f';"
                                         "SELECT 'u', pubname FROM pg_publication WHERE pubname = "
                                         "'" WEIR_SCHEMA_PUBLICATION "';"
                                         "SELECT 'e' WHERE 2 = (SELECT count(*) FROM "
                                         "pg_event_trigger WHERE evtenabled = 'A' AND"
                                         " (evtname, evtevent) IN (('" WEIR_SCHEMA_DDL_TRIGGER
                                         "', 'ddl_command_end'),"
                                         " ('" WEIR_SCHEMA_DROP_TRIGGER "', 'sql_drop')));"
                                         "SELECT 'r', oid, rolname, rolsuper, rolbypassrls, "
                                         "rolinherit FROM pg_roles ORDER BY oid;"
                                         "SELECT 'm', member, roleid FROM pg_auth_members;"
                                         /* Words of rules' trees (catalog/schema_view.c): in the
                                          * catalogs' own text a node's kind stands behind a brace,
                                          * a field behind a colon. */
                                         "SELECT 'w', ev_class, ev_type, (SELECT "
                                         "string_agg(DISTINCT coalesce(m[1], CASE"
                                         " WHEN m[2] = 'relid' THEN m[2] WHEN m[2] IN ('funcid', "
                                         "'aggfnoid', 'winfnoid')"
                                         " THEN 'function' WHEN m[2] IN ('opno', 'eqop', 'sortop') "
                                         "THEN 'operator' ELSE 'type' END"
                                         " || '=' || m[3]), ' ') FROM "
                                         "regexp_matches(concat(ev_qual::text, ev_action::text),"
                                         " '\\{([A-Z0-9_]+)|:(relid|funcid|aggfnoid|winfnoid|opno|"
                                         "eqop|sortop|vartype|consttype"
                                         "|funcresulttype|opresulttype|resulttype|aggtype|wintype|"
                                         "array_typeid|coalescetype|casetype"
                                         "|minmaxtype|row_typeid|refrestype) ([0-9]+)', 'g') m)"
                                         " FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class "
                                         "WHERE ev_class >= 16384"
                                         " AND relkind <> 'm' AND relpersistence <> 't'";

weir_slice weir_schema_query(void)
{
    return WEIR_SLICE_LIT(query);
}

/* ---- rows: their columns are said at the questions ---- */

static int database_row(weir_schema_builder *b, const weir_slice *v)
{
    if (weir_row_is_yes(v[4]))
        weir_schema_set_standby(b);
    return weir_schema_set_database(b, v[1], v[2], weir_slice_eq_cstr(v[3], "UTF8"));
}

static int namespace_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_namespace(b, v[1]);
}

static int relation_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_relation(
        b, &(weir_schema_relation_fact){.oid = weir_row_oid(v[1]),
                                        .schema = v[2],
                                        .name = v[3],
                                        .kind = weir_row_letter(v[4]),
                                        .persistence = weir_row_letter(v[5]),
                                        .policies = weir_row_is_yes(v[6]),
                                        .partition = weir_row_is_yes(v[7]),
                                        .identity = weir_row_is_yes(v[8]),
                                        .published = weir_row_is_yes(v[9]),
                                        .whole = weir_row_is_yes(v[10]),
                                        .alters = weir_row_is_yes(v[11])});
}

static int column_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_column(b,
                                  &(weir_schema_column_fact){.relation = weir_row_oid(v[1]),
                                                             .number = weir_row_oid(v[2]),
                                                             .name = v[3],
                                                             .type = weir_row_oid(v[4]),
                                                             .deterministic = weir_row_is_yes(v[5]),
                                                             .generated = weir_row_is_yes(v[6])});
}

static int child_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_child(b, weir_row_oid(v[1]), weir_row_oid(v[2]));
}

static int cascade_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_cascade(b, weir_row_oid(v[1]), weir_row_oid(v[2]),
                                   weir_row_is_yes(v[3]));
}

static int type_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_type(b, &(weir_schema_type_fact){.oid = weir_row_oid(v[1]),
                                                            .schema = v[2],
                                                            .name = v[3],
                                                            .kind = weir_row_letter(v[4]),
                                                            .category = weir_row_letter(v[5]),
                                                            .of = weir_row_oid(v[6]),
                                                            .extension = v[7],
                                                            .checks = weir_row_is_yes(v[8])});
}

static int function_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_function(
        b, &(weir_schema_function_fact){.oid = weir_row_oid(v[1]),
                                        .schema = v[2],
                                        .name = v[3],
                                        .volatility = weir_row_letter(v[4]),
                                        .extension = v[5],
                                        .arguments = v[6]});
}

static int operator_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_operator(b,
                                    &(weir_schema_operator_fact){.oid = weir_row_oid(v[1]),
                                                                 .name = v[2],
                                                                 .left = weir_row_oid(v[3]),
                                                                 .right = weir_row_oid(v[4]),
                                                                 .function = weir_row_oid(v[5])});
}

static int cast_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_cast(b, weir_row_oid(v[1]), weir_row_oid(v[2]), weir_row_oid(v[3]));
}

static int publication_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_set_publication(b, v[1]);
}

static int event_trigger_row(weir_schema_builder *b, const weir_slice *v)
{
    (void)v;
    weir_schema_set_event_trigger(b);
    return 0;
}

static int role_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_role(b,
                                &(weir_schema_role_fact){.oid = weir_row_oid(v[1]),
                                                         .name = v[2],
                                                         .superuser = weir_row_is_yes(v[3]),
                                                         .bypasses_policies = weir_row_is_yes(v[4]),
                                                         .inherits = weir_row_is_yes(v[5])});
}

static int member_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_member(b, weir_row_oid(v[1]), weir_row_oid(v[2]));
}

static int rule_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_rule(b, weir_row_oid(v[1]), weir_row_letter(v[2]), v[3]);
}

/* ---- rows of server_rows.c ---- */

static int default_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_default(
        b, &(weir_server_default){.database = v[1], .role = v[2], .setting = v[3]});
}

static int setting_row(weir_schema_builder *b, const weir_slice *v)
{
    return weir_schema_add_setting(b, v[1], v[5]);
}

static int fingerprint_row(weir_schema_builder *b, const weir_slice *v)
{
    weir_fingerprints f;
    if (weir_server_fingerprints(v, WEIR_FINGERPRINT_COLUMNS, &f))
        weir_schema_set_fingerprint(b, f.schema, f.defaults);
    return 0;
}

int weir_schema_row(weir_schema_builder *builder, const weir_slice *values, unsigned count)
{
    static const struct {
        char letter;
        unsigned count;
        int (*read)(weir_schema_builder *b, const weir_slice *v);
    } rows[] = {{'a', 7, column_row},   {'c', 12, relation_row},
                {'d', 5, database_row}, {'e', 1, event_trigger_row},
                {'i', 3, child_row},    {'k', 4, cascade_row},
                {'m', 3, member_row},   {'n', 2, namespace_row},
                {'o', 6, operator_row}, {'p', 7, function_row},
                {'r', 6, role_row},     {'u', 2, publication_row},
                {'w', 4, rule_row},     {'x', 4, cast_row},
                {'y', 9, type_row},     {'D', 4, default_row},
                {'S', 6, setting_row},  {'P', WEIR_FINGERPRINT_COLUMNS, fingerprint_row}};
    for (size_t i = 0; count > 0 && values[0].len == 1 && i < sizeof(rows) / sizeof(*rows); i++)
        if (values[0].data[0] == (uint8_t)rows[i].letter && count == rows[i].count)
            return rows[i].read(builder, values);
    return 0;
}
