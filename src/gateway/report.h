/* Reports on what runs: every SHOW command, /api/NAME.json. A report is built on the workers' own
 * loops, one after the other, and comes back to the loop that asked. */
#ifndef WEIR_GATEWAY_REPORT_H
#define WEIR_GATEWAY_REPORT_H

#include "engine/report.h"
#include "gateway/gateway.h"

/* The report of this name, in any case; false: there is none. `ret_columns` is static. */
bool weir_gateway_report_find(weir_slice name, const weir_report_column **ret_columns,
                              unsigned *ret_count);
/* "VERSION, CONFIG, …": for hints. Static. */
const char *weir_gateway_report_names(void);

/* Has the report made. `done` comes on `home` (a worker's loop or any other that goes on running
 * until then), once, later; the report is borrowed until it returns. weir_report_error says whether
 * it is whole. -ENOENT: no such report; -ENOMEM: no callback comes. On `home`'s thread. */
WEIR_MUST_CHECK int weir_gateway_report(weir_gateway *gateway, weir_loop *home, weir_slice name,
                                        void (*done)(void *user, const weir_report *report),
                                        void *user);

#endif
