/* Which constraint a statement broke, as PostgreSQL's error fields tell it. SQLite names a unique
 * key by its columns, a CHECK by its name or text, and of a foreign key it says nothing: that is
 * known where a single one can be meant.
 *
 * Each query: ?1 SQLite's words, ?2 the statement; table, column, constraint, message (NULL: the
 * one that there is). No row: not known. */
#include "compat/run.h"
#include "compat/token.h"

#define COLUMNS                                                                                    \
    "(SELECT group_concat(v, ', ') FROM (SELECT i.tbl || '.' || c.name AS v FROM "                 \
    "weir_index_column AS c WHERE c.indexrelid = i.indexrelid ORDER BY c.ord))"

static const char unique_query[] =
    "SELECT i.tbl, NULL, i.name, 'duplicate key value violates unique constraint \"' || i.name || "
    "'\"' FROM weir_index AS i WHERE i.uniq AND ('index ''' || i.idx || '''' = ?1 OR " COLUMNS
    " = ?1) ORDER BY i.partial LIMIT 1";

static const char not_null_query[] =
    "SELECT c.tbl, c.name, NULL, NULL FROM weir_column AS c WHERE c.tbl || '.' || c.name = ?1";

static const char check_query[] =
    "SELECT t.relname, NULL, k.conname, 'new row for relation \"' || t.relname || '\" violates "
    "check constraint \"' || k.conname || '\"' FROM pg_constraint AS k CROSS JOIN pg_class AS t "
    "WHERE k.contype = 'c' AND t.oid = k.conrelid AND ?1 IN (k.conname, k.conbin) ORDER BY "
    "lower(t.relname) = weir_target(?2) DESC LIMIT 1";

/* A row's own trigger may write elsewhere, and what a key's own action does may break others. */
#define ALONE                                                                                      \
    "NOT EXISTS (SELECT 1 FROM weir_object AS g WHERE g.type = 'trigger' AND lower(g.tbl) = "      \
    "weir_target(?2)) AND NOT EXISTS (SELECT 1 FROM weir_foreign AS f WHERE f.lparent = "          \
    "weir_target(?2) AND CASE weir_target_verb(?2) WHEN 'delete' THEN f.on_delete WHEN 'update' "  \
    "THEN f.on_update ELSE 'NO ACTION' END NOT IN ('NO ACTION', 'RESTRICT'))"
/* What the statement does not name it does not change. */
#define NAMES(table, key)                                                                          \
    "EXISTS (SELECT 1 FROM weir_column AS c WHERE c.ltbl = lower(" table                           \
    ".relname) AND ',' || trim(" key ", '{}') || ',' LIKE '%,' || c.attnum || ',%' AND "           \
    "weir_text_names(?2, c.name))"
#define CHILD                                                                                      \
    "(lower(t.relname) = weir_target(?2) AND CASE weir_target_verb(?2) WHEN 'delete' THEN 0 WHEN " \
    "'insert' THEN 1 ELSE " NAMES("t", "k.conkey") " END)"
#define PARENT                                                                                     \
    "(lower(p.relname) = weir_target(?2) AND CASE weir_target_verb(?2) WHEN 'delete' THEN 1 WHEN " \
    "'update' THEN " NAMES("p", "k.confkey") " ELSE 0 END)"

static const char foreign_query[] =
    "SELECT relname, NULL, conname, CASE WHEN own THEN 'insert or update on table \"' || relname "
    "|| '\" violates foreign key constraint \"' || conname || '\"' ELSE 'update or delete on table "
    "\"' || parent || '\" violates foreign key constraint \"' || conname || '\" on table \"' || "
    "relname || '\"' END FROM (SELECT t.relname, k.conname, p.relname AS parent, " CHILD
    " AS own, count(*) OVER () AS n FROM pg_constraint AS k CROSS JOIN pg_class AS t CROSS JOIN "
    "pg_class AS p WHERE k.contype = 'f' AND t.oid = k.conrelid AND p.oid = k.confrelid AND "
    "(" CHILD " OR " PARENT ") AND " ALONE ") WHERE n = 1";

const weir_face_violation weir_face_violations[] = {{"23505", unique_query},
                                                    {"23502", not_null_query},
                                                    {"23514", check_query},
                                                    {"23503", foreign_query},
                                                    {{0}, NULL}};

/* ---- what a statement writes ---- */

/* The first INSERT, UPDATE or DELETE outside of parentheses, and the name behind it;
 * `*ret_lists`: a parenthesis follows. */
static bool find_target(weir_slice text, weir_slice *ret_verb, weir_slice *ret_name,
                        bool *ret_lists)
{
    int depth = 0;
    for (weir_token t = weir_token_next(&text); t.kind != WEIR_TOKEN_END;
         t = weir_token_next(&text)) {
        depth += weir_token_is(t, "(") ? 1 : weir_token_is(t, ")") ? -1 : 0;
        bool verb =
            weir_token_is(t, "insert") || weir_token_is(t, "update") || weir_token_is(t, "delete");
        if (depth > 0 || !verb)
            continue;
        *ret_verb = t.text;
        if (!weir_token_accept(&text, "into"))
            (void)weir_token_accept(&text, "from");
        (void)weir_token_accept(&text, "only");
        t = weir_token_next(&text);
        if (weir_token_accept(&text, "."))
            t = weir_token_next(&text);
        *ret_name = t.text;
        *ret_lists = weir_token_is(weir_token_peek(text), "(");
        return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
    }
    return false;
}

static int give(weir_slice written, weir_buf *out, weir_value *ret)
{
    char folded[256];
    weir_compat_name_fold(written, folded, sizeof(folded));
    for (char *c = folded; *c; c++) /* SQLite's names know no case */
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    int r = weir_buf_append(out, weir_slice_cstr(folded));
    return run_give(out, ret, r);
}

static int target(RUN_ARGS)
{
    weir_slice verb, name;
    bool lists;
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_TEXT || !find_target(args[0].u.bytes, &verb, &name, &lists))
        return 0;
    return give(name, out, ret);
}

/* An INSERT that lists its columns is "insert into". */
static int target_verb(RUN_ARGS)
{
    weir_slice verb, name;
    bool lists;
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_TEXT || !find_target(args[0].u.bytes, &verb, &name, &lists))
        return 0;
    if (lists && weir_slice_eq_nocase(verb, "insert"))
        verb = WEIR_SLICE_LIT("insert into");
    return give(verb, out, ret);
}

const weir_face_function weir_face_targets[] = {
    {.name = "weir_target", .args = 1, .pure = true, .call = target},
    {.name = "weir_target_verb", .args = 1, .pure = true, .call = target_verb},
    {.name = NULL},
};
