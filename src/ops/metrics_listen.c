/* The part of /metrics that tells of LISTEN: who listens, what came, what may have been lost. */
#include "ops/metrics_listen.h"

typedef struct family {
    const char *name, *type, *help;
    size_t at; /* of the figure in weir_listen_stats */
} family;

#define FIGURE(field) offsetof(weir_listen_stats, field)

static const family families[] = {
    {"weir_listeners", "gauge", "Clients that listen to a channel without a server connection.",
     FIGURE(listeners)},
    {"weir_listen_channels", "gauge", "Channels that are listened to for them.", FIGURE(channels)},
    {"weir_listen_connections", "gauge", "Server connections that do it.", FIGURE(held)},
    {"weir_notifications_total", "counter", "Notifications received by these.",
     FIGURE(notifications)},
    {"weir_notifications_lost_total", "counter",
     "Times that a listening connection was lost, and notifications perhaps with it.",
     FIGURE(episodes)},
    {"weir_notifications_dropped_total", "counter",
     "Notifications that did not fit into a client's queue (limits.notifications).",
     FIGURE(dropped)},
};

void ops_put_listen(ops_text *t, weir_engine *engine)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
        ops_family(t, families[f].name, families[f].type, families[f].help);
        for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
            weir_database *d = weir_engine_database_at(engine, i);
            const char *stats = (const char *)weir_database_listen_stats(d);
            const _Atomic uint64_t *figure =
                (const _Atomic uint64_t *)(const void *)(stats + families[f].at);
            ops_count(t, OPS_LABELS({"database", weir_database_label(d)}),
                      atomic_load_explicit(figure, memory_order_relaxed));
        }
    }
}
