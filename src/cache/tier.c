/* The stored form of an answer: see tier.h. */
#include "cache/tier.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC 0x57546965u /* "WTie" */
#define VERSION 1u
#define FLAG_COMPRESSED 1u
#define CHECKED_FROM 16u /* magic, version, flags, checksum */
#define HEAD_LEN 112u
#define DEPENDENCY_LEN 24u
/* Fast: an answer is compressed once for each time that it is read from its database. */
#define COMPRESSION_LEVEL 1

/* ---- numbers ---- */

static void put_u32(uint8_t **at, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *(*at)++ = (uint8_t)(v >> shift);
}

static void put_u64(uint8_t **at, uint64_t v)
{
    put_u32(at, (uint32_t)(v >> 32));
    put_u32(at, (uint32_t)v);
}

static void put_bytes(uint8_t **at, weir_slice bytes)
{
    if (bytes.len > 0)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
}

static uint32_t get_u32(const uint8_t **at)
{
    const uint8_t *p = *at;
    *at += 4;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get_u64(const uint8_t **at)
{
    uint64_t high = get_u32(at);
    return high << 32 | get_u32(at);
}

/* Of all but itself: what precedes it is the seed. */
static uint64_t checksum_of(const uint8_t *stored, size_t len)
{
    const uint8_t *at = stored;
    uint64_t head = get_u64(&at);
    return XXH3_64bits_withSeed(stored + CHECKED_FROM, len - CHECKED_FROM, head);
}

/* ---- keys ---- */

weir_tier_key weir_tier_key_of(weir_portable identity)
{
    weir_tier_key key = {{0}};
    uint64_t seed = XXH3_64bits(identity.domain.data, identity.domain.len);
    XXH128_hash_t h = XXH3_128bits_withSeed(identity.rest.data, identity.rest.len, seed);
    uint8_t *at = key.bytes;
    put_u64(&at, h.high64);
    put_u64(&at, h.low64);
    return key;
}

/* ---- writing ---- */

static bool fits(weir_portable identity, const weir_entry *e)
{
    return e->dependency_count <= WEIR_TIER_DEPENDENCIES_MAX &&
           identity.domain.len <= UINT32_MAX / 2 && identity.rest.len <= UINT32_MAX / 2 &&
           e->bytes_len <= UINT32_MAX;
}

static void put_head(uint8_t **at, const weir_tier_label *label, weir_portable identity,
                     const weir_entry *e, size_t packed)
{
    put_u64(at, label->lineage.system);
    put_u64(at, label->lineage.timeline);
    put_u64(at, label->fingerprint);
    put_u64(at, label->run);
    put_u64(at, label->wal);
    put_u64(at, e->asof.local);
    put_u64(at, (uint64_t)label->filled_wall);
    put_u64(at, (uint64_t)label->expires_wall);
    put_u64(at, e->rows);
    put_u32(at, e->dependency_count);
    put_u32(at, (uint32_t)(identity.domain.len + identity.rest.len));
    put_u32(at, (uint32_t)e->bytes_len);
    put_u32(at, (uint32_t)packed);
    put_u32(at, (uint32_t)e->head_len);
    put_u32(at, (uint32_t)identity.domain.len);
}

static void put_dependencies(uint8_t **at, const weir_entry *e)
{
    for (uint32_t i = 0; i < e->dependency_count; i++) {
        put_u64(at, e->dependencies[i].relation);
        put_u64(at, e->dependencies[i].column);
        put_u64(at, e->dependencies[i].value);
    }
}

/* Their length at `to`, where there is room for all of them as they are. */
static size_t pack(uint8_t *to, weir_slice bytes, size_t compress_above, bool *ret_compressed)
{
    *ret_compressed = false;
    if (bytes.len > compress_above && bytes.len > 1) {
        size_t len = ZSTD_compress(to, bytes.len - 1, bytes.data, bytes.len, COMPRESSION_LEVEL);
        *ret_compressed = !ZSTD_isError(len);
        if (*ret_compressed)
            return len;
    }
    uint8_t *at = to;
    put_bytes(&at, bytes);
    return bytes.len;
}

int weir_stored_write(const weir_tier_label *label, weir_portable identity, const weir_entry *entry,
                      size_t compress_above, weir_buf *out)
{
    if (!fits(identity, entry))
        return -EMSGSIZE;
    weir_slice bytes = weir_entry_bytes(entry);
    size_t before = HEAD_LEN + (size_t)entry->dependency_count * DEPENDENCY_LEN +
                    identity.domain.len + identity.rest.len;
    int r = weir_buf_reserve(out, before + bytes.len);
    if (r < 0)
        return r;
    uint8_t *start = out->data + out->len, *at = start + CHECKED_FROM;
    bool compressed;
    size_t packed = pack(start + before, bytes, compress_above, &compressed);
    put_head(&at, label, identity, entry, packed);
    put_dependencies(&at, entry);
    put_bytes(&at, identity.domain);
    put_bytes(&at, identity.rest);
    assert(at == start + before);
    at = start;
    put_u32(&at, MAGIC);
    put_u32(&at, VERSION << 16 | (compressed ? FLAG_COMPRESSED : 0));
    put_u64(&at, checksum_of(start, before + packed));
    out->len += before + packed;
    return 0;
}

/* ---- reading ---- */

static void get_head(const uint8_t **at, weir_stored *s)
{
    s->label.lineage.system = get_u64(at);
    s->label.lineage.timeline = get_u64(at);
    s->label.fingerprint = get_u64(at);
    s->label.run = get_u64(at);
    s->label.wal = get_u64(at);
    s->local = get_u64(at);
    s->label.filled_wall = (int64_t)get_u64(at);
    s->label.expires_wall = (int64_t)get_u64(at);
    s->rows = get_u64(at);
}

/* Every length against what is there. */
static int get_parts(const uint8_t *at, size_t left, size_t bytes_max, weir_stored *s)
{
    s->dependency_count = get_u32(&at);
    size_t identity = get_u32(&at);
    s->bytes_len = get_u32(&at);
    size_t packed = get_u32(&at);
    s->head_len = get_u32(&at);
    size_t domain = get_u32(&at);
    if (s->dependency_count > WEIR_TIER_DEPENDENCIES_MAX || s->bytes_len > bytes_max ||
        s->head_len > s->bytes_len || domain > identity)
        return -EPROTO;
    size_t dependencies = (size_t)s->dependency_count * DEPENDENCY_LEN;
    if (left < dependencies || left - dependencies < identity ||
        left - dependencies - identity != packed || (!s->compressed && packed != s->bytes_len))
        return -EPROTO;
    s->dependencies = weir_slice_make(at, dependencies);
    s->identity = weir_slice_make(at + dependencies, identity);
    s->packed = weir_slice_make(at + dependencies + identity, packed);
    s->domain_len = domain;
    return 0;
}

int weir_stored_open(weir_slice stored, size_t bytes_max, weir_stored *ret)
{
    if (stored.len < HEAD_LEN)
        return -EPROTO;
    const uint8_t *at = stored.data;
    uint32_t magic = get_u32(&at), kind = get_u32(&at);
    uint64_t checksum = get_u64(&at);
    if (magic != MAGIC || kind >> 16 != VERSION || (kind & 0xffffu & ~FLAG_COMPRESSED) != 0 ||
        checksum != checksum_of(stored.data, stored.len))
        return -EPROTO;
    weir_stored s = {.compressed = kind & FLAG_COMPRESSED};
    get_head(&at, &s);
    int r = get_parts(at, stored.len - HEAD_LEN, bytes_max, &s);
    if (r == 0)
        *ret = s;
    return r;
}

bool weir_stored_is(const weir_stored *stored, weir_portable identity)
{
    return stored->domain_len == identity.domain.len &&
           weir_slice_eq(weir_slice_head(stored->identity, stored->domain_len), identity.domain) &&
           weir_slice_eq(weir_slice_skip(stored->identity, stored->domain_len), identity.rest);
}

weir_dependency weir_stored_dependency(const weir_stored *stored, uint32_t at)
{
    assert(at < stored->dependency_count);
    const uint8_t *p = stored->dependencies.data + (size_t)at * DEPENDENCY_LEN;
    weir_dependency d = {.relation = get_u64(&p)};
    d.column = get_u64(&p);
    d.value = get_u64(&p);
    return d;
}

/* One frame, of exactly the length that was said. */
static int unpack(const weir_stored *s, uint8_t *to)
{
    size_t frame = ZSTD_findFrameCompressedSize(s->packed.data, s->packed.len);
    if (ZSTD_isError(frame) || frame != s->packed.len)
        return -EPROTO;
    size_t len = ZSTD_decompress(to, s->bytes_len, s->packed.data, s->packed.len);
    return ZSTD_isError(len) || len != s->bytes_len ? -EPROTO : 0;
}

int weir_stored_entry(const weir_stored *stored, const weir_entry *like, weir_slice identity,
                      weir_entry **ret)
{
    size_t dependencies = stored->dependency_count * sizeof(weir_dependency);
    size_t unpacked = stored->compressed ? stored->bytes_len : 0;
    uint8_t *scratch = malloc(dependencies + unpacked + 1);
    if (!scratch)
        return -ENOMEM;
    weir_entry_options options = {.hash = like->hash,
                                  .identity = identity,
                                  .dependencies = (weir_dependency *)(void *)scratch,
                                  .dependency_count = stored->dependency_count,
                                  .bytes = stored->packed,
                                  .like = *like};
    options.like.rows = stored->rows;
    options.like.head_len = stored->head_len;
    for (uint32_t i = 0; i < stored->dependency_count; i++)
        ((weir_dependency *)(void *)scratch)[i] = weir_stored_dependency(stored, i);
    int r = 0;
    if (stored->compressed) {
        options.bytes = weir_slice_make(scratch + dependencies, stored->bytes_len);
        r = unpack(stored, scratch + dependencies);
    }
    if (r == 0)
        r = weir_entry_new(&options, ret);
    free(scratch);
    return r;
}
