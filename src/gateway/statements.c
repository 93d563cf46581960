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

/* Settings, types and text are hashed as one run, the counts separate them. What deals with names
 * of its client's own means something to it alone, and so does what is parsed under settings that
 * are not known yet. */
static void hash_content(weir_client *c, weir_prepared *p, const uint8_t *bytes, size_t len)
{
    weir_hash_seed seed = c->worker->gateway->options.seed;
    seed.k[0] += p->oids.len / 4 + ((uint64_t)p->settings.len << 32);
    if ((p->statement.effects & WEIR_NAMING_EFFECTS) || weir_client_state_changing(c))
        seed.k[0] += ((uint64_t)c->id << 16) + ((uint64_t)++c->relay.own_contents << 48);
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

static weir_named *named_find(weir_client *c, weir_slice name)
{
    return weir_map_find(&c->relay.named, name);
}

void weir_client_named_remove(weir_client *c, weir_slice name)
{
    weir_named *n = weir_map_remove(&c->relay.named, name);
    if (!n)
        return;
    weir_client_prepared_unref(n->prepared);
    free(n);
}

void weir_client_named_clear(weir_client *c)
{
    weir_named *n;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));) {
        weir_client_prepared_unref(n->prepared);
        free(n);
    }
    weir_map_fini(&c->relay.named);
    weir_map_init(&c->relay.named, c->worker->gateway->options.seed,
                  weir_gateway_config(c->worker->gateway)->limits.prepared);
}

/* 0, WEIR_MAP_FULL, -ENOMEM. Takes the reference. */
int weir_client_named_put(weir_client *c, weir_slice name, weir_prepared *p)
{
    weir_named *n = malloc(sizeof(*n) + name.len);
    if (!n)
        return -ENOMEM;
    n->prepared = p;
    n->name_len = name.len;
    memcpy(n->name, name.data, name.len);
    void *old = NULL;
    int r = weir_map_put(&c->relay.named, weir_slice_make(n->name, n->name_len), n, &old);
    if (r != 0) {
        free(n);
        return r;
    }
    if (old) {
        weir_client_prepared_unref(((weir_named *)old)->prepared);
        free(old);
    }
    return 0;
}

weir_prepared *weir_client_prepared_find(weir_client *c, weir_slice name)
{
    if (name.len == 0)
        return c->relay.unnamed;
    weir_named *n = named_find(c, name);
    return n ? n->prepared : NULL;
}
