/* See listing.h. Words are name=value; a value is a run without space, "…" (a backslash escapes),
 * or [ … ] of such with commas between. */
#include "sql/listing.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX ((size_t)1 << 20)

static void listed_init(weir_listed *l)
{
    *l = (weir_listed){.priority = 0};
    weir_buf_init(&l->params, VALUE_MAX);
    weir_buf_init(&l->oids, 4u * WEIR_LISTED_TYPES_MAX);
    weir_buf_init(&l->settings, 65536);
}

void weir_listed_fini(weir_listed *listed)
{
    weir_buf_fini(&listed->params);
    weir_buf_fini(&listed->oids);
    weir_buf_fini(&listed->settings);
}

void weir_listing_begin(weir_listing *listing, weir_dialect dialect, weir_slice text)
{
    *listing = (weir_listing){.rest = text, .line = 1, .dialect = dialect};
    listed_init(&listing->defaults);
}

void weir_listing_end(weir_listing *listing)
{
    weir_listed_fini(&listing->defaults);
}

/* ---- values ---- */

static int refuse(weir_error *err, unsigned line, const char *what, weir_slice about)
{
    weir_error_set(err, "42601", "line %u: %s \"%.*s\"", line, what, WEIR_UTF8_QUOTED(about, 60));
    return -EINVAL;
}

/* Behind the opening quote, up to and with the closing one. False: it is not closed. */
static bool take_quoted(weir_slice *rest, weir_buf *out, int *ret)
{
    weir_slice s = *rest;
    *ret = 0;
    for (size_t i = 0; i < s.len && *ret == 0; i++) {
        if (s.data[i] == '"') {
            *rest = weir_slice_skip(s, i + 1);
            return true;
        }
        if (s.data[i] == '\\' && i + 1 < s.len)
            i++;
        *ret = weir_buf_append_u8(out, s.data[i]);
    }
    return false;
}

/* One value into `out`; `*ret_null`: it is the word null. Ends at space, or at one of `ends`. */
static int take_value(weir_slice *rest, const char *ends, weir_buf *out, bool *ret_null)
{
    int r = 0;
    *ret_null = false;
    if (rest->len > 0 && rest->data[0] == '"') {
        *rest = weir_slice_skip(*rest, 1);
        return take_quoted(rest, out, &r) ? 0 : r < 0 ? r : -EINVAL;
    }
    size_t n = 0;
    while (n < rest->len && !weir_ascii_is_space(rest->data[n]) &&
           !(rest->data[n] && strchr(ends, rest->data[n])))
        n++;
    if (n == 0)
        return -EINVAL;
    *ret_null = weir_slice_eq_nocase(weir_slice_head(*rest, n), "null");
    r = weir_buf_append(out, weir_slice_head(*rest, n));
    *rest = weir_slice_skip(*rest, n);
    return r;
}

typedef int (*take_item)(weir_listed *l, weir_slice value, bool null);

/* [a, "b", null] */
static int take_list(weir_slice *rest, weir_listed *l, take_item take)
{
    if (rest->len == 0 || rest->data[0] != '[')
        return -EINVAL;
    *rest = weir_slice_skip(*rest, 1);
    *rest = weir_ascii_skip_space(*rest);
    bool more = rest->len > 0 && rest->data[0] != ']';
    int r = 0;
    while (r == 0 && more) {
        weir_buf value;
        bool null;
        weir_buf_init(&value, VALUE_MAX);
        *rest = weir_ascii_skip_space(*rest);
        r = take_value(rest, ",]", &value, &null);
        if (r == 0)
            r = take(l, weir_buf_slice(&value), null);
        weir_buf_fini(&value);
        *rest = weir_ascii_skip_space(*rest);
        more = rest->len > 0 && rest->data[0] == ',';
        if (more)
            *rest = weir_slice_skip(*rest, 1);
    }
    if (r < 0)
        return r;
    if (rest->len == 0 || rest->data[0] != ']')
        return -EINVAL;
    *rest = weir_slice_skip(*rest, 1);
    return 0;
}

static int put_u32(weir_buf *out, uint32_t n)
{
    uint8_t bytes[] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    return weir_buf_append(out, weir_slice_make(bytes, sizeof(bytes)));
}

static int take_param(weir_listed *l, weir_slice value, bool null)
{
    if (l->param_count == UINT16_MAX)
        return -EINVAL;
    l->param_count++;
    int r = put_u32(&l->params, null ? UINT32_MAX : (uint32_t)value.len);
    return r == 0 && !null ? weir_buf_append(&l->params, value) : r;
}

static int take_type(weir_listed *l, weir_slice value, bool null)
{
    static const struct {
        const char *name;
        uint32_t oid;
    } types[] = {{"bool", 16},    {"bytea", 17},       {"int8", 20},          {"bigint", 20},
                 {"int2", 21},    {"smallint", 21},    {"int4", 23},          {"integer", 23},
                 {"text", 25},    {"oid", 26},         {"json", 114},         {"float4", 700},
                 {"float8", 701}, {"unknown", 705},    {"varchar", 1043},     {"date", 1082},
                 {"time", 1083},  {"timestamp", 1114}, {"timestamptz", 1184}, {"numeric", 1700},
                 {"uuid", 2950},  {"jsonb", 3802}};
    uint64_t oid = 0;
    size_t i = 0;
    if (null || l->type_count == WEIR_LISTED_TYPES_MAX || value.len > 32)
        return -EINVAL;
    for (; i < value.len && value.data[i] >= '0' && value.data[i] <= '9' && oid <= UINT32_MAX; i++)
        oid = oid * 10 + (value.data[i] - '0');
    bool found = i == value.len && oid <= UINT32_MAX;
    for (size_t n = 0; !found && n < sizeof(types) / sizeof(types[0]); n++)
        if (weir_slice_eq_nocase(value, types[n].name)) {
            oid = types[n].oid;
            found = true;
        }
    if (!found)
        return -EINVAL;
    l->type_count++;
    return put_u32(&l->oids, (uint32_t)oid);
}

/* ---- words ---- */

static bool begins(weir_slice s, const char *word)
{
    size_t n = strlen(word);
    return s.len >= n && weir_slice_eq_nocase(weir_slice_head(s, n), word);
}

static int take_number(weir_slice value, unsigned *ret)
{
    unsigned n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || n > 1000000)
            return -EINVAL;
        n = n * 10 + (unsigned)(value.data[i] - '0');
    }
    *ret = n;
    return value.len > 0 ? 0 : -EINVAL;
}

static int take_setting(weir_listed *l, weir_slice name, weir_slice value)
{
    if (name.len == 0 || memchr(value.data ? value.data : (const uint8_t *)"", 0, value.len))
        return -EINVAL;
    int r = weir_buf_append(&l->settings, name);
    if (r == 0)
        r = weir_buf_append_u8(&l->settings, 0);
    if (r == 0)
        r = weir_buf_append(&l->settings, value);
    return r == 0 ? weir_buf_append_u8(&l->settings, 0) : r;
}

/* A plain run of the file itself, so that it can be borrowed. */
static weir_slice run_of(weir_slice rest)
{
    size_t n = 0;
    while (n < rest.len && !weir_ascii_is_space(rest.data[n]))
        n++;
    return weir_slice_head(rest, n);
}

static int take_plain(weir_slice *rest, weir_slice *ret)
{
    *ret = run_of(*rest);
    *rest = weir_slice_skip(*rest, ret->len);
    return ret->len > 0 && ret->data[0] != '"' ? 0 : -EINVAL;
}

static int take_words_value(weir_listed *l, weir_slice name, weir_slice *rest)
{
    weir_slice value;
    int r;
    if (weir_slice_eq_cstr(name, "params"))
        return take_list(rest, l, take_param);
    if (weir_slice_eq_cstr(name, "types"))
        return take_list(rest, l, take_type);
    if (weir_slice_eq_cstr(name, "user"))
        return take_plain(rest, &l->user);
    if (weir_slice_eq_cstr(name, "database"))
        return take_plain(rest, &l->database);
    if (begins(name, "set.")) {
        weir_buf text;
        bool null;
        weir_buf_init(&text, VALUE_MAX);
        r = take_value(rest, "", &text, &null);
        if (r == 0)
            r = take_setting(l, weir_slice_skip(name, 4), weir_buf_slice(&text));
        weir_buf_fini(&text);
        return r;
    }
    r = take_plain(rest, &value);
    if (r == 0 && weir_slice_eq_cstr(name, "priority"))
        return take_number(value, &l->priority);
    if (r < 0 || !weir_slice_eq_cstr(name, "format"))
        return -ENOENT;
    l->binary = weir_slice_eq_cstr(value, "binary");
    return l->binary || weir_slice_eq_cstr(value, "text") ? 0 : -EINVAL;
}

static int take_words(weir_listed *l, weir_slice words, unsigned line, weir_error *err)
{
    while ((words = weir_ascii_skip_space(words)).len > 0) {
        weir_slice whole = run_of(words);
        const uint8_t *equals = memchr(whole.data, '=', whole.len);
        if (!equals)
            return refuse(err, line, "no name=value:", whole);
        weir_slice name = weir_slice_head(words, (size_t)(equals - words.data));
        words = weir_slice_skip(words, name.len + 1);
        int r = take_words_value(l, name, &words);
        if (r == -EINVAL)
            return refuse(err, line, "not understood:", whole);
        if (r == -ENOENT)
            return refuse(err, line,
                          "known are priority, user, database, params, types, format and set.NAME, "
                          "not",
                          name);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- statements ---- */

static weir_slice take_line(weir_listing *g)
{
    const uint8_t *end = memchr(g->rest.data, '\n', g->rest.len);
    weir_slice line = end ? weir_slice_head(g->rest, (size_t)(end - g->rest.data)) : g->rest;
    g->rest = weir_slice_skip(g->rest, line.len + (end != NULL));
    g->line += end != NULL;
    return line;
}

/* The comments before a statement, and empty lines. */
static int take_comments(weir_listing *g, weir_listed *l, weir_error *err)
{
    int r = 0;
    while (r == 0 && g->rest.len > 0) {
        uint8_t c = g->rest.data[0];
        if (weir_ascii_is_space(c) || c == ';') {
            g->line += c == '\n';
            g->rest = weir_slice_skip(g->rest, 1);
            continue;
        }
        if (!begins(g->rest, "--"))
            return 0;
        unsigned line = g->line;
        weir_slice words = weir_slice_skip(take_line(g), 2);
        words = weir_ascii_skip_space(words);
        if (begins(words, "warm:"))
            r = take_words(l, weir_slice_skip(words, 5), line, err);
        else if (begins(words, "default:"))
            r = take_words(&g->defaults, weir_slice_skip(words, 8), line, err);
    }
    return r;
}

static int take_defaults(const weir_listing *g, weir_listed *l)
{
    const weir_listed *d = &g->defaults;
    l->user = l->user.len > 0 ? l->user : d->user;
    l->database = l->database.len > 0 ? l->database : d->database;
    l->priority = l->priority > 0 ? l->priority : d->priority;
    l->binary = l->binary || d->binary;
    return weir_buf_append(&l->settings, weir_buf_slice(&d->settings));
}

/* What stands before its `;`, comments inside and all. */
static void take_text(weir_listing *g, weir_listed *l)
{
    weir_slice behind, text = weir_sql_split(g->dialect, g->rest, &behind);
    const uint8_t *begin = g->rest.data; /* a hint in front of it is part of it */
    size_t len = text.len > 0 ? (size_t)(text.data + text.len - begin) : 0;
    l->line = g->line;
    for (size_t i = 0; i < g->rest.len - behind.len; i++)
        g->line += begin[i] == '\n';
    while (len > 0 && weir_ascii_is_space(begin[len - 1]))
        len--;
    l->text = weir_slice_make(begin, len);
    g->rest = behind;
}

int weir_listing_next(weir_listing *listing, weir_listed *ret, weir_error *err)
{
    listed_init(ret);
    int r = take_comments(listing, ret, err);
    if (r == 0 && listing->rest.len == 0)
        r = WEIR_LISTING_OVER;
    if (r == 0)
        take_text(listing, ret);
    if (r == 0 && ret->text.len == 0)
        r = WEIR_LISTING_OVER; /* nothing but comments is left */
    if (r == 0 && ret->type_count > ret->param_count)
        r = refuse(err, ret->line, "there are more types than params:", ret->text);
    if (r == 0)
        r = take_defaults(listing, ret);
    if (r != 0)
        weir_listed_fini(ret);
    return r;
}
