/* information_schema over pg_catalog's tables. The catalog's name is the session's database, which
 * comes as an argument (rewrite.c gives it). */
#include "compat/face.h"

#define SESSION ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN"
#define N(name) ", " name T_NAME
#define YES_NO(condition) "iif(" condition ", 'YES', 'NO')"

static const char columns_query[] =
    "SELECT ?1, 'public', c.relname, a.attname, a.attnum, d.adbin, " YES_NO(
        "NOT a.attnotnull") ", CASE WHEN format_type(a.atttypid, NULL) LIKE '%[]' "
                            "THEN 'ARRAY' WHEN t.typtype = 'e' THEN 'USER-DEFINED' ELSE "
                            "format_type(a.atttypid, NULL) END, iif(a.atttypid IN (1042, 1043), "
                            "nullif(a.atttypmod, -1) - 4, NULL), CASE WHEN a.atttypid IN (25, "
                            "1042, 1043) THEN 1073741824 "
                            "END, CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 "
                            "WHEN 700 THEN 24 WHEN "
                            "701 THEN 53 WHEN 1700 THEN iif(a.atttypmod > 0, (a.atttypmod - 4) >> "
                            "16, NULL) END, CASE "
                            "WHEN a.atttypid IN (20, 21, 23, 700, 701) THEN 2 WHEN a.atttypid = "
                            "1700 THEN 10 END, CASE "
                            "WHEN a.atttypid IN (20, 21, 23) THEN 0 WHEN a.atttypid = 1700 AND "
                            "a.atttypmod > 0 THEN "
                            "(a.atttypmod - 4) & 65535 END, CASE WHEN a.atttypid IN (1083, 1114, "
                            "1184) THEN 6 WHEN "
                            "a.atttypid = 1082 THEN 0 END, NULL, NULL, NULL, NULL, NULL, NULL, "
                            "NULL, NULL, NULL, NULL, "
                            "?1, iif(t.typtype = 'e', 'public', 'pg_catalog'), t.typname, NULL, "
                            "NULL, NULL, NULL, a.attnum, "
                            "'NO', " YES_NO(
                                "a.attidentity <> ''") ", CASE a.attidentity WHEN 'a' THEN "
                                                       "'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END, "
                                                       "NULL, NULL, "
                                                       "NULL, NULL, 'NO', iif(a.attgenerated <> "
                                                       "'', 'ALWAYS', 'NEVER'), NULL, " YES_NO(
                                                           "c.relkind = 'r'") " FROM pg_class AS c "
                                                                              "JOIN pg_attribute "
                                                                              "AS a ON a.attrelid "
                                                                              "= c.oid "
                                                                              "JOIN pg_type AS t "
                                                                              "ON t.oid = "
                                                                              "a.atttypid LEFT "
                                                                              "JOIN pg_attrdef AS "
                                                                              "d ON d.adrelid = "
                                                                              "c.oid AND "
                                                                              "d.adnum = a.attnum "
                                                                              "WHERE c.relkind IN "
                                                                              "('r', 'v') AND "
                                                                              "a.attnum > 0";

static const char constraints_query[] =
    "SELECT ?1, 'public', k.conname, ?1, 'public', c.relname, CASE k.contype WHEN 'p' THEN "
    "'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'c' THEN 'CHECK' ELSE 'FOREIGN KEY' END, 'NO', "
    "'NO', 'YES', 'YES' FROM "
    "pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid";

static const char key_columns_query[] =
    "SELECT ?1, 'public', k.conname, ?1, 'public', c.relname, a.attname, n.ordinality, CASE WHEN "
    "k.contype = 'f' THEN n.ordinality END FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = "
    "k.conrelid JOIN unnest(k.conkey) AS n JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND "
    "a.attnum = n.value";

static const char referential_query[] =
    "SELECT ?1, 'public', k.conname, ?1, 'public', (SELECT u.conname FROM pg_constraint AS u "
    "WHERE u.conrelid = k.confrelid AND u.contype IN ('p', 'u') AND u.conkey = k.confkey LIMIT "
    "1), 'NONE', CASE k.confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' "
    "THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END, CASE k.confdeltype WHEN "
    "'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN "
    "'RESTRICT' ELSE 'NO ACTION' END FROM pg_constraint AS k WHERE k.contype = 'f'";

/* Of a foreign key, the columns that it refers to. */
static const char usage_query[] =
    "SELECT ?1, 'public', c.relname, a.attname, ?1, 'public', k.conname FROM pg_constraint AS k "
    "JOIN pg_class AS c ON c.oid = iif(k.contype = 'f', k.confrelid, k.conrelid) JOIN "
    "unnest(iif(k.contype = 'f', k.confkey, k.conkey)) AS n JOIN pg_attribute AS a ON a.attrelid "
    "= c.oid AND a.attnum = n.value";

#define COLUMNS                                                                                    \
    "table_catalog" T_NAME N("table_schema") N("table_name")                                       \
        N("column_name") ", ordinal_position" T_INT4 ", column_default" T_TEXT                     \
                         ", is_nullable" T_YES_NO ", data_type" T_TEXT                             \
                         ", character_maximum_length" T_INT4 ", character_octet_length" T_INT4     \
                         ", numeric_precision" T_INT4 ", numeric_precision_radix" T_INT4           \
                         ", numeric_scale" T_INT4 ", datetime_precision" T_INT4                    \
                         ", interval_type" T_TEXT                                                  \
                         ", interval_precision" T_INT4 N("character_set_catalog")                  \
                             N("character_set_schema") N("character_set_name")                     \
                                 N("collation_catalog") N("collation_schema") N("collation_name")  \
                                     N("domain_catalog") N("domain_schema") N("udt_catalog")       \
                                         N("udt_schema") N("udt_name") N("scope_catalog")          \
                                             N("scope_schema")                                     \
                                                 N("scope_name") ", maximum_cardinality" T_INT4    \
                                                                 ", dtd_identifier" T_NAME         \
                                                                 ", is_self_referencing" T_YES_NO  \
                                                                 ", is_identity" T_YES_NO          \
                                                                 ", identity_generation" T_TEXT    \
                                                                 ", identity_start" T_TEXT         \
                                                                 ", identity_increment" T_TEXT     \
                                                                 ", identity_maximum" T_TEXT       \
                                                                 ", identity_minimum" T_TEXT       \
                                                                 ", identity_cycle" T_YES_NO       \
                                                                 ", is_generated" T_TEXT           \
                                                                 ", generation_expression" T_TEXT  \
                                                                 ", is_updatable" T_YES_NO SESSION

const weir_face_table weir_face_information[] = {
    {"information_schema_schemata",
     "catalog_name" T_NAME N("schema_name") N("schema_owner") N("default_character_set_catalog")
         N("default_character_set_schema")
             N("default_character_set_name") ", sql_path" T_TEXT SESSION,
     "SELECT ?1, nspname, ?2, NULL, NULL, NULL, NULL FROM pg_namespace"},
    {"information_schema_tables",
     "table_catalog" T_NAME N("table_schema") N("table_name") ", table_type" T_TEXT
         N("self_referencing_column_name") ", reference_generation" T_TEXT N(
             "user_defined_type_catalog") N("user_defined_type_schema")
             N("user_defined_type_name") ", is_insertable_into" T_YES_NO ", is_typed" T_YES_NO
                                         ", commit_action" T_TEXT SESSION,
     "SELECT ?1, 'public', relname, iif(relkind = 'r', 'BASE TABLE', 'VIEW'), NULL, NULL, NULL, "
     "NULL, NULL, " YES_NO("relkind = 'r'") ", 'NO', NULL FROM pg_class WHERE relkind IN ('r', "
                                            "'v')"},
    {"information_schema_columns", COLUMNS, columns_query},
    {"information_schema_views",
     "table_catalog" T_NAME N("table_schema")
         N("table_name") ", view_definition" T_TEXT ", check_option" T_TEXT
                         ", is_updatable" T_YES_NO ", is_insertable_into" T_YES_NO SESSION,
     "SELECT ?1, 'public', relname, pg_get_viewdef(oid), 'NONE', 'NO', 'NO' FROM pg_class WHERE "
     "relkind = 'v'"},
    {"information_schema_table_constraints",
     "constraint_catalog" T_NAME N("constraint_schema") N("constraint_name") N("table_catalog")
         N("table_schema") N("table_name") ", constraint_type" T_TEXT ", is_deferrable" T_YES_NO
                                           ", initially_deferred" T_YES_NO ", enforced" T_YES_NO
                                           ", nulls_distinct" T_YES_NO SESSION,
     constraints_query},
    {"information_schema_key_column_usage",
     "constraint_catalog" T_NAME N("constraint_schema") N("constraint_name") N("table_catalog")
         N("table_schema") N("table_name")
             N("column_name") ", ordinal_position" T_INT4
                              ", position_in_unique_constraint" T_INT4 SESSION,
     key_columns_query},
    {"information_schema_referential_constraints",
     "constraint_catalog" T_NAME N("constraint_schema") N("constraint_name")
         N("unique_constraint_catalog") N("unique_constraint_schema")
             N("unique_constraint_name") ", match_option" T_TEXT ", update_rule" T_TEXT
                                         ", delete_rule" T_TEXT SESSION,
     referential_query},
    {"information_schema_constraint_column_usage",
     "table_catalog" T_NAME N("table_schema") N("table_name") N("column_name")
         N("constraint_catalog") N("constraint_schema") N("constraint_name") SESSION,
     usage_query},
    {"information_schema_routines",
     "routine_catalog" T_NAME N("routine_schema") N("routine_name") ", routine_type" T_TEXT SESSION,
     "SELECT NULL, NULL, NULL, NULL WHERE 0"},
    {"information_schema_check_constraints",
     "constraint_catalog" T_NAME N("constraint_schema")
         N("constraint_name") ", check_clause" T_TEXT SESSION,
     "SELECT ?1, 'public', conname, '(' || conbin || ')' FROM pg_constraint WHERE contype = 'c'"},
    {NULL, NULL, NULL},
};
