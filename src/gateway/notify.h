/* What the service manager is told (sd_notify's datagrams, written by hand), and how a successor is
 * started. Without NOTIFY_SOCKET the telling does nothing. Private to gateway/. */
#ifndef WEIR_GATEWAY_NOTIFY_H
#define WEIR_GATEWAY_NOTIFY_H

#include "base/error.h"
#include <sys/types.h>

void weir_notify_ready(const char *listen, const char *admin);
/* `now_us`: CLOCK_MONOTONIC in microseconds, which systemd wants with RELOADING. */
void weir_notify_reloading(long long now_us);
void weir_notify_reloaded(void);
void weir_notify_stopping(void);
/* Another process is the service's main one from here on. */
void weir_notify_main(pid_t pid);

/* Nobody but our user may open the socket file. */
WEIR_MUST_CHECK int weir_notify_protect(const char *path);
/* Starts `argv` (argv[0] as a shell would find it, so that an upgraded binary is found) with
 * --takeover=fd:3 added, and `fd` as that descriptor. */
WEIR_MUST_CHECK int weir_notify_spawn(const char *const *argv, int fd, pid_t *ret_pid);

#endif
