/* ALTER TABLE as PostgreSQL has it, done by SQLite's means: its own ALTER where that can do it,
 * else an edit of the table's text in sqlite_schema with the checks that make it true, in the
 * client's transaction. https://sqlite.org/lang_altertable.html#otheralter says which edits leave
 * the file's format as it is; only such are made. */
#ifndef WEIR_COMPAT_ALTER_H
#define WEIR_COMPAT_ALTER_H

#include "compat/define.h"

/* An index of the table. */
typedef struct weir_alter_index {
    weir_slice name;
    weir_slice sql;     /* empty: SQLite made it for a constraint */
    weir_slice columns; /* names, a byte 31 between them; an expression's is empty */
    bool unique, primary;
} weir_alter_index;

typedef struct weir_alter_facts {
    weir_slice name, sql; /* of the table; empty: there is none of that name */
    const weir_alter_index *indexes;
    size_t index_count;
    const weir_define_fact *enums; /* all that there are */
    size_t enum_count;
} weir_alter_facts;

/* Appends the query that gives the facts of a table (name as written; `index`: of one of its
 * indexes) in rows of five cells:
 * 't', its name, its text, '', ''; 'i', name, text, columns, 'u', 'p', 'up' or ''; of each enum
 * 'e', name, OID, '', ''. */
WEIR_MUST_CHECK int weir_alter_facts_query(weir_slice name, bool index, weir_buf *out);
/* Splits off the first action of ALTER TABLE's list; empty: none is left. */
weir_slice weir_alter_next_action(weir_slice *actions);
#define WEIR_ALTER_AGAIN 2 /* a step of several: look at the table again, and plan the same */

/* Appends the statements that do the action; nothing, if nothing is to be done. Those that update
 * sqlite_schema are for a connection that may. AGAIN; WEIR_COMPAT_REFUSED with words. */
WEIR_MUST_CHECK int weir_alter_plan(weir_slice action, const weir_alter_facts *facts, weir_buf *out,
                                    weir_error *err);

/* The statements that make the sequences of new columns, by semicolons. */
WEIR_MUST_CHECK int weir_alter_sequences(weir_slice definitions, weir_buf *out, weir_error *err);
/* The statements that empty several tables at once. Without `cascade` no other table may have a
 * foreign key to one of them. `restart`: their sequences begin again. */
WEIR_MUST_CHECK int weir_truncate_plan(weir_slice tables, bool cascade, bool restart, weir_buf *out,
                                       weir_error *err);

#endif
