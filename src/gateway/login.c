/* Startup and greeting (between them: auth.c); and cancel requests, which come by the same door. */
#include "engine/replica.h"
#include "gateway/guc.h"
#include "gateway/handover.h"
#include "gateway/spelling.h"
#include "gateway/terminate.h"
#include <openssl/crypto.h>
#include <stdlib.h>

/* ---- cancel requests ---- */

typedef struct cancel_request {
    weir_task task;
    weir_client *carrier; /* the client object of the connection that brought it; NULL: another
                             process did */
    weir_loop *home;
    weir_cancel_from from;
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
    weir_gateway_worker *w = weir_loop_user(loop);
    if (!target)
        weir_handover_stray_cancel(w->gateway->handover, r->id, weir_slice_make(r->key, r->key_len),
                                   r->from);
    if (!r->carrier) {
        free(r);
        return;
    }
    r->task.run = cancel_done;
    weir_loop_post(r->home, &r->task);
}

void weir_client_cancel_from(weir_gateway *g, uint32_t id, weir_slice key, weir_cancel_from from)
{
    cancel_request *r = key.len <= sizeof(r->key) ? calloc(1, sizeof(*r)) : NULL;
    if (!r)
        return; /* as a request that came too late */
    r->id = id;
    r->from = from;
    r->key_len = key.len;
    memcpy(r->key, key.data, key.len);
    r->task.run = cancel_here;
    weir_loop_post(weir_gateway_worker_of(g, id)->loop, &r->task);
}

/* An id's low 8 bits name the worker. */
static void carry_cancel(weir_client *c, const weir_pg_startup *s)
{
    weir_gateway *g = c->worker->gateway;
    cancel_request *r = calloc(1, sizeof(*r));
    if (!r || s->cancel_key.len > sizeof(r->key)) {
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
    weir_loop_post(weir_gateway_worker_of(g, r->id)->loop, &r->task);
}

/* ---- startup packets ---- */

static bool is_parameter(weir_slice name)
{
    return !weir_slice_eq_cstr(name, "user") && !weir_slice_eq_cstr(name, "database") &&
           !weir_slice_eq_cstr(name, "replication") && !weir_slice_eq_cstr(name, "options") &&
           !(name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0);
}

/* "-c name=value" and "--name=value" of the `options` parameter; a backslash escapes a space. */
static int append_options(weir_buf *out, weir_slice options)
{
    char word[1024] = "";
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
        bool dashed = n > 1 && word[0] == '-' && (word[1] == '-' || word[1] == 'c');
        const char *w = dashed ? word + 2 : word;
        char *eq = strchr(w, '=');
        if (!eq)
            continue;
        for (char *p = word; p < eq; p++)
            *p = *p == '-' ? '_' : *p; /* as PostgreSQL reads --work-mem */
        int r = weir_guc_put(out, weir_slice_make(w, (size_t)(eq - w)), weir_slice_cstr(eq + 1));
        if (r < 0)
            return r;
    }
    return 0;
}

/* The session's settings among the startup parameters. */
static int keep_parameters(weir_client *c, weir_slice params)
{
    weir_buf out;
    weir_buf_init(&out, 2 * WEIR_PG_STARTUP_SIZE_MAX);
    weir_slice name, value;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);) {
        if (weir_slice_eq_cstr(name, "options"))
            r = append_options(&out, value);
        else if (is_parameter(name))
            r = weir_guc_put(&out, name, value);
    }
    if (r == 0)
        r = weir_client_set_startup(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

static char *copy(weir_slice s)
{
    return strndup((const char *)s.data, s.len);
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
        weir_client_out_of_memory(c);
        return;
    }
    if (c->vouched) {
        c->trusted = true;
        weir_client_admit(c);
        return;
    }
    if (weir_gateway_clients(g) > weir_gateway_config(g)->limits.clients) {
        weir_error_set(&err, "53300", "weir: too many clients (limits.clients is %u)",
                       weir_gateway_config(g)->limits.clients);
        weir_client_fatal(c, &err);
        return;
    }
    weir_client_authenticate(c);
}

size_t weir_client_on_startup(weir_client *c, weir_slice in)
{
    weir_pg_startup s;
    weir_error err;
    if (weir_client_begins_tls(c, in))
        return 0;
    if (in.len >= 4 && memcmp(in.data, "X\0\0\0", 4) == 0) { /* Terminate: left before it began */
        weir_client_close(c, 0);
        return in.len;
    }
    int r = weir_pg_startup_read(in, &s, &err);
    if (r == WEIR_PG_MORE)
        return 0;
    c->spoke = true;
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
        if (weir_stream_tls(c->stream)) { /* as PostgreSQL: it has what it could ask for */
            weir_error_set(&err, "08P01", "weir: encryption is asked for a second time");
            weir_client_fatal(c, &err);
            return in.len;
        }
        if (s.kind == WEIR_PG_STARTUP_SSL)
            weir_client_asks_tls(c);
        else
            weir_client_write(c, WEIR_SLICE_LIT("N"));
        return s.size;
    case WEIR_PG_STARTUP_CANCEL:
        carry_cancel(c, &s);
        return in.len;
    case WEIR_PG_STARTUP_SESSION:
        if (!c->vouched && weir_client_needs_tls(c)) {
            weir_error_set(&err, "28000",
                           "weir: this connection must use TLS (tls.mode is "
                           "require)");
            weir_error_hint(&err, "Connect with sslmode=require or stronger.");
            weir_client_fatal(c, &err);
            return in.len;
        }
        begin_session(c, &s);
        return s.size;
    }
    return in.len;
}

/* ---- the session, and the greeting ---- */

void weir_client_out_of_memory(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    weir_client_fatal(c, &err);
}

/* Ids stand where PostgreSQL has process ids, and are none. */
#define FIRST_ID ((WEIR_CLIENT_ID_MIN >> 8) + 1)

static int give_id(weir_client *c)
{
    weir_gateway_worker *w = c->worker;
    do {
        uint32_t next = (w->next_id + 1) & 0x007fffff;
        w->next_id = next < FIRST_ID ? FIRST_ID : next;
        c->id = w->next_id << 8 | w->index;
    } while (weir_client_find(w, c->id));
    weir_loop_random(w->loop, c->secret, sizeof(c->secret));
    return weir_map_put(&w->by_id, weir_slice_make(&c->id, sizeof(c->id)), c, NULL);
}

/* Of configured users those marked admin; without any, and without lookups that would let others
 * in, whoever sits at this machine. */
static bool may_administer(const weir_client *c)
{
    const weir_settings *settings = weir_gateway_settings(c->worker->gateway);
    const weir_config_user *user = weir_client_find_user(settings, c->user);
    bool guarded = settings->config->user_count > 0 || settings->config->access.lookup;
    return guarded ? user && user->admin : weir_stream_local(c->stream);
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
        weir_client_out_of_memory(c);
}

static void hint_names(weir_engine *engine, weir_error *err)
{
    char names[160] = "";
    size_t len = 0;
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        const weir_database *d = weir_engine_database_at(engine, i);
        const char *name = weir_database_name(d);
        if (weir_database_primary(d) || weir_database_removed(d))
            continue;
        int n = snprintf(names + len, sizeof(names) - len, "%s\"%s\"", len > 0 ? ", " : "", name);
        if (n < 0 || (size_t)n >= sizeof(names) - len - sizeof(", …")) {
            (void)snprintf(names + len, sizeof(names) - len, "%s…", len > 0 ? ", " : "");
            break;
        }
        len += (size_t)n;
    }
    weir_error_hint(err, "There are: %s. Others are added under databases in the configuration.",
                    names);
}

void weir_client_admit(weir_client *c)
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
        hint_names(g->engine, &err);
        weir_client_fatal(c, &err);
        return;
    }
    c->relays = weir_database_backend(d)->ops->relays;
    int r = weir_client_join(c, d, &err);
    if (r == WEIR_SESSION_REFUSED) {
        weir_client_fatal(c, &err);
        return;
    }
    if (r == 0)
        r = give_id(c);
    if (r == 0 && !c->relays)
        r = weir_client_local_init(c);
    if (r != 0) {
        weir_client_out_of_memory(c);
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

/* What the client asked for is in force: as the server spells it. */
static weir_slice asked_for(const weir_client *c, weir_slice spelled, weir_slice name,
                            weir_slice value)
{
    weir_slice params = weir_slice_make(c->startup, c->startup_len);
    weir_slice found = weir_guc_find(spelled, name);
    if (!found.data && weir_slice_eq_cstr(name, "application_name"))
        found = weir_guc_find(params, name);
    return found.data ? found : value;
}

/* The server's parameters, overlaid with those this client asked for. */
static int append_parameters(const weir_client *c, weir_slice messages, weir_slice spelled,
                             weir_buf *out)
{
    int r = 0;
    while (r == 0 && messages.len > 0) {
        weir_pg_frame f;
        weir_slice name, value;
        if (weir_pg_frame_next(messages, WEIR_PG_STARTUP_SIZE_MAX * 8, &f) != 0 ||
            weir_pg_param_status_read(f.body, &name, &value) != 0)
            return -EPROTO;
        r = weir_pg_write_param_status(out, name, asked_for(c, spelled, name, value));
        messages = weir_slice_skip(messages, f.whole.len);
    }
    return r;
}

static int write_greeting(weir_client *c, weir_slice spelled, weir_buf *out)
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
        r = append_parameters(c, messages, spelled, out);
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
    weir_slice spelled = {0};
    if (c->relays && !weir_client_spell(c, &spelled))
        return;
    weir_buf out;
    weir_buf_init(&out, 128 * 1024);
    int r = write_greeting(c, spelled, &out);
    if (r == 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0) {
        weir_client_out_of_memory(c);
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
