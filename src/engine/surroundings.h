/* Where a text of a PostgreSQL client is read: the same words mean other relations in another
 * database, under another search_path or role, or after a change of the schema. Footprints for the
 * cache are made for each such. */
#ifndef WEIR_ENGINE_SURROUNDINGS_H
#define WEIR_ENGINE_SURROUNDINGS_H

#include "engine/engine.h"

typedef struct weir_surroundings {
    weir_slice search_path, role; /* in force; borrowed */
    bool utf8;                    /* client_encoding is UTF8 */
    /* Of all of it and the schema; changes with each of them. 0: the schema is not known, or
     * perhaps not any more: nothing is kept. */
    uint64_t meaning;
    uint64_t schema;   /* the fingerprint of the schema that it is of */
    uint64_t portable; /* what `meaning` is in this process, in every process */
} weir_surroundings;

#define WEIR_READING_PLACES 8u   /* of a database; others are not remembered */
#define WEIR_READING_MEANINGS 4u /* of a place */

/* Where texts of a database have been read: what was analysed for it there can be analysed anew
 * when the schema has changed, before it is asked for. */
typedef struct weir_read_at {
    weir_surroundings at; /* under the schema in force; its strings live as long as the database */
    uint64_t before[WEIR_READING_MEANINGS]; /* what it meant earlier; 0: no more */
} weir_read_at;
/* The index-th place; false: there are no more. The caller is online. */
bool weir_database_read_at(weir_database *database, unsigned index, weir_read_at *ret);

/* Fills in what is behind `utf8`. */
void weir_session_locate(const weir_session *session, weir_surroundings *at);
/* The footprint of a template there; NULL: not known yet, and asked for. */
const weir_footprint *weir_session_footprint(weir_session *session, const weir_template *t,
                                             const weir_surroundings *at);
/* … and it will be known in a moment. */
bool weir_footprint_is_due(const weir_template *t, const weir_surroundings *at);

#endif
