/* Has new templates analysed by the SQL grammar on the analysis thread, which has the stack for it;
 * the loops go on with the lexer's word meanwhile.
 *
 * Bounded: at most JOBS_MAX wait; a template that finds no room asks again when it is next seen. */
#include "gateway/internal.h"
#include <stdlib.h>

typedef struct analysis {
    weir_job job;
    weir_gateway *gateway;
    uint32_t id, serial;
    weir_dialect dialect;
    size_t len;
    uint8_t text[];
} analysis;

static void publish(analysis *a, weir_epoch_member *member)
{
    weir_template_table *table = weir_engine_templates(a->gateway->engine);
    weir_footprint *footprint = NULL;
    weir_lexed lexed;
    weir_lexed_init(&lexed);
    int r = weir_sql_lex(a->dialect, weir_slice_make(a->text, a->len), &lexed);
    if (r == 0 && !lexed.over_caps)
        r = weir_sql_analyze_postgres(weir_slice_make(a->text, a->len), &lexed, &footprint);
    weir_epoch_online(member);
    const weir_template *t = r == 0 ? weir_template_find(table, a->id, a->serial) : NULL;
    if (t && footprint)
        weir_template_publish(t, member, footprint);
    else
        weir_footprint_free(footprint);
    weir_epoch_quiescent(member);
    weir_epoch_offline(member);
    weir_lexed_fini(&lexed);
}

static void run(weir_job *job)
{
    analysis *a = WEIR_CONTAINER_OF(job, analysis, job);
    weir_epoch_member *member = NULL;
    if (weir_epoch_join(a->gateway->options.epoch, &member) == 0) {
        publish(a, member);
        weir_epoch_leave(member);
    }
    atomic_fetch_sub(&a->gateway->analyses, 1);
    free(a);
}

/* Analysed and published, unless what was published was made from the same facts. */
static int publish_accesses(weir_template_table *table, weir_epoch_member *member,
                            const weir_lexed *lexed, weir_slice text, uint32_t tick,
                            const weir_access *accesses, size_t count, const weir_catalog *catalog)
{
    const weir_template *t = NULL;
    weir_footprint *footprint = NULL;
    int r = weir_template_intern(table, member, WEIR_DIALECT_SQLITE, lexed, text, tick, &t);
    if (r < 0)
        return r;
    const weir_footprint *known = atomic_load_explicit(&t->footprint, memory_order_acquire);
    if (catalog && known->from_grammar && known->fingerprint == catalog->fingerprint)
        return 0;
    r = weir_sql_analyze_accesses(accesses, count, catalog, text, lexed, &footprint);
    if (r == 0)
        weir_template_publish(t, member, footprint);
    return r;
}

/* SQLite tells what a text touches whenever it is prepared on some connection, on whichever thread
 * that is. Out of memory: the lexer's word stands. */
void weir_gateway_on_accesses(void *gateway, weir_slice text, const weir_access *accesses,
                              size_t count, const weir_catalog *catalog)
{
    weir_gateway *g = gateway;
    weir_epoch_member *member = NULL;
    weir_lexed lexed;
    weir_lexed_init(&lexed);
    if (weir_sql_lex(WEIR_DIALECT_SQLITE, text, &lexed) == 0 &&
        weir_epoch_join(g->options.epoch, &member) == 0) {
        uint32_t tick = (uint32_t)(weir_loop_clock(g->workers[0].loop) / WEIR_SECOND);
        weir_epoch_online(member);
        int r = publish_accesses(weir_engine_templates(g->engine), member, &lexed, text, tick,
                                 accesses, count, catalog);
        (void)r;
        weir_epoch_quiescent(member);
        weir_epoch_offline(member);
        weir_epoch_leave(member);
    }
    weir_lexed_fini(&lexed);
}

#define JOBS_MAX 256u

void weir_gateway_analyze(void *gateway, weir_worker *worker, const weir_template *t)
{
    (void)worker;
    weir_gateway *g = gateway;
    if (t->dialect != WEIR_DIALECT_POSTGRES || t->sample.len == 0)
        return; /* no sample: the text is beyond the grammar's caps */
    if (atomic_fetch_add(&g->analyses, 1) >= JOBS_MAX) {
        atomic_fetch_sub(&g->analyses, 1);
        return;
    }
    analysis *a = malloc(sizeof(*a) + t->sample.len);
    if (!a) {
        atomic_fetch_sub(&g->analyses, 1);
        return;
    }
    if (!weir_template_ask_analysis(t)) {
        atomic_fetch_sub(&g->analyses, 1);
        free(a);
        return;
    }
    *a = (analysis){
        .job = {.run = run}, .gateway = g, .id = t->id, .serial = t->serial, .dialect = t->dialect};
    a->len = t->sample.len;
    memcpy(a->text, t->sample.data, t->sample.len);
    weir_executor_submit(g->options.analyst, &a->job);
}
