/* Private to ops/: LISTEN's families. */
#ifndef WEIR_OPS_METRICS_LISTEN_H
#define WEIR_OPS_METRICS_LISTEN_H

#include "engine/engine.h"
#include "ops/text.h"

void ops_put_listen(ops_text *t, weir_engine *engine);

#endif
