/* The backend's reports to its follower (engine/backend.h): commits of our own, and looks for those
 * of other processes. On the writer's thread only. */
#ifndef WEIR_BACKEND_SQLITE_FOLLOW_H
#define WEIR_BACKEND_SQLITE_FOLLOW_H

#include "backend/sqlite/db.h"

typedef struct weir_sqlite_follow {
    bool on;
    weir_follower follower;
    weir_time look_every;
    weir_time looked_at;
    weir_time put_off_until;  /* only a build with a fault switch puts off */
    weir_sqlite_db *db;       /* the writer's */
    int64_t version;          /* PRAGMA data_version there */
    int64_t upgraded_version; /* and on the upgraded reader */
    bool upgraded_known;
    bool held; /* looked while we hold the write lock: nobody else has committed since */
    weir_sqlite_changes changes;
} weir_sqlite_follow;

/* Again with another follower or interval: only that changes. */
void weir_sqlite_follow_start(weir_sqlite_follow *f, weir_sqlite_db *writer,
                              const weir_follower *follower, weir_time look_every);
void weir_sqlite_follow_fini(weir_sqlite_follow *f);
/* An upgraded reader writes from here on, until it is let go. */
void weir_sqlite_follow_admit(weir_sqlite_follow *f, weir_sqlite_db *reader);
void weir_sqlite_follow_let_go(weir_sqlite_follow *f, weir_sqlite_db *reader);
/* After whatever may have ended a transaction on `db`, before anybody is told: reports what was
 * committed. */
void weir_sqlite_follow_settle(weir_sqlite_follow *f, weir_sqlite_db *db);
/* Nothing that was committed on `db` is unreported. */
bool weir_sqlite_follow_is_settled(const weir_sqlite_follow *f, const weir_sqlite_db *db);
/* Looks for other processes' commits; `db` is the writer's or the upgraded reader's, and runs
 * nothing now. */
void weir_sqlite_follow_look(weir_sqlite_follow *f, weir_sqlite_db *db);
/* From within a statement that runs on `db`. */
void weir_sqlite_follow_tick(weir_sqlite_follow *f, weir_sqlite_db *db);
/* When the next look is due; WEIR_TIME_NEVER. */
weir_time weir_sqlite_follow_due(const weir_sqlite_follow *f);

#endif
