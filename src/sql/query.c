/* Questions about a query's tree. */
#include "sql/query.h"

bool weir_query_has_cte(const weir_query *query, weir_slice name)
{
    for (const weir_query *q = query; q; q = q->next) {
        for (const weir_cte *c = q->ctes; c; c = c->next) {
            if (weir_ascii_eq(c->name, name))
                return true;
        }
    }
    return false;
}

/* Whether `test` holds for any leaf of any FROM. */
static bool any_leaf(const weir_query *query, bool (*test)(const weir_from *leaf, const void *user),
                     const void *user)
{
    for (const weir_query *q = query; q; q = q->next) {
        for (const weir_level *l = q->levels; l; l = l->next) {
            for (const weir_from *f = l->leaves; f; f = f->next_leaf) {
                if (test(f, user))
                    return true;
            }
        }
    }
    return false;
}

static bool has_prefix(const weir_from *leaf, const void *user)
{
    size_t n = strlen(user);
    return leaf->name.len >= n && weir_slice_eq_nocase(weir_slice_head(leaf->name, n), user);
}

bool weir_query_has_prefix(const weir_query *query, const char *lower)
{
    return any_leaf(query, has_prefix, lower);
}

static bool is_other(const weir_from *leaf, const void *user)
{
    if (leaf->kind != WEIR_FROM_RELATION)
        return false;
    const weir_relation_info *info = weir_catalog_find(user, leaf->name);
    return !info || info->kind != WEIR_RELATION_TABLE;
}

bool weir_query_has_other(const weir_query *query, const weir_catalog *catalog)
{
    return any_leaf(query, is_other, catalog);
}
