/* The PostgreSQL backend as a whole: where its servers are, and its life. */
#include "backend/postgres/follow.h"
#include <assert.h>
#include <stdlib.h>

/* Connections are the pools' to close. */
static void pg_stop(weir_backend *backend)
{
    pg_follow_end(WEIR_CONTAINER_OF(backend, pg_backend, base));
}

enum { FOLLOWING_TEXTS = 9 };

static void list_texts(weir_postgres_following *f, const char **ret[static FOLLOWING_TEXTS])
{
    const char **texts[FOLLOWING_TEXTS] = {&f->dbname, &f->user,        &f->password,
                                           &f->ca,     &f->crl,         &f->cert,
                                           &f->key,    &f->min_version, &f->keep_name};
    memcpy(ret, texts, sizeof(texts));
}

/* The options' strings become our own. */
static bool keep_following(weir_postgres_following *f)
{
    const char **texts[FOLLOWING_TEXTS];
    bool ok = true;
    list_texts(f, texts);
    for (size_t i = 0; i < FOLLOWING_TEXTS; i++) {
        const char *text = *texts[i];
        *texts[i] = text ? strdup(text) : NULL;
        ok &= !text || *texts[i];
    }
    return ok;
}

/* One of them is a password. */
static void drop_following(weir_postgres_following *f)
{
    const char **texts[FOLLOWING_TEXTS];
    list_texts(f, texts);
    for (size_t i = 0; i < FOLLOWING_TEXTS; i++) {
        union {
            const char *given;
            char *own;
        } text = {.given = *texts[i]};
        if (text.own)
            explicit_bzero(text.own, strlen(text.own));
        free(text.own);
    }
}

static void place_free(pg_place *p)
{
    for (unsigned i = 0; i < WEIR_POSTGRES_HOSTS_MAX; i++)
        free(p->hosts[i]);
    weir_tls_slot_put(&p->tls, NULL);
    drop_following(&p->options.following);
    free(p);
}

static void pg_destroy(weir_backend *backend)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    pg_follow_end(b);
    for (pg_place *p = b->places, *older; p; p = older) {
        older = p->older;
        place_free(p);
    }
    free(b);
}

static const weir_backend_ops ops = {
    .name = "postgres",
    .dialect = WEIR_DIALECT_POSTGRES,
    .relays = true,
    .open = pg_conn_open,
    .follow = pg_follow,
    .want = pg_follow_want,
    .flush = pg_follow_flush,
    .resolved = pg_hosts_resolved,
    .stop = pg_stop,
    .destroy = pg_destroy,
};

void weir_postgres_set_tls(weir_backend *backend, weir_tls_context *context)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    if (backend->ops == &ops)
        weir_tls_slot_put(&atomic_load(&b->newest)->tls, weir_tls_context_ref(context));
}

static int place_new(const weir_postgres_options *options, pg_place **ret)
{
    if (options->host_count == 0 || options->host_count > WEIR_POSTGRES_HOSTS_MAX ||
        (options->sslmode != WEIR_POSTGRES_DISABLE && !options->tls))
        return -EINVAL;
    pg_place *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->options = *options;
    p->options.tls = NULL; /* kept where it can be replaced */
    if (options->tls)
        weir_tls_slot_put(&p->tls, weir_tls_context_ref(options->tls));
    if (p->options.replies_max == 0)
        p->options.replies_max = 65536;
    bool kept = keep_following(&p->options.following);
    for (unsigned i = 0; i < options->host_count; i++) {
        p->hosts[i] = strdup(options->hosts[i]);
        kept &= p->hosts[i] != NULL;
    }
    if (!kept) {
        place_free(p);
        return -ENOMEM;
    }
    pg_hosts_init(p);
    *ret = p;
    return 0;
}

int weir_postgres_open(const weir_postgres_options *options, weir_backend **ret)
{
    pg_backend *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    int r = place_new(options, &b->first);
    if (r < 0) {
        free(b);
        return r;
    }
    b->base.ops = &ops;
    b->places = b->first;
    atomic_init(&b->newest, b->first);
    *ret = &b->base;
    return 0;
}

/* ---- another place ---- */

bool weir_postgres_is_at(weir_backend *backend, const weir_postgres_options *o)
{
    const pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    const pg_place *p = atomic_load(&b->newest);
    const weir_postgres_options *had = &p->options;
    bool r = had->host_count == o->host_count && had->target == o->target &&
             had->balance == o->balance && had->sslmode == o->sslmode && had->direct == o->direct &&
             had->sni == o->sni && had->binds == o->binds && had->must_bind == o->must_bind;
    for (unsigned i = 0; r && i < o->host_count; i++)
        r = strcmp(p->hosts[i], o->hosts[i]) == 0;
    return r;
}

int weir_postgres_place(weir_backend *backend, const weir_postgres_options *options, void **ret)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    pg_place *p = NULL;
    assert(backend->ops == &ops);
    int r = place_new(options, &p);
    if (r < 0)
        return r;
    p->older = b->places;
    b->places = p;
    *ret = p;
    return 0;
}

void weir_postgres_settle(weir_backend *backend, void *place)
{
    pg_backend *b = WEIR_CONTAINER_OF(backend, pg_backend, base);
    assert(backend->ops == &ops);
    atomic_store(&b->newest, place);
    pg_follow_moved(b);
}
