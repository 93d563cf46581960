/* Private to catalog/: the facts that a schema's builder gathers, and the schema. */
#ifndef WEIR_CATALOG_SCHEMA_INTERNAL_H
#define WEIR_CATALOG_SCHEMA_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "catalog/items.h"
#include "catalog/schema_build.h"

#define WEIR_SCHEMA_USERS_OID 16384u /* the first that is not the server's own */

static inline bool weir_schema_is_builtin(uint32_t oid)
{
    return oid < WEIR_SCHEMA_USERS_OID;
}

/* Oids while gathering, places of relations afterwards. */
typedef struct schema_pair {
    uint32_t from, to;
} schema_pair;

typedef struct schema_type {
    uint32_t oid; /* first: what they are sorted by */
    weir_schema_type_fact fact;
    char believed; /* '?' not asked, '.' being asked, 'y', 'n' */
} schema_type;

typedef struct schema_function {
    uint32_t oid;
    weir_schema_function_fact fact;
    weir_trust trust;
} schema_function;

typedef struct schema_operator {
    uint32_t oid;
    weir_schema_operator_fact fact;
    weir_trust trust;
} schema_operator;

typedef struct schema_relation {
    uint32_t oid;
    weir_schema_relation_fact fact;
} schema_relation;

typedef struct schema_cast {
    uint32_t function, source, target;
} schema_cast;

typedef struct schema_column {
    uint32_t relation, number;
    weir_schema_column_fact fact;
} schema_column;

typedef struct schema_rule {
    uint32_t relation;
    char event;
    weir_slice tree;
} schema_rule;

typedef struct schema_role {
    uint32_t oid;
    weir_schema_role_fact fact;
    uint64_t fingerprint;
} schema_role;

typedef struct schema_setting {
    weir_slice name, value;
} schema_setting;

struct weir_schema_builder {
    size_t size_max;
    weir_arena scratch; /* what only finishing needs */
    weir_arena kept;    /* becomes the schema's */
    weir_items relations, columns, types, functions, operators, casts, namespaces;
    weir_items children; /* from: the child */
    weir_items cascades, updates /* of cascades */, rules, roles, members, defaults, settings;
    weir_slice database, user, publication;
    bool utf8, event_trigger, standby;
    uint64_t fingerprint; /* 0: none was told */
    const char *partial;
    const weir_server_catalog *server;
};

/* How far a name is believed; also which namespaces there are. */
typedef enum schema_name_kind {
    SCHEMA_NAME_FUNCTION = 1,
    SCHEMA_NAME_OPERATOR,
    SCHEMA_NAME_TYPE,
    SCHEMA_NAME_NAMESPACE
} schema_name_kind;

typedef struct schema_name {
    uint64_t hash; /* 0: free */
    weir_trust trust;
} schema_name;

struct weir_schema {
    uint64_t fingerprint;
    const char *partial;              /* "": whole */
    weir_schema_relation *relations;  /* in order of their oids */
    weir_schema_relation_fact *facts; /* of each; only while finishing */
    uint32_t count;
    weir_schema_column *columns;
    uint32_t
        *by_name; /* places in `relations`, open addressing; by_name_cap: a power of two, or 0 */
    uint32_t by_name_cap;
    schema_name *names; /* likewise */
    uint32_t name_cap;
    weir_items lists; /* weir_schema_list: ancestors, reads, cascades */
    uint32_t listed;
    weir_items roles; /* in order of their names */
    weir_items defaults, settings;
    weir_slice database, user, publication;
    bool event_trigger, standby, equality, foreign_casts;
    size_t size;
    weir_arena arena;
    weir_memory *memory;
};

/* ---- schema.c ---- */

/* 0 is none: a name that no server would keep. */
uint64_t weir_schema_hash_name(schema_name_kind kind, weir_slice schema, weir_slice name);
/* Where it is, or the free slot. */
schema_name *weir_schema_name_slot(const weir_schema *s, uint64_t hash);
uint64_t weir_schema_hash_relation(weir_slice schema, weir_slice name);
/* WEIR_SCHEMA_NONE: not there. */
uint32_t weir_schema_place_of(const weir_schema *s, uint32_t oid);

/* ---- schema_sort.c ---- */

/* By the oid, or the two numbers, that each item begins with. */
void weir_schema_sort(weir_items *l, size_t size);
void weir_schema_sort_pairs(weir_items *l, size_t size);
/* The first with this oid; NULL: none. */
void *weir_schema_first(const weir_items *l, size_t size, uint32_t oid);

/* A table of words in order (bytes). */
bool weir_schema_is_listed(const char *const *table, size_t count, weir_slice word);

/* ---- schema_trust.c: functions, operators, types ---- */

/* Sorts and judges them; the schema's names, and what holds for all of them. */
WEIR_MUST_CHECK int weir_schema_judge(weir_schema_builder *b, weir_schema *s);
bool weir_schema_believes_type(weir_schema_builder *b, uint32_t oid);
static inline const schema_function *weir_schema_function_of(const weir_schema_builder *b,
                                                             uint32_t oid)
{
    return weir_schema_first(&b->functions, sizeof(schema_function), oid);
}
static inline const schema_operator *weir_schema_operator_of(const weir_schema_builder *b,
                                                             uint32_t oid)
{
    return weir_schema_first(&b->operators, sizeof(schema_operator), oid);
}
/* WEIR_KEY_NONE: no canonical bytes, or unknown. */
weir_key_type weir_schema_key_of(const weir_schema_builder *b, const weir_schema_column_fact *f);

/* ---- schema_view.c ---- */

/* Reads a rule's tree: `reads` gets schema_pair of the rule's relation and oids. Returns NULL if
 * all that it calls is to be believed, else why not, in words of the arena's; `*ret_error`. */
const char *weir_schema_read_tree(weir_schema_builder *b, const schema_rule *rule,
                                  weir_items *reads, int *ret_error);

/* ---- schema_links.c ---- */

/* Fills in what relations mean to each other, and their flaws. */
WEIR_MUST_CHECK int weir_schema_link(weir_schema_builder *b, weir_schema *s);

/* ---- schema_graph.c ---- */

typedef struct schema_graph {
    uint32_t nodes;
    uint32_t *starts, *targets; /* of node n: targets[starts[n]] up to targets[starts[n + 1]] */
} schema_graph;

typedef struct schema_walk {
    uint32_t *stamps, *found;
    uint32_t stamp, count;
} schema_walk;

WEIR_MUST_CHECK int weir_schema_graph_init(schema_graph *g, uint32_t nodes,
                                           const schema_pair *pairs, uint32_t count);
void weir_schema_graph_fini(schema_graph *g);
WEIR_MUST_CHECK int weir_schema_walk_init(schema_walk *w, uint32_t nodes);
void weir_schema_walk_fini(schema_walk *w);
/* Begins a new set: empty. */
void weir_schema_walk_begin(schema_walk *w);
/* Adds a node; false: it is in the set. */
bool weir_schema_walk_add(schema_walk *w, uint32_t node);
/* Adds all that the set from its place `from` on leads to. */
void weir_schema_walk_follow(schema_walk *w, const schema_graph *g, uint32_t from);

#endif
