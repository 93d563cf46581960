/* SHOW MEM and SHOW DNS_HOSTS: see report_process.h. PgBouncer's columns first. */
#include "gateway/report_process.h"
#include <malloc.h>
#include <stdlib.h>

/* ---- memory ---- */

const weir_report_column weir_mem_columns[WEIR_MEM_COLUMNS] = {
    {"name", WEIR_REPORT_TEXT},   {"size", WEIR_REPORT_INT},        {"used", WEIR_REPORT_BIGINT},
    {"free", WEIR_REPORT_BIGINT}, {"memtotal", WEIR_REPORT_BIGINT},
};

/* Slots of a size, as PgBouncer has them. */
static void add_slots(weir_report *r, const char *name, size_t size, uint64_t used, uint64_t unused)
{
    weir_report_text(r, name);
    weir_report_int(r, (int64_t)size);
    weir_report_int(r, (int64_t)used);
    weir_report_int(r, (int64_t)unused);
    weir_report_int(r, (int64_t)(size * (used + unused)));
}

void weir_report_fill_mem(weir_report *r, weir_gateway_worker *at)
{
    const weir_memory *m = at->gateway->options.memory;
    size_t total = atomic_load_explicit(&m->total, memory_order_relaxed);
    struct mallinfo2 heap = mallinfo2();
    for (int i = 0; i < WEIR_MEMORY_OWNERS; i++)
        add_slots(r, weir_memory_owner_name((weir_memory_owner)i), 1,
                  atomic_load_explicit(&m->used[i], memory_order_relaxed), 0);
    add_slots(r, "memory.max", 1, total, m->total_max > total ? m->total_max - total : 0);
    add_slots(r, "heap", 1, heap.uordblks + heap.hblkhd, heap.fordblks);
}

/* ---- names ---- */

const weir_report_column weir_dns_hosts_columns[WEIR_DNS_HOSTS_COLUMNS] = {
    {"hostname", WEIR_REPORT_TEXT}, {"ttl", WEIR_REPORT_BIGINT}, {"addrs", WEIR_REPORT_TEXT},
    {"database", WEIR_REPORT_TEXT}, {"port", WEIR_REPORT_INT},
};

/* "10.0.0.1:5432,[::1]:5432" without ports and brackets. */
static void add_addresses(weir_report *r, const char *all)
{
    char text[sizeof(((weir_resolved *)0)->addresses)];
    size_t len = 0;
    while (*all) {
        const char *end = strchrnul(all, ',');
        const char *colon = memrchr(all, ':', (size_t)(end - all));
        if (len > 0)
            text[len++] = ',';
        for (const char *p = all; p < (colon ? colon : end); p++)
            if (*p != '[' && *p != ']')
                text[len++] = *p;
        all = *end ? end + 1 : end;
    }
    weir_report_slice(r, weir_slice_make(text, len));
}

static void add_name(weir_report *r, const weir_database *d, const weir_resolved *n, weir_time now)
{
    const char *colon = strrchr(n->name, ':');
    size_t len = colon ? (size_t)(colon - n->name) : strlen(n->name);
    weir_report_slice(r, weir_slice_make(n->name, len));
    weir_report_int(r, n->until > now ? (n->until - now) / WEIR_SECOND : 0);
    add_addresses(r, n->addresses);
    weir_report_text(r, weir_database_label(d));
    weir_report_int(r, colon ? strtol(colon + 1, NULL, 10) : 0);
}

void weir_report_fill_dns_hosts(weir_report *r, weir_gateway_worker *at)
{
    weir_engine *e = at->gateway->engine;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++) {
        const weir_database *d = weir_engine_database_at(e, i);
        weir_backend *b = weir_database_backend(d);
        weir_resolved name;
        for (unsigned n = 0; b->ops->resolved && b->ops->resolved(b, n, &name); n++)
            add_name(r, d, &name, weir_loop_now(at->loop));
    }
}
