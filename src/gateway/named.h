/* Private to gateway/: what the names of a client's prepared statements stand for, and what it has
 * been promised of them: Parses and Closes that the server has not answered yet (named.c). */
#ifndef WEIR_GATEWAY_NAMED_H
#define WEIR_GATEWAY_NAMED_H

#include "engine/backend.h"

struct weir_client;

/* A statement that the client named: one version of what the name stands for (named.c). */
typedef struct weir_named {
    weir_prepared *prepared;  /* NULL: it is closed */
    struct weir_named *older; /* ... which stands again if the server skips this one */
    uint32_t batch;           /* in which it was parsed or closed */
    uint32_t serial;
    bool certain;  /* the server has answered, as far as names of clients go */
    bool ending;   /* a DEALLOCATE of it is on its way */
    bool doubtful; /* ... was, among others, of which one failed; or its Parse was lost */
    bool dropped;  /* nothing finds it any more; it lives until it is answered */
    size_t name_len;
    uint8_t name[];
} weir_named;

/* A Parse or Close of a statement that is not answered. */
typedef enum weir_promise_kind {
    WEIR_PROMISE_NOTHING, /* a Parse that will fail, a Close of nothing */
    WEIR_PROMISE_UNNAMED,
    WEIR_PROMISE_NAMED
} weir_promise_kind;

typedef struct weir_promise {
    weir_promise_kind kind;
    weir_named *named;
} weir_promise;

#define WEIR_PROMISES_SMALL 4u

typedef struct weir_promises {
    weir_promise small[WEIR_PROMISES_SMALL];
    weir_promise *large; /* NULL: `small` is the ring */
    uint32_t cap, head, len;
} weir_promises;

/* 0, WEIR_MAP_FULL, -ENOMEM. Takes the reference. `certain`: the server has answered; else this is
 * a promise. */
WEIR_MUST_CHECK int weir_client_named_put(struct weir_client *c, weir_slice name, weir_prepared *p,
                                          bool certain);
/* The promises of what goes out next: a Close; the unnamed statement; what makes no difference.
 * -ENOMEM. */
WEIR_MUST_CHECK int weir_client_named_close(struct weir_client *c, weir_slice name);
WEIR_MUST_CHECK int weir_client_unnamed_promised(struct weir_client *c);
WEIR_MUST_CHECK int weir_client_promise_nothing(struct weir_client *c);
/* The oldest promise is answered. */
void weir_client_parsed(struct weir_client *c, weir_parsing outcome);
/* The server has answered everything: promises that are left came to nothing. */
void weir_client_named_answered(struct weir_client *c);
/* The server is gone and answers nothing more: what it was sent stands, and may be sent anew. */
void weir_client_named_lost(struct weir_client *c);
/* What it stands for hangs on the answer to an earlier batch. */
bool weir_client_name_awaited(const struct weir_client *c, weir_slice name);
/* A Parse of this name would fail. */
bool weir_client_name_taken(struct weir_client *c, weir_slice name);
/* Unless it was put later than `serial`. */
void weir_client_named_remove(struct weir_client *c, weir_slice name, uint32_t serial);
/* All that were put up to then. */
void weir_client_named_forget(struct weir_client *c, uint32_t serial);
/* What goes out makes an end of it, or did not, or perhaps did; "": of all. Until then it means
 * nothing. */
void weir_client_named_ending(struct weir_client *c, weir_slice name, bool ending, bool doubtful);
void weir_client_named_fini(struct weir_client *c);
/* As much of a name as counts. */
weir_slice weir_client_name_key(weir_slice name);
/* What a name stands for; "" is the unnamed statement. NULL: nothing. */
weir_prepared *weir_client_prepared_find(struct weir_client *c, weir_slice name);
/* It was described to the client, or it is found to look otherwise than it was. */
void weir_client_described(struct weir_client *c, uint64_t content, uint64_t shape);

#endif
