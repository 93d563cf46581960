/* PostgreSQL's regular expressions by POSIX's extended ones: the C library's engine, in front of it
 * what it lacks (class escapes) and what would make it slow or large (back references, products of
 * repetitions). What would mean something else there is refused. */
#include "compat/pattern.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#define PATTERN_MAX 8000u /* what it becomes */
/* The library looks at bytes: a character beyond ASCII, as any of them. */
#define BEYOND "[\xc0-\xff][\x80-\xbf]*"
#define REPETITIONS_MAX 1000u

static int unsupported(weir_error *err)
{
    weir_error_set(err, "0A000", "weir: this regular expression needs PostgreSQL's own engine");
    weir_error_hint(err, "Without look-around, lazy quantifiers, back references and large "
                         "repetitions it works on SQLite, too.");
    return WEIR_COMPAT_REFUSED;
}

static const char *class_of(uint8_t c)
{
    switch (c) {
    case 'd':
        return "[0-9]";
    case 'D':
        return "[^0-9]";
    case 's':
        return "[[:space:]]";
    case 'S':
        return "[^[:space:]]";
    case 'w':
        return "[[:alnum:]_]";
    case 'W':
        return "[^[:alnum:]_]";
    case 'n':
        return "\n";
    case 't':
        return "\t";
    case 'r':
        return "\r";
    default:
        return NULL;
    }
}

/* {n}, {n,}, {n,m}: how often at most. */
static unsigned long repetitions(const uint8_t *at, size_t len)
{
    char copy[24];
    snprintf(copy, sizeof(copy), "%.*s", (int)(len < sizeof(copy) ? len : sizeof(copy)), at);
    char *end = NULL;
    unsigned long low = strtoul(copy + 1, &end, 10);
    unsigned long high = *end == ',' ? strtoul(end + 1, NULL, 10) : low;
    return high > low ? high : low;
}

typedef struct writer {
    char out[PATTERN_MAX + 1];
    size_t len;
    unsigned long product;
    bool fits;
    size_t groups, own; /* all that are written; those of the pattern */
    uint8_t places[WEIR_PATTERN_GROUPS_MAX + 1u];
} writer;

static void put(writer *w, const char *text, size_t len)
{
    w->fits = w->fits && w->len + len <= PATTERN_MAX;
    if (!w->fits)
        return;
    memcpy(w->out + w->len, text, len);
    w->len += len;
    w->out[w->len] = '\0';
}

/* A bracket expression as it is; returns its length. PostgreSQL takes escapes in it. */
static size_t bracket(writer *w, weir_slice p, size_t from, bool *ok)
{
    size_t i = from + 1;
    if (i == p.len) {
        *ok = false;
        return 1;
    }
    if (i < p.len && p.data[i] == '^')
        i++;
    if (i < p.len && p.data[i] == ']')
        i++;
    while (i < p.len && p.data[i] != ']') {
        bool named = p.data[i] == '[' && i + 1 < p.len && strchr(":.=", p.data[i + 1]);
        *ok = *ok && p.data[i] != '\\';
        i++;
        while (named && i + 1 < p.len && !(strchr(":.=", p.data[i]) && p.data[i + 1] == ']'))
            i++;
        i += named ? 2 : 0;
    }
    bool closed = i < p.len, negated = p.data[from + 1] == '^';
    w->groups += negated;
    put(w, negated ? "(" : "", negated ? 1 : 0);
    put(w, (const char *)p.data + from, i - from);
    if (negated)
        put(w, "\x80-\xff]|" BEYOND ")", strlen("\x80-\xff]|" BEYOND ")"));
    else if (closed)
        put(w, "]", 1);
    *ok = *ok && closed;
    return closed ? i + 1 - from : i - from;
}

/* Behind a backslash; false: POSIX has no such escape. */
static bool escape(writer *w, uint8_t c)
{
    const char *class = class_of(c);
    char plain[2] = {'\\', (char)c};
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (class)
        put(w, class, strlen(class));
    else if (!letter)
        put(w, plain, 2);
    return class || !letter;
}

/* Neither escape nor bracket; false: POSIX means something else by it. */
static bool plain(writer *w, weir_slice p, size_t i)
{
    static const char any[] = "([\x01-\x7f]|" BEYOND ")";
    uint8_t c = p.data[i], next = i + 1 < p.len ? p.data[i + 1] : 0;
    if (c == '{') {
        unsigned long n = repetitions(p.data + i, p.len - i);
        w->product = n > REPETITIONS_MAX ? n : w->product * (n ? n : 1);
    }
    w->groups += c == '.' || c == '(';
    if (c == '(' && ++w->own <= WEIR_PATTERN_GROUPS_MAX && w->groups < UINT8_MAX)
        w->places[w->own] = (uint8_t)w->groups;
    if (c == '.')
        put(w, any, sizeof(any) - 1);
    else
        put(w, (const char *)&p.data[i], 1);
    bool group = c == '(' && next == '?', lazy = next == '?' && strchr("*+?}", c);
    return !group && !lazy && c != 0 && w->product <= REPETITIONS_MAX;
}

/* The pattern as POSIX has it; false: it has not. */
static bool translate(weir_slice p, writer *w)
{
    bool ok = true;
    for (size_t i = 0; ok && i < p.len; i++) {
        uint8_t c = p.data[i], next = i + 1 < p.len ? p.data[i + 1] : 0;
        if (c == '\\') {
            ok = next != 0 && escape(w, next);
            i++;
        } else if (c == '[') {
            i += bracket(w, p, i, &ok) - 1;
        } else {
            ok = plain(w, p, i);
        }
    }
    return ok;
}

/* a ILIKE b arrives as a REGEXP '(?L)' || b: SQLite has no other operator left for it. */
static int like(weir_slice pattern, weir_slice text, bool *ret_found, weir_error *err)
{
    /* The newest % that was passed: the only one that need be tried again. */
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.len) {
        bool escaped = p < pattern.len && pattern.data[p] == '\\';
        if (escaped && p + 1 == pattern.len) {
            weir_error_set(err, "22025", "weir: LIKE pattern must not end with escape character");
            return WEIR_COMPAT_REFUSED;
        }
        uint8_t c = p < pattern.len ? pattern.data[p + escaped] : 0;
        if (p < pattern.len && !escaped && c == '%') {
            star = ++p;
            from = t;
        } else if (p < pattern.len && !escaped && c == '_') {
            t = weir_utf8_next(text, t);
            p++;
        } else if (p < pattern.len && weir_ascii_lower(c) == weir_ascii_lower(text.data[t])) {
            p += 1u + escaped;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++from;
        } else {
            *ret_found = false;
            return 0;
        }
    }
    while (p < pattern.len && pattern.data[p] == '%')
        p++;
    *ret_found = p == pattern.len;
    return 0;
}

static int compile(weir_slice pattern, int flags, writer *w, regex_t *ret, weir_error *err)
{
    if (pattern.len >= 4 && memcmp(pattern.data, "(?i)", 4) == 0) {
        pattern = weir_slice_skip(pattern, 4);
        flags |= REG_ICASE;
    }
    if (!translate(pattern, w) || !w->fits)
        return unsupported(err);
    int code = regcomp(ret, w->out, REG_EXTENDED | flags);
    if (code == REG_ESPACE)
        return -ENOMEM;
    if (code == 0)
        return 0;
    char words[100];
    (void)regerror(code, ret, words, sizeof(words));
    weir_error_set(err, "2201B", "weir: invalid regular expression: %s", words);
    return WEIR_COMPAT_REFUSED;
}

int weir_pattern_init(weir_slice pattern, bool fold, weir_pattern *ret, weir_error *err)
{
    writer w = {.product = 1, .fits = true};
    int r = compile(pattern, fold ? REG_ICASE : 0, &w, &ret->regex, err);
    ret->groups = w.own < WEIR_PATTERN_GROUPS_MAX ? w.own : WEIR_PATTERN_GROUPS_MAX;
    memcpy(ret->places, w.places, sizeof(ret->places));
    return r;
}

void weir_pattern_fini(weir_pattern *pattern)
{
    regfree(&pattern->regex);
}

static weir_slice matched(const uint8_t *text, const regmatch_t *m)
{
    if (m->rm_so < 0)
        return (weir_slice){0};
    return weir_slice_make(text + m->rm_so, (size_t)(m->rm_eo - m->rm_so));
}

bool weir_pattern_find(const weir_pattern *pattern, weir_slice text, size_t from,
                       weir_pattern_found *ret)
{
    static const uint8_t empty[] = "";
    const uint8_t *subject = text.len > 0 ? text.data : empty;
    regmatch_t found[UINT8_MAX + 1];
    found[0] = (regmatch_t){.rm_so = (regoff_t)from, .rm_eo = (regoff_t)text.len};
    size_t last = pattern->groups > 0 ? pattern->places[pattern->groups] : 0;
    if (regexec(&pattern->regex, (const char *)subject, last + 1, found,
                REG_STARTEND | (from > 0 ? REG_NOTBOL : 0)) != 0)
        return false;
    ret->whole = matched(subject, &found[0]);
    for (size_t i = 0; i < pattern->groups; i++)
        ret->groups[i] = matched(subject, &found[pattern->places[i + 1]]);
    return true;
}

int weir_pattern_match(weir_slice pattern, weir_slice text, bool fold, bool *ret_found,
                       weir_error *err)
{
    writer w = {.product = 1, .fits = true};
    regex_t regex;
    if (pattern.len >= 4 && memcmp(pattern.data, "(?L)", 4) == 0)
        return like(weir_slice_skip(pattern, 4), text, ret_found, err);
    int r = compile(pattern, REG_NOSUB | (fold ? REG_ICASE : 0), &w, &regex, err);
    if (r != 0)
        return r;
    regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)text.len};
    static const char empty[] = "";
    const char *subject = text.len > 0 ? (const char *)text.data : empty;
    int code = regexec(&regex, subject, 1, &whole, REG_STARTEND);
    regfree(&regex);
    if (code == REG_ESPACE)
        return -ENOMEM;
    *ret_found = code == 0;
    return 0;
}
