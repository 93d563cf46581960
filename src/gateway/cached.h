/* Private to gateway/: the cache before a client whose backend speaks its protocol: front.c reads
 * what stands at the front, cached.c gives what is kept, filling.c keeps what passes, touching.c
 * says what the client's statements may change. */
#ifndef WEIR_GATEWAY_CACHED_H
#define WEIR_GATEWAY_CACHED_H

#include "engine/cache.h"
#include "engine/surroundings.h"
#include "gateway/client.h"

#define WEIR_CACHED_NOT_HERE 2 /* it is for the server */
#define WEIR_FILLINGS_MAX 32u  /* of one client at a time */

/* An answer, or a statement's description, that is kept when it has passed whole. */
typedef struct weir_filling {
    weir_list node; /* of weir_cached.fillings, in the order of the wire */
    weir_fill fill;
    uint32_t number;  /* which of its window's answers (or descriptions) it is; of one that is to
                         begin: how many come before it that are not counted yet */
    bool description; /* ParameterDescription and RowDescription or NoData */
    bool head;        /* the answer describes its rows */
    bool limited;     /* … and may end in PortalSuspended */
    bool bound;       /* what comes next is the answer */
    bool parses, extended, named; /* ParseComplete, BindComplete are owed before it; of a name */
    bool whole;                   /* nothing else is owed with it but ReadyForQuery */
    bool spoiled;                 /* something else came with it: it is not kept */
    bool ripe;                    /* … it is whole; on a replica it is kept at ReadyForQuery */
    size_t head_len;
    uint64_t rows;
} weir_filling;

/* Made when the cache is first asked for this client. A window is from where nothing is owed to the
 * client up to the first ReadyForQuery: what is sent in it is one transaction at least. */
typedef struct weir_cached {
    weir_client *client;
    weir_list fillings;
    unsigned filling_count;
    weir_filling *waiting; /* for an answer that somebody else is fetching; one of them */
    weir_time waits_since; /* the statement at the front, or on its way, began to; 0: it did not */
    weir_entry *answer;    /* of whoever ran the statement at the front; a reference */
    bool asked;            /* the statement at the front was asked for, and is for the server */
    bool kept;             /* … and is a read that may be kept */
    bool harmless;         /* what is sent next begins a READ COMMITTED transaction, or marks a
                            * place in one, and nothing else */
    bool clean;            /* the open transaction, or window, has run nothing but such */
    bool here;             /* something since the last Sync was answered here */
    bool portal_here;      /* the unnamed portal was answered here, and might be asked for again: */
    struct {
        weir_prepared *prepared;          /* a reference */
        weir_buf bind;                    /* its Bind */
    } portal;                             /* … to its end */
    struct weir_temporaries *temporaries; /* its temporary tables that are known; NULL: none */
    struct weir_visit *visit; /* its reads on replicas (replica.h); NULL: there was none */
    weir_time learns_until;   /* what the write at the front touches is waited for; 0: it is not */
    weir_timer again;         /* … and looked for */
    struct {
        bool parse, bind, head;
    } owed; /* of what weir_client_cached_instead found */
    /* Of the window: */
    uint32_t sent, ended;      /* statements: sent to the server, or put between its answers */
    uint32_t described, told;  /* descriptions of statements likewise */
    size_t between;            /* bytes put between the server's answers */
    bool heard, cutting, lost; /* bytes came; they are cut into messages; they cannot be */
    bool keeps, of_statement;  /* of the message under way: the filling takes it; descriptions */
    weir_filling *taker;       /* … which */
    uint8_t head[5], head_len; /* its first bytes */
    size_t left;               /* its bytes to come */
    /* Of the settings in force: */
    bool known;           /* what follows is of `fingerprint` */
    uint64_t fingerprint; /* weir_client.fingerprint */
    uint64_t of_schema;   /* ... and of the schema with this one, which says what defaults are */
    weir_buf settings;    /* those that an answer's bytes may depend on: part of its identity */
    weir_buf parse;       /* those that a text's meaning depends on, as weir_prepared has them */
    char *search_path;    /* NULL: not known */
    char *role;
    bool read_committed;         /* a plain BEGIN is that */
    weir_time statement_timeout; /* 0: none, or not known */
    bool utf8;                   /* client_encoding */
    bool plain_strings; /* standard_conforming_strings: texts are read as the analysis does */
} weir_cached;

/* ---- cached.c ---- */
/* What begins with this message may be answered here. */
bool weir_client_cached_may_be(const weir_client *c, uint8_t type, weir_slice body);
/* A Query, or extended messages, at the front of `in`: 0: answered, `*used` grew; WAIT (1): later;
 * WEIR_CACHED_NOT_HERE. */
int weir_client_cached(weir_client *c, weir_slice in, size_t *used);
/* Nothing of its own is under way, and its session is as any other with its settings. */
bool weir_client_cached_is_settled(const weir_client *c);
/* What runs next may begin a transaction in which the cache can be asked. */
void weir_client_cached_begins(weir_client *c, const weir_statement *statement, weir_slice text);
/* Before a message about a portal is sent: it is made on the server if it was answered here.
 * -ENOMEM. */
WEIR_MUST_CHECK int weir_client_cached_portal(weir_client *c, uint8_t type, weir_slice body);
/* It goes to the server. */
void weir_client_cached_sends(weir_client *c, const weir_relay *m);
/* A connection is here, on which nothing was run for this client. */
void weir_client_cached_attached(weir_client *c);
bool weir_client_cached_waits(const weir_client *c);
/* It does not wait any more: the statement was cancelled. */
void weir_client_cached_withdraw(weir_client *c);
/* The statement under way has waited here, out of the server's statement_timeout, which goes on
 * here: since when, and how long. False: it has not. */
bool weir_client_cached_limit(const weir_client *c, weir_time *ret_since, weir_time *ret_limit);
/* That is over: it was cancelled at the server. */
void weir_client_cached_overdue(weir_client *c);
void weir_client_cached_free(weir_client *c);

/* ---- cached_settings.c ---- */
/* NULL: nothing can be asked. */
weir_cached *weir_cached_settled(weir_client *c);
/* NULL: no memory, or nothing is known of where its texts are read. */
weir_cached *weir_client_cached_surroundings(weir_client *c, weir_surroundings *ret);

/* ---- filling.c ---- */
/* The answer to what stands at the front can be kept: from where it begins, bytes can be told
 * apart. */
bool weir_filling_may_begin(weir_client *c);
/* As weir_session_begin_fill; `like` says what it is of. */
WEIR_MUST_CHECK int weir_filling_begin(weir_client *c, const weir_ask *ask,
                                       const weir_filling *like);
/* Gives it up: those who wait for it run it themselves, or (`leaving`) ask again. */
void weir_filling_drop(weir_cached *k, weir_filling *f, bool leaving);
void weir_filling_drop_all(weir_cached *k, bool leaving);
/* Bytes of the server's, or put between them, for the client. */
void weir_client_cached_bytes(weir_client *c, weir_slice bytes);
/* A ReadyForQuery went through; `rests`: nothing else is owed. */
void weir_client_cached_ready(weir_client *c, bool rests);
/* Its server was lost without a word to the one statement under way: what it gets instead of this
 * error, a reference, and that given; NULL: the error. */
weir_entry *weir_client_cached_instead(weir_client *c, const char *sqlstate, size_t ready_owed);
void weir_client_cached_give_instead(weir_client *c, const weir_entry *entry);
/* What is being filled will not be whole. */
void weir_client_cached_failed(weir_client *c);

/* ---- front.c ---- */
/* A statement at the front, all of it here: P? B D? E C?, or P? D of the statement. */
typedef struct weir_front {
    size_t size; /* of its messages */
    bool synced; /* … behind which comes Sync; for a Query always */
    weir_slice text;
    bool extended, parses, describes, closes;
    bool of_statement; /* it asks for the description of the statement */
    weir_pg_parse parse;
    weir_pg_bind bind;
    weir_slice bind_message;
    uint32_t rows_max;       /* 0: all */
    weir_slice name;         /* of its statement */
    weir_prepared *prepared; /* of extended ones */
    bool made;               /* ... by us, for this Parse: a reference */
    weir_statement statement;
} weir_front;

/* False: it is for the server. */
bool weir_front_read(weir_client *c, weir_slice in, weir_front *ret);
/* Query: a text that may be several statements. */
bool weir_front_is_read(weir_slice text);
/* Its next word is this; then `rest` is what follows. */
bool weir_front_take_word(weir_slice *rest, const char *word);
weir_slice weir_front_trim(weir_slice text);
/* An identity as weir_front_identify puts it down and background_reading.c reads it: the lengths of
 * these parts and what is asked for, each a uint32_t; then the parts. */
enum {
    WEIR_ASKED_USER,
    WEIR_ASKED_SETTINGS,
    WEIR_ASKED_TEXT,
    WEIR_ASKED_PARSE, /* the settings that it was parsed under */
    WEIR_ASKED_OIDS,
    WEIR_ASKED_FORMATS,
    WEIR_ASKED_VALUES,
    WEIR_ASKED_RESULTS, /* their formats */
    WEIR_ASKED_SHAPE,   /* of the rows, as the client was shown it */
    WEIR_ASKED_LIMIT,
    WEIR_ASKED_PARTS
};
enum { WEIR_ASKED_ROWS, WEIR_ASKED_HEAD_AND_ROWS, WEIR_ASKED_DESCRIPTION };
/* Asks the engine by what its bytes depend on (weir_session_begin_identity). */
void weir_front_identify(weir_client *c, const weir_cached *k, const weir_front *f);
/* BEGIN of a READ COMMITTED transaction, and nothing else. */
bool weir_front_begins(const weir_cached *k, weir_slice text);

/* ---- pieces.c ---- */
/* A Query of several statements: as weir_client_cached. */
int weir_client_cached_pieces(weir_client *c, weir_cached *k, weir_slice text);

/* ---- explaining.c ---- */
/* A Query that is EXPLAIN CACHE: 0: taken; WEIR_CACHED_NOT_HERE: it is not. */
int weir_client_explains(weir_client *c, const weir_pg_frame *f);
void weir_client_explaining_free(weir_client *c);

/* ---- touching.c ---- */
/* A statement is about to be sent; `bind` NULL: it has no parameters. 0; WAIT (1): not yet, what it
 * touches is being found out. */
WEIR_MUST_CHECK int weir_client_touches(weir_client *c, const weir_statement *statement,
                                        weir_slice text, const weir_prepared *prepared,
                                        const weir_pg_bind *bind);
/* It makes a temporary table, which nobody else sees, and does nothing else. */
bool weir_client_makes_temporary(const weir_statement *statement, weir_slice text);
/* By the Bind with this body: likewise. */
WEIR_MUST_CHECK int weir_client_touches_bound(weir_client *c, const weir_prepared *p,
                                              weir_slice bind);
/* weir_cached.again. */
void weir_client_looks_again(weir_timer *timer, struct weir_loop *loop);
/* Any: a FunctionCall. */
void weir_client_touches_anything(weir_client *c);
void weir_client_on_outcome(weir_relay_sink *sink, uint8_t type, weir_slice body);

/* ---- temporary.c ---- */
/* CREATE TEMP TABLE is sent (weir_client_makes_temporary). */
void weir_temporary_making(weir_client *c, weir_slice text);
/* … and ended well. */
void weir_temporary_made(weir_cached *k);
/* A statement is sent: what it may do to those that are known. */
void weir_temporary_sends(const weir_client *c, const weir_statement *statement, weir_slice text);
/* Something failed, or may be undone: none is known any more. NULL is fine. */
void weir_temporary_forget(weir_cached *k);
/* All that this INSERT, UPDATE, DELETE, TRUNCATE or COPY writes is one of its own. */
bool weir_temporary_takes(const weir_client *c, weir_slice text);
/* It drops one of its own and does nothing else. */
bool weir_temporary_drops(const weir_client *c, const weir_statement *statement, weir_slice text);

#define WEIR_CACHED_PARAMS_MAX 64u
/* The values of a Bind as weir_ask has them. False: too many, or malformed. */
bool weir_cached_params(const weir_prepared *p, const weir_pg_bind *bind,
                        weir_value values[WEIR_CACHED_PARAMS_MAX],
                        uint32_t types[WEIR_CACHED_PARAMS_MAX], size_t *ret_count);

#endif
