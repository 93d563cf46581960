/* What a statement's text says: lexing to a template, the bounded table of templates,
 * classification. A statement is understood once; everything else asks the template. Two dialects,
 * one lexer each; a template is always that of the text the database will run. */
#ifndef WEIR_SQL_SQL_H
#define WEIR_SQL_SQL_H

#include "base/buf.h"
#include "base/epoch.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/slice.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "sql/effects.h"
#include <stdatomic.h>

typedef enum weir_dialect { WEIR_DIALECT_POSTGRES, WEIR_DIALECT_SQLITE } weir_dialect;

typedef enum weir_kind {
    WEIR_KIND_UNKNOWN, /* not understood: primary, no cache */
    WEIR_KIND_EMPTY,   /* nothing but space and comments */
    WEIR_KIND_READ,
    WEIR_KIND_WRITE,
    WEIR_KIND_DDL,
    WEIR_KIND_TRANSACTION,
    WEIR_KIND_SESSION, /* changes or reads session state: SET, SHOW, LISTEN, PREPARE, DISCARD, … */
    WEIR_KIND_COPY,
    WEIR_KIND_UTILITY, /* VACUUM, ANALYZE, EXPLAIN, CALL, DO, LOCK, … */
    WEIR_KINDS
} weir_kind;
const char *weir_kind_name(weir_kind kind);

/* Which transaction command the (first) statement is. */
typedef enum weir_transaction {
    WEIR_TRANSACTION_NONE,
    WEIR_TRANSACTION_BEGIN,
    WEIR_TRANSACTION_COMMIT,   /* COMMIT, END */
    WEIR_TRANSACTION_ROLLBACK, /* ROLLBACK, ABORT */
    WEIR_TRANSACTION_SAVEPOINT,
    WEIR_TRANSACTION_RELEASE,
    WEIR_TRANSACTION_ROLLBACK_TO,
    WEIR_TRANSACTION_TWO_PHASE, /* PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED */
    WEIR_TRANSACTION_SET        /* SET TRANSACTION … */
} weir_transaction;

/* Caps beyond which the SQL grammar is not asked (DESIGN section 4). */
#define WEIR_SQL_TEXT_MAX 65536u
#define WEIR_SQL_OPERATORS_MAX 4096u
#define WEIR_SQL_DEPTH_MAX 200u
#define WEIR_SQL_LITERALS_MAX 64u /* recorded; more are counted and not recorded */

typedef enum weir_literal_kind {
    WEIR_LITERAL_STRING, /* '…', E'…', $tag$…$tag$, U&'…' */
    WEIR_LITERAL_INTEGER,
    WEIR_LITERAL_DECIMAL, /* with a point or exponent */
    WEIR_LITERAL_BITS,    /* B'…', X'…'; SQLite: a blob */
    WEIR_LITERAL_PARAM    /* $1; SQLite: also ? ?1 :a @a */
} weir_literal_kind;

#define WEIR_PLACE_NONE UINT32_MAX

typedef struct weir_literal {
    weir_literal_kind kind;
    uint32_t place;  /* which `?` of the template's text it became, counted from 0: the values of a
                        list that collapsed share one. WEIR_PLACE_NONE: of an elided row */
    weir_slice text; /* as written, quotes and all; borrows from the statement */
} weir_literal;

/* What one pass over a text finds. Big: keep one per worker and reuse it. */
typedef struct weir_lexed {
    weir_buf text;   /* the template's text: keywords and names as written but for case of unquoted
                        words and runs of space, literals and parameters as `?`, lists collapsed;
                        holds at most WEIR_SQL_TEXT_MAX */
    weir_slice hint; /* inside of a leading "weir: …" comment, trimmed; empty if none */
    weir_literal literals[WEIR_SQL_LITERALS_MAX];
    size_t literal_count; /* all of them, also those not recorded */
    unsigned params_max;  /* highest parameter number; SQLite: count as sqlite3 would number them */
    unsigned statements;  /* non-empty statements */
    weir_kind kind; /* of the only statement; of several: READ if all read, else the "strongest" */
    weir_transaction transaction; /* of the first statement */
    bool transaction_anywhere;    /* any of several statements is a transaction command */
    unsigned effects;
    bool row_locks;    /* FOR UPDATE, FOR SHARE and kin */
    bool over_caps;    /* a cap was passed: text is not to be given to the grammar */
    bool unterminated; /* a quote, comment or dollar quote does not end */
} weir_lexed;

void weir_lexed_init(weir_lexed *lexed);
void weir_lexed_fini(weir_lexed *lexed);
/* One pass, no recursion, linear in the text, no allocation after `text` has grown. Any bytes are
 * accepted; what is no SQL gives kind UNKNOWN. -ENOMEM. */
WEIR_MUST_CHECK int weir_sql_lex(weir_dialect dialect, weir_slice text, weir_lexed *ret);

/* PostgreSQL: the text with its plain numbers and strings made alike (shape.c), into `out`. Texts
 * of one shape have one template, and lex alike but for the values of literals. Returns its length;
 * 0: it has none, or no room. */
size_t weir_sql_shape(weir_slice text, uint8_t *out, size_t room);

/* Splits off the first statement of a text at its top-level `;` (as this dialect's lexer sees
 * quotes and comments; SQLite: also CREATE TRIGGER … BEGIN …; END). Returns the statement without
 * the `;`; `*rest` gets what follows. Empty when nothing but space, comments and `;` is left. */
weir_slice weir_sql_split(weir_dialect dialect, weir_slice text, weir_slice *rest);

/* ---- templates ---- */

/* Why an answer may not be kept. WEIR_REFUSAL_VOLATILE and _UNFOLLOWED a declared TTL overrides. */
typedef enum weir_refusal {
    WEIR_REFUSAL_NONE,
    WEIR_REFUSAL_UNKNOWN,    /* not understood by the database's grammar (yet) */
    WEIR_REFUSAL_NO_READ,    /* writes, or is no query */
    WEIR_REFUSAL_LOCKS,      /* FOR UPDATE and kin */
    WEIR_REFUSAL_EFFECTS,    /* reads or changes its session's state */
    WEIR_REFUSAL_SYSTEM,     /* the database's own relations */
    WEIR_REFUSAL_VOLATILE,   /* calls a function whose answer changes */
    WEIR_REFUSAL_UNFOLLOWED, /* a relation whose changes are not seen */
    WEIR_REFUSALS
} weir_refusal;
const char *weir_refusal_name(weir_refusal refusal);
/* What would make it kept, in words. */
const char *weir_refusal_step(weir_refusal refusal);

/* What an answer depends on, per reference of a relation: all of it, or its rows with
 * `column` = the values of a place. Also what a write touches. The ids of their values:
 * sql/resolve.h. */
typedef struct weir_read_dependency {
    uint64_t relation, column; /* ids of catalog/key.h; column 0: the whole relation */
    weir_key_type key;
    uint32_t place; /* of the template: its literal, parameter or list of them */
    uint16_t item;  /* which of the place's values, counted from 1; 0: any of them */
    bool negated;   /* a minus stands before it */
    bool array;     /* the place's value is an array */
    bool rows;      /* … and the same item of each row that was elided behind it */
    const char *relation_name, *column_name;
    const char *operand; /* for people: "= $1", "= ?", "in a list"; empty for the whole relation */
    const char *why;     /* the whole relation: why no key was found, in words */
} weir_read_dependency;

/* What is known of a template. Published by analysis and replaced as a whole (epochs). */
typedef struct weir_footprint {
    weir_kind kind;
    weir_transaction transaction;
    unsigned effects;
    bool from_grammar;   /* by the database's grammar (or its authorizer), not by the lexer alone */
    bool row_locks;      /* SELECT … FOR UPDATE and kin */
    bool volatile_calls; /* calls a function that is volatile or not known */
    uint16_t read_count, written_count;
    const char *
        *reads; /* relation names as written, "schema.name" or "name"; views not expanded yet */
    const char **writes;
    const char *reason; /* in words: why it is unknown, or not a plain read; "" if there is nothing
                           to say */
    weir_refusal refusal; /* why its answers are not kept */
    uint64_t fingerprint; /* of the catalog facts it was made from (catalog.h); 0: none */
    uint16_t dependency_count;
    weir_read_dependency *dependencies; /* of a read, also where it is refused */
    /* Of weir_sql_analyze_postgres_reads alone (sql/reads.h): */
    uint16_t place_count, touch_count;
    const struct weir_receiver *places;  /* what takes the values of the first places */
    bool timeless_rest;                  /* no date or time is read from those of the others */
    bool touches_everything;             /* what it may write is not known */
    const weir_read_dependency *touches; /* a write: what it changes */
    const char *touches_words;           /* why it touches everything; "" */
} weir_footprint;

void weir_footprint_free(void *footprint); /* for weir_epoch_retire; NULL is fine */

/* The names in a template's text (sql/server.h says how): hashes, each once. */
typedef struct weir_mentions {
    const uint64_t *names;
    uint32_t count;
    bool over; /* there are more, or some that cannot be read */
} weir_mentions;

/* A template's footprint where names mean `meaning`: the host's number for a database, its schema,
 * a search_path and a role; never 0. */
typedef struct weir_variant {
    uint64_t meaning;
    weir_footprint *footprint;
} weir_variant;
#define WEIR_VARIANTS 4u

typedef struct weir_template {
    uint32_t id; /* 0 … capacity-1: index of statistics; reused after eviction with a new serial */
    uint32_t serial;
    weir_dialect dialect;
    uint64_t hash;
    weir_slice text; /* owned */
    weir_slice
        sample; /* one statement's own text, for EXPLAIN and the grammar; owned; at most 64 KiB */
    weir_mentions mentions;
    /* What a server's catalog makes of the mentions: its serial, and behind it (16 bits) the
     * effects; 0: not asked yet. */
    _Atomic uint64_t server_effects;
    weir_footprint *_Atomic footprint; /* never NULL: at first the lexer's word */
    /* PostgreSQL: what it reads and writes where names mean something else (another database,
     * search_path, role, schema): the newest few. */
    struct weir_variant *_Atomic variants[WEIR_VARIANTS];
    _Atomic uint64_t variant_asked; /* the newest meaning that an analysis was asked for */
    _Atomic bool analysis_asked;
    _Atomic bool outdated;      /* a statement of it ran under other facts than the footprint's */
    _Atomic uint32_t last_used; /* coarse clock, for eviction */
} weir_template;

typedef struct weir_template_table weir_template_table;

/* At most `capacity` templates; when full, the least recently used of a sample is evicted (its
 * memory freed under epochs). Lookups are lock-free and write no shared memory but `last_used` once
 * per coarse tick. */
WEIR_MUST_CHECK int weir_template_table_new(uint32_t capacity, weir_hash_seed seed,
                                            weir_epoch *epoch, weir_memory *memory,
                                            weir_template_table **ret);
void weir_template_table_free(weir_template_table *table);
uint32_t weir_template_table_capacity(const weir_template_table *table);
uint32_t weir_template_table_count(const weir_template_table *table);

/* The template of what was lexed, made if absent. The caller is online in the epoch; the pointer is
 * good until it is quiescent. -ENOMEM (also when memory.max is reached). `tick`: a coarse clock
 * (seconds). */
WEIR_MUST_CHECK int weir_template_intern(weir_template_table *table, weir_epoch_member *member,
                                         weir_dialect dialect, const weir_lexed *lexed,
                                         weir_slice sample, uint32_t tick,
                                         const weir_template **ret);
/* By id and serial; NULL if evicted since. The caller is online. */
const weir_template *weir_template_find(weir_template_table *table, uint32_t id, uint32_t serial);
/* It was seen again, as weir_template_intern notes. */
void weir_template_touch(const weir_template *t, uint32_t tick);
/* Calls `visit` for each template until it returns false. The caller is online. */
void weir_template_each(weir_template_table *table,
                        bool (*visit)(void *user, const weir_template *t), void *user);
/* True for the first who asks (and only for that one): it shall have the template analysed. */
bool weir_template_ask_analysis(const weir_template *t);
/* Its footprint is not that of the newest run: of a schema that was rolled back, or of another
 * database. `take` is true for the first who asks thereafter. */
void weir_template_note_outdated(const weir_template *t);
bool weir_template_take_outdated(const weir_template *t);
/* Publishes what analysis found (takes `footprint`); the old one is retired. */
void weir_template_publish(const weir_template *t, weir_epoch_member *member,
                           weir_footprint *footprint);

/* NULL: it was not analysed there, or others have taken its place. The caller is online. */
const weir_footprint *weir_template_variant(const weir_template *t, uint64_t meaning);
/* True for who asks first since another meaning was asked for: it shall have it analysed. */
bool weir_template_ask_variant(const weir_template *t, uint64_t meaning);
/* It could not: the next who asks shall. */
void weir_template_unask_variant(const weir_template *t);
/* Takes `footprint`, in any case. -ENOMEM: it can be asked for again. */
WEIR_MUST_CHECK int weir_template_publish_variant(const weir_template *t, weir_epoch_member *member,
                                                  uint64_t meaning, weir_footprint *footprint);

struct weir_server_catalog;
/* What a statement of this template may do to its session by what it uses, as a server's catalog
 * has it; remembered for the newest catalog asked. `stale`: see weir_mentions_effects. */
unsigned weir_template_server_effects(const weir_template *t, weir_kind kind,
                                      const struct weir_server_catalog *catalog, bool stale);

/* ---- analysis ---- */

/* PostgreSQL's grammar (libpg_query) on a text within the caps. Slow (10 us … 10 ms), and for the
 * analysis thread (64 MiB of stack). A syntax error: kind UNKNOWN, its words as reason. -ENOMEM. */
WEIR_MUST_CHECK int weir_sql_analyze_postgres(weir_slice text, const weir_lexed *lexed,
                                              weir_footprint **ret);
/* PostgreSQL's grammar takes it. False, too: over 2,000 bytes, no memory. Any thread. */
bool weir_sql_is_postgres(weir_slice text);
/* Of accesses that SQLite's authorizer reported for `text` (catalog/access.h), which says by which
 * keys. `catalog` NULL: whole relations, and its answers are not kept. */
struct weir_access;
WEIR_MUST_CHECK int weir_sql_analyze_accesses(const struct weir_access *accesses, size_t count,
                                              const weir_catalog *catalog, weir_slice text,
                                              const weir_lexed *lexed, weir_footprint **ret);
/* One line per dependency and refusal, for people: "t: rows with id = $1", "t: all of it, because
 * …". -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_footprint_explain(const weir_footprint *footprint, weir_buf *out);

/* ---- hints ---- */

/* The inside of a leading comment (weir_lexed.hint): `nocache`, `cache ttl=60s tags=a,b
 * stale_if_error=1h stale_while_revalidate=30s refresh_ahead=10s`, `primary`, `replica`,
 * `priority=critical`. */
typedef struct weir_hint {
    enum { WEIR_HINT_UNSAID, WEIR_HINT_CACHE, WEIR_HINT_NOCACHE } cache;
    weir_time ttl; /* 0: unsaid, as the next three */
    weir_time stale_if_error, stale_while_revalidate, refresh_ahead;
    weir_slice tags;       /* a,b; borrowed, as the next */
    weir_slice name_space; /* empty: unsaid */
    enum { WEIR_HINT_ANYWHERE, WEIR_HINT_PRIMARY, WEIR_HINT_REPLICA } target;
    bool critical;
    weir_slice unknown; /* the first word that is none of these; empty: none */
} weir_hint;
/* The hint of a text; empty: it has none. */
weir_slice weir_sql_hint(weir_slice text);
/* Unknown words are skipped: a comment breaks nothing. */
void weir_hint_read(weir_slice hint, weir_hint *ret);
/* The next of `tags`; false at the end. */
bool weir_tag_next(weir_slice *rest, weir_slice *ret);

/* The lexer's word alone. */
WEIR_MUST_CHECK int weir_sql_footprint_lexed(const weir_lexed *lexed, weir_footprint **ret);

#endif
