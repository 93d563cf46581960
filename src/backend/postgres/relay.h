/* The data path, both directions of it. */
#ifndef WEIR_POSTGRES_RELAY_H
#define WEIR_POSTGRES_RELAY_H

#include "backend/postgres/internal.h"

/* ---- forward.c: toward the server ---- */

int pg_relay(weir_conn *conn, const weir_relay *m);
int pg_relay_more(weir_conn *conn, weir_slice bytes);
int pg_interject(weir_conn *conn, weir_slice bytes, bool skippable);
/* Parses it under our name for it, hidden, in front of an extended message, and has it described.
 */
WEIR_MUST_CHECK int pg_relay_examine(pg_conn *c, const weir_prepared *s);
/* Nothing that was sent since makes it doubtful that the statement stands there. */
bool pg_relay_usable(const pg_conn *c, const pg_prepared *p);

/* ---- relay.c: from the server ---- */

size_t pg_relay_on_bytes(weir_stream *stream, weir_slice in);
void pg_relay_tell_parsed(pg_conn *c, weir_parsing outcome);
/* Bytes in the server's stead answer a Parse, or a Close of a statement. */
bool pg_relay_answers_naming(uint64_t type);
/* The replies that were kept back go to the client now. */
void pg_relay_give_held(pg_conn *c);
/* So do those that we give in the server's stead and whose turn it is. */
void pg_relay_give_interjections(pg_conn *c);
/* After an error the server skips up to Sync: those statements end here, and no Parse among them
 * counts. */
void pg_relay_skipped(pg_conn *c);

#endif
