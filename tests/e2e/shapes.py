"""Queries for which a naive rule of what an answer depends on is wrong, by name: each with a write
that changes its answer without touching what the naive rule looks at (the sections "Section 4
shapes" and "Holes" of the cache rule's proofs, as far as SQLite can say them, and SQLite's own).

A shape is (name, query, write) on SCHEMA, or (name, query, write, more schema). The write may be
several statements. What a query returns must be in a total order or a single row."""

# The tables are SQLite's own (COLLATE BINARY), so that PostgreSQL's rules of types refuse nothing.
# Small, with a NULL, a nocase key, values of several storage classes, a tree, a cascade, a log.
SCHEMA = """
CREATE TABLE a (id INTEGER PRIMARY KEY, grp INTEGER, v TEXT COLLATE BINARY);
CREATE TABLE b (id INTEGER PRIMARY KEY, aid INTEGER, v TEXT COLLATE BINARY);
CREATE TABLE c (id INTEGER PRIMARY KEY, bid INTEGER, v TEXT COLLATE BINARY);
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER COLLATE BINARY);
CREATE TABLE named (k TEXT COLLATE NOCASE PRIMARY KEY, v TEXT) WITHOUT ROWID;
CREATE TABLE loose (k TEXT PRIMARY KEY, u, n NUMERIC, r REAL);
CREATE TABLE once (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v TEXT COLLATE BINARY);
CREATE TABLE made (id INTEGER PRIMARY KEY, x INTEGER, g INTEGER AS (x * 2),
  s INTEGER AS (x + 1) STORED);
CREATE TABLE mixed (id INTEGER PRIMARY KEY, x INTEGER, g INTEGER AS (x * 2) VIRTUAL, y INTEGER);
CREATE TABLE owner (id INTEGER PRIMARY KEY, v TEXT COLLATE BINARY);
CREATE TABLE owned (id INTEGER PRIMARY KEY,
  oid INTEGER REFERENCES owner ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT COLLATE BINARY);
CREATE TABLE source (id INTEGER PRIMARY KEY, v TEXT COLLATE BINARY);
CREATE TRIGGER logs AFTER INSERT ON source BEGIN
  INSERT INTO log (what) VALUES ('i' || NEW.id);
  UPDATE a SET v = 'seen' WHERE id = NEW.id;
END;
CREATE TABLE quiet (id INTEGER PRIMARY KEY, v TEXT COLLATE BINARY);
CREATE VIEW latest AS SELECT id, grp FROM a ORDER BY id LIMIT 2;
CREATE VIEW ranked AS SELECT id, grp, row_number() OVER (ORDER BY id) AS n FROM a;
CREATE VIEW door AS SELECT id, v FROM a;
CREATE TRIGGER opens INSTEAD OF UPDATE ON door BEGIN UPDATE a SET v = NEW.v WHERE id = NEW.id; END;
INSERT INTO a VALUES (1, 1, 'a1'), (2, 1, 'a2'), (3, 2, 'a3'), (4, NULL, 'a4');
INSERT INTO b VALUES (1, 1, 'b1'), (2, 1, 'b2'), (3, 3, 'b3');
INSERT INTO c VALUES (1, 1, 'c1'), (2, 3, 'c2');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (9, NULL);
INSERT INTO named VALUES ('a', 'first'), ('z', 'last');
INSERT INTO loose VALUES ('5', 5, '5', 5), ('x', 'x', 'x', 1.5);
INSERT INTO once VALUES (1, 'k1', 'o1'), (2, 'k2', 'o2');
INSERT INTO made (id, x) VALUES (1, 5), (2, 6);
INSERT INTO mixed (id, x, y) VALUES (1, 5, 6), (2, 6, 5);
INSERT INTO owner VALUES (1, 'w1'), (2, 'w2');
INSERT INTO owned VALUES (10, 1), (11, 1), (12, 2);
INSERT INTO quiet VALUES (1, 'q');
"""

A7 = "INSERT INTO a VALUES (7, 1, 'a7')"
B1 = "INSERT INTO b VALUES (7, 1, 'b7')"

# After these the query cannot run any more.
BREAKING = ["ALTER TABLE made DROP COLUMN s", "DROP TABLE quiet"]

NAMED_SHAPES = [
    # Outer joins: what their ON says of the preserved side is no filter of it.
    ("left_join_on_constant",
     "SELECT a.id, b.id FROM a LEFT JOIN b ON a.id = b.aid AND b.aid = 1 ORDER BY 1, 2", A7),
    ("left_join_on_preserved",
     "SELECT a.id, b.id FROM a LEFT JOIN b ON b.aid = a.id AND a.id = 1 ORDER BY 1, 2", A7),
    ("left_join_where_preserved",
     "SELECT a.id, b.id FROM a LEFT JOIN b ON b.aid = a.id WHERE a.id = 2 ORDER BY 1, 2",
     "INSERT INTO b VALUES (7, 2, 'b7')"),
    ("left_join_coalesce",
     "SELECT a.id FROM a LEFT JOIN b ON b.aid = a.id WHERE coalesce(b.aid, 1) = 1 ORDER BY 1, "
     "b.id", A7),
    ("left_join_is_null",
     "SELECT a.id FROM a LEFT JOIN b ON b.aid = a.id AND b.aid = 1 WHERE b.aid IS NULL ORDER BY "
     "1", A7),
    ("left_join_is_constant",
     "SELECT a.id FROM a LEFT JOIN b ON b.aid = a.id AND b.id = 3 WHERE (b.aid = 3) IS NOT 1 "
     "ORDER BY 1", A7),
    ("left_join_chain",
     "SELECT a.id, b.id, c.id FROM a LEFT JOIN b ON b.aid = a.id LEFT JOIN c ON c.bid = b.id "
     "AND b.id = 1 ORDER BY 1, 2, 3", B1),
    ("right_join_on_constant",
     "SELECT a.id, b.id FROM b RIGHT JOIN a ON a.id = b.aid AND b.aid = 1 ORDER BY 1, 2", A7),
    ("full_join_on_constant",
     "SELECT a.id, b.id FROM a FULL JOIN b ON a.id = b.aid AND a.id = 1 ORDER BY 1, 2", A7),
    ("full_join_where_one_side",
     "SELECT a.id, b.id FROM a FULL JOIN b ON a.id = b.aid WHERE a.id = 2 ORDER BY 1, 2",
     "INSERT INTO b VALUES (7, 2, 'b7')"),
    ("full_join_using", "SELECT id, a.v, b.v FROM a FULL JOIN b USING (id) WHERE id = 7", B1),
    ("inner_under_left",
     "SELECT a.id, b.id, c.id FROM a LEFT JOIN (b JOIN c ON c.bid = b.id AND b.aid = 1) ON "
     "b.aid = a.id ORDER BY 1, 2, 3", A7),
    ("join_after_left",
     "SELECT a.id, b.id, c.id FROM a LEFT JOIN b ON b.aid = 3 JOIN c ON c.id = 1 ORDER BY 1, 2",
     A7),
    ("right_join_later",
     "SELECT a.id, b.id, c.id FROM a JOIN b ON b.aid = a.id AND a.id = 1 RIGHT JOIN c ON c.id = "
     "1 ORDER BY 1, 2, 3", B1),
    ("natural_join",
     "SELECT id FROM a NATURAL JOIN (SELECT id FROM b) WHERE id = 7", A7 + ";" + B1),
    # Subqueries: in, never out.
    ("not_exists_outward",
     "SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.aid = a.id AND b.aid = 1) "
     "ORDER BY 1", A7),
    ("exists_inward",
     "SELECT id FROM a WHERE id = 2 AND EXISTS (SELECT 1 FROM b WHERE b.aid = a.id)",
     "UPDATE b SET aid = 2 WHERE id = 3"),
    ("not_exists_of_nothing",
     "SELECT id FROM a WHERE id = 2 AND NOT EXISTS (SELECT 1 FROM b WHERE b.aid = 2)",
     "UPDATE b SET aid = 2 WHERE id = 3"),
    ("select_list_sublink",
     "SELECT a.id, (SELECT b.v FROM b WHERE b.aid = a.id AND b.aid = 3) FROM a ORDER BY 1", A7),
    ("lateral_outer_column",
     "SELECT a.id, (SELECT count(*) FROM b WHERE b.aid = a.id AND a.id = 1) FROM a ORDER BY 1", A7),
    ("inner_where_names_outer",
     "SELECT id FROM a WHERE id IN (SELECT b.aid FROM b WHERE a.grp = 1) ORDER BY 1",
     "UPDATE a SET grp = 1 WHERE id = 3"),
    ("not_in_closure",
     "SELECT id FROM a WHERE a.id = 2 AND a.id NOT IN (SELECT aid FROM b)",
     "INSERT INTO b VALUES (7, NULL, 'null')"),
    ("in_closure",
     "SELECT id FROM a WHERE a.id = 2 AND a.id IN (SELECT aid FROM b)",
     "INSERT INTO b VALUES (7, 2, 'b7')"),
    ("scalar_of_all", "SELECT v, (SELECT max(id) FROM a) FROM b WHERE id = 1", A7),
    ("order_by_subquery",
     "SELECT id FROM a WHERE grp = 1 ORDER BY (SELECT count(*) FROM b WHERE b.aid = a.id), id",
     "UPDATE b SET aid = 2"),
    ("limit_subquery",
     "SELECT id FROM a ORDER BY id LIMIT (SELECT count(*) FROM c)",
     "INSERT INTO c VALUES (7, 1, '')"),
    ("case_subquery",
     "SELECT CASE WHEN EXISTS (SELECT 1 FROM b WHERE b.aid = 2) THEN 'yes' ELSE 'no' END FROM a "
     "WHERE id = 1", "INSERT INTO b VALUES (7, 2, 'b7')"),
    ("in_table",
     "SELECT id FROM a WHERE id = 7 OR 7 IN one", "INSERT INTO one VALUES (7)",
     "CREATE TABLE one (n INTEGER); INSERT INTO a VALUES (8, 1, 'a8')"),
    # What stands between the key and the rows.
    ("view_with_limit", "SELECT id FROM latest WHERE id = 2", "INSERT INTO a VALUES (0, 1, 'a0')"),
    ("view_with_window",
     "SELECT id, n FROM ranked WHERE id = 3", "INSERT INTO a VALUES (0, 1, '')"),
    ("derived_with_limit",
     "SELECT id FROM (SELECT id FROM a ORDER BY id LIMIT 2) WHERE id = 2",
     "INSERT INTO a VALUES (0, 1, 'a0')"),
    ("derived_with_window",
     "SELECT id, n FROM (SELECT id, count(*) OVER () AS n FROM a) WHERE id = 1", A7),
    ("derived_with_aggregate",
     "SELECT n FROM (SELECT max(id) AS m, count(*) AS n FROM a) WHERE m = 4",
     "DELETE FROM a WHERE id = 2"),
    ("derived_with_union",
     "SELECT id, v FROM (SELECT id, v FROM a UNION ALL SELECT aid, v FROM b) WHERE id = 2 ORDER "
     "BY 2", "INSERT INTO b VALUES (7, 2, 'b7')"),
    ("derived_with_distinct",
     "SELECT g FROM (SELECT DISTINCT grp AS g FROM a) WHERE g = 5",
     "INSERT INTO a VALUES (7, 5, '')"),
    ("cte_with_window",
     "WITH w AS (SELECT id, count(*) OVER () AS n FROM a) SELECT id, n FROM w WHERE id = 1", A7),
    ("cte_hides_table",
     "WITH a AS (SELECT aid AS id, v FROM b) SELECT v FROM a WHERE id = 1 ORDER BY 1", B1),
    ("recursion",
     "WITH RECURSIVE r (id) AS (SELECT id FROM tree WHERE id = 1 UNION ALL SELECT tree.id FROM "
     "tree JOIN r ON tree.parent = r.id) SELECT id FROM r ORDER BY 1",
     "INSERT INTO tree VALUES (5, 3)"),
    ("recursion_where",
     "WITH RECURSIVE r (id, top) AS (SELECT id, id FROM tree UNION ALL SELECT tree.id, top FROM "
     "tree JOIN r ON tree.parent = r.id) SELECT id FROM r WHERE top = 1 ORDER BY 1",
     "INSERT INTO tree VALUES (5, 3)"),
    ("aggregate_filter", "SELECT sum(grp) FILTER (WHERE id = 1), count(*) FROM a", A7),
    ("aggregate_of_nothing", "SELECT count(*), max(v) FROM a WHERE id = 7", A7),
    ("having", "SELECT grp, count(*) FROM a GROUP BY grp HAVING count(*) = 3 ORDER BY 1", A7),
    ("having_without_group", "SELECT count(*) FROM a HAVING max(id) = 7", A7),
    ("bare_column", "SELECT max(v), id FROM a WHERE grp = 1", "UPDATE a SET v = 'b' WHERE id = 1"),
    ("window_same_level", "SELECT id, count(*) OVER () FROM a WHERE grp = 1 ORDER BY 1", A7),
    ("limit_of_key",
     "SELECT id FROM a WHERE grp = 1 ORDER BY id LIMIT 1", "INSERT INTO a VALUES (0, 1, 'a0')"),
    ("distinct_of_key",
     "SELECT DISTINCT v FROM a WHERE grp = 1 ORDER BY 1", "UPDATE a SET v = 'a1' WHERE id = 2"),
    # Several references, arms, sets of keys.
    ("two_references",
     "SELECT x.v, y.v FROM a x, a y WHERE x.id = 1 AND y.id = 2",
     "UPDATE a SET v = 'new' WHERE id = 2"),
    ("one_reference_of_two", "SELECT count(*) FROM a x, a y WHERE x.id = 1", A7),
    ("union_arms",
     "SELECT v FROM a WHERE id = 1 UNION SELECT v FROM b WHERE aid = 3 ORDER BY 1",
     "UPDATE b SET v = 'new' WHERE id = 3"),
    ("except_arm",
     "SELECT id FROM a WHERE grp = 1 EXCEPT SELECT aid FROM b ORDER BY 1",
     "INSERT INTO b VALUES (7, 2, '')"),
    ("intersect_arm",
     "SELECT id FROM a INTERSECT SELECT aid FROM b WHERE aid = 2", "UPDATE b SET aid = 2"),
    ("in_list", "SELECT v FROM a WHERE id IN (1, 7) ORDER BY 1", A7),
    ("in_values", "SELECT v FROM a WHERE id IN (VALUES (1), (7)) ORDER BY 1", A7),
    ("row_value", "SELECT v FROM a WHERE (id, grp) = (7, 1)", A7),
    ("row_value_in", "SELECT v FROM a WHERE (id, grp) IN (VALUES (1, 1), (7, 1)) ORDER BY 1", A7),
    ("disjunction",
     "SELECT v FROM a WHERE id = 1 OR grp = 2 ORDER BY 1", "INSERT INTO a VALUES (7, 2, '')"),
    ("conjunction_of_two",
     "SELECT v FROM a WHERE id = 3 AND grp = 1", "UPDATE a SET grp = 1 WHERE id = 3"),
    ("equal_columns",
     "SELECT b.v FROM a, b WHERE a.id = b.aid AND a.id = 2", "UPDATE b SET aid = 2 WHERE id = 3"),
    # Operators whose precedence a reader may get wrong.
    ("equal_equal", "SELECT id FROM a WHERE id = 1 = 0 ORDER BY 1", A7),
    ("equal_is_not", "SELECT id FROM a WHERE id = 1 IS NOT 1 ORDER BY 1", A7),
    ("equal_isnull",
     "SELECT id FROM a WHERE grp = 2 ISNULL ORDER BY 1", "INSERT INTO a VALUES (7, NULL, '')"),
    ("equal_in", "SELECT id FROM a WHERE id = 1 IN (0) ORDER BY 1", A7),
    ("equal_like", "SELECT id FROM a WHERE id = 1 LIKE '0' ORDER BY 1", A7),
    ("equal_between", "SELECT id FROM a WHERE id = 1 BETWEEN 0 AND 0 ORDER BY 1", A7),
    ("equal_less", "SELECT v FROM a WHERE id = 1 < 2", "UPDATE a SET v = 'new' WHERE id = 1"),
    ("equal_sum", "SELECT v FROM a WHERE id = 1 + 1", "UPDATE a SET v = 'new' WHERE id = 2"),
    ("equal_bits", "SELECT v FROM a WHERE id = 1 | 2", "UPDATE a SET v = 'new' WHERE id = 3"),
    ("equal_concat", "SELECT v FROM a WHERE id = 1 || 0", "INSERT INTO a VALUES (10, 1, 'ten')"),
    ("equal_minus", "SELECT v FROM a WHERE id = - 1", "INSERT INTO a VALUES (-1, 1, 'minus')"),
    ("not_equal", "SELECT id FROM a WHERE NOT id = 1 ORDER BY 1", A7),
    ("not_binds_looser", "SELECT id FROM a WHERE NOT id = 1 AND grp = 1 ORDER BY 1", A7),
    ("or_binds_looser", "SELECT id FROM a WHERE grp = 9 OR id = 7 AND grp = 1", A7),
    ("unary_plus", "SELECT v FROM a WHERE +id = 7", A7),
    ("collate_operand",
     "SELECT v FROM once WHERE k = 'K1' COLLATE NOCASE ORDER BY 1",
     "UPDATE once SET v = 'new' WHERE id = 1"),
    ("flipped", "SELECT v FROM a WHERE 7 = id", A7),
    ("is_operator",
     "SELECT id FROM a WHERE grp IS NULL ORDER BY 1", "INSERT INTO a VALUES (7, NULL, '')"),
    ("equals_null", "SELECT count(*) FROM a WHERE (grp = NULL) IS NULL", A7),
    # Values: what is equal need not have equal bytes.
    ("nocase_key", "SELECT v FROM named WHERE k = 'Q'", "INSERT INTO named VALUES ('q', 'new')"),
    ("nocase_update",
     "SELECT v FROM named WHERE k = 'A'", "UPDATE named SET v = 'new' WHERE k = 'a'"),
    ("text_key_integer",
     "SELECT u FROM loose WHERE k = 7", "INSERT INTO loose VALUES ('7', 1, 1, 1)"),
    ("integer_key_text", "SELECT v FROM a WHERE id = '7'", A7),
    ("integer_key_real", "SELECT v FROM a WHERE id = 7.0", A7),
    ("integer_key_exponent", "SELECT v FROM a WHERE id = 7e0", A7),
    ("integer_key_hexadecimal", "SELECT v FROM a WHERE id = 0x7", A7),
    ("integer_key_spaces", "SELECT v FROM a WHERE id = ' 7 '", A7),
    ("untyped_real",
     "SELECT k FROM loose WHERE u = 7", "INSERT INTO loose VALUES ('n', 7.0, 1, 1)"),
    ("untyped_text",
     "SELECT k FROM loose WHERE u = '7'", "INSERT INTO loose VALUES ('n', '7', 1, 1)"),
    ("numeric_text",
     "SELECT k FROM loose WHERE n = 7", "INSERT INTO loose VALUES ('n', 1, '7.0', 1)"),
    ("numeric_exponent",
     "SELECT k FROM loose WHERE n = '7e0'", "INSERT INTO loose VALUES ('n', 1, 7, 1)"),
    ("real_integer",
     "SELECT k FROM loose WHERE r = 7", "INSERT INTO loose VALUES ('n', 1, 1, '7')"),
    ("real_zero", "SELECT k FROM loose WHERE r = 0", "INSERT INTO loose VALUES ('n', 1, 1, -0.0)"),
    ("big_integer",
     "SELECT k FROM loose WHERE u = 9007199254740993.0",
     "INSERT INTO loose VALUES ('n', 9007199254740992, 1, 1)"),
    ("affinity_of_join",
     "SELECT a.id FROM a JOIN loose ON loose.k = a.id WHERE loose.k = '7'",
     A7 + "; INSERT INTO loose VALUES ('7', 1, 1, 1)"),
    ("double_quoted_text",
     "SELECT id FROM once WHERE v = \"new\"", "UPDATE once SET v = 'new' WHERE id = 1"),
    # The rowid and its names; keys that writes move.
    ("rowid", "SELECT v FROM a WHERE rowid = 7", A7),
    ("oid", "SELECT v FROM a WHERE oid = 7", A7),
    ("rowid_of_text_key",
     "SELECT rowid FROM loose WHERE k = 'x'", "REPLACE INTO loose VALUES ('x', 1, 1, 1)"),
    ("oid_is_a_column",
     "SELECT id FROM owned WHERE oid = 7", "UPDATE owned SET oid = 7 WHERE id = 12",
     "INSERT INTO owner VALUES (7, 'w7')"),
    ("key_leaves",
     "SELECT id FROM a WHERE grp = 1 ORDER BY 1", "UPDATE a SET grp = 2 WHERE id = 1"),
    ("key_arrives", "SELECT id FROM a WHERE grp = 9", "UPDATE a SET grp = 9 WHERE id = 1"),
    ("primary_key_moves", "SELECT v FROM a WHERE id = 7", "UPDATE a SET id = 7 WHERE id = 1"),
    ("primary_key_leaves", "SELECT v FROM a WHERE id = 1", "UPDATE a SET id = 7 WHERE id = 1"),
    ("primary_keys_shift",
     "SELECT v FROM a WHERE id = 3", "UPDATE a SET id = -id; UPDATE a SET id = 1 - id"),
    ("generated_virtual", "SELECT id FROM made WHERE g = 14", "UPDATE made SET x = 7 WHERE id = 1"),
    ("generated_stored", "SELECT id FROM made WHERE s = 8", "UPDATE made SET x = 7 WHERE id = 1"),
    ("behind_generated_arrives",
     "SELECT id FROM mixed WHERE y = 7", "UPDATE mixed SET y = 7 WHERE id = 1"),
    ("behind_generated_leaves",
     "SELECT id FROM mixed WHERE y = 6", "DELETE FROM mixed WHERE id = 1"),
    ("late_default_leaves",
     "SELECT count(*) FROM quiet WHERE late = 5", "DELETE FROM quiet WHERE id = 1",
     "ALTER TABLE quiet ADD COLUMN late INTEGER DEFAULT 5"),
    ("late_default_changes",
     "SELECT count(*) FROM quiet WHERE late = 5", "UPDATE quiet SET late = 6 WHERE id = 1",
     "ALTER TABLE quiet ADD COLUMN late INTEGER DEFAULT 5"),
    ("late_default_arrives",
     "SELECT count(*) FROM quiet WHERE late = 5", "INSERT INTO quiet (id) VALUES (9)",
     "ALTER TABLE quiet ADD COLUMN late INTEGER DEFAULT 5"),
    # Effects that the statement does not name.
    ("cascade_delete", "SELECT oid FROM owned WHERE id = 10", "DELETE FROM owner WHERE id = 1"),
    ("cascade_update",
     "SELECT id FROM owned WHERE oid = 7 ORDER BY 1", "UPDATE owner SET id = 7 WHERE id = 1"),
    ("trigger_insert", "SELECT what FROM log ORDER BY id", "INSERT INTO source VALUES (1, 's')"),
    ("trigger_update", "SELECT v FROM a WHERE id = 1", "INSERT INTO source VALUES (1, 's')"),
    ("instead_of", "SELECT v FROM a WHERE id = 1", "UPDATE door SET v = 'through' WHERE id = 1"),
    ("upsert",
     "SELECT v FROM once WHERE id = 1",
     "INSERT INTO once VALUES (9, 'k1', 'up') ON CONFLICT (k) DO UPDATE SET v = excluded.v"),
    ("upsert_moves",
     "SELECT k FROM once WHERE id = 9",
     "INSERT INTO once VALUES (8, 'k1', 'up') ON CONFLICT (k) DO UPDATE SET id = 9"),
    ("replace_displaces",
     "SELECT v FROM once WHERE id = 1", "REPLACE INTO once VALUES (5, 'k1', 'new')"),
    ("replace_displaces_two",
     "SELECT id, v FROM once WHERE k = 'k1'", "REPLACE INTO once VALUES (2, 'k1', 'both')"),
    ("update_or_replace",
     "SELECT v FROM once WHERE id = 1", "UPDATE OR REPLACE once SET k = 'k1' WHERE id = 2"),
    ("truncate", "SELECT v FROM quiet WHERE id = 1", "DELETE FROM quiet"),
    ("truncate_log", "SELECT v FROM named WHERE k = 'z'", "DELETE FROM named"),
    ("insert_select",
     "SELECT v FROM quiet WHERE id = 3", "INSERT INTO quiet SELECT id, v FROM a WHERE id > 1"),
    ("update_from",
     "SELECT v FROM quiet WHERE id = 1", "UPDATE quiet SET v = a.v FROM a WHERE a.id = quiet.id"),
    ("with_insert",
     "SELECT v FROM quiet WHERE id = 7",
     "WITH w (i) AS (VALUES (7)) INSERT INTO quiet SELECT i, 'w' FROM w"),
    ("returning", "SELECT v FROM a WHERE id = 1", "UPDATE a SET v = 'r' WHERE id = 1 RETURNING id"),
    # The schema.
    ("alter_add",
     "SELECT * FROM a WHERE id = 1", "ALTER TABLE a ADD COLUMN more INTEGER DEFAULT 5"),
    ("alter_drop", "SELECT * FROM quiet WHERE id = 1", "ALTER TABLE quiet DROP COLUMN v"),
    ("alter_drop_generated",
     "SELECT s FROM made WHERE id = 1", BREAKING[0]),
    ("drop_table", "SELECT v FROM quiet WHERE id = 1", BREAKING[1]),
    ("alter_rename_column",
     "SELECT * FROM quiet WHERE id = 1", "ALTER TABLE quiet RENAME COLUMN v TO w"),
    ("drop_and_recreate",
     "SELECT * FROM quiet WHERE id = 1",
     "DROP TABLE quiet; CREATE TABLE quiet (id INTEGER PRIMARY KEY, other INTEGER)"),
    ("rename_swap",
     "SELECT v FROM quiet WHERE id = 1",
     "ALTER TABLE quiet RENAME TO old; ALTER TABLE other RENAME TO quiet",
     "CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO other VALUES (1, 'other')"),
    ("view_redefined",
     "SELECT id FROM latest ORDER BY id",
     "DROP VIEW latest; CREATE VIEW latest AS SELECT id FROM b WHERE id = 3"),
    ("trigger_added",
     "SELECT v FROM quiet WHERE id = 1",
     "CREATE TRIGGER late AFTER INSERT ON b BEGIN UPDATE quiet SET v = 'late'; END;" + B1),
    ("table_over_view",
     "SELECT id FROM door WHERE id = 1",
     "DROP VIEW door; CREATE TABLE door (id INTEGER PRIMARY KEY, v TEXT)"),
]
