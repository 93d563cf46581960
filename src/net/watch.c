/* Foreign descriptors: those of libraries that do their own input and output. */
#include "net/kernel.h"
#include <stdlib.h>

struct weir_watch {
    kernel_corpse corpse; /* first: freed as such */
    weir_list link;
    kernel_loop *loop;
    void (*on_ready)(weir_watch *watch, bool readable, bool writable);
    void *user;
    int fd;
    unsigned interest; /* 0: freed */
};

static unsigned wish(bool readable, bool writable)
{
    return WEIR_READY_WATCHED | (readable ? (unsigned)WEIR_READY_IN : 0) |
           (writable ? (unsigned)WEIR_READY_OUT : 0);
}

int weir_watch_new(weir_loop *loop, int fd, bool readable, bool writable,
                   void (*on_ready)(weir_watch *watch, bool readable, bool writable), void *user,
                   weir_watch **ret)
{
    if (!kernel_is(loop))
        return -ENOTSUP;
    weir_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->loop = kernel_loop_of(loop);
    watch->fd = fd;
    watch->on_ready = on_ready;
    watch->user = user;
    watch->interest = wish(readable, writable);
    int r = kernel_tell(watch->loop, fd, watch, KERNEL_KIND_WATCH, 0, watch->interest);
    if (r < 0) {
        free(watch);
        return r;
    }
    weir_list_push_back(&watch->loop->watches, &watch->link);
    *ret = watch;
    return 0;
}

/* Wishing for nothing takes the descriptor out: an end would be told unasked, without end. */
void weir_watch_set(weir_watch *watch, bool readable, bool writable)
{
    unsigned now = readable || writable ? wish(readable, writable) : 0;
    if (now == watch->interest)
        return;
    /* Cannot fail on an open descriptor but for want of memory when it is put back; then the
     * library's own timeouts find out. */
    if (kernel_tell(watch->loop, watch->fd, watch, KERNEL_KIND_WATCH, watch->interest, now) == 0)
        watch->interest = now;
}

void *weir_watch_user(const weir_watch *watch)
{
    return watch->user;
}

void weir_watch_free(weir_watch *watch)
{
    if (!watch)
        return;
    /* Its owner may have closed the descriptor before, which took it out. */
    if (watch->interest)
        (void)kernel_tell(watch->loop, watch->fd, watch, KERNEL_KIND_WATCH, watch->interest, 0);
    watch->interest = 0;
    weir_list_remove(&watch->link);
    kernel_bury(watch->loop, &watch->corpse);
}

/* An end or an error is for whoever waits to find by reading or writing. */
void kernel_watch_event(void *object, unsigned events)
{
    weir_watch *watch = object;
    bool broken = events & (WEIR_READY_HUP | WEIR_READY_ERROR);
    bool readable = (watch->interest & WEIR_READY_IN) && (broken || (events & WEIR_READY_IN));
    bool writable = (watch->interest & WEIR_READY_OUT) && (broken || (events & WEIR_READY_OUT));
    if (readable || writable)
        watch->on_ready(watch, readable, writable);
}

void kernel_watches_free(kernel_loop *loop)
{
    weir_list *link;
    while ((link = weir_list_first(&loop->watches)))
        weir_watch_free(WEIR_CONTAINER_OF(link, weir_watch, link));
}
