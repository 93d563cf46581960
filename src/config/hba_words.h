/* Words of pg_hba.conf and its kin, private to this folder: fields apart by space, lists by commas,
 * "quotes" for what would mean something else, # for comments. */
#ifndef WEIR_CONFIG_HBA_WORDS_H
#define WEIR_CONFIG_HBA_WORDS_H

#include "base/arena.h"
#include "base/error.h"

#define HBA_FIELDS_MAX 24u
#define HBA_LINE_MAX ((size_t)64 * 1024)

typedef struct hba_word {
    const struct hba_word *next; /* of the same field */
    const char *text;
    bool quoted; /* from its first character on: no keyword */
} hba_word;

typedef struct hba_line {
    const char *file;
    unsigned number;
    unsigned field_count;
    const hba_word *fields[HBA_FIELDS_MAX]; /* none of them NULL */
    const char *texts[HBA_FIELDS_MAX];      /* as written */
} hba_line;

typedef struct hba_reader {
    weir_arena *arena;
    weir_error *err;
    const char *file;
    weir_slice rest;
    unsigned line; /* the next one's number */
} hba_reader;

/* Sets "FILE:LINE: …" (F0000); -EINVAL. */
int hba_fail(weir_error *err, const char *file, unsigned line, const char *fmt, ...)
    WEIR_PRINTF(4, 5);
int hba_no_memory(weir_error *err);
/* The next line that says something; a backslash at a line's end joins the next one to it.
 * WEIR_HBA_END: there is none. -EINVAL, -ENOMEM. */
#define WEIR_HBA_END 1
WEIR_MUST_CHECK int hba_next_line(hba_reader *reader, hba_line *ret);
/* The fields of one text. */
WEIR_MUST_CHECK int hba_split(weir_arena *arena, weir_slice text, hba_line *line, weir_error *err);

#endif
