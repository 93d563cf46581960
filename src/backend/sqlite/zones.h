/* Private to the backend: the time zones that a connection was asked for. Their files are read once
 * for each connection, on the thread that runs its statement. */
#ifndef WEIR_BACKEND_SQLITE_ZONES_H
#define WEIR_BACKEND_SQLITE_ZONES_H

#include "base/slice.h"
#include "base/zone.h"

typedef struct weir_sqlite_zones weir_sqlite_zones;

/* Borrowed until the next call; NULL: there is none of that name, or no memory. `*zones` begins as
 * NULL. */
const weir_zone *weir_sqlite_zones_find(weir_sqlite_zones **zones, weir_slice name);
void weir_sqlite_zones_free(weir_sqlite_zones *zones);

#endif
