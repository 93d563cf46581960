/* SCRAM-SHA-256 (RFC 5802, RFC 7677): what both sides share, and secrets as PostgreSQL stores
 * them. */
#include "proto/pg/scram.h"
#include "proto/pg/crypt.h"

#include <stdio.h>

int weir_pg_scram_derive(weir_slice password, weir_slice salt, uint32_t iterations,
                         weir_pg_scram_keys *ret)
{
    uint8_t salted[32];
    int r = weir_pg_salted_password(password, salt, iterations, salted);
    if (r == 0)
        r = weir_pg_hmac(salted, WEIR_SLICE_LIT("Client Key"), ret->client);
    if (r == 0)
        r = weir_pg_sha256(weir_slice_make(ret->client, 32), ret->stored);
    if (r == 0)
        r = weir_pg_hmac(salted, WEIR_SLICE_LIT("Server Key"), ret->server);
    weir_pg_forget(salted, sizeof(salted));
    return r;
}

int weir_pg_scram_sign(const uint8_t key[WEIR_PG_SCRAM_KEY], const char *first_bare,
                       weir_slice server_first, weir_slice final_without_proof,
                       uint8_t ret[WEIR_PG_SCRAM_KEY])
{
    char message[3 * WEIR_PG_SCRAM_MESSAGE_MAX];
    int len = snprintf(message, sizeof(message), "%s,%.*s,%.*s", first_bare, (int)server_first.len,
                       (const char *)server_first.data, (int)final_without_proof.len,
                       (const char *)final_without_proof.data);
    if (len < 0 || (size_t)len >= sizeof(message))
        return -EPROTO;
    return weir_pg_hmac(key, weir_slice_make(message, (size_t)len), ret);
}

int weir_pg_scram_any_attribute(weir_slice *rest, uint8_t *ret_name, weir_slice *ret_value)
{
    weir_slice in = *rest;
    bool letter = in.len >= 2 && ((in.data[0] | 0x20) >= 'a' && (in.data[0] | 0x20) <= 'z');
    if (!letter || in.data[1] != '=' || in.data[0] == 'm')
        return -EPROTO;
    const uint8_t *comma = memchr(in.data, ',', in.len);
    size_t len = comma ? (size_t)(comma - in.data) : in.len;
    *ret_name = in.data[0];
    *ret_value = weir_slice_skip(weir_slice_head(in, len), 2);
    *rest = weir_slice_skip(in, comma ? len + 1 : len);
    return 0;
}

int weir_pg_scram_attribute(weir_slice *rest, char name, weir_slice *ret_value)
{
    uint8_t found;
    weir_slice after = *rest, value;
    int r = weir_pg_scram_any_attribute(&after, &found, &value);
    if (r == 0 && found != (uint8_t)name)
        r = -EPROTO;
    if (r == 0) {
        *rest = after;
        *ret_value = value;
    }
    return r;
}

void weir_pg_scram_bound(const uint8_t *binding, size_t len, char ret[WEIR_PG_SCRAM_BOUND_SIZE])
{
    enum { HEADER_LEN = sizeof(WEIR_PG_SCRAM_BOUND) - 1 };
    uint8_t bytes[HEADER_LEN + WEIR_PG_BINDING_MAX];
    assert(len <= WEIR_PG_BINDING_MAX);
    memcpy(bytes, WEIR_PG_SCRAM_BOUND, HEADER_LEN);
    memcpy(bytes + HEADER_LEN, binding, len);
    weir_pg_base64_encode(weir_slice_make(bytes, HEADER_LEN + len), ret);
}

bool weir_pg_scram_is_nonce(weir_slice nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e || nonce.data[i] == ',')
            return false;
    }
    return nonce.len > 0;
}

int weir_pg_scram_iterations(weir_slice text, uint32_t *ret)
{
    uint32_t n = 0;
    if (text.len == 0 || text.len > 8) /* eight digits hold the maximum */
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -EINVAL;
        n = n * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (n == 0 || n > WEIR_PG_SCRAM_ITERATIONS_MAX)
        return -EINVAL;
    *ret = n;
    return 0;
}

/* ---- secrets ---- */

int weir_pg_scram_secret_make(weir_slice password, const uint8_t salt[16], uint32_t iterations,
                              weir_pg_scram_secret *ret)
{
    if (iterations == 0 || iterations > WEIR_PG_SCRAM_ITERATIONS_MAX)
        return -EINVAL;
    weir_pg_scram_keys keys;
    int r = weir_pg_scram_derive(password, weir_slice_make(salt, 16), iterations, &keys);
    if (r == 0) {
        *ret = (weir_pg_scram_secret){.iterations = iterations, .salt_len = 16};
        memcpy(ret->salt, salt, 16);
        memcpy(ret->stored_key, keys.stored, sizeof(keys.stored));
        memcpy(ret->server_key, keys.server, sizeof(keys.server));
    }
    weir_pg_forget(&keys, sizeof(keys));
    return r;
}

int weir_pg_scram_secret_check(const weir_pg_scram_secret *secret, weir_slice password,
                               weir_pg_scram_proof *ret)
{
    weir_pg_scram_keys keys;
    int r = weir_pg_scram_derive(password, weir_slice_make(secret->salt, secret->salt_len),
                                 secret->iterations, &keys);
    if (r == 0 &&
        !weir_pg_equal_in_constant_time(keys.stored, secret->stored_key, sizeof(keys.stored)))
        r = -EACCES;
    if (r == 0 && ret) {
        memcpy(ret->client_key, keys.client, sizeof(keys.client));
        memcpy(ret->server_key, keys.server, sizeof(keys.server));
    }
    weir_pg_forget(&keys, sizeof(keys));
    return r;
}

/* Takes what is before `end` off the front of `rest`; `end` 0: all of it. */
static int take_until(weir_slice *rest, char end, weir_slice *ret)
{
    const uint8_t *at = rest->len > 0 && end ? memchr(rest->data, end, rest->len) : NULL;
    if (end && !at)
        return -EINVAL;
    size_t len = end ? (size_t)(at - rest->data) : rest->len;
    *ret = weir_slice_head(*rest, len);
    *rest = weir_slice_skip(*rest, end ? len + 1 : len);
    return 0;
}

static int take_key(weir_slice *rest, char end, uint8_t ret[WEIR_PG_SCRAM_KEY])
{
    weir_slice text;
    size_t len = 0;
    if (take_until(rest, end, &text) != 0 ||
        weir_pg_base64_decode(text, ret, WEIR_PG_SCRAM_KEY, &len) != 0)
        return -EINVAL;
    return len == WEIR_PG_SCRAM_KEY ? 0 : -EINVAL;
}

int weir_pg_scram_secret_parse(weir_slice text, weir_pg_scram_secret *ret)
{
    weir_pg_scram_secret secret = {0};
    weir_slice method, iterations, salt;
    size_t salt_len = 0;
    if (take_until(&text, '$', &method) != 0 || !weir_slice_eq_cstr(method, "SCRAM-SHA-256") ||
        take_until(&text, ':', &iterations) != 0 ||
        weir_pg_scram_iterations(iterations, &secret.iterations) != 0 ||
        take_until(&text, '$', &salt) != 0 ||
        weir_pg_base64_decode(salt, secret.salt, sizeof(secret.salt), &salt_len) != 0 ||
        salt_len == 0 || take_key(&text, ':', secret.stored_key) != 0 ||
        take_key(&text, 0, secret.server_key) != 0)
        return -EINVAL;
    secret.salt_len = (uint8_t)salt_len;
    *ret = secret;
    return 0;
}

int weir_pg_scram_secret_print(const weir_pg_scram_secret *secret, char *ret, size_t size)
{
    char salt[WEIR_PG_BASE64_SIZE(sizeof(secret->salt))];
    char stored[WEIR_PG_BASE64_SIZE(WEIR_PG_SCRAM_KEY)];
    char server[WEIR_PG_BASE64_SIZE(WEIR_PG_SCRAM_KEY)];
    weir_pg_base64_encode(weir_slice_make(secret->salt, secret->salt_len), salt);
    weir_pg_base64_encode(weir_slice_make(secret->stored_key, WEIR_PG_SCRAM_KEY), stored);
    weir_pg_base64_encode(weir_slice_make(secret->server_key, WEIR_PG_SCRAM_KEY), server);
    int len =
        snprintf(ret, size, "SCRAM-SHA-256$%u:%s$%s:%s", secret->iterations, salt, stored, server);
    return len >= 0 && (size_t)len < size ? 0 : -EMSGSIZE;
}
