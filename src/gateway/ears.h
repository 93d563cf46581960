/* Who listens on the embedded databases, worker by worker, and how a NOTIFY reaches them. */
#ifndef WEIR_GATEWAY_EARS_H
#define WEIR_GATEWAY_EARS_H

#include "base/list.h"
#include "gateway/listen_note.h"

struct weir_client;
struct weir_gateway_worker;
typedef struct weir_ears weir_ears;

/* Of a worker. -ENOMEM. */
WEIR_MUST_CHECK int weir_ears_new(struct weir_gateway_worker *worker, weir_ears **ret);
void weir_ears_free(weir_ears *ears);

/* For weir_local_host, on the client's worker. */
void weir_client_listen(void *client, weir_list *ear);
void weir_client_unlisten(void *client, weir_list *ear);
/* To everybody who listens in the client's database, on every worker. */
void weir_client_publish(void *client, weir_note *note);

#endif
