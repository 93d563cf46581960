/* A client as a borrower: by which mode it borrows, what statement pooling refuses it, what it
 * holds for too long, and the operator's way to be rid of it. */
#include "gateway/internal.h"

/* ---- joining ---- */

weir_lending weir_gateway_lending(weir_config_pool_mode mode)
{
    switch (mode) {
    case WEIR_CONFIG_POOL_SESSION:
        return WEIR_LEND_SESSION;
    case WEIR_CONFIG_POOL_STATEMENT:
        return WEIR_LEND_STATEMENT;
    case WEIR_CONFIG_POOL_TRANSACTION:
    case WEIR_CONFIG_POOL_UNSET:
        break;
    }
    return WEIR_LEND_TRANSACTION;
}

weir_share weir_gateway_share(const weir_config_share *share)
{
    return (weir_share){.max_connections = share->max_connections,
                        .max_clients = share->max_clients,
                        .pool_size = share->pool_size};
}

int weir_client_join(weir_client *c, weir_database *database, weir_error *err)
{
    const weir_settings *settings = weir_gateway_settings(c->worker->gateway);
    const weir_config_user *user = weir_client_find_user(settings, c->user);
    int r = weir_session_open(&c->session, c->worker->engine, database, weir_slice_cstr(c->user),
                              &weir_client_session_events, err);
    if (r != 0)
        return r;
    if (user && user->share.mode != WEIR_CONFIG_POOL_UNSET)
        c->session.lending = weir_gateway_lending(user->share.mode);
    c->holds = c->session.lending == WEIR_LEND_SESSION;
    c->session.refreshes = c->internal;
    if (c->internal)
        return 0; /* nobody's client */
    r = weir_session_admit(&c->session, weir_slice_cstr(c->user), err);
    if (r != 0)
        weir_session_close(&c->session);
    return r;
}

/* ---- statement pooling ---- */

bool weir_client_may_run(const weir_client *c, const weir_statement *statement, weir_error *err)
{
    bool begins = statement->transaction == WEIR_TRANSACTION_BEGIN ||
                  (statement->statements > 1 && statement->transaction_anywhere);
    if (c->session.lending != WEIR_LEND_STATEMENT || !begins)
        return true;
    weir_error_set(err, "0A000", "weir: transactions are not possible with statement pooling");
    weir_error_hint(err, "Set pool.mode (or pool_mode of the user) to transaction, or send the "
                         "statements without BEGIN.");
    return false;
}

void weir_client_end_transaction_block(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "0A000",
                   "weir: a transaction was begun, which is not possible with statement pooling");
    weir_client_fatal(c, &err);
}

/* ---- held for too long ---- */

weir_slice weir_client_statement_text(const weir_client *c)
{
    const weir_statement *st = &c->relay.first.statement;
    const weir_template *t = NULL;
    if (c->relays && c->relay.first.started)
        t = weir_template_find(weir_engine_templates(c->worker->gateway->engine), st->template_id,
                               st->template_serial);
    return t ? t->text : weir_slice_make("", 0);
}

static weir_slice application_of(const weir_client *c)
{
    weir_slice name;
    if (weir_pg_param_find(weir_slice_make(c->params, c->params_len), "application_name", &name))
        return name;
    return weir_slice_make("", 0);
}

/* The statement's template: literals are somebody's data. */
void weir_client_on_held(weir_relay_sink *sink, weir_time held)
{
    weir_client *c = WEIR_CONTAINER_OF(sink, weir_client, relay.sink);
    const weir_database *d = weir_session_database(&c->session);
    bool ends = weir_database_leak_ends(d);
    weir_log_event(c->worker->gateway->log, WEIR_LOG_POOL, WEIR_LOG_WARN,
                   "connection held for too long", WEIR_F_INT("client", c->id),
                   WEIR_F_STR("db", weir_database_label(d)), WEIR_F_STR("user", c->user),
                   WEIR_F_SLICE("application", application_of(c)),
                   WEIR_F_STR("address", c->closed ? "" : weir_stream_peer(c->stream)),
                   WEIR_F_INT("server", c->session.conn ? c->session.conn->id : 0),
                   WEIR_F_DURATION("held", held),
                   WEIR_F_STR("state", c->relay.sent > 0        ? "active"
                                       : c->relay.status != 'I' ? "idle in transaction"
                                       : c->session.pinned      ? "pinned"
                                                                : "idle"),
                   WEIR_F_SLICE("statement", weir_client_statement_text(c)),
                   WEIR_F_STR("action", ends ? "end" : "log"));
    if (!ends)
        return;
    weir_error err;
    weir_error_set(&err, "57P05", "weir: the server connection was held for too long");
    weir_error_hint(&err, "pool.leak_after is the limit.");
    weir_client_end(c, &err);
}

void weir_client_end(weir_client *c, const weir_error *err)
{
    if (c->relays && c->relay.sent > 0) {
        weir_client_cancel(c);   /* or the server would go on for nobody */
        weir_client_close(c, 0); /* our words might land in the middle of a row */
    } else {
        weir_client_fatal(c, err);
    }
}
