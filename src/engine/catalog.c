/* A database's catalog of its server: publishing, asking, and when not to believe it. */
#include "engine/cache_internal.h"
#include <stdio.h>

#define SEEN_NEVER UINT64_MAX /* no count of changes */

/* The counter's upper half counts what may change what a statement does by itself (functions,
 * triggers, views, …); the lower half tables, which have effects only through such. */
static bool is_stale(uint64_t seen, uint64_t changes, const weir_server_catalog *c)
{
    if (seen == changes)
        return false;
    return seen >> 32 != changes >> 32 || weir_server_all(c) != 0;
}

/* `seen` is stored after the catalog and loaded before it: never a newer one with an older
 * catalog. */
void weir_database_put_catalog(weir_database *database, weir_epoch_member *member,
                               weir_server_catalog *catalog, uint64_t seen)
{
    weir_catalog_state *s = &database->catalog;
    weir_server_catalog *old = atomic_exchange_explicit(&s->now, catalog, memory_order_acq_rel);
    atomic_store_explicit(&s->seen, seen, memory_order_release);
    if (old)
        weir_epoch_retire(member, old, weir_server_catalog_free);
}

void weir_database_confirm_catalog(weir_database *database, uint64_t seen)
{
    atomic_store_explicit(&database->catalog.seen, seen, memory_order_release);
}

/* As the catalog: `seen` is stored after the schema and loaded before it. */
void weir_database_put_schema(weir_database *database, weir_epoch_member *member,
                              weir_schema *schema, uint64_t seen)
{
    weir_catalog_state *s = &database->catalog;
    weir_schema *old = atomic_exchange_explicit(&s->schema, schema, memory_order_acq_rel);
    atomic_store_explicit(&s->schema_seen, seen, memory_order_release);
    if (!old)
        return;
    weir_epoch_retire(member, old, weir_schema_free);
    weir_history_forget(database); /* what was kept, by whatever others did: rights, roles, … */
}

void weir_database_confirm_schema(weir_database *database, uint64_t seen)
{
    atomic_store_explicit(&database->catalog.schema_seen, seen, memory_order_release);
}

void weir_database_doubt_schema(weir_database *database)
{
    atomic_store_explicit(&database->catalog.schema_seen, SEEN_NEVER, memory_order_release);
    weir_history_forget(database);
}

bool weir_database_schema_doubted(const weir_database *database)
{
    return atomic_load_explicit(&database->catalog.schema_seen, memory_order_acquire) == SEEN_NEVER;
}

const weir_schema *weir_database_schema(const weir_database *database)
{
    return atomic_load_explicit(&database->catalog.schema, memory_order_acquire);
}

bool weir_database_schema_stale(const weir_database *database)
{
    return atomic_load_explicit(&database->catalog.schema_seen, memory_order_acquire) !=
           weir_database_changes(database);
}

const weir_server_catalog *weir_database_catalog(const weir_database *database)
{
    return atomic_load_explicit(&database->catalog.now, memory_order_acquire);
}

uint64_t weir_database_changes(const weir_database *database)
{
    return atomic_load_explicit(&database->backend->changes, memory_order_acquire);
}

bool weir_database_catalog_stale(const weir_database *database)
{
    uint64_t seen = atomic_load_explicit(&database->catalog.seen, memory_order_acquire);
    const weir_server_catalog *c = weir_database_catalog(database);
    return c && is_stale(seen, weir_database_changes(database), c);
}

uint64_t weir_engine_catalog_serial(weir_engine *engine)
{
    return atomic_fetch_add(&engine->catalog_serial, 1) + 1;
}

void weir_database_note_catalog(weir_database *database, weir_time now, const char *failure,
                                bool denied)
{
    weir_catalog_state *s = &database->catalog;
    weir_spin_lock(&s->busy);
    s->figures.denied = denied;
    if (failure) {
        s->figures.failures++;
        (void)snprintf(s->figures.failure, sizeof(s->figures.failure), "%s", failure);
    } else {
        s->figures.loads++;
        s->figures.looked_at = now;
        s->figures.failure[0] = '\0';
    }
    weir_spin_unlock(&s->busy);
}

void weir_database_catalog_figures(weir_database *database, weir_catalog_figures *ret)
{
    weir_catalog_state *s = &database->catalog;
    weir_spin_lock(&s->busy);
    *ret = s->figures;
    weir_spin_unlock(&s->busy);
    ret->followed = atomic_load_explicit(&s->now, memory_order_relaxed) != NULL;
}

unsigned weir_session_server_effects(const weir_session *session, const weir_template *t,
                                     weir_kind kind)
{
    const weir_database *d = session->pools->database;
    uint64_t seen = atomic_load_explicit(&d->catalog.seen, memory_order_acquire);
    const weir_server_catalog *c = atomic_load_explicit(&d->catalog.now, memory_order_acquire);
    if (!c)
        return 0;
    if (!t)
        return WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_WRITES;
    uint64_t changes = atomic_load_explicit(&d->backend->changes, memory_order_acquire);
    return weir_template_server_effects(t, kind, c, is_stale(seen, changes, c));
}
