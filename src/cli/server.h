/* Private to cli/: asking a PostgreSQL server for `weir explain`. */
#ifndef WEIR_CLI_SERVER_H
#define WEIR_CLI_SERVER_H

#include "catalog/schema.h"
#include "config/config.h"
#include "sql/server.h"
#include <libpq-fe.h>

/* For PQstatus to judge and PQfinish to end; NULL: out of memory. */
PGconn *cli_connect(const weir_config_database *db, const char *application);

/* What a server says of itself to whoever asks as that user. */
typedef struct cli_server {
    weir_server_catalog *catalog; /* NULL: it could not be asked */
    weir_schema *schema;
    char *search_path, *role; /* in force at first */
} cli_server;

/* Connects and reads all of it. A server that cannot be asked is said to `out` (lines for people).
 * -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int cli_server_load(const weir_config_database *db, cli_server *ret, weir_buf *out);
void cli_server_fini(cli_server *server);
/* Says to `out` what a statement does through what it uses, and gives the effects. */
WEIR_MUST_CHECK int cli_server_explain(const cli_server *server, const weir_lexed *lexed,
                                       weir_kind kind, unsigned *ret_effects, weir_buf *out);

#endif
