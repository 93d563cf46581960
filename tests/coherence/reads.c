/* What is read, and what each answer has to be (coherence.h). Every shape is of a kind that may be
 * cached; some depend on a row, some on a table, some on several. */
#include "coherence.h"
#include <string.h>

enum { ANY_FAMILY, OF_PLAIN, OF_TRIGGERED };
enum { BY_KEY, BY_OWNER, OF_ALL, BY_PLACE, SINGLE };

/* Columns: v the version, 0 and n what they have to be (n: as many rows), s the shift. */
static const struct shape {
    const char *sql, *columns;
    int by, of; /* of: ANY_FAMILY, or the family and one */
} shapes[] = {
    {"SELECT version, mark FROM @item WHERE id = $1", "v0", BY_KEY, ANY_FAMILY},
    {"SELECT version, mark FROM @item WHERE id = $1", "v0", BY_KEY, ANY_FAMILY},
    {"SELECT version FROM t_audit WHERE item = $1", "v", BY_KEY, OF_TRIGGERED},
    {"SELECT version FROM t_stamp WHERE item = $1", "v", BY_KEY, OF_TRIGGERED},
    {"SELECT version FROM @linked WHERE item = $1", "v", BY_KEY, ANY_FAMILY},
    {"SELECT version, mark FROM @seen WHERE id = $1", "v0", BY_KEY, ANY_FAMILY},
    {"SELECT i.version, a.version FROM t_item i JOIN t_audit a ON a.item = i.id WHERE i.id = $1",
     "vv", BY_KEY, OF_TRIGGERED},
    {"SELECT i.version, l.version FROM @item i LEFT JOIN @linked l ON l.item = i.id WHERE i.id = "
     "$1",
     "vv", BY_KEY, ANY_FAMILY},
    {"SELECT i.version, (SELECT s.version FROM t_stamp s WHERE s.item = i.id) FROM t_item i "
     "WHERE i.id = $1",
     "vv", BY_KEY, OF_TRIGGERED},
    {"WITH one AS (SELECT version, mark FROM @item WHERE id = $1) SELECT version, mark FROM one",
     "v0", BY_KEY, ANY_FAMILY},
    {"SELECT max(version) FROM @item WHERE id IN ($1)", "v", BY_KEY, ANY_FAMILY},
    {"SELECT i.version FROM @item i WHERE i.id = $1 AND NOT EXISTS "
     "(SELECT 1 FROM @linked l WHERE l.item = $1 AND l.version < 0)",
     "v", BY_KEY, ANY_FAMILY},
    {"SELECT version / 1000000000, version % 1000000000 FROM shifted WHERE id = $1", "sv", BY_KEY,
     OF_PLAIN},
    {"SELECT sum(version)::int8, count(*), min(mark)::int4 FROM @item WHERE owner = $1", "vn0",
     BY_OWNER, ANY_FAMILY},
    {"SELECT sum(version)::int8, count(*) FROM t_audit WHERE owner = $1", "vn", BY_OWNER,
     OF_TRIGGERED},
    {"SELECT version FROM @summed WHERE owner = $1", "v", BY_OWNER, ANY_FAMILY},
    {"SELECT sum(l.version)::int8, count(*) FROM @linked l JOIN @item i ON i.id = l.item "
     "WHERE i.owner = $1",
     "vn", BY_OWNER, ANY_FAMILY},
    {"SELECT sum(version)::int8, min(mark)::int4 FROM @item", "v0", OF_ALL, ANY_FAMILY},
    {"SELECT sum(version)::int8 FROM (SELECT version FROM @linked ORDER BY item) AS all_of_them",
     "v", OF_ALL, ANY_FAMILY},
    {"SELECT id, version FROM moved WHERE place = $1 ORDER BY id", "0", BY_PLACE, ANY_FAMILY},
    {"SELECT id, version FROM moved_full WHERE place = $1 ORDER BY id", "1", BY_PLACE, ANY_FAMILY},
    {"SELECT id, version FROM part WHERE place = $1 ORDER BY id", "2", BY_PLACE, ANY_FAMILY},
    {"SELECT count(*) FROM feed", "f", SINGLE, ANY_FAMILY},
    {"SELECT max(version) FROM slate", "l", SINGLE, ANY_FAMILY},
    {"SELECT version FROM typed WHERE id = 1", "t", SINGLE, ANY_FAMILY},
};

static const char *const leaves[] = {
    "SELECT id, version FROM part_0 ORDER BY id", "SELECT id, version FROM part_1 ORDER BY id",
    "SELECT id, version FROM part_2 ORDER BY id", "SELECT id, version FROM part_3 ORDER BY id"};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Each mover is there, with a version that puts it there, or may be elsewhere. */
static void check_place(client *c, statement *s)
{
    const counter *of = movers[s->argument / PLACES];
    int64_t place = s->argument % PLACES;
    unsigned row = 0;
    for (int id = 0; id < MOVERS; id++) {
        int64_t least = s->least[id], most = of[id].sent;
        if (row < s->rows && s->value[row][0] == id) {
            int64_t seen = s->value[row++][1];
            if (seen < least || seen > most || seen % PLACES != place)
                blame(c, s, "mover %d has %lld, not of %lld to %lld", id, (long long)seen,
                      (long long)least, (long long)most);
        } else if (least == most && least % PLACES == place) {
            blame(c, s, "mover %d is not there with %lld", id, (long long)least);
        }
    }
    if (row != s->rows)
        blame(c, s, "%u rows, of which %u were expected", s->rows, row);
}

static statement *read_place(client *c, const char *sql, int variant, int place, bool leaf)
{
    statement *s = leaf ? say(c, leaves[place], 0) : say(c, sql, 1, (int64_t)place);
    s->check = check_place;
    s->argument = variant * PLACES + place;
    for (int i = 0; i < MOVERS; i++)
        s->least[i] = model_least(&movers[variant][i], c);
    return s;
}

static const counter *counter_of(const struct shape *shape, int family, int64_t which)
{
    if (shape->of != ANY_FAMILY)
        family = shape->of - OF_PLAIN;
    return shape->by == BY_KEY     ? &keys[family][which]
           : shape->by == BY_OWNER ? &owners[family][which]
                                   : &whole[family];
}

static void expect_columns(client *c, statement *s, const struct shape *shape, int64_t which)
{
    for (const char *at = shape->columns; *at; at++) {
        switch (*at) {
        case 'v':
            expect(c, s, counter_of(shape, c->family, which));
            break;
        case 's':
            expect(c, s, &shift);
            break;
        case 'f':
            expect(c, s, &feeds);
            break;
        case 'l':
            expect(c, s, &slate);
            break;
        case 't':
            expect(c, s, &typed);
            break;
        default:
            expect_exactly(s, *at == 'n' ? KEYS / OWNERS : 0);
        }
    }
}

statement *read_shape(client *c, unsigned number, int64_t which)
{
    const struct shape *shape = &shapes[number];
    if (shape->by == BY_PLACE)
        return read_place(c, shape->sql, shape->columns[0] - '0', (int)which, false);
    bool parameter = shape->by == BY_KEY || shape->by == BY_OWNER;
    statement *s = parameter ? say(c, shape->sql, 1, which) : say(c, shape->sql, 0);
    expect_columns(c, s, shape, which);
    return s;
}

unsigned read_shapes(unsigned number)
{
    static const unsigned of[] = {
        [BY_KEY] = KEYS, [BY_OWNER] = OWNERS, [OF_ALL] = 1, [BY_PLACE] = PLACES, [SINGLE] = 1};
    return number < SHAPES ? of[shapes[number].by] : 0;
}

statement *read_key(client *c, int64_t key)
{
    return read_shape(c, 0, key);
}

statement *read_something(client *c)
{
    unsigned number = (unsigned)choose(c, SHAPES + 3);
    if (number == SHAPES)
        return read_place(c, NULL, 2, (int)choose(c, PLACES), true);
    if (number == SHAPES + 1)
        return read_side(c, choose(c, 2));
    if (number > SHAPES)
        return read_switch(c);
    c->family = choose(c, 4) ? PLAIN : TRIGGERED;
    if (choose(c, 4))
        number -= number % 6; /* some more often than others */
    return read_shape(c, number,
                      shapes[number].by == BY_KEY ? choose_key(c, KEYS)
                                                  : choose(c, read_shapes(number)));
}

/* ---- acts ---- */

/* A replica may answer it, if there is one: it is to see the same. */
static void hint(client *c, statement *s)
{
    static const char words[] = "/* weir: replica */ ";
    size_t len = strlen(s->sql), more = sizeof(words) - 1;
    if (!disturbed("replica") || c->way == AROUND || choose(c, 4) == 0)
        return;
    if (len + more >= sizeof(s->sql))
        fail("a text is too long for a hint");
    memmove(s->sql + more, s->sql, len + 1);
    memcpy(s->sql, words, more);
}

static bool read_alone(client *c)
{
    if (c->step > 0)
        return false;
    hint(c, read_something(c));
    return true;
}

/* In a pipeline, a text of several, or each with its own end. */
static bool read_several(client *c)
{
    if (c->step > 0)
        return false;
    c->apart = choose(c, 2);
    for (int64_t n = 2 + choose(c, 3); n > 0; n--)
        hint(c, read_something(c));
    return true;
}

static bool read_in_transaction(client *c)
{
    if (c->step == 0) {
        c->memory[0] = 2 + choose(c, 3);
        say(c, "BEGIN", 0);
    } else if (c->step <= c->memory[0]) {
        read_something(c);
    } else if (c->step == c->memory[0] + 1) {
        say(c, choose(c, 2) ? "COMMIT" : "ROLLBACK", 0);
    } else {
        return false;
    }
    return true;
}

static void check_same(client *c, statement *s)
{
    if (s->rows != 1 || s->value[0][0] != s->argument)
        blame(c, s, "saw %lld in a snapshot that has %lld", (long long)s->value[0][0],
              (long long)s->argument);
}

static bool read_repeatably(client *c)
{
    switch (c->step) {
    case 0:
        c->memory[0] = choose(c, KEYS);
        say(c, "BEGIN ISOLATION LEVEL REPEATABLE READ", 0);
        return true;
    case 1:
        read_key(c, c->memory[0]);
        return true;
    case 2:
        c->memory[1] = c->st[0].value[0][0];
        say(c, "SELECT sum(version)::int8 FROM @item", 0);
        return true;
    case 3: {
        statement *s = say(c, "SELECT version, mark FROM @item WHERE id = $1", 1, c->memory[0]);
        s->check = check_same;
        s->argument = c->memory[1];
        return true;
    }
    case 4:
        say(c, "COMMIT", 0);
        return true;
    default:
        return false;
    }
}

bool act_read(client *c)
{
    int64_t kind = choose(c, 100);
    c->act = kind < 80   ? read_alone
             : kind < 88 ? read_several
             : kind < 95 ? read_in_transaction
                         : read_repeatably;
    return c->act(c);
}
