/* The visible position, heartbeats, and the order in which everything is told. Says in
 * follow_core.h what must hold; each rule can be broken on purpose (WEIR_TEST_FAULT_…), and
 * tests/sim and tests/unit/backend show that it is noticed. */
#include "backend/postgres/follow_core.h"
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_EVERY (5 * WEIR_MS)
#define SNAPSHOT_EVERY_MAX (100 * WEIR_MS)
#define RUNNING_MAX ((size_t)1 << 20)

static const char draining_words[] =
    "waiting for the end of transactions that ran when following began";

/* ---- snapshots ---- */

static bool take_number(weir_slice *text, uint64_t *ret)
{
    size_t n = 0;
    *ret = 0;
    while (n < text->len && text->data[n] >= '0' && text->data[n] <= '9') {
        if (__builtin_mul_overflow(*ret, (uint64_t)10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(text->data[n] - '0'), ret))
            return false;
        n++;
    }
    *text = weir_slice_skip(*text, n);
    return n > 0;
}

static bool take_char(weir_slice *text, char c)
{
    if (text->len == 0 || text->data[0] != (uint8_t)c)
        return false;
    *text = weir_slice_skip(*text, 1);
    return true;
}

static int add_running(pg_snapshot *s, uint64_t xid)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        if (cap > RUNNING_MAX)
            return -EMSGSIZE;
        uint64_t *running = realloc(s->running, cap * sizeof(*running));
        if (!running)
            return -ENOMEM;
        s->running = running;
        s->cap = cap;
    }
    if (s->count > 0 && s->running[s->count - 1] >= xid)
        return -EPROTO; /* it is sorted by the server */
    s->running[s->count++] = xid;
    return 0;
}

int pg_snapshot_read(pg_snapshot *s, weir_slice text)
{
    s->count = 0;
    if (!take_number(&text, &s->xmin) || !take_char(&text, ':') || !take_number(&text, &s->xmax) ||
        !take_char(&text, ':') || s->xmin > s->xmax)
        return -EPROTO;
    while (text.len > 0) {
        uint64_t xid;
        if ((s->count > 0 && !take_char(&text, ',')) || !take_number(&text, &xid))
            return -EPROTO;
        int e = add_running(s, xid);
        if (e != 0)
            return e;
    }
    return 0;
}

void pg_snapshot_fini(pg_snapshot *s)
{
    free(s->running);
    *s = (pg_snapshot){0};
}

static int compare_xids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool is_listed(const pg_snapshot *s, uint64_t xid)
{
    return s->count > 0 &&
           bsearch(&xid, s->running, s->count, sizeof(*s->running), compare_xids) != NULL;
}

/* The stream has the low half of a transaction id. All that are under way lie within 2^31 of each
 * other: the server sees to that. */
static uint64_t widen(uint32_t xid, uint64_t near)
{
#ifdef WEIR_TEST_FAULT_FOLLOW_NARROW
    return xid;
#endif
    return near + (uint64_t)(int64_t)(int32_t)(xid - (uint32_t)near);
}

/* What is not in the list may be beyond its xmax. What one snapshot sees every later one sees, so
 * it does not matter which came first, the snapshot or the commit's receipt. */
static bool sees(const pg_snapshot *s, const pg_pending *p)
{
    uint64_t xid = widen(p->xid, s->xmax);
    if (p->many)
        return xid < s->xmin;
#ifdef WEIR_TEST_FAULT_FOLLOW_LIST_ALONE
    return !is_listed(s, xid);
#endif
    return xid < s->xmax && !is_listed(s, xid);
}

/* ---- life ---- */

int pg_follow_init(pg_follow_core *f, const weir_follower *follower, weir_hash_seed seed,
                   uint64_t nonce, weir_time look_every)
{
    *f = (pg_follow_core){.follower = *follower, .nonce = nonce, .look_every = look_every};
    pg_changes_init(&f->changes, seed);
    f->pending = calloc(PG_FOLLOW_PENDING, sizeof(*f->pending));
    return f->pending ? 0 : -ENOMEM;
}

void pg_follow_fini(pg_follow_core *f)
{
    pg_changes_fini(&f->changes);
    free(f->pending);
    *f = (pg_follow_core){0};
}

/* ---- positions ---- */

static pg_pending *pending_at(const pg_follow_core *f, uint64_t number)
{
    return &f->pending[number & (PG_FOLLOW_PENDING - 1)];
}

/* Not before the floor: what was read until there is not to be used. */
static void publish(pg_follow_core *f)
{
    if (f->state != PG_FOLLOW_FOLLOWING || f->ready <= f->visible || f->ready < f->floor)
        return;
    f->visible = f->ready;
    f->follower.visible(f->follower.user, f->ready);
}

/* Everything that ends at `position` or before has come. */
static void receive(pg_follow_core *f, uint64_t position)
{
    if (position <= f->received)
        return;
    f->received = position;
#ifdef WEIR_TEST_FAULT_FOLLOW_EAGER_KEEPALIVE
    f->ready = position;
    return;
#endif
    if (f->first == f->next)
        f->ready = position;
    else
        pending_at(f, f->next - 1)->upto = position;
}

/* Without room the newest one stands for both, and asks more of a snapshot. */
static void add_pending(pg_follow_core *f, uint64_t position)
{
    f->received = position;
#ifdef WEIR_TEST_FAULT_FOLLOW_UNCONFIRMED
    f->ready = position;
    publish(f);
    return;
#endif
    if (f->next - f->first < PG_FOLLOW_PENDING) {
        *pending_at(f, f->next++) = (pg_pending){.upto = position, .xid = f->xid};
        return;
    }
    pg_pending *last = pending_at(f, f->next - 1);
    last->many = true;
    last->upto = position;
    if ((int32_t)(f->xid - last->xid) > 0)
        last->xid = f->xid;
}

static void confirm(pg_follow_core *f, const pg_snapshot *s)
{
#ifdef WEIR_TEST_FAULT_FOLLOW_ANY_ORDER
    for (uint64_t i = f->next; i > f->first; i--) {
        if (sees(s, pending_at(f, i - 1))) {
            f->ready = pending_at(f, i - 1)->upto;
            f->first = i;
            break;
        }
    }
#endif
    while (f->first < f->next && sees(s, pending_at(f, f->first)))
        f->ready = pending_at(f, f->first++)->upto;
}

static void end_drain(pg_follow_core *f)
{
    f->state = PG_FOLLOW_FOLLOWING;
    f->follower.following(f->follower.user, NULL);
}

static bool is_drained(const pg_follow_core *f, const pg_snapshot *s)
{
#ifdef WEIR_TEST_FAULT_FOLLOW_NO_DRAIN
    return true;
#endif
    return s->xmin >= f->barrier;
}

/* Again soon while there is progress, less often while something holds it up. */
void pg_follow_ask_snapshot(pg_follow_core *f, weir_time now)
{
    assert(!f->asking);
    f->asking = true;
    f->snapshot_at = now + f->snapshot_every;
}

void pg_follow_snapshot(pg_follow_core *f, const pg_snapshot *s)
{
    uint64_t before = f->first;
    if (!f->asking)
        return;
    f->asking = false;
    confirm(f, s);
    bool moved = f->first != before;
    if (f->state == PG_FOLLOW_DRAINING && is_drained(f, s)) {
        end_drain(f);
        moved = true;
    }
    publish(f);
    f->snapshot_every = moved ? SNAPSHOT_EVERY : f->snapshot_every * 2;
    if (f->snapshot_every > SNAPSHOT_EVERY_MAX)
        f->snapshot_every = SNAPSHOT_EVERY_MAX;
}

/* ---- connecting ---- */

/* Another history's positions have nothing to do with those before. */
static bool is_another(const pg_follow_core *f, const pg_follow_session *s)
{
    return s->system != f->system || s->timeline != f->timeline;
}

/* All that has not been told yet is streamed. */
static bool goes_on(const pg_follow_core *f, const pg_follow_session *s)
{
#ifdef WEIR_TEST_FAULT_FOLLOW_GOES_ON
    return f->received > 0;
#endif
    uint64_t known = f->received > f->told ? f->received : f->told;
    return s->kept && !is_another(f, s) && f->floor > 0 && s->start <= known;
}

static void begin_session(pg_follow_core *f, const pg_follow_session *session, weir_time now)
{
    f->state = PG_FOLLOW_DRAINING;
    f->barrier = session->barrier;
    f->system = session->system;
    f->timeline = session->timeline;
    f->kept = session->kept;
    f->first = f->next = 0;
    f->received = f->ready = session->start;
    f->asking = f->beating = f->in_transaction = false;
    f->beat_came = f->beat_ended = 0;
    f->hurried = true; /* a heartbeat at once, once it is followed */
    f->snapshot_at = now;
    f->snapshot_every = SNAPSHOT_EVERY;
    weir_id_set_clear(&f->changes.set);
    pg_changes_forget_relations(&f->changes);
}

void pg_follow_connected(pg_follow_core *f, const pg_follow_session *session, weir_time now)
{
    bool on = goes_on(f, session);
    assert(f->state == PG_FOLLOW_LOST);
    if (!on)
        f->told = 0;
    else if (f->received > f->told)
        f->told = f->received;
    if (is_another(f, session))
        f->visible = 0;
    if (!on)
        f->floor = session->start > f->visible ? session->start : f->visible + 1;
    begin_session(f, session, now);
    f->follower.lineage(f->follower.user, session->system, session->timeline);
#ifdef WEIR_TEST_FAULT_FOLLOW_NO_FLOOR
    f->floor = 0;
    return;
#endif
    if (!on) {
        f->follower.forgot(f->follower.user, f->floor);
        f->follower.altered(f->follower.user, 0); /* nobody told of the schema meanwhile */
    }
    f->follower.following(f->follower.user, draining_words);
}

void pg_follow_lost(pg_follow_core *f, const char *words)
{
    f->state = PG_FOLLOW_LOST;
    f->asking = f->beating = f->in_transaction = false;
    f->beat_came = f->beat_ended = 0;
    memset(f->beats, 0, sizeof(f->beats));
    f->follower.following(f->follower.user, words);
}

/* ---- transactions ---- */

static void track(pg_follow_core *f)
{
    if (f->in_transaction || (!pg_changes_track(&f->changes, &f->follower) && !f->untold))
        return;
    f->untold = false;
    f->follower.confirmed(f->follower.user, f->changes.serial,
                          f->received > f->told ? f->received : f->told);
}

/* With a slot that is kept there may be answers from before, behind memory: what of a relation
 * changes is reported by what tells its rows apart, whether this process asked for that or not. */
static int describe(pg_follow_core *f, const weir_pg_change *m)
{
    if (!f->in_transaction)
        return -EPROTO;
    if (f->kept && pg_changes_ask_identity(&f->changes, m, &f->follower))
        f->untold |= pg_changes_track(&f->changes, &f->follower);
    return pg_changes_relation(&f->changes, m);
}

static int begin(pg_follow_core *f, const weir_pg_change *m)
{
    if (f->in_transaction)
        return -EPROTO;
    track(f);
    weir_id_set_clear(&f->changes.set);
    f->in_transaction = true;
    f->schema_changed = false;
    f->beat_in_transaction = 0;
    f->flushes_in_transaction = 0;
    f->xid = m->u.begin.xid;
    return 0;
}

static void tell_flushes(const pg_follow_core *f, uint64_t position)
{
    static const weir_flush all = {.kind = WEIR_FLUSH_ALL};
    const weir_follower *to = &f->follower;
    if (f->flushes_in_transaction > PG_FLUSHES_BATCH)
        to->flushed(to->user, position, &all);
    else
        for (unsigned i = 0; i < f->flushes_in_transaction; i++)
            to->flushed(to->user, position, &f->flushes[i]);
}

/* Of the transaction under way: first what changed, then that it is there. */
static void tell(pg_follow_core *f, uint64_t position)
{
    const weir_follower *to = &f->follower;
    if (position <= f->told)
        return;
    if (f->changes.set.count > 0)
        to->changed(to->user, position, f->changes.set.ids, f->changes.set.count);
    if (f->changes.set.everything || f->schema_changed)
        to->forgot(to->user, position);
    if (f->schema_changed)
        to->altered(to->user, position);
    tell_flushes(f, position);
}

static void hear_both(pg_follow_core *f)
{
    if (f->beat_came == 0 || f->beat_came > f->beat_ended || f->state != PG_FOLLOW_FOLLOWING)
        return;
    f->follower.heard(f->follower.user, f->beat_came, f->beat_position, f->beat_outcomes);
    f->beat_came = 0;
}

static int commit(pg_follow_core *f, const weir_pg_change *m)
{
    uint64_t position = m->u.commit.ends;
    if (!f->in_transaction || position <= f->received)
        return -EPROTO;
#ifdef WEIR_TEST_FAULT_FOLLOW_BEGINS
    position = m->u.commit.begins;
#endif
    f->in_transaction = false;
#ifdef WEIR_TEST_FAULT_FOLLOW_VISIBLE_FIRST
    f->ready = position;
    publish(f);
#endif
    tell(f, position);
    add_pending(f, position);
    if (f->schema_changed) {
        f->alterations++;
        pg_changes_forget_ancestors(&f->changes);
    }
    if (f->beat_in_transaction != 0) {
        f->beat_came = f->beat_in_transaction;
        f->beat_position = position;
        f->beat_outcomes = f->outcomes_in_transaction;
    }
    hear_both(f);
    track(f);
    return 0;
}

/* ---- messages of ours ---- */

static bool take_prefix(weir_slice *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    *text = weir_slice_skip(*text, len);
    return true;
}

/* "nonce:serial", as decimal numbers. Another node's, or one from before the stream was lost, says
 * nothing. */
static void hear(pg_follow_core *f, weir_slice text)
{
    uint64_t nonce, serial;
    if (!take_number(&text, &nonce) || !take_char(&text, ':') || !take_number(&text, &serial) ||
        text.len > 0 || nonce != f->nonce || serial > f->beat_serial ||
        f->beat_serial - serial >= PG_FOLLOW_BEATS)
        return;
    f->beat_in_transaction = f->beats[serial % PG_FOLLOW_BEATS];
    f->outcomes_in_transaction = f->outcomes[serial % PG_FOLLOW_BEATS];
}

static void note_flush(pg_follow_core *f, weir_slice text)
{
    unsigned at = f->flushes_in_transaction;
    if (at >= PG_FLUSHES_BATCH)
        f->flushes_in_transaction = PG_FLUSHES_BATCH + 1;
    else if (pg_flush_read(text, f->flush_names[at], &f->flushes[at]))
        f->flushes_in_transaction++;
}

/* Not transactional ones come at any time, and say nothing of commits. */
static void on_message(pg_follow_core *f, const weir_pg_change *m)
{
    weir_slice content = m->u.message.content;
    if (!m->u.message.transactional || !f->in_transaction ||
        !weir_slice_eq_cstr(m->u.message.prefix, "weir"))
        return;
    if (take_prefix(&content, "heartbeat:"))
        hear(f, content);
    else if (take_prefix(&content, "ddl"))
        f->schema_changed = true;
    else if (take_prefix(&content, "flush:"))
        note_flush(f, content);
}

/* ---- the stream ---- */

static int on_row(pg_follow_core *f, const weir_pg_change *m, uint32_t *ret_oid)
{
    if (!f->in_transaction)
        return -EPROTO;
    *ret_oid = pg_changes_unknown(&f->changes, m);
    if (*ret_oid != 0)
        return PG_FOLLOW_ASK;
    if (m->kind == WEIR_PG_CHANGE_TRUNCATE)
        pg_changes_truncate(&f->changes, m);
    else
        pg_changes_row(&f->changes, m);
    return 0;
}

static int on_change(pg_follow_core *f, const weir_pg_change *m, uint32_t *ret_oid)
{
    switch (m->kind) {
    case WEIR_PG_CHANGE_BEGIN:
        return begin(f, m);
    case WEIR_PG_CHANGE_COMMIT:
        return commit(f, m);
    case WEIR_PG_CHANGE_RELATION:
        return describe(f, m);
    case WEIR_PG_CHANGE_MESSAGE:
        on_message(f, m);
        return 0;
    case WEIR_PG_CHANGE_ORIGIN: /* another server's change is a change */
    case WEIR_PG_CHANGE_TYPE:
        return 0;
    default:
        return on_row(f, m, ret_oid);
    }
}

int pg_follow_feed(pg_follow_core *f, weir_slice payload, uint32_t *ret_oid, bool *ret_reply)
{
    weir_pg_stream s;
    weir_pg_change change;
    assert(f->state != PG_FOLLOW_LOST);
    *ret_reply = false;
    int e = weir_pg_stream_read(payload, &s);
    if (e == 0 && s.kind == WEIR_PG_STREAM_DATA) {
        e = weir_pg_change_read(s.body, &change);
        return e != 0 ? e : on_change(f, &change, ret_oid);
    }
    if (e == 0) {
        *ret_reply = s.reply;
        receive(f, s.position);
        track(f);
        publish(f);
    }
    return e;
}

int pg_follow_ancestors(pg_follow_core *f, uint32_t oid, const weir_slice *names, size_t count)
{
    return pg_changes_ancestors(&f->changes, oid, names, count);
}

void pg_follow_inheritance_changed(pg_follow_core *f)
{
    pg_changes_forget_ancestors(&f->changes);
    f->changes.set.everything |= f->in_transaction;
    f->follower.forgot(f->follower.user, f->received);
}

/* ---- heartbeats ---- */

void pg_follow_wanted(pg_follow_core *f, bool at_once)
{
    f->wanted = true;
    f->hurried |= at_once;
}

void pg_follow_beat(pg_follow_core *f, uint64_t outcomes, char out[static PG_FOLLOW_BEAT_SIZE],
                    weir_time now)
{
    f->wanted = f->hurried = false;
    f->beating = true;
    f->beat_at = now;
    f->beats[++f->beat_serial % PG_FOLLOW_BEATS] = now;
    f->outcomes[f->beat_serial % PG_FOLLOW_BEATS] = outcomes;
    (void)snprintf(out, PG_FOLLOW_BEAT_SIZE, "heartbeat:%llu:%llu", (unsigned long long)f->nonce,
                   (unsigned long long)f->beat_serial);
}

void pg_follow_beaten(pg_follow_core *f, bool same)
{
    f->beating = false;
    f->beat_ended = f->beat_at;
    if (!same) {
        f->follower.forgot(f->follower.user, f->received);
        f->follower.altered(f->follower.user, 0);
    }
    hear_both(f);
}

/* ---- what to do ---- */

static weir_time next_snapshot(const pg_follow_core *f)
{
    bool needed = f->state == PG_FOLLOW_DRAINING || f->first != f->next;
    return needed && !f->asking ? f->snapshot_at : WEIR_TIME_NEVER;
}

/* Nobody uses the cache: nothing is written for it. */
static weir_time next_beat(const pg_follow_core *f)
{
    if (f->state != PG_FOLLOW_FOLLOWING || f->beating || (!f->wanted && !f->hurried))
        return WEIR_TIME_NEVER;
    return f->hurried || f->beat_at == 0 ? 0 : f->beat_at + f->look_every;
}

pg_follow_next pg_follow_plan(const pg_follow_core *f, weir_time now)
{
    pg_follow_next next = {.at = WEIR_TIME_NEVER};
    if (f->state == PG_FOLLOW_LOST)
        return next;
    weir_time snapshot = next_snapshot(f);
    weir_time beat = next_beat(f);
    next.snapshot = snapshot <= now;
    next.beat = beat <= now;
    next.at = snapshot < beat ? snapshot : beat;
    return next;
}
