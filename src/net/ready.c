/* The turn of a readiness-based loop: see ready.h. */
#include "net/ready.h"
#include <stdlib.h>

enum { READ_SIZE_DEFAULT = 64 * 1024 };

int weir_ready_start(weir_ready_loop *loop, const weir_loop_ops *ops, const weir_socket_ops *socket,
                     const weir_loop_options *options)
{
    size_t read_size = options->read_size ? options->read_size : READ_SIZE_DEFAULT;
    uint8_t *buffer = malloc(read_size);
    if (!buffer)
        return -ENOMEM;
    weir_loop_start(&loop->base, ops, options);
    loop->socket = socket;
    loop->read_buffer = buffer;
    loop->read_size = read_size;
    loop->later_tail = &loop->later;
    loop->turn = 1;
    weir_mailbox_init(&loop->mailbox);
    weir_chunk_pool_init(&loop->chunks, options->memory);
    weir_list_init(&loop->streams);
    return 0;
}

void weir_ready_drop(weir_ready_loop *loop, weir_ready_stream *s)
{
    if (s->fd >= 0)
        loop->socket->close(&loop->base, s->fd);
    weir_chunk_give(&loop->chunks, s->kept);
    weir_chunk_give_all(&loop->chunks, s->unread);
    weir_chunk_give_all(&loop->chunks, s->out);
    weir_stream_fini(&s->base);
    free(s->peer_text);
    free(s);
}

void weir_ready_drop_tasks(weir_ready_loop *loop)
{
    /* Streams on their way here are known to nobody else; other tasks are their posters'. */
    weir_task *task = weir_mailbox_take(&loop->mailbox);
    while (task) {
        weir_task *next = atomic_load_explicit(&task->next, memory_order_relaxed);
        weir_ready_stream *s = WEIR_CONTAINER_OF(task, weir_ready_stream, u.move.task);
        if (task->run == weir_ready_arrive)
            weir_ready_drop(loop, s);
        task = next;
    }
}

void weir_ready_end(weir_ready_loop *loop)
{
    weir_ready_drop_tasks(loop);
    weir_list *link;
    while ((link = weir_list_pop_front(&loop->streams))) {
        weir_ready_stream *s = WEIR_CONTAINER_OF(link, weir_ready_stream, link);
        if (s->base.handler && s->base.handler->on_drop)
            s->base.handler->on_drop(&s->base);
        weir_ready_drop(loop, s);
    }
    weir_chunk_pool_fini(&loop->chunks);
    weir_loop_end(&loop->base);
    free(loop->read_buffer);
}

void weir_ready_later(weir_ready_stream *s, unsigned due)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->due == 0) {
        s->next_later = NULL;
        *loop->later_tail = s;
        loop->later_tail = &s->next_later;
    }
    s->due = (uint8_t)(s->due | due);
}

void weir_ready_mark_dirty(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    s->next_dirty = loop->dirty;
    loop->dirty = s;
}

void weir_ready_flush_dirty(weir_ready_loop *loop)
{
    weir_ready_stream *s;
    weir_loop_flush_tls(&loop->base);
    while ((s = loop->dirty)) {
        loop->dirty = s->next_dirty;
        s->is_dirty = false;
        if (!s->blocked)
            weir_ready_flush(s);
    }
}

/* One pass: streams that come up meanwhile wait for the next turn. What is written is sent together
 * at the end, but for streams that go now: they must not be on the list of dirty ones. */
static void run_later(weir_ready_loop *loop)
{
    weir_ready_stream *s = loop->later;
    loop->later = NULL;
    loop->later_tail = &loop->later;
    while (s) {
        weir_ready_stream *next = s->next_later;
        if (s->due & (WEIR_DUE_CLOSED | WEIR_DUE_DEPART))
            weir_ready_flush_dirty(loop);
        weir_ready_run_due(s);
        s = next;
    }
}

void weir_ready_bottom(weir_ready_loop *loop)
{
    weir_mailbox_run(&loop->mailbox, &loop->base);
    weir_loop_run_timers(&loop->base);
    run_later(loop);
    if (loop->base.options.on_turn)
        loop->base.options.on_turn(loop->base.options.user, &loop->base);
    if (!loop->socket->sends_at_wait)
        weir_ready_flush_dirty(loop);
    loop->turn++;
}
