/* See simclient.h. Every unit sent appends to the list of expected messages; what arrives is held
 * against its front. */
#include "simclient.h"
#include "proto/pg/pg.h"
#include <stdio.h>
#include <stdlib.h>

enum { EXPECT_MAX = 512, TOKEN_MAX = 40 };

typedef struct expected {
    uint8_t type;
    char token[TOKEN_MAX]; /* of a row or an error; "" else */
} expected;

struct simclient {
    simnet *sim;
    weir_loop *loop;
    simclient_options options;
    weir_stream *stream;
    weir_timer timer;
    weir_buf out;
    expected list[EXPECT_MAX];
    size_t head, len;
    unsigned units, sequence;
    uint64_t answers;
    int transaction; /* > 0: the gateway's server is inside our transaction */
    int transactions;
    unsigned left_in_transaction;
    bool logged_in, named_known, named_unsure, closing, done, abandoned;
    bool lost; /* a unit failed by the gateway's word: up to the next ReadyForQuery anything goes */
    uint8_t key[WEIR_PG_CANCEL_KEY_MAX];
    size_t key_len;
    uint32_t pid;
    char last[128];
};

static void ok(int r)
{
    if (r != 0)
        abort();
}

static void violate(simclient *c, const char *what, uint8_t type, const char *token)
{
    char words[400];
    const expected *e = c->len ? &c->list[c->head] : NULL;
    (void)snprintf(words, sizeof(words),
                   "client %d: %s: got '%c' \"%s\", expected '%c' \"%s\"; last sent %s",
                   c->options.number, what, type ? type : '-', token, e ? e->type : '-',
                   e ? e->token : "", c->last);
    c->options.violation(c->options.user, words);
    c->abandoned = true;
}

static void expect(simclient *c, uint8_t type, const char *token)
{
    if (c->len == EXPECT_MAX)
        abort();
    expected *e = &c->list[(c->head + c->len++) % EXPECT_MAX];
    e->type = type;
    (void)snprintf(e->token, sizeof(e->token), "%s", token);
}

static bool chance(simclient *c, unsigned percent)
{
    return simnet_chance(c->sim, percent * 10000);
}

static void next_token(simclient *c, char *token)
{
    (void)snprintf(token, TOKEN_MAX, "c%d-t%d-%u", c->options.number, c->transaction,
                   ++c->sequence);
}

static void query(simclient *c, const char *text)
{
    (void)snprintf(c->last, sizeof(c->last), "%s", text);
    ok(weir_pg_write_query(&c->out, weir_slice_cstr(text)));
}

static void expect_rows(simclient *c, const char *token, int rows, bool describe)
{
    if (describe)
        expect(c, WEIR_PG_B_ROW_DESCRIPTION, "");
    for (int i = 0; i < rows; i++)
        expect(c, WEIR_PG_B_DATA_ROW, token);
    expect(c, WEIR_PG_B_COMMAND_COMPLETE, "");
}

/* ---- units ---- */

static void simple_statement(simclient *c)
{
    char token[TOKEN_MAX], text[120];
    next_token(c, token);
    if (chance(c, 15) && c->transaction == 0) {
        (void)snprintf(text, sizeof(text), "select boom('%s')", token);
        query(c, text);
        expect(c, WEIR_PG_B_ERROR, token);
    } else {
        int rows = chance(c, 5) ? 200 : (int)simnet_below(c->sim, 4);
        (void)snprintf(text, sizeof(text), "select echo('%s', %d)", token, rows);
        query(c, text);
        expect_rows(c, token, rows, true);
    }
    expect(c, WEIR_PG_B_READY, "");
}

static void write_bind(simclient *c, const char *statement, const char *token, int rows)
{
    char count[16];
    (void)snprintf(count, sizeof(count), "%d", rows);
    weir_buf body;
    weir_buf_init(&body, 4096);
    ok(weir_buf_append_cstr(&body, ""));
    ok(weir_buf_append_cstr(&body, statement));
    ok(weir_buf_append_u16(&body, 0));
    ok(weir_buf_append_u16(&body, 2));
    ok(weir_buf_append_u32(&body, (uint32_t)strlen(token)));
    ok(weir_buf_append(&body, weir_slice_cstr(token)));
    ok(weir_buf_append_u32(&body, (uint32_t)strlen(count)));
    ok(weir_buf_append(&body, weir_slice_cstr(count)));
    ok(weir_buf_append_u16(&body, 0));
    ok(weir_buf_append_u8(&c->out, WEIR_PG_F_BIND));
    ok(weir_buf_append_u32(&c->out, (uint32_t)body.len + 4));
    ok(weir_buf_append(&c->out, weir_buf_slice(&body)));
    weir_buf_fini(&body);
}

/* Parse (unless named and known), Bind, Execute. Returns false when it will fail. */
static bool extended_statement(simclient *c)
{
    char token[TOKEN_MAX];
    next_token(c, token);
    bool named = chance(c, 40), fails = chance(c, 12) && c->transaction == 0;
    bool syntax = fails && !named && chance(c, 30);
    const char *text = syntax  ? "select syntax($1, $2)"
                       : fails ? "select boom($1, $2)"
                               : "select echo($1, $2)";
    const char *name = named && !fails ? "mine" : "";
    int rows = (int)simnet_below(c->sim, 4);
    (void)snprintf(c->last, sizeof(c->last), "extended %s %s", name, token);
    if (*name && c->named_unsure) {
        ok(weir_pg_write_target(&c->out, WEIR_PG_F_CLOSE, 'S', weir_slice_cstr(name)));
        expect(c, WEIR_PG_B_CLOSE_COMPLETE, "");
        c->named_unsure = false;
    }
    if (!*name || !c->named_known) {
        ok(weir_pg_write_parse(&c->out, weir_slice_cstr(name), weir_slice_cstr(text),
                               (weir_slice){0}));
        if (syntax) {
            expect(c, WEIR_PG_B_ERROR, "syntax");
            return false;
        }
        expect(c, WEIR_PG_B_PARSE_COMPLETE, "");
        c->named_known = c->named_known || *name;
    }
    write_bind(c, name, token, rows);
    expect(c, WEIR_PG_B_BIND_COMPLETE, "");
    ok(weir_pg_write_execute(&c->out, (weir_slice){0}, 0));
    if (fails)
        expect(c, WEIR_PG_B_ERROR, token);
    else
        expect_rows(c, token, rows, false);
    return !fails;
}

/* What the server skips is sent all the same. */
static void skipped_statement(simclient *c)
{
    char token[TOKEN_MAX];
    next_token(c, token);
    ok(weir_pg_write_parse(&c->out, (weir_slice){0}, WEIR_SLICE_LIT("select echo($1, $2)"),
                           (weir_slice){0}));
    write_bind(c, "", token, 1);
    ok(weir_pg_write_execute(&c->out, (weir_slice){0}, 0));
}

static void batch(simclient *c)
{
    unsigned n = 1 + (unsigned)simnet_below(c->sim, 4);
    bool good = true;
    for (unsigned i = 0; i < n; i++) {
        if (good)
            good = extended_statement(c);
        else
            skipped_statement(c);
        if (chance(c, 10))
            ok(weir_pg_write_empty(&c->out, WEIR_PG_F_FLUSH));
    }
    if (good && c->named_known && chance(c, 15)) {
        ok(weir_pg_write_target(&c->out, WEIR_PG_F_CLOSE, 'S', WEIR_SLICE_LIT("mine")));
        expect(c, WEIR_PG_B_CLOSE_COMPLETE, "");
        c->named_known = false;
    }
    ok(weir_pg_write_empty(&c->out, WEIR_PG_F_SYNC));
    expect(c, WEIR_PG_B_READY, "");
}

static void unit(simclient *c)
{
    c->units++;
    if (c->transaction > 0 && c->left_in_transaction-- == 0) {
        query(c, chance(c, 70) ? "commit" : "rollback");
        expect(c, WEIR_PG_B_COMMAND_COMPLETE, "");
        expect(c, WEIR_PG_B_READY, "");
        c->transaction = 0;
        return;
    }
    if (c->transaction == 0 && chance(c, 15)) {
        query(c, "begin");
        expect(c, WEIR_PG_B_COMMAND_COMPLETE, "");
        expect(c, WEIR_PG_B_READY, "");
        c->transaction = ++c->transactions;
        c->left_in_transaction = (unsigned)simnet_below(c->sim, 4);
        return;
    }
    if (chance(c, 50))
        simple_statement(c);
    else
        batch(c);
}

/* ---- the connection ---- */

static void send_cancel(simclient *c);
static void connect_again(simclient *c);

static void leave(simclient *c)
{
    c->closing = true;
    if (chance(c, 70))
        ok(weir_pg_write_empty(&c->out, WEIR_PG_F_TERMINATE));
    weir_stream_write(c->stream, weir_buf_slice(&c->out));
    weir_buf_clear(&c->out);
    weir_stream_close(c->stream, WEIR_SECOND);
}

static void act(simclient *c)
{
    if (c->closing || !c->stream || !c->logged_in)
        return;
    if (c->abandoned) {
        c->units = c->options.units;
        leave(c);
        return;
    }
    bool may_pipeline = !c->options.faults;
    if (c->len > 0 && !(may_pipeline && c->len < EXPECT_MAX / 2 && chance(c, 50)))
        return;
    if (c->units >= c->options.units && c->transaction == 0) {
        if (c->len == 0)
            leave(c);
        return;
    }
    if (chance(c, 2)) {
        simnet_reset(c->sim, c->stream); /* whatever is under way */
        return;
    }
    if (c->options.faults && chance(c, 2)) /* it may hit a statement that waits: 57014 */
        send_cancel(c);
    unit(c);
    weir_stream_write(c->stream, weir_buf_slice(&c->out));
    weir_buf_clear(&c->out);
}

static void think(simclient *c)
{
    weir_time pause = (weir_time)simnet_below(c->sim, 2000) * WEIR_US;
    weir_timer_arm(c->loop, &c->timer, weir_loop_now(c->loop) + pause);
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    simclient *c = WEIR_CONTAINER_OF(timer, simclient, timer);
    if (!c->stream && !c->done)
        connect_again(c);
    act(c);
    if (!c->done && !c->closing)
        think(c);
}

static void token_of_row(weir_slice body, char *token)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    (void)weir_pg_read_u16(&r);
    weir_slice v = weir_pg_read_bytes(&r, weir_pg_read_u32(&r));
    (void)snprintf(token, TOKEN_MAX, "%.*s", (int)v.len, (const char *)v.data);
}

/* The gateway says that this unit failed: its server was lost. True if that was to be expected. */
static bool forgive(simclient *c, const weir_pg_error_fields *e)
{
    bool of_weir = e->message.len >= 6 && memcmp(e->message.data, "weir: ", 6) == 0;
    bool lost = weir_slice_eq_cstr(e->sqlstate, "57P01"); /* in the server's own words */
    if ((!of_weir && !lost) || !c->options.faults)
        return false;
    while (c->len > 0 && c->list[c->head].type != WEIR_PG_B_READY) {
        c->head = (c->head + 1) % EXPECT_MAX;
        c->len--;
    }
    c->transaction = 0;
    c->named_known = false; /* its Parse may be among what was not done, or be done */
    c->named_unsure = true;
    return true;
}

static void on_answer(simclient *c, const weir_pg_frame *f)
{
    char token[TOKEN_MAX] = "";
    weir_pg_error_fields e = {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}};
    if (f->type == WEIR_PG_B_DATA_ROW)
        token_of_row(f->body, token);
    if (f->type == WEIR_PG_B_ERROR) {
        ok(weir_pg_error_read(f->body, &e));
        (void)snprintf(token, sizeof(token), "%.*s", (int)(e.message.len < 39 ? e.message.len : 39),
                       (const char *)e.message.data);
        if (weir_slice_eq_cstr(e.severity_fixed, "FATAL") && c->options.faults)
            return; /* the end follows */
        if (forgive(c, &e))
            return;
    }
    if (f->type == WEIR_PG_B_PARAM_STATUS || f->type == WEIR_PG_B_NOTICE)
        return;
    const expected *front = &c->list[c->head];
    if (c->len == 0 || front->type != f->type || strcmp(front->token, token) != 0) {
        violate(c, "a wrong reply", f->type, token);
        return;
    }
    c->head = (c->head + 1) % EXPECT_MAX;
    c->len--;
    c->answers++;
}

static void on_login(simclient *c, const weir_pg_frame *f)
{
    weir_slice key;
    if (f->type == WEIR_PG_B_KEY_DATA) {
        ok(weir_pg_key_data_read(f->body, &c->pid, &key));
        memcpy(c->key, key.data, key.len);
        c->key_len = key.len;
    } else if (f->type == WEIR_PG_B_READY) {
        c->logged_in = true;
    } else if (f->type == WEIR_PG_B_ERROR && !c->options.faults) {
        violate(c, "login refused", f->type, "");
    }
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    simclient *c = weir_stream_user(stream);
    size_t used = 0;
    while (!c->abandoned) {
        weir_pg_frame f;
        int r = weir_pg_frame_next(weir_slice_skip(in, used), 1u << 24, &f);
        if (r == WEIR_PG_MORE)
            break;
        ok(r);
        used += f.whole.len;
        if (c->logged_in)
            on_answer(c, &f);
        else
            on_login(c, &f);
    }
    return c->abandoned ? in.len : used;
}

static void on_open(weir_stream *stream)
{
    simclient *c = weir_stream_user(stream);
    char params[64];
    int n = snprintf(params, sizeof(params), "user%cu%capplication_name%cc%d%c", 0, 0, 0,
                     c->options.number, 0);
    ok(weir_pg_write_startup(&c->out, WEIR_PG_VERSION_3_0, weir_slice_make(params, (size_t)n)));
    weir_stream_write(stream, weir_buf_slice(&c->out));
    weir_buf_clear(&c->out);
}

static void on_close(weir_stream *stream, int error)
{
    (void)stream;
    (void)error;
    simclient *c = weir_stream_user(stream);
    c->stream = NULL;
    c->head = c->len = 0;
    c->transaction = 0;
    c->logged_in = c->named_known = c->named_unsure = false;
    weir_buf_clear(&c->out);
    if (c->closing) {
        c->done = true;
        weir_timer_disarm(c->loop, &c->timer);
    }
}

static const weir_stream_handler handler = {
    .on_open = on_open, .on_bytes = on_bytes, .on_close = on_close};

static void connect_again(simclient *c)
{
    ok(weir_connect(c->loop, c->options.address, &handler, c, &c->stream));
}

/* ---- cancelling ---- */

static void cancel_open(weir_stream *stream)
{
    simclient *c = weir_stream_user(stream);
    weir_buf out;
    weir_buf_init(&out, 512);
    ok(weir_pg_write_cancel(&out, c->pid, weir_slice_make(c->key, c->key_len)));
    weir_stream_write(stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
}

static size_t cancel_bytes(weir_stream *stream, weir_slice in)
{
    (void)stream;
    return in.len;
}

static void cancel_close(weir_stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static const weir_stream_handler cancel_handler = {
    .on_open = cancel_open, .on_bytes = cancel_bytes, .on_close = cancel_close};

static void send_cancel(simclient *c)
{
    weir_stream *stream;
    ok(weir_connect(c->loop, c->options.address, &cancel_handler, c, &stream));
}

/* ---- life ---- */

simclient *simclient_new(simnet *sim, weir_loop *loop, const simclient_options *options)
{
    simclient *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->sim = sim;
    c->loop = loop;
    c->options = *options;
    weir_buf_init(&c->out, 1u << 20);
    weir_timer_init(&c->timer, on_timer);
    think(c);
    return c;
}

bool simclient_done(const simclient *c)
{
    return c->done;
}

uint64_t simclient_answers(const simclient *c)
{
    return c->answers;
}

void simclient_describe(const simclient *c, char *out, size_t size)
{
    const expected *e = c->len ? &c->list[c->head] : NULL;
    (void)snprintf(
        out, size,
        "client %d: %u of %u units, stream %s, waits for '%c' \"%s\" (%zu), last sent %s",
        c->options.number, c->units, c->options.units,
        c->stream ? (c->logged_in ? "logged in" : "logging in") : "none", e ? e->type : '-',
        e ? e->token : "", c->len, c->last);
}

void simclient_free(simclient *c)
{
    weir_buf_fini(&c->out);
    free(c);
}
