/* Private to backend/disk.
 *
 * Threads: the writer (one) opens, reads at start, appends and drops; readers (two) read values;
 * workers ask the index and wait. Segments are found under `lock` and pinned while they are read:
 * a dropped one's file goes with its last pin. */
#ifndef WEIR_BACKEND_DISK_INTERNAL_H
#define WEIR_BACKEND_DISK_INTERNAL_H

#include "backend/disk/disk.h"
#include "backend/disk/index.h"
#include "backend/disk/record.h"
#include "base/list.h"
#include "net/courier.h"

#define DISK_SEGMENT_MIN ((uint64_t)1 << 20)
#define DISK_SEGMENT_MAX ((uint64_t)1 << 30)
#define DISK_SHARE 16u        /* of the whole, that one segment may have */
#define DISK_SEGMENTS_MAX 64u /* also small ones: each start begins one */
#define DISK_WRITES_MAX 256u  /* waiting */
#define DISK_WRITES_SIZE_MAX ((size_t)32 << 20)
#define DISK_READS_MAX 64u /* of one worker, under way */
#define DISK_LATE_MAX 4u   /* … given up and still not back: no more are asked */
#define DISK_HOT_MAX 1024u /* rewritten when their segment goes */

typedef enum disk_counter {
    DISK_GETS,
    DISK_FOUND,
    DISK_LATE,
    DISK_SKIPPED,
    DISK_PUTS,
    DISK_DROPPED,
    DISK_ERRORS,
    DISK_EVICTED,
    DISK_EXPIRED,
    DISK_REMOVED,
    DISK_DAMAGED,
    DISK_COUNTERS
} disk_counter;

typedef struct disk_segment {
    struct disk_segment *next; /* an older one */
    uint32_t id;
    int fd;
    unsigned pins;
    bool dropped;
    uint64_t size;
} disk_segment;

/* The files. All but pinning is the writer's. */
typedef struct disk_log {
    char *path;
    int dir;  /* -1: not open */
    int lock; /* file that says whose it is */
    weir_spin busy;
    disk_segment *newest; /* under `busy` for others than the writer */
    disk_segment *active; /* that is appended to: the newest, or NULL */
    unsigned count;
    uint32_t next_id;
    uint64_t segment_max, size_max;
    size_t value_max;
    _Atomic uint64_t size; /* of all */
} disk_log;

typedef struct disk_tier disk_tier;

typedef struct disk_seat {
    disk_tier *tier;
    weir_loop *loop;
    weir_courier courier;
    bool detached;
    weir_list waiting; /* reads, in order of their deadlines */
    weir_timer timer;
    unsigned reads, late; /* under way; those of them that nobody waits for */
} disk_seat;

struct disk_tier {
    weir_tier base;
    unsigned workers;
    weir_log *log_to;
    weir_executor *writer, *readers;
    disk_log log;
    disk_index index;
    _Atomic uint64_t counts[DISK_COUNTERS];
    _Atomic unsigned writes; /* waiting */
    _Atomic size_t writes_size;
    _Atomic bool open, opening;
    _Atomic weir_time retry_at; /* opening, or after a failed write */
    weir_job open_job;
    disk_seat *seats[];
};

static inline void disk_count(disk_tier *t, disk_counter c)
{
    atomic_fetch_add_explicit(&t->counts[c], 1, memory_order_relaxed);
}

/* ---- log.c: negative errno ---- */
/* Makes the directory and looks whether it can be used. */
WEIR_MUST_CHECK int disk_log_prepare(const char *path);
/* Takes the directory. -EBUSY: another process has it. */
WEIR_MUST_CHECK int disk_log_open(disk_log *log);
void disk_log_close(disk_log *log);
/* A record with its head in front; `*ret` says where. -ENOSPC, … */
WEIR_MUST_CHECK int disk_log_append(disk_log *log, weir_slice record, uint32_t *ret_offset);
/* Makes the next record of this length fit into the active segment, by a new one if need be. */
WEIR_MUST_CHECK int disk_log_turn(disk_log *log, size_t len);
bool disk_log_fits(const disk_log *log, size_t len); /* … as it is */
/* The oldest, if there are too many bytes or files; NULL. */
disk_segment *disk_log_surplus(disk_log *log);
void disk_log_drop(disk_log *log, disk_segment *segment);
/* Any thread. NULL: it is gone. */
disk_segment *disk_log_pin(disk_log *log, uint32_t id);
void disk_log_unpin(disk_log *log, disk_segment *segment);
/* Reads all of `len`; -EIO when it is shorter. */
WEIR_MUST_CHECK int disk_read(int fd, void *to, size_t len, uint64_t at);

/* ---- scan.c ---- */
/* Finds the segments that are there and tells their records to the index, newest segment first. */
WEIR_MUST_CHECK int disk_scan(disk_tier *t);
int64_t disk_wall(void);
weir_time disk_now(void);

#endif
