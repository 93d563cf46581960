/* Name resolution, exact or not at all: as SQLite's lookupName (src/resolve.c) does it, from the
 * FROM of the name's own level outward. Wherever a FROM item's columns are not known, or two have
 * the name, the answer is that nobody knows. */
#include "sql/columns.h"

void weir_columns_bind(weir_query *query, const weir_catalog *catalog)
{
    for (weir_query *q = query; q; q = q->next) {
        for (weir_level *l = q->levels; l; l = l->next) {
            for (weir_from *f = l->leaves; f; f = f->next_leaf) {
                bool main = f->schema.len == 0 || weir_slice_eq_nocase(f->schema, "main");
                f->info = f->kind == WEIR_FROM_RELATION && main
                              ? weir_catalog_find(catalog, f->name)
                              : NULL;
            }
        }
    }
}

/* One SELECT whose rows are those of its FROM and WHERE, one for one. */
static bool is_plain(const weir_query *query)
{
    const weir_level *l = query->levels;
    return !l->next && !query->limited && !l->values && !l->aggregate && !l->grouped &&
           !l->distinct && !l->window;
}

static bool is_rowid(weir_slice name)
{
    return weir_slice_eq_nocase(name, "rowid") || weir_slice_eq_nocase(name, "oid") ||
           weir_slice_eq_nocase(name, "_rowid_");
}

static weir_lookup rowid_of(const weir_from *leaf, weir_column *ret)
{
    if (!leaf->info || leaf->info->kind != WEIR_RELATION_TABLE || !leaf->info->rowid)
        return WEIR_LOOKUP_UNSURE;
    weir_slice alias = leaf->info->rowid_alias;
    *ret = (weir_column){.leaf = leaf,
                         .name = alias.len > 0 ? alias : WEIR_SLICE_LIT("rowid"),
                         .type = WEIR_KEY_SQLITE_NUMERIC};
    return WEIR_LOOKUP_FOUND;
}

static weir_lookup of_relation(const weir_from *leaf, weir_slice name, weir_column *ret)
{
    const weir_relation_info *info = leaf->info;
    if (!info || (info->kind != WEIR_RELATION_TABLE && info->kind != WEIR_RELATION_VIEW))
        return WEIR_LOOKUP_UNSURE;
    const weir_column_info *column = weir_relation_column(info, name);
    if (!column)
        return WEIR_LOOKUP_ABSENT;
    weir_key_type type = info->kind == WEIR_RELATION_TABLE ? column->key : WEIR_KEY_NONE;
    *ret = (weir_column){.leaf = leaf, .name = column->name, .type = type};
    return WEIR_LOOKUP_FOUND;
}

/* ---- what a subquery gives ---- */

/* How many columns of the name `*` gives; those with a qualifier of one leaf only. */
static weir_lookup of_star(const weir_level *level, weir_slice qualifier, weir_slice name,
                           unsigned *steps, weir_column *ret)
{
    weir_lookup found = WEIR_LOOKUP_ABSENT;
    if (level->merges)
        return WEIR_LOOKUP_UNSURE;
    for (const weir_from *f = level->leaves; f; f = f->next_leaf) {
        if (qualifier.len > 0 && !weir_ascii_eq(f->alias, qualifier))
            continue;
        weir_lookup here = weir_columns_of_leaf(f, name, steps, ret);
        if (here == WEIR_LOOKUP_UNSURE || (here == WEIR_LOOKUP_FOUND && found == here))
            return WEIR_LOOKUP_UNSURE;
        if (here == WEIR_LOOKUP_FOUND)
            found = here;
    }
    return found;
}

/* `inside`: the column that it is; its leaf NULL where it is none. */
static weir_lookup of_output(const weir_level *level, const weir_output *o, weir_slice name,
                             unsigned *steps, weir_column *inside)
{
    weir_columns columns;
    if (o->star)
        return of_star(level, o->value.qualifier, name, steps, inside);
    if (o->name.len == 0)
        return WEIR_LOOKUP_UNSURE;
    if (!weir_ascii_eq(o->name, name))
        return WEIR_LOOKUP_ABSENT;
    if (o->value.kind == WEIR_OPERAND_COLUMN &&
        weir_columns_resolve(level, &o->value, steps, &columns) && columns.count == 1)
        *inside = columns.items[0];
    return WEIR_LOOKUP_FOUND;
}

static weir_lookup of_query(const weir_query *query, weir_slice name, unsigned *steps,
                            weir_column *inside)
{
    const weir_level *level = query->levels;
    weir_lookup found = WEIR_LOOKUP_ABSENT;
    if (level->values)
        return WEIR_LOOKUP_UNSURE;
    for (const weir_output *o = level->outputs; o; o = o->next) {
        weir_column one = {.leaf = NULL};
        weir_lookup here = of_output(level, o, name, steps, &one);
        if (here == WEIR_LOOKUP_UNSURE || (here == WEIR_LOOKUP_FOUND && found == here))
            return WEIR_LOOKUP_UNSURE;
        if (here == WEIR_LOOKUP_FOUND) {
            found = here;
            *inside = one;
        }
    }
    return found;
}

bool weir_columns_inside(const weir_query *query, weir_slice name, unsigned *steps,
                         weir_column *ret)
{
    weir_column inside = {.leaf = NULL};
    if (!is_plain(query) || of_query(query, name, steps, &inside) != WEIR_LOOKUP_FOUND ||
        !inside.leaf || inside.leaf->level != query->levels)
        return false;
    *ret = inside;
    return true;
}

static weir_lookup of_derived(const weir_from *leaf, weir_slice name, unsigned *steps,
                              weir_column *ret)
{
    weir_column inside = {.leaf = NULL};
    weir_lookup found = of_query(leaf->query, name, steps, &inside);
    *ret = (weir_column){.leaf = leaf, .name = name, .type = WEIR_KEY_NONE};
    if (found == WEIR_LOOKUP_FOUND && inside.leaf && is_plain(leaf->query))
        ret->type = inside.type;
    return found;
}

/* Nothing is concluded through a CTE's columns: it may be recursive. */
static weir_lookup of_cte(const weir_from *leaf, weir_slice name, unsigned *steps, weir_column *ret)
{
    weir_column inside = {.leaf = NULL};
    *ret = (weir_column){.leaf = leaf, .name = name, .type = WEIR_KEY_NONE};
    if (!leaf->cte->columns)
        return of_query(leaf->cte->query, name, steps, &inside);
    for (const weir_name *n = leaf->cte->columns; n; n = n->next) {
        if (weir_ascii_eq(n->text, name))
            return WEIR_LOOKUP_FOUND;
    }
    return WEIR_LOOKUP_ABSENT;
}

weir_lookup weir_columns_of_leaf(const weir_from *leaf, weir_slice name, unsigned *steps,
                                 weir_column *ret)
{
    if (*steps >= WEIR_COLUMNS_STEPS_MAX)
        return WEIR_LOOKUP_UNSURE;
    ++*steps;
    switch (leaf->kind) {
    case WEIR_FROM_RELATION:
        return of_relation(leaf, name, ret);
    case WEIR_FROM_CTE:
        return of_cte(leaf, name, steps, ret);
    case WEIR_FROM_DERIVED:
        return of_derived(leaf, name, steps, ret);
    case WEIR_FROM_FUNCTION:
    case WEIR_FROM_JOIN:
        break;
    }
    return WEIR_LOOKUP_UNSURE;
}

/* ---- names in expressions ---- */

static weir_lookup qualified(const weir_level *level, const weir_from *until, const weir_operand *o,
                             unsigned *steps, weir_columns *ret)
{
    const weir_from *leaf = NULL;
    for (const weir_from *f = level->leaves; f && f != until; f = f->next_leaf) {
        if (!weir_ascii_eq(f->alias, o->qualifier))
            continue;
        if (leaf)
            return WEIR_LOOKUP_UNSURE;
        leaf = f;
    }
    if (!leaf)
        return WEIR_LOOKUP_ABSENT;
    weir_lookup found = weir_columns_of_leaf(leaf, o->name, steps, &ret->items[0]);
    if (found == WEIR_LOOKUP_ABSENT && is_rowid(o->name))
        found = rowid_of(leaf, &ret->items[0]);
    ret->count = 1;
    return found == WEIR_LOOKUP_FOUND ? found : WEIR_LOOKUP_UNSURE;
}

/* The join whose right side is this leaf. */
static const weir_from *join_of(const weir_from *from, const weir_from *leaf)
{
    while (from && from->kind == WEIR_FROM_JOIN && from->right != leaf)
        from = from->left;
    return from && from->kind == WEIR_FROM_JOIN ? from : NULL;
}

static bool merges(const weir_from *join, weir_slice name)
{
    for (const weir_name *n = join->merged; n; n = n->next) {
        if (weir_ascii_eq(n->text, name))
            return true;
    }
    return join->natural;
}

/* A second leaf that has the name. False: ambiguous. */
static bool merge(const weir_level *level, const weir_column *column, weir_slice name,
                  weir_columns *ret)
{
    const weir_from *join = level->nested ? NULL : join_of(level->from, column->leaf);
    if (!join || !merges(join, name))
        return false;
    if (join->join == WEIR_JOIN_RIGHT)
        ret->count = 0;
    else if (join->join != WEIR_JOIN_FULL)
        return true;
    if (ret->count == WEIR_MERGED_MAX)
        return false;
    ret->items[ret->count++] = *column;
    return true;
}

/* An output may go by the name too, and hides what is further out. */
static bool is_output(const weir_level *level, weir_slice name)
{
    for (const weir_output *o = level->outputs; o; o = o->next) {
        if (!o->star && weir_ascii_eq(o->name, name))
            return true;
    }
    return false;
}

static weir_lookup unqualified(const weir_level *level, const weir_from *until,
                               const weir_operand *o, unsigned *steps, weir_columns *ret)
{
    ret->count = 0;
    for (const weir_from *f = level->leaves; f && f != until; f = f->next_leaf) {
        weir_column column;
        weir_lookup found = weir_columns_of_leaf(f, o->name, steps, &column);
        if (found == WEIR_LOOKUP_UNSURE)
            return found;
        if (found == WEIR_LOOKUP_ABSENT)
            continue;
        if (ret->count == 0)
            ret->items[ret->count++] = column;
        else if (!merge(level, &column, o->name, ret))
            return WEIR_LOOKUP_UNSURE;
    }
    if (ret->count > 0)
        return WEIR_LOOKUP_FOUND;
    if (level->leaves && level->leaves != until && is_rowid(o->name)) {
        ret->count = 1;
        return level->leaves->next_leaf ? WEIR_LOOKUP_UNSURE
                                        : rowid_of(level->leaves, &ret->items[0]);
    }
    return is_output(level, o->name) ? WEIR_LOOKUP_UNSURE : WEIR_LOOKUP_ABSENT;
}

bool weir_columns_resolve(const weir_level *level, const weir_operand *operand, unsigned *steps,
                          weir_columns *ret)
{
    const weir_from *until = NULL;
    for (; level; until = level->query->until, level = level->query->outer) {
        weir_lookup found = operand->qualifier.len > 0
                                ? qualified(level, until, operand, steps, ret)
                                : unqualified(level, until, operand, steps, ret);
        if (found != WEIR_LOOKUP_ABSENT)
            return found == WEIR_LOOKUP_FOUND;
    }
    return false;
}
