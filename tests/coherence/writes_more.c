/* COPY, TRUNCATE, two-phase commit, and changes of the schema (coherence.h). */
#include "coherence.h"
#include <stdio.h>
#include <string.h>

enum { KEY, VERSION, WHICH };
enum { PREPARED = 4 };

static bool feed_busy, slate_busy, switching;

/* ---- one row more, by COPY; all rows gone and another there ---- */

static bool copy_in(client *c)
{
    static char data[CLIENTS_MAX][32];
    if (c->step == 0) {
        if (feed_busy)
            return false;
        feed_busy = true;
        c->how = SIMPLE;
        model_sends(&feeds);
        snprintf(data[c->number], sizeof(data[0]), "%lld\n", (long long)feeds.sent);
        say(c, "COPY feed FROM STDIN", 0)->data = data[c->number];
        return true;
    }
    feed_busy = c->broken || c->lost;
    if (!feed_busy)
        model_acked(&feeds, c->way, feeds.total + 1);
    return false;
}

static bool wipe(client *c)
{
    switch (c->step) {
    case 0:
        if (slate_busy)
            return false;
        slate_busy = true;
        model_sends(&slate);
        say(c, "BEGIN", 0);
        return true;
    case 1:
        say(c, choose(c, 2) ? "TRUNCATE slate" : "DELETE FROM slate", 0);
        return true;
    case 2:
        say(c, "INSERT INTO slate VALUES ($1)", 1, slate.total + 1);
        return true;
    case 3:
        say(c, "COMMIT", 0);
        return true;
    default:
        slate_busy = c->broken || c->lost;
        if (!slate_busy)
            model_acked(&slate, c->way, slate.total + 1);
        return false;
    }
}

/* ---- two-phase commit: prepared by one, committed by another ---- */

static struct prepared {
    int64_t key, version;
    unsigned name;
    bool ready;
} prepared[PREPARED];
static unsigned prepared_next;

static bool prepare(client *c)
{
    struct prepared *p = &prepared[c->memory[WHICH] % PREPARED];
    char sql[64];
    switch (c->step) {
    case 0:
        c->memory[WHICH] = 0;
        while (c->memory[WHICH] < PREPARED && prepared[c->memory[WHICH]].name)
            c->memory[WHICH]++;
        if (c->memory[WHICH] == PREPARED)
            return false;
        prepared[c->memory[WHICH]] =
            (struct prepared){.name = ++prepared_next, .key = choose(c, SHARED)};
        say(c, "BEGIN", 0);
        return true;
    case 1:
        model_sends(&keys[PLAIN][p->key]);
        say(c, "UPDATE p_item SET version = version + 1 WHERE id = $1 RETURNING version", 1,
            p->key);
        return true;
    case 2:
        if (c->broken || c->lost)
            break;
        p->version = c->st[0].value[0][0];
        snprintf(sql, sizeof(sql), "PREPARE TRANSACTION 'p%u'", p->name);
        c->how = SIMPLE;
        say(c, sql, 0);
        return true;
    default:
        p->ready = !c->broken && !c->lost;
    }
    if (!p->ready)
        p->name = 0;
    return false;
}

static bool complete(client *c)
{
    struct prepared *p = &prepared[c->memory[WHICH] % PREPARED];
    if (c->step > 0) {
        if (!c->broken && !c->lost)
            model_acked(&keys[PLAIN][p->key], c->way, p->version);
        if (c->step == 1) {
            c->memory[KEY] = p->key;
            p->name = 0;
            read_key(c, c->memory[KEY]);
            return true;
        }
        return false;
    }
    for (int i = 0; i < PREPARED; i++) {
        char sql[64];
        if (!prepared[i].ready)
            continue;
        prepared[i].ready = false;
        c->memory[WHICH] = i;
        c->how = SIMPLE;
        snprintf(sql, sizeof(sql), "COMMIT PREPARED 'p%u'", prepared[i].name);
        say(c, sql, 0);
        return true;
    }
    return false;
}

bool act_complete(client *c)
{
    c->act = complete;
    return c->act(c);
}

bool act_more(client *c)
{
    static bool (*const acts[])(client *) = {copy_in, wipe, prepare};
    c->act = acts[choose(c, 3)];
    return c->act(c);
}

/* ---- the schema ---- */

/* In turn; how many rows are there after an even and after an odd number of changes. */
static const struct toggle {
    const char *texts[2], *read;
    int64_t rows[2];
} toggles[] = {
    {{"ALTER TABLE listed DETACH PARTITION listed_1",
      "ALTER TABLE listed ATTACH PARTITION listed_1 FOR VALUES IN (1)"},
     "SELECT count(*) FROM listed",
     {1, 0}},
    {{"ALTER TABLE younger NO INHERIT elder", "ALTER TABLE younger INHERIT elder"},
     "SELECT count(*) FROM elder",
     {1, 0}},
    {{"ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
      "ALTER TABLE hidden DISABLE ROW LEVEL SECURITY"},
     "SELECT count(*) FROM hidden",
     {1, 0}},
};
enum { TOGGLES = sizeof(toggles) / sizeof(toggles[0]) };
static counter toggled[TOGGLES];

static void check_toggle(client *c, statement *s)
{
    const counter *of = &toggled[s->argument];
    if (s->least[0] == of->sent && s->value[0][0] != toggles[s->argument].rows[s->least[0] % 2])
        blame(c, s, "saw %lld rows after change %lld", (long long)s->value[0][0],
              (long long)s->least[0]);
}

statement *read_switch(client *c)
{
    int64_t which = choose(c, TOGGLES);
    statement *s = say(c, toggles[which].read, 0);
    s->check = check_toggle;
    s->argument = which;
    s->least[0] = model_least(&toggled[which], c->way);
    return s;
}

static bool change(client *c, counter *of, const char *sql)
{
    if (c->step == 0) {
        model_sends(of);
        c->how = SIMPLE;
        say(c, sql, 0);
        return true;
    }
    if (c->broken || c->lost)
        fail("a change of the schema failed: %s", c->st[0].sqlstate);
    model_acked(of, c->way, of->total + 1);
    switching = false;
    return false;
}

static bool toggle(client *c)
{
    counter *of = &toggled[c->memory[WHICH]];
    return change(c, of, toggles[c->memory[WHICH]].texts[of->total % 2]);
}

static bool redefine(client *c)
{
    char sql[128];
    snprintf(sql, sizeof(sql),
             "CREATE OR REPLACE VIEW shifted AS SELECT id, version + %lld AS version FROM p_item",
             (long long)(shift.total + 1) * 1000000000);
    return change(c, &shift, sql);
}

static bool retype(client *c)
{
    return change(c, &typed, "ALTER TABLE typed ALTER version TYPE int8 USING version + 1");
}

static bool add_column(client *c)
{
    static unsigned serial;
    char sql[64];
    if (c->step > 0) {
        switching = false;
        return false;
    }
    snprintf(sql, sizeof(sql), "ALTER TABLE p_item ADD COLUMN more_%u int", serial++);
    c->how = SIMPLE;
    say(c, sql, 0);
    return true;
}

bool act_switch(client *c)
{
    static bool (*const acts[])(client *) = {toggle, toggle, redefine, retype, add_column};
    if (switching)
        return false;
    switching = true;
    c->memory[WHICH] = choose(c, TOGGLES);
    c->act = acts[choose(c, sizeof(acts) / sizeof(acts[0]))];
    return c->act(c);
}

/* The streams that both gateways follow end, and begin anew somewhere else. */
static bool end_streams(client *c)
{
    if (c->step == 0)
        say(c, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication", 0);
    return c->step == 0;
}

bool act_disturb(client *c)
{
    c->act = end_streams;
    return c->act(c);
}
