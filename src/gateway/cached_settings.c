/* What a client's settings mean to the cache: those that its answers' bytes may depend on are part
 * of their identity, and what says where names are looked up is kept at hand.
 *
 * Invariant: what is known is of the settings in force and of the schema in force, or it is found
 * out anew. A setting that is not known to be harmless is part of the identity. */
#include "base/ascii.h"
#include "compat/compat.h"
#include "engine/catalog.h"
#include "gateway/cached.h"
#include "gateway/guc.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define SETTINGS_MAX ((size_t)64 * 1024)

/* They change how long something takes or what is logged, never what a read gives. */
static bool is_irrelevant(weir_slice name)
{
    static const char *const names[] = {"application_name",
                                        "client_connection_check_interval",
                                        "commit_delay",
                                        "effective_cache_size",
                                        "idle_in_transaction_session_timeout",
                                        "idle_session_timeout",
                                        "jit",
                                        "lock_timeout",
                                        "maintenance_work_mem",
                                        "statement_timeout",
                                        "synchronous_commit",
                                        "transaction_timeout",
#ifdef WEIR_TEST_FAULT_ROLE_IGNORED
                                        "role",
#endif
                                        "work_mem"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_slice_eq_cstr(name, names[i]))
            return true;
    return name.len > 4 && memcmp(name.data, "tcp_", 4) == 0;
}

static bool is_set(weir_slice role)
{
    return role.len > 0 && !weir_slice_eq_cstr(role, "none");
}

static char *copy(weir_slice s)
{
    return strndup(s.len ? (const char *)s.data : "", s.len);
}

/* What the session said, or what a session of its user begins with. */
static bool in_force(const weir_client *c, const weir_schema *schema, const char *name,
                     weir_slice *ret)
{
    *ret = weir_guc_find(weir_slice_make(c->params, c->params_len), weir_slice_cstr(name));
    return ret->data || weir_schema_default(
                            schema, weir_slice_cstr(weir_pools_user(c->session.pools)), name, ret);
}

static bool is_in_force(const weir_client *c, const weir_schema *schema, const char *name,
                        const char *value)
{
    weir_slice found;
    return in_force(c, schema, name, &found) && weir_slice_eq_nocase(found, value);
}

static weir_time learn_timeout(const weir_client *c, const weir_schema *schema)
{
    char text[32];
    int64_t ms;
    weir_slice found;
    if (!in_force(c, schema, "statement_timeout", &found) || found.len >= sizeof(text))
        return 0;
    memcpy(text, found.data, found.len);
    text[found.len] = '\0';
    return weir_setting_milliseconds(text, &ms) == 0 ? ms * WEIR_MS : 0;
}

/* -ENOMEM, -EMSGSIZE. */
static int learn_settings(weir_cached *k, const weir_schema *schema)
{
    const weir_client *c = k->client;
    weir_slice params = weir_slice_make(c->params, c->params_len), name, value;
    weir_slice role = weir_guc_find(params, WEIR_SLICE_LIT("role"));
    int r = 0;
    weir_buf_clear(&k->settings);
    weir_buf_clear(&k->parse);
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);)
        r = is_irrelevant(name) ? 0 : weir_guc_append(&k->settings, name, value);
    for (size_t i = 0; r == 0 && weir_parse_settings[i]; i++) {
        value = weir_guc_find(params, weir_slice_cstr(weir_parse_settings[i]));
        if (value.data)
            r = weir_guc_put(&k->parse, weir_slice_cstr(weir_parse_settings[i]), value);
    }
    free(k->search_path);
    free(k->role);
    if (!is_set(role))
        role = weir_guc_find(params, WEIR_SLICE_LIT("session_authorization"));
    k->role = copy(is_set(role) ? role : weir_slice_cstr(weir_pools_user(c->session.pools)));
    k->search_path = in_force(c, schema, "search_path", &value) ? copy(value) : NULL;
    k->read_committed = is_in_force(c, schema, "default_transaction_isolation", "read committed");
    k->statement_timeout = learn_timeout(c, schema);
    k->utf8 = is_in_force(c, schema, "client_encoding", "utf8");
    k->plain_strings = is_in_force(c, schema, "standard_conforming_strings", "on");
    return r == 0 && k->role ? 0 : -ENOMEM;
}

/* NULL: no memory. */
static weir_cached *cached_of(weir_client *c)
{
    if (c->cached)
        return c->cached;
    weir_cached *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->client = c;
    k->clean = c->session.conn == NULL;
    weir_list_init(&k->fillings);
    weir_timer_init(&k->again, weir_client_looks_again);
    weir_buf_init(&k->settings, SETTINGS_MAX);
    weir_buf_init(&k->parse, SETTINGS_MAX);
    weir_buf_init(&k->portal.bind, WEIR_PG_MESSAGE_SIZE_MAX);
    c->cached = k;
    return k;
}

weir_cached *weir_cached_settled(weir_client *c)
{
    const weir_schema *schema = weir_database_schema(weir_session_database(&c->session));
    weir_cached *k = schema ? cached_of(c) : NULL;
    if (!k)
        return NULL;
    uint64_t of_schema = weir_schema_fingerprint(schema);
    if (k->known && k->fingerprint == c->fingerprint && k->of_schema == of_schema)
        return k;
    k->known = learn_settings(k, schema) == 0;
    k->fingerprint = c->fingerprint;
    k->of_schema = of_schema;
    return k->known ? k : NULL;
}

weir_cached *weir_client_cached_surroundings(weir_client *c, weir_surroundings *ret)
{
    weir_cached *k = weir_cached_settled(c);
    if (!k || !k->search_path || !k->plain_strings)
        return NULL;
    *ret = (weir_surroundings){.search_path = weir_slice_cstr(k->search_path),
                               .role = weir_slice_cstr(k->role),
                               .utf8 = k->utf8};
    weir_session_locate(&c->session, ret);
    return k;
}
