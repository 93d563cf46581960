/* A value of SQLite as a cell of a DataRow. SQLite's columns hold values of any class whatever they
 * were declared as; a cell is written only if the announced type can say it without loss
 * (docs/sqlite-types.md has the table), because a driver trusts the announcement. */
#include "base/utf8.h"
#include "compat/array.h"
#include "compat/values.h"
#include <math.h>

#define REFUSED WEIR_COMPAT_REFUSED

typedef weir_compat_value value;

static int put(weir_buf *out, const void *bytes, size_t len)
{
    return weir_buf_append(out, weir_slice_make(bytes, len));
}

static bool as_integer(const value *v, int64_t *ret)
{
    double real = 0;
    switch (v->type) {
    case WEIR_COMPAT_INTEGER:
        *ret = v->integer;
        return true;
    case WEIR_COMPAT_REAL:
        return weir_number_integral(v->real, ret);
    case WEIR_COMPAT_TEXT:
        return weir_number_integer(v->bytes, ret) ||
               (weir_number_real(v->bytes, &real) && weir_number_integral(real, ret));
    default:
        return false;
    }
}

static bool as_real(const value *v, double *ret)
{
    switch (v->type) {
    case WEIR_COMPAT_INTEGER:
        *ret = (double)v->integer; /* rounds as PostgreSQL's cast from bigint does */
        return true;
    case WEIR_COMPAT_REAL:
        *ret = v->real;
        return true;
    case WEIR_COMPAT_TEXT:
        return weir_number_real(v->bytes, ret);
    default:
        return false;
    }
}

static int put_integer(weir_buf *out, uint32_t oid, uint16_t format, const value *v)
{
    int64_t i = 0;
    if (!as_integer(v, &i))
        return REFUSED;
    if ((oid == WEIR_OID_INT2 && i != (int16_t)i) || (oid == WEIR_OID_INT4 && i != (int32_t)i) ||
        (oid == WEIR_OID_OID && i != (uint32_t)i))
        return REFUSED;
    if (format == 0) {
        char text[WEIR_NUMBER_TEXT_MAX];
        return put(out, text, weir_number_format_integer(i, text));
    }
    if (oid == WEIR_OID_INT2)
        return weir_buf_append_u16(out, (uint16_t)i);
    return oid == WEIR_OID_INT8 ? weir_buf_append_u64(out, (uint64_t)i)
                                : weir_buf_append_u32(out, (uint32_t)i);
}

static int put_real(weir_buf *out, uint32_t oid, uint16_t format, const value *v)
{
    double real = 0;
    if (!as_real(v, &real))
        return REFUSED;
    if (format == 0) {
        char text[WEIR_NUMBER_TEXT_MAX];
        return put(out, text,
                   oid == WEIR_OID_FLOAT4 ? weir_number_format_float4((float)real, text)
                                          : weir_number_format(real, text));
    }
    if (oid == WEIR_OID_FLOAT4) {
        float narrow = (float)real;
        uint32_t bits = 0;
        memcpy(&bits, &narrow, sizeof(bits));
        return weir_buf_append_u32(out, bits);
    }
    uint64_t bits = 0;
    memcpy(&bits, &real, sizeof(bits));
    return weir_buf_append_u64(out, bits);
}

static int put_bool(weir_buf *out, uint16_t format, const value *v)
{
    int64_t i = 0;
    bool yes = false;
    if (v->type == WEIR_COMPAT_TEXT && weir_number_bool(v->bytes, &yes))
        i = yes;
    else if (!as_integer(v, &i) || (i != 0 && i != 1))
        return REFUSED;
    if (format == 1)
        return weir_buf_append_u8(out, (uint8_t)i);
    return weir_buf_append_u8(out, i == 1 ? 't' : 'f');
}

/* The text that a value has in any text-like column. */
static int put_text(weir_buf *out, const value *v)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    switch (v->type) {
    case WEIR_COMPAT_INTEGER:
        return put(out, text, weir_number_format_integer(v->integer, text));
    case WEIR_COMPAT_REAL:
        return put(out, text, weir_number_format(v->real, text));
    case WEIR_COMPAT_TEXT:
        return weir_text_valid(v->bytes) ? weir_buf_append(out, v->bytes) : REFUSED;
    default:
        return weir_hex_append(out, v->bytes);
    }
}

static int put_bytea(weir_buf *out, uint16_t format, const value *v)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    weir_slice bytes = v->bytes;
    if (v->type == WEIR_COMPAT_INTEGER || v->type == WEIR_COMPAT_REAL) {
        size_t len = v->type == WEIR_COMPAT_REAL ? weir_number_format(v->real, text)
                                                 : weir_number_format_integer(v->integer, text);
        bytes = weir_slice_make(text, len);
    }
    return format == 1 ? weir_buf_append(out, bytes) : weir_hex_append(out, bytes);
}

static int put_numeric(weir_buf *out, uint16_t format, const value *v)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    weir_slice s = v->bytes;
    if (v->type == WEIR_COMPAT_INTEGER)
        s = weir_slice_make(text, weir_number_format_integer(v->integer, text));
    else if (v->type == WEIR_COMPAT_REAL)
        s = weir_slice_make(text, weir_number_format(v->real, text));
    else if (v->type == WEIR_COMPAT_BLOB || !weir_numeric_valid(s))
        return REFUSED;
    return format == 1 ? weir_numeric_encode(s, out) : weir_buf_append(out, s);
}

/* SQLite's three conventions for a moment (https://sqlite.org/lang_datefunc.html). */
static bool as_timestamp(const value *v, int64_t *ret_us)
{
    switch (v->type) {
    case WEIR_COMPAT_INTEGER:
        return weir_timestamp_unix(v->integer, ret_us);
    case WEIR_COMPAT_REAL:
        return weir_timestamp_julian(v->real, ret_us);
    case WEIR_COMPAT_TEXT:
        return weir_timestamp_parse(v->bytes, ret_us) && weir_timestamp_in_range(*ret_us);
    default:
        return false;
    }
}

/* "~moment|text": in the zone of who asked (run_zones.c). */
static int put_shown(weir_buf *out, uint16_t format, weir_slice s)
{
    int64_t us = 0;
    const uint8_t *bar = memchr(s.data, '|', s.len);
    if (!bar || !weir_timestamp_parse(weir_slice_make(s.data + 1, (size_t)(bar - s.data) - 1), &us))
        return REFUSED;
    return format == 1 ? weir_buf_append_u64(out, (uint64_t)us)
                       : weir_buf_append(out, weir_slice_skip(s, (size_t)(bar - s.data) + 1));
}

static int put_timestamp(weir_buf *out, uint32_t oid, uint16_t format, const value *v)
{
    int64_t us = 0;
    char text[WEIR_DATETIME_TEXT_MAX];
    if (v->type == WEIR_COMPAT_TEXT && v->bytes.len > 0 && v->bytes.data[0] == '~')
        return put_shown(out, format, v->bytes);
    if (!as_timestamp(v, &us))
        return REFUSED;
    if (format == 1)
        return weir_buf_append_u64(out, (uint64_t)us);
    return put(out, text, weir_timestamp_format(us, oid == WEIR_OID_TIMESTAMPTZ, text));
}

static int put_date(weir_buf *out, uint16_t format, const value *v)
{
    int64_t us = 0;
    char text[WEIR_DATETIME_TEXT_MAX];
    if (!as_timestamp(v, &us) || us % WEIR_USEC_PER_DAY != 0)
        return REFUSED; /* a date that has a time of day would lose it */
    int32_t days = (int32_t)(us / WEIR_USEC_PER_DAY);
    if (format == 1)
        return weir_buf_append_u32(out, (uint32_t)days);
    return put(out, text, weir_date_format(days, text));
}

static int put_time(weir_buf *out, uint16_t format, const value *v)
{
    int64_t us = 0;
    char text[WEIR_DATETIME_TEXT_MAX];
    if (v->type == WEIR_COMPAT_INTEGER && v->integer >= 0 && v->integer < 86400)
        us = v->integer * 1000000;
    else if (v->type != WEIR_COMPAT_TEXT || !weir_time_parse(v->bytes, &us))
        return REFUSED;
    if (format == 1)
        return weir_buf_append_u64(out, (uint64_t)us);
    return put(out, text, weir_time_format(us, text));
}

static int put_json(weir_buf *out, uint32_t oid, uint16_t format, const value *v)
{
    bool infinite = v->type == WEIR_COMPAT_REAL && !isfinite(v->real);
    bool text = v->type == WEIR_COMPAT_TEXT && weir_text_is_json(v->bytes);
    if (v->type == WEIR_COMPAT_BLOB || infinite || (v->type == WEIR_COMPAT_TEXT && !text))
        return REFUSED;
    int r = oid == WEIR_OID_JSONB && format == 1 ? weir_buf_append_u8(out, 1) : 0;
    return r == 0 ? put_text(out, v) : r;
}

static int put_uuid(weir_buf *out, uint16_t format, const value *v)
{
    uint8_t bytes[16];
    char text[37];
    if (v->type == WEIR_COMPAT_BLOB && v->bytes.len == 16)
        memcpy(bytes, v->bytes.data, 16);
    else if (v->type != WEIR_COMPAT_TEXT || !weir_uuid_parse(v->bytes, bytes))
        return REFUSED;
    if (format == 1)
        return put(out, bytes, 16);
    weir_uuid_format(bytes, text);
    return put(out, text, 36);
}

#define SECONDS_MAX INT64_C(1000000000000)

static int put_interval(weir_buf *out, uint16_t format, const value *v)
{
    int64_t us = 0;
    int32_t days = 0, months = 0;
    bool seconds =
        v->type == WEIR_COMPAT_INTEGER && v->integer < SECONDS_MAX && v->integer > -SECONDS_MAX;
    bool text = v->type == WEIR_COMPAT_TEXT && weir_interval_parse(v->bytes, &us, &days, &months);
    if (!seconds && !text)
        return REFUSED;
    us = seconds ? v->integer * 1000000 : us;
    if (format == 0)
        return weir_interval_put(out, us, days, months);
    int r = weir_buf_append_u64(out, (uint64_t)us);
    if (r == 0)
        r = weir_buf_append_u32(out, (uint32_t)days);
    return r == 0 ? weir_buf_append_u32(out, (uint32_t)months) : r;
}

/* In binary: PostgreSQL's number of the family, bits, whether it is a cidr, the address. */
static int put_inet(weir_buf *out, uint16_t format, const value *v)
{
    weir_inet inet;
    if (v->type != WEIR_COMPAT_TEXT || !weir_inet_parse(v->bytes, &inet))
        return REFUSED;
    if (format == 0)
        return weir_inet_put(out, &inet);
    uint8_t len = inet.v6 ? 16 : 4;
    const uint8_t head[] = {inet.v6 ? 3 : 2, inet.bits, 0, len};
    int r = put(out, head, sizeof(head));
    return r == 0 ? put(out, inet.bytes, len) : r;
}

static int put_body(weir_buf *out, uint32_t oid, uint16_t format, const value *v)
{
    switch (oid) {
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
    case WEIR_OID_OID:
        return put_integer(out, oid, format, v);
    case WEIR_OID_FLOAT4:
    case WEIR_OID_FLOAT8:
        return put_real(out, oid, format, v);
    case WEIR_OID_BOOL:
        return put_bool(out, format, v);
    case WEIR_OID_BYTEA:
        return put_bytea(out, format, v);
    case WEIR_OID_NUMERIC:
        return put_numeric(out, format, v);
    case WEIR_OID_DATE:
        return put_date(out, format, v);
    case WEIR_OID_TIME:
        return put_time(out, format, v);
    case WEIR_OID_TIMESTAMP:
    case WEIR_OID_TIMESTAMPTZ:
        return put_timestamp(out, oid, format, v);
    case WEIR_OID_JSON:
    case WEIR_OID_JSONB:
        return put_json(out, oid, format, v);
    case WEIR_OID_UUID:
        return put_uuid(out, format, v);
    case WEIR_OID_INTERVAL:
        return put_interval(out, format, v);
    case WEIR_OID_INET:
        return put_inet(out, format, v);
    default:
        if (format == 1 && v->type == WEIR_COMPAT_TEXT && weir_array_element_oid(oid) != 0)
            return weir_array_encode(v->bytes, oid, out, NULL);
        return put_text(out, v);
    }
}

static const char *oid_name(uint32_t oid)
{
    switch (oid) {
    case WEIR_OID_INT2:
        return "smallint";
    case WEIR_OID_INT4:
        return "integer";
    case WEIR_OID_INT8:
        return "bigint";
    case WEIR_OID_OID:
        return "oid";
    case WEIR_OID_FLOAT4:
        return "real";
    case WEIR_OID_FLOAT8:
        return "double precision";
    case WEIR_OID_BOOL:
        return "boolean";
    case WEIR_OID_NUMERIC:
        return "numeric";
    case WEIR_OID_DATE:
        return "date";
    case WEIR_OID_TIME:
        return "time";
    case WEIR_OID_INTERVAL:
        return "interval";
    case WEIR_OID_TIMESTAMP:
    case WEIR_OID_TIMESTAMPTZ:
        return "timestamp";
    case WEIR_OID_JSON:
    case WEIR_OID_JSONB:
        return "json";
    case WEIR_OID_UUID:
        return "uuid";
    case WEIR_OID_INET:
        return "inet";
    default:
        return "text";
    }
}

static int refuse(uint32_t oid, const value *v, weir_error *err)
{
    static const char *const classes[] = {"null", "an integer", "a real", "a text", "a blob"};
    bool encoding = v->type == WEIR_COMPAT_TEXT && !weir_text_valid(v->bytes);
    if (encoding)
        weir_error_set(err, "22021",
                       "weir: the database holds a text that is not UTF-8 or has a zero byte");
    else
        weir_error_set(err, "22P02", "weir: the database holds %s that is not a value of type %s",
                       classes[v->type], oid_name(oid));
    if (v->type == WEIR_COMPAT_TEXT && !encoding)
        weir_error_detail(err, "The value begins \"%.*s\".", WEIR_UTF8_QUOTED(v->bytes, 60));
    weir_error_hint(err, "Select CAST(column AS %s) to read it, and correct the row.",
                    encoding ? "BLOB" : "TEXT");
    return REFUSED;
}

int weir_compat_cell_write(weir_buf *out, uint32_t oid, uint16_t format, const value *v,
                           weir_error *err)
{
    size_t mark = out->len;
    if (v->type == WEIR_COMPAT_NULL)
        return weir_buf_append_u32(out, UINT32_MAX);
    int r = weir_buf_append_u32(out, 0);
    if (r == 0)
        r = put_body(out, oid, format, v);
    if (r == 0 && out->len - mark - 4 > INT32_MAX)
        r = -EMSGSIZE;
    if (r != 0) {
        out->len = mark;
        return r == REFUSED ? refuse(oid, v, err) : r;
    }
    uint32_t len = (uint32_t)(out->len - mark - 4);
    for (size_t i = 0; i < 4; i++)
        out->data[mark + i] = (uint8_t)(len >> (24 - 8 * i));
    return 0;
}

int weir_compat_cell_text(uint32_t oid, const value *v, weir_buf *scratch, weir_slice *ret,
                          weir_error *err)
{
    weir_buf_clear(scratch);
    if (v->type == WEIR_COMPAT_TEXT && oid == WEIR_OID_TEXT && weir_text_valid(v->bytes)) {
        *ret = v->bytes;
        return 0;
    }
    int r = weir_compat_cell_write(scratch, oid, 0, v, err);
    if (r == 0)
        *ret = weir_slice_skip(weir_buf_slice(scratch), 4); /* its length */
    return r;
}
