/* Walks a statement's tree without recursion. Every message of the tree is reached by the field
 * descriptions that protobuf-c carries, so that no kind of node can be forgotten; the few that mean
 * something are looked at on the way. A name is a CTE's only where that CTE can be seen: scopes
 * are chains of names that grow to the front, and each piece of work carries its own. */
#include "sql/pg_tree.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct scope {
    const struct scope *outer;
    const char *name;
} scope;

typedef struct work {
    const ProtobufCMessage *message;
    const scope *scope;
    bool written; /* relations met here are targets */
} work;

typedef struct walk {
    work *stack;
    size_t len, cap;
    weir_pg_found *found;
    bool out_of_memory;
} walk;

static void push(walk *w, const void *message, const scope *sc, bool written)
{
    if (!message || w->out_of_memory)
        return;
    if (w->len == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 256;
        work *stack = realloc(w->stack, cap * sizeof(*stack));
        if (!stack) {
            w->out_of_memory = true;
            return;
        }
        w->stack = stack;
        w->cap = cap;
    }
    w->stack[w->len++] = (work){.message = message, .scope = sc, .written = written};
}

static const void *at(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

static void push_field(walk *w, const work *from, const ProtobufCFieldDescriptor *f)
{
    const ProtobufCMessage *m = from->message;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)at(m, f->quantifier_offset);
        void *const *list = *(void *const *const *)at(m, f->offset);
        for (size_t i = 0; i < count; i++)
            push(w, list[i], from->scope, from->written);
        return;
    }
    bool one_of = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (!one_of || *(const uint32_t *)at(m, f->quantifier_offset) == f->id)
        push(w, *(void *const *)at(m, f->offset), from->scope, from->written);
}

static void push_children(walk *w, const work *from)
{
    for (unsigned i = 0; i < from->message->descriptor->n_fields; i++)
        push_field(w, from, &from->message->descriptor->fields[i]);
}

static const scope *grow(walk *w, const scope *outer, const char *name)
{
    scope *s = weir_arena_alloc(&w->found->names->arena, sizeof(*s));
    if (!s) {
        w->out_of_memory = true;
        return outer;
    }
    *s = (scope){.outer = outer, .name = name};
    return s;
}

/* Pushes the queries of WITH; returns what the statement that carries it sees. Without RECURSIVE a
 * CTE sees those before it only. */
static const scope *with_clause(walk *w, const PgQuery__WithClause *with, const scope *outer)
{
    const scope *sc = outer;
    for (size_t i = 0; with && i < with->n_ctes; i++) {
        const PgQuery__CommonTableExpr *cte = with->ctes[i]->common_table_expr;
        if (!with->recursive)
            push(w, cte->ctequery, sc, false);
        sc = grow(w, sc, cte->ctename);
    }
    for (size_t i = 0; with && with->recursive && i < with->n_ctes; i++)
        push(w, with->ctes[i]->common_table_expr->ctequery, sc, false);
    return sc;
}

static bool in_scope(const scope *sc, const char *name)
{
    for (; sc; sc = sc->outer) {
        if (strcmp(sc->name, name) == 0)
            return true;
    }
    return false;
}

static void relation(walk *w, const PgQuery__RangeVar *r, const work *from)
{
    bool temporary =
        strcmp(r->relpersistence, "t") == 0 || strncmp(r->schemaname, "pg_temp", 7) == 0;
    if (temporary)
        w->found->effects |= WEIR_EFFECT_TEMP;
    const weir_word *word = weir_word_find(weir_slice_cstr(r->relname));
    if (word && word->code == WORD_VIEW)
        w->found->effects |= word->effects;
    if (!from->written && r->schemaname[0] == '\0' && in_scope(from->scope, r->relname))
        return;
    weir_names_add(w->found->names, r->schemaname, r->relname, from->written);
}

/* The target goes first, as written; the rest of the statement only reads. */
static void modify(walk *w, const work *from, PgQuery__RangeVar *target,
                   const PgQuery__WithClause *with)
{
    work rest = {from->message, with_clause(w, with, from->scope), false};
    w->found->writes = true;
    if (target)
        relation(w, target, &(work){.message = NULL, .scope = NULL, .written = true});
    for (unsigned i = 0; i < rest.message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &rest.message->descriptor->fields[i];
        if (strcmp(f->name, "relation") != 0 && strcmp(f->name, "with_clause") != 0)
            push_field(w, &rest, f);
    }
}

static void select_stmt(walk *w, const work *from)
{
    const PgQuery__SelectStmt *s = (const void *)from->message;
    work rest = {from->message, with_clause(w, s->with_clause, from->scope), false};
    if (s->into_clause)
        w->found->creates = true;
    if (s->n_locking_clause > 0)
        w->found->row_locks = true;
    for (unsigned i = 0; i < rest.message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &rest.message->descriptor->fields[i];
        /* FOR UPDATE OF names aliases, not relations. */
        if (strcmp(f->name, "with_clause") != 0 && strcmp(f->name, "locking_clause") != 0)
            push_field(w, &rest, f);
    }
}

static void function(walk *w, const PgQuery__FuncCall *call)
{
    const char *schema = "", *name = "";
    for (size_t i = 0; i < call->n_funcname; i++) {
        schema = name;
        name = call->funcname[i]->string ? call->funcname[i]->string->sval : "";
    }
    const weir_word *word = weir_word_find(weir_slice_cstr(name));
    if (word && word->code == WORD_CALL)
        w->found->effects |= word->effects;
    bool builtin = schema[0] == '\0' || strcmp(schema, "pg_catalog") == 0;
    if ((builtin && weir_function_is_harmless(name)) || w->found->volatile_calls)
        return;
    w->found->volatile_calls = true;
    snprintf(w->found->function, sizeof(w->found->function), "%s", name);
}

static void visit(walk *w, const work *from)
{
    const ProtobufCMessageDescriptor *d = from->message->descriptor;
    const void *m = from->message;
    if (d == &pg_query__range_var__descriptor) {
        relation(w, m, from);
    } else if (d == &pg_query__select_stmt__descriptor) {
        select_stmt(w, from);
    } else if (d == &pg_query__insert_stmt__descriptor) {
        const PgQuery__InsertStmt *s = m;
        modify(w, from, s->relation, s->with_clause);
    } else if (d == &pg_query__update_stmt__descriptor) {
        const PgQuery__UpdateStmt *s = m;
        modify(w, from, s->relation, s->with_clause);
    } else if (d == &pg_query__delete_stmt__descriptor) {
        const PgQuery__DeleteStmt *s = m;
        modify(w, from, s->relation, s->with_clause);
    } else if (d == &pg_query__merge_stmt__descriptor) {
        const PgQuery__MergeStmt *s = m;
        modify(w, from, s->relation, s->with_clause);
    } else if (d == &pg_query__into_clause__descriptor) {
        const PgQuery__IntoClause *into = m;
        w->found->creates = true;
        push(w, into->rel, NULL, true);
    } else if (d == &pg_query__execute_stmt__descriptor) {
        w->found->effects |= WEIR_EFFECT_PREPARE;
    } else {
        if (d == &pg_query__func_call__descriptor)
            function(w, m);
        push_children(w, from);
    }
}

/* A Node is a choice of some 250 messages; whichever it is, the pointer lies in the union. */
static const ProtobufCMessage *choice(const ProtobufCMessage *m)
{
    if (m->descriptor != &pg_query__node__descriptor)
        return m;
    const PgQuery__Node *node = (const void *)m;
    if (node->node_case == PG_QUERY__NODE__NODE__NOT_SET)
        return NULL;
    return (const void *)node->select_stmt;
}

/* Relations of these are targets: what TRUNCATE, COPY FROM, CREATE, ALTER name. */
static bool targets(const PgQuery__Node *node)
{
    if (node->node_case == PG_QUERY__NODE__NODE_COPY_STMT)
        return node->copy_stmt->is_from;
    return node->node_case == PG_QUERY__NODE__NODE_TRUNCATE_STMT ||
           weir_pg_kind(node) == WEIR_KIND_DDL;
}

int weir_pg_walk(const PgQuery__Node *statement, weir_pg_found *found)
{
    walk w = {.found = found};
    push(&w, statement, NULL, targets(statement));
    while (w.len > 0 && !w.out_of_memory) {
        work next = w.stack[--w.len];
        next.message = choice(next.message);
        if (next.message)
            visit(&w, &next);
    }
    free(w.stack);
    return w.out_of_memory ? -ENOMEM : 0;
}
