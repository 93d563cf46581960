/* SQLite's result codes and messages as SQLSTATEs and words. Most codes say it all; SQLITE_ERROR
 * does not, so its kinds are told apart by the message's text (SQLite's messages are stable: its
 * own test suite compares them). Constraint errors are put the way PostgreSQL does, with SQLite's
 * own words as the detail. */
#include "backend/sqlite/errors.h"
#include <stdio.h>
#include <string.h>

typedef struct code_state {
    int code;
    const char *sqlstate;
} code_state;

/* Extended codes come before the primary code that they refine. */
static const code_state codes[] = {
    {SQLITE_BUSY_SNAPSHOT, "40001"},
    {SQLITE_IOERR_NOMEM, "53200"},
    {SQLITE_CONSTRAINT_UNIQUE, "23505"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, "23505"},
    {SQLITE_CONSTRAINT_ROWID, "23505"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, "23503"},
    {SQLITE_CONSTRAINT_NOTNULL, "23502"},
    {SQLITE_CONSTRAINT_CHECK, "23514"},
    {SQLITE_CONSTRAINT_DATATYPE, "42804"},
    {SQLITE_CONSTRAINT, "23000"},
    {SQLITE_BUSY, "55P03"},
    {SQLITE_LOCKED, "55P03"},
    {SQLITE_PROTOCOL, "55P03"},
    {SQLITE_INTERRUPT, "57014"},
    {SQLITE_READONLY, "25006"},
    {SQLITE_IOERR, "58030"},
    {SQLITE_NOLFS, "58030"},
    {SQLITE_CANTOPEN, "58030"},
    {SQLITE_CORRUPT, "XX001"},
    {SQLITE_NOTADB, "XX001"},
    {SQLITE_FULL, "53100"},
    {SQLITE_TOOBIG, "54000"},
    {SQLITE_MISMATCH, "42804"},
    {SQLITE_AUTH, "42501"},
    {SQLITE_PERM, "42501"},
    {SQLITE_NOMEM, "53200"},
    {SQLITE_RANGE, "08P01"},
};

typedef struct text_state {
    const char *text; /* "^": at the start; else anywhere */
    const char *sqlstate;
} text_state;

/* The first that matches decides. */
static const text_state texts[] = {
    {"syntax error", "42601"},
    {"^incomplete input", "42601"},
    {"^unrecognized token", "42601"},
    {"^no such table", "42P01"},
    {"^no such view", "42P01"},
    {"^no such column", "42703"},
    {"has no column named", "42703"},
    {"^unknown column", "42703"},
    {"^no such function", "42883"},
    {"^wrong number of arguments to function", "42883"},
    {"^ambiguous column name", "42702"},
    {"^duplicate column name", "42701"},
    {"^trigger", "42710"},
    {"already exists", "42P07"},
    {"^there is already", "42P07"},
    {"^no such index", "42704"},
    {"^no such trigger", "42704"},
    {"^no such collation sequence", "42704"},
    {"^no such module", "42704"},
    {"^unknown database", "3F000"},
    {"^no such savepoint", "3B001"},
    {"^cannot start a transaction within", "25001"},
    {"from within a transaction", "25001"},
    {"no transaction is active", "25P01"},
    {"SQL statements in progress", "55006"},
    {"because it is a view", "42809"},
    {"may not be", "42501"},
    {"^unsafe use of", "0A000"},
    {"^object name reserved", "42939"},
    {"^foreign key mismatch", "42830"},
    {"^ON CONFLICT clause does not match", "42P10"},
    {"term out of range", "42P10"},
    {"^misuse of window", "42P20"},
    {"^misuse of aggregate", "42803"},
    {"^a GROUP BY clause is required", "42803"},
    {"integer overflow", "22003"},
    {"malformed JSON", "22P02"},
    {"JSON", "22P02"},
    {"^too many", "54000"},
    {"too large", "54000"},
    {"^parser stack overflow", "54001"},
    {"^at most", "54000"},
    {"too big", "54000"},
    {"values for", "42601"},
    {"values were supplied", "42601"},
    {"same number of", "42601"},
    {"^sub-select returns", "42601"},
    {"^row value misused", "42601"},
    {"^no tables specified", "42601"},
};

static const char *state_of_text(const char *message)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = texts[i].text;
        bool at_start = text[0] == '^';
        const char *found = strstr(message, text + at_start);
        if (found && (!at_start || found == message))
            return texts[i].sqlstate;
    }
    return "42000";
}

/* A text that cannot be compiled and a schema that is no longer the file's have one code: SQLite
 * (sqlite3LockAndPrepare) says the second where both are so, with the words of the first. */
static bool is_of_text(int primary, const char *message)
{
    return primary == SQLITE_ERROR ||
           (primary == SQLITE_SCHEMA && strcmp(message, sqlite3_errstr(SQLITE_SCHEMA)) != 0);
}

static const char *state_of_code(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code || codes[i].code == (code & 0xff))
            return codes[i].sqlstate;
    }
    return "XX000";
}

/* What follows "… constraint failed: ", or "". */
static const char *constraint_words(const char *message)
{
    const char *colon = strstr(message, "failed: ");
    return colon ? colon + strlen("failed: ") : "";
}

/* "t.a, t.b" → t and "a, b". SQLite repeats the table before each column. */
static void split_columns(const char *words, char *table, size_t table_size, char *columns,
                          size_t columns_size)
{
    const char *dot = strchr(words, '.');
    size_t table_len = dot ? (size_t)(dot - words) : 0;
    snprintf(table, table_size, "%.*s", (int)(table_len < 64 ? table_len : 64), words);
    columns[0] = '\0';
    size_t used = 0;
    while (dot && used < columns_size) {
        const char *end = strstr(dot, ", ");
        size_t len = end ? (size_t)(end - dot - 1) : strlen(dot + 1);
        int n = snprintf(columns + used, columns_size - used, "%s%.*s", used ? ", " : "",
                         (int)(len < 128 ? len : 128), dot + 1);
        used += n > 0 ? (size_t)n : 0;
        dot = end ? strchr(end, '.') : NULL;
    }
}

static void unique_words(const char *words, const char *state, weir_error *err)
{
    char table[72];
    char columns[200];
    if (strncmp(words, "index '", 7) == 0) { /* an index on an expression has only its name */
        weir_error_set(err, state, "duplicate key value violates unique constraint \"%.*s\"",
                       (int)strcspn(words + 7, "'"), words + 7);
        return;
    }
    split_columns(words, table, sizeof(table), columns, sizeof(columns));
    weir_error_set(err, state, "duplicate key value violates unique constraint of \"%s\" (%s)",
                   table, columns);
}

static void constraint_error(int code, const char *message, const char *state, weir_error *err)
{
    char table[72];
    char columns[200];
    const char *words = constraint_words(message);
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        unique_words(words, state, err);
        break;
    case SQLITE_CONSTRAINT_NOTNULL:
        split_columns(words, table, sizeof(table), columns, sizeof(columns));
        weir_error_set(
            err, state,
            "null value in column \"%s\" of relation \"%s\" violates not-null constraint", columns,
            table);
        break;
    case SQLITE_CONSTRAINT_CHECK:
        weir_error_set(err, state, "new row violates check constraint \"%s\"", words);
        break;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        weir_error_set(err, state, "insert, update or delete violates foreign key constraint");
        break;
    default: /* a trigger's RAISE has its author's words */
        weir_error_set(err, state, "%s", message);
        return;
    }
    weir_error_detail(err, "%s", message);
}

static bool is_out_of_space(int system_errno)
{
    return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

/* True: it is a function's of our own, which has its state with it. */
static bool face_error(int primary, const char *message, weir_error *err)
{
    static const char end[] = {WEIR_SQLITE_FACE_ERROR_END, '\0'};
    size_t prefix = strlen(WEIR_SQLITE_FACE_ERROR);
    char state[6] = "";
    if (primary != SQLITE_ERROR || strncmp(message, WEIR_SQLITE_FACE_ERROR, prefix) != 0 ||
        strlen(message) < prefix + 6)
        return false;
    memcpy(state, message + prefix, 5);
    message += prefix + 6;
    size_t len = strcspn(message, end);
    weir_error_set(err, state, "%.*s", (int)len, message);
    message += len + (message[len] != '\0');
    len = strcspn(message, end);
    weir_error_detail(err, "%.*s", (int)len, message);
    weir_error_hint(err, "%s", message + len + (message[len] != '\0'));
    return true;
}

void weir_sqlite_error_from(int code, const char *message, int system_errno, weir_error *err)
{
    int primary = code & 0xff;
    if (face_error(primary, message, err))
        return;
    const char *state = is_of_text(primary, message) ? state_of_text(message) : state_of_code(code);
    if (primary == SQLITE_CONSTRAINT) {
        constraint_error(code, message, state, err);
    } else if (primary == SQLITE_IOERR && is_out_of_space(system_errno)) {
        weir_error_set(err, "53100", "database or disk is full");
        weir_error_detail(err, "%s (%s)", message, strerror(system_errno));
    } else if (code == SQLITE_BUSY_SNAPSHOT) {
        weir_error_set(err, state, "could not serialize access due to concurrent update");
        weir_error_hint(err, "The transaction's snapshot is not the newest: run it again.");
    } else if (primary == SQLITE_READONLY) {
        weir_error_set(err, state, "weir: the database file is read-only");
        weir_error_detail(err, "%s", message);
    } else if (primary == SQLITE_BUSY) {
        weir_error_set(err, state, "weir: another process holds the database's lock");
        weir_error_detail(err, "%s", message);
    } else if (primary == SQLITE_NOTADB) {
        weir_error_set(err, state, "weir: the file is not an SQLite database, or it is encrypted");
    } else if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) {
        weir_error_set(err, state, "%s", message);
        if (system_errno)
            weir_error_detail(err, "%s", strerror(system_errno));
    } else {
        weir_error_set(err, state, "%s", message);
    }
}

/* SQLite asks the system when a statement fails, but not when its commit does: then the log's file
 * knows what its newest failure was. */
static int system_errno(sqlite3 *handle)
{
    sqlite3_file *log = NULL;
    int found = sqlite3_system_errno(handle);
    if (found != 0 || sqlite3_extended_errcode(handle) != SQLITE_IOERR_WRITE)
        return found;
    int rc = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log);
    if (rc == SQLITE_OK && log && log->pMethods)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &found);
    return found;
}

void weir_sqlite_error(sqlite3 *handle, int rc, weir_error *err)
{
    if (!handle || (sqlite3_errcode(handle) & 0xff) != (rc & 0xff)) {
        weir_sqlite_error_from(rc, sqlite3_errstr(rc), 0, err);
        return;
    }
    weir_sqlite_error_from(sqlite3_extended_errcode(handle), sqlite3_errmsg(handle),
                           system_errno(handle), err);
}

void weir_sqlite_overdue_error(weir_error *err)
{
    weir_error_set(err, "40001",
                   "weir: the statement's snapshot kept the database's log from being emptied and "
                   "was given up");
    weir_error_hint(err, "The log was larger than sqlite.wal_max: run it again, in smaller parts, "
                         "or read from a backup.");
}
