/* Names of clients' own on a server connection, for texts that say them (EXECUTE name): made to
 * mean what the client at hand means, and left there for it or the next that means the same. */
#include "backend/postgres/ours.h"
#include <stdlib.h>

typedef struct pg_alias {
    weir_list node;
    uint64_t content[2];
    uint32_t batch; /* in which it was made */
    bool certain;   /* ... and that has been answered */
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

void pg_aliases_doubt(pg_conn *c)
{
    pg_aliases_clear(c);
    c->aliases_unknown = true;
}

/* Some may have been made behind what made an end of them, and not be answered yet. */
void pg_aliases_ended(pg_conn *c)
{
    bool sure = true;
    for (weir_list *n = c->aliases.next; n != &c->aliases; n = n->next)
        sure = sure && WEIR_CONTAINER_OF(n, pg_alias, node)->certain;
    pg_aliases_clear(c);
    c->aliases_unknown = !sure;
}

int pg_named(weir_conn *conn, weir_slice name, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    if (name.len == 0) {
        bool unknown = c->aliases_unknown;
        pg_aliases_ended(c);
        c->aliases_unknown = c->aliases_unknown || unknown;
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
    a->certain = true;
    return 0;
}

static void make_certain(pg_conn *c)
{
    for (weir_list *n = c->aliases.next; n != &c->aliases; n = n->next)
        WEIR_CONTAINER_OF(n, pg_alias, node)->certain = true;
}

/* What was sent in the batch that is open fares as what follows there. */
static bool is_there(const pg_conn *c, const pg_alias *a, const weir_prepared *prepared)
{
    return a && prepared && memcmp(a->content, prepared->content, sizeof(a->content)) == 0 &&
           (a->certain || (c->owed.batch_open && a->batch == c->batch));
}

/* Closed first also where no such name is known: after an error it is not known which are there. */
static int make(pg_conn *c, weir_slice name, const weir_prepared *prepared)
{
    pg_ours b;
    pg_ours_begin(&b, c, PG_NAMES);
    pg_ours_close(&b, 'S', name);
    unsigned set = prepared ? pg_ours_set(&b, prepared) : 0;
    if (prepared && prepared->by_sql)
        pg_ours_run(&b, prepared->text);
    else if (prepared)
        pg_ours_parse(&b, name, prepared->text, prepared->oids, PG_NAMES);
    pg_ours_set_back(&b, set);
    return pg_ours_send(&b, false);
}

int pg_name(weir_conn *conn, weir_slice name, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state != PG_READY)
        return 0; /* on_lost follows */
    if (name.len == 0) {
        pg_prepared_outdate(&c->prepared);
        return 0;
    }
    if (weir_pg_owed_is_empty(&c->owed))
        make_certain(c);
    pg_alias *a = find(c, name);
    if (is_there(c, a, prepared) || (!a && !prepared && !c->aliases_unknown))
        return 0;
    uint32_t batch = c->batch;
    int r = make(c, name, prepared);
    if (r == 0)
        r = pg_named(conn, name, prepared);
    a = find(c, name);
    if (r == 0 && a) {
        a->certain = false;
        a->batch = batch;
    }
    return r;
}

/* Should it fail, then with what the client sent before, and names are in doubt (PG_NAMES). */
static int deallocate_all(pg_conn *c)
{
    pg_ours b;
    pg_aliases_clear(c);
    pg_prepared_outdate(&c->prepared);
    pg_ours_begin(&b, c, PG_NAMES);
    pg_ours_run(&b, WEIR_SLICE_LIT("DEALLOCATE ALL"));
    c->aliases_unknown = false;
    return pg_ours_send(&b, false);
}

/* Those under names of ours, which are parsed anew when they are needed again. */
static int close_ours(pg_conn *c)
{
    pg_ours b;
    char name[PG_NAME_SIZE];
    int r = 0;
    pg_ours_begin(&b, c, PG_NAMES);
    for (weir_list *n = c->prepared.lru.next; r == 0 && n != &c->prepared.lru; n = n->next) {
        const pg_prepared *p = WEIR_CONTAINER_OF(n, pg_prepared, lru);
        if (!p->on_server && p->pending == 0)
            continue;
        pg_ours_close(&b, 'S', pg_prepared_name(p->content, name));
        if (b.count + 1 < PG_OURS_MAX)
            continue;
        r = pg_ours_send(&b, false);
        pg_ours_begin(&b, c, PG_NAMES);
    }
    pg_prepared_outdate(&c->prepared);
    int last = pg_ours_send(&b, false);
    return r < 0 ? r : last;
}

static bool is_among(const pg_alias *a, const weir_slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (weir_slice_eq(names[i], weir_slice_make(a->name, a->len)))
            return true;
    return false;
}

static int remove_others(pg_conn *c, const weir_slice *names, size_t count)
{
    int r = 0;
    for (weir_list *n = c->aliases.next; r == 0 && n != &c->aliases;) {
        pg_alias *a = WEIR_CONTAINER_OF(n, pg_alias, node);
        n = n->next;
        if (is_among(a, names, count))
            continue;
        r = make(c, weir_slice_make(a->name, a->len), NULL);
        forget(a);
    }
    return r < 0 ? r : close_ours(c);
}

/* What stands there is left alone if all of them do: it knows how often it was planned, and may not
 * be possible to prepare again. A name of nobody known, left by a failure, may be there then. */
int pg_only(weir_conn *conn, const weir_slice *names, const weir_prepared *const *prepared,
            size_t count)
{
    pg_conn *c = pg_conn_of(conn);
    bool there = count > 0 || !c->aliases_unknown;
    if (c->state != PG_READY)
        return 0; /* on_lost follows */
    if (weir_pg_owed_is_empty(&c->owed))
        make_certain(c);
    for (size_t i = 0; there && i < count; i++)
        there = is_there(c, find(c, names[i]), prepared[i]);
    if (there)
        return remove_others(c, names, count);
    int r = deallocate_all(c);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = pg_name(conn, names[i], prepared[i]);
    return r;
}
