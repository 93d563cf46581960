/* Addresses to listen on, private to this folder. */
#ifndef WEIR_CONFIG_ADDRESS_H
#define WEIR_CONFIG_ADDRESS_H

#include "base/error.h"
#include "base/slice.h"

typedef struct config_address {
    weir_slice host; /* without brackets; the path of a UNIX socket */
    unsigned port;
    bool is_unix;
    bool loopback; /* a loopback address or a UNIX socket */
} config_address;

/* host:port, [v6]:port, *:port or /path/socket. On failure `*why` says what is expected; -EINVAL.
 */
WEIR_MUST_CHECK int config_address_parse(weir_slice text, config_address *ret, const char **why);

#endif
