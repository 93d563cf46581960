/* Certificates that a test makes for itself, in a directory of its own below /tmp: an authority
 * that vouches for a server ("localhost", 127.0.0.1) and a client, and bad ones of each kind. */
#ifndef WEIR_TESTS_NET_CERTS_H
#define WEIR_TESTS_NET_CERTS_H

#include <stdbool.h>

typedef struct certs {
    char dir[64];
} certs;

/* What certs_path knows: "ca.pem", "server.pem", "server.key", "client.pem", "client.key",
 * "stranger.pem", "stranger.key" (of another authority), "expired.pem", "expired.key",
 * "other.pem", "other.key" (made out for example.org), "encrypted.key" (of server.pem). */
void certs_make(certs *c);
void certs_remove(certs *c);
/* Of the last four made; the oldest is overwritten. */
const char *certs_path(const certs *c, const char *name);

#endif
