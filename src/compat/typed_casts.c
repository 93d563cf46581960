/* Types: what may become what, and how SQLite says it. */
#include "compat/run.h"
#include "compat/typed_emit.h"
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"

/* ---- types ---- */

const char *typed_type_name(uint32_t oid)
{
    static const struct {
        uint32_t oid;
        const char *name;
    } names[] = {{WEIR_OID_BOOL, "bool"},           {WEIR_OID_INT2, "int2"},
                 {WEIR_OID_INT4, "int4"},           {WEIR_OID_INT8, "int8"},
                 {WEIR_OID_FLOAT4, "float4"},       {WEIR_OID_FLOAT8, "float8"},
                 {WEIR_OID_NUMERIC, "numeric"},     {WEIR_OID_TEXT, "text"},
                 {WEIR_OID_VARCHAR, "varchar"},     {WEIR_OID_DATE, "date"},
                 {WEIR_OID_TIMESTAMP, "timestamp"}, {WEIR_OID_TIMESTAMPTZ, "timestamptz"},
                 {WEIR_OID_TIME, "time"},           {WEIR_OID_INET, "inet"},
                 {TYPED_INTERVAL, "interval"},      {WEIR_OID_UUID, "uuid"},
                 {WEIR_OID_JSON, "json"},           {WEIR_OID_JSONB, "jsonb"},
                 {WEIR_OID_BYTEA, "bytea"},         {WEIR_OID_UNKNOWN, "unknown"}};
    if (typed_element_of(oid) != 0)
        return "anyarray";
    if (enum_is_oid(oid))
        return "enum";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].oid == oid)
            return names[i].name;
    return "record";
}

bool typed_is_number(uint32_t oid)
{
    return oid == WEIR_OID_INT2 || oid == WEIR_OID_INT4 || oid == WEIR_OID_INT8 ||
           oid == WEIR_OID_NUMERIC || oid == WEIR_OID_FLOAT4 || oid == WEIR_OID_FLOAT8;
}

/* The wider ones are the later ones. */
static int rank_of(uint32_t oid)
{
    static const uint32_t order[] = {WEIR_OID_INT2,    WEIR_OID_INT4,   WEIR_OID_INT8,
                                     WEIR_OID_NUMERIC, WEIR_OID_FLOAT4, WEIR_OID_FLOAT8};
    static const uint32_t times[] = {WEIR_OID_DATE, WEIR_OID_TIMESTAMP, WEIR_OID_TIMESTAMPTZ};
    for (int i = 0; i < 6; i++)
        if (order[i] == oid)
            return 10 + i;
    for (int i = 0; i < 3; i++)
        if (times[i] == oid)
            return 20 + i;
    if (oid == WEIR_OID_VARCHAR || oid == WEIR_OID_TEXT)
        return oid == WEIR_OID_TEXT ? 31 : 30;
    return 0;
}

void typed_wrap(typed *t, typed_node *n, const char *format)
{
    const char *inner = n->wrap ? n->wrap : "%";
    size_t len = strlen(inner) + strlen(format) + 1;
    char *both = typed_new(t, len * 3 + 1);
    if (!both) {
        t->failed = -ENOMEM;
        return;
    }
    char *to = both;
    for (const char *c = format; *c; c++) {
        if (*c == '%') {
            memcpy(to, inner, strlen(inner));
            to += strlen(inner);
        } else {
            *to++ = *c;
        }
    }
    n->wrap = both;
}

const char *typed_key_name(uint32_t oid)
{
    return oid == TYPED_INTERVAL   ? "weir_interval_us("
           : oid == WEIR_OID_JSONB ? "weir_jsonb_key("
           : oid == WEIR_OID_INET  ? "weir_inet_key("
                                   : NULL;
}

bool typed_has_key(uint32_t oid)
{
    return typed_key_name(oid) != NULL;
}

void typed_key(typed *t, typed_node *n)
{
    if (!typed_has_key(n->type.oid) || n->keyed)
        return;
    char format[32];
    snprintf(format, sizeof(format), "%s%%)", typed_key_name(n->type.oid));
    typed_wrap(t, n, format);
    n->keyed = true;
}

void typed_plain(typed *t, typed_node *n)
{
    if (n->type.oid != WEIR_OID_NUMERIC || !n->exact)
        return;
    n->exact = false;
    if (n->kind == TYPED_NUMBER && n->quoted && !n->wrap)
        n->quoted = false;
    else
        typed_wrap(t, n, "weir_number(%)");
}

static void take_modifier(typed *t, typed_node *n, int mod)
{
    char text[64] = "weir_numeric(%)";
    if (mod > 0)
        snprintf(text, sizeof(text), "weir_numeric(%%, %d, %d)", (mod - 1) / 65536,
                 (mod - 1) % 65536);
    typed_wrap(t, n, text);
}

void typed_exact(typed *t, typed_node *n)
{
    if (n->type.oid != WEIR_OID_NUMERIC || n->exact)
        return;
    bool literal = n->kind == TYPED_NUMBER && !n->wrap;
    bool odd =
        literal && (memchr(n->text.data, 'e', n->text.len) ||
                    memchr(n->text.data, 'E', n->text.len) || n->text.data[n->text.len - 1] == '.');
    n->exact = true;
    if (literal)
        n->quoted = true;
    if (!literal || odd)
        take_modifier(t, n, n->type.mod);
}

/* ---- casts ---- */

typedef struct cast {
    uint32_t from, to;
    char how; /* the least that allows it: i, a, e */
    const char *format;
} cast;

/* "+%": not the column itself, whose affinity would make numbers of texts beside it. */
static const cast casts[] = {
    {TYPED_ANY_INT, WEIR_OID_NUMERIC, 'i', "%"},
    {TYPED_ANY_INT, WEIR_OID_FLOAT8, 'i', "CAST(% AS REAL)"},
    {TYPED_ANY_INT, WEIR_OID_FLOAT4, 'i', "weir_float4(%)"},
    {WEIR_OID_NUMERIC, WEIR_OID_FLOAT4, 'i', "weir_float4(%)"},
    {WEIR_OID_FLOAT4, WEIR_OID_FLOAT8, 'i', "%"},
    {WEIR_OID_FLOAT4, WEIR_OID_NUMERIC, 'a', "weir_numeric(weir_float4_digits(%))"},
    {WEIR_OID_FLOAT4, TYPED_ANY_INT, 'a', "%"},
    {WEIR_OID_FLOAT4, TYPED_ANY_TEXT, 'a', "weir_float4_text(%)"},
    {WEIR_OID_FLOAT8, WEIR_OID_FLOAT4, 'a', "weir_float4(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_FLOAT4, 'e', "weir_float4(%)"},
    {TYPED_ANY_INT, TYPED_ANY_TEXT, 'a', "CAST(% AS TEXT)"},
    {WEIR_OID_INT4, WEIR_OID_BOOL, 'e', "(% <> 0)"},
    {WEIR_OID_NUMERIC, WEIR_OID_FLOAT8, 'i', "weir_float8(%)"},
    {WEIR_OID_NUMERIC, TYPED_ANY_INT, 'a', "weir_round(%, 0)"},
    {WEIR_OID_NUMERIC, TYPED_ANY_TEXT, 'a', "CAST(% AS TEXT)"},
    {WEIR_OID_FLOAT8, WEIR_OID_NUMERIC, 'a', "weir_numeric(%)"},
    {WEIR_OID_FLOAT8, TYPED_ANY_INT, 'a', "%"},
    {WEIR_OID_FLOAT8, TYPED_ANY_TEXT, 'a', "weir_float_text(%)"},
    {WEIR_OID_BOOL, WEIR_OID_INT4, 'e', "%"},
    {WEIR_OID_BOOL, TYPED_ANY_TEXT, 'a', "weir_bool_text(%)"},
    {WEIR_OID_DATE, WEIR_OID_TIMESTAMP, 'i', "(% || ' 00:00:00')"},
    {WEIR_OID_DATE, WEIR_OID_TIMESTAMPTZ, 'i', "(% || ' 00:00:00+00:00')"},
    {WEIR_OID_DATE, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_TIMESTAMP, WEIR_OID_DATE, 'a', "substr(%, 1, 10)"},
    {WEIR_OID_TIMESTAMP, WEIR_OID_TIMESTAMPTZ, 'i', "(% || '+00:00')"},
    {WEIR_OID_TIMESTAMP, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_TIMESTAMPTZ, WEIR_OID_DATE, 'a', "substr(%, 1, 10)"},
    {WEIR_OID_TIMESTAMPTZ, WEIR_OID_TIMESTAMP, 'a', "substr(%, 1, length(%) - 6)"},
    {WEIR_OID_TIMESTAMPTZ, TYPED_ANY_TEXT, 'a', "substr(%, 1, length(%) - 3)"},
    {WEIR_OID_TIMESTAMP, WEIR_OID_TIME, 'a', "weir_time(%)"},
    {WEIR_OID_TIMESTAMPTZ, WEIR_OID_TIME, 'a', "weir_time(%)"},
    {TYPED_INTERVAL, WEIR_OID_TIME, 'a', "weir_time_add('00:00:00', %, 1)"},
    {WEIR_OID_TIME, TYPED_INTERVAL, 'i', "weir_interval(%)"},
    {WEIR_OID_TIME, TYPED_ANY_TEXT, 'a', "+%"},
    {TYPED_INTERVAL, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_UUID, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_INET, TYPED_ANY_TEXT, 'a', "weir_inet_text(%)"},
    {WEIR_OID_JSON, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_JSONB, TYPED_ANY_TEXT, 'a', "+%"},
    {WEIR_OID_JSON, WEIR_OID_JSONB, 'a', "weir_jsonb(%)"},
    {WEIR_OID_JSONB, WEIR_OID_JSON, 'a', "%"},
    {WEIR_OID_BYTEA, TYPED_ANY_TEXT, 'a', "weir_bytea_text(%)"},
    {WEIR_OID_JSONB, WEIR_OID_NUMERIC, 'e', "weir_jsonb_numeric(%)"},
    {WEIR_OID_JSONB, WEIR_OID_FLOAT4, 'e', "weir_float4(weir_jsonb_numeric(%))"},
    {WEIR_OID_JSONB, WEIR_OID_FLOAT8, 'e', "weir_float8(weir_jsonb_numeric(%))"},
    {WEIR_OID_JSONB, WEIR_OID_FLOAT4, 'e', "weir_float4(weir_jsonb_numeric(%))"},
    {WEIR_OID_JSONB, TYPED_ANY_INT, 'e', "weir_round(weir_jsonb_numeric(%), 0)"},
    {WEIR_OID_JSONB, WEIR_OID_BOOL, 'e', "weir_jsonb_bool(%)"},
    {TYPED_ANY_TEXT, TYPED_ANY_TEXT, 'i', "%"},
    {TYPED_ANY_TEXT, WEIR_OID_BOOL, 'e', "weir_bool(%)"},
    {TYPED_ANY_TEXT, TYPED_ANY_INT, 'e', "%"},
    {TYPED_ANY_TEXT, WEIR_OID_FLOAT8, 'e', "weir_float8(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_NUMERIC, 'e', "weir_numeric(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_DATE, 'e', "weir_date(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_TIMESTAMP, 'e', "weir_timestamp(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_TIMESTAMPTZ, 'e', "weir_timestamptz(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_TIME, 'e', "weir_time(%)"},
    {TYPED_ANY_TEXT, TYPED_INTERVAL, 'e', "weir_interval(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_UUID, 'e', "weir_uuid(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_INET, 'e', "weir_inet(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_JSON, 'e', "weir_json(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_JSONB, 'e', "weir_jsonb(%)"},
    {TYPED_ANY_TEXT, WEIR_OID_BYTEA, 'e', "weir_bytea(%)"},
};

uint32_t typed_family(uint32_t oid)
{
    if (oid == WEIR_OID_INT2 || oid == WEIR_OID_INT4 || oid == WEIR_OID_INT8)
        return TYPED_ANY_INT;
    return oid == WEIR_OID_TEXT || oid == WEIR_OID_VARCHAR ? TYPED_ANY_TEXT : oid;
}

static const cast *find_cast(uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < sizeof(casts) / sizeof(casts[0]); i++) {
        const cast *c = &casts[i];
        if ((c->from == from || c->from == typed_family(from)) &&
            (c->to == to || c->to == typed_family(to)))
            return c;
    }
    return NULL;
}

static const char *int_format(uint32_t oid)
{
    return oid == WEIR_OID_INT2   ? "weir_int2(%)"
           : oid == WEIR_OID_INT4 ? "weir_int4(%)"
                                  : "weir_int8(%)";
}

/* Of a value whose type is `to` already: its length, its scale. */
static void fit(typed *t, typed_node *n, typed_type to, char how)
{
    if (to.oid == WEIR_OID_NUMERIC && to.mod > 0 && (to.mod != n->type.mod || n->type.mod == 0)) {
        typed_exact(t, n);
        take_modifier(t, n, to.mod);
    }
    if (to.oid == WEIR_OID_VARCHAR && to.mod > 0 &&
        (n->type.oid != WEIR_OID_VARCHAR || n->type.mod == 0 || n->type.mod > to.mod)) {
        char text[64];
        if (how == 'e')
            snprintf(text, sizeof(text), "substr(%%, 1, %d)", to.mod);
        else
            snprintf(text, sizeof(text), "weir_varchar(%%, %d)", to.mod);
        typed_wrap(t, n, text);
    }
}

static int refuse_cast(typed *t, const typed_node *n, typed_type to, char how)
{
    const char *from = typed_type_name(n->type.oid), *name = typed_type_name(to.oid);
    if (how == 'e')
        return typed_fail(t, "42846", "cannot cast type %s to %s", from, name);
    return how == 'a'
               ? typed_fail(t, "42804", "column is of type %s but expression is of type %s", name,
                            from)
               : typed_fail(t, "42804", "argument must be of type %s, not type %s", name, from);
}

int typed_no_type(typed *t, const typed_node *n)
{
    return typed_fail(t, "42P18", "could not determine data type of parameter %.*s",
                      (int)n->text.len, (const char *)n->text.data);
}

/* It was taken for something else meanwhile. */
static bool is_other(const typed *t, const typed_node *n, typed_type to)
{
    uint32_t oid = t->params[n->column].oid;
    return oid != 0 && oid != WEIR_OID_UNKNOWN && typed_family(oid) != typed_family(to.oid);
}

static void note_param(typed *t, const typed_node *n, typed_type to)
{
    unsigned long number = 0;
    for (size_t i = 1; i < n->text.len && number < 100000; i++)
        number = number * 10 + (unsigned long)(n->text.data[i] - '0');
    if (number > 0 && number <= TYPED_PARAMS_MAX)
        t->params[number - 1] = (typed_type){to.oid, 0};
}

#define LITERAL_SIZE_MAX ((size_t)1 << 20)

/* Reading it has given its value: a text, or an integer, is written instead (what an index says in
 * its WHERE is written like that). */
static int fold_literal(typed *t, typed_node *n, const weir_value *value, bool *ret_folded)
{
    weir_buf text;
    bool whole = value->type == WEIR_VALUE_INTEGER;
    if (!whole && value->type != WEIR_VALUE_TEXT)
        return 0;
    weir_buf_init(&text, LITERAL_SIZE_MAX * 2);
    int r = whole ? weir_buf_printf(&text, "%lld", (long long)value->u.integer)
                  : weir_token_put_quoted(&text, value->u.bytes, '\'');
    const char *copy = r == 0 ? weir_arena_strdup(&t->arena, weir_buf_slice(&text)) : NULL;
    weir_buf_fini(&text);
    if (!copy)
        return -ENOMEM;
    *ret_folded = true;
    n->kind = whole ? TYPED_NUMBER : TYPED_STRING;
    n->text = weir_slice_cstr(copy);
    return 0;
}

/* PostgreSQL reads literals before anything runs. */
static int read_literal(typed *t, typed_node *n, typed_type to, const char *format,
                        bool *ret_folded)
{
    const weir_face_function *f =
        run_find_function(weir_slice_make((const uint8_t *)format, strcspn(format, "(")), 1);
    weir_slice s = n->text;
    if (!f || !f->call || n->kind != TYPED_STRING || s.len < 2 || s.data[0] != '\'' || n->wrap ||
        memchr(s.data + 1, '\'', s.len - 2))
        return 0;
    weir_value v = {.type = WEIR_VALUE_TEXT}, result = {.type = WEIR_VALUE_NULL};
    v.u.bytes = weir_slice_make(s.data + 1, s.len - 2);
    weir_buf scratch;
    weir_buf_init(&scratch, LITERAL_SIZE_MAX);
    int r = f->call(&v, 1, &scratch, &result, t->err);
    if (r == 0 && f->pure && to.oid != WEIR_OID_NUMERIC)
        r = fold_literal(t, n, &result, ret_folded);
    weir_buf_fini(&scratch);
    return r;
}

static bool is_plain_moment(weir_slice literal)
{
    int64_t us = 0;
    return literal.len > 2 &&
           weir_timestamp_parse(weir_slice_make(literal.data + 1, literal.len - 2), &us);
}

/* The literal, the parameter, NULL: of the type that is wanted. */
static int coerce_unknown(typed *t, typed_node *n, typed_type to, char how)
{
    bool null = n->kind == TYPED_CONSTANT;
    if (n->kind == TYPED_PARAM && is_other(t, n, to))
        return typed_fail(t, "42P08", "inconsistent types deduced for parameter %.*s",
                          (int)n->text.len, (const char *)n->text.data);
    if (n->kind == TYPED_PARAM)
        note_param(t, n, to);
    const cast *c = find_cast(WEIR_OID_TEXT, to.oid);
    uint32_t element = typed_element_of(to.oid);
    if (!null && n->kind != TYPED_PARAM) { /* a parameter's is put when it is written */
        bool whole = typed_family(to.oid) == TYPED_ANY_INT;
        const char *format = whole ? int_format(to.oid)
                             : c   ? typed_zoned_cast(t, WEIR_OID_TEXT, to.oid, c->format)
                                   : "%";
        bool folded = false;
        const char *now = n->kind == TYPED_STRING ? typed_now_literal(n->text, to.oid) : NULL;
        if (to.oid == WEIR_OID_TIMESTAMPTZ && n->kind == TYPED_STRING && !is_plain_moment(n->text))
            format = "weir_zone_moment(%, @)"; /* … Europe/Berlin */
        format = now ? now : format;
        int r = now ? 0 : read_literal(t, n, to, format, &folded);
        if (r != 0)
            return r;
        if (!folded && strcmp(format, "%") != 0)
            typed_wrap(t, n, format);
        if (element)
            typed_array_read(t, n, element);
    }
    n->type = (typed_type){to.oid, 0};
    n->exact = to.oid == WEIR_OID_NUMERIC && !null;
    fit(t, n, to, how);
    n->type = to;
    return 0;
}

int typed_coerce(typed *t, typed_node *n, typed_type to, char how)
{
    uint32_t from = n->type.oid;
    if (to.oid == 0 || (from == 0 && how == 'i'))
        return 0;
    if (from != to.oid && (enum_is_oid(from) || enum_is_oid(to.oid)) &&
        (from != WEIR_OID_UNKNOWN || n->kind != TYPED_PARAM)) {
        int r = typed_enum_coerce(t, n, to, how);
        if (r == TYPED_NONE)
            return refuse_cast(t, n, to, how);
        if (r != 0 || enum_is_oid(to.oid))
            return r;
        from = n->type.oid;
    }
    if (from == WEIR_OID_UNKNOWN)
        return coerce_unknown(t, n, to, how);
    uint32_t element = typed_element_of(to.oid), of = typed_element_of(from);
    bool same = typed_family(of) == typed_family(element) && of != 0 && from != to.oid;
    bool text = how == 'e' && typed_family(from) == TYPED_ANY_TEXT;
    if (element && from != to.oid && (same || text || (of && how != 'i'))) {
        if (!same || of == element)
            typed_array_read(t, n, element);
        n->type = to;
        return 0;
    }
    if (from == 0 || (of != 0 && how != 'i' && from != to.oid)) /* an array is its text */
        from = WEIR_OID_TEXT;
    if (from != to.oid || n->type.oid == 0) {
        bool ints = typed_family(from) == TYPED_ANY_INT && typed_family(to.oid) == TYPED_ANY_INT;
        const cast *c = ints ? NULL : find_cast(from, to.oid);
        bool wider = ints && rank_of(from) <= rank_of(to.oid);
        if (!ints && (!c || (c->how == 'e' && how != 'e' && n->type.oid != 0) ||
                      (c->how == 'a' && how == 'i')))
            return refuse_cast(t, n, to, how);
        if (ints && !wider && how == 'i')
            return refuse_cast(t, n, to, how);
        typed_exact(t, n);
        if (c && strcmp(c->format, "%") != 0)
            typed_wrap(t, n, typed_zoned_cast(t, from, to.oid, c->format));
        if (typed_family(to.oid) == TYPED_ANY_INT && !wider && from != WEIR_OID_BOOL)
            typed_wrap(t, n, int_format(to.oid));
        n->exact = to.oid == WEIR_OID_NUMERIC;
        n->type = (typed_type){to.oid, 0};
    }
    if (to.oid == WEIR_OID_NUMERIC && to.mod == 0)
        typed_exact(t, n); /* before its scale is forgotten */
    fit(t, n, to, how);
    n->type = to;
    return 0;
}

int typed_common_type(typed *t, typed_node *first, const char *what, typed_type *ret)
{
    typed_type best = {WEIR_OID_UNKNOWN, 0};
    bool literal = false; /* it has no length of its own */
    for (const typed_node *n = first; n; n = n->next) {
        uint32_t oid = n->type.oid;
        if (oid == 0 || oid == WEIR_OID_UNKNOWN || best.oid == 0) {
            best.oid = oid == 0 ? 0 : best.oid;
            literal |= oid == WEIR_OID_UNKNOWN;
            continue;
        }
        if (best.oid == WEIR_OID_UNKNOWN) {
            best = n->type;
            continue;
        }
        if (best.oid == oid) {
            best.mod = best.mod == n->type.mod ? best.mod : 0;
            continue;
        }
        int a = rank_of(best.oid), b = rank_of(oid);
        if (a == 0 || b == 0 || a / 10 != b / 10)
            return typed_fail(t, "42804", "%s types %s and %s cannot be matched", what,
                              typed_type_name(best.oid), typed_type_name(oid));
        best = (typed_type){b > a && a < 30 ? oid : best.oid, 0}; /* of texts the first one's */
    }
    if (best.oid == WEIR_OID_UNKNOWN)
        best.oid = WEIR_OID_TEXT;
    best.mod = literal ? 0 : best.mod;
    *ret = best;
    return 0;
}

/* ---- parameters ---- */

const char *typed_input_of(uint32_t oid)
{
    switch (oid) {
    case WEIR_OID_BOOL:
        return "weir_bool(";
    case WEIR_OID_INT2:
        return "weir_int2(";
    case WEIR_OID_INT4:
        return "weir_int4(";
    case WEIR_OID_INT8:
        return "weir_int8(";
    case WEIR_OID_FLOAT4:
        return "weir_float4(";
    case WEIR_OID_FLOAT8:
        return "weir_float8(";
    case WEIR_OID_NUMERIC:
        return "weir_numeric(";
    case WEIR_OID_DATE:
        return "weir_date(";
    case WEIR_OID_TIMESTAMP:
        return "weir_timestamp(";
    case WEIR_OID_TIMESTAMPTZ:
        return "weir_timestamptz(";
    case WEIR_OID_TIME:
        return "weir_time(";
    case TYPED_INTERVAL:
        return "weir_interval(";
    case WEIR_OID_UUID:
        return "weir_uuid(";
    case WEIR_OID_INET:
        return "weir_inet(";
    case WEIR_OID_JSON:
        return "weir_json(";
    case WEIR_OID_JSONB:
        return "weir_jsonb(";
    case WEIR_OID_BYTEA:
        return "weir_bytea(";
    default:
        return NULL;
    }
}
