/* A footprint from what SQLite's authorizer reported while the statement was prepared: exact as to
 * tables, through views and triggers. What kind of statement it is the lexer knows better. By which
 * keys a table is read the text says, if the reader understands all of it.
 *
 * Invariant: every table that is reported as read is among the dependencies, by a key only if the
 * text's own references of it account for all that is read of it. */
#include "catalog/access.h"
#include "sql/functions_sqlite.h"
#include "sql/names.h"
#include "sql/read_sqlite.h"
#include "sql/refusals.h"
#include "sql/rules.h"

#include <stdlib.h>
#include <strings.h>

typedef struct analysis {
    weir_footprint f;
    weir_names names;
    weir_dependencies dependencies;
    const weir_access *accesses;
    size_t count;
    const weir_catalog *catalog; /* NULL: nothing is known */
    weir_query *query;           /* NULL: the text was not understood as a whole */
    const char *unread;          /* why, in words */
    bool views;                  /* something else than tables, and CTEs, stands in its FROM */
    weir_refusals refusals;
} analysis;

/* ---- what is touched ---- */

/* SQLite keeps its schema in tables of its own; a CREATE or DROP writes them. */
static bool is_schema_table(const char *table)
{
    return strncasecmp(table, "sqlite_", 7) == 0;
}

static void note_table(weir_names *n, const weir_access *a, bool written)
{
    const char *database = a->database ? a->database : "";
    bool plain = database[0] == '\0' || strcmp(database, "main") == 0;
    weir_names_add(n, plain ? "" : database, a->table ? a->table : "", written);
}

static void note_function(analysis *a, const weir_access *access)
{
    weir_slice name = weir_slice_cstr(access->column);
    if (weir_sqlite_function_is_of_session(name)) {
        a->f.effects |= WEIR_EFFECT_SEQUENCE;
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_EFFECTS,
                          "calls %.60s(), which tells what its connection did before",
                          access->column);
    }
    if (!weir_sqlite_function_is_steady(name)) {
        a->f.volatile_calls = true;
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_VOLATILE,
                          "calls %.60s(), whose answer may change",
                          access->column ? access->column : "");
    }
}

static void note(analysis *a, const weir_access *access)
{
    if (access->temporary) {
        a->f.effects |= WEIR_EFFECT_TEMP;
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_EFFECTS, "uses temporary objects");
    }
    switch (access->kind) {
    case WEIR_ACCESS_READ:
        note_table(&a->names, access, false);
        break;
    case WEIR_ACCESS_INSERT:
    case WEIR_ACCESS_UPDATE:
    case WEIR_ACCESS_DELETE:
        note_table(&a->names, access, true);
        if (!is_schema_table(access->table ? access->table : ""))
            a->f.kind = weir_kind_stronger(a->f.kind, WEIR_KIND_WRITE);
        break;
    case WEIR_ACCESS_SCHEMA:
        note_table(&a->names, access, true);
        a->f.kind = weir_kind_stronger(a->f.kind, WEIR_KIND_DDL);
        break;
    case WEIR_ACCESS_FUNCTION:
        note_function(a, access);
        break;
    case WEIR_ACCESS_ATTACH:
        a->f.effects |= WEIR_EFFECT_SET;
        break;
    case WEIR_ACCESS_PRAGMA:
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_SYSTEM, "is a PRAGMA");
        break;
    case WEIR_ACCESS_TRANSACTION:
        break;
    }
}

/* ---- what is read ---- */

/* They read their arguments and nothing that is stored; a table may have such a name. */
static bool is_of_arguments(const weir_relation_info *info, weir_slice name)
{
    return info->kind == WEIR_RELATION_FUNCTION &&
           (weir_slice_eq_nocase(name, "json_each") || weir_slice_eq_nocase(name, "json_tree"));
}

/* The first use of a table-valued function on a connection reports how SQLite declares it: as an
 * update of the schema, which no SELECT does itself. */
static bool only_declares(const analysis *a)
{
    if (!a->query || a->views || weir_query_has_prefix(a->query, "sqlite_"))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->accesses[i].kind == WEIR_ACCESS_UPDATE && is_schema_table(a->accesses[i].table))
            return true;
    }
    return false;
}

/* Whether the text's own FROM accounts for all that is read of a table. Not where a view stands in
 * it: SQLite names the innermost view or CTE of an access, a view's own CTE may have the name of
 * one of the text's, and tables of which no column is read are reported without the view. */
static bool is_of_text(const analysis *a, const weir_access *access)
{
    if (a->views)
        return false;
    return !access->through || access->through[0] == '\0' ||
           weir_query_has_cte(a->query, weir_slice_cstr(access->through));
}

static void read_table(analysis *a, const weir_access *access, weir_slice name)
{
    if (!a->query)
        weir_dependencies_add_whole(&a->dependencies, name, a->unread);
    else if (!is_of_text(a, access))
        weir_dependencies_add_whole(&a->dependencies, name,
                                    "a view stands in the statement, and may read it too");
    else if (!weir_dependencies_has(&a->dependencies, name))
        weir_dependencies_add_whole(&a->dependencies, name, "its place in the text was not found");
}

static void read_system(analysis *a, const weir_access *access)
{
    if (!only_declares(a))
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_SYSTEM, "reads %.80s, which is SQLite's own",
                          access->table);
}

/* A CTE of which no column is read is reported like a table; what it reads is reported too. */
static bool is_cte_of_text(const analysis *a, const weir_relation_info *info, weir_slice name)
{
    return info->kind == WEIR_RELATION_UNKNOWN && info->column_count == 0 && a->query &&
           weir_query_has_cte(a->query, name);
}

static void read_relation(analysis *a, const weir_access *access)
{
    weir_slice name = weir_slice_cstr(access->table);
    const weir_relation_info *info = a->catalog ? weir_catalog_find(a->catalog, name) : NULL;
    if (is_schema_table(access->table) || (info && info->kind == WEIR_RELATION_SYSTEM)) {
        read_system(a, access);
    } else if (name.len >= 7 && weir_slice_eq_nocase(weir_slice_head(name, 7), "pragma_")) {
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_SYSTEM, "reads %.80s, which is SQLite's own",
                          access->table);
    } else if (info && info->kind == WEIR_RELATION_TABLE) {
        read_table(a, access, info->name);
    } else if (info && info->kind == WEIR_RELATION_VIEW) {
        return; /* its tables are reported too */
    } else if (info && is_cte_of_text(a, info, name)) {
        return;
    } else if (!info) {
        weir_dependencies_add_whole(&a->dependencies, name, "the schema is not known");
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNFOLLOWED, "%.80s: nothing is known of it",
                          access->table);
    } else if (!is_of_arguments(info, name)) {
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNFOLLOWED,
                          "the changes of %.80s are not seen: it is no plain table", access->table);
    }
}

/* ---- all together ---- */

static int read_text(analysis *a, weir_slice text, const weir_lexed *lexed)
{
    int r = 1;
    a->unread = "the schema is not known";
    if (a->catalog)
        r = weir_read_sqlite(&a->names.arena, text, lexed, &a->query, &a->unread);
    if (r < 0)
        return r;
    if (r > 0)
        a->query = NULL;
    if (!a->query)
        return 0;
    a->views = weir_query_has_other(a->query, a->catalog);
    weir_rules_apply(a->query, a->catalog, NULL, &a->dependencies);
    return 0;
}

static void refuse_by_kind(analysis *a, const weir_lexed *lexed)
{
    if (a->f.kind == WEIR_KIND_UNKNOWN || lexed->over_caps || lexed->unterminated)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNKNOWN, "%s", a->f.reason);
    else if (a->f.kind != WEIR_KIND_READ)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_NO_READ, "is no plain read (%s)",
                          weir_kind_name(a->f.kind));
    else if (lexed->statements != 1)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNKNOWN, "is more than one statement");
    else if (a->f.effects != 0)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_EFFECTS, "has effects on its session (%s)",
                          weir_effect_name(a->f.effects));
    if (!a->catalog)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNKNOWN, "the schema is not known");
}

static int analyze(analysis *a, weir_slice text, const weir_lexed *lexed)
{
    weir_kind kind = a->f.kind;
    a->f.from_grammar = true;
    a->f.volatile_calls = false;
    for (size_t i = 0; i < a->count; i++)
        note(a, &a->accesses[i]);
    /* EXPLAIN prepares what it explains, and runs none of it. */
    if (lexed->kind == WEIR_KIND_UTILITY)
        a->f.kind = kind;
    refuse_by_kind(a, lexed);
    if (a->f.kind != WEIR_KIND_READ)
        return 0;
    int r = read_text(a, text, lexed);
    for (size_t i = 0; i < a->count && r == 0; i++) {
        if (a->accesses[i].kind == WEIR_ACCESS_READ && a->accesses[i].table)
            read_relation(a, &a->accesses[i]);
    }
    if (a->dependencies.too_many)
        weir_refusals_add(&a->refusals, WEIR_REFUSAL_UNKNOWN,
                          "reads more relations than can be followed");
    a->f.fingerprint = a->catalog ? a->catalog->fingerprint : 0;
    a->f.dependencies = a->dependencies.items;
    a->f.dependency_count = a->dependencies.count;
    return r == 0 && a->dependencies.out_of_memory ? -ENOMEM : r;
}

int weir_sql_analyze_accesses(const struct weir_access *accesses, size_t count,
                              const weir_catalog *catalog, weir_slice text, const weir_lexed *lexed,
                              weir_footprint **ret)
{
    analysis *a = malloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    weir_names_init(&a->names);
    weir_dependencies_init(&a->dependencies, &a->names.arena);
    a->f = weir_footprint_of_lexed(lexed);
    a->accesses = accesses;
    a->count = count;
    a->catalog = catalog;
    a->query = NULL;
    a->views = false;
    a->refusals = (weir_refusals){.refusal = WEIR_REFUSAL_NONE};
    int r = analyze(a, text, lexed);
    a->f.refusal = a->refusals.refusal;
    a->f.reason = a->refusals.words;
    if (r == 0)
        r = weir_names_footprint(&a->names, &a->f, ret);
    weir_names_fini(&a->names);
    free(a);
    return r;
}
