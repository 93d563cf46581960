/* Marks along the stream, let go one by one: see follow_hold.h. */
#include "backend/postgres/follow_hold.h"
#include <assert.h>

static void let_go(pg_hold *h)
{
    h->released = h->marks[h->first].position;
    h->first = (h->first + 1) % PG_HOLD_MARKS;
    h->count--;
}

static void mark(pg_hold *h, uint64_t position, weir_time now)
{
    if (h->count == PG_HOLD_MARKS)
        let_go(h);
    unsigned at = (h->first + h->count++) % PG_HOLD_MARKS;
    h->marks[at].position = position;
    h->marks[at].at = now;
}

void pg_hold_begin(pg_hold *h, uint64_t bytes, weir_time time, uint64_t start, weir_time now)
{
    *h = (pg_hold){.bytes = bytes, .time = time, .released = start};
    mark(h, start, now);
}

void pg_hold_drop(pg_hold *h, uint64_t received)
{
    h->count = 0;
    h->released = received;
}

static bool is_due(const pg_hold *h, uint64_t received, weir_time now)
{
    if (h->count == 0)
        return received > h->released;
    unsigned last = (h->first + h->count - 1) % PG_HOLD_MARKS;
    uint64_t further = received - h->marks[last].position;
    return further > 0 && (further >= h->bytes / PG_HOLD_PARTS ||
                           now - h->marks[last].at >= h->time / (weir_time)PG_HOLD_PARTS);
}

uint64_t pg_hold_release(pg_hold *h, uint64_t received, weir_time now)
{
    if (h->bytes == 0)
        return received;
    assert(received >= h->released);
    if (is_due(h, received, now))
        mark(h, received, now);
    while (h->count > 0 &&
           (received - h->released > h->bytes || now - h->marks[h->first].at >= h->time))
        let_go(h);
    return h->released;
}
