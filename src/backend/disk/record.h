/* Private to backend/disk: what stands before each value in a segment. Bytes alone; no file. */
#ifndef WEIR_BACKEND_DISK_RECORD_H
#define WEIR_BACKEND_DISK_RECORD_H

#include "base/error.h"
#include "cache/tier.h"

#define DISK_HEAD_LEN 48u

typedef struct disk_record {
    weir_tier_key key;
    uint32_t len; /* of the value behind it */
    int64_t expires_wall;
    uint64_t checksum; /* of the value */
} disk_record;

uint64_t disk_checksum(weir_slice value);
/* The head has a checksum of its own, of which the segment's number is part: what another file left
 * in these blocks is not taken for a record. */
void disk_record_write(const disk_record *record, uint32_t segment, uint8_t out[DISK_HEAD_LEN]);
/* -EPROTO: it is none, or its value is longer than `len_max`. */
WEIR_MUST_CHECK int disk_record_read(weir_slice head, uint32_t segment, size_t len_max,
                                     disk_record *ret);

#endif
