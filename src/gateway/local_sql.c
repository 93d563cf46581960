/* PREPARE, EXECUTE and cursors, as SQL has them. Their names are those of the extended protocol's
 * statements and portals, so either may use what the other made.
 *
 * A cursor's rows are read when it is declared, which is the moment that PostgreSQL's shows, and
 * kept in its portal as text until it is closed: at the end of the transaction, or of the session
 * if it is WITH HOLD. */
#include "gateway/local_calls.h"
#include <stdio.h>
#include <stdlib.h>

#define VALUES_SIZE_MAX (64u * 1048576u)
#define ROWS_TOGETHER_SIZE 8192u
#define ROWS_PER_MARK 16u

/* An EXECUTE, while its arguments are read and its statement runs. */
struct local_call {
    local_statement *statement;
    local_then then;
    weir_buf formats; /* of the result, as in a Bind */
    uint16_t format_count;
    bool simple;
};

void local_call_free(weir_local *l)
{
    local_call *call = l->call;
    l->call = NULL;
    if (!call)
        return;
    local_statement_unref(call->statement);
    weir_buf_fini(&call->formats);
    free(call);
}

static void fail_with(weir_local *l, const weir_error *err, local_then then)
{
    local_fail(l, err);
    then(l, false);
}

static void fail_named(weir_local *l, const char *sqlstate, const char *what, const char *name,
                       const char *how, local_then then)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s \"%s\" %s", what, name, how);
    fail_with(l, &err, then);
}

static void fail_run(weir_local *l, local_then then)
{
    weir_error err = l->run->error;
    fail_with(l, &err, then);
}

static local_then take_then(weir_local *l)
{
    local_then then = l->control_then;
    l->control_then = NULL;
    return then;
}

/* ---- rows for ourselves ---- */

static int no_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    (void)user, (void)out, (void)columns, (void)count;
    return 0;
}

/* Each cell: its class, and what a DataRow would hold. Everything is in the buffer, which the run
 * owns: it outlives a client that leaves. */
static int capture_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    (void)user;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        weir_compat_value v = local_compat_value(&cells[i]);
        weir_error err;
        uint32_t oid = v.type == WEIR_COMPAT_BLOB ? WEIR_OID_BYTEA : WEIR_OID_TEXT;
        r = weir_buf_append_u8(out, (uint8_t)cells[i].type);
        if (r == 0)
            r = weir_compat_cell_write(out, oid, 0, &v, &err);
    }
    return r > 0 ? -EINVAL : r;
}

weir_encoder local_capture(void)
{
    return (weir_encoder){.columns = no_columns, .row = capture_row};
}

bool local_captured_next(weir_slice *rest, local_cell *ret)
{
    size_t pos = 0;
    bool null = false;
    if (rest->len == 0)
        return false;
    ret->type = (weir_value_type)rest->data[0];
    weir_slice cell = weir_slice_skip(*rest, 1);
    if (!weir_pg_value_next(cell, &pos, &ret->text, &null))
        return false;
    if (null)
        ret->text = (weir_slice){0};
    *rest = weir_slice_skip(cell, pos);
    return true;
}

/* ---- PREPARE ---- */

static void prepared(weir_local *l, bool ok)
{
    local_then then = take_then(l);
    if (!ok) {
        fail_run(l, then);
        return;
    }
    ok = local_take_description(l) &&
         local_keep_statement(l, local_statement_ref(l->run->statement));
    if (ok)
        local_send_tag(l, "PREPARE");
    then(l, ok);
}

static int take_types(local_statement *s, weir_slice types)
{
    weir_buf oids;
    uint32_t oid = 0;
    weir_buf_init(&oids, (size_t)UINT16_MAX * 4);
    int r = 0;
    while (r == 0 && weir_compat_next_type(&types, &oid))
        r = weir_buf_append_u32(&oids, oid);
    if (r == 0)
        r = local_statement_take_oids(s, weir_buf_slice(&oids), oids.len / 4);
    weir_buf_fini(&oids);
    return r;
}

static void prepare(weir_local *l, const weir_command *c, local_then then)
{
    char name[LOCAL_NAME_MAX];
    weir_error err;
    local_statement *inner = NULL;
    weir_compat_name_fold(c->name, name, sizeof(name));
    if (local_find_statement(l, weir_slice_cstr(name))) {
        fail_named(l, "42P05", "prepared statement", name, "already exists", then);
        return;
    }
    int r = local_statement_new(l, weir_slice_cstr(name), c->value, &inner, &err);
    if (r > 0) {
        fail_with(l, &err, then);
        return;
    }
    if (r == 0)
        r = take_types(inner, c->types);
    l->control_then = then;
    if (r == 0)
        r = local_run_describe(l, inner, false, prepared);
    local_statement_unref(inner);
    local_check(l, r);
}

/* ---- EXECUTE ---- */

static void executed(weir_local *l, bool ok)
{
    local_then then = l->call->then;
    local_call_free(l);
    if (!ok) {
        fail_run(l, then);
        return;
    }
    local_send_complete(l);
    then(l, true);
}

/* With the values as a Bind has them. */
static void start_call(weir_local *l, weir_slice values, const uint32_t *oids)
{
    local_call *call = l->call;
    local_portal *p = NULL;
    weir_error err;
    const weir_pg_bind m = {.value_count = call->statement->param_count,
                            .values = values,
                            .result_format_count = call->format_count,
                            .result_formats = weir_buf_slice(&call->formats)};
    int r = local_statement_renew(l, call->statement, &err);
    if (r == 0)
        r = local_portal_typed(&m, call->statement, oids, &p, &err);
    if (r > 0) {
        local_then then = call->then;
        local_call_free(l);
        fail_with(l, &err, then);
        return;
    }
    if (r == 0) {
        p->simple = call->simple;
        r = local_run_statement(l, call->statement, p, call->simple, executed);
    }
    local_portal_unref(p);
    local_check(l, r);
}

static uint32_t type_of(const local_cell *cell)
{
    return cell->type == WEIR_VALUE_INTEGER ? WEIR_OID_INT8
           : cell->type == WEIR_VALUE_REAL  ? WEIR_OID_FLOAT8
           : cell->type == WEIR_VALUE_BLOB  ? WEIR_OID_BYTEA
                                            : WEIR_OID_TEXT;
}

/* Of parameters whose types nobody has named, the values'. */
static int take_arguments(const local_call *call, weir_slice rest, weir_buf *values, uint32_t *oids)
{
    local_cell cell;
    int r = 0;
    for (size_t i = 0; r == 0 && i < call->statement->param_count; i++) {
        uint32_t known = call->statement->oids[i];
        if (!local_captured_next(&rest, &cell))
            return -EINVAL;
        oids[i] = known ? known : type_of(&cell);
        bool null = cell.type == WEIR_VALUE_NULL;
        r = weir_buf_append_u32(values, null ? UINT32_MAX : (uint32_t)cell.text.len);
        if (r == 0)
            r = weir_buf_append(values, cell.text);
    }
    return r;
}

static void arguments_read(weir_local *l, bool ok)
{
    local_call *call = l->call;
    weir_buf values;
    if (!ok) {
        local_then then = call->then;
        local_call_free(l);
        fail_run(l, then);
        return;
    }
    uint32_t *oids = calloc(call->statement->param_count + 1u, sizeof(*oids));
    weir_buf_init(&values, VALUES_SIZE_MAX);
    int r = oids ? take_arguments(call, weir_buf_slice(&l->run->exec.out), &values, oids) : -ENOMEM;
    if (r == 0)
        start_call(l, weir_buf_slice(&values), oids);
    weir_buf_fini(&values);
    free(oids);
    local_check(l, r);
}

/* The arguments are what a query of nothing else gives. */
static int ask_arguments(weir_local *l, weir_slice list, weir_error *err)
{
    local_statement *s = NULL;
    weir_buf query;
    if (weir_compat_largest_param(list) > 0) {
        weir_error_set(err, "42P02", "weir: an argument of EXECUTE has no parameters");
        return WEIR_COMPAT_REFUSED;
    }
    weir_buf_init(&query, WEIR_SQL_TEXT_MAX);
    int r = weir_buf_append(&query, WEIR_SLICE_LIT("SELECT "));
    if (r == 0)
        r = weir_buf_append(&query, list);
    if (r == 0)
        r = local_statement_new(l, (weir_slice){0}, weir_buf_slice(&query), &s, err);
    if (r == 0)
        r = local_run_captured(l, s->text, arguments_read);
    local_statement_unref(s);
    weir_buf_fini(&query);
    return r;
}

static int take_formats(local_call *call, const local_portal *p)
{
    int r = 0;
    weir_buf_init(&call->formats, (size_t)UINT16_MAX * 2);
    call->simple = !p;
    call->format_count = p ? p->format_count : 0;
    for (size_t i = 0; r == 0 && i < call->format_count; i++)
        r = weir_buf_append_u16(&call->formats, p->formats[i]);
    return r;
}

static int check_call(const local_statement *s, const char *name, size_t given, weir_error *err)
{
    if (s->command.kind != WEIR_COMMAND_NONE) {
        weir_error_set(err, "0A000", "weir: EXECUTE of this command is not supported on SQLite");
        weir_error_hint(err, "Send the command itself.");
        return WEIR_COMPAT_REFUSED;
    }
    if (given != s->param_count) {
        weir_error_set(err, "42601",
                       "weir: wrong number of parameters for prepared statement \"%s\": expected "
                       "%u but got %zu",
                       name, s->param_count, given);
        return WEIR_COMPAT_REFUSED;
    }
    return 0;
}

static void execute(weir_local *l, const weir_command *c, const local_portal *p, local_then then)
{
    char name[LOCAL_NAME_MAX];
    weir_error err;
    weir_compat_name_fold(c->name, name, sizeof(name));
    local_statement *s = local_find_statement(l, weir_slice_cstr(name));
    if (!s) {
        fail_named(l, "26000", "prepared statement", name, "does not exist", then);
        return;
    }
    int r = check_call(s, name, weir_compat_count_items(c->value), &err);
    if (r != 0) {
        fail_with(l, &err, then);
        return;
    }
    l->call = calloc(1, sizeof(*l->call));
    if (!l->call) {
        local_broken(l, -ENOMEM);
        return;
    }
    l->call->statement = local_statement_ref(s);
    l->call->then = then;
    r = take_formats(l->call, p);
    if (r == 0 && s->param_count == 0)
        start_call(l, (weir_slice){0}, s->oids);
    else if (r == 0)
        r = ask_arguments(l, c->value, &err);
    local_check(l, r);
    if (r > 0) {
        local_call_free(l);
        fail_with(l, &err, then);
    }
}

/* ---- DECLARE ---- */

void local_cursor_free(local_cursor *cursor)
{
    if (!cursor)
        return;
    local_columns_fini(&cursor->columns);
    free(cursor->marks);
    free(cursor);
}

static size_t message_size(weir_slice rest)
{
    uint8_t type = 0;
    size_t size = 0;
    int r = weir_pg_frame_head(rest, WEIR_PG_MESSAGE_SIZE_MAX, &type, &size);
    return r == 0 ? size : rest.len;
}

/* NULL: no memory. */
static size_t *mark_rows(weir_slice rest, uint64_t rows)
{
    size_t *marks = malloc((size_t)(rows / ROWS_PER_MARK + 1) * sizeof(*marks));
    size_t at = 0;
    for (uint64_t row = 0; marks && row < rows; row++) {
        if (row % ROWS_PER_MARK == 0)
            marks[row / ROWS_PER_MARK] = at;
        at += message_size(weir_slice_skip(rest, at));
    }
    return marks;
}

/* Takes the run's rows. NULL: no memory. */
static local_portal *make_cursor(weir_local *l)
{
    local_run *run = l->run;
    const weir_command *c = &run->statement->command;
    char name[LOCAL_NAME_MAX];
    weir_compat_name_fold(c->name, name, sizeof(name));
    local_portal *p = local_portal_named(weir_slice_cstr(name), run->statement);
    local_cursor *cursor = p ? calloc(1, sizeof(*cursor)) : NULL;
    size_t *marks = mark_rows(weir_buf_slice(&run->exec.out), run->rows.count);
    if (!cursor || !marks) {
        free(marks);
        free(cursor);
        local_portal_unref(p);
        return NULL;
    }
    *cursor = (local_cursor){.columns = run->rows.columns,
                             .options = c->cursor,
                             .fresh = local_tx_in_block(l),
                             .depth = l->tx.savepoint_count,
                             .rows = run->rows.count,
                             .marks = marks};
    run->rows.columns = (local_columns){0};
    p->cursor = cursor;
    p->started = p->finished = true;
    p->kept = run->exec.out;
    p->kept_charge = run->charge;
    run->exec.out = (weir_buf){0};
    run->charge = (local_charge){0};
    return p;
}

static void declared(weir_local *l, bool ok)
{
    local_then then = take_then(l);
    if (!ok) {
        fail_run(l, then);
        return;
    }
    local_portal *p = make_cursor(l);
    if (!p) {
        local_broken(l, -ENOMEM);
        return;
    }
    weir_error err;
    size_t marks = (size_t)(p->cursor->rows / ROWS_PER_MARK + 1) * sizeof(*p->cursor->marks);
    if (local_charge_rows(l, &p->kept_charge, p->kept.cap + marks, &err) < 0) {
        local_portal_unref(p);
        fail_with(l, &err, then);
        return;
    }
    ok = local_keep_portal(l, p);
    if (ok)
        local_send_tag(l, "DECLARE CURSOR");
    then(l, ok);
}

static void declare(weir_local *l, local_statement *s, local_portal *p, local_then then)
{
    char name[LOCAL_NAME_MAX];
    weir_error err;
    weir_compat_name_fold(s->command.name, name, sizeof(name));
    if (!s->command.cursor.hold && !local_tx_in_block(l)) {
        weir_error_set(&err, "25P01",
                       "weir: DECLARE CURSOR can only be used in transaction blocks");
        weir_error_hint(&err, "Declare it WITH HOLD, or send BEGIN first.");
        fail_with(l, &err, then);
    } else if (local_find_portal(l, weir_slice_cstr(name))) {
        fail_named(l, "42P03", "cursor", name, "already exists", then);
    } else if (local_statement_writes(s)) {
        weir_error_set(&err, "0A000",
                       "weir: a cursor over a statement that writes is not "
                       "supported");
        weir_error_hint(&err, "Run the statement itself, with RETURNING.");
        fail_with(l, &err, then);
    } else {
        l->control_then = then;
        local_check(l, local_run_rows(l, s, p, NULL, declared));
    }
}

/* ---- FETCH ---- */

/* Which rows a FETCH gives, and where it leaves the cursor. */
typedef struct portion {
    uint64_t first, count, position;
    bool down; /* from `first` to lower ones */
} portion;

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static portion place(const local_cursor *c, int64_t target)
{
    if (target < 1)
        return (portion){.position = 0};
    if ((uint64_t)target > c->rows)
        return (portion){.position = c->rows + 1};
    return (portion){.first = (uint64_t)target, .count = 1, .position = (uint64_t)target};
}

static portion forward(const local_cursor *c, uint64_t wanted)
{
    uint64_t left = c->position < c->rows ? c->rows - c->position : 0;
    uint64_t count = lesser(wanted, left);
    return (portion){.first = c->position + 1,
                     .count = count,
                     .position = wanted > left ? c->rows + 1 : c->position + count};
}

static portion backward(const local_cursor *c, uint64_t wanted)
{
    uint64_t left = c->position > 0 ? c->position - 1 : 0;
    uint64_t count = lesser(wanted, left);
    return (portion){.first = c->position - 1,
                     .count = count,
                     .position = wanted > left ? 0 : c->position - count,
                     .down = true};
}

static portion choose(const local_cursor *c, const weir_fetch *f)
{
    int64_t here = (int64_t)c->position;
    bool again = f->count == 0 && f->kind != WEIR_FETCH_ABSOLUTE;
    if (again) {
        portion p = place(c, here);
        p.position = c->position;
        return p;
    }
    switch (f->kind) {
    case WEIR_FETCH_FORWARD:
        return forward(c, (uint64_t)f->count);
    case WEIR_FETCH_BACKWARD:
        return backward(c, (uint64_t)f->count);
    case WEIR_FETCH_ABSOLUTE:
        return place(c, f->count < 0 ? (int64_t)c->rows + 1 + f->count : f->count);
    case WEIR_FETCH_RELATIVE:
        break;
    }
    return place(c, here + f->count);
}

/* The DataRow of that number. */
static weir_slice row_at(const local_portal *p, uint64_t row)
{
    weir_slice rest = weir_buf_slice(&p->kept);
    rest = weir_slice_skip(rest, p->cursor->marks[(row - 1) / ROWS_PER_MARK]);
    for (uint64_t i = (row - 1) % ROWS_PER_MARK; i > 0; i--)
        rest = weir_slice_skip(rest, message_size(rest));
    return weir_slice_head(rest, message_size(rest));
}

/* What FETCH was asked for in: formats of the portal that it runs in. */
static uint16_t format_of(const local_cursor *c, const local_portal *p, size_t column)
{
    if (c->options.binary)
        return 1;
    if (!p || p->format_count == 0)
        return 0;
    return p->formats[p->format_count == 1 || column >= p->format_count ? 0 : column];
}

static bool all_text(const local_cursor *c, const local_portal *p)
{
    for (size_t i = 0; i < c->columns.count; i++)
        if (format_of(c, p, i) != 0)
            return false;
    return true;
}

/* A text as its type's binary form. */
static int put_binary(weir_buf *out, uint32_t oid, weir_slice text, weir_error *err)
{
    weir_buf scratch;
    weir_compat_value v = {.type = WEIR_COMPAT_NULL};
    size_t at = SIZE_MAX;
    weir_buf_init(&scratch, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = weir_compat_param_read(oid, 0, text, &scratch, &v, &at, err);
    if (r == 0 && at != SIZE_MAX)
        v.bytes.data = scratch.data + at;
    if (r == 0)
        r = weir_compat_cell_write(out, oid, 1, &v, err);
    weir_buf_fini(&scratch);
    return r;
}

static int convert_row(weir_buf *out, const local_cursor *c, const local_portal *p, weir_slice row,
                       weir_error *err)
{
    uint16_t count = 0;
    size_t mark = 0, pos = 0;
    weir_slice values, text;
    bool null = false;
    int r = weir_pg_row_read(weir_slice_skip(row, 5), &count, &values);
    if (r == 0)
        r = weir_pg_row_begin(out, count, &mark);
    for (size_t i = 0; r == 0 && weir_pg_value_next(values, &pos, &text, &null); i++) {
        if (null)
            r = weir_pg_row_null(out);
        else if (i < c->columns.count && format_of(c, p, i) == 1)
            r = put_binary(out, c->columns.items[i].type_oid, text, err);
        else
            r = weir_pg_row_cell(out, text);
    }
    return r == 0 ? weir_pg_row_end(out, mark) : r;
}

static int give_row(weir_local *l, const local_cursor *c, const local_portal *p, weir_slice row,
                    bool text, weir_error *err)
{
    if (text && row.len > ROWS_TOGETHER_SIZE) {
        local_flush(l);
        l->host.write(l->host.user, row);
        return 0;
    }
    int r = text ? weir_buf_append(&l->out, row) : convert_row(&l->out, c, p, row, err);
    if (l->out.len > ROWS_TOGETHER_SIZE)
        local_flush(l);
    return r;
}

static int give_portion(weir_local *l, local_portal *cursor, const local_portal *p, portion which,
                        weir_error *err)
{
    bool text = all_text(cursor->cursor, p);
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < which.count; i++) {
        uint64_t row = which.down ? which.first - i : which.first + i;
        r = give_row(l, cursor->cursor, p, row_at(cursor, row), text, err);
    }
    return r;
}

static local_portal *find_cursor(const weir_local *l, weir_slice written, char name[LOCAL_NAME_MAX])
{
    weir_compat_name_fold(written, name, LOCAL_NAME_MAX);
    local_portal *p = local_find_portal(l, weir_slice_cstr(name));
    return p && p->cursor ? p : NULL;
}

static void describe_fetch(weir_local *l, local_cursor *c)
{
    for (size_t i = 0; i < c->columns.count; i++)
        c->columns.items[i].format = c->options.binary;
    local_check(l, weir_pg_write_row_description(&l->out, c->columns.items, c->columns.count));
}

static void fetch(weir_local *l, const weir_command *c, const local_portal *p, local_then then)
{
    char name[LOCAL_NAME_MAX], tag[48];
    weir_error err;
    local_portal *cursor = find_cursor(l, c->name, name);
    if (!cursor) {
        fail_named(l, "34000", "cursor", name, "does not exist", then);
        return;
    }
    portion which = choose(cursor->cursor, &c->fetch);
    if (cursor->cursor->options.no_scroll &&
        (which.down || which.position < cursor->cursor->position)) {
        weir_error_set(&err, "55000", "weir: cursor can only scan forward");
        weir_error_hint(&err, "Declare it with SCROLL option to enable backward scan.");
        fail_with(l, &err, then);
        return;
    }
    int r = 0;
    if (!c->fetch.moves && !p)
        describe_fetch(l, cursor->cursor);
    if (!c->fetch.moves)
        r = give_portion(l, cursor, p, which, &err);
    local_check(l, r);
    if (r > 0) {
        fail_with(l, &err, then);
        return;
    }
    cursor->cursor->position = which.position;
    (void)snprintf(tag, sizeof(tag), "%s %llu", c->fetch.moves ? "MOVE" : "FETCH",
                   (unsigned long long)which.count);
    local_send_tag(l, tag);
    then(l, true);
}

void local_cursor_give(weir_local *l, local_portal *p)
{
    char tag[48];
    weir_error err;
    local_cursor *c = p->cursor;
    portion which = forward(c, p->rows_max > 0 ? p->rows_max : UINT64_MAX);
    int r = give_portion(l, p, p, which, &err);
    c->position = which.position;
    (void)snprintf(tag, sizeof(tag), "SELECT %llu", (unsigned long long)which.count);
    local_check(l, r);
    if (r > 0)
        local_fail(l, &err);
    else if (p->rows_max > 0 && which.count == p->rows_max)
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_B_PORTAL_SUSPENDED));
    else
        local_send_tag(l, tag);
}

const local_columns *local_sql_columns(const weir_local *l, const local_statement *s)
{
    char name[LOCAL_NAME_MAX];
    if (s->command.kind == WEIR_COMMAND_FETCH && !s->command.fetch.moves) {
        const local_portal *p = find_cursor(l, s->command.name, name);
        return p ? &p->cursor->columns : NULL;
    }
    if (s->command.kind != WEIR_COMMAND_EXECUTE)
        return NULL;
    weir_compat_name_fold(s->command.name, name, sizeof(name));
    const local_statement *inner = local_find_statement(l, weir_slice_cstr(name));
    return inner && inner->command.kind == WEIR_COMMAND_NONE ? &inner->columns : NULL;
}

/* ---- CLOSE, and savepoints ---- */

static void close_cursor(weir_local *l, const weir_command *c, local_then then)
{
    char name[LOCAL_NAME_MAX];
    size_t pos = 0;
    if (c->name.len > 0 && !find_cursor(l, c->name, name)) {
        fail_named(l, "34000", "cursor", name, "does not exist", then);
        return;
    }
    if (c->name.len > 0)
        local_close_portal(l, weir_slice_cstr(name));
    for (local_portal *p; c->name.len == 0 && (p = local_next_portal(l, &pos)) != NULL;) {
        if (!p->cursor)
            continue;
        local_close_portal(l, p->name);
        pos = 0; /* the map changed */
    }
    local_send_tag(l, c->tag);
    then(l, true);
}

void local_cursors_undo(weir_local *l, size_t savepoints)
{
    size_t pos = 0;
    for (local_portal *p; (p = local_next_portal(l, &pos)) != NULL;) {
        if (!p->cursor || !p->cursor->fresh || p->cursor->depth < savepoints)
            continue;
        local_close_portal(l, p->name);
        pos = 0;
    }
}

void local_cursors_release(weir_local *l, size_t savepoints)
{
    size_t pos = 0;
    for (local_portal *p; (p = local_next_portal(l, &pos)) != NULL;)
        if (p->cursor && p->cursor->depth > savepoints)
            p->cursor->depth = (uint16_t)savepoints;
}

void local_sql_command(weir_local *l, local_statement *s, local_portal *p, local_then then)
{
    const weir_command *c = &s->command;
    switch (c->kind) {
    case WEIR_COMMAND_PREPARE:
        prepare(l, c, then);
        return;
    case WEIR_COMMAND_EXECUTE:
        execute(l, c, p, then);
        return;
    case WEIR_COMMAND_DECLARE:
        declare(l, s, p, then);
        return;
    case WEIR_COMMAND_FETCH:
        fetch(l, c, p, then);
        return;
    default:
        close_cursor(l, c, then);
        return;
    }
}
