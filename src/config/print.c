/* The effective configuration: as YAML that loads again (but for its secrets), and key by key. */
#include "config/draft.h"
#include "config/value.h"
#include <stdio.h>

#define MASK "********"

static const void *root_field(const weir_config *c, const config_key *key)
{
    const uint8_t *base =
        key->scope == KEY_OF_POOL ? (const uint8_t *)&c->pool : (const uint8_t *)c;
    return base + key->offset;
}

static const config_box *box_of(const weir_config *c)
{
    return (const config_box *)(const void *)c;
}

/* The text of a root key; NULL when it was not given and follows something else. */
static const char *root_text(const weir_config *c, const config_key *key, char *out, size_t size)
{
    const draft_slot *slot = draft_slot_of(box_of(c)->root, key->path);
    if (key->type == KEY_CHOICE) { /* log.modules and auth.method follow other keys */
        const void *field = root_field(c, key);
        const char *text =
            config_value_format(key, config_value_read(field, key->width), out, size);
        return strcmp(text, "unset") == 0 ? NULL : text;
    }
    if (!slot->text)
        return NULL;
    if (key->type == KEY_SECRET)
        return strchr(key->path, '_') ? slot->text : MASK; /* a file's or variable's name is none */
    if (key->width == 0 || key->type == KEY_ADDRESS)
        return slot->text; /* of cache.rules: all of them */
    return config_value_format(key, config_value_read(root_field(c, key), key->width), out, size);
}

void weir_config_each(const weir_config *config,
                      void (*visit)(void *user, const char *key, const char *value,
                                    const char *fallback, bool reloadable),
                      void *user)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    key_range range = config_key_range(KEY_OF_ROOT);
    for (size_t i = range.first; i < range.first + range.count; i++) {
        char text[64];
        const char *value = root_text(config, &keys[i], text, sizeof(text));
        const char *fallback = keys[i].fallback ? keys[i].fallback : keys[i].fallback_words;
        visit(user, keys[i].path, value ? value : fallback, fallback, keys[i].reloadable);
    }
}

int config_put_quoted(weir_buf *out, const char *text)
{
    int r = weir_buf_append_u8(out, '"');
    for (; *text && r == 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            r = weir_buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            r = weir_buf_printf(out, "\\x%02x", c);
        else
            r = weir_buf_append_u8(out, c);
    }
    return r != 0 ? r : weir_buf_append_u8(out, '"');
}

/* How many leading parts `path` shares with `last`, and how many it has before its name. */
static unsigned shared_sections(const char *path, const char *last, unsigned *ret_depth)
{
    unsigned shared = 0, depth = 0;
    bool same = true;
    for (size_t i = 0; path[i]; i++) {
        same = same && last[i] == path[i];
        if (path[i] != '.')
            continue;
        depth++;
        shared += same;
    }
    *ret_depth = depth;
    return shared;
}

/* "pool.max_size" after "pool.mode" gives the last part, indented; new sections are opened. */
static int put_key(weir_buf *out, unsigned indent, const char *path, const char *last)
{
    unsigned depth = 0, level = 0;
    unsigned shared = shared_sections(path, last, &depth);
    for (const char *part = path;; level++) {
        size_t len = strcspn(part, ".");
        int r = 0;
        if (level >= shared)
            r = weir_buf_printf(out, "%*s%.*s:%s", (int)(2 * (indent + level)), "", (int)len, part,
                                level < depth ? "\n" : " ");
        if (r != 0 || level == depth)
            return r;
        part += len + 1;
    }
}

static int put_listen(weir_buf *out, const weir_config *c)
{
    int r = weir_buf_printf(out, c->listen_count > 0 ? "listen:\n" : "listen: off\n");
    for (unsigned i = 0; i < c->listen_count && r == 0; i++) {
        r = weir_buf_printf(out, "  - ");
        if (r == 0)
            r = config_put_quoted(out, c->listen[i]);
        if (r == 0)
            r = weir_buf_append_u8(out, '\n');
    }
    return r;
}

/* One rule to a line, in brackets that may span them. */
static int put_rules(weir_buf *out, const weir_config *c)
{
    int r = weir_buf_append_u8(out, '[');
    for (unsigned i = 0; i < c->cache.rule_count && r == 0; i++) {
        r = weir_buf_printf(out, "%s\n      ", i > 0 ? "," : "");
        if (r == 0)
            r = config_put_rule(out, &c->cache.rules[i]);
    }
    return r != 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT("]\n"));
}

static bool needs_quotes(const config_key *key)
{
    return key->type == KEY_SECRET || key->type == KEY_ADDRESS || key->type == KEY_TEXT;
}

/* `comment` may be empty. */
static int put_value(weir_buf *out, const config_key *key, const char *value, const char *comment)
{
    int r = needs_quotes(key) ? config_put_quoted(out, value) : weir_buf_printf(out, "%s", value);
    return r != 0 ? r : weir_buf_printf(out, "%s\n", comment);
}

static int put_root(weir_buf *out, const weir_config *c)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    key_range range = config_key_range(KEY_OF_ROOT);
    const char *last = "";
    char cores[48] = "";
    if (c->workers == 0 && box_of(c)->cores > 0)
        snprintf(cores, sizeof(cores), " # one per core: %u", box_of(c)->cores);
    int r = put_listen(out, c);
    for (size_t i = range.first; i < range.first + range.count && r == 0; i++) {
        char text[64];
        const char *value = root_text(c, &keys[i], text, sizeof(text));
        if (keys[i].type == KEY_LISTEN || !value)
            continue;
        r = put_key(out, 0, keys[i].path, last);
        if (r == 0 && keys[i].items == KEY_OF_RULE)
            r = put_rules(out, c);
        else if (r == 0)
            r = put_value(out, &keys[i], value, strcmp(keys[i].path, "workers") == 0 ? cores : "");
        last = keys[i].path;
    }
    return r;
}

static int put_replicas(weir_buf *out, const weir_config_database *db)
{
    if (db->replica_count == 0)
        return 0;
    char lag[64];
    key_range range = config_key_range(KEY_OF_DATABASE);
    const config_key *key = config_key_find(range, WEIR_SLICE_LIT("replica_lag"));
    int r = weir_buf_printf(out, "    replica_lag: %s\n    replicas:\n",
                            config_value_format(key, (uint64_t)db->replica_lag, lag, sizeof(lag)));
    for (unsigned i = 0; i < db->replica_count && r == 0; i++) {
        r = weir_buf_printf(out, "      - ");
        if (r == 0)
            r = config_put_quoted(out, db->replicas[i].dsn_shown);
        if (r == 0)
            r = weir_buf_printf(out, "\n");
    }
    return r;
}

static int put_database(weir_buf *out, const weir_config_database *db)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    key_range range = config_key_range(KEY_OF_DATABASE);
    int r = weir_buf_printf(out, "  ");
    if (r == 0)
        r = config_put_quoted(out, db->name);
    if (r == 0)
        r = weir_buf_printf(out, ":%s%s\n    dsn: ", db->label != db->name ? " # " : "",
                            db->label != db->name ? db->label : "");
    if (r == 0)
        r = config_put_quoted(out, db->dsn_shown);
    if (r == 0)
        r = weir_buf_printf(out, "\n%s%s", db->password ? "    password: \"" MASK "\"\n" : "",
                            db->create ? "" : "    create: false\n");
    r = r == 0 ? put_replicas(out, db) : r;
    const char *last = "";
    for (size_t i = range.first; i < range.first + range.count && r == 0; i++) {
        char text[64];
        if (keys[i].scope != KEY_OF_POOL)
            continue;
        uint64_t value =
            config_value_read((const uint8_t *)&db->pool + keys[i].offset, keys[i].width);
        r = put_key(out, 2, keys[i].path, last);
        if (r == 0)
            r = put_value(out, &keys[i], config_value_format(&keys[i], value, text, sizeof(text)),
                          "");
        last = keys[i].path;
    }
    return r;
}

static int put_users(weir_buf *out, const weir_config *c)
{
    int r = c->user_count > 0 ? weir_buf_printf(out, "users:\n") : 0;
    for (unsigned i = 0; i < c->user_count && r == 0; i++) {
        const weir_config_user *u = &c->users[i];
        if (u->from_file)
            continue;
        r = weir_buf_printf(out, "  ");
        if (r == 0)
            r = config_put_quoted(out, u->name);
        if (r == 0)
            r = weir_buf_printf(out, ":\n%s    admin: %s\n",
                                u->password ? "    password: \"" MASK "\"\n" : "",
                                u->admin ? "true" : "false");
    }
    return r;
}

int weir_config_print(const weir_config *config, weir_buf *out)
{
    int r = put_root(out, config);
    if (r == 0)
        r = weir_buf_printf(out, "databases:\n");
    for (unsigned i = 0; i < config->database_count && r == 0; i++)
        r = put_database(out, &config->databases[i]);
    return r != 0 ? r : put_users(out, config);
}
