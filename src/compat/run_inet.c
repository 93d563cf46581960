/* Addresses of hosts and networks: inet's texts, bytes, order and functions. */
#include "base/ascii.h"
#include "compat/run.h"
#include <arpa/inet.h>
#include <stdlib.h>

#define TEXT_MAX 64u /* of an address with its mask and a zero byte */

static int bits_of(const weir_inet *inet)
{
    return inet->v6 ? 128 : 32;
}

bool weir_inet_parse(weir_slice text, weir_inet *ret)
{
    char copy[TEXT_MAX];
    weir_slice s = weir_ascii_trim(text);
    if (s.len == 0 || s.len >= sizeof(copy))
        return false;
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    char *slash = strchr(copy, '/');
    *ret = (weir_inet){.v6 = strchr(copy, ':') != NULL};
    ret->bits = (uint8_t)bits_of(ret);
    if (slash) {
        *slash = '\0';
        char *end = NULL;
        long bits = strtol(slash + 1, &end, 10);
        bool digit = slash[1] >= '0' && slash[1] <= '9';
        if (!digit || *end != '\0' || bits > ret->bits)
            return false;
        ret->bits = (uint8_t)bits;
    }
    return inet_pton(ret->v6 ? AF_INET6 : AF_INET, copy, ret->bytes) == 1;
}

static int put_address(weir_buf *out, const weir_inet *inet, bool masked)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(inet->v6 ? AF_INET6 : AF_INET, inet->bytes, text, sizeof(text)))
        return -ENOMEM;
    return masked ? weir_buf_printf(out, "%s/%d", text, inet->bits)
                  : weir_buf_printf(out, "%s", text);
}

int weir_inet_put(weir_buf *out, const weir_inet *inet)
{
    return put_address(out, inet, inet->bits != bits_of(inet));
}

/* ---- functions ---- */

static int read_inet(const weir_value *v, weir_inet *ret, weir_error *err)
{
    weir_slice s = run_bytes_of(v);
    *ret = (weir_inet){0};
    return v->type == WEIR_VALUE_TEXT && weir_inet_parse(s, ret) ? 0 : run_invalid(err, "inet", s);
}

static int call_inet(RUN_ARGS)
{
    weir_inet inet;
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    return r == 0 ? run_give(out, ret, weir_inet_put(out, &inet)) : r;
}

/* inet::text: the mask always. */
static int call_inet_text(RUN_ARGS)
{
    weir_inet inet;
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    return r == 0 ? run_give(out, ret, put_address(out, &inet, true)) : r;
}

static int call_inet_host(RUN_ARGS)
{
    weir_inet inet;
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    return r == 0 ? run_give(out, ret, put_address(out, &inet, false)) : r;
}

static int call_inet_bits(RUN_ARGS)
{
    weir_inet inet;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    if (r == 0)
        run_give_integer(ret, inet.bits);
    return r;
}

static int call_inet_family(RUN_ARGS)
{
    weir_inet inet;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    if (r == 0)
        run_give_integer(ret, inet.v6 ? 6 : 4);
    return r;
}

/* Bytes in PostgreSQL's order: family, network, its bits, the whole address. */
static int call_inet_key(RUN_ARGS)
{
    weir_inet inet;
    uint8_t key[34] = {0};
    if (run_any_null(args, count))
        return 0;
    int r = read_inet(&args[0], &inet, err);
    if (r != 0)
        return r;
    key[0] = inet.v6;
    for (int i = 0; i < 16; i++) {
        int left = inet.bits - 8 * i;
        unsigned mask = left >= 8 ? 0xffu : left <= 0 ? 0u : 0xffu << (8 - left);
        key[1 + i] = (uint8_t)(inet.bytes[i] & mask);
    }
    key[17] = inet.bits;
    memcpy(key + 18, inet.bytes, 16);
    r = weir_buf_append(out, weir_slice_make(key, sizeof(key)));
    *ret = (weir_value){.type = WEIR_VALUE_BLOB};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

const weir_face_function weir_face_addresses[] = {
    {.name = "weir_inet", .args = 1, .pure = true, .call = call_inet},
    {.name = "weir_inet_text", .args = 1, .pure = true, .call = call_inet_text},
    {.name = "weir_inet_host", .args = 1, .pure = true, .call = call_inet_host},
    {.name = "weir_inet_bits", .args = 1, .pure = true, .call = call_inet_bits},
    {.name = "weir_inet_family", .args = 1, .pure = true, .call = call_inet_family},
    {.name = "weir_inet_key", .args = 1, .pure = true, .call = call_inet_key},
    {.name = NULL},
};
