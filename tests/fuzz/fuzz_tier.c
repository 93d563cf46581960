/* Stored answers that anybody may have written: whatever passes for one is whole. The input is
 * given its checksum first, so that what lies behind it is reached. */
#include "cache/tier.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BYTES_MAX 65536u
#define CHECKED_FROM 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void put_u64(uint8_t *at, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        at[i] = (uint8_t)v;
}

static void look(weir_slice stored)
{
    weir_stored s;
    weir_entry like = {0}, *e = NULL;
    if (weir_stored_open(stored, BYTES_MAX, &s) < 0)
        return;
    require(s.bytes_len <= BYTES_MAX && s.head_len <= s.bytes_len);
    require(s.identity.len + s.packed.len + s.dependencies.len < stored.len);
    weir_portable own = {.domain = weir_slice_head(s.identity, s.domain_len),
                         .rest = weir_slice_skip(s.identity, s.domain_len)};
    require(weir_stored_is(&s, own));
    if (weir_stored_entry(&s, &like, own.rest, &e) < 0)
        return;
    require(weir_entry_bytes(e).len == s.bytes_len && e->dependency_count == s.dependency_count);
    weir_entry_unref(e);
}

/* What an answer made of the input is, is read as that. */
static void write(weir_slice in)
{
    weir_buf out;
    weir_entry *e = NULL;
    weir_tier_label label = {.fingerprint = in.len};
    weir_portable identity = {.domain = WEIR_SLICE_LIT("d"), .rest = in};
    weir_entry_options options = {.identity = in, .bytes = in};
    weir_buf_init(&out, 4 * BYTES_MAX);
    require(weir_entry_new(&options, &e) == 0);
    require(weir_stored_write(&label, identity, e, 16, &out) == 0);
    weir_stored s;
    weir_entry *back = NULL;
    require(weir_stored_open(weir_buf_slice(&out), BYTES_MAX, &s) == 0);
    require(weir_stored_entry(&s, e, in, &back) == 0);
    require(weir_slice_eq(weir_entry_bytes(back), in));
    weir_entry_unref(back);
    weir_entry_unref(e);
    weir_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(weir_slice_make(data, size));
    write(weir_slice_make(data, size));
    if (size < CHECKED_FROM)
        return 0;
    uint8_t *own = malloc(size);
    require(own != NULL);
    memcpy(own, data, size);
    memcpy(own, "WTie\0\1\0", 7);
    own[7] &= 1;
    uint64_t head = 0;
    for (int i = 0; i < 8; i++)
        head = head << 8 | own[i];
    put_u64(own + 8, XXH3_64bits_withSeed(own + CHECKED_FROM, size - CHECKED_FROM, head));
    look(weir_slice_make(own, size));
    free(own);
    return 0;
}
