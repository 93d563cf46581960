/* weir: finds the command and runs it. */
#include "cli/cli.h"
#include <signal.h>
#include <stdio.h>

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage; /* behind the name */
    const char *summary;
    const char *help;
} command;

static int run_help(int argc, char **argv);

static const command commands[] = {
    {"serve", cli_serve,
     "[DSN] [-c FILE] [--listen ADDRESS]… [--admin ADDRESS] [--set KEY=VALUE]… "
     "[--takeover[=PATH]]",
     "run the gateway",
     "  DSN                what to serve: sqlite:PATH or "
     "postgres://USER:PASSWORD@HOST:PORT/DATABASE\n"
     "                     (default: sqlite:weir.db, or what the file says)\n"
     "  -c, --config FILE  configuration (docs/configuration.md)\n"
     "  --listen ADDRESS   where clients connect: HOST:PORT, [V6]:PORT or /path/socket; "
     "repeatable\n"
     "                     (default 127.0.0.1:6432; port 0 picks a free one)\n"
     "  --admin ADDRESS    where admin HTTP listens, or off (default 127.0.0.1:8432)\n"
     "  --set KEY=VALUE    any key of the configuration; repeatable\n"
     "  --takeover[=PATH]  take the clients over from the process that listens at PATH\n"
     "                     (default restart.socket) and replace it\n"
     "\n"
     "When it can serve it prints `weir: ready listen=HOST:PORT admin=HOST:PORT`. SIGTERM and "
     "Ctrl-C\n"
     "let running transactions finish and exit 0.\n"},
    {"check", cli_check, "-c FILE [--set KEY=VALUE]…", "validate a configuration and print it",
     "Prints the configuration that would be in force, secrets masked; exits 2 and says file, "
     "line\n"
     "and key when something is wrong.\n"},
    {"explain", cli_explain, "[--dialect postgres|sqlite] SQL [DSN]",
     "say how a statement is understood",
     "Prints the statement's template, kind, effects on the session, relations, where it would be\n"
     "sent, and why. The dialect is that of the DSN; without one it is PostgreSQL's. A PostgreSQL\n"
     "server is asked what the functions, triggers and views that the statement uses may do.\n"},
    {"setup", cli_setup, "DSN [--dry-run] [--remove]",
     "prepare a PostgreSQL database for the cache",
     "Makes what Weir follows changes by: a publication of the tables whose rows can be told "
     "apart,\n"
     "and, where allowed, event triggers that tell of changes of the schema. Says what it did, "
     "what\n"
     "it could not, and what would be needed. It may be run again at any time.\n"
     "  --dry-run          print the SQL and do nothing\n"
     "  --remove           take all of it back\n"
     "Exits 1 when changes cannot be followed yet.\n"},
    {"warm", cli_warm, "FILE [DSN] [--rate N]", "have a running Weir's cache filled",
     "Runs the statements of FILE through the Weir at DSN (default postgres://127.0.0.1:6432), "
     "the\n"
     "highest priority first, at most N a second (50), until their answers are kept. What is of a\n"
     "statement stands in a comment before it; `-- default:` is of all that follow:\n"
     "\n"
     "  -- default: user=shop database=shop set.timezone=UTC\n"
     "  SELECT * FROM products WHERE featured;\n"
     "  -- warm: priority=10 params=[42, \"it's\", null] types=[int4, text, text] format=binary\n"
     "  SELECT * FROM orders WHERE id = $1 AND note <> $2 AND tag = $3;\n"
     "\n"
     "An answer is given to those for whom all of this is the same: user, database, settings, "
     "text,\n"
     "parameters with their types, format. Exits 1 when a statement was not warmed, and says its "
     "line.\n"
     "cache.warm.file does the same at Weir's start.\n"},
    {"backup", cli_backup, "DSN TARGET [--force] [--quiet]",
     "copy an SQLite database while it is used",
     "Copies the database of sqlite:PATH, as it is at the start, into the file TARGET. A running "
     "Weir, or\n"
     "anybody else, goes on to read and write it. TARGET is there whole and durable, or not at "
     "all: until\n"
     "then everything is in TARGET.part. Says how far it is when it takes long.\n"
     "  --force            replace a file that is there\n"
     "  --quiet            say nothing but what went wrong\n"
     "Exits 1 when there is no backup.\n"},
    {"help", run_help, "[COMMAND | configuration]", "say more about a command or all settings",
     "`weir help configuration` prints every key with its default, bounds and meaning.\n"},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int unknown(const char *name)
{
    cli_complain("`weir help` lists the commands", "unknown command \"%.40s\"", name);
    return CLI_USAGE;
}

static int print_commands(weir_buf *out)
{
    int r = weir_buf_printf(out, "weir " WEIR_VERSION ": a gateway between applications and their "
                                 "databases\n\nusage: weir COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < COMMANDS && r == 0; i++)
        r = weir_buf_printf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    return r != 0 ? r
                  : weir_buf_printf(out, "\n`weir help COMMAND` says more. To try it: weir serve "
                                         "sqlite:demo.db\n");
}

static int write_help(const char *topic, weir_buf *out)
{
    if (!topic)
        return print_commands(out);
    if (strcmp(topic, "configuration") == 0)
        return weir_config_document(out);
    const command *c = find(topic);
    return weir_buf_printf(out, "usage: weir %s %s\n\n%s", c->name, c->usage, c->help);
}

static int run_help(int argc, char **argv)
{
    const char *topic = argc > 0 ? argv[0] : NULL;
    if (topic && strcmp(topic, "configuration") != 0 && !find(topic))
        return unknown(topic);
    weir_buf out;
    weir_buf_init(&out, (size_t)1 << 20);
    int status = CLI_FAILED;
    if (write_help(topic, &out) == 0)
        status = cli_print(weir_buf_slice(&out));
    else
        cli_complain("", "out of memory");
    weir_buf_fini(&out);
    return status;
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, not a death */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
    if (argc < 2) {
        cli_complain("try `weir serve sqlite:demo.db`; `weir help` lists the commands",
                     "no command given");
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return cli_print(WEIR_SLICE_LIT("weir " WEIR_VERSION "\n"));
    if (asks_help(argv[1]))
        return run_help(0, NULL);
    const command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    if (argc > 2 && asks_help(argv[2]))
        return run_help(1, argv + 1);
    return c->run(argc - 2, argv + 2);
}
