/* What a PostgreSQL server streams to a logical subscriber: the CopyData of streaming replication
 * and, inside, pgoutput's messages of protocol version 1 (whole transactions, in the order of their
 * commits). Facts are from PostgreSQL's documentation, "Streaming Replication Protocol" and
 * "Logical Replication Message Formats". Without I/O; all slices borrow from the input.
 *
 * Errors: -EPROTO: the bytes break the protocol; -EOPNOTSUPP: a message that version 1 does not
 * have. */
#ifndef WEIR_PROTO_PG_REPLICATION_H
#define WEIR_PROTO_PG_REPLICATION_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* ---- the stream ---- */

typedef enum weir_pg_stream_kind {
    WEIR_PG_STREAM_DATA,     /* XLogData: a message of the output plugin */
    WEIR_PG_STREAM_KEEPALIVE /* Primary keepalive */
} weir_pg_stream_kind;

typedef struct weir_pg_stream {
    weir_pg_stream_kind kind;
    uint64_t position; /* KEEPALIVE: everything that ends there or before has been sent */
    int64_t sent_at;   /* the server's clock: microseconds since 2000-01-01 */
    bool reply;        /* KEEPALIVE: a status is wanted at once, or the server gives us up */
    weir_slice body;   /* DATA */
} weir_pg_stream;

/* Of one CopyData's payload. */
WEIR_MUST_CHECK int weir_pg_stream_read(weir_slice payload, weir_pg_stream *ret);

#define WEIR_PG_STATUS_SIZE 34u
/* Standby status update: everything up to `written` has come, and the server need keep nothing up
 * to `flushed`. */
void weir_pg_write_status(uint8_t out[static WEIR_PG_STATUS_SIZE], uint64_t written,
                          uint64_t flushed, int64_t sent_at, bool reply);

/* "16/B374D848", as replication commands and functions print a position. -EINVAL. */
WEIR_MUST_CHECK int weir_pg_position_read(weir_slice text, uint64_t *ret);

/* ---- pgoutput ---- */

typedef enum weir_pg_change_kind {
    WEIR_PG_CHANGE_BEGIN,
    WEIR_PG_CHANGE_COMMIT,
    WEIR_PG_CHANGE_ORIGIN,
    WEIR_PG_CHANGE_RELATION,
    WEIR_PG_CHANGE_TYPE,
    WEIR_PG_CHANGE_INSERT,
    WEIR_PG_CHANGE_UPDATE,
    WEIR_PG_CHANGE_DELETE,
    WEIR_PG_CHANGE_TRUNCATE,
    WEIR_PG_CHANGE_MESSAGE
} weir_pg_change_kind;

/* A row's values, checked as a whole; walked with weir_pg_tuple_next. */
typedef struct weir_pg_tuple {
    uint16_t count;
    weir_slice values;
} weir_pg_tuple;

typedef enum weir_pg_old {
    WEIR_PG_OLD_NONE, /* an update that did not change the identity */
    WEIR_PG_OLD_KEY,  /* the identity's columns alone; the others are sent as NULL */
    WEIR_PG_OLD_WHOLE
} weir_pg_old;

typedef struct weir_pg_change {
    weir_pg_change_kind kind;
    union {
        struct {
            uint64_t final; /* where the commit record begins, which is not where it ends */
            int64_t at;
            uint32_t xid; /* of the top-level transaction, its low half */
        } begin;
        struct {
            uint64_t begins, ends;
            int64_t at;
        } commit;
        struct {
            uint64_t position;
            weir_slice name;
        } origin;
        struct {
            uint32_t oid;
            weir_slice schema, name; /* "" for pg_catalog */
            uint8_t identity;        /* pg_class.relreplident: d, n, f, i */
            uint16_t count;
            weir_slice columns; /* weir_pg_relation_column_next */
        } relation;
        struct {
            uint32_t oid;
            weir_slice schema, name;
        } type;
        struct {
            uint32_t oid;
            weir_pg_old old_kind;
            weir_pg_tuple old; /* UPDATE, DELETE */
            weir_pg_tuple new; /* INSERT, UPDATE */
        } row;
        struct {
            uint8_t flags; /* 1: CASCADE, 2: RESTART IDENTITY */
            uint32_t count;
            weir_slice oids; /* 4 bytes each: weir_pg_truncated */
        } truncate;
        struct {
            bool transactional;
            uint64_t position;
            weir_slice prefix, content;
        } message;
    } u;
} weir_pg_change;

/* Of one XLogData's body. Every length is checked; nothing may be left over. */
WEIR_MUST_CHECK int weir_pg_change_read(weir_slice body, weir_pg_change *ret);

typedef struct weir_pg_relation_column {
    bool key; /* of the replica identity */
    weir_slice name;
    uint32_t type;
    int32_t typmod;
} weir_pg_relation_column;

typedef enum weir_pg_value_kind {
    WEIR_PG_VALUE_NULL,
    WEIR_PG_VALUE_UNCHANGED, /* TOASTed, not changed and not sent */
    WEIR_PG_VALUE_TEXT,
    WEIR_PG_VALUE_BINARY
} weir_pg_value_kind;

typedef struct weir_pg_tuple_value {
    weir_pg_value_kind kind;
    weir_slice bytes;
} weir_pg_tuple_value;

/* Over what weir_pg_change_read has checked; start with *pos = 0; false at the end. */
bool weir_pg_relation_column_next(weir_slice columns, size_t *pos, weir_pg_relation_column *ret);
bool weir_pg_tuple_next(weir_slice values, size_t *pos, weir_pg_tuple_value *ret);
uint32_t weir_pg_truncated(weir_slice oids, uint32_t at);

#endif
