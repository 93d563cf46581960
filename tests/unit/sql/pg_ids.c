/* What PostgreSQL statements depend on and touch, as ids: a line of SQL in, a line of words out.
 * For tests that compare with a real server (tests/e2e/test_pg_footprints.py); the schema is
 * pg_schema.c's.
 *
 *   keep R:C:V …     a read: relation, column, value; C and V are 0 for a whole relation
 *   refuse WORDS     its answer is not kept
 *   touch R:C:V …    a write; R:0:0 begins a relation, R:C:V are values of fixed columns
 *   everything WORDS */
#include "pg_schema.h"
#include "sql/reads.h"
#include "sql/resolve.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void on_id(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    (void)user;
    printf(" %" PRIx64 ":%" PRIx64 ":%" PRIx64, relation, column, value);
}

static void answer(const weir_footprint *f, const weir_lexed *l)
{
    weir_arguments arguments = {.lexed = l, .utf8 = true};
    if (f->kind != WEIR_KIND_READ) {
        printf("%s%s", f->touches_everything ? "everything " : "touch", f->touches_words);
        weir_footprint_resolve_touches(f, &arguments, on_id, NULL);
    } else if (f->refusal != WEIR_REFUSAL_NONE) {
        printf("refuse %s", f->reason);
    } else {
        printf("keep");
        if (!weir_footprint_resolve(f, WEIR_DIALECT_POSTGRES, &arguments, on_id, NULL))
            printf(" now");
    }
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    weir_lexed l;
    weir_lexed_init(&l);
    while ((n = getline(&line, &size, stdin)) > 0) {
        weir_slice text = weir_slice_make(line, (size_t)n - (line[n - 1] == '\n'));
        weir_pg_surroundings s = {.schema = pg_schema(),
                                  .search_path = WEIR_SLICE_LIT("public"),
                                  .role = WEIR_SLICE_LIT("app")};
        weir_footprint *f = NULL;
        if (weir_sql_lex(WEIR_DIALECT_POSTGRES, text, &l) != 0 ||
            weir_sql_analyze_postgres_reads(text, &l, &s, &f) != 0)
            abort();
        answer(f, &l);
        weir_footprint_free(f);
    }
    weir_lexed_fini(&l);
    free(line);
    return 0;
}
