/* What a text touches, asked of SQLite without a backend: for `weir explain`. */
#include "backend/sqlite/run.h"

typedef struct analysis {
    const weir_lexed *lexed;
    weir_footprint *footprint;
    int result;
} analysis;

static void on_accesses(void *user, weir_slice text, const weir_access *accesses, size_t count,
                        const weir_catalog *catalog)
{
    analysis *a = user;
    weir_footprint_free(a->footprint);
    a->footprint = NULL;
    a->result = weir_sql_analyze_accesses(accesses, count, catalog, text, a->lexed, &a->footprint);
}

int weir_sqlite_analyze(const char *path, const weir_face *face, weir_slice text,
                        const weir_lexed *lexed, weir_footprint **ret, weir_error *err)
{
    analysis a = {.lexed = lexed, .result = -ENOBUFS};
    weir_sqlite_options options = {
        .path = path, .face = face, .read_only = true, .on_accesses = on_accesses, .user = &a};
    weir_sqlite_db *db = NULL;
    int r = weir_sqlite_db_open(&options, false, &db, err);
    if (r < 0)
        return r;
    weir_sqlite_stmt *stmt = NULL;
    weir_exec exec = {.text = text};
    r = weir_sqlite_prepare(db, &exec, &stmt, err);
    if (r == 0)
        weir_sqlite_stmt_cache_give(&db->cache, stmt);
    weir_sqlite_db_close(db);
    if (r == 0)
        r = a.result;
    if (r != 0) {
        weir_footprint_free(a.footprint);
        return r < 0 ? r : -EINVAL;
    }
    *ret = a.footprint;
    return 0;
}
