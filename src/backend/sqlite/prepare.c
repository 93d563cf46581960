/* From a text to a statement that may be run, with what is to be known about it. */
#include "backend/sqlite/errors.h"
#include "backend/sqlite/run.h"
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

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
    o->on_accesses(o->user, weir_slice_make(stmt->text, stmt->text_len), c->items, c->count,
                   r == 0 ? &catalog : NULL);
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
    stmt->writes = !explains && (!sqlite3_stmt_readonly(stmt->handle) || c->pragma_write);
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

static int compile(weir_sqlite_db *db, weir_sqlite_stmt *stmt, const char **ret_tail)
{
    weir_sqlite_collector_reset(&db->collector);
    db->collector.preparing = true;
    int rc = sqlite3_prepare_v3(db->handle, stmt->text, (int)stmt->text_len + 1,
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

int weir_sqlite_prepare(weir_sqlite_db *db, weir_slice text, weir_sqlite_stmt **ret,
                        weir_error *err)
{
    weir_sqlite_stmt *stmt = weir_sqlite_stmt_cache_take(&db->cache, text);
    if (stmt) {
        *ret = stmt;
        return 0;
    }
    int r = check_text(text, err);
    if (r < 0)
        return r;
    stmt = weir_sqlite_stmt_cache_add(&db->cache, text);
    if (!stmt) {
        weir_error_set(err, "53200", "weir: out of memory");
        return -ENOMEM;
    }
    const char *tail = NULL;
    int rc = compile(db, stmt, &tail);
    if (rc != SQLITE_OK) {
        if (db->collector.refused) {
            weir_error_set(err, "0A000", "%s", db->collector.refused);
            if (db->collector.refused_hint)
                weir_error_hint(err, "%s", db->collector.refused_hint);
        } else {
            weir_sqlite_error(db->handle, rc, err);
        }
        r = -EINVAL;
    } else if (*first_word(tail) != '\0') {
        weir_error_set(err, "42601", "weir: only one statement can be run at a time");
        r = -EINVAL;
    }
    if (r < 0) {
        weir_sqlite_stmt_cache_drop(&db->cache, stmt);
        return r;
    }
    if (stmt->handle)
        understand(db, stmt);
    *ret = stmt;
    return 0;
}
