/* Which addresses are this machine's, and which of the networks it is on. */
#include "net/net.h"
#include <ifaddrs.h>
#include <netinet/in.h>

/* The address's bytes; NULL: it is of another kind. */
static const uint8_t *bytes_of(const struct sockaddr *address, bool v6)
{
    if (!address || address->sa_family != (v6 ? AF_INET6 : AF_INET))
        return NULL;
    if (v6)
        return ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
    return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
}

static bool matches(const struct ifaddrs *i, const uint8_t ip[16], bool v6, bool whole_net)
{
    const uint8_t *own = bytes_of(i->ifa_addr, v6);
    const uint8_t *mask = whole_net && own ? bytes_of(i->ifa_netmask, v6) : NULL;
    if (!own || (whole_net && !mask))
        return false;
    for (size_t n = 0; n < (v6 ? 16u : 4u); n++)
        if ((own[n] ^ ip[n]) & (mask ? mask[n] : 0xff))
            return false;
    return true;
}

bool weir_address_is_ours(const uint8_t ip[16], bool v6, bool whole_net)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        found = matches(i, ip, v6, whole_net);
    freeifaddrs(all);
    return found;
}
