/* Private to engine/: leases against stampedes across nodes. Who finds an answer neither in memory
 * nor behind it leaves a mark there that says that it is being read; whoever finds the mark waits
 * for the answer to take its place.
 *
 *   absent, or out of date ──► mark, and run ──► the answer replaces the mark
 *   another's mark ──► look again, less and less often ─┬─► the answer
 *                                                       └─► waited long enough, or gone: run
 *
 * Invariants: nobody is slower for leaving a mark, which is not waited for: two who look within one
 * way there and back both run. A mark lives no longer than others would wait. What takes its place
 * is judged as anything else. */
#ifndef WEIR_ENGINE_LEASE_H
#define WEIR_ENGINE_LEASE_H

#include "engine/lookup.h"

/* A mark, and whose. */
WEIR_MUST_CHECK bool weir_lease_is(weir_slice stored, uint64_t *ret_run);
/* Leaves one, where that pays. `over`: in place of what was found. False: not left. */
WEIR_MUST_CHECK bool weir_lease_mark(weir_lookup *lookup, uint64_t run, bool over);
/* Another's was found: the lookup waits, and goes on by itself. False: it does not, or not any
 * longer. */
WEIR_MUST_CHECK bool weir_lease_wait(weir_lookup *lookup);
/* The worker ends: they have waited long enough. */
void weir_leases_end(weir_worker *worker);

#endif
