/* pg_catalog's tables about relations, columns, indexes and constraints, as queries over
 * pg_objects.c's. weir_index and weir_index_column are steps on the way.
 *
 * What SQLite does not tell is not there: the names of constraints, CHECK constraints, whether a
 * foreign key is deferrable. */
#include "compat/face.h"

/* An index that SQLite made for a constraint has the name that PostgreSQL would have given it. An
 * INTEGER PRIMARY KEY, and the key of a table WITHOUT ROWID, is an index here. */
#define INDEX_COLUMNS(separator, name)                                                             \
    "(SELECT group_concat(" name ", " separator ") FROM pragma_index_info(l.idx) AS x)"
#define KEY_COLUMNS                                                                                \
    "(SELECT group_concat(name, char(31)) FROM (SELECT c.name FROM weir_column AS c WHERE "        \
    "c.relation = m.number AND c.pk > 0 ORDER BY c.pk))"

static const char index_query[] =
    "SELECT " FIRST_OID " + i.number, " FIRST_OID
    " + m.number, m.name, l.idx, CASE WHEN i.sql IS NOT NULL THEN l.idx ELSE "
    "coalesce(weir_constraint_name(m.sql, l.origin, " INDEX_COLUMNS(
        "char(31)",
        "x.name") "), CASE "
                  "WHEN l.origin = 'pk' THEN m.name || '_pkey' ELSE m.name || '_' "
                  "|| " INDEX_COLUMNS(
                      "'_'",
                      "coalesce(x.name, 'expr')") " || '_key' END) END, l.uniq, l.origin, "
                                                  "l.partial, "
                                                  "i.sql FROM weir_listed AS l CROSS JOIN "
                                                  "weir_object AS i CROSS JOIN weir_object AS m "
                                                  "WHERE "
                                                  "i.name = l.idx AND i.type = 'index' AND "
                                                  "m.number = l.relation "
                                                  "UNION ALL "
                                                  "SELECT " FIRST_KEY_OID " + m.number, " FIRST_OID
                                                  " + m.number, m.name, NULL, "
                                                  "coalesce(weir_constraint_name(m.sql, "
                                                  "'pk', " KEY_COLUMNS
                                                  "), m.name || '_pkey'), 1, 'pk', 0, "
                                                  "NULL FROM weir_object AS m WHERE m.type = "
                                                  "'table' AND " OURS
                                                  " AND EXISTS (SELECT 1 FROM weir_column AS c "
                                                  "WHERE c.relation = m.number AND c.pk > 0) AND "
                                                  "NOT "
                                                  "EXISTS (SELECT 1 FROM weir_listed AS l CROSS "
                                                  "JOIN weir_object AS i WHERE l.relation = "
                                                  "m.number AND l.origin = 'pk' AND i.name = "
                                                  "l.idx)";

static const char index_column_query[] =
    "SELECT i.indexrelid, i.indrelid, x.seqno + 1, x.cid + 1, x.name, x.\"desc\", i.tbl, "
    "CASE WHEN x.name IS NULL THEN weir_index_item(i.sql, x.seqno) END FROM "
    "weir_index AS i CROSS JOIN pragma_index_xinfo(i.idx) AS x WHERE x.key = 1 AND i.idx IS NOT "
    "NULL "
    "UNION ALL "
    "SELECT i.indexrelid, i.indrelid, c.pk, c.attnum, c.name, 0, i.tbl, NULL FROM weir_index AS i "
    "CROSS "
    "JOIN weir_column AS c WHERE c.tbl = i.tbl AND i.idx IS NULL AND c.pk > 0";

/* Of its own, or for a foreign key at either end, as PostgreSQL does it. */
#define HAS_TRIGGERS                                                                               \
    "(m.name IN (SELECT t.tbl FROM weir_object AS t WHERE t.type = 'trigger') OR EXISTS (SELECT "  \
    "1 FROM weir_foreign AS f WHERE f.relation = m.number) OR m.lname IN (SELECT f.lparent FROM "  \
    "weir_foreign AS f))"
#define HAS_INDEX                                                                                  \
    "(EXISTS (SELECT 1 FROM weir_listed AS l WHERE l.relation = m.number) OR EXISTS (SELECT 1 "    \
    "FROM weir_column AS c WHERE c.relation = m.number AND c.pk > 0))"

/* A view that stands for a sequence (sequence.c). */
#define IS_SEQUENCE "(m.type = 'view' AND weir_sequence_kind(m.sql) IS NOT NULL)"

static const char class_query[] =
    "SELECT " FIRST_OID " + m.number AS oid, m.name AS relname, 2200, 0, 0, 10, CASE m.type WHEN "
    "'table' THEN 2 ELSE 0 END, " FIRST_OID
    " + m.number, 0, 0, -1, 0, 0, m.type = 'table' AND " HAS_INDEX
    ", 0, 'p', CASE m.type WHEN 'table' THEN 'r' ELSE iif(" IS_SEQUENCE
    ", 'S', 'v') END, (SELECT count(*) FROM weir_column "
    "AS c WHERE c.relation = m.number), weir_check_count(m.sql), m.type = 'view' AND "
    "NOT " IS_SEQUENCE ", " HAS_TRIGGERS
    ", 0, 0, 0, 1, CASE m.type WHEN 'table' THEN 'd' ELSE 'n' END, 0, 0, 0, 1, NULL, NULL, NULL "
    "FROM weir_object AS m WHERE m.type IN ('table', 'view') AND " OURS " UNION ALL "
    "SELECT s.oid, s.name, 2200, 0, 0, 10, 0, s.oid, 0, 1, 1, 0, 0, 0, 0, 'p', 'S', 3, 0, 0, 0, 0, "
    "0, 0, 1, 'n', 0, 0, 0, 0, NULL, NULL, NULL FROM weir_sequence AS s WHERE s.kind = 'k' UNION "
    "ALL SELECT i.indexrelid, i.name, 2200, 0, 0, 10, 403, i.indexrelid, 0, 0, -1, 0, 0, 0, 0, "
    "'p', "
    "'i', (SELECT count(*) FROM weir_index_column AS c WHERE c.indexrelid = i.indexrelid), 0, 0, "
    "0, 0, 0, 0, 1, 'n', 0, 0, 0, 0, NULL, NULL, NULL FROM weir_index AS i";

/* By the sequence that is the column's: 'a', 'd', or ''. */
#define IDENTITY                                                                                   \
    "coalesce((SELECT iif(s.kind = 'a', 'a', 'd') FROM weir_sequence AS s WHERE s.relation = "     \
    "c.relation AND s.attnum = c.attnum AND s.kind IN ('a', 'd', 'k')), '')"

static const char attribute_query[] =
    "SELECT " FIRST_OID " + c.relation, c.name, weir_column_type(c.type), -1, "
    "weir_type_size(weir_column_type(c.type)), c.attnum, 0, -1, weir_column_modifier(c.type), "
    "weir_type_size(weir_column_type(c.type)) > 0, 'i', CASE WHEN "
    "weir_type_size(weir_column_type(c.type)) > 0 THEN 'p' ELSE 'x' END, '', c.not_null OR "
    "(c.pk > 0 AND c.is_table), (c.value IS NOT NULL AND " IDENTITY
    " = '') OR c.hidden IN (2, 3), 0, " IDENTITY
    ", CASE WHEN c.hidden IN (2, 3) THEN 's' ELSE '' END, 0, 1, 0, CASE WHEN "
    "weir_column_type(c.type) IN (25, 1043, 1042) THEN 100 ELSE 0 END, NULL, NULL, NULL, NULL "
    "FROM weir_column AS c UNION ALL "
    "SELECT x.indexrelid, coalesce(x.name, 'expr'), t.oid, -1, weir_type_size(t.oid), x.ord, 0, "
    "-1, -1, weir_type_size(t.oid) > 0, 'i', CASE WHEN weir_type_size(t.oid) > 0 THEN 'p' ELSE 'x' "
    "END, '', 0, 0, 0, '', '', 0, 1, 0, CASE WHEN t.oid IN (25, 1043, 1042) THEN 100 ELSE 0 END, "
    "NULL, NULL, NULL, NULL FROM (SELECT c.*, coalesce((SELECT weir_column_type(k.type) FROM "
    "weir_column AS k WHERE k.tbl = c.tbl AND k.name = c.name), 25) AS toid FROM weir_index_column "
    "AS c) AS x CROSS JOIN pg_type AS t WHERE t.oid = x.toid";

static const char attrdef_query[] =
    "SELECT " FIRST_DEFAULT_OID " + 2048 * c.relation + c.attnum - 1, " FIRST_OID " + c.relation, "
    "c.attnum, weir_default_text(c.value) FROM weir_column AS c WHERE c.is_table AND ((c.value IS "
    "NOT NULL AND " IDENTITY " = '') OR c.hidden IN (2, 3))";

#define KEYS_OF_INDEX(separator, value)                                                            \
    "(SELECT group_concat(v, '" separator "') FROM (SELECT " value                                 \
    " AS v FROM weir_index_column AS c WHERE c.indexrelid = i.indexrelid ORDER BY c.ord))"
#define COLUMNS_OF_INDEX                                                                           \
    "(SELECT count(*) FROM weir_index_column AS c WHERE c.indexrelid = i.indexrelid)"
#define INDEX_EXPRESSION                                                                           \
    "(SELECT group_concat(v, ', ') FROM (SELECT c.expression AS v FROM weir_index_column AS c "    \
    "WHERE c.indexrelid = i.indexrelid AND c.attnum < 1 ORDER BY c.ord))"

#define INDEX_KEYS KEYS_OF_INDEX(" ", "max(c.attnum, 0)")
#define INDEX_ZEROS KEYS_OF_INDEX(" ", "0")
#define INDEX_ORDERS KEYS_OF_INDEX(" ", "c.is_desc * 3")

static const char index_rows_query[] =
    "SELECT i.indexrelid, i.indrelid, " COLUMNS_OF_INDEX ", " COLUMNS_OF_INDEX
    ", i.uniq, 0, i.origin = 'pk', 0, 1, 0, 1, 0, 1, 1, 0, " INDEX_KEYS ", " INDEX_ZEROS
    ", " INDEX_ZEROS ", " INDEX_ORDERS ", " INDEX_EXPRESSION
    ", CASE WHEN i.partial THEN weir_predicate(i.sql) END FROM weir_index AS i";

/* Primary keys and UNIQUE constraints are their indexes; the others have the pragma's number. */
#define FOREIGN_COLUMNS(value)                                                                     \
    "(SELECT '{' || group_concat(v, ',') || '}' FROM (SELECT " value                               \
    " AS v FROM weir_foreign AS f WHERE f.relation = k.relation AND f.id = k.id ORDER BY f.seq))"
#define ATTNUM(of, name)                                                                           \
    "(SELECT c.attnum FROM weir_column AS c WHERE c.ltbl = " of " AND c.lname = " name ")"
#define ACTION(of)                                                                                 \
    "CASE " of " WHEN 'CASCADE' THEN 'c' WHEN 'SET NULL' THEN 'n' WHEN 'SET DEFAULT' THEN 'd' "    \
    "WHEN 'RESTRICT' THEN 'r' ELSE 'a' END"

#define ACTIONS ACTION("k.on_update") ", " ACTION("k.on_delete")
#define CHILD_COLUMNS FOREIGN_COLUMNS(ATTNUM("m.lname", "f.lchild"))
#define PARENT_COLUMN                                                                              \
    "CASE WHEN f.lto IS NULL THEN (SELECT c.attnum FROM weir_column AS c WHERE c.ltbl = "          \
    "f.lparent "                                                                                   \
    "AND c.pk = f.seq + 1) ELSE " ATTNUM("f.lparent", "f.lto") " END"
#define PARENT_COLUMNS FOREIGN_COLUMNS(PARENT_COLUMN)
#define FOREIGN_FROM(separator)                                                                    \
    "(SELECT group_concat(v, " separator                                                           \
    ") FROM (SELECT f.child AS v FROM weir_foreign AS f WHERE f.relation = k.relation AND f.id = " \
    "k.id ORDER BY f.seq))"
#define FOREIGN_NAME                                                                               \
    "coalesce(weir_constraint_name(m.sql, 'f', " FOREIGN_FROM(                                     \
        "char(31)") "), m.name || '_' || " FOREIGN_FROM("'_'") " || '_fkey')"
#define PARENT                                                                                     \
    "coalesce((SELECT " FIRST_OID                                                                  \
    " + t.number FROM weir_object AS t WHERE t.lname = k.lparent AND t.type = 'table'), 0)"
#define ATTNUMS KEYS_OF_INDEX(",", "c.attnum")
/* The unique index at the other end. */
#define PARENT_INDEX                                                                               \
    "coalesce((SELECT i.indexrelid FROM weir_index AS i WHERE i.indrelid = " PARENT                \
    " AND i.uniq AND '{' || " ATTNUMS " || '}' = " PARENT_COLUMNS "), 0)"
#define FOREIGN_OID FIRST_FOREIGN_OID " + 256 * m.number + k.id"
#define RELATION_OID FIRST_OID " + m.number"

static const char constraint_query[] =
    "SELECT CASE i.origin WHEN 'pk' THEN " FIRST_CHECK_OID " + i.indrelid ELSE i.indexrelid END, "
    "i.name, 2200, CASE i.origin WHEN 'pk' THEN 'p' ELSE 'u' END, 0, 0, 1, i.indrelid, 0, "
    "i.indexrelid, 0, 0, ' ', ' ', ' ', 1, 0, 1, '{' || " ATTNUMS " || '}', NULL, NULL, NULL, "
    "NULL, NULL, NULL, NULL, 2606 FROM weir_index AS i WHERE i.origin IN ('pk', 'u') UNION ALL "
    "SELECT " FOREIGN_OID ", " FOREIGN_NAME ", 2200, 'f', 0, 0, 1, " RELATION_OID
    ", 0, " PARENT_INDEX ", 0, " PARENT ", " ACTIONS ", 's', 1, 0, 1, " CHILD_COLUMNS
    ", " PARENT_COLUMNS ", NULL, NULL, NULL, NULL, NULL, NULL, 2606 FROM weir_foreign AS k CROSS "
    "JOIN weir_object AS m WHERE k.seq = 0 AND m.number = k.relation "
    "UNION ALL SELECT " FIRST_NAMED_CHECK_OID " + 256 * m.number + n.value, "
    "weir_check_name(m.sql, n.value, m.name), 2200, 'c', 0, 0, 1, " RELATION_OID
    ", 0, 0, 0, 0, ' ', ' ', ' ', 1, 0, 0, (SELECT '{' || coalesce(group_concat(c.attnum, ','), "
    "'') || '}' FROM weir_column AS c WHERE c.relation = m.number AND "
    "weir_text_names(weir_check_expression(m.sql, n.value), c.name)), NULL, NULL, NULL, NULL, "
    "NULL, NULL, weir_check_expression(m.sql, n.value), 2606 FROM weir_object AS m CROSS JOIN "
    "generate_series(1, weir_check_count(m.sql)) AS n WHERE m.type = 'table' AND lower(m.sql) LIKE "
    "'%check%' AND " OURS;

static const char trigger_query[] =
    "SELECT " FIRST_OID " + t.number, " FIRST_OID " + m.number, 0, t.name, 0, 0, 'O', 0, 0, 0, 0, "
    "0, 0, 0, '', '', NULL, NULL, NULL, 2620 FROM weir_object AS t CROSS JOIN weir_object AS m "
    "WHERE t.type = 'trigger' AND m.name = t.tbl AND m.type IN ('table', 'view')";

static const char rewrite_query[] =
    "SELECT " FIRST_OID " + m.number, '_RETURN', " FIRST_OID " + m.number, '1', 'O', 1, '', '', "
    "2618 FROM weir_object AS m WHERE m.type = 'view' AND NOT " IS_SEQUENCE " AND " OURS;

const weir_face_table weir_face_relations[] = {
    {"weir_index",
     "indexrelid" T_OID ", indrelid" T_OID ", tbl" T_NAME ", idx" T_NAME ", name" T_NAME
     ", uniq" T_BOOL ", origin" T_TEXT ", partial" T_BOOL ", sql" T_TEXT,
     index_query},
    {"weir_index_column",
     "indexrelid" T_OID ", indrelid" T_OID ", ord" T_INT2 ", attnum" T_INT2 ", name" T_NAME
     ", is_desc" T_BOOL ", tbl" T_NAME ", expression" T_TEXT,
     index_column_query},
    {"pg_class",
     "oid" T_OID ", relname" T_NAME ", relnamespace" T_OID ", reltype" T_OID ", reloftype" T_OID
     ", relowner" T_OID ", relam" T_OID ", relfilenode" T_OID ", reltablespace" T_OID
     ", relpages" T_INT4 ", reltuples" T_FLOAT4 ", relallvisible" T_INT4 ", reltoastrelid" T_OID
     ", relhasindex" T_BOOL ", relisshared" T_BOOL ", relpersistence" T_CHAR ", relkind" T_CHAR
     ", relnatts" T_INT2 ", relchecks" T_INT2 ", relhasrules" T_BOOL ", relhastriggers" T_BOOL
     ", relhassubclass" T_BOOL ", relrowsecurity" T_BOOL ", relforcerowsecurity" T_BOOL
     ", relispopulated" T_BOOL ", relreplident" T_CHAR ", relispartition" T_BOOL
     ", relrewrite" T_OID ", relfrozenxid" T_OID ", relminmxid" T_OID ", relacl" T_ACLS
     ", reloptions" T_TEXTS ", relpartbound" T_NODE,
     class_query},
    {"pg_attribute",
     "attrelid" T_OID ", attname" T_NAME ", atttypid" T_OID ", attstattarget" T_INT4
     ", attlen" T_INT2 ", attnum" T_INT2 ", attndims" T_INT4 ", attcacheoff" T_INT4
     ", atttypmod" T_INT4 ", attbyval" T_BOOL ", attalign" T_CHAR ", attstorage" T_CHAR
     ", attcompression" T_CHAR ", attnotnull" T_BOOL ", atthasdef" T_BOOL ", atthasmissing" T_BOOL
     ", attidentity" T_CHAR ", attgenerated" T_CHAR ", attisdropped" T_BOOL ", attislocal" T_BOOL
     ", attinhcount" T_INT4 ", attcollation" T_OID ", attacl" T_ACLS ", attoptions" T_TEXTS
     ", attfdwoptions" T_TEXTS ", attmissingval" T_TEXT,
     attribute_query},
    {"pg_attrdef", "oid" T_OID ", adrelid" T_OID ", adnum" T_INT2 ", adbin" T_NODE, attrdef_query},
    {"pg_index",
     "indexrelid" T_OID ", indrelid" T_OID ", indnatts" T_INT2 ", indnkeyatts" T_INT2
     ", indisunique" T_BOOL ", indnullsnotdistinct" T_BOOL ", indisprimary" T_BOOL
     ", indisexclusion" T_BOOL ", indimmediate" T_BOOL ", indisclustered" T_BOOL
     ", indisvalid" T_BOOL ", indcheckxmin" T_BOOL ", indisready" T_BOOL ", indislive" T_BOOL
     ", indisreplident" T_BOOL ", indkey" T_INT2VECTOR ", indcollation" T_OIDVECTOR
     ", indclass" T_OIDVECTOR ", indoption" T_INT2VECTOR ", indexprs" T_NODE ", indpred" T_NODE,
     index_rows_query},
    {"pg_constraint",
     "oid" T_OID ", conname" T_NAME ", connamespace" T_OID ", contype" T_CHAR
     ", condeferrable" T_BOOL ", condeferred" T_BOOL ", convalidated" T_BOOL ", conrelid" T_OID
     ", contypid" T_OID ", conindid" T_OID ", conparentid" T_OID ", confrelid" T_OID
     ", confupdtype" T_CHAR ", confdeltype" T_CHAR ", confmatchtype" T_CHAR ", conislocal" T_BOOL
     ", coninhcount" T_INT4 ", connoinherit" T_BOOL ", conkey" T_INT2S ", confkey" T_INT2S
     ", conpfeqop" T_OIDS ", conppeqop" T_OIDS ", conffeqop" T_OIDS ", confdelsetcols" T_INT2S
     ", conexclop" T_OIDS ", conbin" T_NODE ", tableoid" T_OID,
     constraint_query},
    {"pg_trigger",
     "oid" T_OID ", tgrelid" T_OID ", tgparentid" T_OID ", tgname" T_NAME ", tgfoid" T_OID
     ", tgtype" T_INT2 ", tgenabled" T_CHAR ", tgisinternal" T_BOOL ", tgconstrrelid" T_OID
     ", tgconstrindid" T_OID ", tgconstraint" T_OID ", tgdeferrable" T_BOOL
     ", tginitdeferred" T_BOOL ", tgnargs" T_INT2 ", tgattr" T_INT2VECTOR ", tgargs" T_TEXT
     ", tgqual" T_NODE ", tgoldtable" T_NAME ", tgnewtable" T_NAME ", tableoid" T_OID,
     trigger_query},
    {"pg_rewrite",
     "oid" T_OID ", rulename" T_NAME ", ev_class" T_OID ", ev_type" T_CHAR ", ev_enabled" T_CHAR
     ", is_instead" T_BOOL ", ev_qual" T_NODE ", ev_action" T_NODE ", tableoid" T_OID,
     rewrite_query},
    {NULL, NULL, NULL},
};
