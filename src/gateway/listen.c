/* The listeners' side of LISTEN: which clients of a worker want which channels. See listen.h.
 *
 *      want ──► ASKED ──answered──► ACTIVE
 *                 │  └──(is_early)─► EARLY ──(listening.c: its transaction committed)──► ACTIVE
 *                 └──refused──► gone
 *
 * Invariant: the hub was sent a WANT for a channel after the newest LEAVE of it by this worker iff
 * the worker's book has the channel. */
#include "gateway/listen_hub.h"
#include <stdlib.h>

static weir_hub_part *part_of(const weir_listener *l)
{
    return &l->hub->parts[l->worker->index];
}

/* ---- hubs ---- */

static weir_hub *hub_find(weir_hub *from, const weir_database *database, weir_slice encoding)
{
    for (; from; from = from->next)
        if (from->database == database && weir_slice_eq_cstr(encoding, from->encoding))
            return from;
    return NULL;
}

static unsigned home_of(const weir_gateway *g, const weir_database *database)
{
    uint64_t hash = weir_hash(g->options.seed, weir_slice_cstr(weir_database_name(database)));
    return (unsigned)(hash % g->options.workers);
}

static void on_missed(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_hub_part *p = WEIR_CONTAINER_OF(task, weir_hub_part, missed);
    atomic_store(&p->missed_posted, false);
    for (weir_list *n = p->listeners.next; n != &p->listeners; n = n->next) {
        weir_listener *l = WEIR_CONTAINER_OF(n, weir_listener, node);
        l->events->on_missed(l);
    }
}

static weir_hub *hub_new(weir_gateway *g, weir_database *database, weir_slice encoding)
{
    weir_hub *h = calloc(1, sizeof(*h) + g->options.workers * sizeof(weir_hub_part));
    if (!h)
        return NULL;
    h->gateway = g;
    h->database = database;
    h->stats = weir_database_listen_stats(database);
    h->home = home_of(g, database);
    if (encoding.len)
        memcpy(h->encoding, encoding.data, encoding.len);
    for (unsigned i = 0; i < g->options.workers; i++) {
        weir_hub_part *p = &h->parts[i];
        p->hub = h;
        p->missed.run = on_missed;
        weir_list_init(&p->listeners);
        weir_book_init(&p->book, g->options.seed, WEIR_HUB_CHANNELS_MAX);
    }
    weir_hub_init_home(h);
    return h;
}

static void hub_free(weir_hub *h)
{
    weir_hub_fini_home(h);
    for (unsigned i = 0; i < h->gateway->options.workers; i++)
        weir_book_fini(&h->parts[i].book);
    free(h);
}

static weir_hub *hub_get(weir_gateway *g, weir_database *database, weir_slice encoding)
{
    weir_hub *head = atomic_load_explicit(&g->hubs, memory_order_acquire);
    weir_hub *found = hub_find(head, database, encoding);
    if (found)
        return found;
    weir_hub *h = hub_new(g, database, encoding);
    while (h) {
        h->next = head;
        if (atomic_compare_exchange_weak(&g->hubs, &head, h))
            return h;
        found = hub_find(head, database, encoding); /* another worker was faster */
        if (found) {
            hub_free(h);
            return found;
        }
    }
    return NULL;
}

void weir_hubs_free(weir_gateway *gateway)
{
    for (weir_hub *h = atomic_load(&gateway->hubs), *next; h; h = next) {
        next = h->next;
        hub_free(h);
    }
}

/* ---- tickets ---- */

static weir_hub_ticket *ticket_new(const weir_listener *l, weir_ticket_kind kind, weir_slice user,
                                   weir_slice name)
{
    weir_hub_ticket *t = malloc(sizeof(*t) + user.len);
    if (!t)
        return NULL;
    t->hub = l->hub;
    t->listener = NULL;
    weir_list_init(&t->of_listener);
    weir_list_init(&t->ticket.node);
    t->ticket.kind = kind;
    t->ticket.worker = l->worker->index;
    t->ticket.channel = NULL;
    t->ticket.err.sqlstate[0] = '\0';
    t->ticket.len = name.len;
    if (name.len)
        memcpy(t->ticket.name, name.data, name.len);
    t->user_len = user.len;
    if (user.len)
        memcpy(t->user, user.data, user.len);
    return t;
}

static void ticket_send(weir_hub_ticket *t, weir_listener *listener)
{
    if (listener) {
        t->listener = listener;
        weir_list_push_back(&listener->tickets, &t->of_listener);
    }
    t->task.run = weir_hub_on_ticket;
    weir_loop_post(weir_hub_loop(t->hub, t->hub->home), &t->task);
}

/* Out of memory: the hub goes on listening, which costs it notes that nobody here wants; the next
 * one who comes and leaves puts it right. */
static void send_leave(const weir_listener *l, weir_slice name)
{
    weir_hub_ticket *t = ticket_new(l, WEIR_TICKET_LEAVE, (weir_slice){0}, name);
    if (t)
        ticket_send(t, NULL);
}

/* ---- a listener ---- */

int weir_listener_init(weir_listener *listener, weir_gateway_worker *worker,
                       weir_database *database, weir_slice encoding,
                       const weir_listener_events *events)
{
    if (encoding.len > WEIR_ENCODING_MAX)
        return -EINVAL;
    *listener = (weir_listener){.events = events, .worker = worker};
    weir_list_init(&listener->node);
    weir_list_init(&listener->members);
    weir_list_init(&listener->tickets);
    weir_note_queue_init(&listener->early);
    listener->hub = hub_get(worker->gateway, database, encoding);
    return listener->hub ? 0 : -ENOMEM;
}

void weir_listener_fini(weir_listener *listener)
{
    weir_listener_leave_all(listener);
    for (weir_list *n; (n = weir_list_pop_front(&listener->tickets));)
        WEIR_CONTAINER_OF(n, weir_hub_ticket, of_listener)->listener = NULL;
    weir_note_queue_fini(&listener->early);
}

const char *weir_listener_encoding(const weir_listener *listener)
{
    return listener->hub->encoding;
}

/* Counted as long as it has members. */
static void count_listener(weir_listener *l)
{
    bool listens = !weir_list_empty(&l->members), counted = !weir_list_empty(&l->node);
    if (listens && !counted) {
        weir_list_push_back(&part_of(l)->listeners, &l->node);
        atomic_fetch_add_explicit(&l->hub->stats->listeners, 1, memory_order_relaxed);
    } else if (!listens && counted) {
        weir_list_remove(&l->node);
        atomic_fetch_sub_explicit(&l->hub->stats->listeners, 1, memory_order_relaxed);
    }
}

weir_book_member *weir_listener_find(weir_listener *listener, weir_slice channel)
{
    return weir_book_member_find(&part_of(listener)->book, &listener->members, listener, channel);
}

int weir_listener_want(weir_listener *listener, weir_slice user, weir_slice channel)
{
    weir_book_member *m = weir_listener_find(listener, channel);
    if (channel.len > WEIR_CHANNEL_MAX)
        return -EINVAL;
    weir_hub_ticket *t = ticket_new(listener, WEIR_TICKET_WANT, user, channel);
    if (!t)
        return -ENOMEM;
    bool first;
    int r = m ? 0
              : weir_book_join(&part_of(listener)->book, &listener->members, listener, channel, &m,
                               &first);
    if (r != 0) {
        free(t);
        return r;
    }
    count_listener(listener);
    ticket_send(t, listener);
    return 0;
}

int weir_listener_sync(weir_listener *listener)
{
    weir_hub_ticket *t = ticket_new(listener, WEIR_TICKET_SYNC, (weir_slice){0}, (weir_slice){0});
    if (!t)
        return -ENOMEM;
    ticket_send(t, listener);
    return 0;
}

bool weir_listener_waits(const weir_listener *listener)
{
    return !weir_list_empty(&listener->tickets);
}

static bool is_heard(const weir_hub *h)
{
    return atomic_load_explicit(&h->shown_state, memory_order_relaxed) == WEIR_HUB_READY;
}

bool weir_listener_is_heard(const weir_listener *listener)
{
    return is_heard(listener->hub);
}

bool weir_hub_is_heard(const weir_gateway *gateway, const weir_database *database,
                       weir_slice encoding)
{
    const weir_hub *h =
        hub_find(atomic_load_explicit(&gateway->hubs, memory_order_acquire), database, encoding);
    return h && is_heard(h);
}

void weir_listener_leave(weir_listener *listener, weir_book_member *member)
{
    weir_book_channel channel = *member->channel; /* it may go with its last member */
    if (weir_book_leave(&part_of(listener)->book, member))
        send_leave(listener, weir_slice_make(channel.name, channel.len));
    count_listener(listener);
}

void weir_listener_leave_all(weir_listener *listener)
{
    for (weir_list *n; (n = weir_list_first(&listener->members));)
        weir_listener_leave(listener, weir_member_of_listener(n));
}

void weir_listener_mark(weir_listener *listener)
{
    for (weir_list *n = listener->members.next; n != &listener->members; n = n->next)
        if (weir_member_of_listener(n)->state == WEIR_MEMBER_EARLY)
            weir_member_of_listener(n)->since = part_of(listener)->seq;
}

uint64_t weir_listener_position(const weir_listener *listener)
{
    return part_of(listener)->seq;
}

/* ---- what the hub tells ---- */

static void answer_want(weir_listener *l, const weir_ticket *t)
{
    weir_book_member *m = weir_listener_find(l, weir_slice_make(t->name, t->len));
    if (t->err.sqlstate[0]) {
        if (!l->failed.sqlstate[0])
            l->failed = t->err;
        if (m && m->state == WEIR_MEMBER_ASKED)
            weir_listener_leave(l, m);
        return;
    }
    if (!m || m->state != WEIR_MEMBER_ASKED)
        return;
    m->state = l->is_early ? WEIR_MEMBER_EARLY : WEIR_MEMBER_ACTIVE;
    m->since = part_of(l)->seq;
}

void weir_hub_on_answer(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_hub_ticket *t = WEIR_CONTAINER_OF(task, weir_hub_ticket, task);
    weir_listener *l = t->listener;
    if (l) {
        weir_list_remove(&t->of_listener);
        if (t->ticket.kind == WEIR_TICKET_WANT)
            answer_want(l, &t->ticket);
    }
    free(t);
    if (!l || weir_listener_waits(l))
        return;
    weir_error failed = l->failed;
    l->failed.sqlstate[0] = '\0';
    l->events->on_answered(l, failed.sqlstate[0] ? &failed : NULL);
}

void weir_hub_on_note(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_hub_note *n = WEIR_CONTAINER_OF(task, weir_hub_note, task);
    weir_hub_part *p = &n->hub->parts[n->worker];
    size_t queue_max = weir_gateway_config(n->hub->gateway)->limits.notifications;
    uint64_t seq = ++p->seq;
    weir_book_channel *channel = weir_book_find(&p->book, weir_note_channel(n->note));
    weir_list *end = channel ? &channel->members : NULL;
    for (weir_list *at = end ? end->next : NULL; at != end; at = at->next) {
        const weir_book_member *m = weir_member_of_channel(at);
        weir_listener *l = m->listener;
        if (m->state == WEIR_MEMBER_ACTIVE)
            l->events->on_note(l, n->note, seq);
        else if (m->state == WEIR_MEMBER_EARLY)
            weir_note_queue_push(&l->early, n->note, seq, queue_max);
    }
    atomic_fetch_sub_explicit(&n->hub->flying, n->note->frame_len, memory_order_relaxed);
    weir_note_unref(n->note);
    free(n);
}

/* ---- who notified ---- */

static _Atomic uint64_t *notifier_slot(weir_hub *h, uint32_t server_pid)
{
    return &h->notifiers[(server_pid * UINT32_C(2654435761)) >> 22];
}

static_assert(WEIR_HUB_NOTIFIERS == 1u << (32 - 22), "the hash's top bits choose the slot");

void weir_hubs_note_notifier(weir_gateway *gateway, const weir_database *database,
                             uint32_t server_pid, uint32_t client_pid)
{
    for (weir_hub *h = atomic_load_explicit(&gateway->hubs, memory_order_acquire); h; h = h->next)
        if (h->database == database)
            atomic_store_explicit(notifier_slot(h, server_pid),
                                  (uint64_t)server_pid << 32 | client_pid, memory_order_relaxed);
}

uint32_t weir_hub_notifier(weir_hub *hub, uint32_t server_pid)
{
    uint64_t known = atomic_load_explicit(notifier_slot(hub, server_pid), memory_order_relaxed);
    return known >> 32 == server_pid ? (uint32_t)known : server_pid;
}
