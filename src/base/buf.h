/* An owned, growing run of bytes with a maximum given at initialisation. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/error.h"
#include "base/slice.h"

/* Zeroed memory is an empty buffer of maximum 0; nothing is allocated until the first byte. */
typedef struct weir_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t size_max;
} weir_buf;

void weir_buf_init(weir_buf *buf, size_t size_max);
void weir_buf_fini(weir_buf *buf);

/* Room for `extra` more bytes behind `len`. -EMSGSIZE: the maximum would be passed; -ENOMEM. In
 * both cases the buffer is as before. */
WEIR_MUST_CHECK int weir_buf_reserve(weir_buf *buf, size_t extra);
WEIR_MUST_CHECK int weir_buf_append(weir_buf *buf, weir_slice bytes);
WEIR_MUST_CHECK int weir_buf_append_u8(weir_buf *buf, uint8_t v);
/* Big-endian ("network order"), as the PostgreSQL protocol has them. */
WEIR_MUST_CHECK int weir_buf_append_u16(weir_buf *buf, uint16_t v);
WEIR_MUST_CHECK int weir_buf_append_u32(weir_buf *buf, uint32_t v);
WEIR_MUST_CHECK int weir_buf_append_u64(weir_buf *buf, uint64_t v);
/* The text and its terminating zero byte. */
WEIR_MUST_CHECK int weir_buf_append_cstr(weir_buf *buf, const char *text);
WEIR_MUST_CHECK int weir_buf_printf(weir_buf *buf, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Drops `n` bytes at the front (moves the rest down). */
void weir_buf_consume(weir_buf *buf, size_t n);

static inline void weir_buf_clear(weir_buf *buf)
{
    buf->len = 0;
}

static inline weir_slice weir_buf_slice(const weir_buf *buf)
{
    return weir_slice_make(buf->data, buf->len);
}

#endif
