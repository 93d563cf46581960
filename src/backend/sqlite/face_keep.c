/* Registers the face's tables and functions, and keeps what they read: rows for one state of the
 * schema, prepared queries. A schema's version does not tell all of its states apart: one that was
 * undone comes again for another (catalog.h); `face_stale` says that it may have happened. */
#include "backend/sqlite/face_internal.h"
#include <stdio.h>
#include <stdlib.h>

int weir_sqlite_face_prepare(weir_sqlite_db *db, const char *sql, sqlite3_stmt **ret)
{
    bool before = db->collector.trusted;
    db->collector.trusted = true;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, 0, ret, NULL);
    db->collector.trusted = before;
    return rc;
}

bool weir_sqlite_face_applies(weir_sqlite_db *db, const char *sql)
{
    bool where = strncmp(sql, WEIR_FACE_WHERE, strlen(WEIR_FACE_WHERE)) == 0;
    bool unless = strncmp(sql, WEIR_FACE_UNLESS, strlen(WEIR_FACE_UNLESS)) == 0;
    if (!where && !unless)
        return true;
    const char *begin = sql + strlen(where ? WEIR_FACE_WHERE : WEIR_FACE_UNLESS);
    const char *end = strstr(begin, " */");
    char name[256];
    (void)snprintf(name, sizeof(name), "%.*s", end ? (int)(end - begin) : 0, begin);
    return where == (sqlite3_table_column_metadata(db->handle, "main", name, NULL, NULL, NULL, NULL,
                                                   NULL, NULL) == SQLITE_OK);
}

/* A step may prepare anew. */
int weir_sqlite_face_step(weir_sqlite_db *db, sqlite3_stmt *query)
{
    bool before = db->collector.trusted;
    db->collector.trusted = true;
    int rc = sqlite3_step(query);
    db->collector.trusted = before;
    return rc;
}

static int look_at_schema(weir_sqlite_face *face)
{
    weir_sqlite_db *db = face->db;
    int64_t version = 0;
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    int rc = weir_sqlite_db_number(db, "PRAGMA schema_version", &version);
    weir_sqlite_db_step_back(db, before);
    if (rc == SQLITE_OK && (db->face_stale || version != face->version)) {
        face->epoch++;
        face->version = version;
        db->face_stale = false;
    }
    return rc;
}

static int read_image(weir_sqlite_face_module *m)
{
    weir_sqlite_face *face = m->face;
    sqlite3_stmt *query = NULL;
    weir_sqlite_image_unref(m->image);
    m->image = NULL;
    int rc = weir_sqlite_face_prepare(face->db, m->table->query, &query);
    if (rc != SQLITE_OK)
        return rc;
    face->reading++;
    rc = weir_sqlite_image_read(face->db, query, &m->image);
    face->reading--;
    sqlite3_finalize(query);
    m->epoch = face->epoch;
    return rc;
}

int weir_sqlite_face_image(weir_sqlite_face_module *m, weir_sqlite_image **ret)
{
    int rc = m->face->reading == 0 ? look_at_schema(m->face) : SQLITE_OK;
    if (rc == SQLITE_OK && (!m->image || m->epoch != m->face->epoch))
        rc = read_image(m);
    *ret = m->image;
    return rc;
}

/* ---- registering ---- */

static int add_table(weir_sqlite_face *face, const weir_face_table *t)
{
    weir_sqlite_face_module *m = calloc(1, sizeof(*m));
    if (!m)
        return SQLITE_NOMEM;
    *m = (weir_sqlite_face_module){.face = face, .table = t, .next = face->modules};
    face->modules = m;
    return sqlite3_create_module_v2(face->db->handle, t->name, &weir_sqlite_face_methods, m, NULL);
}

int weir_sqlite_face_register(weir_sqlite_db *db)
{
    const weir_face *of = db->options->face;
    int rc = SQLITE_OK;
    if (!of)
        return SQLITE_OK;
    weir_sqlite_face *face = calloc(1, sizeof(*face));
    if (!face)
        return SQLITE_NOMEM;
    *face = (weir_sqlite_face){.db = db, .epoch = 1};
    weir_buf_init(&face->scratch, WEIR_SQLITE_FACE_RESULT_MAX);
    db->face = face;
    rc = weir_sqlite_face_add_own(db);
    for (const weir_face_table *const *list = of->tables; *list; list++)
        for (const weir_face_table *t = *list; rc == SQLITE_OK && t->name; t++)
            rc = add_table(face, t);
    for (const weir_face_function *const *list = of->functions; *list; list++)
        for (const weir_face_function *f = *list; rc == SQLITE_OK && f->name; f++)
            rc = weir_sqlite_face_add_function(face, f);
    return rc;
}

void weir_sqlite_face_release(weir_sqlite_db *db)
{
    for (weir_sqlite_face_call *c = db->face ? db->face->calls : NULL; c; c = c->next) {
        sqlite3_finalize(c->query);
        c->query = NULL;
    }
}

void weir_sqlite_face_free(weir_sqlite_face *face)
{
    if (!face)
        return;
    for (weir_sqlite_face_module *m = face->modules, *next; m; m = next) {
        next = m->next;
        weir_sqlite_image_unref(m->image);
        free(m);
    }
    for (weir_sqlite_face_call *c = face->calls, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    weir_buf_fini(&face->scratch);
    free(face);
}
