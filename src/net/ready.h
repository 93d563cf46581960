/* What readiness-based loops share: the turn, and streams over sockets that say "readable" and
 * "writable". Below it, weir_socket_ops: the kernel's sockets (net/epoll.c) or the simulator's
 * (tests/sim/), so that what is simulated is the very code that runs. Private to both.
 *
 * A turn: events, each followed by a flush of the streams written to meanwhile; then tasks, timers,
 * and the streams' delayed callbacks (weir_ready_bottom). What comes up during the bottom waits for
 * the next turn, so nobody can hold the loop; memory of closed streams is freed only there, so that
 * later events of the same batch may still name them. */
#ifndef WEIR_NET_READY_H
#define WEIR_NET_READY_H

#include "net/address.h"
#include "net/chunk.h"
#include "net/loop_ops.h"
#include "net/mailbox.h"
#include <sys/types.h>
#include <sys/uio.h>

typedef struct weir_ready_stream weir_ready_stream;

/* What happened to a socket, and (the first two) what to tell about. */
enum {
    WEIR_READY_IN = 1,
    WEIR_READY_OUT = 2,
    WEIR_READY_HUP = 4,     /* both directions have ended; told unasked */
    WEIR_READY_ERROR = 8,   /* told unasked */
    WEIR_READY_WATCHED = 16 /* in `interest` alone: registered at all */
};

/* None blocks; negative results are -errno. */
typedef struct weir_socket_ops {
    ssize_t (*recv)(weir_loop *loop, int fd, void *buf, size_t len); /* 0: ended; -EAGAIN */
    ssize_t (*send)(weir_loop *loop, int fd, const struct iovec *iov, int count); /* -EAGAIN */
    int (*interest)(weir_loop *loop, weir_ready_stream *stream, unsigned old, unsigned now);
    void (*shutdown)(weir_loop *loop, int fd);
    void (*close)(weir_loop *loop, int fd);
    int (*error)(weir_loop *loop, int fd); /* the pending error, 0 or -errno; clears it */
    bool (*quiet)(weir_loop *loop, int fd);
    bool (*hung_up)(weir_loop *loop, int fd); /* the peer has ended its side; NULL: not known */
    /* The stream goes elsewhere: tells no more of it, and puts what was received for it and not
     * read into `unread`. May be NULL: interest 0 does. */
    void (*leave)(weir_loop *loop, weir_ready_stream *stream);
    /* It was paused or resumed. May be NULL. */
    void (*paused)(weir_loop *loop, weir_ready_stream *stream);
    bool sends_at_wait;  /* what was written to is sent by the loop, all at once, when it waits */
    bool short_is_empty; /* a recv that gets less than it has room for saw the socket empty */
} weir_socket_ops;

typedef struct weir_ready_loop {
    weir_loop base;
    const weir_socket_ops *socket;
    weir_mailbox mailbox;
    weir_chunk_pool chunks;
    uint8_t *read_buffer; /* one for all streams: bytes are handed straight from it */
    size_t read_size;
    weir_list streams;
    weir_ready_stream *dirty;       /* written to since the last flush */
    weir_ready_stream *later;       /* have `due` bits, oldest first */
    weir_ready_stream **later_tail; /* where the next one goes */
    uint32_t turn;
} weir_ready_loop;

typedef enum weir_ready_state {
    WEIR_READY_OPENING,
    WEIR_READY_OPEN,
    WEIR_READY_CLOSING, /* lingers until what is queued was sent */
    WEIR_READY_CLOSED,  /* on_close is due */
    WEIR_READY_MOVING
} weir_ready_state;

struct weir_ready_stream {
    weir_stream base;
    weir_list link; /* in loop->streams, but while moving */
    weir_ready_stream *next_dirty;
    weir_ready_stream *next_later;
    weir_chunk *kept;   /* NULL when all was consumed */
    weir_chunk *unread; /* received by the loop itself; weir_ready_recv takes it first */
    weir_chunk *out, *out_last;
    union {
        weir_timer linger; /* CLOSING */
        struct {           /* MOVING */
            weir_task task;
            void (*arrived)(weir_stream *stream, void *user);
            void *user;
            weir_loop *target;
        } move;
    } u;
    char *peer_text; /* made when first asked for */
    weir_peer peer;
    int fd;
    int error;
    uint32_t looked; /* the turn in which the socket was last seen empty */
    uint8_t state;
    uint8_t interest; /* as last told to the socket */
    uint8_t due;      /* what the bottom of the turn has to do */
    bool paused : 1;
    bool blocked : 1;    /* the kernel took no more */
    bool ended : 1;      /* the peer's direction */
    bool finishing : 1;  /* ours, when the queue is empty */
    bool finished : 1;   /* ours */
    bool discarding : 1; /* CLOSING, and the peer is still sending */
    bool is_dirty : 1;
    bool broken : 1; /* MOVING: `error` is to be told where it arrives */
};

/* Sets up what follows weir_loop in zeroed memory. -ENOMEM. */
WEIR_MUST_CHECK int weir_ready_start(weir_ready_loop *loop, const weir_loop_ops *ops,
                                     const weir_socket_ops *socket,
                                     const weir_loop_options *options);
/* Drops every stream without callbacks. */
void weir_ready_end(weir_ready_loop *loop);
void weir_ready_drop_tasks(weir_ready_loop *loop);
/* After each event. */
void weir_ready_flush_dirty(weir_ready_loop *loop);
/* After the events: tasks, timers, delayed callbacks, on_turn. */
void weir_ready_bottom(weir_ready_loop *loop);
static inline bool weir_ready_has_work(const weir_ready_loop *loop)
{
    return loop->later != NULL;
}

/* A stream over a socket. `state` is OPENING (tell when it becomes writable) or OPEN. On failure
 * the socket remains the caller's. */
WEIR_MUST_CHECK int weir_ready_stream_new(weir_ready_loop *loop, int fd, weir_ready_state state,
                                          const weir_peer *peer, weir_ready_stream **ret);
/* Hands an accepted stream to a listener's user; nobody takes it: it closes. */
void weir_ready_accepted(weir_listener *listener, weir_ready_stream *stream);
void weir_ready_stream_event(weir_ready_stream *stream, unsigned events);

/* The streams' part of weir_loop_ops. */
void weir_ready_write(weir_stream *stream, weir_slice bytes);
void weir_ready_pause(weir_stream *stream);
void weir_ready_resume(weir_stream *stream);
void weir_ready_close(weir_stream *stream, weir_time linger);
void weir_ready_finish(weir_stream *stream);
bool weir_ready_quiet(weir_stream *stream);
bool weir_ready_hung_up(weir_stream *stream);
void weir_ready_move(weir_stream *stream, weir_loop *target,
                     void (*arrived)(weir_stream *stream, void *user), void *user);
const char *weir_ready_peer(const weir_stream *stream);
int weir_ready_take_kept(weir_stream *stream, weir_buf *out);
int weir_ready_put_kept(weir_stream *stream, weir_slice bytes);

/* ---- between the files of the stream itself ---- */

enum {
    WEIR_DUE_OPENED = 1,
    WEIR_DUE_BYTES = 2,
    WEIR_DUE_DRAINED = 4,
    WEIR_DUE_CLOSED = 8,
    WEIR_DUE_DEPART = 16,
    WEIR_DUE_READ = 32 /* there may be more than the socket tells of */
};

static inline weir_ready_stream *weir_ready_of(weir_stream *stream)
{
    return (weir_ready_stream *)(void *)stream;
}

static inline weir_ready_loop *weir_ready_loop_of(const weir_ready_stream *s)
{
    return (weir_ready_loop *)(void *)s->base.loop;
}

void weir_ready_later(weir_ready_stream *s, unsigned due);
void weir_ready_mark_dirty(weir_ready_stream *s);
/* Adds and removes wishes; tells the socket only about a difference. */
void weir_ready_interest(weir_ready_stream *s, unsigned add, unsigned remove);
/* Sends what is queued; then does what waited for that. */
void weir_ready_flush(weir_ready_stream *s);
/* For loops that send themselves: all that is queued, if it is in one piece and nothing else waits
 * for its being sent; then what came of it, as weir_socket_ops.send says it. */
weir_slice weir_ready_to_send(const weir_ready_stream *s);
void weir_ready_sent(weir_ready_stream *s, ssize_t result);
/* To CLOSED with 0 or -errno. */
void weir_ready_gone(weir_ready_stream *s, int error);
/* CLOSING: one step nearer. */
void weir_ready_linger_step(weir_ready_stream *s);
/* The socket's bytes, those first that the loop has received itself. As weir_socket_ops.recv. */
ssize_t weir_ready_recv(weir_ready_stream *s, void *buf, size_t len);
/* Puts bytes behind those in `unread`. */
void weir_ready_add_unread(weir_ready_stream *s, weir_slice bytes);
/* The loop forgets the stream's socket. */
void weir_ready_leave(weir_ready_stream *s);
/* Reads once and hands the bytes. */
void weir_ready_read(weir_ready_stream *s);
/* Hands kept bytes again; how many were consumed. */
size_t weir_ready_hand_kept(weir_ready_stream *s);
/* A task: a moving stream reached its new loop. */
void weir_ready_arrive(weir_task *task, weir_loop *loop);
/* What the bottom of the turn owes the stream; may free it. */
void weir_ready_run_due(weir_ready_stream *s);
/* Frees a stream that no list but loop->streams names; closes its socket. */
void weir_ready_drop(weir_ready_loop *loop, weir_ready_stream *s);

#endif
