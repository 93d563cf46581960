/* weir setup: what a PostgreSQL database needs so that its changes can be followed: a publication
 * of the tables whose rows can be told apart, and event triggers that tell of changes of the
 * schema. It can be run again at any time: the publication is brought up to date. */
#include "cli/cli.h"
#include "cli/server.h"
#include "cli/setup_sql.h"
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)16 << 20)
#define OLDEST 140000

typedef struct setup {
    const char *dsn;
    bool dry_run, remove;
    weir_arena arena;
    weir_config_database database;
    PGconn *conn;
    PGresult *facts, *tables;
    weir_buf script; /* statements that bring the publication up to date; ";\n" behind each */
    weir_buf report; /* what is said at the end */
    size_t added, dropped, kept, left_out;
    bool needs;  /* something of the server's was said to be missing */
    bool failed; /* following will not work */
} setup;

static const char *fact(const setup *s, enum setup_fact which)
{
    return PQgetisnull(s->facts, 0, which) ? NULL : PQgetvalue(s->facts, 0, which);
}

static const char *column(const setup *s, int row, enum setup_column which)
{
    return PQgetvalue(s->tables, row, which);
}

static bool is_true(const char *text)
{
    return text && text[0] == 't';
}

static int no_memory(void)
{
    cli_complain("", "out of memory");
    return CLI_FAILED;
}

static int server_error(const setup *s, const char *doing)
{
    const char *words = PQerrorMessage(s->conn);
    cli_complain("", "%s: %.*s", doing, (int)strcspn(words, "\n"), words);
    return CLI_FAILED;
}

/* ---- what is there ---- */

static PGresult *query(const setup *s, const char *text)
{
    PGresult *result = PQexec(s->conn, text);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    PQclear(result);
    return NULL;
}

static int look(setup *s)
{
    s->facts = query(s, setup_facts);
    s->tables = s->facts ? query(s, setup_tables) : NULL;
    if (!s->tables || PQntuples(s->facts) != 1)
        return server_error(s, "the server does not say what is there");
    if (atoi(fact(s, SETUP_NUMBER)) < OLDEST) {
        cli_complain("", "this is PostgreSQL %s: following changes needs 14 or newer",
                     fact(s, SETUP_VERSION));
        return CLI_FAILED;
    }
    if (is_true(fact(s, SETUP_RECOVERY))) {
        cli_complain("name the primary", "this server is a standby");
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* ---- what is to be done ---- */

/* One table more in a statement that names several. */
static int put_table(setup *s, const char *name, const char *verb, size_t *count)
{
    int r = *count == 0
                ? weir_buf_printf(&s->script, "ALTER PUBLICATION weir %s TABLE ONLY %s", verb, name)
                : weir_buf_printf(&s->script, ", ONLY %s", name);
    (*count)++;
    return r;
}

static int end_statement(setup *s, size_t count)
{
    return count > 0 ? weir_buf_printf(&s->script, ";\n") : 0;
}

static bool wanted(const setup *s, int row)
{
    return column(s, row, SETUP_REASON)[0] == '\0';
}

/* Not whole, or not to be there at all. */
static bool leaves(const setup *s, int row)
{
    return is_true(column(s, row, SETUP_PUBLISHED)) && is_true(column(s, row, SETUP_OWNED)) &&
           (!wanted(s, row) || is_true(column(s, row, SETUP_PARTIAL)));
}

static bool enters(const setup *s, int row)
{
    return wanted(s, row) && (!is_true(column(s, row, SETUP_PUBLISHED)) || leaves(s, row));
}

static int plan_tables(setup *s)
{
    int r = 0, rows = PQntuples(s->tables);
    for (int i = 0; i < rows && r == 0; i++)
        if (leaves(s, i))
            r = put_table(s, column(s, i, SETUP_TABLE), "DROP", &s->dropped);
    if (r == 0)
        r = end_statement(s, s->dropped);
    for (int i = 0; i < rows && r == 0; i++)
        if (enters(s, i))
            r = put_table(s, column(s, i, SETUP_TABLE), "ADD", &s->added);
    if (r == 0)
        r = end_statement(s, s->added);
    for (int i = 0; i < rows; i++) {
        s->kept += wanted(s, i) && !enters(s, i);
        s->left_out += !wanted(s, i);
    }
    return r;
}

static int plan(setup *s)
{
    const char *publication = fact(s, SETUP_PUBLICATION);
    int r = 0;
    if (!publication)
        r = weir_buf_printf(&s->script, "CREATE PUBLICATION weir WITH (" SETUP_OPTIONS ");\n");
    else if (strncmp(publication, "ttttf", 5) != 0)
        r = weir_buf_printf(&s->script, "ALTER PUBLICATION weir SET (" SETUP_OPTIONS ");\n");
    return r != 0 ? r : plan_tables(s);
}

/* ---- doing it ---- */

static bool run(const setup *s, const char *text)
{
    PGresult *result = PQexec(s->conn, text);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK ||
              PQresultStatus(result) == PGRES_TUPLES_OK ||
              PQresultStatus(result) == PGRES_EMPTY_QUERY;
    PQclear(result);
    return ok;
}

static int say(setup *s, const char *text)
{
    return weir_buf_printf(&s->report, "%s\n", text);
}

static int say_error(setup *s, const char *what, const char *then)
{
    const char *words = PQerrorMessage(s->conn);
    return weir_buf_printf(&s->report, "%s: %.*s\n  %s\n", what, (int)strcspn(words, "\n"), words,
                           then);
}

static bool run_all(const setup *s, const char *const *texts)
{
    bool ok = true;
    for (; *texts && ok; texts++)
        ok = run(s, *texts);
    return ok;
}

/* All of the triggers or nothing of them. */
static int make_triggers(setup *s)
{
    bool had = strcmp(fact(s, SETUP_TRIGGERS), "2") == 0;
    bool ok = run(s, "BEGIN") && run_all(s, setup_triggers) && run(s, "COMMIT");
    int r = ok ? say(s, had ? "event triggers   up to date: changes of the schema are told at once"
                            : "event triggers   made: changes of the schema are told at once")
               : say_error(s, "event triggers   not made",
                           "changes of the schema that do not come through Weir are found by "
                           "polling (catalog.poll); a superuser, or the service's own, may make "
                           "them");
    if (!ok)
        (void)run(s, "ROLLBACK");
    return r;
}

static int make_publication(setup *s)
{
    bool had = fact(s, SETUP_PUBLICATION) != NULL;
    int r = weir_buf_append_u8(&s->script, 0);
    if (r != 0)
        return r;
    if (had && strlen(fact(s, SETUP_PUBLICATION)) > 5 && fact(s, SETUP_PUBLICATION)[5] == 't') {
        s->failed = true;
        return say(s,
                   "publication      is FOR ALL TABLES: it makes updates of tables without a key "
                   "fail\n  run `weir setup --remove`, then this again");
    }
    if (!run(s, "BEGIN") || !run(s, (const char *)s->script.data) || !run(s, "COMMIT")) {
        s->failed = true;
        r = say_error(s, "publication      not made",
                      "it needs CREATE on the database and tables of one's own, or a superuser");
        (void)run(s, "ROLLBACK");
        return r;
    }
    return weir_buf_printf(&s->report,
                           "publication      %s: %zu added, %zu taken out, %zu as before\n",
                           had ? "up to date" : "made", s->added, s->dropped, s->kept);
}

/* ---- what is said ---- */

static int say_left_out(setup *s)
{
    int r = 0;
    if (s->left_out > 0)
        r = weir_buf_printf(&s->report,
                            "\nnot followed, so that answers from them are not kept:\n");
    for (int i = 0; i < PQntuples(s->tables) && r == 0; i++) {
        const char *advice = column(s, i, SETUP_ADVICE);
        if (wanted(s, i))
            continue;
        r = weir_buf_printf(&s->report, "  %s: %s\n", column(s, i, SETUP_TABLE),
                            column(s, i, SETUP_REASON));
        if (r == 0 && *advice)
            r = weir_buf_printf(&s->report, "      %s\n", advice);
    }
    return r;
}

static int need(setup *s, const char *what, const char *how)
{
    int r =
        s->needs ? 0 : weir_buf_printf(&s->report, "\nneeded before changes can be followed:\n");
    s->failed = s->needs = true;
    return r != 0 ? r : weir_buf_printf(&s->report, "  %s\n      %s\n", what, how);
}

static int say_needs(setup *s)
{
    char how[160];
    const char *managed = fact(s, SETUP_MANAGED);
    int r = 0;
    if (strcmp(fact(s, SETUP_WAL_LEVEL), "logical") != 0) {
        (void)snprintf(how, sizeof(how), "%s%s, then restart",
                       managed ? "the service's parameter " : "",
                       managed ? managed : "ALTER SYSTEM SET wal_level = logical");
        r = need(s, "wal_level must be logical", how);
    }
    if (r == 0 && atoi(fact(s, SETUP_SLOTS)) <= atoi(fact(s, SETUP_SLOTS_USED)))
        r = need(s, "a free replication slot for each Weir",
                 "raise max_replication_slots, then restart, or drop slots that nobody uses");
    if (r == 0 && atoi(fact(s, SETUP_SENDERS)) == 0)
        r = need(s, "a WAL sender for each Weir", "raise max_wal_senders, then restart");
    if (r == 0 && !is_true(fact(s, SETUP_REPLICATION))) {
        (void)snprintf(how, sizeof(how),
                       "ALTER ROLE \"%.63s\" REPLICATION (Amazon RDS: GRANT rds_replication)",
                       fact(s, SETUP_USER));
        r = need(s, "the right to replicate, for the user of Weir's DSN", how);
    }
    return r;
}

/* For cache.persist slot, which nobody needs. */
static int say_keeping(setup *s)
{
    const char *size = fact(s, SETUP_KEEP_SIZE);
    if (size && atoi(size) >= 0)
        return weir_buf_printf(&s->report,
                               "kept slots       possible (cache.persist: slot): they hold back at "
                               "most %s MB of the log\n",
                               size);
    return weir_buf_printf(&s->report,
                           "kept slots       not possible (cache.persist: slot): "
                           "max_slot_wal_keep_size is unlimited\n  %s\n",
                           fact(s, SETUP_MANAGED)
                               ? "the service's parameter max_slot_wal_keep_size = 4096 allows them"
                               : "ALTER SYSTEM SET max_slot_wal_keep_size = '4GB' and "
                                 "pg_reload_conf() allow them");
}

static int finish(setup *s, int r)
{
    if (r != 0)
        return no_memory();
    int status = cli_print(weir_buf_slice(&s->report));
    return status == CLI_OK && s->failed ? CLI_FAILED : status;
}

/* ---- the three ways ---- */

static int put_statements(weir_buf *out, const char *const *texts)
{
    int r = 0;
    for (; *texts && r == 0; texts++)
        r = weir_buf_printf(out, "%s;\n", *texts);
    return r;
}

static int print_script(setup *s)
{
    int r = weir_buf_printf(&s->report, "-- needs a superuser, or may be left out\nBEGIN;\n");
    if (r == 0)
        r = put_statements(&s->report, setup_triggers);
    if (r == 0)
        r = weir_buf_printf(&s->report,
                            "COMMIT;\n\n-- %zu tables to be added, %zu to be taken out\n"
                            "BEGIN;\n",
                            s->added, s->dropped);
    if (r == 0)
        r = weir_buf_append(&s->report, weir_buf_slice(&s->script));
    return finish(s, r != 0 ? r : weir_buf_printf(&s->report, "COMMIT;\n"));
}

static int create(setup *s)
{
    int status = look(s);
    if (status != CLI_OK)
        return status;
    if (plan(s) != 0)
        return no_memory();
    if (s->dry_run)
        return print_script(s);
    int r = weir_buf_printf(&s->report, "database         %s, PostgreSQL %s, as %s\n",
                            fact(s, SETUP_DATABASE), fact(s, SETUP_VERSION), fact(s, SETUP_USER));
    if (r == 0)
        r = make_publication(s);
    if (r == 0)
        r = make_triggers(s);
    if (r == 0)
        r = say_keeping(s);
    if (r == 0)
        r = say_left_out(s);
    if (r == 0)
        r = say_needs(s);
    return finish(s, r);
}

static int take_back(setup *s)
{
    if (s->dry_run)
        return finish(s, put_statements(&s->report, setup_removal));
    if (!run(s, "BEGIN") || !run_all(s, setup_removal) || !run(s, "COMMIT"))
        return server_error(s, "nothing was removed");
    PGresult *kept = query(s, setup_kept);
    bool left = kept && PQntuples(kept) == 1 && strcmp(PQgetvalue(kept, 0, 0), "0") != 0;
    PQclear(kept);
    int r = say(s, "removed: the event triggers, the publication, the schema weir and kept slots");
    if (r == 0 && left)
        r = say(s, "a running Weir uses a kept slot: stop it, then run this again");
    return finish(s, r);
}

/* ---- arguments ---- */

static int take(setup *s, const char *argument)
{
    if (strcmp(argument, "--dry-run") == 0) {
        s->dry_run = true;
    } else if (strcmp(argument, "--remove") == 0) {
        s->remove = true;
    } else if (argument[0] == '-') {
        cli_complain("`weir help setup`", "unknown option %.60s", argument);
        return CLI_USAGE;
    } else if (s->dsn) {
        cli_complain("one database at a time", "more than one DSN is given");
        return CLI_USAGE;
    } else {
        s->dsn = argument;
    }
    return CLI_OK;
}

static int read_dsn(setup *s)
{
    weir_error err = {0};
    if (!s->dsn) {
        cli_complain("weir setup postgres://USER:PASSWORD@HOST/DATABASE", "no DSN given");
        return CLI_USAGE;
    }
    int r = weir_config_dsn_parse(&s->arena, s->dsn, &s->database, &err);
    if (r != 0) {
        cli_complain(err.hint, "%s", err.message);
        return r == -ENOMEM ? CLI_FAILED : CLI_USAGE;
    }
    if (s->database.backend != WEIR_CONFIG_POSTGRES) {
        cli_complain("", "there is nothing to set up: SQLite's changes are followed as they are");
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int run_setup(setup *s)
{
    s->conn = cli_connect(&s->database, "weir setup");
    if (PQstatus(s->conn) != CONNECTION_OK)
        return server_error(s, "cannot connect");
    if (!run(s, "SET search_path = pg_catalog; SET lock_timeout = '10s';"
                "SET client_min_messages = warning"))
        return server_error(s, "the server takes no settings");
    return s->remove ? take_back(s) : create(s);
}

int cli_setup(int argc, char **argv)
{
    setup s = {0};
    int status = CLI_OK;
    weir_arena_init(&s.arena, (size_t)1 << 20);
    weir_buf_init(&s.script, TEXT_MAX);
    weir_buf_init(&s.report, TEXT_MAX);
    for (int i = 0; i < argc && status == CLI_OK; i++)
        status = take(&s, argv[i]);
    if (status == CLI_OK)
        status = read_dsn(&s);
    if (status == CLI_OK)
        status = run_setup(&s);
    PQclear(s.facts);
    PQclear(s.tables);
    PQfinish(s.conn);
    weir_buf_fini(&s.script);
    weir_buf_fini(&s.report);
    weir_arena_fini(&s.arena);
    return status;
}
