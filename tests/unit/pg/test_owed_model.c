/* Property: against a model of PostgreSQL's message loop, fed with random pipelines and failing at
 * any point, the queue of owed replies says of every reply whose it is, gives interjections at
 * their place, reports exactly what the server skipped, and is empty exactly when the model owes
 * nothing. HAZARDS, wire protocol, 1 to 6.
 *
 * Client to server and server to client are queues, advanced in random order, so that messages
 * cross each other on the way. Message ids count up in the order sent; they are the tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/owed.h"
#include "proto/pg/pg.h"

#define MESSAGES_MAX 64
#define REPLIES_MAX 2048
#define RUNS 30000

enum { M_FLUSH = WEIR_PG_OWED_INTERJECTION + 1, M_COPY_DATA, M_COPY_DONE, M_COPY_FAIL };

typedef struct message {
    int kind; /* weir_pg_owed_kind, INTERJECTION included, or M_* */
    bool hidden, skippable;
    int copies; /* QUERY, EXECUTE: how many COPY FROM STDIN it has */
    bool skipped, reported, given, ended;
} message;

typedef struct reply {
    uint8_t type; /* 0: an interjection's turn has come */
    int id;       /* -1: asynchronous */
    bool completes;
    bool in_copy; /* an error that struck while COPY data was read */
} reply;

typedef struct world {
    uint64_t random;
    weir_pg_owed q;
    message sent[MESSAGES_MAX];
    int sent_count, processed;
    reply replies[REPLIES_MAX];
    int reply_count, delivered;
    int client_copies;        /* CopyDones that the client still has to send */
    bool sync_in_copy;        /* the client sent a Sync between a COPY and its end */
    bool skip;                /* server: until Sync */
    int copy_of, copies_left; /* server: reading data for this message (-1: not) */
    int settled;              /* replies to messages up to this one must not come any more */
} world;

static unsigned pick(world *w, unsigned n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)(w->random >> 33) % n;
}

/* ---- the model server ---- */

static void say(world *w, uint8_t type, int id, bool completes)
{
    if (pick(w, 16) == 0) {
        assert_true(w->reply_count < REPLIES_MAX);
        w->replies[w->reply_count++] = (reply){(uint8_t) "NSA"[pick(w, 3)], -1, false, false};
    }
    assert_true(w->reply_count < REPLIES_MAX);
    w->replies[w->reply_count++] = (reply){type, id, completes, false};
}

static void say_error(world *w, int id)
{
    bool in_copy = w->copy_of == id;
    say(w, 'E', id, true);
    w->replies[w->reply_count - 1].in_copy = in_copy;
    w->copy_of = -1;
    int kind = w->sent[id].kind;
    if (kind == WEIR_PG_OWED_QUERY || kind == WEIR_PG_OWED_FUNCTION || kind == WEIR_PG_OWED_SYNC)
        say(w, 'Z', id, true);
    else
        w->skip = true;
}

static void finish_query(world *w, int id)
{
    if (w->copies_left > 0) {
        w->copies_left--;
        w->copy_of = id;
        say(w, 'G', id, false);
        return;
    }
    bool query = w->sent[id].kind == WEIR_PG_OWED_QUERY;
    if (query && pick(w, 2)) {
        say(w, 'T', id, false);
        say(w, 'D', id, false);
        say(w, 'C', id, false);
    }
    if (query && pick(w, 8) == 0) {
        say(w, 'H', id, false);
        say(w, 'd', id, false);
        say(w, 'c', id, false);
        say(w, 'C', id, false);
    }
    if (query)
        say(w, 'Z', id, true);
    else if (w->sent[id].copies == 0) {
        say(w, 'D', id, false);
        say(w, (uint8_t) "CIs"[pick(w, 3)], id, true);
    }
}

static void read_in_copy(world *w, const message *m)
{
    int id = w->copy_of;
    if (m->kind == M_COPY_FAIL || (m->kind != WEIR_PG_OWED_SYNC && pick(w, 5) == 0)) {
        if (m->kind != M_FLUSH)
            say_error(w, id);
    } else if (m->kind == M_COPY_DONE) {
        w->copy_of = -1;
        say(w, 'C', id, w->sent[id].kind == WEIR_PG_OWED_EXECUTE);
        if (w->sent[id].kind == WEIR_PG_OWED_QUERY)
            finish_query(w, id);
    } else {
        assert_true(m->kind == WEIR_PG_OWED_SYNC || m->kind == M_FLUSH || m->kind == M_COPY_DATA);
    }
}

static void answer(world *w, int id)
{
    message *m = &w->sent[id];
    if (pick(w, 6) == 0) {
        if (m->kind == WEIR_PG_OWED_DESCRIBE_STATEMENT && pick(w, 2))
            say(w, 't', id, false);
        if (m->kind == WEIR_PG_OWED_EXECUTE && pick(w, 2))
            say(w, 'D', id, false);
        say_error(w, id);
        return;
    }
    switch (m->kind) {
    case WEIR_PG_OWED_PARSE:
        say(w, '1', id, true);
        break;
    case WEIR_PG_OWED_BIND:
        say(w, '2', id, true);
        break;
    case WEIR_PG_OWED_CLOSE:
        say(w, '3', id, true);
        break;
    case WEIR_PG_OWED_DESCRIBE_STATEMENT:
        say(w, 't', id, false);
        say(w, pick(w, 2) ? 'T' : 'n', id, true);
        break;
    case WEIR_PG_OWED_DESCRIBE_PORTAL:
        say(w, pick(w, 2) ? 'T' : 'n', id, true);
        break;
    case WEIR_PG_OWED_FUNCTION:
        say(w, 'V', id, false);
        say(w, 'Z', id, true);
        break;
    case WEIR_PG_OWED_SYNC:
        say(w, 'Z', id, true);
        break;
    default:
        w->copies_left = m->copies;
        finish_query(w, id);
    }
}

static void serve_one(world *w)
{
    int id = w->processed++;
    message *m = &w->sent[id];
    if (m->kind ==
        WEIR_PG_OWED_INTERJECTION) { /* not sent: what the server would do in its place */
        if (w->skip && m->skippable)
            m->skipped = true;
        else
            say(w, 0, id, false);
    } else if (w->skip && m->kind != WEIR_PG_OWED_SYNC) {
        m->skipped = m->kind < WEIR_PG_OWED_INTERJECTION;
    } else if (w->copy_of >= 0) {
        read_in_copy(w, m);
    } else if (m->kind < WEIR_PG_OWED_INTERJECTION) {
        w->skip = false;
        answer(w, id);
    }
}

/* ---- between them ---- */

static void drain(world *w)
{
    weir_slice bytes;
    weir_pg_owed_skipped skipped;
    while (weir_pg_owed_next_interjection(&w->q, &bytes)) {
        int id;
        assert_int_equal(bytes.len, sizeof(id));
        memcpy(&id, bytes.data, sizeof(id));
        assert_false(w->sent[id].given);
        w->sent[id].given = true;
        if (id > w->settled)
            w->settled = id; /* nothing sent before it may be answered after it */
    }
    while (weir_pg_owed_next_skipped(&w->q, &skipped)) {
        uint64_t tag = skipped.tag;
        if (skipped.kind == WEIR_PG_OWED_INTERJECTION)
            continue;
        assert_true(tag < (uint64_t)w->sent_count);
        assert_int_equal(w->sent[tag].kind, skipped.kind);
        assert_int_equal(w->sent[tag].hidden, skipped.hidden);
        assert_false(w->sent[tag].reported);
        w->sent[tag].reported = true;
    }
    if (weir_pg_owed_is_empty(&w->q))
        w->settled = w->sent_count - 1;
}

/* What a client may send now: data, Sync and Flush while it has a COPY to end. */
static message invent(world *w)
{
    message m = {.hidden = pick(w, 4) == 0};
    if (w->client_copies > 0) {
        unsigned choice = pick(w, 8);
        m.kind = choice == 0   ? (int)WEIR_PG_OWED_SYNC
                 : choice == 1 ? (int)M_FLUSH
                 : choice <= 4 ? (int)M_COPY_DATA
                 : choice <= 6 ? (int)M_COPY_DONE
                               : (int)M_COPY_FAIL;
        if (m.kind == M_COPY_DONE || m.kind == M_COPY_FAIL)
            w->client_copies--;
        if (m.kind == WEIR_PG_OWED_SYNC)
            w->sync_in_copy = true;
        return m;
    }
    m.kind = (int)pick(w, M_FLUSH + 1);
    if (pick(w, 4) == 0)
        m.kind = WEIR_PG_OWED_SYNC;
    m.skippable = pick(w, 2);
    if (m.kind == WEIR_PG_OWED_QUERY && pick(w, 3) == 0)
        m.copies = 1 + (int)pick(w, 2);
    if (m.kind == WEIR_PG_OWED_EXECUTE && pick(w, 3) == 0)
        m.copies = 1;
    w->client_copies = m.copies;
    return m;
}

static void send_one(world *w)
{
    int id = w->sent_count;
    message *m = &w->sent[id];
    *m = invent(w);
    w->sent_count++;
    if (m->kind == WEIR_PG_OWED_INTERJECTION)
        assert_int_equal(
            weir_pg_owed_interject(&w->q, weir_slice_make(&id, sizeof(id)), m->skippable), 0);
    else if (m->kind < WEIR_PG_OWED_INTERJECTION)
        assert_int_equal(
            weir_pg_owed_push(&w->q, (weir_pg_owed_kind)m->kind, m->hidden, (uint64_t)id), 0);
    else if (m->kind == M_COPY_DONE || m->kind == M_COPY_FAIL)
        weir_pg_owed_copy_ended(&w->q);
    drain(w);
}

static void deliver_one(world *w)
{
    reply r = w->replies[w->delivered++];
    if (r.type == 0) {
        assert_true(w->sent[r.id].given);
        return;
    }
    weir_pg_owed_verdict v = {0};
    assert_int_equal(weir_pg_owed_on(&w->q, r.type, &v), 0);
    if (r.id >= 0) {
        const message *m = &w->sent[r.id];
        assert_true(r.id > w->settled);
        assert_int_equal(v.tag, r.id);
        assert_int_equal(v.kind, m->kind);
        assert_int_equal(v.completes, r.completes);
        if (r.type != 'E' || !m->hidden)
            assert_int_equal(v.forward, !m->hidden);
    } else {
        assert_false(v.completes);
    }
    if (weir_pg_owed_is_doubtful(&w->q))
        assert_true(r.in_copy && w->sync_in_copy);
    drain(w);
}

static void check_quiet(world *w)
{
    assert_true(weir_pg_owed_is_empty(&w->q));
    assert_int_equal(weir_pg_owed_count(&w->q), 0);
    assert_int_equal(weir_pg_owed_ready_count(&w->q), 0);
    assert_null(w->q.large);
    assert_true(!weir_pg_owed_is_at_rest(&w->q) || !w->skip);
    for (int id = 0; id < w->sent_count; id++) {
        const message *m = &w->sent[id];
        if (m->kind == WEIR_PG_OWED_INTERJECTION)
            assert_int_equal(m->given, !m->skipped);
        else
            assert_int_equal(m->reported, m->skipped);
    }
}

/* Returns whether it went through without doubt. */
static bool run(uint64_t seed)
{
    static world w; /* too large for the stack with the sanitizers' red zones */
    w = (world){.random = seed, .copy_of = -1, .settled = -1};
    weir_pg_owed_init(&w.q, MESSAGES_MAX);
    unsigned sends = 1 + pick(&w, MESSAGES_MAX);
    bool doubtful = false;
    while (!doubtful) {
        bool can[3] = {sends > 0, w.processed < w.sent_count, w.delivered < w.reply_count};
        bool quiet = !can[1] && !can[2];
        if (quiet && w.copy_of < 0)
            check_quiet(&w);
        if (quiet && !can[0])
            break;
        unsigned choice = pick(&w, 3);
        if (choice == 0 && can[0]) {
            send_one(&w);
            sends--;
        } else if (choice == 1 && can[1]) {
            serve_one(&w);
        } else if (choice == 2 && can[2]) {
            deliver_one(&w);
        }
        doubtful = weir_pg_owed_is_doubtful(&w.q);
    }
    weir_pg_owed_fini(&w.q);
    return !doubtful;
}

static void test_owed_predicts_every_reply_of_a_model_server(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        clean += run(seed * 0x9e3779b97f4a7c15u);
    assert_true(clean > RUNS / 2); /* doubt is the exception */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owed_predicts_every_reply_of_a_model_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
