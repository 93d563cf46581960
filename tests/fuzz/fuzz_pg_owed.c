/* Bytes as calls of the queue of owed replies: whatever the order, its counts hold together and it
 * frees what it took. */
#include "proto/pg/owed.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void drain(weir_pg_owed *q)
{
    weir_slice bytes;
    weir_pg_owed_skipped skipped;
    while (weir_pg_owed_next_interjection(q, &bytes))
        require(weir_slice_eq_cstr(bytes, "x"));
    while (weir_pg_owed_next_skipped(q, &skipped))
        require(skipped.tag == (skipped.kind == WEIR_PG_OWED_INTERJECTION ? 'x' : 7));
    require(weir_pg_owed_count(q) + q->unentered >= weir_pg_owed_ready_count(q));
    require(!weir_pg_owed_is_empty(q) || weir_pg_owed_count(q) == 0);
    require(!weir_pg_owed_is_at_rest(q) || weir_pg_owed_is_empty(q));
}

static int call(weir_pg_owed *q, uint8_t op)
{
    static const char types[] = "123CDEGHIKNSTVWZAcdnst";
    weir_pg_owed_verdict v;
    if (op < 128)
        return weir_pg_owed_on(q, (uint8_t)types[op % (sizeof(types) - 1)], &v);
    if (op < 144)
        return weir_pg_owed_interject(q, WEIR_SLICE_LIT("x"), op & 1);
    if (op < 150) {
        weir_pg_owed_copy_ended(q);
        return 0;
    }
    return weir_pg_owed_push(q, (weir_pg_owed_kind)(op % WEIR_PG_OWED_INTERJECTION), op & 64, 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_pg_owed q;
    weir_pg_owed_init(&q, 40);
    for (size_t i = 0; i < size; i++) {
        int r = call(&q, data[i]);
        require(r == 0 || r == -EPROTO || r == -ENOSPC);
        drain(&q);
    }
    weir_pg_owed_fini(&q);
    return 0;
}
