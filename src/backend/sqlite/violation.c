/* The constraint that a failed statement broke: the face's queries (catalog/face.h) know its names.
 * Runs on the connection that failed, inside its transaction, and is content to learn nothing. */
#include "backend/sqlite/face_internal.h"
#include "backend/sqlite/run.h"
#include <stdio.h>

static const char *query_for(const weir_face *face, const char *sqlstate)
{
    for (const weir_face_violation *v = face ? face->violations : NULL; v && v->query; v++)
        if (strcmp(v->sqlstate, sqlstate) == 0)
            return v->query;
    return NULL;
}

static void take(sqlite3_stmt *query, int column, char out[WEIR_VIOLATION_NAME_MAX])
{
    const unsigned char *text = sqlite3_column_text(query, column);
    (void)snprintf(out, WEIR_VIOLATION_NAME_MAX, "%s", text ? (const char *)text : "");
}

void weir_sqlite_name_violation(weir_sqlite_db *db, weir_exec *exec)
{
    weir_outcome *o = &exec->outcome;
    const char *sql = query_for(db->options->face, o->error.sqlstate);
    const char *words = strstr(o->error.detail, "failed");
    weir_slice text = exec->source.len > 0 ? exec->source : exec->text;
    sqlite3_stmt *query = NULL;
    if (!sql || !words)
        return;
    words += words[strlen("failed")] == ':' ? strlen("failed: ") : strlen("failed");
    int rc = weir_sqlite_face_prepare(db, sql, &query);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(query, 1, words, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(query) > 1)
        rc = sqlite3_bind_text64(query, 2, (const char *)text.data,
                                 strnlen((const char *)text.data, text.len), SQLITE_STATIC,
                                 SQLITE_UTF8);
    if (rc == SQLITE_OK && weir_sqlite_face_step(db, query) == SQLITE_ROW) {
        take(query, 0, o->violation.table);
        take(query, 1, o->violation.column);
        take(query, 2, o->violation.constraint);
        const unsigned char *message = sqlite3_column_text(query, 3);
        if (message)
            (void)snprintf(o->error.message, sizeof(o->error.message), "%s", (const char *)message);
    }
    sqlite3_finalize(query);
}
