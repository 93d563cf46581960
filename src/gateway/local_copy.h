/* COPY of a virtual server. Private to gateway/local*.c. */
#ifndef WEIR_GATEWAY_LOCAL_COPY_H
#define WEIR_GATEWAY_LOCAL_COPY_H

#include "gateway/local_calls.h"

typedef struct local_copy local_copy;

/* `then` is called when it is over, perhaps after many messages. */
void local_copy_start(weir_local *l, local_statement *s, local_then then);
void local_copy_free(local_copy *copy);
/* It waits for the client's data: messages go there. */
bool local_copy_receives(const weir_local *l);
/* The client wants it to end (57014). */
void local_copy_cancel(weir_local *l);
WEIR_MUST_CHECK int local_copy_feed(weir_local *l, const weir_pg_frame *frame);

#endif
