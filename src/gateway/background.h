/* Private to gateway/: reads in the background, for the cache: what is about to be out of date is
 * read anew, what shall be there is read beforehand. Each worker has its own: a bounded queue, and
 * a few agents, which are clients of the gateway like any other, at the other end of a socket pair:
 * so what they bring into the cache is byte for byte what their like would ask for.
 *
 * Invariant: nothing of it is waited for by anybody; what does not fit is dropped and counted. */
#ifndef WEIR_GATEWAY_BACKGROUND_H
#define WEIR_GATEWAY_BACKGROUND_H

#include "base/buf.h"
#include "base/list.h"
#include "engine/cache.h"

struct weir_gateway_worker;
typedef struct weir_background weir_background;

/* A statement to be run, and whose. */
typedef struct weir_reading {
    weir_list node;
    weir_strategy why;
    unsigned priority; /* larger goes first */
    unsigned attempts;
    weir_time not_before;
    char of[128];      /* where it is listed, for messages; "": nowhere */
    weir_buf who;      /* its startup packet's parameters */
    weir_buf settings; /* a Query that makes its session's settings; empty: none */
    weir_buf messages; /* up to one ReadyForQuery */
} weir_reading;

/* ---- background.c ---- */

/* NULL: out of memory. */
weir_background *weir_background_new(struct weir_gateway_worker *worker);
/* Nothing is begun any more, what is under way is given up. On the worker's thread. */
void weir_background_stop(weir_background *background);
/* On the worker's thread, which ends. */
void weir_background_end(weir_background *background);
/* When its loop turns no more. NULL is fine. */
void weir_background_free(weir_background *background);
/* The engine's `refresh`. */
bool weir_background_refresh(void *gateway, weir_worker *worker, const weir_entry *entry,
                             weir_strategy why);
/* Takes the job. Any thread. */
void weir_background_put(weir_background *background, weir_reading *job);

/* ---- background_reading.c ---- */

void weir_reading_free(weir_reading *job); /* NULL is fine */
/* As whoever asked this (weir_entry_question) would ask it again. NULL: that cannot be done, or out
 * of memory. */
weir_reading *weir_reading_of_question(const weir_database *database, weir_slice question,
                                       weir_strategy why);

struct weir_listed;
/* As a listing says. -EINVAL: `err` says why. */
WEIR_MUST_CHECK int weir_reading_of_listed(weir_engine *engine, const struct weir_listed *listed,
                                           weir_reading **ret, weir_error *err);

#endif
