/* The rig of the store's tests. */
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

int store_rig_try(store_rig *rig, weir_store_options options)
{
    size_t memory_max = rig->memory.total_max;
    weir_memory_init(&rig->memory, memory_max);
    options.size_max = options.size_max ? options.size_max : RIG_ROOM;
    options.entry_max = options.entry_max ? options.entry_max : options.size_max;
    options.readers = options.readers ? options.readers : 1;
    options.seed = (weir_hash_seed){{11, 12}};
    options.memory = &rig->memory;
    return weir_store_new(&options, &rig->store);
}

void store_rig_init(store_rig *rig, weir_store_options options)
{
    assert_int_equal(weir_epoch_new(16, &rig->epoch), 0);
    assert_int_equal(weir_epoch_join(rig->epoch, &rig->member), 0);
    weir_epoch_online(rig->member);
    assert_int_equal(store_rig_try(rig, options), 0);
}

void store_rig_fini(store_rig *rig)
{
    weir_epoch_leave(rig->member);
    weir_store_free(rig->store);
    assert_int_equal(rig_cache_memory(rig), 0);
    assert_int_equal(weir_epoch_lost(rig->epoch), 0);
    weir_epoch_free(rig->epoch);
}

weir_slice rig_identity(unsigned id, char (*text)[32])
{
    int len = snprintf(*text, sizeof(*text), "SELECT %u", id);
    return weir_slice_make(*text, (size_t)len);
}

static uint8_t byte_of(unsigned id, size_t at)
{
    return (uint8_t)(id * 31 + at);
}

weir_entry *rig_entry_try(const weir_store *store, rig_answer answer)
{
    char text[32];
    weir_slice identity = rig_identity(answer.id, &text);
    weir_dependency dependencies[] = {{answer.id, 1, 2}, {answer.id, 3, 4}};
    uint8_t *bytes = malloc(answer.len + 1);
    if (!bytes)
        return NULL;
    for (size_t i = 0; i < answer.len; i++)
        bytes[i] = byte_of(answer.id, i);
    weir_entry_options options = {
        .hash = answer.hash ? answer.hash : weir_store_hash(store, identity),
        .identity = identity,
        .dependencies = dependencies,
        .dependency_count = answer.id % 3,
        .bytes = weir_slice_make(bytes, answer.len),
        .like = {.scope = answer.scope,
                 .asof = answer.asof,
                 .expires_at = answer.expires_at ? answer.expires_at : WEIR_TIME_NEVER,
                 .rows = answer.id},
    };
    weir_entry *entry = NULL;
    int r = weir_entry_new(&options, &entry);
    free(bytes);
    return r < 0 ? NULL : entry;
}

weir_entry *rig_entry(const weir_store *store, rig_answer answer)
{
    weir_entry *entry = rig_entry_try(store, answer);
    assert_non_null(entry);
    return entry;
}

bool rig_entry_is_whole(const weir_entry *entry, unsigned id)
{
    char text[32];
    if (!weir_slice_eq(weir_entry_identity(entry), rig_identity(id, &text)) || entry->rows != id)
        return false;
    for (uint32_t i = 0; i < entry->dependency_count; i++) {
        if (entry->dependencies[i].relation != id)
            return false;
    }
    weir_slice bytes = weir_entry_bytes(entry);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != byte_of(id, i))
            return false;
    }
    return entry->dependency_count == id % 3;
}

int rig_put(store_rig *rig, rig_answer answer)
{
    weir_entry *entry = rig_entry(rig->store, answer);
    int r = weir_store_put(rig->store, rig->member, entry, 0);
    weir_entry_unref(entry);
    return r;
}

const weir_entry *rig_find(store_rig *rig, unsigned id)
{
    char text[32];
    weir_slice identity = rig_identity(id, &text);
    const weir_entry *entry =
        weir_store_find(rig->store, weir_store_hash(rig->store, identity), identity);
    if (entry)
        assert_true(rig_entry_is_whole(entry, id));
    return entry;
}

bool rig_ask(store_rig *rig, unsigned id)
{
    const weir_entry *entry = rig_find(rig, id);
    if (entry)
        weir_store_hit(rig->store, 0, entry);
    return entry != NULL;
}

weir_store_stats rig_stats(const store_rig *rig)
{
    weir_store_stats stats;
    weir_store_stats_read(rig->store, &stats);
    return stats;
}

size_t rig_cache_memory(const store_rig *rig)
{
    return atomic_load(&rig->memory.used[WEIR_MEMORY_CACHE]);
}
