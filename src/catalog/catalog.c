/* Finds what a catalog excerpt says of a relation or a column. The lists are those of one
 * statement: short, so that looking through them is the index. */
#include "catalog/catalog.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool same_name(weir_slice a, weir_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

const weir_relation_info *weir_catalog_find(const weir_catalog *catalog, weir_slice name)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (same_name(catalog->relations[i].name, name))
            return &catalog->relations[i];
    }
    return NULL;
}

const weir_column_info *weir_relation_column(const weir_relation_info *relation, weir_slice name)
{
    for (size_t i = 0; i < relation->column_count; i++) {
        if (same_name(relation->columns[i].name, name))
            return &relation->columns[i];
    }
    return NULL;
}
