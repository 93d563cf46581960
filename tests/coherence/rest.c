/* At rest every read is asked through both gateways and around them, and has to give the same: what
 * is stale now is stale for ever. */
#include "coherence.h"
#include "wire.h"
#include <poll.h>
#include <string.h>

/* Direct, so that what is there becomes what the model knows. */
static void settle(client *direct)
{
    statement *s = &direct->st[0];
    for (int i = 0; i < FAMILIES * KEYS; i++) {
        int family = i / KEYS, key = i % KEYS;
        direct->count = 0;
        direct->how = NAMED;
        direct->family = family;
        say(direct, "SELECT version FROM @item WHERE id = $1", 1, (int64_t)key);
        client_send(direct);
        client_wait(direct);
        model_settle(&keys[family][key], s->value[0][0]);
        key_doubtful[family][key] = false;
    }
}

static bool same(const statement *a, const statement *b)
{
    unsigned rows = a->rows < ROWS_MAX ? a->rows : ROWS_MAX;
    if (a->rows != b->rows || a->columns != b->columns)
        return false;
    for (unsigned i = 0; i < rows; i++)
        for (unsigned n = 0; n < a->columns && n < CELLS_MAX; n++)
            if (a->value[i][n] != b->value[i][n])
                return false;
    return true;
}

static void ask(client *c, unsigned shape, int64_t which, enum how how)
{
    c->count = 0;
    c->how = how;
    c->family = (int)(which / read_shapes(shape));
    read_shape(c, shape, which % read_shapes(shape));
    client_send(c);
    client_wait(c);
}

void rest_compare(void)
{
    client *of[WAYS] = {NULL};
    for (unsigned i = 0; i < w.client_count; i++)
        of[w.clients[i].way] = &w.clients[i];
    settle(of[AROUND]);
    poll(NULL, 0, (int)(w.bound / 1000000) + 20);
    for (unsigned shape = 0; read_shapes(shape); shape++) {
        for (int64_t which = 0; which < FAMILIES * read_shapes(shape); which++) {
            if (which % 3 != 0 && choose(of[AROUND], 4) != 0)
                continue; /* not among those that are asked for often */
            ask(of[AROUND], shape, which, EXTENDED);
            for (int way = 0; way < AROUND; way++) {
                ask(of[way], shape, which, (enum how)choose(of[way], HOWS));
                if (!same(&of[way]->st[0], &of[AROUND]->st[0]))
                    blame(of[way], &of[way]->st[0], "stale for ever: %lld, not %lld",
                          (long long)of[way]->st[0].value[0][0],
                          (long long)of[AROUND]->st[0].value[0][0]);
            }
        }
    }
    w.rests++;
}
