/* COPY without I/O: its options, rows as lines, lines as rows. Text, CSV and binary as PostgreSQL
 * has them. */
#ifndef WEIR_COMPAT_COPY_H
#define WEIR_COMPAT_COPY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* Which bytes do not simply mean themselves. */
typedef enum weir_copy_stop {
    WEIR_COPY_STOP_OUT = 1,  /* in a value that is written */
    WEIR_COPY_STOP_IN = 2,   /* in a line that is read */
    WEIR_COPY_STOP_LINES = 4 /* where its end is looked for */
} weir_copy_stop;

typedef struct weir_copy {
    bool out; /* TO STDOUT; else FROM STDIN */
    bool binary, csv, header;
    bool force_quote; /* * */
    uint8_t delimiter, quote, escape;
    char null[32];
    uint8_t stops[256];        /* weir_copy_stop of each byte: what lies between is copied whole */
    weir_slice table, columns; /* as written; the latter with its parentheses, or empty */
    weir_slice query;          /* instead, as written, without its parentheses */
} weir_copy;

/* `text` is what follows COPY, and is borrowed. WEIR_COMPAT_REFUSED with words. */
WEIR_MUST_CHECK int weir_copy_read(weir_slice text, weir_copy *ret, weir_error *err);

/* How many bytes at the front mean themselves. */
size_t weir_copy_plain(const weir_copy *copy, weir_slice bytes, weir_copy_stop stop);

/* ---- rows as lines ---- */

/* `field` NULL: a NULL. `index` from 0. */
WEIR_MUST_CHECK int weir_copy_put_field(const weir_copy *copy, weir_buf *out, size_t index,
                                        const weir_slice *field);
WEIR_MUST_CHECK int weir_copy_put_end(weir_buf *out);
/* The binary format (copy_binary.c): what comes first, and a row's count of columns, which its
 * cells follow (weir_compat_cell_write); WEIR_COPY_LAST ends it. */
#define WEIR_COPY_LAST UINT16_MAX
WEIR_MUST_CHECK int weir_copy_put_header(weir_buf *out);
WEIR_MUST_CHECK int weir_copy_put_count(weir_buf *out, size_t columns);

/* ---- lines as rows ---- */

typedef struct weir_copy_field {
    size_t offset, len; /* in weir_copy_reader.fields */
    bool null;
} weir_copy_field;

typedef struct weir_copy_reader {
    const weir_copy *copy;
    weir_buf pending; /* bytes not read yet, from `pos` on */
    size_t pos, scanned;
    weir_buf fields; /* the newest row's texts */
    weir_copy_field *items;
    size_t count, cap;
    uint64_t line;
    bool in_quotes; /* at `scanned` */
    bool header_read, ended;
} weir_copy_reader;

#define WEIR_COPY_MORE 2 /* no whole line: feed more */

void weir_copy_reader_init(weir_copy_reader *r, const weir_copy *copy, size_t size_max);
void weir_copy_reader_fini(weir_copy_reader *r);
/* -ENOMEM, -EMSGSIZE: a line is longer than the maximum. */
WEIR_MUST_CHECK int weir_copy_feed(weir_copy_reader *r, weir_slice bytes);
/* The next row. `last`: nothing follows, so what is there is a line. MORE; REFUSED (22P04) with
 * words; -ENOMEM. */
WEIR_MUST_CHECK int weir_copy_next(weir_copy_reader *r, bool last, weir_error *err);
/* Of its parts: a field of the newest row; -ENOMEM. And copy_binary.c's own. */
WEIR_MUST_CHECK int weir_copy_add_field(weir_copy_reader *r, weir_slice bytes, bool null);
WEIR_MUST_CHECK int weir_copy_binary_next(weir_copy_reader *r, bool last, weir_error *err);

#endif
