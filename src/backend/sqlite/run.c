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
#include <stdio.h>
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

/* What the typing says of a column, in the words that the face has for its own tables' columns. */
static void take_typed(const weir_sqlite_stmt *stmt, int i, char room[24], weir_column *column)
{
    if (!stmt->template || (size_t)i >= stmt->type_count)
        return;
    snprintf(room, 24, "pg_text(%u)", stmt->types[i].oid);
    column->declared = stmt->types[i].oid ? room : NULL;
    column->modifier = stmt->types[i].modifier;
    column->origin = column->origin ? column->origin : ""; /* the name is the right one */
}

/* The accesses are those of the text as prepared anew; collections without that are SQLite's own
 * nested statements (full-text tables, VACUUM) and say nothing about the text. */
static void report_reprepared(weir_sqlite_db *db, weir_sqlite_stmt *stmt)
{
    int now = sqlite3_stmt_status(stmt->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (now == stmt->reprepared)
        return;
    stmt->reprepared = now;
    stmt->once |= stmt->template != NULL; /* its types may be others now */
    weir_sqlite_report_accesses(db, stmt);
}

static int give_columns(weir_sqlite_db *db, weir_sqlite_stmt *stmt, weir_exec *exec)
{
    sqlite3_stmt *handle = stmt->handle;
    int count = sqlite3_column_count(handle);
    if (count == 0)
        return 0;
    weir_column *columns = calloc((size_t)count, sizeof(*columns) + 24);
    if (!columns)
        return -ENOMEM;
    /* Prepared again behind our back, its columns may be others. */
    int prepared = sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    report_reprepared(db, stmt);
    const weir_sqlite_origin *origins = stmt->origins_of == prepared ? stmt->origins : NULL;
    char(*rooms)[24] = (char(*)[24])(void *)(columns + count);
    for (int i = 0; i < count; i++) {
        columns[i] = (weir_column){
            .name = sqlite3_column_name(handle, i),
            .declared = sqlite3_column_decltype(handle, i),
            .table = sqlite3_column_table_name(handle, i),
            .origin = sqlite3_column_origin_name(handle, i),
            .relation = origins ? origins[i].relation : 0,
            .number = origins ? origins[i].column : 0,
            .modifier = -1,
        };
        take_typed(stmt, i, rooms[i], &columns[i]);
    }
    int r = columns[0].name
                ? exec->encoder.columns(exec->encoder.user, &exec->out, columns, (size_t)count)
                : -ENOMEM;
    free(columns);
    return r;
}

/* By sqlite3_column_value, which spares two looks at each cell. What it returns is "unprotected",
 * which makes no difference on a connection with SQLITE_OPEN_NOMUTEX
 * (https://sqlite.org/c3ref/value.html). */
static int read_cell(sqlite3_stmt *handle, int i, weir_value *ret)
{
    const void *bytes;
    sqlite3_value *value = sqlite3_column_value(handle, i);
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        ret->type = WEIR_VALUE_INTEGER;
        ret->u.integer = sqlite3_value_int64(value);
        return 0;
    case SQLITE_FLOAT:
        ret->type = WEIR_VALUE_REAL;
        ret->u.real = sqlite3_value_double(value);
        return 0;
    case SQLITE_TEXT:
        ret->type = WEIR_VALUE_TEXT;
        bytes = sqlite3_value_text(value);
        break;
    case SQLITE_BLOB:
        ret->type = WEIR_VALUE_BLOB;
        bytes = sqlite3_value_blob(value);
        break;
    default:
        ret->type = WEIR_VALUE_NULL;
        return 0;
    }
    size_t len = (size_t)sqlite3_value_bytes(value);
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

/* By the schema as it is now; what had been prepared is gone. False: the outcome has words. */
static bool prepare_anew(weir_sqlite_db *db, weir_exec *exec)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    weir_sqlite_stmt_cache_drop(&db->cache, run->stmt);
    run->stmt = NULL;
    if (weir_sqlite_prepare(db, exec, &run->stmt, &exec->outcome.error) < 0)
        return false;
    if (run->stmt->handle && bind_params(db, run->stmt, exec, &exec->outcome.error) == 0)
        return true;
    weir_sqlite_stmt_cache_drop(&db->cache, run->stmt);
    run->stmt = NULL;
    return false;
}

#define TYPINGS_MAX                                                                                \
    3u /* then SQLite's nested statements, of full-text tables, may be what asks                   \
        */

/* A typed statement is not prepared again by SQLite when the schema has changed: its translation
 * would be of the old one. Nor is one that had none: it may have one now. */
static int step_first(weir_sqlite_db *db, weir_exec *exec)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    for (unsigned tries = 0;; tries++) {
        db->collector.stale = false;
        bool typed = run->stmt->template || run->stmt->passed;
        db->collector.denies = typed && tries < TYPINGS_MAX;
        int rc = sqlite3_step(run->stmt->handle);
        db->collector.denies = false;
        if (rc == SQLITE_ROW || rc == SQLITE_DONE || !db->collector.stale)
            return rc; /* a function that is denied is no SQLITE_AUTH */
        if (!prepare_anew(db, exec))
            return rc;
    }
}

/* SQLITE_ROW: suspended; SQLITE_DONE; another code of SQLite's; negative: of the encoder. */
static int step_part(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    size_t chunk = exec->chunk_size ? exec->chunk_size : CHUNK_SIZE_DEFAULT;
    size_t max = size_max(exec, flags);
    for (;;) {
        int rc = run->described ? sqlite3_step(run->stmt->handle) : step_first(db, exec);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rc;
        /* Only now: the first step prepares again if the schema has changed. */
        int r = run->described ? 0 : give_columns(db, run->stmt, exec);
        run->described = true;
        if (r == 0 && rc == SQLITE_ROW)
            r = give_row(db, run->stmt->handle, exec);
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
    if (why == WEIR_SQLITE_STOP_OVERDUE) {
        weir_sqlite_overdue_error(err);
        return;
    }
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
    bool stopped = why == WEIR_SQLITE_STOP_CANCEL || why == WEIR_SQLITE_STOP_DEADLINE ||
                   why == WEIR_SQLITE_STOP_OVERDUE;
    if (stopped) {
        stop_error(why, err);
    } else if (rc < 0) {
        encoder_error(rc, err);
    } else if ((rc & 0xff) == SQLITE_AUTH && db->collector.refused) {
        weir_error_set(err, "0A000", "%s", db->collector.refused);
    } else if ((rc & 0xff) == SQLITE_INTERRUPT) {
        stop_error(WEIR_SQLITE_STOP_CANCEL, err);
    } else {
        weir_sqlite_error(db->handle, rc, err);
        if ((rc & 0xff) == SQLITE_CONSTRAINT)
            weir_sqlite_name_violation(db, exec);
    }
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
    if (stmt->transaction && db->guard.why == WEIR_SQLITE_STOP_OVERDUE)
        db->guard.why = WEIR_SQLITE_STOP_NONE; /* it ends the snapshot */
    db->running = exec;
    int rc = db->guard.why ? SQLITE_INTERRUPT : step_part(db, exec, flags);
    db->running = NULL;
    weir_sqlite_stop why = weir_sqlite_guard_end(db);
    /* A cancel that came too late to stop the part still ends a suspended run: SQLite's own flag
     * would otherwise outlive it and hit what runs next beside the suspended statement. */
    if (rc == SQLITE_ROW && atomic_load_explicit(&db->guard.cancelled, memory_order_relaxed)) {
        rc = SQLITE_INTERRUPT;
        why = WEIR_SQLITE_STOP_CANCEL;
    }
    if (rc == SQLITE_ROW && weir_sqlite_db_is_overdue(db)) {
        rc = SQLITE_INTERRUPT;
        why = WEIR_SQLITE_STOP_OVERDUE;
    }
    if (why == WEIR_SQLITE_STOP_OVERDUE && rc == SQLITE_INTERRUPT)
        atomic_fetch_add_explicit(&db->wal->ended, 1, memory_order_relaxed);
    if (why == WEIR_SQLITE_STOP_BUDGET && rc != SQLITE_ROW && rc != SQLITE_DONE) {
        exec->out.len = run->out_start;
        give_back(db, run);
        return false;
    }
    weir_outcome *outcome = &exec->outcome;
    if (!run->stmt) { /* it could not be prepared anew */
        outcome->in_transaction = weir_sqlite_db_in_transaction(db);
        return true;
    }
    stmt = run->stmt;
    run->size += rc == SQLITE_ROW ? exec->out.len - run->out_start : 0;
    outcome->suspended = rc == SQLITE_ROW;
    outcome->ok = rc == SQLITE_ROW || rc == SQLITE_DONE;
    outcome->returned_rows = sqlite3_column_count(stmt->handle) > 0;
    if (rc == SQLITE_DONE && stmt->writes && sqlite3_total_changes64(db->handle) != total_before)
        outcome->changes = (uint64_t)sqlite3_changes64(db->handle);
    if (!outcome->ok)
        set_error(db, exec, rc, why);
    db->catalog.stale |= stmt->schema;
    db->face_stale |= stmt->schema;
    db->typing_stale |= stmt->schema;
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
    forget_prepared(db, exec->source);
    forget_prepared(db, exec->text);
    if (weir_sqlite_prepare(db, exec, &stmt, &outcome->error) < 0)
        return;
    exec->param_total = stmt->param_total;
    exec->read_only = !stmt->writes;
    outcome->returned_rows = stmt->handle && sqlite3_column_count(stmt->handle) > 0;
    int r = stmt->handle ? give_columns(db, stmt, exec) : 0;
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
    if (exec->anew) {
        forget_prepared(db, exec->source);
        forget_prepared(db, exec->text);
    }
    if (weir_sqlite_prepare(db, exec, &run->stmt, &outcome->error) < 0)
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

static void work_on_schema(weir_sqlite_db *db, weir_exec *exec)
{
    if (db->changes)
        weir_sqlite_changes_before_schema(db->changes, db);
    int rc = db->guard.why ? SQLITE_INTERRUPT : weir_sqlite_schema_work(db, exec->text);
    weir_sqlite_stop why = weir_sqlite_guard_end(db);
    exec->outcome.ok = rc == SQLITE_OK;
    if (rc != SQLITE_OK)
        set_error(db, exec, rc, why);
    db->catalog.stale = db->face_stale = db->typing_stale = true;
    exec->outcome.in_transaction = weir_sqlite_db_in_transaction(db);
}

bool weir_sqlite_run_start(weir_sqlite_db *db, weir_exec *exec, unsigned flags)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    bool in_place = (flags & WEIR_SQLITE_IN_PLACE) != 0;
    exec->outcome = (weir_outcome){0};
    run->described = false;
    exec->out.len = run->out_start;
    if (exec->said)
        weir_buf_clear(exec->said);
    weir_sqlite_guard_begin(db, exec->deadline, in_place, weir_list_empty(&db->cache.lent));
    bool settled = true;
    if (exec->schema_work) {
        assert(!(flags & WEIR_SQLITE_READER));
        work_on_schema(db, exec);
        return true;
    }
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
