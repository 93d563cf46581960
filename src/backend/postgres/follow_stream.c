/* The stream while it lasts: messages go to the core in order; what the core wants to know is asked
 * on the control connection, one thing at a time.
 *
 * Everything is acknowledged when it has come, but for what a kept slot holds back
 * (follow_hold.h). A row of a relation whose ancestors are not known holds the stream until they
 * are. */
#include "backend/postgres/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ERRAND_TIME (30 * WEIR_SECOND)
#define ACK_EVERY (100 * WEIR_MS)
#define ACK_AT_LEAST (10 * WEIR_SECOND)
#define LOOK_EVERY WEIR_SECOND
#define LOOK_AT_LEAST (10 * WEIR_SECOND)
#define MESSAGES_PER_TURN 1000
#define ANCESTORS_MAX 64
#define EPOCH_2000 946684800LL /* PostgreSQL's clock begins then */

static int failed(pg_following *g, const PGconn *conn)
{
    pg_link_words(PQerrorMessage(conn), g->words);
    if (!*g->words)
        pg_link_words("the connection ended", g->words);
    return -EIO;
}

/* The server has ended it, and says why. */
static int ended(pg_following *g)
{
    PGresult *why = PQgetResult(g->stream);
    const char *words = PQresultErrorMessage(why);
    pg_link_words(*words ? words : "the server ended the stream", g->words);
    PQclear(why);
    return -EIO;
}

static int refuse(pg_following *g, const char *words)
{
    pg_link_words(words, g->words);
    return -EIO;
}

/* ---- the stream ---- */

static int feed_error(pg_following *g, int r)
{
    if (r == -ENOMEM)
        return r;
    if (r == -ENOSPC)
        return refuse(g, "more relations changed than can be kept in mind");
    return refuse(g, "the server's stream of changes is not understood");
}

/* 0; PG_FOLLOW_ASK: it is held. */
static int feed(pg_following *g, char *message, int size)
{
    bool reply = false;
    int r = pg_follow_feed(&g->core, weir_slice_make(message, (size_t)size), &g->held_oid, &reply);
    g->ack_due |= reply;
    if (r == PG_FOLLOW_ASK) {
        g->held = message;
        g->held_size = size;
        return r;
    }
    PQfreemem(message);
    return r < 0 ? feed_error(g, r) : 0;
}

/* What has come; 1: there is more. */
static int read_stream(pg_following *g)
{
    for (int i = 0; !g->held && i < MESSAGES_PER_TURN; i++) {
        char *message = NULL;
        int size = PQgetCopyData(g->stream, &message, 1);
        if (size == 0)
            return 0;
        if (size < 0)
            return size == -1 ? ended(g) : failed(g, g->stream);
        int r = feed(g, message, size);
        if (r < 0)
            return r;
    }
    return g->held ? 0 : 1;
}

static int64_t server_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (ts.tv_sec - EPOCH_2000) * 1000000 + ts.tv_nsec / 1000;
}

static weir_time next_ack(const pg_following *g)
{
    if (g->ack_due)
        return 0;
    return g->acked_at + (g->core.received > g->acked ? ACK_EVERY : ACK_AT_LEAST);
}

static int acknowledge(pg_following *g, weir_time now)
{
    uint8_t status[WEIR_PG_STATUS_SIZE];
    if (next_ack(g) > now)
        return 0;
    if (g->hurries)
        pg_hold_drop(&g->hold, g->core.received);
    uint64_t done = pg_hold_release(&g->hold, g->core.received, now);
    weir_pg_write_status(status, g->core.received, done, server_clock(), false);
    int sent = PQputCopyData(g->stream, (const char *)status, (int)sizeof(status));
    if (sent < 0)
        return failed(g, g->stream);
    if (sent > 0) {
        g->acked = g->core.received;
        g->acked_at = now;
        g->ack_due = false;
    }
    return 0;
}

/* ---- errands: answers ---- */

static int on_snapshot(pg_following *g, const PGresult *answer)
{
    int r = pg_snapshot_read(&g->snapshot, weir_slice_cstr(PQgetvalue(answer, 0, 0)));
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return refuse(g, "the server's snapshot is not understood");
    pg_follow_snapshot(&g->core, &g->snapshot);
    return 0;
}

static int on_ancestors(pg_following *g, const PGresult *answer)
{
    weir_slice names[ANCESTORS_MAX];
    int count = PQntuples(answer);
    if (count > ANCESTORS_MAX)
        return refuse(g, "a table has more ancestors than can be kept in mind");
    for (int i = 0; i < count; i++)
        names[i] = weir_slice_cstr(PQgetvalue(answer, i, 0));
    int r = pg_follow_ancestors(&g->core, g->held_oid, names, (size_t)count);
    if (r < 0)
        return r;
    char *message = g->held;
    g->held = NULL;
    r = feed(g, message, g->held_size);
    return r < 0 ? r : 0;
}

/* Rows of tables that were added are streamed from a new slot on: transactions that had written to
 * them before are not sent by this one. */
static int on_look(pg_following *g, const PGresult *answer)
{
    char published[PG_FOLLOW_MARK], inherited[PG_FOLLOW_MARK];
    pg_follow_marks(answer, 0, published, inherited);
    g->hurries = strcmp(PQgetvalue(answer, 0, 2), "0") != 0;
    if (strcmp(inherited, g->inherited) != 0) {
        memcpy(g->inherited, inherited, sizeof(inherited));
        pg_follow_inheritance_changed(&g->core);
    }
    bool same = strcmp(published, g->published) == 0;
    if (same && (!g->envies || strcmp(PQgetvalue(answer, 0, 3), "0") != 0))
        return 0;
    g->renew = true;
    return refuse(g, same ? "the slot is free: following begins anew"
                          : "the publication has changed: following begins anew");
}

/* The look before the first was made before the schema was last read. */
static void on_beaten(pg_following *g, const PGresult *answer)
{
    const char *rights = PQgetvalue(answer, 0, 1);
    bool same = strcmp(rights, g->rights) == 0;
    (void)snprintf(g->rights, sizeof(g->rights), "%s", rights);
    pg_follow_beaten(&g->core, same);
}

static int on_answer(pg_following *g, pg_errand errand, const PGresult *answer)
{
    bool rows = PQresultStatus(answer) == PGRES_TUPLES_OK;
    if (!rows) {
        pg_link_words(PQresultErrorMessage(answer), g->words);
        return -EIO;
    }
    if (errand != PG_ERRAND_ANCESTORS && PQntuples(answer) != 1)
        return refuse(g, "the server's answer is not understood");
    switch (errand) {
    case PG_ERRAND_SNAPSHOT:
        return on_snapshot(g, answer);
    case PG_ERRAND_BEAT:
        on_beaten(g, answer);
        return 0;
    case PG_ERRAND_ANCESTORS:
        return on_ancestors(g, answer);
    case PG_ERRAND_FLUSH:
        pg_flushes_done(&g->flushes, &g->flushing);
        return 0;
    case PG_ERRAND_LOOK:
        return on_look(g, answer);
    case PG_ERRAND_NONE:
        break;
    }
    return 0;
}

static int read_control(pg_following *g)
{
    while (g->errand != PG_ERRAND_NONE && !PQisBusy(g->control)) {
        PGresult *next = PQgetResult(g->control);
        if (next) {
            PQclear(g->answer);
            g->answer = next;
            continue;
        }
        pg_errand errand = g->errand;
        PGresult *answer = g->answer;
        g->errand = PG_ERRAND_NONE;
        g->answer = NULL;
        int r = on_answer(g, errand, answer);
        PQclear(answer);
        return r;
    }
    return 0;
}

/* ---- errands: questions ---- */

static int ask(pg_following *g, pg_errand errand, const char *text, weir_time now)
{
    if (!PQsendQuery(g->control, text))
        return failed(g, g->control);
    g->errand = errand;
    g->errand_until = now + ERRAND_TIME;
    return 0;
}

static int ask_ancestors(pg_following *g, weir_time now)
{
    char text[500];
    (void)snprintf(text, sizeof(text),
                   "WITH RECURSIVE up(oid) AS (SELECT inhparent FROM pg_inherits WHERE inhrelid ="
                   " %u UNION SELECT inhparent FROM pg_inherits JOIN up ON inhrelid = up.oid)"
                   " SELECT concat(nspname, '.', relname) FROM up JOIN pg_class c ON c.oid = up.oid"
                   " JOIN pg_namespace n ON n.oid = relnamespace",
                   g->held_oid);
    return ask(g, PG_ERRAND_ANCESTORS, text, now);
}

static int ask_snapshot(pg_following *g, weir_time now)
{
    pg_follow_ask_snapshot(&g->core, now);
    return ask(g, PG_ERRAND_SNAPSHOT, "SELECT pg_current_snapshot()", now);
}

static int flush(pg_following *g, weir_time now)
{
    char text[PG_FLUSHES_BATCH * (PG_FLUSH_SIZE + 3) + 120];
    if (!pg_flushes_next(&g->flushes, &g->flushing))
        return 0;
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "SELECT count(pg_logical_emit_message(true, '%s', m)) FROM"
                                  " unnest(ARRAY[",
                                  PG_FOLLOW_PUBLICATION);
    for (unsigned i = 0; i < g->flushing.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s'%s'", i ? "," : "",
                                g->flushing.text[i]);
    (void)snprintf(text + len, sizeof(text) - len, "]) m");
    return ask(g, PG_ERRAND_FLUSH, text, now);
}

static int beat(pg_following *g, weir_time now)
{
    char content[PG_FOLLOW_BEAT_SIZE], text[PG_FOLLOW_BEAT_SIZE + 800];
    const weir_follower *to = &g->core.follower;
    uint64_t outcomes = to->outcomes(to->user);
    if (pg_flushes_wait(&g->flushes)) /* one of those outcomes, perhaps: it goes first */
        return flush(g, now);
    (void)atomic_exchange(&g->wanted, 0); /* who wants it from here on wants another */
    pg_follow_beat(&g->core, outcomes, content, now);
    (void)snprintf(text, sizeof(text), "SELECT pg_logical_emit_message(true, '%s', '%s'), %s",
                   PG_FOLLOW_PUBLICATION, content, pg_follow_rights);
    if (g->look_at > now + LOOK_EVERY)
        g->look_at = now + LOOK_EVERY;
    return ask(g, PG_ERRAND_BEAT, text, now);
}

static int look(pg_following *g, weir_time now)
{
    char text[1600];
    g->look_at = now + LOOK_AT_LEAST;
    pg_slot_look(g, text, sizeof(text));
    return ask(g, PG_ERRAND_LOOK, text, now);
}

/* The stream waits for ancestors, and a change of the schema may be one of the publication. */
static int ask_next(pg_following *g, weir_time now)
{
    pg_follow_next next = pg_follow_plan(&g->core, now);
    if (g->errand != PG_ERRAND_NONE)
        return 0;
    if (g->held)
        return ask_ancestors(g, now);
    if (g->core.alterations != g->alterations) {
        g->alterations = g->core.alterations;
        return look(g, now);
    }
    if (pg_flushes_wait(&g->flushes))
        return flush(g, now);
    if (next.snapshot)
        return ask_snapshot(g, now);
    if (next.beat)
        return beat(g, now);
    return g->look_at <= now ? look(g, now) : 0;
}

/* ---- turns ---- */

static weir_time earliest(weir_time a, weir_time b)
{
    return a < b ? a : b;
}

static weir_time next_turn(pg_following *g, weir_time now)
{
    weir_time at = next_ack(g);
    if (g->errand != PG_ERRAND_NONE)
        return earliest(at, g->errand_until);
    if (g->held || g->core.alterations != g->alterations || pg_flushes_wait(&g->flushes))
        return now;
    return earliest(earliest(at, g->look_at), pg_follow_plan(&g->core, now).at);
}

static void absorb(pg_following *g)
{
    unsigned wanted = atomic_load(&g->wanted);
    if (wanted)
        pg_follow_wanted(&g->core, (wanted & PG_WANTED_AT_ONCE) != 0);
    g->core.look_every = atomic_load(&g->look_every);
}

static int sockets(pg_following *g, bool more, weir_time now)
{
    int unsent = PQflush(g->stream);
    if (unsent < 0)
        return failed(g, g->stream);
    if (PQflush(g->control) < 0)
        return failed(g, g->control);
    /* A held stream is not listened to: it would be ready all the time. */
    pg_waker_wait(&g->waker, g->held ? NULL : g->stream, unsent > 0, g->control,
                  more ? now : next_turn(g, now));
    if (!g->held && !PQconsumeInput(g->stream))
        return failed(g, g->stream);
    return PQconsumeInput(g->control) ? 0 : failed(g, g->control);
}

static void log_followed(pg_following *g)
{
    const weir_postgres_options *o = &g->place->options;
    if (g->logged || g->core.state != PG_FOLLOW_FOLLOWING)
        return;
    g->logged = true;
    weir_log_event(o->log, WEIR_LOG_POSTGRES, WEIR_LOG_INFO, "changes are followed",
                   WEIR_F_STR("server", g->place->hosts[0]), WEIR_F_STR("db", PQdb(g->control)));
}

static int turn(pg_following *g)
{
    weir_time now = pg_link_now();
    absorb(g);
    if (g->place != atomic_load(&g->backend->newest)) {
        g->renew = true;
        return refuse(g, "the database has moved");
    }
    int more = read_stream(g);
    bool held = g->held != NULL;
    int r = more < 0 ? more : read_control(g);
    if (held && !g->held)
        more = 1; /* libpq may have read what follows */
    if (r == 0 && g->errand != PG_ERRAND_NONE && now >= g->errand_until)
        r = refuse(g, "the server did not answer in time");
    if (r == 0)
        r = ask_next(g, now);
    if (r == 0)
        r = acknowledge(g, now);
    log_followed(g);
    return r != 0 ? r : sockets(g, more > 0, now);
}

int pg_follow_run(pg_following *g)
{
    int r = 0;
    weir_time now = pg_link_now();
    g->acked = 0;
    g->acked_at = g->look_at = now;
    g->ack_due = true;
    g->logged = false;
    g->alterations = g->core.alterations;
    while (r == 0 && !atomic_load(&g->waker.stop))
        r = turn(g);
    return r != 0 ? r : -EINTR;
}
