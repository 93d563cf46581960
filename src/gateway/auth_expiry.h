/* Private to gateway/: when a password that was looked up stops to count. */
#ifndef WEIR_GATEWAY_AUTH_EXPIRY_H
#define WEIR_GATEWAY_AUTH_EXPIRY_H

#include "base/error.h"
#include "base/slice.h"

/* "infinity" or nothing, seconds since 1970, or a time as PostgreSQL writes it in ISO (without a
 * zone: UTC). `*ret`: seconds since 1970; INT64_MAX: for ever. -EINVAL. */
WEIR_MUST_CHECK int weir_auth_expiry_parse(weir_slice text, int64_t *ret);

#endif
