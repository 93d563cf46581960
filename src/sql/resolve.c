/* From what a template depends on to what one statement does: the values of its literals and
 * parameters become ids. Whatever value cannot be had exactly as the database will have it makes
 * the dependency the whole relation. */
#include "sql/pg_values.h"

#define TEXT_SIZE_MAX 512u /* of a literal with something to decode */

typedef struct resolution {
    const weir_lexed *lexed;
    const weir_value *params;
    size_t param_count;
    uint8_t text[TEXT_SIZE_MAX];
} resolution;

static size_t recorded(const weir_lexed *l)
{
    return l->literal_count < WEIR_SQL_LITERALS_MAX ? l->literal_count : WEIR_SQL_LITERALS_MAX;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool integer_of(weir_slice text, weir_value *ret)
{
    bool minus = text.len > 0 && text.data[0] == '-';
    size_t i = minus || (text.len > 0 && text.data[0] == '+');
    int64_t n = 0;
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (!is_digit(text.data[i]) || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, text.data[i] - '0', &n))
            return false; /* hexadecimal, or beyond 64 bits: SQLite makes it a real */
    }
    if (!minus && n == INT64_MIN)
        return false;
    *ret = (weir_value){.type = WEIR_VALUE_INTEGER, .u.integer = minus ? n : -n};
    return true;
}

/* Of '…' or, in pairs of digits, x'…'. What stands doubled inside is copied. */
static bool string_of(resolution *r, weir_slice text, weir_value *ret)
{
    if (text.len < 2 || text.data[0] != '\'' || text.data[text.len - 1] != '\'')
        return false;
    weir_slice inside = weir_slice_make(text.data + 1, text.len - 2);
    *ret = (weir_value){.type = WEIR_VALUE_TEXT, .u.bytes = inside};
    if (inside.len == 0 || !memchr(inside.data, '\'', inside.len))
        return true;
    if (inside.len > sizeof(r->text))
        return false;
    size_t n = 0;
    for (size_t i = 0; i < inside.len; i++) {
        r->text[n++] = inside.data[i];
        i += inside.data[i] == '\'';
    }
    ret->u.bytes = weir_slice_make(r->text, n);
    return true;
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool blob_of(resolution *r, weir_slice text, weir_value *ret)
{
    if (text.len < 3 || text.len % 2 != 1 || (text.len - 3) / 2 > sizeof(r->text))
        return false;
    size_t n = 0;
    for (size_t i = 2; i + 1 < text.len; i += 2) {
        int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        r->text[n++] = (uint8_t)(high * 16 + low);
    }
    *ret = (weir_value){.type = WEIR_VALUE_BLOB, .u.bytes = weir_slice_make(r->text, n)};
    return true;
}

/* The number behind the first byte; 0: that is no number. */
static size_t number_of(weir_slice name)
{
    size_t n = 0;
    for (size_t i = 1; i < name.len; i++) {
        if (!is_digit(name.data[i]) || n > 65535)
            return 0;
        n = n * 10 + (size_t)(name.data[i] - '0');
    }
    return n;
}

static bool named_before(const weir_lexed *l, size_t literal, size_t *ret)
{
    for (size_t i = 0; i < literal; i++) {
        if (l->literals[i].kind == WEIR_LITERAL_PARAM &&
            weir_slice_eq(l->literals[i].text, l->literals[literal].text)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* SQLite's own numbering (https://sqlite.org/lang_expr.html, "Parameters"): `?` is one more than
 * the highest so far, as is a name not seen before. Counted from 1. */
static size_t sqlite_number(const weir_lexed *l, size_t literal)
{
    size_t max = 0, number[WEIR_SQL_LITERALS_MAX] = {0};
    for (size_t i = 0; i <= literal; i++) {
        weir_slice text = l->literals[i].text;
        size_t first = 0;
        if (l->literals[i].kind != WEIR_LITERAL_PARAM)
            continue;
        if (text.data[0] == '?' && text.len > 1)
            number[i] = number_of(text);
        else if (text.data[0] != '?' && named_before(l, i, &first))
            number[i] = number[first];
        else
            number[i] = max + 1;
        max = number[i] > max ? number[i] : max;
    }
    return number[literal];
}

/* A client's $N is its Nth value, though a mere name to SQLite. */
static bool param_of(const resolution *r, size_t literal, weir_value *ret)
{
    weir_slice text = r->lexed->literals[literal].text;
    size_t n = text.data[0] == '$' && text.len > 1 && text.data[1] != '0' ? number_of(text) : 0;
    if (n == 0)
        n = sqlite_number(r->lexed, literal);
    if (n == 0 || n > r->param_count)
        return false;
    *ret = r->params[n - 1];
    return true;
}

/* "5.0" and "5." are exact; how a database rounds other decimals is its own. */
static bool decimal_of(weir_slice text, weir_value *ret)
{
    const uint8_t *point = memchr(text.data, '.', text.len);
    if (!point)
        return false;
    size_t whole = (size_t)(point - text.data);
    for (size_t i = whole + 1; i < text.len; i++) {
        if (text.data[i] != '0')
            return false;
    }
    if (whole > 15 || !integer_of(weir_slice_head(text, whole), ret))
        return false;
    *ret = (weir_value){.type = WEIR_VALUE_REAL, .u.real = (double)ret->u.integer};
    return true;
}

static bool value_of(resolution *r, size_t literal, weir_value *ret)
{
    const weir_literal *l = &r->lexed->literals[literal];
    switch (l->kind) {
    case WEIR_LITERAL_STRING:
        return string_of(r, l->text, ret);
    case WEIR_LITERAL_INTEGER:
        return integer_of(l->text, ret);
    case WEIR_LITERAL_DECIMAL:
        return decimal_of(l->text, ret);
    case WEIR_LITERAL_BITS:
        return blob_of(r, l->text, ret);
    case WEIR_LITERAL_PARAM:
        return param_of(r, literal, ret);
    }
    return false;
}

static bool negate(weir_value *v)
{
    if (v->type == WEIR_VALUE_INTEGER && v->u.integer != INT64_MIN)
        v->u.integer = -v->u.integer;
    else if (v->type == WEIR_VALUE_REAL)
        v->u.real = -v->u.real;
    else
        return false;
    return true;
}

bool weir_literals_are_complete(const weir_lexed *l, uint32_t place)
{
    if (l->literal_count <= WEIR_SQL_LITERALS_MAX)
        return true;
    for (size_t i = 0; i < WEIR_SQL_LITERALS_MAX; i++) {
        if (l->literals[i].place != WEIR_PLACE_NONE && l->literals[i].place > place)
            return true;
    }
    return false;
}

/* Fills `ids`; 0: the values cannot be had. */
static size_t key_ids(resolution *r, const weir_read_dependency *d, uint64_t *ids)
{
    size_t count = 0;
    if (!r->lexed || !weir_literals_are_complete(r->lexed, d->place))
        return 0;
    for (size_t i = 0; i < recorded(r->lexed); i++) {
        weir_value value;
        if (r->lexed->literals[i].place != d->place)
            continue;
        if (count == WEIR_KEYS_MAX || !value_of(r, i, &value) || (d->negated && !negate(&value)) ||
            weir_key_of_operand(d->column, d->key, &value, &ids[count]) != 0)
            return 0;
        count++;
    }
    return count;
}

bool weir_footprint_resolve(
    const weir_footprint *footprint, weir_dialect dialect, const weir_arguments *arguments,
    void (*visit)(void *user, uint64_t relation, uint64_t column, uint64_t value), void *user)
{
    uint64_t ids[WEIR_KEYS_MAX];
    resolution r = {.lexed = arguments->lexed,
                    .params = arguments->params,
                    .param_count = arguments->param_count};
    weir_pg_values values;
    weir_pg_values_init(&values, footprint, arguments);
    for (size_t i = 0; i < footprint->dependency_count; i++) {
        const weir_read_dependency *d = &footprint->dependencies[i];
        size_t count = 0;
        if (d->column != 0)
            count = dialect == WEIR_DIALECT_SQLITE ? key_ids(&r, d, ids)
                                                   : weir_pg_values_ids(&values, d, ids);
        if (count == 0)
            visit(user, d->relation, 0, 0);
        for (size_t k = 0; k < count; k++)
            visit(user, d->relation, d->column, ids[k]);
    }
    return dialect == WEIR_DIALECT_SQLITE || weir_pg_values_are_timeless(&values);
}

/* All values of a column, which several touches may give; 0: they cannot be had. */
static size_t touched_values(weir_pg_values *values, const weir_footprint *f, size_t first,
                             uint64_t *ids)
{
    size_t count = 0;
    for (size_t i = first; i < f->touch_count; i++) {
        uint64_t some[WEIR_KEYS_MAX];
        if (f->touches[i].relation != f->touches[first].relation ||
            f->touches[i].column != f->touches[first].column)
            continue;
        size_t n = weir_pg_values_ids(values, &f->touches[i], some);
        if (n == 0 || n > WEIR_KEYS_MAX - count)
            return 0;
        memcpy(ids + count, some, n * sizeof(*ids));
        count += n;
    }
    return count;
}

static bool is_repeated(const weir_footprint *f, size_t touch)
{
    for (size_t i = 0; i < touch; i++) {
        if (f->touches[i].relation == f->touches[touch].relation &&
            f->touches[i].column == f->touches[touch].column)
            return true;
    }
    return false;
}

void weir_footprint_resolve_touches(
    const weir_footprint *footprint, const weir_arguments *arguments,
    void (*visit)(void *user, uint64_t relation, uint64_t column, uint64_t value), void *user)
{
    uint64_t ids[WEIR_KEYS_MAX];
    weir_pg_values values;
    weir_pg_values_init(&values, footprint, arguments);
    values.written = true;
    for (size_t i = 0; i < footprint->touch_count; i++) {
        const weir_read_dependency *t = &footprint->touches[i];
        if (is_repeated(footprint, i))
            continue;
        if (t->column == 0)
            visit(user, t->relation, 0, 0);
        size_t count = t->column != 0 ? touched_values(&values, footprint, i, ids) : 0;
        for (size_t k = 0; k < count; k++)
            visit(user, t->relation, t->column, ids[k]);
    }
}
