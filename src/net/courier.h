/* Work of one loop that is done on an executor's thread and comes back: a loop's side of it, which
 * may end while work is still away.
 *
 *   send ──► away, on the executor ──► back, on the loop
 *                                 └──► dropped, there, if the courier was closed meanwhile
 *
 * Ownership: a trip is the courier's from `send` to the beginning of `back` or `dropped`, of which
 * exactly one is called. */
#ifndef WEIR_NET_COURIER_H
#define WEIR_NET_COURIER_H

#include "base/spin.h"
#include "net/net.h"

typedef struct weir_courier weir_courier;

typedef struct weir_trip {
    weir_job job;
    struct weir_trip *next;
    weir_courier *courier;
    void (*away)(struct weir_trip *trip);
    void (*back)(struct weir_trip *trip);
    void (*dropped)(struct weir_trip *trip); /* on either thread */
} weir_trip;

/* In place; it must outlive what it sends. */
struct weir_courier {
    weir_loop *loop;
    weir_executor *executor;
    weir_task task;
    weir_spin lock; /* of all below */
    weir_trip *first, **tail;
    bool posted, closed;
};

void weir_courier_init(weir_courier *courier, weir_loop *loop, weir_executor *executor);
/* On the loop's thread. */
void weir_courier_send(weir_courier *courier, weir_trip *trip);
/* On the loop's thread: nothing comes back any more. What has come is dropped. */
void weir_courier_close(weir_courier *courier);

#endif
