/* Functions and operators: which of PostgreSQL's is meant by the types of what it is given, and how
 * SQLite says it. A function that is not listed is SQLite's own, or nobody's. */
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"
#include "compat/values.h"

typedef typed_function call;

static const call calls[] = {
    /* numbers */
    {"abs", "2", '2', NULL},
    {"abs", "4", '4', NULL},
    {"abs", "8", '8', NULL},
    {"abs", "r", 'r', "abs(%1 + 0.0)"},
    {"abs", "f", 'f', "abs(%1 + 0.0)"},
    {"abs", "n", 'n', "weir_numeric_abs(%1)"},
    {"sign", "f", 'f', "CAST(sign(%1) AS REAL)"},
    {"sign", "n", 'n', "sign(CAST(%1 AS REAL))"},
    {"mod", "22", '2', "weir_mod(%1, %2)"},
    {"mod", "44", '4', "weir_mod(%1, %2)"},
    {"mod", "88", '8', "weir_mod(%1, %2)"},
    {"mod", "nn", 'n', "weir_rem(%1, %2)"},
    {"div", "nn", 'n', "weir_quo(%1, %2)"},
    {"round", "f", 'f', "weir_rint(%1)"},
    {"round", "n", 'n', "weir_round(%1, 0)"},
    {"round", "n4", 'n', "weir_round(%1, %2)"},
    {"trunc", "m", '!', NULL},
    {"trunc", "f", 'f', NULL},
    {"trunc", "n", 'n', "weir_trunc(%1, 0)"},
    {"trunc", "n4", 'n', "weir_trunc(%1, %2)"},
    {"floor", "f", 'f', NULL},
    {"floor", "n", 'n', "weir_floor(%1)"},
    {"ceil", "f", 'f', NULL},
    {"ceil", "n", 'n', "weir_ceil(%1)"},
    {"ceiling", "f", 'f', NULL},
    {"ceiling", "n", 'n', "weir_ceil(%1)"},
    {"sqrt", "f", 'f', "weir_sqrt(%1)"},
    {"sqrt", "n", '!', NULL},
    {"exp", "f", 'f', "weir_finite(exp(%1))"},
    {"exp", "n", '!', NULL},
    {"ln", "f", 'f', "weir_ln(%1)"},
    {"ln", "n", '!', NULL},
    {"log", "f", 'f', "weir_log10(%1)"},
    {"log", "n", '!', NULL},
    {"log", "nn", '!', NULL},
    {"log10", "f", 'f', "weir_log10(%1)"},
    {"log10", "n", '!', NULL},
    {"asin", "f", 'f', "weir_defined(asin(%1), %1)"},
    {"acos", "f", 'f', "weir_defined(acos(%1), %1)"},
    {"acosh", "f", 'f', "weir_defined(acosh(%1), %1)"},
    {"atanh", "f", 'f', "weir_defined(atanh(%1), %1)"},
    {"power", "ff", 'f', "weir_finite(power(%1, %2))"},
    {"power", "nn", '!', NULL},
    {"pow", "ff", 'f', "weir_finite(power(%1, %2))"},
    {"pi", "", 'f', NULL},
    {"random", "", 'f', "((random() & 9007199254740991) / 9007199254740992.0)"},
    /* texts */
    {"length", "t", '4', NULL},
    {"length", "y", '4', NULL},
    {"char_length", "t", '4', "length(%1)"},
    {"character_length", "t", '4', "length(%1)"},
    {"octet_length", "t", '4', "length(CAST(%1 AS BLOB))"},
    {"octet_length", "y", '4', "length(%1)"},
    {"position", "tt", '4', "instr(%2, %1)"},
    {"strpos", "tt", '4', "instr(%1, %2)"},
    {"upper", "t", 't', "weir_upper(%1)"},
    {"lower", "t", 't', "weir_lower(%1)"},
    {"initcap", "t", 't', "weir_initcap(%1)"},
    {"substr", "t4", 't', "weir_substr(%1, %2)"},
    {"substr", "t44", 't', "weir_substr(%1, %2, %3)"},
    {"substring", "t4", 't', "weir_substr(%1, %2)"},
    {"substring", "t44", 't', "weir_substr(%1, %2, %3)"},
    {"substring", "tt", 't', "weir_regexp_substring(%1, %2)"},
    {"regexp_replace", "ttt", 't', "weir_regexp_replace(%1, %2, %3)"},
    {"regexp_replace", "tttt", 't', "weir_regexp_replace(%1, %2, %3, %4)"},
    {"regexp_substr", "tt", 't', "weir_regexp_substring(%1, %2)"},
    {"regexp_like", "tt", 'b', "(%1 REGEXP %2)"},
    {"regexp_count", "tt", '4', "weir_regexp_count(%1, %2)"},
    {"left", "t4", 't', "weir_left(%1, %2)"},
    {"right", "t4", 't', "weir_right(%1, %2)"},
    {"lpad", "t4", 't', "weir_lpad(%1, %2, ' ')"},
    {"lpad", "t4t", 't', "weir_lpad(%1, %2, %3)"},
    {"rpad", "t4", 't', "weir_rpad(%1, %2, ' ')"},
    {"rpad", "t4t", 't', "weir_rpad(%1, %2, %3)"},
    {"ltrim", "t", 't', NULL},
    {"ltrim", "tt", 't', NULL},
    {"rtrim", "t", 't', NULL},
    {"rtrim", "tt", 't', NULL},
    {"btrim", "t", 't', "trim(%1)"},
    {"btrim", "tt", 't', "trim(%1, %2)"},
    {"replace", "ttt", 't', NULL},
    {"repeat", "t4", 't', "weir_repeat(%1, %2)"},
    {"reverse", "t", 't', "weir_reverse(%1)"},
    {"split_part", "tt4", 't', "weir_split_part(%1, %2, %3)"},
    {"concat", "+", 't', "weir_concat(%*)"},
    {"concat_ws", "t+", 't', "weir_concat_ws(%*)"},
    {"translate", "ttt", 't', "weir_translate(%1, %2, %3)"},
    {"overlay", "tt4", 't', "weir_overlay(%1, %2, %3)"},
    {"overlay", "tt44", 't', "weir_overlay(%1, %2, %3, %4)"},
    {"md5", "t", 't', "weir_md5(%1)"},
    {"chr", "4", 't', "weir_chr(%1)"},
    {"ascii", "t", '4', "weir_ascii(%1)"},
    {"quote_literal", "t", 't', NULL},
    {"quote_ident", "t", 't', NULL},
    {"starts_with", "tt", 'b', "(substr(%1, 1, length(%2)) = %2)"},
    {"format", "t+", 't', "weir_format(%*)"},
    {"to_hex", "8", 't', "weir_to_hex(%1)"},
    {"to_char", "st", 't', "weir_to_char(%1, %2)"},
    {"to_char", "zt", 't', "weir_to_char(%1, %2)"},
    {"to_char", "nt", '!', NULL},
    {"to_char", "vt", '!', NULL},
    /* moments */
    {"now", "", 'z', "weir_moment_text(weir_moment('transaction'))"},
    {"transaction_timestamp", "", 'z', "weir_moment_text(weir_moment('transaction'))"},
    {"statement_timestamp", "", 'z', "weir_moment_text(weir_moment('statement'))"},
    {"clock_timestamp", "", 'z', "weir_moment_text(weir_moment('clock'))"},
    {"current_timestamp", "", 'z', "weir_moment_text(weir_moment('transaction'))"},
    {"localtimestamp", "", 's', "weir_moment_text(weir_moment('transaction'), 0)"},
    {"current_date", "", 'd', "substr(weir_moment_text(weir_moment('transaction')), 1, 10)"},
    {"host", "a", 't', "weir_inet_host(%1)"},
    {"masklen", "a", '4', "weir_inet_bits(%1)"},
    {"family", "a", '4', "weir_inet_family(%1)"},
    {"network", "a", '!', NULL},
    {"netmask", "a", '!', NULL},
    {"broadcast", "a", '!', NULL},
    {"date_trunc", "ts", 's', "weir_date_trunc(%1, %2)"},
    {"date_trunc", "tz", 'z', "weir_date_trunc(%1, %2)"},
    {"date_trunc", "tv", 'v', "weir_interval_trunc(%1, %2)"},
    {"date_part", "ts", 'f', "CAST(weir_extract(%1, %2) AS REAL)"},
    {"date_part", "td", 'f', "CAST(weir_extract(%1, %2) AS REAL)"},
    {"date_part", "tz", 'f', "CAST(weir_extract(%1, %2) AS REAL)"},
    {"date_part", "tv", 'f', "CAST(weir_extract(%1, %2) AS REAL)"},
    {"date_part", "tc", 'f', "CAST(weir_time_part(%1, %2) AS REAL)"},
    {"age", "ss", 'v', "weir_age(%1, %2)"},
    {"age", "zz", 'v', "weir_age(%1, %2)"},
    {"make_date", "444", 'd', "weir_make_date(%1, %2, %3)"},
    {"to_date", "tt", 'd', "weir_to_date(%1, %2)"},
    {"to_timestamp", "f", 'z', "weir_to_timestamp(%1)"},
    {"to_timestamp", "tt", '!', NULL},
    /* others */
    {"gen_random_uuid", "", 'u', WEIR_UUID_WORDS},
    {"pg_notify", "tt", 't', NULL},
    /* aggregates */
    {"count", "*", '8', NULL},
    {"sum", "2", '8', NULL},
    {"sum", "4", '8', NULL},
    {"sum", "8", 'n', "weir_sum(%1)"},
    {"sum", "r", 'r', "weir_float4(sum(%1))"},
    {"sum", "f", 'f', NULL},
    {"sum", "n", 'n', "weir_sum(%1)"},
    {"sum", "v", 'v', "weir_interval_sum(%1)"},
    {"avg", "8", 'n', "weir_avg(%1)"},
    {"avg", "n", 'n', "weir_avg(%1)"},
    {"avg", "f", 'f', NULL},
    {"avg", "v", 'v', "weir_interval_avg(%1)"},
    {"bool_and", "b", 'b', "min(%1)"},
    {"every", "b", 'b', "min(%1)"},
    {"bool_or", "b", 'b', "max(%1)"},
    {"string_agg", "tt", 't', NULL},
    /* windows */
    {"row_number", "", '8', NULL},
    {"rank", "", '8', NULL},
    {"dense_rank", "", '8', NULL},
    {"ntile", "4", '4', NULL},
    {"percent_rank", "", 'f', NULL},
    {"cume_dist", "", 'f', NULL},
    {"lag", "*", '=', NULL},
    {"lag", "*4", '=', NULL},
    {"lag", "*4*", '=', NULL},
    {"lead", "*", '=', NULL},
    {"lead", "*4", '=', NULL},
    {"lead", "*4*", '=', NULL},
    {"first_value", "*", '=', NULL},
    {"last_value", "*", '=', NULL},
    {"nth_value", "*4", '=', NULL},
    {NULL, NULL, 0, NULL},
};

static const call *const lists[] = {calls, typed_documents, typed_values};

#define OID_MACADDR 829u /* it has no values here, but functions of it make others not unique */

uint32_t typed_letter_oid(char letter)
{
    static const struct {
        char letter;
        uint32_t oid;
    } letters[] = {{'2', WEIR_OID_INT2},      {'4', WEIR_OID_INT4},        {'8', WEIR_OID_INT8},
                   {'r', WEIR_OID_FLOAT4},    {'f', WEIR_OID_FLOAT8},      {'n', WEIR_OID_NUMERIC},
                   {'t', WEIR_OID_TEXT},      {'b', WEIR_OID_BOOL},        {'d', WEIR_OID_DATE},
                   {'s', WEIR_OID_TIMESTAMP}, {'z', WEIR_OID_TIMESTAMPTZ}, {'v', TYPED_INTERVAL},
                   {'u', WEIR_OID_UUID},      {'J', WEIR_OID_JSONB},       {'j', WEIR_OID_JSON},
                   {'y', WEIR_OID_BYTEA},     {'c', WEIR_OID_TIME},        {'a', WEIR_OID_INET}};
    if (letter == 'T')
        return weir_compat_array_oid(WEIR_OID_TEXT);
    if (letter == 'm')
        return OID_MACADDR;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (letters[i].letter == letter)
            return letters[i].oid;
    return 0;
}

/* Is it implicitly one of these? 0: it is one; higher: with more ado; -1: no. */
int typed_distance(uint32_t from, char letter)
{
    static const struct {
        uint32_t from;
        const char *to; /* the preferred first */
    } implicit[] = {{WEIR_OID_INT2, "48fnr"}, {WEIR_OID_INT4, "8fnr"},   {WEIR_OID_INT8, "fnr"},
                    {WEIR_OID_NUMERIC, "fr"}, {WEIR_OID_FLOAT4, "f"},    {WEIR_OID_VARCHAR, "t"},
                    {WEIR_OID_DATE, "zs"},    {WEIR_OID_TIMESTAMP, "z"}, {WEIR_OID_TIME, "v"}};
    uint32_t to = typed_letter_oid(letter);
    if (letter == '*' || letter == '+' || from == to || from == 0)
        return 0;
    if (from == WEIR_OID_UNKNOWN)
        return letter == 't' ? 1 : letter == 'f' || letter == 'z' ? 2 : 3;
    for (size_t i = 0; i < sizeof(implicit) / sizeof(implicit[0]); i++) {
        const char *found = implicit[i].from == from ? strchr(implicit[i].to, letter) : NULL;
        if (found)
            return 10 + (int)(found - implicit[i].to);
    }
    return -1;
}

static int cost(const call *c, const typed_node *n)
{
    const char *letter = c->args;
    int sum = 0;
    for (const typed_node *a = n->args; a; a = a->next) {
        int d = typed_distance(a->type.oid, *letter);
        if (*letter == '\0' || d < 0)
            return -1;
        sum += d;
        letter += *letter != '+';
    }
    return *letter == '\0' || *letter == '+' ? sum : -1;
}

static bool is_aggregate(weir_slice name)
{
    static const char *const names[] = {"count",
                                        "sum",
                                        "avg",
                                        "min",
                                        "max",
                                        "bool_and",
                                        "bool_or",
                                        "every",
                                        "array_agg",
                                        "json_agg",
                                        "jsonb_agg",
                                        "string_agg",
                                        "group_concat",
                                        "total",
                                        "json_object_agg",
                                        "jsonb_object_agg",
                                        "variance",
                                        "var_samp",
                                        "var_pop",
                                        "stddev",
                                        "stddev_samp",
                                        "stddev_pop",
                                        "covar_pop",
                                        "covar_samp",
                                        "corr",
                                        "regr_avgx",
                                        "regr_avgy",
                                        "regr_sxx",
                                        "regr_syy",
                                        "regr_sxy",
                                        "regr_slope",
                                        "regr_intercept",
                                        "regr_r2",
                                        "regr_count",
                                        "bit_and",
                                        "bit_or",
                                        "bit_xor"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_slice_eq_cstr(name, names[i]))
            return true;
    return false;
}

static bool is_window(weir_slice name)
{
    static const char *const names[] = {"row_number",   "rank",       "dense_rank", "ntile",
                                        "percent_rank", "cume_dist",  "lag",        "lead",
                                        "first_value",  "last_value", "nth_value"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_slice_eq_cstr(name, names[i]))
            return true;
    return false;
}

int typed_no_function(typed *t, const typed_node *n)
{
    char types[128] = "";
    size_t len = 0;
    for (const typed_node *a = n->args; a && len < sizeof(types) - 24; a = a->next)
        len += (size_t)snprintf(types + len, sizeof(types) - len, "%s%s", len ? ", " : "",
                                typed_type_name(a->type.oid));
    return typed_fail(t, "42883", "function %.*s(%s) does not exist", (int)n->text.len,
                      (const char *)n->text.data, types);
}

static int take_args(typed *t, typed_node *n, const call *c)
{
    const char *letter = c->args;
    int r = 0;
    for (typed_node *a = n->args; r == 0 && a; a = a->next) {
        if (*letter == '+') {
            r = typed_as_text(t, a);
        } else if (*letter != '*') {
            uint32_t oid = typed_letter_oid(*letter);
            bool same = oid == WEIR_OID_TEXT && a->type.oid == WEIR_OID_VARCHAR;
            r = same ? 0 : typed_coerce(t, a, (typed_type){oid, 0}, 'i');
        } else if (a->type.oid == WEIR_OID_UNKNOWN && a->kind == TYPED_PARAM && !n->distinct &&
                   strcmp(c->name, "count") == 0) {
            r = typed_no_type(t, a);
        } else if (a->type.oid == WEIR_OID_UNKNOWN) {
            r = typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'i');
        }
        if (r == 0)
            typed_exact(t, a);
        letter += *letter != '+';
    }
    return r;
}

/* The nearest of them by its arguments; NULL: none. */
static const call *find_call(const typed_node *n, bool *ret_known)
{
    const call *best = NULL;
    int least = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const call *c = lists[i]; c->name; c++) {
            if (!weir_slice_eq_cstr(n->text, c->name))
                continue;
            *ret_known = true;
            int sum = cost(c, n);
            if (sum >= 0 && (!best || sum < least)) {
                best = c;
                least = sum;
            }
        }
    }
    return best;
}

/* Types among which PostgreSQL prefers one: numbers, moments; others are by themselves. */
char typed_category(char letter)
{
    return strchr("248rfn", letter) ? 'n' : strchr("dsz", letter) ? 'd' : letter;
}

/* Could a literal or parameter without a type be of different kinds, none of them a text; or, where
 * nothing else says a type, of several of a kind, none of them preferred? */
static bool is_ambiguous(const typed_node *n)
{
    size_t at = 0;
    bool bare = true;
    for (const typed_node *a = n->args; a; a = a->next)
        bare &= a->type.oid == WEIR_OID_UNKNOWN;
    for (const typed_node *a = n->args; a; a = a->next, at++) {
        char kinds[16] = "", first = '\0';
        size_t count = 0;
        bool several = false, preferred = false;
        bool text = a->type.oid != WEIR_OID_UNKNOWN;
        for (size_t i = 0; !text && i < sizeof(lists) / sizeof(lists[0]); i++) {
            for (const call *c = lists[i]; c->name; c++) {
                if (!weir_slice_eq_cstr(n->text, c->name) || cost(c, n) < 0 ||
                    strlen(c->args) <= at)
                    continue;
                char letter = c->args[at], kind = typed_category(letter);
                several |= first != '\0' && first != letter;
                preferred |= letter == 'f' || letter == 'z';
                first = letter;
                text |= strchr("t*+", kind) != NULL;
                if (!strchr(kinds, kind) && count < sizeof(kinds) - 1)
                    kinds[count++] = kind;
            }
        }
        if (!text && (count > 1 || (bare && several && !preferred)))
            return true;
    }
    return false;
}

static int choose(typed *t, typed_node *n)
{
    bool known = false;
    const call *best = find_call(n, &known);
    if (!known)
        return TYPED_PASS;
    if (!best)
        return typed_no_function(t, n);
    if (is_ambiguous(n))
        return typed_fail(t, "42725", "function %.*s is not unique", (int)n->text.len,
                          (const char *)n->text.data);
    if (best->result == '!')
        return typed_fail(t, "0A000", "weir: %s with these arguments is not supported on SQLite",
                          best->name);
    int r = take_args(t, n, best);
    n->emit = typed_zoned_call(t, best->name, best->args, best->emit);
    n->type.oid = typed_letter_oid(best->result);
    n->exact = n->type.oid == WEIR_OID_NUMERIC;
    if (best->result == '=') {
        n->type = n->args->type;
        n->exact = n->args->exact;
        if (r == 0 && n->args->next && n->args->next->next)
            r = typed_coerce(t, n->args->next->next, n->type, 'i');
    }
    return r;
}

/* ---- those of their own kind ---- */

#define NONE TYPED_NONE

static int infer_min_max(typed *t, typed_node *n)
{
    typed_node *a = n->args;
    uint32_t oid = a ? a->type.oid : 0;
    if (!a || a->next || oid == WEIR_OID_BOOL || oid == WEIR_OID_UUID || oid == WEIR_OID_JSONB ||
        oid == WEIR_OID_JSON || oid == WEIR_OID_BYTEA)
        return typed_no_function(t, n);
    if (typed_element_of(oid) != 0)
        return typed_check_order(t, oid);
    int r = oid == WEIR_OID_UNKNOWN ? typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'i') : 0;
    n->type = a->type;
    if (a->kind == TYPED_NUMBER)
        typed_exact(t, a);
    bool least = weir_slice_eq_cstr(n->text, "min");
    if (oid == WEIR_OID_INET)
        return typed_fail(t, "0A000", "weir: min and max of inet are not supported on SQLite");
    if (oid == TYPED_INTERVAL) {
        n->emit = least ? "weir_interval_min(%1)" : "weir_interval_max(%1)";
        return r;
    }
    if (oid == WEIR_OID_NUMERIC && a->exact) { /* the scale is the value's own */
        n->emit = least ? "weir_numeric_min(%1)" : "weir_numeric_max(%1)";
        n->exact = true;
        return r;
    }
    typed_plain(t, a);
    if (oid == WEIR_OID_VARCHAR)
        n->type = (typed_type){WEIR_OID_TEXT, 0};
    return r;
}

static int infer_common(typed *t, typed_node *n)
{
    typed_type type;
    bool null = weir_slice_eq_cstr(n->text, "nullif");
    bool greatest = weir_slice_eq_cstr(n->text, "greatest");
    bool least = weir_slice_eq_cstr(n->text, "least");
    if (!null && !greatest && !least && !weir_slice_eq_cstr(n->text, "coalesce"))
        return NONE;
    if (!n->args || (null && (!n->args->next || n->args->next->next)))
        return TYPED_PASS;
    char what[16];
    for (size_t i = 0; i < sizeof(what); i++)
        what[i] = i < n->text.len ? (char)(n->text.data[i] - ('a' - 'A')) : '\0';
    what[sizeof(what) - 1] = '\0';
    int r = typed_common_type(t, n->args, what, &type);
    if (r == WEIR_COMPAT_REFUSED && null)
        return typed_fail(t, "42883", "operator does not exist: %s = %s",
                          typed_type_name(n->args->type.oid),
                          typed_type_name(n->args->next->type.oid));
    bool keyed = typed_has_key(type.oid) || enum_is_oid(type.oid);
    if (r == 0 && keyed && (greatest || least))
        return typed_fail(t, "0A000", "weir: %s of %s is not supported on SQLite", what,
                          typed_type_name(type.oid));
    if (r == 0 && (greatest || least))
        r = typed_check_order(t, type.oid);
    typed_type first = n->args->type;
    for (typed_node *a = n->args; r == 0 && a; a = a->next) {
        r = typed_coerce(t, a, type, 'i');
        if (r == 0)
            typed_exact(t, a);
    }
    bool numeric = type.oid == WEIR_OID_NUMERIC;
    n->type = type;
    if (null && first.oid != WEIR_OID_UNKNOWN && !numeric)
        n->type = first;
    if (null && n->type.oid == WEIR_OID_VARCHAR) /* varchars are compared as texts */
        n->type = (typed_type){WEIR_OID_TEXT, 0};
    n->exact = numeric;
    n->emit = greatest          ? (numeric ? "weir_greatest(1, %*)" : "weir_greatest(0, %*)")
              : least           ? (numeric ? "weir_least(1, %*)" : "weir_least(0, %*)")
              : null && numeric ? "weir_numeric_nullif(%1, %2)"
                                : NULL;
    if (!null && !greatest && !least && !n->args->next)
        n->emit = "%1";
    return r;
}

static int infer_typeof(typed *t, typed_node *n)
{
    uint32_t oid = n->args->type.oid;
    const typed_enum *e = enum_is_oid(oid) ? typed_enum_of(t, oid) : NULL;
    char *emit = typed_new(t, 80);
    if (!emit || (e && (e->name.len > 63 || memchr(e->name.data, '\'', e->name.len) ||
                        memchr(e->name.data, '%', e->name.len))))
        return emit ? TYPED_PASS : -ENOMEM;
    if (e)
        snprintf(emit, 80, "'%.*s'", (int)e->name.len, (const char *)e->name.data);
    else
        snprintf(emit, 80, "weir_format_type(%u, NULL)", oid);
    n->emit = oid == WEIR_OID_UNKNOWN ? "'unknown'" : emit;
    n->type.oid = WEIR_OID_TEXT;
    return oid == 0 ? TYPED_PASS : 0;
}

static int infer_special(typed *t, typed_node *n)
{
    int of_enum = typed_infer_enum_call(t, n);
    if (of_enum != TYPED_NONE)
        return of_enum;
    if (weir_slice_eq_cstr(n->text, "min") || weir_slice_eq_cstr(n->text, "max"))
        return infer_min_max(t, n);
    if (weir_slice_eq_cstr(n->text, "count") && n->star) {
        n->type.oid = WEIR_OID_INT8;
        return 0;
    }
    if (weir_slice_eq_cstr(n->text, "count") && n->args && !n->args->next &&
        n->args->type.oid == WEIR_OID_NUMERIC) {
        if (n->distinct && n->args->exact)
            typed_wrap(t, n->args, "weir_trimmed(%)");
        n->type.oid = WEIR_OID_INT8;
        return 0;
    }
    if (weir_slice_eq_cstr(n->text, "pg_typeof") && n->args && !n->args->next)
        return infer_typeof(t, n);
    int r = typed_infer_document(t, n);
    bool member = n->args && n->args->type.oid == WEIR_OID_JSONB;
    if (r == NONE && !member)
        r = typed_infer_array_call(t, n);
    return r == NONE ? infer_common(t, n) : r;
}

/* Has columns, and none of this query: it is the outer query's aggregate. */
static unsigned levels_of(const typed_node *n)
{
    unsigned levels = n->kind != TYPED_COLUMN ? 0u : n->level > 0 ? 2u : 1u;
    for (const typed_node *a = n->args; a; a = a->next)
        levels |= levels_of(a);
    return n->query ? levels | 1u : levels;
}

static bool is_outer(const typed_node *n)
{
    return (levels_of(n) | (n->filter ? levels_of(n->filter) : 0u)) == 2u;
}

/* Aggregates that are not SQLite's have no windows. */
static bool is_ours(const char *emit)
{
    static const char *const ours[] = {"weir_sum(%1)",          "weir_avg(%1)",
                                       "weir_numeric_min(%1)",  "weir_numeric_max(%1)",
                                       "weir_interval_min(%1)", "weir_interval_max(%1)",
                                       "weir_interval_sum(%1)", "weir_interval_avg(%1)"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(emit, ours[i]) == 0)
            return true;
    static const char *const begins[] = {"weir_var_", "weir_stddev_", "weir_covar_",
                                         "weir_corr", "weir_regr_",   "weir_bit_"};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (strncmp(emit, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

int typed_infer_call(typed *t, typed_scope *s, typed_node *n)
{
    bool aggregate = is_aggregate(n->text) && !n->over;
    int r = 0;
    if (n->order)
        r = typed_infer_order(t, s, n->order);
    if (r == 0 && n->filter)
        r = typed_infer_bool(t, s, n->filter, "FILTER");
    if (r == 0 && n->over)
        r = typed_infer_list(t, s, n->over->partition);
    if (r == 0 && n->over)
        r = typed_infer_order(t, s, n->over->order);
    if (r != 0)
        return r;
    if (aggregate && is_outer(n))
        return typed_fail(
            t, "0A000",
            "weir: an aggregate of an outer query's columns is not supported on SQLite");
    for (const typed_node *a = n->args; aggregate && a; a = a->next)
        if (a->aggregate)
            return typed_fail(t, "42803", "aggregate function calls cannot be nested");
    for (const typed_node *a = n->args; aggregate && n->distinct && a; a = a->next)
        if (weir_slice_eq_cstr(n->text, "array_agg") || weir_slice_eq_cstr(n->text, "string_agg"))
            return typed_fail(t, "0A000", "weir: DISTINCT in %.*s is not supported on SQLite",
                              (int)n->text.len, (const char *)n->text.data);
    if (is_window(n->text) && !n->over)
        return typed_fail(t, "42809", "window function %.*s requires an OVER clause",
                          (int)n->text.len, (const char *)n->text.data);
    r = infer_special(t, n);
    if (r == NONE)
        r = choose(t, n);
    n->aggregate = aggregate;
    bool whole =
        n->args && n->args->type.oid == WEIR_OID_INT8 && weir_slice_eq_cstr(n->text, "sum");
    if (n->over && whole)
        n->emit = NULL; /* SQLite's own */
    if (r == 0 && n->over && n->emit && is_ours(n->emit))
        return typed_fail(t, "0A000",
                          "weir: this aggregate over a window is not supported on SQLite");
    return r;
}
