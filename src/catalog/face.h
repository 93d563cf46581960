/* What a database shows beside what is stored in it: tables that are queries, and functions. Plain
 * structs: one layer says what they mean, another one registers them (docs/decisions/0011). All
 * strings are static. */
#ifndef WEIR_CATALOG_FACE_H
#define WEIR_CATALOG_FACE_H

#include "base/buf.h"
#include "base/error.h"
#include "catalog/value.h"

/* Begins the text of a query, or a line of a script, that is run only where the file has the table
 * that is named behind it, up to the comment's end: Weir's own tables are made when they are first
 * needed. A query that is not run has no rows. UNLESS: where it has none. */
#define WEIR_FACE_WHERE "/* where "
#define WEIR_FACE_UNLESS "/* unless "

/* A read-only table whose rows are a query's, run on the same connection. A table of the file hides
 * it. Its columns: "name type, …"; those that say HIDDEN come last and are arguments, as of a
 * function: ?1, ?2, … of the query, NULL where not given. Rows of a table without arguments are
 * kept until the schema is another one, unless its query begins with WEIR_FACE_WHERE. */
typedef struct weir_face_table {
    const char *name, *columns, *query;
} weir_face_table;

/* The time zones that there are. */
typedef struct weir_face_zones {
    const struct weir_zone *(*find)(void *user, weir_slice name); /* borrowed; NULL: none */
    void *user;
} weir_face_zones;

#define WEIR_FACE_ARGS_MAX 16
#define WEIR_FACE_COLUMNS_MAX 60

/* With `query`: its first cell, the arguments being ?1, ?2, …; NULL without a row. Else `call`:
 * *ret may point into `scratch` or the arguments; 0, -ENOMEM, -EMSGSIZE, or positive with words in
 * `err`. With `step` it is an aggregate: `step` gathers in `scratch`, and `call`, without
 * arguments, makes its result of that. */
typedef struct weir_face_function {
    const char *name;
    int args;    /* -1: any number */
    bool pure;   /* its arguments alone decide */
    bool stored; /* may stand in the schema, though it is a query */
    int (*call)(const weir_value *args, size_t count, weir_buf *scratch, weir_value *ret,
                weir_error *err);
    int (*step)(const weir_value *args, size_t count, weir_buf *scratch);
    int (*zoned)(const weir_value *args, size_t count, const weir_face_zones *zones,
                 weir_buf *scratch, weir_value *ret, weir_error *err); /* instead of `call` */
    const char *query;
    const char *instead; /* the query where that one has no table (WEIR_FACE_WHERE); NULL: none */
} weir_face_function;

#define WEIR_FACE_NO_TABLE 1

/* Stands in the text of a table that was made with PostgreSQL's words, behind its parenthesis. */
#define WEIR_FACE_TABLE_MARK "/* postgresql */"

/* … of a view, behind its name: "oid mod exact;" of each column, and the end of the comment. What
 * is told of such a column is declared as WEIR_FACE_VIEW_COLUMN and these. */
#define WEIR_FACE_VIEW_MARK "/* postgresql: "
#define WEIR_FACE_VIEW_COLUMN "view "

/* A column as its table's text has it. */
typedef struct weir_face_column {
    weir_slice name;
    const char *declared;
    const char
        *fallback; /* its DEFAULT in SQLite's words; NULL: it is the key, and counts by itself */
    bool not_null, key;
} weir_face_column;

/* The schema as a connection has it. */
typedef struct weir_face_schema {
    /* Tells the columns of the file's table or view in their order, and whether it is marked.
     * NO_TABLE; another positive: it is of another kind. */
    int (*table)(void *user, weir_slice name, bool *ret_marked,
                 void (*column)(void *to, const weir_face_column *column), void *to);
    /* The text of a type's view, by its name or, if that is empty, its OID; NULL: there is none.
     * Borrowed for the translation. */
    const char *(*type)(void *user, weir_slice name, uint32_t oid);
    void *user;
} weir_face_schema;

typedef struct weir_face_type {
    uint32_t oid;     /* 0: not known */
    int32_t modifier; /* as PostgreSQL says it; -1: none */
} weir_face_type;

/* A statement in SQLite's words, and what its result's columns (weir_face_type each) and its
 * parameters (uint32_t each, the OID; 0: not known) are. */
typedef struct weir_face_typing {
    weir_buf text, types, params;
    weir_buf origins; /* of each column: whose it is, table and column, each ended by a zero */
    size_t count;
} weir_face_typing;

#define WEIR_FACE_PASS 2 /* it is SQLite's as it stands */

/* How a broken constraint is told: ?1 SQLite's words behind "failed: ", ?2 the statement. Table,
 * column, constraint, and the message in place of the one that there is (NULL: that one). */
typedef struct weir_face_violation {
    char sqlstate[6];
    const char *query; /* NULL: the list ends */
} weir_face_violation;

typedef struct weir_face {
    /* `params`: the OIDs (uint32_t each, 0: not named) that the client gave; `zone`: its TimeZone,
     * empty: UTC. 0; PASS; another positive with words; negative. May be NULL. */
    int (*translate)(weir_slice source, weir_slice params, weir_slice zone,
                     const weir_face_schema *schema, weir_face_typing *ret, weir_error *err);
    const weir_face_table *const *tables; /* lists, each ended by one without a name */
    const weir_face_function *const *functions;
    const weir_face_violation *violations;
} weir_face;

#endif
