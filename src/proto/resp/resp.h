/* RESP2 and RESP3, the protocol of Redis and Valkey, as a client speaks it: commands out, values
 * in. Bytes in, bytes out; no socket, no clock.
 *
 * A value is a run of tokens: one for what is simple, one for an aggregate's head and then those of
 * its elements. weir_resp_size says whether a whole one is there; weir_resp_read walks it.
 *
 * Facts: https://valkey.io/topics/protocol (RESP), /topics/cluster-spec (slots, MOVED, ASK). */
#ifndef WEIR_PROTO_RESP_RESP_H
#define WEIR_PROTO_RESP_RESP_H

#include "base/buf.h"

typedef enum weir_resp_type {
    WEIR_RESP_TEXT, /* simple, bulk or verbatim */
    WEIR_RESP_ERROR,
    WEIR_RESP_INTEGER, /* also a truth value: 0 or 1 */
    WEIR_RESP_NUMBER,  /* a double or a big number, as text */
    WEIR_RESP_NULL,
    WEIR_RESP_LIST, /* an array or a set */
    WEIR_RESP_MAP,
    WEIR_RESP_PUSH,     /* no reply: it comes by itself */
    WEIR_RESP_ATTRIBUTE /* a map about the value that follows its elements */
} weir_resp_type;

typedef struct weir_resp_token {
    weir_resp_type type;
    weir_slice text; /* TEXT, ERROR, NUMBER; borrowed */
    int64_t integer;
    uint64_t values; /* that follow and belong to it: a map of two has four */
} weir_resp_token;

typedef struct weir_resp_limits {
    size_t text_max;   /* bytes of one text */
    size_t values_max; /* of one reply, all told */
} weir_resp_limits;

#define WEIR_RESP_MORE 1

/* The length of the first value, attributes before it included. MORE: it is not whole yet; -EPROTO:
 * it is none; -EMSGSIZE: it is beyond the limits. */
WEIR_MUST_CHECK int weir_resp_size(weir_slice in, const weir_resp_limits *limits, size_t *ret);
/* The next token of a whole value, which `rest` goes past. -EPROTO: there is none. */
WEIR_MUST_CHECK int weir_resp_read(weir_slice *rest, weir_resp_token *ret);
/* Goes past a whole value. -EPROTO. */
WEIR_MUST_CHECK int weir_resp_skip(weir_slice *rest);

/* A command begins with the number of its words; then each. -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_resp_command(weir_buf *out, unsigned words);
WEIR_MUST_CHECK int weir_resp_word(weir_buf *out, weir_slice word);

/* ---- cluster ---- */

#define WEIR_RESP_SLOTS 16384u

/* CRC16 of the key, or of what stands between its first `{` and the next `}`, if anything does. */
uint16_t weir_resp_slot(weir_slice key);

typedef struct weir_resp_redirection {
    bool ask; /* this one command, behind ASKING; else from now on (MOVED) */
    uint16_t slot;
    weir_slice address; /* "host:port"; borrowed. The host may be empty: where it was said. */
} weir_resp_redirection;
/* False: the error is another one. */
bool weir_resp_redirected(weir_slice error, weir_resp_redirection *ret);

#endif
