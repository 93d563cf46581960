/* See fakesql.h: statements, and texts of several. */
#include "fakesql.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- statements ---- */

static bool run_echo(fake_parser *p)
{
    char token[FAKE_WORD];
    if (!fake_is(p, "echo"))
        return false;
    fake_next(p);
    fake_accept_char(p, '(');
    (void)snprintf(token, sizeof(token), "%s", p->token.text);
    fake_next(p);
    fake_accept_char(p, ',');
    int rows = atoi(p->token.text);
    fake_next(p);
    fake_accept_char(p, ')');
    if (p->run->called)
        p->run->called(p->run->user, token);
    if (!p->run->sqlstate[0])
        fake_give_rows(p->run, token, rows, "SELECT");
    return true;
}

static void run_select(fake_parser *p)
{
    char cells[32][FAKE_WORD];
    const char *row[32];
    unsigned n = 0;
    if (run_echo(p))
        return;
    do {
        char value[FAKE_CELL];
        bool there = fake_expression(p, value);
        if (p->run->sqlstate[0])
            return;
        (void)snprintf(cells[n], sizeof(cells[n]), "%.255s", value);
        row[n] = there ? cells[n] : NULL;
    } while (++n < 32 && fake_accept_char(p, ','));
    fake_columns(p->run, n < 4 ? n : 4);
    fake_row(p->run, row, n);
    fake_tag(p->run, "SELECT 1");
}

static void run_set(fake_parser *p)
{
    char name[FAKE_WORD];
    bool local = fake_accept(p, "local");
    if (!local)
        (void)fake_accept(p, "session");
    fake_read_name(p, name, sizeof(name));
    if (!fake_accept(p, "to"))
        (void)fake_accept_char(p, '=');
    int i = fake_setting_find(name);
    if (i < 0 || strlen(p->token.text) >= FAKE_TEXT) {
        fake_odd(p->run, "a setting that no client makes", name);
        return;
    }
    if (fake_is(p, "default"))
        fake_reset(p->run->state, i);
    else
        fake_set(p->run->state, i, p->token.text, local);
    fake_next(p);
    fake_tag(p->run, "SET");
}

static void run_reset(fake_parser *p)
{
    char name[FAKE_WORD];
    if (fake_accept(p, "all")) {
        fake_reset_all(p->run->state);
    } else if (fake_accept(p, "session")) {
        fake_next(p); /* AUTHORIZATION */
        fake_reset(p->run->state, FAKE_AUTHORIZATION);
        fake_reset(p->run->state, FAKE_ROLE);
    } else {
        fake_read_name(p, name, sizeof(name));
        int i = fake_setting_find(name);
        if (i >= 0)
            fake_reset(p->run->state, i);
    }
    fake_tag(p->run, "RESET");
}

static void run_discard(fake_parser *p)
{
    fake_next(p);
    fake_names_clear(p->run->names);
    fake_discard_all(p->run->state);
    fake_tag(p->run, "DISCARD ALL");
}

static void run_begin(fake_parser *p)
{
    fake_state *s = p->run->state;
    if (s->status != 'I')
        fake_odd(p->run, "begin inside a transaction", p->at);
    fake_begin(s, false);
    fake_tag(p->run, "BEGIN");
}

static void run_commit(fake_parser *p)
{
    fake_state *s = p->run->state;
    bool good = s->status == 'T';
    unsigned notes = 0;
    if (s->status == 'I')
        fake_odd(p->run, "an end without a transaction", p->at);
    if (good)
        notes = fake_commit(s);
    else
        fake_rollback(s);
    fake_tag(p->run, good ? "COMMIT" : "ROLLBACK");
    if (p->run->ended)
        p->run->ended(p->run->user);
    if (good && p->run->committed)
        p->run->committed(p->run->user, notes);
}

static void run_rollback(fake_parser *p)
{
    fake_state *s = p->run->state;
    if (s->status == 'I')
        fake_odd(p->run, "an end without a transaction", p->at);
    if (fake_accept(p, "to")) {
        fake_next(p); /* one name is enough: the innermost */
        if (s->depth <= 1) {
            fake_fail(p->run, "3B001", "savepoint does not exist");
            return;
        }
        fake_rollback_to(s);
    } else {
        fake_rollback(s);
        if (p->run->ended)
            p->run->ended(p->run->user);
    }
    fake_tag(p->run, "ROLLBACK");
}

static void run_savepoint(fake_parser *p)
{
    fake_next(p);
    fake_savepoint(p->run->state);
    fake_tag(p->run, "SAVEPOINT");
}

static void run_release(fake_parser *p)
{
    fake_next(p);
    fake_release(p->run->state);
    fake_tag(p->run, "RELEASE");
}

static char *temp_of(fake_parser *p)
{
    char name[FAKE_WORD];
    fake_read_name(p, name, sizeof(name));
    return fake_top(p->run->state)->temps[name[0] == 't' && name[1] == '1'];
}

/* create temp table t0 as select 'c3-5' as v */
static void run_create(fake_parser *p)
{
    fake_next(p);
    fake_next(p);
    char *temp = temp_of(p);
    if (temp[0]) {
        fake_fail(p->run, "42P07", "relation exists");
        return;
    }
    (void)fake_accept(p, "as");
    (void)fake_accept(p, "select");
    (void)snprintf(temp, FAKE_TEXT, "%.20s", p->token.text);
    while (p->token.kind && p->token.kind != ';')
        fake_next(p);
    fake_tag(p->run, "SELECT 1");
}

static void run_drop(fake_parser *p)
{
    fake_next(p);
    char *temp = temp_of(p);
    if (!temp[0]) {
        fake_fail(p->run, "42P01", "table does not exist");
        return;
    }
    temp[0] = '\0';
    fake_tag(p->run, "DROP TABLE");
}

/* declare held cursor with hold for select echo('c3-5', 3) */
static void run_declare(fake_parser *p)
{
    fake_level *l = fake_top(p->run->state);
    if (l->cursor[0]) {
        fake_fail(p->run, "42P03", "cursor exists");
        return;
    }
    while (p->token.kind && p->token.kind != 's')
        fake_next(p);
    (void)snprintf(l->cursor, sizeof(l->cursor), "%.40s", p->token.text);
    fake_next(p);
    (void)fake_accept_char(p, ',');
    l->cursor_rows = (unsigned)atoi(p->token.text);
    fake_next(p);
    (void)fake_accept_char(p, ')');
    fake_tag(p->run, "DECLARE CURSOR");
}

/* fetch 1 from held; close held */
static void run_cursor(fake_parser *p, bool fetch)
{
    fake_level *l = fake_top(p->run->state);
    while (p->token.kind && p->token.kind != ';')
        fake_next(p);
    if (!l->cursor[0]) {
        fake_fail(p->run, "34000", "cursor does not exist");
        return;
    }
    if (fetch) {
        fake_give_rows(p->run, l->cursor, l->cursor_rows > 0, "FETCH");
        l->cursor_rows -= l->cursor_rows > 0;
    } else {
        l->cursor[0] = '\0';
        fake_tag(p->run, "CLOSE CURSOR");
    }
}

static void run_fetch(fake_parser *p)
{
    run_cursor(p, true);
}

static void run_close(fake_parser *p)
{
    run_cursor(p, false);
}

/* ---- names ---- */

fake_statement *fake_name_find(fake_names *names, const char *name)
{
    if (!name[0])
        return names->unnamed.text ? &names->unnamed : NULL;
    for (unsigned i = 0; i < names->used; i++)
        if (names->list[i].text && strcmp(names->list[i].name, name) == 0)
            return &names->list[i];
    return NULL;
}

static fake_statement *gap(fake_names *names)
{
    for (unsigned i = 0; i < names->used; i++)
        if (!names->list[i].text)
            return &names->list[i];
    if (names->used == FAKE_NAMES)
        abort(); /* the gateway keeps fewer */
    return &names->list[names->used++];
}

void fake_name_put(fake_names *names, const char *name, const char *text, const char *under)
{
    fake_statement *s = name[0] ? gap(names) : &names->unnamed;
    free(s->text);
    s->text = strdup(text);
    if (!s->text)
        abort();
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    (void)snprintf(s->under, sizeof(s->under), "%s", under);
}

void fake_name_drop(fake_statement *s)
{
    free(s->text);
    s->text = NULL;
}

void fake_names_clear(fake_names *names)
{
    for (unsigned i = 0; i < names->used; i++)
        fake_name_drop(&names->list[i]);
    names->used = 0;
}

static void no_such_statement(fake_run *r, const char *name)
{
    fake_fail(r, "26000", "prepared statement \"%s\" does not exist", name);
}

/* prepare mine as select echo($1, $2) */
static void run_prepare(fake_parser *p)
{
    fake_run *r = p->run;
    char name[48];
    (void)snprintf(name, sizeof(name), "%.47s", p->token.text);
    fake_next(p);
    const char *text = strstr(p->at, "select ");
    if (fake_name_find(r->names, name)) {
        fake_fail(r, "42P05", "prepared statement \"%s\" already exists", name);
        return;
    }
    if (!text) {
        fake_odd(r, "a statement that no client sent", p->at);
        return;
    }
    fake_name_put(r->names, name, text, fake_top(r->state)->settings[FAKE_DATE_STYLE].effective);
    p->at += strlen(p->at);
    fake_next(p);
    fake_tag(r, "PREPARE");
}

/* execute mine('c3-t0-4', 2) */
static void run_execute(fake_parser *p)
{
    fake_run *r = p->run;
    char name[FAKE_WORD], values[2][FAKE_WORD], under[FAKE_TEXT];
    weir_slice list[2];
    unsigned n = 0;
    fake_read_name(p, name, sizeof(name));
    fake_accept_char(p, '(');
    while (n < 2 && p->token.kind && p->token.kind != ')') {
        (void)snprintf(values[n], sizeof(values[n]), "%s", p->token.text);
        list[n] = weir_slice_cstr(values[n]);
        n++;
        fake_next(p);
        fake_accept_char(p, ',');
    }
    fake_accept_char(p, ')');
    const fake_statement *s = fake_name_find(r->names, name);
    if (!s) {
        no_such_statement(r, name);
        return;
    }
    char *text = fake_sql_bind(s->text, list, n);
    memcpy(under, r->under, sizeof(under));
    memcpy(r->under, s->under, sizeof(under));
    fake_parser inner = {.run = r, .at = text + strlen("select ")};
    fake_next(&inner);
    run_select(&inner);
    free(text);
    memcpy(r->under, under, sizeof(under));
}

static void run_deallocate(fake_parser *p)
{
    fake_run *r = p->run;
    if (fake_accept(p, "all")) {
        fake_names_clear(r->names);
        fake_tag(r, "DEALLOCATE ALL");
        return;
    }
    fake_statement *s = fake_name_find(r->names, p->token.text);
    if (!s) {
        no_such_statement(r, p->token.text);
        return;
    }
    fake_name_drop(s);
    fake_next(p);
    fake_tag(r, "DEALLOCATE");
}

/* ---- notifications ---- */

void fake_listen(fake_run *r, const char *channel, bool on)
{
    unsigned bit = strlen(channel) == 3 ? 1u << (channel[2] - '0') : 0;
    fake_level *l = fake_top(r->state);
    l->listens = on ? l->listens | bit : l->listens & ~bit;
}

static void run_listen(fake_parser *p)
{
    fake_listen(p->run, p->token.text, true);
    fake_next(p);
    fake_tag(p->run, "LISTEN");
}

static void run_unlisten(fake_parser *p)
{
    if (p->token.kind == '*')
        fake_top(p->run->state)->listens = 0;
    else
        fake_listen(p->run, p->token.text, false);
    fake_next(p);
    fake_tag(p->run, "UNLISTEN");
}

static void run_notify(fake_parser *p)
{
    char channel[FAKE_WORD];
    fake_read_name(p, channel, sizeof(channel));
    fake_accept_char(p, ',');
    fake_note_add(p->run, channel, p->token.text);
    fake_next(p);
    if (!p->run->sqlstate[0])
        fake_tag(p->run, "NOTIFY");
}

/* ---- texts ---- */

static const struct {
    const char *word;
    void (*run)(fake_parser *p);
    bool ends; /* works in a failed transaction too */
} statements[] = {
    {"select", run_select, false},
    {"set", run_set, false},
    {"reset", run_reset, false},
    {"discard", run_discard, false},
    {"begin", run_begin, false},
    {"commit", run_commit, true},
    {"rollback", run_rollback, true},
    {"savepoint", run_savepoint, false},
    {"release", run_release, false},
    {"create", run_create, false},
    {"drop", run_drop, false},
    {"declare", run_declare, false},
    {"fetch", run_fetch, false},
    {"close", run_close, false},
    {"prepare", run_prepare, false},
    {"execute", run_execute, false},
    {"deallocate", run_deallocate, false},
    {"listen", run_listen, false},
    {"unlisten", run_unlisten, false},
    {"notify", run_notify, false},
};

/* One statement; returns where the next begins. */
static const char *run_one(fake_run *r, const char *text)
{
    const char *end = r->state->status == 'E' ? NULL : fake_question(r, text);
    if (end)
        return end;
    fake_parser p = {.run = r, .at = text};
    fake_next(&p);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (!fake_is(&p, statements[i].word))
            continue;
        fake_next(&p);
        if (r->state->status == 'E' && !statements[i].ends)
            fake_fail(r, "25P02",
                      "current transaction is aborted, commands ignored until end of "
                      "transaction block");
        else
            statements[i].run(&p);
        if (!r->sqlstate[0] && p.token.kind && p.token.kind != ';')
            fake_odd(r, "a statement that no client sent", text);
        return p.token.kind == ';' ? p.at : p.at + strlen(p.at);
    }
    fake_odd(r, "a statement that no client sent", text);
    return text + strlen(text);
}

void fake_sql_run(fake_run *r, const char *text)
{
    if (!text[0])
        fake_empty(r);
    while (*text && !r->sqlstate[0]) {
        text = run_one(r, text);
        while (*text == ' ' || *text == ';')
            text++;
    }
}

bool fake_sql_ends(const char *text)
{
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        if (statements[i].ends &&
            strncmp(text, statements[i].word, strlen(statements[i].word)) == 0)
            return true;
    return false;
}

unsigned fake_sql_columns(const char *text)
{
    static const char *const words[] = {"select ", "fetch ", "execute ", "SELECT "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return 1;
    return 0;
}

char *fake_sql_bind(const char *text, const weir_slice *values, unsigned count)
{
    size_t n = 0, size = strlen(text) + 1;
    for (unsigned i = 0; i < count; i++)
        size += values[i].len + 2; /* each once */
    char *out = malloc(size);
    if (!out)
        abort();
    for (; *text; text++) {
        unsigned i = (unsigned)(text[1] - '1');
        if (*text != '$' || i >= count) {
            out[n++] = *text;
            continue;
        }
        n += (size_t)snprintf(out + n, size - n, "'%.*s'", (int)values[i].len,
                              (const char *)values[i].data);
        text++;
    }
    out[n] = '\0';
    return out;
}
