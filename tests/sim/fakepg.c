/* See fakepg.h. */
#include "fakepg.h"
#include "base/list.h"
#include "fakebackend.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct fake_session {
    weir_list node;
    fakepg *pg;
    weir_stream *stream;
    fake_backend backend;
    fake_backend_hooks hooks;
    bool started, ending;
    int owner, transaction; /* of the open transaction; owner 0: not known yet */
    uint32_t pid;
    uint8_t key[4];
    weir_timer timer; /* of the statement that takes its time */
    bool busy, slept, cancelled;
    weir_buf heard; /* notifications for the next ReadyForQuery */
} fake_session;

struct fakepg {
    simnet *sim;
    weir_loop *loop;
    weir_listener *listener;
    weir_list sessions;
    unsigned open, most;
    uint64_t statements, cancels;
    uint32_t next_pid;
    void (*violation)(void *user, const char *words);
    void *user;
};

static void ok(int r)
{
    if (r != 0)
        abort(); /* the test's own memory */
}

static void flush(fake_session *s)
{
    weir_buf *out = &s->backend.out;
    if (out->len > 0)
        weir_stream_write(s->stream, weir_buf_slice(out));
    weir_buf_clear(out);
}

/* ---- the rules that a pooler can break ---- */

static const char *application(fake_session *s)
{
    return fake_top(&s->backend.state)->settings[FAKE_APPLICATION_NAME].effective;
}

static void odd(void *user, const char *what, const char *text)
{
    fake_session *s = user;
    char words[400];
    (void)snprintf(words, sizeof(words),
                   "%s: \"%.200s\" (status %c, owner c%d t%d, application %s)", what, text,
                   s->backend.state.status, s->owner, s->transaction, application(s));
    s->pg->violation(s->pg->user, words);
}

/* What a client calls itself begins with its number: c3, c3-17. */
static bool is_of(const char *name, int client)
{
    int number = 0, end = 0;
    return sscanf(name, "c%d%n", &number, &end) == 1 && number == client &&
           (!name[end] || name[end] == '-');
}

static void called(void *user, const char *token)
{
    fake_session *s = user;
    int client = 0, transaction = 0;
    char status = s->backend.state.status;
    s->pg->statements++;
    if (sscanf(token, "c%d-t%d-", &client, &transaction) != 2)
        return;
    if (!is_of(application(s), client))
        odd(s, "a statement ran under another client's parameters", token);
    if (transaction > 0 && status == 'I')
        odd(s, "a transaction's statement ran outside it", token);
    if (status == 'I')
        return;
    if (s->owner == 0) {
        s->owner = client;
        s->transaction = transaction;
    } else if (s->owner != client || s->transaction != transaction) {
        odd(s, "a statement ran in another one's transaction", token);
    }
}

static void ended(void *user)
{
    fake_session *s = user;
    s->owner = 0;
}

/* ---- notifications ---- */

static void hear(fake_session *s, const weir_pg_notification *n)
{
    bool idle = s->backend.state.depth == 0 && !s->busy;
    ok(weir_pg_write_notification(idle ? &s->backend.out : &s->heard, n));
    if (idle)
        flush(s);
}

static void committed(void *user, unsigned count)
{
    fake_session *s = user;
    weir_list *all = &s->pg->sessions;
    for (unsigned i = 0; i < count; i++) {
        const fake_note *note = &s->backend.state.notes[i];
        char channel[] = {'c', 'h', (char)('0' + note->channel), '\0'};
        weir_pg_notification n = {.pid = s->pid,
                                  .channel = weir_slice_cstr(channel),
                                  .payload = weir_slice_cstr(note->payload)};
        for (weir_list *l = all->next; l != all; l = l->next) {
            fake_session *other = WEIR_CONTAINER_OF(l, fake_session, node);
            if (!(other->backend.state.levels[0].listens & 1u << note->channel) || other->ending)
                continue;
            if (other == s)
                ok(weir_pg_write_notification(&s->heard, &n));
            else
                hear(other, &n);
        }
    }
}

static void ready(void *user)
{
    fake_session *s = user;
    s->owner = 0;
    ok(weir_buf_append(&s->backend.out, weir_buf_slice(&s->heard)));
    weir_buf_clear(&s->heard);
}

/* ---- statements that take their time ---- */

static bool is_slow(const weir_pg_frame *f)
{
    static const char slow[] = "select slow(";
    return f->type == WEIR_PG_F_QUERY && f->body.len > sizeof(slow) &&
           memcmp(f->body.data, slow, sizeof(slow) - 1) == 0;
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    fake_session *s = WEIR_CONTAINER_OF(timer, fake_session, timer);
    s->slept = true;
    weir_stream_resume(s->stream); /* its message comes again */
}

static void cancel(fakepg *pg, const weir_pg_startup *p)
{
    pg->cancels++;
    for (weir_list *n = pg->sessions.next; n != &pg->sessions; n = n->next) {
        fake_session *s = WEIR_CONTAINER_OF(n, fake_session, node);
        if (s->started && !s->ending && s->busy && s->pid == p->cancel_pid &&
            p->cancel_key.len == sizeof(s->key) &&
            memcmp(p->cancel_key.data, s->key, sizeof(s->key)) == 0) {
            s->cancelled = true;
            weir_timer_disarm(pg->loop, &s->timer);
            on_timer(&s->timer, pg->loop);
        }
    }
}

/* False: it is not done yet. */
static bool run_slow(fake_session *s, const weir_pg_frame *f)
{
    if (!s->busy) {
        s->busy = true;
        s->slept = s->cancelled = false;
        weir_timer_arm(s->pg->loop, &s->timer,
                       weir_loop_now(s->pg->loop) +
                           (weir_time)simnet_below(s->pg->sim, 3000) * WEIR_US);
    }
    if (!s->slept)
        return false;
    s->busy = s->slept = false;
    if (s->cancelled && s->backend.state.status != 'E')
        fake_backend_refuse(&s->backend, "57014", "canceling statement due to user request");
    else
        fake_backend_message(&s->backend, f);
    return true;
}

/* ---- sessions ---- */

static void on_startup(fake_session *s, const weir_pg_startup *p)
{
    fakepg *pg = s->pg;
    if (p->kind == WEIR_PG_STARTUP_CANCEL) {
        cancel(pg, p);
        s->ending = true;
        weir_stream_close(s->stream, WEIR_SECOND);
        return;
    }
    s->started = true;
    if (++pg->open > pg->most)
        pg->most = pg->open;
    s->pid = ++pg->next_pid;
    for (size_t i = 0; i < sizeof(s->key); i++)
        s->key[i] = (uint8_t)simnet_below(pg->sim, 256);
    fake_backend_start(&s->backend, p, s->pid, weir_slice_make(s->key, sizeof(s->key)));
}

/* False: come again with the same message. */
static bool on_message(fake_session *s, const weir_pg_frame *f)
{
    if (is_slow(f))
        return run_slow(s, f);
    if (f->type != WEIR_PG_F_TERMINATE) {
        fake_backend_message(&s->backend, f);
        return true;
    }
    s->ending = true;
    flush(s);
    weir_stream_close(s->stream, WEIR_SECOND);
    return true;
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    fake_session *s = weir_stream_user(stream);
    size_t used = 0;
    while (!s->ending) {
        weir_slice rest = weir_slice_skip(in, used);
        if (!s->started) {
            weir_pg_startup p;
            weir_error err;
            int r = weir_pg_startup_read(rest, &p, &err);
            if (r == WEIR_PG_MORE)
                break;
            ok(r);
            used += p.size;
            on_startup(s, &p);
            continue;
        }
        weir_pg_frame f;
        int r = weir_pg_frame_next(rest, 1u << 20, &f);
        if (r == WEIR_PG_MORE)
            break;
        ok(r);
        if (!on_message(s, &f))
            break;
        used += f.whole.len;
    }
    if (!s->ending)
        flush(s);
    return s->ending ? in.len : used;
}

static void on_close(weir_stream *stream, int error)
{
    (void)error;
    fake_session *s = weir_stream_user(stream);
    if (s->started)
        s->pg->open--;
    weir_timer_disarm(s->pg->loop, &s->timer);
    weir_list_remove(&s->node);
    weir_buf_fini(&s->heard);
    fake_backend_fini(&s->backend);
    free(s);
}

static const weir_stream_handler handler = {.on_bytes = on_bytes, .on_close = on_close};

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    fakepg *pg = weir_listener_user(listener);
    fake_session *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->pg = pg;
    s->stream = stream;
    s->hooks = (fake_backend_hooks){.called = called,
                                    .odd = odd,
                                    .ended = ended,
                                    .committed = committed,
                                    .ready = ready,
                                    .user = s};
    fake_backend_init(&s->backend, &s->hooks);
    weir_buf_init(&s->heard, 1u << 24);
    weir_timer_init(&s->timer, on_timer);
    weir_list_push_back(&pg->sessions, &s->node);
    weir_stream_set_handler(stream, &handler, s);
}

static void on_refused(weir_listener *listener, int error)
{
    (void)listener;
    (void)error;
}

static const weir_listener_handler listener_handler = {.on_accept = on_accept,
                                                       .on_refused = on_refused};

fakepg *fakepg_new(simnet *sim, weir_loop *loop, const char *address,
                   void (*violation)(void *user, const char *words), void *user)
{
    fakepg *pg = calloc(1, sizeof(*pg));
    if (!pg)
        abort();
    *pg = (fakepg){.sim = sim, .loop = loop, .violation = violation, .user = user};
    weir_list_init(&pg->sessions);
    ok(weir_listen(loop, address, false, &listener_handler, pg, &pg->listener));
    return pg;
}

void fakepg_terminate_one(fakepg *pg)
{
    if (weir_list_empty(&pg->sessions))
        return;
    uint64_t skip = simnet_below(pg->sim, 4);
    weir_list *n = pg->sessions.next;
    while (skip-- > 0 && n->next != &pg->sessions)
        n = n->next;
    fake_session *s = WEIR_CONTAINER_OF(n, fake_session, node);
    if (!s->started || s->ending)
        return;
    fake_backend_error(&s->backend, "FATAL", "57P01",
                       "terminating connection due to administrator command");
    flush(s);
    s->ending = true;
    weir_stream_close(s->stream, WEIR_SECOND);
}

void fakepg_stop(fakepg *pg)
{
    if (pg->listener)
        weir_listener_close(pg->listener);
    pg->listener = NULL;
    for (weir_list *n = pg->sessions.next; n != &pg->sessions; n = n->next)
        weir_stream_close(WEIR_CONTAINER_OF(n, fake_session, node)->stream, 0);
}

void fakepg_free(fakepg *pg)
{
    free(pg);
}

unsigned fakepg_sessions(const fakepg *pg)
{
    return pg->open;
}

unsigned fakepg_sessions_most(const fakepg *pg)
{
    return pg->most;
}

uint64_t fakepg_statements(const fakepg *pg)
{
    return pg->statements;
}

uint64_t fakepg_cancels(const fakepg *pg)
{
    return pg->cancels;
}
