/* Accesses and catalog of one statement, asked of an open database. */
#include "facts.h"
#include "base/arena.h"
#include "catalog/access.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ACCESSES_MAX 1024
#define RELATIONS_MAX 32

typedef struct facts {
    weir_arena arena;
    bool listening;
    weir_access accesses[ACCESSES_MAX];
    size_t count;
    weir_relation_info relations[RELATIONS_MAX];
    weir_catalog catalog;
} facts;

static const char *keep(facts *f, const char *text)
{
    char *copy = weir_arena_strdup(&f->arena, weir_slice_cstr(text ? text : ""));
    if (!copy)
        abort();
    return copy;
}

static int on_access(void *user, int action, const char *a, const char *b, const char *database,
                     const char *through)
{
    facts *f = user;
    weir_access_kind kind = action == SQLITE_READ       ? WEIR_ACCESS_READ
                            : action == SQLITE_FUNCTION ? WEIR_ACCESS_FUNCTION
                            : action == SQLITE_INSERT   ? WEIR_ACCESS_INSERT
                            : action == SQLITE_DELETE   ? WEIR_ACCESS_DELETE
                                                        : WEIR_ACCESS_UPDATE;
    bool of_interest = action == SQLITE_READ || action == SQLITE_FUNCTION ||
                       action == SQLITE_INSERT || action == SQLITE_UPDATE ||
                       action == SQLITE_DELETE;
    if (!f->listening || !of_interest)
        return SQLITE_OK;
    if (f->count == ACCESSES_MAX)
        abort();
    f->accesses[f->count++] = (weir_access){.kind = kind,
                                            .database = keep(f, database),
                                            .table = keep(f, a),
                                            .column = keep(f, b),
                                            .through = keep(f, through)};
    return SQLITE_OK;
}

static weir_key_type type_of(const char *declared, const char *collation)
{
    if (!collation || strcasecmp(collation, "binary") != 0)
        return WEIR_KEY_NONE;
    if (!declared || !*declared)
        return WEIR_KEY_SQLITE_BLOB;
    if (strcasestr(declared, "int"))
        return WEIR_KEY_SQLITE_NUMERIC;
    return strcasestr(declared, "text") ? WEIR_KEY_SQLITE_TEXT : WEIR_KEY_SQLITE_NUMERIC;
}

static void load_columns(facts *f, sqlite3 *db, weir_relation_info *info, const char *name)
{
    sqlite3_stmt *s;
    weir_column_info *columns = weir_arena_alloc(&f->arena, 64 * sizeof(*columns));
    if (!columns ||
        sqlite3_prepare_v2(db, "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", -1, &s,
                           NULL) != SQLITE_OK)
        abort();
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    while (sqlite3_step(s) == SQLITE_ROW && info->column_count < 64) {
        weir_column_info *c = &columns[info->column_count++];
        const char *collation = NULL, *column = keep(f, (const char *)sqlite3_column_text(s, 0));
        const char *declared = keep(f, (const char *)sqlite3_column_text(s, 1));
        c->name = weir_slice_cstr(column);
        c->declared = weir_slice_cstr(declared);
        if (info->kind == WEIR_RELATION_TABLE && sqlite3_column_int(s, 3) == 0 &&
            sqlite3_table_column_metadata(db, "main", name, column, NULL, &collation, NULL, NULL,
                                          NULL) == SQLITE_OK)
            c->key = type_of(declared, collation);
        if (info->rowid && sqlite3_column_int(s, 2) == 1 && strcasecmp(declared, "integer") == 0)
            info->rowid_alias = c->name;
    }
    info->columns = columns;
    sqlite3_finalize(s);
}

static void load_kind(sqlite3 *db, weir_relation_info *info, const char *name)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, "SELECT type, wr FROM pragma_table_list(?) WHERE schema = 'main'",
                           -1, &s, NULL) != SQLITE_OK)
        abort();
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    info->kind = WEIR_RELATION_FUNCTION;
    if (sqlite3_step(s) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(s, 0);
        info->rowid = strcmp(type, "table") == 0 && sqlite3_column_int(s, 1) == 0;
        info->kind = strcmp(type, "table") == 0  ? WEIR_RELATION_TABLE
                     : strcmp(type, "view") == 0 ? WEIR_RELATION_VIEW
                                                 : WEIR_RELATION_VIRTUAL;
    }
    sqlite3_finalize(s);
    if (strncasecmp(name, "sqlite_", 7) == 0)
        info->kind = WEIR_RELATION_SYSTEM;
}

static void load(facts *f, sqlite3 *db)
{
    f->catalog = (weir_catalog){.relations = f->relations, .fingerprint = 1};
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->accesses[i].table;
        if (f->accesses[i].kind != WEIR_ACCESS_READ ||
            weir_catalog_find(&f->catalog, weir_slice_cstr(name)))
            continue;
        if (f->catalog.count == RELATIONS_MAX)
            abort();
        weir_relation_info *info = &f->relations[f->catalog.count++];
        *info = (weir_relation_info){.name = weir_slice_cstr(name)};
        load_kind(db, info, name);
        load_columns(f, db, info, name);
        if (info->kind == WEIR_RELATION_FUNCTION && info->column_count == 0)
            info->kind = WEIR_RELATION_UNKNOWN;
    }
}

bool facts_analyze(sqlite3 *db, const char *text, weir_lexed *lexed, weir_footprint **ret)
{
    facts *f = calloc(1, sizeof(*f));
    sqlite3_stmt *s = NULL;
    if (!f)
        abort();
    weir_arena_init(&f->arena, (size_t)16 << 20);
    f->listening = true;
    sqlite3_set_authorizer(db, on_access, f);
    bool fine = sqlite3_prepare_v2(db, text, -1, &s, NULL) == SQLITE_OK;
    f->listening = false;
    sqlite3_finalize(s);
    load(f, db);
    sqlite3_set_authorizer(db, NULL, NULL);
    if (fine && weir_sql_lex(WEIR_DIALECT_SQLITE, weir_slice_cstr(text), lexed) != 0)
        abort();
    if (fine && weir_sql_analyze_accesses(f->accesses, f->count, &f->catalog, weir_slice_cstr(text),
                                          lexed, ret) != 0)
        abort();
    weir_arena_fini(&f->arena);
    free(f);
    return fine;
}
