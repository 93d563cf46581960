/* Writing the statements of an ALTER TABLE, and editing a table's text. */
#include "base/utf8.h"
#include "compat/alter_internal.h"
#include <stdarg.h>
#include <stdio.h>

static int put_name(weir_buf *out, weir_slice written)
{
    char name[256];
    weir_compat_name_fold(written, name, sizeof(name));
    return weir_token_put_quoted(out, weir_slice_cstr(name), '"');
}

static int put_piece(const alter *a, char kind, const weir_slice *s)
{
    switch (kind) {
    case 't':
        return weir_token_put_quoted(a->out, a->facts->name, '"');
    case 'n':
        return put_name(a->out, *s);
    case 'l':
        return weir_token_put_quoted(a->out, *s, '\'');
    default:
        return weir_buf_append(a->out, *s);
    }
}

int alter_put(const alter *a, const char *format, ...)
{
    va_list list;
    int r = 0;
    va_start(list, format);
    while (r == 0 && *format) {
        size_t plain = strcspn(format, "%");
        r = weir_buf_append(a->out, weir_slice_make(format, plain));
        format += plain;
        if (r < 0 || *format == '\0')
            continue;
        char kind = format[1];
        format += 2;
        r = put_piece(a, kind, kind == 't' ? NULL : va_arg(list, const weir_slice *));
    }
    va_end(list);
    return r;
}

/* ---- edits ---- */

/* The parts go through the literal's quoting one by one: they need not be joined first. */
static int put_doubled(weir_buf *out, weir_slice s)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] == '\'')
            r = weir_buf_append_u8(out, '\'');
        if (r == 0)
            r = weir_buf_append_u8(out, s.data[i]);
    }
    return r;
}

int alter_edit(const alter *a, weir_slice range, weir_slice with)
{
    weir_slice sql = a->facts->sql;
    size_t at = (size_t)(range.data - sql.data);
    assert(at <= sql.len && range.len <= sql.len - at);
    int r = alter_put(a, "UPDATE sqlite_schema SET sql = '");
    if (r == 0)
        r = put_doubled(a->out, weir_slice_head(sql, at));
    if (r == 0)
        r = put_doubled(a->out, with);
    if (r == 0)
        r = put_doubled(a->out, weir_slice_skip(sql, at + range.len));
    return r == 0 ? alter_put(a, "' WHERE type = 'table' AND name = %l;\n", &a->facts->name) : r;
}

int alter_remove_item(const alter *a, const table_item *item)
{
    table_text t;
    table_item each;
    const uint8_t *end = item->text.data + item->text.len, *before = NULL;
    if (!table_text_begin(a->facts->sql, &t))
        return -EINVAL;
    while (table_text_next(&t, &each) && each.text.data != item->text.data)
        before = each.text.data + each.text.len;
    const uint8_t *begin = before ? before : item->text.data;
    return alter_edit(a, weir_slice_make(begin, (size_t)(end - begin)), (weir_slice){0});
}

int alter_append_item(const alter *a, weir_slice text, bool column)
{
    table_text t;
    table_item each;
    weir_buf with;
    const uint8_t *at = NULL;
    if (!table_text_begin(a->facts->sql, &t))
        return -EINVAL;
    while (table_text_next(&t, &each))
        if (!column || each.column)
            at = each.text.data + each.text.len;
    if (!at || t.bad)
        return alter_refuse(a, "ALTER of a table whose definition is not understood", NULL);
    weir_buf_init(&with, 1u << 20);
    int r = weir_buf_append(&with, WEIR_SLICE_LIT(", "));
    if (r == 0)
        r = weir_buf_append(&with, text);
    if (r == 0)
        r = alter_edit(a, weir_slice_make(at, 0), weir_buf_slice(&with));
    weir_buf_fini(&with);
    return r;
}

int alter_fail_begin(const alter *a, const char *sqlstate, weir_slice words)
{
    const weir_slice state = weir_slice_cstr(sqlstate);
    return alter_put(a, "SELECT weir_fail(%l, %l) FROM ", &state, &words);
}

int alter_refuse(const alter *a, const char *what, const char *hint)
{
    weir_error_set(a->err, "0A000", "weir: %s is not supported on SQLite", what);
    weir_error_hint(a->err, "%s", hint ? hint : "docs/sqlite.md lists what is translated.");
    return WEIR_COMPAT_REFUSED;
}

bool alter_take_name(weir_slice *rest, char *ret, size_t size)
{
    weir_token t = weir_token_next(rest);
    while (weir_token_accept(rest, "."))
        t = weir_token_next(rest);
    weir_compat_name_fold(t.text, ret, size);
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

int alter_missing_column(const alter *a, weir_slice column)
{
    char name[128];
    weir_compat_name_fold(column, name, sizeof(name));
    weir_error_set(a->err, "42703", "weir: column \"%s\" of relation \"%.*s\" does not exist", name,
                   WEIR_UTF8_QUOTED(a->facts->name, 63));
    return WEIR_COMPAT_REFUSED;
}
