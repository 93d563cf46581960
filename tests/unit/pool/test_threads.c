/* The lending core on real threads: each drives one shard with one mailbox. What a single-threaded
 * model cannot show is that the wake-up protocol holds on real memory: each borrower must be
 * served, though connections are few and die at random, and the program must end. Run it under
 * ThreadSanitizer too. No borrower has a time limit, so a lost wake-up is a hang, which meson's
 * timeout turns into a failure. */
#include "pool/pool.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define THREADS 4
#define LOANS 3000
#define BORROWERS 3 /* per thread */

typedef struct letter {
    struct letter *next;
    weir_pool_conn *conn; /* NULL: a nudge */
} letter;

typedef struct worker {
    weir_pool *pool;
    weir_pool_shard *shard;
    struct worker *all;
    pthread_mutex_t lock;
    pthread_cond_t ring;
    letter *letters;
    weir_pool_waiter waiters[BORROWERS];
    weir_pool_conn *held[BORROWERS];
    unsigned served, opens;
    uint32_t random;
} worker;

static _Atomic unsigned finished;
static _Atomic int existing;

static weir_time clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (weir_time)ts.tv_sec * WEIR_SECOND + ts.tv_nsec;
}

static void post(worker *to, weir_pool_conn *conn)
{
    letter *l = malloc(sizeof(*l));
    if (!l)
        abort();
    l->conn = conn;
    pthread_mutex_lock(&to->lock);
    l->next = to->letters;
    to->letters = l;
    pthread_cond_signal(&to->ring);
    pthread_mutex_unlock(&to->lock);
}

static void carry_out(worker *w, const weir_pool_action *a)
{
    switch (a->kind) {
    case WEIR_POOL_OPEN:
        w->opens++;
        break;
    case WEIR_POOL_CLOSE:
        atomic_fetch_sub(&existing, 1);
        weir_pool_closed(w->shard, a->conn, clock_now());
        free(a->conn);
        break;
    case WEIR_POOL_LEND:
        w->held[a->waiter - w->waiters] = a->conn;
        break;
    case WEIR_POOL_MOVE:
        post(&w->all[weir_pool_shard_index(a->shard)], a->conn);
        break;
    case WEIR_POOL_NUDGE:
        post(&w->all[weir_pool_shard_index(a->shard)], NULL);
        break;
    case WEIR_POOL_VALIDATE:
    case WEIR_POOL_TIMEOUT:
    case WEIR_POOL_LEAK:
        abort(); /* not with these options */
    }
}

static void pump(worker *w)
{
    weir_pool_action a;
    while (weir_pool_next(w->shard, &a))
        carry_out(w, &a);
}

static void open_connections(worker *w)
{
    for (; w->opens > 0; w->opens--) {
        weir_pool_conn *conn = malloc(sizeof(*conn));
        if (!conn || atomic_fetch_add(&existing, 1) >= 3)
            abort();
        weir_pool_conn_init(conn);
        weir_pool_opened(w->shard, conn, w->random, clock_now());
        pump(w);
    }
}

static void read_letters(worker *w)
{
    pthread_mutex_lock(&w->lock);
    letter *l = w->letters;
    w->letters = NULL;
    pthread_mutex_unlock(&w->lock);
    while (l) {
        letter *next = l->next;
        if (l->conn)
            weir_pool_arrived(w->shard, l->conn, clock_now());
        else
            weir_pool_nudged(w->shard, clock_now());
        free(l);
        pump(w);
        l = next;
    }
}

/* Blocks until a letter comes or the pool's deadline is over. */
static void rest(worker *w)
{
    weir_time at = weir_pool_deadline(w->shard);
    struct timespec until = {.tv_sec = at / WEIR_SECOND, .tv_nsec = at % WEIR_SECOND};
    pthread_mutex_lock(&w->lock);
    if (!w->letters && atomic_load(&finished) < THREADS) {
        if (at == WEIR_TIME_NEVER)
            pthread_cond_wait(&w->ring, &w->lock);
        else
            (void)pthread_cond_timedwait(&w->ring, &w->lock, &until);
    }
    pthread_mutex_unlock(&w->lock);
    weir_pool_tick(w->shard, clock_now());
    pump(w);
}

static bool borrow_and_return(worker *w, unsigned i)
{
    weir_pool_conn *conn = w->held[i];
    w->random = w->random * 1664525u + 1013904223u;
    if (conn) {
        w->held[i] = NULL;
        w->served++;
        weir_pool_release(w->shard, conn, (w->random >> 24) > 8, clock_now());
    } else if (!w->waiters[i].shard && w->served < LOANS) {
        if (weir_pool_acquire(w->shard, &w->waiters[i], clock_now(), &w->held[i]) < 0)
            abort();
    } else {
        return false;
    }
    pump(w);
    return true;
}

static void wake_all(worker *all)
{
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_mutex_lock(&all[i].lock);
        pthread_cond_signal(&all[i].ring);
        pthread_mutex_unlock(&all[i].lock);
    }
}

static bool idle_here(const worker *w)
{
    for (unsigned i = 0; i < BORROWERS; i++)
        if (w->held[i] || w->waiters[i].shard)
            return false;
    return w->served >= LOANS;
}

static void *work(void *user)
{
    worker *w = user;
    bool done = false;
    while (atomic_load(&finished) < THREADS) {
        bool busy = false;
        read_letters(w);
        open_connections(w);
        for (unsigned i = 0; i < BORROWERS; i++)
            busy |= borrow_and_return(w, i);
        if (!done && idle_here(w)) {
            done = true;
            if (atomic_fetch_add(&finished, 1) + 1 == THREADS)
                wake_all(w->all);
        }
        if (!busy && w->opens == 0)
            rest(w);
    }
    return NULL;
}

static void worker_init(worker *w, worker *all, weir_pool *pool, unsigned i)
{
    pthread_condattr_t attr;
    *w = (worker){.pool = pool, .shard = weir_pool_shard_at(pool, i), .all = all, .random = i};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->ring, &attr);
    pthread_condattr_destroy(&attr);
    for (unsigned b = 0; b < BORROWERS; b++)
        weir_pool_waiter_init(&w->waiters[b]);
}

/* After the threads: letters that nobody read, opens that nobody made, then everything closes. */
static void wind_up(worker *workers, weir_pool *pool)
{
    weir_pool_drain(pool);
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i < THREADS; i++) {
            read_letters(&workers[i]);
            open_connections(&workers[i]);
            weir_pool_tick(workers[i].shard, clock_now());
            pump(&workers[i]);
        }
}

static void test_pool_serves_every_borrower_across_threads(void **state)
{
    (void)state;
    static worker workers[THREADS];
    pthread_t threads[THREADS];
    weir_pool *pool = NULL;
    weir_pool_options options = {.size_max = 3, .waiters_max = 100, .fair_within = WEIR_MS};
    assert_int_equal(weir_pool_new(&options, THREADS, &pool), 0);
    for (unsigned i = 0; i < THREADS; i++)
        worker_init(&workers[i], workers, pool, i);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wind_up(workers, pool);
    assert_int_equal(atomic_load(&existing), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_true(workers[i].served >= LOANS);
    weir_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_serves_every_borrower_across_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
