/* What is believed: functions, operators and types by their names, as the schema judges them; and
 * what is read from texts while a statement runs, which may be the date. */
#include "sql/read_pg.h"

/* ---- names ---- */

/* These tell of their session, whatever else is known of them. */
static bool is_of_session(const char *name)
{
    static const char *const names[] = {"current_database",  "current_query",    "current_schema",
                                        "current_schemas",   "current_setting",  "currval",
                                        "inet_client_addr",  "inet_client_port", "inet_server_addr",
                                        "inet_server_port",  "lastval",          "pg_backend_pid",
                                        "pg_my_temp_schema", "pg_conf_load_time"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return strncmp(name, "has_", 4) == 0 || strncmp(name, "txid_", 5) == 0;
}

static void judge(weir_pg_reader *r, weir_trust trust, const char *what, const char *name)
{
    if (trust == WEIR_TRUST_NONE)
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "uses %s %.60s, which is not the server's own",
                       what, name);
    else if (trust == WEIR_TRUST_VOLATILE)
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "uses %s %.60s, whose answer may change", what,
                       name);
}

void weir_pg_operator_named(weir_pg_reader *r, const char *name)
{
    judge(r, weir_schema_operator(r->schema, weir_slice_cstr(name)), "the operator", name);
}

const char *weir_pg_operator(weir_pg_reader *r, PgQuery__Node *const *names, size_t count)
{
    const char *name = count > 0 ? weir_pg_string(names[count - 1]) : "";
    if (count > 2 || (count == 2 && strcmp(weir_pg_string(names[0]), "pg_catalog") != 0)) {
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE,
                       "uses the operator %.60s, which is not the server's own", name);
        return NULL;
    }
    return name;
}

void weir_pg_value_function(weir_pg_reader *r, const PgQuery__SQLValueFunction *f)
{
    if (f->op >= PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE)
        weir_pg_refuse(r, WEIR_REFUSAL_EFFECTS, "asks who its session is");
    else
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "asks for the time");
}

/* ---- types ---- */

enum {
    OID_NAME = 19,
    OID_JSON = 114,
    OID_BPCHAR = 1042,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_INTERVAL = 1186,
    OID_TIMETZ = 1266,
    OID_DATE = 1082,
    OID_TEXT = 25,
    OID_VARCHAR = 1043
};

static const struct {
    const char *name;
    uint32_t oid;
    bool timeless;
} types[] = {
    {"bool", 16, true},
    {"bytea", 17, true},
    {"char", 18, true},
    {"name", OID_NAME, true},
    {"int8", 20, true},
    {"int2", 21, true},
    {"int4", 23, true},
    {"text", OID_TEXT, true},
    {"oid", 26, true},
    {"json", OID_JSON, true},
    {"point", 600, true},
    {"box", 603, true},
    {"cidr", 650, true},
    {"float4", 700, true},
    {"float8", 701, true},
    {"macaddr", 829, true},
    {"inet", 869, true},
    {"bpchar", OID_BPCHAR, true},
    {"varchar", OID_VARCHAR, true},
    {"date", OID_DATE, false},
    {"time", OID_TIME, false},
    {"timestamp", OID_TIMESTAMP, false},
    {"timestamptz", OID_TIMESTAMPTZ, false},
    {"interval", OID_INTERVAL, true},
    {"timetz", OID_TIMETZ, false},
    {"bit", 1560, true},
    {"varbit", 1562, true},
    {"numeric", 1700, true},
    {"uuid", 2950, true},
    {"tsvector", 3614, true},
    {"tsquery", 3615, true},
    {"jsonb", 3802, true},
    {"int4range", 3904, true},
    {"numrange", 3906, true},
    {"int8range", 3926, true},
};

static uint32_t type_named(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(name, types[i].name) == 0)
            return types[i].oid;
    }
    return 0;
}

bool weir_pg_type_is_timeless(uint32_t oid)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].oid == oid)
            return types[i].timeless;
    }
    return false;
}

weir_pg_cast_type weir_pg_cast_type_of(const PgQuery__TypeName *t)
{
    weir_pg_cast_type ret = {.array = t->n_array_bounds > 0,
                             .plain = t->n_typmods == 0 && t->n_array_bounds < 2};
    const char *name = t->n_names > 0 ? weir_pg_string(t->names[t->n_names - 1]) : "";
    bool own = t->n_names == 1 ||
               (t->n_names == 2 && strcmp(weir_pg_string(t->names[0]), "pg_catalog") == 0);
    ret.oid = own ? type_named(name) : 0;
    return ret;
}

/* ---- casts ---- */

/* Of the names of objects, which the catalogs say. */
static bool is_of_catalog(const char *type)
{
    return strncmp(type, "reg", 3) == 0;
}

/* Dates and times come of their own kind, not of a text that may say "today". */
static bool is_time(uint32_t oid)
{
    return oid == OID_DATE || oid == OID_TIME || oid == OID_TIMESTAMP || oid == OID_TIMESTAMPTZ ||
           oid == OID_INTERVAL;
}

static bool is_literal(const PgQuery__Node *n)
{
    return n->node_case == PG_QUERY__NODE__NODE_A_CONST ||
           n->node_case == PG_QUERY__NODE__NODE_PARAM_REF;
}

static bool gives_time(weir_pg_reader *r, const PgQuery__Node *n)
{
    static const char *const functions[] = {"date_trunc", "make_date",    "make_timestamp",
                                            "to_date",    "to_timestamp", "make_timestamptz",
                                            "date_bin",   "justify_hours"};
    if (n->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
        return is_time(weir_pg_type_of(r, n));
    const PgQuery__FuncCall *f = n->func_call;
    const char *name = f->n_funcname > 0 ? weir_pg_string(f->funcname[f->n_funcname - 1]) : "";
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (strcmp(name, functions[i]) == 0)
            return true;
    }
    return false;
}

static bool is_text(uint32_t oid)
{
    return oid == 0 || oid == OID_TEXT || oid == OID_VARCHAR || oid == OID_BPCHAR ||
           oid == OID_NAME;
}

/* What a text is read as while the statement runs. */
static void judge_reading(weir_pg_reader *r, const PgQuery__Node *arg, const char *name,
                          weir_pg_cast_type type)
{
    if (type.oid == OID_TIMETZ)
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "reads a time of day whose zone is today's");
    else if (is_of_catalog(name))
        weir_pg_refuse(r, WEIR_REFUSAL_SYSTEM, "asks the catalog for a name (%s)", name);
    else if (is_literal(arg) || weir_pg_type_is_timeless(type.oid))
        return;
    else if (type.oid != 0 ? !gives_time(r, arg) : is_text(weir_pg_type_of(r, arg)))
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE,
                       "reads as %.60s what may be a text, which may say \"today\"", name);
}

void weir_pg_cast(weir_pg_reader *r, const PgQuery__TypeCast *cast)
{
    const PgQuery__TypeName *t = cast->type_name;
    size_t n = t->n_names;
    const char *name = n > 0 ? weir_pg_string(t->names[n - 1]) : "";
    const char *schema = n > 1 ? weir_pg_string(t->names[n - 2]) : "";
    weir_pg_cast_type type = weir_pg_cast_type_of(t);
    if (n == 0 || n > 2 || t->setof || t->pct_type) {
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "has a type that is not looked into");
        return;
    }
    judge(r, weir_schema_type(r->schema, weir_slice_cstr(schema), weir_slice_cstr(name)),
          "the type", name);
    judge_reading(r, cast->arg, name, type);
    weir_pg_receive(r, cast->arg,
                    (weir_receiver){.key = weir_pg_key_of_type(type.oid),
                                    .array = type.array,
                                    .timeless = weir_pg_type_is_timeless(type.oid)});
}

/* ---- calls ---- */

void weir_pg_function(weir_pg_reader *r, const PgQuery__FuncCall *call)
{
    size_t n = call->n_funcname;
    const char *name = n > 0 ? weir_pg_string(call->funcname[n - 1]) : "";
    const char *schema = n > 1 ? weir_pg_string(call->funcname[n - 2]) : "";
    if (n > 2)
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "names another database");
    if (is_of_session(name))
        weir_pg_refuse(r, WEIR_REFUSAL_EFFECTS, "calls %s(), which tells of its session", name);
    judge(r, weir_schema_function(r->schema, weir_slice_cstr(schema), weir_slice_cstr(name)),
          "the function", name);
    /* date(x) is a cast by another name. */
    uint32_t type = type_named(name);
    if (call->n_args == 1 && (is_time(type) || type == OID_TIMETZ))
        judge_reading(r, call->args[0], name, (weir_pg_cast_type){.oid = type});
}
