/* See history.h. */
#include "history.h"
#include "schema.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_ops(history *h, sqlite3 *db)
{
    sqlite3_stmt *ops;
    if (sqlite3_prepare_v2(db, "SELECT op, max(seq) FROM history GROUP BY op ORDER BY 2", -1, &ops,
                           NULL) != SQLITE_OK)
        fail("history: %s", sqlite3_errmsg(db));
    size_t size = 0;
    while (sqlite3_step(ops) == SQLITE_ROW) {
        if (h->count == size) {
            size = size ? size * 2 : 4096;
            h->commits = realloc(h->commits, size * sizeof(*h->commits));
            if (!h->commits)
                fail("out of memory");
        }
        h->commits[h->count++] = (commit){.op = sqlite3_column_int64(ops, 0), .unit = NO_UNIT};
    }
    sqlite3_finalize(ops);
}

/* Lines `op begun finished<TAB>sql`, in the order of the commits. */
static void read_log(history *h, const char *path, record *r)
{
    char line[2048];
    size_t at = 0;
    FILE *log = fopen(path, "r");
    if (!log)
        fail("%s: cannot be read", path);
    while (fgets(line, sizeof(line), log)) {
        commit c = {.unit = NO_UNIT};
        char *end, *tab = strchr(line, '\t');
        if (!tab)
            fail("the outsider's log: %s", line);
        c.op = strtoll(line, &end, 10);
        c.begun = strtoll(end, &end, 10);
        c.finished = strtoll(end, &end, 10);
        c.sql = record_text(r, tab + 1, strcspn(tab + 1, "\n"));
        while (at < h->count && h->commits[at].op != c.op)
            at++;
        if (at == h->count)
            fail("the outsider's op %" PRId64 " is not in the history", c.op);
        h->commits[at] = c;
    }
    fclose(log);
}

/* That it is in the history says that something was written. */
static bool wrote(const record *r, const commit_unit *u)
{
    for (uint32_t i = u->first; i < u->first + u->count; i++) {
        const statement *s = &r->statements[i];
        if (s->role == ROLE_WRITE && s->rows > 0)
            return true;
    }
    return false;
}

static unsigned join_units(history *h, const record *r)
{
    unsigned wrong = 0;
    bool *found = calloc(r->unit_count + 1, 1);
    if (!found)
        fail("out of memory");
    for (size_t i = 0; i < h->count; i++) {
        commit *c = &h->commits[i];
        if (c->op >= OUTSIDER_OPS) {
            if (!c->sql)
                fail("the outsider did not log its op %" PRId64, c->op);
            continue;
        }
        if (c->op < 1 || (uint64_t)c->op > r->unit_count)
            fail("the history has an op %" PRId64 " that nobody made", c->op);
        const commit_unit *u = &r->units[c->op - 1];
        c->unit = (uint32_t)(c->op - 1);
        c->begun = u->sent;
        c->finished = u->answered;
        found[c->unit] = true;
        if (!u->sent || (u->outcome == OUTCOME_REFUSED && !u->partly)) {
            printf("checker: VIOLATION: op %" PRId64 " was %s but is in the history: %s\n", c->op,
                   u->sent ? "refused or rolled back" : "never committed",
                   r->statements[u->first].sql);
            wrong++;
        }
    }
    for (size_t i = 0; i < r->unit_count; i++) {
        const commit_unit *u = &r->units[i];
        if (!found[i] && u->outcome == OUTCOME_DONE && !u->savepoints && wrote(r, u)) {
            printf("checker: VIOLATION: op %zu was acknowledged but is not in the history: %s\n",
                   i + 1, r->statements[u->first].sql);
            wrong++;
        }
    }
    free(found);
    return wrong;
}

unsigned history_read(history *h, sqlite3 *db, const char *log_path, record *r)
{
    *h = (history){0};
    read_ops(h, db);
    read_log(h, log_path, r);
    return join_units(h, r);
}

void history_free(history *h)
{
    free(h->commits);
}
