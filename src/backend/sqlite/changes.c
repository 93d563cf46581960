/* The preupdate hook's other end.
 *
 * Invariant: for each row that a transaction inserts, updates or deletes, whoever commits it has
 * the id of its relation and, for each tracked column of it, those of the old and the new value;
 * the column's own id where a value is not known. Too much is harmless: ids of statements that
 * failed stay, and what ROLLBACK TO undid stays if its savepoint was not marked.
 *
 * What the hook of SQLite 3.40 does not say, each found by experiment (tests/unit/backend):
 *   - a row written before ALTER TABLE ADD COLUMN has NULL where a reader sees the default;
 *   - columns behind a VIRTUAL generated one are given as their neighbours;
 *   - VACUUM copies rows through the hook under another database's name, or not at all. */
#include "backend/sqlite/changes.h"
#include "backend/sqlite/db.h"
#include <stdlib.h>

#define IDS_MAX ((size_t)2 * WEIR_SQLITE_VALUES_MAX) /* beyond: everything */
#define TABLES_MAX 1024u
#define PLANS_SIZE_MAX ((size_t)4 * 1024 * 1024)

enum { INDEX_ROWID = -1, INDEX_UNKNOWN = -2 };

typedef struct plan_column {
    uint64_t id;
    int index;      /* for sqlite3_preupdate_old; or one of the above */
    bool defaulted; /* NULL may stand for its default */
} plan_column;

typedef struct weir_sqlite_plan {
    const char *name;
    uint64_t relation;
    size_t count;
    plan_column columns[];
} plan;

void weir_sqlite_changes_init(weir_sqlite_changes *c, weir_hash_seed seed)
{
    *c = (weir_sqlite_changes){.unmarked = false};
    weir_id_set_init(&c->set, IDS_MAX);
    weir_map_init(&c->plans, seed, TABLES_MAX);
    weir_arena_init(&c->names, PLANS_SIZE_MAX);
    weir_arena_init(&c->plan_facts, PLANS_SIZE_MAX);
}

void weir_sqlite_changes_fini(weir_sqlite_changes *c)
{
    weir_map_fini(&c->plans);
    weir_arena_fini(&c->names);
    weir_arena_fini(&c->plan_facts);
    free(c->tracked);
    weir_id_set_fini(&c->set);
}

void weir_sqlite_changes_clear(weir_sqlite_changes *c)
{
    weir_id_set_clear(&c->set);
    c->depth = 0;
    c->unmarked = false;
    if (c->schema_touched)
        c->plans_version = -1; /* it may come again for another schema */
    c->schema_touched = false;
    c->plans_checked = false; /* and not freed here: a rollback may come while a plan is made */
}

void weir_sqlite_changes_roll_back(weir_sqlite_changes *c)
{
    bool touched = c->schema_touched; /* `schema_before` holds: settling compares the versions */
    weir_sqlite_changes_clear(c);
    c->schema_touched = touched;
}

bool weir_sqlite_changes_pending(const weir_sqlite_changes *c)
{
    return c->set.count > 0 || c->set.everything || c->schema_touched;
}

/* ---- savepoints ---- */

static weir_sqlite_mark *find_mark(weir_sqlite_changes *c, const char *name)
{
    for (size_t i = c->depth; i-- > 0;) { /* the newest of that name */
        if (sqlite3_stricmp(c->marks[i].name, name) == 0)
            return &c->marks[i];
    }
    return NULL;
}

static void put_mark(weir_sqlite_changes *c, const char *name)
{
    if (c->depth == WEIR_SQLITE_SAVEPOINTS_MAX) {
        c->unmarked = true;
        return;
    }
    weir_sqlite_mark *mark = &c->marks[c->depth++];
    memcpy(mark->name, name, strlen(name) + 1);
    mark->count = c->set.count;
}

/* Others may have changed the schema: tables are looked at again. */
static void forget_tables(weir_sqlite_changes *c)
{
    weir_hash_seed seed = c->plans.seed;
    c->last = NULL;
    c->plans_checked = false;
    if (c->plans.len == 0)
        return;
    weir_map_fini(&c->plans);
    weir_map_init(&c->plans, seed, TABLES_MAX);
    weir_arena_reset(&c->plan_facts);
}

void weir_sqlite_changes_savepoint(weir_sqlite_changes *c, weir_sqlite_savepoint_op op,
                                   const char name[static WEIR_SQLITE_SAVEPOINT_NAME_MAX])
{
    c->unmarked |= !memchr(name, 0, WEIR_SQLITE_SAVEPOINT_NAME_MAX);
    if (op == WEIR_SQLITE_SAVEPOINT_ROLLBACK)
        forget_tables(c);
    if (c->unmarked)
        return;
    if (op == WEIR_SQLITE_SAVEPOINT_BEGIN) {
        put_mark(c, name);
        return;
    }
    weir_sqlite_mark *mark = find_mark(c, name);
    if (!mark) { /* not ours to judge */
        c->unmarked = true;
    } else if (op == WEIR_SQLITE_SAVEPOINT_RELEASE) {
        c->depth = (size_t)(mark - c->marks);
    } else {
        c->depth = (size_t)(mark - c->marks) + 1;
        weir_id_set_truncate(&c->set, mark->count);
    }
}

/* ---- the schema ---- */

/* -1: cannot be had. */
static int64_t schema_version(weir_sqlite_db *db)
{
    int64_t version = -1;
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    int rc = weir_sqlite_db_number(db, "PRAGMA schema_version", &version);
    weir_sqlite_db_step_back(db, before);
    return rc == SQLITE_OK ? version : -1;
}

void weir_sqlite_changes_before_schema(weir_sqlite_changes *c, weir_sqlite_db *db)
{
    if (!c->schema_touched)
        c->schema_before = schema_version(db);
    c->schema_touched = true;
    forget_tables(c);
}

bool weir_sqlite_changes_schema_differs(const weir_sqlite_changes *c, weir_sqlite_db *db)
{
    if (!c->schema_touched)
        return false;
    int64_t now = schema_version(db);
    return now < 0 || now != c->schema_before;
}

/* ---- tracked columns ---- */

typedef struct tracking {
    weir_sqlite_changes *changes;
    bool failed;
} tracking;

static void on_tracked(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                       weir_slice column_name)
{
    (void)relation_name;
    tracking *t = user;
    weir_sqlite_changes *c = t->changes;
    if (c->tracked_count == c->tracked_cap && !t->failed) {
        size_t cap = c->tracked_cap ? c->tracked_cap * 2 : 16;
        weir_sqlite_tracked *tracked = realloc(c->tracked, cap * sizeof(*tracked));
        t->failed = !tracked;
        if (!tracked)
            return;
        c->tracked = tracked;
        c->tracked_cap = cap;
    }
    const char *name = t->failed ? NULL : weir_arena_strdup(&c->names, column_name);
    t->failed |= !name;
    if (name)
        c->tracked[c->tracked_count++] =
            (weir_sqlite_tracked){relation, column, weir_slice_cstr(name)};
}

/* If it fails the old list is gone: everything is reported until a later try succeeds, so what was
 * confirmed before still holds. */
void weir_sqlite_changes_track(weir_sqlite_changes *c, const weir_follower *follower)
{
    tracking t = {c, false};
    uint64_t serial = follower->track_serial(follower->user);
    if (serial == c->serial)
        return;
    forget_tables(c);
    weir_arena_reset(&c->names);
    c->tracked_count = 0;
    follower->each_tracked(follower->user, on_tracked, &t);
    c->untracked = t.failed;
    if (t.failed)
        return;
    c->serial = serial;
    follower->confirm(follower->user, serial);
}

/* ---- plans ---- */

static plan_column *wanted(plan *p, const weir_sqlite_tracked *const *tracked, const char *name)
{
    weir_slice slice = weir_slice_cstr(name);
    for (size_t i = 0; i < p->count; i++) {
        if (tracked[i]->name.len == slice.len &&
            sqlite3_strnicmp((const char *)tracked[i]->name.data, name, (int)slice.len) == 0)
            return &p->columns[i];
    }
    return NULL;
}

/* Where the wanted columns are in a row. Those not found stay unknown. */
static int find_columns(weir_sqlite_db *db, plan *p, const weir_sqlite_tracked *const *tracked)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->handle,
                                "SELECT name, dflt_value IS NOT NULL, hidden "
                                "FROM pragma_table_xinfo(?1)",
                                -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, p->name, -1, SQLITE_STATIC);
    bool shifted = false;
    for (int i = 0; rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW; i++) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        int hidden = sqlite3_column_int(s, 2);
        shifted |= hidden == 2; /* VIRTUAL */
        plan_column *column = name ? wanted(p, tracked, name) : NULL;
        if (column && !shifted && hidden == 0) {
            column->index = i;
            column->defaulted = sqlite3_column_int(s, 1) != 0;
        }
        if (column && column->index == INDEX_ROWID) /* a column hides the rowid */
            column->index = INDEX_UNKNOWN;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? 0 : -EIO;
}

static bool has_rowid(weir_sqlite_db *db, const char *table)
{
    return sqlite3_table_column_metadata(db->handle, "main", table, "rowid", NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

static int locate(weir_sqlite_changes *c, weir_sqlite_db *db, plan *p)
{
    const weir_sqlite_tracked **tracked = calloc(p->count, sizeof(const weir_sqlite_tracked *));
    if (!tracked)
        return -ENOMEM;
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    bool rowid = has_rowid(db, p->name);
    size_t n = 0;
    for (size_t i = 0; i < c->tracked_count; i++) {
        if (c->tracked[i].relation != p->relation)
            continue;
        bool is_rowid = rowid && weir_slice_eq_nocase(c->tracked[i].name, "rowid");
        tracked[n] = &c->tracked[i];
        p->columns[n++] = (plan_column){.id = c->tracked[i].column,
                                        .index = is_rowid ? INDEX_ROWID : INDEX_UNKNOWN};
    }
    int r = find_columns(db, p, tracked);
    weir_sqlite_db_step_back(db, before);
    free(tracked);
    return r;
}

static plan *make_plan(weir_sqlite_changes *c, weir_sqlite_db *db, const char *table)
{
    size_t count = 0;
    uint64_t relation = weir_relation_id(weir_slice_cstr(table));
    for (size_t i = 0; i < c->tracked_count; i++)
        count += c->tracked[i].relation == relation;
    plan *p = weir_arena_alloc(&c->plan_facts, sizeof(*p) + count * sizeof(p->columns[0]));
    if (!p)
        return NULL;
    p->name = weir_arena_strdup(&c->plan_facts, weir_slice_cstr(table));
    p->relation = relation;
    p->count = count;
    if (!p->name || (count > 0 && locate(c, db, p) < 0))
        return NULL;
    if (weir_map_put(&c->plans, weir_slice_cstr(p->name), p, NULL) != 0)
        return NULL;
    return p;
}

/* Asked once per transaction, which holds the write lock: nobody else changes the schema. */
static void check_plans(weir_sqlite_changes *c, weir_sqlite_db *db)
{
    int64_t version = c->tracked_count > 0 ? schema_version(db) : 0;
    if (version < 0 || version != c->plans_version || c->plans.len == TABLES_MAX)
        forget_tables(c);
    c->plans_version = version;
    c->plans_checked = version >= 0;
}

static const plan *plan_of(weir_sqlite_changes *c, weir_sqlite_db *db, const char *table)
{
    if (!c->plans_checked)
        check_plans(c, db);
    if (c->last && strcmp(c->last->name, table) == 0)
        return c->last;
    c->last = weir_map_find(&c->plans, weir_slice_cstr(table));
    if (!c->last)
        c->last = make_plan(c, db, table);
    return c->last;
}

/* ---- rows ---- */

/* False: it cannot be had. Numbers are not asked for as texts: that would change the register they
 * lie in. */
static bool read_value(sqlite3_value *from, weir_value *ret)
{
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        *ret = (weir_value){.type = WEIR_VALUE_INTEGER, .u.integer = sqlite3_value_int64(from)};
        return true;
    case SQLITE_FLOAT:
        *ret = (weir_value){.type = WEIR_VALUE_REAL, .u.real = sqlite3_value_double(from)};
        return true;
    case SQLITE_NULL:
        *ret = (weir_value){.type = WEIR_VALUE_NULL};
        return true;
    case SQLITE_TEXT:
        if (sqlite3_value_encoding(from) != SQLITE_UTF8)
            return false;
        ret->type = WEIR_VALUE_TEXT;
        ret->u.bytes.data = sqlite3_value_text(from);
        break;
    default:
        ret->type = WEIR_VALUE_BLOB;
        ret->u.bytes.data = sqlite3_value_blob(from);
        break;
    }
    int len = sqlite3_value_bytes(from);
    ret->u.bytes.len = len > 0 ? (size_t)len : 0;
    return ret->u.bytes.data || (len == 0 && ret->type == WEIR_VALUE_BLOB);
}

static void add_value(weir_sqlite_changes *c, const plan_column *column, const weir_value *value)
{
    uint64_t id;
    if (value->type == WEIR_VALUE_NULL && column->defaulted) {
        weir_id_set_add(&c->set, column->id);
    } else if (weir_key_of_row(column->id, value, &id) == 0) {
        weir_id_set_add(&c->set, c->set.count < WEIR_SQLITE_VALUES_MAX ? id : column->id);
    } else if (value->type != WEIR_VALUE_NULL) {
        weir_id_set_add(&c->set, column->id);
    }
}

typedef struct side {
    bool old;
    int64_t key;
} side;

static void add_side(weir_sqlite_changes *c, sqlite3 *handle, const plan_column *column, side s)
{
    weir_value value = {.type = WEIR_VALUE_INTEGER, .u.integer = s.key};
    sqlite3_value *from = NULL;
    if (column->index == INDEX_ROWID) {
        add_value(c, column, &value);
        return;
    }
    int rc = s.old ? sqlite3_preupdate_old(handle, column->index, &from)
                   : sqlite3_preupdate_new(handle, column->index, &from);
    if (rc == SQLITE_OK && from && read_value(from, &value))
        add_value(c, column, &value);
    else
        weir_id_set_add(&c->set, column->id);
}

static void on_change(void *user, sqlite3 *handle, int op, const char *database, const char *table,
                      sqlite3_int64 old_key, sqlite3_int64 new_key)
{
    weir_sqlite_db *db = user;
    weir_sqlite_changes *c = db->changes;
    if (!c || c->set.everything || strcmp(database, "main") != 0)
        return;
    const plan *p = c->untracked ? NULL : plan_of(c, db, table);
    if (!p) {
        c->set.everything = true;
        return;
    }
    weir_id_set_add(&c->set, p->relation);
    for (size_t i = 0; i < p->count; i++) {
        const plan_column *column = &p->columns[i];
        if (column->index == INDEX_UNKNOWN)
            weir_id_set_add(&c->set, column->id);
        if (column->index != INDEX_UNKNOWN && op != SQLITE_INSERT)
            add_side(c, handle, column, (side){true, old_key});
        if (column->index != INDEX_UNKNOWN && op != SQLITE_DELETE)
            add_side(c, handle, column, (side){false, new_key});
    }
}

/* Statements that were prepared without the hook may clear tables unseen. */
void weir_sqlite_changes_watch(weir_sqlite_changes *c, weir_sqlite_db *db)
{
    db->changes = c;
    if (db->watched)
        return;
    db->watched = true;
    sqlite3_preupdate_hook(db->handle, on_change, db);
    weir_sqlite_stmt_cache_forget_idle(&db->cache);
}
