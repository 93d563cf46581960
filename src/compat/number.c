/* Integers, doubles and booleans as texts. */
#include "compat/values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static weir_slice trim(weir_slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r')))
        s = weir_slice_skip(s, 1);
    while (s.len > 0 &&
           (s.data[s.len - 1] == ' ' || (s.data[s.len - 1] >= '\t' && s.data[s.len - 1] <= '\r')))
        s = weir_slice_head(s, s.len - 1);
    return s;
}

bool weir_number_integer(weir_slice text, int64_t *ret)
{
    text = trim(text);
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
    text = trim(text);
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
    text = trim(text);
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

size_t weir_number_format(double real, char out[WEIR_NUMBER_TEXT_MAX])
{
    if (isnan(real))
        return (size_t)snprintf(out, WEIR_NUMBER_TEXT_MAX, "NaN");
    if (isinf(real))
        return (size_t)snprintf(out, WEIR_NUMBER_TEXT_MAX, real > 0 ? "Infinity" : "-Infinity");
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(out, WEIR_NUMBER_TEXT_MAX, "%.*g", digits, real);
        if (strtod(out, NULL) == real)
            break;
    }
    return (size_t)len;
}
