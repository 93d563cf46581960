/* What a template means under some surroundings: see surroundings.h. */
#include "engine/surroundings.h"
#include "engine/internal.h"

static uint64_t mix(weir_hash_seed seed, uint64_t with, weir_slice bytes)
{
    seed.k[0] ^= with;
    return weir_hash(seed, bytes);
}

void weir_session_locate(const weir_session *session, weir_surroundings *at)
{
    const weir_database *d = session->pools->database;
    bool stale = weir_database_schema_stale(d); /* before the schema: put_schema's order */
    const weir_schema *schema = weir_database_schema(d);
    at->meaning = 0;
    if (!schema || stale)
        return;
    weir_hash_seed seed = d->engine->options.seed;
    seed.k[1] += d->index;
    at->schema = weir_schema_fingerprint(schema);
    uint64_t m = mix(seed, at->schema, at->search_path);
    m = mix(seed, m ^ weir_schema_role(schema, at->role), at->role);
    at->meaning = m ? m : 1;
    /* Search path and role are in the identity in full: that nobody aims at this one, of a known
     * seed, is not needed. */
    const weir_hash_seed known = {{0x77656972, 0x66616374}};
    m = mix(known, at->schema, at->search_path);
    m = mix(known, m, at->role);
    at->portable = m ? m : 1;
}

const weir_footprint *weir_session_footprint(weir_session *session, const weir_template *t,
                                             const weir_surroundings *at)
{
    const weir_engine_host *host = &session->worker->engine->options.host;
    if (at->meaning == 0)
        return NULL;
    const weir_footprint *f = weir_template_variant(t, at->meaning);
    if (!f && host->analyze_at && weir_template_ask_variant(t, at->meaning))
        host->analyze_at(host->user, session->worker, t, session->pools->database, at);
    return f;
}
