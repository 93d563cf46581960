/* Least frequently used goes first; among equals the least recently used.
 *
 * The nodes are a treap: a search tree by (frequency, turn), where a node's hash says who is above
 * whom. Its depth is O(log n) for hashes that nobody can choose (the store's are keyed), it needs
 * no memory beside the nodes (`link` is left and right, `stamp` the key), and no recursion. */
#include "cache/policies.h"
#include "cache/policy_queue.h"

#include <stdlib.h>

/* The stamp: 24 bits of frequency, which stay at their maximum, 40 of the turn, which wrap round
 * (then some recent nodes seem old: a tie broken badly). */
#define TURN_BITS 40
#define TURN_MASK ((UINT64_C(1) << TURN_BITS) - 1)
#define FREQUENCY_MAX ((UINT64_C(1) << (64 - TURN_BITS)) - 1)

typedef struct lfu {
    weir_policy policy;
    weir_list *root;
    uint64_t turn;
} lfu;

static lfu *lfu_of(weir_policy *policy)
{
    return WEIR_CONTAINER_OF(policy, lfu, policy);
}

/* ---- the treap ---- */

static bool is_before(weir_list *a, weir_list *b)
{
    uint64_t x = weir_policy_queue_node(a)->stamp, y = weir_policy_queue_node(b)->stamp;
    return x != y ? x < y : (uintptr_t)a < (uintptr_t)b;
}

static bool is_above(weir_list *a, weir_list *b)
{
    return weir_policy_queue_node(a)->hash >= weir_policy_queue_node(b)->hash;
}

/* What is before `at` goes left, the rest right. */
static void split(weir_list *tree, weir_list *at, weir_list **left, weir_list **right)
{
    while (tree) {
        if (is_before(tree, at)) {
            *left = tree;
            left = &tree->next;
            tree = tree->next;
        } else {
            *right = tree;
            right = &tree->prev;
            tree = tree->prev;
        }
    }
    *left = *right = NULL;
}

static void merge(weir_list **tree, weir_list *left, weir_list *right)
{
    while (left && right) {
        if (is_above(left, right)) {
            *tree = left;
            tree = &left->next;
            left = left->next;
        } else {
            *tree = right;
            tree = &right->prev;
            right = right->prev;
        }
    }
    *tree = left ? left : right;
}

static void tree_insert(weir_list **tree, weir_list *link)
{
    while (*tree && is_above(*tree, link))
        tree = is_before(link, *tree) ? &(*tree)->prev : &(*tree)->next;
    split(*tree, link, &link->prev, &link->next);
    *tree = link;
}

/* It is in there. */
static void tree_remove(weir_list **tree, weir_list *link)
{
    while (*tree != link)
        tree = is_before(link, *tree) ? &(*tree)->prev : &(*tree)->next;
    merge(tree, link->prev, link->next);
}

/* ---- the policy ---- */

static int lfu_new(size_t capacity, size_t entries_max, weir_policy **ret)
{
    (void)capacity, (void)entries_max;
    lfu *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (lfu){.policy = {&weir_policy_lfu}};
    *ret = &l->policy;
    return 0;
}

static void lfu_free(weir_policy *policy)
{
    if (policy)
        free(lfu_of(policy));
}

/* The store asks for victims until it fits: there is nothing to know. */
static void lfu_resize(weir_policy *policy, size_t capacity)
{
    (void)policy, (void)capacity;
}

static void place(lfu *l, weir_policy_node *node, uint64_t frequency)
{
    if (frequency > FREQUENCY_MAX)
        frequency = FREQUENCY_MAX;
    node->stamp = frequency << TURN_BITS | (l->turn++ & TURN_MASK);
    tree_insert(&l->root, &node->link);
}

static void lfu_insert(weir_policy *policy, weir_policy_node *node)
{
    place(lfu_of(policy), node, 1);
}

static void lfu_remove(weir_policy *policy, weir_policy_node *node)
{
    tree_remove(&lfu_of(policy)->root, &node->link);
    weir_list_init(&node->link);
}

static void lfu_hit(weir_policy *policy, weir_policy_node *node)
{
    lfu_remove(policy, node);
    place(lfu_of(policy), node, (node->stamp >> TURN_BITS) + 1);
}

static weir_policy_node *lfu_evict(weir_policy *policy)
{
    weir_list *first = lfu_of(policy)->root;
    if (!first)
        return NULL;
    while (first->prev)
        first = first->prev;
    weir_policy_node *node = weir_policy_queue_node(first);
    lfu_remove(policy, node);
    return node;
}

const weir_policy_ops weir_policy_lfu = {
    .new = lfu_new,
    .free = lfu_free,
    .resize = lfu_resize,
    .insert = lfu_insert,
    .remove = lfu_remove,
    .hit = lfu_hit,
    .evict = lfu_evict,
    .counts_hits = true,
};
