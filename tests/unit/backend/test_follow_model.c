/* The follower's core against a model of a server: transactions that get ids, write commit records,
 * become visible in another order than that of their records, and end; a stream that lags behind
 * the records; snapshots that lag behind the questions; slots that are made while all this goes on
 * and lost again, or kept while connections and processes end. Each seed is one history.
 *
 *   test_follow_model COUNT FIRST [--expect-violation] [--weak-barrier] [--kept] [--skipping]
 *
 * What must hold at each step:
 *   - when V is told to be visible, each commit of published tables that ends at V or before is
 *     visible, also those that were never streamed because they came before the slot;
 *   - an answer that was read at V and is still believed is what the database says, once all
 *     commits are visible and streamed, no matter how many slots were lost since; with slots that
 *     are kept, no matter which process read it;
 *   - when nothing is left to do, V has reached the last commit. */
#include "backend/postgres/follow_core.h"
#include "catalog/key.h"
#include "pgoutput.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 4u
#define TXNS 4000u
#define ANSWERS 512u
#define OID 77u
#define STEP_SIZE 40u /* bytes of a commit record */

typedef enum phase { RUNNING, COMMITTED, VISIBLE, ABORTED } phase;

typedef struct txn {
    uint64_t xid, begins, ends; /* the commit record's */
    phase phase;
    unsigned key, value;
    bool empty;           /* touches nothing that is published: not streamed */
    unsigned mate, worth; /* a second row of the same transaction */
} txn;

typedef struct answer {
    unsigned key, value;
    uint64_t asof;
    bool kept;
} answer;

typedef struct model {
    uint64_t random;
    txn txns[TXNS];
    unsigned count;
    uint64_t epoch_xid, latest_completed, wal;
    unsigned values[KEYS]; /* as a snapshot sees them */
    unsigned next_value;
    /* the follower */
    pg_follow_core core;
    weir_time now;
    uint64_t relation, column, ids[KEYS], changed[KEYS], floor, visible;
    bool connected, known;
    uint64_t slot_start, sent; /* the stream's place */
    bool snapshot_asked, snapshot_taken;
    char snapshot[16384];
    answer answers[ANSWERS];
    bool violated;
    bool weak_barrier;
    bool kept;            /* the slot outlives connections, */
    bool skipping;        /* … and somebody moves it on behind our back: must be noticed */
    uint64_t seed, acked; /* of that slot; 0: there is none yet */
    uint64_t reconnects;
} model;

static uint64_t roll(model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random >> 11;
}

static unsigned pick(model *m, unsigned n)
{
    return (unsigned)(roll(m) % n);
}

static void violation(model *m, const char *what, uint64_t a, uint64_t b)
{
    if (!m->violated)
        printf("violation: %s (%" PRIu64 ", %" PRIu64 ")\n", what, a, b);
    m->violated = true;
}

/* ---- what the follower is told ---- */

static uint64_t track_serial(void *user)
{
    (void)user;
    return 1;
}

static void each_tracked(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user)
{
    const model *m = user;
    visit(visit_user, m->relation, m->column, WEIR_SLICE_LIT("public.t"), WEIR_SLICE_LIT("k"));
}

static void on_changed(void *user, uint64_t position, const uint64_t *ids, size_t count)
{
    model *m = user;
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < KEYS; k++)
            if (ids[i] == m->ids[k] && position > m->changed[k])
                m->changed[k] = position;
}

static void on_forgot(void *user, uint64_t position)
{
    model *m = user;
    if (position > m->floor)
        m->floor = position;
}

static void on_visible(void *user, uint64_t position)
{
    model *m = user;
    if (position < m->visible)
        violation(m, "the visible position went back", m->visible, position);
    m->visible = position;
    for (unsigned i = 0; i < m->count; i++) {
        const txn *t = &m->txns[i];
        if (t->phase == COMMITTED && !t->empty && t->ends <= position)
            violation(m, "a commit is not visible", t->ends, position);
        if (t->phase == VISIBLE && !t->empty && t->ends <= position && t->ends > m->slot_start &&
            m->changed[t->key] < t->ends)
            violation(m, "a position was told before its changes", t->ends, position);
    }
}

static void on_time(void *user, weir_time sent, uint64_t position, uint64_t outcomes)
{
    (void)user;
    (void)sent;
    (void)position;
    (void)outcomes;
}

static uint64_t outcomes_of(void *user)
{
    (void)user;
    return 0;
}

static void on_track(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                     weir_slice column_name)
{
    (void)user;
    (void)relation;
    (void)column;
    (void)relation_name;
    (void)column_name;
}

static void on_flushed(void *user, uint64_t position, const weir_flush *flush)
{
    (void)user;
    (void)position;
    (void)flush;
}

static void on_altered(void *user, uint64_t position)
{
    (void)user;
    (void)position;
}

static void on_confirmed(void *user, uint64_t serial, uint64_t position)
{
    (void)user;
    (void)serial;
    (void)position;
}

static void on_lineage(void *user, uint64_t system, uint64_t timeline)
{
    (void)user;
    (void)system;
    (void)timeline;
}

static void on_following(void *user, const char *why_not)
{
    (void)user;
    (void)why_not;
}

/* ---- the server ---- */

static void begin(model *m)
{
    if (m->count == TXNS)
        return;
    txn *t = &m->txns[m->count++];
    *t = (txn){.xid = ++m->epoch_xid, .key = pick(m, KEYS), .value = ++m->next_value};
    t->mate = pick(m, KEYS);
    t->worth = ++m->next_value;
    t->empty = pick(m, 6) == 0;
}

static txn *any(model *m, phase wanted)
{
    unsigned from = m->count > 12 ? m->count - 12 : 0;
    for (unsigned tries = 0; tries < 8 && m->count > 0; tries++) {
        txn *t = &m->txns[from + pick(m, m->count - from)];
        if (t->phase == wanted)
            return t;
    }
    return NULL;
}

static void complete(model *m, const txn *t)
{
    if (t->xid > m->latest_completed)
        m->latest_completed = t->xid;
}

static bool locked(const model *m, unsigned key, const txn *by)
{
    for (unsigned i = 0; i < m->count; i++) {
        const txn *t = &m->txns[i];
        if (t != by && t->phase == COMMITTED && !t->empty && (t->key == key || t->mate == key))
            return true;
    }
    return false;
}

static void write_commit(model *m)
{
    txn *t = any(m, RUNNING);
    if (!t || (!t->empty && (locked(m, t->key, t) || locked(m, t->mate, t))))
        return; /* rows are locked until their writer is visible */
    t->begins = m->wal;
    m->wal += STEP_SIZE + pick(m, 3) * 8;
    t->ends = m->wal;
    t->phase = COMMITTED;
}

static void become_visible(model *m, txn *t)
{
    if (!t)
        return;
    t->phase = VISIBLE;
    complete(m, t);
    if (!t->empty) {
        m->values[t->key] = t->value;
        m->values[t->mate] = t->worth;
    }
}

static void abort_one(model *m)
{
    txn *t = any(m, RUNNING);
    if (!t)
        return;
    t->phase = ABORTED;
    complete(m, t);
}

/* As pg_current_snapshot() prints it. */
static uint64_t take_snapshot(const model *m, char *out, size_t size, uint64_t *ret_xmin)
{
    uint64_t xmax = m->latest_completed + 1, xmin = xmax;
    char list[12000] = "";
    size_t n = 0;
    for (unsigned i = 0; i < m->count; i++) {
        const txn *t = &m->txns[i];
        if ((t->phase != RUNNING && t->phase != COMMITTED) || t->xid >= xmax)
            continue;
        if (t->xid < xmin)
            xmin = t->xid;
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%" PRIu64, n ? "," : "", t->xid);
    }
    if (out)
        (void)snprintf(out, size, "%" PRIu64 ":%" PRIu64 ":%s", xmin, xmax, list);
    *ret_xmin = xmin;
    return xmax;
}

/* ---- slots ---- */

/* A slot begins when all that ran when it was asked for have ended; those that began meanwhile may
 * have written their commit records already. */
static void make_slot(model *m)
{
    uint64_t asked = m->epoch_xid;
    for (unsigned i = 0; i < m->count; i++)
        if (m->txns[i].phase == RUNNING && m->txns[i].xid <= asked)
            m->txns[i].phase = ABORTED, complete(m, &m->txns[i]);
        else if (m->txns[i].phase == COMMITTED)
            become_visible(m, &m->txns[i]);
    for (unsigned n = pick(m, 6); n > 0; n--) {
        begin(m);
        if (pick(m, 2))
            write_commit(m);
    }
    m->slot_start = m->wal;
    m->acked = m->kept ? m->wal : 0;
}

static void connect_slot(model *m)
{
    uint64_t xmin;
    if (m->acked == 0)
        make_slot(m);
    else
        m->slot_start = m->acked;
    m->sent = m->slot_start;
    uint64_t barrier = take_snapshot(m, NULL, 0, &xmin);
    if (!m->weak_barrier) {
        barrier = ++m->epoch_xid; /* an id of our own */
        if (barrier > m->latest_completed)
            m->latest_completed = barrier;
    }
    pg_follow_session s = {
        .system = 1, .timeline = 1, .start = m->slot_start, .kept = m->kept, .barrier = barrier};
    m->connected = true;
    m->known = false;
    m->snapshot_asked = m->snapshot_taken = false;
    m->reconnects++;
    pg_follow_connected(&m->core, &s, m->now);
}

static void lose_slot(model *m)
{
    m->connected = false;
    pg_follow_lost(&m->core, "lost");
    if (m->skipping && m->acked > 0)
        m->acked = m->wal;
}

static void acknowledge(model *m)
{
    if (m->kept && m->core.received > m->acked)
        m->acked = m->core.received;
}

static void feed(model *m, weir_slice payload)
{
    uint32_t oid = 0;
    bool reply;
    int r = pg_follow_feed(&m->core, payload, &oid, &reply);
    if (r == PG_FOLLOW_ASK) {
        if (pg_follow_ancestors(&m->core, oid, NULL, 0) != 0)
            violation(m, "ancestors", oid, 0);
        r = pg_follow_feed(&m->core, payload, &oid, &reply);
    }
    if (r != 0)
        violation(m, "the stream is refused", (uint64_t)-r, 0);
}

static void send_row(model *m, unsigned key, unsigned value)
{
    pgoutput p;
    char row[32];
    (void)snprintf(row, sizeof(row), "%u|%u", key, value);
    feed(m, pgoutput_update(&p, OID, 0, NULL, row));
}

static void send_txn(model *m, const txn *t)
{
    pgoutput p;
    feed(m, pgoutput_begin(&p, t->begins, (uint32_t)t->xid));
    if (!m->known)
        feed(m, pgoutput_relation(&p, OID, "public", "t", 'd', "*k/23 v/23"));
    m->known = true;
    send_row(m, t->key, t->value);
    send_row(m, t->mate, t->worth);
    feed(m, pgoutput_commit(&p, t->begins, t->ends));
}

/* The next commit record, or that there is none. */
static void send_next(model *m)
{
    const txn *next = NULL;
    pgoutput p;
    for (unsigned i = 0; i < m->count; i++) {
        const txn *t = &m->txns[i];
        if ((t->phase == COMMITTED || t->phase == VISIBLE) && t->ends > m->sent &&
            (!next || t->ends < next->ends))
            next = t;
    }
    if (next && !next->empty)
        send_txn(m, next);
    m->sent = next ? next->ends : m->wal;
    if (!next || next->empty || pick(m, 8) == 0)
        feed(m, pgoutput_keepalive(&p, m->sent, pick(m, 2) != 0));
}

/* ---- snapshots ---- */

static void ask(model *m)
{
    pg_follow_next next = pg_follow_plan(&m->core, m->now);
    if (!next.snapshot || m->snapshot_asked)
        return;
    pg_follow_ask_snapshot(&m->core, m->now);
    m->snapshot_asked = true;
    m->snapshot_taken = false;
}

static void take(model *m)
{
    uint64_t xmin;
    if (m->snapshot_asked && !m->snapshot_taken)
        take_snapshot(m, m->snapshot, sizeof(m->snapshot), &xmin);
    m->snapshot_taken |= m->snapshot_asked;
}

static void tell(model *m)
{
    pg_snapshot s = {0};
    if (!m->snapshot_taken)
        return;
    m->snapshot_asked = m->snapshot_taken = false;
    if (pg_snapshot_read(&s, weir_slice_cstr(m->snapshot)) != 0)
        violation(m, "the snapshot is refused", 0, 0);
    else
        pg_follow_snapshot(&m->core, &s);
    pg_snapshot_fini(&s);
}

/* ---- answers ---- */

/* As-of first, then the snapshot. */
static void read_answer(model *m)
{
    answer *a = &m->answers[pick(m, ANSWERS)];
    unsigned key = pick(m, KEYS);
    uint64_t asof = m->visible;
    if (pick(m, 3) == 0)
        become_visible(m, any(m, COMMITTED));
    *a = (answer){.key = key, .value = m->values[key], .asof = asof, .kept = true};
}

static void judge_answers(model *m)
{
    for (unsigned i = 0; i < ANSWERS; i++) {
        const answer *a = &m->answers[i];
        if (a->kept && a->asof >= m->floor && a->asof <= m->visible &&
            m->changed[a->key] <= a->asof && a->value != m->values[a->key])
            violation(m, "a stale answer is believed", a->asof, m->changed[a->key]);
    }
}

static bool is_quiet(model *m)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->txns[i].phase == RUNNING || m->txns[i].phase == COMMITTED)
            return false;
    return true;
}

/* Everything ends, is visible and streamed: now all answers can be judged. */
static void settle(model *m)
{
    while (!is_quiet(m)) {
        txn *t = any(m, COMMITTED);
        become_visible(m, t);
        for (unsigned i = 0; i < m->count && !t; i++) {
            if (m->txns[i].phase == RUNNING) {
                m->txns[i].phase = ABORTED;
                complete(m, &m->txns[i]);
            }
            if (m->txns[i].phase == COMMITTED)
                become_visible(m, &m->txns[i]);
        }
    }
    if (!m->connected)
        connect_slot(m);
    while (!is_quiet(m)) { /* those that began with the slot */
        for (unsigned i = 0; i < m->count; i++) {
            if (m->txns[i].phase == COMMITTED)
                become_visible(m, &m->txns[i]);
            else if (m->txns[i].phase == RUNNING)
                m->txns[i].phase = ABORTED, complete(m, &m->txns[i]);
        }
    }
    m->wal += 8; /* a heartbeat would do so */
    while (m->sent < m->wal)
        send_next(m);
    for (unsigned i = 0; i < 4; i++) {
        m->now += WEIR_SECOND;
        ask(m);
        take(m);
        tell(m);
    }
    if (m->visible != m->wal)
        violation(m, "the visible position stays behind", m->visible, m->wal);
    judge_answers(m);
}

/* ---- processes ---- */

/* It knows the answers alone. */
static void begin_process(model *m)
{
    const weir_follower follower = {.track_serial = track_serial,
                                    .each_tracked = each_tracked,
                                    .changed = on_changed,
                                    .forgot = on_forgot,
                                    .visible = on_visible,
                                    .outcomes = outcomes_of,
                                    .heard = on_time,
                                    .altered = on_altered,
                                    .flushed = on_flushed,
                                    .confirmed = on_confirmed,
                                    .track = on_track,
                                    .lineage = on_lineage,
                                    .following = on_following,
                                    .user = m};
    m->connected = false;
    m->floor = m->visible = 0;
    memset(m->changed, 0, sizeof(m->changed));
    if (pg_follow_init(&m->core, &follower, (weir_hash_seed){{m->seed, 1}}, m->seed, WEIR_SECOND) !=
        0)
        abort();
}

static void restart(model *m)
{
    pg_follow_fini(&m->core);
    begin_process(m);
}

/* ---- a history ---- */

static void step(model *m)
{
    m->now += pick(m, 10) * WEIR_MS;
    switch (pick(m, 16)) {
    case 0:
    case 1:
    case 2:
        begin(m);
        return;
    case 3:
    case 4:
    case 5:
        write_commit(m);
        return;
    case 6:
    case 7:
        become_visible(m, any(m, COMMITTED));
        return;
    case 8:
        if (pick(m, 3) == 0)
            abort_one(m);
        return;
    case 9:
        read_answer(m);
        return;
    default:
        break;
    }
    if (!m->connected) {
        if (pick(m, 4) == 0)
            connect_slot(m);
        return;
    }
    switch (pick(m, 8)) {
    case 0:
    case 1:
    case 2:
        send_next(m);
        return;
    case 3:
    case 4:
        ask(m);
        return;
    case 5:
        take(m);
        return;
    case 6:
        tell(m);
        return;
    default:
        if (pick(m, 40) == 0)
            lose_slot(m);
        else if (pick(m, 60) == 0)
            settle(m);
        else if (pick(m, 4) == 0)
            acknowledge(m);
        else if (m->kept && pick(m, 40) == 0)
            restart(m);
    }
}

static bool run(uint64_t seed, const model *kind)
{
    static model m;
    m = (model){.random = (seed + 1) * 0x9e3779b97f4a7c15u,
                .epoch_xid = (seed % 3 << 32) + (seed % 2 ? 0xffffffd0u : 700),
                .wal = 1000,
                .seed = seed,
                .weak_barrier = kind->weak_barrier,
                .kept = kind->kept,
                .skipping = kind->skipping};
    m.latest_completed = m.epoch_xid;
    m.relation = weir_relation_id(WEIR_SLICE_LIT("public.t"));
    m.column = weir_column_id(m.relation, WEIR_SLICE_LIT("k"));
    for (unsigned k = 0; k < KEYS; k++) {
        weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = k};
        if (weir_key_of_row(m.column, &v, &m.ids[k]) != 0)
            abort();
    }
    begin_process(&m);
    for (unsigned i = 0; i < 600 && !m.violated; i++)
        step(&m);
    if (!m.violated)
        settle(&m);
    pg_follow_fini(&m.core);
    return m.violated;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 300;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    bool expected = false;
    static model kind;
    for (int i = 3; i < argc; i++) {
        expected |= strcmp(argv[i], "--expect-violation") == 0;
        kind.weak_barrier |= strcmp(argv[i], "--weak-barrier") == 0;
        kind.kept |= strcmp(argv[i], "--kept") == 0;
        kind.skipping |= strcmp(argv[i], "--skipping") == 0;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!run(seed, &kind))
            continue;
        printf("seed %" PRIu64 "\n", seed);
        return expected ? 0 : 1;
    }
    printf("%" PRIu64 " histories\n", count);
    return expected ? 1 : 0;
}
