/* A socket between two gateways of one machine that carries frames (handover_codec.h), some with a
 * descriptor. Private to gateway/. On the control thread: first waiting for each frame (the
 * greeting of a process that takes over), then driven by its loop. */
#ifndef WEIR_GATEWAY_HANDOVER_WIRE_H
#define WEIR_GATEWAY_HANDOVER_WIRE_H

#include "gateway/handover_codec.h"
#include "net/net.h"

typedef struct weir_wire weir_wire;

typedef struct weir_wire_events {
    /* `fd` is the receiver's from here on; -1: the frame has none. */
    void (*on_frame)(void *user, const weir_handover_frame *frame, int fd);
    /* Nothing is queued any more: the kernel has all that was sent. */
    void (*on_flushed)(void *user);
    /* The last callback. 0: the other side closed it; else why it failed. */
    void (*on_gone)(void *user, int error);
} weir_wire_events;

/* Takes the socket, also when it fails (-ENOMEM). */
WEIR_MUST_CHECK int weir_wire_new(int fd, weir_wire **ret);
/* From inside a callback too. NULL is fine. */
void weir_wire_free(weir_wire *wire);
/* Before it is attached: the next frame, whose body lives until the next call. -ETIMEDOUT;
 * -ECONNRESET: the other side closed; -EPROTO, …. */
WEIR_MUST_CHECK int weir_wire_wait(weir_wire *wire, int timeout_ms, weir_handover_frame *ret,
                                   int *ret_fd);
/* Frames come by events from here on; those already received, soon. -ENOMEM, …: not attached. */
WEIR_MUST_CHECK int weir_wire_attach(weir_wire *wire, weir_loop *loop,
                                     const weir_wire_events *events, void *user);
/* A whole frame; `fd` (-1: none) remains the caller's. A failure to send is told by on_gone.
 * -ENOMEM, -EMFILE: not taken. */
WEIR_MUST_CHECK int weir_wire_send(weir_wire *wire, weir_slice frame, int fd);
bool weir_wire_is_flushed(const weir_wire *wire);

#endif
