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

static int put_touches(weir_buf *out, const weir_footprint *f)
{
    int r = 0;
    if (f->touches_everything)
        return weir_buf_printf(out, "may change anything: %s\n",
                               f->touches_words ? f->touches_words : "");
    for (size_t i = 0; i < f->touch_count && r == 0; i++) {
        const weir_read_dependency *t = &f->touches[i];
        r = t->column == 0 ? weir_buf_printf(out, "changes %s\n", t->relation_name)
                           : weir_buf_printf(out, "changes %s: only rows with %s as given\n",
                                             t->relation_name, t->column_name);
    }
    return r;
}

int weir_footprint_explain(const weir_footprint *footprint, weir_buf *out)
{
    int r = 0;
    if (footprint->refusal != WEIR_REFUSAL_NONE)
        r = weir_buf_printf(out, "not kept (%s): %s\nnext step: %s\n",
                            weir_refusal_name(footprint->refusal), footprint->reason,
                            weir_refusal_step(footprint->refusal));
    for (size_t i = 0; i < footprint->dependency_count && r == 0; i++)
        r = put_dependency(out, &footprint->dependencies[i]);
    if (r == 0 && footprint->kind != WEIR_KIND_READ)
        r = put_touches(out, footprint);
    return r;
}
