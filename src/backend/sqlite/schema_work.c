/* Statements of Weir's own that change a table's definition beyond what SQLite's ALTER TABLE does:
 * some of them edit the texts in sqlite_schema, which no client may. They run inside the client's
 * transaction on the connection that it has claimed, and without triggers: nothing happens to the
 * rows that their owner would call a change.
 *
 * Invariant: the schema is read anew behind an edit, before anything else is prepared; a text that
 * SQLite does not understand fails there, and with it the transaction. */
#include "backend/sqlite/face_internal.h"
#include "backend/sqlite/run.h"
#include <stdio.h>
#include <strings.h>

/* A row may be taken away where nothing else in the file is its own: of a view. */
static bool edits_schema(const char *text, const char *end)
{
    static const char *const begins[] = {"UPDATE sqlite_schema ",
                                         "DELETE FROM sqlite_schema WHERE type = 'view'"};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        size_t len = strlen(begins[i]);
        if ((size_t)(end - text) >= len && strncasecmp(text, begins[i], len) == 0)
            return true;
    }
    return false;
}

/* Behind what does not apply here, which ends with its line, and behind what said so. */
static const char *skip(weir_sqlite_db *db, const char *text, const char *end)
{
    while (text < end && !weir_sqlite_face_applies(db, text)) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        text = line ? line + 1 : end;
    }
    const char *comment = (size_t)(end - text) > 2 && text[0] == '/' ? strstr(text, "*/ ") : NULL;
    return comment ? comment + 3 : text;
}

/* Another version makes every connection read the schema, this one too. */
static int read_anew(weir_sqlite_db *db)
{
    char sql[64];
    int64_t version = 0;
    int rc = weir_sqlite_db_number(db, "PRAGMA schema_version", &version);
    if (rc != SQLITE_OK)
        return rc;
    (void)snprintf(sql, sizeof(sql), "PRAGMA schema_version=%lld", (long long)version + 1);
    rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
    return rc;
}

static int run_one(weir_sqlite_db *db, const char **text, const char *end)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, *text, (int)(end - *text), &stmt, text);
    while (rc == SQLITE_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        rc = SQLITE_OK; /* rows of a check that found nothing wrong */
    int finalized = sqlite3_finalize(stmt);
    return rc == SQLITE_OK || rc == SQLITE_DONE ? finalized : rc;
}

static int run_all(weir_sqlite_db *db, const char *text, const char *end)
{
    bool edited = false;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK) {
        while (text < end && (*text == '\n' || *text == ' '))
            text++;
        text = skip(db, text, end);
        bool edits = edits_schema(text, end);
        if (edited && !edits) { /* while it may be written, nothing is found wrong with it */
            sqlite3_db_config(db->handle, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
            rc = read_anew(db);
        }
        edited = edits;
        if (rc != SQLITE_OK || text == end)
            break;
        /* Where it is set, SQLite's own ALTER TABLE does not look at what it leaves behind. */
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_WRITABLE_SCHEMA, edits, NULL);
        rc = run_one(db, &text, end);
    }
    return rc;
}

int weir_sqlite_schema_work(weir_sqlite_db *db, weir_slice text)
{
    weir_sqlite_aside before = {db->collector.trusted, db->guard.aside};
    db->collector.trusted = true; /* but it is counted, and may be stopped */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    int rc = run_all(db, (const char *)text.data, (const char *)text.data + text.len);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    weir_sqlite_db_step_back(db, before);
    return rc;
}
