/* Walks the YAML file's events and assigns what it meets. Recursion is by known sections only, so
 * its depth is that of the table, whatever the file says. */
#include "base/utf8.h"
#include "config/draft.h"
#include <stdio.h>
#include <yaml.h>

typedef struct walk {
    draft *draft;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; YAML_NO_EVENT when none is held */
    unsigned line;      /* of the current event */
} walk;

/* A path that was met, to find it when it is met again. */
typedef struct draft_seen {
    unsigned line;
    char path[];
} draft_seen;

static origin here(const walk *w)
{
    return (origin){ORIGIN_FILE, w->line, w->draft->source->file_name};
}

static int parse_failure(walk *w)
{
    yaml_parser_t *p = &w->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return draft_no_memory(w->draft);
    bool reader = p->error == YAML_READER_ERROR;
    w->line = reader ? w->line : (unsigned)p->problem_mark.line + 1;
    origin from = here(w);
    bool star = p->context && strstr(p->context, "alias");
    return draft_fail(w->draft, &from, "not valid YAML: %s%s%s%s",
                      p->problem ? p->problem : "unreadable", p->context ? " " : "",
                      p->context ? p->context : "",
                      star ? "; a text that begins with * needs quotes" : "");
}

static int next(walk *w)
{
    yaml_event_delete(&w->event);
    if (!yaml_parser_parse(&w->parser, &w->event)) {
        memset(&w->event, 0, sizeof(w->event));
        return parse_failure(w);
    }
    w->line = (unsigned)w->event.start_mark.line + 1;
    if (w->event.type == YAML_ALIAS_EVENT) {
        origin from = here(w);
        return draft_fail(
            w->draft, &from,
            "aliases (*name) are not supported; a text that begins with * needs quotes");
    }
    return 0;
}

static weir_slice scalar(const walk *w)
{
    assert(w->event.type == YAML_SCALAR_EVENT);
    return weir_slice_make(w->event.data.scalar.value, w->event.data.scalar.length);
}

/* Nothing, `~` or `null` without quotes. */
static bool is_null(const walk *w)
{
    return w->event.type == YAML_SCALAR_EVENT &&
           w->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (scalar(w).len == 0 || weir_slice_eq_cstr(scalar(w), "~") ||
            weir_slice_eq_cstr(scalar(w), "null"));
}

static const char *event_words(const walk *w)
{
    switch (w->event.type) {
    case YAML_SCALAR_EVENT:
        return is_null(w) ? "nothing" : "a single value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    default:
        return "something else";
    }
}

static int wrong_form(walk *w, const char *path, const char *wanted)
{
    origin from = here(w);
    return draft_fail(w->draft, &from, "%s must be %s, not %s", path, wanted, event_words(w));
}

static int remember(walk *w, const char *prefix, weir_slice name, const origin *from)
{
    draft *d = w->draft;
    size_t before = strlen(prefix);
    draft_seen *seen = weir_arena_alloc(d->arena, sizeof(*seen) + before + name.len + 1);
    if (!seen)
        return draft_no_memory(d);
    seen->line = from->line;
    memcpy(seen->path, prefix, before);
    memcpy(seen->path + before, name.data, name.len);
    weir_slice path = weir_slice_make(seen->path, before + name.len);
    const draft_seen *first = weir_map_find(&d->seen, path);
    if (first)
        return draft_fail(d, from, "%.100s is given twice, first on line %u", seen->path,
                          first->line);
    int r = weir_map_put(&d->seen, path, seen, NULL);
    if (r == WEIR_MAP_FULL)
        return draft_fail(d, from, "too many keys");
    return r == 0 ? 0 : draft_no_memory(d);
}

/* The elements of a list, joined by commas: the form that --set and the environment give too. */
static int walk_list(walk *w, draft_object *object, const config_key *key, origin from)
{
    char text[CONFIG_VALUE_SIZE_MAX];
    size_t len = 0;
    for (;;) {
        int r = next(w);
        if (r != 0)
            return r;
        if (w->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (w->event.type != YAML_SCALAR_EVENT)
            return wrong_form(w, key->path, "a list of single values");
        weir_slice item = scalar(w);
        origin at = here(w);
        if (item.len == 0 || memchr(item.data, ',', item.len))
            return draft_fail(w->draft, &at, "%s: an element is empty or contains a comma",
                              key->path);
        if (item.len + 1 >= sizeof(text) - len)
            return draft_fail(w->draft, &at, "%s: the list is too long", key->path);
        if (len > 0)
            text[len++] = ',';
        memcpy(text + len, item.data, item.len);
        len += item.len;
    }
    return draft_assign(w->draft, object, key, weir_slice_make(text, len), from);
}

static int walk_mapping(walk *w, draft_object *object, const char *section);

/* cache.rules and its like: a list of mappings. */
static int walk_rules(walk *w, const config_key *key)
{
    const char *path = key->path;
    if (is_null(w))
        return 0;
    if (w->event.type != YAML_SEQUENCE_START_EVENT)
        return wrong_form(w, path, "a list of mappings");
    for (;;) {
        int r = next(w);
        if (r != 0 || w->event.type == YAML_SEQUENCE_END_EVENT)
            return r;
        if (w->event.type != YAML_MAPPING_START_EVENT)
            return wrong_form(w, path, "a list of mappings");
        draft_object *rule = NULL;
        r = draft_item_add(w->draft, key, here(w), &rule);
        if (r == 0)
            r = walk_mapping(w, rule, "");
        if (r != 0)
            return r;
    }
}

static int walk_key(walk *w, draft_object *object, const config_key *key)
{
    origin from = here(w);
    bool list = key->type == KEY_LISTEN || key->type == KEY_TAGS || key->type == KEY_DSNS;
    if (key->type == KEY_RULES)
        return walk_rules(w, key);
    if (list && w->event.type == YAML_SEQUENCE_START_EVENT)
        return walk_list(w, object, key, from);
    if (w->event.type != YAML_SCALAR_EVENT || is_null(w))
        return wrong_form(w, key->path, list ? "a single value or a list" : "a single value");
    return draft_assign(w->draft, object, key, scalar(w), from);
}

/* databases: or users: a mapping of names. */
static int walk_names(walk *w, key_scope scope, const char *section)
{
    if (is_null(w))
        return 0;
    if (w->event.type != YAML_MAPPING_START_EVENT)
        return wrong_form(w, section, "a mapping of names");
    for (;;) {
        int r = next(w);
        if (r != 0 || w->event.type == YAML_MAPPING_END_EVENT)
            return r;
        if (w->event.type != YAML_SCALAR_EVENT)
            return wrong_form(w, section, "a mapping of names");
        draft_object *object = NULL;
        origin from = here(w);
        r = draft_object_get(w->draft, scope, scalar(w), from, &object);
        char prefix[16];
        snprintf(prefix, sizeof(prefix), "%s.", section);
        if (r == 0)
            r = remember(w, prefix, scalar(w), &from);
        if (r == 0)
            r = next(w);
        if (r != 0)
            return r;
        const config_key *dsn = config_key_find(object->range, WEIR_SLICE_LIT("dsn"));
        if (dsn && w->event.type == YAML_SCALAR_EVENT && !is_null(w))
            r = walk_key(w, object, dsn); /* `app: sqlite:app.db` is short for its dsn */
        else
            r = walk_mapping(w, object, "");
        if (r != 0)
            return r;
    }
}

static const char *prefix_of(const draft_object *object, char *out, size_t size)
{
    const char *list = object->scope == KEY_OF_RULE     ? "cache.rules"
                       : object->scope == KEY_OF_ACCESS ? "auth.rules"
                       : object->scope == KEY_OF_MAP    ? "auth.maps"
                                                        : NULL;
    if (list) {
        snprintf(out, size, "%s[%s].", list, object->name);
        return out;
    }
    const char *section = object->scope == KEY_OF_USER       ? "users."
                          : object->scope == KEY_OF_DATABASE ? "databases."
                                                             : "";
    snprintf(out, size, "%s%s%s", section, object->name, *section ? "." : "");
    return out;
}

/* The value of `path` (the current event) within the object. `from` is where its key stands. */
static int walk_value(walk *w, draft_object *object, const char *path, const origin *from)
{
    weir_slice p = weir_slice_cstr(path);
    const config_key *key = config_key_find(object->range, p);
    if (key)
        return walk_key(w, object, key);
    if (object->scope == KEY_OF_ROOT) {
        if (weir_slice_eq_cstr(p, "databases"))
            return walk_names(w, KEY_OF_DATABASE, path);
        if (weir_slice_eq_cstr(p, "users"))
            return walk_names(w, KEY_OF_USER, path);
        key = config_key_find(object->range, WEIR_SLICE_LIT("admin.listen"));
        if (weir_slice_eq_cstr(p, "admin") && w->event.type == YAML_SCALAR_EVENT && !is_null(w))
            return walk_key(w, object, key);
    }
    if (config_key_is_section(object->range, p))
        return walk_mapping(w, object, path);
    char prefix[CONFIG_NAME_SIZE_MAX + 16];
    return draft_unknown(w->draft, from, object->range, prefix_of(object, prefix, sizeof(prefix)),
                         p);
}

/* The mapping that begins at the current event; its keys are below `section` ("" : none). */
static int walk_mapping(walk *w, draft_object *object, const char *section)
{
    char path[CONFIG_PATH_SIZE_MAX], prefix[CONFIG_PATH_SIZE_MAX];
    prefix_of(object, prefix, sizeof(prefix));
    if (is_null(w))
        return 0;
    if (w->event.type != YAML_MAPPING_START_EVENT)
        return wrong_form(w, *section ? section : *prefix ? prefix : "the file", "a mapping");
    for (;;) {
        int r = next(w);
        if (r != 0 || w->event.type == YAML_MAPPING_END_EVENT)
            return r;
        origin from = here(w);
        if (w->event.type != YAML_SCALAR_EVENT)
            return draft_fail(w->draft, &from, "a key must be a plain text");
        int n = snprintf(path, sizeof(path), "%s%s%.*s", section, *section ? "." : "",
                         WEIR_UTF8_QUOTED(scalar(w), 100));
        r = remember(w, prefix, weir_slice_make(path, (size_t)n), &from);
        if (r == 0)
            r = next(w);
        if (r == 0)
            r = walk_value(w, object, path, &from);
        if (r != 0)
            return r;
    }
}

static int walk_document(walk *w)
{
    int r = next(w); /* stream start */
    if (r == 0)
        r = next(w);
    if (r != 0 || w->event.type == YAML_STREAM_END_EVENT)
        return r; /* an empty file is an empty configuration */
    r = next(w);  /* its first node */
    if (r == 0)
        r = walk_mapping(w, w->draft->root, "");
    if (r == 0)
        r = next(w); /* document end */
    if (r == 0)
        r = next(w);
    if (r == 0 && w->event.type != YAML_STREAM_END_EVENT) {
        origin from = here(w);
        return draft_fail(w->draft, &from, "a second document: one file holds one configuration");
    }
    return r;
}

int draft_walk(draft *d)
{
    walk w = {.draft = d, .line = 1};
    weir_slice text = d->source->file_text;
    origin from = here(&w);
    if (text.len > CONFIG_FILE_SIZE_MAX)
        return draft_fail(d, &from, "the file has %zu bytes, at most %zu are read", text.len,
                          CONFIG_FILE_SIZE_MAX);
    if (text.len == 0)
        return 0; /* libyaml asserts that there is a buffer */
    if (!yaml_parser_initialize(&w.parser))
        return draft_no_memory(d);
    yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&w.parser, text.data, text.len);
    int r = walk_document(&w);
    yaml_event_delete(&w.event);
    yaml_parser_delete(&w.parser);
    return r;
}
