/* Which history a connection reads: what is read on it may be kept only if it is the one that is
 * followed (DESIGN section 5; proofs, rows 6 and 13). After a failover, behind a name that stands
 * for several servers, or where a standby is taken for a primary, it is another.
 *
 * Invariant: a server that said that it is a primary, and on which timeline, stays that for as long
 * as the connection lasts. A standby may be promoted under its connections: it is asked again when
 * following begins anew. */
#include "backend/postgres/internal.h"
#include <stdlib.h>

static const char question[] =
    "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
    " pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
    " WHERE NOT pg_catalog.pg_is_in_recovery()";

static pg_conn *of_question(weir_question *q)
{
    return WEIR_CONTAINER_OF(q, pg_conn, asked_who);
}

/* A number of up to 20 bytes; 0: it is none. */
static uint64_t read_number(weir_slice text, int base)
{
    char digits[24] = "";
    if (text.len >= sizeof(digits))
        return 0;
    memcpy(digits, text.data, text.len);
    return strtoull(digits, NULL, base);
}

static void on_row(weir_question *q, const weir_slice *values, unsigned count)
{
    pg_conn *c = of_question(q);
    if (count != 2 || !values[0].data || !values[1].data)
        return;
    c->base.system = read_number(values[0], 10);
    c->base.timeline = (uint32_t)read_number(values[1], 16);
}

static void on_done(weir_question *q, const weir_error *err)
{
    pg_conn *c = of_question(q);
    c->identifying = false;
    if (err && strcmp(err->sqlstate, "57014") == 0)
        c->identified--; /* it ran under a session's timeout: the next one may have another */
    else if (err && c->state == PG_READY)
        weir_log_event(c->place->options.log, WEIR_LOG_POSTGRES, WEIR_LOG_WARN,
                       "a server does not say who it is: what is read there is not kept",
                       WEIR_F_STR("server", c->address_used ? c->address_used : ""),
                       WEIR_F_STR("reason", err->message));
}

int pg_identify(pg_conn *c)
{
    uint32_t followed = atomic_load_explicit(&pg_backend_of(c)->followed, memory_order_acquire);
    if (c->base.system != 0 || c->identifying || c->identified == followed)
        return 0;
    c->identified = followed;
    c->identifying = true;
    c->asked_who = (weir_question){
        .text = weir_slice_make(question, sizeof(question) - 1), .row = on_row, .done = on_done};
    int r = pg_ask(&c->base, &c->asked_who);
    c->identifying = r == 0;
    return r;
}
