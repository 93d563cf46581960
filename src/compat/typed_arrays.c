/* Arrays: their functions, operators and elements. Inside the translation an array is the text that
 * PostgreSQL shows (run_arrays.c), so that it is stored and sent as it is; what reads a text[] one
 * by one says weir_text_array() first, or its numbers would be taken for numbers. */
#include "compat/array.h"
#include "compat/typed.h"

/* A: the array; E: one of its elements; 4, t: as everywhere; T: text[]. */
typedef struct array_call {
    const char *name, *args;
    char result;
    const char *emit;
} array_call;

static const array_call calls[] = {
    {"array_append", "AE", 'A', "weir_array_append(%1, %2)"},
    {"array_prepend", "EA", 'A', "weir_array_prepend(%1, %2)"},
    {"array_cat", "AA", 'A', "weir_array_cat(%1, %2)"},
    {"array_remove", "AE", 'A', "weir_array_remove(%1, %2)"},
    {"array_replace", "AEE", 'A', "weir_array_replace(%1, %2, %3)"},
    {"array_position", "AE", '4', "weir_array_position(%1, %2)"},
    {"array_length", "A4", '4', "array_length(%1, %2)"},
    {"array_upper", "A4", '4', "array_length(%1, %2)"},
    {"array_lower", "A4", '4', "iif(array_length(%1, %2) > 0, 1, NULL)"},
    {"cardinality", "A", '4', "cardinality(%1)"},
    {"array_to_string", "At", 't', "array_to_string(%1, %2)"},
    {"array_to_string", "Att", 't', "array_to_string(%1, %2, %3)"},
    {"string_to_array", "tt", 'T', "weir_string_to_array(%1, %2)"},
    {"string_to_array", "ttt", 'T', "weir_string_to_array(%1, %2, %3)"},
    {"regexp_match", "tt", 'T', "weir_regexp_match(%1, %2)"},
    {"regexp_match", "ttt", 'T', "weir_regexp_match(%1, %2, %3)"},
    {"regexp_split_to_array", "tt", 'T', "weir_regexp_split(%1, %2)"},
    {"regexp_split_to_array", "ttt", 'T', "weir_regexp_split(%1, %2, %3)"},
    {"weir_subscript", "A4", 'E', "weir_element(%1, %2)"},
};

uint32_t typed_element_of(uint32_t array)
{
    static const uint32_t elements[] = {
        WEIR_OID_INT2,        WEIR_OID_INT4,    WEIR_OID_INT8, WEIR_OID_FLOAT4, WEIR_OID_FLOAT8,
        WEIR_OID_NUMERIC,     WEIR_OID_TEXT,    WEIR_OID_UUID, WEIR_OID_DATE,   WEIR_OID_TIMESTAMP,
        WEIR_OID_TIMESTAMPTZ, WEIR_OID_VARCHAR, WEIR_OID_BOOL, WEIR_OID_JSON,   WEIR_OID_JSONB};
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        if (weir_compat_array_oid(elements[i]) == array)
            return elements[i];
    return 0;
}

/* ---- elements ---- */

void typed_array_read(typed *t, typed_node *n, uint32_t element)
{
    char text[48];
    if (element == WEIR_OID_TIMESTAMPTZ && t->zone.len > 0)
        t->failed = typed_fail(
            t, "0A000",
            "weir: timestamptz[] in a TimeZone other than UTC is not supported on SQLite");
    snprintf(text, sizeof(text), "weir_array_in(%%, %u)", element);
    typed_wrap(t, n, text);
}

/* The element is put in as its type's output. */
void typed_array_enter(typed *t, typed_node *n)
{
    typed_exact(t, n);
    if (n->type.oid == WEIR_OID_BOOL)
        typed_wrap(t, n, "substr(weir_bool_text(%), 1, 1)");
    else if (n->type.oid == WEIR_OID_TIMESTAMPTZ)
        typed_wrap(t, n, t->zone.len > 0 ? "weir_zone_text(%, @)" : "substr(%, 1, length(%) - 3)");
    else if (n->type.oid == WEIR_OID_FLOAT8)
        typed_wrap(t, n, "weir_float_text(%)");
    else if (n->type.oid == WEIR_OID_FLOAT4)
        typed_wrap(t, n, "weir_float4_text(%)");
}

static void leave(typed *t, typed_node *n, uint32_t element)
{
    n->type = (typed_type){element, 0};
    n->exact = element == WEIR_OID_NUMERIC;
    switch (element) {
    case WEIR_OID_BOOL:
        typed_wrap(t, n, "weir_bool(%)");
        break;
    case WEIR_OID_FLOAT4:
        typed_wrap(t, n, "weir_float4(%)");
        break;
    case WEIR_OID_FLOAT8:
        typed_wrap(t, n, "weir_float8(%)");
        break;
    case WEIR_OID_NUMERIC:
        typed_wrap(t, n, "weir_numeric(%)");
        break;
    case WEIR_OID_TIMESTAMPTZ:
        typed_wrap(t, n, "weir_timestamptz(%)");
        break;
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
        break;
    default:
        typed_wrap(t, n, "CAST(% AS TEXT)");
    }
}

int typed_array_each(typed *t, typed_node *array)
{
    switch (typed_element_of(array->type.oid)) {
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
        return 0;
    case WEIR_OID_TEXT:
    case WEIR_OID_VARCHAR:
    case WEIR_OID_UUID:
    case WEIR_OID_DATE:
    case WEIR_OID_TIMESTAMP:
        typed_wrap(t, array, "weir_text_array(%)");
        return 0;
    default:
        return typed_fail(t, "0A000",
                          "weir: the elements of %s as rows are not supported on SQLite",
                          typed_type_name(array->type.oid));
    }
}

/* ---- functions ---- */

static uint32_t array_of(uint32_t element)
{
    return weir_compat_array_oid(element == WEIR_OID_UNKNOWN ? WEIR_OID_TEXT : element);
}

/* What A stands for: the first array that is known, else of what its elements are. */
static uint32_t find_array(const typed_node *args, const char *letters)
{
    uint32_t elements = 0;
    for (const char *letter = letters; args && *letter; args = args->next, letter++) {
        if (*letter == 'A' && typed_element_of(args->type.oid) != 0)
            return args->type.oid;
        if (*letter == 'E' && args->type.oid != WEIR_OID_UNKNOWN && elements == 0)
            elements = array_of(args->type.oid);
    }
    return elements;
}

static int take_arg(typed *t, typed_node *a, char letter, uint32_t array)
{
    if (letter == '4' || letter == 't')
        return typed_coerce(t, a, (typed_type){letter == 't' ? WEIR_OID_TEXT : WEIR_OID_INT4, 0},
                            'i');
    if (letter == 'A')
        return typed_coerce(t, a, (typed_type){array, 0}, 'i');
    int r = typed_coerce(t, a, (typed_type){typed_element_of(array), 0}, 'i');
    if (r == 0)
        typed_array_enter(t, a);
    return r;
}

static int take_call(typed *t, typed_node *n, const array_call *c)
{
    uint32_t array = find_array(n->args, c->args);
    int r = array == 0 && c->result != 'T' ? TYPED_PASS : 0;
    const char *letter = c->args;
    for (typed_node *a = n->args; r == 0 && a; a = a->next)
        r = take_arg(t, a, *letter++, array);
    if (r == WEIR_COMPAT_REFUSED)
        return typed_no_function(t, n);
    if (r != 0)
        return r;
    n->emit = c->emit;
    if (c->result == 'E')
        leave(t, n, typed_element_of(array));
    else
        n->type.oid = c->result == 'A'   ? array
                      : c->result == '4' ? WEIR_OID_INT4
                      : c->result == 't' ? WEIR_OID_TEXT
                                         : weir_compat_array_oid(WEIR_OID_TEXT);
    return 0;
}

int typed_infer_array_call(typed *t, typed_node *n)
{
    size_t count = 0;
    for (const typed_node *a = n->args; a; a = a->next)
        count++;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (weir_slice_eq_cstr(n->text, calls[i].name) && strlen(calls[i].args) == count)
            return take_call(t, n, &calls[i]);
    if (!weir_slice_eq_cstr(n->text, "array_agg") || count != 1)
        return TYPED_NONE;
    n->type.oid = weir_compat_array_oid(n->args->type.oid);
    typed_array_enter(t, n->args);
    if (typed_family(n->args->type.oid) != TYPED_ANY_INT)
        typed_wrap(t, n, "weir_array_plain(%)");
    return n->type.oid == 0 ? TYPED_PASS : 0;
}

/* ---- operators ---- */

static const array_call operators[] = {
    {"||", "AA", 'A', "weir_array_cat(%1, %2)"},
    {"||", "AE", 'A', "weir_array_append(%1, %2)"},
    {"||", "EA", 'A', "weir_array_prepend(%1, %2)"},
    {"@>", "AA", 'b', "weir_array_contains(%1, %2)"},
    {"<@", "AA", 'b', "weir_array_contains(%2, %1)"},
    {"&&", "AA", 'b', "weir_array_overlaps(%1, %2)"},
};

/* A literal beside an array is an array. */
static bool suits(const typed_node *n, char letter)
{
    bool array = typed_element_of(n->type.oid) != 0 || n->type.oid == WEIR_OID_UNKNOWN;
    return array == (letter == 'A');
}

int typed_infer_array_op(typed *t, typed_node *n)
{
    typed_node *a = n->args, *b = a->next;
    if (typed_element_of(a->type.oid) == 0 && typed_element_of(b->type.oid) == 0)
        return TYPED_NONE;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const array_call *o = &operators[i];
        if (!weir_slice_eq_cstr(n->text, o->name) || !suits(a, o->args[0]) || !suits(b, o->args[1]))
            continue;
        int r = take_call(t, n, o);
        if (o->result == 'b')
            n->type.oid = WEIR_OID_BOOL;
        return r;
    }
    return TYPED_NONE;
}
