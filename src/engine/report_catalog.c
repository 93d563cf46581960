/* SHOW CATALOG: what is known of each database's server, what is suspected of changing sessions,
 * which relations' answers are not kept, and what could not be known. Lists are bounded: the rest
 * is counted. */
#include "engine/report_internal.h"
#include <stdio.h>

#define SUSPECTS_SHOWN 2000u
#define UNKEPT_SHOWN 2000u

static const weir_report_column columns[] = {
    {"database", WEIR_REPORT_TEXT}, {"item", WEIR_REPORT_TEXT},    {"name", WEIR_REPORT_TEXT},
    {"value", WEIR_REPORT_TEXT},    {"effects", WEIR_REPORT_TEXT}, {"why", WEIR_REPORT_TEXT},
};

static void add(weir_report *r, const weir_database *d, const char *item, const char *name,
                const char *value)
{
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, item);
    weir_report_text(r, name);
    weir_report_text(r, value);
    weir_report_text(r, "");
    weir_report_text(r, "");
}

static void add_count(weir_report *r, const weir_database *d, const char *name, uint64_t count)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)count);
    add(r, d, "count", name, text);
}

/* "set, temp" */
static const char *effects_words(unsigned effects, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned bit = 1; effects != 0 && len < size; bit <<= 1) {
        if ((effects & bit) == 0)
            continue;
        int n =
            snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", weir_effect_name(bit));
        len += (size_t)n;
        effects &= ~bit;
    }
    return text;
}

static void add_suspect(weir_report *r, const weir_database *d, const weir_server_suspect *s)
{
    static const char *const items[WEIR_SERVER_KINDS] = {"everything", "ddl", "function",
                                                         "relation", "relation written"};
    char name[160], effects[160];
    (void)snprintf(name, sizeof(name), "%.*s.%.*s", (int)s->schema.len,
                   (const char *)s->schema.data, (int)s->name.len, (const char *)s->name.data);
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, items[s->kind]);
    weir_report_text(r, name);
    weir_report_slice(r, s->language);
    weir_report_text(r, effects_words(s->effects, effects, sizeof(effects)));
    weir_report_text(r, s->why);
}

static void add_everything(weir_report *r, const weir_database *d, const char *item,
                           unsigned effects, const char *why)
{
    char words[160];
    if (effects == 0)
        return;
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, item);
    weir_report_text(r, "");
    weir_report_text(r, "");
    weir_report_text(r, effects_words(effects, words, sizeof(words)));
    weir_report_text(r, why);
}

static void add_counts(weir_report *r, const weir_database *d, const weir_server_totals *t)
{
    add_count(r, d, "server_version_num", t->version);
    add_count(r, d, "functions", t->functions);
    add_count(r, d, "relations", t->relations);
    add_count(r, d, "suspects", t->suspects);
    add_count(r, d, "roles", t->roles);
    add_count(r, d, "role and database defaults", t->defaults);
    add_count(r, d, "settings", t->settings);
    add_count(r, d, "extensions", t->extensions);
    add_count(r, d, "temporary schemas", t->temp_schemas);
    add_count(r, d, "bytes", t->size);
}

static void fill_known(weir_report *r, const weir_database *d, const weir_server_catalog *c)
{
    weir_server_totals t;
    weir_server_total(c, &t);
    add_counts(r, d, &t);
    for (uint32_t i = 0; i < t.customs; i++) {
        char name[160];
        weir_slice custom = weir_server_custom_at(c, i);
        (void)snprintf(name, sizeof(name), "%.*s", (int)custom.len, (const char *)custom.data);
        add(r, d, "custom setting", name, "");
    }
    add_everything(r, d, "every statement", weir_server_everywhere(c),
                   "an operator, cast or index of the database calls a suspect");
    add_everything(r, d, "ddl", weir_server_ddl(c), "an event trigger calls a suspect");
    for (uint32_t i = 0; i < t.suspects && i < SUSPECTS_SHOWN; i++)
        add_suspect(r, d, weir_server_suspect_at(c, i));
}

/* What the cache depends on: which relations' answers may be kept, and why the others' are not. */
static void fill_schema(weir_report *r, const weir_database *d, const weir_schema *schema)
{
    uint32_t sound = 0, ill = 0, count = weir_schema_count(schema);
    char publication[80];
    weir_slice name = weir_schema_publication(schema);
    (void)snprintf(publication, sizeof(publication), "%.*s", (int)name.len,
                   (const char *)name.data);
    add(r, d, "schema", "publication", name.len > 0 ? publication : "none");
    add(r, d, "schema", "event trigger", weir_schema_has_event_trigger(schema) ? "yes" : "no");
    if (*weir_schema_partial(schema))
        add(r, d, "schema", "partial", weir_schema_partial(schema));
    for (uint32_t i = 0; i < count; i++) {
        const weir_schema_relation *of = weir_schema_at(schema, i);
        char full[160];
        sound += of->flaw == WEIR_SCHEMA_SOUND;
        if (of->flaw == WEIR_SCHEMA_SOUND || of->flaw == WEIR_SCHEMA_SYSTEM ||
            ill++ >= UNKEPT_SHOWN)
            continue;
        (void)snprintf(full, sizeof(full), "%.*s", (int)of->full.len, (const char *)of->full.data);
        add(r, d, "not kept", full, of->words);
    }
    add_count(r, d, "relations that answers are kept of", sound);
    add_count(r, d, "relations that answers are not kept of", ill);
}

static void fill_database(weir_report *r, weir_database *d, weir_time now)
{
    weir_catalog_figures f;
    char age[32];
    weir_database_catalog_figures(d, &f);
    const weir_server_catalog *c = weir_database_catalog(d);
    if (!c)
        return;
    const char *partial = weir_server_partial(c);
    add(r, d, "state",
        f.looked_at == 0                 ? "not loaded"
        : weir_database_catalog_stale(d) ? "changed since"
        : *partial                       ? "partial"
                                         : "loaded",
        f.looked_at == 0 ? "" : partial);
    if (f.looked_at != 0) {
        (void)snprintf(age, sizeof(age), "%.1f s",
                       (double)(now - f.looked_at) / (double)WEIR_SECOND);
        add(r, d, "looked", "ago", age);
    }
    add_count(r, d, "loads", f.loads);
    add_count(r, d, "failures", f.failures);
    if (f.failure[0])
        add(r, d, "failure", "newest", f.failure);
    if (f.looked_at != 0)
        fill_known(r, d, c);
    const weir_schema *schema = weir_database_schema(d);
    if (schema)
        fill_schema(r, d, schema);
}

static void fill(weir_report *r, weir_engine *engine, weir_worker *at)
{
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++)
        fill_database(r, weir_engine_database_at(engine, i), weir_worker_now(at));
}

const weir_report_source weir_report_catalog = WEIR_REPORT_SOURCE("catalog", columns, fill);
