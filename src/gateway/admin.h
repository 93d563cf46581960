/* The console: database `weir`, where an operator reads reports and gives commands over the
 * PostgreSQL protocol, simple or extended. One per client that connected to it. */
#ifndef WEIR_GATEWAY_ADMIN_H
#define WEIR_GATEWAY_ADMIN_H

#include "gateway/gateway.h"
#include "proto/pg/pg.h"

#define WEIR_ADMIN_DATABASE "weir"

typedef struct weir_console weir_console;

typedef struct weir_console_host {
    void (*write)(void *user, weir_slice bytes);
    /* A message that was refused as BUSY may be fed again. Not from inside weir_console_feed. */
    void (*ready)(void *user);
    /* Out of memory: nothing sensible can follow. */
    void (*fatal)(void *user, const weir_error *err);
    void *user;
    const char *login; /* who is connected; outlives the console */
} weir_console_host;

WEIR_MUST_CHECK int weir_console_new(weir_gateway *gateway, weir_loop *loop,
                                     const weir_console_host *host, weir_console **ret);
/* The client left: `host` is not called any more. A report that is under way frees it later;
 * `true`: that is so, and `gone` is called then, so that whoever waits for all clients to be gone
 * waits for it too. */
bool weir_console_leave(weir_console *console, void (*gone)(void *user));

#define WEIR_CONSOLE_BUSY 1

/* One whole frontend message but Terminate. -EPROTO. */
WEIR_MUST_CHECK int weir_console_feed(weir_console *console, const weir_pg_frame *frame);
/* Ends a wait (PAUSE); harmless if there is none. */
void weir_console_cancel(weir_console *console);
bool weir_console_at_rest(const weir_console *console);

#endif
