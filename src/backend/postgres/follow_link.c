/* Waiting for libpq's sockets, and for whoever wakes the thread. */
#include "backend/postgres/follow_link.h"
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

weir_time pg_link_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * WEIR_SECOND + ts.tv_nsec;
}

/* ---- waiting ---- */

int pg_waker_init(pg_waker *w)
{
    atomic_store(&w->stop, false);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->fd < 0 ? -errno : 0;
}

void pg_waker_fini(pg_waker *w)
{
    close(w->fd);
}

void pg_waker_wake(pg_waker *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->fd, &one, sizeof(one)); /* full: it is awake already */
    (void)n;
}

static int timeout_ms(weir_time until)
{
    weir_time left = until - pg_link_now();
    if (until == WEIR_TIME_NEVER || left > 3600 * WEIR_SECOND)
        return until == WEIR_TIME_NEVER ? -1 : 3600 * 1000;
    return left <= 0 ? 0 : (int)((left + WEIR_MS - 1) / WEIR_MS);
}

static void wait_for(pg_waker *w, struct pollfd *fds, nfds_t count, weir_time until)
{
    uint64_t times;
    if (poll(fds, count, timeout_ms(until)) > 0 && fds[0].revents != 0) {
        ssize_t n = read(w->fd, &times, sizeof(times));
        (void)n;
    }
}

void pg_waker_wait(pg_waker *w, PGconn *a, bool writes, PGconn *b, weir_time until)
{
    struct pollfd fds[3] = {{.fd = w->fd, .events = POLLIN}};
    nfds_t count = 1;
    if (a)
        fds[count++] = (struct pollfd){.fd = PQsocket(a),
                                       .events = (short)(writes ? POLLIN | POLLOUT : POLLIN)};
    if (b)
        fds[count++] = (struct pollfd){.fd = PQsocket(b), .events = POLLIN};
    wait_for(w, fds, count, until);
}

void pg_link_words(const char *message, char words[static PG_LINK_WORDS])
{
    size_t n = 0;
    for (; *message && n + 1 < PG_LINK_WORDS; message++) {
        bool space = strchr(" \t\n", *message) != NULL;
        if (!space || (n > 0 && words[n - 1] != ' '))
            words[n++] = space ? ' ' : *message;
    }
    while (n > 0 && words[n - 1] == ' ')
        n--;
    words[n] = '\0';
}

/* ---- connecting ---- */

static int expired(weir_time until, char words[static PG_LINK_WORDS])
{
    if (pg_link_now() < until)
        return 0;
    (void)snprintf(words, PG_LINK_WORDS, "the server did not answer in time");
    return -ETIMEDOUT;
}

static int connect_step(pg_waker *w, PGconn *conn, PostgresPollingStatusType *status,
                        weir_time until, char words[static PG_LINK_WORDS])
{
    if (atomic_load(&w->stop))
        return -EINTR;
    if (*status == PGRES_POLLING_FAILED || PQstatus(conn) == CONNECTION_BAD) {
        pg_link_words(PQerrorMessage(conn), words);
        return -EIO;
    }
    struct pollfd fds[2] = {
        {.fd = w->fd, .events = POLLIN},
        {.fd = PQsocket(conn), .events = *status == PGRES_POLLING_READING ? POLLIN : POLLOUT}};
    wait_for(w, fds, 2, until);
    int r = expired(until, words);
    if (r == 0 && fds[1].revents != 0)
        *status = PQconnectPoll(conn);
    return r;
}

int pg_link_open(pg_waker *w, const char *const *names, const char *const *values, weir_time until,
                 PGconn **ret, char words[static PG_LINK_WORDS])
{
    PGconn *conn = PQconnectStartParams(names, values, 0);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    int r = conn ? 0 : -ENOMEM;
    while (r == 0 && status != PGRES_POLLING_OK)
        r = connect_step(w, conn, &status, until, words);
    if (r == 0 && PQsetnonblocking(conn, 1) != 0)
        r = -ENOMEM;
    if (r != 0) {
        PQfinish(conn);
        conn = NULL;
    }
    *ret = conn;
    return r;
}

/* ---- asking ---- */

static int await(pg_waker *w, PGconn *conn, weir_time until, char words[static PG_LINK_WORDS])
{
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0 || !PQconsumeInput(conn)) {
            pg_link_words(PQerrorMessage(conn), words);
            return -EIO;
        }
        if (!PQisBusy(conn))
            return 0;
        if (atomic_load(&w->stop))
            return -EINTR;
        int r = expired(until, words);
        if (r < 0)
            return r;
        pg_waker_wait(w, conn, unsent > 0, NULL, until);
    }
}

static int judge(const PGresult *result, char words[static PG_LINK_WORDS])
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_COPY_BOTH:
        return 0;
    default:
        pg_link_words(PQresultErrorMessage(result), words);
        return -EIO;
    }
}

int pg_link_ask(pg_waker *w, PGconn *conn, const char *text, weir_time until, PGresult **ret,
                char words[static PG_LINK_WORDS])
{
    PGresult *last = NULL;
    *ret = NULL;
    if (!PQsendQuery(conn, text)) {
        pg_link_words(PQerrorMessage(conn), words);
        return -EIO;
    }
    for (;;) {
        int r = await(w, conn, until, words);
        PGresult *next = r == 0 ? PQgetResult(conn) : NULL;
        if (r == 0 && next)
            r = judge(next, words);
        if (r != 0) {
            PQclear(next);
            PQclear(last);
            return r;
        }
        if (!next)
            break;
        PQclear(last);
        last = next;
        if (PQresultStatus(last) == PGRES_COPY_BOTH)
            break; /* there is no end to come */
    }
    *ret = last;
    return last ? 0 : -EIO;
}
