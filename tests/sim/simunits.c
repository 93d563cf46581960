/* What clients of the simulator send: a unit is a Query, or a batch of the extended protocol, of
 * random but legal traffic. Left out is what differs from a direct connection by decision
 * (docs/pooling.md). */
#include "simclient_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 3 };

static void ok(int r)
{
    if (r != 0)
        abort();
}

static void query(simclient *c, const char *format, ...) WEIR_PRINTF(2, 3);

static void query(simclient *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->last, sizeof(c->last), format, args);
    va_end(args);
    ok(weir_pg_write_query(&c->out, weir_slice_cstr(c->last)));
}

static bool is_outside(const simclient *c)
{
    return c->own.state.status == 'I';
}

/* Every statement that can be has a text of its own, which says whose it is. */
static const char *next_token(simclient *c, char token[SIM_TOKEN])
{
    (void)snprintf(token, SIM_TOKEN, "c%d-t%d-%u", c->options.number,
                   is_outside(c) ? 0 : c->transaction, ++c->sequence);
    return token;
}

/* It must be answered before the next. */
static bool alone(simclient *c, sim_alone how)
{
    if (sim_is_owed(c))
        return false;
    c->alone = how;
    return true;
}

/* What changes the session, or shows it: with faults one at a time, as nobody could say else how
 * much of it was committed when a server is lost. */
static bool singly(simclient *c)
{
    return !c->options.faults || alone(c, SIM_ALONE);
}

/* What only one connection can hold: so few clients at a time that the allowance is enough, but for
 * those that are just going. */
static bool take_pin(simclient *c)
{
    simboard *board = c->options.board;
    if ((!c->pin && board->pins == board->pins_max) || !alone(c, SIM_MAY_BE_REFUSED))
        return false;
    board->pins += !c->pin;
    c->pin = true;
    return true;
}

/* ---- statements ---- */

static bool unit_simple(simclient *c)
{
    char token[SIM_TOKEN];
    next_token(c, token);
    if (sim_percent(c, is_outside(c) ? 15 : 5))
        query(c, "select boom('%s')", token);
    else
        query(c, "select echo('%s', %u)", token, sim_percent(c, 5) ? 200 : sim_below(c, 4));
    return true;
}

static bool unit_probe(simclient *c)
{
    char token[SIM_TOKEN];
    if (!singly(c))
        return false;
    query(c, "select probe('%s')", next_token(c, token));
    return true;
}

/* The end of a cancel's connection does not say that it has arrived: what stays on its connection
 * may be hit with its next statement. Others never are. */
bool sim_may_cancel(const simclient *c)
{
    return is_outside(c) && !c->pin;
}

static bool unit_slow(simclient *c)
{
    char token[SIM_TOKEN];
    if (!alone(c, SIM_ALONE))
        return false;
    query(c, "select slow('%s')", next_token(c, token));
    if (sim_percent(c, 60) && sim_may_cancel(c))
        sim_cancel(c);
    return true;
}

/* ---- settings ---- */

static const char *value_of(simclient *c, int setting, char value[FAKE_TEXT])
{
    static const char *const styles[] = {"ISO, DMY", "German, DMY", "SQL, MDY"};
    unsigned n = sim_below(c, 9);
    if (setting == FAKE_DATE_STYLE)
        return styles[n % 3];
    if (setting == FAKE_WORK_MEM)
        (void)snprintf(value, FAKE_TEXT, "%ukB", 1000 * (unsigned)c->options.number + n);
    else if (setting == FAKE_TIMEOUT)
        (void)snprintf(value, FAKE_TEXT, "%us", 1000 * (unsigned)c->options.number + n);
    else
        (void)snprintf(value, FAKE_TEXT, "c%d-%u", c->options.number, n);
    return value;
}

/* DateStyle only outside of transactions: what a text meant in one that was rolled back is not
 * known. RESET in a transaction does not yet go back to the startup packet's value. */
static bool unit_set(simclient *c)
{
    char value[FAKE_TEXT];
    int setting = (int)sim_below(c, FAKE_CUSTOM_B + 1);
    const char *name = fake_setting_name(setting), *text = value_of(c, setting, value);
    unsigned how = sim_below(c, 10);
    if (setting == FAKE_DATE_STYLE && !is_outside(c))
        return false;
    if (how < 2 && !is_outside(c) && c->started_with & 1u << setting)
        return false;
    if (!singly(c))
        return false;
    if (how == 0)
        query(c, "reset %s", name);
    else if (how == 1)
        query(c, "set %s to default", name);
    else if (how < 4 && !is_outside(c))
        query(c, "set local %s to '%s'", name, text);
    else if (how < 6)
        query(c, "select set_config('%s','%s',false)", name, text);
    else
        query(c, "set %s%s to '%s'", how == 6 ? "session " : "", name, text);
    return true;
}

/* In one transaction of their own, which may fail at its end. */
static bool unit_set_several(simclient *c)
{
    char a[FAKE_TEXT], b[FAKE_TEXT], token[SIM_TOKEN];
    if (!singly(c))
        return false;
    query(c, "set work_mem to '%s';set app.a to '%s';select %s('%s')",
          value_of(c, FAKE_WORK_MEM, a), value_of(c, FAKE_CUSTOM_A, b),
          sim_percent(c, 40) ? "boom" : "probe", next_token(c, token));
    return true;
}

static bool unit_role(simclient *c)
{
    if (!singly(c))
        return false;
    if (sim_percent(c, 50))
        query(c, "set role r%d", c->options.number);
    else
        query(c, sim_percent(c, 50) ? "reset role" : "set role none");
    return true;
}

static bool unit_reset_all(simclient *c)
{
    if (!is_outside(c) || !singly(c))
        return false;
    query(c, sim_percent(c, 50) ? "reset all" : "discard all");
    return true;
}

/* ---- transactions ---- */

/* By a Query, or by a batch of its own. */
static void command(simclient *c, const char *text)
{
    static const weir_pg_bind bind = {.value_count = 0};
    if (sim_percent(c, 70)) {
        query(c, "%s", text);
        return;
    }
    (void)snprintf(c->last, sizeof(c->last), "batch: %s", text);
    ok(weir_pg_write_parse(&c->out, (weir_slice){0}, weir_slice_cstr(text), (weir_slice){0}));
    ok(weir_pg_write_bind(&c->out, &bind));
    ok(weir_pg_write_execute(&c->out, (weir_slice){0}, 0));
    ok(weir_pg_write_empty(&c->out, WEIR_PG_F_SYNC));
}

static void begin_next(simclient *c)
{
    c->transaction++;
    c->left_in_transaction = sim_below(c, 6);
}

static bool unit_begin(simclient *c)
{
    if (!is_outside(c))
        return false;
    command(c, "begin");
    begin_next(c);
    return true;
}

/* Alone, or with what comes behind it, outside or in the next one; that not where it listens or
 * notifies (docs/pooling.md). */
static void end_transaction(simclient *c, unsigned commits)
{
    const char *end = sim_percent(c, commits) ? "commit" : "rollback";
    const fake_state *s = &c->own.state;
    bool told = s->levels[s->depth].listens != s->levels[0].listens || s->levels[s->depth].notes;
    unsigned how = sim_below(c, told ? 8 : 10);
    if (how < 6) {
        command(c, end);
    } else if (how < 8) {
        query(c, "%s;select echo('c%d-t0-%u', 1)", end, c->options.number, ++c->sequence);
    } else {
        begin_next(c);
        query(c, "%s;begin;select echo('c%d-t%d-%u', 1)", end, c->options.number, c->transaction,
              ++c->sequence);
    }
}

static bool unit_savepoint(simclient *c)
{
    unsigned depth = c->own.state.depth;
    if (is_outside(c))
        return false;
    if (depth > 1 && sim_percent(c, 50))
        query(c, "rollback to s");
    else if (depth > 1 && sim_percent(c, 30))
        query(c, "release s");
    else if (depth + 1 < FAKE_LEVELS)
        query(c, "savepoint s");
    else
        return false;
    return true;
}

static bool unit_in_failed(simclient *c)
{
    if (c->own.state.depth > 1 && sim_percent(c, 50))
        query(c, "rollback to s");
    else if (sim_percent(c, 30))
        return unit_simple(c);
    else
        end_transaction(c, 50);
    return true;
}

/* ---- what pins ---- */

static bool unit_temp(simclient *c)
{
    unsigned i = sim_below(c, FAKE_TEMPS);
    if (!take_pin(c))
        return false;
    if (fake_top(&c->own.state)->temps[i][0])
        query(c, "drop table t%u", i);
    else
        query(c, "create temp table t%u as select 'c%d-%u' as v", i, c->options.number,
              sim_below(c, 9));
    return true;
}

static bool unit_lock(simclient *c)
{
    int key = 10 * c->options.number + (int)sim_below(c, 2);
    bool held = false;
    for (int i = 0; i < FAKE_LOCKS; i++)
        held = held || c->own.state.locks[i] == key;
    if (!take_pin(c))
        return false;
    if (!held)
        query(c, "select pg_advisory_lock(%d)", key);
    else if (sim_percent(c, 80))
        query(c, "select pg_advisory_unlock(%d)", key);
    else
        query(c, "select pg_advisory_unlock_all()");
    return true;
}

static bool unit_cursor(simclient *c)
{
    char token[SIM_TOKEN];
    if (!is_outside(c) || !take_pin(c))
        return false;
    if (!c->own.state.levels[0].cursor[0])
        query(c, "declare held cursor with hold for select echo('%s', 3)", next_token(c, token));
    else
        query(c, sim_percent(c, 60) ? "fetch 1 from held" : "close held");
    return true;
}

/* ---- notifications ---- */

static bool somebody_listens(const simclient *c)
{
    for (int i = 1; i <= SIM_CLIENTS_MAX; i++)
        if (c->options.board->client[i] && c->options.board->client[i]->stable)
            return !c->options.faults;
    return false;
}

/* In a transaction only where the hub has its connection: it waits for one of the pool's, and the
 * transactions that wait for it could hold them all. */
static bool unit_listen(simclient *c)
{
    unsigned channel = sim_below(c, FAKE_CHANNELS);
    if (!is_outside(c) && !somebody_listens(c))
        return false;
    if (!alone(c, SIM_MAY_BE_REFUSED)) /* the hub's connection is pinned too */
        return false;
    if (sim_percent(c, 70))
        query(c, "listen ch%u", channel);
    else if (sim_percent(c, 70))
        query(c, "unlisten ch%u", channel);
    else
        query(c, "unlisten *");
    return true;
}

static bool unit_notify(simclient *c)
{
    unsigned channel = sim_below(c, FAKE_CHANNELS), notes = fake_top(&c->own.state)->notes;
    if (notes == FAKE_NOTES || !alone(c, SIM_ALONE))
        return false;
    query(c, sim_percent(c, 50) ? "notify ch%u, 'c%d-%u'" : "select pg_notify('ch%u','c%d-%u')",
          channel, c->options.number, ++c->notes);
    return true;
}

/* ---- names ---- */

/* False: it is there, and the gateway may have forgotten so. */
static bool may_make(simclient *c, unsigned i, bool gone)
{
    char name[8];
    (void)snprintf(name, sizeof(name), "n%u", i);
    bool there = !gone && fake_name_find(&c->own.names, name);
    if (there && !(c->clean & 1u << i))
        return false;
    c->made |= 1u << i;
    if (!there)
        c->clean &= ~(1u << i);
    return true;
}

/* The client has these names for itself, and so has every other. */
static bool unit_names(simclient *c)
{
    char token[SIM_TOKEN];
    unsigned i = sim_below(c, NAMES), how = sim_below(c, 20);
    if (!singly(c) || (how < 6 && !may_make(c, i, false)))
        return false;
    if (how < 6)
        query(c, "prepare n%u as select %s", i,
              sim_percent(c, 50) ? "echo($1, $2)" : "meant($1, $2)");
    else if (how < 15)
        query(c, "execute n%u('%s', %u)", i, next_token(c, token), sim_below(c, 4));
    else if (how < 19)
        query(c, "deallocate n%u", i);
    else
        query(c, "deallocate all");
    return true;
}

/* ---- the extended protocol ---- */

static void write_bind(simclient *c, const char *name, const char *const *values, unsigned count)
{
    weir_buf body;
    weir_buf_init(&body, 4096);
    for (unsigned i = 0; i < count; i++) {
        ok(weir_buf_append_u32(&body, (uint32_t)strlen(values[i])));
        ok(weir_buf_append(&body, weir_slice_cstr(values[i])));
    }
    weir_pg_bind bind = {.statement = weir_slice_cstr(name),
                         .value_count = (uint16_t)count,
                         .values = weir_buf_slice(&body)};
    ok(weir_pg_write_bind(&c->out, &bind));
    weir_buf_fini(&body);
}

static void write_parse(simclient *c, const char *name, const char *text)
{
    ok(weir_pg_write_parse(&c->out, weir_slice_cstr(name), weir_slice_cstr(text), (weir_slice){0}));
    if (sim_percent(c, 15))
        ok(weir_pg_write_target(&c->out, WEIR_PG_F_DESCRIBE, 'S', weir_slice_cstr(name)));
}

static void run_bound(simclient *c)
{
    if (sim_percent(c, 15))
        ok(weir_pg_write_target(&c->out, WEIR_PG_F_DESCRIBE, 'P', (weir_slice){0}));
    ok(weir_pg_write_execute(&c->out, (weir_slice){0}, 0));
    if (sim_percent(c, 10))
        ok(weir_pg_write_empty(&c->out, WEIR_PG_F_FLUSH));
}

/* For a person: what the batch is made of. */
static void say(simclient *c, const char *what, const char *token)
{
    size_t n = strlen(c->last);
    (void)snprintf(c->last + n, sizeof(c->last) - n, " %s%s", what, token);
}

/* A batch as it is being written: which names are there by then. */
typedef struct batch {
    bool known[NAMES], failed;
} batch;

static void unnamed_statement(simclient *c, batch *b)
{
    static const char *const texts[] = {"select echo($1, $2)", "select meant($1, $2)",
                                        "select boom($1, $2)", "select syntax($1, $2)"};
    char token[SIM_TOKEN], rows[8];
    unsigned what = sim_percent(c, 12) ? 2 + sim_percent(c, 30) : sim_percent(c, 20);
    const char *values[] = {next_token(c, token), rows};
    (void)snprintf(rows, sizeof(rows), "%u", sim_below(c, 4));
    say(c, texts[what] + strlen("select "), token);
    write_parse(c, "", texts[what]);
    write_bind(c, "", values, 2);
    run_bound(c);
    b->failed = b->failed || what > 1;
}

static void named_statement(simclient *c, batch *b)
{
    char token[SIM_TOKEN], rows[8], name[8];
    unsigned i = sim_below(c, NAMES);
    const char *values[] = {next_token(c, token), rows};
    (void)snprintf(rows, sizeof(rows), "%u", sim_below(c, 4));
    (void)snprintf(name, sizeof(name), "n%u", i);
    if (b->known[i] && sim_percent(c, 15)) {
        ok(weir_pg_write_target(&c->out, WEIR_PG_F_CLOSE, 'S', weir_slice_cstr(name)));
        b->known[i] = false;
        say(c, "-", name);
        return;
    }
    if (!b->known[i] || (c->clean & 1u << i && sim_percent(c, 3))) { /* taken: 42P05 */
        b->failed = b->failed || b->known[i];
        say(c, "+", name);
        write_parse(c, name, sim_percent(c, 50) ? "select echo($1, $2)" : "select meant($1, $2)");
        (void)may_make(c, i, !b->known[i]);
        b->known[i] = true;
    }
    say(c, name, ":");
    say(c, "", token);
    write_bind(c, name, values, 2);
    run_bound(c);
}

static void setting_statement(simclient *c)
{
    char value[FAKE_TEXT];
    int setting = (int)sim_below(c, FAKE_CUSTOM_B + 1);
    if (setting == FAKE_DATE_STYLE)
        setting = FAKE_WORK_MEM;
    const char *values[] = {fake_setting_name(setting), value_of(c, setting, value), "false"};
    say(c, "set:", values[0]);
    write_parse(c, "", "select set_config($1, $2, $3)");
    write_bind(c, "", values, 3);
    run_bound(c);
}

static bool unit_batch(simclient *c)
{
    batch b = {.failed = false};
    bool plain = c->options.faults && sim_is_owed(c);
    (void)snprintf(c->last, sizeof(c->last), "batch:");
    for (unsigned i = 0; i < NAMES; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "n%u", i);
        b.known[i] = fake_name_find(&c->own.names, name) != NULL;
    }
    for (unsigned n = 1 + sim_below(c, 4); n > 0; n--) {
        if (plain || b.failed || sim_percent(c, 50)) { /* (what the server skips is sent, too) */
            unnamed_statement(c, &b);
            continue;
        }
        (void)singly(c);
        if (sim_percent(c, 85))
            named_statement(c, &b);
        else
            setting_statement(c);
    }
    ok(weir_pg_write_empty(&c->out, WEIR_PG_F_SYNC));
    return true;
}

/* ---- the choice ---- */

static const struct {
    bool (*write)(simclient *c);
    unsigned weight;
} units[] = {
    {unit_simple, 22}, {unit_batch, 26},      {unit_probe, 10}, {unit_set, 10},
    {unit_begin, 9},   {unit_set_several, 2}, {unit_role, 3},   {unit_reset_all, 1},
    {unit_names, 6},   {unit_savepoint, 6},   {unit_temp, 3},   {unit_lock, 3},
    {unit_cursor, 2},  {unit_listen, 3},      {unit_notify, 4}, {unit_slow, 2},
};

/* After the loss of a server: what is there is found out, what may be there is put away. */
static bool unit_due(simclient *c)
{
    if (c->doubt) {
        c->settling = true;
        return unit_probe(c);
    }
    if (c->forget_names) {
        c->forget_names = false;
        query(c, "deallocate all");
        return true;
    }
    if (c->forget_channels && alone(c, SIM_MAY_BE_REFUSED)) {
        c->forget_channels = false;
        query(c, "unlisten *");
        return true;
    }
    if (is_outside(c) || c->left_in_transaction-- > 0)
        return false;
    c->left_in_transaction = 0;
    end_transaction(c, 70);
    return true;
}

void sim_unit(simclient *c)
{
    unsigned total = 0;
    if (c->own.state.status == 'E') {
        (void)unit_in_failed(c);
        return;
    }
    if (unit_due(c))
        return;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        total += units[i].weight;
    for (;;) {
        unsigned at = sim_below(c, total);
        size_t i = 0;
        for (; at >= units[i].weight; i++)
            at -= units[i].weight;
        if (units[i].write(c))
            return;
    }
}
