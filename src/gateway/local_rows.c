/* Rows of SQLite as RowDescription and DataRow messages. Called by the backend on the thread that
 * executes; touches nothing but its local_rows and the exec's buffer.
 *
 * Invariant: every cell is readable by the type that the description announces. A column without a
 * declared type is announced by what its first chunk of rows holds: its cells are written as text
 * (which looks the same for every type that may come out) and the type's OID is patched into the
 * description before the chunk leaves; cells that follow must fit it. */
#include "gateway/local_calls.h"
#include <stdlib.h>

void local_rows_begin(local_rows *rows, weir_slice source, bool describe)
{
    local_rows_fini(rows);
    *rows = (local_rows){.source = source, .describe = describe};
    weir_buf_init(&rows->said, LOCAL_SAID_SIZE_MAX);
}

void local_rows_fini(local_rows *rows)
{
    local_columns_fini(&rows->columns);
    weir_buf_fini(&rows->said);
}

static uint16_t format_of(const local_rows *rows, size_t i)
{
    if (rows->format_count == 0)
        return 0;
    return rows->formats[rows->format_count == 1 ? 0 : i];
}

#define HINTS_MAX 64u

/* As PostgreSQL names it, or as SQLite does. */
static int take_name(local_columns *c, const weir_column *column, const weir_compat_hint *hint)
{
    char label[LOCAL_NAME_MAX];
    if (!hint || hint->label.len == 0 || column->origin)
        return weir_buf_append_cstr(&c->names, column->name ? column->name : "?column?");
    weir_compat_name_fold(hint->label, label, sizeof(label));
    return weir_buf_append_cstr(&c->names, label);
}

static int take_names(local_columns *c, const weir_column *columns, size_t count,
                      const weir_compat_hint *hints, size_t known)
{
    int r = 0;
    weir_buf_init(&c->names, WEIR_PG_MESSAGE_SIZE_MAX);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = take_name(c, &columns[i], i < known ? &hints[i] : NULL);
    size_t at = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        c->items[i].name = weir_slice_cstr((const char *)c->names.data + at);
        at += c->items[i].name.len + 1;
    }
    return r;
}

/* Those that are declared. True: that is all of them, and their names are given, too. */
static bool take_declared(local_columns *c, const weir_column *columns, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        c->items[i].type_oid = weir_compat_declared_oid(columns[i].declared);
        all &= c->items[i].type_oid != 0 && columns[i].origin;
    }
    return all;
}

static void take_types(local_rows *rows, const weir_column *columns, size_t count,
                       const weir_compat_hint *hints, size_t known)
{
    for (size_t i = 0; i < count; i++) {
        weir_pg_column *item = &rows->columns.items[i];
        uint32_t oid = item->type_oid;
        if (oid == 0 && i < known)
            oid = hints[i].oid;
        bool array = oid == 0 && i < known && hints[i].array;
        item->format = format_of(rows, i);
        rows->columns.loose[i] = oid != 0 || item->format != 0 ? LOCAL_TYPED
                                 : array                       ? LOCAL_LOOSE_ARRAY
                                                               : LOCAL_LOOSE;
        uint32_t fallback = array ? weir_compat_array_oid(WEIR_OID_TEXT) : WEIR_OID_TEXT;
        item->type_oid = oid != 0 ? oid : fallback;
        item->type_size = weir_compat_oid_size(item->type_oid);
        item->type_modifier = columns[i].modifier;
        if (rows->columns.loose[i] == LOCAL_TYPED && columns[i].relation > 0) {
            item->table_oid = WEIR_COMPAT_FIRST_OID + (uint32_t)columns[i].relation;
            item->attribute = columns[i].number;
        }
    }
}

/* What no table declares is announced by what the rows hold: nothing was promised of it. */
bool local_columns_fit(const local_columns *announced, size_t place, uint32_t oid)
{
    return announced->loose[place] || announced->items[place].type_oid == oid;
}

/* A client that prepared the statement reads its rows by the types that it was told then, and
 * PostgreSQL refuses, too (the driver prepares anew): rows of other types would be misread. */
static bool fits_announced(const local_rows *rows)
{
    const local_columns *c = &rows->columns;
    if (!rows->announced)
        return true;
    if (c->count != rows->announced->count)
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (!local_columns_fit(rows->announced, i, c->items[i].type_oid) ||
            (c->loose[i] && !rows->announced->loose[i]))
            return false;
    return true;
}

static int on_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    local_rows *rows = user;
    local_columns *c = &rows->columns;
    local_columns_fini(c);
    rows->count = 0;
    rows->patched = false;
    rows->error.sqlstate[0] = '\0'; /* a group commit may run a statement twice */
    if (count > UINT16_MAX)
        return -EMSGSIZE;
    if (count > 0) {
        c->items = calloc(count, sizeof(*c->items));
        c->loose = calloc(count, sizeof(*c->loose));
        if (!c->items || !c->loose)
            return -ENOMEM;
        weir_compat_hint hints[HINTS_MAX];
        size_t known = take_declared(c, columns, count)
                           ? 0
                           : weir_compat_result_hints(rows->source, hints, HINTS_MAX);
        int r = take_names(c, columns, count, hints, known);
        if (r < 0)
            return r;
        take_types(rows, columns, count, hints, known);
    }
    c->count = count;
    rows->changed = !fits_announced(rows);
    if (rows->changed) {
        weir_error_set(&rows->error, "0A000", "weir: cached plan must not change result type");
        weir_error_hint(&rows->error, "The schema has changed: prepare the statement again.");
        return -EINVAL;
    }
    if (rows->format_count > 1 && rows->format_count != count) {
        weir_error_set(&rows->error, "08P01",
                       "weir: bind message has %u result formats but query has %zu columns",
                       rows->format_count, count);
        return -EINVAL;
    }
    if (!rows->describe || rows->describe_only || (count == 0 && !rows->no_data))
        return 0;
    rows->described = true;
    rows->head = out->len;
    return count == 0 ? weir_pg_write_empty(out, WEIR_PG_B_NO_DATA)
                      : weir_pg_write_row_description(out, c->items, count);
}

weir_compat_value local_compat_value(const weir_value *v)
{
    weir_compat_value c = {.type = WEIR_COMPAT_NULL};
    switch (v->type) {
    case WEIR_VALUE_NULL:
        break;
    case WEIR_VALUE_INTEGER:
        c.type = WEIR_COMPAT_INTEGER;
        c.integer = v->u.integer;
        break;
    case WEIR_VALUE_REAL:
        c.type = WEIR_COMPAT_REAL;
        c.real = v->u.real;
        break;
    case WEIR_VALUE_TEXT:
        c.type = WEIR_COMPAT_TEXT;
        c.bytes = v->u.bytes;
        break;
    case WEIR_VALUE_BLOB:
        c.type = WEIR_COMPAT_BLOB;
        c.bytes = v->u.bytes;
        break;
    }
    return c;
}

static int put_cell(local_rows *rows, size_t i, weir_buf *out, const weir_value *cell)
{
    weir_compat_value v = local_compat_value(cell);
    weir_pg_column *item = &rows->columns.items[i];
    if (rows->columns.loose[i] == LOCAL_LOOSE_ARRAY) {
        item->table_oid = weir_compat_widen_array(item->table_oid, &v);
        return weir_compat_cell_write(out, WEIR_OID_TEXT, 0, &v, &rows->error);
    }
    if (rows->columns.loose[i] == LOCAL_TYPED)
        return weir_compat_cell_write(out, item->type_oid, item->format, &v, &rows->error);
    /* `table_oid` of a loose column is 0 and carries what was seen so far. */
    item->table_oid = weir_compat_widen(item->table_oid, v.type);
    return weir_compat_cell_write(out, WEIR_OID_TEXT, 0, &v, &rows->error);
}

static int on_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    local_rows *rows = user;
    size_t mark = 0;
    if (rows->count_max > 0 && rows->count >= rows->count_max) {
        weir_error_set(&rows->error, "54000", "weir: the result has more than %llu rows",
                       (unsigned long long)rows->count_max);
        weir_error_hint(&rows->error, "Add a LIMIT, or raise limits.rows.");
        return -EMSGSIZE;
    }
    if (count != rows->columns.count)
        return -EINVAL;
    int r = weir_pg_row_begin(out, (uint16_t)count, &mark);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = put_cell(rows, i, out, &cells[i]);
    if (r == 0)
        r = weir_pg_row_end(out, mark);
    if (r != 0) {
        out->len = mark < out->len ? mark : out->len;
        return r > 0 ? -EINVAL : r;
    }
    rows->count++;
    return 0;
}

weir_encoder local_rows_encoder(local_rows *rows)
{
    return (weir_encoder){.columns = on_columns, .row = on_row, .user = rows};
}

/* Fixes the loose types, and rewrites the description (same length) if it is still in `out`. */
void local_rows_patch(local_rows *rows, weir_buf *out)
{
    local_columns *c = &rows->columns;
    if (rows->patched || rows->describe_only) /* without rows they stay loose */
        return;
    rows->patched = true;
    bool changed = false;
    for (size_t i = 0; i < c->count; i++) {
        if (c->loose[i] == LOCAL_TYPED)
            continue;
        c->loose[i] = LOCAL_TYPED;
        if (c->items[i].table_oid)
            c->items[i].type_oid = c->items[i].table_oid;
        c->items[i].type_size = weir_compat_oid_size(c->items[i].type_oid);
        c->items[i].table_oid = 0;
        changed = true;
    }
    if (!changed || !rows->described)
        return;
    uint8_t *at = out->data + rows->head + 7; /* type, length, count */
    for (size_t i = 0; i < c->count; i++) {
        at += c->items[i].name.len + 1 + 4 + 2; /* name, table, attribute */
        uint32_t oid = c->items[i].type_oid;
        uint16_t size = (uint16_t)c->items[i].type_size;
        for (size_t n = 0; n < 4; n++)
            at[n] = (uint8_t)(oid >> (24 - 8 * n));
        at[4] = (uint8_t)(size >> 8);
        at[5] = (uint8_t)size;
        at += 4 + 2 + 4 + 2; /* type, size, modifier, format */
    }
}
