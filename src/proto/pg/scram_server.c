/* SCRAM-SHA-256, the server's two steps. The user name inside the exchange is ignored, as
 * PostgreSQL does: the startup packet's counts.
 *
 * The client's flag tells of channel binding: "p" it binds (PLUS was chosen), "n" it cannot, "y" it
 * could but saw no offer. Where we did offer, a "y" means that somebody between us took the offer
 * out: refused (RFC 5802, section 6). */
#include "proto/pg/crypt.h"
#include "proto/pg/scram.h"

#include <stdio.h>

#define BOUND WEIR_PG_SCRAM_BOUND
#define BOUND_LEN (sizeof(BOUND) - 1)

/* "n,,", "y,," or BOUND: the flag, no authorisation identity. */
static int read_gs2_header(const weir_pg_auth_server *auth, weir_slice *rest, char *ret_flag)
{
    weir_slice in = *rest;
    bool begins_bound = in.len >= BOUND_LEN && memcmp(in.data, BOUND, BOUND_LEN) == 0;
    bool is_short = in.len >= 3 && in.data[1] == ',' && in.data[2] == ',';
    if (auth->bound != begins_bound)
        return -EPROTO;
    if (!auth->bound && (!is_short || (in.data[0] != 'n' && in.data[0] != 'y')))
        return -EPROTO;
    if (in.data[0] == 'y' && auth->binding_len > 0)
        return -EPROTO;
    *ret_flag = (char)in.data[0];
    *rest = weir_slice_skip(in, auth->bound ? BOUND_LEN : 3);
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
    int r = read_gs2_header(auth, &message, &auth->gs2_flag);
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

/* What c= must say: the header as begun, and behind it the binding. */
static bool binding_is_right(const weir_pg_auth_server *auth, weir_slice given)
{
    char expected[WEIR_PG_SCRAM_BOUND_SIZE];
    if (auth->gs2_flag != 'p')
        return weir_slice_eq_cstr(given, auth->gs2_flag == 'y' ? "eSws" : "biws");
    weir_pg_scram_bound(auth->binding, auth->binding_len, expected);
    return weir_slice_eq_cstr(given, expected);
}

/* "c=<header as begun>,r=<the nonce we gave>[,extensions],p=<proof>". */
static int read_client_final(const weir_pg_auth_server *auth, weir_slice message, client_final *ret)
{
    weir_slice whole = message, binding, nonce;
    int r = weir_pg_scram_attribute(&message, 'c', &binding);
    if (r == 0 && !binding_is_right(auth, binding))
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
static int check_proof(weir_pg_auth_server *auth, const client_final *final)
{
    uint8_t key[WEIR_PG_SCRAM_KEY], hash[WEIR_PG_SCRAM_KEY];
    int r = weir_pg_scram_sign(auth->secret.stored_key, auth->client_first_bare,
                               weir_slice_cstr(auth->server_first), final->without_proof, key);
    if (r != 0)
        return r;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= final->proof[i];
    r = weir_pg_sha256(weir_slice_make(key, sizeof(key)), hash);
    bool equal =
        r == 0 && weir_pg_equal_in_constant_time(hash, auth->secret.stored_key, sizeof(hash));
    auth->proved = equal && !auth->doomed;
    if (auth->proved) {
        memcpy(auth->proof.client_key, key, sizeof(key));
        memcpy(auth->proof.server_key, auth->secret.server_key, sizeof(key));
    }
    weir_pg_forget(key, sizeof(key));
    return r != 0 ? r : auth->proved ? 0 : -EACCES;
}

int weir_pg_scram_server_final(weir_pg_auth_server *auth, weir_slice message, char ret[64])
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
