/* What bodies of functions and names of statements tell: a table of bodies, each with the effects
 * it has, and a catalog fed by hand. HAZARDS "Wire protocol and pooling": state changed by
 * functions. */
#include "failalloc.h"
#include "sql/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SET = WEIR_EFFECT_SET,
    TEMP = WEIR_EFFECT_TEMP,
    LOCK = WEIR_EFFECT_ADVISORY_LOCK,
    UNKNOWN = WEIR_EFFECT_UNKNOWN,
    WRITES = WEIR_EFFECT_WRITES,
    ANYTHING = UNKNOWN | WRITES,
    UNDO = WEIR_EFFECT_UNDO
};

typedef struct body_case {
    weir_language language;
    unsigned effects;
    const char *body;
} body_case;

static const body_case bodies[] = {
    {WEIR_LANGUAGE_PLPGSQL, 0, ""},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin return 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform set_config('a.b', 'c', false); end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform pg_catalog.set_config('a.b', f(1, 2), false); end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform \"set_config\"('a.b', 'c', x); end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform SET_CONFIG ( 'a.b', 'c', true and x ); end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform set_config('a.b', 'c', not true); end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin perform set_config('a.b', f(a, b), true); end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin perform set_config('a.b', 'c', 'true'); end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin perform set_config('a.b', 'c', true"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin -- set_config('a', 'b', false)\n return 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin /* set x = 1; /* nested */ set y = 2; */ return 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin raise notice 'set x = 1; listen y'; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin update t set x = 1 where y; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0,
     "begin insert into t values (1) on conflict do update set x = 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin set search_path = a; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin if x then SET ROLE y; end if; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin <<here>> set session x = 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin for x in 1..2 loop set a.b = 1; end loop; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin if x then null; else set a.b = 1; end if; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin exception when others then set a to b; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin set \"a\".b = 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin set local work_mem = 1; set constraints all deferred; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin set transaction read only; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNDO, "begin reset all; end"},
    {WEIR_LANGUAGE_PLPGSQL, LOCK, "begin perform pg_advisory_lock(1); end"},
    {WEIR_LANGUAGE_PLPGSQL, LOCK, "begin if pg_try_advisory_lock_shared(1, 2) then end if; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin perform pg_advisory_xact_lock(1); end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin pg_advisory_lock := 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_LISTEN, "begin listen a; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNDO, "begin unlisten *; end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_NOTIFY, "begin notify a, 'b'; end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_NOTIFY, "begin perform pg_notify('a', 'b'); end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP, "begin create temp table x (a int); end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP, "begin create local temporary table x as select 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP, "begin create or replace temp view x as select 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP, "begin create temp table x (a int) on commit delete rows; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin create temp table x (a int) on commit drop; end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP,
     "begin create temp table x (a int); create temp table y (a int) on commit drop; end"},
    {WEIR_LANGUAGE_PLPGSQL, TEMP, "begin insert into pg_temp.x values (1); end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin set local search_path = a, pg_temp; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "declare temp int; begin temp := 1; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute q; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute 'select ' || q; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute format('insert into %I', t); end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute E'select \\x'; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin for r in execute q loop end loop; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin return query execute q; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin execute 'select 1' into x; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin execute $q$ select 'set x' $q$ using a; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin execute 'set a.b = 1'; end"},
    {WEIR_LANGUAGE_PLPGSQL, SET, "begin execute 'select set_config(''a'', ''b'', false)'; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin execute 'select set_config(''a'', ''b'', true)'; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute 'do $$ begin end $$'; end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin execute 'execute p'; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin execute 'grant execute on function f() to x'; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin grant execute on function f() to x; end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_SEQUENCE, "begin return currval('s'); end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_SEED, "begin perform setseed(0.5); end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_LOAD, "begin load 'x'; end"},
    {WEIR_LANGUAGE_PLPGSQL, 0, "begin x.load := 1; perform load(1); end"},
    {WEIR_LANGUAGE_PLPGSQL, WEIR_EFFECT_DO, "begin perform dblink_connect('x'); end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin perform U&\"s\\0065t_config\"('a', 'b', false); end"},
    {WEIR_LANGUAGE_PLPGSQL, UNKNOWN, "begin raise notice 'it does not end"},
    {WEIR_LANGUAGE_PLPGSQL, SET | LOCK, "begin set a = 1; perform pg_advisory_lock(1); end"},
    {WEIR_LANGUAGE_SQL, SET, "select set_config('a', 'b', false)"},
    {WEIR_LANGUAGE_SQL, SET, "set a.b = 1"},
    {WEIR_LANGUAGE_SQL, SET, "select 1; set a.b = 1"},
    {WEIR_LANGUAGE_SQL, TEMP, "select 1 as a into temp x"},
    {WEIR_LANGUAGE_SQL, WEIR_EFFECT_PREPARE, "prepare p as select 1"},
    {WEIR_LANGUAGE_SQL, WEIR_EFFECT_PREPARE, "execute p"},
    {WEIR_LANGUAGE_SQL, WEIR_EFFECT_DISCARD, "deallocate all"},
    {WEIR_LANGUAGE_SQL, WEIR_EFFECT_HOLD_CURSOR, "declare c cursor with hold for select 1"},
    {WEIR_LANGUAGE_SQL, 0, "declare c cursor without hold for select 1"},
    {WEIR_LANGUAGE_SQL, UNKNOWN, "do $$ begin end $$"},
    {WEIR_LANGUAGE_SQL, 0, "select case when a then b else c end from t"},
    {WEIR_LANGUAGE_OTHER, 0, "return 1 + int(x)"},
    {WEIR_LANGUAGE_OTHER, UNKNOWN, "plpy.execute('select 1')"},
    {WEIR_LANGUAGE_OTHER, UNKNOWN, "GD['x'] = 1"},
    {WEIR_LANGUAGE_OTHER, UNKNOWN, "# set_config"},
    {WEIR_LANGUAGE_OTHER, UNKNOWN, "$_SHARED{x} = 1"},
};

static void test_a_body_has_the_effects_that_it_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        weir_body b;
        /* Its own block, so that a look behind its end is found. */
        size_t n = strlen(bodies[i].body);
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, bodies[i].body, n);
        char *exact = realloc(copy, n ? n : 1);
        assert_non_null(exact);
        weir_body_scan(bodies[i].language, weir_slice_make(exact, n), NULL, &b);
        if (b.effects != bodies[i].effects)
            fail_msg("%s: effects %x (%s), expected %x", bodies[i].body, b.effects, b.what,
                     bodies[i].effects);
        assert_true((b.effects == 0) == (b.what[0] == '\0'));
        free(exact);
    }
}

static void test_the_line_and_the_word_are_told(void **state)
{
    (void)state;
    weir_body b;
    weir_body_scan(WEIR_LANGUAGE_PLPGSQL,
                   WEIR_SLICE_LIT("\nbegin\n  perform set_config('a', 'b', false);\nend"), NULL,
                   &b);
    assert_int_equal(b.line, 3);
    assert_string_equal(b.what, "set_config");
}

static void on_setting(void *user, weir_slice name)
{
    assert_true(name.len < 20);
    memcpy(user, name.data, name.len);
    ((char *)user)[name.len] = '\0';
}

static void test_literal_names_of_settings_are_told(void **state)
{
    (void)state;
    char name[20] = "";
    weir_body b;
    weir_body_visitor v = {.setting = on_setting, .user = name};
    weir_body_scan(WEIR_LANGUAGE_SQL, WEIR_SLICE_LIT("select set_config('app.user', $1, false)"),
                   &v, &b);
    assert_string_equal(name, "app.user");
}

/* ---- a catalog ---- */

static weir_slice text_of(const char *text)
{
    return text ? weir_slice_cstr(text) : (weir_slice){NULL, 0};
}

static int feed(weir_server_builder *b, const char *const *row, unsigned count)
{
    weir_slice values[12];
    for (unsigned i = 0; i < count; i++)
        values[i] = text_of(row[i]);
    return weir_server_row(b, values, count);
}

#define ROW(b, ...)                                                                                \
    feed(b, (const char *const[]){__VA_ARGS__},                                                    \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static int function(weir_server_builder *b, const char *oid, const char *name, const char *language,
                    const char *body)
{
    return ROW(b, "F", oid, "app", name, language, "v", "f", NULL, "f", body, "f",
               body && *body ? "f" : "t");
}

static int fill(weir_server_builder *b)
{
    int r = ROW(b, "V", "150004");
    if (r == 0)
        r = ROW(b, "K", "values");
    if (r == 0)
        r = ROW(b, "B", "lower");
    if (r == 0)
        r = ROW(b, "B", "query_to_xml");
    if (r == 0)
        r = ROW(b, "B", "set_config");
    if (r == 0)
        r = function(b, "20001", "login", "plpgsql",
                     "begin perform set_config('a.b','',false); end");
    if (r == 0)
        r = function(b, "20002", "outer", "sql", "select app.login()");
    if (r == 0)
        r = function(b, "20003", "harmless", "sql",
                     "select lower('X'), set_config('a.b', '', true)");
    if (r == 0)
        r = function(b, "20004", "locks", "plpgsql", "begin perform pg_advisory_lock(1); end");
    if (r == 0)
        r = function(b, "20005", "writer", "sql", "insert into audited values (1)");
    if (r == 0)
        r = function(b, "20006", "reader", "sql", "select * from audited");
    if (r == 0)
        r = function(b, "20007", "loop_a", "sql", "select loop_b()");
    if (r == 0)
        r = function(b, "20008", "loop_b", "sql", "select loop_a(), login()");
    if (r == 0)
        r = ROW(b, "F", "20009", "app", "native", "c", "v", "f", NULL, "f", "x", "f", "f");
    if (r == 0)
        r = ROW(b, "F", "20010", "public", "dblink_connect", "c", "v", "f", "dblink", "f", "x", "f",
                "f");
    if (r == 0)
        r = ROW(b, "F", "20011", "public", "similarity", "c", "i", "f", "pg_trgm", "f", "x", "f",
                "f");
    if (r == 0)
        r = ROW(b, "C", "30001", "app", "audited");
    if (r == 0)
        r = ROW(b, "C", "30002", "app", "shown");
    if (r == 0)
        r = ROW(b, "C", "30003", "app", "plain");
    if (r == 0)
        r = ROW(b, "E", "w", "30001", "f", "20004");
    if (r == 0)
        r = ROW(b, "E", "r", "30002", "b", "set_config");
    if (r == 0)
        r = ROW(b, "S", "work_mem", "user", "integer", "4096", "4096");
    if (r == 0)
        r = ROW(b, "S", "DateStyle", "user", "string", "ISO", "ISO");
    return r == 0 ? ROW(b, "R", "alice", "f", "t", "-1", NULL) : r;
}

static weir_server_catalog *catalog(const weir_server_bounds *bounds)
{
    weir_server_builder *b = NULL;
    weir_server_catalog *c = NULL;
    assert_int_equal(weir_server_builder_new(bounds, &b), 0);
    assert_int_equal(fill(b), 0);
    assert_int_equal(weir_server_finish(b, 7, NULL, &c), 0);
    weir_server_builder_free(b);
    return c;
}

static unsigned effects_of(const char *text, weir_kind kind, const weir_server_catalog *c,
                           bool stale)
{
    uint64_t names[WEIR_MENTIONS_MAX];
    weir_mentions m = {.names = names};
    m.count = weir_mentions_collect(weir_slice_cstr(text), names, &m.over);
    return weir_mentions_effects(&m, kind, c, stale);
}

static void test_statements_have_the_effects_of_what_they_use(void **state)
{
    (void)state;
    static const struct {
        weir_kind kind;
        unsigned effects;
        const char *text;
    } cases[] = {
        {WEIR_KIND_READ, 0, "select 1"},
        {WEIR_KIND_READ, 0, "select lower(a) from plain"},
        {WEIR_KIND_READ, 0, "select app.harmless(), similarity(a, b)"},
        {WEIR_KIND_READ, SET, "select login()"},
        {WEIR_KIND_READ, SET, "select app.\"login\" ( )"},
        {WEIR_KIND_READ, 0, "select login from plain"},
        {WEIR_KIND_READ, 0, "select \"LOGIN\" from plain"},
        {WEIR_KIND_READ, ANYTHING, "select \"LOGIN\"() from plain"},
        {WEIR_KIND_READ, SET, "select x from a join lateral outer() on true"},
        {WEIR_KIND_READ, SET, "select loop_a()"},
        {WEIR_KIND_READ, SET, "select loop_b()"},
        {WEIR_KIND_READ, SET, "select * from app.shown"},
        {WEIR_KIND_WRITE, SET, "insert into shown values (1)"},
        {WEIR_KIND_READ, 0, "select * from audited"},
        {WEIR_KIND_WRITE, LOCK, "insert into audited (a, b) values (1, 2)"},
        {WEIR_KIND_COPY, LOCK, "copy audited (a) from stdin"},
        {WEIR_KIND_READ, LOCK | WRITES, "select writer()"},
        {WEIR_KIND_READ, 0, "select reader()"},
        {WEIR_KIND_READ, ANYTHING, "select native()"},
        {WEIR_KIND_READ, ANYTHING, "select dblink_connect(a)"},
        {WEIR_KIND_READ, ANYTHING, "select query_to_xml(a)"},
        {WEIR_KIND_READ, ANYTHING, "select made_since()"},
        {WEIR_KIND_READ, 0, "with recursive cte(n) as (select 1) select * from cte"},
        {WEIR_KIND_READ, 0, "select * from (values (1)) as v(a)"},
        {WEIR_KIND_READ, 0, "select * from (values (1)) v(a)"},
        {WEIR_KIND_WRITE, 0, "insert into s.plain (a) values (1)"},
        {WEIR_KIND_TRANSACTION, 0, "commit"},
        {WEIR_KIND_READ, SET | LOCK | ANYTHING, "select U&\"l\\006Fgin\"()"},
    };
    weir_server_catalog *c = catalog(&weir_server_bounds_usual);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsigned effects = effects_of(cases[i].text, cases[i].kind, c, false);
        if (effects != cases[i].effects)
            fail_msg("%s: effects %x, expected %x", cases[i].text, effects, cases[i].effects);
    }
    weir_server_catalog_free(c);
}

static void test_nothing_is_trusted_while_the_catalog_is_not_known_or_out_of_date(void **state)
{
    (void)state;
    weir_server_catalog *unknown = NULL, *c = catalog(&weir_server_bounds_usual);
    assert_int_equal(weir_server_unknown(1, &unknown), 0);
    assert_int_equal(effects_of("select a from plain", WEIR_KIND_READ, unknown, false), ANYTHING);
    assert_int_equal(effects_of("select a from plain", WEIR_KIND_READ, c, true), ANYTHING);
    assert_int_equal(effects_of("select 1", WEIR_KIND_READ, unknown, false), 0);
    assert_int_equal(effects_of("begin", WEIR_KIND_TRANSACTION, unknown, true), 0);
    weir_server_catalog_free(unknown);
    weir_server_catalog_free(c);
}

static void test_more_names_than_are_kept_mean_all_suspects(void **state)
{
    (void)state;
    weir_server_catalog *c = catalog(&weir_server_bounds_usual);
    char text[WEIR_MENTIONS_MAX * 8 + 32] = "select ";
    size_t len = strlen(text);
    for (unsigned i = 0; i <= WEIR_MENTIONS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "c%u,", i);
    assert_int_equal(effects_of(text, WEIR_KIND_READ, c, false), SET | LOCK | ANYTHING);
    weir_server_catalog_free(c);
}

static void test_beyond_its_bounds_a_catalog_is_not_whole_and_nothing_is_trusted(void **state)
{
    (void)state;
    static const weir_server_bounds tight[] = {{1u << 20, 5, 1000, 100},
                                               {1u << 20, 1000, 3, 100},
                                               {1u << 20, 1000, 1000, 0},
                                               {64, 1000, 1000, 100}};
    for (size_t i = 0; i < sizeof(tight) / sizeof(*tight); i++) {
        weir_server_catalog *c = catalog(&tight[i]);
        assert_false(weir_server_is_whole(c));
        assert_true(strlen(weir_server_partial(c)) > 0);
        assert_true(effects_of("select harmless()", WEIR_KIND_READ, c, false) & ANYTHING);
        weir_server_catalog_free(c);
    }
}

static void test_suspects_are_told_with_the_reason(void **state)
{
    (void)state;
    weir_server_catalog *c = catalog(&weir_server_bounds_usual);
    weir_server_totals t;
    weir_server_total(c, &t);
    bool login = false, outer = false, audited = false;
    for (uint32_t i = 0; i < t.suspects; i++) {
        const weir_server_suspect *s = weir_server_suspect_at(c, i);
        if (weir_slice_eq_cstr(s->name, "login"))
            login = strcmp(s->why, "set_config at line 1") == 0;
        if (weir_slice_eq_cstr(s->name, "outer"))
            outer = strcmp(s->why, "by app.login: set_config at line 1") == 0;
        if (weir_slice_eq_cstr(s->name, "audited"))
            audited = s->kind == WEIR_SERVER_WRITE &&
                      strcmp(s->why, "by app.locks: pg_advisory_lock at line 1") == 0;
        assert_false(weir_slice_eq_cstr(s->name, "harmless"));
    }
    assert_true(login && outer && audited);
    assert_int_equal(t.version, 150004);
    assert_int_equal(t.functions, 11);
    weir_server_catalog_free(c);
}

static void test_settings_and_roles_are_found(void **state)
{
    (void)state;
    weir_server_catalog *c = catalog(&weir_server_bounds_usual);
    const weir_server_setting *s = weir_server_find_setting(c, WEIR_SLICE_LIT("datestyle"));
    assert_non_null(s);
    assert_true(weir_slice_eq_cstr(s->name, "DateStyle"));
    assert_non_null(weir_server_find_setting(c, WEIR_SLICE_LIT("WORK_MEM")));
    assert_null(weir_server_find_setting(c, WEIR_SLICE_LIT("work")));
    const weir_server_role *r = weir_server_find_role(c, WEIR_SLICE_LIT("alice"));
    assert_non_null(r);
    assert_true(r->login && !r->superuser && r->connection_limit == -1);
    assert_null(weir_server_find_role(c, WEIR_SLICE_LIT("bob")));
    weir_server_catalog_free(c);
}

static void test_names_meet_as_the_server_has_them(void **state)
{
    (void)state;
    char long_name[101];
    memset(long_name, 'a', 100);
    long_name[100] = '\0';
    /* The server cuts at 63 bytes. */
    assert_true(weir_server_name(weir_slice_make(long_name, 63)) ==
                weir_server_name(weir_slice_make(long_name, 100)));
    assert_true(weir_server_name(weir_slice_make(long_name, 40)) !=
                weir_server_name(weir_slice_make(long_name, 41)));
    /* One name in UTF-8 and in LATIN1. */
    assert_true(weir_server_name(WEIR_SLICE_LIT("caf\xc3\xa9")) ==
                weir_server_name(WEIR_SLICE_LIT("caf\xe9")));
    assert_int_equal(weir_server_name(WEIR_SLICE_LIT("x")) & 3, 0);
}

/* Rows come from a server, which may be anything. */
static void test_rows_of_another_form_are_skipped(void **state)
{
    (void)state;
    weir_server_builder *b = NULL;
    assert_int_equal(weir_server_builder_new(&weir_server_bounds_usual, &b), 0);
    assert_int_equal(ROW(b, "F", "1"), 0);
    assert_int_equal(ROW(b, "E", "q", "1", "z", "2"), 0);
    assert_int_equal(ROW(b, "E", NULL, NULL, NULL, NULL), 0);
    assert_int_equal(ROW(b, NULL), 0);
    assert_int_equal(ROW(b, "P", "-", "x"), 0);
    assert_int_equal(ROW(b, "F", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     0);
    assert_int_equal(ROW(b, "R", NULL, NULL, NULL, NULL, NULL), 0);
    weir_server_builder_free(b);
}

static void test_fingerprints_are_read_with_their_sign(void **state)
{
    (void)state;
    weir_fingerprints f = {0, 0, 0};
    const weir_slice row[] = {text_of("P"), text_of("-12"), text_of("12"), text_of("0")};
    assert_true(weir_server_fingerprints(row, 4, &f));
    assert_true(f.schema != f.defaults && f.defaults == 12 && f.roles == 0);
}

/* Whatever allocation fails: -ENOMEM, nothing is lost, no catalog that claims to be whole. */
static void build_once(void *user)
{
    (void)user;
    weir_server_builder *b = NULL;
    weir_server_catalog *c = NULL;
    int r = weir_server_builder_new(&weir_server_bounds_usual, &b);
    if (r == 0)
        r = fill(b);
    if (r == 0)
        r = weir_server_finish(b, 7, NULL, &c);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_server_builder_free(b);
    weir_server_catalog_free(c);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(200, build_once, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_has_the_effects_that_it_has),
        cmocka_unit_test(test_the_line_and_the_word_are_told),
        cmocka_unit_test(test_literal_names_of_settings_are_told),
        cmocka_unit_test(test_statements_have_the_effects_of_what_they_use),
        cmocka_unit_test(test_nothing_is_trusted_while_the_catalog_is_not_known_or_out_of_date),
        cmocka_unit_test(test_more_names_than_are_kept_mean_all_suspects),
        cmocka_unit_test(test_beyond_its_bounds_a_catalog_is_not_whole_and_nothing_is_trusted),
        cmocka_unit_test(test_suspects_are_told_with_the_reason),
        cmocka_unit_test(test_settings_and_roles_are_found),
        cmocka_unit_test(test_names_meet_as_the_server_has_them),
        cmocka_unit_test(test_rows_of_another_form_are_skipped),
        cmocka_unit_test(test_fingerprints_are_read_with_their_sign),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
