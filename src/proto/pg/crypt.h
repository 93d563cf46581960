/* Private to proto/pg: digests (libcrypto) and base64, as SCRAM and md5 need them. Functions that
 * may fail give 0 or -ENOMEM, libcrypto's only reason to fail here. */
#ifndef WEIR_PROTO_PG_CRYPT_H
#define WEIR_PROTO_PG_CRYPT_H

#include "proto/pg/auth.h"

WEIR_MUST_CHECK int weir_pg_sha256(weir_slice bytes, uint8_t ret[32]);
WEIR_MUST_CHECK int weir_pg_hmac(const uint8_t key[32], weir_slice bytes, uint8_t ret[32]);
/* Lower-case hexadecimal and a zero byte. */
WEIR_MUST_CHECK int weir_pg_md5_hex(weir_slice a, weir_slice b, char ret[33]);
/* SCRAM's SaltedPassword: PBKDF2 with HMAC-SHA-256, of the prepared password. */
WEIR_MUST_CHECK int weir_pg_salted_password(weir_slice password, weir_slice salt,
                                            uint32_t iterations, uint8_t ret[32]);
bool weir_pg_equal_in_constant_time(const void *a, const void *b, size_t len);

#define WEIR_PG_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Standard alphabet, padded, zero-terminated; `ret` holds WEIR_PG_BASE64_SIZE(bytes.len). */
void weir_pg_base64_encode(weir_slice bytes, char *ret);
/* Strict: padding required, no other characters. -EINVAL: not base64; -EMSGSIZE: over `size_max`.
 */
WEIR_MUST_CHECK int weir_pg_base64_decode(weir_slice text, uint8_t *ret, size_t size_max,
                                          size_t *ret_len);

/* saslprep.c: the prepared password, in `ret` of `password.len` bytes at least (preparation never
 * makes it longer). When it cannot be prepared, the password as it is. */
size_t weir_pg_saslprep(weir_slice password, uint8_t *ret);

#endif
