/* Questions to a server's catalog. */
#include "base/ascii.h"
#include "catalog/server_internal.h"

uint64_t weir_server_serial(const weir_server_catalog *c)
{
    return c->serial;
}

bool weir_server_is_whole(const weir_server_catalog *c)
{
    return c->partial[0] == '\0';
}

const char *weir_server_partial(const weir_server_catalog *c)
{
    return c->partial;
}

unsigned weir_server_everywhere(const weir_server_catalog *c)
{
    return c->everywhere;
}

unsigned weir_server_ddl(const weir_server_catalog *c)
{
    return c->ddl;
}

unsigned weir_server_all(const weir_server_catalog *c)
{
    return c->all;
}

static const server_entry *find(const weir_server_catalog *c, weir_server_kind kind, uint64_t name)
{
    uint64_t id = weir_server_named(kind, name);
    uint32_t mask = c->entry_cap - 1;
    if (c->entry_cap == 0)
        return NULL;
    for (uint32_t at = (uint32_t)(id >> 32) & mask;; at = (at + 1) & mask) {
        const server_entry *e = &c->entries[at];
        if (e->id == id)
            return e;
        if (e->id == 0)
            return NULL;
    }
}

bool weir_server_find_function(const weir_server_catalog *c, uint64_t name, unsigned *ret_effects)
{
    const server_entry *e = find(c, WEIR_SERVER_FUNCTION, name);
    if (e)
        *ret_effects = e->effects;
    return e != NULL;
}

unsigned weir_server_find_relation(const weir_server_catalog *c, uint64_t name, bool written)
{
    const server_entry *e = find(c, written ? WEIR_SERVER_WRITE : WEIR_SERVER_READ, name);
    return e ? e->effects : 0;
}

void weir_server_total(const weir_server_catalog *c, weir_server_totals *ret)
{
    *ret = c->totals;
}

const weir_server_suspect *weir_server_suspect_at(const weir_server_catalog *c, uint32_t at)
{
    assert(at < c->totals.suspects);
    return &c->suspects[at];
}

weir_slice weir_server_custom_at(const weir_server_catalog *c, uint32_t at)
{
    assert(at < c->totals.customs);
    return c->customs[at];
}

const weir_server_role *weir_server_find_role(const weir_server_catalog *c, weir_slice name)
{
    for (uint32_t i = 0; i < c->totals.roles; i++)
        if (weir_slice_eq(c->roles[i].name, name))
            return &c->roles[i];
    return NULL;
}

/* As the list is sorted. */
static int compare(weir_slice x, weir_slice y)
{
    for (size_t i = 0; i < x.len && i < y.len; i++) {
        int order = weir_ascii_lower(x.data[i]) - weir_ascii_lower(y.data[i]);
        if (order != 0)
            return order;
    }
    return x.len < y.len ? -1 : x.len > y.len;
}

const weir_server_setting *weir_server_find_setting(const weir_server_catalog *c, weir_slice name)
{
    uint32_t low = 0, high = c->totals.settings;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(name, c->settings[middle].name);
        if (order == 0)
            return &c->settings[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
