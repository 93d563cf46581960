/* Time zones: what a file of the tz database says (RFC 8536), or a POSIX TZ string. Without I/O:
 * bytes in, offsets out. Seconds count from 1970 in UTC; local ones as if the clock were UTC's. */
#ifndef WEIR_BASE_ZONE_H
#define WEIR_BASE_ZONE_H

#include "base/slice.h"

typedef struct weir_zone weir_zone;

/* NULL: it is no such file, or there is no memory. The bytes need not last. */
weir_zone *weir_zone_parse(weir_slice file);
/* "EST5", "<-03>3", "CET-1CEST,M3.5.0,M10.5.0/3", "+02" (two hours west). NULL likewise. */
weir_zone *weir_zone_parse_posix(weir_slice text);
void weir_zone_free(weir_zone *zone);

/* How far its clocks are ahead of UTC at that moment. */
int32_t weir_zone_offset_at(const weir_zone *zone, int64_t seconds);
/* … when its clocks show that. Shown twice: the later time; never: as if they had not been changed.
 */
int32_t weir_zone_offset_of(const weir_zone *zone, int64_t local_seconds);

#endif
