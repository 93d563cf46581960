/* Writes what a server streams to a logical subscriber, for tests: each function makes the whole
 * payload of one CopyData.
 *
 * Columns are written "*id/23 name/25": a star for those of the replica identity, the name, the
 * type's oid. Rows are written "1|abc|~|?": texts, ~ NULL, ? unchanged and not sent. */
#ifndef WEIR_TEST_PGOUTPUT_H
#define WEIR_TEST_PGOUTPUT_H

#include "base/slice.h"

typedef struct pgoutput {
    uint8_t bytes[4096];
    size_t len;
} pgoutput;

weir_slice pgoutput_keepalive(pgoutput *p, uint64_t position, bool reply);
weir_slice pgoutput_begin(pgoutput *p, uint64_t final, uint32_t xid);
weir_slice pgoutput_commit(pgoutput *p, uint64_t begins, uint64_t ends);
weir_slice pgoutput_origin(pgoutput *p, uint64_t position, const char *name);
weir_slice pgoutput_relation(pgoutput *p, uint32_t oid, const char *schema, const char *name,
                             char identity, const char *columns);
weir_slice pgoutput_type(pgoutput *p, uint32_t oid, const char *schema, const char *name);
weir_slice pgoutput_insert(pgoutput *p, uint32_t oid, const char *row);
/* `kind`: 'K', 'O', or 0: no old row. */
weir_slice pgoutput_update(pgoutput *p, uint32_t oid, char kind, const char *old, const char *row);
weir_slice pgoutput_delete(pgoutput *p, uint32_t oid, char kind, const char *old);
weir_slice pgoutput_truncate(pgoutput *p, uint32_t first, uint32_t second); /* 0: no second */
weir_slice pgoutput_message(pgoutput *p, bool transactional, const char *prefix,
                            const char *content);

#endif
