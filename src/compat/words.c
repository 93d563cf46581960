/* Small readings of a statement's words: its command tag, its end, names and values without their
 * quotes. */
#include "base/ascii.h"
#include "compat/compat.h"
#include "compat/token.h"

static void put(char *out, size_t size, size_t *len, uint8_t c)
{
    if (*len + 1 < size)
        out[(*len)++] = (char)c;
}

/* Appends a quoted token's inside. */
static void put_unquoted(weir_slice s, char *out, size_t size, size_t *len)
{
    if ((s.data[0] | 0x20) == 'e')
        s = weir_slice_skip(s, 1);
    uint8_t quote = s.data[0];
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] == quote && (i + 1 == s.len || s.data[i + 1] != quote))
            break;
        if (s.data[i] == quote)
            i++;
        put(out, size, len, s.data[i]);
    }
}

void weir_compat_name_fold(weir_slice written, char *out, size_t size)
{
    size_t len = 0;
    weir_token t = weir_token_peek(written);
    if (t.kind == WEIR_TOKEN_QUOTED || t.kind == WEIR_TOKEN_STRING) {
        put_unquoted(t.text, out, size, &len);
    } else {
        for (size_t i = 0; i < written.len; i++) {
            uint8_t c = written.data[i];
            put(out, size, &len, c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c);
        }
    }
    out[len] = '\0';
}

void weir_compat_value_fold(weir_slice written, char *out, size_t size)
{
    size_t len = 0;
    for (;;) {
        weir_token t = weir_token_next(&written);
        if (t.kind == WEIR_TOKEN_END)
            break;
        if (weir_token_is(t, ",")) {
            put(out, size, &len, ',');
            put(out, size, &len, ' ');
        } else if (t.kind == WEIR_TOKEN_QUOTED || t.kind == WEIR_TOKEN_STRING) {
            put_unquoted(t.text, out, size, &len);
        } else {
            bool joins = len > 0 && out[len - 1] != ' ' && t.kind == WEIR_TOKEN_WORD;
            if (joins)
                put(out, size, &len, ' ');
            for (size_t i = 0; i < t.text.len; i++)
                put(out, size, &len, t.text.data[i]);
        }
    }
    out[len] = '\0';
}

/* ---- tags ---- */

/* The word that says what a statement does: behind WITH's list it is the first such word that is
 * not inside parentheses. */
static weir_token verb(weir_slice *text)
{
    static const char *const verbs[] = {"select", "insert",  "update",
                                        "delete", "replace", "values"};
    weir_token t = weir_token_next(text);
    while (weir_token_is(t, "("))
        t = weir_token_next(text);
    if (!weir_token_is(t, "with"))
        return t;
    unsigned depth = 0;
    while ((t = weir_token_next(text)).kind != WEIR_TOKEN_END) {
        if (weir_token_is(t, "("))
            depth++;
        if (weir_token_is(t, ")") && depth > 0)
            depth--;
        for (size_t i = 0; depth == 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
            if (weir_token_is(t, verbs[i]))
                return t;
    }
    return t;
}

static int put_upper(weir_slice word, weir_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < word.len && i < 40; i++) {
        uint8_t c = word.data[i];
        r = weir_buf_append_u8(out, c >= 'a' && c <= 'z' ? (uint8_t)(c - ('a' - 'A')) : c);
    }
    return r;
}

static bool is_adjective(weir_token t)
{
    return weir_token_is(t, "temp") || weir_token_is(t, "temporary") ||
           weir_token_is(t, "unique") || weir_token_is(t, "virtual");
}

static int put_ddl(weir_token first, weir_slice rest, weir_buf *out)
{
    weir_token noun = weir_token_next(&rest);
    while (is_adjective(noun))
        noun = weir_token_next(&rest);
    int r = put_upper(first.text, out);
    if (r == 0)
        r = weir_buf_append_u8(out, ' ');
    return r == 0 ? put_upper(noun.text, out) : r;
}

int weir_compat_tag(weir_slice text, bool returned_rows, uint64_t rows, uint64_t changes,
                    weir_buf *out)
{
    weir_token t = verb(&text);
    unsigned long long changed = changes;
    if (weir_token_is(t, "insert") || weir_token_is(t, "replace"))
        return weir_buf_printf(out, "INSERT 0 %llu", changed);
    if (weir_token_is(t, "update"))
        return weir_buf_printf(out, "UPDATE %llu", changed);
    if (weir_token_is(t, "delete"))
        return weir_buf_printf(out, "DELETE %llu", changed);
    if (weir_token_is(t, "create") || weir_token_is(t, "drop") || weir_token_is(t, "alter"))
        return put_ddl(t, text, out);
    if (weir_token_is(t, "truncate"))
        return weir_buf_append(out, WEIR_SLICE_LIT("TRUNCATE TABLE"));
    if (weir_token_is(t, "explain"))
        return weir_buf_append(out, WEIR_SLICE_LIT("EXPLAIN"));
    if (returned_rows || weir_token_is(t, "select") || weir_token_is(t, "values"))
        return weir_buf_printf(out, "SELECT %llu", (unsigned long long)rows);
    return put_upper(t.text, out);
}

/* ---- splitting ---- */

/* CREATE [TEMP] TRIGGER: its body has semicolons of its own, up to END. */
static bool is_trigger(weir_slice text)
{
    if (!weir_token_accept(&text, "create"))
        return false;
    if (!weir_token_accept(&text, "temp"))
        (void)weir_token_accept(&text, "temporary");
    return weir_token_is(weir_token_peek(text), "trigger");
}

weir_slice weir_compat_split(weir_slice text, weir_slice *rest)
{
    while (weir_token_accept(&text, ";"))
        ;
    if (weir_token_peek(text).kind == WEIR_TOKEN_END) { /* space and comments */
        *rest = (weir_slice){0};
        return *rest;
    }
    text = weir_ascii_skip_space(text); /* a leading comment may be a hint and stays */
    bool trigger = is_trigger(text), in_body = false;
    unsigned cases = 0;
    weir_slice at = text;
    for (;;) {
        weir_token t = weir_token_next(&at);
        if (t.kind == WEIR_TOKEN_END || (weir_token_is(t, ";") && !in_body)) {
            *rest = at;
            size_t end = (size_t)(t.text.data - text.data);
            return weir_slice_head(text, t.kind == WEIR_TOKEN_END ? text.len : end);
        }
        if (!trigger)
            continue;
        if (weir_token_is(t, "begin"))
            in_body = true;
        else if (weir_token_is(t, "case"))
            cases++;
        else if (weir_token_is(t, "end") && cases > 0)
            cases--;
        else if (weir_token_is(t, "end"))
            in_body = false;
    }
}

/* ---- reserved words ---- */

/* PostgreSQL's, of which those that SQLite takes for names need quotes for it. */
bool weir_compat_is_reserved(weir_slice word)
{
    static const char *const words[] = {
        "all",        "analyse", "analyze", "and",        "any",     "array",     "as",
        "asc",        "both",    "case",    "cast",       "check",   "collate",   "column",
        "constraint", "create",  "default", "deferrable", "desc",    "distinct",  "do",
        "else",       "end",     "except",  "false",      "fetch",   "for",       "foreign",
        "from",       "grant",   "group",   "having",     "in",      "initially", "intersect",
        "into",       "lateral", "leading", "limit",      "not",     "null",      "offset",
        "on",         "only",    "or",      "order",      "placing", "primary",   "references",
        "returning",  "select",  "some",    "symmetric",  "table",   "then",      "to",
        "trailing",   "true",    "union",   "unique",     "user",    "using",     "variadic",
        "when",       "where",   "window",  "with"};
    return word.len > 0 && weir_token_is_one_of(((weir_token){WEIR_TOKEN_WORD, word}), words);
}
