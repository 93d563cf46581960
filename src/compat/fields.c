/* A text's fields, told apart by their first letters as PostgreSQL's ParseDateTime does. */
#include "compat/fields.h"
#include "base/ascii.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* How many bytes from `at` on are digits (letters) or in the set. */
static size_t run_of(weir_slice s, size_t at, bool digits, bool letters, const char *set)
{
    size_t i = at;
    while (i < s.len && ((digits && is_digit(s.data[i])) || (letters && is_letter(s.data[i])) ||
                         is_one_of(s.data[i], set)))
        i++;
    return i - at;
}

static size_t take_digits_first(weir_slice s, field *f)
{
    size_t len = run_of(s, 0, true, false, "");
    char mark[2] = {len < s.len ? (char)s.data[len] : '\0', '\0'};
    f->kind = FIELD_NUMBER;
    if (mark[0] == ':') {
        f->kind = FIELD_TIME;
        return len + run_of(s, len, true, false, ":.");
    }
    if (mark[0] == '\0' || !is_one_of((uint8_t)mark[0], "-/."))
        return len;
    len++;
    if (len >= s.len || !is_digit(s.data[len])) { /* a month's name, perhaps */
        if (mark[0] == '.' && (len >= s.len || !is_letter(s.data[len])))
            return len;
        f->kind = FIELD_DATE;
        return len + run_of(s, len, true, true, mark);
    }
    f->kind = mark[0] == '.' ? FIELD_NUMBER : FIELD_DATE;
    len += run_of(s, len, true, false, "");
    if (len < s.len && s.data[len] == (uint8_t)mark[0]) {
        f->kind = FIELD_DATE;
        len += run_of(s, len, true, false, mark);
    }
    return len;
}

/* Words that a digit or a '+' may follow. */
static bool is_prefix(weir_slice word)
{
    static const char *const words[] = {"j",  "jd", "julian", "t",  "d",  "h",  "m",  "s",  "y",
                                        "on", "at", "mm",     "am", "pm", "ad", "bc", "dst"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_slice_eq_nocase(word, words[i]))
            return true;
    return false;
}

static size_t take_letters_first(weir_slice s, field *f)
{
    size_t len = run_of(s, 0, false, true, "");
    uint8_t next = len < s.len ? s.data[len] : '\0';
    f->kind = FIELD_WORD;
    if (is_one_of(next, "-/.") ||
        ((next == '+' || is_digit(next)) && !is_prefix(weir_slice_head(s, len)))) {
        f->kind = FIELD_DATE;
        len += run_of(s, len, true, true, "+-/_.:");
    }
    return len;
}

bool weir_fields_split(weir_slice s, field out[FIELDS_MAX], size_t *ret_count)
{
    size_t count = 0;
    while ((s = weir_ascii_skip_space(s)).len > 0) {
        field f = {0};
        uint8_t c = s.data[0];
        size_t len = 0;
        bool sign = c == '+' || c == '-';
        if (count == FIELDS_MAX)
            return false;
        if (sign)
            s = weir_ascii_skip_space(weir_slice_skip(s, 1));
        if (s.len == 0)
            return false;
        if (sign && !is_digit(s.data[0]) && s.data[0] != '.' && !is_letter(s.data[0]))
            return false;
        if (is_letter(s.data[0]) && sign) { /* -infinity */
            f.kind = FIELD_WORD;
            len = run_of(s, 0, false, true, "");
        } else if (sign) {
            f.kind = FIELD_SIGNED;
            len = run_of(s, 0, true, false, ":.-");
        } else if (is_digit(c)) {
            len = take_digits_first(s, &f);
        } else if (c == '.') {
            f.kind = FIELD_NUMBER;
            len = 1 + run_of(s, 1, true, false, "");
        } else if (is_letter(c)) {
            len = take_letters_first(s, &f);
        } else if (c > ' ' && c < 0x7f) { /* any other mark is a separator */
            s = weir_slice_skip(s, 1);
            continue;
        } else {
            return false;
        }
        f.minus = sign && c == '-';
        f.text = weir_slice_head(s, len);
        s = weir_slice_skip(s, len);
        out[count++] = f;
    }
    *ret_count = count;
    return true;
}

bool weir_fields_take_number(weir_slice *s, int64_t *ret)
{
    int64_t n = 0;
    size_t len = 0;
    for (; len < s->len && is_digit(s->data[len]); len++) {
        n = n * 10 + (s->data[len] - '0');
        if (n > INT32_MAX)
            return false;
    }
    *s = weir_slice_skip(*s, len);
    *ret = n;
    return len > 0;
}

bool weir_fields_micros(weir_slice s, int64_t *ret)
{
    char text[40];
    if (s.len == 0 || s.data[0] != '.' || run_of(s, 1, true, false, "") + 1 != s.len)
        return false;
    int len = (int)(s.len < 32 ? s.len : 32);
    (void)snprintf(text, sizeof(text), "0%.*s", len, (const char *)s.data);
    *ret = (int64_t)rint(strtod(text, NULL) * 1e6);
    return true;
}

field_time weir_fields_time(weir_slice s, bool minutes, int64_t *ret_us)
{
    int64_t part[3] = {0, 0, 0}, us = 0;
    size_t count = 0;
    do {
        if (count > 0)
            s = weir_slice_skip(s, 1);
        if (!weir_fields_take_number(&s, &part[count]))
            return FIELD_TIME_MALFORMED;
        count++;
    } while (count < 3 && s.len > 0 && s.data[0] == ':');
    bool point = s.len > 0;
    if (count < 2 || (point && !weir_fields_micros(s, &us)))
        return FIELD_TIME_MALFORMED;
    if (count == 2 && (point || minutes)) {
        part[2] = part[1];
        part[1] = part[0];
        part[0] = 0;
    }
    if (part[1] > 59 || part[2] > 60)
        return FIELD_TIME_OVERFLOW;
    *ret_us = ((part[0] * 60 + part[1]) * 60 + part[2]) * 1000000 + us;
    return FIELD_TIME_READ;
}
