/* The rig of policy_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_rig.h"
#include <string.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void rig_init_with(rig *r, weir_policy *policy, size_t capacity)
{
    memset(r, 0, sizeof *r);
    r->policy = policy;
    r->capacity = capacity;
}

void rig_init(rig *r, weir_policy_kind kind, size_t capacity)
{
    weir_policy *policy;
    assert_int_equal(weir_policy_ops_of(kind)->new (capacity, capacity, &policy), 0);
    assert_ptr_equal(policy->ops, weir_policy_ops_of(kind));
    rig_init_with(r, policy, capacity);
}

void rig_fini(rig *r)
{
    while (rig_evict(r) != RIG_KEYS)
        ;
    assert_int_equal(r->size, 0);
    assert_int_equal(r->count, 0);
    r->policy->ops->free(r->policy);
}

static void forget(rig *r, unsigned key)
{
    assert_true(r->kept[key]);
    r->kept[key] = false;
    r->size -= r->nodes[key].size;
    r->count--;
    memset(&r->nodes[key], 0xa5, sizeof r->nodes[key]); /* as if freed */
}

unsigned rig_evict(rig *r)
{
    weir_policy_node *node = r->policy->ops->evict(r->policy);
    if (!node) {
        assert_int_equal(r->count, 0);
        return RIG_KEYS;
    }
    assert_in_range((uintptr_t)node, (uintptr_t)r->nodes, (uintptr_t)(r->nodes + RIG_KEYS) - 1);
    unsigned key = (unsigned)(node - r->nodes);
    forget(r, key);
    return key;
}

void rig_remove(rig *r, unsigned key)
{
    r->policy->ops->remove(r->policy, &r->nodes[key]);
    forget(r, key);
}

void rig_resize(rig *r, size_t capacity)
{
    r->capacity = capacity;
    r->policy->ops->resize(r->policy, capacity);
    while (r->size > r->capacity)
        assert_int_not_equal(rig_evict(r), RIG_KEYS);
}

static void hit(rig *r, weir_policy_node *node)
{
    if (r->policy->ops->counts_hits)
        r->policy->ops->hit(r->policy, node);
    else if (node->count < WEIR_POLICY_COUNT_CAP)
        node->count++;
}

bool rig_ask(rig *r, unsigned key, size_t size)
{
    weir_policy_node *node = &r->nodes[key];
    r->requests++;
    if (r->kept[key]) {
        hit(r, node);
        return true;
    }
    r->misses++;
    *node = (weir_policy_node){.hash = mix(key + 1), .size = size};
    r->kept[key] = true;
    r->size += size;
    r->count++;
    r->policy->ops->insert(r->policy, node);
    while (r->size > r->capacity)
        assert_int_not_equal(rig_evict(r), RIG_KEYS);
    return false;
}

unsigned rig_random(rig *r, unsigned below)
{
    r->random += UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)((mix(r->random) >> 32) * below >> 32);
}

unsigned rig_skewed(rig *r, unsigned below)
{
    unsigned under = rig_random(r, below) + 1;
    return rig_random(r, rig_random(r, under) + 1);
}
