/* Charges against one cap. `total` is raised by compare-and-swap, never above the cap even for a
 * moment, so that a large refused charge cannot make a small one beside it fail. The counters guard
 * no other data: relaxed order is enough. */
#include "base/memory.h"

#include <assert.h>
#include <stdint.h>

void weir_memory_init(weir_memory *m, size_t total_max)
{
    for (int i = 0; i < WEIR_MEMORY_OWNERS; i++)
        atomic_init(&m->used[i], 0);
    atomic_init(&m->total, 0);
    m->total_max = total_max;
}

int weir_memory_charge(weir_memory *m, weir_memory_owner owner, size_t size)
{
    assert(owner < WEIR_MEMORY_OWNERS);
    size_t max = m->total_max ? m->total_max : SIZE_MAX;
    size_t total = atomic_load_explicit(&m->total, memory_order_relaxed);
    do {
        if (total > max || size > max - total)
            return -ENOMEM;
    } while (!atomic_compare_exchange_weak_explicit(&m->total, &total, total + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_fetch_add_explicit(&m->used[owner], size, memory_order_relaxed);
    return 0;
}

void weir_memory_release(weir_memory *m, weir_memory_owner owner, size_t size)
{
    assert(owner < WEIR_MEMORY_OWNERS);
    size_t used = atomic_fetch_sub_explicit(&m->used[owner], size, memory_order_relaxed);
    size_t total = atomic_fetch_sub_explicit(&m->total, size, memory_order_relaxed);
    assert(used >= size && total >= size);
    (void)used;
    (void)total;
}

const char *weir_memory_owner_name(weir_memory_owner owner)
{
    static const char *const names[WEIR_MEMORY_OWNERS] = {
        [WEIR_MEMORY_CLIENT] = "client",     [WEIR_MEMORY_SERVER] = "server",
        [WEIR_MEMORY_TEMPLATE] = "template", [WEIR_MEMORY_RESULT] = "result",
        [WEIR_MEMORY_CACHE] = "cache",
    };
    assert(owner < WEIR_MEMORY_OWNERS);
    return names[owner];
}
