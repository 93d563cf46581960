/* PostgreSQL's numeric in expressions: decimal texts with their scale, as many digits as there are
 * (src/backend/utils/adt/numeric.c says what scale a result has). */
#include "base/ascii.h"
#include "compat/run.h"
#include <assert.h>
#include <stdlib.h>

#define DIGITS_MAX 1200

/* The digits' number times ten to the power of -scale. */
typedef struct decimal {
    bool negative;
    int len, scale;
    uint8_t digits[DIGITS_MAX];
} decimal;

static int too_large(weir_error *err)
{
    return run_refuse(err, "22003", "weir: value overflows numeric format");
}

static bool is_zero(const decimal *d)
{
    for (int i = 0; i < d->len; i++)
        if (d->digits[i] != 0)
            return false;
    return true;
}

/* Multiplies by ten to the power of `n` by zeros. */
static bool pad(decimal *d, int n)
{
    if (n < 0 || n > DIGITS_MAX - d->len)
        return false;
    memset(d->digits + d->len, 0, (size_t)n);
    d->len += n;
    return true;
}

static bool take_exponent(weir_slice s, int *ret)
{
    int v = 0;
    bool negative = s.len > 0 && s.data[0] == '-';
    if (negative || (s.len > 0 && s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || v > 10000)
            return false;
        v = v * 10 + (s.data[i] - '0');
    }
    *ret = negative ? -v : v;
    return s.len > 0;
}

/* 0; 1: it is none; 2: too large. */
static int parse(weir_slice s, decimal *d)
{
    int exponent = 0;
    bool point = false, any = false;
    s = weir_ascii_trim(s);
    d->negative = s.len > 0 && s.data[0] == '-';
    d->len = d->scale = 0;
    if (d->negative || (s.len > 0 && s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    for (; s.len > 0; s = weir_slice_skip(s, 1)) {
        uint8_t c = s.data[0];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if ((c | 0x20) == 'e' && any) {
            if (!take_exponent(weir_slice_skip(s, 1), &exponent))
                return 1;
            break;
        }
        if (c < '0' || c > '9')
            return 1;
        if (d->len == DIGITS_MAX)
            return 2;
        any = true;
        d->digits[d->len++] = (uint8_t)(c - '0');
        d->scale += point;
    }
    if (!any)
        return 1;
    d->scale -= exponent;
    if (d->scale < 0 && !pad(d, -d->scale))
        return 2;
    d->scale = d->scale < 0 ? 0 : d->scale;
    if (d->scale > DIGITS_MAX)
        return 2;
    d->negative = d->negative && !is_zero(d);
    return 0;
}

/* Values of PostgreSQL's that have no digits. */
static bool is_special(weir_slice s)
{
    static const char *const names[] = {"nan", "infinity", "inf"};
    s = weir_ascii_trim(s);
    bool sign = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+');
    weir_slice word = sign ? weir_slice_skip(s, 1) : s;
    for (size_t i = sign ? 1 : 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_slice_eq_nocase(word, names[i]))
            return true;
    return false;
}

static int read(const weir_value *v, decimal *d, weir_error *err)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s = run_text_of(v, room);
    int r = parse(s, d);
    if (r == 1 && is_special(s)) {
        weir_error_set(err, "0A000",
                       "weir: numerics that are no numbers are not supported on SQLite");
        weir_error_hint(err, "Use NULL, or a float8 for an infinity.");
        return WEIR_COMPAT_REFUSED;
    }
    return r == 0 ? 0 : r == 2 ? too_large(err) : run_invalid(err, "numeric", s);
}

static int give(const decimal *d, weir_buf *out, weir_value *ret)
{
    int whole = d->len - d->scale, first = 0;
    while (first < whole - 1 && d->digits[first] == 0)
        first++;
    uint8_t text[2 * DIGITS_MAX + 4]; /* a product has the digits of both */
    size_t len = 0;
    assert(d->len <= DIGITS_MAX && d->scale <= 2 * DIGITS_MAX);
    if (d->negative && !is_zero(d))
        text[len++] = '-';
    if (whole <= 0)
        text[len++] = '0';
    for (int i = first; i < whole; i++)
        text[len++] = (uint8_t)('0' + d->digits[i]);
    if (d->scale > 0)
        text[len++] = '.';
    for (int i = whole; i < d->len; i++)
        text[len++] = i < 0 ? '0' : (uint8_t)('0' + d->digits[i]);
    int r = weir_buf_append(out, weir_slice_make(text, len));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* ---- magnitudes ---- */

/* The same scale and the same number of digits. */
static bool align(decimal *a, decimal *b)
{
    int scale = a->scale > b->scale ? a->scale : b->scale;
    if (!pad(a, scale - a->scale) || !pad(b, scale - b->scale))
        return false;
    a->scale = b->scale = scale;
    decimal *shorter = a->len < b->len ? a : b;
    int len = a->len < b->len ? b->len : a->len, gap = len - shorter->len;
    memmove(shorter->digits + gap, shorter->digits, (size_t)shorter->len);
    memset(shorter->digits, 0, (size_t)gap);
    shorter->len = len;
    return true;
}

static int compare_aligned(const decimal *a, const decimal *b)
{
    return a->len > 0 ? memcmp(a->digits, b->digits, (size_t)a->len) : 0;
}

/* b is subtracted from a, which is not less. */
static void subtract_aligned(decimal *a, const decimal *b)
{
    int borrow = 0;
    for (int i = a->len - 1; i >= 0; i--) {
        int v = a->digits[i] - b->digits[i] - borrow;
        borrow = v < 0;
        a->digits[i] = (uint8_t)(v < 0 ? v + 10 : v);
    }
}

static bool add_aligned(decimal *a, const decimal *b)
{
    int carry = 0;
    for (int i = a->len - 1; i >= 0; i--) {
        int v = a->digits[i] + b->digits[i] + carry;
        carry = v > 9;
        a->digits[i] = (uint8_t)(v % 10);
    }
    if (carry == 0)
        return true;
    if (a->len == DIGITS_MAX)
        return false;
    memmove(a->digits + 1, a->digits, (size_t)a->len);
    a->digits[0] = 1;
    a->len++;
    return true;
}

/* a += b, both may be realigned. */
static bool add(decimal *a, decimal *b)
{
    if (!align(a, b))
        return false;
    if (a->negative == b->negative)
        return add_aligned(a, b);
    if (compare_aligned(a, b) >= 0) {
        subtract_aligned(a, b);
    } else {
        decimal swap = *a;
        *a = *b;
        subtract_aligned(a, &swap);
    }
    a->negative = a->negative && !is_zero(a);
    return true;
}

static int compare(decimal a, decimal b)
{
    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    if (!align(&a, &b))
        return 0;
    int order = compare_aligned(&a, &b);
    return a.negative ? -order : order;
}

static bool multiply(const decimal *a, const decimal *b, decimal *ret)
{
    int len = a->len + b->len;
    if (len > DIGITS_MAX)
        return false;
    *ret =
        (decimal){.negative = a->negative != b->negative, .len = len, .scale = a->scale + b->scale};
    for (int i = a->len - 1; i >= 0; i--) {
        int carry = 0;
        for (int k = b->len - 1; k >= 0; k--) {
            int v = ret->digits[i + k + 1] + a->digits[i] * b->digits[k] + carry;
            ret->digits[i + k + 1] = (uint8_t)(v % 10);
            carry = v / 10;
        }
        ret->digits[i] = (uint8_t)(ret->digits[i] + carry);
    }
    ret->negative = ret->negative && !is_zero(ret);
    return true;
}

/* Rounds half away from zero, or cuts, to `scale` digits behind the point; fewer than none: zeros
 * before it. */
static bool set_scale(decimal *d, int scale, bool cut)
{
    int drop = d->scale - scale;
    if (drop <= 0) {
        bool fits = pad(d, -drop);
        d->scale = scale;
        return fits;
    }
    bool up = !cut && drop <= d->len && d->digits[d->len - drop] >= 5;
    d->len = drop < d->len ? d->len - drop : 0;
    d->scale = scale;
    if (d->len == 0)
        d->digits[d->len++] = 0;
    for (int i = d->len - 1; up && i >= 0; i--) {
        up = d->digits[i] == 9;
        d->digits[i] = up ? 0 : (uint8_t)(d->digits[i] + 1);
    }
    if (up) {
        if (d->len == DIGITS_MAX)
            return false;
        memmove(d->digits + 1, d->digits, (size_t)d->len);
        d->digits[0] = 1;
        d->len++;
    }
    if (scale < 0) {
        if (!pad(d, -scale))
            return false;
        d->scale = 0;
    }
    d->negative = d->negative && !is_zero(d);
    return true;
}

/* a / b, cut to `scale` digits behind the point; a and b are taken as they are. */
static bool divide(const decimal *a, const decimal *b, int scale, decimal *ret)
{
    decimal rest = {0}, divisor = *b, numerator = *a;
    if (!pad(&numerator, scale + b->scale - a->scale > 0 ? scale + b->scale - a->scale : 0))
        return false;
    int surplus = a->scale - b->scale - scale; /* digits that go beyond what is asked */
    if (surplus > 0)
        numerator.len = surplus < numerator.len ? numerator.len - surplus : 0;
    *ret = (decimal){.negative = a->negative != b->negative, .scale = scale};
    divisor.scale = 0;
    for (int i = 0; i < numerator.len; i++) {
        if (rest.len == DIGITS_MAX)
            return false;
        int lead = 0;
        while (lead < rest.len && rest.digits[lead] == 0)
            lead++;
        memmove(rest.digits, rest.digits + lead, (size_t)(rest.len - lead));
        rest.len -= lead;
        rest.digits[rest.len++] = numerator.digits[i];
        decimal part = divisor;
        part.scale = rest.scale = 0;
        if (!align(&rest, &part))
            return false;
        uint8_t q = 0;
        for (; compare_aligned(&rest, &part) >= 0; q++)
            subtract_aligned(&rest, &part);
        ret->digits[ret->len++] = q;
    }
    if (ret->len == 0)
        ret->digits[ret->len++] = 0;
    ret->negative = ret->negative && !is_zero(ret);
    return true;
}

/* The first group of four digits that is not zero, and its weight. */
static int weight_of(const decimal *d, int *ret_group)
{
    int first = 0;
    while (first < d->len && d->digits[first] == 0)
        first++;
    *ret_group = 0;
    if (first == d->len)
        return 0;
    int power = d->len - d->scale - 1 - first;
    int weight = power >= 0 ? power / 4 : -((3 - power) / 4);
    for (int p = power; p >= weight * 4; p--) {
        int at = d->len - d->scale - 1 - p;
        *ret_group = *ret_group * 10 + (at < d->len ? d->digits[at] : 0);
    }
    return weight;
}

/* At least 16 significant digits. */
static int quotient_scale(const decimal *a, const decimal *b)
{
    int group_a = 0, group_b = 0;
    int weight = weight_of(a, &group_a) - weight_of(b, &group_b);
    if (group_a <= group_b)
        weight--;
    int scale = 16 - weight * 4;
    scale = scale > a->scale ? scale : a->scale;
    scale = scale > b->scale ? scale : b->scale;
    return scale < 0 ? 0 : scale > 1000 ? 1000 : scale;
}

static bool quotient(const decimal *a, const decimal *b, decimal *ret)
{
    int scale = quotient_scale(a, b);
    return divide(a, b, scale + 1, ret) && set_scale(ret, scale, false);
}

int run_decimal_put(weir_slice text, weir_buf *out)
{
    decimal d;
    weir_value ignored;
    return parse(text, &d) != 0 ? -EMSGSIZE : give(&d, out, &ignored);
}

/* ---- functions ---- */

static int read_two(const weir_value *args, decimal *a, decimal *b, weir_error *err)
{
    int r = read(&args[0], a, err);
    return r == 0 ? read(&args[1], b, err) : r;
}

/* Of two operands, which it may change; *ret is where the result is to be, or one of them. */
typedef int (*operation)(decimal *a, decimal *b, decimal **ret, weir_error *err);

static int apply(operation op, const weir_value *args, weir_buf *out, weir_value *ret,
                 weir_error *err)
{
    decimal a, b, room, *result = &room;
    if (run_any_null(args, 2))
        return 0;
    int r = read_two(args, &a, &b, err);
    if (r == 0)
        r = op(&a, &b, &result, err);
    return r == 0 ? give(result, out, ret) : r;
}

static int plus(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    *ret = a;
    return add(a, b) ? 0 : too_large(err);
}

static int minus(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    b->negative = !b->negative && !is_zero(b);
    return plus(a, b, ret, err);
}

static int times(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    return multiply(a, b, *ret) ? 0 : too_large(err);
}

static int divided(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    if (is_zero(b))
        return run_by_zero(err);
    return quotient(a, b, *ret) ? 0 : too_large(err);
}

static int whole_times(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    if (is_zero(b))
        return run_by_zero(err);
    return divide(a, b, 0, *ret) ? 0 : too_large(err);
}

static int remainder_of(decimal *a, decimal *b, decimal **ret, weir_error *err)
{
    decimal product;
    int r = whole_times(a, b, ret, err);
    if (r == 0 && !multiply(*ret, b, &product))
        return too_large(err);
    return r == 0 ? minus(a, &product, ret, err) : r;
}

static int call_add(RUN_ARGS)
{
    (void)count;
    return apply(plus, args, out, ret, err);
}

static int call_sub(RUN_ARGS)
{
    (void)count;
    return apply(minus, args, out, ret, err);
}

static int call_mul(RUN_ARGS)
{
    (void)count;
    return apply(times, args, out, ret, err);
}

static int call_div(RUN_ARGS)
{
    (void)count;
    return apply(divided, args, out, ret, err);
}

static int call_quo(RUN_ARGS)
{
    (void)count;
    return apply(whole_times, args, out, ret, err);
}

static int call_rem(RUN_ARGS)
{
    (void)count;
    return apply(remainder_of, args, out, ret, err);
}

/* A number of digits, as many as PostgreSQL has. */
static int bounded(const weir_value *v)
{
    int64_t n = run_integer_of(v);
    return n > 1000 ? 1000 : n < -1000 ? -1000 : (int)n;
}

static int scaled(const weir_value *args, size_t count, bool cut, weir_buf *out, weir_value *ret,
                  weir_error *err)
{
    decimal a;
    if (run_any_null(args, count))
        return 0;
    int r = read(&args[0], &a, err);
    if (r != 0)
        return r;
    return set_scale(&a, bounded(&args[1]), cut) ? give(&a, out, ret) : too_large(err);
}

static int call_round(RUN_ARGS)
{
    return scaled(args, count, false, out, ret, err);
}

static int call_trunc(RUN_ARGS)
{
    return scaled(args, count, true, out, ret, err);
}

static int to_whole(const weir_value *args, bool up, weir_buf *out, weir_value *ret,
                    weir_error *err)
{
    decimal a, cut, one = {.len = 1, .digits = {1}};
    if (run_any_null(args, 1))
        return 0;
    int r = read(&args[0], &a, err);
    if (r != 0)
        return r;
    cut = a;
    if (!set_scale(&cut, 0, true))
        return too_large(err);
    one.negative = !up;
    int order = compare(cut, a);
    if ((up ? order < 0 : order > 0) && !add(&cut, &one))
        return too_large(err);
    return give(&cut, out, ret);
}

static int call_floor(RUN_ARGS)
{
    (void)count;
    return to_whole(args, false, out, ret, err);
}

static int call_ceil(RUN_ARGS)
{
    (void)count;
    return to_whole(args, true, out, ret, err);
}

static int call_abs(RUN_ARGS)
{
    decimal a;
    if (run_any_null(args, count))
        return 0;
    int r = read(&args[0], &a, err);
    a.negative = false;
    return r == 0 ? give(&a, out, ret) : r;
}

static int call_nullif(RUN_ARGS)
{
    decimal a, b;
    *ret = args[0];
    if (run_any_null(args, count))
        return 0;
    int r = read_two(args, &a, &b, err);
    if (r != 0)
        return r;
    if (compare(a, b) == 0) {
        *ret = (weir_value){.type = WEIR_VALUE_NULL};
        return 0;
    }
    return give(&a, out, ret);
}

/* weir_numeric(x [, precision, scale]): the cast. */
static int call_numeric(RUN_ARGS)
{
    decimal a;
    if (run_any_null(args, count))
        return 0;
    int r = read(&args[0], &a, err);
    if (r != 0 || count == 1)
        return r == 0 ? give(&a, out, ret) : r;
    int precision = bounded(&args[1]), scale = bounded(&args[2]), first = 0;
    if (!set_scale(&a, scale, false))
        return too_large(err);
    while (first < a.len - a.scale && a.digits[first] == 0)
        first++;
    if (a.len - a.scale - first > precision - scale) {
        weir_error_set(err, "22003", "numeric field overflow");
        weir_error_detail(err,
                          "A field with precision %d, scale %d must round to an absolute value "
                          "less than 10^%d.",
                          precision, scale, precision - scale);
        return WEIR_COMPAT_REFUSED;
    }
    return give(&a, out, ret);
}

/* weir_trimmed(x): equal numbers have one text. */
static int call_trimmed(RUN_ARGS)
{
    decimal a;
    if (run_any_null(args, count))
        return 0;
    int r = read(&args[0], &a, err);
    for (; r == 0 && a.scale > 0 && a.len > 1 && a.digits[a.len - 1] == 0; a.len--)
        a.scale--;
    return r == 0 ? give(&a, out, ret) : r;
}

/* weir_number(x): as SQLite compares it. */
static int call_number(RUN_ARGS)
{
    (void)count, (void)out;
    int64_t whole = 0;
    double real = 0;
    *ret = args[0];
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    if (weir_number_integer(args[0].u.bytes, &whole)) {
        run_give_integer(ret, whole);
        return 0;
    }
    if (!weir_number_real(args[0].u.bytes, &real))
        return run_invalid(err, "numeric", args[0].u.bytes);
    if (weir_number_integral(real, &whole) && real > -1e15 && real < 1e15)
        run_give_integer(ret, whole);
    else
        run_give_real(ret, real);
    return 0;
}

/* ---- sums: what is gathered is how many there were, and the sum as a text ---- */

static int step(const weir_value *args, size_t count, weir_buf *gathered)
{
    decimal a, b;
    weir_error err;
    weir_value result;
    uint64_t many = 0;
    (void)count;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (read(&args[0], &b, &err) != 0)
        return -EMSGSIZE;
    if (gathered->len > 0) {
        memcpy(&many, gathered->data, sizeof(many));
        if (parse(weir_slice_skip(weir_buf_slice(gathered), sizeof(many)), &a) != 0 || !add(&a, &b))
            return -EMSGSIZE;
    } else {
        a = b;
    }
    many++;
    weir_buf_clear(gathered);
    int r = weir_buf_append(gathered, weir_slice_make(&many, sizeof(many)));
    return r == 0 ? give(&a, gathered, &result) : r;
}

static int finish(weir_buf *out, bool average, weir_value *ret, weir_error *err)
{
    decimal sum, many, result;
    uint64_t n = 0;
    if (out->len < sizeof(n))
        return 0;
    memcpy(&n, out->data, sizeof(n));
    if (parse(weir_slice_skip(weir_buf_slice(out), sizeof(n)), &sum) != 0)
        return too_large(err);
    weir_value v;
    run_give_integer(&v, (int64_t)n);
    int r = read(&v, &many, err);
    weir_buf_clear(out);
    if (r != 0 || !average)
        return r == 0 ? give(&sum, out, ret) : r;
    return quotient(&sum, &many, &result) ? give(&result, out, ret) : too_large(err);
}

/* The least or greatest so far, as a text. */
static int keep(const weir_value *args, int wanted, weir_buf *gathered)
{
    decimal a, b;
    weir_error err;
    weir_value result;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (read(&args[0], &b, &err) != 0)
        return -EMSGSIZE;
    if (gathered->len > 0 &&
        (parse(weir_buf_slice(gathered), &a) != 0 || compare(b, a) * wanted <= 0))
        return 0;
    weir_buf_clear(gathered);
    return give(&b, gathered, &result);
}

static int min_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return keep(args, -1, gathered);
}

static int max_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return keep(args, 1, gathered);
}

static int sum_end(RUN_ARGS)
{
    (void)args, (void)count;
    return finish(out, false, ret, err);
}

static int average_end(RUN_ARGS)
{
    (void)args, (void)count;
    return finish(out, true, ret, err);
}

const weir_face_function weir_face_decimals[] = {
    {.name = "weir_add", .args = 2, .pure = true, .call = call_add},
    {.name = "weir_sub", .args = 2, .pure = true, .call = call_sub},
    {.name = "weir_mul", .args = 2, .pure = true, .call = call_mul},
    {.name = "weir_div", .args = 2, .pure = true, .call = call_div},
    {.name = "weir_quo", .args = 2, .pure = true, .call = call_quo},
    {.name = "weir_rem", .args = 2, .pure = true, .call = call_rem},
    {.name = "weir_round", .args = 2, .pure = true, .call = call_round},
    {.name = "weir_trunc", .args = 2, .pure = true, .call = call_trunc},
    {.name = "weir_floor", .args = 1, .pure = true, .call = call_floor},
    {.name = "weir_ceil", .args = 1, .pure = true, .call = call_ceil},
    {.name = "weir_numeric_abs", .args = 1, .pure = true, .call = call_abs},
    {.name = "weir_numeric_nullif", .args = 2, .pure = true, .call = call_nullif},
    {.name = "weir_numeric", .args = 1, .pure = true, .call = call_numeric},
    {.name = "weir_numeric", .args = 3, .pure = true, .call = call_numeric},
    {.name = "weir_trimmed", .args = 1, .pure = true, .call = call_trimmed},
    {.name = "weir_number", .args = 1, .pure = true, .call = call_number},
    {.name = "weir_sum", .args = 1, .step = step, .call = sum_end},
    {.name = "weir_numeric_min", .args = 1, .step = min_step, .call = run_gathered},
    {.name = "weir_numeric_max", .args = 1, .step = max_step, .call = run_gathered},
    {.name = "weir_avg", .args = 1, .step = step, .call = average_end},
    {.name = NULL},
};
