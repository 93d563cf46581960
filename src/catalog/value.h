/* One value of a row or a parameter, as databases without declared result types have it. Plain
 * data. */
#ifndef WEIR_CATALOG_VALUE_H
#define WEIR_CATALOG_VALUE_H

#include "base/slice.h"

typedef enum weir_value_type {
    WEIR_VALUE_NULL,
    WEIR_VALUE_INTEGER,
    WEIR_VALUE_REAL,
    WEIR_VALUE_TEXT,
    WEIR_VALUE_BLOB
} weir_value_type;

typedef struct weir_value {
    weir_value_type type;
    union {
        int64_t integer;
        double real;
        weir_slice bytes; /* TEXT (UTF-8), BLOB; borrowed */
    } u;
} weir_value;

#endif
