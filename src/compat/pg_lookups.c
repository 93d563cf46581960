/* PostgreSQL's functions that look into the catalogue, as queries over the tables of
 * pg_relations.c. An object that is not there gives NULL, as there. */
#include "compat/enums.h"
#include "compat/face.h"

/* "public.t", "t" or quoted: the relation's name. */
#define NAMED "weir_relation_name(?1)"

static const char find_relation[] =
    "SELECT CASE WHEN typeof(?1) = 'integer' OR ?1 GLOB '[0-9]*' THEN CAST(?1 AS INTEGER) ELSE "
    "coalesce((SELECT oid FROM pg_class WHERE relname = " NAMED "), (SELECT oid FROM pg_class "
    "WHERE lower(relname) = lower(" NAMED ")), weir_catalog_oid(" NAMED ")) END";

static const char index_definition[] =
    "SELECT 'CREATE ' || iif(i.uniq, 'UNIQUE ', '') || 'INDEX ' || quote_ident(i.name) || ' ON "
    "public.' || quote_ident(i.tbl) || ' USING btree (' || (SELECT group_concat(d, ', ') FROM "
    "(SELECT coalesce(quote_ident(c.name), c.expression) || iif(c.is_desc, ' DESC', '') AS d "
    "FROM weir_index_column AS c WHERE c.indexrelid = i.indexrelid ORDER BY c.ord)) || ')' || "
    "iif(i.partial, ' WHERE ' || weir_predicate(i.sql), '') FROM weir_index AS i WHERE "
    "i.indexrelid = CAST(?1 AS INTEGER)";

static const char index_column[] =
    "SELECT coalesce(quote_ident(c.name), c.expression) FROM weir_index_column AS c WHERE "
    "c.indexrelid = CAST(?1 AS INTEGER) AND c.ord = ?2";

#define ACTION(of)                                                                                 \
    "CASE " of " WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN "                  \
    "'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' END"
#define COLUMNS(relation, keys)                                                                    \
    "(SELECT group_concat(quote_ident(n), ', ') FROM (SELECT a.attname AS n FROM unnest(" keys     \
    ") AS u JOIN pg_attribute AS a ON a.attrelid = " relation " AND a.attnum = u.value))"

#define KEYS COLUMNS("k.conrelid", "k.conkey")
#define OTHER_KEYS COLUMNS("k.confrelid", "k.confkey")
#define OTHER "(SELECT quote_ident(relname) FROM pg_class WHERE oid = k.confrelid)"
#define ON_UPDATE "coalesce(' ON UPDATE ' || " ACTION("k.confupdtype") ", '')"
#define ON_DELETE "coalesce(' ON DELETE ' || " ACTION("k.confdeltype") ", '')"

static const char constraint_definition[] =
    "SELECT CASE k.contype WHEN 'c' THEN 'CHECK ((' || k.conbin || '))' WHEN 'p' THEN 'PRIMARY KEY "
    "(' || " KEYS " || ')' WHEN 'u' THEN 'UNIQUE (' || " KEYS
    " || ')' ELSE 'FOREIGN KEY (' || " KEYS " || ') REFERENCES ' || coalesce(" OTHER
    ", '?') || '(' || coalesce(" OTHER_KEYS ", '') || ')' || " ON_UPDATE " || " ON_DELETE
    " END FROM pg_constraint AS k WHERE k.oid = CAST(?1 AS INTEGER)";

/* A view's text behind its AS. */
static const char view_definition[] =
    "SELECT weir_view_body(m.sql) FROM sqlite_schema AS m WHERE m.type = 'view' AND " FIRST_OID
    " + m.rowid = weir_regclass(?1)";

static const char trigger_definition[] =
    "SELECT replace(m.sql, char(10), ' ') FROM sqlite_schema AS m WHERE m.type = 'trigger' "
    "AND " FIRST_OID " + m.rowid = CAST(?1 AS INTEGER)";

static const char is_relation[] =
    "SELECT EXISTS (SELECT 1 FROM pg_class WHERE oid = CAST(?1 AS INTEGER))";

static const char serial_sequence[] =
    "SELECT CASE WHEN ?1 IS NULL OR ?2 IS NULL THEN NULL WHEN weir_regclass(?1) IS NULL THEN "
    "weir_fail('42P01', 'relation \"' || ?1 || '\" does not exist') WHEN NOT EXISTS (SELECT 1 FROM "
    "pg_attribute WHERE attrelid = weir_regclass(?1) AND attname = ?2 AND attnum > 0) THEN "
    "weir_fail('42703', 'column \"' || ?2 || '\" of this relation does not exist') ELSE (SELECT "
    "'public.' || quote_ident(s.name) FROM weir_sequence AS s CROSS JOIN pg_attribute AS a "
    "WHERE " FIRST_OID
    " + s.relation = weir_regclass(?1) AND a.attrelid = weir_regclass(?1) AND a.attname "
    "= ?2 AND a.attnum = s.attnum) END";

#define TYPE_NAMED "coalesce(weir_type_oid(?1), (SELECT oid FROM weir_enum WHERE name = " NAMED "))"

static const char type_shown[] =
    "SELECT CASE WHEN CAST(?1 AS INTEGER) > " ENUM_FIRST_OID
    " THEN coalesce((SELECT quote_ident(name) FROM weir_enum WHERE oid = ?1), (SELECT "
    "quote_ident(name) || '[]' FROM weir_enum WHERE oid + 100000000 = ?1), '-') ELSE "
    "weir_format_type(?1, ?2) END";

static const char sequence_last[] =
    "SELECT last FROM weir_sequence_state WHERE oid = weir_regclass(?1)";

static const char nothing[] = "SELECT NULL";
static const char yes[] = "SELECT 1";

const weir_face_function weir_face_lookups[] = {
    {.name = "weir_regclass", .args = 1, .query = find_relation},
    {.name = "to_regclass", .args = 1, .query = find_relation},
    {.name = "weir_regclass_name",
     .args = 1,
     .query = "SELECT coalesce((SELECT quote_ident(relname) FROM pg_class WHERE oid = CAST(?1 AS "
              "INTEGER)), ?1)"},
    {.name = "weir_regtype_name", .args = 1, .query = "SELECT format_type(weir_regtype(?1), NULL)"},
    {.name = "weir_regtype",
     .args = 1,
     .query = "SELECT CASE WHEN ?1 GLOB '[0-9]*' THEN CAST(?1 AS INTEGER) ELSE " TYPE_NAMED " END"},
    {.name = "to_regtype", .args = 1, .query = "SELECT " TYPE_NAMED},
    {.name = "format_type", .args = 2, .query = type_shown},
    {.name = "weir_regnamespace",
     .args = 1,
     .query = "SELECT CASE WHEN ?1 GLOB '[0-9]*' THEN CAST(?1 AS INTEGER) ELSE (SELECT oid FROM "
              "pg_namespace WHERE nspname = ?1) END"},
    {.name = "weir_regnamespace_name",
     .args = 1,
     .query = "SELECT nspname FROM pg_namespace WHERE oid = CAST(?1 AS INTEGER)"},
    {.name = "pg_get_indexdef", .args = 1, .query = index_definition},
    {.name = "pg_get_indexdef",
     .args = 3,
     .query = "SELECT iif(?2 = 0, pg_get_indexdef(?1), weir_index_column_definition(?1, ?2))"},
    {.name = "weir_index_column_definition", .args = 2, .query = index_column},
    {.name = "pg_get_constraintdef", .args = 1, .query = constraint_definition},
    {.name = "pg_get_constraintdef", .args = 2, .query = constraint_definition},
    {.name = "pg_get_viewdef", .args = 1, .query = view_definition},
    {.name = "pg_get_viewdef", .args = 2, .query = view_definition},
    {.name = "pg_get_triggerdef", .args = 1, .query = trigger_definition},
    {.name = "pg_get_triggerdef", .args = 2, .query = trigger_definition},
    {.name = "pg_get_ruledef", .args = 1, .query = nothing},
    {.name = "pg_get_ruledef", .args = 2, .query = nothing},
    {.name = "pg_get_expr", .args = 2, .query = "SELECT ?1"},
    {.name = "pg_get_expr", .args = 3, .query = "SELECT ?1"},
    {.name = "pg_get_serial_sequence", .args = 2, .query = serial_sequence},
    {.name = "pg_sequence_last_value", .args = 1, .query = sequence_last},
    {.name = "pg_get_partkeydef", .args = 1, .query = nothing},
    {.name = "pg_get_statisticsobjdef_columns", .args = 1, .query = nothing},
    {.name = "pg_get_function_arguments", .args = 1, .query = nothing},
    {.name = "pg_char_to_encoding",
     .args = 1,
     .query = "SELECT iif(lower(?1) IN ('utf8', 'utf-8', 'unicode'), 6, -1)"},
    {.name = "pg_get_functiondef", .args = 1, .query = nothing},
    {.name = "pg_get_function_sqlbody", .args = 1, .query = nothing},
    {.name = "pg_collation_is_visible", .args = 1, .query = yes},
    {.name = "pg_conversion_is_visible", .args = 1, .query = yes},
    {.name = "pg_operator_is_visible", .args = 1, .query = yes},
    {.name = "pg_opfamily_is_visible", .args = 1, .query = yes},
    {.name = "pg_statistics_obj_is_visible", .args = 1, .query = yes},
    {.name = "pg_ts_config_is_visible", .args = 1, .query = yes},
    {.name = "pg_ts_dict_is_visible", .args = 1, .query = yes},
    {.name = "pg_ts_parser_is_visible", .args = 1, .query = yes},
    {.name = "pg_ts_template_is_visible", .args = 1, .query = yes},
    {.name = "pg_get_function_result", .args = 1, .query = nothing},
    {.name = "pg_get_function_identity_arguments", .args = 1, .query = nothing},
    {.name = "pg_table_is_visible", .args = 1, .query = is_relation},
    {.name = "pg_type_is_visible", .args = 1, .query = yes},
    {.name = "pg_function_is_visible", .args = 1, .query = yes},
    {.name = "pg_opclass_is_visible", .args = 1, .query = yes},
    {.name = "pg_relation_is_publishable", .args = 1, .query = "SELECT 0"},
    {.name = "shobj_description", .args = 2, .query = nothing},
    {.name = "pg_tablespace_location", .args = 1, .query = nothing},
    {.name = "pg_total_relation_size", .args = 1, .query = nothing},
    {.name = "pg_relation_size", .args = 1, .query = nothing},
    {.name = "pg_table_size", .args = 1, .query = nothing},
    {.name = "pg_indexes_size", .args = 1, .query = nothing},
    {.name = "pg_database_size",
     .args = 1,
     .query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"},
    {.name = "has_table_privilege", .args = 2, .query = yes},
    {.name = "has_table_privilege", .args = 3, .query = yes},
    {.name = "has_column_privilege", .args = 3, .query = yes},
    {.name = "has_column_privilege", .args = 4, .query = yes},
    {.name = "has_schema_privilege", .args = 2, .query = yes},
    {.name = "has_schema_privilege", .args = 3, .query = yes},
    {.name = "has_database_privilege", .args = 2, .query = yes},
    {.name = "has_database_privilege", .args = 3, .query = yes},
    {.name = "pg_has_role", .args = 2, .query = yes},
    {.name = "pg_has_role", .args = 3, .query = yes},
    {.name = "array_remove",
     .args = 2,
     .query = "SELECT iif(?1 IS NULL, NULL, coalesce((SELECT array_agg(value) FROM unnest(?1) "
              "WHERE value IS NOT ?2), '{}'))"},
    {.name = "weir_trim", .args = 2, .query = "SELECT trim(?2, ?1)"},
    {.name = "weir_ltrim", .args = 2, .query = "SELECT ltrim(?2, ?1)"},
    {.name = "weir_rtrim", .args = 2, .query = "SELECT rtrim(?2, ?1)"},
    {.name = "weir_position", .args = 2, .query = "SELECT instr(?2, ?1)"},
    {.name = "pg_is_in_recovery", .args = 0, .query = "SELECT 0"},
    {.name = "pg_is_other_temp_schema", .args = 1, .query = "SELECT 0"},
    {.name = "pg_my_temp_schema", .args = 0, .query = "SELECT 0"},
    {.name = NULL},
};
