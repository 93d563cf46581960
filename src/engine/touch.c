/* Writes through us, brought to the change clock when their outcome arrives.
 *
 *   (none) ──touch──► PENDING ──tell_outcome (at each outcome)──► PENDING or, final, (none)
 *                        └──────lose_outcome──► (none), behind a fence
 *
 * Invariants: what a transaction may have changed is bumped before any word of its outcome is given
 * to the client, whatever the outcome is: a committed transaction can look failed, and who retries
 * after a refusal must see fresh rows (proofs, rows 25 to 27). The position is asked for after the
 * outcome arrived (cache/changes.h). What is not known to be untouched is touched: columns that a
 * statement does not fix are (relation, column, *), and a statement that is not understood touches
 * everything. */
#include "engine/cache_internal.h"
#include "engine/surroundings.h"
#include "sql/resolve.h"
#include <stdlib.h>

#define RECORDS_MAX 64u /* more of one transaction: everything */
#define FIXED_MAX 4u
#define VALUES_MAX 256u

/* One statement's effect on one relation. */
typedef struct touched {
    uint64_t relation;
    uint64_t fixed[FIXED_MAX]; /* columns whose values, old and new, are among the `values` */
    unsigned fixed_count;
} touched;

typedef struct weir_touches {
    bool everything;
    unsigned record_count, value_count;
    touched records[RECORDS_MAX];
    uint64_t values[VALUES_MAX];
} weir_touches;

static weir_touches everything_of_all = {.everything = true}; /* never written, never freed */

static void forget(weir_session *s)
{
    if (s->touches != &everything_of_all)
        free(s->touches);
    s->touches = NULL;
}

static void touch_everything(weir_session *s)
{
    forget(s);
    s->touches = &everything_of_all;
}

/* ---- gathering ---- */

typedef struct gathering {
    weir_touches *touches;
    unsigned first; /* record of the statement */
} gathering;

static touched *record_of(gathering *g, uint64_t relation)
{
    weir_touches *t = g->touches;
    for (unsigned i = g->first; i < t->record_count; i++)
        if (t->records[i].relation == relation)
            return &t->records[i];
    if (t->record_count == RECORDS_MAX)
        return NULL;
    t->records[t->record_count] = (touched){.relation = relation};
    return &t->records[t->record_count++];
}

static bool is_fixed(const touched *r, uint64_t column)
{
    for (unsigned i = 0; i < r->fixed_count; i++)
        if (r->fixed[i] == column)
            return true;
    return false;
}

static void on_touch(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    gathering *g = user;
    weir_touches *t = g->touches;
    touched *r = record_of(g, relation);
    bool room = r && (column == 0 || t->value_count < VALUES_MAX);
    if (!room) {
        t->everything = true;
        return;
    }
    if (column == 0)
        return;
    if (!is_fixed(r, column) && r->fixed_count == FIXED_MAX)
        return; /* one more that is not fixed */
    if (!is_fixed(r, column))
        r->fixed[r->fixed_count++] = column;
    t->values[t->value_count++] = value;
}

static weir_touches *touches_of(weir_session *s)
{
    if (!s->touches)
        s->touches = calloc(1, sizeof(*s->touches));
    return s->touches;
}

/* NULL: what it touches is not known; `*ret_due`: in a moment it is. */
static const weir_footprint *footprint_of(weir_session *s, const weir_ask *ask, bool *ret_due)
{
    const weir_statement *st = ask->statement;
    const weir_template *t = st->template_id == UINT32_MAX
                                 ? NULL
                                 : weir_template_find(s->worker->engine->templates, st->template_id,
                                                      st->template_serial);
    const weir_footprint *f = t && ask->at ? weir_session_footprint(s, t, ask->at) : NULL;
    *ret_due = !f && t && ask->at && weir_footprint_is_due(t, ask->at);
    return f;
}

int weir_session_touch(weir_session *session, const weir_ask *ask, bool patient)
{
    weir_worker *w = session->worker;
    const weir_history *h = session->pools->database->history;
    bool due = false;
    if (!h || session->touches == &everything_of_all)
        return 0;
    const weir_footprint *f = atomic_load_explicit(&h->following, memory_order_acquire)
                                  ? footprint_of(session, ask, &due)
                                  : NULL;
    if (due && patient)
        return WEIR_TOUCH_LATER;
    weir_touches *t = f && !f->touches_everything ? touches_of(session) : NULL;
    if (!t || weir_sql_lex(WEIR_DIALECT_POSTGRES, ask->text, &w->lexed) < 0) {
        touch_everything(session);
        return 0;
    }
    gathering g = {.touches = t, .first = t->record_count};
    weir_arguments arguments = {.lexed = &w->lexed,
                                .utf8 = ask->at && ask->at->utf8,
                                .params = ask->params,
                                .param_count = ask->param_count,
                                .param_types = ask->param_types};
    weir_footprint_resolve_touches(f, &arguments, on_touch, &g);
    if (t->everything)
        touch_everything(session);
    return 0;
}

/* ---- the outcome ---- */

typedef struct telling {
    const weir_history *history;
    const weir_touches *touches;
    uint64_t position;
} telling;

static void bump(const telling *t, uint64_t id)
{
    weir_changes_bump(t->history->changes, WEIR_HAND_LOCAL, id, t->position);
}

static void on_tracked(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                       weir_slice column_name)
{
    const telling *t = user;
    (void)relation_name;
    (void)column_name;
    for (unsigned i = 0; i < t->touches->record_count; i++) {
        const touched *r = &t->touches->records[i];
        if (r->relation == relation && !is_fixed(r, column)) {
            bump(t, column);
            return;
        }
    }
}

void weir_session_tell_outcome(weir_session *session, bool final)
{
    const weir_history *h = session->pools->database->history;
    const weir_touches *touches = session->touches;
    if (!touches || !h)
        return;
#ifdef WEIR_TEST_FAULT_UNTOUCHED
    if (final)
        forget(session);
    return;
#endif
    telling t = {.history = h, .touches = touches, .position = weir_changes_next_local(h->changes)};
    if (touches->everything) {
        weir_changes_raise_floor(h->changes, WEIR_HAND_LOCAL, t.position);
    } else {
        for (unsigned i = 0; i < touches->record_count; i++)
            bump(&t, touches->records[i].relation);
        for (unsigned i = 0; i < touches->value_count; i++)
            bump(&t, touches->values[i]);
        weir_changes_each_tracked(h->changes, on_tracked, &t);
    }
    weir_session_note_write(session);
    if (final)
        forget(session);
}

void weir_session_lose_outcome(weir_session *session)
{
    if (!session->touches)
        return;
    weir_session_tell_outcome(session, true);
#ifdef WEIR_TEST_FAULT_FENCE_IGNORED
    return;
#endif
    weir_history *h = session->pools->database->history;
    if (h)
        atomic_store_explicit(&h->fence, weir_worker_clock(session->worker), memory_order_release);
}
