/* The types that the catalogue's columns have inside coalesce() and array_agg(), where SQLite loses
 * them: drivers read OIDs so. By the column's name alone, in a statement that names its table;
 * where two such tables disagree nothing is said. */
#include "compat/infer.h"

/* What follows the column's name in "name type, …"; NULL: there is none. */
static const char *type_in(const char *columns, weir_slice name)
{
    for (const char *at = columns; at; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, " ");
        if (weir_slice_eq(weir_slice_make(at, len), name))
            return at + len;
    }
    return NULL;
}

static uint32_t column_type(weir_slice statement, weir_slice name)
{
    const weir_face_table *const *lists = weir_compat_face()->tables;
    char folded[64];
    uint32_t oid = 0;
    if (name.len >= sizeof(folded))
        return 0;
    weir_compat_name_fold(name, folded, sizeof(folded));
    for (size_t i = 0; lists[i]; i++)
        for (const weir_face_table *table = lists[i]; table->name; table++) {
            const char *type = type_in(table->columns, weir_slice_cstr(folded));
            if (!type || !weir_token_mentions(statement, table->name))
                continue;
            uint32_t one = weir_compat_declared_oid(type);
            if (oid != 0 && oid != one)
                return 0;
            oid = one;
        }
    return oid;
}

uint32_t infer_catalog_argument(weir_slice statement, weir_slice call)
{
    weir_token function = weir_token_next(&call);
    bool array = weir_token_is(function, "array_agg");
    if ((!array && !weir_token_is(function, "coalesce")) || !weir_token_accept(&call, "("))
        return 0;
    (void)weir_token_accept(&call, "distinct");
    weir_token name = weir_token_next(&call);
    while (weir_token_accept(&call, "."))
        name = weir_token_next(&call);
    weir_token behind = weir_token_peek(call);
    if (!weir_token_is(behind, ",") && !weir_token_is(behind, ")") &&
        !weir_token_is(behind, "order"))
        return 0;
    uint32_t oid = name.kind == WEIR_TOKEN_WORD ? column_type(statement, name.text) : 0;
    return array ? weir_compat_array_oid(oid) : oid;
}
