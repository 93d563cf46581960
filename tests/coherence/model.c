/* What a read may see (coherence.h).
 *
 * Invariant: a sum's figures are the sums of its parts' figures, whatever their order. */
#include "coherence.h"
#include "wire.h"

counter keys[FAMILIES][KEYS], owners[FAMILIES][OWNERS], whole[FAMILIES];
counter movers[3][MOVERS], feeds, slate, shift, typed;
bool key_busy[FAMILIES][KEYS], key_doubtful[FAMILIES][KEYS];

void model_start(void)
{
    for (int family = 0; family < FAMILIES; family++)
        for (int i = 0; i < KEYS; i++) {
            keys[family][i].above[0] = &owners[family][i % OWNERS];
            keys[family][i].above[1] = &whole[family];
        }
}

static void each(counter *c, void (*change)(counter *at, int64_t by, enum way way), int64_t by,
                 enum way way)
{
    change(c, by, way);
    for (int i = 0; i < 2; i++)
        if (c->above[i])
            change(c->above[i], by, way);
}

static void raise_sent(counter *c, int64_t by, enum way way)
{
    (void)way;
    c->sent += by;
}

static void raise_total(counter *c, int64_t by, enum way way)
{
    (void)way;
    c->total += by;
    c->ring[c->ring_next % RING].total = c->total;
    c->ring[c->ring_next++ % RING].at = wire_now();
}

static void raise_acked(counter *c, int64_t by, enum way way)
{
    c->acked[way] += by;
}

void model_sends(counter *c)
{
    each(c, raise_sent, 1, AROUND);
}

void model_acked(counter *c, enum way way, int64_t version)
{
    if (version > c->total)
        each(c, raise_total, version - c->total, way);
    if (version > c->acked[way])
        each(c, raise_acked, version - c->acked[way], way);
}

void model_settle(counter *c, int64_t version)
{
    if (version < c->total || version > c->sent)
        fail("at rest the version is %lld, not of %lld to %lld", (long long)version,
             (long long)c->total, (long long)c->sent);
    each(c, raise_sent, version - c->sent, AROUND);
    for (int way = 0; way < WAYS; way++)
        model_acked(c, (enum way)way, version);
}

int64_t model_least(const counter *c, enum way way)
{
    return way == AROUND ? c->total : c->acked[way];
}
