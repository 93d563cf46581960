/* Judges what a read gave: stale, more than there ever was, or not what it has to be. */
#include "coherence.h"
#include "wire.h"

static void note_staleness(int64_t age)
{
    unsigned bucket = 0;
    for (int64_t ms = age / 1000000; ms > 0 && bucket + 1 < BUCKETS; ms /= 2)
        bucket++;
    w.staleness[bucket]++;
    if (age > w.stalest)
        w.stalest = age;
}

void judge_age(client *c, const statement *s, const counter *of, int64_t seen)
{
    int64_t oldest = 0;
    if (seen >= of->total)
        return;
    unsigned from = of->ring_next > RING ? of->ring_next - RING : 0;
    for (unsigned i = of->ring_next; i > from && of->ring[(i - 1) % RING].total > seen; i--)
        oldest = of->ring[(i - 1) % RING].at;
    if (oldest == 0 || oldest >= s->sent)
        return; /* acknowledged after it was asked */
    int64_t age = s->sent - oldest;
    note_staleness(age);
    if (age > w.bound)
        blame(c, s, "saw %lld, although the next was acknowledged %lld ms before", (long long)seen,
              (long long)(age / 1000000));
}

static void judge_cell(client *c, const statement *s, const cell *expected, int64_t seen)
{
    bool doubtful = s->doubtful || w.doubt;
    if (!expected->of) {
        if (seen != expected->least && !doubtful)
            blame(c, s, "saw %lld where %lld has to be", (long long)seen,
                  (long long)expected->least);
        return;
    }
    if (seen < expected->least && !doubtful)
        blame(c, s, "stale: saw %lld, had been told of %lld", (long long)seen,
              (long long)expected->least);
    if (seen > expected->of->sent)
        blame(c, s, "saw %lld, but only %lld were ever sent", (long long)seen,
              (long long)expected->of->sent);
    if (!doubtful)
        judge_age(c, s, expected->of, seen);
}

void judge(client *c, statement *s)
{
    if (!s->done || s->failed || (s->expected == 0 && !s->check))
        return;
    w.reads++;
    if (s->check) {
        if (!s->doubtful && !w.doubt)
            s->check(c, s);
        return;
    }
    if (s->rows != 1 || s->columns != s->expected) {
        blame(c, s, "%u rows of %u columns, not 1 of %u", s->rows, s->columns, s->expected);
        return;
    }
    for (unsigned i = 0; i < s->expected; i++)
        judge_cell(c, s, &s->cells[i], s->value[0][i]);
}
