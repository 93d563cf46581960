/* Questions to a schema: from any thread, it does not change. */
#include "catalog/schema_internal.h"

#define NAME_MAX_BYTES 63u

/* ---- names ---- */

/* Two names in a row, each behind its length; 0 for none. */
static uint64_t hash_pair(uint64_t kind, weir_slice a, weir_slice b)
{
    uint8_t bytes[2 * (NAME_MAX_BYTES + 1)];
    size_t n = 0;
    const weir_slice both[2] = {a, b};
    if (b.len == 0)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        if (both[i].len > NAME_MAX_BYTES)
            return 0;
        bytes[n++] = (uint8_t)both[i].len;
        if (both[i].len > 0)
            memcpy(bytes + n, both[i].data, both[i].len);
        n += both[i].len;
    }
    uint64_t h = weir_hash((weir_hash_seed){{0x73616d656e2e2e2e, kind}}, weir_slice_make(bytes, n));
    return h ? h : 1;
}

uint64_t weir_schema_hash_name(schema_name_kind kind, weir_slice schema, weir_slice name)
{
    return hash_pair((uint64_t)kind, schema, name);
}

uint64_t weir_schema_hash_relation(weir_slice schema, weir_slice name)
{
    return hash_pair(0, schema, name);
}

schema_name *weir_schema_name_slot(const weir_schema *s, uint64_t hash)
{
    uint32_t mask = s->name_cap - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask)
        if (s->names[at].hash == hash || s->names[at].hash == 0)
            return &s->names[at];
}

static weir_trust trust_of(const weir_schema *s, schema_name_kind kind, weir_slice schema,
                           weir_slice name)
{
    uint64_t hash = weir_schema_hash_name(kind, schema, name);
    if (s->name_cap == 0 || hash == 0)
        return WEIR_TRUST_NONE;
    const schema_name *slot = weir_schema_name_slot(s, hash);
    return slot->hash ? slot->trust : WEIR_TRUST_NONE;
}

weir_trust weir_schema_function(const weir_schema *s, weir_slice schema, weir_slice name)
{
    return trust_of(s, SCHEMA_NAME_FUNCTION, schema, name);
}

weir_trust weir_schema_operator(const weir_schema *s, weir_slice name)
{
    return trust_of(s, SCHEMA_NAME_OPERATOR, (weir_slice){0}, name);
}

weir_trust weir_schema_type(const weir_schema *s, weir_slice schema, weir_slice name)
{
    return trust_of(s, SCHEMA_NAME_TYPE, schema, name);
}

bool weir_schema_has_namespace(const weir_schema *s, weir_slice name)
{
    return trust_of(s, SCHEMA_NAME_NAMESPACE, (weir_slice){0}, name) == WEIR_TRUST_STEADY;
}

/* ---- relations ---- */

uint32_t weir_schema_count(const weir_schema *s)
{
    return s->count;
}

const weir_schema_relation *weir_schema_at(const weir_schema *s, uint32_t at)
{
    assert(at < s->count);
    return &s->relations[at];
}

const weir_schema_relation *weir_schema_find(const weir_schema *s, weir_slice schema,
                                             weir_slice name)
{
    uint64_t hash = weir_schema_hash_relation(schema, name);
    uint32_t mask = s->by_name_cap - 1;
    if (s->by_name_cap == 0 || hash == 0)
        return NULL;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        if (s->by_name[at] == WEIR_SCHEMA_NONE)
            return NULL;
        const weir_schema_relation *r = &s->relations[s->by_name[at]];
        if (weir_slice_eq(r->name, name) && weir_slice_eq(r->schema, schema))
            return r;
    }
}

uint32_t weir_schema_place_of(const weir_schema *s, uint32_t oid)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->relations[middle].oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && s->relations[low].oid == oid ? low : WEIR_SCHEMA_NONE;
}

const weir_schema_relation *weir_schema_find_oid(const weir_schema *s, uint32_t oid)
{
    uint32_t at = weir_schema_place_of(s, oid);
    return at == WEIR_SCHEMA_NONE ? NULL : &s->relations[at];
}

/* ---- what holds for all of it ---- */

uint64_t weir_schema_fingerprint(const weir_schema *s)
{
    return s->fingerprint;
}

bool weir_schema_equality_is_builtin(const weir_schema *s)
{
    return s->equality;
}

bool weir_schema_has_foreign_casts(const weir_schema *s)
{
    return s->foreign_casts;
}

weir_slice weir_schema_publication(const weir_schema *s)
{
    return s->publication;
}

bool weir_schema_has_event_trigger(const weir_schema *s)
{
    return s->event_trigger;
}

bool weir_schema_is_standbys(const weir_schema *s)
{
    return s->standby;
}

const char *weir_schema_partial(const weir_schema *s)
{
    return s->partial;
}

/* ---- roles and their settings ---- */

uint64_t weir_schema_role(const weir_schema *s, weir_slice role)
{
    const schema_role *roles = s->roles.items;
    uint32_t low = 0, high = s->roles.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const weir_slice name = roles[middle].fact.name;
        size_t n = name.len < role.len ? name.len : role.len;
        int order = n > 0 ? memcmp(name.data, role.data, n) : 0;
        if (order == 0 && name.len == role.len)
            return roles[middle].fingerprint;
        if (order < 0 || (order == 0 && name.len < role.len))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* "name=value" of this setting. */
static bool gives(weir_slice text, const char *setting, weir_slice *ret)
{
    size_t n = strlen(setting);
    if (text.len <= n || text.data[n] != '=' ||
        !weir_slice_eq_nocase(weir_slice_head(text, n), setting))
        return false;
    *ret = weir_slice_skip(text, n + 1);
    return true;
}

/* Which of two rows of pg_db_role_setting counts: the role's in the database, the role's, the
 * database's, that of all. 0: not of this user. */
static unsigned rank(const weir_schema *s, const weir_server_default *d, weir_slice user)
{
    if ((d->database.len > 0 && !weir_slice_eq(d->database, s->database)) ||
        (d->role.len > 0 && !weir_slice_eq(d->role, user)))
        return 0;
    return 1 + (d->role.len > 0 ? 2u : 0) + (d->database.len > 0 ? 1u : 0);
}

static unsigned find_default(const weir_schema *s, weir_slice user, const char *setting,
                             weir_slice *ret)
{
    const weir_server_default *d = s->defaults.items;
    unsigned best = 0;
    for (uint32_t i = 0; i < s->defaults.count; i++) {
        weir_slice value;
        unsigned of = rank(s, &d[i], user);
        if (of <= best || !gives(d[i].setting, setting, &value))
            continue;
        best = of;
        *ret = value;
    }
    return best;
}

/* What the reader's session began with is the configuration's value unless the reader has one of
 * its own: then nobody knows what is below it. */
bool weir_schema_default(const weir_schema *s, weir_slice user, const char *setting,
                         weir_slice *ret)
{
    weir_slice own;
    if (find_default(s, user, setting, ret) > 0)
        return true;
    if (find_default(s, s->user, setting, &own) > 0)
        return false;
    const schema_setting *settings = s->settings.items;
    for (uint32_t i = 0; i < s->settings.count; i++)
        if (weir_slice_eq_nocase(settings[i].name, setting)) {
            *ret = settings[i].value;
            return true;
        }
    return false;
}
