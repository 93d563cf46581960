/* May this statement's answers be kept, for how long, under which tags: rules, hints and settings
 * taken together, in that order of weight: a hint is the statement's own word and wins; then the
 * first rule that matches; then the settings.
 *
 * Nothing that anybody says makes an answer be kept that could be wrong for ever: what cannot be
 * followed is kept only for a declared time, what writes or reads its session's state never. */
#include "base/ascii.h"
#include "engine/cache_internal.h"
#include "engine/catalog.h"
#include <stdio.h>

/* ---- patterns ---- */

/* `*` stands for any run. Linear but for the newest star: it alone is tried again. */
static bool matches(const char *pattern, weir_slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    if (!pattern)
        return true;
    while (t < text.len) {
        if (pattern[p] == '*') {
            star = ++p;
            from = t;
        } else if (pattern[p] &&
                   weir_ascii_lower((uint8_t)pattern[p]) == weir_ascii_lower(text.data[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++from;
        } else {
            return false;
        }
    }
    while (pattern[p] == '*')
        p++;
    return pattern[p] == '\0';
}

static bool matches_any_read(const char *pattern, const weir_footprint *f)
{
    if (!pattern)
        return true;
    for (uint16_t i = 0; i < f->read_count; i++)
        if (matches(pattern, weir_slice_cstr(f->reads[i])))
            return true;
    return false;
}

static const weir_cache_rule *find_rule(const weir_cache_settings *settings,
                                        const weir_database *database, weir_slice user,
                                        weir_slice template, const weir_footprint *f)
{
    for (size_t i = 0; i < settings->rule_count; i++) {
        const weir_cache_rule *r = &settings->rules[i];
        if ((matches(r->database, weir_slice_cstr(database->name)) ||
             matches(r->database, weir_slice_cstr(database->label))) &&
            matches(r->user, user) && matches(r->template, template) &&
            matches_any_read(r->table, f))
            return r;
    }
    return NULL;
}

/* ---- the verdict ---- */

static weir_time least(weir_time a, weir_time b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

static void take_rule(const weir_cache_settings *s, weir_admission *ret)
{
    const weir_cache_rule *r = ret->rule;
    if (r && r->consistency != WEIR_CONSISTENCY_UNSAID)
        ret->consistency = r->consistency;
    ret->grace = r && r->bound > 0 ? r->bound : s->bound;
    if (r && r->tags)
        ret->more = weir_slice_cstr(r->tags);
}

static weir_time first(weir_time hint, weir_time rule)
{
    return hint > 0 ? hint : rule;
}

static void take_strategies(const weir_hint *hint, weir_admission *ret)
{
    static const weir_cache_rule none;
    const weir_cache_rule *r = ret->rule ? ret->rule : &none;
    ret->stale_if_error = first(hint->stale_if_error, r->stale_if_error);
    ret->stale_while_revalidate = first(hint->stale_while_revalidate, r->stale_while_revalidate);
    ret->refresh_ahead = first(hint->refresh_ahead, r->refresh_ahead);
}

void weir_admission_judge(const weir_cache_policy *policy, const weir_database *database,
                          weir_slice user, weir_slice template, const weir_footprint *footprint,
                          weir_slice hint_text, weir_admission *ret)
{
    const weir_cache_settings *s = &policy->settings;
    weir_hint hint;
    weir_hint_read(hint_text, &hint);
    *ret = (weir_admission){.miss = WEIR_MISS_ABSENT, .consistency = s->consistency};
    ret->rule = find_rule(s, database, user, template, footprint);
    take_rule(s, ret);
    ret->tags = hint.tags;
    ret->name_space = hint.name_space;
    if (ret->name_space.len == 0 && ret->rule && ret->rule->name_space)
        ret->name_space = weir_slice_cstr(ret->rule->name_space);
    weir_time declared = hint.ttl ? hint.ttl : ret->rule ? ret->rule->ttl : 0;
    ret->ttl = least(declared, s->ttl);
    ret->declared = declared > 0;
    take_strategies(&hint, ret);
    ret->insisted = ret->declared || hint.cache == WEIR_HINT_CACHE ||
                    (ret->rule && ret->rule->cache == WEIR_RULE_CACHE);
    bool bypass = ret->rule && ret->rule->cache == WEIR_RULE_BYPASS;
    if (hint.cache == WEIR_HINT_NOCACHE || (bypass && hint.cache != WEIR_HINT_CACHE))
        ret->miss = WEIR_MISS_RULE;
    else if (footprint->refusal < WEIR_REFUSAL_VOLATILE || declared == 0)
        ret->miss = footprint->refusal == WEIR_REFUSAL_NONE
                        ? WEIR_MISS_ABSENT
                        : WEIR_MISS_REFUSED + (unsigned)footprint->refusal;
}

/* ---- tags ---- */

/* In the id space of relations, behind a byte that no relation's name begins with. */
static uint64_t id_of(char kind, weir_slice text)
{
    uint8_t name[130] = {1, (uint8_t)kind};
    size_t len = text.len < sizeof(name) - 2 ? text.len : sizeof(name) - 2;
    memcpy(name + 2, text.data, len);
    return weir_relation_id(weir_slice_make(name, len + 2));
}

uint64_t weir_tag_id(weir_slice tag)
{
    return id_of('t', tag);
}

uint64_t weir_tag_prefix_id(weir_slice prefix)
{
    return id_of('p', prefix);
}

uint64_t weir_tag_any_id(void)
{
    return id_of('a', WEIR_SLICE_LIT("*"));
}

weir_slice weir_namespace_tag(weir_slice name, char out[static WEIR_NAMESPACE_TAG_MAX])
{
    size_t len = name.len < WEIR_NAMESPACE_MAX ? name.len : WEIR_NAMESPACE_MAX;
    int n =
        snprintf(out, WEIR_NAMESPACE_TAG_MAX, "namespace:%.*s", (int)len, (const char *)name.data);
    return weir_slice_make(out, (size_t)n);
}

uint64_t weir_tag_end_id(void)
{
    return id_of('e', WEIR_SLICE_LIT("*"));
}

bool weir_tag_prefix_next(weir_slice tag, size_t *pos, weir_slice *ret)
{
    while (*pos < tag.len) {
        uint8_t c = tag.data[(*pos)++];
        if (c == ':' || c == '/' || c == '.') {
            *ret = weir_slice_head(tag, *pos);
            return true;
        }
    }
    return false;
}

/* ---- in words ---- */

static int explain_verdict(const weir_admission *a, const weir_footprint *f, weir_buf *out)
{
    if (a->miss == WEIR_MISS_RULE)
        return weir_buf_printf(out,
                               "cached: no, a hint or a rule says so\nnext step: take the "
                               "comment /* weir: nocache */ or the rule of cache.rules away\n");
    if (a->miss != WEIR_MISS_ABSENT)
        return weir_buf_printf(out, "cached: no (%s)%s%s\n", weir_miss_name(a->miss),
                               f->reason && *f->reason ? ": " : "", f->reason ? f->reason : "");
    int r = weir_buf_printf(out, "cached: yes, %s", weir_consistency_name(a->consistency));
    if (r == 0 && a->consistency != WEIR_CONSISTENCY_STRICT)
        r = weir_buf_printf(out, " (within %lld ms)", (long long)(a->grace / WEIR_MS));
    if (r == 0 && a->ttl > 0)
        r = weir_buf_printf(out, ", for %lld ms at most", (long long)(a->ttl / WEIR_MS));
    return r == 0 ? weir_buf_append_u8(out, '\n') : r;
}

static int explain_time(const char *name, const char *before, weir_time time, const char *after,
                        weir_buf *out)
{
    return time > 0 ? weir_buf_printf(out, "%s: %s %lld ms%s\n", name, before,
                                      (long long)(time / WEIR_MS), after)
                    : 0;
}

static int explain_strategies(const weir_admission *a, weir_buf *out)
{
    if (a->miss != WEIR_MISS_ABSENT)
        return 0;
    int r = explain_time("stale_if_error", "given for", a->stale_if_error,
                         " more while the database does not answer", out);
    if (r == 0)
        r = explain_time("stale_while_revalidate", "given for", a->stale_while_revalidate,
                         " more while it is read anew", out);
    if (r == 0 && a->ttl > 0)
        r = explain_time("refresh_ahead", "read anew when it is asked for in its last",
                         a->refresh_ahead, "", out);
    return r;
}

static int explain_tags(weir_slice tags, weir_buf *out)
{
    weir_slice tag;
    int r = 0;
    while (r == 0 && weir_tag_next(&tags, &tag))
        r = weir_buf_printf(out, "tag: %.*s\n", (int)tag.len, (const char *)tag.data);
    return r;
}

/* ---- … and what it is worth ---- */

typedef struct sought {
    weir_slice text;
    const weir_template *found;
} sought;

static bool compare(void *user, const weir_template *t)
{
    sought *s = user;
    if (weir_slice_eq(t->text, s->text))
        s->found = t;
    return !s->found;
}

static int explain_worth(weir_engine *engine, weir_slice text, weir_buf *out)
{
    weir_benefit b;
    sought s = {.text = text};
    weir_template_each(engine->templates, compare, &s);
    if (!s.found)
        return 0;
    weir_engine_benefit(engine, s.found->id, s.found->serial, &b);
    if (b.worth == WEIR_WORTH_UNKNOWN)
        return 0;
    return weir_buf_printf(
        out,
        "benefit: an answer is asked for %.2f times more, a run takes %.0f us: keeping %.0f bytes "
        "is worth %.0f us at a price of %.0f us: it %s\n",
        b.reuse, b.cost_ns / 1e3, b.size, b.gain_ns / 1e3, b.price_ns / 1e3,
        b.worth == WEIR_WORTH_PAYS ? "pays" : "does not pay, one in 16 is kept to find out more");
}

static int explain_unfollowed(weir_history *h, weir_buf *out)
{
    char words[sizeof(h->why_not)];
    weir_spin_lock(&h->busy);
    memcpy(words, h->why_not, sizeof(words));
    weir_spin_unlock(&h->busy);
    return weir_buf_printf(out,
                           "cached: no (behind): changes are not followed%s%s\nnext step: mend "
                           "that (weir setup), or say how old the answer may be: "
                           "/* weir: cache ttl=10s */\n",
                           words[0] ? ": " : "", words);
}

static int explain_standby(weir_buf *out)
{
    return weir_buf_printf(out, "cached: no (standby): the database is read on a standby, which "
                                "may be behind the changes that are followed on its primary\nnext "
                                "step: name the primary (target_session_attrs=primary in the "
                                "DSN)\n");
}

int weir_engine_explain_cache(weir_engine *engine, weir_database *database, weir_slice user,
                              const weir_footprint *footprint, const weir_lexed *lexed,
                              weir_buf *out)
{
    weir_admission a;
    if (!engine->cache || !weir_cache_now(engine->cache)->settings.enabled)
        return weir_buf_printf(out, "cached: no, cache.enabled is false\n");
    const weir_cache_policy *policy = weir_cache_now(engine->cache);
    if (!database->history)
        return weir_buf_printf(out, "cached: no, this database's changes are not followed\n");
    weir_admission_judge(policy, database, user, weir_buf_slice(&lexed->text), footprint,
                         lexed->hint, &a);
    /* Without a schema nothing is understood: why there is none says more. */
    bool open = !a.declared &&
                (a.miss == WEIR_MISS_ABSENT || a.miss == WEIR_MISS_REFUSED + WEIR_REFUSAL_UNKNOWN);
    bool unfollowed = open && !weir_history_is_followed(database->history);
    bool standby = open && !unfollowed && weir_database_schema_doubted(database);
    int r = unfollowed ? explain_unfollowed(database->history, out)
            : standby  ? explain_standby(out)
                       : explain_verdict(&a, footprint, out);
    if (r == 0)
        r = weir_footprint_explain(footprint, out);
    if (r == 0 && policy->settings.whole_tables)
        r = weir_buf_printf(out, "keys are not used: cache.granularity is table\n");
    if (r == 0)
        r = explain_strategies(&a, out);
    if (r == 0 && a.miss == WEIR_MISS_ABSENT && !a.insisted && policy->settings.by_benefit)
        r = explain_worth(engine, weir_buf_slice(&lexed->text), out);
    if (r == 0 && a.name_space.len > 0)
        r = weir_buf_printf(out, "namespace: %.*s\n", (int)a.name_space.len,
                            (const char *)a.name_space.data);
    if (r == 0)
        r = explain_tags(a.tags, out);
    return r == 0 ? explain_tags(a.more, out) : r;
}

int weir_session_explain_cache(weir_session *session, weir_slice text, weir_buf *out)
{
    weir_worker *w = session->worker;
    weir_statement statement;
    weir_session_understand(session, text, &statement);
    const weir_template *t =
        weir_template_find(w->engine->templates, statement.template_id, statement.template_serial);
    if (!t)
        return weir_buf_printf(out, "cached: no, the statement is not understood\n");
    return weir_engine_explain_cache(
        w->engine, session->pools->database, weir_slice_cstr(session->pools->user),
        atomic_load_explicit(&t->footprint, memory_order_acquire), &w->lexed, out);
}
