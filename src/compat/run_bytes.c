/* bytea's functions: encode and decode, digests, single bytes. */
#include "base/utf8.h"
#include "compat/run.h"
#include <openssl/evp.h>

static weir_slice bytes_of(const weir_value *v)
{
    bool bytes = v->type == WEIR_VALUE_TEXT || v->type == WEIR_VALUE_BLOB;
    return bytes ? v->u.bytes : (weir_slice){0};
}

static int give_bytes(weir_buf *out, weir_value *ret, int r)
{
    *ret = (weir_value){.type = WEIR_VALUE_BLOB};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

static int no_encoding(weir_slice name, weir_error *err)
{
    weir_error_set(err, "22023", "unrecognized encoding: \"%.*s\"", WEIR_UTF8_QUOTED(name, 40));
    return WEIR_COMPAT_REFUSED;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 2045: lines of 76, ended by a newline alone. */
static int put_base64(weir_slice s, weir_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)s.data[i] << 16 | (left > 1 ? (uint32_t)s.data[i + 1] << 8 : 0) |
                        (left > 2 ? s.data[i + 2] : 0u);
        const char four[] = {base64[bits >> 18], base64[bits >> 12 & 63],
                             left > 1 ? base64[bits >> 6 & 63] : '=',
                             left > 2 ? base64[bits & 63] : '='};
        if (i > 0 && i % 57 == 0)
            r = weir_buf_append_u8(out, '\n');
        if (r == 0)
            r = weir_buf_append(out, weir_slice_make(four, sizeof(four)));
    }
    return r;
}

static int read_base64(weir_slice s, weir_buf *out, weir_error *err)
{
    uint32_t bits = 0;
    int have = 0, padding = 0, r = 0;
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == ' ' || (c >= '\t' && c <= '\r' && c != '\v' && c != '\f'))
            continue;
        const char *found = c ? strchr(base64, c) : NULL;
        if (c == '=' ? have < 2 || padding > 2 : !found || padding > 0)
            return run_refuse(err, "22023",
                              c == '=' ? "unexpected \"=\" while decoding base64 sequence"
                                       : "invalid symbol found while decoding base64 "
                                         "sequence");
        padding += c == '=';
        bits = bits << 6 | (found ? (uint32_t)(found - base64) : 0);
        if (++have < 4)
            continue;
        for (int k = 0; r == 0 && k < 3 - padding; k++)
            r = weir_buf_append_u8(out, (uint8_t)(bits >> (16 - 8 * k)));
        have = 0;
        bits = 0;
    }
    return r == 0 && have != 0 ? run_refuse(err, "22023", "invalid base64 end sequence") : r;
}

static int read_hex(weir_slice s, weir_buf *out, weir_error *err)
{
    static const char digits[] = "0123456789abcdef";
    int r = 0, have = 0;
    unsigned value = 0;
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
            continue;
        uint8_t lower = c >= 'A' && c <= 'F' ? (uint8_t)(c | 0x20) : c;
        const char *found = c ? strchr(digits, lower) : NULL;
        if (!found)
            return run_refuse(err, "22023", "invalid hexadecimal digit");
        value = value << 4 | (unsigned)(found - digits);
        if (++have == 2) {
            r = weir_buf_append_u8(out, (uint8_t)value);
            have = 0;
            value = 0;
        }
    }
    return r == 0 && have != 0
               ? run_refuse(err, "22023", "invalid hexadecimal data: odd number of digits")
               : r;
}

static int put_hex(weir_slice s, weir_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s.len; i++)
        r = weir_buf_printf(out, "%02x", s.data[i]);
    return r;
}

static int put_escape(weir_slice s, weir_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        uint8_t c = s.data[i];
        r = c == 0 || c >= 0x80 ? weir_buf_printf(out, "\\%03o", c)
            : c == '\\'         ? weir_buf_append(out, WEIR_SLICE_LIT("\\\\"))
                                : weir_buf_append_u8(out, c);
    }
    return r;
}

static int call_encode(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    weir_slice s = bytes_of(&args[0]), name = bytes_of(&args[1]);
    int r = weir_slice_eq_nocase(name, "hex")      ? put_hex(s, out)
            : weir_slice_eq_nocase(name, "base64") ? put_base64(s, out)
            : weir_slice_eq_nocase(name, "escape") ? put_escape(s, out)
                                                   : no_encoding(name, err);
    return run_give(out, ret, r);
}

static int call_decode(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    weir_slice s = bytes_of(&args[0]), name = bytes_of(&args[1]);
    bool escape = weir_slice_eq_nocase(name, "escape");
    if (escape && s.len > 1 && s.data[0] == '\\' && s.data[1] == 'x')
        return run_refuse(err, "22P02", "invalid input syntax for type bytea");
    int r = weir_slice_eq_nocase(name, "hex")      ? read_hex(s, out, err)
            : weir_slice_eq_nocase(name, "base64") ? read_base64(s, out, err)
            : escape                               ? weir_bytea_parse(s, out)
                                                   : no_encoding(name, err);
    if (escape && r > 0)
        return run_refuse(err, "22P02", "invalid input syntax for type bytea");
    return give_bytes(out, ret, r);
}

/* weir_digest(name, bytes) */
static int call_digest(RUN_ARGS)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (run_any_null(args, count))
        return 0;
    weir_slice name = bytes_of(&args[0]), s = bytes_of(&args[1]);
    const EVP_MD *kind = weir_slice_eq_cstr(name, "md5")      ? EVP_md5()
                         : weir_slice_eq_cstr(name, "sha224") ? EVP_sha224()
                         : weir_slice_eq_cstr(name, "sha256") ? EVP_sha256()
                         : weir_slice_eq_cstr(name, "sha384") ? EVP_sha384()
                                                              : EVP_sha512();
    if (!EVP_Digest(s.len > 0 ? s.data : (const uint8_t *)"", s.len, digest, &len, kind, NULL))
        return run_refuse(err, "0A000",
                          "weir: this digest is not allowed by this system's OpenSSL");
    return give_bytes(out, ret, weir_buf_append(out, weir_slice_make(digest, len)));
}

static int call_get_byte(RUN_ARGS)
{
    (void)out;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = bytes_of(&args[0]);
    int64_t at = run_integer_of(&args[1]);
    if (at < 0 || (uint64_t)at >= s.len) {
        weir_error_set(err, "2202E", "index %lld out of valid range, 0..%lld", (long long)at,
                       (long long)s.len - 1);
        return WEIR_COMPAT_REFUSED;
    }
    run_give_integer(ret, s.data[at]);
    return 0;
}

/* Texts are UTF-8 and nothing else. */
static int check_encoding(const weir_value *v, weir_error *err)
{
    weir_slice name = bytes_of(v);
    if (weir_slice_eq_nocase(name, "utf8") || weir_slice_eq_nocase(name, "utf-8") ||
        weir_slice_eq_nocase(name, "unicode"))
        return 0;
    return run_refuse(err, "0A000", "weir: an encoding other than UTF8 is not supported on SQLite");
}

static int call_convert_from(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    int r = check_encoding(&args[1], err);
    if (r == 0 && !weir_text_valid(bytes_of(&args[0])))
        return run_refuse(err, "22021", "invalid byte sequence for encoding \"UTF8\"");
    return r == 0 ? run_give(out, ret, weir_buf_append(out, bytes_of(&args[0]))) : r;
}

static int call_convert_to(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    int r = check_encoding(&args[1], err);
    return r == 0 ? give_bytes(out, ret, weir_buf_append(out, bytes_of(&args[0]))) : r;
}

const weir_face_function weir_face_bytes[] = {
    {.name = "weir_encode", .args = 2, .pure = true, .call = call_encode},
    {.name = "weir_decode", .args = 2, .pure = true, .call = call_decode},
    {.name = "weir_digest", .args = 2, .pure = true, .call = call_digest},
    {.name = "weir_get_byte", .args = 2, .pure = true, .call = call_get_byte},
    {.name = "weir_convert_from", .args = 2, .pure = true, .call = call_convert_from},
    {.name = "weir_convert_to", .args = 2, .pure = true, .call = call_convert_to},
    {.name = NULL},
};
