/* Prepared statements of one SQLite connection, by text. Each is on exactly one list: `idle` or
 * `lent`; the map finds the kept ones on either. */
#include "backend/sqlite/stmt_cache.h"
#include "catalog/face.h"
#include <stdlib.h>

#define TEXT_LEN_MAX 16384u /* of a kept one: longer texts are hardly sent twice */

void weir_sqlite_stmt_cache_init(weir_sqlite_stmt_cache *cache, weir_hash_seed seed,
                                 unsigned count_max, weir_memory *memory)
{
    *cache = (weir_sqlite_stmt_cache){.count_max = count_max, .memory = memory};
    weir_map_init(&cache->by_text, seed, count_max);
    weir_list_init(&cache->idle);
    weir_list_init(&cache->lent);
}

static weir_slice text_of(const weir_sqlite_stmt *stmt)
{
    return weir_slice_make(stmt->text, stmt->text_len);
}

static void destroy(weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt)
{
    weir_list_remove(&stmt->node);
    if (stmt->kept) {
        (void)weir_map_remove(&cache->by_text, text_of(stmt));
        cache->count--;
    }
    if (stmt->charged > 0)
        weir_memory_release(cache->memory, WEIR_MEMORY_SERVER, stmt->charged);
    sqlite3_finalize(stmt->handle);
    free(stmt->origins);
    free(stmt->template);
    free(stmt->types);
    free(stmt->origin_names);
    free(stmt);
}

static weir_sqlite_stmt *first(const weir_list *list)
{
    weir_list *node = weir_list_first(list);
    return node ? WEIR_CONTAINER_OF(node, weir_sqlite_stmt, node) : NULL;
}

void weir_sqlite_stmt_cache_fini(weir_sqlite_stmt_cache *cache)
{
    weir_sqlite_stmt *stmt;
    while ((stmt = first(&cache->lent)) || (stmt = first(&cache->idle)))
        destroy(cache, stmt);
    weir_map_fini(&cache->by_text);
}

static bool is_lent(const weir_sqlite_stmt_cache *cache, const weir_sqlite_stmt *stmt)
{
    for (const weir_list *n = cache->lent.next; n != &cache->lent; n = n->next) {
        if (n == &stmt->node)
            return true;
    }
    return false;
}

weir_sqlite_stmt *weir_sqlite_stmt_cache_take(weir_sqlite_stmt_cache *cache, weir_slice text)
{
    weir_sqlite_stmt *stmt = weir_map_find(&cache->by_text, text);
    if (!stmt || is_lent(cache, stmt))
        return NULL;
    weir_list_remove(&stmt->node);
    weir_list_push_back(&cache->lent, &stmt->node);
    return stmt;
}

/* Makes room if it can: only idle ones can go. */
static bool has_room(weir_sqlite_stmt_cache *cache)
{
    if (cache->count >= cache->count_max && first(&cache->idle))
        destroy(cache, first(&cache->idle));
    return cache->count < cache->count_max;
}

weir_sqlite_stmt *weir_sqlite_stmt_cache_add(weir_sqlite_stmt_cache *cache, weir_slice text)
{
    weir_sqlite_stmt *stmt = calloc(1, sizeof(*stmt) + text.len + 1);
    if (!stmt)
        return NULL;
    stmt->text_len = text.len;
    if (text.len > 0)
        memcpy(stmt->text, text.data, text.len);
    weir_list_push_back(&cache->lent, &stmt->node);
    bool keeps = text.len <= TEXT_LEN_MAX && !weir_map_find(&cache->by_text, text);
    if (keeps && has_room(cache) && weir_map_put(&cache->by_text, text_of(stmt), stmt, NULL) == 0) {
        stmt->kept = true;
        cache->count++;
    }
    return stmt;
}

/* What it holds as long as it is kept. False: that is too much. */
static bool is_charged(const weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt)
{
    if (!cache->memory || stmt->charged > 0)
        return true;
    int used = stmt->handle ? sqlite3_stmt_status(stmt->handle, SQLITE_STMTSTATUS_MEMUSED, 0) : 0;
    size_t size = sizeof(*stmt) + stmt->text_len + stmt->type_count * sizeof(*stmt->types) +
                  (stmt->template ? strlen(stmt->template) : 0) + (size_t)(used > 0 ? used : 0);
    if (weir_memory_charge(cache->memory, WEIR_MEMORY_SERVER, size) < 0)
        return false;
    stmt->charged = size;
    return true;
}

void weir_sqlite_stmt_cache_give(weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt)
{
    if (!stmt->kept || stmt->once || !is_charged(cache, stmt)) {
        destroy(cache, stmt);
        return;
    }
    atomic_store_explicit(&stmt->orphan, false, memory_order_relaxed);
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
    weir_list_remove(&stmt->node);
    weir_list_push_back(&cache->idle, &stmt->node);
}

void weir_sqlite_stmt_cache_drop(weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt)
{
    destroy(cache, stmt);
}

void weir_sqlite_stmt_cache_give_orphans(weir_sqlite_stmt_cache *cache)
{
    weir_list *next;
    for (weir_list *n = cache->lent.next; n != &cache->lent; n = next) {
        next = n->next;
        weir_sqlite_stmt *stmt = WEIR_CONTAINER_OF(n, weir_sqlite_stmt, node);
        if (atomic_load_explicit(&stmt->orphan, memory_order_relaxed))
            weir_sqlite_stmt_cache_give(cache, stmt);
    }
}

void weir_sqlite_stmt_cache_forget_idle(weir_sqlite_stmt_cache *cache)
{
    weir_sqlite_stmt *stmt;
    while ((stmt = first(&cache->idle)))
        destroy(cache, stmt);
}

void weir_sqlite_stmt_cache_give_all(weir_sqlite_stmt_cache *cache)
{
    weir_sqlite_stmt *stmt;
    while ((stmt = first(&cache->lent)))
        weir_sqlite_stmt_cache_give(cache, stmt);
}
