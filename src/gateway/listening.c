/* What a client listens to: see listening.h.
 *
 *   IDLE ──take──► TAKING ──hub──► IDLE                    LISTEN alone: we answer it
 *   IDLE ──admit──► ADMITTING ──hub──► ADMITTED ──admit──► IDLE, unsettled
 *   IDLE ──before_commit──► MARKING ──hub──► MARKED ──before_commit──► IDLE
 *   IDLE ──settle──► LOOKING ──server──► WANTING ──hub──► ENDING ──server──► IDLE, settled
 *   IDLE ──sync──► SYNCING ──hub──► IDLE
 *
 * What the server listens to after a transaction is the truth about its LISTEN and UNLISTEN only if
 * it listened to the client's channels before them. So before the first of them it is made to, and
 * a setting that lives and dies with that (weir.listening, rolled back with the same savepoints)
 * says at the end whether it lasted. */
#include "gateway/internal.h"
#include "gateway/listen.h"
#include "gateway/listen_text.h"
#include "gateway/news.h"
#include <stdlib.h>

#define NAMES_MAX (16u * 1024 * 1024)

typedef enum listening_step {
    IDLE,
    TAKING,
    ADMITTING,
    ADMITTED,
    MARKING,
    MARKED,
    LOOKING,
    WANTING,
    ENDING,
    SYNCING
} listening_step;

struct weir_listening {
    weir_client *client;
    weir_listener listener; /* hub NULL: not needed yet */
    weir_news news;         /* to be told */
    weir_note_queue own;    /* from the server connection, while unsettled */
    listening_step step;
    bool unsettled;
    bool kept;     /* the hub could not: the server connection listens too (is_on_server) */
    bool restored; /* the server listened to all that the client did */
    bool failed;   /* the transaction had an error */
    bool discards; /* it is DISCARD ALL */
    bool asking;   /* `question` is under way */
    bool orphaned; /* what was asked of the hub is waited for no more */
    bool aside;    /* pinned only so that the hub finds a connection (step_aside) */
    weir_listen_command command; /* TAKING */
    weir_question question;
    uint64_t looked_at; /* the connection that it is about */
    weir_buf names;     /* as the server gave them, each with a length byte before it */
    weir_listening_done *done;
};

static weir_listening *of_listener(weir_listener *listener)
{
    return WEIR_CONTAINER_OF(listener, weir_listening, listener);
}

static weir_slice encoding_of(const weir_client *c)
{
    weir_slice value;
    bool set =
        weir_pg_param_find(weir_slice_make(c->params, c->params_len), "client_encoding", &value);
    return set ? value : (weir_slice){0};
}

/* As long as the session is pinned for it. */
static bool is_on_server(const weir_listening *l)
{
    return l->kept && (l->client->session.pinned & WEIR_EFFECT_LISTEN);
}

/* ---- telling the client ---- */

void weir_listening_deliver(weir_client *c)
{
    if (c->listening && !c->closed && c->state == WEIR_CLIENT_ACTIVE)
        weir_news_deliver(&c->listening->news, c);
}

/* Between transactions, at a message's end, with no ReadyForQuery to come before which it would
 * have to be told. */
static bool is_quiet(const weir_client *c)
{
    if (c->state != WEIR_CLIENT_ACTIVE || c->closed)
        return false;
    if (!c->session.conn)
        return !c->relay.lost;
    return !weir_listening_is_busy(c) && c->relay.status == 'I' && !c->relay.batch &&
           c->relay.sent == 0;
}

bool weir_listening_has_news(const weir_client *c)
{
    const weir_listening *l = c->listening;
    return l && weir_news_any(&l->news);
}

void weir_listening_drained(weir_client *c)
{
    if (c->listening && is_quiet(c))
        weir_listening_deliver(c);
}

static void keep(weir_listening *l, weir_note_queue *q, weir_note *note, uint64_t seq)
{
    weir_client *c = l->client;
    uint64_t before = q->dropped;
    weir_note_queue_push(q, note, seq,
                         weir_gateway_config(c->worker->gateway)->limits.notifications);
    if (q->dropped != before)
        atomic_fetch_add_explicit(
            &weir_database_listen_stats(weir_session_database(&c->session))->dropped,
            q->dropped - before, memory_order_relaxed);
}

static void on_note(weir_listener *listener, weir_note *note, uint64_t seq)
{
    weir_listening *l = of_listener(listener);
    keep(l, &l->news.queue, note, seq);
    weir_listening_drained(l->client);
}

static void on_missed(weir_listener *listener)
{
    weir_listening *l = of_listener(listener);
    l->news.missed = true;
    weir_listening_drained(l->client);
}

/* ---- life ---- */

static void on_answered(weir_listener *listener, const weir_error *err);

static const weir_listener_events events = {
    .on_note = on_note, .on_answered = on_answered, .on_missed = on_missed};

static weir_listening *listening_get(weir_client *c)
{
    if (c->listening)
        return c->listening;
    weir_listening *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->client = c;
    weir_note_queue_init(&l->news.queue);
    weir_note_queue_init(&l->own);
    weir_buf_init(&l->names, NAMES_MAX);
    weir_list_init(&l->question.node);
    c->listening = l;
    return l;
}

/* Joins the hub of the client's encoding; another one when that has changed and nothing is
 * listened to. */
static int join_hub(weir_listening *l)
{
    weir_client *c = l->client;
    if (l->listener.hub && !weir_list_empty(&l->listener.members))
        return 0;
    if (l->listener.hub && weir_listener_waits(&l->listener))
        return 0;
    if (l->listener.hub)
        weir_listener_fini(&l->listener);
    l->listener.hub = NULL;
    return weir_listener_init(&l->listener, c->worker, weir_session_database(&c->session),
                              encoding_of(c), &events);
}

void weir_listening_fini(weir_client *c)
{
    weir_listening *l = c->listening;
    if (!l)
        return;
    c->listening = NULL;
    if (l->asking) /* its connection owes the answer, and is closed for it */
        weir_list_remove(&l->question.node);
    if (l->listener.hub)
        weir_listener_fini(&l->listener);
    weir_note_queue_fini(&l->news.queue);
    weir_note_queue_fini(&l->own);
    weir_buf_fini(&l->names);
    free(l);
}

bool weir_listening_any(const weir_client *c)
{
    const weir_listening *l = c->listening;
    return l && l->listener.hub && !weir_list_empty(&l->listener.members);
}

bool weir_listening_notified(const weir_client *c)
{
    if (weir_listening_any(c))
        return c->relay.notified;
    return c->relay.notifies && !c->holds &&
           weir_hub_is_heard(c->worker->gateway, weir_session_database(&c->session),
                             encoding_of(c));
}

bool weir_listening_must_settle(const weir_client *c)
{
    return c->listening && c->listening->unsettled;
}

bool weir_listening_is_busy(const weir_client *c)
{
    return c->listening && (c->listening->step != IDLE || c->listening->unsettled);
}

/* Not while it is paused for a connection: the message would ask for a second one. */
static void resume(weir_client *c)
{
    if (!c->closed && !c->relay.waiting)
        weir_stream_resume(c->stream);
}

static int wait_for_hub(weir_listening *l, listening_step step)
{
    l->step = step;
    weir_stream_pause(l->client->stream);
    return WEIR_LISTENING_WAIT;
}

/* A hub that has no connection yet waits for one of the pool's, while we hold one and wait for the
 * hub: with size_max clients in this place nobody would ever go on. Pinned, ours makes room. */
static void step_aside(weir_listening *l)
{
    weir_session *session = &l->client->session;
    if (weir_listener_is_heard(&l->listener) || (session->pinned & WEIR_EFFECT_LISTEN))
        return;
    weir_session_step_aside(session, WEIR_EFFECT_LISTEN);
    l->aside = session->pinned & WEIR_EFFECT_LISTEN;
}

static void step_back(weir_listening *l)
{
    weir_session *session = &l->client->session;
    unsigned others = session->pinned & ~(unsigned)WEIR_EFFECT_LISTEN;
    weir_error err;
    if (l->aside && session->conn) {
        int r = weir_session_set_pins(session, others, &err);
        assert(r == 0); /* fewer than before */
        (void)r;
    }
    l->aside = false;
}

static bool waits(const weir_listening *l)
{
    return l->step != IDLE && l->step != ADMITTED && l->step != MARKED;
}

/* `early`: it counts when its transaction has committed. */
static int want(weir_listening *l, weir_slice name, bool early)
{
    weir_client *c = l->client;
    int r = join_hub(l); /* may make the listener anew */
    l->listener.is_early = early;
    if (r == 0)
        r = weir_listener_want(&l->listener, weir_slice_cstr(c->user), name);
    return r;
}

static void leave(weir_listening *l, weir_slice name)
{
    weir_book_member *m = l->listener.hub ? weir_listener_find(&l->listener, name) : NULL;
    if (m)
        weir_listener_leave(&l->listener, m);
}

static void leave_all(weir_listening *l)
{
    if (l->listener.hub)
        weir_listener_leave_all(&l->listener);
}

/* The client has changed its encoding since it began to listen. */
static bool has_left(const weir_listening *l)
{
    return weir_listening_any(l->client) &&
           !weir_slice_eq_cstr(encoding_of(l->client), weir_listener_encoding(&l->listener));
}

/* LISTEN and UNLISTEN as the text says it. A name in another encoding than the hub's is none that
 * can be compared: such a text is the server's. */
static weir_listen_command read_command(const weir_listening *l, weir_slice text)
{
    weir_listen_command command = weir_listen_read(text);
    bool is_ascii = true;
    for (size_t i = 0; i < command.len; i++)
        is_ascii = is_ascii && command.name[i] < 0x80;
    if (!is_ascii && l && has_left(l))
        command = (weir_listen_command){.verb = WEIR_LISTEN_NONE};
    return command;
}

/* ---- LISTEN alone ---- */

static void answer(weir_client *c, weir_listen_verb verb, const weir_error *err)
{
    weir_buf out;
    weir_buf_init(&out, 64);
    if (err) {
        weir_client_error(c, err);
    } else {
        weir_slice tag =
            verb == WEIR_LISTEN_LISTEN ? WEIR_SLICE_LIT("LISTEN") : WEIR_SLICE_LIT("UNLISTEN");
        if (weir_pg_write_command_complete(&out, tag) == 0)
            weir_client_write(c, weir_buf_slice(&out));
        else
            weir_client_close(c, 0);
    }
    weir_buf_fini(&out);
    weir_listening_deliver(c);
    weir_client_ready(c, 'I');
    weir_client_seen(c);
}

static int take_listen(weir_listening *l)
{
    weir_slice name = weir_slice_make(l->command.name, l->command.len);
    int r = want(l, name, false);
    if (r != 0)
        return WEIR_LISTENING_NOT_OURS; /* the server, and then the settling, will say why */
    (void)wait_for_hub(l, TAKING);
    return 0;
}

int weir_listening_take(weir_client *c, weir_slice text)
{
    weir_listening *l = c->listening;
    if (c->holds || (l && is_on_server(l)))
        return WEIR_LISTENING_NOT_OURS;
    if (l && waits(l))
        return wait_for_hub(l, l->step);
    weir_listen_command command = read_command(l, text);
    if (command.verb == WEIR_LISTEN_NONE || command.verb == WEIR_LISTEN_DISCARD_ALL)
        return WEIR_LISTENING_NOT_OURS;
    l = listening_get(c);
    if (!l)
        return -ENOMEM;
    l->command = command;
    if (command.verb == WEIR_LISTEN_LISTEN)
        return take_listen(l);
    if (command.verb == WEIR_LISTEN_UNLISTEN)
        leave(l, weir_slice_make(command.name, command.len));
    else
        leave_all(l);
    answer(c, command.verb, NULL);
    return 0;
}

bool weir_listening_is_taking(const weir_client *c)
{
    return c->listening && c->listening->step == TAKING;
}

static void taken(weir_listening *l, const weir_error *err)
{
    weir_client *c = l->client;
    l->step = IDLE;
    if (c->state != WEIR_CLIENT_ACTIVE)
        return;
    answer(c, WEIR_LISTEN_LISTEN, err);
    if (atomic_load(&c->worker->gateway->draining) && weir_client_at_rest(c))
        weir_client_goodbye(c);
    else
        resume(c);
}

/* ---- before the server runs it ---- */

/* Nothing of ours may go between extended messages and their Sync: what such a text does is
 * concluded from it. */
static void conclude(weir_listening *l)
{
    const weir_list *list = &l->listener.members;
    weir_slice name = weir_slice_make(l->command.name, l->command.len);
    if (!l->listener.hub)
        return;
    weir_book_member *m = name.len ? weir_listener_find(&l->listener, name) : NULL;
    if (m)
        m->doomed = l->command.verb == WEIR_LISTEN_UNLISTEN;
    for (weir_list *n = list->next; n != list; n = n->next)
        if (l->command.verb == WEIR_LISTEN_UNLISTEN_ALL)
            weir_member_of_listener(n)->doomed = true;
}

/* True: the hub is asked to listen, before the server does. */
static bool want_early(weir_listening *l)
{
    weir_slice name = weir_slice_make(l->command.name, l->command.len);
    if (l->listener.hub && weir_listener_find(&l->listener, name))
        return false;
    return want(l, name, true) == 0;
}

int weir_listening_admit(weir_client *c, weir_slice text, bool mid_batch, weir_error *err)
{
    (void)err;
    if (c->holds)
        return 0;
    weir_listening *l = listening_get(c);
    if (!l)
        return -ENOMEM;
    if (waits(l))
        return wait_for_hub(l, l->step);
    if (is_on_server(l) || l->step == MARKED) /* MARKED: it is the same message again */
        return 0;
    if (l->step != ADMITTED) {
        l->command = read_command(l, text);
        if (l->command.verb == WEIR_LISTEN_LISTEN && want_early(l)) {
            step_aside(l);
            return wait_for_hub(l, ADMITTING);
        }
    }
    l->step = IDLE;
    l->unsettled = true;
    l->discards = l->discards || l->command.verb == WEIR_LISTEN_DISCARD_ALL;
    if (!weir_listening_any(c) || c->relay.status == 'E')
        return 0;
    int r =
        mid_batch ? -EMSGSIZE : weir_listener_restore(&l->listener, c->session.conn, has_left(l));
    if (r != -EMSGSIZE)
        return r;
    conclude(l);
    return 0;
}

static bool has_early(const weir_listening *l)
{
    const weir_list *list = &l->listener.members;
    for (weir_list *n = list->next; n != list; n = n->next)
        if (weir_member_of_listener(n)->state == WEIR_MEMBER_EARLY)
            return true;
    return false;
}

int weir_listening_before_commit(weir_client *c)
{
    weir_listening *l = c->listening;
    if (!l || !l->unsettled || !l->listener.hub)
        return 0;
    if (waits(l))
        return wait_for_hub(l, l->step);
    if (!has_early(l))
        return 0;
    if (l->step != MARKED && weir_listener_sync(&l->listener) == 0)
        return wait_for_hub(l, MARKING);
    l->step = IDLE;
    weir_listener_mark(&l->listener);
    return 0;
}

/* ---- after the transaction ---- */

static void finish(weir_listening *l, weir_listening_outcome outcome, const weir_error *err)
{
    l->step = IDLE;
    l->unsettled = l->restored = l->discards = false;
    for (weir_note *n; (n = weir_note_queue_pop(&l->own)); weir_note_unref(n))
        keep(l, &l->news.queue, n, l->listener.hub ? weir_listener_position(&l->listener) : 0);
    weir_listening_done *done = l->done;
    l->done = NULL;
    resume(l->client);
    done(l->client, outcome, err);
}

static bool is_due(void *user, const weir_note *note, uint64_t seq)
{
    weir_listening *l = user;
    const weir_book_member *m = weir_listener_find(&l->listener, weir_note_channel(note));
    return m && m->state == WEIR_MEMBER_EARLY && seq > m->since;
}

/* What was kept aside for channels that are listened to from now on. */
static void activate(weir_listening *l)
{
    const weir_list *list = &l->listener.members;
    weir_note_queue_merge(&l->news.queue, &l->listener.early, is_due, l);
    for (weir_list *n = list->next; n != list; n = n->next) {
        weir_book_member *m = weir_member_of_listener(n);
        if (m->state == WEIR_MEMBER_EARLY)
            m->state = WEIR_MEMBER_ACTIVE;
    }
}

static int ask(weir_listening *l, weir_slice text,
               void (*done)(weir_question *q, const weir_error *err),
               void (*row)(weir_question *q, const weir_slice *values, unsigned count))
{
    weir_conn *conn = l->client->session.conn;
    l->question = (weir_question){.text = text, .row = row, .done = done};
    weir_list_init(&l->question.node);
    l->asking = true;
    int r = conn->ops->ask(conn, &l->question);
    if (r < 0)
        l->asking = false;
    return r;
}

static void on_ended(weir_question *q, const weir_error *err)
{
    weir_listening *l = WEIR_CONTAINER_OF(q, weir_listening, question);
    (void)err; /* UNLISTEN fails only with its connection, which then listens no more */
    l->asking = false;
    finish(l, WEIR_LISTENING_SETTLED, NULL);
}

/* The hub listens to everything: the server connection need not. */
static void end_on_server(weir_listening *l)
{
    static const char text[] =
        "UNLISTEN *;SELECT pg_catalog.set_config('weir.listening', '', false)";
    const weir_conn *conn = l->client->session.conn;
    bool needed = (l->restored || l->names.len > 0) && conn && conn->id == l->looked_at;
    size_t len = l->restored ? sizeof(text) - 1 : sizeof("UNLISTEN *") - 1;
    l->step = ENDING;
    if (!needed || ask(l, weir_slice_make(text, len), on_ended, NULL) < 0)
        finish(l, WEIR_LISTENING_SETTLED, NULL);
}

static bool name_next(const weir_listening *l, size_t *pos, weir_slice *ret)
{
    if (*pos >= l->names.len)
        return false;
    *ret = weir_slice_make(l->names.data + *pos + 1, l->names.data[*pos]);
    *pos += 1 + ret->len;
    return true;
}

/* Leaves what the transaction ended, or never brought to be. */
static void drop_unlistened(weir_listening *l)
{
    const weir_list *list = &l->listener.members;
    weir_slice name;
    size_t pos = 0;
    for (weir_list *n = list->next; n != list; n = n->next)
        weir_member_of_listener(n)->keep = false;
    while (name_next(l, &pos, &name)) {
        weir_book_member *m = weir_listener_find(&l->listener, name);
        if (m)
            m->keep = true;
    }
    for (weir_list *n = list->next; n != list;) {
        weir_book_member *m = weir_member_of_listener(n);
        n = n->next;
        bool ended = l->restored || m->state == WEIR_MEMBER_EARLY || (m->doomed && !l->failed);
        m->doomed = false;
        if (!m->keep && ended)
            weir_listener_leave(&l->listener, m);
    }
}

/* Has the hub listen to what no text named. 0, or why it cannot. */
static int want_rest(weir_listening *l)
{
    weir_slice name;
    size_t pos = 0;
    int r = 0;
    while (r == 0 && name_next(l, &pos, &name))
        if (!l->listener.hub || !weir_listener_find(&l->listener, name))
            r = want(l, name, false);
    return r;
}

static void keep_on_server(weir_listening *l, const weir_error *err)
{
    l->kept = true;
    l->aside = false; /* whoever pinned it, it stays */
    finish(l, WEIR_LISTENING_KEEP, err);
}

static void discard(weir_listening *l)
{
    if (l->discards && !l->failed)
        leave_all(l);
}

/* What the transaction did is not known, but for DISCARD ALL: too much does no harm. */
static void not_looked(weir_listening *l)
{
    discard(l);
    if (l->listener.hub)
        activate(l);
}

static void looked(weir_listening *l)
{
    weir_error err;
    discard(l);
    if (l->listener.hub) {
        drop_unlistened(l);
        activate(l);
    }
    int r = want_rest(l);
    if (r != 0) {
        weir_error_set(&err, "53200", "weir: cannot listen: %s",
                       r < 0 ? strerror(-r) : "too many channels");
        keep_on_server(l, &err);
    } else if (l->listener.hub && weir_listener_waits(&l->listener)) {
        l->step = WANTING;
        step_aside(l);
    } else {
        end_on_server(l);
    }
}

static void on_row(weir_question *q, const weir_slice *values, unsigned count)
{
    weir_listening *l = WEIR_CONTAINER_OF(q, weir_listening, question);
    if (count != 2)
        return;
    if (weir_slice_eq_cstr(values[0], "t")) {
        l->restored = weir_slice_eq_cstr(values[1], "1");
        return;
    }
    uint8_t name[1 + WEIR_CHANNEL_MAX];
    size_t len = weir_listener_read_name(values[1], name + 1);
    name[0] = (uint8_t)len;
    if (len > 0 && weir_buf_append(&l->names, weir_slice_make(name, 1 + len)) < 0)
        l->question.failed = (weir_error){.sqlstate = "53200", .message = "weir: out of memory"};
}

static void on_looked(weir_question *q, const weir_error *err)
{
    weir_listening *l = WEIR_CONTAINER_OF(q, weir_listening, question);
    l->asking = false;
    if (!err) {
        looked(l);
        return;
    }
    not_looked(l);
    keep_on_server(l, err);
}

void weir_listening_lost(weir_client *c)
{
    weir_listening *l = c->listening;
    if (!l)
        return;
    if (l->asking)
        weir_list_remove(&l->question.node);
    l->asking = l->aside = false;
    if (l->step == LOOKING)
        not_looked(l);
    if (l->step == ADMITTED || l->step == MARKED)
        l->step = IDLE;
    l->orphaned = l->orphaned || l->step == SYNCING || l->step == WANTING;
    if (l->done)
        finish(l, WEIR_LISTENING_LOST, NULL);
}

int weir_listening_settle(weir_client *c, bool failed, weir_listening_done *done)
{
    weir_listening *l = c->listening;
    char text[WEIR_LOOK_MAX];
    assert(l && l->unsettled && !waits(l) && !l->asking);
    l->failed = failed;
    l->restored = false;
    l->done = done;
    l->step = LOOKING;
    l->looked_at = c->session.conn->id;
    weir_buf_clear(&l->names);
    return ask(l, weir_slice_make(text, weir_listener_look(&l->listener, has_left(l), text)),
               on_looked, on_row);
}

void weir_listening_sync(weir_client *c, weir_listening_done *done)
{
    weir_listening *l = listening_get(c);
    if (!l || join_hub(l) < 0) { /* who listens hears it a little later */
        done(c, WEIR_LISTENING_SETTLED, NULL);
        return;
    }
    assert(!waits(l));
    l->done = done;
    l->step = SYNCING;
    if (weir_listener_sync(&l->listener) < 0)
        finish(l, WEIR_LISTENING_SETTLED, NULL);
}

/* ---- what comes ---- */

static void on_answered(weir_listener *listener, const weir_error *err)
{
    weir_listening *l = of_listener(listener);
    bool orphaned = l->orphaned; /* whoever asked since then has the same answer */
    l->orphaned = false;
    if (!err || l->step != WANTING)
        step_back(l);
    switch (l->step) {
    case TAKING:
        taken(l, err);
        break;
    case ADMITTING: /* an error is the server's to say, when it runs the statement */
    case MARKING:
        l->step = l->step == ADMITTING ? ADMITTED : MARKED;
        resume(l->client);
        break;
    case WANTING:
        if (err)
            keep_on_server(l, err);
        else
            end_on_server(l);
        break;
    case SYNCING:
        finish(l, WEIR_LISTENING_SETTLED, NULL);
        break;
    default: /* weir_listening_resume's */
        if (err && !orphaned)
            on_missed(listener);
        break;
    }
}

void weir_listening_attached(weir_client *c)
{
    if (c->listening && !waits(c->listening))
        c->listening->step = IDLE; /* what was admitted went with the connection before */
    weir_listening_notifies(c);
}

void weir_listening_notifies(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    const char *address = NULL;
    uint32_t pid = 0;
    weir_gateway *g = c->worker->gateway;
    if (!atomic_load_explicit(&g->hubs, memory_order_acquire) || !conn->ops->describe)
        return;
    conn->ops->describe(conn, &address, &pid);
    weir_hubs_note_notifier(g, weir_session_database(&c->session), pid, c->id);
}

/* As a client of ours where the process is one's. */
static uint32_t shown_pid(const weir_listening *l, uint32_t pid)
{
    const char *address = NULL;
    uint32_t own = 0;
    const weir_conn *conn = l->client->session.conn;
    if (conn && conn->ops->describe)
        conn->ops->describe(conn, &address, &own);
    if (pid == own)
        return l->client->id;
    return l->listener.hub ? weir_hub_notifier(l->listener.hub, pid) : pid;
}

void weir_listening_from_server(weir_client *c, uint32_t pid, weir_slice channel,
                                weir_slice payload)
{
    weir_listening *l = c->holds ? listening_get(c) : c->listening;
    if (!l || !(c->holds || is_on_server(l) || l->unsettled))
        return;
    const weir_book_member *m = l->listener.hub ? weir_listener_find(&l->listener, channel) : NULL;
    if (m && m->state != WEIR_MEMBER_ASKED)
        return; /* the hub brings it */
    weir_note *note = weir_note_new(shown_pid(l, pid), channel, payload);
    if (!note) {
        l->news.missed = true;
        return;
    }
    if (c->holds || is_on_server(l))
        keep(l, &l->news.queue, note, l->listener.hub ? weir_listener_position(&l->listener) : 0);
    else
        keep(l, &l->own, note, 0);
    weir_note_unref(note);
    const weir_conn *conn = c->session.conn;
    if (is_quiet(c) && conn && conn->ops->owed(conn) == 0) /* else bytes before it are on the way */
        weir_listening_deliver(c);
}

/* ---- handing over ---- */

void weir_listening_each(const weir_client *c, void (*visit)(void *user, weir_slice channel),
                         void *user)
{
    if (!weir_listening_any(c))
        return;
    const weir_list *list = &c->listening->listener.members;
    for (weir_list *n = list->next; n != list; n = n->next)
        if (weir_member_of_listener(n)->state == WEIR_MEMBER_ACTIVE)
            visit(user, weir_book_name(weir_member_of_listener(n)->channel));
}

int weir_listening_resume(weir_client *c, weir_slice channel)
{
    weir_listening *l = listening_get(c);
    return l ? want(l, channel, false) : -ENOMEM;
}
