/* What the clients do next: scripts of requests, all from one seed. */
#ifndef WEIR_CHECKER_WORKLOAD_H
#define WEIR_CHECKER_WORKLOAD_H

#include "client.h"

/* What is done more often than usual, to meet a fault that needs it. */
typedef enum emphasis {
    EMPHASIS_NONE,
    EMPHASIS_HOT,  /* few keys; a read before and after each write of them */
    EMPHASIS_SLOW, /* reads that take long, while what they read changes */
    EMPHASIS_SIDE  /* rows that have a value without holding it */
} emphasis;

typedef struct workload {
    uint64_t random;
    emphasis emphasis;
    record *record;
    unsigned columns;    /* of `side` that were added */
    uint64_t operations; /* reads and units so far */
    unsigned pace;       /* the mix of reads and writes changes by and by */
} workload;

/* One of the reads of reads.c, to be the next of the record. `about`: what it should be about. */
void workload_read(workload *w, touched about, bool literals, request_mode mode,
                   statement_role role, uint32_t unit);
/* Any key of that kind, small ones more often. */
int workload_key(workload *w, char kind);
/* 0 … n - 1 */
unsigned workload_roll(workload *w, unsigned n);

/* Fills an idle client's requests. */
void workload_script(workload *w, client *c);
/* One read about what the unit wrote, for a client that stands by. */
void workload_echo(workload *w, client *c, uint32_t unit);

/* An invalidation by hand, for a client of the admin database. */
void workload_flush(workload *w, client *c);

#endif
