/* Was every read right? Each has an interval of states, from the last commit whose outcome anybody
 * had been told through Weir before the read was sent, to the last that may have been visible
 * before its answer came. On one of them, replayed in memory, it must have given that answer. */
#ifndef WEIR_CHECKER_JUDGE_H
#define WEIR_CHECKER_JUDGE_H

#include "history.h"

typedef struct judge_verdict {
    uint64_t reads, evaluated; /* reads judged, and queries run for it */
    uint64_t refused;          /* reads that got an error */
    unsigned violations;
} judge_verdict;

/* What must be seen: Weir's commits whose outcome was known `lag` before the read was sent (0: by
 * then), the outsider's that were finished `bound` before. ns. */
typedef struct judge_promise {
    int64_t lag, bound;
} judge_promise;

/* Prints each violation. `db`: the file, whose tables must be at the end what the replay comes
 * to. */
void judge(const record *r, const history *h, judge_promise promise, sqlite3 *db,
           judge_verdict *ret);

#endif
