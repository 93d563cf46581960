/* Private to cli/: asking a PostgreSQL server for `weir explain`. */
#ifndef WEIR_CLI_SERVER_H
#define WEIR_CLI_SERVER_H

#include "config/config.h"
#include "sql/server.h"
#include <libpq-fe.h>

/* For PQstatus to judge and PQfinish to end; NULL: out of memory. */
PGconn *cli_connect(const weir_config_database *db, const char *application);

/* Connects, reads the catalog, says to `out` (lines for people) what a statement does through what
 * it uses, and gives the effects. A server that cannot be asked is said there as well. -ENOMEM,
 * -EMSGSIZE. */
WEIR_MUST_CHECK int cli_explain_server(const weir_config_database *db, const weir_lexed *lexed,
                                       weir_kind kind, unsigned *ret_effects, weir_buf *out);

#endif
