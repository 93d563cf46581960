/* Commands of the console that act on databases and clients, private to gateway/. */
#ifndef WEIR_GATEWAY_OPERATE_H
#define WEIR_GATEWAY_OPERATE_H

#include "gateway/admin_command.h"
#include "gateway/gateway.h"

typedef struct weir_operation {
    weir_gateway *gateway;
    weir_loop *home; /* the console's */
    const weir_admin_command *command;
    weir_database *database; /* NULL: every one, where the command may be for all */
    const char *login;
    void (*done)(void *user, unsigned count); /* after ENDING, on `home` */
    void *user;
} weir_operation;

#define WEIR_OPERATE_RETURNED 1 /* answer when no connection is lent */
#define WEIR_OPERATE_REPLACED 2 /* answer when none from before the last RECONNECT is left */
#define WEIR_OPERATE_ENDING 3   /* answer when `done` is called */

/* 0: done; one of the above; negative: words in `err`. */
WEIR_MUST_CHECK int weir_operate(const weir_operation *operation, weir_error *err);
/* Is what a command waits for there? */
bool weir_operate_is_done(const weir_gateway *gateway, const weir_database *database, int waits_for,
                          weir_time now);

#endif
