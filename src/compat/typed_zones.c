/* What depends on the session's TimeZone, where that is not UTC: PostgreSQL's functions, operators
 * and casts of moments, said by its clocks. @ is the zone, as a literal. */
#include "base/ascii.h"
#include "compat/typed_emit.h"
#include "compat/typed_lists.h"

#define NOW "weir_moment_text(weir_moment('transaction'))"

static const typed_function zoned_calls[] = {
    {"localtimestamp", "", 's', "weir_zone_out(" NOW ", @)"},
    {"current_date", "", 'd', "substr(weir_zone_out(" NOW ", @), 1, 10)"},
    {"date_trunc", "tz", 'z', "weir_zone_in(weir_date_trunc(%1, weir_zone_out(%2, @)), @)"},
    {"date_part", "tz", 'f', "CAST(weir_zone_part(%2, @, %1) AS REAL)"},
    {"age", "zz", 'v', "weir_age(weir_zone_out(%1, @), weir_zone_out(%2, @))"},
    {"to_char", "zt", 't', "weir_to_char(weir_zone_out(%1, @), %2)"},
    {"+", "zv", 'z', "weir_zone_add(%1, @, %2, 1)"},
    {"+", "vz", 'z', "weir_zone_add(%2, @, %1, 1)"},
    {"-", "zv", 'z', "weir_zone_add(%1, @, %2, -1)"},
};

const char *typed_zoned_call(const typed *t, const char *name, const char *args, const char *emit)
{
    for (size_t i = 0; t->zone.len > 0 && i < sizeof(zoned_calls) / sizeof(zoned_calls[0]); i++)
        if (strcmp(zoned_calls[i].name, name) == 0 && strcmp(zoned_calls[i].args, args) == 0)
            return zoned_calls[i].emit;
    return emit;
}

const char *typed_zoned_cast(const typed *t, uint32_t from, uint32_t to, const char *format)
{
    if (t->zone.len == 0 || (from != WEIR_OID_TIMESTAMPTZ && to != WEIR_OID_TIMESTAMPTZ))
        return format;
    switch (from == WEIR_OID_TIMESTAMPTZ ? to : from) {
    case WEIR_OID_TEXT:
    case WEIR_OID_VARCHAR:
        return from == WEIR_OID_TIMESTAMPTZ ? "weir_zone_text(%, @)" : "weir_zone_moment(%, @)";
    case WEIR_OID_DATE:
        return from == WEIR_OID_TIMESTAMPTZ ? "substr(weir_zone_out(%, @), 1, 10)"
                                            : "weir_zone_in(%, @)";
    case WEIR_OID_TIME:
        return "weir_time(weir_zone_out(%, @))";
    case WEIR_OID_TIMESTAMP:
        return from == WEIR_OID_TIMESTAMPTZ ? "weir_zone_out(%, @)" : "weir_zone_in(%, @)";
    default:
        return format;
    }
}

/* 'now' and its kin are the transaction's, wherever PostgreSQL reads the literal. */
const char *typed_now_literal(weir_slice literal, uint32_t oid)
{
#define LOCAL_NOW "weir_zone_out(" NOW ", @)"
#define LOCAL_DAY(n) "weir_date_add(" LOCAL_NOW ", " n ")"
    static const struct {
        const char *word;
        uint32_t oid;
        const char *format;
    } words[] = {{"now", WEIR_OID_TIMESTAMPTZ, NOW},
                 {"now", WEIR_OID_TIMESTAMP, LOCAL_NOW},
                 {"now", WEIR_OID_DATE, LOCAL_DAY("0")},
                 {"now", WEIR_OID_TIME, "weir_time(" LOCAL_NOW ")"},
                 {"today", WEIR_OID_TIMESTAMPTZ, "weir_zone_in(" LOCAL_DAY("0") ", @)"},
                 {"today", WEIR_OID_TIMESTAMP, "(" LOCAL_DAY("0") " || ' 00:00:00')"},
                 {"today", WEIR_OID_DATE, LOCAL_DAY("0")},
                 {"tomorrow", WEIR_OID_TIMESTAMPTZ, "weir_zone_in(" LOCAL_DAY("1") ", @)"},
                 {"tomorrow", WEIR_OID_TIMESTAMP, "(" LOCAL_DAY("1") " || ' 00:00:00')"},
                 {"tomorrow", WEIR_OID_DATE, LOCAL_DAY("1")},
                 {"yesterday", WEIR_OID_TIMESTAMPTZ, "weir_zone_in(" LOCAL_DAY("-1") ", @)"},
                 {"yesterday", WEIR_OID_TIMESTAMP, "(" LOCAL_DAY("-1") " || ' 00:00:00')"},
                 {"yesterday", WEIR_OID_DATE, LOCAL_DAY("-1")}};
    if (literal.len < 5 || literal.data[0] != '\'')
        return NULL;
    weir_slice word = weir_ascii_trim(weir_slice_make(literal.data + 1, literal.len - 2));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].oid == oid && weir_slice_eq_nocase(word, words[i].word))
            return words[i].format;
    return NULL;
}

int typed_put_zone(typed *t)
{
    int r = typed_put(t, t->zone.len > 0 ? "'=" : "'utc");
    for (size_t i = 0; r == 0 && i < t->zone.len; i++)
        if (t->zone.data[i] != '\'')
            r = weir_buf_append_u8(t->out, t->zone.data[i]);
    return r == 0 ? typed_put(t, "'") : r;
}

static void show(typed *t, typed_node *n)
{
    for (; n; n = n->next)
        if (n->type.oid == WEIR_OID_TIMESTAMPTZ)
            typed_wrap(t, n, "weir_zone_shown(%, @)");
}

/* The columns that a client is given, in its zone: nothing is computed with them any more, and they
 * have the moments' order. */
void typed_show_zone(typed *t, typed_query *q)
{
    if (t->zone.len == 0)
        return;
    if (q->combine) {
        typed_show_zone(t, q->left);
        typed_show_zone(t, q->right);
    }
    for (typed_node *row = q->rows; row; row = row->next)
        show(t, row->args);
    show(t, q->verb == TYPED_SELECT ? q->items : q->returning);
}

/* x AT TIME ZONE y */
int typed_infer_zone(typed *t, typed_node *n)
{
    typed_node *x = n->args, *zone = x->next;
    bool zoned = x->type.oid == WEIR_OID_TIMESTAMPTZ || x->type.oid == WEIR_OID_DATE ||
                 x->type.oid == WEIR_OID_UNKNOWN;
    bool utc = zone->kind == TYPED_STRING && weir_slice_eq_nocase(zone->text, "'utc'");
    bool shift = zone->type.oid == TYPED_INTERVAL;
    if (!zoned && x->type.oid != WEIR_OID_TIMESTAMP)
        return x->type.oid == 0
                   ? TYPED_PASS
                   : typed_fail(t, "42883",
                                "function pg_catalog.timezone(unknown, %s) does not exist",
                                typed_type_name(x->type.oid));
    int r = zoned ? typed_coerce(t, x, (typed_type){WEIR_OID_TIMESTAMPTZ, 0}, 'i') : 0;
    if (r == 0 && !shift)
        r = typed_coerce(t, zone, (typed_type){WEIR_OID_TEXT, 0}, 'i');
    n->type.oid = zoned ? WEIR_OID_TIMESTAMP : WEIR_OID_TIMESTAMPTZ;
    if (shift)
        n->emit = zoned ? "weir_moment_add(substr(%1, 1, length(%1) - 6), %2, 1)"
                        : "(weir_moment_add(%1, %2, -1) || '+00:00')";
    else if (utc)
        n->emit = zoned ? "substr(%1, 1, length(%1) - 6)" : "(%1 || '+00:00')";
    else
        n->emit = zoned ? "weir_zone_out(%1, %2)" : "weir_zone_in(%1, %2)";
    return r;
}
