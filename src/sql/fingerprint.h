/* Private to sql/: the fingerprints of a server's catalog (sql/server.h). */
#ifndef WEIR_SQL_FINGERPRINT_H
#define WEIR_SQL_FINGERPRINT_H

#include "base/slice.h"

/* Gives the row 'P', for use among other statements. */
weir_slice weir_fingerprint_select(void);

#endif
