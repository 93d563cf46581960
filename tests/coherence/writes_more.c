/* COPY, TRUNCATE, two-phase commit, and changes of the schema (coherence.h). */
#include "coherence.h"
#include <stdio.h>
#include <string.h>

enum { KEY, VERSION, WHICH };
enum { PREPARED = 4 };

static bool feed_busy, slate_busy;
bool schema_busy;

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
        model_acked(&feeds, c, feeds.total + 1);
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
            model_acked(&slate, c, slate.total + 1);
        return false;
    }
}

/* ---- two-phase commit: prepared by one, committed by another ---- */

static struct prepared {
    int64_t key, version;
    unsigned name; /* 0: none */
    bool sent;     /* it is perhaps prepared */
    bool ready;    /* to be completed */
    bool doubtful; /* it is not known whether it is there */
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
        if (c->broken)
            break;
        p->version = c->st[0].value[0][0];
        p->sent = true;
        snprintf(sql, sizeof(sql), "PREPARE TRANSACTION 'p%u'", p->name);
        c->how = SIMPLE;
        say(c, sql, 0);
        return true;
    default:
        p->doubtful = c->lost;
        p->ready = p->sent && (c->lost || !c->broken);
    }
    if (!p->ready)
        p->name = 0;
    return false;
}

/* What was refused or lost is tried again, until it is not there any more. */
static bool completed(client *c, struct prepared *p)
{
    bool gone = c->broken && strcmp(c->st[0].sqlstate, "42704") == 0;
    if (gone && !p->doubtful && !w.lossy)
        fail("client %d: what was prepared is not there: %s", c->number, c->st[0].sql);
    p->doubtful = p->doubtful || c->lost;
    p->ready = (c->lost || c->broken) && !gone;
    if (p->ready)
        return false;
    if (!gone)
        model_acked(&keys[PLAIN][p->key], c, p->version);
    p->name = 0;
    return true;
}

static bool complete(client *c)
{
    struct prepared *p = &prepared[c->memory[WHICH] % PREPARED];
    char sql[64];
    if (c->step > 0) {
        int64_t key = p->key;
        bool first = c->memory[KEY] == 0;
        c->memory[KEY] = 1; /* what comes next is the answer of a read */
        if (!first || !completed(c, p) || c->step != 1)
            return false;
        read_key(c, key);
        return true;
    }
    for (int i = 0; i < PREPARED; i++) {
        if (!prepared[i].ready)
            continue;
        prepared[i].ready = false;
        c->memory[WHICH] = i;
        c->memory[KEY] = 0;
        c->how = SIMPLE;
        c->may_fail = *w.disturbances != '\0';
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
    int64_t state = model_state(&toggled[s->argument], s->least[0], s->sent);
    if (state >= 0 && s->value[0][0] != toggles[s->argument].rows[state % 2])
        blame(c, s, "saw %lld rows after change %lld", (long long)s->value[0][0], (long long)state);
}

const char *switch_text(int number)
{
    return number < TOGGLES ? toggles[number].read : NULL;
}

statement *read_switch(client *c)
{
    int64_t which = choose(c, TOGGLES);
    statement *s = say(c, toggles[which].read, 0);
    s->check = check_toggle;
    s->argument = which;
    s->least[0] = model_least_of_schema(&toggled[which], c);
    return s;
}

bool change_schema(client *c, counter *of, const char *sql)
{
    if (c->step == 0) {
        model_sends(of);
        c->how = SIMPLE;
        say(c, sql, 0);
        return true;
    }
    if (c->lost)
        return false; /* it stays busy until everything is settled */
    if (!c->broken)
        model_acked(of, c, of->total + 1);
    else if (!*w.disturbances)
        fail("a change of the schema failed: %s", c->st[0].sqlstate);
    schema_busy = false;
    return false;
}

static bool toggle(client *c)
{
    counter *of = &toggled[c->memory[WHICH]];
    return change_schema(c, of, toggles[c->memory[WHICH]].texts[of->total % 2]);
}

static bool redefine(client *c)
{
    char sql[128];
    snprintf(
        sql, sizeof(sql),
        "CREATE OR REPLACE VIEW public.shifted AS SELECT id, version + %lld AS version FROM p_item",
        (long long)(shift.total + 1) * 1000000000);
    return change_schema(c, &shift, sql);
}

static bool retype(client *c)
{
    return change_schema(c, &typed, "ALTER TABLE typed ALTER version TYPE int8 USING version + 1");
}

static bool add_column(client *c)
{
    static unsigned serial;
    char sql[64];
    if (c->step > 0) {
        schema_busy = c->lost;
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
    if (schema_busy)
        return false;
    schema_busy = true;
    c->may_fail = *w.disturbances != '\0';
    c->memory[WHICH] = choose(c, TOGGLES);
    c->act = acts[choose(c, sizeof(acts) / sizeof(acts[0]))];
    if (disturbed("roles") && choose(c, 3) > 0)
        return switch_something(c);
    return c->act(c);
}

/* ---- all is at rest: what is there is known again ---- */

static void say_text(client *c, int64_t text)
{
    say(c, (const char *)(intptr_t)text, 0);
}

static int64_t ask_number(client *direct, const char *sql)
{
    direct->how = SIMPLE;
    client_ask(direct, say_text, (int64_t)(intptr_t)sql);
    return direct->st[0].value[0][0];
}

/* Of one change that may or may not have been made, its parity tells. */
void settle_parity(client *direct, counter *of, const char *sql)
{
    bool odd = ask_number(direct, sql) != 0;
    model_settle(of, of->sent - ((of->sent % 2 != 0) != odd));
}

static void settle_mover(client *direct, int variant, int id)
{
    static const char *const tables[] = {"moved", "moved_full", "part"};
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT version FROM %s WHERE id = %d", tables[variant], id);
    model_settle(&movers[variant][id], ask_number(direct, sql));
}

void settle_more(client *direct)
{
    for (int i = 0; i < 3 * MOVERS; i++)
        settle_mover(direct, i / MOVERS, i % MOVERS);
    model_settle(&feeds, ask_number(direct, "SELECT count(*) FROM feed"));
    model_settle(&slate, ask_number(direct, "SELECT max(version) FROM slate"));
    model_settle(&typed, ask_number(direct, "SELECT version FROM typed"));
    model_settle(&shift, ask_number(direct, "SELECT min(version) / 1000000000 FROM shifted"));
    for (int i = 0; i < TOGGLES; i++) {
        char sql[120];
        snprintf(sql, sizeof(sql), "SELECT ((SELECT n FROM (%s) AS t(n)) <> %lld)::int",
                 toggles[i].read, (long long)toggles[i].rows[0]);
        settle_parity(direct, &toggled[i], sql);
    }
    settle_roles(direct);
    feed_busy = slate_busy = schema_busy = false;
}
