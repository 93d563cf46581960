/* A follower that keeps what it is told, for the tests of backend/sqlite. */
#ifndef WEIR_TEST_BACKEND_RECORDER_H
#define WEIR_TEST_BACKEND_RECORDER_H

#include "harness.h"
#include <pthread.h>

#define RECORDER_IDS_MAX 400000u
#define RECORDER_TRACKED_MAX 16u

typedef struct recorder {
    weir_follower follower;
    pthread_mutex_t lock; /* over all below */
    struct {
        char relation[32], column[32];
    } tracked[RECORDER_TRACKED_MAX];
    uint64_t serial;    /* how many are tracked */
    uint64_t confirmed; /* how many the backend has confirmed */
    uint64_t *ids;      /* of all commits since the newest recorder_forget */
    size_t count;
    unsigned commits, everything;
    unsigned looks, others;
    weir_time looked_at; /* newest */
} recorder;

/* Opens the harness' backend with a recorder that follows it. */
void recorder_open(recorder *r, harness *h, weir_time look_every);
void recorder_close(recorder *r, harness *h);
/* Asks for a column, as an answer that is keyed by it would, and waits until it is confirmed. */
void recorder_track(recorder *r, harness *h, const char *relation, const char *column);
void recorder_forget(recorder *r);
/* Exactly these were changed since recorder_forget: "t", "t.c=5", "t.c=2.5", "t.c='x'", "t.c=*"
 * (not known); separated by spaces. Forgets them. */
void expect_changes(recorder *r, const char *words);
/* Everything was reported as changed (or not). Forgets it. */
void expect_everything(recorder *r, bool everything);
unsigned recorder_commits(recorder *r);
unsigned recorder_others(recorder *r);
weir_time recorder_looked_at(recorder *r);

#endif
