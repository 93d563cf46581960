/* COPY's words: what is copied, from or to where, and the options, new and old. */
#include "compat/copy.h"
#include "compat/compat.h"
#include "compat/token.h"

#define REFUSED WEIR_COMPAT_REFUSED

static int refuse(const char *what, weir_error *err)
{
    weir_error_set(err, "0A000", "weir: COPY %s is not supported on SQLite", what);
    weir_error_hint(err, "FROM STDIN and TO STDOUT in the formats text, csv and binary are.");
    return REFUSED;
}

static weir_slice between(weir_slice from, weir_slice rest)
{
    return weir_slice_make(from.data, (size_t)(rest.data - from.data));
}

/* ---- options ---- */

static int take_text(weir_slice *rest, char *out, size_t size, weir_error *err)
{
    (void)weir_token_accept(rest, "as"); /* as it once was said */
    weir_token t = weir_token_next(rest);
    if (t.kind != WEIR_TOKEN_STRING)
        return weir_token_unexpected(t, err);
    if (t.text.len >= size) {
        weir_error_set(err, "22023", "weir: this COPY option is too long");
        return REFUSED;
    }
    weir_compat_value_fold(t.text, out, size);
    if (t.text.data[0] == 'E' || t.text.data[0] == 'e') { /* E'\t' */
        const char *escaped = strchr("tbnr", out[1]);
        if (out[0] == '\\' && out[1] && escaped)
            out[0] = "\t\b\n\r"[escaped - "tbnr"], out[1] = '\0';
    }
    return 0;
}

static int take_byte(weir_slice *rest, uint8_t *ret, weir_error *err)
{
    char text[16] = "";
    int r = take_text(rest, text, sizeof(text), err);
    if (r != 0)
        return r;
    if (text[0] == '\0' || text[1] != '\0' || text[0] == '\n' || text[0] == '\r') {
        weir_error_set(err, "0A000",
                       "weir: a COPY delimiter or quote must be a single one-byte "
                       "character, and no end of line");
        return REFUSED;
    }
    *ret = (uint8_t)text[0];
    return 0;
}

/* true, on, 1 or nothing */
static bool take_bool(weir_slice *rest)
{
    weir_token t = weir_token_peek(*rest);
    if (weir_token_is(t, ",") || weir_token_is(t, ")") || t.kind == WEIR_TOKEN_END)
        return true;
    (void)weir_token_next(rest);
    return !weir_token_is(t, "false") && !weir_token_is(t, "off") &&
           !weir_slice_eq_nocase(t.text, "0") && !weir_slice_eq_nocase(t.text, "'false'") &&
           !weir_slice_eq_nocase(t.text, "'off'");
}

static int take_format(weir_slice *rest, weir_copy *c, weir_error *err)
{
    char name[16];
    weir_token t = weir_token_next(rest);
    weir_compat_name_fold(t.text, name, sizeof(name));
    c->binary = strcmp(name, "binary") == 0;
    if (!c->binary && strcmp(name, "csv") != 0 && strcmp(name, "text") != 0)
        return weir_token_unexpected(t, err);
    c->csv = name[0] == 'c';
    return 0;
}

typedef struct given {
    bool null, delimiter, quote, escape;
} given;

static int take_encoding(weir_slice *rest, weir_error *err)
{
    char name[16];
    int r = take_text(rest, name, sizeof(name), err);
    bool utf8 = strcasecmp(name, "utf8") == 0 || strcasecmp(name, "utf-8") == 0;
    return r == 0 && !utf8 ? refuse("in another encoding than UTF8", err) : r;
}

/* One option, its name taken already. */
static int take_option(weir_slice *rest, weir_token t, weir_copy *c, given *g, weir_error *err)
{
    if (weir_token_is(t, "format"))
        return take_format(rest, c, err);
    if (weir_token_is(t, "csv") || weir_token_is(t, "binary")) {
        c->csv = weir_token_is(t, "csv");
        c->binary = !c->csv;
        return 0;
    }
    if (weir_token_is(t, "header")) {
        c->header = take_bool(rest);
        return 0;
    }
    if (weir_token_is(t, "delimiter") || weir_token_is(t, "delimiters")) {
        g->delimiter = true;
        return take_byte(rest, &c->delimiter, err);
    }
    if (weir_token_is(t, "quote")) {
        g->quote = true;
        return take_byte(rest, &c->quote, err);
    }
    if (weir_token_is(t, "escape")) {
        g->escape = true;
        return take_byte(rest, &c->escape, err);
    }
    if (weir_token_is(t, "null")) {
        g->null = true;
        return take_text(rest, c->null, sizeof(c->null), err);
    }
    if (weir_token_is(t, "encoding"))
        return take_encoding(rest, err);
    if (weir_token_is(t, "freeze")) {
        (void)take_bool(rest); /* it is about PostgreSQL's own storage */
        return 0;
    }
    if (weir_token_is(t, "force_quote") && weir_token_accept(rest, "*")) {
        c->force_quote = true;
        return 0;
    }
    return t.kind == WEIR_TOKEN_WORD ? refuse("with this option", err)
                                     : weir_token_unexpected(t, err);
}

static void note_stops(weir_copy *c)
{
    static const char escaped[] = "\b\f\n\r\t\v\\";
    const int in_line = WEIR_COPY_STOP_IN | WEIR_COPY_STOP_LINES;
    c->stops['\n'] = WEIR_COPY_STOP_LINES;
    c->stops[c->delimiter] |= WEIR_COPY_STOP_OUT | WEIR_COPY_STOP_IN;
    if (c->csv) {
        c->stops['\n'] |= WEIR_COPY_STOP_OUT;
        c->stops['\r'] |= WEIR_COPY_STOP_OUT;
        c->stops[c->quote] |= (uint8_t)(WEIR_COPY_STOP_OUT | in_line);
        c->stops[c->escape] |= (uint8_t)in_line;
    } else {
        for (const char *p = escaped; *p; p++)
            c->stops[(uint8_t)*p] |= WEIR_COPY_STOP_OUT;
        c->stops['\\'] |= (uint8_t)in_line;
    }
}

static int take_options(weir_slice rest, weir_copy *c, weir_error *err)
{
    given g = {0};
    (void)weir_token_accept(&rest, "with");
    bool list = weir_token_accept(&rest, "(");
    for (;;) {
        weir_token t = weir_token_next(&rest);
        if (weir_token_is(t, ";") || t.kind == WEIR_TOKEN_END || (list && weir_token_is(t, ")")))
            break;
        int r = take_option(&rest, t, c, &g, err);
        if (r != 0)
            return r;
        if (list)
            (void)weir_token_accept(&rest, ",");
    }
    if (c->binary && (g.null || g.delimiter || c->header))
        return refuse("with DELIMITER, NULL or HEADER in the format binary", err);
    if (!g.delimiter)
        c->delimiter = c->csv ? ',' : '\t';
    if (!g.quote)
        c->quote = '"';
    if (!g.escape)
        c->escape = c->quote;
    if (!g.null)
        memcpy(c->null, c->csv ? "" : "\\N", c->csv ? 1 : 3);
    if ((g.quote || g.escape || c->force_quote) && !c->csv)
        return refuse("with a quote in the format text", err);
    note_stops(c);
    return 0;
}

/* ---- what ---- */

static int take_table(weir_slice *rest, weir_copy *c, weir_error *err)
{
    weir_token t = weir_token_next(rest);
    if (t.kind != WEIR_TOKEN_WORD && t.kind != WEIR_TOKEN_QUOTED)
        return weir_token_unexpected(t, err);
    c->table = t.text;
    while (weir_token_accept(rest, ".")) {
        (void)weir_token_next(rest);
        c->table = between(c->table, *rest);
    }
    weir_slice after = *rest;
    if (!weir_token_accept(&after, "("))
        return 0;
    weir_token open = weir_token_next(rest);
    if (!weir_token_take_parentheses(rest, NULL))
        return weir_token_unexpected(weir_token_peek(*rest), err);
    c->columns = between(open.text, *rest);
    return 0;
}

static int take_query(weir_slice *rest, weir_copy *c, weir_error *err)
{
    weir_slice begin = *rest;
    if (!weir_token_take_parentheses(rest, NULL))
        return weir_token_unexpected(weir_token_peek(*rest), err);
    c->query = between(begin, *rest);
    c->query.len--; /* its parenthesis */
    return 0;
}

int weir_copy_read(weir_slice rest, weir_copy *ret, weir_error *err)
{
    *ret = (weir_copy){0};
    int r =
        weir_token_accept(&rest, "(") ? take_query(&rest, ret, err) : take_table(&rest, ret, err);
    if (r != 0)
        return r;
    weir_token t = weir_token_next(&rest);
    ret->out = weir_token_is(t, "to");
    if (!ret->out && (!weir_token_is(t, "from") || ret->query.len > 0))
        return weir_token_unexpected(t, err);
    t = weir_token_next(&rest);
    if (!weir_token_is(t, ret->out ? "stdout" : "stdin"))
        return refuse("to and from files and programs", err);
    return take_options(rest, ret, err);
}

/* ---- rows as lines ---- */

size_t weir_copy_plain(const weir_copy *c, weir_slice s, weir_copy_stop stop)
{
    size_t i = 0;
    while (i < s.len && !(c->stops[s.data[i]] & stop))
        i++;
    return i;
}

static int put_text(const weir_copy *c, weir_buf *out, weir_slice s)
{
    static const char from[] = "\b\f\n\r\t\v\\", to[] = "bfnrtv\\";
    for (;;) {
        size_t plain = weir_copy_plain(c, s, WEIR_COPY_STOP_OUT);
        int r = weir_buf_append(out, weir_slice_head(s, plain));
        if (r < 0 || plain == s.len)
            return r;
        uint8_t b = s.data[plain];
        const char *known = b ? strchr(from, b) : NULL;
        r = weir_buf_append_u8(out, '\\');
        if (r == 0)
            r = weir_buf_append_u8(out, known ? (uint8_t)to[known - from] : b);
        if (r < 0)
            return r;
        s = weir_slice_skip(s, plain + 1);
    }
}

static bool needs_quotes(const weir_copy *c, weir_slice s)
{
    return c->force_quote || weir_copy_plain(c, s, WEIR_COPY_STOP_OUT) < s.len ||
           weir_slice_eq_cstr(s, c->null) || weir_slice_eq_cstr(s, "\\.");
}

static int put_csv(const weir_copy *c, weir_buf *out, weir_slice s)
{
    if (!needs_quotes(c, s))
        return weir_buf_append(out, s);
    int r = weir_buf_append_u8(out, c->quote);
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] == c->quote || s.data[i] == c->escape)
            r = weir_buf_append_u8(out, c->escape);
        if (r == 0)
            r = weir_buf_append_u8(out, s.data[i]);
    }
    return r == 0 ? weir_buf_append_u8(out, c->quote) : r;
}

int weir_copy_put_field(const weir_copy *c, weir_buf *out, size_t index, const weir_slice *field)
{
    int r = index > 0 ? weir_buf_append_u8(out, c->delimiter) : 0;
    if (r == 0 && !field)
        return weir_buf_append(out, weir_slice_cstr(c->null));
    if (r == 0)
        r = c->csv ? put_csv(c, out, *field) : put_text(c, out, *field);
    return r;
}

int weir_copy_put_end(weir_buf *out)
{
    return weir_buf_append_u8(out, '\n');
}
