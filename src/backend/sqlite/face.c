/* Virtual tables whose rows are those of a query on the same connection (docs/decisions/0011). Rows
 * of a table that the schema alone decides are read once for each state of it, and kept; the
 * others' query runs for each cursor.
 *
 * Invariant: SQLite compares again what it passes in, so a cursor may give too many rows, never too
 * few: a value is passed with the affinity of its column, and only under collation BINARY. */
#include "backend/sqlite/face_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define COLUMNS_MAX WEIR_FACE_COLUMNS_MAX
#define CONDITIONS_MAX 8

typedef struct weir_sqlite_face_module module;

typedef struct table {
    sqlite3_vtab base;
    module *of;
    int columns, arguments; /* the latter are the last of the former, and hidden */
    char *names[COLUMNS_MAX];
    bool text[COLUMNS_MAX]; /* of TEXT affinity; else the value decides */
} table;

typedef struct condition {
    int column;
    sqlite3_value *value; /* a copy */
    weir_value is;
} condition;

typedef struct cursor {
    sqlite3_vtab_cursor base;
    sqlite3_stmt *query;      /* of a table that is read anew */
    weir_sqlite_image *image; /* of another one */
    condition conditions[CONDITIONS_MAX];
    int condition_count;
    size_t row;
    bool done;
} cursor;

static table *table_of(sqlite3_vtab *base)
{
    return WEIR_CONTAINER_OF(base, table, base);
}

static cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return WEIR_CONTAINER_OF(base, cursor, base);
}

static int fail(table *t, int rc)
{
    sqlite3_free(t->base.zErrMsg);
    t->base.zErrMsg = sqlite3_mprintf("%s", sqlite3_errmsg(t->of->face->db->handle));
    return rc;
}

/* ---- the table ---- */

static void free_table(table *t)
{
    for (int i = 0; i < t->columns; i++)
        sqlite3_free(t->names[i]);
    sqlite3_free(t->base.zErrMsg);
    sqlite3_free(t);
}

/* One of "name type [hidden]", by commas; no type has a comma. */
static bool add_column(table *t, const char *from, size_t len)
{
    while (len > 0 && *from == ' ')
        from++, len--;
    size_t name = 0;
    while (name < len && from[name] != ' ')
        name++;
    char *copy = sqlite3_mprintf("%.*s", (int)name, from);
    if (!copy)
        return false;
    char rest[64];
    snprintf(rest, sizeof(rest), "%.*s", (int)(len - name), from + name);
    t->text[t->columns] = strcasestr(rest, "text") != NULL;
    t->arguments += strcasestr(rest, "hidden") != NULL;
    t->names[t->columns++] = copy;
    return true;
}

static bool add_columns(table *t, const char *columns)
{
    for (;;) {
        size_t len = strcspn(columns, ",");
        assert(t->columns < COLUMNS_MAX);
        if (!add_column(t, columns, len))
            return false;
        if (columns[len] == '\0')
            return true;
        columns += len + 1;
    }
}

static int declare(weir_sqlite_db *db, const char *columns)
{
    char *sql = sqlite3_mprintf("CREATE TABLE t(%s)", columns);
    if (!sql)
        return SQLITE_NOMEM;
    bool before = db->collector.trusted;
    db->collector.trusted = true;
    int rc = sqlite3_declare_vtab(db->handle, sql);
    db->collector.trusted = before;
    sqlite3_free(sql);
    return rc;
}

static int on_connect(sqlite3 *handle, void *user, int argc, const char *const *argv,
                      sqlite3_vtab **ret, char **ret_error)
{
    (void)handle, (void)argc, (void)argv, (void)ret_error;
    module *of = user;
    int rc = declare(of->face->db, of->table->columns);
    if (rc != SQLITE_OK)
        return rc;
    table *t = sqlite3_malloc(sizeof(*t));
    if (!t)
        return SQLITE_NOMEM;
    *t = (table){.of = of};
    if (!add_columns(t, of->table->columns)) {
        free_table(t);
        return SQLITE_NOMEM;
    }
    *ret = &t->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *base)
{
    free_table(table_of(base));
    return SQLITE_OK;
}

/* ---- which conditions ---- */

static bool is_argument(const table *t, int column)
{
    return column >= t->columns - t->arguments;
}

/* With arguments, or of a table that changes without the schema. */
static bool is_read_anew(const table *t)
{
    const char *query = t->of->table->query;
    return t->arguments > 0 || strncmp(query, WEIR_FACE_WHERE, strlen(WEIR_FACE_WHERE)) == 0;
}

static bool usable(const table *t, sqlite3_index_info *info, int i)
{
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];
    return c->usable && c->op == SQLITE_INDEX_CONSTRAINT_EQ && c->iColumn >= 0 &&
           (is_argument(t, c->iColumn) ||
            strcasecmp(sqlite3_vtab_collation(info, i), "BINARY") == 0);
}

/* idxStr: a letter per value, 'A' and the column's number. Arguments must be known when the table
 * is read. */
static int on_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    table *t = table_of(base);
    char conditions[COLUMNS_MAX + 1];
    bool taken[COLUMNS_MAX] = {false};
    int n = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        int column = info->aConstraint[i].iColumn;
        if (column >= 0 && is_argument(t, column) && !info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        if (!usable(t, info, i) || taken[column] ||
            (!is_argument(t, column) && (is_read_anew(t) || n == CONDITIONS_MAX)))
            continue;
        taken[column] = true;
        conditions[n++] = (char)('A' + column);
        info->aConstraintUsage[i].argvIndex = n;
        info->aConstraintUsage[i].omit = is_argument(t, column);
    }
    conditions[n] = '\0';
    info->idxStr = sqlite3_mprintf("%s", conditions);
    info->needToFreeIdxStr = 1;
    info->estimatedCost = n > 0 ? 100.0 / n : 10000.0;
    info->estimatedRows = n > 0 ? 5 : 1000;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- the cursor ---- */

static int on_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    (void)base;
    cursor *c = sqlite3_malloc(sizeof(*c));
    if (!c)
        return SQLITE_NOMEM;
    *c = (cursor){.done = true};
    *ret = &c->base;
    return SQLITE_OK;
}

static void forget_rows(cursor *c)
{
    for (int i = 0; i < c->condition_count; i++)
        sqlite3_value_free(c->conditions[i].value);
    c->condition_count = 0;
    weir_sqlite_image_unref(c->image);
    c->image = NULL;
}

static int on_close(sqlite3_vtab_cursor *base)
{
    cursor *c = cursor_of(base);
    forget_rows(c);
    sqlite3_finalize(c->query);
    sqlite3_free(c);
    return SQLITE_OK;
}

/* A copy with the column's affinity, as the comparison that follows has it. */
static int add_condition(const table *t, cursor *c, int column, sqlite3_value *value)
{
    condition *k = &c->conditions[c->condition_count];
    *k = (condition){.column = column, .value = sqlite3_value_dup(value)};
    if (!k->value)
        return SQLITE_NOMEM;
    c->condition_count++;
    int type =
        t->text[column] ? sqlite3_value_type(k->value) : sqlite3_value_numeric_type(k->value);
    if (t->text[column] && (type == SQLITE_INTEGER || type == SQLITE_FLOAT)) {
        k->is.type = WEIR_VALUE_TEXT;
        k->is.u.bytes.data = sqlite3_value_text(k->value);
        k->is.u.bytes.len = (size_t)sqlite3_value_bytes(k->value);
        return k->is.u.bytes.data ? SQLITE_OK : SQLITE_NOMEM;
    }
    k->is = weir_sqlite_face_take(k->value);
    return SQLITE_OK;
}

static bool fits(const cursor *c)
{
    const weir_value *row = c->image->cells + c->row * (size_t)c->image->columns;
    for (int i = 1; i < c->condition_count; i++)
        if (!weir_sqlite_image_may_equal(&row[c->conditions[i].column], &c->conditions[i].is))
            return false;
    return true;
}

/* From c->row on, which is 0 or behind a row that was given: the first condition's rows. */
static void seek(cursor *c)
{
    const condition *first = &c->conditions[0];
    while (c->condition_count > 0) {
        c->row = weir_sqlite_image_find(c->image, first->column, &first->is, c->row);
        if (c->row >= c->image->count || fits(c))
            break;
        c->row++;
    }
    c->done = c->row >= c->image->count;
}

static int on_next(sqlite3_vtab_cursor *base)
{
    cursor *c = cursor_of(base);
    table *t = table_of(base->pVtab);
    c->row++;
    if (c->image) {
        seek(c);
        return SQLITE_OK;
    }
    int rc = weir_sqlite_face_step(t->of->face->db, c->query);
    c->done = rc != SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : fail(t, rc);
}

static int filter_query(table *t, cursor *c, const char *conditions, sqlite3_value **argv)
{
    int rc = SQLITE_OK, visible = t->columns - t->arguments;
    c->done = true;
    if (!weir_sqlite_face_applies(t->of->face->db, t->of->table->query))
        return SQLITE_OK;
    if (!c->query)
        rc = weir_sqlite_face_prepare(t->of->face->db, t->of->table->query, &c->query);
    else
        sqlite3_reset(c->query);
    if (rc == SQLITE_OK)
        rc = sqlite3_clear_bindings(c->query);
    for (int i = 0; conditions[i] && rc == SQLITE_OK; i++) {
        int argument = conditions[i] - 'A' - visible + 1;
        if (argument <= sqlite3_bind_parameter_count(c->query)) /* it need not use all */
            rc = sqlite3_bind_value(c->query, argument, argv[i]);
    }
    return rc == SQLITE_OK ? on_next(&c->base) : fail(t, rc);
}

static int filter_image(table *t, cursor *c, const char *conditions, sqlite3_value **argv)
{
    weir_sqlite_image *image = NULL;
    forget_rows(c);
    int rc = weir_sqlite_face_image(t->of, &image);
    if (rc != SQLITE_OK)
        return fail(t, rc);
    c->image = weir_sqlite_image_ref(image);
    for (int i = 0; conditions[i] && rc == SQLITE_OK; i++)
        rc = add_condition(t, c, conditions[i] - 'A', argv[i]);
    if (rc == SQLITE_OK)
        seek(c);
    return rc;
}

static int on_filter(sqlite3_vtab_cursor *base, int number, const char *conditions, int argc,
                     sqlite3_value **argv)
{
    (void)number, (void)argc;
    cursor *c = cursor_of(base);
    table *t = table_of(base->pVtab);
    c->row = 0;
    return is_read_anew(t) ? filter_query(t, c, conditions, argv)
                           : filter_image(t, c, conditions, argv);
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->done;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    cursor *c = cursor_of(base);
    int count = c->image ? c->image->columns : sqlite3_column_count(c->query);
    if (column < count && c->image)
        weir_sqlite_face_give(context, &c->image->cells[c->row * (size_t)count + (size_t)column]);
    else if (column < count)
        sqlite3_result_value(context, sqlite3_column_value(c->query, column));
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)cursor_of(base)->row;
    return SQLITE_OK;
}

const sqlite3_module weir_sqlite_face_methods = {
    .iVersion = 1,
    .xConnect = on_connect, /* without xCreate: nobody can make a table of it */
    .xBestIndex = on_best_index,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};
