/* Private to gateway/: the cache before a client whose backend speaks its protocol: cached.c gives
 * what is kept and fills it, touching.c says what the client's statements may change. */
#ifndef WEIR_GATEWAY_CACHED_H
#define WEIR_GATEWAY_CACHED_H

#include "engine/cache.h"
#include "engine/surroundings.h"
#include "gateway/client.h"

#define WEIR_CACHED_NOT_HERE 2 /* it is for the server */

/* Made when the cache is first asked for this client. */
typedef struct weir_cached {
    weir_client *client;
    weir_fill fill;
    weir_entry *answer; /* of whoever ran the statement at the front; a reference */
    bool asked;         /* the statement at the front was asked for, and is for the server */
    bool waiting;       /* for an answer that somebody else is fetching */
    bool head;          /* the fill's answer describes its rows */
    bool begins;        /* what is sent next begins a READ COMMITTED transaction and nothing else */
    bool clean;         /* the open transaction has run nothing but reads that may be kept */
    /* Of the settings in force: */
    bool known;           /* what follows is of `fingerprint` */
    uint64_t fingerprint; /* weir_client.fingerprint */
    uint64_t of_schema;   /* ... and of the schema with this one, which says what defaults are */
    weir_buf settings;    /* those that an answer's bytes may depend on: part of its identity */
    weir_buf parse;       /* those that a text's meaning depends on, as weir_prepared has them */
    char *search_path;    /* NULL: not known */
    char *role;
    bool read_committed; /* a plain BEGIN is that */
    bool utf8;           /* client_encoding */
    bool plain_strings;  /* standard_conforming_strings: texts are read as the analysis does */
} weir_cached;

/* ---- cached.c ---- */
/* A Query, or a Parse or Bind with all that follows up to its Sync, at the front of `in`: 0: it was
 * answered, `*used` grew; WAIT (1): later; WEIR_CACHED_NOT_HERE. */
int weir_client_cached(weir_client *c, weir_slice in, size_t *used);
/* What runs next may begin a transaction in which the cache can be asked. */
void weir_client_cached_begins(weir_client *c, const weir_statement *statement, weir_slice text);
/* Something goes to the server and is run there. */
void weir_client_cached_runs(weir_client *c);
/* Bytes of the server's for the client. */
void weir_client_cached_bytes(weir_client *c, weir_slice bytes);
/* A ReadyForQuery went through. */
void weir_client_cached_ready(weir_client *c);
/* What is being filled will not be whole. */
void weir_client_cached_failed(weir_client *c);
bool weir_client_cached_waits(const weir_client *c);
/* It does not wait any more: the statement was cancelled. */
void weir_client_cached_withdraw(weir_client *c);
void weir_client_cached_free(weir_client *c);
/* NULL: no memory, or nothing is known of where its texts are read. */
weir_cached *weir_client_cached_surroundings(weir_client *c, weir_surroundings *ret);

/* ---- explaining.c ---- */
/* A Query that is EXPLAIN CACHE: 0: taken; WEIR_CACHED_NOT_HERE: it is not. */
int weir_client_explains(weir_client *c, const weir_pg_frame *f);
void weir_client_explaining_free(weir_client *c);

/* ---- touching.c ---- */
/* A statement is about to be sent; `bind` NULL: it has no parameters. */
void weir_client_touches(weir_client *c, const weir_statement *statement, weir_slice text,
                         const weir_prepared *prepared, const weir_pg_bind *bind);
/* By the Bind with this body. */
void weir_client_touches_bound(weir_client *c, const weir_prepared *p, weir_slice bind);
/* Any: a FunctionCall. */
void weir_client_touches_anything(weir_client *c);
void weir_client_on_outcome(weir_relay_sink *sink, uint8_t type, weir_slice body);

#define WEIR_CACHED_PARAMS_MAX 64u
/* The values of a Bind as weir_ask has them. False: too many, or malformed. */
bool weir_cached_params(const weir_prepared *p, const weir_pg_bind *bind,
                        weir_value values[WEIR_CACHED_PARAMS_MAX],
                        uint32_t types[WEIR_CACHED_PARAMS_MAX], size_t *ret_count);

#endif
