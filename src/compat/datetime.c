/* Dates and times. SQLite stores them as text, seconds since 1970 or Julian days; PostgreSQL sends
 * days or microseconds from 2000-01-01. Proleptic Gregorian calendar, years 1 to 9999. */
#include "compat/fields.h"
#include "compat/values.h"
#include <math.h>
#include <stdio.h>

#define UNIX_TO_POSTGRES_DAYS 10957 /* from 1970-01-01 to 2000-01-01 */
#define JULIAN_OF_POSTGRES 2451544.5

/* Days from 2000-01-01, by counting from a March that begins a 400-year era (Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms"). */
static int32_t days_from_civil(int y, int m, int d)
{
    y -= m <= 2;
    int era = y / 400;
    int yoe = y - era * 400;
    int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468 - UNIX_TO_POSTGRES_DAYS;
}

static void civil_from_days(int32_t days, int *y, int *m, int *d)
{
    int64_t z = (int64_t)days + UNIX_TO_POSTGRES_DAYS + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int doe = (int)(z - era * 146097);
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp + (mp < 10 ? 3 : -9);
    *y = (int)(yoe + era * 400) + (*m <= 2);
}

/* Exactly `width` digits at the front, taken off. */
static bool take_digits(weir_slice *s, size_t width, int *ret)
{
    int v = 0;
    if (s->len < width)
        return false;
    for (size_t i = 0; i < width; i++) {
        if (s->data[i] < '0' || s->data[i] > '9')
            return false;
        v = v * 10 + (s->data[i] - '0');
    }
    *ret = v;
    *s = weir_slice_skip(*s, width);
    return true;
}

static bool take_char(weir_slice *s, char c)
{
    if (s->len == 0 || s->data[0] != (uint8_t)c)
        return false;
    *s = weir_slice_skip(*s, 1);
    return true;
}

static int month_days(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

void weir_date_split(int32_t days, int *ret_year, int *ret_month, int *ret_day)
{
    civil_from_days(days, ret_year, ret_month, ret_day);
}

bool weir_date_join(int year, int month, int day, int32_t *ret_days)
{
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    *ret_days = days_from_civil(year, month, day);
    return true;
}

static bool take_date(weir_slice *s, int32_t *ret_days)
{
    int y = 0, m = 0, d = 0;
    if (!take_digits(s, 4, &y) || !take_char(s, '-') || !take_digits(s, 2, &m) ||
        !take_char(s, '-') || !take_digits(s, 2, &d))
        return false;
    return weir_date_join(y, m, d, ret_days);
}

/* Behind the point; rounded, which may make a second of it. */
static int64_t take_fraction(weir_slice *s)
{
    int64_t us = 0, scale = 100000;
    weir_slice whole = *s;
    while (s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9') {
        us += (s->data[0] - '0') * scale;
        scale /= 10;
        *s = weir_slice_skip(*s, 1);
    }
    size_t digits = whole.len - s->len;
    if (digits > 6)
        (void)weir_fields_micros(weir_slice_make(whole.data - 1, digits + 1), &us);
    return us;
}

static bool take_time(weir_slice *s, int64_t *ret_us)
{
    int h = 0, m = 0, sec = 0;
    int64_t us = 0;
    if (!take_digits(s, 2, &h) || !take_char(s, ':') || !take_digits(s, 2, &m))
        return false;
    if (take_char(s, ':')) {
        if (!take_digits(s, 2, &sec))
            return false;
        if (take_char(s, '.'))
            us = take_fraction(s);
    }
    if (h > 24 || m > 59 || sec > 59 || (h == 24 && (m > 0 || sec > 0 || us > 0)))
        return false;
    *ret_us = ((h * INT64_C(60) + m) * 60 + sec) * 1000000 + us;
    return true;
}

/* Nothing, 'Z', or ±HH, ±HHMM, ±HH:MM; in microseconds east of Greenwich. */
static bool take_zone(weir_slice *s, int64_t *ret_us)
{
    *ret_us = 0;
    if (s->len == 0 || take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool west = s->data[0] == '-';
    int h = 0, m = 0;
    if (!take_char(s, west ? '-' : '+') || !take_digits(s, 2, &h))
        return false;
    if (s->len > 0) {
        (void)take_char(s, ':');
        if (!take_digits(s, 2, &m))
            return false;
    }
    if (h > 15 || m > 59)
        return false;
    *ret_us = (west ? -1 : 1) * (h * INT64_C(60) + m) * 60000000;
    return true;
}

bool weir_time_parse(weir_slice text, int64_t *ret_us)
{
    int64_t us = 0;
    if (!take_time(&text, &us) || text.len > 0)
        return false;
    *ret_us = us;
    return true;
}

bool weir_timestamp_parse(weir_slice text, int64_t *ret_us)
{
    int32_t days = 0;
    int64_t us = 0, zone = 0;
    if (!take_date(&text, &days))
        return false;
    if (text.len > 0) {
        if (!take_char(&text, ' ') && !take_char(&text, 'T') && !take_char(&text, 't'))
            return false;
        if (!take_time(&text, &us))
            return false;
        (void)take_char(&text, ' ');
        if (!take_zone(&text, &zone) || text.len > 0)
            return false;
    }
    *ret_us = days * WEIR_USEC_PER_DAY + us - zone;
    return true;
}

/* 0001-01-01 to 9999-12-31, so that every text has four digits of year. */
bool weir_timestamp_in_range(int64_t us)
{
    return us >= days_from_civil(1, 1, 1) * WEIR_USEC_PER_DAY &&
           us < (days_from_civil(9999, 12, 31) + 1) * WEIR_USEC_PER_DAY;
}

bool weir_timestamp_unix(int64_t seconds, int64_t *ret_us)
{
    if (seconds > INT64_C(400000000000) || seconds < -INT64_C(400000000000))
        return false;
    int64_t us = (seconds - UNIX_TO_POSTGRES_DAYS * INT64_C(86400)) * 1000000;
    if (!weir_timestamp_in_range(us))
        return false;
    *ret_us = us;
    return true;
}

bool weir_timestamp_julian(double day, int64_t *ret_us)
{
    if (!(day >= 1721425.5 && day < 5373484.5))
        return false;
    /* A double holds a Julian day to about 40 us; SQLite itself rounds to milliseconds. */
    *ret_us = (int64_t)llround((day - JULIAN_OF_POSTGRES) * 86400000.0) * 1000;
    return weir_timestamp_in_range(*ret_us);
}

/* The last `width` digits, without snprintf, which takes ten times as long. */
static size_t put_digits(char *out, int n, size_t width)
{
    for (size_t i = width; i > 0; i--, n /= 10)
        out[i - 1] = (char)('0' + n % 10);
    out[width] = '\0';
    return width;
}

size_t weir_date_format(int32_t days, char out[WEIR_DATETIME_TEXT_MAX])
{
    int y = 0, m = 0, d = 0;
    civil_from_days(days, &y, &m, &d);
    if (y < 0 || y > 9999)
        return (size_t)snprintf(out, WEIR_DATETIME_TEXT_MAX, "%04d-%02d-%02d", y, m, d);
    size_t len = put_digits(out, y, 4);
    out[len++] = '-';
    len += put_digits(out + len, m, 2);
    out[len++] = '-';
    return len + put_digits(out + len, d, 2);
}

size_t weir_time_format(int64_t us, char out[WEIR_DATETIME_TEXT_MAX])
{
    int fraction = (int)(us % 1000000);
    int seconds = (int)(us / 1000000);
    size_t len = put_digits(out, seconds / 3600, 2);
    out[len++] = ':';
    len += put_digits(out + len, seconds / 60 % 60, 2);
    out[len++] = ':';
    len += put_digits(out + len, seconds % 60, 2);
    if (fraction > 0) {
        out[len++] = '.';
        len += put_digits(out + len, fraction, 6);
        while (out[len - 1] == '0')
            out[--len] = '\0';
    }
    return len;
}

size_t weir_timestamp_format(int64_t us, bool with_zone, char out[WEIR_DATETIME_TEXT_MAX])
{
    int64_t days = us / WEIR_USEC_PER_DAY, rest = us % WEIR_USEC_PER_DAY;
    if (rest < 0) {
        rest += WEIR_USEC_PER_DAY;
        days--;
    }
    char clock[WEIR_DATETIME_TEXT_MAX];
    size_t time = weir_time_format(rest, clock), len = weir_date_format((int32_t)days, out);
    out[len++] = ' ';
    memcpy(out + len, clock, time + 1);
    len += time;
    if (with_zone)
        memcpy(out + len, "+00", 4);
    return len + (with_zone ? 3 : 0);
}
