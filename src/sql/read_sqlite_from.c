/* FROM of SQLite: a tree of joins that leans to the left, comma and JOIN alike. */
#include "sql/reader.h"

static weir_from *nested(weir_reader *r);

/* [AS] alias; empty: none. */
static weir_slice alias(weir_reader *r)
{
    if (weir_reader_take(r, "as") || weir_reader_at_plain_name(r))
        return weir_reader_name(r);
    if (r->t.type == TOKEN_LITERAL)
        weir_reader_fail(r, "it has a string where a name is expected");
    return weir_slice_make(r->scan.end, 0);
}

static weir_from *derived(weir_reader *r)
{
    weir_from *leaf = weir_reader_add_leaf(r, WEIR_FROM_DERIVED);
    if (!leaf)
        return NULL;
    leaf->query = weir_reader_query(r, r->level->query->outer);
    weir_reader_expect_type(r, TOKEN_CLOSE);
    leaf->alias = alias(r);
    return leaf;
}

static void indexed(weir_reader *r)
{
    if (weir_reader_is(r, "not") && weir_reader_next_is(r, "indexed")) {
        weir_reader_advance(r);
        weir_reader_advance(r);
    } else if (weir_reader_take(r, "indexed")) {
        weir_reader_expect(r, "by");
        weir_reader_name(r);
    }
}

static weir_from *relation(weir_reader *r)
{
    weir_from *leaf = weir_reader_add_leaf(r, WEIR_FROM_RELATION);
    if (!leaf)
        return NULL;
    leaf->name = weir_reader_name(r);
    if (weir_reader_take_type(r, TOKEN_DOT)) {
        leaf->schema = leaf->name;
        leaf->name = weir_reader_name(r);
    }
    if (weir_reader_take_type(r, TOKEN_OPEN)) {
        leaf->kind = WEIR_FROM_FUNCTION;
        weir_reader_expr_list(r);
        weir_reader_expect_type(r, TOKEN_CLOSE);
    }
    leaf->alias = alias(r);
    if (leaf->alias.len == 0)
        leaf->alias = leaf->name;
    indexed(r);
    return leaf;
}

static weir_from *item(weir_reader *r)
{
    if (!weir_reader_take_type(r, TOKEN_OPEN))
        return relation(r);
    if (weir_reader_at_query(r))
        return derived(r);
    weir_from *f = nested(r);
    weir_reader_expect_type(r, TOKEN_CLOSE);
    if (weir_reader_is(r, "as") || weir_reader_at_plain_name(r))
        weir_reader_fail(r, "a join in parentheses has a name of its own");
    return f;
}

/* The words before JOIN, in any order as SQLite has them. */
typedef struct join_words {
    bool natural, left, right, full;
} join_words;

/* False: no join follows. */
static bool joins(weir_reader *r, join_words *ret)
{
    bool words = true, any = false;
    *ret = (join_words){.natural = false};
    if (weir_reader_take_type(r, TOKEN_COMMA))
        return true;
    while (words) {
        words = true;
        if (weir_reader_take(r, "natural"))
            ret->natural = true;
        else if (weir_reader_take(r, "left"))
            ret->left = true;
        else if (weir_reader_take(r, "right"))
            ret->right = true;
        else if (weir_reader_take(r, "full"))
            ret->full = true;
        else
            words = weir_reader_take(r, "inner") || weir_reader_take(r, "cross") ||
                    weir_reader_take(r, "outer");
        any = any || words;
    }
    if (weir_reader_take(r, "join"))
        return true;
    if (any)
        weir_reader_fail(r, "the statement has a shape that is not looked into");
    return false;
}

static weir_join kind_of(const join_words *w)
{
    if (w->full || (w->left && w->right))
        return WEIR_JOIN_FULL;
    if (w->left)
        return WEIR_JOIN_LEFT;
    return w->right ? WEIR_JOIN_RIGHT : WEIR_JOIN_INNER;
}

/* Subqueries of an ON are no conjuncts: nothing is concluded from them. */
static weir_conjunct *on(weir_reader *r)
{
    weir_conjunct *first = NULL;
    weir_expr e = weir_reader_expr(r);
    for (weir_term *t = e.first; t; t = t->next) {
        if (t->sublink)
            continue;
        t->conjunct.next = first;
        first = &t->conjunct;
    }
    return first;
}

static weir_name *using(weir_reader *r)
{
    weir_name *first = NULL;
    weir_reader_expect_type(r, TOKEN_OPEN);
    do {
        weir_name *n = weir_reader_alloc(r, sizeof(*n));
        if (!n)
            return NULL;
        n->text = weir_reader_name(r);
        n->next = first;
        first = n;
    } while (weir_reader_take_type(r, TOKEN_COMMA));
    weir_reader_expect_type(r, TOKEN_CLOSE);
    return first;
}

static weir_from *join(weir_reader *r, weir_from *left, const join_words *words)
{
    if (r->level->joins++ == WEIR_READER_JOINS_MAX)
        weir_reader_fail(r, "it joins too many to be looked into");
    weir_from *f = weir_reader_alloc(r, sizeof(*f));
    if (!f)
        return left;
    f->kind = WEIR_FROM_JOIN;
    f->join = kind_of(words);
    f->natural = words->natural;
    f->left = left;
    f->right = item(r);
    if (weir_reader_take(r, "on"))
        f->on = on(r);
    else if (weir_reader_take(r, "using"))
        f->merged = using(r);
    r->level->merges |= f->natural || f->merged;
    r->level->outer_joins_right |= f->join == WEIR_JOIN_RIGHT || f->join == WEIR_JOIN_FULL;
    r->level->nested |= f->right && f->right->kind == WEIR_FROM_JOIN;
    return f;
}

static weir_from *nested(weir_reader *r)
{
    join_words words;
    if (r->depth == WEIR_READER_DEPTH_MAX)
        weir_reader_fail(r, "the statement is nested too deeply to be looked into");
    if (r->failed)
        return NULL;
    r->depth++;
    weir_from *f = item(r);
    while (joins(r, &words))
        f = join(r, f, &words);
    r->depth--;
    return f;
}

void weir_reader_from(weir_reader *r)
{
    bool survivors = r->survivors;
    r->survivors = false;
    r->level->from = nested(r);
    r->survivors = survivors;
}
