/* The words of a statement as a client of the PostgreSQL face may write it: a mixture of both
 * dialects. Comments are SQLite's (they do not nest), because SQLite will read them. */
#ifndef WEIR_COMPAT_TOKEN_H
#define WEIR_COMPAT_TOKEN_H

#include "base/ascii.h"
#include "base/buf.h"
#include "base/error.h"

typedef enum weir_token_kind {
    WEIR_TOKEN_END,
    WEIR_TOKEN_WORD,   /* keyword or unquoted name */
    WEIR_TOKEN_QUOTED, /* "name", `name` */
    WEIR_TOKEN_STRING, /* '…', E'…', $tag$…$tag$ */
    WEIR_TOKEN_BLOB,   /* X'…' */
    WEIR_TOKEN_NUMBER,
    WEIR_TOKEN_PARAM, /* $1, ?1, ?, :name, @name */
    WEIR_TOKEN_OP     /* operator or punctuation */
} weir_token_kind;

typedef struct weir_token {
    weir_token_kind kind;
    weir_slice text; /* as written */
} weir_token;

/* The next token of `*rest`, which is moved behind it. END at the end; an unterminated quote is a
 * token up to the end. */
weir_token weir_token_next(weir_slice *rest);
/* The same without moving. */
weir_token weir_token_peek(weir_slice rest);
/* The word or operator `lower`. Asked hundreds of times a statement: mostly the first byte says no.
 */
static inline bool weir_token_is(weir_token t, const char *lower)
{
    return (t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_OP) &&
           weir_ascii_lower(t.text.data[0]) == (uint8_t)lower[0] &&
           weir_slice_eq_nocase(t.text, lower);
}

/* One of `words`, which is an array. */
#define weir_token_is_one_of(t, words)                                                             \
    weir_token_is_listed(t, words, sizeof(words) / sizeof((words)[0]))
bool weir_token_is_listed(weir_token t, const char *const *words, size_t count);
/* If the next token is `lower`, moves behind it. */
bool weir_token_accept(weir_slice *rest, const char *lower);
/* Both, or it does not move. */
bool weir_token_accept2(weir_slice *rest, const char *first, const char *second);
/* Behind an opening parenthesis: moves behind its partner, or to the end; false: there is none.
 * `*ret_inside` (may be NULL): what stands between them. */
bool weir_token_take_parentheses(weir_slice *rest, weir_slice *ret_inside);
/* The next item of a list: up to a comma outside parentheses and brackets, moving behind it. Empty
 * at the end. */
weir_slice weir_token_take_item(weir_slice *rest);

/* 42601: it stands where it may not. WEIR_COMPAT_REFUSED. */
WEIR_MUST_CHECK int weir_token_unexpected(weir_token t, weir_error *err);

/* Appends a name (`"`) or string (`'`) as a token. -ENOMEM, -ENOSPC. */
WEIR_MUST_CHECK int weir_token_put_quoted(weir_buf *out, weir_slice s, uint8_t quote);
/* Do these bytes stand anywhere in the text, in any case? Quick, and says nothing of tokens. */
bool weir_token_mentions(weir_slice text, const char *lower);

#endif
