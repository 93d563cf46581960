/* Runs a test again and again, each time with another allocation failing (as SQLite and curl do).
 * Link with `failalloc_dep`, which wraps malloc, calloc, realloc and aligned_alloc in the program
 * and its static libraries; what shared libraries allocate is left alone. */
#ifndef WEIR_TESTS_FAILALLOC_H
#define WEIR_TESTS_FAILALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Calls `run` with the Nth allocation failing, for N = 1, 2, ... until a run is over before its Nth
 * allocation; then the same with the Nth and all later ones failing. `run` asserts what it expects,
 * frees everything (the leak checker watches), and may not skip work at random. Returns how many
 * allocations a run makes at most; fails the cmocka test when that is over `allocations_max`, which
 * keeps an endless retry from hanging the test. */
size_t weir_failalloc_each(size_t allocations_max, void (*run)(void *user), void *user);

/* Inside `run`: whether an allocation has failed in this run. */
bool weir_failalloc_failed(void);

/* By hand: the Nth allocation from now fails (0: none), and with `all_later` those behind it. */
void weir_failalloc_arm(size_t nth, bool all_later);

#endif
