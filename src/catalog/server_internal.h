/* Private to catalog/: the graph that a builder gathers, and the catalog that comes of it. */
#ifndef WEIR_CATALOG_SERVER_INTERNAL_H
#define WEIR_CATALOG_SERVER_INTERNAL_H

#include "base/arena.h"
#include "catalog/items.h"
#include "catalog/server.h"

#define WEIR_SERVER_NONE UINT32_MAX

/* An object or a name. */
typedef struct server_node {
    uint64_t id;
    unsigned effects; /* of its own; after following: of all that it uses */
    uint32_t via;     /* the node that they came from; NONE: they are its own */
    uint32_t line;
    char volatility;
    bool told; /* something was said of it but edges */
    const char *what;
    weir_slice schema, name, language;
} server_node;

typedef struct server_edge {
    uint32_t from;
    uint64_t to;
} server_edge;

struct weir_server_builder {
    weir_server_bounds bounds;
    weir_arena scratch; /* names of functions and relations */
    weir_arena kept;    /* becomes the catalog's */
    weir_items nodes, edges;
    weir_items roles, defaults, settings, customs, temp_schemas, extensions;
    uint32_t *index; /* of nodes by id, open addressing, NONE: free */
    uint32_t index_cap;
    uint32_t functions, relations;
    unsigned version;
    weir_fingerprints fingerprints;
    const char *partial;
};

typedef struct server_entry {
    uint64_t id; /* of a name; 0: free */
    unsigned effects;
} server_entry;

struct weir_server_catalog {
    uint64_t serial;
    const char *partial; /* "": whole */
    unsigned everywhere, ddl, all;
    server_entry *entries; /* open addressing; entry_cap is a power of two, or 0 */
    uint32_t entry_cap;
    weir_server_totals totals;
    weir_server_suspect *suspects;
    weir_server_role *roles;
    weir_server_default *defaults;
    weir_server_setting *settings; /* in order of their names */
    weir_slice *customs, *temp_schemas, *extensions;
    weir_arena arena;
    weir_memory *memory;
};

/* NONE: not there. */
uint32_t weir_server_find_node(const weir_server_builder *b, uint64_t id);
static inline server_node *weir_server_node(const weir_server_builder *b, uint32_t at)
{
    return (server_node *)b->nodes.items + at;
}

static inline weir_server_kind weir_server_kind_of(uint64_t id)
{
    return (weir_server_kind)(id & 7);
}
static inline bool weir_server_is_object(uint64_t id)
{
    return (id & 8) != 0;
}

#endif
