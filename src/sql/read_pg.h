/* Private to src/sql: from PostgreSQL's tree to weir_query.
 *
 * What is met and not known to be harmless is refused (weir_refusals) and the reading goes on. What
 * is not known at all also ends the search for keys (weir_pg_give_up): every relation that was met
 * is then depended on as a whole.
 *
 * Names stay as the server has them: the rules compare them without regard to case, and so no key
 * is looked for where two names differ in nothing else (pg_reads.c). */
#ifndef WEIR_SQL_READ_PG_H
#define WEIR_SQL_READ_PG_H

#include "sql/columns.h"
#include "sql/pg_tree.h"
#include "sql/pg_values.h"
#include "sql/query.h"
#include "sql/refusals.h"
#include "sql/search_path.h"

#define WEIR_PG_DEPTH_MAX 6000u
#define WEIR_PG_CANDIDATES_MAX 4u

/* CTEs in sight, the nearest first. */
typedef struct weir_pg_scope {
    const struct weir_pg_scope *outer;
    const weir_cte *cte;
} weir_pg_scope;

/* A relation that is read. */
typedef struct weir_pg_reference {
    const weir_schema_relation *relation;
    const weir_relation_info *info; /* its columns, as far as they are known by name */
    struct weir_pg_reference *next;
} weir_pg_reference;

/* A name that may be meant by another. */
typedef struct weir_pg_name {
    weir_slice text;
    bool qualifier; /* of a FROM item, not of a column */
    struct weir_pg_name *next;
} weir_pg_name;

typedef struct weir_pg_reader {
    weir_arena *arena;
    weir_slice text;
    const weir_lexed *lexed;
    const weir_schema *schema;
    weir_search_path path;
    weir_refusals refusals;
    weir_query *first, *last, *query;
    weir_level *level;
    const weir_pg_scope *scope;
    weir_pg_reference *references;
    weir_pg_name *names;
    weir_receiver places[WEIR_SQL_LITERALS_MAX];
    uint16_t place_count;
    bool survivors; /* weir_sublink.survivors */
    bool in_from;   /* a FROM is being read: not every leaf of the level is in sight */
    unsigned depth, steps;
    const char *gave_up; /* why no keys are looked for; NULL: they are */
    bool writes;         /* what it touches is of interest */
    struct weir_pg_target *targets;
    bool touches_everything;
    char touches_words[160];
    bool no_memory;
} weir_pg_reader;

void *weir_pg_alloc(weir_pg_reader *r, size_t size); /* zeroed; NULL: no_memory */
#define weir_pg_refuse(r, ...) weir_refusals_add(&(r)->refusals, __VA_ARGS__)
void weir_pg_give_up(weir_pg_reader *r, const char *why);
/* The text of a String node; "" of any other. */
const char *weir_pg_string(const PgQuery__Node *node);
void weir_pg_note_name(weir_pg_reader *r, weir_slice name, bool qualifier);

/* ---- read_pg.c: queries ---- */

weir_query *weir_pg_add_query(weir_pg_reader *r, weir_level *outer, const weir_from *until);
weir_level *weir_pg_add_level(weir_pg_reader *r, weir_query *query);
weir_query *weir_pg_query(weir_pg_reader *r, const PgQuery__SelectStmt *s, weir_level *outer,
                          const weir_from *until);
void weir_pg_with(weir_pg_reader *r, const PgQuery__WithClause *with, weir_query *q);
void weir_pg_outputs(weir_pg_reader *r, PgQuery__Node *const *targets, size_t count);
void weir_pg_where(weir_pg_reader *r, const PgQuery__Node *where);

/* ---- read_pg_from.c ---- */

/* Adds the items to the level's FROM, by inner joins. */
void weir_pg_from(weir_pg_reader *r, PgQuery__Node *const *items, size_t count);
void weir_pg_from_add(weir_pg_reader *r, weir_from *item);
weir_from *weir_pg_relation(weir_pg_reader *r, const PgQuery__RangeVar *v);
/* What a name means: the candidates, as roles may be denied a schema of the path. */
unsigned weir_pg_find(weir_pg_reader *r, const PgQuery__RangeVar *v,
                      const weir_schema_relation **ret);

/* ---- read_pg_expr.c ---- */

/* Looks at all of it. NULL is fine. */
void weir_pg_expr(weir_pg_reader *r, const PgQuery__Node *node);
void weir_pg_exprs(weir_pg_reader *r, PgQuery__Node *const *nodes, size_t count);
void weir_pg_columns_named(weir_pg_reader *r, const PgQuery__ColumnRef *ref);
weir_sublink *weir_pg_sublink(weir_pg_reader *r, const PgQuery__SubLink *s);

/* ---- read_pg_operand.c ---- */

weir_operand weir_pg_operand(weir_pg_reader *r, const PgQuery__Node *node);
/* The equalities that must hold for the condition to be true; looks at all of it. `where`: it
 * stands there, so that subqueries may be conjuncts. Returns the new end of the list. */
weir_conjunct **weir_pg_conjuncts(weir_pg_reader *r, const PgQuery__Node *node, bool where,
                                  weir_conjunct **at);
/* The column that it is, exactly; its type, 0: not known. */
bool weir_pg_column(weir_pg_reader *r, const PgQuery__Node *node, weir_column *ret, uint32_t *type);
/* The type of what it gives; 0: not known. */
uint32_t weir_pg_type_of(weir_pg_reader *r, const PgQuery__Node *node);
/* `values` (a place or list of places) is compared with something of that type. */
void weir_pg_receive(weir_pg_reader *r, const PgQuery__Node *values, weir_receiver receiver);
void weir_pg_compare(weir_pg_reader *r, const PgQuery__AExpr *e, const char *name);

/* ---- read_pg_write.c ---- */

/* A statement that writes, as a query over what it reads: its target is the first leaf. */
weir_query *weir_pg_write(weir_pg_reader *r, const PgQuery__Node *statement);

/* ---- read_pg_trust.c: functions, operators, types ---- */

void weir_pg_function(weir_pg_reader *r, const PgQuery__FuncCall *call);
/* The operator's name without its schema; NULL: another schema's, refused. */
const char *weir_pg_operator(weir_pg_reader *r, PgQuery__Node *const *names, size_t count);
void weir_pg_operator_named(weir_pg_reader *r, const char *name);
void weir_pg_cast(weir_pg_reader *r, const PgQuery__TypeCast *cast);
void weir_pg_value_function(weir_pg_reader *r, const PgQuery__SQLValueFunction *f);
/* What a cast makes of its operand. */
typedef struct weir_pg_cast_type {
    uint32_t oid;      /* of a scalar that is known here; 0 */
    bool array, plain; /* plain: without modifiers */
} weir_pg_cast_type;
weir_pg_cast_type weir_pg_cast_type_of(const PgQuery__TypeName *name);
bool weir_pg_type_is_timeless(uint32_t oid);

#endif
