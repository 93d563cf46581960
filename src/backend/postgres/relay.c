/* The data path from the server: its bytes to the client (toward it: forward.c).
 *
 * Runs of whole frames are handed on as they lie in the read buffer; only the frames that change
 * our own state are looked into. Large frames pass in pieces.
 *
 * Invariant: what reaches the client is what a server alone would have sent for the client's
 * messages: replies to ours are dropped, replies we answer ourselves stand at their place in the
 * queue. */
#include "backend/postgres/relay.h"
#include "backend/postgres/ours.h"

static void give(pg_conn *c, weir_slice bytes)
{
    if (c->base.sink)
        c->base.sink->events->on_bytes(c->base.sink, bytes);
}

void pg_relay_tell_parsed(pg_conn *c, weir_parsing outcome)
{
    if (c->base.sink && c->base.sink->events->on_parsed)
        c->base.sink->events->on_parsed(c->base.sink, outcome);
}

bool pg_relay_answers_naming(uint64_t type)
{
    return type == WEIR_PG_B_PARSE_COMPLETE || type == WEIR_PG_B_CLOSE_COMPLETE;
}

void pg_relay_give_held(pg_conn *c)
{
    for (unsigned i = 0; i < c->held_len; i++) {
        const uint8_t message[] = {c->held[i], 0, 0, 0, 4};
        give(c, weir_slice_make(message, sizeof(message)));
    }
    c->held_len = 0;
}

void pg_relay_give_interjections(pg_conn *c)
{
    weir_slice bytes;
    while (weir_pg_owed_next_interjection(&c->owed, &bytes)) {
        pg_relay_give_held(c);
        if (bytes.len > 0 && pg_relay_answers_naming(bytes.data[0]))
            pg_relay_tell_parsed(c, WEIR_PARSING_DONE);
        give(c, bytes);
    }
}

static void on_statement(pg_conn *c, const char *sqlstate)
{
    if (c->base.sink)
        c->base.sink->events->on_statement(c->base.sink, c->rows, sqlstate);
    c->rows = 0;
}

static bool is_statement(weir_pg_owed_kind kind)
{
    return kind == WEIR_PG_OWED_QUERY || kind == WEIR_PG_OWED_EXECUTE ||
           kind == WEIR_PG_OWED_FUNCTION;
}

void pg_relay_skipped(pg_conn *c)
{
    weir_pg_owed_skipped skipped;
    while (weir_pg_owed_next_skipped(&c->owed, &skipped)) {
        weir_pg_owed_kind kind = skipped.kind;
        uint64_t tag = skipped.tag;
        if (kind == WEIR_PG_OWED_INTERJECTION ? pg_relay_answers_naming(tag)
                                              : kind == WEIR_PG_OWED_PARSE && !skipped.hidden)
            pg_relay_tell_parsed(c, WEIR_PARSING_SKIPPED);
        if (kind == WEIR_PG_OWED_INTERJECTION)
            continue;
        if (tag == PG_ASKED || tag == PG_NAMES) {
            if (tag == PG_NAMES)
                pg_aliases_doubt(c);
            continue;
        }
        if (tag == PG_EXAMINED) {
            pg_describe_failed(c);
            continue;
        }
        if (kind == WEIR_PG_OWED_PARSE && tag)
            pg_prepared_parsed(&c->prepared, tag, false);
        if (kind == WEIR_PG_OWED_CLOSE && tag)
            pg_prepared_closed(&c->prepared, tag, false);
        if (is_statement(kind)) {
            on_statement(c, c->error_told ? NULL : c->sqlstate);
            c->error_told = true;
        }
    }
}

static void count_change(pg_conn *c, uint64_t change)
{
    weir_backend *b = c->base.backend;
    weir_backend_watcher *watcher = atomic_load_explicit(&b->watcher, memory_order_acquire);
    atomic_fetch_add_explicit(&b->changes, change, memory_order_acq_rel);
    if (watcher)
        watcher->changed(watcher);
}

static void on_complete(pg_conn *c, weir_slice tag, bool temporary)
{
    uint64_t change = temporary ? 0 : pg_change_of(tag);
    c->rows += weir_pg_tag_rows(tag);
    if (change) {
        count_change(c, change);
        c->change = change > c->change ? change : c->change; /* once more when it is committed */
    }
    if (pg_starts_with(tag, "DISCARD ALL") || pg_starts_with(tag, "DEALLOCATE ALL")) {
        pg_prepared_clear(&c->prepared);
        pg_aliases_ended(c);
        if (pg_starts_with(tag, "DISCARD"))
            pg_parameters_clear(c);
    }
}

/* Keeps the server's words; a FATAL is not passed on as such: the loss of the connection that
 * follows is told by an error of the same words, after which the client lives on. */
static void remember_fatal(pg_conn *c, const weir_pg_error_fields *e)
{
    char state[6] = "57P01";
    if (e->sqlstate.len == 5)
        memcpy(state, e->sqlstate.data, 5);
    weir_error_set(&c->lost, state, "%.*s", (int)e->message.len, (const char *)e->message.data);
    weir_error_detail(&c->lost, "The database server ended its connection.");
}

/* Returns true when the frame goes to the client. */
static bool on_error(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    weir_pg_error_fields e;
    if (weir_pg_error_read(f->body, &e) != 0)
        return true;
    if (v->tag == PG_NAMES) {
        pg_aliases_doubt(c);
        if (!v->forward && c->names_error.len == 0 &&
            weir_buf_append(&c->names_error, f->whole) < 0)
            weir_buf_clear(&c->names_error);
    }
    if ((v->tag == PG_ASKED || v->tag == PG_NAMES) && !v->forward) {
        if (v->tag == PG_ASKED)
            pg_question_failed(c, &e);
        pg_relay_skipped(c);
        return false;
    }
    bool of_ours = v->kind == WEIR_PG_OWED_QUERY && !v->forward;
    if (of_ours) {
        pg_ours_failed(c, v->tag, &e);
        return false;
    }
    if (c->base.sink && c->base.sink->events->on_error)
        c->base.sink->events->on_error(c->base.sink);
    memset(c->sqlstate, 0, sizeof(c->sqlstate));
    memcpy(c->sqlstate, e.sqlstate.data, e.sqlstate.len < 5 ? e.sqlstate.len : 5);
    pg_target_refused(c);
    c->error_told = false;
    c->rows = c->passed = 0;
    if ((strcmp(c->sqlstate, "0A000") == 0 &&
         pg_starts_with(e.message, "cached plan must not change")) ||
        (strcmp(c->sqlstate, "XX000") == 0 && pg_starts_with(e.message, "cache lookup failed")))
        count_change(c, 1); /* somebody else's: what is parsed from now on is another statement */
    if (v->completes && v->kind == WEIR_PG_OWED_PARSE && v->tag)
        pg_prepared_parsed(&c->prepared, v->tag, false);
    if (v->completes && v->kind == WEIR_PG_OWED_PARSE && !v->hidden)
        pg_relay_tell_parsed(c, WEIR_PARSING_FAILED);
    if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE && v->tag != PG_NAMES) {
        on_statement(c, c->sqlstate);
        c->error_told = true;
    }
    pg_relay_skipped(c);
    return true;
}

/* A name that we could not make is missed by the client's statement now: why tells more. Only
 * between messages that are handed on. */
static bool is_for_names(pg_conn *c)
{
    return c->names_error.len > 0 &&
           (strcmp(c->sqlstate, "26000") == 0 || strcmp(c->sqlstate, "25P02") == 0);
}

static void on_own_ready(pg_conn *c, const weir_pg_owed_verdict *v)
{
    weir_backend *b = c->base.backend;
    if (v->tag == PG_ASKED)
        pg_question_answered(c);
    if (v->tag != PG_CHECKS || !c->validating)
        return;
    c->validating = false;
    if (c->returned)
        pg_conn_look_clean(c);
    else
        b->events->validated(b->engine, &c->base, true);
}

static void on_ready(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    uint8_t status;
    if (weir_pg_ready_read(f->body, &status) != 0) {
        weir_error err;
        weir_error_set(&err, "08P01", "weir: the database server sent a malformed ReadyForQuery");
        pg_conn_fail(c, &err);
        return;
    }
    c->status = (char)status;
    if (c->change && status == 'I') {
        count_change(c, c->change);
        c->change = 0;
    }
    if (!v->forward) {
        on_own_ready(c, v);
        return;
    }
    if (v->kind == WEIR_PG_OWED_QUERY || v->kind == WEIR_PG_OWED_FUNCTION)
        on_statement(c, c->sqlstate);
    c->sqlstate[0] = '\0';
    weir_buf_clear(&c->names_error);
    if (c->base.sink)
        c->base.sink->events->on_ready(c->base.sink, c->status, weir_pg_owed_count(&c->owed));
}

/* The limit is the operator's protection: what asks for more is broken off, at whatever cost. */
static bool too_many_rows(pg_conn *c)
{
    uint64_t most = c->place->options.rows_max;
    if (++c->passed <= most || most == 0)
        return false;
    weir_error err;
    weir_error_set(&err, "54000", "weir: the result has more rows than limits.rows allows (%llu)",
                   (unsigned long long)most);
    pg_conn_fail(c, &err);
    return true;
}

static void on_notification(pg_conn *c, weir_slice body)
{
    weir_pg_notification n;
    weir_relay_sink *sink = c->base.sink;
    if (sink && sink->events->on_notification && weir_pg_notification_read(body, &n) == 0)
        sink->events->on_notification(sink, n.pid, n.channel, n.payload);
}

/* Behind the last reply that is owed the sink may keep the ReadyForQuery back. */
static bool may_be_ready(const pg_conn *c, const weir_pg_frame *f)
{
    weir_relay_sink *sink = c->base.sink;
    if (!sink || !sink->events->may_be_ready || f->body.len != 1 ||
        !weir_pg_owed_is_at_rest(&c->owed))
        return true;
    return sink->events->may_be_ready(sink, (char)f->body.data[0]);
}

/* What a whole frame means to us. Returns whether it goes to the client. */
static bool on_frame(pg_conn *c, const weir_pg_frame *f, const weir_pg_owed_verdict *v)
{
    if ((v->tag == PG_ASKED || v->tag == PG_NAMES) && !v->forward && f->type != WEIR_PG_B_ERROR) {
        if (f->type == WEIR_PG_B_DATA_ROW && v->tag == PG_ASKED)
            pg_question_row(c, f->body);
        return false;
    }
    if (v->kind == WEIR_PG_OWED_DESCRIBE_STATEMENT && v->tag && f->type != WEIR_PG_B_ERROR)
        pg_describe_frame(c, f, v->tag);
    switch (f->type) {
    case WEIR_PG_B_DATA_ROW:
        return !too_many_rows(c) && v->forward;
    case WEIR_PG_B_NOTIFICATION:
        on_notification(c, f->body);
        return false;
    case WEIR_PG_B_COMMAND_COMPLETE:
        c->passed = 0;
        if (v->forward)
            on_complete(c, weir_slice_head(f->body, f->body.len ? f->body.len - 1 : 0),
                        v->tag == PG_TEMPORARY);
        if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE)
            on_statement(c, "");
        return v->forward;
    case WEIR_PG_B_EMPTY_QUERY:
    case WEIR_PG_B_PORTAL_SUSPENDED:
        c->passed = 0;
        if (v->completes && v->kind == WEIR_PG_OWED_EXECUTE)
            on_statement(c, "");
        return v->forward;
    case WEIR_PG_B_PARSE_COMPLETE:
        if (v->tag)
            pg_prepared_parsed(&c->prepared, v->tag, true);
        if (!v->hidden)
            pg_relay_tell_parsed(c, WEIR_PARSING_DONE);
        return v->forward;
    case WEIR_PG_B_CLOSE_COMPLETE:
        if (v->tag)
            pg_prepared_closed(&c->prepared, v->tag, true);
        return v->forward;
    case WEIR_PG_B_ERROR:
        return on_error(c, f, v);
    default:
        return v->forward;
    }
}

/* Frames that may be of any size and tell us nothing: handed on as they come. */
static bool passes_in_pieces(uint8_t type)
{
    return type == WEIR_PG_B_DATA_ROW || type == WEIR_PG_COPY_DATA ||
           type == WEIR_PG_B_FUNCTION_RESULT;
}

static void hand_on(pg_conn *c, weir_slice in, size_t from, size_t to)
{
    if (to <= from)
        return;
    pg_relay_give_held(c);
    give(c, weir_slice_make(in.data + from, to - from));
}

static void break_off(pg_conn *c, const char *why)
{
    weir_error err;
    weir_error_set(&err, "08P01",
                   "weir: lost step with the database server (%s); its connection is closed", why);
    weir_log_event(c->place->options.log, WEIR_LOG_POSTGRES, WEIR_LOG_ERROR, "protocol out of step",
                   WEIR_F_INT("server", c->base.id), WEIR_F_STR("why", why));
    pg_conn_fail(c, &err);
}

static bool is_fatal(weir_slice body, weir_pg_error_fields *ret)
{
    return weir_pg_error_read(body, ret) == 0 &&
           (weir_slice_eq_cstr(ret->severity_fixed, "FATAL") ||
            weir_slice_eq_cstr(ret->severity_fixed, "PANIC"));
}

static bool tells_outcome(uint8_t type)
{
    return type == WEIR_PG_B_COMMAND_COMPLETE || type == WEIR_PG_B_ERROR || type == WEIR_PG_B_READY;
}

/* One frame at the front of in[*pos…]. False: nothing more can be done with these bytes now.
 * `*from` is where the run of bytes for the client began that has not been handed on. */
static bool take_frame(pg_conn *c, weir_slice in, size_t *from, size_t *pos)
{
    weir_pg_frame f;
    size_t size;
    weir_slice rest = weir_slice_skip(in, *pos);
    int r = weir_pg_frame_head(rest, WEIR_PG_MESSAGE_SIZE_MAX, &f.type, &size);
    if (r < 0)
        break_off(c, "an impossible length");
    if (r != 0)
        return false;
    bool in_pieces = rest.len < size && passes_in_pieces(f.type) && !weir_pg_owed_is_ours(&c->owed);
    if (rest.len < size && !in_pieces)
        return false;
    weir_pg_error_fields e;
    f.body = weir_slice_make(rest.data + 5, in_pieces ? 0 : size - 5);
    f.whole = weir_slice_head(rest, in_pieces ? rest.len : size);
    if (f.type == WEIR_PG_B_ERROR && is_fatal(f.body, &e)) {
        remember_fatal(c, &e);
        hand_on(c, in, *from, *pos);
        *pos += size;
        *from = *pos;
        return true;
    }
    weir_pg_owed_verdict v;
    if (weir_pg_owed_on(&c->owed, f.type, &v) < 0) {
        break_off(c, "a reply that nothing asked for");
        return false;
    }
    bool forward = on_frame(c, &f, &v);
    if (forward && c->base.sink && c->base.sink->outcomes && tells_outcome(f.type))
        c->base.sink->events->on_outcome(c->base.sink, f.type, f.body);
    if (forward && f.type == WEIR_PG_B_READY)
        forward = may_be_ready(c, &f);
    bool stale = forward && f.type == WEIR_PG_B_ERROR && v.tag == PG_STALE;
    if (stale && pg_stale_error(&c->names_error) < 0)
        stale = false;
    if (stale || (forward && f.type == WEIR_PG_B_ERROR && is_for_names(c))) {
        hand_on(c, in, *from, *pos);
        hand_on(c, weir_buf_slice(&c->names_error), 0, c->names_error.len);
        weir_buf_clear(&c->names_error);
        forward = false;
        *from = *pos;
    }
    if (!forward)
        hand_on(c, in, *from, *pos);
    *pos += f.whole.len;
    if (!forward)
        *from = *pos;
    if (in_pieces) {
        c->passing = size - f.whole.len;
        c->passing_on = forward;
    }
    if (f.type == WEIR_PG_B_READY || v.completes) {
        bool ready = f.type == WEIR_PG_B_READY;
        if (ready) {
            hand_on(c, in, *from, *pos);
            *from = *pos;
            on_ready(c, &f, &v);
        }
        pg_conn_look_roomy(c);
        if (weir_pg_owed_has_interjection(&c->owed)) {
            hand_on(c, in, *from, *pos);
            *from = *pos;
            pg_relay_give_interjections(c);
        }
    }
    return true;
}

/* The rest of a large frame. */
static size_t pass(pg_conn *c, weir_slice in)
{
    size_t n = in.len < c->passing ? in.len : c->passing;
    c->passing -= n;
    return n;
}

size_t pg_relay_on_bytes(weir_stream *stream, weir_slice in)
{
    pg_conn *c = weir_stream_user(stream);
    size_t pos = c->passing ? pass(c, in) : 0;
    size_t from = c->passing_on ? 0 : pos;
    while (c->state == PG_READY && c->passing == 0 && pos < in.len &&
           take_frame(c, in, &from, &pos))
        continue;
    if (c->state == PG_CLOSING)
        return in.len;
    hand_on(c, in, from, pos);
    weir_relay_sink *sink = c->base.sink;
    if (sink && c->state == PG_READY && sink->events->congested(sink)) {
        c->paused = true;
        weir_stream_pause(stream);
    }
    return pos;
}
