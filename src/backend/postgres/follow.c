/* A thread that follows the changes of one server's database, and does nothing else.
 *
 *   open (follow_session.c) ──► run (follow_stream.c) ──► lost ── a pause ──► open …
 *
 * It has two connections: the stream and the control connection, for snapshots, heartbeats and
 * questions. Nothing is kept for a restart, unless a slot is (follow_slot.c): what came is
 * acknowledged at once, and each connection begins anew with a raised floor. */
#include "backend/postgres/follow.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

#define PAUSE_FIRST (100 * WEIR_MS)
#define PAUSE_MAX (10 * WEIR_SECOND)
#define PAUSE_REACHED (500 * WEIR_MS) /* … while others reach the server */

static void log_lost(const pg_following *g)
{
    const weir_postgres_options *o = &g->place->options;
    weir_log_event(o->log, WEIR_LOG_POSTGRES, WEIR_LOG_WARN, "changes are not followed",
                   WEIR_F_STR("server", g->place->hosts[0]),
                   WEIR_F_STR("db", o->following.dbname ? o->following.dbname : ""),
                   WEIR_F_STR("reason", g->words), WEIR_F_INT("attempts", g->failures));
}

static weir_time pause_of(const pg_following *g)
{
    unsigned doublings = g->failures > 8 ? 8 : g->failures - 1;
    weir_time pause = PAUSE_FIRST << doublings;
    return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

/* `opened`: when the attempt that failed began. */
static void rest(pg_following *g, uint64_t opened)
{
    weir_time began = pg_link_now(), until = began + pause_of(g);
    atomic_store(&g->resting, true); /* before `opened` is looked at: pg_follow_reached */
    while (!atomic_load(&g->waker.stop) && g->place == atomic_load(&g->backend->newest)) {
        if (atomic_load(&g->opened) != opened && until > began + PAUSE_REACHED)
            until = began + PAUSE_REACHED;
        if (pg_link_now() >= until)
            break;
        pg_waker_wait(&g->waker, NULL, false, NULL, until);
    }
    atomic_store(&g->resting, false);
}

/* Once, for the same reason of several in a row. */
static void lose(pg_following *g, int error, uint64_t opened, char before[static PG_LINK_WORDS])
{
    if (error == -ENOMEM)
        pg_link_words("out of memory", g->words);
    pg_follow_lost(&g->core, g->words);
    if (g->renew) {
        g->failures = 0;
        return;
    }
    g->failures++;
    if (strcmp(before, g->words) != 0)
        log_lost(g);
    memcpy(before, g->words, PG_LINK_WORDS);
    rest(g, opened);
}

static void *run(void *user)
{
    pg_following *g = user;
    char before[PG_LINK_WORDS] = "";
    while (!atomic_load(&g->waker.stop)) {
        g->renew = false;
        g->place = atomic_load(&g->backend->newest);
        uint64_t opened = atomic_load(&g->opened);
        int r = pg_follow_open(g);
        if (r == 0) {
            g->failures = 0;
            before[0] = '\0';
            r = pg_follow_run(g);
        }
        pg_follow_close(g);
        if (r != -EINTR)
            lose(g, r, opened, before);
    }
    return NULL;
}

/* ---- life ---- */

static void following_free(pg_following *g)
{
    pg_snapshot_fini(&g->snapshot);
    pg_follow_fini(&g->core);
    free(g);
}

/* Signals are other threads' business. */
static int start(pg_following *g)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&g->thread, NULL, run, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static int following_new(pg_backend *b, const weir_follower *follower, weir_time look_every,
                         pg_following **ret)
{
    pg_following *g = calloc(1, sizeof(*g));
    weir_hash_seed seed;
    if (!g)
        return -ENOMEM;
    g->backend = b;
    atomic_store(&g->look_every, look_every);
    int r = getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) &&
                    getrandom(&g->nonce, sizeof(g->nonce), 0) == (ssize_t)sizeof(g->nonce)
                ? 0
                : -EIO;
    if (r == 0)
        r = pg_follow_init(&g->core, follower, seed, g->nonce, look_every);
    if (r == 0)
        r = pg_waker_init(&g->waker);
    if (r < 0) {
        following_free(g);
        return r;
    }
    r = start(g);
    if (r < 0) {
        pg_waker_fini(&g->waker);
        following_free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void pg_follow(weir_backend *backend, const weir_follower *follower, weir_time look_every)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    pg_following *g = atomic_load(&b->following);
    if (g) {
        atomic_store(&g->look_every, look_every);
        pg_waker_wake(&g->waker);
        return;
    }
    int r = following_new(b, follower, look_every, &g);
    if (r < 0)
        follower->following(follower->user, "no thread to follow changes could be started");
    else
        atomic_store(&b->following, g);
}

/* Told once between heartbeats. */
void pg_follow_want(weir_backend *backend, bool at_once)
{
    pg_following *g = atomic_load(&WEIR_CONTAINER_OF(backend, pg_backend, base)->following);
    unsigned bits = at_once ? PG_WANTED | PG_WANTED_AT_ONCE : PG_WANTED;
    if (!g || (atomic_load_explicit(&g->wanted, memory_order_acquire) & bits) == bits)
        return;
    if ((atomic_fetch_or(&g->wanted, bits) & bits) != bits)
        pg_waker_wake(&g->waker);
}

void pg_follow_flush(weir_backend *backend, const weir_flush *flush)
{
    pg_following *g = atomic_load(&WEIR_CONTAINER_OF(backend, pg_backend, base)->following);
    if (!g)
        return;
    pg_flushes_add(&g->flushes, flush);
    pg_waker_wake(&g->waker);
}

void pg_follow_moved(pg_backend *b)
{
    pg_following *g = atomic_load(&b->following);
    if (g)
        pg_waker_wake(&g->waker);
}

void pg_follow_reached(pg_backend *b)
{
    pg_following *g = atomic_load(&b->following);
    if (!g)
        return;
    atomic_fetch_add(&g->opened, 1);
    if (atomic_load(&g->resting))
        pg_waker_wake(&g->waker);
}

void pg_follow_end(pg_backend *b)
{
    pg_following *g = atomic_exchange(&b->following, NULL);
    if (!g)
        return;
    atomic_store(&g->waker.stop, true);
    pg_waker_wake(&g->waker);
    pthread_join(g->thread, NULL);
    pg_waker_fini(&g->waker);
    following_free(g);
}
