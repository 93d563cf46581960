/* Words of pg_hba.conf and its kin: see hba_words.h. */
#include "config/hba_words.h"
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>

int hba_fail(weir_error *err, const char *file, unsigned line, const char *fmt, ...)
{
    char words[sizeof(err->message)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    for (char *c = words; *c; c++) /* from a file: it must not drive the terminal that shows it */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    weir_error_set(err, "F0000", "%.150s:%u: %s", file, line, words);
    return -EINVAL;
}

int hba_no_memory(weir_error *err)
{
    weir_error_set(err, "53200", "out of memory while reading the configuration");
    return -ENOMEM;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void skip_space(weir_slice *in)
{
    while (in->len > 0 && is_space(in->data[0]))
        *in = weir_slice_skip(*in, 1);
}

/* Takes one word off `in`: up to space, comma or comment outside quotes. -EINVAL: a quote is not
 * closed. */
static int take_word(weir_slice *in, char *out, size_t *ret_len, bool *ret_quoted)
{
    bool inside = false;
    size_t i = 0, n = 0;
    *ret_quoted = in->len > 0 && in->data[0] == '"';
    for (; i < in->len; i++) {
        uint8_t c = in->data[i];
        if (!inside && (is_space(c) || c == ',' || c == '#'))
            break;
        if (c != '"') {
            out[n++] = (char)c;
        } else if (inside && i + 1 < in->len && in->data[i + 1] == '"') {
            out[n++] = '"';
            i++;
        } else {
            inside = !inside;
        }
    }
    *in = weir_slice_skip(*in, i);
    *ret_len = n;
    return inside ? -EINVAL : 0;
}

static int add_word(weir_arena *arena, weir_slice text, bool quoted, hba_word ***tail)
{
    hba_word *word = weir_arena_alloc(arena, sizeof(*word));
    if (!word)
        return -ENOMEM;
    word->text = weir_arena_strdup(arena, text);
    word->quoted = quoted;
    **tail = word;
    *tail = (hba_word **)(void *)&word->next;
    return word->text ? 0 : -ENOMEM;
}

/* A field: words joined by commas. */
static int take_field(weir_arena *arena, weir_slice *in, char *scratch, hba_line *line,
                      weir_error *err)
{
    hba_word *first = NULL, **tail = &first;
    const uint8_t *begin = in->data;
    for (bool more = true; more;) {
        size_t len = 0;
        bool quoted = false;
        if (take_word(in, scratch, &len, &quoted) != 0)
            return hba_fail(err, line->file, line->number, "a quote is not closed");
        if (len == 0 && !quoted)
            return hba_fail(err, line->file, line->number, "a name is missing beside a comma");
        if (add_word(arena, weir_slice_make(scratch, len), quoted, &tail) < 0)
            return hba_no_memory(err);
        more = in->len > 0 && in->data[0] == ',';
        if (more) {
            *in = weir_slice_skip(*in, 1);
            skip_space(in);
        }
    }
    line->fields[line->field_count] = first;
    line->texts[line->field_count] =
        weir_arena_strdup(arena, weir_slice_make(begin, (size_t)(in->data - begin)));
    if (!line->texts[line->field_count])
        return hba_no_memory(err);
    line->field_count++;
    return 0;
}

int hba_split(weir_arena *arena, weir_slice text, hba_line *line, weir_error *err)
{
    line->field_count = 0;
    if (text.len > HBA_LINE_MAX)
        return hba_fail(err, line->file, line->number, "the line is too long");
    if (text.len > 0 && text.data && memchr(text.data, '\0', text.len))
        return hba_fail(err, line->file, line->number, "the line contains a zero byte");
    char *scratch = weir_arena_alloc(arena, text.len + 1);
    if (!scratch)
        return hba_no_memory(err);
    for (;;) {
        skip_space(&text);
        if (text.len == 0 || text.data[0] == '#')
            return 0;
        if (line->field_count == HBA_FIELDS_MAX)
            return hba_fail(err, line->file, line->number, "the line has more than %u fields",
                            HBA_FIELDS_MAX);
        int r = take_field(arena, &text, scratch, line, err);
        if (r != 0)
            return r;
    }
}

static weir_slice take_line(hba_reader *reader)
{
    weir_slice rest = reader->rest;
    const uint8_t *end = rest.len > 0 ? memchr(rest.data, '\n', rest.len) : NULL;
    size_t len = end ? (size_t)(end - rest.data) : rest.len;
    reader->rest = weir_slice_skip(rest, end ? len + 1 : len);
    reader->line++;
    weir_slice line = weir_slice_head(rest, len);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool continues(weir_slice line)
{
    return line.len > 0 && line.data[line.len - 1] == '\\';
}

/* A line and those that a backslash at its end joins to it. */
static int take_joined(hba_reader *reader, weir_slice *ret)
{
    weir_slice line = take_line(reader);
    *ret = line;
    if (!continues(line))
        return 0;
    weir_buf joined;
    weir_buf_init(&joined, HBA_LINE_MAX);
    int r = 0;
    for (bool more = true; r == 0 && more; line = more ? take_line(reader) : line) {
        more = continues(line);
        r = weir_buf_append(&joined, weir_slice_head(line, line.len - more));
    }
    const char *kept = r == 0 ? weir_arena_strdup(reader->arena, weir_buf_slice(&joined)) : NULL;
    *ret = weir_slice_make(kept, joined.len);
    weir_buf_fini(&joined);
    if (r == -EMSGSIZE)
        return hba_fail(reader->err, reader->file, reader->line, "the line is too long");
    return kept ? 0 : hba_no_memory(reader->err);
}

int hba_next_line(hba_reader *reader, hba_line *ret)
{
    while (reader->rest.len > 0) {
        weir_slice text;
        *ret = (hba_line){.file = reader->file, .number = reader->line + 1};
        int r = take_joined(reader, &text);
        if (r == 0)
            r = hba_split(reader->arena, text, ret, reader->err);
        if (r != 0 || ret->field_count > 0)
            return r;
    }
    return WEIR_HBA_END;
}
