/* Startup, authentication, greeting; and cancel requests, which come by the same door. */
#include "gateway/internal.h"
#include <openssl/crypto.h>
#include <stdlib.h>

#define SCRAM_ITERATIONS 4096u /* as PostgreSQL; derived once, at start */

/* ---- cancel requests ---- */

typedef struct cancel_request {
    weir_task task;
    weir_client *carrier; /* the client object of the connection that brought it */
    weir_loop *home;
    uint32_t id;
    size_t key_len;
    uint8_t key[sizeof(((weir_client *)0)->secret)];
} cancel_request;

static void cancel_done(weir_task *task, weir_loop *loop)
{
    (void)loop;
    cancel_request *r = WEIR_CONTAINER_OF(task, cancel_request, task);
    weir_client *carrier = r->carrier;
    free(r);
    weir_client_cancel_done(carrier);
}

static void cancel_here(weir_task *task, weir_loop *loop)
{
    cancel_request *r = WEIR_CONTAINER_OF(task, cancel_request, task);
    weir_client *target = weir_client_find(weir_loop_user(loop), r->id);
    size_t expected = target && target->version >= WEIR_PG_VERSION_3_2 ? sizeof(target->secret) : 4;
    if (target && r->key_len == expected && CRYPTO_memcmp(r->key, target->secret, expected) == 0)
        weir_client_cancel(target);
    r->task.run = cancel_done;
    weir_loop_post(r->home, &r->task);
}

/* An id's low 8 bits name the worker. */
static void carry_cancel(weir_client *c, const weir_pg_startup *s)
{
    weir_gateway *g = c->worker->gateway;
    unsigned index = s->cancel_pid & 0xff;
    cancel_request *r = calloc(1, sizeof(*r));
    if (!r || index >= g->options.workers || s->cancel_key.len > sizeof(r->key)) {
        free(r);
        weir_client_close(c, 0);
        return;
    }
    c->state = WEIR_CLIENT_CANCEL;
    c->relay.sent = 1; /* keeps the carrier until cancel_done */
    r->carrier = c;
    r->home = c->worker->loop;
    r->id = s->cancel_pid;
    r->key_len = s->cancel_key.len;
    memcpy(r->key, s->cancel_key.data, r->key_len);
    r->task.run = cancel_here;
    weir_loop_post(g->workers[index].loop, &r->task);
}

/* ---- who it is ---- */

static char *copy(weir_slice s)
{
    return strndup((const char *)s.data, s.len);
}

static const weir_config_user *find_user(const weir_config *config, const char *name)
{
    for (unsigned i = 0; i < config->user_count; i++)
        if (strcmp(config->users[i].name, name) == 0)
            return &config->users[i];
    return NULL;
}

static weir_pg_auth_method method_of(const weir_config *config)
{
    switch (config->auth) {
    case WEIR_CONFIG_AUTH_UNSET:
        return config->user_count ? WEIR_PG_AUTH_SCRAM : WEIR_PG_AUTH_TRUST;
    case WEIR_CONFIG_AUTH_TRUST:
        return WEIR_PG_AUTH_TRUST;
    case WEIR_CONFIG_AUTH_PASSWORD:
        return WEIR_PG_AUTH_PASSWORD;
    case WEIR_CONFIG_AUTH_MD5:
        return WEIR_PG_AUTH_MD5;
    case WEIR_CONFIG_AUTH_SCRAM:
        break;
    }
    return WEIR_PG_AUTH_SCRAM;
}

/* 8 bytes at a time from the process's secret seed: SipHash is a pseudo-random function. */
static void derive(weir_hash_seed seed, const char *purpose, weir_slice of, uint8_t *out,
                   size_t len)
{
    seed.k[0] ^= weir_hash(seed, weir_slice_cstr(purpose));
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        seed.k[1]++;
        uint64_t word = weir_hash(seed, of);
        memcpy(out + i, &word, sizeof(word));
    }
}

void weir_gateway_init_mock(weir_gateway *g)
{
    derive(g->options.seed, "mock", (weir_slice){0}, g->mock_key, sizeof(g->mock_key));
}

int weir_settings_derive(weir_settings *settings, weir_hash_seed seed)
{
    const weir_config *config = settings->config;
    if (method_of(config) != WEIR_PG_AUTH_SCRAM || config->user_count == 0)
        return 0;
    settings->secrets = calloc(config->user_count, sizeof(*settings->secrets));
    if (!settings->secrets)
        return -ENOMEM;
    for (unsigned i = 0; i < config->user_count; i++) {
        const weir_config_user *u = &config->users[i];
        weir_slice password = weir_slice_cstr(u->password);
        if (!u->password || weir_pg_scram_secret_parse(password, &settings->secrets[i]) == 0)
            continue;
        uint8_t salt[16];
        derive(seed, "salt", weir_slice_cstr(u->name), salt, sizeof(salt));
        int r = weir_pg_scram_secret_make(password, salt, SCRAM_ITERATIONS, &settings->secrets[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static void refuse_password(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "28P01", "weir: password authentication failed for user \"%s\"", c->user);
    weir_log_event(c->worker->gateway->log, WEIR_LOG_AUTH, WEIR_LOG_WARN, "login refused",
                   WEIR_F_STR("user", c->user), WEIR_F_STR("from", weir_stream_peer(c->stream)));
    weir_client_fatal(c, &err);
}

static void out_of_memory(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    weir_client_fatal(c, &err);
}

static void open_session(weir_client *c);

static void begin_auth(weir_client *c)
{
    const weir_settings *settings = weir_gateway_settings(c->worker->gateway);
    const weir_config *config = settings->config;
    weir_pg_auth_method method = method_of(config);
    c->trusted = method == WEIR_PG_AUTH_TRUST;
    if (c->trusted) {
        open_session(c);
        return;
    }
    const weir_config_user *user = find_user(config, c->user);
    bool known = user && user->password;
    weir_pg_scram_secret stored;
    const weir_pg_scram_secret *secret = NULL;
    if (known && method == WEIR_PG_AUTH_SCRAM) {
        secret = &settings->secrets[user - config->users];
    } else if (known && weir_pg_scram_secret_parse(weir_slice_cstr(user->password), &stored) == 0) {
        method = WEIR_PG_AUTH_SCRAM; /* a stored key can prove nothing else */
        secret = &stored;
    }
    uint8_t random[32];
    weir_loop_random(c->worker->loop, random, sizeof(random));
    weir_buf out;
    weir_buf_init(&out, 4096);
    c->auth = calloc(1, sizeof(*c->auth));
    c->state = WEIR_CLIENT_AUTH;
    int r = c->auth ? weir_pg_auth_server_begin(c->auth, method, weir_slice_cstr(c->user),
                                                known && !secret ? user->password : NULL, secret,
                                                random, c->worker->gateway->mock_key, &out)
                    : -ENOMEM;
    if (r == 0)
        weir_client_write(c, weir_buf_slice(&out));
    else
        out_of_memory(c);
    weir_buf_fini(&out);
}

size_t weir_client_on_auth(weir_client *c, weir_slice in)
{
    weir_pg_frame f;
    int r = weir_pg_frame_next(in, WEIR_PG_STARTUP_SIZE_MAX, &f);
    if (r == WEIR_PG_MORE)
        return 0;
    weir_buf out;
    weir_buf_init(&out, 4096);
    if (r == 0)
        r = f.type == WEIR_PG_F_PASSWORD ? weir_pg_auth_server_feed(c->auth, f.body, &out)
                                         : -EPROTO;
    bool done = c->auth->state == WEIR_PG_AUTH_DONE;
    /* The final AuthenticationOk waits in the greeting, whose first message it is. */
    if (r == 0 && out.len > 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0) {
        weir_error err;
        weir_error_set(&err, r == -EPROTO || r == -EMSGSIZE ? "08P01" : "28P01",
                       "weir: malformed or unexpected message during authentication");
        weir_client_fatal(c, &err);
        return in.len;
    }
    if (c->auth->state == WEIR_PG_AUTH_FAILED) {
        refuse_password(c);
        return in.len;
    }
    if (done) {
        free(c->auth);
        c->auth = NULL;
        open_session(c);
    }
    return f.whole.len;
}

/* ---- startup packets ---- */

static bool is_parameter(weir_slice name)
{
    return !weir_slice_eq_cstr(name, "user") && !weir_slice_eq_cstr(name, "database") &&
           !weir_slice_eq_cstr(name, "replication") && !weir_slice_eq_cstr(name, "options") &&
           !(name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0);
}

static int append_pair(weir_buf *out, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(out, name);
    if (r == 0)
        r = weir_buf_append_u8(out, 0);
    if (r == 0)
        r = weir_buf_append(out, value);
    return r < 0 ? r : weir_buf_append_u8(out, 0);
}

/* "-c name=value" and "--name=value" of the `options` parameter; a backslash escapes a space. */
static int append_options(weir_buf *out, weir_slice options)
{
    char word[1024];
    size_t i = 0;
    while (i < options.len) {
        size_t n = 0;
        while (i < options.len && options.data[i] == ' ')
            i++;
        for (; i < options.len && options.data[i] != ' '; i++) {
            if (options.data[i] == '\\' && i + 1 < options.len)
                i++;
            if (n < sizeof(word) - 1)
                word[n++] = (char)options.data[i];
        }
        word[n] = '\0';
        bool dashed = word[0] == '-' && (word[1] == '-' || word[1] == 'c');
        const char *w = dashed ? word + 2 : word;
        const char *eq = strchr(w, '=');
        if (!eq)
            continue;
        int r = append_pair(out, weir_slice_make(w, (size_t)(eq - w)), weir_slice_cstr(eq + 1));
        if (r < 0)
            return r;
    }
    return 0;
}

/* The session parameters among the startup parameters. Their order is the client's: equal clients
 * send equal packets, and the fingerprint only saves work. */
static int keep_parameters(weir_client *c, weir_slice params)
{
    weir_buf out;
    weir_buf_init(&out, WEIR_PG_STARTUP_SIZE_MAX);
    weir_slice name, value;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);) {
        if (weir_slice_eq_cstr(name, "options"))
            r = append_options(&out, value);
        else if (is_parameter(name))
            r = append_pair(&out, name, value);
    }
    if (r == 0 && out.len > 0) {
        c->params = malloc(out.len);
        r = c->params ? 0 : -ENOMEM;
        if (r == 0) {
            memcpy(c->params, out.data, out.len);
            c->params_len = out.len;
            c->fingerprint = weir_hash(c->worker->gateway->options.seed, weir_buf_slice(&out)) | 1;
        }
    }
    weir_buf_fini(&out);
    return r;
}

static void begin_session(weir_client *c, const weir_pg_startup *s)
{
    weir_gateway *g = c->worker->gateway;
    weir_error err;
    weir_slice user, database, value;
    weir_buf out;
    weir_buf_init(&out, WEIR_PG_STARTUP_SIZE_MAX);
    int r = weir_pg_negotiate(s->version, s->params, &out, &c->version);
    if (r == 0 && out.len > 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0) {
        weir_error_set(&err, "08P01", "weir: unsupported frontend protocol %u.%u", s->version >> 16,
                       s->version & 0xffff);
        weir_client_fatal(c, &err);
        return;
    }
    if (!weir_pg_param_find(s->params, "user", &user) || user.len == 0) {
        weir_error_set(&err, "28000", "weir: no user name in the startup packet");
        weir_client_fatal(c, &err);
        return;
    }
    if (!weir_pg_param_find(s->params, "database", &database) || database.len == 0)
        database = user;
    if (weir_pg_param_find(s->params, "replication", &value) &&
        !weir_slice_eq_cstr(value, "false") && !weir_slice_eq_cstr(value, "off") &&
        !weir_slice_eq_cstr(value, "0")) {
        weir_error_set(&err, "0A000", "weir: replication connections are not relayed");
        weir_error_hint(&err, "Connect to the database server directly.");
        weir_client_fatal(c, &err);
        return;
    }
    c->user = copy(user);
    c->database = copy(database);
    if (!c->user || !c->database || keep_parameters(c, s->params) < 0) {
        out_of_memory(c);
        return;
    }
    if (weir_gateway_clients(g) > weir_gateway_config(g)->limits.clients) {
        weir_error_set(&err, "53300", "weir: too many clients (limits.clients is %u)",
                       weir_gateway_config(g)->limits.clients);
        weir_client_fatal(c, &err);
        return;
    }
    begin_auth(c);
}

size_t weir_client_on_startup(weir_client *c, weir_slice in)
{
    weir_pg_startup s;
    weir_error err;
    int r = weir_pg_startup_read(in, &s, &err);
    if (r == WEIR_PG_MORE)
        return 0;
    if (r < 0) {
        weir_client_fatal(c, &err);
        return in.len;
    }
    switch (s.kind) {
    case WEIR_PG_STARTUP_SSL:
    case WEIR_PG_STARTUP_GSSENC:
        /* Bytes behind the request were sent before our answer: an attack (CVE-2021-23222 class).
         */
        if (in.len > s.size) {
            weir_client_close(c, 0);
            return in.len;
        }
        weir_client_write(c, WEIR_SLICE_LIT("N"));
        return s.size;
    case WEIR_PG_STARTUP_CANCEL:
        carry_cancel(c, &s);
        return in.len;
    case WEIR_PG_STARTUP_SESSION:
        begin_session(c, &s);
        return s.size;
    }
    return in.len;
}

/* ---- the session, and the greeting ---- */

static int give_id(weir_client *c)
{
    weir_gateway_worker *w = c->worker;
    do {
        w->next_id = (w->next_id + 1) & 0x007fffff;
        c->id = w->next_id << 8 | w->index;
    } while (w->next_id == 0 || weir_client_find(w, c->id));
    weir_loop_random(w->loop, c->secret, sizeof(c->secret));
    return weir_map_put(&w->by_id, weir_slice_make(&c->id, sizeof(c->id)), c, NULL);
}

/* Of configured users those marked admin; without any, whoever sits at this machine. */
static bool may_administer(const weir_client *c)
{
    const weir_config *config = weir_gateway_config(c->worker->gateway);
    const weir_config_user *user = find_user(config, c->user);
    return config->user_count > 0 ? user && user->admin : weir_stream_local(c->stream);
}

static void open_console(weir_client *c)
{
    if (!may_administer(c)) {
        weir_error err;
        weir_error_set(&err, "42501", "weir: user \"%s\" may not use database \"%s\"", c->user,
                       c->database);
        weir_error_hint(&err, "Set admin: true for the user in the configuration.");
        weir_client_fatal(c, &err);
        return;
    }
    int r = weir_client_console_init(c);
    if (r == 0)
        r = give_id(c);
    if (r == 0)
        weir_client_welcome(c);
    else
        out_of_memory(c);
}

static void open_session(weir_client *c)
{
    weir_gateway *g = c->worker->gateway;
    weir_error err;
    c->state = WEIR_CLIENT_WELCOME;
    if (strcmp(c->database, WEIR_ADMIN_DATABASE) == 0) {
        open_console(c);
        return;
    }
    weir_database *d = weir_engine_find_database(g->engine, weir_slice_cstr(c->database));
    if (!d) {
        weir_error_set(&err, "3D000", "weir: no database \"%s\" is configured", c->database);
        weir_error_hint(&err, "Add it under databases in the configuration.");
        weir_client_fatal(c, &err);
        return;
    }
    c->relays = weir_database_backend(d)->ops->relays;
    c->holds = weir_database_session_pooling(d);
    int r = weir_session_open(&c->session, c->worker->engine, d, weir_slice_cstr(c->user),
                              &weir_client_session_events, &err);
    if (r == WEIR_SESSION_REFUSED) {
        weir_client_fatal(c, &err);
        return;
    }
    if (r == 0)
        r = give_id(c);
    if (r == 0 && !c->relays)
        r = weir_client_local_init(c);
    if (r != 0) {
        out_of_memory(c);
        return;
    }
    weir_slice welcome;
    if (!c->relays) {
        weir_client_welcome(c);
        return;
    }
    weir_client_relay_init(c);
    if (weir_session_welcome(&c->session, &welcome)) {
        weir_client_welcome(c);
        return;
    }
    r = weir_session_borrow(&c->session, WEIR_ROLE_WRITE, &err); /* the first connection tells */
    if (r == 0)
        weir_client_welcome(c);
    else if (r != WEIR_SESSION_WAIT)
        weir_client_fatal(c, &err);
}

/* PostgreSQL reports its own spelling of an encoding. */
static weir_slice canonical(weir_slice name, weir_slice value)
{
    if (!weir_slice_eq_nocase(name, "client_encoding"))
        return value;
    if (weir_slice_eq_nocase(value, "utf8") || weir_slice_eq_nocase(value, "utf-8") ||
        weir_slice_eq_nocase(value, "unicode"))
        return WEIR_SLICE_LIT("UTF8");
    return value;
}

static bool names_equal(weir_slice a, weir_slice b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

/* The server's parameters, overlaid with those this client asked for. */
static int append_parameters(const weir_client *c, weir_slice messages, weir_buf *out)
{
    weir_slice params = weir_slice_make(c->params, c->params_len);
    int r = 0;
    while (r == 0 && messages.len > 0) {
        weir_pg_frame f;
        weir_slice name, value, asked_name, asked;
        if (weir_pg_frame_next(messages, WEIR_PG_STARTUP_SIZE_MAX * 8, &f) != 0 ||
            weir_pg_param_status_read(f.body, &name, &value) != 0)
            return -EPROTO;
        for (size_t pos = 0; weir_pg_param_next(params, &pos, &asked_name, &asked);)
            if (names_equal(asked_name, name))
                value = canonical(name, asked);
        r = weir_pg_write_param_status(out, name, value);
        messages = weir_slice_skip(messages, f.whole.len);
    }
    return r;
}

static int write_greeting(weir_client *c, weir_buf *out)
{
    weir_slice messages;
    int r = 0;
    if (c->trusted)
        r = weir_pg_write_auth(out, 0, (weir_slice){0});
    if (r < 0)
        return r;
    if (!c->relays) {
        r = weir_local_parameters(weir_slice_make(c->params, c->params_len), out);
    } else {
        bool known = weir_session_welcome(&c->session, &messages);
        assert(known);
        (void)known;
        r = append_parameters(c, messages, out);
    }
    size_t key = c->version >= WEIR_PG_VERSION_3_2 ? sizeof(c->secret) : 4;
    if (r == 0)
        r = weir_pg_write_key_data(out, c->id, weir_slice_make(c->secret, key));
    return r < 0 ? r : weir_pg_write_ready(out, 'I');
}

void weir_client_welcome(weir_client *c)
{
    weir_gateway *g = c->worker->gateway;
    weir_session_return(&c->session);
    weir_buf out;
    weir_buf_init(&out, 128 * 1024);
    int r = write_greeting(c, &out);
    if (r == 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0) {
        out_of_memory(c);
        return;
    }
    c->state = WEIR_CLIENT_ACTIVE;
    weir_timer_disarm(c->worker->loop, &c->timer);
    weir_client_seen(c);
    weir_stream_set_limit(c->stream, weir_gateway_config(g)->limits.message_size + 5);
    weir_stream_resume(c->stream);
    if (weir_gateway_config(g)->log.connections)
        weir_log_event(g->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO, "client logged in",
                       WEIR_F_INT("client", c->id), WEIR_F_STR("user", c->user),
                       WEIR_F_STR("db", c->database),
                       WEIR_F_STR("from", weir_stream_peer(c->stream)));
}
