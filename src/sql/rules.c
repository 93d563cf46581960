/* Key constraints by the test of record: *replacing a reference by its rows with column = value
 * leaves the result the same in every state of the database* (DESIGN section 4).
 *
 * A fact is an equality that holds for every row that matters where it is used:
 *   - of a level: its WHERE, and the ON of joins that every row of it has passed (inner ones,
 *     reached from the top through inner joins and preserved sides);
 *   - of an outer join's nullable side: also that join's ON. Rows of that side which violate one of
 *     these facts are not joined, or what they are joined to is thrown away above, and so is the
 *     row of NULLs that would stand in their place: strict equalities are not true of NULLs;
 *   - of a subquery: also those of the level around it, where its value matters only for rows that
 *     the WHERE there keeps. Never the other way round: what a subquery compares says nothing of
 *     the rows outside (NOT EXISTS keeps those for which it is false).
 * A reference is restricted where such facts lead, from column to column of one way of comparing,
 * to a value. Facts are lists that only grow at their head: leaving a scope is forgetting a head.
 */
#include "sql/rules.h"
#include "sql/columns.h"

#include <stdio.h>

#define CLOSURE_MAX 64u /* columns that are equal, looked at for one of them */
#define FACTS_MAX 2048u

typedef struct fact {
    weir_column left, right; /* right.leaf NULL: left = value */
    const weir_operand *value;
    const struct fact *next;
} fact;

typedef struct rules {
    weir_dependencies *to;
    const weir_rules_target *target;
    unsigned steps, facts;
} rules;

static void scan(rules *r, const weir_query *query, const fact *facts);

/* ---- facts ---- */

static const fact *add(rules *r, const fact *facts, const fact *one)
{
    if (r->facts++ >= FACTS_MAX)
        return facts;
    fact *f = weir_arena_alloc(r->to->arena, sizeof(*f));
    if (!f) {
        r->to->out_of_memory = true;
        return facts;
    }
    *f = *one;
    f->next = facts;
    return f;
}

static const fact *add_equal(rules *r, const fact *facts, const weir_column *left,
                             const weir_column *right)
{
    if (left->type == WEIR_KEY_NONE || left->type != right->type)
        return facts;
    return add(r, facts, &(fact){.left = *left, .right = *right});
}

static const fact *add_value(rules *r, const fact *facts, const weir_column *column,
                             const weir_operand *value)
{
    if (column->type == WEIR_KEY_NONE)
        return facts;
    return add(r, facts, &(fact){.left = *column, .value = value});
}

static bool contains(const weir_from *from, const weir_from *leaf)
{
    if (from->kind != WEIR_FROM_JOIN)
        return from == leaf;
    return contains(from->left, leaf) || contains(from->right, leaf);
}

/* A condition of a join speaks of what it joins (and of levels further out); SQLite lets it name
 * others of the level, from which nothing is concluded. */
static bool is_of_join(const weir_from *join, const weir_level *level, const weir_columns *columns)
{
    return columns->count == 1 &&
           (columns->items[0].leaf->level != level || contains(join, columns->items[0].leaf));
}

/* `join` NULL: a conjunct of WHERE. */
static const fact *add_conjunct(rules *r, const fact *facts, const weir_level *level,
                                const weir_from *join, const weir_conjunct *c)
{
    weir_columns left, right;
    const weir_operand *a = &c->left, *b = &c->right;
    if (a->kind == WEIR_OPERAND_PLACE) {
        a = &c->right;
        b = &c->left;
    }
    if (a->kind != WEIR_OPERAND_COLUMN || !weir_columns_resolve(level, a, &r->steps, &left) ||
        (join && !is_of_join(join, level, &left)))
        return facts;
    for (unsigned i = 0; b->kind == WEIR_OPERAND_PLACE && i < left.count; i++)
        facts = add_value(r, facts, &left.items[i], b);
    if (b->kind != WEIR_OPERAND_COLUMN || left.count != 1 ||
        !weir_columns_resolve(level, b, &r->steps, &right) || right.count != 1 ||
        (join && !is_of_join(join, level, &right)))
        return facts;
    return add_equal(r, facts, &left.items[0], &right.items[0]);
}

static const fact *add_where(rules *r, const fact *facts, const weir_level *level)
{
    for (const weir_conjunct *c = level->where; c; c = c->next)
        facts = add_conjunct(r, facts, level, NULL, c);
#ifdef WEIR_TEST_FAULT_NOT_EXISTS
    for (const weir_sublink *s = level->sublinks; s; s = s->next) {
        if (s->kind == WEIR_SUBLINK_NOT_EXISTS)
            facts = add_where(r, facts, s->query->levels);
    }
#endif
    return facts;
}

/* USING and NATURAL compare with the leftmost that has the column, as long as all joins of the
 * level are inner or left. */
static const fact *add_merged(rules *r, const fact *facts, const weir_level *level,
                              const weir_from *join, weir_slice name)
{
    weir_column left, right;
    if (weir_columns_of_leaf(join->right, name, &r->steps, &right) != WEIR_LOOKUP_FOUND)
        return facts;
    for (const weir_from *f = level->leaves; f && f != join->right; f = f->next_leaf) {
        weir_lookup found = weir_columns_of_leaf(f, name, &r->steps, &left);
        if (found == WEIR_LOOKUP_UNSURE)
            return facts;
        if (found == WEIR_LOOKUP_FOUND)
            return add_equal(r, facts, &left, &right);
    }
    return facts;
}

static const fact *add_on(rules *r, const fact *facts, const weir_level *level,
                          const weir_from *join)
{
    for (const weir_conjunct *c = join->on; c; c = c->next)
        facts = add_conjunct(r, facts, level, join, c);
    if (level->outer_joins_right || level->nested)
        return facts;
    for (const weir_name *n = join->merged; n; n = n->next)
        facts = add_merged(r, facts, level, join, n->text);
    const weir_relation_info *info = join->natural ? join->right->info : NULL;
    for (size_t i = 0; info && i < info->column_count; i++)
        facts = add_merged(r, facts, level, join, info->columns[i].name);
    return facts;
}

/* The conditions that every row of `from` has passed. */
static const fact *add_passed(rules *r, const fact *facts, const weir_level *level,
                              const weir_from *from)
{
    if (!from || from->kind != WEIR_FROM_JOIN || from->join == WEIR_JOIN_FULL)
        return facts;
    if (from->join == WEIR_JOIN_INNER)
        facts = add_on(r, facts, level, from);
    if (from->join != WEIR_JOIN_RIGHT)
        facts = add_passed(r, facts, level, from->left);
    if (from->join != WEIR_JOIN_LEFT)
        facts = add_passed(r, facts, level, from->right);
    return facts;
}

/* ---- closure ---- */

typedef struct closure {
    weir_column columns[CLOSURE_MAX];
    unsigned count;
} closure;

static void reach(closure *c, const weir_column *column)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (weir_column_eq(&c->columns[i], column))
            return;
    }
    if (c->count < CLOSURE_MAX)
        c->columns[c->count++] = *column;
}

/* The value that the facts give a column; NULL: none. */
static const weir_operand *value_of(rules *r, const fact *facts, const weir_column *column)
{
    closure c = {.count = 0};
    reach(&c, column);
    for (unsigned i = 0; i < c.count; i++) {
        for (const fact *f = facts; f && r->steps < WEIR_COLUMNS_STEPS_MAX; f = f->next) {
            r->steps++;
            bool left = weir_column_eq(&f->left, &c.columns[i]);
            if (left && !f->right.leaf)
                return f->value;
            if (left)
                reach(&c, &f->right);
            else if (f->right.leaf && weir_column_eq(&f->right, &c.columns[i]))
                reach(&c, &f->left);
        }
    }
    return NULL;
}

/* ---- references ---- */

/* Calls `visit` for each column of the leaf that some fact names, until it says false. */
static void each_column(const fact *facts, const weir_from *leaf,
                        bool (*visit)(void *user, const weir_column *column), void *user)
{
    for (const fact *f = facts; f; f = f->next) {
        if (f->left.leaf == leaf && !visit(user, &f->left))
            return;
        if (f->right.leaf == leaf && !visit(user, &f->right))
            return;
    }
}

typedef struct choice {
    rules *rules;
    const fact *facts;
    const weir_from *leaf;
    weir_column column;
    const weir_operand *value; /* NULL: none so far */
    int rank;
} choice;

/* The rowid's alias is the best key: one row. */
static int rank(const choice *c, const weir_column *column, const weir_operand *value)
{
    if (weir_ascii_eq(column->name, c->leaf->info->rowid_alias))
        return 3;
    return value->list || column->type == WEIR_KEY_PG_BOOL ? 1 : 2;
}

static bool choose(void *user, const weir_column *column)
{
    choice *c = user;
    const weir_operand *value = value_of(c->rules, c->facts, column);
    if (value && rank(c, column, value) > c->rank) {
        c->column = *column;
        c->value = value;
        c->rank = rank(c, column, value);
    }
    return c->rank < 3;
}

static bool fix(void *user, const weir_column *column)
{
    const choice *c = user;
    const weir_operand *value = value_of(c->rules, c->facts, column);
    if (value)
        c->rules->target->fixed(c->rules->target->user, c->leaf, column->name, value);
    return true;
}

static const char *words(rules *r, const weir_operand *value)
{
    char text[80];
    if (value->list)
        return "in a list";
    if (value->param.len == 0)
        return value->negated ? "= -?" : "= ?";
    int n = snprintf(text, sizeof(text), "= %s%.*s", value->negated ? "-" : "",
                     (int)(value->param.len < 60 ? value->param.len : 60), value->param.data);
    const char *copy = weir_arena_strdup(r->to->arena, weir_slice_make(text, (size_t)n));
    if (!copy)
        r->to->out_of_memory = true;
    return copy;
}

/* Why all of it is needed. */
static const char *why_whole(const weir_from *leaf, const fact *facts)
{
    bool compared = false;
    for (const fact *f = facts; f && !compared; f = f->next)
        compared = f->left.leaf == leaf || f->right.leaf == leaf;
    if (compared)
        return "its columns are compared with other columns only";
    return "no column of it must equal a value, as far as is proved";
}

static void refer(rules *r, const weir_from *leaf, const fact *facts)
{
    choice c = {.rules = r, .facts = facts, .leaf = leaf, .value = NULL};
    if (!leaf->info || leaf->info->kind != WEIR_RELATION_TABLE)
        return;
    if (r->target && leaf->target)
        each_column(facts, leaf, fix, &c);
    each_column(facts, leaf, choose, &c);
    if (!c.value) {
        weir_dependencies_add_whole(r->to, leaf->info->name, why_whole(leaf, facts));
        return;
    }
    weir_read_dependency key = {.key = c.column.type,
                                .place = c.value->place,
                                .negated = c.value->negated,
                                .array = c.value->array,
                                .operand = words(r, c.value)};
    weir_dependencies_add_key(r->to, leaf->info->name, c.column.name, &key);
}

/* ---- derived tables ---- */

typedef struct pushing {
    rules *rules;
    const fact *outside;
    const fact *inside;
    const weir_from *leaf;
} pushing;

static bool push(void *user, const weir_column *column)
{
    pushing *p = user;
    weir_column inside;
    assert(p->leaf && p->leaf->kind == WEIR_FROM_DERIVED);
    const weir_operand *value = value_of(p->rules, p->outside, column);
    if (value && weir_columns_inside(p->leaf->query, column->name, &p->rules->steps, &inside))
        p->inside = add_value(p->rules, p->inside, &inside, value);
    return true;
}

/* What is asked of a derived table's columns is asked of what they are inside, if its rows are
 * those of its FROM. `around`: the facts of the levels around, which hold inside too; a lateral one
 * is asked only for rows beside it of which the level's own facts hold. */
static void descend(rules *r, const weir_from *leaf, const fact *facts, const fact *around)
{
    pushing p = {
        .rules = r, .outside = facts, .inside = leaf->lateral ? facts : around, .leaf = leaf};
    each_column(facts, leaf, push, &p);
    scan(r, leaf->query, p.inside);
}

/* ---- levels ---- */

static void walk(rules *r, const weir_level *level, const weir_from *from, const fact *facts,
                 const fact *around)
{
    if (from->kind == WEIR_FROM_RELATION)
        refer(r, from, facts);
    else if (from->kind == WEIR_FROM_DERIVED)
        descend(r, from, facts, around);
    if (from->kind != WEIR_FROM_JOIN)
        return;
    bool keeps_left = from->join == WEIR_JOIN_INNER || from->join == WEIR_JOIN_LEFT;
    bool keeps_right = from->join == WEIR_JOIN_INNER || from->join == WEIR_JOIN_RIGHT;
    const fact *nullable = facts;
    if (keeps_left != keeps_right)
        nullable = add_on(r, facts, level, from);
    const fact *left = keeps_left ? facts : add_passed(r, nullable, level, from->left);
    const fact *right = keeps_right ? facts : add_passed(r, nullable, level, from->right);
    walk(r, level, from->left, left, around);
    walk(r, level, from->right, right, around);
}

/* `x IN (SELECT y …)` as a conjunct: y = x of the rows that can make it true. */
static const fact *add_in(rules *r, const fact *facts, const weir_level *level,
                          const weir_sublink *s)
{
    weir_columns left;
    weir_column inside;
    const weir_output *o = s->query->levels->outputs;
    if (s->kind != WEIR_SUBLINK_IN || s->left.kind != WEIR_OPERAND_COLUMN || !o || o->next ||
        o->name.len == 0 || !weir_columns_resolve(level, &s->left, &r->steps, &left) ||
        left.count != 1 || !weir_columns_inside(s->query, o->name, &r->steps, &inside))
        return facts;
    return add_equal(r, facts, &inside, &left.items[0]);
}

static void scan_level(rules *r, const weir_level *level, const fact *around)
{
    const fact *facts = add_where(r, around, level);
    facts = add_passed(r, facts, level, level->from);
    if (level->from)
        walk(r, level, level->from, facts, around);
    for (const weir_sublink *s = level->sublinks; s; s = s->next) {
        const fact *outside = s->survivors ? facts : around;
        scan(r, s->query, s->survivors ? add_in(r, outside, level, s) : outside);
    }
}

static void scan(rules *r, const weir_query *query, const fact *facts)
{
    for (const weir_cte *c = query->ctes; c; c = c->next)
        scan(r, c->query, NULL);
    for (const weir_level *l = query->levels; l; l = l->next)
        scan_level(r, l, facts);
}

void weir_rules_apply(weir_query *query, const weir_catalog *catalog,
                      const weir_rules_target *target, weir_dependencies *ret)
{
    rules r = {.to = ret, .target = target};
    if (catalog)
        weir_columns_bind(query, catalog);
    scan(&r, query, NULL);
}
