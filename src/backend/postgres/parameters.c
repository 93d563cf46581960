/* Session parameters: before a connection serves a session, what the session wants is SET and what
 * an earlier one had SET is RESET, in one Query of ours. Sameness costs one comparison of
 * fingerprints.
 *
 * Names are checked identifiers and values are quoted, so a client's startup packet cannot smuggle
 * SQL. */
#include "backend/postgres/internal.h"

static bool name_ok(weir_slice name)
{
    if (name.len == 0 || name.len > 63)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && ((c >= '0' && c <= '9') || c == '.')))
            return false;
    }
    return true;
}

/* E'…' so that the meaning does not hang on standard_conforming_strings. */
static int append_quoted(weir_buf *out, weir_slice value)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("E'"));
    for (size_t i = 0; r == 0 && i < value.len; i++) {
        if (value.data[i] == '\'' || value.data[i] == '\\')
            r = weir_buf_append_u8(out, value.data[i]);
        if (r == 0)
            r = weir_buf_append_u8(out, value.data[i]);
    }
    return r < 0 ? r : weir_buf_append_u8(out, '\'');
}

static int append_set(weir_buf *out, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SET SESSION "));
    if (r == 0)
        r = weir_buf_append(out, name);
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(" TO "));
    if (r == 0)
        r = append_quoted(out, value);
    return r < 0 ? r : weir_buf_append_u8(out, ';');
}

static int append_resets(weir_buf *out, const weir_buf *names)
{
    int r = 0;
    for (size_t pos = 0; r == 0 && pos < names->len;) {
        weir_slice name = weir_slice_cstr((const char *)names->data + pos);
        pos += name.len + 1;
        r = weir_buf_append(out, WEIR_SLICE_LIT("RESET "));
        if (r == 0)
            r = weir_buf_append(out, name);
        if (r == 0)
            r = weir_buf_append_u8(out, ';');
    }
    return r;
}

static int append_sets(weir_buf *out, weir_buf *names, weir_slice pairs)
{
    int r = 0;
    weir_slice name, value;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(pairs, &pos, &name, &value);) {
        if (!name_ok(name))
            continue;
        r = append_set(out, name, value);
        if (r == 0)
            r = weir_buf_append(names, name);
        if (r == 0)
            r = weir_buf_append_u8(names, 0);
    }
    return r;
}

int pg_adopt(weir_conn *conn, const weir_parameters *parameters)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->adopted == parameters->fingerprint)
        return 0;
    weir_buf sql;
    weir_buf_init(&sql, 64 * 1024);
    int r = append_resets(&sql, &c->set_names);
    weir_buf_clear(&c->set_names);
    if (r == 0)
        r = append_sets(&sql, &c->set_names, parameters->pairs);
    if (r == 0)
        r = pg_conn_query(c, weir_buf_slice(&sql));
    weir_buf_fini(&sql);
    if (r == 0) {
        c->adopted = parameters->fingerprint;
        c->adopting = true;
    }
    return r;
}
