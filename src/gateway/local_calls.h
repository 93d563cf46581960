/* Private to gateway/local*.c: what the virtual server's parts ask of each other (their state is in
 * local_core.h). */
#ifndef WEIR_GATEWAY_LOCAL_CALLS_H
#define WEIR_GATEWAY_LOCAL_CALLS_H

#include "gateway/local_core.h"

/* local_statement.c */
/* For a run: its translation may have parts of the session's state as it was. */
/* A DEFINE, with the enums that there are (weir_compat_context). REFUSED with words. */
WEIR_MUST_CHECK int local_statement_translate(weir_local *l, local_statement *s, weir_slice enums,
                                              weir_error *err);
WEIR_MUST_CHECK int local_statement_renew(weir_local *l, local_statement *s, weir_error *err);
WEIR_MUST_CHECK int local_statement_new(weir_local *l, weir_slice name, weir_slice source,
                                        local_statement **ret, weir_error *err);
local_statement *local_statement_ref(local_statement *s);
void local_statement_unref(local_statement *s);
local_portal *local_portal_ref(local_portal *p);
void local_portal_unref(local_portal *p);
void local_columns_fini(local_columns *c);
/* What the statement means depends on: its text, and the types that its client named. */
weir_slice local_statement_key(const local_statement *s);
bool local_statement_writes(const local_statement *s);

/* local_bind.c */
WEIR_MUST_CHECK int local_portal_new(const weir_pg_bind *m, local_statement *s, local_portal **ret,
                                     weir_error *err);
/* The same where the parameters' types are others. */
WEIR_MUST_CHECK int local_portal_typed(const weir_pg_bind *m, local_statement *s,
                                       const uint32_t *oids, local_portal **ret, weir_error *err);
/* Without parameters; NULL: no memory. */
local_portal *local_portal_named(weir_slice name, local_statement *s);
/* Rows of a finished portal, as many as its Execute asked for. In local_extended.c. */
void local_portal_give(weir_local *l, local_portal *p);

/* local_memory.c: -ENOMEM with words. */
WEIR_MUST_CHECK int local_charge_rows(const weir_local *l, local_charge *c, size_t size,
                                      weir_error *err);
WEIR_MUST_CHECK int local_charge_portal(const weir_local *l, local_portal *p, size_t values_size,
                                        weir_error *err);
WEIR_MUST_CHECK int local_charge_statement(const weir_local *l, local_statement *s,
                                           weir_error *err);
void local_charge_drop(local_charge *c);
weir_encoder local_kept_encoder(local_run *run); /* the run's own, charged row by row */

/* local_parameters.c */
/* Types of parameters that were named nowhere, into `s`, which is `hinted` when `then` comes. */
void local_find_types(weir_local *l, local_statement *s, local_then then);
void local_settle_types(local_statement *s); /* what is not known is text */

/* local_rows.c */
/* A column of this type is what was announced at this place. */
bool local_columns_fit(const local_columns *announced, size_t place, uint32_t oid);
void local_rows_begin(local_rows *rows, weir_slice source, bool describe);
void local_rows_fini(local_rows *rows);
weir_compat_value local_compat_value(const weir_value *value);
weir_encoder local_rows_encoder(local_rows *rows);
void local_rows_patch(local_rows *rows, weir_buf *out);

/* local_dialect.c: what is good in PostgreSQL and SQLite does not know is not supported (0A000). */
void local_name_dialect(weir_slice source, weir_error *err);

/* local_cache.c */
bool local_asks_for_session(weir_slice source);
/* A Query's text: true: its whole answer has been written, but for ReadyForQuery. */
bool local_cache_query(weir_local *l, weir_slice text);
/* An Execute: true: the same. */
bool local_cache_portal(weir_local *l, local_portal *p, bool describe);
/* A run that is about to start: true: it is over, or waits for somebody else's answer. */
bool local_cache_begin(local_run *run, bool describe);
/* A run that failed, without a word to its client: true: it was given what was kept, and is over.
 */
bool local_cache_instead(local_run *run);
/* Bytes on their way to the client: what of them it should get. */
weir_slice local_cache_take_chunk(local_run *run, weir_slice bytes);
void local_cache_finish(local_run *run, weir_slice complete); /* with this CommandComplete */
/* The same for a run whose rows were kept for its portal. */
void local_cache_finish_kept(local_run *run, const local_portal *p);
bool local_cache_describe(local_run *run); /* a run that only describes: true: it is over */
void local_cache_described(local_run *run);

/* local_explain.c */
void local_explain_cache(weir_local *l, local_statement *s, local_then then);

/* local_run.c */
void local_run_go(local_run *run);
WEIR_MUST_CHECK int local_run_statement(weir_local *l, local_statement *s, local_portal *p,
                                        bool describe, local_then then);
/* `anew`: the database itself is asked. */
WEIR_MUST_CHECK int local_run_describe(weir_local *l, local_statement *s, bool anew,
                                       local_then then);
/* The whole result of what a command declares stays in run->exec.out, as text; or, with an
 * `encoder`, the statement's own goes there. Never from the cache. */
WEIR_MUST_CHECK int local_run_rows(weir_local *l, local_statement *s, local_portal *p,
                                   const weir_encoder *encoder, local_then then);
/* The same of a statement of our own, its cells as weir_captured_next reads them. */
WEIR_MUST_CHECK int local_run_captured(weir_local *l, weir_slice text, local_then then);
/* … on the writer, in a transaction. */
WEIR_MUST_CHECK int local_run_own(weir_local *l, weir_slice text, bool schema_work,
                                  local_then then);
/* A statement of our own on the transaction's connection, or (`encoder`) on any reader. */
WEIR_MUST_CHECK int local_run_control(weir_local *l, weir_slice text, const weir_encoder *encoder,
                                      local_then then);
void local_run_free(local_run *run);
void local_run_drained(weir_local *l);
void local_run_abandon(weir_local *l);
void local_run_cancel(weir_local *l);

/* local_transaction.c */
void local_tx_command(weir_local *l, local_statement *s, local_then then);
void local_tx_begin_implicit(weir_local *l);
/* Ends an implicit transaction if there is one: then(l, false) after a failed commit's error. */
void local_tx_end_implicit(weir_local *l, local_then then);
void local_tx_failed(weir_local *l);
/* Gives its snapshot up: what it says next fails. */
void local_tx_expire(weir_local *l);
void local_overdue_error(weir_error *err);
void local_tx_drop(weir_local *l); /* rolls back and forgets, at once */
bool local_tx_in_block(const weir_local *l);
/* In a block that reads one snapshot throughout. */
bool local_tx_is_serial(const weir_local *l);

/* local_signal.c */
void local_signal(weir_local *l, local_statement *s, local_portal *p, local_then then);

/* local_settings.c */
/* `p`: NULL in the simple protocol. */
void local_command_run(weir_local *l, local_statement *s, local_portal *p, local_then then);
/* The columns that a command of our own announces; 0 or 1 or 3. */
size_t local_command_columns(const local_statement *s, weir_pg_column out[3]);
const char *local_setting_value(const weir_local *l, weir_slice name);
/* What its client wrote, where that is what runs; behind the TimeZone if that is not UTC. */
weir_slice local_source_of(local_run *run);
/* Those of the startup packet take effect. -ENOMEM. */
WEIR_MUST_CHECK int local_settings_login(weir_local *l);
weir_time local_lock_timeout(const weir_local *l); /* as SET, 0: none */
void local_settings_free(local_settings *settings);
/* Changed settings that answers may depend on. */
void local_settings_identity(const weir_local *l, weir_buf *out);
WEIR_MUST_CHECK int local_settings_save(const weir_local *l, weir_buf *out);
void local_settings_end_transaction(weir_local *l, bool committed);

/* local_sql.c */
typedef struct local_cell {
    weir_value_type type;
    weir_slice text; /* of NULL: empty */
} local_cell;

weir_encoder local_capture(void);
/* Cells of captured rows, one after the other: false at the end. */
bool local_captured_next(weir_slice *rest, local_cell *ret);
/* PREPARE, EXECUTE, DECLARE, FETCH, CLOSE. */
void local_sql_command(weir_local *l, local_statement *s, local_portal *p, local_then then);
/* The columns that it will have; NULL: none. */
const local_columns *local_sql_columns(const weir_local *l, const local_statement *s);
/* Execute of a cursor's portal. */
void local_cursor_give(weir_local *l, local_portal *p);
void local_cursor_free(local_cursor *cursor);
void local_cursors_undo(weir_local *l, size_t savepoints); /* back to the newest of so many */
void local_cursors_release(weir_local *l, size_t savepoints);
void local_call_free(weir_local *l);

/* local_listen.c */
WEIR_MUST_CHECK int local_listen_command(weir_local *l, const weir_command *c, weir_error *err);
/* pg_listening_channels() */
void local_list_channels(weir_local *l, local_then then);
/* What a statement notified by pg_notify. */
WEIR_MUST_CHECK int local_said(weir_local *l, const weir_buf *said);
WEIR_MUST_CHECK int local_notify(weir_local *l, weir_slice name, weir_slice payload,
                                 weir_error *err);
void local_listen_end(weir_local *l, bool committed); /* with its transaction */
void local_listen_undo(weir_local *l, size_t savepoints);
void local_listen_release(weir_local *l, size_t savepoints);
void local_listen_deliver(weir_local *l); /* before ReadyForQuery */
void local_listen_look(weir_local *l);    /* if it rests */
bool local_listen_owes(const weir_local *l);
void local_listen_free(weir_local *l);

/* local_constraints.c */
void local_set_constraints(weir_local *l, const weir_command *c, local_then then);

/* local_alter.c */
void local_alter_table(weir_local *l, local_statement *s, local_then then);
void local_alter_free(weir_local *l);

/* local_query.c */
/* CommandComplete of the run that is over. */
void local_send_complete(weir_local *l);
void local_query(weir_local *l, weir_slice text);
void local_script_free(local_script *script);

/* local_extended.c */
WEIR_MUST_CHECK int local_extended_feed(weir_local *l, const weir_pg_frame *frame);
/* Does what is held back, given that `next` comes: WEIR_LOCAL_BUSY if that takes time. */
WEIR_MUST_CHECK int local_held_resolve(weir_local *l, uint8_t next, weir_slice body);
void local_portals_close(weir_local *l);               /* all */
void local_portals_end(weir_local *l, bool committed); /* with their transaction */
local_statement *local_find_statement(const weir_local *l, weir_slice name);
local_portal *local_find_portal(const weir_local *l, weir_slice name);
local_portal *local_next_portal(const weir_local *l, size_t *pos); /* of those with a name */
void local_close_portal(weir_local *l, weir_slice name);
/* Take the reference. False: the error has been sent. */
bool local_keep_statement(weir_local *l, local_statement *s);
bool local_keep_portal(weir_local *l, local_portal *p);
WEIR_MUST_CHECK int local_statement_take_oids(local_statement *s, weir_slice oids, size_t given);
/* A run that described its statement is over. False: broken. */
bool local_take_description(weir_local *l);
void local_names_free(weir_local *l);
void local_statements_close(weir_local *l);
WEIR_MUST_CHECK int local_statements_save(const weir_local *l, weir_buf *out);
int local_statement_close(weir_local *l, weir_slice name); /* 1: there is none */

#endif
