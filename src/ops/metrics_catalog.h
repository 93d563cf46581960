/* Private to ops/: the catalogs' part of /metrics. */
#ifndef WEIR_OPS_METRICS_CATALOG_H
#define WEIR_OPS_METRICS_CATALOG_H

#include "engine/engine.h"
#include "ops/text.h"

void ops_put_catalog(ops_text *text, weir_engine *engine, weir_time now);

#endif
