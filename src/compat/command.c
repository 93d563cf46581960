/* The statements that PostgreSQL's clients send and SQLite does not know: transactions with their
 * modes, settings, and what is refused with a reason. Each reader below gets the text behind its
 * first word. */
#include "compat/compat.h"
#include "compat/token.h"

typedef weir_command command;

static int syntax(weir_slice rest, weir_error *err)
{
    weir_token t = weir_token_peek(rest);
    if (t.kind == WEIR_TOKEN_END)
        weir_error_set(err, "42601", "weir: syntax error at end of input");
    else
        weir_error_set(err, "42601", "weir: syntax error at or near \"%.*s\"",
                       (int)(t.text.len < 60 ? t.text.len : 60), (const char *)t.text.data);
    return WEIR_COMPAT_REFUSED;
}

static int ended(weir_slice rest, weir_error *err)
{
    return weir_token_peek(rest).kind == WEIR_TOKEN_END ? 0 : syntax(rest, err);
}

static bool take_name(weir_slice *rest, weir_slice *ret)
{
    weir_token t = weir_token_next(rest);
    *ret = t.text;
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

static bool accept2(weir_slice *rest, const char *first, const char *second)
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
    if (accept2(s, "read", "committed") || accept2(s, "read", "uncommitted"))
        c->isolation = WEIR_ISOLATION_READ_COMMITTED;
    else if (accept2(s, "repeatable", "read"))
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
        if (accept2(&s, "isolation", "level")) {
            if (!read_isolation(&s, c))
                return syntax(s, err);
        } else if (accept2(&s, "read", "only")) {
            c->access_mode = WEIR_ACCESS_MODE_READ_ONLY;
        } else if (accept2(&s, "read", "write")) {
            c->access_mode = WEIR_ACCESS_MODE_WRITE;
        } else if (!accept2(&s, "not", "deferrable") && !weir_token_accept(&s, "deferrable")) {
            return syntax(s, err);
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
        return syntax(s, err);
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
            return syntax(s, err);
    }
    return ended(s, err);
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
    if (!take_name(&s, &c->name))
        return syntax(c->name, err);
    return ended(s, err);
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
        return syntax(s, err);
    weir_slice after = s;
    if (weir_token_accept(&after, "default") && ended(after, NULL) == 0)
        return 0;
    c->value = s;
    return 0;
}

static int read_set_value(weir_slice s, command *c, weir_error *err)
{
    if (accept2(&s, "time", "zone")) {
        c->name = WEIR_SLICE_LIT("timezone");
        weir_slice after = s;
        return weir_token_accept(&after, "local") ? 0 : read_value(s, c, err);
    }
    if (weir_token_accept(&s, "names")) {
        c->name = WEIR_SLICE_LIT("client_encoding");
        return read_value(s, c, err);
    }
    weir_slice begin = s;
    if (!take_name(&s, &c->name))
        return syntax(begin, err);
    while (weir_token_accept(&s, ".")) { /* extension.name is one name */
        weir_slice part;
        if (!take_name(&s, &part))
            return syntax(s, err);
        c->name.len = (size_t)(part.data + part.len - c->name.data);
    }
    if (!weir_token_accept(&s, "to") && !weir_token_accept(&s, "="))
        return syntax(s, err);
    return read_value(s, c, err);
}

static int read_set(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_SET, .tag = "SET"};
    if (accept2(&s, "session", "characteristics")) {
        *c = (command){.kind = WEIR_COMMAND_SET_TRANSACTION, .tag = "SET", .session = true};
        if (!accept2(&s, "as", "transaction"))
            return syntax(s, err);
        return read_modes(s, c, err);
    }
    if (weir_token_accept(&s, "transaction")) {
        *c = (command){.kind = WEIR_COMMAND_SET_TRANSACTION, .tag = "SET"};
        return read_modes(s, c, err);
    }
    c->local = weir_token_accept(&s, "local");
    if (!c->local && accept2(&s, "session", "authorization"))
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
    if (accept2(&s, "time", "zone"))
        c->name = WEIR_SLICE_LIT("timezone");
    else if (accept2(&s, "transaction", "isolation"))
        c->name = weir_token_accept(&s, "level") ? WEIR_SLICE_LIT("transaction_isolation")
                                                 : (weir_slice){0};
    else if (accept2(&s, "session", "authorization"))
        c->name = WEIR_SLICE_LIT("session_authorization");
    else if (!weir_token_accept(&s, "all") && !take_name(&s, &c->name))
        return syntax(c->name, err);
    while (c->name.len > 0 && weir_token_accept(&s, ".")) {
        weir_slice part;
        if (!take_name(&s, &part))
            return syntax(s, err);
        c->name.len = (size_t)(part.data + part.len - c->name.data);
    }
    return ended(s, err);
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
        (void)ignore(c, "DISCARD SEQUENCES");
    else if (weir_token_accept(&s, "temp") || weir_token_accept(&s, "temporary"))
        (void)ignore(c, "DISCARD TEMP");
    else
        return syntax(s, err);
    return ended(s, err);
}

static int read_deallocate(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_DEALLOCATE, .tag = "DEALLOCATE"};
    (void)weir_token_accept(&s, "prepare");
    if (weir_token_accept(&s, "all"))
        c->tag = "DEALLOCATE ALL";
    else if (!take_name(&s, &c->name))
        return syntax(c->name, err);
    return ended(s, err);
}

static int read_close(weir_slice s, command *c, weir_error *err)
{
    if (!weir_token_accept(&s, "all"))
        return refuse(c, "weir: SQL cursors are not supported on SQLite",
                      "Use the driver's own row limit, or LIMIT.");
    (void)ignore(c, "CLOSE CURSOR ALL");
    return ended(s, err);
}

static int read_unlisten(weir_slice s, command *c, weir_error *err)
{
    (void)s;
    (void)err;
    return ignore(c, "UNLISTEN"); /* nothing is ever listened to */
}

static int read_checkpoint(weir_slice s, command *c, weir_error *err)
{
    (void)ignore(c, "CHECKPOINT"); /* SQLite does it by itself */
    return ended(s, err);
}

/* asyncpg resets a connection with a DO block whose only effect is UNLISTEN. */
static int read_do(weir_slice s, command *c, weir_error *err)
{
    (void)err;
    weir_token body = weir_token_next(&s);
    bool reset = memmem(body.text.data, body.text.len, "pg_listening_channels", 21) != NULL;
    if (body.kind == WEIR_TOKEN_STRING && reset)
        return ignore(c, "DO");
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
    {.word = "close", .read = read_close},
    {.word = "unlisten", .read = read_unlisten},
    {.word = "checkpoint", .read = read_checkpoint},
    {.word = "do", .read = read_do},
    {.word = "explain", .read = read_explain},
    {"listen", NULL, "weir: LISTEN is not supported on SQLite", "Poll the table instead."},
    {"notify", NULL, "weir: NOTIFY is not supported on SQLite", "Poll the table instead."},
    {"prepare", NULL, "weir: SQL-level PREPARE is not supported on SQLite",
     "Use the driver's prepared statements (the extended protocol)."},
    {"execute", NULL, "weir: SQL-level EXECUTE is not supported on SQLite",
     "Use the driver's prepared statements (the extended protocol)."},
    {"declare", NULL, "weir: SQL cursors are not supported on SQLite",
     "Use the driver's own row limit, or LIMIT."},
    {"fetch", NULL, "weir: SQL cursors are not supported on SQLite",
     "Use the driver's own row limit, or LIMIT."},
    {"move", NULL, "weir: SQL cursors are not supported on SQLite",
     "Use the driver's own row limit, or LIMIT."},
    {"copy", NULL, "weir: COPY is not supported on SQLite",
     "Use INSERT with several rows, or SELECT."},
    {"lock", NULL, "weir: LOCK is not supported on SQLite",
     "A SERIALIZABLE transaction holds the writer from its beginning."},
    {"call", NULL, "weir: SQLite has no procedures", "Send the statements themselves."},
    {"truncate", NULL, "weir: TRUNCATE is not supported on SQLite", "Use DELETE FROM."},
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
