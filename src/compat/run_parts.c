/* Parts of moments and intervals: date_trunc, extract. */
#include "base/utf8.h"
#include "compat/run_moments.h"
#include <stdio.h>

static int call_date_trunc(RUN_ARGS)
{
    static const char *const names[] = {
        "microseconds", "milliseconds", "second", "minute", "hour",    "day",       "week",
        "month",        "quarter",      "year",   "decade", "century", "millennium"};
    int64_t us = 0;
    run_fields f;
    size_t which = 0;
    if (run_any_null(args, count))
        return 0;
    while (which < 13 && !weir_slice_eq_nocase(run_bytes_of(&args[0]), names[which]))
        which++;
    if (which == 13) {
        weir_error_set(err, "22023", "unit \"%.*s\" not recognized for type timestamp",
                       WEIR_UTF8_QUOTED(run_bytes_of(&args[0]), 40));
        return WEIR_COMPAT_REFUSED;
    }
    int r = run_moment_read_moment(&args[1], &us, err);
    if (r != 0)
        return r;
    static const int64_t steps[] = {1, 1000, 1000000, 60000000, 3600000000, WEIR_USEC_PER_DAY};
    run_moment_split(us, &f);
    f.us -= which < 6 ? f.us % steps[which] : f.us;
    if (which == 6) {
        us = run_moment_day_of(us) * WEIR_USEC_PER_DAY;
        int32_t day = run_moment_day_of(us);
        us -= ((day + 5) % 7 + 7) % 7 * WEIR_USEC_PER_DAY; /* 2000-01-01 was a Saturday */
        return run_moment_give_checked(us, run_moment_has_zone(run_bytes_of(&args[1])), out, ret,
                                       err);
    }
    f.day = which >= 7 ? 1 : f.day;
    f.month = which >= 9 ? 1 : which == 8 ? (f.month - 1) / 3 * 3 + 1 : f.month;
    f.year -= which == 10   ? f.year % 10
              : which == 11 ? (f.year - 1) % 100
              : which == 12 ? (f.year - 1) % 1000
                            : 0;
    if (!run_moment_join(&f, &us))
        return run_refuse(err, "22008", "timestamp out of range");
    return run_moment_give_checked(us, run_moment_has_zone(run_bytes_of(&args[1])), out, ret, err);
}

static int32_t year_start(int year)
{
    run_fields f = {year, 1, 1, 0};
    int64_t us = 0;
    return run_moment_join(&f, &us) ? run_moment_day_of(us) : 0;
}

int run_moment_day_of_year(int64_t us)
{
    run_fields f;
    run_moment_split(us, &f);
    return run_moment_day_of(us) - year_start(f.year) + 1;
}

int run_moment_iso_week(int64_t us, int *ret_year)
{
    int32_t day = run_moment_day_of(us), monday = day - ((day + 5) % 7 + 7) % 7;
    run_fields f;
    run_moment_split((monday + 3) * WEIR_USEC_PER_DAY, &f);
    *ret_year = f.year;
    return (monday + 3 - year_start(f.year)) / 7 + 1;
}

static int put_seconds(int64_t us, int digits, weir_buf *out)
{
    bool negative = us < 0;
    uint64_t magnitude = negative ? (uint64_t)0 - (uint64_t)us : (uint64_t)us;
    uint64_t scale = digits == 6 ? 1000000 : 1000;
    return weir_buf_printf(out, digits == 6 ? "%s%llu.%06llu" : "%s%llu.%03llu",
                           negative ? "-" : "", (unsigned long long)(magnitude / scale),
                           (unsigned long long)(magnitude % scale));
}

static int not_recognized(weir_slice field, weir_error *err)
{
    weir_error_set(err, "22023", "unit \"%.*s\" not recognized for this type",
                   WEIR_UTF8_QUOTED(field, 40));
    return WEIR_COMPAT_REFUSED;
}

static int extract_interval(weir_slice field, const weir_value *x, weir_buf *out, weir_error *err)
{
    run_interval v;
    int r = run_moment_read_interval(x, &v, err);
    if (r != 0)
        return r;
    if (weir_slice_eq_nocase(field, "epoch")) {
        int64_t days = v.months / 12 * 36525 / 100 + v.months % 12 * 30 + v.days;
        int64_t quarter = v.months / 12 * 36525 % 100 * (WEIR_USEC_PER_DAY / 100);
        if (__builtin_mul_overflow(days, WEIR_USEC_PER_DAY, &days) ||
            __builtin_add_overflow(days, quarter + v.us, &days))
            return run_refuse(err, "22008", "interval out of range");
        return put_seconds(days, 6, out);
    }
    if (weir_slice_eq_nocase(field, "second"))
        return put_seconds(v.us % 60000000, 6, out);
    static const char *const names[] = {"year", "month", "day", "hour", "minute"};
    const int64_t values[] = {v.months / 12, v.months % 12, v.days, v.us / 3600000000,
                              v.us / 60000000 % 60};
    for (size_t i = 0; i < 5; i++)
        if (weir_slice_eq_nocase(field, names[i]))
            return weir_buf_printf(out, "%lld", (long long)values[i]);
    return not_recognized(field, err);
}

static int extract_moment(weir_slice field, int64_t us, bool date, weir_buf *out, weir_error *err)
{
    run_fields f;
    int iso_year = 0, week = run_moment_iso_week(us, &iso_year);
    int32_t day = run_moment_day_of(us);
    run_moment_split(us, &f);
    const struct {
        const char *name;
        int64_t value;
        bool clock;
    } parts[] = {{"year", f.year, false},
                 {"month", f.month, false},
                 {"day", f.day, false},
                 {"hour", f.us / 3600000000, true},
                 {"minute", f.us / 60000000 % 60, true},
                 {"dow", ((day + 6) % 7 + 7) % 7, false},
                 {"isodow", ((day + 5) % 7 + 7) % 7 + 1, false},
                 {"doy", run_moment_day_of_year(us), false},
                 {"quarter", (f.month - 1) / 3 + 1, false},
                 {"week", week, false},
                 {"isoyear", iso_year, false},
                 {"decade", f.year / 10, false},
                 {"century", (f.year + 99) / 100, false},
                 {"millennium", (f.year + 999) / 1000, false},
                 {"microseconds", f.us % 60000000, true}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!weir_slice_eq_nocase(field, parts[i].name))
            continue;
        if (parts[i].clock && date)
            return run_refuse(err, "0A000", "unit not supported for type date");
        return weir_buf_printf(out, "%lld", (long long)parts[i].value);
    }
    bool second = weir_slice_eq_nocase(field, "second");
    if (date && second)
        return run_refuse(err, "0A000", "unit \"second\" not supported for type date");
    if (second)
        return put_seconds(f.us % 60000000, 6, out);
    if (!date && weir_slice_eq_nocase(field, "milliseconds"))
        return put_seconds(f.us % 60000000, 3, out);
    if (weir_slice_eq_nocase(field, "julian") && (date || f.us == 0))
        return weir_buf_printf(out, "%d", day + 2451545);
    if (!weir_slice_eq_nocase(field, "epoch"))
        return not_recognized(field, err);
    int64_t since = us + INT64_C(946684800000000);
    return date ? weir_buf_printf(out, "%lld", (long long)(since / 1000000))
                : put_seconds(since, 6, out);
}

/* Of a time of day, which has no days. */
static int extract_time(weir_slice field, int64_t us, weir_buf *out, weir_error *err)
{
    static const char *const none[] = {"year",   "month",   "day",        "dow",     "isodow",
                                       "doy",    "week",    "quarter",    "julian",  "isoyear",
                                       "decade", "century", "millennium", "timezone"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (!weir_slice_eq_nocase(field, none[i]))
            continue;
        weir_error_set(err, "0A000", "unit \"%s\" not supported for type time without time zone",
                       none[i]);
        return WEIR_COMPAT_REFUSED;
    }
    return weir_slice_eq_nocase(field, "epoch") ? put_seconds(us, 6, out)
                                                : extract_moment(field, us, false, out, err);
}

/* weir_time_part(field, time): a numeric. */
static int call_time_part(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    if (!weir_time_parse(run_bytes_of(&args[1]), &us))
        return run_invalid(err, "time", run_bytes_of(&args[1]));
    int r = extract_time(run_bytes_of(&args[0]), us, out, err);
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* weir_interval_trunc(field, interval): what is smaller is nought. */
static int call_interval_trunc(RUN_ARGS)
{
    static const struct {
        const char *name;
        int64_t months, us; /* 0 us: days too */
        bool days;
    } units[] = {{"millennium", 12000, 0, false},
                 {"century", 1200, 0, false},
                 {"decade", 120, 0, false},
                 {"year", 12, 0, false},
                 {"quarter", 3, 0, false},
                 {"month", 1, 0, false},
                 {"day", 1, 0, true},
                 {"hour", 1, 3600000000, true},
                 {"minute", 1, 60000000, true},
                 {"second", 1, 1000000, true},
                 {"milliseconds", 1, 1000, true},
                 {"microseconds", 1, 1, true}};
    run_interval v;
    if (run_any_null(args, count))
        return 0;
    weir_slice field = run_bytes_of(&args[0]);
    int r = run_moment_read_interval(&args[1], &v, err);
    for (size_t i = 0; r == 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (!weir_slice_eq_nocase(field, units[i].name))
            continue;
        v.months -= v.months % units[i].months;
        v.days = units[i].days ? v.days : 0;
        v.us = units[i].us > 0 ? v.us - v.us % units[i].us : 0;
        return run_moment_give_interval(&v, out, ret);
    }
    return r == 0 ? not_recognized(field, err) : r;
}

int run_moment_extract(weir_slice field, int64_t us, weir_buf *out, weir_error *err)
{
    return extract_moment(field, us, false, out, err);
}

/* weir_extract(field, date, moment or interval): a numeric. */
static int call_extract(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    weir_slice field = run_bytes_of(&args[0]), s = run_bytes_of(&args[1]);
    bool moment = s.len >= 10 && s.data[4] == '-' && s.data[7] == '-';
    int r = moment ? run_moment_read_moment(&args[1], &us, err)
                   : extract_interval(field, &args[1], out, err);
    bool zone =
        r == 0 && moment && s.len > 10 && run_moment_has_zone(s) &&
        (weir_slice_eq_nocase(field, "timezone") || weir_slice_eq_nocase(field, "timezone_hour") ||
         weir_slice_eq_nocase(field, "timezone_minute"));
    if (zone) /* it is in UTC */
        r = weir_buf_append_u8(out, '0');
    else if (r == 0 && moment)
        r = extract_moment(field, us, s.len == 10, out, err);
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

const weir_face_function weir_face_parts[] = {
    {.name = "weir_date_trunc", .args = 2, .pure = true, .call = call_date_trunc},
    {.name = "weir_interval_trunc", .args = 2, .pure = true, .call = call_interval_trunc},
    {.name = "weir_time_part", .args = 2, .pure = true, .call = call_time_part},
    {.name = "weir_extract", .args = 2, .pure = true, .call = call_extract},
    {.name = NULL},
};
