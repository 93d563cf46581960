/* A PostgreSQL server for the simulator: sessions of the toy (fakebackend.h) behind connections,
 * notifications between them, cancels, and an eye on whoever uses it (transactions of one client on
 * one connection, parameters of the right client, nothing that no client would send). */
#ifndef WEIR_TESTS_SIM_FAKEPG_H
#define WEIR_TESTS_SIM_FAKEPG_H

#include "net/net.h"
#include "simnet.h"

typedef struct fakepg fakepg;

/* `violation` is called with words when a rule is broken. */
fakepg *fakepg_new(simnet *sim, weir_loop *loop, const char *address,
                   void (*violation)(void *user, const char *words), void *user);
/* The loop has run dry: nothing of it is left. */
void fakepg_free(fakepg *pg);
void fakepg_stop(fakepg *pg);
/* Sessions that are open now, and the most there ever were. */
unsigned fakepg_sessions(const fakepg *pg);
unsigned fakepg_sessions_most(const fakepg *pg);
uint64_t fakepg_statements(const fakepg *pg);
uint64_t fakepg_cancels(const fakepg *pg);
/* Ends one session at random with a FATAL, as an administrator would. */
void fakepg_terminate_one(fakepg *pg);

#endif
