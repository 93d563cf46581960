/* See terminate.h. Whom a client names may be another worker's, so the message waits:
 *
 *   NONE ──named──► ASKED ──every worker was visited──► ENDED or NOT_THERE ──same message──► NONE
 *
 * The answer is the server's own. A Query's call is replaced by what it would give; a parameter's
 * value, by DONE, which the statement was parsed to know. Nobody there: it goes out as it is. */
#include "gateway/terminate.h"
#include "gateway/ending.h"
#include "gateway/internal.h"
#include "sql/ending.h"
#include <stdlib.h>

#define DONE WEIR_CLIENT_ID_MIN /* no client's, and no process's */
#define DONE_TEXT "4194304"
static_assert(DONE == 4194304, "its text");

enum { NONE, ASKED, ENDED, NOT_THERE };

static const char words[] = "terminating connection due to administrator command";

typedef struct asking {
    weir_gateway_worker *worker;
    uint32_t client;
    char user[];
} asking;

static void on_visited(void *user, unsigned count)
{
    asking *a = user;
    weir_client *c = weir_client_find(a->worker, a->client);
    if (c && c->local) {
        weir_local_ended(c->local, count > 0);
    } else if (c && c->relay.terminating == ASKED) {
        c->relay.terminating = count > 0 ? ENDED : NOT_THERE;
        if (!c->closed)
            weir_stream_resume(c->stream);
    }
    free(a);
}

static int ask(weir_client *c, uint32_t number, bool cancels)
{
    size_t n = strlen(c->user) + 1;
    asking *a = malloc(sizeof(*a) + n);
    if (!a)
        return -ENOMEM;
    *a = (asking){.worker = c->worker, .client = c->id};
    memcpy(a->user, c->user, n);
    weir_ending what = {.database = weir_session_database(&c->session),
                        .client = number,
                        .as_user = a->user,
                        .cancels = cancels,
                        .words = words,
                        .done = on_visited,
                        .user = a};
    int r = weir_gateway_end_clients(c->worker->gateway, c->worker->loop, &what);
    if (r < 0)
        free(a);
    return r;
}

int weir_client_ends_other(void *client, uint32_t number, bool cancels)
{
    return ask(client, number, cancels);
}

static const char *name_of(const weir_sql_ending *e)
{
    return e->cancels ? "pg_cancel_backend" : "pg_terminate_backend";
}

/* 0: `*ret_ended` says whether it is done to that client. */
static int end(weir_client *c, uint8_t type, const weir_sql_ending *e, uint32_t number,
               bool *ret_ended)
{
    int step = c->relay.terminating;
    *ret_ended = step == ENDED;
    if (step == ENDED || step == NOT_THERE) {
        c->relay.terminating = NONE;
        return 0;
    }
    if (number <= DONE || c->relay.status == 'E' || c->relay.erred)
        return 0;
    if (number == c->id) {
        weir_error err;
        weir_error_set(&err, e->cancels ? "57014" : "57P01", "%s",
                       e->cancels ? "canceling statement due to user request" : words);
        if (e->cancels)
            weir_client_refuse(c, type, &err);
        else
            weir_client_fatal(c, &err);
        return WEIR_LISTENING_REFUSED;
    }
    int r = step == NONE ? ask(c, number, e->cancels) : 0;
    if (r == 0) {
        c->relay.terminating = ASKED;
        weir_stream_pause(c->stream);
        r = WEIR_LISTENING_WAIT;
    }
    return r;
}

static weir_slice before(weir_slice text, weir_slice part)
{
    return weir_slice_head(text, (size_t)(part.data - text.data));
}

static weir_slice behind(weir_slice text, weir_slice part)
{
    return weir_slice_skip(text, (size_t)(part.data + part.len - text.data));
}

static int append_all(weir_buf *out, const weir_slice *parts, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = weir_buf_append(out, parts[i]);
    return r;
}

int weir_client_terminates(weir_client *c, weir_slice text, weir_buf *out)
{
    weir_sql_ending e;
    bool ended;
    if (!weir_sql_find_ending(text, &e) || !e.number)
        return 0;
    int r = end(c, WEIR_PG_F_QUERY, &e, e.number, &ended);
    if (r != 0 || !ended)
        return r;
    weir_buf own;
    weir_buf_init(&own, WEIR_PG_MESSAGE_SIZE_MAX);
    const weir_slice parts[] = {before(text, e.call), WEIR_SLICE_LIT("(SELECT true AS "),
                                weir_slice_cstr(name_of(&e)), WEIR_SLICE_LIT(")"),
                                behind(text, e.call)};
    r = append_all(&own, parts, sizeof(parts) / sizeof(*parts));
    if (r == 0)
        r = weir_pg_write_query(out, weir_buf_slice(&own));
    weir_buf_fini(&own);
    return r < 0 ? -ENOMEM : 0;
}

/* 1: it is to be parsed as `out` has it. 0; -ENOMEM. */
static int parsed_as(weir_slice text, weir_buf *out)
{
    weir_sql_ending e;
    if (!weir_sql_find_ending(text, &e) || !e.param)
        return 0;
    const weir_slice parts[] = {before(text, e.call),
                                WEIR_SLICE_LIT("(SELECT CASE WHEN "),
                                e.argument,
                                WEIR_SLICE_LIT(" = " DONE_TEXT " THEN true ELSE "),
                                e.call,
                                WEIR_SLICE_LIT(" END AS "),
                                weir_slice_cstr(name_of(&e)),
                                WEIR_SLICE_LIT(")"),
                                behind(text, e.call)};
    return append_all(out, parts, sizeof(parts) / sizeof(*parts)) < 0 ? -ENOMEM : 1;
}

weir_prepared *weir_client_prepare_termination(weir_client *c, const weir_pg_parse *parse,
                                               weir_prepared *p, weir_buf *out)
{
    weir_buf text;
    weir_buf_init(&text, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = parsed_as(parse->text, &text);
    if (r > 0) {
        weir_client_prepared_unref(p);
        p = weir_client_prepared_new(c, weir_buf_slice(&text), parse->oids);
        r = weir_pg_write_parse(out, parse->name, weir_buf_slice(&text), parse->oids);
    }
    weir_buf_fini(&text);
    if (r < 0)
        weir_client_prepared_unref(p);
    return r < 0 ? NULL : p;
}

/* ---- the value ---- */

static uint32_t number_of(weir_slice value, bool binary)
{
    uint64_t n = 0;
    if (binary && value.len != 4 && value.len != 8)
        return 0;
    if (!binary && value.len > 10)
        return 0;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t b = value.data[i];
        if (!binary && (b < '0' || b > '9'))
            return 0;
        n = binary ? n << 8 | b : n * 10 + (uint64_t)(b - '0');
    }
    return n > INT32_MAX ? 0 : (uint32_t)n;
}

static void put_done(uint8_t *to, size_t len, bool binary)
{
    size_t digits = sizeof(DONE_TEXT) - 1;
    memset(to, binary ? 0 : '0', len);
    if (!binary)
        memcpy(to + len - digits, DONE_TEXT, digits); /* whoever is ended has as many */
    for (size_t i = 0; binary && i < 4; i++)
        to[len - 1 - i] = (uint8_t)(DONE >> (8 * i));
}

/* The value of parameter `param`; false: there is none. */
static bool find_value(const weir_pg_frame *f, unsigned param, weir_slice *ret, bool *ret_binary)
{
    weir_pg_bind bind;
    bool null = true;
    if (weir_pg_bind_read(f->body, &bind) != 0 || param > bind.value_count)
        return false;
    size_t pos = 0;
    for (unsigned i = 0; i < param; i++)
        if (!weir_pg_value_next(bind.values, &pos, ret, &null))
            return false;
    *ret_binary = weir_pg_format_at(bind.formats, bind.format_count, param - 1) == 1;
    return !null;
}

int weir_client_binds_termination(weir_client *c, const weir_pg_frame *f, const weir_prepared *p,
                                  weir_buf *out)
{
    weir_sql_ending e;
    weir_slice value;
    bool binary, ended;
    if (!weir_sql_find_ending(p->text, &e) || !e.param || !find_value(f, e.param, &value, &binary))
        return 0;
    int r = end(c, f->type, &e, number_of(value, binary), &ended);
    if (r != 0 || !ended)
        return r;
    r = weir_buf_append(out, f->whole);
    if (r == 0)
        put_done(out->data + (value.data - f->whole.data), value.len, binary);
    return r < 0 ? -ENOMEM : 0;
}

bool weir_client_terminated(const weir_client *c, const char *sqlstate)
{
    return c->terminated ||
           (strcmp(sqlstate, "57P01") == 0 &&
            weir_client_mentions(weir_client_statement_text(c), "pg_terminate_backend"));
}
