/* Private to src/sql: why answers are not kept, gathered while a statement is read. */
#ifndef WEIR_SQL_REFUSALS_H
#define WEIR_SQL_REFUSALS_H

#include "sql/sql.h"

typedef struct weir_refusals {
    weir_refusal refusal; /* the gravest: those that a TTL cannot override */
    char words[512];      /* of every one, "; " between them */
} weir_refusals;

void weir_refusals_add(weir_refusals *r, weir_refusal refusal, const char *format, ...)
    WEIR_PRINTF(3, 4);

#endif
