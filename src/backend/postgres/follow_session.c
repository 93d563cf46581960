/* How following begins: both connections to the primary, what stands in the way in words, and the
 * transaction id that was given out after the slot (follow_core.h: the barrier). */
#include "backend/postgres/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_TIME (30 * WEIR_SECOND)
#define APPLICATION "weir follower"
#define OLDEST 140000 /* pgoutput has logical messages since 14 */
#define PAIRS_MAX 24u

/* Changes of the publication and of inheritance: two transactions cannot leave a row the same xmin
 * and ctid. */
#define MARKS                                                                                      \
    "(SELECT md5(concat((SELECT string_agg(concat(p.oid, ':', p.xmin, p.ctid), ',') FROM"          \
    " pg_publication p WHERE pubname = '" PG_FOLLOW_PUBLICATION "'), '/', (SELECT"                 \
    " string_agg(concat(prrelid, ':', r.xmin, r.ctid), ',' ORDER BY r.oid) FROM"                   \
    " pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid WHERE pubname = "              \
    "'" PG_FOLLOW_PUBLICATION "')))),"                                                             \
    " (SELECT md5(string_agg(concat(inhrelid, ':', inhparent, ':', xmin, ctid), ','"               \
    " ORDER BY inhrelid, inhparent)) FROM pg_inherits)"

/* What roles may do, whose members they are and what their sessions begin with: no event trigger
 * and no stream tells of it. */
#define RIGHTS                                                                                     \
    "(SELECT md5(concat((SELECT string_agg(concat_ws(':', oid, rolname, rolsuper, rolbypassrls,"   \
    " rolinherit), ',' ORDER BY oid) FROM pg_roles), '/', (SELECT string_agg(concat(roleid, ':',"  \
    " member, ':', m.xmin, m.ctid), ',' ORDER BY roleid, member, m.ctid) FROM pg_auth_members m)," \
    " '/', (SELECT string_agg(concat(setdatabase, ':', setrole, ':', setconfig::text), ','"        \
    " ORDER BY setdatabase, setrole) FROM pg_db_role_setting))))"

/* And whether commits wait for us, which an acknowledgement that is held back must not cause. */
const char pg_follow_look_query[] =
    "SELECT " MARKS ", (SELECT count(*) FROM pg_stat_replication WHERE usename = current_user"
    " AND application_name = '" APPLICATION "' AND sync_state <> 'async')";

const char pg_follow_rights[] = RIGHTS;

/* Settings of roles and databases may be anything. */
static const char settings[] =
    "SET search_path = pg_catalog; SET synchronous_commit = local; SET statement_timeout = 0;"
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off";

static const char facts[] =
    "SELECT current_setting('server_version_num'), pg_is_in_recovery(),"
    " current_setting('wal_level'), current_setting('max_replication_slots'),"
    " (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),"
    " (SELECT concat(pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot)"
    " FROM pg_publication WHERE pubname = '" PG_FOLLOW_PUBLICATION "'), current_user,"
    " hashtext(concat(extract(epoch FROM pg_postmaster_start_time()), '/',"
    " (SELECT extract(epoch FROM stats_reset) FROM pg_stat_bgwriter))), " MARKS ", " RIGHTS;

enum {
    FACT_VERSION,
    FACT_RECOVERY,
    FACT_WAL_LEVEL,
    FACT_SLOTS,
    FACT_RIGHT,
    FACT_PUBLICATION,
    FACT_USER,
    FACT_RUN, /* another one: the server has begun anew, or lost what was not flushed */
    FACT_MARKS,
    FACT_RIGHTS = FACT_MARKS + 2
};

static int refuse(pg_following *g, const char *words)
{
    pg_link_words(words, g->words);
    return -EIO;
}

/* ---- connecting ---- */

typedef struct pairs {
    const char *names[PAIRS_MAX + 1], *values[PAIRS_MAX + 1];
    size_t count;
    char host[300], port[8];
} pairs;

static void put(pairs *p, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    assert(p->count < PAIRS_MAX);
    p->names[p->count] = name;
    p->values[p->count++] = value;
}

/* "host:port", "[address]:port", "/folder/.s.PGSQL.port" */
static void put_host(pairs *p, const char *text)
{
    bool socket = text[0] == '/';
    const char *end = strrchr(text, socket ? '/' : ':');
    const char *port = end ? (socket ? strrchr(end, '.') : end) : NULL;
    size_t len = end ? (size_t)(end - text) : strlen(text);
    if (text[0] == '[' && len > 1 && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    (void)snprintf(p->host, sizeof(p->host), "%.*s", (int)len, text);
    (void)snprintf(p->port, sizeof(p->port), "%s", port ? port + 1 : "");
    put(p, "host", p->host);
    put(p, "port", p->port);
}

static const char *sslmode(const weir_postgres_options *o)
{
    static const char *const names[] = {
        [WEIR_POSTGRES_DISABLE] = "disable",     [WEIR_POSTGRES_ALLOW] = "allow",
        [WEIR_POSTGRES_PREFER] = "prefer",       [WEIR_POSTGRES_REQUIRE] = "require",
        [WEIR_POSTGRES_VERIFY_CA] = "verify-ca", [WEIR_POSTGRES_VERIFY_FULL] = "verify-full"};
    return names[o->sslmode];
}

static void put_all(pairs *p, const pg_place *place)
{
    const weir_postgres_options *o = &place->options;
    const weir_postgres_following *f = &o->following;
    put(p, "dbname", f->dbname ? f->dbname : f->user);
    put(p, "user", f->user);
    put(p, "password", f->password);
    put(p, "sslmode", sslmode(o));
    put(p, "sslrootcert", f->ca);
    put(p, "sslcrl", f->crl);
    put(p, "sslcert", f->cert);
    put(p, "sslkey", f->key);
    put(p, "ssl_min_protocol_version", f->min_version);
    put(p, "sslsni", o->sni ? "1" : "0");
    put(p, "channel_binding", o->must_bind ? "require" : o->binds ? "prefer" : "disable");
    put(p, "target_session_attrs", "primary");
    put(p, "client_encoding", "UTF8");
    put(p, "application_name", APPLICATION);
    put(p, "keepalives_idle", "30");
    put(p, "keepalives_interval", "10");
    put(p, "keepalives_count", "3");
    put(p, "tcp_user_timeout", "30000");
}

static weir_time connect_until(const pg_following *g)
{
    weir_time most = g->place->options.connect_timeout;
    return pg_link_now() + (most > 0 ? most : ASK_TIME);
}

/* The first host that is the primary. */
static int open_control(pg_following *g)
{
    const pg_place *place = g->place;
    int r = -EIO;
    for (unsigned i = 0; i < place->options.host_count && r != 0 && r != -EINTR; i++) {
        pairs p = {.count = 0};
        put_host(&p, place->hosts[i]);
        put_all(&p, place);
        r = pg_link_open(&g->waker, p.names, p.values, connect_until(g), &g->control, g->words);
    }
    return r;
}

/* To the very server of the control connection, whatever its name stands for by now. */
static int open_stream(pg_following *g)
{
    pairs p = {.count = 0};
    put(&p, "host", PQhost(g->control));
    put(&p, "hostaddr", PQhostaddr(g->control));
    put(&p, "port", PQport(g->control));
    put_all(&p, g->place);
    put(&p, "replication", "database");
    put(&p, "options", "-c datestyle=ISO -c intervalstyle=postgres -c statement_timeout=0");
    return pg_link_open(&g->waker, p.names, p.values, connect_until(g), &g->stream, g->words);
}

/* ---- asking ---- */

static int ask(pg_following *g, PGconn *conn, const char *text, weir_time until, PGresult **ret)
{
    return pg_link_ask(&g->waker, conn, text, until, ret, g->words);
}

static int command(pg_following *g, PGconn *conn, const char *text)
{
    PGresult *result;
    int r = ask(g, conn, text, pg_link_now() + ASK_TIME, &result);
    PQclear(result);
    return r;
}

static const char *text_at(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? NULL : PQgetvalue(result, 0, column);
}

static bool is_true(const char *text)
{
    return text && text[0] == 't';
}

void pg_follow_marks(const PGresult *result, int column, char published[static PG_FOLLOW_MARK],
                     char inherited[static PG_FOLLOW_MARK])
{
    const char *first = text_at(result, column), *second = text_at(result, column + 1);
    (void)snprintf(published, PG_FOLLOW_MARK, "%s", first ? first : "");
    (void)snprintf(inherited, PG_FOLLOW_MARK, "%s", second ? second : "");
}

/* What would fail later, in words that say what to do. The right to replicate is judged when it is
 * refused: managed services have other ways to give it. */
static int check(pg_following *g, const PGresult *f)
{
    const char *publication = text_at(f, FACT_PUBLICATION);
    if (atoi(text_at(f, FACT_VERSION)) < OLDEST)
        return refuse(g, "following changes needs PostgreSQL 14 or newer");
    if (is_true(text_at(f, FACT_RECOVERY)))
        return refuse(g, "the server is a standby: changes are followed on the primary");
    if (strcmp(text_at(f, FACT_WAL_LEVEL), "logical") != 0)
        return refuse(g, "wal_level must be logical (ALTER SYSTEM SET wal_level = logical, then "
                         "restart; managed services: rds.logical_replication, "
                         "cloudsql.logical_decoding, azure.replication_support)");
    if (atoi(text_at(f, FACT_SLOTS)) == 0)
        return refuse(g, "max_replication_slots is 0");
    if (!publication)
        return refuse(g, "there is no publication \"" PG_FOLLOW_PUBLICATION
                         "\": run `weir setup` on the database");
    if (strcmp(publication, "ttttf") != 0)
        return refuse(g, "the publication \"" PG_FOLLOW_PUBLICATION
                         "\" does not publish all operations of each table by itself: run "
                         "`weir setup --remove`, then `weir setup`");
    return 0;
}

/* A refusal of the stream, and whether it may be for want of the right. */
static int explain(pg_following *g, const PGresult *f, int r)
{
    size_t len = strlen(g->words);
    if (r == -EIO && !is_true(text_at(f, FACT_RIGHT)) && len + 100 < sizeof(g->words))
        (void)snprintf(g->words + len, sizeof(g->words) - len,
                       " (ALTER ROLE \"%.40s\" REPLICATION lets it follow changes)",
                       text_at(f, FACT_USER) ? text_at(f, FACT_USER) : "");
    return r;
}

/* ---- who it is ---- */

static int identify(pg_following *g, pg_follow_session *s)
{
    PGresult *result;
    int r = ask(g, g->stream, "IDENTIFY_SYSTEM", pg_link_now() + ASK_TIME, &result);
    if (r == 0 && (PQntuples(result) != 1 || PQnfields(result) < 2))
        r = refuse(g, "the server does not say who it is");
    if (r == 0) {
        s->system = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
        s->timeline |= (uint32_t)strtoul(PQgetvalue(result, 0, 1), NULL, 10);
    }
    PQclear(result);
    return r;
}

/* The control connection's server has our slot, and gives out a transaction id. */
static int find_barrier(pg_following *g, pg_follow_session *s)
{
    char text[200];
    PGresult *result;
    (void)snprintf(text, sizeof(text),
                   "SELECT pg_current_xact_id(), count(*) FROM pg_replication_slots WHERE"
                   " slot_name = '%s' AND NOT pg_is_in_recovery()",
                   g->slot);
    int r = ask(g, g->control, text, pg_link_now() + ASK_TIME, &result);
    if (r == 0 && strcmp(PQgetvalue(result, 0, 1), "1") != 0)
        r = refuse(g, "the stream and the control connection are of different servers");
    if (r == 0)
        s->barrier = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return r;
}

static int start_stream(pg_following *g)
{
    char text[300];
    (void)snprintf(text, sizeof(text),
                   "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (proto_version '1',"
                   " publication_names '\"" PG_FOLLOW_PUBLICATION "\"', messages 'true')",
                   g->slot);
    return command(g, g->stream, text);
}

/* ---- all of it ---- */

/* Commits that were seen and not flushed are gone after a crash, and others take their positions
 * (proofs, row 7). The server resets its statistics then, also where only its processes have begun
 * anew. */
static uint64_t run_of(const PGresult *f)
{
    return (uint64_t)(uint32_t)atoi(text_at(f, FACT_RUN)) << 32;
}

static int begin(pg_following *g, const PGresult *f)
{
    pg_follow_session session = {.timeline = run_of(f)};
    int r = check(g, f);
    if (r == 0)
        r = explain(g, f, open_stream(g));
    if (r == 0)
        r = identify(g, &session);
    if (r == 0)
        r = explain(g, f, pg_slot_open(g, &session));
    if (r == 0)
        r = find_barrier(g, &session);
    if (r == 0)
        r = start_stream(g);
    if (r == 0)
        r = pg_slot_started(g, &session);
    if (r != 0)
        return r;
    pg_hold_begin(&g->hold, g->keep_bytes, g->place->options.following.keep_time, session.start,
                  pg_link_now());
    pg_follow_connected(&g->core, &session, pg_link_now());
    atomic_fetch_add_explicit(&g->backend->followed, 1, memory_order_release);
    return 0;
}

int pg_follow_open(pg_following *g)
{
    PGresult *f = NULL;
    if (!g->place->options.following.user)
        return refuse(g, "the DSN names no user: changes are followed as that user");
    int r = open_control(g);
    if (r == 0)
        r = command(g, g->control, settings);
    if (r == 0)
        r = ask(g, g->control, facts, pg_link_now() + ASK_TIME, &f);
    if (r == 0 && PQntuples(f) != 1)
        r = refuse(g, "the server does not say how it is set up");
    if (r == 0) {
        pg_follow_marks(f, FACT_MARKS, g->published, g->inherited);
        if (!*g->rights) /* else the first heartbeat finds what has changed meanwhile */
            (void)snprintf(g->rights, sizeof(g->rights), "%s", PQgetvalue(f, 0, FACT_RIGHTS));
        r = begin(g, f);
    }
    PQclear(f);
    return r;
}

void pg_follow_close(pg_following *g)
{
    PQfreemem(g->held);
    g->held = NULL;
    PQclear(g->answer);
    g->answer = NULL;
    g->errand = PG_ERRAND_NONE;
    PQfinish(g->stream);
    PQfinish(g->control);
    g->stream = g->control = NULL;
}
