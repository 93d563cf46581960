/* The words of a statement as a client of the PostgreSQL face may write it: a mixture of both
 * dialects. Comments are SQLite's (they do not nest), because SQLite will read them. */
#ifndef WEIR_COMPAT_TOKEN_H
#define WEIR_COMPAT_TOKEN_H

#include "base/slice.h"

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
bool weir_token_is(weir_token t, const char *lower); /* the word or operator `lower` */
/* If the next token is `lower`, moves behind it. */
bool weir_token_accept(weir_slice *rest, const char *lower);

#endif
