/* What clients do, continued: what has names, what pins, notifications, cancels, COPY, pipelines.
 */
#include "iso.h"
#include <stdio.h>
#include <string.h>

/* ---- prepared statements: one name, another meaning for each client ---- */

/* The ids of statements that SQL made are negative. */
static void execute_prepared(client *c, int i)
{
    char tok[TEXT_MAX], name[8];
    int id = c->now.prepared[i] < 0 ? -c->now.prepared[i] : c->now.prepared[i];
    const char *values[] = {tok};
    token(c, tok);
    snprintf(name, sizeof(name), "p%d", i);
    bool by_sql = percent(c, 40);
    if (by_sql) {
        query(c, "EXECUTE %s('%s')", name, tok);
    } else {
        bind_values(c, "", name, values, 1);
        execute(c, "", 0);
        sync_batch(c);
        snprintf(c->last, sizeof(c->last), "Bind %s %.60s", name, tok);
    }
    if (!id) {
        want(c, 'E', "26000");
        if (c->now.status == 'T')
            c->next.status = 'E';
        return;
    }
    if (!by_sql)
        want(c, '2', "%s", "");
    want(c, 'D', "%s|c%d-%d", tok, c->number, id);
    want(c, 'C', "SELECT 1");
}

static void make_prepared(client *c, int i)
{
    char name[8], text[TEXT_MAX];
    int id = 1 + (int)below(c, VALUES);
    bool there = c->now.prepared[i] != 0, by_sql = percent(c, 50);
    snprintf(name, sizeof(name), "p%d", i);
    snprintf(text, sizeof(text), "SELECT $1::text,'c%d-%d'", c->number, id);
    if (by_sql) {
        query(c, "PREPARE %s(text) AS %s", name, text);
    } else {
        parse(c, name, text);
        sync_batch(c);
    }
    if (there) {
        want(c, 'E', "42P05");
        if (c->now.status == 'T')
            c->next.status = 'E';
        return;
    }
    want(c, by_sql ? 'C' : '1', "%s", by_sql ? "PREPARE" : "");
    c->next.prepared[i] = by_sql ? -id : id;
    c->next.doubtful &= ~(1u << i);
}

static void drop_prepared(client *c, int i)
{
    char name[8];
    snprintf(name, sizeof(name), "p%d", i);
    bool there = c->now.prepared[i] != 0;
    c->next.prepared[i] = 0;
    bool doubtful = c->now.doubtful & 1u << i;
    c->next.doubtful &= ~(1u << i);
    if (!doubtful && percent(c, 50)) {
        query(c, "DEALLOCATE %s", name);
        want(c, there ? 'C' : 'E', "%s", there ? "DEALLOCATE" : "26000");
        if (!there && c->now.status == 'T')
            c->next.status = 'E';
        return;
    }
    close_statement(c, name);
    sync_batch(c);
    snprintf(c->last, sizeof(c->last), "Close %s", name);
    want(c, '3', "%s", "");
}

/* A Parse that the server skips made nothing. */
static void make_skipped(client *c, int i)
{
    char name[8];
    snprintf(name, sizeof(name), "p%d", i);
    parse(c, "", "SELECT nothing FROM nowhere_at_all");
    parse(c, name, "SELECT $1::text,'skipped'");
    sync_batch(c);
    want(c, 'E', "42P01");
    if (!c->now.prepared[i])
        c->next.doubtful |= 1u << i;
    if (c->now.status == 'T')
        c->next.status = 'E';
}

bool step_prepared(client *c)
{
    int i = (int)below(c, NAMES);
    uint64_t what = below(c, 100);
    if (c->now.doubtful & 1u << i && what < 60) {
        drop_prepared(c, i);
    } else if (what < 60 && (c->now.prepared[i] || what < 6)) {
        execute_prepared(c, i);
    } else if (what < 80) {
        make_prepared(c, i);
    } else if (what < 88) {
        make_skipped(c, i);
    } else if (what < 98) {
        drop_prepared(c, i);
    } else {
        query(c, "DEALLOCATE ALL");
        want(c, 'C', "DEALLOCATE ALL");
        memset(c->next.prepared, 0, sizeof(c->next.prepared));
    }
    want_ready(c);
    return true;
}

/* One text of all clients, so that its statement is shared where that is right: what it means hangs
 * on DateStyle, standard_conforming_strings and search_path. */
bool step_shared_text(client *c)
{
    static const char text[] =
        "SELECT $1::text,'01/02/2003'::date-'2003-01-01'::date,length('a\\\\b'),v,"
        "current_setting('work_mem') FROM which";
    static const char *const names[] = {"", "shared"};
    char tok[TEXT_MAX], a[TEXT_MAX], b[TEXT_MAX], path[TEXT_MAX] = "public";
    const level *l = top(&c->next);
    const char *values[] = {tok},
               *style = setting_text(c, DATE_STYLE, l->set[DATE_STYLE].effective, a);
    bool escapes = strcmp(setting_text(c, CONFORMING, l->set[CONFORMING].effective, b), "off") == 0;
    const char *name = names[below(c, 2)];
    token(c, tok);
    parse(c, name, text);
    bind_values(c, "", name, values, 1);
    execute(c, "", 0);
    close_statement(c, name);
    sync_batch(c);
    if (l->set[SEARCH_PATH].effective)
        snprintf(path, sizeof(path), "s%d", c->number);
    want(c, '1', "%s", "");
    want(c, '2', "%s", "");
    want(c, 'D', "%s|%d|%d|%s|%s", tok, strstr(style, "DMY") ? 31 : 1, escapes ? 3 : 4, path,
         setting_text(c, WORK_MEM, l->set[WORK_MEM].effective, a));
    want(c, 'C', "SELECT 1");
    want(c, '3', "%s", "");
    want_ready(c);
    return true;
}

/* ---- what pins ---- */

static bool is_login(const client *c)
{
    const level *l = &c->now.levels[c->now.depth];
    return !l->set[ROLE].effective && !l->set[AUTHORIZATION].effective;
}

bool step_temp(client *c)
{
    char tok[TEXT_MAX];
    int i = (int)below(c, TEMPS), id = 1 + (int)below(c, VALUES), *stands = &top(&c->next)->temp[i];
    uint64_t what = below(c, 10);
    token(c, tok);
    if (!*stands && what < 5 && is_login(c) && take_pin(c)) {
        query(c, "CREATE TEMP TABLE t%d AS SELECT 'c%d-%d'::text AS v", i, c->number, id);
        want(c, 'C', "SELECT 1");
        *stands = id;
    } else if (!*stands && what >= 9 && take_pin(c)) { /* the gateway does not know whether it is */
        query(c, "SELECT '%s',v FROM pg_temp.t%d", tok, i);
        want(c, 'E', "42P01");
        if (c->now.status == 'T')
            c->next.status = 'E';
    } else if (*stands && is_login(c) && what < 4) {
        query(c, "SELECT '%s',v FROM pg_temp.t%d", tok, i);
        want(c, 'D', "%s|c%d-%d", tok, c->number, *stands);
        want(c, 'C', "SELECT 1");
    } else if (*stands && is_login(c) && what < 6) {
        query(c, "UPDATE pg_temp.t%d SET v='c%d-%d'", i, c->number, id);
        want(c, 'C', "UPDATE 1");
        *stands = id;
    } else if (*stands && is_login(c)) {
        query(c, "DROP TABLE pg_temp.t%d", i);
        want(c, 'C', "DROP TABLE");
        *stands = 0;
    } else {
        return false;
    }
    want_ready(c);
    return true;
}

static void take_lock(client *c, const char *tok)
{
    int i = (int)below(c, 3);
    if (c->now.own_locks & 1u << i) {
        query(c, "SELECT '%s',pg_advisory_unlock(%d,%d)", tok, c->number, i);
        c->next.own_locks &= ~(1u << i);
    } else {
        query(c, "SELECT '%s',pg_try_advisory_lock(%d,%d)", tok, c->number, i);
        c->next.own_locks |= 1u << i;
    }
    want(c, 'D', "%s|t", tok);
}

/* Whoever holds it keeps it until those who look have looked. */
static bool take_shared_lock(client *c, const char *tok)
{
    int i = (int)below(c, SHARED_LOCKS);
    shared_lock *l = &w.locks[i];
    bool mine = l->owner == c->number, look = l->owner && !mine;
    if (w.kills || l->changing || (mine && l->watchers) || (!mine && !c->pin && !take_pin(c)))
        return false;
    query(c, "SELECT '%s',pg_%sadvisory_%slock(0,%d)", tok, mine ? "" : "try_", mine ? "un" : "",
          i + SHARED_LOCKS * (int)l->epoch);
    want(c, 'D', "%s|%s", tok, look ? "f" : "t");
    c->slot = i;
    c->watching = look;
    if (look) {
        l->watchers++;
        return true;
    }
    l->changing = true;
    l->owner = c->number;
    c->next.shared_locks ^= 1u << i;
    return true;
}

bool step_lock(client *c)
{
    char tok[TEXT_MAX];
    token(c, tok);
    if (percent(c, 50)) {
        if (!take_shared_lock(c, tok))
            return false;
    } else if (take_pin(c)) {
        take_lock(c, tok);
    } else {
        return false;
    }
    want(c, 'C', "SELECT 1");
    want_ready(c);
    return true;
}

bool step_cursor(client *c)
{
    if (c->now.status != 'I')
        return false;
    if (!c->now.cursor) {
        if (!take_pin(c))
            return false;
        c->next.cursor = 1 + (int)below(c, VALUES);
        c->next.fetched = 0;
        query(c, "DECLARE held CURSOR WITH HOLD FOR SELECT 'c%d-%d',g FROM generate_series(1,3) g",
              c->number, c->next.cursor);
        want(c, 'C', "DECLARE CURSOR");
    } else if (c->now.fetched < 3 && percent(c, 70)) {
        query(c, "FETCH 1 FROM held");
        want(c, 'D', "c%d-%d|%d", c->number, c->now.cursor, ++c->next.fetched);
        want(c, 'C', "FETCH 1");
    } else {
        query(c, "CLOSE held");
        want(c, 'C', "CLOSE CURSOR");
        c->next.cursor = 0;
    }
    want_ready(c);
    return true;
}

/* ---- notifications ---- */

static void notify(client *c)
{
    int n = (int)below(c, CHANNELS);
    unsigned serial = ++c->notes;
    if (percent(c, 50)) {
        query(c, "NOTIFY ch%d,'c%d-%u'", n, c->number, serial);
        want(c, 'C', "NOTIFY");
    } else {
        query(c, "SELECT pg_notify('ch%d','c%d-%u')", n, c->number, serial);
        want(c, 'D', "%s", "");
        want(c, 'C', "SELECT 1");
    }
    if (!(c->now.levels[0].listens & 1u << n) || top(&c->next)->listens != c->now.levels[0].listens)
        return;
    if (c->now.status == 'I')
        c->next.noted++;
    else
        c->next.noting++;
}

bool step_listen(client *c)
{
    int n = (int)below(c, CHANNELS);
    uint64_t what = below(c, 10);
    if (what < 4) {
        if (c->now.status != 'I')
            return false;
        notify(c);
    } else if (what < 8) {
        query(c, "LISTEN ch%d", n);
        want(c, 'C', "LISTEN");
        top(&c->next)->listens |= 1u << n;
    } else {
        query(c, what == 8 ? "UNLISTEN ch%d" : "UNLISTEN *", n);
        want(c, 'C', "UNLISTEN");
        top(&c->next)->listens &= what == 8 ? ~(1u << n) : 0;
    }
    want_ready(c);
    return true;
}

/* ---- cancels ---- */

bool step_cancel(client *c)
{
    char tok[TEXT_MAX];
    if (c->now.status != 'I')
        return false;
    token(c, tok);
    query(c, "SELECT '%s' FROM pg_sleep(0.05)", tok);
    want(c, 'D', "%s", tok);
    want(c, 'C', "SELECT 1");
    want_ready(c);
    client_flush(c);
    client_cancel(c);
    return true;
}

/* ---- COPY ---- */

static void copy_out(client *c)
{
    char tok[TEXT_MAX];
    token(c, tok);
    query(c, "COPY (SELECT '%s',g FROM generate_series(1,3) g) TO STDOUT", tok);
    for (int i = 1; i <= 3; i++)
        want(c, 'd', "%s\t%d\n", tok, i);
    want(c, 'c', "%s", "");
    want(c, 'C', "COPY 3");
}

/* Into a table whose trigger keeps nothing; in the second line there may be no number. */
static void copy_in(client *c)
{
    char tok[TEXT_MAX], line[TEXT_MAX + 16];
    uint64_t how = below(c, 3);
    token(c, tok);
    query(c, "COPY copied FROM STDIN");
    snprintf(line, sizeof(line), "%s\t1\n", tok);
    copy_data(c, line);
    copy_data(c, how == 1 ? "x\tnone\n" : "x\t2\n");
    copy_end(c, how == 2 ? "changed my mind" : NULL);
    if (how == 0) {
        want(c, 'C', "COPY 0");
        return;
    }
    want(c, 'E', how == 1 ? "22P02" : "57014");
    if (c->now.status == 'T')
        c->next.status = 'E';
}

bool step_copy(client *c)
{
    if (percent(c, 40))
        copy_out(c);
    else
        copy_in(c);
    want_ready(c);
    return true;
}

/* ---- pipelines ---- */

/* Settings and rows in one batch; where one fails, none of it happened. */
bool step_pipeline(client *c)
{
    char tok[TEXT_MAX], mem[TEXT_MAX];
    int count = 1 + (int)below(c, 4), id = 1 + (int)below(c, VALUES);
    int bad = percent(c, 40) ? (int)below(c, (uint64_t)count) : -1;
    const char *values[] = {tok}, *sets[] = {setting_text(c, WORK_MEM, id, mem)};
    bool sets_it = percent(c, 50);
    if (sets_it) {
        parse(c, "", "SELECT set_config('work_mem',$1,false)");
        bind_values(c, "", "", sets, 1);
        execute(c, "", 0);
        want(c, '1', "%s", "");
        want(c, '2', "%s", "");
        want(c, 'D', "%s", sets[0]);
        want(c, 'C', "SELECT 1");
    }
    for (int i = 0; i < count; i++) {
        bool skipped = bad >= 0 && i > bad;
        token(c, tok);
        parse(c, "", i == bad ? "SELECT $1::text,1/0" : "SELECT $1::text");
        bind_values(c, "", "", values, 1);
        execute(c, "", 0);
        if (skipped)
            continue;
        want(c, '1', "%s", "");
        if (i == bad) {
            want(c, 'E', "22012"); /* planned, with its constants, when it is bound */
            continue;
        }
        want(c, '2', "%s", "");
        want(c, 'D', "%s", tok);
        want(c, 'C', "SELECT 1");
    }
    sync_batch(c);
    if (bad >= 0 && c->now.status == 'T')
        c->next.status = 'E';
    else if (bad < 0 && sets_it)
        model_set(&c->next, WORK_MEM, id, false);
    want_ready(c);
    return true;
}

/* A portal read in two parts. */
bool step_suspended(client *c)
{
    char tok[TEXT_MAX];
    const char *values[] = {tok};
    token(c, tok);
    parse(c, "", "SELECT $1::text FROM generate_series(1,4)");
    bind_values(c, "", "", values, 1);
    execute(c, "", 2);
    execute(c, "", 0);
    sync_batch(c);
    want(c, '1', "%s", "");
    want(c, '2', "%s", "");
    for (int i = 0; i < 5; i++)
        want(c, i == 2 ? 's' : 'D', "%s", i == 2 ? "" : tok);
    want(c, 'C', "SELECT 2");
    want_ready(c);
    return true;
}
