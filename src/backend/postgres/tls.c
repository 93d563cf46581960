/* TLS toward a server, as libpq's sslmode has it: asked for by SSLRequest, or begun at once.
 *
 *   sslmode      first    then, at the same address
 *   disable      plain
 *   allow        plain    TLS, if the server's access rules refuse (28000)
 *   prefer       TLS      plain, if the handshake fails or its rules refuse
 *   require …    TLS
 *
 * A wrong password (28P01) is no reason to try again: it would be sent without TLS. UNIX sockets go
 * without. */
#include "backend/postgres/internal.h"

static bool is_socket(const char *address)
{
    return address[0] == '/';
}

void pg_tls_first(pg_conn *c, const char *address)
{
    const pg_place *p = c->place;
    c->tls = !is_socket(address) && p->options.sslmode >= WEIR_POSTGRES_PREFER;
    c->tls_again = false;
    c->tls_failed = c->tls_refused = false;
}

bool pg_tls_again(pg_conn *c)
{
    const pg_place *p = c->place;
    bool allowed = p->options.sslmode == WEIR_POSTGRES_ALLOW && !c->tls && c->tls_refused;
    bool preferred =
        p->options.sslmode == WEIR_POSTGRES_PREFER && c->tls && (c->tls_failed || c->tls_refused);
    if (c->tls_again || (!allowed && !preferred) || is_socket(c->address_used))
        return false;
    c->tls = !c->tls;
    c->tls_again = c->tls_retry = true;
    c->tls_failed = c->tls_refused = false;
    return true;
}

/* "host:port", "[::1]:port" → the host. */
static void host_of(const char *host_port, char *out, size_t size)
{
    const char *begin = host_port[0] == '[' ? host_port + 1 : host_port;
    const char *end = host_port[0] == '[' ? strchr(begin, ']') : strrchr(begin, ':');
    size_t len = end ? (size_t)(end - begin) : strlen(begin);
    len = len < size ? len : size - 1;
    memcpy(out, begin, len);
    out[len] = '\0';
}

static int start(pg_place *p, unsigned host, weir_stream *stream)
{
    char name[256];
    host_of(p->hosts[host], name, sizeof(name));
    weir_tls_context *context = weir_tls_slot_take(&p->tls);
    int r = weir_stream_start_tls(stream, context, p->options.sni ? name : NULL,
                                  p->options.sslmode == WEIR_POSTGRES_VERIFY_FULL ? name : NULL);
    weir_tls_context_unref(context);
    return r;
}

int pg_tls_begin(pg_place *p, unsigned host, weir_stream *stream, bool *ret_asked)
{
    static const uint8_t request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    *ret_asked = !p->options.direct;
    if (p->options.direct)
        return start(p, host, stream);
    weir_stream_write(stream, weir_slice_make(request, sizeof(request)));
    return 0;
}

int pg_tls_answer(pg_place *p, unsigned host, weir_stream *stream, weir_slice in)
{
    /* What comes behind the answer was not sealed, whoever sent it (CVE-2021-23222). */
    if (in.len != 1)
        return -EPROTO;
    if (in.data[0] == 'N')
        return PG_TLS_NONE;
    return in.data[0] == 'S' ? start(p, host, stream) : -EPROTO;
}
