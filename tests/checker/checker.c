/* The staleness checker: clients read and write through Weir, another process writes the file, and
 * every read is judged against the recorded history (judge.h).
 *
 *   checker create FILE
 *   checker run FILE PORT OUTSIDER OPERATIONS SEED none|hot|slow|side strict|bounded [plant]
 *
 * OUTSIDER: the program that writes the file beside Weir, or `-`. `plant` falsifies one recorded
 * read, which must then be found. Exit status: 0 all is well, 1 violations, 2 not to be told. */
#include "client.h"
#include "judge.h"
#include "schema.h"
#include "wire.h"
#include "workload.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WRITERS = 16,               /* clients that always do something */
    STANDBYS = 12,              /* clients that read when a unit's outcome has come */
    ADMIN = WRITERS + STANDBYS, /* flushes by hand now and then */
    CLIENTS,
    ECHOES = 3,
    ANSWERS_PER_FLUSH = 5000,
    ANSWERS_PER_BURST = 5000 /* of the outsider */
};

/* cache.bound as tests/checker/checker.py sets it, and what a turn of a loop may add to it. */
#define BOUND_NS INT64_C(400000000)
#define SLACK_NS INT64_C(200000000)

typedef struct checker {
    workload workload;
    record record;
    client clients[CLIENTS];
    int epoll;
    uint64_t operations_max;
    unsigned at_work;
    int outsider; /* its stdin */
    judge_promise promise;
} checker;

/* ---- the other process ---- */

typedef struct outsider {
    pid_t pid;
    int in;
    char log[1024];
} outsider;

static void outsider_start(outsider *o, const char *program, const char *file, const char *seed)
{
    int pipes[2];
    snprintf(o->log, sizeof(o->log), "%s.outsider", file);
    int out = open(o->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    o->pid = 0;
    if (out < 0 || pipe2(pipes, O_CLOEXEC) < 0)
        fail("%s: %s", o->log, strerror(errno));
    o->in = pipes[1];
    if (strcmp(program, "-") != 0 && (o->pid = fork()) == 0) {
        dup2(pipes[0], 0);
        dup2(out, 1);
        execl(program, program, file, seed, (char *)NULL);
        _exit(127);
    }
    if (o->pid < 0)
        fail("fork: %s", strerror(errno));
    close(pipes[0]);
    close(out);
}

static void outsider_stop(outsider *o)
{
    int status = 0;
    close(o->in);
    if (o->pid && (waitpid(o->pid, &status, 0) < 0 || status != 0))
        fail("the outsider ended with status %d", status);
}

/* ---- the clients ---- */

static void watch(checker *k, client *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

/* Sends what the client has to do next, or finds it something. */
static void go_on(checker *k, client *c)
{
    bool writer = c->number < WRITERS;
    for (;;) {
        if (c->next == c->count) {
            k->at_work--;
            c->next = c->count = 0;
            if (!writer || k->workload.operations >= k->operations_max)
                return;
            workload_script(&k->workload, c);
            k->at_work++;
        }
        if (client_send(c, &k->record))
            return;
        watch(k, c); /* it was killed, and has come back with nothing to do */
    }
}

/* Others ask about what the unit wrote, the moment its outcome is known. */
static void echo(checker *k, uint32_t unit)
{
    unsigned sent = 0;
    for (unsigned i = WRITERS; i < ADMIN && sent < ECHOES; i++) {
        client *c = &k->clients[i];
        if (c->busy)
            continue;
        workload_echo(&k->workload, c, unit);
        k->at_work++;
        go_on(k, c);
        sent++;
    }
}

static void on_answered(checker *k, client *c)
{
    const request *q = &c->requests[c->next - 1];
    const statement *last = &k->record.statements[q->first + q->count - 1];
    uint32_t unit = last->unit;
    if (unit != NO_UNIT && k->record.units[unit].answered)
        echo(k, unit);
    client *admin = &k->clients[ADMIN];
    if (k->outsider >= 0 && workload_roll(&k->workload, ANSWERS_PER_BURST) == 0 &&
        write(k->outsider, "", 1) < 0)
        fail("the outsider: %s", strerror(errno));
    if (c != admin && !admin->busy && workload_roll(&k->workload, ANSWERS_PER_FLUSH) == 0) {
        workload_flush(&k->workload, admin);
        k->at_work++;
        go_on(k, admin);
    }
    go_on(k, c);
}

static void run(checker *k, unsigned port)
{
    struct epoll_event events[CLIENTS];
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_open(&k->clients[i], i, port, i == ADMIN ? "weir" : "app");
        watch(k, &k->clients[i]);
    }
    k->at_work = WRITERS;
    for (unsigned i = 0; i < WRITERS; i++)
        go_on(k, &k->clients[i]);
    while (k->at_work) {
        int n = epoll_wait(k->epoll, events, CLIENTS, 30000);
        if (n == 0)
            fail("no answer for 30 s");
        for (int i = 0; i < n; i++) {
            client *c = events[i].data.ptr;
            if (client_receive(c, &k->record))
                on_answered(k, c);
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        client_close(&k->clients[i]);
    close(k->epoll);
}

/* ---- the verdict ---- */

static void plant(record *r)
{
    for (size_t i = r->count / 2; i < r->count; i++) {
        statement *s = &r->statements[i];
        if (s->role == ROLE_READ && s->outcome == OUTCOME_DONE && strchr(s->sql, '1')) {
            s->result = record_text(r, "id|\n1234567|\n", 13);
            return;
        }
    }
}

static int tell(checker *k, const char *file, const char *log, const char *seed, int64_t took)
{
    history h;
    judge_verdict v;
    int64_t from = wire_now();
    sqlite3 *db = schema_open(file, SQLITE_OPEN_READONLY);
    unsigned wrong = history_read(&h, db, log, &k->record);
    judge(&k->record, &h, k->promise, db, &v);
    sqlite3_close(db);
    v.violations += wrong;
    printf("checker: seed %s: %" PRIu64 " operations in %.1f s: %" PRIu64 " reads (%" PRIu64
           " refused), %zu commits of %zu units; judged in %.1f s by %" PRIu64
           " queries: %u violations\n",
           seed, k->workload.operations, (double)took / 1e9, v.reads, v.refused, h.count,
           k->record.unit_count, (double)(wire_now() - from) / 1e9, v.evaluated, v.violations);
    history_free(&h);
    return v.violations > 0;
}

static emphasis parse_emphasis(const char *word)
{
    static const char *const words[] = {"none", "hot", "slow", "side"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0)
            return (emphasis)i;
    }
    fail("%s: none, hot, slow or side", word);
}

int main(int argc, char **argv)
{
    static checker k;
    outsider o;
    if (argc == 3 && strcmp(argv[1], "create") == 0) {
        sqlite3 *db = schema_open(argv[2], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        schema_create(db);
        sqlite3_close(db);
        return 0;
    }
    if (argc < 9 || strcmp(argv[1], "run") != 0)
        fail("usage: checker create FILE | run FILE PORT OUTSIDER OPERATIONS SEED EMPHASIS"
             " CONSISTENCY [plant]");
    k.promise.bound = BOUND_NS + SLACK_NS;
    k.promise.lag = strcmp(argv[8], "bounded") == 0 ? k.promise.bound : 0;
    k.operations_max = strtoull(argv[5], NULL, 10);
    k.workload =
        (workload){.random = strtoull(argv[6], NULL, 10) * 2654435761u + 88172645463325252u,
                   .record = &k.record,
                   .emphasis = parse_emphasis(argv[7])};
    outsider_start(&o, argv[4], argv[2], argv[6]);
    k.outsider = o.pid ? o.in : -1;
    int64_t from = wire_now();
    run(&k, (unsigned)atoi(argv[3]));
    int64_t took = wire_now() - from;
    outsider_stop(&o);
    if (argc > 9 && strcmp(argv[9], "plant") == 0)
        plant(&k.record);
    int status = tell(&k, argv[2], o.log, argv[6], took);
    record_free(&k.record);
    return status;
}
