/* Private to compat: what functions over SQLite's values have in common (run_*.c, PostgreSQL's, and
 * those that the catalogue's queries and the translation call). */
#ifndef WEIR_COMPAT_RUN_H
#define WEIR_COMPAT_RUN_H

#include "compat/face.h"
#include "compat/values.h"

#define RUN_ARGS                                                                                   \
    const weir_value *args, size_t count, weir_buf *out, weir_value *ret, weir_error *err

static inline bool run_any_null(const weir_value *args, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (args[i].type == WEIR_VALUE_NULL)
            return true;
    return false;
}

static inline void run_give_integer(weir_value *ret, int64_t n)
{
    *ret = (weir_value){.type = WEIR_VALUE_INTEGER};
    ret->u.integer = n;
}

static inline void run_give_real(weir_value *ret, double n)
{
    *ret = (weir_value){.type = WEIR_VALUE_REAL};
    ret->u.real = n;
}

static inline void run_give_text(weir_value *ret, weir_slice s)
{
    *ret = (weir_value){.type = WEIR_VALUE_TEXT};
    ret->u.bytes = s;
}

/* What is in `out`, if it came there: `r`. */
static inline int run_give(weir_buf *out, weir_value *ret, int r)
{
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* The end of an aggregate whose result is what it gathered; NULL: nothing. */
static inline int run_gathered(RUN_ARGS)
{
    (void)args, (void)count, (void)err;
    if (out->len > 0)
        run_give_text(ret, weir_buf_slice(out));
    return 0;
}

static inline int run_refuse(weir_error *err, const char *sqlstate, const char *words)
{
    weir_error_set(err, sqlstate, "%s", words);
    return WEIR_COMPAT_REFUSED;
}

static inline int run_by_zero(weir_error *err)
{
    return run_refuse(err, "22012", "division by zero");
}

/* A text's; of anything else none. */
static inline weir_slice run_bytes_of(const weir_value *v)
{
    return v->type == WEIR_VALUE_TEXT ? v->u.bytes : (weir_slice){0};
}

/* A value as its text; numbers are written to `room`. */
weir_slice run_text_of(const weir_value *v, char room[WEIR_NUMBER_TEXT_MAX]);
int64_t run_integer_of(const weir_value *v);
double run_real_of(const weir_value *v);
WEIR_MUST_CHECK int run_invalid(weir_error *err, const char *type, weir_slice text);

/* run_texts.c: a pattern of LIKE as one of GLOB; one that ends with an escape is not valid. */
WEIR_MUST_CHECK int run_glob(weir_slice like, weir_slice escape, weir_buf *out);
bool run_like_valid(weir_slice like, weir_slice escape);

/* One of weir_compat_face()'s, by its name and number of arguments; NULL: none. face.c. */
const weir_face_function *run_find_function(weir_slice name, int args);

extern const weir_face_function weir_face_addresses[]; /* run_inet.c */

/* An array into an empty buffer, text by text (NULL: a NULL), and its end. run_arrays.c. */
WEIR_MUST_CHECK int run_array_put(weir_buf *out, const weir_slice *text);
WEIR_MUST_CHECK int run_array_give(weir_buf *out, weir_value *ret);

/* run_decimal.c: a number with an exponent, or a zero with a sign, without. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int run_decimal_put(weir_slice text, weir_buf *out);

extern const weir_face_function weir_face_casts[];    /* run_casts.c */
extern const weir_face_function weir_face_decimals[]; /* run_decimal.c */
extern const weir_face_function weir_face_strings[];  /* run_texts.c */
extern const weir_face_function weir_face_moments[];  /* run_moments.c */
extern const weir_face_function weir_face_json[];     /* run_json.c */
extern const weir_face_function weir_face_lists[];    /* run_arrays.c */
extern const weir_face_function weir_face_bytes[];    /* run_bytes.c */
extern const weir_face_function weir_face_patterns[]; /* run_patterns.c */
extern const weir_face_function weir_face_floats[];   /* run_float4.c */

#endif
