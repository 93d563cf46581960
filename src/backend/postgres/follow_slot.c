/* The slot that a session streams from: a temporary one that is gone with its connection, or, with
 * cache.persist slot, one that is kept, so that the next process knows of all that was committed
 * since its position (decision 0010).
 *
 * Invariant: a kept slot is gone on with only if nothing can have changed that its stream does not
 * tell of. Its name says under which publication, partitions and event triggers it was made; under
 * others a new one is made and the old one dropped. It is never kept where the server would keep
 * its log for it without end. */
#include "backend/postgres/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_TIME (30 * WEIR_SECOND)
#define BUSY_TRIES 5u
#define KEEP_PREFIX "weir_keep_"
#define MIB_BYTES ((uint64_t)1 << 20)

/* Ours by name, and no temporary ones. */
#define IS_OURS                                                                                    \
    "slot_name ~ '^" KEEP_PREFIX "%s_[0-9a-f]{8}$' AND slot_type = 'logical' AND NOT temporary"    \
    " AND database = current_database()"

static const char look_format[] =
    "WITH t AS (SELECT count(*) AS n, md5(string_agg(concat(e.oid, ':', e.xmin, e.ctid, '/',"
    " p.oid, ':', p.xmin, p.ctid), ',' ORDER BY e.oid)) AS mark FROM pg_event_trigger e"
    " JOIN pg_proc p ON p.oid = evtfoid"
    " WHERE evtname IN ('weir_ddl', 'weir_drop') AND evtenabled = 'A'),"
    " w AS (SELECT concat('" KEEP_PREFIX "%s_', left(md5(concat(t.mark, '/%s/%s/', d.oid)), 8))"
    " AS name FROM t, pg_database d WHERE datname = current_database()),"
    " s AS (SELECT * FROM pg_replication_slots WHERE " IS_OURS ")"
    " SELECT w.name, (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),"
    " (SELECT n FROM t), (SELECT count(*) FROM s WHERE active),"
    " (SELECT count(*) FROM s WHERE s.slot_name = w.name AND wal_status <> 'lost'),"
    " (SELECT count(*) FROM s WHERE s.slot_name = w.name),"
    " (SELECT count(*) FROM s), (SELECT count(*) FROM pg_replication_slots o WHERE o.slot_name ="
    " w.name AND o.slot_name NOT IN (SELECT s.slot_name FROM s)) FROM w";

enum {
    LOOK_NAME,
    LOOK_LIMIT,
    LOOK_TRIGGERS,
    LOOK_BUSY,   /* of ours, whatever they were made under */
    LOOK_USABLE, /* the one that is wanted, */
    LOOK_THERE,  /* … also if it was lost */
    LOOK_OURS,
    LOOK_TAKEN /* by something else */
};

static int refuse(pg_following *g, const char *words)
{
    pg_link_words(words, g->words);
    return -EIO;
}

static int ask(pg_following *g, PGconn *conn, const char *text, weir_time until, PGresult **ret)
{
    return pg_link_ask(&g->waker, conn, text, until, ret, g->words);
}

static int number_at(const PGresult *r, int column)
{
    return PQgetisnull(r, 0, column) ? 0 : atoi(PQgetvalue(r, 0, column));
}

/* ---- what is said ---- */

static void log_slot(const pg_following *g, weir_log_level level, const char *event,
                     const char *reason)
{
    const weir_postgres_options *o = &g->place->options;
    weir_log_event(o->log, WEIR_LOG_POSTGRES, level, event,
                   WEIR_F_STR("server", g->place->hosts[0]),
                   WEIR_F_STR("db", o->following.dbname ? o->following.dbname : ""),
                   WEIR_F_STR("slot", g->slot), WEIR_F_STR("reason", reason));
}

/* ---- choosing ---- */

/* Why it cannot be kept; NULL: it can. */
static const char *objection(const PGresult *f)
{
    if (PQgetisnull(f, 0, LOOK_LIMIT) || atoi(PQgetvalue(f, 0, LOOK_LIMIT)) < 0)
        return "max_slot_wal_keep_size is unlimited: a slot could fill the server's disk while no "
               "Weir runs (ALTER SYSTEM SET max_slot_wal_keep_size = '4GB')";
    if (number_at(f, LOOK_TRIGGERS) != 2)
        return "without the event triggers of `weir setup`, changes of the schema while no Weir "
               "runs would not be seen";
    if (number_at(f, LOOK_TAKEN))
        return "a replication slot of that name is somebody else's";
    return NULL;
}

/* Why nothing from before can be used. */
static const char *loss(const PGresult *f)
{
    if (number_at(f, LOOK_THERE))
        return "the slot was lost: the server kept no more than max_slot_wal_keep_size";
    if (number_at(f, LOOK_OURS))
        return "the publication, partitions or event triggers have changed";
    return "there was no slot on this server";
}

static int look(pg_following *g, PGresult **ret)
{
    char text[2400];
    const char *name = g->place->options.following.keep_name;
    (void)snprintf(text, sizeof(text), look_format, name, g->published, g->inherited, name);
    int r = ask(g, g->control, text, pg_link_now() + ASK_TIME, ret);
    if (r == 0 && (PQntuples(*ret) != 1 || PQnfields(*ret) != LOOK_TAKEN + 1))
        r = refuse(g, "the server does not say which slots there are");
    return r;
}

/* All of ours that nobody uses, but one. */
static int drop_others(pg_following *g, const char *but)
{
    char text[700];
    PGresult *result;
    (void)snprintf(text, sizeof(text),
                   "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots"
                   " WHERE " IS_OURS " AND NOT active AND (slot_name <> '%s' OR wal_status ="
                   " 'lost')",
                   g->place->options.following.keep_name, but);
    int r = ask(g, g->control, text, pg_link_now() + ASK_TIME, &result);
    PQclear(result);
    return r;
}

/* At most half of what the server would keep. */
static uint64_t held_bytes(const pg_following *g, const PGresult *f)
{
    uint64_t most = strtoull(PQgetvalue(f, 0, LOOK_LIMIT), NULL, 10) * MIB_BYTES / 2;
    uint64_t wanted = g->place->options.following.keep_bytes;
    return wanted < most ? wanted : most;
}

static void be_temporary(pg_following *g, const char *why)
{
    (void)snprintf(g->slot, sizeof(g->slot), "weir_%016llx_%llu", (unsigned long long)g->nonce,
                   (unsigned long long)++g->sessions);
    g->keeps = false;
    g->keep_bytes = 0;
    if (why)
        log_slot(g, WEIR_LOG_WARN, "no slot is kept: after a restart the tier starts empty", why);
}

/* Another Weir's, or the one's before this, which the server will notice to be gone. */
static int wait_or_give_up(pg_following *g)
{
    if (g->failures < BUSY_TRIES)
        return refuse(g, "the replication slot is in use, by a Weir from before or by another one "
                         "of this name (cache.persist_name)");
    g->envies = true;
    be_temporary(g, "another connection uses the slot: each Weir needs a cache.persist_name of its "
                    "own");
    return 0;
}

static int choose_kept(pg_following *g, const PGresult *f, bool *ret_made)
{
    (void)snprintf(g->slot, sizeof(g->slot), "%s", PQgetvalue(f, 0, LOOK_NAME));
    *ret_made = number_at(f, LOOK_USABLE) == 0;
    g->keeps = true;
    g->envies = false;
    g->keep_bytes = held_bytes(g, f);
    if (*ret_made)
        log_slot(g, WEIR_LOG_INFO, "the tier starts empty", loss(f));
    return drop_others(g, g->slot);
}

/* `*ret_made`: it is to be made. */
static int choose(pg_following *g, bool *ret_made)
{
    const weir_postgres_following *o = &g->place->options.following;
    PGresult *f = NULL;
    *ret_made = true;
    int r = o->keep_name ? look(g, &f) : 0;
    if (r == 0 && f && o->keep && !objection(f))
        r = number_at(f, LOOK_BUSY) ? wait_or_give_up(g) : choose_kept(g, f, ret_made);
    else if (r == 0) {
        be_temporary(g, f && o->keep ? objection(f) : NULL);
        r = f && number_at(f, LOOK_OURS) ? drop_others(g, "") : 0;
    }
    PQclear(f);
    return r;
}

/* One that was in use may be free by now: after a restart that handed the clients over. */
void pg_slot_look(const pg_following *g, char *out, size_t size)
{
    if (g->envies)
        (void)snprintf(out, size,
                       "%s, (SELECT count(*) FROM pg_replication_slots WHERE active AND " IS_OURS
                       ")",
                       pg_follow_look_query, g->place->options.following.keep_name);
    else
        (void)snprintf(out, size, "%s, 1", pg_follow_look_query);
}

/* ---- the slot ---- */

/* Waits for all transactions that write now. */
static int make(pg_following *g, uint64_t *ret_start)
{
    char text[160];
    PGresult *result;
    (void)snprintf(text, sizeof(text),
                   "CREATE_REPLICATION_SLOT \"%s\" %sLOGICAL pgoutput NOEXPORT_SNAPSHOT", g->slot,
                   g->keeps ? "" : "TEMPORARY ");
    int r = ask(g, g->stream, text, WEIR_TIME_NEVER, &result);
    if (r == 0 && (PQntuples(result) != 1 || PQnfields(result) < 2 ||
                   weir_pg_position_read(weir_slice_cstr(PQgetvalue(result, 0, 1)), ret_start)))
        r = refuse(g, "the server's answer about its replication slot is not understood");
    PQclear(result);
    return r;
}

int pg_slot_open(pg_following *g, pg_follow_session *s)
{
    bool made;
    int r = choose(g, &made);
    if (r == 0 && made)
        r = make(g, &s->start);
    s->kept = g->keeps;
    g->resumed = !made;
    return r;
}

/* Asked while the slot is ours: nobody else can have moved it on in between. */
int pg_slot_started(pg_following *g, pg_follow_session *s)
{
    char text[200];
    PGresult *result;
    if (!g->keeps)
        return 0;
    (void)snprintf(text, sizeof(text),
                   "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '%s'"
                   " AND active_pid = %d",
                   g->slot, PQbackendPID(g->stream));
    int r = ask(g, g->control, text, pg_link_now() + ASK_TIME, &result);
    if (r == 0 && (PQntuples(result) != 1 ||
                   weir_pg_position_read(weir_slice_cstr(PQgetvalue(result, 0, 0)), &s->start)))
        r = refuse(g, "the server does not say where its replication slot is");
    PQclear(result);
    if (r == 0 && g->resumed)
        log_slot(g, WEIR_LOG_INFO, "what was kept before is judged by what the slot has", "");
    return r;
}
