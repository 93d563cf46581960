/* What a read may see (coherence.h).
 *
 * Invariant: a sum's figures are the sums of its parts' figures, whatever their order. */
#include "coherence.h"
#include "wire.h"

counter keys[FAMILIES][KEYS], owners[FAMILIES][OWNERS], whole[FAMILIES];
counter movers[3][MOVERS], feeds, slate, shift, typed, sides[SIDES];
bool key_busy[FAMILIES][KEYS], key_doubtful[FAMILIES][KEYS];

void model_start(void)
{
    for (int family = 0; family < FAMILIES; family++)
        for (int i = 0; i < KEYS; i++) {
            keys[family][i].above[0] = &owners[family][i % OWNERS];
            keys[family][i].above[1] = &whole[family];
        }
}

static void each(counter *c, void (*change)(counter *at, int64_t by, int number), int64_t by,
                 int number)
{
    change(c, by, number);
    for (int i = 0; i < 2; i++)
        if (c->above[i])
            change(c->above[i], by, number);
}

static void raise_sent(counter *c, int64_t by, int number)
{
    (void)number;
    c->sent += by;
}

/* Less, where commits were lost: then ages begin anew. */
static void raise_total(counter *c, int64_t by, int number)
{
    (void)number;
    c->total += by;
    if (by < 0)
        c->ring_next = 0;
    c->ring[c->ring_next % RING].total = c->total;
    c->ring[c->ring_next++ % RING].at = wire_now();
}

static void raise_acked(counter *c, int64_t by, int way)
{
    c->acked[way] += by;
}

static void raise_own(counter *c, int64_t by, int number)
{
    c->own[number] += by;
}

void model_sends(counter *c)
{
    each(c, raise_sent, 1, 0);
}

void model_acked(counter *c, const client *by, int64_t version)
{
    if (version > c->total)
        each(c, raise_total, version - c->total, 0);
    if (version > c->acked[by->way])
        each(c, raise_acked, version - c->acked[by->way], by->way);
    if (version > c->own[by->number])
        each(c, raise_own, version - c->own[by->number], by->number);
}

void model_settle(counter *c, int64_t version)
{
    if ((version < c->total && !w.doubt) || version > c->sent)
        fail("at rest the version is %lld, not of %lld to %lld", (long long)version,
             (long long)c->total, (long long)c->sent);
    each(c, raise_sent, version - c->sent, 0);
    if (version != c->total)
        each(c, raise_total, version - c->total, 0);
    for (int way = 0; way < WAYS; way++)
        each(c, raise_acked, version - c->acked[way], way);
    for (int i = 0; i < CLIENTS_MAX; i++)
        each(c, raise_own, version - c->own[i], i);
}

int64_t model_least_of_schema(const counter *c, const client *by)
{
    return by->way == AROUND ? c->total : c->acked[by->way];
}

int64_t model_least(const counter *c, const client *by)
{
    if (by->way == AROUND || w.level == STRICT)
        return model_least_of_schema(c, by);
    return w.level == SESSION ? c->own[by->number] : 0;
}

int64_t model_state(const counter *c, int64_t least, int64_t sent)
{
    int64_t newest = c->ring_next ? c->ring[(c->ring_next - 1) % RING].at : 0;
    if (c->sent == least)
        return least;
    return c->sent == c->total && newest + w.bound < sent ? c->total : -1;
}
