/* See cache_rig.h. */
#include "cache_rig.h"
#include "catalog/access.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

cache_rig *t;

void rig_deliver(void)
{
    engine_rig_deliver(&t->base);
}

static void on_answered(weir_fill *fill, const weir_entry *entry)
{
    size_t i = (size_t)(fill - t->fill);
    t->answered[i]++;
    t->answer[i] = entry ? weir_entry_bytes(entry) : (weir_slice){0};
}

void rig_look(bool others)
{
    t->base.follower->looked(t->base.follower->user, t->base.now, others);
}

weir_cache_settings rig_settings(void)
{
    return (weir_cache_settings){.enabled = true,
                                 .size_max = 1 << 20,
                                 .entry_max = 1 << 10,
                                 .bound = WEIR_SECOND,
                                 .consistency = WEIR_CONSISTENCY_STRICT,
                                 .flight_wait = WEIR_SECOND,
                                 .tier_timeout = 20 * WEIR_MS,
                                 .tier_ttl = 3600 * WEIR_SECOND,
                                 .tier_compress_above = 1024};
}

static bool refresh(void *user, weir_worker *worker, const weir_entry *entry, weir_strategy why)
{
    (void)user;
    (void)worker;
    assert_non_null(entry);
    t->why = why;
    t->refreshed++;
    return !t->busy;
}

int rig_setup(void **state)
{
    (void)state;
    t = calloc(1, sizeof(*t));
    assert_non_null(t);
    weir_cache_options cache = {.refresh = refresh,
                                .slots = 4096,
                                .flights_max = 16,
                                .waiters_max = 16,
                                .settings = rig_settings()};
    engine_rig_init(&t->base, &cache);
    t->base.keeps_messages = true;
    t->engine = t->base.engine;
    t->worker = t->base.worker;
    t->database = engine_rig_add(&t->base, "db", NULL);
    for (unsigned i = 0; i < 4; i++) {
        engine_rig_open(&t->base, &t->session[i], i / 2, t->database);
        t->fill[i].answered = on_answered;
    }
    rig_look(false);
    return 0;
}

int rig_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        weir_fill_abort(&t->fill[i], true);
        weir_session_close(&t->session[i]);
    }
    engine_rig_fini(&t->base);
    free(t);
    return 0;
}

/* ---- the schema: t(id INTEGER PRIMARY KEY, v) ---- */

static const weir_column_info columns[] = {
    {.name = WEIR_SLICE_LIT("id"), .key = WEIR_KEY_SQLITE_NUMERIC},
    {.name = WEIR_SLICE_LIT("v"), .key = WEIR_KEY_SQLITE_BLOB},
};
static const weir_relation_info relation = {.name = WEIR_SLICE_LIT("t"),
                                            .columns = columns,
                                            .column_count = 2,
                                            .rowid = true,
                                            .rowid_alias = WEIR_SLICE_LIT("id")};
static const weir_catalog catalog = {
    .relations = &relation, .count = 1, .fingerprint = RIG_FINGERPRINT};

uint64_t rig_relation_id(void)
{
    return weir_relation_id(WEIR_SLICE_LIT("t"));
}
uint64_t rig_value_id(int64_t value)
{
    uint64_t id = 0;
    weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = value};
    uint64_t column = weir_column_id(rig_relation_id(), WEIR_SLICE_LIT("id"));
    assert_int_equal(weir_key_of_row(column, &v, &id), 0);
    return id;
}

/* As the backend does when it prepares the text. */
static void analyse(const weir_statement *of, weir_slice text, const char *function)
{
    weir_access accesses[] = {
        {.kind = WEIR_ACCESS_READ, .database = "main", .table = "t", .column = "v", .through = ""},
        {.kind = WEIR_ACCESS_FUNCTION,
         .database = "",
         .table = "",
         .column = function,
         .through = ""}};
    weir_footprint *f = NULL;
    assert_int_equal(weir_sql_analyze_accesses(accesses, function ? 2 : 1, &catalog, text,
                                               weir_worker_lexed(t->worker[0]), &f),
                     0);
    weir_template_publish(
        weir_template_find(weir_engine_templates(t->engine), of->template_id, of->template_serial),
        weir_worker_epoch(t->worker[0]), f);
}

/* ---- asking ---- */

const weir_entry *rig_find(unsigned session, const char *text)
{
    weir_buf *b = weir_session_begin_identity(&t->session[session]);
    assert_int_equal(weir_buf_append(b, weir_slice_cstr(text)), 0);
    return weir_session_find_answer(&t->session[session]);
}

int rig_begin(unsigned session, const char *text)
{
    weir_slice slice = weir_slice_cstr(text);
    weir_session_understand(&t->session[session], slice, &t->statement);
    const weir_template *template = weir_template_find(
        weir_engine_templates(t->engine), t->statement.template_id, t->statement.template_serial);
    if (!atomic_load(&template->footprint)->from_grammar) {
        weir_session_understand(&t->session[0], slice, &t->statement);
        analyse(&t->statement, slice, strstr(text, "random") ? "random" : NULL);
    }
    assert_null(rig_find(session, text));
    weir_ask ask = {.statement = &t->statement, .text = slice, .wait_max = t->wait_max};
    return weir_session_begin_fill(&t->session[session], &ask, &t->fill[session]);
}

void rig_finish(unsigned session, const char *answer)
{
    weir_fill_add(&t->fill[session], weir_slice_cstr(answer));
    weir_fill_finish(&t->fill[session], 0, 1, RIG_FINGERPRINT);
}

void rig_fill(unsigned session, const char *text, const char *answer)
{
    assert_int_equal(rig_begin(session, text), WEIR_FILL_LEAD);
    rig_finish(session, answer);
}

void rig_expect(unsigned session, const char *text, const char *answer)
{
    const weir_entry *e = rig_find(session, text);
    if (!answer) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_true(weir_slice_eq_cstr(weir_entry_bytes(e), answer));
    weir_session_record_hit(&t->session[session], e, t->base.now);
}

void rig_commit(uint64_t a, uint64_t b, bool everything)
{
    uint64_t ids[] = {a, b};
    t->base.follower->committed(t->base.follower->user, ids, 2, everything);
}

static void nothing(void *user, uint64_t r, uint64_t column, weir_slice a, weir_slice b)
{
    (void)user, (void)r, (void)column, (void)a, (void)b;
}

/* The follower takes up the key columns that are asked for, as it does between transactions. */
void rig_take_up_columns(void)
{
    const weir_follower *f = t->base.follower;
    uint64_t serial = f->track_serial(f->user);
    f->each_tracked(f->user, nothing, NULL);
    f->confirm(f->user, serial);
}

const char *const rig_by_key = "SELECT v FROM t WHERE id = 1";
const char *const rig_by_other_key = "SELECT v FROM t WHERE id = 2";
const char *const rig_whole = "SELECT count(v) FROM t";
