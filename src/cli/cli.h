/* The commands of `weir`, private to this folder. Each takes the arguments behind its name and
 * returns the exit status: 0 success, 1 failure of the work, 2 usage or configuration. */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "config/config.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_serve(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_setup(int argc, char **argv);
int cli_warm(int argc, char **argv);
int cli_backup(int argc, char **argv);

/* "weir: …" on stderr, with `hint` on a second line unless empty. */
void cli_complain(const char *hint, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* Writes to stdout and makes sure that it arrived: CLI_OK or CLI_FAILED. */
int cli_print(weir_slice text);

/* The value of option `name` at argv[*at], as `--name VALUE` or `--name=VALUE`; moves *at to its
 * last argument. NULL: another argument. A value that is missing is said, and *ret_bad set. */
const char *cli_option(int argc, char **argv, int *at, const char *name, bool *ret_bad);

/* What serve and check take. */
typedef struct cli_args {
    const char *dsn, *file;
    const char **settings; /* "key=value", NULL-terminated */
    size_t setting_count;
    weir_buf listen; /* "listen=a,b" of all --listen */
    weir_buf admin;  /* "admin=…" */
    bool complete;   /* the two are among the settings */
} cli_args;

/* Parses and loads, again and again if need be; says what is wrong. CLI_OK, CLI_FAILED or
 * CLI_USAGE. */
WEIR_MUST_CHECK int cli_load(cli_args *args, weir_config **ret);
void cli_args_fini(cli_args *args);
/* One option of serve and check; CLI_OK and *at moved, or CLI_USAGE said. */
WEIR_MUST_CHECK int cli_args_take(cli_args *args, int argc, char **argv, int *at);

#endif
