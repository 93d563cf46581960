/* Is this the server that was asked for (target_session_attrs, as libpq has it)? PostgreSQL 14 and
 * newer report in_hot_standby and default_transaction_read_only at login; older ones are asked.
 *
 *   LOGIN ──ReadyForQuery──► fits? ──► READY
 *                     └─ not told ──► asked (PROBING) ──► fits? ──► READY, or the next address */
#include "backend/postgres/internal.h"

static const char question[] = "SELECT pg_catalog.pg_is_in_recovery(), "
                               "pg_catalog.current_setting('transaction_read_only')";

static bool is_on(weir_slice value)
{
    return weir_slice_eq_cstr(value, "on") || weir_slice_eq_cstr(value, "t");
}

static bool reported(const pg_conn *c, const char *name, bool *ret)
{
    weir_slice rest = weir_buf_slice(&c->welcome);
    weir_pg_frame f;
    while (weir_pg_frame_next(rest, rest.len + 1, &f) == 0) {
        weir_pg_reader r = weir_pg_reader_make(f.body);
        weir_slice key = weir_pg_read_cstr(&r), value = weir_pg_read_cstr(&r);
        if (r.ok && weir_slice_eq_cstr(key, name)) {
            *ret = is_on(value);
            return true;
        }
        rest = weir_slice_skip(rest, f.whole.len);
    }
    return false;
}

static bool suits(const pg_conn *c)
{
    switch (c->place->options.target) {
    case WEIR_POSTGRES_READ_WRITE:
        return !c->standby && !c->read_only;
    case WEIR_POSTGRES_READ_ONLY:
        return c->standby || c->read_only;
    case WEIR_POSTGRES_PRIMARY:
        return !c->standby;
    case WEIR_POSTGRES_STANDBY:
        return c->standby;
    case WEIR_POSTGRES_PREFER_STANDBY:
        return c->standby || c->second_pass;
    case WEIR_POSTGRES_ANY:
        break;
    }
    return true;
}

static int judge(pg_conn *c)
{
    if (suits(c))
        return 0;
    weir_error_set(&c->lost, "08006", "weir: the server at %s is %s, not what %s asks for",
                   c->address_used,
                   c->standby     ? "a standby"
                   : c->read_only ? "read-only"
                                  : "a primary that takes writes",
                   "target_session_attrs");
    return -EREMOTE;
}

int pg_target_check(pg_conn *c)
{
    if (c->place->options.target == WEIR_POSTGRES_ANY)
        return 0;
    if (c->probing)
        return judge(c);
    if (reported(c, "in_hot_standby", &c->standby) &&
        reported(c, "default_transaction_read_only", &c->read_only))
        return judge(c);
    weir_buf out;
    weir_buf_init(&out, 256);
    c->probing = true;
    int r = weir_pg_write_query(&out, weir_slice_make(question, sizeof(question) - 1));
    if (r == 0)
        weir_stream_write(c->stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r == 0 ? PG_TARGET_ASKED : r;
}

int pg_target_row(pg_conn *c, weir_slice body)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_slice values[2];
    unsigned count = weir_pg_read_u16(&r);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t len = weir_pg_read_u32(&r);
        values[i] = weir_pg_read_bytes(&r, len);
    }
    if (!r.ok || count != 2)
        return -EPROTO;
    c->standby = is_on(values[0]);
    c->read_only = is_on(values[1]);
    return 0;
}

/* A write was refused there: perhaps it is no primary any more. This connection is replaced when it
 * is next asked for; the new one is checked. */
void pg_target_refused(pg_conn *c)
{
    weir_postgres_target target = c->place->options.target;
    if ((target == WEIR_POSTGRES_READ_WRITE || target == WEIR_POSTGRES_PRIMARY) &&
        strcmp(c->sqlstate, "25006") == 0)
        c->misplaced = true;
}
