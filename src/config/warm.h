/* Part of config.h: cache.warm. */
#ifndef WEIR_CONFIG_WARM_H
#define WEIR_CONFIG_WARM_H

#include "base/time.h"

/* What is read into the cache before it is asked for. */
typedef struct weir_config_warm {
    const char *file;     /* cache.warm.file: a listing (sql/listing.h); NULL: none; reloadable */
    weir_time every;      /* cache.warm.every: again and again; 0: at start; reloadable */
    unsigned hottest;     /* cache.warm.hottest answers are remembered, 0; restart, as the next */
    const char *remember; /* cache.warm.remember: the file in which they are; NULL: none */
} weir_config_warm;

#endif
