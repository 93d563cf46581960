/* pg_description and what asks for comments: COMMENT ON's (comment.c), which are read anew. */
#include "compat/face.h"

#define WHERE_ANY WEIR_FACE_WHERE "weir_comments */ "

static const char description_query[] = WHERE_ANY
    "SELECT c.oid, 1259, 0, w.words FROM weir_comments AS w CROSS JOIN pg_class AS c WHERE w.kind "
    "= "
    "'relation' AND c.relname = w.name UNION ALL SELECT c.oid, 1259, a.attnum, w.words FROM "
    "weir_comments AS w CROSS JOIN pg_class AS c CROSS JOIN pg_attribute AS a WHERE w.kind = "
    "'column' AND c.relname = w.tbl AND a.attrelid = c.oid AND a.attname = w.name AND a.attnum > 0 "
    "UNION ALL SELECT k.oid, 2606, 0, w.words FROM weir_comments AS w CROSS JOIN pg_class AS c "
    "CROSS JOIN pg_constraint AS k WHERE w.kind = 'constraint' AND c.relname = w.tbl AND "
    "k.conrelid "
    "= c.oid AND k.conname = w.name UNION ALL SELECT t.oid, 2620, 0, w.words FROM weir_comments AS "
    "w CROSS JOIN pg_trigger AS t WHERE w.kind = 'trigger' AND t.tgname = w.name UNION ALL SELECT "
    "t.oid, 1247, 0, w.words FROM weir_comments AS w CROSS JOIN pg_type AS t WHERE w.kind = 'type' "
    "AND t.typname = w.name UNION ALL SELECT n.oid, 2615, 0, w.words FROM weir_comments AS w CROSS "
    "JOIN pg_namespace AS n WHERE w.kind = 'schema' AND n.nspname = w.name";

const weir_face_table weir_face_comments[] = {
    {"pg_description", "objoid" T_OID ", classoid" T_OID ", objsubid" T_INT4 ", description" T_TEXT,
     description_query},
    {NULL, NULL, NULL},
};

#define RELATION                                                                                   \
    "(SELECT w.words FROM pg_class AS c CROSS JOIN weir_comments AS w WHERE c.oid = CAST(?1 AS "   \
    "INTEGER) AND w.kind = 'relation' AND w.tbl = '' AND w.name = c.relname)"

static const char of_column[] =
    WHERE_ANY "SELECT w.words FROM pg_class AS c CROSS JOIN pg_attribute AS a CROSS JOIN "
              "weir_comments AS w WHERE c.oid = CAST(?1 AS INTEGER) AND a.attrelid = c.oid AND "
              "a.attnum = ?2 AND a.attnum > 0 AND w.kind = 'column' AND w.tbl = c.relname AND "
              "w.name = a.attname";

const weir_face_function weir_face_descriptions[] = {
    {.name = "obj_description",
     .args = 1,
     .query = WHERE_ANY "SELECT description FROM pg_description WHERE objoid = CAST(?1 AS INTEGER) "
                        "AND objsubid = 0"},
    {.name = "obj_description",
     .args = 2,
     .query = WHERE_ANY "SELECT iif(?2 = 'pg_class', " RELATION
                        ", (SELECT description FROM pg_description WHERE objoid = CAST(?1 AS "
                        "INTEGER) AND classoid = weir_catalog_oid(?2) AND objsubid = 0))"},
    {.name = "col_description", .args = 2, .query = of_column},
    {.name = NULL},
};
