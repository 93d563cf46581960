/* Moments as the clocks of a time zone show them. A zone is an abbreviation, a name of the tz
 * database or a POSIX string; "=name" is the session's, which no abbreviation hides. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/zone.h"
#include "compat/run_moments.h"
#include <stdio.h>

#define UNIX_EPOCH_US INT64_C(946684800000000) /* 2000-01-01, since 1970 */

#define ZONE_ARGS                                                                                  \
    const weir_value *args, size_t count, const weir_face_zones *zones, weir_buf *out,             \
        weir_value *ret, weir_error *err

/* ---- zones ---- */

typedef struct clock {
    const weir_zone *zone; /* NULL: always `offset` */
    int32_t offset;
} clock;

static int find_clock(const weir_face_zones *zones, weir_slice name, clock *ret, weir_error *err)
{
    bool session = name.len > 0 && name.data[0] == '=';
    *ret = (clock){0};
    if (session)
        name = weir_slice_skip(name, 1);
    else if (weir_zone_abbreviation(name, &ret->offset))
        return 0;
    ret->zone = zones->find(zones->user, name);
    if (ret->zone)
        return 0;
    weir_error_set(err, "22023", "time zone \"%.*s\" not recognized", WEIR_UTF8_QUOTED(name, 63));
    return WEIR_COMPAT_REFUSED;
}

static int64_t seconds_of(int64_t us)
{
    us += UNIX_EPOCH_US;
    return us / 1000000 - (us % 1000000 < 0);
}

static int32_t offset_at(const clock *c, int64_t us)
{
    return c->zone ? weir_zone_offset_at(c->zone, seconds_of(us)) : c->offset;
}

static int32_t offset_of(const clock *c, int64_t local_us)
{
    return c->zone ? weir_zone_offset_of(c->zone, seconds_of(local_us)) : c->offset;
}

static int64_t to_local(const clock *c, int64_t us)
{
    return us + offset_at(c, us) * INT64_C(1000000);
}

static int64_t to_utc(const clock *c, int64_t local_us)
{
    return local_us - offset_of(c, local_us) * INT64_C(1000000);
}

/* The moment and the clock that the first two arguments are. */
static int take(const weir_value *args, const weir_face_zones *zones, int64_t *ret_us,
                clock *ret_clock, weir_error *err)
{
    int r = find_clock(zones, run_bytes_of(&args[1]), ret_clock, err);
    return r == 0 ? run_moment_read_moment(&args[0], ret_us, err) : r;
}

/* ---- conversions ---- */

/* timestamptz: the timestamp that the zone's clocks show. */
static int call_out(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    return r == 0 ? run_moment_give_checked(to_local(&c, us), false, out, ret, err) : r;
}

/* timestamp or date: the timestamptz when the zone's clocks show it. */
static int call_in(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    return r == 0 ? run_moment_give_checked(to_utc(&c, us), true, out, ret, err) : r;
}

/* A text that is none of the plain forms. */
static int read_named(const weir_value *args, const weir_face_zones *zones, int64_t *ret,
                      weir_error *err)
{
    clock c;
    moment_text m = {0};
    weir_slice s = weir_ascii_trim(run_bytes_of(&args[0]));
    int r = run_moment_read_text(s, &m, err);
    if (r == 0)
        r = find_clock(zones, m.zone.len > 0 ? m.zone : run_bytes_of(&args[1]), &c, err);
    if (r != 0 && m.zone.len > 0 && !memchr(m.zone.data, '/', m.zone.len))
        weir_error_set(err, "22007",
                       "invalid input syntax for type timestamp with time zone: \"%.*s\"",
                       WEIR_UTF8_QUOTED(s, 60));
    if (r != 0)
        return r;
    int64_t us = m.days * WEIR_USEC_PER_DAY + m.us;
    *ret = m.has_offset ? us - m.offset_us : to_utc(&c, us);
    return 0;
}

/* A text that is a timestamptz: without an offset the session's zone counts. */
static int call_moment(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = weir_ascii_trim(run_bytes_of(&args[0]));
    bool text = args[0].type == WEIR_VALUE_TEXT;
    if (text && !weir_timestamp_parse(s, &us)) {
        int r = read_named(args, zones, &us, err);
        return r == 0 ? run_moment_give_checked(us, true, out, ret, err) : r;
    }
    int r = take(args, zones, &us, &c, err);
    if (r != 0)
        return r;
    if (text && !run_moment_has_zone(s))
        us = to_utc(&c, us);
    return run_moment_give_checked(us, true, out, ret, err);
}

static int put_local(const clock *c, int64_t us, bool minutes, weir_buf *out)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    int32_t offset = offset_at(c, us), ahead = offset < 0 ? -offset : offset;
    size_t len = weir_timestamp_format(us + offset * INT64_C(1000000), false, text);
    int r = weir_buf_append(out, weir_slice_make(text, len));
    if (r == 0)
        r = weir_buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', ahead / 3600);
    if (r == 0 && (minutes || ahead % 3600 != 0))
        r = weir_buf_printf(out, ":%02d", ahead / 60 % 60);
    if (r == 0 && ahead % 60 != 0)
        r = weir_buf_printf(out, ":%02d", ahead % 60);
    return r;
}

/* As PostgreSQL writes it. */
static int call_text(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    return r == 0 ? run_give(out, ret, put_local(&c, us, false, out)) : r;
}

static int call_json(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    if (r == 0)
        r = put_local(&c, us, true, out);
    if (r == 0 && out->len > 10)
        out->data[10] = 'T';
    return run_give(out, ret, r);
}

/* A result's column, for cell.c: "~", the moment, "|", its text there. */
static int call_shown(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    char text[WEIR_DATETIME_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    if (r == 0)
        r = weir_buf_append_u8(out, '~');
    if (r == 0)
        r = weir_buf_append(out, weir_slice_make(text, weir_timestamp_format(us, false, text)));
    if (r == 0)
        r = weir_buf_append_u8(out, '|');
    return r == 0 ? run_give(out, ret, put_local(&c, us, false, out)) : r;
}

/* ---- arithmetic ---- */

/* weir_zone_add(moment, zone, interval, 1 or -1): months and days by its clocks. */
static int call_add(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    run_interval v;
    if (run_any_null(args, count))
        return 0;
    int r = take(args, zones, &us, &c, err);
    if (r == 0)
        r = run_moment_read_interval(&args[2], &v, err);
    if (r != 0)
        return r;
    int sign = run_integer_of(&args[3]) < 0 ? -1 : 1;
    run_interval days = {v.months, v.days, 0}, time = {0, 0, v.us};
    if (days.months != 0 || days.days != 0) {
        if (!run_moment_add_interval(to_local(&c, us), &days, sign, &us))
            return run_refuse(err, "22008", "timestamp out of range");
        us = to_utc(&c, us);
    }
    if (!run_moment_add_interval(us, &time, sign, &us))
        return run_refuse(err, "22008", "timestamp out of range");
    return run_moment_give_checked(us, true, out, ret, err);
}

/* weir_zone_part(moment, zone, field) */
static int call_part(ZONE_ARGS)
{
    int64_t us = 0;
    clock c;
    if (run_any_null(args, count))
        return 0;
    weir_slice field = run_bytes_of(&args[2]);
    int r = take(args, zones, &us, &c, err);
    if (r != 0)
        return r;
    int32_t offset = offset_at(&c, us);
    if (weir_slice_eq_nocase(field, "timezone"))
        r = weir_buf_printf(out, "%d", offset);
    else if (weir_slice_eq_nocase(field, "timezone_hour"))
        r = weir_buf_printf(out, "%d", offset / 3600);
    else if (weir_slice_eq_nocase(field, "timezone_minute"))
        r = weir_buf_printf(out, "%d", offset % 3600 / 60);
    else
        r = run_moment_extract(field, weir_slice_eq_nocase(field, "epoch") ? us : to_local(&c, us),
                               out, err);
    return run_give(out, ret, r);
}

const weir_face_function weir_face_zoned[] = {
    {.name = "weir_zone_out", .args = 2, .pure = true, .zoned = call_out},
    {.name = "weir_zone_in", .args = 2, .pure = true, .zoned = call_in},
    {.name = "weir_zone_moment", .args = 2, .pure = true, .zoned = call_moment},
    {.name = "weir_zone_text", .args = 2, .pure = true, .zoned = call_text},
    {.name = "weir_zone_json", .args = 2, .pure = true, .zoned = call_json},
    {.name = "weir_zone_shown", .args = 2, .pure = true, .zoned = call_shown},
    {.name = "weir_zone_add", .args = 4, .pure = true, .zoned = call_add},
    {.name = "weir_zone_part", .args = 3, .pure = true, .zoned = call_part},
    {.name = NULL},
};
