/* What a template means under some surroundings: see surroundings.h. */
#include "engine/surroundings.h"
#include "engine/internal.h"
#include <stdlib.h>

static uint64_t mix(weir_hash_seed seed, uint64_t with, weir_slice bytes)
{
    seed.k[0] ^= with;
    return weir_hash(seed, bytes);
}

static void locate(const weir_database *d, weir_surroundings *at)
{
    bool stale = weir_database_schema_stale(d); /* before the schema: put_schema's order */
    const weir_schema *schema = weir_database_schema(d);
    at->meaning = 0;
#ifdef WEIR_TEST_FAULT_SCHEMA_IGNORED
    stale = false;
#endif
    if (!schema || stale)
        return;
    weir_hash_seed seed = d->engine->options.seed;
    seed.k[1] += d->index;
    at->schema = weir_schema_fingerprint(schema);
#ifdef WEIR_TEST_FAULT_SCHEMA_IGNORED
    uint64_t m = mix(seed, 0, at->search_path);
#else
    uint64_t m = mix(seed, at->schema, at->search_path);
#endif
    m = mix(seed, m ^ weir_schema_role(schema, at->role), at->role);
    at->meaning = m ? m : 1;
    /* Search path and role are in the identity in full: that nobody aims at this one, of a known
     * seed, is not needed. */
    const weir_hash_seed known = {{0x77656972, 0x66616374}};
    m = mix(known, at->schema, at->search_path);
    m = mix(known, m ^ weir_schema_role(schema, at->role), at->role);
    at->portable = m ? m : 1;
}

void weir_session_locate(const weir_session *session, weir_surroundings *at)
{
    locate(session->pools->database, at);
}

/* ---- where texts were read ---- */

static char *copy(weir_slice s)
{
    return strndup(s.len ? (const char *)s.data : "", s.len);
}

static weir_reading_place *find_place(weir_catalog_state *s, const weir_surroundings *at)
{
    for (unsigned i = 0; i < s->place_count; i++)
        if (weir_slice_eq_cstr(at->search_path, s->places[i].search_path) &&
            weir_slice_eq_cstr(at->role, s->places[i].role))
            return &s->places[i];
    return NULL;
}

/* Under `busy`. */
static void note_meaning(weir_reading_place *p, uint64_t meaning)
{
    if (meaning == 0 || p->meanings[0] == meaning)
        return;
    memmove(p->meanings + 1, p->meanings, sizeof(p->meanings) - sizeof(p->meanings[0]));
    p->meanings[0] = meaning;
}

/* Without memory for it, or room, it is not remembered. */
static void note_reading(weir_database *d, const weir_surroundings *at)
{
    weir_catalog_state *s = &d->catalog;
    weir_reading_place made = {.search_path = copy(at->search_path), .role = copy(at->role)};
    weir_spin_lock(&s->busy);
    weir_reading_place *p = find_place(s, at);
    if (!p && s->place_count < WEIR_READING_PLACES && made.search_path && made.role) {
        p = &s->places[s->place_count++];
        *p = made;
        made = (weir_reading_place){.role = NULL};
    }
    if (p)
        note_meaning(p, at->meaning);
    weir_spin_unlock(&s->busy);
    free(made.search_path);
    free(made.role);
}

bool weir_database_read_at(weir_database *database, unsigned index, weir_read_at *ret)
{
    weir_catalog_state *s = &database->catalog;
    weir_spin_lock(&s->busy);
    bool found = index < s->place_count;
    weir_reading_place place = found ? s->places[index] : (weir_reading_place){.role = NULL};
    weir_spin_unlock(&s->busy);
    if (!found)
        return false;
    *ret = (weir_read_at){.at = {.search_path = weir_slice_cstr(place.search_path),
                                 .role = weir_slice_cstr(place.role)}};
    locate(database, &ret->at);
    unsigned count = 0;
    for (unsigned i = 0; i < WEIR_READING_MEANINGS; i++)
        if (place.meanings[i] != ret->at.meaning)
            ret->before[count++] = place.meanings[i];
    weir_spin_lock(&s->busy);
    note_meaning(&s->places[index], ret->at.meaning);
    weir_spin_unlock(&s->busy);
    return true;
}

void weir_database_forget_readings(weir_database *database)
{
    weir_catalog_state *s = &database->catalog;
    for (unsigned i = 0; i < s->place_count; i++) {
        free(s->places[i].search_path);
        free(s->places[i].role);
    }
    s->place_count = 0;
}

/* ---- footprints ---- */

const weir_footprint *weir_session_footprint(weir_session *session, const weir_template *t,
                                             const weir_surroundings *at)
{
    const weir_engine_host *host = &session->worker->engine->options.host;
    if (at->meaning == 0)
        return NULL;
    const weir_footprint *f = weir_template_variant(t, at->meaning);
    if (!f && host->analyze_at && weir_template_ask_variant(t, at->meaning)) {
        note_reading(session->pools->database, at);
        host->analyze_at(host->user, session->worker, t, session->pools->database, at);
    }
    return f;
}

/* Who analyses takes the word back where that fails. */
bool weir_footprint_is_due(const weir_template *t, const weir_surroundings *at)
{
    return at->meaning != 0 &&
           atomic_load_explicit(&t->variant_asked, memory_order_relaxed) == at->meaning;
}
