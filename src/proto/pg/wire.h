/* Private to proto/pg: how messages are written. A writer remembers the first failure, so that a
 * message is a list of puts and one check at its end; on failure the buffer is as it was. */
#ifndef WEIR_PROTO_PG_WIRE_H
#define WEIR_PROTO_PG_WIRE_H

#include "proto/pg/pg.h"

typedef struct weir_pg_writer {
    weir_buf *out;
    size_t mark;   /* where the message begins */
    size_t length; /* where its length field is */
    int err;
} weir_pg_writer;

/* `type` 0: an untyped (startup) packet. */
weir_pg_writer weir_pg_begin(weir_buf *out, uint8_t type);
void weir_pg_put_u8(weir_pg_writer *w, uint8_t v);
void weir_pg_put_u16(weir_pg_writer *w, uint16_t v);
void weir_pg_put_u32(weir_pg_writer *w, uint32_t v);
void weir_pg_put_bytes(weir_pg_writer *w, weir_slice bytes);
/* The bytes and a zero byte; a zero byte inside would end the string early: -EINVAL. */
void weir_pg_put_cstr(weir_pg_writer *w, weir_slice text);
/* A count as 16 bits: -EMSGSIZE when it does not fit. */
void weir_pg_put_count(weir_pg_writer *w, size_t count);
/* Fills the length in. */
WEIR_MUST_CHECK int weir_pg_end(weir_pg_writer *w);

uint16_t weir_pg_load_u16(const uint8_t *at);
uint32_t weir_pg_load_u32(const uint8_t *at);
void weir_pg_store_u32(uint8_t *at, uint32_t v);

/* Walks `count` values (int32 length or -1, bytes) and gives the bytes they take. */
weir_slice weir_pg_read_values(weir_pg_reader *r, uint16_t count);

#endif
