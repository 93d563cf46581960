/* What PostgreSQL's statements depend on and touch, by shape (notes/cache-rule-proofs.md). */
#include "failalloc.h"
#include "pg_schema.h"
#include "sql/reads.h"
#include "sql/resolve.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct shape {
    const char *text;
    const char *want; /* of weir_footprint_explain, with blanks for its newlines */
} shape;

static weir_footprint *analyze_under(const char *text, const char *path, weir_lexed *l)
{
    weir_footprint *f = NULL;
    weir_pg_surroundings s = {
        .schema = pg_schema(), .search_path = weir_slice_cstr(path), .role = WEIR_SLICE_LIT("app")};
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, weir_slice_cstr(text), l), 0);
    assert_int_equal(weir_sql_analyze_postgres_reads(weir_slice_cstr(text), l, &s, &f), 0);
    assert_non_null(f);
    assert_int_not_equal(f->fingerprint, 0);
    return f;
}

static weir_footprint *analyze(const char *text, weir_lexed *l)
{
    return analyze_under(text, "public", l);
}

/* "a.id= $1, b" and so on; "!refusal" first where it is refused. */
static void summarize(const weir_footprint *f, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    if (f->refusal != WEIR_REFUSAL_NONE)
        n += (size_t)snprintf(out, size, "!%s ", weir_refusal_name(f->refusal));
    for (size_t i = 0; i < f->dependency_count; i++) {
        const weir_read_dependency *d = &f->dependencies[i];
        const char *name = d->relation_name;
        if (strncmp(name, "public.", 7) == 0)
            name += 7;
        n += (size_t)snprintf(out + n, size - n, "%s%s%s%s%s%s", i > 0 ? ", " : "", name,
                              d->column ? "." : "", d->column ? d->column_name : "",
                              d->column ? " " : "", d->column ? d->operand : "");
        assert_true(n < size);
    }
}

static void check_shapes(const shape *shapes, size_t count)
{
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < count; i++) {
        char got[1024];
        weir_footprint *f = analyze(shapes[i].text, &l);
        summarize(f, got, sizeof(got));
        if (strcmp(got, shapes[i].want) != 0)
            fail_msg("%s\n  want %s\n  got  %s (%s)", shapes[i].text, shapes[i].want, got,
                     f->reason);
        weir_footprint_free(f);
    }
    weir_lexed_fini(&l);
}
#define CHECK(shapes) check_shapes(shapes, sizeof(shapes) / sizeof((shapes)[0]))

static void test_conjuncts_of_where_are_keys(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"select * from a where id = $1", "a.id = $1"},
        {"select * from a where $1 = id and n > 3", "a.id = $1"},
        {"select * from a where id = 5", "a.id = ?"},
        {"select * from a where k = -5", "a.k = ?"},
        {"select * from a where k = - 5", "a.k = -?"},
        {"select * from a where k in (1, 2, 3)", "a.k in a list"},
        {"select * from a where k in (1)", "a.k = ?"},
        {"select * from a where k = any($1)", "a.k in a list"},
        {"select * from a where k = any($1::int[])", "a.k in a list"},
        {"select * from a where k = any('{1,2}')", "a.k in a list"},
        {"select * from a where k = any(array[1, 2])", "a.k in a list"},
        {"select * from a where k = any(array[$1, $2]::bigint[])", "a.k in a list"},
        {"select * from a where (k, s) = ($1, $2)", "a.s = $2"},
        {"select * from a where u = $1::uuid", "a.u = $1"},
        {"select * from a where id = '5'::int", "a.id = ?"},
        {"select * from a where d = date '2020-01-01'", "a.d = ?"},
        {"select * from a where a.id = $1 and aid = $2", "a.id = $1"},
        {"select * from a where s = $2 and id = $1", "a.id = $1"},
        {"select * from public.a where public.a.id = $1",
         "a"}, /* its own schema before it: not looked into */
        {"select * from a x where x.k operator(pg_catalog.=) $1", "a.k = $1"},
        {"select * from only a where k = $1", "a.k = $1"},
    };
    CHECK(shapes);
}

static void test_what_is_no_key_is_the_whole_relation(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"select * from a", "a"},
        {"select * from a where id > $1", "a"},
        {"select * from a where id = $1 or k = 2", "a"},
        {"select * from a where not id = $1", "a"},
        {"select * from a where id <> $1", "a"},
        {"select * from a where id is not distinct from $1", "a"},
        {"select * from a where id::text = $1", "a"},
        {"select * from a where lower(s) = $1", "a"},
        {"select * from a where id = $1::numeric", "a"},
        {"select * from a where id = $1::text::int", "a"},
        {"select * from a where s = $1::varchar(3)", "a"},
        {"select * from a where s = $1 collate \"C\"", "a"},
        {"select * from a where id = $1 + 1", "a"},
        {"select * from a where id = all($1)", "a"},
        {"select * from a where id not in (1, 2)", "a"},
        {"select * from a where k in (1, $1, lower('x')::int)", "a"},
        {"select * from a where (k = $1) is true", "a"},
        {"select * from a where n = $1", "a"},
        {"select * from a where ts = $1", "a"},
        {"select * from a group by id having id = $1", "a"},
        {"select * from a as x (p, q) where p = $1", "a"},
        {"select * from (a join b using (id)) as j where j.id = $1", "!volatile b, a"},
    };
    CHECK(shapes);
}

/* notes/cache-rule-proofs.md, "Section 4 shapes": each naive reading is wrong. */
static void test_shapes_that_deceive(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"select * from a left join b on a.id = b.aid and b.aid = $1", "a, b.aid = $1"},
        {"select * from a where not exists (select 1 from b where b.aid = a.id and b.aid = $1)",
         "a, b.aid = $1"},
        {"select id, (select count(*) from b where b.aid = a.id and b.aid = $1) from a",
         "a, b.aid = $1"},
        {"select * from a, lateral (select count(*) from b where b.aid = a.id and a.id = $1) x",
         "a, b.aid = $1"},
        {"select * from (select *, row_number() over () from a) x where x.k = $1", "a"},
        {"select * from (select * from a limit 5) x where x.k = $1", "a"},
        {"select * from v where v.k = $1", "a, b"},
        {"select * from a where a.id = $1 and a.id not in (select aid from b)", "a.id = $1, b"},
        {"with recursive r as (select * from a where id = $1 union all "
         "select a.* from a join r on a.aid = r.id) select * from r",
         "a"},
        {"with r as (select * from a) select * from r where r.k = $1", "a"},
    };
    CHECK(shapes);
}

/* Section 3: tried and found sound. */
static void test_shapes_that_are_sound(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"select * from a left join b on a.id = b.aid where b.k = $1", "a, b.k = $1"},
        {"select * from a left join b on a.id = b.aid where a.id = $1", "a.id = $1, b.aid = $1"},
        {"select * from a join b on a.id = b.aid where b.aid = $1", "a.id = $1, b.aid = $1"},
        {"select * from a join b using (id) where id = $1", "a.id = $1, b.id = $1"},
        {"select * from a natural join b where a.id = $1", "a.id = $1, b.id = $1"},
        {"select * from a full join b using (id) where id = $1", "a.id = $1, b.id = $1"},
        {"select * from a where k = $1 order by n limit 3", "a.k = $1"},
        {"select distinct on (s) * from a where k = $1", "a.k = $1"},
        {"select k, count(*) from a where k = $1 group by grouping sets ((k), ())", "a.k = $1"},
        {"select row_number() over (order by n) from a where k = $1", "a.k = $1"},
        {"select * from a where exists (select 1 from b where b.k = $1)", "a, b.k = $1"},
        {"select * from a where id = $1 and exists (select 1 from b where b.aid = a.id)",
         "a.id = $1, b.aid = $1"},
        {"select * from a join lateral (select * from b where b.aid = a.id) x on true "
         "where a.id = $1",
         "a.id = $1, b.aid = $1"},
        {"select * from a where k = $1 union all select * from b where k = $2 limit 5",
         "a.k = $1, b.k = $2"},
        {"select * from a where id = $1 and k in (select aid from b)", "a.id = $1, b"},
        {"select * from a where k = $1 and k in (select aid from b)", "a.k = $1, b.aid = $1"},
        {"select * from (select id, k from a) x where x.k = $1", "a.k = $1"},
        {"select * from (select id, k from a) x (p, q) where x.q = $1", "a.k = $1"},
        {"select * from a, a as a2 where a.id = $1 and a2.k = 5", "a.id = $1, a.k = ?"},
        {"with x as (select * from a where id = $1) select * from x", "a.id = $1"},
        {"with x as materialized (select 1 from b) select * from x, a where a.id = $1",
         "b, a.id = $1"},
    };
    CHECK(shapes);
}

/* A name is what PostgreSQL's scopes make of it. */
static void test_names_are_resolved_by_scope(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"with a as (select * from a where k = $1) select * from a", "a.k = $1"},
        {"with a as (select 1) select * from a where k = $1", ""},
        {"select * from b, lateral (select * from a where a.id = k) x, c where c.k = $1 "
         "and b.k = $2",
         "b.k = $2, a, c.k = $1"},
        {"select * from \"Mixed\" where \"Id\" = $1", "Mixed"},
        {"select * from \"Camel\" where \"Id\" = $1", "Camel.Id = $1"},
        {"select * from \"Camel\" where \"userName\" = $1", "Camel.userName = $1"},
        {"select * from \"Camel\" \"C\", a c where c.id = $1", "a, Camel"},
        {"select * from nowhere where id = $1", "!unfollowed "},
        {"select * from app.a where id = $1", "app.a.id = $1"},
    };
    CHECK(shapes);
}

static void test_refuses_what_is_not_known_to_be_harmless(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {"select random() from a where id = $1", "!volatile a.id = $1"},
        {"select mine(id) from a where id = $1", "!volatile a.id = $1"},
        {"select public.lower(s) from a where id = $1", "!volatile a.id = $1"},
        {"select a.mine from a where id = $1", "!volatile a.id = $1"},
        {"select * from a where id === $1", "!volatile a"},
        {"select * from a where id operator(public.=) $1", "!volatile a"},
        {"select current_date from a where id = $1", "!volatile a.id = $1"},
        {"select current_user", "!effects "},
        {"select current_setting('x')", "!effects "},
        {"select s::date from a where id = $1", "!volatile a.id = $1"},
        {"select date(s) from a where id = $1", "!volatile a.id = $1"},
        {"select lower(s)::timestamp from a where id = $1", "!volatile a.id = $1"},
        {"select ts::date, date(ts), date_trunc('day', ts)::date from a where id = $1",
         "a.id = $1"},
        {"select '12:00'::timetz", "!volatile "},
        {"select 'a'::regclass", "!system "},
        {"select 'x'::theirs", "!volatile "},
        {"select * from a for update", "!locks a"},
        {"select * from a tablesample system (1)", "!volatile a"},
        {"select * from pg_class", "!system pg_catalog.pg_class"},
        {"select * from pg_catalog.pg_class", "!system pg_catalog.pg_class"},
        {"select * from secret where id = $1", "!effects secret.id = $1"},
        {"select * from log where id = $1", "!unfollowed log.id = $1"},
        {"select * from odd where id = $1", "!volatile odd.id = $1"},
        {"select * from pg_temp.x", "!effects "},
        {"select xmin from a where id = $1", "!unfollowed a.id = $1"},
        {"select (a).id from a where id = $1", "!volatile a.id = $1"},
        {"select xmlelement(name x)", "!unknown "},
        {"select 1; select 2", "!unknown "},
        {"select * into x from a", "!no_read a"},
        {"update a set k = 1 where id = $1", "!no_read a.id = $1"},
        {"with x as (delete from a where id = $1 returning *) select * from x",
         "!no_read a.id = $1"},
        {"declare c cursor for select * from a", "!no_read "},
        {"begin", "!no_read "},
        {"explain select * from a", "!no_read "},
        {"select * from generate_series(1, 3) g", ""},
        {"select g.x from generate_series(1, 3) g", "!volatile "},
        {"select g.g, u.x from generate_series(1, 3) g, unnest($1::int[]) u(x)", ""},
        {"select * from a, jsonb_each($1::jsonb) e where a.id = $2 and e.key = 'x'", "a.id = $2"},
    };
    CHECK(shapes);
}

/* ---- statements ---- */

typedef struct found {
    char text[512];
    size_t len;
} found;

/* Ids are recognised by trying. */
static void on_id(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    static const char *const columns[] = {"id", "aid", "k", "u", "b", "d", "s"};
    found *f = user;
    const char *name = "?", *of = "";
    for (uint32_t i = 0; i < weir_schema_count(pg_schema()); i++) {
        const weir_schema_relation *r = weir_schema_at(pg_schema(), i);
        if (weir_relation_id(r->full) == relation)
            name = (const char *)r->name.data;
    }
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        if (column == weir_column_id(relation, weir_slice_cstr(columns[i])))
            of = columns[i];
    }
    char shown[32] = "";
    for (int64_t n = -100; n <= 100 && column; n++) {
        uint64_t id;
        if (weir_key_of_pg_integer(column, WEIR_KEY_PG_INTEGER, n, &id) == 0 && id == value)
            snprintf(shown, sizeof(shown), "=%lld", (long long)n);
    }
    if (column && !shown[0])
        snprintf(shown, sizeof(shown), "=#");
    f->len += (size_t)snprintf(f->text + f->len, sizeof(f->text) - f->len, "%s%s%s%s%s",
                               f->len ? " " : "", name, column ? "." : "", of, shown);
    assert_true(f->len < sizeof(f->text));
}

typedef struct param {
    uint32_t type;
    weir_value value;
} param;

static weir_value text_value(const char *text)
{
    return (weir_value){.type = WEIR_VALUE_TEXT, .u.bytes = weir_slice_cstr(text)};
}

/* Of a statement of the template that `sample` has. */
static const char *resolve(const char *sample, const char *text, const param *params, size_t count,
                           found *ret)
{
    weir_lexed l;
    weir_value values[8];
    uint32_t types[8];
    weir_arguments arguments = {
        .lexed = &l, .params = values, .param_count = count, .param_types = types, .utf8 = true};
    for (size_t i = 0; i < count; i++) {
        values[i] = params[i].value;
        types[i] = params[i].type;
    }
    ret->len = 0;
    ret->text[0] = '\0';
    weir_lexed_init(&l);
    weir_footprint *f = analyze(sample, &l);
    char template[512];
    snprintf(template, sizeof(template), "%.*s", (int)l.text.len, (const char *)l.text.data);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, weir_slice_cstr(text), &l), 0);
    assert_int_equal(strlen(template), l.text.len);
    assert_memory_equal(template, l.text.data, l.text.len);
    if (f->kind == WEIR_KIND_READ) {
        if (!weir_footprint_resolve(f, WEIR_DIALECT_POSTGRES, &arguments, on_id, ret))
            snprintf(ret->text, sizeof(ret->text), "now");
    } else if (f->touches_everything) {
        snprintf(ret->text, sizeof(ret->text), "everything: %s", f->touches_words);
    } else {
        weir_footprint_resolve_touches(f, &arguments, on_id, ret);
    }
    weir_footprint_free(f);
    weir_lexed_fini(&l);
    return ret->text;
}

static const char *ids(const char *text, const param *params, size_t count, found *ret)
{
    return resolve(text, text, params, count, ret);
}

static void test_literals_become_ids(void **state)
{
    (void)state;
    found f;
    assert_string_equal(ids("select 1 from a where id = 5", NULL, 0, &f), "a.id=5");
    assert_string_equal(ids("select 1 from a where id = '5'", NULL, 0, &f), "a.id=5");
    assert_string_equal(ids("select 1 from a where id = - 5", NULL, 0, &f), "a.id=-5");
    assert_string_equal(ids("select 1 from a where id in (1, 2, -3)", NULL, 0, &f),
                        "a.id=1 a.id=2 a.id=-3");
    assert_string_equal(ids("select 1 from a where id = any('{1, 2,NULL}')", NULL, 0, &f),
                        "a.id=1 a.id=2");
    assert_string_equal(ids("select 1 from a where id = any('{{1},{2}}')", NULL, 0, &f), "a");
    assert_string_equal(ids("select 1 from a where id = 5.0", NULL, 0, &f), "a");
    assert_string_equal(ids("select 1 from a where id = ' 5'", NULL, 0, &f), "a");
    assert_string_equal(ids("select 1 from a where id = E'\\x35'", NULL, 0, &f), "a");
    assert_string_equal(ids("select 1 from a where s = 'x'", NULL, 0, &f), "a.s=#");
    assert_string_equal(ids("select 1 from a where s = $$x$$", NULL, 0, &f), "a.s=#");
    assert_string_equal(ids("select 1 from a where s = U&'x'", NULL, 0, &f), "a");
    assert_string_equal(ids("select 1 from a where s = N'x'", NULL, 0, &f), "now");
    assert_string_equal(ids("select 1 from a where s = 'x\\y'", NULL, 0, &f), "a");
}

static void test_a_parameter_is_a_key_only_of_a_sure_type(void **state)
{
    (void)state;
    found f;
    static const uint8_t nine[4] = {0, 0, 0, 9};
    weir_value binary = {.type = WEIR_VALUE_BLOB, .u.bytes = weir_slice_make(nine, 4)};
    const param five[] = {{0, text_value("5")}}, declared[] = {{20, text_value("5")}},
                other[] = {{1700, text_value("5.0")}}, null[] = {{0, {.type = WEIR_VALUE_NULL}}},
                bytes[] = {{23, binary}}, both[] = {{0, text_value("5")}, {0, text_value("6")}};
    const char *text = "select 1 from a where id = $1";
    assert_string_equal(ids(text, five, 1, &f), "a.id=5");
    assert_string_equal(ids(text, declared, 1, &f), "a.id=5");
    assert_string_equal(ids(text, bytes, 1, &f), "a.id=9");
    assert_string_equal(ids(text, other, 1, &f), "a");
    assert_string_equal(ids(text, null, 1, &f), "a");
    assert_string_equal(ids(text, NULL, 0, &f), "a");
    /* The template's places, not the sample's numbers, say what takes a parameter. */
    const char *sample = "select 1 from a where n = $2 and id = $1";
    assert_string_equal(resolve(sample, sample, both, 2, &f), "a.id=5");
    assert_string_equal(resolve(sample, "select 1 from a where n = $1 and id = $1", both, 2, &f),
                        "a");
    assert_string_equal(resolve(sample, "select 1 from a where n = $1 and id = $2", both, 2, &f),
                        "a.id=6");
}

static void test_arrays_are_as_many_keys(void **state)
{
    (void)state;
    found f;
    static const uint8_t bytes[] = {0,    0,    0,    1,    0, 0, 0, 1, 0, 0, 0, 23, 0, 0,
                                    0,    3,    0,    0,    0, 1, 0, 0, 0, 4, 0, 0,  0, 7,
                                    0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 4, 0, 0, 0, 8};
    weir_value binary = {.type = WEIR_VALUE_BLOB, .u.bytes = weir_slice_make(bytes, sizeof(bytes))};
    const param text[] = {{0, text_value("{1,2}")}}, typed[] = {{1007, text_value("{\"3\"}")}},
                wrong[] = {{1009, text_value("{3}")}}, bin[] = {{1007, binary}},
                empty[] = {{0, text_value("{}")}};
    const char *any = "select 1 from a where id = any($1)";
    assert_string_equal(ids(any, text, 1, &f), "a.id=1 a.id=2");
    assert_string_equal(ids(any, typed, 1, &f), "a.id=3");
    assert_string_equal(ids(any, wrong, 1, &f), "a");
    assert_string_equal(ids(any, bin, 1, &f), "a.id=7 a.id=8");
    assert_string_equal(ids(any, empty, 1, &f), "a");
    assert_string_equal(ids("select 1 from a where id = any($1::int8[])", text, 1, &f),
                        "a.id=1 a.id=2");
    assert_string_equal(ids("select 1 from a where id = $1", text, 1, &f), "a");
}

/* notes/cache-rule-proofs.md 36. */
static void test_now_in_a_value_is_not_kept(void **state)
{
    (void)state;
    found f;
    const param now[] = {{0, text_value("now")}};
    assert_string_equal(ids("select 1 from a where d = 'today'", NULL, 0, &f), "now");
    assert_string_equal(ids("select 1 from a where ts > 'NOW '", NULL, 0, &f), "now");
    assert_string_equal(ids("select 1 from a where ts > $1", now, 1, &f), "now");
    assert_string_equal(ids("select 'to' || 'day' from a where id = 1", NULL, 0, &f), "a.id=1");
    assert_string_equal(ids("select 'yesterday'::date", NULL, 0, &f), "now");
    assert_string_equal(ids("select 'x now' from a where id = 1", NULL, 0, &f), "now");
    assert_string_equal(ids("select 1 from a where s = 'now'", NULL, 0, &f), "a.s=#");
    assert_string_equal(ids("select 1 from a where s like 'now%'", NULL, 0, &f), "a");
    assert_string_equal(ids("select 'now'::text from a where id = 1", NULL, 0, &f), "a.id=1");
    assert_string_equal(ids("select 'unknown', 'snow' from a where id = 1", NULL, 0, &f), "a.id=1");
    assert_string_equal(ids("select U&'\\006eow' from a where id = 1", NULL, 0, &f), "now");
    assert_string_equal(resolve("select 1 from a where d = 'x'",
                                "select 1 from a where d = E'\\x6eow'", NULL, 0, &f),
                        "now");
}

/* More values than are recorded: all of the relation, and still no date. */
static void test_a_list_longer_than_what_is_recorded(void **state)
{
    (void)state;
    found f;
    char text[1024] = "select 1 from a where s in ('now'";
    for (unsigned i = 0; i < 80; i++)
        strcat(text, ", 'x'");
    strcat(text, ")");
    assert_string_equal(resolve("select 1 from a where s in ('x', 'y')", text, NULL, 0, &f), "a");
    memcpy(strstr(text, "s in"), "d in", 4);
    assert_string_equal(resolve("select 1 from a where d in ('x', 'y')", text, NULL, 0, &f), "now");
}

static void test_writes_touch(void **state)
{
    (void)state;
    found f;
    const param two[] = {{0, text_value("1")}, {0, text_value("2")}};
    assert_string_equal(ids("update a set n = 1 where id = $1", two, 1, &f), "a a.id=1");
    assert_string_equal(ids("update a set n = 1 where id = $1 and k = 7", two, 1, &f),
                        "a a.id=1 a.k=7");
    assert_string_equal(ids("update a set id = $2 where id = $1", two, 2, &f), "a a.id=1 a.id=2");
    assert_string_equal(ids("update a set id = id + 1 where id = $1", two, 1, &f), "a");
    assert_string_equal(
        ids("update a set n = 1 from b where a.id = b.aid and b.aid = 3", NULL, 0, &f), "a a.id=3");
    assert_string_equal(ids("delete from a where id in (1, 2)", NULL, 0, &f), "a a.id=1 a.id=2");
    assert_string_equal(ids("delete from a using b where a.k = b.k and b.k = 4", NULL, 0, &f),
                        "a a.k=4");
    assert_string_equal(ids("insert into a (id, k, n) values ($1, $2, 3)", two, 2, &f),
                        "a a.k=2 a.id=1");
    assert_string_equal(ids("insert into a values (1, 2, 3)", NULL, 0, &f),
                        "a a.k=3 a.aid=2 a.id=1");
    assert_string_equal(ids("insert into a (id, k) values (1, default)", NULL, 0, &f), "a a.id=1");
    assert_string_equal(ids("insert into a (id) values (1), (2)", NULL, 0, &f), "a a.id=1 a.id=2");
    /* Rows that the template elides are each told by their own values. */
    assert_string_equal(ids("insert into a (id, n) values (1, 7), (2, 8), (3, 9)", NULL, 0, &f),
                        "a a.id=1 a.id=2 a.id=3");
    assert_string_equal(ids("insert into a (id, n) values (1, 7), (now(), 8)", NULL, 0, &f), "a");
    assert_string_equal(ids("insert into a (id, n) values (1, default), (2, default)", NULL, 0, &f),
                        "a");
    assert_string_equal(ids("insert into a (id) select 5", NULL, 0, &f), "a");
    assert_string_equal(
        ids("insert into a (id, k) values (1, 2) on conflict do nothing", NULL, 0, &f),
        "a a.k=2 a.id=1");
    assert_string_equal(ids("insert into a (id, k) values (1, 2) on conflict (id) do update set "
                            "n = 1",
                            NULL, 0, &f),
                        "a a.id=1");
    assert_string_equal(ids("insert into a (id, k) values (1, 2) on conflict on constraint x do "
                            "update set n = 1",
                            NULL, 0, &f),
                        "a");
    assert_string_equal(ids("insert into a (s) values ('x ')", NULL, 0, &f), "a");
}

/* Rows that the ON finds, and rows that are inserted, where both have a value that is known. */
static void test_merge_touches(void **state)
{
    (void)state;
    found f;
    const param two[] = {{0, text_value("1")}, {0, text_value("2")}};
    const struct {
        const char *text, *touches;
    } cases[] = {
        {"merge into a using (select $1::int as i) s on a.id = s.i when matched then delete",
         "a a.id=1"},
        {"merge into a x using (select $1::int as i, $2::int as j) s on s.i = x.id and s.j > 0 "
         "when matched then update set n = 1 when not matched then insert (id, k) values (s.i, "
         "s.j)",
         "a a.id=1 a.id=1"},
        {"merge into a x using (select $1::int as i, $2::int as j) s on x.id = s.i "
         "when not matched then insert (k, id) values (s.i, s.j) when matched then update set n = "
         "1",
         "a a.id=2 a.id=1"},
        {"merge into a x using (select $1::int as i, $2::int as j) s on x.id = s.i "
         "when not matched then insert (k) values (s.j)",
         "a"},
        {"merge into a x using (select $1::int as i) s on x.id = s.i "
         "when not matched then insert default values",
         "a"},
        {"merge into a x using (select $1::int as i) s on x.id = s.i "
         "when matched then update set id = s.i + 1",
         "a"},
        {"merge into a x using (select $1::int as i) s on x.id = s.i or x.n = 2 "
         "when matched then delete",
         "a"},
        {"merge into a x using (select $1::text as i) s on x.id = s.i when matched then delete",
         "a"},
        {"merge into a x using (select 1 as i) s on x.id = s.i when matched then delete", "a"},
        {"merge into a x using (select $1::int as i from b) s on x.id = s.i "
         "when matched then delete",
         "a"},
        {"merge into a x using (select $1::int as i) s (n) on x.id = s.n when matched then delete",
         "a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(ids(cases[i].text, two, 2, &f), cases[i].touches);
}

static void test_what_else_writes_touch(void **state)
{
    (void)state;
    found f;
    assert_string_equal(
        ids("merge into a using b on a.id = b.id when matched then delete", NULL, 0, &f), "a");
    assert_string_equal(ids("truncate a, b", NULL, 0, &f), "b a");
    assert_string_equal(ids("truncate a cascade", NULL, 0, &f),
                        "everything: truncates whatever refers to its tables");
    assert_string_equal(ids("copy a from stdin", NULL, 0, &f), "a");
    assert_string_equal(ids("with x as (update a set n = 1 where id = 1 returning *) "
                            "insert into b (id) select id from x",
                            NULL, 0, &f),
                        "b a a.id=1");
    assert_string_equal(
        ids("with x as (delete from a where id = 1) update a set n = 1 where id = 2", NULL, 0, &f),
        "a");
    assert_string_equal(ids("update v set n = 1 where id = 1", NULL, 0, &f), "v a b");
    assert_string_equal(ids("commit prepared 'x'", NULL, 0, &f),
                        "everything: ends what another transaction prepared");
    assert_string_equal(ids("commit", NULL, 0, &f), "");
    assert_string_equal(ids("notify x", NULL, 0, &f), "");
    assert_string_equal(ids("explain analyze delete from a", NULL, 0, &f),
                        "everything: is of a kind whose writes are not known");
    assert_string_equal(ids("do 'x'", NULL, 0, &f),
                        "everything: is of a kind whose writes are not known");
    assert_string_equal(ids("update nowhere set n = 1", NULL, 0, &f),
                        "everything: writes a relation that is not known");
    assert_string_equal(ids("update fired set n = 1 where id = 1", NULL, 0, &f),
                        "everything: fires triggers or rules that may write anything");
    assert_string_equal(ids("insert into leaf (id) values (1)", NULL, 0, &f),
                        "leaf leaf.id=1 root root.id=1");
    assert_string_equal(ids("insert into root (id) values (1)", NULL, 0, &f),
                        "root root.id=1 leaf leaf.id=1");
    assert_string_equal(ids("insert into parent (id) values (1)", NULL, 0, &f),
                        "parent parent.id=1 child");
    assert_string_equal(ids("delete from parent where id = 1", NULL, 0, &f),
                        "parent parent.id=1 child");
    assert_string_equal(ids("delete from tree where id = 1", NULL, 0, &f), "tree");
    assert_string_equal(ids("insert into tree (id) values (1)", NULL, 0, &f), "tree tree.id=1");
    assert_string_equal(ids("insert into stamped (id) values (1)", NULL, 0, &f), "stamped");
    assert_string_equal(ids("update stamped set n = 1 where id = 1", NULL, 0, &f), "stamped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conjuncts_of_where_are_keys),
        cmocka_unit_test(test_what_is_no_key_is_the_whole_relation),
        cmocka_unit_test(test_shapes_that_deceive),
        cmocka_unit_test(test_shapes_that_are_sound),
        cmocka_unit_test(test_names_are_resolved_by_scope),
        cmocka_unit_test(test_refuses_what_is_not_known_to_be_harmless),
        cmocka_unit_test(test_literals_become_ids),
        cmocka_unit_test(test_a_parameter_is_a_key_only_of_a_sure_type),
        cmocka_unit_test(test_arrays_are_as_many_keys),
        cmocka_unit_test(test_now_in_a_value_is_not_kept),
        cmocka_unit_test(test_a_list_longer_than_what_is_recorded),
        cmocka_unit_test(test_writes_touch),
        cmocka_unit_test(test_merge_touches),
        cmocka_unit_test(test_what_else_writes_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
