/* See workload.h. A script is a few requests, often around one key: read it, write it, read it
 * again, here and from a client that stands by. */
#include "workload.h"
#include "schema.h"
#include "writes.h"

unsigned workload_roll(workload *w, unsigned n)
{
    w->random ^= w->random >> 12; /* xorshift64* */
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    return (unsigned)((w->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % n);
}

int workload_key(workload *w, char kind)
{
    unsigned keys = KEYS, best;
    switch (kind) {
    case 'o':
        keys = OWNERS;
        break;
    case 's':
        keys = 8;
        break;
    case 'd':
        keys = SIDE_ROWS;
        break;
    case 'v':
        keys = 2;
        break;
    default:
        break;
    }
    if (kind == 'b' && workload_roll(w, 10) == 0)
        return 1 + (int)workload_roll(w, BULK);
    if (w->emphasis == EMPHASIS_HOT && keys > 4)
        keys = 4;
    best = workload_roll(w, keys);
    for (unsigned i = 0; i < 3; i++) {
        unsigned other = workload_roll(w, keys);
        best = other < best ? other : best;
    }
    return 1 + (int)best;
}

/* ---- requests ---- */

/* What was appended to the record since `first`, as one request. */
static request *add_request(workload *w, client *c, size_t first, request_mode mode)
{
    if (c->count == REQUESTS_MAX)
        fail("a script is too long");
    request *q = &c->requests[c->count++];
    *q = (request){
        .first = (uint32_t)first, .count = (uint32_t)(w->record->count - first), .mode = mode};
    return q;
}

static request_mode any_mode(workload *w)
{
    unsigned n = workload_roll(w, 20);
    return n < 12 ? MODE_SIMPLE : n < 14 ? MODE_EXTENDED : n < 15 ? MODE_PAGED : MODE_PREPARED;
}

static request *add_read(workload *w, client *c, touched about, uint32_t unit)
{
    size_t first = w->record->count;
    request_mode mode = any_mode(w);
    /* In a failed transaction a Parse is refused, and the name not known afterwards. */
    if (mode == MODE_PREPARED && unit != NO_UNIT)
        mode = MODE_EXTENDED;
    bool literals = mode == MODE_SIMPLE || (mode != MODE_PREPARED && workload_roll(w, 3) == 0);
    workload_read(w, about, literals, mode, ROLE_READ, unit);
    w->operations++;
    return add_request(w, c, first, mode);
}

static uint32_t begin_unit(workload *w)
{
    w->operations++;
    record_add_unit(w->record);
    return (uint32_t)w->record->unit_count - 1;
}

static void end_unit(workload *w, uint32_t number, touched about)
{
    commit_unit *u = &w->record->units[number];
    u->count = (uint32_t)w->record->count - u->first;
    u->about = about;
}

/* One statement as a request of its own. */
static void add_text(workload *w, client *c, statement_role role, uint32_t unit, const char *sql)
{
    size_t first = w->record->count;
    write_text(w, role, unit, "%s", sql);
    add_request(w, c, first, workload_roll(w, 3) ? MODE_SIMPLE : MODE_EXTENDED);
}

/* ---- scripts ---- */

static void script_reads(workload *w, client *c)
{
    for (unsigned i = 1 + workload_roll(w, 8); i > 0; i--)
        add_read(w, c, (touched){0}, NO_UNIT);
}

/* Also get-or-create: the read finds nothing, the INSERT is refused, the read must find it. */
static void script_write(workload *w, client *c, touched about)
{
    if (workload_roll(w, 2))
        add_read(w, c, about, NO_UNIT);
    uint32_t unit = begin_unit(w);
    size_t first = w->record->count;
    about = about.kind == 'k' && workload_roll(w, 6) == 0 ? write_partly(w, unit)
                                                          : write_about(w, unit, about);
    end_unit(w, unit, about);
    add_request(w, c, first, workload_roll(w, 2) ? MODE_SIMPLE : MODE_EXTENDED);
    add_read(w, c, about, NO_UNIT);
}

static void script_doom(workload *w, client *c, char kind)
{
    uint32_t unit = begin_unit(w);
    size_t first = w->record->count;
    touched about = write_doom(w, unit, unit + 1, kind);
    end_unit(w, unit, about);
    add_request(w, c, first, MODE_SIMPLE);
    add_read(w, c, about, NO_UNIT);
    unit = begin_unit(w);
    first = w->record->count;
    write_doomed(w, unit, about);
    end_unit(w, unit, about);
    add_request(w, c, first, MODE_SIMPLE);
    add_read(w, c, about, NO_UNIT);
}

/* The rows stay reachable: who deletes creates as well. */
static void script_owner_again(workload *w, client *c)
{
    uint32_t unit = begin_unit(w);
    size_t first = w->record->count;
    write_text(w, ROLE_WRITE, unit,
               "INSERT INTO owner(id, name, op) VALUES (%d, 'new', %u) ON CONFLICT DO NOTHING",
               1 + (int)workload_roll(w, OWNERS), unit + 1);
    end_unit(w, unit, (touched){0});
    add_request(w, c, first, MODE_SIMPLE);
}

/* Several statements in one Query, or a pipeline up to its Sync: one transaction either way. */
typedef enum string_kind { STRING_ROWS, STRING_SIDE, STRING_SCHEMA, STRING_BULK } string_kind;

static void script_string(workload *w, client *c, string_kind kind)
{
    request_mode mode = workload_roll(w, 2) ? MODE_SIMPLE : MODE_EXTENDED;
    uint32_t unit = begin_unit(w);
    size_t first = w->record->count;
    touched about;
    if (kind == STRING_SIDE || kind == STRING_SCHEMA) {
        about = write_schema(w, unit, kind == STRING_SCHEMA);
    } else if (kind == STRING_BULK) {
        about = write_bulk(w, unit);
    } else {
        about = write_delete(w, unit);
        if (workload_roll(w, 2))
            about = write_any(w, unit);
    }
    if (workload_roll(w, 2))
        workload_read(w, about, mode == MODE_SIMPLE, mode, ROLE_INNER, unit);
    end_unit(w, unit, about);
    add_request(w, c, first, mode);
    add_read(w, c, about, NO_UNIT);
}

static void script_read_only(workload *w, client *c)
{
    bool repeatable = workload_roll(w, 2);
    add_text(w, c, ROLE_CONTROL, NO_UNIT,
             repeatable ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN");
    for (unsigned i = 0, n = 1 + workload_roll(w, 4); i < n; i++)
        add_read(w, c, (touched){0}, NO_UNIT)->repeatable = repeatable && i > 0;
    add_text(w, c, ROLE_CONTROL, NO_UNIT, "COMMIT");
}

/* Within the unit's transaction: SAVEPOINT, a write, and an end of either kind. */
static void add_savepoint(workload *w, client *c, uint32_t unit)
{
    w->record->units[unit].savepoints = true;
    add_text(w, c, ROLE_WRITE, unit, "SAVEPOINT s");
    size_t first = w->record->count;
    touched about = write_any(w, unit);
    add_request(w, c, first, MODE_SIMPLE);
    if (workload_roll(w, 2)) {
        add_text(w, c, ROLE_WRITE, unit, "ROLLBACK TO s");
        first = w->record->count;
        workload_read(w, about, true, MODE_SIMPLE, ROLE_INNER, unit);
        add_request(w, c, first, MODE_SIMPLE);
    }
    if (workload_roll(w, 2))
        add_text(w, c, ROLE_WRITE, unit, "RELEASE s");
}

static void script_transaction(workload *w, client *c)
{
    uint32_t unit = begin_unit(w);
    touched about = {0};
    add_text(w, c, ROLE_CONTROL, unit, "BEGIN");
    for (unsigned i = workload_roll(w, 3); i > 0; i--)
        add_read(w, c, (touched){0}, unit);
    for (unsigned i = 1 + workload_roll(w, 3); i > 0; i--) {
        size_t first = w->record->count;
        about = workload_roll(w, 4) ? write_any(w, unit) : write_delete(w, unit);
        add_request(w, c, first, MODE_SIMPLE);
        if (workload_roll(w, 2))
            continue;
        first = w->record->count;
        request_mode mode = workload_roll(w, 2) ? MODE_SIMPLE : MODE_EXTENDED;
        workload_read(w, about, mode == MODE_SIMPLE, mode, ROLE_INNER, unit);
        add_request(w, c, first, mode);
    }
    if (workload_roll(w, 3) == 0)
        add_savepoint(w, c, unit);
    add_text(w, c, ROLE_CONTROL, unit, workload_roll(w, 5) ? "COMMIT" : "ROLLBACK");
    end_unit(w, unit, about);
    add_read(w, c, about, NO_UNIT);
}

static void script_any_write(workload *w, client *c)
{
    unsigned n = workload_roll(w, 100);
    if (w->emphasis == EMPHASIS_SIDE && workload_roll(w, 3) == 0) {
        script_string(w, c, workload_roll(w, 20) ? STRING_SIDE : STRING_SCHEMA);
        return;
    }
    char kind = "iiiiiioookkkccnnsp"[workload_roll(w, 18)];
    if (n < 57)
        script_write(w, c, (touched){kind, workload_key(w, kind)});
    else if (n < 63)
        script_doom(w, c, 'n');
    else if (n < 65)
        script_doom(w, c, 'o');
    else if (n < 69)
        script_owner_again(w, c);
    else if (n < 80)
        script_string(w, c, STRING_ROWS);
    else if (n < 93)
        script_transaction(w, c);
    else if (n < 97)
        script_string(w, c, STRING_SIDE);
    else if (n < 99 || workload_roll(w, 3))
        script_string(w, c, STRING_BULK);
    else
        script_string(w, c, STRING_SCHEMA); /* everything is forgotten: seldom */
}

void workload_script(workload *w, client *c)
{
    c->next = c->count = 0;
    /* Every so often the mix changes: hardly any writes, some, many. */
    if (workload_roll(w, 300) == 0)
        w->pace = workload_roll(w, 3);
    static const unsigned writes[] = {8, 25, 60};
    unsigned n = workload_roll(w, 100);
    if (n < writes[w->pace])
        script_any_write(w, c);
    else if (n < writes[w->pace] + 5)
        script_read_only(w, c);
    else
        script_reads(w, c);
    if (workload_roll(w, 400) == 0)
        c->requests[workload_roll(w, c->count)].kill = true;
}

void workload_echo(workload *w, client *c, uint32_t unit)
{
    c->next = c->count = 0;
    add_read(w, c, w->record->units[unit].about, NO_UNIT);
}

void workload_flush(workload *w, client *c)
{
    static const char *const commands[] = {"FLUSH CACHE TABLE item", "FLUSH CACHE TABLE kv",
                                           "FLUSH CACHE TABLE owner", "FLUSH CACHE TAG none"};
    c->next = c->count = 0;
    size_t first = w->record->count;
    write_text(w, ROLE_CONTROL, NO_UNIT, "%s", commands[workload_roll(w, 4)]);
    add_request(w, c, first, MODE_SIMPLE);
}
