/* What SQLite tells of its schema, as tables that pg_relations.c joins: sqlite_schema's rows, and
 * what the pragmas say of each relation. A pragma is asked once for each relation, and rows are
 * found by hash (face_image.c), so that reading the catalogue takes a time linear in the schema's
 * size.
 *
 * `number` is a row in sqlite_schema. Names that begin with l are in lower case: SQLite's names are
 * compared without regard to case. CROSS JOIN: in this order. */
#include "compat/face.h"

static const char object_query[] =
    "SELECT rowid, iif(type = 'view' AND weir_enum_oid(sql) IS NOT NULL, 'enum', type), name, "
    "lower(name), tbl_name, sql FROM sqlite_schema WHERE "
    "tbl_name NOT IN ('weir_sequences', 'weir_comments')";

static const char enum_query[] =
    "SELECT weir_enum_oid(sql), name, weir_enum_labels(sql) FROM weir_object WHERE type = 'enum'";

static const char column_query[] =
    "SELECT m.number, m.name, m.lname, m.type = 'table', c.cid + 1, c.name, lower(c.name), "
    "iif(c.pk > 0 AND c.type = 'INTEGER' AND instr(m.sql, 'INTEGER /* int4 */'), 'INTEGER /* int4 "
    "*/', c.type), "
    "c.\"notnull\", c.dflt_value, c.pk, c.hidden FROM weir_object AS m CROSS JOIN "
    "pragma_table_xinfo(m.name) AS c WHERE (m.type = 'table' OR (m.type = 'view' AND "
    "weir_is_whole(m.name))) AND c.hidden <> 1 AND " OURS;

static const char listed_query[] =
    "SELECT m.number, m.name, l.name, l.\"unique\", l.origin, l.partial FROM weir_object AS m "
    "CROSS JOIN pragma_index_list(m.name) AS l WHERE m.type = 'table' AND " OURS;

static const char foreign_query[] =
    "SELECT m.number, m.name, f.id, f.seq, lower(f.\"table\"), f.\"from\", lower(f.\"from\"), "
    "lower(f.\"to\"), f.on_update, f.on_delete FROM weir_object AS m CROSS JOIN "
    "pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND " OURS;

/* Columns whose default is nextval of a sequence. */
static const char drawing_query[] =
    "SELECT relation, tbl, ltbl, attnum, lname, weir_default_sequence(value) FROM weir_column "
    "WHERE "
    "value LIKE '%nextval%' AND is_table AND weir_default_sequence(value) IS NOT NULL";

/* compat/sequence.c says what they are; the first column that draws from one that is a column's
 * has it. */
static const char sequence_query[] =
    "SELECT " FIRST_OID " + v.number, v.name, v.kind, d.relation, d.tbl, d.ltbl, d.attnum, "
    "d.lcolumn FROM (SELECT number, name, weir_sequence_kind(sql) AS kind FROM weir_object WHERE "
    "type = 'view' AND sql LIKE 'CREATE VIEW%/* sequence: %') AS v LEFT JOIN (SELECT sequence, "
    "min(relation * 4096 + attnum), relation, tbl, ltbl, attnum, lcolumn FROM weir_drawing GROUP "
    "BY "
    "sequence) AS d ON d.sequence = v.name AND v.kind <> '-' "
    "UNION ALL SELECT " FIRST_COUNTER_OID " + c.relation, c.tbl || '_' || c.name || '_seq', 'k', "
    "c.relation, c.tbl, c.ltbl, c.attnum, c.lname FROM weir_column AS c WHERE " IS_ROWID;

const weir_face_table weir_face_objects[] = {
    {"weir_object",
     "number" T_INT8 ", type" T_TEXT ", name" T_NAME ", lname" T_NAME ", tbl" T_NAME ", sql" T_TEXT,
     object_query},
    {"weir_column",
     "relation" T_INT8 ", tbl" T_NAME ", ltbl" T_NAME ", is_table" T_BOOL ", attnum" T_INT2
     ", name" T_NAME ", lname" T_NAME ", type" T_TEXT ", not_null" T_BOOL ", value" T_TEXT
     ", pk" T_INT4 ", hidden" T_INT4,
     column_query},
    {"weir_listed",
     "relation" T_INT8 ", tbl" T_NAME ", idx" T_NAME ", uniq" T_BOOL ", origin" T_TEXT
     ", partial" T_BOOL,
     listed_query},
    {"weir_foreign",
     "relation" T_INT8 ", tbl" T_NAME ", id" T_INT4 ", seq" T_INT4 ", lparent" T_NAME
     ", child" T_NAME ", lchild" T_NAME ", lto" T_NAME ", on_update" T_TEXT ", on_delete" T_TEXT,
     foreign_query},
    {"weir_enum", "oid" T_OID ", name" T_NAME ", labels" T_TEXT, enum_query},
    {"weir_drawing",
     "relation" T_INT8 ", tbl" T_NAME ", ltbl" T_NAME ", attnum" T_INT2 ", lcolumn" T_NAME
     ", sequence" T_NAME,
     drawing_query},
    {"weir_sequence",
     "oid" T_OID ", name" T_NAME ", kind" T_CHAR ", relation" T_INT8 ", tbl" T_NAME ", ltbl" T_NAME
     ", attnum" T_INT2 ", lcolumn" T_NAME,
     sequence_query},
    {NULL, NULL, NULL},
};
