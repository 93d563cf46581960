/* Names of clients' own on a server connection, for texts that say them (EXECUTE name): made to mean
 * what the client at hand means, and left there for it or the next that means the same. */
#include "backend/postgres/internal.h"
#include <stdlib.h>

typedef struct pg_alias {
    weir_list node;
    uint64_t content[2];
    size_t len;
    uint8_t name[WEIR_SQL_NAME_MAX];
} pg_alias;

static pg_alias *find(pg_conn *c, weir_slice name)
{
    for (weir_list *n = c->aliases.next; n != &c->aliases; n = n->next) {
        pg_alias *a = WEIR_CONTAINER_OF(n, pg_alias, node);
        if (weir_slice_eq(name, weir_slice_make(a->name, a->len)))
            return a;
    }
    return NULL;
}

static void forget(pg_alias *a)
{
    weir_list_remove(&a->node);
    free(a);
}

void pg_aliases_clear(pg_conn *c)
{
    for (weir_list *n; (n = weir_list_first(&c->aliases));)
        forget(WEIR_CONTAINER_OF(n, pg_alias, node));
}

int pg_named(weir_conn *conn, weir_slice name, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    if (name.len == 0) {
        pg_aliases_clear(c);
        return 0;
    }
    pg_alias *a = find(c, name);
    if (!prepared) {
        if (a)
            forget(a);
        return 0;
    }
    if (!a) {
        a = calloc(1, sizeof(*a));
        if (!a || name.len > sizeof(a->name)) {
            free(a);
            return -ENOMEM;
        }
        a->len = name.len;
        memcpy(a->name, name.data, name.len);
        weir_list_push_back(&c->aliases, &a->node);
    }
    memcpy(a->content, prepared->content, sizeof(a->content));
    return 0;
}

/* Closed first also where no such name is known: after an error it is not known which are there. */
static int make(pg_conn *c, weir_slice name, const weir_prepared *prepared)
{
    pg_ours b;
    pg_ours_begin(&b, c, PG_NAMES);
    pg_ours_close(&b, 'S', name);
    if (prepared && prepared->by_sql)
        pg_ours_run(&b, prepared->text);
    else if (prepared)
        pg_ours_parse(&b, name, prepared->text, prepared->oids, PG_NAMES);
    return pg_ours_send(&b, false);
}

int pg_name(weir_conn *conn, weir_slice name, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state != PG_READY)
        return 0; /* on_lost follows */
    const pg_alias *a = find(c, name);
    bool there = a && prepared && memcmp(a->content, prepared->content, sizeof(a->content)) == 0;
    if (there || (!a && !prepared && !c->aliases_unknown))
        return 0;
    int r = make(c, name, prepared);
    return r < 0 ? r : pg_named(conn, name, prepared);
}
