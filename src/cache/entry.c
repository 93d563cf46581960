/* Entries: one block each, written once here and only read from then on (but for what the store,
 * its policy and its wheel keep in the head). The last reference frees it. */
#include "cache/store.h"

#include <assert.h>
#include <stdlib.h>

/* -ENOMEM: no object can be so large. */
static int size_of(const weir_entry_options *options, size_t *ret)
{
    size_t dependencies = (size_t)options->dependency_count * sizeof(weir_dependency);
    size_t size = sizeof(weir_entry) + dependencies;
    if (options->identity.len > PTRDIFF_MAX - size)
        return -ENOMEM;
    size += options->identity.len;
    if (options->bytes.len > PTRDIFF_MAX - size)
        return -ENOMEM;
    *ret = size + options->bytes.len;
    return 0;
}

static void describe(weir_entry *e, const weir_entry_options *options)
{
    const weir_entry *like = &options->like;
    *e = (weir_entry){
        .hash = options->hash,
        .refs = 1,
        .scope = like->scope,
        .asof = like->asof,
        .filled_at = like->filled_at,
        .expires_at = like->expires_at,
        .stale_max = like->stale_max,
        .ahead = like->ahead,
        .stale_if_ms = like->stale_if_ms,
        .stale_while_ms = like->stale_while_ms,
        .facts = like->facts,
        .rows = like->rows,
        .template_id = like->template_id,
        .template_serial = like->template_serial,
        .flags = like->flags,
        .rule = like->rule,
        .dependency_count = options->dependency_count,
        .identity_len = options->identity.len,
        .bytes_len = options->bytes.len,
        .head_len = like->head_len,
    };
}

static uint8_t *content(const weir_entry *e)
{
    return (uint8_t *)(uintptr_t)(e->dependencies + e->dependency_count);
}

static void copy(uint8_t *to, weir_slice from)
{
    if (from.len > 0)
        memcpy(to, from.data, from.len);
}

int weir_entry_new(const weir_entry_options *options, weir_entry **ret)
{
    assert(options->like.head_len <= options->bytes.len);
    size_t size;
    int r = size_of(options, &size);
    if (r < 0)
        return r;
    weir_entry *e = malloc(size);
    if (!e)
        return -ENOMEM;
    describe(e, options);
    for (uint32_t i = 0; i < e->dependency_count; i++)
        e->dependencies[i] = options->dependencies[i];
    copy(content(e), options->identity);
    copy(content(e) + e->identity_len, options->bytes);
    *ret = e;
    return 0;
}

weir_entry *weir_entry_ref(weir_entry *entry)
{
    uint32_t before = atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
    return entry;
}

void weir_entry_unref(weir_entry *entry)
{
    if (!entry)
        return;
    /* Whoever frees it sees all that the others did with it. */
    uint32_t before = atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(entry);
}

weir_slice weir_entry_identity(const weir_entry *entry)
{
    return weir_slice_make(content(entry), entry->identity_len);
}

weir_slice weir_entry_bytes(const weir_entry *entry)
{
    return weir_slice_make(content(entry) + entry->identity_len, entry->bytes_len);
}

bool weir_entry_claim(const weir_entry *entry, weir_time now, weir_time until)
{
    weir_entry *e = (weir_entry *)(uintptr_t)entry; /* this word alone is anybody's to change */
    weir_time claimed = atomic_load_explicit(&e->claimed_until, memory_order_relaxed);
    return now >= claimed &&
           atomic_compare_exchange_strong_explicit(&e->claimed_until, &claimed, until,
                                                   memory_order_relaxed, memory_order_relaxed);
}
