/* error, buf, arena, memory: what holds bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/memory.h"
#include "failalloc.h"

static void test_error_sets_state_and_clears_the_rest(void **state)
{
    (void)state;
    weir_error err;
    memset(&err, 'x', sizeof(err));
    weir_error_set(&err, "53300", "too many %s: %d", "clients", 7);
    assert_string_equal(err.sqlstate, "53300");
    assert_string_equal(err.message, "too many clients: 7");
    assert_string_equal(err.detail, "");
    assert_string_equal(err.hint, "");
    weir_error_detail(&err, "limit is %d", 6);
    weir_error_hint(&err, "raise %s", "clients.max");
    assert_string_equal(err.detail, "limit is 6");
    assert_string_equal(err.hint, "raise clients.max");
    weir_error_set(NULL, "XX000", "nobody asked");
    weir_error_detail(NULL, "nobody asked");
    weir_error_hint(NULL, "nobody asked");
}

static void test_error_cuts_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "é", "€", "🦀"};
    for (size_t i = 0; i < 4; i++) {
        size_t width = strlen(characters[i]);
        for (size_t shift = 0; shift < width; shift++) {
            char text[1024] = "....";
            for (size_t at = shift; at + width < sizeof(text); at += width)
                memcpy(text + at, characters[i], width);
            text[sizeof(text) - 1] = '\0';
            weir_error err;
            weir_error_set(&err, "XX000", "%s", text);
            size_t room = sizeof(err.message) - 1;
            assert_int_equal(strlen(err.message), room - (room - shift) % width);
        }
    }
}

static void test_buf_appends_and_consumes(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, 1000);
    assert_int_equal(weir_buf_append_u8(&buf, 0x01), 0);
    assert_int_equal(weir_buf_append_u16(&buf, 0x0203), 0);
    assert_int_equal(weir_buf_append_u32(&buf, 0x04050607), 0);
    assert_int_equal(weir_buf_append_u64(&buf, 0x08090a0b0c0d0e0fULL), 0);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(buf.data[i], i + 1);
    weir_buf_consume(&buf, 14);
    assert_int_equal(weir_buf_append_cstr(&buf, "ab"), 0);
    assert_int_equal(weir_buf_append(&buf, weir_slice_make(NULL, 0)), 0);
    assert_true(weir_slice_eq(weir_buf_slice(&buf), WEIR_SLICE_LIT("\x0f"
                                                                   "ab\0")));
    weir_buf_consume(&buf, 4);
    assert_int_equal(buf.len, 0);
    weir_buf_fini(&buf);
    weir_buf_fini(&buf);
}

static void test_buf_zeroed_is_empty_and_refuses_bytes(void **state)
{
    (void)state;
    weir_buf buf = {0};
    weir_buf_consume(&buf, 0);
    assert_int_equal(weir_buf_append(&buf, weir_slice_make(NULL, 0)), 0);
    assert_int_equal(weir_buf_printf(&buf, "%s", ""), 0);
    assert_int_equal(weir_buf_append_u8(&buf, 1), -EMSGSIZE);
    assert_int_equal(weir_buf_printf(&buf, "x"), -EMSGSIZE);
    assert_null(buf.data);
    weir_buf_fini(&buf);
}

static void test_buf_reaches_its_maximum_and_not_more(void **state)
{
    (void)state;
    for (size_t max = 1; max < 300; max++) {
        weir_buf buf;
        weir_buf_init(&buf, max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(weir_buf_append_u8(&buf, (uint8_t)i), 0);
        assert_int_equal(weir_buf_append_u8(&buf, 0), -EMSGSIZE);
        assert_int_equal(weir_buf_append_u64(&buf, 0), -EMSGSIZE);
        assert_int_equal(weir_buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
        assert_int_equal(buf.len, max);
        assert_true(buf.cap <= max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(buf.data[i], (uint8_t)i);
        weir_buf_fini(&buf);
    }
}

static void test_buf_reserve_survives_impossible_sizes(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, SIZE_MAX);
    assert_int_equal(weir_buf_append_u8(&buf, 'k'), 0);
    assert_int_equal(weir_buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
    assert_int_equal(weir_buf_reserve(&buf, SIZE_MAX - 1), -ENOMEM);
    assert_int_equal(buf.len, 1);
    assert_int_equal(buf.data[0], 'k');
    weir_buf_fini(&buf);
}

static void test_buf_printf_fits_exactly(void **state)
{
    (void)state;
    char text[201];
    memset(text, 'p', sizeof(text));
    for (int len = 0; len <= 200; len++) {
        weir_buf buf;
        weir_buf_init(&buf, 200);
        assert_int_equal(weir_buf_printf(&buf, "%.*s", len, text), 0);
        assert_int_equal(buf.len, len);
        assert_int_equal(weir_buf_printf(&buf, "%.*s", 200 - len, text), 0);
        assert_int_equal(buf.len, 200);
        assert_memory_equal(buf.data, text, 200);
        assert_int_equal(weir_buf_printf(&buf, "!"), -EMSGSIZE);
        assert_int_equal(buf.len, 200);
        weir_buf_fini(&buf);
    }
}

static void fill_buf(void *user)
{
    (void)user;
    weir_buf buf;
    weir_buf_init(&buf, 4096);
    size_t len = 0;
    for (int i = 0; i < 200; i++) {
        int r =
            i % 2 ? weir_buf_append_cstr(&buf, "twelve bytes") : weir_buf_printf(&buf, "%012d", i);
        assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()) || r == -EMSGSIZE);
        len += r == 0 ? (i % 2 ? 13 : 12) : 0;
        assert_int_equal(buf.len, len);
    }
    weir_buf_fini(&buf);
}

static void test_buf_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, fill_buf, NULL) > 2);
}

static void test_arena_gives_aligned_zeroed_disjoint_memory(void **state)
{
    (void)state;
    weir_arena a;
    weir_arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        uint8_t *previous = NULL;
        for (size_t size = 0; size < 400; size++) {
            uint8_t *p = weir_arena_alloc(&a, size);
            assert_non_null(p);
            assert_ptr_not_equal(p, previous);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xA5, size);
            previous = p;
        }
        weir_arena_reset(&a);
        assert_true(a.size_used <= 1024);
    }
    char *copy = weir_arena_strdup(&a, WEIR_SLICE_LIT("weir"));
    assert_string_equal(copy, "weir");
    assert_string_equal(weir_arena_strdup(&a, weir_slice_make(NULL, 0)), "");
    weir_arena_fini(&a);
    assert_int_equal(a.size_used, 0);
}

static void test_arena_keeps_its_maximum(void **state)
{
    (void)state;
    weir_arena a;
    weir_arena_init(&a, 10000);
    assert_null(weir_arena_alloc(&a, SIZE_MAX));
    assert_null(weir_arena_alloc(&a, SIZE_MAX - 31));
    assert_null(weir_arena_alloc(&a, 10000));
    size_t got = 0;
    while (weir_arena_alloc(&a, 100))
        got += 112;
    assert_true(a.size_used <= 10000);
    assert_true(got > 9000);
    weir_arena_fini(&a);
    weir_arena_init(&a, 0);
    assert_null(weir_arena_alloc(&a, 1));
    weir_arena_reset(&a);
    weir_arena_fini(&a);
}

static void fill_arena(void *user)
{
    (void)user;
    weir_arena a;
    weir_arena_init(&a, 1 << 20);
    for (int i = 0; i < 300; i++) {
        char *text = weir_arena_strdup(&a, WEIR_SLICE_LIT("some words of a statement"));
        assert_true(text != NULL || weir_failalloc_failed());
        if (i == 150)
            weir_arena_reset(&a);
    }
    weir_arena_fini(&a);
}

static void test_arena_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, fill_arena, NULL) > 2);
}

static void test_memory_charges_up_to_the_cap(void **state)
{
    (void)state;
    weir_memory m;
    weir_memory_init(&m, 100);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_CLIENT, 60), 0);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_CACHE, 41), -ENOMEM);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_CACHE, SIZE_MAX), -ENOMEM);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_CACHE, 40), 0);
    assert_int_equal(m.total, 100);
    weir_memory_release(&m, WEIR_MEMORY_CLIENT, 60);
    assert_int_equal(m.used[WEIR_MEMORY_CLIENT], 0);
    assert_int_equal(m.used[WEIR_MEMORY_CACHE], 40);
    assert_int_equal(m.total, 40);
    weir_memory_init(&m, 0);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_RESULT, SIZE_MAX), 0);
    assert_int_equal(weir_memory_charge(&m, WEIR_MEMORY_RESULT, 1), -ENOMEM);
    for (int i = 0; i < WEIR_MEMORY_OWNERS; i++)
        assert_non_null(weir_memory_owner_name((weir_memory_owner)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_sets_state_and_clears_the_rest),
        cmocka_unit_test(test_error_cuts_between_characters),
        cmocka_unit_test(test_buf_appends_and_consumes),
        cmocka_unit_test(test_buf_zeroed_is_empty_and_refuses_bytes),
        cmocka_unit_test(test_buf_reaches_its_maximum_and_not_more),
        cmocka_unit_test(test_buf_reserve_survives_impossible_sizes),
        cmocka_unit_test(test_buf_printf_fits_exactly),
        cmocka_unit_test(test_buf_survives_every_failed_allocation),
        cmocka_unit_test(test_arena_gives_aligned_zeroed_disjoint_memory),
        cmocka_unit_test(test_arena_keeps_its_maximum),
        cmocka_unit_test(test_arena_survives_every_failed_allocation),
        cmocka_unit_test(test_memory_charges_up_to_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
