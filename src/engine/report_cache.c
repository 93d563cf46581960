/* The reports on the cache: its figures per database, why answers did not come from it, and what
 * lies in it. */
#include "engine/cache.h"
#include "engine/report_internal.h"
#include <stdlib.h>

#define ENTRIES_SHOWN 100u
#define ENTRIES_SEEN_MAX 200000u /* a look at more would hold up the worker's clients */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- figures ---- */

typedef struct lookups {
    uint64_t hits, misses[WEIR_MISSES], missed, saved_ns;
} lookups;

static lookups lookups_of(const weir_engine *e, const weir_database *d)
{
    lookups sum = {0};
    for (unsigned i = 0; i < e->options.workers; i++) {
        const weir_database_stats *s =
            e->workers[i] ? weir_worker_database_stats(e->workers[i], d) : NULL;
        if (!s)
            continue;
        for (unsigned k = 0; k < WEIR_KINDS; k++)
            sum.hits += get(&s->queries[k][WEIR_TARGET_CACHE]);
        sum.saved_ns += get(&s->saved_ns);
        for (unsigned n = 0; n < WEIR_MISSES; n++) {
            sum.misses[n] += get(&s->misses[n]);
            sum.missed += get(&s->misses[n]);
        }
    }
    return sum;
}

static const weir_report_column cache_columns[] = {
    {"database", WEIR_REPORT_TEXT},        {"tier", WEIR_REPORT_TEXT},
    {"hits", WEIR_REPORT_BIGINT},          {"misses", WEIR_REPORT_BIGINT},
    {"hit_ratio", WEIR_REPORT_REAL},       {"followed", WEIR_REPORT_INT},
    {"looked_ms_ago", WEIR_REPORT_BIGINT}, {"commits", WEIR_REPORT_BIGINT},
    {"other_commits", WEIR_REPORT_BIGINT}, {"floors", WEIR_REPORT_BIGINT},
    {"tracked_columns", WEIR_REPORT_INT},  {"collision", WEIR_REPORT_REAL},
    {"entries", WEIR_REPORT_BIGINT},       {"bytes", WEIR_REPORT_BIGINT},
    {"bytes_max", WEIR_REPORT_BIGINT},     {"kept", WEIR_REPORT_BIGINT},
    {"refused", WEIR_REPORT_BIGINT},       {"evicted", WEIR_REPORT_BIGINT},
    {"expired", WEIR_REPORT_BIGINT},       {"changed", WEIR_REPORT_BIGINT},
    {"replaced", WEIR_REPORT_BIGINT},      {"flushed", WEIR_REPORT_BIGINT},
    {"flushes", WEIR_REPORT_BIGINT},       {"flights", WEIR_REPORT_INT},
    {"waiting", WEIR_REPORT_INT},          {"led", WEIR_REPORT_BIGINT},
    {"joined", WEIR_REPORT_BIGINT},        {"saved_seconds", WEIR_REPORT_REAL},
};

enum { HISTORY_COLUMNS = 7, STORE_COLUMNS = 15 };
static_assert(sizeof(cache_columns) / sizeof(*cache_columns) == 6 + HISTORY_COLUMNS + STORE_COLUMNS,
              "each row has them all");

static void add_nulls(weir_report *r, unsigned count)
{
    while (count-- > 0)
        weir_report_null(r);
}

static void add_lookups(weir_report *r, const char *tier, uint64_t hits, uint64_t missed)
{
    weir_report_text(r, tier);
    weir_report_int(r, (int64_t)hits);
    weir_report_int(r, (int64_t)missed);
    if (hits + missed > 0)
        weir_report_real(r, (double)hits / (double)(hits + missed));
    else
        weir_report_null(r);
}

static void add_store(weir_report *r, const weir_cache_stats *c)
{
    const weir_store_stats *s = &c->store;
    const uint64_t figures[STORE_COLUMNS] = {s->entries,
                                             s->bytes,
                                             s->bytes_max,
                                             s->puts,
                                             s->refused,
                                             s->removals[WEIR_REMOVAL_EVICTED],
                                             s->removals[WEIR_REMOVAL_EXPIRED],
                                             s->removals[WEIR_REMOVAL_CHANGED],
                                             s->removals[WEIR_REMOVAL_REPLACED],
                                             s->removals[WEIR_REMOVAL_FLUSHED],
                                             c->flushes,
                                             c->flights.flights,
                                             c->flights.waiters,
                                             c->flights.led,
                                             c->flights.joined};
    for (unsigned i = 0; i < STORE_COLUMNS; i++)
        weir_report_int(r, (int64_t)figures[i]);
}

static void add_known(weir_report *r, uint64_t figure)
{
    if (figure == WEIR_TIER_UNKNOWN)
        weir_report_null(r);
    else
        weir_report_int(r, (int64_t)figure);
}

/* Its misses are those that memory had before, and that it was asked about. */
static void add_tier(weir_report *r, weir_engine *engine)
{
    weir_engine_tier_figures f;
    uint64_t missed = 0;
    weir_engine_tier_stats(engine, &f);
    if (!f.name)
        return;
    for (unsigned end = WEIR_LOOKUP_HIT + 1; end < WEIR_LOOKUP_ENDS; end++)
        missed += f.lookups[end];
    weir_report_text(r, "(all)");
    add_lookups(r, f.name, f.lookups[WEIR_LOOKUP_HIT], missed);
    add_nulls(r, HISTORY_COLUMNS);
    const uint64_t figures[] = {f.tier.entries,
                                f.tier.bytes,
                                f.tier.bytes_max,
                                f.tier.puts,
                                f.tier.dropped,
                                f.tier.losses[WEIR_TIER_EVICTED],
                                f.tier.losses[WEIR_TIER_EXPIRED],
                                f.tier.losses[WEIR_TIER_REMOVED]};
    enum { TIER_COLUMNS = sizeof(figures) / sizeof(*figures) };
    for (unsigned i = 0; i < TIER_COLUMNS; i++)
        add_known(r, figures[i]);
    add_nulls(r, STORE_COLUMNS - TIER_COLUMNS);
    weir_report_seconds(r, f.saved_ns);
}

static void add_history(weir_report *r, const weir_database *d, weir_time now)
{
    weir_history_stats h;
    weir_database_history_stats(d, &h);
    weir_report_int(r, h.followed);
    if (h.looked_at > 0)
        weir_report_int(r, now > h.looked_at ? (now - h.looked_at) / WEIR_MS : 0);
    else
        weir_report_null(r);
    weir_report_int(r, (int64_t)h.commits);
    weir_report_int(r, (int64_t)h.others);
    weir_report_int(r, (int64_t)h.floors);
    weir_report_int(r, (int64_t)h.changes.tracked);
    weir_report_real(r, h.changes.collision);
}

/* The store is one for all databases, as is the tier behind it: the first rows have their figures,
 * the others have the histories'. */
static void fill_cache(weir_report *r, weir_engine *engine, weir_worker *at)
{
    weir_cache_stats c;
    uint64_t missed = 0;
    weir_engine_cache_stats(engine, &c);
    for (unsigned n = 0; n < WEIR_MISSES; n++)
        missed += c.misses[n];
    weir_report_text(r, "(all)");
    add_lookups(r, "memory", c.hits, missed);
    add_nulls(r, HISTORY_COLUMNS);
    add_store(r, &c);
    weir_report_seconds(r, c.saved_ns);
    add_tier(r, engine);
    for (unsigned i = 0; i < engine->database_count; i++) {
        const weir_database *d = engine->databases[i];
        if (d->primary)
            continue;
        lookups l = lookups_of(engine, d);
        weir_report_text(r, weir_database_label(d));
        add_lookups(r, "memory", l.hits, l.missed);
        add_history(r, d, weir_worker_now(at));
        add_nulls(r, STORE_COLUMNS);
        weir_report_seconds(r, l.saved_ns);
    }
}

const weir_report_source weir_report_cache = WEIR_REPORT_SOURCE("cache", cache_columns, fill_cache);

/* ---- misses ---- */

static const weir_report_column miss_columns[] = {
    {"database", WEIR_REPORT_TEXT}, {"reason", WEIR_REPORT_TEXT},  {"count", WEIR_REPORT_BIGINT},
    {"share", WEIR_REPORT_REAL},    {"meaning", WEIR_REPORT_TEXT},
};

static const char *const meanings[WEIR_MISSES] = {
    [WEIR_MISS_ABSENT] = "it was not there, or not any more",
    [WEIR_MISS_CHANGED] = "what it depends on has changed",
    [WEIR_MISS_FLOOR] = "it was from before a schema change, another program's commit or a flush",
    [WEIR_MISS_EXPIRED] = "its time to live was over",
    [WEIR_MISS_BEHIND] = "other programs' commits were not looked for within cache.bound",
    [WEIR_MISS_TRANSACTION] = "inside a transaction that has done more than read",
    [WEIR_MISS_RULE] = "a rule of cache.rules or a hint says so",
    [WEIR_MISS_WORTHLESS] = "to keep its template's answers does not pay",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_UNKNOWN] = "the statement is not understood, or not yet",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_NO_READ] = "it writes, or is no query",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_LOCKS] = "it locks rows",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_EFFECTS] = "it reads or changes its session's state",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_SYSTEM] = "it reads the database's own tables",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_VOLATILE] = "it calls a function whose answer changes",
    [WEIR_MISS_REFUSED + WEIR_REFUSAL_UNFOLLOWED] = "it reads a table whose changes are not seen",
};

static void fill_misses(weir_report *r, weir_engine *engine, weir_worker *at)
{
    (void)at;
    for (unsigned i = 0; i < engine->database_count; i++) {
        lookups l = lookups_of(engine, engine->databases[i]);
        for (unsigned n = 0; n < WEIR_MISSES; n++) {
            if (l.misses[n] == 0)
                continue;
            weir_report_text(r, weir_database_label(engine->databases[i]));
            weir_report_text(r, weir_miss_name(n));
            weir_report_int(r, (int64_t)l.misses[n]);
            weir_report_real(r, (double)l.misses[n] / (double)l.missed);
            weir_report_text(r, meanings[n] ? meanings[n] : "");
        }
    }
}

const weir_report_source weir_report_misses =
    WEIR_REPORT_SOURCE("cache_misses", miss_columns, fill_misses);

/* ---- strategies ---- */

static const weir_report_column strategy_columns[] = {
    {"strategy", WEIR_REPORT_TEXT},
    {"count", WEIR_REPORT_BIGINT},
    {"meaning", WEIR_REPORT_TEXT},
};

static const char *const strategy_meanings[WEIR_STRATEGIES] = {
    [WEIR_STRATEGY_STALE_IF_ERROR] = "given stale, as the database did not answer",
    [WEIR_STRATEGY_STALE_WHILE] = "given stale, while it was read anew",
    [WEIR_STRATEGY_REVALIDATE] = "read anew in the background, as it was given stale",
    [WEIR_STRATEGY_AHEAD] = "read anew in the background before its time to live was over",
    [WEIR_STRATEGY_WARM] = "read in the background to be there when it is asked for",
    [WEIR_STRATEGY_KEPT] = "reads in the background whose answer was kept",
    [WEIR_STRATEGY_LOST] = "… whose answer was not: they failed, or it may not be",
    [WEIR_STRATEGY_DROPPED] = "reads in the background that were not begun: too many waited",
};

static void fill_strategies(weir_report *r, weir_engine *engine, weir_worker *at)
{
    weir_cache_stats c;
    (void)at;
    weir_engine_cache_stats(engine, &c);
    for (unsigned i = 0; i < WEIR_STRATEGIES; i++) {
        weir_report_text(r, weir_strategy_name((weir_strategy)i));
        weir_report_int(r, (int64_t)c.strategies[i]);
        weir_report_text(r, strategy_meanings[i]);
    }
}

const weir_report_source weir_report_strategies =
    WEIR_REPORT_SOURCE("cache_strategies", strategy_columns, fill_strategies);

/* ---- entries ---- */

static const weir_report_column entry_columns[] = {
    {"database", WEIR_REPORT_TEXT},        {"bytes", WEIR_REPORT_BIGINT},
    {"rows", WEIR_REPORT_BIGINT},          {"age_seconds", WEIR_REPORT_REAL},
    {"expires_seconds", WEIR_REPORT_REAL}, {"stale_seconds", WEIR_REPORT_REAL},
    {"dependencies", WEIR_REPORT_INT},     {"statement", WEIR_REPORT_TEXT},
};

typedef struct largest {
    const weir_entry *entry[ENTRIES_SHOWN]; /* largest first */
    unsigned count, seen;
} largest;

static bool take_entry(void *user, const weir_entry *entry)
{
    largest *l = user;
    unsigned at = l->count;
    while (at > 0 && l->entry[at - 1]->node.size < entry->node.size)
        at--;
    if (at < ENTRIES_SHOWN) {
        unsigned moved = (l->count < ENTRIES_SHOWN ? l->count : ENTRIES_SHOWN - 1) - at;
        memmove(&l->entry[at + 1], &l->entry[at], moved * sizeof(const weir_entry *));
        l->entry[at] = entry;
        l->count += l->count < ENTRIES_SHOWN;
    }
    return ++l->seen < ENTRIES_SEEN_MAX;
}

static void add_entry(weir_report *r, weir_engine *engine, const weir_entry *e, weir_time now)
{
    const weir_template *t =
        weir_template_find(engine->templates, e->template_id, e->template_serial);
    const weir_database *d = e->scope < engine->database_count ? engine->databases[e->scope] : NULL;
    weir_report_text(r, d ? weir_database_label(d) : NULL);
    weir_report_int(r, (int64_t)e->node.size);
    weir_report_int(r, (int64_t)e->rows);
    weir_report_seconds(r, now > e->filled_at ? (uint64_t)(now - e->filled_at) : 0);
    weir_time until = weir_entry_fresh_until(e);
    if (e->expires_at == WEIR_TIME_NEVER)
        weir_report_null(r);
    else
        weir_report_seconds(r, until > now ? (uint64_t)(until - now) : 0);
    uint64_t stale_ms = e->stale_if_ms > e->stale_while_ms ? e->stale_if_ms : e->stale_while_ms;
    weir_report_seconds(r, stale_ms * (uint64_t)WEIR_MS);
    weir_report_int(r, e->dependency_count);
    if (t)
        weir_report_slice(r, weir_report_shown(t->text));
    else
        weir_report_null(r);
}

/* On a worker, which is online in the epoch: entries and templates stay while we look. */
static void fill_entries(weir_report *r, weir_engine *engine, weir_worker *at)
{
    weir_store *store = weir_engine_store(engine);
    largest l = {.count = 0};
    if (!store)
        return;
    weir_store_each(store, take_entry, &l);
    for (unsigned i = 0; i < l.count; i++)
        add_entry(r, engine, l.entry[i], weir_worker_now(at));
}

const weir_report_source weir_report_entries =
    WEIR_REPORT_SOURCE("cache_entries", entry_columns, fill_entries);
