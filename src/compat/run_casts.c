/* Values as another of PostgreSQL's types, and arithmetic that does not leave its type. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "compat/run.h"
#include <math.h>
#include <stdio.h>

weir_slice run_text_of(const weir_value *v, char room[WEIR_NUMBER_TEXT_MAX])
{
    if (v->type == WEIR_VALUE_INTEGER)
        return weir_slice_make(room, weir_number_format_integer(v->u.integer, room));
    if (v->type == WEIR_VALUE_REAL)
        return weir_slice_make(room, weir_number_format(v->u.real, room));
    if (v->type == WEIR_VALUE_NULL)
        return (weir_slice){0};
    return v->u.bytes;
}

int64_t run_integer_of(const weir_value *v)
{
    int64_t n = 0;
    if (v->type == WEIR_VALUE_INTEGER)
        return v->u.integer;
    if (v->type == WEIR_VALUE_REAL)
        return v->u.real > -9e18 && v->u.real < 9e18 ? (int64_t)v->u.real : 0;
    return v->type == WEIR_VALUE_TEXT && weir_number_integer(v->u.bytes, &n) ? n : 0;
}

double run_real_of(const weir_value *v)
{
    double real = 0;
    if (v->type == WEIR_VALUE_INTEGER)
        return (double)v->u.integer;
    if (v->type == WEIR_VALUE_REAL)
        return v->u.real;
    return v->type == WEIR_VALUE_TEXT && weir_number_real(v->u.bytes, &real) ? real : 0;
}

int run_invalid(weir_error *err, const char *type, weir_slice text)
{
    weir_error_set(err, "22P02", "invalid input syntax for type %s: \"%.*s\"", type,
                   WEIR_UTF8_QUOTED(text, 100));
    return WEIR_COMPAT_REFUSED;
}

static int out_of_range(weir_error *err, const char *type)
{
    weir_error_set(err, "22003", "%s out of range", type);
    return WEIR_COMPAT_REFUSED;
}

/* ---- integers ---- */

static bool all_digits(weir_slice s)
{
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0;
}

static int to_integer(const weir_value *v, int64_t least, int64_t most, const char *type,
                      weir_value *ret, weir_error *err)
{
    int64_t n = 0;
    if (v->type == WEIR_VALUE_NULL)
        return 0;
    if (v->type == WEIR_VALUE_INTEGER) {
        n = v->u.integer;
    } else if (v->type == WEIR_VALUE_REAL) {
        if (!weir_number_integral(rint(v->u.real), &n))
            return out_of_range(err, type);
    } else {
        weir_slice s = weir_ascii_trim(v->u.bytes);
        if (v->type != WEIR_VALUE_TEXT || !all_digits(s))
            return run_invalid(err, type, v->u.bytes);
        if (!weir_number_integer(s, &n)) {
            weir_error_set(err, "22003", "value \"%.*s\" is out of range for type %s",
                           WEIR_UTF8_QUOTED(s, 60), type);
            return WEIR_COMPAT_REFUSED;
        }
    }
    if (n < least || n > most)
        return out_of_range(err, type);
    run_give_integer(ret, n);
    return 0;
}

static int call_int2(RUN_ARGS)
{
    (void)count, (void)out;
    return to_integer(&args[0], INT16_MIN, INT16_MAX, "smallint", ret, err);
}

static int call_int4(RUN_ARGS)
{
    (void)count, (void)out;
    return to_integer(&args[0], INT32_MIN, INT32_MAX, "integer", ret, err);
}

static int call_int8(RUN_ARGS)
{
    (void)count, (void)out;
    return to_integer(&args[0], INT64_MIN, INT64_MAX, "bigint", ret, err);
}

typedef enum operation { SUM, DIFFERENCE, PRODUCT, QUOTIENT, REMAINDER } operation;

static int operate(operation op, const weir_value *args, weir_value *ret, weir_error *err)
{
    int64_t n = 0;
    bool over = false;
    if (run_any_null(args, 2))
        return 0;
    int64_t a = run_integer_of(&args[0]), b = run_integer_of(&args[1]);
    if (op >= QUOTIENT && b == 0)
        return run_by_zero(err);
    switch (op) {
    case SUM:
        over = __builtin_add_overflow(a, b, &n);
        break;
    case DIFFERENCE:
        over = __builtin_sub_overflow(a, b, &n);
        break;
    case PRODUCT:
        over = __builtin_mul_overflow(a, b, &n);
        break;
    case QUOTIENT:
        over = a == INT64_MIN && b == -1;
        n = over ? 0 : a / b;
        break;
    case REMAINDER:
        n = b == -1 ? 0 : a % b;
        break;
    }
    if (over)
        return out_of_range(err, "bigint");
    run_give_integer(ret, n);
    return 0;
}

static int call_sum8(RUN_ARGS)
{
    (void)count, (void)out;
    return operate(SUM, args, ret, err);
}

static int call_difference8(RUN_ARGS)
{
    (void)count, (void)out;
    return operate(DIFFERENCE, args, ret, err);
}

static int call_product8(RUN_ARGS)
{
    (void)count, (void)out;
    return operate(PRODUCT, args, ret, err);
}

static int call_quotient(RUN_ARGS)
{
    (void)count, (void)out;
    return operate(QUOTIENT, args, ret, err);
}

static int call_mod(RUN_ARGS)
{
    (void)count, (void)out;
    return operate(REMAINDER, args, ret, err);
}

/* weir_shift(integer, places, its bits; below 0: to the right): places as the processor takes them,
 * whose words have 32 bits or 64. */
static int call_shift(RUN_ARGS)
{
    (void)out, (void)err;
    if (run_any_null(args, count))
        return 0;
    int64_t x = args[0].u.integer, bits = args[2].u.integer;
    bool wide = bits == 64 || bits == -64;
    unsigned places = (unsigned)(args[1].u.integer & (wide ? 63 : 31));
    if (bits < 0)
        x >>= places;
    else
        x = (int64_t)((uint64_t)x << places);
    run_give_integer(ret, bits == 32 ? (int32_t)x : bits == 16 ? (int16_t)x : x);
    return 0;
}

/* ---- floats ---- */

/* A number that is not zero in its text. */
static bool underflows(weir_slice text)
{
    for (size_t i = 0; i < text.len && (text.data[i] | 0x20) != 'e'; i++)
        if (text.data[i] >= '1' && text.data[i] <= '9')
            return true;
    return false;
}

static int call_float8(RUN_ARGS)
{
    double real = 0;
    (void)count, (void)out;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (args[0].type != WEIR_VALUE_TEXT)
        real = run_real_of(&args[0]);
    else if (!weir_number_real(weir_ascii_trim(args[0].u.bytes), &real))
        return run_invalid(err, "double precision", args[0].u.bytes);
    else if (isinf(real) && memchr("0123456789", args[0].u.bytes.data[args[0].u.bytes.len - 1], 10))
        return out_of_range(err, "double precision");
    else if (real == 0 && underflows(args[0].u.bytes))
        return out_of_range(err, "double precision");
    if (isnan(real))
        return run_refuse(err, "0A000", "weir: NaN is not supported on SQLite");
    run_give_real(ret, real);
    return 0;
}

/* The sum, difference or product: infinite only if an operand is. */
static int give_float(const weir_value *args, double result, weir_value *ret, weir_error *err)
{
    if (isnan(result))
        return run_refuse(err, "0A000", "weir: NaN is not supported on SQLite");
    if (isinf(result) && !isinf(run_real_of(&args[0])) && !isinf(run_real_of(&args[1])))
        return run_refuse(err, "22003", "value out of range: overflow");
    run_give_real(ret, result);
    return 0;
}

static int call_float_sum(RUN_ARGS)
{
    (void)out;
    if (run_any_null(args, count))
        return 0;
    return give_float(args, run_real_of(&args[0]) + run_real_of(&args[1]), ret, err);
}

static int call_float_difference(RUN_ARGS)
{
    (void)out;
    if (run_any_null(args, count))
        return 0;
    return give_float(args, run_real_of(&args[0]) - run_real_of(&args[1]), ret, err);
}

static int call_float_product(RUN_ARGS)
{
    (void)out;
    if (run_any_null(args, count))
        return 0;
    return give_float(args, run_real_of(&args[0]) * run_real_of(&args[1]), ret, err);
}

static int call_finite(RUN_ARGS)
{
    (void)count, (void)out;
    *ret = args[0];
    if (args[0].type == WEIR_VALUE_REAL && isinf(args[0].u.real))
        return run_refuse(err, "22003", "value out of range: overflow");
    return 0;
}

static int call_float_quotient(RUN_ARGS)
{
    (void)out;
    if (run_any_null(args, count))
        return 0;
    double a = run_real_of(&args[0]), b = run_real_of(&args[1]);
    if (b == 0)
        return run_by_zero(err);
    return give_float(args, a / b, ret, err);
}

static int call_rint(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    if (args[0].type != WEIR_VALUE_NULL)
        run_give_real(ret, rint(run_real_of(&args[0])));
    return 0;
}

static int call_sqrt(RUN_ARGS)
{
    (void)count, (void)out;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    double x = run_real_of(&args[0]);
    if (x < 0)
        return run_refuse(err, "2201F", "cannot take square root of a negative number");
    run_give_real(ret, sqrt(x));
    return 0;
}

static int give_logarithm(const weir_value *arg, double (*of)(double), weir_value *ret,
                          weir_error *err)
{
    if (arg->type == WEIR_VALUE_NULL)
        return 0;
    double x = run_real_of(arg);
    if (x <= 0) {
        weir_error_set(err, "2201E", "cannot take logarithm of %s",
                       x < 0 ? "a negative number" : "zero");
        return WEIR_COMPAT_REFUSED;
    }
    run_give_real(ret, of(x));
    return 0;
}

static int call_ln(RUN_ARGS)
{
    (void)count, (void)out;
    return give_logarithm(&args[0], log, ret, err);
}

static int call_log10(RUN_ARGS)
{
    (void)count, (void)out;
    return give_logarithm(&args[0], log10, ret, err);
}

/* weir_defined(asin(x), x): SQLite's functions give NULL where they have no value. */
static int call_defined(RUN_ARGS)
{
    (void)count, (void)out;
    *ret = args[0];
    if (args[0].type == WEIR_VALUE_NULL && args[1].type != WEIR_VALUE_NULL)
        return run_refuse(err, "22003", "input is out of range");
    return 0;
}

/* ---- texts of others ---- */

static int call_float_text(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)count, (void)err;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    int r = weir_buf_append(out,
                            weir_slice_make(room, weir_number_format(run_real_of(&args[0]), room)));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int call_bool_text(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    if (args[0].type != WEIR_VALUE_NULL)
        run_give_text(ret, run_integer_of(&args[0]) != 0 ? WEIR_SLICE_LIT("true")
                                                         : WEIR_SLICE_LIT("false"));
    return 0;
}

/* Any beginning of true, false, yes, no, on and off that is only one's. */
static bool is_prefix(weir_slice s, const char *word, size_t least)
{
    char copy[8];
    if (s.len < least || s.len > strlen(word))
        return false;
    memcpy(copy, word, s.len);
    copy[s.len] = '\0';
    return weir_slice_eq_nocase(s, copy);
}

static int call_bool(RUN_ARGS)
{
    (void)count, (void)out;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (args[0].type == WEIR_VALUE_INTEGER) {
        run_give_integer(ret, args[0].u.integer != 0);
        return 0;
    }
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s = weir_ascii_trim(run_text_of(&args[0], room));
    bool yes = is_prefix(s, "true", 1) || is_prefix(s, "yes", 1) || is_prefix(s, "on", 2) ||
               weir_slice_eq_cstr(s, "1");
    bool no = is_prefix(s, "false", 1) || is_prefix(s, "no", 1) || is_prefix(s, "off", 2) ||
              weir_slice_eq_cstr(s, "0");
    if (!yes && !no)
        return run_invalid(err, "boolean", s);
    run_give_integer(ret, yes);
    return 0;
}

static int call_uuid(RUN_ARGS)
{
    uint8_t bytes[16];
    char text[37];
    (void)count;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (args[0].type != WEIR_VALUE_TEXT || !weir_uuid_parse(args[0].u.bytes, bytes))
        return run_invalid(err, "uuid",
                           args[0].type == WEIR_VALUE_TEXT ? args[0].u.bytes : (weir_slice){0});
    weir_uuid_format(bytes, text);
    int r = weir_buf_append(out, weir_slice_make(text, 36));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int call_bytea(RUN_ARGS)
{
    (void)count;
    *ret = args[0];
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    int r = weir_bytea_parse(args[0].u.bytes, out);
    if (r > 0)
        return run_refuse(err, "22P02", "invalid input syntax for type bytea");
    *ret = (weir_value){.type = WEIR_VALUE_BLOB};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

static int call_bytea_text(RUN_ARGS)
{
    (void)count, (void)err;
    *ret = args[0];
    if (args[0].type != WEIR_VALUE_BLOB)
        return 0;
    int r = weir_hex_append(out, args[0].u.bytes);
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* ---- LIMIT, greatest ---- */

static int call_limit(RUN_ARGS)
{
    (void)count, (void)out;
    run_give_integer(ret, args[0].type == WEIR_VALUE_NULL ? -1 : run_integer_of(&args[0]));
    if (ret->u.integer >= 0 || args[0].type == WEIR_VALUE_NULL)
        return 0;
    return run_refuse(err, "2201W", "LIMIT must not be negative");
}

static int call_offset(RUN_ARGS)
{
    (void)count, (void)out;
    run_give_integer(ret, run_integer_of(&args[0]));
    if (ret->u.integer >= 0)
        return 0;
    return run_refuse(err, "2201X", "OFFSET must not be negative");
}

/* `numeric`: texts are decimal numbers. */
static int order_of(const weir_value *a, const weir_value *b, bool numeric)
{
    bool text = a->type >= WEIR_VALUE_TEXT && b->type >= WEIR_VALUE_TEXT;
    if (text && !numeric) {
        size_t len = a->u.bytes.len < b->u.bytes.len ? a->u.bytes.len : b->u.bytes.len;
        int order = len > 0 ? memcmp(a->u.bytes.data, b->u.bytes.data, len) : 0;
        return order != 0 ? order
                          : (a->u.bytes.len > b->u.bytes.len) - (a->u.bytes.len < b->u.bytes.len);
    }
    if (a->type == WEIR_VALUE_INTEGER && b->type == WEIR_VALUE_INTEGER)
        return (a->u.integer > b->u.integer) - (a->u.integer < b->u.integer);
    double x = run_real_of(a), y = run_real_of(b);
    return (x > y) - (x < y);
}

/* The first argument: they are numerics. */
static void extreme(const weir_value *args, size_t count, int wanted, weir_value *ret)
{
    bool numeric = count > 0 && run_integer_of(&args[0]) != 0;
    for (size_t i = 1; i < count; i++)
        if (args[i].type != WEIR_VALUE_NULL &&
            (ret->type == WEIR_VALUE_NULL || order_of(&args[i], ret, numeric) * wanted > 0))
            *ret = args[i];
}

static int call_greatest(RUN_ARGS)
{
    (void)out, (void)err;
    extreme(args, count, 1, ret);
    return 0;
}

static int call_least(RUN_ARGS)
{
    (void)out, (void)err;
    extreme(args, count, -1, ret);
    return 0;
}

/* ---- a subquery as a value: one row at most ---- */

typedef struct only {
    uint64_t many;
    uint32_t type;
    union {
        int64_t integer;
        double real;
    } u;
} only;

static int only_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    only o = {.type = (uint32_t)args[0].type};
    (void)count;
    if (gathered->len > 0)
        memcpy(&o, gathered->data, sizeof(o));
    if (o.many++ > 0) {
        memcpy(gathered->data, &o, sizeof(o));
        return 0;
    }
    if (args[0].type == WEIR_VALUE_INTEGER)
        o.u.integer = args[0].u.integer;
    else if (args[0].type == WEIR_VALUE_REAL)
        o.u.real = args[0].u.real;
    int r = weir_buf_append(gathered, weir_slice_make(&o, sizeof(o)));
    return r == 0 && args[0].type >= WEIR_VALUE_TEXT ? weir_buf_append(gathered, args[0].u.bytes)
                                                     : r;
}

static int only_end(RUN_ARGS)
{
    only o;
    (void)args, (void)count;
    if (out->len < sizeof(o))
        return 0;
    memcpy(&o, out->data, sizeof(o));
    if (o.many > 1)
        return run_refuse(err, "21000",
                          "more than one row returned by a subquery used as an expression");
    *ret = (weir_value){.type = (weir_value_type)o.type};
    if (o.type == WEIR_VALUE_INTEGER)
        ret->u.integer = o.u.integer;
    else if (o.type == WEIR_VALUE_REAL)
        ret->u.real = o.u.real;
    else if (o.type >= WEIR_VALUE_TEXT)
        ret->u.bytes = weir_slice_skip(weir_buf_slice(out), sizeof(o));
    return 0;
}

const weir_face_function weir_face_casts[] = {
    {.name = "weir_only", .args = 1, .step = only_step, .call = only_end},
    {.name = "weir_int2", .args = 1, .pure = true, .call = call_int2},
    {.name = "weir_int4", .args = 1, .pure = true, .call = call_int4},
    {.name = "weir_int8", .args = 1, .pure = true, .call = call_int8},
    {.name = "weir_sum8", .args = 2, .pure = true, .call = call_sum8},
    {.name = "weir_difference8", .args = 2, .pure = true, .call = call_difference8},
    {.name = "weir_product8", .args = 2, .pure = true, .call = call_product8},
    {.name = "weir_quotient", .args = 2, .pure = true, .call = call_quotient},
    {.name = "weir_mod", .args = 2, .pure = true, .call = call_mod},
    {.name = "weir_shift", .args = 3, .pure = true, .call = call_shift},
    {.name = "weir_float8", .args = 1, .pure = true, .call = call_float8},
    {.name = "weir_finite", .args = 1, .pure = true, .call = call_finite},
    {.name = "weir_float_quotient", .args = 2, .pure = true, .call = call_float_quotient},
    {.name = "weir_rint", .args = 1, .pure = true, .call = call_rint},
    {.name = "weir_sqrt", .args = 1, .pure = true, .call = call_sqrt},
    {.name = "weir_ln", .args = 1, .pure = true, .call = call_ln},
    {.name = "weir_log10", .args = 1, .pure = true, .call = call_log10},
    {.name = "weir_defined", .args = 2, .pure = true, .call = call_defined},
    {.name = "weir_float_sum", .args = 2, .pure = true, .call = call_float_sum},
    {.name = "weir_float_difference", .args = 2, .pure = true, .call = call_float_difference},
    {.name = "weir_float_product", .args = 2, .pure = true, .call = call_float_product},
    {.name = "weir_float_text", .args = 1, .pure = true, .call = call_float_text},
    {.name = "weir_bool_text", .args = 1, .pure = true, .call = call_bool_text},
    {.name = "weir_bool", .args = 1, .pure = true, .call = call_bool},
    {.name = "weir_uuid", .args = 1, .pure = true, .call = call_uuid},
    {.name = "weir_bytea", .args = 1, .pure = true, .call = call_bytea},
    {.name = "weir_bytea_text", .args = 1, .pure = true, .call = call_bytea_text},
    {.name = "weir_limit", .args = 1, .pure = true, .call = call_limit},
    {.name = "weir_offset", .args = 1, .pure = true, .call = call_offset},
    {.name = "weir_greatest", .args = -1, .pure = true, .call = call_greatest},
    {.name = "weir_least", .args = -1, .pure = true, .call = call_least},
    {.name = NULL},
};
