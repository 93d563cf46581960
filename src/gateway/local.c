/* A PostgreSQL server's face over a backend that executes (SQLite): takes a client's messages one
 * by one, answers in order.
 *
 *            ┌──────────── message needs no database ───────────┐
 *   AT REST ─┴─ message needs it ─► RUNNING (local_run.c) ─done─┴─► AT REST, host.ready()
 *      │                             │ meanwhile every message is refused as BUSY
 *      └─ Execute of a write, or Describe of a portal: held back (local_extended.c) until the next
 *         message shows whether a Sync (it commits alone) or an Execute (they are one run) follows
 *
 *   Transaction (local_transaction.c): IDLE ─BEGIN─► EXPLICIT ─error─► FAILED ─ROLLBACK─► IDLE
 *                                      IDLE ─several statements─► IMPLICIT ─end or Sync─► IDLE
 *   Pipeline: FLOWING ─error─► SKIPPING ─Sync─► FLOWING
 *
 * Invariant: replies leave in the order of the messages that they answer, because a message is
 * taken only when everything before it is answered or held back; and each Sync, and each Query,
 * gets exactly one ReadyForQuery. */
#include "gateway/local_copy.h"
#include <stdlib.h>

#define DRAWN_SIZE_MAX 65536u
#define OUT_SIZE_MAX (4u * 1048576u) /* our own replies between two flushes */
#define OUT_FLUSH_SIZE 8192u         /* from here on they do not wait */

weir_backend *local_backend(const weir_local *l)
{
    return weir_database_backend(weir_session_database(l->session));
}

/* ---- what goes to the client ---- */

void local_flush(weir_local *l)
{
    if (l->out.len == 0)
        return;
    l->host.write(l->host.user, weir_buf_slice(&l->out));
    weir_buf_clear(&l->out);
}

void local_broken(weir_local *l, int r)
{
    weir_error err;
    if (l->broken)
        return;
    l->broken = true;
    local_flush(l);
    weir_error_set(&err, r == -ENOMEM ? "53200" : "54000", "weir: %s",
                   r == -ENOMEM ? "out of memory" : "a reply is too large");
    l->host.fatal(l->host.user, &err);
}

void local_check(weir_local *l, int r)
{
    if (r < 0)
        local_broken(l, r);
}

void local_send_error(weir_local *l, const weir_error *err)
{
    /* Drivers know this one by PostgreSQL's name for it, and prepare the statement anew. */
    bool changed = l->run && l->run->rows.changed;
    weir_pg_error_about about = {.routine = changed ? "RevalidateCachedQuery" : ""};
    const weir_outcome *o = l->run ? &l->run->exec.outcome : NULL;
    if (o && strncmp(err->sqlstate, "23", 2) == 0 && !strcmp(o->error.sqlstate, err->sqlstate)) {
        about.schema = o->violation.table[0] ? "public" : "";
        about.table = o->violation.table;
        about.column = o->violation.column;
        about.constraint = o->violation.constraint;
    }
    local_check(l, weir_pg_write_error_of(&l->out, "ERROR", err, &about));
}

void local_send_warning(weir_local *l, const char *sqlstate, const char *message)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "%s", message);
    local_check(l, weir_pg_write_notice(&l->out, "WARNING", &err));
}

void local_send_tag(weir_local *l, const char *tag)
{
    local_check(l, weir_pg_write_command_complete(&l->out, weir_slice_cstr(tag)));
}

void local_send_ready(weir_local *l)
{
    l->asked = false;
    if (l->listening)
        local_listen_deliver(l);
    if (l->out.cap > 0) {
        local_check(l, weir_pg_write_ready(&l->out, (uint8_t)weir_local_status(l)));
        return;
    }
    /* Alone, as behind an answer from the cache: not worth a buffer. */
    const uint8_t ready[] = {WEIR_PG_B_READY, 0, 0, 0, 5, (uint8_t)weir_local_status(l)};
    l->host.write(l->host.user, weir_slice_make(ready, sizeof(ready)));
}

/* Memory that only a busy client needs. */
static void shrink(weir_local *l)
{
    if (l->phase != LOCAL_REST || l->script)
        return;
    if (l->run) {
        l->drawn = l->run->drawn;
        l->run->drawn = (weir_buf){0};
        if (l->drawn.len == 0)
            weir_buf_fini(&l->drawn);
    }
    local_run_free(l->run);
    l->run = NULL;
    if (l->out.len == 0)
        weir_buf_fini(&l->out);
}

void local_leave(weir_local *l)
{
    if (l->feeding)
        return;
    local_flush(l);
    if (weir_local_is_busy(l))
        return;
    shrink(l);
    l->host.ready(l->host.user);
}

void local_fail(weir_local *l, const weir_error *err)
{
    local_send_error(l, err);
    local_tx_failed(l);
    if (!l->script)
        l->skipping = true;
}

/* ---- life ---- */

int weir_local_new(weir_session *session, const weir_local_host *host,
                   const weir_local_limits *limits, weir_local **ret)
{
    if (!host->write || !host->congested || !host->ready || !host->fatal || !host->now)
        return -EINVAL;
    weir_local *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->session = session;
    l->host = *host;
    l->limits = *limits;
    l->default_isolation = WEIR_ISOLATION_READ_COMMITTED;
    weir_buf_init(&l->out, OUT_SIZE_MAX);
    weir_buf_init(&l->drawn, DRAWN_SIZE_MAX);
    *ret = l;
    return 0;
}

int weir_local_login(weir_local *l, weir_slice params, uint32_t pid)
{
    l->pid = pid;
    if (params.len > WEIR_PG_STARTUP_SIZE_MAX)
        return -EMSGSIZE;
    uint32_t len = (uint32_t)params.len;
    uint8_t *copy = malloc(sizeof(len) + len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, &len, sizeof(len));
    if (len > 0)
        memcpy(copy + sizeof(len), params.data, len);
    free(l->login);
    l->login = copy;
    l->user = local_login_value(l, "user");
    l->database = local_login_value(l, "database");
    return local_settings_login(l);
}

weir_slice local_login_value(const weir_local *l, const char *name)
{
    uint32_t len = 0;
    weir_slice value = {0};
    if (!l->login)
        return value;
    memcpy(&len, l->login, sizeof(len));
    if (!weir_pg_param_find(weir_slice_make(l->login + sizeof(len), len), name, &value))
        value = (weir_slice){0};
    return value;
}

void weir_local_free(weir_local *l)
{
    if (!l)
        return;
    local_run_abandon(l);
    local_tx_drop(l);
    local_script_free(l->script);
    local_copy_free(l->copy);
    local_call_free(l);
    local_alter_free(l);
    local_listen_free(l);
    local_portal_unref(l->held);
    local_portal_unref(l->signalled.portal);
    local_statement_unref(l->hinted);
    local_names_free(l);
    local_settings_free(l->settings);
    weir_buf_fini(&l->out);
    weir_buf_fini(&l->drawn);
    free(l->login);
    free(l);
}

char weir_local_status(const weir_local *l)
{
    switch ((local_tx_state)l->tx.state) {
    case LOCAL_TX_EXPLICIT:
        return 'T';
    case LOCAL_TX_FAILED:
        return 'E';
    case LOCAL_TX_IDLE:
    case LOCAL_TX_IMPLICIT:
        break;
    }
    return 'I';
}

bool weir_local_is_busy(const weir_local *l)
{
    return l->phase != LOCAL_REST || (l->script && !local_copy_receives(l));
}

bool weir_local_is_writing(const weir_local *l)
{
    return weir_local_is_busy(l) && l->run && l->run->need == WEIR_ROLE_WRITE;
}

bool weir_local_at_rest(const weir_local *l)
{
    size_t pos = 0;
    return l->phase == LOCAL_REST && !l->script && !l->copy && !l->held && !l->skipping &&
           !l->batch && l->tx.state == LOCAL_TX_IDLE && !local_next_portal(l, &pos) &&
           !local_listen_owes(l);
}

int weir_local_save(const weir_local *l, weir_buf *out)
{
    int r = local_settings_save(l, out);
    return r < 0 ? r : local_statements_save(l, out);
}

void weir_local_drained(weir_local *l)
{
    local_run_drained(l);
    local_listen_look(l);
}

void weir_local_cancel(weir_local *l)
{
    if (l->phase == LOCAL_REST && !local_copy_receives(l))
        return;
    if (l->phase == LOCAL_REST)
        local_copy_cancel(l);
    else
        local_run_cancel(l);
    local_leave(l);
}

/* ---- messages ---- */

static int refuse_message(weir_local *l, const char *what)
{
    weir_error err;
    weir_error_set(&err, "0A000", "weir: %s is not supported on SQLite", what);
    weir_error_hint(&err, "Send a SELECT instead.");
    local_fail(l, &err);
    return 0;
}

/* FunctionCall is its own Sync: an answer and ReadyForQuery. */
static int feed_function(weir_local *l)
{
    (void)refuse_message(l, "the function call message");
    l->skipping = false;
    local_send_ready(l);
    return 0;
}

static void answered(weir_local *l, bool ok)
{
    (void)ok;
    local_send_ready(l);
}

static int feed_query(weir_local *l, weir_slice body)
{
    weir_slice text;
    int r = weir_pg_query_read(body, &text);
    if (r != 0)
        return r;
    if (!local_cache_query(l, text)) {
        local_query(l, text);
        return 0;
    }
    local_portal_unref(l->unnamed_portal);
    l->unnamed_portal = NULL;
    local_tx_end_implicit(l, answered);
    return 0;
}

static int dispatch(weir_local *l, const weir_pg_frame *frame)
{
    switch (frame->type) {
    case WEIR_PG_F_QUERY:
        return feed_query(l, frame->body);
    case WEIR_PG_F_FUNCTION:
        return feed_function(l);
    case WEIR_PG_COPY_DATA:
    case WEIR_PG_COPY_DONE:
    case WEIR_PG_F_COPY_FAIL:
        return 0; /* late parts of a COPY that failed */
    case WEIR_PG_F_PARSE:
    case WEIR_PG_F_BIND:
    case WEIR_PG_F_DESCRIBE:
    case WEIR_PG_F_EXECUTE:
    case WEIR_PG_F_CLOSE:
    case WEIR_PG_F_FLUSH:
    case WEIR_PG_F_SYNC:
        return local_extended_feed(l, frame);
    default:
        return -EPROTO;
    }
}

static int take(weir_local *l, const weir_pg_frame *frame)
{
    if (l->copy)
        return local_copy_feed(l, frame);
    if (l->skipping && frame->type != WEIR_PG_F_SYNC)
        return weir_pg_is_frontend_type(frame->type) ? 0 : -EPROTO;
    int r = l->held ? local_held_resolve(l, frame->type, frame->body) : 0;
    if (r != 0)
        return r;
    if (l->skipping && frame->type != WEIR_PG_F_SYNC)
        return 0;
    return dispatch(l, frame);
}

int weir_local_feed(weir_local *l, const weir_pg_frame *frame)
{
    if (weir_local_is_busy(l))
        return WEIR_LOCAL_BUSY;
    l->feeding = true;
    l->batch = frame->type != WEIR_PG_F_SYNC && frame->type != WEIR_PG_F_QUERY &&
               frame->type != WEIR_PG_F_FUNCTION && !l->script;
    int r = take(l, frame);
    l->feeding = false;
    /* As a server does: inside a batch replies gather until the client waits for them. */
    if (r < 0 || !l->batch || l->skipping || frame->type == WEIR_PG_F_FLUSH ||
        l->out.len >= OUT_FLUSH_SIZE)
        local_flush(l);
    shrink(l);
    return r;
}

int weir_local_parameters(weir_slice startup_params, weir_buf *out)
{
    int r = 0;
    const weir_setting *s = NULL;
    for (size_t i = 0; r == 0 && (s = weir_setting_at(i)) != NULL; i++) {
        weir_slice value = weir_slice_cstr(s->value);
        if (!s->reported)
            continue;
        if (strcmp(s->name, "session_authorization") == 0)
            (void)weir_pg_param_find(startup_params, "user", &value);
        else if (strcmp(s->name, "application_name") == 0)
            (void)weir_pg_param_find(startup_params, s->name, &value);
        r = weir_pg_write_param_status(out, weir_slice_cstr(s->name), value);
    }
    return r;
}
