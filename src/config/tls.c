/* tls.*: what its keys mean together, and the ssl* options of DSNs, which are libpq's (libpq
 * documentation, 34.1.2 and 34.19), as is channel_binding. */
#include "config/draft.h"
#include "config/server_tls.h"

const char *const config_server_tls_options =
    "sslmode, sslrootcert, sslcrl, sslcert, sslkey, sslnegotiation, sslsni, "
    "ssl_min_protocol_version, channel_binding";

/* ---- a DSN's options ---- */

static int index_of(const char *const *names, const char *value)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return -1;
}

static bool set_choice(int index, int first, const char *expected, uint8_t *ret,
                       const char **ret_why)
{
    if (index < 0)
        *ret_why = expected;
    else
        *ret = (uint8_t)(index + first);
    return true;
}

static bool text_option(weir_config_server_tls *given, weir_slice name, const char *value)
{
    const struct {
        const char *name;
        const char **field;
    } texts[] = {{"sslrootcert", &given->ca},
                 {"sslcrl", &given->crl},
                 {"sslcert", &given->cert},
                 {"sslkey", &given->key}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!weir_slice_eq_cstr(name, texts[i].name))
            continue;
        *texts[i].field = *value ? value : NULL;
        return true;
    }
    return false;
}

bool config_server_tls_option(weir_config_server_tls *given, weir_slice name, const char *value,
                              const char **ret_why)
{
    static const char *const modes[] = {"disable",   "allow",       "prefer", "require",
                                        "verify-ca", "verify-full", NULL};
    static const char *const negotiations[] = {"postgres", "direct", NULL};
    static const char *const flags[] = {"0", "1", NULL};
    static const char *const versions[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL};
    static const char *const bindings[] = {"disable", "prefer", "require", NULL};
    if (weir_slice_eq_cstr(name, "sslmode"))
        return set_choice(index_of(modes, value), WEIR_CONFIG_SSLMODE_DISABLE,
                          "sslmode of the DSN must be disable, allow, prefer, require, verify-ca "
                          "or verify-full",
                          &given->mode, ret_why);
    if (weir_slice_eq_cstr(name, "sslnegotiation"))
        return set_choice(index_of(negotiations, value), WEIR_CONFIG_NEGOTIATION_POSTGRES,
                          "sslnegotiation of the DSN must be postgres or direct", &given->direct,
                          ret_why);
    if (weir_slice_eq_cstr(name, "sslsni"))
        return set_choice(index_of(flags, value), WEIR_CONFIG_SNI_OFF,
                          "sslsni of the DSN must be 0 or 1", &given->sni, ret_why);
    if (weir_slice_eq_cstr(name, "ssl_min_protocol_version"))
        return set_choice(index_of(versions, value), WEIR_CONFIG_TLS_1_0,
                          "ssl_min_protocol_version of the DSN must be TLSv1, TLSv1.1, TLSv1.2 or "
                          "TLSv1.3",
                          &given->min_version, ret_why);
    if (weir_slice_eq_cstr(name, "channel_binding"))
        return set_choice(index_of(bindings, value), WEIR_CONFIG_BINDING_DISABLE,
                          "channel_binding of the DSN must be disable, prefer or require",
                          &given->binding, ret_why);
    return text_option(given, name, value);
}

/* ---- what goes with what ---- */

static const char *check_server(const weir_config_server_tls *t)
{
    bool system = t->ca && strcmp(t->ca, "system") == 0;
    if (system && t->mode != WEIR_CONFIG_SSLMODE_VERIFY_FULL)
        return "the system's authorities (sslrootcert=system) vouch for everybody: sslmode must be "
               "verify-full with them";
    if (t->mode >= WEIR_CONFIG_SSLMODE_VERIFY_CA && !t->ca)
        return "sslmode verify-ca and verify-full need authorities: set sslrootcert (or "
               "tls.server.ca) to a file of them or to system";
    if (t->direct == WEIR_CONFIG_NEGOTIATION_DIRECT && t->mode < WEIR_CONFIG_SSLMODE_REQUIRE)
        return "sslnegotiation=direct needs an sslmode of require, verify-ca or verify-full";
    if (t->crl && !t->ca)
        return "sslcrl needs sslrootcert: nothing is judged without authorities";
    return NULL;
}

const char *config_server_tls_finish(weir_config_server_tls *own,
                                     const weir_config_server_tls *defaults)
{
    bool own_ca = own->ca != NULL, own_cert = own->cert != NULL;
    if (!own_ca) {
        own->ca = defaults->ca;
        own->crl = own->crl ? own->crl : defaults->crl;
    }
    if (!own_cert && !own->key) {
        own->cert = defaults->cert;
        own->key = defaults->key;
    }
    if (!own->mode && own_ca && strcmp(own->ca, "system") == 0)
        own->mode = WEIR_CONFIG_SSLMODE_VERIFY_FULL;
    own->mode = own->mode ? own->mode : defaults->mode;
    own->direct = own->direct ? own->direct : defaults->direct;
    own->sni = own->sni ? own->sni : defaults->sni;
    own->min_version = own->min_version ? own->min_version : defaults->min_version;
    if (own->mode == WEIR_CONFIG_SSLMODE_DISABLE && own->binding == WEIR_CONFIG_BINDING_REQUIRE)
        return "channel_binding=require needs TLS: sslmode must not be disable";
    own->binding = own->binding ? own->binding : defaults->binding;
    /* Where there is no TLS at all, what the defaults say of it does not matter. */
    return own->mode == WEIR_CONFIG_SSLMODE_DISABLE ? NULL : check_server(own);
}

/* ---- the keys ---- */

static int fail_at(draft *d, const char *path, const char *why)
{
    return draft_fail(d, &draft_slot_of(d->root, path)->from, "%s: %s", path, why);
}

static int finish_clients(draft *d)
{
    weir_config *c = d->config;
    if (!c->tls.mode)
        c->tls.mode = c->tls.cert ? WEIR_CONFIG_TLS_ALLOW : WEIR_CONFIG_TLS_DISABLE;
    if (!c->tls.client_cert)
        c->tls.client_cert =
            c->tls.client_ca ? WEIR_CONFIG_CLIENT_CERT_OPTIONAL : WEIR_CONFIG_CLIENT_CERT_NONE;
    if (c->tls.mode != WEIR_CONFIG_TLS_DISABLE && !c->tls.cert)
        return fail_at(d, "tls.mode",
                       "TLS needs a certificate: set tls.cert and tls.key to its files");
    if (c->tls.key && !c->tls.cert)
        return fail_at(d, "tls.key", "there is no tls.cert that it could be the key of");
    if (c->tls.client_cert != WEIR_CONFIG_CLIENT_CERT_NONE && !c->tls.client_ca)
        return fail_at(d, "tls.client_cert",
                       "clients' certificates are judged by tls.client_ca: set it to a file of "
                       "authorities");
    if (c->tls.client_crl && !c->tls.client_ca)
        return fail_at(d, "tls.client_crl", "nothing is judged without tls.client_ca");
    return 0;
}

int draft_finish_tls(draft *d)
{
    weir_config *c = d->config;
    const struct {
        const char *path, **field;
    } texts[] = {
        {"tls.cert", &c->tls.cert},
        {"tls.key", &c->tls.key},
        {"tls.client_ca", &c->tls.client_ca},
        {"tls.client_crl", &c->tls.client_crl},
        {"tls.ciphers", &c->tls.ciphers},
        {"tls.server.ca", &c->tls.server.ca},
        {"tls.server.crl", &c->tls.server.crl},
        {"tls.server.cert", &c->tls.server.cert},
        {"tls.server.key", &c->tls.server.key},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = draft_slot_of(d->root, texts[i].path)->text;
        *texts[i].field = text && *text ? text : NULL;
    }
    weir_config_server_tls *server = &c->tls.server;
    if (!server->mode)
        server->mode = server->ca && strcmp(server->ca, "system") == 0
                           ? WEIR_CONFIG_SSLMODE_VERIFY_FULL
                           : WEIR_CONFIG_SSLMODE_PREFER;
    if (server->key && !server->cert)
        return fail_at(d, "tls.server.key", "there is no tls.server.cert that it could be for");
    return finish_clients(d);
}
