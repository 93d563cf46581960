/* Private to ops/: the families of SQLite files. */
#ifndef WEIR_OPS_METRICS_EMBEDDED_H
#define WEIR_OPS_METRICS_EMBEDDED_H

#include "engine/engine.h"
#include "ops/text.h"

void ops_put_embedded(ops_text *t, weir_engine *engine);

#endif
