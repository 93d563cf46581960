/* What prepared statements, portals and cursors hold, charged to memory.max: one may be bounded
 * (limits.result_size), but a client has as many as it likes, and there are many clients.
 *
 * Invariant: a charge is never less than what it stands for, except for a row that is just being
 * written; it moves with its buffer from the run to the portal, and ends with it. */
#include "gateway/local_calls.h"

#define SMALL                                                                                      \
    16384u /* an unnamed portal of this size is not worth two atomic operations a Bind             \
            */

static int refuse(weir_error *err)
{
    weir_error_set(err, "53200",
                   "weir: out of memory: what cursors, portals and prepared statements may hold is "
                   "used");
    weir_error_hint(err, "Close some, read in smaller parts, or raise memory.max.");
    return -ENOMEM;
}

/* To `size` in all. */
static int charge(local_charge *c, weir_memory *memory, weir_memory_owner owner, size_t size)
{
    if (!memory || size <= c->size)
        return 0;
    int r = weir_memory_charge(memory, owner, size - c->size);
    if (r == 0)
        *c = (local_charge){memory, owner, size};
    return r;
}

void local_charge_drop(local_charge *c)
{
    if (c->size > 0)
        weir_memory_release(c->memory, c->owner, c->size);
    *c = (local_charge){0};
}

int local_charge_rows(const weir_local *l, local_charge *c, size_t size, weir_error *err)
{
    return charge(c, l->host.memory, WEIR_MEMORY_RESULT, size) == 0 ? 0 : refuse(err);
}

int local_charge_portal(const weir_local *l, local_portal *p, size_t values_size, weir_error *err)
{
    size_t size = sizeof(*p) + values_size + p->rewritten.cap;
    if (p->name.len == 0 && size <= SMALL)
        return 0;
    return charge(&p->charge, l->host.memory, WEIR_MEMORY_CLIENT, size) == 0 ? 0 : refuse(err);
}

int local_charge_statement(const weir_local *l, local_statement *s, weir_error *err)
{
    size_t columns = s->columns.names.cap + s->columns.count * (sizeof(*s->columns.items) + 1);
    size_t size = sizeof(*s) + s->owned.cap + s->typed.cap + s->param_count * sizeof(*s->oids);
    if (s->name.len == 0 && size + columns <= SMALL)
        return 0;
    return charge(&s->charge, l->host.memory, WEIR_MEMORY_CLIENT, size + columns) == 0
               ? 0
               : refuse(err);
}

/* ---- rows that are kept, on the executing thread ---- */

static int on_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    local_run *run = user;
    return run->encoder.columns(run->encoder.user, out, columns, count);
}

/* A buffer that has grown holds nothing yet where it is new. */
static int on_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    local_run *run = user;
    int r = run->encoder.row(run->encoder.user, out, cells, count);
    if (r == 0 && charge(&run->charge, run->memory, WEIR_MEMORY_RESULT, out->cap) < 0)
        r = refuse(&run->rows.error);
    return r;
}

weir_encoder local_kept_encoder(local_run *run)
{
    return (weir_encoder){.columns = on_columns, .row = on_row, .user = run};
}
