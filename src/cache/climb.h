/* A share that climbs toward the better hit ratio. Private to src/cache. */
#ifndef WEIR_CACHE_CLIMB_H
#define WEIR_CACHE_CLIMB_H

#include <stdbool.h>
#include <stddef.h>

typedef struct weir_climb {
    double share, step;
    bool up;           /* where the next step goes, unless the hit ratio fell */
    double ratio;      /* of hits, in the sample before */
    unsigned at_bound; /* samples that it has rested at a bound */
    bool scouting;     /* this sample is made far away from `home` */
    double home;
    unsigned since_scout; /* samples */
    size_t hits, requests;
} weir_climb;

void weir_climb_init(weir_climb *climb);
/* A request; `entries` are kept now: what a sample's length goes by. */
void weir_climb_count(weir_climb *climb, bool hit, size_t entries);
/* Of the whole: 0.01 to 0.99. */
double weir_climb_share(const weir_climb *climb);

#endif
