/* The stored form of an answer: it comes back as it went, and damage of any kind is noticed. */
#include "cache/tier.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BYTES_MAX ((size_t)1 << 20)

static const weir_portable portable = {.domain = WEIR_SLICE_LIT("cluster 7, database 16384"),
                                       .rest = WEIR_SLICE_LIT("SELECT v FROM t WHERE id = 5")};
static const weir_dependency dependencies[] = {{1, 2, 3}, {UINT64_MAX, 0, 0}};
static const weir_tier_label label = {.lineage = {.system = 0x123456789abcdef0, .timeline = 3},
                                      .fingerprint = 99,
                                      .run = 7,
                                      .wal = 1000,
                                      .filled_wall = 1700000000000000000,
                                      .expires_wall = WEIR_TIER_WALL_NEVER};

static weir_entry *entry_of(weir_slice bytes)
{
    weir_entry *e = NULL;
    weir_entry_options options = {
        .hash = 1,
        .identity = WEIR_SLICE_LIT("here: SELECT"),
        .dependencies = dependencies,
        .dependency_count = 2,
        .bytes = bytes,
        .like = {.asof = {.wal = 1000, .local = 4}, .rows = 12, .head_len = bytes.len / 2}};
    assert_int_equal(weir_entry_new(&options, &e), 0);
    return e;
}

static void write_to(weir_buf *out, weir_slice bytes, size_t compress_above)
{
    weir_entry *e = entry_of(bytes);
    weir_buf_init(out, BYTES_MAX);
    assert_int_equal(weir_stored_write(&label, portable, e, compress_above, out), 0);
    weir_entry_unref(e);
}

static void assert_comes_back(weir_slice stored, weir_slice bytes)
{
    weir_stored s;
    weir_entry *e = NULL;
    weir_entry like = {.hash = 5, .scope = 6, .template_id = 8};
    assert_int_equal(weir_stored_open(stored, BYTES_MAX, &s), 0);
    assert_true(weir_stored_is(&s, portable));
    assert_memory_equal(&s.label, &label, sizeof(label));
    assert_int_equal(weir_stored_entry(&s, &like, WEIR_SLICE_LIT("there"), &e), 0);
    assert_true(weir_slice_eq(weir_entry_bytes(e), bytes));
    assert_true(weir_slice_eq_cstr(weir_entry_identity(e), "there"));
    assert_int_equal(e->hash, 5);
    assert_int_equal(e->scope, 6);
    assert_int_equal(e->template_id, 8);
    assert_int_equal(s.local, 4);
    assert_int_equal(e->asof.wal, 0);
    assert_int_equal(e->rows, 12);
    assert_int_equal(e->head_len, bytes.len / 2);
    assert_int_equal(e->dependency_count, 2);
    assert_memory_equal(e->dependencies, dependencies, sizeof(dependencies));
    weir_entry_unref(e);
}

static weir_slice long_answer(void)
{
    static uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i % 37);
    return weir_slice_make(bytes, sizeof(bytes));
}

static void test_tier_answer_comes_back_as_it_went(void **state)
{
    (void)state;
    weir_buf out;
    weir_slice answers[] = {WEIR_SLICE_LIT(""), WEIR_SLICE_LIT("x"), WEIR_SLICE_LIT("two rows"),
                            long_answer()};
    for (size_t i = 0; i < 4; i++) {
        write_to(&out, answers[i], SIZE_MAX);
        assert_comes_back(weir_buf_slice(&out), answers[i]);
        weir_buf_fini(&out);
        write_to(&out, answers[i], 0);
        assert_comes_back(weir_buf_slice(&out), answers[i]);
        weir_buf_fini(&out);
    }
}

static void test_tier_compresses_above_the_threshold_alone(void **state)
{
    (void)state;
    weir_buf plain, packed;
    write_to(&plain, long_answer(), 5000);
    write_to(&packed, long_answer(), 4999);
    assert_true(plain.len > 5000);
    assert_true(packed.len < 1000);
    weir_buf_fini(&plain);
    weir_buf_fini(&packed);
}

/* Tags, lengths and content alike: nothing that differs in one bit is taken for an answer. */
static void test_tier_every_byte_flipped_is_noticed(void **state)
{
    (void)state;
    weir_stored s;
    for (int compressed = 0; compressed < 2; compressed++) {
        weir_buf out;
        write_to(&out, long_answer(), compressed ? 0 : SIZE_MAX);
        size_t step = compressed ? 1 : 7;
        for (size_t i = 0; i < out.len; i += i < 300 ? 1 : step) {
            for (unsigned bit = 0; bit < 8; bit++) {
                out.data[i] ^= (uint8_t)(1u << bit);
                assert_int_equal(weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s), -EPROTO);
                out.data[i] ^= (uint8_t)(1u << bit);
            }
        }
        assert_int_equal(weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s), 0);
        weir_buf_fini(&out);
    }
}

static void test_tier_truncated_and_prolonged_are_noticed(void **state)
{
    (void)state;
    weir_stored s;
    weir_buf out;
    write_to(&out, WEIR_SLICE_LIT("a row"), SIZE_MAX);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *exact = malloc(len + 1); /* reading beyond it is seen */
        assert_non_null(exact);
        memcpy(exact, out.data, len);
        assert_int_equal(weir_stored_open(weir_slice_make(exact, len), BYTES_MAX, &s), -EPROTO);
        free(exact);
    }
    assert_int_equal(weir_buf_append_u8(&out, 0), 0);
    assert_int_equal(weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s), -EPROTO);
    weir_buf_fini(&out);
}

/* As whoever can write to the tier could: the checksum is no secret. */
static void sign(weir_buf *stored)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | stored->data[i];
    uint64_t sum = XXH3_64bits_withSeed(stored->data + 16, stored->len - 16, head);
    for (size_t i = 0; i < 8; i++)
        stored->data[8 + i] = (uint8_t)(sum >> (56 - 8 * i));
}

/* It is refused, or what it says lies within it, and unpacking it touches nothing else. */
static void assert_harmless(const weir_buf *stored)
{
    weir_stored s;
    weir_entry *e = NULL;
    const weir_entry like = {.hash = 5};
    uint8_t *exact = malloc(stored->len);
    assert_non_null(exact);
    memcpy(exact, stored->data, stored->len); /* reading beyond it is seen */
    if (weir_stored_open(weir_slice_make(exact, stored->len), BYTES_MAX, &s) == 0) {
        for (uint32_t i = 0; i < s.dependency_count; i++)
            (void)weir_stored_dependency(&s, i);
        (void)weir_stored_is(&s, portable);
        int r = weir_stored_entry(&s, &like, WEIR_SLICE_LIT("there"), &e);
        assert_true(r == 0 || r == -EPROTO);
        assert_true(r != 0 || e->bytes_len <= BYTES_MAX);
        weir_entry_unref(e);
    }
    free(exact);
}

static void test_tier_well_signed_lies_are_harmless(void **state)
{
    (void)state;
    static const uint32_t words[] = {
        0, 1, 2, 3, 23, 24, 111, 112, 4096, 4097, 0x7fffffff, 0x80000000, 0xffffff00, UINT32_MAX};
    for (int compressed = 0; compressed < 2; compressed++) {
        weir_buf out;
        write_to(&out, long_answer(), compressed ? 0 : SIZE_MAX);
        for (size_t at = 0; at + 4 <= out.len && at < 400; at++) {
            uint8_t kept[4];
            memcpy(kept, out.data + at, 4);
            for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
                for (size_t i = 0; i < 4; i++)
                    out.data[at + i] = (uint8_t)(words[w] >> (24 - 8 * i));
                sign(&out);
                assert_harmless(&out);
            }
            memcpy(out.data + at, kept, 4);
        }
        weir_buf_fini(&out);
    }
}

static void test_tier_answer_beyond_the_bound_is_not_unpacked(void **state)
{
    (void)state;
    weir_stored s;
    weir_buf out;
    write_to(&out, long_answer(), 0);
    assert_int_equal(weir_stored_open(weir_buf_slice(&out), 4999, &s), -EPROTO);
    assert_int_equal(weir_stored_open(weir_buf_slice(&out), 5000, &s), 0);
    weir_buf_fini(&out);
}

/* Caching 16, row 40: the key is a hash, and two databases may have one name. */
static void test_tier_identity_is_compared_in_full(void **state)
{
    (void)state;
    weir_stored s;
    weir_buf out;
    write_to(&out, WEIR_SLICE_LIT("a row"), SIZE_MAX);
    assert_int_equal(weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s), 0);
    weir_portable other = portable;
    other.rest = WEIR_SLICE_LIT("SELECT v FROM t WHERE id = 6");
    assert_false(weir_stored_is(&s, other));
    other = portable;
    other.domain = WEIR_SLICE_LIT("cluster 8, database 16384");
    assert_false(weir_stored_is(&s, other));
    /* The same bytes, cut elsewhere. */
    static const char whole[] = "cluster 7, database 16384SELECT v FROM t WHERE id = 5";
    other.domain = weir_slice_make(whole, portable.domain.len + 1);
    other.rest = weir_slice_make(whole + portable.domain.len + 1, portable.rest.len - 1);
    assert_false(weir_stored_is(&s, other));
    assert_true(weir_stored_is(&s, portable));
    weir_buf_fini(&out);
}

static void test_tier_keys_differ_by_domain_and_question(void **state)
{
    (void)state;
    weir_tier_key a = weir_tier_key_of(portable), again = weir_tier_key_of(portable);
    assert_memory_equal(&a, &again, sizeof(a));
    weir_portable other = portable;
    other.domain = WEIR_SLICE_LIT("cluster 8, database 16384");
    weir_tier_key b = weir_tier_key_of(other);
    assert_memory_not_equal(&a, &b, sizeof(a));
    other = portable;
    other.rest = WEIR_SLICE_LIT("SELECT v FROM t WHERE id = 6");
    b = weir_tier_key_of(other);
    assert_memory_not_equal(&a, &b, sizeof(a));
}

static void test_tier_write_leaves_a_full_buffer_alone(void **state)
{
    (void)state;
    weir_buf out;
    weir_entry *e = entry_of(WEIR_SLICE_LIT("a row"));
    weir_buf_init(&out, 100);
    assert_int_equal(weir_buf_append_u8(&out, 'x'), 0);
    assert_int_equal(weir_stored_write(&label, portable, e, 0, &out), -EMSGSIZE);
    assert_int_equal(out.len, 1);
    weir_buf_fini(&out);
    weir_entry_unref(e);
}

static void write_and_read(void *user)
{
    const weir_entry *e = user;
    weir_buf out;
    weir_buf_init(&out, BYTES_MAX);
    int r = weir_stored_write(&label, portable, e, 0, &out);
    weir_stored s;
    weir_entry like = {0}, *back = NULL;
    if (r == 0)
        r = weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s);
    if (r == 0)
        r = weir_stored_entry(&s, &like, WEIR_SLICE_LIT("id"), &back);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_entry_unref(back);
    weir_buf_fini(&out);
}

static void test_tier_survives_every_failed_allocation(void **state)
{
    (void)state;
    weir_entry *e = entry_of(long_answer());
    assert_true(weir_failalloc_each(10, write_and_read, e) > 0);
    weir_entry_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tier_answer_comes_back_as_it_went),
        cmocka_unit_test(test_tier_compresses_above_the_threshold_alone),
        cmocka_unit_test(test_tier_every_byte_flipped_is_noticed),
        cmocka_unit_test(test_tier_truncated_and_prolonged_are_noticed),
        cmocka_unit_test(test_tier_well_signed_lies_are_harmless),
        cmocka_unit_test(test_tier_answer_beyond_the_bound_is_not_unpacked),
        cmocka_unit_test(test_tier_identity_is_compared_in_full),
        cmocka_unit_test(test_tier_keys_differ_by_domain_and_question),
        cmocka_unit_test(test_tier_write_leaves_a_full_buffer_alone),
        cmocka_unit_test(test_tier_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
