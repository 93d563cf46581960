/* What sqlite_schema's texts say and SQLite's pragmas do not: constraints' names, and CHECKs. */
#include "base/ascii.h"
#include "compat/alter_internal.h"
#include "compat/run.h"
#include <stdio.h>

static int give_name(weir_slice written, weir_buf *out, weir_value *ret)
{
    char name[256];
    if (written.len == 0)
        return 0;
    weir_compat_name_fold(written, name, sizeof(name));
    return run_give(out, ret, weir_buf_append(out, weir_slice_cstr(name)));
}

static table_part_kind kind_of(weir_slice letter)
{
    uint8_t c = letter.len > 0 ? letter.data[0] : 0;
    return c == 'f'   ? TABLE_PART_FOREIGN
           : c == 'p' ? TABLE_PART_PRIMARY
           : c == 'u' ? TABLE_PART_UNIQUE
                      : TABLE_PART_OTHER;
}

/* weir_constraint_name(sql, 'u', columns): the columns by a byte 31. NULL: it has none. */
static int constraint_name(RUN_ARGS)
{
    (void)count, (void)err;
    table_text t;
    table_item item;
    table_part part;
    table_part_kind kind = kind_of(run_bytes_of(&args[1]));
    weir_slice columns = run_bytes_of(&args[2]);
    if (!weir_token_mentions(run_bytes_of(&args[0]), "constraint") ||
        !table_text_begin(run_bytes_of(&args[0]), &t))
        return 0;
    while (table_text_next(&t, &item)) {
        weir_slice of = item.column ? item.name : item.part.columns;
        part = item.part;
        if (item.column && !alter_find_part(&item, kind, &part))
            continue;
        if (part.kind == kind && part.name.len > 0 && alter_same_columns(columns, of))
            return give_name(part.name, out, ret);
    }
    return 0;
}

/* The *nth CHECK, from 1, and the column that it stands at; counts down. */
static bool find_check(weir_slice sql, int64_t *n, table_part *ret, weir_slice *ret_column)
{
    table_text t;
    table_item item;
    *ret_column = (weir_slice){0};
    if (!weir_token_mentions(sql, "check") || !table_text_begin(sql, &t))
        return false;
    while (table_text_next(&t, &item)) {
        weir_slice rest = item.rest;
        bool bad = false;
        *ret = item.part;
        if (!item.column && ret->kind == TABLE_PART_CHECK && --*n == 0)
            return true;
        *ret_column = item.name;
        while (item.column && table_text_next_part(&rest, ret, &bad))
            if (ret->kind == TABLE_PART_CHECK && --*n == 0)
                return true;
        *ret_column = (weir_slice){0};
    }
    return false;
}

static int check_count(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    table_part part;
    weir_slice column;
    int64_t left = INT64_MAX;
    (void)find_check(run_bytes_of(&args[0]), &left, &part, &column);
    *ret = (weir_value){.type = WEIR_VALUE_INTEGER};
    ret->u.integer = INT64_MAX - left;
    return 0;
}

static int64_t number_of(const weir_value *v)
{
    return v->type == WEIR_VALUE_INTEGER ? v->u.integer : 0;
}

/* weir_check_name(sql, n, table) */
static int check_name(RUN_ARGS)
{
    (void)count, (void)err;
    table_part part;
    weir_slice column;
    char name[256];
    int64_t n = number_of(&args[1]);
    if (!find_check(run_bytes_of(&args[0]), &n, &part, &column))
        return 0;
    if (part.name.len > 0)
        return give_name(part.name, out, ret);
    if (!alter_constraint_name(run_bytes_of(&args[2]), column, "check", name, sizeof(name)))
        return 0;
    return run_give(out, ret, weir_buf_append(out, weir_slice_cstr(name)));
}

static int check_expression(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    table_part part;
    weir_slice column;
    int64_t n = number_of(&args[1]);
    if (find_check(run_bytes_of(&args[0]), &n, &part, &column))
        run_give_text(ret, part.columns);
    return 0;
}

static int text_names(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    *ret = (weir_value){.type = WEIR_VALUE_INTEGER};
    ret->u.integer = table_text_lists(run_bytes_of(&args[0]), run_bytes_of(&args[1]));
    return 0;
}

const weir_face_function weir_face_texts[] = {
    {.name = "weir_constraint_name", .args = 3, .pure = true, .call = constraint_name},
    {.name = "weir_check_count", .args = 1, .pure = true, .call = check_count},
    {.name = "weir_check_name", .args = 3, .pure = true, .call = check_name},
    {.name = "weir_check_expression", .args = 2, .pure = true, .call = check_expression},
    {.name = "weir_text_names", .args = 2, .pure = true, .call = text_names},
    {.name = NULL},
};
