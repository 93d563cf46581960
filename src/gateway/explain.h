/* EXPLAIN CACHE, private to gateway/. */
#ifndef WEIR_GATEWAY_EXPLAIN_H
#define WEIR_GATEWAY_EXPLAIN_H

#include "engine/report.h"
#include "gateway/gateway.h"

#define WEIR_EXPLAIN_TEXT_MAX (128u * 1024)

typedef struct weir_explain {
    weir_loop *home;
    weir_database *database;
    weir_slice login; /* the user whose statement it would be; copied */
    weir_slice text;  /* copied; at most WEIR_EXPLAIN_TEXT_MAX */
    /* PostgreSQL: where names are looked up, and as whom; copied. Without data: as in a new session
     * of the user. */
    weir_slice search_path, role;
    /* Comes on `home`, once, later: the report, or words about what is wrong; borrowed until it
     * returns. */
    void (*done)(void *user, const weir_report *report, const weir_error *err);
    void *user;
} weir_explain;

/* One text column, a row per line. -ENOMEM: no callback comes. */
WEIR_MUST_CHECK int weir_gateway_explain(weir_gateway *gateway, const weir_explain *request);
/* The report's only column. */
const weir_report_column *weir_gateway_explain_column(void);

#endif
