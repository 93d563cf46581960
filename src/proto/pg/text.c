/* See text.h. */
#include "proto/pg/text.h"

int weir_pg_append_hex(weir_buf *out, weir_slice value)
{
    static const char digits[] = "0123456789abcdef";
    int r = 0;
    for (size_t i = 0; r == 0 && i < value.len; i++) {
        r = weir_buf_append_u8(out, (uint8_t)digits[value.data[i] >> 4]);
        if (r == 0)
            r = weir_buf_append_u8(out, (uint8_t)digits[value.data[i] & 15]);
    }
    return r;
}

int weir_pg_append_hex_text(weir_buf *out, weir_slice value, const char *encoding)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("pg_catalog.convert_from(pg_catalog.decode('"));
    if (r == 0)
        r = weir_pg_append_hex(out, value);
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT("','hex'),pg_catalog."));
    if (r == 0)
        r = weir_buf_append(out, weir_slice_cstr(encoding));
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT("())"));
}
