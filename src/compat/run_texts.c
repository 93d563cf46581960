/* PostgreSQL's functions of texts: characters, not bytes, are counted. */
#include "base/utf8.h"
#include "compat/run.h"
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>

#define RESULT_MAX (16u << 20)

static weir_slice text_at(const weir_value *args, size_t i, char room[WEIR_NUMBER_TEXT_MAX])
{
    return run_text_of(&args[i], room);
}

/* A number of characters: no text has more. */
static int64_t count_of(const weir_value *v)
{
    int64_t n = run_integer_of(v);
    return n > INT32_MAX ? INT32_MAX : n < -INT32_MAX ? -INT32_MAX : n;
}

static int64_t characters(weir_slice s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += weir_utf8_begins(s.data[i]);
    return n;
}

/* The bytes of the first `n` characters. */
static size_t bytes_of(weir_slice s, int64_t n)
{
    size_t i = 0;
    while (i < s.len && n > 0) {
        i = weir_utf8_next(s, i);
        n--;
    }
    return i;
}

/* `n` characters from the one at `from`, counted from 1, which may be before the first. */
static weir_slice part(weir_slice s, int64_t from, int64_t n)
{
    if (from < 1) {
        n = n > INT64_MAX + from - 1 ? n : n + from - 1;
        from = 1;
    }
    s = weir_slice_skip(s, bytes_of(s, from - 1));
    return weir_slice_head(s, n > 0 ? bytes_of(s, n) : 0);
}

static int call_substr(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    int64_t n = count > 2 ? run_integer_of(&args[2]) : INT32_MAX;
    if (n < 0)
        return run_refuse(err, "22011", "negative substring length not allowed");
    int64_t from = run_integer_of(&args[1]);
    if (count == 2 && from < 1)
        from = 1;
    return run_give(out, ret, weir_buf_append(out, part(text_at(args, 0, room), from, n)));
}

static int call_left(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int64_t n = run_integer_of(&args[1]);
    n = n < 0 ? characters(s) + n : n;
    return run_give(out, ret, weir_buf_append(out, part(s, 1, n > 0 ? n : 0)));
}

static int call_right(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int64_t n = count_of(&args[1]), all = characters(s);
    int64_t skip = n < 0 ? -n : all - n;
    skip = skip < 0 ? 0 : skip;
    return run_give(out, ret, weir_buf_append(out, part(s, skip + 1, all)));
}

static int fill(weir_buf *out, weir_slice with, int64_t n)
{
    int r = 0;
    int64_t each = characters(with);
    for (; r == 0 && each > 0 && n > 0; n -= each)
        r = weir_buf_append(out, weir_slice_head(with, bytes_of(with, n)));
    return r;
}

static int pad(const weir_value *args, bool left, weir_buf *out, weir_value *ret, weir_error *err)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, 3))
        return 0;
    weir_slice s = text_at(args, 0, room), with = text_at(args, 2, other);
    int64_t n = run_integer_of(&args[1]);
    n = n < 0 ? 0 : n;
    if (n > (int64_t)RESULT_MAX)
        return run_refuse(err, "54000", "requested length too large");
    int64_t more = n - characters(s);
    int r = left && more > 0 ? fill(out, with, more) : 0;
    if (r == 0)
        r = weir_buf_append(out, part(s, 1, n));
    if (r == 0 && !left && more > 0)
        r = fill(out, with, more);
    return run_give(out, ret, r);
}

static int call_lpad(RUN_ARGS)
{
    (void)count;
    return pad(args, true, out, ret, err);
}

static int call_rpad(RUN_ARGS)
{
    (void)count;
    return pad(args, false, out, ret, err);
}

static int call_repeat(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int64_t n = run_integer_of(&args[1]);
    int r = 0;
    if (n > 0 && s.len > 0 && (uint64_t)n > RESULT_MAX / s.len)
        return run_refuse(err, "54000", "requested length too large");
    for (; r == 0 && n > 0 && s.len > 0; n--)
        r = weir_buf_append(out, s);
    return run_give(out, ret, r);
}

static int call_reverse(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int r = 0;
    for (size_t end = s.len, i = s.len; r == 0 && i-- > 0;) {
        if (!weir_utf8_begins(s.data[i]))
            continue;
        r = weir_buf_append(out, weir_slice_make(s.data + i, end - i));
        end = i;
    }
    return run_give(out, ret, r);
}

/* ---- case: ASCII, Latin-1 and its first extension, Greek and Cyrillic ---- */

static uint32_t upper_of(uint32_t c)
{
    if (c >= 'a' && c <= 'z')
        return c - 32;
    if ((c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) ||
        (c >= 0x430 && c <= 0x44f))
        return c - 32;
    if (c == 0xff)
        return 0x178;
    if (c >= 0x450 && c <= 0x45f)
        return c - 80;
    bool odd = (c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14a && c <= 0x177);
    bool even = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if ((odd && c % 2 == 1) || (even && c % 2 == 0))
        return c - 1;
    return c;
}

static uint32_t lower_of(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c == 0x178)
        return 0xff;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    bool even = (c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177);
    bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if ((even && c % 2 == 0) || (odd && c % 2 == 1))
        return c + 1;
    return c;
}

/* Two bytes hold all that changes its case here; others are copied. */
static uint32_t take(weir_slice *s, size_t *ret_len)
{
    uint8_t c = s->data[0];
    if (c < 0x80 || s->len < 2 || c < 0xc2 || c > 0xdf) {
        *ret_len = bytes_of(*s, 1);
        return c < 0x80 ? c : 0;
    }
    *ret_len = 2;
    return (uint32_t)(c & 0x1f) << 6 | (s->data[1] & 0x3f);
}

static int put_character(weir_buf *out, uint32_t c)
{
    if (c < 0x80)
        return weir_buf_append_u8(out, (uint8_t)c);
    if (c < 0x800) {
        uint8_t two[2] = {(uint8_t)(0xc0 | c >> 6), (uint8_t)(0x80 | (c & 0x3f))};
        return weir_buf_append(out, weir_slice_make(two, 2));
    }
    if (c < 0x10000) {
        uint8_t three[3] = {(uint8_t)(0xe0 | c >> 12), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
                            (uint8_t)(0x80 | (c & 0x3f))};
        return weir_buf_append(out, weir_slice_make(three, 3));
    }
    uint8_t four[4] = {(uint8_t)(0xf0 | c >> 18), (uint8_t)(0x80 | (c >> 12 & 0x3f)),
                       (uint8_t)(0x80 | (c >> 6 & 0x3f)), (uint8_t)(0x80 | (c & 0x3f))};
    return weir_buf_append(out, weir_slice_make(four, 4));
}

static bool is_letter(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* 'u'pper, 'l'ower, 'i'nitcap */
static int change_case(const weir_value *args, char how, weir_buf *out, weir_value *ret)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    weir_slice s = text_at(args, 0, room);
    bool inside = false;
    int r = 0;
    while (r == 0 && s.len > 0) {
        size_t len = 0;
        uint32_t c = take(&s, &len);
        bool up = how == 'u' || (how == 'i' && !inside);
        r = c == 0 ? weir_buf_append(out, weir_slice_head(s, len))
                   : put_character(out, up ? upper_of(c) : lower_of(c));
        inside = c == 0 || is_letter(c);
        s = weir_slice_skip(s, len);
    }
    return run_give(out, ret, r);
}

static int call_upper(RUN_ARGS)
{
    (void)count, (void)err;
    return change_case(args, 'u', out, ret);
}

static int call_lower(RUN_ARGS)
{
    (void)count, (void)err;
    return change_case(args, 'l', out, ret);
}

static int call_initcap(RUN_ARGS)
{
    (void)count, (void)err;
    return change_case(args, 'i', out, ret);
}

/* ---- pieces ---- */

static const uint8_t *find(weir_slice s, weir_slice what)
{
    return what.len > 0 && s.len > 0 ? memmem(s.data, s.len, what.data, what.len) : NULL;
}

static int call_split_part(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room), by = text_at(args, 1, other);
    int64_t n = run_integer_of(&args[2]), parts = 1;
    if (n == 0)
        return run_refuse(err, "22023", "field position must not be zero");
    for (weir_slice rest = s; find(rest, by); parts++)
        rest = weir_slice_skip(rest, (size_t)(find(rest, by) - rest.data) + by.len);
    n = n < 0 ? parts + n + 1 : n;
    if (n < 1 || n > parts)
        return run_give(out, ret, 0);
    for (int64_t i = 1; i < n; i++) {
        const uint8_t *at = find(s, by);
        s = at ? weir_slice_skip(s, (size_t)(at - s.data) + by.len) : weir_slice_head(s, 0);
    }
    const uint8_t *end = find(s, by);
    size_t len = end ? (size_t)(end - s.data) : s.len;
    return run_give(out, ret, weir_buf_append(out, weir_slice_head(s, len)));
}

static int call_translate(RUN_ARGS)
{
    char a[WEIR_NUMBER_TEXT_MAX], b[WEIR_NUMBER_TEXT_MAX], c[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, a), from = text_at(args, 1, b), to = text_at(args, 2, c);
    int r = 0;
    while (r == 0 && s.len > 0) {
        weir_slice one = weir_slice_head(s, bytes_of(s, 1));
        int64_t at = 0, found = -1;
        for (weir_slice rest = from; found < 0 && rest.len > 0; at++) {
            size_t len = bytes_of(rest, 1);
            found = weir_slice_eq(weir_slice_head(rest, len), one) ? at : -1;
            rest = weir_slice_skip(rest, len);
        }
        r = weir_buf_append(out, found < 0 ? one : part(to, found + 1, 1));
        s = weir_slice_skip(s, one.len);
    }
    return run_give(out, ret, r);
}

static int call_overlay(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room), with = text_at(args, 1, other);
    int64_t from = count_of(&args[2]);
    int64_t n = count > 3 ? count_of(&args[3]) : characters(with);
    if (from <= 0)
        return run_refuse(err, "22011", "negative substring length not allowed");
    int r = weir_buf_append(out, part(s, 1, from - 1));
    if (r == 0)
        r = weir_buf_append(out, with);
    if (r == 0)
        r = weir_buf_append(out, part(s, from + n, INT32_MAX));
    return run_give(out, ret, r);
}

static int call_concat(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    int r = 0;
    (void)err;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = weir_buf_append(out, text_at(args, i, room));
    return run_give(out, ret, r);
}

static int call_concat_ws(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    bool any = false;
    int r = 0;
    (void)err;
    if (count == 0 || args[0].type == WEIR_VALUE_NULL)
        return 0;
    weir_slice between = text_at(args, 0, room);
    for (size_t i = 1; r == 0 && i < count; i++) {
        if (args[i].type == WEIR_VALUE_NULL)
            continue;
        r = any ? weir_buf_append(out, between) : 0;
        if (r == 0)
            r = weir_buf_append(out, text_at(args, i, other));
        any = true;
    }
    return run_give(out, ret, r);
}

/* %s, %I, %L and %% of format(), without widths and positions. */
static int call_format(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    size_t next = 1;
    int r = 0;
    if (count == 0 || args[0].type == WEIR_VALUE_NULL)
        return 0;
    weir_slice s = text_at(args, 0, room);
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] != '%') {
            r = weir_buf_append_u8(out, s.data[i]);
            continue;
        }
        uint8_t c = ++i < s.len ? s.data[i] : 0;
        if (c == '%') {
            r = weir_buf_append_u8(out, '%');
        } else if (c == 's' && next < count) {
            r = weir_buf_append(out, text_at(args, next++, other));
        } else if (c == 's') {
            return run_refuse(err, "22023", "too few arguments for format()");
        } else {
            return run_refuse(err, "0A000", "weir: this in format() is not supported on SQLite");
        }
    }
    return run_give(out, ret, r);
}

/* ---- others ---- */

static int call_md5(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    if (!EVP_Digest(s.len > 0 ? s.data : (const uint8_t *)"", s.len, digest, &len, EVP_md5(), NULL))
        return run_refuse(err, "0A000", "weir: md5 is not allowed by this system's OpenSSL");
    int r = 0;
    for (unsigned i = 0; r == 0 && i < len; i++)
        r = weir_buf_printf(out, "%02x", digest[i]);
    return run_give(out, ret, r);
}

static int call_chr(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    int64_t c = run_integer_of(&args[0]);
    if (c <= 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return run_refuse(err, "54000", "requested character is not valid");
    return run_give(out, ret, put_character(out, (uint32_t)c));
}

static int call_ascii(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)out, (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    size_t len = s.len > 0 ? bytes_of(s, 1) : 0;
    len = len > 4 ? 1 : len; /* not UTF-8 */
    uint32_t c = len == 0 ? 0 : len == 1 ? s.data[0] : s.data[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s.data[i] & 0x3f);
    run_give_integer(ret, c);
    return 0;
}

static int call_to_hex(RUN_ARGS)
{
    (void)err;
    if (run_any_null(args, count))
        return 0;
    return run_give(out, ret,
                    weir_buf_printf(out, "%llx", (unsigned long long)run_integer_of(&args[0])));
}

static int call_varchar(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int64_t most = run_integer_of(&args[1]);
    size_t keep = bytes_of(s, most);
    for (size_t i = keep; i < s.len; i++) {
        if (s.data[i] == ' ')
            continue;
        weir_error_set(err, "22001", "value too long for type character varying(%lld)",
                       (long long)most);
        return WEIR_COMPAT_REFUSED;
    }
    return run_give(out, ret, weir_buf_append(out, weir_slice_head(s, keep)));
}

/* SIMILAR TO's pattern as a regular expression. */
static int call_similar(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = text_at(args, 0, room);
    int r = weir_buf_append(out, WEIR_SLICE_LIT("^("));
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '%') {
            r = weir_buf_append(out, WEIR_SLICE_LIT(".*"));
        } else if (c == '_') {
            r = weir_buf_append_u8(out, '.');
        } else {
            if (c == '.' || c == '^' || c == '$' || c == '\\')
                r = weir_buf_append_u8(out, '\\');
            if (c == '\\' && i + 1 < s.len)
                c = s.data[++i];
            if (r == 0)
                r = weir_buf_append_u8(out, c);
        }
    }
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(")$"));
    return run_give(out, ret, r);
}

/* Each escape stands before something. */
bool run_like_valid(weir_slice like, weir_slice escape)
{
    for (size_t i = 0; i < like.len; i++) {
        if (like.len - i < escape.len || memcmp(like.data + i, escape.data, escape.len) != 0)
            continue;
        i += escape.len;
        if (i == like.len)
            return false;
    }
    return true;
}

int run_glob(weir_slice like, weir_slice escape, weir_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < like.len; i++) {
        uint8_t c = like.data[i];
        bool escaped = escape.len > 0 && i + escape.len < like.len &&
                       memcmp(like.data + i, escape.data, escape.len) == 0;
        if (escaped) {
            i += escape.len;
            c = like.data[i];
        }
        char set[] = {'[', (char)c, ']', '\0'};
        if (c == '*' || c == '?' || c == '[')
            r = weir_buf_append(out, weir_slice_cstr(set));
        else
            r = weir_buf_append_u8(out, escaped ? c : c == '%' ? '*' : c == '_' ? '?' : c);
    }
    return r;
}

/* weir_glob(pattern[, escape]): GLOB knows capitals, as PostgreSQL's LIKE does. */
static int call_glob(RUN_ARGS)
{
    char a[WEIR_NUMBER_TEXT_MAX], b[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return 0;
    weir_slice like = text_at(args, 0, a);
    weir_slice escape = count > 1 ? text_at(args, 1, b) : WEIR_SLICE_LIT("\\");
    if (characters(escape) > 1) {
        weir_error_set(err, "22025", "weir: invalid escape string");
        weir_error_hint(err, "Escape string must be empty or one character.");
        return WEIR_COMPAT_REFUSED;
    }
    if (escape.len > 0 && like.len >= escape.len && !run_like_valid(like, escape))
        return run_refuse(err, "22025", "weir: LIKE pattern must not end with escape character");
    return run_give(out, ret, run_glob(like, escape, out));
}

/* What every text that is LIKE the pattern begins with. */
static weir_slice like_prefix(weir_slice like, weir_buf *out, int *ret_r)
{
    for (size_t i = 0; *ret_r == 0 && i < like.len; i++) {
        if (like.data[i] == '%' || like.data[i] == '_')
            break;
        i += like.data[i] == '\\' && i + 1 < like.len;
        *ret_r = weir_buf_append_u8(out, like.data[i]);
    }
    return weir_buf_slice(out);
}

/* weir_glob_from(pattern), weir_glob_to(pattern): no such text is less, and each is less than this:
 * an index can be used for a pattern that is not known yet. */
static int call_glob_from(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)count, (void)err;
    int r = 0;
    if (args[0].type != WEIR_VALUE_NULL)
        run_give_text(ret, like_prefix(text_at(args, 0, room), out, &r));
    return r;
}

static int call_glob_to(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)count, (void)err;
    int r = 0;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    run_give_text(ret, like_prefix(text_at(args, 0, room), out, &r));
    if (out->len > 0)
        out->data[out->len - 1]++; /* UTF-8 has no byte 255 */
    else
        ret->type = WEIR_VALUE_BLOB; /* behind all texts */
    return r;
}

const weir_face_function weir_face_strings[] = {
    {.name = "weir_glob_from", .args = 1, .pure = true, .call = call_glob_from},
    {.name = "weir_glob_to", .args = 1, .pure = true, .call = call_glob_to},
    {.name = "weir_glob", .args = 1, .pure = true, .call = call_glob},
    {.name = "weir_glob", .args = 2, .pure = true, .call = call_glob},
    {.name = "weir_substr", .args = 2, .pure = true, .call = call_substr},
    {.name = "weir_substr", .args = 3, .pure = true, .call = call_substr},
    {.name = "weir_left", .args = 2, .pure = true, .call = call_left},
    {.name = "weir_right", .args = 2, .pure = true, .call = call_right},
    {.name = "weir_lpad", .args = 3, .pure = true, .call = call_lpad},
    {.name = "weir_rpad", .args = 3, .pure = true, .call = call_rpad},
    {.name = "weir_repeat", .args = 2, .pure = true, .call = call_repeat},
    {.name = "weir_reverse", .args = 1, .pure = true, .call = call_reverse},
    {.name = "weir_upper", .args = 1, .pure = true, .call = call_upper},
    {.name = "weir_lower", .args = 1, .pure = true, .call = call_lower},
    {.name = "weir_initcap", .args = 1, .pure = true, .call = call_initcap},
    {.name = "weir_split_part", .args = 3, .pure = true, .call = call_split_part},
    {.name = "weir_translate", .args = 3, .pure = true, .call = call_translate},
    {.name = "weir_overlay", .args = 3, .pure = true, .call = call_overlay},
    {.name = "weir_overlay", .args = 4, .pure = true, .call = call_overlay},
    {.name = "weir_concat", .args = -1, .pure = true, .call = call_concat},
    {.name = "weir_concat_ws", .args = -1, .pure = true, .call = call_concat_ws},
    {.name = "weir_format", .args = -1, .pure = true, .call = call_format},
    {.name = "weir_md5", .args = 1, .pure = true, .call = call_md5},
    {.name = "weir_chr", .args = 1, .pure = true, .call = call_chr},
    {.name = "weir_ascii", .args = 1, .pure = true, .call = call_ascii},
    {.name = "weir_to_hex", .args = 1, .pure = true, .call = call_to_hex},
    {.name = "weir_varchar", .args = 2, .pure = true, .call = call_varchar},
    {.name = "weir_similar", .args = 1, .pure = true, .call = call_similar},
    {.name = NULL},
};
