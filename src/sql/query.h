/* Private to src/sql: what the rules of key constraints want to know of a query, whatever grammar
 * it was read with. Everything lies in the reader's arena. What is not said here (other operators,
 * functions, ORs) is `other`: nothing is concluded from it, but subqueries inside of it are kept.
 *
 *   query ── ctes: name, query …
 *     └─ levels (SELECT cores; several: a set operation)
 *          ├─ from: a tree of joins; leaves are relations, CTEs, derived tables, functions
 *          ├─ where: the equalities among its conjuncts
 *          ├─ outputs
 *          └─ sublinks: subqueries in its expressions */
#ifndef WEIR_SQL_QUERY_H
#define WEIR_SQL_QUERY_H

#include "base/arena.h"
#include "base/ascii.h"
#include "sql/sql.h"

typedef struct weir_query weir_query;
typedef struct weir_level weir_level;
typedef struct weir_from weir_from;

/* One side of a comparison. Names are as written, without their quotes. */
typedef struct weir_operand {
    enum { WEIR_OPERAND_OTHER, WEIR_OPERAND_COLUMN, WEIR_OPERAND_PLACE } kind;
    bool negated;               /* of a place */
    bool list;                  /* a place that is a list of values */
    bool array;                 /* a place whose value is an array of them */
    weir_key_type cast;         /* PostgreSQL: what a place is cast to; NONE: it is not */
    uint32_t place;             /* of the template */
    uint16_t item;              /* PostgreSQL: which of its values, from 1 */
    weir_slice param;           /* a place's parameter as written; empty: a literal */
    weir_slice qualifier, name; /* of a column; an empty qualifier: none */
    bool quoted;                /* the name of a column */
} weir_operand;

/* left = right, or left IN (list). */
typedef struct weir_conjunct {
    weir_operand left, right;
    struct weir_conjunct *next;
} weir_conjunct;

typedef enum weir_sublink_kind {
    WEIR_SUBLINK_OTHER, /* scalar, NOT IN, IN that is no conjunct, any place at all */
    WEIR_SUBLINK_EXISTS,
    WEIR_SUBLINK_NOT_EXISTS, /* as a conjunct of WHERE */
    WEIR_SUBLINK_IN          /* left IN (query), as a conjunct of WHERE */
} weir_sublink_kind;

typedef struct weir_sublink {
    weir_sublink_kind kind;
    bool survivors; /* its value matters only for rows that the level's WHERE keeps */
    weir_operand left;
    weir_query *query;
    struct weir_sublink *next;
} weir_sublink;

typedef struct weir_output {
    weir_slice name; /* its alias, or the name of the column that it is; empty: not known */
    bool star;       /* * or qualifier.* (in value.qualifier) */
    weir_operand value;
    struct weir_output *next;
} weir_output;

typedef struct weir_name {
    weir_slice text;
    struct weir_name *next;
} weir_name;

typedef struct weir_cte {
    weir_slice name;
    weir_name *columns; /* NULL: those of its query */
    weir_query *query;
    struct weir_cte *next;
} weir_cte;

typedef enum weir_from_kind {
    WEIR_FROM_RELATION,
    WEIR_FROM_CTE,
    WEIR_FROM_DERIVED,
    WEIR_FROM_FUNCTION, /* table-valued: its columns are not known */
    WEIR_FROM_JOIN
} weir_from_kind;

typedef enum weir_join {
    WEIR_JOIN_INNER,
    WEIR_JOIN_LEFT,
    WEIR_JOIN_RIGHT,
    WEIR_JOIN_FULL
} weir_join;

struct weir_from {
    weir_from_kind kind;
    weir_level *level;
    weir_from *next_leaf;    /* of the level, in order of the text */
    weir_slice schema, name; /* of a relation or function */
    weir_slice alias;        /* the name it goes by */
    weir_query *query;       /* of a derived table */
    const weir_cte *cte;
    const weir_relation_info *info;              /* found by the rules; NULL: not in the catalog */
    const struct weir_schema_relation *relation; /* PostgreSQL: likewise, by its reader */
    const weir_name *columns;                    /* PostgreSQL, of a function: names given to it */
    bool lateral;                                /* a derived table that sees those before it */
    struct weir_pg_target *target;               /* PostgreSQL: it is written; NULL: only read */
    /* of a join */
    weir_join join;
    weir_from *left, *right;
    weir_conjunct *on;
    weir_name *merged; /* USING */
    bool natural;
};

struct weir_level {
    weir_query *query;
    weir_from *from; /* NULL: none */
    weir_from *leaves;
    weir_conjunct *where;
    weir_sublink *sublinks;
    weir_output *outputs;
    unsigned joins;
    bool aggregate, grouped, distinct, window, values;
    bool merges;            /* a join of it is NATURAL or USING */
    bool outer_joins_right; /* a join of it is RIGHT or FULL */
    bool nested;            /* a join is the right side of another */
    weir_level *next;       /* of the set operation */
};

struct weir_query {
    weir_level *levels;
    weir_level *outer;      /* whose columns its expressions may name too; NULL: none */
    const weir_from *until; /* … of its leaves before this one; NULL: of all */
    weir_query *scope;      /* whose CTEs it sees too; NULL: none */
    weir_cte *ctes;
    bool limited;     /* LIMIT */
    weir_query *next; /* of all queries of the text */
};

/* All queries of a text, linked by `next`, are reached from the first one. */

/* A CTE of that name, at any depth. */
bool weir_query_has_cte(const weir_query *query, weir_slice name);
/* A FROM that names something that begins so (ASCII case does not count). */
bool weir_query_has_prefix(const weir_query *query, const char *lower);
/* A FROM that names what the catalog does not have as a table, and is no CTE. */
bool weir_query_has_other(const weir_query *query, const weir_catalog *catalog);

#endif
