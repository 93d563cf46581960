/* A footprint from PostgreSQL's own grammar. The tree comes as protobuf bytes, which are unpacked
 * and walked; both the grammar's output and the unpacking recurse, hence the caps and the stack.
 * libpg_query itself ends the process when an allocation inside of it fails (measured, 15-4.0.0);
 * only what is allocated here is reported as -ENOMEM. */
#include "sql/pg_reads.h"

#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>

/* An EXPLAIN runs its statement if it says ANALYZE, whatever the option's value: that may be a
 * literal, which the template does not keep. */
static bool explain_runs(const PgQuery__ExplainStmt *explain)
{
    for (size_t i = 0; i < explain->n_options; i++) {
        const PgQuery__DefElem *option = explain->options[i]->def_elem;
        if (option && (strcmp(option->defname, "analyze") == 0))
            return true;
    }
    return false;
}

static weir_kind kind_inside(const PgQuery__Node *stmt, const weir_pg_found *found)
{
    weir_kind kind = weir_pg_transaction(stmt) ? WEIR_KIND_TRANSACTION : weir_pg_kind(stmt);
    bool runs = kind == WEIR_KIND_READ;
    if (stmt->node_case == PG_QUERY__NODE__NODE_EXPLAIN_STMT)
        runs = explain_runs(stmt->explain_stmt);
    if (runs && found->creates)
        return WEIR_KIND_DDL;
    return runs && found->writes ? WEIR_KIND_WRITE : kind;
}

static int statement(const PgQuery__Node *stmt, bool first, weir_names *names, weir_footprint *f,
                     weir_pg_found *found)
{
    *found = (weir_pg_found){.names = names, .volatile_calls = found->volatile_calls};
    int r = weir_pg_walk(stmt, found);
    if (r < 0)
        return r;
    f->kind = weir_kind_stronger(kind_inside(stmt, found), f->kind);
    f->effects |= found->effects | weir_pg_effects(stmt);
    f->row_locks = f->row_locks || found->row_locks;
    f->volatile_calls = f->volatile_calls || found->volatile_calls;
    if (first)
        f->transaction = weir_pg_transaction(stmt);
    return 0;
}

/* `reads` NULL: the schema is not known. */
static int tree(const PgQuery__ParseResult *result, weir_pg_reads *reads, weir_footprint **ret)
{
    char reason[128] = "";
    weir_names names;
    weir_pg_found found = {.names = &names};
    weir_footprint f = {.kind = WEIR_KIND_EMPTY, .from_grammar = true};
    int r = 0;
    weir_names_init(&names);
    for (size_t i = 0; i < result->n_stmts && r == 0; i++) {
        if (!result->stmts[i]->stmt)
            continue;
        r = statement(result->stmts[i]->stmt, i == 0, &names, &f, &found);
        if (found.function[0] && !reason[0])
            snprintf(reason, sizeof(reason), "calls %s, which is volatile or not known",
                     found.function);
    }
    if (f.row_locks)
        snprintf(reason, sizeof(reason), "locks rows");
    f.reason = reason;
    if (r == 0 && reads)
        r = reads->fill(reads, result, &f);
    if (r == 0)
        r = weir_names_footprint(&names, &f, ret);
    weir_names_fini(&names);
    return r;
}

static int refuse(const weir_lexed *lexed, weir_kind kind, const char *reason, weir_footprint **ret)
{
    weir_footprint f = weir_footprint_of_lexed(lexed);
    f.kind = kind;
    f.reason = reason;
    return weir_footprint_copy(&f, ret);
}

/* The grammar reports its own lack of memory as an error like any other. */
static int parse_error(const PgQueryError *error, const weir_lexed *lexed, weir_footprint **ret)
{
    const char *words = error->message ? error->message : "";
    if (strncmp(words, "out of memory", 13) == 0)
        return -ENOMEM;
    return refuse(lexed, WEIR_KIND_UNKNOWN, words, ret);
}

static int parse(const char *text, const weir_lexed *lexed, weir_pg_reads *reads,
                 weir_footprint **ret)
{
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    int r;
    if (parsed.error) {
        r = parse_error(parsed.error, lexed, ret);
    } else {
        PgQuery__ParseResult *result = pg_query__parse_result__unpack(
            NULL, parsed.parse_tree.len, (const uint8_t *)parsed.parse_tree.data);
        r = result ? tree(result, reads, ret) : -ENOMEM;
        if (result)
            pg_query__parse_result__free_unpacked(result, NULL);
    }
    pg_query_free_protobuf_parse_result(parsed);
    return r;
}

int weir_pg_analyze(weir_slice text, const weir_lexed *lexed, weir_pg_reads *reads,
                    weir_footprint **ret)
{
    if (lexed->over_caps || text.len > WEIR_SQL_TEXT_MAX)
        return weir_sql_footprint_lexed(lexed, ret);
    if (text.len > 0 && memchr(text.data, 0, text.len))
        return refuse(lexed, WEIR_KIND_UNKNOWN, "holds a zero byte", ret);
    char *copy = malloc(text.len + 1);
    if (!copy)
        return -ENOMEM;
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    int r = parse(copy, lexed, reads, ret);
    free(copy);
    return r;
}

int weir_sql_analyze_postgres(weir_slice text, const weir_lexed *lexed, weir_footprint **ret)
{
    return weir_pg_analyze(text, lexed, NULL, ret);
}

#define SHALLOW_MAX 2000u

bool weir_sql_is_postgres(weir_slice text)
{
    char copy[SHALLOW_MAX + 1];
    if (text.len == 0 || text.len > SHALLOW_MAX || memchr(text.data, 0, text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(copy);
    bool takes = !parsed.error;
    pg_query_free_protobuf_parse_result(parsed);
    return takes;
}
