/* What a statement's text alone says about the types of parameters. Only what holds for every row;
 * the rest stays unknown. */
#include "compat/compat.h"
#include "compat/token.h"

/* ---- parameters ---- */

/* $3 or ?3: 3. */
static size_t param_number(weir_token t)
{
    size_t n = 0;
    if (t.kind != WEIR_TOKEN_PARAM || (t.text.data[0] != '$' && t.text.data[0] != '?'))
        return 0;
    for (size_t i = 1; i < t.text.len; i++) {
        if (t.text.data[i] < '0' || t.text.data[i] > '9' || n > 100000)
            return 0;
        n = n * 10 + (size_t)(t.text.data[i] - '0');
    }
    return n;
}

static bool is_comparison(weir_token t)
{
    static const char *const ops[] = {"=", "==", "<", ">", "<=", ">=", "<>", "!=", "like", "is"};
    return weir_token_is_one_of(t, ops);
}

typedef struct param_reader {
    weir_slice rest;
    weir_token last[4];  /* newest first */
    weir_slice compared; /* the column that is compared with what is being read */
    weir_slice in_list;  /* … of an IN list that is open */
} param_reader;

static void hint(weir_compat_hint *h, uint32_t oid, weir_slice column)
{
    if (h->oid == 0 && h->column.len == 0)
        *h = (weir_compat_hint){.oid = oid, .column = column};
}

static weir_slice name_of(weir_token t)
{
    bool named = t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
    return named ? t.text : (weir_slice){0};
}

/* ::type, ::type[] */
static uint32_t cast_oid(weir_slice after)
{
    if (weir_token_accept(&after, "pg_catalog"))
        (void)weir_token_accept(&after, ".");
    uint32_t oid = weir_compat_named_oid(weir_token_next(&after).text);
    return weir_token_accept(&after, "[") ? weir_compat_array_oid(oid) : oid;
}

static bool is_any(const param_reader *p)
{
    return weir_token_is(p->last[0], "(") && is_comparison(p->last[2]) &&
           (weir_token_is(p->last[1], "any") || weir_token_is(p->last[1], "some") ||
            weir_token_is(p->last[1], "all"));
}

static void on_param(param_reader *p, weir_compat_hint *h)
{
    weir_slice after = p->rest;
    if (weir_token_accept(&after, "::")) {
        hint(h, cast_oid(after), (weir_slice){0});
    } else if (is_any(p)) {
        hint(h, 0, name_of(p->last[3]));
        h->array = h->column.len > 0;
    } else if (weir_token_accept(&after, "as") && weir_token_is(p->last[1], "cast")) {
        hint(h, weir_compat_named_oid(weir_token_next(&after).text), (weir_slice){0});
    } else if (weir_token_is(p->last[0], "limit") || weir_token_is(p->last[0], "offset")) {
        hint(h, WEIR_OID_INT8, (weir_slice){0});
    } else if (is_comparison(p->last[0]) || weir_token_is(p->last[0], "between")) {
        hint(h, 0, name_of(p->last[1]));
    } else if (weir_token_is(p->last[0], "and") && p->compared.len > 0) {
        hint(h, 0, p->compared); /* BETWEEN $1 AND $2 */
    } else if (p->in_list.len > 0) {
        hint(h, 0, p->in_list);
    } else {
        weir_token op = weir_token_next(&after); /* $1 = column */
        if (is_comparison(op))
            hint(h, 0, name_of(weir_token_next(&after)));
    }
}

static void advance(param_reader *p, weir_token t)
{
    if (weir_token_is(t, "between"))
        p->compared = name_of(p->last[0]);
    else if (weir_token_is(t, "where") || weir_token_is(t, "or"))
        p->compared = (weir_slice){0};
    if (weir_token_is(t, "(") && weir_token_is(p->last[0], "in"))
        p->in_list = name_of(p->last[1]);
    else if (weir_token_is(t, ")"))
        p->in_list = (weir_slice){0};
    p->last[3] = p->last[2];
    p->last[2] = p->last[1];
    p->last[1] = p->last[0];
    p->last[0] = t;
}

/* A row of VALUES, behind its "(": `columns` names them, or they are the table's own. */
static void row_hints(weir_slice *text, weir_slice columns, weir_compat_hint *out, size_t max)
{
    weir_slice column = columns;
    unsigned depth = 1, position = 1;
    while (depth > 0) {
        weir_token t = weir_token_next(text);
        if (t.kind == WEIR_TOKEN_END)
            return;
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") ? 1u : 0u;
        if (weir_token_is(t, ",") && depth == 1) {
            (void)weir_token_next(&column);
            (void)weir_token_accept(&column, ",");
            position++;
        }
        size_t n = param_number(t);
        if (n == 0 || n > max || depth != 1 || weir_token_is(weir_token_peek(*text), "::"))
            continue;
        hint(&out[n - 1], 0, name_of(weir_token_peek(column)));
        if (columns.len == 0 && out[n - 1].oid == 0 && out[n - 1].position == 0)
            out[n - 1].position = position;
    }
}

/* INSERT INTO t (a, b) VALUES ($1, $2), …: position by position. */
static void insert_hints(weir_slice text, weir_compat_hint *out, size_t max)
{
    weir_slice columns = {0};
    weir_token t;
    while ((t = weir_token_next(&text)).kind != WEIR_TOKEN_END && !weir_token_is(t, "values"))
        if (weir_token_is(t, "(") && columns.len == 0)
            columns = text;
    while (weir_token_accept(&text, "(")) {
        row_hints(&text, columns, out, max);
        (void)weir_token_accept(&text, ",");
    }
}

void weir_compat_param_hints(weir_slice text, weir_compat_hint *out, size_t max)
{
    param_reader p = {.rest = text};
    weir_token t;
    for (size_t i = 0; i < max; i++)
        out[i] = (weir_compat_hint){0};
    if (weir_token_is(weir_token_peek(text), "insert"))
        insert_hints(text, out, max);
    while ((t = weir_token_next(&p.rest)).kind != WEIR_TOKEN_END) {
        size_t n = param_number(t);
        if (n > 0 && n <= max)
            on_param(&p, &out[n - 1]);
        advance(&p, t);
    }
}

/* ---- the columns of the tables that a text names ---- */

static int put_name(weir_slice written, weir_buf *out)
{
    char name[128];
    weir_compat_name_fold(written, name, sizeof(name));
    int r = weir_buf_append_u8(out, '\'');
    for (const char *c = name; r == 0 && *c; c++) {
        r = weir_buf_append_u8(out, (uint8_t)*c);
        if (r == 0 && *c == '\'')
            r = weir_buf_append_u8(out, '\'');
    }
    return r == 0 ? weir_buf_append_u8(out, '\'') : r;
}

int weir_compat_columns_query(weir_slice text, weir_buf *out)
{
    static const char tail[] =
        ") SELECT lower(c.name), c.type, (k = 1) * (c.cid + 1) FROM named, sqlite_master AS m, "
        "pragma_table_info(m.name) AS c WHERE m.type IN ('table', 'view') AND lower(m.name) = n "
        "UNION ALL SELECT lower(c.name), c.type, 0 FROM named, pragma_table_info(n) AS c WHERE n "
        "GLOB 'pg_*'";
    size_t found = 0;
    bool wanted = false;
    int r = weir_buf_append(out, WEIR_SLICE_LIT("WITH named(n, k) AS (VALUES "));
    for (weir_token t; r == 0 && (t = weir_token_next(&text)).kind != WEIR_TOKEN_END;) {
        bool named = t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
        if (wanted && named) {
            if (weir_token_accept(&text, "."))
                t = weir_token_next(&text);
            r = weir_buf_append(out, weir_slice_cstr(found++ > 0 ? ", (" : "("));
            if (r == 0)
                r = put_name(t.text, out);
            if (r == 0)
                r = weir_buf_printf(out, ", %zu)", found);
        }
        wanted = weir_token_is(t, "from") || weir_token_is(t, "join") || weir_token_is(t, "into") ||
                 weir_token_is(t, "update") || weir_token_is(t, ",");
    }
    if (r < 0)
        return r;
    return found > 0 ? weir_buf_append(out, weir_slice_cstr(tail)) : WEIR_COMPAT_REFUSED;
}
