/* What keys say together: the checks that no single key can make. */
#include "config/address.h"
#include "config/draft.h"
#include "config/value.h"
#include <stdio.h>

static int check_address(draft *d, const char *key, const char *text, const origin *from,
                         config_address *ret)
{
    const char *why = "";
    if (config_address_parse(weir_slice_cstr(text), ret, &why) != 0)
        return draft_fail(d, from, "%s \"%.100s\": %s", key, text, why);
    return 0;
}

static bool same_address(const config_address *a, const config_address *b)
{
    return a->is_unix == b->is_unix && a->port == b->port && weir_slice_eq(a->host, b->host) &&
           (a->is_unix || a->port != 0);
}

/* Whoever reaches a listener beyond loopback could read everything: it must ask who they are, or be
 * told in so many words not to. */
static int check_reach(draft *d, const char *text, const config_address *address,
                       const origin *from)
{
    if (address->loopback || d->config->auth != WEIR_CONFIG_AUTH_UNSET || d->config->access.given)
        return 0;
    return draft_fail(d, from,
                      "listen %.100s is reachable from other machines, and no authentication is "
                      "configured: add users (users: {NAME: {password: …}}), or auth.method: trust "
                      "to let everybody in",
                      text);
}

static int check_listen(draft *d)
{
    const weir_config *c = d->config;
    const origin *from = &draft_slot_of(d->root, "listen")->from;
    config_address all[CONFIG_LISTEN_MAX];
    if (c->listen_count == 0 && !d->source->embedded)
        return draft_fail(d, from,
                          "listen is off: only a program that Weir is a part of could use "
                          "it");
    for (unsigned i = 0; i < c->listen_count; i++) {
        int r = check_address(d, "listen", c->listen[i], from, &all[i]);
        if (r == 0)
            r = check_reach(d, c->listen[i], &all[i], from);
        if (r != 0)
            return r;
        for (unsigned j = 0; j < i; j++) {
            if (same_address(&all[i], &all[j]))
                return draft_fail(d, from, "listen names %.100s twice", c->listen[i]);
        }
    }
    return 0;
}

static int check_admin(draft *d)
{
    const weir_config *c = d->config;
    const origin *from = &draft_slot_of(d->root, "admin.listen")->from;
    config_address admin, other;
    const char *why = "";
    if (*c->admin == '\0')
        return 0;
    int r = check_address(d, "admin.listen", c->admin, from, &admin);
    if (r != 0)
        return r;
    if (admin.is_unix)
        return draft_fail(d, from, "admin.listen must be host:port, not a UNIX socket");
    if (!admin.loopback && !c->admin_token)
        return draft_fail(d, from,
                          "admin.listen %.100s is reachable from other machines: set admin.token "
                          "(or admin.token_file, admin.token_env)",
                          c->admin);
    for (unsigned i = 0; i < c->listen_count; i++) {
        if (config_address_parse(weir_slice_cstr(c->listen[i]), &other, &why) == 0 &&
            same_address(&admin, &other))
            return draft_fail(d, from, "admin.listen and listen are both %.100s", c->admin);
    }
    return 0;
}

static int check_pool(draft *d, const draft_object *object, const weir_config_database *db)
{
    const draft_slot *slot = draft_slot_of(object, "pool.min_size");
    if (!slot->text)
        slot = draft_slot_of(d->root, "pool.min_size");
    if (db->pool.min_size > db->pool.max_size)
        return draft_fail(d, &slot->from,
                          "database \"%s\": pool.min_size is %u, more than pool.max_size, %u",
                          object->name, db->pool.min_size, db->pool.max_size);
    return 0;
}

/* Two pools on one file would have two writers that lock each other out. */
static int check_same_file(draft *d, const draft_object *object, unsigned index)
{
    const weir_config_database *all = d->config->databases;
    if (all[index].backend != WEIR_CONFIG_SQLITE || strcmp(all[index].path, ":memory:") == 0)
        return 0;
    for (unsigned i = 0; i < index; i++) {
        if (all[i].backend == WEIR_CONFIG_SQLITE && strcmp(all[i].path, all[index].path) == 0)
            return draft_fail(d, &object->from, "databases \"%s\" and \"%s\" are the same file",
                              all[i].name, all[index].name);
    }
    return 0;
}

static int check_databases(draft *d)
{
    unsigned i = 0;
    for (const draft_object *o = d->databases.head; o; o = o->next, i++) {
        if (strcmp(o->name, "weir") == 0)
            return draft_fail(d, &o->from,
                              "the name \"weir\" is that of the admin database: choose another");
        int r = check_pool(d, o, &d->config->databases[i]);
        if (r == 0)
            r = check_same_file(d, o, i);
        if (r != 0)
            return r;
    }
    return 0;
}

static bool is_md5(const char *password)
{
    return strlen(password) == 35 && strncmp(password, "md5", 3) == 0 &&
           strspn(password + 3, "0123456789abcdef") == 32;
}

#define SCRAM_PREFIX "SCRAM-SHA-256$"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static bool is_scram(const char *password)
{
    return strncmp(password, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) == 0;
}

/* SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, the keys being 32 bytes: 44 of base64. */
static bool is_whole_scram(const char *password)
{
    const char *p = password + strlen(SCRAM_PREFIX);
    size_t n = strspn(p, "0123456789");
    if (n == 0 || n > 9 || p[n] != ':')
        return false;
    p += n + 1;
    n = strspn(p, BASE64);
    if (n == 0 || p[n] != '$')
        return false;
    p += n + 1;
    n = strspn(p, BASE64);
    if (n != 44 || p[n] != ':')
        return false;
    n = strspn(p + 45, BASE64);
    return n == 44 && p[45 + n] == '\0';
}

static int check_user(draft *d, const draft_object *object, const weir_config_user *user)
{
    weir_config_auth method = d->config->auth;
    if (user->password && is_scram(user->password) && !is_whole_scram(user->password))
        return draft_fail(d, &object->from,
                          "user \"%s\": the password begins like a SCRAM secret and is none",
                          user->name);
    if (method == WEIR_CONFIG_AUTH_TRUST || d->config->access.given)
        return 0;
    if (!user->password && (d->config->access.lookup || object->listed))
        return 0;
    if (!user->password)
        return draft_fail(d, &object->from,
                          "user \"%s\" has no password: set password, password_file or "
                          "password_env",
                          user->name);
    if (is_md5(user->password) && method == WEIR_CONFIG_AUTH_SCRAM)
        return draft_fail(d, &object->from,
                          "user \"%s\": auth.method scram cannot check an md5 secret: use md5, or "
                          "give the password or its SCRAM secret",
                          user->name);
    return 0;
}

static int check_users(draft *d)
{
    const weir_config *c = d->config;
    const draft_slot *slot = draft_slot_of(d->root, "auth.method");
    if (c->user_count == 0 && slot->text && c->auth != WEIR_CONFIG_AUTH_TRUST && !c->access.lookup)
        return draft_fail(d, &slot->from,
                          "auth.method is %s and there are no users: nobody could log in",
                          slot->text);
    unsigned i = 0;
    for (const draft_object *o = d->users.head; o; o = o->next, i++) {
        int r = check_user(d, o, &c->users[i]);
        if (r != 0)
            return r;
    }
    return 0;
}

static int does_not_fit(draft *d, const char *part_path, size_t part, const char *whole_path,
                        size_t whole)
{
    const config_key *key = config_key_find(d->root->range, weir_slice_cstr(part_path));
    char a[32], b[32];
    return draft_fail(d, &draft_slot_of(d->root, part_path)->from,
                      "%s is %s and does not fit in %s, %s", part_path,
                      config_value_format(key, part, a, sizeof(a)), whole_path,
                      config_value_format(key, whole, b, sizeof(b)));
}

/* Clients need some of the memory as well. */
static int check_cache(draft *d)
{
    const weir_config *c = d->config;
    if (!c->cache.enabled)
        return 0;
    if (c->cache.memory >= c->memory_max)
        return does_not_fit(d, "cache.memory", c->cache.memory, "memory.max", c->memory_max);
    if (c->cache.entry_size > c->cache.memory)
        return does_not_fit(d, "cache.entry_size", c->cache.entry_size, "cache.memory",
                            c->cache.memory);
    return 0;
}

/* What a part of another program does not do. */
static int check_embedded(draft *d)
{
    static const char *const paths[] = {"admin.listen", "restart.socket"};
    for (size_t i = 0; d->source->embedded && i < sizeof(paths) / sizeof(paths[0]); i++) {
        const draft_slot *slot = draft_slot_of(d->root, paths[i]);
        if (slot->text && strcmp(slot->text, "off") != 0)
            return draft_fail(d, &slot->from, "%s is for `weir serve`, not for the library",
                              paths[i]);
    }
    return 0;
}

int draft_check(draft *d)
{
    int r = check_listen(d);
    if (r == 0)
        r = check_admin(d);
    if (r == 0)
        r = check_embedded(d);
    if (r == 0)
        r = check_databases(d);
    if (r == 0)
        r = check_users(d);
    return r != 0 ? r : check_cache(d);
}
