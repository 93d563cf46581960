/* Asks a PostgreSQL server what the functions and relations that a statement names may do to its
 * session. A command of its own may block, so libpq does the talking. */
#include "cli/server.h"
#include "sql/schema_rows.h"
#include <stdio.h>
#include <stdlib.h>

#define QUERY_MAX 65536u
#define HOSTS_SIZE 2048u
#define COLUMNS_MAX 16
#define SCHEMA_SIZE_MAX ((size_t)1 << 30)

static const char *ssl_mode(unsigned mode)
{
    static const char *const names[] = {[WEIR_CONFIG_SSLMODE_DISABLE] = "disable",
                                        [WEIR_CONFIG_SSLMODE_ALLOW] = "allow",
                                        [WEIR_CONFIG_SSLMODE_PREFER] = "prefer",
                                        [WEIR_CONFIG_SSLMODE_REQUIRE] = "require",
                                        [WEIR_CONFIG_SSLMODE_VERIFY_CA] = "verify-ca",
                                        [WEIR_CONFIG_SSLMODE_VERIFY_FULL] = "verify-full"};
    return mode < sizeof(names) / sizeof(*names) ? names[mode] : NULL;
}

static const char *channel_binding(unsigned binding)
{
    static const char *const names[] = {[WEIR_CONFIG_BINDING_DISABLE] = "disable",
                                        [WEIR_CONFIG_BINDING_PREFER] = "prefer",
                                        [WEIR_CONFIG_BINDING_REQUIRE] = "require"};
    return binding < sizeof(names) / sizeof(*names) ? names[binding] : NULL;
}

/* libpq takes parallel lists. */
static void put_hosts(const weir_config_database *db, char *hosts, char *ports)
{
    size_t h = 0, p = 0;
    hosts[0] = ports[0] = '\0';
    for (unsigned i = 0; i < db->host_count && h < HOSTS_SIZE && p < HOSTS_SIZE; i++) {
        h += (size_t)snprintf(hosts + h, HOSTS_SIZE - h, "%s%s", i ? "," : "", db->hosts[i].host);
        p += (size_t)snprintf(ports + p, HOSTS_SIZE - p, "%s%u", i ? "," : "", db->hosts[i].port);
    }
}

PGconn *cli_connect(const weir_config_database *db, const char *application)
{
    char hosts[HOSTS_SIZE], ports[HOSTS_SIZE];
    put_hosts(db, hosts, ports);
    const char *pairs[][2] = {{"host", hosts},
                              {"port", ports},
                              {"dbname", db->dbname},
                              {"user", db->user},
                              {"password", db->password},
                              {"sslmode", ssl_mode(db->tls.mode)},
                              {"sslrootcert", db->tls.ca},
                              {"sslcert", db->tls.cert},
                              {"sslkey", db->tls.key},
                              {"channel_binding", channel_binding(db->tls.binding)},
                              {"connect_timeout", "10"},
                              {"application_name", application}};
    const char *names[sizeof(pairs) / sizeof(*pairs) + 1] = {NULL};
    const char *values[sizeof(pairs) / sizeof(*pairs) + 1] = {NULL};
    for (size_t i = 0, n = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        if (!pairs[i][1] || !*pairs[i][1])
            continue;
        names[n] = pairs[i][0];
        values[n++] = pairs[i][1];
    }
    return PQconnectdbParams(names, values, 0);
}

typedef struct builders {
    weir_server_builder *server;
    weir_schema_builder *schema;
} builders;

static int feed(const builders *b, const PGresult *result)
{
    int r = 0, columns = PQnfields(result);
    for (int row = 0; r == 0 && columns <= COLUMNS_MAX && row < PQntuples(result); row++) {
        weir_slice values[COLUMNS_MAX] = {{NULL, 0}};
        for (int i = 0; i < columns; i++)
            if (!PQgetisnull(result, row, i))
                values[i] = weir_slice_make(PQgetvalue(result, row, i),
                                            (size_t)PQgetlength(result, row, i));
        r = weir_server_row(b->server, values, (unsigned)columns);
        if (r == 0)
            r = weir_schema_row(b->schema, values, (unsigned)columns);
    }
    return r;
}

/* Runs the query; 0, -ENOMEM, or -EIO: PQerrorMessage says why. */
static int ask(PGconn *conn, const char *query, const builders *b)
{
    int r = PQsendQuery(conn, query) ? 0 : -EIO;
    for (PGresult *result; r != -EIO && (result = PQgetResult(conn)); PQclear(result)) {
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR)
            r = -EIO;
        else if (status == PGRES_TUPLES_OK && r == 0)
            r = feed(b, result);
        if (r == -EIO) {
            PQclear(result);
            break;
        }
    }
    return r;
}

static int finish(const builders *b, cli_server *ret)
{
    int r = weir_server_finish(b->server, 1, NULL, &ret->catalog);
    if (r < 0)
        return r;
    weir_schema_set_server(b->schema, ret->catalog);
    return weir_schema_finish(b->schema, NULL, &ret->schema);
}

/* Before the questions, which have a search_path of their own. */
static int load_session(PGconn *conn, cli_server *ret)
{
    PGresult *result = PQexec(conn, "SELECT current_setting('search_path'), current_user");
    int r = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 ? 0 : -EIO;
    if (r == 0) {
        ret->search_path = strdup(PQgetvalue(result, 0, 0));
        ret->role = strdup(PQgetvalue(result, 0, 1));
        r = ret->search_path && ret->role ? 0 : -ENOMEM;
    }
    PQclear(result);
    return r;
}

static int load(PGconn *conn, cli_server *ret)
{
    builders b = {NULL, NULL};
    weir_buf query;
    weir_buf_init(&query, QUERY_MAX);
    int r = load_session(conn, ret);
    if (r == 0)
        r = weir_server_query(&query);
    if (r == 0)
        r = weir_buf_append(&query, weir_schema_query());
    if (r == 0)
        r = weir_buf_append_u8(&query, 0);
    if (r == 0)
        r = weir_server_builder_new(&weir_server_bounds_usual, &b.server);
    if (r == 0)
        r = weir_schema_builder_new(SCHEMA_SIZE_MAX, &b.schema);
    if (r == 0)
        r = ask(conn, (const char *)query.data, &b);
    if (r == 0)
        r = finish(&b, ret);
    weir_server_builder_free(b.server);
    weir_schema_builder_free(b.schema);
    weir_buf_fini(&query);
    return r;
}

static bool is_named(const weir_mentions *m, const weir_server_suspect *s, bool written)
{
    uint64_t name = weir_server_name(s->name);
    if (s->kind == WEIR_SERVER_WRITE && !written)
        return false;
    for (uint32_t i = 0; i < m->count; i++)
        if ((m->names[i] & ~(uint64_t)15) == name &&
            (s->kind != WEIR_SERVER_FUNCTION || (m->names[i] & WEIR_MENTION_FOLLOWED)))
            return true;
    return false;
}

static int put_suspects(const weir_server_catalog *c, const weir_mentions *m, bool written,
                        weir_buf *out)
{
    weir_server_totals t;
    int r = 0;
    weir_server_total(c, &t);
    for (uint32_t i = 0; i < t.suspects && r == 0; i++) {
        const weir_server_suspect *s = weir_server_suspect_at(c, i);
        if (is_named(m, s, written))
            r = weir_buf_printf(out, "through     %s %.*s.%.*s (%s): %s\n",
                                s->kind == WEIR_SERVER_FUNCTION ? "function" : "relation",
                                (int)s->schema.len, (const char *)s->schema.data, (int)s->name.len,
                                (const char *)s->name.data, weir_effect_name(s->effects), s->why);
    }
    return r;
}

int cli_server_explain(const cli_server *server, const weir_lexed *lexed, weir_kind kind,
                       unsigned *ret_effects, weir_buf *out)
{
    const weir_server_catalog *c = server->catalog;
    uint64_t names[WEIR_MENTIONS_MAX];
    weir_mentions m = {.names = names};
    m.count = weir_mentions_collect(weir_buf_slice(&lexed->text), names, &m.over);
    m.over = m.over || lexed->over_caps;
    *ret_effects = weir_mentions_effects(&m, kind, c, false);
    if (!weir_server_is_whole(c)) {
        int r =
            weir_buf_printf(out, "server      not known as a whole: %s\n", weir_server_partial(c));
        if (r < 0)
            return r;
    }
    return put_suspects(c, &m, kind != WEIR_KIND_READ, out);
}

int cli_server_load(const weir_config_database *db, cli_server *ret, weir_buf *out)
{
    PGconn *conn = cli_connect(db, "weir explain");
    *ret = (cli_server){.catalog = NULL};
    int r = PQstatus(conn) == CONNECTION_OK ? load(conn, ret) : -EIO;
    if (r == -EIO) {
        const char *words = PQerrorMessage(conn);
        r = weir_buf_printf(out, "server      not asked: %.*s\n", (int)strcspn(words, "\n"), words);
    }
    PQfinish(conn);
    if (r < 0)
        cli_server_fini(ret);
    return r;
}

void cli_server_fini(cli_server *server)
{
    weir_server_catalog_free(server->catalog);
    weir_schema_free(server->schema);
    free(server->search_path);
    free(server->role);
    *server = (cli_server){.catalog = NULL};
}
