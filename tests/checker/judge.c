/* See judge.h.
 *
 *   lo  the newest commit that somebody knew of, through Weir, before the read was sent. For what
 *       the outsider writes too: its commits count once they are older than the bound, and one
 *       that is younger, with all after it, need not be seen.
 *   hi  the state before the first commit that began after the read was answered.
 *
 * The states are replayed once; each read is asked on the states of its interval until one fits. */
#include "judge.h"
#include "replay.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 5, OLDER_MAX = 100000 };

typedef struct ask {
    uint32_t statement;
    uint32_t lo, hi;
    char *on_lo; /* the answer on state lo, while no state has fitted; NULL: an error */
} ask;

/* A moment, and a state. */
typedef struct mark {
    int64_t at;
    uint32_t state;
} mark;

typedef struct intervals {
    mark *known; /* by time: the newest state known by then */
    mark *begun; /* by time: the oldest state that began then or later */
    size_t known_count, begun_count;
    const history *history;
    judge_promise promise;
} intervals;

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const mark *)a)->at, y = ((const mark *)b)->at;
    return (x > y) - (x < y);
}

static void intervals_init(intervals *v, const history *h, judge_promise promise)
{
    *v = (intervals){.history = h, .promise = promise};
    v->known = zeroed(h->count, sizeof(*v->known));
    v->begun = zeroed(h->count, sizeof(*v->begun));
    for (uint32_t i = 0; i < h->count; i++) {
        const commit *c = &h->commits[i];
        if (c->unit != NO_UNIT && c->finished)
            v->known[v->known_count++] = (mark){c->finished, i + 1};
        v->begun[v->begun_count++] = (mark){c->begun, i + 1};
    }
    qsort(v->known, v->known_count, sizeof(*v->known), by_time);
    qsort(v->begun, v->begun_count, sizeof(*v->begun), by_time);
    for (size_t i = 1; i < v->known_count; i++) {
        if (v->known[i].state < v->known[i - 1].state)
            v->known[i].state = v->known[i - 1].state;
    }
    for (size_t i = v->begun_count; i-- > 1;) {
        if (v->begun[i - 1].state > v->begun[i].state)
            v->begun[i - 1].state = v->begun[i].state;
    }
}

static void intervals_fini(intervals *v)
{
    free(v->known);
    free(v->begun);
}

/* How many marks are before `at`. */
static size_t marks_before(const mark *marks, size_t count, int64_t at)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (marks[middle].at < at)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static uint32_t lowest(const intervals *v, const statement *s)
{
    size_t known = marks_before(v->known, v->known_count, s->sent - v->promise.lag);
    uint32_t lo = known ? v->known[known - 1].state : 0;
    if (!s->shared)
        return lo;
    for (uint32_t i = 0; i < v->history->count; i++) {
        const commit *c = &v->history->commits[i];
        if (c->unit != NO_UNIT)
            continue;
        if (c->finished > s->sent - v->promise.bound)
            return i < lo ? i : lo;
        lo = i + 1 > lo ? i + 1 : lo;
    }
    return lo;
}

static uint32_t highest(const intervals *v, const statement *s)
{
    size_t before = marks_before(v->begun, v->begun_count, s->answered);
    return before < v->begun_count ? v->begun[before].state - 1 : (uint32_t)v->history->count;
}

static int by_lo(const void *a, const void *b)
{
    uint32_t x = ((const ask *)a)->lo, y = ((const ask *)b)->lo;
    return (x > y) - (x < y);
}

/* The reads that were answered, in the order of their first states. */
static ask *collect(const record *r, const intervals *v, size_t *ret_count, judge_verdict *verdict)
{
    size_t count = 0;
    ask *asks = zeroed(r->count, sizeof(*asks));
    for (uint32_t i = 0; i < r->count; i++) {
        const statement *s = &r->statements[i];
        if (s->role != ROLE_READ || !s->answered)
            continue;
        verdict->reads++;
        if (s->outcome == OUTCOME_DONE)
            asks[count++] = (ask){i, lowest(v, s), highest(v, s), NULL};
        else if (verdict->refused++ < TOLD_MAX)
            printf("checker: a read was refused: %s: %s\n", s->sqlstate, s->sql);
    }
    qsort(asks, count, sizeof(*asks), by_lo);
    *ret_count = count;
    return asks;
}

/* ---- telling ---- */

static void print_params(const statement *s)
{
    for (unsigned i = 0; i < s->param_count; i++) {
        const param *p = &s->params[i];
        if (p->is_text)
            printf("  $%u = '%s'", i + 1, p->text);
        else
            printf("  $%u = %" PRId64 "%s%s", i + 1, p->number, p->typed ? "" : " (untyped)",
                   p->binary ? " (binary)" : "");
    }
    printf("%s", s->param_count ? "\n" : "");
}

static void print_commits(const record *r, const history *h, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to && i < h->count; i++) {
        const commit *c = &h->commits[i];
        const char *sql = c->sql ? c->sql : r->statements[r->units[c->unit].first].sql;
        printf("    state %u: op %" PRId64 ", sent %" PRId64 " known %" PRId64 ": %s\n", i + 1,
               c->op, c->begun, c->finished, sql);
    }
}

/* The newest state before `lo` that gives this answer: how old it is. */
static int64_t last_fit(const record *r, const history *h, const ask *a)
{
    int64_t found = -1;
    const statement *s = &r->statements[a->statement];
    replay *p = replay_new();
    for (uint32_t state = 0; state < a->lo; state++) {
        const char *error, *text = NULL;
        if (state)
            (void)replay_commit(p, r, &h->commits[state - 1]);
        if (a->lo - state < OLDER_MAX)
            text = replay_read(p, s, &error);
        if (text && s->result && strcmp(text, s->result) == 0)
            found = state;
    }
    replay_free(p);
    return found;
}

static void print_violation(const record *r, const history *h, const ask *a)
{
    const statement *s = &r->statements[a->statement];
    printf("checker: VIOLATION: a read (client %u, statement %u%s) is not of its time\n  %s\n",
           s->client, a->statement, s->unit == NO_UNIT ? "" : ", in a transaction", s->sql);
    print_params(s);
    printf("  sent %" PRId64 " answered %" PRId64 ", states %u to %u\n  got      %s"
           "  expected %s\n",
           s->sent, s->answered, a->lo, a->hi, s->result ? s->result : "nothing\n",
           a->on_lo ? a->on_lo : "an error\n");
    int64_t fit = last_fit(r, h, a);
    if (fit < 0)
        printf("  no earlier state gives that answer\n");
    else
        printf("  it is the answer of state %" PRId64 "; since then:\n", fit);
    uint32_t from = fit < 0 || a->lo - fit > 8 ? a->lo - (a->lo > 4 ? 4 : a->lo) : (uint32_t)fit;
    if (fit >= 0 && from != fit)
        print_commits(r, h, (uint32_t)fit, (uint32_t)fit + 1);
    print_commits(r, h, from, a->hi < from + 12 ? a->hi : from + 12);
}

/* ---- judging ---- */

static char *copy(const char *text)
{
    char *c = text ? strdup(text) : NULL;
    if (text && !c)
        fail("out of memory");
    return c;
}

/* True: this state gives the answer. */
static bool fits(replay *p, const record *r, ask *a, uint32_t state, judge_verdict *verdict)
{
    const char *error;
    const statement *s = &r->statements[a->statement];
    const char *text = replay_read(p, s, &error);
    verdict->evaluated++;
    if (text && s->result && strcmp(text, s->result) == 0)
        return true;
    if (state == a->lo)
        a->on_lo = copy(text ? text : error);
    return false;
}

/* The reads asks[from … to) that no state has fitted yet, on this state. Those that fit, and those
 * whose last state it was, are taken out; returns the new end. */
static size_t ask_all(replay *p, const record *r, const history *h, ask *open, size_t count,
                      uint32_t state, judge_verdict *verdict)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ask *a = &open[i];
        bool fitted = fits(p, r, a, state, verdict);
        if (!fitted && state < a->hi) {
            open[left++] = *a;
            continue;
        }
        if (!fitted && verdict->violations++ < TOLD_MAX)
            print_violation(r, h, a);
        free(a->on_lo);
    }
    return left;
}

void judge(const record *r, const history *h, judge_promise promise, sqlite3 *db,
           judge_verdict *ret)
{
    size_t count, next = 0, open_count = 0;
    intervals v;
    *ret = (judge_verdict){0};
    intervals_init(&v, h, promise);
    ask *asks = collect(r, &v, &count, ret);
    ask *open = zeroed(count, sizeof(*open));
    replay *p = replay_new();
    for (uint32_t state = 0; state <= h->count; state++) {
        if (state)
            ret->violations += replay_commit(p, r, &h->commits[state - 1]);
        while (next < count && asks[next].lo == state)
            open[open_count++] = asks[next++];
        open_count = ask_all(p, r, h, open, open_count, state, ret);
    }
    ret->violations += replay_compare(p, db);
    replay_free(p);
    intervals_fini(&v);
    free(asks);
    free(open);
}
