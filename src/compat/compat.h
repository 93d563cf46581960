/* SQLite's PostgreSQL face, without I/O: which PostgreSQL type a column is announced as, values in
 * the protocol's text and binary formats, the commands that SQLite does not know, the translation
 * of other statements, and PostgreSQL's catalogue. docs/sqlite.md says what is promised.
 *
 * All slices that are given back borrow from the input unless said otherwise. */
#ifndef WEIR_COMPAT_COMPAT_H
#define WEIR_COMPAT_COMPAT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* ---- types (types.c) ---- */

/* Of PostgreSQL's pg_type.dat: the types that a driver can be told of. */
enum {
    WEIR_OID_BOOL = 16,
    WEIR_OID_BYTEA = 17,
    WEIR_OID_CHAR = 18,
    WEIR_OID_NAME = 19,
    WEIR_OID_INT8 = 20,
    WEIR_OID_INT2 = 21,
    WEIR_OID_INT4 = 23,
    WEIR_OID_TEXT = 25,
    WEIR_OID_OID = 26,
    WEIR_OID_JSON = 114,
    WEIR_OID_FLOAT4 = 700,
    WEIR_OID_FLOAT8 = 701,
    WEIR_OID_UNKNOWN = 705,
    WEIR_OID_INET = 869,
    WEIR_OID_BPCHAR = 1042,
    WEIR_OID_VARCHAR = 1043,
    WEIR_OID_DATE = 1082,
    WEIR_OID_TIME = 1083,
    WEIR_OID_TIMESTAMP = 1114,
    WEIR_OID_TIMESTAMPTZ = 1184,
    WEIR_OID_INTERVAL = 1186,
    WEIR_OID_NUMERIC = 1700,
    WEIR_OID_UUID = 2950,
    WEIR_OID_JSONB = 3802
};

/* A relation's OID in the catalogue is its row in sqlite_schema and this. */
#define WEIR_COMPAT_FIRST_OID 16384u

/* The type that a declared column is announced as; 0: nothing is declared (an expression, or a
 * column without a type), so the values decide. */
uint32_t weir_compat_declared_oid(const char *declared);
/* A type's name as in `expr::name` or CAST(… AS name), in PostgreSQL's or SQLite's words; 0. */
uint32_t weir_compat_named_oid(weir_slice name);
/* The array of such elements; 0: not known. */
uint32_t weir_compat_array_oid(uint32_t element);
/* pg_type.typlen: bytes of a fixed-size type, -1 for the others. */
int16_t weir_compat_oid_size(uint32_t oid);

typedef enum weir_compat_class {
    WEIR_COMPAT_NULL,
    WEIR_COMPAT_INTEGER,
    WEIR_COMPAT_REAL,
    WEIR_COMPAT_TEXT,
    WEIR_COMPAT_BLOB
} weir_compat_class;

/* A value as SQLite stores it. */
typedef struct weir_compat_value {
    weir_compat_class type;
    int64_t integer;
    double real;
    weir_slice bytes; /* TEXT, BLOB; borrowed */
} weir_compat_value;

#define WEIR_COMPAT_REFUSED 1 /* the value cannot be given as that type; words in `err` */

/* Appends one cell of a DataRow (length and bytes) for a column announced as `oid`, in `format` (0
 * text, 1 binary). Converts if nothing is lost, else WEIR_COMPAT_REFUSED, so that no driver gets
 * bytes that it cannot decode. On any other result than 0, `out` is as before. */
WEIR_MUST_CHECK int weir_compat_cell_write(weir_buf *out, uint32_t oid, uint16_t format,
                                           const weir_compat_value *value, weir_error *err);
/* The text of such a cell, of a value that is not NULL: *ret is of the value's own bytes, or of
 * `scratch`, which is emptied first. */
WEIR_MUST_CHECK int weir_compat_cell_text(uint32_t oid, const weir_compat_value *value,
                                          weir_buf *scratch, weir_slice *ret, weir_error *err);
/* A parameter's value as its client sent it. `scratch` gets the bytes of values that had to be
 * rewritten; ret->bytes may point into it or into `bytes`: *ret_scratch tells which, as the offset
 * in `scratch` (SIZE_MAX: not there), because scratch may move while more is appended. */
WEIR_MUST_CHECK int weir_compat_param_read(uint32_t oid, uint16_t format, weir_slice bytes,
                                           weir_buf *scratch, weir_compat_value *ret,
                                           size_t *ret_scratch, weir_error *err);
/* The narrowest type that holds what both do: of the values of a column with no declared type. 0:
 * nothing seen yet. */
uint32_t weir_compat_widen(uint32_t oid, weir_compat_class seen);
/* The same of arrays: of integers, or of texts. */
uint32_t weir_compat_widen_array(uint32_t oid, const weir_compat_value *seen);

/* ---- commands (command.c) ---- */

typedef enum weir_command_kind {
    WEIR_COMMAND_NONE, /* for the database */
    WEIR_COMMAND_EMPTY,
    WEIR_COMMAND_BEGIN,
    WEIR_COMMAND_COMMIT,
    WEIR_COMMAND_ROLLBACK,
    WEIR_COMMAND_SAVEPOINT,
    WEIR_COMMAND_RELEASE,
    WEIR_COMMAND_ROLLBACK_TO,
    WEIR_COMMAND_SET_TRANSACTION, /* also SET SESSION CHARACTERISTICS (`session`) */
    WEIR_COMMAND_SET,
    WEIR_COMMAND_RESET, /* name empty: ALL */
    WEIR_COMMAND_SHOW,
    WEIR_COMMAND_DISCARD_ALL,
    WEIR_COMMAND_DISCARD_SEQUENCES,
    WEIR_COMMAND_DEALLOCATE,    /* name empty: ALL */
    WEIR_COMMAND_EXPLAIN_CACHE, /* value: the statement that it is about */
    WEIR_COMMAND_COPY,          /* value: what follows COPY */
    WEIR_COMMAND_CONFIG,        /* value: a list for weir_config_next */
    WEIR_COMMAND_SIGNAL,        /* value: which session, a number or $n; `local`: its statement */
    WEIR_COMMAND_CHANNELS,      /* pg_listening_channels() */
    WEIR_COMMAND_CREATE_DATABASE,
    WEIR_COMMAND_TRUNCATE,     /* value: several tables; `missing_ok`: CASCADE */
    WEIR_COMMAND_SEQUENCE,     /* CREATE, ALTER or DROP, as `tag` says; value: what follows */
    WEIR_COMMAND_DEFINE,       /* CREATE TABLE (`local`: with types of one's own), DROP, COMMENT, as
                                  `value` is translated */
    WEIR_COMMAND_TYPE,         /* CREATE, ALTER or DROP, as `tag` says; value: what follows */
    WEIR_COMMAND_CONSTRAINTS,  /* SET CONSTRAINTS; `local`: DEFERRED */
    WEIR_COMMAND_ALTER_TABLE,  /* value: the actions; `local`: name is an index of the table's */
    WEIR_COMMAND_PREPARE,      /* types: in the parentheses; value: the statement */
    WEIR_COMMAND_EXECUTE,      /* value: in the parentheses */
    WEIR_COMMAND_DECLARE,      /* value: the query */
    WEIR_COMMAND_FETCH,        /* also MOVE (`fetch.moves`) */
    WEIR_COMMAND_CLOSE_CURSOR, /* name empty: ALL */
    WEIR_COMMAND_LISTEN,
    WEIR_COMMAND_UNLISTEN, /* name empty: * */
    WEIR_COMMAND_NOTIFY,   /* value: the payload, or empty */
    WEIR_COMMAND_IGNORED,  /* nothing to do here: answered with its tag */
    WEIR_COMMAND_REFUSED   /* not supported: message and hint */
} weir_command_kind;

typedef enum weir_isolation {
    WEIR_ISOLATION_DEFAULT,
    WEIR_ISOLATION_READ_COMMITTED, /* READ UNCOMMITTED is the same in PostgreSQL */
    WEIR_ISOLATION_REPEATABLE_READ,
    WEIR_ISOLATION_SERIALIZABLE
} weir_isolation;

typedef enum weir_access_mode {
    WEIR_ACCESS_MODE_DEFAULT,
    WEIR_ACCESS_MODE_WRITE,
    WEIR_ACCESS_MODE_READ_ONLY
} weir_access_mode;

/* Where a FETCH goes from the row that its cursor is on. */
typedef enum weir_fetch_kind {
    WEIR_FETCH_FORWARD,
    WEIR_FETCH_BACKWARD,
    WEIR_FETCH_ABSOLUTE,
    WEIR_FETCH_RELATIVE
} weir_fetch_kind;

typedef struct weir_fetch {
    weir_fetch_kind kind;
    int64_t count; /* INT64_MAX: ALL */
    bool moves;    /* gives no rows */
} weir_fetch;

typedef struct weir_cursor_options {
    bool no_scroll, hold, binary;
} weir_cursor_options;

typedef struct weir_command {
    weir_command_kind kind;
    weir_isolation isolation;     /* BEGIN, SET_TRANSACTION */
    weir_access_mode access_mode; /* likewise */
    bool local;                   /* SET LOCAL */
    bool missing_ok;              /* IF EXISTS; TRUNCATE: CASCADE */
    bool session;                 /* SET SESSION CHARACTERISTICS */
    bool chain;                   /* AND CHAIN; TRUNCATE: RESTART IDENTITY */
    weir_slice name;              /* parameter, savepoint, statement or cursor, as written */
    weir_slice value;             /* SET: what follows TO or =, as written; empty: DEFAULT */
    weir_slice types;             /* PREPARE; SIGNAL: the column's name */
    weir_fetch fetch;             /* FETCH */
    weir_cursor_options cursor;   /* DECLARE */
    const char *tag;              /* of CommandComplete, where it is fixed */
    const char *message, *hint;   /* REFUSED */
} weir_command;

/* Recognises what is not for SQLite. WEIR_COMPAT_REFUSED with words: it begins like such a command
 * and is none (42601). */
WEIR_MUST_CHECK int weir_command_read(weir_slice text, weir_command *ret, weir_error *err);
/* The next of a list of types by commas, moving behind it; 0 where it is not known. False: none is
 * left. */
bool weir_compat_next_type(weir_slice *list, uint32_t *ret_oid);
#define WEIR_CONFIG_ITEMS_MAX 3u

/* set_config(name, value, local), current_setting(name [, missing_ok]), pg_notify(name, value). */
typedef struct weir_config_item {
    bool sets, local, missing_ok, notifies;
    weir_slice name;     /* a literal as written; pg_notify's may be empty: `name_param` */
    weir_slice value;    /* likewise, or NULL; empty: `param` */
    unsigned param;      /* $N */
    unsigned name_param; /* likewise */
    weir_slice label;    /* as written */
} weir_config_item;

/* False: the list ends, or goes on with something else. */
bool weir_config_next(weir_slice *list, weir_config_item *ret);
/* How many expressions by commas; none: 0. */
size_t weir_compat_count_items(weir_slice list);
/* The largest N of the text's $N parameters. */
size_t weir_compat_largest_param(weir_slice text);
/* A name as written, without its quotes, folded to lower case if it has none. The result is cut to
 * `size` - 1 bytes (PostgreSQL cuts names, too). */
void weir_compat_name_fold(weir_slice written, char *out, size_t size);
/* The value of a SET: quotes taken off, list items joined by ", ". Cut likewise. */
void weir_compat_value_fold(weir_slice written, char *out, size_t size);
/* The tag of a statement that the database ran, by its first words: "SELECT 3", "INSERT 0 1",
 * "CREATE TABLE". `returned_rows`: it has result columns. */
WEIR_MUST_CHECK int weir_compat_tag(weir_slice text, bool returned_rows, uint64_t rows,
                                    uint64_t changes, weir_buf *out);
/* Splits off the first statement at its `;`. Quotes as both dialects have them, `$tag$` strings,
 * and a CREATE TRIGGER up to its END. */
weir_slice weir_compat_split(weir_slice text, weir_slice *rest);

/* Appends the statements that do what a SEQUENCE command says. REFUSED with words. */
WEIR_MUST_CHECK int weir_sequence_plan(const weir_command *c, weir_buf *out, weir_error *err);

/* ---- settings (settings.c) ---- */

typedef struct weir_setting {
    const char *name;  /* as ParameterStatus spells it */
    const char *value; /* at login */
    bool reported;     /* by ParameterStatus */
    bool fixed;        /* SET is refused unless to the same value */
} weir_setting;

/* The parameters that a session has; found without regard to case. NULL: none of that name (names
 * with a dot are anybody's own and not listed). */
const weir_setting *weir_setting_find(weir_slice name);
const weir_setting *weir_setting_at(size_t i); /* NULL past the end */
/* Checks and normalises a value in place. WEIR_COMPAT_REFUSED (22023, 0A000) with words. */
WEIR_MUST_CHECK int weir_setting_check(const weir_setting *setting, char *value, size_t size,
                                       weir_error *err);
/* "30s", "500" (milliseconds), "2min": in milliseconds. -EINVAL. */
WEIR_MUST_CHECK int weir_setting_milliseconds(const char *text, int64_t *ret);

/* ---- translation (rewrite*.c) ---- */

/* The rows that a query locks (FOR UPDATE and its kin). */
typedef enum weir_compat_lock {
    WEIR_COMPAT_LOCK_NONE,
    WEIR_COMPAT_LOCK_WAIT, /* also SKIP LOCKED: who has the writer finds none locked */
    WEIR_COMPAT_LOCK_NOWAIT
} weir_compat_lock;

typedef struct weir_compat_context {
    weir_slice user, database;
    uint32_t pid;
    /* Appends the names of all databases that clients may ask for, each with a zero byte. NULL: the
     * session's alone. */
    int (*databases)(void *user_data, weir_buf *out);
    weir_slice enums;  /* name and OID of each, a zero byte behind both; for CREATE TABLE */
    uint8_t *ret_lock; /* weir_compat_lock, set if the text locks any; may be NULL */
    /* A setting's value now; NULL: there is none of that name. May be NULL. */
    const char *(*setting)(void *user_data, weir_slice name);
    void *user_data;
} weir_compat_context;

/* The text that SQLite is to run: `$1` becomes `?1`, `x::type` becomes CAST(x AS type) where x is a
 * literal, a parameter, a name or a call, E'…' becomes '…', functions that ask for the session
 * become their values, the catalogue's names those of weir_compat_face; docs/sqlite.md lists all.
 * Appends to `out`. -ENOMEM, -EMSGSIZE; WEIR_COMPAT_REFUSED with words. */
WEIR_MUST_CHECK int weir_compat_rewrite(weir_slice text, const weir_compat_context *context,
                                        weir_buf *out, weir_error *err);
/* The catalogue's tables and PostgreSQL's functions, for the backend to register. */
const struct weir_face *weir_compat_face(void);
/* A word that is no name without quotes. */
bool weir_compat_is_reserved(weir_slice word);
bool weir_compat_is_postgres_function(weir_slice name); /* in lower case */

/* ---- types of expressions and parameters (infer.c) ---- */

/* What the text says about a column of its result that has no declared type, or about a parameter.
 */
typedef struct weir_compat_hint {
    uint32_t oid;      /* known from the text; 0: not */
    weir_slice column; /* or: the type of this column, as written, without qualifier */
    unsigned position; /* or: of the nth column, from 1, of the first table that is named */
    bool array;        /* of such a column's type (a parameter of ANY); of a result: of some */
    weir_slice label;  /* of a result: its name in PostgreSQL, to be folded; empty: as it is */
} weir_compat_hint;

/* The select list's hints, by position; beyond `max`, or where `*` stands before, none. Returns how
 * many were written. */
size_t weir_compat_result_hints(weir_slice text, weir_compat_hint *out, size_t max);
/* Parameters by number (`?1` is out[0]); the text is a translated one. All `max` are written. */
void weir_compat_param_hints(weir_slice text, weir_compat_hint *out, size_t max);
/* Appends the query that lists name, declared type and position (from 1 in the first table, 0 in
 * others) of the columns of all tables that the text names. WEIR_COMPAT_REFUSED: it names none. */
WEIR_MUST_CHECK int weir_compat_columns_query(weir_slice text, weir_buf *out);

#endif
