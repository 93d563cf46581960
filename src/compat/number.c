/* Integers, doubles and booleans as texts. */
#include "base/ascii.h"
#include "compat/values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool weir_number_integer(weir_slice text, int64_t *ret)
{
    text = weir_ascii_trim(text);
    bool negative = text.len > 0 && text.data[0] == '-';
    if (negative || (text.len > 0 && text.data[0] == '+'))
        text = weir_slice_skip(text, 1);
    if (text.len == 0)
        return false;
    uint64_t max = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* Digits and what belongs to them, so that strtod never sees "0x1p3" or "nan(…)". */
static bool is_decimal(weir_slice s)
{
    if (weir_slice_eq_nocase(s, "nan") || weir_slice_eq_nocase(s, "infinity") ||
        weir_slice_eq_nocase(s, "-infinity") || weir_slice_eq_nocase(s, "inf") ||
        weir_slice_eq_nocase(s, "-inf"))
        return true;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool fine =
            (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
        if (!fine)
            return false;
    }
    return s.len > 0;
}

bool weir_number_real(weir_slice text, double *ret)
{
    char copy[512];
    text = weir_ascii_trim(text);
    if (text.len >= sizeof(copy) || !is_decimal(text))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *end = NULL;
    double v = strtod(copy, &end);
    if (end != copy + text.len)
        return false;
    *ret = v;
    return true;
}

bool weir_number_bool(weir_slice text, bool *ret)
{
    static const char *const yes[] = {"t", "true", "y", "yes", "on", "1"};
    static const char *const no[] = {"f", "false", "n", "no", "off", "0"};
    text = weir_ascii_trim(text);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (weir_slice_eq_nocase(text, yes[i]) || weir_slice_eq_nocase(text, no[i])) {
            *ret = weir_slice_eq_nocase(text, yes[i]);
            return true;
        }
    }
    return false;
}

bool weir_number_integral(double real, int64_t *ret)
{
    /* cppcheck-suppress incorrectLogicOperator ; it cannot read hexadecimal floats */
    if (!(real >= -0x1p63 && real < 0x1p63) || real != trunc(real))
        return false;
    *ret = (int64_t)real;
    return true;
}

/* snprintf takes ten times as long, and large results consist of such cells. */
size_t weir_number_format_integer(int64_t i, char out[WEIR_NUMBER_TEXT_MAX])
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[WEIR_NUMBER_TEXT_MAX];
    size_t at = sizeof(digits);
    uint64_t v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    for (; v >= 100; v /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (v % 100), 2);
    }
    if (v >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * v, 2);
    } else {
        digits[--at] = (char)('0' + v);
    }
    if (i < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* Half-way to a neighbour: PostgreSQL writes one digit more, though it would be read as this one.
 * Below 2^53 no such text is short. */
static bool is_halfway(const char *text, double real)
{
    if (fabs(real) < 0x1p53)
        return false;
    long double v = strtold(text, NULL), x = real;
    return v != x &&
           (v == (x + nextafter(real, INFINITY)) / 2 || v == (x + nextafter(real, -INFINITY)) / 2);
}

static bool is_halfway_float(const char *text, float real)
{
    if (fabsf(real) < 0x1p24f)
        return false;
    double v = strtod(text, NULL), x = real;
    return v != x && (v == (x + nextafterf(real, INFINITY)) / 2 ||
                      v == (x + nextafterf(real, -INFINITY)) / 2);
}

#define SHORT_FRACTION_MAX 6

/* What people write has few digits behind the point. Up to 15 digits and the power of ten are
 * exact, so that their quotient is rounded once, to the double that the text stands for. 0: it is
 * not such a number. */
static size_t format_short(double real, char out[WEIR_NUMBER_TEXT_MAX])
{
    static const double powers[SHORT_FRACTION_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double magnitude = fabs(real), digits = 0;
    int places = 0;
    if (!(magnitude >= 1e-4 && magnitude < 1e15))
        return 0;
    for (; places <= SHORT_FRACTION_MAX; places++) {
        digits = rint(magnitude * powers[places]);
        if (digits >= 1e15 || digits / powers[places] == magnitude)
            break;
    }
    if (places > SHORT_FRACTION_MAX || digits >= 1e15)
        return 0;
    int64_t whole = (int64_t)digits, base = (int64_t)powers[places];
    size_t sign = real < 0, len = sign;
    out[0] = '-';
    char room[WEIR_NUMBER_TEXT_MAX];
    size_t count = weir_number_format_integer(whole / base, room);
    memcpy(out + sign, room, count);
    len += count;
    if (places > 0)
        out[len++] = '.';
    for (int i = places - 1; i >= 0; i--)
        out[len++] = (char)('0' + whole % base / (int64_t)powers[i] % 10);
    out[len] = '\0';
    return len;
}

size_t weir_number_format(double real, char out[WEIR_NUMBER_TEXT_MAX])
{
    size_t quick = format_short(real, out);
    if (quick > 0)
        return quick;
    if (isnan(real))
        return (size_t)snprintf(out, WEIR_NUMBER_TEXT_MAX, "NaN");
    if (isinf(real))
        return (size_t)snprintf(out, WEIR_NUMBER_TEXT_MAX, real > 0 ? "Infinity" : "-Infinity");
    int len = 0;
    for (int digits = 0; fabs(real) >= 1e15 && digits < 17; digits++) {
        len = snprintf(out, WEIR_NUMBER_TEXT_MAX, "%.*e", digits, real);
        if (strtod(out, NULL) == real && !is_halfway(out, real))
            return (size_t)len;
    }
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(out, WEIR_NUMBER_TEXT_MAX, "%.*g", digits, real);
        if (strtod(out, NULL) == real)
            break;
    }
    return (size_t)len;
}

size_t weir_number_format_float4(float real, char out[WEIR_NUMBER_TEXT_MAX])
{
    if (isnan(real) || isinf(real))
        return weir_number_format(real, out);
    int len = 0;
    for (int digits = 0; fabsf(real) >= 1e6f && digits < 9; digits++) {
        len = snprintf(out, WEIR_NUMBER_TEXT_MAX, "%.*e", digits, (double)real);
        if (strtof(out, NULL) == real && !is_halfway_float(out, real))
            return (size_t)len;
    }
    for (int digits = 6; digits <= 9; digits++) {
        len = snprintf(out, WEIR_NUMBER_TEXT_MAX, "%.*g", digits, (double)real);
        if (strtof(out, NULL) == real)
            break;
    }
    return (size_t)len;
}
