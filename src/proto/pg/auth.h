/* Authentication of the PostgreSQL protocol, both sides, as little state machines without I/O:
 * trust, clear-text password, md5, SCRAM-SHA-256 (RFC 5802, RFC 7677). Random bytes are given by
 * the caller. Error codes as in pg.h.
 *
 *   server: BEGIN -> DONE                              trust
 *           BEGIN -> WAIT_PASSWORD -> DONE | FAILED    password, md5
 *           BEGIN -> WAIT_INITIAL -> WAIT_FINAL -> DONE | FAILED    SCRAM
 *   client: BEGIN -> OK                                trust
 *           BEGIN -> ANSWERED -> OK                    password, md5
 *           BEGIN -> SASL_FIRST -> SASL_FINAL -> OK    SCRAM; OK only once the server proved itself
 */
#ifndef WEIR_PROTO_PG_AUTH_H
#define WEIR_PROTO_PG_AUTH_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

typedef enum weir_pg_auth_method {
    WEIR_PG_AUTH_TRUST,
    WEIR_PG_AUTH_PASSWORD, /* clear text: only where the transport is trusted */
    WEIR_PG_AUTH_MD5,
    WEIR_PG_AUTH_SCRAM
} weir_pg_auth_method;

#define WEIR_PG_SCRAM_KEY 32
#define WEIR_PG_SCRAM_ITERATIONS 4096u         /* PostgreSQL's default */
#define WEIR_PG_SCRAM_ITERATIONS_MAX 10000000u /* more is refused: it would only burn our CPU */

/* What is kept of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677): no password where keys
 * suffice. */
typedef struct weir_pg_scram_secret {
    uint32_t iterations;
    uint8_t salt[32];
    uint8_t salt_len;
    uint8_t stored_key[WEIR_PG_SCRAM_KEY];
    uint8_t server_key[WEIR_PG_SCRAM_KEY];
} weir_pg_scram_secret;

/* PostgreSQL's form: SCRAM-SHA-256$iterations:salt$stored:server (base64). -EINVAL. */
WEIR_MUST_CHECK int weir_pg_scram_secret_parse(weir_slice text, weir_pg_scram_secret *ret);
/* Derives the secret of a password; `salt` is 16 random bytes. Costs `iterations` hashes: derive
 * once and keep it. SASLprep (RFC 4013) is applied as far as it needs no normalisation tables, see
 * saslprep.c; other bytes are taken as they are, as PostgreSQL does. -EINVAL: iterations are 0 or
 * above WEIR_PG_SCRAM_ITERATIONS_MAX. */
WEIR_MUST_CHECK int weir_pg_scram_secret_make(weir_slice password, const uint8_t salt[16],
                                              uint32_t iterations, weir_pg_scram_secret *ret);
/* PostgreSQL's form of a secret, zero-terminated. -EMSGSIZE: `size` is too small (160 is enough).
 */
WEIR_MUST_CHECK int weir_pg_scram_secret_print(const weir_pg_scram_secret *secret, char *ret,
                                               size_t size);
/* Whoever has both can log in by SCRAM, at the server whose secret they belong to. */
typedef struct weir_pg_scram_proof {
    uint8_t client_key[WEIR_PG_SCRAM_KEY];
    uint8_t server_key[WEIR_PG_SCRAM_KEY];
} weir_pg_scram_proof;

/* Is this the password the secret was made of? 0, or -EACCES; -ENOMEM. `ret`: the keys, if so; may
 * be NULL. */
WEIR_MUST_CHECK int weir_pg_scram_secret_check(const weir_pg_scram_secret *secret,
                                               weir_slice password, weir_pg_scram_proof *ret);
/* PostgreSQL's form of an md5 secret: "md5" and 32 hexadecimal digits. */
bool weir_pg_is_md5_secret(weir_slice text);
/* Overwrites what nobody may find later. */
void weir_pg_forget(void *secret, size_t len);
/* "md5" + hex(md5(hex(md5(password user)) salt)). `ret` gets 36 bytes with the zero byte. */
WEIR_MUST_CHECK int weir_pg_md5_answer(weir_slice user, weir_slice password, const uint8_t salt[4],
                                       char ret[36]);

typedef enum weir_pg_auth_state {
    WEIR_PG_AUTH_BEGIN,
    WEIR_PG_AUTH_WAIT_PASSWORD,
    WEIR_PG_AUTH_WAIT_INITIAL,
    WEIR_PG_AUTH_WAIT_FINAL,
    WEIR_PG_AUTH_DONE,
    WEIR_PG_AUTH_FAILED
} weir_pg_auth_state;

#define WEIR_PG_BINDING_MAX 64 /* a digest of our certificate: SHA-512 at most */

/* A client that is proving who it is. Zero it, set `binding` if it speaks TLS, then begin; in the
 * end weir_pg_auth_server_fini. */
typedef struct weir_pg_auth_server {
    uint8_t binding[WEIR_PG_BINDING_MAX]; /* tls-server-end-point (RFC 5929): the certificate's */
    uint8_t binding_len;                  /* 0: SCRAM-SHA-256-PLUS is not offered */
    bool bound;                           /* the client chose it */
    bool proved;                          /* `proof` is good: DONE by SCRAM's keys */
    weir_pg_scram_proof proof;
    weir_pg_auth_method method;
    weir_pg_auth_state state;
    uint8_t salt[4];
    weir_pg_scram_secret secret;
    bool doomed; /* unknown user: the exchange runs on a mock secret and always fails */
    char user[64];
    const char *password; /* borrowed: clear text or an md5 secret; NULL: none */
    bool has_secret;
    char gs2_flag; /* 'n', 'y' or 'p', as the client began */
    char server_nonce[25];
    char client_first_bare[256];
    char server_first[256];
} weir_pg_auth_server;

/* What the user is known by: `secret` serves SCRAM and PASSWORD, `password` (borrowed while
 * authenticating) serves all methods, but SCRAM then derives a secret here and now, at the cost of
 * 4 096 iterations; as an md5 secret it serves MD5 and PASSWORD. Both NULL: an unknown user, who
 * learns nothing from the exchange. `random` is 32 fresh random bytes; `mock_key` is a secret of
 * this process (or better, kept over restarts): with it an unknown user's SCRAM salt is derived, so
 * that it stays the same from one attempt to the next, as a real one would. Appends the server's
 * first message (for TRUST: AuthenticationOk, and the state is DONE). */
WEIR_MUST_CHECK int weir_pg_auth_server_begin(weir_pg_auth_server *auth, weir_pg_auth_method method,
                                              weir_slice user, const char *password,
                                              const weir_pg_scram_secret *secret,
                                              const uint8_t random[32], const uint8_t mock_key[32],
                                              weir_buf *out);
/* Feeds the body of a 'p' message; appends the answer. Look at auth->state: DONE (AuthenticationOk
 * was appended), FAILED (nothing appended; tell the client 28P01), or go on. -EPROTO: malformed. */
WEIR_MUST_CHECK int weir_pg_auth_server_feed(weir_pg_auth_server *auth, weir_slice body,
                                             weir_buf *out);
/* Feeding it costs thousands of hashes: better not on a loop. */
bool weir_pg_auth_server_is_costly(const weir_pg_auth_server *auth);
void weir_pg_auth_server_fini(weir_pg_auth_server *auth);

/* We, proving who we are to a server. Zero it, set user and what proves it, feed every 'R'
 * message's body. */
typedef struct weir_pg_auth_client {
    weir_slice user, password; /* borrowed; the password in clear or as an md5 secret */
    bool has_proof;            /* `proof` serves SCRAM in place of a password */
    weir_pg_scram_proof proof;
    enum {
        WEIR_PG_AUTHC_BEGIN,
        WEIR_PG_AUTHC_ANSWERED,
        WEIR_PG_AUTHC_SASL_FIRST,
        WEIR_PG_AUTHC_SASL_FINAL,
        WEIR_PG_AUTHC_OK
    } state;
    uint8_t random[24];                   /* for the nonce: set before feeding */
    uint8_t binding[WEIR_PG_BINDING_MAX]; /* tls-server-end-point of the server's certificate */
    uint8_t binding_len;                  /* 0: nothing to bind to, or not wanted */
    bool must_bind;                       /* log in by SCRAM-SHA-256-PLUS, or not at all */
    bool bound;                           /* that was chosen */
    char client_first_bare[96];
    uint8_t server_signature[WEIR_PG_SCRAM_KEY];
    bool server_verified;
} weir_pg_auth_client;

/* Appends what is to be sent; state OK: AuthenticationOk came. -EPROTO: malformed, out of order, or
 * the server's signature is wrong (not the server it claims to be); -ENOTSUP: a method we do not
 * speak; -EACCES: a password is asked for and we have none. Words in `err`. */
WEIR_MUST_CHECK int weir_pg_auth_client_feed(weir_pg_auth_client *auth, weir_slice body,
                                             weir_buf *out, weir_error *err);

#endif
