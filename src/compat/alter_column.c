/* Columns added, dropped and changed. A column that SQLite added without rewriting the table has no
 * value in the old rows: they read its DEFAULT, so the rows are written before that is changed. */
#include "base/utf8.h"
#include "compat/alter_internal.h"
#include <stdio.h>
#include <strings.h>

/* ---- ADD COLUMN ---- */

typedef struct addition {
    table_item item;
    table_part fallback, unique, check;
    bool has_default, has_unique, has_check, not_null, foreign, generated;
    weir_buf text; /* without UNIQUE */
} addition;

static int take_part(const alter *a, addition *n, const table_part *p)
{
    switch (p->kind) {
    case TABLE_PART_PRIMARY:
        return alter_refuse(a, "a PRIMARY KEY added to a table that exists",
                            "Name it in CREATE TABLE.");
    case TABLE_PART_UNIQUE:
        n->has_unique = true;
        n->unique = *p;
        return 0;
    case TABLE_PART_DEFAULT:
        n->has_default = !weir_slice_eq_nocase(p->value, "null");
        n->fallback = *p;
        break;
    case TABLE_PART_CHECK:
        n->has_check = true;
        n->check = *p;
        break;
    case TABLE_PART_NOT_NULL:
        n->not_null = true;
        break;
    case TABLE_PART_FOREIGN:
        n->foreign = true;
        break;
    case TABLE_PART_GENERATED:
        n->generated = true;
        break;
    case TABLE_PART_OTHER:
        break;
    }
    int r = weir_buf_append_u8(&n->text, ' ');
    return r == 0 ? weir_buf_append(&n->text, p->text) : r;
}

/* An enum's columns are declared as its OID. */
static const weir_define_fact *find_enum(const alter *a, weir_slice type)
{
    weir_token t = weir_token_next(&type);
    while (weir_token_accept(&type, "."))
        t = weir_token_next(&type);
    char name[256];
    weir_compat_name_fold(t.text, name, sizeof(name));
    for (size_t i = 0; i < a->facts->enum_count; i++)
        if (weir_slice_eq_cstr(a->facts->enums[i].name, name) &&
            weir_token_peek(type).kind == WEIR_TOKEN_END)
            return &a->facts->enums[i];
    return NULL;
}

static int put_type(const alter *a, weir_slice type, weir_buf *out)
{
    const weir_define_fact *e = find_enum(a, type);
    return e ? weir_buf_printf(out, "TEXT(%.*s)", (int)e->value.len, (const char *)e->value.data)
             : weir_buf_append(out, type);
}

static int read_addition(const alter *a, weir_slice rest, addition *n)
{
    table_part p;
    bool bad = false;
    if (!table_text_column(rest, &n->item))
        return alter_refuse(a, "this column definition", NULL);
    int r = weir_buf_append(&n->text, n->item.name);
    if (r == 0)
        r = weir_buf_append_u8(&n->text, ' ');
    if (r == 0)
        r = put_type(a, n->item.type, &n->text);
    weir_slice parts = n->item.rest;
    while (r == 0 && table_text_next_part(&parts, &p, &bad))
        r = take_part(a, n, &p);
    return r;
}

/* What SQLite refuses to add because of the rows that are there, is added as text and checked. */
static bool is_simple(const addition *n)
{
    return n->generated || ((!n->has_default || (n->fallback.plain && !n->foreign)) &&
                            (!n->not_null || (n->has_default && n->fallback.plain)));
}

static int finish_addition(const alter *a, const addition *n)
{
    char name[256];
    const weir_slice column = n->item.name;
    weir_slice as = n->unique.name;
    int r = 0;
    if (!is_simple(n)) {
        if (n->has_default && !n->fallback.plain)
            r = alter_put(a, "UPDATE %t SET %n = %x;\n", &column, &n->fallback.value);
        if (r == 0 && n->not_null)
            r = alter_check_null(a, column);
        if (r == 0 && n->foreign)
            r = alter_check_foreign(a);
        if (r == 0 && n->has_check)
            r = alter_check_rows(a, n->check.columns);
    }
    if (r != 0 || !n->has_unique)
        return r;
    if (as.len == 0) {
        if (!alter_constraint_name(a->facts->name, column, "key", name, sizeof(name)))
            return alter_refuse(a, "a constraint of so long a name", "Name it.");
        as = weir_slice_cstr(name);
    }
    return alter_put(a, "CREATE UNIQUE INDEX %n ON %t (%n);\n", &as, &column);
}

static int add_new(const alter *a, weir_slice rest)
{
    addition n = {0};
    weir_buf_init(&n.text, 1u << 20);
    int r = read_addition(a, rest, &n);
    const weir_slice text = weir_buf_slice(&n.text);
    if (r == 0)
        r = is_simple(&n) ? alter_put(a, "ALTER TABLE %t ADD COLUMN %x;\n", &text)
                          : alter_append_item(a, text, true);
    if (r == 0)
        r = finish_addition(a, &n);
    weir_buf_fini(&n.text);
    return r;
}

int alter_add_column(const alter *a, weir_slice rest)
{
    table_item old;
    char name[128];
    (void)weir_token_accept(&rest, "column");
    bool present_ok = false;
    if (weir_token_accept2(&rest, "if", "not"))
        present_ok = weir_token_accept(&rest, "exists");
    weir_slice written = weir_token_peek(rest).text;
    if (!alter_find_column(a, written, &old))
        return add_new(a, rest);
    if (present_ok)
        return 0;
    weir_compat_name_fold(written, name, sizeof(name));
    weir_error_set(a->err, "42701", "weir: column \"%s\" of relation \"%.*s\" already exists", name,
                   WEIR_UTF8_QUOTED(a->facts->name, 63));
    return WEIR_COMPAT_REFUSED;
}

/* ---- DROP COLUMN ---- */

/* Indexes go with any of their columns, as in PostgreSQL. */
static int drop_indexes(const alter *a, weir_slice column, bool *ret_any)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < a->facts->index_count; i++) {
        const weir_alter_index *index = &a->facts->indexes[i];
        char quoted[256];
        if (index->sql.len == 0 || !alter_index_has(index, column))
            continue;
        (void)snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)index->name.len,
                       (const char *)index->name.data);
        const weir_slice name = weir_slice_cstr(quoted);
        r = alter_put(a, "DROP INDEX %n;\n", &name);
        *ret_any = true;
    }
    return r;
}

/* The first constraint that speaks of the column. */
static bool find_dependent(const alter *a, weir_slice column, table_item *ret_item,
                           table_part *ret_part)
{
    table_text t;
    if (!table_text_begin(a->facts->sql, &t))
        return false;
    while (table_text_next(&t, ret_item)) {
        *ret_part = ret_item->part;
        if (!ret_item->column && table_text_lists(ret_part->columns, column))
            return true;
        if (ret_item->column && table_text_same(ret_item->name, column) &&
            (alter_find_part(ret_item, TABLE_PART_PRIMARY, ret_part) ||
             alter_find_part(ret_item, TABLE_PART_UNIQUE, ret_part) ||
             alter_find_part(ret_item, TABLE_PART_CHECK, ret_part) ||
             alter_find_part(ret_item, TABLE_PART_FOREIGN, ret_part)))
            return true;
    }
    return false;
}

int alter_drop_column(const alter *a, weir_slice rest)
{
    table_item item;
    table_part part;
    char name[256];
    bool any = false;
    (void)weir_token_accept(&rest, "column");
    bool missing_ok = weir_token_accept2(&rest, "if", "exists");
    weir_slice column = weir_token_next(&rest).text;
    if (!alter_find_column(a, column, &item))
        return missing_ok ? 0 : alter_missing_column(a, column);
    int r = drop_indexes(a, column, &any);
    if (r != 0 || any)
        return r != 0 ? r : WEIR_ALTER_AGAIN;
    if (find_dependent(a, column, &item, &part)) {
        r = alter_drop_part(a, &item, &part);
        return r != 0 ? r : WEIR_ALTER_AGAIN;
    }
    weir_compat_name_fold(column, name, sizeof(name));
    r = alter_drop_owned(a, a->facts->name, weir_slice_cstr(name));
    return r == 0 ? alter_put(a, "ALTER TABLE %t DROP COLUMN %n;\n", &column) : r;
}

/* ---- ALTER COLUMN: NULL and DEFAULT ---- */

static weir_slice end_of(const table_item *item)
{
    return weir_slice_make(item->text.data + item->text.len, 0);
}

static int change_null(const alter *a, const table_item *item, bool set)
{
    table_part part;
    bool there = alter_find_part(item, TABLE_PART_NOT_NULL, &part);
    if (there == set)
        return 0;
    if (!set && alter_is_key(a, item)) {
        weir_error_set(a->err, "42P16", "weir: a column of the primary key cannot be null");
        return WEIR_COMPAT_REFUSED;
    }
    if (!set)
        return alter_remove_part(a, item, &part);
    int r = alter_check_null(a, item->name);
    return r == 0 ? alter_edit(a, end_of(item), WEIR_SLICE_LIT(" NOT NULL")) : r;
}

static bool is_constant(weir_slice value)
{
    weir_token t = weir_token_next(&value);
    if (weir_token_is(t, "-") || weir_token_is(t, "+"))
        t = weir_token_next(&value);
    bool literal = t.kind == WEIR_TOKEN_NUMBER || t.kind == WEIR_TOKEN_STRING ||
                   weir_token_is(t, "null") || weir_token_is(t, "true") ||
                   weir_token_is(t, "false");
    return literal && weir_token_peek(value).kind == WEIR_TOKEN_END;
}

/* `value` empty: none. */
static int change_default(const alter *a, const table_item *item, weir_slice value)
{
    table_part part;
    weir_buf text;
    bool there = alter_find_part(item, TABLE_PART_DEFAULT, &part);
    if (!there && value.len == 0)
        return 0;
    if (weir_token_is(weir_token_peek(value), "nextval") && alter_is_key(a, item) &&
        weir_slice_eq_nocase(item->type, "integer"))
        return alter_refuse(a, "a sequence for an INTEGER PRIMARY KEY", "It counts by itself.");
    int r = alter_put(a, "UPDATE %t SET %n = %n;\n", &item->name, &item->name);
    if (r != 0 || value.len == 0)
        return r == 0 ? alter_remove_part(a, item, &part) : r;
    weir_buf_init(&text, 1u << 20);
    const alter in = {.facts = a->facts, .out = &text, .err = a->err};
    r = alter_put(&in, is_constant(value) ? " DEFAULT %x" : " DEFAULT (%x)", &value);
    if (r == 0)
        r = alter_edit(a, there ? part.text : end_of(item), weir_buf_slice(&text));
    weir_buf_fini(&text);
    return r;
}

/* ---- ALTER COLUMN: TYPE ---- */

/* https://sqlite.org/datatype3.html, 3.1: the first that applies. */
static char affinity(weir_slice type)
{
    static const struct {
        const char *part;
        char affinity;
    } rules[] = {{"int", 'i'},  {"char", 't'}, {"clob", 't'}, {"text", 't'},
                 {"blob", 'b'}, {"real", 'r'}, {"floa", 'r'}, {"doub", 'r'}};
    char name[128];
    weir_compat_name_fold(type, name, sizeof(name));
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcasestr(name, rules[i].part))
            return rules[i].affinity;
    return name[0] == '\0' ? 'b' : 'n';
}

static bool is_number(weir_slice type)
{
    uint32_t oid = weir_compat_named_oid(type);
    return oid == WEIR_OID_INT8 || oid == WEIR_OID_INT4 || oid == WEIR_OID_INT2 ||
           oid == WEIR_OID_FLOAT8 || oid == WEIR_OID_FLOAT4 || oid == WEIR_OID_NUMERIC ||
           oid == WEIR_OID_BOOL;
}

/* type [COLLATE c] [USING expression] */
static weir_slice take_type(weir_slice rest, weir_slice *ret_using)
{
    const uint8_t *begin = weir_token_peek(rest).text.data, *end = begin;
    *ret_using = (weir_slice){0};
    for (weir_token t; (t = weir_token_next(&rest)).kind != WEIR_TOKEN_END;) {
        if (weir_token_is(t, "collate")) {
            (void)weir_token_next(&rest);
            continue;
        }
        if (weir_token_is(t, "using")) {
            *ret_using = rest;
            break;
        }
        end = t.text.data + t.text.len;
    }
    return weir_slice_make(begin, (size_t)(end - begin));
}

/* Every row anew, so that its value and its indexes have the new type. */
static int convert_rows(const alter *a, const table_item *item, weir_slice type, weir_slice using)
{
    char words[200];
    bool cast = weir_token_is(weir_token_peek(using), "cast");
    int r = alter_put(a, "REINDEX main.%t;\n");
    if (r == 0 && using.len > 0 && !cast)
        r = alter_put(a, "UPDATE %t SET %n = %x;\n", &item->name, &using);
    else if (r == 0 && weir_compat_named_oid(item->type) == WEIR_OID_BOOL && affinity(type) == 't')
        r = alter_put(a, "UPDATE %t SET %n = CASE %n WHEN 1 THEN 'true' WHEN 0 THEN 'false' END;\n",
                      &item->name, &item->name);
    else if (r == 0 && affinity(type) == 'i')
        r = alter_put(a,
                      "UPDATE %t SET %n = iif(typeof(%n) = 'real', CAST(round(%n) AS INTEGER), "
                      "%n);\n",
                      &item->name, &item->name, &item->name, &item->name);
    else if (r == 0)
        r = alter_put(a, "UPDATE %t SET %n = %n;\n", &item->name, &item->name);
    if (r != 0 || !is_number(type))
        return r;
    (void)snprintf(words, sizeof(words), "invalid input syntax for type %.*s",
                   WEIR_UTF8_QUOTED(type, 63));
    r = alter_fail_begin(a, "22P02", weir_slice_cstr(words));
    return r == 0 ? alter_put(a, "%t WHERE typeof(%n) = 'text' LIMIT 1;\n", &item->name) : r;
}

static int check_labels(const alter *a, const table_item *item, const weir_define_fact *type)
{
    char words[320];
    (void)snprintf(words, sizeof(words), "invalid input value for enum %.*s", (int)type->name.len,
                   (const char *)type->name.data);
    int r = alter_fail_begin(a, "22P02", weir_slice_cstr(words));
    return r == 0 ? alter_put(a,
                              "%t WHERE %n NOT IN (SELECT value FROM json_each((SELECT labels FROM "
                              "weir_enum WHERE name = %l))) LIMIT 1;\n",
                              &item->name, &type->name)
                  : r;
}

static bool has_rowid(const alter *a)
{
    table_text t;
    return table_text_begin(a->facts->sql, &t) && t.rowid;
}

static int change_type(const alter *a, const table_item *item, weir_slice rest)
{
    table_part part;
    weir_slice using, type = take_type(rest, &using);
    bool key = alter_is_key(a, item);
    if (key && weir_slice_eq_nocase(item->type, "integer")) {
        if (affinity(type) == 'i')
            return 0; /* the key that counts by itself has 64 bits already */
        return alter_refuse(a, "another type for a primary key that counts by itself",
                            "Make another table, copy the rows, and rename it.");
    }
    if (key && weir_slice_eq_nocase(type, "integer"))
        type = WEIR_SLICE_LIT("INT"); /* else it would be the rowid */
    char declared[40];
    const weir_define_fact *labels = find_enum(a, type);
    if (labels) {
        (void)snprintf(declared, sizeof(declared), "TEXT(%.*s)", (int)labels->value.len,
                       (const char *)labels->value.data);
        type = weir_slice_cstr(declared);
    }
    bool converts = using.len > 0 || affinity(item->type) != affinity(type);
    if (converts && ((key && !has_rowid(a)) || alter_find_part(item, TABLE_PART_GENERATED, &part)))
        return alter_refuse(a, "another type for this column",
                            "Make another table, copy the rows, and rename it.");
    weir_buf text;
    weir_buf_init(&text, 1024);
    const alter in = {.facts = a->facts, .out = &text, .err = a->err};
    weir_slice place = item->type;
    if (place.len == 0)
        place = weir_slice_make(item->name.data + item->name.len, 0);
    int r = alter_put(&in, item->type.len > 0 ? "%x" : " %x", &type);
    if (r == 0)
        r = alter_edit(a, place, weir_buf_slice(&text));
    weir_buf_fini(&text);
    if (r == 0 && converts)
        r = convert_rows(a, item, type, using);
    return r == 0 && labels ? check_labels(a, item, labels) : r;
}

int alter_change_column(const alter *a, weir_slice rest)
{
    table_item item;
    (void)weir_token_accept(&rest, "column");
    weir_slice name = weir_token_next(&rest).text;
    if (!alter_find_column(a, name, &item))
        return alter_missing_column(a, name);
    if (weir_token_accept2(&rest, "set", "data"))
        (void)0;
    if (weir_token_accept(&rest, "type"))
        return change_type(a, &item, rest);
    if (weir_token_accept2(&rest, "set", "default"))
        return change_default(a, &item, rest);
    if (weir_token_accept2(&rest, "drop", "default"))
        return change_default(a, &item, (weir_slice){0});
    if (weir_token_accept2(&rest, "set", "not"))
        return change_null(a, &item, true);
    if (weir_token_accept2(&rest, "drop", "not"))
        return change_null(a, &item, false);
    return alter_refuse(a, "this form of ALTER COLUMN",
                        "TYPE, SET and DROP of DEFAULT and NOT NULL are.");
}
