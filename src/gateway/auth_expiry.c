/* Until when a password counts, as a lookup's third column says it. Pure. */
#include "gateway/auth_expiry.h"

/* `digits` digits to a number; -EINVAL. */
static int take_number(weir_slice *in, unsigned digits, int64_t *ret)
{
    int64_t n = 0;
    if (in->len < digits)
        return -EINVAL;
    for (unsigned i = 0; i < digits; i++) {
        if (in->data[i] < '0' || in->data[i] > '9')
            return -EINVAL;
        n = n * 10 + (in->data[i] - '0');
    }
    *in = weir_slice_skip(*in, digits);
    *ret = n;
    return 0;
}

static bool take_char(weir_slice *in, char c)
{
    if (in->len == 0 || in->data[0] != (uint8_t)c)
        return false;
    *in = weir_slice_skip(*in, 1);
    return true;
}

static void skip_fraction(weir_slice *in)
{
    if (!take_char(in, '.'))
        return;
    while (in->len > 0 && in->data[0] >= '0' && in->data[0] <= '9')
        *in = weir_slice_skip(*in, 1);
}

/* Days since 1970 of a date of the Gregorian calendar, counting years from March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* "+02", "-03:30", "+00:19:32" as seconds; none: 0. */
static int take_zone(weir_slice *in, int64_t *ret)
{
    int64_t part[3] = {0};
    bool west = in->len > 0 && in->data[0] == '-';
    *ret = 0;
    if (!take_char(in, '+') && !take_char(in, '-'))
        return 0;
    for (unsigned i = 0; i < 3 && (i == 0 || take_char(in, ':')); i++)
        if (take_number(in, 2, &part[i]) < 0)
            return -EINVAL;
    *ret = (part[0] * 3600 + part[1] * 60 + part[2]) * (west ? -1 : 1);
    return 0;
}

/* "2031-12-31 23:59:59.5+01". */
static int parse_iso(weir_slice in, int64_t *ret)
{
    int64_t year, month, day, hour = 0, minute = 0, second = 0, zone = 0;
    unsigned digits = 0;
    while (digits < in.len && in.data[digits] >= '0' && in.data[digits] <= '9')
        digits++;
    if (digits < 4 || digits > 6 || take_number(&in, digits, &year) < 0 || !take_char(&in, '-') ||
        take_number(&in, 2, &month) < 0 || !take_char(&in, '-') || take_number(&in, 2, &day) < 0)
        return -EINVAL;
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return -EINVAL;
    if (take_char(&in, ' ') || take_char(&in, 'T')) {
        if (take_number(&in, 2, &hour) < 0 || !take_char(&in, ':') ||
            take_number(&in, 2, &minute) < 0 || !take_char(&in, ':') ||
            take_number(&in, 2, &second) < 0)
            return -EINVAL;
        skip_fraction(&in);
        if (take_zone(&in, &zone) < 0)
            return -EINVAL;
    }
    *ret = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    return in.len == 0 ? 0 : -EINVAL;
}

static int parse_seconds(weir_slice in, int64_t *ret)
{
    bool negative = take_char(&in, '-');
    unsigned digits = 0;
    while (digits < in.len && in.data[digits] >= '0' && in.data[digits] <= '9')
        digits++;
    if (digits == 0 || digits > 15 || take_number(&in, digits, ret) < 0)
        return -EINVAL;
    *ret = negative ? -*ret : *ret;
    skip_fraction(&in);
    return in.len == 0 ? 0 : -EINVAL;
}

int weir_auth_expiry_parse(weir_slice text, int64_t *ret)
{
    *ret = INT64_MAX;
    if (text.len == 0 || weir_slice_eq_nocase(text, "infinity"))
        return 0;
    if (weir_slice_eq_nocase(text, "-infinity")) {
        *ret = INT64_MIN;
        return 0;
    }
    return parse_seconds(text, ret) == 0 ? 0 : parse_iso(text, ret);
}
