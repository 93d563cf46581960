/* A footprint in words, for those who ask why an answer is kept or not. */
#include "sql/sql.h"

static int put_dependency(weir_buf *out, const weir_read_dependency *d)
{
    if (d->column != 0)
        return weir_buf_printf(out, "%s: rows with %s %s\n", d->relation_name, d->column_name,
                               d->operand);
    return weir_buf_printf(out, "%s: all of it%s%s\n", d->relation_name, *d->why ? ": " : "",
                           d->why);
}

int weir_footprint_explain(const weir_footprint *footprint, weir_buf *out)
{
    int r = 0;
    if (footprint->refusal != WEIR_REFUSAL_NONE)
        r = weir_buf_printf(out, "not kept (%s): %s\n", weir_refusal_name(footprint->refusal),
                            footprint->reason);
    for (size_t i = 0; i < footprint->dependency_count && r == 0; i++)
        r = put_dependency(out, &footprint->dependencies[i]);
    return r;
}
