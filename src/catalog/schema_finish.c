/* A schema of the facts that were gathered, and its end. Off the loops: a large one takes long. */
#include "catalog/schema_internal.h"

/* ---- relations and their columns ---- */

static weir_schema_kind kind_of(char kind)
{
    switch (kind) {
    case 'r':
        return WEIR_SCHEMA_TABLE;
    case 'p':
        return WEIR_SCHEMA_PARTITIONED;
    case 'v':
        return WEIR_SCHEMA_VIEW;
    default:
        return WEIR_SCHEMA_OTHER;
    }
}

static int make_relation(weir_schema_builder *b, const weir_schema_relation_fact *f,
                         weir_schema_relation *ret)
{
    char *full = weir_arena_alloc(&b->kept, f->schema.len + 1 + f->name.len + 1);
    if (!full)
        return -ENOMEM;
    memcpy(full, f->schema.data, f->schema.len);
    full[f->schema.len] = '.';
    memcpy(full + f->schema.len + 1, f->name.data, f->name.len);
    *ret = (weir_schema_relation){.oid = f->oid,
                                  .kind = kind_of(f->kind),
                                  .words = "",
                                  .schema = f->schema,
                                  .name = f->name,
                                  .full = weir_slice_make(full, f->schema.len + 1 + f->name.len)};
    return 0;
}

static int make_relations(weir_schema_builder *b, weir_schema *s)
{
    weir_schema_sort(&b->relations, sizeof(schema_relation));
    const schema_relation *facts = b->relations.items;
    s->relations = calloc((size_t)b->relations.count + 1, sizeof(*s->relations));
    s->facts = calloc((size_t)b->relations.count + 1, sizeof(*s->facts));
    if (!s->relations || !s->facts)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->relations.count; i++) {
        if (s->count > 0 && s->relations[s->count - 1].oid == facts[i].oid)
            continue;
        int r = make_relation(b, &facts[i].fact, &s->relations[s->count]);
        if (r < 0)
            return r;
        s->facts[s->count++] = facts[i].fact;
    }
    return 0;
}

static int make_index(weir_schema *s)
{
    for (s->by_name_cap = 16; s->by_name_cap < 2 * (size_t)s->count;)
        s->by_name_cap *= 2;
    s->by_name = malloc(s->by_name_cap * sizeof(*s->by_name));
    if (!s->by_name)
        return -ENOMEM;
    memset(s->by_name, 0xFF, s->by_name_cap * sizeof(*s->by_name));
    uint32_t mask = s->by_name_cap - 1;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at =
            (uint32_t)weir_schema_hash_relation(s->relations[i].schema, s->relations[i].name);
        for (at &= mask; s->by_name[at] != WEIR_SCHEMA_NONE;)
            at = (at + 1) & mask;
        s->by_name[at] = i;
    }
    return 0;
}

/* Both are in order of oids. Columns of composite types belong to no relation here. */
static int make_columns(weir_schema_builder *b, weir_schema *s)
{
    const schema_column *c = b->columns.items;
    uint32_t at = 0;
    s->columns = calloc((size_t)b->columns.count + 1, sizeof(*s->columns));
    if (!s->columns)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->columns.count; i++) {
        while (at < s->count && s->relations[at].oid < c[i].relation)
            at++;
        if (at == s->count || s->relations[at].oid != c[i].relation)
            continue;
        weir_schema_relation *r = &s->relations[at];
        bool rows = r->kind == WEIR_SCHEMA_TABLE || r->kind == WEIR_SCHEMA_PARTITIONED;
        s->columns[i] =
            (weir_schema_column){.name = c[i].fact.name,
                                 .type = c[i].fact.type,
                                 .key = rows ? weir_schema_key_of(b, &c[i].fact) : WEIR_KEY_NONE,
                                 .believed = weir_schema_believes_type(b, c[i].fact.type)};
        if (r->column_count++ == 0)
            r->columns = &s->columns[i];
    }
    return 0;
}

/* ---- roles ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t both[2] = {a, b};
    return weir_hash((weir_hash_seed){{0x656c6f72, 0}}, weir_slice_make(both, sizeof(both)));
}

static uint64_t own_fingerprint(const weir_schema_role_fact *f)
{
    unsigned flags =
        (f->superuser ? 1u : 0) | (f->bypasses_policies ? 2u : 0) | (f->inherits ? 4u : 0);
    return mix(f->oid, flags);
}

/* Of itself and of all that it is a member of, through others too. */
static void follow_memberships(schema_role *roles, uint32_t count, const schema_graph *g,
                               schema_walk *w)
{
    for (uint32_t i = 0; i < count; i++) {
        weir_schema_walk_begin(w);
        weir_schema_walk_add(w, i);
        weir_schema_walk_follow(w, g, 0);
        uint64_t sum = 0;
        for (uint32_t k = 1; k < w->count; k++)
            sum += own_fingerprint(&roles[w->found[k]].fact);
        roles[i].fingerprint = mix(own_fingerprint(&roles[i].fact), sum);
        if (roles[i].fingerprint == 0)
            roles[i].fingerprint = 1;
    }
}

static int compare_roles(const void *a, const void *b)
{
    const weir_slice x = ((const schema_role *)a)->fact.name;
    const weir_slice y = ((const schema_role *)b)->fact.name;
    size_t n = x.len < y.len ? x.len : y.len;
    int order = n > 0 ? memcmp(x.data, y.data, n) : 0;
    return order != 0 ? order : x.len < y.len ? -1 : x.len > y.len;
}

/* Members to places; those of roles that are not told are left out. */
static uint32_t place_members(weir_schema_builder *b)
{
    schema_pair *pairs = b->members.items;
    const schema_role *roles = b->roles.items;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->members.count; i++) {
        const schema_role *from = weir_schema_first(&b->roles, sizeof(*roles), pairs[i].from);
        const schema_role *to = weir_schema_first(&b->roles, sizeof(*roles), pairs[i].to);
        if (from && to)
            pairs[kept++] = (schema_pair){(uint32_t)(from - roles), (uint32_t)(to - roles)};
    }
    return kept;
}

static int make_roles(weir_schema_builder *b, weir_schema *s)
{
    schema_graph g = {0};
    schema_walk w = {0};
    weir_schema_sort(&b->roles, sizeof(schema_role));
    uint32_t members = place_members(b);
    int r = weir_schema_graph_init(&g, b->roles.count, b->members.items, members);
    if (r == 0)
        r = weir_schema_walk_init(&w, b->roles.count);
    if (r == 0)
        follow_memberships(b->roles.items, b->roles.count, &g, &w);
    weir_schema_graph_fini(&g);
    weir_schema_walk_fini(&w);
    if (r < 0)
        return r;
    if (b->roles.count > 1)
        qsort(b->roles.items, b->roles.count, sizeof(schema_role), compare_roles);
    s->roles = b->roles;
    b->roles = (weir_items){0};
    return 0;
}

/* ---- life ---- */

static void take_rest(weir_schema_builder *b, weir_schema *s)
{
    s->defaults = b->defaults;
    s->settings = b->settings;
    b->defaults = b->settings = (weir_items){0};
    s->database = b->database;
    s->user = b->user;
    s->publication = b->publication;
    s->event_trigger = b->event_trigger;
    s->standby = b->standby;
    s->fingerprint = b->fingerprint;
}

static size_t size_of(const weir_schema *s)
{
    return sizeof(*s) + s->arena.size_used + ((size_t)s->count + 1) * sizeof(*s->relations) +
           s->by_name_cap * sizeof(*s->by_name) + s->name_cap * sizeof(*s->names) +
           s->lists.cap * sizeof(uint32_t) + s->roles.cap * sizeof(schema_role) +
           s->defaults.cap * sizeof(weir_server_default) +
           s->settings.cap * sizeof(schema_setting) + s->size;
}

static int fill(weir_schema_builder *b, weir_schema *s)
{
    take_rest(b, s);
    int r = make_relations(b, s);
    if (r == 0)
        r = weir_schema_judge(b, s);
    if (r == 0)
        r = make_index(s);
    if (r == 0)
        r = make_columns(b, s);
    if (r == 0)
        r = make_roles(b, s);
    if (r == 0)
        r = weir_schema_link(b, s);
    s->size = ((size_t)b->columns.count + 1) * sizeof(*s->columns);
    return r;
}

/* What is known in part is not known: whatever was left out might have mattered. */
static void forget(weir_schema *s)
{
    s->count = 0;
    s->by_name_cap = s->name_cap = 0;
    s->equality = false;
    s->foreign_casts = true;
    s->roles.count = s->defaults.count = s->settings.count = 0;
}

int weir_schema_finish(weir_schema_builder *b, weir_memory *memory, weir_schema **ret)
{
    weir_schema *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (b->fingerprint == 0) {
        weir_schema_set_partial(b, "the server gave no fingerprint");
        b->fingerprint = 1;
    }
    int r = fill(b, s);
    free(s->facts);
    s->facts = NULL;
    s->partial = b->partial;
    if (s->partial[0])
        forget(s);
    s->arena = b->kept;
    weir_arena_init(&b->kept, 0);
    if (r == 0) {
        s->size = size_of(s);
        if (memory)
            r = weir_memory_charge(memory, WEIR_MEMORY_TEMPLATE, s->size);
    }
    if (r < 0) {
        weir_schema_free(s);
        return r;
    }
    s->memory = memory;
    *ret = s;
    return 0;
}

void weir_schema_free(void *schema)
{
    weir_schema *s = schema;
    if (!s)
        return;
    if (s->memory)
        weir_memory_release(s->memory, WEIR_MEMORY_TEMPLATE, s->size);
    free(s->relations);
    free(s->columns);
    free(s->by_name);
    free(s->names);
    free(s->lists.items);
    free(s->roles.items);
    free(s->defaults.items);
    free(s->settings.items);
    weir_arena_fini(&s->arena);
    free(s);
}
