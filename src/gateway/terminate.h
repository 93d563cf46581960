/* pg_terminate_backend and pg_cancel_backend of a client of ours, by the number that its
 * BackendKeyData told: the server knows no such process, so Weir ends the client, as a server would
 * (57P01), or cancels its statement, if it is of the same database and user; what the server is
 * sent then only gives the answer. */
#ifndef WEIR_GATEWAY_TERMINATE_H
#define WEIR_GATEWAY_TERMINATE_H

#include "base/buf.h"
#include "proto/pg/pg.h"

/* Numbers from here on are clients': process ids end below (Linux: at most 2^22). */
#define WEIR_CLIENT_ID_MIN (UINT32_C(1) << 22)

struct weir_client;
struct weir_prepared;

/* A Query; 0: it may go out, as `out` has it if that is not empty; WEIR_LISTENING_WAIT: come again;
 * WEIR_LISTENING_REFUSED: the client ended or cancelled itself; -ENOMEM. */
int weir_client_terminates(struct weir_client *c, weir_slice text, weir_buf *out);
/* What is to be prepared in place of `p`, which it takes, and in `out` the message for it if that
 * is another: a Bind shall be able to say that it is done. NULL: no memory. */
struct weir_prepared *weir_client_prepare_termination(struct weir_client *c,
                                                      const weir_pg_parse *parse,
                                                      struct weir_prepared *p, weir_buf *out);
/* A Bind of what was parsed so; returns as weir_client_terminates. */
int weir_client_binds_termination(struct weir_client *c, const weir_pg_frame *f,
                                  const struct weir_prepared *p, weir_buf *out);
/* The same for a session on SQLite: weir_local_host.end_client. */
int weir_client_ends_other(void *client, uint32_t number, bool cancels);
/* The client at hand was ended so, or ended the process that it was on: it goes. */
bool weir_client_terminated(const struct weir_client *c, const char *sqlstate);

#endif
