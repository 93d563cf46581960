/* The policies by kind and name. */
#include "cache/policies.h"

#include <assert.h>

static const struct {
    const char *name;
    const weir_policy_ops *ops;
} kinds[WEIR_POLICIES] = {
    [WEIR_POLICY_S3FIFO] = {"s3-fifo", &weir_policy_s3fifo},
    [WEIR_POLICY_LRU] = {"lru", &weir_policy_lru},
    [WEIR_POLICY_LFU] = {"lfu", &weir_policy_lfu},
    [WEIR_POLICY_ADAPTIVE] = {"adaptive", &weir_policy_adaptive},
};

const char *weir_policy_name(weir_policy_kind kind)
{
    assert(kind < WEIR_POLICIES);
    return kinds[kind].name;
}

const weir_policy_ops *weir_policy_ops_of(weir_policy_kind kind)
{
    assert(kind < WEIR_POLICIES);
    return kinds[kind].ops;
}
