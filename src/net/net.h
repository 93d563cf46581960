/* The event loop, completion style: users are handed bytes and told when writes are through; nobody
 * above this folder sees a descriptor or a readiness event. epoll, io_uring, and the
 * simulator's network (tests/sim/) each implement net/loop_ops.h.
 *
 * One loop belongs to one thread. Everything here is called on the loop's own thread, but
 * weir_loop_post, weir_loop_stop, weir_loop_clock and weir_loop_wall_ns.
 *
 * Life of a stream:
 *
 *   connect ─► OPENING ──on_open──► OPEN ──close──► CLOSING ──on_close──► (freed by the loop)
 *                 │                  │  └──move──► MOVING ──arrived──► OPEN, on another loop
 *                 └──────error───────┴──────────────────────on_close──► (freed by the loop)
 *
 * Ownership: a stream belongs to its loop and is freed after on_close returns, which is called
 * exactly once and is the last callback, never from inside a call of the user's. If weir_connect
 * itself fails, no callback comes. */
#ifndef WEIR_NET_NET_H
#define WEIR_NET_NET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/slice.h"
#include "base/time.h"
#include <stdatomic.h>

typedef struct weir_loop weir_loop;
typedef struct weir_stream weir_stream;
typedef struct weir_listener weir_listener;

/* ---- loop ---- */

typedef enum weir_loop_kind {
    WEIR_LOOP_AUTO, /* io_uring; where it is not to be had, epoll */
    WEIR_LOOP_EPOLL,
    WEIR_LOOP_URING /* or not at all */
} weir_loop_kind;

typedef struct weir_loop_options {
    const char *name; /* of the thread, at most 15 bytes */
    weir_loop_kind kind;
    weir_memory *memory;                          /* buffers are charged here; may be NULL */
    size_t read_size;                             /* of the shared read buffer; 0: 64 KiB */
    void (*on_turn)(void *user, weir_loop *loop); /* at the bottom of each turn; may be NULL */
    void (*on_sleep)(void *user, weir_loop *loop,
                     int sleeping); /* 1 before blocking, 0 after; may be NULL */
    void *user;
} weir_loop_options;

/* Over the kernel. -ENOMEM, -EMFILE, …: forwarded from there. */
WEIR_MUST_CHECK int weir_loop_new(const weir_loop_options *options, weir_loop **ret);
/* "epoll" or "io_uring" ("simulator"). */
const char *weir_loop_name(const weir_loop *loop);
/* Why an AUTO loop does without io_uring: -ENOSYS, -EPERM, -EINVAL (a kernel before 6.1), …; 0. */
int weir_loop_refusal(const weir_loop *loop);
/* All streams and listeners must be closed or are closed without callbacks. */
void weir_loop_free(weir_loop *loop);
/* Forgets tasks that were posted and have not run, before their memory goes: the loop has ended,
 * and nobody posts any more. NULL is fine. */
void weir_loop_drop_tasks(weir_loop *loop);
/* Runs until weir_loop_stop. */
void weir_loop_run(weir_loop *loop);
/* From any thread. The turn under way is finished. */
void weir_loop_stop(weir_loop *loop);
/* The time at which this turn began to handle its events. */
weir_time weir_loop_now(const weir_loop *loop);
/* The monotonic clock itself, from any thread. */
weir_time weir_loop_clock(const weir_loop *loop);
/* Seconds and nanoseconds since 1970, as one number: for people (logs), never for deadlines. */
int64_t weir_loop_wall_ns(const weir_loop *loop);
/* Cryptographic random bytes (seeded in the simulator). */
void weir_loop_random(weir_loop *loop, void *out, size_t len);
void *weir_loop_user(const weir_loop *loop);

/* ---- tasks: the mailbox ---- */

/* Embedded in the caller's struct, which must live until `run` was called. In one mailbox at a
 * time. */
typedef struct weir_task {
    struct weir_task *_Atomic next;
    void (*run)(struct weir_task *task, weir_loop *loop);
} weir_task;

/* From any thread: `run` is called once, on the loop's thread, in order of posting per poster. */
void weir_loop_post(weir_loop *loop, weir_task *task);

/* ---- timers ---- */

typedef struct weir_timer {
    weir_heap_node node;        /* its key is when to look; `due`, when to fire, is not before it */
    weir_time due;              /* WEIR_TIME_NEVER: disarmed */
    struct weir_timer *spilled; /* waits outside the heap, which could not grow */
    void (*fire)(struct weir_timer *timer, weir_loop *loop);
} weir_timer;

/* Before anything else, disarming included. */
void weir_timer_init(weir_timer *timer, void (*fire)(weir_timer *timer, weir_loop *loop));
/* (Re-)arms; WEIR_TIME_NEVER disarms. Fires once, not before `at`. Cheap when the timer is armed
 * for an earlier time already: it then fires early once and re-arms itself (fire is still called
 * only when due). */
void weir_timer_arm(weir_loop *loop, weir_timer *timer, weir_time at);
void weir_timer_disarm(weir_loop *loop, weir_timer *timer);

/* ---- streams ---- */

typedef struct weir_stream_handler {
    /* The connection stands (streams from weir_connect only). May be NULL. */
    void (*on_open)(weir_stream *stream);
    /* Bytes came: those left over from last time first. Borrowed until the callback returns.
     * Returns how many were consumed; the rest is kept and handed again, with more behind it, when
     * more has come, reading is resumed, or the peer has ended (then as long as any are consumed,
     * before on_close). Never more than the limit of weir_stream_set_limit is handed at once;
     * consuming nothing of that much, without pausing, closes the stream with -EMSGSIZE. */
    size_t (*on_bytes)(weir_stream *stream, weir_slice bytes);
    /* The queue of unsent bytes was over its high-water mark and is now below a quarter of it. May
     * be NULL. */
    void (*on_drained)(weir_stream *stream);
    /* Gone. 0: the peer ended the stream (what was queued was sent first, or 5 s have passed), or
     * it was closed here; -errno: why it failed. */
    void (*on_close)(weir_stream *stream, int error);
    /* weir_loop_free found it open, and on_close will not come: for a handler whose `user` nobody
     * else knows, to disarm its timers and free it, and nothing more. May be NULL. */
    void (*on_drop)(weir_stream *stream);
} weir_stream_handler;

/* Address: "host:port" with a numeric host ("127.0.0.1:6432", "[::1]:6432"), or "/path" or
 * "unix:/path" of a UNIX socket. Names are resolved beforehand (weir_resolve). */
WEIR_MUST_CHECK int weir_connect(weir_loop *loop, const char *address,
                                 const weir_stream_handler *handler, void *user, weir_stream **ret);

/* Takes the bytes (copies what cannot be sent at once) and sends them at the latest at the end of
 * the current callback. Never blocks. Errors are told by on_close. After close: dropped. */
void weir_stream_write(weir_stream *stream, weir_slice bytes);
/* Bytes queued and not yet given to the kernel. */
size_t weir_stream_queued(const weir_stream *stream);
/* The queue is over the high-water mark (default 256 KiB): stop producing until on_drained. */
bool weir_stream_congested(const weir_stream *stream);

/* No more on_bytes until resumed (TCP's window pushes back). Resuming hands kept bytes again, soon,
 * not from inside the call, also when it was not paused. Both may be repeated. While paused, an
 * ended stream is noticed only when resumed; a broken one (reset) closes at once. */
void weir_stream_pause(weir_stream *stream);
void weir_stream_resume(weir_stream *stream);

/* Largest unconsumed run kept (default 64 KiB). */
void weir_stream_set_limit(weir_stream *stream, size_t size_max);

/* Close after what is queued was sent, or after `linger` has passed; 0: at once. If the peer is
 * still sending then, what it sends is read and dropped until it ends or `linger` has passed, since
 * an answer in flight would be lost with the reset that closing causes. */
void weir_stream_close(weir_stream *stream, weir_time linger);
/* Ends our direction after what is queued (shutdown), still reading. */
void weir_stream_finish(weir_stream *stream);

/* Changes who hears the stream (a connection changes hands inside one loop). */
void weir_stream_set_handler(weir_stream *stream, const weir_stream_handler *handler, void *user);
void *weir_stream_user(const weir_stream *stream);
weir_loop *weir_stream_loop(const weir_stream *stream);
/* Nothing unread is buffered here and, when this turn began or later, the peer had neither sent nor
 * closed. */
bool weir_stream_quiet(weir_stream *stream);
/* The peer has ended its side, also while reading is paused and on_close does not tell. */
bool weir_stream_hung_up(weir_stream *stream);
/* "127.0.0.1:51234" or "unix"; valid as long as the stream. */
const char *weir_stream_peer(const weir_stream *stream);
/* The peer is on this machine (loopback address or UNIX socket). */
bool weir_stream_local(const weir_stream *stream);

/* What a stream's TLS came to, once its handshake is through. Strings live as long as the stream.
 */
typedef struct weir_tls_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    int bits;            /* of the cipher's key */
    bool alpn;           /* "postgresql" was agreed on */
    bool verified;       /* the peer showed a certificate, and our authorities vouch for it */
    const char *peer_cn; /* of that certificate's subject; NULL: none was shown, or it has none */
    const char *peer_dn; /* the whole subject as RFC 2253 writes it; NULL: none was shown */
    uint8_t binding[64]; /* tls-server-end-point (RFC 5929): the hash of the accepting side's
                            certificate, ours or the server's, whichever end we are */
    size_t binding_len;  /* 0: that certificate's signature defines no hash */
} weir_tls_info;

/* NULL: the stream is plain, or its handshake is not through. Begun by weir_stream_start_tls
 * (net/tls.h). */
const weir_tls_info *weir_stream_tls(const weir_stream *stream);

/* Who is at the other end of a UNIX socket, as the kernel knows. -ENOTSUP: it is another kind. */
WEIR_MUST_CHECK int weir_stream_peer_uid(const weir_stream *stream, uint32_t *ret);
/* Is it an address of this machine, or of a network that it is on? Asks the kernel. */
bool weir_address_is_ours(const uint8_t ip[16], bool v6, bool whole_net);

/* Hands the stream, with kept and queued bytes, to another loop. No callback comes from the old
 * loop afterwards; on the new loop's thread `arrived` is called first, then kept bytes are handed
 * again (unless paused). The caller must have seen it open and not have closed it, and may not
 * touch it any more. A failure of which it was not told yet is told on the new loop. Both loops
 * charge the same weir_memory. */
void weir_stream_move(weir_stream *stream, weir_loop *target,
                      void (*arrived)(weir_stream *stream, void *user), void *user);

/* Gives up the descriptor of a stream at rest: for handing it to another process. The stream is
 * gone at once, without on_close. Not from inside its own callbacks. -EBUSY: it is not OPEN, or has
 * kept or queued bytes; -ENOTSUP: the loop has no descriptors (the simulator). */
WEIR_MUST_CHECK int weir_stream_export(weir_stream *stream, int *ret_fd);
/* The reverse: takes a connected stream socket. On failure (-ENOMEM, …) the descriptor remains the
 * caller's. */
WEIR_MUST_CHECK int weir_stream_import(weir_loop *loop, int fd, const weir_stream_handler *handler,
                                       void *user, weir_stream **ret);

/* Appends what the stream has kept (received, not consumed) and forgets it: it leaves with an
 * export. -ENOMEM, -EMSGSIZE: nothing changed; -ENOTSUP. */
WEIR_MUST_CHECK int weir_stream_take_kept(weir_stream *stream, weir_buf *out);
/* The reverse, into a paused stream that keeps nothing: handed first when it is resumed. -EBUSY: it
 * keeps some already; -ENOMEM, -ENOTSUP. */
WEIR_MUST_CHECK int weir_stream_put_kept(weir_stream *stream, weir_slice bytes);

/* ---- listeners ---- */

/* So many connections a turn accepts, and a few more of each further listener: a storm of clients
 * waits in the kernel's backlog, and does not hold up those who are in. */
#define WEIR_ACCEPTS_PER_TURN 32u

typedef struct weir_listener_handler {
    /* A connection came; set its handler (weir_stream_set_handler) or close it. */
    void (*on_accept)(weir_listener *listener, weir_stream *stream);
    /* Accepting failed for now (-EMFILE, -ENFILE, -ENOMEM); the loop tries again after 100 ms. */
    void (*on_refused)(weir_listener *listener, int error);
} weir_listener_handler;

/* Listens. Port 0 picks a free one (weir_listener_address says which). `shared`: SO_REUSEPORT, so
 * that each worker's loop can listen on the same address (not for UNIX sockets: -EINVAL; let one
 * loop listen and move). -EADDRINUSE, -EACCES, …. A stale UNIX socket file (nobody answers) is
 * replaced; the file is removed when the listener closes. */
WEIR_MUST_CHECK int weir_listen(weir_loop *loop, const char *address, bool shared,
                                const weir_listener_handler *handler, void *user,
                                weir_listener **ret);
const char *weir_listener_address(const weir_listener *listener);
void *weir_listener_user(const weir_listener *listener);
void weir_listener_close(weir_listener *listener);

/* A listening socket in two processes: one shares it (the duplicate is the caller's), the other
 * takes it over; clients that knock meanwhile wait in the kernel's backlog for whoever accepts. A
 * paused listener does not accept, and closing it leaves a UNIX socket's file alone: it is the
 * other process's. An imported one is paused at first. On failure the descriptor remains the
 * caller's. -EMFILE, -ENOMEM, -EINVAL (it does not listen), -ENOTSUP. */
WEIR_MUST_CHECK int weir_listener_share(const weir_listener *listener, int *ret_fd);
WEIR_MUST_CHECK int weir_listener_import(weir_loop *loop, int fd,
                                         const weir_listener_handler *handler, void *user,
                                         weir_listener **ret);
WEIR_MUST_CHECK int weir_listener_pause(weir_listener *listener, bool paused);

/* ---- foreign descriptors (control thread only: libmicrohttpd, curl, libpq drive their own) ----
 */

typedef struct weir_watch weir_watch;
/* The descriptor stays the caller's; free the watch before closing it. -ENOTSUP: the simulator. */
WEIR_MUST_CHECK int weir_watch_new(weir_loop *loop, int fd, bool readable, bool writable,
                                   void (*on_ready)(weir_watch *watch, bool readable,
                                                    bool writable),
                                   void *user, weir_watch **ret);
void weir_watch_set(weir_watch *watch, bool readable, bool writable);
void *weir_watch_user(const weir_watch *watch);
void weir_watch_free(weir_watch *watch);

/* ---- executors: threads for work that may block (SQLite, files, names, the SQL grammar) ---- */

typedef struct weir_executor weir_executor;
typedef struct weir_job {
    struct weir_job *next;
    void (*run)(struct weir_job *job); /* on an executor's thread */
} weir_job;

/* `threads` threads with stacks of `stack_size` bytes (0: the default), first come first served. */
WEIR_MUST_CHECK int weir_executor_new(const char *name, unsigned threads, size_t stack_size,
                                      weir_executor **ret);
/* Runs what is queued, then joins the threads. */
void weir_executor_free(weir_executor *executor);
/* From any thread. The job must live until it has run. */
void weir_executor_submit(weir_executor *executor, weir_job *job);

/* ---- names ---- */

#define WEIR_RESOLVED_MAX 112u /* an address as text, or a socket's path, and a zero byte */

/* Resolves "host:port" (a name, or already numeric) on `executor` and calls back on the loop with
 * numeric addresses ("ip:port"), at most 8; count 0 and `reason` when it failed. What is numeric
 * already, or a UNIX path, needs no executor (it may be NULL) and comes back as it is. -ENOMEM,
 * -EINVAL (not of the form): no callback. */
/* The same on the calling thread, which it may hold up for seconds: for jobs of an executor.
 * Returns how many were found. */
size_t weir_resolve_here(const char *host_port, char (*ret)[WEIR_RESOLVED_MAX], size_t max);
WEIR_MUST_CHECK int weir_resolve(weir_loop *loop, weir_executor *executor, const char *host_port,
                                 void (*done)(void *user, const char *const *addresses,
                                              size_t count, const char *reason),
                                 void *user);

#endif
