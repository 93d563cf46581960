/* The change clock in every order of steps. A few actors (who write, who follow a history, who
 * fill, who ask), each a short list of steps around the real clock, are run in all their
 * interleavings; no answer may be given that lacks a change which was told before it was asked for.
 *
 * usage: test_changes_orders [--expect-violation]
 * Without the word, sound scenarios must have no violation, and those with their steps the wrong
 * way round must have some: an explorer that finds nothing there would find nothing here. With it
 * (for builds that hold a fault), a sound scenario must have one. */
#include "cache/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTORS_MAX 4
#define ORDER_MAX 32
#define CHANGES_MAX 8

enum { RELATION = 11, COLUMN = 22, VALUE = 33 };

typedef enum step {
    END,
    MAKE,       /* the change is there: new snapshots see it */
    NEXT_LOCAL, /* takes a position */
    NEXT_WAL,
    BUMP_LOCAL, /* the actor's id, with its position */
    BUMP_WAL,
    FLOOR_LOCAL,
    FLOOR_WAL,
    PUBLISH,
    TELL,       /* who asks from now on must see it */
    CAPTURE,    /* a fill: its as-of */
    READ,       /* ... and what it sees is kept */
    ASK,        /* a read begins */
    ASK_PASSED, /* ... and must see all changes up to the newest published position */
    GIVE        /* ... and is given what is kept, if that stands */
} step;

typedef struct role {
    const step *steps;
    uint64_t id; /* what it bumps */
} role;

typedef struct actor {
    const role *role;
    unsigned at;
    uint64_t position, number; /* of its change */
    uint64_t required;         /* newest change that its answer must hold */
} actor;

typedef struct world {
    weir_changes *changes;
    uint64_t made, told;              /* numbers of changes */
    uint64_t by_wal[CHANGES_MAX + 1]; /* the newest change that a `wal` position covers */
    weir_asof asof;
    uint64_t kept; /* newest change in what is kept */
    bool is_kept;
    weir_dependency dependency;
    bool violated, given, refused;
} world;

typedef struct tally {
    unsigned long orders, violations, given, refused;
} tally;

/* ---- one step ---- */

static uint64_t newest_passed(const world *w)
{
    return w->by_wal[weir_changes_now(w->changes).wal];
}

static void give(world *w, const actor *a)
{
    if (!w->is_kept)
        return;
    if (weir_changes_judge(w->changes, w->asof, &w->dependency, 1) == WEIR_VERDICT_STANDS) {
        w->given = true;
        w->violated |= w->kept < a->required;
    } else {
        w->refused = true;
    }
}

static void write_step(world *w, actor *a, step s)
{
    weir_changes *c = w->changes;
    weir_hand hand = s == BUMP_WAL || s == FLOOR_WAL ? WEIR_HAND_WAL : WEIR_HAND_LOCAL;
    if (s == MAKE)
        a->number = ++w->made;
    else if (s == NEXT_LOCAL)
        a->position = weir_changes_next_local(c);
    else if (s == NEXT_WAL)
        w->by_wal[a->position = weir_changes_next_wal(c)] = a->number;
    else if (s == BUMP_LOCAL || s == BUMP_WAL)
        weir_changes_bump(c, hand, a->role->id, a->position);
    else if (s == FLOOR_LOCAL || s == FLOOR_WAL)
        weir_changes_raise_floor(c, hand, a->position);
    else if (s == PUBLISH)
        weir_changes_publish_wal(c, a->position);
    else if (a->number > w->told) /* TELL */
        w->told = a->number;
}

static void take_step(world *w, actor *a)
{
    step s = a->role->steps[a->at++];
    if (s == CAPTURE) {
        w->asof = weir_changes_now(w->changes);
    } else if (s == READ) {
        w->kept = w->made;
        w->is_kept = true;
    } else if (s == ASK) {
        a->required = w->told;
    } else if (s == ASK_PASSED) {
        a->required = newest_passed(w);
    } else if (s == GIVE) {
        give(w, a);
    } else {
        write_step(w, a, s);
    }
}

/* ---- all orders ---- */

typedef struct scenario {
    const char *name;
    weir_dependency dependency;
    bool wrong; /* must be caught */
    role roles[ACTORS_MAX];
} scenario;

static void play(const scenario *s, const uint8_t *order, unsigned length, tally *t)
{
    actor actors[ACTORS_MAX] = {{0}};
    for (unsigned i = 0; i < ACTORS_MAX; i++)
        actors[i].role = &s->roles[i];
    world w = {.dependency = s->dependency};
    weir_changes_options options = {.slots = 64, .columns_max = 0, .seed = {{1, 2}}};
    if (weir_changes_new(&options, &w.changes) < 0)
        abort();
    for (unsigned i = 0; i < length; i++)
        take_step(&w, &actors[order[i]]);
    weir_changes_free(w.changes);
    t->orders++;
    t->violations += w.violated;
    t->given += w.given;
    t->refused += w.refused;
}

static void explore(const scenario *s, unsigned at[ACTORS_MAX], uint8_t *order, unsigned length,
                    tally *t)
{
    bool over = true;
    for (uint8_t i = 0; i < ACTORS_MAX; i++) {
        const step *steps = s->roles[i].steps;
        if (!steps || steps[at[i]] == END)
            continue;
        over = false;
        order[length] = i;
        at[i]++;
        explore(s, at, order, length + 1, t);
        at[i]--;
    }
    if (over)
        play(s, order, length, t);
}

/* ---- scenarios ---- */

static const step by_hand[] = {MAKE, NEXT_LOCAL, BUMP_LOCAL, TELL, END};
static const step flush_all[] = {MAKE, NEXT_LOCAL, FLOOR_LOCAL, TELL, END};
static const step commit[] = {MAKE, NEXT_WAL, BUMP_WAL, PUBLISH, TELL, END};
static const step two_commits[] = {MAKE,     NEXT_WAL, BUMP_WAL, PUBLISH, TELL, MAKE,
                                   NEXT_WAL, BUMP_WAL, PUBLISH,  TELL,    END};
static const step others[] = {MAKE, NEXT_WAL, FLOOR_WAL, PUBLISH, TELL, END};
static const step fill[] = {CAPTURE, READ, END};
static const step ask[] = {ASK, GIVE, END};
static const step ask_twice[] = {ASK, GIVE, ASK, GIVE, END};
static const step ask_passed[] = {ASK_PASSED, GIVE, END};
/* The wrong way round. */
static const step position_first[] = {NEXT_LOCAL, MAKE, BUMP_LOCAL, TELL, END};
static const step told_first[] = {MAKE, NEXT_LOCAL, TELL, BUMP_LOCAL, END};
static const step published_unseen[] = {NEXT_WAL, BUMP_WAL, PUBLISH, MAKE, TELL, END};
static const step published_unbumped[] = {MAKE, NEXT_WAL, PUBLISH, BUMP_WAL, TELL, END};
static const step read_first[] = {READ, CAPTURE, END};

#define WHOLE                                                                                      \
    {                                                                                              \
        .relation = RELATION                                                                       \
    }
#define KEYED                                                                                      \
    {                                                                                              \
        .relation = RELATION, .column = COLUMN, .value = VALUE                                     \
    }

static const scenario scenarios[] = {
    {"two by hand", WHOLE, false, {{by_hand, RELATION}, {by_hand, RELATION}, {fill, 0}, {ask, 0}}},
    {"one by hand, asked twice", WHOLE, false, {{by_hand, RELATION}, {fill, 0}, {ask_twice, 0}}},
    {"value and unknown value",
     KEYED,
     false,
     {{by_hand, VALUE}, {by_hand, COLUMN}, {fill, 0}, {ask, 0}}},
    {"by hand and a commit",
     WHOLE,
     false,
     {{by_hand, RELATION}, {commit, RELATION}, {fill, 0}, {ask, 0}}},
    {"two commits", WHOLE, false, {{two_commits, RELATION}, {fill, 0}, {ask_twice, 0}}},
    {"two commits, position passed",
     WHOLE,
     false,
     {{two_commits, RELATION}, {fill, 0}, {ask_passed, 0}}},
    {"flush and by hand", WHOLE, false, {{flush_all, 0}, {by_hand, RELATION}, {fill, 0}, {ask, 0}}},
    {"others and by hand", WHOLE, false, {{others, 0}, {by_hand, RELATION}, {fill, 0}, {ask, 0}}},
    {"position before the change", WHOLE, true, {{position_first, RELATION}, {fill, 0}, {ask, 0}}},
    {"told before the bump", WHOLE, true, {{told_first, RELATION}, {fill, 0}, {ask, 0}}},
    {"published before visible", WHOLE, true, {{published_unseen, RELATION}, {fill, 0}, {ask, 0}}},
    {"published before the bump",
     WHOLE,
     true,
     {{published_unbumped, RELATION}, {fill, 0}, {ask_passed, 0}}},
    {"as-of after the read", WHOLE, true, {{by_hand, RELATION}, {read_first, 0}, {ask, 0}}},
};

int main(int argc, char **argv)
{
    bool expect = argc > 1 && strcmp(argv[1], "--expect-violation") == 0;
    bool wrong = false, found = false;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]) && !(expect && found); i++) {
        const scenario *s = &scenarios[i];
        tally t = {0};
        explore(s, (unsigned[ACTORS_MAX]){0}, (uint8_t[ORDER_MAX]){0}, 0, &t);
        printf("%-30s %7lu orders: given in %7lu, refused in %7lu, violated in %lu%s\n", s->name,
               t.orders, t.given, t.refused, t.violations, s->wrong ? " (wrong on purpose)" : "");
        found |= !s->wrong && t.violations > 0;
        wrong |= s->wrong != (t.violations > 0) || t.given == 0 || t.refused == 0;
    }
    return expect ? !found : wrong;
}
