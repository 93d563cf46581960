/* Private to backend/disk: what workers ask of the writer. */
#ifndef WEIR_BACKEND_DISK_WRITE_H
#define WEIR_BACKEND_DISK_WRITE_H

#include "backend/disk/internal.h"

/* If it is not open, and was not tried just now. */
void disk_open_soon(disk_tier *t);
/* False: too much waits, it is not open, or a write failed just now; the put stays the caller's. */
WEIR_MUST_CHECK bool disk_write_soon(disk_tier *t, weir_tier_put *put);

#endif
