/* What an operator does to databases and clients from the console. Each command does its part here
 * and says what its answer has to wait for; the console (admin.c) waits. */
#include "gateway/operate.h"
#include "gateway/ending.h"
#include "gateway/internal.h"
#include <stdlib.h>

static void log_command(weir_gateway *g, const weir_admin_command *command, const char *login)
{
    weir_log_event(g->log, WEIR_LOG_ADMIN, WEIR_LOG_INFO, "command",
                   WEIR_F_STR("command", command->tag), WEIR_F_STR("about", command->argument),
                   WEIR_F_STR("user", login));
}

/* Each database, or the one. */
static void each(const weir_operation *o, void (*act)(const weir_operation *o, weir_database *d))
{
    weir_engine *e = o->gateway->engine;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++) {
        weir_database *d = weir_engine_database_at(e, i);
        if ((!o->database || o->database == d) && !weir_database_removed(d))
            act(o, d);
    }
}

static void resume(const weir_operation *o, weir_database *d)
{
    weir_engine_pause(o->gateway->engine, d, false);
    weir_database_close(d, false, weir_loop_clock(o->home));
}

static void drain(const weir_operation *o, weir_database *d)
{
    weir_database_close(d, true, weir_loop_clock(o->home));
}

static void disable(const weir_operation *o, weir_database *d)
{
    weir_database_disable(d, o->command->verb == WEIR_ADMIN_DISABLE);
}

/* 0x1f, as `ptr` of SHOW CLIENTS has it, or 31, as `id`. 0: it is none. */
static uint32_t client_number(const char *text)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 0);
    return *text == '\0' || *end != '\0' || n > UINT32_MAX ? 0 : (uint32_t)n;
}

static int end_clients(const weir_operation *o, const weir_ending *what, weir_error *err)
{
    if (weir_gateway_end_clients(o->gateway, o->home, what) == 0)
        return WEIR_OPERATE_ENDING;
    weir_error_set(err, "53200", "weir: out of memory");
    return -ENOMEM;
}

static int kill_client(const weir_operation *o, weir_error *err)
{
    weir_ending what = {.client = client_number(o->command->argument),
                        .words = "terminating connection due to administrator command",
                        .done = o->done,
                        .user = o->user};
    if (what.client)
        return end_clients(o, &what, err);
    weir_error_set(err, "22023", "weir: \"%s\" is no client's number", o->command->argument);
    weir_error_hint(err, "SHOW CLIENTS tells it in `id`.");
    return -EINVAL;
}

/* Nothing is lent until RESUME, as PgBouncer has it. */
static int kill_database(const weir_operation *o, weir_error *err)
{
    weir_ending what = {.database = o->database,
                        .words = "terminating connection due to administrator command",
                        .done = o->done,
                        .user = o->user};
    weir_engine_pause(o->gateway->engine, o->database, true);
    weir_engine_reconnect(o->gateway->engine, o->database, weir_loop_clock(o->home));
    return end_clients(o, &what, err);
}

int weir_operate(const weir_operation *o, weir_error *err)
{
    log_command(o->gateway, o->command, o->login);
    switch (o->command->verb) {
    case WEIR_ADMIN_PAUSE:
        weir_engine_pause(o->gateway->engine, o->database, true);
        return WEIR_OPERATE_RETURNED;
    case WEIR_ADMIN_RESUME:
        each(o, resume);
        return 0;
    case WEIR_ADMIN_DRAIN:
        each(o, drain);
        return WEIR_OPERATE_RETURNED;
    case WEIR_ADMIN_RECONNECT:
        weir_engine_reconnect(o->gateway->engine, o->database, weir_loop_clock(o->home));
        return 0;
    case WEIR_ADMIN_WAIT_CLOSE:
        return WEIR_OPERATE_REPLACED;
    case WEIR_ADMIN_ENABLE:
    case WEIR_ADMIN_DISABLE:
        each(o, disable);
        return 0;
    case WEIR_ADMIN_KILL:
        return kill_database(o, err);
    case WEIR_ADMIN_KILL_CLIENT:
        return kill_client(o, err);
    default:
        return 0;
    }
}

bool weir_operate_is_done(const weir_gateway *g, const weir_database *database, int waits_for,
                          weir_time now)
{
    for (unsigned i = 0; i < weir_engine_database_count(g->engine); i++) {
        weir_database *d = weir_engine_database_at(g->engine, i);
        weir_database_totals sum;
        if (database && database != d)
            continue;
        weir_database_sum(g->engine, d, now, &sum);
        uint64_t hubs = atomic_load(&weir_database_listen_stats(d)->held); /* they stay lent */
        if (waits_for == WEIR_OPERATE_RETURNED ? sum.lent > hubs : sum.outdated > 0)
            return false;
    }
    return true;
}
