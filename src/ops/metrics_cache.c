/* The cache's part of /metrics: its figures are those of engine/cache.h; every reason and source is
 * there from the start, so that a first one is seen as an increase. */
#include "ops/metrics_cache.h"
#include "engine/cache.h"
#include <stddef.h>
#include <stdio.h>

#define TIER                                                                                       \
    {                                                                                              \
        "tier", "memory"                                                                           \
    }

static void put_one(ops_text *t, const char *name, const char *type, const char *help,
                    const ops_label *labels, uint64_t value)
{
    ops_family(t, name, type, help);
    ops_count(t, labels, value);
}

/* ---- lookups ---- */

static void put_lookups(ops_text *t, const weir_cache_stats *c, const weir_engine_tier_figures *f)
{
    uint64_t below = f->lookups[WEIR_LOOKUP_HIT];
    put_one(t, "weir_cache_hits_total", "counter",
            "Statements answered from the cache, by where the answer lay.", OPS_LABELS(TIER),
            c->hits > below ? c->hits - below : 0);
    if (f->name)
        ops_count(t, OPS_LABELS({"tier", f->name}), below);
    ops_family(t, "weir_cache_misses_total", "counter",
               "Statements that were not answered from the cache, by the reason.");
    for (unsigned n = 0; n < WEIR_MISSES; n++)
        if (n != (unsigned)WEIR_MISS_REFUSED + (unsigned)WEIR_REFUSAL_NONE)
            ops_count(t, OPS_LABELS({"reason", weir_miss_name(n)}), c->misses[n]);
}

static void put_strategies(ops_text *t, const weir_cache_stats *c)
{
    ops_family(t, "weir_cache_strategies_total", "counter",
               "Answers given stale, reads in the background and what came of them; docs/cache.md, "
               "Strategies.");
    for (unsigned i = 0; i < WEIR_STRATEGIES; i++)
        ops_count(t, OPS_LABELS({"strategy", weir_strategy_name((weir_strategy)i)}),
                  c->strategies[i]);
}

/* By rules, of which a configuration has few; templates are in SHOW CACHE_TEMPLATES. */
#define RULES_SHOWN 100u

static void put_rule(ops_text *t, weir_engine *engine, const char *name, const char *help,
                     size_t offset, bool seconds)
{
    weir_rule_stats s;
    const weir_cache_rule *rule;
    ops_family(t, name, "counter", help);
    for (unsigned i = 0; i < RULES_SHOWN && weir_engine_rule_stats(engine, i, &s, &rule); i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%u", i + 1);
        const _Atomic uint64_t *figure =
            (const _Atomic uint64_t *)(const void *)((const char *)&s + offset);
        uint64_t value = atomic_load_explicit(figure, memory_order_relaxed);
        if (seconds)
            ops_seconds(t, OPS_LABELS({"rule", number}), value);
        else
            ops_count(t, OPS_LABELS({"rule", number}), value);
    }
}

static void put_rules(ops_text *t, weir_engine *engine)
{
    put_rule(t, engine, "weir_cache_rule_hits_total",
             "Hits of answers kept under a rule of cache.rules, by its place, up to 100.",
             offsetof(weir_rule_stats, hits), false);
    put_rule(t, engine, "weir_cache_rule_misses_total", "… and misses.",
             offsetof(weir_rule_stats, misses), false);
    put_rule(t, engine, "weir_cache_rule_bytes_total", "… and bytes of what was kept.",
             offsetof(weir_rule_stats, fill_bytes), false);
    put_rule(t, engine, "weir_cache_rule_saved_seconds_total",
             "… and what these hits would have taken at the database.",
             offsetof(weir_rule_stats, saved_ns), true);
}

static void put_saved(ops_text *t, const weir_cache_stats *c, const weir_engine_tier_figures *f)
{
    ops_family(t, "weir_cache_saved_seconds_total", "counter",
               "What hits would have taken at the database, by where the answer lay.");
    uint64_t below = f->name ? f->saved_ns : 0;
    ops_seconds(t, OPS_LABELS(TIER), c->saved_ns > below ? c->saved_ns - below : 0);
    if (f->name)
        ops_seconds(t, OPS_LABELS({"tier", f->name}), below);
}

static void put_flights(ops_text *t, const weir_flights_stats *f)
{
    put_one(t, "weir_cache_flights_total", "counter",
            "Statements that were run for their own session and whoever waits for the same.",
            OPS_NO_LABELS, f->led);
    put_one(t, "weir_cache_flights_joined_total", "counter",
            "Statements that waited for the same one of another session.", OPS_NO_LABELS,
            f->joined);
    put_one(t, "weir_cache_flight_waiters", "gauge", "Statements that wait so now.", OPS_NO_LABELS,
            f->waiters);
}

/* ---- the store ---- */

/* Of the tier behind memory, if it says. */
static void put_below(ops_text *t, const weir_engine_tier_figures *f, uint64_t value)
{
    if (f->name && value != WEIR_TIER_UNKNOWN)
        ops_count(t, OPS_LABELS({"tier", f->name}), value);
}

static void put_store(ops_text *t, const weir_store_stats *s, const weir_engine_tier_figures *f)
{
    put_one(t, "weir_cache_entries", "gauge", "Answers that are kept.", OPS_LABELS(TIER),
            s->entries);
    put_below(t, f, f->tier.entries);
    put_one(t, "weir_cache_bytes", "gauge", "Size of the answers that are kept.", OPS_LABELS(TIER),
            s->bytes);
    put_below(t, f, f->tier.bytes);
    put_one(t, "weir_cache_max_bytes", "gauge", "cache.memory, cache.disk.size.", OPS_LABELS(TIER),
            s->bytes_max);
    put_below(t, f, f->tier.bytes_max);
    put_one(t, "weir_cache_fills_total", "counter", "Answers that were kept.", OPS_LABELS(TIER),
            s->puts);
    put_below(t, f, f->tier.puts);
    put_one(t, "weir_cache_refused_total", "counter",
            "Answers that found no room, were too large, or could not be given to a tier.",
            OPS_LABELS(TIER), s->refused);
    put_below(t, f, f->tier.dropped);
    ops_family(t, "weir_cache_evictions_total", "counter",
               "Answers that were taken out: for room, by age, as out of date, for a newer one, or "
               "by a flush.");
    for (unsigned why = 0; why < WEIR_REMOVALS; why++)
        ops_count(t, OPS_LABELS(TIER, {"reason", weir_removal_name((weir_removal)why)}),
                  s->removals[why]);
    for (unsigned why = 0; f->name && why < WEIR_TIER_LOSSES; why++)
        ops_count(
            t, OPS_LABELS({"tier", f->name}, {"reason", weir_tier_loss_name((weir_tier_loss)why)}),
            f->tier.losses[why]);
}

/* ---- the tier behind memory ---- */

static void put_tier(ops_text *t, const weir_engine_tier_figures *f)
{
    if (!f->name)
        return;
    put_one(t, "weir_cache_tier_up", "gauge", "The tier behind memory would be asked now.",
            OPS_LABELS({"tier", f->name}), f->tier.well);
    ops_family(t, "weir_cache_tier_lookups_total", "counter",
               "Questions to the tier behind memory, by what came of them.");
    for (unsigned end = 0; end < WEIR_LOOKUP_ENDS; end++)
        ops_count(
            t,
            OPS_LABELS({"tier", f->name}, {"result", weir_lookup_end_name((weir_lookup_end)end)}),
            f->lookups[end]);
    put_one(t, "weir_cache_tier_late_total", "counter",
            "Questions that were given up after cache.tier.timeout.", OPS_LABELS({"tier", f->name}),
            f->tier.late);
    put_one(t, "weir_cache_tier_skipped_total", "counter",
            "Questions that were not asked: the tier is ill, or has too much to do.",
            OPS_LABELS({"tier", f->name}), f->tier.skipped);
    put_one(t, "weir_cache_tier_errors_total", "counter",
            "Connections lost, files that could not be read or written, refusals.",
            OPS_LABELS({"tier", f->name}), f->tier.errors);
}

/* ---- histories ---- */

typedef struct ratio {
    const char *name, *help;
    double (*of)(const weir_history_stats *h);
} ratio;

static double slots_used(const weir_history_stats *h)
{
    return h->changes.slots > 0 ? (double)h->changes.slots_used / (double)h->changes.slots : 0;
}

static double collision(const weir_history_stats *h)
{
    return h->changes.collision;
}

static void put_invalidations(ops_text *t, weir_engine *engine, uint64_t by_hand)
{
    uint64_t commits = 0, others = 0;
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        weir_history_stats h;
        weir_database_history_stats(weir_engine_database_at(engine, i), &h);
        commits += h.commits;
        others += h.others;
    }
    ops_family(
        t, "weir_cache_invalidations_total", "counter",
        "What made answers out of date: commits seen row by row, commits of others that only "
        "showed as such, flushes by hand.");
    ops_count(t, OPS_LABELS({"source", "commit"}), commits);
    ops_count(t, OPS_LABELS({"source", "others"}), others);
    ops_count(t, OPS_LABELS({"source", "hand"}), by_hand);
}

static void put_staleness(ops_text *t, weir_engine *engine, weir_time now)
{
    ops_family(t, "weir_cache_staleness_seconds", "gauge",
               "Age of the newest look at other writers' commits; beyond cache.bound nothing is "
               "answered from the cache.");
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        const weir_database *d = weir_engine_database_at(engine, i);
        weir_history_stats h;
        weir_database_history_stats(d, &h);
        if (h.followed && h.looked_at > 0)
            ops_seconds(t, OPS_LABELS({"database", weir_database_label(d)}),
                        now > h.looked_at ? (uint64_t)(now - h.looked_at) : 0);
    }
}

static void put_clocks(ops_text *t, weir_engine *engine)
{
    static const ratio ratios[] = {
        {"weir_cache_slots_used_ratio", "Part of the change clock's slots that were ever used.",
         slots_used},
        {"weir_cache_false_invalidation_ratio",
         "Chance that something unchanged shares a slot with something changed; cache.slots lowers "
         "it.",
         collision}};
    for (size_t n = 0; n < sizeof(ratios) / sizeof(*ratios); n++) {
        ops_family(t, ratios[n].name, "gauge", ratios[n].help);
        for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
            const weir_database *d = weir_engine_database_at(engine, i);
            weir_history_stats h;
            weir_database_history_stats(d, &h);
            if (h.changes.slots > 0)
                ops_real(t, OPS_LABELS({"database", weir_database_label(d)}), ratios[n].of(&h));
        }
    }
}

void ops_put_cache(ops_text *t, weir_engine *engine, weir_time now)
{
    weir_cache_stats c;
    weir_engine_tier_figures f;
    weir_engine_cache_stats(engine, &c);
    weir_engine_tier_stats(engine, &f);
    put_one(t, "weir_cache_enabled", "gauge", "cache.enabled.", OPS_NO_LABELS, c.enabled);
    put_lookups(t, &c, &f);
    put_strategies(t, &c);
    put_saved(t, &c, &f);
    put_rules(t, engine);
    put_flights(t, &c.flights);
    put_store(t, &c.store, &f);
    put_tier(t, &f);
    put_invalidations(t, engine, c.flushes);
    put_staleness(t, engine, now);
    put_clocks(t, engine);
}
