/* libpq for the follower's thread: connections made and questions asked with poll, so that the
 * thread can be told to end at any time. Private to backend/postgres. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_LINK_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_LINK_H

#include "base/error.h"
#include "base/time.h"
#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>

#define PG_LINK_WORDS 320u

/* What every wait looks at beside its socket. */
typedef struct pg_waker {
    int fd; /* an eventfd */
    _Atomic bool stop;
} pg_waker;

weir_time pg_link_now(void);
/* -errno */
WEIR_MUST_CHECK int pg_waker_init(pg_waker *w);
void pg_waker_fini(pg_waker *w);
void pg_waker_wake(pg_waker *w);
/* Until something is readable, writable where wanted, somebody wakes, or it is `until`. `a` and `b`
 * may be NULL; of `b` reading alone. */
void pg_waker_wait(pg_waker *w, PGconn *a, bool writes, PGconn *b, weir_time until);

/* These give 0; -EINTR: told to stop; -ETIMEDOUT, -EIO: words say why; -ENOMEM. */

/* NULL-terminated lists, as PQconnectdbParams has them. On failure `*ret` is NULL. */
WEIR_MUST_CHECK int pg_link_open(pg_waker *w, const char *const *names, const char *const *values,
                                 weir_time until, PGconn **ret, char words[static PG_LINK_WORDS]);
/* Runs a command; the last statement's result, which is the caller's to clear. */
WEIR_MUST_CHECK int pg_link_ask(pg_waker *w, PGconn *conn, const char *text, weir_time until,
                                PGresult **ret, char words[static PG_LINK_WORDS]);
/* What libpq says, in one line. */
void pg_link_words(const char *message, char words[static PG_LINK_WORDS]);

#endif
