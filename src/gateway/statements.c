/* What a relaying client has on its way and has prepared: statements to be measured when they end,
 * and what was parsed. A statement's content is what counts; names are the client's (named.c). */
#include "gateway/guc.h"
#include "gateway/internal.h"
#include <stdlib.h>

/* ---- statements on their way ---- */

int weir_client_sent_push(weir_client *c, const weir_statement *statement, weir_block_effect block)
{
    weir_relay_state *s = &c->relay;
    weir_sent sent = {.statement = *statement,
                      .started = weir_loop_now(c->worker->loop),
                      .block = (uint8_t)block};
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

weir_sent *weir_client_sent_at(weir_client *c, uint32_t i)
{
    weir_relay_state *s = &c->relay;
    assert(i < s->sent);
    return i == 0 ? &s->first : &s->more[(s->more_head + i - 1) % s->more_cap];
}

void weir_client_sent_name(weir_client *c, struct weir_namings *namings)
{
    c->relay.naming += namings != NULL;
    weir_client_sent_at(c, c->relay.sent - 1)->namings = namings;
}

void weir_client_sent_ready(weir_client *c)
{
    if (c->relay.sent > 0)
        weir_client_sent_at(c, c->relay.sent - 1)->readies++;
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
        for (; r == 0 && n; n = n->older)
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

void weir_client_prepared_by_sql(weir_prepared *p)
{
    p->by_sql = true;
    p->statement.effects &= ~(unsigned)WEIR_NAMING_EFFECTS;
    p->statement.words &= ~(unsigned)WEIR_NAMING_EFFECTS;
}
