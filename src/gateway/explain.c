/* EXPLAIN CACHE: what the cache makes of a statement, in words.
 *
 *   home ──► analyst ──► home (done)
 *
 * The file is opened and the grammar runs on the analysis thread, which may block and has the stack
 * for it. Invariant: one thread at a time touches a request; whoever asked waits for `done`. */
#include "gateway/explain.h"
#include "backend/sqlite/sqlite.h"
#include "compat/compat.h"
#include "engine/cache.h"
#include "engine/catalog.h"
#include "gateway/internal.h"
#include "sql/reads.h"
#include <stdlib.h>

#define WORDS_MAX (256u * 1024)

typedef struct explanation {
    weir_job job;
    weir_task task;
    weir_gateway *gateway;
    weir_explain request; /* its texts lie in `bytes` */
    weir_slice user;      /* of the server; likewise */
    weir_report report;
    weir_error err; /* sqlstate "": none */
    uint8_t bytes[];
} explanation;

static const weir_report_column columns[] = {{"cache", WEIR_REPORT_TEXT}};

const weir_report_column *weir_gateway_explain_column(void)
{
    return columns;
}

/* ---- on the analysis thread ---- */

/* NULL: no file that another connection could open. */
static const char *file_of(const explanation *e)
{
    const weir_config *config = weir_gateway_config(e->gateway);
    const char *name = weir_database_name(e->request.database);
    for (unsigned i = 0; i < config->database_count; i++) {
        const weir_config_database *d = &config->databases[i];
        if (strcmp(d->name, name) == 0 && d->path && strcmp(d->path, ":memory:") != 0)
            return d->path;
    }
    return NULL;
}

/* Templates and footprints are of the text that the database runs. */
static int translate(explanation *e, weir_buf *out)
{
    weir_compat_context context = {.user = e->request.login,
                                   .database =
                                       weir_slice_cstr(weir_database_name(e->request.database))};
    return weir_compat_rewrite(e->request.text, &context, out, &e->err);
}

/* Online all the while: the schema must not go meanwhile. */
static int analyze_online(const explanation *e, weir_slice text, const weir_lexed *lexed,
                          weir_footprint **ret)
{
    weir_pg_surroundings at = {.schema = weir_database_schema(e->request.database),
                               .search_path = e->request.search_path,
                               .role = e->request.role};
    if (!at.role.data)
        at.role = e->user;
    if (!at.schema || (!at.search_path.data &&
                       !weir_schema_default(at.schema, e->user, "search_path", &at.search_path)))
        return weir_sql_footprint_lexed(lexed, ret); /* its server has not been read yet */
    return weir_sql_analyze_postgres_reads(text, lexed, &at, ret);
}

static int analyze_postgres(const explanation *e, weir_slice text, const weir_lexed *lexed,
                            weir_footprint **ret)
{
    weir_epoch_member *member = NULL;
    int r = weir_epoch_join(e->gateway->options.epoch, &member);
    if (r < 0)
        return r;
    weir_epoch_online(member);
    r = analyze_online(e, text, lexed, ret);
    weir_epoch_offline(member);
    weir_epoch_leave(member);
    return r;
}

static int analyze(explanation *e, weir_dialect dialect, weir_slice text, const weir_lexed *lexed,
                   weir_footprint **ret)
{
    if (lexed->statements != 1 || lexed->over_caps || lexed->unterminated)
        return weir_sql_footprint_lexed(lexed, ret);
    if (dialect == WEIR_DIALECT_POSTGRES)
        return analyze_postgres(e, text, lexed, ret);
    const char *path = file_of(e);
    int r =
        path ? weir_sqlite_analyze(path, weir_compat_face(), text, lexed, ret, &e->err) : -ENOBUFS;
    return r == -ENOBUFS ? weir_sql_footprint_lexed(lexed, ret) : r;
}

static int put_verdict(explanation *e, const weir_footprint *footprint, const weir_lexed *lexed,
                       weir_buf *out)
{
    weir_epoch_member *member = NULL;
    int r = weir_epoch_join(e->gateway->options.epoch, &member);
    if (r < 0)
        return r;
    weir_epoch_online(member);
    r = weir_engine_explain_cache(e->gateway->engine, e->request.database, e->request.login,
                                  footprint, lexed, out);
    weir_epoch_offline(member);
    weir_epoch_leave(member);
    return r;
}

static int explain(explanation *e, weir_buf *text, weir_lexed *lexed, weir_buf *out)
{
    weir_dialect dialect = weir_database_backend(e->request.database)->ops->dialect;
    weir_slice sql = e->request.text;
    weir_footprint *footprint = NULL;
    int r = 0;
    if (dialect == WEIR_DIALECT_SQLITE) {
        r = translate(e, text);
        sql = weir_buf_slice(text);
    }
    if (r == 0)
        r = weir_sql_lex(dialect, sql, lexed);
    if (r == 0)
        r = analyze(e, dialect, sql, lexed, &footprint);
    if (r == 0)
        r = put_verdict(e, footprint, lexed, out);
    weir_footprint_free(footprint);
    return r;
}

static void add_lines(weir_report *r, weir_slice words)
{
    while (words.len > 0) {
        const uint8_t *end = memchr(words.data, '\n', words.len);
        size_t len = end ? (size_t)(end - words.data) : words.len;
        weir_report_slice(r, weir_slice_head(words, len));
        words = weir_slice_skip(words, end ? len + 1 : len);
    }
}

static void come_home(weir_task *task, weir_loop *loop)
{
    (void)loop;
    explanation *e = WEIR_CONTAINER_OF(task, explanation, task);
    e->request.done(e->request.user, &e->report, *e->err.sqlstate ? &e->err : NULL);
    weir_report_fini(&e->report);
    free(e);
}

static void run(weir_job *job)
{
    explanation *e = WEIR_CONTAINER_OF(job, explanation, job);
    weir_buf text, out;
    weir_lexed lexed;
    weir_buf_init(&text, 4 * WEIR_EXPLAIN_TEXT_MAX);
    weir_buf_init(&out, WORDS_MAX);
    weir_lexed_init(&lexed);
    int r = explain(e, &text, &lexed, &out);
    if (r < 0 && !*e->err.sqlstate)
        weir_error_set(&e->err, r == -ENOMEM ? "53200" : "54000", "weir: %s",
                       r == -ENOMEM ? "out of memory" : "the statement is too long to explain");
    add_lines(&e->report, weir_buf_slice(&out));
    weir_lexed_fini(&lexed);
    weir_buf_fini(&out);
    weir_buf_fini(&text);
    e->task.run = come_home;
    weir_loop_post(e->request.home, &e->task);
}

/* ---- asking ---- */

static weir_slice keep(uint8_t **to, weir_slice s)
{
    weir_slice kept = weir_slice_make(s.data ? *to : NULL, s.len);
    if (s.data && s.len > 0)
        memcpy(*to, s.data, s.len);
    *to += s.len;
    return kept;
}

int weir_gateway_explain(weir_gateway *gateway, const weir_explain *request)
{
    assert(request->text.len <= WEIR_EXPLAIN_TEXT_MAX);
    const char *own = weir_database_user(request->database);
    weir_slice user = own ? weir_slice_cstr(own) : request->login;
    explanation *e = malloc(sizeof(*e) + request->login.len + request->text.len +
                            request->search_path.len + request->role.len + user.len);
    if (!e)
        return -ENOMEM;
    *e = (explanation){.job = {.run = run}, .gateway = gateway, .request = *request};
    uint8_t *to = e->bytes;
    e->request.login = keep(&to, request->login);
    e->request.text = keep(&to, request->text);
    e->request.search_path = keep(&to, request->search_path);
    e->request.role = keep(&to, request->role);
    e->user = keep(&to, user);
    weir_report_init(&e->report, columns, 1, 2 * WORDS_MAX);
    if (gateway->options.analyst) {
        weir_executor_submit(gateway->options.analyst, &e->job);
    } else { /* nobody has the stack for a grammar */
        weir_error_set(&e->err, "0A000", "weir: statements are not analysed here");
        e->task.run = come_home;
        weir_loop_post(request->home, &e->task);
    }
    return 0;
}
