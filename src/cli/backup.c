/* weir backup: a copy of an SQLite database while it is used, by a running Weir or anybody. */
#include "backend/sqlite/backup.h"
#include "cli/cli.h"
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define USAGE "weir backup DSN TARGET [--force] [--quiet]"

typedef struct command {
    weir_sqlite_backup_options options;
    weir_config_database database;
    const char *dsn;
    bool quiet;
    weir_time began, said;
    sigset_t ends;
} command;

static weir_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (weir_time)t.tv_sec * WEIR_SECOND + t.tv_nsec;
}

/* A word for work that takes long, each second from the second one on. */
static bool progress(void *user, uint64_t done, uint64_t total)
{
    command *c = user;
    const struct timespec at_once = {0};
    weir_time at = now();
    if (!c->quiet && at - c->began > 2 * WEIR_SECOND && at - c->said >= WEIR_SECOND) {
        c->said = at;
        (void)fprintf(stderr, "weir: %llu of %llu MiB\n", (unsigned long long)(done >> 20),
                      (unsigned long long)(total >> 20));
    }
    return sigtimedwait(&c->ends, NULL, &at_once) < 0;
}

static int take_arguments(command *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--force") == 0)
            c->options.replace = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            c->quiet = true;
        else if (argv[i][0] == '-') {
            cli_complain(USAGE, "unknown option %.40s", argv[i]);
            return CLI_USAGE;
        } else if (!c->dsn)
            c->dsn = argv[i];
        else if (!c->options.target)
            c->options.target = argv[i];
        else {
            cli_complain(USAGE, "more than a DSN and a file");
            return CLI_USAGE;
        }
    }
    if (c->options.target)
        return CLI_OK;
    cli_complain(USAGE, c->dsn ? "no file to write" : "no database given");
    return CLI_USAGE;
}

static int find_file(command *c, weir_arena *arena)
{
    weir_error err;
    if (weir_config_dsn_parse(arena, c->dsn, &c->database, &err) < 0) {
        cli_complain("a file is sqlite:PATH", "%s", err.message);
        return CLI_USAGE;
    }
    if (c->database.backend != WEIR_CONFIG_SQLITE) {
        cli_complain("pg_dump and pg_basebackup are PostgreSQL's own", "not an SQLite database");
        return CLI_USAGE;
    }
    c->options.path = c->database.path;
    return CLI_OK;
}

/* Signals are looked for between two steps: what was begun is taken away. */
static void hold_signals(command *c)
{
    sigemptyset(&c->ends);
    sigaddset(&c->ends, SIGINT);
    sigaddset(&c->ends, SIGTERM);
    sigaddset(&c->ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &c->ends, NULL);
}

static int run(command *c)
{
    weir_error err = {{0}, {0}, {0}, {0}};
    uint64_t size = 0;
    hold_signals(c);
    c->began = now();
    c->options.progress = progress;
    c->options.user = c;
    if (weir_sqlite_backup(&c->options, &size, &err) < 0) {
        const char *words = err.message;
        cli_complain(err.hint, "%s", strncmp(words, "weir: ", 6) == 0 ? words + 6 : words);
        return CLI_FAILED;
    }
    if (!c->quiet)
        (void)printf("%s: %llu bytes in %.1f s\n", c->options.target, (unsigned long long)size,
                     (double)(now() - c->began) / (double)WEIR_SECOND);
    return CLI_OK;
}

int cli_backup(int argc, char **argv)
{
    command c = {.quiet = false};
    weir_arena arena;
    int status = take_arguments(&c, argc, argv);
    if (status != CLI_OK)
        return status;
    weir_arena_init(&arena, 65536);
    status = find_file(&c, &arena);
    if (status == CLI_OK)
        status = run(&c);
    weir_arena_fini(&arena);
    return status;
}
