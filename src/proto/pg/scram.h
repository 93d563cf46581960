/* Private to proto/pg: SCRAM-SHA-256's messages and proofs, used by auth.c on both sides. */
#ifndef WEIR_PROTO_PG_SCRAM_H
#define WEIR_PROTO_PG_SCRAM_H

#include "proto/pg/crypt.h"

#define WEIR_PG_SCRAM_MESSAGE_MAX 512u /* of any message of an exchange */
/* What begins an exchange that is bound to the server's certificate (GS2 header, RFC 5802). */
#define WEIR_PG_SCRAM_BOUND "p=tls-server-end-point,,"
/* In base64, what c= says: the header, and the binding behind it. */
#define WEIR_PG_SCRAM_BOUND_SIZE                                                                   \
    WEIR_PG_BASE64_SIZE(sizeof(WEIR_PG_SCRAM_BOUND) - 1 + WEIR_PG_BINDING_MAX)

void weir_pg_scram_bound(const uint8_t *binding, size_t len, char ret[WEIR_PG_SCRAM_BOUND_SIZE]);

/* Server: reads the client-first-message and makes the server-first-message (both kept in `auth`).
 * -EPROTO: malformed, too long, or it wants what we do not speak (channel binding, authzid). */
WEIR_MUST_CHECK int weir_pg_scram_server_first(weir_pg_auth_server *auth, weir_slice client_first);
/* Server: judges the client-final-message. 0: proved, the server-final-message is in `ret`
 * (zero-terminated); -EACCES: wrong proof; -EPROTO: malformed. */
WEIR_MUST_CHECK int weir_pg_scram_server_final(weir_pg_auth_server *auth, weir_slice client_final,
                                               char ret[64]);

/* Client: the client-first-message, zero-terminated. */
void weir_pg_scram_client_first(weir_pg_auth_client *auth, char ret[128]);
/* Client: answers the server-first-message; keeps the signature that the server must give. */
WEIR_MUST_CHECK int weir_pg_scram_client_final(weir_pg_auth_client *auth, weir_slice server_first,
                                               char ret[WEIR_PG_SCRAM_MESSAGE_MAX]);
/* Client: 0: the server proved that it knows our secret; -EPROTO: it did not. */
WEIR_MUST_CHECK int weir_pg_scram_client_verify(const weir_pg_auth_client *auth,
                                                weir_slice server_final);

/* SCRAM's derivations: SaltedPassword -> ClientKey, StoredKey, ServerKey. */
typedef struct weir_pg_scram_keys {
    uint8_t client[WEIR_PG_SCRAM_KEY];
    uint8_t stored[WEIR_PG_SCRAM_KEY];
    uint8_t server[WEIR_PG_SCRAM_KEY];
} weir_pg_scram_keys;

WEIR_MUST_CHECK int weir_pg_scram_derive(weir_slice password, weir_slice salt, uint32_t iterations,
                                         weir_pg_scram_keys *ret);
/* "client-first-bare,server-first,client-final-without-proof". */
WEIR_MUST_CHECK int weir_pg_scram_sign(const uint8_t key[WEIR_PG_SCRAM_KEY], const char *first_bare,
                                       weir_slice server_first, weir_slice final_without_proof,
                                       uint8_t ret[WEIR_PG_SCRAM_KEY]);
/* Takes "x=value" and the comma behind it off the front of `rest`. */
WEIR_MUST_CHECK int weir_pg_scram_attribute(weir_slice *rest, char name, weir_slice *ret_value);
/* Takes any optional attribute ("x=value") off; mandatory extensions ("m=") are refused. */
WEIR_MUST_CHECK int weir_pg_scram_any_attribute(weir_slice *rest, uint8_t *ret_name,
                                                weir_slice *ret_value);
/* Only printable ASCII but the comma, and some of it. */
bool weir_pg_scram_is_nonce(weir_slice nonce);
/* A positive decimal number up to WEIR_PG_SCRAM_ITERATIONS_MAX; -EINVAL. */
WEIR_MUST_CHECK int weir_pg_scram_iterations(weir_slice text, uint32_t *ret);

#endif
