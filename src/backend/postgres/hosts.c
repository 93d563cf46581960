/* Where the servers of a place are, as time passes: names are looked up anew for new connections
 * (an answer is used for a few seconds) and now and then while connections are in use. A connection
 * to an address that its name no longer has, to a server that turned out to play another role, or
 * to a place that is not the backend's any more, is not lent again: the pool replaces it.
 *
 * The table is the place's and shared by all workers: short looks under a spin lock. The periodic
 * look runs on the resolver's thread, one at a time, and touches nothing but the table. */
#include "backend/postgres/internal.h"
#include <stdio.h>

static bool is_numeric(const char *host)
{
    return host[0] == '/' || host[0] == '[' || strspn(host, "0123456789.:") == strlen(host);
}

/* Known without asking anybody: a numeric address, a socket, or an answer that is fresh. */
bool pg_hosts_known(pg_conn *c, unsigned host)
{
    pg_place *p = c->place;
    pg_host *h = &p->table[host];
    weir_time now = weir_loop_now(c->base.loop);
    if (is_numeric(p->hosts[host])) {
        c->address_count = 1;
        (void)snprintf(c->addresses[0], sizeof(c->addresses[0]), "%s", p->hosts[host]);
        return strlen(p->hosts[host]) < sizeof(c->addresses[0]);
    }
    weir_spin_lock(&p->table_lock);
    bool fresh = h->count > 0 && now - h->looked_at < p->options.dns_ttl;
    if (fresh) {
        memcpy(c->addresses, h->addresses, sizeof(c->addresses));
        c->address_count = h->count;
    }
    weir_spin_unlock(&p->table_lock);
    return fresh;
}

static bool has(const pg_host *h, const char *address)
{
    for (unsigned i = 0; i < h->count; i++)
        if (strcmp(h->addresses[i], address) == 0)
            return true;
    return false;
}

/* A new answer. True: an address of the old one is gone. */
static bool replace(pg_place *p, unsigned host, const pg_host *found, weir_time now)
{
    pg_host *h = &p->table[host];
    bool gone = false;
    weir_spin_lock(&p->table_lock);
    for (unsigned i = 0; i < h->count; i++)
        gone = gone || !has(found, h->addresses[i]);
    *h = *found;
    h->looked_at = now;
    weir_spin_unlock(&p->table_lock);
    return gone;
}

void pg_hosts_learn(pg_conn *c, unsigned host)
{
    pg_place *p = c->place;
    pg_host found = {.count = c->address_count};
    if (c->address_count == 0)
        return; /* a resolver that fails takes nothing away */
    memcpy(found.addresses, c->addresses, sizeof(found.addresses));
    if (replace(p, host, &found, weir_loop_now(c->base.loop)))
        atomic_fetch_add(&p->table_serial, 1);
}

/* ---- the periodic look ---- */

/* On the resolver's thread. */
static void look(weir_job *job)
{
    pg_place *p = WEIR_CONTAINER_OF(job, pg_place, look);
    for (unsigned i = 0; i < p->options.host_count; i++) {
        pg_host found = {.count = 0};
        if (is_numeric(p->hosts[i]))
            continue;
        found.count = (unsigned)weir_resolve_here(
            p->hosts[i], found.addresses, sizeof(found.addresses) / sizeof(found.addresses[0]));
        if (found.count > 0 && replace(p, i, &found, atomic_load(&p->looked_at)))
            atomic_fetch_add(&p->table_serial, 1);
    }
    atomic_store(&p->looking, false);
}

static void look_again(pg_place *p, weir_time now)
{
    if (now - atomic_load_explicit(&p->looked_at, memory_order_relaxed) < p->options.dns_check ||
        atomic_exchange(&p->looking, true))
        return;
    atomic_store(&p->looked_at, now);
    p->look.run = look;
    weir_executor_submit(p->options.resolver, &p->look);
}

/* ---- at each checkout ---- */

static bool still_there(pg_conn *c)
{
    pg_place *p = c->place;
    weir_spin_lock(&p->table_lock);
    uint32_t serial = atomic_load(&p->table_serial);
    bool there = has(&p->table[c->host_used], c->address_used);
    weir_spin_unlock(&p->table_lock);
    if (there)
        c->table_serial = serial;
    return there;
}

bool pg_hosts_current(pg_conn *c)
{
    pg_place *p = c->place;
    if (c->misplaced || p != atomic_load_explicit(&pg_backend_of(c)->newest, memory_order_relaxed))
        return false;
    if (!p->has_names)
        return true;
    if (p->options.dns_check > 0 && p->options.resolver)
        look_again(p, weir_loop_now(c->base.loop));
    if (c->table_serial == atomic_load_explicit(&p->table_serial, memory_order_relaxed) ||
        is_numeric(p->hosts[c->host_used]))
        return true;
    return still_there(c);
}

/* ---- for reports ---- */

static void list_addresses(const pg_host *h, weir_resolved *ret)
{
    size_t len = 0;
    for (unsigned i = 0; i < h->count; i++) {
        size_t room = sizeof(ret->addresses) - len;
        int n = snprintf(ret->addresses + len, room, "%s%s", len > 0 ? "," : "", h->addresses[i]);
        if (n < 0 || (size_t)n >= room) {
            ret->addresses[len] = '\0';
            return;
        }
        len += (size_t)n;
    }
}

bool pg_hosts_resolved(weir_backend *backend, unsigned index, weir_resolved *ret)
{
    pg_place *p = atomic_load(&WEIR_CONTAINER_OF(backend, pg_backend, base)->newest);
    for (unsigned i = 0; i < p->options.host_count; i++) {
        if (is_numeric(p->hosts[i]) || index-- > 0)
            continue;
        *ret = (weir_resolved){.name = p->hosts[i]};
        weir_spin_lock(&p->table_lock);
        list_addresses(&p->table[i], ret);
        ret->until = p->table[i].looked_at + p->options.dns_ttl;
        weir_spin_unlock(&p->table_lock);
        return true;
    }
    return false;
}

/* ---- in which order ---- */

void pg_hosts_order(pg_conn *c)
{
    const pg_place *p = c->place;
    unsigned n = p->options.host_count;
    for (unsigned i = 0; i < n; i++)
        c->order[i] = (uint8_t)i;
    for (unsigned i = n; p->options.balance && i > 1; i--) {
        uint32_t random;
        weir_loop_random(c->base.loop, &random, sizeof(random));
        uint8_t other = c->order[random % i];
        c->order[random % i] = c->order[i - 1];
        c->order[i - 1] = other;
    }
}

void pg_hosts_init(pg_place *p)
{
    for (unsigned i = 0; i < p->options.host_count; i++)
        p->has_names = p->has_names || !is_numeric(p->hosts[i]);
}
