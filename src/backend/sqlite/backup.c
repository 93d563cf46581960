/* A copy of a database file while others write to it, by SQLite's backup interface.
 *
 * Invariant: one read transaction of the source lasts from the first page to the last, so that the
 * copy is of one moment, and no writer makes it begin again; and the target's name is given to the
 * copy when every byte of it is durable, by one rename. Whoever dies before leaves TARGET.part,
 * which the next backup to the same target takes over (its lock died, too). */
#include "backend/sqlite/backup.h"
#include "backend/sqlite/db.h"
#include "backend/sqlite/errors.h"
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGES_PER_STEP 256
#define BUSY_TIMEOUT_MS 5000

typedef struct backup {
    const weir_sqlite_backup_options *options;
    weir_error *err;
    char part[PATH_MAX];
    int fd; /* of the part, locked */
    sqlite3 *source, *copy;
    uint64_t size;
} backup;

static int fail_errno(const backup *b, int error, const char *what, const char *path)
{
    const char *state = error == ENOSPC || error == EDQUOT ? "53100" : "58030";
    weir_error_set(b->err, state, "weir: %s \"%s\": %s", what, path, strerror(error));
    return -error;
}

static int fail_sqlite(const backup *b, sqlite3 *handle, int rc, const char *path)
{
    int r = weir_sqlite_explain(handle, path, rc, b->err);
    int error = handle ? sqlite3_system_errno(handle) : 0;
    bool full = (rc & 0xff) == SQLITE_FULL || error == ENOSPC || error == EDQUOT;
    return full ? -ENOSPC : r;
}

/* ---- the target ---- */

static bool is_used(const char *target, const char *suffix)
{
    char path[PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s%s", target, suffix);
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* A log beside the name would be taken for the copy's own. */
static int check_unused(const backup *b)
{
    const char *target = b->options->target;
    if (!is_used(target, "-wal") && !is_used(target, "-journal"))
        return 0;
    weir_error_set(b->err, "55006", "weir: \"%s\" is in use: it has a log or a journal", target);
    weir_error_hint(b->err, "Stop who uses it, or name another file.");
    return -EBUSY;
}

static int check_target(const backup *b)
{
    const char *target = b->options->target;
    struct stat source, there;
    if (strlen(target) + sizeof(".part-journal") > sizeof(b->part))
        return fail_errno(b, ENAMETOOLONG, "cannot write", target);
    if (stat(b->options->path, &source) != 0)
        return fail_errno(b, errno, "cannot read", b->options->path);
    if (stat(target, &there) != 0)
        return errno == ENOENT ? check_unused(b) : fail_errno(b, errno, "cannot write", target);
    if (S_ISDIR(there.st_mode))
        return fail_errno(b, EISDIR, "cannot write", target);
    if (there.st_dev == source.st_dev && there.st_ino == source.st_ino) {
        weir_error_set(b->err, "22023", "weir: \"%s\" is the database itself", target);
        return -EINVAL;
    }
    if (!b->options->replace) {
        weir_error_set(b->err, "58P02", "weir: \"%s\" is there already", target);
        weir_error_hint(b->err, "Name another file, or say --force to replace it.");
        return -EEXIST;
    }
    return check_unused(b);
}

static int open_part(backup *b)
{
    struct stat st;
    (void)snprintf(b->part, sizeof(b->part), "%s.part", b->options->target);
    b->fd = open(b->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (b->fd < 0)
        return fail_errno(b, errno, "cannot write", b->part);
    if (flock(b->fd, LOCK_EX | LOCK_NB) != 0) {
        close(b->fd);
        b->fd = -1; /* it is the other's to remove */
        weir_error_set(b->err, "55006", "weir: another backup to \"%s\" runs", b->options->target);
        return -EBUSY;
    }
    if (ftruncate(b->fd, 0) != 0 || stat(b->options->path, &st) != 0 ||
        fchmod(b->fd, st.st_mode & 0777) != 0)
        return fail_errno(b, errno, "cannot write", b->part);
    return 0;
}

static int sync_directory(const backup *b)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", b->options->target);
    const char *dir = dirname(copy);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd >= 0 && fsync(fd) == 0 ? 0 : fail_errno(b, errno, "cannot make durable", dir);
    if (fd >= 0)
        close(fd);
    return r;
}

/* One that has come meanwhile is not replaced, but with `replace`. */
static int give_name(const backup *b)
{
    const char *target = b->options->target;
    if (fsync(b->fd) != 0)
        return fail_errno(b, errno, "cannot make durable", b->part);
    int r = check_unused(b);
    if (r < 0)
        return r;
    if (b->options->replace)
        r = rename(b->part, target);
    else if ((r = renameat2(AT_FDCWD, b->part, AT_FDCWD, target, RENAME_NOREPLACE)) != 0 &&
             errno == EINVAL) /* a file system that cannot say it */
        r = link(b->part, target) == 0 ? unlink(b->part) : -1;
    if (r != 0)
        return fail_errno(b, errno, "cannot name the copy", target);
    return sync_directory(b);
}

/* ---- the copy ---- */

static int open_source(backup *b)
{
    const char *path = b->options->path;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &b->source, flags | SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(b->source, BUSY_TIMEOUT_MS);
        rc = sqlite3_exec(b->source, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    }
    return rc == SQLITE_OK ? 0 : fail_sqlite(b, b->source, rc, path);
}

/* Without a journal: nobody reads it before it is whole. */
static int open_copy(backup *b)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE;
    int rc = sqlite3_open_v2(b->part, &b->copy, flags, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(b->copy, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL,
                          NULL);
    return rc == SQLITE_OK ? 0 : fail_sqlite(b, b->copy, rc, b->part);
}

static uint64_t page_size(sqlite3 *handle)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t size = 0;
    if (sqlite3_prepare_v2(handle, "PRAGMA page_size", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        size = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return size;
}

static bool goes_on(const backup *b, sqlite3_backup *run, uint64_t page)
{
    uint64_t total = (uint64_t)sqlite3_backup_pagecount(run);
    uint64_t left = (uint64_t)sqlite3_backup_remaining(run);
    const weir_sqlite_backup_options *o = b->options;
    return !o->progress || o->progress(o->user, (total - left) * page, total * page);
}

static int copy_pages(backup *b)
{
    uint64_t page = page_size(b->source);
    sqlite3_backup *run = sqlite3_backup_init(b->copy, "main", b->source, "main");
    if (!run)
        return fail_sqlite(b, b->copy, sqlite3_errcode(b->copy), b->part);
    int rc = SQLITE_OK;
    bool wanted = true;
    while (wanted && rc == SQLITE_OK) {
        rc = sqlite3_backup_step(run, PAGES_PER_STEP);
        wanted = goes_on(b, run, page);
    }
    b->size = (uint64_t)sqlite3_backup_pagecount(run) * page;
    int ended = sqlite3_backup_finish(run);
    if (rc == SQLITE_DONE && wanted)
        rc = ended;
    if (!wanted) {
        weir_error_set(b->err, "57014", "weir: the backup was given up");
        return -ECANCELED;
    }
    return rc == SQLITE_OK || rc == SQLITE_DONE ? 0 : fail_sqlite(b, b->copy, rc, b->part);
}

static int close_copy(backup *b)
{
    int rc = sqlite3_close(b->copy);
    b->copy = NULL;
    return rc == SQLITE_OK ? 0 : fail_sqlite(b, NULL, rc, b->part);
}

int weir_sqlite_backup(const weir_sqlite_backup_options *options, uint64_t *ret_size,
                       weir_error *err)
{
    backup b = {.options = options, .err = err, .fd = -1};
    int r = check_target(&b);
    if (r == 0)
        r = open_source(&b);
    if (r == 0)
        r = open_part(&b);
    if (r == 0)
        r = open_copy(&b);
    if (r == 0)
        r = copy_pages(&b);
    if (r == 0)
        r = close_copy(&b);
    if (r == 0)
        r = give_name(&b);
    (void)sqlite3_close(b.copy);
    if (b.source)
        (void)sqlite3_exec(b.source, "ROLLBACK", NULL, NULL, NULL);
    (void)sqlite3_close(b.source);
    if (r < 0 && b.fd >= 0)
        (void)unlink(b.part);
    if (b.fd >= 0)
        close(b.fd);
    if (r == 0)
        *ret_size = b.size;
    return r;
}
