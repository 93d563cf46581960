/* The simple protocol: a string of statements, one after the other. Several of them are one
 * implicit transaction, as in PostgreSQL; BEGIN and COMMIT among them open and close an explicit
 * one. After an error the rest of the string is not run. */
#include "gateway/local_calls.h"
#include <stdio.h>
#include <stdlib.h>

struct local_script {
    weir_buf text;
    weir_slice rest;
    local_statement *statement; /* under way */
    bool pumping;
    bool stopped; /* a statement failed */
    bool any;     /* something was answered */
};

static void pump(weir_local *l);

void local_script_free(local_script *script)
{
    if (!script)
        return;
    local_statement_unref(script->statement);
    weir_buf_fini(&script->text);
    free(script);
}

static void finish(weir_local *l, bool ok)
{
    (void)ok;
    local_script_free(l->script);
    l->script = NULL;
    local_send_ready(l);
}

static void end_script(weir_local *l)
{
    if (!l->script->any)
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_EMPTY_QUERY));
    local_tx_end_implicit(l, finish);
}

static void statement_done(weir_local *l, bool ok)
{
    local_script *script = l->script;
    script->any = true;
    script->stopped = !ok;
    local_statement_unref(script->statement);
    script->statement = NULL;
    if (!script->pumping)
        pump(l);
}

void local_send_complete(weir_local *l)
{
    local_run *run = l->run;
    weir_buf tag;
    size_t before = l->out.len;
    if (run->from_cache)
        return;
    weir_buf_init(&tag, 128);
    int r = weir_compat_tag(run->statement->source, run->exec.outcome.returned_rows,
                            run->rows.count, run->exec.outcome.changes, &tag);
    if (r == 0)
        r = weir_pg_write_command_complete(&l->out, weir_buf_slice(&tag));
    local_check(l, r);
    local_cache_finish(run, weir_slice_skip(weir_buf_slice(&l->out), before));
    weir_buf_fini(&tag);
}

static void ran(weir_local *l, bool ok)
{
    local_run *run = l->run;
    if (ok) {
        local_send_complete(l);
    } else {
        weir_error err = run->error;
        local_fail(l, &err);
    }
    statement_done(l, ok);
}

/* A command of our own has rows only for SHOW. */
static void describe_command(weir_local *l, const local_statement *s)
{
    weir_pg_column columns[3];
    if (s->command.kind >= WEIR_COMMAND_PREPARE && s->command.kind <= WEIR_COMMAND_CLOSE_CURSOR)
        return; /* they do so themselves */
    size_t count = local_command_columns(s, columns);
    bool known = s->command.name.len == 0 || local_setting_value(l, s->command.name);
    if (count > 0 && known)
        local_check(l, weir_pg_write_row_description(&l->out, columns, count));
}

static bool ends_block(weir_command_kind kind)
{
    return kind == WEIR_COMMAND_COMMIT || kind == WEIR_COMMAND_ROLLBACK ||
           kind == WEIR_COMMAND_ROLLBACK_TO;
}

static void start(weir_local *l, local_statement *s)
{
    weir_error err;
    if (l->tx.state == LOCAL_TX_FAILED && !ends_block(s->command.kind)) {
        weir_error_set(&err, "25P02",
                       "weir: current transaction is aborted, commands ignored until end of "
                       "transaction block");
        local_fail(l, &err);
        statement_done(l, false);
    } else if (s->command.kind != WEIR_COMMAND_NONE) {
        describe_command(l, s);
        local_command_run(l, s, NULL, statement_done);
    } else {
        local_check(l, local_run_statement(l, s, NULL, true, ran));
    }
}

static void next(weir_local *l, weir_slice text)
{
    local_script *script = l->script;
    weir_error err = {0};
    weir_slice rest = script->rest;
    bool several = weir_compat_split(rest, &rest).len > 0;
    int r = local_statement_new(l, (weir_slice){0}, text, &script->statement, &err);
    if (r < 0) {
        local_broken(l, r);
        return;
    }
    if (several || script->any)
        local_tx_begin_implicit(l);
    if (r > 0) {
        local_fail(l, &err);
        statement_done(l, false);
        return;
    }
    start(l, script->statement);
}

/* Runs statements until one takes time or none is left. */
static void pump(weir_local *l)
{
    local_script *script = l->script;
    script->pumping = true;
    while (l->phase == LOCAL_REST && !l->copy && !l->broken) {
        weir_slice text = weir_compat_split(script->rest, &script->rest);
        if (script->stopped || text.len == 0) {
            end_script(l);
            return;
        }
        next(l, text);
    }
    script->pumping = false;
}

void local_query(weir_local *l, weir_slice text)
{
    local_script *script = calloc(1, sizeof(*script));
    if (!script) {
        local_broken(l, -ENOMEM);
        return;
    }
    l->script = script;
    local_portal_unref(l->unnamed_portal);
    l->unnamed_portal = NULL;
    weir_buf_init(&script->text, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = weir_buf_append(&script->text, text);
    if (r < 0) {
        local_broken(l, r);
        return;
    }
    script->rest = weir_buf_slice(&script->text);
    pump(l);
}
