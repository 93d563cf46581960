/* The public face of a loop: calls go to the implementation behind it; timers and the small
 * accessors are the same for all and live here.
 *
 * Timers are re-armed for later far more often than they fire (each statement pushes its idle
 * timeout on), so a timer armed for later than its place in the heap stays there and is put right
 * when it comes up. */
#include "net/loop_ops.h"
#include "net/net.h"
#include "net/tls_stream.h"

enum { QUEUE_HIGH_DEFAULT = 256 * 1024, KEPT_MAX_DEFAULT = 64 * 1024 };

void weir_loop_start(weir_loop *loop, const weir_loop_ops *ops, const weir_loop_options *options)
{
    loop->ops = ops;
    loop->options = *options;
    loop->memory = options->memory;
    loop->spilled = NULL;
    loop->tls = NULL;
    weir_heap_init(&loop->timers);
    loop->now = ops->clock(loop);
}

void weir_loop_end(weir_loop *loop)
{
    weir_heap_fini(&loop->timers);
    weir_tls_scratch_free(loop->tls);
}

void weir_loop_drop_tasks(weir_loop *loop)
{
    if (loop && loop->ops->drop_tasks)
        loop->ops->drop_tasks(loop);
}

void weir_loop_free(weir_loop *loop)
{
    if (loop)
        loop->ops->destroy(loop);
}

void weir_loop_run(weir_loop *loop)
{
    loop->ops->run(loop);
}

void weir_loop_stop(weir_loop *loop)
{
    loop->ops->stop(loop);
}

weir_time weir_loop_now(const weir_loop *loop)
{
    return loop->now;
}

weir_time weir_loop_clock(const weir_loop *loop)
{
    return loop->ops->clock(loop);
}

int64_t weir_loop_wall_ns(const weir_loop *loop)
{
    return loop->ops->wall_ns(loop);
}

void weir_loop_random(weir_loop *loop, void *out, size_t len)
{
    loop->ops->random(loop, out, len);
}

void *weir_loop_user(const weir_loop *loop)
{
    return loop->options.user;
}

void weir_loop_post(weir_loop *loop, weir_task *task)
{
    loop->ops->post(loop, task);
}

/* ---- timers ---- */

void weir_timer_init(weir_timer *timer, void (*fire)(weir_timer *timer, weir_loop *loop))
{
    weir_heap_node_init(&timer->node);
    timer->due = WEIR_TIME_NEVER;
    timer->spilled = NULL;
    timer->fire = fire;
}

static void unspill(weir_loop *loop, const weir_timer *timer)
{
    for (weir_timer **at = &loop->spilled; *at; at = &(*at)->spilled) {
        if (*at == timer) {
            *at = timer->spilled;
            return;
        }
    }
}

/* Out of memory must not lose a timeout: what the heap cannot take is looked at each turn. */
static void place(weir_loop *loop, weir_timer *timer)
{
    if (weir_heap_push(&loop->timers, &timer->node, timer->due) < 0) {
        timer->spilled = loop->spilled;
        loop->spilled = timer;
    }
}

void weir_timer_arm(weir_loop *loop, weir_timer *timer, weir_time at)
{
    if (at == WEIR_TIME_NEVER) {
        weir_timer_disarm(loop, timer);
        return;
    }
    bool armed = timer->due != WEIR_TIME_NEVER;
    timer->due = at;
    if (weir_heap_contains(&timer->node)) {
        if (at >= timer->node.key)
            return;
        weir_heap_update(&loop->timers, &timer->node, at);
    } else if (!armed) {
        place(loop, timer);
    }
    loop->ops->timer_changed(loop);
}

void weir_timer_disarm(weir_loop *loop, weir_timer *timer)
{
    if (timer->due == WEIR_TIME_NEVER)
        return;
    timer->due = WEIR_TIME_NEVER;
    if (weir_heap_contains(&timer->node))
        weir_heap_remove(&loop->timers, &timer->node);
    else
        unspill(loop, timer);
}

static weir_timer *timer_of(weir_heap_node *node)
{
    return WEIR_CONTAINER_OF(node, weir_timer, node);
}

weir_time weir_loop_deadline(const weir_loop *loop)
{
    const weir_heap_node *min = weir_heap_min(&loop->timers);
    weir_time at = min ? min->key : WEIR_TIME_NEVER;
    for (const weir_timer *t = loop->spilled; t; t = t->spilled)
        at = t->due < at ? t->due : at;
    return at;
}

static void retry_spilled(weir_loop *loop)
{
    weir_timer *list = loop->spilled;
    loop->spilled = NULL;
    while (list) {
        weir_timer *timer = list;
        list = timer->spilled;
        place(loop, timer);
    }
}

/* One that the heap still cannot take is fired from the list; the list is read anew each time,
 * since `fire` may change it. */
static void fire_spilled(weir_loop *loop)
{
    weir_timer *timer = loop->spilled;
    while (timer) {
        if (timer->due > loop->now) {
            timer = timer->spilled;
            continue;
        }
        weir_timer_disarm(loop, timer);
        timer->fire(timer, loop);
        return;
    }
}

void weir_loop_run_timers(weir_loop *loop)
{
    if (loop->spilled) {
        retry_spilled(loop);
        fire_spilled(loop);
    }
    /* A timer that arms itself for now must not hold the turn: at most as many as there were. */
    for (size_t left = loop->timers.len; left > 0; left--) {
        weir_heap_node *min = weir_heap_min(&loop->timers);
        if (!min || min->key > loop->now)
            return;
        weir_timer *timer = timer_of(min);
        if (timer->due > min->key) { /* put right first, or a late loop fires out of order */
            weir_heap_update(&loop->timers, min, timer->due);
            continue;
        }
        weir_timer_disarm(loop, timer);
        timer->fire(timer, loop);
    }
}

/* ---- streams ---- */

static void start_stream(weir_stream *stream, const weir_stream_handler *handler, void *user)
{
    stream->handler = handler;
    stream->user = user;
}

int weir_connect(weir_loop *loop, const char *address, const weir_stream_handler *handler,
                 void *user, weir_stream **ret)
{
    weir_stream *stream = NULL;
    int r = loop->ops->connect(loop, address, &stream);
    if (r < 0)
        return r;
    start_stream(stream, handler, user);
    *ret = stream;
    return 0;
}

int weir_stream_import(weir_loop *loop, int fd, const weir_stream_handler *handler, void *user,
                       weir_stream **ret)
{
    weir_stream *stream = NULL;
    int r = loop->ops->import(loop, fd, &stream);
    if (r < 0)
        return r;
    start_stream(stream, handler, user);
    *ret = stream;
    return 0;
}

int weir_stream_export(weir_stream *stream, int *ret_fd)
{
    return stream->tls ? -ENOTSUP : stream->loop->ops->export(stream, ret_fd);
}

int weir_stream_take_kept(weir_stream *stream, weir_buf *out)
{
    const weir_loop_ops *ops = stream->loop->ops;
    return ops->take_kept && !stream->tls ? ops->take_kept(stream, out) : -ENOTSUP;
}

int weir_stream_put_kept(weir_stream *stream, weir_slice bytes)
{
    const weir_loop_ops *ops = stream->loop->ops;
    return bytes.len == 0 ? 0 : ops->put_kept ? ops->put_kept(stream, bytes) : -ENOTSUP;
}

void weir_stream_init(weir_stream *stream, weir_loop *loop)
{
    stream->loop = loop;
    stream->queue_high = QUEUE_HIGH_DEFAULT;
    stream->kept_max = KEPT_MAX_DEFAULT;
}

void weir_stream_fini(weir_stream *stream)
{
    weir_tls_free(stream->tls);
    stream->tls = NULL;
}

void weir_stream_write(weir_stream *stream, weir_slice bytes)
{
    if (stream->tls)
        weir_tls_write(stream, bytes);
    else if (bytes.len > 0)
        stream->loop->ops->write(stream, bytes);
}

size_t weir_stream_queued(const weir_stream *stream)
{
    return stream->tls ? weir_tls_queued(stream) : stream->queued;
}

bool weir_stream_congested(const weir_stream *stream)
{
    return stream->congested;
}

void weir_stream_pause(weir_stream *stream)
{
    if (stream->tls)
        weir_tls_pause(stream);
    else
        stream->loop->ops->pause(stream);
}

void weir_stream_resume(weir_stream *stream)
{
    if (stream->tls)
        weir_tls_resume(stream);
    else
        stream->loop->ops->resume(stream);
}

void weir_stream_set_limit(weir_stream *stream, size_t size_max)
{
    assert(size_max > 0);
    stream->kept_max = size_max > INT32_MAX ? INT32_MAX : (uint32_t)size_max;
}

void weir_stream_close(weir_stream *stream, weir_time linger)
{
    if (stream->tls)
        weir_tls_close(stream, linger);
    else
        stream->loop->ops->close(stream, linger);
}

void weir_stream_finish(weir_stream *stream)
{
    if (stream->tls)
        weir_tls_finish(stream);
    else
        stream->loop->ops->finish(stream);
}

void weir_stream_set_handler(weir_stream *stream, const weir_stream_handler *handler, void *user)
{
    if (stream->tls)
        stream->tls->handler = handler;
    else
        stream->handler = handler;
    stream->user = user;
}

void *weir_stream_user(const weir_stream *stream)
{
    return stream->user;
}

weir_loop *weir_stream_loop(const weir_stream *stream)
{
    return stream->loop;
}

bool weir_stream_quiet(weir_stream *stream)
{
    return stream->tls ? weir_tls_quiet(stream) : stream->loop->ops->quiet(stream);
}

bool weir_stream_hung_up(weir_stream *stream)
{
    return stream->loop->ops->hung_up && stream->loop->ops->hung_up(stream);
}

const char *weir_stream_peer(const weir_stream *stream)
{
    return stream->loop->ops->peer(stream);
}

int weir_stream_peer_uid(const weir_stream *stream, uint32_t *ret)
{
    const weir_loop_ops *ops = stream->loop->ops;
    return ops->peer_uid ? ops->peer_uid(stream, ret) : -ENOTSUP;
}

bool weir_stream_local(const weir_stream *stream)
{
    return stream->local;
}

void weir_stream_move(weir_stream *stream, weir_loop *target,
                      void (*arrived)(weir_stream *stream, void *user), void *user)
{
    if (stream->tls)
        weir_tls_move(stream, target, arrived, user);
    else
        stream->loop->ops->move(stream, target, arrived, user);
}

/* ---- listeners ---- */

int weir_listen(weir_loop *loop, const char *address, bool shared,
                const weir_listener_handler *handler, void *user, weir_listener **ret)
{
    weir_listener *listener = NULL;
    int r = loop->ops->listen(loop, address, shared, &listener);
    if (r < 0)
        return r;
    listener->handler = handler;
    listener->user = user;
    *ret = listener;
    return 0;
}

int weir_listener_import(weir_loop *loop, int fd, const weir_listener_handler *handler, void *user,
                         weir_listener **ret)
{
    weir_listener *listener = NULL;
    if (!loop->ops->listener_import)
        return -ENOTSUP;
    int r = loop->ops->listener_import(loop, fd, &listener);
    if (r < 0)
        return r;
    listener->handler = handler;
    listener->user = user;
    *ret = listener;
    return 0;
}

int weir_listener_share(const weir_listener *listener, int *ret_fd)
{
    const weir_loop_ops *ops = listener->loop->ops;
    return ops->listener_share ? ops->listener_share(listener, ret_fd) : -ENOTSUP;
}

int weir_listener_pause(weir_listener *listener, bool paused)
{
    const weir_loop_ops *ops = listener->loop->ops;
    return ops->listener_pause ? ops->listener_pause(listener, paused) : -ENOTSUP;
}

const char *weir_listener_address(const weir_listener *listener)
{
    return listener->address;
}

void *weir_listener_user(const weir_listener *listener)
{
    return listener->user;
}

void weir_listener_close(weir_listener *listener)
{
    if (listener)
        listener->loop->ops->listener_close(listener);
}
