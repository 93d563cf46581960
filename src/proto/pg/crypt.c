/* Digests and base64 for authentication. */
#include "proto/pg/crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

int weir_pg_sha256(weir_slice bytes, uint8_t ret[32])
{
    return EVP_Digest(bytes.data, bytes.len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int weir_pg_hmac(const uint8_t key[32], weir_slice bytes, uint8_t ret[32])
{
    return HMAC(EVP_sha256(), key, 32, bytes.data, bytes.len, ret, NULL) ? 0 : -ENOMEM;
}

static int md5(weir_slice a, weir_slice b, uint8_t digest[16])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
                EVP_DigestUpdate(ctx, a.data, a.len) == 1 &&
                EVP_DigestUpdate(ctx, b.data, b.len) == 1 &&
                EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return done ? 0 : -ENOMEM; /* also where the system's policy (FIPS) refuses MD5 */
}

int weir_pg_md5_hex(weir_slice a, weir_slice b, char ret[33])
{
    uint8_t digest[16];
    int r = md5(a, b, digest);
    if (r != 0)
        return r;
    for (size_t i = 0; i < sizeof(digest); i++) {
        ret[i * 2] = "0123456789abcdef"[digest[i] >> 4];
        ret[i * 2 + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret[32] = '\0';
    return 0;
}

int weir_pg_salted_password(weir_slice password, weir_slice salt, uint32_t iterations,
                            uint8_t ret[32])
{
    assert(iterations > 0 && iterations <= WEIR_PG_SCRAM_ITERATIONS_MAX);
    if (password.len > INT32_MAX || salt.len > INT32_MAX)
        return -ENOMEM;
    uint8_t *prepared = malloc(password.len + 1);
    if (!prepared)
        return -ENOMEM;
    size_t len = weir_pg_saslprep(password, prepared);
    int done = PKCS5_PBKDF2_HMAC((const char *)prepared, (int)len, salt.data, (int)salt.len,
                                 (int)iterations, EVP_sha256(), 32, ret);
    weir_pg_forget(prepared, password.len);
    free(prepared);
    return done == 1 ? 0 : -ENOMEM;
}

bool weir_pg_equal_in_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void weir_pg_forget(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

void weir_pg_base64_encode(weir_slice bytes, char *ret)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (n > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (n > 2)
            group |= bytes.data[i + 2];
        *ret++ = alphabet[group >> 18];
        *ret++ = alphabet[group >> 12 & 63];
        *ret++ = n > 1 ? alphabet[group >> 6 & 63] : '=';
        *ret++ = n > 2 ? alphabet[group & 63] : '=';
    }
    *ret = '\0';
}

/* The six bits of a character, or -1. */
static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* How many of the last four characters are padding: 0, 1 or 2. */
static size_t padding_of(weir_slice text)
{
    if (text.len == 0 || text.data[text.len - 1] != '=')
        return 0;
    return text.data[text.len - 2] == '=' ? 2 : 1;
}

int weir_pg_base64_decode(weir_slice text, uint8_t *ret, size_t size_max, size_t *ret_len)
{
    if (text.len % 4 != 0)
        return -EINVAL;
    size_t padding = padding_of(text);
    size_t len = text.len / 4 * 3 - padding;
    if (len > size_max)
        return -EMSGSIZE;
    uint32_t group = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = i >= text.len - padding ? 0 : base64_value(text.data[i]);
        if (value < 0)
            return -EINVAL;
        group = group << 6 | (uint32_t)value;
        for (unsigned byte = 0; i % 4 == 3 && byte < 3; byte++) {
            if (at < len)
                ret[at++] = (uint8_t)(group >> (16 - 8 * byte));
        }
    }
    if ((group & ((1u << 8 * padding) - 1)) !=
        0) /* bits that padding hides: two texts, one value */
        return -EINVAL;
    *ret_len = len;
    return 0;
}
