/* What a script of our own does to tables: TRUNCATE of several in one, what comes and goes with a
 * table (compat/define.c), and ALTER TABLE as PostgreSQL has it (compat/alter.h): action by action,
 * each from the table's text as it is then, on the writer and in the client's transaction, or in
 * one that ends with the statement. If anything fails, all of it is undone with that transaction.
 *
 *   start ─► look at the table ─► plan an action ─► do it ─► look again … ─► ALTER TABLE
 */
#include "compat/alter.h"
#include "gateway/local_calls.h"
#include <stdlib.h>

#define STEPS_MAX 1000u
#define INDEXES_MAX 256u
#define ENUMS_MAX 1000u

struct local_alter {
    local_statement *statement;
    local_then then;
    weir_slice actions; /* left, behind the one at hand */
    weir_slice action;
    unsigned steps;
    bool again; /* the action at hand has more steps */
};

void local_alter_free(weir_local *l)
{
    local_alter *a = l->alter;
    l->alter = NULL;
    if (!a)
        return;
    local_statement_unref(a->statement);
    free(a);
}

static void finish(weir_local *l, const weir_error *err)
{
    local_then then = l->alter->then;
    const char *tag = l->alter->statement->command.tag;
    if (err)
        local_fail(l, err);
    else
        local_send_tag(l, tag);
    local_alter_free(l);
    then(l, !err);
}

static void fail_run(weir_local *l)
{
    weir_error err = l->run->error;
    finish(l, &err);
}

/* ---- the facts ---- */

typedef struct facts {
    weir_alter_facts of;
    weir_alter_index indexes[INDEXES_MAX];
    weir_define_fact enums[ENUMS_MAX];
} facts;

static bool has(weir_slice s, uint8_t c)
{
    return s.len > 0 && memchr(s.data, c, s.len) != NULL;
}

static void take_row(facts *f, const local_cell cells[5])
{
    if (weir_slice_eq_cstr(cells[0].text, "t")) {
        f->of.name = cells[1].text;
        f->of.sql = cells[2].text;
    } else if (weir_slice_eq_cstr(cells[0].text, "e")) {
        if (f->of.enum_count < ENUMS_MAX)
            f->enums[f->of.enum_count++] = (weir_define_fact){cells[1].text, cells[2].text};
    } else if (f->of.index_count < INDEXES_MAX) {
        f->indexes[f->of.index_count++] = (weir_alter_index){.name = cells[1].text,
                                                             .sql = cells[2].text,
                                                             .columns = cells[3].text,
                                                             .unique = has(cells[4].text, 'u'),
                                                             .primary = has(cells[4].text, 'p')};
    }
}

static void read_facts(weir_slice rows, facts *f)
{
    local_cell cells[5];
    size_t n = 0;
    f->of = (weir_alter_facts){.indexes = f->indexes, .enums = f->enums};
    while (local_captured_next(&rows, &cells[n])) {
        if (++n == 5)
            take_row(f, cells);
        n %= 5;
    }
}

/* ---- steps ---- */

static void look(weir_local *l);

static void done(weir_local *l, bool ok)
{
    if (!ok)
        fail_run(l);
    else
        look(l);
}

static int missing(const local_alter *a, weir_error *err)
{
    char name[LOCAL_NAME_MAX];
    weir_compat_name_fold(a->statement->command.name, name, sizeof(name));
    weir_error_set(err, "42P01", "weir: relation \"%s\" does not exist", name);
    return WEIR_COMPAT_REFUSED;
}

static int plan(local_alter *a, const facts *f, weir_buf *script, weir_error *err)
{
    if (f->of.name.len == 0 && a->statement->command.missing_ok) {
        a->actions = (weir_slice){0};
        return 0;
    }
    if (f->of.name.len == 0)
        return missing(a, err);
    if (f->of.index_count == INDEXES_MAX || ++a->steps > STEPS_MAX) {
        weir_error_set(err, "54000",
                       "weir: the table has too many indexes or the statement too "
                       "many actions");
        return WEIR_COMPAT_REFUSED;
    }
    int r = weir_alter_plan(a->action, &f->of, script, err);
    a->again = r == WEIR_ALTER_AGAIN;
    return a->again ? 0 : r;
}

static void looked(weir_local *l, bool ok)
{
    weir_buf script;
    weir_error err;
    if (!ok) {
        fail_run(l);
        return;
    }
    facts *f = malloc(sizeof(*f));
    if (!f) {
        local_broken(l, -ENOMEM);
        return;
    }
    read_facts(weir_buf_slice(&l->run->exec.out), f);
    weir_buf_init(&script, WEIR_SQL_TEXT_MAX);
    int r = plan(l->alter, f, &script, &err);
    free(f);
    if (r > 0)
        finish(l, &err);
    else if (r == 0 && script.len == 0)
        look(l);
    else if (r == 0)
        r = local_run_own(l, weir_buf_slice(&script), true, done);
    weir_buf_fini(&script);
    local_check(l, r);
}

static void look(weir_local *l)
{
    local_alter *a = l->alter;
    weir_buf query;
    if (!a->again)
        a->action = weir_alter_next_action(&a->actions);
    if (a->action.len == 0) {
        finish(l, NULL);
        return;
    }
    weir_buf_init(&query, 4096);
    int r = weir_alter_facts_query(a->statement->command.name, a->statement->command.local, &query);
    if (r == 0)
        r = local_run_own(l, weir_buf_slice(&query), false, looked);
    weir_buf_fini(&query);
    local_check(l, r);
}

/* ---- what is one script: TRUNCATE of several tables, sequences, CREATE and DROP TABLE ---- */

static void script_done(weir_local *l, bool ok)
{
    if (ok)
        finish(l, NULL);
    else
        fail_run(l);
}

/* With what was asked before, if anything was. */
static void run_planned(weir_local *l, const weir_define_fact *known, size_t count)
{
    const weir_command *c = &l->alter->statement->command;
    weir_buf script;
    weir_buf_init(&script, WEIR_SQL_TEXT_MAX);
    weir_error err;
    int r = c->kind == WEIR_COMMAND_SEQUENCE ? weir_sequence_plan(c, &script, &err)
            : c->kind == WEIR_COMMAND_DEFINE ? weir_define_plan(c, &script, &err)
            : c->kind == WEIR_COMMAND_TYPE
                ? weir_type_plan(c, known, count, &script, &err)
                : weir_truncate_plan(c->value, c->missing_ok, c->chain, &script, &err);
    if (r > 0)
        finish(l, &err);
    r = r > 0 ? 0 : r;
    if (r == 0 && l->alter)
        r = local_run_own(l, weir_buf_slice(&script), true, script_done);
    weir_buf_fini(&script);
    local_check(l, r);
}

static size_t read_pairs(weir_slice rows, weir_define_fact *ret, size_t max)
{
    local_cell cells[2];
    size_t n = 0, count = 0;
    while (count < max && local_captured_next(&rows, &cells[n]))
        if (++n == 2) {
            ret[count++] = (weir_define_fact){cells[0].text, cells[1].text};
            n = 0;
        }
    return count;
}

/* The table's own types are known now: it is translated with them. */
static int translate_anew(weir_local *l, const weir_define_fact *enums, size_t count,
                          weir_error *err)
{
    weir_buf names;
    weir_buf_init(&names, 1u << 20);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = weir_buf_append(&names, enums[i].name);
        if (r == 0)
            r = weir_buf_append_u8(&names, 0);
        if (r == 0)
            r = weir_buf_append(&names, enums[i].value);
        if (r == 0)
            r = weir_buf_append_u8(&names, 0);
    }
    if (r == 0 && count > 0)
        r = local_statement_translate(l, l->alter->statement, weir_buf_slice(&names), err);
    weir_buf_fini(&names);
    return r;
}

static void asked(weir_local *l, bool ok)
{
    weir_error err;
    if (!ok) {
        fail_run(l);
        return;
    }
    weir_define_fact *known = calloc(ENUMS_MAX, sizeof(*known));
    if (!known) {
        local_broken(l, -ENOMEM);
        return;
    }
    size_t count = read_pairs(weir_buf_slice(&l->run->exec.out), known, ENUMS_MAX);
    int r = l->alter->statement->command.kind == WEIR_COMMAND_DEFINE
                ? translate_anew(l, known, count, &err)
                : 0;
    if (r > 0)
        finish(l, &err);
    else if (r == 0)
        run_planned(l, known, count);
    free(known);
    local_check(l, r > 0 ? 0 : r);
}

static void run_script(weir_local *l)
{
    weir_buf query;
    weir_buf_init(&query, 4096);
    int r = weir_define_query(&l->alter->statement->command, &query);
    if (r == 0 && query.len > 0)
        r = local_run_own(l, weir_buf_slice(&query), false, asked);
    else if (r == 0)
        run_planned(l, NULL, 0);
    weir_buf_fini(&query);
    local_check(l, r);
}

/* The sequences that new columns draw from are there before them. */
static void make_sequences(weir_local *l)
{
    local_alter *a = l->alter;
    weir_slice definitions;
    a->actions = weir_compat_split(a->actions, &definitions);
    if (definitions.len == 0) {
        look(l);
        return;
    }
    weir_buf script;
    weir_error err;
    weir_buf_init(&script, WEIR_SQL_TEXT_MAX);
    int r = weir_alter_sequences(definitions, &script, &err);
    if (r > 0)
        finish(l, &err);
    else if (r == 0)
        r = local_run_own(l, weir_buf_slice(&script), true, done);
    weir_buf_fini(&script);
    local_check(l, r > 0 ? 0 : r);
}

void local_alter_table(weir_local *l, local_statement *s, local_then then)
{
    local_alter *a = calloc(1, sizeof(*a));
    if (!a) {
        local_broken(l, -ENOMEM);
        return;
    }
    *a = (local_alter){
        .statement = local_statement_ref(s), .then = then, .actions = s->command.value};
    l->alter = a;
    local_tx_begin_implicit(l);
    if (s->command.kind != WEIR_COMMAND_ALTER_TABLE)
        run_script(l);
    else
        make_sequences(l);
}
