/* What a client proved, used to log in to the server as the same user: SCRAM's keys where it proved
 * itself by them, a configured password where there is one. No password is kept for that which was
 * not kept before. */
#include "gateway/auth.h"

/* False: nothing of the user would convince a server. */
static bool make_login(const weir_auth *a, const weir_secret *known, weir_login *ret)
{
    switch (known->kind) {
    case WEIR_SECRET_CLEAR:
    case WEIR_SECRET_MD5:
        memcpy(ret->password, known->text, strlen(known->text) + 1);
        return true;
    case WEIR_SECRET_SCRAM:
        if (!a->server.proved)
            return false;
        ret->has_keys = true;
        memcpy(ret->client_key, a->server.proof.client_key, sizeof(ret->client_key));
        memcpy(ret->server_key, a->server.proof.server_key, sizeof(ret->server_key));
        return true;
    case WEIR_SECRET_NONE:
        break;
    }
    return false;
}

int weir_auth_pass_on(const weir_auth *auth)
{
    const weir_client *c = auth->client;
    weir_secret configured = {0};
    weir_login login = {0};
    weir_database *d =
        weir_engine_find_database(c->worker->gateway->engine, weir_slice_cstr(c->database));
    if (!d || weir_database_user(d) || !weir_database_backend(d)->ops->relays)
        return 0; /* the database's own user is who logs in */
    const weir_secret *known = &auth->secret;
    if (known->kind == WEIR_SECRET_NONE &&
        weir_auth_configured(auth->settings, c->user, &configured))
        known = &configured; /* trust, peer, cert: what is configured serves still */
    int r = 0;
    if (make_login(auth, known, &login))
        r = weir_database_set_login(d, weir_slice_cstr(c->user), &login);
    weir_pg_forget(&configured, sizeof(configured));
    weir_pg_forget(&login, sizeof(login));
    return r;
}
