/* JSON's functions: what is built of values and rows, and the list of the others. A value inside a
 * document that is built is JSON text already; NULL becomes null last. */
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"

const typed_function typed_documents[] = {
    {"jsonb_typeof", "J", 't', "weir_json_typeof(%1)"},
    {"json_typeof", "j", 't', "weir_json_typeof(%1)"},
    {"jsonb_array_length", "J", '4', "weir_json_length(%1)"},
    {"json_array_length", "j", '4', "weir_json_length(%1)"},
    {"jsonb_set", "JTJ", 'J', "weir_jsonb_set(%1, %2, %3, 1)"},
    {"jsonb_set", "JTJb", 'J', "weir_jsonb_set(%1, %2, %3, %4)"},
    {"jsonb_insert", "JTJ", 'J', "weir_jsonb_insert(%1, %2, %3, 0)"},
    {"jsonb_insert", "JTJb", 'J', "weir_jsonb_insert(%1, %2, %3, %4)"},
    {"jsonb_pretty", "J", 't', "weir_json_pretty(%1)"},
    {"jsonb_strip_nulls", "J", 'J', "weir_jsonb(weir_json_strip_nulls(%1))"},
    {"json_strip_nulls", "j", 'j', "weir_json_strip_nulls(%1)"},
    {"jsonb_extract_path", "J+", 'J', "weir_json_path(%1, weir_array_of(%+))"},
    {"json_extract_path", "j+", 'j', "weir_json_path(%1, weir_array_of(%+))"},
    {"jsonb_extract_path_text", "J+", 't', "weir_json_text(weir_json_path(%1, weir_array_of(%+)))"},
    {"json_extract_path_text", "j+", 't', "weir_json_text(weir_json_path(%1, weir_array_of(%+)))"},
    {"jsonb_exists", "Jt", 'b', "weir_jsonb_has(%1, %2)"},
    {"jsonb_contains", "JJ", 'b', "weir_jsonb_contains(%1, %2)"},
    {"weir_subscript", "Jt", 'J', "weir_json_path(%1, weir_array(%2))"},
    {"weir_subscript", "J4", 'J', "weir_json_path(%1, weir_array(%2))"},
    {"jsonb_set_lax", "+", '!', NULL},
    {"json_object", "+", '!', NULL},
    {"jsonb_object", "+", '!', NULL},
    {"jsonb_path_exists", "+", '!', NULL},
    {"jsonb_path_match", "+", '!', NULL},
    {"jsonb_path_query", "+", '!', NULL},
    {"jsonb_path_query_array", "+", '!', NULL},
    {"jsonb_path_query_first", "+", '!', NULL},
    {"jsonb_populate_record", "+", '!', NULL},
    {"json_populate_record", "+", '!', NULL},
    {NULL, NULL, 0, NULL},
};

const typed_operator typed_document_operators[] = {
    {"#>", 'J', 'T', 'J', "weir_json_path(%1, %2)"},
    {"#>", 'j', 'T', 'j', "weir_json_path(%1, %2)"},
    {"#>>", 'J', 'T', 't', "weir_json_text(weir_json_path(%1, %2))"},
    {"#>>", 'j', 'T', 't', "weir_json_text(weir_json_path(%1, %2))"},
    {"-", 'J', 't', 'J', "weir_jsonb_delete(%1, %2)"},
    {"-", 'J', '4', 'J', "weir_jsonb_delete(%1, %2)"},
    {"-", 'J', 'T', 'J', "weir_jsonb_delete(%1, %2, 1)"},
    {"#-", 'J', 'T', 'J', "weir_jsonb_delete_path(%1, %2)"},
    {"?|", 'J', 'T', 'b', "weir_jsonb_has_keys(%1, %2, 0)"},
    {"?&", 'J', 'T', 'b', "weir_jsonb_has_keys(%1, %2, 1)"},
    {"@?", 'J', 't', '!', NULL},
    {"@@", 'J', 't', '!', NULL},
    {"^@", 't', 't', 'b', "(substr(%1, 1, length(%2)) = %2)"},
    {NULL, 0, 0, 0, NULL},
};

/* ---- values ---- */

int typed_as_text(typed *t, typed_node *a)
{
    if (enum_is_oid(a->type.oid) &&
        typed_enum_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'e') < 0)
        return -ENOMEM;
    typed_exact(t, a);
    if (a->kind == TYPED_PARAM && a->type.oid == WEIR_OID_UNKNOWN)
        return typed_no_type(t, a);
    if (a->type.oid == WEIR_OID_BOOL) {
        typed_wrap(t, a, "substr(weir_bool_text(%), 1, 1)");
        return 0;
    }
    return a->type.oid == 0 ? 0 : typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'a');
}

static int as_string(typed *t, typed_node *a, const char *format)
{
    int r = typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'a');
    typed_wrap(t, a, format);
    return r;
}

static int as_json(typed *t, typed_node *a);

/* A whole row: its columns by their names. */
static int row_as_json(typed *t, typed_node *row)
{
    typed_node *first = row->args;
    size_t i = 0;
    for (typed_node *a = first; a; a = a->next, i++) {
        char number[16];
        snprintf(number, sizeof(number), "f%zu", i + 1);
        weir_slice name = row->relation ? row->relation->columns[i].name : weir_slice_cstr(number);
        weir_buf quoted;
        int r = as_json(t, a);
        if (r != 0)
            return r;
        weir_buf_init(&quoted, name.len * 8 + 64);
        r = weir_buf_printf(&quoted, "'%s' || weir_json_name('", i > 0 ? "," : "");
        for (size_t k = 0; r == 0 && k < name.len; k++) {
            r = weir_buf_append_u8(&quoted, name.data[k]);
            if (r == 0 && name.data[k] == '\'')
                r = weir_buf_append_u8(&quoted, '\'');
        }
        if (r == 0)
            r = weir_buf_append(&quoted, WEIR_SLICE_LIT("') || ':' || coalesce(%, 'null')"));
        const char *format = r == 0 && !memchr(name.data, '%', name.len)
                                 ? weir_arena_strdup(&t->arena, weir_buf_slice(&quoted))
                                 : NULL;
        weir_buf_fini(&quoted);
        if (!format)
            return r < 0 ? r : TYPED_PASS;
        typed_wrap(t, a, format);
    }
    row->emit = first ? "('{' || %| || '}')" : "'{}'";
    row->type.oid = WEIR_OID_JSON;
    return 0;
}

/* Its type goes with it. */
static int as_json(typed *t, typed_node *a)
{
    if (enum_is_oid(a->type.oid) &&
        typed_enum_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'e') < 0)
        return -ENOMEM;
    if (a->kind == TYPED_PARAM && a->type.oid == WEIR_OID_UNKNOWN)
        return typed_no_type(t, a);
    switch (a->type.oid) {
    case WEIR_OID_BOOL:
        typed_wrap(t, a, "weir_json_bool(%)");
        return 0;
    case WEIR_OID_JSON:
    case WEIR_OID_JSONB:
        return 0;
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
    case WEIR_OID_FLOAT4:
    case WEIR_OID_FLOAT8:
    case WEIR_OID_NUMERIC:
        if (a->type.oid == WEIR_OID_FLOAT4)
            typed_wrap(t, a, "weir_float4_text(%)");
        typed_exact(t, a);
        typed_wrap(t, a, "weir_json_number(%)");
        return 0;
    case WEIR_OID_UNKNOWN:
    case WEIR_OID_TEXT:
    case WEIR_OID_VARCHAR:
    case WEIR_OID_UUID:
    case WEIR_OID_DATE:
    case WEIR_OID_BYTEA:
    case WEIR_OID_TIME:
    case WEIR_OID_INET:
    case TYPED_INTERVAL:
        return as_string(t, a, "weir_json_string(%)");
    case WEIR_OID_TIMESTAMPTZ:
        if (t->zone.len > 0) {
            typed_wrap(t, a, "weir_json_string(weir_zone_json(%, @))");
            return 0;
        }
        /* fall through */
    case WEIR_OID_TIMESTAMP:
        typed_wrap(t, a, "weir_json_string(replace(%, ' ', 'T'))");
        return 0;
    case TYPED_RECORD:
        return a->kind == TYPED_ROW && !a->star ? row_as_json(t, a) : TYPED_PASS;
    default:
        if (typed_element_of(a->type.oid) != 0) {
            int r = typed_array_each(t, a);
            typed_wrap(t, a, "weir_array_json(%)");
            return r;
        }
        return typed_fail(t, "0A000",
                          "weir: a value of type %s inside JSON is not supported on SQLite",
                          typed_type_name(a->type.oid));
    }
}

/* ---- builders ---- */

/* An object's key: a boolean is true or false there, not t or f. */
static int as_key(typed *t, typed_node *a)
{
    if (a->type.oid != WEIR_OID_BOOL)
        return typed_as_text(t, a);
    typed_wrap(t, a, "weir_bool_text(%)");
    return 0;
}

static int build(typed *t, typed_node *n, bool object, bool binary)
{
    static const char *const names[] = {"weir_json_name(%) || ' : '",
                                        "', ' || weir_json_name(%) || ' : '"};
    size_t i = 0;
    int r = 0;
    for (typed_node *a = n->args; r == 0 && a; a = a->next, i++) {
        bool name = object && i % 2 == 0;
        r = name ? as_key(t, a) : as_json(t, a);
        if (name)
            typed_wrap(t, a, names[i > 0]);
        else
            typed_wrap(t, a,
                       object || i == 0 ? "coalesce(%, 'null')" : "', ' || coalesce(%, 'null')");
    }
    if (r == 0 && object && i % 2 != 0)
        return typed_fail(t, "22023", "argument list must have even number of elements");
    if (!n->args)
        n->emit = object ? "'{}'" : "'[]'";
    else if (object)
        n->emit = binary ? "weir_jsonb('{' || %| || '}')" : "('{' || %| || '}')";
    else
        n->emit = binary ? "weir_jsonb('[' || %| || ']')" : "('[' || %| || ']')";
    n->type.oid = binary ? WEIR_OID_JSONB : WEIR_OID_JSON;
    return r;
}

/* to_json(x), to_jsonb(x), row_to_json(row), array_to_json(array) */
static int convert(typed *t, typed_node *n, bool binary)
{
    if (!n->args || n->args->next)
        return typed_no_function(t, n);
    uint32_t oid = n->args->type.oid;
    if (oid == WEIR_OID_UNKNOWN)
        return typed_fail(t, "42804",
                          "could not determine polymorphic type because input has type unknown");
    bool row = weir_slice_eq_cstr(n->text, "row_to_json");
    bool array = weir_slice_eq_cstr(n->text, "array_to_json");
    if ((row && oid != TYPED_RECORD) || (array && typed_element_of(oid) == 0))
        return typed_no_function(t, n);
    int r = as_json(t, n->args);
    n->emit = binary ? "weir_jsonb(%1)" : "%1";
    n->type.oid = binary ? WEIR_OID_JSONB : WEIR_OID_JSON;
    return r;
}

/* They are string_agg of JSON texts; what is around them is put behind FILTER and OVER. */
static int gather(typed *t, typed_node *n, bool object, bool binary)
{
    typed_node *value = n->args ? n->args->next : NULL;
    typed_node *separator = typed_make(t, TYPED_STRING, WEIR_SLICE_LIT("', '"));
    if (!separator)
        return -ENOMEM;
    if (n->distinct || !n->args || (object ? !value || value->next : value != NULL))
        return n->distinct
                   ? typed_fail(t, "0A000", "weir: DISTINCT in %.*s is not supported on SQLite",
                                (int)n->text.len, (const char *)n->text.data)
                   : typed_no_function(t, n);
    bool row = n->args->type.oid == TYPED_RECORD;
    int r = object ? as_key(t, n->args) : as_json(t, n->args);
    if (r == 0 && object)
        r = as_json(t, value);
    if (r != 0)
        return r;
    if (object) {
        typed_node *pair = typed_make(t, TYPED_OP, WEIR_SLICE_LIT("||"));
        if (!pair)
            return -ENOMEM;
        typed_wrap(t, n->args, "weir_json_name(%)");
        typed_wrap(t, value, "coalesce(%, 'null')");
        pair->args = n->args;
        pair->emit = "(%1 || ' : ' || %2)";
        n->args = pair;
    } else {
        typed_wrap(t, n->args, "coalesce(%, 'null')");
        if (row && !binary)
            separator->text = WEIR_SLICE_LIT("E', \\n '");
    }
    n->args->next = separator;
    n->call = "string_agg";
    typed_wrap(t, n,
               object   ? (binary ? "weir_jsonb('{' || % || '}')" : "('{ ' || % || ' }')")
               : binary ? "weir_jsonb('[' || % || ']')"
                        : "('[' || % || ']')");
    n->type.oid = binary ? WEIR_OID_JSONB : WEIR_OID_JSON;
    return 0;
}

int typed_infer_document(typed *t, typed_node *n)
{
    static const struct {
        const char *name;
        int (*infer)(typed *t, typed_node *n, bool object, bool binary);
        bool object, binary;
    } builders[] = {
        {"json_build_object", build, true, false}, {"jsonb_build_object", build, true, true},
        {"json_build_array", build, false, false}, {"jsonb_build_array", build, false, true},
        {"json_agg", gather, false, false},        {"jsonb_agg", gather, false, true},
        {"json_object_agg", gather, true, false},  {"jsonb_object_agg", gather, true, true}};
    for (size_t i = 0; i < sizeof(builders) / sizeof(builders[0]); i++)
        if (weir_slice_eq_cstr(n->text, builders[i].name))
            return builders[i].infer(t, n, builders[i].object, builders[i].binary);
    if (weir_slice_eq_cstr(n->text, "to_jsonb"))
        return convert(t, n, true);
    if (weir_slice_eq_cstr(n->text, "to_json") || weir_slice_eq_cstr(n->text, "row_to_json") ||
        weir_slice_eq_cstr(n->text, "array_to_json"))
        return convert(t, n, false);
    return TYPED_NONE;
}

/* ---- rows ---- */

const char *typed_document_set(weir_slice name, typed_column columns[2], size_t *ret_count)
{
    static const struct {
        const char *name, *table;
        const char *columns[2];
        uint32_t value; /* the last column's type */
    } sets[] = {{"array_elements", "weir_json_elements", {"value", NULL}, 0},
                {"array_elements_text", "weir_json_element_texts", {"value", NULL}, WEIR_OID_TEXT},
                {"each", "weir_json_pairs", {"key", "value"}, 0},
                {"each_text", "weir_json_pair_texts", {"key", "value"}, WEIR_OID_TEXT},
                {"object_keys", "weir_json_keys", {"", NULL}, WEIR_OID_TEXT}};
    bool binary = name.len > 6 && memcmp(name.data, "jsonb_", 6) == 0;
    size_t prefix = binary ? 6 : 5;
    if (name.len <= prefix || (!binary && memcmp(name.data, "json_", 5) != 0))
        return NULL;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (!weir_slice_eq_cstr(weir_slice_skip(name, prefix), sets[i].name))
            continue;
        uint32_t document = binary ? WEIR_OID_JSONB : WEIR_OID_JSON;
        *ret_count = sets[i].columns[1] ? 2 : 1;
        for (size_t k = 0; k < *ret_count; k++)
            columns[k] = (typed_column){.name = weir_slice_cstr(sets[i].columns[k]),
                                        .type = {k + 1 < *ret_count ? WEIR_OID_TEXT
                                                 : sets[i].value    ? sets[i].value
                                                                    : document,
                                                 0}};
        return sets[i].table;
    }
    return NULL;
}
