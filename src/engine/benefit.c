/* Which templates' answers are kept: those that pay. For each answer kept
 *
 *     gain  = how often it is asked for before its end * what a run costs more than a hit
 *     price = what keeping it costs us, and its bytes in memory, which are dearer while it is full
 *
 * both measured, over all workers, from the newest some hundred answers of the template: the
 * figures of before count for less at each look. An answer that still stands may yet be asked for:
 * it says little against its template. So what is asked for over many keys is kept until it has
 * been kept once, and declined if its answers end (changed, expired, thrown out) unasked, or if
 * many were kept and next to none was asked for.
 *
 * While it does not pay, one ask in SAMPLE, picked at random, is kept all the same, so that a
 * change is noticed. cache.rules and hints are stronger (weir_admission.insisted).
 *
 * On the way of a statement there is one load of the verdict (at a miss); figures are added up when
 * so many answers were kept. */
#include "base/spin.h"
#include "engine/cache_internal.h"
#include <stdlib.h>

#define LOOK_FILLS 64u     /* answers kept by one worker between two looks */
#define LOOK_FILLS_NOT 16u /* … while it does not pay */
#define FILLS_MIN 1024u    /* fewer tell nothing */
#define FADES 0.75         /* what figures count for at the next look */
#define STANDS 0.015625    /* … what an answer kept does that has not ended */
#define SAMPLE 16u
/* What it costs us, in nanoseconds of one core: bench/README.md has where they are from. */
#define HIT_NS 1500.0
#define KEEP_NS 6000.0
#define BYTE_NS 0.25     /* copied, compared, freed */
#define BYTE_NS_FULL 1.0 /* … and something else is thrown out and has to be read again */
#define FULL 0.9
/* It does not change its mind over little. */
#define STAYS 0.8
#define CHANGES 1.25

enum { FILLS, HITS, RUNS, RUN_NS, BYTES, ENDED, FIGURES };

/* Of one template; `serial` says of which one that had this id. */
typedef struct ledger {
    _Atomic uint32_t serial;
    _Atomic int verdict;    /* weir_worth */
    _Atomic uint64_t ended; /* answers, ever */
    weir_spin busy;
    uint64_t seen[FIGURES]; /* under `busy`: at the newest look */
    double newest[FIGURES];
    double gain_ns, price_ns;
} ledger;

struct weir_worths {
    uint32_t count;
    ledger of[];
};

struct weir_worths *weir_worths_new(uint32_t templates_max)
{
    struct weir_worths *w = calloc(1, sizeof(*w) + (size_t)templates_max * sizeof(w->of[0]));
    if (w)
        w->count = templates_max;
    return w;
}

void weir_worths_free(struct weir_worths *worths)
{
    free(worths);
}

const char *weir_worth_name(weir_worth of)
{
    static const char *const names[] = {"unknown", "pays", "does not pay"};
    return names[of];
}

static ledger *ledger_of(const weir_engine *engine, uint32_t id)
{
    struct weir_worths *all = engine->cache->worths;
    return id < all->count ? &all->of[id] : NULL;
}

/* ---- looking ---- */

static void add_up(const weir_engine *engine, const ledger *of, uint32_t id, uint32_t serial,
                   uint64_t ret[static FIGURES])
{
    memset(ret, 0, FIGURES * sizeof(*ret));
    ret[ENDED] = atomic_load_explicit(&of->ended, memory_order_relaxed);
    for (unsigned i = 0; i < engine->options.workers; i++) {
        const weir_worker *w = engine->workers[i];
        const weir_statement_stats *s = w ? weir_worker_statement_stats(w, id, serial) : NULL;
        if (!s)
            continue;
        const _Atomic uint64_t *from[ENDED] = {[FILLS] = &s->fills,
                                               [HITS] = &s->hits,
                                               [RUNS] = &s->runs,
                                               [RUN_NS] = &s->run_ns,
                                               [BYTES] = &s->fill_bytes};
        for (unsigned f = 0; f < ENDED; f++)
            ret[f] += atomic_load_explicit(from[f], memory_order_relaxed);
    }
}

static bool is_full(const weir_engine *engine)
{
    weir_store_stats s;
    weir_store_stats_read(engine->cache->store, &s);
    return (double)s.bytes > FULL * (double)s.bytes_max;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* Of an answer that was kept. */
static double reuse_of(const double figures[static FIGURES])
{
    double ended = figures[ENDED] + STANDS * figures[FILLS];
    return ratio(figures[HITS], ended);
}

static void judge(const weir_engine *engine, ledger *w)
{
    double fills = w->newest[FILLS];
    double cost = ratio(w->newest[RUN_NS], w->newest[RUNS]) - HIT_NS;
    int now = atomic_load_explicit(&w->verdict, memory_order_relaxed);
    w->gain_ns = reuse_of(w->newest) * (cost > 0 ? cost : 0);
    w->price_ns =
        KEEP_NS + ratio(w->newest[BYTES], fills) * (is_full(engine) ? BYTE_NS_FULL : BYTE_NS);
    if (w->seen[FILLS] < FILLS_MIN && now == WEIR_WORTH_UNKNOWN)
        return;
    double least = now == WEIR_WORTH_NOT    ? CHANGES * w->price_ns
                   : now == WEIR_WORTH_PAYS ? STAYS * w->price_ns
                                            : w->price_ns;
    atomic_store_explicit(&w->verdict, w->gain_ns >= least ? WEIR_WORTH_PAYS : WEIR_WORTH_NOT,
                          memory_order_relaxed);
}

static void begin_anew(ledger *w, uint32_t serial)
{
    atomic_store_explicit(&w->ended, 0, memory_order_relaxed);
    memset(w->seen, 0, sizeof(w->seen));
    memset(w->newest, 0, sizeof(w->newest));
    w->gain_ns = w->price_ns = 0;
    atomic_store_explicit(&w->verdict, WEIR_WORTH_UNKNOWN, memory_order_relaxed);
    atomic_store_explicit(&w->serial, serial, memory_order_release);
}

static void look(const weir_engine *engine, ledger *w, uint32_t id, uint32_t serial)
{
    uint64_t figures[FIGURES];
    if (!weir_spin_try_lock(&w->busy))
        return; /* another worker does */
    if (atomic_load_explicit(&w->serial, memory_order_relaxed) != serial)
        begin_anew(w, serial);
    add_up(engine, w, id, serial, figures);
    for (unsigned f = 0; f < FIGURES; f++) {
        uint64_t since = figures[f] > w->seen[f] ? figures[f] - w->seen[f] : 0;
        w->newest[f] = FADES * w->newest[f] + (double)since;
        w->seen[f] = figures[f];
    }
    judge(engine, w);
    weir_spin_unlock(&w->busy);
}

static int verdict_of(const ledger *w, uint32_t serial)
{
    return w && atomic_load_explicit(&w->serial, memory_order_acquire) == serial
               ? atomic_load_explicit(&w->verdict, memory_order_relaxed)
               : WEIR_WORTH_UNKNOWN;
}

/* ---- on the way of a statement ---- */

bool weir_worth_keeping(weir_worker *worker, const weir_statement *statement)
{
    const ledger *w = ledger_of(worker->engine, statement->template_id);
    if (verdict_of(w, statement->template_serial) != WEIR_WORTH_NOT)
        return true;
    const weir_engine_host *host = &worker->engine->options.host;
    return host->random(host->user, worker) % SAMPLE == 0;
}

void weir_worth_ended(void *cache, const weir_entry *entry)
{
    const weir_cache *c = cache;
    ledger *w = entry->template_id < c->worths->count ? &c->worths->of[entry->template_id] : NULL;
    if (w && atomic_load_explicit(&w->serial, memory_order_relaxed) == entry->template_serial)
        atomic_fetch_add_explicit(&w->ended, 1, memory_order_relaxed);
}

void weir_worth_filled(weir_worker *worker, uint32_t template_id, uint32_t template_serial,
                       size_t bytes)
{
    weir_statement_stats *s = weir_worker_statement(worker, template_id, template_serial);
    ledger *w = ledger_of(worker->engine, template_id);
    if (!s || !w)
        return;
    weir_count(&s->fills, 1);
    weir_count(&s->fill_bytes, bytes);
    uint64_t fills = atomic_load_explicit(&s->fills, memory_order_relaxed);
    bool pays = verdict_of(w, template_serial) != WEIR_WORTH_NOT;
    if (fills % (pays ? LOOK_FILLS : LOOK_FILLS_NOT) == 0)
        look(worker->engine, w, template_id, template_serial);
}

/* ---- figures ---- */

void weir_engine_benefit(weir_engine *engine, uint32_t template_id, uint32_t template_serial,
                         weir_benefit *ret)
{
    uint64_t f[FIGURES];
    *ret = (weir_benefit){.worth = WEIR_WORTH_UNKNOWN};
    ledger *w = engine->cache ? ledger_of(engine, template_id) : NULL;
    if (!w)
        return;
    add_up(engine, w, template_id, template_serial, f);
    ret->hits = f[HITS];
    ret->fills = f[FILLS];
    ret->fill_bytes = f[BYTES];
    ret->runs = f[RUNS];
    ret->run_ns = f[RUN_NS];
    weir_spin_lock(&w->busy);
    bool known = atomic_load_explicit(&w->serial, memory_order_relaxed) == template_serial &&
                 w->newest[FILLS] > 0;
    ret->worth = known ? (weir_worth)atomic_load_explicit(&w->verdict, memory_order_relaxed)
                       : WEIR_WORTH_UNKNOWN;
    ret->reuse = known ? reuse_of(w->newest) : ratio((double)f[HITS], (double)f[FILLS]);
    ret->cost_ns = known ? ratio(w->newest[RUN_NS], w->newest[RUNS])
                         : ratio((double)f[RUN_NS], (double)f[RUNS]);
    ret->size = ratio((double)f[BYTES], (double)f[FILLS]);
    ret->gain_ns = w->gain_ns;
    ret->price_ns = w->price_ns;
    weir_spin_unlock(&w->busy);
}

weir_rule_stats *weir_rule_counts(const weir_worker *worker, uint32_t rule)
{
    const weir_cache_policy *p = weir_cache_now(worker->engine->cache);
    if (rule == 0 || rule > p->settings.rule_count)
        return NULL;
    return &p->counts[worker->index * p->settings.rule_count + rule - 1];
}

bool weir_engine_rule_stats(weir_engine *engine, unsigned index, weir_rule_stats *ret,
                            const weir_cache_rule **ret_rule)
{
    const weir_cache_policy *p = engine->cache ? weir_cache_now(engine->cache) : NULL;
    if (!p || index >= p->settings.rule_count)
        return false;
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < engine->options.workers; i++) {
        const weir_rule_stats *c = &p->counts[i * p->settings.rule_count + index];
        const _Atomic uint64_t *from[] = {&c->hits, &c->misses, &c->fills, &c->fill_bytes,
                                          &c->saved_ns};
        _Atomic uint64_t *to[] = {&ret->hits, &ret->misses, &ret->fills, &ret->fill_bytes,
                                  &ret->saved_ns};
        for (unsigned n = 0; n < sizeof(to) / sizeof(to[0]); n++)
            weir_count(to[n], atomic_load_explicit(from[n], memory_order_relaxed));
    }
    *ret_rule = &p->settings.rules[index];
    return true;
}
