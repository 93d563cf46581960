/* Rows to ids. A relation's plan says where in its rows the tracked columns are: its own, and those
 * of what it is a partition or child of, which have the same names.
 *
 *   Relation message, ancestors, tracked columns ──► plan ── row ──► ids
 *
 * When something is in doubt the column stands for its values, then everything. */
#include "backend/postgres/follow_changes.h"
#include "catalog/key.h"
#include <stdlib.h>

#define IDS_MAX ((size_t)1 << 20)
#define RELATIONS_MAX ((size_t)1 << 20)
#define ANCESTORS_MAX 64u
#define IDENTITY_MAX 8u /* columns of one relation that are asked for by themselves */
#define NAME_MAX_BYTES 512u
#define INDEX_UNKNOWN UINT32_MAX

typedef struct column {
    weir_slice name; /* in the relation's own memory */
    uint32_t type;
    bool key;
} column;

typedef struct probe {
    uint64_t column; /* its id */
    uint32_t index;  /* in the rows; INDEX_UNKNOWN: it is not sent */
} probe;

typedef struct relation {
    uint32_t oid;
    uint32_t planned; /* pg_changes.plans when the plan was made; 0: never */
    uint8_t identity;
    bool ancestors_known;
    uint64_t ids[1 + ANCESTORS_MAX]; /* its own, then its ancestors' */
    unsigned id_count;
    probe *probes;
    size_t probe_count;
    uint16_t column_count;
    weir_slice described; /* the Relation message's columns, as a copy behind them */
    column columns[];
} relation;

void pg_changes_init(pg_changes *c, weir_hash_seed seed)
{
    *c = (pg_changes){.plans = 1};
    weir_map_init(&c->relations, seed, RELATIONS_MAX);
    weir_id_set_init(&c->set, IDS_MAX);
}

static void relation_free(relation *r)
{
    if (r)
        free(r->probes);
    free(r);
}

void pg_changes_forget_relations(pg_changes *c)
{
    weir_hash_seed seed = c->relations.seed;
    size_t pos = 0;
    for (relation *r; (r = weir_map_next(&c->relations, &pos));)
        relation_free(r);
    weir_map_fini(&c->relations);
    weir_map_init(&c->relations, seed, RELATIONS_MAX);
}

void pg_changes_fini(pg_changes *c)
{
    pg_changes_forget_relations(c);
    weir_map_fini(&c->relations);
    weir_id_set_fini(&c->set);
    free(c->tracked);
}

/* ---- tracked columns ---- */

static void on_tracked(void *user, uint64_t relation_id, uint64_t column_id,
                       weir_slice relation_name, weir_slice column_name)
{
    (void)relation_name;
    (void)column_name;
    pg_changes *c = user;
    if (c->tracked_count == c->tracked_cap && !c->untracked) {
        size_t cap = c->tracked_cap ? c->tracked_cap * 2 : 16;
        pg_tracked *tracked = realloc(c->tracked, cap * sizeof(*tracked));
        c->untracked = !tracked;
        if (tracked) {
            c->tracked = tracked;
            c->tracked_cap = cap;
        }
    }
    if (!c->untracked)
        c->tracked[c->tracked_count++] = (pg_tracked){relation_id, column_id};
}

/* If it fails everything is reported until a later try succeeds, so what was confirmed holds. */
bool pg_changes_track(pg_changes *c, const weir_follower *follower)
{
    uint64_t serial = follower->track_serial(follower->user);
    if (serial == c->serial)
        return false;
    c->tracked_count = 0;
    c->untracked = false;
    c->plans++;
    follower->each_tracked(follower->user, on_tracked, c);
    if (!c->untracked)
        c->serial = serial;
    return !c->untracked;
}

/* By pg_type.oid: the types whose values have canonical bytes (DESIGN section 4). A domain is none
 * of them. */
static weir_key_type key_type(uint32_t type)
{
    switch (type) {
    case 16:
        return WEIR_KEY_PG_BOOL;
    case 20:
    case 21:
    case 23:
        return WEIR_KEY_PG_INTEGER;
    case 25:
    case 1043:
        return WEIR_KEY_PG_TEXT;
    case 1082:
        return WEIR_KEY_PG_DATE;
    case 2950:
        return WEIR_KEY_PG_UUID;
    default:
        return WEIR_KEY_NONE;
    }
}

/* ---- relations ---- */

static weir_slice key_of(const uint32_t *oid)
{
    return weir_slice_make(oid, sizeof(*oid));
}

static relation *find(const pg_changes *c, uint32_t oid)
{
    return weir_map_find(&c->relations, key_of(&oid));
}

/* Each part of a name is at most 63 bytes, on a server built otherwise more. */
static weir_slice full_name(weir_slice schema, weir_slice name, uint8_t full[NAME_MAX_BYTES])
{
    if (schema.len == 0)
        schema = WEIR_SLICE_LIT("pg_catalog");
    if (schema.len + 1 + name.len > NAME_MAX_BYTES)
        return name;
    memcpy(full, schema.data, schema.len);
    full[schema.len] = '.';
    if (name.len > 0)
        memcpy(full + schema.len + 1, name.data, name.len);
    return weir_slice_make(full, schema.len + 1 + name.len);
}

static uint64_t id_of_name(weir_slice schema, weir_slice name)
{
    uint8_t full[NAME_MAX_BYTES];
    return weir_relation_id(full_name(schema, name, full));
}

static relation *describe(const weir_pg_change *m)
{
    size_t count = m->u.relation.count;
    weir_slice text = m->u.relation.columns;
    relation *r = calloc(1, sizeof(*r) + count * sizeof(r->columns[0]) + text.len);
    if (!r)
        return NULL;
    uint8_t *copy = (uint8_t *)&r->columns[count];
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    r->described = weir_slice_make(copy, text.len);
    r->oid = m->u.relation.oid;
    r->identity = m->u.relation.identity;
    r->ids[r->id_count++] = id_of_name(m->u.relation.schema, m->u.relation.name);
    weir_pg_relation_column col;
    for (size_t pos = 0; weir_pg_relation_column_next(r->described, &pos, &col);)
        r->columns[r->column_count++] = (column){col.name, col.type, col.key};
    return r;
}

/* Rows of it, or of what it is, have changed in a way that nobody knows. */
static void add_wholly(pg_changes *c, const relation *r)
{
    for (unsigned i = 0; i < r->id_count; i++) {
        weir_id_set_add(&c->set, r->ids[i]);
        for (size_t t = 0; t < c->tracked_count; t++)
            if (c->tracked[t].relation == r->ids[i])
                weir_id_set_add(&c->set, c->tracked[t].column);
    }
    c->set.everything |= c->untracked;
}

static bool same(const relation *a, const relation *b)
{
    return a->ids[0] == b->ids[0] && a->identity == b->identity &&
           weir_slice_eq(a->described, b->described);
}

/* Sent before the first row of each relation, and again when it was changed, or somebody thinks
 * so. */
int pg_changes_relation(pg_changes *c, const weir_pg_change *message)
{
    relation *r = describe(message);
    if (!r)
        return -ENOMEM;
    void *old = NULL;
    int e = weir_map_put(&c->relations, key_of(&r->oid), r, &old);
    if (e != 0) {
        relation_free(r);
        return e == WEIR_MAP_FULL ? -ENOSPC : e;
    }
    const relation *before = old;
    if (before) { /* its ancestors are asked for anew, and hold beside those */
        for (unsigned i = 1; i < before->id_count; i++)
            r->ids[r->id_count++] = before->ids[i];
        if (!same(before, r)) {
            add_wholly(c, before);
            add_wholly(c, r);
        }
    }
    relation_free(old);
    return 0;
}

static bool is_changed(const pg_changes *c, uint64_t id)
{
    return c->set.everything || weir_id_set_has(&c->set, id);
}

bool pg_changes_ask_identity(const pg_changes *c, const weir_pg_change *message,
                             const weir_follower *follower)
{
    uint8_t name[NAME_MAX_BYTES];
    weir_pg_relation_column col;
    weir_slice full = full_name(message->u.relation.schema, message->u.relation.name, name);
    uint64_t id = weir_relation_id(full);
    unsigned asked = 0;
    if (find(c, message->u.relation.oid) || is_changed(c, id))
        return false;
    for (size_t pos = 0; asked < IDENTITY_MAX &&
                         weir_pg_relation_column_next(message->u.relation.columns, &pos, &col);) {
        if (!col.key || key_type(col.type) == WEIR_KEY_NONE)
            continue;
        follower->track(follower->user, id, weir_column_id(id, col.name), full, col.name);
        asked++;
    }
    return asked > 0;
}

void pg_changes_forget_ancestors(pg_changes *c)
{
    size_t pos = 0;
    for (relation *r; (r = weir_map_next(&c->relations, &pos));)
        r->ancestors_known = false;
}

static bool has_id(const relation *r, uint64_t id)
{
    for (unsigned i = 0; i < r->id_count; i++)
        if (r->ids[i] == id)
            return true;
    return false;
}

int pg_changes_ancestors(pg_changes *c, uint32_t oid, const weir_slice *names, size_t count)
{
    relation *r = find(c, oid);
    if (!r)
        return 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id = weir_relation_id(names[i]);
        if (has_id(r, id))
            continue;
        if (r->id_count == sizeof(r->ids) / sizeof(r->ids[0]))
            return -ENOMEM;
        r->ids[r->id_count++] = id;
    }
    r->ancestors_known = true;
    r->planned = 0;
    return 0;
}

static bool is_unknown(const pg_changes *c, uint32_t oid)
{
    const relation *r = find(c, oid);
    return r && !r->ancestors_known;
}

uint32_t pg_changes_unknown(const pg_changes *c, const weir_pg_change *message)
{
    if (message->kind != WEIR_PG_CHANGE_TRUNCATE)
        return is_unknown(c, message->u.row.oid) ? message->u.row.oid : 0;
    for (uint32_t i = 0; i < message->u.truncate.count; i++) {
        uint32_t oid = weir_pg_truncated(message->u.truncate.oids, i);
        if (is_unknown(c, oid))
            return oid;
    }
    return 0;
}

/* ---- plans ---- */

static uint32_t index_of(const relation *r, uint64_t relation_id, uint64_t column_id)
{
    for (uint32_t i = 0; i < r->column_count; i++)
        if (weir_column_id(relation_id, r->columns[i].name) == column_id)
            return i;
    return INDEX_UNKNOWN;
}

static bool plan(const pg_changes *c, relation *r)
{
    size_t count = 0;
    if (r->planned == c->plans)
        return true;
    for (size_t t = 0; t < c->tracked_count; t++)
        count += has_id(r, c->tracked[t].relation);
    probe *probes = realloc(r->probes, (count + 1) * sizeof(*probes));
    if (!probes)
        return false;
    r->probes = probes;
    r->probe_count = 0;
    for (size_t t = 0; t < c->tracked_count; t++) {
        const pg_tracked *want = &c->tracked[t];
        if (has_id(r, want->relation))
            probes[r->probe_count++] =
                (probe){want->column, index_of(r, want->relation, want->column)};
    }
    r->planned = c->plans;
    return true;
}

/* ---- values ---- */

static void add_value(pg_changes *c, const probe *p, const column *col,
                      const weir_pg_tuple_value *v)
{
    uint64_t id;
    if (v->kind == WEIR_PG_VALUE_NULL)
        return; /* equal to nothing */
    if (v->kind == WEIR_PG_VALUE_TEXT && c->set.count < PG_CHANGES_VALUES_MAX &&
        weir_key_of_pg_row(p->column, key_type(col->type), v->bytes, &id) == 0)
        weir_id_set_add(&c->set, id);
    else
        weir_id_set_add(&c->set, p->column);
}

/* ---- rows ---- */

static bool value_at(weir_pg_tuple t, uint32_t index, weir_pg_tuple_value *ret)
{
    size_t pos = 0;
    for (uint32_t i = 0; weir_pg_tuple_next(t.values, &pos, ret); i++)
        if (i == index)
            return true;
    return false;
}

/* The value before; false: it is not known. Without an old row the identity has not changed, and
 * with the key alone all else is sent as NULL. A whole identity always sends an old row. */
static bool old_value(const relation *r, const weir_pg_change *m, uint32_t index,
                      weir_pg_tuple_value *ret)
{
    weir_pg_old kind = m->u.row.old_kind;
    if (kind == WEIR_PG_OLD_WHOLE)
        return value_at(m->u.row.old, index, ret);
    if (!r->columns[index].key)
        return false;
    if (kind == WEIR_PG_OLD_KEY)
        return value_at(m->u.row.old, index, ret) && ret->kind != WEIR_PG_VALUE_NULL;
    return r->identity != 'f' && value_at(m->u.row.new, index, ret);
}

static void add_column(pg_changes *c, const relation *r, const probe *p, const weir_pg_change *m)
{
    weir_pg_tuple_value value;
    bool has_old = m->kind != WEIR_PG_CHANGE_INSERT;
    bool has_new = m->kind != WEIR_PG_CHANGE_DELETE;
    if (p->index == INDEX_UNKNOWN) {
        weir_id_set_add(&c->set, p->column);
        return;
    }
    const column *col = &r->columns[p->index];
#ifdef WEIR_TEST_FAULT_FOLLOW_NEW_ALONE
    has_old = has_old && !has_new;
#endif
    if (has_old && old_value(r, m, p->index, &value))
        add_value(c, p, col, &value);
    else if (has_old)
        weir_id_set_add(&c->set, p->column);
    if (has_new && value_at(m->u.row.new, p->index, &value))
        add_value(c, p, col, &value);
    else if (has_new)
        weir_id_set_add(&c->set, p->column);
}

void pg_changes_row(pg_changes *c, const weir_pg_change *message)
{
    relation *r = find(c, message->u.row.oid);
    if (!r || c->untracked || !plan(c, r)) {
        c->set.everything = true;
        return;
    }
    for (unsigned i = 0; i < r->id_count; i++)
        weir_id_set_add(&c->set, r->ids[i]);
    for (size_t i = 0; i < r->probe_count && !c->set.everything; i++)
        add_column(c, r, &r->probes[i], message);
}

void pg_changes_truncate(pg_changes *c, const weir_pg_change *message)
{
    for (uint32_t i = 0; i < message->u.truncate.count; i++) {
        const relation *r = find(c, weir_pg_truncated(message->u.truncate.oids, i));
        c->set.everything |= !r;
        if (r)
            add_wholly(c, r);
    }
}
