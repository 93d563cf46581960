/* A footprint from what SQLite's authorizer reported while the statement was prepared: exact as to
 * tables, through views and triggers. What kind of statement it is the lexer knows better. */
#include "catalog/access.h"
#include "sql/names.h"

/* SQLite keeps its schema in tables of its own; a CREATE or DROP writes them. */
static bool is_schema_table(const char *table)
{
    return strncmp(table, "sqlite_", 7) == 0;
}

static void note_table(weir_names *n, const weir_access *a, bool written)
{
    const char *database = a->database ? a->database : "";
    bool plain = database[0] == '\0' || strcmp(database, "main") == 0;
    weir_names_add(n, plain ? "" : database, a->table ? a->table : "", written);
}

static bool calls(const weir_access *a, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a->column && weir_slice_eq_nocase(weir_slice_cstr(a->column), names[i]))
            return true;
    }
    return false;
}

static void note_function(weir_footprint *f, const weir_access *a)
{
    static const char *const of_session[] = {"last_insert_rowid", "changes", "total_changes"};
    static const char *const unsteady[] = {
        "random",    "randomblob",     "last_insert_rowid", "changes",      "total_changes",
        "date",      "time",           "datetime",          "julianday",    "strftime",
        "unixepoch", "load_extension", "current_date",      "current_time", "current_timestamp"};
    if (calls(a, of_session, sizeof(of_session) / sizeof(of_session[0])))
        f->effects |= WEIR_EFFECT_SEQUENCE;
    if (calls(a, unsteady, sizeof(unsteady) / sizeof(unsteady[0])))
        f->volatile_calls = true;
}

static void note(weir_footprint *f, weir_names *n, const weir_access *a)
{
    if (a->temporary)
        f->effects |= WEIR_EFFECT_TEMP;
    switch (a->kind) {
    case WEIR_ACCESS_READ:
        note_table(n, a, false);
        break;
    case WEIR_ACCESS_INSERT:
    case WEIR_ACCESS_UPDATE:
    case WEIR_ACCESS_DELETE:
        note_table(n, a, true);
        if (!is_schema_table(a->table ? a->table : ""))
            f->kind = weir_kind_stronger(f->kind, WEIR_KIND_WRITE);
        break;
    case WEIR_ACCESS_SCHEMA:
        note_table(n, a, true);
        f->kind = weir_kind_stronger(f->kind, WEIR_KIND_DDL);
        break;
    case WEIR_ACCESS_FUNCTION:
        note_function(f, a);
        break;
    case WEIR_ACCESS_ATTACH:
        f->effects |= WEIR_EFFECT_SET;
        break;
    case WEIR_ACCESS_TRANSACTION:
    case WEIR_ACCESS_PRAGMA:
        break;
    }
}

int weir_sql_analyze_accesses(const struct weir_access *accesses, size_t count,
                              const weir_lexed *lexed, weir_footprint **ret)
{
    weir_footprint f = weir_footprint_of_lexed(lexed);
    /* EXPLAIN prepares what it explains, and runs none of it. */
    bool explains = lexed->kind == WEIR_KIND_UTILITY;
    weir_kind kind = f.kind;
    weir_names names;
    weir_names_init(&names);
    f.from_grammar = true;
    f.volatile_calls = false;
    f.reason = "";
    for (size_t i = 0; i < count; i++)
        note(&f, &names, &accesses[i]);
    if (explains)
        f.kind = kind;
    if (f.kind == WEIR_KIND_READ && f.volatile_calls)
        f.reason = "calls a function whose answer changes";
    int r = weir_names_footprint(&names, &f, ret);
    weir_names_fini(&names);
    return r;
}
