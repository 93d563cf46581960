/* Addresses to listen on: their forms, and whether they are reachable from elsewhere. */
#include "config/address.h"

/* sun_path has 108 bytes, the last is the terminating zero (unix(7)). */
enum { SOCKET_PATH_SIZE_MAX = 107, HOST_SIZE_MAX = 253 };

static int parse_port(weir_slice text, unsigned *ret)
{
    unsigned port = 0;
    if (text.len == 0 || text.len > 5)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -EINVAL;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret = port;
    return port <= 65535 ? 0 : -EINVAL;
}

/* 127.0.0.0/8 in dotted form (a name such as 127.example.org is not), ::1 and localhost. */
static bool is_loopback(weir_slice host)
{
    if (weir_slice_eq_nocase(host, "localhost") || weir_slice_eq_cstr(host, "::1"))
        return true;
    if (host.len < 4 || memcmp(host.data, "127.", 4) != 0)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] != '.' && (host.data[i] < '0' || host.data[i] > '9'))
            return false;
    }
    return true;
}

static bool host_is_sane(weir_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] <= ' ' || host.data[i] == 0x7f || host.data[i] == '/')
            return false;
    }
    return host.len > 0 && host.len <= HOST_SIZE_MAX;
}

static int parse_inet(weir_slice text, config_address *ret, const char **why)
{
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    *why = "must be host:port, [v6 address]:port, *:port or /path/socket, as in 127.0.0.1:6432";
    if (colon == 0)
        return -EINVAL;
    weir_slice host = weir_slice_head(text, colon - 1);
    bool bracketed = host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (bracketed)
        host = weir_slice_make(host.data + 1, host.len - 2);
    if (!host_is_sane(host))
        return -EINVAL;
    if (!bracketed && memchr(host.data, ':', host.len)) {
        *why = "an IPv6 address must be written [address]:port";
        return -EINVAL;
    }
    if (parse_port(weir_slice_skip(text, colon), &ret->port) != 0) {
        *why = "the port must be a number from 0 to 65535 (0: any free one)";
        return -EINVAL;
    }
    ret->host = host;
    ret->loopback = is_loopback(host);
    return 0;
}

int config_address_parse(weir_slice text, config_address *ret, const char **why)
{
    *ret = (config_address){.host = text};
    if (text.len == 0 || text.data[0] != '/')
        return parse_inet(text, ret, why);
    if (text.len > SOCKET_PATH_SIZE_MAX) {
        *why = "the path of a UNIX socket can have at most 107 bytes";
        return -EINVAL;
    }
    ret->is_unix = true;
    ret->loopback = true;
    return 0;
}
