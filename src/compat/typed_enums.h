/* Private to compat/typed*.c: enums in statements. */
#ifndef WEIR_COMPAT_TYPED_ENUMS_H
#define WEIR_COMPAT_TYPED_ENUMS_H

#include "compat/enums.h"
#include "compat/typed.h"

/* One that the statement uses. */
typedef struct typed_enum {
    struct typed_enum *next;
    weir_slice name; /* folded */
    uint32_t oid;
    weir_slice list; /* enum_list */
    const char *hex; /* … as a blob's digits */
} typed_enum;

/* NULL: there is none. */
const typed_enum *typed_enum_of(typed *t, uint32_t oid);
uint32_t typed_enum_named(typed *t, weir_slice name); /* folded; 0: none */
WEIR_MUST_CHECK int typed_put_enum_param(typed *t, uint32_t oid, size_t number);
/* By its place, where the value is ordered. Others stay. */
WEIR_MUST_CHECK int typed_enum_key(typed *t, typed_node *n);
/* One of both types is an enum. TYPED_NONE: that cannot be. */
WEIR_MUST_CHECK int typed_enum_coerce(typed *t, typed_node *n, typed_type to, char how);
/* min, max, enum_first, enum_last. TYPED_NONE: it is none of these. */
WEIR_MUST_CHECK int typed_infer_enum_call(typed *t, typed_node *n);

#endif
