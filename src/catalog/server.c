/* The server's catalog: made of a builder's graph, then only read. */
#include "base/ascii.h"
#include "catalog/server_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define WHY_HOPS 4u

/* ---- following ---- */

/* Who uses a node: `users[starts[n]]` up to `users[starts[n + 1]]`. */
typedef struct reverse {
    uint32_t *starts, *users, *queue;
    bool *queued;
} reverse;

static void reverse_fini(reverse *v)
{
    free(v->starts);
    free(v->users);
    free(v->queue);
    free(v->queued);
}

/* Edges to what nothing is told of are left out. */
static int reverse_init(const weir_server_builder *b, reverse *v)
{
    size_t nodes = b->nodes.count;
    const server_edge *edges = b->edges.items;
    uint32_t *to = malloc((b->edges.count + 1) * sizeof(*to));
    *v = (reverse){.starts = calloc(nodes + 2, sizeof(uint32_t)),
                   .users = malloc((b->edges.count + 1) * sizeof(uint32_t)),
                   .queue = malloc((nodes + 1) * sizeof(uint32_t)),
                   .queued = calloc(nodes + 1, sizeof(bool))};
    if (!to || !v->starts || !v->users || !v->queue || !v->queued) {
        free(to);
        reverse_fini(v);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < b->edges.count; i++) {
        to[i] = weir_server_find_node(b, edges[i].to);
        if (to[i] != WEIR_SERVER_NONE)
            v->starts[to[i] + 2]++;
    }
    for (size_t n = 0; n < nodes; n++)
        v->starts[n + 2] += v->starts[n + 1];
    for (uint32_t i = 0; i < b->edges.count; i++)
        if (to[i] != WEIR_SERVER_NONE)
            v->users[v->starts[to[i] + 1]++] = edges[i].from;
    free(to);
    return 0;
}

static bool is_loud(unsigned effects)
{
    return (effects & ~WEIR_SERVER_WRITES) != 0;
}

/* Each node is taken up again only when its effects grew: at most once per bit. The queue is a
 * ring that holds no node twice. */
/* Hands on the effects of what is used to who uses it. -ENOMEM. */
static int follow(weir_server_builder *b)
{
    reverse v;
    uint32_t nodes = b->nodes.count, head = 0, waiting = 0;
    int r = reverse_init(b, &v);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < nodes; i++)
        if (weir_server_node(b, i)->effects) {
            v.queue[waiting++] = i;
            v.queued[i] = true;
        }
    while (waiting > 0) {
        uint32_t at = v.queue[head];
        unsigned effects = weir_server_node(b, at)->effects;
        head = (head + 1) % nodes;
        waiting--;
        v.queued[at] = false;
        for (uint32_t u = v.starts[at]; u < v.starts[at + 1]; u++) {
            server_node *user = weir_server_node(b, v.users[u]);
            if ((user->effects | effects) == user->effects)
                continue;
            if (is_loud(effects) && !is_loud(user->effects))
                user->via = at;
            user->effects |= effects;
            if (!v.queued[v.users[u]]) {
                v.queued[v.users[u]] = true;
                v.queue[(head + waiting++) % nodes] = v.users[u];
            }
        }
    }
    reverse_fini(&v);
    return 0;
}

/* ---- the catalog of a graph ---- */

static server_entry *entry_of(const weir_server_catalog *c, uint64_t id)
{
    uint32_t mask = c->entry_cap - 1;
    for (uint32_t at = (uint32_t)(id >> 32) & mask;; at = (at + 1) & mask) {
        server_entry *e = &c->entries[at];
        if (e->id == id || e->id == 0)
            return e;
    }
}

/* Names of functions, all of them: to be none is what tells an unknown one. Of the others those
 * with effects. */
static bool is_entry(const server_node *n)
{
    return !weir_server_is_object(n->id) && n->told &&
           (weir_server_kind_of(n->id) == WEIR_SERVER_FUNCTION || n->effects);
}

static int put_entries(weir_server_catalog *c, const weir_server_builder *b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->nodes.count; i++)
        count += is_entry(weir_server_node(b, i));
    for (c->entry_cap = 16; c->entry_cap < 2 * count;)
        c->entry_cap *= 2;
    c->entries = calloc(c->entry_cap, sizeof(*c->entries));
    if (!c->entries)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        const server_node *n = weir_server_node(b, i);
        if (is_entry(n))
            *entry_of(c, n->id) = (server_entry){.id = n->id, .effects = n->effects};
    }
    return 0;
}

/* An object with a name: not a name of its own, and not "everywhere". */
static bool is_suspect(const server_node *n)
{
    return is_loud(n->effects) && weir_server_is_object(n->id) && n->name.len > 0;
}

/* "by app.inner: set_config at line 3": the objects on the way to whose own the effects are. */
static const char *why(const weir_server_builder *b, const server_node *n, weir_arena *a)
{
    char words[512];
    size_t len = 0;
    const char *before = "by ";
    words[0] = '\0';
    for (unsigned hops = 0; n->via != WEIR_SERVER_NONE && hops < 2 * WHY_HOPS; hops++) {
        n = weir_server_node(b, n->via);
        if (!is_suspect(n))
            continue;
        int wrote =
            snprintf(words + len, sizeof(words) - len, "%s%.*s.%.*s", before, (int)n->schema.len,
                     (const char *)n->schema.data, (int)n->name.len, (const char *)n->name.data);
        len += (size_t)wrote < sizeof(words) - len ? (size_t)wrote : sizeof(words) - len - 1;
        before = ", ";
    }
    const char *between = len > 0 ? ": " : "";
    if (n->via == WEIR_SERVER_NONE && n->line > 0)
        (void)snprintf(words + len, sizeof(words) - len, "%s%s at line %u", between, n->what,
                       (unsigned)n->line);
    else if (n->via == WEIR_SERVER_NONE)
        (void)snprintf(words + len, sizeof(words) - len, "%s%s", between, n->what);
    return weir_arena_strdup(a, weir_slice_cstr(words));
}

static int put_suspect(weir_server_catalog *c, const weir_server_builder *b, const server_node *n)
{
    weir_server_suspect s = {.kind = weir_server_kind_of(n->id),
                             .volatility = n->volatility,
                             .effects = n->effects,
                             .why = why(b, n, &c->arena)};
    char *schema = weir_arena_strdup(&c->arena, n->schema);
    char *name = weir_arena_strdup(&c->arena, n->name);
    char *language = weir_arena_strdup(&c->arena, n->language);
    if (!s.why || !schema || !name || !language)
        return -ENOMEM;
    s.schema = weir_slice_make(schema, n->schema.len);
    s.name = weir_slice_make(name, n->name.len);
    s.language = weir_slice_make(language, n->language.len);
    c->suspects[c->totals.suspects++] = s;
    return 0;
}

/* What reading does, writing does: said once. */
static bool is_repeated(const weir_server_builder *b, const server_node *n)
{
    uint64_t id = n->id;
    if (weir_server_kind_of(id) != WEIR_SERVER_WRITE)
        return false;
    uint32_t at = weir_server_find_node(b, id - WEIR_SERVER_WRITE + WEIR_SERVER_READ);
    return at != WEIR_SERVER_NONE && !is_loud(weir_server_node(b, at)->effects ^ n->effects);
}

static int compare_suspects(const void *a, const void *b)
{
    const weir_server_suspect *x = a, *y = b;
    const weir_slice pairs[2][2] = {{x->schema, y->schema}, {x->name, y->name}};
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    for (size_t i = 0; i < 2; i++) {
        size_t n = pairs[i][0].len < pairs[i][1].len ? pairs[i][0].len : pairs[i][1].len;
        int order = memcmp(pairs[i][0].data, pairs[i][1].data, n);
        if (order != 0)
            return order;
        if (pairs[i][0].len != pairs[i][1].len)
            return pairs[i][0].len < pairs[i][1].len ? -1 : 1;
    }
    return 0;
}

static int put_suspects(weir_server_catalog *c, const weir_server_builder *b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        c->all |= weir_server_node(b, i)->effects;
        count += is_suspect(weir_server_node(b, i));
    }
    c->suspects = calloc(count + 1, sizeof(*c->suspects));
    if (!c->suspects)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        const server_node *n = weir_server_node(b, i);
        int r = is_suspect(n) && !is_repeated(b, n) ? put_suspect(c, b, n) : 0;
        if (r < 0)
            return r;
    }
    qsort(c->suspects, c->totals.suspects, sizeof(*c->suspects), compare_suspects);
    return 0;
}

static unsigned effects_at(const weir_server_builder *b, uint64_t id)
{
    uint32_t at = weir_server_find_node(b, id);
    return at == WEIR_SERVER_NONE ? 0 : weir_server_node(b, at)->effects;
}

static int compare_settings(const void *a, const void *b)
{
    const weir_slice x = ((const weir_server_setting *)a)->name;
    const weir_slice y = ((const weir_server_setting *)b)->name;
    for (size_t i = 0; i < x.len && i < y.len; i++) {
        int order = weir_ascii_lower(x.data[i]) - weir_ascii_lower(y.data[i]);
        if (order != 0)
            return order;
    }
    return x.len < y.len ? -1 : x.len > y.len;
}

static void *take(weir_items *l, uint32_t *ret_count)
{
    void *items = l->items;
    *ret_count = l->count;
    *l = (weir_items){NULL, 0, 0};
    return items;
}

static void take_rows(weir_server_catalog *c, weir_server_builder *b)
{
    weir_server_totals *t = &c->totals;
    c->roles = take(&b->roles, &t->roles);
    c->defaults = take(&b->defaults, &t->defaults);
    c->settings = take(&b->settings, &t->settings);
    c->customs = take(&b->customs, &t->customs);
    c->temp_schemas = take(&b->temp_schemas, &t->temp_schemas);
    c->extensions = take(&b->extensions, &t->extensions);
    c->arena = b->kept;
    weir_arena_init(&b->kept, 0);
    if (t->settings > 1)
        qsort(c->settings, t->settings, sizeof(*c->settings), compare_settings);
}

static size_t size_of(const weir_server_catalog *c)
{
    const weir_server_totals *t = &c->totals;
    return sizeof(*c) + c->arena.size_used + c->entry_cap * sizeof(*c->entries) +
           t->suspects * sizeof(*c->suspects) + t->roles * sizeof(*c->roles) +
           t->defaults * sizeof(*c->defaults) + t->settings * sizeof(*c->settings) +
           (t->customs + t->temp_schemas + t->extensions) * sizeof(weir_slice);
}

int weir_server_unknown(uint64_t serial, weir_server_catalog **ret)
{
    weir_server_catalog *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->serial = serial;
    c->partial = "not loaded yet";
    *ret = c;
    return 0;
}

static int fill(weir_server_catalog *c, weir_server_builder *b)
{
    int r = follow(b);
    if (r < 0)
        return r;
    c->partial = b->partial;
    c->everywhere = effects_at(b, weir_server_object(WEIR_SERVER_EVERYWHERE, 0));
    c->ddl = effects_at(b, weir_server_object(WEIR_SERVER_DDL, 0));
    c->totals.version = b->version;
    c->totals.functions = b->functions;
    c->totals.relations = b->relations;
    c->totals.fingerprints = b->fingerprints;
    take_rows(c, b);
    r = put_entries(c, b);
    return r < 0 ? r : put_suspects(c, b);
}

int weir_server_finish(weir_server_builder *b, uint64_t serial, weir_memory *memory,
                       weir_server_catalog **ret)
{
    weir_server_catalog *c;
    int r = weir_server_unknown(serial, &c);
    if (r < 0)
        return r;
    r = fill(c, b);
    if (r == 0) {
        c->totals.size = size_of(c);
        if (memory)
            r = weir_memory_charge(memory, WEIR_MEMORY_TEMPLATE, c->totals.size);
    }
    if (r < 0) {
        weir_server_catalog_free(c);
        return r;
    }
    c->memory = memory;
    *ret = c;
    return 0;
}

void weir_server_catalog_free(void *catalog)
{
    weir_server_catalog *c = catalog;
    if (!c)
        return;
    if (c->memory)
        weir_memory_release(c->memory, WEIR_MEMORY_TEMPLATE, c->totals.size);
    free(c->entries);
    free(c->suspects);
    free(c->roles);
    free(c->defaults);
    free(c->settings);
    free(c->customs);
    free(c->temp_schemas);
    free(c->extensions);
    weir_arena_fini(&c->arena);
    free(c);
}
