/* Private to src/sql: the elements of a PostgreSQL array of one dimension, in text or binary
 * format. */
#ifndef WEIR_SQL_PG_ARRAY_H
#define WEIR_SQL_PG_ARRAY_H

#include "base/error.h"
#include "base/slice.h"

typedef struct weir_pg_array {
    weir_slice rest;
    bool binary;
    bool begun, closed; /* text */
    uint32_t left;      /* binary: elements to come */
    uint32_t element;   /* binary: their type's oid */
} weir_pg_array;

#define WEIR_PG_ARRAY_ELEMENT 1
#define WEIR_PG_ARRAY_NULL 2
#define WEIR_PG_ARRAY_BAD (-1)

/* 0, or WEIR_PG_ARRAY_BAD: no array, or not of one dimension. */
WEIR_MUST_CHECK int weir_pg_array_open(weir_pg_array *a, weir_slice text);
WEIR_MUST_CHECK int weir_pg_array_open_binary(weir_pg_array *a, weir_slice bytes);
/* WEIR_PG_ARRAY_ELEMENT (into the array, or into `buf`), WEIR_PG_ARRAY_NULL, 0 at the end,
 * WEIR_PG_ARRAY_BAD. */
WEIR_MUST_CHECK int weir_pg_array_next(weir_pg_array *a, uint8_t *buf, size_t room,
                                       weir_slice *ret);

#endif
