/* What net/net.h promises, as tests that run on every implementation of it: each scenario gets a
 * loop of its own, has both ends of its connections on it, and ends by stopping it. */
#ifndef WEIR_TESTS_NET_CONFORMANCE_H
#define WEIR_TESTS_NET_CONFORMANCE_H

#include "net/net.h"
#include "net/tls.h"

typedef struct net_bed {
    weir_loop *loop;
    weir_memory memory;
    const char *address;                       /* to listen on; port 0 */
    weir_tls_context *tls_server, *tls_client; /* NULL: plain */
} net_bed;

typedef struct net_scenario {
    const char *name;
    void (*run)(net_bed *bed);
} net_scenario;

/* Ends with a NULL name. */
extern const net_scenario net_scenarios[];
extern const net_scenario net_life_scenarios[];

/* One end of a connection, as the scenarios drive it; the hooks may be NULL. */
typedef struct net_end {
    net_bed *bed;
    weir_stream *stream;
    struct net_end *other;
    size_t got;     /* bytes consumed */
    size_t to_send; /* of the pattern, by net_pump */
    size_t sent;
    size_t most_queued;
    unsigned opened, drained, closed;
    int error;
    bool secured;                                           /* its TLS was begun */
    size_t (*bytes)(struct net_end *end, weir_slice bytes); /* default: net_consume */
    void (*open)(struct net_end *end);
    void (*gone)(struct net_end *end);
} net_end;

extern const weir_stream_handler net_end_handler;
extern const weir_listener_handler net_end_listener;

/* The loop that the tests run on: WEIR_NET_LOOP says which (meson runs them with each); "mixed":
 * by turns. Skips the program where the kernel has no io_uring. */
weir_loop_kind net_kind(void);
/* Listens, connects `client`, and gives what is accepted to `server`. */
void net_pair(net_bed *bed, net_end *server, net_end *client);
/* Consumes everything and asserts that it is the pattern. */
size_t net_consume(net_end *end, weir_slice bytes);
uint8_t net_pattern(size_t at);
/* Sends the pattern up to `to_send`, as far as back-pressure lets; goes on by itself. */
void net_pump(net_end *end);
/* Stops the loop when so many ends have closed. */
void net_expect(unsigned ends);
/* Runs until `ends` have closed (net_end.closed). */
void net_run(net_bed *bed, unsigned ends);
void net_stop_after(net_bed *bed, weir_time delay);

#endif
