/* Reading the schema's facts. A statement is prepared from the connection's idea of the schema; the
 * questions here are asked right after, and look at the file. If the schema has changed in between,
 * SQLite prepares the statement anew before its first row, and all is asked again: so a fingerprint
 * that was read before the rows is that of the schema they came from. One that changes after the
 * rows is a commit that raises the change clock's floor above their as-of. */
#include "backend/sqlite/catalog.h"
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#define RELATIONS_MAX 8192u /* more than twice what one statement can touch */
#define FACTS_SIZE_MAX ((size_t)16 * 1024 * 1024)

typedef struct relation {
    weir_relation_info info;
    uint64_t fingerprint;
} relation;

void weir_sqlite_catalog_init(weir_sqlite_catalog *c, weir_hash_seed seed)
{
    *c = (weir_sqlite_catalog){0};
    weir_map_init(&c->by_name, seed, RELATIONS_MAX);
    weir_arena_init(&c->facts, FACTS_SIZE_MAX);
}

void weir_sqlite_catalog_fini(weir_sqlite_catalog *c)
{
    sqlite3_finalize(c->ask_version);
    sqlite3_finalize(c->ask_relation);
    sqlite3_finalize(c->ask_columns);
    sqlite3_finalize(c->ask_key_index);
    weir_map_fini(&c->by_name);
    weir_arena_fini(&c->facts);
    free(c->excerpt);
}

static void reset(weir_sqlite_catalog *c)
{
    weir_hash_seed seed = c->by_name.seed;
    c->stale = false;
    if (c->by_name.len == 0)
        return;
    weir_map_fini(&c->by_name);
    weir_map_init(&c->by_name, seed, RELATIONS_MAX);
    weir_arena_reset(&c->facts);
}

/* ---- asking ---- */

/* Lends a statement of ours, `name` bound to it; give it back with sqlite3_reset. */
static sqlite3_stmt *ask(sqlite3 *handle, sqlite3_stmt **stmt, const char *sql, weir_slice name)
{
    if (!*stmt && sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) != 0)
        return NULL;
    if (name.len > 0 && sqlite3_bind_text64(*stmt, 1, (const char *)name.data, name.len,
                                            SQLITE_STATIC, SQLITE_UTF8) != 0)
        return NULL;
    return *stmt;
}

/* -EIO: the statement ended with an error. */
static int end(sqlite3_stmt *stmt, int rc)
{
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -EIO;
}

static int read_version(weir_sqlite_catalog *c, sqlite3 *handle, int64_t *ret)
{
    sqlite3_stmt *s = ask(handle, &c->ask_version, "PRAGMA schema_version", weir_slice_cstr(""));
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(s, 0);
    return end(s, rc);
}

/* ---- one relation ---- */

/* https://sqlite.org/datatype3.html section 3.1: the first rule that applies. */
weir_key_type weir_sqlite_key_type(const char *declared, bool strict)
{
    if (strcasestr(declared, "INT"))
        return WEIR_KEY_SQLITE_NUMERIC;
    if (strcasestr(declared, "CHAR") || strcasestr(declared, "CLOB") ||
        strcasestr(declared, "TEXT"))
        return WEIR_KEY_SQLITE_TEXT;
    if (strcasestr(declared, "BLOB") || declared[0] == '\0')
        return WEIR_KEY_SQLITE_BLOB;
    if (strict && strcasecmp(declared, "ANY") == 0) /* no affinity; NUMERIC elsewhere */
        return WEIR_KEY_SQLITE_BLOB;
    return WEIR_KEY_SQLITE_NUMERIC;
}

typedef struct loading {
    weir_sqlite_catalog *catalog;
    sqlite3 *handle;
    relation *relation;
    const char *name; /* the relation's */
    weir_column_info *columns;
    size_t cap;
    unsigned key_columns; /* of the PRIMARY KEY */
    weir_slice key;       /* one of them */
    bool strict;
} loading;

static int copy_text(loading *l, sqlite3_stmt *s, int i, weir_slice *ret)
{
    const char *text = (const char *)sqlite3_column_text(s, i);
    const char *copy = weir_arena_strdup(&l->catalog->facts, weir_slice_cstr(text ? text : ""));
    if (!copy)
        return -ENOMEM;
    *ret = weir_slice_cstr(copy);
    return 0;
}

static bool is_binary(const loading *l, weir_slice column)
{
    const char *collation = NULL;
    int rc = sqlite3_table_column_metadata(l->handle, "main", l->name, (const char *)column.data,
                                           NULL, &collation, NULL, NULL, NULL);
    return rc == SQLITE_OK && collation && strcasecmp(collation, "BINARY") == 0;
}

static int grow_columns(loading *l)
{
    size_t cap = l->cap ? l->cap * 2 : 16;
    weir_column_info *columns = weir_arena_alloc(&l->catalog->facts, cap * sizeof(*columns));
    if (!columns)
        return -ENOMEM;
    if (l->columns)
        memcpy(columns, l->columns, l->cap * sizeof(*columns));
    l->columns = columns;
    l->cap = cap;
    return 0;
}

/* Generated columns and a virtual table's hidden ones say so in `hidden`. */
static int add_column(loading *l, sqlite3_stmt *s)
{
    weir_relation_info *info = &l->relation->info;
    int r = info->column_count == l->cap ? grow_columns(l) : 0;
    if (r < 0)
        return r;
    assert(l->columns);
    weir_column_info *column = &l->columns[info->column_count++];
    r = copy_text(l, s, 0, &column->name);
    if (r == 0)
        r = copy_text(l, s, 1, &column->declared);
    if (r < 0)
        return r;
    bool plain = info->kind == WEIR_RELATION_TABLE && sqlite3_column_int(s, 3) == 0;
    if (plain && is_binary(l, column->name))
        column->key = weir_sqlite_key_type((const char *)column->declared.data, l->strict);
    if (sqlite3_column_int(s, 2) > 0) {
        l->key_columns++;
        l->key = column->name;
        if (!weir_slice_eq_nocase(column->declared, "integer"))
            l->key_columns++; /* no alias of the rowid */
    }
    return 0;
}

static int load_columns(loading *l)
{
    sqlite3_stmt *s =
        ask(l->handle, &l->catalog->ask_columns,
            "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1)", l->relation->info.name);
    if (!s)
        return -EIO;
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int r = add_column(l, s);
        if (r < 0) {
            sqlite3_reset(s);
            return r;
        }
    }
    l->relation->info.columns = l->columns;
    return end(s, rc);
}

/* An INTEGER PRIMARY KEY is the rowid, unless it has an index of its own (as DESC makes one). */
static int load_alias(loading *l)
{
    weir_relation_info *info = &l->relation->info;
    sqlite3_stmt *s = ask(l->handle, &l->catalog->ask_key_index,
                          "SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'", info->name);
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE && l->key_columns == 1)
        info->rowid_alias = l->key;
    return end(s, rc);
}

/* What is called `shadow` belongs to a virtual table, which may write it as it likes. */
static weir_relation_kind kind_of(const char *type)
{
    if (strcmp(type, "table") == 0)
        return WEIR_RELATION_TABLE;
    if (strcmp(type, "view") == 0)
        return WEIR_RELATION_VIEW;
    return WEIR_RELATION_VIRTUAL;
}

/* Its kind, and whether it has rowids. Not there: perhaps a table-valued function. */
static int load_kind(loading *l)
{
    weir_relation_info *info = &l->relation->info;
    info->kind = WEIR_RELATION_UNKNOWN;
    if (strncasecmp(l->name, "sqlite_", 7) == 0) {
        info->kind = WEIR_RELATION_SYSTEM;
        return 0;
    }
    sqlite3_stmt *s = ask(
        l->handle, &l->catalog->ask_relation,
        "SELECT type, wr, strict, (SELECT rowid FROM sqlite_schema AS s WHERE s.name = l.name AND "
        "s.type IN ('table', 'view')) FROM pragma_table_list(?1) AS l WHERE schema = 'main'",
        info->name);
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(s, 0);
        info->kind = kind_of(type ? type : "");
        info->rowid = info->kind == WEIR_RELATION_TABLE && sqlite3_column_int(s, 1) == 0;
        l->strict = sqlite3_column_int(s, 2) != 0;
        info->number = sqlite3_column_int64(s, 3);
    }
    return end(s, rc);
}

/* ---- fingerprints ---- */

static uint64_t fold(uint64_t sum, const void *bytes, size_t len)
{
    weir_hash_seed seed = {{sum, 0x77656972u}};
    return weir_hash(seed, weir_slice_make(bytes, len));
}

/* The hash takes in the length. */
static uint64_t fold_slice(uint64_t sum, weir_slice s)
{
    return fold(sum, s.data, s.len);
}

static uint64_t fold_number(uint64_t sum, uint64_t n)
{
    return fold(sum, &n, sizeof(n));
}

static uint64_t fingerprint_of(const weir_relation_info *info)
{
    uint64_t sum = fold_slice(1, info->name);
    sum = fold_number(sum, (uint64_t)info->kind << 1 | info->rowid);
    sum = fold_slice(sum, info->rowid_alias);
    for (size_t i = 0; i < info->column_count; i++) {
        sum = fold_slice(sum, info->columns[i].name);
        sum = fold_slice(sum, info->columns[i].declared);
        sum = fold_number(sum, (uint64_t)info->columns[i].key);
    }
    return sum;
}

static uint64_t fingerprint_of_access(uint64_t sum, const weir_access *a)
{
    sum = fold_number(sum, (uint64_t)a->kind << 1 | a->temporary);
    sum = fold_slice(sum, weir_slice_cstr(a->database));
    sum = fold_slice(sum, weir_slice_cstr(a->table));
    sum = fold_slice(sum, weir_slice_cstr(a->column));
    return fold_slice(sum, weir_slice_cstr(a->through));
}

/* ---- the excerpt ---- */

static bool has_column(const weir_relation_info *info, const char *name)
{
    assert(info->columns || info->column_count == 0);
    for (size_t i = 0; i < info->column_count; i++) {
        if (weir_slice_eq_nocase(info->columns[i].name, name))
            return true;
    }
    return false;
}

static int load(weir_sqlite_catalog *c, sqlite3 *handle, const char *name, relation **ret)
{
    loading l = {.catalog = c, .handle = handle, .name = name};
    l.relation = weir_arena_alloc(&c->facts, sizeof(*l.relation));
    const char *copy = weir_arena_strdup(&c->facts, weir_slice_cstr(name));
    if (!l.relation || !copy)
        return -ENOMEM;
    weir_relation_info *info = &l.relation->info;
    info->name = weir_slice_cstr(copy);
    int r = load_kind(&l);
    if (r == 0 && info->kind != WEIR_RELATION_SYSTEM)
        r = load_columns(&l);
    if (r == 0 && info->kind == WEIR_RELATION_UNKNOWN && info->column_count > 0)
        info->kind = WEIR_RELATION_FUNCTION;
    /* One name stands for the rowid wherever it is a key; where that is hidden, it is none. */
    if (has_column(info, "rowid"))
        info->rowid = false;
    else if (r == 0 && info->rowid)
        r = load_alias(&l);
    if (r < 0)
        return r;
    l.relation->fingerprint = fingerprint_of(info);
    r = weir_map_put(&c->by_name, info->name, l.relation, NULL);
    *ret = l.relation;
    return r == 0 ? 0 : -ENOMEM;
}

static bool names_relation(const weir_access *a)
{
    bool touches = a->kind == WEIR_ACCESS_READ || a->kind == WEIR_ACCESS_INSERT ||
                   a->kind == WEIR_ACCESS_UPDATE || a->kind == WEIR_ACCESS_DELETE;
    return touches && !a->temporary && a->table[0] != '\0';
}

static bool is_listed(const weir_catalog *list, const char *name)
{
    for (size_t i = list->count; i-- > 0;) { /* most likely the newest */
        if (weir_slice_eq_cstr(list->relations[i].name, name))
            return true;
    }
    return false;
}

static int list_relation(weir_sqlite_catalog *c, sqlite3 *handle, const char *name,
                         weir_catalog *list)
{
    relation *found = weir_map_find(&c->by_name, weir_slice_cstr(name));
    int r = found ? 0 : load(c, handle, name, &found);
    if (r < 0)
        return r;
    if (list->count == c->excerpt_cap) {
        size_t cap = c->excerpt_cap ? c->excerpt_cap * 2 : 8;
        weir_relation_info *excerpt = realloc(c->excerpt, cap * sizeof(*excerpt));
        if (!excerpt)
            return -ENOMEM;
        c->excerpt = excerpt;
        c->excerpt_cap = cap;
    }
    list->relations = c->excerpt;
    c->excerpt[list->count++] = found->info;
    list->fingerprint = fold_number(list->fingerprint, found->fingerprint);
    return 0;
}

weir_sqlite_origin weir_sqlite_catalog_origin(const weir_sqlite_catalog *c, const char *table,
                                              const char *column)
{
    weir_sqlite_origin origin = {0};
    const relation *found = weir_map_find(&c->by_name, weir_slice_cstr(table));
    for (size_t i = 0; found && i < found->info.column_count; i++) {
        if (weir_slice_eq_nocase(found->info.columns[i].name, column)) {
            origin.relation = found->info.number;
            origin.column = (uint16_t)(i + 1);
        }
    }
    return origin;
}

/* Before anything is read: what was kept under another version, or is too much, goes. */
static int refresh(weir_sqlite_catalog *c, sqlite3 *handle)
{
    int64_t version = 0;
    int r = read_version(c, handle, &version);
    if (r < 0)
        return r;
    if (c->stale || version != c->version || c->by_name.len > RELATIONS_MAX / 2 ||
        c->facts.size_used > FACTS_SIZE_MAX / 2)
        reset(c);
    c->version = version;
    return 0;
}

int weir_sqlite_catalog_read(weir_sqlite_catalog *c, sqlite3 *handle, const weir_access *accesses,
                             size_t count, weir_catalog *ret)
{
    weir_catalog list = {.fingerprint = 1};
    int r = refresh(c, handle);
    for (size_t i = 0; i < count && r == 0; i++) {
        const weir_access *a = &accesses[i];
        list.fingerprint = fingerprint_of_access(list.fingerprint, a);
        if (names_relation(a) && !is_listed(&list, a->table))
            r = list_relation(c, handle, a->table, &list);
    }
    if (r < 0) {
        reset(c);
        return r;
    }
    if (list.fingerprint == 0)
        list.fingerprint = 1;
    *ret = list;
    return 0;
}
