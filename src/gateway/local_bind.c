/* A portal from a Bind: the parameters' values, as the backend takes them, and the formats that
 * the rows shall have. */
#include "base/utf8.h"
#include "gateway/local_calls.h"
#include <stdlib.h>

static weir_value to_value(const weir_compat_value *c)
{
    static const weir_value_type types[] = {WEIR_VALUE_NULL, WEIR_VALUE_INTEGER, WEIR_VALUE_REAL,
                                            WEIR_VALUE_TEXT, WEIR_VALUE_BLOB};
    weir_value v = {.type = types[c->type]};
    if (c->type == WEIR_COMPAT_INTEGER)
        v.u.integer = c->integer;
    else if (c->type == WEIR_COMPAT_REAL)
        v.u.real = c->real;
    else
        v.u.bytes = c->bytes;
    return v;
}

/* Values of `values`, which p owns already. Rewritten ones are offsets until all are read. */
static int read_values(local_portal *p, const weir_pg_bind *m, const uint32_t *oids,
                       weir_slice values, size_t *offsets, weir_error *err)
{
    size_t pos = 0;
    weir_slice bytes;
    bool null = false;
    for (size_t i = 0; weir_pg_value_next(values, &pos, &bytes, &null); i++) {
        weir_compat_value v = {.type = WEIR_COMPAT_NULL};
        if (null)
            continue;
        uint16_t format = weir_pg_format_at(m->formats, m->format_count, i);
        int r = weir_compat_param_read(oids[i], format, bytes, &p->rewritten, &v, &offsets[i], err);
        if (r != 0)
            return r;
        p->params[i] = to_value(&v);
    }
    for (size_t i = 0; i < m->value_count; i++)
        if (offsets[i] != SIZE_MAX &&
            (p->params[i].type == WEIR_VALUE_TEXT || p->params[i].type == WEIR_VALUE_BLOB))
            p->params[i].u.bytes.data = p->rewritten.data + offsets[i];
    return 0;
}

#define OFFSETS_INLINE 32u

static int take_values(local_portal *p, const weir_pg_bind *m, const uint32_t *oids,
                       weir_slice values, weir_error *err)
{
    size_t inline_offsets[OFFSETS_INLINE];
    size_t count = m->value_count;
    size_t *offsets = count <= OFFSETS_INLINE ? inline_offsets : malloc(count * sizeof(*offsets));
    if (!offsets)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        offsets[i] = SIZE_MAX;
    int r = read_values(p, m, oids, values, offsets, err);
    if (offsets != inline_offsets)
        free(offsets);
    return r;
}

static int take_formats(local_portal *p, const weir_pg_bind *m, weir_error *err)
{
    weir_pg_reader r = weir_pg_reader_make(m->result_formats);
    for (size_t i = 0; i < p->format_count; i++) {
        p->formats[i] = weir_pg_read_u16(&r);
        if (p->formats[i] > 1) {
            weir_error_set(err, "22023", "weir: unsupported format code: %u", p->formats[i]);
            return WEIR_COMPAT_REFUSED;
        }
    }
    return 0;
}

/* With room for what the message says, and its name and values copied; `*ret_values` are those. */
static local_portal *allocate(const weir_pg_bind *m, local_statement *s, weir_slice *ret_values)
{
    size_t params = m->value_count * sizeof(weir_value);
    size_t formats = m->result_format_count * sizeof(uint16_t);
    local_portal *p = malloc(sizeof(*p) + params + formats + m->portal.len + m->values.len);
    if (!p)
        return NULL;
    *p = (local_portal){.refs = 1, .format_count = m->result_format_count};
    p->statement = local_statement_ref(s);
    p->params = (weir_value *)(void *)(p + 1);
    for (size_t i = 0; i < m->value_count; i++)
        p->params[i] = (weir_value){.type = WEIR_VALUE_NULL};
    p->formats = (uint16_t *)(void *)((uint8_t *)p->params + params);
    uint8_t *bytes = (uint8_t *)p->formats + formats;
    if (m->portal.len > 0)
        memcpy(bytes, m->portal.data, m->portal.len);
    if (m->values.len > 0)
        memcpy(bytes + m->portal.len, m->values.data, m->values.len);
    p->name = weir_slice_make(bytes, m->portal.len);
    *ret_values = weir_slice_make(bytes + m->portal.len, m->values.len);
    weir_buf_init(&p->rewritten, WEIR_PG_MESSAGE_SIZE_MAX);
    weir_buf_init(&p->kept, SIZE_MAX);
    return p;
}

static int check_bind(const weir_pg_bind *m, const local_statement *s, weir_error *err)
{
    if (m->value_count != s->param_count) {
        weir_error_set(err, "08P01",
                       "weir: bind message supplies %u parameters, but prepared statement "
                       "\"%.*s\" requires %u",
                       m->value_count, WEIR_UTF8_QUOTED(s->name, 63), s->param_count);
        return WEIR_COMPAT_REFUSED;
    }
    if (m->format_count > 1 && m->format_count != m->value_count) {
        weir_error_set(err, "08P01",
                       "weir: bind message has %u parameter formats but %u parameters",
                       m->format_count, m->value_count);
        return WEIR_COMPAT_REFUSED;
    }
    for (size_t i = 0; i < m->value_count; i++) {
        if (weir_pg_format_at(m->formats, m->format_count, i) > 1) {
            weir_error_set(err, "22023", "weir: unsupported format code of parameter %zu", i + 1);
            return WEIR_COMPAT_REFUSED;
        }
    }
    return 0;
}

local_portal *local_portal_named(weir_slice name, local_statement *s)
{
    weir_slice values;
    return allocate(&(weir_pg_bind){.portal = name}, s, &values);
}

int local_portal_new(const weir_pg_bind *m, local_statement *s, local_portal **ret, weir_error *err)
{
    return local_portal_typed(m, s, s->oids, ret, err);
}

int local_portal_typed(const weir_pg_bind *m, local_statement *s, const uint32_t *oids,
                       local_portal **ret, weir_error *err)
{
    weir_slice values;
    local_portal *p = NULL;
    int r = check_bind(m, s, err);
    if (r == 0 && !(p = allocate(m, s, &values)))
        r = -ENOMEM;
    if (r == 0)
        r = take_values(p, m, oids, values, err);
    if (r == 0)
        r = take_formats(p, m, err);
    if (r != 0) {
        local_portal_unref(p);
        return r;
    }
    *ret = p;
    return 0;
}
