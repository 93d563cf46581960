/* What a database, a user and a server may have at most: server connections over several pools, as
 * quotas of the lending core, and clients, as counts taken at login.
 *
 * Accounts (users) and servers are made when they are first named and live as long as the engine;
 * lists of them only grow at their heads, so anybody may walk them. */
#include "engine/internal.h"
#include <stdlib.h>

/* ---- accounts ---- */

static weir_account *account_find(weir_account *from, weir_slice name)
{
    for (; from; from = from->next)
        if (weir_slice_eq_cstr(name, from->name))
            return from;
    return NULL;
}

static void account_free(weir_account *a)
{
    weir_pool_quota_free(a->connections);
    free(a->name);
    free(a);
}

static weir_account *account_new(weir_slice name)
{
    weir_account *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->name = strndup((const char *)name.data, name.len);
    if (a->name && weir_pool_quota_new(0, &a->connections) == 0)
        return a;
    account_free(a);
    return NULL;
}

weir_account *weir_account_get(weir_engine *engine, weir_slice name)
{
    weir_account *head = atomic_load_explicit(&engine->accounts, memory_order_acquire);
    weir_account *a = account_find(head, name);
    if (a || !(a = account_new(name)))
        return a;
    a->next = head;
    while (!atomic_compare_exchange_weak(&engine->accounts, &head, a)) {
        weir_account *other = account_find(head, name); /* another thread was faster */
        if (other) {
            account_free(a);
            return other;
        }
        a->next = head;
    }
    return a;
}

/* ---- servers ---- */

static weir_server *server_find(weir_server *from, const char *host, unsigned port)
{
    for (; from; from = from->next)
        if (from->port == port && strcmp(from->host, host) == 0)
            return from;
    return NULL;
}

weir_server *weir_server_get(weir_engine *engine, const char *host, unsigned port)
{
    /* Databases are added by one thread at a time. */
    weir_server *head = atomic_load(&engine->servers);
    weir_server *s = server_find(head, host, port);
    if (s || !(s = calloc(1, sizeof(*s))))
        return s;
    s->host = strdup(host);
    s->port = port;
    s->next = head;
    if (!s->host || weir_pool_quota_new(engine->server_connections, &s->connections) < 0) {
        free(s->host);
        free(s);
        return NULL;
    }
    atomic_store_explicit(&engine->servers, s, memory_order_release);
    return s;
}

void weir_shares_free(weir_engine *engine)
{
    for (weir_account *a = atomic_load(&engine->accounts), *next; a; a = next) {
        next = a->next;
        account_free(a);
    }
    for (weir_server *s = atomic_load(&engine->servers), *next; s; s = next) {
        next = s->next;
        weir_pool_quota_free(s->connections);
        free(s->host);
        free(s);
    }
}

/* ---- limits come into force ---- */

/* Each shard of each pool has a look: what is over is closed, what fits is opened. */
static void nudge_everything(weir_engine *engine)
{
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++)
        for (weir_pools *p = weir_database_pools(engine->databases[i]); p; p = p->next)
            weir_lender_nudge_all(p);
}

weir_pool_options weir_pools_options(const weir_database *database, const weir_account *account)
{
    weir_pool_options o = atomic_load(&database->limits)->pool;
    unsigned size = atomic_load(&account->pool_size);
    if (size > 0) {
        o.size_max = size;
        o.size_min = o.size_min < size ? o.size_min : size;
    }
    return o;
}

int weir_engine_configure_user(weir_engine *engine, const char *name, const weir_share *share)
{
    weir_account *a = weir_account_get(engine, weir_slice_cstr(name));
    if (!a)
        return -ENOMEM;
    weir_pool_quota_configure(a->connections, share->max_connections);
    atomic_store(&a->max_clients, share->max_clients);
    atomic_store(&a->pool_size, share->pool_size);
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++)
        for (weir_pools *p = weir_database_pools(engine->databases[i]); p; p = p->next) {
            if (p->account != a)
                continue;
            weir_pool_options o = weir_pools_options(p->database, a);
            weir_pool_configure(p->pool, &o);
        }
    nudge_everything(engine);
    return 0;
}

void weir_database_configure_share(weir_database *database, const weir_share *share)
{
    weir_pool_quota_configure(database->connections, share->max_connections);
    atomic_store(&database->max_clients, share->max_clients);
    nudge_everything(database->engine);
}

void weir_engine_configure_servers(weir_engine *engine, unsigned max_connections)
{
    engine->server_connections = max_connections;
    for (weir_server *s = atomic_load(&engine->servers); s; s = s->next)
        weir_pool_quota_configure(s->connections, max_connections);
    nudge_everything(engine);
}

void weir_pools_join_quotas(weir_pools *pools)
{
    weir_pool_join(pools->pool, pools->account->connections);
    weir_pool_join(pools->pool, pools->database->connections);
    if (pools->database->server)
        weir_pool_join(pools->pool, pools->database->server->connections);
}

static bool full(const weir_pool_quota *q)
{
    unsigned max = weir_pool_quota_max(q);
    return max > 0 && weir_pool_quota_used(q) >= max;
}

const char *weir_pools_full_quota(const weir_pools *pools)
{
    if (full(pools->account->connections))
        return "users.NAME.max_connections";
    if (full(pools->database->connections))
        return "databases.NAME.max_connections";
    if (pools->database->server && full(pools->database->server->connections))
        return "limits.server_connections";
    return NULL;
}

/* ---- clients ---- */

static bool take(_Atomic unsigned *count, unsigned max)
{
    unsigned n = atomic_load(count);
    do {
        if (max > 0 && n >= max)
            return false;
    } while (!atomic_compare_exchange_weak(count, &n, n + 1));
    return true;
}

int weir_session_admit(weir_session *session, weir_slice login, weir_error *err)
{
    weir_database *d = session->pools->database;
    weir_account *a = weir_account_get(d->engine, login);
    if (!a) {
        weir_error_set(err, "53200", "weir: out of memory");
        return -ENOMEM;
    }
    if (!take(&d->clients, atomic_load(&d->max_clients))) {
        weir_error_set(err, "53300", "weir: too many clients of database \"%s\"", d->label);
        weir_error_hint(err, "databases.NAME.max_clients is %u.", atomic_load(&d->max_clients));
        return WEIR_SESSION_REFUSED;
    }
    if (!take(&a->clients, atomic_load(&a->max_clients))) {
        atomic_fetch_sub(&d->clients, 1);
        weir_error_set(err, "53300", "weir: too many clients of user \"%s\"", a->name);
        weir_error_hint(err, "users.NAME.max_clients is %u.", atomic_load(&a->max_clients));
        return WEIR_SESSION_REFUSED;
    }
    session->account = a;
    return 0;
}

void weir_session_leave(weir_session *session)
{
    if (!session->account)
        return;
    atomic_fetch_sub(&session->account->clients, 1);
    atomic_fetch_sub(&session->pools->database->clients, 1);
    session->account = NULL;
}
