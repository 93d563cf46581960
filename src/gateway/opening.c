/* Opens the databases that a configuration names, moves one to where a new configuration says. */
#include "backend/postgres/postgres.h"
#include "backend/sqlite/sqlite.h"
#include "compat/compat.h"
#include "gateway/host.h"
#include <stdio.h>
#include <sys/stat.h>

static int open_sqlite(weir_host *h, const weir_config_database *d, weir_backend **ret,
                       weir_error *err)
{
    weir_sqlite_options options = {.path = d->path,
                                   .must_exist = !d->create,
                                   .log = h->log,
                                   .memory = &h->memory,
                                   .executors = h->config->sqlite.executors,
                                   .busy_timeout = h->config->sqlite.busy_timeout,
                                   .another = &h->another,
                                   .synchronous_full = h->config->sqlite.synchronous_full,
                                   .cache_size = h->config->sqlite.cache_size,
                                   .mmap_size = h->config->sqlite.mmap_size,
                                   .wal_size = h->config->sqlite.wal_size,
                                   .wal_max = h->config->sqlite.wal_max,
                                   .group_max = h->config->sqlite.group_commit,
                                   .face = weir_compat_face(),
                                   .on_accesses = weir_gateway_on_accesses,
                                   .user = h->gateway};
    return weir_sqlite_open(&options, ret, err);
}

static_assert((int)WEIR_POSTGRES_PREFER_STANDBY == (int)WEIR_CONFIG_TARGET_PREFER_STANDBY &&
                  (int)WEIR_POSTGRES_PRIMARY == (int)WEIR_CONFIG_TARGET_PRIMARY,
              "told alike");

typedef struct postgres_place {
    weir_postgres_options options;
    char hosts[WEIR_POSTGRES_HOSTS_MAX][300];
} postgres_place;

static void write_hosts(const weir_config_database *d, postgres_place *p)
{
    for (unsigned i = 0; i < d->host_count && i < WEIR_POSTGRES_HOSTS_MAX; i++) {
        const weir_config_host *h = &d->hosts[i];
        size_t size = sizeof(p->hosts[i]);
        if (h->host[0] == '/')
            (void)snprintf(p->hosts[i], size, "%s/.s.PGSQL.%u", h->host, h->port);
        else if (strchr(h->host, ':'))
            (void)snprintf(p->hosts[i], size, "[%s]:%u", h->host, h->port);
        else
            (void)snprintf(p->hosts[i], size, "%s:%u", h->host, h->port);
        p->options.hosts[p->options.host_count++] = p->hosts[i];
    }
}

/* As libpq has it; NULL: its own. */
static const char *tls_version(unsigned version)
{
    static const char *const names[] = {[WEIR_CONFIG_TLS_1_0] = "TLSv1",
                                        [WEIR_CONFIG_TLS_1_1] = "TLSv1.1",
                                        [WEIR_CONFIG_TLS_1_2] = "TLSv1.2",
                                        [WEIR_CONFIG_TLS_1_3] = "TLSv1.3"};
    return version < sizeof(names) / sizeof(*names) ? names[version] : NULL;
}

/* The TLS context in it is the caller's. */
static int place_of(weir_host *h, const weir_config_database *d, postgres_place *ret,
                    weir_error *err)
{
    ret->options = (weir_postgres_options){
        .connect_timeout = d->connect_timeout ? d->connect_timeout : h->config->timeouts.connect,
        .cancel_timeout = h->config->timeouts.cancel,
        .prepared_max = h->config->limits.prepared_server,
        .rows_max = h->config->limits.rows,
        .target = (weir_postgres_target)d->target,
        .balance = d->balance,
        .sslmode = weir_gateway_sslmode(&d->tls),
        .direct = d->tls.direct == WEIR_CONFIG_NEGOTIATION_DIRECT,
        .sni = d->tls.sni != WEIR_CONFIG_SNI_OFF,
        .binds = d->tls.binding != WEIR_CONFIG_BINDING_DISABLE,
        .must_bind = d->tls.binding == WEIR_CONFIG_BINDING_REQUIRE,
        .dns_ttl = h->config->timeouts.dns,
        .dns_check = d->pool.dns_check,
        .following = {.dbname = d->dbname,
                      .user = d->user,
                      .password = d->password,
                      .ca = d->tls.ca,
                      .crl = d->tls.crl,
                      .cert = d->tls.cert,
                      .key = d->tls.key,
                      .min_version = tls_version(d->tls.min_version),
                      .keep_name = h->config->cache.tier.persist_name,
                      .keep = h->config->cache.tier.persist == WEIR_CONFIG_PERSIST_SLOT,
                      .keep_bytes = h->config->cache.tier.persist_wal,
                      .keep_time = h->config->cache.tier.ttl},
        .resolver = h->resolver,
        .log = h->log};
    write_hosts(d, ret);
    return weir_gateway_server_tls(h->gateway, &d->tls, &ret->options.tls, err);
}

/* `there` NULL: a backend is made; else its servers are elsewhere now, or it STAYS. */
static int place_postgres(weir_host *h, const weir_config_database *d, weir_database_options *o,
                          const weir_database *there, weir_error *err)
{
    postgres_place p;
    weir_error why = {{0}, {0}, {0}, {0}};
    int r = place_of(h, d, &p, &why);
    if (r == 0 && !there)
        r = weir_postgres_open(&p.options, &o->backend);
    else if (r == 0 && weir_postgres_is_at(o->backend, &p.options) && weir_database_is_at(there, o))
        r = WEIR_GATEWAY_STAYS;
    else if (r == 0)
        r = weir_postgres_place(o->backend, &p.options, &o->place);
    weir_tls_context_unref(p.options.tls);
    if (r < 0)
        weir_error_set(err, "F0000", "weir: database \"%s\": %s", d->name,
                       why.message[0] ? why.message : strerror(-r));
    return r;
}

/* Under another name, or by a link: the configuration's own check compares words. Each would take
 * the other's commits for those of another process. */
static int check_same_file(const weir_host *h, const weir_config_database *d, weir_error *err)
{
    struct stat ours, other;
    if (d->backend != WEIR_CONFIG_SQLITE || stat(d->path, &ours) != 0)
        return 0;
    for (const weir_config_database *o = h->config->databases; o != d; o++) {
        if (o->backend == WEIR_CONFIG_SQLITE && stat(o->path, &other) == 0 &&
            other.st_dev == ours.st_dev && other.st_ino == ours.st_ino) {
            weir_error_set(err, "F0000", "weir: databases \"%s\" and \"%s\" are the same file",
                           o->name, d->name);
            return -EEXIST;
        }
    }
    return 0;
}

static weir_database_options options_of(const weir_config_database *d)
{
    return (weir_database_options){.name = d->name,
                                   .dbname = d->dbname,
                                   .user = d->backend == WEIR_CONFIG_SQLITE ? "weir" : d->user,
                                   .password = d->password,
                                   .shown = d->dsn_shown,
                                   .label = d->label,
                                   .host = d->host_count ? d->hosts[0].host : NULL,
                                   .port = d->host_count ? d->hosts[0].port : 0,
                                   .lending = weir_gateway_lending(d->pool.mode),
                                   .share = weir_gateway_share(&d->share),
                                   .leak_ends = d->pool.leak_ends,
                                   .replica_lag = d->replica_lag,
                                   .pool = weir_gateway_pool_options(&d->pool)};
}

static int open_replicas(weir_host *h, const weir_config_database *d, weir_database *primary,
                         weir_error *err)
{
    char name[128];
    int r = 0;
    for (unsigned i = 0; r == 0 && i < d->replica_count; i++) {
        weir_database_options options = options_of(&d->replicas[i]);
        (void)snprintf(name, sizeof(name), "%.100s/replica%u", d->label, i + 1);
        options.name = options.label = name;
        if (!options.dbname)
            options.dbname = weir_database_name(primary);
        options.replica_of = primary;
        options.pool = weir_gateway_replica_pool_options(&d->replicas[i].pool);
        r = place_postgres(h, &d->replicas[i], &options, NULL, err);
        if (r < 0 || !options.backend)
            return r;
        r = weir_engine_add_database(weir_gateway_engine(h->gateway), &options, NULL);
        if (r < 0) {
            options.backend->ops->destroy(options.backend);
            weir_error_set(err, "53200", "weir: cannot add %s: %s", name, strerror(-r));
        }
    }
    return r;
}

/* Its replicas are opened after all that the configuration lists, where `later`. */
static int open_database(weir_host *h, const weir_config_database *d, bool later, weir_error *err)
{
    weir_database_options options = options_of(d);
    weir_database *opened = NULL;
    int r = check_same_file(h, d, err);
    if (r < 0)
        return r;
    r = d->backend == WEIR_CONFIG_SQLITE ? open_sqlite(h, d, &options.backend, err)
                                         : place_postgres(h, d, &options, NULL, err);
    if (r < 0 || !options.backend)
        return r;
    r = weir_engine_add_database(weir_gateway_engine(h->gateway), &options, &opened);
    if (r < 0) {
        options.backend->ops->destroy(options.backend);
        weir_error_set(err, "53200", "weir: cannot add database \"%s\": %s", d->name, strerror(-r));
    }
    return r < 0 || later ? r : open_replicas(h, d, opened, err);
}

static int move_database(weir_host *h, const weir_config_database *d, weir_database *there,
                         weir_error *err)
{
    weir_database_options options = options_of(d);
    options.backend = weir_database_backend(there);
    if (d->backend != WEIR_CONFIG_POSTGRES || !options.backend->ops->relays) /* a file */
        return strcmp(d->dsn_shown, weir_database_shown(there)) == 0 ? WEIR_GATEWAY_STAYS
                                                                     : -ENOTSUP;
    int r = place_postgres(h, d, &options, there, err);
    if (r != 0)
        return r;
    r = weir_database_move(there, &options, weir_loop_clock(h->control));
    if (r == 0)
        weir_postgres_settle(options.backend, options.place);
    else
        weir_error_set(err, "53200", "weir: %s", strerror(-r));
    return r;
}

/* A database that is new in a configuration that comes into force, or perhaps elsewhere. */
int weir_host_open(void *user, const weir_config *config, const weir_config_database *d,
                   weir_database *there, weir_error *err)
{
    weir_host *h = user;
    const weir_config *before = h->config;
    h->config = config;
    int r = there ? move_database(h, d, there, err) : open_database(h, d, false, err);
    h->config = before;
    return r;
}

int weir_host_open_databases(weir_host *h, weir_error *err)
{
    weir_engine *e = weir_gateway_engine(h->gateway);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < h->config->database_count; i++)
        r = open_database(h, &h->config->databases[i], true, err);
    for (unsigned i = 0; r == 0 && i < h->config->database_count; i++)
        r = open_replicas(h, &h->config->databases[i], weir_engine_database_at(e, i), err);
    return r;
}
