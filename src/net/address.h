/* Addresses as text and as the kernel wants them. Private to net/ and the simulator. */
#ifndef WEIR_NET_ADDRESS_H
#define WEIR_NET_ADDRESS_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define WEIR_ADDRESS_TEXT_MAX 120

/* Who is at the other end, small enough to keep for every client. */
typedef struct weir_peer {
    uint8_t ip[16];
    uint16_t port;   /* host order */
    uint16_t family; /* AF_INET, AF_INET6 or AF_UNIX */
} weir_peer;

/* "127.0.0.1:6432", "[::1]:6432", "/path", "unix:/path". -EINVAL: not of that form; -ENAMETOOLONG.
 */
WEIR_MUST_CHECK int weir_address_parse(const char *text, struct sockaddr_storage *ret,
                                       socklen_t *ret_len);
/* The text without its "unix:", or NULL when it is no UNIX path. */
const char *weir_address_path(const char *text);
void weir_address_format(const struct sockaddr_storage *address, char out[WEIR_ADDRESS_TEXT_MAX]);
/* "name:5432", "[::1]:5432" into their parts. -EINVAL, -ENAMETOOLONG. */
WEIR_MUST_CHECK int weir_address_split(const char *text, char *host, size_t host_size, char *port,
                                       size_t port_size);

void weir_peer_set(weir_peer *peer, const struct sockaddr_storage *address);
bool weir_peer_local(const weir_peer *peer);
void weir_peer_format(const weir_peer *peer, char out[WEIR_ADDRESS_TEXT_MAX]);

#endif
