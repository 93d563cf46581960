/* What a listening client is to be told: notifications in their order, and that some were lost. */
#ifndef WEIR_GATEWAY_NEWS_H
#define WEIR_GATEWAY_NEWS_H

#include "gateway/internal.h"
#include "gateway/listen.h"

typedef struct weir_news {
    weir_note_queue queue;
    uint64_t dropped_told; /* of queue.dropped */
    bool missed;           /* notifications may have been lost, and it was not said yet */
} weir_news;

bool weir_news_any(const weir_news *news);
/* Writes what there is, as far as the client reads it. */
void weir_news_deliver(weir_news *news, weir_client *c);

#endif
