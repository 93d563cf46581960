/* cache.tier, cache.disk and cache.warm: texts to their places, and what must go together. */
#include "config/draft.h"

static int fail_at(draft *d, const char *path, const char *words)
{
    return draft_fail(d, &draft_slot_of(d->root, path)->from, "%s", words);
}

static const char *text_of(const draft *d, const char *path)
{
    const char *text = draft_slot_of(d->root, path)->text;
    return text && *text ? text : NULL;
}

/* "a,b" */
static int split_addresses(draft *d, const char *text)
{
    weir_config_tier *t = &d->config->cache.tier;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        if (t->address_count == WEIR_CONFIG_TIER_ADDRESSES_MAX)
            return fail_at(d, "cache.tier.address", "cache.tier.address has more than 16 of them");
        const char *one = weir_arena_strdup(d->arena, weir_slice_make(text, len));
        if (!one)
            return draft_no_memory(d);
        if (*one != '/' && !strchr(one, ':'))
            return draft_fail(d, &draft_slot_of(d->root, "cache.tier.address")->from,
                              "cache.tier.address \"%s\" has no port: 6379 is usual", one);
        t->addresses[t->address_count++] = one;
        text += text[len] == ',' ? len + 1 : len;
    }
    return 0;
}

static int check_valkey(draft *d)
{
    const weir_config_tier *t = &d->config->cache.tier;
    if (t->address_count == 0)
        return fail_at(d, "cache.tier.kind",
                       "cache.tier.kind valkey needs cache.tier.address, where the server is");
    if (t->user && !t->password)
        return fail_at(d, "cache.tier.user",
                       "cache.tier.user needs cache.tier.password (or password_file, "
                       "password_env)");
    if (t->tls >= WEIR_CONFIG_SSLMODE_VERIFY_CA && !t->ca)
        return fail_at(d, "cache.tier.tls",
                       "certificates are judged by authorities: set cache.tier.ca to a file of "
                       "them or to system");
    if (t->key && !t->cert)
        return fail_at(d, "cache.tier.key", "there is no cache.tier.cert that it could be for");
    if (strlen(t->prefix) > 100)
        return fail_at(d, "cache.tier.prefix", "cache.tier.prefix is longer than 100 bytes");
    return 0;
}

static int check_persist(draft *d)
{
    const weir_config_tier *t = &d->config->cache.tier;
    size_t len = strlen(t->persist_name);
    if (len == 0 || len > 40 ||
        strspn(t->persist_name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return fail_at(d, "cache.persist_name",
                       "cache.persist_name has 1 to 40 lower-case letters, digits and _");
    if (t->persist == WEIR_CONFIG_PERSIST_SLOT && t->kind == WEIR_CONFIG_TIER_NONE)
        return fail_at(d, "cache.persist",
                       "cache.persist slot needs a tier behind memory: cache.tier.kind");
    return 0;
}

static int finish_warm(draft *d)
{
    weir_config_warm *w = &d->config->cache.warm;
    w->file = text_of(d, "cache.warm.file");
    w->remember = text_of(d, "cache.warm.remember");
    if (w->hottest > 0 && !w->remember)
        return fail_at(
            d, "cache.warm.hottest",
            "cache.warm.hottest needs cache.warm.remember, the file to remember them in");
    return 0;
}

int draft_finish_tier(draft *d)
{
    weir_config_tier *t = &d->config->cache.tier;
    t->user = text_of(d, "cache.tier.user");
    t->ca = text_of(d, "cache.tier.ca");
    t->cert = text_of(d, "cache.tier.cert");
    t->key = text_of(d, "cache.tier.key");
    t->path = text_of(d, "cache.disk.path");
    t->prefix = text_of(d, "cache.tier.prefix");
    t->prefix = t->prefix ? t->prefix : "";
    t->persist_name = text_of(d, "cache.persist_name");
    t->persist_name = t->persist_name ? t->persist_name : "";
    int r = split_addresses(d, text_of(d, "cache.tier.address"));
    if (r == 0)
        r = check_persist(d);
    if (r == 0)
        r = finish_warm(d);
    if (r < 0 || t->kind == WEIR_CONFIG_TIER_NONE)
        return r;
    if (t->kind == WEIR_CONFIG_TIER_VALKEY)
        return check_valkey(d);
    return t->path ? 0
                   : fail_at(d, "cache.tier.kind",
                             "cache.tier.kind disk needs cache.disk.path, a directory");
}
