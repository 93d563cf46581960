/* Who a client is: it proves it here, between its startup packet and its greeting (login.c).
 *
 *   rule? ──none, reject──────────────────────────────────────────────► refused (28000)
 *     ├──trust, cert───────────────────────────────────────────────────► admitted
 *     ├──peer──────► WORKING (who is that uid?) ──may be this user─────► admitted
 *     └──password…─► LOOKING (what is known?) ─► [WORKING (derives)] ─► ASKING ⇄ [WORKING] ─►
 * admitted
 *
 * Invariant: an unknown user, one whose password has expired and one known by what the method
 * cannot use take the same steps as a known one, and fail at the end of them. */
#include "gateway/auth.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- refusing ---- */

static weir_gateway *gateway_of(const weir_auth *a)
{
    return a->client->worker->gateway;
}

/* FATAL; `why` is for the log alone. */
static void refuse(weir_auth *auth, const weir_error *err, const char *why)
{
    weir_client *c = auth->client;
    char rule[256] = "none";
    if (auth->rule && auth->rule->line > 0)
        (void)snprintf(rule, sizeof(rule), "%s:%u", auth->rule->file, auth->rule->line);
    else if (auth->rule)
        (void)snprintf(rule, sizeof(rule), "%s", auth->rule->file);
    weir_log_event(gateway_of(auth)->log, WEIR_LOG_AUTH, WEIR_LOG_WARN, "login refused",
                   WEIR_F_STR("user", c->user), WEIR_F_STR("db", c->database),
                   WEIR_F_STR("from", weir_stream_peer(c->stream)), WEIR_F_STR("rule", rule),
                   WEIR_F_STR("why", why));
    weir_client_fatal(c, err);
}

void weir_auth_unable(weir_auth *auth, const weir_error *why)
{
    weir_error err;
    weir_error_set(&err, "08006", "weir: user \"%s\" cannot be looked up now", auth->client->user);
    refuse(auth, &err, why->message);
}

static void refuse_password(weir_auth *a)
{
    weir_error err;
    weir_error_set(&err, "28P01", "weir: password authentication failed for user \"%s\"",
                   a->client->user);
    refuse(a, &err, a->expired ? "the password has expired" : "password");
}

/* "host "10.1.2.3", user "ann", database "app", no encryption": PostgreSQL's words. */
static void refuse_visitor(weir_auth *a, const char *words, const char *why)
{
    weir_error err;
    const weir_client *c = a->client;
    const char *peer = weir_stream_peer(c->stream), *colon = strrchr(peer, ':');
    int len = colon ? (int)(colon - peer) : 7;
    weir_error_set(&err, "28000", "weir: %s host \"%.*s\", user \"%s\", database \"%s\", %s", words,
                   len, colon ? peer : "[local]", c->user, c->database,
                   weir_stream_tls(c->stream) ? "SSL encryption" : "no encryption");
    refuse(a, &err, why);
}

/* ---- work off the loop ---- */

static void come_back(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_auth *a = WEIR_CONTAINER_OF(task, weir_auth, back);
    weir_client *c = a->client;
    a->step = WEIR_AUTH_ASKING;
    if (c->state == WEIR_CLIENT_AUTH && !c->closed) {
        a->done(a);
        if (!c->closed)
            weir_stream_resume(c->stream);
    }
    weir_client_auth_came_back(c);
}

static void run_job(weir_job *job)
{
    weir_auth *a = WEIR_CONTAINER_OF(job, weir_auth, job);
    a->work(a);
    weir_loop_post(a->client->worker->loop, &a->back);
}

/* Runs `work` off the loop, then `done` on it. */
static void run(weir_auth *auth, void (*work)(weir_auth *auth), void (*done)(weir_auth *auth))
{
    weir_executor *executor = gateway_of(auth)->options.hasher;
    if (!executor) { /* the simulator: one thread for everything */
        work(auth);
        done(auth);
        return;
    }
    auth->step = WEIR_AUTH_WORKING;
    auth->work = work;
    auth->done = done;
    auth->job.run = run_job;
    auth->back.run = come_back;
    weir_executor_submit(executor, &auth->job);
}

bool weir_client_auth_is_working(const weir_client *c)
{
    return c->auth && c->auth->step == WEIR_AUTH_WORKING;
}

void weir_client_auth_free(weir_client *c)
{
    weir_auth *a = c->auth;
    if (!a)
        return;
    assert(a->step != WEIR_AUTH_WORKING);
    weir_list_remove(&a->waiting);
    atomic_fetch_sub(&gateway_of(a)->logins, 1);
    weir_pg_auth_server_fini(&a->server);
    weir_pg_forget(&a->secret, sizeof(a->secret));
    if (a->in.data)
        weir_pg_forget(a->in.data, a->in.cap);
    weir_buf_fini(&a->in);
    weir_buf_fini(&a->out);
    free(a);
    c->auth = NULL;
}

/* ---- admitted ---- */

static void admit(weir_auth *a, bool trusted)
{
    weir_client *c = a->client;
    int r = weir_auth_pass_on(a);
    c->trusted = trusted;
    weir_client_auth_free(c);
    if (r < 0)
        weir_client_out_of_memory(c);
    else
        weir_client_admit(c);
}

/* ---- the exchange ---- */

/* The client learns nothing from the method that it is asked for but what the rule says; under md5
 * an unknown user looks like most known ones. */
static weir_pg_auth_method method_for(const weir_auth *a)
{
    if (a->rule->method == WEIR_HBA_PASSWORD)
        return WEIR_PG_AUTH_PASSWORD;
    if (a->rule->method == WEIR_HBA_SCRAM || a->secret.kind == WEIR_SECRET_SCRAM)
        return WEIR_PG_AUTH_SCRAM;
    bool unknown = a->secret.kind == WEIR_SECRET_NONE;
    return unknown && a->settings->config->access.lookup ? WEIR_PG_AUTH_SCRAM : WEIR_PG_AUTH_MD5;
}

static void set_binding(weir_auth *a)
{
    const weir_tls_info *tls = weir_stream_tls(a->client->stream);
    if (!tls || tls->binding_len > sizeof(a->server.binding))
        return;
    memcpy(a->server.binding, tls->binding, tls->binding_len);
    a->server.binding_len = (uint8_t)tls->binding_len;
}

static void begin_exchange(weir_auth *a)
{
    weir_client *c = a->client;
    weir_pg_auth_method method = method_for(a);
    bool by_secret =
        a->secret.kind == WEIR_SECRET_SCRAM || (a->secret.derived && method == WEIR_PG_AUTH_SCRAM);
    bool by_text = !by_secret && a->secret.kind != WEIR_SECRET_NONE;
    uint8_t random[32];
    weir_loop_random(c->worker->loop, random, sizeof(random));
    a->step = WEIR_AUTH_ASKING;
    set_binding(a);
    int r = weir_pg_auth_server_begin(
        &a->server, method, weir_slice_cstr(c->user), by_text ? a->secret.text : NULL,
        by_secret ? &a->secret.scram : NULL, random, gateway_of(a)->mock_key, &a->out);
    if (r < 0) {
        weir_client_out_of_memory(c);
        return;
    }
    weir_client_write(c, weir_buf_slice(&a->out));
    weir_buf_clear(&a->out);
    weir_stream_resume(c->stream);
}

static void on_derived(weir_auth *a)
{
    if (a->result < 0) {
        weir_client_out_of_memory(a->client);
        return;
    }
    weir_auth_keep_derived(a);
    begin_exchange(a);
}

void weir_auth_known(weir_auth *auth)
{
    bool derive = auth->secret.kind == WEIR_SECRET_CLEAR && auth->rule->method == WEIR_HBA_SCRAM;
    if (derive && !weir_auth_derived(auth))
        run(auth, weir_auth_derive, on_derived);
    else
        begin_exchange(auth);
}

/* The final AuthenticationOk goes out here; the greeting follows when the session stands. */
static void on_fed(weir_auth *a)
{
    weir_client *c = a->client;
    if (a->result == 0 && a->out.len > 0)
        weir_client_write(c, weir_buf_slice(&a->out));
    weir_buf_clear(&a->out);
    if (a->result == -ENOMEM) {
        weir_client_out_of_memory(c);
    } else if (a->result < 0) {
        weir_error err;
        weir_error_set(&err, a->result == -EPROTO || a->result == -EMSGSIZE ? "08P01" : "28P01",
                       "weir: malformed or unexpected message during authentication");
        weir_client_fatal(c, &err);
    } else if (a->server.state == WEIR_PG_AUTH_FAILED) {
        refuse_password(a);
    } else if (a->server.state == WEIR_PG_AUTH_DONE) {
        admit(a, false);
    }
}

static void feed(weir_auth *a)
{
    a->result = weir_pg_auth_server_feed(&a->server, weir_buf_slice(&a->in), &a->out);
    weir_pg_forget(a->in.data, a->in.len);
    weir_buf_clear(&a->in);
}

size_t weir_client_on_auth(weir_client *c, weir_slice in)
{
    weir_auth *a = c->auth;
    weir_pg_frame f;
    if (a->step != WEIR_AUTH_ASKING) {
        weir_stream_pause(c->stream);
        return 0;
    }
    int r = weir_pg_frame_next(in, WEIR_PG_STARTUP_SIZE_MAX, &f);
    if (r == WEIR_PG_MORE)
        return 0;
    size_t used = r == 0 ? f.whole.len : in.len;
    if (r == 0 && f.type != WEIR_PG_F_PASSWORD)
        r = -EPROTO;
    if (r == 0)
        r = weir_buf_append(&a->in, f.body);
    a->result = r;
    if (r < 0) {
        on_fed(a);
    } else if (weir_pg_auth_server_is_costly(&a->server)) {
        run(a, feed, on_fed);
    } else {
        feed(a);
        on_fed(a);
    }
    return c->state == WEIR_CLIENT_CLOSING ? in.len : used;
}

/* ---- without an exchange ---- */

static void ask_who(weir_auth *a)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    a->result = getpwuid_r(a->uid, &entry, room, sizeof(room), &found);
    if (a->result == 0 && found && strlen(found->pw_name) < sizeof(a->system_user))
        memcpy(a->system_user, found->pw_name, strlen(found->pw_name) + 1);
}

static void on_who(weir_auth *a)
{
    const weir_client *c = a->client;
    const weir_hba_map *maps = a->settings->config->access.maps;
    if (a->system_user[0] && weir_hba_map_allows(maps, a->rule->map, a->system_user, c->user)) {
        admit(a, true);
        return;
    }
    weir_error err;
    weir_error_set(&err, "28000", "weir: Peer authentication failed for user \"%s\"", c->user);
    refuse(a, &err, a->system_user[0] ? a->system_user : "unknown system user");
}

static void begin_peer(weir_auth *a)
{
    if (weir_stream_peer_uid(a->client->stream, &a->uid) < 0)
        on_who(a);
    else
        run(a, ask_who, on_who);
}

/* Whether the certificate that the rule asks for was shown, and says what it must. */
static bool has_certificate(const weir_auth *a)
{
    const weir_tls_info *tls = weir_stream_tls(a->client->stream);
    if (!tls || !tls->verified)
        return false;
    if (a->rule->clientcert == WEIR_HBA_CERT_VERIFY_CA)
        return true;
    const char *name = a->rule->by_dn ? tls->peer_dn : tls->peer_cn;
    return name && weir_hba_map_allows(a->settings->config->access.maps, a->rule->map, name,
                                       a->client->user);
}

static void refuse_certificate(weir_auth *a)
{
    weir_error err;
    const weir_tls_info *tls = weir_stream_tls(a->client->stream);
    if (!tls || !tls->verified)
        weir_error_set(&err, "28000", "weir: connection requires a valid client certificate");
    else
        weir_error_set(&err, "28000", "weir: certificate authentication failed for user \"%s\"",
                       a->client->user);
    refuse(a, &err, "certificate");
}

static void begin_method(weir_auth *a)
{
    if (a->rule->clientcert && !has_certificate(a)) {
        refuse_certificate(a);
        return;
    }
    switch (a->rule->method) {
    case WEIR_HBA_REJECT:
        refuse_visitor(a, "a rule rejects connection for", "reject");
        break;
    case WEIR_HBA_TRUST:
    case WEIR_HBA_CERT:
        admit(a, true);
        break;
    case WEIR_HBA_PEER:
        begin_peer(a);
        break;
    case WEIR_HBA_PASSWORD:
    case WEIR_HBA_MD5:
    case WEIR_HBA_SCRAM:
        weir_auth_find(a);
        break;
    }
}

/* ---- the beginning ---- */

static bool is_ours(const weir_hba_ip *ip, bool whole_net)
{
    return weir_address_is_ours(ip->bytes, ip->v6, whole_net);
}

static const weir_hba_rule *find_rule(const weir_auth *a)
{
    const weir_client *c = a->client;
    const char *peer = weir_stream_peer(c->stream), *colon = strrchr(peer, ':');
    weir_hba_visitor v = {.database = c->database,
                          .user = c->user,
                          .local = !colon,
                          .tls = weir_stream_tls(c->stream) != NULL,
                          .is_ours = is_ours};
    bool v6 = peer[0] == '[';
    if (colon &&
        weir_hba_ip_parse(weir_slice_make(peer + v6, (size_t)(colon - peer) - 2 * v6), &v.ip) < 0)
        return NULL;
    return weir_hba_match(a->settings->config->access.rules, &v);
}

/* One more that logs in; false: one too many. */
static bool take_place(weir_gateway *g)
{
    unsigned most = weir_gateway_config(g)->limits.logins;
    unsigned before = atomic_fetch_add(&g->logins, 1);
    return most == 0 || before < most;
}

void weir_client_authenticate(weir_client *c)
{
    weir_gateway *g = c->worker->gateway;
    weir_auth *a = calloc(1, sizeof(*a));
    if (!a) {
        weir_client_out_of_memory(c);
        return;
    }
    weir_list_init(&a->waiting);
    weir_buf_init(&a->in, WEIR_PG_STARTUP_SIZE_MAX);
    weir_buf_init(&a->out, 4096);
    a->client = c;
    a->settings = weir_gateway_settings(g);
    c->auth = a;
    c->state = WEIR_CLIENT_AUTH;
    if (!take_place(g)) {
        weir_error err;
        weir_error_set(&err, "53300", "weir: too many clients are logging in (limits.logins is %u)",
                       a->settings->config->limits.logins);
        weir_client_fatal(c, &err);
        return;
    }
    a->rule = find_rule(a);
    if (a->rule)
        begin_method(a);
    else
        refuse_visitor(a, "no rule for", "no rule");
}
