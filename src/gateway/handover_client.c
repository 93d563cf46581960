/* A client into a record and back, on its worker.
 *
 *   SERVED ──at rest──► PAUSED ──sweep──► gone from here, on its way as a passage
 *     ▲                   │ (not at rest after all)             │ taken: freed
 *     ├───────────────────┘                                     │ refused, or the other side died:
 *     └──────────────────────weir_passage_arrive────────────────┘ it lives on here
 *
 * Invariant: at any time exactly one of these holds a client's session: a weir_client, or a
 * passage; and only who holds it reads from its socket. */
#include "gateway/handover.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_EVERY (20 * WEIR_MS) /* for clients that came to rest unnoticed */
#define UNDER_WAY_MAX 128u        /* passages: descriptors in flight count against our limit */

/* ---- into a record ---- */

static weir_record record_of(const weir_client *c)
{
    weir_record record = {.id = c->id,
                          .protocol = c->version,
                          .console = c->console != NULL,
                          .has_params = c->params != c->startup,
                          .user = weir_slice_cstr(c->user),
                          .database = weir_slice_cstr(c->database),
                          .startup = weir_slice_make(c->startup, c->startup_len),
                          .params = weir_slice_make(c->params, c->params_len)};
    static_assert(sizeof(record.secret) == sizeof(c->secret), "one key");
    memcpy(record.secret, c->secret, sizeof(record.secret));
    return record;
}

/* What its user proved here: the successor's to log in with. */
static int write_identity(const weir_client *c, weir_buf *out)
{
    weir_login login;
    uint8_t keys[WEIR_RECORD_KEYS];
    weir_record record = record_of(c);
    bool brought =
        c->relays && weir_database_login(weir_session_database(&c->session), c->user, &login);
    static_assert(sizeof(login.client_key) + sizeof(login.server_key) == sizeof(keys), "both");
    if (brought)
        record.login.password = weir_slice_cstr(login.password);
    if (brought && login.has_keys) {
        memcpy(keys, login.client_key, sizeof(login.client_key));
        memcpy(keys + sizeof(login.client_key), login.server_key, sizeof(login.server_key));
        record.login.keys = weir_slice_make(keys, sizeof(keys));
    }
    int r = weir_record_write(out, &record);
    weir_pg_forget(&login, sizeof(login));
    weir_pg_forget(keys, sizeof(keys));
    return r;
}

typedef struct listens {
    weir_buf *out;
    int r;
} listens;

static void write_listen(void *user, weir_slice channel)
{
    listens *l = user;
    if (l->r == 0)
        l->r = weir_record_write_listen(l->out, channel);
}

static int write_statement(weir_buf *out, weir_slice name, const weir_prepared *p)
{
    const weir_record_statement s = {.name = name,
                                     .oids = p->oids,
                                     .settings = p->settings,
                                     .text = p->text,
                                     .by_sql = p->by_sql};
    return weir_record_write_statement(out, &s);
}

static int write_statements(const weir_client *c, weir_buf *out)
{
    const weir_named *n;
    int r = c->relay.unnamed ? write_statement(out, (weir_slice){0}, c->relay.unnamed) : 0;
    for (size_t pos = 0; r == 0 && (n = weir_map_next(&c->relay.named, &pos));)
        r = write_statement(out, weir_slice_make(n->name, n->name_len), n->prepared);
    return r;
}

static int write_record(const weir_client *c, weir_buf *out)
{
    listens l = {out, write_identity(c, out)};
    if (l.r == 0 && c->relays)
        l.r = write_statements(c, out);
    if (l.r == 0 && c->local)
        l.r = weir_local_save(c->local, out);
    if (l.r == 0 && c->relays)
        weir_listening_each(c, write_listen, &l);
    if (l.r == 0 && c->local)
        weir_local_each_channel(c->local, write_listen, &l);
    return l.r;
}

/* ---- leaving ---- */

/* It owes nothing, is owed nothing, and nothing is half way. */
static bool may_leave(const weir_client *c)
{
    const weir_relay_state *s = &c->relay;
    if (c->stays || c->internal || c->dismissed || c->closed || c->replay ||
        c->state != WEIR_CLIENT_ACTIVE || !weir_client_at_rest(c))
        return false;
    return !c->relays || (!s->skipping && !s->lost && !s->refused && !s->state && s->sent == 0 &&
                          s->passing == 0);
}

static void let_go(weir_client *c)
{
    if (!c->resting)
        return;
    c->resting = false;
    if (weir_client_at_rest(c)) /* else somebody resumed it, and a pause now is not ours */
        weir_stream_resume(c->stream);
}

/* The unread bytes go along. Negative: nothing changed. */
static int take_descriptor(weir_client *c, weir_passage *p)
{
    size_t mark = 0;
    int r = weir_record_open_unread(&p->record, &mark);
    if (r < 0)
        return r;
    size_t from = p->record.len;
    r = weir_stream_take_kept(c->stream, &p->record);
    if (r == 0)
        r = weir_stream_export(c->stream, &p->fd);
    if (r < 0 && p->record.len > from &&
        weir_stream_put_kept(c->stream,
                             weir_slice_make(p->record.data + from, p->record.len - from)) < 0)
        weir_client_close(c, 0); /* its bytes are lost, and so is it */
    weir_record_close_unread(&p->record, mark);
    return r;
}

static weir_passage *passage_new(weir_gateway_worker *w)
{
    weir_passage *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->handover = w->gateway->handover;
    p->worker = w;
    p->fd = -1;
    weir_list_init(&p->node);
    weir_buf_init(&p->record, WEIR_HANDOVER_BODY_MAX);
    return p;
}

void weir_passage_free(weir_passage *p)
{
    if (!p)
        return;
    if (p->fd >= 0)
        (void)close(p->fd);
    if (p->record.data)
        weir_pg_forget(p->record.data, p->record.len); /* it may hold a password */
    weir_buf_fini(&p->record);
    free(p);
}

/* 0: it has left. */
static int depart(weir_client *c)
{
    weir_gateway_worker *w = c->worker;
    weir_passage *p = passage_new(w);
    if (!p)
        return -ENOMEM;
    p->id = c->id;
    int r = write_record(c, &p->record);
    if (r == 0)
        r = take_descriptor(c, p);
    if (r < 0) {
        weir_passage_free(p);
        return r;
    }
    weir_client_forget(c);
    atomic_fetch_add(&p->handover->under_way, 1);
    p->task.run = weir_handover_on_given;
    weir_loop_post(weir_handover_loop(p->handover), &p->task);
    return 0;
}

static void sweep_client(weir_client *c)
{
    if (c->internal && weir_client_at_rest(c)) {
        weir_client_goodbye(c);
        return;
    }
    if (!may_leave(c)) {
        let_go(c);
        return;
    }
    if (!c->resting) {
        c->resting = true;
        weir_stream_pause(c->stream);
    }
    if (weir_stream_queued(c->stream) > 0)
        return; /* it has not read everything yet */
    int r = depart(c);
    if (r == 0 || r == -ENOMEM)
        return;
    c->stays = r != -EBUSY; /* TLS; a record that would be too long */
    let_go(c);
}

static void sweep(weir_timer *timer, weir_loop *loop)
{
    weir_gateway_worker *w = WEIR_CONTAINER_OF(timer, weir_gateway_worker, sweep);
    weir_gateway *g = w->gateway;
    if (!w->giving || atomic_load(&g->draining))
        return;
    for (weir_list *n = w->clients.next; n != &w->clients;) {
        weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        n = n->next;
        if (atomic_load(&g->handover->under_way) >= UNDER_WAY_MAX)
            break;
        sweep_client(c);
    }
    weir_timer_arm(loop, timer, weir_loop_now(loop) + LOOK_EVERY);
}

/* From inside its callbacks, where a stream cannot be taken out of its loop: soon. */
void weir_client_rested(weir_client *c)
{
    weir_gateway_worker *w = c->worker;
    if (atomic_load(&w->gateway->draining) || c->dismissed) {
        weir_client_goodbye(c);
        return;
    }
    if (!w->giving || !may_leave(c) ||
        atomic_load(&w->gateway->handover->under_way) >= UNDER_WAY_MAX)
        return;
    c->resting = true;
    weir_stream_pause(c->stream);
    weir_timer_arm(w->loop, &w->sweep, weir_loop_now(w->loop));
}

/* ---- giving begins, or is over ---- */

static void settle(weir_task *task, weir_loop *loop)
{
    weir_gateway_worker *w = WEIR_CONTAINER_OF(task, weir_gateway_worker, settle);
    atomic_store(&w->settling, false);
    w->giving = atomic_load(&w->gateway->giving);
    for (weir_list *n = w->listeners.next; n != &w->listeners; n = n->next) {
        weir_gateway_listener *l = WEIR_CONTAINER_OF(n, weir_gateway_listener, node);
        int r = weir_listener_pause(l->listener, w->giving);
        if (r < 0)
            weir_log_event(w->gateway->log, WEIR_LOG_NET, WEIR_LOG_ERROR,
                           "cannot pause or resume listening", WEIR_F_STR("address", l->configured),
                           WEIR_F_STR("reason", strerror(-r)));
    }
    for (weir_list *n = w->clients.next; n != &w->clients; n = n->next) {
        weir_client *c = WEIR_CONTAINER_OF(n, weir_client, node);
        c->stays = c->stays && !w->giving;
        if (!w->giving)
            let_go(c);
    }
    if (w->giving)
        weir_timer_arm(loop, &w->sweep, weir_loop_now(loop));
}

void weir_gateway_settle(weir_gateway *g)
{
    for (unsigned i = 0; i < g->options.workers; i++) {
        weir_gateway_worker *w = &g->workers[i];
        if (atomic_exchange(&w->settling, true))
            continue; /* it has not looked yet: it will see what is so then */
        w->settle.run = settle;
        weir_loop_post(w->loop, &w->settle);
    }
}

void weir_worker_init_handover(weir_gateway_worker *w)
{
    weir_timer_init(&w->sweep, sweep);
}

/* ---- arriving ---- */

static char *copy(weir_slice s)
{
    return strndup((const char *)s.data, s.len);
}

static int restore_identity(weir_client *c, const weir_record *record)
{
    c->version = record->protocol;
    c->id = 0;
    memcpy(c->secret, record->secret, sizeof(c->secret));
    c->user = copy(record->user);
    c->database = copy(record->database);
    if (!c->user || !c->database || weir_client_set_startup(c, record->startup) < 0)
        return -ENOMEM;
    return record->has_params ? weir_client_set_params(c, record->params) : 0;
}

static int restore_id(weir_client *c, uint32_t id)
{
    if (weir_client_find(c->worker, id))
        return -EEXIST;
    c->id = id;
    int r = weir_map_put(&c->worker->by_id, weir_slice_make(&c->id, sizeof(c->id)), c, NULL);
    if (r != 0)
        c->id = 0;
    return r == WEIR_MAP_FULL ? -ENOSPC : r;
}

static int restore_statements(weir_client *c, weir_slice statements)
{
    weir_record_statement s;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_record_next_statement(statements, &pos, &s);) {
        weir_prepared *p = weir_client_prepared_restore(c, s.text, s.oids, s.settings);
        if (!p)
            return -ENOMEM;
        if (s.by_sql)
            weir_client_prepared_by_sql(p);
        if (s.name.len == 0) {
            weir_client_prepared_unref(c->relay.unnamed);
            c->relay.unnamed = p;
            continue;
        }
        r = weir_client_named_put(c, s.name, p, true);
        if (r != 0)
            weir_client_prepared_unref(p);
    }
    return r == WEIR_MAP_FULL ? -ENOSPC : r;
}

static int restore_login(weir_client *c, weir_database *d, const weir_record_login *brought)
{
    weir_login login = {0}, known;
    if (brought->password.len == 0 && brought->keys.len == 0)
        return 0;
    if (weir_database_login(d, c->user, &known)) { /* of one who has just proved it here */
        weir_pg_forget(&known, sizeof(known));
        return 0;
    }
    if (brought->password.len > WEIR_LOGIN_PASSWORD_MAX)
        return -EMSGSIZE;
    memcpy(login.password, brought->password.data, brought->password.len);
    login.has_keys = brought->keys.len > 0;
    if (login.has_keys) {
        memcpy(login.client_key, brought->keys.data, sizeof(login.client_key));
        memcpy(login.server_key, brought->keys.data + sizeof(login.client_key),
               sizeof(login.server_key));
    }
    int r = weir_database_set_login(d, weir_slice_cstr(c->user), &login);
    weir_pg_forget(&login, sizeof(login));
    return r;
}

static int restore_listens(weir_client *c, weir_slice run)
{
    weir_slice channel;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_record_next_listen(run, &pos, &channel);)
        r = c->local ? weir_local_listen(c->local, channel) : weir_listening_resume(c, channel);
    c->missed = run.len > 0;
    return r;
}

static int open_session(weir_client *c, const weir_record *record)
{
    weir_gateway *g = c->worker->gateway;
    weir_error err;
    if (record->console)
        return weir_client_console_init(c);
    weir_database *d = weir_engine_find_database(g->engine, record->database);
    if (!d)
        return -ENOENT;
    c->relays = weir_database_backend(d)->ops->relays;
    int r = restore_login(c, d, &record->login);
    if (r == 0)
        r = weir_client_join(c, d, &err);
    if (r != 0)
        return r < 0 ? r : -EAGAIN;
    if (!c->relays) {
        r = weir_client_local_init(c);
        return r < 0 ? r : restore_listens(c, record->listens);
    }
    weir_client_relay_init(c);
    r = restore_statements(c, record->statements);
    return r < 0 ? r : restore_listens(c, record->listens);
}

/* SQLite's statements are prepared anew, which may take time: as if the client sent Parse and Sync
 * again, with the answers dropped. */
static int plan_replay(weir_client *c, const weir_record *record)
{
    weir_slice name, value;
    weir_record_statement s;
    int r = 0;
    if (!c->local || (record->settings.len == 0 && record->statements.len == 0))
        return 0;
    c->replay = calloc(1, sizeof(*c->replay));
    if (!c->replay)
        return -ENOMEM;
    weir_buf_init(&c->replay->bytes, 2 * WEIR_HANDOVER_BODY_MAX);
    for (size_t pos = 0; r == 0 && weir_record_next_setting(record->settings, &pos, &name, &value);)
        r = weir_local_restore_setting(c->local, name, value);
    for (size_t pos = 0; r == 0 && weir_record_next_statement(record->statements, &pos, &s);) {
        r = weir_pg_write_parse(&c->replay->bytes, s.name, s.text, s.oids);
        if (r == 0)
            r = weir_pg_write_empty(&c->replay->bytes, WEIR_PG_F_SYNC);
    }
    return r;
}

static int restore(weir_client *c, const weir_record *record)
{
    int r = restore_identity(c, record);
    if (r == 0)
        r = open_session(c, record);
    if (r == 0)
        r = restore_id(c, record->id);
    return r < 0 ? r : plan_replay(c, record);
}

int weir_passage_arrive(weir_passage *p, weir_gateway_worker *w)
{
    weir_record record;
    int r = weir_record_read(weir_buf_slice(&p->record), &record);
    if (r < 0)
        return r;
    weir_client *c = weir_client_new(w);
    if (!c)
        return -ENOMEM;
    atomic_fetch_add(&w->client_count, 1);
    atomic_fetch_add(&w->gateway->clients, 1);
    r = restore(c, &record);
    if (r == 0)
        r = weir_client_adopt_descriptor(c, p->fd, record.unread);
    if (r < 0) {
        weir_client_forget(c);
        return r;
    }
    p->fd = -1;
    p->id = c->id;
    c->stays = p->stays;
    c->state = WEIR_CLIENT_ACTIVE;
    return 0;
}

/* What was notified while it was on its way went to nobody. */
static void tell_missed(weir_client *c)
{
    weir_error err;
    weir_buf out;
    weir_error_set(&err, "01000", "weir: restarted; notifications of this moment may be missing");
    weir_buf_init(&out, 8192);
    if (weir_pg_write_notice(&out, "WARNING", &err) == 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    c->missed = false;
}

void weir_client_set_out(weir_client *c)
{
    weir_client_seen(c);
    if (c->missed)
        tell_missed(c);
    if (c->replay)
        weir_client_go_on_replaying(c);
    else
        weir_stream_resume(c->stream);
}

void weir_client_go_on_replaying(weir_client *c)
{
    weir_replay *replay = c->replay;
    weir_slice rest = weir_slice_skip(weir_buf_slice(&replay->bytes), replay->pos);
    weir_pg_frame f;
    while (rest.len > 0 && c->state == WEIR_CLIENT_ACTIVE) {
        if (weir_pg_frame_next(rest, WEIR_HANDOVER_BODY_MAX, &f) != 0) {
            weir_client_goodbye(c);
            return;
        }
        int r = weir_local_feed(c->local, &f);
        if (r == WEIR_LOCAL_BUSY)
            return; /* local_ready comes */
        if (r < 0) {
            weir_client_goodbye(c);
            return;
        }
        replay->pos += f.whole.len;
        rest = weir_slice_skip(rest, f.whole.len);
    }
    if (weir_local_is_busy(c->local))
        return;
    weir_replay_free(replay);
    c->replay = NULL;
    if (c->state == WEIR_CLIENT_ACTIVE)
        weir_stream_resume(c->stream);
}

void weir_replay_free(weir_replay *replay)
{
    if (!replay)
        return;
    weir_buf_fini(&replay->bytes);
    free(replay);
}

void weir_passage_turn_away(int fd)
{
    weir_error err;
    weir_buf out;
    weir_error_set(&err, "57P01", "weir: this session could not be taken along in a restart");
    weir_error_hint(&err, "Connect again.");
    weir_buf_init(&out, 8192);
    if (weir_pg_write_error(&out, "FATAL", &err) == 0)
        (void)send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    weir_buf_fini(&out);
    (void)close(fd);
}
