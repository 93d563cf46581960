/* Follows a PostgreSQL database and prints what it is told, a line each, for
 * tests/e2e/test_follow.py:
 *
 *   follow_watch HOST:PORT DBNAME USER [PASSWORD]
 *
 * Commands on stdin, a line each: "want", "hurry", "every MILLISECONDS", "track RELATION COLUMN"
 * (answers "tracking RELATION-ID COLUMN-ID"), "values RELATION COLUMN LAST" (ids of the values 1 to
 * LAST). It ends with stdin. */
#include "backend/postgres/follow.h"
#include "catalog/key.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRACKED_MAX 64

typedef struct watcher {
    pthread_mutex_t lock; /* of the tracked columns */
    uint64_t serial;
    uint64_t tracked[TRACKED_MAX][2];
} watcher;

static uint64_t track_serial(void *user)
{
    watcher *w = user;
    pthread_mutex_lock(&w->lock);
    uint64_t serial = w->serial;
    pthread_mutex_unlock(&w->lock);
    return serial;
}

static void each_tracked(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user)
{
    watcher *w = user;
    pthread_mutex_lock(&w->lock);
    for (uint64_t i = 0; i < w->serial; i++)
        visit(visit_user, w->tracked[i][0], w->tracked[i][1], WEIR_SLICE_LIT(""),
              WEIR_SLICE_LIT(""));
    pthread_mutex_unlock(&w->lock);
}

static void changed(void *user, uint64_t position, const uint64_t *ids, size_t count)
{
    (void)user;
    flockfile(stdout);
    printf("changed %" PRIu64, position);
    for (size_t i = 0; i < count; i++)
        printf(" %016" PRIx64, ids[i]);
    putchar('\n');
    funlockfile(stdout);
}

static void forgot(void *user, uint64_t position)
{
    (void)user;
    printf("forgot %" PRIu64 "\n", position);
}

static void visible(void *user, uint64_t position)
{
    (void)user;
    printf("visible %" PRIu64 "\n", position);
}

static uint64_t outcomes(void *user)
{
    (void)user;
    return 0;
}

static void never_track(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                        weir_slice column_name)
{
    (void)user;
    (void)relation;
    (void)column;
    (void)relation_name;
    (void)column_name;
}

static void heard(void *user, weir_time sent, uint64_t position, uint64_t known)
{
    (void)user;
    (void)position;
    (void)known;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("heard %" PRId64 "\n", (now.tv_sec * WEIR_SECOND + now.tv_nsec - sent) / WEIR_US);
}

static void flushed(void *user, uint64_t position, const weir_flush *flush)
{
    (void)user;
    printf("flushed %" PRIu64 " %d %.*s\n", position, (int)flush->kind, (int)flush->name.len,
           flush->name.len ? (const char *)flush->name.data : "");
}

static void altered(void *user, uint64_t position)
{
    (void)user;
    printf("altered %" PRIu64 "\n", position);
}

static void confirmed(void *user, uint64_t serial, uint64_t position)
{
    (void)user;
    printf("confirmed %" PRIu64 " %" PRIu64 "\n", serial, position);
}

static void lineage(void *user, uint64_t system, uint64_t timeline)
{
    (void)user;
    printf("lineage %" PRIu64 " %" PRIu64 "\n", system, timeline);
}

static void following(void *user, const char *why_not)
{
    (void)user;
    printf("%s%s\n", why_not ? "not following: " : "following", why_not ? why_not : "");
}

static void track(watcher *w, char *words)
{
    char *column = strchr(words, ' ');
    if (!column || w->serial == TRACKED_MAX)
        return;
    *column++ = '\0';
    uint64_t relation = weir_relation_id(weir_slice_cstr(words));
    uint64_t id = weir_column_id(relation, weir_slice_cstr(column));
    printf("tracking %016" PRIx64 " %016" PRIx64 "\n", relation, id);
    pthread_mutex_lock(&w->lock);
    w->tracked[w->serial][0] = relation;
    w->tracked[w->serial++][1] = id;
    pthread_mutex_unlock(&w->lock);
}

/* "RELATION COLUMN LAST": ids of 1 to LAST. */
static void tell_values(char *words)
{
    char *column = strchr(words, ' ');
    char *last = column ? strchr(column + 1, ' ') : NULL;
    if (!last)
        return;
    *column++ = '\0';
    *last++ = '\0';
    uint64_t id = weir_column_id(weir_relation_id(weir_slice_cstr(words)), weir_slice_cstr(column));
    flockfile(stdout);
    printf("values");
    for (long i = 1; i <= strtol(last, NULL, 10); i++) {
        uint64_t value = 0;
        if (weir_key_of_pg_integer(id, WEIR_KEY_PG_INTEGER, i, &value) == 0)
            printf(" %016" PRIx64, value);
    }
    putchar('\n');
    funlockfile(stdout);
}

static void command(watcher *w, weir_backend *backend, const weir_follower *follower, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "want") == 0 || strcmp(line, "hurry") == 0)
        pg_follow_want(backend, line[0] == 'h');
    else if (strncmp(line, "every ", 6) == 0)
        pg_follow(backend, follower, strtol(line + 6, NULL, 10) * WEIR_MS);
    else if (strncmp(line, "track ", 6) == 0)
        track(w, line + 6);
    else if (strncmp(line, "values ", 7) == 0)
        tell_values(line + 7);
}

int main(int argc, char **argv)
{
    static watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char line[512];
    if (argc < 4)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    weir_postgres_options options = {
        .hosts = {argv[1]},
        .host_count = 1,
        .connect_timeout = 5 * WEIR_SECOND,
        .following = {.dbname = argv[2], .user = argv[3], .password = argc > 4 ? argv[4] : NULL}};
    const weir_follower follower = {.track_serial = track_serial,
                                    .each_tracked = each_tracked,
                                    .changed = changed,
                                    .forgot = forgot,
                                    .visible = visible,
                                    .outcomes = outcomes,
                                    .heard = heard,
                                    .altered = altered,
                                    .flushed = flushed,
                                    .confirmed = confirmed,
                                    .track = never_track,
                                    .lineage = lineage,
                                    .following = following,
                                    .user = &w};
    weir_backend *backend;
    if (weir_postgres_open(&options, &backend) != 0)
        return 1;
    pg_follow(backend, &follower, 250 * WEIR_MS);
    while (fgets(line, sizeof(line), stdin))
        command(&w, backend, &follower, line);
    backend->ops->stop(backend);
    backend->ops->destroy(backend);
    return 0;
}
