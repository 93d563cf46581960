/* Functions of regular expressions (pattern.c). The leftmost match, and the longest there, as
 * PostgreSQL's engine has it without lazy quantifiers. */
#include "base/utf8.h"
#include "compat/pattern.h"
#include "compat/run.h"

typedef struct flags {
    bool all, fold;
} flags;

/* g and i, c: what is there without them. */
static int take_flags(const weir_value *v, flags *ret, weir_error *err)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s = run_text_of(v, room);
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != 'g' && s.data[i] != 'i' && s.data[i] != 'c') {
            weir_error_set(err, "0A000",
                           "weir: the option \"%c\" of a regular expression is not supported on "
                           "SQLite",
                           s.data[i]);
            return WEIR_COMPAT_REFUSED;
        }
        ret->all |= s.data[i] == 'g';
        ret->fold = s.data[i] == 'g' ? ret->fold : s.data[i] == 'i';
    }
    return 0;
}

typedef struct search {
    weir_pattern pattern;
    weir_slice text;
    flags flags;
    char rooms[2][WEIR_NUMBER_TEXT_MAX];
} search;

#define ABSENT 9 /* an argument is NULL, and so is the result */

/* Of (text, pattern, …), with the flags in args[flags_at] if there are so many. */
static int begin(search *s, const weir_value *args, size_t count, size_t flags_at, weir_error *err)
{
    s->flags = (flags){0};
    if (run_any_null(args, count))
        return ABSENT;
    int r = count > flags_at ? take_flags(&args[flags_at], &s->flags, err) : 0;
    s->text = run_text_of(&args[0], s->rooms[0]);
    return r == 0 ? weir_pattern_init(run_text_of(&args[1], s->rooms[1]), s->flags.fold,
                                      &s->pattern, err)
                  : r;
}

static size_t offset_in(weir_slice text, weir_slice part)
{
    return part.len == 0 && text.len == 0 ? 0 : (size_t)(part.data - text.data);
}

/* The length of the character that begins there. */
static size_t character(weir_slice text, size_t at)
{
    return weir_utf8_next(text, at) - at;
}

/* \1 … \9, \& and \\. */
static int put_replacement(weir_buf *out, weir_slice with, const search *s,
                           const weir_pattern_found *f)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < with.len; i++) {
        uint8_t c = with.data[i], next = i + 1 < with.len ? with.data[i + 1] : 0;
        if (c != '\\' || next == 0) {
            r = weir_buf_append_u8(out, c);
            continue;
        }
        i++;
        if (next == '&')
            r = weir_buf_append(out, f->whole);
        else if (next < '1' || next > '9')
            r = weir_buf_append_u8(out, next);
        else if ((size_t)(next - '1') < s->pattern.groups)
            r = weir_buf_append(out, f->groups[next - '1']);
    }
    return r;
}

/* regexp_replace(text, pattern, replacement [, flags]) */
static int call_replace(RUN_ARGS)
{
    search s;
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_pattern_found f;
    int r = begin(&s, args, count, 3, err);
    if (r != 0)
        return r == ABSENT ? 0 : r;
    weir_slice with = run_text_of(&args[2], room);
    size_t copied = 0, from = 0;
    for (bool more = true; r == 0 && more && from <= s.text.len;) {
        if (!weir_pattern_find(&s.pattern, s.text, from, &f))
            break;
        size_t at = offset_in(s.text, f.whole), end = at + f.whole.len;
        r = weir_buf_append(out, weir_slice_make(s.text.data + copied, at - copied));
        if (r == 0)
            r = put_replacement(out, with, &s, &f);
        copied = end;
        from = f.whole.len > 0 || end == s.text.len ? end : end + character(s.text, end);
        more = s.flags.all && end < s.text.len;
    }
    if (r == 0)
        r = weir_buf_append(out, weir_slice_skip(s.text, copied));
    weir_pattern_fini(&s.pattern);
    if (r == 0)
        run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* Its first group, or all of it. */
static int call_substring(RUN_ARGS)
{
    search s;
    weir_pattern_found f;
    int r = begin(&s, args, count, SIZE_MAX, err);
    if (r != 0)
        return r == ABSENT ? 0 : r;
    if (weir_pattern_find(&s.pattern, s.text, 0, &f)) {
        weir_slice part = s.pattern.groups > 0 ? f.groups[0] : f.whole;
        if (part.data) {
            r = weir_buf_append(out, part);
            run_give_text(ret, weir_buf_slice(out));
        }
    }
    weir_pattern_fini(&s.pattern);
    return r;
}

/* regexp_match(text, pattern [, flags]): its groups, or all of it, as an array. */
static int call_match(RUN_ARGS)
{
    search s;
    weir_pattern_found f;
    int r = begin(&s, args, count, 2, err);
    if (r != 0)
        return r == ABSENT ? 0 : r;
    bool found = weir_pattern_find(&s.pattern, s.text, 0, &f);
    if (found && s.pattern.groups == 0)
        r = run_array_put(out, &f.whole);
    for (size_t i = 0; found && r == 0 && i < s.pattern.groups; i++)
        r = run_array_put(out, f.groups[i].data ? &f.groups[i] : NULL);
    weir_pattern_fini(&s.pattern);
    return found && r == 0 ? run_array_give(out, ret) : r;
}

/* regexp_split_to_array(text, pattern [, flags]) */
static int call_split(RUN_ARGS)
{
    search s;
    weir_pattern_found f;
    int r = begin(&s, args, count, 2, err);
    if (r != 0)
        return r == ABSENT ? 0 : r;
    size_t copied = 0, from = 0;
    while (r == 0 && from < s.text.len && weir_pattern_find(&s.pattern, s.text, from, &f)) {
        size_t at = offset_in(s.text, f.whole);
        if (f.whole.len == 0 && (at == copied || at >= s.text.len)) { /* no empty part */
            from = at + character(s.text, at);
            continue;
        }
        weir_slice part = weir_slice_make(s.text.data + copied, at - copied);
        r = run_array_put(out, &part);
        copied = from = at + f.whole.len;
    }
    weir_slice rest = weir_slice_skip(s.text, copied);
    if (r == 0)
        r = run_array_put(out, &rest);
    weir_pattern_fini(&s.pattern);
    return r == 0 ? run_array_give(out, ret) : r;
}

static int call_count(RUN_ARGS)
{
    (void)out;
    search s;
    weir_pattern_found f;
    int64_t n = 0;
    int r = begin(&s, args, count, SIZE_MAX, err);
    if (r != 0)
        return r == ABSENT ? 0 : r;
    for (size_t from = 0; from <= s.text.len && weir_pattern_find(&s.pattern, s.text, from, &f);
         n++) {
        size_t end = offset_in(s.text, f.whole) + f.whole.len;
        from = f.whole.len > 0 ? end : end + character(s.text, end);
    }
    weir_pattern_fini(&s.pattern);
    run_give_integer(ret, n);
    return 0;
}

const weir_face_function weir_face_patterns[] = {
    {.name = "weir_regexp_replace", .args = 3, .pure = true, .call = call_replace},
    {.name = "weir_regexp_replace", .args = 4, .pure = true, .call = call_replace},
    {.name = "weir_regexp_substring", .args = 2, .pure = true, .call = call_substring},
    {.name = "weir_regexp_match", .args = 2, .pure = true, .call = call_match},
    {.name = "weir_regexp_match", .args = 3, .pure = true, .call = call_match},
    {.name = "weir_regexp_split", .args = 2, .pure = true, .call = call_split},
    {.name = "weir_regexp_split", .args = 3, .pure = true, .call = call_split},
    {.name = "weir_regexp_count", .args = 2, .pure = true, .call = call_count},
    {.name = NULL},
};
