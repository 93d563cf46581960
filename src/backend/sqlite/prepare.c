/* From a text to a statement that may be run, with what is to be known about it. */
#include "backend/sqlite/errors.h"
#include "backend/sqlite/face_internal.h"
#include "backend/sqlite/run.h"
#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#define TYPED_SIZE_MAX ((size_t)64 * 1024 * 1024)

/* Such parameters are names to SQLite, numbered by first appearance; the client means the number.
 */
unsigned weir_sqlite_param_number(const char *name)
{
    if (!name || name[0] != '$' || name[1] < '1' || name[1] > '9')
        return 0;
    unsigned long n = 0;
    const char *p = name + 1;
    for (; isdigit((unsigned char)*p) && n <= 65535; p++)
        n = n * 10 + (unsigned long)(*p - '0');
    return *p == '\0' && n <= 65535 ? (unsigned)n : 0;
}

static void count_params(weir_sqlite_stmt *stmt)
{
    int count = sqlite3_bind_parameter_count(stmt->handle);
    stmt->param_total = (unsigned)count;
    for (int i = 1; i <= count; i++) {
        unsigned n = weir_sqlite_param_number(sqlite3_bind_parameter_name(stmt->handle, i));
        stmt->numbered |= n > 0;
    }
    if (!stmt->numbered)
        return;
    stmt->param_total = 0;
    for (int i = 1; i <= count; i++) {
        unsigned n = weir_sqlite_param_number(sqlite3_bind_parameter_name(stmt->handle, i));
        if (n == 0)
            n = (unsigned)i;
        if (n > stmt->param_total)
            stmt->param_total = n;
    }
}

/* Behind space and comments. */
static const char *first_word(const char *p)
{
    for (;;) {
        if (isspace((unsigned char)*p) || *p == ';') {
            p++;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

/* Of what the catalogue was just read for. Without memory they are not known, which is no error. */
static void note_origins(weir_sqlite_db *db, weir_sqlite_stmt *stmt)
{
    int count = sqlite3_column_count(stmt->handle);
    stmt->origins_of = sqlite3_stmt_status(stmt->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    free(stmt->origins);
    stmt->origins = count > 0 ? calloc((size_t)count, sizeof(*stmt->origins)) : NULL;
    /* A numeric column, say, is an expression by now, of which SQLite knows no table. */
    const char *names = (size_t)count == stmt->type_count ? stmt->origin_names : NULL;
    for (int i = 0; stmt->origins && i < count; i++) {
        const char *table = names ? names : sqlite3_column_table_name(stmt->handle, i);
        const char *column = !table  ? NULL
                             : names ? names + strlen(names) + 1
                                     : sqlite3_column_origin_name(stmt->handle, i);
        if (names) /* column is behind table */
            names = column + strlen(column) + 1;
        if (column)
            stmt->origins[i] = weir_sqlite_catalog_origin(&db->catalog, table, column);
    }
}

/* The collector has the accesses of the preparation that was just made. */
void weir_sqlite_report_accesses(weir_sqlite_db *db, weir_sqlite_stmt *stmt)
{
    const weir_sqlite_options *o = db->options;
    const weir_sqlite_collector *c = &db->collector;
    weir_catalog catalog;
    stmt->fingerprint = 0;
    if (!o->on_accesses || c->incomplete)
        return;
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    int r = weir_sqlite_catalog_read(&db->catalog, db->handle, c->items, c->count, &catalog);
    weir_sqlite_db_step_back(db, before);
    if (r == 0)
        stmt->fingerprint = catalog.fingerprint;
    stmt->once = r < 0; /* prepared anew, it may be known */
    if (r == 0)
        note_origins(db, stmt);
    weir_slice text = stmt->template ? weir_slice_cstr(stmt->template)
                                     : weir_slice_make(stmt->text, stmt->text_len);
    o->on_accesses(o->user, text, c->items, c->count, r == 0 ? &catalog : NULL);
}

/* A name that is too long to be kept, or could not be, fills the room: it has no zero. */
static void note_savepoint(weir_sqlite_stmt *stmt, const weir_sqlite_collector *c, bool explains)
{
    size_t len = strlen(c->savepoint_name);
    stmt->savepoint = explains ? WEIR_SQLITE_SAVEPOINT_NONE : c->savepoint;
    if (len >= sizeof(stmt->savepoint_name) || c->incomplete)
        memset(stmt->savepoint_name, '-', sizeof(stmt->savepoint_name));
    else
        memcpy(stmt->savepoint_name, c->savepoint_name, len + 1);
}

static void understand(weir_sqlite_db *db, weir_sqlite_stmt *stmt)
{
    const weir_sqlite_collector *c = &db->collector;
    bool explains = sqlite3_stmt_isexplain(stmt->handle) != 0;
    stmt->writes =
        !explains && (!sqlite3_stmt_readonly(stmt->handle) || c->pragma_write || c->sequence);
    stmt->transaction = !explains && c->transaction;
    bool vacuum = strncasecmp(first_word(stmt->text), "vacuum", 6) == 0;
    stmt->alone = c->pragma || vacuum;
    stmt->schema = !explains && (c->schema || c->pragma_write || vacuum);
    stmt->whole_table = c->whole_table;
    note_savepoint(stmt, c, explains);
    stmt->reprepared = sqlite3_stmt_status(stmt->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    count_params(stmt);
    weir_sqlite_report_accesses(db, stmt);
}

static int compile(weir_sqlite_db *db, weir_sqlite_stmt *stmt, weir_slice text,
                   const char **ret_tail)
{
    weir_sqlite_collector_reset(&db->collector);
    db->collector.preparing = true;
    int rc = sqlite3_prepare_v3(db->handle, (const char *)text.data, (int)text.len,
                                SQLITE_PREPARE_PERSISTENT, &stmt->handle, ret_tail);
    db->collector.preparing = false;
    return rc;
}

static int check_text(weir_slice text, weir_error *err)
{
    if (text.len >= INT_MAX) {
        weir_error_set(err, "54000", "weir: the statement is too long");
        return -EMSGSIZE;
    }
    if (text.len > 0 && memchr(text.data, 0, text.len)) {
        weir_error_set(err, "22021", "weir: the statement contains a zero byte");
        return -EINVAL;
    }
    return 0;
}

static int out_of_memory(weir_error *err)
{
    weir_error_set(err, "53200", "weir: out of memory");
    return -ENOMEM;
}

/* Compiles `text`; what is said of the statement is said with words. */
static int prepare_text(weir_sqlite_db *db, weir_sqlite_stmt *stmt, weir_slice text,
                        weir_error *err)
{
    const char *tail = NULL;
    int rc = compile(db, stmt, text, &tail);
    if (rc != SQLITE_OK) {
        if (db->collector.refused) {
            weir_error_set(err, "0A000", "%s", db->collector.refused);
            if (db->collector.refused_hint)
                weir_error_hint(err, "%s", db->collector.refused_hint);
        } else {
            weir_sqlite_error(db->handle, rc, err);
        }
        return -EINVAL;
    }
    /* The text ends with a zero byte. */
    if (tail < (const char *)text.data + text.len && *first_word(tail) != '\0') {
        weir_error_set(err, "42601", "weir: only one statement can be run at a time");
        return -EINVAL;
    }
    return 0;
}

static void init_typing(weir_face_typing *typing)
{
    *typing = (weir_face_typing){0};
    weir_buf_init(&typing->text, TYPED_SIZE_MAX);
    weir_buf_init(&typing->types, TYPED_SIZE_MAX);
    weir_buf_init(&typing->params, TYPED_SIZE_MAX);
    weir_buf_init(&typing->origins, TYPED_SIZE_MAX);
}

static void fini_typing(weir_face_typing *typing)
{
    weir_buf_fini(&typing->text);
    weir_buf_fini(&typing->types);
    weir_buf_fini(&typing->params);
    weir_buf_fini(&typing->origins);
}

static int keep_types(weir_sqlite_stmt *stmt, const weir_face_typing *typing, weir_slice text)
{
    stmt->template = malloc(text.len + 1);
    stmt->types = malloc(typing->types.len + 1);
    stmt->origin_names = malloc(typing->origins.len + 1);
    if (!stmt->template || !stmt->types || !stmt->origin_names)
        return -ENOMEM;
    memcpy(stmt->template, text.data, text.len);
    stmt->template[text.len] = '\0';
    if (typing->types.len > 0)
        memcpy(stmt->types, typing->types.data, typing->types.len);
    if (typing->origins.len > 0)
        memcpy(stmt->origin_names, typing->origins.data, typing->origins.len);
    stmt->type_count = typing->count;
    return 0;
}

/* `*ret_types`: the OIDs behind the text, if there are any; `*ret_zone`: the TimeZone before it. */
static weir_slice split_source(weir_slice source, weir_slice *ret_types, weir_slice *ret_zone)
{
    const uint8_t *name = source.len > 0 && source.data[0] == WEIR_EXEC_ZONE
                              ? memchr(source.data, 0, source.len)
                              : NULL;
    *ret_zone =
        name ? weir_slice_make(source.data + 1, (size_t)(name - source.data) - 1) : (weir_slice){0};
    if (name)
        source = weir_slice_skip(source, (size_t)(name - source.data) + 1);
    const uint8_t *zero = memchr(source.data, 0, source.len);
    size_t len = zero ? (size_t)(zero - source.data) : source.len;
    *ret_types = zero ? weir_slice_skip(source, len + 1) : (weir_slice){0};
    return weir_slice_head(source, len);
}

/* Its names and types are known to be right. */
static void name_limit(weir_error *err)
{
    static const char *const states[] = {"42703", "42P10", "42601", "42000"};
    weir_error own;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(err->sqlstate, states[i]) != 0 || strstr(err->message, "ON CONFLICT"))
            continue;
        weir_error_set(&own, "0A000", "weir: this statement is not supported on SQLite (%s)",
                       err->message);
        weir_error_hint(&own, "docs/sqlite.md lists what is translated.");
        *err = own;
        return;
    }
}

static int prepare_typed(weir_sqlite_db *db, const weir_exec *exec, weir_face_typing *typing,
                         weir_sqlite_stmt **ret, weir_error *err)
{
    weir_slice types, zone, text = split_source(exec->source, &types, &zone);
    if (check_text(text, err) < 0)
        return WEIR_FACE_PASS;
    int r = weir_sqlite_type_statement(db, text, types, zone, typing, err);
    if (r != 0)
        return r;
    weir_sqlite_stmt *stmt = weir_sqlite_stmt_cache_add(&db->cache, exec->source);
    if (!stmt || weir_buf_append_u8(&typing->text, 0) != 0 ||
        keep_types(stmt, typing, exec->text) < 0)
        r = out_of_memory(err);
    else
        r = prepare_text(db, stmt,
                         weir_slice_head(weir_buf_slice(&typing->text), typing->text.len - 1), err);
    if (r < 0) {
        name_limit(err);
        if (stmt)
            weir_sqlite_stmt_cache_drop(&db->cache, stmt);
        return r;
    }
    *ret = stmt;
    return 0;
}

/* By the schema's types. WEIR_FACE_PASS: as it stands. */
static int try_typed(weir_sqlite_db *db, const weir_exec *exec, weir_sqlite_stmt **ret,
                     weir_error *err)
{
    weir_face_typing typing;
    const weir_face *face = db->options->face;
    if (exec->source.len == 0 || !face || !face->translate || check_text(exec->text, err) < 0)
        return WEIR_FACE_PASS;
    init_typing(&typing);
    int r = prepare_typed(db, exec, &typing, ret, err);
    fini_typing(&typing);
    return r;
}

/* weir_parameter_types(source): OIDs by commas; NULL: it has no typed translation. */
void weir_sqlite_on_parameter_types(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    weir_face_typing typing;
    weir_error err;
    weir_buf out;
    if (argc != 1 || sqlite3_value_type(argv[0]) != SQLITE_BLOB || !db->options->face)
        return;
    weir_slice types, zone;
    weir_slice text = split_source(weir_sqlite_face_take(argv[0]).u.bytes, &types, &zone);
    init_typing(&typing);
    weir_buf_init(&out, TYPED_SIZE_MAX);
    int r = check_text(text, &err) < 0
                ? WEIR_FACE_PASS
                : weir_sqlite_type_statement(db, text, types, zone, &typing, &err);
    for (size_t i = 0; r == 0 && i + sizeof(uint32_t) <= typing.params.len; i += sizeof(uint32_t)) {
        uint32_t oid = 0;
        memcpy(&oid, typing.params.data + i, sizeof(oid));
        r = weir_buf_printf(&out, "%u,", oid);
    }
    if (r == 0)
        sqlite3_result_text64(context, out.len > 0 ? (const char *)out.data : "", out.len,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
    fini_typing(&typing);
    weir_buf_fini(&out);
}

int weir_sqlite_prepare(weir_sqlite_db *db, const weir_exec *exec, weir_sqlite_stmt **ret,
                        weir_error *err)
{
    weir_slice text = exec->text;
    weir_sqlite_stmt *stmt = NULL;
    if (exec->source.len > 0)
        stmt = weir_sqlite_stmt_cache_take(&db->cache, exec->source);
    if (!stmt)
        stmt = weir_sqlite_stmt_cache_take(&db->cache, text);
    if (stmt) {
        *ret = stmt;
        return 0;
    }
    int r = try_typed(db, exec, &stmt, err);
    if (r == WEIR_FACE_PASS) {
        r = check_text(text, err);
        if (r < 0)
            return r;
        stmt = weir_sqlite_stmt_cache_add(&db->cache, text);
        if (!stmt)
            return out_of_memory(err);
        stmt->passed = exec->source.len > 0;
        r = prepare_text(db, stmt, weir_slice_make(stmt->text, stmt->text_len), err);
        if (r < 0)
            weir_sqlite_stmt_cache_drop(&db->cache, stmt);
    }
    if (r < 0)
        return r;
    assert(stmt);
    if (stmt->handle)
        understand(db, stmt);
    *ret = stmt;
    return 0;
}
