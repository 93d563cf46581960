/* Time values: monotonic nanoseconds. Cores get them as arguments and never ask a clock. */
#ifndef WEIR_BASE_TIME_H
#define WEIR_BASE_TIME_H

#include <stdint.h>

typedef int64_t weir_time;

#define WEIR_TIME_NEVER INT64_MAX
#define WEIR_US ((weir_time)1000)
#define WEIR_MS ((weir_time)1000000)
#define WEIR_SECOND ((weir_time)1000000000)

/* `now + delay`, where a delay of 0 or less means "never" (a limit that is switched off). */
static inline weir_time weir_deadline(weir_time now, weir_time delay)
{
    return delay <= 0 || delay > WEIR_TIME_NEVER - now ? WEIR_TIME_NEVER : now + delay;
}

#endif
