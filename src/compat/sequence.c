/* Sequences: rows of a table of Weir's own, weir_sequences, each with a view of its name, which is
 * what the catalogue knows of it and what SELECT last_value FROM asks. CREATE, ALTER and DROP
 * SEQUENCE are scripts; nextval and setval are upserts, which run inside the statement that calls
 * them and in its transaction.
 *
 * A comment in the view's text says whose the sequence is: a column's (SERIAL, OWNED BY: 's', AS
 * IDENTITY: 'a' always, 'd' by default), which is the first whose DEFAULT draws from it, or
 * nobody's
 * ('-'). So it follows a table or column that gets another name. The numbers of an INTEGER PRIMARY
 * KEY are SQLite's: its sequence ('k') is in the catalogue alone and goes on from the largest. */
#include "compat/sequence.h"
#include "compat/alter_internal.h"
#include "compat/run.h"

static const char table[] =
    "CREATE TABLE IF NOT EXISTS weir_sequences (name TEXT NOT NULL PRIMARY KEY, value INTEGER, "
    "called INTEGER, start INTEGER, increment INTEGER, least INTEGER, most INTEGER, cycles "
    "INTEGER);\n";

#define WHERE_ANY WEIR_FACE_WHERE "weir_sequences */ "
#define KIND_MARK "/* sequence: "

typedef struct sequence {
    char name[256];
    int64_t start, increment, least, most, restart;
    char kind; /* see above */
    bool has_start, has_increment, has_least, has_most, cycles, no_cycle, restarts, has_restart;
} sequence;

static int refuse(weir_error *err, const char *state, const char *words, const char *name)
{
    weir_error_set(err, state, "%s%s", words, name);
    return WEIR_COMPAT_REFUSED;
}

static bool take_integer(weir_slice *rest, int64_t *ret)
{
    bool negative = weir_token_accept(rest, "-");
    weir_token t = weir_token_next(rest);
    if (t.kind != WEIR_TOKEN_NUMBER || !weir_number_integer(t.text, ret))
        return false;
    *ret = negative ? -*ret : *ret;
    return true;
}

static bool take_name(weir_slice *rest, sequence *s)
{
    weir_token t = weir_token_next(rest);
    if (weir_token_accept(rest, "."))
        t = weir_token_next(rest);
    weir_compat_name_fold(t.text, s->name, sizeof(s->name));
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

/* The type only bounds it. */
static bool take_type(weir_slice *rest, sequence *s)
{
    weir_token t = weir_token_next(rest);
    bool two = weir_token_is(t, "smallint") || weir_token_is(t, "int2");
    bool four = weir_token_is(t, "integer") || weir_token_is(t, "int") || weir_token_is(t, "int4");
    if ((two || four) && !s->has_most) {
        s->most = two ? INT16_MAX : INT32_MAX;
        s->has_most = true;
    }
    return two || four || weir_token_is(t, "bigint") || weir_token_is(t, "int8");
}

/* [OWNED] BY table.column | NONE; of an identity column ALWAYS or DEFAULT follows (define.c). */
static bool take_owner(weir_slice *rest, sequence *s)
{
    if (!weir_token_accept(rest, "by"))
        return false;
    s->kind = weir_token_is(weir_token_peek(*rest), "none") ? '-' : 's';
    do {
        (void)weir_token_next(rest);
    } while (weir_token_accept(rest, "."));
    if (weir_token_accept(rest, "always"))
        s->kind = 'a';
    else if (weir_token_accept(rest, "default"))
        s->kind = 'd';
    return true;
}

/* 1: taken; 0: it is none; else an error. */
static bool take_option(weir_slice *rest, sequence *s)
{
    int64_t ignored = 0;
    if (weir_token_accept(rest, "as"))
        return take_type(rest, s);
    if (weir_token_accept(rest, "increment")) {
        (void)weir_token_accept(rest, "by");
        return s->has_increment = take_integer(rest, &s->increment);
    }
    if (weir_token_accept(rest, "minvalue"))
        return s->has_least = take_integer(rest, &s->least);
    if (weir_token_accept(rest, "maxvalue"))
        return s->has_most = take_integer(rest, &s->most);
    if (weir_token_accept(rest, "start")) {
        (void)weir_token_accept(rest, "with");
        return s->has_start = take_integer(rest, &s->start);
    }
    if (weir_token_accept(rest, "restart")) {
        s->restarts = true;
        bool with = weir_token_accept(rest, "with");
        bool number = weir_token_peek(*rest).kind == WEIR_TOKEN_NUMBER ||
                      weir_token_is(weir_token_peek(*rest), "-");
        s->has_restart = with || number;
        return !s->has_restart || take_integer(rest, &s->restart);
    }
    if (weir_token_accept(rest, "cache"))
        return take_integer(rest, &ignored);
    if (weir_token_accept(rest, "cycle"))
        return s->cycles = true;
    if (weir_token_accept(rest, "owned"))
        return take_owner(rest, s);
    if (!weir_token_accept(rest, "no"))
        return false;
    if (weir_token_accept(rest, "cycle"))
        return s->no_cycle = true;
    return weir_token_accept(rest, "minvalue") || weir_token_accept(rest, "maxvalue");
}

static int read_options(weir_slice rest, sequence *s, weir_error *err)
{
    while (weir_token_peek(rest).kind != WEIR_TOKEN_END && !weir_token_accept(&rest, ";"))
        if (!take_option(&rest, s))
            return refuse(err, "0A000",
                          "weir: this option is not supported on SQLite, of sequence ", s->name);
    if (s->has_increment && s->increment == 0)
        return refuse(err, "22023", "INCREMENT must not be zero", "");
    return 0;
}

/* Fails if it is not there; one that is a key's may be. */
static int put_missing(const alter *a, const sequence *s, bool key_ok)
{
    weir_slice name = weir_slice_cstr(s->name);
    int r = alter_fail_begin(a, "42P01", WEIR_SLICE_LIT("relation does not exist"));
    if (r == 0)
        r = alter_put(
            a, "(SELECT 1) WHERE NOT EXISTS (SELECT 1 FROM weir_sequences WHERE name = %l)", &name);
    if (r == 0 && key_ok)
        r = alter_put(
            a, " AND NOT EXISTS (SELECT 1 FROM weir_sequence WHERE name = %l AND kind = 'k')",
            &name);
    return r == 0 ? alter_put(a, ";\n") : r;
}

/* What the catalogue knows of it. */
static int put_view(const alter *a, const sequence *s, const char *guard)
{
    weir_slice name = weir_slice_cstr(s->name);
    int r = alter_put(a, guard);
    if (r == 0)
        r = alter_put(a,
                      "CREATE VIEW IF NOT EXISTS main.%n " WEIR_FACE_VIEW_MARK
                      "20 0 0;20 0 0;16 0 0; */ " KIND_MARK,
                      &name);
    if (r == 0)
        r = weir_buf_append_u8(a->out, (uint8_t)s->kind);
    return r == 0
               ? alter_put(a,
                           " */ (\"last_value\", \"log_cnt\", \"is_called\") AS SELECT value, 0, "
                           "called FROM weir_sequences WHERE name = %l;\n",
                           &name)
               : r;
}

static int read_new(weir_slice *rest, sequence *s, weir_error *err)
{
    if (!take_name(rest, s) || strchr(s->name, '\n'))
        return refuse(err, "42601", "weir: syntax error in CREATE SEQUENCE", "");
    int r = read_options(*rest, s, err);
    if (r != 0)
        return r;
    bool down = s->increment < 0;
    s->least = s->has_least ? s->least : down ? INT64_MIN : 1;
    s->most = s->has_most ? s->most : down ? -1 : INT64_MAX;
    s->start = s->has_start ? s->start : down ? s->most : s->least;
    if (s->least >= s->most || s->start < s->least || s->start > s->most)
        return refuse(err, "22023", "no value fits between the bounds of sequence ", s->name);
    return 0;
}

/* `guard`: what stands before each line. */
static int create(const alter *a, weir_slice rest, const char *guard)
{
    sequence s = {.increment = 1, .kind = '-'};
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "not") &&
                   weir_token_accept(&rest, "exists");
    int r = read_new(&rest, &s, a->err);
    if (r != 0)
        return r;
    weir_slice name = weir_slice_cstr(s.name);
    r = alter_put(a, table);
    if (r == 0 && !quietly)
        r = alter_put(a, guard);
    if (r == 0 && !quietly)
        r = alter_fail_begin(a, "42P07", WEIR_SLICE_LIT("relation already exists"));
    if (r == 0 && !quietly)
        r = alter_put(a,
                      "(SELECT name FROM weir_sequences UNION ALL SELECT name FROM sqlite_schema) "
                      "WHERE name = %l;\n",
                      &name);
    if (r == 0)
        r = alter_put(a, guard);
    if (r == 0)
        r = alter_put(a, "INSERT OR IGNORE INTO weir_sequences VALUES (%l, ", &name);
    if (r == 0)
        r = weir_buf_printf(a->out, "%lld, 0, %lld, %lld, %lld, %lld, %d);\n", (long long)s.start,
                            (long long)s.start, (long long)s.increment, (long long)s.least,
                            (long long)s.most, s.cycles);
    return r == 0 ? put_view(a, &s, guard) : r;
}

int alter_create_sequence(const alter *a, weir_slice definition, const char *guard)
{
    if (!weir_token_accept(&definition, "create") || !weir_token_accept(&definition, "sequence"))
        return -EINVAL;
    return create(a, definition, guard);
}

/* The sequences that are a column's, or any of the table's (`column` empty), as a subquery. */
static int put_owned(const alter *a, weir_slice table_name, weir_slice column)
{
    int r = alter_put(a,
                      "(SELECT name FROM weir_sequence WHERE kind IN ('s', 'a', 'd') AND ltbl = "
                      "lower(%l)",
                      &table_name);
    if (r == 0 && column.len > 0)
        r = alter_put(a, " AND lcolumn = lower(%l)", &column);
    return r == 0 ? alter_put(a, ")") : r;
}

int alter_drop_owned(const alter *a, weir_slice table_name, weir_slice column)
{
    if (memchr(table_name.data, '\n', table_name.len) ||
        (column.len > 0 && memchr(column.data, '\n', column.len)))
        return alter_refuse(a, "a name with a line's end", NULL);
    int r = alter_put(a, WHERE_ANY "DELETE FROM weir_sequences WHERE name IN ");
    if (r == 0)
        r = put_owned(a, table_name, column);
    if (r == 0)
        r = alter_put(a,
                      ";\n" WHERE_ANY "DELETE FROM sqlite_schema WHERE type = 'view' AND name IN ");
    if (r == 0)
        r = put_owned(a, table_name, column);
    return r == 0 ? alter_put(a, ";\n") : r;
}

int alter_restart_owned(const alter *a, weir_slice table_name)
{
    int r = alter_put(a, WHERE_ANY
                      "UPDATE weir_sequences SET value = start, called = 0 WHERE name IN ");
    if (r == 0)
        r = put_owned(a, table_name, (weir_slice){0});
    return r == 0 ? alter_put(a, ";\n") : r;
}

static int put_set(const alter *a, const char *column, bool given, int64_t value)
{
    return given ? weir_buf_printf(a->out, ", %s = %lld", column, (long long)value) : 0;
}

static int put_changes(const alter *a, const sequence *s)
{
    int r = alter_put(a, "UPDATE weir_sequences SET name = name");
    if (r == 0)
        r = put_set(a, "increment", s->has_increment, s->increment);
    if (r == 0)
        r = put_set(a, "least", s->has_least, s->least);
    if (r == 0)
        r = put_set(a, "most", s->has_most, s->most);
    if (r == 0)
        r = put_set(a, "start", s->has_start, s->start);
    if (r == 0)
        r = put_set(a, "cycles", s->cycles || s->no_cycle, s->cycles);
    if (r == 0)
        r = put_set(a, "value", s->has_restart, s->restart);
    if (r == 0 && s->restarts && !s->has_restart)
        r = s->has_start ? put_set(a, "value", true, s->start) : alter_put(a, ", value = start");
    if (r == 0 && s->restarts)
        r = alter_put(a, ", called = 0");
    weir_slice name = weir_slice_cstr(s->name);
    return r == 0 ? alter_put(a, " WHERE name = %l;\n", &name) : r;
}

/* A key's goes on from the largest: it may begin anew where that is what will be. */
static int put_key_restart(const alter *a, const sequence *s)
{
    weir_slice name = weir_slice_cstr(s->name);
    int r =
        weir_buf_printf(a->out, "SELECT weir_sequence_set_key(name, %lld, 0) FROM weir_sequence",
                        s->has_restart ? (long long)s->restart : 1LL);
    return r == 0 ? alter_put(a, " WHERE kind = 'k' AND name = %l;\n", &name) : r;
}

static int put_owner(const alter *a, const sequence *s)
{
    weir_slice name = weir_slice_cstr(s->name),
               kind = weir_slice_make((const uint8_t *)&s->kind, 1);
    return alter_put(a,
                     "UPDATE sqlite_schema SET sql = weir_sequence_owned(sql, %l) WHERE type = "
                     "'view' AND name = %l AND weir_sequence_kind(sql) IN ('-', 's');\n",
                     &kind, &name);
}

static int change(const alter *a, weir_slice rest)
{
    sequence s = {.increment = 1};
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "exists");
    if (!take_name(&rest, &s))
        return refuse(a->err, "42601", "weir: syntax error in ALTER SEQUENCE", "");
    int r = read_options(rest, &s, a->err);
    if (r == 0)
        r = alter_put(a, table);
    if (r == 0 && !quietly)
        r = put_missing(a, &s, true);
    if (r == 0)
        r = put_changes(a, &s);
    if (r == 0 && s.kind != 0)
        r = put_owner(a, &s);
    return r == 0 && s.restarts ? put_key_restart(a, &s) : r;
}

/* A column's default that draws from it would fail from then on. */
static int put_used(const alter *a, const sequence *s)
{
    weir_slice name = weir_slice_cstr(s->name);
    int r = alter_fail_begin(
        a, "2BP01",
        WEIR_SLICE_LIT("cannot drop sequence because a column's default depends on it: drop the "
                       "default, the column or the table (CASCADE is not supported on SQLite)"));
    return r == 0 ? alter_put(a, "weir_drawing WHERE sequence = %l;\n", &name) : r;
}

static int drop(const alter *a, weir_slice rest)
{
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "exists");
    int r = alter_put(a, table);
    do {
        sequence s = {.increment = 1};
        if (r != 0 || !take_name(&rest, &s))
            return r != 0 ? r : refuse(a->err, "42601", "weir: syntax error in DROP SEQUENCE", "");
        weir_slice name = weir_slice_cstr(s.name);
        if (!quietly)
            r = put_missing(a, &s, false);
        if (r == 0)
            r = put_used(a, &s);
        if (r == 0)
            r = alter_put(a,
                          "DELETE FROM weir_sequences WHERE name = %l;\nDELETE FROM sqlite_schema "
                          "WHERE type = 'view' AND name = %l AND weir_sequence_kind(sql) IS NOT "
                          "NULL;\n",
                          &name, &name);
    } while (weir_token_accept(&rest, ","));
    return r == 0 ? alter_purge_comments(a) : r;
}

int weir_sequence_plan(const weir_command *c, weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    return c->tag[0] == 'C'   ? create(&a, c->value, "")
           : c->tag[0] == 'A' ? change(&a, c->value)
                              : drop(&a, c->value);
}

/* ---- functions ---- */

static int64_t integer_of(const weir_value *v)
{
    return v->type == WEIR_VALUE_INTEGER ? v->u.integer : 0;
}

/* weir_sequence_next(value, called, increment, least, most, cycles) */
static int call_next(RUN_ARGS)
{
    (void)count, (void)out;
    int64_t value = integer_of(&args[0]), by = integer_of(&args[2]);
    int64_t least = integer_of(&args[3]), most = integer_of(&args[4]), next = value;
    bool over = integer_of(&args[1]) != 0 &&
                (__builtin_add_overflow(value, by, &next) || next > most || next < least);
    if (over && integer_of(&args[5]) == 0) {
        weir_error_set(err, "2200H", "nextval: reached %s value of sequence (%lld)",
                       by > 0 ? "maximum" : "minimum", (long long)(by > 0 ? most : least));
        return WEIR_COMPAT_REFUSED;
    }
    *ret = (weir_value){.type = WEIR_VALUE_INTEGER};
    ret->u.integer = over ? (by > 0 ? least : most) : next;
    return 0;
}

/* The name in nextval's text: folded, without its schema. NULL stays. */
static int call_name(RUN_ARGS)
{
    char name[256];
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    weir_slice rest = args[0].u.bytes;
    weir_token t = weir_token_next(&rest);
    if (weir_token_accept(&rest, "."))
        t = weir_token_next(&rest);
    weir_compat_name_fold(t.text, name, sizeof(name));
    return run_give(out, ret, weir_buf_append(out, weir_slice_cstr(name)));
}

/* weir_sequence_kind(sql): of a view's text; NULL: it is no sequence. */
static int call_kind(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    weir_slice sql = run_bytes_of(&args[0]);
    size_t len = strlen(KIND_MARK);
    const uint8_t *mark = sql.len > 0 ? memmem(sql.data, sql.len, KIND_MARK, len) : NULL;
    if (!mark || (size_t)(mark - sql.data) + len >= sql.len)
        return 0;
    run_give_text(ret, weir_slice_make(mark + len, 1));
    return 0;
}

/* weir_sequence_owned(sql, kind): the text with another kind. */
static int call_owned(RUN_ARGS)
{
    weir_value old = {.type = WEIR_VALUE_NULL};
    weir_slice sql = run_bytes_of(&args[0]);
    (void)call_kind(args, count, out, &old, err);
    *ret = args[0];
    if (old.type != WEIR_VALUE_TEXT)
        return 0;
    size_t at = (size_t)(old.u.bytes.data - sql.data);
    int r = weir_buf_append(out, weir_slice_head(sql, at));
    if (r == 0)
        r = weir_buf_append(out, run_bytes_of(&args[1]));
    if (r == 0)
        r = weir_buf_append(out, weir_slice_skip(sql, at + 1));
    return run_give(out, ret, r);
}

/* weir_default_sequence(text): the sequence that a default is nextval of; NULL: none. */
static int call_default(RUN_ARGS)
{
    weir_slice rest = run_bytes_of(&args[0]);
    (void)count;
    while (weir_token_accept(&rest, "("))
        ;
    if (!weir_token_accept(&rest, "nextval") || !weir_token_accept(&rest, "("))
        return 0;
    char name[256];
    weir_token t = weir_token_next(&rest);
    if (t.kind != WEIR_TOKEN_STRING)
        return 0;
    weir_compat_value_fold(t.text, name, sizeof(name));
    weir_value text = {.type = WEIR_VALUE_TEXT};
    text.u.bytes = weir_slice_cstr(name);
    return call_name(&text, 1, out, ret, err);
}

#define NAME "weir_sequence_name(?1)"
#define IS_KEY "EXISTS (SELECT 1 FROM weir_sequence WHERE kind = 'k' AND name = " NAME ")"

/* Of a name that has no row: an error that says why. */
static const char find[] =
    "SELECT CASE WHEN " IS_KEY " THEN weir_fail('0A000', 'an INTEGER PRIMARY KEY has no sequence "
    "to draw from on SQLite: INSERT … RETURNING gives its number') ELSE weir_fail('42P01', "
    "'relation does not exist: there is no such sequence') END";

#define UPSERT                                                                                     \
    "INSERT INTO weir_sequences (name) SELECT " NAME " WHERE ?1 IS NOT NULL AND (EXISTS (SELECT "  \
    "1 FROM weir_sequences WHERE name = " NAME ") OR weir_sequence_find(?1)) ON CONFLICT (name) "  \
    "DO UPDATE SET "

#define BOUNDED                                                                                    \
    "value = iif(?2 BETWEEN least AND most, ?2, weir_fail('22003', 'setval: the value is out of "  \
    "the bounds of the sequence')), "

/* As if it were set: only where its next number stays what it is, or was given out before. */
static const char set_key[] =
    "SELECT iif(?2 + ?3 <= coalesce(weir_largest_key(tbl), 0) + 1, ?2, weir_fail('0A000', 'the "
    "numbers of an INTEGER PRIMARY KEY go on from the largest on SQLite: its sequence cannot be "
    "set beyond')) FROM weir_sequence WHERE kind = 'k' AND name = " NAME;

static const char current[] =
    "SELECT CASE WHEN ?1 IS NULL THEN NULL WHEN EXISTS (SELECT 1 FROM weir_sequence WHERE kind <> "
    "'k' AND name = " NAME ") THEN weir_sequence_drawn(" NAME ") ELSE weir_sequence_find(?1) END";

const weir_face_function weir_face_sequences[] = {
    {.name = "weir_sequence_next", .args = 6, .pure = true, .call = call_next},
    {.name = "weir_sequence_name", .args = 1, .pure = true, .call = call_name},
    {.name = "weir_sequence_kind", .args = 1, .pure = true, .call = call_kind},
    {.name = "weir_sequence_owned", .args = 2, .pure = true, .call = call_owned},
    {.name = "weir_default_sequence", .args = 1, .pure = true, .call = call_default},
    {.name = "weir_sequence_find", .args = 1, .query = find},
    {.name = "weir_sequence_set_key", .args = 3, .query = set_key},
    {.name = "nextval",
     .args = 1,
     .stored = true,
     .instead = "SELECT weir_sequence_find(?1)",
     .query = WHERE_ANY UPSERT
     "value = weir_sequence_next(value, called, increment, least, most, cycles), "
     "called = 1 RETURNING weir_sequence_drew(name, value)"},
    {.name = "weir_sequence_set",
     .args = 3,
     .instead = "SELECT weir_sequence_find(?1)",
     .query = WHERE_ANY UPSERT BOUNDED "called = ?3 WHERE ?2 + ?3 IS NOT NULL RETURNING "
                                       "iif(?3, weir_sequence_drew(name, value), value)"},
    {.name = "setval",
     .args = 2,
     .query = "SELECT CASE WHEN " IS_KEY " THEN weir_sequence_set_key(?1, ?2, 1) ELSE "
              "weir_sequence_set(?1, ?2, 1) END"},
    {.name = "setval",
     .args = 3,
     .query = "SELECT CASE WHEN " IS_KEY " THEN weir_sequence_set_key(?1, ?2, ?3) ELSE "
              "weir_sequence_set(?1, ?2, ?3) END"},
    {.name = "currval", .args = 1, .query = current},
    {.name = "lastval", .args = 0, .query = "SELECT weir_sequence_drawn(NULL)"},
    {.name = NULL},
};
