/* What comes from the gateway, held against what the client's own toy PostgreSQL says to the same
 * messages. Three things may come instead: a refusal where the allowance for pinned sessions may be
 * used up, the end of a statement that was cancelled, and (with faults) word that the server was
 * lost; then the session is what it was before, or, if a commit may have been under way, after; and
 * who would be in a transaction is in one that has failed, whatever was pipelined behind it. */
#include "simclient_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ok(int r)
{
    if (r != 0)
        abort();
}

/* ---- expectations ---- */

static bool is_async(uint8_t type)
{
    return type == WEIR_PG_B_PARAM_STATUS || type == WEIR_PG_B_NOTICE ||
           type == WEIR_PG_B_NOTIFICATION;
}

/* The next message that must come; what comes at any time is passed over. */
static bool front(simclient *c, weir_pg_frame *f)
{
    for (;;) {
        weir_slice rest = weir_slice_skip(weir_buf_slice(&c->own.out), c->want_at);
        if (rest.len == 0)
            break;
        ok(weir_pg_frame_next(rest, 1u << 24, f));
        if (!is_async(f->type))
            return true;
        c->want_at += f->whole.len;
    }
    weir_buf_clear(&c->own.out);
    c->want_at = 0;
    return false;
}

bool sim_is_owed(simclient *c)
{
    weir_pg_frame f;
    return front(c, &f);
}

static unsigned channels(simclient *c)
{
    unsigned bits = 0;
    for (unsigned d = 0; d <= c->own.state.depth; d++)
        bits |= c->own.state.levels[d].listens;
    return bits;
}

static void give_to_toy(simclient *c, weir_slice messages)
{
    weir_pg_frame f;
    c->may_hear |= channels(c);
    while (messages.len > 0) {
        ok(weir_pg_frame_next(messages, 1u << 20, &f));
        fake_backend_message(&c->own, &f);
        c->may_hear |= channels(c);
        messages = weir_slice_skip(messages, f.whole.len);
    }
}

bool sim_may_pipeline(const simclient *c)
{
    if (c->alone != SIM_PIPELINED || c->own.out.len >= 16384)
        return false;
    return !c->options.faults ||
           (c->sent_count < SIM_SENT && !c->doubt && !c->forget_names && !c->forget_channels);
}

void sim_expect(simclient *c)
{
    if (c->options.faults || c->alone != SIM_PIPELINED) {
        sim_sent *s = &c->sent[c->sent_count++];
        s->before = c->own.state;
        s->len = c->out.len;
        ok(weir_buf_append(&c->sent_bytes, weir_buf_slice(&c->out)));
    }
    give_to_toy(c, weir_buf_slice(&c->out));
    if (c->stable & ~c->own.state.levels[0].listens) { /* it listens no more: nothing is owed */
        c->stable &= c->own.state.levels[0].listens;
        memset(c->owed, 0, sizeof(c->owed));
    }
}

/* The oldest unit is answered. */
static void pop_sent(simclient *c)
{
    if (c->sent_count == 0)
        return;
    weir_buf_consume(&c->sent_bytes, c->sent[0].len);
    memmove(&c->sent[0], &c->sent[1], --c->sent_count * sizeof(c->sent[0]));
}

/* The oldest unit ends with nothing but ReadyForQuery, and this state; what is behind it is
 * answered from there. */
static void end_front(simclient *c, const fake_state *state)
{
    weir_slice rest = weir_slice_skip(weir_buf_slice(&c->sent_bytes), c->sent[0].len);
    c->own.state = *state;
    c->own.skipping = false;
    weir_buf_clear(&c->own.out);
    c->want_at = 0;
    ok(weir_pg_write_ready(&c->own.out, (uint8_t)state->status));
    for (unsigned i = 1; i < c->sent_count; i++) {
        c->sent[i].before = c->own.state;
        give_to_toy(c, weir_slice_head(rest, c->sent[i].len));
        rest = weir_slice_skip(rest, c->sent[i].len);
    }
}

static fake_state outside(const fake_state *state)
{
    fake_state now = *state;
    now.depth = 0;
    now.implicit = false;
    now.status = 'I';
    return now;
}

/* The oldest unit found no server, or lost it: who would be in a transaction behind it, had it gone
 * well, is in one, which has failed. */
static fake_state without_server(const simclient *c)
{
    const fake_state *behind = c->sent_count > 1 ? &c->sent[1].before : &c->own.state;
    fake_state now = outside(&c->sent[0].before);
    if (behind->status != 'I') {
        fake_begin(&now, false);
        now.status = 'E';
    }
    return now;
}

/* ---- the toy's hooks ---- */

static void odd(void *user, const char *words, const char *text)
{
    (void)text;
    sim_violate(user, words, 0, "by the simulator itself");
}

static void committed(void *user, unsigned count)
{
    simclient *c = user;
    const fake_state *s = &c->own.state;
    for (unsigned i = 0; i < count; i++) {
        unsigned serial = 0;
        (void)sscanf(s->notes[i].payload, "c%*d-%u", &serial);
        c->noted[s->notes[i].channel] = serial;
        c->noted_at[s->notes[i].channel] = weir_loop_now(c->loop);
        c->pids[serial % SIM_PIDS] = c->pid;
        if (s->levels[0].listens & 1u << s->notes[i].channel)
            c->own_noted = serial;
    }
}

void sim_check_init(simclient *c)
{
    c->hooks = (fake_backend_hooks){.odd = odd, .committed = committed, .user = c};
    c->want_at = 0;
    fake_backend_fini(&c->own);
    fake_backend_init(&c->own, &c->hooks);
    for (int i = 0; i <= FAKE_CUSTOM_A; i++)
        if (c->started_with & 1u << i)
            fake_startup(&c->own.state, fake_setting_name(i), c->startup[i]);
}

void sim_forget(simclient *c)
{
    fake_backend_fini(&c->own);
    fake_backend_init(&c->own, &c->hooks);
    c->want_at = 0;
    c->sent_count = 0;
    weir_buf_clear(&c->sent_bytes);
    c->transaction = 0;
    c->doubt = c->settling = c->cancelled = false;
    c->forget_names = c->forget_channels = false;
    c->erred = false;
    c->clean = c->made = 0;
    c->may_hear = c->stable = c->own_noted = 0;
    memset(c->owed, 0, sizeof(c->owed));
    memset(c->noted, 0, sizeof(c->noted));
    if (c->pin)
        c->options.board->pins--;
    c->pin = false;
}

/* ---- notifications ---- */

static void on_notification(simclient *c, const weir_pg_frame *f)
{
    weir_pg_notification n;
    int from = 0;
    unsigned serial = 0;
    ok(weir_pg_notification_read(f->body, &n));
    const char *payload = (const char *)n.payload.data;
    unsigned channel = (unsigned)(n.channel.data[2] - '0');
    if (sscanf(payload, "c%d-%u", &from, &serial) != 2 || from < 1 || from > SIM_CLIENTS_MAX)
        sim_violate(c, "a notification that nobody sent", f->type, payload);
    else if (!(c->may_hear & 1u << channel) && !c->forget_channels)
        sim_violate(c, "a notification of a channel that it does not listen to", f->type, payload);
    else if (serial <= c->heard[from])
        sim_violate(c, "a notification twice, or out of order", f->type, payload);
    else
        c->heard[from] = serial;
}

bool sim_has_heard(const simclient *c)
{
    for (int i = 1; i <= SIM_CLIENTS_MAX; i++)
        if (c->owed[i] > c->heard[i])
            return false;
    return true;
}

/* What a unit notified is known to be committed: everybody who listened since before it was sent is
 * owed it. */
static void owe_notes(simclient *c)
{
    for (unsigned ch = 0; ch < FAKE_CHANNELS; ch++) {
        for (int i = 1; c->noted[ch] && i <= SIM_CLIENTS_MAX; i++) {
            simclient *other = c->options.board->client[i];
            if (other && other != c && other->stable & 1u << ch &&
                other->stable_since[ch] < c->noted_at[ch])
                other->owed[c->options.number] = c->noted[ch];
        }
        c->noted[ch] = 0;
    }
}

/* Everything is answered. */
static void on_rest(simclient *c)
{
    unsigned listens = c->own.state.levels[0].listens;
    c->cancelled = c->cancelled && c->cancels_open > 0;
    c->alone = SIM_PIPELINED;
    if (!c->erred)
        c->clean |= c->made;
    c->made = 0;
    c->erred = false;
    c->doubt = c->doubt && !c->settling;
    c->settling = false;
    if (c->own.state.status == 'I') { /* (inside of a transaction nothing is told) */
        if (!c->options.faults && c->own_noted > c->heard[c->options.number])
            sim_violate(c, "it is ready and did not hear itself", 0, "");
        c->own_noted = 0;
    }
    if (c->options.faults)
        memset(c->noted, 0, sizeof(c->noted));
    owe_notes(c);
    for (unsigned ch = 0; ch < FAKE_CHANNELS; ch++)
        if (listens & ~c->stable & 1u << ch)
            c->stable_since[ch] = weir_loop_now(c->loop);
    c->stable = listens;
    c->may_hear = channels(c);
    if (c->pin && c->own.state.status == 'I' && !fake_pins(&c->own.state)) {
        c->pin = false;
        c->options.board->pins--;
    }
}

/* ---- what comes instead ---- */

static bool begins(weir_slice text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.len >= n && memcmp(text.data, prefix, n) == 0;
}

/* The server was lost: the session is as before its transaction, or after. */
static void lose(simclient *c)
{
    fake_state now = without_server(c);
    if (!c->doubt)
        c->other = outside(&c->own.state);
    c->doubt = c->forget_names = c->forget_channels = true;
    c->settling = false;
    end_front(c, &now);
}

static void end_cancelled(simclient *c, bool of_weir)
{
    fake_state now = of_weir ? without_server(c) : c->sent[0].before;
    if (now.status == 'T')
        now.status = 'E';
    c->forget_names = true; /* it may have been a batch */
    end_front(c, &now);
}

/* In words of its own. */
static bool is_of_lost_block(const weir_pg_error_fields *e)
{
    return begins(e->message, "weir: ") &&
           (weir_slice_eq_cstr(e->sqlstate, "25P02") || weir_slice_eq_cstr(e->sqlstate, "3B001"));
}

/* True: the error is none that the toy gives, but may come. */
static bool forgive(simclient *c, const weir_pg_error_fields *e)
{
    bool of_weir = begins(e->message, "weir: ");
    if (weir_slice_eq_cstr(e->sqlstate, "57014") && c->cancelled) {
        end_cancelled(c, of_weir);
        return true;
    }
    if (weir_slice_eq_cstr(e->sqlstate, "53300") && c->alone == SIM_MAY_BE_REFUSED && of_weir) {
        fake_state now = c->sent[0].before;
        end_front(c, &now);
        memset(c->noted, 0, sizeof(c->noted));
        return true;
    }
    if (!c->options.faults || weir_slice_eq_cstr(e->sqlstate, "57014") || is_of_lost_block(e) ||
        (!of_weir && !weir_slice_eq_cstr(e->sqlstate, "57P01")))
        return false;
    lose(c);
    return true;
}

/* ---- comparing ---- */

static void text_of(const weir_pg_frame *f, char *out, size_t size)
{
    weir_pg_error_fields e;
    if (f->type == WEIR_PG_B_ERROR) {
        ok(weir_pg_error_read(f->body, &e));
        (void)snprintf(out, size, "%.*s %.*s", (int)e.sqlstate.len, (const char *)e.sqlstate.data,
                       (int)e.message.len, (const char *)e.message.data);
        return;
    }
    size_t skip = f->type == WEIR_PG_B_DATA_ROW ? 6 : 0;
    weir_slice body = f->body.len > skip ? weir_slice_skip(f->body, skip) : f->body;
    (void)snprintf(out, size, "%.*s", (int)body.len, (const char *)body.data);
}

void sim_expected(const simclient *c, char *out, size_t size)
{
    weir_slice rest = weir_slice_skip(weir_buf_slice(&c->own.out), c->want_at);
    weir_pg_frame f;
    out[0] = '\0';
    if (rest.len == 0)
        return;
    ok(weir_pg_frame_next(rest, 1u << 24, &f));
    out[0] = (char)f.type;
    out[1] = ' ';
    text_of(&f, out + 2, size - 2);
}

static bool same_error(const simclient *c, const weir_pg_frame *got, const weir_pg_frame *wanted)
{
    weir_pg_error_fields x, y;
    ok(weir_pg_error_read(got->body, &x));
    ok(weir_pg_error_read(wanted->body, &y));
    return weir_slice_eq(x.sqlstate, y.sqlstate) &&
           (weir_slice_eq(x.message, y.message) || (c->options.faults && is_of_lost_block(&x)));
}

/* What the toy would have said, had it been the other way. */
static bool same_in_doubt(simclient *c, const weir_pg_frame *f, const weir_pg_frame *wanted)
{
    char got[FAKE_CELL], want[FAKE_CELL], other[FAKE_CELL];
    if (!c->doubt || f->type != WEIR_PG_B_DATA_ROW || wanted->type != f->type)
        return false;
    text_of(f, got, sizeof(got));
    text_of(wanted, want, sizeof(want));
    size_t token = strcspn(want, "|");
    fake_describe(&c->other, other, sizeof(other));
    if (strncmp(got, want, token) != 0 || strcmp(got + token, other) != 0)
        return false;
    c->own.state = c->other;
    return true;
}

static void compare(simclient *c, const weir_pg_frame *f)
{
    weir_pg_frame wanted;
    char text[FAKE_CELL];
    bool good = front(c, &wanted) && wanted.type == f->type;
    if (good)
        good = f->type == WEIR_PG_B_ERROR
                   ? same_error(c, f, &wanted)
                   : weir_slice_eq(f->body, wanted.body) || same_in_doubt(c, f, &wanted);
    if (!good) {
        text_of(f, text, sizeof(text));
        sim_violate(c, "a wrong reply", f->type, text);
        return;
    }
    c->want_at += wanted.whole.len;
    c->answers++;
    c->erred = c->erred || f->type == WEIR_PG_B_ERROR;
    if (f->type == WEIR_PG_B_READY)
        pop_sent(c);
    if (f->type == WEIR_PG_B_READY && !sim_is_owed(c))
        on_rest(c);
}

static void on_notice(simclient *c, const weir_pg_frame *f)
{
    weir_pg_error_fields e;
    ok(weir_pg_error_read(f->body, &e));
    if (!c->options.faults)
        sim_violate(c, "an unexpected warning", f->type, (const char *)e.message.data);
}

void sim_on_answer(simclient *c, const weir_pg_frame *f)
{
    weir_pg_error_fields e;
    switch (f->type) {
    case WEIR_PG_B_PARAM_STATUS:
        return;
    case WEIR_PG_B_NOTICE:
        on_notice(c, f);
        return;
    case WEIR_PG_B_NOTIFICATION:
        on_notification(c, f);
        return;
    case WEIR_PG_B_ERROR:
        ok(weir_pg_error_read(f->body, &e));
        if (c->options.faults && weir_slice_eq_cstr(e.severity_fixed, "FATAL"))
            return; /* the end follows */
        if (forgive(c, &e))
            return;
        break;
    default:
        break;
    }
    compare(c, f);
}
