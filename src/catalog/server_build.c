/* Gathers what a server's rows say into a graph of objects and names, each within its bound. A row
 * that finds no room is dropped and makes the catalog partial: then nothing unknown is trusted. */
#include "base/hash.h"
#include "catalog/server_internal.h"
#include <stdlib.h>

#define NAME_CUT 60u /* of 63 bytes the server may cut off part of a character */

const weir_server_bounds weir_server_bounds_usual = {
    .size_max = (size_t)64 << 20, .objects_max = 400000, .edges_max = 4000000, .rows_max = 100000};

static const char TOO_MANY[] = "more functions, relations or uses than are kept";

/* ---- ids ---- */

/* Bits 0-2: the kind, bit 3: an object, else a name; above: oid or hash. */
uint64_t weir_server_object(weir_server_kind kind, uint32_t oid)
{
    return (uint64_t)oid << 4 | 8 | (unsigned)kind;
}

uint64_t weir_server_named(weir_server_kind kind, uint64_t name)
{
    return (name & ~(uint64_t)15) | (unsigned)kind;
}

uint64_t weir_server_name(weir_slice name)
{
    static const weir_hash_seed seed = {{0x7765697263617461, 0x6c6f676e616d6573}};
    uint8_t folded[NAME_CUT];
    size_t n = 0, len = name.len;
    if (len > NAME_CUT)
        for (len = NAME_CUT; len > 0 && name.data[len - 1] >= 0x80;)
            len--;
    for (size_t i = 0; i < len; i++) {
        bool ascii = name.data[i] < 0x80;
        if (ascii || n == 0 || folded[n - 1] < 0x80)
            folded[n++] = ascii ? name.data[i] : 0xFF;
    }
    return (weir_hash(seed, weir_slice_make(folded, n)) | 16) & ~(uint64_t)15; /* never 0 */
}

/* ---- lists ---- */

static size_t size_used(const weir_server_builder *b)
{
    return b->scratch.size_used + b->kept.size_used + b->nodes.cap * sizeof(server_node) +
           b->edges.cap * sizeof(server_edge) + b->index_cap * sizeof(uint32_t);
}

/* False: the row is dropped. */
static bool has_room(weir_server_builder *b, const weir_items *l, uint32_t count_max)
{
    if (l->count < count_max && size_used(b) < b->bounds.size_max)
        return true;
    b->partial = TOO_MANY;
    return false;
}

/* ---- nodes ---- */

static uint32_t *slot_of(const weir_server_builder *b, uint64_t id)
{
    uint64_t h = id * 0x9e3779b97f4a7c15;
    for (uint32_t at = (uint32_t)(h >> 32) & (b->index_cap - 1);;
         at = (at + 1) & (b->index_cap - 1)) {
        uint32_t *slot = &b->index[at];
        if (*slot == WEIR_SERVER_NONE || weir_server_node(b, *slot)->id == id)
            return slot;
    }
}

uint32_t weir_server_find_node(const weir_server_builder *b, uint64_t id)
{
    return b->index_cap ? *slot_of(b, id) : WEIR_SERVER_NONE;
}

/* At most half full. */
static int grow_index(weir_server_builder *b)
{
    if (2 * (b->nodes.count + 1) <= b->index_cap)
        return 0;
    uint32_t cap = b->index_cap ? 2 * b->index_cap : 256;
    uint32_t *index = malloc(cap * sizeof(*index));
    if (!index)
        return -ENOMEM;
    free(b->index);
    b->index = index;
    b->index_cap = cap;
    memset(index, 0xFF, cap * sizeof(*index));
    for (uint32_t i = 0; i < b->nodes.count; i++)
        *slot_of(b, weir_server_node(b, i)->id) = i;
    return 0;
}

/* The node of this id, made if absent; NONE: no room. */
static int node_of(weir_server_builder *b, uint64_t id, uint32_t *ret)
{
    *ret = weir_server_find_node(b, id);
    if (*ret != WEIR_SERVER_NONE || !has_room(b, &b->nodes, b->bounds.objects_max))
        return 0;
    int r = grow_index(b);
    void *item = NULL;
    if (r == 0)
        r = weir_items_add(&b->nodes, sizeof(server_node), &item);
    if (r < 0 || !item)
        return r;
    server_node *n = item;
    n->id = id;
    n->via = WEIR_SERVER_NONE;
    n->what = "";
    uint32_t at = b->nodes.count - 1;
    *slot_of(b, id) = at;
    *ret = at;
    return 0;
}

static int copy(weir_arena *a, weir_slice text, weir_slice *ret)
{
    char *bytes = weir_arena_strdup(a, text);
    if (!bytes)
        return -ENOMEM;
    *ret = weir_slice_make(bytes, text.len);
    return 0;
}

/* ---- life ---- */

int weir_server_builder_new(const weir_server_bounds *bounds, weir_server_builder **ret)
{
    weir_server_builder *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->bounds = *bounds;
    b->partial = "";
    /* The bound is minded here; the arenas' own are beyond it, so that no room is lack of memory.
     */
    weir_arena_init(&b->scratch, SIZE_MAX / 4);
    weir_arena_init(&b->kept, SIZE_MAX / 4);
    *ret = b;
    return 0;
}

void weir_server_builder_free(weir_server_builder *b)
{
    if (!b)
        return;
    weir_arena_fini(&b->scratch);
    weir_arena_fini(&b->kept);
    weir_items *lists[] = {&b->nodes,    &b->edges,   &b->roles,        &b->defaults,
                           &b->settings, &b->customs, &b->temp_schemas, &b->extensions};
    for (size_t i = 0; i < sizeof(lists) / sizeof(weir_items *); i++)
        free(lists[i]->items);
    free(b->index);
    free(b);
}

/* ---- objects ---- */

static int tell(weir_server_builder *b, uint32_t at, unsigned effects, weir_slice what)
{
    server_node *n = weir_server_node(b, at);
    n->told = true;
    if ((effects & ~WEIR_SERVER_WRITES) && (n->effects & ~WEIR_SERVER_WRITES) == 0) {
        n->what = weir_arena_strdup(&b->scratch, what);
        if (!n->what) {
            n->what = "";
            return -ENOMEM;
        }
    }
    n->effects |= effects;
    return 0;
}

/* `name` of this kind means (among others) the object. */
static int name_object(weir_server_builder *b, uint32_t at, weir_slice name, weir_server_kind named)
{
    uint32_t name_at;
    int r = node_of(b, weir_server_named(named, weir_server_name(name)), &name_at);
    if (r < 0 || name_at == WEIR_SERVER_NONE)
        return r;
    weir_server_node(b, name_at)->told = true;
    return weir_server_add_edge(b, weir_server_node(b, name_at)->id, weir_server_node(b, at)->id);
}

static int describe(weir_server_builder *b, uint32_t at, weir_slice schema, weir_slice name)
{
    server_node *n = weir_server_node(b, at);
    int r = copy(&b->scratch, schema, &n->schema);
    return r < 0 ? r : copy(&b->scratch, name, &n->name);
}

int weir_server_add_function(weir_server_builder *b, const weir_server_function *f)
{
    uint32_t at;
    int r = node_of(b, weir_server_object(WEIR_SERVER_FUNCTION, f->oid), &at);
    if (r < 0 || at == WEIR_SERVER_NONE)
        return r;
    b->functions++;
    r = describe(b, at, f->schema, f->name);
    if (r == 0)
        r = copy(&b->scratch, f->language, &weir_server_node(b, at)->language);
    if (r == 0)
        r = tell(b, at, f->effects, weir_slice_cstr(f->what));
    if (r < 0)
        return r;
    weir_server_node(b, at)->line = f->line;
    weir_server_node(b, at)->volatility = f->volatility;
    r = name_object(b, at, f->name, WEIR_SERVER_FUNCTION);
    if (r == 0 && f->attribute)
        r = name_object(b, at, f->name, WEIR_SERVER_READ);
    if (r == 0 && f->attribute)
        r = name_object(b, at, f->name, WEIR_SERVER_WRITE);
    return r;
}

int weir_server_add_relation(weir_server_builder *b, uint32_t oid, weir_slice schema,
                             weir_slice name)
{
    static const weir_server_kind kinds[] = {WEIR_SERVER_READ, WEIR_SERVER_WRITE};
    b->relations++;
    for (size_t i = 0; i < 2; i++) {
        uint32_t at;
        int r = node_of(b, weir_server_object(kinds[i], oid), &at);
        if (r == 0 && at != WEIR_SERVER_NONE)
            r = describe(b, at, schema, name);
        if (r == 0 && at != WEIR_SERVER_NONE)
            r = name_object(b, at, name, kinds[i]);
        if (r < 0)
            return r;
    }
    /* Whoever writes reads: a view's own functions, a policy. */
    return weir_server_add_edge(b, weir_server_object(WEIR_SERVER_WRITE, oid),
                                weir_server_object(WEIR_SERVER_READ, oid));
}

int weir_server_add_known(weir_server_builder *b, weir_slice name, unsigned effects)
{
    uint32_t at;
    int r = node_of(b, weir_server_named(WEIR_SERVER_FUNCTION, weir_server_name(name)), &at);
    return r < 0 || at == WEIR_SERVER_NONE ? r : tell(b, at, effects, name);
}

int weir_server_add_edge(weir_server_builder *b, uint64_t from, uint64_t to)
{
    uint32_t at;
    void *item = NULL;
    if (from == to || !has_room(b, &b->edges, b->bounds.edges_max))
        return 0;
    int r = node_of(b, from, &at);
    if (r < 0 || at == WEIR_SERVER_NONE)
        return r;
    r = weir_items_add(&b->edges, sizeof(server_edge), &item);
    if (r == 0)
        *(server_edge *)item = (server_edge){.from = at, .to = to};
    return r;
}

int weir_server_add_effects(weir_server_builder *b, uint64_t from, unsigned effects,
                            weir_slice what)
{
    uint32_t at;
    int r = node_of(b, from, &at);
    return r < 0 || at == WEIR_SERVER_NONE ? r : tell(b, at, effects, what);
}

/* ---- what is only kept ---- */

int weir_server_add_role(weir_server_builder *b, const weir_server_role *role)
{
    weir_server_role kept = *role;
    void *item = NULL;
    if (!has_room(b, &b->roles, b->bounds.rows_max))
        return 0;
    int r = copy(&b->kept, role->name, &kept.name);
    if (r == 0)
        r = copy(&b->kept, role->valid_until, &kept.valid_until);
    if (r == 0)
        r = weir_items_add(&b->roles, sizeof(kept), &item);
    if (r == 0)
        *(weir_server_role *)item = kept;
    return r;
}

int weir_server_add_default(weir_server_builder *b, const weir_server_default *d)
{
    weir_server_default kept = *d;
    void *item = NULL;
    if (!has_room(b, &b->defaults, b->bounds.rows_max))
        return 0;
    int r = copy(&b->kept, d->database, &kept.database);
    if (r == 0)
        r = copy(&b->kept, d->role, &kept.role);
    if (r == 0)
        r = copy(&b->kept, d->setting, &kept.setting);
    if (r == 0)
        r = weir_items_add(&b->defaults, sizeof(kept), &item);
    if (r == 0)
        *(weir_server_default *)item = kept;
    return r;
}

int weir_server_add_setting(weir_server_builder *b, const weir_server_setting *s)
{
    weir_server_setting kept;
    void *item = NULL;
    if (!has_room(b, &b->settings, b->bounds.rows_max))
        return 0;
    int r = copy(&b->kept, s->name, &kept.name);
    if (r == 0)
        r = copy(&b->kept, s->context, &kept.context);
    if (r == 0)
        r = copy(&b->kept, s->type, &kept.type);
    if (r == 0)
        r = copy(&b->kept, s->boot, &kept.boot);
    if (r == 0)
        r = copy(&b->kept, s->reset, &kept.reset);
    if (r == 0)
        r = weir_items_add(&b->settings, sizeof(kept), &item);
    if (r == 0)
        *(weir_server_setting *)item = kept;
    return r;
}

static int add_text(weir_server_builder *b, weir_items *l, weir_slice text)
{
    void *item = NULL;
    weir_slice kept;
    if (!has_room(b, l, b->bounds.rows_max))
        return 0;
    int r = copy(&b->kept, text, &kept);
    if (r == 0)
        r = weir_items_add(l, sizeof(kept), &item);
    if (r == 0)
        *(weir_slice *)item = kept;
    return r;
}

int weir_server_add_custom(weir_server_builder *b, weir_slice name)
{
    for (uint32_t i = 0; i < b->customs.count; i++)
        if (weir_slice_eq(((const weir_slice *)b->customs.items)[i], name))
            return 0;
    /* Looked through one by one: more than a few hundred are not worth their names. */
    return b->customs.count < 500 ? add_text(b, &b->customs, name) : 0;
}

int weir_server_add_temp_schema(weir_server_builder *b, weir_slice name)
{
    return add_text(b, &b->temp_schemas, name);
}

int weir_server_add_extension(weir_server_builder *b, weir_slice name)
{
    return add_text(b, &b->extensions, name);
}

void weir_server_set_version(weir_server_builder *b, unsigned version)
{
    b->version = version;
}

void weir_server_set_fingerprints(weir_server_builder *b, const weir_fingerprints *f)
{
    b->fingerprints = *f;
}
