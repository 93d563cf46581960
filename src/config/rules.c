/* cache.rules: from the drafts of its items to the configuration, and back to YAML. A rule says
 * something about somebody: it has a pattern and a consequence. */
#include "config/draft.h"
#include "config/value.h"
#include <stdio.h>

#define RULES_TEXT_MAX ((size_t)16 << 20)

static const char *text_of(const draft_object *o, const char *path)
{
    return draft_slot_of(o, path)->text;
}

/* ---- tags ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The text up to the next comma, without the space around it; `*rest` NULL at the end. */
static weir_slice next_tag(const char **rest)
{
    const char *comma = strchr(*rest, ','), *begin = *rest;
    const char *end = comma ? comma : begin + strlen(begin);
    while (begin < end && is_space(*begin))
        begin++;
    while (end > begin && is_space(end[-1]))
        end--;
    *rest = comma ? comma + 1 : NULL;
    return weir_slice_make(begin, (size_t)(end - begin));
}

/* What a hint in a comment could say too: no space, nothing unprintable. */
static int check_tag(draft *d, const origin *from, weir_slice tag)
{
    if (tag.len == 0)
        return draft_fail(d, from, "tags: a tag is empty");
    if (tag.len > CONFIG_TAG_SIZE_MAX)
        return draft_fail(d, from, "tags: a tag of %zu bytes is too long, at most %d", tag.len,
                          CONFIG_TAG_SIZE_MAX);
    for (size_t i = 0; i < tag.len; i++)
        if (tag.data[i] <= ' ' || tag.data[i] == 0x7f)
            return draft_fail(d, from, "tags: \"%.*s\" contains a space or a control character",
                              (int)tag.len, (const char *)tag.data);
    return 0;
}

static int finish_tags(draft *d, const draft_slot *slot, const char **ret)
{
    if (!slot->text)
        return 0;
    size_t size = strlen(slot->text) + 1, len = 0;
    char *tags = weir_arena_alloc(d->arena, size);
    if (!tags)
        return draft_no_memory(d);
    unsigned count = 0;
    for (const char *rest = slot->text; rest; count++) {
        weir_slice tag = next_tag(&rest);
        int r = check_tag(d, &slot->from, tag);
        if (r != 0)
            return r;
        if (count == CONFIG_TAGS_MAX)
            return draft_fail(d, &slot->from, "tags: more than %d tags", CONFIG_TAGS_MAX);
        if (len > 0)
            tags[len++] = ',';
        memcpy(tags + len, tag.data, tag.len);
        len += tag.len;
    }
    assert(len < size);
    tags[len] = '\0';
    *ret = tags;
    return 0;
}

/* ---- rules ---- */

static int check_rule(draft *d, const draft_object *o, const weir_config_cache_rule *rule)
{
    bool more = rule->ttl || rule->tags || rule->consistency || rule->bound ||
                rule->stale_if_error || rule->stale_while_revalidate || rule->refresh_ahead ||
                rule->name_space || rule->version;
    if (!rule->table && !rule->template && !rule->user && !rule->database)
        return draft_fail(d, &o->from,
                          "rule %s of cache.rules says about nothing: add table, template, user or "
                          "database (\"*\" is any)",
                          o->name);
    if (!rule->cache && !more)
        return draft_fail(d, &o->from,
                          "rule %s of cache.rules says nothing: add cache, ttl, tags, consistency, "
                          "bound, stale_if_error, stale_while_revalidate or refresh_ahead",
                          o->name);
    if (rule->cache == WEIR_CONFIG_RULE_BYPASS && more)
        return draft_fail(d, &o->from,
                          "rule %s of cache.rules has cache: false, which leaves nothing for ttl, "
                          "tags, consistency, bound and strategies to do",
                          o->name);
    weir_time ttl = rule->ttl ? rule->ttl : d->config->cache.ttl;
    if (rule->refresh_ahead && rule->refresh_ahead >= ttl)
        return draft_fail(d, &o->from,
                          "rule %s of cache.rules has a refresh_ahead that is not below its ttl",
                          o->name);
    return 0;
}

static int check_namespace(draft *d, const origin *from, const char *name)
{
    if (strlen(name) > CONFIG_NAMESPACE_SIZE_MAX || strpbrk(name, " \t\n,"))
        return draft_fail(d, from,
                          "namespace: \"%.40s\" has a space or a comma, or is longer than %d bytes",
                          name, CONFIG_NAMESPACE_SIZE_MAX);
    return 0;
}

static int finish_rule(draft *d, const draft_object *o, weir_config_cache_rule *ret)
{
    *ret = o->rule;
    ret->table = text_of(o, "table");
    ret->template = text_of(o, "template");
    ret->user = text_of(o, "user");
    ret->database = text_of(o, "database");
    ret->name_space = text_of(o, "namespace");
    ret->version = text_of(o, "version");
    int r = finish_tags(d, draft_slot_of(o, "tags"), &ret->tags);
    if (r == 0 && ret->name_space)
        r = check_namespace(d, &draft_slot_of(o, "namespace")->from, ret->name_space);
    return r != 0 ? r : check_rule(d, o, ret);
}

/* The text of the whole list, for whoever shows keys and values. */
static int keep_text(draft *d)
{
    const weir_config *c = d->config;
    weir_buf text;
    weir_buf_init(&text, RULES_TEXT_MAX);
    int r = weir_buf_append_u8(&text, '[');
    for (unsigned i = 0; r == 0 && i < c->cache.rule_count; i++) {
        if (i > 0)
            r = weir_buf_append(&text, WEIR_SLICE_LIT(", "));
        if (r == 0)
            r = config_put_rule(&text, &c->cache.rules[i]);
    }
    if (r == 0)
        r = weir_buf_append_u8(&text, ']');
    draft_slot *slot = draft_slot_of(d->root, "cache.rules");
    if (r == 0)
        slot->text = weir_arena_strdup(d->arena, weir_buf_slice(&text));
    weir_buf_fini(&text);
    return slot->text ? 0 : draft_no_memory(d);
}

int draft_finish_rules(draft *d)
{
    if (d->rules.count == 0)
        return 0;
    weir_config_cache_rule *all = weir_arena_alloc(d->arena, d->rules.count * sizeof(*all));
    if (!all)
        return draft_no_memory(d);
    unsigned n = 0;
    int r = 0;
    for (const draft_object *o = d->rules.head; o && r == 0; o = o->next)
        r = finish_rule(d, o, &all[n++]);
    d->config->cache.rules = all;
    d->config->cache.rule_count = n;
    return r != 0 ? r : keep_text(d);
}

/* ---- printing ---- */

static int put_field(weir_buf *out, const weir_config_cache_rule *rule, const config_key *key,
                     const char **before)
{
    const struct {
        const char *path, *text;
    } texts[] = {{"table", rule->table},    {"template", rule->template},
                 {"user", rule->user},      {"database", rule->database},
                 {"tags", rule->tags},      {"namespace", rule->name_space},
                 {"version", rule->version}};
    char number[64];
    const char *text = NULL;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (strcmp(texts[i].path, key->path) == 0)
            text = texts[i].text;
    uint64_t value =
        key->width ? config_value_read((const uint8_t *)rule + key->offset, key->width) : 0;
    if (!text && value == 0)
        return 0;
    int r = weir_buf_printf(out, "%s%s: ", *before, key->path);
    *before = ", ";
    if (r != 0)
        return r;
    if (text)
        return config_put_quoted(out, text);
    return weir_buf_printf(out, "%s", config_value_format(key, value, number, sizeof(number)));
}

int config_put_rule(weir_buf *out, const weir_config_cache_rule *rule)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    key_range range = config_key_range(KEY_OF_RULE);
    const char *before = "{";
    int r = 0;
    for (size_t i = range.first; r == 0 && i < range.first + range.count; i++)
        r = put_field(out, rule, &keys[i], &before);
    return r != 0 ? r : weir_buf_append_u8(out, '}');
}
