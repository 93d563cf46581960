/* See writes.h. */
#include "writes.h"
#include "schema.h"
#include <stdarg.h>
#include <stdio.h>

void write_text(workload *w, statement_role role, uint32_t unit, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof(text))
        fail("a statement is too long");
    statement *s = record_add(w->record);
    s->role = role;
    s->unit = unit;
    s->sql = record_text(w->record, text, (size_t)len);
}

/* ---- one table each; `op` is the unit's ---- */

static void write_item(workload *w, uint32_t unit, int id)
{
    unsigned op = unit + 1, v = workload_roll(w, 1000);
    int other = workload_key(w, 'i'), owner = workload_key(w, 'o');
    switch (workload_roll(w, 13)) {
    case 0: /* moves between keys */
    case 1:
    case 2:
        write_text(w, ROLE_WRITE, unit, "UPDATE item SET owner = %d, op = %u WHERE id = %d", owner,
                   op, id);
        break;
    case 3: /* often refused */
        write_text(w, ROLE_WRITE, unit, "INSERT INTO item VALUES (%d, %d, 'c%d', %u, %u)", id,
                   owner, other, v, op);
        break;
    case 4: /* deletes up to two rows that it does not name */
        write_text(w, ROLE_WRITE, unit, "REPLACE INTO item VALUES (%d, %d, 'c%d', %u, %u)", id,
                   owner, other, v, op);
        break;
    case 5: /* refused by a trigger */
        write_text(w, ROLE_WRITE, unit, "UPDATE item SET v = -1, op = %u WHERE id = %d", op, id);
        break;
    case 6: /* the key itself; often refused */
        write_text(w, ROLE_WRITE, unit, "UPDATE item SET id = %d, op = %u WHERE id = %d", other, op,
                   id);
        break;
    case 7:
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO item VALUES (%d, %d, 'c%d', %u, %u) ON CONFLICT (id) DO UPDATE"
                   " SET v = excluded.v, owner = excluded.owner, op = excluded.op",
                   id, owner, id, v, op);
        break;
    case 8:
        write_text(w, ROLE_WRITE, unit,
                   "UPDATE item SET v = (v + 1) %% 1000, op = %u WHERE id = %d"
                   " RETURNING id, v",
                   op, id);
        break;
    case 9: /* ends whatever transaction it shares */
        write_text(w, ROLE_WRITE, unit,
                   "INSERT OR ROLLBACK INTO item VALUES (%d, %d, 'c%d', 0, %u)", id, owner, other,
                   op);
        break;
    default:
        write_text(w, ROLE_WRITE, unit, "UPDATE item SET v = %u, op = %u WHERE id = %d", v, op, id);
    }
}

static void write_of_owner(workload *w, uint32_t unit, int owner)
{
    unsigned op = unit + 1;
    switch (workload_roll(w, 6)) {
    case 0: /* many rows, by the secondary key */
        write_text(w, ROLE_WRITE, unit,
                   "UPDATE item SET v = (v + 7) %% 1000, op = %u"
                   " WHERE owner = %d",
                   op, owner);
        break;
    case 1: /* the foreign key's action follows it */
        write_text(w, ROLE_WRITE, unit, "UPDATE owner SET id = %d, op = %u WHERE id = %d",
                   workload_key(w, 'o'), op, owner);
        break;
    case 2:
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO owner(id, name, op) VALUES (%d, 'again', %u)"
                   " ON CONFLICT (id) DO UPDATE SET name = 'kept', op = excluded.op",
                   owner, op);
        break;
    case 3:
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO owner(id, name, op) VALUES (%d, 'new', %u)"
                   " ON CONFLICT DO NOTHING",
                   owner, op);
        break;
    default: /* pets come, go to another owner or to none; refused if there is no such owner */
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO pet VALUES (%d, %s, %d, %u) ON CONFLICT (id) DO UPDATE"
                   " SET owner = excluded.owner, op = excluded.op",
                   workload_key(w, 'i'),
                   (const char *[]){"NULL", "1", "2", "3", "5", "8", "11"}[workload_roll(w, 7)],
                   workload_key(w, 'i'), op);
    }
}

static void write_kv(workload *w, uint32_t unit, int key)
{
    unsigned op = unit + 1;
    switch (workload_roll(w, 4)) {
    case 0:
        write_text(w, ROLE_WRITE, unit, "UPDATE kv SET k = 'k%d', op = %u WHERE k = 'k%d'",
                   workload_key(w, 'k'), op, key);
        break;
    case 1:
        write_text(w, ROLE_WRITE, unit, "REPLACE INTO kv VALUES ('k%d', %u, %u)", key,
                   workload_roll(w, 1000), op);
        break;
    case 2:
        write_text(w, ROLE_WRITE, unit, "UPDATE kv SET v = v + 1, op = %u WHERE k = 'k%d'", op,
                   key);
        break;
    default:
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO kv VALUES ('k%d', 1, %u) ON CONFLICT (k) DO UPDATE"
                   " SET v = v + 1, op = excluded.op",
                   key, op);
    }
}

touched write_about(workload *w, uint32_t unit, touched about)
{
    unsigned op = unit + 1;
    switch (about.kind) {
    case 'o':
        write_of_owner(w, unit, about.key);
        break;
    case 'k':
        write_kv(w, unit, about.key);
        break;
    case 'c': /* get or create: refused if somebody was first */
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO item(owner, code, v, op)"
                   " VALUES (%d, 'c%d', %u, %u)",
                   workload_key(w, 'o'), about.key, workload_roll(w, 1000), op);
        break;
    case 'n':
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO note(id, body, op) VALUES (%d, 'b%u', %u)"
                   " ON CONFLICT (id) DO UPDATE SET body = excluded.body, op = excluded.op",
                   about.key, workload_roll(w, 1000), op);
        break;
    case 'p': /* a pet that is missing is found out at the commit */
        write_text(w, ROLE_WRITE, unit,
                   "INSERT INTO chip VALUES (%d, %d, %u) ON CONFLICT (id) DO UPDATE"
                   " SET pet = excluded.pet, op = excluded.op",
                   workload_key(w, 'p'), about.key, op);
        break;
    case 's':
        write_text(w, ROLE_WRITE, unit, "UPDATE shared SET v = v + 1, op = %u WHERE k = %d", op,
                   about.key);
        break;
    default:
        about.kind = 'i';
        write_item(w, unit, about.key);
    }
    return about;
}

touched write_any(workload *w, uint32_t unit)
{
    char kind = "iiiiiioookkkccnnsp"[workload_roll(w, 18)];
    return write_about(w, unit, (touched){kind, workload_key(w, kind)});
}

touched write_partly(workload *w, uint32_t unit)
{
    touched about = {'k', workload_key(w, 'k')};
    write_text(w, ROLE_WRITE, unit, "INSERT OR FAIL INTO kv VALUES ('k%d', 5, %u), ('k%d', 6, %u)",
               about.key, unit + 1, workload_key(w, 'k'), unit + 1);
    w->record->units[unit].partly = true;
    return about;
}

/* ---- with the history's line beside it ---- */

static void write_history(workload *w, uint32_t unit)
{
    write_text(w, ROLE_WRITE, unit, "INSERT INTO history(op) VALUES (%u)", unit + 1);
}

touched write_delete(workload *w, uint32_t unit)
{
    touched about = {"iiiks"[workload_roll(w, 5)], 0};
    about.key = workload_key(w, about.kind);
    if (about.kind == 'i')
        write_text(w, ROLE_WRITE, unit, "DELETE FROM item WHERE id = %d", about.key);
    else if (about.kind == 'k')
        write_text(w, ROLE_WRITE, unit, "DELETE FROM kv WHERE k = 'k%d'", about.key);
    else
        write_text(w, ROLE_WRITE, unit, "DELETE FROM shared WHERE k = %d AND id %% 7 = 0",
                   about.key);
    write_history(w, unit);
    return about;
}

touched write_doom(workload *w, uint32_t unit, uint32_t deleting, char kind)
{
    touched about = {kind, workload_key(w, kind)};
    write_text(w, ROLE_WRITE, unit, "UPDATE %s SET doom = %u, op = %u WHERE id = %d",
               kind == 'n' ? "note" : "owner", deleting + 1, unit + 1, about.key);
    return about;
}

void write_doomed(workload *w, uint32_t deleting, touched doomed)
{
    write_text(w, ROLE_WRITE, deleting, "DELETE FROM %s WHERE id = %d AND doom = %u",
               doomed.kind == 'n' ? "note" : "owner", doomed.key, deleting + 1);
}

/* `side` has no triggers, which would go with it. Its rows have `z` without holding it until they
 * are written again. */
static void write_side(workload *w, uint32_t unit)
{
    if (workload_roll(w, 3) == 0) {
        write_text(w, ROLE_WRITE, unit, "UPDATE side SET v = v + 1, op = %u WHERE id = %d",
                   unit + 1, workload_key(w, 'd'));
    } else {
        write_text(w, ROLE_WRITE, unit, "UPDATE side SET z = %d, op = %u WHERE id = %d",
                   workload_key(w, 'd'), unit + 1, workload_key(w, 'd'));
    }
}

static void change_side(workload *w, uint32_t unit)
{
    if (w->columns++ < 4) {
        write_text(w, ROLE_WRITE, unit, "ALTER TABLE side ADD COLUMN c%u INTEGER DEFAULT %u", unit,
                   unit % 100);
        return;
    }
    write_text(w, ROLE_WRITE, unit, "DROP TABLE side");
    write_text(w, ROLE_WRITE, unit,
               "CREATE TABLE side(id INTEGER PRIMARY KEY, v INTEGER, op INTEGER)");
    write_text(w, ROLE_WRITE, unit, "INSERT INTO side VALUES (1, %u, 0), (2, 2, 0), (4, 4, 0)",
               unit % 100);
    write_text(w, ROLE_WRITE, unit, "ALTER TABLE side ADD COLUMN z INTEGER DEFAULT %d",
               workload_key(w, 'd'));
    w->columns = 0;
}

/* `definition`: of the table or of a view; else a row only. */
touched write_schema(workload *w, uint32_t unit, bool definition)
{
    touched about = {'d', workload_key(w, 'd')};
    if (!definition) {
        write_side(w, unit);
    } else if (workload_roll(w, 2)) {
        change_side(w, unit);
    } else {
        about = (touched){'o', workload_key(w, 'o')};
        write_text(w, ROLE_WRITE, unit, "DROP VIEW item_v");
        write_text(w, ROLE_WRITE, unit,
                   "CREATE VIEW item_v AS SELECT id, owner, v FROM item"
                   " WHERE %s >= %u",
                   workload_roll(w, 2) ? "v" : "v + owner", workload_roll(w, 1000));
    }
    write_history(w, unit);
    return about;
}

touched write_bulk(workload *w, uint32_t unit)
{
    unsigned op = unit + 1;
    int key = workload_key(w, 'b');
    if (workload_roll(w, 4) == 0)
        write_text(w, ROLE_WRITE, unit, "UPDATE bulk SET v = v + 1, op = %u", op);
    else if (workload_roll(w, 3) == 0)
        write_text(w, ROLE_WRITE, unit,
                   "UPDATE bulk SET grp = (grp + 1) %% 40, op = %u"
                   " WHERE id < 1000",
                   op);
    else
        write_text(w, ROLE_WRITE, unit,
                   "UPDATE bulk SET v = v + 1, grp = %d, op = %u"
                   " WHERE id = %d",
                   workload_key(w, 'g'), op, key);
    write_history(w, unit);
    return (touched){'b', key};
}
