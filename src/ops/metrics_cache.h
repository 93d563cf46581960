/* Private to ops/: the cache's families. */
#ifndef WEIR_OPS_METRICS_CACHE_H
#define WEIR_OPS_METRICS_CACHE_H

#include "engine/engine.h"
#include "ops/text.h"

void ops_put_cache(ops_text *t, weir_engine *engine, weir_time now);

#endif
