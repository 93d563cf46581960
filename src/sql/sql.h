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

/* What a statement may do to its session, as far as names tell. Any of them pins, until a later
 * analysis knows better. Bits. */
enum {
    WEIR_EFFECT_SET = 1 << 0, /* SET, RESET, set_config( of the session, not SET LOCAL */
    WEIR_EFFECT_LISTEN = 1 << 1,
    WEIR_EFFECT_TEMP = 1 << 2,          /* CREATE TEMP, SELECT INTO TEMP, pg_temp */
    WEIR_EFFECT_ADVISORY_LOCK = 1 << 3, /* pg_advisory_lock and its kin, not the _xact_ ones */
    WEIR_EFFECT_PREPARE = 1 << 4,       /* SQL-level PREPARE */
    WEIR_EFFECT_HOLD_CURSOR = 1 << 5,
    WEIR_EFFECT_SEQUENCE = 1 << 6, /* currval, lastval: depends on this session's nextval */
    WEIR_EFFECT_LOAD = 1 << 7,     /* LOAD */
    WEIR_EFFECT_DISCARD = 1 << 8,  /* DISCARD, DEALLOCATE */
    WEIR_EFFECT_DO = 1 << 9,       /* DO, CALL: may do anything */
};
/* The name of the lowest bit set ("set", "listen", …): the reason label of metrics; "none" for 0.
 */
const char *weir_effect_name(unsigned effects);

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

typedef struct weir_literal {
    weir_literal_kind kind;
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

/* Splits off the first statement of a text at its top-level `;` (as this dialect's lexer sees
 * quotes and comments; SQLite: also CREATE TRIGGER … BEGIN …; END). Returns the statement without
 * the `;`; `*rest` gets what follows. Empty when nothing but space, comments and `;` is left. */
weir_slice weir_sql_split(weir_dialect dialect, weir_slice text, weir_slice *rest);

/* ---- templates ---- */

/* What is known of a template. Published once by analysis and replaced as a whole (epochs). */
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
} weir_footprint;

void weir_footprint_free(void *footprint); /* for weir_epoch_retire; NULL is fine */

typedef struct weir_template {
    uint32_t id; /* 0 … capacity-1: index of statistics; reused after eviction with a new serial */
    uint32_t serial;
    weir_dialect dialect;
    uint64_t hash;
    weir_slice text; /* owned */
    weir_slice
        sample; /* one statement's own text, for EXPLAIN and the grammar; owned; at most 64 KiB */
    weir_footprint *_Atomic footprint; /* never NULL: at first the lexer's word */
    _Atomic bool analysis_asked;
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
/* Calls `visit` for each template until it returns false. The caller is online. */
void weir_template_each(weir_template_table *table,
                        bool (*visit)(void *user, const weir_template *t), void *user);
/* True for the first who asks (and only for that one): it shall have the template analysed. */
bool weir_template_ask_analysis(const weir_template *t);
/* Publishes what analysis found (takes `footprint`); the old one is retired. */
void weir_template_publish(const weir_template *t, weir_epoch_member *member,
                           weir_footprint *footprint);

/* ---- analysis ---- */

/* PostgreSQL's grammar (libpg_query) on a text within the caps. Slow (10 us … 10 ms) and hungry for
 * stack (run it on the analysis thread: 64 MiB). -ENOMEM. A syntax error gives kind UNKNOWN with
 * the parser's words as reason. */
WEIR_MUST_CHECK int weir_sql_analyze_postgres(weir_slice text, const weir_lexed *lexed,
                                              weir_footprint **ret);
/* Of accesses that the database itself reported (SQLite's authorizer): see catalog/access.h. */
struct weir_access;
WEIR_MUST_CHECK int weir_sql_analyze_accesses(const struct weir_access *accesses, size_t count,
                                              const weir_lexed *lexed, weir_footprint **ret);
/* The lexer's word alone. */
WEIR_MUST_CHECK int weir_sql_footprint_lexed(const weir_lexed *lexed, weir_footprint **ret);

#endif
