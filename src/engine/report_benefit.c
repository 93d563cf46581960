/* The reports on what the cache brings: of each template whether it pays to keep its answers, with
 * the figures that decide, and of each rule of cache.rules. */
#include "engine/cache.h"
#include "engine/report_internal.h"
#include <stdlib.h>

#define ENTRIES_SEEN_MAX 200000u /* a look at more would hold up the worker's clients */

/* ---- templates ---- */

static const weir_report_column template_columns[] = {
    {"worth", WEIR_REPORT_TEXT},          {"hits", WEIR_REPORT_BIGINT},
    {"runs", WEIR_REPORT_BIGINT},         {"kept", WEIR_REPORT_BIGINT},
    {"reuse", WEIR_REPORT_REAL},          {"run_seconds", WEIR_REPORT_REAL},
    {"answer_bytes", WEIR_REPORT_BIGINT}, {"gain_seconds", WEIR_REPORT_REAL},
    {"price_seconds", WEIR_REPORT_REAL},  {"saved_seconds", WEIR_REPORT_REAL},
    {"entries", WEIR_REPORT_BIGINT},      {"bytes", WEIR_REPORT_BIGINT},
    {"statement", WEIR_REPORT_TEXT},
};

/* What lies in memory, by template id. */
typedef struct holding {
    uint64_t entries, bytes;
} holding;

typedef struct template_row {
    const weir_template *t;
    weir_benefit benefit;
    double saved_ns;
    holding held;
} template_row;

typedef struct template_rows {
    weir_engine *engine;
    template_row *row;
    size_t count, cap;
    holding *held;
    uint32_t held_count;
    unsigned seen;
} template_rows;

static bool take_entry(void *user, const weir_entry *entry)
{
    template_rows *rows = user;
    if (entry->template_id < rows->held_count) {
        holding *h = &rows->held[entry->template_id];
        h->entries++;
        h->bytes += entry->node.size;
    }
    return ++rows->seen < ENTRIES_SEEN_MAX;
}

static bool take_template(void *user, const weir_template *t)
{
    template_rows *rows = user;
    if (rows->count == rows->cap)
        return false;
    template_row *row = &rows->row[rows->count];
    *row = (template_row){.t = t};
    weir_engine_benefit(rows->engine, t->id, t->serial, &row->benefit);
    const weir_benefit *b = &row->benefit;
    if (b->hits + b->fills == 0)
        return true;
    if (b->runs > 0)
        row->saved_ns = (double)b->hits * (double)b->run_ns / (double)b->runs;
    if (t->id < rows->held_count)
        row->held = rows->held[t->id];
    rows->count++;
    return true;
}

static int by_saved(const void *a, const void *b)
{
    const template_row *x = a, *y = b;
    if (x->saved_ns != y->saved_ns)
        return x->saved_ns < y->saved_ns ? 1 : -1;
    return x->t->id < y->t->id ? -1 : x->t->id > y->t->id;
}

static void add_template(weir_report *r, const template_row *row)
{
    const weir_benefit *b = &row->benefit;
    weir_report_text(r, weir_worth_name(b->worth));
    weir_report_int(r, (int64_t)b->hits);
    weir_report_int(r, (int64_t)b->runs);
    weir_report_int(r, (int64_t)b->fills);
    weir_report_real(r, b->reuse);
    weir_report_seconds(r, (uint64_t)b->cost_ns);
    weir_report_int(r, (int64_t)b->size);
    weir_report_seconds(r, (uint64_t)b->gain_ns);
    weir_report_seconds(r, (uint64_t)b->price_ns);
    weir_report_seconds(r, (uint64_t)row->saved_ns);
    weir_report_int(r, (int64_t)row->held.entries);
    weir_report_int(r, (int64_t)row->held.bytes);
    weir_report_slice(r, weir_report_shown(row->t->text));
}

/* On a worker, which is online in the epoch: templates and entries stay while we look. */
static void fill_templates(weir_report *r, weir_engine *engine, weir_worker *at)
{
    (void)at;
    weir_store *store = weir_engine_store(engine);
    template_rows rows = {.engine = engine,
                          .cap = weir_template_table_count(engine->templates),
                          .held_count = weir_template_table_capacity(engine->templates)};
    if (!store || rows.cap == 0)
        return;
    rows.row = calloc(rows.cap, sizeof(*rows.row));
    rows.held = calloc(rows.held_count, sizeof(*rows.held));
    if (rows.row && rows.held) {
        weir_store_each(store, take_entry, &rows);
        weir_template_each(engine->templates, take_template, &rows);
        qsort(rows.row, rows.count, sizeof(*rows.row), by_saved);
        for (size_t i = 0; i < rows.count; i++)
            add_template(r, &rows.row[i]);
    } else {
        r->error = -ENOMEM;
    }
    free(rows.row);
    free(rows.held);
}

const weir_report_source weir_report_templates =
    WEIR_REPORT_SOURCE("cache_templates", template_columns, fill_templates);

/* ---- rules ---- */

static const weir_report_column rule_columns[] = {
    {"rule", WEIR_REPORT_INT},           {"says", WEIR_REPORT_TEXT},
    {"hits", WEIR_REPORT_BIGINT},        {"misses", WEIR_REPORT_BIGINT},
    {"kept", WEIR_REPORT_BIGINT},        {"bytes", WEIR_REPORT_BIGINT},
    {"saved_seconds", WEIR_REPORT_REAL},
};

static int put_pattern(weir_buf *out, const char *name, const char *pattern)
{
    return pattern ? weir_buf_printf(out, "%s%s=%s", out->len > 0 ? " " : "", name, pattern) : 0;
}

static int put_patterns(weir_buf *out, const weir_cache_rule *rule)
{
    int r = put_pattern(out, "table", rule->table);
    if (r == 0)
        r = put_pattern(out, "template", rule->template);
    if (r == 0)
        r = put_pattern(out, "user", rule->user);
    return r == 0 ? put_pattern(out, "database", rule->database) : r;
}

static void fill_rules(weir_report *r, weir_engine *engine, weir_worker *at)
{
    (void)at;
    weir_rule_stats s;
    const weir_cache_rule *rule;
    weir_buf words;
    weir_buf_init(&words, 65536);
    for (unsigned i = 0; weir_engine_rule_stats(engine, i, &s, &rule); i++) {
        weir_buf_clear(&words);
        int e = put_patterns(&words, rule);
        weir_report_int(r, i + 1);
        weir_report_slice(r, e == 0 ? weir_report_shown(weir_buf_slice(&words))
                                    : WEIR_SLICE_LIT("(too long)"));
        weir_report_int(r, (int64_t)s.hits);
        weir_report_int(r, (int64_t)s.misses);
        weir_report_int(r, (int64_t)s.fills);
        weir_report_int(r, (int64_t)s.fill_bytes);
        weir_report_seconds(r, s.saved_ns);
    }
    weir_buf_fini(&words);
}

const weir_report_source weir_report_rules =
    WEIR_REPORT_SOURCE("cache_rules", rule_columns, fill_rules);
