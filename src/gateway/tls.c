/* TLS of clients: the certificate in force, SSLRequest and PostgreSQL 17's direct negotiation, and
 * what is said of a certificate's end. Servers' contexts are made here too. */
#include "backend/postgres/postgres.h"
#include "gateway/internal.h"
#include <stdio.h>
#include <time.h>

enum { TLS_HANDSHAKE = 0x16, DAY_S = 24 * 3600, WARN_DAYS = 14 };

static_assert((int)WEIR_CONFIG_TLS_1_0 == WEIR_TLS_1_0 && (int)WEIR_CONFIG_TLS_1_3 == WEIR_TLS_1_3,
              "told alike");

/* ---- certificates ---- */

static void log_expiry(weir_gateway *g, const char *path, int64_t expiry)
{
    int64_t left = expiry - (int64_t)time(NULL);
    if (expiry == 0 || left > (int64_t)WARN_DAYS * DAY_S)
        return;
    weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_WARN,
                   left < 0 ? "certificate has expired" : "certificate expires soon",
                   WEIR_F_STR("file", path), WEIR_F_INT("days_left", left / DAY_S));
}

static int new_context(const weir_config *config, weir_tls_context **ret, weir_error *err)
{
    weir_tls_options o = {.server = true,
                          .cert = config->tls.cert,
                          .key = config->tls.key,
                          .ca = config->tls.client_ca,
                          .crl = config->tls.client_crl,
                          .ciphers = config->tls.ciphers,
                          .oldest = (weir_tls_version)config->tls.min_version};
    if (config->tls.client_cert == WEIR_CONFIG_CLIENT_CERT_NONE)
        o.ca = o.crl = NULL;
    else
        o.verify = config->tls.client_cert == WEIR_CONFIG_CLIENT_CERT_REQUIRED
                       ? WEIR_TLS_VERIFY_REQUIRED
                       : WEIR_TLS_VERIFY_OPTIONAL;
    return weir_tls_context_new(&o, ret, err);
}

int weir_gateway_load_tls(weir_gateway *g, const weir_config *config, weir_error *err)
{
    weir_tls_context *context = NULL;
    bool on = config->tls.mode > WEIR_CONFIG_TLS_DISABLE && config->tls.cert;
    int r = on ? new_context(config, &context, err) : 0;
    if (r < 0)
        return r;
    int64_t expiry = context ? weir_tls_context_expiry(context) : 0;
    atomic_store(&g->tls_expiry, expiry);
    log_expiry(g, config->tls.cert, expiry);
    weir_tls_slot_put(&g->tls, context);
    return 0;
}

int64_t weir_gateway_tls_expiry(const weir_gateway *gateway)
{
    return atomic_load(&gateway->tls_expiry);
}

int weir_gateway_server_tls(weir_gateway *g, const weir_config_server_tls *tls,
                            weir_tls_context **ret, weir_error *err)
{
    *ret = NULL;
    if (tls->mode <= WEIR_CONFIG_SSLMODE_DISABLE)
        return 0;
    weir_tls_options o = {.cert = tls->cert,
                          .key = tls->key,
                          .ca = tls->ca,
                          .crl = tls->crl,
                          .verify = tls->ca ? WEIR_TLS_VERIFY_REQUIRED : WEIR_TLS_VERIFY_NONE,
                          .oldest = (weir_tls_version)tls->min_version};
    int r = weir_tls_context_new(&o, ret, err);
    if (r == 0)
        log_expiry(g, tls->cert, weir_tls_context_expiry(*ret));
    return r;
}

void weir_gateway_reload_server_tls(weir_gateway *g, weir_database *d,
                                    const weir_config_server_tls *tls)
{
    weir_tls_context *context = NULL;
    weir_error err = {{0}, {0}, {0}, {0}};
    weir_backend *backend = weir_database_backend(d);
    int r = backend->ops->relays ? weir_gateway_server_tls(g, tls, &context, &err) : 0;
    if (r < 0)
        weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "TLS of servers cannot be reloaded, the old files' contents stay",
                       WEIR_F_STR("db", weir_database_label(d)), WEIR_F_STR("reason", err.message));
    else if (context)
        weir_postgres_set_tls(backend, context);
    weir_tls_context_unref(context);
}

unsigned weir_gateway_sslmode(const weir_config_server_tls *tls)
{
    return tls->mode ? (unsigned)tls->mode - WEIR_CONFIG_SSLMODE_DISABLE : 0;
}

/* ---- clients ---- */

/* Sockets of this machine need none: PostgreSQL answers N there, too. */
static bool is_socket(const weir_client *c)
{
    return strcmp(weir_stream_peer(c->stream), "unix") == 0;
}

bool weir_client_needs_tls(const weir_client *c)
{
    return weir_gateway_config(c->worker->gateway)->tls.mode == WEIR_CONFIG_TLS_REQUIRE &&
           !is_socket(c) && !weir_stream_tls(c->stream);
}

static void start(weir_client *c, weir_tls_context *context)
{
    if (weir_stream_start_tls(c->stream, context, NULL, NULL) < 0)
        weir_client_close(c, 0);
    weir_tls_context_unref(context);
}

void weir_client_asks_tls(weir_client *c)
{
    weir_gateway *g = c->worker->gateway;
    weir_tls_context *context = is_socket(c) ? NULL : weir_tls_slot_take(&g->tls);
    weir_client_write(c, context ? WEIR_SLICE_LIT("S") : WEIR_SLICE_LIT("N"));
    if (context)
        start(c, context);
}

bool weir_client_begins_tls(weir_client *c, weir_slice in)
{
    weir_gateway *g = c->worker->gateway;
    if (in.len == 0 || in.data[0] != TLS_HANDSHAKE || c->spoke || weir_stream_tls(c->stream))
        return false;
    weir_tls_context *context = is_socket(c) ? NULL : weir_tls_slot_take(&g->tls);
    if (!context) {
        weir_client_close(c, 0);
        return true;
    }
    c->direct_tls = true;
    start(c, context);
    return true;
}

void weir_client_on_secured(weir_stream *stream)
{
    weir_client *c = weir_stream_user(stream);
    const weir_tls_info *tls = weir_stream_tls(stream);
    if (!c->direct_tls || !tls || tls->alpn)
        return;
    weir_log_event(c->worker->gateway->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO,
                   "direct TLS without ALPN refused", WEIR_F_STR("from", weir_stream_peer(stream)));
    weir_client_close(c, WEIR_SECOND);
}

void weir_client_log_tls_failure(const weir_client *c)
{
    const char *why = c->closed ? NULL : weir_stream_tls_failure(c->stream);
    if (why && !c->user)
        weir_log_event(c->worker->gateway->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO,
                       "TLS handshake failed", WEIR_F_STR("from", weir_stream_peer(c->stream)),
                       WEIR_F_STR("reason", why));
}

void weir_tls_describe(const weir_tls_info *tls, char *out, size_t size)
{
    if (tls)
        (void)snprintf(out, size, "%s/%s", tls->version, tls->cipher);
    else
        out[0] = '\0';
}
