/* Commands that are scripts: CREATE TABLE with what comes with a table, DROP, COMMENT (define.c)
 * and those of types (enum_plan.c). */
#ifndef WEIR_COMPAT_DEFINE_H
#define WEIR_COMPAT_DEFINE_H

#include "compat/compat.h"

/* Appends the statements that do what a DEFINE says, whose `value` is the translation. REFUSED with
 * words. */
WEIR_MUST_CHECK int weir_define_plan(const weir_command *c, weir_buf *out, weir_error *err);

/* A row of what weir_define_query asks: an enum's name and OID, or a table and a column. */
typedef struct weir_define_fact {
    weir_slice name, value;
} weir_define_fact;

/* Appends the query of what must be known before a DEFINE is translated (its enums, for
 * weir_compat_context) or a TYPE is planned; nothing: it needs none. */
WEIR_MUST_CHECK int weir_define_query(const weir_command *c, weir_buf *out);
/* … that do what a TYPE says. REFUSED with words. */
WEIR_MUST_CHECK int weir_type_plan(const weir_command *c, const weir_define_fact *facts,
                                   size_t count, weir_buf *out, weir_error *err);

#endif
