/* SCRAM-SHA-256, the client's three steps. The user name is left empty, as libpq does: the startup
 * packet's counts. The header says whether the exchange is bound to the server's certificate ("p"),
 * could be, had the server offered it ("y": it did, if somebody between us took the offer out), or
 * cannot be ("n"). */
#include "proto/pg/crypt.h"
#include "proto/pg/scram.h"

#include <stdio.h>

#define SALT_MAX 128u

static const char *header_of(const weir_pg_auth_client *auth)
{
    if (auth->bound)
        return WEIR_PG_SCRAM_BOUND;
    return auth->binding_len > 0 ? "y,," : "n,,";
}

/* The header once more, and behind it the binding; in base64. */
static void encode_binding(const weir_pg_auth_client *auth, char ret[WEIR_PG_SCRAM_BOUND_SIZE])
{
    if (auth->bound)
        weir_pg_scram_bound(auth->binding, auth->binding_len, ret);
    else
        weir_pg_base64_encode(weir_slice_cstr(header_of(auth)), ret);
}

void weir_pg_scram_client_first(weir_pg_auth_client *auth, char ret[128])
{
    char nonce[WEIR_PG_BASE64_SIZE(sizeof(auth->random))];
    weir_pg_base64_encode(weir_slice_make(auth->random, sizeof(auth->random)), nonce);
    snprintf(auth->client_first_bare, sizeof(auth->client_first_bare), "n=,r=%s", nonce);
    snprintf(ret, 128, "%s%s", header_of(auth), auth->client_first_bare);
}

typedef struct first_message {
    weir_slice nonce;
    uint8_t salt[SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
} first_message;

/* "r=<our nonce and more>,s=<salt>,i=<iterations>" and nothing else. */
static int read_server_first(const weir_pg_auth_client *auth, weir_slice message,
                             first_message *ret)
{
    weir_slice salt, iterations;
    weir_slice ours = weir_slice_cstr(strchr(auth->client_first_bare, ',') + sizeof(",r=") - 1);
    if (message.len >= WEIR_PG_SCRAM_MESSAGE_MAX / 2 ||
        weir_pg_scram_attribute(&message, 'r', &ret->nonce) != 0 ||
        !weir_pg_scram_is_nonce(ret->nonce) || ret->nonce.len <= ours.len ||
        memcmp(ret->nonce.data, ours.data, ours.len) != 0)
        return -EPROTO;
    if (weir_pg_scram_attribute(&message, 's', &salt) != 0 ||
        weir_pg_base64_decode(salt, ret->salt, sizeof(ret->salt), &ret->salt_len) != 0 ||
        ret->salt_len == 0)
        return -EPROTO;
    if (weir_pg_scram_attribute(&message, 'i', &iterations) != 0 || message.len != 0 ||
        weir_pg_scram_iterations(iterations, &ret->iterations) != 0)
        return -EPROTO;
    return 0;
}

/* The keys that prove it: of the password, or as they were given. */
static int make_keys(const weir_pg_auth_client *auth, const first_message *first,
                     weir_pg_scram_keys *ret)
{
    if (!auth->has_proof)
        return weir_pg_scram_derive(auth->password, weir_slice_make(first->salt, first->salt_len),
                                    first->iterations, ret);
    memcpy(ret->client, auth->proof.client_key, sizeof(ret->client));
    memcpy(ret->server, auth->proof.server_key, sizeof(ret->server));
    return weir_pg_sha256(weir_slice_make(ret->client, sizeof(ret->client)), ret->stored);
}

/* Signs the exchange with both keys: our proof, and the signature the server must show. */
static int sign(weir_pg_auth_client *auth, const weir_pg_scram_keys *keys, weir_slice server_first,
                weir_slice without_proof, uint8_t proof[WEIR_PG_SCRAM_KEY])
{
    int r = weir_pg_scram_sign(keys->stored, auth->client_first_bare, server_first, without_proof,
                               proof);
    if (r == 0)
        r = weir_pg_scram_sign(keys->server, auth->client_first_bare, server_first, without_proof,
                               auth->server_signature);
    for (size_t i = 0; r == 0 && i < WEIR_PG_SCRAM_KEY; i++)
        proof[i] ^= keys->client[i];
    return r;
}

int weir_pg_scram_client_final(weir_pg_auth_client *auth, weir_slice message,
                               char ret[WEIR_PG_SCRAM_MESSAGE_MAX])
{
    first_message first;
    weir_pg_scram_keys keys;
    int r = read_server_first(auth, message, &first);
    if (r == 0)
        r = make_keys(auth, &first, &keys);
    if (r != 0)
        return r;
    char binding[WEIR_PG_SCRAM_BOUND_SIZE];
    encode_binding(auth, binding);
    int len = snprintf(ret, WEIR_PG_SCRAM_MESSAGE_MAX, "c=%s,r=%.*s", binding, (int)first.nonce.len,
                       (const char *)first.nonce.data);
    uint8_t proof[WEIR_PG_SCRAM_KEY];
    r = sign(auth, &keys, message, weir_slice_make(ret, (size_t)len), proof);
    weir_pg_forget(&keys, sizeof(keys));
    if (r == 0) {
        memcpy(ret + len, ",p=", 3);
        weir_pg_base64_encode(weir_slice_make(proof, sizeof(proof)), ret + len + 3);
    }
    return r;
}

int weir_pg_scram_client_verify(const weir_pg_auth_client *auth, weir_slice message)
{
    weir_slice value;
    uint8_t signature[WEIR_PG_SCRAM_KEY];
    size_t len = 0;
    if (weir_pg_scram_attribute(&message, 'v', &value) != 0 || message.len != 0 ||
        weir_pg_base64_decode(value, signature, sizeof(signature), &len) != 0 ||
        len != sizeof(signature))
        return -EPROTO;
    return weir_pg_equal_in_constant_time(signature, auth->server_signature, len) ? 0 : -EPROTO;
}
