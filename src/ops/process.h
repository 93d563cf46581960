/* Our own figures from /proc/self, private to ops/. */
#ifndef WEIR_OPS_PROCESS_H
#define WEIR_OPS_PROCESS_H

#include <stdint.h>

typedef struct ops_process {
    uint64_t cpu_ns;
    uint64_t start_ns; /* since 1970 */
    uint64_t resident, virtual;
    uint64_t threads, open_fds, max_fds;
} ops_process;

/* What cannot be read is 0. */
void ops_process_read(ops_process *ret);

#endif
