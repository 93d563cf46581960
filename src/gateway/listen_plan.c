/* The hub's plan: see listen_plan.h.
 *
 *   dirty ──next──► flying ──done──► settled, or dirty again if wishes changed meanwhile
 *     ▲                └──failed──► dirty again, one by one; alone: refused
 *     └──want, leave, lost──
 *
 * Invariant: a channel is in `dirty` iff it is not flying and what is wanted is not what the server
 * does; it is in the map as long as it is wanted, listened to, flying, or named by a ticket. */
#include "gateway/listen_plan.h"
#include <stdlib.h>

#define BATCH_MAX 200u

static_assert(BATCH_MAX * (2 * WEIR_CHANNEL_MAX + 16) < WEIR_PLAN_TEXT_MAX, "a batch fits");

void weir_plan_init(weir_plan *plan, weir_hash_seed seed, size_t channels_max)
{
    *plan = (weir_plan){0};
    weir_map_init(&plan->channels, seed, channels_max);
    weir_list_init(&plan->dirty);
    weir_list_init(&plan->flying_channels);
    weir_list_init(&plan->waiting);
    weir_list_init(&plan->flying);
}

void weir_plan_fini(weir_plan *plan)
{
    assert(weir_list_empty(&plan->waiting) && weir_list_empty(&plan->flying));
    size_t pos = 0;
    for (weir_plan_channel *c; (c = weir_map_next(&plan->channels, &pos));)
        free(c);
    weir_map_fini(&plan->channels);
}

static weir_slice name_of(const weir_plan_channel *c)
{
    return weir_slice_make(c->name, c->len);
}

static bool wanted(const weir_plan_channel *c)
{
    for (size_t i = 0; i < WEIR_PLAN_WORKERS / 64; i++)
        if (c->workers[i])
            return true;
    return false;
}

/* Puts the channel where it belongs after anything about it has changed; may free it. */
static void place(weir_plan *plan, weir_plan_channel *c)
{
    if (c->flying)
        return;
    bool wish = wanted(c) && !c->refused;
    if (wish != c->on_server) {
        if (weir_list_empty(&c->node))
            weir_list_push_back(&plan->dirty, &c->node);
        return;
    }
    weir_list_remove(&c->node);
    if (!wanted(c) && c->tickets == 0) {
        (void)weir_map_remove(&plan->channels, name_of(c));
        free(c);
    }
}

static weir_plan_channel *channel_get(weir_plan *plan, const weir_ticket *t, int *ret)
{
    weir_plan_channel *c = weir_map_find(&plan->channels, weir_slice_make(t->name, t->len));
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    *ret = -ENOMEM;
    if (!c)
        return NULL;
    weir_list_init(&c->node);
    c->len = t->len;
    memcpy(c->name, t->name, t->len);
    *ret = weir_map_put(&plan->channels, name_of(c), c, NULL);
    if (*ret == 0)
        return c;
    free(c);
    return NULL;
}

int weir_plan_want(weir_plan *plan, weir_ticket *ticket)
{
    assert(ticket->worker < WEIR_PLAN_WORKERS);
    int r = 0;
    weir_plan_channel *c = channel_get(plan, ticket, &r);
    if (!c)
        return r;
    plan->wanted += !wanted(c);
    c->workers[ticket->worker / 64] |= UINT64_C(1) << ticket->worker % 64;
    c->refused = false;
    c->tickets++;
    ticket->channel = c;
    weir_list_push_back(&plan->waiting, &ticket->node);
    place(plan, c);
    return 0;
}

void weir_plan_sync(weir_plan *plan, weir_ticket *ticket)
{
    ticket->channel = NULL;
    weir_list_push_back(&plan->waiting, &ticket->node);
}

void weir_plan_leave(weir_plan *plan, unsigned worker, weir_slice name)
{
    weir_plan_channel *c = weir_map_find(&plan->channels, name);
    if (!c || !wanted(c))
        return;
    c->workers[worker / 64] &= ~(UINT64_C(1) << worker % 64);
    if (!wanted(c)) {
        c->established = false;
        plan->wanted--;
    }
    place(plan, c);
}

size_t weir_plan_size(const weir_plan *plan)
{
    return plan->wanted;
}

const uint64_t *weir_plan_workers(const weir_plan *plan, weir_slice name)
{
    const weir_plan_channel *c = weir_map_find(&plan->channels, name);
    return c ? c->workers : NULL;
}

bool weir_plan_settled(const weir_plan *plan)
{
    return weir_list_empty(&plan->dirty) && !plan->under_way;
}

/* ---- statements ---- */

/* "LISTEN " or another verb and the quoted name. */
static int write_command(weir_buf *out, const char *verb, weir_slice name)
{
    int r = weir_buf_printf(out, "%s \"", verb);
    for (size_t i = 0; r == 0 && i < name.len; i++) {
        if (name.data[i] == '"')
            r = weir_buf_append_u8(out, '"');
        if (r == 0)
            r = weir_buf_append_u8(out, name.data[i]);
    }
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT("\";"));
}

static int write_batch(weir_plan *plan, unsigned count, weir_buf *out)
{
    int r = 0;
    for (weir_list *n = plan->dirty.next; r == 0 && count > 0 && n != &plan->dirty; n = n->next) {
        const weir_plan_channel *c = WEIR_CONTAINER_OF(n, weir_plan_channel, node);
        r = write_command(out, c->on_server ? "UNLISTEN" : "LISTEN", name_of(c));
        count--;
    }
    if (r == 0 && out->len == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT("SELECT 1"));
    return r;
}

static void move_all(weir_list *to, weir_list *from)
{
    for (weir_list *n; (n = weir_list_pop_front(from));)
        weir_list_push_back(to, n);
}

bool weir_plan_next(weir_plan *plan, weir_buf *out, int *ret)
{
    *ret = 0;
    if (plan->under_way ||
        (weir_list_empty(&plan->dirty) && weir_list_empty(&plan->waiting) && !plan->probe))
        return false;
    unsigned count = plan->solo ? 1 : BATCH_MAX;
    weir_buf_clear(out);
    *ret = write_batch(plan, count, out);
    if (*ret < 0)
        return true;
    for (weir_list *n; count > 0 && (n = weir_list_pop_front(&plan->dirty)); count--) {
        weir_plan_channel *c = WEIR_CONTAINER_OF(n, weir_plan_channel, node);
        c->flying = true;
        c->listening = !c->on_server;
        plan->listens += c->listening;
        weir_list_push_back(&plan->flying_channels, n);
    }
    plan->solo -= plan->solo > 0;
    move_all(&plan->flying, &plan->waiting);
    plan->under_way = true;
    plan->probe = false;
    return true;
}

/* ---- answers ---- */

static void answer(weir_plan *plan, weir_ticket *t, const weir_error *err, weir_list *answered)
{
    weir_plan_channel *c = t->channel;
    if (err)
        t->err = *err;
    else
        t->err.sqlstate[0] = '\0';
    t->channel = NULL;
    weir_list_remove(&t->node);
    weir_list_push_back(answered, &t->node);
    if (!c)
        return;
    c->tickets--;
    if (!err && c->on_server && wanted(c))
        c->established = true;
    place(plan, c);
}

static bool is_answered(const weir_ticket *t)
{
    const weir_plan_channel *c = t->channel;
    return !c || c->on_server || !wanted(c);
}

/* The tickets that the round trip has answered; the others wait again, before newer ones. */
static void answer_flying(weir_plan *plan, const weir_error *err, weir_list *answered)
{
    weir_list again;
    weir_list_init(&again);
    for (weir_list *n; (n = weir_list_pop_front(&plan->flying));) {
        weir_ticket *t = WEIR_CONTAINER_OF(n, weir_ticket, node);
        if (!err && is_answered(t))
            answer(plan, t, NULL, answered);
        else
            weir_list_push_back(&again, &t->node);
    }
    move_all(&again, &plan->waiting);
    move_all(&plan->waiting, &again);
}

static void land(weir_plan *plan, bool done, bool refused)
{
    for (weir_list *n; (n = weir_list_pop_front(&plan->flying_channels));) {
        weir_plan_channel *c = WEIR_CONTAINER_OF(n, weir_plan_channel, node);
        c->flying = false;
        if (done)
            c->on_server = c->listening;
        else if (refused && c->listening)
            c->refused = true;
        c->tickets++; /* it must outlive what follows */
        place(plan, c);
        c->tickets--;
        if (!c->tickets)
            place(plan, c);
    }
    plan->listens = 0;
    plan->under_way = false;
}

/* The one LISTEN that was sent, if nobody relies on its channel yet. */
static weir_plan_channel *lone_new(const weir_plan *plan)
{
    weir_list *n = weir_list_first(&plan->flying_channels);
    weir_plan_channel *c = n ? WEIR_CONTAINER_OF(n, weir_plan_channel, node) : NULL;
    return c && c->listening && !c->established ? c : NULL;
}

/* Whoever asked for the channel, in the meantime too, is told why not. */
static void answer_refused(weir_plan *plan, weir_list *tickets, const weir_plan_channel *c,
                           const weir_error *err, weir_list *answered)
{
    for (weir_list *n = tickets->next; n != tickets;) {
        weir_ticket *t = WEIR_CONTAINER_OF(n, weir_ticket, node);
        n = n->next;
        if (t->channel == c)
            answer(plan, t, err, answered);
    }
}

bool weir_plan_done(weir_plan *plan, const weir_error *err, weir_list *answered)
{
    assert(plan->under_way);
    unsigned count = 0;
    for (weir_list *n = plan->flying_channels.next; n != &plan->flying_channels; n = n->next)
        count++;
    weir_plan_channel *refused = err && count == 1 ? lone_new(plan) : NULL;
    if (err && count > 1)
        plan->solo = count;
    if (refused) {
        answer_refused(plan, &plan->flying, refused, err, answered);
        answer_refused(plan, &plan->waiting, refused, err, answered);
    }
    land(plan, !err, refused != NULL);
    answer_flying(plan, err, answered);
    return !err || refused || count > 1;
}

/* Every channel into `all`, as on a connection that listens to nothing. True: one was relied on. */
static bool forget(weir_plan *plan, weir_list *all)
{
    bool relied = false;
    size_t pos = 0;
    weir_list_init(all);
    for (weir_plan_channel *c; (c = weir_map_next(&plan->channels, &pos));) {
        relied = relied || c->established;
        c->on_server = c->flying = false;
        weir_list_remove(&c->node);
        weir_list_push_back(all, &c->node);
    }
    plan->listens = plan->solo = 0;
    plan->probe = plan->under_way = false;
    return relied;
}

static void answer_syncs(weir_plan *plan, weir_list *answered)
{
    for (weir_list *n = plan->waiting.next; n != &plan->waiting;) {
        weir_ticket *t = WEIR_CONTAINER_OF(n, weir_ticket, node);
        n = n->next;
        if (!t->channel)
            answer(plan, t, NULL, answered);
    }
}

bool weir_plan_lost(weir_plan *plan, weir_list *answered)
{
    weir_list all;
    bool relied = forget(plan, &all);
    answer_flying(plan, NULL, answered);
    answer_syncs(plan, answered);
    for (weir_list *n; (n = weir_list_pop_front(&all));)
        place(plan, WEIR_CONTAINER_OF(n, weir_plan_channel, node));
    return relied;
}

void weir_plan_refuse(weir_plan *plan, const weir_error *err, weir_list *answered)
{
    move_all(&plan->flying, &plan->waiting); /* the older ones are in front */
    for (weir_list *n; (n = weir_list_first(&plan->flying));)
        answer(plan, WEIR_CONTAINER_OF(n, weir_ticket, node), err, answered);
}
