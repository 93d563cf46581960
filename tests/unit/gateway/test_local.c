/* The virtual server over a fake backend: exchanges of messages, byte by byte. The fake answers any
 * SELECT with the rows 1 and 2 of one column, and everything else with nothing; it writes down what
 * it was asked to run, and on which connection. */
#include "engine/cache.h"
#include "gateway/local.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>

typedef struct world {
    weir_session session;
    weir_conn reader, writer;
    weir_backend backend;
    weir_local *local;
    weir_buf sent;        /* to the client */
    char journal[2048];   /* what the database was asked */
    const char *declared; /* type of the column */
    bool in_transaction;
    bool asynchronous; /* answers wait for `step` */
    weir_exec *waiting;
    unsigned ready;
    weir_buf identity;  /* the cache, from here on */
    weir_entry *answer; /* what is found; NULL: nothing */
    int fill_word;      /* what begin_fill says */
    weir_fill *fill;    /* open, or waiting */
    weir_buf filled;    /* what was gathered */
    size_t head_len;    /* of the finished answer */
    uint64_t rows;
    unsigned asked, finished, aborted, hits;
} world;

static world *w;

/* ---- the engine's functions that local*.c calls ---- */

weir_database *weir_session_database(const weir_session *session)
{
    (void)session;
    return NULL;
}
weir_backend *weir_database_backend(const weir_database *database)
{
    (void)database;
    return &w->backend;
}
const char *weir_database_name(const weir_database *database)
{
    (void)database;
    return "db";
}
int weir_session_borrow(weir_session *session, weir_role role, weir_error *err)
{
    (void)role, (void)err;
    session->conn = &w->reader;
    return 0;
}
void weir_session_return(weir_session *session)
{
    session->conn = NULL;
}
void weir_session_count_transaction(weir_session *session)
{
    (void)session;
}
void weir_session_understand(weir_session *session, weir_slice text, weir_statement *ret)
{
    (void)session;
    bool reads = text.len >= 6 && memcmp(text.data, "SELECT", 6) == 0;
    *ret = (weir_statement){.kind = reads ? WEIR_KIND_READ : WEIR_KIND_WRITE};
}
bool weir_session_known_short(const weir_session *session, const weir_statement *statement)
{
    (void)session;
    (void)statement;
    return false;
}

void weir_session_record(weir_session *session, const weir_statement *statement, weir_target target,
                         weir_time started, uint64_t rows, const char *sqlstate)
{
    (void)session, (void)statement, (void)target, (void)started, (void)rows, (void)sqlstate;
}

/* ---- the fake cache ---- */

weir_buf *weir_session_begin_identity(weir_session *session)
{
    (void)session;
    weir_buf_clear(&w->identity);
    return &w->identity;
}
const weir_entry *weir_session_find_answer(weir_session *session)
{
    (void)session;
    w->asked++;
    return weir_buf_slice(&w->identity).data[0] == 'R' ? w->answer : NULL;
}
const weir_entry *weir_session_find_instead(weir_session *session, const char *sqlstate)
{
    (void)session, (void)sqlstate;
    return NULL;
}
void weir_session_record_hit(weir_session *session, const weir_entry *entry, weir_time started)
{
    (void)session, (void)entry, (void)started;
    w->hits++;
}
void weir_session_count_miss(weir_session *session, unsigned miss)
{
    (void)session, (void)miss;
}
int weir_session_begin_fill(weir_session *session, const weir_ask *ask, weir_fill *fill)
{
    (void)session;
    if (ask->of_schema || w->fill_word == WEIR_FILL_NONE)
        return WEIR_FILL_NONE;
    w->fill = fill;
    fill->state = (struct weir_fill_state *)(void *)w;
    return w->fill_word;
}
void weir_fill_add(weir_fill *fill, weir_slice bytes)
{
    if (fill->state)
        assert_int_equal(weir_buf_append(&w->filled, bytes), 0);
}
void weir_fill_finish(weir_fill *fill, size_t head_len, uint64_t rows, uint64_t fingerprint)
{
    (void)fingerprint;
    if (!fill->state)
        return;
    w->finished++;
    w->rows = rows;
    w->head_len = head_len;
    fill->state = NULL;
}
void weir_fill_abort(weir_fill *fill, bool leaving)
{
    (void)leaving;
    if (!fill->state)
        return;
    w->aborted++;
    fill->state = NULL;
}
int weir_session_explain_cache(weir_session *session, weir_slice text, weir_buf *out)
{
    (void)session;
    return weir_buf_printf(out, "cached: yes\nof %.*s\n", (int)text.len, (const char *)text.data);
}
void weir_session_note_write(weir_session *session)
{
    (void)session;
}

/* The answer that `filled` has become. */
static void keep_what_was_filled(void)
{
    weir_entry_options options = {.bytes = weir_buf_slice(&w->filled)};
    options.like.head_len = w->head_len;
    options.like.rows = w->rows;
    assert_int_equal(weir_entry_new(&options, &w->answer), 0);
}

/* ---- the fake backend ---- */

static void note(const char *where, weir_slice text)
{
    size_t len = strlen(w->journal);
    (void)snprintf(w->journal + len, sizeof(w->journal) - len, "%s:%.*s|", where, (int)text.len,
                   text.len ? (const char *)text.data : "");
}

static bool begins(weir_slice text, const char *word)
{
    return text.len >= strlen(word) && memcmp(text.data, word, strlen(word)) == 0;
}

static void answer(weir_exec *e)
{
    bool rows = begins(e->text, "SELECT");
    weir_column column = {.name = "n", .declared = w->declared};
    e->outcome = (weir_outcome){.ok = true, .returned_rows = rows, .in_transaction = true};
    e->read_only = rows;
    e->param_total = memchr(e->text.data, '?', e->text.len) ? 1 : 0;
    if (begins(e->text, "bad")) {
        e->outcome.ok = false;
        weir_error_set(&e->outcome.error, "42601", "near bad");
    } else if (e->encoder.columns) {
        e->outcome.ok = e->encoder.columns(e->encoder.user, &e->out, &column, rows ? 1 : 0) == 0;
    }
    for (int64_t i = 1; e->outcome.ok && rows && e->mode == WEIR_EXEC_RUN && i <= 2; i++) {
        weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = i};
        assert_int_equal(e->encoder.row(e->encoder.user, &e->out, &v, 1), 0);
    }
    e->outcome.changes = begins(e->text, "INSERT") ? 1 : 0;
    e->on_done(e);
}

static void run(const char *where, weir_exec *e)
{
    if (e->mode == WEIR_EXEC_RUN)
        note(where, e->text);
    if (w->asynchronous)
        w->waiting = e;
    else
        answer(e);
}
static void fake_execute(weir_conn *conn, weir_exec *e)
{
    run(conn == &w->writer ? "W" : "R", e);
}
static void fake_write(weir_backend *b, struct weir_loop *loop, weir_exec *e, weir_time until)
{
    (void)b, (void)loop, (void)until;
    run("A", e);
}
static void fake_claim(weir_backend *b, struct weir_loop *loop, weir_claim *claim)
{
    (void)b, (void)loop;
    note("claim", (weir_slice){0});
    claim->granted(claim, &w->writer, NULL);
}
static void fake_unclaim(weir_backend *b, weir_conn *conn)
{
    (void)b, (void)conn;
    note("unclaim", (weir_slice){0});
}
static void fake_cancel(weir_conn *conn)
{
    (void)conn;
    note("cancel", (weir_slice){0});
}
static bool fake_drop(weir_backend *b, weir_claim *claim)
{
    (void)b, (void)claim;
    return true;
}

static const weir_conn_ops conn_ops = {.execute = fake_execute, .cancel = fake_cancel};
static const weir_backend_ops backend_ops = {.write = fake_write,
                                             .claim = fake_claim,
                                             .drop_claim = fake_drop,
                                             .unclaim = fake_unclaim,
                                             .dialect = WEIR_DIALECT_SQLITE};

/* ---- the host ---- */

static void on_write(void *user, weir_slice bytes)
{
    (void)user;
    assert_int_equal(weir_buf_append(&w->sent, bytes), 0);
}
static bool on_congested(void *user)
{
    (void)user;
    return false;
}
static void on_ready(void *user)
{
    (void)user;
    w->ready++;
}
static void on_fatal(void *user, const weir_error *err)
{
    (void)user;
    fail_msg("%s", err->message);
}
static weir_time on_now(void *user)
{
    (void)user;
    return 1;
}

static int setup(void **state)
{
    (void)state;
    w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->declared = "INTEGER";
    weir_buf_init(&w->sent, 1 << 20);
    weir_buf_init(&w->identity, 1 << 16);
    weir_buf_init(&w->filled, 1 << 16);
    w->backend.ops = &backend_ops;
    w->reader.ops = w->writer.ops = &conn_ops;
    weir_local_host host = {.write = on_write,
                            .congested = on_congested,
                            .ready = on_ready,
                            .fatal = on_fatal,
                            .now = on_now};
    weir_local_limits limits = {.prepared_max = 16};
    assert_int_equal(weir_local_new(&w->session, &host, &limits, &w->local), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_local_free(w->local);
    weir_buf_fini(&w->sent);
    weir_buf_fini(&w->identity);
    weir_buf_fini(&w->filled);
    weir_entry_unref(w->answer);
    free(w);
    return 0;
}

/* ---- helpers ---- */

static int feed(weir_buf *message)
{
    weir_pg_frame frame;
    assert_int_equal(weir_pg_frame_next(weir_buf_slice(message), 1 << 20, &frame), 0);
    int r = weir_local_feed(w->local, &frame);
    weir_buf_fini(message);
    return r;
}
static int query(const char *text)
{
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(weir_pg_write_query(&b, weir_slice_cstr(text)), 0);
    return feed(&b);
}
static void parse(const char *name, const char *text)
{
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(
        weir_pg_write_parse(&b, weir_slice_cstr(name), weir_slice_cstr(text), (weir_slice){0}), 0);
    assert_int_equal(feed(&b), 0);
}
static void bind(const char *statement, const char *value)
{
    uint8_t values[64] = {0, 0, 0, (uint8_t)(value ? strlen(value) : 0)};
    if (value)
        memcpy(values + 4, value, strlen(value));
    weir_pg_bind m = {.statement = weir_slice_cstr(statement),
                      .value_count = value ? 1 : 0,
                      .values = weir_slice_make(values, value ? 4 + strlen(value) : 0)};
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(weir_pg_write_bind(&b, &m), 0);
    assert_int_equal(feed(&b), 0);
}
static void target(uint8_t type, uint8_t kind)
{
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(weir_pg_write_target(&b, type, kind, (weir_slice){0}), 0);
    assert_int_equal(feed(&b), 0);
}
static void execute(uint32_t rows_max)
{
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(weir_pg_write_execute(&b, (weir_slice){0}, rows_max), 0);
    assert_int_equal(feed(&b), 0);
}
static void sync(void)
{
    weir_buf b = {.size_max = 1 << 16};
    assert_int_equal(weir_pg_write_empty(&b, WEIR_PG_F_SYNC), 0);
    assert_int_equal(feed(&b), 0);
}

/* The replies as letters; ReadyForQuery with its status, CommandComplete with its tag, errors with
 * their SQLSTATE. */
static const char *replies(void)
{
    static char text[1024];
    weir_slice rest = weir_buf_slice(&w->sent);
    size_t len = 0;
    text[0] = '\0';
    while (rest.len > 0) {
        weir_pg_frame f;
        weir_pg_error_fields e;
        assert_int_equal(weir_pg_frame_next(rest, 1 << 20, &f), 0);
        rest = weir_slice_skip(rest, f.whole.len);
        if (f.type == 'C')
            len += (size_t)snprintf(text + len, sizeof(text) - len, "C(%s)",
                                    (const char *)f.body.data);
        else if (f.type == 'Z')
            len += (size_t)snprintf(text + len, sizeof(text) - len, "Z%c", f.body.data[0]);
        else if (f.type == 'E' && weir_pg_error_read(f.body, &e) == 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "E(%.5s)",
                                    (const char *)e.sqlstate.data);
        else
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%c", f.type);
    }
    weir_buf_clear(&w->sent);
    return text;
}
static void expect(const char *wanted, const char *journal)
{
    assert_string_equal(replies(), wanted);
    assert_string_equal(w->journal, journal);
    w->journal[0] = '\0';
}

/* ---- simple protocol ---- */

static void test_a_query_is_described_and_answered(void **state)
{
    (void)state;
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("TDDC(SELECT 2)ZI", "R:SELECT n FROM t|");
}
static void test_an_empty_query_is_said_to_be_empty(void **state)
{
    (void)state;
    assert_int_equal(query(" -- nothing\n"), 0);
    expect("IZI", "");
}
static void test_one_write_shares_the_group_commit(void **state)
{
    (void)state;
    assert_int_equal(query("INSERT INTO t VALUES (1);\n"), 0);
    expect("C(INSERT 0 1)ZI", "A:INSERT INTO t VALUES (1)|");
}
static void test_several_writes_are_one_transaction(void **state)
{
    (void)state;
    assert_int_equal(query("INSERT INTO t VALUES (1); SELECT n FROM t; INSERT INTO t VALUES (2)"),
                     0);
    expect(
        "C(INSERT 0 1)TDDC(SELECT 2)C(INSERT 0 1)ZI",
        "claim:|W:INSERT INTO t VALUES (1)|W:SELECT n FROM t|W:INSERT INTO t VALUES (2)|W:COMMIT|"
        "unclaim:|");
}
static void test_an_error_stops_the_string_and_undoes_it(void **state)
{
    (void)state;
    assert_int_equal(query("INSERT INTO t VALUES (1); bad; SELECT n FROM t"), 0);
    expect("C(INSERT 0 1)E(42601)ZI", "claim:|W:INSERT INTO t VALUES (1)|W:bad|unclaim:|");
}
static void test_reads_before_the_first_write_use_any_reader(void **state)
{
    (void)state;
    assert_int_equal(query("BEGIN"), 0);
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("SAVEPOINT a"), 0);
    assert_int_equal(query("INSERT INTO t VALUES (1)"), 0);
    assert_int_equal(query("COMMIT"), 0);
    expect(
        "C(BEGIN)ZTTDDC(SELECT 2)ZTC(SAVEPOINT)ZTC(INSERT 0 1)ZTC(COMMIT)ZI",
        "R:SELECT n FROM t|claim:|W:SAVEPOINT \"a\"|W:INSERT INTO t VALUES (1)|W:COMMIT|unclaim:|");
}
static void test_a_failed_transaction_refuses_all_but_its_end(void **state)
{
    (void)state;
    assert_int_equal(query("BEGIN"), 0);
    assert_int_equal(query("bad"), 0);
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("COMMIT"), 0);
    expect("C(BEGIN)ZTE(42601)ZEE(25P02)ZEC(ROLLBACK)ZI", "claim:|W:bad|unclaim:|");
}
static void test_a_read_only_transaction_refuses_writes(void **state)
{
    (void)state;
    assert_int_equal(query("BEGIN READ ONLY"), 0);
    assert_int_equal(query("INSERT INTO t VALUES (1)"), 0);
    assert_int_equal(query("ROLLBACK"), 0);
    expect("C(BEGIN)ZTE(25006)ZEC(ROLLBACK)ZI", "");
}
static void test_a_serializable_transaction_reads_one_snapshot(void **state)
{
    (void)state;
    assert_int_equal(query("BEGIN ISOLATION LEVEL SERIALIZABLE"), 0);
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("COMMIT"), 0);
    expect("C(BEGIN)ZTTDDC(SELECT 2)ZTC(COMMIT)ZI", "R:BEGIN|R:SELECT n FROM t|R:COMMIT|");
}
static void test_commit_outside_a_transaction_warns(void **state)
{
    (void)state;
    assert_int_equal(query("COMMIT"), 0);
    expect("NC(COMMIT)ZI", "");
}
static void test_settings_are_kept_and_reported(void **state)
{
    (void)state;
    assert_int_equal(query("SET application_name = 'x'; SHOW application_name; SHOW nothing"), 0);
    expect("SC(SET)TDC(SHOW)E(42704)SZI", "");
}

/* ---- extended protocol ---- */

static void test_a_pipeline_of_one_read(void **state)
{
    (void)state;
    parse("", "SELECT n FROM t WHERE n = $1");
    bind("", "1");
    target('D', 'P');
    execute(0);
    sync();
    expect("12TDDC(SELECT 2)ZI", "R:SELECT n FROM t WHERE n = ?1|");
}
static void test_a_write_before_sync_commits_alone(void **state)
{
    (void)state;
    parse("", "INSERT INTO t VALUES ($1)");
    bind("", "1");
    execute(0);
    sync();
    expect("12C(INSERT 0 1)ZI", "A:INSERT INTO t VALUES (?1)|");
}
static void test_writes_in_a_pipeline_are_one_transaction(void **state)
{
    (void)state;
    parse("", "INSERT INTO t VALUES ($1)");
    bind("", "1");
    execute(0);
    bind("", "2");
    execute(0);
    sync();
    expect("12C(INSERT 0 1)2C(INSERT 0 1)ZI",
           "claim:|W:INSERT INTO t VALUES (?1)|W:INSERT INTO t VALUES (?1)|W:COMMIT|unclaim:|");
}
static void test_an_error_skips_to_sync(void **state)
{
    (void)state;
    parse("", "bad");
    bind("", NULL);
    execute(0);
    assert_int_equal(query("SELECT 1"), 0);
    sync();
    expect("E(42601)ZI", "");
}
static void test_a_row_limit_suspends_the_portal(void **state)
{
    (void)state;
    parse("", "SELECT n FROM t");
    bind("", NULL);
    execute(1);
    execute(1);
    execute(1);
    sync();
    expect("12DsDsC(SELECT 2)ZI", "R:SELECT n FROM t|");
}
static void test_a_wrong_number_of_parameters_is_refused(void **state)
{
    (void)state;
    parse("", "SELECT n FROM t WHERE n = $1");
    bind("", NULL);
    sync();
    expect("1E(08P01)ZI", "");
}
static void test_close_of_an_unknown_name_is_answered(void **state)
{
    (void)state; /* hazard: wire 6 */
    target('C', 'S');
    sync();
    expect("3ZI", "");
}
static void test_describe_of_a_statement_tells_parameters_first(void **state)
{
    (void)state;
    parse("", "SELECT n FROM t LIMIT $1");
    target('D', 'S');
    sync();
    expect("1tTZI", "R:SELECT weir_parameter_types(x'"
                    "53454c454354206e2046524f4d2074204c494d4954202431')|");
}
/* ---- life ---- */

static void test_messages_wait_while_something_runs(void **state)
{
    (void)state;
    w->asynchronous = true;
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("SELECT n FROM t"), WEIR_LOCAL_BUSY);
    answer(w->waiting);
    assert_int_equal(w->ready, 1);
    expect("TDDC(SELECT 2)ZI", "R:SELECT n FROM t|");
}
static void test_a_client_may_leave_while_something_runs(void **state)
{
    (void)state;
    w->asynchronous = true;
    assert_int_equal(query("SELECT n FROM t"), 0);
    weir_local_free(w->local);
    w->local = NULL;
    answer(w->waiting); /* frees the run; sanitizers watch */
    expect("", "R:SELECT n FROM t|cancel:|");
}

/* ---- the cache ---- */

static void fill_with_a_query(void)
{
    w->fill_word = WEIR_FILL_LEAD;
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("TDDC(SELECT 2)ZI", "R:SELECT n FROM t|");
    assert_int_equal(w->finished, 1);
    keep_what_was_filled();
}
static void test_a_hit_is_given_without_the_database(void **state)
{
    (void)state;
    fill_with_a_query();
    assert_int_equal(query("  SELECT n FROM t;"), 0);
    expect("TDDC(SELECT 2)ZI", "");
    assert_int_equal(w->hits, 1);
}
static void test_a_fill_describes_itself_though_the_client_did_not_ask(void **state)
{
    (void)state;
    w->fill_word = WEIR_FILL_LEAD;
    parse("", "SELECT n FROM t");
    bind("", NULL);
    execute(0);
    sync();
    expect("12DDC(SELECT 2)ZI", "R:SELECT n FROM t|");
    keep_what_was_filled();
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("TDDC(SELECT 2)ZI", "");
}
static void test_an_extended_hit_describes_only_if_asked(void **state)
{
    (void)state;
    fill_with_a_query();
    parse("", "SELECT n FROM t");
    bind("", NULL);
    execute(0);
    execute(0);
    target('D', 'P');
    bind("", NULL);
    target('D', 'P');
    execute(0);
    sync();
    expect("12DDC(SELECT 2)C(SELECT 0)T2TDDC(SELECT 2)ZI", "");
    assert_int_equal(w->hits, 2);
}
static void test_a_row_limit_gives_a_kept_answer_in_parts(void **state)
{
    (void)state;
    fill_with_a_query();
    parse("", "SELECT n FROM t");
    bind("", NULL);
    target('D', 'P');
    execute(1);
    execute(1);
    execute(1);
    bind("", NULL);
    execute(3);
    sync();
    expect("12TDsDsC(SELECT 2)2DDC(SELECT 2)ZI", "");
    assert_int_equal(w->hits, 2);
}
static void test_a_row_limit_fills(void **state)
{
    (void)state;
    w->fill_word = WEIR_FILL_LEAD;
    parse("", "SELECT n FROM t");
    bind("", NULL);
    execute(1);
    execute(0);
    sync();
    expect("12DsDC(SELECT 2)ZI", "R:SELECT n FROM t|");
    keep_what_was_filled();
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("TDDC(SELECT 2)ZI", "");
}
static void test_rows_of_other_types_than_were_prepared_are_refused(void **state)
{
    (void)state;
    parse("s", "SELECT n FROM t");
    w->declared = "TEXT"; /* the table was made anew */
    bind("s", NULL);
    execute(0);
    sync();
    expect("12E(0A000)ZI", "R:SELECT n FROM t|");
    w->fill_word = WEIR_FILL_LEAD;
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("TDDC(SELECT 2)ZI", "R:SELECT n FROM t|");
    keep_what_was_filled();
    w->fill_word = WEIR_FILL_NONE;
    bind("s", NULL);
    execute(0);
    sync();
    expect("2E(0A000)ZI", "R:SELECT n FROM t|");
    parse("again", "SELECT n FROM t");
    bind("again", NULL);
    execute(0);
    sync();
    expect("12DDC(SELECT 2)ZI", "");
}
static void test_a_transaction_asks_until_it_writes(void **state)
{
    (void)state;
    fill_with_a_query();
    assert_int_equal(query("BEGIN"), 0);
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("INSERT INTO t VALUES (1)"), 0);
    assert_int_equal(query("SELECT n FROM t"), 0);
    assert_int_equal(query("ROLLBACK"), 0);
    assert_int_equal(w->hits, 1);
    expect("C(BEGIN)ZTTDDC(SELECT 2)ZTC(INSERT 0 1)ZTTDDC(SELECT 2)ZTC(ROLLBACK)ZI",
           "claim:|W:INSERT INTO t VALUES (1)|W:SELECT n FROM t|unclaim:|");
}
static void test_another_s_answer_is_waited_for(void **state)
{
    (void)state;
    fill_with_a_query();
    weir_entry *kept = w->answer;
    w->answer = NULL;
    w->fill_word = WEIR_FILL_WAIT;
    assert_int_equal(query("SELECT n FROM t"), 0);
    expect("", "");
    assert_int_equal(query("SELECT n FROM t"), WEIR_LOCAL_BUSY);
    w->fill->state = NULL;
    w->fill->answered(w->fill, kept);
    expect("TDDC(SELECT 2)ZI", "");
    assert_int_equal(w->ready, 1);
    w->answer = kept;
}
static void test_without_another_s_answer_it_runs(void **state)
{
    (void)state;
    w->fill_word = WEIR_FILL_WAIT;
    assert_int_equal(query("SELECT n FROM t"), 0);
    w->fill->answered(w->fill, NULL);
    expect("TDDC(SELECT 2)ZI", "R:SELECT n FROM t|");
    assert_int_equal(w->finished, 1);
}
static void test_a_wait_can_be_cancelled_or_left(void **state)
{
    (void)state;
    w->fill_word = WEIR_FILL_WAIT;
    assert_int_equal(query("SELECT n FROM t"), 0);
    weir_local_cancel(w->local);
    expect("E(57014)ZI", "");
    assert_int_equal(w->aborted, 1);
    assert_int_equal(query("SELECT n FROM t"), 0);
    weir_local_free(w->local);
    w->local = NULL;
    assert_int_equal(w->aborted, 2);
    expect("", "");
}
static void test_explain_cache_describes_and_does_not_run(void **state)
{
    (void)state;
    assert_int_equal(query("EXPLAIN CACHE SELECT n FROM t"), 0);
    expect("TDDC(EXPLAIN)ZI", "");
    assert_int_equal(query("EXPLAIN CACHE BEGIN"), 0);
    expect("TE(42601)ZI", "");
}
static void test_what_failed_is_not_kept(void **state)
{
    (void)state;
    w->fill_word = WEIR_FILL_LEAD;
    w->asynchronous = true;
    assert_int_equal(query("SELECT n FROM t"), 0);
    weir_exec *e = w->waiting;
    e->outcome = (weir_outcome){.ok = false};
    weir_error_set(&e->outcome.error, "22012", "division by zero");
    e->on_done(e);
    expect("E(22012)ZI", "R:SELECT n FROM t|");
    assert_int_equal(w->finished, 0);
    assert_int_equal(w->aborted, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_query_is_described_and_answered),
        T(test_an_empty_query_is_said_to_be_empty),
        T(test_one_write_shares_the_group_commit),
        T(test_several_writes_are_one_transaction),
        T(test_an_error_stops_the_string_and_undoes_it),
        T(test_reads_before_the_first_write_use_any_reader),
        T(test_a_failed_transaction_refuses_all_but_its_end),
        T(test_a_read_only_transaction_refuses_writes),
        T(test_a_serializable_transaction_reads_one_snapshot),
        T(test_commit_outside_a_transaction_warns),
        T(test_settings_are_kept_and_reported),
        T(test_a_pipeline_of_one_read),
        T(test_a_write_before_sync_commits_alone),
        T(test_writes_in_a_pipeline_are_one_transaction),
        T(test_an_error_skips_to_sync),
        T(test_a_row_limit_suspends_the_portal),
        T(test_a_wrong_number_of_parameters_is_refused),
        T(test_close_of_an_unknown_name_is_answered),
        T(test_describe_of_a_statement_tells_parameters_first),
        T(test_messages_wait_while_something_runs),
        T(test_a_client_may_leave_while_something_runs),
        T(test_a_hit_is_given_without_the_database),
        T(test_a_fill_describes_itself_though_the_client_did_not_ask),
        T(test_an_extended_hit_describes_only_if_asked),
        T(test_a_row_limit_gives_a_kept_answer_in_parts),
        T(test_a_row_limit_fills),
        T(test_rows_of_other_types_than_were_prepared_are_refused),
        T(test_a_transaction_asks_until_it_writes),
        T(test_another_s_answer_is_waited_for),
        T(test_without_another_s_answer_it_runs),
        T(test_a_wait_can_be_cancelled_or_left),
        T(test_what_failed_is_not_kept),
        T(test_explain_cache_describes_and_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
