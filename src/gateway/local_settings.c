/* SET, RESET, SHOW and the other commands that touch nothing but the session.
 *
 * Invariant: a setting changed inside a transaction block has its former value in `before` until
 * the block ends; it comes back if the block is undone, or if the change was SET LOCAL. */
#include "backend/sqlite/sqlite.h"
#include "base/utf8.h"
#include "gateway/handover_codec.h"
#include "gateway/local_copy.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX 256u
#define NOTIFY_TEXT_MAX 8002u /* longer ones are refused */
#define CHANGED_MAX 128u

typedef struct changed {
    struct changed *next;
    bool in_block; /* `before` counts */
    bool local;
    char name[LOCAL_NAME_MAX];
    char value[VALUE_MAX];
    char before[VALUE_MAX];
} changed;

struct local_settings {
    changed *first;
    size_t count;
    weir_time lock_timeout, idle_in_transaction; /* 0: none */
};

void local_settings_free(local_settings *settings)
{
    while (settings && settings->first) {
        changed *c = settings->first;
        settings->first = c->next;
        free(c);
    }
    free(settings);
}

/* The name as it is kept: as the table spells it, or folded. */
static const weir_setting *canonical(weir_slice written, char name[LOCAL_NAME_MAX])
{
    weir_compat_name_fold(written, name, LOCAL_NAME_MAX);
    const weir_setting *s = weir_setting_find(weir_slice_cstr(name));
    if (s)
        (void)snprintf(name, LOCAL_NAME_MAX, "%s", s->name);
    return s;
}

static changed *find_changed(const weir_local *l, const char *name)
{
    for (changed *c = l->settings ? l->settings->first : NULL; c; c = c->next)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static const char *isolation_name(unsigned isolation)
{
    return isolation == WEIR_ISOLATION_SERIALIZABLE      ? "serializable"
           : isolation == WEIR_ISOLATION_REPEATABLE_READ ? "repeatable read"
                                                         : "read committed";
}

/* Values that are state rather than text. */
static const char *live_value(const weir_local *l, const char *name)
{
    bool block = local_tx_in_block(l);
    if (strcmp(name, "transaction_isolation") == 0)
        return isolation_name(block ? l->tx.isolation : l->default_isolation);
    if (strcmp(name, "default_transaction_isolation") == 0)
        return isolation_name(l->default_isolation);
    if (strcmp(name, "transaction_read_only") == 0)
        return (block ? l->tx.read_only : l->default_read_only) ? "on" : "off";
    if (strcmp(name, "default_transaction_read_only") == 0)
        return l->default_read_only ? "on" : "off";
    return NULL;
}

/* NULL: there is no such setting. */
const char *local_setting_value(const weir_local *l, weir_slice written)
{
    char name[LOCAL_NAME_MAX];
    const weir_setting *s = canonical(written, name);
    const char *live = live_value(l, name);
    const changed *c = find_changed(l, name);
    if (live)
        return live;
    if (c)
        return c->value;
    if (!s)
        return NULL;
    weir_slice login = local_login_value(l, s->name);
    if (strcmp(s->name, "session_authorization") == 0)
        login = local_login_value(l, "user");
    /* Startup values lie zero-terminated inside the packet's copy. */
    return login.len > 0 ? (const char *)login.data : s->value;
}

static unsigned isolation_of(const char *value)
{
    return strcmp(value, "serializable") == 0      ? WEIR_ISOLATION_SERIALIZABLE
           : strcmp(value, "repeatable read") == 0 ? WEIR_ISOLATION_REPEATABLE_READ
                                                   : WEIR_ISOLATION_READ_COMMITTED;
}

weir_time local_lock_timeout(const weir_local *l)
{
    return l->settings ? l->settings->lock_timeout : 0;
}

weir_time weir_local_idle_in_transaction(const weir_local *l)
{
    return l->settings ? l->settings->idle_in_transaction : 0;
}

/* Only of a setting that has been changed. */
static weir_time *timeout_of(weir_local *l, const char *name)
{
    if (strcmp(name, "statement_timeout") == 0)
        return &l->limits.statement_timeout;
    if (strcmp(name, "lock_timeout") == 0)
        return &l->settings->lock_timeout;
    bool idle = strcmp(name, "idle_in_transaction_session_timeout") == 0;
    return idle ? &l->settings->idle_in_transaction : NULL;
}

static bool is_utc(const char *zone)
{
    static const char *const names[] = {"UTC",       "GMT",     "Etc/UTC", "Etc/GMT",
                                        "Universal", "Etc/UCT", "Zulu",    "UCT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(zone, names[i]) == 0)
            return true;
    return false;
}

weir_slice local_source_of(local_run *run)
{
    const weir_local *l = run->local;
    if (run->own.len > 0 || run->control.len > 0)
        return (weir_slice){0};
    const local_statement *s = run->statement;
    bool declares = s->command.kind == WEIR_COMMAND_DECLARE; /* what is run is its query */
    weir_slice key = declares ? s->command.value : local_statement_key(s);
    if (!l->zoned)
        return key;
    const char *zone = local_setting_value(l, WEIR_SLICE_LIT("TimeZone"));
    weir_buf_fini(&run->zoned);
    weir_buf_init(&run->zoned, SIZE_MAX / 2);
    int r = weir_buf_append_u8(&run->zoned, WEIR_EXEC_ZONE);
    if (r == 0)
        r = weir_buf_append(&run->zoned, weir_slice_make(zone, strlen(zone) + 1));
    if (r == 0)
        r = weir_buf_append(&run->zoned, key);
    return r == 0 ? weir_buf_slice(&run->zoned) : (weir_slice){0};
}

/* "5", "+5.5", "-3": hours to the east, as a POSIX string has it. */
static void spell_zone(char *value, size_t size)
{
    char *end = NULL;
    double hours = strtod(value, &end);
    if (end == value || *end != '\0' || !(hours > -25 && hours < 25))
        return;
    int minutes = (int)(hours * 60 + (hours < 0 ? -0.5 : 0.5)),
        away = minutes < 0 ? -minutes : minutes;
    char name[8] = "";
    int len = snprintf(name, sizeof(name), "%02d", away / 60);
    if (away % 60 != 0 && len > 0)
        (void)snprintf(name + len, sizeof(name) - (size_t)len, ":%02d", away % 60);
    (void)snprintf(value, size, "<%c%s>%c%s", minutes < 0 ? '-' : '+', name,
                   minutes < 0 ? '+' : '-', name);
}

static int check_zone(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    spell_zone(value, size);
    if (weir_sqlite_zone_name(value, size))
        return 0;
    weir_error_set(err, "22023", "weir: invalid value for parameter \"%s\": \"%.100s\"", s->name,
                   value);
    weir_error_hint(err, "Names are those of the system's tz database (package tzdata).");
    return WEIR_COMPAT_REFUSED;
}

static int check_value(const weir_setting *s, char *value, weir_error *err)
{
    int r = weir_setting_check(s, value, VALUE_MAX, err);
    bool zone = r == 0 && strcmp(s->name, "TimeZone") == 0;
    return zone ? check_zone(s, value, VALUE_MAX, err) : r;
}

/* A value took effect: tell whoever acts on it. */
static void effect(weir_local *l, const char *name, const char *value)
{
    int64_t ms = 0;
    const weir_setting *s = weir_setting_find(weir_slice_cstr(name));
    weir_time *timeout = timeout_of(l, name);
    if (timeout && weir_setting_milliseconds(value, &ms) == 0)
        *timeout = ms * WEIR_MS;
    else if (strcmp(name, "default_transaction_isolation") == 0)
        l->default_isolation = (uint8_t)isolation_of(value);
    else if (strcmp(name, "default_transaction_read_only") == 0)
        l->default_read_only = strcmp(value, "on") == 0;
    else if (strcmp(name, "transaction_read_only") == 0 && local_tx_in_block(l))
        l->tx.read_only = strcmp(value, "on") == 0;
    else if (strcmp(name, "TimeZone") == 0)
        l->zoned = !is_utc(value);
    if (s && s->reported)
        local_check(l, weir_pg_write_param_status(&l->out, weir_slice_cstr(s->name),
                                                  weir_slice_cstr(value)));
}

static changed *add_changed(weir_local *l, const char *name, const char *value)
{
    if (!l->settings && !(l->settings = calloc(1, sizeof(*l->settings))))
        return NULL;
    changed *c = l->settings->count < CHANGED_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return NULL;
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    (void)snprintf(c->value, sizeof(c->value), "%s", value);
    c->next = l->settings->first;
    l->settings->first = c;
    l->settings->count++;
    return c;
}

/* The startup packet's zone, as the tz database calls it; another one is UTC. */
static int login_zone(weir_local *l)
{
    char value[VALUE_MAX];
    weir_error ignored;
    weir_slice given = local_login_value(l, "TimeZone");
    bool spelt = given.len > 0;
    if (!spelt) /* as libpq has it */
        given = local_login_value(l, "timezone");
    if (given.len == 0 || given.len >= sizeof(value))
        return 0;
    memcpy(value, given.data, given.len);
    value[given.len] = '\0';
    const weir_setting *s = weir_setting_find(WEIR_SLICE_LIT("TimeZone"));
    if (check_zone(s, value, sizeof(value), &ignored) != 0)
        (void)snprintf(value, sizeof(value), "UTC");
    l->zoned = !is_utc(value);
    bool same = spelt && weir_slice_eq_cstr(given, value);
    return (!l->zoned && same) || add_changed(l, s->name, value) ? 0 : -ENOMEM;
}

int local_settings_login(weir_local *l)
{
    static const char *const names[] = {"statement_timeout", "lock_timeout",
                                        "idle_in_transaction_session_timeout",
                                        "default_transaction_isolation"};
    char value[VALUE_MAX];
    weir_error ignored; /* what is no value has no effect, as it always was */
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        weir_slice given = local_login_value(l, names[i]);
        if (given.len == 0 || given.len >= sizeof(value))
            continue;
        memcpy(value, given.data, given.len);
        value[given.len] = '\0';
        const weir_setting *s = weir_setting_find(weir_slice_cstr(names[i]));
        if (weir_setting_check(s, value, sizeof(value), &ignored) != 0)
            continue;
        if (!l->settings && !(l->settings = calloc(1, sizeof(*l->settings))))
            return -ENOMEM;
        effect(l, names[i], value);
    }
    return login_zone(l);
}

static int change(weir_local *l, const char *name, const char *value, bool local, weir_error *err)
{
    const char *now = local_setting_value(l, weir_slice_cstr(name));
    changed *c = find_changed(l, name);
    if (!c)
        c = add_changed(l, name, now ? now : "");
    if (!c) {
        weir_error_set(err, "53200", "weir: too many settings are changed in this session");
        return WEIR_COMPAT_REFUSED;
    }
    if (local_tx_in_block(l) && !c->in_block) {
        memcpy(c->before, c->value, sizeof(c->before));
        c->in_block = true;
        c->local = local;
    } else if (!local) {
        c->local = false;
    }
    bool same = strcmp(c->value, value) == 0;
    (void)snprintf(c->value, sizeof(c->value), "%s", value);
    if (!same || live_value(l, name))
        effect(l, name, value);
    return 0;
}

void local_settings_end_transaction(weir_local *l, bool done)
{
    for (changed *c = l->settings ? l->settings->first : NULL; c; c = c->next) {
        if (c->in_block && (!done || c->local) && strcmp(c->value, c->before) != 0) {
            memcpy(c->value, c->before, sizeof(c->value));
            effect(l, c->name, c->value);
        }
        c->in_block = c->local = false;
    }
}

/* ---- in another process ---- */

int local_settings_save(const weir_local *l, weir_buf *out)
{
    int r = 0;
    for (const changed *c = l->settings ? l->settings->first : NULL; r == 0 && c; c = c->next)
        r = weir_record_write_setting(out, weir_slice_cstr(c->name), weir_slice_cstr(c->value));
    return r;
}

int weir_local_restore_setting(weir_local *l, weir_slice name, weir_slice value)
{
    char as_name[LOCAL_NAME_MAX], as_value[VALUE_MAX];
    assert(l);
    if (name.len >= sizeof(as_name) || value.len >= sizeof(as_value))
        return -EMSGSIZE;
    memcpy(as_name, name.data, name.len);
    memcpy(as_value, value.data, value.len);
    as_name[name.len] = as_value[value.len] = '\0';
    changed *c = find_changed(l, as_name); /* of the login */
    if (c)
        (void)snprintf(c->value, sizeof(c->value), "%s", as_value);
    else if (!add_changed(l, as_name, as_value))
        return -ENOMEM;
    effect(l, as_name, as_value);
    local_flush(l);
    return 0;
}

/* Those that only say how long, or who asks, change no answer. */
void local_settings_identity(const weir_local *l, weir_buf *out)
{
    static const char *const irrelevant[] = {"application_name", "statement_timeout",
                                             "lock_timeout", "idle_in_transaction_session_timeout"};
    for (const changed *c = l->settings ? l->settings->first : NULL; c; c = c->next) {
        bool skip = false;
        for (size_t i = 0; i < sizeof(irrelevant) / sizeof(*irrelevant); i++)
            skip |= strcmp(c->name, irrelevant[i]) == 0;
        if (skip)
            continue;
        int r = weir_buf_append(out, weir_slice_make(c->name, strlen(c->name) + 1));
        if (r == 0)
            r = weir_buf_append(out, weir_slice_make(c->value, strlen(c->value) + 1));
        if (r < 0)
            out->size_max = 0; /* no identity any more */
    }
    if (out->size_max > 0 && weir_buf_append_u8(out, 0) < 0) /* no name is empty */
        out->size_max = 0;
}

/* ---- the commands ---- */

static void unknown_setting(weir_slice name, weir_error *err)
{
    weir_error_set(err, "42704", "weir: unrecognized configuration parameter \"%.*s\"",
                   WEIR_UTF8_QUOTED(name, 63));
}

/* `value` is normalised in place; NULL: as it was at login. */
static int set_to(weir_local *l, weir_slice written, char *value, bool local, weir_error *err)
{
    char name[LOCAL_NAME_MAX], fallback[VALUE_MAX];
    const weir_setting *s = canonical(written, name);
    if (!s && !strchr(name, '.')) {
        unknown_setting(weir_slice_cstr(name), err);
        return WEIR_COMPAT_REFUSED;
    }
    int r = s && value ? check_value(s, value, err) : 0;
    if (r != 0)
        return r;
    (void)snprintf(fallback, sizeof(fallback), "%s", s ? s->value : "");
    return change(l, name, value ? value : fallback, local, err);
}

static int set(weir_local *l, const weir_command *c, weir_error *err)
{
    char name[LOCAL_NAME_MAX], value[VALUE_MAX];
    if (c->value.len > 0)
        weir_compat_value_fold(c->value, value, sizeof(value));
    if (c->local && !local_tx_in_block(l)) {
        const weir_setting *s = canonical(c->name, name);
        int r = s && c->value.len > 0 ? check_value(s, value, err) : 0;
        if (r == 0)
            local_send_warning(l, "25P01", "SET LOCAL can only be used in transaction blocks");
        return r;
    }
    return set_to(l, c->name, c->value.len > 0 ? value : NULL, c->local, err);
}

static int reset_all(weir_local *l, weir_error *err)
{
    int r = 0;
    for (changed *c = l->settings ? l->settings->first : NULL; r == 0 && c; c = c->next) {
        const weir_setting *s = weir_setting_find(weir_slice_cstr(c->name));
        weir_slice login = s ? local_login_value(l, s->name) : (weir_slice){0};
        const char *value = login.len > 0 ? (const char *)login.data : s ? s->value : "";
        r = change(l, c->name, value, false, err);
    }
    return r;
}

static int reset(weir_local *l, const weir_command *c, weir_error *err)
{
    if (c->name.len == 0)
        return reset_all(l, err);
    weir_command as_default = {.kind = WEIR_COMMAND_SET, .name = c->name};
    return set(l, &as_default, err);
}

static int send_row(weir_local *l, const char *const *cells, size_t count)
{
    size_t mark = 0;
    int r = weir_pg_row_begin(&l->out, (uint16_t)count, &mark);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = weir_pg_row_cell(&l->out, weir_slice_cstr(cells[i]));
    return r == 0 ? weir_pg_row_end(&l->out, mark) : r;
}

static int show(weir_local *l, const weir_command *c, weir_error *err)
{
    const weir_setting *s = NULL;
    if (c->name.len > 0) {
        const char *value = local_setting_value(l, c->name);
        if (value)
            return send_row(l, &value, 1);
        unknown_setting(c->name, err);
        return WEIR_COMPAT_REFUSED;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && (s = weir_setting_at(i)) != NULL; i++) {
        const char *cells[3] = {s->name, local_setting_value(l, weir_slice_cstr(s->name)), ""};
        r = send_row(l, cells, 3);
    }
    return r;
}

/* The item's value: a literal, or a parameter as text. False: NULL. */
static bool config_value(const weir_config_item *item, const local_portal *p, char out[VALUE_MAX])
{
    const weir_value *v = p && item->param > 0 && item->param <= p->statement->param_count
                              ? &p->params[item->param - 1]
                              : NULL;
    if (item->param == 0 && weir_slice_eq_nocase(item->value, "null"))
        return false;
    if (item->param == 0)
        weir_compat_value_fold(item->value, out, VALUE_MAX);
    else if (v && v->type == WEIR_VALUE_TEXT)
        (void)snprintf(out, VALUE_MAX, "%.*s", (int)(v->u.bytes.len % VALUE_MAX),
                       (const char *)v->u.bytes.data);
    else if (v && v->type == WEIR_VALUE_INTEGER)
        (void)snprintf(out, VALUE_MAX, "%lld", (long long)v->u.integer);
    else
        return false;
    return true;
}

/* A text: a literal as written, or a parameter. NULL is empty. */
static weir_slice notify_text(weir_slice literal, unsigned param, const local_portal *p,
                              char folded[NOTIFY_TEXT_MAX])
{
    if (param > 0) {
        bool given =
            p && param <= p->statement->param_count && p->params[param - 1].type == WEIR_VALUE_TEXT;
        return given ? p->params[param - 1].u.bytes : (weir_slice){0};
    }
    if (weir_slice_eq_nocase(literal, "null"))
        return (weir_slice){0};
    weir_compat_value_fold(literal, folded, NOTIFY_TEXT_MAX);
    return weir_slice_cstr(folded);
}

static int run_notify(weir_local *l, const weir_config_item *item, const local_portal *p,
                      weir_error *err)
{
    char name[NOTIFY_TEXT_MAX], payload[NOTIFY_TEXT_MAX];
    return local_notify(l, notify_text(item->name, item->name_param, p, name),
                        notify_text(item->value, item->param, p, payload), err);
}

typedef struct config_cell {
    bool null;
    char text[VALUE_MAX];
} config_cell;

static int run_item(weir_local *l, const weir_config_item *item, const local_portal *p,
                    config_cell *ret, weir_error *err)
{
    char name[LOCAL_NAME_MAX];
    if (item->notifies)
        return run_notify(l, item, p, err); /* void is shown as an empty text */
    weir_compat_name_fold(item->name, name, sizeof(name));
    if (item->sets) {
        bool given = config_value(item, p, ret->text);
        /* Outside a transaction block a local setting ends with the statement. */
        if (item->local && !local_tx_in_block(l))
            return 0;
        int r = set_to(l, weir_slice_cstr(name), given ? ret->text : NULL, item->local, err);
        if (r != 0)
            return r;
    }
    const char *now = local_setting_value(l, weir_slice_cstr(name));
    ret->null = !now;
    (void)snprintf(ret->text, sizeof(ret->text), "%s", now ? now : "");
    if (now || item->missing_ok)
        return 0;
    unknown_setting(weir_slice_cstr(name), err);
    return WEIR_COMPAT_REFUSED;
}

static int config(weir_local *l, const weir_command *c, const local_portal *p, weir_error *err)
{
    weir_config_item item;
    config_cell cells[WEIR_CONFIG_ITEMS_MAX] = {0};
    weir_slice list = c->value;
    uint16_t count = 0;
    size_t mark = 0;
    while (count < WEIR_CONFIG_ITEMS_MAX && weir_config_next(&list, &item)) {
        int r = run_item(l, &item, p, &cells[count++], err);
        if (r != 0)
            return r;
    }
    /* Only now: a setting may have told the client of itself. */
    int r = weir_pg_row_begin(&l->out, count, &mark);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = cells[i].null ? weir_pg_row_null(&l->out)
                          : weir_pg_row_cell(&l->out, weir_slice_cstr(cells[i].text));
    return r == 0 ? weir_pg_row_end(&l->out, mark) : r;
}

static size_t config_columns(const weir_command *c, weir_pg_column out[3])
{
    weir_config_item item;
    weir_slice list = c->value;
    size_t count = 0;
    while (count < WEIR_CONFIG_ITEMS_MAX && weir_config_next(&list, &item)) {
        weir_slice name = item.label;
        if (name.len > 2 && name.data[0] == '"')
            name = weir_slice_make(name.data + 1, name.len - 2);
        out[count++] = (weir_pg_column){
            .name = name, .type_oid = WEIR_OID_TEXT, .type_size = -1, .type_modifier = -1};
    }
    return count;
}

size_t local_command_columns(const local_statement *s, weir_pg_column out[3])
{
    static const char *const all[] = {"name", "setting", "description"};
    static const char *const explained[] = {"cache"};
    bool explains = s->command.kind == WEIR_COMMAND_EXPLAIN_CACHE;
    if (s->command.kind == WEIR_COMMAND_CONFIG)
        return config_columns(&s->command, out);
    if (s->command.kind == WEIR_COMMAND_CHANNELS) {
        out[0] = (weir_pg_column){.name = WEIR_SLICE_LIT("pg_listening_channels"),
                                  .type_oid = WEIR_OID_TEXT,
                                  .type_size = -1,
                                  .type_modifier = -1};
        return 1;
    }
    if (s->command.kind == WEIR_COMMAND_SIGNAL) {
        out[0] = (weir_pg_column){.name = s->command.types,
                                  .type_oid = WEIR_OID_BOOL,
                                  .type_size = 1,
                                  .type_modifier = -1};
        return 1;
    }
    if (s->command.kind != WEIR_COMMAND_SHOW && !explains)
        return 0;
    size_t count = explains || s->command.name.len > 0 ? 1 : 3;
    for (size_t i = 0; i < count; i++)
        out[i] = (weir_pg_column){.name = weir_slice_cstr(explains ? explained[i] : all[i]),
                                  .type_oid = WEIR_OID_TEXT,
                                  .type_size = -1,
                                  .type_modifier = -1};
    if (count == 1 && !explains) {
        const weir_setting *known = weir_setting_find(s->command.name);
        out[0].name = known ? weir_slice_cstr(known->name) : s->command.name;
    }
    return count;
}

static int deallocate(weir_local *l, const weir_command *c, weir_error *err)
{
    char name[LOCAL_NAME_MAX];
    if (c->name.len == 0) {
        local_statements_close(l);
        return 0;
    }
    weir_compat_name_fold(c->name, name, sizeof(name));
    if (local_statement_close(l, weir_slice_cstr(name)) == 0)
        return 0;
    weir_error_set(err, "26000", "weir: prepared statement \"%s\" does not exist", name);
    return WEIR_COMPAT_REFUSED;
}

/* What currval and lastval tell. */
static void forget_drawn(weir_local *l)
{
    if (l->run)
        weir_buf_clear(&l->run->drawn);
    weir_buf_clear(&l->drawn);
}

static int discard_all(weir_local *l, weir_error *err)
{
    if (local_tx_in_block(l)) {
        weir_error_set(err, "25001", "weir: DISCARD ALL cannot run inside a transaction block");
        return WEIR_COMPAT_REFUSED;
    }
    local_portals_close(l);
    local_statements_close(l);
    forget_drawn(l);
    int r = local_listen_command(l, &(weir_command){.kind = WEIR_COMMAND_UNLISTEN}, err);
    return r == 0 ? reset_all(l, err) : r;
}

/* Databases are made by the configuration. */
static int create_database(const weir_local *l, const weir_command *c, weir_error *err)
{
    char name[LOCAL_NAME_MAX];
    weir_compat_name_fold(c->name, name, sizeof(name));
    if (weir_session_has_sibling(l->session, weir_slice_cstr(name))) {
        weir_error_set(err, "42P04", "weir: database \"%s\" already exists", name);
        return WEIR_COMPAT_REFUSED;
    }
    weir_error_set(err, "0A000", "weir: CREATE DATABASE is not supported on SQLite");
    weir_error_hint(err, "Name it in Weir's configuration, section databases.");
    return WEIR_COMPAT_REFUSED;
}

static int run_command(weir_local *l, const weir_command *c, const local_portal *p, weir_error *err)
{
    switch (c->kind) {
    case WEIR_COMMAND_SET:
        return set(l, c, err);
    case WEIR_COMMAND_RESET:
        return reset(l, c, err);
    case WEIR_COMMAND_SHOW:
        return show(l, c, err);
    case WEIR_COMMAND_DISCARD_ALL:
        return discard_all(l, err);
    case WEIR_COMMAND_DISCARD_SEQUENCES:
        forget_drawn(l);
        return 0;
    case WEIR_COMMAND_DEALLOCATE:
        return deallocate(l, c, err);
    case WEIR_COMMAND_CONFIG:
        return config(l, c, p, err);
    case WEIR_COMMAND_CREATE_DATABASE:
        return create_database(l, c, err);
    case WEIR_COMMAND_LISTEN:
    case WEIR_COMMAND_UNLISTEN:
    case WEIR_COMMAND_NOTIFY:
        return local_listen_command(l, c, err);
    case WEIR_COMMAND_REFUSED:
        weir_error_set(err, "0A000", "%s", c->message);
        weir_error_hint(err, "%s", c->hint);
        return WEIR_COMPAT_REFUSED;
    default:
        return 0; /* IGNORED */
    }
}

void local_command_run(weir_local *l, local_statement *s, local_portal *p, local_then then)
{
    const weir_command *c = &s->command;
    weir_error err;
    if (c->kind >= WEIR_COMMAND_BEGIN && c->kind <= WEIR_COMMAND_SET_TRANSACTION) {
        local_tx_command(l, s, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_EXPLAIN_CACHE) {
        local_explain_cache(l, s, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_COPY) {
        local_copy_start(l, s, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_CHANNELS) {
        local_list_channels(l, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_SIGNAL) {
        local_signal(l, s, p, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_CONSTRAINTS) {
        local_set_constraints(l, c, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_ALTER_TABLE || c->kind == WEIR_COMMAND_TRUNCATE ||
        c->kind == WEIR_COMMAND_SEQUENCE || c->kind == WEIR_COMMAND_DEFINE ||
        c->kind == WEIR_COMMAND_TYPE) {
        local_alter_table(l, s, then);
        return;
    }
    if (c->kind >= WEIR_COMMAND_PREPARE && c->kind <= WEIR_COMMAND_CLOSE_CURSOR) {
        local_sql_command(l, s, p, then);
        return;
    }
    if (c->kind == WEIR_COMMAND_EMPTY) {
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_EMPTY_QUERY));
        then(l, true);
        return;
    }
    int r = run_command(l, c, p, &err);
    local_check(l, r);
    if (r > 0)
        local_fail(l, &err);
    else if (r == 0)
        local_send_tag(l, c->tag);
    then(l, r == 0);
}
