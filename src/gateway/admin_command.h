/* The console's language, private to gateway/: a text to a command. Pure. */
#ifndef WEIR_GATEWAY_ADMIN_COMMAND_H
#define WEIR_GATEWAY_ADMIN_COMMAND_H

#include "base/error.h"
#include "base/slice.h"

typedef enum weir_admin_verb {
    WEIR_ADMIN_EMPTY,
    WEIR_ADMIN_SHOW,
    WEIR_ADMIN_PAUSE,
    WEIR_ADMIN_RESUME,
    WEIR_ADMIN_RELOAD,
    WEIR_ADMIN_RESTART,
    WEIR_ADMIN_SHUTDOWN, /* also DRAIN of nothing in particular */
    WEIR_ADMIN_DRAIN,    /* of a database */
    WEIR_ADMIN_RECONNECT,
    WEIR_ADMIN_WAIT_CLOSE,
    WEIR_ADMIN_ENABLE,
    WEIR_ADMIN_DISABLE,
    WEIR_ADMIN_KILL,
    WEIR_ADMIN_KILL_CLIENT,
    WEIR_ADMIN_FLUSH,   /* the cache */
    WEIR_ADMIN_EXPLAIN, /* what the cache makes of a statement */
    WEIR_ADMIN_BEGIN,   /* drivers say these unasked: they do nothing here */
    WEIR_ADMIN_END,
    WEIR_ADMIN_NOTHING
} weir_admin_verb;

#define WEIR_ADMIN_ARGUMENT_MAX 127u

typedef enum weir_admin_flush {
    WEIR_ADMIN_FLUSH_ALL,
    WEIR_ADMIN_FLUSH_TAG,
    WEIR_ADMIN_FLUSH_TABLE,
    WEIR_ADMIN_FLUSH_PREFIX,
    WEIR_ADMIN_FLUSH_NAMESPACE
} weir_admin_flush;

typedef struct weir_admin_command {
    weir_admin_verb verb;
    const char *tag;                            /* of CommandComplete; static */
    char argument[WEIR_ADMIN_ARGUMENT_MAX + 1]; /* SHOW: the report; FLUSH: the name; KILL_CLIENT:
                                                   the number; others: the database; "" if none */
    weir_admin_flush flush;
    weir_slice statement; /* EXPLAIN; borrows from the text */
} weir_admin_command;

/* Words are told apart by space and comments, in any case; a name may be "quoted"; a `;` may end
 * it. What is flushed is given as written, in either quotes or none. -EINVAL: 42601 in `err`, with
 * the commands as hint. */
WEIR_MUST_CHECK int weir_admin_parse(weir_slice text, weir_admin_command *ret, weir_error *err);

#endif
