/* A copy of a database file while others write to it. */
#ifndef WEIR_BACKEND_SQLITE_BACKUP_H
#define WEIR_BACKEND_SQLITE_BACKUP_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct weir_sqlite_backup_options {
    const char *path, *target;
    bool replace; /* a file that is there */
    /* Now and then, with what is done of how much, in bytes; false: give up. May be NULL. */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
} weir_sqlite_backup_options;

/* Copies the database as it is at the start into `target`, which is there whole and durable, or not
 * at all: until then everything is in `target`.part. Writers go on, in this process and others;
 * the write-ahead log cannot be emptied meanwhile. 0, *ret_size its bytes; -EEXIST, -EBUSY (another
 * backup to the same file runs, or the target is in use), -ECANCELED (progress said so), -ENOENT,
 * -EACCES, -EINVAL, -ENOSPC, -EIO, -ENOMEM: `err` says what to do. */
WEIR_MUST_CHECK int weir_sqlite_backup(const weir_sqlite_backup_options *options,
                                       uint64_t *ret_size, weir_error *err);

#endif
