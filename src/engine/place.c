/* Where a database's server is and as whom it is reached: what a reload may change while
 * connections are open. A place never changes; another one takes its stead, at once for everybody
 * who opens from then on. Older ones live as long as the database, because anybody may be reading
 * them.
 *
 * Connections to the place before are closed when they are idle or come back. Who waits is served
 * by new ones. */
#include "engine/cache.h"
#include "engine/internal.h"
#include <stdlib.h>

/* A copy, or NULL for NULL; `*failed` is set when memory is short. */
static char *copy(const char *text, bool *failed)
{
    char *r = text ? strdup(text) : NULL;
    if (text && !r)
        *failed = true;
    return r;
}

static void place_free(weir_place *p)
{
    if (p->password)
        explicit_bzero(p->password, strlen(p->password));
    free(p->dbname);
    free(p->user);
    free(p->password);
    free(p->shown);
    free(p->host);
    free(p);
}

static weir_place *place_new(const weir_database_options *o)
{
    bool failed = false;
    weir_place *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->dbname = copy(o->dbname, &failed);
    p->user = copy(o->user, &failed);
    p->password = copy(o->password, &failed);
    p->shown = copy(o->shown, &failed);
    p->host = copy(o->host, &failed);
    p->port = o->port;
    p->backends = o->place;
    if (!failed)
        return p;
    place_free(p);
    return NULL;
}

static void put(weir_database *database, weir_place *p)
{
    p->older = atomic_load(&database->place);
    atomic_store_explicit(&database->place, p, memory_order_release);
}

int weir_place_put(weir_database *database, const weir_database_options *options)
{
    weir_place *p = place_new(options);
    if (p)
        put(database, p);
    return p ? 0 : -ENOMEM;
}

void weir_places_free(weir_database *database)
{
    for (weir_place *p = atomic_load(&database->place), *older; p; p = older) {
        older = p->older;
        place_free(p);
    }
}

/* ---- moving ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool weir_database_is_at(const weir_database *database, const weir_database_options *o)
{
    const weir_place *p = weir_place_of(database);
    return same_text(p->dbname, o->dbname) && same_text(p->user, o->user) &&
           same_text(p->password, o->password) && same_text(p->host, o->host) && p->port == o->port;
}

/* Sessions keep their pool, which logs in as another user from now on. */
static void rename_pools(weir_database *d, const char *from, const char *to)
{
    for (weir_pools *p = weir_database_pools(d); p; p = p->next)
        if (strcmp(p->user, from) == 0)
            p->user = to;
}

/* The next connection's greets. The one before may be being read. */
static void forget_welcomes(weir_database *d)
{
    for (weir_pools *p = weir_database_pools(d); p; p = p->next) {
        weir_welcome *w = atomic_load(&p->welcome);
        if (w)
            atomic_store(&w->outdated, true);
    }
}

/* Whatever is known of what stands there is not known any more. */
static void forget_contents(weir_database *d)
{
    struct weir_backend_watcher *watcher = atomic_load(&d->backend->watcher);
    atomic_fetch_add(&d->backend->changes, (uint64_t)1 << 32);
    if (watcher)
        watcher->changed(watcher);
    weir_history_forget_lineage(d);
    weir_database_forget(d);
}

int weir_database_move(weir_database *database, const weir_database_options *options, weir_time now)
{
    const weir_place *before = weir_place_of(database);
    if (!before->user != !options->user)
        return -ENOTSUP;
    weir_place *place = place_new(options);
    if (!place)
        return -ENOMEM;
    weir_spin_lock(&database->moving);
    put(database, place);
    if (options->user)
        rename_pools(database, before->user, place->user);
    weir_spin_unlock(&database->moving);
    forget_welcomes(database);
    weir_engine_reconnect(database->engine, database, now);
    forget_contents(database);
    return 0;
}
