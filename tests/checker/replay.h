/* The states of the history one after the other, in memory, and what a statement answers there. */
#ifndef WEIR_CHECKER_REPLAY_H
#define WEIR_CHECKER_REPLAY_H

#include "history.h"

typedef struct replay replay;

replay *replay_new(void);
void replay_free(replay *p);
/* Goes on to the next state. Returns how many of the commit's statements answered otherwise than
 * was recorded; each is printed. */
unsigned replay_commit(replay *p, const record *r, const commit *c);
/* What the statement answers on this state, as record.h's `result`; valid until the next call.
 * NULL: it fails, `*ret_error` says how. */
const char *replay_read(replay *p, const statement *s, const char **ret_error);
/* Tables whose rows differ from the file's; each is printed. */
unsigned replay_compare(replay *p, sqlite3 *db);

#endif
