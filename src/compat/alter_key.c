/* A PRIMARY KEY added to a table that exists, and taken from it. SQLite has an index of its own for
 * one: an ordinary index becomes that, or is made of it, by its name in sqlite_schema. The key that
 * is the row number (INTEGER PRIMARY KEY) stays: the rows do not hold it. */
#include "compat/alter_internal.h"
#include <stdio.h>

static int refuse_rowid(const alter *a, const char *what)
{
    return alter_refuse(a, what, "Make another table, copy the rows, and rename it.");
}

static const weir_alter_index *find_key_index(const alter *a)
{
    for (size_t i = 0; i < a->facts->index_count; i++)
        if (a->facts->indexes[i].primary && a->facts->indexes[i].sql.len == 0)
            return &a->facts->indexes[i];
    return NULL;
}

static bool find_key(const alter *a)
{
    table_text t;
    table_item item;
    table_part part;
    if (!table_text_begin(a->facts->sql, &t))
        return false;
    while (table_text_next(&t, &item))
        if (item.column ? alter_find_part(&item, TABLE_PART_PRIMARY, &part)
                        : item.part.kind == TABLE_PART_PRIMARY)
            return true;
    return false;
}

/* The columns of a key are not NULL, and stay so without it: one of them a step. 0: all are. */
static int require_values(const alter *a, weir_slice columns)
{
    table_item item;
    table_part part;
    for (weir_token t; (t = weir_token_next(&columns)).kind != WEIR_TOKEN_END;) {
        if (t.kind != WEIR_TOKEN_WORD && t.kind != WEIR_TOKEN_QUOTED)
            continue;
        if (!alter_find_column(a, t.text, &item))
            return alter_missing_column(a, t.text);
        if (alter_find_part(&item, TABLE_PART_NOT_NULL, &part))
            continue;
        int r = alter_check_null(a, item.name);
        weir_slice end = weir_slice_make(item.text.data + item.text.len, 0);
        if (r == 0)
            r = alter_edit(a, end, WEIR_SLICE_LIT(" NOT NULL"));
        return r == 0 ? WEIR_ALTER_AGAIN : r;
    }
    return 0;
}

/* A sole column of type INTEGER would be the row number from then on. */
static bool is_rowid(const alter *a, weir_slice columns)
{
    table_item item;
    weir_token name = weir_token_next(&columns);
    return weir_token_peek(columns).kind == WEIR_TOKEN_END &&
           alter_find_column(a, name.text, &item) && weir_slice_eq_nocase(item.type, "integer");
}

/* Of both, SQLite has one index. */
static bool is_unique_too(const alter *a, weir_slice columns)
{
    table_text t;
    table_item item;
    table_part part;
    if (!table_text_begin(a->facts->sql, &t))
        return true;
    while (table_text_next(&t, &item)) {
        bool unique = item.column ? alter_find_part(&item, TABLE_PART_UNIQUE, &part)
                                  : item.part.kind == TABLE_PART_UNIQUE;
        weir_slice x = item.column ? item.name : item.part.columns, y = columns;
        while (unique && table_text_same(weir_token_peek(x).text, weir_token_peek(y).text) &&
               weir_token_peek(x).kind != WEIR_TOKEN_END) {
            (void)weir_token_next(&x);
            (void)weir_token_next(&y);
        }
        if (unique && weir_token_peek(x).kind == WEIR_TOKEN_END &&
            weir_token_peek(y).kind == WEIR_TOKEN_END)
            return true;
    }
    return false;
}

int alter_add_key(const alter *a, const table_part *p)
{
    char name[320];
    size_t own = 1;
    table_text t;
    if (find_key(a)) {
        weir_error_set(a->err, "42P16",
                       "weir: multiple primary keys for table \"%.*s\" are not allowed",
                       (int)(a->facts->name.len < 63 ? a->facts->name.len : 63),
                       (const char *)a->facts->name.data);
        return WEIR_COMPAT_REFUSED;
    }
    if (p->columns.len == 0 || !table_text_begin(a->facts->sql, &t) || !t.rowid ||
        is_rowid(a, p->columns))
        return refuse_rowid(a, "this PRIMARY KEY, added to a table that exists,");
    if (is_unique_too(a, p->columns))
        return alter_refuse(a, "a PRIMARY KEY over the columns of a UNIQUE constraint",
                            "Drop that constraint first.");
    int r = require_values(a, p->columns);
    if (r != 0)
        return r;
    for (size_t i = 0; i < a->facts->index_count; i++)
        own += a->facts->indexes[i].sql.len == 0;
    (void)snprintf(name, sizeof(name), "sqlite_autoindex_%.*s_%zu", (int)a->facts->name.len,
                   (const char *)a->facts->name.data, own);
    const weir_slice as = weir_slice_cstr(name);
    r = alter_put(a,
                  "CREATE UNIQUE INDEX weir_added ON %t (%x);\nUPDATE sqlite_schema SET name = %l, "
                  "sql = NULL WHERE type = 'index' AND name = 'weir_added';\n",
                  &p->columns, &as);
    return r == 0 ? alter_append_item(a, p->text, false) : r;
}

/* Foreign keys need one at the other end. */
static int put_used(const alter *a)
{
    int r = alter_fail_begin(a, "2BP01",
                             WEIR_SLICE_LIT("cannot drop the primary key because a foreign key "
                                            "depends on it: drop that first"));
    return r == 0 ? alter_put(a,
                              "sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f WHERE "
                              "m.type = 'table' AND lower(f.\"table\") = lower(%l) LIMIT 1;\n",
                              &a->facts->name)
                  : r;
}

int alter_drop_key(const alter *a, const table_item *item, const table_part *part)
{
    const weir_alter_index *index = find_key_index(a);
    weir_slice columns = item->column ? item->name : part->columns;
    table_text t;
    if (!index || !table_text_begin(a->facts->sql, &t) || !t.rowid)
        return refuse_rowid(a, "taking an INTEGER PRIMARY KEY from a table");
    if (is_unique_too(a, columns))
        return alter_refuse(a, "taking a PRIMARY KEY whose columns a UNIQUE constraint has, too,",
                            "Drop that constraint first.");
    int r = require_values(a, columns);
    if (r != 0)
        return r;
    r = put_used(a);
    if (r == 0)
        r = alter_remove_part(a, item, part);
    return r == 0 ? alter_drop_own_index(a, index, columns) : r;
}
