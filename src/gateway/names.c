/* Prepared statements that SQL makes and names: PREPARE, EXECUTE, DEALLOCATE. The names are the
 * client's, as those of the protocol are (PostgreSQL keeps both in one table); on whichever
 * connection a text runs that mentions one, the name is made to mean what the client means by it
 * first. The text itself goes out as it is, so results, tags and errors are the server's own.
 *
 * Invariant: what a name means changes when the statement that changes it has succeeded; if a text
 * of several statements failed half way, nobody knows, and the session stays on its connection. */
#include "gateway/internal.h"
#include <stdlib.h>

typedef struct naming {
    weir_naming what;
    weir_prepared *prepared; /* PREPARE */
    uint32_t serial;         /* of the newest name when it was sent */
    size_t len;
    uint8_t name[WEIR_SQL_NAME_MAX];
} naming;

struct weir_namings {
    size_t count, cap;
    bool several; /* statements in the text */
    naming items[];
};

typedef struct gathering {
    weir_client *client;
    weir_slice text;
    struct weir_namings *namings;
    bool wanted;
    int error;
    weir_error *refused;
} gathering;

void weir_namings_free(struct weir_namings *namings)
{
    for (size_t i = 0; namings && i < namings->count; i++)
        weir_client_prepared_unref(namings->items[i].prepared);
    free(namings);
}

static naming *add(gathering *g)
{
    struct weir_namings *n = g->namings;
    if (!n || n->count == n->cap) {
        size_t cap = n ? n->cap * 2 : 2;
        n = realloc(n, sizeof(*n) + cap * sizeof(n->items[0]));
        if (!n)
            return NULL;
        if (!g->namings)
            *n = (struct weir_namings){0};
        n->cap = cap;
        g->namings = n;
    }
    naming *item = &n->items[n->count++];
    *item = (naming){0};
    return item;
}

static bool has_several(weir_slice text)
{
    weir_slice rest = text;
    (void)weir_sql_split(WEIR_DIALECT_POSTGRES, text, &rest);
    return weir_sql_split(WEIR_DIALECT_POSTGRES, rest, &rest).len > 0;
}

static int keep(gathering *g, weir_naming what, weir_slice name, weir_slice statement)
{
    naming *item = add(g);
    if (!item)
        return -ENOMEM;
    item->what = what;
    item->serial = g->client->relay.name_serial;
    item->len = name.len;
    if (name.len > 0)
        memcpy(item->name, name.data, name.len);
    if (what != WEIR_NAMING_PREPARE)
        return 0;
    if (!has_several(g->text)) /* as pg_prepared_statements shows it: with its semicolon */
        statement = g->text;
    item->prepared = weir_client_prepared_new(g->client, statement, (weir_slice){0});
    if (!item->prepared)
        return -ENOMEM;
    weir_client_prepared_by_sql(item->prepared);
    return 0;
}

/* DEALLOCATE drops whatever has the name, PREPARE fails over it: a statement of nothing will do. */
static const weir_prepared nothing = {.content = {1, 1}};

static const weir_prepared *stand_in(weir_client *c, weir_naming what, weir_slice name)
{
    const weir_prepared *p = weir_client_prepared_find(c, name);
    if (what == WEIR_NAMING_PREPARE && !weir_client_name_taken(c, name))
        return NULL; /* a Parse that failed left it */
    return p && what != WEIR_NAMING_EXECUTE ? &nothing : p;
}

int weir_client_take_name(weir_client *c, weir_slice name)
{
    return c->session.conn->ops->name(c->session.conn, weir_client_name_key(name), &nothing);
}

static bool is_all(weir_naming what)
{
    return what == WEIR_NAMING_DEALLOCATE_ALL || what == WEIR_NAMING_DISCARD_ALL;
}

static void on_naming(void *user, weir_naming what, weir_slice name, weir_slice statement)
{
    gathering *g = user;
    weir_client *c = g->client;
    if (what == WEIR_NAMING_SETTING || g->error != 0)
        return;
    weir_conn *conn = c->session.conn;
    const weir_prepared *runs =
        g->wanted && what == WEIR_NAMING_EXECUTE ? weir_client_prepared_find(c, name) : NULL;
    if (runs)
        g->error = weir_client_note_effects(c, &runs->statement, runs->text, g->refused);
    if (g->error != 0)
        return;
    if (is_all(what) && g->wanted)
        g->error = conn->ops->name(conn, (weir_slice){0}, NULL);
    else if (c->relay.status != 'E' && name.len > 0)
        g->error = conn->ops->name(conn, name, stand_in(c, what, name));
    if (g->error == 0 && g->wanted && what != WEIR_NAMING_EXECUTE)
        g->error = keep(g, what, name, statement);
}

/* In the order in which the client made them. */
static int earlier(const void *a, const void *b)
{
    const weir_named *const *x = a, *const *y = b;
    int32_t since = (int32_t)((*x)->serial - (*y)->serial);
    return (since > 0) - (since < 0);
}

/* A text is about to ask which names there are: those of the client, and nobody else's. */
static int show_names(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    size_t most = c->relay.named.len + 1, count = 0;
    weir_named *n, **all = calloc(most, sizeof(weir_named *));
    weir_slice *names = calloc(most, sizeof(*names));
    const weir_prepared **prepared = calloc(most, sizeof(weir_prepared *));
    int r = all && names && prepared ? 0 : -ENOMEM;
    for (size_t pos = 0; r == 0 && (n = weir_map_next(&c->relay.named, &pos));)
        if (weir_client_name_taken(c, weir_slice_make(n->name, n->name_len)))
            all[count++] = n;
    if (r == 0)
        qsort(all, count, sizeof(weir_named *), earlier);
    for (size_t i = 0; i < count; i++) {
        names[i] = weir_slice_make(all[i]->name, all[i]->name_len);
        prepared[i] = all[i]->prepared;
    }
    if (r == 0)
        r = conn->ops->only(conn, names, prepared, count);
    free(all);
    free(names);
    free(prepared);
    return r;
}

static void mark_ending(weir_client *c, const naming *n, bool ending, bool doubtful)
{
    if (is_all(n->what) || n->what == WEIR_NAMING_DEALLOCATE)
        weir_client_named_ending(c, weir_slice_make(n->name, n->len), ending, doubtful);
}

int weir_client_settle_names(weir_client *c, weir_slice text, struct weir_namings **ret,
                             weir_error *err)
{
    gathering g = {.client = c, .text = text, .wanted = ret != NULL, .refused = err};
    if (ret && c->relay.status != 'E' && weir_client_mentions(text, "pg_prepared_statement"))
        g.error = show_names(c);
    weir_sql_each_naming(text, on_naming, &g);
    if (g.error != 0) {
        weir_namings_free(g.namings);
        return g.error;
    }
    if (g.namings)
        g.namings->several = has_several(text);
    for (size_t i = 0; g.namings && i < g.namings->count; i++)
        mark_ending(c, &g.namings->items[i], true, false);
    if (ret)
        *ret = g.namings;
    return 0;
}

static int apply(weir_client *c, naming *n)
{
    weir_conn *conn = c->session.conn;
    weir_slice name = weir_slice_make(n->name, n->len);
    if (n->what == WEIR_NAMING_DISCARD_ALL)
        weir_client_state_discarded(c);
    if (is_all(n->what)) {
        weir_client_named_forget(c, n->serial);
        return conn ? conn->ops->named(conn, (weir_slice){0}, NULL) : 0;
    }
    int r = conn ? conn->ops->named(conn, name, n->prepared) : 0;
    if (n->what == WEIR_NAMING_DEALLOCATE) {
        weir_client_named_remove(c, name, n->serial);
        return r;
    }
    if (r == 0)
        r = weir_client_named_put(c, name, n->prepared, true);
    if (r == 0)
        n->prepared = NULL; /* the table's */
    return r;
}

void weir_client_named_by_sql(weir_client *c, struct weir_namings *namings, bool succeeded)
{
    int r = 0;
    weir_error err;
    for (size_t i = 0; succeeded && r == 0 && i < namings->count; i++)
        r = apply(c, &namings->items[i]);
    for (size_t i = 0; !succeeded && i < namings->count; i++)
        mark_ending(c, &namings->items[i], false, namings->several);
    bool unknown = r != 0 || (!succeeded && namings->several);
    if (unknown && c->session.conn && weir_session_pin(&c->session, WEIR_EFFECT_PREPARE, &err) != 0)
        weir_client_fatal(c, &err);
    weir_namings_free(namings);
}
