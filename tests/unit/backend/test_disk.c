/* A directory as a tier: what was put comes back, also after the process is gone; what a crash or
 * a bad disk left is skipped; the bound holds. A loop of its own runs until an answer has come. */
#include "backend/disk/disk.h"
#include "backend/disk/index.h"
#include "backend/disk/record.h"
#include "failalloc.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define SECONDS_MAX 20

typedef struct rig {
    char path[64];
    weir_loop *loop;
    weir_tier *tier;
    weir_memory memory;
    uint64_t size_max;
    weir_timer timer; /* ends a wait */
    weir_tier_get get;
    weir_buf answer;
    bool answered;
} rig;

static rig *t;

static void open_tier(void)
{
    weir_error err = {.sqlstate = ""};
    weir_disk_options o = {.path = t->path,
                           .size_max = t->size_max,
                           .value_max = MIB,
                           .workers = 1,
                           .memory = &t->memory};
    assert_int_equal(weir_disk_open(&o, &t->tier, &err), 0);
}

static void close_tier(void)
{
    t->tier->ops->detach(t->tier, 0);
    t->tier->ops->destroy(t->tier);
    t->tier = NULL;
    assert_int_equal(t->memory.total, 0);
}

static void stop(weir_timer *timer, weir_loop *loop)
{
    (void)timer;
    weir_loop_stop(loop);
}

static int setup(void **state)
{
    (void)state;
    t = calloc(1, sizeof(*t));
    assert_non_null(t);
    (void)snprintf(t->path, sizeof(t->path), "/tmp/weir-disk-XXXXXX");
    assert_non_null(mkdtemp(t->path));
    weir_memory_init(&t->memory, 0);
    t->size_max = 64 * MIB;
    weir_timer_init(&t->timer, stop);
    weir_buf_init(&t->answer, 2 * MIB);
    assert_int_equal(weir_loop_new(&(weir_loop_options){.name = "test"}, &t->loop), 0);
    open_tier();
    return 0;
}

static void each_file(void (*visit)(const char *path))
{
    DIR *dir = opendir(t->path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[400];
        (void)snprintf(path, sizeof(path), "%s/%s", t->path, e->d_name);
        if (e->d_name[0] != '.')
            visit(path);
    }
    closedir(dir);
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int teardown(void **state)
{
    (void)state;
    if (t->tier)
        close_tier();
    weir_loop_drop_tasks(t->loop);
    weir_loop_free(t->loop);
    each_file(remove_file);
    assert_int_equal(rmdir(t->path), 0);
    weir_buf_fini(&t->answer);
    free(t);
    return 0;
}

/* ---- asking ---- */

static weir_tier_stats stats(void)
{
    weir_tier_stats s;
    t->tier->ops->stats(t->tier, &s);
    return s;
}

static void turn(weir_time delay)
{
    weir_timer_arm(t->loop, &t->timer, weir_loop_clock(t->loop) + delay);
    weir_loop_run(t->loop);
}

static void wait_well(void)
{
    for (unsigned i = 0; !stats().well; i++) {
        assert_in_range(i, 0, SECONDS_MAX * 200);
        turn(5 * WEIR_MS);
    }
}

static void on_done(weir_tier_get *get, weir_slice stored)
{
    (void)get;
    t->answered = true;
    weir_buf_clear(&t->answer);
    assert_int_equal(weir_buf_append(&t->answer, stored), 0);
    weir_loop_stop(t->loop);
}

static weir_tier_key key_of(unsigned n)
{
    return weir_tier_key_of((weir_portable){.rest = weir_slice_make(&n, sizeof(n))});
}

/* Length 0: nothing. */
static weir_slice get(unsigned n)
{
    t->get = (weir_tier_get){.key = key_of(n),
                             .deadline = weir_loop_clock(t->loop) + SECONDS_MAX * WEIR_SECOND,
                             .done = on_done};
    t->answered = false;
    if (t->tier->ops->get(t->tier, 0, t->loop, &t->get) != WEIR_TIER_ASKED)
        return (weir_slice){0};
    while (!t->answered)
        turn(SECONDS_MAX * WEIR_SECOND);
    return weir_buf_slice(&t->answer);
}

typedef struct value {
    weir_tier_put put;
    unsigned n, generation;
    size_t len;
} value;

static uint8_t byte_of(unsigned n, unsigned generation, size_t at)
{
    return (uint8_t)(n * 31 + generation * 7 + at * 13 + at / 256);
}

static int write_value(weir_tier_put *put, weir_buf *out)
{
    const value *v = WEIR_CONTAINER_OF(put, value, put);
    int r = 0;
    for (size_t i = 0; i < v->len && r == 0; i++)
        r = weir_buf_append_u8(out, byte_of(v->n, v->generation, i));
    return r;
}

static void drop_value(weir_tier_put *put)
{
    free(WEIR_CONTAINER_OF(put, value, put));
}

static void put_for(unsigned n, unsigned generation, size_t len, weir_time ttl)
{
    uint64_t before = stats().puts + stats().dropped;
    value *v = calloc(1, sizeof(*v));
    assert_non_null(v);
    *v = (value){.put = {.key = key_of(n),
                         .ttl = ttl,
                         .size = len,
                         .write = write_value,
                         .drop = drop_value},
                 .n = n,
                 .generation = generation,
                 .len = len};
    t->tier->ops->put(t->tier, 0, t->loop, &v->put);
    for (unsigned i = 0; stats().puts + stats().dropped == before; i++) {
        assert_in_range(i, 0, SECONDS_MAX * 10000);
        usleep(100);
    }
}

static void put(unsigned n, unsigned generation, size_t len)
{
    put_for(n, generation, len, 3600 * WEIR_SECOND);
}

static void assert_value(unsigned n, unsigned generation, size_t len)
{
    weir_slice s = get(n);
    assert_int_equal(s.len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(s.data[i], byte_of(n, generation, i));
}

static void assert_absent(unsigned n)
{
    assert_int_equal(get(n).len, 0);
}

/* ---- tests ---- */

static void test_disk_gives_back_the_newest(void **state)
{
    (void)state;
    wait_well();
    assert_absent(1);
    put(1, 0, 1000);
    put(2, 0, 100000);
    assert_value(1, 0, 1000);
    assert_value(2, 0, 100000);
    put(1, 1, 2000);
    assert_value(1, 1, 2000);
    weir_tier_key key = key_of(1);
    t->tier->ops->remove(t->tier, 0, t->loop, &key);
    assert_absent(1);
    assert_value(2, 0, 100000);
    assert_int_equal(stats().entries, 1);
    assert_int_equal(stats().losses[WEIR_TIER_REMOVED], 1);
}

static void reopen(void)
{
    close_tier();
    open_tier();
    wait_well();
}

static void test_disk_is_read_again_at_start(void **state)
{
    (void)state;
    wait_well();
    for (unsigned n = 0; n < 50; n++)
        put(n, 0, 100 + n * 200);
    put(7, 1, 10);
    reopen();
    put(8, 2, 20);
    reopen();
    assert_int_equal(stats().entries, 50);
    for (unsigned n = 0; n < 50; n++)
        assert_value(n, n == 7 ? 1 : n == 8 ? 2 : 0, n == 7 ? 10 : n == 8 ? 20 : 100 + n * 200);
}

static void test_disk_keeps_no_longer_than_it_may(void **state)
{
    (void)state;
    wait_well();
    put_for(1, 0, 100, 1);
    put(2, 0, 100);
    turn(5 * WEIR_MS);
    assert_absent(1);
    assert_int_equal(stats().losses[WEIR_TIER_EXPIRED], 1);
    put_for(3, 0, 100, 1);
    turn(5 * WEIR_MS);
    reopen();
    assert_int_equal(stats().entries, 1);
    assert_absent(3);
    assert_value(2, 0, 100);
}

/* ---- damage ---- */

static off_t cut_to;

static void cut(const char *path)
{
    if (strstr(path, ".weir"))
        assert_int_equal(truncate(path, cut_to), 0);
}

/* A crash in the middle of a write, wherever it was. */
static void test_disk_skips_a_truncated_tail(void **state)
{
    (void)state;
    wait_well();
    put(1, 0, 50);
    put(2, 0, 50);
    off_t whole = 2 * (DISK_HEAD_LEN + 50), first = DISK_HEAD_LEN + 50;
    close_tier();
    for (cut_to = whole - 1; cut_to >= first; cut_to -= 7) {
        each_file(cut);
        open_tier();
        wait_well();
        assert_value(1, 0, 50);
        assert_absent(2);
        put(3, 0, 10); /* in another file: what is broken is not written to */
        close_tier();
        open_tier();
        wait_well();
        assert_value(1, 0, 50);
        assert_value(3, 0, 10);
        close_tier();
        each_file(remove_file);
        open_tier();
        wait_well();
        put(1, 0, 50);
        put(2, 0, 50);
        close_tier();
    }
    open_tier();
}

static size_t flipped;

static void flip(const char *path)
{
    uint8_t byte;
    if (!strstr(path, ".weir"))
        return;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)flipped), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)flipped), 1);
    close(fd);
}

static void test_disk_notices_every_flipped_byte(void **state)
{
    (void)state;
    wait_well();
    put(1, 0, 30);
    close_tier();
    for (flipped = 0; flipped < DISK_HEAD_LEN + 30; flipped++) {
        each_file(flip);
        open_tier();
        wait_well();
        assert_absent(1);
        close_tier();
        if (flipped >= DISK_HEAD_LEN) { /* the file is still there */
            each_file(flip);
            continue;
        }
        each_file(remove_file);
        open_tier();
        wait_well();
        put(1, 0, 30);
        close_tier();
    }
    open_tier();
    wait_well();
    assert_value(1, 0, 30);
}

static void test_disk_notices_damage_while_it_runs(void **state)
{
    (void)state;
    wait_well();
    put(1, 0, 1000);
    put(2, 0, 1000);
    flipped = DISK_HEAD_LEN + 500;
    each_file(flip);
    assert_absent(1);
    assert_int_equal(stats().losses[WEIR_TIER_DAMAGED], 1);
    assert_value(2, 0, 1000);
    put(1, 1, 1000);
    assert_value(1, 1, 1000);
}

/* ---- bounds ---- */

static void test_disk_drops_the_oldest_and_keeps_its_bound(void **state)
{
    (void)state;
    close_tier();
    t->size_max = 8 * MIB;
    open_tier();
    wait_well();
    for (unsigned n = 0; n < 200; n++) {
        put(n, 0, 100000);
        assert_in_range(stats().bytes, 0, 8 * MIB);
        assert_value(0, 0, 100000); /* asked for again and again: it is written again */
    }
    assert_value(199, 0, 100000);
    assert_absent(1);
    assert_true(stats().losses[WEIR_TIER_EVICTED] > 100);
    assert_in_range(stats().entries, 40, 84);
    reopen();
    assert_in_range(stats().bytes, 0, 8 * MIB);
    assert_value(0, 0, 100000);
    assert_value(199, 0, 100000);
}

static void test_disk_is_not_shared(void **state)
{
    (void)state;
    wait_well();
    put(1, 0, 10);
    weir_tier *first = t->tier;
    open_tier();
    turn(50 * WEIR_MS);
    assert_false(stats().well);
    assert_absent(1);
    put(1, 1, 10);
    assert_int_equal(stats().dropped, 1);
    t->tier->ops->detach(t->tier, 0);
    t->tier->ops->destroy(t->tier);
    t->tier = first;
    assert_value(1, 0, 10);
}

static void test_disk_refuses_what_is_no_directory(void **state)
{
    (void)state;
    weir_tier *none = NULL;
    weir_error err;
    weir_disk_options o = {.path = "/proc/nowhere", .size_max = 8 * MIB, .value_max = MIB};
    assert_true(weir_disk_open(&o, &none, &err) < 0);
    assert_string_equal(err.sqlstate, "F0000");
    o.path = "/dev/null";
    assert_int_equal(weir_disk_open(&o, &none, &err), -ENOTDIR);
}

static void open_and_close(void *user)
{
    (void)user;
    weir_error err;
    weir_disk_options o = {.path = t->path, .size_max = 8 * MIB, .value_max = MIB, .workers = 1};
    weir_tier *other = NULL;
    int r = weir_disk_open(&o, &other, &err);
    if (other) {
        other->ops->detach(other, 0);
        other->ops->destroy(other);
    } else {
        assert_true(r == -ENOMEM && weir_failalloc_failed());
    }
}

static void test_disk_survives_every_failed_allocation(void **state)
{
    (void)state;
    wait_well();
    put(1, 0, 10);
    close_tier();
    assert_true(weir_failalloc_each(60, open_and_close, NULL) > 0);
    open_tier();
    wait_well();
    assert_value(1, 0, 10);
}

/* ---- the index, against a plain array ---- */

#define MODEL_KEYS 3000u

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x >> 11;
}

static void forgotten(void *user, const disk_slot *slot)
{
    (*(unsigned *)user)++;
    assert_true(slot->place.segment != 0);
}

static void test_index_agrees_with_an_array(void **state)
{
    (void)state;
    static disk_place model[MODEL_KEYS];
    disk_index index = {.memory = &t->memory};
    uint64_t x = 88172645463325252u;
    memset(model, 0, sizeof(model));
    for (uint32_t i = 1; i < 60000; i++) {
        unsigned n = (unsigned)(next_random(&x) % MODEL_KEYS);
        weir_tier_key key = key_of(n);
        disk_place place = {.segment = 1 + i / 2000, .offset = i, .len = n};
        disk_place found = {.segment = 0};
        switch (next_random(&x) % 8) {
        case 0:
            assert_int_equal(disk_index_remove(&index, &key, &model[n]), model[n].segment != 0);
            model[n].segment = 0;
            break;
        case 1: { /* an older place changes nothing */
            disk_place old = {.segment = 1, .offset = 0};
            if (model[n].segment != 0)
                assert_int_equal(disk_index_put(&index, &key, &old), 0);
            break;
        }
        default:
            assert_int_equal(disk_index_put(&index, &key, &place), 0);
            model[n] = place;
        }
        assert_int_equal(disk_index_find(&index, &key, &found), model[n].segment != 0);
        if (model[n].segment != 0)
            assert_int_equal(found.offset, model[n].offset);
    }
    for (uint32_t segment = 1; segment <= 31; segment++) {
        unsigned want = 0, was = 0;
        for (unsigned n = 0; n < MODEL_KEYS; n++)
            want += model[n].segment == segment;
        disk_index_forget(&index, segment, forgotten, &was);
        assert_int_equal(was, want);
    }
    assert_int_equal(index.entries, 0);
    disk_index_fini(&index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_disk_gives_back_the_newest),
        TEST(test_disk_is_read_again_at_start),
        TEST(test_disk_keeps_no_longer_than_it_may),
        TEST(test_disk_skips_a_truncated_tail),
        TEST(test_disk_notices_every_flipped_byte),
        TEST(test_disk_notices_damage_while_it_runs),
        TEST(test_disk_drops_the_oldest_and_keeps_its_bound),
        TEST(test_disk_is_not_shared),
        TEST(test_disk_refuses_what_is_no_directory),
        TEST(test_disk_survives_every_failed_allocation),
        TEST(test_index_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
