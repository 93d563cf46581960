/* Notifications of the embedded databases between workers. Each worker has an inbox, which others
 * fill and it alone empties; its own go through it, too, so that they do not overtake.
 *
 * Invariant: `posted` exactly while the task is on its way, and it is while others' letters are in
 * the inbox. What does not fit is counted, and everyone who listens there is told. */
#include "gateway/ears.h"
#include "base/spin.h"
#include "gateway/client.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define INBOX_SIZE_MAX (64u * 1048576u)

typedef struct letter {
    struct letter *next;
    const weir_database *database;
    weir_note *note;
} letter;

struct weir_ears {
    weir_gateway_worker *worker;
    weir_list ears; /* the worker's */
    _Atomic unsigned count;
    weir_task task;
    weir_spin lock; /* over what follows */
    letter *head, **tail;
    size_t size;
    uint64_t lost;
    bool posted;
};

static letter *take(weir_ears *e, bool called, uint64_t *ret_lost)
{
    weir_spin_lock(&e->lock);
    letter *all = e->head;
    *ret_lost = e->lost;
    e->head = NULL;
    e->tail = &e->head;
    e->size = 0;
    e->lost = 0;
    e->posted &= !called;
    weir_spin_unlock(&e->lock);
    return all;
}

/* `called`: by the task, which may be posted again from here on. */
static void hear(weir_ears *e, bool called)
{
    uint64_t lost = 0;
    letter *next = NULL;
    for (letter *at = take(e, called, &lost); at; at = next) {
        next = at->next;
        for (weir_list *n = e->ears.next; n != &e->ears; n = n->next)
            weir_local_hear(n, at->database, at->note);
        weir_note_unref(at->note);
        free(at);
    }
    for (weir_list *n = e->ears.next; lost > 0 && n != &e->ears; n = n->next)
        weir_local_missed(n, lost);
}

static void on_posted(weir_task *task, weir_loop *loop)
{
    (void)loop;
    hear(WEIR_CONTAINER_OF(task, weir_ears, task), true);
}

int weir_ears_new(weir_gateway_worker *worker, weir_ears **ret)
{
    weir_ears *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->worker = worker;
    e->tail = &e->head;
    e->task.run = on_posted;
    weir_list_init(&e->ears);
    *ret = e;
    return 0;
}

void weir_ears_free(weir_ears *ears)
{
    uint64_t lost = 0;
    letter *next = NULL;
    for (letter *at = ears ? take(ears, true, &lost) : NULL; at; at = next) {
        next = at->next;
        weir_note_unref(at->note);
        free(at);
    }
    free(ears);
}

void weir_client_listen(void *client, weir_list *ear)
{
    weir_ears *e = ((weir_client *)client)->worker->ears;
    weir_list_push_back(&e->ears, ear);
    atomic_fetch_add(&e->count, 1);
}

void weir_client_unlisten(void *client, weir_list *ear)
{
    weir_list_remove(ear);
    atomic_fetch_sub(&((weir_client *)client)->worker->ears->count, 1);
}

/* NULL, or what does not fit: lost. True: its worker must be called. */
static bool put(weir_ears *e, letter *l, bool own)
{
    weir_spin_lock(&e->lock);
    if (l && e->size + l->note->frame_len <= INBOX_SIZE_MAX) {
        *e->tail = l;
        e->tail = &l->next;
        e->size += l->note->frame_len;
        l = NULL;
    } else {
        e->lost++;
    }
    bool call = !own && !e->posted;
    e->posted |= call;
    weir_spin_unlock(&e->lock);
    if (l) {
        weir_note_unref(l->note);
        free(l);
    }
    return call;
}

static void send(weir_ears *e, const weir_database *database, weir_note *note, bool own)
{
    letter *l = malloc(sizeof(*l));
    if (l)
        *l = (letter){.database = database, .note = weir_note_ref(note)};
    bool call = put(e, l, own);
    if (own)
        hear(e, false);
    else if (call)
        weir_loop_post(e->worker->loop, &e->task);
}

void weir_client_publish(void *client, weir_note *note)
{
    const weir_client *c = client;
    const weir_database *database = weir_session_database(&c->session);
    weir_gateway *g = c->worker->gateway;
    for (unsigned i = 0; i < g->options.workers; i++) {
        weir_ears *e = g->workers[i].ears;
        if (atomic_load(&e->count) > 0)
            send(e, database, note, &g->workers[i] == c->worker);
    }
}
