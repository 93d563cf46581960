/* Messages of our own, gathered and sent between the client's (ours.c). */
#ifndef WEIR_POSTGRES_OURS_H
#define WEIR_POSTGRES_OURS_H

#include "backend/postgres/internal.h"

#define PG_OURS_MAX 24u
/* Messages being gathered; sent whole or, after an error, not at all. */
typedef struct pg_ours {
    pg_conn *conn;
    weir_buf out;
    uint64_t tag; /* of what is ours entirely */
    int error;
    size_t count;
    struct {
        weir_pg_owed_kind kind;
        uint64_t tag;
    } entries[PG_OURS_MAX];
} pg_ours;
void pg_ours_begin(pg_ours *b, pg_conn *c, uint64_t tag);
void pg_ours_describe(pg_ours *b, weir_slice name, uint64_t tag);
void pg_ours_close(pg_ours *b, uint8_t kind, weir_slice name);
void pg_ours_parse(pg_ours *b, weir_slice name, weir_slice text, weir_slice oids, uint64_t tag);
/* Parses, executes and forgets a statement. Six entries. */
void pg_ours_run(pg_ours *b, weir_slice text);
/* Sets those settings that say what a text means as they were for `prepared`, up to the end of the
 * transaction at most. Returns which: pg_ours_set_back has them as they were found. (parameters.c)
 */
unsigned pg_ours_set(pg_ours *b, const weir_prepared *prepared);
void pg_ours_set_back(pg_ours *b, unsigned which);
/* `joins`: an extended message of the client's follows at once. -ENOMEM, -ENOSPC, -EMSGSIZE: the
 * connection is unusable. */
WEIR_MUST_CHECK int pg_ours_send(pg_ours *b, bool joins);
/* The server refused a Query of ours, of this tag: the connection fails. */
void pg_ours_failed(pg_conn *c, uint64_t tag, const weir_pg_error_fields *e);

#endif
