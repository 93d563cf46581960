/* One statement's dependencies, refusals and touches. */
#include "sql/pg_reads.h"
#include "base/hash.h"
#include "base/list.h"
#include "sql/read_pg_write.h"
#include "sql/rules.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)16 << 20)
#define SEED_SURROUNDINGS 0x73676e69646e7573ULL

typedef struct reads {
    weir_pg_reads base;
    weir_arena arena;
    weir_pg_reader reader;
    const weir_pg_surroundings *surroundings;
    weir_dependencies dependencies, touches;
} reads;

/* Of what a footprint was made under. */
static uint64_t fingerprint_of(const weir_pg_surroundings *s)
{
    uint64_t id = weir_hash(
        (weir_hash_seed){{SEED_SURROUNDINGS, weir_schema_fingerprint(s->schema)}}, s->search_path);
    id = weir_hash((weir_hash_seed){{weir_schema_role(s->schema, s->role), id}}, s->role);
    return id ? id : 1;
}

static void reads_free(reads *p)
{
    if (!p)
        return;
    weir_arena_fini(&p->arena);
    free(p);
}

/* ---- names ---- */

static int lower_compare(weir_slice a, weir_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        uint8_t x = weir_ascii_lower(a.data[i]), y = weir_ascii_lower(b.data[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static int compare_names(const void *x, const void *y)
{
    const weir_pg_name *a = x, *b = y;
    if (a->qualifier != b->qualifier)
        return a->qualifier ? 1 : -1;
    return lower_compare(a->text, b->text);
}

/* Two names differ in case alone. */
static bool names_are_alike(weir_pg_reader *r)
{
    size_t count = 0, i = 0;
    for (const weir_pg_name *n = r->names; n; n = n->next)
        count++;
    weir_pg_name *sorted = weir_pg_alloc(r, (count + 1) * sizeof(*sorted));
    if (!sorted)
        return true;
    for (const weir_pg_name *n = r->names; n; n = n->next)
        sorted[i++] = *n;
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (i = 1; i < count; i++) {
        if (compare_names(&sorted[i - 1], &sorted[i]) == 0 &&
            !weir_slice_eq(sorted[i - 1].text, sorted[i].text))
            return true;
    }
    return false;
}

/* ---- dependencies ---- */

static void depend_whole(reads *p, const weir_schema_relation *relation, const char *why)
{
    const weir_schema *s = p->reader.schema;
    if (relation->kind != WEIR_SCHEMA_VIEW) {
        weir_dependencies_add_whole(&p->dependencies, relation->full, why);
        return;
    }
    for (uint32_t i = 0; i < relation->read_count; i++)
        weir_dependencies_add_whole(&p->dependencies, weir_schema_at(s, relation->reads[i])->full,
                                    "a view reads it");
}

/* What the rules know is there by now; the rest is depended on as a whole. */
static void depend(reads *p)
{
    weir_pg_reader *r = &p->reader;
    if (!r->gave_up && names_are_alike(r))
        weir_pg_give_up(r, "two names differ in case alone");
    if (r->first && !r->gave_up) {
        weir_rules_target target = {.fixed = weir_pg_found_fixed, .user = r};
        weir_rules_apply(r->first, NULL, &target, &p->dependencies);
    }
    for (const weir_pg_reference *ref = r->references; ref; ref = ref->next) {
        bool keyed = ref->info && ref->info->kind == WEIR_RELATION_TABLE && !r->gave_up;
        if (!keyed)
            depend_whole(p, ref->relation, r->gave_up ? r->gave_up : "its columns are renamed");
        else if (!weir_dependencies_has(&p->dependencies, ref->relation->full))
            depend_whole(p, ref->relation, "its place in the text was not found");
    }
    if (p->dependencies.too_many)
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "reads more relations than can be followed");
}

/* ---- the statement ---- */

/* Statements of the server's own keeping, which change no row. */
static bool changes_nothing(const PgQuery__Node *stmt)
{
    switch (stmt->node_case) {
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
    case PG_QUERY__NODE__NODE_LOCK_STMT:
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
        return true;
    default:
        return false;
    }
}

/* Of what neither reads nor writes by its own words. */
static void read_other(weir_pg_reader *r, const PgQuery__Node *stmt, weir_kind kind)
{
    if (kind == WEIR_KIND_TRANSACTION) {
        if (weir_pg_transaction(stmt) == WEIR_TRANSACTION_TWO_PHASE)
            weir_pg_touch_everything(r, "ends what another transaction prepared");
    } else if (kind != WEIR_KIND_SESSION && !changes_nothing(stmt)) {
        weir_pg_touch_everything(r, "is of a kind whose writes are not known");
    }
}

static void read_statement(reads *p, const PgQuery__Node *stmt, weir_kind kind)
{
    weir_pg_reader *r = &p->reader;
    if (stmt->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        (void)weir_pg_query(r, stmt->select_stmt, NULL, NULL);
        return;
    }
    weir_pg_refuse(r, WEIR_REFUSAL_NO_READ, "is no plain read (%s)", weir_kind_name(kind));
    if (kind == WEIR_KIND_WRITE || kind == WEIR_KIND_COPY)
        (void)weir_pg_write(r, stmt);
    else
        read_other(r, stmt, kind);
}

static void judge(weir_pg_reader *r, const weir_footprint *f)
{
    if (weir_schema_partial(r->schema)[0])
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "the schema is not known as a whole: %s",
                       weir_schema_partial(r->schema));
    if (weir_schema_has_foreign_casts(r->schema))
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "casts of users' own may call anything");
    if (f->kind != WEIR_KIND_READ)
        weir_pg_refuse(r, WEIR_REFUSAL_NO_READ, "is no plain read (%s)", weir_kind_name(f->kind));
    else if (f->effects != 0)
        weir_pg_refuse(r, WEIR_REFUSAL_EFFECTS, "has effects on its session (%s)",
                       weir_effect_name(f->effects));
}

/* Where its literals stand; of a text that is not the one they were lexed from, nowhere. */
static void count_places(weir_pg_reader *r)
{
    for (size_t i = 0; i < r->lexed->literal_count && i < WEIR_SQL_LITERALS_MAX; i++) {
        uint32_t place = r->lexed->literals[i].place;
        if (place < WEIR_SQL_LITERALS_MAX && place >= r->place_count)
            r->place_count = (uint16_t)(place + 1);
    }
}

/* Then no statement of the template has a literal elsewhere. */
static bool all_places_are_known(const weir_lexed *l)
{
    for (size_t i = 0; i < l->literal_count && i < WEIR_SQL_LITERALS_MAX; i++) {
        if (l->literals[i].place == WEIR_PLACE_NONE)
            return false;
    }
    return l->literal_count <= WEIR_SQL_LITERALS_MAX;
}

static void put_reads(reads *p, weir_footprint *f)
{
    const weir_pg_reader *r = &p->reader;
    f->refusal = r->refusals.refusal;
    f->reason = r->refusals.words;
    f->fingerprint = fingerprint_of(p->surroundings);
    f->dependencies = p->dependencies.items;
    f->dependency_count = p->dependencies.count;
    f->places = r->places;
    f->place_count = r->place_count;
    f->timeless_rest = all_places_are_known(r->lexed);
    f->touches_everything = r->touches_everything;
    f->touches_words = r->touches_words;
    f->touches = p->touches.items;
    f->touch_count = r->touches_everything ? 0 : p->touches.count;
}

static int fill(weir_pg_reads *base, const PgQuery__ParseResult *tree, weir_footprint *f)
{
    reads *p = WEIR_CONTAINER_OF(base, reads, base);
    weir_pg_reader *r = &p->reader;
    size_t count = 0;
    count_places(r);
    judge(r, f);
    for (size_t i = 0; i < tree->n_stmts; i++) {
        const PgQuery__Node *stmt = tree->stmts[i]->stmt;
        if (!stmt)
            continue;
        if (count++ > 0) {
            weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "is more than one statement");
            weir_pg_give_up(r, "there is more than one statement");
        }
        r->scope = NULL;
        r->query = NULL;
        r->level = NULL;
        read_statement(p, stmt, tree->n_stmts == 1 ? f->kind : weir_pg_kind(stmt));
    }
    depend(p);
    weir_pg_touches(r, &p->touches);
    if (r->no_memory || p->dependencies.out_of_memory)
        return -ENOMEM;
    put_reads(p, f);
    return 0;
}

static int reads_new(weir_slice text, const weir_lexed *lexed, const weir_pg_surroundings *s,
                     reads **ret)
{
    reads *p = malloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    weir_arena_init(&p->arena, ARENA_MAX);
    weir_dependencies_init(&p->dependencies, &p->arena);
    weir_dependencies_init(&p->touches, &p->arena);
    p->base.fill = fill;
    p->surroundings = s;
    p->reader =
        (weir_pg_reader){.arena = &p->arena, .text = text, .lexed = lexed, .schema = s->schema};
    int r = weir_search_path_read(s->search_path, s->role, &p->arena, &p->reader.path);
    if (r < 0) {
        reads_free(p);
        return r;
    }
    if (r > 0)
        weir_pg_refuse(&p->reader, WEIR_REFUSAL_UNKNOWN, "its search_path is not understood");
    *ret = p;
    return 0;
}

int weir_sql_analyze_postgres_reads(weir_slice text, const weir_lexed *lexed,
                                    const weir_pg_surroundings *s, weir_footprint **ret)
{
    reads *p = NULL;
    weir_footprint *f = NULL;
    int r = reads_new(text, lexed, s, &p);
    if (r == 0)
        r = weir_pg_analyze(text, lexed, &p->base, &f);
    reads_free(p);
    if (r < 0)
        return r;
    /* What the grammar did not understand may change anything. */
    if (f->fingerprint == 0) {
        f->fingerprint = fingerprint_of(s);
        f->touches_everything = f->kind != WEIR_KIND_EMPTY && f->kind != WEIR_KIND_READ;
    }
    *ret = f;
    return 0;
}
