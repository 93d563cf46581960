/* The cache in the face of a virtual server: asks it before a read is run, fills it from what is
 * run, and gives what it holds.
 *
 * An answer is kept as one run of messages: RowDescription, the DataRows, CommandComplete; whoever
 * was not asked to describe leaves the first away. What its bytes depend on beside the data is the
 * identity: the statement as its client wrote it, parameters, result formats, the names that it may
 * ask for, changed settings.
 *
 * Invariant: nothing is asked inside a transaction that has done more than read, or that keeps one
 * snapshot: its own writes and its isolation are the connection's to know. */
#include "gateway/local_core.h"
#include <stdlib.h>
#include <strings.h>

/* ---- identity ---- */

static void put(weir_buf *b, const void *bytes, size_t len)
{
    if (b->size_max > 0 && weir_buf_append(b, weir_slice_make(bytes, len)) < 0)
        b->size_max = 0; /* too long, or no memory: it is no identity any more */
}

static void put_sized(weir_buf *b, weir_slice s)
{
    uint32_t len = (uint32_t)s.len;
    put(b, &len, sizeof(len));
    put(b, s.data, s.len);
}

static void put_params(weir_buf *b, const local_portal *p)
{
    for (size_t i = 0; i < p->statement->param_count; i++) {
        const weir_value *v = &p->params[i];
        uint8_t type = (uint8_t)v->type;
        put(b, &type, 1);
        if (v->type == WEIR_VALUE_TEXT || v->type == WEIR_VALUE_BLOB)
            put_sized(b, v->u.bytes);
        else if (v->type == WEIR_VALUE_INTEGER)
            put(b, &v->u.integer, sizeof(v->u.integer));
        else if (v->type == WEIR_VALUE_REAL)
            put(b, &v->u.real, sizeof(v->u.real));
    }
}

/* All text, as the simple protocol has it, is no formats at all. */
static void put_formats(weir_buf *b, const local_portal *p)
{
    uint16_t count = 0;
    for (uint16_t i = 0; p && i < p->format_count; i++)
        if (p->formats[i] != 0)
            count = p->format_count;
    put(b, &count, sizeof(count));
    if (count > 0)
        put(b, p->formats, count * sizeof(*p->formats));
}

static weir_buf *begin_identity(weir_local *l, char kind)
{
    weir_buf *b = weir_session_begin_identity(l->session);
    put(b, &kind, 1);
    put_sized(b, l->user);
    put_sized(b, l->database);
    local_settings_identity(l, b);
    return b;
}

static void identify(weir_local *l, weir_slice source, const local_portal *p)
{
    weir_buf *b = begin_identity(l, 'R');
    put_formats(b, p);
    uint32_t params = p ? p->statement->param_count : 0;
    put(b, &params, sizeof(params));
    if (p)
        put_params(b, p);
    put(b, source.data, source.len);
}

/* ---- what may be asked ---- */

static bool transaction_allows(const weir_local *l)
{
    const local_tx *tx = &l->tx;
    return tx->state == LOCAL_TX_IDLE ||
           (tx->state != LOCAL_TX_FAILED && tx->isolation == WEIR_ISOLATION_READ_COMMITTED &&
            !tx->writer && !tx->snapshot && !tx->more_than_read);
}

static bool is_read(const local_statement *s)
{
    return s->words.kind == WEIR_KIND_READ && !s->asks_for_session && !local_statement_writes(s);
}

/* Counts why not. */
static bool may_ask(weir_local *l, const local_statement *s, const local_portal *p)
{
    if (!is_read(s))
        return false;
    if (!transaction_allows(l)) {
        weir_session_count_miss(l->session, WEIR_MISS_TRANSACTION);
        return false;
    }
    if (p && p->rows_max > 0) {
        weir_session_count_miss(l->session, WEIR_MISS_PARTIAL);
        return false;
    }
    return true;
}

/* Names of functions that compat/ answers from the session itself. */
bool local_asks_for_session(weir_slice source)
{
    static const char *const names[] = {"pg_backend_pid", "current_setting"};
    for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
        size_t len = strlen(names[n]);
        for (size_t i = 0; i + len <= source.len; i++)
            if (strncasecmp((const char *)source.data + i, names[n], len) == 0)
                return true;
    }
    return false;
}

/* ---- hits ---- */

static void write_entry(weir_local *l, const weir_entry *e, bool describe)
{
    weir_slice bytes = weir_entry_bytes(e);
    local_flush(l);
    l->host.write(l->host.user, describe ? bytes : weir_slice_skip(bytes, e->head_len));
}

/* A text that could begin a read. */
static bool looks_like_a_read(weir_slice text)
{
    static const char *const first = "sSwWvV(/-";
    return text.len > 0 && text.data[0] != 0 && strchr(first, text.data[0]) != NULL;
}

static weir_slice trim(weir_slice text)
{
    while (text.len > 0 && strchr(" \t\r\n\v\f", text.data[0]) && text.data[0] != 0)
        text = weir_slice_skip(text, 1);
    if (text.len > 0 && text.data[text.len - 1] == ';')
        text.len--;
    return text;
}

bool local_cache_query(weir_local *l, weir_slice text)
{
    text = trim(text);
    if (!looks_like_a_read(text) || !transaction_allows(l))
        return false;
    weir_time started = l->host.now(l->host.user);
    identify(l, text, NULL);
    l->asked = true;
    const weir_entry *e = weir_session_find_answer(l->session);
    if (!e)
        return false;
    l->tx.used = true;
    write_entry(l, e, true);
    weir_session_record_hit(l->session, e, started);
    return true;
}

/* What is kept for the run, or comes from whoever ran it, ends the run. */
static void give(weir_local *l, const weir_entry *e, bool describe)
{
    local_run *run = l->run;
    write_entry(l, e, describe);
    weir_session_record_hit(l->session, e, run->started);
    run->from_cache = true;
    run->error.sqlstate[0] = '\0';
    l->phase = LOCAL_REST;
    local_then then = run->then;
    run->then = NULL;
    then(l, true);
}

/* ---- fills ---- */

static void on_answered(weir_fill *fill, const weir_entry *entry)
{
    local_run *run = fill->user;
    weir_local *l = run->local;
    l->phase = LOCAL_REST;
    if (entry)
        give(l, entry, !run->head_hidden);
    else
        local_run_go(run);
    local_leave(l);
}

/* The run writes its description whether it is wanted or not: others will want it. */
static void prepare_fill(local_run *run, bool describe)
{
    run->filled = true;
    run->head_hidden = !describe;
    run->rows.describe = true;
}

bool local_cache_begin(local_run *run, bool describe)
{
    weir_local *l = run->local;
    const local_statement *s = run->statement;
    bool asked = l->asked;
    l->asked = false;
    if (!may_ask(l, s, run->portal)) {
        l->tx.more_than_read |= local_tx_in_block(l) && !is_read(s);
        return false;
    }
    identify(l, s->source, run->portal);
    const weir_entry *e = asked ? NULL : weir_session_find_answer(l->session);
    if (e) {
        give(l, e, describe);
        return true;
    }
    weir_ask ask = {.statement = &s->words,
                    .text = s->text,
                    .params = run->portal ? run->portal->params : NULL,
                    .param_count = s->param_count};
    run->fill.answered = on_answered;
    run->fill.user = run;
    int r = weir_session_begin_fill(l->session, &ask, &run->fill);
    if (r != WEIR_FILL_NONE)
        prepare_fill(run, describe);
    if (r == WEIR_FILL_WAIT)
        l->phase = LOCAL_WAIT_ANSWER;
    return r == WEIR_FILL_WAIT;
}

/* The size of the description in front of the first chunk. */
static size_t head_of(weir_slice bytes)
{
    uint8_t type = 0;
    size_t size = 0;
    int r = weir_pg_frame_head(bytes, WEIR_PG_MESSAGE_SIZE_MAX, &type, &size);
    return r == 0 && size <= bytes.len && type == WEIR_PG_B_ROW_DESCRIPTION ? size : 0;
}

weir_slice local_cache_take_chunk(local_run *run, weir_slice bytes)
{
    weir_fill_add(&run->fill, bytes);
    if (run->head_len > 0)
        return bytes;
    run->head_len = head_of(bytes);
    return run->head_hidden ? weir_slice_skip(bytes, run->head_len) : bytes;
}

void local_cache_finish(local_run *run, weir_slice complete)
{
    weir_fill_add(&run->fill, complete);
    if (run->head_len > 0)
        weir_fill_finish(&run->fill, run->head_len, run->rows.count,
                         run->exec.outcome.fingerprint);
    else
        weir_fill_abort(&run->fill, false);
}

/* ---- descriptions: what Parse has to know, without asking the database each time ---- */

static void identify_description(weir_local *l, const local_statement *s)
{
    weir_buf *b = begin_identity(l, 'D');
    put(b, s->source.data, s->source.len);
}

static int put_description(const local_run *run, weir_buf *out)
{
    const local_columns *c = &run->rows.columns;
    int r = weir_buf_append_u32(out, run->exec.param_total);
    if (r == 0)
        r = weir_buf_append_u8(out, run->exec.read_only);
    if (r == 0)
        r = weir_buf_append_u16(out, (uint16_t)c->count);
    for (size_t i = 0; r == 0 && i < c->count; i++) {
        r = weir_buf_append_u32(out, c->items[i].type_oid);
        if (r == 0)
            r = weir_buf_append_u8(out, c->loose[i]);
        if (r == 0)
            r = weir_buf_append_u32(out, (uint32_t)c->items[i].name.len);
        if (r == 0)
            r = weir_buf_append(out, c->items[i].name);
    }
    return r;
}

static int read_columns(weir_pg_reader *r, local_columns *c)
{
    size_t at = 0;
    c->items = calloc(c->count + 1, sizeof(*c->items));
    c->loose = calloc(c->count + 1, sizeof(*c->loose));
    int result = c->items && c->loose ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < c->count; i++) {
        weir_pg_column *item = &c->items[i];
        item->type_oid = weir_pg_read_u32(r);
        item->type_size = weir_compat_oid_size(item->type_oid);
        item->type_modifier = -1;
        c->loose[i] = weir_pg_read_u8(r) != 0;
        item->name = weir_pg_read_bytes(r, weir_pg_read_u32(r));
        result = weir_buf_append(&c->names, item->name);
        if (result == 0)
            result = weir_buf_append_u8(&c->names, 0);
    }
    for (size_t i = 0; result == 0 && i < c->count; i++) { /* `names` may have moved */
        c->items[i].name.data = c->names.data + at;
        at += c->items[i].name.len + 1;
    }
    return result;
}

static int read_description(const weir_entry *e, local_run *run)
{
    weir_pg_reader r = weir_pg_reader_make(weir_entry_bytes(e));
    local_columns *c = &run->rows.columns;
    run->exec.param_total = weir_pg_read_u32(&r);
    run->exec.read_only = weir_pg_read_u8(&r) != 0;
    local_columns_fini(c);
    weir_buf_init(&c->names, WEIR_PG_MESSAGE_SIZE_MAX);
    c->count = weir_pg_read_u16(&r);
    return read_columns(&r, c);
}

bool local_cache_describe(local_run *run)
{
    weir_local *l = run->local;
    local_statement *s = run->statement;
    if (s->asks_for_session || s->catalog || !transaction_allows(l))
        return false;
    identify_description(l, s);
    const weir_entry *e = weir_session_find_answer(l->session);
    if (e) {
        int r = read_description(e, run);
        local_check(l, r);
        return r == 0;
    }
    weir_ask ask = {.statement = &s->words, .of_schema = true};
    int r = weir_session_begin_fill(l->session, &ask, &run->fill);
    (void)r; /* LEAD or NONE: the description is asked for */
    return false;
}

void local_cache_described(local_run *run)
{
    weir_buf bytes;
    if (!weir_fill_is_open(&run->fill))
        return;
    weir_buf_init(&bytes, WEIR_PG_MESSAGE_SIZE_MAX);
    if (put_description(run, &bytes) == 0) {
        weir_fill_add(&run->fill, weir_buf_slice(&bytes));
        weir_fill_finish(&run->fill, 0, 0, 0);
    }
    weir_fill_abort(&run->fill, false);
    weir_buf_fini(&bytes);
}
