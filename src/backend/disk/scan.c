/* What a directory holds at start: segments, newest first, and in each its records up to the first
 * that is none (a crash's tail). Only heads are read: values have a checksum that is looked at when
 * they are asked for. */
#include "backend/disk/internal.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SCAN_MAX (20 * WEIR_SECOND) /* what was not read by then is given up */
#define WINDOW ((size_t)256 << 10)
#define FILES_MAX 65536u

static weir_time clock_ns(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (weir_time)t.tv_sec * WEIR_SECOND + t.tv_nsec;
}

int64_t disk_wall(void)
{
    return clock_ns(CLOCK_REALTIME);
}

weir_time disk_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- files ---- */

typedef struct listing {
    uint32_t *ids;
    size_t count, cap;
} listing;

static int add_id(listing *l, uint32_t id)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        uint32_t *ids = cap <= FILES_MAX ? realloc(l->ids, cap * sizeof(*ids)) : NULL;
        if (!ids)
            return -ENOMEM;
        l->ids = ids;
        l->cap = cap;
    }
    l->ids[l->count++] = id;
    return 0;
}

/* 8 hexadecimal digits and ".weir"; 0: another file. */
static uint32_t id_of(const char *name)
{
    weir_slice all = weir_slice_cstr(name);
    if (all.len != 13 || !weir_slice_eq_cstr(weir_slice_skip(all, 8), ".weir") ||
        strspn(name, "0123456789abcdef") != 8)
        return 0;
    return (uint32_t)strtoul(name, NULL, 16);
}

static int newest_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int list_files(const disk_log *log, listing *l)
{
    int fd = openat(log->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(dir)) != NULL;)
        if (id_of(e->d_name) != 0)
            r = add_id(l, id_of(e->d_name));
    (void)closedir(dir);
    if (l->count > 0)
        qsort(l->ids, l->count, sizeof(*l->ids), newest_first);
    return r;
}

/* ---- records ---- */

typedef struct window {
    const disk_segment *segment;
    uint8_t *bytes; /* WINDOW of them */
    uint64_t at;
    size_t len;
} window;

/* The head at `at`; an empty slice: the file ends before it does. */
static weir_slice head_at(window *w, uint64_t at)
{
    if (at < w->at || at + DISK_HEAD_LEN > w->at + w->len) {
        ssize_t n = pread(w->segment->fd, w->bytes, WINDOW, (off_t)at);
        w->at = at;
        w->len = n > 0 ? (size_t)n : 0;
        if (w->len < DISK_HEAD_LEN)
            return (weir_slice){0};
    }
    return weir_slice_make(w->bytes + (at - w->at), DISK_HEAD_LEN);
}

/* False: not even its first record is one. */
static bool read_records(disk_tier *t, window *w, uint64_t file_size)
{
    const disk_segment *s = w->segment;
    int64_t wall = disk_wall();
    disk_record r;
    uint64_t at = 0;
    while (at + DISK_HEAD_LEN <= file_size && at <= UINT32_MAX) {
        weir_slice head = head_at(w, at);
        if (disk_record_read(head, s->id, t->log.value_max, &r) < 0 ||
            r.len > file_size - at - DISK_HEAD_LEN)
            break;
        disk_place place = {
            .segment = s->id, .offset = (uint32_t)at, .len = r.len, .expires_wall = r.expires_wall};
        if (r.expires_wall > wall && disk_index_put(&t->index, &r.key, &place) < 0)
            return true; /* no memory for more */
        at += DISK_HEAD_LEN + r.len;
    }
    return at > 0;
}

/* Behind those that are there: they are newer. */
static void add_segment(disk_log *log, disk_segment *s)
{
    weir_spin_lock(&log->busy);
    disk_segment **at = &log->newest;
    while (*at)
        at = &(*at)->next;
    *at = s;
    weir_spin_unlock(&log->busy);
    log->count++;
    atomic_fetch_add_explicit(&log->size, s->size, memory_order_relaxed);
}

static void discard(const disk_log *log, uint32_t id)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%08x.weir", id);
    (void)unlinkat(log->dir, name, 0);
}

/* It is in the list before the index tells of it. */
static void read_segment(disk_tier *t, uint32_t id, uint8_t *bytes)
{
    char name[16];
    struct stat st;
    disk_segment *s = calloc(1, sizeof(*s));
    if (!s)
        return;
    (void)snprintf(name, sizeof(name), "%08x.weir", id);
    s->id = id;
    s->fd = openat(t->log.dir, name, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0 || st.st_size == 0) {
        if (s->fd >= 0)
            (void)close(s->fd);
        free(s);
        discard(&t->log, id);
        return;
    }
    s->size = (uint64_t)st.st_size;
    add_segment(&t->log, s);
    window w = {.segment = s, .bytes = bytes};
    if (!read_records(t, &w, s->size))
        disk_log_drop(&t->log, s);
}

int disk_scan(disk_tier *t)
{
    listing l = {0};
    weir_time until = disk_now() + SCAN_MAX;
    uint8_t *bytes = malloc(WINDOW);
    int r = bytes ? list_files(&t->log, &l) : -ENOMEM;
    t->log.next_id = l.count > 0 ? l.ids[0] + 1 : 1;
    for (size_t i = 0; r == 0 && i < l.count; i++) {
        bool room = t->log.count < DISK_SEGMENTS_MAX && atomic_load(&t->log.size) < t->log.size_max;
        if (room && disk_now() < until)
            read_segment(t, l.ids[i], bytes);
        else
            discard(&t->log, l.ids[i]);
    }
    free(l.ids);
    free(bytes);
    return r;
}
