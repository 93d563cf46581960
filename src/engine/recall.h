/* A worker's memory of which template texts of a shape have (sql.h, weir_sql_shape), so that a text
 * of a known shape is not lexed again. Direct-mapped: what falls on the same place takes it. Only
 * PostgreSQL's single reads and writes without effects on their session are kept: for everything
 * else what a literal says may count. */
#ifndef WEIR_ENGINE_RECALL_H
#define WEIR_ENGINE_RECALL_H

#include "base/hash.h"
#include "sql/sql.h"

#define WEIR_RECALL_PLACES 128u
#define WEIR_RECALL_SHAPE_MAX 256u

typedef struct weir_recalled {
    uint64_t hash;
    uint32_t template_id, template_serial;
    uint32_t len; /* of the shape; 0: free */
    uint8_t shape[WEIR_RECALL_SHAPE_MAX];
} weir_recalled;

typedef struct weir_recall {
    uint64_t hash; /* of the text last looked up, for weir_recall_keep */
    uint32_t len;  /* 0: it has no shape */
    uint8_t shape[WEIR_RECALL_SHAPE_MAX];
    weir_recalled places[WEIR_RECALL_PLACES];
} weir_recall;

/* The template of a text of this shape; NULL: not known. */
const weir_recalled *weir_recall_find(weir_recall *recall, weir_hash_seed seed, weir_slice text);
/* The text last looked up for has this template. */
void weir_recall_keep(weir_recall *recall, uint32_t template_id, uint32_t template_serial);

#endif
