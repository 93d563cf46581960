/* Reports: small tables of text cells for SHOW, /api and whoever else asks. A report owns its cells
 * in one bounded buffer, row by row; columns are static. The first failure to append sticks, so
 * that a filler need not check each cell: ask weir_report_error at the end.
 *
 * PgBouncer's columns come first, under its names and in its order (1.18), more after them. */
#ifndef WEIR_ENGINE_REPORT_H
#define WEIR_ENGINE_REPORT_H

#include "base/buf.h"
#include "engine/engine.h"

typedef enum weir_report_type {
    WEIR_REPORT_TEXT,
    WEIR_REPORT_INT, /* up to 32 bits */
    WEIR_REPORT_BIGINT,
    WEIR_REPORT_REAL
} weir_report_type;

typedef struct weir_report_column {
    const char *name;
    weir_report_type type;
} weir_report_column;

#define WEIR_REPORT_SIZE_MAX (32u * 1024 * 1024)

typedef struct weir_report {
    const weir_report_column *columns;
    unsigned column_count;
    uint64_t rows;
    unsigned filled; /* cells of the row under way */
    int error;       /* 0 or the first failure */
    weir_buf cells;  /* each: length (UINT32_MAX: null), bytes */
} weir_report;

/* `columns` is borrowed, usually static. */
void weir_report_init(weir_report *r, const weir_report_column *columns, unsigned count,
                      size_t size_max);
void weir_report_fini(weir_report *r);

/* Cells are appended from left to right; the last of a row ends it. Zero bytes in text become
 * spaces. */
void weir_report_text(weir_report *r, const char *text); /* NULL: a null */
void weir_report_slice(weir_report *r, weir_slice text);
void weir_report_int(weir_report *r, int64_t value);
void weir_report_seconds(weir_report *r, uint64_t ns);
void weir_report_real(weir_report *r, double value);
void weir_report_null(weir_report *r);
/* -EMSGSIZE: the maximum was reached; -ENOMEM. */
WEIR_MUST_CHECK int weir_report_error(const weir_report *r);

/* Walks the cells: start with *pos = 0; false at the end. A null has NULL data. */
bool weir_report_next(const weir_report *r, size_t *pos, weir_slice *ret);
/* The column of this name, or -1. */
int weir_report_column_find(const weir_report *r, const char *name);

/* ---- what the engine knows: each on any worker's thread ---- */

typedef struct weir_report_source {
    const char *name; /* "pools" */
    const weir_report_column *columns;
    unsigned column_count;
    void (*fill)(weir_report *r, weir_engine *engine, weir_worker *at);
} weir_report_source;

/* databases, pools, stats, statements, cache and its like; ended by NULL. */
extern const weir_report_source *const weir_engine_reports[];

/* A database's figures summed over workers. */
typedef struct weir_database_totals {
    uint64_t queries, transactions, rows, errors, slow, bytes_in, bytes_out, query_ns, wait_ns,
        waits, timeouts;
    unsigned pools, paused;
    uint64_t opening, idle, lent, pinned, waiting, sessions, outdated, leaks, assigned;
} weir_database_totals;
void weir_database_sum(weir_engine *engine, const weir_database *database, weir_time now,
                       weir_database_totals *ret);

#endif
