/* The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.
 *
 * Two messages are held back until the next one is seen. Describe of a portal, because the Execute
 * that usually follows knows the types of columns that nothing declares. Execute of a statement
 * that writes, outside a transaction: before a Sync it commits alone and may share a commit with
 * others (group commit); before anything else it begins an implicit transaction that ends at Sync.
 *
 * Invariant: a message held back is answered before the next one is looked at. Names live until
 * closed; portals until their transaction ends; the unnamed ones also until the next of their kind.
 */
#include "base/utf8.h"
#include "gateway/handover_codec.h"
#include "gateway/local_calls.h"
#include <stdlib.h>

#define PREPARED_MAX_DEFAULT 4096u

struct local_names {
    weir_map statements, portals;
};

/* ---- names ---- */

static local_names *names_of(weir_local *l)
{
    if (!l->names) {
        l->names = calloc(1, sizeof(*l->names));
        if (!l->names)
            return NULL;
        size_t max = l->limits.prepared_max ? l->limits.prepared_max : PREPARED_MAX_DEFAULT;
        weir_map_init(&l->names->statements, (weir_hash_seed){{0}}, max);
        weir_map_init(&l->names->portals, (weir_hash_seed){{0}}, max);
    }
    return l->names;
}

static void drop_empty_names(weir_local *l)
{
    if (!l->names || l->names->statements.len > 0 || l->names->portals.len > 0)
        return;
    weir_map_fini(&l->names->statements);
    weir_map_fini(&l->names->portals);
    free(l->names);
    l->names = NULL;
}

local_statement *local_find_statement(const weir_local *l, weir_slice name)
{
    if (name.len == 0)
        return l->unnamed;
    return l->names ? weir_map_find(&l->names->statements, name) : NULL;
}

local_portal *local_find_portal(const weir_local *l, weir_slice name)
{
    if (name.len == 0)
        return l->unnamed_portal;
    return l->names ? weir_map_find(&l->names->portals, name) : NULL;
}

int local_statement_close(weir_local *l, weir_slice name)
{
    local_statement *s = local_find_statement(l, name);
    if (!s)
        return 1;
    if (name.len == 0)
        l->unnamed = NULL;
    else
        (void)weir_map_remove(&l->names->statements, name);
    local_statement_unref(s);
    drop_empty_names(l);
    return 0;
}

void local_close_portal(weir_local *l, weir_slice name)
{
    local_portal *p = local_find_portal(l, name);
    if (!p)
        return;
    if (name.len == 0)
        l->unnamed_portal = NULL;
    else
        (void)weir_map_remove(&l->names->portals, name);
    local_portal_unref(p);
    drop_empty_names(l);
}

void local_portals_close(weir_local *l)
{
    size_t pos = 0;
    local_portal *p = NULL;
    local_close_portal(l, (weir_slice){0});
    while (l->names && (p = weir_map_next(&l->names->portals, &pos)) != NULL) {
        local_close_portal(l, p->name);
        pos = 0; /* the map changed */
    }
}

/* WITH HOLD, and not undone. */
static bool outlives(const local_portal *p, bool committed)
{
    return p->cursor && p->cursor->options.hold && (committed || !p->cursor->fresh);
}

local_portal *local_next_portal(const weir_local *l, size_t *pos)
{
    return l->names ? weir_map_next(&l->names->portals, pos) : NULL;
}

void local_portals_end(weir_local *l, bool committed)
{
    size_t pos = 0;
    local_portal *p = NULL;
    local_close_portal(l, (weir_slice){0});
    while ((p = local_next_portal(l, &pos)) != NULL) {
        if (outlives(p, committed)) {
            p->cursor->fresh = false;
        } else {
            local_close_portal(l, p->name);
            pos = 0; /* the map changed */
        }
    }
}

void local_statements_close(weir_local *l)
{
    size_t pos = 0;
    local_statement *s = NULL;
    (void)local_statement_close(l, (weir_slice){0});
    while (l->names && (s = weir_map_next(&l->names->statements, &pos)) != NULL) {
        (void)local_statement_close(l, s->name);
        pos = 0;
    }
}

/* Did its client name the parameter's type? */
static bool is_named(const local_statement *s, size_t i)
{
    uint32_t oid = 0;
    size_t at = s->source.len + 1 + i * sizeof(oid);
    if (at + sizeof(oid) <= s->typed.len)
        memcpy(&oid, s->typed.data + at, sizeof(oid));
    return oid != 0;
}

static int save_statement(const local_statement *s, weir_buf *out)
{
    weir_buf oids;
    weir_buf_init(&oids, (size_t)UINT16_MAX * 4);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < s->param_count; i++)
        r = weir_buf_append_u32(&oids, s->oids[i] | (is_named(s, i) ? 0 : LOCAL_OID_UNNAMED));
    const weir_record_statement record = {
        .name = s->name, .oids = weir_buf_slice(&oids), .text = s->source};
    if (r == 0)
        r = weir_record_write_statement(out, &record);
    weir_buf_fini(&oids);
    return r;
}

int local_statements_save(const weir_local *l, weir_buf *out)
{
    const local_statement *s;
    int r = l->unnamed ? save_statement(l->unnamed, out) : 0;
    for (size_t pos = 0; r == 0 && l->names && (s = weir_map_next(&l->names->statements, &pos));)
        r = save_statement(s, out);
    return r;
}

void local_names_free(weir_local *l)
{
    local_portals_close(l);
    local_statements_close(l);
}

/* ---- errors ---- */

static int fail(weir_local *l, const char *sqlstate, const char *what, weir_slice name)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s \"%.*s\"", what, WEIR_UTF8_QUOTED(name, 63));
    local_fail(l, &err);
    return 0;
}

static bool kept(weir_local *l, int r)
{
    weir_error err;
    if (r == 0)
        return true;
    drop_empty_names(l);
    weir_error_set(&err, "53400", "weir: this session has too many prepared statements or portals");
    weir_error_hint(&err, "Close some, or raise limits.prepared.");
    if (r > 0)
        local_fail(l, &err);
    else
        local_broken(l, r);
    return false;
}

bool local_keep_statement(weir_local *l, local_statement *s)
{
    weir_error err;
    if (local_charge_statement(l, s, &err) < 0) {
        local_statement_unref(s);
        local_fail(l, &err);
        return false;
    }
    if (s->name.len == 0) {
        local_statement_unref(l->unnamed);
        l->unnamed = s;
        return true;
    }
    local_names *names = names_of(l);
    int r = names ? weir_map_put(&names->statements, s->name, s, NULL) : -ENOMEM;
    if (r != 0)
        local_statement_unref(s);
    return kept(l, r);
}

bool local_keep_portal(weir_local *l, local_portal *p)
{
    if (p->name.len == 0) {
        local_portal_unref(l->unnamed_portal);
        l->unnamed_portal = p;
        return true;
    }
    local_names *names = names_of(l);
    int r = names ? weir_map_put(&names->portals, p->name, p, NULL) : -ENOMEM;
    if (r != 0)
        local_portal_unref(p);
    return kept(l, r);
}

/* Only what ends a failed transaction is done in it. */
static bool refused_in_failed(weir_local *l, const local_statement *s)
{
    weir_command_kind kind = s->command.kind;
    weir_error err;
    if (l->tx.state != LOCAL_TX_FAILED || kind == WEIR_COMMAND_COMMIT ||
        kind == WEIR_COMMAND_ROLLBACK || kind == WEIR_COMMAND_ROLLBACK_TO ||
        kind == WEIR_COMMAND_EMPTY)
        return false;
    weir_error_set(&err, "25P02",
                   "weir: current transaction is aborted, commands ignored until end of "
                   "transaction block");
    local_fail(l, &err);
    return true;
}

/* ---- Parse ---- */

static int keep_named(local_statement *s)
{
    size_t size = s->param_count * sizeof(*s->oids);
    weir_buf_clear(&s->typed);
    int r = weir_buf_reserve(&s->typed, s->source.len + 1 + size);
    if (r == 0)
        r = weir_buf_append(&s->typed, s->source);
    if (r == 0)
        r = weir_buf_append_u8(&s->typed, 0);
    return r == 0 ? weir_buf_append(&s->typed, weir_slice_make(s->oids, size)) : r;
}

int local_statement_take_oids(local_statement *s, weir_slice oids, size_t given)
{
    free(s->oids);
    s->param_count = 0;
    s->oids = calloc(given > 0 ? given : 1, sizeof(*s->oids));
    if (!s->oids)
        return -ENOMEM;
    weir_pg_reader r = weir_pg_reader_make(oids);
    bool named = false;
    s->param_count = (uint16_t)given;
    for (size_t i = 0; i < given; i++) {
        uint32_t oid = weir_pg_read_u32(&r);
        s->oids[i] = oid & LOCAL_OID_UNNAMED ? 0 : oid;
        named |= s->oids[i] != 0;
    }
    int result = named ? keep_named(s) : 0;
    r = weir_pg_reader_make(oids);
    for (size_t i = 0; i < given; i++)
        s->oids[i] = weir_pg_read_u32(&r) & ~LOCAL_OID_UNNAMED;
    return result;
}

static void parsed(weir_local *l, local_statement *s)
{
    if (local_keep_statement(l, local_statement_ref(s)))
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_PARSE_COMPLETE));
}

bool local_take_description(weir_local *l)
{
    local_run *run = l->run;
    local_statement *s = run->statement;
    local_cache_described(run);
    unsigned total = run->exec.param_total;
    if (total > s->param_count) {
        uint32_t *more = total <= UINT16_MAX ? realloc(s->oids, total * sizeof(*more)) : NULL;
        if (!more) {
            local_broken(l, -ENOMEM);
            return false;
        }
        memset(more + s->param_count, 0, (total - s->param_count) * sizeof(*more));
        s->oids = more;
        s->param_count = (uint16_t)total;
    }
    local_columns_fini(&s->columns);
    s->columns = run->rows.columns;
    run->rows.columns = (local_columns){0};
    s->read_only = run->exec.read_only;
    s->described = true;
    return true;
}

static void parse_described(weir_local *l, bool ok)
{
    if (!ok) {
        weir_error err = l->run->error;
        local_fail(l, &err);
    } else if (local_take_description(l)) {
        parsed(l, l->run->statement);
    }
}

static int check_parse(weir_local *l, const weir_pg_parse *m)
{
    weir_slice rest = m->text;
    (void)weir_compat_split(rest, &rest);
    if (m->name.len > 0 && local_find_statement(l, m->name))
        return fail(l, "42P05", "prepared statement already exists:", m->name), 1;
    if (weir_compat_split(rest, &rest).len > 0)
        return fail(l, "42601", "cannot insert multiple commands into a prepared statement",
                    m->name),
               1;
    return 0;
}

static int on_parse(weir_local *l, weir_slice body)
{
    weir_pg_parse m;
    weir_error err = {0};
    local_statement *s = NULL;
    int r = weir_pg_parse_read(body, &m);
    if (r != 0 || check_parse(l, &m) != 0)
        return r;
    weir_slice rest = m.text;
    r = local_statement_new(l, m.name, weir_compat_split(rest, &rest), &s, &err);
    size_t own =
        r == 0 && (s->command.kind == WEIR_COMMAND_CONFIG || s->command.kind == WEIR_COMMAND_SIGNAL)
            ? weir_compat_largest_param(s->source)
            : 0;
    if (r == 0)
        r = local_statement_take_oids(s, m.oids, own > m.oid_count ? own : m.oid_count);
    if (r > 0) {
        local_fail(l, &err);
    } else if (r < 0) {
        local_broken(l, r);
    } else if (!refused_in_failed(l, s)) {
        if (s->command.kind == WEIR_COMMAND_NONE || s->command.kind == WEIR_COMMAND_DECLARE)
            local_check(l, local_run_describe(l, s, false, parse_described));
        else
            parsed(l, s);
    }
    local_statement_unref(s);
    return 0;
}

/* ---- Describe ---- */

/* A cursor's portal has its own. */
static const local_columns *columns_of(const weir_local *l, const local_statement *s,
                                       const local_portal *p)
{
    if (p && p->cursor)
        return &p->cursor->columns;
    return s->command.kind == WEIR_COMMAND_NONE ? &s->columns : local_sql_columns(l, s);
}

static void send_columns(weir_local *l, const local_statement *s, const local_portal *p)
{
    weir_pg_column own[3];
    const local_columns *c = columns_of(l, s, p);
    size_t count = c ? c->count : local_command_columns(s, own);
    weir_pg_column *items = c ? c->items : own;
    for (size_t i = 0; i < count; i++)
        items[i].format = !p || p->format_count == 0
                              ? 0
                              : p->formats[p->format_count == 1 || i >= p->format_count ? 0 : i];
    local_check(l, count == 0 ? weir_pg_write_empty(&l->out, WEIR_PG_B_NO_DATA)
                              : weir_pg_write_row_description(&l->out, items, count));
}

static void send_statement(weir_local *l, local_statement *s)
{
    local_settle_types(s);
    local_check(l, weir_pg_write_param_description(&l->out, s->oids, s->param_count));
    send_columns(l, s, NULL);
}

static void hints_read(weir_local *l, bool ok)
{
    (void)ok; /* without them it is text */
    local_statement *s = l->hinted;
    l->hinted = NULL;
    send_statement(l, s);
    local_statement_unref(s);
}

static int on_describe(weir_local *l, weir_slice body)
{
    weir_pg_target m;
    int r = weir_pg_target_read(body, &m);
    if (r != 0)
        return r;
    if (m.kind == 'S') {
        local_statement *s = local_find_statement(l, m.name);
        if (!s)
            return fail(l, "26000", "prepared statement does not exist:", m.name);
        if (!refused_in_failed(l, s))
            local_find_types(l, s, hints_read);
        return 0;
    }
    local_portal *p = local_find_portal(l, m.name);
    if (!p)
        return fail(l, "34000", "portal does not exist:", m.name);
    if (p->started || p->statement->command.kind != WEIR_COMMAND_NONE) {
        send_columns(l, p->statement, p);
        return 0;
    }
    l->held = local_portal_ref(p);
    l->held_kind = LOCAL_HELD_DESCRIBE;
    return 0;
}

/* ---- Bind ---- */

static void types_found(weir_local *l, bool ok)
{
    (void)ok;
    local_settle_types(l->hinted);
    local_statement_unref(l->hinted);
    l->hinted = NULL;
}

/* Is a value in binary whose type was named nowhere? It is of the one that Describe would tell. */
static bool lacks_types(const weir_pg_bind *m, const local_statement *s)
{
    bool named = m->format_count <= 1 || m->format_count == m->value_count;
    for (size_t i = 0; named && i < m->value_count && i < s->param_count; i++)
        if (s->oids[i] == 0 && weir_pg_format_at(m->formats, m->format_count, i) == 1)
            return true;
    return false;
}

static int bind(weir_local *l, const weir_pg_bind *m, local_statement *s)
{
    weir_error err;
    local_portal *p = NULL;
    int r = local_statement_renew(l, s, &err);
    if (r == 0)
        r = local_portal_new(m, s, &p, &err);
    if (r < 0)
        return r;
    if (r > 0 || local_charge_portal(l, p, m->values.len, &err) < 0) {
        local_portal_unref(p);
        local_fail(l, &err);
        return 0;
    }
    return local_keep_portal(l, p) ? weir_pg_write_empty(&l->out, WEIR_PG_B_BIND_COMPLETE) : 0;
}

static int on_bind(weir_local *l, weir_slice body)
{
    weir_pg_bind m;
    int r = weir_pg_bind_read(body, &m);
    if (r != 0)
        return r;
    local_statement *s = local_find_statement(l, m.statement);
    if (!s)
        return fail(l, "26000", "prepared statement does not exist:", m.statement);
    if (m.portal.len > 0 && local_find_portal(l, m.portal))
        return fail(l, "42P03", "portal already exists:", m.portal);
    if (refused_in_failed(l, s))
        return 0;
    if (lacks_types(&m, s)) {
        local_find_types(l, s, types_found);
        if (l->phase != LOCAL_REST)
            return WEIR_LOCAL_BUSY; /* the message comes again */
    }
    local_check(l, bind(l, &m, s));
    return 0;
}

/* ---- Execute ---- */

/* The size of the DataRow at the front of what is kept. */
static size_t kept_message(const local_portal *p)
{
    uint8_t type = 0;
    size_t size = 0;
    weir_slice rest = weir_slice_skip(weir_buf_slice(&p->kept), p->kept_pos);
    int r = weir_pg_frame_head(rest, WEIR_PG_MESSAGE_SIZE_MAX, &type, &size);
    return r == 0 ? size : rest.len;
}

static void finish_portal(weir_local *l, local_portal *p)
{
    weir_buf_fini(&p->kept);
    local_charge_drop(&p->kept_charge);
    p->kept_pos = 0;
    local_send_tag(l, p->tag);
    if (strncmp(p->tag, "SELECT ", 7) == 0)
        memcpy(p->tag, "SELECT 0", 9); /* what an Execute after the last row says */
}

void local_portal_give(weir_local *l, local_portal *p)
{
    uint32_t rows_max = p->rows_max;
    size_t begin = p->kept_pos;
    uint32_t rows = 0;
    while (p->kept_pos < p->kept.len && (rows_max == 0 || rows < rows_max)) {
        p->kept_pos += kept_message(p);
        rows++;
    }
    if (p->kept_pos > begin) {
        local_flush(l);
        l->host.write(l->host.user, weir_slice_make(p->kept.data + begin, p->kept_pos - begin));
    }
    if (rows_max > 0 && rows == rows_max)
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_PORTAL_SUSPENDED));
    else
        finish_portal(l, p);
}

static void make_tag(local_portal *p, const local_run *run)
{
    weir_buf tag;
    weir_buf_init(&tag, sizeof(p->tag) - 1);
    if (weir_compat_tag(run->statement->source, run->exec.outcome.returned_rows, run->rows.count,
                        run->exec.outcome.changes, &tag) == 0 &&
        tag.len > 0)
        memcpy(p->tag, tag.data, tag.len);
    weir_buf_fini(&tag);
}

static void portal_ran(weir_local *l, bool ok)
{
    local_run *run = l->run;
    if (!ok) {
        weir_error err = run->error;
        local_fail(l, &err);
        return;
    }
    if (run->from_cache)
        return;
    local_portal *p = local_portal_ref(run->portal);
    if (run->rows.describe && !run->rows.described && !run->head_hidden)
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_NO_DATA));
    make_tag(p, run);
    p->finished = true;
    if (run->keep) {
        p->kept = run->exec.out;
        p->kept_charge = run->charge;
        run->exec.out = (weir_buf){0};
        run->charge = (local_charge){0};
        if (run->rows.describe && run->rows.described) {
            p->kept_pos = kept_message(p);
            local_flush(l);
            if (!run->head_hidden)
                l->host.write(l->host.user, weir_slice_make(p->kept.data, p->kept_pos));
        }
        local_cache_finish_kept(run, p);
        local_portal_give(l, p);
    } else {
        size_t before = l->out.len;
        local_send_tag(l, p->tag);
        local_cache_finish(run, weir_slice_skip(weir_buf_slice(&l->out), before));
        if (strncmp(p->tag, "SELECT ", 7) == 0)
            memcpy(p->tag, "SELECT 0", 9);
    }
    local_portal_unref(p);
}

static void command_ran(weir_local *l, bool ok)
{
    (void)l, (void)ok;
}

static void run_portal(weir_local *l, local_portal *p)
{
    bool describe = p->describe_owed;
    p->describe_owed = false;
    p->started = true;
    if (!local_cache_portal(l, p, describe))
        local_check(l, local_run_statement(l, p->statement, p, describe, portal_ran));
}

static void execute(weir_local *l, local_portal *p)
{
    local_statement *s = p->statement;
    if (s->command.kind != WEIR_COMMAND_NONE) {
        /* The command may close its own portal (COMMIT). */
        (void)local_statement_ref(s);
        if (p->cursor)
            local_cursor_give(l, p);
        else
            local_command_run(l, s, p, command_ran);
        local_statement_unref(s);
    } else if (p->finished) {
        local_portal_give(l, p);
    } else if (p->started) {
        (void)fail(l, "55000", "portal cannot be run:", p->name);
    } else if (local_statement_writes(s) && !local_tx_in_block(l)) {
        l->held = local_portal_ref(p);
        l->held_kind = LOCAL_HELD_EXECUTE;
    } else {
        run_portal(l, p);
    }
}

static int on_execute(weir_local *l, weir_slice body)
{
    weir_pg_execute m;
    int r = weir_pg_execute_read(body, &m);
    if (r != 0)
        return r;
    local_portal *p = local_find_portal(l, m.portal);
    if (!p)
        return fail(l, "34000", "portal does not exist:", m.portal);
    if (refused_in_failed(l, p->statement))
        return 0;
    p->rows_max = m.rows_max;
    execute(l, p);
    return 0;
}

/* ---- what is held back ---- */

static bool executes(const local_portal *p, uint8_t next, weir_slice body)
{
    weir_pg_execute m;
    return next == WEIR_PG_F_EXECUTE && weir_pg_execute_read(body, &m) == 0 &&
           weir_slice_eq(m.portal, p->name);
}

int local_held_resolve(weir_local *l, uint8_t next, weir_slice body)
{
    local_portal *p = l->held;
    local_held kind = (local_held)l->held_kind;
    l->held = NULL;
    l->held_kind = LOCAL_HELD_NONE;
    if (kind == LOCAL_HELD_DESCRIBE) {
        if (executes(p, next, body))
            p->describe_owed = true;
        else
            send_columns(l, p->statement, p);
    } else {
        if (next != WEIR_PG_F_SYNC)
            local_tx_begin_implicit(l);
        run_portal(l, p);
    }
    local_portal_unref(p);
    return l->phase == LOCAL_REST ? 0 : WEIR_LOCAL_BUSY;
}

/* ---- the rest ---- */

static int on_close(weir_local *l, weir_slice body)
{
    weir_pg_target m;
    int r = weir_pg_target_read(body, &m);
    if (r != 0)
        return r;
    if (m.kind == 'S')
        (void)local_statement_close(l, m.name); /* an unknown name is no error */
    else
        local_close_portal(l, m.name);
    local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_CLOSE_COMPLETE));
    return 0;
}

static void synced(weir_local *l, bool ok)
{
    (void)ok;
    l->skipping = false;
    local_send_ready(l);
}

static int on_sync(weir_local *l, weir_slice body)
{
    if (body.len > 0)
        return -EPROTO;
    l->skipping = false;
    local_tx_end_implicit(l, synced);
    return 0;
}

int local_extended_feed(weir_local *l, const weir_pg_frame *frame)
{
    switch (frame->type) {
    case WEIR_PG_F_PARSE:
        return on_parse(l, frame->body);
    case WEIR_PG_F_BIND:
        return on_bind(l, frame->body);
    case WEIR_PG_F_DESCRIBE:
        return on_describe(l, frame->body);
    case WEIR_PG_F_EXECUTE:
        return on_execute(l, frame->body);
    case WEIR_PG_F_CLOSE:
        return on_close(l, frame->body);
    case WEIR_PG_F_SYNC:
        return on_sync(l, frame->body);
    default:
        return 0; /* Flush: replies leave by themselves */
    }
}
