/* What stands before each value in a segment of the tier on disk: whatever passes for one keeps
 * its bounds, and is written as it was read. */
#include "backend/disk/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    uint8_t head[DISK_HEAD_LEN];
    disk_record r, again;
    if (disk_record_read(in, 1, 4096, &r) == 0) {
        require(size >= DISK_HEAD_LEN && r.len <= 4096);
        disk_record_write(&r, 1, head);
        require(memcmp(head, data, DISK_HEAD_LEN) == 0);
    }
    /* One made of the input: read back, and by its own segment's number alone. */
    disk_record own = {.len = (uint32_t)size, .checksum = disk_checksum(in)};
    memcpy(own.key.bytes, data ? data : head, size < sizeof(own.key) ? size : sizeof(own.key));
    disk_record_write(&own, 7, head);
    weir_slice written = weir_slice_make(head, sizeof(head));
    require(disk_record_read(written, 7, size, &again) == 0);
    require(again.len == own.len && again.checksum == own.checksum);
    require(disk_record_read(written, 8, size, &again) < 0);
    require(size == 0 || disk_record_read(written, 7, size - 1, &again) < 0);
    return 0;
}
