/* What is written (coherence.h). Shared keys by statements that return the version; of the others
 * one is written by one client at a time, so that its version is known without being returned. */
#include "coherence.h"
#include <stdio.h>
#include <string.h>

enum { KEY, VERSION, KEY2, VERSION2, COUNT, SPOILT };

static const char *const returning[] = {
    "UPDATE @item SET version = version + 1 WHERE id = $1 RETURNING version",
    "UPDATE @item SET version = version + 1 WHERE id = $1 RETURNING version",
    "UPDATE @seen SET version = version + 1 WHERE id = $1 RETURNING version",
    "WITH one AS (UPDATE @item SET version = version + 1 WHERE id = $1 RETURNING version) "
    "SELECT version FROM one",
    "INSERT INTO @item (id, owner, version) VALUES ($1, 0, 0) ON CONFLICT (id) DO UPDATE SET "
    "version = @item.version + 1 RETURNING version",
    "SELECT @raise_it($1)", /* nobody knows what it writes: all is forgotten */
};
enum { RETURNING = sizeof(returning) / sizeof(returning[0]) };

/* A key that is nobody else's, or -1. */
static int64_t take_key(client *c)
{
    for (int tries = 0; tries < 4; tries++) {
        int64_t key = SHARED + choose_key(c, KEYS - SHARED);
        if (!key_busy[c->family][key] && !key_doubtful[c->family][key]) {
            key_busy[c->family][key] = true;
            return key;
        }
    }
    return -1;
}

static int64_t any_key(client *c)
{
    return choose_key(c, SHARED);
}

static statement *raise(client *c, int64_t key)
{
    statement *s = say(c, returning[choose(c, choose(c, 400) ? RETURNING - 1 : RETURNING)], 1, key);
    model_sends(&keys[c->family][key]);
    return s;
}

static bool stands(const client *c)
{
    return !c->lost && !c->broken && c->st[c->answered - 1].done;
}

static bool write_alone(client *c)
{
    if (c->step == 0) {
        c->memory[KEY] = any_key(c);
        raise(c, c->memory[KEY]);
        return true;
    }
    if (c->step == 1 && stands(c))
        model_acked(&keys[c->family][c->memory[KEY]], c, c->st[0].value[0][0]);
    if (c->step == 1 && choose(c, 2)) {
        read_key(c, c->memory[KEY]);
        return true;
    }
    return false;
}

/* Blind ones: each raises the key's version by one, and does not say to what. */
static const char *const blind[] = {
    "INSERT INTO @door VALUES ($1)",
    "MERGE INTO @item AS i USING (SELECT $1::int AS id) AS s ON i.id = s.id "
    "WHEN MATCHED THEN UPDATE SET version = i.version + 1",
    "CALL @raise_and_commit($1)",
    "DO $$ BEGIN PERFORM @raise_it($1); END $$",
    "PREPARE raising AS UPDATE @item SET version = version + 1 WHERE id = $1; EXECUTE raising; "
    "DEALLOCATE raising",
    "UPDATE @item SET version = version + 1 WHERE id = $1; COMMIT; SELECT 1 / 0",
    "UPDATE @item SET version = version + 1 WHERE id = $1; SELECT version FROM @item WHERE id = $1",
    "CALL @raise_and_fail($1)",
    "UPDATE @item SET version = @item.version + 1 FROM @linked AS l WHERE l.item = @item.id AND "
    "l.item = $1",
    "SELECT @raise_it(id) FROM @item WHERE id = $1 FOR UPDATE",
    "SET synchronous_commit = off; UPDATE @item SET version = version + 1 WHERE id = $1; "
    "RESET synchronous_commit",
};
enum { BLIND = sizeof(blind) / sizeof(blind[0]), ALWAYS_SIMPLE_FROM = 3, ALWAYS_SIMPLE_TO = 6 };

static bool write_blindly(client *c)
{
    if (c->step == 0) {
        c->memory[KEY] = take_key(c);
        if (c->memory[KEY] < 0)
            return false;
        int64_t kind = choose(c, BLIND);
        if ((kind >= ALWAYS_SIMPLE_FROM && kind <= ALWAYS_SIMPLE_TO) || kind == BLIND - 1)
            c->how = SIMPLE;
        c->may_fail = kind == 5 || kind == 7;
        c->memory[SPOILT] = c->may_fail;
        say(c, blind[kind], 1, c->memory[KEY]);
        model_sends(&keys[c->family][c->memory[KEY]]);
        return true;
    }
    counter *k = &keys[c->family][c->memory[KEY]];
    if (c->step == 1 || c->step == LOST) {
        bool meant = c->memory[SPOILT] && (strcmp(c->st[0].sqlstate, "22012") == 0 ||
                                           strcmp(c->st[0].sqlstate, "P0001") == 0);
        if (!c->lost && (meant || !c->broken))
            model_acked(k, c, k->total + 1);
        else
            key_doubtful[c->family][c->memory[KEY]] = true;
        key_busy[c->family][c->memory[KEY]] = false;
        if (c->status == 'I') {
            read_key(c, c->memory[KEY]);
            return true;
        }
    }
    return false;
}

/* DELETE cascades, and everything is made anew. */
static bool write_anew(client *c)
{
    int64_t key = c->memory[KEY];
    switch (c->step) {
    case 0:
        c->memory[KEY] = take_key(c);
        if (c->memory[KEY] < 0)
            return false;
        say(c, "BEGIN", 0);
        return true;
    case 1:
        say(c, "DELETE FROM @item WHERE id = $1", 1, key);
        return true;
    case 2:
        if (!stands(c))
            break;
        model_sends(&keys[c->family][key]);
        say(c, "INSERT INTO @item (id, owner, version) VALUES ($1, $2, $3)", 3, key, key % OWNERS,
            keys[c->family][key].total + 1);
        say(c, "INSERT INTO @linked VALUES ($1, $2)", 2, key, keys[c->family][key].total + 1);
        return true;
    case 3:
        if (!stands(c))
            break;
        say(c, "COMMIT", 0);
        return true;
    default:
        if (stands(c))
            model_acked(&keys[c->family][key], c, keys[c->family][key].total + 1);
    }
    key_doubtful[c->family][key] = !stands(c);
    key_busy[c->family][key] = false;
    return false;
}

/* One or two rows, perhaps with something that is taken back; COMMIT or ROLLBACK. What is rolled
 * back is marked. */
static void transaction_step(client *c)
{
    if (c->memory[SPOILT]) {
        say(c, "UPDATE @item SET mark = -1, version = version + 1 WHERE id = $1 RETURNING version",
            1, c->memory[KEY]);
        model_sends(&keys[c->family][c->memory[KEY]]);
    } else if (choose(c, 4) == 0 && !*w.disturbances) { /* what follows a loss would stand alone */
        c->how = SIMPLE;
        c->apart = true;
        say(c, "SAVEPOINT s", 0);
        say(c, "UPDATE @item SET mark = -1, version = version + 1 WHERE id = $1", 1,
            c->memory[KEY]);
        say(c, "ROLLBACK TO s", 0);
        raise(c, c->memory[KEY]);
    } else {
        raise(c, c->memory[KEY]);
    }
}

static bool write_in_transaction(client *c)
{
    switch (c->step) {
    case 0:
        c->memory[KEY] = any_key(c);
        c->memory[KEY2] = c->memory[KEY] + 1 + choose(c, SHARED);
        c->memory[SPOILT] = choose(c, 3) == 0;
        say(c, choose(c, 3) ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ", 0);
        return true;
    case 1:
        if (choose(c, 2))
            read_key(c, c->memory[KEY]);
        else
            transaction_step(c);
        c->memory[VERSION] = c->count > 1 || !c->st[0].expected;
        return true;
    case 2:
        if (!stands(c))
            return false;
        if (c->memory[VERSION])
            c->memory[VERSION] = c->st[c->answered - 1].value[0][0];
        if (c->memory[KEY2] < SHARED && !c->memory[SPOILT])
            raise(c, c->memory[KEY2]);
        else
            say(c, "SELECT 0", 0);
        return true;
    case 3:
        if (!stands(c))
            return false;
        c->memory[VERSION2] = c->st[0].value[0][0];
        say(c, c->memory[SPOILT] ? "ROLLBACK" : "COMMIT", 0);
        return true;
    default:
        if (!stands(c) || c->memory[SPOILT])
            break;
        model_acked(&keys[c->family][c->memory[KEY]], c, c->memory[VERSION]);
        if (c->memory[KEY2] < SHARED)
            model_acked(&keys[c->family][c->memory[KEY2]], c, c->memory[VERSION2]);
    }
    if (c->step > 4)
        return false;
    read_key(c, c->memory[KEY]);
    return true;
}

/* A pipeline or text that fails after a write and a read of it: nothing of it was ever. */
static bool write_in_vain(client *c)
{
    if (c->step == 0) {
        c->memory[KEY] = any_key(c);
        c->may_fail = true;
        say(c, "UPDATE @item SET mark = -1, version = version + 1 WHERE id = $1", 1,
            c->memory[KEY]);
        model_sends(&keys[c->family][c->memory[KEY]]);
        say(c, "SELECT version, mark FROM @item WHERE id = $1", 1, c->memory[KEY]);
        say(c, "SELECT 1 / ($1 - $1)", 1, c->memory[KEY]);
        return true;
    }
    c->may_fail = false;
    if (c->step == 1)
        read_key(c, c->memory[KEY]);
    return c->step == 1;
}

static void check_own(client *c, statement *s)
{
    if (s->rows != 1 || s->value[0][0] < c->st[0].value[0][0])
        blame(c, s, "saw %lld after its own %lld", (long long)s->value[0][0],
              (long long)c->st[0].value[0][0]);
}

/* UPDATE, then the read, without waiting for the outcome. */
static bool write_and_read_on(client *c)
{
    if (c->step == 0) {
        c->apart = true;
        c->memory[KEY] = any_key(c);
        raise(c, c->memory[KEY]);
        statement *s = say(c, "SELECT version, mark FROM @item WHERE id = $1", 1, c->memory[KEY]);
        s->check = w.level == BOUNDED ? NULL : check_own;
        return true;
    }
    if (stands(c))
        model_acked(&keys[c->family][c->memory[KEY]], c, c->st[0].value[0][0]);
    return false;
}

/* Who is refused has to see why. */
static bool write_optimistically(client *c)
{
    if (c->step == 0) {
        c->memory[KEY] = any_key(c);
        c->memory[COUNT] = 0;
        read_key(c, c->memory[KEY]);
    } else if (!stands(c) || c->memory[COUNT] > 5) {
        return false;
    } else if (c->step % 2) {
        c->memory[VERSION] = c->st[0].value[0][0];
        model_sends(&keys[c->family][c->memory[KEY]]);
        say(c,
            "UPDATE @item SET version = version + 1 WHERE id = $1 AND version = $2 "
            "RETURNING version",
            2, c->memory[KEY], c->memory[VERSION]);
    } else if (c->st[0].rows == 1) {
        model_acked(&keys[c->family][c->memory[KEY]], c, c->st[0].value[0][0]);
        return false;
    } else {
        c->memory[COUNT]++;
        statement *s = read_key(c, c->memory[KEY]);
        if (w.level != BOUNDED)
            s->cells[0].least = c->memory[VERSION] + 1;
    }
    return true;
}

static bool make_or_find(client *c)
{
    static int64_t newest;
    switch (c->step) {
    case 0:
        newest += choose(c, 6) == 0;
        c->memory[KEY] = newest;
        say(c, "SELECT count(*) FROM made WHERE id = $1", 1, c->memory[KEY]);
        return true;
    case 1:
        if (!stands(c) || c->st[0].value[0][0] == 1)
            return false;
        c->may_fail = true;
        say(c, "INSERT INTO made VALUES ($1)", 1, c->memory[KEY]);
        return true;
    case 2:
        if (c->lost || (c->broken && strcmp(c->st[0].sqlstate, "23505") != 0))
            return false;
        c->may_fail = false;
        if (w.level == BOUNDED)
            return false;
        expect_exactly(say(c, "SELECT count(*) FROM made WHERE id = $1", 1, c->memory[KEY]), 1);
        return true;
    default:
        return false;
    }
}

/* Whoever holds the lock sees everything that was done under it, wherever. */
static bool write_locked(client *c)
{
    int64_t key = c->memory[KEY];
    switch (c->step) {
    case 0:
        c->memory[KEY] = any_key(c);
        say(c, "BEGIN", 0);
        return true;
    case 1:
        say(c,
            choose(c, 2) ? "SELECT pg_advisory_xact_lock($1)"
                         : "SELECT version FROM @item WHERE id = $1 FOR UPDATE",
            1, key);
        return true;
    case 2:
        if (!stands(c))
            return false;
        read_key(c, key)->cells[0].least = keys[c->family][key].total;
        return true;
    case 3:
        raise(c, key);
        return true;
    case 4:
        if (!stands(c))
            return false;
        c->memory[VERSION] = c->st[0].value[0][0];
        say(c, "COMMIT", 0);
        return true;
    default:
        if (stands(c))
            model_acked(&keys[c->family][key], c, c->memory[VERSION]);
        return false;
    }
}

/* ---- rows that leave one predicate for another ---- */

static bool move(client *c)
{
    static const char *const texts[] = {
        "UPDATE moved SET version = version + 1, place = (version + 1) % 4 WHERE id = $1 "
        "RETURNING version",
        "UPDATE moved_full SET version = version + 1, place = (version + 1) % 4 WHERE id = $1 "
        "RETURNING version",
        "UPDATE part SET version = version + 1, place = (version + 1) % 4 WHERE id = $1 "
        "RETURNING version"};
    if (c->step == 0) {
        c->memory[KEY] = choose(c, MOVERS);
        c->memory[KEY2] = choose(c, 3);
        model_sends(&movers[c->memory[KEY2]][c->memory[KEY]]);
        c->may_fail = c->memory[KEY2] == 2; /* moved to another partition meanwhile: 40001 */
        say(c, texts[c->memory[KEY2]], 1, c->memory[KEY]);
        return true;
    }
    if (stands(c) && c->st[0].rows == 1)
        model_acked(&movers[c->memory[KEY2]][c->memory[KEY]], c, c->st[0].value[0][0]);
    return false;
}

bool act_write(client *c)
{
    static const struct {
        bool (*act)(client *);
        int64_t weight;
    } acts[] = {{write_alone, 160},
                {write_in_transaction, 56},
                {move, 64},
                {write_optimistically, 48},
                {write_locked, 16},
                {make_or_find, 32},
                {write_and_read_on, 16},
                {write_side, 12},
                {write_anew, 3},
                {write_in_vain, 2},
                {write_blindly, 2},
                {act_more, 3}}; /* the rarest touch everything */
    enum { ACTS = sizeof(acts) / sizeof(acts[0]), SUM = 414 };
    int64_t chosen = choose(c, SUM);
    unsigned i = 0;
    for (; i + 1 < ACTS && chosen >= acts[i].weight; i++)
        chosen -= acts[i].weight;
    c->family = choose(c, 150) ? PLAIN : TRIGGERED;
    c->act = acts[i].act;
    return c->act(c);
}
