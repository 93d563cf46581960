/* PostgreSQL's numeric on the wire: int16 count of base-10000 digits, int16 weight of the first
 * one, uint16 sign, uint16 digits shown after the point, then the digits
 * (src/backend/utils/adt/numeric.c, numeric_send). */
#include "compat/values.h"

#define NUMERIC_NEGATIVE 0x4000u
#define NUMERIC_NAN 0xc000u
#define NUMERIC_INFINITY 0xd000u
#define NUMERIC_MINUS_INFINITY 0xf000u
#define NUMERIC_DIGITS_MAX 16383 /* on either side of the point */

/* A decimal text taken apart: the value is 0.DIGITS times ten to the power of `point`. */
typedef struct decimal {
    bool negative;
    weir_slice whole, fraction;
    int point;
} decimal;

static weir_slice take_run(weir_slice *s)
{
    size_t n = 0;
    while (n < s->len && s->data[n] >= '0' && s->data[n] <= '9')
        n++;
    weir_slice run = weir_slice_head(*s, n);
    *s = weir_slice_skip(*s, n);
    return run;
}

static bool take_exponent(weir_slice *s, int *ret)
{
    *ret = 0;
    if (s->len == 0 || (s->data[0] | 0x20) != 'e')
        return true;
    *s = weir_slice_skip(*s, 1);
    bool negative = s->len > 0 && s->data[0] == '-';
    if (negative || (s->len > 0 && s->data[0] == '+'))
        *s = weir_slice_skip(*s, 1);
    weir_slice run = take_run(s);
    if (run.len == 0 || run.len > 5)
        return false;
    int v = 0;
    for (size_t i = 0; i < run.len; i++)
        v = v * 10 + (run.data[i] - '0');
    *ret = negative ? -v : v;
    return true;
}

static bool take_apart(weir_slice s, decimal *ret)
{
    decimal d = {0};
    int exponent = 0;
    d.negative = s.len > 0 && s.data[0] == '-';
    if (d.negative || (s.len > 0 && s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    d.whole = take_run(&s);
    if (s.len > 0 && s.data[0] == '.') {
        s = weir_slice_skip(s, 1);
        d.fraction = take_run(&s);
    }
    if (d.whole.len + d.fraction.len == 0 || d.whole.len > NUMERIC_DIGITS_MAX ||
        d.fraction.len > NUMERIC_DIGITS_MAX || !take_exponent(&s, &exponent) || s.len > 0)
        return false;
    d.point = (int)d.whole.len + exponent;
    *ret = d;
    return true;
}

static unsigned digit_at(const decimal *d, int i)
{
    if (i < 0 || (size_t)i >= d->whole.len + d->fraction.len)
        return 0;
    size_t n = (size_t)i;
    uint8_t c = n < d->whole.len ? d->whole.data[n] : d->fraction.data[n - d->whole.len];
    return (unsigned)(c - '0');
}

/* The base-10000 digit worth 10000 to the power of `weight`. */
static unsigned group_at(const decimal *d, int weight)
{
    unsigned v = 0;
    for (int power = 4 * weight + 3; power >= 4 * weight; power--)
        v = v * 10 + digit_at(d, d->point - 1 - power);
    return v;
}

static int floor_div4(int v)
{
    return v >= 0 ? v / 4 : -((3 - v) / 4);
}

static int head(weir_buf *out, int count, int weight, unsigned sign, int scale)
{
    int r = weir_buf_append_u16(out, (uint16_t)count);
    if (r == 0)
        r = weir_buf_append_u16(out, (uint16_t)weight);
    if (r == 0)
        r = weir_buf_append_u16(out, (uint16_t)sign);
    return r == 0 ? weir_buf_append_u16(out, (uint16_t)scale) : r;
}

static unsigned special_sign(weir_slice text)
{
    if (weir_slice_eq_nocase(text, "nan"))
        return NUMERIC_NAN;
    if (weir_slice_eq_nocase(text, "infinity"))
        return NUMERIC_INFINITY;
    return weir_slice_eq_nocase(text, "-infinity") ? NUMERIC_MINUS_INFINITY : 0;
}

bool weir_numeric_valid(weir_slice text)
{
    decimal d;
    return special_sign(text) != 0 || take_apart(text, &d);
}

int weir_numeric_encode(weir_slice text, weir_buf *out)
{
    decimal d;
    if (special_sign(text) != 0)
        return head(out, 0, 0, special_sign(text), 0);
    if (!take_apart(text, &d))
        return WEIR_COMPAT_REFUSED;
    int total = (int)(d.whole.len + d.fraction.len);
    int scale = total - d.point > 0 ? total - d.point : 0;
    int first = floor_div4(d.point - 1), last = floor_div4(d.point - total);
    if (scale > NUMERIC_DIGITS_MAX || d.point > NUMERIC_DIGITS_MAX)
        return WEIR_COMPAT_REFUSED;
    while (first >= last && group_at(&d, first) == 0)
        first--;
    while (last <= first && group_at(&d, last) == 0)
        last++;
    bool zero = first < last;
    int r = head(out, zero ? 0 : first - last + 1, zero ? 0 : first,
                 d.negative && !zero ? NUMERIC_NEGATIVE : 0, scale);
    for (int w = first; r == 0 && !zero && w >= last; w--)
        r = weir_buf_append_u16(out, (uint16_t)group_at(&d, w));
    return r;
}

static unsigned u16_at(weir_slice s, size_t i)
{
    return (unsigned)(s.data[i] << 8 | s.data[i + 1]);
}

typedef struct wire {
    int count, weight, scale;
    weir_slice digits;
} wire;

static unsigned wire_group(const wire *w, int weight)
{
    int i = w->weight - weight;
    return i >= 0 && i < w->count ? u16_at(w->digits, (size_t)i * 2) : 0;
}

static int decode_digits(const wire *w, weir_buf *out)
{
    int r = w->weight < 0 ? weir_buf_append_u8(out, '0') : 0;
    for (int weight = w->weight; r == 0 && weight >= 0; weight--)
        r = weir_buf_printf(out, weight == w->weight ? "%u" : "%04u", wire_group(w, weight));
    if (r == 0 && w->scale > 0)
        r = weir_buf_append_u8(out, '.');
    for (int shown = 0; r == 0 && shown < w->scale; shown++) {
        static const unsigned powers[] = {1000, 100, 10, 1};
        unsigned group = wire_group(w, -1 - shown / 4);
        r = weir_buf_append_u8(out, (uint8_t)('0' + group / powers[shown % 4] % 10));
    }
    return r;
}

int weir_numeric_decode(weir_slice bytes, weir_buf *out)
{
    if (bytes.len < 8 || bytes.len != 8 + 2 * (size_t)u16_at(bytes, 0))
        return WEIR_COMPAT_REFUSED;
    unsigned sign = u16_at(bytes, 4);
    if (sign == NUMERIC_NAN)
        return weir_buf_append(out, WEIR_SLICE_LIT("NaN"));
    if (sign == NUMERIC_INFINITY || sign == NUMERIC_MINUS_INFINITY)
        return weir_buf_append(out, sign == NUMERIC_INFINITY ? WEIR_SLICE_LIT("Infinity")
                                                             : WEIR_SLICE_LIT("-Infinity"));
    wire w = {.count = (int)u16_at(bytes, 0),
              .weight = (int16_t)u16_at(bytes, 2),
              .scale = (int)u16_at(bytes, 6),
              .digits = weir_slice_skip(bytes, 8)};
    if ((sign != 0 && sign != NUMERIC_NEGATIVE) || w.scale > NUMERIC_DIGITS_MAX ||
        w.weight > NUMERIC_DIGITS_MAX / 4)
        return WEIR_COMPAT_REFUSED;
    for (int i = 0; i < w.count; i++)
        if (u16_at(w.digits, (size_t)i * 2) > 9999)
            return WEIR_COMPAT_REFUSED;
    int r = sign == NUMERIC_NEGATIVE ? weir_buf_append_u8(out, '-') : 0;
    return r == 0 ? decode_digits(&w, out) : r;
}
