/* What is known of a user: from the configuration (users, auth.users_file), else looked up.
 *
 * SCRAM needs a secret derived of a password that is kept in clear. That costs thousands of hashes,
 * so it is made once, at the first login, off the loops, and kept with the settings. */
#include "gateway/auth.h"
#include <openssl/crypto.h>
#include <stdlib.h>

const weir_config_user *weir_client_find_user(const weir_settings *settings, const char *name)
{
    return weir_map_find(&settings->users, weir_slice_cstr(name));
}

/* 8 bytes at a time from the process's secret seed: SipHash is a pseudo-random function. */
static void mix(weir_hash_seed seed, const char *purpose, weir_slice of, uint8_t *out, size_t len)
{
    seed.k[0] ^= weir_hash(seed, weir_slice_cstr(purpose));
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        seed.k[1]++;
        uint64_t word = weir_hash(seed, of);
        memcpy(out + i, &word, sizeof(word));
    }
}

void weir_gateway_init_mock(weir_gateway *g)
{
    mix(g->options.seed, "mock", (weir_slice){0}, g->mock_key, sizeof(g->mock_key));
}

/* ---- with the settings ---- */

int weir_settings_index_users(weir_settings *settings, weir_hash_seed seed)
{
    const weir_config *config = settings->config;
    weir_map_init(&settings->users, seed, config->user_count);
    if (config->user_count == 0)
        return 0;
    settings->derived = calloc(config->user_count, sizeof(*settings->derived));
    if (!settings->derived)
        return -ENOMEM;
    for (unsigned i = 0; i < config->user_count; i++) {
        const weir_config_user *u = &config->users[i];
        int r =
            weir_map_put(&settings->users, weir_slice_cstr(u->name), (void *)(uintptr_t)u, NULL);
        if (r != 0)
            return -ENOMEM;
    }
    return 0;
}

void weir_settings_forget_users(weir_settings *settings)
{
    if (settings->derived)
        OPENSSL_cleanse(settings->derived,
                        settings->config->user_count * sizeof(*settings->derived));
    free(settings->derived);
    weir_map_fini(&settings->users);
}

static weir_derived *derived_of(const weir_auth *a)
{
    const weir_config_user *u = weir_client_find_user(a->settings, a->client->user);
    if (!u || !u->password)
        return NULL; /* looked up: the lookup's entry keeps no derivation */
    return &a->settings->derived[u - a->settings->config->users];
}

bool weir_auth_derived(weir_auth *auth)
{
    weir_derived *d = derived_of(auth);
    if (!d)
        return false;
    weir_spin_lock(&d->lock);
    if (d->done)
        auth->secret.scram = d->secret;
    auth->secret.derived = d->done;
    weir_spin_unlock(&d->lock);
    return auth->secret.derived;
}

/* The salt of a name is always the same, as it would be if it were stored. */
void weir_auth_derive(weir_auth *auth)
{
    uint8_t salt[16];
    mix(auth->client->worker->gateway->options.seed, "salt", weir_slice_cstr(auth->client->user),
        salt, sizeof(salt));
    auth->result = weir_pg_scram_secret_make(weir_slice_cstr(auth->secret.text), salt,
                                             WEIR_PG_SCRAM_ITERATIONS, &auth->secret.scram);
    auth->secret.derived = auth->result == 0;
}

void weir_auth_keep_derived(weir_auth *auth)
{
    weir_derived *d = derived_of(auth);
    if (!d)
        return;
    weir_spin_lock(&d->lock);
    d->secret = auth->secret.scram;
    d->done = true;
    weir_spin_unlock(&d->lock);
}

/* ---- finding ---- */

void weir_secret_set(weir_secret *secret, weir_slice password)
{
    secret->derived = false;
    secret->kind = WEIR_SECRET_NONE;
    if (password.len == 0 || password.len > WEIR_LOGIN_PASSWORD_MAX ||
        memchr(password.data, '\0', password.len))
        return;
    if (weir_pg_scram_secret_parse(password, &secret->scram) == 0) {
        secret->kind = WEIR_SECRET_SCRAM;
        return;
    }
    secret->kind = weir_pg_is_md5_secret(password) ? WEIR_SECRET_MD5 : WEIR_SECRET_CLEAR;
    memcpy(secret->text, password.data, password.len);
    secret->text[password.len] = '\0';
}

bool weir_auth_configured(const weir_settings *settings, const char *user, weir_secret *ret)
{
    const weir_config_user *u = weir_client_find_user(settings, user);
    if (!u || !u->password)
        return false;
    weir_secret_set(ret, weir_slice_cstr(u->password));
    return true;
}

/* Where the user is looked up; NULL: nowhere, so that it is unknown. */
static weir_database *lookup_database(const weir_auth *a)
{
    const weir_config *config = a->settings->config;
    const char *name =
        config->access.query_database ? config->access.query_database : a->client->database;
    if (!config->access.lookup || strcmp(name, WEIR_ADMIN_DATABASE) == 0)
        return NULL;
    weir_database *d =
        weir_engine_find_database(a->client->worker->gateway->engine, weir_slice_cstr(name));
    return d && weir_database_backend(d)->ops->relays ? d : NULL;
}

void weir_auth_find(weir_auth *auth)
{
    if (weir_auth_configured(auth->settings, auth->client->user, &auth->secret)) {
        weir_auth_known(auth);
        return;
    }
    weir_database *d = lookup_database(auth);
    if (d)
        weir_auth_look_up(auth, d);
    else
        weir_auth_known(auth);
}
