/* Errands: see errand.h.
 *
 *      start ──► WAITING (for a connection) ──lent──► ASKED ──done──► ended
 *                    └──refused──► ended               └──lost──► ended
 */
#include "engine/errand.h"

static weir_errand *of_session(weir_session *session)
{
    return WEIR_CONTAINER_OF(session, weir_errand, session);
}

static void end(weir_errand *e, const weir_error *err)
{
    assert(!e->ended);
    e->ended = true;
    weir_session_close(&e->session);
    e->done(e, err);
}

static void on_row(weir_question *question, const weir_slice *values, unsigned count)
{
    weir_errand *e = WEIR_CONTAINER_OF(question, weir_errand, question);
    if (e->row && !e->ended)
        e->row(e, values, count);
}

static void on_done(weir_question *question, const weir_error *err)
{
    weir_errand *e = WEIR_CONTAINER_OF(question, weir_errand, question);
    e->asked = false;
    if (e->session.conn) {
        e->system = e->session.conn->system;
        e->timeline = e->session.conn->timeline;
    }
    end(e, err);
}

static void out_of_memory(weir_errand *e)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    end(e, &err);
}

static void ask(weir_errand *e)
{
    static const weir_parameters none;
    weir_conn *conn = e->session.conn;
    conn->sink = &e->sink;
    e->asked = true;
    if (conn->ops->adopt(conn, &none) == 0 && conn->ops->ask(conn, &e->question) == 0)
        return;
    e->asked = false;
    out_of_memory(e);
}

static void on_lent(weir_session *session)
{
    ask(of_session(session));
}

static void on_refused(weir_session *session, const weir_error *err)
{
    end(of_session(session), err);
}

static const weir_session_events session_events = {.lent = on_lent, .refused = on_refused};

/* ---- the connection's: nothing but our question's answer comes ---- */

/* The question is told next. */
static void on_lost(weir_relay_sink *sink, const weir_error *err, size_t ready_owed, bool torn)
{
    weir_session_lost(&WEIR_CONTAINER_OF(sink, weir_errand, sink)->session);
    (void)err;
    (void)ready_owed;
    (void)torn;
}

static const weir_relay_events relay_events = {.on_bytes = weir_relay_ignore_bytes,
                                               .on_statement = weir_relay_ignore_statement,
                                               .on_ready = weir_relay_ignore_ready,
                                               .congested = weir_relay_never_congested,
                                               .on_room = weir_relay_ignore_room,
                                               .on_lost = on_lost};

void weir_errand_start(weir_errand *errand, weir_worker *worker, weir_database *database,
                       weir_slice user, weir_slice text, const weir_slice *params,
                       unsigned param_count)
{
    weir_error err;
    errand->sink.events = &relay_events;
    errand->question = (weir_question){
        .text = text, .params = params, .param_count = param_count, .row = on_row, .done = on_done};
    int (*open)(weir_session *, weir_worker *, weir_database *, weir_slice,
                const weir_session_events *, weir_error *) =
        errand->as_user ? weir_session_open_as : weir_session_open;
    int r = open(&errand->session, worker, database, user, &session_events, &err);
    if (r == 0)
        r = weir_session_borrow(&errand->session, WEIR_ROLE_WRITE, &err);
    if (r == WEIR_SESSION_REFUSED)
        end(errand, &err);
    else if (r < 0)
        out_of_memory(errand);
    else if (r == 0)
        ask(errand);
}

void weir_errand_drop(weir_errand *errand)
{
    if (errand->ended || !weir_session_is_open(&errand->session))
        return;
    errand->ended = true;
    weir_conn *conn = errand->session.conn;
    if (errand->asked && conn) {
        weir_list_remove(&errand->question.node);
        conn->sink = NULL;
    }
    weir_session_close(&errand->session); /* what is owed makes the connection unclean: it closes */
}
