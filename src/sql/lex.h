/* Private to src/sql: tokens, the scanner's place in a text, and the two users of tokens, the
 * template builder and the classifier. */
#ifndef WEIR_SQL_LEX_H
#define WEIR_SQL_LEX_H

#include "sql/sql.h"
#include "sql/words.h"

typedef enum weir_token_type {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_QUOTED, /* a quoted identifier */
    TOKEN_LITERAL,
    TOKEN_OPERATOR,
    TOKEN_CAST, /* :: */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_BRACKET_OPEN,
    TOKEN_BRACKET_CLOSE,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_DOT,
    TOKEN_BAD /* a byte that starts nothing */
} weir_token_type;

typedef struct weir_token {
    weir_token_type type;
    weir_literal_kind literal;
    const uint8_t *start, *end;
    const weir_word *word; /* of TOKEN_WORD, also of a quoted function name; set by the user */
} weir_token;

typedef struct weir_scan {
    const uint8_t *p, *end;
    weir_dialect dialect;
    bool unterminated;
} weir_scan;

/* Character classes, shared by both dialects. */
enum {
    CHAR_OTHER,
    CHAR_SPACE,
    CHAR_WORD, /* starts an unquoted word */
    CHAR_DIGIT,
    CHAR_SELF, /* a token by itself */
    CHAR_OPERATOR,
    CHAR_DOT,
    CHAR_COLON,
    CHAR_DOLLAR,
    CHAR_QUOTE,       /* ' */
    CHAR_DOUBLE_QUOTE /* " */
};
extern const uint8_t weir_char_class[256];
/* The lower-cased byte if it may continue an unquoted word, else 0. */
extern const uint8_t weir_char_fold[256];
/* For each CHAR_SELF byte its token type. */
weir_token_type weir_char_token(uint8_t c);

/* Looks a word up (a quoted name only among functions and pg_temp; behind a dot likewise). */
void weir_token_find_word(weir_token *t, weir_token_type previous);
/* "-5" where only a value can stand: the sign belongs to the literal, so that lists of signed
 * numbers are lists of literals. `t` is an operator; `previous` the token before it. */
void weir_token_join_sign(weir_token *t, weir_scan *s, weir_token_type previous);

/* The next token; at the end TOKEN_END again and again. */
void weir_scan_init(weir_scan *s, weir_dialect dialect, weir_slice text);
void weir_scan_next(weir_scan *s, weir_token *ret);
void weir_scan_postgres(weir_scan *s, weir_token *ret);
void weir_scan_sqlite(weir_scan *s, weir_token *ret);

/* Helpers of both scanners; each moves s->p. */
void weir_scan_word(weir_scan *s);
/* To behind the closing quote; doubled quotes are part of the text. s->p is behind the opening. */
void weir_scan_quoted(weir_scan *s, uint8_t quote);
/* s->p is behind the two dashes. */
void weir_scan_line_comment(weir_scan *s);
/* A number that starts at s->p (digit, or point and digit). */
weir_literal_kind weir_scan_number(weir_scan *s);

static inline uint8_t weir_scan_at(const weir_scan *s, size_t n)
{
    return (size_t)(s->end - s->p) > n ? s->p[n] : 0;
}

static inline void weir_token_end(weir_token *t, weir_token_type type, const weir_scan *s)
{
    t->type = type;
    t->end = s->p;
}

static inline void weir_scan_one_byte(weir_scan *s, weir_token *t, weir_token_type type)
{
    s->p++;
    weir_token_end(t, type, s);
}

/* Where statements end: `;` outside of parentheses, of BEGIN ATOMIC … END (PostgreSQL's SQL-body
 * functions) and of CREATE TRIGGER … BEGIN …; END (SQLite; as sqlite3_complete sees it). */
typedef struct weir_boundary {
    weir_dialect dialect;
    unsigned depth;   /* of parentheses */
    unsigned body;    /* BEGIN ATOMIC and CASE inside of it, open */
    bool started;     /* the statement's first token has passed */
    bool creates;     /* it was CREATE (or EXPLAIN, for SQLite) */
    bool in_trigger;  /* SQLite */
    uint8_t previous; /* word code of the previous token, 0 if it was no word */
    enum { TRIGGER_INSIDE, TRIGGER_SEMICOLON, TRIGGER_END } trigger;
} weir_boundary;
void weir_boundary_init(weir_boundary *b, weir_dialect dialect);
/* True: this token is the `;` that ends the statement. */
bool weir_boundary_token(weir_boundary *b, const weir_token *t);

/* Gathers what the words say; one statement at a time, results added up in `lexed`. */
typedef struct weir_classifier {
    weir_dialect dialect;
    weir_lexed *lexed;
    size_t tokens;               /* of this statement */
    size_t operators;            /* of the whole text */
    unsigned depth, depth_first; /* of parentheses: now, and where the first word stood */
    unsigned cases;              /* CASE without END so far: nested like parentheses */
    uint8_t first, second;       /* word codes; 0: none yet, or no word */
    uint8_t previous;            /* word code of the previous token, 0 if it was no word */
    weir_token_type previous_type;
    unsigned call_effects; /* of the previous token, if "(" follows */
    unsigned effects;      /* of this statement */
    bool first_seen;
    bool writes, creates, analyzes, to, bad, pragma_asks, pragma_writes, pragma_sets;
} weir_classifier;
void weir_classifier_init(weir_classifier *c, weir_dialect dialect, weir_lexed *lexed);
void weir_classifier_token(weir_classifier *c, const weir_token *t);
void weir_classifier_end_statement(weir_classifier *c);
/* The one that asks for more care: of the kinds of several statements, that of all. */
weir_kind weir_kind_stronger(weir_kind a, weir_kind b);

/* Per open parenthesis or bracket. Offsets into the text. */
typedef struct weir_builder_level {
    uint32_t start;              /* behind the parenthesis that opened this level */
    uint32_t row_start, row_end; /* the last row kept; row_end 0: none */
    uint32_t items;              /* of a list of nothing but literals */
    uint32_t literal, place;     /* of the first literal inside: which one, and its place */
    bool pure;                   /* so far nothing but literals and commas */
    bool comma;                  /* the last token of a pure list is a comma */
    bool rows;                   /* VALUES or IN: equal rows collapse */
    bool row_comma;              /* only a comma since the row */
    bool elided;                 /* ", ..." stands behind the row */
} weir_builder_level;

/* Writes the template's text. Not initialised as a whole: 200 levels, of which few are used. */
typedef struct weir_builder {
    weir_lexed *lexed;
    weir_buf *out;   /* its text */
    uint32_t places; /* `?` written or held back */
    bool full;       /* the text was longer than WEIR_SQL_TEXT_MAX */
    bool semicolon;
    uint8_t previous; /* word code */
    weir_token_type previous_type;
    unsigned depth;
    weir_builder_level levels[WEIR_SQL_DEPTH_MAX + 2];
} weir_builder;
void weir_builder_init(weir_builder *b, weir_lexed *lexed);
void weir_builder_token(weir_builder *b, const weir_token *t);
void weir_builder_end_statement(weir_builder *b);
/* The last word: marks what is not whole, so that texts of different meaning never meet. */
void weir_builder_finish(weir_builder *b);

#endif
