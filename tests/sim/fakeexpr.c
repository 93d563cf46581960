/* See fakesql.h: what statements are made of (words, expressions, functions), and their answers. */
#include "base/ascii.h"
#include "fakesql.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ok(int r)
{
    if (r != 0)
        abort(); /* the test's own memory */
}

void fake_fail(fake_run *r, const char *sqlstate, const char *format, ...)
{
    va_list args;
    if (r->sqlstate[0])
        return;
    (void)snprintf(r->sqlstate, sizeof(r->sqlstate), "%s", sqlstate);
    va_start(args, format);
    (void)vsnprintf(r->message, sizeof(r->message), format, args);
    va_end(args);
}

void fake_odd(fake_run *r, const char *words, const char *text)
{
    r->odd(r->user, words, text);
    fake_fail(r, "0A000", "%s", words);
}

/* ---- answers ---- */

void fake_columns(fake_run *r, unsigned count)
{
    weir_pg_column columns[4];
    for (unsigned i = 0; i < count; i++)
        columns[i] = (weir_pg_column){
            .name = WEIR_SLICE_LIT("echo"), .type_oid = 25, .type_size = -1, .type_modifier = -1};
    if (r->describe)
        ok(weir_pg_write_row_description(r->out, columns, count));
}

void fake_row(fake_run *r, const char *const *cells, unsigned count)
{
    size_t mark;
    ok(weir_pg_row_begin(r->out, (uint16_t)count, &mark));
    for (unsigned i = 0; i < count; i++)
        ok(cells[i] ? weir_pg_row_cell(r->out, weir_slice_cstr(cells[i]))
                    : weir_pg_row_null(r->out));
    ok(weir_pg_row_end(r->out, mark));
}

void fake_tag(fake_run *r, const char *tag)
{
    ok(weir_pg_write_command_complete(r->out, weir_slice_cstr(tag)));
}

void fake_empty(fake_run *r)
{
    ok(weir_pg_write_empty(r->out, WEIR_PG_B_EMPTY_QUERY));
}

void fake_give_rows(fake_run *r, const char *cell, int rows, const char *tag)
{
    char counted[32];
    fake_columns(r, 1);
    for (int i = 0; i < rows; i++)
        fake_row(r, &cell, 1);
    (void)snprintf(counted, sizeof(counted), "%s %d", tag, rows);
    fake_tag(r, counted);
}

/* ---- words ---- */

static void take(fake_parser *p, size_t *n, char c)
{
    if (*n + 1 < sizeof(p->token.text))
        p->token.text[(*n)++] = c;
}

/* 'it''s', with backslashes where `escapes`; or "name". */
static void read_quoted(fake_parser *p, char quote, bool escapes)
{
    size_t n = 0;
    p->token.kind = quote == '"' ? 'q' : 's';
    for (p->at++; *p->at; p->at++) {
        if (*p->at == quote && p->at[1] != quote)
            break;
        if (*p->at == quote || (escapes && *p->at == '\\'))
            p->at++;
        take(p, &n, *p->at);
    }
    p->at += *p->at != '\0';
    p->token.text[n] = '\0';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

void fake_next(fake_parser *p)
{
    size_t n = 0;
    while (*p->at == ' ')
        p->at++;
    if (*p->at == '\'' || *p->at == '"') {
        read_quoted(p, *p->at, false);
        return;
    }
    if (*p->at == 'E' && p->at[1] == '\'') {
        p->at++;
        read_quoted(p, '\'', true);
        return;
    }
    p->token.kind = isdigit((unsigned char)*p->at) ? '0' : is_word(*p->at) ? 'w' : *p->at;
    if (is_word(*p->at))
        for (; is_word(*p->at); p->at++)
            take(p, &n, (char)weir_ascii_lower((uint8_t)*p->at));
    else if (*p->at)
        take(p, &n, *p->at++);
    p->token.text[n] = '\0';
}

bool fake_is(const fake_parser *p, const char *word)
{
    return p->token.kind == 'w' && strcmp(p->token.text, word) == 0;
}

bool fake_accept(fake_parser *p, const char *word)
{
    bool there = fake_is(p, word);
    if (there)
        fake_next(p);
    return there;
}

bool fake_accept_char(fake_parser *p, char c)
{
    bool there = p->token.kind == c;
    if (there)
        fake_next(p);
    return there;
}

void fake_read_name(fake_parser *p, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", p->token.text);
    fake_next(p);
    if (!fake_accept_char(p, '.'))
        return;
    if (strcmp(out, "pg_catalog") == 0 || strcmp(out, "pg_temp") == 0)
        out[0] = '\0';
    size_t n = strlen(out);
    (void)snprintf(out + n, size - n, "%s%s", n ? "." : "", p->token.text);
    fake_next(p);
}

/* ---- functions ---- */

enum { ARGUMENTS = 3, CELL = FAKE_CELL };

typedef struct call {
    char name[48];
    char argument[ARGUMENTS][FAKE_WORD];
    unsigned count;
} call;

static bool of_client(fake_run *r, const call *c, char out[FAKE_CELL])
{
    bool probe = strcmp(c->name, "probe") == 0, meant = strcmp(c->name, "meant") == 0;
    bool named = probe || meant || strcmp(c->name, "echo") == 0 || strcmp(c->name, "slow") == 0;
    if (!named && strcmp(c->name, "boom") != 0)
        return false;
    if (r->called)
        r->called(r->user, c->argument[0]);
    if (!named)
        fake_fail(r, "22012", "%s", c->argument[0]);
    int n = snprintf(out, CELL, "%s", c->argument[0]);
    if (probe)
        fake_describe(r->state, out + n, CELL - (size_t)n);
    if (meant)
        (void)snprintf(out + n, CELL - (size_t)n, "|%s", r->under);
    return true;
}

static bool of_settings(fake_run *r, const call *c, char out[FAKE_CELL], bool *null)
{
    int i = fake_setting_find(c->argument[0]);
    if (strcmp(c->name, "set_config") == 0) {
        (void)snprintf(out, CELL, "%s", c->argument[1]);
        if (i >= 0 && strlen(c->argument[1]) >= FAKE_TEXT)
            fake_odd(r, "a value that no client set", c->argument[1]);
        else if (i >= 0)
            fake_set(r->state, i, c->argument[1], strcmp(c->argument[2], "true") == 0);
        return true;
    }
    if (strcmp(c->name, "current_setting") != 0)
        return false;
    *null = i >= 0 && fake_setting_is_custom(i) && !(r->state->known & 1u << i);
    (void)snprintf(out, CELL, "%s", i < 0 ? "x" : fake_top(r->state)->settings[i].effective);
    return true;
}

static bool of_locks(fake_run *r, const call *c, char out[FAKE_CELL])
{
    int key = atoi(c->argument[0]);
    out[0] = '\0';
    if (strcmp(c->name, "pg_advisory_lock") == 0) {
        if (!fake_lock(r->state, key))
            fake_odd(r, "a lock that is held", c->argument[0]);
    } else if (strcmp(c->name, "pg_advisory_unlock") == 0) {
        (void)snprintf(out, CELL, "%s", fake_unlock(r->state, key) ? "t" : "f");
    } else if (strcmp(c->name, "pg_advisory_unlock_all") == 0) {
        memset(r->state->locks, 0, sizeof(r->state->locks));
    } else {
        return false;
    }
    return true;
}

/* How the gateway writes values that are not its own: convert_from(decode('6162','hex'),utf8()). */
static bool of_bytes(const call *c, char out[FAKE_CELL])
{
    size_t n = 0;
    if (strcmp(c->name, "convert_from") == 0) {
        (void)snprintf(out, CELL, "%s", c->argument[0]);
        return true;
    }
    if (strcmp(c->name, "decode") != 0)
        return strcmp(c->name, "getdatabaseencoding") == 0 ||
               strcmp(c->name, "pg_client_encoding") == 0;
    for (const char *p = c->argument[0]; p[0] && p[1]; p += 2) {
        const char digits[] = {p[0], p[1], '\0'};
        out[n++] = (char)strtol(digits, NULL, 16);
    }
    out[n] = '\0';
    return true;
}

void fake_note_add(fake_run *r, const char *channel, const char *payload)
{
    fake_level *l = fake_top(r->state);
    if (l->notes == FAKE_NOTES || strlen(channel) != 3 || strlen(payload) >= FAKE_TEXT) {
        fake_odd(r, "a notification that no client sent", payload);
        return;
    }
    fake_note *n = &r->state->notes[l->notes++];
    n->channel = (unsigned)(channel[2] - '0');
    (void)snprintf(n->payload, sizeof(n->payload), "%s", payload);
}

/* False: NULL, or failed. */
static bool call_function(fake_run *r, const call *c, char out[FAKE_CELL])
{
    bool null = false;
    if (strcmp(c->name, "pg_notify") == 0) {
        fake_note_add(r, c->argument[0], c->argument[1]);
        return true;
    }
    if (!of_client(r, c, out) && !of_settings(r, c, out, &null) && !of_locks(r, c, out) &&
        !of_bytes(c, out))
        fake_odd(r, "a function that no client calls", c->name);
    return !null && !r->sqlstate[0];
}

static bool read_call(fake_parser *p, call *c, char out[FAKE_CELL])
{
    char value[FAKE_CELL];
    c->count = 0;
    memset(c->argument, 0, sizeof(c->argument));
    while (p->token.kind && p->token.kind != ')') {
        value[0] = '\0';
        (void)fake_expression(p, value);
        if (c->count < ARGUMENTS)
            (void)snprintf(c->argument[c->count++], FAKE_WORD, "%.255s", value);
        if (!fake_accept_char(p, ','))
            break;
    }
    fake_accept_char(p, ')');
    out[0] = '\0';
    return call_function(p->run, c, out);
}

/* (SELECT reset_val FROM pg_settings WHERE … 'datestyle') */
static bool read_reset_value(fake_parser *p, char out[FAKE_CELL])
{
    int i = -1;
    while (p->token.kind && p->token.kind != ')') {
        if (p->token.kind == '(') { /* OPERATOR(pg_catalog.=), lower(name) */
            while (p->token.kind && p->token.kind != ')')
                fake_next(p);
        } else if (p->token.kind == 's') {
            i = fake_setting_find(p->token.text);
        }
        fake_next(p);
    }
    fake_accept_char(p, ')');
    (void)snprintf(out, CELL, "%s", i < 0 ? "x" : p->run->state->reset[i]);
    return true;
}

bool fake_expression(fake_parser *p, char out[FAKE_CELL])
{
    call c;
    out[0] = '\0';
    if (p->token.kind == 's' || p->token.kind == '0') {
        (void)snprintf(out, CELL, "%s", p->token.text);
        fake_next(p);
        return true;
    }
    if (fake_accept_char(p, '('))
        return read_reset_value(p, out);
    fake_read_name(p, c.name, sizeof(c.name));
    if (fake_accept_char(p, '('))
        return read_call(p, &c, out);
    (void)snprintf(out, CELL, "%s", c.name); /* true, false */
    return true;
}
