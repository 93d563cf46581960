/* Reads a CREATE TABLE's text (https://sqlite.org/lang_createtable.html) into columns and
 * constraints. What is not understood is said to be so: nobody edits by guess. */
#include "compat/table_text.h"
#include <strings.h>

static weir_slice between(const uint8_t *begin, const uint8_t *end)
{
    return weir_slice_make(begin, (size_t)(end - begin));
}

static bool take_parentheses(weir_slice *rest, weir_slice *ret)
{
    return weir_token_accept(rest, "(") && weir_token_take_parentheses(rest, ret);
}

bool table_text_same(weir_slice a, weir_slice b)
{
    char x[128], y[128];
    weir_compat_name_fold(a, x, sizeof(x));
    weir_compat_name_fold(b, y, sizeof(y));
    return strcasecmp(x, y) == 0;
}

bool table_text_lists(weir_slice columns, weir_slice name)
{
    for (weir_token t; (t = weir_token_next(&columns)).kind != WEIR_TOKEN_END;)
        if ((t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED) &&
            table_text_same(t.text, name))
            return true;
    return false;
}

/* ---- constraints ---- */

static void skip_conflict(weir_slice *rest)
{
    if (weir_token_accept2(rest, "on", "conflict"))
        (void)weir_token_next(rest);
}

static void skip_action(weir_slice *rest)
{
    (void)weir_token_next(rest); /* DELETE, UPDATE */
    if (weir_token_accept2(rest, "set", "null") || weir_token_accept2(rest, "set", "default") ||
        weir_token_accept2(rest, "no", "action"))
        return;
    (void)weir_token_next(rest);
}

/* Behind REFERENCES. */
static bool take_reference(weir_slice *rest, table_part *ret)
{
    weir_slice columns;
    ret->kind = TABLE_PART_FOREIGN;
    ret->parent = weir_token_next(rest).text;
    if (weir_token_is(weir_token_peek(*rest), "(") && !take_parentheses(rest, &columns))
        return false;
    for (;;) {
        if (weir_token_accept(rest, "on"))
            skip_action(rest);
        else if (weir_token_accept(rest, "match") || weir_token_accept(rest, "initially"))
            (void)weir_token_next(rest);
        else if (!weir_token_accept2(rest, "not", "deferrable") &&
                 !weir_token_accept(rest, "deferrable"))
            return true;
    }
}

static bool take_default(weir_slice *rest, table_part *ret)
{
    weir_slice inside;
    weir_token first = weir_token_peek(*rest);
    ret->kind = TABLE_PART_DEFAULT;
    if (weir_token_accept(rest, "(")) {
        if (!weir_token_take_parentheses(rest, &inside))
            return false;
        ret->value = between(first.text.data, inside.data + inside.len + 1);
        return true;
    }
    if (!weir_token_accept(rest, "-"))
        (void)weir_token_accept(rest, "+");
    weir_token t = weir_token_next(rest);
    ret->value = between(first.text.data, t.text.data + t.text.len);
    ret->plain = !weir_token_is(t, "current_timestamp") && !weir_token_is(t, "current_date") &&
                 !weir_token_is(t, "current_time");
    return t.kind != WEIR_TOKEN_END;
}

static bool take_generated(weir_slice *rest, table_part *ret)
{
    ret->kind = TABLE_PART_GENERATED;
    if (!take_parentheses(rest, &ret->columns))
        return false;
    if (!weir_token_accept(rest, "stored"))
        (void)weir_token_accept(rest, "virtual");
    return true;
}

static bool take_primary(weir_slice *rest, table_part *ret)
{
    ret->kind = TABLE_PART_PRIMARY;
    if (weir_token_is(weir_token_peek(*rest), "(") && !take_parentheses(rest, &ret->columns))
        return false;
    if (!weir_token_accept(rest, "asc"))
        (void)weir_token_accept(rest, "desc");
    skip_conflict(rest);
    (void)weir_token_accept(rest, "autoincrement");
    return true;
}

static bool take_unique(weir_slice *rest, table_part *ret)
{
    ret->kind = TABLE_PART_UNIQUE;
    if (weir_token_is(weir_token_peek(*rest), "(") && !take_parentheses(rest, &ret->columns))
        return false;
    skip_conflict(rest);
    return true;
}

static bool take_foreign(weir_slice *rest, table_part *ret)
{
    return weir_token_accept(rest, "key") && take_parentheses(rest, &ret->columns) &&
           weir_token_accept(rest, "references") && take_reference(rest, ret);
}

static bool take_kind(weir_slice *rest, table_part *ret)
{
    if (weir_token_accept2(rest, "primary", "key"))
        return take_primary(rest, ret);
    if (weir_token_accept2(rest, "not", "null")) {
        ret->kind = TABLE_PART_NOT_NULL;
        skip_conflict(rest);
        return true;
    }
    if (weir_token_accept(rest, "unique"))
        return take_unique(rest, ret);
    if (weir_token_accept(rest, "check")) {
        ret->kind = TABLE_PART_CHECK;
        return take_parentheses(rest, &ret->columns);
    }
    if (weir_token_accept(rest, "default"))
        return take_default(rest, ret);
    if (weir_token_accept(rest, "references"))
        return take_reference(rest, ret);
    if (weir_token_accept(rest, "foreign"))
        return take_foreign(rest, ret);
    if (weir_token_accept(rest, "generated"))
        return weir_token_accept2(rest, "always", "as") && take_generated(rest, ret);
    if (weir_token_accept(rest, "as"))
        return take_generated(rest, ret);
    if (weir_token_accept(rest, "collate"))
        return weir_token_next(rest).kind != WEIR_TOKEN_END;
    return weir_token_accept(rest, "null");
}

bool table_text_next_part(weir_slice *rest, table_part *ret, bool *bad)
{
    *ret = (table_part){.kind = TABLE_PART_OTHER};
    weir_token first = weir_token_peek(*rest);
    if (first.kind == WEIR_TOKEN_END)
        return false;
    if (weir_token_accept(rest, "constraint"))
        ret->name = weir_token_next(rest).text;
    *bad = !take_kind(rest, ret);
    ret->text = between(first.text.data, rest->data);
    return !*bad;
}

bool table_text_constraint(weir_slice text, table_part *ret)
{
    bool bad = false;
    return table_text_next_part(&text, ret, &bad) && weir_token_peek(text).kind == WEIR_TOKEN_END;
}

/* ---- items ---- */

static bool begins_part(weir_token t)
{
    static const char *const words[] = {"constraint", "primary", "not",     "null",
                                        "unique",     "check",   "default", "references",
                                        "generated",  "as",      "collate", "foreign"};
    return weir_token_is_one_of(t, words);
}

bool table_text_column(weir_slice text, table_item *ret)
{
    weir_token t = weir_token_next(&text);
    bool bad = false;
    *ret = (table_item){.column = true, .name = t.text};
    if (t.kind != WEIR_TOKEN_WORD && t.kind != WEIR_TOKEN_QUOTED && t.kind != WEIR_TOKEN_STRING)
        return false;
    const uint8_t *begin = t.text.data, *end = begin + t.text.len;
    const uint8_t *type = NULL, *type_end = NULL;
    while ((t = weir_token_peek(text)).kind != WEIR_TOKEN_END && !begins_part(t)) {
        type = type ? type : t.text.data;
        (void)weir_token_next(&text);
        end = type_end = t.text.data + t.text.len;
    }
    ret->type = type ? between(type, type_end) : (weir_slice){0};
    ret->rest = text;
    for (table_part p; table_text_next_part(&text, &p, &bad);)
        end = p.text.data + p.text.len;
    ret->text = between(begin, end);
    return !bad;
}

bool table_text_begin(weir_slice sql, table_text *ret)
{
    weir_slice rest = sql, inside;
    *ret = (table_text){.sql = sql};
    for (weir_token t; !weir_token_is(t = weir_token_peek(rest), "(");) {
        if (t.kind == WEIR_TOKEN_END || weir_token_is(t, "virtual"))
            return false;
        (void)weir_token_next(&rest);
    }
    if (!take_parentheses(&rest, &inside))
        return false;
    ret->rest = inside;
    ret->end = inside.data + inside.len;
    ret->rowid = true;
    for (weir_token t; (t = weir_token_next(&rest)).kind != WEIR_TOKEN_END;)
        ret->rowid &= !weir_token_is(t, "without");
    return true;
}

bool table_text_next(table_text *t, table_item *ret)
{
    if (weir_token_peek(t->rest).kind == WEIR_TOKEN_END)
        return false;
    weir_slice text = weir_token_take_item(&t->rest);
    weir_token first = weir_token_peek(text);
    if (begins_part(first) && !weir_token_is(first, "as")) {
        *ret = (table_item){.text = text};
        t->bad |= !table_text_constraint(text, &ret->part);
    } else {
        t->bad |= !table_text_column(text, ret);
    }
    ret->text = text;
    return !t->bad;
}
