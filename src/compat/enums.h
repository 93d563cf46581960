/* Private to compat: enum types. One is a view of its name in the schema,
 *   CREATE VIEW "mood" / * enum 1600000001 * / ("label") AS VALUES ('sad'), ('ok')
 * (without the spaces in the comment's ends), so that it comes and goes with its transaction. The
 * number is its OID, and what its columns are declared as: TEXT(1600000001). What they hold are the
 * labels. */
#ifndef WEIR_COMPAT_ENUMS_H
#define WEIR_COMPAT_ENUMS_H

#include "compat/compat.h"
#include "compat/token.h"

#define ENUM_MARK "/* enum "
#define ENUM_FIRST_OID "1600000000"
#define ENUM_LABEL_MAX 63u
#define ENUM_SEPARATOR 31 /* between the labels in `list`, below; no label has it */

typedef struct enum_text {
    weir_slice name; /* quoted */
    uint32_t oid;
    weir_slice rest; /* labels that are left */
} enum_text;

/* False: it is none. */
bool enum_text_begin(weir_slice sql, enum_text *ret);
bool enum_is_oid(uint32_t oid);
/* The type's name and its labels, the separator before each label. */
WEIR_MUST_CHECK int enum_list(weir_slice sql, weir_buf *out);
/* Is it a label of the list? */
bool enum_lists(weir_slice list, weir_slice label);

#endif
