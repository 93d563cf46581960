/* Private to compat/rewrite*.c: the translation's state. Text goes from left to right through
 * weir_compat_rewrite's loop; what concerns an operand that has been written already is done by
 * remembering where it begins. */
#ifndef WEIR_COMPAT_REWRITER_H
#define WEIR_COMPAT_REWRITER_H

#include "compat/compat.h"
#include "compat/token.h"

#define REWRITER_DEPTH_MAX 200u
#define REWRITER_ALIASES_MAX 8u

/* Where in a query. */
typedef enum rewriter_clause {
    REWRITER_OTHER,
    REWRITER_LIST, /* behind SELECT or RETURNING */
    REWRITER_FROM,
    REWRITER_WHERE /* and ON, HAVING */
} rewriter_clause;

/* Which statement's words mean something else. */
typedef enum rewriter_ddl {
    REWRITER_NO_DDL,
    REWRITER_TABLE, /* CREATE, ALTER */
    REWRITER_INDEX,
    REWRITER_DROP
} rewriter_ddl;

/* What an open parenthesis or bracket is. */
typedef enum rewriter_opening {
    REWRITER_PLAIN,
    REWRITER_CAST,      /* CAST( */
    REWRITER_KEYWORDS,  /* substring(x FROM a FOR b): such words are commas */
    REWRITER_SET,       /* of a function that gives rows, in FROM */
    REWRITER_AGGREGATE, /* has no ORDER BY here */
    REWRITER_ELEMENT,   /* x[…] */
    REWRITER_ARRAY      /* ARRAY[…] */
} rewriter_opening;

typedef struct rewriter_level {
    size_t operand; /* where what it belongs to begins in `out` */
    size_t inside;  /* where its inside begins */
    const char *closer;
    uint8_t clause;  /* rewriter_clause, inside */
    uint8_t opening; /* rewriter_opening */
} rewriter_level;

#define REWRITER_COLUMNS_MAX 3u

/* unnest(…) AS alias(first, second): SQLite has no such lists. */
typedef struct rewriter_alias {
    weir_slice alias, columns[REWRITER_COLUMNS_MAX];
    bool two;                   /* of two arrays */
    const uint8_t *begin, *end; /* of the parentheses around; NULL: the text's */
} rewriter_alias;

typedef struct rewriter {
    const weir_compat_context *context;
    weir_slice rest;
    weir_buf *out;
    const uint8_t *copied; /* input up to here is in `out` */
    weir_token last, before_last;
    weir_token instead; /* what the token at hand turned out to stand for; kind END: itself */
    size_t operand;     /* where the newest operand begins in `out`; SIZE_MAX: no operand */
    rewriter_level levels[REWRITER_DEPTH_MAX + 1];
    size_t depth;
    uint8_t ddl; /* rewriter_ddl */
    bool sizes;  /* its integers have PostgreSQL's sizes: not in a table with SQLite's words */
    bool stored; /* what is written stays in the schema */
    bool marks;  /* the next parenthesis opens a table that is marked as PostgreSQL's */
    rewriter_alias aliases[REWRITER_ALIASES_MAX];
    size_t alias_count;
    weir_slice set; /* unnest(…) as written, found in the list of the query at `set_depth` */
    weir_slice second_set; /* another unnest(…) beside it; or empty */
    size_t set_depth;      /* SIZE_MAX: none */
    weir_slice table;      /* … that the DDL is about, as written */
    weir_buf *sequences;   /* the CREATE SEQUENCEs that come behind the statement */
    weir_error *err;
} rewriter;

/* For a function that tells by 1 that it wrote the token: of what writing it gave. */
static inline int rewriter_written(int r)
{
    return r < 0 ? r : 1;
}

/* rewrite.c */
WEIR_MUST_CHECK int rewriter_put(rewriter *w, const char *text);
WEIR_MUST_CHECK int rewriter_put_literal(rewriter *w, weir_slice text);
/* Puts `text` before what begins at `at`. */
WEIR_MUST_CHECK int rewriter_insert(rewriter *w, size_t at, const char *text);
/* The next token of the input is not copied. */
void rewriter_skip(rewriter *w, weir_slice after);
/* 0A000: `what` cannot be translated; `hint` NULL: where it is written what can.
 * -ECANCELED, which ends the translation. */
WEIR_MUST_CHECK int rewriter_refuse(rewriter *w, const char *what, const char *hint);
rewriter_level *rewriter_top(rewriter *w);
/* The token before the one at hand is where a table is expected. */
bool rewriter_at_table(rewriter *w);
/* An item of a select list begins here. */
bool rewriter_at_item(rewriter *w);
/* … and ends behind `rest`. */
bool rewriter_item_ends(const rewriter *w, weir_slice rest);
/* The input is a translation of its own: `text` is written as if it stood there. */
WEIR_MUST_CHECK int rewriter_nested(rewriter *w, weir_slice text);

/* rewrite_escape.c: the literal that E'inside' is. */
WEIR_MUST_CHECK int rewriter_escaped(rewriter *w, weir_slice inside);

/* rewrite_cast.c: at `::`, and at AS inside CAST( */
WEIR_MUST_CHECK int rewriter_cast(rewriter *w);
WEIR_MUST_CHECK int rewriter_cast_as(rewriter *w);

/* rewrite_names.c: 1: the word was one of these, and is written */
WEIR_MUST_CHECK int rewriter_name(rewriter *w, weir_token t);

/* rewrite_ddl.c */
WEIR_MUST_CHECK int rewriter_begin(rewriter *w);
WEIR_MUST_CHECK int rewriter_ddl_word(rewriter *w, weir_token t); /* 1: written */

/* rewrite_index.c */
WEIR_MUST_CHECK int rewriter_index_word(rewriter *w, weir_token t); /* 1: written */
/* rewrite_serial.c. The column's type, where it draws from a sequence of its own: 1: written; 0: it
 * is the table's key, which needs none. */
WEIR_MUST_CHECK int rewriter_counter(rewriter *w, weir_token type, bool sole_key, bool not_null);
/* [ALWAYS | BY DEFAULT] AS IDENTITY [(options)]. False: it is none, and nothing is taken. */
bool rewriter_take_identity(weir_slice *rest, bool *ret_always, weir_slice *ret_options);

/* rewrite_type.c: -ECANCELED, with words, for a type of PostgreSQL's that has no values here; 0. */
WEIR_MUST_CHECK int rewriter_refuse_type(rewriter *w, weir_token type);
WEIR_MUST_CHECK int rewriter_column_type(rewriter *w, weir_token t); /* 1: written */

/* rewrite_table.c: what follows CREATE TABLE is written with PostgreSQL's words only. */
bool rewriter_is_postgres_table(const rewriter *w, weir_slice rest);
/* A column of this list may have a type of one's own. */
bool rewriter_names_types(weir_slice items);
/* `t`, behind which `*rest` is, names an enum: its OID's digits, and moves behind it; empty: it is
 * none. */
weir_slice rewriter_enum(const rewriter *w, weir_token t, weir_slice *rest);
/* `text[]`, `varchar(10) [3]`, `double precision ARRAY`, of which the first word is taken: false:
 * it is no array, and nothing else is taken. `*ret_element`: the words before the brackets. */
bool rewriter_take_array(weir_token first, weir_slice *rest, weir_slice *ret_element);

/* rewrite_sets.c */
void rewriter_find_aliases(rewriter *w);
WEIR_MUST_CHECK int rewriter_alias_word(rewriter *w, weir_token t); /* 1: written */
/* Behind SELECT *: the columns by the names that such an alias gives them. */
WEIR_MUST_CHECK int rewriter_alias_star(rewriter *w, weir_token star);
WEIR_MUST_CHECK int rewriter_set_word(rewriter *w, weir_token t); /* 1: written */
/* The rows of `call` (as written) are joined to those of the query, as weir_set; again for the same
 * text. */
WEIR_MUST_CHECK int rewriter_set_take(rewriter *w, weir_slice call);
/* At "(": 1: it is of a subquery whose alias lists columns, and written. */
WEIR_MUST_CHECK int rewriter_listed(rewriter *w);
/* Behind the parenthesis of a function in FROM. */
WEIR_MUST_CHECK int rewriter_set_closed(rewriter *w);
/* Behind FROM. */
WEIR_MUST_CHECK int rewriter_set_from(rewriter *w);
/* Before each token: at the end of a query that had no FROM. */
WEIR_MUST_CHECK int rewriter_set_end(rewriter *w, weir_token t);
/* `=`, `<>`: 1: with ANY or ALL, and written. */
WEIR_MUST_CHECK int rewriter_any(rewriter *w, weir_token op);
WEIR_MUST_CHECK int rewriter_bracket(rewriter *w, weir_token t);
WEIR_MUST_CHECK int rewriter_array_word(rewriter *w); /* 1: ARRAY( or ARRAY[ */

/* rewrite_composite.c: 1: written. At "(", and at the word information_schema. */
WEIR_MUST_CHECK int rewriter_composite(rewriter *w);
WEIR_MUST_CHECK int rewriter_expand_array(rewriter *w, weir_token t);

#endif
