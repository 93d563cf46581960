/* Notifications and queues of them: see listen_note.h. */
#include "gateway/listen_note.h"
#include <stdlib.h>

#define HEAD 9u /* type, length, process */

static void put_u32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 24);
    at[1] = (uint8_t)(v >> 16);
    at[2] = (uint8_t)(v >> 8);
    at[3] = (uint8_t)v;
}

static void put_text(uint8_t *at, weir_slice text)
{
    if (text.len)
        memcpy(at, text.data, text.len);
    at[text.len] = 0;
}

weir_note *weir_note_new(uint32_t pid, weir_slice channel, weir_slice payload)
{
    size_t frame_len = HEAD + channel.len + 1 + payload.len + 1;
    if (frame_len > UINT32_MAX / 2)
        return NULL;
    weir_note *n = malloc(sizeof(*n) + frame_len);
    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->channel_len = (uint32_t)channel.len;
    n->frame_len = (uint32_t)frame_len;
    n->frame[0] = 'A';
    put_u32(n->frame + 1, (uint32_t)frame_len - 1);
    put_u32(n->frame + 5, pid);
    put_text(n->frame + HEAD, channel);
    put_text(n->frame + HEAD + channel.len + 1, payload);
    return n;
}

weir_note *weir_note_ref(weir_note *note)
{
    atomic_fetch_add_explicit(&note->refs, 1, memory_order_relaxed);
    return note;
}

void weir_note_unref(weir_note *note)
{
    if (note && atomic_fetch_sub_explicit(&note->refs, 1, memory_order_acq_rel) == 1)
        free(note);
}

weir_slice weir_note_channel(const weir_note *note)
{
    return weir_slice_make(note->frame + HEAD, note->channel_len);
}

/* ---- queues ---- */

void weir_note_queue_init(weir_note_queue *q)
{
    *q = (weir_note_queue){.tail = &q->head};
}

weir_note *weir_note_queue_pop(weir_note_queue *q)
{
    weir_note_entry *e = q->head;
    if (!e)
        return NULL;
    q->head = e->next;
    if (!q->head)
        q->tail = &q->head;
    weir_note *note = e->note;
    q->size -= note->frame_len;
    free(e);
    return note;
}

void weir_note_queue_fini(weir_note_queue *q)
{
    for (weir_note *n; (n = weir_note_queue_pop(q));)
        weir_note_unref(n);
}

void weir_note_queue_push(weir_note_queue *q, weir_note *note, uint64_t seq, size_t size_max)
{
    weir_note_entry *e = malloc(sizeof(*e));
    if (!e) {
        q->dropped++;
        return;
    }
    while (q->head && q->size + note->frame_len > size_max) {
        weir_note_unref(weir_note_queue_pop(q));
        q->dropped++;
    }
    *e = (weir_note_entry){.note = weir_note_ref(note), .seq = seq};
    *q->tail = e;
    q->tail = &e->next;
    q->size += note->frame_len;
}

/* Behind everything of the same or a lower sequence, from `at` on. */
static weir_note_entry **insert_sorted(weir_note_entry **at, weir_note_entry *e)
{
    while (*at && (*at)->seq <= e->seq)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    return &e->next;
}

void weir_note_queue_merge(weir_note_queue *to, weir_note_queue *from,
                           bool (*wanted)(void *user, const weir_note *note, uint64_t seq),
                           void *user)
{
    weir_note_entry **at = &to->head;
    for (weir_note_entry *e = from->head, *next; e; e = next) {
        next = e->next;
        if (!wanted(user, e->note, e->seq)) {
            weir_note_unref(e->note);
            free(e);
            continue;
        }
        at = insert_sorted(at, e);
        to->size += e->note->frame_len;
        if (!e->next)
            to->tail = &e->next;
    }
    to->dropped += from->dropped;
    weir_note_queue_init(from);
}
