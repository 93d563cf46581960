/* The facts that a schema is made of (catalog/schema.h), in any order. Whoever reads a server's
 * rows adds them; what the facts mean together is found by weir_schema_finish.
 *
 * Each: 0, also beyond the bound (the schema then knows nothing and says why), -ENOMEM. Slices are
 * copied. */
#ifndef WEIR_CATALOG_SCHEMA_BUILD_H
#define WEIR_CATALOG_SCHEMA_BUILD_H

#include "catalog/schema.h"
#include "catalog/server.h"

/* A row of pg_class, and whether its changes are reported. */
typedef struct weir_schema_relation_fact {
    uint32_t oid;
    weir_slice schema, name;
    char kind;        /* relkind */
    char persistence; /* relpersistence */
    bool policies;    /* row-level security is on */
    bool partition;   /* of a partitioned table: published by it as well */
    bool identity;    /* its own rows' old values name them */
    bool published;   /* listed in the publication by itself */
    bool whole;       /* … without a filter or columns, for all operations */
    bool alters;      /* it has triggers that may change the rows to be written, or rules */
} weir_schema_relation_fact;
WEIR_MUST_CHECK int weir_schema_add_relation(weir_schema_builder *b,
                                             const weir_schema_relation_fact *f);

/* Of a relation, or of a composite type. */
typedef struct weir_schema_column_fact {
    uint32_t relation, type; /* oids */
    uint32_t number;
    weir_slice name;
    bool deterministic; /* its collation, if it has one */
    bool generated;
} weir_schema_column_fact;
WEIR_MUST_CHECK int weir_schema_add_column(weir_schema_builder *b,
                                           const weir_schema_column_fact *f);

typedef struct weir_schema_type_fact {
    uint32_t oid;
    weir_slice schema, name, extension;
    char kind;     /* typtype */
    char category; /* typcategory */
    uint32_t of;   /* an array's elements, a domain's base, a row's relation, a range's subtype */
    bool checks;   /* a domain with constraints */
} weir_schema_type_fact;
WEIR_MUST_CHECK int weir_schema_add_type(weir_schema_builder *b, const weir_schema_type_fact *f);

/* Extensions whose functions and types are believed. */
bool weir_schema_lists_extension(weir_slice name);

typedef struct weir_schema_function_fact {
    uint32_t oid;
    weir_slice schema, name, extension;
    char volatility;      /* 'i' 's' 'v' */
    weir_slice arguments; /* oids of those without a default, a blank between; of the server's own:
                             not told */
} weir_schema_function_fact;
WEIR_MUST_CHECK int weir_schema_add_function(weir_schema_builder *b,
                                             const weir_schema_function_fact *f);

typedef struct weir_schema_operator_fact {
    uint32_t oid, left, right, function; /* oids; left is 0 in prefix operators */
    weir_slice name;
} weir_schema_operator_fact;
WEIR_MUST_CHECK int weir_schema_add_operator(weir_schema_builder *b,
                                             const weir_schema_operator_fact *f);

/* A cast that calls a function. */
WEIR_MUST_CHECK int weir_schema_add_cast(weir_schema_builder *b, uint32_t source, uint32_t target,
                                         uint32_t function);
WEIR_MUST_CHECK int weir_schema_add_namespace(weir_schema_builder *b, weir_slice name);
WEIR_MUST_CHECK int weir_schema_add_child(weir_schema_builder *b, uint32_t child, uint32_t parent);
/* A delete from `from` may change `to`, by a foreign key's action; `updates`: an update too. */
WEIR_MUST_CHECK int weir_schema_add_cascade(weir_schema_builder *b, uint32_t from, uint32_t to,
                                            bool updates);
/* A rule of a relation. `event`: pg_rewrite.ev_type, '1' what a view reads. `tree`: words of its
 * tree with a blank between: "QUERY" a node, "relid=16384" a number of it (schema_view.c). */
WEIR_MUST_CHECK int weir_schema_add_rule(weir_schema_builder *b, uint32_t relation, char event,
                                         weir_slice tree);

typedef struct weir_schema_role_fact {
    uint32_t oid;
    weir_slice name;
    bool superuser, bypasses_policies, inherits;
} weir_schema_role_fact;
WEIR_MUST_CHECK int weir_schema_add_role(weir_schema_builder *b, const weir_schema_role_fact *f);
WEIR_MUST_CHECK int weir_schema_add_member(weir_schema_builder *b, uint32_t member, uint32_t role);

/* ALTER ROLE … [IN DATABASE …] SET, ALTER DATABASE … SET. */
WEIR_MUST_CHECK int weir_schema_add_default(weir_schema_builder *b, const weir_server_default *d);
/* What a new session of the user that reads the facts begins with. */
WEIR_MUST_CHECK int weir_schema_add_setting(weir_schema_builder *b, weir_slice name,
                                            weir_slice value);

/* The database, and who reads. */
WEIR_MUST_CHECK int weir_schema_set_database(weir_schema_builder *b, weir_slice database,
                                             weir_slice user, bool utf8);
WEIR_MUST_CHECK int weir_schema_set_publication(weir_schema_builder *b, weir_slice name);
void weir_schema_set_event_trigger(weir_schema_builder *b);
/* The facts are a standby's, which may be behind. */
void weir_schema_set_standby(weir_schema_builder *b);
void weir_schema_set_fingerprint(weir_schema_builder *b, uint64_t schema, uint64_t defaults);
/* It cannot be whole; `words`: static. */
void weir_schema_set_partial(weir_schema_builder *b, const char *words);
/* What relations' triggers and rules may write is known by it, from the same snapshot; borrowed
 * until weir_schema_finish. Without one every relation may write anything. */
void weir_schema_set_server(weir_schema_builder *b, const weir_server_catalog *server);

#endif
