/* What SHOW shows beyond the engine's own reports, and how a report is gathered.
 *
 *   home ──► worker 0 ──► worker 1 … ──► home (done)
 *
 * Invariant: one task carries the request, so one thread at a time touches it; each worker adds the
 * rows that only it may read. Whoever asked waits for `done`; nobody withdraws. */
#include "gateway/report.h"
#include "base/utf8.h"
#include "gateway/auth.h"
#include "gateway/internal.h"
#include "gateway/listen.h"
#include "gateway/report_process.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STATEMENT_SHOWN_MAX 1000u

typedef struct report_kind {
    const char *name;
    const weir_report_column *columns;
    unsigned column_count;
    bool every_worker; /* else the first one tells it all */
    void (*fill)(weir_report *r, weir_gateway_worker *at);
} report_kind;

typedef struct report_request {
    weir_task task;
    weir_gateway *gateway;
    weir_loop *home;
    report_kind kind;
    const weir_report_source *source; /* of the engine's; NULL: one of ours */
    unsigned next;                    /* worker to visit */
    weir_report report;
    void (*done)(void *user, const weir_report *report);
    void *user;
} report_request;

/* ---- small parts ---- */

/* As PgBouncer writes it. */
static void add_time(weir_report *r, weir_loop *loop, weir_time at)
{
    char text[40];
    struct tm tm;
    time_t wall = (time_t)((weir_loop_wall_ns(loop) - (weir_loop_now(loop) - at)) / WEIR_SECOND);
    size_t n =
        gmtime_r(&wall, &tm) ? strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm) : 0;
    weir_report_slice(r, weir_slice_make(text, n));
}

/* "127.0.0.1:5432", "[::1]:5432", "unix" or a path, as two cells. */
static void add_address(weir_report *r, const char *address)
{
    const char *colon = address[0] == '/' ? NULL : strrchr(address, ':');
    if (!colon) {
        weir_report_text(r, address);
        weir_report_int(r, 0);
        return;
    }
    weir_slice host = weir_slice_make(address, (size_t)(colon - address));
    if (host.len >= 2 && host.data[0] == '[')
        host = weir_slice_make(address + 1, host.len - 2);
    weir_report_slice(r, host);
    weir_report_int(r, strtol(colon + 1, NULL, 10));
}

static void add_id(weir_report *r, uint64_t id)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)id);
    weir_report_text(r, text);
}

static void add_wait(weir_report *r, weir_time wait)
{
    weir_report_int(r, wait / WEIR_SECOND);
    weir_report_int(r, wait % WEIR_SECOND / WEIR_US);
}

/* ---- clients ---- */

/* The eighteen that CLIENTS and SERVERS share, as PgBouncer has them. */
#define SOCKET_COLUMNS                                                                             \
    {"type", WEIR_REPORT_TEXT}, {"user", WEIR_REPORT_TEXT}, {"database", WEIR_REPORT_TEXT},        \
        {"state", WEIR_REPORT_TEXT}, {"addr", WEIR_REPORT_TEXT}, {"port", WEIR_REPORT_INT},        \
        {"local_addr", WEIR_REPORT_TEXT}, {"local_port", WEIR_REPORT_INT},                         \
        {"connect_time", WEIR_REPORT_TEXT}, {"request_time", WEIR_REPORT_TEXT},                    \
        {"wait", WEIR_REPORT_INT}, {"wait_us", WEIR_REPORT_INT},                                   \
        {"close_needed", WEIR_REPORT_INT}, {"ptr", WEIR_REPORT_TEXT}, {"link", WEIR_REPORT_TEXT},  \
        {"remote_pid", WEIR_REPORT_INT}, {"tls", WEIR_REPORT_TEXT},                                \
    {                                                                                              \
        "application_name", WEIR_REPORT_TEXT                                                       \
    }

static const weir_report_column client_columns[] = {
    SOCKET_COLUMNS,
    {"activity", WEIR_REPORT_TEXT},
    {"pinned", WEIR_REPORT_TEXT},
    {"worker", WEIR_REPORT_INT},
    {"id", WEIR_REPORT_BIGINT},
    {"prepared_statements", WEIR_REPORT_INT},
    {"replication", WEIR_REPORT_TEXT},
    {"pool_mode", WEIR_REPORT_TEXT},
    {"pinned_since", WEIR_REPORT_TEXT},
    {"held_seconds", WEIR_REPORT_REAL},
    {"statement", WEIR_REPORT_TEXT},
};

static const char *activity(const weir_client *c)
{
    if (c->state != WEIR_CLIENT_ACTIVE)
        return c->state == WEIR_CLIENT_CLOSING ? "leaving" : "login";
    if (c->console)
        return "admin";
    if (c->session.waiter.shard)
        return "waiting";
    return weir_client_at_rest(c) ? "idle" : "active";
}

/* How long a connection is lent, which is also how long its borrower holds it. */
static void add_held(weir_report *r, const weir_conn *conn, weir_loop *loop)
{
    if (conn && conn->pooled.state == WEIR_POOL_CONN_LENT)
        weir_report_seconds(r, (uint64_t)(weir_loop_now(loop) - conn->pooled.state_since));
    else
        weir_report_null(r);
}

/* The template of the newest statement, without anybody's data; shortened. */
static void add_statement(weir_report *r, const weir_client *c)
{
    weir_slice text = c ? weir_client_statement_text(c) : weir_slice_make("", 0);
    weir_report_slice(r, weir_utf8_head(text, STATEMENT_SHOWN_MAX));
}

/* What newer PgBouncers show besides, then ours. */
static void fill_client_more(weir_report *r, const weir_client *c)
{
    weir_loop *loop = c->worker->loop;
    bool open = weir_session_is_open(&c->session);
    weir_report_int(r, c->id);
    weir_report_int(r, c->relays ? (int64_t)c->relay.named.len : 0);
    weir_report_text(r, "none");
    weir_report_text(r, open ? weir_lending_name(c->session.lending) : "");
    if (c->session.pinned)
        add_time(r, loop, c->session.pinned_since);
    else
        weir_report_null(r);
    add_held(r, c->session.conn, loop);
    add_statement(r, c);
}

/* The cells that CLIENTS and SOCKETS share. */
static void fill_client_socket(weir_report *r, const weir_client *c)
{
    char tls[80];
    weir_loop *loop = c->worker->loop;
    weir_slice name;
    bool waits = c->session.waiter.shard != NULL;
    weir_time asked = c->relay.sent ? c->relay.first.started : c->since;
    weir_report_text(r, "C");
    weir_report_text(r, c->user ? c->user : "");
    weir_report_text(r, c->database ? c->database : "");
    weir_report_text(r, waits ? "waiting" : "active");
    add_address(r, c->closed ? "" : weir_stream_peer(c->stream));
    weir_report_text(r, "");
    weir_report_int(r, 0);
    add_time(r, loop, c->since);
    add_time(r, loop, waits ? c->session.waiter.since : asked);
    add_wait(r, waits ? weir_loop_now(loop) - c->session.waiter.since : 0);
    weir_report_int(r, c->state == WEIR_CLIENT_CLOSING);
    add_id(r, c->id);
    if (c->session.conn)
        add_id(r, c->session.conn->id);
    else
        weir_report_text(r, "");
    weir_report_int(r, 0);
    weir_tls_describe(c->closed ? NULL : weir_stream_tls(c->stream), tls, sizeof(tls));
    weir_report_text(r, tls);
    if (!weir_pg_param_find(weir_slice_make(c->params, c->params_len), "application_name", &name))
        name = weir_slice_make("", 0);
    weir_report_slice(r, name);
}

static void fill_client(weir_report *r, const weir_client *c)
{
    fill_client_socket(r, c);
    weir_report_text(r, activity(c));
    weir_report_text(r, c->session.pinned ? weir_effect_name(c->session.pinned) : "");
    weir_report_int(r, c->worker->index);
    fill_client_more(r, c);
}

static void fill_clients(weir_report *r, weir_gateway_worker *at)
{
    for (weir_list *n = at->clients.next; n != &at->clients; n = n->next) {
        const weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        if (c->state != WEIR_CLIENT_CANCEL)
            fill_client(r, c);
    }
}

/* ---- servers ---- */

static const weir_report_column server_columns[] = {
    SOCKET_COLUMNS,
    {"backend", WEIR_REPORT_TEXT},
    {"uses", WEIR_REPORT_BIGINT},
    {"pinned", WEIR_REPORT_INT},
    {"worker", WEIR_REPORT_INT},
    {"id", WEIR_REPORT_BIGINT},
    {"held_seconds", WEIR_REPORT_REAL},
    {"statement", WEIR_REPORT_TEXT},
};

typedef struct server_visit {
    weir_report *report;
    weir_gateway_worker *at;
    const weir_pools *pools;
} server_visit;

static const char *server_state(const weir_conn *conn)
{
    switch (conn->pooled.state) {
    case WEIR_POOL_CONN_OPENING:
        return "login";
    case WEIR_POOL_CONN_VALIDATING:
        return "tested";
    case WEIR_POOL_CONN_LENT:
        return "active";
    case WEIR_POOL_CONN_IDLE:
    case WEIR_POOL_CONN_MOVING:
        return "idle";
    case WEIR_POOL_CONN_CLOSING:
        break;
    }
    return "closing";
}

/* Who holds it, where it is a relaying client. */
static void add_borrower(weir_report *r, const weir_conn *conn)
{
    const weir_client *c = weir_client_of_sink(conn->sink);
    if (c)
        add_id(r, c->id);
    else
        weir_report_text(r, "");
}

static void fill_server_socket(const server_visit *v, const weir_conn *conn)
{
    weir_report *r = v->report;
    const weir_database *d = weir_pools_database(v->pools);
    const char *address = NULL;
    uint32_t pid = 0;
    char tls[80] = "";
    if (conn->ops->describe)
        conn->ops->describe(conn, &address, &pid);
    if (conn->ops->secured)
        conn->ops->secured(conn, tls, sizeof(tls));
    weir_report_text(r, "S");
    weir_report_text(r, weir_pools_user(v->pools));
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, server_state(conn));
    add_address(r, address ? address : "");
    weir_report_text(r, "");
    weir_report_int(r, 0);
    add_time(r, v->at->loop, conn->pooled.opened_at);
    add_time(r, v->at->loop, conn->pooled.state_since);
    add_wait(r, 0);
    weir_report_int(r, conn->pooled.state == WEIR_POOL_CONN_CLOSING ||
                           weir_pool_is_outdated(weir_pools_pool(v->pools), &conn->pooled));
    add_id(r, conn->id);
    add_borrower(r, conn);
    weir_report_int(r, pid);
    weir_report_text(r, tls);
    weir_report_text(r, "");
}

static void fill_server(void *user, weir_conn *conn)
{
    const server_visit *v = user;
    weir_report *r = v->report;
    fill_server_socket(v, conn);
    weir_report_text(r, conn->backend->ops->name);
    weir_report_int(r, (int64_t)conn->pooled.uses);
    weir_report_int(r, conn->pooled.pinned);
    weir_report_int(r, v->at->index);
    weir_report_int(r, (int64_t)conn->id);
    add_held(r, conn, v->at->loop);
    add_statement(r, weir_client_of_sink(conn->sink));
}

static void each_server(weir_report *r, weir_gateway_worker *at,
                        void (*visit)(void *user, weir_conn *conn))
{
    weir_engine *e = at->gateway->engine;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++)
        for (weir_pools *p = weir_database_pools(weir_engine_database_at(e, i)); p;
             p = weir_pools_next(p)) {
            server_visit v = {.report = r, .at = at, .pools = p};
            weir_worker_each_conn(at->engine, p, visit, &v);
        }
}

static void fill_servers(weir_report *r, weir_gateway_worker *at)
{
    each_server(r, at, fill_server);
}

/* ---- sockets ---- */

static const weir_report_column socket_columns[] = {
    SOCKET_COLUMNS,
    {"recv_pos", WEIR_REPORT_INT},
    {"pkt_pos", WEIR_REPORT_INT},
    {"pkt_remain", WEIR_REPORT_INT},
    {"send_pos", WEIR_REPORT_INT},
    {"send_remain", WEIR_REPORT_INT},
    {"pkt_avail", WEIR_REPORT_INT},
    {"send_avail", WEIR_REPORT_INT},
    {"worker", WEIR_REPORT_INT},
};

/* Bytes wait in our buffers only to be sent, and from their beginning. */
static void fill_socket_end(weir_report *r, size_t unsent, unsigned worker)
{
    for (int i = 0; i < 4; i++)
        weir_report_int(r, 0);
    weir_report_int(r, (int64_t)unsent);
    weir_report_int(r, 0);
    weir_report_int(r, (int64_t)unsent);
    weir_report_int(r, worker);
}

static void fill_socket_of_server(void *user, weir_conn *conn)
{
    const server_visit *v = user;
    fill_server_socket(v, conn);
    fill_socket_end(v->report, conn->ops->unsent ? conn->ops->unsent(conn) : 0, v->at->index);
}

static void fill_sockets(weir_report *r, weir_gateway_worker *at)
{
    for (weir_list *n = at->clients.next; n != &at->clients; n = n->next) {
        const weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        if (c->state == WEIR_CLIENT_CANCEL)
            continue;
        fill_client_socket(r, c);
        fill_socket_end(r, c->closed ? 0 : weir_stream_queued(c->stream), at->index);
    }
    each_server(r, at, fill_socket_of_server);
}

/* ---- lists ---- */

static const weir_report_column list_columns[] = {{"list", WEIR_REPORT_TEXT},
                                                  {"items", WEIR_REPORT_INT}};

static void add_item(weir_report *r, const char *name, uint64_t items)
{
    weir_report_text(r, name);
    weir_report_int(r, (int64_t)items);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void fill_lists(weir_report *r, weir_gateway_worker *at)
{
    const weir_gateway *g = at->gateway;
    weir_engine *e = g->engine;
    uint64_t pools = 0, idle = 0, used = 0, sessions = 0;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++) {
        weir_database_totals sum;
        weir_database_sum(e, weir_engine_database_at(e, i), weir_loop_now(at->loop), &sum);
        pools += sum.pools;
        idle += sum.idle;
        used += sum.lent + sum.opening;
        sessions += sum.sessions;
    }
    uint64_t clients = weir_gateway_clients(g), consoles = weir_gateway_consoles(g);
    add_item(r, "databases", weir_engine_database_count(e));
    add_item(r, "users", weir_gateway_config(g)->user_count);
    add_item(r, "pools", pools);
    add_item(r, "free_clients", less(weir_gateway_config(g)->limits.clients, clients));
    add_item(r, "used_clients", clients);
    add_item(r, "login_clients", less(clients, sessions + consoles));
    add_item(r, "free_servers", idle);
    add_item(r, "used_servers", used);
    add_item(r, "dns_names", 0);
    add_item(r, "dns_zones", 0);
    add_item(r, "dns_queries", 0);
    add_item(r, "dns_pending", 0);
    add_item(r, "workers", g->options.workers);
    add_item(r, "statements", weir_template_table_count(weir_engine_templates(e)));
}

/* ---- version, configuration, help ---- */

static const weir_report_column version_columns[] = {{"version", WEIR_REPORT_TEXT}};

static void fill_version(weir_report *r, weir_gateway_worker *at)
{
    (void)at;
    weir_report_text(r, "Weir " WEIR_VERSION);
}

static const weir_report_column config_columns[] = {{"key", WEIR_REPORT_TEXT},
                                                    {"value", WEIR_REPORT_TEXT},
                                                    {"default", WEIR_REPORT_TEXT},
                                                    {"changeable", WEIR_REPORT_TEXT}};

static void fill_key(void *user, const char *key, const char *value, const char *fallback,
                     bool reloadable)
{
    weir_report *r = user;
    weir_report_text(r, key);
    weir_report_text(r, value);
    weir_report_text(r, fallback);
    weir_report_text(r, reloadable ? "yes" : "no");
}

static void fill_config(weir_report *r, weir_gateway_worker *at)
{
    weir_config_each(weir_gateway_config(at->gateway), fill_key, r);
}

static const weir_report_column help_columns[] = {{"command", WEIR_REPORT_TEXT},
                                                  {"does", WEIR_REPORT_TEXT}};

static void fill_help(weir_report *r, weir_gateway_worker *at)
{
    static const char *const lines[][2] = {
        {"SHOW VERSION", "the version of Weir"},
        {"SHOW CONFIG", "every setting, its default, and whether a reload applies it"},
        {"SHOW DATABASES", "the databases and the sizes of their pools"},
        {"SHOW POOLS", "each pool: clients, server connections, waiting"},
        {"SHOW CLIENTS", "each client connection"},
        {"SHOW SERVERS", "each server connection"},
        {"SHOW STATS", "each database: transactions, statements, bytes, times (microseconds)"},
        {"SHOW STATS_TOTALS", "its totals alone"},
        {"SHOW STATS_AVERAGES", "its averages alone"},
        {"SHOW STATEMENTS", "each statement template: calls, errors, rows, times (seconds)"},
        {"SHOW CACHE", "the cache: its figures, then each database's"},
        {"SHOW CACHE_MISSES", "why statements were not answered from the cache"},
        {"SHOW CACHE_STRATEGIES", "answers given stale, and reads in the background"},
        {"SHOW CACHE_ENTRIES", "the largest answers that are kept"},
        {"SHOW CACHE_TEMPLATES", "each template: what keeping its answers costs and brings"},
        {"SHOW CACHE_RULES", "each rule of cache.rules: hits, misses, bytes, time saved"},
        {"SHOW CATALOG", "what is known of each server, and what may change session state"},
        {"SHOW SQLITE",
         "each SQLite file: its writer's queue, its write-ahead log (seconds, bytes)"},
        {"SHOW LISTENS", "what clients listen to, and how their hub fares"},
        {"SHOW LISTS", "how many there are of what"},
        {"SHOW SOCKETS", "each connection of either side, with the bytes that wait to be sent"},
        {"SHOW DNS_HOSTS", "the names of servers, what they stand for, seconds until asked again"},
        {"SHOW MEM", "memory by owner, of memory.max, and of the heap"},
        {"SHOW USERS", "the users that are configured, their limits and what they use"},
        {"SHOW HBA", "the rules of who may connect, in order"},
        {"EXPLAIN CACHE [ON db] statement",
         "what an answer of it would depend on, or why none is kept"},
        {"FLUSH CACHE", "forgets every answer"},
        {"FLUSH CACHE TAG t", "forgets the answers of a tag that a rule or a hint gave them"},
        {"FLUSH CACHE PREFIX p", "forgets the answers whose tags begin so"},
        {"FLUSH CACHE TABLE t", "forgets the answers that depend on a table, in all databases"},
        {"PAUSE [db]", "lends no more server connections; returns when none is in use"},
        {"RESUME [db]", "lends again"},
        {"RELOAD", "reads the configuration again; the log says what needs a restart"},
        {"RESTART", "a new process of the newest binary and configuration takes the clients over"},
        {"DRAIN db", "refuses new work on it, returns when its transactions have ended; RESUME"},
        {"RECONNECT [db]", "replaces server connections as they become idle"},
        {"WAIT_CLOSE [db]", "returns when all from before the last RECONNECT are replaced"},
        {"DISABLE db, ENABLE db", "refuses new clients of it, or takes them again"},
        {"KILL db", "ends its clients at once and pauses it"},
        {"KILL_CLIENT id", "ends a client, by `id` of SHOW CLIENTS"},
        {"DRAIN", "takes no new clients, lets transactions end, then exits"},
        {"SHUTDOWN", "the same as DRAIN; said twice: at once"},
    };
    (void)at;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        weir_report_text(r, lines[i][0]);
        weir_report_text(r, lines[i][1]);
    }
}

/* ---- which there are ---- */

#define KIND(name, columns, every, fill)                                                           \
    {                                                                                              \
        name, columns, sizeof(columns) / sizeof(*(columns)), every, fill                           \
    }

static const report_kind kinds[] = {
    KIND("version", version_columns, false, fill_version),
    KIND("config", config_columns, false, fill_config),
    KIND("clients", client_columns, true, fill_clients),
    KIND("servers", server_columns, true, fill_servers),
    KIND("sockets", socket_columns, true, fill_sockets),
    KIND("active_sockets", socket_columns, true, fill_sockets),
    KIND("dns_hosts", weir_dns_hosts_columns, false, weir_report_fill_dns_hosts),
    KIND("mem", weir_mem_columns, false, weir_report_fill_mem),
    KIND("lists", list_columns, false, fill_lists),
    KIND("users", weir_users_columns, false, weir_report_fill_users),
    KIND("hba", weir_hba_columns, false, weir_report_fill_hba),
    KIND("listens", weir_listens_columns, true, weir_report_fill_listens),
    KIND("help", help_columns, false, fill_help),
};

const char *weir_gateway_report_names(void)
{
    return "VERSION, CONFIG, DATABASES, POOLS, CLIENTS, SERVERS, STATS, STATS_TOTALS, "
           "STATS_AVERAGES, STATEMENTS, CACHE, "
           "CACHE_MISSES, CACHE_STRATEGIES, CACHE_ENTRIES, CACHE_TEMPLATES, CACHE_RULES, CATALOG, "
           "SQLITE, LISTENS, LISTS, SOCKETS, "
           "DNS_HOSTS, MEM, USERS, HBA, HELP";
}

/* An own report, or one of the engine's; false when there is none of this name. */
static bool find(weir_slice name, report_kind *ret, const weir_report_source **ret_source)
{
    *ret_source = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (weir_slice_eq_nocase(name, kinds[i].name)) {
            *ret = kinds[i];
            return true;
        }
    for (const weir_report_source *const *all = weir_engine_reports; *all; all++) {
        const weir_report_source *s = *all;
        if (weir_slice_eq_nocase(name, s->name)) {
            *ret = (report_kind){
                .name = s->name, .columns = s->columns, .column_count = s->column_count};
            *ret_source = s;
            return true;
        }
    }
    return false;
}

bool weir_gateway_report_find(weir_slice name, const weir_report_column **ret_columns,
                              unsigned *ret_count)
{
    report_kind kind;
    const weir_report_source *source;
    if (!find(name, &kind, &source))
        return false;
    *ret_columns = kind.columns;
    *ret_count = kind.column_count;
    return true;
}

/* ---- gathering ---- */

static void come_home(weir_task *task, weir_loop *loop)
{
    (void)loop;
    report_request *q = WEIR_CONTAINER_OF(task, report_request, task);
    q->done(q->user, &q->report);
    weir_report_fini(&q->report);
    free(q);
}

static void visit(weir_task *task, weir_loop *loop)
{
    (void)loop;
    report_request *q = WEIR_CONTAINER_OF(task, report_request, task);
    weir_gateway *g = q->gateway;
    weir_gateway_worker *at = &g->workers[q->next++];
    if (q->source)
        q->source->fill(&q->report, g->engine, at->engine);
    else
        q->kind.fill(&q->report, at);
    bool more = q->kind.every_worker && q->next < g->options.workers && q->report.error == 0;
    q->task.run = more ? visit : come_home;
    weir_loop_post(more ? g->workers[q->next].loop : q->home, &q->task);
}

int weir_gateway_report(weir_gateway *gateway, weir_loop *home, weir_slice name,
                        void (*done)(void *user, const weir_report *report), void *user)
{
    report_kind kind;
    const weir_report_source *source;
    if (!find(name, &kind, &source))
        return -ENOENT;
    report_request *q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    *q = (report_request){.gateway = gateway,
                          .home = home,
                          .kind = kind,
                          .source = source,
                          .done = done,
                          .user = user};
    weir_report_init(&q->report, kind.columns, kind.column_count, WEIR_REPORT_SIZE_MAX);
    q->task.run = visit;
    weir_loop_post(gateway->workers[0].loop, &q->task);
    return 0;
}
