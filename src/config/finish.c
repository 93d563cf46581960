/* From the draft's slots to the configuration: secrets are fetched from where they are, databases
 * get their DSN and their pool, users their password. */
#include "config/draft.h"
#include "config/server_tls.h"
#include <stdio.h>

#define SECRET_SIZE_MAX 8192

/* The newest of the given spellings of a secret; of two from one place neither can be meant. */
static int pick(draft *d, const draft_object *object, const char *const *paths, unsigned *ret)
{
    unsigned best = UINT32_MAX;
    for (unsigned i = 0; paths[i]; i++) {
        const draft_slot *slot = draft_slot_of(object, paths[i]);
        if (!slot->text)
            continue;
        const draft_slot *rival = best == UINT32_MAX ? NULL : draft_slot_of(object, paths[best]);
        if (rival && rival->from.kind == slot->from.kind)
            return draft_fail(d, &slot->from, "%s and %s are both given: which is meant?",
                              paths[best], paths[i]);
        if (!rival || slot->from.kind > rival->from.kind)
            best = i;
    }
    *ret = best;
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A file's text without its last line's end. */
static int secret_from_file(draft *d, const draft_slot *slot, const char *path, const char **ret)
{
    weir_buf text;
    weir_buf_init(&text, SECRET_SIZE_MAX);
    int r = d->source->read_file ? d->source->read_file(d->source->read_user, slot->text, &text)
                                 : -ENOTSUP;
    size_t len = text.len;
    if (len > 0 && text.data[len - 1] == '\n')
        len--;
    if (len > 0 && text.data[len - 1] == '\r')
        len--;
    if (r == -ENOMEM)
        r = draft_no_memory(d);
    else if (r == -EMSGSIZE)
        r = draft_fail(d, &slot->from, "%s: %.150s is longer than %d bytes", path, slot->text,
                       SECRET_SIZE_MAX);
    else if (r < 0)
        r = draft_fail(d, &slot->from, "%s: cannot read %.150s: %s", path, slot->text,
                       strerrordesc_np(-r) ? strerrordesc_np(-r) : "failed");
    else if (len == 0 || memchr(text.data, '\0', len))
        r = draft_fail(d, &slot->from, "%s: %.150s is empty or holds a zero byte", path,
                       slot->text);
    else if (!(*ret = weir_arena_strdup(d->arena, weir_slice_make(text.data, len))))
        r = draft_no_memory(d);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    weir_buf_fini(&text);
    return r;
}

static int secret_from_environment(draft *d, const draft_slot *slot, const char *path,
                                   const char **ret)
{
    size_t len = strlen(slot->text);
    for (const char *const *v = d->source->environment; v && *v; v++) {
        if (strncmp(*v, slot->text, len) != 0 || (*v)[len] != '=' || (*v)[len + 1] == '\0')
            continue;
        *ret = weir_arena_strdup(d->arena, weir_slice_cstr(*v + len + 1));
        return *ret ? 0 : draft_no_memory(d);
    }
    return draft_fail(d, &slot->from, "%s: the environment has no variable %.100s", path,
                      slot->text);
}

/* `*ret` NULL when not given; `*ret_from` then stays as it was. */
static int secret(draft *d, const draft_object *object, const char *const *paths, const char **ret,
                  origin *ret_from)
{
    unsigned i = 0;
    *ret = NULL;
    int r = pick(d, object, paths, &i);
    if (r != 0 || i == UINT32_MAX)
        return r;
    const draft_slot *slot = draft_slot_of(object, paths[i]);
    *ret_from = slot->from;
    if (ends_with(paths[i], "_file"))
        return secret_from_file(d, slot, paths[i], ret);
    if (ends_with(paths[i], "_env"))
        return secret_from_environment(d, slot, paths[i], ret);
    *ret = slot->text;
    return 0;
}

/* A database's pool is the root's where it says nothing itself. */
static void inherit_pool(const draft *d, draft_object *object)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    for (size_t i = object->range.first; i < object->range.first + object->range.count; i++) {
        if (keys[i].scope != KEY_OF_POOL || object->slots[i - object->range.first].text)
            continue;
        memcpy((uint8_t *)&object->pool + keys[i].offset,
               (const uint8_t *)&d->root->pool + keys[i].offset, keys[i].width);
    }
}

static bool given_in(const draft_object *object, const char *path)
{
    const draft_slot *slot = draft_slot_of(object, path);
    return slot->text && slot->from.kind != ORIGIN_DEFAULT;
}

static bool is_given(const draft *d, const draft_object *object, const char *path)
{
    return given_in(object, path) || given_in(d->root, path);
}

typedef struct sizes {
    unsigned min, max;
    weir_time idle; /* 0: the key's own default */
} sizes;

static sizes sizes_of(weir_config_backend backend, weir_config_pool_preset preset)
{
    switch (preset) {
    case WEIR_CONFIG_PRESET_HIGH_TRAFFIC:
        return (sizes){20, 100, 60 * WEIR_SECOND};
    case WEIR_CONFIG_PRESET_LOW_LATENCY:
        return (sizes){10, 50, 15 * WEIR_SECOND};
    case WEIR_CONFIG_PRESET_NONE:
        break;
    }
    return backend == WEIR_CONFIG_POSTGRES ? (sizes){10, 50, 0} : (sizes){3, 10, 0};
}

static void default_sizes(const draft *d, const draft_object *object, weir_config_backend backend,
                          weir_config_pool *pool)
{
    sizes by_default = sizes_of(backend, pool->preset);
    bool min_given = is_given(d, object, "pool.min_size");
    if (!is_given(d, object, "pool.max_size")) {
        pool->max_size = by_default.max;
        if (min_given && pool->min_size > pool->max_size)
            pool->max_size = pool->min_size;
    }
    if (!min_given) {
        pool->min_size = by_default.min;
        if (pool->min_size > pool->max_size)
            pool->min_size = pool->max_size;
    }
    if (by_default.idle && !is_given(d, object, "pool.idle_timeout"))
        pool->idle_timeout = by_default.idle;
    if (!is_given(d, object, "pool.max_pinned"))
        pool->max_pinned = pool->max_size > 20 ? pool->max_size : 20;
}

/* What a database without a configured name is called: the file's name without its directory and
 * suffix, or the database's name on the server. */
static const char *derived_label(draft *d, const weir_config_database *db)
{
    if (db->backend == WEIR_CONFIG_POSTGRES)
        return db->dbname ? db->dbname : db->user ? db->user : "postgres";
    if (strcmp(db->path, ":memory:") == 0)
        return "memory";
    const char *slash = strrchr(db->path, '/');
    const char *base = slash ? slash + 1 : db->path;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    return weir_arena_strdup(d->arena, weir_slice_make(base, len));
}

static int finish_replica(draft *d, const origin *from, const weir_config_database *primary,
                          weir_slice dsn, weir_config_database *ret)
{
    weir_error why = {0};
    const char *text = weir_arena_strdup(d->arena, dsn);
    int r = text ? weir_config_dsn_parse(d->arena, text, ret, &why) : -ENOMEM;
    if (r == -ENOMEM)
        return draft_no_memory(d);
    if (r != 0)
        return draft_fail(d, from, "a replica of database \"%s\": %s", primary->name, why.message);
    if (ret->backend != WEIR_CONFIG_POSTGRES || primary->backend != WEIR_CONFIG_POSTGRES)
        return draft_fail(d, from,
                          "database \"%s\": only PostgreSQL has replicas, as in "
                          "postgres://standby.example.org",
                          primary->name);
    const char *wrong = config_server_tls_finish(&ret->tls, &d->config->tls.server);
    if (wrong)
        return draft_fail(d, from, "a replica of database \"%s\": %s", primary->name, wrong);
    ret->name = ret->label = primary->name;
    ret->dbname = ret->dbname ? ret->dbname : primary->dbname;
    ret->password = ret->password || ret->user ? ret->password : primary->password;
    ret->user = ret->user ? ret->user : primary->user;
    ret->pool = primary->pool;
    ret->share = primary->share;
    return 0;
}

/* `replicas`, which are comma-separated in their slot. */
static int finish_replicas(draft *d, const draft_object *object, weir_config_database *db)
{
    const draft_slot *slot = draft_slot_of(object, "replicas");
    db->replica_lag = object->replica_lag;
    if (!slot->text)
        return 0;
    weir_config_database *all = weir_arena_alloc(d->arena, WEIR_CONFIG_REPLICAS_MAX * sizeof(*all));
    if (!all)
        return draft_no_memory(d);
    unsigned n = 0;
    int r = 0;
    for (const char *rest = slot->text; rest && r == 0; n++) {
        size_t len = strcspn(rest, ",");
        while (len > 0 && *rest == ' ')
            rest++, len--; /* after a comma */
        if (n == WEIR_CONFIG_REPLICAS_MAX)
            return draft_fail(d, &slot->from, "database \"%s\" has more than %d replicas", db->name,
                              WEIR_CONFIG_REPLICAS_MAX);
        r = finish_replica(d, &slot->from, db, weir_slice_make(rest, len), &all[n]);
        rest = rest[len] ? rest + len + 1 : NULL;
    }
    db->replicas = all;
    db->replica_count = n;
    return r;
}

static int finish_database(draft *d, draft_object *object, weir_config_database *db)
{
    static const char *const dsn_paths[] = {"dsn", "primary", "dsn_file", "dsn_env", NULL};
    static const char *const password_paths[] = {"password", "password_file", "password_env", NULL};
    const char *dsn = NULL, *password = NULL;
    origin from = object->from;
    int r = secret(d, object, dsn_paths, &dsn, &from);
    if (r != 0)
        return r;
    if (!dsn)
        return draft_fail(d, &object->from,
                          "database \"%s\" has no dsn, as in dsn: postgres://host/name",
                          object->name);
    weir_error why = {0};
    r = weir_config_dsn_parse(d->arena, dsn, db, &why);
    if (r == -ENOMEM)
        return draft_no_memory(d);
    if (r != 0)
        return draft_fail(d, &from, "database \"%s\": %s", object->name, why.message);
    const char *wrong = db->backend == WEIR_CONFIG_POSTGRES
                            ? config_server_tls_finish(&db->tls, &d->config->tls.server)
                            : NULL;
    if (wrong)
        return draft_fail(d, &from, "database \"%s\": %s", object->name, wrong);
    r = secret(d, object, password_paths, &password, &from);
    if (r == 0 && password && db->backend == WEIR_CONFIG_SQLITE)
        return draft_fail(d, &from, "database \"%s\": a SQLite file has no password", object->name);
    if (password)
        db->password = password;
    db->name = object->name;
    db->label = strcmp(object->name, "*") == 0 ? derived_label(d, db) : object->name;
    inherit_pool(d, object);
    db->pool = object->pool;
    db->share = object->share;
    db->create = object->create;
    default_sizes(d, object, db->backend, &db->pool);
    db->warm = db->user && is_given(d, object, "pool.min_size") && db->pool.min_size > 0;
    if (r == 0 && !db->label)
        return draft_no_memory(d);
    return r == 0 ? finish_replicas(d, object, db) : r;
}

/* The DSN of the command line, or the default one, as a database like the others. */
static int add_star(draft *d)
{
    const char *dsn = d->source->dsn;
    if (!dsn && d->databases.count > 0)
        return 0;
    draft_object *object = NULL;
    origin from = {.kind = ORIGIN_DEFAULT};
    int r = draft_object_get(d, KEY_OF_DATABASE, WEIR_SLICE_LIT("*"), from, &object);
    if (r != 0)
        return r;
    if (object->from.kind != ORIGIN_DEFAULT)
        return draft_fail(d, &object->from,
                          "database \"*\" is configured, and the command line gives a DSN for it");
    draft_slot_of(object, "dsn")->text = dsn ? dsn : "sqlite:weir.db";
    return 0;
}

static int finish_databases(draft *d)
{
    int r = add_star(d);
    if (r != 0)
        return r;
    weir_config_database *all = weir_arena_alloc(d->arena, d->databases.count * sizeof(*all));
    if (!all)
        return draft_no_memory(d);
    unsigned n = 0;
    for (draft_object *o = d->databases.head; o && r == 0; o = o->next)
        r = finish_database(d, o, &all[n++]);
    if (n == 1)
        all[0].name = "*"; /* an only database is reached by every name; its label stays */
    d->config->databases = all;
    d->config->database_count = n;
    return r;
}

static int finish_users(draft *d)
{
    static const char *const paths[] = {"password", "password_file", "password_env", NULL};
    if (d->users.count == 0)
        return 0;
    weir_config_user *all = weir_arena_alloc(d->arena, d->users.count * sizeof(*all));
    if (!all)
        return draft_no_memory(d);
    unsigned n = 0;
    int r = 0;
    for (draft_object *o = d->users.head; o && r == 0; o = o->next, n++) {
        all[n] = (weir_config_user){
            .name = o->name, .admin = o->admin, .from_file = o->from_file, .share = o->share};
        r = secret(d, o, paths, &all[n].password, &o->from);
    }
    d->config->users = all;
    d->config->user_count = n;
    return r;
}

/* The addresses of `listen`, which are comma-separated in their slot; off: none. */
static int finish_listen(draft *d)
{
    const draft_slot *slot = draft_slot_of(d->root, "listen");
    const char **all = weir_arena_alloc(d->arena, CONFIG_LISTEN_MAX * sizeof(*all));
    if (!all)
        return draft_no_memory(d);
    unsigned n = 0;
    for (const char *rest = strcmp(slot->text, "off") == 0 ? NULL : slot->text; rest; n++) {
        const char *comma = strchr(rest, ',');
        weir_slice one = weir_slice_make(rest, comma ? (size_t)(comma - rest) : strlen(rest));
        while (one.len > 0 && one.data[0] == ' ')
            one = weir_slice_skip(one, 1);
        if (n == CONFIG_LISTEN_MAX)
            return draft_fail(d, &slot->from, "listen names more than %d addresses",
                              CONFIG_LISTEN_MAX);
        all[n] = weir_arena_strdup(d->arena, one);
        if (!all[n])
            return draft_no_memory(d);
        rest = comma ? comma + 1 : NULL;
    }
    d->config->listen = all;
    d->config->listen_count = n;
    return 0;
}

/* A small memory.max alone does not make its operator choose a cache.memory too. */
static void default_cache_memory(draft *d)
{
    weir_config *c = d->config;
    size_t quarter = c->memory_max / 4;
    if (!given_in(d->root, "cache.memory") && c->cache.memory > quarter)
        c->cache.memory = quarter;
}

static void finish_log(draft *d)
{
    for (int m = 0; m < WEIR_LOG_MODULES; m++) {
        char path[64];
        snprintf(path, sizeof(path), "log.modules.%s", weir_log_module_name((weir_log_module)m));
        if (!draft_slot_of(d->root, path)->text)
            d->config->log.modules[m] = d->config->log.level;
    }
}

int draft_finish(draft *d)
{
    static const char *const token_paths[] = {"admin.token", "admin.token_file", "admin.token_env",
                                              NULL};
    static const char *const tier_paths[] = {"cache.tier.password", "cache.tier.password_file",
                                             "cache.tier.password_env", NULL};
    static const char *const query_paths[] = {"auth.query_password", "auth.query_password_file",
                                              "auth.query_password_env", NULL};
    weir_config *c = d->config;
    origin ignored = {.kind = ORIGIN_DEFAULT};
    const char *admin = draft_slot_of(d->root, "admin.listen")->text;
    c->restart = draft_slot_of(d->root, "restart.socket")->text;
    c->admin = strcmp(admin, "off") == 0 ? "" : admin;
    c->pool = d->root->pool;
    finish_log(d);
    default_cache_memory(d);
    int r = finish_listen(d);
    if (r == 0)
        r = secret(d, d->root, token_paths, &c->admin_token, &ignored);
    if (r == 0)
        r = secret(d, d->root, tier_paths, &c->cache.tier.password, &ignored);
    if (r == 0)
        r = draft_finish_tier(d);
    if (r == 0)
        r = draft_finish_tls(d);
    if (r == 0)
        r = finish_databases(d);
    if (r == 0)
        r = draft_read_users(d);
    if (r == 0)
        r = secret(d, d->root, query_paths, &c->access.query_password, &ignored);
    draft_finish_lookup(d);
    if (r == 0)
        r = finish_users(d);
    if (r == 0)
        r = draft_finish_access(d);
    return r != 0 ? r : draft_finish_rules(d);
}
