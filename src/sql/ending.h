/* The call of pg_terminate_backend or pg_cancel_backend in a text, found by its tokens alone. */
#ifndef WEIR_SQL_ENDING_H
#define WEIR_SQL_ENDING_H

#include "base/slice.h"
#include <stdbool.h>

typedef struct weir_sql_ending {
    weir_slice call;     /* with its schema, up to its parenthesis */
    weir_slice argument; /* the first, which says whom */
    uint32_t number;     /* ... if it is one; 0 */
    unsigned param;      /* ... if it is $n, perhaps cast; 0 */
    bool cancels;        /* its statement alone */
} weir_sql_ending;

/* The first call; false: there is none, or its argument is neither a number nor a parameter. */
bool weir_sql_find_ending(weir_slice text, weir_sql_ending *ret);

#endif
