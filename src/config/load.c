/* Loading: defaults, then the file, the environment and --set, each over the one before. */
#include "config/draft.h"
#include <stdio.h>
#include <stdlib.h>

/* Where strangers come in. */
static bool is_door(const char *path)
{
    return strcmp(path, "listen") == 0 || strcmp(path, "admin.listen") == 0;
}

static int assign_defaults(draft *d)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    key_range range = d->root->range;
    for (size_t i = range.first; i < range.first + range.count; i++) {
        const char *fallback = keys[i].fallback;
        if (!fallback)
            continue;
        if (d->source->embedded && is_door(keys[i].path))
            fallback = "off";
        int r = draft_assign(d, d->root, &keys[i], weir_slice_cstr(fallback),
                             (origin){.kind = ORIGIN_DEFAULT});
        if (r != 0)
            return r;
    }
    return 0;
}

static uint8_t folded(char c, bool environment)
{
    if (!environment)
        return (uint8_t)c;
    if (c == '.')
        return '_';
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - ('a' - 'A')) : (uint8_t)c;
}

/* Whether `name` ends with (or is) the key's path, as the environment writes it (POOL_MAX_SIZE) or
 * as --set does. */
static bool ends_with_path(weir_slice name, const char *path, bool environment)
{
    size_t len = strlen(path);
    if (name.len < len)
        return false;
    weir_slice tail = weir_slice_skip(name, name.len - len);
    for (size_t i = 0; i < len; i++) {
        if (tail.data[i] != folded(path[i], environment))
            return false;
    }
    return true;
}

/* The longest key that `name` ends with, behind a separator when `named`. */
static const config_key *match_key(key_range range, weir_slice name, bool environment, bool named)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count), *best = NULL;
    for (size_t i = range.first; i < range.first + range.count; i++) {
        size_t len = strlen(keys[i].path);
        if (!ends_with_path(name, keys[i].path, environment))
            continue;
        if (named ? name.len < len + 2 || name.data[name.len - len - 1] != (environment ? '_' : '.')
                  : name.len != len)
            continue;
        if (!best || len > strlen(best->path))
            best = &keys[i];
    }
    return best;
}

/* `rest` is NAME.KEY (or NAME_KEY, where the name is taken in lower case). */
static int assign_named(draft *d, key_scope scope, weir_slice rest, weir_slice value, origin from)
{
    bool environment = from.kind == ORIGIN_ENVIRONMENT;
    const char *section = scope == KEY_OF_USER ? "users" : "databases";
    key_range range = config_key_range(scope);
    const config_key *key = match_key(range, rest, environment, true);
    if (!key)
        return draft_fail(d, &from, "must be %s.NAME.KEY with a key of docs/configuration.md",
                          section);
    weir_slice name = weir_slice_head(rest, rest.len - strlen(key->path) - 1);
    char lower[CONFIG_NAME_SIZE_MAX + 1];
    if (environment && name.len < sizeof(lower)) {
        for (size_t i = 0; i < name.len; i++) {
            uint8_t c = name.data[i];
            lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        name.data = (const uint8_t *)lower;
    }
    draft_object *object = NULL;
    int r = draft_object_get(d, scope, name, from, &object);
    return r != 0 ? r : draft_assign(d, object, key, value, from);
}

static int assign_setting(draft *d, const char *setting)
{
    const char *equals = strchr(setting, '=');
    size_t len = equals ? (size_t)(equals - setting) : strlen(setting);
    weir_slice path = weir_slice_make(setting, len);
    const char *name = weir_arena_strdup(d->arena, path);
    if (!name)
        return draft_no_memory(d);
    origin from = {ORIGIN_SETTING, 0, name};
    if (!equals || len == 0)
        return draft_fail(d, &from, "must be KEY=VALUE, as in pool.max_size=20");
    weir_slice value = weir_slice_cstr(equals + 1);
    if (weir_slice_begins(path, "databases."))
        return assign_named(d, KEY_OF_DATABASE, weir_slice_skip(path, strlen("databases.")), value,
                            from);
    if (weir_slice_begins(path, "users."))
        return assign_named(d, KEY_OF_USER, weir_slice_skip(path, strlen("users.")), value, from);
    if (weir_slice_eq_cstr(path, "admin"))
        path = WEIR_SLICE_LIT("admin.listen");
    const config_key *key = config_key_find(d->root->range, path);
    if (!key)
        return draft_unknown(d, &from, d->root->range, "", path);
    return draft_assign(d, d->root, key, value, from);
}

/* Whether the variable is meant for us: WEIR_ and the name of a section that has keys below it.
 * Others begin so as well: what Kubernetes makes of a service called weir (WEIR_PORT,
 * WEIR_SERVICE_HOST), and variables of a user's own that *_env keys name. */
static bool names_a_section(weir_slice name)
{
    static const char *const sections[] = {"ADMIN_",    "AUTH_",   "LIMITS_", "LOG_",   "MEMORY_",
                                           "TIMEOUTS_", "SQLITE_", "POOL_",   "CACHE_", NULL};
    for (const char *const *s = sections; *s; s++) {
        if (weir_slice_begins(name, *s))
            return true;
    }
    return false;
}

/* The nearest key is looked for in the form of paths, and shown as a variable. */
static int unknown_variable(draft *d, weir_slice name, const origin *from)
{
    char path[64], shown[64];
    size_t len = name.len < sizeof(path) ? name.len : sizeof(path) - 1;
    bool dotted = false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name.data[i];
        path[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        if (c == '_' && !dotted) {
            path[i] = '.';
            dotted = true;
        }
    }
    const char *nearest = config_key_nearest(d->root->range, weir_slice_make(path, len));
    if (!nearest)
        return draft_fail(d, from, "no such setting; docs/configuration.md lists all keys");
    size_t n = 0;
    for (; nearest[n] && n + 1 < sizeof(shown); n++)
        shown[n] = (char)folded(nearest[n], true);
    shown[n] = '\0';
    return draft_fail(d, from, "no such setting; nearest known: WEIR_%s", shown);
}

static int assign_variable(draft *d, const char *variable)
{
    const char *equals = strchr(variable, '=');
    if (strncmp(variable, "WEIR_", 5) != 0 || !equals)
        return 0;
    weir_slice name = weir_slice_make(variable + 5, (size_t)(equals - variable) - 5);
    weir_slice value = weir_slice_cstr(equals + 1);
    const char *whole = weir_arena_strdup(d->arena, weir_slice_make(variable, name.len + 5));
    if (!whole)
        return draft_no_memory(d);
    origin from = {ORIGIN_ENVIRONMENT, 0, whole};
    if (weir_slice_begins(name, "DATABASES_"))
        return assign_named(d, KEY_OF_DATABASE, weir_slice_skip(name, strlen("DATABASES_")), value,
                            from);
    if (weir_slice_begins(name, "USERS_"))
        return assign_named(d, KEY_OF_USER, weir_slice_skip(name, strlen("USERS_")), value, from);
    const config_key *key = match_key(d->root->range, name, true, false);
    if (weir_slice_eq_cstr(name, "ADMIN"))
        key = config_key_find(d->root->range, WEIR_SLICE_LIT("admin.listen"));
    if (key)
        return draft_assign(d, d->root, key, value, from);
    return names_a_section(name) ? unknown_variable(d, name, &from) : 0;
}

static int assign_all(draft *d)
{
    int r = draft_object_new(d, KEY_OF_ROOT, "", (origin){.kind = ORIGIN_DEFAULT}, &d->root);
    if (r == 0)
        r = assign_defaults(d);
    if (r == 0 && d->source->file_name)
        r = draft_walk(d);
    for (const char *const *v = d->source->environment; r == 0 && v && *v; v++)
        r = assign_variable(d, *v);
    for (const char *const *s = d->source->settings; r == 0 && s && *s; s++)
        r = assign_setting(d, *s);
    if (r == 0)
        r = draft_finish(d);
    return r != 0 ? r : draft_check(d);
}

int weir_config_load(const weir_config_source *source, weir_config **ret, weir_error *err)
{
    *ret = NULL;
    draft d = {.source = source, .err = err};
    config_box *box = calloc(1, sizeof(*box));
    if (!box)
        return draft_no_memory(&d);
    weir_arena_init(&box->config.arena, CONFIG_ARENA_SIZE_MAX);
    d.config = &box->config;
    d.arena = &box->config.arena;
    d.databases.tail = &d.databases.head;
    d.users.tail = &d.users.head;
    d.rules.tail = &d.rules.head;
    d.access.tail = &d.access.head;
    d.maps.tail = &d.maps.head;
    /* The file is its operator's own: its keys need no secret seed. */
    weir_map_init(&d.names, (weir_hash_seed){{0, 0}}, CONFIG_DATABASES_MAX + CONFIG_USERS_MAX);
    weir_map_init(&d.seen, (weir_hash_seed){{0, 0}}, CONFIG_FILE_SIZE_MAX / 4);
    int r = assign_all(&d);
    weir_map_fini(&d.names);
    weir_map_fini(&d.seen);
    box->root = d.root;
    box->cores = source->cores;
    if (r != 0) {
        weir_config_free(&box->config);
        return r;
    }
    *ret = &box->config;
    return 0;
}

void weir_config_free(weir_config *config)
{
    if (!config)
        return;
    weir_arena_fini(&config->arena);
    free(config); /* the first member of its config_box */
}
