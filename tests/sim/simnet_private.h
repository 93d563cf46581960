/* Between the files of the simulator's network. Everything that takes time is an event on one
 * agenda; when it is due it changes a socket or fills a mailbox, and a loop that then has something
 * to do may be given a turn. */
#ifndef WEIR_TESTS_SIM_SIMNET_PRIVATE_H
#define WEIR_TESTS_SIM_SIMNET_PRIVATE_H

#include "net/ready.h"
#include "simnet.h"

enum { SIM_LOOPS_MAX = 32, SIM_UNREACHABLE_MAX = 16 };

typedef enum sim_kind {
    SIM_SYN,    /* at a listener */
    SIM_ACCEPT, /* at the client: the connection stands */
    SIM_DATA,
    SIM_FIN,
    SIM_RESET,
    SIM_TASK
} sim_kind;

typedef struct sim_event {
    weir_heap_node node;
    struct sim_event *next; /* as received bytes of a socket */
    sim_kind kind;
    int fd;   /* whom it concerns */
    int from; /* the other end */
    int error;
    bool drops; /* a reset that takes unread bytes with it */
    int loop;   /* SIM_TASK */
    weir_task *task;
    size_t begin, len;
    uint8_t data[];
} sim_event;

typedef struct sim_socket {
    weir_list link; /* in its loop's list while a loop watches it */
    weir_ready_stream *stream;
    unsigned interest;
    int fd, peer; /* peer -1: closed */
    char address[WEIR_ADDRESS_TEXT_MAX];
    bool established, fin_sent, fin_got, reset;
    int error;
    sim_event *rx, **rx_tail; /* arrived, unread */
    size_t rx_bytes;          /* and on their way here */
    weir_time last_at;        /* when the newest event toward here is due: they keep their order */
} sim_socket;

typedef struct sim_listener {
    weir_listener base;
    weir_list link;
    bool shared;
    int *backlog; /* the clients' sockets */
    size_t backlog_len, backlog_cap;
} sim_listener;

typedef struct sim_loop {
    weir_ready_loop ready;
    simnet *sim;
    int index;
    bool stopping;
    weir_list sockets;
    weir_list listeners;
    weir_list dead_listeners;
} sim_loop;

struct simnet {
    simnet_options options;
    uint64_t random[4];
    uint64_t trace;
    weir_time now;
    weir_heap agenda;
    sim_loop *loops[SIM_LOOPS_MAX];
    int loops_len;
    int running; /* whose turn it is; SIM_LOOPS_MAX: nobody's */
    weir_time last_post[SIM_LOOPS_MAX + 1][SIM_LOOPS_MAX];
    sim_socket **sockets; /* by fd; NULL: closed; numbers are not used again */
    int sockets_len, sockets_cap;
    size_t sockets_open;
    uint16_t next_port;
    char unreachable[SIM_UNREACHABLE_MAX][WEIR_ADDRESS_TEXT_MAX];
};

static inline sim_loop *sim_loop_of(const weir_loop *loop)
{
    return (sim_loop *)(uintptr_t)loop;
}

void *sim_alloc(void *old, size_t size);
void sim_note(simnet *sim, uint64_t what);
weir_time sim_between(simnet *sim, weir_time least, weir_time most);
sim_event *sim_event_new(sim_kind kind, int fd, size_t len);
void sim_schedule(simnet *sim, sim_event *event, weir_time at);

extern const weir_socket_ops sim_socket_ops;
sim_socket *sim_socket_find(simnet *sim, int fd);
void sim_deliver(simnet *sim, sim_event *event);
unsigned sim_socket_ready(simnet *sim, const sim_socket *socket);
int sim_connect(weir_loop *loop, const char *address, weir_stream **ret);
int sim_listen(weir_loop *loop, const char *address, bool shared, weir_listener **ret);
void sim_listener_close(weir_listener *listener);
void sim_accept(sim_loop *loop, sim_listener *listener);
void sim_listeners_reap(sim_loop *loop);

#endif
