/* The socket of admin HTTP, private to ops/. */
#ifndef WEIR_OPS_LISTEN_H
#define WEIR_OPS_LISTEN_H

#include "base/error.h"
#include <stdbool.h>

typedef struct ops_socket {
    int fd;
    bool loopback;
    char address[64]; /* "127.0.0.1:8432", "[::1]:8432" */
} ops_socket;

/* Opens a listening socket on "host:port" ("[v6]:port", "*:port"; port 0 picks one). Negative
 * errno, words in `err`. */
WEIR_MUST_CHECK int ops_listen(const char *address, ops_socket *ret, weir_error *err);
/* One that another process opened: its address. Takes it, also when it fails. */
WEIR_MUST_CHECK int ops_listen_inherit(int fd, ops_socket *ret, weir_error *err);

#endif
