/* Another process that writes the file which Weir serves, by SQLite alone: a burst of transactions
 * for each byte that comes on its stdin, until that ends. Each commit is a line on stdout,
 * `op begun finished<TAB>sql`; rolled back ones are none.
 *
 * usage: outsider FILE SEED */
#include "record.h"
#include "schema.h"
#include "wire.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void make_sql(char *sql, size_t size, int64_t op)
{
    long k = 1 + random() % 8, id = 1 + random() % 48;
    switch (random() % 5) {
    case 0:
        snprintf(sql, size,
                 "DELETE FROM shared WHERE id = %ld; INSERT INTO history(op) VALUES (%" PRId64 ")",
                 id, op);
        break;
    case 1:
    case 2:
        snprintf(sql, size,
                 "INSERT INTO shared VALUES (%ld, %ld, 0, %" PRId64 ") ON CONFLICT (id) DO UPDATE"
                 " SET k = excluded.k, op = excluded.op",
                 id, k, op);
        break;
    default:
        snprintf(sql, size,
                 "UPDATE shared SET v = v + 1, op = %" PRId64 " WHERE k = %ld;"
                 " INSERT INTO history(op) VALUES (%" PRId64 ")",
                 op, k, op);
    }
}

static void write_once(sqlite3 *db, int64_t *op)
{
    char sql[512];
    bool commits = random() % 5;
    make_sql(sql, sizeof(sql), *op);
    schema_run(db, "BEGIN IMMEDIATE");
    schema_run(db, sql);
    int64_t begun = wire_now();
    schema_run(db, commits ? "COMMIT" : "ROLLBACK");
    int64_t finished = wire_now();
    if (!commits)
        return;
    printf("%" PRId64 " %" PRId64 " %" PRId64 "\t%s\n", (*op)++, begun, finished, sql);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: outsider FILE SEED");
    sqlite3 *db = schema_open(argv[1], SQLITE_OPEN_READWRITE);
    srandom((unsigned)atoi(argv[2]));
    int64_t op = OUTSIDER_OPS;
    for (char byte; read(0, &byte, 1) == 1;) {
        for (long i = 1 + random() % 8; i > 0; i--) {
            write_once(db, &op);
            usleep(1000 * (unsigned)(1 + random() % 30));
        }
    }
    sqlite3_close(db);
    return 0;
}
