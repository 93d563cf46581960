/* Reports on what runs: every SHOW command, /api/NAME.json. A report is built on the workers' own
 * loops, one after the other, and comes back to the loop that asked (weir_gateway_report of
 * gateway.h). */
#ifndef WEIR_GATEWAY_REPORT_H
#define WEIR_GATEWAY_REPORT_H

#include "engine/report.h"
#include "gateway/gateway.h"

/* The report of this name, in any case; false: there is none. `ret_columns` is static. */
bool weir_gateway_report_find(weir_slice name, const weir_report_column **ret_columns,
                              unsigned *ret_count);
/* "VERSION, CONFIG, …": for hints. Static. */
const char *weir_gateway_report_names(void);

#endif
