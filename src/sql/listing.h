/* A listing: statements in a file, to be run beforehand (weir warm, cache.warm.file).
 *
 *     -- warm: priority=10 user=shop database=shop set.timezone=UTC
 *     SELECT * FROM products WHERE featured;
 *     -- warm: params=[42, "it's", null] types=[int4, text, text] format=binary
 *     SELECT * FROM orders WHERE id = $1 AND note <> $2;
 *
 * What a `-- warm:` comment says is of the statement that follows it alone; `-- default:` is of all
 * that follow. */
#ifndef WEIR_SQL_LISTING_H
#define WEIR_SQL_LISTING_H

#include "base/error.h"
#include "sql/sql.h"

#define WEIR_LISTED_TYPES_MAX 64u

typedef struct weir_listed {
    weir_slice text; /* borrowed from the file, as the two below */
    weir_slice user, database;
    unsigned line; /* where the text begins */
    unsigned priority;
    bool binary; /* the result's format */
    uint16_t param_count, type_count;
    weir_buf params;   /* each: length (4 bytes, big-endian, -1: null), bytes: as a Bind has them */
    weir_buf oids;     /* 4 bytes each, big-endian */
    weir_buf settings; /* "name\0value\0" pairs */
} weir_listed;

typedef struct weir_listing {
    weir_slice rest;
    unsigned line;
    weir_dialect dialect;
    weir_listed defaults;
} weir_listing;

/* `text` is borrowed until the listing is ended. */
void weir_listing_begin(weir_listing *listing, weir_dialect dialect, weir_slice text);
void weir_listing_end(weir_listing *listing);
#define WEIR_LISTING_OVER 1
/* 0: the next statement (weir_listed_fini it); OVER; -EINVAL: `err` names the line; -ENOMEM. */
WEIR_MUST_CHECK int weir_listing_next(weir_listing *listing, weir_listed *ret, weir_error *err);
void weir_listed_fini(weir_listed *listed);

#endif
