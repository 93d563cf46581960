/* SCRAM-SHA-256, the server's two steps. The user name inside the exchange is ignored, as
 * PostgreSQL does: the startup packet's counts. Channel binding is refused ("p="), a client that
 * could but sees no offer ("y") is accepted. */
#include "proto/pg/crypt.h"
#include "proto/pg/scram.h"

#include <stdio.h>

/* "n,," or "y,,": the flag, no authorisation identity. */
static int read_gs2_header(weir_slice *rest, char *ret_flag)
{
    weir_slice in = *rest;
    if (in.len < 3 || (in.data[0] != 'n' && in.data[0] != 'y') || in.data[1] != ',' ||
        in.data[2] != ',')
        return -EPROTO;
    *ret_flag = (char)in.data[0];
    *rest = weir_slice_skip(in, 3);
    return 0;
}

static int skip_extensions(weir_slice *rest)
{
    int r = 0;
    uint8_t name;
    weir_slice value;
    while (r == 0 && rest->len > 0)
        r = weir_pg_scram_any_attribute(rest, &name, &value);
    return r;
}

static int read_client_first(weir_pg_auth_server *auth, weir_slice message, weir_slice *ret_nonce)
{
    weir_slice user;
    int r = read_gs2_header(&message, &auth->gs2_flag);
    weir_slice bare = message;
    if (r == 0 && (bare.len >= sizeof(auth->client_first_bare) ||
                   (bare.len > 0 && memchr(bare.data, 0, bare.len))))
        r = -EPROTO;
    if (r == 0)
        r = weir_pg_scram_attribute(&message, 'n', &user);
    if (r == 0)
        r = weir_pg_scram_attribute(&message, 'r', ret_nonce);
    if (r == 0 && !weir_pg_scram_is_nonce(*ret_nonce))
        r = -EPROTO;
    if (r == 0)
        r = skip_extensions(&message);
    if (r == 0) {
        memcpy(auth->client_first_bare, bare.data, bare.len);
        auth->client_first_bare[bare.len] = '\0';
    }
    return r;
}

int weir_pg_scram_server_first(weir_pg_auth_server *auth, weir_slice client_first)
{
    weir_slice nonce;
    int r = read_client_first(auth, client_first, &nonce);
    if (r != 0)
        return r;
    char salt[WEIR_PG_BASE64_SIZE(sizeof(auth->secret.salt))];
    weir_pg_base64_encode(weir_slice_make(auth->secret.salt, auth->secret.salt_len), salt);
    int len = snprintf(auth->server_first, sizeof(auth->server_first), "r=%.*s%s,s=%s,i=%u",
                       (int)nonce.len, (const char *)nonce.data, auth->server_nonce, salt,
                       auth->secret.iterations);
    return len > 0 && (size_t)len < sizeof(auth->server_first) ? 0 : -EPROTO;
}

typedef struct client_final {
    weir_slice without_proof;
    uint8_t proof[WEIR_PG_SCRAM_KEY];
} client_final;

static int read_proof(weir_slice *rest, uint8_t ret[WEIR_PG_SCRAM_KEY])
{
    uint8_t name = 0;
    weir_slice value = {0};
    while (name != 'p') { /* what is before the proof are extensions, which we ignore */
        int r = weir_pg_scram_any_attribute(rest, &name, &value);
        if (r != 0)
            return r;
    }
    size_t len = 0;
    int r = weir_pg_base64_decode(value, ret, WEIR_PG_SCRAM_KEY, &len);
    return r == 0 && len == WEIR_PG_SCRAM_KEY && rest->len == 0 ? 0 : -EPROTO;
}

/* "c=<header as begun>,r=<the nonce we gave>[,extensions],p=<proof>". */
static int read_client_final(const weir_pg_auth_server *auth, weir_slice message, client_final *ret)
{
    weir_slice whole = message, binding, nonce;
    int r = weir_pg_scram_attribute(&message, 'c', &binding);
    if (r == 0 && !weir_slice_eq_cstr(binding, auth->gs2_flag == 'y' ? "eSws" : "biws"))
        r = -EPROTO;
    if (r == 0)
        r = weir_pg_scram_attribute(&message, 'r', &nonce);
    const char *ours = auth->server_first + 2;
    if (r == 0 && !weir_slice_eq(nonce, weir_slice_make(ours, strcspn(ours, ","))))
        r = -EPROTO;
    if (r == 0)
        r = read_proof(&message, ret->proof);
    if (r != 0)
        return r;
    size_t proof_len = sizeof(",p=") - 1 + WEIR_PG_BASE64_SIZE(WEIR_PG_SCRAM_KEY) - 1;
    assert(whole.len > proof_len);
    ret->without_proof = weir_slice_head(whole, whole.len - proof_len);
    return 0;
}

/* ClientKey = proof XOR signature; its hash must be the StoredKey. */
static int check_proof(const weir_pg_auth_server *auth, const client_final *final)
{
    uint8_t key[WEIR_PG_SCRAM_KEY], hash[WEIR_PG_SCRAM_KEY];
    int r = weir_pg_scram_sign(auth->secret.stored_key, auth->client_first_bare,
                               weir_slice_cstr(auth->server_first), final->without_proof, key);
    if (r != 0)
        return r;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= final->proof[i];
    r = weir_pg_sha256(weir_slice_make(key, sizeof(key)), hash);
    weir_pg_forget(key, sizeof(key));
    if (r != 0)
        return r;
    bool equal = weir_pg_equal_in_constant_time(hash, auth->secret.stored_key, sizeof(hash));
    return equal && !auth->doomed ? 0 : -EACCES;
}

int weir_pg_scram_server_final(const weir_pg_auth_server *auth, weir_slice message, char ret[64])
{
    client_final final;
    int r = read_client_final(auth, message, &final);
    if (r == 0)
        r = check_proof(auth, &final);
    uint8_t signature[WEIR_PG_SCRAM_KEY];
    if (r == 0)
        r = weir_pg_scram_sign(auth->secret.server_key, auth->client_first_bare,
                               weir_slice_cstr(auth->server_first), final.without_proof, signature);
    if (r == 0) {
        memcpy(ret, "v=", 2);
        weir_pg_base64_encode(weir_slice_make(signature, sizeof(signature)), ret + 2);
    }
    return r;
}
