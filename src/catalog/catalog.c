/* Finds what a catalog excerpt says of a relation or a column. The lists are those of one
 * statement: short, so that looking through them is the index. */
#include "catalog/catalog.h"
#include "base/ascii.h"

const weir_relation_info *weir_catalog_find(const weir_catalog *catalog, weir_slice name)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (weir_ascii_eq(catalog->relations[i].name, name))
            return &catalog->relations[i];
    }
    return NULL;
}

const weir_column_info *weir_relation_column(const weir_relation_info *relation, weir_slice name)
{
    for (size_t i = 0; i < relation->column_count; i++) {
        if (weir_ascii_eq(relation->columns[i].name, name))
            return &relation->columns[i];
    }
    return NULL;
}
