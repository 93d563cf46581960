/* Addresses as text and as the kernel wants them: see address.h. */
#include "net/address.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

const char *weir_address_path(const char *text)
{
    if (strncmp(text, "unix:", 5) == 0)
        text += 5;
    return text[0] == '/' ? text : NULL;
}

static int copy_part(const char *from, size_t len, char *to, size_t size)
{
    if (len == 0)
        return -EINVAL;
    if (len >= size)
        return -ENAMETOOLONG;
    memcpy(to, from, len);
    to[len] = '\0';
    return 0;
}

int weir_address_split(const char *text, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return -EINVAL;
    const char *begin = text;
    const char *end = colon;
    if (text[0] == '[') {
        if (colon < text + 2 || colon[-1] != ']')
            return -EINVAL;
        begin++;
        end--;
    } else if (memchr(text, ':', (size_t)(colon - text))) {
        return -EINVAL; /* an IPv6 address needs its brackets */
    }
    int r = copy_part(begin, (size_t)(end - begin), host, host_size);
    return r < 0 ? r : copy_part(colon + 1, strlen(colon + 1), port, port_size);
}

static int parse_path(const char *path, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)ret;
    size_t len = strlen(path);
    if (len >= sizeof(un->sun_path))
        return -ENAMETOOLONG;
    memset(ret, 0, sizeof(*ret));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

int weir_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    const char *path = weir_address_path(text);
    if (path)
        return parse_path(path, ret, ret_len);
    char host[80];
    char port[8];
    int r = weir_address_split(text, host, sizeof(host), port, sizeof(port));
    if (r < 0)
        return r;
    /* Knows about scopes ("fe80::1%eth0"); numeric only, so nothing is asked over the network. */
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    r = getaddrinfo(host, port, &hints, &found);
    if (r != 0)
        return r == EAI_MEMORY ? -ENOMEM : -EINVAL;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    *ret_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

void weir_peer_set(weir_peer *peer, const struct sockaddr_storage *address)
{
    *peer = (weir_peer){.family = address->ss_family};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        memcpy(peer->ip, &in->sin_addr, sizeof(in->sin_addr));
        peer->port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        memcpy(peer->ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
        peer->port = ntohs(in6->sin6_port);
    }
}

bool weir_peer_local(const weir_peer *peer)
{
    struct in6_addr in6;
    switch (peer->family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return peer->ip[0] == 127;
    case AF_INET6:
        memcpy(&in6, peer->ip, sizeof(in6));
        return IN6_IS_ADDR_LOOPBACK(&in6) || (IN6_IS_ADDR_V4MAPPED(&in6) && peer->ip[12] == 127);
    default:
        return false;
    }
}

void weir_peer_format(const weir_peer *peer, char out[WEIR_ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";
    if (peer->family != AF_INET && peer->family != AF_INET6) {
        snprintf(out, WEIR_ADDRESS_TEXT_MAX, "%s", peer->family == AF_UNIX ? "unix" : "unknown");
        return;
    }
    inet_ntop(peer->family, peer->ip, ip, sizeof(ip));
    snprintf(out, WEIR_ADDRESS_TEXT_MAX, peer->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip,
             (unsigned)peer->port);
}

void weir_address_format(const struct sockaddr_storage *address, char out[WEIR_ADDRESS_TEXT_MAX])
{
    if (address->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
        snprintf(out, WEIR_ADDRESS_TEXT_MAX, "%s", un->sun_path);
        return;
    }
    weir_peer peer;
    weir_peer_set(&peer, address);
    weir_peer_format(&peer, out);
}
