/* Private to compat/typed*.c: a query or write of PostgreSQL's, understood with the types of what
 * it names, and written anew for SQLite. What is not in this grammar is not an error:
 * typed_translate says PASS and the translation word by word (rewrite.c) stands.
 *
 * Values inside SQLite: integers and booleans INTEGER, float8 REAL, dates and times their canonical
 * text, intervals PostgreSQL's text, bytea BLOB. A numeric is stored as a number; in expressions it
 * is exact, as decimal text with its scale (`exact`), and is made a number where it is compared. */
#ifndef WEIR_COMPAT_TYPED_H
#define WEIR_COMPAT_TYPED_H

#include "base/arena.h"
#include "catalog/face.h"
#include "compat/compat.h"
#include "compat/token.h"
#include <stdio.h>

#define TYPED_INTERVAL ((uint32_t)WEIR_OID_INTERVAL)
#define TYPED_RECORD 2249u
#define TYPED_COLUMNS_MAX 256u
#define TYPED_PRECISION_MAX 1000 /* of a numeric, in PostgreSQL */

typedef enum typed_kind {
    TYPED_NUMBER,
    TYPED_STRING,
    TYPED_CONSTANT, /* TRUE, FALSE, NULL, DEFAULT */
    TYPED_RAW,      /* a DEFAULT as SQLite has it */
    TYPED_PARAM,
    TYPED_COLUMN,
    TYPED_STAR,
    TYPED_CALL,
    TYPED_CAST,
    TYPED_OP,   /* one or two operands */
    TYPED_TEST, /* x IS …; `text`: what follows IS */
    TYPED_LIKE,
    TYPED_BETWEEN,
    TYPED_IN, /* x, then the list or a query */
    TYPED_ANY,
    TYPED_CASE, /* [operand,] (when, then)…, [else] */
    TYPED_QUERY,
    TYPED_EXISTS,
    TYPED_ROW,
    TYPED_ARRAY,
    TYPED_EXTRACT,
    TYPED_ZONE /* x AT TIME ZONE y */
} typed_kind;

typedef struct typed_node typed_node;
typedef struct typed_query typed_query;

typedef struct typed_type {
    uint32_t oid; /* 0: not known; WEIR_OID_UNKNOWN: of a literal that nothing has said yet */
    int32_t mod;  /* varchar(n): n; numeric(p,s): p * 65536 + s + 1; 0: none */
} typed_type;

typedef struct typed_column {
    weir_slice name; /* folded */
    typed_type type;
    weir_slice table, origin;  /* whose it is: a column of that table; empty: a value */
    bool exact;                /* a numeric as text */
    bool keyed, not_null, key; /* `keyed`: what is told is only to be compared */
    bool counts;               /* a table's key, which is given where it is left out */
    const char *fallback;      /* a table's DEFAULT for SQLite */
} typed_column;

/* What a name in FROM stands for. */
typedef struct typed_relation {
    struct typed_relation *next;
    weir_slice alias; /* folded */
    typed_column *columns;
    size_t count;
    bool nullable_key;      /* on the outer side of a join: its key fixes nothing */
    bool hidden, view;      /* excluded: only by its name; a view of ours */
    const char *const *set; /* a function: its columns for SQLite */
} typed_relation;

typedef struct typed_scope {
    struct typed_scope *outer;
    typed_relation *relations;
    typed_query *query;
    struct typed_common *commons;
    weir_slice *merged; /* columns of USING: named once */
    size_t merged_count;
} typed_scope;

typedef struct typed_window {
    typed_node *partition, *order;
    weir_slice name, frame; /* OVER name; the frame as written */
    bool open;              /* OVER ( … ) */
} typed_window;

struct typed_node {
    typed_kind kind;
    weir_slice text;      /* operator, name, literal as written */
    weir_slice qualifier; /* of a column */
    typed_node *args, *next;
    typed_type type, to; /* `to`: of a cast */
    bool exact, keyed;   /* see above */
    bool negated, distinct, star, has_operand, has_else, ilike, quoted, descending, aggregate;
    int8_t nulls; /* ORDER BY: 1 first, 2 last */
    typed_node *order, *filter;
    typed_window *over;
    typed_query *query;
    typed_relation *relation; /* of a column; NULL: an output's name */
    size_t column;
    size_t position;  /* in ORDER BY: of the item that is meant, from 1; 0: none */
    unsigned level;   /* how many scopes out */
    const char *emit; /* how it is written: see typed_emit.c; NULL: by its kind */
    const char *wrap; /* around all of that */
    const char *call; /* the function for SQLite, behind `text` for PostgreSQL */
    weir_slice alias; /* of a select item, as written */
};
typedef enum typed_join { TYPED_TABLE, TYPED_DERIVED, TYPED_SET, TYPED_JOIN } typed_join;

typedef struct typed_from {
    struct typed_from *next;
    typed_join kind;
    weir_slice name, alias; /* as written */
    weir_slice *names;      /* alias(names) */
    size_t name_count;
    typed_query *query;
    typed_node *call;  /* of a set */
    const char *table; /* … for SQLite */
    bool ordinality;
    weir_slice words; /* "LEFT JOIN" */
    bool natural, outer_left, outer_right;
    struct typed_from *left, *right;
    typed_node *on;
    weir_slice *using;
    size_t using_count;
} typed_from;

typedef struct typed_common {
    struct typed_common *next;
    weir_slice name;
    weir_slice *names;
    size_t name_count;
    typed_query *query;
    const char *materialized;
    typed_column *columns; /* once it is known */
    size_t count;
} typed_common;

typedef struct typed_named_window {
    struct typed_named_window *next;
    weir_slice name;
    typed_window *window;
} typed_named_window;

typedef struct typed_set {
    struct typed_set *next;
    weir_slice *columns;
    size_t count;
    typed_node *value; /* a row, if there are several */
} typed_set;

typedef enum typed_verb { TYPED_SELECT, TYPED_INSERT, TYPED_UPDATE, TYPED_DELETE } typed_verb;
struct typed_query {
    typed_verb verb;
    bool recurses; /* of WITH RECURSIVE: its two sides stay SQLite's */
    bool recursive, distinct, values, aggregates, default_values;
    typed_common *commons;
    const char *combine; /* UNION, …: of left and right */
    typed_query *left, *right;
    typed_node *distinct_on, *items, *rows;
    typed_from *from;
    typed_node *where, *group, *having, *order, *limit, *offset;
    typed_named_window *windows;
    typed_column *columns; /* of the result, once it is known */
    size_t count;
    typed_scope scope;
    /* INSERT, UPDATE, DELETE */
    weir_slice table, alias, text; /* … as written, of any */
    weir_slice *names;
    size_t name_count;
    typed_query *source;
    typed_set *sets;
    bool conflict, conflict_update;
    weir_slice *conflict_names;
    size_t conflict_count;
    typed_node *conflict_where;
    typed_node *returning;
    typed_relation *target;
};

typedef struct typed {
    weir_arena arena;
    weir_slice rest;
    const uint8_t *peeked_at; /* `peeked` is the token here, `behind` what follows it */
    weir_token peeked;
    weir_slice behind;
    const weir_face_schema *schema;
    struct typed_enum *enums; /* that are known by now: typed_enums.h */
    weir_error *err;
    unsigned depth;
    typed_type *params;     /* by number */
    weir_slice named, zone; /* the OIDs that the client gave them; TimeZone, if it is not UTC */
    size_t param_count;
    weir_buf *out;
    const typed_relation *bare; /* its columns are written without its name */
    bool windowed, condition; /* what is written next: has no positions; decides, and is no value */
    int failed;               /* the first failure that was found in the midst of an expression */
} typed;

#define TYPED_PASS WEIR_FACE_PASS
#define TYPED_NONE 5 /* of those that infer: it is none of these */
#define TYPED_PARAMS_MAX 256u
void *typed_new(typed *t, size_t size);
/* `items`, with room for one behind `count`: they may move. NULL: no memory. */
void *typed_grow(typed *t, void *items, size_t count, size_t size);
int typed_fail(typed *t, const char *state, const char *fmt, ...) WEIR_PRINTF(3, 4);
weir_slice typed_fold(typed *t, weir_slice written);

/* typed_parse.c, typed_expr.c */
WEIR_MUST_CHECK int typed_parse_statement(typed *t, typed_query **ret);
WEIR_MUST_CHECK int typed_parse_query(typed *t, typed_query **ret);
WEIR_MUST_CHECK int typed_parse_expr(typed *t, typed_node **ret);
WEIR_MUST_CHECK int typed_parse_operand(typed *t, typed_node **ret); /* before IN, LIKE, = */
WEIR_MUST_CHECK int typed_parse_list(typed *t, typed_node **ret);    /* a, b, … */
WEIR_MUST_CHECK int typed_parse_order(typed *t, typed_node **ret);   /* behind BY */
WEIR_MUST_CHECK int typed_parse_window(typed *t, typed_window **ret);
WEIR_MUST_CHECK int typed_parse_names(typed *t, weir_slice **ret, size_t *ret_count);
WEIR_MUST_CHECK int typed_parse_type(typed *t, typed_type *ret);
WEIR_MUST_CHECK int typed_parse_call(typed *t, weir_token name, typed_node **ret);
typed_node *typed_make(typed *t, typed_kind kind, weir_slice text);
weir_token typed_peek(typed *t);
weir_token typed_next(typed *t); /* and moves behind it */
bool typed_at(typed *t, const char *word);
bool typed_accept(typed *t, const char *word);
bool typed_accept2(typed *t, const char *first, const char *second);
bool typed_begins_query(typed *t);
bool typed_is_stop(weir_token t); /* no alias without AS */

/* typed_from.c */
WEIR_MUST_CHECK int typed_read_table(typed *t, weir_slice name, typed_relation **ret);
WEIR_MUST_CHECK int typed_from_columns(typed *t, const typed_column *columns, size_t count,
                                       const weir_slice *names, size_t name_count,
                                       typed_relation **ret);
WEIR_MUST_CHECK int typed_add_from(typed *t, typed_scope *s, typed_from *f, bool nullable);
WEIR_MUST_CHECK int typed_lift_set(typed *t, typed_query *q); /* SELECT unnest(a): into FROM */
bool typed_has_column(const typed_relation *relation, weir_slice name);

/* typed_resolve.c, typed_write.c */
WEIR_MUST_CHECK int typed_resolve_query(typed *t, typed_query *q, typed_scope *outer);
WEIR_MUST_CHECK int typed_resolve_write(typed *t, typed_query *q);
WEIR_MUST_CHECK int typed_infer_list(typed *t, typed_scope *s, typed_node *n);
WEIR_MUST_CHECK int typed_expand_items(typed *t, typed_scope *s, typed_node **items);
WEIR_MUST_CHECK int typed_take_columns(typed *t, typed_query *q, typed_node *items);
WEIR_MUST_CHECK int typed_infer_order(typed *t, typed_scope *s, typed_node *list);
WEIR_MUST_CHECK int typed_check_order(typed *t, uint32_t oid);
WEIR_MUST_CHECK int typed_settle(typed *t, typed_query *q);
WEIR_MUST_CHECK int typed_coerce_column(typed *t, typed_query *q, size_t i, typed_type to,
                                        char how);

/* typed_groups.c */
WEIR_MUST_CHECK int typed_check_groups(typed *t, typed_query *q);
bool typed_same_expression(const typed_node *a, const typed_node *b);
bool typed_has_aggregate(const typed_node *n);

/* typed_infer.c, typed_casts.c */
WEIR_MUST_CHECK int typed_infer(typed *t, typed_scope *s, typed_node *n);
WEIR_MUST_CHECK int typed_infer_bool(typed *t, typed_scope *s, typed_node *n, const char *clause);
/* Makes it of that type: 'i'mplicitly, by 'a'ssignment, 'e'xplicitly. */
WEIR_MUST_CHECK int typed_coerce(typed *t, typed_node *n, typed_type to, char how);
WEIR_MUST_CHECK int typed_common_type(typed *t, typed_node *first, const char *what,
                                      typed_type *ret);
/* Families of types that are cast alike: any integer, any text; another type is its own. */
#define TYPED_ANY_INT 1u
#define TYPED_ANY_TEXT 2u
uint32_t typed_family(uint32_t oid);
uint32_t typed_element_of(uint32_t array); /* typed_arrays.c; 0: it is no array */
const char *typed_type_name(uint32_t oid);
int typed_no_type(typed *t, const typed_node *n); /* 42P18: of a parameter */
bool typed_is_number(uint32_t oid);
void typed_plain(typed *t, typed_node *n); /* a numeric as a number: to be compared */
bool typed_has_key(uint32_t oid);
const char *typed_key_name(uint32_t oid);  /* "f(" of what makes it; NULL: it has none */
void typed_key(typed *t, typed_node *n);   /* … and others whose texts are not their order */
void typed_exact(typed *t, typed_node *n); /* … with its scale */
void typed_wrap(typed *t, typed_node *n, const char *format); /* "f(%)" */

/* typed_calls.c */
WEIR_MUST_CHECK int typed_infer_call(typed *t, typed_scope *s, typed_node *n);
WEIR_MUST_CHECK int typed_infer_op(typed *t, typed_node *n);
bool typed_is_logical(weir_slice op);
int typed_no_function(typed *t, const typed_node *n); /* 42883 */
/* typed_arrays.c */
WEIR_MUST_CHECK int typed_infer_array_call(typed *t, typed_node *n);
WEIR_MUST_CHECK int typed_infer_array_op(typed *t, typed_node *n);
WEIR_MUST_CHECK int typed_array_each(typed *t, typed_node *array); /* is read one by one */
void typed_array_read(typed *t, typed_node *n, uint32_t element);  /* it is a literal */
void typed_array_enter(typed *t, typed_node *n);                   /* … becomes an element */

/* The translation of `source`: its text to `out`; the result's types, as many as it has columns, to
 * `types` (weir_face_typing), parameters' to `params`. 0; TYPED_PASS; positive with words; -ENOMEM.
 */
WEIR_MUST_CHECK int weir_typed_translate(weir_slice source, weir_slice params, weir_slice zone,
                                         const weir_face_schema *schema, weir_face_typing *ret,
                                         weir_error *err);

#endif
