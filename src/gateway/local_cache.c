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
#include "base/ascii.h"
#include "gateway/local_calls.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- identity ---- */

/* Room for what begins every identity. */
#define IDENTITY_RESERVE 512u

static void put(weir_buf *b, const void *bytes, size_t len)
{
    if (b->cap - b->len >= len) {
        if (len > 0)
            memcpy(b->data + b->len, bytes, len);
        b->len += len;
    } else if (b->size_max > 0 && weir_buf_append(b, weir_slice_make(bytes, len)) < 0)
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

/* One that says text, as the simple protocol has it, is none at all. */
static void put_formats(weir_buf *b, const local_portal *p)
{
    uint16_t count = p ? p->format_count : 0;
    if (count == 1 && p->formats[0] == 0)
        count = 0;
    put(b, &count, sizeof(count));
    if (p && count > 0)
        put(b, p->formats, count * sizeof(*p->formats));
}

static weir_buf *begin_identity(weir_local *l, char kind)
{
    weir_buf *b = weir_session_begin_identity(l->session);
    int r = weir_buf_reserve(b, IDENTITY_RESERVE);
    (void)r; /* it saves asking for each part; what has no room is noticed there */
    put(b, &kind, 1);
    put_sized(b, l->user);
    put_sized(b, l->database);
    put(b, &l->limits.rows_max, sizeof(l->limits.rows_max)); /* they may refuse an answer */
    put(b, &l->limits.result_size_max, sizeof(l->limits.result_size_max));
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
    return s->words.kind == WEIR_KIND_READ && !s->asks_for_session && !s->locks &&
           !local_statement_writes(s);
}

/* Counts why not. */
static bool may_ask(weir_local *l, const local_statement *s)
{
    if (!is_read(s))
        return false;
    if (!transaction_allows(l)) {
        weir_session_count_miss(l->session, WEIR_MISS_TRANSACTION);
        return false;
    }
    return true;
}

static bool names_at(weir_slice source, size_t at, const char *before, const char *after)
{
    size_t left = strlen(before), right = strlen(after);
    const char *text = (const char *)source.data;
    return at >= left && source.len - at >= right &&
           strncasecmp(text + at - left, before, left) == 0 &&
           strncasecmp(text + at, after, right) == 0;
}

/* Names of functions that compat/ answers from the session itself. */
bool local_asks_for_session(weir_slice source)
{
    const uint8_t *at = source.data, *end = source.data + source.len;
    while (at < end && (at = memchr(at, '_', (size_t)(end - at))) != NULL) {
        if (names_at(source, (size_t)(at - source.data), "pg", "_backend_pid") ||
            names_at(source, (size_t)(at - source.data), "pg", "_settings") ||
            names_at(source, (size_t)(at - source.data), "current", "_setting"))
            return true;
        at++;
    }
    return false;
}

/* ---- hits ---- */

/* The types that the client was told when it prepared the statement are those of the answer. */
static bool fits(const local_portal *p, const weir_entry *e)
{
    const local_statement *s = p->statement;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_head(weir_entry_bytes(e), e->head_len));
    if (!s->described)
        return true;
    (void)weir_pg_read_bytes(&r, 5); /* type and length */
    if (weir_pg_read_u16(&r) != s->columns.count)
        return false;
    for (size_t i = 0; i < s->columns.count; i++) {
        (void)weir_pg_read_cstr(&r);
        (void)weir_pg_read_bytes(&r, 6); /* table and attribute */
        if (!local_columns_fit(&s->columns, i, weir_pg_read_u32(&r)))
            return false;
        (void)weir_pg_read_bytes(&r, 8); /* size, modifier, format */
    }
    return weir_pg_reader_end(&r) == 0;
}

/* All of it at once, or by the portal as many rows as are asked for. */
static void give_entry(weir_local *l, local_portal *p, const weir_entry *e, bool describe)
{
    weir_slice bytes = weir_entry_bytes(e);
    if (p) {
        p->finished = true;
        memcpy(p->tag, "SELECT 0", 9); /* what an Execute after the last row says */
    }
    local_flush(l);
    if (!p || p->rows_max == 0 || e->rows < p->rows_max) {
        l->host.write(l->host.user, describe ? bytes : weir_slice_skip(bytes, e->head_len));
        return;
    }
    if (describe)
        l->host.write(l->host.user, weir_slice_head(bytes, e->head_len));
    int len = snprintf(p->tag, sizeof(p->tag), "SELECT %llu", (unsigned long long)e->rows);
    size_t complete = 5 + (size_t)len + 1; /* the message that ends it */
    assert(bytes.len >= e->head_len + complete);
    bytes =
        weir_slice_head(weir_slice_skip(bytes, e->head_len), bytes.len - e->head_len - complete);
    weir_error err;
    int r = local_charge_rows(l, &p->kept_charge, bytes.len, &err);
    if (r < 0) {
        local_fail(l, &err);
        return;
    }
    r = weir_buf_append(&p->kept, bytes);
    if (r < 0)
        local_broken(l, r);
    else
        local_portal_give(l, p);
}

/* A text that could begin a read. */
static bool looks_like_a_read(weir_slice text)
{
    static const char *const first = "sSwWvV(/-";
    return text.len > 0 && text.data[0] != 0 && strchr(first, text.data[0]) != NULL;
}

/* As weir_compat_split would cut the only statement. */
static weir_slice trim(weir_slice text)
{
    while (text.len > 0 && weir_ascii_is_space(text.data[0]))
        text = weir_slice_skip(text, 1);
    size_t end = text.len;
    while (end > 0 && weir_ascii_is_space(text.data[end - 1]))
        end--;
    return end > 0 && text.data[end - 1] == ';' ? weir_slice_head(text, end - 1) : text;
}

static bool find_and_give(weir_local *l, weir_slice source, local_portal *p, bool describe)
{
    identify(l, source, p);
    l->asked = true;
    const weir_entry *e = weir_session_find_answer(l->session);
    if (!e || (p && !fits(p, e)))
        return false;
    l->tx.used = true;
    weir_session_record_hit(l->session, e, 0);
    give_entry(l, p, e, describe);
    return true;
}

bool local_cache_query(weir_local *l, weir_slice text)
{
    text = trim(text);
    return looks_like_a_read(text) && transaction_allows(l) && find_and_give(l, text, NULL, true);
}

bool local_cache_portal(weir_local *l, local_portal *p, bool describe)
{
    return is_read(p->statement) && transaction_allows(l) &&
           find_and_give(l, local_statement_key(p->statement), p, describe);
}

/* What is kept for the run, or comes from whoever ran it, ends the run. */
static void give(weir_local *l, const weir_entry *e, bool describe)
{
    local_run *run = l->run;
    weir_session_record_hit(l->session, e, run->started);
    give_entry(l, run->portal, e, describe);
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
    if (entry && (!run->portal || fits(run->portal, entry)))
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
    if (!may_ask(l, s)) {
        l->tx.more_than_read |= local_tx_in_block(l) && !is_read(s);
        return false;
    }
    identify(l, local_statement_key(s), run->portal);
    const weir_entry *e = asked ? NULL : weir_session_find_answer(l->session);
    if (e && (!run->portal || fits(run->portal, e))) {
        give(l, e, describe);
        return true;
    }
    weir_ask ask = {.statement = &s->words,
                    .text = s->text,
                    .params = run->portal ? run->portal->params : NULL,
                    .param_count = s->param_count,
                    .wait_max = l->limits.statement_timeout};
    run->fill.answered = on_answered;
    run->fill.user = run;
    int r = weir_session_begin_fill(l->session, &ask, &run->fill);
    if (r != WEIR_FILL_NONE)
        prepare_fill(run, describe);
    if (r == WEIR_FILL_WAIT)
        l->phase = LOCAL_WAIT_ANSWER;
    return r == WEIR_FILL_WAIT;
}

bool local_cache_instead(local_run *run)
{
    weir_local *l = run->local;
    const local_statement *s = run->statement;
    if (!s || run->rows.describe_only || run->head_len > 0 || run->cancelled || !is_read(s) ||
        !transaction_allows(l))
        return false;
    identify(l, local_statement_key(s), run->portal);
    const weir_entry *e = weir_session_find_instead(l->session, run->error.sqlstate);
    if (!e || (run->portal && !fits(run->portal, e)))
        return false;
    give(l, e, run->filled ? !run->head_hidden : run->rows.describe);
    return true;
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
        weir_fill_finish(&run->fill, run->head_len, run->rows.count, run->exec.outcome.fingerprint);
    else
        weir_fill_abort(&run->fill, false);
}

void local_cache_finish_kept(local_run *run, const local_portal *p)
{
    weir_buf complete;
    if (!weir_fill_is_open(&run->fill))
        return;
    run->head_len = p->kept_pos;
    weir_fill_add(&run->fill, weir_buf_slice(&p->kept));
    weir_buf_init(&complete, 2 * sizeof(p->tag));
    if (weir_pg_write_command_complete(&complete, weir_slice_cstr(p->tag)) == 0)
        local_cache_finish(run, weir_buf_slice(&complete));
    weir_fill_abort(&run->fill, false);
    weir_buf_fini(&complete);
}

/* ---- descriptions: what Parse has to know, without asking the database each time ---- */

static void identify_description(weir_local *l, const local_statement *s)
{
    weir_buf *b = begin_identity(l, 'S');
    weir_slice key = local_statement_key(s);
    put(b, key.data, key.len);
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
        const weir_pg_column *item = &c->items[i];
        r = weir_buf_append_u32(out, item->type_oid);
        if (r == 0)
            r = weir_buf_append_u32(out, (uint32_t)item->type_modifier);
        if (r == 0)
            r = weir_buf_append_u32(out, item->table_oid);
        if (r == 0)
            r = weir_buf_append_u16(out, item->attribute);
        if (r == 0)
            r = weir_buf_append_u8(out, c->loose[i]);
        if (r == 0)
            r = weir_buf_append_u32(out, (uint32_t)item->name.len);
        if (r == 0)
            r = weir_buf_append(out, item->name);
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
        item->type_modifier = (int32_t)weir_pg_read_u32(r);
        item->table_oid = weir_pg_read_u32(r);
        item->attribute = weir_pg_read_u16(r);
        c->loose[i] = weir_pg_read_u8(r);
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
    if (s->asks_for_session || !transaction_allows(l))
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
