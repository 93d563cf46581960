/* The names that a relaying client gave to statements. Its Parse and Close count when they are
 * sent, so that what is sent behind them may rely on them, and are taken back when the server has
 * failed or skipped them (an error swallows the rest of its batch). A server that is lost has done
 * neither.
 *
 * Invariants: a name stands for the newest of its versions; below one that is not answered lies
 * what it replaced, which stands again if it comes to nothing. Answers come in the order of
 * `promises`. What an earlier batch has promised is waited for: who names it then is told what is
 * there. */
#include "gateway/internal.h"
#include <stdlib.h>

/* ---- promises ---- */

static weir_promise *promise_at(weir_promises *q, uint32_t i)
{
    weir_promise *ring = q->large ? q->large : q->small;
    return &ring[(q->head + i) % q->cap];
}

static int promise(weir_client *c, weir_promise_kind kind, weir_named *named)
{
    weir_promises *q = &c->relay.promises;
    if (q->cap == 0)
        q->cap = WEIR_PROMISES_SMALL;
    if (q->len == q->cap) {
        weir_promise *larger = malloc((size_t)q->cap * 2 * sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        for (uint32_t i = 0; i < q->len; i++)
            larger[i] = *promise_at(q, i);
        free(q->large);
        q->large = larger;
        q->cap *= 2;
        q->head = 0;
    }
    q->len++;
    *promise_at(q, q->len - 1) = (weir_promise){.kind = kind, .named = named};
    return 0;
}

static bool take_promise(weir_client *c, weir_promise *ret)
{
    weir_promises *q = &c->relay.promises;
    if (q->len == 0)
        return false;
    *ret = *promise_at(q, 0);
    q->head = (q->head + 1) % q->cap;
    if (--q->len == 0) {
        free(q->large);
        *q = (weir_promises){.cap = WEIR_PROMISES_SMALL};
    }
    return true;
}

int weir_client_promise_nothing(weir_client *c)
{
    return promise(c, WEIR_PROMISE_NOTHING, NULL);
}

/* ---- versions of a name ---- */

/* A server looks at so many bytes of a name. */
weir_slice weir_client_name_key(weir_slice name)
{
    return weir_slice_head(name, name.len < WEIR_SQL_NAME_MAX ? name.len : WEIR_SQL_NAME_MAX);
}

static weir_slice key_of(const weir_named *n)
{
    return weir_slice_make(n->name, n->name_len);
}

static weir_named *named_find(const weir_client *c, weir_slice name)
{
    return weir_map_find(&c->relay.named, weir_client_name_key(name));
}

static void free_named(weir_named *n)
{
    weir_client_prepared_unref(n->prepared);
    free(n);
}

/* Those that are not answered live on until they are. */
static void drop_versions(weir_named *n)
{
    while (n) {
        weir_named *older = n->older;
        n->older = NULL;
        n->dropped = true;
        if (n->certain)
            free_named(n);
        n = older;
    }
}

/* The newest is a Close, and nothing that might come back lies below. */
static void remove_if_closed(weir_client *c, weir_named *n)
{
    if (n->prepared || !n->certain || n->older || named_find(c, key_of(n)) != n)
        return;
    (void)weir_map_remove(&c->relay.named, key_of(n));
    free_named(n);
}

/* `instead` has the name of one that is there: no memory is needed. */
static void put_instead(weir_client *c, weir_named *instead)
{
    int r = weir_map_put(&c->relay.named, key_of(instead), instead, NULL);
    assert(r == 0);
    (void)r;
}

static void kept(weir_client *c, weir_named *n)
{
    n->certain = true;
    if (n->dropped) {
        free_named(n);
        return;
    }
    drop_versions(n->older);
    n->older = NULL;
    remove_if_closed(c, n);
}

static void broken(weir_client *c, weir_named *n)
{
    weir_named *newest = n->dropped ? NULL : named_find(c, key_of(n)), *older = n->older;
    if (newest == n && older)
        put_instead(c, older);
    else if (newest == n)
        (void)weir_map_remove(&c->relay.named, key_of(n));
    for (; newest && newest != n; newest = newest->older)
        if (newest->older == n) {
            newest->older = older;
            break;
        }
    free_named(n);
    if (older)
        remove_if_closed(c, older);
}

/* ---- the unnamed statement ---- */

int weir_client_unnamed_promised(weir_client *c)
{
    weir_relay_state *s = &c->relay;
    int r = promise(c, WEIR_PROMISE_UNNAMED, NULL);
    if (r < 0)
        return r;
    if (s->unnamed_promised++ == 0 && s->unnamed) {
        s->unnamed_before = s->unnamed;
        s->unnamed_before->refs++;
        s->unnamed_before_under = s->unnamed_under;
    }
    s->unnamed_batch = s->batches;
    return 0;
}

static void set_before(weir_client *c, weir_prepared *p)
{
    weir_client_prepared_unref(c->relay.unnamed_before);
    c->relay.unnamed_before = p;
}

/* Of several that were sent at once only the last and what was there before the first are known:
 * where one of those between would stand it is none, which the client is told. */
static void unnamed_answered(weir_client *c, weir_parsing outcome)
{
    weir_relay_state *s = &c->relay;
    bool last = --s->unnamed_promised == 0;
    if (outcome != WEIR_PARSING_SKIPPED)
        set_before(c, NULL);
    if (last && outcome != WEIR_PARSING_DONE) {
        weir_client_prepared_unref(s->unnamed);
        s->unnamed = s->unnamed_before;
        s->unnamed_under = s->unnamed_before_under;
        s->unnamed_before = NULL;
    } else if (last) {
        set_before(c, NULL);
    }
}

/* ---- answers ---- */

static void fulfil(weir_client *c, const weir_promise *p, weir_parsing outcome)
{
    if (p->kind == WEIR_PROMISE_UNNAMED)
        unnamed_answered(c, outcome);
    else if (p->kind == WEIR_PROMISE_NAMED && outcome == WEIR_PARSING_DONE)
        kept(c, p->named);
    else if (p->kind == WEIR_PROMISE_NAMED)
        broken(c, p->named);
}

void weir_client_parsed(weir_client *c, weir_parsing outcome)
{
    weir_promise p;
    if (take_promise(c, &p))
        fulfil(c, &p, outcome);
}

void weir_client_named_answered(weir_client *c)
{
    weir_promise p;
    while (take_promise(c, &p))
        fulfil(c, &p, WEIR_PARSING_SKIPPED);
    c->relay.erred = false;
}

/* Its client may have sent already what relies on them: a Bind behind a lost Parse of BEGIN or of
 * COMMIT must be reckoned as that (lost.c), and not as what the name stood for before. */
void weir_client_named_lost(weir_client *c)
{
    weir_promise p;
    while (take_promise(c, &p)) {
        if (p.kind == WEIR_PROMISE_NAMED)
            p.named->doubtful = true;
        fulfil(c, &p, WEIR_PARSING_DONE);
    }
    c->relay.erred = false;
}

bool weir_client_name_awaited(const weir_client *c, weir_slice name)
{
    const weir_relay_state *s = &c->relay;
    if (s->promises.len == 0)
        return false;
    if (name.len == 0)
        return s->unnamed_promised > 0 && s->unnamed_batch != s->batches;
    const weir_named *n = named_find(c, name);
    while (n && !n->certain && n->batch == s->batches)
        n = n->older; /* what fails with it may be what matters */
    return n && !n->certain;
}

/* ---- what a name stands for ---- */

void weir_client_described(weir_client *c, uint64_t content, uint64_t shape)
{
    weir_named *n;
    weir_prepared *p = c->relay.unnamed;
    if (p && p->content[0] == content)
        p->shape = shape;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        if (n->prepared && n->prepared->content[0] == content)
            n->prepared->shape = shape;
}

static bool is_later(const weir_named *n, uint32_t serial)
{
    return (int32_t)(n->serial - serial) > 0;
}

/* Versions up to then. True: all of them, the name with them. */
static bool forget_versions(weir_client *c, weir_named *n, uint32_t serial)
{
    if (!is_later(n, serial)) {
        (void)weir_map_remove(&c->relay.named, key_of(n));
        drop_versions(n);
        return true;
    }
    while (n->older && is_later(n->older, serial))
        n = n->older;
    drop_versions(n->older);
    n->older = NULL;
    return false;
}

void weir_client_named_remove(weir_client *c, weir_slice name, uint32_t serial)
{
    weir_named *n = named_find(c, name);
    if (n)
        (void)forget_versions(c, n, serial);
}

static void clear(weir_client *c)
{
    weir_named *n;
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        drop_versions(n);
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
        clear(c);
        return;
    }
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        if (forget_versions(c, n, serial))
            pos = 0; /* the map has changed */
}

static void set_ending(weir_named *n, bool ending, bool doubtful)
{
    for (; n; n = n->older) {
        n->ending = ending;
        n->doubtful = doubtful;
    }
}

void weir_client_named_ending(weir_client *c, weir_slice name, bool ending, bool doubtful)
{
    weir_named *n;
    if (name.len > 0) {
        set_ending(named_find(c, name), ending, doubtful);
        return;
    }
    for (size_t pos = 0; (n = weir_map_next(&c->relay.named, &pos));)
        set_ending(n, ending, doubtful);
}

/* What was parsed earlier in the same batch is there, or this one is skipped with it. */
bool weir_client_name_taken(weir_client *c, weir_slice name)
{
    const weir_named *n = name.len > 0 ? named_find(c, name) : NULL;
    return n && n->prepared && !n->ending && !n->doubtful;
}

/* The newest version of a name (`p` NULL: it is closed), on top of what it may yet give way to. */
int weir_client_named_put(weir_client *c, weir_slice name, weir_prepared *p, bool certain)
{
    name = weir_client_name_key(name);
    weir_named *n = malloc(sizeof(*n) + name.len);
    if (!n)
        return -ENOMEM;
    *n = (weir_named){.prepared = p,
                      .certain = certain,
                      .batch = c->relay.batches,
                      .serial = ++c->relay.name_serial,
                      .name_len = name.len};
    memcpy(n->name, name.data, name.len);
    void *old = NULL;
    int r = weir_map_put(&c->relay.named, key_of(n), n, &old);
    if (r == 0 && !certain && promise(c, WEIR_PROMISE_NAMED, n) < 0) {
        if (old)
            put_instead(c, old);
        else
            (void)weir_map_remove(&c->relay.named, key_of(n));
        r = -ENOMEM;
    }
    if (r != 0) {
        free(n);
        return r;
    }
    if (certain)
        drop_versions(old);
    else
        n->older = old;
    return 0;
}

int weir_client_named_close(weir_client *c, weir_slice name)
{
    if (name.len > 0)
        return named_find(c, name) ? weir_client_named_put(c, name, NULL, false)
                                   : weir_client_promise_nothing(c);
    int r = weir_client_unnamed_promised(c);
    if (r == 0) {
        weir_client_prepared_unref(c->relay.unnamed);
        c->relay.unnamed = NULL;
    }
    return r;
}

weir_prepared *weir_client_prepared_find(weir_client *c, weir_slice name)
{
    if (name.len == 0)
        return c->relay.unnamed;
    weir_named *n = named_find(c, name);
    return n && !n->ending ? n->prepared : NULL;
}

void weir_client_named_fini(weir_client *c)
{
    weir_client_named_answered(c);
    clear(c);
    weir_map_fini(&c->relay.named);
    weir_client_prepared_unref(c->relay.unnamed);
    c->relay.unnamed = NULL;
}
