/* What was committed, in order: the history table's ops, each with the unit or the outsider's
 * transaction that it names. State 0 is the database as it was made; state i the one after commit
 * i (commits[i - 1]). */
#ifndef WEIR_CHECKER_HISTORY_H
#define WEIR_CHECKER_HISTORY_H

#include "record.h"
#include <sqlite3.h>

typedef struct commit {
    int64_t op;
    uint32_t unit;           /* NO_UNIT: the outsider's */
    const char *sql;         /* of the outsider */
    int64_t begun, finished; /* not visible before / known since, ns; `finished` 0: to nobody */
} commit;

typedef struct history {
    commit *commits;
    size_t count;
} history;

/* Reads the history of the file and the outsider's log. Returns the number of units that are in it
 * although they must not be, or are not although they must; each is printed. */
unsigned history_read(history *h, sqlite3 *db, const char *log_path, record *r);
void history_free(history *h);

#endif
