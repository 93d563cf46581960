/* A list of dependencies without repetitions: one that a whole relation covers is left out. */
#include "sql/dependencies.h"

void weir_dependencies_init(weir_dependencies *d, weir_arena *arena)
{
    d->arena = arena;
    d->count = 0;
    d->too_many = d->out_of_memory = false;
}

bool weir_dependencies_has(const weir_dependencies *d, weir_slice relation)
{
    uint64_t id = weir_relation_id(relation);
    for (size_t i = 0; i < d->count; i++) {
        if (d->items[i].relation == id)
            return true;
    }
    return false;
}

static bool is_covered(const weir_dependencies *d, const weir_read_dependency *by)
{
    for (size_t i = 0; i < d->count; i++) {
        const weir_read_dependency *item = &d->items[i];
        if (item->relation != by->relation)
            continue;
        if (item->column == 0 || (item->column == by->column && item->place == by->place &&
                                  item->negated == by->negated))
            return true;
    }
    return false;
}

static void drop_keys(weir_dependencies *d, uint64_t relation)
{
    uint16_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->items[i].relation != relation)
            d->items[kept++] = d->items[i];
    }
    d->count = kept;
}

static const char *keep(weir_dependencies *d, weir_slice name)
{
    const char *copy = weir_arena_strdup(d->arena, name);
    if (!copy)
        d->out_of_memory = true;
    return copy;
}

static void add(weir_dependencies *d, weir_read_dependency *item, weir_slice relation,
                weir_slice column)
{
    if (is_covered(d, item))
        return;
    if (item->column == 0)
        drop_keys(d, item->relation);
    if (d->count == WEIR_DEPENDENCIES_MAX) {
        d->too_many = true;
        return;
    }
    item->relation_name = keep(d, relation);
    item->column_name = keep(d, column);
    d->items[d->count++] = *item;
}

void weir_dependencies_add_whole(weir_dependencies *d, weir_slice relation, const char *why)
{
    weir_read_dependency item = {
        .relation = weir_relation_id(relation), .place = WEIR_PLACE_NONE, .why = why};
    add(d, &item, relation, WEIR_SLICE_LIT(""));
}

void weir_dependencies_add_key(weir_dependencies *d, weir_slice relation, weir_slice column,
                               const weir_read_dependency *key)
{
    weir_read_dependency item = *key;
    item.relation = weir_relation_id(relation);
    item.column = weir_column_id(item.relation, column);
    add(d, &item, relation, column);
}
