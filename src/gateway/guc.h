/* Lists of session settings (GUCs), as weir_parameters has them: "name\0value\0" pairs, names in
 * lower case, each once, sorted by their bytes. Pure. */
#ifndef WEIR_GATEWAY_GUC_H
#define WEIR_GATEWAY_GUC_H

#include "base/buf.h"

/* Adds a pair, or replaces the one of that name; case of the name does not count. Neither may
 * contain a zero byte. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_guc_put(weir_buf *list, weir_slice name, weir_slice value);
/* Puts a pair behind the others, as it is. */
WEIR_MUST_CHECK int weir_guc_append(weir_buf *list, weir_slice name, weir_slice value);
/* Without data: it is not there. `name` in lower case. */
weir_slice weir_guc_find(weir_slice list, weir_slice name);
/* Adds the pairs of `base` whose names `list` lacks. */
WEIR_MUST_CHECK int weir_guc_fill_up(weir_buf *list, weir_slice base);

#endif
