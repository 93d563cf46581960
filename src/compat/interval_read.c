/* An interval's text, read from its end as PostgreSQL does (DecodeInterval): a unit counts for the
 * number before it, a time makes days of it; no field may stand twice. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "compat/fields.h"
#include "compat/run_moments.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR_US INT64_C(3600000000)
#define MINUTE_US INT64_C(60000000)
#define SECOND_US INT64_C(1000000)
#define INTERVAL_US_MAX INT64_C(4000000000000000000)

typedef enum unit {
    UNIT_NONE,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER, /* names a field, measures nothing */
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_AGO
} unit;

#define SECONDS (1u << UNIT_SECOND | 1u << UNIT_MILLISECOND | 1u << UNIT_MICROSECOND)
#define CLOCK (SECONDS | 1u << UNIT_MINUTE | 1u << UNIT_HOUR)

typedef struct span_reading {
    run_interval v;
    unsigned seen; /* units, as bits */
    unit unit;     /* of the next number to the left */
    bool ago, overflow;
    run_span_fields fields;
} span_reading;

static unit unit_of(weir_slice word)
{
    static const struct {
        const char *name;
        unit unit;
    } units[] = {{"s", UNIT_SECOND},         {"sec", UNIT_SECOND},
                 {"second", UNIT_SECOND},    {"m", UNIT_MINUTE},
                 {"min", UNIT_MINUTE},       {"minute", UNIT_MINUTE},
                 {"h", UNIT_HOUR},           {"hr", UNIT_HOUR},
                 {"hour", UNIT_HOUR},        {"d", UNIT_DAY},
                 {"day", UNIT_DAY},          {"w", UNIT_WEEK},
                 {"week", UNIT_WEEK},        {"mon", UNIT_MONTH},
                 {"month", UNIT_MONTH},      {"y", UNIT_YEAR},
                 {"yr", UNIT_YEAR},          {"year", UNIT_YEAR},
                 {"dec", UNIT_DECADE},       {"decade", UNIT_DECADE},
                 {"c", UNIT_CENTURY},        {"cent", UNIT_CENTURY},
                 {"century", UNIT_CENTURY},  {"centuries", UNIT_CENTURY},
                 {"mil", UNIT_MILLENNIUM},   {"millennium", UNIT_MILLENNIUM},
                 {"ms", UNIT_MILLISECOND},   {"millennia", UNIT_MILLENNIUM},
                 {"us", UNIT_MICROSECOND},   {"msec", UNIT_MILLISECOND},
                 {"ago", UNIT_AGO},          {"msecond", UNIT_MILLISECOND},
                 {"qtr", UNIT_QUARTER},      {"millisecond", UNIT_MILLISECOND},
                 {"usec", UNIT_MICROSECOND}, {"usecond", UNIT_MICROSECOND},
                 {"quarter", UNIT_QUARTER},  {"microsecond", UNIT_MICROSECOND}};
    for (int plural = 0; plural < 2; plural++) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (weir_slice_eq_nocase(word, units[i].name))
                return units[i].unit;
        if (word.len < 3 || weir_ascii_lower(word.data[word.len - 1]) != 's')
            break;
        word.len--;
    }
    return UNIT_NONE;
}

static bool add_times(int64_t *to, int64_t n, int64_t by)
{
    int64_t product;
    return !__builtin_mul_overflow(n, by, &product) && !__builtin_add_overflow(*to, product, to);
}

/* A fraction of so many days: whole ones are days, the rest is a time. */
static void add_days(run_interval *v, double fraction, int scale)
{
    double days = fraction * scale;
    v->days += (int64_t)days;
    v->us += (int64_t)rint((days - (double)(int64_t)days) * 86400.0 * 1e6);
}

/* Of the unit; false: it does not fit. */
static bool add_number(span_reading *d, int64_t n, double fraction)
{
    static const int64_t us[] = {[UNIT_MICROSECOND] = 1,
                                 [UNIT_MILLISECOND] = 1000,
                                 [UNIT_SECOND] = SECOND_US,
                                 [UNIT_MINUTE] = MINUTE_US,
                                 [UNIT_HOUR] = HOUR_US};
    static const int months[] = {
        [UNIT_YEAR] = 12, [UNIT_DECADE] = 120, [UNIT_CENTURY] = 1200, [UNIT_MILLENNIUM] = 12000};
    run_interval *v = &d->v;
    switch (d->unit) {
    case UNIT_MICROSECOND:
    case UNIT_MILLISECOND:
    case UNIT_SECOND:
    case UNIT_MINUTE:
    case UNIT_HOUR:
        return add_times(&v->us, n, us[d->unit]) &&
               add_times(&v->us, (int64_t)rint(fraction * (double)us[d->unit]), 1);
    case UNIT_DAY:
    case UNIT_WEEK:
        add_days(v, fraction, d->unit == UNIT_DAY ? 1 : 7);
        return add_times(&v->days, n, d->unit == UNIT_DAY ? 1 : 7);
    case UNIT_MONTH:
        add_days(v, fraction, 30);
        return add_times(&v->months, n, 1);
    default:
        return add_times(&v->months, n, months[d->unit]) &&
               add_times(&v->months, (int64_t)rint(fraction * months[d->unit]), 1);
    }
}

/* What a number without a unit is: the last of the fields that are asked for. */
static unit last_unit(run_span_fields fields)
{
    switch (fields.last) {
    case 'y':
        return UNIT_YEAR;
    case 'o':
        return UNIT_MONTH;
    case 'd':
        return UNIT_DAY;
    case 'h':
        return UNIT_HOUR;
    case 'm':
        return UNIT_MINUTE;
    default:
        return UNIT_SECOND;
    }
}

static bool see(span_reading *d, unsigned units)
{
    bool again = (d->seen & units) != 0;
    d->seen |= units;
    return !again;
}

/* 5, -5.25, 1-2 (years and months) */
static bool read_number(span_reading *d, const field *f)
{
    weir_slice s = f->text;
    int64_t n = 0, more = 0;
    double fraction = 0;
    int sign = f->minus ? -1 : 1;
    if (d->unit == UNIT_NONE)
        d->unit = last_unit(d->fields);
    if (s.len > 0 && s.data[0] != '.' && !weir_fields_take_number(&s, &n)) {
        d->overflow = s.data[0] >= '0' && s.data[0] <= '9';
        return false;
    }
    if (s.len > 0 && s.data[0] == '-') {
        s = weir_slice_skip(s, 1);
        if (!weir_fields_take_number(&s, &more) || s.len > 0)
            return false;
        d->overflow = more > 11;
        d->unit = UNIT_MONTH;
        n = n * 12 + more;
    } else if (s.len > 0) {
        int64_t ignored = 0;
        char text[40];
        if (!weir_fields_micros(s, &ignored))
            return false;
        (void)snprintf(text, sizeof(text), "0%.*s", (int)(s.len < 32 ? s.len : 32),
                       (const char *)s.data);
        fraction = strtod(text, NULL);
    }
    if (d->unit == UNIT_QUARTER || d->unit == UNIT_AGO)
        return false;
    bool whole = fraction == 0 || d->unit != UNIT_SECOND;
    if (!see(d, whole ? 1u << d->unit : SECONDS))
        return false;
    d->overflow |= !add_number(d, sign * n, sign * fraction);
    d->unit = d->unit == UNIT_HOUR ? UNIT_DAY : d->unit;
    return !d->overflow;
}

static bool read_clock(span_reading *d, const field *f)
{
    int64_t us = 0;
    field_time r = weir_fields_time(f->text, d->fields.first == 'm' && d->fields.last == 's', &us);
    d->overflow |= r == FIELD_TIME_OVERFLOW;
    d->unit = UNIT_DAY;
    return r == FIELD_TIME_READ && see(d, CLOCK) && add_times(&d->v.us, f->minus ? -us : us, 1);
}

static bool read_field(span_reading *d, const field *f)
{
    unit u = UNIT_NONE;
    switch (f->kind) {
    case FIELD_TIME:
        return read_clock(d, f);
    case FIELD_SIGNED:
        return memchr(f->text.data, ':', f->text.len) ? read_clock(d, f) : read_number(d, f);
    case FIELD_NUMBER:
    case FIELD_DATE:
        return read_number(d, f);
    default:
        u = f->minus ? UNIT_NONE : unit_of(f->text);
        d->ago |= u == UNIT_AGO;
        d->unit = u;
        return u != UNIT_NONE;
    }
}

/* P1Y2M3DT4H5M6.7S */
static bool read_iso(weir_slice s, span_reading *d)
{
    static const char dates[] = "ymwd", times[] = "hms";
    static const unit date_units[] = {UNIT_YEAR, UNIT_MONTH, UNIT_WEEK, UNIT_DAY};
    static const unit time_units[] = {UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND};
    bool time = false, any = false;
    for (s = weir_slice_skip(s, 1); s.len > 0; any = true) {
        if (!time && weir_ascii_lower(s.data[0]) == 't') {
            time = true;
            s = weir_slice_skip(s, 1);
        }
        char text[40];
        size_t len = 0;
        while (len < s.len && s.data[len] != '\0' && strchr("0123456789.+-", s.data[len]))
            len++;
        if (len == 0 || len == s.len || len >= sizeof(text))
            return false;
        memcpy(text, s.data, len);
        text[len] = '\0';
        char *end = NULL;
        double n = strtod(text, &end);
        const char *set = time ? times : dates;
        const char *at = strchr(set, weir_ascii_lower(s.data[len]));
        if (*end != '\0' || !at || !(n > -2147483648.0 && n < 2147483648.0))
            return false;
        d->unit = time ? time_units[at - set] : date_units[at - set];
        if (!add_number(d, (int64_t)n, n - (double)(int64_t)n))
            return false;
        s = weir_slice_skip(s, len + 1);
    }
    return any;
}

/* So that two can be added. */
static bool is_bounded(const run_interval *v)
{
    return v->months <= INT32_MAX && v->months >= -INT32_MAX && v->days <= INT32_MAX &&
           v->days >= -INT32_MAX && v->us < INTERVAL_US_MAX && v->us > -INTERVAL_US_MAX;
}

/* What is smaller than the last of the fields is cut off. */
static void cut(run_interval *v, run_span_fields fields)
{
    static const int64_t scales[] = {SECOND_US, 100000, 10000, 1000, 100, 10, 1};
    if (fields.last == 'y')
        v->months = v->months / 12 * 12;
    if (fields.last == 'y' || fields.last == 'o')
        v->days = 0;
    if (fields.last == 'y' || fields.last == 'o' || fields.last == 'd')
        v->us = 0;
    if (fields.last == 'h')
        v->us = v->us / HOUR_US * HOUR_US;
    if (fields.last == 'm')
        v->us = v->us / MINUTE_US * MINUTE_US;
    if (fields.precision >= 0 && fields.precision < 6) {
        int64_t scale = scales[fields.precision], half = v->us < 0 ? -scale / 2 : scale / 2;
        v->us = (v->us + half) / scale * scale;
    }
}

static bool read_text(weir_slice s, span_reading *d)
{
    field fields[FIELDS_MAX];
    size_t count = 0;
    if (!weir_fields_split(s, fields, &count))
        return false;
    for (size_t i = count; i > 0; i--)
        if (!read_field(d, &fields[i - 1]))
            return false;
    return d->seen != 0;
}

int run_interval_read(weir_slice text, run_span_fields fields, run_interval *v, weir_error *err)
{
    weir_slice s = weir_ascii_trim(text);
    span_reading d = {.fields = fields};
    bool iso = s.len > 1 && weir_ascii_lower(s.data[0]) == 'p';
    if (!(iso ? read_iso(s, &d) : read_text(s, &d)) || d.overflow) {
        weir_error_set(err, d.overflow ? "22015" : "22007",
                       d.overflow ? "interval field value out of range: \"%.*s\""
                                  : "invalid input syntax for type interval: \"%.*s\"",
                       WEIR_UTF8_QUOTED(s, 60));
        return WEIR_COMPAT_REFUSED;
    }
    *v = d.v;
    if (!is_bounded(v))
        return run_refuse(err, "22008", "interval out of range");
    if (d.ago)
        *v = (run_interval){-v->months, -v->days, -v->us};
    cut(v, fields);
    return 0;
}

int run_moment_read_interval(const weir_value *value, run_interval *v, weir_error *err)
{
    return run_interval_read(run_bytes_of(value), RUN_SPAN_ALL, v, err);
}
