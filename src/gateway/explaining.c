/* EXPLAIN CACHE by a client whose backend speaks its protocol: no server knows it, it is answered
 * here. The client's next message waits for the answer; if the client leaves meanwhile, the answer
 * finds nobody and frees what is left. */
#include "gateway/cached.h"
#include "gateway/explain.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define TEXT_OID 25u

struct weir_explaining {
    weir_client *client; /* NULL: it left */
};

static const char words[] = "explain cache ";

static int write_rows(const weir_report *report, weir_buf *out)
{
    weir_pg_column column = {.name = WEIR_SLICE_LIT("cache"),
                             .type_oid = TEXT_OID,
                             .type_size = -1,
                             .type_modifier = -1};
    weir_slice cell;
    int r = weir_pg_write_row_description(out, &column, 1);
    for (size_t pos = 0, mark = 0; r == 0 && weir_report_next(report, &pos, &cell);) {
        r = weir_pg_row_begin(out, 1, &mark);
        if (r == 0)
            r = weir_pg_row_cell(out, cell);
        if (r == 0)
            r = weir_pg_row_end(out, mark);
    }
    return r == 0 ? weir_pg_write_command_complete(out, WEIR_SLICE_LIT("EXPLAIN")) : r;
}

static void answer(weir_client *c, const weir_report *report, const weir_error *err)
{
    weir_buf out;
    weir_error short_of;
    weir_buf_init(&out, WEIR_REPORT_SIZE_MAX);
    if (!err && (weir_report_error(report) < 0 || write_rows(report, &out) < 0)) {
        weir_error_set(&short_of, "53200", "weir: out of memory");
        err = &short_of;
    }
    if (err)
        weir_client_error(c, err);
    else
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
    weir_client_ready(c, c->relay.status);
}

static void on_explained(void *user, const weir_report *report, const weir_error *err)
{
    struct weir_explaining *e = user;
    weir_client *c = e->client;
    free(e);
    if (!c)
        return;
    c->explaining = NULL;
    answer(c, report, err);
    weir_client_seen(c);
    weir_stream_resume(c->stream);
}

static int refuse(weir_client *c, const char *sqlstate, const char *why)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s", why);
    weir_client_error(c, &err);
    weir_client_ready(c, c->relay.status);
    return 0;
}

static int begin(weir_client *c, weir_slice text)
{
    weir_surroundings at;
    bool known = weir_client_cached_surroundings(c, &at) != NULL;
    struct weir_explaining *e = malloc(sizeof(*e));
    weir_explain request = {.home = c->worker->loop,
                            .database = weir_session_database(&c->session),
                            .login = weir_slice_cstr(c->user),
                            .text = text,
                            .search_path = known ? at.search_path : (weir_slice){0},
                            .role = known ? at.role : (weir_slice){0},
                            .done = on_explained,
                            .user = e};
    if (!e || weir_gateway_explain(c->worker->gateway, &request) < 0) {
        free(e);
        return refuse(c, "53200", "out of memory");
    }
    e->client = c;
    c->explaining = e;
    weir_stream_pause(c->stream);
    return 0;
}

int weir_client_explains(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text;
    const weir_conn *conn = c->session.conn;
    if (f->type != WEIR_PG_F_QUERY || f->body.len < sizeof(words) ||
        !weir_slice_eq_nocase(weir_slice_head(f->body, sizeof(words) - 1), words) ||
        c->relay.skipping || c->relay.batch || c->relay.sent > 0 || c->relay.waiting ||
        c->relay.state || c->relay.lost || (conn && conn->ops->owed(conn) != 0) ||
        weir_pg_query_read(f->body, &text) != 0)
        return WEIR_CACHED_NOT_HERE;
    text = weir_slice_skip(text, sizeof(words) - 1);
    if (text.len > WEIR_EXPLAIN_TEXT_MAX)
        return refuse(c, "54000", "the statement is too long to explain");
    return begin(c, text);
}

void weir_client_explaining_free(weir_client *c)
{
    if (c->explaining)
        c->explaining->client = NULL;
    c->explaining = NULL;
}
