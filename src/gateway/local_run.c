/* One statement's run on the right connection.
 *
 *   REST ──start──► (read, no block) WAIT_LENT ──lent──► RUNNING ──done──► REST, then(ok)
 *                   (write in a block) WAIT_CLAIM ─granted─► RUNNING (savepoints, statement)
 *                   (write alone) RUNNING at the backend's queue (group commit)
 *   (read that another session runs now: local_cache.c) WAIT_ANSWER ──► REST, or as above
 *   RUNNING ──chunk──► RUNNING, or PAUSED while the client reads too slowly ──drained──► RUNNING
 *
 * Invariant: while phase is RUNNING or WAIT_CLAIM the backend holds pointers into the run, so the
 * run outlives a client that leaves (run->local becomes NULL) and frees itself when the backend
 * lets go. A connection borrowed for a run goes back when the run ends. */
#include "gateway/local_calls.h"
#include "gateway/local_copy.h"
#include <stdlib.h>

#define CONTROL_SIZE_MAX (1u << 20)
static void execute_on(local_run *run, weir_conn *conn);

void local_run_free(local_run *run)
{
    if (!run)
        return;
    weir_fill_abort(&run->fill, true);
    local_statement_unref(run->statement);
    local_portal_unref(run->portal);
    local_copy_free(run->left_copy);
    local_statement_unref(run->left_hinted);
    local_rows_fini(&run->rows);
    weir_buf_fini(&run->exec.out);
    local_charge_drop(&run->charge);
    weir_buf_fini(&run->control);
    weir_buf_fini(&run->own);
    weir_buf_fini(&run->drawn);
    weir_buf_fini(&run->zoned);
    free(run);
}

static size_t result_max(const weir_local *l)
{
    return l->limits.result_size_max ? l->limits.result_size_max : LOCAL_KEPT_SIZE_MAX;
}

/* ---- the end of a run ---- */

static void return_reader(weir_local *l)
{
    if (!l->run->borrowed)
        return;
    l->run->borrowed = false;
    weir_session_return(l->session);
}

static void record(weir_local *l, bool ok)
{
    local_run *run = l->run;
    if (!run->statement || run->exec.mode == WEIR_EXEC_DESCRIBE)
        return;
    weir_session_record(l->session, &run->statement->words, WEIR_TARGET_PRIMARY, run->started,
                        run->rows.count > 0 ? run->rows.count : run->exec.outcome.changes,
                        ok ? "" : run->error.sqlstate);
}

static void end_run(weir_local *l, bool ok)
{
    local_run *run = l->run;
    l->phase = LOCAL_REST;
    return_reader(l);
    if (run->need == WEIR_ROLE_WRITE)
        weir_session_note_write(l->session);
    if (!ok)
        weir_fill_abort(&run->fill, run->cancelled); /* a client's cancel is nobody else's */
    record(l, ok);
    if (ok && run->rows.said.len > 0)
        local_check(l, local_said(l, &run->rows.said));
    if (!ok && local_cache_instead(run))
        return;
    local_then then = run->then;
    run->then = NULL;
    then(l, ok);
}

static void fail_run(weir_local *l, const weir_error *err)
{
    l->run->error = *err;
    end_run(l, false);
}

/* ---- what the backend says ---- */

/* A run whose client has left: everything it held goes back. */
static void abandoned_done(local_run *run)
{
    if (run->conn && run->need == WEIR_ROLE_WRITE)
        run->backend->ops->unclaim(run->backend, run->conn);
    local_run_free(run);
}

/* A wait for the writer ends at whichever limit comes first; the statement's own has other words.
 */
static void name_limit(const local_run *run, weir_error *err)
{
    const weir_local *l = run->local;
    if (strcmp(err->sqlstate, "55P03") == 0 && l->host.now(l->host.user) >= run->deadline)
        weir_error_set(err, "57014", "weir: canceling statement due to statement timeout");
}

static void choose_error(local_run *run)
{
    const weir_outcome *o = &run->exec.outcome;
    run->error = run->rows.error.sqlstate[0] ? run->rows.error : o->error;
    if (run->rows.error.sqlstate[0] == '\0' && run->error.sqlstate[0] == '\0')
        weir_error_set(&run->error, "XX000", "weir: the statement failed");
    name_limit(run, &run->error);
    local_name_dialect(run->rows.source, &run->error);
}

/* Until when the run may wait for the writer. */
static weir_time wait_until(const local_run *run)
{
    const weir_local *l = run->local;
    weir_time limit = l->limits.writer_wait, own = local_lock_timeout(l);
    if (own > 0 && (limit <= 0 || own < limit))
        limit = own;
    weir_time at = weir_deadline(l->host.now(l->host.user), limit);
    return at < run->deadline ? at : run->deadline;
}

/* Encoded bytes to the client, in order behind what is collected. */
static void deliver(weir_local *l)
{
    local_run *run = l->run;
    local_rows_patch(&run->rows, &run->exec.out);
    if (run->keep || run->exec.out.len == 0)
        return;
    weir_slice bytes = weir_buf_slice(&run->exec.out);
    if (run->filled)
        bytes = local_cache_take_chunk(run, bytes);
    local_flush(l);
    l->host.write(l->host.user, bytes);
    weir_buf_clear(&run->exec.out);
}

/* A read that turned out to write: again, where it may. Nothing was run and nothing sent. */
static void retry_as_write(local_run *run)
{
    weir_local *l = run->local;
    return_reader(l);
    weir_fill_abort(&run->fill, false);
    run->need = WEIR_ROLE_WRITE;
    weir_buf_clear(&run->exec.out);
    run->rows.described = false;
    local_run_go(run);
}

static bool wants_resume(local_run *run)
{
    weir_local *l = run->local;
    deliver(l);
    if (run->cancelled || l->host.congested(l->host.user)) {
        l->phase = LOCAL_PAUSED;
        if (run->cancelled)
            local_run_cancel(l);
        else if (l->host.paused)
            l->host.paused(l->host.user);
        return false;
    }
    return true;
}

/* Looks at an outcome; true: the run goes on with its next chunk. */
static bool handle_done(local_run *run)
{
    weir_local *l = run->local;
    weir_outcome *o = &run->exec.outcome;
    if (!l) {
        if (o->suspended)
            run->conn->ops->finish(run->conn, &run->exec);
        abandoned_done(run);
        return false;
    }
    if (o->suspended)
        return wants_resume(run);
    if (o->needs_writer && run->need == WEIR_ROLE_READ) {
        retry_as_write(run);
        return false;
    }
    if (o->ok)
        deliver(l);
    else
        choose_error(run);
    end_run(l, o->ok);
    return false;
}

static void on_done(weir_exec *exec)
{
    local_run *run = exec->user;
    weir_local *l = run->local;
    if (run->in_call) {
        run->done = true;
        return;
    }
    bool more = handle_done(run);
    while (more) {
        run->done = false;
        run->in_call = true;
        l->phase = LOCAL_RUNNING;
        run->conn->ops->resume(run->conn, exec, 0);
        run->in_call = false;
        more = run->done && handle_done(run);
    }
    if (l)
        local_leave(l);
}

/* Runs `exec` where `conn` is, or at the backend's writer queue. A backend may call back at once:
 * then the run goes on here, without recursion. */
static void submit(local_run *run)
{
    weir_local *l = run->local;
    run->done = false;
    run->in_call = true;
    l->phase = LOCAL_RUNNING;
    if (run->conn)
        run->conn->ops->execute(run->conn, &run->exec);
    else
        run->backend->ops->write(run->backend, l->host.loop, &run->exec, wait_until(run));
    run->in_call = false;
    bool more = run->done && handle_done(run);
    while (more) {
        run->done = false;
        run->in_call = true;
        run->conn->ops->resume(run->conn, &run->exec, 0);
        run->in_call = false;
        more = run->done && handle_done(run);
    }
}

/* ---- statements of our own before the run's: a snapshot's BEGIN, savepoints made so far ---- */

static const local_savepoint *savepoint_at(const weir_local *l, size_t outer_first)
{
    const local_savepoint *s = l->tx.savepoints;
    for (size_t skip = l->tx.savepoint_count - 1 - outer_first; skip > 0; skip--)
        s = s->outer;
    return s;
}

static void on_prelude(weir_exec *exec)
{
    local_run *run = exec->user;
    weir_local *l = run->local;
    if (!l) {
        abandoned_done(run);
        return;
    }
    run->exec.on_done = on_done;
    if (!exec->outcome.ok) {
        choose_error(run);
        end_run(l, false);
    } else if (run->borrowed) { /* BEGIN: the transaction keeps it */
        run->borrowed = false;
        l->tx.snapshot = true;
        execute_on(run, run->conn);
    } else {
        run->replayed++;
        execute_on(run, run->conn);
    }
    local_leave(l);
}

/* Doubles the quotes of a name; the names are short. */
static int put_savepoint(weir_buf *out, const char *name)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SAVEPOINT \""));
    for (; r == 0 && *name; name++) {
        r = weir_buf_append_u8(out, (uint8_t)*name);
        if (r == 0 && *name == '"')
            r = weir_buf_append_u8(out, '"');
    }
    return r == 0 ? weir_buf_append_u8(out, '"') : r;
}

static int no_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    (void)user, (void)out, (void)columns, (void)count;
    return 0;
}

static int no_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    (void)user, (void)out, (void)cells, (void)count;
    return 0;
}

static void prelude(local_run *run, weir_slice text)
{
    run->exec = (weir_exec){.mode = WEIR_EXEC_RUN,
                            .text = text,
                            .encoder = {.columns = no_columns, .row = no_row},
                            .deadline = WEIR_TIME_NEVER,
                            .out = run->exec.out,
                            .on_done = on_prelude,
                            .user = run};
    run->local->phase = LOCAL_RUNNING;
    run->conn->ops->execute(run->conn, &run->exec);
}

static void replay(local_run *run)
{
    weir_local *l = run->local;
    weir_buf_clear(&run->control);
    int r = put_savepoint(&run->control, savepoint_at(l, run->replayed)->name);
    if (r < 0)
        local_broken(l, r);
    else
        prelude(run, weir_buf_slice(&run->control));
}

/* The first read of a transaction that reads one snapshot. */
static bool begins_snapshot(const local_run *run)
{
    return run->borrowed && !run->rows.describe_only && local_tx_is_serial(run->local);
}

/* ---- the start of a run ---- */

/* May it run in place, on the loop's own thread? The backend's budget bounds what a wrong guess
 * costs. */
static bool known_short(const local_run *run)
{
    return run->statement && run->need == WEIR_ROLE_READ &&
           weir_session_known_short(run->local->session, &run->statement->words);
}

static weir_slice text_of(const local_run *run)
{
    if (run->own.len > 0)
        return weir_buf_slice(&run->own);
    return run->control.len > 0 ? weir_buf_slice(&run->control) : run->statement->text;
}

static void set_exec(local_run *run)
{
    weir_local *l = run->local;
    const local_portal *p = run->portal;
    bool describe = run->rows.describe_only;
    bool whole = run->keep || !run->conn; /* a queued write must not wait for a slow reader */
    weir_buf_fini(&run->exec.out);
    local_charge_drop(&run->charge);
    weir_buf out;
    weir_buf_init(&out, run->keep ? result_max(l) : WEIR_PG_MESSAGE_SIZE_MAX);
    run->exec = (weir_exec){
        .mode = describe ? WEIR_EXEC_DESCRIBE : WEIR_EXEC_RUN,
        .text = text_of(run),
        .schema_work = run->schema_work,
        .source = local_source_of(run),
        .params = p ? p->params : NULL,
        .param_count = p ? p->statement->param_count : 0,
        .encoder = run->keep ? local_kept_encoder(run) : run->encoder,
        .chunk_size = whole ? SIZE_MAX : LOCAL_CHUNK_SIZE,
        .result_size_max = l->limits.result_size_max,
        .deadline = run->deadline,
        .began_us = local_tx_in_block(l) ? l->tx.began_us : 0,
        .cheap = describe || known_short(run),
        .anew = run->fill.anew,
        .said = &run->rows.said,
        .drawn = &run->drawn,
        .out = out,
        .on_done = on_done,
        .user = run,
    };
}

static void execute_on(local_run *run, weir_conn *conn)
{
    weir_local *l = run->local;
    run->conn = conn;
    bool clients = run->statement || run->own.len > 0;
    if (conn && conn == l->tx.writer && clients && run->replayed < l->tx.savepoint_count) {
        replay(run);
        return;
    }
    if (conn && begins_snapshot(run)) {
        prelude(run, WEIR_SLICE_LIT("BEGIN"));
        return;
    }
    if (run->statement)
        weir_buf_clear(&run->control);
    set_exec(run);
    submit(run);
}

static void on_granted(weir_claim *claim, weir_conn *conn, const weir_error *err)
{
    local_run *run = claim->user;
    weir_local *l = run->local;
    if (!l) {
        if (conn)
            run->backend->ops->unclaim(run->backend, conn);
        local_run_free(run);
        return;
    }
    if (!conn) {
        weir_error why = *err;
        name_limit(run, &why);
        fail_run(l, &why);
    } else {
        l->tx.writer = conn;
        run->replayed = 0;
        execute_on(run, conn);
    }
    local_leave(l);
}

static void claim_writer(local_run *run)
{
    weir_local *l = run->local;
    bool nowait = run->statement && run->statement->locks == WEIR_COMPAT_LOCK_NOWAIT;
    run->claim = (weir_claim){
        .wait_until = wait_until(run), .nowait = nowait, .granted = on_granted, .user = run};
    l->phase = LOCAL_WAIT_CLAIM;
    if (l->tx.snapshot)
        run->backend->ops->upgrade(run->backend, l->session->conn, &run->claim);
    else
        run->backend->ops->claim(run->backend, l->host.loop, &run->claim);
}

static void refuse_read_only(weir_local *l)
{
    weir_error err;
    weir_error_set(&err, "25006", "weir: cannot write in a read-only transaction");
    fail_run(l, &err);
}

static void go_write(local_run *run)
{
    weir_local *l = run->local;
    bool block = local_tx_in_block(l);
    if (block ? l->tx.read_only : l->default_read_only)
        refuse_read_only(l);
    else if (!block)
        execute_on(run, NULL);
    else
        claim_writer(run);
}

static void go_read(local_run *run)
{
    weir_local *l = run->local;
    weir_error err;
    int r = weir_session_borrow(l->session, WEIR_ROLE_READ, &err);
    if (r == 0) {
        run->borrowed = true;
        execute_on(run, l->session->conn);
    } else if (r == WEIR_SESSION_WAIT) {
        l->phase = LOCAL_WAIT_LENT;
    } else {
        if (r < 0)
            weir_error_set(&err, "53200", "weir: out of memory");
        fail_run(l, &err);
    }
}

/* What failed with 40001 is tried again: it waits for the writer first. */
static bool takes_writer_first(const local_run *run)
{
    const weir_local *l = run->local;
    return l->retries && run->statement && local_tx_is_serial(l) && !l->tx.read_only &&
           !l->tx.snapshot && !run->rows.describe_only;
}

void local_run_go(local_run *run)
{
    weir_local *l = run->local;
    if (l->tx.writer) {
        run->need = WEIR_ROLE_WRITE;
        run->replayed = run->statement || run->own.len > 0 ? run->replayed : 0;
        execute_on(run, l->tx.writer);
        return;
    }
    if (l->tx.expired) {
        weir_error err;
        local_overdue_error(&err);
        fail_run(l, &err);
        return;
    }
    if (takes_writer_first(run))
        run->need = WEIR_ROLE_WRITE;
    if (run->need == WEIR_ROLE_WRITE) {
        go_write(run);
    } else if (l->tx.snapshot) {
        execute_on(run, l->session->conn);
    } else {
        go_read(run);
    }
}

void weir_local_lent(weir_local *l)
{
    if (l->phase != LOCAL_WAIT_LENT)
        return; /* inside weir_session_borrow, which says so itself */
    l->run->borrowed = true;
    if (l->run->cancelled) {
        weir_error err;
        weir_error_set(&err, "57014", "weir: canceling statement due to user request");
        fail_run(l, &err);
    } else {
        execute_on(l->run, l->session->conn);
    }
    local_leave(l);
}

void weir_local_refused(weir_local *l, const weir_error *err)
{
    if (l->phase != LOCAL_WAIT_LENT)
        return;
    fail_run(l, err);
    local_leave(l);
}

/* The run's struct, ready for another statement. */
static local_run *prepare(weir_local *l, local_statement *s, local_portal *p, local_then then)
{
    if (!l->run) {
        l->run = calloc(1, sizeof(*l->run));
        if (!l->run)
            return NULL;
        weir_buf_init(&l->run->control, CONTROL_SIZE_MAX);
        weir_buf_init(&l->run->own, WEIR_SQL_TEXT_MAX);
        l->run->drawn = l->drawn;
        l->drawn = (weir_buf){0};
    }
    local_run *run = l->run;
    local_statement_unref(run->statement);
    local_portal_unref(run->portal);
    run->statement = s ? local_statement_ref(s) : NULL;
    run->portal = p ? local_portal_ref(p) : NULL;
    run->local = l;
    run->backend = local_backend(l);
    run->memory = l->host.memory;
    run->conn = NULL;
    run->then = then;
    run->keep = run->borrowed = run->cancelled = false;
    run->filled = run->head_hidden = run->from_cache = run->schema_work = false;
    run->fill.anew = false;
    run->head_len = 0;
    run->replayed = l->tx.writer ? l->tx.savepoint_count : 0;
    run->started = l->host.now(l->host.user);
    run->deadline = weir_deadline(run->started, l->limits.statement_timeout);
    run->error.sqlstate[0] = '\0';
    weir_buf_clear(&run->control);
    weir_buf_clear(&run->own);
    return run;
}

/* Alone, a statement that locks rows only reads: they would be free again when it is over. */
static bool locks_rows(const weir_local *l, const local_statement *s)
{
    return s->locks != WEIR_COMPAT_LOCK_NONE && (local_tx_in_block(l) || l->default_read_only);
}

int local_run_statement(weir_local *l, local_statement *s, local_portal *p, bool describe,
                        local_then then)
{
    local_run *run = prepare(l, s, p, then);
    if (!run)
        return -ENOMEM;
    local_rows_begin(&run->rows, s->source, describe);
    run->rows.announced = p && s->described ? &s->columns : NULL;
    run->rows.formats = p ? p->formats : NULL;
    run->rows.format_count = p ? p->format_count : 0;
    run->rows.no_data = p && !p->simple;
    run->rows.count_max = l->limits.rows_max;
    run->encoder = local_rows_encoder(&run->rows);
    run->keep = p && p->rows_max > 0;
    run->need = local_statement_writes(s) || locks_rows(l, s) ? WEIR_ROLE_WRITE : WEIR_ROLE_READ;
    l->tx.used = true;
    if (!local_cache_begin(run, describe))
        local_run_go(run);
    return 0;
}

int local_run_describe(weir_local *l, local_statement *s, bool anew, local_then then)
{
    local_run *run = prepare(l, s, NULL, then);
    if (!run)
        return -ENOMEM;
    local_rows_begin(&run->rows, s->source, false);
    run->rows.describe_only = true;
    run->encoder = local_rows_encoder(&run->rows);
    run->need = WEIR_ROLE_READ;
    if (!anew && local_cache_describe(run))
        then(l, true);
    else
        local_run_go(run);
    return 0;
}

int local_run_rows(weir_local *l, local_statement *s, local_portal *p, const weir_encoder *encoder,
                   local_then then)
{
    local_run *run = prepare(l, s, p, then);
    if (!run)
        return -ENOMEM;
    local_rows_begin(&run->rows, encoder ? s->source : s->command.value, false);
    run->rows.count_max = encoder ? 0 : l->limits.rows_max;
    run->encoder = encoder ? *encoder : local_rows_encoder(&run->rows);
    run->keep = !encoder;
    run->need = locks_rows(l, s) ? WEIR_ROLE_WRITE : WEIR_ROLE_READ;
    l->tx.used = true;
    local_run_go(run);
    return 0;
}

static int run_ours(weir_local *l, weir_slice text, bool writes, bool schema_work, local_then then)
{
    local_run *run = prepare(l, NULL, NULL, then);
    if (!run)
        return -ENOMEM;
    int r = weir_buf_append(writes ? &run->own : &run->control, text);
    if (r < 0)
        return r;
    local_rows_begin(&run->rows, (weir_slice){0}, false);
    run->encoder = local_capture();
    run->keep = true;
    run->need = writes ? WEIR_ROLE_WRITE : WEIR_ROLE_READ;
    run->schema_work = schema_work;
    if (writes)
        l->tx.used = l->tx.more_than_read = true;
    local_run_go(run);
    return 0;
}

int local_run_captured(weir_local *l, weir_slice text, local_then then)
{
    return run_ours(l, text, false, false, then);
}

int local_run_own(weir_local *l, weir_slice text, bool schema_work, local_then then)
{
    return run_ours(l, text, true, schema_work, then);
}

int local_run_control(weir_local *l, weir_slice text, const weir_encoder *encoder, local_then then)
{
    local_run *run = prepare(l, NULL, NULL, then);
    if (!run)
        return -ENOMEM;
    int r = weir_buf_append(&run->control, text);
    if (r < 0)
        return r;
    local_rows_begin(&run->rows, (weir_slice){0}, false);
    run->encoder = encoder ? *encoder : local_rows_encoder(&run->rows);
    run->need = WEIR_ROLE_READ;
    local_run_go(run);
    return 0;
}

/* ---- from outside ---- */

void local_run_drained(weir_local *l)
{
    local_run *run = l->run;
    if (l->phase != LOCAL_PAUSED || l->host.congested(l->host.user))
        return;
    l->phase = LOCAL_RUNNING;
    run->done = false;
    run->in_call = true;
    run->conn->ops->resume(run->conn, &run->exec, 0);
    run->in_call = false;
    if (run->done)
        on_done(&run->exec);
}

/* On its connection, or in the writer's queue. */
static void cancel_running(local_run *run)
{
    run->cancelled = true;
    if (run->conn)
        run->conn->ops->cancel(run->conn);
    else
        run->backend->ops->cancel_write(run->backend, &run->exec);
}

void local_run_cancel(weir_local *l)
{
    local_run *run = l->run;
    weir_error err;
    weir_error_set(&err, "57014", "weir: canceling statement due to user request");
    switch ((local_phase)l->phase) {
    case LOCAL_REST:
    case LOCAL_WAIT_VISIT:
        return;
    case LOCAL_WAIT_LENT:
        run->cancelled = true;
        return;
    case LOCAL_WAIT_CLAIM:
        run->cancelled = true;
        if (run->backend->ops->drop_claim(run->backend, &run->claim))
            fail_run(l, &err);
        return;
    case LOCAL_WAIT_ANSWER:
        fail_run(l, &err); /* gives up the wait */
        return;
    case LOCAL_RUNNING:
        cancel_running(run);
        return;
    case LOCAL_PAUSED:
        run->conn->ops->finish(run->conn, &run->exec);
        fail_run(l, &err);
        return;
    }
}

bool weir_local_holds_snapshot(const weir_local *l)
{
    return l->phase == LOCAL_PAUSED || (l->phase == LOCAL_REST && l->tx.snapshot && !l->tx.writer);
}

void weir_local_look(weir_local *l)
{
    weir_error err;
    if (!weir_local_holds_snapshot(l))
        return;
    weir_conn *conn = l->phase == LOCAL_PAUSED ? l->run->conn : l->session->conn;
    if (!conn->ops->overdue || !conn->ops->overdue(conn))
        return;
    if (l->phase == LOCAL_REST) {
        local_tx_expire(l);
        return;
    }
    local_overdue_error(&err);
    conn->ops->finish(conn, &l->run->exec);
    fail_run(l, &err);
    local_leave(l);
}

/* The run ends by itself, later, and so does what it works on. */
static void outlive(local_run *run, weir_local *l)
{
    run->local = NULL;
    run->left_copy = l->copy;
    run->left_hinted = l->hinted;
    l->copy = NULL;
    l->hinted = NULL;
}

/* The client is gone: what runs is given up, or left to end by itself. */
void local_run_abandon(weir_local *l)
{
    local_run *run = l->run;
    l->run = NULL;
    if (!run)
        return;
    weir_fill_abort(&run->fill, true);
    switch ((local_phase)l->phase) {
    case LOCAL_WAIT_CLAIM:
        if (!run->backend->ops->drop_claim(run->backend, &run->claim)) {
            outlive(run, l);
            return;
        }
        break;
    case LOCAL_RUNNING:
        outlive(run, l);
        if (run->conn && run->conn == l->tx.writer)
            l->tx.writer = NULL; /* given back when the run ends */
        else
            run->need = WEIR_ROLE_READ;
        cancel_running(run);
        return;
    case LOCAL_PAUSED:
        run->conn->ops->finish(run->conn, &run->exec);
        break;
    case LOCAL_REST:
    case LOCAL_WAIT_LENT:
    case LOCAL_WAIT_ANSWER:
    case LOCAL_WAIT_VISIT:
        break;
    }
    local_run_free(run);
}
