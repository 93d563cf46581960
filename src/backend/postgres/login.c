/* Opening a connection: resolve, connect, log in; the next address, then the next host, when one
 * fails.
 *
 *      RESOLVING ──► CONNECTING ──► LOGIN ──ReadyForQuery──► READY (conn.c)
 *          ▲              └── failed ──┴──► next address ──► CONNECTING
 *          └────────────────────────────── next host         (none left: open_failed)
 */
#include "backend/postgres/internal.h"
#include <stdlib.h>

static void next_address(pg_conn *c);
static void next_host(pg_conn *c);
static const weir_stream_handler login_handler;

static void give_up(pg_conn *c, bool fatal)
{
    weir_backend *b = c->base.backend;
    if (!c->lost.sqlstate[0])
        weir_error_set(&c->lost, "08006", "weir: cannot connect to the database server");
    weir_timer_disarm(c->base.loop, &c->timer);
    b->events->open_failed(b->engine, &c->base, fatal, &c->lost);
    pg_conn_free(c);
}

static void write_startup(pg_conn *c)
{
    weir_buf params, out;
    weir_buf_init(&params, WEIR_PG_STARTUP_SIZE_MAX);
    weir_buf_init(&out, WEIR_PG_STARTUP_SIZE_MAX + 16);
    /* No application_name: a client that gives none finds none, as in front of the server. */
    const char *pairs[] = {"user", c->user, "database", c->database};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(pairs) / sizeof(pairs[0]); i++)
        r = weir_buf_append_cstr(&params, pairs[i]);
    if (r == 0)
        r = weir_pg_write_startup(&out, WEIR_PG_VERSION_3_0, weir_buf_slice(&params));
    if (r == 0)
        weir_stream_write(c->stream, weir_buf_slice(&out));
    else
        weir_stream_close(c->stream, 0);
    weir_buf_fini(&params);
    weir_buf_fini(&out);
}

/* Where the certificate's signature defines no hash, there is nothing to bind to. */
static void bind_to_certificate(pg_conn *c)
{
    const weir_tls_info *tls = weir_stream_tls(c->stream);
    static_assert(sizeof(c->auth.binding) == sizeof(tls->binding), "a digest fits");
    if (!tls || !c->place->options.binds)
        return;
    memcpy(c->auth.binding, tls->binding, tls->binding_len);
    c->auth.binding_len = (uint8_t)tls->binding_len;
}

static void log_in(pg_conn *c)
{
    c->auth = (weir_pg_auth_client){
        .user = weir_slice_cstr(c->user),
        .password = c->login ? weir_slice_cstr(c->login->password) : (weir_slice){0},
        .must_bind = c->place->options.must_bind,
    };
    bind_to_certificate(c);
    if (c->login && c->login->has_keys) {
        c->auth.has_proof = true;
        memcpy(c->auth.proof.client_key, c->login->client_key, WEIR_PG_SCRAM_KEY);
        memcpy(c->auth.proof.server_key, c->login->server_key, WEIR_PG_SCRAM_KEY);
    }
    weir_loop_random(c->base.loop, c->auth.random, sizeof(c->auth.random));
    weir_buf_clear(&c->welcome);
    c->probing = c->standby = c->read_only = false;
    write_startup(c);
}

/* False: words are in c->lost. */
static bool goes_on_with_tls(pg_conn *c, int r)
{
    if (r == 0)
        return true;
    if (r == PG_TLS_NONE)
        weir_error_set(&c->lost, "08006",
                       "weir: the database server at %s does not support TLS, but sslmode "
                       "requires it",
                       c->address_used);
    else
        weir_error_set(&c->lost, "08006", "weir: cannot begin TLS with the server at %s: %s",
                       c->address_used,
                       r == -EPROTO ? "it did not answer as the protocol has it" : strerror(-r));
    c->tls_failed = true;
    weir_stream_close(c->stream, 0);
    return false;
}

/* Once when the connection stands, and again when its TLS does. */
static void on_open(weir_stream *stream)
{
    pg_conn *c = weir_stream_user(stream);
    pg_place *p = c->place;
    const weir_tls_info *tls = weir_stream_tls(stream);
    c->state = PG_LOGIN;
    c->lost.sqlstate[0] = '\0';
    if (c->tls && !tls)
        (void)goes_on_with_tls(c, pg_tls_begin(p, c->host_used, stream, &c->tls_asked));
    else if (tls && p->options.direct && !tls->alpn)
        (void)goes_on_with_tls(c, -EPROTO); /* somebody else's TLS */
    else
        log_in(c);
}

static size_t on_tls_answer(pg_conn *c, weir_slice in)
{
    pg_place *p = c->place;
    c->tls_asked = false;
    int r = pg_tls_answer(p, c->host_used, c->stream, in);
    if (r == PG_TLS_NONE && p->options.sslmode == WEIR_POSTGRES_PREFER)
        log_in(c);
    else
        (void)goes_on_with_tls(c, r);
    return in.len;
}

/* The whole of a login goes wrong in a way that another address will not mend. */
static void refuse(pg_conn *c, const weir_error *err)
{
    c->lost = *err;
    c->state = PG_CLOSING;
    weir_stream_close(c->stream, 0);
}

/* It passes without anybody's doing: the server is starting or stopping, or has as many clients as
 * it takes (a Weir that takes over from another needs its connections while that one still has
 * them). Whoever waits goes on waiting, for a free connection or the next attempt. */
static bool is_passing(const char state[static 6])
{
    return memcmp(state, "57P03", 5) == 0 || memcmp(state, "53300", 5) == 0;
}

static void on_error_response(pg_conn *c, const weir_pg_frame *f)
{
    weir_pg_error_fields e;
    if (weir_pg_error_read(f->body, &e) != 0 || e.sqlstate.len != 5) {
        weir_error_set(&c->lost, "08P01", "weir: the database server sent a malformed error");
    } else {
        char state[6] = {0};
        memcpy(state, e.sqlstate.data, 5);
        bool password = memcmp(state, "28", 2) == 0;
        c->tls_refused = memcmp(state, "28000", 5) == 0;
        weir_error_set(&c->lost, password ? "08006" : state,
                       "weir: the database server refused the login: %.*s", (int)e.message.len,
                       (const char *)e.message.data);
        weir_error_detail(&c->lost, "Server %s, user \"%s\", SQLSTATE %s.", c->address_used,
                          c->user, state);
        if (password)
            weir_error_hint(&c->lost,
                            c->login && c->login->has_keys
                                ? "The user logged in to Weir with keys that this server does not "
                                  "know: its secret there is another one."
                                : "Check the user and password of this database in Weir's "
                                  "configuration.");
        if (!is_passing(state)) {
            weir_error err = c->lost;
            refuse(c, &err);
            return;
        }
    }
    weir_stream_close(c->stream, 0);
}

static int on_auth(pg_conn *c, const weir_pg_frame *f)
{
    weir_buf out;
    weir_error err = {{0}, {0}, {0}, {0}};
    weir_buf_init(&out, 4096);
    int r = weir_pg_auth_client_feed(&c->auth, f->body, &out, &err);
    if (r == 0 && out.len > 0)
        weir_stream_write(c->stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0) {
        if (!err.sqlstate[0])
            weir_error_set(&err, "08006", "weir: login at the database server failed: %s",
                           strerror(-r));
        memcpy(err.sqlstate, "08006", 6);
        refuse(c, &err);
    }
    return r;
}

static void on_ready(pg_conn *c)
{
    weir_backend *b = c->base.backend;
    weir_timer_disarm(c->base.loop, &c->timer);
    weir_stream_set_handler(c->stream, &pg_relay_handler, c);
    /* What does not pass in pieces may still be large: an error's text, thousands of parameters. */
    weir_stream_set_limit(c->stream, WEIR_PG_MESSAGE_SIZE_MAX + 1);
    c->state = PG_READY;
    c->status = 'I';
    c->announced = true;
    c->lost.sqlstate[0] = '\0'; /* what kept us from servers that were tried before */
    pg_conn_forget_login(c);
    pg_follow_reached(pg_backend_of(c));
    b->events->opened(b->engine, &c->base);
}

static int on_frame(pg_conn *c, const weir_pg_frame *f)
{
    switch (f->type) {
    case WEIR_PG_B_AUTH:
        return on_auth(c, f);
    case WEIR_PG_B_PARAM_STATUS:
        return weir_buf_append(&c->welcome, f->whole);
    case WEIR_PG_B_KEY_DATA: {
        weir_slice key;
        int r = weir_pg_key_data_read(f->body, &c->pid, &key);
        if (r < 0 || key.len > sizeof(c->key))
            return -EPROTO;
        memcpy(c->key, key.data, key.len);
        c->key_len = key.len;
        return 0;
    }
    case WEIR_PG_B_ERROR:
        on_error_response(c, f);
        return -ECONNREFUSED;
    case WEIR_PG_B_READY: {
        if (c->auth.state != WEIR_PG_AUTHC_OK)
            return -EPROTO;
        int r = pg_target_check(c);
        if (r == 0)
            on_ready(c);
        return r < 0 ? r : 0;
    }
    case WEIR_PG_B_DATA_ROW:
        return c->probing ? pg_target_row(c, f->body) : -EPROTO;
    case WEIR_PG_B_ROW_DESCRIPTION:
    case WEIR_PG_B_COMMAND_COMPLETE:
        return c->probing ? 0 : -EPROTO;
    case WEIR_PG_B_NOTICE:
    case WEIR_PG_B_NEGOTIATE:
        return 0;
    default:
        return -EPROTO;
    }
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    pg_conn *c = weir_stream_user(stream);
    size_t used = 0;
    if (c->tls_asked)
        return on_tls_answer(c, in);
    while (c->state == PG_LOGIN) {
        weir_pg_frame f;
        int r = weir_pg_frame_next(weir_slice_skip(in, used), 64 * 1024, &f);
        if (r == WEIR_PG_MORE)
            return used;
        if (r == 0)
            r = on_frame(c, &f);
        if (r < 0) {
            if (c->state == PG_LOGIN && (r == -EPROTO || r == -EMSGSIZE))
                weir_error_set(&c->lost, "08P01", "weir: %s does not speak PostgreSQL's protocol",
                               c->address_used);
            weir_stream_close(c->stream, 0);
            return in.len;
        }
        used += f.whole.len;
    }
    return c->state == PG_READY ? used : in.len;
}

static void on_close(weir_stream *stream, int error)
{
    pg_conn *c = weir_stream_user(stream);
    const char *tls = weir_stream_tls_failure(stream);
    c->stream = NULL;
    c->tls_asked = false;
    c->tls_failed = c->tls_failed || (tls && !weir_stream_tls(stream));
    if (pg_tls_again(c)) {
        c->address--;
        next_address(c);
        return;
    }
    if (c->state == PG_CLOSING) {
        give_up(c, true);
        return;
    }
    if (!c->lost.sqlstate[0] || c->state == PG_CONNECTING)
        weir_error_set(&c->lost, "08006", "weir: cannot connect to the database server at %s: %s%s",
                       c->address_used, tls ? "TLS: " : "",
                       tls     ? tls
                       : error ? strerror(-error)
                               : "it closed the connection during login");
    next_address(c);
}

static const weir_stream_handler login_handler = {
    .on_open = on_open, .on_bytes = on_bytes, .on_close = on_close};

static void on_timeout(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    pg_conn *c = WEIR_CONTAINER_OF(timer, pg_conn, timer);
    weir_error_set(&c->lost, "08006", "weir: connecting to the database server at %s took too long",
                   c->address_used ? c->address_used : "?");
    if (c->state == PG_CONNECTING)
        c->state = PG_LOGIN; /* keep these words */
    if (c->stream)
        weir_stream_close(c->stream, 0);
}

static void next_address(pg_conn *c)
{
    while (c->address < c->address_count) {
        const char *address = c->addresses[c->address++];
        free(c->address_used);
        c->address_used = strdup(address);
        if (!c->address_used) {
            give_up(c, false);
            return;
        }
        c->state = PG_CONNECTING;
        if (!c->tls_retry)
            pg_tls_first(c, address);
        c->tls_retry = false;
        int r = weir_connect(c->base.loop, address, &login_handler, c, &c->stream);
        if (r == 0) {
            weir_time timeout = c->place->options.connect_timeout;
            weir_timer_arm(c->base.loop, &c->timer,
                           weir_deadline(weir_loop_now(c->base.loop), timeout));
            return;
        }
        weir_error_set(&c->lost, "08006", "weir: cannot connect to the database server at %s: %s",
                       address, strerror(-r));
    }
    next_host(c);
}

static void on_resolved(void *user, const char *const *addresses, size_t count, const char *reason)
{
    pg_conn *c = user;
    pg_place *p = c->place;
    if (count == 0)
        weir_error_set(&c->lost, "08001",
                       "weir: cannot resolve the database server's name \"%s\": %s",
                       p->hosts[c->host_used], reason ? reason : "no address");
    c->address = 0;
    c->address_count = 0;
    for (size_t i = 0; i < count && i < 8; i++) {
        /* cppcheck-suppress objectIndex ; `count` is 1 where one address is given */
        size_t len = strlen(addresses[i]);
        if (len < sizeof(c->addresses[0]))
            memcpy(c->addresses[c->address_count++], addresses[i], len + 1);
    }
    pg_hosts_learn(c, c->host_used);
    next_address(c);
}

/* None suits: with a mere preference, any does. */
static bool begin_again(pg_conn *c)
{
    const pg_place *p = c->place;
    if (p->options.target != WEIR_POSTGRES_PREFER_STANDBY || c->second_pass)
        return false;
    c->second_pass = true;
    c->host = 0;
    return true;
}

static void next_host(pg_conn *c)
{
    pg_place *p = c->place;
    if (c->host >= p->options.host_count && !begin_again(c)) {
        give_up(c, false);
        return;
    }
    c->host_used = c->order[c->host++];
    c->state = PG_RESOLVING;
    c->address = 0;
    c->table_serial = atomic_load(&p->table_serial);
    if (pg_hosts_known(c, c->host_used)) {
        next_address(c);
        return;
    }
    int r = weir_resolve(c->base.loop, p->options.resolver, p->hosts[c->host_used], on_resolved, c);
    if (r < 0)
        on_resolved(c, NULL, 0, strerror(-r));
}

/* Opening starts from the loop, not from inside the engine's call, so that a failure is always told
 * by an event and never twice. */
static void on_start(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    pg_conn *c = WEIR_CONTAINER_OF(timer, pg_conn, timer);
    weir_timer_init(&c->timer, on_timeout);
    pg_hosts_order(c);
    next_host(c);
}

static int keep_login(pg_conn *c, const weir_conn_request *request)
{
    size_t len = request->password ? strlen(request->password) : 0;
    if ((!request->login && !request->password) || len > WEIR_LOGIN_PASSWORD_MAX)
        return len > 0 ? -EINVAL : 0;
    c->login = calloc(1, sizeof(*c->login));
    if (!c->login)
        return -ENOMEM;
    if (request->login)
        *c->login = *request->login;
    else
        memcpy(c->login->password, request->password, len);
    return 0;
}

int pg_conn_open(weir_backend *backend, struct weir_loop *loop, const weir_conn_request *request,
                 weir_conn **ret)
{
    static _Atomic uint64_t ids;
    pg_place *p =
        request->place ? request->place : WEIR_CONTAINER_OF(backend, pg_backend, base)->first;
    pg_conn *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->base =
        (weir_conn){.backend = backend, .loop = loop, .ops = &pg_conn_ops, .owner = request->owner};
    c->place = p;
    c->base.id = atomic_fetch_add(&ids, 1) + 1;
    weir_pool_conn_init(&c->base.pooled);
    weir_list_init(&c->base.siblings);
    weir_list_init(&c->cancels);
    weir_buf_init(&c->welcome, 64 * 1024);
    weir_buf_init(&c->set, 64 * 1024);
    weir_buf_init(&c->names_error, 64 * 1024);
    weir_list_init(&c->questions);
    weir_list_init(&c->aliases);
    weir_pg_owed_init(&c->owed, p->options.replies_max);
    weir_hash_seed seed;
    weir_loop_random(loop, &seed, sizeof(seed));
    pg_prepared_init(&c->prepared, seed, p->options.prepared_max);
    weir_timer_init(&c->timer, on_start);
    c->database = strdup(request->database);
    c->user = strdup(request->user);
    if (!c->database || !c->user || keep_login(c, request) < 0) {
        pg_conn_free(c);
        return -ENOMEM;
    }
    c->base.user = c->user;
    weir_timer_arm(loop, &c->timer, weir_loop_now(loop));
    *ret = &c->base;
    return 0;
}
