/* The draft's own operations: objects, values with their origins, and the form of its errors. */
#include "config/draft.h"
#include "config/value.h"
#include <stdarg.h>
#include <stdio.h>

/* "weir.yaml:12: ", "WEIR_POOL_MAX_SIZE: ", "--set pool.max_size: " or nothing. */
static void origin_words(const origin *from, char *out, size_t size)
{
    out[0] = '\0';
    switch (from->kind) {
    case ORIGIN_DEFAULT:
        break;
    case ORIGIN_FILE:
        snprintf(out, size, "%.200s:%u: ", from->name, from->line);
        break;
    case ORIGIN_ENVIRONMENT:
        snprintf(out, size, "environment %.100s: ", from->name);
        break;
    case ORIGIN_SETTING:
        snprintf(out, size, "--set %.100s: ", from->name);
        break;
    }
}

int draft_fail(draft *d, const origin *from, const char *fmt, ...)
{
    char where[256], words[sizeof(d->err->message)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    origin_words(from, where, sizeof(where));
    weir_error_set(d->err, "F0000", "%s%s", where, words);
    if (!d->err)
        return -EINVAL;
    /* What is quoted came from a file: it must not drive the terminal that shows it. */
    for (char *c = d->err->message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return -EINVAL;
}

int draft_no_memory(draft *d)
{
    weir_error_set(d->err, "53200", "out of memory while reading the configuration");
    return -ENOMEM;
}

int draft_unknown(draft *d, const origin *from, key_range range, const char *prefix,
                  weir_slice path)
{
    static const char *const top[] = {"databases", "users",    "admin", "pool",    "limits",
                                      "log",       "timeouts", "auth",  "memory",  "sqlite",
                                      "listen",    "workers",  "cache", "catalog", NULL};
    const char *nearest = NULL;
    if (*prefix == '\0' && path.len > 0 && !memchr(path.data, '.', path.len))
        nearest = config_name_nearest(top, path);
    if (!nearest)
        nearest = config_key_nearest(range, path);
    int len = path.len > 80 ? 80 : (int)path.len;
    if (!nearest)
        return draft_fail(d, from, "unknown key \"%s%.*s\"; docs/configuration.md lists all keys",
                          prefix, len, (const char *)path.data);
    return draft_fail(d, from, "unknown key \"%s%.*s\"; nearest known key: %s%s", prefix, len,
                      (const char *)path.data, prefix, nearest);
}

static void *field_of(draft *d, draft_object *object, const config_key *key)
{
    uint8_t *base = NULL;
    switch (key->scope) {
    case KEY_OF_ROOT:
        base = (uint8_t *)d->config;
        break;
    case KEY_OF_POOL:
        base = (uint8_t *)&object->pool;
        break;
    case KEY_OF_DATABASE:
    case KEY_OF_USER:
        base = (uint8_t *)object;
        break;
    case KEY_OF_RULE:
        base = (uint8_t *)&object->rule;
        break;
    case KEY_OF_ACCESS: /* texts alone */
    case KEY_OF_MAP:
        assert(false);
        return NULL;
    }
    return base + key->offset;
}

static bool is_text(const config_key *key)
{
    return key->type == KEY_SECRET || key->type == KEY_LISTEN || key->type == KEY_ADDRESS ||
           key->type == KEY_TEXT || key->type == KEY_TAGS || key->type == KEY_DSNS;
}

static int check_text(draft *d, const config_key *key, weir_slice text, const origin *from)
{
    if (text.len == 0)
        return draft_fail(d, from, "%s has no value", key->path);
    if (text.len > CONFIG_VALUE_SIZE_MAX)
        return draft_fail(d, from, "%s: a value of %zu bytes is too long, at most %zu", key->path,
                          text.len, CONFIG_VALUE_SIZE_MAX);
    if (memchr(text.data, '\0', text.len))
        return draft_fail(d, from, "%s: the value contains a zero byte", key->path);
    return 0;
}

int draft_assign(draft *d, draft_object *object, const config_key *key, weir_slice text,
                 origin from)
{
    size_t count = 0;
    size_t index = (size_t)(key - config_keys(&count)) - object->range.first;
    assert(index < object->range.count);
    draft_slot *slot = &object->slots[index];
    assert(from.kind >= slot->from.kind);
    int r = check_text(d, key, text, &from);
    if (r != 0)
        return r;
    if (key->type == KEY_RULES)
        return draft_fail(d, &from, "%s is a list of mappings: only the file can give it",
                          key->path);
    if (!is_text(key)) {
        uint64_t value = 0;
        char why[200];
        if (config_value_parse(key, text, &value, why, sizeof(why)) != 0)
            return draft_fail(d, &from, "%s %s", key->path, why);
        config_value_store(field_of(d, object, key), key->width, value);
    }
    const char *copy = weir_arena_strdup(d->arena, text);
    if (!copy)
        return draft_no_memory(d);
    *slot = (draft_slot){from, copy};
    return 0;
}

int draft_object_new(draft *d, key_scope scope, const char *name, origin from, draft_object **ret)
{
    draft_object *object = weir_arena_alloc(d->arena, sizeof(*object));
    if (!object)
        return draft_no_memory(d);
    *object = (draft_object){
        .scope = scope, .range = config_key_range(scope), .name = name, .from = from};
    object->share.mode = WEIR_CONFIG_POOL_UNSET;
    object->create = true;
    object->replica_lag = 5 * WEIR_SECOND;
    object->slots = weir_arena_alloc(d->arena, object->range.count * sizeof(draft_slot));
    if (!object->slots)
        return draft_no_memory(d);
    *ret = object;
    return 0;
}

static int check_name(draft *d, const char *what, weir_slice name, const origin *from)
{
    if (name.len == 0)
        return draft_fail(d, from, "a %s needs a name", what);
    if (name.len > CONFIG_NAME_SIZE_MAX)
        return draft_fail(d, from, "the %s's name has %zu bytes, at most %d are possible", what,
                          name.len, CONFIG_NAME_SIZE_MAX);
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f)
            return draft_fail(d, from, "the %s's name contains a control character", what);
    }
    return 0;
}

int draft_object_get(draft *d, key_scope scope, weir_slice name, origin from, draft_object **ret)
{
    bool is_user = scope == KEY_OF_USER;
    const char *what = is_user ? "user" : "database";
    draft_list *list = is_user ? &d->users : &d->databases;
    int r = check_name(d, what, name, &from);
    if (r != 0)
        return r;
    char path[CONFIG_NAME_SIZE_MAX + 16];
    snprintf(path, sizeof(path), "%ss.%.*s", what, (int)name.len, (const char *)name.data);
    *ret = weir_map_find(&d->names, weir_slice_cstr(path));
    if (*ret)
        return 0;
    unsigned most = is_user ? CONFIG_USERS_MAX : CONFIG_DATABASES_MAX;
    if (list->count == most)
        return draft_fail(d, &from, "more than %u %ss", most, what);
    const char *kept = weir_arena_strdup(d->arena, weir_slice_cstr(path));
    if (!kept)
        return draft_no_memory(d);
    draft_object *object = NULL;
    r = draft_object_new(d, scope, kept + strlen(what) + 2, from, &object);
    if (r != 0)
        return r;
    if (weir_map_put(&d->names, weir_slice_cstr(kept), object, NULL) != 0)
        return draft_no_memory(d);
    *list->tail = object;
    list->tail = &object->next;
    list->count++;
    *ret = object;
    return 0;
}

int draft_item_add(draft *d, const config_key *key, origin from, draft_object **ret)
{
    draft_list *list = key->items == KEY_OF_RULE     ? &d->rules
                       : key->items == KEY_OF_ACCESS ? &d->access
                                                     : &d->maps;
    char number[16];
    if (list->count == CONFIG_RULES_MAX)
        return draft_fail(d, &from, "%s has more than %d rules", key->path, CONFIG_RULES_MAX);
    snprintf(number, sizeof(number), "%u", list->count + 1);
    const char *name = weir_arena_strdup(d->arena, weir_slice_cstr(number));
    if (!name)
        return draft_no_memory(d);
    int r = draft_object_new(d, key->items, name, from, ret);
    if (r != 0)
        return r;
    *list->tail = *ret;
    list->tail = &(*ret)->next;
    list->count++;
    return 0;
}

draft_slot *draft_slot_of(const draft_object *object, const char *path)
{
    size_t count = 0;
    const config_key *key = config_key_find(object->range, weir_slice_cstr(path));
    assert(key);
    return &object->slots[(size_t)(key - config_keys(&count)) - object->range.first];
}
