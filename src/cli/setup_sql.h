/* Private to cli/: what `weir setup` asks a PostgreSQL server, and what it tells it to do. */
#ifndef WEIR_CLI_SETUP_SQL_H
#define WEIR_CLI_SETUP_SQL_H

#include <stddef.h>

/* One row: the columns of setup_fact. */
extern const char setup_facts[];
enum setup_fact {
    SETUP_VERSION, /* "15.20" */
    SETUP_NUMBER,  /* 150020 */
    SETUP_DATABASE,
    SETUP_USER,
    SETUP_RECOVERY, /* t: a standby */
    SETUP_WAL_LEVEL,
    SETUP_SLOTS, /* max_replication_slots */
    SETUP_SLOTS_USED,
    SETUP_SENDERS,     /* max_wal_senders */
    SETUP_REPLICATION, /* t: the user may replicate */
    SETUP_MAY_CREATE,  /* t: … create things in this database */
    SETUP_PUBLICATION, /* NULL: none; "ttttf" and t: of all tables */
    SETUP_TRIGGERS,    /* how many of ours are there, and ENABLE ALWAYS */
    SETUP_MANAGED,     /* a setting that a managed service has; NULL */
    SETUP_KEEP_SIZE    /* max_slot_wal_keep_size, in MiB; "-1": unlimited */
};

/* One number: slots of cache.persist slot in this database. */
extern const char setup_kept[];

/* A row for each table: the columns of setup_column, by name. */
extern const char setup_tables[];
enum setup_column {
    SETUP_TABLE,     /* quoted */
    SETUP_OWNED,     /* t: the user may publish it */
    SETUP_PUBLISHED, /* t: it is in the publication */
    SETUP_PARTIAL,   /* t: … with a filter or a column list */
    SETUP_REASON,    /* why it cannot be published; "" */
    SETUP_ADVICE     /* what would help; "" */
};

/* NULL-terminated. What tells of changes of the schema; the whole list or nothing of it. */
extern const char *const setup_triggers[];
/* NULL-terminated. Takes all of it back. */
extern const char *const setup_removal[];

#define SETUP_OPTIONS                                                                              \
    "publish = 'insert, update, delete, truncate', publish_via_partition_root = false"

#endif
