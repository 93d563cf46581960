/* What a statement may do to its session, and with which names. */
#ifndef WEIR_SQL_EFFECTS_H
#define WEIR_SQL_EFFECTS_H

#include "base/slice.h"

/* What a statement may do to its session, as far as names tell. Any of them but the last pins,
 * until a later analysis knows better. Bits. */
enum {
    WEIR_EFFECT_SET = 1 << 0,           /* SET, RESET, set_config( of the session, not SET LOCAL */
    WEIR_EFFECT_LISTEN = 1 << 1,        /* LISTEN, and what lists channels */
    WEIR_EFFECT_TEMP = 1 << 2,          /* CREATE TEMP, SELECT INTO TEMP, pg_temp */
    WEIR_EFFECT_ADVISORY_LOCK = 1 << 3, /* pg_advisory_lock and its kin, not the _xact_ ones */
    WEIR_EFFECT_PREPARE = 1 << 4,       /* SQL-level PREPARE, and what lists its names */
    WEIR_EFFECT_HOLD_CURSOR = 1 << 5,
    WEIR_EFFECT_SEQUENCE = 1 << 6, /* currval, lastval: depends on this session's nextval */
    WEIR_EFFECT_LOAD = 1 << 7,     /* LOAD */
    WEIR_EFFECT_DISCARD = 1 << 8,  /* DISCARD, DEALLOCATE */
    WEIR_EFFECT_DO = 1 << 9,       /* DO, CALL: may do anything */
    WEIR_EFFECT_NOTIFY = 1 << 10,  /* NOTIFY, pg_notify, pg_cancel_backend, …: other sessions hear
                                      it; leaves nothing behind */
    WEIR_EFFECT_SEED = 1 << 11,    /* setseed, SET seed: what random() gives from now on */
    WEIR_EFFECT_UNDO = 1 << 12,    /* takes state back and leaves none: RESET, UNLISTEN, CLOSE,
                                      pg_advisory_unlock, … */
    WEIR_EFFECT_NEXTVAL = 1 << 13, /* nextval, setval: what currval gives from now on. INSERTs do it
                                      unseen, by defaults */
    WEIR_EFFECT_UNKNOWN = 1 << 14, /* uses what is not known: it is looked for afterwards, and
                                      nothing is pinned beforehand */
    WEIR_EFFECT_WRITES = 1 << 15,  /* may write what its text does not name: nothing to its session.
                                      A server's catalog tells it with every UNKNOWN */
};
/* The name of the lowest bit set ("set", "listen", …): the reason label of metrics; "none" for 0.
 */
const char *weir_effect_name(unsigned effects);

/* What a text does with names of its session, found by its tokens alone (PostgreSQL). */
typedef enum weir_naming {
    WEIR_NAMING_SETTING,    /* SET or RESET of a setting with a dot, or a literal that could name
                               one (set_config's argument, a function's body) */
    WEIR_NAMING_PREPARE,    /* PREPARE name … */
    WEIR_NAMING_EXECUTE,    /* EXECUTE name … */
    WEIR_NAMING_DEALLOCATE, /* DEALLOCATE name */
    WEIR_NAMING_DEALLOCATE_ALL,
    WEIR_NAMING_DISCARD_ALL,
} weir_naming;
#define WEIR_SQL_NAME_MAX 63u /* PostgreSQL cuts identifiers to this many bytes */
/* Calls `visit` for each: `name` as PostgreSQL folds and cuts it (borrowed for the call; of
 * settings in lower case), `statement` the whole statement it stands in. */
void weir_sql_each_naming(weir_slice text,
                          void (*visit)(void *user, weir_naming what, weir_slice name,
                                        weir_slice statement),
                          void *user);

/* Could it be the name of a setting of the users' own ("app.user")? */
bool weir_sql_is_setting_name(weir_slice text);

#endif
