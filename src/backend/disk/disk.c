/* A tier on disk: reads that wait for a reader's thread, with a deadline, and the tier's life.
 *
 *   get ─► index ─ absent ─► ABSENT
 *             └─► read, away ─► back in time ─► done(value)
 *                     └─ late ─► done(nothing) …… back, and dropped
 */
#include "backend/disk/write.h"
#include <stdlib.h>

typedef struct reading {
    weir_trip trip;
    weir_list link; /* the seat's, while somebody waits */
    disk_seat *seat;
    weir_tier_get *get; /* NULL: nobody waits any more */
    weir_tier_key key;
    disk_place place;
    weir_time deadline;
    int error;
    uint8_t record[];
} reading;

/* ---- seats ---- */

static void on_deadline(weir_timer *timer, weir_loop *loop);

static disk_seat *seat_of(disk_tier *t, unsigned worker, weir_loop *loop)
{
    assert(worker < t->workers);
    if (!t->seats[worker]) {
        disk_seat *seat = calloc(1, sizeof(*seat));
        if (!seat)
            return NULL;
        seat->tier = t;
        seat->loop = loop;
        weir_list_init(&seat->waiting);
        weir_timer_init(&seat->timer, on_deadline);
        weir_courier_init(&seat->courier, loop, t->readers);
        t->seats[worker] = seat;
    }
    return t->seats[worker];
}

static reading *of_link(weir_list *n)
{
    return WEIR_CONTAINER_OF(n, reading, link);
}

static void answer(reading *r, weir_slice value)
{
    weir_tier_get *get = r->get;
    assert(get);
    r->get = NULL;
    weir_list_remove(&r->link);
    get->done(get, value);
}

static void on_deadline(weir_timer *timer, weir_loop *loop)
{
    disk_seat *seat = WEIR_CONTAINER_OF(timer, disk_seat, timer);
    weir_list *n;
    while ((n = weir_list_first(&seat->waiting)) != NULL) {
        if (of_link(n)->deadline > weir_loop_now(loop)) {
            weir_timer_arm(loop, timer, of_link(n)->deadline);
            return;
        }
        seat->late++;
        disk_count(seat->tier, DISK_LATE);
        answer(of_link(n), (weir_slice){0});
    }
}

static void enlist(disk_seat *seat, reading *r)
{
    weir_list *before = &seat->waiting;
    while (before->prev != &seat->waiting && of_link(before->prev)->deadline > r->deadline)
        before = before->prev;
    weir_list_push_back(before, &r->link);
    weir_timer_arm(seat->loop, &seat->timer, of_link(seat->waiting.next)->deadline);
}

/* ---- reading: on a reader's thread, and back ---- */

static size_t reading_size(size_t len)
{
    return sizeof(reading) + DISK_HEAD_LEN + len;
}

/* NULL: no memory, or no more than memory.max. */
static reading *reading_new(disk_tier *t, size_t len)
{
    weir_memory *memory = t->index.memory;
    if (memory && weir_memory_charge(memory, WEIR_MEMORY_CACHE, reading_size(len)) < 0)
        return NULL;
    reading *r = malloc(reading_size(len));
    if (!r && memory)
        weir_memory_release(memory, WEIR_MEMORY_CACHE, reading_size(len));
    return r;
}

static void reading_free(reading *r)
{
    weir_memory *memory = r->seat->tier->index.memory;
    if (memory)
        weir_memory_release(memory, WEIR_MEMORY_CACHE, reading_size(r->place.len));
    free(r);
}

/* -ENOENT: its segment went meanwhile; -EPROTO: damaged. */
static int read_record(disk_tier *t, reading *r)
{
    disk_record head;
    size_t len = DISK_HEAD_LEN + r->place.len;
    disk_segment *s = disk_log_pin(&t->log, r->place.segment);
    if (!s)
        return -ENOENT;
    int error = disk_read(s->fd, r->record, len, r->place.offset);
    disk_log_unpin(&t->log, s);
    weir_slice record = weir_slice_make(r->record, len);
    if (error == 0)
        error = disk_record_read(record, r->place.segment, r->place.len, &head);
    if (error == 0 && (head.len != r->place.len ||
                       memcmp(head.key.bytes, r->key.bytes, sizeof(r->key.bytes)) != 0 ||
                       disk_checksum(weir_slice_skip(record, DISK_HEAD_LEN)) != head.checksum))
        error = -EPROTO;
    return error;
}

static void read_away(weir_trip *trip)
{
    reading *r = WEIR_CONTAINER_OF(trip, reading, trip);
    disk_tier *t = r->seat->tier;
    r->error = read_record(t, r);
    if (r->error < 0 && r->error != -ENOENT && disk_index_remove(&t->index, &r->key, &r->place))
        disk_count(t, r->error == -EPROTO ? DISK_DAMAGED : DISK_ERRORS);
}

static void read_back(weir_trip *trip)
{
    reading *r = WEIR_CONTAINER_OF(trip, reading, trip);
    disk_seat *seat = r->seat;
    seat->reads--;
    if (!r->get) {
        seat->late--;
    } else if (r->error < 0) {
        answer(r, (weir_slice){0});
    } else {
        disk_count(seat->tier, DISK_FOUND);
        answer(r, weir_slice_make(r->record + DISK_HEAD_LEN, r->place.len));
    }
    reading_free(r);
}

static void read_in_vain(weir_trip *trip)
{
    reading_free(WEIR_CONTAINER_OF(trip, reading, trip));
}

/* ---- the tier ---- */

static bool find(disk_tier *t, const weir_tier_key *key, disk_place *ret)
{
    if (!disk_index_find(&t->index, key, ret))
        return false;
    if (ret->expires_wall > disk_wall())
        return true;
    if (disk_index_remove(&t->index, key, ret))
        disk_count(t, DISK_EXPIRED);
    return false;
}

static weir_tier_answer tier_get(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                                 weir_tier_get *get)
{
    disk_tier *t = WEIR_CONTAINER_OF(tier, disk_tier, base);
    disk_seat *seat = seat_of(t, worker, loop);
    disk_place place;
    disk_open_soon(t);
    bool busy = !seat || seat->reads >= DISK_READS_MAX || seat->late >= DISK_LATE_MAX;
    if (!busy && !find(t, &get->key, &place)) {
        disk_count(t, DISK_GETS);
        return WEIR_TIER_ABSENT;
    }
    reading *r = busy ? NULL : reading_new(t, place.len);
    if (!r) {
        disk_count(t, DISK_SKIPPED);
        return WEIR_TIER_SKIPPED;
    }
    *r = (reading){.trip = {.away = read_away, .back = read_back, .dropped = read_in_vain},
                   .seat = seat,
                   .get = get,
                   .key = get->key,
                   .place = place,
                   .deadline = get->deadline};
    weir_list_init(&r->link);
    seat->reads++;
    disk_count(t, DISK_GETS);
    enlist(seat, r);
    weir_courier_send(&seat->courier, &r->trip);
    return WEIR_TIER_ASKED;
}

static void tier_put(weir_tier *tier, unsigned worker, struct weir_loop *loop, weir_tier_put *put)
{
    disk_tier *t = WEIR_CONTAINER_OF(tier, disk_tier, base);
    (void)worker;
    (void)loop;
    disk_open_soon(t);
    if (disk_write_soon(t, put))
        return;
    disk_count(t, DISK_DROPPED);
    put->drop(put);
}

/* The log has it still: after a restart it is found again, and judged again. */
static void tier_remove(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                        const weir_tier_key *key)
{
    disk_tier *t = WEIR_CONTAINER_OF(tier, disk_tier, base);
    disk_place place;
    (void)worker;
    (void)loop;
    if (disk_index_find(&t->index, key, &place) && disk_index_remove(&t->index, key, &place))
        disk_count(t, DISK_REMOVED);
}

static void tier_detach(weir_tier *tier, unsigned worker)
{
    disk_seat *seat = WEIR_CONTAINER_OF(tier, disk_tier, base)->seats[worker];
    if (!seat || seat->detached)
        return;
    seat->detached = true;
    weir_timer_disarm(seat->loop, &seat->timer);
    for (weir_list *n; (n = weir_list_first(&seat->waiting)) != NULL;)
        answer(of_link(n), (weir_slice){0});
    weir_courier_close(&seat->courier);
}

static void tier_stats(weir_tier *tier, weir_tier_stats *ret)
{
    disk_tier *t = WEIR_CONTAINER_OF(tier, disk_tier, base);
    uint64_t n[DISK_COUNTERS];
    for (unsigned i = 0; i < DISK_COUNTERS; i++)
        n[i] = atomic_load_explicit(&t->counts[i], memory_order_relaxed);
    *ret = (weir_tier_stats){.entries = atomic_load(&t->index.entries),
                             .bytes = atomic_load(&t->log.size),
                             .bytes_max = t->log.size_max,
                             .gets = n[DISK_GETS],
                             .found = n[DISK_FOUND],
                             .late = n[DISK_LATE],
                             .skipped = n[DISK_SKIPPED],
                             .puts = n[DISK_PUTS],
                             .dropped = n[DISK_DROPPED],
                             .errors = n[DISK_ERRORS],
                             .losses = {[WEIR_TIER_EVICTED] = n[DISK_EVICTED],
                                        [WEIR_TIER_EXPIRED] = n[DISK_EXPIRED],
                                        [WEIR_TIER_REMOVED] = n[DISK_REMOVED],
                                        [WEIR_TIER_DAMAGED] = n[DISK_DAMAGED]},
                             .well = atomic_load(&t->open)};
}

static void tier_destroy(weir_tier *tier)
{
    disk_tier *t = WEIR_CONTAINER_OF(tier, disk_tier, base);
    weir_executor_free(t->readers);
    weir_executor_free(t->writer);
    disk_log_close(&t->log);
    disk_index_fini(&t->index);
    for (unsigned i = 0; i < t->workers; i++)
        free(t->seats[i]);
    free(t->log.path);
    free(t);
}

static const weir_tier_ops ops = {.name = "disk",
                                  .get = tier_get,
                                  .put = tier_put,
                                  .remove = tier_remove,
                                  .detach = tier_detach,
                                  .stats = tier_stats,
                                  .destroy = tier_destroy};

static void bound(disk_log *log, const weir_disk_options *o)
{
    uint64_t segment = o->size_max / DISK_SHARE;
    segment = segment < DISK_SEGMENT_MIN ? DISK_SEGMENT_MIN : segment;
    log->segment_max = segment > DISK_SEGMENT_MAX ? DISK_SEGMENT_MAX : segment;
    /* What is being written is beside what is kept. */
    log->size_max = o->size_max > log->segment_max ? o->size_max - log->segment_max : 0;
    log->value_max = log->segment_max - DISK_HEAD_LEN;
    if (o->value_max < log->value_max)
        log->value_max = o->value_max;
}

int weir_disk_open(const weir_disk_options *options, weir_tier **ret, weir_error *err)
{
    int r = disk_log_prepare(options->path);
    if (r < 0) {
        weir_error_set(err, "F0000", "weir: cannot use the directory %s: %s", options->path,
                       strerrordesc_np(-r));
        return r;
    }
    disk_tier *t = calloc(1, sizeof(*t) + options->workers * sizeof(disk_seat *));
    if (!t)
        return -ENOMEM;
    t->base.ops = &ops;
    t->workers = options->workers;
    t->log_to = options->log;
    t->log.dir = t->log.lock = -1;
    t->index.memory = options->memory;
    bound(&t->log, options);
    t->log.path = strdup(options->path);
    r = t->log.path ? weir_executor_new("weir-disk", 1, 0, &t->writer) : -ENOMEM;
    if (r == 0)
        r = weir_executor_new("weir-disk-read", 2, 0, &t->readers);
    if (r < 0) {
        tier_destroy(&t->base);
        return r;
    }
    disk_open_soon(t);
    *ret = &t->base;
    return 0;
}
