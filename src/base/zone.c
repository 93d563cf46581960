/* The reader of TZif files (RFC 8536, versions 1 to 4) and of POSIX TZ strings, which stand at the
 * files' end and say what holds after the last change that is listed. */
#include "base/zone.h"
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 44u
#define CHANGES_MAX 4096u
#define DAY 86400

typedef struct rule {
    char kind;            /* M: month, week, day; J: day of the year without a 29th; 0: with */
    int month, week, day; /* of M; else `day` */
    int32_t at;           /* seconds behind local midnight */
} rule;

typedef struct posix {
    int32_t standard, summer;
    bool has_summer;
    rule begins, ends;
} posix;

typedef struct change {
    int64_t at;
    int32_t offset; /* from then on */
} change;

struct weir_zone {
    int32_t first; /* before the first change */
    bool has_rest;
    posix rest; /* behind the last one */
    size_t count;
    change changes[];
};

/* ---- calendar ---- */

static int64_t days_before(int64_t year)
{
    int64_t y = year - 1;
    int64_t leaps =
        (y >= 0 ? y / 4 - y / 100 + y / 400 : (y - 3) / 4 - (y - 99) / 100 + (y - 399) / 400);
    return y * 365 + leaps - 719162; /* of 1970-01-01 */
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t year_of(int64_t seconds)
{
    int64_t days = seconds / DAY - (seconds % DAY < 0);
    int64_t year = 1970 + days / 366 - (days < 0);
    while (days_before(year + 1) <= days)
        year++;
    while (days_before(year) > days)
        year--;
    return year;
}

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* When the rule holds in that year, by its local clock. */
static int64_t rule_time(const rule *r, int64_t year)
{
    int64_t day = days_before(year);
    if (r->kind == 'J') {
        day += r->day - 1 + (is_leap(year) && r->day >= 60);
    } else if (r->kind == 0) {
        day += r->day;
    } else {
        for (int m = 1; m < r->month; m++)
            day += month_days(year, m);
        int weekday = (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        int first = (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
        while (first >= month_days(year, r->month))
            first -= 7;
        day += first;
    }
    return day * DAY + r->at;
}

static int32_t posix_offset(const posix *p, int64_t seconds)
{
    if (!p->has_summer)
        return p->standard;
    int64_t year = year_of(seconds + p->standard);
    int64_t begins = rule_time(&p->begins, year) - p->standard;
    int64_t ends = rule_time(&p->ends, year) - p->summer;
    bool summer =
        begins < ends ? seconds >= begins && seconds < ends : seconds >= begins || seconds < ends;
    return summer ? p->summer : p->standard;
}

/* ---- POSIX ---- */

static bool take(weir_slice *s, char c)
{
    if (s->len == 0 || s->data[0] != (uint8_t)c)
        return false;
    *s = weir_slice_skip(*s, 1);
    return true;
}

static bool take_number(weir_slice *s, int max, int *ret)
{
    size_t digits = 0;
    for (*ret = 0; s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9'; digits++) {
        *ret = *ret * 10 + (s->data[0] - '0');
        if (*ret > max)
            return false;
        *s = weir_slice_skip(*s, 1);
    }
    return digits > 0;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(weir_slice *s, int hours_max, int32_t *ret)
{
    int h = 0, m = 0, sec = 0;
    bool negative = take(s, '-');
    if (!negative)
        (void)take(s, '+');
    if (!take_number(s, hours_max, &h))
        return false;
    if (take(s, ':') && (!take_number(s, 59, &m) || (take(s, ':') && !take_number(s, 59, &sec))))
        return false;
    *ret = (h * 60 + m) * 60 + sec;
    *ret = negative ? -*ret : *ret;
    return true;
}

static bool take_name(weir_slice *s)
{
    size_t n = 0;
    if (take(s, '<')) {
        while (n < s->len && s->data[n] != '>')
            n++;
        *s = weir_slice_skip(*s, n);
        return take(s, '>');
    }
    while (n < s->len && (s->data[n] | 0x20) >= 'a' && (s->data[n] | 0x20) <= 'z')
        n++;
    *s = weir_slice_skip(*s, n);
    return n >= 3;
}

static bool take_rule(weir_slice *s, rule *ret)
{
    *ret = (rule){.at = 7200};
    bool ok = take(s, ',');
    if (ok && take(s, 'M')) {
        ret->kind = 'M';
        ok = take_number(s, 12, &ret->month) && ret->month > 0 && take(s, '.') &&
             take_number(s, 5, &ret->week) && ret->week > 0 && take(s, '.') &&
             take_number(s, 6, &ret->day);
    } else if (ok) {
        ret->kind = take(s, 'J') ? 'J' : 0;
        ok = take_number(s, 365, &ret->day) && (ret->kind == 0 || ret->day > 0);
    }
    return ok && (!take(s, '/') || take_time(s, 167, &ret->at));
}

static bool parse_posix(weir_slice s, posix *ret)
{
    *ret = (posix){0};
    bool bare = s.len > 0 && (s.data[0] == '+' || s.data[0] == '-');
    if ((!bare && !take_name(&s)) || !take_time(&s, 167, &ret->standard))
        return false;
    ret->standard = -ret->standard; /* it says how far west */
    ret->summer = ret->standard + 3600;
    if (s.len == 0)
        return true;
    ret->has_summer = true;
    if (!take_name(&s))
        return false;
    if (s.len > 0 && s.data[0] != ',') {
        if (!take_time(&s, 167, &ret->summer))
            return false;
        ret->summer = -ret->summer;
    }
    return take_rule(&s, &ret->begins) && take_rule(&s, &ret->ends) && s.len == 0;
}

weir_zone *weir_zone_parse_posix(weir_slice text)
{
    posix p;
    if (!parse_posix(text, &p))
        return NULL;
    weir_zone *zone = calloc(1, sizeof(*zone));
    if (zone) {
        zone->first = p.standard;
        zone->has_rest = true;
        zone->rest = p;
    }
    return zone;
}

/* ---- TZif ---- */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get_time(const uint8_t *p, size_t size)
{
    if (size == 4)
        return (int32_t)get32(p);
    return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

typedef struct block {
    size_t utc, standards, leaps, changes, types, chars, time_size, size;
    const uint8_t *data;
} block;

/* The block behind the header at the front of `s`. */
static bool read_header(weir_slice s, size_t time_size, block *ret)
{
    if (s.len < HEADER_SIZE || memcmp(s.data, "TZif", 4) != 0)
        return false;
    size_t *const counts[] = {&ret->utc,     &ret->standards, &ret->leaps,
                              &ret->changes, &ret->types,     &ret->chars};
    for (size_t i = 0; i < 6; i++) {
        *counts[i] = get32(s.data + 20 + i * 4);
        if (*counts[i] > CHANGES_MAX)
            return false;
    }
    ret->time_size = time_size;
    ret->data = s.data + HEADER_SIZE;
    ret->size = ret->changes * (time_size + 1) + ret->types * 6 + ret->chars +
                ret->leaps * (time_size + 4) + ret->standards + ret->utc;
    return ret->types > 0 && ret->size <= s.len - HEADER_SIZE;
}

static bool read_offset(const block *b, size_t type, int32_t *ret)
{
    const uint8_t *types = b->data + b->changes * (b->time_size + 1);
    if (type >= b->types)
        return false;
    *ret = (int32_t)get32(types + type * 6);
    return *ret > -DAY && *ret < DAY;
}

static weir_zone *read_block(const block *b)
{
    weir_zone *zone = calloc(1, sizeof(*zone) + b->changes * sizeof(change));
    bool ok = zone && read_offset(b, 0, &zone->first);
    for (size_t i = 0; ok && i < b->changes; i++) {
        change *c = &zone->changes[zone->count++];
        c->at = get_time(b->data + i * b->time_size, b->time_size);
        ok = read_offset(b, b->data[b->changes * b->time_size + i], &c->offset) &&
             (i == 0 || c->at > c[-1].at);
    }
    if (ok)
        return zone;
    free(zone);
    return NULL;
}

/* "\nTZ\n" */
static void read_footer(weir_zone *zone, weir_slice s)
{
    const uint8_t *end = s.len > 1 ? memchr(s.data + 1, '\n', s.len - 1) : NULL;
    if (end && s.data[0] == '\n')
        zone->has_rest =
            parse_posix(weir_slice_make(s.data + 1, (size_t)(end - s.data) - 1), &zone->rest);
}

weir_zone *weir_zone_parse(weir_slice file)
{
    block b = {0};
    if (!read_header(file, 4, &b))
        return NULL;
    if (file.data[4] < '2')
        return read_block(&b);
    weir_slice rest = weir_slice_skip(file, HEADER_SIZE + b.size);
    if (!read_header(rest, 8, &b))
        return NULL;
    weir_zone *zone = read_block(&b);
    if (zone)
        read_footer(zone, weir_slice_skip(rest, HEADER_SIZE + b.size));
    return zone;
}

void weir_zone_free(weir_zone *zone)
{
    free(zone);
}

/* ---- offsets ---- */

int32_t weir_zone_offset_at(const weir_zone *zone, int64_t seconds)
{
    size_t low = 0, high = zone->count;
    while (low < high) { /* the first change behind that moment */
        size_t middle = (low + high) / 2;
        if (zone->changes[middle].at <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_rest)
        return posix_offset(&zone->rest, seconds);
    return low == 0 ? zone->first : zone->changes[low - 1].offset;
}

int32_t weir_zone_offset_of(const weir_zone *zone, int64_t local)
{
    int64_t low = local - DAY, high = local + DAY;
    int32_t before = weir_zone_offset_at(zone, low), after = weir_zone_offset_at(zone, high);
    if (before == after)
        return before;
    while (high - low > 1) { /* the change is behind `low`, at `high` at the latest */
        int64_t middle = low + (high - low) / 2;
        if (weir_zone_offset_at(zone, middle) == before)
            low = middle;
        else
            high = middle;
    }
    bool first = local - before < high, second = local - after < high;
    if (first == second)
        return first ? before : after;
    return before < after ? before : after;
}
