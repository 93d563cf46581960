/* Private to compat: the fields that PostgreSQL's parser takes a date, a time or an interval apart
 * into, before anybody says what they mean. */
#ifndef WEIR_COMPAT_FIELDS_H
#define WEIR_COMPAT_FIELDS_H

#include "base/slice.h"

#define FIELDS_MAX 25u

typedef enum field_kind {
    FIELD_NUMBER, /* 5, 5.25, 19990108 */
    FIELD_DATE,   /* digits and letters around '-', '/' or '.'; a zone's name, too */
    FIELD_TIME,   /* 04:05:06.7 */
    FIELD_SIGNED, /* +05:30, -8, -1-2 */
    FIELD_WORD
} field_kind;

typedef struct field {
    field_kind kind;
    bool minus;
    weir_slice text; /* without the sign */
} field;

/* False: there are too many, or a byte belongs into none. */
bool weir_fields_split(weir_slice s, field out[FIELDS_MAX], size_t *ret_count);
/* Digits at the front, taken off; false: there is none, or they do not fit into 32 bits. */
bool weir_fields_take_number(weir_slice *s, int64_t *ret);
/* Behind a point: ".5" is 500000; rounded. */
bool weir_fields_micros(weir_slice s, int64_t *ret);

/* HH:MM[:SS[.f]], MM:SS.f; `minutes`: two of them are MM:SS. */
typedef enum field_time { FIELD_TIME_READ, FIELD_TIME_MALFORMED, FIELD_TIME_OVERFLOW } field_time;
field_time weir_fields_time(weir_slice s, bool minutes, int64_t *ret_us);

#endif
