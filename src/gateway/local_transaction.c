/* Transactions of a virtual server.
 *
 * READ COMMITTED (the default): until the first write, or the first row that is locked, each
 * statement reads its own snapshot on any reader; then the writer is claimed (BEGIN IMMEDIATE), the
 * savepoints made so far are set, and everything after it runs there. REPEATABLE READ and
 * SERIALIZABLE: the first statement decides. A read holds one reader with its snapshot, which
 * becomes the writer at the first write: 40001 if others have committed meanwhile. A write claims
 * the writer as above. So does every first statement after a 40001, until a transaction has
 * committed: what is tried again waits its turn once and cannot fail so a second time (decision 4).
 *
 * Invariant: tx.writer is claimed and inside a transaction, or NULL; tx.snapshot means
 * session->conn is held and inside BEGIN; both: it is the writer. IDLE holds neither. Giving the
 * writer back rolls back what is open, so dropping a transaction needs no round trip. */
#include "gateway/local_calls.h"
#include "net/net.h"
#include <stdlib.h>

bool local_tx_in_block(const weir_local *l)
{
    return l->tx.state != LOCAL_TX_IDLE;
}

bool local_tx_is_serial(const weir_local *l)
{
    return local_tx_in_block(l) && l->tx.isolation >= WEIR_ISOLATION_REPEATABLE_READ;
}

static void forget_savepoints(local_tx *tx, size_t keep)
{
    while (tx->savepoint_count > keep) {
        local_savepoint *s = tx->savepoints;
        tx->savepoints = s->outer;
        tx->savepoint_count--;
        free(s);
    }
}

static void release_connections(weir_local *l)
{
    if (l->tx.writer)
        local_backend(l)->ops->unclaim(local_backend(l), l->tx.writer);
    l->tx.writer = NULL;
    if (l->tx.snapshot)
        weir_session_return(l->session);
    l->tx.snapshot = false;
}

void local_overdue_error(weir_error *err)
{
    weir_error_set(err, "40001",
                   "weir: the transaction's snapshot kept the database's log from being emptied "
                   "and was given up");
    weir_error_hint(err, "The log was larger than sqlite.wal_max: run it again, in smaller parts, "
                         "or read from a backup.");
}

void local_tx_expire(weir_local *l)
{
    release_connections(l);
    l->tx.expired = true;
}

void local_tx_drop(weir_local *l)
{
    release_connections(l);
    forget_savepoints(&l->tx, 0);
    l->tx = (local_tx){.state = LOCAL_TX_IDLE};
}

static void end_block(weir_local *l, bool committed)
{
    local_tx_drop(l);
    local_portals_end(l, committed);
    local_settings_end_transaction(l, committed);
    if (l->listening)
        local_listen_end(l, committed);
    if (!committed)
        return;
    l->retries = false;
    weir_session_count_transaction(l->session);
}

/* An error: an implicit transaction is undone at once, an explicit one when the client says so. But
 * without savepoints there is nothing to go back to, so the writer need not wait for it. */
void local_tx_failed(weir_local *l)
{
    if (l->tx.state == LOCAL_TX_IMPLICIT) {
        end_block(l, false);
        return;
    }
    if (l->tx.state != LOCAL_TX_EXPLICIT)
        return;
    l->tx.state = LOCAL_TX_FAILED;
    l->retries |= l->run && strcmp(l->run->error.sqlstate, "40001") == 0;
    bool lost = l->tx.writer && l->run && l->run->conn == l->tx.writer &&
                !l->run->exec.outcome.in_transaction && !l->run->exec.outcome.ok;
    if (lost)
        forget_savepoints(&l->tx, 0);
    if (l->tx.savepoint_count == 0)
        release_connections(l);
}

static int64_t wall_us(const weir_local *l)
{
    return weir_loop_wall_ns(l->host.loop) / (WEIR_SECOND / 1000000);
}

void local_tx_begin_implicit(weir_local *l)
{
    if (l->tx.state == LOCAL_TX_IDLE)
        l->tx = (local_tx){.state = LOCAL_TX_IMPLICIT,
                           .began_us = wall_us(l),
                           .isolation = WEIR_ISOLATION_READ_COMMITTED,
                           .read_only = l->default_read_only};
}

/* ---- COMMIT ---- */

static void committed(weir_local *l, bool ok)
{
    weir_error err = l->run->error;
    end_block(l, ok);
    if (!ok)
        local_send_error(l, &err);
}

/* The command's `then` waits here while a statement of our own runs. */
static local_then take_then(weir_local *l)
{
    local_then then = l->control_then;
    l->control_then = NULL;
    return then;
}

static void explicit_committed(weir_local *l, bool ok)
{
    local_then then = take_then(l);
    committed(l, ok);
    if (ok)
        local_send_tag(l, "COMMIT");
    else if (!l->script)
        l->skipping = true;
    then(l, ok);
}

static void implicit_committed(weir_local *l, bool ok)
{
    local_then then = take_then(l);
    committed(l, ok);
    then(l, ok);
}

static void start_commit(weir_local *l, local_then own, local_then then)
{
    l->control_then = then;
    int r = local_run_control(l, WEIR_SLICE_LIT("COMMIT"), NULL, own);
    if (r < 0)
        local_broken(l, r);
}

void local_tx_end_implicit(weir_local *l, local_then then)
{
    if (l->tx.state == LOCAL_TX_IMPLICIT && l->tx.writer) {
        start_commit(l, implicit_committed, then);
        return;
    }
    if (l->tx.state == LOCAL_TX_IMPLICIT)
        end_block(l, true);
    else if (l->tx.state == LOCAL_TX_IDLE)
        local_portals_end(l, true);
    then(l, true);
}

/* ---- commands ---- */

static void refuse(weir_local *l, const char *sqlstate, const char *message, local_then then)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s", message);
    local_fail(l, &err);
    then(l, false);
}

static void done(weir_local *l, const char *tag, local_then then)
{
    local_send_tag(l, tag);
    then(l, true);
}

/* What a BEGIN, SAVEPOINT, … of our own ends with: tag in tx, error to the client. */
static void control_done(weir_local *l, bool ok)
{
    local_then then = take_then(l);
    const char *tag = l->control_tag;
    if (ok) {
        done(l, tag, then);
        return;
    }
    weir_error err = l->run->error;
    local_fail(l, &err);
    then(l, false);
}

static void control(weir_local *l, weir_slice text, const char *tag, local_then own,
                    local_then then)
{
    l->control_then = then;
    l->control_tag = tag;
    int r = local_run_control(l, text, NULL, own);
    if (r < 0)
        local_broken(l, r);
}

static void set_modes(weir_local *l, const weir_command *c)
{
    if (c->isolation != WEIR_ISOLATION_DEFAULT)
        l->tx.isolation = (uint8_t)c->isolation;
    if (c->access_mode != WEIR_ACCESS_MODE_DEFAULT)
        l->tx.read_only = c->access_mode == WEIR_ACCESS_MODE_READ_ONLY;
}

static void begin(weir_local *l, const weir_command *c, local_then then)
{
    if (l->tx.state == LOCAL_TX_EXPLICIT) {
        local_send_warning(l, "25001", "there is already a transaction in progress");
        done(l, c->tag, then);
        return;
    }
    bool fresh = l->tx.state == LOCAL_TX_IDLE;
    if (fresh)
        l->tx = (local_tx){.began_us = wall_us(l),
                           .isolation = l->default_isolation,
                           .read_only = l->default_read_only};
    l->tx.state = LOCAL_TX_EXPLICIT;
    if (fresh || !l->tx.used)
        set_modes(l, c);
    done(l, c->tag, then);
}

static void restart_chain(weir_local *l, uint8_t isolation, bool read_only)
{
    l->tx = (local_tx){.state = LOCAL_TX_EXPLICIT,
                       .began_us = wall_us(l),
                       .isolation = isolation,
                       .read_only = read_only};
}

static void no_transaction(weir_local *l)
{
    local_send_warning(l, "25P01", "there is no transaction in progress");
}

static void commit(weir_local *l, const weir_command *c, local_then then)
{
    if (c->chain) {
        refuse(l, "0A000", "AND CHAIN is not supported on SQLite", then);
        return;
    }
    if (l->tx.state == LOCAL_TX_FAILED) {
        end_block(l, false);
        done(l, "ROLLBACK", then);
        return;
    }
    if (l->tx.state != LOCAL_TX_EXPLICIT)
        no_transaction(l);
    if (l->tx.writer || l->tx.snapshot) {
        start_commit(l, explicit_committed, then);
        return;
    }
    if (l->tx.state != LOCAL_TX_IDLE)
        end_block(l, true);
    done(l, "COMMIT", then);
}

static void rollback(weir_local *l, const weir_command *c, local_then then)
{
    uint8_t isolation = l->tx.isolation;
    bool read_only = l->tx.read_only, was_block = l->tx.state >= LOCAL_TX_EXPLICIT;
    if (!was_block)
        no_transaction(l);
    if (local_tx_in_block(l))
        end_block(l, false);
    if (c->chain && was_block)
        restart_chain(l, isolation, read_only);
    done(l, "ROLLBACK", then);
}

/* ---- savepoints ---- */

static int put_quoted(weir_buf *out, const char *words, const char *name)
{
    int r = weir_buf_printf(out, "%s \"", words);
    for (; r == 0 && *name; name++) {
        r = weir_buf_append_u8(out, (uint8_t)*name);
        if (r == 0 && *name == '"')
            r = weir_buf_append_u8(out, '"');
    }
    return r == 0 ? weir_buf_append_u8(out, '"') : r;
}

/* On the writer, if there is one: before it is claimed savepoints are only remembered. */
static void savepoint_control(weir_local *l, const char *words, const char *name, const char *tag,
                              local_then then)
{
    weir_buf text;
    if (!l->tx.writer) {
        done(l, tag, then);
        return;
    }
    weir_buf_init(&text, 4 * LOCAL_NAME_MAX);
    int r = put_quoted(&text, words, name);
    if (r == 0)
        control(l, weir_buf_slice(&text), tag, control_done, then);
    else
        local_broken(l, r);
    weir_buf_fini(&text);
}

static void savepoint(weir_local *l, const weir_command *c, local_then then)
{
    local_savepoint *s = NULL;
    if (l->tx.savepoint_count >= LOCAL_SAVEPOINTS_MAX) {
        refuse(l, "54000", "too many savepoints", then);
        return;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        local_broken(l, -ENOMEM);
        return;
    }
    weir_compat_name_fold(c->name, s->name, sizeof(s->name));
    s->outer = l->tx.savepoints;
    l->tx.savepoints = s;
    l->tx.savepoint_count++;
    savepoint_control(l, "SAVEPOINT", s->name, c->tag, then);
}

/* How many savepoints are outside the newest one of that name; SIZE_MAX: there is none. */
static size_t find_savepoint(const weir_local *l, const char *name)
{
    size_t depth = l->tx.savepoint_count;
    for (const local_savepoint *s = l->tx.savepoints; s; s = s->outer) {
        depth--;
        if (strcmp(s->name, name) == 0)
            return depth;
    }
    return SIZE_MAX;
}

static void to_savepoint(weir_local *l, const weir_command *c, local_then then)
{
    char name[LOCAL_NAME_MAX];
    bool release = c->kind == WEIR_COMMAND_RELEASE;
    weir_compat_name_fold(c->name, name, sizeof(name));
    size_t depth = find_savepoint(l, name);
    if (depth == SIZE_MAX) {
        weir_error err;
        weir_error_set(&err, "3B001", "weir: savepoint \"%s\" does not exist", name);
        local_fail(l, &err);
        then(l, false);
        return;
    }
    forget_savepoints(&l->tx, release ? depth : depth + 1);
    if (release)
        local_cursors_release(l, depth);
    else
        local_cursors_undo(l, depth + 1);
    if (release)
        local_listen_release(l, depth);
    else
        local_listen_undo(l, depth + 1);
    if (!release)
        l->tx.state = LOCAL_TX_EXPLICIT;
    savepoint_control(l, release ? "RELEASE" : "ROLLBACK TO", name, c->tag, then);
}

static void savepoint_command(weir_local *l, const weir_command *c, local_then then)
{
    if (l->tx.state != LOCAL_TX_EXPLICIT && l->tx.state != LOCAL_TX_FAILED)
        refuse(l, "25P01",
               c->kind == WEIR_COMMAND_SAVEPOINT
                   ? "SAVEPOINT can only be used in transaction blocks"
               : c->kind == WEIR_COMMAND_RELEASE
                   ? "RELEASE SAVEPOINT can only be used in transaction blocks"
                   : "ROLLBACK TO SAVEPOINT can only be used in transaction blocks",
               then);
    else if (c->kind == WEIR_COMMAND_SAVEPOINT)
        savepoint(l, c, then);
    else
        to_savepoint(l, c, then);
}

static void set_transaction(weir_local *l, const weir_command *c, local_then then)
{
    if (c->session) {
        if (c->isolation != WEIR_ISOLATION_DEFAULT)
            l->default_isolation = (uint8_t)c->isolation;
        if (c->access_mode != WEIR_ACCESS_MODE_DEFAULT)
            l->default_read_only = c->access_mode == WEIR_ACCESS_MODE_READ_ONLY;
        done(l, c->tag, then);
        return;
    }
    if (l->tx.state != LOCAL_TX_EXPLICIT) {
        local_send_warning(l, "25P01", "SET TRANSACTION can only be used in transaction blocks");
        done(l, c->tag, then);
    } else if (l->tx.used && c->isolation != WEIR_ISOLATION_DEFAULT &&
               c->isolation != l->tx.isolation) {
        refuse(l, "25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query", then);
    } else {
        set_modes(l, c);
        done(l, c->tag, then);
    }
}

void local_tx_command(weir_local *l, local_statement *s, local_then then)
{
    const weir_command *c = &s->command;
    switch (c->kind) {
    case WEIR_COMMAND_BEGIN:
        begin(l, c, then);
        return;
    case WEIR_COMMAND_COMMIT:
        commit(l, c, then);
        return;
    case WEIR_COMMAND_ROLLBACK:
        rollback(l, c, then);
        return;
    case WEIR_COMMAND_SET_TRANSACTION:
        set_transaction(l, c, then);
        return;
    default:
        savepoint_command(l, c, then);
        return;
    }
}
