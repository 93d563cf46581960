/* Functions that are queries, and functions over values. */
#include "backend/sqlite/errors.h"
#include "backend/sqlite/face_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SCRATCH_KEPT_MAX 65536u

typedef weir_sqlite_face_call function;

/* ---- queries ---- */

/* The kept one, or another one if that is being stepped: a function may call itself. */
static int borrow_query(function *f, sqlite3_stmt **ret)
{
    int rc = SQLITE_OK;
    *ret = NULL;
    if (!f->query)
        rc = weir_sqlite_face_prepare(f->face->db, f->of->query, &f->query);
    else if (sqlite3_stmt_busy(f->query))
        return weir_sqlite_face_prepare(f->face->db, f->of->query, ret);
    *ret = f->query;
    return rc;
}

static void return_query(function *f, sqlite3_stmt *query)
{
    if (query != f->query) {
        sqlite3_finalize(query);
    } else {
        sqlite3_reset(query);
        (void)sqlite3_clear_bindings(query);
    }
}

/* With its words, if it has any of its own. */
static void fail_query(const function *f, sqlite3_context *context, int rc)
{
    if (rc == SQLITE_ERROR)
        sqlite3_result_error(context, sqlite3_errmsg(f->face->db->handle), -1);
    else
        sqlite3_result_error_code(context, rc);
}

/* The query's first cell; no row: NULL. */
static void on_query(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    function *f = sqlite3_user_data(context);
    sqlite3_stmt *query = NULL;
    int rc = SQLITE_OK;
    bool applies = weir_sqlite_face_applies(f->face->db, f->of->query);
    if (!applies && !f->of->instead)
        return;
    rc = applies ? borrow_query(f, &query)
                 : weir_sqlite_face_prepare(f->face->db, f->of->instead, &query);
    for (int i = 0; i < argc && rc == SQLITE_OK; i++)
        rc = i < sqlite3_bind_parameter_count(query) ? sqlite3_bind_value(query, i + 1, argv[i])
                                                     : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = weir_sqlite_face_step(f->face->db, query);
    if (rc == SQLITE_ROW)
        sqlite3_result_value(context, sqlite3_column_value(query, 0));
    else if (rc != SQLITE_DONE)
        fail_query(f, context, rc);
    if (query)
        return_query(f, query);
}

/* ---- values ---- */

weir_value weir_sqlite_face_take(sqlite3_value *value)
{
    weir_value v = {.type = WEIR_VALUE_NULL};
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        v.type = WEIR_VALUE_INTEGER;
        v.u.integer = sqlite3_value_int64(value);
        return v;
    case SQLITE_FLOAT:
        v.type = WEIR_VALUE_REAL;
        v.u.real = sqlite3_value_double(value);
        return v;
    case SQLITE_TEXT:
        v.type = WEIR_VALUE_TEXT;
        v.u.bytes.data = sqlite3_value_text(value);
        break;
    case SQLITE_BLOB:
        v.type = WEIR_VALUE_BLOB;
        v.u.bytes.data = sqlite3_value_blob(value);
        break;
    default:
        return v;
    }
    v.u.bytes.len = (size_t)sqlite3_value_bytes(value);
    return v;
}

void weir_sqlite_face_give(sqlite3_context *context, const weir_value *v)
{
    switch (v->type) {
    case WEIR_VALUE_INTEGER:
        sqlite3_result_int64(context, v->u.integer);
        break;
    case WEIR_VALUE_REAL:
        sqlite3_result_double(context, v->u.real);
        break;
    case WEIR_VALUE_TEXT:
        sqlite3_result_text64(context, v->u.bytes.len ? (const char *)v->u.bytes.data : "",
                              v->u.bytes.len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case WEIR_VALUE_BLOB:
        sqlite3_result_blob64(context, v->u.bytes.len ? v->u.bytes.data : (const uint8_t *)"",
                              v->u.bytes.len, SQLITE_TRANSIENT);
        break;
    case WEIR_VALUE_NULL:
        sqlite3_result_null(context);
        break;
    }
}

static void give_error(sqlite3_context *context, int r, const weir_error *err)
{
    if (r == -ENOMEM) {
        sqlite3_result_error_nomem(context);
    } else if (r == -EMSGSIZE) {
        sqlite3_result_error_toobig(context);
    } else { /* errors.c takes it apart */
        char words[sizeof(*err) + 32];
        snprintf(words, sizeof(words), WEIR_SQLITE_FACE_ERROR "%s:%s%c%s%c%s", err->sqlstate,
                 err->message, WEIR_SQLITE_FACE_ERROR_END, err->detail, WEIR_SQLITE_FACE_ERROR_END,
                 err->hint);
        sqlite3_result_error(context, words, -1);
    }
}

static const weir_zone *find_zone(void *user, weir_slice name)
{
    weir_sqlite_db *db = user;
    return weir_sqlite_zones_find(&db->zones, name);
}

static void on_call(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    function *f = sqlite3_user_data(context);
    weir_value args[WEIR_FACE_ARGS_MAX], result = {.type = WEIR_VALUE_NULL};
    weir_error err;
    weir_buf *scratch = &f->face->scratch;
    if (argc > WEIR_FACE_ARGS_MAX) {
        sqlite3_result_error(context, "too many arguments", -1);
        return;
    }
    for (int i = 0; i < argc; i++)
        args[i] = weir_sqlite_face_take(argv[i]);
    err.sqlstate[0] = err.message[0] = err.detail[0] = err.hint[0] = '\0';
    weir_buf_clear(scratch); /* no function calls another */
    weir_face_zones zones = {.find = find_zone, .user = f->face->db};
    int r = f->of->zoned ? f->of->zoned(args, (size_t)argc, &zones, scratch, &result, &err)
                         : f->of->call(args, (size_t)argc, scratch, &result, &err);
    if (r == 0)
        weir_sqlite_face_give(context, &result);
    else
        give_error(context, r, &err);
    if (scratch->cap > SCRATCH_KEPT_MAX) {
        weir_buf_fini(scratch);
        weir_buf_init(scratch, WEIR_SQLITE_FACE_RESULT_MAX);
    }
}

/* ---- aggregates: the values, one by one, into one buffer ---- */

typedef struct gathered {
    weir_buf buf;
    int failed; /* negative */
} gathered;

static void on_step(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    function *f = sqlite3_user_data(context);
    gathered *g = sqlite3_aggregate_context(context, sizeof(*g));
    weir_value args[WEIR_FACE_ARGS_MAX];
    if (!g || argc > WEIR_FACE_ARGS_MAX)
        return;
    if (g->buf.size_max == 0)
        weir_buf_init(&g->buf, WEIR_SQLITE_FACE_RESULT_MAX);
    for (int i = 0; i < argc; i++)
        args[i] = weir_sqlite_face_take(argv[i]);
    if (g->failed == 0)
        g->failed = f->of->step(args, (size_t)argc, &g->buf);
}

static void on_final(sqlite3_context *context)
{
    function *f = sqlite3_user_data(context);
    gathered *g = sqlite3_aggregate_context(context, 0);
    weir_value result = {.type = WEIR_VALUE_NULL};
    if (!g) {
        weir_sqlite_face_give(context, &result); /* no row */
        return;
    }
    weir_error err = {.sqlstate = "54000"};
    int r = g->failed;
    if (r == 0)
        r = f->of->call(NULL, 0, &g->buf, &result, &err);
    if (r == 0)
        weir_sqlite_face_give(context, &result);
    else
        give_error(context, r, &err);
    weir_buf_fini(&g->buf);
}

/* Is a foreign key broken that is looked at only at the transaction's end? */
static void on_deferred(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc, (void)argv;
    int broken = 0, highest = 0;
    int rc = sqlite3_db_status(sqlite3_context_db_handle(context), SQLITE_DBSTATUS_DEFERRED_FKS,
                               &broken, &highest, 0);
    sqlite3_result_int(context, rc != SQLITE_OK || broken != 0);
}

/* weir_moment('transaction'), …('statement'), …('clock'): microseconds since 1970. */
static void on_moment(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    weir_exec *exec = db->running;
    const unsigned char *which = argc > 0 ? sqlite3_value_text(argv[0]) : NULL;
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    int64_t us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    if (exec && exec->asked_us == 0)
        exec->asked_us = us;
    if (exec && which && *which != 'c')
        us = *which == 't' && exec->began_us != 0 ? exec->began_us : exec->asked_us;
    sqlite3_result_int64(context, us);
}

/* weir_is_whole(view): what it reads from is there. Pragmas fail for one of which some is not. */
static void on_whole(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    const unsigned char *name = argc > 0 ? sqlite3_value_text(argv[0]) : NULL;
    char *text = sqlite3_mprintf("SELECT * FROM main.\"%w\"", name ? (const char *)name : "");
    sqlite3_stmt *stmt = NULL;
    if (!text) {
        sqlite3_result_error_nomem(context);
        return;
    }
    int rc = weir_sqlite_face_prepare(db, text, &stmt);
    sqlite3_finalize(stmt);
    sqlite3_free(text);
    if (rc == SQLITE_NOMEM)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_int(context, rc == SQLITE_OK);
}

static void refuse_words(sqlite3_context *context, const char *words)
{
    char text[96];
    (void)snprintf(text, sizeof(text), WEIR_SQLITE_FACE_ERROR "22023:weir: %s", words);
    sqlite3_result_error(context, text, -1);
}

/* pg_notify(channel, payload): what the run's owner is to say when the transaction commits. */
static void on_notify(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    weir_buf *said = db->running ? db->running->said : NULL;
    const char *channel = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    const char *payload = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
    size_t len = channel ? strlen(channel) : 0;
    if (!said) {
        sqlite3_result_error(context, WEIR_SQLITE_FACE_ERROR "0A000:weir: nothing is heard here",
                             -1);
        return;
    }
    if (len == 0 || len >= 64) {
        refuse_words(context, len == 0 ? "channel name cannot be empty" : "channel name too long");
        return;
    }
    if (payload && strlen(payload) >= 8000) {
        refuse_words(context, "payload string too long");
        return;
    }
    int r = weir_buf_append_cstr(said, channel);
    if (r == 0)
        r = weir_buf_append_cstr(said, payload ? payload : "");
    if (r == -ENOMEM)
        sqlite3_result_error_nomem(context);
    else if (r < 0)
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_text(context, "", 0, SQLITE_STATIC); /* void */
}

/* ---- sequences: what the session's own nextval gave ---- */

typedef struct drawn {
    size_t at, len; /* of the record */
    int64_t value;
} drawn;

/* The newest of that name; of any, if it is NULL. */
static bool find_drawn(const weir_buf *all, const char *name, drawn *ret)
{
    bool found = false;
    for (size_t at = 0; at < all->len;) {
        const char *of = (const char *)all->data + at + sizeof(int64_t);
        size_t len = sizeof(int64_t) + strlen(of) + 1;
        if (!name || strcmp(of, name) == 0) {
            *ret = (drawn){.at = at, .len = len};
            memcpy(&ret->value, all->data + at, sizeof(int64_t));
            found = true;
        }
        at += len;
    }
    return found;
}

/* weir_sequence_drew(name, value): the value. Of those that a session drew from more sequences than
 * there is room for, the oldest are forgotten. */
static void on_drew(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    weir_buf *all = db->running ? db->running->drawn : NULL;
    const char *name = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    int64_t value = argc > 1 ? sqlite3_value_int64(argv[1]) : 0;
    drawn old;
    if (all && name && find_drawn(all, name, &old)) {
        memmove(all->data + old.at, all->data + old.at + old.len, all->len - old.at - old.len);
        all->len -= old.len;
    }
    int r = all && name ? 0 : -ENOENT;
    while (r == 0 && all->len > 0 && all->len + sizeof(value) + strlen(name) + 1 > all->size_max) {
        size_t len = sizeof(value) + strlen((const char *)all->data + sizeof(value)) + 1;
        memmove(all->data, all->data + len, all->len - len);
        all->len -= len;
    }
    if (r == 0)
        r = weir_buf_append(all, weir_slice_make((const uint8_t *)&value, sizeof(value)));
    if (r == 0)
        r = weir_buf_append(all, weir_slice_make((const uint8_t *)name, strlen(name) + 1));
    if (r == -ENOMEM)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_value(context, argv[1]);
}

/* weir_sequence_drawn(name): what the session drew last; of NULL, from any. */
static void on_drawn(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    const weir_buf *all = db->running ? db->running->drawn : NULL;
    const char *name = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    drawn last;
    if (all && find_drawn(all, name, &last)) {
        sqlite3_result_int64(context, last.value);
        return;
    }
    char *words = name ? sqlite3_mprintf(WEIR_SQLITE_FACE_ERROR
                                         "55000:weir: currval of sequence \"%s\" is not yet "
                                         "defined in this session",
                                         name)
                       : sqlite3_mprintf(WEIR_SQLITE_FACE_ERROR
                                         "55000:weir: lastval is not yet defined in this session");
    sqlite3_result_error(context, words ? words : "out of memory", -1);
    sqlite3_free(words);
}

/* weir_largest_key(table): of an INTEGER PRIMARY KEY; NULL: there are no rows. */
static void on_largest_key(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    weir_sqlite_db *db = sqlite3_user_data(context);
    const unsigned char *name = argc > 0 ? sqlite3_value_text(argv[0]) : NULL;
    char *text =
        sqlite3_mprintf("SELECT max(rowid) FROM main.\"%w\"", name ? (const char *)name : "");
    sqlite3_stmt *stmt = NULL;
    int rc = text ? weir_sqlite_face_prepare(db, text, &stmt) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = weir_sqlite_face_step(db, stmt);
    if (rc == SQLITE_ROW)
        sqlite3_result_value(context, sqlite3_column_value(stmt, 0));
    else
        sqlite3_result_error_code(context, rc);
    sqlite3_finalize(stmt);
    sqlite3_free(text);
}

int weir_sqlite_face_add_own(weir_sqlite_db *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int rc = sqlite3_create_function_v2(db->handle, "weir_deferred_keys", 0, flags, NULL,
                                        on_deferred, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_moment", 1, flags, db, on_moment, NULL,
                                        NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "pg_notify", 2, flags, db, on_notify, NULL,
                                        NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_is_whole", 1, flags, db, on_whole, NULL,
                                        NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_sequence_drew", 2, flags, db, on_drew,
                                        NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_sequence_drawn", 1, flags, db, on_drawn,
                                        NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_largest_key", 1, flags, db,
                                        on_largest_key, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->handle, "weir_parameter_types", 1, flags, db,
                                        weir_sqlite_on_parameter_types, NULL, NULL, NULL);
    return rc;
}

int weir_sqlite_face_add_function(weir_sqlite_face *face, const weir_face_function *of)
{
    function *f = calloc(1, sizeof(*f));
    if (!f)
        return SQLITE_NOMEM;
    *f = (function){.face = face, .of = of, .next = face->calls};
    face->calls = f;
    int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
    if ((of->call || of->zoned) && of->pure)
        flags |= SQLITE_DETERMINISTIC;
    if (of->query && !of->stored) /* not from the schema, which other programs use, too */
        flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    return sqlite3_create_function_v2(face->db->handle, of->name, of->args, flags, f,
                                      of->step    ? NULL
                                      : of->query ? on_query
                                                  : on_call,
                                      of->step ? on_step : NULL, of->step ? on_final : NULL, NULL);
}
