/* Constraints added to a table that exists, and taken from it. UNIQUE is an index of its name; the
 * others are text, checked against the rows that are there. A UNIQUE of CREATE TABLE has an index
 * of SQLite's own: it becomes an ordinary one first, which can be dropped. */
#include "base/utf8.h"
#include "compat/alter_internal.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- checks ---- */

int alter_check_null(const alter *a, weir_slice column)
{
    char name[128], words[320];
    weir_compat_name_fold(column, name, sizeof(name));
    (void)snprintf(words, sizeof(words), "column \"%s\" of relation \"%.*s\" contains null values",
                   name, (int)a->facts->name.len, (const char *)a->facts->name.data);
    /* IS NULL would be taken for false where the column's text says NOT NULL already. */
    int r = alter_fail_begin(a, "23502", weir_slice_cstr(words));
    return r == 0 ? alter_put(a, "%t WHERE typeof(%n) = 'null' LIMIT 1;\n", &column) : r;
}

int alter_check_foreign(const alter *a)
{
    char words[320];
    (void)snprintf(words, sizeof(words),
                   "insert or update on table \"%.*s\" violates a foreign key constraint",
                   (int)a->facts->name.len, (const char *)a->facts->name.data);
    int r = alter_fail_begin(a, "23503", weir_slice_cstr(words));
    return r == 0 ? alter_put(a, "pragma_foreign_key_check(%l) LIMIT 1;\n", &a->facts->name) : r;
}

int alter_check_rows(const alter *a, weir_slice expression)
{
    char words[320];
    (void)snprintf(words, sizeof(words),
                   "check constraint of relation \"%.*s\" is violated by some row",
                   (int)a->facts->name.len, (const char *)a->facts->name.data);
    int r = alter_fail_begin(a, "23514", weir_slice_cstr(words));
    return r == 0 ? alter_put(a, "%t WHERE NOT (%x) LIMIT 1;\n", &expression) : r;
}

/* ---- ADD ---- */

static int add_unique(const alter *a, const table_part *p)
{
    char name[256];
    weir_slice as = p->name;
    if (p->columns.len == 0)
        return alter_refuse(a, "this form of ADD UNIQUE", "Name the columns.");
    if (as.len == 0) {
        if (!alter_constraint_name(a->facts->name, p->columns, "key", name, sizeof(name)))
            return alter_refuse(a, "a constraint of so long a name", "Name it.");
        as = weir_slice_cstr(name);
    }
    return alter_put(a, "CREATE UNIQUE INDEX %n ON %t (%x);\n", &as, &p->columns);
}

/* NOT VALID is said behind the constraint; DEFERRABLE behind UNIQUE, too. */
static bool take_end(weir_slice *text, const char *word)
{
    weir_slice rest = *text;
    unsigned depth = 0;
    for (weir_token t; (t = weir_token_peek(rest)).kind != WEIR_TOKEN_END;) {
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") && depth > 0 ? 1u : 0u;
        weir_slice before = rest;
        (void)weir_token_next(&rest);
        bool not_valid = weir_token_is(t, "not") && weir_token_accept(&rest, word);
        if (depth > 0 || !not_valid)
            continue;
        *text = weir_slice_head(*text, (size_t)(before.data - text->data));
        return true;
    }
    return false;
}

int alter_add_constraint(const alter *a, weir_slice rest)
{
    table_part p;
    bool unchecked = take_end(&rest, "valid");
    if (!table_text_constraint(rest, &p))
        return alter_refuse(a, "this constraint, added to a table that exists,",
                            "UNIQUE, CHECK and FOREIGN KEY can be.");
    if (p.kind == TABLE_PART_UNIQUE)
        return add_unique(a, &p);
    if (p.kind == TABLE_PART_PRIMARY)
        return alter_add_key(a, &p);
    if (p.kind != TABLE_PART_CHECK && p.kind != TABLE_PART_FOREIGN)
        return alter_refuse(a, "this constraint, added to a table that exists,", NULL);
    int r = alter_append_item(a, p.text, false);
    if (r != 0 || unchecked)
        return r;
    return p.kind == TABLE_PART_CHECK ? alter_check_rows(a, p.columns) : alter_check_foreign(a);
}

/* ---- DROP ---- */

/* sqlite_autoindex_t_2: 2 */
static unsigned long auto_number(weir_slice name)
{
    unsigned long n = 0;
    size_t at = name.len;
    while (at > 0 && name.data[at - 1] != '_')
        at--;
    for (; at < name.len && name.data[at] >= '0' && name.data[at] <= '9'; at++)
        n = n * 10 + (unsigned long)(name.data[at] - '0');
    return n;
}

static int move_auto_index(const alter *a, unsigned long from)
{
    char before[320], after[320];
    (void)snprintf(before, sizeof(before), "sqlite_autoindex_%.*s_%lu", (int)a->facts->name.len,
                   (const char *)a->facts->name.data, from);
    (void)snprintf(after, sizeof(after), "sqlite_autoindex_%.*s_%lu", (int)a->facts->name.len,
                   (const char *)a->facts->name.data, from - 1);
    const weir_slice old = weir_slice_cstr(before), new = weir_slice_cstr(after);
    return alter_put(a, "UPDATE sqlite_schema SET name = %l WHERE type = 'index' AND name = %l;\n",
                     &new, &old);
}

/* SQLite numbers its indexes in the order of the constraints. */
static int close_gap(const alter *a, unsigned long gone)
{
    unsigned long last = gone;
    for (size_t i = 0; i < a->facts->index_count; i++)
        if (a->facts->indexes[i].sql.len == 0 && auto_number(a->facts->indexes[i].name) > last)
            last = auto_number(a->facts->indexes[i].name);
    int r = 0;
    for (unsigned long n = gone + 1; r == 0 && n <= last; n++)
        r = move_auto_index(a, n);
    return r;
}

static int drop_auto_index(const alter *a, weir_slice columns)
{
    const weir_alter_index *index = alter_find_auto_index(a, columns);
    /* Without one, another constraint of the same columns has the index. */
    return index ? alter_drop_own_index(a, index, columns) : 0;
}

int alter_drop_own_index(const alter *a, const weir_alter_index *index, weir_slice columns)
{
    weir_buf sql;
    weir_buf_init(&sql, 1u << 20);
    const alter to = {.facts = a->facts, .out = &sql, .err = a->err};
    int r = alter_put(&to, "CREATE UNIQUE INDEX weir_dropped ON %t (%x)", &columns);
    const weir_slice text = weir_buf_slice(&sql);
    if (r == 0)
        r = alter_put(a,
                      "UPDATE sqlite_schema SET name = 'weir_dropped', sql = %l WHERE type = "
                      "'index' AND name = %l;\n",
                      &text, &index->name);
    weir_buf_fini(&sql);
    if (r == 0)
        r = close_gap(a, auto_number(index->name));
    return r == 0 ? alter_put(a, "DROP INDEX weir_dropped;\n") : r;
}

/* A column's part goes with the space before it. */
int alter_remove_part(const alter *a, const table_item *item, const table_part *part)
{
    if (!item->column)
        return alter_remove_item(a, item);
    const uint8_t *begin = part->text.data;
    while (begin > item->text.data && (begin[-1] == ' ' || begin[-1] == '\n' || begin[-1] == '\t'))
        begin--;
    const uint8_t *end = part->text.data + part->text.len;
    return alter_edit(a, weir_slice_make(begin, (size_t)(end - begin)), (weir_slice){0});
}

int alter_drop_part(const alter *a, const table_item *item, const table_part *part)
{
    if (part->kind == TABLE_PART_PRIMARY)
        return alter_drop_key(a, item, part);
    int r = alter_remove_part(a, item, part);
    if (r != 0 || part->kind != TABLE_PART_UNIQUE)
        return r;
    return drop_auto_index(a, item->column ? item->name : part->columns);
}

static int missing_constraint(const alter *a, weir_slice written)
{
    char name[128];
    weir_compat_name_fold(written, name, sizeof(name));
    weir_error_set(a->err, "42704", "weir: constraint \"%s\" of relation \"%.*s\" does not exist",
                   name, WEIR_UTF8_QUOTED(a->facts->name, 63));
    return WEIR_COMPAT_REFUSED;
}

int alter_drop_constraint(const alter *a, weir_slice rest)
{
    table_item item;
    table_part part;
    bool missing_ok = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "exists");
    weir_slice name = weir_token_next(&rest).text;
    const weir_alter_index *index = alter_find_index(a, name);
    if (index && index->unique)
        return alter_put(a, "DROP INDEX %n;\n", &name);
    if (alter_find_constraint(a, name, &item, &part))
        return alter_drop_part(a, &item, &part);
    return missing_ok ? 0 : missing_constraint(a, name);
}

/* ---- RENAME CONSTRAINT a TO b ---- */

static int rename_index(const alter *a, const weir_alter_index *index, weir_slice to)
{
    weir_slice rest = index->sql;
    weir_buf sql;
    for (weir_token t; (t = weir_token_next(&rest)).kind != WEIR_TOKEN_END;) {
        if (!table_text_same(t.text, index->name))
            continue;
        weir_buf_init(&sql, 1u << 20);
        const alter in = {.facts = a->facts, .out = &sql, .err = a->err};
        weir_slice before = weir_slice_head(index->sql, (size_t)(t.text.data - index->sql.data));
        int r = alter_put(&in, "%x%n%x", &before, &to, &rest);
        const weir_slice text = weir_buf_slice(&sql);
        char name[128];
        weir_compat_name_fold(to, name, sizeof(name));
        const weir_slice folded = weir_slice_cstr(name);
        if (r == 0)
            r = alter_put(a,
                          "UPDATE sqlite_schema SET name = %l, sql = %l WHERE type = 'index' AND "
                          "name = %l;\n",
                          &folded, &text, &index->name);
        weir_buf_fini(&sql);
        return r;
    }
    return alter_refuse(a, "renaming this index", NULL);
}

int alter_rename_constraint(const alter *a, weir_slice rest)
{
    weir_slice name = weir_token_next(&rest).text;
    if (!weir_token_accept(&rest, "to"))
        return alter_refuse(a, "this form of RENAME CONSTRAINT", NULL);
    return alter_rename_to(a, name, weir_token_next(&rest).text);
}

int alter_rename_to(const alter *a, weir_slice name, weir_slice to)
{
    table_item item;
    table_part part;
    weir_buf text;
    const weir_alter_index *index = alter_find_index(a, name);
    if (index) {
        int r = rename_index(a, index, to);
        return r == 0 ? alter_rename_comments(a, "relation", name, to) : r;
    }
    if (!alter_find_constraint(a, name, &item, &part))
        return missing_constraint(a, name);
    weir_buf_init(&text, 1024);
    const alter in = {.facts = a->facts, .out = &text, .err = a->err};
    int r = part.name.len > 0 ? alter_put(&in, "%n", &to) : alter_put(&in, "CONSTRAINT %n ", &to);
    if (r == 0)
        r = alter_edit(a, part.name.len > 0 ? part.name : weir_slice_make(part.text.data, 0),
                       weir_buf_slice(&text));
    weir_buf_fini(&text);
    return r == 0 ? alter_rename_comments(a, "constraint", name, to) : r;
}
