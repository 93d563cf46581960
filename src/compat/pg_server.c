/* pg_catalog's tables about what every server has: schemas, types, roles, databases, … Those that
 * need the session take its names as arguments (rewrite.c gives them). */
#include "compat/enums.h"
#include "compat/face.h"

#define ARRAY_OF_ENUM "100000000" /* and its OID */

static const char type_query[] =
    "WITH t(oid, name, len, category, preferred, arr) AS (VALUES "
    "(16, 'bool', 1, 'B', 1, 1000), (17, 'bytea', -1, 'U', 0, 1001), "
    "(18, 'char', 1, 'Z', 0, 1002), (19, 'name', 64, 'S', 0, 1003), "
    "(20, 'int8', 8, 'N', 0, 1016), (21, 'int2', 2, 'N', 0, 1005), "
    "(22, 'int2vector', -1, 'A', 0, 1006), (23, 'int4', 4, 'N', 0, 1007), "
    "(24, 'regproc', 4, 'N', 0, 1008), (25, 'text', -1, 'S', 1, 1009), "
    "(26, 'oid', 4, 'N', 1, 1028), (30, 'oidvector', -1, 'A', 0, 1013), "
    "(114, 'json', -1, 'U', 0, 199), (194, 'pg_node_tree', -1, 'Z', 0, 0), "
    "(700, 'float4', 4, 'N', 0, 1021), (701, 'float8', 8, 'N', 1, 1022), "
    "(705, 'unknown', -2, 'X', 0, 0), (869, 'inet', -1, 'I', 1, 1041), (1033, 'aclitem', 12, 'U', "
    "0, 1034), "
    "(1042, 'bpchar', -1, 'S', 0, 1014), (1043, 'varchar', -1, 'S', 0, 1015), "
    "(1082, 'date', 4, 'D', 0, 1182), (1083, 'time', 8, 'D', 0, 1183), "
    "(1114, 'timestamp', 8, 'D', 0, 1115), (1184, 'timestamptz', 8, 'D', 1, 1185), "
    "(1186, 'interval', 16, 'T', 1, 1187), (1266, 'timetz', 12, 'D', 0, 1270), "
    "(1700, 'numeric', -1, 'N', 0, 1231), (2205, 'regclass', 4, 'N', 0, 2210), "
    "(2206, 'regtype', 4, 'N', 0, 2211), (2249, 'record', -1, 'P', 0, 2287), "
    "(2278, 'void', 4, 'P', 0, 0), (2950, 'uuid', 16, 'U', 0, 2951), "
    "(3802, 'jsonb', -1, 'U', 0, 3807), (4089, 'regnamespace', 4, 'N', 0, 4090)) "
    "SELECT oid, name, 11, 10, len, len IN (1, 2, 4, 8), iif(category = 'P', 'p', 'b'), category, "
    "preferred, 1, ',', 0, 0, CASE oid WHEN 19 THEN 18 WHEN 22 THEN 21 WHEN 30 THEN 26 ELSE 0 END, "
    "arr, name || 'in', name || 'out', name || 'recv', name || 'send', '-', '-', '-', "
    "CASE len WHEN 1 THEN 'c' WHEN 2 THEN 's' WHEN 8 THEN 'd' ELSE 'i' END, iif(len = -1, 'x', "
    "'p'), 0, 0, -1, 0, iif(oid IN (25, 1042, 1043), 100, 0), NULL, NULL, NULL FROM t "
    "UNION ALL "
    "SELECT arr, '_' || name, 11, 10, -1, 0, iif(category = 'P', 'p', 'b'), iif(category = 'P', "
    "'P', 'A'), 0, 1, ',', 0, 6179, oid, 0, 'array_in', 'array_out', 'array_recv', 'array_send', "
    "'-', '-', 'array_typanalyze', 'i', 'x', 0, 0, -1, 0, iif(oid IN (25, 1042, 1043), 100, 0), "
    "NULL, NULL, NULL FROM t WHERE arr <> 0 "
    "UNION ALL "
    "SELECT oid, name, 2200, 10, 4, 1, 'e', 'E', 0, 1, ',', 0, 0, 0, oid + " ARRAY_OF_ENUM
    ", 'enum_in', 'enum_out', 'enum_recv', 'enum_send', '-', '-', '-', 'i', 'p', 0, 0, -1, 0, 0, "
    "NULL, NULL, NULL FROM weir_enum UNION ALL SELECT oid + " ARRAY_OF_ENUM
    ", '_' || name, 2200, 10, -1, 0, 'b', 'A', 0, 1, ',', 0, 6179, oid, 0, 'array_in', "
    "'array_out', "
    "'array_recv', 'array_send', '-', '-', 'array_typanalyze', 'i', 'x', 0, 0, -1, 0, 0, NULL, "
    "NULL, NULL FROM weir_enum";

static const char enum_query[] =
    "SELECT 3000000000 + (e.oid - " ENUM_FIRST_OID
    ") * 1024 + l.key, e.oid, l.key + 1, l.value FROM weir_enum AS e, json_each(e.labels) AS l";

#define TYPE_COLUMNS                                                                               \
    "oid" T_OID ", typname" T_NAME ", typnamespace" T_OID ", typowner" T_OID ", typlen" T_INT2     \
    ", typbyval" T_BOOL ", typtype" T_CHAR ", typcategory" T_CHAR ", typispreferred" T_BOOL        \
    ", typisdefined" T_BOOL ", typdelim" T_CHAR ", typrelid" T_OID ", typsubscript" T_OID          \
    ", typelem" T_OID ", typarray" T_OID ", typinput" T_TEXT ", typoutput" T_TEXT                  \
    ", typreceive" T_TEXT ", typsend" T_TEXT ", typmodin" T_TEXT ", typmodout" T_TEXT              \
    ", typanalyze" T_TEXT ", typalign" T_CHAR ", typstorage" T_CHAR ", typnotnull" T_BOOL          \
    ", typbasetype" T_OID ", typtypmod" T_INT4 ", typndims" T_INT4 ", typcollation" T_OID          \
    ", typdefaultbin" T_NODE ", typdefault" T_TEXT ", typacl" T_ACLS

/* Those that are no names without quotes, and those that are functions' or types' only. */
static const char keyword_query[] =
    "SELECT value, 'R', 0, 'reserved', 'requires AS' FROM json_each('["
    "\"all\",\"analyse\",\"analyze\",\"and\",\"any\",\"array\",\"as\",\"asc\",\"asymmetric\","
    "\"both\",\"case\",\"cast\",\"check\",\"collate\",\"column\",\"constraint\",\"create\","
    "\"current_catalog\",\"current_date\",\"current_role\",\"current_time\","
    "\"current_timestamp\",\"current_user\",\"default\",\"deferrable\",\"desc\",\"distinct\","
    "\"do\",\"else\",\"end\",\"except\",\"false\",\"fetch\",\"for\",\"foreign\",\"from\","
    "\"grant\",\"group\",\"having\",\"in\",\"initially\",\"intersect\",\"into\",\"lateral\","
    "\"leading\",\"limit\",\"localtime\",\"localtimestamp\",\"not\",\"null\",\"offset\","
    "\"on\",\"only\",\"or\",\"order\",\"placing\",\"primary\",\"references\",\"returning\","
    "\"select\",\"session_user\",\"some\",\"symmetric\",\"table\",\"then\",\"to\","
    "\"trailing\",\"true\",\"union\",\"unique\",\"user\",\"using\",\"variadic\",\"when\","
    "\"where\",\"window\",\"with\""
    "]') UNION ALL SELECT value, 'T', 1, 'reserved (can be function or type name)', 'can be bare "
    "label' FROM json_each('["
    "\"authorization\",\"binary\",\"collation\",\"concurrently\",\"cross\","
    "\"current_schema\",\"freeze\",\"full\",\"ilike\",\"inner\",\"is\",\"isnull\",\"join\","
    "\"left\",\"like\",\"natural\",\"notnull\",\"outer\",\"overlaps\",\"right\",\"similar\","
    "\"tablesample\",\"verbose\""
    "]')";

const weir_face_table weir_face_servers[] = {
    {"pg_namespace", "oid" T_OID ", nspname" T_NAME ", nspowner" T_OID ", nspacl" T_ACLS,
     "VALUES (11, 'pg_catalog', 10, NULL), (2200, 'public', 10, NULL), (13000, "
     "'information_schema', 10, NULL)"},
    {"pg_type", TYPE_COLUMNS, type_query},
    {"pg_enum", "oid" T_OID ", enumtypid" T_OID ", enumsortorder" T_FLOAT4 ", enumlabel" T_NAME,
     enum_query},
    {"pg_get_keywords",
     "word" T_TEXT ", catcode" T_CHAR ", barelabel" T_BOOL ", catdesc" T_TEXT ", baredesc" T_TEXT,
     keyword_query},
    {"pg_am", "oid" T_OID ", amname" T_NAME ", amhandler" T_TEXT ", amtype" T_CHAR,
     "VALUES (2, 'heap', 'heap_tableam_handler', 't'), (403, 'btree', 'bthandler', 'i')"},
    {"pg_collation",
     "oid" T_OID ", collname" T_NAME ", collnamespace" T_OID ", collowner" T_OID
     ", collprovider" T_CHAR ", collisdeterministic" T_BOOL ", collencoding" T_INT4
     ", collcollate" T_TEXT ", collctype" T_TEXT ", colliculocale" T_TEXT ", collversion" T_TEXT,
     "VALUES (100, 'default', 11, 10, 'd', 1, -1, NULL, NULL, NULL, NULL), (950, 'C', 11, 10, 'c', "
     "1, -1, 'C', 'C', NULL, NULL)"},
    {"pg_tablespace",
     "oid" T_OID ", spcname" T_NAME ", spcowner" T_OID ", spcacl" T_ACLS ", spcoptions" T_TEXTS,
     "VALUES (1663, 'pg_default', 10, NULL, NULL)"},
    {"pg_language",
     "oid" T_OID ", lanname" T_NAME ", lanowner" T_OID ", lanispl" T_BOOL ", lanpltrusted" T_BOOL
     ", lanplcallfoid" T_OID ", laninline" T_OID ", lanvalidator" T_OID ", lanacl" T_ACLS
     ", tableoid" T_OID,
     "VALUES (12, 'internal', 10, 0, 0, 0, 0, 0, NULL, 2612), (14, 'sql', 10, 0, 1, 0, 0, 0, NULL, "
     "2612)"},
    {"pg_database",
     "oid" T_OID ", datname" T_NAME ", datdba" T_OID ", encoding" T_INT4 ", datlocprovider" T_CHAR
     ", datistemplate" T_BOOL ", datallowconn" T_BOOL ", datconnlimit" T_INT4 ", datfrozenxid" T_OID
     ", datminmxid" T_OID ", dattablespace" T_OID ", datcollate" T_TEXT ", datctype" T_TEXT
     ", daticulocale" T_TEXT ", datcollversion" T_TEXT ", datacl" T_ACLS
     ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN, weir_databases TEXT HIDDEN",
     "SELECT 16384 + key, value, 10, 6, 'c', 0, 1, -1, 0, 1, 1663, 'C', 'C', NULL, NULL, NULL FROM "
     "json_each(coalesce(?3, json_array(?1))) WHERE value IS NOT NULL"},
    {"pg_roles",
     "oid" T_OID ", rolname" T_NAME ", rolsuper" T_BOOL ", rolinherit" T_BOOL
     ", rolcreaterole" T_BOOL ", rolcreatedb" T_BOOL ", rolcanlogin" T_BOOL
     ", rolreplication" T_BOOL ", rolconnlimit" T_INT4 ", rolpassword" T_TEXT
     ", rolvaliduntil" T_TIMESTAMPTZ ", rolbypassrls" T_BOOL ", rolconfig" T_TEXTS
     ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN",
     "SELECT 10, ?2, 0, 1, 0, 0, 1, 0, -1, NULL, NULL, 0, NULL WHERE ?2 IS NOT NULL"},
    {"pg_user",
     "usename" T_NAME ", usesysid" T_OID ", usecreatedb" T_BOOL ", usesuper" T_BOOL
     ", userepl" T_BOOL ", usebypassrls" T_BOOL ", passwd" T_TEXT ", valuntil" T_TIMESTAMPTZ
     ", useconfig" T_TEXTS ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN",
     "SELECT ?2, 10, 0, 0, 0, 0, NULL, NULL, NULL WHERE ?2 IS NOT NULL"},
    {"pg_tables",
     "schemaname" T_NAME ", tablename" T_NAME ", tableowner" T_NAME ", tablespace" T_NAME
     ", hasindexes" T_BOOL ", hasrules" T_BOOL ", hastriggers" T_BOOL ", rowsecurity" T_BOOL
     ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN",
     "SELECT 'public', relname, ?2, NULL, relhasindex, 0, relhastriggers, 0 FROM pg_class WHERE "
     "relkind = 'r'"},
    {"pg_views",
     "schemaname" T_NAME ", viewname" T_NAME ", viewowner" T_NAME ", definition" T_TEXT
     ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN",
     "SELECT 'public', relname, ?2, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v'"},
    {"pg_indexes",
     "schemaname" T_NAME ", tablename" T_NAME ", indexname" T_NAME ", tablespace" T_NAME
     ", indexdef" T_TEXT,
     "SELECT 'public', i.tbl, i.name, NULL, pg_get_indexdef(i.indexrelid) FROM weir_index AS i"},
    {NULL, NULL, NULL},
};
