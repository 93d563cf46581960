/* How many answers a second the cache's store gives: keys by Zipf 0.99, all of them there, on 1 and
 * on 2 threads at once; each hit is the hash of the identity, the comparison, the policy's count
 * and a look at the bytes. A thread is quiescent every 64 hits, as a worker at the end of a loop
 * turn.
 *
 * usage: store_hits [POLICY] [ENTRIES] [SECONDS]
 * prints for each number of threads {"policy": …, "threads": n, "rate": hits/s, "ns": per hit} */
#include "cache/store.h"
#include "wire.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 2, TURN = 64, DRAWS = 1 << 16, IDENTITY_LEN = 96, ANSWER_LEN = 120 };

typedef struct bench {
    weir_epoch *epoch;
    weir_store *store;
    uint32_t entries;
    uint32_t *draws; /* a Zipf sequence */
    char (*identities)[IDENTITY_LEN];
    int64_t end;
} bench;

typedef struct worker {
    const bench *bench;
    unsigned number;
    uint64_t hits, sum; /* written at its end: workers lie side by side */
} worker;

static void check(int r, const char *what)
{
    if (r != 0)
        wire_fail(what);
}

static void make_draws(bench *b)
{
    double *up_to = calloc(b->entries, sizeof(*up_to));
    b->draws = calloc(DRAWS, sizeof(*b->draws));
    if (!up_to || !b->draws)
        wire_fail("calloc");
    double sum = 0;
    for (uint32_t i = 0; i < b->entries; i++)
        up_to[i] = sum += 1 / pow(i + 1, 0.99);
    for (uint32_t n = 0; n < DRAWS; n++) {
        double at = drand48() * sum;
        uint32_t low = 0, high = b->entries - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (up_to[middle] < at)
                low = middle + 1;
            else
                high = middle;
        }
        b->draws[n] = low;
    }
    free(up_to);
}

static weir_slice identity_of(const bench *b, uint32_t key)
{
    return weir_slice_make(b->identities[key], IDENTITY_LEN);
}

static void fill(bench *b)
{
    weir_epoch_member *member;
    check(weir_epoch_join(b->epoch, &member), "weir_epoch_join");
    uint8_t bytes[ANSWER_LEN] = {1};
    b->identities = calloc(b->entries, sizeof(*b->identities));
    if (!b->identities)
        wire_fail("calloc");
    for (uint32_t key = 0; key < b->entries; key++) {
        snprintf(b->identities[key], IDENTITY_LEN,
                 "user app, database main, text SELECT * FROM accounts WHERE aid = $1, key %u",
                 key);
        weir_entry_options options = {.hash = weir_store_hash(b->store, identity_of(b, key)),
                                      .identity = identity_of(b, key),
                                      .bytes = weir_slice_make(bytes, sizeof(bytes)),
                                      .like = {.expires_at = WEIR_TIME_NEVER}};
        weir_entry *entry;
        check(weir_entry_new(&options, &entry), "weir_entry_new");
        check(weir_store_put(b->store, member, entry, 0), "weir_store_put");
        weir_entry_unref(entry);
    }
    weir_epoch_leave(member);
}

static uint64_t hit(const bench *b, unsigned reader, uint32_t key)
{
    weir_slice identity = identity_of(b, key);
    const weir_entry *entry =
        weir_store_find(b->store, weir_store_hash(b->store, identity), identity);
    if (!entry)
        wire_fail("an answer is missing");
    weir_store_hit(b->store, reader, entry);
    return weir_entry_bytes(entry).data[0]; /* 1 */
}

static void *work(void *arg)
{
    worker *w = arg;
    weir_epoch_member *member;
    check(weir_epoch_join(w->bench->epoch, &member), "weir_epoch_join");
    weir_epoch_online(member);
    uint64_t hits = 0, sum = 0;
    while (wire_now() < w->bench->end) {
        for (unsigned i = 0; i < TURN; i++, hits++)
            sum += hit(w->bench, w->number,
                       w->bench->draws[(hits + w->number * (DRAWS / THREADS_MAX)) % DRAWS]);
        weir_epoch_quiescent(member);
    }
    w->hits = hits;
    w->sum = sum;
    weir_epoch_leave(member);
    return NULL;
}

static void run(bench *b, const char *policy, unsigned threads, double seconds)
{
    worker workers[THREADS_MAX] = {{0}};
    pthread_t ids[THREADS_MAX];
    int64_t start = wire_now();
    b->end = start + (int64_t)(seconds * 1e9);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (worker){.bench = b, .number = i};
        check(pthread_create(&ids[i], NULL, work, &workers[i]), "pthread_create");
    }
    uint64_t hits = 0;
    for (unsigned i = 0; i < threads; i++) {
        check(pthread_join(ids[i], NULL), "pthread_join");
        hits += workers[i].hits;
        if (workers[i].sum != workers[i].hits)
            wire_fail("an answer has changed");
    }
    double took = (double)(wire_now() - start) / 1e9;
    printf("{\"policy\": \"%s\", \"threads\": %u, \"rate\": %.0f, \"ns\": %.1f}\n", policy, threads,
           (double)hits / took, took * 1e9 * threads / (double)hits);
}

static weir_policy_kind policy_named(const char *name)
{
    for (weir_policy_kind kind = 0; kind < WEIR_POLICIES; kind++) {
        if (strcmp(weir_policy_name(kind), name) == 0)
            return kind;
    }
    wire_fail("no such policy");
}

int main(int argc, char **argv)
{
    const char *policy = argc > 1 ? argv[1] : "s3-fifo";
    int entries = argc > 2 ? atoi(argv[2]) : 100000;
    double seconds = argc > 3 ? atof(argv[3]) : 1;
    if (argc > 4 || entries < 1)
        wire_fail("usage: store_hits [POLICY] [ENTRIES] [SECONDS]");
    bench b = {.entries = (uint32_t)entries};
    check(weir_epoch_new(THREADS_MAX + 1, &b.epoch), "weir_epoch_new");
    weir_store_options options = {.size_max = b.entries * (size_t)1024 + 8192,
                                  .entry_max = 1024,
                                  .policy = policy_named(policy),
                                  .readers = THREADS_MAX,
                                  .seed = {{1, 2}}};
    check(weir_store_new(&options, &b.store), "weir_store_new");
    fill(&b);
    make_draws(&b);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads++)
        run(&b, policy, threads, seconds);
    weir_store_free(b.store);
    weir_epoch_free(b.epoch);
    free(b.draws);
    free(b.identities);
    return 0;
}
