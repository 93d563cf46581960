/* Private to compat: the parts of what a text alone says about types (infer*.c). */
#ifndef WEIR_COMPAT_INFER_H
#define WEIR_COMPAT_INFER_H

#include "catalog/face.h"
#include "compat/compat.h"
#include "compat/token.h"

/* Of coalesce(column, …) or array_agg(column …), where the catalogue has the column; 0: of nothing
 * else. */
uint32_t infer_catalog_argument(weir_slice statement, weir_slice call);

#endif
