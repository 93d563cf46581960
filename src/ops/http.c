/* Admin HTTP over libmicrohttpd, which runs on our loop: its epoll descriptor is watched, its
 * timeout is our timer, and it owns no thread.
 *
 * A request: headers ──► route ──► answered at once
 *                           └──► report wanted: suspended ──done──► resumed, answered
 *
 * Invariants: only GET and HEAD, so nothing here changes state; a suspended connection is named by
 * exactly one report under way, and stop waits for all of them. */
#include "engine/replica.h"
#include "ops/json.h"
#include "ops/listen.h"
#include "ops/ops.h"
#include "ops/page.h"
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64u
#define IDLE_S 30u
#define BODY_SIZE_MAX (64u * 1024 * 1024)

struct weir_ops {
    weir_loop *loop;
    weir_ops_host host;
    const char *token; /* the configuration's; NULL: none */
    ops_socket socket;
    struct MHD_Daemon *daemon;
    weir_watch *watch;
    weir_watch *door; /* of the listening socket; NULL: another process accepts */
    weir_timer timer;
    unsigned pending; /* reports under way */
    bool stopping;
};

/* One request, from its headers to its answer. */
typedef struct request {
    weir_ops *ops;
    struct MHD_Connection *connection;
    bool begun;
    unsigned status; /* of a report's answer; 0: not there yet */
    weir_buf body;
} request;

/* ---- answers ---- */

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type,
                             weir_slice body, enum MHD_ResponseMemoryMode mode)
{
    void *bytes = (void *)(uintptr_t)body.data; /* not written to in any mode */
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, bytes, mode);
    if (!response)
        return MHD_NO;
    const char *const headers[][2] = {
        {"Content-Type", type},
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
         "connect-src 'self'; frame-ancestors 'none'"},
        {status == 401   ? "WWW-Authenticate"
         : status == 405 ? "Allow"
                         : NULL,
         status == 401 ? "Bearer" : "GET, HEAD"}};
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
        if (headers[i][0])
            (void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
    enum MHD_Result r = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return r;
}

#define JSON "application/json"

/* `body` is static. */
static enum MHD_Result say(struct MHD_Connection *c, unsigned status, const char *body)
{
    return reply(c, status, JSON, weir_slice_cstr(body), MHD_RESPMEM_PERSISTENT);
}

/* Hands over the buffer, which is empty afterwards. */
static enum MHD_Result hand_over(struct MHD_Connection *c, unsigned status, const char *type,
                                 weir_buf *body)
{
    enum MHD_Result r = reply(c, status, type, weir_buf_slice(body), MHD_RESPMEM_MUST_COPY);
    weir_buf_fini(body);
    return r;
}

/* ---- who may ask ---- */

/* In time that does not tell how much of it was right. */
static bool same_secret(const char *a, const char *b)
{
    size_t len = strlen(a), other = strlen(b);
    unsigned char differ = len != other;
    for (size_t i = 0; i < other; i++)
        differ |= (unsigned char)(a[i < len ? i : 0] ^ b[i]);
    return differ == 0;
}

static bool has_token(const weir_ops *ops, struct MHD_Connection *c)
{
    const char *given = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    return given && strncasecmp(given, "Bearer ", 7) == 0 && same_secret(ops->token, given + 7);
}

/* On loopback: a page of another site may send a browser's requests here under a name of its own
 * (DNS rebinding). Numeric hosts and localhost cannot be such a name. */
static bool is_rebound(struct MHD_Connection *c)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    if (!host || *host == '[')
        return false;
    size_t len = strcspn(host, ":");
    return strspn(host, "0123456789.") != len &&
           !weir_slice_eq_nocase(weir_slice_make(host, len), "localhost");
}

/* ---- pages ---- */

static enum MHD_Result ready(const weir_ops *ops, struct MHD_Connection *c)
{
    weir_engine *e = ops->host.engine;
    unsigned up = 0, count = weir_engine_database_count(e);
    if (ops->host.draining(ops->host.user))
        return say(c, 503, "{\"ready\":false,\"reason\":\"shutting down\"}\n");
    for (unsigned i = 0; i < count; i++)
        up += !weir_database_primary(weir_engine_database_at(e, i)) &&
              weir_database_up(weir_engine_database_at(e, i));
    if (count > 0 && up == 0)
        return say(c, 503, "{\"ready\":false,\"reason\":\"no database can be reached\"}\n");
    return say(c, 200, "{\"ready\":true}\n");
}

static enum MHD_Result metrics(const weir_ops *ops, struct MHD_Connection *c)
{
    weir_buf out;
    weir_buf_init(&out, BODY_SIZE_MAX);
    if (weir_ops_metrics(&ops->host, weir_loop_now(ops->loop), &out) == 0)
        return hand_over(c, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
    weir_buf_fini(&out);
    return say(c, 500, "{\"error\":\"out of memory\"}\n");
}

static void turn(weir_ops *ops);

static void on_report(void *user, const weir_report *report)
{
    request *q = user;
    weir_ops *ops = q->ops;
    int r = weir_report_error(report);
    if (r == 0)
        r = ops_json_report(report, &q->body);
    q->status = r == 0 ? 200 : 500;
    ops->pending--;
    MHD_resume_connection(q->connection);
    if (ops->stopping)
        weir_loop_stop(ops->loop);
    else
        turn(ops);
}

/* `name` is what follows /api/. */
static enum MHD_Result begin_report(request *q, const char *name)
{
    weir_ops *ops = q->ops;
    size_t len = strlen(name);
    if (len < 5 || strcmp(name + len - 5, ".json") != 0)
        return say(q->connection, 404, "{\"error\":\"not found\",\"hint\":\"/api/NAME.json\"}\n");
    int r =
        ops->host.report(ops->host.user, ops->loop, weir_slice_make(name, len - 5), on_report, q);
    if (r == -ENOENT)
        return say(q->connection, 404,
                   "{\"error\":\"no such report\",\"hint\":\"/api/help.json lists them\"}\n");
    if (r < 0)
        return say(q->connection, 500, "{\"error\":\"out of memory\"}\n");
    ops->pending++;
    MHD_suspend_connection(q->connection);
    return MHD_YES;
}

static enum MHD_Result route(request *q, const char *url)
{
    struct MHD_Connection *c = q->connection;
    if (strcmp(url, "/healthz") == 0)
        return say(c, 200, "{\"alive\":true}\n");
    if (strcmp(url, "/readyz") == 0)
        return ready(q->ops, c);
    if (strcmp(url, "/metrics") == 0)
        return metrics(q->ops, c);
    if (strcmp(url, "/") == 0)
        return reply(c, 200, "text/html; charset=utf-8", weir_slice_make(ops_page, ops_page_size),
                     MHD_RESPMEM_PERSISTENT);
    if (strncmp(url, "/api/", 5) == 0)
        return begin_report(q, url + 5);
    return say(c, 404,
               "{\"error\":\"not found\",\"hint\":\"there are /, /healthz, /readyz, /metrics and "
               "/api/NAME.json\"}\n");
}

static enum MHD_Result answer(request *q, const char *method, const char *url)
{
    struct MHD_Connection *c = q->connection;
    const weir_ops *ops = q->ops;
    if (!ops->socket.loopback && !has_token(ops, c))
        return say(c, 401,
                   "{\"error\":\"a token is required\",\"hint\":\"send Authorization: "
                   "Bearer TOKEN, the configuration's admin.token\"}\n");
    if (ops->socket.loopback && is_rebound(c))
        return say(c, 403,
                   "{\"error\":\"the Host header names neither a numeric address nor "
                   "localhost\"}\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return say(c, 405, "{\"error\":\"only GET and HEAD\"}\n");
    return route(q, url);
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result on_request(void *user, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    (void)version, (void)upload;
    request *q = *state;
    if (!q) { /* the headers are there */
        q = calloc(1, sizeof(*q));
        if (!q)
            return MHD_NO;
        q->ops = user;
        q->connection = c;
        weir_buf_init(&q->body, BODY_SIZE_MAX);
        *state = q;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* a body: dropped */
        *upload_size = 0;
        return MHD_YES;
    }
    if (q->status == 200)
        return hand_over(c, 200, JSON, &q->body);
    if (q->status != 0)
        return say(c, q->status, "{\"error\":\"the report is too large or memory is short\"}\n");
    if (q->begun)
        return MHD_YES;
    q->begun = true;
    return answer(q, method, url);
}

static void on_completed(void *user, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how)
{
    (void)user, (void)c, (void)how;
    request *q = *state;
    *state = NULL;
    if (!q)
        return;
    weir_buf_fini(&q->body);
    free(q);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *user, const char *format,
                                                         va_list args)
{
    char text[256];
    const weir_ops *ops = user;
    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    weir_log_event(ops->host.log, WEIR_LOG_ADMIN, WEIR_LOG_DEBUG, "admin HTTP",
                   WEIR_F_STR("says", text));
}

/* Lets it work, then asks when it wants to be woken. */
static void turn(weir_ops *ops)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    (void)MHD_run(ops->daemon);
    weir_time at = WEIR_TIME_NEVER;
    if (MHD_get_timeout(ops->daemon, &wait_ms) == MHD_YES)
        at = weir_deadline(weir_loop_now(ops->loop), (weir_time)wait_ms * WEIR_MS + 1);
    weir_timer_arm(ops->loop, &ops->timer, at);
}

static void on_ready(weir_watch *watch, bool readable, bool writable)
{
    (void)readable, (void)writable;
    turn(weir_watch_user(watch));
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    turn(WEIR_CONTAINER_OF(timer, weir_ops, timer));
}

/* ---- life ---- */

/* Accepting is ours, so that it can be left to another process for a while. */
static void on_knock(weir_watch *watch, bool readable, bool writable)
{
    (void)readable, (void)writable;
    weir_ops *ops = weir_watch_user(watch);
    struct sockaddr_storage from;
    for (;;) {
        socklen_t len = sizeof(from);
        int fd =
            accept4(ops->socket.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break; /* nobody any more; or out of descriptors, and it is told again */
        (void)MHD_add_connection(ops->daemon, fd, (struct sockaddr *)&from, len);
    }
    turn(ops);
}

static int open_door(weir_ops *ops)
{
    return weir_watch_new(ops->loop, ops->socket.fd, true, false, on_knock, ops, &ops->door);
}

static int start_daemon(weir_ops *ops)
{
    const unsigned flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    ops->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, ops, MHD_OPTION_EXTERNAL_LOGGER, on_log, ops,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, ops, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
    if (!ops->daemon)
        return -EIO;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(ops->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return -EIO;
    int r = weir_watch_new(ops->loop, info->epoll_fd, true, false, on_ready, ops, &ops->watch);
    return r < 0 ? r : open_door(ops);
}

static void ops_free(weir_ops *ops)
{
    weir_watch_free(ops->door);
    weir_watch_free(ops->watch);
    weir_timer_disarm(ops->loop, &ops->timer);
    if (ops->daemon)
        MHD_stop_daemon(ops->daemon);
    if (ops->socket.fd >= 0)
        (void)close(ops->socket.fd);
    free(ops);
}

static int check_token(const weir_ops *ops, weir_error *err)
{
    if (ops->socket.loopback || (ops->token && *ops->token))
        return 0;
    weir_error_set(err, "28000",
                   "weir: admin.listen %s is reachable from other machines and needs "
                   "a token",
                   ops->socket.address);
    weir_error_hint(err, "Set admin.token (or admin.token_file, admin.token_env), or listen on "
                         "127.0.0.1.");
    return -EACCES;
}

int weir_ops_start(weir_loop *loop, const weir_config *config, const weir_ops_host *host,
                   weir_ops **ret, weir_error *err)
{
    weir_ops *ops = calloc(1, sizeof(*ops));
    if (!ops) {
        weir_error_set(err, "53200", "weir: out of memory");
        return -ENOMEM;
    }
    ops->loop = loop;
    ops->host = *host;
    ops->token = config->admin_token;
    ops->socket.fd = -1;
    weir_timer_init(&ops->timer, on_timer);
    int r = host->listen_fd ? ops_listen_inherit(host->listen_fd, &ops->socket, err)
                            : ops_listen(config->admin, &ops->socket, err);
    if (r < 0) {
        free(ops);
        return r;
    }
    r = check_token(ops, err);
    if (r == 0) {
        r = start_daemon(ops);
        if (r < 0)
            weir_error_set(err, "58000", "weir: cannot start admin HTTP: %s", strerror(-r));
    }
    if (r < 0) {
        ops_free(ops);
        return r;
    }
    turn(ops);
    *ret = ops;
    return 0;
}

const char *weir_ops_address(const weir_ops *ops)
{
    return ops->socket.address;
}

int weir_ops_share(const weir_ops *ops, int *ret_fd)
{
    int fd = fcntl(ops->socket.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

void weir_ops_pause(weir_ops *ops, bool paused)
{
    if (paused) {
        weir_watch_free(ops->door);
        ops->door = NULL;
    } else if (!ops->door && open_door(ops) < 0) {
        weir_log_event(ops->host.log, WEIR_LOG_ADMIN, WEIR_LOG_ERROR,
                       "out of memory: admin HTTP listens no more");
    }
}

void weir_ops_stop(weir_ops *ops)
{
    if (!ops)
        return;
    ops->stopping = true;
    weir_watch_free(ops->door);
    ops->door = NULL;
    weir_watch_free(ops->watch); /* no new requests */
    ops->watch = NULL;
    weir_timer_disarm(ops->loop, &ops->timer);
    while (ops->pending > 0)
        weir_loop_run(ops->loop);
    ops_free(ops);
}
