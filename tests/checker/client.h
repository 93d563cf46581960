/* One connection of the checker to Weir: sends a request, takes what arrives until it is answered,
 * and writes both into the record. */
#ifndef WEIR_CHECKER_CLIENT_H
#define WEIR_CHECKER_CLIENT_H

#include "record.h"

enum { REQUESTS_MAX = 24 };

typedef enum request_mode {
    MODE_SIMPLE,   /* one Query; parameters stand in the texts already */
    MODE_EXTENDED, /* Parse, Bind, Describe, Execute of each statement, one Sync */
    MODE_PAGED,    /* the same, of one read, its first row by an Execute of its own */
    MODE_PREPARED  /* the same, parsed once per connection under its shape's name */
} request_mode;

typedef struct request {
    uint32_t first, count; /* statements of the record */
    request_mode mode;
    bool repeatable; /* reads the snapshot of the request before it */
    bool kill;       /* the connection ends right after it was sent */
} request;

typedef struct client {
    int fd;
    uint32_t number;
    unsigned port;
    const char *database;
    uint64_t prepared[2]; /* shapes that it parsed: with parameters' types, and without */
    /* What it has to do: the requests from `next` on; the one before is under way if `busy`. */
    request requests[REQUESTS_MAX];
    unsigned next, count;
    bool busy;
    /* Of the request under way. */
    uint32_t cursor; /* the statement that is being answered */
    bool failed;     /* the rest of the request is skipped */
    unsigned columns;
    uint32_t types[16];
    char *text; /* the result so far */
    size_t text_len, text_size;
    uint8_t *in;
    size_t in_len, in_size;
} client;

void client_open(client *c, uint32_t number, unsigned port, const char *database);
void client_close(client *c);
/* Sends the next request. False: its connection was killed, as it said, and is open anew. */
bool client_send(client *c, record *r);
/* Takes what has arrived. True: the request is answered. */
bool client_receive(client *c, record *r);

#endif
