/* SET CONSTRAINTS: foreign keys are looked at now, or at the transaction's end. SQLite knows how
 * each was declared, and one switch for all of them until COMMIT; IMMEDIATE looks at once, and
 * those declared INITIALLY DEFERRED are deferred again. */
#include "gateway/local_calls.h"

static void looked(weir_local *l, bool ok)
{
    local_then then = l->control_then;
    weir_error err = l->run->error;
    l->control_then = NULL;
    if (ok)
        local_send_tag(l, "SET CONSTRAINTS");
    else
        local_fail(l, &err);
    then(l, ok);
}

void local_set_constraints(weir_local *l, const weir_command *c, local_then then)
{
    static const char look[] = "SELECT weir_fail('23503', 'a foreign key constraint that was "
                               "deferred is violated') WHERE weir_deferred_keys()";
    weir_slice text = weir_slice_cstr(c->local ? "PRAGMA defer_foreign_keys=ON" : look);
    bool block = l->tx.state == LOCAL_TX_EXPLICIT || l->tx.state == LOCAL_TX_IMPLICIT;
    if (!block)
        local_send_warning(l, "25P01", "SET CONSTRAINTS can only be used in transaction blocks");
    /* Where nothing has been written, nothing can be broken. */
    if (!block || l->tx.read_only || (!c->local && !l->tx.writer)) {
        local_send_tag(l, c->tag);
        then(l, true);
        return;
    }
    l->control_then = then;
    local_check(l, local_run_own(l, text, false, looked));
}
