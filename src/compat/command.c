/* The statements that PostgreSQL's clients send and SQLite does not know: transactions with their
 * modes, settings, and what is refused with a reason. Each reader below gets the text behind its
 * first word. */
#include "compat/command.h"
#include "compat/rewriter.h"

typedef weir_command command;

int command_syntax(weir_slice rest, weir_error *err)
{
    return weir_token_unexpected(weir_token_peek(rest), err);
}

int command_ended(weir_slice rest, weir_error *err)
{
    return weir_token_peek(rest).kind == WEIR_TOKEN_END ? 0 : command_syntax(rest, err);
}

bool command_take_name(weir_slice *rest, weir_slice *ret)
{
    weir_token t = weir_token_next(rest);
    *ret = t.text;
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

bool command_accept2(weir_slice *rest, const char *first, const char *second)
{
    weir_slice after = *rest;
    if (!weir_token_accept(&after, first) || !weir_token_accept(&after, second))
        return false;
    *rest = after;
    return true;
}

/* ---- transactions ---- */

static bool read_isolation(weir_slice *s, command *c)
{
    if (command_accept2(s, "read", "committed") || command_accept2(s, "read", "uncommitted"))
        c->isolation = WEIR_ISOLATION_READ_COMMITTED;
    else if (command_accept2(s, "repeatable", "read"))
        c->isolation = WEIR_ISOLATION_REPEATABLE_READ;
    else if (weir_token_accept(s, "serializable"))
        c->isolation = WEIR_ISOLATION_SERIALIZABLE;
    else
        return false;
    return true;
}

static int read_modes(weir_slice s, command *c, weir_error *err)
{
    while (weir_token_peek(s).kind != WEIR_TOKEN_END) {
        if (command_accept2(&s, "isolation", "level")) {
            if (!read_isolation(&s, c))
                return command_syntax(s, err);
        } else if (command_accept2(&s, "read", "only")) {
            c->access_mode = WEIR_ACCESS_MODE_READ_ONLY;
        } else if (command_accept2(&s, "read", "write")) {
            c->access_mode = WEIR_ACCESS_MODE_WRITE;
        } else if (!command_accept2(&s, "not", "deferrable") &&
                   !weir_token_accept(&s, "deferrable")) {
            return command_syntax(s, err);
        }
        (void)weir_token_accept(&s, ",");
    }
    return 0;
}

static void skip_noise(weir_slice *s)
{
    if (!weir_token_accept(s, "work"))
        (void)weir_token_accept(s, "transaction");
}

static int read_begin(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_BEGIN, .tag = "BEGIN"};
    /* SQLite's own words: the writer at once, or when it is needed. */
    if (weir_token_accept(&s, "immediate") || weir_token_accept(&s, "exclusive"))
        c->isolation = WEIR_ISOLATION_SERIALIZABLE;
    else
        (void)weir_token_accept(&s, "deferred");
    skip_noise(&s);
    return read_modes(s, c, err);
}

static int read_start(weir_slice s, command *c, weir_error *err)
{
    if (!weir_token_accept(&s, "transaction"))
        return command_syntax(s, err);
    *c = (command){.kind = WEIR_COMMAND_BEGIN, .tag = "START TRANSACTION"};
    return read_modes(s, c, err);
}

static int refuse(command *c, const char *message, const char *hint)
{
    *c = (command){.kind = WEIR_COMMAND_REFUSED, .message = message, .hint = hint};
    return 0;
}

static int refuse_two_phase(command *c)
{
    return refuse(c, "weir: two-phase commit is not supported on SQLite",
                  "Use one transaction, or PostgreSQL behind Weir.");
}

static int read_chain(weir_slice s, command *c, weir_error *err)
{
    skip_noise(&s);
    if (weir_token_accept(&s, "and")) {
        c->chain = !weir_token_accept(&s, "no");
        if (!weir_token_accept(&s, "chain"))
            return command_syntax(s, err);
    }
    return command_ended(s, err);
}

static int read_commit(weir_slice s, command *c, weir_error *err)
{
    if (weir_token_accept(&s, "prepared"))
        return refuse_two_phase(c);
    *c = (command){.kind = WEIR_COMMAND_COMMIT, .tag = "COMMIT"};
    return read_chain(s, c, err);
}

static int read_savepoint_name(weir_slice s, command *c, weir_error *err)
{
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}

static int read_rollback(weir_slice s, command *c, weir_error *err)
{
    weir_slice after = s;
    skip_noise(&after);
    if (weir_token_accept(&s, "prepared"))
        return refuse_two_phase(c);
    if (weir_token_accept(&after, "to")) {
        *c = (command){.kind = WEIR_COMMAND_ROLLBACK_TO, .tag = "ROLLBACK"};
        (void)weir_token_accept(&after, "savepoint");
        return read_savepoint_name(after, c, err);
    }
    *c = (command){.kind = WEIR_COMMAND_ROLLBACK, .tag = "ROLLBACK"};
    return read_chain(s, c, err);
}

static int read_savepoint(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_SAVEPOINT, .tag = "SAVEPOINT"};
    return read_savepoint_name(s, c, err);
}

static int read_release(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_RELEASE, .tag = "RELEASE"};
    (void)weir_token_accept(&s, "savepoint");
    return read_savepoint_name(s, c, err);
}

/* ---- settings ---- */

static int read_value(weir_slice s, command *c, weir_error *err)
{
    weir_token t = weir_token_peek(s);
    if (t.kind == WEIR_TOKEN_END)
        return command_syntax(s, err);
    weir_slice after = s;
    if (weir_token_accept(&after, "default") && command_ended(after, NULL) == 0)
        return 0;
    c->value = s;
    return 0;
}

static int read_set_value(weir_slice s, command *c, weir_error *err)
{
    if (command_accept2(&s, "time", "zone")) {
        c->name = WEIR_SLICE_LIT("timezone");
        weir_slice after = s;
        return weir_token_accept(&after, "local") ? 0 : read_value(s, c, err);
    }
    if (weir_token_accept(&s, "names")) {
        c->name = WEIR_SLICE_LIT("client_encoding");
        return read_value(s, c, err);
    }
    weir_slice begin = s;
    if (!command_take_name(&s, &c->name))
        return command_syntax(begin, err);
    while (weir_token_accept(&s, ".")) { /* extension.name is one name */
        weir_slice part;
        if (!command_take_name(&s, &part))
            return command_syntax(s, err);
        c->name.len = (size_t)(part.data + part.len - c->name.data);
    }
    if (!weir_token_accept(&s, "to") && !weir_token_accept(&s, "="))
        return command_syntax(s, err);
    return read_value(s, c, err);
}

/* Which of them does not matter: those of the whole transaction are meant. */
static int read_constraints(weir_slice s, command *c, weir_error *err)
{
    weir_slice name;
    *c = (command){.kind = WEIR_COMMAND_CONSTRAINTS, .tag = "SET CONSTRAINTS"};
    if (!weir_token_accept(&s, "all")) {
        do {
            if (!command_take_name(&s, &name))
                return command_syntax(name, err);
        } while (weir_token_accept(&s, ".") || weir_token_accept(&s, ","));
    }
    c->local = weir_token_accept(&s, "deferred");
    if (!c->local && !weir_token_accept(&s, "immediate"))
        return command_syntax(s, err);
    return command_ended(s, err);
}

static int read_set(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_SET, .tag = "SET"};
    if (command_accept2(&s, "session", "characteristics")) {
        *c = (command){.kind = WEIR_COMMAND_SET_TRANSACTION, .tag = "SET", .session = true};
        if (!command_accept2(&s, "as", "transaction"))
            return command_syntax(s, err);
        return read_modes(s, c, err);
    }
    if (weir_token_accept(&s, "constraints"))
        return read_constraints(s, c, err);
    if (weir_token_accept(&s, "transaction")) {
        *c = (command){.kind = WEIR_COMMAND_SET_TRANSACTION, .tag = "SET"};
        return read_modes(s, c, err);
    }
    c->local = weir_token_accept(&s, "local");
    if (!c->local && command_accept2(&s, "session", "authorization"))
        return refuse(c, "weir: SQLite has no roles", "Connect as the user that you want to be.");
    if (!c->local)
        (void)weir_token_accept(&s, "session");
    weir_slice after = s;
    if (weir_token_accept(&after, "role"))
        return refuse(c, "weir: SQLite has no roles", "Connect as the user that you want to be.");
    return read_set_value(s, c, err);
}

/* RESET and SHOW name a setting alike. */
static int read_setting_name(weir_slice s, command *c, weir_error *err)
{
    if (command_accept2(&s, "time", "zone"))
        c->name = WEIR_SLICE_LIT("timezone");
    else if (command_accept2(&s, "transaction", "isolation"))
        c->name = weir_token_accept(&s, "level") ? WEIR_SLICE_LIT("transaction_isolation")
                                                 : (weir_slice){0};
    else if (command_accept2(&s, "session", "authorization"))
        c->name = WEIR_SLICE_LIT("session_authorization");
    else if (!weir_token_accept(&s, "all") && !command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    while (c->name.len > 0 && weir_token_accept(&s, ".")) {
        weir_slice part;
        if (!command_take_name(&s, &part))
            return command_syntax(s, err);
        c->name.len = (size_t)(part.data + part.len - c->name.data);
    }
    return command_ended(s, err);
}

static int read_reset(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_RESET, .tag = "RESET"};
    return read_setting_name(s, c, err);
}

static int read_show(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_SHOW, .tag = "SHOW"};
    return read_setting_name(s, c, err);
}

/* ---- session ---- */

static int ignore(command *c, const char *tag)
{
    *c = (command){.kind = WEIR_COMMAND_IGNORED, .tag = tag};
    return 0;
}

static int read_discard(weir_slice s, command *c, weir_error *err)
{
    if (weir_token_accept(&s, "all"))
        *c = (command){.kind = WEIR_COMMAND_DISCARD_ALL, .tag = "DISCARD ALL"};
    else if (weir_token_accept(&s, "plans"))
        (void)ignore(c, "DISCARD PLANS");
    else if (weir_token_accept(&s, "sequences"))
        *c = (command){.kind = WEIR_COMMAND_DISCARD_SEQUENCES, .tag = "DISCARD SEQUENCES"};
    else if (weir_token_accept(&s, "temp") || weir_token_accept(&s, "temporary"))
        (void)ignore(c, "DISCARD TEMP");
    else
        return command_syntax(s, err);
    return command_ended(s, err);
}

static int read_deallocate(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_DEALLOCATE, .tag = "DEALLOCATE"};
    (void)weir_token_accept(&s, "prepare");
    if (weir_token_accept(&s, "all"))
        c->tag = "DEALLOCATE ALL";
    else if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}

static int read_listen(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_LISTEN, .tag = "LISTEN"};
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}

static int read_unlisten(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_UNLISTEN, .tag = "UNLISTEN"};
    if (!weir_token_accept(&s, "*") && !command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}

static int read_notify(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_NOTIFY, .tag = "NOTIFY"};
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    if (weir_token_accept(&s, ",")) {
        weir_token t = weir_token_next(&s);
        if (t.kind != WEIR_TOKEN_STRING)
            return command_syntax(t.text, err);
        c->value = t.text;
    }
    return command_ended(s, err);
}

static int read_checkpoint(weir_slice s, command *c, weir_error *err)
{
    (void)ignore(c, "CHECKPOINT"); /* SQLite does it by itself */
    return command_ended(s, err);
}

/* asyncpg resets a connection with a DO block whose only effect is UNLISTEN. */
static int read_do(weir_slice s, command *c, weir_error *err)
{
    (void)err;
    weir_token body = weir_token_next(&s);
    bool reset = memmem(body.text.data, body.text.len, "pg_listening_channels", 21) != NULL;
    if (body.kind == WEIR_TOKEN_STRING && reset) {
        *c = (command){.kind = WEIR_COMMAND_UNLISTEN, .tag = "DO"};
        return 0;
    }
    return refuse(c, "weir: DO blocks are not supported on SQLite",
                  "Send the statements one by one.");
}

/* EXPLAIN of anything else is SQLite's own. */
static int read_explain(weir_slice s, command *c, weir_error *err)
{
    (void)err;
    if (!weir_token_is(weir_token_next(&s), "cache"))
        return 0;
    c->kind = WEIR_COMMAND_EXPLAIN_CACHE;
    c->value = s;
    c->tag = "EXPLAIN";
    return 0;
}

/* Its options are read when it is run (copy.h). */
static int read_copy(weir_slice s, command *c, weir_error *err)
{
    (void)err;
    *c = (command){.kind = WEIR_COMMAND_COPY, .value = s, .tag = "COPY"};
    return 0;
}

static int read_prepare(weir_slice s, command *c, weir_error *err)
{
    weir_slice after = s;
    return weir_token_accept(&after, "transaction") ? refuse_two_phase(c)
                                                    : command_read_prepare(s, c, err);
}

static bool read_sequence(weir_slice s, command *c, const char *tag)
{
    if (!weir_token_accept(&s, "sequence"))
        return false;
    *c = (command){.kind = WEIR_COMMAND_SEQUENCE, .value = s, .tag = tag};
    return true;
}

/* There is one schema. Others are refused by the translation. */
static bool read_schema(weir_slice s, bool drop, command *c)
{
    if (!weir_token_accept(&s, "schema"))
        return false;
    bool quietly = drop ? command_accept2(&s, "if", "exists") : command_accept2(&s, "if", "not");
    if (quietly && !drop)
        quietly = weir_token_accept(&s, "exists");
    bool public = weir_token_is(weir_token_peek(s), "public");
    if (!quietly || public == drop)
        return false;
    (void)ignore(c, drop ? "DROP SCHEMA" : "CREATE SCHEMA");
    return true;
}

static bool read_type(weir_slice s, command *c, const char *tag)
{
    if (!weir_token_accept(&s, "type"))
        return false;
    *c = (command){.kind = WEIR_COMMAND_TYPE, .value = s, .tag = tag};
    return true;
}

/* ALTER INDEX a RENAME TO b, as an action of the index's table: `value` says it whole. */
static int read_alter_index(weir_slice s, command *c, weir_error *err)
{
    weir_slice name, value = s;
    (void)weir_token_accept(&s, "index");
    bool missing_ok = command_accept2(&s, "if", "exists");
    do {
        if (!command_take_name(&s, &name))
            return command_syntax(name, err);
    } while (weir_token_accept(&s, "."));
    if (!command_accept2(&s, "rename", "to"))
        return 0;
    if (weir_token_peek(s).kind == WEIR_TOKEN_END)
        return command_syntax(s, err);
    *c = (command){.kind = WEIR_COMMAND_ALTER_TABLE,
                   .name = name,
                   .value = value,
                   .local = true,
                   .missing_ok = missing_ok,
                   .tag = "ALTER INDEX"};
    return 0;
}

static int read_alter(weir_slice s, command *c, weir_error *err)
{
    weir_slice name;
    if (weir_token_is(weir_token_peek(s), "index"))
        return read_alter_index(s, c, err);
    if (read_sequence(s, c, "ALTER SEQUENCE") || read_type(s, c, "ALTER TYPE"))
        return 0;
    if (!weir_token_accept(&s, "table"))
        return 0;
    bool missing_ok = command_accept2(&s, "if", "exists");
    (void)weir_token_accept(&s, "only");
    do {
        if (!command_take_name(&s, &name))
            return command_syntax(name, err);
    } while (weir_token_accept(&s, "."));
    if (weir_token_peek(s).kind == WEIR_TOKEN_END)
        return command_syntax(s, err);
    *c = (command){.kind = WEIR_COMMAND_ALTER_TABLE,
                   .name = name,
                   .value = s,
                   .missing_ok = missing_ok,
                   .tag = "ALTER TABLE"};
    return 0;
}

/* One table is SQLite's own to empty (rewrite_ddl.c), but for its sequences. */
static int read_truncate(weir_slice s, command *c, weir_error *err)
{
    weir_slice name, list;
    size_t tables = 0;
    (void)weir_token_accept(&s, "table");
    (void)weir_token_accept(&s, "only");
    list = s;
    do {
        if (!command_take_name(&s, &name))
            return command_syntax(name, err);
        tables += weir_token_is(weir_token_peek(s), ".") ? 0 : 1;
    } while (weir_token_accept(&s, ".") || weir_token_accept(&s, ","));
    weir_slice behind = s;
    bool restarts = command_accept2(&behind, "restart", "identity");
    if (tables < 2 && !restarts)
        return 0;
    *c = (command){.kind = WEIR_COMMAND_TRUNCATE, .chain = restarts, .tag = "TRUNCATE TABLE"};
    c->value = weir_slice_head(list, (size_t)(s.data - list.data));
    if (!command_accept2(&s, "restart", "identity"))
        (void)command_accept2(&s, "continue", "identity");
    c->missing_ok = weir_token_accept(&s, "cascade");
    if (!c->missing_ok)
        (void)weir_token_accept(&s, "restrict");
    return command_ended(s, err);
}

static int read_drop(weir_slice s, command *c, weir_error *err)
{
    (void)err;
    static const struct {
        const char *word, *tag;
    } kinds[] = {{"table", "DROP TABLE"},
                 {"index", "DROP INDEX"},
                 {"view", "DROP VIEW"},
                 {"trigger", "DROP TRIGGER"}};
    if (read_sequence(s, c, "DROP SEQUENCE") || read_type(s, c, "DROP TYPE") ||
        read_schema(s, true, c))
        return 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (weir_token_is(weir_token_peek(s), kinds[i].word))
            *c = (command){.kind = WEIR_COMMAND_DEFINE, .tag = kinds[i].tag};
    return 0;
}

static int read_comment(weir_slice s, command *c, weir_error *err)
{
    if (!weir_token_accept(&s, "on"))
        return command_syntax(s, err);
    *c = (command){.kind = WEIR_COMMAND_DEFINE, .tag = "COMMENT"};
    return 0;
}

/* With columns that may draw from sequences of their own, or be of types of one's own. */
static bool is_script(weir_slice s, bool *ret_types)
{
    weir_slice items;
    *ret_types = false;
    if (!weir_token_accept(&s, "table"))
        return false;
    bool counts = weir_token_mentions(s, "serial") || weir_token_mentions(s, "identity");
    if (weir_token_accept(&s, "if"))
        (void)command_accept2(&s, "not", "exists");
    do
        (void)weir_token_next(&s);
    while (weir_token_accept(&s, "."));
    if (!weir_token_accept(&s, "(") || !weir_token_take_parentheses(&s, &items))
        return false;
    *ret_types = rewriter_names_types(items);
    return counts || *ret_types;
}

static int read_create(weir_slice s, command *c, weir_error *err)
{
    if (read_sequence(s, c, "CREATE SEQUENCE") || read_type(s, c, "CREATE TYPE") ||
        read_schema(s, false, c))
        return 0;
    bool types = false;
    weir_slice temp = s;
    if (weir_token_accept(&temp, "table") && command_accept2(&temp, "temp", "."))
        return refuse(c, "weir: temporary tables, views and triggers are not supported",
                      "Connections are shared between clients; use a common table expression or an "
                      "ordinary table.");
    if (is_script(s, &types)) {
        *c = (command){.kind = WEIR_COMMAND_DEFINE, .local = types, .tag = "CREATE TABLE"};
        return 0;
    }
    if (!weir_token_accept(&s, "database"))
        return 0;
    *c = (command){.kind = WEIR_COMMAND_CREATE_DATABASE, .tag = "CREATE DATABASE"};
    return command_take_name(&s, &c->name) ? 0 : command_syntax(c->name, err);
}

typedef struct entry {
    const char *word;
    int (*read)(weir_slice rest, command *c, weir_error *err);
    const char *message, *hint; /* without `read`: refused */
} entry;

static const entry entries[] = {
    {.word = "begin", .read = read_begin},
    {.word = "start", .read = read_start},
    {.word = "commit", .read = read_commit},
    {.word = "end", .read = read_commit},
    {.word = "rollback", .read = read_rollback},
    {.word = "abort", .read = read_rollback},
    {.word = "savepoint", .read = read_savepoint},
    {.word = "release", .read = read_release},
    {.word = "set", .read = read_set},
    {.word = "reset", .read = read_reset},
    {.word = "show", .read = read_show},
    {.word = "discard", .read = read_discard},
    {.word = "deallocate", .read = read_deallocate},
    {.word = "close", .read = command_read_close},
    {.word = "unlisten", .read = read_unlisten},
    {.word = "checkpoint", .read = read_checkpoint},
    {.word = "do", .read = read_do},
    {.word = "explain", .read = read_explain},
    {.word = "select", .read = command_read_select},
    {.word = "copy", .read = read_copy},
    {.word = "alter", .read = read_alter},
    {.word = "create", .read = read_create},
    {.word = "drop", .read = read_drop},
    {.word = "comment", .read = read_comment},
    {.word = "truncate", .read = read_truncate},
    {.word = "listen", .read = read_listen},
    {.word = "notify", .read = read_notify},
    {.word = "prepare", .read = read_prepare},
    {.word = "execute", .read = command_read_execute},
    {.word = "declare", .read = command_read_declare},
    {.word = "fetch", .read = command_read_fetch},
    {.word = "move", .read = command_read_move},
    {"merge", NULL, "weir: MERGE is not supported on SQLite",
     "INSERT … ON CONFLICT DO UPDATE does most of it; docs/sqlite.md lists what is not."},
    {"lock", NULL, "weir: LOCK is not supported on SQLite",
     "A SERIALIZABLE transaction holds the writer from its beginning."},
    {"call", NULL, "weir: SQLite has no procedures", "Send the statements themselves."},
    {"grant", NULL, "weir: SQLite has no privileges", "Restrict who may connect to Weir."},
    {"revoke", NULL, "weir: SQLite has no privileges", "Restrict who may connect to Weir."},
    {"attach", NULL, "weir: ATTACH is not allowed", "Configure the other file as a database."},
    {"detach", NULL, "weir: DETACH is not allowed", "Nothing is attached."},
};

int weir_command_read(weir_slice text, command *ret, weir_error *err)
{
    weir_slice rest = text;
    weir_token first = weir_token_next(&rest);
    *ret = (command){.kind = first.kind == WEIR_TOKEN_END ? WEIR_COMMAND_EMPTY : WEIR_COMMAND_NONE};
    if (first.kind != WEIR_TOKEN_WORD)
        return 0;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (!weir_slice_eq_nocase(first.text, entries[i].word))
            continue;
        return entries[i].read ? entries[i].read(rest, ret, err)
                               : refuse(ret, entries[i].message, entries[i].hint);
    }
    return 0;
}
