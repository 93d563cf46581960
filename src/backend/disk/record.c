/* Records: see record.h.
 *
 *   magic 4 · length 4 · key 16 · expires 8 · value's checksum 8 · head's checksum 8 */
#include "backend/disk/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC 0x57447331u /* "WDs1" */
#define SUMMED_LEN 40u

static void put(uint8_t *at, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

uint64_t disk_checksum(weir_slice value)
{
    return XXH3_64bits(value.data, value.len);
}

void disk_record_write(const disk_record *record, uint32_t segment, uint8_t out[DISK_HEAD_LEN])
{
    put(out, MAGIC, 4);
    put(out + 4, record->len, 4);
    memcpy(out + 8, record->key.bytes, sizeof(record->key.bytes));
    put(out + 24, (uint64_t)record->expires_wall, 8);
    put(out + 32, record->checksum, 8);
    put(out + SUMMED_LEN, XXH3_64bits_withSeed(out, SUMMED_LEN, segment), 8);
}

int disk_record_read(weir_slice head, uint32_t segment, size_t len_max, disk_record *ret)
{
    if (head.len < DISK_HEAD_LEN || get(head.data, 4) != MAGIC ||
        get(head.data + SUMMED_LEN, 8) != XXH3_64bits_withSeed(head.data, SUMMED_LEN, segment))
        return -EPROTO;
    disk_record r = {.len = (uint32_t)get(head.data + 4, 4),
                     .expires_wall = (int64_t)get(head.data + 24, 8),
                     .checksum = get(head.data + 32, 8)};
    memcpy(r.key.bytes, head.data + 8, sizeof(r.key.bytes));
    if (r.len > len_max)
        return -EPROTO;
    *ret = r;
    return 0;
}
