/* A report as JSON, private to ops/. */
#ifndef WEIR_OPS_JSON_H
#define WEIR_OPS_JSON_H

#include "engine/report.h"

/* {"columns": […], "rows": [{column: value, …}, …]}: numbers as numbers, nulls as null, text that
 * is no UTF-8 with '?' for what is not. Appends to `out`. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int ops_json_report(const weir_report *report, weir_buf *out);

#endif
