/* SELECT pg_cancel_backend(n) and pg_terminate_backend(n): another session, by the number that it
 * was told at login. It may be another worker's, so the answer waits until the host has looked.
 *
 *   REST ──host.end_client──► WAIT_VISIT ──weir_local_ended──► REST, then(ok) */
#include "gateway/local_calls.h"
#include <stdio.h>
#include <stdlib.h>

static const char terminated[] = "terminating connection due to administrator command";

/* -1: NULL, or a parameter that holds no number. */
static int64_t number_of(weir_slice argument, const local_portal *p)
{
    char digits[24];
    size_t param =
        argument.len > 0 && argument.data[0] == '$' ? weir_compat_largest_param(argument) : 0;
    weir_slice text = argument;
    if (param > 0) {
        const weir_value *v =
            p && param <= p->statement->param_count ? &p->params[param - 1] : NULL;
        if (v && v->type == WEIR_VALUE_INTEGER)
            return v->u.integer;
        if (!v || v->type != WEIR_VALUE_TEXT)
            return -1;
        text = v->u.bytes;
    }
    if (text.len == 0 || text.len >= sizeof(digits))
        return -1;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    char *end = NULL;
    long long n = strtoll(digits, &end, 10);
    return *end == '\0' ? n : -1;
}

static void answer(weir_local *l, const local_portal *p, bool null, bool done, local_then then)
{
    size_t mark = 0;
    bool binary = p && p->format_count > 0 && p->formats[0] == 1;
    const uint8_t byte = done;
    weir_slice cell = binary ? weir_slice_make(&byte, 1) : WEIR_SLICE_LIT("f");
    if (!binary && done)
        cell = WEIR_SLICE_LIT("t");
    int r = weir_pg_row_begin(&l->out, 1, &mark);
    if (r == 0)
        r = null ? weir_pg_row_null(&l->out) : weir_pg_row_cell(&l->out, cell);
    if (r == 0)
        r = weir_pg_row_end(&l->out, mark);
    local_check(l, r);
    local_send_tag(l, "SELECT 1");
    then(l, true);
}

static void warn_nobody(weir_local *l, int64_t number)
{
    char words[80];
    (void)snprintf(words, sizeof(words), "PID %lld is not a PostgreSQL backend process",
                   (long long)number);
    local_send_warning(l, "01000", words);
}

/* One that ends or cancels itself. */
static void own_end(weir_local *l, bool cancels, local_then then)
{
    weir_error err;
    weir_error_set(&err, cancels ? "57014" : "57P01", "%s",
                   cancels ? "weir: canceling statement due to user request" : terminated);
    if (cancels) {
        local_fail(l, &err);
        then(l, false);
        return;
    }
    local_flush(l);
    l->broken = true;
    l->host.fatal(l->host.user, &err);
}

void local_signal(weir_local *l, local_statement *s, local_portal *p, local_then then)
{
    int64_t number = number_of(s->command.value, p);
    bool cancels = s->command.local;
    if (number == (int64_t)l->pid && l->pid > 0) {
        own_end(l, cancels, then);
        return;
    }
    bool may_be = number > 0 && number <= INT32_MAX && l->host.end_client;
    int r = may_be ? l->host.end_client(l->host.user, (uint32_t)number, cancels) : 0;
    local_check(l, r);
    if (!may_be || r < 0) {
        if (number >= 0)
            warn_nobody(l, number);
        answer(l, p, number < 0, false, then);
        return;
    }
    l->signalled = (local_signalled){
        .number = (uint32_t)number, .portal = p ? local_portal_ref(p) : NULL, .then = then};
    l->phase = LOCAL_WAIT_VISIT;
}

void weir_local_ended(weir_local *l, bool somebody)
{
    if (l->phase != LOCAL_WAIT_VISIT)
        return;
    local_signalled s = l->signalled;
    l->signalled = (local_signalled){0};
    l->phase = LOCAL_REST;
    if (!somebody)
        warn_nobody(l, s.number);
    answer(l, s.portal, false, somebody, s.then);
    local_portal_unref(s.portal);
    local_leave(l);
}
