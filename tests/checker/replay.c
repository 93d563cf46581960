/* See replay.h. */
#include "replay.h"
#include "schema.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHED = 4096, OWING_MAX = 32 };

struct replay {
    sqlite3 *db;
    sqlite3_stmt *cached[CACHED]; /* by their text's hash; a newer one takes the place */
    sqlite3_str *text;
    unsigned owing; /* commits whose transaction could not end yet */
};

replay *replay_new(void)
{
    replay *p = calloc(1, sizeof(*p));
    if (!p)
        fail("out of memory");
    p->db = schema_open(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    schema_create(p->db);
    p->text = sqlite3_str_new(p->db);
    return p;
}

void replay_free(replay *p)
{
    for (unsigned i = 0; i < CACHED; i++)
        sqlite3_finalize(p->cached[i]);
    sqlite3_free(sqlite3_str_finish(p->text));
    sqlite3_close(p->db);
    free(p);
}

static unsigned hash_text(const char *text)
{
    unsigned hash = 2166136261u;
    while (*text)
        hash = (hash ^ (uint8_t)*text++) * 16777619u;
    return hash % CACHED;
}

static sqlite3_stmt *prepared(replay *p, const char *sql)
{
    sqlite3_stmt **place = &p->cached[hash_text(sql)];
    if (*place && strcmp(sqlite3_sql(*place), sql) == 0)
        return *place;
    sqlite3_finalize(*place);
    *place = NULL;
    return sqlite3_prepare_v2(p->db, sql, -1, place, NULL) == SQLITE_OK ? *place : NULL;
}

static void bind(sqlite3_stmt *stmt, const statement *s)
{
    char name[] = "$1";
    for (unsigned i = 0; i < s->param_count; i++, name[1]++) {
        const param *q = &s->params[i];
        int at = sqlite3_bind_parameter_index(stmt, name);
        char digits[24];
        snprintf(digits, sizeof(digits), "%" PRId64, q->number);
        if (q->is_text || !q->typed)
            sqlite3_bind_text(stmt, at, q->is_text ? q->text : digits, -1, SQLITE_TRANSIENT);
        else
            sqlite3_bind_int64(stmt, at, q->number);
    }
}

/* As client.c writes results down. */
static void append_names(replay *p, sqlite3_stmt *stmt)
{
    for (int i = 0; i < sqlite3_column_count(stmt); i++)
        sqlite3_str_appendf(p->text, "%s|", sqlite3_column_name(stmt, i));
    sqlite3_str_appendchar(p->text, 1, '\n');
}

static void append_row(replay *p, sqlite3_stmt *stmt)
{
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        const char *cell = (const char *)sqlite3_column_text(stmt, i);
        sqlite3_str_appendf(p->text, "%s|", cell ? cell : "~");
    }
    sqlite3_str_appendchar(p->text, 1, '\n');
}

const char *replay_read(replay *p, const statement *s, const char **ret_error)
{
    sqlite3_stmt *stmt = prepared(p, s->sql);
    *ret_error = NULL;
    if (!stmt) {
        *ret_error = sqlite3_errmsg(p->db);
        return NULL;
    }
    bind(stmt, s);
    sqlite3_str_reset(p->text);
    int rc = sqlite3_step(stmt);
    append_names(p, stmt); /* the step may have prepared it anew */
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt))
        append_row(p, stmt);
    if (rc != SQLITE_DONE)
        *ret_error = sqlite3_errmsg(p->db);
    sqlite3_reset(stmt);
    return *ret_error ? NULL : sqlite3_str_value(p->text);
}

/* A statement of a unit: does it answer as it did? */
static bool answers_as_recorded(replay *p, const statement *s)
{
    const char *error, *got = replay_read(p, s, &error);
    bool same = (got != NULL) == (s->outcome == OUTCOME_DONE);
    if (same && got && s->result)
        same = strcmp(got, s->result) == 0;
    if (same || s->outcome == OUTCOME_LOST)
        return true;
    printf("checker: VIOLATION: in op %u: %s\n  expected %s\n  got      %s%s\n", s->unit + 1,
           s->sql, got ? got : error, s->result ? s->result : s->sqlstate,
           s->outcome == OUTCOME_DONE ? "" : " (refused)");
    return false;
}

/* Weir lets autocommitted writes share a commit. What one owes to a deferred foreign key a later
 * one may pay: then both became visible at once, and so they do here. */
static void end_commit(replay *p, int64_t op)
{
    int rc = sqlite3_exec(p->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        p->owing = 0;
    } else if (rc == SQLITE_CONSTRAINT && p->owing < OWING_MAX) {
        p->owing++;
    } else {
        fail("op %" PRId64 ": COMMIT: %s", op, sqlite3_errmsg(p->db));
    }
}

unsigned replay_commit(replay *p, const record *r, const commit *c)
{
    unsigned wrong = 0;
    if (!p->owing)
        schema_run(p->db, "BEGIN");
    if (c->unit == NO_UNIT) {
        schema_run(p->db, c->sql);
    } else {
        const commit_unit *u = &r->units[c->unit];
        for (uint32_t i = u->first; i < u->first + u->count; i++) {
            const statement *s = &r->statements[i];
            if (s->role == ROLE_WRITE || s->role == ROLE_INNER)
                wrong += !answers_as_recorded(p, s);
        }
    }
    end_commit(p, c->op);
    return wrong;
}

/* ---- at the end ---- */

static char *dump(sqlite3 *db, const char *table)
{
    sqlite3_str *text = sqlite3_str_new(db);
    sqlite3_stmt *stmt;
    char *sql = sqlite3_mprintf("SELECT * FROM %s ORDER BY 1", table);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail("%s: %s", table, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            sqlite3_str_appendf(text, "%s|", sqlite3_column_text(stmt, i));
        sqlite3_str_appendchar(text, 1, '\n');
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    char *all = sqlite3_str_finish(text);
    return all ? all : sqlite3_mprintf("");
}

unsigned replay_compare(replay *p, sqlite3 *db)
{
    unsigned wrong = p->owing > 0;
    if (wrong)
        printf("checker: VIOLATION: the last commit breaks a foreign key\n");
    for (unsigned i = 0; schema_table(i); i++) {
        char *ours = dump(p->db, schema_table(i)), *theirs = dump(db, schema_table(i));
        if (strcmp(ours, theirs) != 0) {
            printf("checker: VIOLATION: %s is in the file\n%.2000s\nbut the history comes to\n"
                   "%.2000s\n",
                   schema_table(i), theirs, ours);
            wrong++;
        }
        sqlite3_free(ours);
        sqlite3_free(theirs);
    }
    return wrong;
}
