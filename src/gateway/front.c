/* What stands at the front of a client's bytes, as far as the cache can answer it: a Query, or the
 * extended messages of one statement; and what its answer's bytes depend on.
 *
 *   Query
 *   Parse? Bind Describe(portal)? Execute Close(portal)?     the unnamed portal: its rows
 *   Parse? Describe(statement)                               its parameters and columns
 *
 * Invariant: whatever the bytes of an answer depend on beside the data is in the identity: user,
 * settings, the text and what it was parsed under, types, parameters, formats, the limit, and the
 * shape that its client was shown. */
#include "base/ascii.h"
#include "gateway/cached.h"
#include "gateway/internal.h"

/* ---- texts ---- */

bool weir_front_is_read(weir_slice text)
{
    static const char *const first = "sSwWvVtT(/-";
    return text.len > 0 && text.data[0] != 0 && strchr(first, text.data[0]) != NULL;
}

weir_slice weir_front_trim(weir_slice text)
{
    while (text.len > 0 && weir_ascii_is_space(text.data[0]))
        text = weir_slice_skip(text, 1);
    while (text.len > 0 &&
           (weir_ascii_is_space(text.data[text.len - 1]) || text.data[text.len - 1] == ';'))
        text = weir_slice_head(text, text.len - 1);
    return text;
}

static weir_slice next_word(weir_slice *rest)
{
    size_t n = 0;
    while (rest->len > 0 && (weir_ascii_is_space(rest->data[0]) || rest->data[0] == ','))
        *rest = weir_slice_skip(*rest, 1);
    while (n < rest->len && !weir_ascii_is_space(rest->data[n]) && rest->data[n] != ',')
        n++;
    weir_slice word = weir_slice_head(*rest, n);
    *rest = weir_slice_skip(*rest, n);
    return word;
}

bool weir_front_take_word(weir_slice *rest, const char *word)
{
    weir_slice after = *rest;
    if (!weir_slice_eq_nocase(next_word(&after), word))
        return false;
    *rest = after;
    return true;
}

/* One of its modes. What the server would not take is answered by the server. */
static bool take_mode(weir_slice *rest, bool *read_committed)
{
    weir_slice before = *rest;
    if (weir_front_take_word(rest, "isolation") && weir_front_take_word(rest, "level") &&
        weir_front_take_word(rest, "read") && weir_front_take_word(rest, "committed")) {
        *read_committed = true;
        return true;
    }
    *rest = before;
    if (weir_front_take_word(rest, "read") &&
        (weir_front_take_word(rest, "only") || weir_front_take_word(rest, "write")))
        return true;
    *rest = before;
    (void)weir_front_take_word(rest, "not");
    return weir_front_take_word(rest, "deferrable");
}

bool weir_front_begins(const weir_cached *k, weir_slice text)
{
    bool read_committed = k->read_committed;
    weir_slice rest = weir_front_trim(text);
    if (weir_front_take_word(&rest, "start")) {
        if (!weir_front_take_word(&rest, "transaction"))
            return false;
    } else if (!weir_front_take_word(&rest, "begin")) {
        return false;
    } else if (!weir_front_take_word(&rest, "work")) {
        (void)weir_front_take_word(&rest, "transaction");
    }
    while (weir_front_trim(rest).len > 0)
        if (!take_mode(&rest, &read_committed))
            return false;
    return read_committed;
}

/* ---- messages ---- */

typedef struct cursor {
    weir_slice in;
    size_t at, most;
    weir_pg_frame m; /* whole, at `at` */
} cursor;

/* The next message is here and of this type. */
static bool stands(cursor *c, uint8_t type)
{
    weir_slice rest = weir_slice_skip(c->in, c->at);
    return rest.len > 0 && rest.data[0] == type && weir_pg_frame_next(rest, c->most, &c->m) == 0;
}

static void pass(cursor *c)
{
    c->at += c->m.whole.len;
}

static bool read_parse(cursor *c, weir_front *f)
{
    if (!stands(c, WEIR_PG_F_PARSE))
        return c->in.data[0] != WEIR_PG_F_PARSE;
    f->parses = true;
    if (weir_pg_parse_read(c->m.body, &f->parse) != 0)
        return false;
    f->name = f->parse.name;
    pass(c);
    return true;
}

static bool read_target(const cursor *c, uint8_t kind, weir_slice *ret_name)
{
    weir_pg_target t;
    if (weir_pg_target_read(c->m.body, &t) != 0 || t.kind != kind)
        return false;
    *ret_name = t.name;
    return true;
}

/* Describe of the statement. */
static bool read_description(cursor *c, weir_front *f)
{
    weir_slice name;
    if (!read_target(c, 'S', &name) || (f->parses && !weir_slice_eq(name, f->name)))
        return false;
    f->name = name;
    f->of_statement = true;
    pass(c);
    return true;
}

/* Bind, Describe, Execute of the unnamed portal. */
static bool read_run(cursor *c, weir_front *f)
{
    weir_pg_execute execute;
    weir_slice portal;
    if (!stands(c, WEIR_PG_F_BIND) || weir_pg_bind_read(c->m.body, &f->bind) != 0 ||
        f->bind.portal.len > 0 || (f->parses && !weir_slice_eq(f->bind.statement, f->name)))
        return false;
    f->name = f->bind.statement;
    f->bind_message = c->m.whole;
    pass(c);
    if (stands(c, WEIR_PG_F_DESCRIBE)) {
        if (!read_target(c, 'P', &portal) || portal.len > 0)
            return false;
        f->describes = true;
        pass(c);
    }
    if (!stands(c, WEIR_PG_F_EXECUTE) || weir_pg_execute_read(c->m.body, &execute) != 0 ||
        execute.portal.len > 0)
        return false;
    f->rows_max = execute.rows_max;
    pass(c);
    f->closes = stands(c, WEIR_PG_F_CLOSE) && read_target(c, 'P', &portal) && portal.len == 0;
    if (f->closes)
        pass(c);
    return true;
}

static bool read_query(cursor *c, weir_front *f)
{
    if (!stands(c, WEIR_PG_F_QUERY) || weir_pg_query_read(c->m.body, &f->text) != 0)
        return false;
    f->text = weir_front_trim(f->text);
    f->synced = true;
    pass(c);
    return true;
}

/* Its prepared statement: the client's, or as its Parse will make it. */
static bool find_prepared(weir_client *c, weir_front *f)
{
    if (!f->parses) {
        f->prepared = weir_client_prepared_find(c, f->name);
    } else if (weir_client_name_taken(c, f->name)) {
        return false;
    } else if (f->name.len == 0 && weir_client_same_statement(c, &f->parse)) {
        f->prepared = c->relay.unnamed;
    } else if (weir_front_is_read(weir_front_trim(f->parse.text))) {
        f->prepared = weir_client_prepared_new(c, f->parse.text, f->parse.oids);
        f->made = f->prepared != NULL;
    }
    const weir_prepared *p = f->prepared;
    if (!p || p->by_sql || p->stale || p->unsettled || p->statement.kind != WEIR_KIND_READ)
        return false;
    f->text = weir_front_trim(p->text);
    f->statement = p->statement;
    return true;
}

bool weir_front_read(weir_client *c, weir_slice in, weir_front *ret)
{
    size_t most = weir_gateway_config(c->worker->gateway)->limits.message_size;
    cursor cur = {.in = in, .most = most};
    *ret = (weir_front){0};
    if (in.data[0] == WEIR_PG_F_QUERY) {
        if (!read_query(&cur, ret))
            return false;
        ret->size = cur.at;
        return true;
    }
    ret->extended = true;
    if (!read_parse(&cur, ret))
        return false;
    if (stands(&cur, WEIR_PG_F_DESCRIBE) ? !read_description(&cur, ret) : !read_run(&cur, ret))
        return false;
    ret->size = cur.at;
    ret->synced = stands(&cur, WEIR_PG_F_SYNC);
    return find_prepared(c, ret);
}

/* ---- identity ---- */

static void put(weir_buf *b, weir_slice s)
{
    if (s.len > 0 && b->size_max > 0 && weir_buf_append(b, s) < 0)
        b->size_max = 0; /* no identity any more */
}

/* That all are text is said in two ways. */
static weir_slice formats_of(weir_slice formats, uint16_t count)
{
    if (count == 1 && formats.len == 2 && formats.data[0] == 0 && formats.data[1] == 0)
        formats.len = 0;
    return formats;
}

/* The lengths first, then what has one: few copies, and nothing runs into what is next to it. What
 * was shown to its client (`shape`) must be what is given to it: answers are kept under it only
 * where the server stood by it. */
void weir_front_identify(weir_client *c, const weir_cached *k, const weir_front *f)
{
    const weir_pg_bind *bind = &f->bind;
    const weir_prepared *p = f->prepared;
    weir_slice parts[WEIR_ASKED_PARTS] = {
        [WEIR_ASKED_USER] = weir_slice_cstr(weir_pools_user(c->session.pools)),
        [WEIR_ASKED_SETTINGS] = weir_buf_slice(&k->settings),
        [WEIR_ASKED_TEXT] = f->text,
        [WEIR_ASKED_PARSE] = f->extended ? p->settings : weir_buf_slice(&k->parse)};
    if (f->extended)
        parts[WEIR_ASKED_OIDS] = p->oids;
    if (f->extended && !f->of_statement) {
        parts[WEIR_ASKED_FORMATS] = formats_of(bind->formats, bind->format_count);
        parts[WEIR_ASKED_VALUES] = bind->values;
        parts[WEIR_ASKED_RESULTS] = formats_of(bind->result_formats, bind->result_format_count);
        parts[WEIR_ASKED_SHAPE] = weir_slice_make(&p->shape, p->shape ? sizeof(p->shape) : 0);
        parts[WEIR_ASKED_LIMIT] =
            weir_slice_make(&f->rows_max, f->rows_max ? sizeof(f->rows_max) : 0);
    }
    uint32_t sizes[WEIR_ASKED_PARTS + 1];
    sizes[WEIR_ASKED_PARTS] = f->of_statement                  ? WEIR_ASKED_DESCRIPTION
                              : (!f->extended || f->describes) ? WEIR_ASKED_HEAD_AND_ROWS
                                                               : WEIR_ASKED_ROWS;
    for (size_t i = 0; i < WEIR_ASKED_PARTS; i++)
        sizes[i] = (uint32_t)parts[i].len;
    weir_buf *b = weir_session_begin_identity(&c->session);
    put(b, weir_slice_make(sizes, sizeof(sizes)));
    for (size_t i = 0; i < WEIR_ASKED_PARTS; i++)
        put(b, parts[i]);
}
