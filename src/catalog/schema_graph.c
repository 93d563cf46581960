/* Which relations lead to which: edges in one array by where they begin, and walks over them that
 * remember where they were by a stamp. */
#include "catalog/schema_internal.h"

int weir_schema_graph_init(schema_graph *g, uint32_t nodes, const schema_pair *pairs,
                           uint32_t count)
{
    *g = (schema_graph){.nodes = nodes,
                        .starts = calloc((size_t)nodes + 2, sizeof(uint32_t)),
                        .targets = malloc(((size_t)count + 1) * sizeof(uint32_t))};
    if (!g->starts || !g->targets) {
        weir_schema_graph_fini(g);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        g->starts[pairs[i].from + 2]++;
    for (uint32_t n = 0; n < nodes; n++)
        g->starts[n + 2] += g->starts[n + 1];
    for (uint32_t i = 0; i < count; i++)
        g->targets[g->starts[pairs[i].from + 1]++] = pairs[i].to;
    return 0;
}

void weir_schema_graph_fini(schema_graph *g)
{
    free(g->starts);
    free(g->targets);
    *g = (schema_graph){0};
}

int weir_schema_walk_init(schema_walk *w, uint32_t nodes)
{
    *w = (schema_walk){.stamps = calloc((size_t)nodes + 1, sizeof(uint32_t)),
                       .found = malloc(((size_t)nodes + 1) * sizeof(uint32_t))};
    if (w->stamps && w->found)
        return 0;
    weir_schema_walk_fini(w);
    return -ENOMEM;
}

void weir_schema_walk_fini(schema_walk *w)
{
    free(w->stamps);
    free(w->found);
    *w = (schema_walk){0};
}

void weir_schema_walk_begin(schema_walk *w)
{
    w->stamp++; /* one per relation and question: never around */
    w->count = 0;
}

bool weir_schema_walk_add(schema_walk *w, uint32_t node)
{
    if (w->stamps[node] == w->stamp)
        return false;
    w->stamps[node] = w->stamp;
    w->found[w->count++] = node;
    return true;
}

void weir_schema_walk_follow(schema_walk *w, const schema_graph *g, uint32_t from)
{
    for (uint32_t i = from; i < w->count; i++) {
        uint32_t n = w->found[i];
        for (uint32_t e = g->starts[n]; e < g->starts[n + 1]; e++)
            weir_schema_walk_add(w, g->targets[e]);
    }
}
