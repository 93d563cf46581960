/* The types of parameters that a client named nowhere: those that the statement's translation gives
 * them, or, where it has none, what its words say and the columns that they meet. */
#include "gateway/local_calls.h"

/* What is said here holds: a client may send text in binary because of it. */
void local_settle_types(local_statement *s)
{
    for (size_t i = 0; i < s->param_count; i++)
        if (s->oids[i] == 0)
            s->oids[i] = s->command.kind == WEIR_COMMAND_SIGNAL ? WEIR_OID_INT4 : WEIR_OID_TEXT;
}

static bool is_hinted(const weir_compat_hint *h, weir_slice name, int64_t position)
{
    char wanted[128];
    weir_compat_name_fold(h->column, wanted, sizeof(wanted));
    return h->column.len > 0 ? weir_slice_eq_nocase(name, wanted)
                             : h->position > 0 && (int64_t)h->position == position;
}

/* The types of parameters that were named nowhere: those of the columns they meet. */
static int on_column_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    local_statement *s = user;
    weir_compat_hint hints[64];
    char declared[128];
    (void)out;
    if (count != 3 || cells[0].type != WEIR_VALUE_TEXT || cells[1].type != WEIR_VALUE_TEXT ||
        cells[2].type != WEIR_VALUE_INTEGER)
        return 0;
    weir_slice type = cells[1].u.bytes;
    size_t len = type.len < sizeof(declared) - 1 ? type.len : sizeof(declared) - 1;
    memcpy(declared, type.data, len);
    declared[len] = '\0';
    weir_compat_param_hints(s->source, hints, 64);
    uint32_t oid = weir_compat_declared_oid(declared);
    for (size_t i = 0; i < s->param_count && i < 64; i++)
        if (s->oids[i] == 0 && is_hinted(&hints[i], cells[0].u.bytes, cells[2].u.integer))
            s->oids[i] = hints[i].array ? weir_compat_array_oid(oid) : oid;
    return 0;
}

static int on_column_head(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    (void)user, (void)out, (void)columns, (void)count;
    return 0;
}

static void take_plain_hints(local_statement *s, bool *ret_columns)
{
    weir_compat_hint hints[64];
    weir_compat_param_hints(s->source, hints, 64);
    *ret_columns = false;
    for (size_t i = 0; i < s->param_count && i < 64; i++) {
        if (s->oids[i] == 0)
            s->oids[i] = hints[i].oid;
        if (s->oids[i] == 0 && (hints[i].column.len > 0 || hints[i].position > 0))
            *ret_columns = true;
    }
}

/* As the statement's words say; `then` comes when the columns are known. */
static void read_hints(weir_local *l, local_statement *s, local_then then)
{
    bool columns = false;
    weir_buf query;
    take_plain_hints(s, &columns);
    weir_buf_init(&query, WEIR_SQL_TEXT_MAX);
    if (columns && weir_compat_columns_query(s->source, &query) == 0) {
        weir_encoder encoder = {.columns = on_column_head, .row = on_column_row, .user = s};
        local_check(l, local_run_control(l, weir_buf_slice(&query), &encoder, then));
    } else {
        then(l, true);
    }
    weir_buf_fini(&query);
}

/* "23,0,25,": one cell. */
static int on_types_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    local_statement *s = user;
    (void)out;
    if (count != 1 || cells[0].type != WEIR_VALUE_TEXT)
        return 0;
    weir_slice list = cells[0].u.bytes;
    uint32_t oid = 0;
    for (size_t i = 0, at = 0; at < list.len && i < s->param_count; at++) {
        if (list.data[at] != ',') {
            oid = oid * 10 + (uint32_t)(list.data[at] - '0');
            continue;
        }
        if (s->oids[i] == 0)
            s->oids[i] = oid;
        oid = 0;
        i++;
    }
    s->oids_resolved = true;
    return 0;
}

static void types_read(weir_local *l, bool ok)
{
    (void)ok;
    local_statement *s = l->hinted;
    if (s->oids_resolved) {
        l->hinted_then(l, true);
        return;
    }
    s->oids_resolved = true;
    read_hints(l, s, l->hinted_then);
}

static bool lacks_any(const local_statement *s)
{
    for (size_t i = 0; i < s->param_count; i++)
        if (s->oids[i] == 0)
            return true;
    return false;
}

void local_find_types(weir_local *l, local_statement *s, local_then then)
{
    weir_buf query;
    weir_slice source = local_statement_key(s);
    l->hinted = local_statement_ref(s);
    l->hinted_then = then;
    if (s->oids_resolved || s->command.kind != WEIR_COMMAND_NONE || !lacks_any(s)) {
        s->oids_resolved = true;
        then(l, true);
        return;
    }
    weir_buf_init(&query, 2 * WEIR_SQL_TEXT_MAX + 64);
    int r = weir_buf_append(&query, WEIR_SLICE_LIT("SELECT weir_parameter_types(x'"));
    for (size_t i = 0; r == 0 && i < source.len; i++)
        r = weir_buf_printf(&query, "%02x", source.data[i]);
    if (r == 0)
        r = weir_buf_append(&query, WEIR_SLICE_LIT("')"));
    weir_encoder encoder = {.columns = on_column_head, .row = on_types_row, .user = s};
    if (r == 0)
        local_check(l, local_run_control(l, weir_buf_slice(&query), &encoder, types_read));
    else
        types_read(l, false);
    weir_buf_fini(&query);
}
