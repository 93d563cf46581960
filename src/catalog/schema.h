/* What a PostgreSQL server says of its relations, as far as the cache depends on it: which there
 * are, whose changes are reported row by row, what a view reads, what a write to one changes in
 * others, and which functions, operators and types are to be believed.
 *
 *   rows ──► weir_schema_builder ──finish──► weir_schema (immutable, read under epochs)
 *
 * Everything in it is from one snapshot. What it does not know it says: a relation that is not
 * found, and a name that is not known to be harmless, make an answer one that is not kept.
 *
 * Threads: building on one; asking from any. */
#ifndef WEIR_CATALOG_SCHEMA_H
#define WEIR_CATALOG_SCHEMA_H

#include "base/memory.h"
#include "catalog/key.h"

typedef struct weir_schema weir_schema;

#define WEIR_SCHEMA_NONE UINT32_MAX

typedef struct weir_schema_column {
    weir_slice name;
    weir_key_type key; /* NONE: no canonical bytes, a generated column, a key nobody reports */
    uint32_t type;     /* oid */
    bool believed;     /* its type is pg_catalog's, or an enum, domain, array or row of such, or a
                          listed extension's: what it prints depends on its bytes alone */
} weir_schema_column;

typedef enum weir_schema_kind {
    WEIR_SCHEMA_TABLE, /* ordinary, also a partition */
    WEIR_SCHEMA_PARTITIONED,
    WEIR_SCHEMA_VIEW,
    WEIR_SCHEMA_OTHER /* materialized view, foreign table, sequence, … */
} weir_schema_kind;

/* Why answers that depend on a relation are not kept. Words are for people. */
typedef enum weir_schema_flaw {
    WEIR_SCHEMA_SOUND,
    WEIR_SCHEMA_SYSTEM,      /* of pg_catalog or information_schema, or a sequence */
    WEIR_SCHEMA_POLICIES,    /* row-level security is on */
    WEIR_SCHEMA_UNPUBLISHED, /* it, or one of its descendants, is not in the publication, or not
                                whole (a filter, a column list, some operations) */
    WEIR_SCHEMA_NO_IDENTITY, /* … has no usable replica identity */
    WEIR_SCHEMA_UNLOGGED,    /* … is unlogged, temporary or foreign */
    WEIR_SCHEMA_DISBELIEVED  /* a view that calls what is not to be believed */
} weir_schema_flaw;

typedef struct weir_schema_relation {
    uint32_t oid;
    weir_schema_kind kind;
    weir_schema_flaw flaw;
    const char *words;                 /* of the flaw: "app.log has no replica identity"; "" */
    weir_slice schema, name;           /* as the server keeps them */
    weir_slice full;                   /* "schema.name": what weir_relation_id is made of */
    const weir_schema_column *columns; /* without dropped ones, in order */
    uint32_t column_count;
    /* Relations by their place in the schema (weir_schema_at). */
    const uint32_t *ancestors; /* what it is a partition or child of, all the way up */
    uint32_t ancestor_count;
    const uint32_t *reads; /* a view: every table that it reads, through other views too */
    uint32_t read_count;
    const uint32_t *cascades; /* what else a write to it may change, all the way: by foreign keys'
                                 actions and rules, its partitions and children, a view's tables,
                                 and the ancestors of these; its own ancestors stand above only */
    uint32_t cascade_count;
    uint32_t update_count; /* the first so many of `cascades`: if nothing is deleted from it */
    bool has_descendants;  /* reading it reads others too; their changes are reported as its own */
    bool
        unknown_writes; /* triggers or rules of it, or of what it cascades to, may write anything */
    bool alters; /* BEFORE triggers or rules of it: rows are written otherwise than it is said */
    bool comes_back; /* foreign keys' actions or rules, of it or of what it cascades to, may change
                        other rows of it, of its ancestors or descendants */
    bool update_comes_back; /* … if nothing is deleted from it */
} weir_schema_relation;

/* How far what a name calls is to be believed. */
typedef enum weir_trust {
    WEIR_TRUST_STEADY,   /* every function or operator of that name gives the same for the same */
    WEIR_TRUST_SETTINGS, /* … for the same under the same settings, which are in the identity */
    WEIR_TRUST_VOLATILE, /* one of them is stable or volatile */
    WEIR_TRUST_NONE      /* one of them is of users, or there is none of that name */
} weir_trust;

/* ---- asking ---- */

/* Of everything that a footprint can use but roles; changes with each change of it. Never 0. */
uint64_t weir_schema_fingerprint(const weir_schema *s);
uint32_t weir_schema_count(const weir_schema *s);
const weir_schema_relation *weir_schema_at(const weir_schema *s, uint32_t at);
/* NULL: there is none. Names as the server keeps them (folded, cut to 63 bytes). */
const weir_schema_relation *weir_schema_find(const weir_schema *s, weir_slice schema,
                                             weir_slice name);
const weir_schema_relation *weir_schema_find_oid(const weir_schema *s, uint32_t oid);
bool weir_schema_has_namespace(const weir_schema *s, weir_slice name);
/* A function or aggregate by that name, whatever its arguments; `schema` empty: unqualified. */
weir_trust weir_schema_function(const weir_schema *s, weir_slice schema, weir_slice name);
weir_trust weir_schema_operator(const weir_schema *s, weir_slice name);
/* A type named in a cast; empty schema: unqualified. */
weir_trust weir_schema_type(const weir_schema *s, weir_slice schema, weir_slice name);
/* `=` of these is pg_catalog's own, whatever search_path. */
bool weir_schema_equality_is_builtin(const weir_schema *s);
/* Users have made casts between builtin types: an expression may call anything. */
bool weir_schema_has_foreign_casts(const weir_schema *s);
/* The setting's value for a new session of this user before it sets anything; false: not known. */
bool weir_schema_default(const weir_schema *s, weir_slice user, const char *setting,
                         weir_slice *ret);
/* Of what it may do and whose member it is; 0: no such role. Not in the schema's fingerprint. */
uint64_t weir_schema_role(const weir_schema *s, weir_slice role);
/* The publication that changes are followed by; empty: there is none. */
weir_slice weir_schema_publication(const weir_schema *s);
bool weir_schema_has_event_trigger(const weir_schema *s); /* ours, ENABLE ALWAYS */
bool weir_schema_is_standbys(const weir_schema *s);       /* it may be behind what it is of */
const char *weir_schema_partial(const weir_schema *s);    /* why it is not whole; "": it is */
void weir_schema_free(void *schema);                      /* for weir_epoch_retire; NULL is fine */

/* ---- building ---- */

typedef struct weir_schema_builder weir_schema_builder;
WEIR_MUST_CHECK int weir_schema_builder_new(size_t size_max, weir_schema_builder **ret);
void weir_schema_builder_free(weir_schema_builder *b);
/* The builder's own functions for facts stand in schema_build.h. */
WEIR_MUST_CHECK int weir_schema_finish(weir_schema_builder *b, weir_memory *memory,
                                       weir_schema **ret);

#endif
