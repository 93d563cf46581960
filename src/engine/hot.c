/* See hot.h. A table of sets: an answer has its place in one of them; a new one takes the place of
 * the lightest there, and its weight beside its own, so that what comes often stays and what came
 * once is soon displaced (space saving, Metwally et al. 2005). */
#include "engine/hot.h"
#include "base/spin.h"
#include "engine/cache_internal.h"
#include <stdlib.h>

#define SETS 128u
#define WAYS 8u
#define SAMPLE 17u /* a prime: what comes in turn is not always or never the one */
#define QUESTION_MAX 4096u
#define FADES 64u /* a look takes so much of a weight: half of it in three quarters of an hour */

typedef struct place {
    uint64_t hash, weight;
    uint32_t scope, len;
    uint8_t *question; /* NULL: free */
} place;

struct weir_hot {
    weir_spin busy; /* a worker that finds it taken notes nothing */
    unsigned countdown;
    place places[SETS * WAYS];
};

int weir_engine_note_hot(weir_engine *engine)
{
    for (unsigned i = 0; engine->cache && i < engine->options.workers; i++) {
        weir_worker *w = engine->workers[i];
        if (!w || w->hot)
            continue;
        w->hot = calloc(1, sizeof(*w->hot));
        if (!w->hot)
            return -ENOMEM;
        w->hot->countdown = SAMPLE;
    }
    return 0;
}

void weir_hot_free(struct weir_hot *hot)
{
    for (size_t i = 0; hot && i < SETS * WAYS; i++)
        free(hot->places[i].question);
    free(hot);
}

static place *find_place(struct weir_hot *hot, const weir_entry *e, weir_slice question)
{
    place *set = &hot->places[e->hash % SETS * WAYS], *lightest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].question && set[i].hash == e->hash && set[i].len == question.len)
            return &set[i];
        if (set[i].weight < lightest->weight)
            lightest = &set[i];
    }
    return lightest;
}

static void note(struct weir_hot *hot, const weir_entry *e, uint64_t weight)
{
    weir_slice question = weir_entry_question(e);
    if (question.len == 0 || question.len > QUESTION_MAX)
        return;
    place *p = find_place(hot, e, question);
    if (!p->question || p->hash != e->hash || p->len != question.len) {
        uint8_t *copy = malloc(question.len);
        if (!copy)
            return;
        free(p->question);
        memcpy(copy, question.data, question.len);
        p->question = copy;
        p->hash = e->hash;
        p->len = (uint32_t)question.len;
        p->scope = e->scope;
    }
    p->weight += weight;
}

void weir_hot_note(weir_worker *worker, const weir_entry *entry, uint64_t run_ns)
{
    struct weir_hot *hot = worker->hot;
    if (--hot->countdown > 0)
        return;
    hot->countdown = SAMPLE;
    if (!weir_spin_try_lock(&hot->busy))
        return;
    note(hot, entry, run_ns / 1000 + 1);
    weir_spin_unlock(&hot->busy);
}

static void look(const weir_engine *engine, struct weir_hot *hot,
                 void (*visit)(void *user, const weir_hot_answer *answer), void *user)
{
    for (size_t i = 0; i < SETS * WAYS; i++) {
        place *p = &hot->places[i];
        if (!p->question || p->scope >= engine->database_count)
            continue;
        weir_hot_answer answer = {.database = engine->databases[p->scope],
                                  .question = weir_slice_make(p->question, p->len),
                                  .weight = p->weight};
        visit(user, &answer);
        p->weight -= p->weight / FADES;
    }
}

void weir_engine_each_hot(weir_engine *engine,
                          void (*visit)(void *user, const weir_hot_answer *answer), void *user)
{
    for (unsigned i = 0; i < engine->options.workers; i++) {
        struct weir_hot *hot = engine->workers[i] ? engine->workers[i]->hot : NULL;
        if (!hot)
            continue;
        weir_spin_lock(&hot->busy);
        look(engine, hot, visit, user);
        weir_spin_unlock(&hot->busy);
    }
}
