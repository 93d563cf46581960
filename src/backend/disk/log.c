/* Segments: files named by number in one directory, appended to one after the other. A file is
 * never written again once another was begun, so that what a crash left is read and not touched. */
#include "backend/disk/internal.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void name_of(uint32_t id, char out[16])
{
    (void)snprintf(out, 16, "%08x.weir", id);
}

int disk_read(int fd, void *to, size_t len, uint64_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, (uint8_t *)to + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int write_all(int fd, weir_slice bytes, uint64_t at)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pwrite(fd, bytes.data + done, bytes.len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* ---- the directory ---- */

int disk_log_prepare(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -errno;
    if (stat(path, &st) != 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return access(path, R_OK | W_OK | X_OK) == 0 ? 0 : -errno;
}

int disk_log_open(disk_log *log)
{
    log->dir = open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir < 0)
        return -errno;
    log->lock = openat(log->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int r = log->lock < 0 ? -errno : 0;
    if (r == 0 && flock(log->lock, LOCK_EX | LOCK_NB) != 0)
        r = errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (r < 0)
        disk_log_close(log);
    return r;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void disk_log_close(disk_log *log)
{
    for (disk_segment *s = log->newest, *next; s; s = next) {
        next = s->next;
        close_fd(&s->fd);
        free(s);
    }
    log->newest = log->active = NULL;
    close_fd(&log->lock);
    close_fd(&log->dir);
}

/* ---- segments ---- */

disk_segment *disk_log_pin(disk_log *log, uint32_t id)
{
    weir_spin_lock(&log->busy);
    disk_segment *s = log->newest;
    while (s && s->id != id)
        s = s->next;
    if (s)
        s->pins++;
    weir_spin_unlock(&log->busy);
    return s;
}

void disk_log_unpin(disk_log *log, disk_segment *segment)
{
    weir_spin_lock(&log->busy);
    bool last = --segment->pins == 0 && segment->dropped;
    weir_spin_unlock(&log->busy);
    if (last) {
        close_fd(&segment->fd);
        free(segment);
    }
}

disk_segment *disk_log_surplus(disk_log *log)
{
    uint64_t size = atomic_load_explicit(&log->size, memory_order_relaxed);
    disk_segment *oldest = log->newest;
    if (!oldest || (size <= log->size_max && log->count <= DISK_SEGMENTS_MAX))
        return NULL;
    while (oldest->next)
        oldest = oldest->next;
    return oldest == log->active ? NULL : oldest;
}

void disk_log_drop(disk_log *log, disk_segment *segment)
{
    char name[16];
    weir_spin_lock(&log->busy);
    disk_segment **at = &log->newest;
    while (*at != segment)
        at = &(*at)->next;
    *at = segment->next;
    segment->dropped = true;
    bool pinned = segment->pins > 0;
    weir_spin_unlock(&log->busy);
    log->count--;
    atomic_fetch_sub_explicit(&log->size, segment->size, memory_order_relaxed);
    name_of(segment->id, name);
    (void)unlinkat(log->dir, name, 0); /* if it stays, it is read at the next start */
    if (pinned)
        return;
    close_fd(&segment->fd);
    free(segment);
}

static int begin_segment(disk_log *log)
{
    char name[16];
    disk_segment *s = log->next_id > 0 ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return -ENOMEM;
    s->id = log->next_id;
    name_of(s->id, name);
    s->fd = openat(log->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        int r = -errno;
        free(s);
        return r;
    }
    log->next_id++;
    weir_spin_lock(&log->busy);
    s->next = log->newest;
    log->newest = s;
    weir_spin_unlock(&log->busy);
    log->active = s;
    log->count++;
    return 0;
}

bool disk_log_fits(const disk_log *log, size_t len)
{
    return log->active && log->active->size + len <= log->segment_max;
}

int disk_log_turn(disk_log *log, size_t len)
{
    return disk_log_fits(log, len) ? 0 : begin_segment(log);
}

/* What was written of a record that did not fit is cut off, or its segment left. */
int disk_log_append(disk_log *log, weir_slice record, uint32_t *ret_offset)
{
    disk_segment *s = log->active;
    int r = write_all(s->fd, record, s->size);
    if (r < 0) {
        if (ftruncate(s->fd, (off_t)s->size) != 0)
            log->active = NULL;
        return r;
    }
    *ret_offset = (uint32_t)s->size;
    s->size += record.len;
    atomic_fetch_add_explicit(&log->size, record.len, memory_order_relaxed);
    return 0;
}
