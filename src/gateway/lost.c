/* A transaction block that was lost: it went with its server, or its BEGIN found none. Its client
 * may know nothing of that yet and may have sent the rest of it already. So the block stays,
 * failed, as after an error on a server: everything in it is refused until it is ended.
 *
 *   server lost, or none for BEGIN ─► TOLD ──ROLLBACK, COMMIT, PREPARE TRANSACTION──► outside
 *   server lost, nothing under way ─► UNTOLD ─┬─anything else: 08006──► TOLD
 *                                             ├─COMMIT: 08006─► outside
 *                                             └─ROLLBACK─► outside
 *   … with more statements behind it in its Query ─► PASSED ──the rest is taken──► outside
 *   amid a batch, the rest of which is skipped ─► SKIPPED ─┬─COMMIT, skipped─► outside
 *                                                          └─Sync─► TOLD
 *
 * Invariant: what its client can have meant for a block runs in that block or not at all. Where the
 * client believes to be is reckoned from what it sent, as though all of it went well: behind BEGIN
 * inside, whatever became of the BEGIN; behind COMMIT outside, as a server that refuses the COMMIT
 * leaves it. No connection is held meanwhile: relay.status is 'E'. */
#include "gateway/lost.h"
#include "gateway/cached.h"
#include "gateway/internal.h"

#define WAIT 1 /* the message was not taken: come again */

/* ---- what a statement does to a block ---- */

/* A text up to this length has no room for CHAIN. */
#define PLAIN_MAX (sizeof("end and chain") - 2)

weir_block_effect weir_client_block_effect(const weir_statement *statement, weir_slice text)
{
    bool several = statement->statements > 1;
    if (several ? !statement->transaction_anywhere : !statement->transaction)
        return WEIR_BLOCK_KEEPS;
    if (several || text.len > PLAIN_MAX)
        return weir_sql_block_effect(text);
    switch (statement->transaction) {
    case WEIR_TRANSACTION_BEGIN:
        return WEIR_BLOCK_OPENS;
    case WEIR_TRANSACTION_COMMIT:
    case WEIR_TRANSACTION_ROLLBACK:
        return WEIR_BLOCK_CLOSES;
    default:
        return WEIR_BLOCK_KEEPS;
    }
}

/* Of another portal than the newest nothing is known: the careful answer. */
weir_block_effect weir_client_block_of_portal(const weir_client *c, weir_slice body)
{
    bool unnamed = body.len > 0 && body.data[0] == 0;
    return unnamed == c->relay.bound_unnamed ? (weir_block_effect)c->relay.bound_block
                                             : WEIR_BLOCK_OPENS;
}

static char behind(char status, unsigned effect)
{
    switch (effect) {
    case WEIR_BLOCK_OPENS:
        return 'E';
    case WEIR_BLOCK_CLOSES:
        return 'I';
    default:
        return status;
    }
}

/* ---- the loss ---- */

static void answer(weir_client *c, const weir_error *err, char status, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        weir_client_error(c, err);
        weir_client_ready(c, status);
    }
}

/* A transaction that was being ended. */
static weir_error in_doubt(const weir_error *err)
{
    weir_error words = *err;
    weir_error_hint(&words, "Whether its transaction was committed is not known.");
    return words;
}

/* Of these ReadyForQuery those first, which answer no statement under way, or (a server amid COPY
 * swallows Syncs) so many fewer. */
static void answer_sent(weir_client *c, const weir_error *err, size_t ready_owed, char *status)
{
    size_t of_sent = 0;
    for (uint32_t i = 0; i < c->relay.sent; i++)
        of_sent += weir_client_sent_at(c, i)->readies;
    size_t swallowed = of_sent > ready_owed ? of_sent - ready_owed : 0;
    answer(c, err, *status, ready_owed + swallowed - of_sent);
    for (uint32_t i = 0; i < c->relay.sent; i++) {
        const weir_sent *s = weir_client_sent_at(c, i);
        bool ends = s->block == WEIR_BLOCK_CLOSES && *status != 'I';
        weir_error doubtful = ends ? in_doubt(err) : *err;
        size_t fewer = s->readies < swallowed ? s->readies : swallowed;
        *status = behind(*status, s->block);
        swallowed -= fewer;
        answer(c, &doubtful, *status, s->readies - fewer);
    }
}

void weir_client_lose_block(weir_client *c, const weir_error *err, size_t ready_owed)
{
    weir_relay_state *r = &c->relay;
    char status = behind(r->status == 'I' ? 'I' : 'E', r->ended_block);
    bool told = ready_owed > 0 || r->skipping, amid = false;
    answer_sent(c, err, ready_owed, &status);
    if ((r->batch || (r->sent > 0 && ready_owed == 0)) && !r->skipping) {
        weir_client_error(c, err);
        r->skipping = amid = true;
    }
#ifdef WEIR_TEST_FAULT_FORGET_BLOCK /* a build that the simulator must see through */
    status = 'I';
#endif
    r->status = status;
    r->lost = status == 'I' ? WEIR_LOST_NOT
              : amid        ? WEIR_LOST_SKIPPED
              : told        ? WEIR_LOST_TOLD
                            : WEIR_LOST_UNTOLD;
}

/* ---- no server for BEGIN ---- */

static weir_block_effect effect_of_parse(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_parse parse;
    if (weir_pg_parse_read(f->body, &parse) != 0)
        return WEIR_BLOCK_KEEPS;
    c->relay.unnamed_skipped = c->relay.unnamed_skipped || parse.name.len == 0;
    return weir_sql_block_effect(parse.text);
}

static weir_block_effect effect_of_bind(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_bind bind;
    if (weir_pg_bind_read(f->body, &bind) != 0 ||
        (bind.statement.len == 0 && c->relay.unnamed_skipped)) /* (its Parse has said it) */
        return WEIR_BLOCK_KEEPS;
    const weir_prepared *p = weir_client_prepared_find(c, bind.statement);
    return p ? weir_client_block_effect(&p->statement, p->text) : WEIR_BLOCK_KEEPS;
}

static weir_block_effect effect_of(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text;
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        return weir_pg_query_read(f->body, &text) == 0 ? weir_sql_block_effect(text)
                                                       : WEIR_BLOCK_KEEPS;
    case WEIR_PG_F_PARSE:
        return effect_of_parse(c, f);
    case WEIR_PG_F_BIND:
        return effect_of_bind(c, f);
    case WEIR_PG_F_EXECUTE:
        return (weir_block_effect)c->relay.bound_block;
    default:
        return WEIR_BLOCK_KEEPS;
    }
}

void weir_client_block_unserved(weir_client *c, const weir_pg_frame *f)
{
    bool skipped = c->relay.skipping || f->type != WEIR_PG_F_QUERY;
    if (c->session.conn || c->session.lending == WEIR_LEND_STATEMENT)
        return;
    weir_block_effect effect = effect_of(c, f);
    if (c->relay.lost == WEIR_LOST_NOT && effect == WEIR_BLOCK_OPENS) {
        c->relay.lost = skipped ? WEIR_LOST_SKIPPED : WEIR_LOST_TOLD;
        c->relay.status = 'E';
    } else if (c->relay.lost == WEIR_LOST_SKIPPED && effect == WEIR_BLOCK_CLOSES) {
        c->relay.lost = WEIR_LOST_NOT;
        c->relay.status = 'I';
    }
}

/* ---- inside ---- */

static void leave(weir_client *c)
{
    c->relay.lost = WEIR_LOST_NOT;
    c->relay.lost_portal = 0;
    c->relay.status = 'I';
    weir_client_cached_ready(c, true);
    weir_client_seen(c);
}

static int refuse_with(weir_client *c, uint8_t type, const weir_error *err)
{
    c->relay.lost = WEIR_LOST_TOLD;
    weir_client_refuse(c, type, err);
    return 0;
}

static weir_error lost_words(void)
{
    weir_error err;
    weir_error_set(&err, "08006",
                   "weir: the database server was lost, and this transaction with it");
    return err;
}

void weir_client_block_synced(weir_client *c)
{
    c->relay.skipping = c->relay.unnamed_skipped = false;
    c->relay.bound_block = WEIR_BLOCK_KEEPS;
    if (c->relay.lost == WEIR_LOST_UNTOLD) {
        weir_error err = lost_words();
        weir_client_error(c, &err);
        c->relay.lost = WEIR_LOST_TOLD;
    } else if (c->relay.lost == WEIR_LOST_SKIPPED) {
        c->relay.lost = WEIR_LOST_TOLD;
    }
}

static int refuse(weir_client *c, uint8_t type)
{
    weir_error err = lost_words();
    if (c->relay.lost == WEIR_LOST_TOLD) {
        weir_error_set(&err, "25P02",
                       "weir: current transaction is aborted, commands ignored until end of "
                       "transaction block");
        weir_error_hint(&err, "Its server was lost, or none was to be had: ROLLBACK ends it.");
    }
    return refuse_with(c, type, &err);
}

static int refuse_memory(weir_client *c, uint8_t type)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    return refuse_with(c, type, &err);
}

static int refuse_savepoint(weir_client *c, uint8_t type)
{
    weir_error err;
    weir_error_set(&err, "3B001", "weir: the savepoint is gone with its transaction");
    weir_error_hint(&err, "The database server was lost: ROLLBACK, and begin anew.");
    return refuse_with(c, type, &err);
}

static int refuse_chain(weir_client *c, uint8_t type)
{
    weir_error err;
    weir_error_set(&err, "25P02",
                   "weir: how the transaction was begun is not known any more, so none can be "
                   "chained to it");
    weir_error_hint(&err, "The database server was lost: ROLLBACK, and begin anew.");
    return refuse_with(c, type, &err);
}

/* A COMMIT of who does not know yet that there is nothing to commit. `behind_it`: the rest of its
 * text, which is not run. */
static int refuse_commit(weir_client *c, uint8_t type, weir_slice behind_it)
{
    weir_error err = lost_words();
    if (weir_sql_block_effect(behind_it) == WEIR_BLOCK_OPENS)
        return refuse_with(c, type, &err);
    leave(c);
    weir_client_refuse(c, type, &err);
    return 0;
}

/* True: the block has ended, and the tag is given, which is always the same. Else it is refused. */
static bool end_by(weir_client *c, uint8_t type, weir_block_command command, weir_slice behind_it)
{
    bool told = c->relay.lost == WEIR_LOST_TOLD;
    if ((command == WEIR_BLOCK_COMMIT || command == WEIR_BLOCK_PREPARE) && !told) {
        (void)refuse_commit(c, type, behind_it);
        return false;
    }
    if (command == WEIR_BLOCK_ROLLBACK_TO && told) {
        (void)refuse_savepoint(c, type);
        return false;
    }
    if (command == WEIR_BLOCK_CHAIN && told) {
        (void)refuse_chain(c, type);
        return false;
    }
    if (command == WEIR_BLOCK_NONE || command == WEIR_BLOCK_BEGIN ||
        command == WEIR_BLOCK_ROLLBACK_TO || command == WEIR_BLOCK_CHAIN) {
        (void)refuse(c, type);
        return false;
    }
    weir_buf out;
    weir_buf_init(&out, 64);
    if (weir_pg_write_command_complete(&out, WEIR_SLICE_LIT("ROLLBACK")) == 0)
        weir_client_write(c, weir_buf_slice(&out));
    else
        weir_client_close(c, 0);
    weir_buf_fini(&out);
    leave(c);
    return true;
}

/* ---- Query ---- */

/* What stands behind its first statement, which is overwritten: positions in errors stay right. */
static int take_rest(weir_client *c, const weir_pg_frame *f, const uint8_t *rest)
{
    weir_buf own;
    weir_pg_frame g = {.type = f->type};
    weir_buf_init(&own, f->whole.len);
    if (weir_buf_append(&own, f->whole) < 0) {
        c->relay.lost = WEIR_LOST_NOT;
        weir_error err;
        weir_error_set(&err, "53200", "weir: out of memory");
        weir_client_refuse(c, f->type, &err);
        return 0;
    }
    size_t head = f->whole.len - f->body.len;
    memset(own.data + head, ' ', (size_t)(rest - f->body.data));
    g.whole = weir_buf_slice(&own);
    g.body = weir_slice_skip(g.whole, head);
    c->relay.lost = WEIR_LOST_NOT;
    int r = weir_client_on_message(c, &g);
    if (r == WAIT)
        c->relay.lost = WEIR_LOST_PASSED;
    weir_buf_fini(&own);
    return r;
}

static int on_query(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text, rest, after;
    if (weir_pg_query_read(f->body, &text) != 0)
        return -EPROTO;
    weir_slice first = weir_sql_split(WEIR_DIALECT_POSTGRES, text, &rest);
    bool more = weir_sql_split(WEIR_DIALECT_POSTGRES, rest, &after).len > 0;
    if (c->relay.lost == WEIR_LOST_PASSED)
        return take_rest(c, f, rest.data);
    if (first.len == 0 && c->relay.lost == WEIR_LOST_TOLD) {
        weir_client_say(c, WEIR_PG_B_EMPTY_QUERY);
        weir_client_ready(c, c->relay.status);
        return 0;
    }
    if (!end_by(c, f->type, weir_sql_block_command(first), rest))
        return 0;
    if (more)
        return take_rest(c, f, rest.data);
    weir_listening_deliver(c);
    weir_client_ready(c, c->relay.status);
    return 0;
}

/* ---- extended protocol: what ends the block can be prepared and run ---- */

static uint64_t name_of(const weir_client *c, weir_slice portal)
{
    uint64_t hash = weir_hash(c->worker->gateway->options.seed, portal);
    return hash ? hash : 1; /* 0: there is none */
}

static bool ends_block(weir_block_command command)
{
    return command != WEIR_BLOCK_NONE && command != WEIR_BLOCK_BEGIN;
}

static int keep_statement(weir_client *c, const weir_pg_parse *parse)
{
    weir_prepared *p = weir_client_prepared_new(c, parse->text, parse->oids);
    if (!p)
        return -ENOMEM;
    if (parse->name.len == 0) {
        weir_client_set_unnamed(c, p);
        return 0;
    }
    int r = weir_client_named_put(c, parse->name, p, true);
    if (r != 0)
        weir_client_prepared_unref(p);
    return r;
}

static int on_parse(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_parse parse;
    if (weir_pg_parse_read(f->body, &parse) != 0)
        return -EPROTO;
    if (!ends_block(weir_sql_block_command(parse.text)))
        return refuse(c, f->type);
    weir_error err;
    if (weir_client_name_taken(c, parse.name)) {
        weir_error_set(&err, "42P05", "weir: prepared statement \"%.*s\" already exists",
                       (int)parse.name.len, (const char *)parse.name.data);
        return refuse_with(c, f->type, &err);
    }
    int r = keep_statement(c, &parse);
    if (r < 0)
        return refuse_memory(c, f->type);
    if (r > 0) {
        weir_error_set(&err, "53400", "weir: too many prepared statements (limits.prepared)");
        return refuse_with(c, f->type, &err);
    }
    weir_client_say(c, WEIR_PG_B_PARSE_COMPLETE);
    return 0;
}

static weir_block_command command_of(weir_client *c, weir_slice name)
{
    const weir_prepared *p = weir_client_prepared_find(c, name);
    return p && !p->by_sql ? weir_sql_block_command(p->text) : WEIR_BLOCK_NONE;
}

static int on_bind(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_bind bind;
    if (weir_pg_bind_read(f->body, &bind) != 0)
        return -EPROTO;
    weir_block_command command = command_of(c, bind.statement);
    if (!ends_block(command))
        return refuse(c, f->type);
    c->relay.lost_bound = (uint8_t)command;
    c->relay.lost_portal = name_of(c, bind.portal);
    weir_client_say(c, WEIR_PG_B_BIND_COMPLETE);
    return 0;
}

static int on_describe(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_target t;
    if (weir_pg_target_read(f->body, &t) != 0)
        return -EPROTO;
    if (t.kind == 'S' ? !ends_block(command_of(c, t.name))
                      : c->relay.lost_portal != name_of(c, t.name))
        return refuse(c, f->type);
    if (t.kind == 'S') {
        static const uint8_t none[] = {WEIR_PG_B_PARAM_DESCRIPTION, 0, 0, 0, 6, 0, 0};
        weir_client_write(c, weir_slice_make(none, sizeof(none)));
    }
    weir_client_say(c, WEIR_PG_B_NO_DATA);
    return 0;
}

static int on_close(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_target t;
    if (weir_pg_target_read(f->body, &t) != 0)
        return -EPROTO;
    if (c->relay.lost == WEIR_LOST_UNTOLD)
        return refuse(c, f->type);
    if (t.kind == 'P') {
        if (c->relay.lost_portal == name_of(c, t.name))
            c->relay.lost_portal = 0;
    } else if (t.name.len > 0) {
        weir_client_named_remove(c, t.name, c->relay.name_serial);
    } else {
        weir_client_prepared_unref(c->relay.unnamed);
        c->relay.unnamed = NULL;
    }
    weir_client_say(c, WEIR_PG_B_CLOSE_COMPLETE);
    return 0;
}

static int on_execute(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_execute e;
    if (weir_pg_execute_read(f->body, &e) != 0)
        return -EPROTO;
    weir_block_command command = c->relay.lost_portal == name_of(c, e.portal)
                                     ? (weir_block_command)c->relay.lost_bound
                                     : WEIR_BLOCK_NONE;
    (void)end_by(c, f->type, command, (weir_slice){0});
    return 0;
}

int weir_client_in_lost_block(weir_client *c, const weir_pg_frame *f)
{
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        return on_query(c, f);
    case WEIR_PG_F_PARSE:
        return on_parse(c, f);
    case WEIR_PG_F_BIND:
        return on_bind(c, f);
    case WEIR_PG_F_DESCRIBE:
        return on_describe(c, f);
    case WEIR_PG_F_CLOSE:
        return on_close(c, f);
    case WEIR_PG_F_EXECUTE:
        return on_execute(c, f);
    default:
        assert(f->type == WEIR_PG_F_FUNCTION);
        return refuse(c, f->type);
    }
}
