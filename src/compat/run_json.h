/* Private to compat: how run_json*.c and run_documents.c walk and write JSON. Texts were checked
 * before (run_json_read); a value is a slice of its text without space around it. */
#ifndef WEIR_COMPAT_RUN_JSON_H
#define WEIR_COMPAT_RUN_JSON_H

#include "compat/run.h"

#define RUN_JSON_DEPTH_MAX 200u

static inline bool run_json_is_object(weir_slice s)
{
    return s.len > 0 && s.data[0] == '{';
}

static inline bool run_json_is_array(weir_slice s)
{
    return s.len > 0 && s.data[0] == '[';
}

/* A column's number is one here, too: SQLite keeps it as such. */
WEIR_MUST_CHECK int run_json_read(const weir_value *v, char room[WEIR_NUMBER_TEXT_MAX],
                                  weir_slice *ret, weir_error *err);
/* The next member of an object or array whose opening bracket is off; false: none is left. */
bool run_json_next(weir_slice *s, bool object, weir_slice *ret_key, weir_slice *ret_value);
bool run_json_key(weir_slice s, weir_slice wanted, weir_slice *ret);
/* "…" without its quotes and escapes; with them; the value as jsonb shows it. */
WEIR_MUST_CHECK int run_json_decode(weir_slice s, weir_buf *out);
WEIR_MUST_CHECK int run_json_string(weir_buf *out, weir_slice s);
WEIR_MUST_CHECK int run_json_canonical(weir_slice s, weir_buf *out, unsigned depth);
/* A function whose result is the document args[0] as `put` writes it. */
WEIR_MUST_CHECK int run_json_rewrite(RUN_ARGS,
                                     int (*put)(weir_slice s, weir_buf *out, unsigned depth));

/* run_json_key.c */
bool run_json_same_number(weir_slice a, weir_slice b);
extern const weir_face_function weir_face_json_keys[];

/* run_documents.c */
extern const weir_face_function weir_face_documents[];
extern const weir_face_table weir_face_document_sets[];

#endif
