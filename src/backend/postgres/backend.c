/* The PostgreSQL backend as a whole: where its servers are, and its life. */
#include "backend/postgres/internal.h"
#include <stdlib.h>

static void pg_stop(weir_backend *backend)
{
    (void)backend; /* connections are the pools' to close */
}

static void pg_destroy(weir_backend *backend)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    for (unsigned i = 0; i < WEIR_POSTGRES_HOSTS_MAX; i++)
        free(b->hosts[i]);
    weir_tls_slot_put(&b->tls, NULL);
    free(b);
}

static const weir_backend_ops ops = {
    .name = "postgres",
    .dialect = WEIR_DIALECT_POSTGRES,
    .relays = true,
    .open = pg_conn_open,
    .stop = pg_stop,
    .destroy = pg_destroy,
};

void weir_postgres_set_tls(weir_backend *backend, weir_tls_context *context)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    if (backend->ops == &ops)
        weir_tls_slot_put(&b->tls, weir_tls_context_ref(context));
}

int weir_postgres_open(const weir_postgres_options *options, weir_backend **ret)
{
    if (options->host_count == 0 || options->host_count > WEIR_POSTGRES_HOSTS_MAX ||
        (options->sslmode != WEIR_POSTGRES_DISABLE && !options->tls))
        return -EINVAL;
    pg_backend *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->base.ops = &ops;
    b->options = *options;
    b->options.tls = NULL; /* kept where it can be replaced */
    if (options->tls)
        weir_postgres_set_tls(&b->base, options->tls);
    if (b->options.replies_max == 0)
        b->options.replies_max = 65536;
    for (unsigned i = 0; i < options->host_count; i++) {
        b->hosts[i] = strdup(options->hosts[i]);
        if (!b->hosts[i]) {
            pg_destroy(&b->base);
            return -ENOMEM;
        }
    }
    pg_hosts_init(b);
    *ret = &b->base;
    return 0;
}
