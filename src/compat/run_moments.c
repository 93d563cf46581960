/* Dates, moments and intervals: PostgreSQL's texts in, PostgreSQL's texts out. A moment with a zone
 * is kept in UTC, as YYYY-MM-DD HH:MM:SS[.ffffff]+00:00. */
#include "compat/run_moments.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include <stdio.h>

#define EPOCH_SECONDS INT64_C(946684800) /* 2000-01-01, PostgreSQL's epoch, since 1970 */

bool run_moment_has_zone(weir_slice s)
{
    if (s.len > 0 && (s.data[s.len - 1] | 0x20) == 'z')
        return true;
    for (size_t i = 11; i < s.len; i++)
        if (s.data[i] == '+' || s.data[i] == '-')
            return true;
    return false;
}

static int64_t moment_of(const moment_text *m)
{
    return m->days * WEIR_USEC_PER_DAY + (m->has_time ? m->us : 0);
}

int run_moment_read_text(weir_slice s, moment_text *ret, weir_error *err)
{
    int r = weir_moment_read(s, ret, err);
    if (r == 0 && !ret->has_date) {
        weir_error_set(err, "22007", "invalid input syntax for type date/time: \"%.*s\"",
                       WEIR_UTF8_QUOTED(s, 60));
        return WEIR_COMPAT_REFUSED;
    }
    return r;
}

/* Where there is no tz database at hand a zone's name says too little. */
static int refuse_zone(const moment_text *m, weir_error *err)
{
    bool path = false; /* no word */
    for (size_t i = 0; i < m->zone.len; i++)
        path |= (m->zone.data[i] | 0x20) < 'a';
    if (path)
        weir_error_set(err, "0A000", "weir: time zone \"%.*s\" is not read here on SQLite",
                       WEIR_UTF8_QUOTED(m->zone, 60));
    else
        weir_error_set(err, "22007", "invalid input syntax for type date/time: \"%.*s\"",
                       WEIR_UTF8_QUOTED(m->zone, 60));
    if (path)
        weir_error_hint(err, "Write it in a literal of timestamptz, or as an offset (+02).");
    return WEIR_COMPAT_REFUSED;
}

static int read_without_zone(weir_slice s, moment_text *ret, weir_error *err)
{
    int r = run_moment_read_text(s, ret, err);
    return r == 0 && ret->zone.len > 0 ? refuse_zone(ret, err) : r;
}

int run_moment_read_moment(const weir_value *v, int64_t *ret, weir_error *err)
{
    moment_text m;
    weir_slice s = weir_ascii_trim(run_bytes_of(v));
    if (v->type == WEIR_VALUE_INTEGER && weir_timestamp_unix(v->u.integer, ret))
        return 0;
    if (weir_timestamp_parse(s, ret))
        return 0;
    int r = read_without_zone(s, &m, err);
    if (r == 0)
        *ret = moment_of(&m) - (m.has_offset ? m.offset_us : 0);
    return r;
}

/* As it is written: an offset is not looked at. */
static int read_local(const weir_value *v, int64_t *ret, weir_error *err)
{
    moment_text m;
    weir_slice s = weir_ascii_trim(run_bytes_of(v));
    if (weir_timestamp_parse(s, ret) && !run_moment_has_zone(s))
        return 0;
    if (v->type == WEIR_VALUE_INTEGER)
        return run_moment_read_moment(v, ret, err);
    int r = read_without_zone(s, &m, err);
    if (r == 0)
        *ret = moment_of(&m);
    return r;
}

static int give_moment(int64_t us, bool zone, weir_buf *out, weir_value *ret)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    size_t len = weir_timestamp_format(us, false, text);
    int r = weir_buf_append(out, weir_slice_make(text, len));
    if (r == 0 && zone)
        r = weir_buf_append(out, WEIR_SLICE_LIT("+00:00"));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

int run_moment_give_checked(int64_t us, bool zone, weir_buf *out, weir_value *ret, weir_error *err)
{
    if (!weir_timestamp_in_range(us))
        return run_refuse(err, "22008", "timestamp out of range");
    return give_moment(us, zone, out, ret);
}

int run_moment_give_date(int32_t days, weir_buf *out, weir_value *ret, weir_error *err)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    if (!weir_timestamp_in_range(days * WEIR_USEC_PER_DAY))
        return run_refuse(err, "22008", "date out of range");
    int r = weir_buf_append(out, weir_slice_make(text, weir_date_format(days, text)));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

int32_t run_moment_day_of(int64_t us)
{
    int64_t days = us / WEIR_USEC_PER_DAY;
    return (int32_t)(us % WEIR_USEC_PER_DAY < 0 ? days - 1 : days);
}

/* ---- input ---- */

static int call_date(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    moment_text m;
    weir_slice s = weir_ascii_trim(run_bytes_of(&args[0]));
    if (args[0].type == WEIR_VALUE_INTEGER || (weir_timestamp_parse(s, &us) && s.len == 10)) {
        int r = run_moment_read_moment(&args[0], &us, err);
        return r == 0 ? run_moment_give_date(run_moment_day_of(us), out, ret, err) : r;
    }
    int r = read_without_zone(s, &m, err);
    return r == 0 ? run_moment_give_date(m.days, out, ret, err) : r;
}

static int call_timestamp(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    int r = read_local(&args[0], &us, err);
    return r == 0 ? run_moment_give_checked(us, false, out, ret, err) : r;
}

static int call_timestamptz(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &us, err);
    return r == 0 ? run_moment_give_checked(us, true, out, ret, err) : r;
}

/* ---- intervals ---- */

/* False: it does not fit. */
static bool add_times(int64_t *to, int64_t n, int64_t by)
{
    int64_t product;
    return !__builtin_mul_overflow(n, by, &product) && !__builtin_add_overflow(*to, product, to);
}

/* "1 year 2 mons -3 days 04:05:06.7" */
int run_moment_give_interval(const run_interval *v, weir_buf *out, weir_value *ret)
{
    const struct {
        int64_t n;
        const char *one, *more;
    } fields[] = {{v->months / 12, "year", "years"},
                  {v->months % 12, "mon", "mons"},
                  {v->days, "day", "days"}};
    bool any = false, was_negative = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < 3; i++) {
        if (fields[i].n == 0)
            continue;
        r = weir_buf_printf(out, "%s%s%lld %s", any ? " " : "",
                            was_negative && fields[i].n > 0 ? "+" : "", (long long)fields[i].n,
                            fields[i].n == 1 ? fields[i].one : fields[i].more);
        was_negative = fields[i].n < 0;
        any = true;
    }
    if (r == 0 && (v->us != 0 || !any)) {
        char clock[WEIR_DATETIME_TEXT_MAX];
        int64_t us = v->us < 0 ? -v->us : v->us, hours = us / 3600000000;
        size_t len = weir_time_format(us % 3600000000, clock);
        r = weir_buf_printf(out, "%s%s%02lld%.*s", any ? " " : "",
                            v->us < 0      ? "-"
                            : was_negative ? "+"
                                           : "",
                            (long long)hours, (int)len - 2, clock + 2);
    }
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

bool weir_interval_parse(weir_slice text, int64_t *ret_us, int32_t *ret_days, int32_t *ret_months)
{
    run_interval v;
    weir_value value;
    run_give_text(&value, text);
    if (run_moment_read_interval(&value, &v, NULL) != 0 || v.days != (int32_t)v.days ||
        v.months != (int32_t)v.months)
        return false;
    *ret_us = v.us;
    *ret_days = (int32_t)v.days;
    *ret_months = (int32_t)v.months;
    return true;
}

int weir_interval_put(weir_buf *out, int64_t us, int32_t days, int32_t months)
{
    weir_value ignored;
    const run_interval v = {.us = us, .days = days, .months = months};
    return run_moment_give_interval(&v, out, &ignored);
}

static int call_interval(RUN_ARGS)
{
    run_interval v;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_interval(&args[0], &v, err);
    return r == 0 ? run_moment_give_interval(&v, out, ret) : r;
}

static int call_interval_add(RUN_ARGS)
{
    run_interval a, b;
    if (run_any_null(args, count))
        return 0;
    int64_t sign = run_integer_of(&args[2]) < 0 ? -1 : 1;
    int r = run_moment_read_interval(&args[0], &a, err);
    if (r == 0)
        r = run_moment_read_interval(&args[1], &b, err);
    if (r != 0)
        return r;
    a = (run_interval){a.months + sign * b.months, a.days + sign * b.days, a.us + sign * b.us};
    return run_moment_give_interval(&a, out, ret);
}

int run_moment_scale(const run_interval *v, double by, run_interval *ret, weir_error *err)
{
    double months = (double)v->months * by, days = (double)v->days * by;
    if (!(months > -2e9 && months < 2e9 && days > -2e9 && days < 2e9))
        return run_refuse(err, "22008", "interval out of range");
    run_interval m = {.months = (int64_t)months, .days = (int64_t)days};
    double more_days = (months - (double)m.months) * 30;
    int64_t whole = (int64_t)more_days;
    double us = (double)v->us * by + (days - (double)m.days + more_days - (double)whole) * 86400e6;
    if (!(us > -4e18 && us < 4e18))
        return run_refuse(err, "22008", "interval out of range");
    m.days += whole;
    m.us = (int64_t)(us < 0 ? us - 0.5 : us + 0.5);
    *ret = m;
    return 0;
}

static int scaled(const weir_value *args, bool divides, weir_buf *out, weir_value *ret,
                  weir_error *err)
{
    run_interval v;
    if (run_any_null(args, 2))
        return 0;
    int r = run_moment_read_interval(&args[0], &v, err);
    double by = run_real_of(&args[1]);
    if (r == 0 && divides && by == 0)
        return run_by_zero(err);
    by = divides ? 1 / by : by;
    if (r == 0 && !(by > -1e9 && by < 1e9))
        return run_refuse(err, "22008", "interval out of range");
    if (r == 0)
        r = run_moment_scale(&v, by, &v, err);
    return r == 0 ? run_moment_give_interval(&v, out, ret) : r;
}

static int call_interval_mul(RUN_ARGS)
{
    (void)count;
    return scaled(args, false, out, ret, err);
}

static int call_interval_div(RUN_ARGS)
{
    (void)count;
    return scaled(args, true, out, ret, err);
}

/* As PostgreSQL compares them: a month is 30 days. */
static int call_interval_us(RUN_ARGS)
{
    run_interval v = {0};
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_interval(&args[0], &v, err);
    if (r == 0 && !add_times(&v.us, v.months * 30 + v.days, WEIR_USEC_PER_DAY))
        return run_refuse(err, "22008", "interval out of range");
    run_give_integer(ret, v.us);
    return r;
}

/* ---- times of day ---- */

static int give_time(int64_t us, weir_buf *out, weir_value *ret)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    us %= WEIR_USEC_PER_DAY;
    us += us < 0 ? WEIR_USEC_PER_DAY : 0;
    int r = weir_buf_append(out, weir_slice_make(text, weir_time_format(us, text)));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int malformed_time(weir_slice s, weir_error *err)
{
    weir_error_set(err, "22007", "invalid input syntax for type time: \"%.*s\"",
                   WEIR_UTF8_QUOTED(s, 60));
    return WEIR_COMPAT_REFUSED;
}

static int read_time(weir_slice s, int64_t *ret, weir_error *err)
{
    moment_text m;
    weir_slice clock = s;
    if (s.len > 10 && s.data[4] == '-' && s.data[7] == '-')
        clock = weir_slice_skip(s, 11);
    size_t end = 0;
    while (end < clock.len && clock.data[end] != '\0' && strchr("0123456789:.", clock.data[end]))
        end++;
    bool offset = end == clock.len || clock.data[end] == '+' || clock.data[end] == '-';
    if (offset && (end == clock.len || clock.data != s.data) &&
        weir_time_parse(weir_slice_head(clock, end), ret))
        return 0;
    int r = weir_moment_read_time(s, &m, err);
    if (r == 0)
        *ret = m.us;
    return r;
}

/* Of a time, or of a moment as it is written: a zone behind it is not looked at. */
static int call_time(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    int r = read_time(weir_ascii_trim(run_bytes_of(&args[0])), &us, err);
    if (r != 0 || us < WEIR_USEC_PER_DAY)
        return r == 0 ? give_time(us, out, ret) : r;
    r = weir_buf_append(out, WEIR_SLICE_LIT("24:00:00"));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* weir_time_add(time, interval, 1 or -1): its days are not looked at. */
static int call_time_add(RUN_ARGS)
{
    int64_t us = 0;
    run_interval v;
    if (run_any_null(args, count))
        return 0;
    if (!weir_time_parse(run_bytes_of(&args[0]), &us))
        return malformed_time(run_bytes_of(&args[0]), err);
    int r = run_moment_read_interval(&args[1], &v, err);
    int64_t by = v.us % WEIR_USEC_PER_DAY;
    return r == 0 ? give_time(us + (run_integer_of(&args[2]) < 0 ? -by : by), out, ret) : r;
}

/* ---- moments and intervals ---- */

void run_moment_split(int64_t us, run_fields *f)
{
    int32_t days = run_moment_day_of(us);
    weir_date_split(days, &f->year, &f->month, &f->day);
    f->us = us - days * WEIR_USEC_PER_DAY;
}

bool run_moment_join(const run_fields *f, int64_t *ret)
{
    int32_t days = 0;
    if (f->year > 9999 || !weir_date_join(f->year, f->month, f->day, &days))
        return false;
    *ret = days * WEIR_USEC_PER_DAY + f->us;
    return true;
}

bool run_moment_add_interval(int64_t us, const run_interval *v, int sign, int64_t *ret)
{
    run_fields f;
    run_moment_split(us, &f);
    int64_t months = (int64_t)f.year * 12 + f.month - 1 + sign * v->months;
    if (months < 12 || months >= 120000)
        return false;
    f.year = (int)(months / 12);
    f.month = (int)(months % 12) + 1;
    while (!run_moment_join(&f, ret))
        if (--f.day < 28)
            return false;
    return add_times(ret, sign * v->days, WEIR_USEC_PER_DAY) && add_times(ret, sign * v->us, 1);
}

/* weir_moment_add(moment, interval, 1 or -1); of a date, too. */
static int call_moment_add(RUN_ARGS)
{
    int64_t us = 0;
    run_interval v;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &us, err);
    if (r == 0)
        r = run_moment_read_interval(&args[1], &v, err);
    if (r != 0)
        return r;
    if (!run_moment_add_interval(us, &v, run_integer_of(&args[2]) < 0 ? -1 : 1, &us))
        return run_refuse(err, "22008", "timestamp out of range");
    return run_moment_give_checked(us, run_moment_has_zone(run_bytes_of(&args[0])), out, ret, err);
}

static int call_moment_diff(RUN_ARGS)
{
    int64_t a = 0, b = 0;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &a, err);
    if (r == 0)
        r = run_moment_read_moment(&args[1], &b, err);
    run_interval v = {0, (a - b) / WEIR_USEC_PER_DAY, (a - b) % WEIR_USEC_PER_DAY};
    return r == 0 ? run_moment_give_interval(&v, out, ret) : r;
}

static int month_days(int year, int month)
{
    run_fields f = {year, month, 31, 0};
    int64_t us = 0;
    while (!run_moment_join(&f, &us) && f.day > 28)
        f.day--;
    return f.day;
}

/* age(a, b): in years, months and days (timestamp_age). */
static int call_age(RUN_ARGS)
{
    int64_t a = 0, b = 0;
    run_fields x, y;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &a, err);
    if (r == 0)
        r = run_moment_read_moment(&args[1], &b, err);
    if (r != 0)
        return r;
    run_moment_split(a, &x);
    run_moment_split(b, &y);
    int sign = a < b ? -1 : 1;
    int64_t us = sign * (x.us - y.us);
    int days = sign * (x.day - y.day), months = sign * (x.month - y.month);
    int years = sign * (x.year - y.year);
    if (us < 0) {
        us += WEIR_USEC_PER_DAY;
        days--;
    }
    if (days < 0) {
        days += sign < 0 ? month_days(x.year, x.month) : month_days(y.year, y.month);
        months--;
    }
    if (months < 0) {
        months += 12;
        years--;
    }
    run_interval v = {sign * (years * 12 + months), sign * days, sign * us};
    return run_moment_give_interval(&v, out, ret);
}

static int call_date_add(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &us, err);
    int64_t days = run_integer_of(&args[1]);
    if (r == 0 && (days > 4000000 || days < -4000000))
        return run_refuse(err, "22008", "date out of range");
    return r == 0 ? run_moment_give_date(run_moment_day_of(us) + (int32_t)days, out, ret, err) : r;
}

static int call_date_diff(RUN_ARGS)
{
    int64_t a = 0, b = 0;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_moment_read_moment(&args[0], &a, err);
    if (r == 0)
        r = run_moment_read_moment(&args[1], &b, err);
    run_give_integer(ret, run_moment_day_of(a) - run_moment_day_of(b));
    return r;
}

static int call_make_date(RUN_ARGS)
{
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    int64_t y = run_integer_of(&args[0]), m = run_integer_of(&args[1]),
            d = run_integer_of(&args[2]);
    run_fields f = {(int)y, (int)m, (int)d, 0};
    if (y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > 31 || !run_moment_join(&f, &us))
        return run_refuse(err, "22008", "date field value out of range");
    return run_moment_give_date(run_moment_day_of(us), out, ret, err);
}

static int call_to_timestamp(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    double seconds = run_real_of(&args[0]);
    if (!(seconds > -62135596800.0 && seconds < 253402300800.0))
        return run_refuse(err, "22008", "timestamp out of range");
    double us = (seconds - (double)EPOCH_SECONDS) * 1e6;
    return run_moment_give_checked((int64_t)(us < 0 ? us - 0.5 : us + 0.5), true, out, ret, err);
}

/* weir_moment_text(us[, zoned]): of microseconds since 1970. */
static int call_moment_text(RUN_ARGS)
{
    (void)err;
    if (run_any_null(args, count))
        return 0;
    bool zoned = count < 2 || run_integer_of(&args[1]) != 0;
    return give_moment(run_integer_of(&args[0]) - EPOCH_SECONDS * 1000000, zoned, out, ret);
}

const weir_face_function weir_face_moments[] = {
    {.name = "weir_moment_text", .args = 1, .pure = true, .call = call_moment_text},
    {.name = "weir_moment_text", .args = 2, .pure = true, .call = call_moment_text},
    {.name = "weir_date", .args = 1, .pure = true, .call = call_date},
    {.name = "weir_timestamp", .args = 1, .pure = true, .call = call_timestamp},
    {.name = "weir_timestamptz", .args = 1, .pure = true, .call = call_timestamptz},
    {.name = "weir_interval", .args = 1, .pure = true, .call = call_interval},
    {.name = "weir_interval_add", .args = 3, .pure = true, .call = call_interval_add},
    {.name = "weir_interval_div", .args = 2, .pure = true, .call = call_interval_div},
    {.name = "weir_interval_mul", .args = 2, .pure = true, .call = call_interval_mul},
    {.name = "weir_interval_us", .args = 1, .pure = true, .call = call_interval_us},
    {.name = "weir_time", .args = 1, .pure = true, .call = call_time},
    {.name = "weir_time_add", .args = 3, .pure = true, .call = call_time_add},
    {.name = "weir_moment_add", .args = 3, .pure = true, .call = call_moment_add},
    {.name = "weir_moment_diff", .args = 2, .pure = true, .call = call_moment_diff},
    {.name = "weir_age", .args = 2, .pure = true, .call = call_age},
    {.name = "weir_date_add", .args = 2, .pure = true, .call = call_date_add},
    {.name = "weir_date_diff", .args = 2, .pure = true, .call = call_date_diff},
    {.name = "weir_make_date", .args = 3, .pure = true, .call = call_make_date},
    {.name = "weir_to_timestamp", .args = 1, .pure = true, .call = call_to_timestamp},
    {.name = NULL},
};
