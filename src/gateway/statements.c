/* What a relaying client has on its way and has prepared: statements to be measured when they end,
 * and the names it gave. A statement's content is what counts; names are the client's alone. */
#include "gateway/guc.h"
#include "gateway/internal.h"
#include <stdlib.h>

/* ---- statements on their way ---- */

int weir_client_sent_push(weir_client *c, const weir_statement *statement)
{
    weir_relay_state *s = &c->relay;
    weir_sent sent = {.statement = *statement, .started = weir_loop_now(c->worker->loop)};
    if (s->sent == 0) {
        s->first = sent;
        s->sent = 1;
        weir_client_watch(c);
        return 0;
    }
    uint32_t in_ring = s->sent - 1;
    if (in_ring == s->more_cap) {
        uint32_t cap = s->more_cap ? s->more_cap * 2 : 8;
        weir_sent *more = calloc(cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        for (uint32_t i = 0; i < in_ring; i++)
            more[i] = s->more[(s->more_head + i) % s->more_cap];
        free(s->more);
        s->more = more;
        s->more_cap = cap;
        s->more_head = 0;
    }
    s->more[(s->more_head + in_ring) % s->more_cap] = sent;
    s->sent++;
    return 0;
}

void weir_client_sent_name(weir_client *c, struct weir_namings *namings)
{
    weir_relay_state *s = &c->relay;
    assert(s->sent > 0);
    s->naming += namings != NULL;
    if (s->sent == 1)
        s->first.namings = namings;
    else
        s->more[(s->more_head + s->sent - 2) % s->more_cap].namings = namings;
}

bool weir_client_sent_pop(weir_client *c, weir_sent *ret)
{
    weir_relay_state *s = &c->relay;
    if (s->sent == 0)
        return false;
    *ret = s->first;
    if (--s->sent > 0) {
        s->first = s->more[s->more_head];
        s->more_head = (s->more_head + 1) % s->more_cap;
    } else if (s->more) {
        free(s->more);
        s->more = NULL;
        s->more_cap = s->more_head = 0;
    }
    return true;
}

/* ---- prepared statements ---- */

void weir_client_prepared_unref(weir_prepared *p)
{
    if (p && --p->refs == 0)
        free(p);
}

static int append_parse_settings(const weir_client *c, weir_buf *out)
{
    weir_slice params = weir_slice_make(c->params, c->params_len);
    int r = 0;
    for (size_t i = 0; r == 0 && weir_parse_settings[i]; i++) {
        weir_slice name = weir_slice_cstr(weir_parse_settings[i]);
        weir_slice value = weir_guc_find(params, name);
        if (value.data)
            r = weir_guc_put(out, name, value);
    }
    return r;
}

/* Statements that were parsed before and after a change of the schema are two. */
static uint64_t schema_of(const weir_client *c)
{
    const weir_backend *b = weir_database_backend(weir_session_database(&c->session));
    return atomic_load_explicit(&b->changes, memory_order_relaxed);
}

uint64_t weir_client_meaning(const weir_client *c)
{
    return c->fingerprint ^ (schema_of(c) * 0x9e3779b97f4a7c15u) ^
           ((uint64_t)c->relay.own_meaning << 32);
}

/* Settings, types and text are hashed as one run, the counts separate them. What deals with names
 * of its client's own means something to it alone, and so does what is parsed under settings that
 * are not known yet. */
static void hash_content(weir_client *c, weir_prepared *p, const uint8_t *bytes, size_t len)
{
    weir_hash_seed seed = c->worker->gateway->options.seed;
    seed.k[0] += p->oids.len / 4 + ((uint64_t)p->settings.len << 32);
    seed.k[1] += p->schema = schema_of(c);
    p->unsettled = weir_client_state_changing(c);
    c->relay.unsettled = c->relay.unsettled || p->unsettled;
    if ((p->statement.effects & WEIR_NAMING_EFFECTS) || p->unsettled)
        seed.k[0] ^= ((uint64_t)c->id << 32) + ++c->relay.own_contents;
    else if (c->relay.own_meaning)
        seed.k[1] ^= ((uint64_t)c->id << 32) + c->relay.own_meaning;
    p->content[0] = weir_hash(seed, weir_slice_make(bytes, len));
    seed.k[1] = ~seed.k[1];
    p->content[1] = weir_hash(seed, weir_slice_make(bytes, len));
}

static weir_slice put(uint8_t **to, weir_slice bytes)
{
    weir_slice copy = weir_slice_make(*to, bytes.len);
    if (bytes.len > 0)
        memcpy(*to, bytes.data, bytes.len);
    *to += bytes.len;
    return copy;
}

static weir_prepared *prepared_new(weir_client *c, weir_slice text, weir_slice oids,
                                   weir_slice settings)
{
    size_t len = text.len + oids.len + settings.len;
    weir_prepared *p = calloc(1, sizeof(*p) + len + 1);
    if (!p)
        return NULL;
    uint8_t *bytes = (uint8_t *)(p + 1), *to = bytes;
    p->refs = 1;
    p->settings = put(&to, settings);
    p->oids = put(&to, oids);
    p->text = put(&to, text);
    weir_session_understand(&c->session, p->text, &p->statement);
    hash_content(c, p, bytes, len);
    return p;
}

/* `*p` replaced, where it needs to be, by one that differs in its settings. */
static int settle(weir_prepared **p, weir_slice settings)
{
    weir_prepared *old = *p;
    if (!old || !old->unsettled)
        return 0;
    weir_prepared *settled =
        calloc(1, sizeof(*settled) + settings.len + old->oids.len + old->text.len + 1);
    if (!settled)
        return -ENOMEM;
    uint8_t *to = (uint8_t *)(settled + 1);
    *settled = *old;
    settled->refs = 1;
    settled->unsettled = false;
    settled->settings = put(&to, settings);
    settled->oids = put(&to, old->oids);
    settled->text = put(&to, old->text);
    weir_client_prepared_unref(old);
    *p = settled;
    return 0;
}

int weir_client_settle_statements(weir_client *c)
{
    weir_named *n;
    weir_buf settings;
    if (!c->relay.unsettled)
        return 0;
    c->relay.unsettled = false;
    weir_buf_init(&settings, 64 * 1024);
    int r = append_parse_settings(c, &settings);
    if (r == 0)
        r = settle(&c->relay.unnamed, weir_buf_slice(&settings));
    for (size_t pos = 0; r == 0 && (n = weir_map_next(&c->relay.named, &pos));)
        r = settle(&n->prepared, weir_buf_slice(&settings));
    weir_buf_fini(&settings);
    return r;
}

weir_prepared *weir_client_prepared_restore(weir_client *c, weir_slice text, weir_slice oids,
                                            weir_slice settings)
{
    return prepared_new(c, text, oids, settings);
}

weir_prepared *weir_client_prepared_new(weir_client *c, weir_slice text, weir_slice oids)
{
    weir_buf settings;
    weir_buf_init(&settings, 64 * 1024);
    weir_prepared *p = NULL;
    if (append_parse_settings(c, &settings) == 0)
        p = prepared_new(c, text, oids, weir_buf_slice(&settings));
    weir_buf_fini(&settings);
    return p;
}

/* A server looks at so many bytes of a name. */
weir_slice weir_client_name_key(weir_slice name)
{
    return weir_slice_head(name, name.len < WEIR_SQL_NAME_MAX ? name.len : WEIR_SQL_NAME_MAX);
}

void weir_client_described(weir_client *c, uint64_t content, uint64_t shape)
{
    weir_named *n;
    weir_prepared *p = c->relay.unnamed;
    if (p && p->content[0] == content)
        p->shape = shape;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        if (n->prepared->content[0] == content)
            n->prepared->shape = shape;
}

void weir_client_prepared_by_sql(weir_prepared *p)
{
    p->by_sql = true;
    p->statement.effects &= ~(unsigned)WEIR_NAMING_EFFECTS;
    p->statement.words &= ~(unsigned)WEIR_NAMING_EFFECTS;
}

static weir_named *named_find(weir_client *c, weir_slice name)
{
    return weir_map_find(&c->relay.named, weir_client_name_key(name));
}

static bool is_later(const weir_named *n, uint32_t serial)
{
    return (int32_t)(n->serial - serial) > 0;
}

void weir_client_named_remove(weir_client *c, weir_slice name, uint32_t serial)
{
    weir_named *n = named_find(c, name);
    if (!n || is_later(n, serial))
        return;
    (void)weir_map_remove(&c->relay.named, weir_client_name_key(name));
    weir_list_remove(&n->node);
    weir_client_prepared_unref(n->prepared);
    free(n);
}

void weir_client_named_clear(weir_client *c)
{
    weir_named *n;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));) {
        weir_list_remove(&n->node);
        weir_client_prepared_unref(n->prepared);
        free(n);
    }
    weir_map_fini(&c->relay.named);
    weir_map_init(&c->relay.named, c->worker->gateway->options.seed,
                  weir_gateway_config(c->worker->gateway)->limits.prepared);
}

void weir_client_named_forget(weir_client *c, uint32_t serial)
{
    weir_named *n;
    bool all = true;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        all = all && !is_later(n, serial);
    if (all) {
        weir_client_named_clear(c);
        return;
    }
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        if (!is_later(n, serial)) {
            weir_client_named_remove(c, weir_slice_make(n->name, n->name_len), serial);
            pos = 0; /* the map has changed */
        }
}

static void set_ending(weir_named *n, bool ending)
{
    weir_list_remove(&n->node);
    n->certain = false;
    n->ending = ending;
}

void weir_client_named_ending(weir_client *c, weir_slice name, bool ending)
{
    weir_named *n = name.len > 0 ? named_find(c, name) : NULL;
    if (n)
        set_ending(n, ending);
    for (size_t pos = 0; name.len == 0 && (n = weir_map_next(&c->relay.named, &pos));)
        set_ending(n, ending);
}

void weir_client_named_answered(weir_client *c)
{
    for (weir_list *node; (node = weir_list_pop_front(&c->relay.unanswered));) {
        weir_list_init(node);
        WEIR_CONTAINER_OF(node, weir_named, node)->certain = !c->relay.erred;
    }
    c->relay.erred = false;
}

/* What was parsed earlier in the same batch is there, or this one is skipped with it. */
bool weir_client_name_taken(weir_client *c, weir_slice name)
{
    const weir_named *n = name.len > 0 ? named_find(c, name) : NULL;
    return n && !n->ending && (n->certain || n->batch == c->relay.batches);
}

int weir_client_named_put(weir_client *c, weir_slice name, weir_prepared *p, bool certain)
{
    name = weir_client_name_key(name);
    weir_named *n = malloc(sizeof(*n) + name.len);
    if (!n)
        return -ENOMEM;
    n->prepared = p;
    n->certain = certain;
    n->ending = false;
    n->serial = ++c->relay.name_serial;
    n->batch = c->relay.batches;
    weir_list_init(&n->node);
    n->name_len = name.len;
    memcpy(n->name, name.data, name.len);
    void *old = NULL;
    int r = weir_map_put(&c->relay.named, weir_slice_make(n->name, n->name_len), n, &old);
    if (r != 0) {
        free(n);
        return r;
    }
    if (old) {
        weir_list_remove(&((weir_named *)old)->node);
        weir_client_prepared_unref(((weir_named *)old)->prepared);
        free(old);
    }
    if (!certain)
        weir_list_push_back(&c->relay.unanswered, &n->node);
    return 0;
}

weir_prepared *weir_client_prepared_find(weir_client *c, weir_slice name)
{
    if (name.len == 0)
        return c->relay.unnamed;
    weir_named *n = named_find(c, name);
    return n && !n->ending ? n->prepared : NULL;
}
