/* Private to compat/alter*.c. */
#ifndef WEIR_COMPAT_ALTER_INTERNAL_H
#define WEIR_COMPAT_ALTER_INTERNAL_H

#include "catalog/face.h"
#include "compat/alter.h"
#include "compat/table_text.h"

typedef struct alter {
    const weir_alter_facts *facts;
    weir_buf *out; /* the statements */
    weir_error *err;
} alter;

/* 0A000; `hint` NULL: where it is written what works. WEIR_COMPAT_REFUSED. */
WEIR_MUST_CHECK int alter_refuse(const alter *a, const char *what, const char *hint);
/* 42601 */
static inline int alter_syntax(const alter *a, const char *where)
{
    weir_error_set(a->err, "42601", "weir: syntax error in %s", where);
    return WEIR_COMPAT_REFUSED;
}
/* [schema.]name, folded; false: it is no name. */
bool alter_take_name(weir_slice *rest, char *ret, size_t size);
WEIR_MUST_CHECK int alter_missing_column(const alter *a, weir_slice column);

/* alter_text.c: writing. In a format %t is the table's name, %n a name as written (folded and
 * quoted), %l a literal, %x text as it is; these three take a `const weir_slice *`. */
WEIR_MUST_CHECK int alter_put(const alter *a, const char *format, ...);
/* The table's text with `with` instead of `range`. */
WEIR_MUST_CHECK int alter_edit(const alter *a, weir_slice range, weir_slice with);
/* … without this item and the comma beside it. */
WEIR_MUST_CHECK int alter_remove_item(const alter *a, const table_item *item);
/* … with `text` behind the last column, or behind everything. */
WEIR_MUST_CHECK int alter_append_item(const alter *a, weir_slice text, bool column);
/* Fails with that state and words, which have one %.*s for `name`, where the rest of a query
 * (behind FROM) has a row. */
WEIR_MUST_CHECK int alter_fail_begin(const alter *a, const char *sqlstate, weir_slice words);

/* alter_find.c: false: there is none. */
bool alter_find_column(const alter *a, weir_slice name, table_item *ret);
bool alter_find_part(const table_item *column, table_part_kind kind, table_part *ret);
const weir_alter_index *alter_find_index(const alter *a, weir_slice name);
/* SQLite's own index of these columns. */
const weir_alter_index *alter_find_auto_index(const alter *a, weir_slice columns);
bool alter_index_has(const weir_alter_index *index, weir_slice column);
/* A constraint by the name that it has, or that PostgreSQL would have given it. */
bool alter_find_constraint(const alter *a, weir_slice name, table_item *ret_item,
                           table_part *ret_part);
/* An index's columns (weir_alter_index) are those of the list. */
bool alter_same_columns(weir_slice of_index, weir_slice written);
bool alter_is_key(const alter *a, const table_item *column);
/* The name PostgreSQL gives: t_a_b_key. False: too long for `out`. */
bool alter_constraint_name(weir_slice table, weir_slice columns, const char *end, char *out,
                           size_t size);

/* sequence.c: of a CREATE SEQUENCE's text; `guard` stands before each line that makes anything. */
WEIR_MUST_CHECK int alter_create_sequence(const alter *a, weir_slice definition, const char *guard);
/* define.c: several of such, by semicolons. */
WEIR_MUST_CHECK int alter_sequences(const alter *a, weir_slice definitions, const char *guard);
/* The sequences that are this column's, or any of the table's (`column` empty); names folded. */
WEIR_MUST_CHECK int alter_drop_owned(const alter *a, weir_slice table_name, weir_slice column);
WEIR_MUST_CHECK int alter_restart_owned(const alter *a, weir_slice table_name);

/* comment.c: those on what is no longer there go; a relation's, column's or constraint's follow its
 * new name (names as written). */
WEIR_MUST_CHECK int weir_comment_plan(weir_slice text, weir_buf *out, weir_error *err);
WEIR_MUST_CHECK int alter_purge_comments(const alter *a);
WEIR_MUST_CHECK int alter_rename_comments(const alter *a, const char *kind, weir_slice from,
                                          weir_slice to);

/* alter_column.c */
WEIR_MUST_CHECK int alter_add_column(const alter *a, weir_slice rest);
WEIR_MUST_CHECK int alter_drop_column(const alter *a, weir_slice rest);
WEIR_MUST_CHECK int alter_change_column(const alter *a, weir_slice rest);

/* alter_key.c: AGAIN, too. */
WEIR_MUST_CHECK int alter_add_key(const alter *a, const table_part *p);
WEIR_MUST_CHECK int alter_drop_key(const alter *a, const table_item *item, const table_part *part);

/* alter_constraint.c */
/* SQLite's own index, behind the edit that took its constraint away, before the schema is read
 * anew. */
WEIR_MUST_CHECK int alter_drop_own_index(const alter *a, const weir_alter_index *index,
                                         weir_slice columns);
WEIR_MUST_CHECK int alter_add_constraint(const alter *a, weir_slice rest);
WEIR_MUST_CHECK int alter_drop_constraint(const alter *a, weir_slice rest);
WEIR_MUST_CHECK int alter_drop_part(const alter *a, const table_item *item, const table_part *part);
WEIR_MUST_CHECK int alter_check_foreign(const alter *a);
WEIR_MUST_CHECK int alter_check_rows(const alter *a, weir_slice expression);
WEIR_MUST_CHECK int alter_remove_part(const alter *a, const table_item *item,
                                      const table_part *part);
WEIR_MUST_CHECK int alter_check_null(const alter *a, weir_slice column);
WEIR_MUST_CHECK int alter_rename_constraint(const alter *a, weir_slice rest);
/* A constraint or an index, names as written. */
WEIR_MUST_CHECK int alter_rename_to(const alter *a, weir_slice name, weir_slice to);

#endif
