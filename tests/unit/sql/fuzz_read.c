/* Random and mutated SQL through the reader of SQLite's SELECT and the rules, with a catalog and
 * accesses that may have nothing to do with it: no crash, and every table that is reported as read
 * is depended on.
 * usage: fuzz_sql_read SEED ROUNDS */
#include "catalog/access.h"
#include "sql/resolve.h"
#include "sql/sql.h"
#include <stdio.h>
#include <stdlib.h>

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s >> 11;
}

static const char *const pieces[] = {"select ",
                                     "* ",
                                     "from ",
                                     "t ",
                                     "u ",
                                     "v ",
                                     "as ",
                                     "a ",
                                     "b ",
                                     "id ",
                                     "where ",
                                     "= ",
                                     "5 ",
                                     "?1 ",
                                     "'s' ",
                                     ", ",
                                     "( ",
                                     ") ",
                                     ". ",
                                     "and ",
                                     "or ",
                                     "not ",
                                     "exists ( ",
                                     "in ( ",
                                     "union ",
                                     "all ",
                                     "with ",
                                     "recursive ",
                                     "join ",
                                     "left ",
                                     "full ",
                                     "natural ",
                                     "on ",
                                     "using ( id ) ",
                                     "order by ",
                                     "limit ",
                                     "group by ",
                                     "having ",
                                     "case ",
                                     "when ",
                                     "then ",
                                     "end ",
                                     "between ",
                                     "is null ",
                                     "collate x ",
                                     "cast ( ",
                                     "max ( ",
                                     "over ( ",
                                     "filter ( where ",
                                     "values ( ",
                                     "- ",
                                     "-> ",
                                     "|| ",
                                     "\"id\" ",
                                     "[t] ",
                                     "` ",
                                     "; ",
                                     "-- \n",
                                     "/* ",
                                     "x'00' ",
                                     "$a::b(c) ",
                                     "select id from t where id = 5 ",
                                     "window w as ( ",
                                     "json_each ( ",
                                     "distinct ",
                                     "indexed by ",
                                     "materialized ",
                                     "\xff "};

static size_t make(uint64_t *seed, char *out, size_t max)
{
    size_t len = 0, want = next(seed) % 80;
    if (next(seed) % 3)
        len = (size_t)snprintf(out, max, "select id from t ");
    for (size_t i = 0; i < want; i++) {
        const char *p = pieces[next(seed) % (sizeof(pieces) / sizeof(pieces[0]))];
        size_t n = strlen(p);
        unsigned times = next(seed) % 60 == 0 ? 300 : 1; /* deep */
        for (; times > 0 && len + n <= max; times--, len += n)
            memcpy(out + len, p, n);
    }
    for (size_t i = next(seed) % 3; i > 0 && len > 0; i--)
        out[next(seed) % len] = (char)next(seed);
    return len;
}

static void visit(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    (void)column;
    (void)value;
    *(bool *)user |= relation == weir_relation_id(WEIR_SLICE_LIT("t"));
}

static void check(weir_slice text, weir_lexed *l)
{
    static const weir_access accesses[] = {{WEIR_ACCESS_READ, false, "main", "t", "id", ""},
                                           {WEIR_ACCESS_READ, false, "main", "u", "id", "v"}};
    static const weir_column_info columns[] = {
        {{(const uint8_t *)"id", 2}, WEIR_KEY_SQLITE_NUMERIC, {(const uint8_t *)"int", 3}}};
    static const weir_relation_info relations[] = {{.name = {(const uint8_t *)"t", 1},
                                                    .kind = WEIR_RELATION_TABLE,
                                                    .columns = columns,
                                                    .column_count = 1,
                                                    .rowid = true},
                                                   {.name = {(const uint8_t *)"u", 1},
                                                    .kind = WEIR_RELATION_TABLE,
                                                    .columns = columns,
                                                    .column_count = 1}};
    static const weir_catalog catalog = {.relations = relations, .count = 2, .fingerprint = 1};
    weir_footprint *f = NULL;
    bool found = false;
    if (weir_sql_lex(WEIR_DIALECT_SQLITE, text, l) != 0 ||
        weir_sql_analyze_accesses(accesses, 2, &catalog, text, l, &f) != 0)
        abort();
    weir_value value = {.type = WEIR_VALUE_INTEGER, .u.integer = 1};
    weir_arguments arguments = {.lexed = l, .params = &value, .param_count = 1};
    if (!weir_footprint_resolve(f, WEIR_DIALECT_SQLITE, &arguments, visit, &found))
        abort();
    if (f->kind == WEIR_KIND_READ && !found)
        abort();
    weir_footprint_free(f);
}

int main(int argc, char **argv)
{
    uint64_t seed = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9e3779b97f4a7c15u | 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    weir_lexed l;
    weir_lexed_init(&l);
    for (unsigned long i = 0; i < rounds; i++) {
        char bytes[8192];
        size_t len = make(&seed, bytes, sizeof(bytes));
        uint8_t *text = malloc(len ? len : 1); /* exact: the sanitizer sees a read behind it */
        if (!text)
            return 1;
        memcpy(text, bytes, len);
        check(weir_slice_make(text, len), &l);
        free(text);
    }
    weir_lexed_fini(&l);
    return 0;
}
