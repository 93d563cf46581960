/* See ending.h: `[schema.]pg_terminate_backend(whom[::type] [, timeout])`, pg_cancel_backend. */
#include "sql/ending.h"
#include "sql/lex.h"

static weir_slice between(const weir_token *first, const weir_token *last)
{
    return weir_slice_make(first->start, (size_t)(last->end - first->start));
}

static uint32_t decimal(const uint8_t *p, const uint8_t *end)
{
    uint32_t n = 0;
    for (; p < end && *p >= '0' && *p <= '9' && n < UINT32_C(400000000); p++)
        n = n * 10 + (uint32_t)(*p - '0');
    return p == end ? n : 0;
}

/* `scan` is behind the open parenthesis. */
static bool read_arguments(weir_scan *scan, const weir_token *first, weir_sql_ending *ret)
{
    weir_token whom, t, last;
    weir_scan_next(scan, &whom);
    if (whom.type != TOKEN_LITERAL)
        return false;
    ret->number = whom.literal == WEIR_LITERAL_INTEGER ? decimal(whom.start, whom.end) : 0;
    ret->param = whom.literal == WEIR_LITERAL_PARAM ? decimal(whom.start + 1, whom.end) : 0;
    last = whom;
    weir_scan_next(scan, &t);
    if (t.type == TOKEN_CAST) {
        weir_scan_next(scan, &last);
        weir_scan_next(scan, &t);
    }
    ret->argument = between(&whom, &last);
    for (unsigned i = 0; i < 2 && t.type == TOKEN_COMMA; i++) {
        weir_scan_next(scan, &t);
        if (t.type == TOKEN_LITERAL)
            weir_scan_next(scan, &t);
    }
    ret->call = between(first, &t);
    return t.type == TOKEN_CLOSE && (ret->number || ret->param);
}

bool weir_sql_find_ending(weir_slice text, weir_sql_ending *ret)
{
    weir_scan scan;
    weir_token t, before = {.type = TOKEN_END}, first = {.type = TOKEN_END};
    weir_scan_init(&scan, WEIR_DIALECT_POSTGRES, text);
    for (weir_scan_next(&scan, &t); t.type != TOKEN_END; weir_scan_next(&scan, &t)) {
        weir_slice word = weir_slice_make(t.start, (size_t)(t.end - t.start));
        bool cancels = weir_slice_eq_nocase(word, "pg_cancel_backend");
        if (t.type == TOKEN_WORD &&
            (cancels || weir_slice_eq_nocase(word, "pg_terminate_backend"))) {
            ret->cancels = cancels;
            if (before.type != TOKEN_DOT)
                first = t;
            weir_scan_next(&scan, &before);
            return before.type == TOKEN_OPEN && read_arguments(&scan, &first, ret);
        }
        if (t.type != TOKEN_DOT)
            first = t; /* the schema, should a dot and the name follow */
        before = t;
    }
    return false;
}
