/* The untyped packets that open a connection, and which protocol version is then spoken.
 *
 * The length is judged as soon as four bytes are there and the code at eight, so that a stranger
 * who speaks another protocol is refused without being waited for. */
#include "proto/pg/wire.h"

#define PROTOCOL_MAJOR 3u
#define NEGOTIATED_MINOR_MAX 2u

static int refuse_startup(weir_error *err, const char *why)
{
    weir_error_set(err, "08P01", "weir: invalid startup packet: %s", why);
    return -EPROTO;
}

/* The pairs "name\0value\0" up to the final zero byte, which is the packet's last byte. */
static int check_params(weir_slice body, weir_slice *ret, weir_error *err)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    for (;;) {
        weir_slice name = weir_pg_read_cstr(&r);
        if (!r.ok)
            return refuse_startup(err, "no terminator behind its parameters");
        if (name.len == 0)
            break;
        weir_pg_read_cstr(&r);
        if (!r.ok)
            return refuse_startup(err, "a parameter has no value");
    }
    if (weir_pg_reader_end(&r) != 0)
        return refuse_startup(err, "bytes behind its terminator");
    *ret = weir_slice_head(body, body.len - 1);
    return 0;
}

static int read_session(weir_slice body, uint32_t version, weir_pg_startup *ret, weir_error *err)
{
    if (version >> 16 != PROTOCOL_MAJOR) {
        weir_error_set(err, "0A000", "weir: unsupported frontend protocol %u.%u", version >> 16,
                       version & 0xffff);
        weir_error_hint(err, "Weir speaks PostgreSQL's protocol 3.0 and 3.2.");
        return -EPROTO;
    }
    weir_slice params;
    int r = check_params(body, &params, err);
    if (r != 0)
        return r;
    ret->kind = WEIR_PG_STARTUP_SESSION;
    ret->version = version;
    ret->params = params;
    return 0;
}

static int read_cancel(weir_slice body, weir_pg_startup *ret, weir_error *err)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint32_t pid = weir_pg_read_u32(&r);
    weir_slice key = weir_pg_read_rest(&r);
    if (!r.ok || key.len < 4 || key.len > WEIR_PG_CANCEL_KEY_MAX)
        return refuse_startup(err, "a cancel request's key has 4 to 256 bytes");
    ret->kind = WEIR_PG_STARTUP_CANCEL;
    ret->cancel_pid = pid;
    ret->cancel_key = key;
    return 0;
}

/* What can be known from the first eight bytes. */
static int check_code(uint32_t code, size_t size, weir_error *err)
{
    bool request = code == WEIR_PG_CODE_SSL || code == WEIR_PG_CODE_GSSENC;
    if (request && size != 8)
        return refuse_startup(err, "an encryption request has 8 bytes");
    if (!request && code != WEIR_PG_CODE_CANCEL && code >> 16 == 1234)
        return refuse_startup(err, "unknown request code");
    return 0;
}

static int check_size(uint32_t size, weir_error *err)
{
    if (size < 8)
        return refuse_startup(err, "its length is below 8");
    if (size - 4 > WEIR_PG_STARTUP_SIZE_MAX) {
        weir_error_set(err, "08P01", "weir: invalid startup packet: %u bytes, more than %u", size,
                       WEIR_PG_STARTUP_SIZE_MAX);
        return -EMSGSIZE;
    }
    return 0;
}

int weir_pg_startup_read(weir_slice in, weir_pg_startup *ret, weir_error *err)
{
    if (in.len < 4)
        return WEIR_PG_MORE;
    uint32_t size = weir_pg_load_u32(in.data);
    int r = check_size(size, err);
    if (r != 0)
        return r;
    if (in.len < 8)
        return WEIR_PG_MORE;
    uint32_t code = weir_pg_load_u32(in.data + 4);
    r = check_code(code, size, err);
    if (r != 0)
        return r;
    if (in.len < size)
        return WEIR_PG_MORE;
    weir_slice body = weir_slice_skip(weir_slice_head(in, size), 8);
    weir_pg_startup startup = {.size = size, .kind = WEIR_PG_STARTUP_SSL};
    if (code == WEIR_PG_CODE_GSSENC)
        startup.kind = WEIR_PG_STARTUP_GSSENC;
    else if (code == WEIR_PG_CODE_CANCEL)
        r = read_cancel(body, &startup, err);
    else if (code != WEIR_PG_CODE_SSL)
        r = read_session(body, code, &startup, err);
    if (r == 0)
        *ret = startup;
    return r;
}

bool weir_pg_param_next(weir_slice params, size_t *pos, weir_slice *ret_name, weir_slice *ret_value)
{
    if (*pos >= params.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(params, *pos));
    weir_slice name = weir_pg_read_cstr(&r);
    weir_slice value = weir_pg_read_cstr(&r);
    if (!r.ok)
        return false;
    *pos = params.len - r.rest.len;
    *ret_name = name;
    *ret_value = value;
    return true;
}

bool weir_pg_param_find(weir_slice params, const char *name, weir_slice *ret_value)
{
    size_t pos = 0;
    weir_slice key, value;
    bool found = false;
    while (weir_pg_param_next(params, &pos, &key, &value)) {
        if (weir_slice_eq_cstr(key, name)) {
            *ret_value = value; /* the last of several counts, as a later option does */
            found = true;
        }
    }
    return found;
}

static bool is_protocol_option(weir_slice name)
{
    return name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0;
}

static uint32_t count_protocol_options(weir_slice params)
{
    size_t pos = 0;
    weir_slice name, value;
    uint32_t count = 0;
    while (weir_pg_param_next(params, &pos, &name, &value))
        count += is_protocol_option(name);
    return count;
}

/* The version field is whole (3.2, not 2), as PostgreSQL sends it and libpq expects it; the
 * documentation's "minor version" is not what either does. */
static int write_negotiate(weir_buf *out, uint32_t version, uint32_t option_count,
                           weir_slice params)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_NEGOTIATE);
    weir_pg_put_u32(&w, version);
    weir_pg_put_u32(&w, option_count);
    size_t pos = 0;
    weir_slice name, value;
    while (weir_pg_param_next(params, &pos, &name, &value)) {
        if (is_protocol_option(name))
            weir_pg_put_cstr(&w, name);
    }
    return weir_pg_end(&w);
}

int weir_pg_negotiate(uint32_t version, weir_slice params, weir_buf *out, uint32_t *ret_version)
{
    if (version >> 16 != PROTOCOL_MAJOR)
        return -EPROTO;
    uint32_t spoken =
        (version & 0xffff) >= NEGOTIATED_MINOR_MAX ? WEIR_PG_VERSION_3_2 : WEIR_PG_VERSION_3_0;
    uint32_t options = count_protocol_options(params);
    if (spoken != version || options > 0) {
        int r = write_negotiate(out, spoken, options, params);
        if (r != 0)
            return r;
    }
    *ret_version = spoken;
    return 0;
}

int weir_pg_negotiate_read(weir_slice body, uint32_t offered, uint32_t *ret_version,
                           weir_slice *ret_options)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint32_t version = weir_pg_read_u32(&r);
    uint32_t count = weir_pg_read_u32(&r);
    weir_slice options = r.rest;
    for (uint32_t i = 0; i < count && r.ok; i++)
        weir_pg_read_cstr(&r);
    if (weir_pg_reader_end(&r) != 0)
        return -EPROTO;
    if (version > offered || (version != WEIR_PG_VERSION_3_0 && version != WEIR_PG_VERSION_3_2))
        return -EPROTO;
    *ret_version = version;
    *ret_options = options;
    return 0;
}

int weir_pg_write_startup(weir_buf *out, uint32_t version, weir_slice params)
{
    size_t mark = out->len;
    weir_pg_writer w = weir_pg_begin(out, 0);
    weir_pg_put_u32(&w, version);
    weir_pg_put_bytes(&w, params);
    weir_pg_put_u8(&w, 0);
    int r = weir_pg_end(&w);
    if (r == 0 && out->len - mark > WEIR_PG_STARTUP_SIZE_MAX) {
        out->len = mark;
        r = -EMSGSIZE;
    }
    return r;
}

int weir_pg_write_cancel(weir_buf *out, uint32_t pid, weir_slice key)
{
    if (key.len < 4 || key.len > WEIR_PG_CANCEL_KEY_MAX)
        return -EMSGSIZE;
    weir_pg_writer w = weir_pg_begin(out, 0);
    weir_pg_put_u32(&w, WEIR_PG_CODE_CANCEL);
    weir_pg_put_u32(&w, pid);
    weir_pg_put_bytes(&w, key);
    return weir_pg_end(&w);
}
