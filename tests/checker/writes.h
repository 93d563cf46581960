/* The writes: statements that carry their unit's op, appended to the record. */
#ifndef WEIR_CHECKER_WRITES_H
#define WEIR_CHECKER_WRITES_H

#include "workload.h"

/* Appends a statement with this text. */
__attribute__((format(printf, 4, 5))) void write_text(workload *w, statement_role role,
                                                      uint32_t unit, const char *format, ...);
/* One that may stand alone; what it writes. */
touched write_any(workload *w, uint32_t unit);
/* The same about that key, which it surely touches if there is such a row. */
touched write_about(workload *w, uint32_t unit, touched about);
/* One that keeps its first rows when it is refused: to stand alone. */
touched write_partly(workload *w, uint32_t unit);
/* A DELETE and the line of history that goes with it: for a transaction. */
touched write_delete(workload *w, uint32_t unit);
/* The two halves of a DELETE that commits by itself: `doomed` marks for the unit that deletes. */
touched write_doom(workload *w, uint32_t unit, uint32_t deleting, char kind);
void write_doomed(workload *w, uint32_t deleting, touched doomed);
/* Several statements that are one transaction. */
touched write_schema(workload *w, uint32_t unit, bool definition);
touched write_bulk(workload *w, uint32_t unit);

#endif
