/* Gathers the facts of a server's schema as they come: copies of rows, in lists. What they mean is
 * found when all are there (schema_finish.c). */
#include "catalog/schema_internal.h"

static const char TOO_MANY[] = "the schema has more relations, columns or functions than are kept";

/* ---- life ---- */

int weir_schema_builder_new(size_t size_max, weir_schema_builder **ret)
{
    weir_schema_builder *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->size_max = size_max;
    b->partial = "";
    /* The bound is minded here; the arenas' own are beyond it, so that no room is lack of memory.
     */
    weir_arena_init(&b->scratch, SIZE_MAX / 4);
    weir_arena_init(&b->kept, SIZE_MAX / 4);
    *ret = b;
    return 0;
}

void weir_schema_builder_free(weir_schema_builder *b)
{
    if (!b)
        return;
    weir_items *lists[] = {&b->relations,  &b->columns, &b->types,    &b->functions, &b->operators,
                           &b->casts,      &b->rules,   &b->children, &b->cascades,  &b->updates,
                           &b->namespaces, &b->roles,   &b->members,  &b->defaults,  &b->settings};
    for (size_t i = 0; i < sizeof(lists) / sizeof(weir_items *); i++)
        free(lists[i]->items);
    weir_arena_fini(&b->scratch);
    weir_arena_fini(&b->kept);
    free(b);
}

/* ---- rows ---- */

/* Counted by the largest items: the lists are small beside the arenas. */
static size_t size_used(const weir_schema_builder *b)
{
    size_t items = (size_t)b->relations.cap * sizeof(schema_relation) +
                   (size_t)b->columns.cap * sizeof(schema_column) +
                   (size_t)b->types.cap * sizeof(schema_type) +
                   (size_t)b->functions.cap * sizeof(schema_function) +
                   (size_t)b->operators.cap * sizeof(schema_operator) +
                   (size_t)b->rules.cap * sizeof(schema_rule) +
                   (size_t)b->roles.cap * sizeof(schema_role);
    size_t pairs =
        (size_t)b->children.cap + b->cascades.cap + b->updates.cap + b->members.cap + b->casts.cap;
    size_t rows = (size_t)b->defaults.cap + b->settings.cap + b->namespaces.cap;
    return items + pairs * sizeof(schema_pair) + rows * sizeof(weir_server_default) +
           b->scratch.size_used + b->kept.size_used;
}

/* A new item; `*ret` NULL: there is no room, and the schema will say so. */
static int add(weir_schema_builder *b, weir_items *l, size_t size, void **ret)
{
    *ret = NULL;
    if (b->partial[0] || size_used(b) >= b->size_max) {
        weir_schema_set_partial(b, TOO_MANY);
        return 0;
    }
    return weir_items_add(l, size, ret);
}

static int copy(weir_arena *a, weir_slice *text)
{
    char *bytes = weir_arena_strdup(a, *text);
    if (!bytes)
        return -ENOMEM;
    *text = weir_slice_make(bytes, text->len);
    return 0;
}

static int copy_all(weir_arena *a, weir_slice *const *texts, size_t count)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = copy(a, texts[i]);
    return r;
}

int weir_schema_add_relation(weir_schema_builder *b, const weir_schema_relation_fact *f)
{
    void *item;
    int r = add(b, &b->relations, sizeof(schema_relation), &item);
    if (r < 0 || !item)
        return r;
    schema_relation *kept = item;
    *kept = (schema_relation){.oid = f->oid, .fact = *f};
    return copy_all(&b->kept, (weir_slice *[]){&kept->fact.schema, &kept->fact.name}, 2);
}

int weir_schema_add_column(weir_schema_builder *b, const weir_schema_column_fact *f)
{
    void *item;
    int r = add(b, &b->columns, sizeof(schema_column), &item);
    if (r < 0 || !item)
        return r;
    schema_column *kept = item;
    *kept = (schema_column){.relation = f->relation, .number = f->number, .fact = *f};
    return copy(&b->kept, &kept->fact.name);
}

int weir_schema_add_type(weir_schema_builder *b, const weir_schema_type_fact *f)
{
    void *item;
    int r = add(b, &b->types, sizeof(schema_type), &item);
    if (r < 0 || !item)
        return r;
    schema_type *kept = item;
    *kept = (schema_type){.oid = f->oid, .fact = *f, .believed = '?'};
    return copy_all(&b->scratch,
                    (weir_slice *[]){&kept->fact.schema, &kept->fact.name, &kept->fact.extension},
                    3);
}

int weir_schema_add_function(weir_schema_builder *b, const weir_schema_function_fact *f)
{
    void *item;
    int r = add(b, &b->functions, sizeof(schema_function), &item);
    if (r < 0 || !item)
        return r;
    schema_function *kept = item;
    *kept = (schema_function){.oid = f->oid, .fact = *f, .trust = WEIR_TRUST_NONE};
    return copy_all(&b->scratch,
                    (weir_slice *[]){&kept->fact.schema, &kept->fact.name, &kept->fact.extension,
                                     &kept->fact.arguments},
                    4);
}

int weir_schema_add_operator(weir_schema_builder *b, const weir_schema_operator_fact *f)
{
    void *item;
    int r = add(b, &b->operators, sizeof(schema_operator), &item);
    if (r < 0 || !item)
        return r;
    schema_operator *kept = item;
    *kept = (schema_operator){.oid = f->oid, .fact = *f, .trust = WEIR_TRUST_NONE};
    return copy(&b->scratch, &kept->fact.name);
}

int weir_schema_add_rule(weir_schema_builder *b, uint32_t relation, char event, weir_slice tree)
{
    void *item;
    int r = add(b, &b->rules, sizeof(schema_rule), &item);
    if (r < 0 || !item)
        return r;
    schema_rule *kept = item;
    *kept = (schema_rule){.relation = relation, .event = event, .tree = tree};
    return copy(&b->scratch, &kept->tree);
}

static int add_pair(weir_schema_builder *b, weir_items *l, uint32_t from, uint32_t to)
{
    void *item;
    int r = add(b, l, sizeof(schema_pair), &item);
    if (r == 0 && item)
        *(schema_pair *)item = (schema_pair){from, to};
    return r;
}

int weir_schema_add_cast(weir_schema_builder *b, uint32_t source, uint32_t target,
                         uint32_t function)
{
    void *item;
    int r = add(b, &b->casts, sizeof(schema_cast), &item);
    if (r == 0 && item)
        *(schema_cast *)item = (schema_cast){function, source, target};
    return r;
}

int weir_schema_add_child(weir_schema_builder *b, uint32_t child, uint32_t parent)
{
    return add_pair(b, &b->children, child, parent);
}

int weir_schema_add_cascade(weir_schema_builder *b, uint32_t from, uint32_t to, bool updates)
{
    int r = updates ? add_pair(b, &b->updates, from, to) : 0;
    return r == 0 ? add_pair(b, &b->cascades, from, to) : r;
}

int weir_schema_add_member(weir_schema_builder *b, uint32_t member, uint32_t role)
{
    return add_pair(b, &b->members, member, role);
}

int weir_schema_add_namespace(weir_schema_builder *b, weir_slice name)
{
    void *item;
    int r = add(b, &b->namespaces, sizeof(weir_slice), &item);
    if (r < 0 || !item)
        return r;
    *(weir_slice *)item = name;
    return copy(&b->scratch, item);
}

int weir_schema_add_role(weir_schema_builder *b, const weir_schema_role_fact *f)
{
    void *item;
    int r = add(b, &b->roles, sizeof(schema_role), &item);
    if (r < 0 || !item)
        return r;
    schema_role *kept = item;
    *kept = (schema_role){.oid = f->oid, .fact = *f};
    return copy(&b->kept, &kept->fact.name);
}

int weir_schema_add_default(weir_schema_builder *b, const weir_server_default *d)
{
    void *item;
    int r = add(b, &b->defaults, sizeof(weir_server_default), &item);
    if (r < 0 || !item)
        return r;
    weir_server_default *kept = item;
    *kept = *d;
    return copy_all(&b->kept, (weir_slice *[]){&kept->database, &kept->role, &kept->setting}, 3);
}

int weir_schema_add_setting(weir_schema_builder *b, weir_slice name, weir_slice value)
{
    void *item;
    int r = add(b, &b->settings, sizeof(schema_setting), &item);
    if (r < 0 || !item)
        return r;
    schema_setting *kept = item;
    *kept = (schema_setting){name, value};
    return copy_all(&b->kept, (weir_slice *[]){&kept->name, &kept->value}, 2);
}

/* ---- what there is one of ---- */

int weir_schema_set_database(weir_schema_builder *b, weir_slice database, weir_slice user,
                             bool utf8)
{
    b->database = database;
    b->user = user;
    b->utf8 = utf8;
    return copy_all(&b->kept, (weir_slice *[]){&b->database, &b->user}, 2);
}

int weir_schema_set_publication(weir_schema_builder *b, weir_slice name)
{
    b->publication = name;
    return copy(&b->kept, &b->publication);
}

void weir_schema_set_event_trigger(weir_schema_builder *b)
{
    b->event_trigger = true;
}

void weir_schema_set_standby(weir_schema_builder *b)
{
    b->standby = true;
}

void weir_schema_set_fingerprint(weir_schema_builder *b, uint64_t schema, uint64_t defaults)
{
    static const weir_hash_seed seed = {{0x616d65686373, 0x746e697270}};
    uint64_t both[2] = {schema, defaults};
    b->fingerprint = weir_hash(seed, weir_slice_make(both, sizeof(both)));
    if (b->fingerprint == 0)
        b->fingerprint = 1;
}

void weir_schema_set_partial(weir_schema_builder *b, const char *words)
{
    if (b->partial[0] == '\0')
        b->partial = words;
}

void weir_schema_set_server(weir_schema_builder *b, const weir_server_catalog *server)
{
    b->server = server;
}
