/* The mailbox of a loop: see mailbox.h. */
#include "net/mailbox.h"

void weir_mailbox_init(weir_mailbox *box)
{
    atomic_init(&box->head, NULL);
    atomic_init(&box->sleeping, false);
}

bool weir_mailbox_push(weir_mailbox *box, weir_task *task)
{
    weir_task *head = atomic_load_explicit(&box->head, memory_order_relaxed);
    do {
        atomic_store_explicit(&task->next, head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&box->head, &head, task));
    return weir_mailbox_rouse(box);
}

bool weir_mailbox_rouse(weir_mailbox *box)
{
    /* The load first: a plain look is cheaper than an exchange while the reader is busy. */
    return atomic_load(&box->sleeping) && atomic_exchange(&box->sleeping, false);
}

weir_task *weir_mailbox_take(weir_mailbox *box)
{
    if (!atomic_load_explicit(&box->head, memory_order_relaxed))
        return NULL;
    weir_task *newest = atomic_exchange(&box->head, NULL);
    weir_task *oldest = NULL;
    while (newest) {
        weir_task *next = atomic_load_explicit(&newest->next, memory_order_relaxed);
        atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool weir_mailbox_try_sleep(weir_mailbox *box)
{
    atomic_store(&box->sleeping, true);
    if (!atomic_load(&box->head))
        return true;
    atomic_store(&box->sleeping, false);
    return false;
}

void weir_mailbox_woke(weir_mailbox *box)
{
    atomic_store_explicit(&box->sleeping, false, memory_order_relaxed);
}

void weir_mailbox_run(weir_mailbox *box, weir_loop *loop)
{
    weir_task *task = weir_mailbox_take(box);
    while (task) {
        /* `run` may free or post the task again. */
        weir_task *next = atomic_load_explicit(&task->next, memory_order_relaxed);
        task->run(task, loop);
        task = next;
    }
}
