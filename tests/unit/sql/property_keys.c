/* The test of record, literally: random queries on random data in SQLite; whatever changes in rows
 * that the footprint does not name must not change the answer.
 *
 * usage: property_sql_keys SEED QUERIES */
#include "facts.h"
#include "sql/resolve.h"
#include <stdio.h>
#include <stdlib.h>

#define CHANGES 12 /* per query and state */
#define IDS_MAX 512

typedef struct text {
    char data[16384];
    size_t len;
} text;

typedef struct maker {
    uint64_t random;
    unsigned aliases;
    text out;
} maker;

/* A FROM item that is in sight, for column names. */
typedef struct scope {
    const struct scope *outer;
    unsigned alias[8];
    char kind[8]; /* index into tables, or 'd' for a derived table with c0 and c1 */
    unsigned count;
} scope;

static const struct {
    const char *name;
    const char *columns[5];
} tables[] = {
    {"a", {"id", "x", "y", "z", NULL}},
    {"b", {"id", "aid", "x", "y", NULL}},
    {"c", {"k", "aid", "x", "n", NULL}},
};

static unsigned pick(maker *m, unsigned n)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 20) % n);
}

static void put(maker *m, const char *words)
{
    size_t n = strlen(words);
    if (m->out.len + n >= sizeof(m->out.data))
        return;
    memcpy(m->out.data + m->out.len, words, n + 1);
    m->out.len += n;
}

static void put_number(maker *m, const char *before, unsigned n)
{
    char words[64];
    snprintf(words, sizeof(words), "%s%u", before, n);
    put(m, words);
}

static void select_query(maker *m, const scope *outer, unsigned columns, unsigned depth);
static void condition(maker *m, const scope *s, unsigned depth);

/* ---- operands ---- */

static void constant(maker *m)
{
    static const char *const values[] = {"0",   "1",  "2",  "1",   "2",    "'1'",   "'p'",
                                         "'2'", "?1", "-1", "1.0", "null", "x'31'", "- 1"};
    put(m, values[pick(m, sizeof(values) / sizeof(values[0]))]);
}

static void column(maker *m, const scope *s)
{
    while (s->outer && (s->count == 0 || pick(m, 4) == 0))
        s = s->outer;
    if (s->count == 0) {
        constant(m);
        return;
    }
    unsigned i = pick(m, s->count);
    if (pick(m, 6) > 0) {
        put_number(m, "t", s->alias[i]);
        put(m, ".");
    }
    if (s->kind[i] == 'd')
        put_number(m, "c", pick(m, 2));
    else if (pick(m, 12) == 0)
        put(m, "rowid");
    else
        put(m, tables[(unsigned)s->kind[i]].columns[pick(m, 4)]);
}

/* ---- conditions ---- */

static void subquery_condition(maker *m, const scope *s, unsigned depth)
{
    unsigned what = pick(m, 5);
    if (what == 0)
        put(m, "exists (");
    else if (what == 1)
        put(m, "not exists (");
    else
        column(m, s);
    if (what > 1)
        put(m, what == 2 ? " in (" : what == 3 ? " not in (" : " = (");
    select_query(m, s, 1, depth - 1);
    put(m, ")");
}

static void wrapped_condition(maker *m, const scope *s, unsigned depth)
{
    static const char *const before[] = {"not (", "(", "(", "case when "};
    static const char *const after[] = {")", ")", ") is null", " then 1 else 0 end"};
    unsigned what = pick(m, 4);
    put(m, before[what]);
    condition(m, s, depth - 1);
    if (what == 1 && pick(m, 2)) {
        put(m, pick(m, 2) ? " or " : " and ");
        condition(m, s, depth - 1);
    }
    put(m, after[what]);
}

static void comparison(maker *m, const scope *s)
{
    static const char *const unusual[] = {
        " < ",  " is ",   " <> ",    " collate nocase = ", " || '' = ", " is not ",
        " >= ", " like ", " + 0 = ", " between 1 and "};
    if (pick(m, 12) == 0)
        put(m, "+");
    column(m, s);
    if (pick(m, 8) == 0) {
        put(m, " in (");
        for (unsigned n = pick(m, 3); n > 0; n--) {
            constant(m);
            put(m, ", ");
        }
        constant(m);
        put(m, ")");
        return;
    }
    put(m, pick(m, 5) > 0 ? " = " : unusual[pick(m, sizeof(unusual) / sizeof(unusual[0]))]);
    if (pick(m, 2))
        constant(m);
    else
        column(m, s);
}

static void condition(maker *m, const scope *s, unsigned depth)
{
    unsigned what = pick(m, 10);
    if (depth > 0 && what < 2)
        subquery_condition(m, s, depth);
    else if (depth > 0 && what == 2)
        wrapped_condition(m, s, depth);
    else
        comparison(m, s);
}

static void conditions(maker *m, const scope *s, unsigned depth)
{
    condition(m, s, depth);
    for (unsigned n = pick(m, 3); n > 0; n--) {
        put(m, " and ");
        condition(m, s, depth);
    }
}

/* ---- FROM ---- */

static void from_item(maker *m, scope *s, const scope *outer, unsigned depth)
{
    unsigned alias = m->aliases++;
    char kind = (char)pick(m, 3);
    unsigned what = pick(m, 8);
    if (what == 0 && depth > 0) {
        kind = 'd';
        put(m, "(");
        select_query(m, outer, 2, depth - 1);
        put(m, ")");
    } else if (what == 1) {
        put(m, pick(m, 2) ? "v" : "w"); /* a view, or the CTE if there is one */
        kind = 'd';
    } else {
        put(m, tables[(unsigned)kind].name);
    }
    put_number(m, " as t", alias);
    s->alias[s->count] = alias;
    s->kind[s->count++] = kind;
}

static void join_condition(maker *m, const scope *s, bool natural, unsigned depth)
{
    if (natural)
        return;
    if (pick(m, 8) == 0) {
        put(m, pick(m, 2) ? " using (x)" : " using (aid)");
        return;
    }
    put(m, " on ");
    conditions(m, s, depth > 0 ? depth - 1 : 0);
}

static void from(maker *m, scope *s, unsigned depth)
{
    static const char *const joins[] = {" join ",      " left join ",  " right join ",
                                        " full join ", " cross join ", " left join "};
    const scope *outer = s->outer;
    scope nothing = {.outer = NULL};
    from_item(m, s, outer ? outer : &nothing, depth);
    for (unsigned n = pick(m, 4); n > 0 && n < 3 && s->count < 6; n--) {
        if (pick(m, 5) == 0) {
            put(m, ", ");
            from_item(m, s, outer ? outer : &nothing, depth);
            continue;
        }
        bool natural = pick(m, 12) == 0;
        bool nest = pick(m, 8) == 0;
        put(m, natural ? " natural" : "");
        put(m, joins[pick(m, 6)]);
        put(m, nest ? "(" : "");
        from_item(m, s, outer ? outer : &nothing, depth);
        if (nest) {
            put(m, pick(m, 2) ? " join " : " left join ");
            from_item(m, s, outer ? outer : &nothing, depth);
            join_condition(m, s, false, depth);
            put(m, ")");
        }
        join_condition(m, s, natural, depth);
    }
}

/* ---- SELECT ---- */

static void output(maker *m, const scope *s, bool rows, unsigned i, unsigned depth)
{
    static const char *const sums[] = {"count(*)", "max(", "min(", "sum(", "count("};
    unsigned what = pick(m, 10);
    if (!rows) {
        unsigned which = pick(m, 5);
        put(m, sums[which]);
        if (which > 0) {
            column(m, s);
            put(m, ")");
        }
    } else if (what == 0 && depth > 0) {
        put(m, "(");
        select_query(m, s, 1, 0);
        put(m, ")");
    } else if (what == 1) {
        constant(m);
    } else {
        column(m, s);
    }
    put_number(m, " as c", i);
}

static void core(maker *m, const scope *outer, unsigned columns, unsigned depth)
{
    scope s = {.outer = outer};
    maker inner = *m; /* FROM comes first, so that the outputs know what there is */
    inner.out.len = 0;
    from(&inner, &s, depth);
    text from_text = inner.out;
    m->random = inner.random;
    m->aliases = inner.aliases;
    bool rows = pick(m, 5) > 0;
    put(m, pick(m, 8) == 0 ? "select distinct " : "select ");
    for (unsigned i = 0; i < columns; i++) {
        put(m, i > 0 ? ", " : "");
        output(m, &s, rows, i, depth);
    }
    put(m, " from ");
    put(m, from_text.data);
    if (pick(m, 10) > 0) {
        put(m, " where ");
        conditions(m, &s, depth);
    }
    if (!rows && pick(m, 2)) {
        put(m, " group by ");
        column(m, &s);
    }
}

static void select_query(maker *m, const scope *outer, unsigned columns, unsigned depth)
{
    static const char *const sets[] = {" union ", " union all ", " except ", " intersect "};
    core(m, outer, columns, depth);
    if (pick(m, 10) == 0) {
        put(m, sets[pick(m, 4)]);
        core(m, outer, columns, depth);
    }
    if (pick(m, 8) == 0 || columns == 1)
        put(m, columns == 2 ? " order by 1, 2 limit 2" : " order by 1 limit 3");
}

static void statement(maker *m)
{
    m->out.len = 0;
    m->out.data[0] = '\0';
    m->aliases = 0;
    unsigned what = pick(m, 6);
    if (what == 0) {
        put(m, "with w(c0, c1) as (");
        select_query(m, NULL, 2, 1);
        put(m, ") ");
    } else if (what == 1) {
        put(m, "with recursive w(c0, c1) as (select id, x from a where id = 1 union select t.id, "
               "t.x from a t join w on t.x = w.c0 where ");
        put(m, pick(m, 2) ? "t.y = 'p') " : "1) ");
    }
    select_query(m, NULL, 2, 2);
}

/* ---- answers ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *row_text(sqlite3_stmt *s)
{
    char row[4096];
    size_t n = 0;
    for (int i = 0; i < sqlite3_column_count(s) && n + 80 < sizeof(row); i++) {
        const char *value = (const char *)sqlite3_column_text(s, i);
        n += (size_t)snprintf(row + n, sizeof(row) - n, "%d:%.60s|", sqlite3_column_type(s, i),
                              value ? value : "");
    }
    row[n] = '\0';
    return strdup(row);
}

/* The rows in order of their text, in one; NULL: an error, or too many. */
static char *answer(sqlite3 *db, const char *query, int64_t param)
{
    sqlite3_stmt *s;
    char *rows[4096];
    size_t count = 0, size = 1;
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_bind_int64(s, 1, param);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && count < 4096) {
        rows[count] = row_text(s);
        size += strlen(rows[count++]) + 1;
    }
    sqlite3_finalize(s);
    qsort(rows, count, sizeof(*rows), by_text);
    char *all = calloc(1, size);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(all + at, size - at, "%s\n", rows[i]);
        free(rows[i]);
    }
    if (rc != SQLITE_DONE) {
        free(all);
        return NULL;
    }
    return all;
}

/* ---- changes ---- */

typedef struct ids {
    struct {
        uint64_t relation, column, value;
    } items[IDS_MAX];
    size_t count;
    bool keyed;
} ids;

static void on_id(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    ids *list = user;
    if (list->count == IDS_MAX)
        abort();
    list->keyed |= column != 0;
    list->items[list->count].relation = relation;
    list->items[list->count].column = column;
    list->items[list->count++].value = value;
}

static weir_value value_of(sqlite3_stmt *s, int i)
{
    weir_value v = {.type = WEIR_VALUE_NULL};
    switch (sqlite3_column_type(s, i)) {
    case SQLITE_INTEGER:
        v.type = WEIR_VALUE_INTEGER;
        v.u.integer = sqlite3_column_int64(s, i);
        break;
    case SQLITE_FLOAT:
        v.type = WEIR_VALUE_REAL;
        v.u.real = sqlite3_column_double(s, i);
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        v.type = sqlite3_column_type(s, i) == SQLITE_TEXT ? WEIR_VALUE_TEXT : WEIR_VALUE_BLOB;
        v.u.bytes = weir_slice_make(sqlite3_column_blob(s, i), (size_t)sqlite3_column_bytes(s, i));
        break;
    default:
        break;
    }
    return v;
}

/* Whether a row, as it is in the table now, is one that the answer depends on. */
static bool is_named(sqlite3 *db, const ids *list, unsigned table, int64_t id)
{
    char query[128];
    sqlite3_stmt *s;
    bool named = false;
    uint64_t relation = weir_relation_id(weir_slice_cstr(tables[table].name));
    snprintf(query, sizeof(query), "select * from %s where rowid = ?", tables[table].name);
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK)
        abort();
    sqlite3_bind_int64(s, 1, id);
    bool there = sqlite3_step(s) == SQLITE_ROW;
    for (size_t i = 0; i < list->count && there; i++) {
        if (list->items[i].relation != relation)
            continue;
        named = named || list->items[i].column == 0;
        for (int k = 0; k < sqlite3_column_count(s); k++) {
            uint64_t column = weir_column_id(relation, weir_slice_cstr(sqlite3_column_name(s, k)));
            uint64_t value = 0;
            weir_value v = value_of(s, k);
            if (weir_key_of_row(column, &v, &value) == 0)
                named = named || (list->items[i].column == column && list->items[i].value == value);
        }
        weir_slice rowid = WEIR_SLICE_LIT("rowid");
        weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = id};
        uint64_t value = 0;
        uint64_t column = weir_column_id(relation, rowid);
        if (weir_key_of_row(column, &v, &value) == 0)
            named = named || (list->items[i].column == column && list->items[i].value == value);
    }
    sqlite3_finalize(s);
    return named;
}

static void change_text(maker *m, unsigned table, int64_t id)
{
    static const char *const values[] = {"0",   "1",   "2",   "null", "'p'",
                                         "'1'", "1.5", "'P'", "2.0",  "x'31'"};
    unsigned what = pick(m, 4);
    const char *name = tables[table].name;
    char words[256];
    const char *v[3];
    for (unsigned i = 0; i < 3; i++)
        v[i] = values[pick(m, sizeof(values) / sizeof(values[0]))];
    if (what == 0)
        snprintf(words, sizeof(words), "delete from %s where rowid = %lld", name, (long long)id);
    else if (what == 1)
        snprintf(words, sizeof(words), "update %s set %s = %s where rowid = %lld", name,
                 tables[table].columns[1 + pick(m, 3)], v[0], (long long)id);
    else
        snprintf(words, sizeof(words),
                 "insert or replace into %s (rowid, %s, %s, %s) values (%lld, %s, %s, %s)", name,
                 tables[table].columns[1], tables[table].columns[2], tables[table].columns[3],
                 (long long)id, v[0], v[1], v[2]);
    m->out.len = 0;
    put(m, words);
}

/* One change of a row that is not named, neither before nor after; else nothing. */
static bool change(sqlite3 *db, maker *m, const ids *list)
{
    unsigned table = pick(m, 3);
    int64_t id = (int64_t)pick(m, 5);
    if (is_named(db, list, table, id))
        return false;
    change_text(m, table, id);
    sqlite3_exec(db, "savepoint one", NULL, NULL, NULL);
    sqlite3_exec(db, m->out.data, NULL, NULL, NULL);
    bool named = is_named(db, list, table, id);
    if (named)
        sqlite3_exec(db, "rollback to one", NULL, NULL, NULL);
    sqlite3_exec(db, "release one", NULL, NULL, NULL);
    return !named;
}

/* ---- one query ---- */

typedef struct counts {
    unsigned long queries, keyed, read, changes;
} counts;

static bool check(sqlite3 *db, maker *m, const char *query, const weir_footprint *f,
                  const weir_lexed *lexed, counts *n)
{
    ids list = {.count = 0};
    int64_t param = (int64_t)pick(m, 3);
    weir_value value = {.type = WEIR_VALUE_INTEGER, .u.integer = param};
    weir_arguments arguments = {.lexed = lexed, .params = &value, .param_count = 1};
    if (!weir_footprint_resolve(f, WEIR_DIALECT_SQLITE, &arguments, on_id, &list))
        abort();
    if (!list.keyed)
        return true;
    n->keyed++;
    char *before = answer(db, query, param);
    bool same = true;
    for (unsigned i = 0; i < CHANGES && same && before; i++) {
        if (!change(db, m, &list))
            continue;
        n->changes++;
        char *after = answer(db, query, param);
        same = after && strcmp(before, after) == 0;
        if (!same) {
            weir_buf words;
            weir_buf_init(&words, 65536);
            if (weir_footprint_explain(f, &words) == 0)
                fprintf(stderr, "%s\n?1 = %lld\n%.*s%s\nbefore:\n%safter:\n%s", query,
                        (long long)param, (int)words.len, words.data, m->out.data, before, after);
            weir_buf_fini(&words);
        }
        free(after);
    }
    free(before);
    return same;
}

static const char schema[] = "create table a (id integer primary key, x int, y text, z);"
                             "create table b (id integer primary key, aid int, x int, y text);"
                             "create table c (k int, aid numeric, x int, n text collate nocase);"
                             "create view v(c0, c1) as select id, x from a where id > 0;"
                             "create view w(c0, c1) as select aid, x from b;";

static void fill(sqlite3 *db, maker *m)
{
    ids nothing = {.count = 0};
    for (unsigned i = 0; i < 16; i++)
        change(db, m, &nothing);
}

int main(int argc, char **argv)
{
    maker *m = calloc(1, sizeof(*m));
    unsigned long queries = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    counts n = {.queries = 0};
    sqlite3 *db;
    weir_lexed lexed;
    bool fine = true;
    if (!m || sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    m->random = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9e3779b97f4a7c15u | 1;
    weir_lexed_init(&lexed);
    while (n.queries < queries && fine) {
        weir_footprint *f = NULL;
        statement(m);
        char *query = strdup(m->out.data);
        if (query && facts_analyze(db, query, &lexed, &f)) {
            n.queries++;
            for (unsigned state = 0; state < 3 && fine; state++) {
                fill(db, m);
                fine = check(db, m, query, f, &lexed, &n);
            }
        }
        weir_footprint_free(f);
        free(query);
    }
    printf("%lu queries, %lu states with keys, %lu changes\n", n.queries, n.keyed, n.changes);
    weir_lexed_fini(&lexed);
    sqlite3_close(db);
    free(m);
    return fine ? 0 : 1;
}
