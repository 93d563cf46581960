/* What roles may see, and where their names lead: rights and memberships that come and go, row
 * security, the search_path that a role's sessions begin with, a view that is one table's and then
 * another's (coherence.h).
 *
 * Invariant: who may not see something is refused or sees nothing, from the moment in which a
 * change was acknowledged by the same way, or the bound after it was acknowledged elsewhere. */
#include "coherence.h"
#include "wire.h"
#include <stdio.h>
#include <string.h>

enum { WHICH, LEAST, SENT, AS_VIEWER };

/* In turn; at first it may be seen. */
static const struct right {
    const char *texts[2], *read, *odd;
} rights[] = {
    {{"REVOKE SELECT ON secret FROM viewer", "GRANT SELECT ON secret TO viewer"},
     "SELECT count(*) FROM secret WHERE id = 1",
     "SELECT (NOT has_table_privilege('viewer', 'secret', 'SELECT'))::int"},
    {{"REVOKE readers FROM viewer", "GRANT readers TO viewer"},
     "SELECT count(*) FROM shared_secret WHERE id = 1",
     "SELECT (NOT pg_has_role('viewer', 'readers', 'MEMBER'))::int"},
    {{"REVOKE USAGE ON SCHEMA vault FROM viewer", "GRANT USAGE ON SCHEMA vault TO viewer"},
     "SELECT count(*) FROM vault.kept WHERE id = 1",
     "SELECT (NOT has_schema_privilege('viewer', 'vault', 'USAGE'))::int"},
    {{"ALTER TABLE policed ENABLE ROW LEVEL SECURITY",
      "ALTER TABLE policed DISABLE ROW LEVEL SECURITY"},
     "SELECT count(*) FROM policed WHERE id = 1",
     "SELECT relrowsecurity::int FROM pg_class WHERE oid = 'policed'::regclass"},
    {{"ALTER POLICY narrow ON watched USING (id < 0)",
      "ALTER POLICY narrow ON watched USING (true)"},
     "SELECT count(*) FROM watched WHERE id = 1",
     "SELECT (pg_get_expr(polqual, polrelid) <> 'true')::int FROM pg_policy WHERE polname = "
     "'narrow'"},
};
enum { RIGHTS = sizeof(rights) / sizeof(rights[0]) };
static counter changed[RIGHTS], swung, pathed;

const char *roles_text(int number)
{
    return number < RIGHTS ? rights[number].read : NULL;
}

/* ---- who asks ---- */

static void judge_right(client *c)
{
    statement *s = &c->st[0];
    bool seen = s->done && !s->failed && s->value[0][0] == 1;
    bool known = !c->lost && (s->done || (s->failed && strcmp(s->sqlstate, "42501") == 0));
    int64_t state = model_state(&changed[c->memory[WHICH]], c->memory[LEAST], c->memory[SENT]);
    w.reads++;
    if (!known || s->doubtful || w.doubt)
        return;
    if (!c->memory[AS_VIEWER] && !seen && c->memory[WHICH] < RIGHTS)
        blame(c, s, "is not shown to its owner");
    if (c->memory[AS_VIEWER] && state >= 0 && seen != (state % 2 == 0))
        blame(c, s, "is %sshown after change %lld", seen ? "" : "not ", (long long)state);
}

static bool read_as(client *c)
{
    switch (c->step) {
    case 0:
        c->memory[WHICH] = choose(c, RIGHTS);
        c->memory[AS_VIEWER] = choose(c, 2);
        say(c, c->memory[AS_VIEWER] ? "SET ROLE viewer" : "SET ROLE none", 0);
        return true;
    case 1:
        c->may_fail = true;
        c->memory[LEAST] = model_least_of_schema(&changed[c->memory[WHICH]], c);
        c->memory[SENT] = wire_now();
        say(c, rights[c->memory[WHICH]].read, 0);
        return true;
    case 2:
        judge_right(c);
        c->may_fail = false;
        say(c, "RESET ROLE", 0);
        return true;
    case LOST:
        say(c, "RESET ROLE", 0);
        return true;
    default:
        return false;
    }
}

bool act_roles(client *c)
{
    c->act = read_as;
    return c->act(c);
}

/* ---- one name, two tables ---- */

static void check_side(client *c, statement *s)
{
    int64_t seen = s->value[0][0], side = seen / SIDE;
    if (s->rows != 1 || side < 0 || side >= SIDES) {
        blame(c, s, "%u rows", s->rows);
        return;
    }
    const counter *of = &sides[side];
    int64_t state = s->argument ? model_state(&swung, s->least[SIDES], s->sent) : -1;
    if (state >= 0 && side != state % 2)
        blame(c, s, "is table %lld's after change %lld", (long long)side, (long long)state);
    if (seen % SIDE < s->least[side] || seen % SIDE > of->sent)
        blame(c, s, "saw %lld, not of %lld to %lld", (long long)seen, (long long)s->least[side],
              (long long)of->sent);
    judge_age(c, s, of, seen % SIDE);
}

statement *read_side(client *c, bool view)
{
    statement *s = say(c,
                       view ? "SELECT version FROM swung WHERE id = 1"
                            : "SELECT version FROM pathed WHERE id = 1",
                       0);
    s->check = check_side;
    s->argument = view;
    for (int i = 0; i < SIDES; i++)
        s->least[i] = model_least(&sides[i], c);
    s->least[SIDES] = model_least_of_schema(&swung, c);
    return s;
}

bool write_side(client *c)
{
    static const char *const texts[] = {
        "UPDATE a.pathed SET version = version + 1 WHERE id = 1 RETURNING version % 1000000000",
        "UPDATE b.pathed SET version = version + 1 WHERE id = 1 RETURNING version % 1000000000"};
    if (c->step == 0) {
        c->memory[WHICH] = choose(c, SIDES);
        model_sends(&sides[c->memory[WHICH]]);
        say(c, texts[c->memory[WHICH]], 0);
        return true;
    }
    if (c->step == 1 && !c->lost && !c->broken)
        model_acked(&sides[c->memory[WHICH]], c, c->st[0].value[0][0]);
    return false;
}

/* ---- changes ---- */

static bool change_right(client *c)
{
    counter *of = &changed[c->memory[WHICH]];
    return change_schema(c, of, rights[c->memory[WHICH]].texts[of->total % 2]);
}

static bool swing(client *c)
{
    return change_schema(
        c, &swung,
        swung.total % 2
            ? "CREATE OR REPLACE VIEW public.swung AS SELECT id, version FROM a.pathed"
            : "CREATE OR REPLACE VIEW public.swung AS SELECT id, version FROM b.pathed");
}

/* For sessions that begin from now on. */
static bool lead_elsewhere(client *c)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "ALTER ROLE app IN DATABASE %s SET search_path = %s, public",
             w.database, pathed.total % 2 ? "a" : "b");
    return change_schema(c, &pathed, sql);
}

bool switch_something(client *c)
{
    c->memory[WHICH] = choose(c, RIGHTS + 3);
    c->act = c->memory[WHICH] < RIGHTS    ? change_right
             : c->memory[WHICH] == RIGHTS ? lead_elsewhere
                                          : swing;
    return c->act(c);
}

/* ---- at rest ---- */

static void say_side(client *c, int64_t side)
{
    say(c,
        side ? "SELECT version % 1000000000 FROM b.pathed"
             : "SELECT version % 1000000000 FROM a.pathed",
        0);
}

void settle_roles(client *direct)
{
    char sql[240];
    for (int i = 0; i < RIGHTS; i++)
        settle_parity(direct, &changed[i], rights[i].odd);
    settle_parity(direct, &swung, "SELECT (version / 1000000000)::int FROM swung");
    snprintf(
        sql, sizeof(sql),
        "SELECT count(*)::int FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
        " WHERE datname = '%s' AND 'search_path=b, public' = ANY (setconfig)",
        w.database);
    settle_parity(direct, &pathed, sql);
    for (int side = 0; side < SIDES; side++) {
        client_ask(direct, say_side, side);
        model_settle(&sides[side], direct->st[0].value[0][0]);
    }
}
