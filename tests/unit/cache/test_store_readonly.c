/* A hot hit writes no memory that is shared: everything that the store allocated, its entries
 * included, lies in pages that are made read-only, and hits go on. What is a reader's own (its
 * place in the epoch, the buffers of policies that gather hits) is not on these pages.
 *
 * The allocator is wrapped: while `region.open`, it gives memory of one mapping. */
#include "store_rig.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define REGION_SIZE ((size_t)8 << 20)
#define BLOCK_HEAD ((size_t)64) /* holds the block's size; keeps any alignment up to 64 */
#define ANSWERS 500u

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
size_t __real_malloc_usable_size(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
size_t __wrap_malloc_usable_size(void *block);

static struct {
    uint8_t *base;
    size_t used;
    bool open;
} region;

static bool is_inside(const void *block)
{
    uintptr_t at = (uintptr_t)block, base = (uintptr_t)region.base;
    return base != 0 && at >= base && at < base + REGION_SIZE;
}

static void *take(size_t size)
{
    size = (size + 63) & ~(size_t)63;
    if (size > REGION_SIZE - BLOCK_HEAD || region.used > REGION_SIZE - BLOCK_HEAD - size)
        return NULL;
    uint8_t *block = region.base + region.used + BLOCK_HEAD;
    memcpy(block - BLOCK_HEAD, &size, sizeof(size));
    region.used += BLOCK_HEAD + size;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return region.open ? take(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return region.open ? take(count * size) : __real_calloc(count, size); /* fresh pages: zero */
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return region.open ? take(size) : __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *block)
{
    if (!is_inside(block))
        __real_free(block);
}

size_t __wrap_malloc_usable_size(void *block)
{
    if (!is_inside(block))
        return __real_malloc_usable_size(block);
    size_t size;
    memcpy(&size, (uint8_t *)block - BLOCK_HEAD, sizeof(size));
    return size;
}

static void test_store_hit_loop_runs_on_read_only_pages(void **state)
{
    (void)state;
    store_rig rig = {0};
    store_rig_init(&rig, (weir_store_options){.size_max = (size_t)1 << 22}); /* the epoch's part */
    weir_store_free(rig.store);
    region.base =
        mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(region.base, MAP_FAILED);
    region.open = true;
    assert_int_equal(store_rig_try(&rig, (weir_store_options){.policy = WEIR_POLICY_S3FIFO}), 0);
    for (unsigned id = 0; id < ANSWERS; id++)
        assert_int_equal(rig_put(&rig, (rig_answer){.id = id, .len = id}), 0);
    region.open = false;
    assert_true(is_inside(rig.store));
    for (unsigned id = 0; id < ANSWERS; id++) {
        assert_true(is_inside(rig_find(&rig, id)));
        for (unsigned n = 0; n < WEIR_POLICY_COUNT_CAP; n++)
            assert_true(rig_ask(&rig, id));
    }
    assert_int_equal(mprotect(region.base, REGION_SIZE, PROT_READ), 0);
    unsigned hits = 0;
    for (unsigned n = 0; n < 50000; n++) {
        hits += rig_ask(&rig, n % ANSWERS);
        hits -= rig_ask(&rig, ANSWERS + n);
        weir_epoch_quiescent(rig.member);
    }
    assert_int_equal(hits, 50000);
    assert_int_equal(mprotect(region.base, REGION_SIZE, PROT_READ | PROT_WRITE), 0);
    store_rig_fini(&rig);
    assert_int_equal(munmap(region.base, REGION_SIZE), 0);
    region.base = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_hit_loop_runs_on_read_only_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
