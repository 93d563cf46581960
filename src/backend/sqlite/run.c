/* One statement on one connection: prepare, bind, step, encode. A run goes in parts: each part
 * encodes rows until a chunk is full, rows_max is reached, or the statement ends.
 *
 *   run_start ──► part ──► over (done or failed: the statement is given back to the cache)
 *                  │  ▲
 *                  ▼  └── run_resume
 *              suspended (the statement stays stepped, lent from the cache)
 */
#include "backend/sqlite/run.h"
#include "backend/sqlite/errors.h"
#include <stdlib.h>

#define CHUNK_SIZE_DEFAULT ((size_t)64 * 1024)

void weir_sqlite_run_init(weir_exec *exec)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    run->stmt = NULL;
    run->out_start = exec->out.len;
    run->size = 0;
    run->rows_max = exec->rows_max;
    run->described = false;
    run->cancelled = false;
    exec->outcome = (weir_outcome){0};
}

void weir_sqlite_run_next(weir_exec *exec, uint64_t rows_max)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    run->out_start = exec->out.len;
    run->rows_max = rows_max;
    exec->outcome = (weir_outcome){0};
}

/* ---- parameters ---- */

static int bind_value(sqlite3_stmt *handle, int index, const weir_value *value)
{
    const void *bytes = value->u.bytes.data;
    switch (value->type) {
    case WEIR_VALUE_INTEGER:
        return sqlite3_bind_int64(handle, index, value->u.integer);
    case WEIR_VALUE_REAL:
        return sqlite3_bind_double(handle, index, value->u.real);
    case WEIR_VALUE_TEXT: /* a NULL pointer would bind NULL */
        return sqlite3_bind_text64(handle, index, value->u.bytes.len ? bytes : "",
                                   value->u.bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case WEIR_VALUE_BLOB:
        return sqlite3_bind_blob64(handle, index, value->u.bytes.len ? bytes : "",
                                   value->u.bytes.len, SQLITE_STATIC);
    case WEIR_VALUE_NULL:
    default:
        return sqlite3_bind_null(handle, index);
    }
}

static int bind_params(weir_sqlite_db *db, const weir_sqlite_stmt *stmt, const weir_exec *exec,
                       weir_error *err)
{
    if (exec->param_count != stmt->param_total) {
        weir_error_set(err, "08P01", "weir: %zu parameters given, but the statement has %u",
                       exec->param_count, stmt->param_total);
        return -EINVAL;
    }
    int count = sqlite3_bind_parameter_count(stmt->handle);
    for (int i = 1; i <= count; i++) {
        unsigned n = 0;
        if (stmt->numbered)
            n = weir_sqlite_param_number(sqlite3_bind_parameter_name(stmt->handle, i));
        int rc = bind_value(stmt->handle, i, &exec->params[(n ? n : (unsigned)i) - 1]);
        if (rc != SQLITE_OK) {
            weir_sqlite_error(db->handle, rc, err);
            return -EINVAL;
        }
    }
    return 0;
}

/* ---- results ---- */

static int give_columns(sqlite3_stmt *handle, weir_exec *exec)
{
    int count = sqlite3_column_count(handle);
    if (count == 0)
        return 0;
    weir_column *columns = calloc((size_t)count, sizeof(*columns));
    if (!columns)
        return -ENOMEM;
    for (int i = 0; i < count; i++) {
        columns[i] = (weir_column){
            .name = sqlite3_column_name(handle, i),
            .declared = sqlite3_column_decltype(handle, i),
            .table = sqlite3_column_table_name(handle, i),
            .origin = sqlite3_column_origin_name(handle, i),
        };
    }
    int r = columns[0].name
                ? exec->encoder.columns(exec->encoder.user, &exec->out, columns, (size_t)count)
                : -ENOMEM;
    free(columns);
    return r;
}

static int read_cell(sqlite3_stmt *handle, int i, weir_value *ret)
{
    const void *bytes;
    switch (sqlite3_column_type(handle, i)) {
    case SQLITE_INTEGER:
        ret->type = WEIR_VALUE_INTEGER;
        ret->u.integer = sqlite3_column_int64(handle, i);
        return 0;
    case SQLITE_FLOAT:
        ret->type = WEIR_VALUE_REAL;
        ret->u.real = sqlite3_column_double(handle, i);
        return 0;
    case SQLITE_TEXT:
        ret->type = WEIR_VALUE_TEXT;
        bytes = sqlite3_column_text(handle, i);
        break;
    case SQLITE_BLOB:
        ret->type = WEIR_VALUE_BLOB;
        bytes = sqlite3_column_blob(handle, i);
        break;
    default:
        ret->type = WEIR_VALUE_NULL;
        return 0;
    }
    size_t len = (size_t)sqlite3_column_bytes(handle, i);
    ret->u.bytes = weir_slice_make(bytes, len);
    /* NULL is right for an empty blob only; else memory ran out while it was converted */
    return !bytes && (len > 0 || ret->type == WEIR_VALUE_TEXT) ? -ENOMEM : 0;
}

static int reserve_cells(weir_sqlite_db *db, size_t count)
{
    if (count <= db->cells_cap)
        return 0;
    weir_value *cells = realloc(db->cells, count * sizeof(*cells));
    if (!cells)
        return -ENOMEM;
    db->cells = cells;
    db->cells_cap = count;
    return 0;
}

static int give_row(weir_sqlite_db *db, sqlite3_stmt *handle, weir_exec *exec)
{
    int count = sqlite3_data_count(handle);
    int r = reserve_cells(db, (size_t)count);
    for (int i = 0; i < count && r == 0; i++)
        r = read_cell(handle, i, &db->cells[i]);
    if (r == 0)
        r = exec->encoder.row(exec->encoder.user, &exec->out, db->cells, (size_t)count);
    return r < 0 ? r : 0;
}

static size_t size_max(const weir_exec *exec, unsigned flags)
{
    size_t max = exec->result_size_max ? exec->result_size_max : SIZE_MAX;
    if ((flags & WEIR_SQLITE_WHOLE) && max > WEIR_SQLITE_WRITE_SIZE_MAX)
        max = WEIR_SQLITE_WRITE_SIZE_MAX;
    return max;
}

/* SQLITE_ROW: suspended; SQLITE_DONE; another code of SQLite's; negative: of the encoder. */
static int step_part(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    sqlite3_stmt *handle = run->stmt->handle;
    size_t chunk = exec->chunk_size ? exec->chunk_size : CHUNK_SIZE_DEFAULT;
    size_t max = size_max(exec, flags);
    for (;;) {
        int rc = sqlite3_step(handle);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rc;
        /* Only now: the first step prepares again if the schema has changed. */
        int r = run->described ? 0 : give_columns(handle, exec);
        run->described = true;
        if (r == 0 && rc == SQLITE_ROW)
            r = give_row(db, handle, exec);
        if (r < 0)
            return r;
        if (rc == SQLITE_DONE)
            return rc;
        exec->outcome.rows++;
        size_t size = exec->out.len - run->out_start;
        if (size > max - run->size) /* `size` never passed it before */
            return -EMSGSIZE;
        if (!(flags & WEIR_SQLITE_WHOLE) && (exec->outcome.rows == run->rows_max || size >= chunk))
            return SQLITE_ROW;
    }
}

/* ---- ends ---- */

static void give_back(weir_sqlite_db *db, weir_sqlite_run *run)
{
    if (run->stmt && run->stmt->handle)
        weir_sqlite_stmt_cache_give(&db->cache, run->stmt);
    else if (run->stmt)
        weir_sqlite_stmt_cache_drop(&db->cache, run->stmt);
    run->stmt = NULL;
}

static void stop_error(weir_sqlite_stop why, weir_error *err)
{
    weir_error_set(err, "57014", "weir: canceling statement due to %s",
                   why == WEIR_SQLITE_STOP_CANCEL ? "user request" : "statement timeout");
}

static void encoder_error(int r, weir_error *err)
{
    if (r == -EMSGSIZE)
        weir_error_set(err, "54000", "weir: the result is larger than allowed");
    else if (r == -ENOMEM)
        weir_error_set(err, "53200", "weir: out of memory");
    else if (err->sqlstate[0] == '\0') /* an encoder may have set its own */
        weir_error_set(err, "22000", "weir: the result cannot be represented: %s", strerror(-r));
}

static void set_error(weir_sqlite_db *db, weir_exec *exec, int rc, weir_sqlite_stop why)
{
    weir_error *err = &exec->outcome.error;
    if (why == WEIR_SQLITE_STOP_CANCEL || why == WEIR_SQLITE_STOP_DEADLINE) {
        stop_error(why, err);
    } else if (rc < 0) {
        encoder_error(rc, err);
    } else if ((rc & 0xff) == SQLITE_AUTH && db->collector.refused) {
        weir_error_set(err, "0A000", "%s", db->collector.refused);
    } else if ((rc & 0xff) == SQLITE_INTERRUPT) {
        stop_error(WEIR_SQLITE_STOP_CANCEL, err);
    } else {
        weir_sqlite_error(db->handle, rc, err);
    }
}

/* The accesses are those of the text as prepared anew; collections without that are SQLite's own
 * nested statements (full-text tables, VACUUM) and say nothing about the text. */
static void report_reprepared(weir_sqlite_db *db, weir_sqlite_stmt *stmt)
{
    int now = sqlite3_stmt_status(stmt->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (now == stmt->reprepared)
        return;
    stmt->reprepared = now;
    weir_sqlite_report_accesses(db, stmt);
}

/* Steps one part and settles the outcome. False: to be run again elsewhere. */
static bool run_part(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    weir_sqlite_stmt *stmt = run->stmt;
    int64_t total_before = sqlite3_total_changes64(db->handle);
    if (stmt->schema && db->changes)
        weir_sqlite_changes_before_schema(db->changes, db);
    weir_sqlite_collector_reset(&db->collector);
    int rc = db->guard.why ? SQLITE_INTERRUPT : step_part(db, exec, flags);
    weir_sqlite_stop why = weir_sqlite_guard_end(db);
    /* A cancel that came too late to stop the part still ends a suspended run: SQLite's own flag
     * would otherwise outlive it and hit what runs next beside the suspended statement. */
    if (rc == SQLITE_ROW && atomic_load_explicit(&db->guard.cancelled, memory_order_relaxed)) {
        rc = SQLITE_INTERRUPT;
        why = WEIR_SQLITE_STOP_CANCEL;
    }
    if (why == WEIR_SQLITE_STOP_BUDGET && rc != SQLITE_ROW && rc != SQLITE_DONE) {
        exec->out.len = run->out_start;
        give_back(db, run);
        return false;
    }
    weir_outcome *outcome = &exec->outcome;
    run->size += rc == SQLITE_ROW ? exec->out.len - run->out_start : 0;
    outcome->suspended = rc == SQLITE_ROW;
    outcome->ok = rc == SQLITE_ROW || rc == SQLITE_DONE;
    outcome->returned_rows = sqlite3_column_count(stmt->handle) > 0;
    if (rc == SQLITE_DONE && stmt->writes && sqlite3_total_changes64(db->handle) != total_before)
        outcome->changes = (uint64_t)sqlite3_changes64(db->handle);
    if (!outcome->ok)
        set_error(db, exec, rc, why);
    db->catalog.stale |= stmt->schema;
    if (rc == SQLITE_DONE && stmt->savepoint && db->changes)
        weir_sqlite_changes_savepoint(db->changes, stmt->savepoint, stmt->savepoint_name);
    report_reprepared(db, stmt);
    outcome->fingerprint = outcome->ok ? stmt->fingerprint : 0;
    if (!outcome->suspended)
        give_back(db, run);
    outcome->in_transaction = weir_sqlite_db_in_transaction(db);
    return true;
}

/* ---- starts ---- */

static void forget_prepared(weir_sqlite_db *db, weir_slice text)
{
    weir_sqlite_stmt *stmt = weir_sqlite_stmt_cache_take(&db->cache, text);
    if (stmt)
        weir_sqlite_stmt_cache_drop(&db->cache, stmt);
}

/* A column's type in a cached statement, and in the connection's idea of the schema, may be out of
 * date until something is stepped: look at the file, then prepare anew. */
static void describe(weir_sqlite_db *db, weir_exec *exec)
{
    weir_sqlite_stmt *stmt = NULL;
    weir_outcome *outcome = &exec->outcome;
    int rc = weir_sqlite_db_command(db, "SELECT 1 FROM sqlite_schema LIMIT 0");
    if (rc != SQLITE_OK) {
        weir_sqlite_error(db->handle, rc, &outcome->error);
        return;
    }
    forget_prepared(db, exec->text);
    if (weir_sqlite_prepare(db, exec->text, &stmt, &outcome->error) < 0)
        return;
    exec->param_total = stmt->param_total;
    exec->read_only = !stmt->writes;
    outcome->returned_rows = stmt->handle && sqlite3_column_count(stmt->handle) > 0;
    int r = stmt->handle ? give_columns(stmt->handle, exec) : 0;
    if (r < 0)
        encoder_error(r, &outcome->error);
    outcome->ok = r >= 0;
    weir_sqlite_run_of(exec)->stmt = stmt;
    give_back(db, weir_sqlite_run_of(exec));
}

/* True: the outcome is settled without a step. */
static bool settle_early(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    weir_outcome *outcome = &exec->outcome;
    if (exec->anew)
        forget_prepared(db, exec->text);
    if (weir_sqlite_prepare(db, exec->text, &run->stmt, &outcome->error) < 0)
        return true;
    if (!run->stmt->handle) {
        outcome->ok = true;
        return true;
    }
    if ((flags & WEIR_SQLITE_READER) && run->stmt->writes) {
        outcome->needs_writer = true;
        return true;
    }
    if ((flags & WEIR_SQLITE_SINGLE) && run->stmt->transaction) {
        weir_error_set(&outcome->error, "25000",
                       "weir: a transaction command cannot be a write of its own");
        return true;
    }
    return bind_params(db, run->stmt, exec, &outcome->error) < 0;
}

bool weir_sqlite_run_start(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    bool in_place = (flags & WEIR_SQLITE_IN_PLACE) != 0;
    exec->outcome = (weir_outcome){0};
    run->described = false;
    exec->out.len = run->out_start;
    weir_sqlite_guard_begin(db, exec->deadline, in_place, weir_list_empty(&db->cache.lent));
    bool settled = true;
    if (exec->mode == WEIR_EXEC_DESCRIBE)
        describe(db, exec);
    else
        settled = settle_early(db, exec, flags);
    if (!settled && in_place && run->stmt->whole_table) {
        (void)weir_sqlite_guard_end(db);
        give_back(db, run);
        return false;
    }
    if (!settled)
        return run_part(db, exec, flags);
    give_back(db, run);
    weir_sqlite_stop why = weir_sqlite_guard_end(db);
    exec->outcome.in_transaction = weir_sqlite_db_in_transaction(db);
    return why != WEIR_SQLITE_STOP_BUDGET || exec->outcome.ok;
}

void weir_sqlite_run_resume(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    assert(run->stmt);
    weir_sqlite_guard_begin(db, exec->deadline, false, db->cache.lent.next == db->cache.lent.prev);
    bool over = run_part(db, exec, flags & ~(unsigned)WEIR_SQLITE_IN_PLACE);
    assert(over); /* only a run in place has a budget */
    (void)over;
}
