/* CREATE TYPE … AS ENUM, ALTER TYPE and DROP TYPE as scripts over the views that enums are
 * (enums.h). */
#include "compat/alter_internal.h"
#include "compat/enums.h"

#define WHERE_TYPE "type = 'view' AND instr(sql, '" ENUM_MARK "') > 0 AND name = %l"

static int check_label(const alter *a, weir_token t)
{
    if (t.kind != WEIR_TOKEN_STRING || t.text.data[0] != '\'' || t.text.len < 2)
        return alter_syntax(a, "a type's labels");
    if (memchr(t.text.data, ENUM_SEPARATOR, t.text.len))
        return alter_refuse(a, "such a byte in a label", NULL);
    if (t.text.len - 2 <= ENUM_LABEL_MAX)
        return 0;
    weir_error_set(a->err, "42602", "weir: invalid enum label: it is longer than %u bytes",
                   ENUM_LABEL_MAX);
    return WEIR_COMPAT_REFUSED;
}

static bool is_listed(weir_slice before, weir_slice literal)
{
    weir_token t;
    while ((t = weir_token_next(&before)).kind != WEIR_TOKEN_END)
        if (weir_slice_eq(t.text, literal))
            return true;
    return false;
}

static int put_labels(const alter *a, weir_slice list)
{
    weir_slice rest = list;
    int r = 0;
    for (bool first = true; r == 0; first = false) {
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END)
            return first ? alter_put(a, "SELECT NULL WHERE 0") : alter_syntax(a, "a type's labels");
        r = check_label(a, t);
        if (r == 0 && is_listed(weir_slice_head(list, (size_t)(t.text.data - list.data)), t.text)) {
            weir_error_set(a->err, "23505", "weir: a label is there more than once");
            return WEIR_COMPAT_REFUSED;
        }
        if (r == 0)
            r = alter_put(a, first ? "VALUES (%x)" : ", (%x)", &t.text);
        if (r == 0 && !weir_token_accept(&rest, ","))
            return weir_token_peek(rest).kind == WEIR_TOKEN_END
                       ? 0
                       : alter_syntax(a, "a type's labels");
    }
    return r;
}

static int create(const alter *a, weir_slice rest)
{
    char folded[256];
    weir_slice list;
    if (!alter_take_name(&rest, folded, sizeof(folded)))
        return alter_syntax(a, "CREATE TYPE");
    bool is_enum = weir_token_accept(&rest, "as") && weir_token_accept(&rest, "enum");
    if (!is_enum || !weir_token_accept(&rest, "(") || !weir_token_take_parentheses(&rest, &list))
        return alter_refuse(a, "a type that is no enum", "CREATE TYPE … AS ENUM is.");
    const weir_slice name = weir_slice_cstr(folded);
    int r = alter_fail_begin(a, "42710", WEIR_SLICE_LIT("type already exists"));
    if (r == 0)
        r = alter_put(a,
                      "(SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') UNION ALL "
                      "SELECT typname FROM pg_type) WHERE name = %l;\n",
                      &name);
    if (r == 0)
        r = alter_put(a, "CREATE VIEW main.\"weir_new_enum\" (\"label\") AS ");
    if (r == 0)
        r = put_labels(a, list);
    if (r == 0)
        r = alter_put(a, ";\n");
    char quoted[520];
    weir_buf text;
    weir_buf_init(&text, sizeof(quoted));
    if (r == 0)
        r = weir_token_put_quoted(&text, name, '"');
    const weir_slice shown = weir_buf_slice(&text);
    if (r == 0)
        r = alter_put(
            a,
            "UPDATE sqlite_schema SET name = %l, tbl_name = %l, sql = 'CREATE VIEW ' || %l "
            "|| ' " ENUM_MARK "' || (SELECT coalesce(max(oid), " ENUM_FIRST_OID
            ") + 1 FROM weir_enum) || ' */ ' || substr(sql, instr(sql, '(\"label\")')) "
            "WHERE type = 'view' AND name = 'weir_new_enum';\n",
            &name, &name, &shown);
    weir_buf_fini(&text);
    return r;
}

/* Fails if there is none of that name. */
static int put_missing(const alter *a, const weir_slice *name)
{
    int r = alter_fail_begin(a, "42704", WEIR_SLICE_LIT("type does not exist"));
    return r == 0 ? alter_put(a,
                              "(SELECT 1) WHERE NOT EXISTS (SELECT 1 FROM weir_enum WHERE name = "
                              "%l);\n",
                              name)
                  : r;
}

#define USED                                                                                       \
    "weir_column AS c CROSS JOIN weir_enum AS e WHERE c.is_table AND e.name = %l AND c.type = "    \
    "'TEXT(' || e.oid || ')'"

static int drop(const alter *a, weir_slice rest)
{
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "exists");
    int r = 0;
    do {
        char folded[256];
        if (!alter_take_name(&rest, folded, sizeof(folded)))
            return alter_syntax(a, "DROP TYPE");
        const weir_slice name = weir_slice_cstr(folded);
        r = quietly ? 0 : put_missing(a, &name);
        if (r == 0)
            r = alter_fail_begin(a, "2BP01",
                                 WEIR_SLICE_LIT("cannot drop type because a column depends on it: "
                                                "drop the column or its table (CASCADE is not "
                                                "supported on SQLite)"));
        if (r == 0)
            r = alter_put(a, USED ";\n", &name);
        if (r == 0)
            r = alter_put(a, "DELETE FROM sqlite_schema WHERE " WHERE_TYPE ";\n", &name);
    } while (r == 0 && weir_token_accept(&rest, ","));
    return r == 0 ? alter_purge_comments(a) : r;
}

/* ADD VALUE [IF NOT EXISTS] 'x' [BEFORE | AFTER 'y'] */
static int add_value(const alter *a, const weir_slice *name, weir_slice rest)
{
    bool quietly = weir_token_accept(&rest, "if") && weir_token_accept(&rest, "not") &&
                   weir_token_accept(&rest, "exists");
    weir_token label = weir_token_next(&rest), neighbour = {.text = WEIR_SLICE_LIT("''")};
    bool before = weir_token_accept(&rest, "before");
    bool after = !before && weir_token_accept(&rest, "after");
    if (before || after)
        neighbour = weir_token_next(&rest);
    int r = check_label(a, label);
    const weir_slice where = weir_slice_cstr(before ? "before" : after ? "after" : "");
    if (r == 0)
        r = alter_put(a,
                      "UPDATE sqlite_schema SET sql = weir_enum_edit(sql, %x, %l, %x) "
                      "WHERE " WHERE_TYPE,
                      &label.text, &where, &neighbour.text, name);
    if (r == 0 && quietly)
        r = alter_put(a,
                      " AND NOT EXISTS (SELECT 1 FROM json_each(weir_enum_labels(sql)) WHERE value "
                      "= %x)",
                      &label.text);
    return r == 0 ? alter_put(a, ";\n") : r;
}

/* RENAME VALUE 'x' TO 'y': in the rows, too. */
static int rename_value(const alter *a, const weir_slice *name, weir_slice rest,
                        const weir_define_fact *columns, size_t count)
{
    weir_token from = weir_token_next(&rest), to = {0};
    if (weir_token_accept(&rest, "to"))
        to = weir_token_next(&rest);
    int r = check_label(a, from);
    if (r == 0)
        r = check_label(a, to);
    if (r == 0)
        r = alter_put(a,
                      "UPDATE sqlite_schema SET sql = weir_enum_edit(sql, %x, '=', %x) "
                      "WHERE " WHERE_TYPE ";\n",
                      &to.text, &from.text, name);
    for (size_t i = 0; r == 0 && i < count; i++) {
        weir_buf table, column;
        weir_buf_init(&table, 1024);
        weir_buf_init(&column, 1024);
        r = weir_token_put_quoted(&table, columns[i].name, '"');
        if (r == 0)
            r = weir_token_put_quoted(&column, columns[i].value, '"');
        const weir_slice t = weir_buf_slice(&table), c = weir_buf_slice(&column);
        if (r == 0)
            r = alter_put(a, "UPDATE main.%x SET %x = %x WHERE %x = %x;\n", &t, &c, &to.text, &c,
                          &from.text);
        weir_buf_fini(&table);
        weir_buf_fini(&column);
    }
    return r;
}

static int change(const alter *a, weir_slice rest, const weir_define_fact *columns, size_t count)
{
    char folded[256];
    if (!alter_take_name(&rest, folded, sizeof(folded)))
        return alter_syntax(a, "ALTER TYPE");
    const weir_slice name = weir_slice_cstr(folded);
    int r = put_missing(a, &name);
    if (r != 0)
        return r;
    if (weir_token_accept(&rest, "add") && weir_token_accept(&rest, "value"))
        return add_value(a, &name, rest);
    if (weir_token_accept(&rest, "rename") && weir_token_accept(&rest, "value"))
        return rename_value(a, &name, rest, columns, count);
    return alter_refuse(a, "this form of ALTER TYPE", "ADD VALUE and RENAME VALUE are.");
}

int weir_type_plan(const weir_command *c, const weir_define_fact *facts, size_t count,
                   weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    return c->tag[0] == 'C'   ? create(&a, c->value)
           : c->tag[0] == 'A' ? change(&a, c->value, facts, count)
                              : drop(&a, c->value);
}

int weir_define_query(const weir_command *c, weir_buf *out)
{
    const alter a = {.out = out};
    char folded[256];
    weir_slice rest = c->value;
    if (c->kind == WEIR_COMMAND_DEFINE && c->local)
        return alter_put(&a, "SELECT name, CAST(oid AS TEXT) FROM weir_enum");
    if (c->kind != WEIR_COMMAND_TYPE || c->tag[0] != 'A' ||
        !alter_take_name(&rest, folded, sizeof(folded)) || !weir_token_accept(&rest, "rename"))
        return 0;
    const weir_slice name = weir_slice_cstr(folded);
    return alter_put(&a, "SELECT c.tbl, c.name FROM " USED, &name);
}
