/* A program with a database inside: who was here, and how often.
 *
 *   cc library.c $(pkg-config --cflags --libs weir) -o library && ./library sqlite:guests.db Ada */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

static void check(weir_status status, const weir_fault *fault)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s (%s)\n", fault->message, fault->sqlstate);
    exit(1);
}

/* One more visit; run again if another transaction came between. */
static weir_status visit(weir_connection *c, void *name, weir_fault *fault)
{
    weir_parameter guest = weir_text_of(name);
    return weir_execute(c,
                        "INSERT INTO guests (name, visits) VALUES ($1, 1) "
                        "ON CONFLICT (name) DO UPDATE SET visits = guests.visits + 1",
                        &guest, 1, NULL, fault);
}

int main(int argc, char **argv)
{
    weir_fault fault;
    weir_instance *weir;
    weir_connection *c;
    weir_rows *rows;
    weir_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: library DSN GUEST\n");
        return 2;
    }
    weir_instance_options options = {.dsn = argv[1]};
    check(weir_instance_open(&options, &weir, &fault), &fault);
    check(weir_connection_open(weir, NULL, NULL, &c, &fault), &fault);
    check(weir_execute(c,
                       "CREATE TABLE IF NOT EXISTS guests (name text PRIMARY KEY, visits integer "
                       "NOT NULL, since timestamptz NOT NULL DEFAULT now())",
                       NULL, 0, NULL, &fault),
          &fault);
    check(weir_transact(c, NULL, 5, visit, argv[2], &fault), &fault);

    check(weir_query(c, "SELECT name, visits FROM guests ORDER BY visits DESC, name", NULL, 0,
                     &rows, &fault),
          &fault);
    while ((status = weir_rows_next(rows, &fault)) == WEIR_ROW) {
        int64_t visits;
        check(weir_rows_integer(rows, 1, &visits), &fault);
        printf("%s: %" PRId64 "\n", weir_rows_text(rows, 0, NULL), visits);
    }
    check(status, &fault);
    weir_rows_close(rows);
    weir_connection_close(c);
    weir_instance_close(weir);
    return 0;
}
