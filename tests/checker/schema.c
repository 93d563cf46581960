/* See schema.h. Every write names its op: triggers on `op` put it into the history, within the same
 * transaction. Where no trigger can know it (deletes; tables that are dropped and made anew) the
 * writer adds it itself. A row of `note` or `owner` is deleted only after `doom` was set to the op
 * of the DELETE, so that a DELETE that commits by itself is in the history too. */
#include "schema.h"
#include "record.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* `UPDATE OF op`: not for what a foreign key's action changes, which has no op of its own. */
#define HISTORY_OF(table)                                                                          \
    "CREATE TRIGGER " table "_insert AFTER INSERT ON " table                                       \
    " BEGIN INSERT INTO history(op) VALUES (NEW.op); END;"                                         \
    "CREATE TRIGGER " table "_update AFTER UPDATE OF op ON " table                                 \
    " BEGIN INSERT INTO history(op) VALUES (NEW.op); END;"
#define DOOM_OF(table)                                                                             \
    "CREATE TRIGGER " table "_delete AFTER DELETE ON " table                                       \
    " BEGIN INSERT INTO history(op) VALUES (OLD.doom); END;"

static const char schema[] =
    "CREATE TABLE history(seq INTEGER PRIMARY KEY AUTOINCREMENT, op INTEGER NOT NULL);"
    "CREATE TABLE item(id INTEGER PRIMARY KEY, owner INTEGER, code TEXT UNIQUE, v INTEGER,"
    " op INTEGER NOT NULL);"
    "CREATE INDEX item_owner ON item(owner);"
    "CREATE TABLE kv(k TEXT PRIMARY KEY, v INTEGER, op INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE owner(id INTEGER PRIMARY KEY, name TEXT, total INTEGER DEFAULT 0,"
    " op INTEGER NOT NULL, doom INTEGER);"
    "CREATE TABLE pet(id INTEGER PRIMARY KEY,"
    " owner INTEGER REFERENCES owner(id) ON DELETE CASCADE ON UPDATE CASCADE, v INTEGER,"
    " op INTEGER NOT NULL);"
    "CREATE TABLE chip(id INTEGER PRIMARY KEY,"
    " pet INTEGER REFERENCES pet(id) DEFERRABLE INITIALLY DEFERRED, op INTEGER NOT NULL);"
    "CREATE TABLE audit(id INTEGER PRIMARY KEY, item INTEGER, v INTEGER);"
    "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT, op INTEGER NOT NULL, doom INTEGER);"
    "CREATE TABLE shared(id INTEGER PRIMARY KEY, k INTEGER, v INTEGER, op INTEGER NOT NULL);"
    "CREATE TABLE bulk(id INTEGER PRIMARY KEY, grp INTEGER, v INTEGER, op INTEGER);"
    "CREATE TABLE side(id INTEGER PRIMARY KEY, v INTEGER, op INTEGER);"
    "CREATE VIEW item_v AS SELECT id, owner, v FROM item WHERE v >= 500;"
    "CREATE VIEW ranked AS SELECT id, owner, row_number() OVER (ORDER BY v DESC, id) AS r"
    " FROM item;"
    /* Writes that the statement does not name. */
    "CREATE TRIGGER item_guard BEFORE UPDATE ON item WHEN NEW.v < 0"
    " BEGIN SELECT RAISE(ABORT, 'negative'); END;"
    "CREATE TRIGGER item_audit AFTER UPDATE OF v ON item BEGIN"
    " INSERT INTO audit(item, v) VALUES (NEW.id, NEW.v);"
    " DELETE FROM audit WHERE item = NEW.id AND id <= (SELECT max(id) FROM audit) - 50;"
    " UPDATE owner SET total = total + NEW.v - OLD.v, op = NEW.op WHERE id = NEW.owner; END;" /**/
    HISTORY_OF("item") HISTORY_OF("kv") HISTORY_OF("owner") HISTORY_OF("pet") HISTORY_OF("chip")
        HISTORY_OF("note") HISTORY_OF("shared") DOOM_OF("note") DOOM_OF("owner");

static const char rows[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)"
    " INSERT INTO owner(id, name, op) SELECT i, 'owner ' || i, 0 FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    " INSERT INTO item SELECT i, 1 + i % 12, 'c' || i, i * 20, 0 FROM n WHERE i % 4;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    " INSERT INTO kv SELECT 'k' || i, i, 0 FROM n WHERE i % 3;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    " INSERT INTO pet SELECT i, 1 + i % 12, i * 7 % 50, 0 FROM n WHERE i % 5;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    " INSERT INTO note(id, body, op) SELECT i, 'note ' || i, 0 FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    " INSERT INTO shared SELECT i, 1 + i % 8, i, 0 FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    " INSERT INTO bulk SELECT i, i % 40, i, 0 FROM n;"
    "INSERT INTO side VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0);"
    "ALTER TABLE side ADD COLUMN z INTEGER DEFAULT 2;" /* which the rows have without holding it */
    "DELETE FROM history; DELETE FROM sqlite_sequence;";

static const char *const tables[] = {"item", "kv",     "owner", "pet",  "chip",   "audit",
                                     "note", "shared", "bulk",  "side", "item_v", NULL};

sqlite3 *schema_open(const char *path, int flags)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        fail("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 20000);
    schema_run(db, "PRAGMA foreign_keys = ON");
    return db;
}

void schema_run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail("%s: %.200s", sqlite3_errmsg(db), sql);
}

void schema_create(sqlite3 *db)
{
    schema_run(db, "BEGIN");
    schema_run(db, schema);
    schema_run(db, rows);
    schema_run(db, "COMMIT");
}

const char *schema_table(unsigned i)
{
    return tables[i];
}
