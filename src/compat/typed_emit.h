/* Private to compat/typed*.c: what is written of a statement that was understood. */
#ifndef WEIR_COMPAT_TYPED_EMIT_H
#define WEIR_COMPAT_TYPED_EMIT_H

#include "compat/typed.h"

/* typed_emit.c */
WEIR_MUST_CHECK int typed_put(typed *t, const char *text);
WEIR_MUST_CHECK int typed_put_name(typed *t, weir_slice name);
WEIR_MUST_CHECK int typed_put_names(typed *t, const weir_slice *names, size_t count);
WEIR_MUST_CHECK int typed_put_node(typed *t, const typed_node *n);
WEIR_MUST_CHECK int typed_put_list(typed *t, const typed_node *n);
WEIR_MUST_CHECK int typed_put_keys(typed *t, const typed_node *n); /* … each as it is grouped */
WEIR_MUST_CHECK int typed_put_parts(typed *t, const char *before, const typed_node *n,
                                    const char *after);
WEIR_MUST_CHECK int typed_put_condition(typed *t, const char *before, const typed_node *n);
WEIR_MUST_CHECK int typed_put_order(typed *t, const typed_node *n, bool combined);
WEIR_MUST_CHECK int typed_put_window(typed *t, const typed_window *w);
WEIR_MUST_CHECK int typed_put_subquery(typed *t, const typed_query *q);

/* typed_emit_query.c */
WEIR_MUST_CHECK int typed_emit_query(typed *t, const typed_query *q);

/* typed_view.c */
typedef struct typed_view {
    weir_slice name, *names;
    size_t name_count;
    bool missing_only; /* IF NOT EXISTS */
} typed_view;
WEIR_MUST_CHECK int typed_parse_view(typed *t, typed_view *ret, bool *ret_is);
WEIR_MUST_CHECK int typed_emit_view(typed *t, const typed_view *v, typed_query *q);

/* typed_casts.c: "f(" of what reads a parameter of the type; NULL: it is its text. */
const char *typed_input_of(uint32_t oid);

#endif
