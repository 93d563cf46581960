/* The simulator's network: loops as net/net.h has them, over a fake clock and fake sockets, all on
 * the calling thread. Bytes are delayed, cut anywhere, run together, held up and reset, as a seeded
 * generator says; the same seed and the same calls make the same run. Streams run the code that
 * runs over the kernel's sockets (net/ready.h); only what is below and the schedule are made up.
 *
 * Every entry allocates on the test's behalf and aborts when it cannot. */
#ifndef WEIR_TESTS_SIM_SIMNET_H
#define WEIR_TESTS_SIM_SIMNET_H

#include "net/net.h"

typedef struct simnet simnet;

/* Chances are in a million. Zeroed: a quick network that cuts and joins, and never fails. */
typedef struct simnet_options {
    uint64_t seed;
    weir_time latency_min, latency_max; /* of a segment; 0: 1 us to 200 us */
    size_t segment_max;                 /* bytes travel in runs of 1 to this; 0: 4096 */
    size_t window;                      /* unread bytes until sending blocks; 0: 64 KiB */
    weir_time post_delay_max;           /* of a task between loops; 0: 50 us */
    unsigned reset_chance;              /* of a connection, per send */
    unsigned pause_chance;              /* of a direction being held up, per send */
    weir_time pause_max;                /* for how long; 0: 50 ms */
    unsigned stall_chance;              /* of all loops standing still for a while, per step */
} simnet_options;

simnet *simnet_new(const simnet_options *options);
/* The loops must be freed before. */
void simnet_free(simnet *sim);
/* At most 32. weir_loop_run on one of them runs all of them until that one is stopped, or nothing
 * is left that could ever happen. */
weir_loop *simnet_loop_new(simnet *sim, const weir_loop_options *options);

/* One turn of one loop, or the clock put forward. False: nothing will ever happen again. */
bool simnet_step(simnet *sim);
/* Steps until the clock has reached `until` (false) or nothing is left to happen (true). */
bool simnet_run_until(simnet *sim, weir_time until);
weir_time simnet_now(const simnet *sim);
/* From the run's generator. */
uint64_t simnet_random(simnet *sim);
/* 0 to n - 1. */
uint64_t simnet_below(simnet *sim, uint64_t n);
/* `chance` in a million. */
bool simnet_chance(simnet *sim, unsigned chance);
/* Over all that happened: equal runs have equal traces. */
uint64_t simnet_trace(const simnet *sim);
/* Connections that are open at either end, for leak checks. */
size_t simnet_sockets(const simnet *sim);

/* ---- failures on demand ---- */

/* Breaks the connection for both ends, as a reset on its way. */
void simnet_reset(simnet *sim, weir_stream *stream);
/* Breaks every connection that was made to `address` (a server that is killed). */
void simnet_reset_address(simnet *sim, const char *address);
/* Connections to `address` get no answer at all from now on (true), or again (false). At most 16
 * addresses at a time. */
void simnet_set_unreachable(simnet *sim, const char *address, bool unreachable);

#endif
