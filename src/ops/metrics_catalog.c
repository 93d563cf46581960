/* The part of /metrics that tells of the servers' catalogs: whether they are read, and how old what
 * is known is. */
#include "ops/metrics_catalog.h"
#include "engine/catalog.h"

/* Databases whose server has none to read (SQLite) are left out. */
static bool figures_of(weir_engine *engine, unsigned at, weir_catalog_figures *ret)
{
    weir_database_catalog_figures(weir_engine_database_at(engine, at), ret);
    return ret->followed;
}

void ops_put_catalog(ops_text *t, weir_engine *engine, weir_time now)
{
    weir_catalog_figures f;
    unsigned databases = weir_engine_database_count(engine);
    ops_family(t, "weir_catalog_loads_total", "counter",
               "Looks at a server's functions, triggers and role defaults, by how they ended.");
    for (unsigned i = 0; i < databases; i++) {
        if (!figures_of(engine, i, &f))
            continue;
        const char *label = weir_database_label(weir_engine_database_at(engine, i));
        ops_count(t, OPS_LABELS({"database", label}, {"result", "ok"}), f.loads);
        ops_count(t, OPS_LABELS({"database", label}, {"result", "failed"}), f.failures);
    }
    ops_family(t, "weir_catalog_age_seconds", "gauge",
               "Time since what is known of the server was last seen to be up to date.");
    for (unsigned i = 0; i < databases; i++)
        if (figures_of(engine, i, &f) && f.looked_at != 0)
            ops_seconds(
                t,
                OPS_LABELS({"database", weir_database_label(weir_engine_database_at(engine, i))}),
                (uint64_t)(now > f.looked_at ? now - f.looked_at : 0));
}
