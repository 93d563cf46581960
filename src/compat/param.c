/* A parameter's value, as a client sent it, as SQLite is to store or compare it. The form is the
 * one SQLite's own functions use: dates and times are ISO texts, booleans 0 and 1, decimals numbers
 * if a number holds them. */
#include "compat/array.h"
#include "compat/enums.h"
#include "compat/values.h"
#include <math.h>

#define REFUSED WEIR_COMPAT_REFUSED

typedef weir_compat_value value;

/* What is read, and where rewritten bytes go. */
typedef struct reading {
    weir_slice in;
    weir_buf *scratch;
    value *out;
    size_t begin; /* in scratch */
    bool used;
} reading;

static uint64_t big_endian(weir_slice s)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | s.data[i];
    return v;
}

static int give_integer(reading *r, int64_t i)
{
    *r->out = (value){.type = WEIR_COMPAT_INTEGER, .integer = i};
    return 0;
}

static int give_real(reading *r, double real)
{
    if (isnan(real))
        return REFUSED; /* SQLite would store NULL */
    *r->out = (value){.type = WEIR_COMPAT_REAL, .real = real};
    return 0;
}

static int give_bytes(reading *r, weir_compat_class type, weir_slice bytes)
{
    if (type == WEIR_COMPAT_TEXT && !weir_text_valid(bytes))
        return REFUSED;
    *r->out = (value){.type = type, .bytes = bytes};
    return 0;
}

/* What was appended to scratch since `begin`. */
static int give_scratch(reading *r, weir_compat_class type)
{
    if (r->scratch->len == r->begin) { /* empty is not NULL */
        *r->out = (value){.type = type, .bytes = WEIR_SLICE_LIT("")};
        return 0;
    }
    r->used = true;
    *r->out =
        (value){.type = type,
                .bytes = weir_slice_make(r->scratch->data + r->begin, r->scratch->len - r->begin)};
    return 0;
}

static int give_copy(reading *r, const char *text, size_t len)
{
    int e = weir_buf_append(r->scratch, weir_slice_make(text, len));
    return e < 0 ? e : give_scratch(r, WEIR_COMPAT_TEXT);
}

static int read_integer(reading *r, uint32_t oid, uint16_t format)
{
    int64_t i = 0;
    if (format == 0)
        return weir_number_integer(r->in, &i) ? give_integer(r, i) : REFUSED;
    if (r->in.len != (size_t)weir_compat_oid_size(oid))
        return REFUSED;
    uint64_t bits = big_endian(r->in);
    if (oid == WEIR_OID_INT2)
        return give_integer(r, (int16_t)bits);
    if (oid == WEIR_OID_INT4)
        return give_integer(r, (int32_t)bits);
    return give_integer(r, (int64_t)bits);
}

static int read_real(reading *r, uint32_t oid, uint16_t format)
{
    double real = 0;
    if (format == 0 && !weir_number_real(r->in, &real))
        return REFUSED;
    if (format == 0)
        return give_real(r, oid == WEIR_OID_FLOAT4 ? (double)(float)real : real);
    if (r->in.len != (size_t)weir_compat_oid_size(oid))
        return REFUSED;
    uint64_t bits = big_endian(r->in);
    if (oid == WEIR_OID_FLOAT8) {
        memcpy(&real, &bits, sizeof(real));
        return give_real(r, real);
    }
    uint32_t narrow_bits = (uint32_t)bits;
    float narrow = 0;
    memcpy(&narrow, &narrow_bits, sizeof(narrow));
    return give_real(r, (double)narrow);
}

static int read_bool(reading *r, uint16_t format)
{
    bool yes = false;
    if (format == 1)
        return r->in.len == 1 && r->in.data[0] <= 1 ? give_integer(r, r->in.data[0]) : REFUSED;
    return weir_number_bool(r->in, &yes) ? give_integer(r, yes) : REFUSED;
}

static int significant_digits(weir_slice s)
{
    int count = 0, zeros = 0;
    for (size_t i = 0; i < s.len && (s.data[i] | 0x20) != 'e'; i++) {
        if (s.data[i] == '0' && count > 0)
            zeros++;
        if (s.data[i] < '1' || s.data[i] > '9')
            continue;
        count += zeros + 1;
        zeros = 0;
    }
    return count;
}

/* As SQLite's NUMERIC affinity: a number where that is lossless (15 digits), else the text. */
static int give_decimal(reading *r, weir_slice text)
{
    int64_t i = 0;
    double real = 0;
    if (weir_number_integer(text, &i))
        return give_integer(r, i);
    if (significant_digits(text) <= 15 && weir_number_real(text, &real))
        return give_real(r, real);
    return weir_slice_eq_nocase(text, "nan") ? REFUSED : give_bytes(r, WEIR_COMPAT_TEXT, text);
}

static int read_numeric(reading *r, uint16_t format)
{
    if (format == 0)
        return weir_numeric_valid(r->in) ? give_decimal(r, r->in) : REFUSED;
    int e = weir_numeric_decode(r->in, r->scratch);
    if (e != 0)
        return e;
    (void)give_scratch(r, WEIR_COMPAT_TEXT);
    weir_slice text = r->out->bytes;
    return give_decimal(r, text);
}

static int read_date(reading *r, uint16_t format)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    if (format == 0)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    if (r->in.len != 4)
        return REFUSED;
    int32_t days = (int32_t)big_endian(r->in);
    if (!weir_timestamp_in_range(days * WEIR_USEC_PER_DAY))
        return REFUSED;
    return give_copy(r, text, weir_date_format(days, text));
}

static int read_time(reading *r, uint16_t format)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    if (format == 0)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    int64_t us = r->in.len == 8 ? (int64_t)big_endian(r->in) : -1;
    if (us < 0 || us > WEIR_USEC_PER_DAY)
        return REFUSED;
    return give_copy(r, text, weir_time_format(us, text));
}

static int read_timestamp(reading *r, uint32_t oid, uint16_t format)
{
    char text[WEIR_DATETIME_TEXT_MAX];
    if (format == 0)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    int64_t us = r->in.len == 8 ? (int64_t)big_endian(r->in) : INT64_MAX;
    if (!weir_timestamp_in_range(us))
        return REFUSED;
    size_t len = weir_timestamp_format(us, oid == WEIR_OID_TIMESTAMPTZ, text);
    if (oid == WEIR_OID_TIMESTAMPTZ) {
        /* SQLite's functions want the minutes of an offset, too. */
        memcpy(text + len, ":00", 4);
        len += 3;
    }
    return give_copy(r, text, len);
}

static int read_interval(reading *r, uint16_t format)
{
    if (format == 0)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    if (r->in.len != 16)
        return REFUSED;
    int64_t us = (int64_t)big_endian(weir_slice_head(r->in, 8));
    uint64_t rest = big_endian(weir_slice_skip(r->in, 8));
    int e =
        weir_interval_put(r->scratch, us, (int32_t)(uint32_t)(rest >> 32), (int32_t)(uint32_t)rest);
    return e != 0 ? e : give_scratch(r, WEIR_COMPAT_TEXT);
}

static int read_inet(reading *r, uint16_t format)
{
    if (format == 0)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    weir_inet inet = {.v6 = r->in.len == 20};
    size_t len = inet.v6 ? 16 : 4;
    if (r->in.len != 4 + len || r->in.data[3] != len || r->in.data[1] > 8 * len)
        return REFUSED;
    inet.bits = r->in.data[1];
    memcpy(inet.bytes, r->in.data + 4, len);
    int e = weir_inet_put(r->scratch, &inet);
    return e != 0 ? e : give_scratch(r, WEIR_COMPAT_TEXT);
}

static int read_bytea(reading *r, uint16_t format)
{
    if (format == 1)
        return give_bytes(r, WEIR_COMPAT_BLOB, r->in);
    int e = weir_bytea_parse(r->in, r->scratch);
    return e != 0 ? e : give_scratch(r, WEIR_COMPAT_BLOB);
}

static int read_uuid(reading *r, uint16_t format)
{
    uint8_t bytes[16];
    char text[37];
    if (format == 1 && r->in.len == 16)
        memcpy(bytes, r->in.data, 16);
    else if (format == 1 || !weir_uuid_parse(r->in, bytes))
        return REFUSED;
    weir_uuid_format(bytes, text);
    return give_copy(r, text, 36);
}

static int read_json(reading *r, uint32_t oid, uint16_t format)
{
    weir_slice in = r->in;
    if (oid == WEIR_OID_JSONB && format == 1) {
        if (in.len == 0 || in.data[0] != 1)
            return REFUSED;
        in = weir_slice_skip(in, 1);
    }
    return weir_text_is_json(in) ? give_bytes(r, WEIR_COMPAT_TEXT, in) : REFUSED;
}

static int read_array(reading *r, uint16_t format, weir_error *err)
{
    int e = format == 1 ? weir_array_decode(r->in, r->scratch, err)
                        : weir_array_requote(r->in, r->scratch);
    return e != 0 ? e : give_scratch(r, WEIR_COMPAT_TEXT);
}

static int read_other(reading *r, uint32_t oid, uint16_t format, weir_error *err)
{
    bool text_like = oid == WEIR_OID_TEXT || oid == WEIR_OID_VARCHAR || oid == WEIR_OID_BPCHAR ||
                     oid == WEIR_OID_NAME || oid == WEIR_OID_CHAR || enum_is_oid(oid);
    bool texts = oid == 1009 || oid == 1015 || oid == 1014 || oid == 1003; /* arrays of them */
    if (texts || (format == 1 && weir_array_element_oid(oid) != 0))
        return read_array(r, format, err);
    if (format == 0 || text_like)
        return give_bytes(r, WEIR_COMPAT_TEXT, r->in);
    if (oid == 0 || oid == WEIR_OID_UNKNOWN) {
        weir_error_set(err, "42P18", "weir: a parameter sent in binary has no type");
        weir_error_hint(err, "Name its type in Parse, or send it as text.");
    } else {
        weir_error_set(err, "0A000", "weir: parameters of type OID %u are not read in binary", oid);
        weir_error_hint(err, "Send it as text.");
    }
    return -EINVAL;
}

static int read_any(reading *r, uint32_t oid, uint16_t format, weir_error *err)
{
    switch (oid) {
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
    case WEIR_OID_OID:
        return read_integer(r, oid, format);
    case WEIR_OID_FLOAT4:
    case WEIR_OID_FLOAT8:
        return read_real(r, oid, format);
    case WEIR_OID_BOOL:
        return read_bool(r, format);
    case WEIR_OID_NUMERIC:
        return read_numeric(r, format);
    case WEIR_OID_DATE:
        return read_date(r, format);
    case WEIR_OID_TIME:
        return read_time(r, format);
    case WEIR_OID_TIMESTAMP:
    case WEIR_OID_TIMESTAMPTZ:
        return read_timestamp(r, oid, format);
    case WEIR_OID_INTERVAL:
        return read_interval(r, format);
    case WEIR_OID_INET:
        return read_inet(r, format);
    case WEIR_OID_BYTEA:
        return read_bytea(r, format);
    case WEIR_OID_UUID:
        return read_uuid(r, format);
    case WEIR_OID_JSON:
    case WEIR_OID_JSONB:
        return read_json(r, oid, format);
    default:
        return read_other(r, oid, format, err);
    }
}

int weir_compat_param_read(uint32_t oid, uint16_t format, weir_slice bytes, weir_buf *scratch,
                           value *ret, size_t *ret_scratch, weir_error *err)
{
    reading r = {.in = bytes, .scratch = scratch, .out = ret, .begin = scratch->len};
    int e = read_any(&r, oid, format, err);
    if (e == REFUSED)
        weir_error_set(err, format == 1 ? "22P03" : "22P02",
                       "weir: a parameter is not a value of its type (OID %u)", oid);
    if (e == -EINVAL)
        e = REFUSED;
    *ret_scratch = r.used && e == 0 ? r.begin : SIZE_MAX;
    return e;
}
