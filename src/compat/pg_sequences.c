/* The catalogue's tables about sequences (sequence.c), and whose they are. Their numbers change
 * without the schema, so these rows are read anew each time. */
#include "compat/face.h"

/* Is in every file: the rows are not kept. */
#define ANEW WEIR_FACE_WHERE "sqlite_schema */ "
#define SESSION ", weir_database TEXT HIDDEN, weir_user TEXT HIDDEN"
#define N(name) ", " name T_NAME

static const char counters_query[] =
    WEIR_FACE_WHERE "weir_sequences */ SELECT name, value, called, start, increment, least, most, "
                    "cycles FROM weir_sequences";

/* The type bounds it, and is not kept otherwise. A key's is its column's. */
#define KEY_TYPE                                                                                   \
    "(SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = " FIRST_OID " + s.relation AND " \
    "a.attnum = s.attnum)"
static const char states_query[] =
    ANEW "SELECT s.oid, s.name, s.kind, iif(s.kind = 'k', " KEY_TYPE
         ", CASE c.most WHEN 32767 THEN 21 WHEN 2147483647 THEN 23 ELSE 20 END), coalesce(c.start, "
         "1), coalesce(c.increment, 1), coalesce(c.most, iif(" KEY_TYPE
         " = 23, 2147483647, 9223372036854775807)), coalesce(c.least, 1), coalesce(c.cycles, 0), "
         "CASE WHEN s.kind = 'k' THEN weir_largest_key(s.tbl) WHEN c.called THEN c.value END FROM "
         "weir_sequence AS s LEFT JOIN weir_counter AS c ON c.name = s.name WHERE s.kind = 'k' OR "
         "c.name IS NOT NULL";

/* A column's sequence goes with it, and its default needs it. */
static const char depend_query[] =
    "SELECT 1259, s.oid, 0, 1259, " FIRST_OID
    " + s.relation, s.attnum, iif(s.kind = 's', 'a', 'i') FROM weir_sequence AS s WHERE s.relation "
    "IS NOT NULL UNION ALL SELECT 2604, d.oid, 0, 1259, s.oid, 0, 'n' FROM weir_drawing AS w CROSS "
    "JOIN weir_sequence AS s CROSS JOIN pg_attrdef AS d WHERE s.name = w.sequence AND d.adrelid "
    "= " FIRST_OID " + w.relation AND d.adnum = w.attnum";

const weir_face_table weir_face_counters[] = {
    {"weir_counter",
     "name" T_NAME ", value" T_INT8 ", called" T_BOOL ", start" T_INT8 ", increment" T_INT8
     ", least" T_INT8 ", most" T_INT8 ", cycles" T_BOOL,
     counters_query},
    {"weir_sequence_state",
     "oid" T_OID ", name" T_NAME ", kind" T_CHAR ", type" T_OID ", start" T_INT8
     ", increment" T_INT8 ", most" T_INT8 ", least" T_INT8 ", cycles" T_BOOL ", last" T_INT8,
     states_query},
    {"pg_sequence",
     "seqrelid" T_OID ", seqtypid" T_OID ", seqstart" T_INT8 ", seqincrement" T_INT8
     ", seqmax" T_INT8 ", seqmin" T_INT8 ", seqcache" T_INT8 ", seqcycle" T_BOOL,
     ANEW "SELECT oid, type, start, increment, most, least, 1, cycles FROM weir_sequence_state"},
    {"pg_sequences",
     "schemaname" T_NAME ", sequencename" T_NAME ", sequenceowner" T_NAME ", data_type" T_TEXT
     ", start_value" T_INT8 ", min_value" T_INT8 ", max_value" T_INT8 ", increment_by" T_INT8
     ", cycle" T_BOOL ", cache_size" T_INT8 ", last_value" T_INT8 SESSION,
     ANEW "SELECT 'public', name, ?2, format_type(type, NULL), start, least, most, increment, "
          "cycles, 1, last FROM weir_sequence_state"},
    {"information_schema_sequences",
     "sequence_catalog" T_NAME N("sequence_schema")
         N("sequence_name") ", data_type" T_TEXT ", numeric_precision" T_INT4
                            ", numeric_precision_radix" T_INT4 ", numeric_scale" T_INT4
                            ", start_value" T_TEXT ", minimum_value" T_TEXT ", maximum_value" T_TEXT
                            ", increment" T_TEXT ", cycle_option" T_YES_NO SESSION,
     ANEW "SELECT ?1, 'public', name, format_type(type, NULL), CASE type WHEN 21 THEN 16 WHEN 23 "
          "THEN 32 ELSE 64 END, 2, 0, start, least, most, increment, iif(cycles, 'YES', 'NO') "
          "FROM weir_sequence_state WHERE kind IN ('-', 's')"},
    {"pg_depend",
     "classid" T_OID ", objid" T_OID ", objsubid" T_INT4 ", refclassid" T_OID ", refobjid" T_OID
     ", refobjsubid" T_INT4 ", deptype" T_CHAR,
     depend_query},
    {NULL, NULL, NULL},
};
