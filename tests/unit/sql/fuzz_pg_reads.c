/* Statements made of pieces of others, in any order: whatever PostgreSQL's grammar accepts of them
 * is read without a fault, and what is kept depends on something that was named.
 *
 *   fuzz_sql_pg_reads [SEED [COUNT]] */
#include "pg_schema.h"
#include "sql/reads.h"
#include "sql/resolve.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const pieces[] = {
    "select",
    "*",
    "from",
    "a",
    "b x",
    "where",
    "id",
    "=",
    "$1",
    "5",
    "'now'",
    "and",
    "or",
    "not",
    "exists",
    "(",
    ")",
    "(",
    ")",
    "(select * from a where id = 1)",
    "in",
    "(1, 2)",
    "any($1)",
    "any('{1,2}')",
    "left join",
    "full join",
    "join",
    "on",
    "true",
    "using (id)",
    "natural join",
    ",",
    "lateral",
    "x.k",
    "a.k",
    "a.*",
    "with recursive r as (select 1 union all select * from r)",
    "with r as (delete from b where id = 1 returning *)",
    "union all",
    "except",
    "order by 1",
    "limit 3",
    "group by",
    "grouping sets ((k), ())",
    "having",
    "count(*)",
    "count(*) over w",
    "window w as (partition by k)",
    "distinct on (k)",
    "values (1, 'x'), (2, null)",
    "insert into a (id, k) values (1, $2)",
    "insert into a",
    "on conflict (id) do update set k = 1",
    "on conflict do nothing",
    "update a set k = 1, id = $2",
    "delete from a",
    "truncate a, v",
    "merge into a using b on a.id = b.id when matched then delete",
    "returning *",
    "::int",
    "::date",
    "::text[]",
    "array[1, $1]",
    "row(1, 2)",
    "(k, s)",
    "case when",
    "then",
    "end",
    "is null",
    "is distinct from",
    "like",
    "'x%'",
    "between 1 and 2",
    "coalesce(k, 1)",
    "nullif(k, 1)",
    "greatest(1, k)",
    "current_date",
    "collate \"C\"",
    "for update",
    "as y (p, q)",
    "y",
    "generate_series(1, 3) g",
    "rows from (unnest($1::int[]), unnest(array[1])) with ordinality",
    "tablesample system (1)",
    "k[1]",
    "(a).k",
    "default",
    "-",
    "- 7",
    "$$q$$",
    "E'\\n'",
    ";",
    "copy a from stdin",
    "into z",
    "interval '1' day",
    "\"Id\"",
    "\"Mixed\"",
    "only a",
    "pg_class",
    "filter (where k = 1)",
    "extract(year from ts)",
    "ts at time zone 'utc'",
    "over (order by k)"};
#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

static const char *const starts[] = {"select * from a where id = $1",
                                     "select k from a join b on",
                                     "update a set n = 1 where id = 5",
                                     "insert into a values (1)",
                                     "delete from a using b where",
                                     "select",
                                     "with q as (select 1)"};

static uint64_t state;

static size_t pick(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

static void visit(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    size_t *count = user;
    if (relation == 0 || (column == 0) != (value == 0))
        abort();
    ++*count;
}

static bool try(const char *text, weir_lexed *l)
{
    weir_footprint *f = NULL;
    size_t count = 0;
    weir_pg_surroundings s = {.schema = pg_schema(),
                              .search_path = WEIR_SLICE_LIT("app, public"),
                              .role = WEIR_SLICE_LIT("app")};
    weir_value value = {.type = WEIR_VALUE_TEXT, .u.bytes = WEIR_SLICE_LIT("{1,\"2\"}")};
    weir_arguments arguments = {.lexed = l, .params = &value, .param_count = 1};
    if (weir_sql_lex(WEIR_DIALECT_POSTGRES, weir_slice_cstr(text), l) != 0 ||
        weir_sql_analyze_postgres_reads(weir_slice_cstr(text), l, &s, &f) != 0)
        abort();
    bool kept = f->from_grammar && f->refusal == WEIR_REFUSAL_NONE;
    if (kept && (f->kind != WEIR_KIND_READ || f->reason[0] != '\0'))
        abort();
    bool timeless = weir_footprint_resolve(f, WEIR_DIALECT_POSTGRES, &arguments, visit, &count);
    if (kept && count < f->dependency_count)
        abort();
    (void)timeless;
    weir_footprint_resolve_touches(f, &arguments, visit, &count);
    weir_footprint_free(f);
    return kept;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000, kept = 0;
    weir_lexed l;
    weir_lexed_init(&l);
    for (unsigned long i = 0; i < count; i++) {
        char text[2048];
        state = seed + i;
        pick(2);
        size_t n = (size_t)snprintf(text, sizeof(text), "%s",
                                    starts[pick(sizeof(starts) / sizeof(starts[0]))]);
        for (size_t k = pick(9); k > 0; k--)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", pieces[pick(PIECES)]);
        kept += try(text, &l);
    }
    printf("%lu statements, %lu kept\n", count, kept);
    weir_lexed_fini(&l);
    return 0;
}
