/* Sequences: rows of a table of Weir's own, weir_sequences. CREATE, ALTER and DROP SEQUENCE are
 * scripts; nextval and setval are its upserts, which run inside the statement that calls them and
 * in its transaction. A name without a row is inserted only to be refused by the trigger. */
#include "compat/sequence.h"
#include "compat/alter_internal.h"
#include "compat/values.h"

static const char table[] =
    "CREATE TABLE IF NOT EXISTS weir_sequences (name TEXT NOT NULL PRIMARY KEY, value INTEGER, "
    "called INTEGER, start INTEGER, increment INTEGER, least INTEGER, most INTEGER, cycles "
    "INTEGER);\n"
    "CREATE TRIGGER IF NOT EXISTS weir_sequences_missing AFTER INSERT ON weir_sequences WHEN "
    "new.start IS NULL BEGIN SELECT weir_fail('42P01', 'relation does not exist: there is no such "
    "sequence'); END;\n";

typedef struct sequence {
    char name[256];
    int64_t start, increment, least, most, restart;
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

static bool take_owner(weir_slice *rest)
{
    if (!weir_token_accept(rest, "by"))
        return false;
    do {
        (void)weir_token_next(rest);
    } while (weir_token_accept(rest, "."));
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
        return take_owner(rest);
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

static int put_missing(const alter *a, const sequence *s)
{
    weir_slice name = weir_slice_cstr(s->name);
    int r = alter_fail_begin(a, "42P01", WEIR_SLICE_LIT("relation does not exist"));
    return r == 0 ? alter_put(a,
                              "(SELECT 1) WHERE NOT EXISTS (SELECT 1 FROM weir_sequences WHERE "
                              "name = %l);\n",
                              &name)
                  : r;
}

static int create(const alter *a, weir_slice rest)
{
    sequence s = {.increment = 1};
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "not") &&
                   weir_token_accept(&rest, "exists");
    if (!take_name(&rest, &s))
        return refuse(a->err, "42601", "weir: syntax error in CREATE SEQUENCE", "");
    int r = read_options(rest, &s, a->err);
    if (r != 0)
        return r;
    bool down = s.increment < 0;
    s.least = s.has_least ? s.least : down ? INT64_MIN : 1;
    s.most = s.has_most ? s.most : down ? -1 : INT64_MAX;
    s.start = s.has_start ? s.start : down ? s.most : s.least;
    if (s.least >= s.most || s.start < s.least || s.start > s.most)
        return refuse(a->err, "22023", "no value fits between the bounds of sequence ", s.name);
    weir_slice name = weir_slice_cstr(s.name);
    r = alter_put(a, table);
    if (r == 0 && !quietly)
        r = alter_fail_begin(a, "42P07", WEIR_SLICE_LIT("relation already exists"));
    if (r == 0 && !quietly)
        r = alter_put(a, "weir_sequences WHERE name = %l;\n", &name);
    if (r == 0)
        r = alter_put(a, "INSERT OR IGNORE INTO weir_sequences VALUES (%l, ", &name);
    return r == 0 ? weir_buf_printf(a->out, "%lld, 0, %lld, %lld, %lld, %lld, %d);\n",
                                    (long long)s.start, (long long)s.start, (long long)s.increment,
                                    (long long)s.least, (long long)s.most, s.cycles)
                  : r;
}

static int put_set(const alter *a, const char *column, bool given, int64_t value)
{
    return given ? weir_buf_printf(a->out, ", %s = %lld", column, (long long)value) : 0;
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
        r = put_missing(a, &s);
    if (r == 0)
        r = alter_put(a, "UPDATE weir_sequences SET name = name");
    if (r == 0)
        r = put_set(a, "increment", s.has_increment, s.increment);
    if (r == 0)
        r = put_set(a, "least", s.has_least, s.least);
    if (r == 0)
        r = put_set(a, "most", s.has_most, s.most);
    if (r == 0)
        r = put_set(a, "start", s.has_start, s.start);
    if (r == 0)
        r = put_set(a, "cycles", s.cycles || s.no_cycle, s.cycles);
    if (r == 0)
        r = put_set(a, "value", s.has_restart, s.restart);
    if (r == 0 && s.restarts && !s.has_restart)
        r = s.has_start ? put_set(a, "value", true, s.start) : alter_put(a, ", value = start");
    if (r == 0 && s.restarts)
        r = alter_put(a, ", called = 0");
    weir_slice name = weir_slice_cstr(s.name);
    return r == 0 ? alter_put(a, " WHERE name = %l;\n", &name) : r;
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
            r = put_missing(a, &s);
        if (r == 0)
            r = alter_put(a, "DELETE FROM weir_sequences WHERE name = %l;\n", &name);
    } while (weir_token_accept(&rest, ","));
    return r;
}

int weir_sequence_plan(const weir_command *c, weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    return c->tag[0] == 'C'   ? create(&a, c->value)
           : c->tag[0] == 'A' ? change(&a, c->value)
                              : drop(&a, c->value);
}

/* ---- functions ---- */

static int64_t integer_of(const weir_value *v)
{
    return v->type == WEIR_VALUE_INTEGER ? v->u.integer : 0;
}

/* weir_sequence_next(value, called, increment, least, most, cycles) */
static int call_next(const weir_value *args, size_t count, weir_buf *out, weir_value *ret,
                     weir_error *err)
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
static int call_name(const weir_value *args, size_t count, weir_buf *out, weir_value *ret,
                     weir_error *err)
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
    int r = weir_buf_append(out, weir_slice_cstr(name));
    *ret = (weir_value){.type = WEIR_VALUE_TEXT};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

#define UPSERT                                                                                     \
    "INSERT INTO weir_sequences (name) SELECT weir_sequence_name(?1) WHERE ?1 IS NOT NULL ON "     \
    "CONFLICT (name) DO UPDATE SET "

#define BOUNDED                                                                                    \
    "value = iif(?2 BETWEEN least AND most, ?2, weir_fail('22003', 'setval: the value is out of "  \
    "the bounds of the sequence')), "

const weir_face_function weir_face_sequences[] = {
    {.name = "weir_sequence_next", .args = 6, .pure = true, .call = call_next},
    {.name = "weir_sequence_name", .args = 1, .pure = true, .call = call_name},
    {.name = "nextval",
     .args = 1,
     .stored = true,
     .query = UPSERT "value = weir_sequence_next(value, called, increment, least, most, cycles), "
                     "called = 1 RETURNING value"},
    {.name = "setval",
     .args = 2,
     .stored = true,
     .query = UPSERT BOUNDED "called = 1 WHERE ?2 IS NOT NULL RETURNING value"},
    {.name = "setval",
     .args = 3,
     .stored = true,
     .query = UPSERT BOUNDED "called = ?3 WHERE ?2 + ?3 IS NOT NULL RETURNING value"},
    {.name = NULL},
};
