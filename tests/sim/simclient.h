/* A client for the simulator: sends random but legal traffic and knows exactly what must come back,
 * since it gives a toy PostgreSQL of its own (fakebackend.h) everything that it sends. */
#ifndef WEIR_TESTS_SIM_SIMCLIENT_H
#define WEIR_TESTS_SIM_SIMCLIENT_H

#include "net/net.h"
#include "simnet.h"

enum { SIM_CLIENTS_MAX = 8 };

typedef struct simclient simclient;

/* What the clients of a world share. */
typedef struct simboard {
    unsigned pins, pins_max;                /* clients that hold what pins, and how many may */
    simclient *client[SIM_CLIENTS_MAX + 1]; /* by number */
} simboard;

typedef struct simclient_options {
    const char *address;
    int number;     /* unique, from 1: names the client in its statements */
    unsigned units; /* to do: queries, batches, transactions */
    bool faults;    /* errors of the gateway and lost connections are to be expected */
    simboard *board;
    void (*violation)(void *user, const char *words);
    void *user;
} simclient_options;

simclient *simclient_new(simnet *sim, weir_loop *loop, const simclient_options *options);
/* All units are done and the connection is closed. */
bool simclient_done(const simclient *c);
/* Messages of ours that were answered as they must be. */
uint64_t simclient_answers(const simclient *c);
/* What it waits for, for a person. */
void simclient_describe(const simclient *c, char *out, size_t size);
void simclient_free(simclient *c);

#endif
