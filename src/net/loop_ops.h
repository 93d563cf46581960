/* What an implementation of net/net.h provides: net/kernel.c, the simulator (tests/sim/).
 * Users of the network include net/net.h and never this. Each struct below begins an
 * implementation's own. */
#ifndef WEIR_NET_LOOP_OPS_H
#define WEIR_NET_LOOP_OPS_H

#include "net/net.h"

typedef struct weir_loop_ops {
    void (*run)(weir_loop *loop);
    void (*stop)(weir_loop *loop);
    void (*destroy)(weir_loop *loop);
    void (*drop_tasks)(weir_loop *loop); /* NULL: there are none */
    weir_time (*clock)(const weir_loop *loop);
    int64_t (*wall_ns)(const weir_loop *loop);
    void (*random)(weir_loop *loop, void *out, size_t len);
    void (*post)(weir_loop *loop, weir_task *task);
    void (*timer_changed)(weir_loop *loop); /* the earliest deadline may have moved */
    int (*connect)(weir_loop *loop, const char *address, weir_stream **ret);
    int (*listen)(weir_loop *loop, const char *address, bool shared, weir_listener **ret);
    void (*listener_close)(weir_listener *listener);
    void (*write)(weir_stream *stream, weir_slice bytes);
    void (*pause)(weir_stream *stream);
    void (*resume)(weir_stream *stream);
    void (*close)(weir_stream *stream, weir_time linger);
    void (*finish)(weir_stream *stream);
    bool (*quiet)(weir_stream *stream);
    bool (*hung_up)(weir_stream *stream); /* NULL: not known */
    void (*move)(weir_stream *stream, weir_loop *target, void (*arrived)(weir_stream *, void *),
                 void *user);
    const char *(*peer)(const weir_stream *stream);
    int (*export)(weir_stream *stream, int *ret_fd);
    int (*import)(weir_loop *loop, int fd, weir_stream **ret);
    /* The next five may be NULL: not supported. */
    int (*take_kept)(weir_stream *stream, weir_buf *out);
    int (*put_kept)(weir_stream *stream, weir_slice bytes);
    int (*listener_import)(weir_loop *loop, int fd, weir_listener **ret);
    int (*listener_share)(const weir_listener *listener, int *ret_fd);
    int (*listener_pause)(weir_listener *listener, bool paused);
    int (*peer_uid)(const weir_stream *stream, uint32_t *ret); /* may be NULL: not supported */
} weir_loop_ops;

struct weir_loop {
    const weir_loop_ops *ops;
    weir_time now;
    weir_heap timers;
    weir_timer *spilled; /* armed while the heap could not grow */
    weir_memory *memory;
    struct weir_tls_scratch *tls; /* NULL until a stream of it goes over to TLS */
    weir_loop_options options;
};

/* For implementations. `weir_loop_start` sets up what begins every loop. */
void weir_loop_start(weir_loop *loop, const weir_loop_ops *ops, const weir_loop_options *options);
void weir_loop_end(weir_loop *loop);
/* Into zeroed memory: the loop and the default limits. */
void weir_stream_init(weir_stream *stream, weir_loop *loop);
/* Before its memory is freed. */
void weir_stream_fini(weir_stream *stream);
/* WEIR_TIME_NEVER: none. */
weir_time weir_loop_deadline(const weir_loop *loop);
/* Fires what is due at loop->now, each armed timer at most once. */
void weir_loop_run_timers(weir_loop *loop);

struct weir_stream {
    const weir_stream_handler *handler; /* TLS's own, if it has */
    void *user;
    weir_loop *loop;
    struct weir_tls *tls; /* NULL: plain */
    size_t queued;        /* unsent bytes */
    uint32_t queue_high;  /* high-water mark */
    uint32_t kept_max;    /* largest unconsumed run */
    bool congested;       /* went over the mark, not yet drained */
    bool local;
};

struct weir_listener {
    const weir_listener_handler *handler;
    void *user;
    weir_loop *loop;
    char address[120];
};

void weir_tls_flush(weir_loop *loop);

/* What was written to TLS streams becomes `write`s of ciphertext: before what is queued is sent at
 * the end of a callback. TLS (net/tls_stream.h) is a handler of the implementation's, and calls its
 * operations. Where it has closed a stream with a linger of its own accord, the user does not know
 * yet and may still move it. */
static inline void weir_loop_flush_tls(weir_loop *loop)
{
    if (loop->tls)
        weir_tls_flush(loop);
}

#endif
