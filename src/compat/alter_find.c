/* What a table has: columns, constraints, indexes, by their names. */
#include "compat/alter_internal.h"
#include <stdio.h>
#include <strings.h>

bool alter_find_column(const alter *a, weir_slice name, table_item *ret)
{
    table_text t;
    if (!table_text_begin(a->facts->sql, &t))
        return false;
    while (table_text_next(&t, ret))
        if (ret->column && table_text_same(ret->name, name))
            return true;
    return false;
}

bool alter_find_part(const table_item *column, table_part_kind kind, table_part *ret)
{
    weir_slice rest = column->rest;
    bool bad = false;
    while (table_text_next_part(&rest, ret, &bad))
        if (ret->kind == kind)
            return true;
    return false;
}

const weir_alter_index *alter_find_index(const alter *a, weir_slice name)
{
    for (size_t i = 0; i < a->facts->index_count; i++)
        if (a->facts->indexes[i].sql.len > 0 && table_text_same(a->facts->indexes[i].name, name))
            return &a->facts->indexes[i];
    return NULL;
}

/* The next name of an index's columns. */
static weir_slice next_column(weir_slice *columns)
{
    const uint8_t *end = memchr(columns->data, 31, columns->len);
    size_t len = end ? (size_t)(end - columns->data) : columns->len;
    weir_slice name = weir_slice_head(*columns, len);
    *columns = weir_slice_skip(*columns, end ? len + 1 : len);
    return name;
}

bool alter_index_has(const weir_alter_index *index, weir_slice column)
{
    char wanted[128];
    weir_slice rest = index->columns;
    weir_compat_name_fold(column, wanted, sizeof(wanted));
    while (rest.len > 0)
        if (weir_slice_eq_nocase(next_column(&rest), wanted))
            return true;
    /* An expression's, or a condition's, are in its text. */
    return index->sql.len > 0 && table_text_lists(index->sql, column);
}

bool alter_same_columns(weir_slice of_index, weir_slice written)
{
    char name[128];
    for (;;) {
        weir_token t = weir_token_next(&written);
        if (t.kind == WEIR_TOKEN_END || of_index.len == 0)
            return t.kind == WEIR_TOKEN_END && of_index.len == 0;
        weir_compat_name_fold(t.text, name, sizeof(name));
        if (!weir_slice_eq_nocase(next_column(&of_index), name))
            return false;
        (void)weir_token_accept(&written, ",");
    }
}

const weir_alter_index *alter_find_auto_index(const alter *a, weir_slice columns)
{
    for (size_t i = 0; i < a->facts->index_count; i++)
        if (a->facts->indexes[i].sql.len == 0 && !a->facts->indexes[i].primary &&
            alter_same_columns(a->facts->indexes[i].columns, columns))
            return &a->facts->indexes[i];
    return NULL;
}

bool alter_is_key(const alter *a, const table_item *column)
{
    table_text t;
    table_item each;
    table_part part;
    if (alter_find_part(column, TABLE_PART_PRIMARY, &part))
        return true;
    if (!table_text_begin(a->facts->sql, &t))
        return false;
    while (table_text_next(&t, &each))
        if (!each.column && each.part.kind == TABLE_PART_PRIMARY &&
            table_text_lists(each.part.columns, column->name))
            return true;
    return false;
}

/* ---- constraints' names ---- */

bool alter_constraint_name(weir_slice table, weir_slice columns, const char *end, char *out,
                           size_t size)
{
    char name[128];
    int n = snprintf(out, size, "%.*s", (int)table.len, (const char *)table.data);
    for (weir_token t; n >= 0 && (size_t)n < size;) {
        t = weir_token_next(&columns);
        if (t.kind == WEIR_TOKEN_END)
            break;
        if (weir_token_is(t, ","))
            continue;
        weir_compat_name_fold(t.text, name, sizeof(name));
        int more = snprintf(out + n, size - (size_t)n, "_%s", name);
        n = more < 0 ? more : n + more;
    }
    if (n < 0 || (size_t)n >= size)
        return false;
    int more = snprintf(out + n, size - (size_t)n, "_%s", end);
    return more > 0 && (size_t)more < size - (size_t)n;
}

static bool is_called(const alter *a, const table_part *p, weir_slice columns, const char *name)
{
    static const char *const ends[] = {[TABLE_PART_PRIMARY] = "pkey",
                                       [TABLE_PART_UNIQUE] = "key",
                                       [TABLE_PART_CHECK] = "check",
                                       [TABLE_PART_FOREIGN] = "fkey"};
    char made[256];
    if (p->kind < TABLE_PART_PRIMARY || p->kind > TABLE_PART_FOREIGN)
        return false;
    if (p->name.len > 0) {
        weir_compat_name_fold(p->name, made, sizeof(made));
        return strcasecmp(made, name) == 0;
    }
    if (p->kind == TABLE_PART_PRIMARY)
        columns = (weir_slice){0};
    return alter_constraint_name(a->facts->name, columns, ends[p->kind], made, sizeof(made)) &&
           strcasecmp(made, name) == 0;
}

static bool find_in_column(const alter *a, const table_item *item, const char *name,
                           table_part *ret)
{
    weir_slice rest = item->rest;
    bool bad = false;
    while (table_text_next_part(&rest, ret, &bad))
        if (is_called(a, ret, item->name, name))
            return true;
    return false;
}

bool alter_find_constraint(const alter *a, weir_slice written, table_item *ret_item,
                           table_part *ret_part)
{
    char name[256];
    table_text t;
    weir_compat_name_fold(written, name, sizeof(name));
    if (!table_text_begin(a->facts->sql, &t))
        return false;
    while (table_text_next(&t, ret_item)) {
        *ret_part = ret_item->part;
        /* A CHECK of the table's is called t_check: which of its columns is meant is not said. */
        weir_slice columns = {0};
        if (ret_part->kind != TABLE_PART_CHECK)
            columns = ret_part->columns;
        if (ret_item->column ? find_in_column(a, ret_item, name, ret_part)
                             : is_called(a, ret_part, columns, name))
            return true;
    }
    return false;
}
