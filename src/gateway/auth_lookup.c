/* Looking users up in a database (auth.query), by an errand that carries nothing of the client's
 * but its name, as a bound parameter. Each worker remembers what it found for auth.query_ttl, that
 * there is no such user as well; clients that ask for the same user meanwhile wait for one errand.
 *
 *   absent ──► ASKED (an errand runs) ──answer──► KNOWN ──ttl, reload──► ASKED …
 *                └──failure──► absent: whoever waited is refused
 *
 * Invariant: an entry that is ASKED is not evicted; what failed is never taken for an answer. */
#include "gateway/auth.h"
#include "gateway/auth_expiry.h"
#include <stdlib.h>

#define ENTRIES_MAX 4096u
#define COLUMNS_MAX 3u

typedef struct lookup {
    weir_list lru;
    weir_lookups *of;
    const weir_settings *settings; /* under which it was asked */
    weir_errand errand;
    weir_slice param;
    bool asked; /* ASKED */
    bool odd;   /* the answer is none that can be understood */
    unsigned rows;
    weir_time until;     /* KNOWN: as long */
    int64_t valid_until; /* of the password; seconds since 1970 */
    weir_secret secret;
    weir_list waiters;
    size_t key_len;
    char key[]; /* database, zero byte, user, zero byte */
} lookup;

struct weir_lookups {
    weir_gateway_worker *worker;
    weir_map entries;
    weir_list lru; /* the least recently used first */
};

static void entry_free(lookup *l)
{
    assert(!l->asked && weir_list_empty(&l->waiters));
    (void)weir_map_remove(&l->of->entries, weir_slice_make(l->key, l->key_len));
    weir_list_remove(&l->lru);
    weir_pg_forget(&l->secret, sizeof(l->secret));
    free(l);
}

/* ---- answers ---- */

/* Tells what is known; the password of one that has expired is as good as none. */
static void tell(const lookup *l, weir_auth *a)
{
    int64_t now = weir_loop_wall_ns(l->of->worker->loop) / WEIR_SECOND;
    a->secret = l->secret;
    a->expired = l->valid_until <= now && l->secret.kind != WEIR_SECRET_NONE;
    if (a->expired)
        a->secret.kind = WEIR_SECRET_NONE;
    weir_auth_known(a);
}

static void on_row(weir_errand *errand, const weir_slice *values, unsigned count)
{
    lookup *l = WEIR_CONTAINER_OF(errand, lookup, errand);
    if (l->rows++ > 0 || count < 2 || count > COLUMNS_MAX) {
        l->odd = true;
        return;
    }
    weir_secret_set(&l->secret, values[1]);
    if (count == COLUMNS_MAX && weir_auth_expiry_parse(values[2], &l->valid_until) < 0)
        l->odd = true;
}

static void refuse_all(lookup *l, const weir_error *err)
{
    for (weir_list *n; (n = weir_list_pop_front(&l->waiters));)
        weir_auth_unable(WEIR_CONTAINER_OF(n, weir_auth, waiting), err);
}

static void on_done(weir_errand *errand, const weir_error *err)
{
    lookup *l = WEIR_CONTAINER_OF(errand, lookup, errand);
    weir_error odd;
    l->asked = false;
    if (!err && l->odd) {
        weir_error_set(&odd, "F0000",
                       "auth.query must give one row at most, of the name, the "
                       "password, and perhaps a time");
        err = &odd;
    }
    if (err) {
        refuse_all(l, err);
        entry_free(l);
        return;
    }
    weir_time ttl = l->settings->config->access.query_ttl;
    l->until = ttl > 0 ? weir_loop_now(l->of->worker->loop) + ttl : 0;
    for (weir_list *n; (n = weir_list_pop_front(&l->waiters));)
        tell(l, WEIR_CONTAINER_OF(n, weir_auth, waiting));
}

/* ---- asking ---- */

/* How the errand's user logs in: as configured for it; else as the database's own does. */
static int give_password(const weir_settings *settings, weir_database *d, const char *user)
{
    weir_login login = {0};
    weir_secret known = {0};
    const char *password = settings->config->access.query_password;
    if (password)
        weir_secret_set(&known, weir_slice_cstr(password));
    else
        (void)weir_auth_configured(settings, user, &known);
    bool usable = known.kind == WEIR_SECRET_CLEAR || known.kind == WEIR_SECRET_MD5;
    if (usable)
        memcpy(login.password, known.text, strlen(known.text) + 1);
    int r = usable ? weir_database_set_login(d, weir_slice_cstr(user), &login) : 0;
    weir_pg_forget(&known, sizeof(known));
    weir_pg_forget(&login, sizeof(login));
    return r;
}

/* `l` may be gone when it returns. */
static void ask(lookup *l, weir_database *d, const weir_settings *settings)
{
    const weir_config *config = settings->config;
    const char *as = config->access.query_user;
    weir_error err;
    l->settings = settings;
    l->asked = true;
    l->odd = false;
    l->rows = 0;
    l->valid_until = INT64_MAX;
    weir_pg_forget(&l->secret, sizeof(l->secret));
    l->errand = (weir_errand){.row = on_row, .done = on_done, .as_user = as != NULL};
    weir_list_init(&l->errand.question.node);
    if (!as && !weir_database_user(d)) {
        weir_error_set(&err, "F0000",
                       "auth.query needs auth.query_user, as database \"%s\" has no "
                       "user of its own",
                       weir_database_name(d));
        on_done(&l->errand, &err);
    } else if (as && give_password(settings, d, as) < 0) {
        weir_error_set(&err, "53200", "out of memory");
        on_done(&l->errand, &err);
    } else {
        weir_errand_start(&l->errand, l->of->worker->engine, d,
                          weir_slice_cstr(as ? as : weir_database_user(d)),
                          weir_slice_cstr(config->access.query), &l->param, 1);
    }
}

/* ---- entries ---- */

static weir_lookups *lookups_of(weir_gateway_worker *w)
{
    if (w->lookups)
        return w->lookups;
    weir_lookups *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->worker = w;
    weir_list_init(&all->lru);
    weir_map_init(&all->entries, w->gateway->options.seed, ENTRIES_MAX);
    w->lookups = all;
    return all;
}

void weir_lookups_free(weir_gateway_worker *w)
{
    if (!w->lookups)
        return;
    for (weir_list *n; (n = weir_list_first(&w->lookups->lru));) {
        lookup *l = WEIR_CONTAINER_OF(n, lookup, lru);
        if (l->asked)
            weir_errand_drop(&l->errand);
        l->asked = false;
        entry_free(l);
    }
    weir_map_fini(&w->lookups->entries);
    free(w->lookups);
    w->lookups = NULL;
}

static void evict(weir_lookups *all)
{
    for (weir_list *n = all->lru.next; n != &all->lru; n = n->next) {
        lookup *l = WEIR_CONTAINER_OF(n, lookup, lru);
        if (!l->asked) {
            entry_free(l);
            return;
        }
    }
}

static lookup *entry_add(weir_lookups *all, weir_slice key, size_t user_at)
{
    if (all->entries.len >= ENTRIES_MAX)
        evict(all);
    lookup *l = calloc(1, sizeof(*l) + key.len);
    if (!l)
        return NULL;
    l->of = all;
    l->key_len = key.len;
    memcpy(l->key, key.data, key.len);
    l->param = weir_slice_make(l->key + user_at, key.len - user_at - 1);
    weir_list_init(&l->waiters);
    weir_list_init(&l->lru);
    if (weir_map_put(&all->entries, weir_slice_make(l->key, key.len), l, NULL) != 0) {
        free(l);
        return NULL;
    }
    return l;
}

static lookup *entry_get(weir_lookups *all, const char *database, const char *user)
{
    weir_buf key;
    weir_buf_init(&key, 2 * WEIR_PG_STARTUP_SIZE_MAX);
    int r = weir_buf_append_cstr(&key, database);
    size_t user_at = key.len;
    if (r == 0)
        r = weir_buf_append_cstr(&key, user);
    lookup *l = r == 0 ? weir_map_find(&all->entries, weir_buf_slice(&key)) : NULL;
    if (r == 0 && !l)
        l = entry_add(all, weir_buf_slice(&key), user_at);
    weir_buf_fini(&key);
    return l;
}

void weir_auth_look_up(weir_auth *auth, weir_database *database)
{
    weir_client *c = auth->client;
    weir_lookups *all = lookups_of(c->worker);
    lookup *l = all ? entry_get(all, weir_database_name(database), c->user) : NULL;
    if (!l) {
        weir_client_out_of_memory(c);
        return;
    }
    weir_list_remove(&l->lru);
    weir_list_push_back(&all->lru, &l->lru);
    bool known =
        !l->asked && l->settings == auth->settings && weir_loop_now(c->worker->loop) < l->until;
    if (known) {
        tell(l, auth);
        return;
    }
    weir_list_push_back(&l->waiters, &auth->waiting);
    if (!l->asked)
        ask(l, database, auth->settings);
}
