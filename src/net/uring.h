/* io_uring's poller, private to its two files: uring.c (slots, the streams' sockets, the loop) and
 * uring_work.c (what is asked of the kernel, and what it answers).
 *
 * Each descriptor has a slot, which says what is wished for and what the kernel is at. Where they
 * differ, the slot is on the list of changed ones, and is put right before the next wait:
 *
 *   wish ──tell──► changed ──put_right──► armed (operations under way) ──last completion──► changed
 *
 * The kernel knows a slot by its address, so it lives, dead, until its operations have ended; they
 * also hold the open file, so that a closed descriptor is gone for the peer once they are
 * cancelled. */
#ifndef WEIR_NET_URING_H
#define WEIR_NET_URING_H

#include "net/kernel.h"
#include "net/ring.h"
#include <pthread.h>

/* Operations; in the low bits of what the kernel gives back, and bits of `armed`. */
enum { URING_NONE = 0, URING_RECV = 1, URING_POLL = 2, URING_SEND = 4, URING_MASK = 7 };

typedef struct uring_slot {
    weir_list link; /* in loop->slots */
    struct uring_slot *next_changed, *next_sending;
    void *object;
    int fd;
    int error;         /* that ended receiving */
    uint32_t polled;   /* what the poll under way asks for */
    uint32_t looked;   /* the turn in which receiving last emptied the socket */
    uint8_t kind;      /* kernel_kind */
    uint8_t wish;      /* bits of ready.h */
    uint8_t armed;     /* under way */
    uint8_t cancelled; /* of those, on their way out */
    uint8_t bulk;      /* of late, completions filled their buffers: there is more behind them */
    uint8_t watched;   /* as told to loop->others; 0: not there */
    bool changed : 1;
    bool ended : 1;       /* the peer's direction */
    bool half_closed : 1; /* a poll told so, as each would again: loop->others does instead */
    bool sending : 1;
    bool dead : 1; /* `object` and `fd` are gone */
} uring_slot;

typedef struct uring_loop {
    kernel_loop base;
    ring ring;
    epoll_set others; /* listeners, foreign descriptors, streams that are half closed */
    pthread_t owner;  /* once the ring is enabled */
    uring_slot **by_fd;
    size_t by_fd_len;
    weir_list slots;
    uring_slot *changed;
    uring_slot *now; /* whose completion is being handed out, with these bytes */
    weir_slice now_bytes;
    uring_slot *sending; /* in this turn's ring_enter */
} uring_loop;

static inline uring_slot *uring_find(const uring_loop *loop, int fd)
{
    return (size_t)fd < loop->by_fd_len ? loop->by_fd[fd] : NULL;
}

static inline void uring_change(uring_loop *loop, uring_slot *slot)
{
    if (slot->changed)
        return;
    slot->changed = true;
    slot->next_changed = loop->changed;
    loop->changed = slot;
}

/* ---- uring_work.c ---- */
/* The slot of a completion, or of what is under way. */
uring_slot *uring_slot_of(uint64_t name);
/* Asks the kernel for what is wished and not under way, and cancels what is not wished. */
void uring_put_all_right(uring_loop *loop);
/* As told to loop->others: bits of ready.h, 0 takes the descriptor out. */
void uring_watch(uring_loop *loop, uring_slot *slot, unsigned now);
/* What was written in this turn: begins its sending, and after ring_enter takes in what came of
 * it. */
void uring_submit_sends(uring_loop *loop);
void uring_take_sent(uring_loop *loop);
/* Hands out the completions that wait. */
void uring_dispatch(uring_loop *loop);
/* Ends what is under way for the slot, now; what had come before is taken in. */
void uring_settle(uring_loop *loop, uring_slot *slot);
void uring_free_slot(uring_slot *slot);

#endif
