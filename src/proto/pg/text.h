/* SQL texts of our own that carry bytes of others. */
#ifndef WEIR_PROTO_PG_TEXT_H
#define WEIR_PROTO_PG_TEXT_H

#include "base/buf.h"

/* Two digits per byte. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_pg_append_hex(weir_buf *out, weir_slice value);

/* A text as an SQL expression of hexadecimal digits, so that no byte of it means anything in any
 * encoding. `encoding`: the function of pg_catalog that names the one it is in. -ENOMEM, -EMSGSIZE.
 */
WEIR_MUST_CHECK int weir_pg_append_hex_text(weir_buf *out, weir_slice value, const char *encoding);

#endif
