/* The writer's side: what is put goes to the end of the log, and the oldest segment goes when there
 * is too much. What was asked for since it was written is written once more before it goes. */
#include "backend/disk/write.h"
#include <stdlib.h>

#define RETRY_AFTER WEIR_SECOND
#define HOT_SHARE 4u /* at most this part of a segment is rewritten */

typedef struct pending {
    weir_job job;
    disk_tier *tier;
    weir_tier_put *put;
    int64_t expires_wall;
    size_t size;
} pending;

static void failed(disk_tier *t, const char *what, int r)
{
    disk_count(t, DISK_ERRORS);
    atomic_store(&t->retry_at, disk_now() + RETRY_AFTER);
    weir_log_event(t->log_to, WEIR_LOG_CACHE, WEIR_LOG_WARN, what, WEIR_F_STR("path", t->log.path),
                   WEIR_F_STR("reason", strerrordesc_np(-r)));
}

/* ---- opening ---- */

static void open_log(weir_job *job)
{
    disk_tier *t = WEIR_CONTAINER_OF(job, disk_tier, open_job);
    int r = disk_log_open(&t->log);
    if (r == 0) {
        r = disk_scan(t);
        if (r < 0)
            disk_log_close(&t->log);
    }
    if (r < 0)
        failed(t, "cache tier: cannot use the directory for now", r);
    else
        weir_log_event(t->log_to, WEIR_LOG_CACHE, WEIR_LOG_INFO, "cache tier: directory read",
                       WEIR_F_STR("path", t->log.path),
                       WEIR_F_INT("entries", atomic_load(&t->index.entries)),
                       WEIR_F_INT("bytes", atomic_load(&t->log.size)));
    atomic_store(&t->open, r == 0);
    atomic_store(&t->opening, false);
}

void disk_open_soon(disk_tier *t)
{
    if (atomic_load(&t->open) || disk_now() < atomic_load(&t->retry_at) ||
        atomic_exchange(&t->opening, true))
        return;
    t->open_job.run = open_log;
    weir_executor_submit(t->writer, &t->open_job);
}

/* ---- dropping ---- */

typedef struct hot {
    disk_tier *tier;
    disk_slot slots[DISK_HOT_MAX];
    unsigned count;
    uint64_t gone;
} hot;

static void on_forgotten(void *user, const disk_slot *slot)
{
    hot *h = user;
    h->gone++;
    if (slot->place.hot && h->count < DISK_HOT_MAX)
        h->slots[h->count++] = *slot;
}

/* A record as it stands in another segment, as one of the active. */
static int rewrite(disk_tier *t, const disk_segment *from, const disk_slot *slot, weir_buf *record)
{
    disk_record r = {0};
    uint32_t offset = 0;
    size_t len = DISK_HEAD_LEN + slot->place.len;
    weir_buf_clear(record);
    int error = weir_buf_reserve(record, len);
    if (error == 0)
        error = disk_read(from->fd, record->data, len, slot->place.offset);
    if (error == 0)
        error = disk_record_read(weir_slice_make(record->data, len), from->id, slot->place.len, &r);
    if (error < 0)
        return error;
    disk_record_write(&r, t->log.active->id, record->data);
    error = disk_log_append(&t->log, weir_slice_make(record->data, len), &offset);
    if (error < 0)
        return error;
    disk_place place = slot->place;
    place.segment = t->log.active->id;
    place.offset = offset;
    place.hot = false;
    return disk_index_put(&t->index, &slot->key, &place);
}

static void rewrite_hot(disk_tier *t, const disk_segment *from, hot *h)
{
    weir_buf record;
    uint64_t budget = t->log.segment_max / HOT_SHARE;
    int64_t wall = disk_wall();
    weir_buf_init(&record, DISK_HEAD_LEN + t->log.value_max);
    for (unsigned i = 0; i < h->count; i++) {
        const disk_slot *slot = &h->slots[i];
        uint64_t len = DISK_HEAD_LEN + slot->place.len;
        if (slot->place.expires_wall <= wall || len > budget || !disk_log_fits(&t->log, len))
            continue;
        if (rewrite(t, from, slot, &record) < 0)
            break;
        budget -= len;
        h->gone--;
    }
    weir_buf_fini(&record);
}

static void drop_surplus(disk_tier *t)
{
    for (disk_segment *s; (s = disk_log_surplus(&t->log)) != NULL;) {
        hot *h = calloc(1, sizeof(*h));
        if (!h)
            return; /* at the next write */
        disk_index_forget(&t->index, s->id, on_forgotten, h);
        rewrite_hot(t, s, h);
        atomic_fetch_add_explicit(&t->counts[DISK_EVICTED], h->gone, memory_order_relaxed);
        disk_log_drop(&t->log, s);
        free(h);
    }
}

/* ---- writing ---- */

/* Head and value as they are to stand in the active segment. */
static int make_record(disk_tier *t, const pending *p, weir_buf *record)
{
    int r = weir_buf_reserve(record, DISK_HEAD_LEN);
    if (r < 0)
        return r;
    record->len = DISK_HEAD_LEN;
    r = p->put->write(p->put, record);
    if (r == 0)
        r = disk_log_turn(&t->log, record->len);
    if (r < 0)
        return r;
    weir_slice value = weir_slice_skip(weir_buf_slice(record), DISK_HEAD_LEN);
    disk_record head = {.key = p->put->key,
                        .len = (uint32_t)value.len,
                        .expires_wall = p->expires_wall,
                        .checksum = disk_checksum(value)};
    disk_record_write(&head, t->log.active->id, record->data);
    return 0;
}

static int keep(disk_tier *t, const pending *p)
{
    weir_buf record;
    disk_place place = {.expires_wall = p->expires_wall};
    weir_buf_init(&record, DISK_HEAD_LEN + t->log.value_max);
    int r = make_record(t, p, &record);
    if (r == 0)
        r = disk_log_append(&t->log, weir_buf_slice(&record), &place.offset);
    if (r == 0) {
        place.segment = t->log.active->id;
        place.len = (uint32_t)(record.len - DISK_HEAD_LEN);
        r = disk_index_put(&t->index, &p->put->key, &place);
        drop_surplus(t);
    }
    weir_buf_fini(&record);
    return r;
}

static void write_pending(weir_job *job)
{
    pending *p = WEIR_CONTAINER_OF(job, pending, job);
    disk_tier *t = p->tier;
    bool able = atomic_load(&t->open) && disk_now() >= atomic_load(&t->retry_at);
    int r = able ? keep(t, p) : -EAGAIN;
    disk_count(t, r == 0 ? DISK_PUTS : DISK_DROPPED);
    if (r < 0 && r != -EAGAIN && r != -EMSGSIZE && r != -ENOMEM)
        failed(t, "cache tier: cannot write", r);
    atomic_fetch_sub(&t->writes, 1);
    atomic_fetch_sub(&t->writes_size, p->size);
    p->put->drop(p->put);
    free(p);
}

bool disk_write_soon(disk_tier *t, weir_tier_put *put)
{
    if (!atomic_load(&t->open) || disk_now() < atomic_load(&t->retry_at) ||
        atomic_load(&t->writes) >= DISK_WRITES_MAX ||
        atomic_load(&t->writes_size) + put->size > DISK_WRITES_SIZE_MAX)
        return false;
    pending *p = calloc(1, sizeof(*p));
    if (!p)
        return false;
    int64_t wall = disk_wall();
    *p = (pending){.job = {.run = write_pending},
                   .tier = t,
                   .put = put,
                   .expires_wall = put->ttl < INT64_MAX - wall ? wall + put->ttl : INT64_MAX,
                   .size = put->size};
    atomic_fetch_add(&t->writes, 1);
    atomic_fetch_add(&t->writes_size, put->size);
    weir_executor_submit(t->writer, &p->job);
    return true;
}
