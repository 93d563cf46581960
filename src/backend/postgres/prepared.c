/* Prepared statements of one server connection: one name per content, least recently used goes
 * first.
 *
 * A content gets a name when it is seen for the second time on this connection (named by the
 * client: at once), so that texts which never come again do not push out those that do. */
#include "backend/postgres/internal.h"
#include <stdio.h>
#include <stdlib.h>

static weir_slice key_of(const uint64_t *tag)
{
    return weir_slice_make(tag, sizeof(*tag));
}

void pg_prepared_init(pg_prepared_table *t, weir_hash_seed seed, unsigned size_max)
{
    *t = (pg_prepared_table){.size_max = size_max ? size_max : 1};
    weir_map_init(&t->map, seed, 2 * (size_t)t->size_max + 1024); /* with those under way */
    weir_list_init(&t->lru);
}

static void remove_one(pg_prepared_table *t, pg_prepared *p)
{
    (void)weir_map_remove(&t->map, key_of(&p->content[0]));
    weir_list_remove(&p->lru);
    free(p);
}

void pg_prepared_clear(pg_prepared_table *t)
{
    for (weir_list *n = t->lru.next, *next; n != &t->lru; n = next) {
        pg_prepared *p = WEIR_CONTAINER_OF(n, pg_prepared, lru);
        next = n->next;
        if (p->pending == 0)
            remove_one(t, p);
        else
            p->on_server = false;
    }
    memset(t->seen, 0, sizeof(t->seen));
    t->unnamed[0] = t->unnamed[1] = 0;
}

void pg_prepared_outdate(pg_prepared_table *t)
{
    for (weir_list *n = t->lru.next; n != &t->lru; n = n->next)
        WEIR_CONTAINER_OF(n, pg_prepared, lru)->outdated = true;
}

void pg_prepared_fini(pg_prepared_table *t)
{
    for (weir_list *n; (n = weir_list_first(&t->lru));)
        remove_one(t, WEIR_CONTAINER_OF(n, pg_prepared, lru));
    weir_map_fini(&t->map);
}

pg_prepared *pg_prepared_find(pg_prepared_table *t, const uint64_t content[2])
{
    pg_prepared *p = weir_map_find(&t->map, key_of(&content[0]));
    if (p && p->content[1] != content[1])
        return NULL;
    if (p) {
        weir_list_remove(&p->lru);
        weir_list_push_back(&t->lru, &p->lru);
    }
    return p;
}

pg_prepared *pg_prepared_surplus(pg_prepared_table *t)
{
    if (t->map.len <= t->size_max)
        return NULL;
    for (weir_list *n = t->lru.next; n != &t->lru; n = n->next) {
        pg_prepared *p = WEIR_CONTAINER_OF(n, pg_prepared, lru);
        if (p->pending == 0)
            return p;
    }
    return NULL;
}

static void answered(pg_prepared_table *t, uint64_t tag, bool done, bool on_server)
{
    pg_prepared *p = weir_map_find(&t->map, key_of(&tag));
    if (!p || p->pending == 0)
        return; /* the table was cleared meanwhile (DISCARD ALL) */
    if (done)
        p->on_server = on_server;
    if (--p->pending == 0 && !p->on_server)
        remove_one(t, p);
}

void pg_prepared_parsed(pg_prepared_table *t, uint64_t tag, bool done)
{
    answered(t, tag, done, true);
}

void pg_prepared_closed(pg_prepared_table *t, uint64_t tag, bool done)
{
    answered(t, tag, done, false);
}

pg_prepared *pg_prepared_add(pg_prepared_table *t, const uint64_t content[2])
{
    pg_prepared *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    memcpy(p->content, content, sizeof(p->content));
    weir_list_init(&p->lru);
    if (weir_map_put(&t->map, key_of(&p->content[0]), p, NULL) != 0) {
        free(p);
        return NULL;
    }
    weir_list_push_back(&t->lru, &p->lru);
    return p;
}

bool pg_prepared_seen(pg_prepared_table *t, const uint64_t content[2])
{
    uint64_t *slot = &t->seen[content[0] % PG_SEEN];
    bool seen = *slot == content[1];
    *slot = content[1];
    return seen;
}

/* The eight digits of `n` as bytes, all at once: this is done for every Bind. */
static uint64_t hex_of(uint32_t n)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t x = n;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f * each;
    uint64_t letters = ((x + 6 * each) >> 4) & each; /* where it is 10 or more */
    return x + '0' * each + letters * ('a' - '0' - 10);
}

weir_slice pg_prepared_name(const uint64_t content[2], char buf[PG_NAME_SIZE])
{
    memcpy(buf, "weir_", 5);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t digits = hex_of((uint32_t)(content[i / 2] >> (32 * (i % 2))));
        memcpy(buf + 5 + 8 * i, &digits, sizeof(digits));
    }
    return weir_slice_make(buf, 37);
}
