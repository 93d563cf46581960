/* Work that is away from its loop and comes back: see courier.h. */
#include "net/courier.h"

static weir_trip *take_all(weir_courier *c)
{
    weir_spin_lock(&c->lock);
    weir_trip *first = c->first;
    c->first = NULL;
    c->tail = &c->first;
    c->posted = false;
    weir_spin_unlock(&c->lock);
    return first;
}

static void arrive(weir_task *task, weir_loop *loop)
{
    weir_courier *c = WEIR_CONTAINER_OF(task, weir_courier, task);
    (void)loop;
    for (weir_trip *t = take_all(c), *next; t; t = next) {
        next = t->next;
        if (c->closed) /* by the one before */
            t->dropped(t);
        else
            t->back(t);
    }
}

/* On the executor's thread. Posts under the lock: once it is closed, the loop may go. */
static void travel(weir_job *job)
{
    weir_trip *t = WEIR_CONTAINER_OF(job, weir_trip, job);
    weir_courier *c = t->courier;
    t->away(t);
    weir_spin_lock(&c->lock);
    bool closed = c->closed;
    if (!closed) {
        t->next = NULL;
        *c->tail = t;
        c->tail = &t->next;
        if (!c->posted)
            weir_loop_post(c->loop, &c->task);
        c->posted = true;
    }
    weir_spin_unlock(&c->lock);
    if (closed)
        t->dropped(t);
}

void weir_courier_init(weir_courier *courier, weir_loop *loop, weir_executor *executor)
{
    *courier = (weir_courier){.loop = loop, .executor = executor, .task = {.run = arrive}};
    courier->tail = &courier->first;
}

void weir_courier_send(weir_courier *courier, weir_trip *trip)
{
    assert(!courier->closed);
    trip->courier = courier;
    trip->job.run = travel;
    weir_executor_submit(courier->executor, &trip->job);
}

void weir_courier_close(weir_courier *courier)
{
    weir_spin_lock(&courier->lock);
    courier->closed = true;
    weir_spin_unlock(&courier->lock);
    for (weir_trip *t = take_all(courier), *next; t; t = next) {
        next = t->next;
        t->dropped(t);
    }
}
