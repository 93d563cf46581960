/* Private to compat: PostgreSQL's arrays as texts, one dimension. */
#ifndef WEIR_COMPAT_ARRAY_H
#define WEIR_COMPAT_ARRAY_H

#include "compat/face.h"

#define WEIR_ARRAY_END 1
#define WEIR_ARRAY_MALFORMED 2

typedef struct weir_array {
    weir_slice rest;
    bool vector; /* '1 2': subscripts from 0 */
    bool first, comma;
} weir_array;

typedef struct weir_array_element {
    size_t offset, len; /* in `out` */
    bool quoted, null;
} weir_array_element;

void weir_array_begin(weir_slice text, weir_array *ret);
/* Appends the next element's text. END, MALFORMED, -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_array_next(weir_array *a, weir_buf *out, weir_array_element *ret);
/* An element, quoted where it must be, and always. */
WEIR_MUST_CHECK int weir_array_put_text(weir_buf *out, weir_slice s);
WEIR_MUST_CHECK int weir_array_put_quoted(weir_buf *out, weir_slice s);
/* The same array with all its elements texts. REFUSED: malformed. */
WEIR_MUST_CHECK int weir_array_requote(weir_slice text, weir_buf *out);
/* The binary format (array_wire.c); REFUSED: it is none, or has several dimensions. */
WEIR_MUST_CHECK int weir_array_decode(weir_slice in, weir_buf *out, weir_error *err);
WEIR_MUST_CHECK int weir_array_encode(weir_slice text, uint32_t array, weir_buf *out,
                                      weir_error *err);
uint32_t weir_array_element_oid(uint32_t array); /* 0: it is no array */
/* "…" as JSON has it. In pg_values.c. */
WEIR_MUST_CHECK int weir_json_string(weir_buf *out, weir_slice s);

extern const weir_face_table weir_face_sets[];
extern const weir_face_function weir_face_aggregates[]; /* aggregate.c */

#endif
