/* Many posters, one reader: a lock-free stack that the reader takes whole and turns round, so that
 * each poster's tasks run in the order of posting. Private to net/ and the simulator.
 *
 * The reader says when it is about to sleep; only then does a poster have to wake it. Both sides
 * use sequentially consistent operations: the poster's "push, then look at sleeping" and the
 * reader's "set sleeping, then look at the stack" cannot both miss the other (Dekker). */
#ifndef WEIR_NET_MAILBOX_H
#define WEIR_NET_MAILBOX_H

#include "net/net.h"

typedef struct weir_mailbox {
    weir_task *_Atomic head;
    atomic_bool sleeping;
} weir_mailbox;

void weir_mailbox_init(weir_mailbox *box);
/* From any thread. True: the reader sleeps and must be woken (told to one poster only). */
WEIR_MUST_CHECK bool weir_mailbox_push(weir_mailbox *box, weir_task *task);
/* All that is there, oldest first, linked by `next`. */
weir_task *weir_mailbox_take(weir_mailbox *box);
/* False: something is there, do not sleep. */
WEIR_MUST_CHECK bool weir_mailbox_try_sleep(weir_mailbox *box);
void weir_mailbox_woke(weir_mailbox *box);
/* True: the reader slept (or was about to) and must be woken. */
WEIR_MUST_CHECK bool weir_mailbox_rouse(weir_mailbox *box);
/* Takes and runs all that is there. */
void weir_mailbox_run(weir_mailbox *box, weir_loop *loop);

#endif
