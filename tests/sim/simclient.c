/* See simclient.h. Here: the connection, when to act, cancels. */
#include "simclient_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ok(int r)
{
    if (r != 0)
        abort();
}

void sim_violate(simclient *c, const char *what, uint8_t type, const char *token)
{
    char words[1400], wanted[FAKE_CELL];
    sim_expected(c, wanted, sizeof(wanted));
    (void)snprintf(words, sizeof(words),
                   "client %d: %s: got '%c' \"%s\", expected \"%s\"; last sent %s",
                   c->options.number, what, type ? type : '-', token, wanted, c->last);
    c->options.violation(c->options.user, words);
    c->abandoned = true;
}

/* ---- when to act ---- */

static void connect_again(simclient *c);

static void leave(simclient *c)
{
    c->closing = true;
    if (sim_percent(c, 70))
        ok(weir_pg_write_empty(&c->out, WEIR_PG_F_TERMINATE));
    weir_stream_write(c->stream, weir_buf_slice(&c->out));
    weir_buf_clear(&c->out);
    weir_stream_close(c->stream, WEIR_SECOND);
}

/* Whatever is under way, perhaps with half a unit more. */
static void vanish(simclient *c)
{
    if (sim_percent(c, 50) && !sim_is_owed(c)) {
        sim_unit(c);
        weir_stream_write(
            c->stream, weir_slice_head(weir_buf_slice(&c->out), simnet_below(c->sim, c->out.len)));
        weir_buf_clear(&c->out);
    }
    simnet_reset(c->sim, c->stream);
}

static bool may_act(simclient *c)
{
    if (c->closing || !c->stream || !c->logged_in || c->cancels_open > 0)
        return false;
    return !sim_is_owed(c) || (sim_may_pipeline(c) && sim_percent(c, 50));
}

static void act(simclient *c)
{
    if (c->abandoned && !c->closing && c->stream) {
        c->units = c->options.units;
        leave(c);
        return;
    }
    if (!may_act(c))
        return;
    if (c->units >= c->options.units && c->own.state.status == 'I') {
        if (!sim_is_owed(c) && sim_has_heard(c))
            leave(c);
        return;
    }
    if (sim_percent(c, 2)) {
        vanish(c);
        return;
    }
    if (c->options.faults && !sim_is_owed(c) && sim_percent(c, 2) && sim_may_cancel(c))
        sim_cancel(c); /* of one that waits: 57014 */
    sim_unit(c);
    if (c->out.len == 0)
        return;
    c->units++;
    sim_expect(c);
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

/* ---- the connection ---- */

static void on_login(simclient *c, const weir_pg_frame *f)
{
    weir_slice key;
    if (f->type == WEIR_PG_B_KEY_DATA) {
        ok(weir_pg_key_data_read(f->body, &c->pid, &key));
        memcpy(c->key, key.data, key.len);
        c->key_len = key.len;
    } else if (f->type == WEIR_PG_B_READY) {
        c->logged_in = true;
        sim_check_init(c);
    } else if (f->type == WEIR_PG_B_ERROR && !c->options.faults) {
        sim_violate(c, "login refused", f->type, (const char *)f->body.data);
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
            sim_on_answer(c, &f);
        else
            on_login(c, &f);
    }
    return c->abandoned ? in.len : used;
}

static void ask_for(simclient *c, weir_buf *params, int setting, const char *value)
{
    c->started_with |= 1u << setting;
    (void)snprintf(c->startup[setting], FAKE_TEXT, "%s", value);
    ok(weir_buf_append_cstr(params, fake_setting_name(setting)));
    ok(weir_buf_append_cstr(params, value));
}

static void on_open(weir_stream *stream)
{
    simclient *c = weir_stream_user(stream);
    char text[FAKE_TEXT];
    weir_buf params;
    weir_buf_init(&params, 1024);
    c->started_with = 0;
    ok(weir_buf_append_cstr(&params, "user"));
    ok(weir_buf_append_cstr(&params, "u"));
    (void)snprintf(text, sizeof(text), "c%d", c->options.number);
    ask_for(c, &params, FAKE_APPLICATION_NAME, text);
    if (sim_percent(c, 20))
        ask_for(c, &params, FAKE_DATE_STYLE, "ISO, YMD");
    if (sim_percent(c, 20))
        ask_for(c, &params, FAKE_CUSTOM_A, text);
    if (sim_percent(c, 20)) {
        (void)snprintf(text, sizeof(text), "%dkB", 100 + c->options.number);
        ask_for(c, &params, FAKE_WORK_MEM, text);
    }
    ok(weir_pg_write_startup(&c->out, WEIR_PG_VERSION_3_0, weir_buf_slice(&params)));
    weir_stream_write(stream, weir_buf_slice(&c->out));
    weir_buf_clear(&c->out);
    weir_buf_fini(&params);
}

static void on_close(weir_stream *stream, int error)
{
    (void)stream;
    (void)error;
    simclient *c = weir_stream_user(stream);
    c->stream = NULL;
    c->logged_in = false;
    sim_forget(c);
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

/* Nothing that is sent from now on may be hit by it. */
static void cancel_close(weir_stream *stream, int error)
{
    (void)error;
    simclient *c = weir_stream_user(stream);
    c->cancels_open--;
    c->cancelled = c->cancelled && (c->cancels_open > 0 || (c->logged_in && sim_is_owed(c)));
}

static const weir_stream_handler cancel_handler = {
    .on_open = cancel_open, .on_bytes = cancel_bytes, .on_close = cancel_close};

void sim_cancel(simclient *c)
{
    weir_stream *stream;
    c->cancels_open++;
    c->cancelled = true;
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
    options->board->client[options->number] = c;
    weir_buf_init(&c->out, 1u << 20);
    weir_buf_init(&c->own.out, 1u << 20);
    weir_buf_init(&c->sent_bytes, 1u << 20);
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
    char wanted[FAKE_CELL];
    sim_expected(c, wanted, sizeof(wanted));
    (void)snprintf(out, size,
                   "client %d: %u of %u units, stream %s, waits for \"%s\"%s%s, last sent %s",
                   c->options.number, c->units, c->options.units,
                   c->stream ? (c->logged_in ? "logged in" : "logging in") : "none", wanted,
                   c->cancels_open ? " and a cancel" : "",
                   sim_has_heard(c) ? "" : " and notifications", c->last);
}

void simclient_free(simclient *c)
{
    weir_buf_fini(&c->out);
    weir_buf_fini(&c->sent_bytes);
    fake_backend_fini(&c->own);
    free(c);
}
