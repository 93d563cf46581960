/* Names to addresses: getaddrinfo on an executor's thread, since it may block for seconds; the
 * answer comes back through the loop's mailbox. */
#include "net/address.h"
#include "net/net.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADDRESSES_MAX = 8, HOST_MAX = 256, PORT_MAX = 32 };

typedef struct resolution {
    weir_job job;
    weir_task task;
    weir_loop *loop;
    void (*done)(void *user, const char *const *addresses, size_t count, const char *reason);
    void *user;
    char host[HOST_MAX];
    char port[PORT_MAX];
    size_t count;
    char text[ADDRESSES_MAX][WEIR_ADDRESS_TEXT_MAX];
    char reason[HOST_MAX + 96];
} resolution;

static void tell(weir_task *task, weir_loop *loop)
{
    (void)loop;
    resolution *r = WEIR_CONTAINER_OF(task, resolution, task);
    const char *addresses[ADDRESSES_MAX];
    for (size_t i = 0; i < r->count; i++)
        addresses[i] = r->text[i];
    r->done(r->user, addresses, r->count, r->count > 0 ? NULL : r->reason);
    free(r);
}

static void collect(resolution *r, const struct addrinfo *found)
{
    for (; found && r->count < ADDRESSES_MAX; found = found->ai_next) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        memcpy(&address, found->ai_addr, found->ai_addrlen);
        weir_address_format(&address, r->text[r->count++]);
    }
}

static void look_up(weir_job *job)
{
    resolution *r = WEIR_CONTAINER_OF(job, resolution, job);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(r->host, r->port, &hints, &found);
    if (error == 0) {
        collect(r, found);
        freeaddrinfo(found);
    }
    if (r->count == 0)
        snprintf(r->reason, sizeof(r->reason), "the name \"%s\" was not found: %s", r->host,
                 error ? gai_strerror(error) : "it has no address");
    weir_loop_post(r->loop, &r->task);
}

static int prepare(resolution *r, const char *host_port)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (weir_address_parse(host_port, &address, &len) == 0) {
        weir_address_format(&address, r->text[r->count++]);
        return 0;
    }
    int error = weir_address_split(host_port, r->host, HOST_MAX, r->port, PORT_MAX);
    return error < 0 ? -EINVAL : 0;
}

size_t weir_resolve_here(const char *host_port, char (*ret)[WEIR_RESOLVED_MAX], size_t max)
{
    resolution r = {.count = 0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (prepare(&r, host_port) < 0)
        return 0;
    if (r.count == 0 && getaddrinfo(r.host, r.port, &hints, &found) == 0) {
        collect(&r, found);
        freeaddrinfo(found);
    }
    size_t count = 0;
    for (size_t i = 0; i < r.count && count < max; i++)
        if (strlen(r.text[i]) < sizeof(ret[0]))
            memcpy(ret[count++], r.text[i], strlen(r.text[i]) + 1);
    return count;
}

int weir_resolve(weir_loop *loop, weir_executor *executor, const char *host_port,
                 void (*done)(void *user, const char *const *addresses, size_t count,
                              const char *reason),
                 void *user)
{
    resolution *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->loop = loop;
    r->done = done;
    r->user = user;
    r->job.run = look_up;
    r->task.run = tell;
    int error = prepare(r, host_port);
    if (error == 0 && r->count == 0 && !executor)
        error = -EINVAL;
    if (error < 0) {
        free(r);
        return error;
    }
    if (r->count > 0)
        weir_loop_post(loop, &r->task);
    else
        weir_executor_submit(executor, &r->job);
    return 0;
}
