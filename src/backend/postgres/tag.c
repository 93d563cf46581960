/* What a command tag says about the schema. Pure. */
#include "backend/postgres/internal.h"

bool pg_starts_with(weir_slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

uint64_t pg_change_of(weir_slice tag)
{
    static const char *const tables[] = {"TABLE", "INDEX", "SEQUENCE", "MATERIALIZED VIEW"};
    weir_slice rest;
    if (pg_starts_with(tag, "CREATE "))
        rest = weir_slice_skip(tag, 7);
    else if (pg_starts_with(tag, "ALTER "))
        rest = weir_slice_skip(tag, 6);
    else if (pg_starts_with(tag, "DROP "))
        rest = weir_slice_skip(tag, 5);
    else
        return pg_starts_with(tag, "IMPORT FOREIGN SCHEMA") ? 1 : 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (pg_starts_with(rest, tables[i]))
            return 1;
    return (uint64_t)1 << 32;
}
