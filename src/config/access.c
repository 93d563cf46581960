/* Who may connect: the rules, maps and files of auth.* from the draft into the configuration. */
#include "config/draft.h"
#include <stdio.h>

#define FILE_SIZE_MAX ((size_t)16 << 20)
#define LIST_TEXT_MAX ((size_t)16 << 20)

/* By qualified names and operators alone: whatever search_path is in force, it means the same. */
static const char default_query[] =
    "SELECT rolname, rolpassword, pg_catalog.date_part('epoch', rolvaliduntil) "
    "FROM pg_catalog.pg_authid "
    "WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.text AND rolcanlogin";

static const char *text_of(const draft_object *o, const char *path)
{
    return draft_slot_of(o, path)->text;
}

/* ---- files ---- */

static int read_whole(draft *d, const draft_slot *slot, const char *path, weir_buf *out)
{
    int r = d->source->read_file ? d->source->read_file(d->source->read_user, slot->text, out)
                                 : -ENOTSUP;
    if (r == -ENOMEM)
        return draft_no_memory(d);
    if (r < 0)
        return draft_fail(d, &slot->from, "%s: cannot read %.150s: %s", path, slot->text,
                          r == -EMSGSIZE        ? "it is too large"
                          : strerrordesc_np(-r) ? strerrordesc_np(-r)
                                                : "failed");
    return 0;
}

/* `read` parses the file that the key names, if it names one. */
static int with_file(draft *d, const char *path,
                     int (*read)(draft *d, const char *file, weir_slice text))
{
    const draft_slot *slot = draft_slot_of(d->root, path);
    if (!slot->text)
        return 0;
    weir_buf text;
    weir_buf_init(&text, FILE_SIZE_MAX);
    int r = read_whole(d, slot, path, &text);
    if (r == 0)
        r = read(d, slot->text, weir_buf_slice(&text));
    if (text.data)
        explicit_bzero(text.data, text.cap);
    weir_buf_fini(&text);
    return r;
}

typedef struct userlist_reading {
    draft *draft;
    const char *file;
} userlist_reading;

/* Whom `users` gives a password keeps that; in the file itself nobody is named twice. */
static int add_user(void *of, weir_slice user, weir_slice password, unsigned line)
{
    const userlist_reading *u = of;
    draft *d = u->draft;
    draft_object *object = NULL;
    origin from = {ORIGIN_FILE, line, u->file};
    unsigned before = d->users.count;
    int r = draft_object_get(d, KEY_OF_USER, user, from, &object);
    if (r != 0)
        return r;
    if (object->listed)
        return draft_fail(d, &from, "user \"%s\" is given twice", object->name);
    object->listed = true;
    object->from_file = d->users.count > before;
    bool known = text_of(object, "password") || text_of(object, "password_file") ||
                 text_of(object, "password_env");
    if (known || password.len == 0)
        return 0;
    const char *copy = weir_arena_strdup(d->arena, password);
    *draft_slot_of(object, "password") = (draft_slot){from, copy};
    return copy ? 0 : draft_no_memory(d);
}

static int read_users(draft *d, const char *file, weir_slice text)
{
    userlist_reading u = {.draft = d, .file = file};
    return weir_userlist_read(file, text, add_user, &u, d->err);
}

int draft_read_users(draft *d)
{
    return with_file(d, "auth.users_file", read_users);
}

/* ---- rules and maps ---- */

static int read_hba(draft *d, const char *file, weir_slice text)
{
    return weir_hba_read(d->arena, file, text, &d->hba_rules, d->err);
}

static int read_maps(draft *d, const char *file, weir_slice text)
{
    return weir_hba_maps_read(d->arena, file, text, &d->hba_maps, d->err);
}

static int add_rule(draft *d, const draft_object *o)
{
    weir_hba_fields fields = {.type = text_of(o, "type"),
                              .database = text_of(o, "database"),
                              .user = text_of(o, "user"),
                              .address = text_of(o, "address"),
                              .method = text_of(o, "method"),
                              .map = text_of(o, "map"),
                              .clientcert = text_of(o, "clientcert"),
                              .clientname = text_of(o, "clientname"),
                              .file = o->from.name,
                              .line = o->from.line};
    return weir_hba_add(d->arena, &fields, &d->hba_rules, d->err);
}

static int add_map(draft *d, const draft_object *o)
{
    const char *name = text_of(o, "name"), *system = text_of(o, "system"),
               *user = text_of(o, "user");
    if (!name || !system || !user)
        return draft_fail(d, &o->from, "an item of auth.maps needs name, system and user");
    return weir_hba_map_add(d->arena, o->from.name, o->from.line, name, system, user, &d->hba_maps,
                            d->err);
}

static int not_both(draft *d, const char *a, const char *b)
{
    const draft_slot *first = draft_slot_of(d->root, a), *second = draft_slot_of(d->root, b);
    if (!first->text || !second->text)
        return 0;
    return draft_fail(d, &second->from, "%s and %s are both given: which is meant?", a, b);
}

static int put_item(weir_buf *out, const draft_object *o)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    const char *before = "{";
    int r = 0;
    for (size_t i = 0; r == 0 && i < o->range.count; i++) {
        if (!o->slots[i].text)
            continue;
        r = weir_buf_printf(out, "%s%s: ", before, keys[o->range.first + i].path);
        if (r == 0)
            r = config_put_quoted(out, o->slots[i].text);
        before = ", ";
    }
    return r != 0 ? r : weir_buf_append_u8(out, '}');
}

/* The list as one line of YAML, for whoever shows keys and values. */
static int keep_list(draft *d, const draft_list *list, const char *path)
{
    weir_buf text;
    weir_buf_init(&text, LIST_TEXT_MAX);
    draft_slot *slot = draft_slot_of(d->root, path);
    int r = weir_buf_append_u8(&text, '[');
    for (const draft_object *o = list->head; r == 0 && o; o = o->next) {
        if (o != list->head)
            r = weir_buf_append(&text, WEIR_SLICE_LIT(", "));
        if (r == 0)
            r = put_item(&text, o);
    }
    if (r == 0)
        r = weir_buf_append_u8(&text, ']');
    if (r == 0)
        slot->text = weir_arena_strdup(d->arena, weir_buf_slice(&text));
    if (list->head)
        slot->from = list->head->from;
    weir_buf_fini(&text);
    return slot->text ? 0 : draft_no_memory(d);
}

static int finish_list(draft *d, const draft_list *list, const char *path,
                       int (*add)(draft *d, const draft_object *o))
{
    int r = list->count > 0 ? keep_list(d, list, path) : 0;
    for (const draft_object *o = list->head; r == 0 && o; o = o->next)
        r = add(d, o);
    return r;
}

/* Without rules everybody proves it alike. */
static int add_default(draft *d)
{
    static const char *const methods[] = {[WEIR_CONFIG_AUTH_UNSET] = "trust",
                                          [WEIR_CONFIG_AUTH_TRUST] = "trust",
                                          [WEIR_CONFIG_AUTH_PASSWORD] = "password",
                                          [WEIR_CONFIG_AUTH_MD5] = "md5",
                                          [WEIR_CONFIG_AUTH_SCRAM] = "scram-sha-256"};
    weir_hba_fields fields = {
        .type = "local", .method = methods[d->config->auth], .file = "auth.method"};
    int r = weir_hba_add(d->arena, &fields, &d->hba_rules, d->err);
    fields.type = "host";
    return r != 0 ? r : weir_hba_add(d->arena, &fields, &d->hba_rules, d->err);
}

static int finish_rules(draft *d)
{
    int r = finish_list(d, &d->access, "auth.rules", add_rule);
    if (r == 0)
        r = finish_list(d, &d->maps, "auth.maps", add_map);
    if (r == 0)
        r = not_both(d, "auth.rules", "auth.hba_file");
    if (r == 0)
        r = not_both(d, "auth.maps", "auth.ident_file");
    if (r == 0)
        r = not_both(d, "auth.rules", "auth.method");
    if (r == 0)
        r = not_both(d, "auth.hba_file", "auth.method");
    if (r == 0)
        r = with_file(d, "auth.hba_file", read_hba);
    return r != 0 ? r : with_file(d, "auth.ident_file", read_maps);
}

void draft_finish_lookup(draft *d)
{
    weir_config *c = d->config;
    c->access.query = text_of(d->root, "auth.query");
    c->access.query_user = text_of(d->root, "auth.query_user");
    c->access.query_database = text_of(d->root, "auth.query_database");
    c->access.lookup = c->access.query || c->access.query_user;
    if (!c->access.query)
        c->access.query = default_query;
    bool guarded = d->users.count > 0 || c->access.lookup || text_of(d->root, "auth.users_file");
    if (c->auth == WEIR_CONFIG_AUTH_UNSET && guarded)
        c->auth = WEIR_CONFIG_AUTH_SCRAM;
}

int draft_finish_access(draft *d)
{
    weir_config *c = d->config;
    int r = finish_rules(d);
    c->access.given = text_of(d->root, "auth.rules") || text_of(d->root, "auth.hba_file");
    if (r == 0 && !c->access.given)
        r = add_default(d);
    c->access.rules = d->hba_rules.first;
    c->access.maps = d->hba_maps.first;
    return r;
}
