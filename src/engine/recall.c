/* See recall.h. */
#include "engine/recall.h"

static weir_recalled *place_of(weir_recall *recall, uint64_t hash)
{
    return &recall->places[hash % WEIR_RECALL_PLACES];
}

const weir_recalled *weir_recall_find(weir_recall *recall, weir_hash_seed seed, weir_slice text)
{
    recall->len = (uint32_t)weir_sql_shape(text, recall->shape, sizeof(recall->shape));
    if (recall->len == 0)
        return NULL;
    recall->hash = weir_hash(seed, weir_slice_make(recall->shape, recall->len));
    const weir_recalled *at = place_of(recall, recall->hash);
    bool same = at->hash == recall->hash && at->len == recall->len &&
                memcmp(at->shape, recall->shape, recall->len) == 0;
    return same ? at : NULL;
}

void weir_recall_keep(weir_recall *recall, uint32_t template_id, uint32_t template_serial)
{
    if (recall->len == 0)
        return;
    weir_recalled *at = place_of(recall, recall->hash);
    at->hash = recall->hash;
    at->len = recall->len;
    at->template_id = template_id;
    at->template_serial = template_serial;
    memcpy(at->shape, recall->shape, recall->len);
}
