/* EXPLAIN CACHE: whether and why a statement's answers are kept, one line a row. The statement is
 * prepared, so that the database says what it touches, and not run. */
#include "gateway/local_calls.h"
#include <stdlib.h>

#define WORDS_SIZE_MAX (1u << 20)

static int send_line(weir_local *l, weir_slice line)
{
    size_t mark = 0;
    int r = weir_pg_row_begin(&l->out, 1, &mark);
    if (r == 0)
        r = weir_pg_row_cell(&l->out, line);
    return r == 0 ? weir_pg_row_end(&l->out, mark) : r;
}

static int send_lines(weir_local *l, weir_slice words)
{
    int r = 0;
    while (r == 0 && words.len > 0) {
        const uint8_t *end = memchr(words.data, '\n', words.len);
        size_t len = end ? (size_t)(end - words.data) : words.len;
        r = send_line(l, weir_slice_head(words, len));
        words = weir_slice_skip(words, end ? len + 1 : len);
    }
    return r;
}

static void described(weir_local *l, bool ok)
{
    local_then then = l->control_then;
    const local_statement *s = l->run->statement;
    weir_buf words;
    l->control_then = NULL;
    if (!ok) {
        weir_error err = l->run->error;
        local_fail(l, &err);
        then(l, false);
        return;
    }
    weir_buf_init(&words, WORDS_SIZE_MAX);
    int r = weir_session_explain_cache(l->session, s->text, &words);
    if (r == 0)
        r = send_lines(l, weir_buf_slice(&words));
    local_check(l, r);
    weir_buf_fini(&words);
    local_send_tag(l, "EXPLAIN");
    then(l, true);
}

void local_explain_cache(weir_local *l, local_statement *s, local_then then)
{
    local_statement *inner = NULL;
    weir_error err = {0};
    int r = local_statement_new(l, (weir_slice){0}, s->command.value, &inner, &err);
    if (r == 0 && inner->command.kind != WEIR_COMMAND_NONE) {
        weir_error_set(&err, "42601", "weir: EXPLAIN CACHE is about a query");
        weir_error_hint(&err, "Write EXPLAIN CACHE SELECT …");
        r = WEIR_COMPAT_REFUSED;
    }
    if (r == 0) {
        l->control_then = then;
        local_check(l, local_run_describe(l, inner, true, described));
    } else if (r < 0) {
        local_broken(l, r);
    } else {
        local_fail(l, &err);
        then(l, false);
    }
    local_statement_unref(inner);
}
