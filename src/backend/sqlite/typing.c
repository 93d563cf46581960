/* The schema as the face's translation asks for it, on the connection that will run the statement:
 * what an open transaction has changed counts. */
#include "backend/sqlite/face_internal.h"
#include "backend/sqlite/run.h"
#include "base/arena.h"
#include "base/map.h"
#include <stdio.h>
#include <stdlib.h>

static const char columns_query[] =
    "SELECT c.name, iif(c.pk > 0 AND c.type = 'INTEGER' AND instr(s.sql, 'INTEGER /* int4 */'), "
    "'INT4', c.type), c.\"notnull\", c.pk, instr(s.sql, '(" WEIR_FACE_TABLE_MARK
    "'), v.sql, iif(c.pk > 0 AND c.type = 'INTEGER', NULL, "
    "coalesce(c.dflt_value, 'NULL')) FROM pragma_table_list(?1) AS l, pragma_table_xinfo(?1) AS c "
    "LEFT JOIN "
    "sqlite_schema AS s "
    "ON s.type = 'table' AND s.name = ?1 COLLATE NOCASE LEFT JOIN sqlite_schema AS v ON v.type = "
    "'view' AND v.name = ?1 COLLATE NOCASE WHERE l.type IN ('table', 'view') AND "
    "c.hidden <> 1";

/* An enum is a view (compat/enums.h). */
static const char type_query[] =
    "SELECT sql FROM sqlite_schema WHERE type = 'view' AND sql LIKE 'CREATE VIEW %/* enum %' AND "
    "(name = ?1 OR instr(sql, ?2) > 0)";

static weir_slice text_at(sqlite3_stmt *query, int i)
{
    const unsigned char *text = sqlite3_column_text(query, i);
    return weir_slice_make(text, text ? (size_t)sqlite3_column_bytes(query, i) : 0);
}

#define OTHER_KIND 2

/* What has a name without being in the schema: SQLite's own, and the face's. */
static bool is_virtual(const weir_sqlite_db *db, weir_slice name)
{
    static const char *const prefixes[] = {"pragma_", "json_", "sqlite_", "dbstat"};
    const weir_face_table *const *lists = db->options->face->tables;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (name.len >= strlen(prefixes[i]) &&
            weir_slice_eq_nocase(weir_slice_head(name, strlen(prefixes[i])), prefixes[i]))
            return true;
    for (size_t i = 0; lists[i]; i++)
        for (const weir_face_table *table = lists[i]; table->name; table++)
            if (weir_slice_eq_nocase(name, table->name))
                return true;
    char copy[256];
    if (name.len >= sizeof(copy))
        return true;
    memcpy(copy, name.data, name.len);
    copy[name.len] = '\0';
    return sqlite3_table_column_metadata(db->handle, NULL, copy, NULL, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

/* ---- what is kept until the schema is another ---- */

#define TABLES_MAX 4096u
#define FACTS_SIZE_MAX ((size_t)8 * 1024 * 1024)

typedef struct kept_column {
    struct kept_column *next;
    weir_face_column is;
} kept_column;

typedef struct kept_table {
    weir_slice name;
    kept_column *columns;
    bool marked;
} kept_table;

struct weir_sqlite_typing {
    sqlite3_stmt *ask_columns, *ask_version, *ask_type;
    weir_map by_name;
    weir_arena facts; /* of the tables in `by_name` */
    int64_t version;  /* the schema's, before the first of them was read */
};

void weir_sqlite_typing_free(weir_sqlite_typing *typing)
{
    if (!typing)
        return;
    sqlite3_finalize(typing->ask_columns);
    sqlite3_finalize(typing->ask_version);
    sqlite3_finalize(typing->ask_type);
    weir_map_fini(&typing->by_name);
    weir_arena_fini(&typing->facts);
    free(typing);
}

static int prepare_questions(weir_sqlite_db *db, weir_sqlite_typing *t)
{
    int rc = sqlite3_prepare_v3(db->handle, columns_query, -1, SQLITE_PREPARE_PERSISTENT,
                                &t->ask_columns, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db->handle, type_query, -1, SQLITE_PREPARE_PERSISTENT, &t->ask_type,
                                NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db->handle, "PRAGMA schema_version", -1, SQLITE_PREPARE_PERSISTENT,
                                &t->ask_version, NULL);
    return rc;
}

/* 0, -ENOMEM, OTHER_KIND: nothing can be asked now. */
static int begin(weir_sqlite_db *db)
{
    if (db->typing)
        return 0;
    weir_sqlite_typing *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    weir_map_init(&t->by_name, db->catalog.by_name.seed, TABLES_MAX);
    weir_arena_init(&t->facts, FACTS_SIZE_MAX);
    if (prepare_questions(db, t) != SQLITE_OK) {
        weir_sqlite_typing_free(t);
        return OTHER_KIND;
    }
    db->typing = t;
    db->typing_stale = true;
    return 0;
}

/* What was kept under another version, or is too much, goes. */
static void refresh(weir_sqlite_db *db)
{
    weir_sqlite_typing *t = db->typing;
    bool known = sqlite3_step(t->ask_version) == SQLITE_ROW;
    int64_t version = known ? sqlite3_column_int64(t->ask_version, 0) : 0;
    sqlite3_reset(t->ask_version);
    if (!known || db->typing_stale || version != t->version || t->by_name.len > TABLES_MAX / 2 ||
        t->facts.size_used > FACTS_SIZE_MAX / 2) {
        weir_hash_seed seed = t->by_name.seed;
        weir_map_fini(&t->by_name);
        weir_map_init(&t->by_name, seed, TABLES_MAX);
        weir_arena_reset(&t->facts);
    }
    t->version = version;
    db->typing_stale = !known;
}

static weir_slice keep_text(weir_sqlite_typing *t, weir_slice text)
{
    const char *copy = weir_arena_strdup(&t->facts, text);
    return copy ? weir_slice_cstr(copy) : (weir_slice){0};
}

/* A view of ours tells its columns' types one by one: the next, off `*list`. */
static weir_slice take_type(weir_slice *list)
{
    const uint8_t *end = list->len > 0 ? memchr(list->data, ';', list->len) : NULL;
    weir_slice type = weir_slice_head(*list, end ? (size_t)(end - list->data) : 0);
    *list = end ? weir_slice_skip(*list, type.len + 1) : (weir_slice){0};
    return type;
}

static const char *declare(weir_sqlite_typing *t, weir_slice type)
{
    char text[80];
    int len = snprintf(text, sizeof(text), WEIR_FACE_VIEW_COLUMN "%.*s", (int)type.len,
                       (const char *)type.data);
    bool fits = len > 0 && (size_t)len < sizeof(text);
    return fits ? (const char *)keep_text(t, weir_slice_cstr(text)).data : NULL;
}

/* Behind the mark of its text; empty: it has none. */
static weir_slice view_types(weir_slice sql)
{
    size_t len = strlen(WEIR_FACE_VIEW_MARK);
    const uint8_t *mark = sql.len > 0 ? memmem(sql.data, sql.len, WEIR_FACE_VIEW_MARK, len) : NULL;
    return mark ? weir_slice_skip(sql, (size_t)(mark - sql.data) + len) : (weir_slice){0};
}

static int load_columns(weir_sqlite_typing *t, kept_table *table)
{
    kept_column **tail = &table->columns;
    size_t at = 0;
    int rc;
    while ((rc = sqlite3_step(t->ask_columns)) == SQLITE_ROW) {
        kept_column *c = weir_arena_alloc(&t->facts, sizeof(*c));
        if (!c)
            return SQLITE_NOMEM;
        bool key = sqlite3_column_int(t->ask_columns, 3) > 0;
        bool counts = sqlite3_column_type(t->ask_columns, 6) == SQLITE_NULL;
        weir_slice value = keep_text(t, text_at(t->ask_columns, 6));
        *c = (kept_column){
            .is = {.name = keep_text(t, text_at(t->ask_columns, 0)),
                   .declared = (const char *)keep_text(t, text_at(t->ask_columns, 1)).data,
                   .fallback = counts ? NULL : (const char *)value.data,
                   .not_null = key || sqlite3_column_int(t->ask_columns, 2) != 0,
                   .key = key}};
        weir_slice types = view_types(text_at(t->ask_columns, 5)), type = take_type(&types);
        for (size_t i = 0; i < at && type.len > 0; i++)
            type = take_type(&types);
        at++;
        if (type.len > 0)
            c->is.declared = declare(t, type);
        table->marked = type.len > 0 || sqlite3_column_int(t->ask_columns, 4) > 0;
        if (!c->is.name.data || !c->is.declared || !value.data)
            return SQLITE_NOMEM;
        *tail = c;
        tail = &c->next;
    }
    return rc;
}

static int load(weir_sqlite_db *db, weir_slice name, kept_table **ret)
{
    weir_sqlite_typing *t = db->typing;
    kept_table *table = weir_arena_alloc(&t->facts, sizeof(*table));
    if (!table)
        return -ENOMEM;
    *table = (kept_table){.name = keep_text(t, name)};
    if (!table->name.data)
        return -ENOMEM;
    int rc = sqlite3_bind_text64(t->ask_columns, 1, (const char *)name.data, name.len,
                                 SQLITE_TRANSIENT, SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = load_columns(t, table);
    sqlite3_reset(t->ask_columns);
    if ((rc & 0xff) == SQLITE_NOMEM)
        return -ENOMEM;
    if (rc != SQLITE_DONE)
        return OTHER_KIND;
    if (!table->columns)
        return is_virtual(db, name) ? OTHER_KIND : WEIR_FACE_NO_TABLE;
    *ret = table;
    return weir_map_put(&t->by_name, table->name, table, NULL) < 0 ? -ENOMEM : 0;
}

static int read_table(void *user, weir_slice name, bool *ret_marked,
                      void (*column)(void *to, const weir_face_column *column), void *to)
{
    weir_sqlite_db *db = user;
    kept_table *table = weir_map_find(&db->typing->by_name, name);
    int r = table ? 0 : load(db, name, &table);
    *ret_marked = r == 0 && table->marked;
    for (const kept_column *c = r == 0 ? table->columns : NULL; c; c = c->next)
        column(to, &c->is);
    return r;
}

static const char *read_type(void *user, weir_slice name, uint32_t oid)
{
    weir_sqlite_db *db = user;
    weir_sqlite_typing *t = db->typing;
    char mark[40];
    (void)snprintf(mark, sizeof(mark), "/* enum %u */", oid);
    int rc = sqlite3_bind_text64(t->ask_type, 1, (const char *)name.data, name.len,
                                 SQLITE_TRANSIENT, SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(t->ask_type, 2, mark, -1, SQLITE_TRANSIENT);
    weir_slice sql = {0};
    if (rc == SQLITE_OK && sqlite3_step(t->ask_type) == SQLITE_ROW)
        sql = keep_text(t, text_at(t->ask_type, 0));
    sqlite3_reset(t->ask_type);
    return (const char *)sql.data;
}

int weir_sqlite_type_statement(weir_sqlite_db *db, weir_slice source, weir_slice params,
                               weir_slice zone, weir_face_typing *ret, weir_error *err)
{
    weir_face_schema schema = {.table = read_table, .type = read_type, .user = db};
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    int r = begin(db);
    if (r == 0) {
        refresh(db);
        r = db->options->face->translate(source, params, zone, &schema, ret, err);
    }
    weir_sqlite_db_step_back(db, before);
    if (r == -ENOMEM)
        weir_error_set(err, "53200", "weir: out of memory");
    else if (r < 0)
        weir_error_set(err, "54000", "weir: the statement is too large to be translated");
    return r > 0 && r != WEIR_FACE_PASS ? -EINVAL : r;
}
