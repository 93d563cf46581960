/* What a statement may do to its session through what it uses: the names in its text, the bodies of
 * functions, and a PostgreSQL server's rows about them, which become catalog/server.h's catalog.
 *
 * In doubt a body has effects: what is read here is text, what it does is decided when it runs. */
#ifndef WEIR_SQL_SERVER_H
#define WEIR_SQL_SERVER_H

#include "catalog/server.h"
#include "sql/sql.h"

/* ---- names in a statement ---- */

#define WEIR_MENTIONS_MAX 256u

/* In the lowest bits of a name in weir_mentions. */
#define WEIR_MENTION_CALL 1u     /* a function, whatever it is: an unknown one may do anything */
#define WEIR_MENTION_FOLLOWED 2u /* stands before `(`: may be a function */

/* The names in a text of PostgreSQL's, each once, at most WEIR_MENTIONS_MAX of them; `*ret_over`:
 * there are more, or some that cannot be read. Returns how many. */
uint32_t weir_mentions_collect(weir_slice text, uint64_t *names, bool *ret_over);

/* What a statement of these names and this kind may do. `stale`: functions or relations have been
 * changed since the catalog was read. */
unsigned weir_mentions_effects(const weir_mentions *mentions, weir_kind kind,
                               const weir_server_catalog *catalog, bool stale);

/* ---- bodies of functions ---- */

typedef enum weir_language {
    WEIR_LANGUAGE_SQL,
    WEIR_LANGUAGE_PLPGSQL,
    WEIR_LANGUAGE_OTHER /* looked through for words */
} weir_language;

typedef struct weir_body {
    unsigned effects;
    const char *what; /* of the first of them; static; "" */
    unsigned line;    /* where it stands, from 1 */
    bool writes;      /* has INSERT, UPDATE, DELETE, … or runs text; not among the effects */
} weir_body;

/* What the scan tells as it goes. Each may be NULL. */
typedef struct weir_body_visitor {
    /* Of any identifier; `followed`: by `(`. */
    void (*name)(void *user, uint64_t name, bool followed);
    /* set_config's literal first argument, unquoted. */
    void (*setting)(void *user, weir_slice name);
    void *user;
} weir_body_visitor;

/* Linear in the text, no allocation, any bytes. */
void weir_body_scan(weir_language language, weir_slice body, const weir_body_visitor *visitor,
                    weir_body *ret);

/* ---- rows ---- */

/* Statements to be run together, which give the rows of a catalog. Bounded by `out`. */
WEIR_MUST_CHECK int weir_server_query(weir_buf *out);
/* One statement with one row: the fingerprints. */
WEIR_MUST_CHECK int weir_server_fingerprint_query(weir_buf *out);
/* Takes a row of weir_server_query. Rows of unknown form are skipped. -ENOMEM. */
WEIR_MUST_CHECK int weir_server_row(weir_server_builder *builder, const weir_slice *values,
                                    unsigned count);
/* Of weir_server_fingerprint_query's row; false: it has another form. */
#define WEIR_FINGERPRINT_COLUMNS 4u
bool weir_server_fingerprints(const weir_slice *values, unsigned count, weir_fingerprints *ret);

#endif
