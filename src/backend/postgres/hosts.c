/* Where the servers are, as time passes: names are looked up anew for new connections (an answer is
 * used for a few seconds) and now and then while connections are in use. A connection to an address
 * that its name no longer has, or to a server that turned out to play another role, is not lent
 * again: the pool replaces it.
 *
 * The table is the backend's and shared by all workers: short looks under a spin lock. The periodic
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
    pg_backend *b = pg_backend_of(c);
    pg_host *h = &b->table[host];
    weir_time now = weir_loop_now(c->base.loop);
    if (is_numeric(b->hosts[host])) {
        c->address_count = 1;
        (void)snprintf(c->addresses[0], sizeof(c->addresses[0]), "%s", b->hosts[host]);
        return strlen(b->hosts[host]) < sizeof(c->addresses[0]);
    }
    weir_spin_lock(&b->table_lock);
    bool fresh = h->count > 0 && now - h->looked_at < b->options.dns_ttl;
    if (fresh) {
        memcpy(c->addresses, h->addresses, sizeof(c->addresses));
        c->address_count = h->count;
    }
    weir_spin_unlock(&b->table_lock);
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
static bool replace(pg_backend *b, unsigned host, const pg_host *found, weir_time now)
{
    pg_host *h = &b->table[host];
    bool gone = false;
    weir_spin_lock(&b->table_lock);
    for (unsigned i = 0; i < h->count; i++)
        gone = gone || !has(found, h->addresses[i]);
    *h = *found;
    h->looked_at = now;
    weir_spin_unlock(&b->table_lock);
    return gone;
}

void pg_hosts_learn(pg_conn *c, unsigned host)
{
    pg_backend *b = pg_backend_of(c);
    pg_host found = {.count = c->address_count};
    if (c->address_count == 0)
        return; /* a resolver that fails takes nothing away */
    memcpy(found.addresses, c->addresses, sizeof(found.addresses));
    if (replace(b, host, &found, weir_loop_now(c->base.loop)))
        atomic_fetch_add(&b->table_serial, 1);
}

/* ---- the periodic look ---- */

/* On the resolver's thread. */
static void look(weir_job *job)
{
    pg_backend *b = WEIR_CONTAINER_OF(job, pg_backend, look);
    for (unsigned i = 0; i < b->options.host_count; i++) {
        pg_host found = {.count = 0};
        if (is_numeric(b->hosts[i]))
            continue;
        found.count = (unsigned)weir_resolve_here(
            b->hosts[i], found.addresses, sizeof(found.addresses) / sizeof(found.addresses[0]));
        if (found.count > 0 && replace(b, i, &found, atomic_load(&b->looked_at)))
            atomic_fetch_add(&b->table_serial, 1);
    }
    atomic_store(&b->looking, false);
}

static void look_again(pg_backend *b, weir_time now)
{
    if (now - atomic_load_explicit(&b->looked_at, memory_order_relaxed) < b->options.dns_check ||
        atomic_exchange(&b->looking, true))
        return;
    atomic_store(&b->looked_at, now);
    b->look.run = look;
    weir_executor_submit(b->options.resolver, &b->look);
}

/* ---- at each checkout ---- */

static bool still_there(pg_conn *c)
{
    pg_backend *b = pg_backend_of(c);
    weir_spin_lock(&b->table_lock);
    uint32_t serial = atomic_load(&b->table_serial);
    bool there = has(&b->table[c->host_used], c->address_used);
    weir_spin_unlock(&b->table_lock);
    if (there)
        c->table_serial = serial;
    return there;
}

bool pg_hosts_current(pg_conn *c)
{
    pg_backend *b = pg_backend_of(c);
    if (c->misplaced)
        return false;
    if (!b->has_names)
        return true;
    if (b->options.dns_check > 0 && b->options.resolver)
        look_again(b, weir_loop_now(c->base.loop));
    if (c->table_serial == atomic_load_explicit(&b->table_serial, memory_order_relaxed) ||
        is_numeric(b->hosts[c->host_used]))
        return true;
    return still_there(c);
}

/* ---- in which order ---- */

void pg_hosts_order(pg_conn *c)
{
    const pg_backend *b = pg_backend_of(c);
    unsigned n = b->options.host_count;
    for (unsigned i = 0; i < n; i++)
        c->order[i] = (uint8_t)i;
    for (unsigned i = n; b->options.balance && i > 1; i--) {
        uint32_t random;
        weir_loop_random(c->base.loop, &random, sizeof(random));
        uint8_t other = c->order[random % i];
        c->order[random % i] = c->order[i - 1];
        c->order[i - 1] = other;
    }
}

void pg_hosts_init(pg_backend *b)
{
    for (unsigned i = 0; i < b->options.host_count; i++)
        b->has_names = b->has_names || !is_numeric(b->hosts[i]);
}
