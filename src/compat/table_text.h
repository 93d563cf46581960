/* Private to compat: a CREATE TABLE's text in its parts, as sqlite_schema has it. All slices are
 * of that text. */
#ifndef WEIR_COMPAT_TABLE_TEXT_H
#define WEIR_COMPAT_TABLE_TEXT_H

#include "compat/compat.h"
#include "compat/token.h"

typedef enum table_part_kind {
    TABLE_PART_OTHER, /* COLLATE, NULL */
    TABLE_PART_PRIMARY,
    TABLE_PART_UNIQUE,
    TABLE_PART_CHECK,
    TABLE_PART_FOREIGN,
    TABLE_PART_NOT_NULL,
    TABLE_PART_DEFAULT,
    TABLE_PART_GENERATED
} table_part_kind;

/* A constraint of a column, or of the table. */
typedef struct table_part {
    table_part_kind kind;
    weir_slice text;    /* all of it */
    weir_slice name;    /* behind CONSTRAINT, as written; empty */
    weir_slice columns; /* of the table's: in the first parentheses; also CHECK's expression */
    weir_slice value;   /* DEFAULT */
    bool plain;         /* … is a constant */
    weir_slice parent;  /* FOREIGN: the other table, as written */
} table_part;

typedef struct table_item {
    weir_slice text;
    bool column;
    weir_slice name; /* column: as written */
    weir_slice type; /* column; may be empty */
    weir_slice rest; /* column: its constraints, for table_text_next_part */
    table_part part; /* not a column */
} table_item;

typedef struct table_text {
    weir_slice sql;
    weir_slice rest;    /* items that are left */
    const uint8_t *end; /* the closing parenthesis */
    bool rowid;         /* not WITHOUT ROWID */
    bool bad;           /* not understood */
} table_text;

/* False: it has no list of columns. */
bool table_text_begin(weir_slice sql, table_text *ret);
/* False: the last one was given, or `bad`. */
bool table_text_next(table_text *t, table_item *ret);
/* A column definition alone. False: not understood. */
bool table_text_column(weir_slice text, table_item *ret);
/* A column's constraints: false at the end, or *bad. */
bool table_text_next_part(weir_slice *rest, table_part *ret, bool *bad);
/* A table's constraint. False: not understood. */
bool table_text_constraint(weir_slice text, table_part *ret);
/* The names are the same, folded. */
bool table_text_same(weir_slice a, weir_slice b);
/* The list of names has this one. */
bool table_text_lists(weir_slice columns, weir_slice name);

#endif
