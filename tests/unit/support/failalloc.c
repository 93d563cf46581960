/* The wrapped allocator. One plan for the process: armed only while one thread runs. */
#include "failalloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static struct {
    size_t left; /* allocations until the failing one, it included; 0: none fails */
    bool all_later;
    bool failed;
} plan;

static bool must_fail(void)
{
    bool fail = plan.left == 1 || (plan.failed && plan.all_later);
    if (plan.left > 0)
        plan.left--;
    if (fail) {
        plan.failed = true;
        errno = ENOMEM;
    }
    return fail;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return must_fail() ? NULL : __real_aligned_alloc(alignment, size);
}

void weir_failalloc_arm(size_t nth, bool all_later)
{
    plan.left = nth;
    plan.all_later = all_later;
    plan.failed = false;
}

bool weir_failalloc_failed(void)
{
    return plan.failed;
}

size_t weir_failalloc_each(size_t allocations_max, void (*run)(void *user), void *user)
{
    size_t most = 0;
    for (int all_later = 0; all_later <= 1; all_later++) {
        for (size_t n = 1;; n++) {
            weir_failalloc_arm(n, all_later);
            run(user);
            bool failed = plan.failed;
            weir_failalloc_arm(0, false);
            if (!failed)
                break;
            most = n > most ? n : most;
            if (n > allocations_max)
                fail_msg("more than %zu allocations", allocations_max);
        }
    }
    return most;
}
