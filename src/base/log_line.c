/* Formatting of log lines. Invariant: data[0, len) never ends inside an escape or a UTF-8
 * character. What is put stays within LIMIT; the bytes behind are for the quote that closes a value
 * and for the end of the line, which therefore always fit. After the first thing that did not fit
 * nothing more is put. */
#include "base/log_line.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TAIL 32 /* a closing quote, the word that the line was cut, brace, newline */
#define LIMIT (WEIR_LOG_LINE_SIZE_MAX - TAIL)
#define NUMBER_SIZE_MAX 48

/* False from the first time on that something does not fit. A closing quote may have gone beyond
 * LIMIT. */
static bool fits(weir_log_line *l, size_t len)
{
    if (len > LIMIT || l->len > LIMIT - len)
        l->cut = true;
    return !l->cut;
}

static void put(weir_log_line *l, const char *bytes, size_t len)
{
    if (!fits(l, len))
        return;
    memcpy(l->data + l->len, bytes, len);
    l->len += len;
}

static void put_text(weir_log_line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* Into the tail: always fits, cut or not. */
static void put_closing(weir_log_line *l, const char *text)
{
    size_t len = strlen(text);
    assert(len <= sizeof(l->data) - l->len);
    memcpy(l->data + l->len, text, len);
    l->len += len;
}

/* Length of the well-formed UTF-8 character at `p` (RFC 3629, section 4), 0 when there is none. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    uint8_t c = p[0], low = 0x80, high = 0xBF;
    size_t len = 1u + (c >= 0xC2) + (c >= 0xE0) + (c >= 0xF0);
    if ((c >= 0x80 && c < 0xC2) || c >= 0xF5 || len > left)
        return 0;
    if (c == 0xE0)
        low = 0xA0; /* no overlong forms */
    else if (c == 0xED)
        high = 0x9F; /* no surrogates */
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F; /* nothing above U+10FFFF */
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xBF)
        if (p[i] < low || p[i] > high)
            return 0;
    return len;
}

/* Terminals take these for commands or reorder the line by them: C0, DEL, C1, line and paragraph
 * separators, direction overrides. */
static bool is_unsafe(const uint8_t *p, size_t len)
{
    if (len == 1)
        return p[0] < 0x20 || p[0] == 0x7F;
    if (len == 2)
        return p[0] == 0xC2 && p[1] < 0xA0;
    if (len == 3 && p[0] == 0xE2)
        return (p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
               (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);
    return false;
}

/* The code point of a character of one to three bytes. */
static unsigned code_point(const uint8_t *p, size_t len)
{
    if (len == 1)
        return p[0];
    if (len == 2)
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
}

/* Puts one character and returns how many bytes of the source it was. Both formats are escaped as
 * JSON is; only for broken UTF-8 text has \xNN, where JSON can only say that something was there.
 */
static size_t put_character(weir_log_line *l, const uint8_t *p, size_t left)
{
    char escape[8];
    int n = 0;
    size_t len = utf8_len(p, left);
    if (len == 0 && l->format == WEIR_LOG_JSON)
        put_text(l, "\\ufffd");
    else if (len == 0)
        n = snprintf(escape, sizeof(escape), "\\x%02x", p[0]);
    else if (*p == '"' || *p == '\\')
        n = snprintf(escape, sizeof(escape), "\\%c", *p);
    else if (*p == '\n')
        put_text(l, "\\n");
    else if (*p == '\t')
        put_text(l, "\\t");
    else if (is_unsafe(p, len))
        n = snprintf(escape, sizeof(escape), "\\u%04x", code_point(p, len));
    else
        put(l, (const char *)p, len);
    if (n > 0)
        put(l, escape, (size_t)n);
    return len ? len : 1;
}

static void put_escaped(weir_log_line *l, weir_slice text)
{
    for (size_t i = 0; i < text.len && !l->cut;)
        i += put_character(l, text.data + i, text.len - i);
}

/* Text values stand bare when that cannot be misread. */
static bool is_plain(weir_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

/* At most WEIR_LOG_VALUE_SIZE_MAX bytes of the value, between characters. */
static weir_slice shorten(weir_slice text)
{
    size_t len = WEIR_LOG_VALUE_SIZE_MAX;
    if (text.len <= len)
        return text;
    for (size_t back = 0; back < 3 && (text.data[len - back] & 0xC0) == 0x80; back++)
        if ((text.data[len - back - 1] & 0xC0) == 0xC0)
            return weir_slice_head(text, len - back - 1);
    return weir_slice_head(text, len);
}

static void put_string(weir_log_line *l, weir_slice text)
{
    weir_slice head = shorten(text);
    if (l->format == WEIR_LOG_TEXT && head.len == text.len && is_plain(text)) {
        put_escaped(l, text);
        return;
    }
    put_text(l, "\"");
    put_escaped(l, head);
    if (head.len < text.len)
        put_text(l, "...");
    put_closing(l, "\"");
}

/* Text: three places in the unit that suits the size. JSON: a number of seconds, exact. */
static void put_duration(weir_log_line *l, weir_time ns)
{
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = {
        {(uint64_t)WEIR_SECOND, "s"}, {(uint64_t)WEIR_MS, "ms"}, {(uint64_t)WEIR_US, "us"}};
    char text[NUMBER_SIZE_MAX];
    bool json = l->format == WEIR_LOG_JSON;
    const char *sign = ns < 0 ? "-" : "";
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t u = 0;
    if (ns == WEIR_TIME_NEVER) {
        put_text(l, json ? "null" : "never");
        return;
    }
    while (!json && u < 2 && size < units[u].ns)
        u++;
    uint64_t whole = size / units[u].ns, part = size % units[u].ns;
    if (json)
        snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64, sign, whole, part);
    else
        snprintf(text, sizeof(text), "%s%" PRIu64 ".%03" PRIu64 "%s", sign, whole,
                 part / (units[u].ns / 1000), units[u].name);
    put_text(l, text);
}

/* ` key=` or `,"key":`; false when the line has no room for that and a value of some bytes, so that
 * a key never stands without one. */
static bool put_key(weir_log_line *l, const char *key)
{
    if (!fits(l, strlen(key) + 4 + NUMBER_SIZE_MAX))
        return false;
    put_text(l, l->format == WEIR_LOG_JSON ? ",\"" : " ");
    put_text(l, key);
    put_text(l, l->format == WEIR_LOG_JSON ? "\":" : "=");
    return true;
}

void weir_log_line_field(weir_log_line *l, const weir_log_field *field)
{
    char number[NUMBER_SIZE_MAX];
    if (!put_key(l, field->key))
        return;
    switch (field->type) {
    case WEIR_LOG_STR:
        put_string(l, weir_slice_cstr(field->u.str));
        break;
    case WEIR_LOG_SLICE:
        put_string(l, field->u.slice);
        break;
    case WEIR_LOG_INT:
        snprintf(number, sizeof(number), "%" PRId64, field->u.number);
        put_text(l, number);
        break;
    case WEIR_LOG_DURATION:
        put_duration(l, field->u.number);
        break;
    case WEIR_LOG_END:
        assert(false && "the end is not a field");
    }
}

/* Days from 1970-01-01 to the first of January of `year` (Gregorian); right from year 1 on. */
static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1, leap_days_before_1970 = 477;
    return 365 * (year - 1970) + past / 4 - past / 100 + past / 400 - leap_days_before_1970;
}

/* Civil date of a day counted from 1970-01-01. Not gmtime_r, which takes libc's time-zone lock. */
static void date_of_day(int64_t day, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = 1970 + day / 365; /* leap days only make it too late */
    while (day < days_before_year(year))
        year--;
    unsigned left = (unsigned)(day - days_before_year(year)), month = 0;
    bool leap = days_before_year(year + 1) - days_before_year(year) == 366;
    for (; month < 11; month++) {
        unsigned length = lengths[month] + (month == 1 && leap ? 1 : 0);
        if (left < length)
            break;
        left -= length;
    }
    *ret_year = year;
    *ret_month = month + 1;
    *ret_day = left + 1;
}

/* RFC 3339 in UTC with milliseconds. */
static void put_time(weir_log_line *l, int64_t wall_ns)
{
    char text[64];
    int64_t year, ms_all = wall_ns / WEIR_MS - (wall_ns % WEIR_MS < 0);
    int64_t days = ms_all / 86400000 - (ms_all % 86400000 < 0);
    unsigned month, day, ms = (unsigned)(ms_all - days * 86400000);
    date_of_day(days, &year, &month, &day);
    snprintf(text, sizeof(text), "%04" PRId64 "-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, day,
             ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    put_text(l, text);
}

void weir_log_line_init(weir_log_line *l, weir_log_format format, int64_t wall_ns,
                        const char *level, const char *module, const char *event)
{
    bool json = format == WEIR_LOG_JSON;
    l->format = format;
    l->cut = false;
    l->len = 0;
    put_text(l, json ? "{\"time\":\"" : "");
    put_time(l, wall_ns);
    put_text(l, json ? "\",\"level\":\"" : " ");
    put_text(l, level);
    put_text(l, json ? "\",\"module\":\"" : " ");
    put_text(l, module);
    put_text(l, json ? "\",\"event\":\"" : ": ");
    put_escaped(l, shorten(weir_slice_cstr(event)));
    put_closing(l, json ? "\"" : "");
}

weir_slice weir_log_line_finish(weir_log_line *l)
{
    bool json = l->format == WEIR_LOG_JSON;
    if (l->cut)
        put_closing(l, json ? ",\"cut\":true" : " cut=true");
    put_closing(l, json ? "}\n" : "\n");
    return weir_slice_make(l->data, l->len);
}
