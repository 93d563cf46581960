/* Which action of ALTER TABLE is whose. */
#include "compat/alter_internal.h"
#include <stdio.h>

int weir_alter_facts_query(weir_slice written, bool index, weir_buf *out)
{
    char name[256];
    weir_compat_name_fold(written, name, sizeof(name));
    const weir_slice folded = weir_slice_cstr(name);
    const alter a = {.out = out};
    int r = alter_put(&a,
                      index ? "WITH o(t) AS (SELECT tbl FROM weir_index WHERE name = %l) "
                            : "WITH o(t) AS (VALUES (%l)) ",
                      &folded);
    return r < 0 ? r
                 : alter_put(
                       &a,
                       "SELECT 't', m.name, m.sql, '', '' FROM o, sqlite_schema AS m WHERE "
                       "m.type = 'table' AND lower(m.name) = lower(o.t) UNION ALL SELECT "
                       "'i', l.name, coalesce(i.sql, ''), (SELECT "
                       "group_concat(coalesce(c.name, ''), char(31)) FROM "
                       "pragma_index_info(l.name) AS c), iif(l.\"unique\", 'u', '') || "
                       "iif(l.origin = 'pk', 'p', '') FROM o, pragma_index_list(o.t) AS l "
                       "JOIN sqlite_schema AS i ON i.type = 'index' AND i.name = l.name UNION ALL "
                       "SELECT 'e', name, CAST(oid AS TEXT), '', '' FROM weir_enum");
}

weir_slice weir_alter_next_action(weir_slice *actions)
{
    return weir_token_take_item(actions);
}

/* INDEX a RENAME TO b */
static int rename_index(const alter *a, weir_slice rest)
{
    if (weir_token_accept(&rest, "if"))
        (void)weir_token_accept(&rest, "exists");
    weir_slice from = weir_token_next(&rest).text;
    while (weir_token_accept(&rest, "."))
        from = weir_token_next(&rest).text;
    if (!weir_token_accept(&rest, "rename") || !weir_token_accept(&rest, "to"))
        return alter_refuse(a, "this form of ALTER INDEX", NULL);
    return alter_rename_to(a, from, weir_token_next(&rest).text);
}

static int rename_it(const alter *a, weir_slice rest)
{
    if (weir_token_accept(&rest, "constraint"))
        return alter_rename_constraint(a, rest);
    if (weir_token_accept(&rest, "to")) {
        weir_slice name = weir_token_next(&rest).text;
        int r = alter_put(a, "ALTER TABLE %t RENAME TO %n;\n", &name);
        char quoted[256];
        (void)snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)a->facts->name.len,
                       (const char *)a->facts->name.data);
        return r == 0 ? alter_rename_comments(a, "relation", weir_slice_cstr(quoted), name) : r;
    }
    (void)weir_token_accept(&rest, "column");
    weir_slice from = weir_token_next(&rest).text;
    if (!weir_token_accept(&rest, "to"))
        return alter_refuse(a, "this form of RENAME", NULL);
    weir_slice to = weir_token_next(&rest).text;
    int r = alter_put(a, "ALTER TABLE %t RENAME COLUMN %n TO %n;\n", &from, &to);
    return r == 0 ? alter_rename_comments(a, "column", from, to) : r;
}

static bool adds_constraint(weir_slice rest)
{
    static const char *const words[] = {"constraint", "unique",  "primary",
                                        "check",      "foreign", "exclude"};
    weir_token t = weir_token_peek(rest);
    return weir_token_is_one_of(t, words);
}

int weir_alter_plan(weir_slice action, const weir_alter_facts *facts, weir_buf *out,
                    weir_error *err)
{
    const alter a = {.facts = facts, .out = out, .err = err};
    weir_slice rest = action;
    if (weir_token_accept(&rest, "index"))
        return rename_index(&a, rest);
    if (weir_token_accept(&rest, "rename"))
        return rename_it(&a, rest);
    if (weir_token_accept(&rest, "add"))
        return adds_constraint(rest) ? alter_add_constraint(&a, rest) : alter_add_column(&a, rest);
    if (weir_token_accept(&rest, "drop")) {
        int r = weir_token_accept(&rest, "constraint") ? alter_drop_constraint(&a, rest)
                                                       : alter_drop_column(&a, rest);
        return r == 0 && out->len > 0 ? alter_purge_comments(&a) : r;
    }
    if (weir_token_accept(&rest, "alter"))
        return alter_change_column(&a, rest);
    return alter_refuse(&a, "this form of ALTER TABLE",
                        "Columns and constraints can be added, dropped, changed and renamed.");
}

/* Each name of the list, without its schema. */
static bool next_table(weir_slice *list, weir_slice *ret)
{
    weir_token t = weir_token_next(list);
    while (weir_token_accept(list, "."))
        t = weir_token_next(list);
    (void)weir_token_accept(list, ",");
    *ret = t.text;
    return t.kind != WEIR_TOKEN_END;
}

static int put_names(const alter *a, weir_slice list)
{
    weir_slice name;
    int r = 0;
    for (bool first = true; r == 0 && next_table(&list, &name); first = false) {
        char folded[256];
        weir_compat_name_fold(name, folded, sizeof(folded));
        const weir_slice text = weir_slice_cstr(folded);
        r = alter_put(a, first ? "lower(%l)" : ", lower(%l)", &text);
    }
    return r;
}

int weir_alter_sequences(weir_slice definitions, weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    return alter_sequences(&a, definitions, "");
}

static int restart(const alter *a, weir_slice name)
{
    char folded[256];
    weir_compat_name_fold(name, folded, sizeof(folded));
    return alter_restart_owned(a, weir_slice_cstr(folded));
}

int weir_truncate_plan(weir_slice tables, bool cascade, bool restarts, weir_buf *out,
                       weir_error *err)
{
    const alter a = {.out = out, .err = err};
    weir_slice name;
    int r = alter_put(&a, "PRAGMA defer_foreign_keys=ON;\n");
    if (r == 0 && !cascade)
        r = alter_fail_begin(&a, "0A000",
                             WEIR_SLICE_LIT("cannot truncate a table referenced in a foreign key "
                                            "constraint"));
    if (r == 0 && !cascade)
        r = alter_put(&a, "sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = "
                          "'table' AND lower(f.\"table\") IN (");
    if (r == 0 && !cascade)
        r = put_names(&a, tables);
    if (r == 0 && !cascade)
        r = alter_put(&a, ") AND lower(m.name) NOT IN (");
    if (r == 0 && !cascade)
        r = put_names(&a, tables);
    if (r == 0 && !cascade)
        r = alter_put(&a, ") LIMIT 1;\n");
    while (r == 0 && next_table(&tables, &name)) {
        r = alter_put(&a, "DELETE FROM %n;\n", &name);
        if (r == 0 && restarts)
            r = restart(&a, name);
    }
    return r;
}
