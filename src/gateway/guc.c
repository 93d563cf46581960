/* Sorted lists of session settings. They are short, and change seldom: plain bytes that are
 * compared, hashed and handed on as they lie are worth more than a fast search. */
#include "gateway/guc.h"
#include "base/ascii.h"
#include "proto/pg/pg.h"

static int order(weir_slice in_list, weir_slice name)
{
    size_t n = in_list.len < name.len ? in_list.len : name.len;
    for (size_t i = 0; i < n; i++) {
        int d = in_list.data[i] - weir_ascii_lower(name.data[i]);
        if (d)
            return d;
    }
    return (in_list.len > name.len) - (in_list.len < name.len);
}

/* Where `name` stands or belongs: from *from on, up to *to if it is there. */
static bool place(weir_slice list, weir_slice name, size_t *from, size_t *to)
{
    weir_slice other, value;
    size_t pos = 0;
    *from = *to = 0;
    while (weir_pg_param_next(list, &pos, &other, &value)) {
        int o = order(other, name);
        if (o >= 0) {
            *to = o == 0 ? pos : *from;
            return o == 0;
        }
        *from = *to = pos;
    }
    return false;
}

/* The pair's bytes at the end of `list`, to be moved to where they belong. */
static int append_pair(weir_buf *list, weir_slice name, weir_slice value)
{
    int r = weir_buf_reserve(list, name.len + value.len + 2);
    for (size_t i = 0; r == 0 && i < name.len; i++)
        r = weir_buf_append_u8(list, weir_ascii_lower(name.data[i]));
    if (r == 0)
        r = weir_buf_append_u8(list, 0);
    if (r == 0)
        r = weir_buf_append(list, value);
    return r < 0 ? r : weir_buf_append_u8(list, 0);
}

int weir_guc_put(weir_buf *list, weir_slice name, weir_slice value)
{
    weir_buf out;
    size_t from, to;
    if (name.len == 0)
        return 0;
    (void)place(weir_buf_slice(list), name, &from, &to);
    weir_buf_init(&out, list->size_max);
    int r = weir_buf_append(&out, weir_slice_head(weir_buf_slice(list), from));
    if (r == 0)
        r = append_pair(&out, name, value);
    if (r == 0)
        r = weir_buf_append(&out, weir_slice_skip(weir_buf_slice(list), to));
    if (r < 0) {
        weir_buf_fini(&out);
        return r;
    }
    weir_buf_fini(list);
    *list = out;
    return 0;
}

int weir_guc_append(weir_buf *list, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(list, name);
    if (r == 0)
        r = weir_buf_append_u8(list, 0);
    if (r == 0)
        r = weir_buf_append(list, value);
    return r == 0 ? weir_buf_append_u8(list, 0) : r;
}

weir_slice weir_guc_find(weir_slice list, weir_slice name)
{
    size_t from, to, pos;
    weir_slice other, value = {0};
    if (!place(list, name, &from, &to))
        return (weir_slice){0};
    pos = from;
    (void)weir_pg_param_next(list, &pos, &other, &value);
    return value;
}

int weir_guc_fill_up(weir_buf *list, weir_slice base)
{
    weir_slice name, value;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(base, &pos, &name, &value);)
        if (!weir_guc_find(weir_buf_slice(list), name).data)
            r = weir_guc_put(list, name, value);
    return r;
}
