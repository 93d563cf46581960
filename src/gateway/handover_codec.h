/* What two processes say to each other while one takes over from the other: bytes in, structs and
 * bytes out, no I/O. Private to gateway/. Slices borrow from the input.
 *
 * A frame is its type (1 byte), the length of its body (4), the body; a CLIENT's body is a record:
 * fields of tag (1), length (4) and value, in rising order of their tags. What a reader does not
 * know it refuses: a client is kept by who knows it, never guessed at. A new field gets a new tag
 * and raises WEIR_HANDOVER_VERSION; a writer leaves it out toward an older reader, or keeps the
 * client. */
#ifndef WEIR_GATEWAY_HANDOVER_CODEC_H
#define WEIR_GATEWAY_HANDOVER_CODEC_H

#include "base/buf.h"

#define WEIR_HANDOVER_VERSION 1u
#define WEIR_HANDOVER_VERSION_OLDEST 1u
#define WEIR_HANDOVER_BODY_MAX (64u * 1048576u)
#define WEIR_HANDOVER_SECRET 32u
#define WEIR_HANDOVER_KEY_MAX 256u

typedef enum weir_handover_type {
    WEIR_HANDOVER_HELLO = 1, /* the new one: which versions it reads */
    WEIR_HANDOVER_OFFER,     /* the old one: the version to come */
    WEIR_HANDOVER_LISTENER,  /* with a descriptor */
    WEIR_HANDOVER_OFFERED,   /* that was all */
    WEIR_HANDOVER_READY,     /* the new one serves */
    WEIR_HANDOVER_CLIENT,    /* with a descriptor */
    WEIR_HANDOVER_TAKEN,     /* that client is the new one's */
    WEIR_HANDOVER_REFUSED,   /* … remains the old one's */
    WEIR_HANDOVER_CANCEL,    /* for a client that may be the other's; either way */
    WEIR_HANDOVER_BYE        /* the new one ends on purpose */
} weir_handover_type;

typedef struct weir_handover_frame {
    weir_handover_type type;
    weir_slice body;
    size_t size; /* of the whole frame */
} weir_handover_frame;

/* 1: more bytes are needed. -EPROTO: no such type, or too long. */
WEIR_MUST_CHECK int weir_handover_frame_read(weir_slice in, weir_handover_frame *ret);
bool weir_handover_has_descriptor(weir_handover_type type);
/* On failure (-ENOMEM, -EMSGSIZE) `out` is as it was; so it is for every writer here. */
WEIR_MUST_CHECK int weir_handover_write(weir_buf *out, weir_handover_type type, weir_slice body);

/* ---- bodies ---- */

WEIR_MUST_CHECK int weir_handover_write_hello(weir_buf *out);
/* The version to speak. -EPROTO: no HELLO of ours; -ENOTSUP: none in common. */
WEIR_MUST_CHECK int weir_handover_hello_read(weir_slice body, uint32_t *ret_version);

typedef struct weir_handover_offer {
    uint32_t version;
    uint32_t next_id; /* clients' ids up to here are in use over there */
} weir_handover_offer;

WEIR_MUST_CHECK int weir_handover_write_offer(weir_buf *out, const weir_handover_offer *offer);
/* -EPROTO, -ENOTSUP. */
WEIR_MUST_CHECK int weir_handover_offer_read(weir_slice body, weir_handover_offer *ret);

typedef enum weir_handover_kind {
    WEIR_HANDOVER_CLIENTS, /* `address` is as configured */
    WEIR_HANDOVER_ADMIN,
    WEIR_HANDOVER_RESTARTS,
    WEIR_HANDOVER_KINDS
} weir_handover_kind;

WEIR_MUST_CHECK int weir_handover_write_listener(weir_buf *out, weir_handover_kind kind,
                                                 const char *address);
WEIR_MUST_CHECK int weir_handover_listener_read(weir_slice body, weir_handover_kind *ret_kind,
                                                weir_slice *ret_address);

/* TAKEN, REFUSED. */
WEIR_MUST_CHECK int weir_handover_write_verdict(weir_buf *out, bool taken, uint32_t id);
WEIR_MUST_CHECK int weir_handover_verdict_read(weir_slice body, uint32_t *ret_id);

WEIR_MUST_CHECK int weir_handover_write_cancel(weir_buf *out, uint32_t id, weir_slice key);
WEIR_MUST_CHECK int weir_handover_cancel_read(weir_slice body, uint32_t *ret_id,
                                              weir_slice *ret_key);

/* ---- a client's record ---- */

typedef struct weir_record_statement {
    weir_slice name;     /* "": the unnamed one */
    weir_slice oids;     /* as Parse has them: 4 bytes each */
    weir_slice settings; /* it was parsed under: "name\0value\0" pairs */
    weir_slice text;
    bool by_sql; /* the text is a PREPARE */
} weir_record_statement;

/* What it proved, with which the server is logged in to in its name. */
typedef struct weir_record_login {
    weir_slice password; /* "": none */
    weir_slice keys;     /* WEIR_RECORD_KEYS bytes, or none */
} weir_record_login;

#define WEIR_RECORD_KEYS 64u /* SCRAM's client key and server key */

typedef struct weir_record {
    uint32_t id;
    uint32_t protocol;
    uint8_t secret[WEIR_HANDOVER_SECRET];
    bool console;    /* in the admin database, and may be */
    bool has_params; /* its settings are no longer those of the startup packet */
    weir_slice user, database;
    weir_slice startup, params; /* "name\0value\0" pairs: settings at startup, and in force */
    weir_record_login login;
    /* Runs of fields, for the walkers below. */
    weir_slice settings;   /* SQLite: what was SET since */
    weir_slice statements; /* prepared */
    weir_slice listens;
    weir_slice unread; /* bytes received from the client and not looked at yet */
} weir_record;

/* Writers, to be called in this order; the repeated ones any number of times. */
WEIR_MUST_CHECK int weir_record_write(weir_buf *out, const weir_record *record);
WEIR_MUST_CHECK int weir_record_write_setting(weir_buf *out, weir_slice name, weir_slice value);
WEIR_MUST_CHECK int weir_record_write_statement(weir_buf *out, const weir_record_statement *s);
WEIR_MUST_CHECK int weir_record_write_listen(weir_buf *out, weir_slice channel);
/* Between the two the caller appends the unread bytes. `close` cannot fail. */
WEIR_MUST_CHECK int weir_record_open_unread(weir_buf *out, size_t *ret_mark);
void weir_record_close_unread(weir_buf *out, size_t mark);

/* Everything is checked here; the walkers then cannot fail. -EPROTO. */
WEIR_MUST_CHECK int weir_record_read(weir_slice in, weir_record *ret);
/* Start with *pos = 0; false at the end. */
bool weir_record_next_setting(weir_slice settings, size_t *pos, weir_slice *ret_name,
                              weir_slice *ret_value);
bool weir_record_next_statement(weir_slice statements, size_t *pos, weir_record_statement *ret);
bool weir_record_next_listen(weir_slice listens, size_t *pos, weir_slice *ret_channel);

#endif
