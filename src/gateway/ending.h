/* Ending clients from outside, private to gateway/. */
#ifndef WEIR_GATEWAY_ENDING_H
#define WEIR_GATEWAY_ENDING_H

#include "gateway/gateway.h"

typedef struct weir_ending {
    weir_database *database;                  /* its clients; unused with `client` alone */
    uint32_t client;                          /* the number of one; 0: see `database` */
    const char *as_user;                      /* `client` only if it is this user's, of `database`,
                                               * and in a server's words; NULL: whosever */
    bool cancels;                             /* its statement alone, with `client` */
    bool gently;                              /* who is inside a transaction may finish it */
    const char *words;                        /* why; static */
    void (*done)(void *user, unsigned count); /* on `home`, once; may be NULL */
    void *user;
} weir_ending;

/* From any worker's thread, or the control thread. `home` NULL: nobody waits. -ENOMEM: no callback
 * comes. */
WEIR_MUST_CHECK int weir_gateway_end_clients(weir_gateway *gateway, weir_loop *home,
                                             const weir_ending *what);

#endif
