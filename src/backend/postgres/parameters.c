/* Session parameters: before a connection serves a session, what differs between what stands there
 * and what the session wants is SET and RESET, in one Query of ours in front of the session's first
 * message. Sameness costs one comparison of fingerprints.
 *
 * The login's role and authorization are taken back first, so that whatever the one session could
 * set the other can, and those of the session are set last. client_encoding goes in a Query of its
 * own in front, since a Query's text is read in the encoding that it finds. Names and values are
 * quoted: a client cannot smuggle SQL. */
#include "backend/postgres/ours.h"
#include "proto/pg/text.h"

#define SQL_MAX ((size_t)1024 * 1024)

static bool is_role(weir_slice name)
{
    return weir_slice_eq_cstr(name, "role") || weir_slice_eq_cstr(name, "session_authorization");
}

/* Not to be hit by it ourselves: set last, and taken back first. */
static bool is_timeout(weir_slice name)
{
    return weir_slice_eq_cstr(name, "statement_timeout");
}

static bool is_encoding(weir_slice name)
{
    return weir_slice_eq_cstr(name, "client_encoding");
}

static bool is_ascii(weir_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 0x80)
            return false;
    return true;
}

/* E'…' so that the meaning does not hang on standard_conforming_strings. In encodings of clients a
 * backslash or a quote may be the second half of a letter: what is not ASCII goes as hexadecimal
 * digits. */
static int append_literal(weir_buf *out, weir_slice value)
{
    if (!is_ascii(value))
        return weir_pg_append_hex_text(out, value, "pg_client_encoding");
    int r = weir_buf_append(out, WEIR_SLICE_LIT("E'"));
    for (size_t i = 0; r == 0 && i < value.len; i++) {
        if (value.data[i] == '\'' || value.data[i] == '\\')
            r = weir_buf_append_u8(out, value.data[i]);
        if (r == 0)
            r = weir_buf_append_u8(out, value.data[i]);
    }
    return r < 0 ? r : weir_buf_append_u8(out, '\'');
}

/* "app"."user": each part quoted. */
static int append_name(weir_buf *out, weir_slice name)
{
    int r = weir_buf_append_u8(out, '"');
    for (size_t i = 0; r == 0 && i < name.len; i++) {
        if (name.data[i] == '.')
            r = weir_buf_append(out, WEIR_SLICE_LIT("\".\""));
        else if (name.data[i] == '"')
            r = weir_buf_append(out, WEIR_SLICE_LIT("\"\""));
        else
            r = weir_buf_append_u8(out, name.data[i]);
    }
    return r < 0 ? r : weir_buf_append_u8(out, '"');
}

static int append_reset(weir_buf *out, weir_slice name)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("RESET "));
    if (r == 0)
        r = append_name(out, name);
    return r < 0 ? r : weir_buf_append_u8(out, ';');
}

static int append_set(weir_buf *out, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SELECT pg_catalog.set_config("));
    if (r == 0)
        r = append_literal(out, name);
    if (r == 0)
        r = weir_buf_append_u8(out, ',');
    if (r == 0)
        r = append_literal(out, value);
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT(",false);"));
}

/* ---- the difference ---- */

/* Both sides at once, in order of names. */
typedef struct walk {
    weir_slice from, to;
    size_t from_pos, to_pos;
    weir_slice from_name, from_value, to_name, to_value;
    bool has_from, has_to;
} walk;

static walk walk_of(weir_slice from, weir_slice to)
{
    walk w = {.from = from, .to = to};
    w.has_from = weir_pg_param_next(from, &w.from_pos, &w.from_name, &w.from_value);
    w.has_to = weir_pg_param_next(to, &w.to_pos, &w.to_name, &w.to_value);
    return w;
}

static int order(weir_slice a, weir_slice b)
{
    int r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return r ? r : (a.len > b.len) - (a.len < b.len);
}

/* The next name that differs; `*value` without data: it is to be RESET. */
static bool walk_next(walk *w, weir_slice *name, weir_slice *value)
{
    while (w->has_from || w->has_to) {
        int o = !w->has_from ? 1 : !w->has_to ? -1 : order(w->from_name, w->to_name);
        bool same = o == 0 && weir_slice_eq(w->from_value, w->to_value);
        *name = o < 0 ? w->from_name : w->to_name;
        static const weir_slice none;
        *value = o < 0 ? none : w->to_value;
        if (o <= 0)
            w->has_from = weir_pg_param_next(w->from, &w->from_pos, &w->from_name, &w->from_value);
        if (o >= 0)
            w->has_to = weir_pg_param_next(w->to, &w->to_pos, &w->to_name, &w->to_value);
        if (!same)
            return true;
    }
    return false;
}

static int append_one(weir_buf *out, weir_slice name, weir_slice value)
{
    return value.data ? append_set(out, name, value) : append_reset(out, name);
}

/* Whoever the session is, the login comes back. */
static int append_login(weir_buf *out, weir_slice from)
{
    weir_slice value;
    if (!weir_pg_param_find(from, "role", &value) &&
        !weir_pg_param_find(from, "session_authorization", &value))
        return 0;
    return weir_buf_append(out, WEIR_SLICE_LIT("RESET ROLE;RESET SESSION AUTHORIZATION;"));
}

static int append_roles(weir_buf *out, weir_slice to)
{
    weir_slice value;
    int r = 0;
    if (weir_pg_param_find(to, "session_authorization", &value))
        r = append_set(out, WEIR_SLICE_LIT("session_authorization"), value);
    if (r == 0 && weir_pg_param_find(to, "role", &value))
        r = append_set(out, WEIR_SLICE_LIT("role"), value);
    return r;
}

static int append_difference(weir_buf *out, weir_slice from, weir_slice to)
{
    int r = append_login(out, from);
    weir_slice name, value;
    for (walk w = walk_of(from, to); r == 0 && walk_next(&w, &name, &value);)
        if (!is_role(name) && !is_encoding(name) && !is_timeout(name))
            r = append_one(out, name, value);
    if (r == 0)
        r = append_roles(out, to);
    if (r == 0 && weir_pg_param_find(to, "statement_timeout", &value))
        r = append_set(out, WEIR_SLICE_LIT("statement_timeout"), value);
    return r;
}

/* In a Query of its own, as a Query's statements are under the timeout that it found. */
static int end_timeout(pg_conn *c, weir_slice from)
{
    weir_slice value;
    return weir_pg_param_find(from, "statement_timeout", &value)
               ? pg_conn_query(c, WEIR_SLICE_LIT("RESET statement_timeout"), PG_ADOPTS)
               : 0;
}

static int change_encoding(pg_conn *c, weir_slice from, weir_slice to)
{
    weir_slice name, value;
    weir_buf sql;
    weir_buf_init(&sql, SQL_MAX);
    int r = 0;
    for (walk w = walk_of(from, to); r == 0 && walk_next(&w, &name, &value);)
        if (is_encoding(name))
            r = append_one(&sql, name, value);
    if (r == 0 && sql.len > 0)
        r = pg_conn_query(c, weir_buf_slice(&sql), PG_ADOPTS);
    weir_buf_fini(&sql);
    return r;
}

static int change(pg_conn *c, weir_slice from, weir_slice to)
{
    weir_buf sql;
    weir_buf_init(&sql, SQL_MAX);
    int r = end_timeout(c, from);
    if (r == 0)
        r = change_encoding(c, from, to);
    if (r == 0)
        r = append_difference(&sql, from, to);
    if (r == 0 && sql.len > 0)
        r = pg_conn_query(c, weir_buf_slice(&sql), PG_ADOPTS);
    weir_buf_fini(&sql);
    return r;
}

/* ---- what a text means ---- */

static bool differs(weir_slice a, weir_slice b)
{
    return a.data && b.data ? !weir_slice_eq(a, b) : a.data != b.data;
}

static weir_slice find(weir_slice pairs, const char *name)
{
    weir_slice value;
    return weir_pg_param_find(pairs, name, &value) ? value : (weir_slice){0};
}

static int append_all(weir_buf *out, const char *const *texts, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = weir_buf_append(out, weir_slice_cstr(texts[i]));
    return r;
}

/* What the server reported at login, of those settings that it reports. */
static weir_slice of_login(const pg_conn *c, const char *lower)
{
    weir_slice messages = weir_buf_slice(&c->welcome), name, value;
    weir_pg_frame f;
    while (messages.len > 0 &&
           weir_pg_frame_next(messages, WEIR_PG_STARTUP_SIZE_MAX * 8, &f) == 0) {
        if (weir_pg_param_status_read(f.body, &name, &value) == 0 &&
            weir_slice_eq_nocase(name, lower))
            return value;
        messages = weir_slice_skip(messages, f.whole.len);
    }
    return (weir_slice){0};
}

/* What was found is kept on the server: a statement of the client's own may just have made it. */
static int append_exchange(weir_buf *out, const char *name, weir_slice then)
{
    const char *keep[] = {out->len ? "," : "SELECT ",
                          "pg_catalog.set_config('weir.was_",
                          name,
                          "',pg_catalog.current_setting('",
                          name,
                          "'),true),",
                          "pg_catalog.set_config('",
                          name,
                          "',"};
    const char *first[] = {"(SELECT reset_val FROM pg_catalog.pg_settings WHERE "
                           "pg_catalog.lower(name) OPERATOR(pg_catalog.=) '",
                           name, "')"};
    int r = append_all(out, keep, sizeof(keep) / sizeof(keep[0]));
    if (r == 0)
        r = then.data ? append_literal(out, then)
                      : append_all(out, first, sizeof(first) / sizeof(first[0]));
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT(",true)"));
}

static int append_return(weir_buf *out, const char *name)
{
    const char *texts[] = {out->len ? "," : "SELECT ",
                           "pg_catalog.set_config('",
                           name,
                           "',pg_catalog.current_setting('weir.was_",
                           name,
                           "'),true)"};
    return append_all(out, texts, sizeof(texts) / sizeof(texts[0]));
}

unsigned pg_ours_set(pg_ours *b, const weir_prepared *prepared)
{
    const pg_conn *c = b->conn;
    weir_slice here = weir_buf_slice(&c->set);
    bool known = c->adopted != WEIR_PARAMETERS_UNKNOWN;
    bool locally = c->status != 'I' || !weir_pg_owed_is_at_rest(&c->owed); /* SET LOCAL, perhaps */
    unsigned which = 0;
    weir_buf sql;
    if (prepared->statement.kind == WEIR_KIND_TRANSACTION)
        return 0; /* it has no constants, and an isolation level must come before any query */
    if (prepared->unsettled)
        return 0; /* not known; what stands here is most likely what it was parsed under */
    weir_buf_init(&sql, SQL_MAX);
    int r = 0;
    for (unsigned i = 0; r == 0 && weir_parse_settings[i]; i++) {
        const char *name = weir_parse_settings[i];
        weir_slice then = find(prepared->settings, name), login = of_login(c, name);
        if (is_encoding(weir_slice_cstr(name)) && is_ascii(prepared->text))
            continue; /* the same bytes in all of them */
        if (known && !differs(then, find(here, name)) && !(locally && login.data))
            continue;
        if (!then.data)
            then = login;
        which |= 1u << i;
        r = append_exchange(&sql, name, then);
    }
    if (r == 0 && which)
        pg_ours_run(b, weir_buf_slice(&sql));
    else if (r < 0)
        b->error = r;
    weir_buf_fini(&sql);
    return which;
}

void pg_ours_set_back(pg_ours *b, unsigned which)
{
    weir_buf sql;
    weir_buf_init(&sql, SQL_MAX);
    int r = 0;
    for (unsigned i = 0; r == 0 && weir_parse_settings[i]; i++)
        if (which & 1u << i)
            r = append_return(&sql, weir_parse_settings[i]);
    if (r == 0 && which)
        pg_ours_run(b, weir_buf_slice(&sql));
    else if (r < 0)
        b->error = r;
    weir_buf_fini(&sql);
}

/* ---- what stands ---- */

void pg_parameters_clear(pg_conn *c)
{
    weir_buf_clear(&c->set);
    c->adopted = c->strays = 0;
}

int pg_adopted(weir_conn *conn, const weir_parameters *parameters)
{
    pg_conn *c = pg_conn_of(conn);
    weir_buf_clear(&c->set);
    c->adopted = parameters->fingerprint;
    if (parameters->strays)
        c->strays = parameters->session;
    return weir_buf_append(&c->set, parameters->pairs);
}

/* Back to the login's, whatever there is. */
static int forget(pg_conn *c)
{
    static const char all[] = "RESET ROLE;RESET SESSION AUTHORIZATION;RESET ALL";
    pg_parameters_clear(c);
    int r = pg_conn_query(c, WEIR_SLICE_LIT("RESET statement_timeout"), PG_ADOPTS);
    return r < 0 ? r : pg_conn_query(c, weir_slice_cstr(all), PG_ADOPTS);
}

int pg_adopt(weir_conn *conn, const weir_parameters *parameters)
{
    pg_conn *c = pg_conn_of(conn);
    int r = c->state == PG_READY ? pg_identify(c) : 0;
    bool strays = c->strays && c->strays != parameters->session;
    if (r < 0 || c->state != PG_READY || (c->adopted == parameters->fingerprint && !strays))
        return r;
#ifdef WEIR_TEST_FAULT_KEEP_SETTINGS /* a build that the checkers must see through */
    static unsigned count;
    if (++count % 20 == 0)
        return pg_adopted(conn, parameters);
#endif
    r = strays || c->adopted == WEIR_PARAMETERS_UNKNOWN ? forget(c) : 0;
    if (r == 0)
        r = change(c, weir_buf_slice(&c->set), parameters->pairs);
    return r < 0 ? r : pg_adopted(conn, parameters);
}
