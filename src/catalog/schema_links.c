/* What relations mean to each other: what reads, changes and inherits what, and whether answers
 * that depend on one may be kept.
 *
 *   children, parents   pg_inherits, both ways
 *   reads               a view: what its query names
 *   writes              a foreign key's action, a rule, a view to its tables, a table to its
 *                       children
 *   updates             of these, what an INSERT or UPDATE leads to: no action on deletes
 *
 * Lists of relations are gathered in one array and pointed into when it does not grow any more. */
#include "catalog/schema_internal.h"
#include <stdio.h>

#define LISTED_MAX 8000000u /* places in all lists together */

typedef struct span {
    uint32_t start, count;
} span;

typedef struct links {
    weir_schema_builder *b;
    weir_schema *s;
    schema_graph children, parents, reads, writes;
    schema_graph actions; /* of writes, those of foreign keys and rules */
    schema_graph updates, update_actions;
    weir_items child_pairs, parent_pairs, read_pairs, write_pairs, action_pairs; /* of places */
    weir_items update_pairs, update_action_pairs;
    schema_walk walk, family;
    span *ancestors, *read, *cascades;
    bool *ruled;      /* it has a rule that may delete */
    const char **why; /* of each view: what it calls; NULL: nothing ill */
} links;

static void links_fini(links *k)
{
    weir_schema_graph_fini(&k->children);
    weir_schema_graph_fini(&k->parents);
    weir_schema_graph_fini(&k->reads);
    weir_schema_graph_fini(&k->writes);
    weir_schema_graph_fini(&k->actions);
    weir_schema_graph_fini(&k->updates);
    weir_schema_graph_fini(&k->update_actions);
    weir_schema_walk_fini(&k->walk);
    weir_schema_walk_fini(&k->family);
    free(k->action_pairs.items);
    free(k->update_pairs.items);
    free(k->update_action_pairs.items);
    free(k->ruled);
    free(k->child_pairs.items);
    free(k->parent_pairs.items);
    free(k->read_pairs.items);
    free(k->write_pairs.items);
    free(k->ancestors);
    free(k->read);
    free(k->cascades);
    free(k->why);
}

/* ---- pairs of places ---- */

/* False: one of the two is not kept (a temporary table's). */
static bool place(const links *k, const schema_pair *oids, schema_pair *ret)
{
    ret->from = weir_schema_place_of(k->s, oids->from);
    ret->to = weir_schema_place_of(k->s, oids->to);
    return ret->from != WEIR_SCHEMA_NONE && ret->to != WEIR_SCHEMA_NONE;
}

static int put_pair(weir_items *l, uint32_t from, uint32_t to)
{
    void *item;
    int r = weir_items_add(l, sizeof(schema_pair), &item);
    if (r == 0)
        *(schema_pair *)item = (schema_pair){from, to};
    return r;
}

static int pair_children(links *k)
{
    const schema_pair *oids = k->b->children.items;
    int r = 0;
    for (uint32_t i = 0; i < k->b->children.count && r == 0; i++) {
        schema_pair p;
        if (!place(k, &oids[i], &p))
            continue;
        r = put_pair(&k->parent_pairs, p.from, p.to);
        if (r == 0)
            r = put_pair(&k->child_pairs, p.to, p.from);
        if (r == 0)
            r = put_pair(&k->write_pairs, p.to, p.from);
        if (r == 0)
            r = put_pair(&k->update_pairs, p.to, p.from);
    }
    return r;
}

/* Actions of foreign keys, into both. */
static int pair_actions(const links *k, const weir_items *of, weir_items *writes,
                        weir_items *actions)
{
    const schema_pair *oids = of->items;
    int r = 0;
    for (uint32_t i = 0; i < of->count && r == 0; i++) {
        schema_pair p;
        if (!place(k, &oids[i], &p))
            continue;
        r = put_pair(writes, p.from, p.to);
        if (r == 0)
            r = put_pair(actions, p.from, p.to);
    }
    return r;
}

/* A view reads what its tree names, and a write to it may be one to that; another rule writes. */
static int pair_rule(links *k, const schema_rule *rule)
{
    uint32_t at = weir_schema_place_of(k->s, rule->relation);
    weir_items named = {0};
    int r = 0;
    if (at == WEIR_SCHEMA_NONE)
        return 0;
    bool view = rule->event == '1';
    k->ruled[at] = k->ruled[at] || !view;
    const char *why = weir_schema_read_tree(k->b, rule, &named, &r);
    if (view && why)
        k->why[at] = why;
    const schema_pair *oids = named.items;
    for (uint32_t i = 0; i < named.count && r == 0; i++) {
        schema_pair p;
        if (!place(k, &oids[i], &p)) {
            if (view && !k->why[at])
                k->why[at] = "reads a relation that is not known";
            continue;
        }
        r = put_pair(&k->write_pairs, p.from, p.to);
        if (r == 0)
            r = put_pair(view ? &k->read_pairs : &k->action_pairs, p.from, p.to);
        if (r == 0 && view)
            r = put_pair(&k->update_pairs, p.from, p.to);
    }
    free(named.items);
    return r;
}

static int pair_all(links *k)
{
    const schema_rule *rules = k->b->rules.items;
    int r = pair_children(k);
    if (r == 0)
        r = pair_actions(k, &k->b->cascades, &k->write_pairs, &k->action_pairs);
    if (r == 0)
        r = pair_actions(k, &k->b->updates, &k->update_pairs, &k->update_action_pairs);
    for (uint32_t i = 0; i < k->b->rules.count && r == 0; i++)
        r = pair_rule(k, &rules[i]);
    return r;
}

static int make_graph(const links *k, schema_graph *g, const weir_items *pairs)
{
    return weir_schema_graph_init(g, k->s->count, pairs->items, pairs->count);
}

static int links_init(links *k, weir_schema_builder *b, weir_schema *s)
{
    size_t n = (size_t)s->count + 1;
    *k = (links){.b = b,
                 .s = s,
                 .ancestors = calloc(n, sizeof(span)),
                 .read = calloc(n, sizeof(span)),
                 .cascades = calloc(n, sizeof(span)),
                 .ruled = calloc(n, sizeof(bool)),
                 .why = calloc(n, sizeof(char *))};
    int r = k->ancestors && k->read && k->cascades && k->ruled && k->why ? 0 : -ENOMEM;
    if (r == 0)
        r = weir_schema_walk_init(&k->walk, s->count);
    if (r == 0)
        r = weir_schema_walk_init(&k->family, s->count);
    if (r == 0)
        r = pair_all(k);
    if (r == 0)
        r = make_graph(k, &k->children, &k->child_pairs);
    if (r == 0)
        r = make_graph(k, &k->parents, &k->parent_pairs);
    if (r == 0)
        r = make_graph(k, &k->reads, &k->read_pairs);
    if (r == 0)
        r = make_graph(k, &k->actions, &k->action_pairs);
    if (r == 0)
        r = make_graph(k, &k->updates, &k->update_pairs);
    if (r == 0)
        r = make_graph(k, &k->update_actions, &k->update_action_pairs);
    return r < 0 ? r : make_graph(k, &k->writes, &k->write_pairs);
}

/* ---- lists ---- */

/* The walk's places but for the first, those that `wanted` wants. Positive: there is no room. */
static int keep_walk(links *k, span *ret, bool (*wanted)(const links *k, uint32_t at))
{
    ret->start = k->s->lists.count;
    for (uint32_t i = 1; i < k->walk.count; i++) {
        void *item;
        if (wanted && !wanted(k, k->walk.found[i]))
            continue;
        if (k->s->lists.count >= LISTED_MAX) {
            k->s->lists.count = ret->start;
            return 1;
        }
        int r = weir_items_add(&k->s->lists, sizeof(uint32_t), &item);
        if (r < 0)
            return r;
        *(uint32_t *)item = k->walk.found[i];
    }
    ret->count = k->s->lists.count - ret->start;
    return 0;
}

static void walk_from(links *k, const schema_graph *g, uint32_t at)
{
    weir_schema_walk_begin(&k->walk);
    weir_schema_walk_add(&k->walk, at);
    weir_schema_walk_follow(&k->walk, g, 0);
}

static bool is_no_view(const links *k, uint32_t at)
{
    return k->s->relations[at].kind != WEIR_SCHEMA_VIEW;
}

/* Whether an action of something that the walk found changes it, or what is one with it. */
static bool comes_back(links *k, const schema_graph *actions, uint32_t at)
{
    schema_walk *family = &k->family;
    weir_schema_walk_begin(family);
    weir_schema_walk_add(family, at);
    weir_schema_walk_follow(family, &k->children, 0);
    weir_schema_walk_follow(family, &k->parents, 0);
    for (uint32_t i = 0; i < k->walk.count; i++) {
        uint32_t n = k->walk.found[i];
        for (uint32_t e = actions->starts[n]; e < actions->starts[n + 1]; e++)
            if (family->stamps[actions->targets[e]] == family->stamp)
                return true;
    }
    return false;
}

static void walk_writes(links *k, const schema_graph *g, uint32_t at)
{
    walk_from(k, g, at);
    weir_schema_walk_follow(&k->walk, &k->parents, k->walk.count > 1 ? 1 : k->walk.count);
}

/* A rule may delete, and so does an UPDATE that takes a row to another partition (before
 * PostgreSQL 15, with all that foreign keys do then). */
static bool update_may_delete(const links *k)
{
    bool may = false;
    for (uint32_t i = 0; i < k->walk.count && !may; i++) {
        uint32_t n = k->walk.found[i];
        may = k->ruled[n] || k->s->facts[n].partition || k->s->facts[n].kind == 'p';
    }
    return may;
}

/* What an UPDATE may change comes first in the list. */
static void put_updates_first(links *k, uint32_t at)
{
    weir_schema_relation *made = &k->s->relations[at];
    const span *all = &k->cascades[at];
    uint32_t *list = (uint32_t *)k->s->lists.items + all->start;
    walk_writes(k, &k->updates, at);
    made->update_comes_back = comes_back(k, &k->update_actions, at);
    if (update_may_delete(k)) {
        made->update_comes_back = made->comes_back;
        made->update_count = all->count;
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        uint32_t n = list[i];
        if (k->walk.stamps[n] != k->walk.stamp)
            continue;
        list[i] = list[made->update_count];
        list[made->update_count++] = n;
    }
}

/* Beyond the bound a write changes anything, and nothing is known of what is read. */
static int list_of(links *k, uint32_t at)
{
    weir_schema_relation *made = &k->s->relations[at];
    walk_from(k, &k->parents, at);
    int r = keep_walk(k, &k->ancestors[at], NULL);
    if (r > 0)
        weir_schema_set_partial(k->b, "partitions and children are too many to be listed");
    if (r < 0)
        return r;
    walk_from(k, &k->reads, at);
    r = keep_walk(k, &k->read[at], is_no_view);
    if (r > 0)
        k->why[at] = "reads too many relations";
    if (r < 0)
        return r;
    walk_writes(k, &k->writes, at);
    made->comes_back = comes_back(k, &k->actions, at);
    r = keep_walk(k, &k->cascades[at], NULL);
    if (r > 0)
        made->unknown_writes = true;
    if (r == 0)
        put_updates_first(k, at);
    return r < 0 ? r : 0;
}

static const uint32_t *list_at(const weir_schema *s, const span *p)
{
    return p->count > 0 ? (const uint32_t *)s->lists.items + p->start : NULL;
}

static void point_into_lists(links *k)
{
    for (uint32_t i = 0; i < k->s->count; i++) {
        weir_schema_relation *r = &k->s->relations[i];
        r->ancestors = list_at(k->s, &k->ancestors[i]);
        r->ancestor_count = k->ancestors[i].count;
        r->reads = list_at(k->s, &k->read[i]);
        r->read_count = k->read[i].count;
        r->cascades = list_at(k->s, &k->cascades[i]);
        r->cascade_count = k->cascades[i].count;
    }
}

/* ---- flaws ---- */

static int set_flaw(links *k, uint32_t at, weir_schema_flaw flaw, const char *words)
{
    weir_schema_relation *r = &k->s->relations[at];
    char text[700];
    if (r->flaw != WEIR_SCHEMA_SOUND)
        return 0;
    (void)snprintf(text, sizeof(text), "%.*s %s", (int)r->full.len, (const char *)r->full.data,
                   words);
    r->words = weir_arena_strdup(&k->b->kept, weir_slice_cstr(text));
    if (!r->words)
        return -ENOMEM;
    r->flaw = flaw;
    return 0;
}

/* Listed by itself, or, as a partition, through what it is a partition of. */
static bool is_published(links *k, uint32_t at, bool *ret_whole)
{
    const weir_schema_relation_fact *f = &k->s->facts[at];
    bool published = false;
    *ret_whole = true;
    weir_schema_walk_begin(&k->walk);
    weir_schema_walk_add(&k->walk, at);
    if (f->partition)
        weir_schema_walk_follow(&k->walk, &k->parents, 0);
    for (uint32_t i = 0; i < k->walk.count; i++) {
        const weir_schema_relation_fact *up = &k->s->facts[k->walk.found[i]];
        published = published || up->published;
        *ret_whole = *ret_whole && (!up->published || up->whole);
    }
    return published;
}

static int judge_table(links *k, uint32_t at)
{
    const weir_schema_relation_fact *f = &k->s->facts[at];
    bool whole;
    if (f->persistence == 'u')
        return set_flaw(k, at, WEIR_SCHEMA_UNLOGGED, "is unlogged: its changes are not reported");
    if (!f->identity)
        return set_flaw(k, at, WEIR_SCHEMA_NO_IDENTITY,
                        "has no usable replica identity (a primary key would be one)");
    if (!is_published(k, at, &whole))
        return set_flaw(k, at, WEIR_SCHEMA_UNPUBLISHED,
                        k->s->publication.len > 0
                            ? "is not in the publication: its changes are not reported"
                            : "is not published: there is no publication of weir's");
    return whole ? 0
                 : set_flaw(k, at, WEIR_SCHEMA_UNPUBLISHED,
                            "is published in parts only (a filter, some columns, some operations)");
}

/* Of itself, without what it reads or has below it. */
static int judge(links *k, uint32_t at)
{
    const weir_schema_relation_fact *f = &k->s->facts[at];
    if (weir_schema_is_builtin(f->oid) || weir_slice_eq_cstr(f->schema, "pg_catalog") ||
        weir_slice_eq_cstr(f->schema, "information_schema"))
        return set_flaw(k, at, WEIR_SCHEMA_SYSTEM, "is the server's own");
    switch (f->kind) {
    case 'r':
        return judge_table(k, at);
    case 'p':
        return 0; /* its rows are its partitions' */
    case 'v':
        return k->why[at] ? set_flaw(k, at, WEIR_SCHEMA_DISBELIEVED, k->why[at]) : 0;
    case 'S':
        return set_flaw(k, at, WEIR_SCHEMA_SYSTEM, "is a sequence");
    case 'm':
        return set_flaw(k, at, WEIR_SCHEMA_UNPUBLISHED,
                        "is a materialized view: its changes are not reported");
    case 'f':
        return set_flaw(k, at, WEIR_SCHEMA_UNLOGGED,
                        "is a foreign table: its changes are not reported");
    default:
        return set_flaw(k, at, WEIR_SCHEMA_UNLOGGED, "is not of a kind that is reported");
    }
}

/* The first ill one of those that the walk found makes it ill as well, in that one's words. */
static void inherit_flaw(links *k, uint32_t at)
{
    weir_schema_relation *r = &k->s->relations[at];
    for (uint32_t i = 1; i < k->walk.count && r->flaw == WEIR_SCHEMA_SOUND; i++) {
        const weir_schema_relation *of = &k->s->relations[k->walk.found[i]];
        r->flaw = of->flaw;
        r->words = of->words;
    }
}

static bool has_edges(const schema_graph *g, uint32_t at)
{
    return g->starts[at + 1] > g->starts[at];
}

/* Row-level security counts where a relation is named, not in its children: so it comes between
 * what tables have of their children, and what views have of tables. */
static int judge_all(links *k)
{
    int r = 0;
    for (uint32_t i = 0; i < k->s->count && r == 0; i++)
        r = judge(k, i);
    for (uint32_t i = 0; i < k->s->count && r == 0; i++)
        if (has_edges(&k->children, i)) {
            walk_from(k, &k->children, i);
            inherit_flaw(k, i);
        }
    for (uint32_t i = 0; i < k->s->count && r == 0; i++)
        if (k->s->facts[i].policies)
            r = set_flaw(k, i, WEIR_SCHEMA_POLICIES, "has row-level security");
    for (uint32_t i = 0; i < k->s->count && r == 0; i++)
        if (has_edges(&k->reads, i)) {
            walk_from(k, &k->reads, i);
            inherit_flaw(k, i);
        }
    return r;
}

/* ---- keys ---- */

static weir_schema_column *column_of(const weir_schema_relation *r, weir_slice name, uint32_t hint)
{
    weir_schema_column *columns = (weir_schema_column *)(uintptr_t)r->columns;
    if (hint < r->column_count && weir_slice_eq(columns[hint].name, name))
        return &columns[hint];
    for (uint32_t i = 0; i < r->column_count; i++)
        if (weir_slice_eq(columns[i].name, name))
            return &columns[i];
    return NULL;
}

/* A key of a table is one of all that it has below it. */
static void narrow_keys(links *k, uint32_t at)
{
    const weir_schema_relation *r = &k->s->relations[at];
    walk_from(k, &k->parents, at);
    for (uint32_t i = 1; i < k->walk.count; i++) {
        const weir_schema_relation *up = &k->s->relations[k->walk.found[i]];
        for (uint32_t c = 0; c < up->column_count; c++) {
            weir_schema_column *of = column_of(up, up->columns[c].name, c);
            const weir_schema_column *own = column_of(r, of->name, c);
            if (!own || own->key != of->key)
                of->key = WEIR_KEY_NONE;
        }
    }
}

/* ---- all of it ---- */

static bool may_write_anything(const links *k, const weir_schema_relation *r)
{
    const weir_server_catalog *server = k->b->server;
    return !server || !weir_server_is_whole(server) ||
           ((weir_server_find_relation(server, weir_server_name(r->name), true) |
             weir_server_everywhere(server)) &
            WEIR_SERVER_WRITES) != 0;
}

int weir_schema_link(weir_schema_builder *b, weir_schema *s)
{
    links k;
    int r = links_init(&k, b, s);
    for (uint32_t i = 0; i < s->count && r == 0; i++) {
        s->relations[i].has_descendants = has_edges(&k.children, i);
        s->relations[i].unknown_writes = may_write_anything(&k, &s->relations[i]);
        s->relations[i].alters = s->facts[i].alters;
        narrow_keys(&k, i);
        r = list_of(&k, i);
    }
    if (r == 0)
        r = judge_all(&k);
    if (r == 0)
        point_into_lists(&k);
    links_fini(&k);
    return r;
}
