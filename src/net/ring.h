/* An io_uring as its one thread sees it: the two queues shared with the kernel, the system call
 * between them, and a ring of buffers that the kernel receives into. By hand, not by liburing: it
 * is little, and what is waited for and when is the whole point here. See io_uring(7),
 * io_uring_enter(2). */
#ifndef WEIR_NET_RING_H
#define WEIR_NET_RING_H

#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { RING_BUFFERS = 256, RING_BUFFER_SIZE = 8 * 1024, RING_BUFFER_GROUP = 0 };

typedef struct ring {
    int fd;
    int index;    /* of the descriptor as registered for this thread; -1: not */
    bool enabled; /* by the thread that alone may enter it */
    void *queues; /* one mapping */
    size_t queues_len;
    struct io_uring_sqe *sqes;
    size_t sqes_len;
    _Atomic unsigned *sq_head, *sq_tail, *sq_flags;
    unsigned sq_mask, sq_entries;
    unsigned sq_made; /* the tail, as we know it */
    _Atomic unsigned *cq_head, *cq_tail;
    unsigned cq_mask;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *buffers; /* one mapping, the buffers behind it */
    size_t buffers_len;
    unsigned buffers_made;
} ring;

/* What the kernel has to offer: -ENOSYS, -EPERM, -EINVAL (before 6.1), -ENOMEM. Nothing can be
 * asked of it until ring_enable. */
WEIR_MUST_CHECK int ring_open(ring *r);
void ring_close(ring *r);
/* From here on it belongs to the calling thread. */
WEIR_MUST_CHECK int ring_enable(ring *r);
/* Spares the kernel the look-up of the descriptor; a thread gives back what it has registered. */
void ring_register(ring *r);
void ring_unregister(ring *r);

/* Zeroed; goes to the kernel with the next ring_enter. NULL: the queue is full, enter first. */
struct io_uring_sqe *ring_sqe(ring *r);
/* Submits all there is, and waits until `least` completions are there, or `timeout` has passed
 * (WEIR_TIME_NEVER: none). 0, or -errno: -ETIME, -EINTR, … */
int ring_enter(ring *r, unsigned least, weir_time timeout);

/* The n-th completion that waits; NULL: there are fewer. */
static inline struct io_uring_cqe *ring_cqe(const ring *r, unsigned n)
{
    unsigned head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);
    return tail - head > n ? &r->cqes[(head + n) & r->cq_mask] : NULL;
}

/* Nothing of ours is yet to be submitted. */
static inline bool ring_submitted(const ring *r)
{
    return atomic_load_explicit(r->sq_head, memory_order_acquire) == r->sq_made;
}

/* The first one was seen. */
static inline void ring_pop(ring *r)
{
    atomic_fetch_add_explicit(r->cq_head, 1, memory_order_release);
}

/* The kernel has something for us that ring_enter alone brings into the queue. It says so in the
 * moment in which, say, a packet comes in. */
static inline bool ring_stirs(const ring *r)
{
    return atomic_load_explicit(r->sq_flags, memory_order_acquire) &
           (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/* Some completions did not fit; ring_enter brings them in when there is room. */
static inline bool ring_overflows(const ring *r)
{
    return atomic_load_explicit(r->sq_flags, memory_order_acquire) & IORING_SQ_CQ_OVERFLOW;
}

const uint8_t *ring_buffer(const ring *r, unsigned id);
void ring_give_buffer(ring *r, unsigned id);

#endif
