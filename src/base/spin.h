/* The lock of short sections in pure layers: some dozens of instructions, nothing allocated,
 * nothing called back. Gives the processor away when whoever holds it seems to have lost its own.
 */
#ifndef WEIR_BASE_SPIN_H
#define WEIR_BASE_SPIN_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct weir_spin {
    atomic_flag busy; /* all bits zero: free, as on every machine that gcc and clang know */
} weir_spin;

static inline bool weir_spin_try_lock(weir_spin *spin)
{
    return !atomic_flag_test_and_set_explicit(&spin->busy, memory_order_acquire);
}

static inline void weir_spin_lock(weir_spin *spin)
{
    for (unsigned tries = 1; !weir_spin_try_lock(spin); tries++) {
        if (tries % 64 == 0)
            sched_yield();
    }
}

static inline void weir_spin_unlock(weir_spin *spin)
{
    atomic_flag_clear_explicit(&spin->busy, memory_order_release);
}

#endif
