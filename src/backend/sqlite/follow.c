/* Reporting to the follower.
 *
 *   transaction ── collects (changes.c) ──► committed ── settle ──► told
 *                        └─ rolled back: the hook has dropped what was collected
 *
 * Invariant: whatever a commit changed is reported before anybody is told of it. A transaction has
 * committed when ids are there and no write transaction is open any more: that covers COMMIT,
 * RELEASE, autocommit, and INSERT OR FAIL, which fails and keeps its first rows.
 *
 * Others' commits show as PRAGMA data_version on the writer's connection: that does not move with
 * its own commits, but does with an upgraded reader's. If no other process has committed, the
 * reader's own data_version has not moved: it is read before and after the writer's, so that a
 * commit in between is seen twice and never missed. A connection inside a read transaction sees
 * its snapshot only, and proves nothing. */
#include "backend/sqlite/follow.h"

static bool writes(const weir_sqlite_db *db)
{
    return sqlite3_txn_state(db->handle, "main") == SQLITE_TXN_WRITE;
}

static int data_version(weir_sqlite_db *db, int64_t *ret)
{
    weir_sqlite_aside before = weir_sqlite_db_step_aside(db);
    int rc = weir_sqlite_db_number(db, "PRAGMA data_version", ret);
    weir_sqlite_db_step_back(db, before);
    return rc;
}

void weir_sqlite_follow_start(weir_sqlite_follow *f, weir_sqlite_db *writer,
                              const weir_follower *follower, weir_time look_every)
{
    f->follower = *follower;
    f->look_every = look_every > WEIR_MS ? look_every : WEIR_MS;
    if (f->on)
        return;
    weir_sqlite_changes_init(&f->changes, writer->cache.by_text.seed);
    weir_sqlite_changes_watch(&f->changes, writer);
    f->db = writer;
    f->on = true;
    /* What anybody committed until here was not reported: answers that were read before are worth
     * nothing. From the version on, looks see the others. */
    (void)data_version(writer, &f->version);
    f->follower.committed(f->follower.user, NULL, 0, true);
    weir_sqlite_changes_track(&f->changes, &f->follower);
    weir_sqlite_follow_look(f, writer);
}

void weir_sqlite_follow_fini(weir_sqlite_follow *f)
{
    if (f->on)
        weir_sqlite_changes_fini(&f->changes);
}

void weir_sqlite_follow_admit(weir_sqlite_follow *f, weir_sqlite_db *reader)
{
    f->upgraded_known = false;
    if (f->on)
        weir_sqlite_changes_watch(&f->changes, reader);
}

void weir_sqlite_follow_let_go(weir_sqlite_follow *f, weir_sqlite_db *reader)
{
    f->upgraded_known = false;
    reader->changes = NULL;
}

/* ---- our own commits ---- */

#ifdef WEIR_TEST_FAULT_LATE_CHANGE
/* Told first, reported later: what the staleness checker must find. */
static bool put_off(weir_sqlite_follow *f)
{
    weir_time now = weir_sqlite_now();
    if (f->put_off_until == 0)
        f->put_off_until = now + 2 * WEIR_MS;
    if (now < f->put_off_until)
        return true;
    f->put_off_until = 0;
    return false;
}
#else
static bool put_off(const weir_sqlite_follow *f)
{
    (void)f;
    return false;
}
#endif

static void report(weir_sqlite_follow *f, weir_sqlite_db *db)
{
    weir_sqlite_changes *c = &f->changes;
    bool everything = c->set.everything || weir_sqlite_changes_schema_differs(c, db);
    if (c->set.count > 0 || everything)
        f->follower.committed(f->follower.user, c->set.ids, c->set.count, everything);
    weir_sqlite_changes_clear(c);
}

void weir_sqlite_follow_settle(weir_sqlite_follow *f, weir_sqlite_db *db)
{
    if (!f->on || writes(db))
        return;
    f->held = false;
    if (weir_sqlite_changes_pending(&f->changes)) {
        if (put_off(f))
            return;
        report(f, db);
    } else if (!weir_sqlite_db_in_transaction(db)) {
        weir_sqlite_changes_clear(&f->changes); /* savepoints of one that only read */
    }
    weir_sqlite_changes_track(&f->changes, &f->follower);
}

bool weir_sqlite_follow_is_settled(const weir_sqlite_follow *f, const weir_sqlite_db *db)
{
    return !f->on || f->put_off_until || !weir_sqlite_changes_pending(&f->changes) || writes(db);
}

/* ---- others' commits ---- */

static void tell_look(weir_sqlite_follow *f, weir_time at, bool others)
{
    f->looked_at = at;
    f->follower.looked(f->follower.user, at, others);
}

void weir_sqlite_follow_look(weir_sqlite_follow *f, weir_sqlite_db *db)
{
    int64_t version = 0;
    int64_t first = 0;
    int64_t second = 0;
    if (!f->on || sqlite3_txn_state(f->db->handle, "main") == SQLITE_TXN_READ)
        return;
    bool upgraded = db != f->db;
    bool fresh = upgraded && sqlite3_txn_state(db->handle, "main") == SQLITE_TXN_NONE;
    weir_time at = weir_sqlite_now();
    if ((upgraded && data_version(db, &first) != SQLITE_OK) ||
        data_version(f->db, &version) != SQLITE_OK ||
        (upgraded && data_version(db, &second) != SQLITE_OK)) {
        f->looked_at = at; /* not again at once; whoever counts on looks hears nothing */
        return;
    }
    bool ours = fresh && f->upgraded_known && second == f->upgraded_version;
    bool others = version != f->version && !ours;
    f->version = version;
    if (upgraded)
        f->upgraded_version = first;
    f->upgraded_known |= upgraded;
    f->held |= writes(db);
    tell_look(f, at, others);
}

void weir_sqlite_follow_tick(weir_sqlite_follow *f, weir_sqlite_db *db)
{
    if (!f->on || weir_sqlite_now() < f->looked_at + f->look_every / 2)
        return;
    if (f->held && writes(db))
        tell_look(f, weir_sqlite_now(), false);
    else if (db != f->db)
        weir_sqlite_follow_look(f, f->db);
}

weir_time weir_sqlite_follow_due(const weir_sqlite_follow *f)
{
    if (!f->on)
        return WEIR_TIME_NEVER;
    weir_time due = f->looked_at + f->look_every;
    return f->put_off_until && f->put_off_until < due ? f->put_off_until : due;
}
