/* From a PostgreSQL statement's literals and parameters to ids of keys. A value counts only where
 * its type is sure: it is declared as one of the column's family, or nothing that takes it could
 * have made it another. */
#include "sql/pg_values.h"
#include "sql/pg_array.h"

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_UNKNOWN = 705,
    OID_BOOL_ARRAY = 1000,
    OID_INT2_ARRAY = 1005,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_VARCHAR_ARRAY = 1015,
    OID_INT8_ARRAY = 1016,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_DATE_ARRAY = 1182,
    OID_UUID = 2950,
    OID_UUID_ARRAY = 2951
};

void weir_pg_values_init(weir_pg_values *v, const weir_footprint *footprint,
                         const weir_arguments *arguments)
{
    v->footprint = footprint;
    v->arguments = arguments;
    v->written = false;
}

weir_key_type weir_pg_key_of_type(uint32_t oid)
{
    switch (oid) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return WEIR_KEY_PG_INTEGER;
    case OID_UUID:
        return WEIR_KEY_PG_UUID;
    case OID_BOOL:
        return WEIR_KEY_PG_BOOL;
    case OID_DATE:
        return WEIR_KEY_PG_DATE;
    case OID_TEXT:
    case OID_VARCHAR:
        return WEIR_KEY_PG_TEXT;
    default:
        return WEIR_KEY_NONE;
    }
}

/* Of an array's type, that of its elements. */
static weir_key_type key_of_array(uint32_t oid)
{
    switch (oid) {
    case OID_INT2_ARRAY:
    case OID_INT4_ARRAY:
    case OID_INT8_ARRAY:
        return WEIR_KEY_PG_INTEGER;
    case OID_UUID_ARRAY:
        return WEIR_KEY_PG_UUID;
    case OID_BOOL_ARRAY:
        return WEIR_KEY_PG_BOOL;
    case OID_DATE_ARRAY:
        return WEIR_KEY_PG_DATE;
    case OID_TEXT_ARRAY:
    case OID_VARCHAR_ARRAY:
        return WEIR_KEY_PG_TEXT;
    default:
        return WEIR_KEY_NONE;
    }
}

static size_t recorded(const weir_lexed *l)
{
    return l->literal_count < WEIR_SQL_LITERALS_MAX ? l->literal_count : WEIR_SQL_LITERALS_MAX;
}

/* Which of its place's values a literal is, from 1. */
static unsigned item_of(const weir_lexed *l, size_t literal)
{
    unsigned item = 1;
    for (size_t i = 0; i < literal; i++)
        item += l->literals[i].place == l->literals[literal].place;
    return item;
}

/* Of a row that was elided: what stands at its place in the row before. -1: nothing does. */
static int home_of(const weir_lexed *l, size_t literal)
{
    size_t last = literal, items = 0;
    while (last > 0 && l->literals[last].place == WEIR_PLACE_NONE)
        last--;
    if (l->literals[last].place == WEIR_PLACE_NONE)
        return -1;
    for (size_t i = 0; i <= last; i++)
        items += l->literals[i].place == l->literals[last].place;
    if (last == literal || items > last + 1)
        return (int)literal;
    return (int)(last + 1 - items + (literal - last - 1) % items);
}

/* ---- parameters ---- */

/* $N: counted from 1; 0: none. */
static size_t number_of(weir_slice text)
{
    size_t n = 0;
    if (text.len < 2 || text.data[0] != '$')
        return 0;
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || n > 65535)
            return 0;
        n = n * 10 + (size_t)(text.data[i] - '0');
    }
    return n;
}

/* Whether what takes the literal makes it a value of that type. */
static bool is_received_as(const weir_pg_values *v, size_t literal, weir_key_type key, bool array)
{
    const weir_footprint *f = v->footprint;
    int home = home_of(v->arguments->lexed, literal);
    if (home < 0)
        return false;
    literal = (size_t)home;
    uint32_t place = v->arguments->lexed->literals[literal].place;
    if (place >= f->place_count)
        return false;
    const weir_receiver *receiver = &f->places[place];
    if (!receiver->by_item)
        return receiver->key == key && receiver->array == array;
    unsigned item = item_of(v->arguments->lexed, literal);
    for (size_t i = 0; i < f->touch_count; i++) {
        const weir_read_dependency *t = &f->touches[i];
        if (t->column != 0 && t->place == place && t->item == item)
            return t->key == key && !array;
    }
    return false;
}

/* An undeclared parameter takes its type from where it stands first; here, from wherever. */
static bool is_of_type(const weir_pg_values *v, size_t number, weir_key_type key, bool array)
{
    const weir_lexed *l = v->arguments->lexed;
    uint32_t oid = v->arguments->param_types ? v->arguments->param_types[number - 1] : 0;
    if (oid != 0 && oid != OID_UNKNOWN)
        return (array ? key_of_array(oid) : weir_pg_key_of_type(oid)) == key;
    if (l->literal_count > WEIR_SQL_LITERALS_MAX)
        return false;
    for (size_t i = 0; i < l->literal_count; i++) {
        if (l->literals[i].kind == WEIR_LITERAL_PARAM && number_of(l->literals[i].text) == number &&
            !is_received_as(v, i, key, array))
            return false;
    }
    return true;
}

static const weir_value *param_of(const weir_pg_values *v, size_t literal,
                                  const weir_read_dependency *d)
{
    size_t number = number_of(v->arguments->lexed->literals[literal].text);
    if (number == 0 || number > v->arguments->param_count ||
        !is_of_type(v, number, d->key, d->array))
        return NULL;
    return &v->arguments->params[number - 1];
}

/* ---- ids ---- */

typedef struct ids {
    const weir_pg_values *values;
    const weir_read_dependency *dependency;
    uint64_t *items;
    size_t count;
} ids;

/* 0: one more id. */
static int add_text(ids *to, weir_slice text)
{
    bool blank = text.len > 0 && text.data[text.len - 1] == ' ';
    if (to->count == WEIR_KEYS_MAX || (to->values->written && blank))
        return WEIR_KEY_ABSENT;
    int r = weir_key_of_pg_text(to->dependency->column, to->dependency->key, text,
                                to->values->arguments->utf8, &to->items[to->count]);
    to->count += r == 0;
    return r;
}

static int add_binary(ids *to, weir_slice bytes)
{
    bool blank = bytes.len > 0 && bytes.data[bytes.len - 1] == ' ';
    if (to->count == WEIR_KEYS_MAX ||
        (to->values->written && blank && to->dependency->key == WEIR_KEY_PG_TEXT))
        return WEIR_KEY_ABSENT;
    int r = weir_key_of_pg_binary(to->dependency->column, to->dependency->key, bytes,
                                  to->values->arguments->utf8, &to->items[to->count]);
    to->count += r == 0;
    return r;
}

/* An empty array, or one of NULLs alone, gives no id at all: the whole relation. */
static int add_array(weir_pg_values *v, ids *to, weir_slice bytes, bool binary)
{
    weir_pg_array array;
    weir_slice element;
    int r = binary ? weir_pg_array_open_binary(&array, bytes) : weir_pg_array_open(&array, bytes);
    if (r != 0 || (binary && weir_pg_key_of_type(array.element) != to->dependency->key))
        return WEIR_KEY_ABSENT;
    while ((r = weir_pg_array_next(&array, v->text, sizeof(v->text), &element)) > 0) {
        if (r == WEIR_PG_ARRAY_NULL)
            continue;
        if ((binary ? add_binary(to, element) : add_text(to, element)) != 0)
            return WEIR_KEY_ABSENT;
    }
    return r == 0 ? 0 : WEIR_KEY_ABSENT;
}

static int add_value(weir_pg_values *v, ids *to, const weir_value *value)
{
    if (!value || (value->type != WEIR_VALUE_TEXT && value->type != WEIR_VALUE_BLOB))
        return WEIR_KEY_ABSENT;
    bool binary = value->type == WEIR_VALUE_BLOB;
    if (to->dependency->array)
        return add_array(v, to, value->u.bytes, binary);
    return binary ? add_binary(to, value->u.bytes) : add_text(to, value->u.bytes);
}

static int add_string(weir_pg_values *v, ids *to, weir_slice written)
{
    uint8_t buf[WEIR_PG_VALUE_SIZE_MAX];
    weir_slice text;
    if (to->dependency->negated || !weir_pg_string_read(written, buf, sizeof(buf), &text))
        return WEIR_KEY_ABSENT;
    return to->dependency->array ? add_array(v, to, text, false) : add_text(to, text);
}

static int add_integer(ids *to, weir_slice text)
{
    bool minus = text.len > 0 && text.data[0] == '-';
    int64_t n = 0; /* negated as it grows */
    if (minus || (text.len > 0 && text.data[0] == '+'))
        text = weir_slice_skip(text, 1);
    if (text.len == 0 || to->dependency->array || to->count == WEIR_KEYS_MAX)
        return WEIR_KEY_ABSENT;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, text.data[i] - '0', &n))
            return WEIR_KEY_ABSENT;
    }
    if (minus == to->dependency->negated) {
        if (n == INT64_MIN)
            return WEIR_KEY_ABSENT;
        n = -n;
    }
    int r = weir_key_of_pg_integer(to->dependency->column, to->dependency->key, n,
                                   &to->items[to->count]);
    to->count += r == 0;
    return r;
}

static int add_literal(weir_pg_values *v, ids *to, size_t literal)
{
    const weir_literal *l = &v->arguments->lexed->literals[literal];
    switch (l->kind) {
    case WEIR_LITERAL_STRING:
        return add_string(v, to, l->text);
    case WEIR_LITERAL_INTEGER:
        return add_integer(to, l->text);
    case WEIR_LITERAL_PARAM:
        return to->dependency->negated ? WEIR_KEY_ABSENT
                                       : add_value(v, to, param_of(v, literal, to->dependency));
    case WEIR_LITERAL_DECIMAL: /* rounded, or compared as another type */
    case WEIR_LITERAL_BITS:
        break;
    }
    return WEIR_KEY_ABSENT;
}

/* The literal is one of the dependency's. */
static bool is_asked_for(const weir_lexed *l, const weir_read_dependency *d, size_t literal)
{
    if (l->literals[literal].place == WEIR_PLACE_NONE && d->rows) {
        int home = home_of(l, literal);
        return home >= 0 && l->literals[home].place == d->place &&
               item_of(l, (size_t)home) == d->item;
    }
    return l->literals[literal].place == d->place &&
           (d->item == 0 || item_of(l, literal) == d->item);
}

size_t weir_pg_values_ids(weir_pg_values *v, const weir_read_dependency *d, uint64_t *items)
{
    const weir_lexed *l = v->arguments->lexed;
    ids to = {.values = v, .dependency = d, .items = items};
    if (!l || !weir_literals_are_complete(l, d->place) ||
        (d->rows && l->literal_count > WEIR_SQL_LITERALS_MAX))
        return 0;
    for (size_t i = 0; i < recorded(l); i++) {
        if (is_asked_for(l, d, i) && add_literal(v, &to, i) != 0)
            return 0;
    }
    return to.count;
}

/* ---- time ---- */

static bool is_timeless_place(const weir_footprint *f, uint32_t place)
{
    return place < f->place_count ? f->places[place].timeless : f->timeless_rest;
}

/* What is bound by letters alone is looked at as it stands, where it cannot be decoded. */
static bool tells_time(weir_pg_values *v, size_t literal)
{
    const weir_literal *l = &v->arguments->lexed->literals[literal];
    weir_slice text;
    if (l->kind == WEIR_LITERAL_STRING)
        return !weir_pg_string_read(l->text, v->text, sizeof(v->text), &text) ||
               weir_pg_text_tells_time(text);
    if (l->kind != WEIR_LITERAL_PARAM)
        return false;
    size_t number = number_of(l->text);
    if (number == 0 || number > v->arguments->param_count)
        return true;
    /* A text in binary format is a text all the same. */
    const weir_value *value = &v->arguments->params[number - 1];
    bool bytes = value->type == WEIR_VALUE_TEXT || value->type == WEIR_VALUE_BLOB;
    return bytes && weir_pg_text_tells_time(value->u.bytes);
}

bool weir_pg_values_are_timeless(weir_pg_values *v)
{
    const weir_lexed *l = v->arguments->lexed;
    const weir_footprint *f = v->footprint;
    if (!l)
        return false;
    uint32_t last = 0;
    for (size_t i = 0; i < recorded(l); i++) {
        uint32_t place = l->literals[i].place;
        last = place != WEIR_PLACE_NONE && place > last ? place : last;
        if (!is_timeless_place(f, place) && tells_time(v, i))
            return false;
    }
    if (l->literal_count <= WEIR_SQL_LITERALS_MAX)
        return true;
    for (uint32_t place = last; place < f->place_count; place++) {
        if (!f->places[place].timeless)
            return false;
    }
    return f->timeless_rest;
}
