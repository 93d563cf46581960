/* What clients do: settings, roles, transactions; and the choice among all steps. */
#include "iso.h"
#include <stdio.h>
#include <string.h>

uint64_t below(client *c, uint64_t n)
{
    uint64_t z = (c->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

bool percent(client *c, unsigned p)
{
    return below(c, 100) < p;
}

void token(client *c, char out[TEXT_MAX])
{
    snprintf(out, TEXT_MAX, "c%d-%u", c->number, ++c->serial);
}

bool take_pin(client *c)
{
    if (!c->pin && w.pins < w.pins_max) {
        c->pin = true;
        w.pins++;
    }
    return c->pin;
}

/* ---- looking ---- */

#define CUSTOM(name) "current_setting('" name "',true)"

static const char probe_text[] =
    "SELECT '%s',current_setting('application_name'),current_setting('TimeZone'),"
    "current_setting('DateStyle'),current_setting('IntervalStyle'),"
    "current_setting('standard_conforming_strings'),current_setting('work_mem'),"
    "current_setting('statement_timeout'),current_setting('lock_timeout'),"
    "current_setting('search_path'),current_setting('extra_float_digits')," CUSTOM(
        "app.a") "," CUSTOM("app.b") ",current_user,session_user";

static const char probe_more[] =
    ",(SELECT string_agg(objid::text,' ' ORDER BY objid) FROM pg_locks WHERE locktype='advisory' "
    "AND pid=pg_backend_pid() AND classid=%d),"
    "(SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND pid=pg_backend_pid()),"
    "(SELECT string_agg(name,' ') FROM pg_cursors WHERE is_holdable),"
    "to_regclass('pg_temp.t0') IS NOT NULL,to_regclass('pg_temp.t1') IS NOT NULL,"
    "(SELECT v FROM which)";

static unsigned count_bits(unsigned bits)
{
    unsigned n = 0;
    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

static size_t add(char *out, size_t at, const char *text)
{
    int n = snprintf(out + at, 2 * TEXT_MAX - at, "|%s", text);
    return at + (size_t)n;
}

/* What the longer probe must show besides. */
static void want_more(client *c, char *out, size_t at)
{
    const level *l = top(&c->next);
    char text[TEXT_MAX] = "";
    size_t n = 0;
    for (int i = 0; i < 8; i++)
        if (c->next.own_locks & 1u << i)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n ? " " : "", i);
    at = add(out, at, text);
    snprintf(text, sizeof(text), "%u",
             count_bits(c->next.own_locks) + count_bits(c->next.shared_locks));
    at = add(out, at, text);
    at = add(out, at, c->next.cursor ? "held" : "");
    for (int i = 0; i < TEMPS; i++)
        at = add(out, at, l->temp[i] ? "t" : "f");
    if (l->set[SEARCH_PATH].effective)
        snprintf(text, sizeof(text), "s%d", c->number);
    (void)add(out, at, l->set[SEARCH_PATH].effective ? text : "public");
}

static void probe_as(client *c, bool more)
{
    char text[4096], row[2 * TEXT_MAX], tok[TEXT_MAX], buf[TEXT_MAX];
    token(c, tok);
    size_t at = (size_t)snprintf(row, sizeof(row), "%s", tok);
    for (int i = 0; i < SETTINGS; i++)
        at = add(row, at, setting_shown(c, top(&c->next), i, buf));
    int n = snprintf(text, sizeof(text), probe_text, tok);
    if (more) {
        snprintf(text + n, sizeof(text) - (size_t)n, probe_more, c->number);
        want_more(c, row, at);
    }
    query(c, "%s", text);
    snprintf(c->last, sizeof(c->last), "the probe %.60s", tok);
    want(c, 'D', "%s", row);
    want(c, 'C', "SELECT 1");
    want_ready(c);
}

void probe(client *c)
{
    probe_as(c, !c->adopting && percent(c, 50));
}

static bool step_probe(client *c)
{
    probe(c);
    return true;
}

/* ---- settings ---- */

static void set_by_parameters(client *c, const char *name, const char *text, bool local)
{
    const char *values[] = {name, text, local ? "true" : "false"};
    parse(c, "", "SELECT set_config($1,$2,$3)");
    bind_values(c, "", "", values, 3);
    execute(c, "", 0);
    sync_batch(c);
    want(c, '1', "%s", "");
    want(c, '2', "%s", "");
    want(c, 'D', "%s", text);
    want(c, 'C', "SELECT 1");
}

static void set_by_call(client *c, const char *name, const char *text, bool local)
{
    char tok[TEXT_MAX];
    token(c, tok);
    query(c, "SELECT '%s',set_config('%s','%s',%s)", tok, name, text, local ? "true" : "false");
    want(c, 'D', "%s|%s", tok, text);
    want(c, 'C', "SELECT 1");
}

static void set_by_statement(client *c, int setting, const char *text, bool local)
{
    const char *quote = setting == SEARCH_PATH ? "" : "'";
    query(c, "SET %s%s TO %s%s%s",
          local            ? "LOCAL "
          : percent(c, 30) ? "SESSION "
                           : "",
          setting_names[setting], quote, text, quote);
    want(c, 'C', "SET");
}

/* In a transaction RESET does not yet go back to the startup packet's value. */
static bool resets_to_startup(const client *c, int setting)
{
    return c->now.status == 'I' || !c->startup[setting];
}

static void reset(client *c, int setting)
{
    if (setting == TIME_ZONE && percent(c, 30))
        query(c, "SET TIME ZONE DEFAULT");
    else
        query(c, percent(c, 50) ? "RESET %s" : "SET %s TO DEFAULT", setting_names[setting]);
    want(c, 'C', strncmp(c->last, "SET", 3) == 0 ? "SET" : "RESET");
    model_set(&c->next, setting, 0, false);
    c->was_reset = true;
}

static bool step_set(client *c)
{
    char buf[TEXT_MAX];
    int setting = (int)below(c, ROLE);
    int id = 1 + (int)below(c, VALUES);
    if (percent(c, 15)) {
        if (!resets_to_startup(c, setting))
            return false;
        reset(c, setting);
        want_ready(c);
        return true;
    }
    const char *text = setting_text(c, setting, id, buf);
    bool local = c->now.status == 'T' && percent(c, 25);
    uint64_t how = below(c, 10);
    if (how < 4)
        set_by_statement(c, setting, text, local);
    else if (how < 6)
        set_by_call(c, setting_names[setting], text, local);
    else if (how < 9)
        set_by_parameters(c, setting_names[setting], text, local);
    else if (take_pin(c)) {
        query(c, "DO $$ BEGIN PERFORM set_config('%s','%s',%s); END $$", setting_names[setting],
              text, local ? "true" : "false");
        want(c, 'C', "DO");
    } else {
        return false;
    }
    model_set(&c->next, setting, id, local);
    want_ready(c);
    return true;
}

/* Several in one text, the last of which may fail, and takes the others with it. */
static bool step_set_several(client *c)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    int id = 1 + (int)below(c, VALUES);
    bool fails = c->now.status == 'I' && percent(c, 40);
    query(c, "SET work_mem TO '%s'; SET app.a TO '%s'%s", setting_text(c, WORK_MEM, id, a),
          setting_text(c, CUSTOM_A, id, b), fails ? "; SELECT 1/0" : "");
    want(c, 'C', "SET");
    want(c, 'C', "SET");
    if (fails) {
        want(c, 'E', "22012");
    } else {
        model_set(&c->next, WORK_MEM, id, false);
        model_set(&c->next, CUSTOM_A, id, false);
    }
    want_ready(c);
    return true;
}

static bool step_reset_all(client *c)
{
    for (int i = 0; i < ROLE; i++)
        if (!resets_to_startup(c, i))
            return false;
    query(c, "RESET ALL");
    want(c, 'C', "RESET");
    for (int i = 0; i < ROLE; i++)
        model_set(&c->next, i, 0, false);
    c->was_reset = true;
    want_ready(c);
    return true;
}

static bool step_discard(client *c)
{
    if (c->now.status != 'I')
        return false;
    for (int i = 0; i < SHARED_LOCKS; i++)
        if (c->now.shared_locks & 1u << i)
            return false; /* others look at it */
    query(c, "DISCARD ALL");
    want(c, 'C', "DISCARD ALL");
    level *l = top(&c->next);
    *l = (level){0};
    memset(c->next.prepared, 0, sizeof(c->next.prepared));
    c->next.own_locks = 0;
    c->next.cursor = 0;
    c->was_reset = true;
    want_ready(c);
    return true;
}

/* The two do not mix in PostgreSQL in a way worth modelling. */
static bool step_role(client *c)
{
    const level *l = top(&c->next);
    int setting = l->set[ROLE].session            ? ROLE
                  : l->set[AUTHORIZATION].session ? AUTHORIZATION
                  : percent(c, 60)                ? ROLE
                                                  : AUTHORIZATION;
    bool on = !l->set[setting].session;
    const char *what = setting == ROLE ? "ROLE" : "SESSION AUTHORIZATION";
    if (on)
        query(c, "SET %s r%d", what, c->number);
    else
        query(c, "RESET %s", what);
    want(c, 'C', on ? "SET" : "RESET");
    model_set(&c->next, setting, on, false);
    want_ready(c);
    return true;
}

/* ---- transactions ---- */

static bool step_begin(client *c)
{
    if (c->now.status != 'I')
        return false;
    query(c, percent(c, 50) ? "BEGIN" : "START TRANSACTION");
    want(c, 'C', "%s", c->last);
    model_begin(&c->next);
    want_ready(c);
    return true;
}

static bool step_end(client *c)
{
    if (c->now.status == 'I')
        return false;
    bool commit = percent(c, 65);
    query(c, commit ? "COMMIT" : "ROLLBACK");
    if (commit && c->now.status == 'T') {
        want(c, 'C', "COMMIT");
        model_commit(&c->next);
    } else {
        want(c, 'C', "ROLLBACK");
        model_rollback(&c->next);
    }
    want_ready(c);
    return true;
}

static bool step_savepoint(client *c)
{
    int depth = c->now.depth;
    if (c->now.status == 'I')
        return false;
    if (depth > 1 && percent(c, 50)) {
        query(c, "ROLLBACK TO sp%d", depth);
        want(c, 'C', "ROLLBACK");
        model_rollback_to(&c->next);
    } else if (c->now.status == 'E') {
        return false;
    } else if (depth > 1 && percent(c, 30)) {
        query(c, "RELEASE sp%d", depth);
        want(c, 'C', "RELEASE");
        model_release(&c->next);
    } else if (depth + 1 < LEVELS) {
        query(c, "SAVEPOINT sp%d", depth + 1);
        want(c, 'C', "SAVEPOINT");
        model_savepoint(&c->next);
    } else {
        return false;
    }
    want_ready(c);
    return true;
}

static bool step_error(client *c)
{
    query(c, percent(c, 50) ? "SELECT 1/0" : "SELECT nothing FROM nowhere_at_all");
    want(c, 'E', "%s", strstr(c->last, "1/0") ? "22012" : "42P01");
    if (c->now.status == 'T')
        c->next.status = 'E';
    want_ready(c);
    return true;
}

static bool step_in_failed(client *c)
{
    if (percent(c, 40))
        return step_savepoint(c) || step_end(c);
    if (percent(c, 60))
        return step_end(c);
    query(c, "SELECT 1");
    want(c, 'E', "25P02");
    want_ready(c);
    return true;
}

/* ---- leaving ---- */

static bool step_leave(client *c)
{
    if (!percent(c, 30) || is_watched(c))
        return false;
    if (percent(c, 60)) { /* in the middle of something */
        query(c, "SET work_mem TO '3333kB'; SET app.a TO 'left'; SELECT pg_advisory_xact_lock(1)");
        if (percent(c, 50))
            c->out.len -= 7;
        client_flush(c);
    }
    client_vanish(c);
    return true;
}

/* ---- the choice ---- */

static const struct {
    const char *name;
    bool (*run)(client *c);
    unsigned weight;
} steps[] = {
    {"probe", step_probe, 26},        {"set", step_set, 18},
    {"several", step_set_several, 4}, {"reset", step_reset_all, 1},
    {"discard", step_discard, 2},     {"role", step_role, 6},
    {"begin", step_begin, 8},         {"end", step_end, 8},
    {"savepoint", step_savepoint, 6}, {"error", step_error, 3},
    {"prepared", step_prepared, 14},  {"temp", step_temp, 6},
    {"lock", step_lock, 5},           {"cursor", step_cursor, 4},
    {"listen", step_listen, 6},       {"cancel", step_cancel, 1},
    {"copy", step_copy, 4},           {"pipeline", step_pipeline, 6},
    {"shared", step_shared_text, 8},  {"suspended", step_suspended, 2},
    {"leave", step_leave, 2},
};

/* Of the command line: "listen,cancel". */
static bool is_left_out(const char *name)
{
    size_t len = strlen(name);
    for (const char *p = w.without; (p = strstr(p, name)); p += len)
        if ((p == w.without || p[-1] == ',') && (p[len] == ',' || !p[len]))
            return true;
    return false;
}

static void choose(client *c)
{
    unsigned total = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        total += steps[i].weight;
    for (;;) {
        unsigned at = (unsigned)below(c, total);
        size_t i = 0;
        for (; at >= steps[i].weight; i++)
            at -= steps[i].weight;
        if (!is_left_out(steps[i].name) && steps[i].run(c))
            return;
    }
}

/* Steps that come before any other. */
static bool due(client *c)
{
    if (c->cancelled) {
        if (c->cancel_fd >= 0)
            return true; /* the end of the request is waited for */
        c->cancelled = false;
        c->guard = !c->failed_block; /* what would be cancelled is gone */
        if (c->guard) {
            probe(c);
            return true;
        }
    }
    c->guard = false;
    if (c->failed_block) {
        c->failed_block = false;
        query(c, "ROLLBACK");
        want(c, 'C', "ROLLBACK");
        want_ready(c);
    } else if (c->doubt) {
        c->adopting = true;
        probe(c);
    } else if (c->forget_names) {
        c->forget_names = false;
        query(c, "DEALLOCATE ALL");
        want(c, 'C', "DEALLOCATE ALL");
        memset(c->next.prepared, 0, sizeof(c->next.prepared));
        want_ready(c);
    } else if (c->forget_channels) {
        c->forget_channels = false;
        query(c, "UNLISTEN *");
        want(c, 'C', "UNLISTEN");
        c->next.levels[0].listens = 0;
        want_ready(c);
    } else if (c->steps == 0 || c->now.status == 'E') {
        if (c->now.status == 'E')
            return step_in_failed(c);
        probe(c);
    } else {
        return false;
    }
    return true;
}

void step(client *c)
{
    c->next = c->now;
    if (!due(c))
        choose(c);
    if (w.trace == c->number)
        printf("step %u (%c): %s\n", c->steps, c->now.status, c->last);
    if (c->fd >= 0)
        client_flush(c);
}
