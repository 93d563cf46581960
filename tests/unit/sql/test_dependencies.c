/* Which rows an answer depends on: every shape of notes on the cache rule's proofs by name, what is
 * sound and what only looks so, and what SQLite's grammar can say in other ways. */
#include "facts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char schema[] =
    "create table a (id integer primary key, x int, y text, z);"
    "create table b (id integer primary key, aid int, x int, y text);"
    "create table c (k text primary key, aid int, n text collate nocase, r real) without rowid;"
    "create table p (x int, \"my col\" int, key int);"
    "create table kv (id int, \"group\" int, g int as (id + 1), oid int);"
    "create table tree (id integer primary key, parent int, kind int);"
    "create table one (x int);"
    "create view v as select id, x from a;"
    "create view vc as with w as (select aid from b) select aid from w;"
    "create view old as select 1 as one from b;"
    "create virtual table f using fts5 (body);";

/* Expected: relation.column@place, or the relation alone; in the order found. A refusal before it
 * as "!name ". */
static const struct {
    const char *name, *text, *expected;
} rows[] = {
    /* what is plain */
    {"key", "select * from a where id = 5", "a.id@0"},
    {"parameter", "select * from a where ?1 = id", "a.id@0"},
    {"other column", "select * from b where aid = $1 and x > 3", "b.aid@0"},
    {"place behind others", "select x + 1, 'k' from a where x > 2 and id = 7 limit 3", "a.id@3"},
    {"list", "select * from a where id in (1, 2, 3)", "a.id@0"},
    {"list of one", "select * from a where id in (?)", "a.id@0"},
    {"list behind a list", "select * from a where x in (1, 2) and id in (1, 2, 3)", "a.id@1"},
    {"list with a column", "select * from a where id in (1, x)", "a"},
    {"list in parentheses", "select * from a where id in ((1), (2))", "a"},
    {"empty list", "select * from a where id in ()", "a"},
    {"not in a list", "select * from a where id not in (1, 2)", "a"},
    {"minus", "select * from a where id = -5", "a.id@0"},
    {"minus apart", "select * from a where id = - ?", "a.id@0"},
    {"the rowid is its alias", "select * from a where rowid = 5", "a.id@0"},
    {"qualified rowid", "select * from a as q where q._rowid_ = 5 and oid = 6", "a.id@1"},
    {"rowid without alias", "select * from p where oid = 1", "p.rowid@0"},
    {"rowid in a join", "select * from a, p where p.rowid = 1", "a p.rowid@0"},
    {"a column called oid", "select * from kv where oid = 1", "kv.oid@0"},
    {"the alias is preferred", "select * from a where x = 1 and id = 2 and y = 'q'", "a.id@1"},
    {"without rowid", "select * from c where k = 'a'", "c.k@0"},
    {"whole", "select * from a", "a"},
    {"range", "select * from a where id > 5 and id < 9", "a"},
    {"between", "select * from a where id between 5 and 5", "a"},
    {"is", "select * from a where id is 5", "a"},
    {"equality of an equality", "select * from a where id = 5 = 1", "a"},
    {"OR", "select * from a where id = 5 or id = 6", "a"},
    {"OR in a conjunct", "select * from a where (x = 5 or y = 'q') and id = 6", "a.id@2"},
    {"AND in parentheses", "select * from a where (x > 5 and (id = 6))", "a.id@1"},
    {"NOT", "select * from a where not id = 5", "a"},
    {"NOT of a truth", "select * from a where not not (id = 5)", "a"},
    {"CASE", "select * from a where case when id = 5 then 1 else 1 end", "a"},
    {"null test of it", "select * from a where (id = 5) is null", "a"},
    {"COLLATE", "select * from a where y = 'q' collate nocase", "a"},
    {"COLLATE of the column", "select * from a where y collate binary = 'q'", "a"},
    {"unary plus", "select * from a where +id = 5", "a"},
    {"arithmetic", "select * from a where id + 0 = 5", "a"},
    {"concatenation", "select * from a where y = 'a' || 'b'", "a"},
    {"cast", "select * from a where id = cast('5' as int)", "a"},
    {"function of the value", "select * from a where id = abs(5)", "a"},
    {"null", "select * from a where id = null", "a"},
    {"row value", "select * from a where (id, x) = (5, 6)", "a"},
    {"row values in a list", "select * from a where (id, x) in ((1, 2), (3, 4))", "a"},
    {"a collation that folds", "select * from c where n = 'a'", "c"},
    {"generated column", "select * from kv where g = 5", "kv"},
    {"BETWEEN swallows its AND", "select * from a where x between 1 and id = 5", "a"},
    {"LIKE with ESCAPE", "select * from a where y like 'a!%' escape '!' and id = 5", "a.id@2"},
    {"json operators", "select z -> '$.a', z ->> 'b' from a where id = 5", "a.id@2"},
    /* names */
    {"quoted in four ways", "select * from \"a\" where [id] = 5 and `x` = 6 and \"y\" = 'q'",
     "a.id@0"},
    {"a quoted name with a space", "select * from p where \"my col\" = 5", "p.my col@0"},
    {"keywords as names", "select key from p where key = 5", "p.key@0"},
    {"a quoted string", "select * from a where id = \"five\"", "a"},
    {"a string for a name", "select * from 'a' where id = 5", "a"},
    {"a string for an alias", "select x 'id' from a where id = 5", "a"},
    {"schema before the table", "select * from main.a where a.id = 5", "a.id@0"},
    {"schema before the column", "select * from a where main.a.id = 5", "a"},
    {"any case", "SELECT * FROM A AS Q WHERE q.ID = 5", "a.id@0"},
    {"alias hides the name", "select * from a as b, b as a where a.id = 5", "a b.id@0"},
    {"one of two has the column", "select * from a, c where aid = 5", "a c.aid@0"},
    {"an output's alias is no column", "select a.x as aid from a where aid = 5", "a"},
    {"an output's alias hides the level around",
     "select * from b where exists (select a.x as aid from a where aid = 5)", "b a"},
    {"a table-valued function's columns", "select * from a, json_each(a.y) where x = 5", "a"},
    {"beside a table-valued function", "select * from a, json_each(a.y) as j where a.id = 5",
     "a.id@0"},
    {"INDEXED BY", "select * from a not indexed where id = 5", "a.id@0"},
    {"comments", "select * /* id = 1 */ from a -- where\n where id = 5;;", "a.id@0"},
    {"hexadecimal", "select * from a where id = 0x10", "a.id@0"},
    {"blob", "select * from a where z = x'00ff'", "a.z@0"},
    /* joins */
    {"inner join closes", "select * from a join b on a.id = b.aid where a.id = 5",
     "a.id@0 b.aid@0"},
    {"comma closes", "select * from a, b where a.id = b.aid and b.aid = 5", "a.id@0 b.aid@0"},
    {"through three",
     "select * from a join b on a.id = b.aid join tree t on t.parent = b.aid "
     "where t.parent = 5",
     "a.id@0 b.aid@0 tree.parent@0"},
    {"types that differ do not close", "select * from a join c on a.id = c.k where a.id = 5",
     "a.id@0 c"},
    {"a constant in the inner ON", "select * from a join b on b.aid = 5 and b.x = a.x",
     "a b.aid@0"},
    {"left join from the left", "select * from a left join b on a.id = b.aid where a.id = 5",
     "a.id@0 b.aid@0"},
    {"left join, constant in ON closed to the left",
     "select * from a left join b on a.id = b.aid and b.aid = 5", "a b.aid@0"},
    {"left join, ON speaks of the left", "select * from a left join b on a.id = 5", "a b"},
    {"WHERE on the nullable side", "select * from a left join b on a.id = b.aid where b.aid = 5",
     "a b.aid@0"},
    {"right join", "select * from b right join a on a.id = b.aid where a.id = 5", "b.aid@0 a.id@0"},
    {"right join, ON", "select * from b right join a on a.id = 5 and b.aid = 6", "b.aid@1 a"},
    {"full join, ON", "select * from a full join b on a.id = b.aid and a.id = 5", "a b"},
    {"full join, WHERE", "select * from a full join b on a.id = b.aid where a.id = 5", "a.id@0 b"},
    {"FULL JOIN USING with WHERE on the merged column",
     "select * from a full join b using (x) where x = 5", "a.x@0 b.x@0"},
    {"JOIN USING closes", "select * from b join c using (aid) where aid = 5", "b.aid@0 c.aid@0"},
    {"LEFT JOIN USING", "select * from b left join c using (aid) where c.aid = 5", "b c.aid@0"},
    {"NATURAL JOIN closes", "select * from b natural join c where b.aid = 5", "b.aid@0 c.aid@0"},
    {"ambiguous without USING", "select b.y from a join b on 1 where a.x = 5 and b.x = 6",
     "a.x@1 b.x@2"},
    {"join inside the nullable side",
     "select * from a left join (b join tree t on t.id = b.x and b.aid = 5) on t.parent = a.id",
     "a b.aid@0 tree"},
    {"a join in parentheses", "select * from (a join b on a.id = b.aid) where a.id = 5",
     "a.id@0 b.aid@0"},
    {"several references", "select * from a q, a r where q.id = 5 and r.id = 6", "a.id@0 a.id@1"},
    {"several references, one whole", "select * from a q, a r where q.id = 5", "a"},
    /* same level as the WHERE */
    {"LIMIT at the same level", "select * from a where x = 5 order by y limit 1", "a.x@0"},
    {"aggregate at the same level", "select count(*), max(y) from a where x = 5", "a.x@0"},
    {"GROUP BY and HAVING",
     "select x, count(*) from b where aid = 5 group by x having count(*) > 1", "b.aid@0"},
    {"HAVING is no WHERE", "select aid, count(*) from b group by aid having aid = 5", "b"},
    {"DISTINCT at the same level", "select distinct y from a where x = 5", "a.x@0"},
    {"window at the same level",
     "select row_number() over (partition by y order by z rows between 1 preceding and current "
     "row) "
     "from a where x = 5",
     "a.x@1"},
    {"named window", "select sum(x) over w from a where x = 5 window w as (order by id)", "a.x@0"},
    {"filter", "select count(*) filter (where id = 5) from a", "a"},
    {"values", "values (1, 2), (3, 4)", ""},
    {"no table", "select 1", ""},
    /* subqueries */
    {"EXISTS with constants in its own WHERE",
     "select * from a where id = 1 and exists (select 1 from b where b.aid = 5)", "a.id@0 b.aid@2"},
    {"NOT EXISTS with constants in its own WHERE",
     "select * from a where id = 1 and not exists (select 1 from b where b.aid = 5)",
     "a.id@0 b.aid@2"},
    {"inward into a correlated subquery",
     "select * from a where id = 5 and not exists (select 1 from b where b.aid = a.id)",
     "a.id@0 b.aid@0"},
    {"NOT EXISTS flows outward",
     "select * from a where not exists (select 1 from b where b.aid = a.id and b.aid = 5)",
     "a b.aid@1"},
    {"EXISTS flows outward",
     "select * from a where exists (select 1 from b where b.aid = a.id and b.aid = 5)",
     "a b.aid@1"},
    {"select-list subquery flows outward",
     "select (select count(*) from b where b.aid = a.id and b.aid = 5) from a", "a b.aid@0"},
    {"inner WHERE names an outer column",
     "select (select count(*) from b where a.id = 5 and b.aid = a.id) from a", "a b.aid@0"},
    {"select-list subquery inward",
     "select (select max(x) from b where b.aid = a.id) from a where id = 5", "a.id@0 b.aid@0"},
    {"IN inward", "select * from a where id = 5 and id in (select aid from b)", "a.id@0 b.aid@0"},
    {"IN that is no conjunct",
     "select * from a where id = 5 and (id in (select aid from b)) is null", "a.id@0 b"},
    {"IN of an aggregate", "select * from a where id = 5 and id in (select max(aid) from b)",
     "a.id@0 b"},
    {"IN with LIMIT", "select * from a where id = 5 and id in (select aid from b limit 1)",
     "a.id@0 b"},
    {"NOT IN closed, then a NULL arrives",
     "select * from a where a.id = 5 and a.id not in (select aid from b)", "a.id@0 b"},
    {"IN of a table", "select * from a where id = 5 and x in one", "a.id@0 one"},
    {"scalar subquery", "select * from a where id = (select max(aid) from b where x = 5)",
     "a b.x@0"},
    {"in an outer join's ON",
     "select * from a left join b on exists (select 1 from tree where tree.id = a.id) where a.id = "
     "5",
     "a.id@1 b tree"},
    {"subquery in ORDER BY",
     "select * from a where id = 5 order by (select max(x) from b where aid = a.id)",
     "a.id@0 b.aid@0"},
    {"subquery in LIMIT", "select * from a where id = 5 limit (select max(x) from b)", "a.id@0 b"},
    /* derived tables, views, CTEs */
    {"into a derived table", "select * from (select id, x as q from a) d where d.q = 5", "a.x@0"},
    {"through a star", "select * from (select * from a) as d where id = 5", "a.id@0"},
    {"derived twice", "select * from (select * from (select x as w from a)) where w = 5", "a.x@0"},
    {"a window inside",
     "select * from (select x, row_number() over (order by id) from a) d where d.x = 5", "a"},
    {"LIMIT inside", "select * from (select x as q from a limit 3) d where q = 5", "a"},
    {"DISTINCT inside", "select * from (select distinct x as q from a) d where q = 5", "a"},
    {"an aggregate inside", "select * from (select x as q, max(id) as m from a) d where q = 5",
     "a"},
    {"GROUP BY inside", "select * from (select x as q from a group by x) d where q = 5", "a"},
    {"a set operation inside",
     "select * from (select x as q from a union select aid from b) d where q = 5", "a b"},
    {"an outer level's aggregate inside",
     "select * from (select x as q, (select max(a.id) from b) as m from a) d where q = 5", "a b"},
    {"view", "select * from v where id = 5", "a"},
    {"view with a CTE of the text's name",
     "with w as (select 1 as one) select * from vc, w, b where b.id = 5", "b"},
    {"view that reads no column", "select count(*) from old, b where b.id = 5", "b"},
    {"CTE with its own WHERE", "with w as (select * from a where id = 5) select * from w",
     "a.id@0"},
    {"not into a CTE", "with w as (select * from a) select * from w where id = 5", "a"},
    {"CTE with the table's name",
     "with a as (select * from main.a where id = 5) select * from a where x = 6", "a.id@0"},
    {"CTE of which no column is read", "with w as (select x from a) select count(*) from w", "a"},
    {"recursion of which no column is read",
     "with recursive r(n) as (select 1 union all select n + 1 from r where n < 9) "
     "select count(*), (select x from a where id = 5) from r",
     "a.id@3"},
    {"recursion",
     "with recursive r(id) as (select id from tree where id = 5 union all "
     "select t.id from tree t join r on t.parent = r.id) select * from r",
     "tree"},
    {"recursion with a constant in each step",
     "with recursive r(id) as (select id from tree where kind = 5 union all select t.id from tree "
     "t "
     "join r on t.parent = r.id where t.kind = 6) select * from r",
     "tree.kind@0 tree.kind@1"},
    {"recursion closed through its column",
     "with recursive r(id) as (select 5 union all select t.parent from tree t join r on "
     "t.parent = r.id where r.id = 5) select * from r where id = 5",
     "tree"},
    {"set operations by arm",
     "select x from a where id = 5 union select x from b where aid = 6 except select 1",
     "a.id@0 b.aid@1"},
    /* what is refused */
    {"random", "select random() from a where id = 5", "!volatile a.id@0"},
    {"time", "select current_timestamp from a where id = 5", "!volatile a.id@0"},
    {"date", "select date(y) from a where id = 5", "!volatile a.id@0"},
    {"its session", "select last_insert_rowid() from a where id = 5", "!effects a.id@0"},
    {"changes", "select changes()", "!effects "},
    {"schema tables", "select * from sqlite_schema", "!system "},
    {"pragma functions", "select * from pragma_table_info('a')", "!system "},
    {"a virtual table", "select * from f", "!unfollowed "},
    {"full text", "select * from f where body match 'x'", "!volatile "},
    {"a write", "delete from a where id = 5", "!no_read "},
    {"several of one", "select * from a where id = 5; ", "a.id@0"},
};

static void describe(const weir_footprint *f, char *to, size_t size)
{
    size_t n = 0;
    to[0] = '\0';
    if (f->refusal != WEIR_REFUSAL_NONE)
        n = (size_t)snprintf(to, size, "!%s ", weir_refusal_name(f->refusal));
    for (size_t i = 0; i < f->dependency_count; i++) {
        const weir_read_dependency *d = &f->dependencies[i];
        n += (size_t)snprintf(to + n, size - n, "%s%s", i > 0 ? " " : "", d->relation_name);
        if (d->column != 0)
            n += (size_t)snprintf(to + n, size - n, ".%s@%u", d->column_name, d->place);
    }
}

static void test_dependencies(void **state)
{
    sqlite3 *db = *state;
    weir_lexed lexed;
    unsigned wrong = 0;
    weir_lexed_init(&lexed);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        weir_footprint *f = NULL;
        char found[512] = "refused by SQLite";
        if (facts_analyze(db, rows[i].text, &lexed, &f))
            describe(f, found, sizeof(found));
        if (strcmp(found, rows[i].expected) != 0) {
            print_error("%s: %s\n  expected %s\n  found    %s (%s)\n", rows[i].name, rows[i].text,
                        rows[i].expected, found, f ? f->reason : sqlite3_errmsg(db));
            wrong++;
        }
        weir_footprint_free(f);
    }
    weir_lexed_fini(&lexed);
    assert_int_equal(wrong, 0);
}

static int open_db(void **state)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    *state = db;
    return 0;
}

static int close_db(void **state)
{
    return sqlite3_close(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dependencies),
    };
    return cmocka_run_group_tests(tests, open_db, close_db);
}
