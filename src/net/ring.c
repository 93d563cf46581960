/* The queues and the system calls of io_uring: see ring.h. */
#include "net/ring.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SQ_ENTRIES = 256, CQ_ENTRIES = 4096 };

/* Since 6.1: completions are made by the thread itself when it enters, never by interrupting it. */
static const unsigned SETUP = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                              IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;

static int do_register(int fd, unsigned what, void *arg, unsigned count)
{
    long n = syscall(__NR_io_uring_register, fd, what, arg, count);
    return n < 0 ? -errno : (int)n;
}

static void *map(int fd, size_t len, off_t at)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, at);
    return p == MAP_FAILED ? NULL : p;
}

static void *field(const ring *r, size_t offset)
{
    return (uint8_t *)r->queues + offset;
}

static int map_queues(ring *r, const struct io_uring_params *p)
{
    size_t sq_len = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_len = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    r->queues_len = sq_len > cq_len ? sq_len : cq_len;
    r->queues = map(r->fd, r->queues_len, IORING_OFF_SQ_RING);
    r->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
    r->sqes = map(r->fd, r->sqes_len, (off_t)IORING_OFF_SQES);
    if (!r->queues || !r->sqes)
        return -ENOMEM;
    r->sq_head = field(r, p->sq_off.head);
    r->sq_tail = field(r, p->sq_off.tail);
    r->sq_flags = field(r, p->sq_off.flags);
    r->sq_entries = p->sq_entries;
    r->sq_mask = p->sq_entries - 1;
    r->cq_head = field(r, p->cq_off.head);
    r->cq_tail = field(r, p->cq_off.tail);
    r->cq_mask = p->cq_entries - 1;
    r->cqes = field(r, p->cq_off.cqes);
    unsigned *array = field(r, p->sq_off.array);
    for (unsigned i = 0; i < p->sq_entries; i++)
        array[i] = i;
    return 0;
}

/* ---- buffers ---- */

static size_t buffers_at(void)
{
    return RING_BUFFERS * sizeof(struct io_uring_buf);
}

static int open_buffers(ring *r)
{
    r->buffers_len = buffers_at() + (size_t)RING_BUFFERS * RING_BUFFER_SIZE;
    r->buffers = map(-1, r->buffers_len, 0);
    if (!r->buffers)
        return -ENOMEM;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)r->buffers,
                                   .ring_entries = RING_BUFFERS,
                                   .bgid = RING_BUFFER_GROUP};
    int result = do_register(r->fd, IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned id = 0; result >= 0 && id < RING_BUFFERS; id++)
        ring_give_buffer(r, id);
    return result;
}

const uint8_t *ring_buffer(const ring *r, unsigned id)
{
    return (const uint8_t *)r->buffers + buffers_at() + (size_t)id * RING_BUFFER_SIZE;
}

void ring_give_buffer(ring *r, unsigned id)
{
    struct io_uring_buf *buf = &r->buffers->bufs[r->buffers_made++ & (RING_BUFFERS - 1)];
    buf->addr = (uintptr_t)ring_buffer(r, id);
    buf->len = RING_BUFFER_SIZE;
    buf->bid = (uint16_t)id;
    /* The tail overlays a reserved field of the first buffer, hence not the whole struct above. */
    __atomic_store_n(&r->buffers->tail, (uint16_t)r->buffers_made, __ATOMIC_RELEASE);
}

/* ---- opening and closing ---- */

int ring_open(ring *r)
{
    struct io_uring_params params = {.flags = SETUP, .cq_entries = CQ_ENTRIES};
    *r = (ring){.index = -1};
    r->fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
    if (r->fd < 0)
        return -errno;
    unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    int result = (params.features & needed) == needed ? map_queues(r, &params) : -EINVAL;
    if (result == 0)
        result = open_buffers(r);
    if (result < 0)
        ring_close(r);
    return result;
}

void ring_close(ring *r)
{
    close(r->fd);
    if (r->queues)
        munmap(r->queues, r->queues_len);
    if (r->sqes)
        munmap(r->sqes, r->sqes_len);
    if (r->buffers)
        munmap(r->buffers, r->buffers_len);
}

int ring_enable(ring *r)
{
    int result = r->enabled ? 0 : do_register(r->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    r->enabled = result >= 0;
    return result;
}

void ring_register(ring *r)
{
    struct io_uring_rsrc_update update = {.offset = (uint32_t)-1, .data = (unsigned)r->fd};
    if (do_register(r->fd, IORING_REGISTER_RING_FDS, &update, 1) == 1)
        r->index = (int)update.offset;
}

void ring_unregister(ring *r)
{
    struct io_uring_rsrc_update update = {.offset = (uint32_t)r->index};
    if (r->index >= 0)
        (void)do_register(r->fd, IORING_UNREGISTER_RING_FDS, &update, 1);
    r->index = -1;
}

/* ---- at work ---- */

struct io_uring_sqe *ring_sqe(ring *r)
{
    unsigned head = atomic_load_explicit(r->sq_head, memory_order_acquire);
    if (r->sq_made - head == r->sq_entries)
        return NULL;
    struct io_uring_sqe *sqe = &r->sqes[r->sq_made++ & r->sq_mask];
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

int ring_enter(ring *r, unsigned least, weir_time timeout)
{
    struct __kernel_timespec ts = {.tv_sec = timeout / WEIR_SECOND,
                                   .tv_nsec = timeout % WEIR_SECOND};
    struct io_uring_getevents_arg arg = {
        .ts = least > 0 && timeout != WEIR_TIME_NEVER ? (uintptr_t)&ts : 0};
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG |
                     (r->index >= 0 ? (unsigned)IORING_ENTER_REGISTERED_RING : 0);
    atomic_store_explicit(r->sq_tail, r->sq_made, memory_order_release);
    unsigned submit = r->sq_made - atomic_load_explicit(r->sq_head, memory_order_acquire);
    long n = syscall(__NR_io_uring_enter, r->index >= 0 ? r->index : r->fd, submit, least, flags,
                     &arg, sizeof(arg));
    return n < 0 ? -errno : 0;
}
