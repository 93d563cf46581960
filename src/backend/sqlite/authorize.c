/* The authorizer. Clients share connections, so nothing that changes one for the next borrower is
 * allowed: ATTACH and DETACH, temporary objects, load_extension, and every PRAGMA that is not on
 * the list below (which reads, or changes the database itself and not the connection). */
#include "backend/sqlite/authorize.h"
#include <stdlib.h>
#include <strings.h>

#define STRINGS_SIZE_MAX (256u * 1024u)

typedef enum pragma_argument {
    ARGUMENT_NONE, /* only to read */
    ARGUMENT_NAME, /* the argument says what to look at */
    ARGUMENT_WRITE /* with an argument it writes to the database file */
} pragma_argument;

typedef struct pragma {
    const char *name;
    pragma_argument argument;
    bool writes; /* even without an argument */
} pragma;

static const pragma pragmas[] = {
    {"application_id", ARGUMENT_WRITE, false},
    {"auto_vacuum", ARGUMENT_NONE, false},
    {"busy_timeout", ARGUMENT_NONE, false},
    {"cache_size", ARGUMENT_NONE, false},
    {"collation_list", ARGUMENT_NONE, false},
    {"compile_options", ARGUMENT_NONE, false},
    {"data_version", ARGUMENT_NONE, false},
    {"database_list", ARGUMENT_NONE, false},
    {"defer_foreign_keys", ARGUMENT_NAME, false}, /* until the next COMMIT only */
    {"encoding", ARGUMENT_NONE, false},
    {"foreign_key_check", ARGUMENT_NAME, false},
    {"foreign_key_list", ARGUMENT_NAME, false},
    {"foreign_keys", ARGUMENT_NONE, false},
    {"freelist_count", ARGUMENT_NONE, false},
    {"function_list", ARGUMENT_NONE, false},
    {"incremental_vacuum", ARGUMENT_WRITE, true},
    {"index_info", ARGUMENT_NAME, false},
    {"index_list", ARGUMENT_NAME, false},
    {"index_xinfo", ARGUMENT_NAME, false},
    {"integrity_check", ARGUMENT_NAME, false},
    {"journal_mode", ARGUMENT_NONE, false},
    {"mmap_size", ARGUMENT_NONE, false},
    {"module_list", ARGUMENT_NONE, false},
    {"optimize", ARGUMENT_NONE, true},
    {"page_count", ARGUMENT_NONE, false},
    {"page_size", ARGUMENT_NONE, false},
    {"pragma_list", ARGUMENT_NONE, false},
    {"query_only", ARGUMENT_NONE, false},
    {"quick_check", ARGUMENT_NAME, false},
    {"schema_version", ARGUMENT_NONE, false},
    {"synchronous", ARGUMENT_NONE, false},
    {"table_info", ARGUMENT_NAME, false},
    {"table_list", ARGUMENT_NAME, false},
    {"table_xinfo", ARGUMENT_NAME, false},
    {"user_version", ARGUMENT_WRITE, false},
    {"wal_autocheckpoint", ARGUMENT_NONE, false},
    {"wal_checkpoint", ARGUMENT_WRITE, true},
};

void weir_sqlite_collector_init(weir_sqlite_collector *c)
{
    *c = (weir_sqlite_collector){.savepoint_name = ""};
    weir_arena_init(&c->strings, STRINGS_SIZE_MAX);
}

void weir_sqlite_collector_fini(weir_sqlite_collector *c)
{
    weir_arena_fini(&c->strings);
    free(c->items);
}

void weir_sqlite_collector_reset(weir_sqlite_collector *c)
{
    weir_arena_reset(&c->strings);
    c->count = 0;
    c->incomplete = c->transaction = c->schema = c->pragma = c->pragma_write = c->sequence =
        c->whole_table = false;
    c->refused = c->refused_hint = NULL;
    c->savepoint = WEIR_SQLITE_SAVEPOINT_NONE;
    c->savepoint_name = "";
}

static const char *keep(weir_sqlite_collector *c, const char *text)
{
    if (!text || !*text)
        return "";
    const char *copy = weir_arena_strdup(&c->strings, weir_slice_cstr(text));
    if (!copy)
        c->incomplete = true;
    return copy ? copy : "";
}

static bool same(const char *kept, const char *text)
{
    return strcmp(kept, text ? text : "") == 0;
}

/* One statement names a column again and again: only the newest is compared, which catches most. */
static bool is_repeated(const weir_sqlite_collector *c, weir_access_kind kind, const char *table,
                        const char *column, const char *database, const char *through)
{
    if (c->count == 0)
        return false;
    const weir_access *last = &c->items[c->count - 1];
    return last->kind == kind && same(last->table, table) && same(last->column, column) &&
           same(last->database, database) && same(last->through, through);
}

static bool grow(weir_sqlite_collector *c)
{
    size_t cap = c->cap ? c->cap * 2 : 16;
    weir_access *items = realloc(c->items, cap * sizeof(*items));
    if (!items)
        return false;
    c->items = items;
    c->cap = cap;
    return true;
}

static void collect(weir_sqlite_collector *c, weir_access_kind kind, const char *table,
                    const char *column, const char *database, const char *through)
{
    if (c->incomplete || is_repeated(c, kind, table, column, database, through))
        return;
    if (c->count >= WEIR_SQLITE_ACCESSES_MAX || (c->count == c->cap && !grow(c))) {
        c->incomplete = true;
        return;
    }
    c->items[c->count++] = (weir_access){
        .kind = kind,
        .temporary = database && strcmp(database, "temp") == 0,
        .database = keep(c, database),
        .table = keep(c, table),
        .column = keep(c, column),
        .through = keep(c, through),
    };
}

static int refuse(weir_sqlite_collector *c, const char *words, const char *hint)
{
    c->refused = words;
    c->refused_hint = hint;
    return SQLITE_DENY;
}

static int judge_pragma(weir_sqlite_collector *c, const char *name, const char *argument)
{
    const pragma *found = NULL;
    for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]) && !found; i++) {
        if (strcasecmp(pragmas[i].name, name) == 0)
            found = &pragmas[i];
    }
    if (!found || (argument && found->argument == ARGUMENT_NONE))
        return refuse(c, "weir: this PRAGMA would change a connection that others use next",
                      "Connection settings are in Weir's configuration, section sqlite.");
    c->pragma = true;
    c->pragma_write |= found->writes || (argument && found->argument == ARGUMENT_WRITE);
    return SQLITE_OK;
}

/* VACUUM attaches a nameless temporary file by a nested statement; VACUUM INTO names one, which
 * would let a client write anywhere. */
static int judge_attach(weir_sqlite_collector *c, const char *file)
{
    if (!c->preparing && file && *file == '\0')
        return SQLITE_OK;
    return refuse(c, "weir: other database files cannot be attached or written",
                  "Configure a database of its own for each file.");
}

static int judge_function(weir_sqlite_collector *c, const char *name)
{
    if (strcasecmp(name, "load_extension") == 0 || strcasecmp(name, "fts3_tokenizer") == 0)
        return refuse(c, "weir: this function could run code of the client's in the gateway", NULL);
    c->sequence |= strcasecmp(name, "nextval") == 0 || strcasecmp(name, "setval") == 0;
    if (strcasecmp(name, "count") == 0)
        c->whole_table = true;
    return SQLITE_OK;
}

/* -1: collected and allowed; else the verdict. */
static int judge(weir_sqlite_collector *c, int action, const char *a, const char *b)
{
    switch (action) {
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
        return refuse(c, "weir: temporary tables, views and triggers are not supported",
                      "Connections are shared between clients; use a common table expression or "
                      "an ordinary table.");
    case SQLITE_ATTACH:
        return judge_attach(c, a);
    case SQLITE_DETACH:
        return judge_attach(c, NULL);
    case SQLITE_PRAGMA:
        return judge_pragma(c, a, b);
    case SQLITE_FUNCTION:
        return judge_function(c, b);
    default:
        return SQLITE_OK;
    }
}

static void note_savepoint(weir_sqlite_collector *c, const char *op, const char *name)
{
    c->savepoint = strcmp(op, "BEGIN") == 0     ? WEIR_SQLITE_SAVEPOINT_BEGIN
                   : strcmp(op, "RELEASE") == 0 ? WEIR_SQLITE_SAVEPOINT_RELEASE
                                                : WEIR_SQLITE_SAVEPOINT_ROLLBACK;
    c->savepoint_name = keep(c, name);
}

static weir_access_kind kind_of(int action)
{
    switch (action) {
    case SQLITE_READ:
        return WEIR_ACCESS_READ;
    case SQLITE_INSERT:
        return WEIR_ACCESS_INSERT;
    case SQLITE_UPDATE:
        return WEIR_ACCESS_UPDATE;
    case SQLITE_DELETE:
        return WEIR_ACCESS_DELETE;
    case SQLITE_FUNCTION:
        return WEIR_ACCESS_FUNCTION;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return WEIR_ACCESS_TRANSACTION;
    case SQLITE_PRAGMA:
        return WEIR_ACCESS_PRAGMA;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return WEIR_ACCESS_ATTACH;
    default:
        return WEIR_ACCESS_SCHEMA;
    }
}

int weir_sqlite_authorize(void *user, int action, const char *a, const char *b,
                          const char *database, const char *through)
{
    weir_sqlite_collector *c = user;
    if (c->trusted)
        return SQLITE_OK;
    if (c->denies && !c->preparing) {
        c->stale = true;
        return SQLITE_DENY;
    }
    int verdict = judge(c, action, a, b);
    if (verdict != SQLITE_OK)
        return verdict;
    if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE)
        return SQLITE_OK;
    c->transaction |= action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT;
    if (action == SQLITE_SAVEPOINT)
        note_savepoint(c, a, b);
    c->schema |= kind_of(action) == WEIR_ACCESS_SCHEMA;
    c->whole_table |= action == SQLITE_READ && (!b || !*b);
    if (action == SQLITE_ALTER_TABLE) /* its arguments are the database and the table */
        collect(c, WEIR_ACCESS_SCHEMA, b, "", a, through);
    else if (action == SQLITE_CREATE_INDEX || action == SQLITE_DROP_INDEX ||
             action == SQLITE_CREATE_TRIGGER || action == SQLITE_DROP_TRIGGER)
        collect(c, WEIR_ACCESS_SCHEMA, b, a, database, through);
    else
        collect(c, kind_of(action), a, b, database, through);
    return SQLITE_OK;
}
