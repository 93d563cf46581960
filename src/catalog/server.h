/* What a PostgreSQL server says of itself, as far as a statement's effects on its session depend on
 * it: which functions, and which relations through their triggers, views, rules, policies and
 * defaults, may change session state; roles, settings, defaults of roles and databases.
 *
 *   rows ──► weir_server_builder ──finish──► weir_server_catalog (immutable)
 *
 * Effects are masks that their user gives a meaning to, but for one; 0 is none. Names are known by
 * hash: the spellings that one server name may have in a statement give one hash, two names rarely
 * do, which costs a needless effect and hides none. */
#ifndef WEIR_CATALOG_SERVER_H
#define WEIR_CATALOG_SERVER_H

#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

typedef struct weir_server_catalog weir_server_catalog;
typedef struct weir_server_builder weir_server_builder;

/* The effect that is known here: it may write relations that no name tells. It is followed like any
 * other, and makes nobody a suspect. */
#define WEIR_SERVER_WRITES (1u << 15)

/* Of a name as the server keeps it: unquoted ones in lower case. The two lowest bits are 0. Names
 * are cut where the server may cut them (63 bytes), and bytes beyond ASCII count alike, because a
 * client's encoding may be another. */
uint64_t weir_server_name(weir_slice name);

/* ---- ids of what effects are asked of ---- */

/* Objects by kind and oid; names by kind and hash. */
typedef enum weir_server_kind {
    WEIR_SERVER_EVERYWHERE, /* operators, casts: no name in a statement tells that they are used */
    WEIR_SERVER_DDL,        /* event triggers */
    WEIR_SERVER_FUNCTION,
    WEIR_SERVER_READ,  /* a relation, or a type, when it is read */
    WEIR_SERVER_WRITE, /* ... or written */
    WEIR_SERVER_KINDS
} weir_server_kind;
uint64_t weir_server_object(weir_server_kind kind, uint32_t oid);
uint64_t weir_server_named(weir_server_kind kind, uint64_t name);

/* ---- what is told of them ---- */

typedef struct weir_server_function {
    uint32_t oid;
    weir_slice schema, name, language;
    unsigned effects; /* of its own body */
    char volatility;  /* 'i' 's' 'v' */
    bool settings;    /* it has SET clauses, whose settings end with it */
    bool attribute;   /* may be called as `row.name`, without parentheses */
    const char *what; /* of the effects: "set_config"; "" */
    unsigned line;    /* of the body; 0: none */
} weir_server_function;

typedef struct weir_server_role {
    weir_slice name;
    bool superuser, login;
    int connection_limit;   /* -1: none */
    weir_slice valid_until; /* as the server writes it; empty: for ever */
} weir_server_role;

/* ALTER ROLE … [IN DATABASE …] SET, ALTER DATABASE … SET. */
typedef struct weir_server_default {
    weir_slice database, role; /* empty: of every one */
    weir_slice setting;        /* "name=value" */
} weir_server_default;

typedef struct weir_server_setting {
    weir_slice name;    /* as the server writes it; compare in any case */
    weir_slice context; /* "user", "superuser", … */
    weir_slice type;    /* "bool", "enum", … */
    weir_slice boot, reset;
} weir_server_setting;

/* Hashes of what a change would show in. */
typedef struct weir_fingerprints {
    uint64_t schema;   /* of what statements use: relations, functions, their rights, … */
    uint64_t defaults; /* of the defaults of roles and databases */
    uint64_t roles;    /* of who there is, and of what he is a member */
} weir_fingerprints;

/* What may change its session's state, and why. */
typedef struct weir_server_suspect {
    weir_server_kind kind;
    weir_slice schema, name, language; /* language: of functions */
    char volatility;                   /* of functions; else 0 */
    unsigned effects;
    const char *why; /* "set_config at line 3", "by app.login: set_config at line 3" */
} weir_server_suspect;

/* ---- building ---- */

typedef struct weir_server_bounds {
    size_t size_max; /* of everything kept, also while building */
    uint32_t objects_max, edges_max, rows_max;
} weir_server_bounds;
extern const weir_server_bounds weir_server_bounds_usual;

WEIR_MUST_CHECK int weir_server_builder_new(const weir_server_bounds *bounds,
                                            weir_server_builder **ret);
void weir_server_builder_free(weir_server_builder *b);
/* Each: 0, also beyond a bound (the catalog is not whole then), -ENOMEM. Slices are copied. */
WEIR_MUST_CHECK int weir_server_add_function(weir_server_builder *b, const weir_server_function *f);
/* A relation or type; kind READ and WRITE both. */
WEIR_MUST_CHECK int weir_server_add_relation(weir_server_builder *b, uint32_t oid,
                                             weir_slice schema, weir_slice name);
/* A name that a statement may have before `(`: a builtin function, a keyword, a type. */
WEIR_MUST_CHECK int weir_server_add_known(weir_server_builder *b, weir_slice name,
                                          unsigned effects);
/* Using `from` may use `to`: ids of objects or of names. What nothing is told of has no effects. */
WEIR_MUST_CHECK int weir_server_add_edge(weir_server_builder *b, uint64_t from, uint64_t to);
/* Using `from` has these effects by itself; `what` as of functions. */
WEIR_MUST_CHECK int weir_server_add_effects(weir_server_builder *b, uint64_t from, unsigned effects,
                                            weir_slice what);
WEIR_MUST_CHECK int weir_server_add_role(weir_server_builder *b, const weir_server_role *role);
WEIR_MUST_CHECK int weir_server_add_default(weir_server_builder *b, const weir_server_default *d);
WEIR_MUST_CHECK int weir_server_add_setting(weir_server_builder *b, const weir_server_setting *s);
/* A setting that a function's body names and that is none of the server's ("app.user"). */
WEIR_MUST_CHECK int weir_server_add_custom(weir_server_builder *b, weir_slice name);
WEIR_MUST_CHECK int weir_server_add_temp_schema(weir_server_builder *b, weir_slice name);
WEIR_MUST_CHECK int weir_server_add_extension(weir_server_builder *b, weir_slice name);
/* `version` as server_version_num. */
void weir_server_set_version(weir_server_builder *b, unsigned version);
void weir_server_set_fingerprints(weir_server_builder *b, const weir_fingerprints *f);

/* Follows what uses what, and makes the catalog; the builder is to be freed whatever comes.
 * `serial`: unique in the process, at most 48 bits, not 0. -ENOMEM (also memory's cap). */
WEIR_MUST_CHECK int weir_server_finish(weir_server_builder *b, uint64_t serial, weir_memory *memory,
                                       weir_server_catalog **ret);
/* One of which nothing is known but that it is not known yet. -ENOMEM. */
WEIR_MUST_CHECK int weir_server_unknown(uint64_t serial, weir_server_catalog **ret);
void weir_server_catalog_free(void *catalog); /* for weir_epoch_retire; NULL is fine */

/* ---- asking: from any thread ---- */

uint64_t weir_server_serial(const weir_server_catalog *c);
/* Everything is known: what is not in it has no effects. */
bool weir_server_is_whole(const weir_server_catalog *c);
const char *weir_server_partial(const weir_server_catalog *c); /* why not; "" */
/* Effects that no name tells. */
unsigned weir_server_everywhere(const weir_server_catalog *c);
unsigned weir_server_ddl(const weir_server_catalog *c);
/* Of all suspects together. */
unsigned weir_server_all(const weir_server_catalog *c);
/* `name`: weir_server_name, with anything in its two lowest bits. False: no such function. */
bool weir_server_find_function(const weir_server_catalog *c, uint64_t name, unsigned *ret_effects);
/* Of relations and types of this name, when read or written. */
unsigned weir_server_find_relation(const weir_server_catalog *c, uint64_t name, bool written);

typedef struct weir_server_totals {
    unsigned version; /* server_version_num */
    uint32_t functions, relations, suspects, roles, defaults, settings, customs, temp_schemas,
        extensions;
    weir_fingerprints fingerprints;
    size_t size;
} weir_server_totals;
void weir_server_total(const weir_server_catalog *c, weir_server_totals *ret);
/* `at` counts from 0; borrowed. */
const weir_server_suspect *weir_server_suspect_at(const weir_server_catalog *c, uint32_t at);
weir_slice weir_server_custom_at(const weir_server_catalog *c, uint32_t at);
const weir_server_role *weir_server_find_role(const weir_server_catalog *c, weir_slice name);
/* In any case; NULL: none of the server's own, or not loaded. */
const weir_server_setting *weir_server_find_setting(const weir_server_catalog *c, weir_slice name);

#endif
