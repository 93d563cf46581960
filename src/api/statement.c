/* A statement and its parameters, as the extended protocol has them. */
#include "api/api.h"
#include <stdio.h>
#include <string.h>

#define OID_BYTEA 17u
#define PARAMETERS_MAX 65535u

weir_status api_is_free(const weir_connection *c, weir_fault *fault)
{
    if (c->lost)
        return api_fail(fault, WEIR_LOST, "08003", "weir: the connection was lost before");
    if (c->rows.open)
        return api_fail(fault, WEIR_MISUSE, "55000",
                        "weir: rows are open on this connection: weir_rows_close them first");
    return WEIR_OK;
}

/* Numbers are written as texts, so that the statement's own types decide. */
static weir_slice number_text(const weir_connection *c, const weir_parameter *p, char *room,
                              size_t size)
{
    int n = 0;
    if (p->kind == WEIR_PARAMETER_BOOLEAN) {
        n = snprintf(room, size, "%s", p->value.boolean ? "true" : "false");
    } else if (p->kind == WEIR_PARAMETER_INTEGER) {
        n = snprintf(room, size, "%lld", (long long)p->value.integer);
    } else {
        locale_t before = uselocale(c->instance->plain);
        n = snprintf(room, size, "%.17g", p->value.real);
        (void)uselocale(before);
    }
    return weir_slice_make(room, (size_t)n);
}

static int put_value(const weir_connection *c, const weir_parameter *p, weir_buf *out)
{
    char room[40];
    if (p->kind == WEIR_PARAMETER_NULL)
        return weir_buf_append_u32(out, UINT32_MAX);
    bool bytes = p->kind == WEIR_PARAMETER_TEXT || p->kind == WEIR_PARAMETER_BYTES;
    weir_slice value = bytes ? weir_slice_make(p->value.bytes.data, p->value.bytes.len)
                             : number_text(c, p, room, sizeof(room));
    int r = weir_buf_append_u32(out, (uint32_t)value.len);
    return r < 0 ? r : weir_buf_append(out, value);
}

static weir_status check_parameters(const weir_parameter *parameters, size_t count,
                                    weir_fault *fault)
{
    if (count > PARAMETERS_MAX)
        return api_fail(fault, WEIR_MISUSE, "54000", "weir: %zu parameters are more than %u", count,
                        PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        const weir_parameter *p = &parameters[i];
        if (p->kind > WEIR_PARAMETER_BYTES)
            return api_fail(fault, WEIR_MISUSE, "22023", "weir: parameter $%zu is of no kind",
                            i + 1);
        if (p->kind < WEIR_PARAMETER_TEXT)
            continue;
        if (p->value.bytes.len > WEIR_PG_MESSAGE_SIZE_MAX)
            return api_fail(fault, WEIR_MISUSE, "54000", "weir: parameter $%zu is too long", i + 1);
        if (p->kind == WEIR_PARAMETER_TEXT && p->value.bytes.len > 0 &&
            memchr(p->value.bytes.data, 0, p->value.bytes.len))
            return api_fail(fault, WEIR_MISUSE, "22021",
                            "weir: parameter $%zu is text with a zero byte in it", i + 1);
    }
    return WEIR_OK;
}

typedef struct parts {
    weir_buf types, formats, values;
} parts;

static int encode(const weir_connection *c, const weir_parameter *parameters, size_t count,
                  parts *ret)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        bool binary = parameters[i].kind == WEIR_PARAMETER_BYTES;
        r = weir_buf_append_u32(&ret->types, binary ? OID_BYTEA : 0);
        if (r == 0)
            r = weir_buf_append_u16(&ret->formats, binary);
        if (r == 0)
            r = put_value(c, &parameters[i], &ret->values);
    }
    return r;
}

static int put_messages(weir_buf *out, const char *sql, const parts *p, size_t count)
{
    weir_slice none = {NULL, 0};
    weir_pg_bind bind = {.format_count = (uint16_t)count,
                         .formats = weir_buf_slice(&p->formats),
                         .value_count = (uint16_t)count,
                         .values = weir_buf_slice(&p->values)};
    int r = weir_pg_write_parse(out, none, weir_slice_cstr(sql), weir_buf_slice(&p->types));
    if (r == 0)
        r = weir_pg_write_bind(out, &bind);
    if (r == 0)
        r = weir_pg_write_target(out, WEIR_PG_F_DESCRIBE, 'P', none);
    if (r == 0)
        r = weir_pg_write_execute(out, none, 0);
    return r < 0 ? r : weir_pg_write_empty(out, WEIR_PG_F_SYNC);
}

weir_status api_put_statement(weir_connection *c, const char *sql, const weir_parameter *parameters,
                              size_t count, weir_fault *fault)
{
    parts p;
    weir_status status = check_parameters(parameters, count, fault);
    if (status != WEIR_OK)
        return status;
    weir_buf_init(&p.types, 4 * PARAMETERS_MAX);
    weir_buf_init(&p.formats, 2 * PARAMETERS_MAX);
    weir_buf_init(&p.values, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = encode(c, parameters, count, &p);
    if (r == 0)
        r = put_messages(&c->out, sql, &p, count);
    weir_buf_fini(&p.types);
    weir_buf_fini(&p.formats);
    weir_buf_fini(&p.values);
    if (r == 0)
        return WEIR_OK;
    weir_buf_clear(&c->out);
    if (r == -EMSGSIZE)
        return api_fail(fault, WEIR_MISUSE, "54000", "weir: the statement is too long");
    return api_no_memory(fault);
}
