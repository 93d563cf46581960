/* Ends clients from outside (or cancels what one does): all of a database (KILL, a database that a
 * reload took away), or one by its number (KILL_CLIENT). One task visits the workers in turn, as a
 * report does, since each client belongs to its worker's thread. */
#include "gateway/ending.h"
#include "gateway/internal.h"
#include <stdlib.h>

typedef struct ending {
    weir_task task;
    weir_gateway *gateway;
    weir_loop *home;
    weir_ending what;
    unsigned next, count;
} ending;

static bool is_meant(const weir_client *c, const weir_ending *what)
{
    if (c->state == WEIR_CLIENT_CANCEL || c->state == WEIR_CLIENT_CLOSING)
        return false;
    if (what->client && c->id != what->client)
        return false;
    if (what->client && !what->as_user)
        return true;
    if (what->as_user && (!c->user || strcmp(c->user, what->as_user) != 0))
        return false;
    return weir_session_is_open(&c->session) &&
           weir_session_database(&c->session) == what->database;
}

static void end_one(weir_client *c, const weir_ending *what)
{
    weir_error err;
    if (what->cancels) {
        weir_client_cancel(c);
        return;
    }
    if (what->gently && !weir_client_at_rest(c)) {
        c->dismissed = true;
        return;
    }
    weir_error_set(&err, "57P01", what->as_user ? "%s" : "weir: %s", what->words);
    if (what->as_user && c->relays && c->relay.sent > 0 && c->session.conn) {
        c->terminated = true; /* told when its connection is lost, which comes now */
        weir_client_cancel(c);
        c->session.conn->ops->close(c->session.conn);
        return;
    }
    weir_client_end(c, &err);
}

static void come_home(weir_task *task, weir_loop *loop)
{
    (void)loop;
    ending *e = WEIR_CONTAINER_OF(task, ending, task);
    if (e->what.done)
        e->what.done(e->what.user, e->count);
    free(e);
}

static void visit(weir_task *task, weir_loop *loop)
{
    (void)loop;
    ending *e = WEIR_CONTAINER_OF(task, ending, task);
    weir_gateway *g = e->gateway;
    weir_gateway_worker *at = &g->workers[e->next++];
    for (weir_list *n = at->clients.next; n != &at->clients;) {
        weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        n = n->next;
        if (!is_meant(c, &e->what))
            continue;
        e->count++;
        end_one(c, &e->what);
    }
    bool more = e->next < g->options.workers;
    e->task.run = more ? visit : come_home;
    weir_loop_post(more || !e->home ? g->workers[more ? e->next : 0].loop : e->home, &e->task);
}

int weir_gateway_end_clients(weir_gateway *gateway, weir_loop *home, const weir_ending *what)
{
    ending *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->gateway = gateway;
    e->home = home;
    e->what = *what;
    e->task.run = visit;
    weir_loop_post(gateway->workers[0].loop, &e->task);
    return 0;
}
