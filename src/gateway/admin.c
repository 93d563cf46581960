/* The console's protocol: commands come as a Query or as Parse, Bind, Execute; reports go out as
 * rows. While a report is gathered or a command waits, the next message is refused as BUSY.
 *
 *   READY ──SHOW, EXPLAIN──► GATHERING ──rows──► READY
 *     └────PAUSE──► PAUSING ──nothing is lent──► READY
 *
 * Invariant: `run` says what the answer under way is owed to; only answer_done ends it. After an
 * error in an extended batch everything up to Sync is skipped, as a server does. */
#include "gateway/admin.h"
#include "base/utf8.h"
#include "engine/cache.h"
#include "gateway/admin_command.h"
#include "gateway/explain.h"
#include "gateway/internal.h"
#include "gateway/operate.h"
#include "gateway/report.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMED_MAX 256u
#define NAME_MAX_BYTES 127u
#define CHUNK (64u * 1024)
#define PAUSE_LOOK_EVERY (10 * WEIR_MS)

enum { OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_FLOAT8 = 701 };

/* A prepared statement or a portal. */
typedef struct named {
    weir_list node;
    uint8_t kind;    /* 'S' or 'P' */
    uint64_t binary; /* PORTAL: columns wanted in binary, by bit */
    weir_admin_command command;
    char *statement; /* the command's, as a copy; NULL: it has none */
    char name[NAME_MAX_BYTES + 1];
} named;

typedef enum console_state { READY, GATHERING, PAUSING } console_state;

struct weir_console {
    weir_gateway *gateway;
    weir_loop *loop;
    weir_console_host host;
    void (*gone)(void *user); /* the client left; NULL: it is here */
    weir_list named;
    unsigned named_count;
    console_state state;
    struct {
        bool simple; /* a Query: the columns before, ReadyForQuery behind */
        uint64_t binary;
        weir_admin_command command;
    } run;
    weir_database *pausing; /* NULL: all */
    int waits_for;          /* while PAUSING: WEIR_OPERATE_* */
    weir_timer timer;
    char status;
    bool skipping;
};

/* ---- answers ---- */

static void send_buf(weir_console *c, weir_buf *out, int r)
{
    if (!c->gone && r == 0)
        c->host.write(c->host.user, weir_buf_slice(out));
    if (!c->gone && r < 0) {
        weir_error err;
        weir_error_set(&err, "53200", "weir: out of memory");
        c->host.fatal(c->host.user, &err);
    }
    weir_buf_fini(out);
}

static void send_empty(weir_console *c, uint8_t type)
{
    weir_buf out;
    weir_buf_init(&out, 16);
    send_buf(c, &out, weir_pg_write_empty(&out, type));
}

static void send_ready(weir_console *c)
{
    weir_buf out;
    weir_buf_init(&out, 16);
    send_buf(c, &out, weir_pg_write_ready(&out, (uint8_t)c->status));
}

static void send_complete(weir_console *c, const weir_admin_command *command)
{
    weir_buf out;
    weir_buf_init(&out, 256);
    send_buf(c, &out,
             command->verb == WEIR_ADMIN_EMPTY
                 ? weir_pg_write_empty(&out, WEIR_PG_B_EMPTY_QUERY)
                 : weir_pg_write_command_complete(&out, weir_slice_cstr(command->tag)));
}

/* Of a Query, or of a message of an extended batch. */
static void send_error(weir_console *c, const weir_error *err, bool simple)
{
    weir_buf out;
    weir_buf_init(&out, 8192);
    int r = weir_pg_write_error(&out, "ERROR", err);
    if (r == 0 && simple)
        r = weir_pg_write_ready(&out, (uint8_t)c->status);
    c->skipping = !simple;
    send_buf(c, &out, r);
}

static bool is_binary(uint64_t mask, unsigned column)
{
    return column < 64 && (mask >> column & 1);
}

static int write_columns(weir_buf *out, const weir_report_column *columns, unsigned count,
                         uint64_t binary)
{
    static const struct {
        uint32_t oid;
        int16_t size;
    } types[] = {[WEIR_REPORT_TEXT] = {OID_TEXT, -1},
                 [WEIR_REPORT_INT] = {OID_INT4, 4},
                 [WEIR_REPORT_BIGINT] = {OID_INT8, 8},
                 [WEIR_REPORT_REAL] = {OID_FLOAT8, 8}};
    weir_pg_column shown[64];
    assert(count <= 64);
    for (unsigned i = 0; i < count; i++)
        shown[i] = (weir_pg_column){.name = weir_slice_cstr(columns[i].name),
                                    .type_oid = types[columns[i].type].oid,
                                    .type_size = types[columns[i].type].size,
                                    .type_modifier = -1,
                                    .format = is_binary(binary, i)};
    return weir_pg_write_row_description(out, shown, count);
}

static void send_columns(weir_console *c, const weir_admin_command *command, uint64_t binary)
{
    const weir_report_column *columns = weir_gateway_explain_column();
    unsigned count = 1;
    if (command->verb != WEIR_ADMIN_EXPLAIN &&
        (command->verb != WEIR_ADMIN_SHOW ||
         !weir_gateway_report_find(weir_slice_cstr(command->argument), &columns, &count))) {
        send_empty(c, WEIR_PG_B_NO_DATA);
        return;
    }
    weir_buf out;
    weir_buf_init(&out, CHUNK);
    send_buf(c, &out, write_columns(&out, columns, count, binary));
}

/* ---- rows ---- */

/* Cells are short texts that a zero byte does not follow. */
static int write_binary(weir_buf *out, weir_report_type type, weir_slice cell)
{
    char text[48];
    uint8_t bytes[8];
    uint64_t bits;
    size_t n = cell.len < sizeof(text) - 1 ? cell.len : sizeof(text) - 1;
    size_t width = type == WEIR_REPORT_INT ? 4 : 8;
    memcpy(text, cell.data, n);
    text[n] = '\0';
    if (type == WEIR_REPORT_REAL) {
        double real = strtod(text, NULL);
        memcpy(&bits, &real, sizeof(bits));
    } else {
        bits = (uint64_t)strtoll(text, NULL, 10);
    }
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(bits >> (8 * (width - 1 - i)));
    return weir_pg_row_cell(out, weir_slice_make(bytes, width));
}

static int write_row(weir_buf *out, const weir_report *report, size_t *pos, uint64_t binary)
{
    size_t mark;
    weir_slice cell;
    int r = weir_pg_row_begin(out, (uint16_t)report->column_count, &mark);
    for (unsigned i = 0; r == 0 && i < report->column_count; i++) {
        bool there = weir_report_next(report, pos, &cell);
        assert(there);
        (void)there;
        weir_report_type type = report->columns[i].type;
        if (!cell.data)
            r = weir_pg_row_null(out);
        else if (type != WEIR_REPORT_TEXT && is_binary(binary, i))
            r = write_binary(out, type, cell);
        else
            r = weir_pg_row_cell(out, cell);
    }
    return r < 0 ? r : weir_pg_row_end(out, mark);
}

static void send_rows(weir_console *c, const weir_report *report)
{
    weir_buf out;
    weir_buf_init(&out, WEIR_REPORT_SIZE_MAX);
    int r = c->run.simple ? write_columns(&out, report->columns, report->column_count, 0) : 0;
    size_t pos = 0;
    for (uint64_t i = 0; r == 0 && i < report->rows; i++) {
        r = write_row(&out, report, &pos, c->run.binary);
        if (r == 0 && out.len >= CHUNK) {
            c->host.write(c->host.user, weir_buf_slice(&out));
            weir_buf_clear(&out);
        }
    }
    send_buf(c, &out, r);
}

/* ---- what is under way ---- */

static void named_free(named *m)
{
    free(m->statement);
    free(m);
}

static void console_free(weir_console *c)
{
    weir_timer_disarm(c->loop, &c->timer);
    for (weir_list *n; (n = weir_list_pop_front(&c->named));)
        named_free(WEIR_CONTAINER_OF(n, named, node));
    free(c);
}

/* `err` NULL: it went well. `later`: not inside a call of the client's. */
static void answer_done(weir_console *c, const weir_error *err, bool later)
{
    c->state = READY;
    if (err) {
        send_error(c, err, c->run.simple);
    } else {
        send_complete(c, &c->run.command);
        if (c->run.simple)
            send_ready(c);
    }
    if (later)
        c->host.ready(c->host.user);
}

/* The client left while an answer was made for it. */
static void leave_late(weir_console *c)
{
    void (*gone)(void *) = c->gone;
    void *whose = c->host.user;
    console_free(c);
    gone(whose);
}

/* `problem` NULL: the report is made. */
static void on_rows(weir_console *c, const weir_report *report, const weir_error *problem)
{
    if (c->gone) {
        leave_late(c);
        return;
    }
    int r = weir_report_error(report);
    if (problem || r == 0) {
        if (!problem)
            send_rows(c, report);
        answer_done(c, problem, true);
        return;
    }
    weir_error err;
    weir_error_set(&err, r == -EMSGSIZE ? "54000" : "53200",
                   r == -EMSGSIZE ? "weir: the report is too large" : "weir: out of memory");
    answer_done(c, &err, true);
}

static void on_report(void *user, const weir_report *report)
{
    on_rows(user, report, NULL);
}

static void on_explained(void *user, const weir_report *report, const weir_error *err)
{
    on_rows(user, report, err);
}

static int begin_show(weir_console *c, weir_error *err)
{
    weir_slice name = weir_slice_cstr(c->run.command.argument);
    int r = weir_gateway_report(c->gateway, c->loop, name, on_report, c);
    if (r == 0)
        c->state = GATHERING;
    else
        weir_error_set(err, "53200", "weir: out of memory");
    return r;
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    weir_console *c = WEIR_CONTAINER_OF(timer, weir_console, timer);
    if (weir_operate_is_done(c->gateway, c->pausing, c->waits_for, weir_loop_now(loop)))
        answer_done(c, NULL, true);
    else
        weir_timer_arm(loop, timer, weir_loop_now(loop) + PAUSE_LOOK_EVERY);
}

/* NULL for "every one"; -EINVAL: there is none of this name. */
static int find_database(weir_console *c, weir_database **ret, weir_error *err)
{
    weir_engine *e = weir_gateway_engine(c->gateway);
    const char *name = c->run.command.argument;
    *ret = NULL;
    if (!*name)
        return 0;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++) {
        weir_database *d = weir_engine_database_at(e, i);
        if (!weir_database_removed(d) &&
            (strcmp(weir_database_label(d), name) == 0 || strcmp(weir_database_name(d), name) == 0))
            *ret = d;
    }
    if (*ret)
        return 0;
    weir_error_set(err, "3D000", "weir: no database \"%s\" is configured", name);
    weir_error_hint(err, "SHOW DATABASES lists them.");
    return -EINVAL;
}

static void on_ended(void *user, unsigned count)
{
    weir_console *c = user;
    weir_error err;
    bool none = count == 0 && c->run.command.verb == WEIR_ADMIN_KILL_CLIENT;
    weir_error_set(&err, "22023", "weir: there is no client %.64s", c->run.command.argument);
    if (c->gone)
        leave_late(c);
    else
        answer_done(c, none ? &err : NULL, true);
}

static int begin_operation(weir_console *c, weir_error *err)
{
    c->pausing = NULL;
    int r = 0;
    if (c->run.command.verb != WEIR_ADMIN_KILL_CLIENT)
        r = find_database(c, &c->pausing, err);
    if (r < 0)
        return r;
    const weir_operation operation = {.gateway = c->gateway,
                                      .home = c->loop,
                                      .command = &c->run.command,
                                      .database = c->pausing,
                                      .login = c->host.login,
                                      .done = on_ended,
                                      .user = c};
    r = weir_operate(&operation, err);
    if (r == WEIR_OPERATE_ENDING) {
        c->state = GATHERING;
    } else if (r > 0) {
        c->waits_for = r;
        c->state = PAUSING;
        weir_timer_arm(c->loop, &c->timer, weir_loop_now(c->loop));
    }
    return r < 0 ? r : 0;
}

static void do_flush(weir_console *c)
{
    static const char *const kinds[] = {"all", "tag", "table", "prefix", "namespace"};
    const weir_admin_command *command = &c->run.command;
    weir_engine *e = weir_gateway_engine(c->gateway);
    weir_slice name = weir_slice_cstr(command->argument);
    switch (command->flush) {
    case WEIR_ADMIN_FLUSH_ALL:
        weir_engine_flush(e, NULL);
        break;
    case WEIR_ADMIN_FLUSH_TAG:
        weir_engine_flush_tag(e, name);
        break;
    case WEIR_ADMIN_FLUSH_TABLE:
        weir_engine_flush_table(e, NULL, name);
        break;
    case WEIR_ADMIN_FLUSH_PREFIX:
        weir_engine_flush_prefix(e, name);
        break;
    case WEIR_ADMIN_FLUSH_NAMESPACE:
        weir_engine_flush_namespace(e, name);
        break;
    }
    weir_log_event(c->gateway->log, WEIR_LOG_ADMIN, WEIR_LOG_INFO, "cache flushed",
                   WEIR_F_STR("what", kinds[command->flush]), WEIR_F_SLICE("name", name),
                   WEIR_F_STR("user", c->host.login));
}

/* The only database, or the one that every other name reaches. -EINVAL: it must be said which. */
static int default_database(weir_console *c, weir_database **ret, weir_error *err)
{
    weir_engine *e = weir_gateway_engine(c->gateway);
    char names[160] = "";
    size_t n = 0;
    for (unsigned i = 0; i < weir_engine_database_count(e); i++) {
        weir_database *d = weir_engine_database_at(e, i);
        if (weir_engine_database_count(e) == 1 || strcmp(weir_database_name(d), "*") == 0) {
            *ret = d;
            return 0;
        }
        if (n < sizeof(names))
            n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "",
                                  weir_database_label(d));
    }
    weir_error_set(err, "3D000", "weir: there are several databases: say which one");
    weir_error_hint(err, "EXPLAIN CACHE ON database statement, with one of: %s", names);
    return -EINVAL;
}

static int begin_explain(weir_console *c, weir_error *err)
{
    const weir_admin_command *command = &c->run.command;
    weir_explain request = {.home = c->loop,
                            .login = weir_slice_cstr(c->host.login),
                            .text = command->statement,
                            .done = on_explained,
                            .user = c};
    int r = *command->argument ? find_database(c, &request.database, err)
                               : default_database(c, &request.database, err);
    if (r < 0)
        return r;
    r = weir_gateway_explain(c->gateway, &request);
    if (r == 0)
        c->state = GATHERING;
    else
        weir_error_set(err, "53200", "weir: out of memory");
    return r;
}

/* As an operator's signal (SIGHUP, SIGUSR2): the log says what came of it, and why. */
static int signal_self(int signo, const char *what, weir_error *err)
{
    if (kill(getpid(), signo) == 0)
        return 0;
    weir_error_set(err, "58000", "weir: cannot ask for a %s: %s", what, strerror(errno));
    return -errno;
}

/* What a run's command does. 0: done, or under way (state). */
static int carry_out(weir_console *c, weir_error *err)
{
    switch (c->run.command.verb) {
    case WEIR_ADMIN_SHOW:
        return begin_show(c, err);
    case WEIR_ADMIN_PAUSE:
    case WEIR_ADMIN_RESUME:
    case WEIR_ADMIN_DRAIN:
    case WEIR_ADMIN_RECONNECT:
    case WEIR_ADMIN_WAIT_CLOSE:
    case WEIR_ADMIN_ENABLE:
    case WEIR_ADMIN_DISABLE:
    case WEIR_ADMIN_KILL:
    case WEIR_ADMIN_KILL_CLIENT:
        return begin_operation(c, err);
    case WEIR_ADMIN_RELOAD:
        return signal_self(SIGHUP, "reload", err);
    case WEIR_ADMIN_RESTART:
        return signal_self(SIGUSR2, "restart", err);
    case WEIR_ADMIN_SHUTDOWN:
        (void)kill(getpid(), SIGTERM); /* the one way to stop, whoever asks */
        break;
    case WEIR_ADMIN_FLUSH:
        do_flush(c);
        break;
    case WEIR_ADMIN_EXPLAIN:
        return begin_explain(c, err);
    case WEIR_ADMIN_BEGIN:
        c->status = 'T';
        break;
    case WEIR_ADMIN_END:
        c->status = 'I';
        break;
    case WEIR_ADMIN_EMPTY:
    case WEIR_ADMIN_NOTHING:
        break;
    }
    return 0;
}

static void run(weir_console *c, const weir_admin_command *command, bool simple, uint64_t binary)
{
    weir_error err;
    c->run.simple = simple;
    c->run.binary = binary;
    c->run.command = *command;
    int r = carry_out(c, &err);
    if (r < 0)
        answer_done(c, &err, false);
    else if (c->state == READY)
        answer_done(c, NULL, false);
}

static int understand(weir_slice text, weir_admin_command *ret, weir_error *err)
{
    const weir_report_column *columns;
    unsigned count;
    int r = weir_admin_parse(text, ret, err);
    if (r == 0 && ret->statement.len > WEIR_EXPLAIN_TEXT_MAX) {
        weir_error_set(err, "54000", "weir: a statement to explain has at most %u bytes",
                       WEIR_EXPLAIN_TEXT_MAX);
        return -EINVAL;
    }
    if (r < 0 || ret->verb != WEIR_ADMIN_SHOW ||
        weir_gateway_report_find(weir_slice_cstr(ret->argument), &columns, &count))
        return r;
    weir_error_set(err, "42601", "weir: there is no SHOW \"%.64s\"", ret->argument);
    weir_error_hint(err, "SHOW knows %s.", weir_gateway_report_names());
    return -EINVAL;
}

/* ---- names ---- */

static named *find_named(weir_console *c, uint8_t kind, weir_slice name)
{
    for (weir_list *n = c->named.next; n != &c->named; n = n->next) {
        named *m = WEIR_CONTAINER_OF(n, named, node);
        if (m->kind == kind && weir_slice_eq_cstr(name, m->name))
            return m;
    }
    return NULL;
}

static void forget(weir_console *c, named *m)
{
    if (!m)
        return;
    weir_list_remove(&m->node);
    c->named_count--;
    named_free(m);
}

/* A new one in the place of an old one of the name. NULL: words in `err`. */
static named *remember(weir_console *c, uint8_t kind, weir_slice name, weir_error *err)
{
    named *m = find_named(c, kind, name);
    if (m)
        return m;
    if (name.len > NAME_MAX_BYTES || c->named_count == NAMED_MAX) {
        weir_error_set(err, "54000", "weir: too many or too long names of statements");
        return NULL;
    }
    m = calloc(1, sizeof(*m));
    if (!m) {
        weir_error_set(err, "53200", "weir: out of memory");
        return NULL;
    }
    m->kind = kind;
    memcpy(m->name, name.data, name.len);
    weir_list_push_back(&c->named, &m->node);
    c->named_count++;
    return m;
}

/* False: out of memory, and the name stands for what it did. */
static bool give_command(named *m, const weir_admin_command *command, weir_error *err)
{
    char *copy = NULL;
    size_t len = command->statement.len;
    if (len > 0 && !(copy = malloc(len))) {
        weir_error_set(err, "53200", "weir: out of memory");
        return false;
    }
    if (copy)
        memcpy(copy, command->statement.data, len);
    free(m->statement);
    m->statement = copy;
    m->command = *command;
    m->command.statement = weir_slice_make(copy, len);
    return true;
}

static void forget_portals(weir_console *c)
{
    for (weir_list *n = c->named.next; n != &c->named;) {
        named *m = WEIR_CONTAINER_OF(n, named, node);
        n = n->next;
        if (m->kind == 'P')
            forget(c, m);
    }
}

/* ---- messages ---- */

static int on_query(weir_console *c, weir_slice body)
{
    weir_slice text;
    weir_admin_command command;
    weir_error err;
    if (weir_pg_query_read(body, &text) < 0)
        return -EPROTO;
    if (understand(text, &command, &err) < 0)
        send_error(c, &err, true);
    else
        run(c, &command, true, 0);
    return 0;
}

static int on_parse(weir_console *c, weir_slice body)
{
    weir_pg_parse parse;
    weir_admin_command command;
    weir_error err;
    if (weir_pg_parse_read(body, &parse) < 0)
        return -EPROTO;
    named *m = NULL;
    if (understand(parse.text, &command, &err) == 0)
        m = remember(c, 'S', parse.name, &err);
    if (!m || !give_command(m, &command, &err)) {
        send_error(c, &err, false);
        return 0;
    }
    send_empty(c, WEIR_PG_B_PARSE_COMPLETE);
    return 0;
}

static void no_such(weir_console *c, uint8_t kind, weir_slice name)
{
    weir_error err;
    weir_error_set(&err, kind == 'S' ? "26000" : "34000", "weir: there is no %s \"%.*s\"",
                   kind == 'S' ? "prepared statement" : "portal", WEIR_UTF8_QUOTED(name, 64));
    send_error(c, &err, false);
}

static uint64_t binary_columns(const weir_pg_bind *bind)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 64; i++)
        if ((bind->result_format_count == 1 || i < bind->result_format_count) &&
            weir_pg_format_at(bind->result_formats, bind->result_format_count, i) == 1)
            mask |= (uint64_t)1 << i;
    return mask;
}

static int on_bind(weir_console *c, weir_slice body)
{
    weir_pg_bind bind;
    weir_error err;
    if (weir_pg_bind_read(body, &bind) < 0)
        return -EPROTO;
    const named *statement = find_named(c, 'S', bind.statement);
    if (!statement) {
        no_such(c, 'S', bind.statement);
        return 0;
    }
    named *portal = NULL;
    if (bind.value_count > 0)
        weir_error_set(&err, "08P01", "weir: console commands take no parameters");
    else
        portal = remember(c, 'P', bind.portal, &err);
    if (!portal || !give_command(portal, &statement->command, &err)) {
        send_error(c, &err, false);
        return 0;
    }
    portal->binary = binary_columns(&bind);
    send_empty(c, WEIR_PG_B_BIND_COMPLETE);
    return 0;
}

static int on_describe(weir_console *c, weir_slice body)
{
    weir_pg_target target;
    if (weir_pg_target_read(body, &target) < 0)
        return -EPROTO;
    const named *m = find_named(c, target.kind, target.name);
    if (!m) {
        no_such(c, target.kind, target.name);
        return 0;
    }
    if (target.kind == 'S') {
        weir_buf out;
        weir_buf_init(&out, 64);
        send_buf(c, &out, weir_pg_write_param_description(&out, NULL, 0));
    }
    send_columns(c, &m->command, m->binary);
    return 0;
}

static int on_close(weir_console *c, weir_slice body)
{
    weir_pg_target target;
    if (weir_pg_target_read(body, &target) < 0)
        return -EPROTO;
    forget(c, find_named(c, target.kind, target.name));
    send_empty(c, WEIR_PG_B_CLOSE_COMPLETE);
    return 0;
}

static int on_execute(weir_console *c, weir_slice body)
{
    weir_pg_execute execute;
    if (weir_pg_execute_read(body, &execute) < 0)
        return -EPROTO;
    const named *m = find_named(c, 'P', execute.portal);
    if (m)
        run(c, &m->command, false, m->binary);
    else
        no_such(c, 'P', execute.portal);
    return 0;
}

int weir_console_feed(weir_console *c, const weir_pg_frame *f)
{
    if (c->state != READY)
        return WEIR_CONSOLE_BUSY;
    if (f->type == WEIR_PG_F_SYNC) {
        c->skipping = false;
        if (c->status == 'I')
            forget_portals(c);
        send_ready(c);
        return 0;
    }
    if (c->skipping)
        return weir_pg_is_frontend_type(f->type) ? 0 : -EPROTO;
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        return on_query(c, f->body);
    case WEIR_PG_F_PARSE:
        return on_parse(c, f->body);
    case WEIR_PG_F_BIND:
        return on_bind(c, f->body);
    case WEIR_PG_F_DESCRIBE:
        return on_describe(c, f->body);
    case WEIR_PG_F_CLOSE:
        return on_close(c, f->body);
    case WEIR_PG_F_EXECUTE:
        return on_execute(c, f->body);
    case WEIR_PG_F_FLUSH:
        return 0;
    default:
        return -EPROTO;
    }
}

/* ---- life ---- */

int weir_console_new(weir_gateway *gateway, weir_loop *loop, const weir_console_host *host,
                     weir_console **ret)
{
    weir_console *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->gateway = gateway;
    c->loop = loop;
    c->host = *host;
    c->status = 'I';
    weir_list_init(&c->named);
    weir_timer_init(&c->timer, on_timer);
    *ret = c;
    return 0;
}

bool weir_console_leave(weir_console *c, void (*gone)(void *user))
{
    if (c->state == GATHERING) {
        c->gone = gone;
        return true;
    }
    console_free(c);
    return false;
}

void weir_console_cancel(weir_console *c)
{
    if (c->state != PAUSING)
        return;
    weir_error err;
    weir_timer_disarm(c->loop, &c->timer);
    weir_error_set(&err, "57014", "weir: waiting was cancelled; what is paused stays so");
    weir_error_hint(&err, "RESUME ends the pause.");
    answer_done(c, &err, true);
}

bool weir_console_at_rest(const weir_console *c)
{
    return c->state == READY;
}
