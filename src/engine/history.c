/* What a database's own backend reports of its history, brought to the change clock. Runs on the
 * thread that commits.
 *
 * Invariant: bumps first, then the position is published, then (by the backend) the outcome is
 * told: whoever knows of a commit finds its changes, and an as-of never covers a change whose bumps
 * are still missing (cache/changes.h). */
#include "engine/cache_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define LOOKS_PER_BOUND 4

static uint64_t track_serial(void *user)
{
    const weir_history *h = user;
    return weir_changes_track_serial(h->changes);
}

static void each_tracked(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user)
{
    const weir_history *h = user;
    weir_changes_each_tracked(h->changes, visit, visit_user);
}

/* Between transactions: what is visible now was perhaps not reported by these columns. */
static void confirm(void *user, uint64_t serial)
{
    const weir_history *h = user;
    weir_changes_confirm_tracked(h->changes, serial, weir_changes_now(h->changes).wal);
}

static void forget_all(weir_history *h, uint64_t position)
{
    weir_changes_raise_floor(h->changes, WEIR_HAND_WAL, position);
    atomic_fetch_add_explicit(&h->floors, 1, memory_order_relaxed);
}

static void committed(void *user, const uint64_t *ids, size_t count, bool everything)
{
    weir_history *h = user;
    uint64_t position = weir_changes_next_wal(h->changes);
    for (size_t i = 0; i < count; i++)
        weir_changes_bump(h->changes, WEIR_HAND_WAL, ids[i], position);
    if (everything) {
        forget_all(h, position);
        weir_history_end_stale(h);
    }
    weir_changes_publish_wal(h->changes, position);
    atomic_fetch_add_explicit(&h->commits, 1, memory_order_relaxed);
}

/* `at` last: an answer is taken for fresh only when the look's findings are in force. */
static void looked(void *user, weir_time at, bool others)
{
    weir_history *h = user;
    if (others) {
        uint64_t position = weir_changes_next_wal(h->changes);
        forget_all(h, position);
        weir_changes_publish_wal(h->changes, position);
        atomic_fetch_add_explicit(&h->others, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&h->looks, 1, memory_order_relaxed);
    atomic_store_explicit(&h->looked_at, at, memory_order_release);
}

bool weir_history_is_followed(const weir_history *history)
{
    bool own = history->database->backend->ops->dialect == WEIR_DIALECT_SQLITE;
    return own || atomic_load_explicit(&history->following, memory_order_acquire);
}

bool weir_history_is_fresh(const weir_history *history, weir_time now, weir_time bound)
{
    weir_time at = atomic_load_explicit(&history->looked_at, memory_order_acquire);
    weir_backend *b = history->database->backend;
    if (b->ops->want)
        b->ops->want(b, at < atomic_load_explicit(&history->fence, memory_order_acquire));
#ifdef WEIR_TEST_FAULT_BOUND_IGNORED
    return true;
#endif
    return at != 0 && now - at <= bound &&
           at >= atomic_load_explicit(&history->fence, memory_order_acquire);
}

/* ---- a server's own history: on its follower's thread ---- */

/* The clock's positions never go back, a server's do: after a crash, or where a standby that was
 * behind was promoted. Ours are the server's and an offset, which grows at such a gap. */
static uint64_t position_of(const weir_history *h, uint64_t position)
{
    return position + atomic_load_explicit(&h->offset, memory_order_relaxed);
}

/* What other processes are told of our positions is said under one era (weir_origin), and nothing
 * between these two. */
static void end_era(weir_history *h)
{
    weir_spin_lock(&h->busy);
    atomic_fetch_add(&h->era, 1);
}

static void begin_era(weir_history *h)
{
    atomic_fetch_add(&h->era, 1);
    weir_spin_unlock(&h->busy);
}

static void changed(void *user, uint64_t position, const uint64_t *ids, size_t count)
{
    weir_history *h = user;
    for (size_t i = 0; i < count; i++)
        weir_changes_bump(h->changes, WEIR_HAND_WAL, ids[i], position_of(h, position));
    atomic_fetch_add_explicit(&h->commits, 1, memory_order_relaxed);
}

static bool is_shown(const weir_history *h)
{
    return h->shown.system == atomic_load(&h->system) &&
           h->shown.timeline == atomic_load(&h->timeline);
}

/* Beyond every as-of that was ever captured, so that no answer from before survives a gap. */
static void forgot(void *user, uint64_t position)
{
    weir_history *h = user;
    uint64_t newest = weir_changes_now(h->changes).wal;
    end_era(h);
    if (position_of(h, position) < newest && is_shown(h))
        atomic_store(&h->astray, true);
    if (position_of(h, position) <= newest)
        atomic_fetch_add(&h->offset, newest + 1 - position_of(h, position));
    forget_all(h, position_of(h, position));
    weir_history_end_stale(h);
    begin_era(h);
}

static void visible(void *user, uint64_t position)
{
    weir_history *h = user;
    h->shown = (weir_lineage){.system = atomic_load_explicit(&h->system, memory_order_relaxed),
                              .timeline = atomic_load_explicit(&h->timeline, memory_order_relaxed)};
    weir_changes_publish_wal(h->changes, position_of(h, position));
}

static uint64_t outcomes(void *user)
{
    const weir_history *h = user;
    return weir_changes_now(h->changes).local;
}

static void track(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                  weir_slice column_name)
{
    const weir_history *h = user;
    int r = weir_changes_track(h->changes, relation, column, relation_name, column_name);
    (void)r; /* not tracked: the whole relation */
    weir_changes_confirm_unchanged(h->changes, column);
}

static void heard(void *user, weir_time sent, uint64_t position, uint64_t known)
{
    weir_history *h = user;
    weir_pairs_add(&h->pairs, known, position_of(h, position));
    weir_pairs_add(&h->beats, (uint64_t)sent, position_of(h, position));
    atomic_fetch_add_explicit(&h->looks, 1, memory_order_relaxed);
    atomic_store_explicit(&h->looked_at, sent, memory_order_release);
}

/* As a change of the schema through us: whoever reads the schema is told, and until it was read
 * again nothing is kept. */
static void altered(void *user, uint64_t position)
{
    weir_history *h = user;
    weir_backend *b = h->database->backend;
    (void)position;
    atomic_fetch_add_explicit(&b->changes, (uint64_t)1 << 32, memory_order_release);
    weir_backend_watcher *watcher = atomic_load(&b->watcher);
    if (watcher)
        watcher->changed(watcher);
}

static void flushed(void *user, uint64_t position, const weir_flush *flush)
{
    const weir_history *h = user;
    weir_history_invalidate(h, flush, WEIR_HAND_WAL, position_of(h, position));
    atomic_fetch_add_explicit(&h->database->engine->cache->flushes, 1, memory_order_relaxed);
}

static void confirmed(void *user, uint64_t serial, uint64_t position)
{
    const weir_history *h = user;
    weir_changes_confirm_tracked(h->changes, serial, position_of(h, position));
}

static void lineage(void *user, uint64_t system, uint64_t timeline)
{
    weir_history *h = user;
    if (system == atomic_load(&h->system) && timeline == atomic_load(&h->timeline))
        return;
    end_era(h);
    atomic_store(&h->system, system);
    atomic_store(&h->timeline, timeline);
    atomic_store(&h->astray, false);
    begin_era(h);
}

void weir_history_forget_lineage(weir_database *database)
{
    weir_history *h = database->history;
    if (!h)
        return;
    end_era(h);
    atomic_store(&h->system, 0);
    begin_era(h);
}

static void following(void *user, const char *why_not)
{
    weir_history *h = user;
    weir_spin_lock(&h->busy);
    (void)snprintf(h->why_not, sizeof(h->why_not), "%s", why_not ? why_not : "");
    weir_spin_unlock(&h->busy);
    atomic_store_explicit(&h->following, why_not == NULL, memory_order_release);
    if (why_not) /* what is there may be out of date: until it is followed again */
        atomic_store_explicit(&h->looked_at, 0, memory_order_release);
}

/* Once followed, a history is followed for good: what is committed while the cache is switched off
 * counts when it is on again. */
void weir_history_configure(weir_database *database, const weir_cache_settings *settings)
{
    weir_history *h = database->history;
    if (!h || !settings->enabled)
        return;
    weir_time every = settings->bound / LOOKS_PER_BOUND;
    if (every < WEIR_MS)
        every = WEIR_MS;
    if (atomic_exchange_explicit(&h->look_every, every, memory_order_relaxed) != every)
        database->backend->ops->follow(database->backend, &h->follower, every);
}

int weir_history_start(weir_database *database)
{
    const weir_cache *cache = database->engine->cache;
    if (!cache || !database->backend->ops->follow)
        return 0;
    weir_history *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    weir_changes_options options = {.slots = cache->slots,
                                    .columns_max = WEIR_TRACKED_COLUMNS_MAX,
                                    .seed = database->engine->options.seed,
                                    .memory = database->engine->options.memory};
    int r = weir_changes_new(&options, &h->changes);
    if (r < 0) {
        free(h);
        return r;
    }
    h->follower = (weir_follower){.track_serial = track_serial,
                                  .each_tracked = each_tracked,
                                  .confirm = confirm,
                                  .committed = committed,
                                  .looked = looked,
                                  .changed = changed,
                                  .forgot = forgot,
                                  .visible = visible,
                                  .outcomes = outcomes,
                                  .heard = heard,
                                  .altered = altered,
                                  .flushed = flushed,
                                  .confirmed = confirmed,
                                  .track = track,
                                  .lineage = lineage,
                                  .following = following,
                                  .user = h};
    h->database = database;
    database->history = h;
    weir_history_configure(database, &weir_cache_now(cache)->settings);
    return 0;
}

void weir_history_forget(const weir_database *database)
{
    const weir_history *h = database->history;
    if (!h)
        return;
    weir_changes_raise_floor(h->changes, WEIR_HAND_LOCAL, weir_changes_next_local(h->changes));
    weir_history_end_stale(h);
}

void weir_history_free(weir_history *history)
{
    if (!history)
        return;
    weir_changes_free(history->changes);
    free(history);
}

/* A history that counts for itself is this run's alone. A server's is known by what it says of
 * itself, and the database by its name there: whoever follows it under another name, or another
 * database under this one, was disconnected in between, and forgot what was before. */
bool weir_history_origin(const weir_database *database, weir_origin *ret)
{
    const weir_history *h = database->history;
    static const weir_hash_seed known = {{0x77656972, 0x6e616d65}};
    const weir_place *place = weir_place_of(database);
    const char *name = place->dbname ? place->dbname : atomic_load(&database->name);
    if (!h)
        return false;
    uint64_t era = atomic_load(&h->era);
    *ret = (weir_origin){
        .lineage = {.system = atomic_load(&h->system), .timeline = atomic_load(&h->timeline)},
        .database = weir_hash(known, weir_slice_cstr(name)),
        .offset = atomic_load(&h->offset),
        .era = era + 2};
    if (ret->lineage.system != 0)
        return !atomic_load(&h->astray) && weir_history_is_of_era(database, ret->era);
    ret->lineage.system =
        weir_hash(database->engine->options.seed, WEIR_SLICE_LIT("a history of this run"));
    ret->database = database->index;
    return !database->backend->ops->relays;
}

bool weir_history_is_of(const weir_history *history, uint64_t system, uint32_t timeline)
{
    uint64_t era = atomic_load(&history->era);
    bool same = system != 0 && system == atomic_load(&history->system) &&
                timeline == (uint32_t)atomic_load(&history->timeline);
    return same && era % 2 == 0 && era == atomic_load(&history->era);
}

bool weir_history_is_of_era(const weir_database *database, uint64_t era)
{
    uint64_t now = atomic_load(&database->history->era);
    return now % 2 == 0 && now + 2 == era;
}

/* What ends at `wal` or before, the answer holds. What ends later but at the newest position or
 * before has been told by the stream, row by row: the other hand judges it, and this one, which
 * knows a write by its statement, need not (proofs, row 5). Invalidations by hand are told to
 * both hands. */
uint64_t weir_history_local_at(weir_history *history, uint64_t wal, bool strict)
{
    uint64_t upto = strict ? weir_changes_now(history->changes).wal : wal;
    return weir_pairs_find(&history->pairs, upto, WEIR_CHANGES_FIRST);
}

weir_asof weir_history_replayed(weir_history *history, uint64_t position, weir_time *ret_sent)
{
    weir_asof asof = {.wal = position_of(history, position)};
    asof.local = weir_pairs_find(&history->pairs, asof.wal, WEIR_CHANGES_FIRST);
    *ret_sent = (weir_time)weir_pairs_find(&history->beats, asof.wal, 0);
    return asof;
}

void weir_database_history_stats(const weir_database *database, weir_history_stats *ret)
{
    const weir_history *h = database->history;
    *ret = (weir_history_stats){.followed = h && atomic_load(&h->look_every) > 0 &&
                                            weir_history_is_followed(h)};
    if (!h)
        return;
    ret->commits = atomic_load_explicit(&h->commits, memory_order_relaxed);
    ret->looks = atomic_load_explicit(&h->looks, memory_order_relaxed);
    ret->others = atomic_load_explicit(&h->others, memory_order_relaxed);
    ret->floors = atomic_load_explicit(&h->floors, memory_order_relaxed);
    ret->looked_at = atomic_load_explicit(&h->looked_at, memory_order_relaxed);
    ret->system = atomic_load(&h->system);
    ret->timeline = (uint32_t)atomic_load(&h->timeline);
    weir_changes_stats_read(h->changes, &ret->changes);
}
