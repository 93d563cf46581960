/* Operators: which of PostgreSQL's is meant by the types of its sides, and how SQLite says it. */
#include "compat/typed_lists.h"

typedef typed_operator operator;

static const operator operators[] = {
    {"+", '2', '2', '2', "weir_int2(%1 + %2)"},
    {"+", '4', '4', '4', "weir_int4(%1 + %2)"},
    {"+", '8', '8', '8', "weir_sum8(%1, %2)"},
    {"+", 'r', 'r', 'r', "weir_float4(%1 + %2)"},
    {"+", 'r', 'f', 'f', "weir_float_sum(%1, %2)"},
    {"+", 'f', 'r', 'f', "weir_float_sum(%1, %2)"},
    {"+", 'f', 'f', 'f', "weir_float_sum(%1, %2)"},
    {"+", 'n', 'n', 'n', "weir_add(%1, %2)"},
    {"-", '2', '2', '2', "weir_int2(%1 - %2)"},
    {"-", '4', '4', '4', "weir_int4(%1 - %2)"},
    {"-", '8', '8', '8', "weir_difference8(%1, %2)"},
    {"-", 'r', 'r', 'r', "weir_float4(%1 - %2)"},
    {"-", 'r', 'f', 'f', "weir_float_difference(%1, %2)"},
    {"-", 'f', 'r', 'f', "weir_float_difference(%1, %2)"},
    {"-", 'f', 'f', 'f', "weir_float_difference(%1, %2)"},
    {"-", 'n', 'n', 'n', "weir_sub(%1, %2)"},
    {"*", '2', '2', '2', "weir_int2(%1 * %2)"},
    {"*", '4', '4', '4', "weir_int4(%1 * %2)"},
    {"*", '8', '8', '8', "weir_product8(%1, %2)"},
    {"*", 'r', 'r', 'r', "weir_float4(%1 * %2)"},
    {"*", 'r', 'f', 'f', "weir_float_product(%1, %2)"},
    {"*", 'f', 'r', 'f', "weir_float_product(%1, %2)"},
    {"*", 'f', 'f', 'f', "weir_float_product(%1, %2)"},
    {"*", 'n', 'n', 'n', "weir_mul(%1, %2)"},
    {"/", '2', '2', '2', "weir_int2(weir_quotient(%1, %2))"},
    {"/", '4', '4', '4', "weir_int4(weir_quotient(%1, %2))"},
    {"/", '8', '8', '8', "weir_quotient(%1, %2)"},
    {"/", 'r', 'r', 'r', "weir_float4(weir_float_quotient(%1, %2))"},
    {"/", 'r', 'f', 'f', "weir_float_quotient(%1, %2)"},
    {"/", 'f', 'r', 'f', "weir_float_quotient(%1, %2)"},
    {"/", 'f', 'f', 'f', "weir_float_quotient(%1, %2)"},
    {"/", 'n', 'n', 'n', "weir_div(%1, %2)"},
    {"%", '2', '2', '2', "weir_mod(%1, %2)"},
    {"%", '4', '4', '4', "weir_mod(%1, %2)"},
    {"%", '8', '8', '8', "weir_mod(%1, %2)"},
    {"%", 'n', 'n', 'n', "weir_rem(%1, %2)"},
    {"^", 'f', 'f', 'f', "weir_finite(power(%1, %2))"},
    {"^", 'n', 'n', '!', NULL},
    {"&", '2', '2', '2', "(%1 & %2)"},
    {"&", '4', '4', '4', "(%1 & %2)"},
    {"&", '8', '8', '8', "(%1 & %2)"},
    {"|", '2', '2', '2', "(%1 | %2)"},
    {"|", '4', '4', '4', "(%1 | %2)"},
    {"|", '8', '8', '8', "(%1 | %2)"},
    {"#", '2', '2', '2', "((%1 | %2) - (%1 & %2))"},
    {"#", '4', '4', '4', "((%1 | %2) - (%1 & %2))"},
    {"#", '8', '8', '8', "((%1 | %2) - (%1 & %2))"},
    {"<<", 'a', 'a', '!', NULL},
    {">>", 'a', 'a', '!', NULL},
    {"&&", 'a', 'a', '!', NULL},
    {"<<", '2', '4', '2', "weir_shift(%1, %2, 16)"},
    {"<<", '4', '4', '4', "weir_shift(%1, %2, 32)"},
    {"<<", '8', '4', '8', "weir_shift(%1, %2, 64)"},
    {">>", '2', '4', '2', "weir_shift(%1, %2, -16)"},
    {">>", '4', '4', '4', "weir_shift(%1, %2, -32)"},
    {">>", '8', '4', '8', "weir_shift(%1, %2, -64)"},
    {"+", 'd', '4', 'd', "weir_date_add(%1, %2)"},
    {"+", '4', 'd', 'd', "weir_date_add(%2, %1)"},
    {"-", 'd', '4', 'd', "weir_date_add(%1, -(%2))"},
    {"-", 'd', 'd', '4', "weir_date_diff(%1, %2)"},
    {"+", 'd', 'v', 's', "weir_moment_add(%1, %2, 1)"},
    {"+", 'v', 'd', 's', "weir_moment_add(%2, %1, 1)"},
    {"-", 'd', 'v', 's', "weir_moment_add(%1, %2, -1)"},
    {"+", 's', 'v', 's', "weir_moment_add(%1, %2, 1)"},
    {"+", 'z', 'v', 'z', "weir_moment_add(%1, %2, 1)"},
    {"+", 'v', 's', 's', "weir_moment_add(%2, %1, 1)"},
    {"+", 'v', 'z', 'z', "weir_moment_add(%2, %1, 1)"},
    {"-", 's', 'v', 's', "weir_moment_add(%1, %2, -1)"},
    {"-", 'z', 'v', 'z', "weir_moment_add(%1, %2, -1)"},
    {"-", 's', 's', 'v', "weir_moment_diff(%1, %2)"},
    {"-", 'z', 'z', 'v', "weir_moment_diff(%1, %2)"},
    {"+", 'd', 'c', 's', "weir_moment_add(%1, weir_interval(%2), 1)"},
    {"+", 'c', 'v', 'c', "weir_time_add(%1, %2, 1)"},
    {"+", 'v', 'c', 'c', "weir_time_add(%2, %1, 1)"},
    {"-", 'c', 'v', 'c', "weir_time_add(%1, %2, -1)"},
    {"-", 'c', 'c', 'v', "weir_interval_add(%1, %2, -1)"},
    {"+", 'v', 'v', 'v', "weir_interval_add(%1, %2, 1)"},
    {"-", 'v', 'v', 'v', "weir_interval_add(%1, %2, -1)"},
    {"*", 'v', 'f', 'v', "weir_interval_mul(%1, %2)"},
    {"*", 'f', 'v', 'v', "weir_interval_mul(%2, %1)"},
    {"/", 'v', 'f', 'v', "weir_interval_div(%1, %2)"},
    {"||", 't', 't', 't', "(%1 || %2)"},
    {"||", 'J', 'J', 'J', "weir_jsonb_concat(%1, %2)"},
    {"||", 'y', 'y', 'y', "CAST(%1 || %2 AS BLOB)"},
    {"->", 'J', 't', 'J', "weir_json_get(%1, %2)"},
    {"->", 'J', '4', 'J', "weir_json_get(%1, %2)"},
    {"->", 'j', 't', 'j', "weir_json_get(%1, %2)"},
    {"->", 'j', '4', 'j', "weir_json_item(%1, %2)"},
    {"->>", 'J', 't', 't', "weir_json_text(weir_json_get(%1, %2))"},
    {"->>", 'J', '4', 't', "weir_json_text(weir_json_get(%1, %2))"},
    {"->>", 'j', 't', 't', "weir_json_text(weir_json_get(%1, %2))"},
    {"->>", 'j', '4', 't', "weir_json_text(weir_json_item(%1, %2))"},
    {"#>", 'J', 't', 'J', "weir_json_path(%1, %2)"},
    {"#>", 'j', 't', 'j', "weir_json_path(%1, %2)"},
    {"#>>", 'J', 't', 't', "weir_json_text(weir_json_path(%1, %2))"},
    {"#>>", 'j', 't', 't', "weir_json_text(weir_json_path(%1, %2))"},
    {"@>", 'J', 'J', 'b', "weir_jsonb_contains(%1, %2)"},
    {"<@", 'J', 'J', 'b', "weir_jsonb_contains(%2, %1)"},
    {"?", 'J', 't', 'b', "weir_jsonb_has(%1, %2)"},
    {"~", 't', 't', 'b', "(%1 REGEXP %2)"},
    {"!~", 't', 't', 'b', "(%1 NOT REGEXP %2)"},
    {"~*", 't', 't', 'b', "(%1 REGEXP '(?i)' || %2)"},
    {"!~*", 't', 't', 'b', "(%1 NOT REGEXP '(?i)' || %2)"},
    {"~~", 't', 't', 'b', "(%1 GLOB weir_glob(%2))"},
    {"!~~", 't', 't', 'b', "(%1 NOT GLOB weir_glob(%2))"},
    {"~~*", 't', 't', 'b', "(%1 REGEXP '(?L)' || %2)"},
    {"!~~*", 't', 't', 'b', "(%1 NOT REGEXP '(?L)' || %2)"},
    {"-", 0, '2', '2', "weir_int2(-(%1))"},
    {"-", 0, '4', '4', "weir_int4(-(%1))"},
    {"-", 0, '8', '8', "weir_difference8(0, %1)"},
    {"-", 0, 'r', 'r', "(%1 * -1.0)"},
    {"-", 0, 'f', 'f', "(%1 * -1.0)"},
    {"-", 0, 'n', 'n', "weir_sub(0, %1)"},
    {"-", 0, 'v', 'v', "weir_interval_mul(%1, -1)"},
    {"+", 0, '2', '2', "%1"},
    {"+", 0, '4', '4', "%1"},
    {"+", 0, '8', '8', "%1"},
    {"+", 0, 'r', 'r', "%1"},
    {"+", 0, 'f', 'f', "%1"},
    {"+", 0, 'n', 'n', "%1"},
    {"~", 0, '2', '2', "(~%1)"},
    {"~", 0, '4', '4', "(~%1)"},
    {"~", 0, '8', '8', "(~%1)"},
    {NULL, 0, 0, 0, NULL},
};

static int op_distance(uint32_t from, uint32_t other, char letter)
{
    /* A literal is taken for what the other operand is. */
    if (from == WEIR_OID_UNKNOWN && other != WEIR_OID_UNKNOWN && other != 0)
        return typed_letter_oid(letter) == (other == WEIR_OID_VARCHAR ? WEIR_OID_TEXT : other)
                   ? 0
                   : typed_distance(from, letter) + 1;
    return typed_distance(from, letter);
}

static const operator* find_operator(const typed_node *n)
{
    const typed_node *a = n->args, *b = a->next;
    const operator* const tables[] = {operators, typed_document_operators};
    const operator* best = NULL;
    int least = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const operator* o = tables[i]; o->op; o++) {
            if (!weir_slice_eq_nocase(n->text, o->op) || (o->left == 0) != (b == NULL))
                continue;
            int x = b ? op_distance(a->type.oid, b->type.oid, o->left) : 0;
            int y = b ? op_distance(b->type.oid, a->type.oid, o->right)
                      : typed_distance(a->type.oid, o->right);
            if (x >= 0 && y >= 0 && (!best || x + y < least)) {
                best = o;
                least = x + y;
            }
        }
    }
    return best;
}

/* One side is of a type: could the other be of different kinds? */
static bool is_ambiguous_side(const typed_node *n, uint32_t known, bool left)
{
    const operator* const tables[] = {operators, typed_document_operators};
    char kinds[16] = "";
    size_t count = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const operator* o = tables[i]; o->op; o++) {
            char own = left ? o->right : o->left, other = left ? o->left : o->right;
            bool text = known == WEIR_OID_VARCHAR && own == 't';
            if (!weir_slice_eq_nocase(n->text, o->op) || o->left == 0 ||
                (typed_letter_oid(own) != known && !text))
                continue;
            char kind = typed_category(other);
            if (own == other || kind == 't') /* of the same type, or a text: taken first */
                return false;
            if (!strchr(kinds, kind) && count < sizeof(kinds) - 1)
                kinds[count++] = kind;
        }
    }
    return count > 1;
}

static int not_unique(typed *t, const typed_node *n)
{
    const typed_node *a = n->args, *b = a->next;
    return typed_fail(t, "42725", "operator is not unique: %s%s%.*s %s",
                      b ? typed_type_name(a->type.oid) : "", b ? " " : "", (int)n->text.len,
                      (const char *)n->text.data, typed_type_name(b ? b->type.oid : a->type.oid));
}

static int no_operator(typed *t, const typed_node *n)
{
    const typed_node *a = n->args, *b = a->next;
    if (!b)
        return typed_fail(t, "42883", "operator does not exist: %.*s %s", (int)n->text.len,
                          (const char *)n->text.data, typed_type_name(a->type.oid));
    return typed_fail(t, "42883", "operator does not exist: %s %.*s %s",
                      typed_type_name(a->type.oid), (int)n->text.len, (const char *)n->text.data,
                      typed_type_name(b->type.oid));
}

bool typed_is_logical(weir_slice op)
{
    return weir_slice_eq_nocase(op, "and") || weir_slice_eq_nocase(op, "or") ||
           weir_slice_eq_nocase(op, "not");
}

static int infer_logical(typed *t, typed_node *n)
{
    for (typed_node *a = n->args; a; a = a->next) {
        if (a->type.oid == WEIR_OID_UNKNOWN) {
            int r = typed_coerce(t, a, (typed_type){WEIR_OID_BOOL, 0}, 'i');
            if (r != 0)
                return r;
        } else if (a->type.oid != WEIR_OID_BOOL && a->type.oid != 0) {
            return typed_fail(t, "42804", "argument of %.*s must be type boolean, not type %s",
                              (int)n->text.len, (const char *)n->text.data,
                              typed_type_name(a->type.oid));
        }
    }
    n->type.oid = WEIR_OID_BOOL;
    return 0;
}

/* text || anything: its text. */
static int join_texts(typed *t, typed_node *n)
{
    typed_node *a = n->args, *b = a->next;
    bool left = a->type.oid == WEIR_OID_TEXT || a->type.oid == WEIR_OID_VARCHAR;
    bool right = b->type.oid == WEIR_OID_TEXT || b->type.oid == WEIR_OID_VARCHAR;
    bool literal = a->type.oid == WEIR_OID_UNKNOWN || b->type.oid == WEIR_OID_UNKNOWN;
    bool own = a->type.oid == WEIR_OID_JSONB || b->type.oid == WEIR_OID_JSONB ||
               a->type.oid == WEIR_OID_BYTEA || b->type.oid == WEIR_OID_BYTEA;
    if (!weir_slice_eq_cstr(n->text, "||") || (!left && !right && (!literal || own)))
        return TYPED_NONE;
    int r = typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'a');
    if (r == 0)
        r = typed_coerce(t, b, (typed_type){WEIR_OID_TEXT, 0}, 'a');
    n->type.oid = WEIR_OID_TEXT;
    n->emit = "(%1 || %2)";
    return r;
}

int typed_infer_op(typed *t, typed_node *n)
{
    typed_node *a = n->args, *b = a->next;
    if (typed_is_logical(n->text))
        return infer_logical(t, n);
    if (a->type.oid == 0 || (b && b->type.oid == 0))
        return TYPED_PASS;
    int r = b ? typed_infer_array_op(t, n) : TYPED_NONE;
    if (r == TYPED_NONE && b)
        r = join_texts(t, n);
    if (r != TYPED_NONE)
        return r;
    const operator* o = find_operator(n);
    bool literals = b && a->type.oid == WEIR_OID_UNKNOWN && b->type.oid == WEIR_OID_UNKNOWN;
    bool sign = !b && a->type.oid == WEIR_OID_UNKNOWN;
    if (sign || (literals && (!o || (o->left != 't' && strcmp(o->op, "?") != 0))))
        return not_unique(t, n);
    if (b && !literals && (a->type.oid == WEIR_OID_UNKNOWN || b->type.oid == WEIR_OID_UNKNOWN)) {
        bool left = a->type.oid == WEIR_OID_UNKNOWN;
        if (is_ambiguous_side(n, left ? b->type.oid : a->type.oid, left))
            return not_unique(t, n);
    }
    if (!o)
        return no_operator(t, n);
    if (o->result == '!')
        return typed_fail(t, "0A000", "weir: %s of these types is not supported on SQLite", o->op);
    char first = b ? o->left : o->right;
    if (!(typed_letter_oid(first) == WEIR_OID_TEXT && a->type.oid == WEIR_OID_VARCHAR))
        r = typed_coerce(t, a, (typed_type){typed_letter_oid(first), 0}, 'i');
    else
        r = 0;
    if (r == 0 && b &&
        !(typed_letter_oid(o->right) == WEIR_OID_TEXT && b->type.oid == WEIR_OID_VARCHAR))
        r = typed_coerce(t, b, (typed_type){typed_letter_oid(o->right), 0}, 'i');
    typed_exact(t, a);
    if (b)
        typed_exact(t, b);
    n->emit = typed_zoned_call(t, o->op, (char[]){o->left, o->right, 0}, o->emit);
    n->type.oid = typed_letter_oid(o->result);
    n->exact = n->type.oid == WEIR_OID_NUMERIC;
    return r;
}
