/* DSNs: sqlite:PATH, and PostgreSQL's connection URIs (libpq documentation, 34.1.1.2). Messages
 * never quote a DSN, for its password's sake. */
#include "config/config.h"
#include "config/server_tls.h"
#include <stdio.h>

enum { HOSTS_MAX = 16, DSN_SIZE_MAX = 4096, SOCKET_DIR_SIZE_MAX = 90 };

#define DEFAULT_SOCKET_DIR "/var/run/postgresql"
#define DEFAULT_PORT 5432

/* What a URI says, decoded; strings are the arena's. */
typedef struct uri {
    weir_arena *arena;
    weir_error *err;
    weir_config_host hosts[HOSTS_MAX]; /* port 0: not given */
    unsigned host_count;
    const char *user, *password, *dbname;
    weir_config_target target;
    bool balance;
    weir_time connect_timeout;
    weir_config_server_tls tls;
} uri;

static int refuse(weir_error *err, const char *message)
{
    weir_error_set(err, "F0000", "%s", message);
    return -EINVAL;
}

static int no_memory(weir_error *err)
{
    weir_error_set(err, "53200", "out of memory while reading a DSN");
    return -ENOMEM;
}

static bool take_prefix(weir_slice *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    *text = weir_slice_skip(*text, len);
    return true;
}

/* The part before the first of `set`; `*text` is left at that character. */
static weir_slice take_until(weir_slice *text, const char *set)
{
    size_t n = 0;
    while (n < text->len && !strchr(set, text->data[n]))
        n++;
    weir_slice part = weir_slice_head(*text, n);
    *text = weir_slice_skip(*text, n);
    return part;
}

static bool take_char(weir_slice *text, char c)
{
    if (text->len == 0 || text->data[0] != (uint8_t)c)
        return false;
    *text = weir_slice_skip(*text, 1);
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const uri *u, weir_slice text, const char **ret)
{
    char *out = weir_arena_strdup(u->arena, text);
    if (!out)
        return no_memory(u->err);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 1 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return refuse(u->err, "a % in the DSN must be followed by two hexadecimal digits, "
                                      "not 00; a % of a password is written %25");
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    *ret = out;
    return 0;
}

static int parse_port(const uri *u, weir_slice text, unsigned *ret)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || port > 65535)
            return refuse(u->err, "a port of the DSN is no number from 1 to 65535");
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    if (text.len > 0 && (port == 0 || port > 65535))
        return refuse(u->err, "a port of the DSN is no number from 1 to 65535");
    *ret = port;
    return 0;
}

static int add_host(uri *u, weir_slice name, unsigned port)
{
    const char *host = NULL;
    if (u->host_count == HOSTS_MAX)
        return refuse(u->err, "the DSN names more than 16 hosts");
    int r = decode(u, name, &host);
    if (r != 0)
        return r;
    if (*host == '\0')
        host = DEFAULT_SOCKET_DIR;
    if (*host == '/' && strlen(host) > SOCKET_DIR_SIZE_MAX)
        return refuse(u->err, "the DSN's socket directory is too long for a UNIX socket");
    u->hosts[u->host_count++] = (weir_config_host){host, port};
    return 0;
}

/* name:port or [address]:port, the port being optional. */
static int parse_host(uri *u, weir_slice text)
{
    weir_slice name, port = {NULL, 0};
    unsigned number = 0;
    if (take_char(&text, '[')) {
        name = take_until(&text, "]");
        if (name.len == 0 || !take_char(&text, ']') || (text.len > 0 && text.data[0] != ':'))
            return refuse(u->err, "an IPv6 address of the DSN must be written [address]:port");
    } else {
        name = take_until(&text, ":");
    }
    if (take_char(&text, ':'))
        port = text;
    int r = parse_port(u, port, &number);
    return r != 0 ? r : add_host(u, name, number);
}

static int parse_hosts(uri *u, weir_slice text)
{
    while (text.len > 0) {
        int r = parse_host(u, take_until(&text, ","));
        if (r != 0)
            return r;
        if (take_char(&text, ',') && text.len == 0)
            return refuse(u->err, "the DSN's list of hosts ends with a comma");
    }
    return 0;
}

static int parse_credentials(uri *u, weir_slice text)
{
    int r = decode(u, take_until(&text, ":"), &u->user);
    if (r == 0 && take_char(&text, ':'))
        r = decode(u, text, &u->password);
    return r;
}

/* The last @ ends the credentials: a host has none, a careless password may. */
static int parse_authority(uri *u, weir_slice text)
{
    for (size_t i = text.len; i > 0; i--) {
        if (text.data[i - 1] != '@')
            continue;
        int r = parse_credentials(u, weir_slice_head(text, i - 1));
        return r != 0 ? r : parse_hosts(u, weir_slice_skip(text, i));
    }
    return parse_hosts(u, text);
}

/* host=a,b replaces the hosts of the authority. */
static int option_hosts(uri *u, weir_slice value)
{
    u->host_count = 0;
    const char *decoded = NULL;
    int r = decode(u, value, &decoded);
    weir_slice rest = weir_slice_cstr(decoded);
    while (r == 0 && rest.len > 0) {
        r = add_host(u, take_until(&rest, ","), 0);
        take_char(&rest, ',');
    }
    return r;
}

/* port=5432 for all hosts, or port=5432,5433 for each. */
static int option_ports(uri *u, weir_slice value)
{
    unsigned count = 0;
    unsigned ports[HOSTS_MAX];
    do {
        if (count == HOSTS_MAX)
            return refuse(u->err, "the DSN names more than 16 ports");
        int r = parse_port(u, take_until(&value, ","), &ports[count++]);
        if (r != 0)
            return r;
    } while (take_char(&value, ','));
    int r = u->host_count == 0 ? add_host(u, (weir_slice){NULL, 0}, 0) : 0;
    if (r != 0)
        return r;
    if (count != 1 && count != u->host_count)
        return refuse(u->err, "the DSN has not as many ports as hosts");
    for (unsigned i = 0; i < u->host_count; i++)
        u->hosts[i].port = ports[count == 1 ? 0 : i];
    return 0;
}

static int option_target(uri *u, weir_slice value)
{
    static const char *const names[] = {[WEIR_CONFIG_TARGET_ANY] = "any",
                                        [WEIR_CONFIG_TARGET_READ_WRITE] = "read-write",
                                        [WEIR_CONFIG_TARGET_READ_ONLY] = "read-only",
                                        [WEIR_CONFIG_TARGET_PRIMARY] = "primary",
                                        [WEIR_CONFIG_TARGET_STANDBY] = "standby",
                                        [WEIR_CONFIG_TARGET_PREFER_STANDBY] = "prefer-standby"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!weir_slice_eq_cstr(value, names[i]))
            continue;
        u->target = (weir_config_target)i;
        return 0;
    }
    return refuse(u->err, "target_session_attrs of the DSN must be any, read-write, read-only, "
                          "primary, standby or prefer-standby");
}

static int option_balance(uri *u, weir_slice value)
{
    u->balance = weir_slice_eq_cstr(value, "random");
    if (u->balance || weir_slice_eq_cstr(value, "disable"))
        return 0;
    return refuse(u->err, "load_balance_hosts of the DSN must be disable or random");
}

/* Whole seconds, as libpq has it; 0 is its "for ever", here the configuration's own. */
static int option_connect_timeout(uri *u, weir_slice value)
{
    unsigned seconds = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || value.len > 4)
            return refuse(u->err, "connect_timeout of the DSN must be a number of seconds");
        seconds = seconds * 10 + (unsigned)(value.data[i] - '0');
    }
    u->connect_timeout = (weir_time)seconds * WEIR_SECOND;
    return 0;
}

/* False: it is none of TLS's. */
static bool option_tls(uri *u, weir_slice name, weir_slice value, int *ret)
{
    const char *decoded = NULL, *why = NULL;
    bool ssl = name.len >= 3 && memcmp(name.data, "ssl", 3) == 0;
    if (!ssl && !weir_slice_eq_cstr(name, "channel_binding"))
        return false;
    *ret = decode(u, value, &decoded);
    if (*ret == 0 && !config_server_tls_option(&u->tls, name, decoded, &why))
        return false;
    if (*ret == 0 && why)
        *ret = refuse(u->err, why);
    return true;
}

static int parse_option(uri *u, weir_slice name, weir_slice value, weir_slice *ports)
{
    if (weir_slice_eq_cstr(name, "host"))
        return option_hosts(u, value);
    if (weir_slice_eq_cstr(name, "port")) {
        *ports = value; /* after the hosts, wherever those stand */
        return 0;
    }
    if (weir_slice_eq_cstr(name, "user"))
        return decode(u, value, &u->user);
    if (weir_slice_eq_cstr(name, "password"))
        return decode(u, value, &u->password);
    if (weir_slice_eq_cstr(name, "dbname"))
        return decode(u, value, &u->dbname);
    if (weir_slice_eq_cstr(name, "target_session_attrs"))
        return option_target(u, value);
    if (weir_slice_eq_cstr(name, "load_balance_hosts"))
        return option_balance(u, value);
    if (weir_slice_eq_cstr(name, "connect_timeout"))
        return option_connect_timeout(u, value);
    int r = 0;
    if (option_tls(u, name, value, &r))
        return r;
    weir_error_set(u->err, "F0000",
                   "unknown option \"%.*s\" in the DSN; known are host, port, user, password, "
                   "dbname, target_session_attrs, load_balance_hosts, connect_timeout, %s",
                   (int)(name.len > 40 ? 40 : name.len), (const char *)name.data,
                   config_server_tls_options);
    return -EINVAL;
}

static int parse_options(uri *u, weir_slice text)
{
    weir_slice ports = {NULL, 0};
    while (text.len > 0) {
        weir_slice value = take_until(&text, "&");
        weir_slice name = take_until(&value, "=");
        if (!take_char(&value, '='))
            return refuse(u->err, "an option of the DSN has no =");
        int r = parse_option(u, name, value, &ports);
        if (r != 0)
            return r;
        take_char(&text, '&');
    }
    return ports.data ? option_ports(u, ports) : 0;
}

static int append_encoded(weir_buf *out, const char *text)
{
    int r = 0;
    for (; *text && r == 0; text++) {
        if (strchr(":/?#[]@,%& ", *text) || (unsigned char)*text < 0x20)
            r = weir_buf_printf(out, "%%%02X", (unsigned char)*text);
        else
            r = weir_buf_append_u8(out, (uint8_t)*text);
    }
    return r;
}

static int append_host(weir_buf *out, const weir_config_host *host)
{
    bool v6 = host->host[0] != '/' && strchr(host->host, ':');
    int r = v6 ? weir_buf_printf(out, "[%s]", host->host) : append_encoded(out, host->host);
    return r != 0 ? r : weir_buf_printf(out, ":%u", host->port);
}

static int build_shown(const uri *u, weir_buf *out)
{
    int r = weir_buf_printf(out, "postgres://");
    if (r == 0 && u->user)
        r = append_encoded(out, u->user);
    if (r == 0 && u->user)
        r = weir_buf_append_u8(out, '@');
    for (unsigned i = 0; i < u->host_count && r == 0; i++) {
        r = i > 0 ? weir_buf_append_u8(out, ',') : 0;
        if (r == 0)
            r = append_host(out, &u->hosts[i]);
    }
    if (r == 0 && u->dbname)
        r = weir_buf_append_u8(out, '/');
    if (r == 0 && u->dbname)
        r = append_encoded(out, u->dbname);
    return r;
}

static int keep_hosts(uri *u, weir_config_database *ret)
{
    if (u->host_count == 0) {
        int r = add_host(u, (weir_slice){NULL, 0}, 0);
        if (r != 0)
            return r;
    }
    weir_config_host *hosts = weir_arena_alloc(u->arena, u->host_count * sizeof(*hosts));
    if (!hosts)
        return no_memory(u->err);
    for (unsigned i = 0; i < u->host_count; i++) {
        if (u->hosts[i].port == 0)
            u->hosts[i].port = DEFAULT_PORT;
        hosts[i] = u->hosts[i];
    }
    ret->hosts = hosts;
    ret->host_count = u->host_count;
    return 0;
}

static int keep(uri *u, weir_config_database *ret)
{
    int r = keep_hosts(u, ret);
    if (r != 0)
        return r;
    weir_buf shown;
    weir_buf_init(&shown, (size_t)4 * DSN_SIZE_MAX);
    r = build_shown(u, &shown);
    ret->dsn_shown = r == 0 ? weir_arena_strdup(u->arena, weir_buf_slice(&shown)) : NULL;
    weir_buf_fini(&shown);
    if (!ret->dsn_shown)
        return no_memory(u->err);
    ret->backend = WEIR_CONFIG_POSTGRES;
    ret->target = u->target;
    ret->balance = u->balance;
    ret->connect_timeout = u->connect_timeout;
    ret->tls = u->tls;
    ret->user = u->user && *u->user ? u->user : NULL;
    ret->password = u->password && *u->password ? u->password : NULL;
    ret->dbname = u->dbname && *u->dbname ? u->dbname : NULL;
    return 0;
}

static int parse_postgres(weir_arena *arena, weir_slice text, weir_config_database *ret,
                          weir_error *err)
{
    uri u = {.arena = arena, .err = err};
    int r = parse_authority(&u, take_until(&text, "/?"));
    if (r == 0 && take_char(&text, '/'))
        r = decode(&u, take_until(&text, "?"), &u.dbname);
    if (r == 0 && take_char(&text, '?'))
        r = parse_options(&u, text);
    return r != 0 ? r : keep(&u, ret);
}

static int parse_sqlite(weir_arena *arena, weir_slice path, weir_config_database *ret,
                        weir_error *err)
{
    if (take_prefix(&path, "//") && (path.len == 0 || path.data[0] != '/'))
        return refuse(err, "a SQLite DSN is sqlite:PATH or sqlite:///ABSOLUTE/PATH");
    if (path.len == 0)
        return refuse(err, "the SQLite DSN names no file, as in sqlite:demo.db");
    if (memchr(path.data, '?', path.len))
        return refuse(err, "a SQLite DSN takes no options after a ?");
    char *copy = weir_arena_strdup(arena, path);
    char *shown = weir_arena_alloc(arena, path.len + sizeof("sqlite:"));
    if (!copy || !shown)
        return no_memory(err);
    snprintf(shown, path.len + sizeof("sqlite:"), "sqlite:%s", copy);
    ret->backend = WEIR_CONFIG_SQLITE;
    ret->path = copy;
    ret->dsn_shown = shown;
    return 0;
}

/* Only what stands before the colon is quoted. */
static int refuse_scheme(weir_slice text, weir_error *err)
{
    weir_slice rest = text, scheme = take_until(&rest, ":");
    if (rest.len == 0)
        weir_error_set(err, "F0000",
                       "the DSN has no scheme: write sqlite:PATH or postgres://HOST/DATABASE");
    else
        weir_error_set(err, "F0000",
                       "unknown scheme \"%.*s:\" of the DSN: known are sqlite:PATH and "
                       "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
                       (int)(scheme.len > 20 ? 20 : scheme.len), (const char *)scheme.data);
    return -EINVAL;
}

int weir_config_dsn_parse(weir_arena *arena, const char *dsn, weir_config_database *ret,
                          weir_error *err)
{
    weir_slice text = weir_slice_cstr(dsn);
    if (text.len > DSN_SIZE_MAX)
        return refuse(err, "the DSN is longer than 4096 bytes");
    if (take_prefix(&text, "sqlite:"))
        return parse_sqlite(arena, text, ret, err);
    if (take_prefix(&text, "postgres://") || take_prefix(&text, "postgresql://"))
        return parse_postgres(arena, text, ret, err);
    return refuse_scheme(text, err);
}
