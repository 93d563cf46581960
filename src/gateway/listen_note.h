/* A notification on its way to many listeners, and a listener's bounded queue of them. No I/O. */
#ifndef WEIR_GATEWAY_LISTEN_NOTE_H
#define WEIR_GATEWAY_LISTEN_NOTE_H

#include "base/error.h"
#include "base/slice.h"
#include <stdatomic.h>

/* Shared by the workers and never changed: as a NotificationResponse, ready to be written. */
typedef struct weir_note {
    _Atomic unsigned refs;
    uint32_t channel_len;
    uint32_t frame_len;
    uint8_t frame[];
} weir_note;

/* One reference, the caller's. NULL: out of memory. Channel and payload must hold no zero byte. */
weir_note *weir_note_new(uint32_t pid, weir_slice channel, weir_slice payload);
weir_note *weir_note_ref(weir_note *note);
void weir_note_unref(weir_note *note);
weir_slice weir_note_channel(const weir_note *note);

static inline weir_slice weir_note_frame(const weir_note *note)
{
    return weir_slice_make(note->frame, note->frame_len);
}

typedef struct weir_note_entry {
    struct weir_note_entry *next;
    weir_note *note;
    uint64_t seq;
} weir_note_entry;

/* Ordered by `seq`. What does not fit pushes out the oldest, and is counted. */
typedef struct weir_note_queue {
    weir_note_entry *head, **tail;
    size_t size; /* bytes of the notes */
    uint64_t dropped;
} weir_note_queue;

void weir_note_queue_init(weir_note_queue *q);
void weir_note_queue_fini(weir_note_queue *q);
/* Takes a reference of its own. Out of memory: dropped and counted. `size_max` holds for the whole
 * queue, but the newest is always kept. */
void weir_note_queue_push(weir_note_queue *q, weir_note *note, uint64_t seq, size_t size_max);
/* The oldest, with its reference; NULL: empty. */
weir_note *weir_note_queue_pop(weir_note_queue *q);
/* Moves those that `wanted` says from one queue to the other, in order of `seq`, and drops the
 * rest. */
void weir_note_queue_merge(weir_note_queue *to, weir_note_queue *from,
                           bool (*wanted)(void *user, const weir_note *note, uint64_t seq),
                           void *user);

#endif
