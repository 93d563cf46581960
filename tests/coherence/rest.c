/* At rest every read is asked through both gateways and around them, and has to give the same
 * bytes: what is stale now is stale for ever. At the end of a run all of them, and those that are
 * asked for often in every way to ask. */
#include "coherence.h"
#include "wire.h"
#include <poll.h>
#include <string.h>

/* ---- so that what is there becomes what the model knows ---- */

static void say_version(client *c, int64_t which)
{
    c->family = (int)(which / KEYS);
    say(c, "SELECT version FROM @item WHERE id = $1", 1, which % KEYS);
}

static void settle(client *direct)
{
    for (int i = 0; i < FAMILIES * KEYS; i++) {
        int family = i / KEYS, key = i % KEYS;
        direct->how = NAMED;
        client_ask(direct, say_version, i);
        model_settle(&keys[family][key], direct->st[0].value[0][0]);
        key_doubtful[family][key] = false;
    }
    settle_more(direct);
    w.doubt = false;
}

/* ---- comparing ---- */

typedef struct question {
    unsigned shape; /* or a text */
    int64_t which;
    const char *text;
} question;

static void say_question(client *c, int64_t argument)
{
    const question *q = (const question *)(intptr_t)argument;
    if (q->text) {
        say(c, q->text, 0);
        return;
    }
    c->family = (int)(q->which / read_shapes(q->shape));
    read_shape(c, q->shape, q->which % read_shapes(q->shape));
}

static void ask(client *c, const question *q, enum how how)
{
    c->how = how;
    client_ask(c, say_question, (int64_t)(intptr_t)q);
}

static bool same(const statement *a, const statement *b)
{
    return a->rows == b->rows && a->columns == b->columns && a->sum == b->sum;
}

/* At the end twice: if the first was not there, it is perhaps kept. */
static void compare(client *of[WAYS], const question *q, enum how how)
{
    ask(of[AROUND], q, how);
    for (int i = 0; i < (w.ending ? 2 : 1) * AROUND; i++) {
        client *c = of[i % AROUND];
        ask(c, q, how);
        w.compared++;
        if (!same(&c->st[0], &of[AROUND]->st[0]))
            blame(c, &c->st[0], "stale for ever: %lld, not %lld", (long long)c->st[0].value[0][0],
                  (long long)of[AROUND]->st[0].value[0][0]);
    }
}

static void compare_shapes(client *of[WAYS])
{
    for (unsigned shape = 0; read_shapes(shape); shape++) {
        for (int64_t which = 0; which < FAMILIES * read_shapes(shape); which++) {
            question q = {.shape = shape, .which = which};
            if (which % 3 != 0 && choose(of[AROUND], 4) != 0 && !w.ending)
                continue; /* not among those that are asked for often */
            enum how how = (enum how)choose(of[AROUND], HOWS);
            compare(of, &q, how);
            for (int more = 1; w.ending && which % 3 == 0 && more < HOWS; more++)
                compare(of, &q, (enum how)(((int)how + more) % HOWS));
        }
    }
}

static void compare_texts(client *of[WAYS], const char *(*text)(int number))
{
    question q = {0};
    for (int i = 0; (q.text = text(i)); i++)
        for (int how = 0; how < HOWS; how++)
            compare(of, &q, (enum how)how);
}

void rest_compare(void)
{
    client *of[WAYS] = {NULL};
    for (unsigned i = 0; i < w.client_count; i++)
        of[w.clients[i].way] = &w.clients[i];
    settle(of[AROUND]);
    poll(NULL, 0, (int)(w.bound / 1000000) + 20);
    compare_shapes(of);
    compare_texts(of, switch_text);
    compare_texts(of, roles_text);
    w.rests++;
}
