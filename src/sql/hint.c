/* Hints in a leading comment: words and word=value, parted by space. Whatever is not understood is
 * passed over and told, since a comment must not break a statement. */
#include "base/ascii.h"
#include "sql/sql.h"

static weir_slice next_word(weir_slice *rest)
{
    const uint8_t *p = rest->data, *end = p + rest->len;
    while (p < end && weir_ascii_is_space(*p))
        p++;
    const uint8_t *start = p;
    while (p < end && !weir_ascii_is_space(*p))
        p++;
    *rest = weir_slice_make(p, (size_t)(end - p));
    return weir_slice_make(start, (size_t)(p - start));
}

/* What follows "name="; false: it does not begin so. */
static bool value_of(weir_slice word, const char *name, weir_slice *ret)
{
    size_t n = strlen(name);
    if (word.len <= n + 1 || word.data[n] != '=' ||
        !weir_slice_eq_nocase(weir_slice_head(word, n), name))
        return false;
    *ret = weir_slice_skip(word, n + 1);
    return true;
}

static weir_time unit_of(weir_slice unit)
{
    static const struct {
        const char *name;
        weir_time size;
    } units[] = {{"us", WEIR_US},           {"ms", WEIR_MS},           {"s", WEIR_SECOND},
                 {"m", 60 * WEIR_SECOND},   {"min", 60 * WEIR_SECOND}, {"h", 3600 * WEIR_SECOND},
                 {"d", 86400 * WEIR_SECOND}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (weir_slice_eq_nocase(unit, units[i].name))
            return units[i].size;
    }
    return 0;
}

/* "60s", "500ms", "5m": digits and a unit, above zero. */
static bool duration(weir_slice text, weir_time *ret)
{
    weir_time n = 0;
    size_t i = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (n > WEIR_TIME_NEVER / 10 - 1)
            return false;
        n = n * 10 + (text.data[i] - '0');
    }
    weir_time unit = unit_of(weir_slice_skip(text, i));
    if (n == 0 || unit == 0 || n > WEIR_TIME_NEVER / unit)
        return false;
    *ret = n * unit;
    return true;
}

/* A word that says how long something lasts; false: it is none. */
static bool take_duration(weir_slice word, weir_hint *h)
{
    weir_slice value;
    if (value_of(word, "ttl", &value))
        return duration(value, &h->ttl);
    if (value_of(word, "stale_if_error", &value))
        return duration(value, &h->stale_if_error);
    if (value_of(word, "stale_while_revalidate", &value))
        return duration(value, &h->stale_while_revalidate);
    return value_of(word, "refresh_ahead", &value) && duration(value, &h->refresh_ahead);
}

static bool take_word(weir_slice word, weir_hint *h)
{
    weir_slice value;
    if (weir_slice_eq_nocase(word, "cache"))
        h->cache = WEIR_HINT_CACHE;
    else if (weir_slice_eq_nocase(word, "nocache"))
        h->cache = WEIR_HINT_NOCACHE;
    else if (weir_slice_eq_nocase(word, "primary"))
        h->target = WEIR_HINT_PRIMARY;
    else if (weir_slice_eq_nocase(word, "replica"))
        h->target = WEIR_HINT_REPLICA;
    else if (value_of(word, "tags", &value))
        h->tags = value;
    else if (value_of(word, "namespace", &value))
        h->name_space = value;
    else if (value_of(word, "version", &value))
        return true; /* the hint is part of the text, and the text of what an answer is found by */
    else if (value_of(word, "priority", &value) && weir_slice_eq_nocase(value, "critical"))
        h->critical = true;
    else
        return take_duration(word, h);
    return true;
}

void weir_hint_read(weir_slice hint, weir_hint *ret)
{
    *ret = (weir_hint){.cache = WEIR_HINT_UNSAID};
    for (weir_slice word = next_word(&hint); word.len > 0; word = next_word(&hint)) {
        if (!take_word(word, ret) && ret->unknown.len == 0)
            ret->unknown = word;
    }
}

bool weir_tag_next(weir_slice *rest, weir_slice *ret)
{
    while (rest->len > 0) {
        const uint8_t *comma = memchr(rest->data, ',', rest->len);
        size_t n = comma ? (size_t)(comma - rest->data) : rest->len;
        *ret = weir_slice_head(*rest, n);
        *rest = weir_slice_skip(*rest, comma ? n + 1 : n);
        if (ret->len > 0)
            return true;
    }
    return false;
}
