/* The loopback's own limit: a child echoes 64 bytes over epoll, the parent keeps one message under
 * way per connection.
 *
 * usage: pingpong CLIENTS SECONDS     prints {"rate": round trips/s, "cpu": child's s per 100k} */
#include "wire.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 64, SIZE = 64 };

static void watch(int epoll, int fd)
{
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        wire_fail("epoll_ctl");
}

/* Ends when a peer does. */
static void echo(int listener, unsigned clients)
{
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < clients; i++)
        watch(epoll, accept(listener, NULL, NULL));
    for (;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            uint8_t bytes[SIZE];
            ssize_t got = read(events[i].data.fd, bytes, sizeof(bytes));
            if (got <= 0)
                return;
            wire_send(events[i].data.fd, bytes, (size_t)got);
        }
    }
}

static uint64_t play(const int *fds, unsigned clients, int64_t until)
{
    static const uint8_t bytes[SIZE];
    uint64_t rounds = 0;
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < clients; i++) {
        watch(epoll, fds[i]);
        wire_send(fds[i], bytes, sizeof(bytes));
    }
    while (wire_now() < until) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, 100);
        for (int i = 0; i < n; i++) {
            uint8_t in[SIZE];
            if (recv(events[i].data.fd, in, sizeof(in), MSG_WAITALL) != SIZE)
                wire_fail("recv");
            wire_send(events[i].data.fd, bytes, sizeof(bytes));
            rounds++;
        }
    }
    return rounds;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        wire_fail("usage: pingpong CLIENTS SECONDS");
    unsigned clients = (unsigned)atoi(argv[1]);
    double seconds = atof(argv[2]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int *fds = calloc(clients ? clients : 1, sizeof(*fds));
    if (!fds || bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 128) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        wire_fail("listen");
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_IGN);
        echo(listener, clients);
        _exit(0);
    }
    for (unsigned i = 0; i < clients; i++)
        fds[i] = wire_connect(ntohs(address.sin_port));
    uint64_t rounds = play(fds, clients, wire_now() + (int64_t)(seconds * 1e9));
    for (unsigned i = 0; i < clients; i++)
        close(fds[i]);
    struct rusage usage;
    wait4(child, NULL, 0, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"rate\": %.0f, \"cpu\": %.4f}\n", (double)rounds / seconds,
           cpu * 1e5 / (double)(rounds ? rounds : 1));
    free(fds);
    return 0;
}
