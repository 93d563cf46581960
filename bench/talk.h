/* What a load generator says and hears, in three languages: PostgreSQL's simple and extended
 * protocols and Redis's. A request asks for one key; a reply is told from the next by its form
 * alone, with as little work as each language allows. */
#ifndef WEIR_BENCH_TALK_H
#define WEIR_BENCH_TALK_H

#include "wire.h"

typedef struct talk {
    const char *user, *database; /* of PostgreSQL's languages */
    const char *read, *write;    /* SQL in which `$1` stands for the key; write: NULL, none */
} talk;

typedef struct talk_language {
    const char *name;
    /* Login, and whatever is done once. */
    void (*open)(const talk *t, int fd);
    /* Appends a request for the key. */
    void (*ask)(const talk *t, wire_message *m, long key, int write);
    /* Bytes of the part of a reply at the front, 0: not whole yet. *ret_last: it ends the reply. */
    size_t (*part)(const uint8_t *bytes, size_t len, int *ret_last);
} talk_language;

/* "simple", "extended" or "resp"; ends the program for anything else. */
const talk_language *talk_find(const char *name);

#endif
