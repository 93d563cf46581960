/* A client's talk: requests are written, answers are taken and judged (coherence.h).
 *
 * Invariant: what a read has to see is noted before its first byte goes out, what a write
 * acknowledged after its last byte has come. */
#include "coherence.h"
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OID_INT8 = 20, OID_INT4 = 23, OUT_MAX = 16384 };

int64_t choose(client *c, int64_t n)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((c->random >> 33) % (uint64_t)n);
}

int64_t choose_key(client *c, int64_t n)
{
    return choose(c, 4) ? choose(c, 8) * n / 8 : choose(c, n);
}

void fail(const char *format, ...)
{
    va_list more;
    va_start(more, format);
    fputs("coherence: ", stderr);
    vfprintf(stderr, format, more);
    fputc('\n', stderr);
    va_end(more);
    exit(2);
}

void blame(client *c, const statement *s, const char *format, ...)
{
    static const char *const ways[] = {"node A", "node B", "around"};
    va_list more;
    w.violations++;
    if (w.violations > 20)
        return;
    va_start(more, format);
    printf("coherence: client %d by %s: ", c->number, ways[c->way]);
    vprintf(format, more);
    printf("\n    %s (%lld)\n    mode %d%s, %u of %u statements; first row %lld %lld\n", s->sql,
           (long long)s->params[0], (int)c->how, c->apart ? " apart" : "",
           (unsigned)(s - c->st) + 1, c->count, (long long)s->value[0][0],
           (long long)s->value[0][1]);
    for (unsigned i = 0; i < c->count && c->count > 1; i++)
        printf("    %u: %s (%lld): %u rows %s\n", i + 1, c->st[i].sql,
               (long long)c->st[i].params[0], c->st[i].rows, c->st[i].sqlstate);
    va_end(more);
}

/* ---- the request ---- */

statement *say(client *c, const char *sql, unsigned param_count, ...)
{
    if (c->count == STATEMENTS_MAX)
        fail("too many statements");
    statement *s = &c->st[c->count++];
    va_list more;
    memset(s, 0, offsetof(statement, value));
    size_t len = 0;
    for (; *sql && len + 3 < sizeof(s->sql); sql++) {
        if (*sql == '@')
            s->sql[len++] = c->family == PLAIN ? 'p' : 't';
        s->sql[len++] = *sql == '@' ? '_' : *sql;
    }
    s->sql[len] = '\0';
    s->param_count = param_count;
    va_start(more, param_count);
    for (unsigned i = 0; i < param_count; i++)
        s->params[i] = va_arg(more, int64_t);
    va_end(more);
    return s;
}

void expect(client *c, statement *s, const counter *of)
{
    (void)c;
    s->cells[s->expected++] = (cell){.of = of};
}

void expect_exactly(statement *s, int64_t value)
{
    s->cells[s->expected++] = (cell){.least = value};
}

/* What cannot be sent is answered by the end of the connection. */
static void send_all(const client *c, const void *bytes, size_t len)
{
    if (send(c->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len && !*w.disturbances)
        fail("client %d: send: %s", c->number, strerror(errno));
}

typedef struct output {
    uint8_t data[OUT_MAX];
    size_t len;
} output;

static void put_message(output *out, const wire_message *m)
{
    if (m->len > sizeof(out->data) - out->len)
        fail("a request too long");
    memcpy(out->data + out->len, m->data, m->len);
    out->len += m->len;
}

/* $1 becomes the parameter. */
static void put_literally(wire_message *m, const statement *s)
{
    for (const char *at = s->sql; *at; at++) {
        char digits[24];
        if (*at != '$' || at[1] < '1' || at[1] > '9' || s->param_count == 0) {
            wire_put(m, at, 1);
            continue;
        }
        snprintf(digits, sizeof(digits), "%" PRId64, s->params[*++at - '1']);
        wire_put(m, digits, strlen(digits));
    }
}

static void put_queries(client *c, output *out)
{
    for (unsigned i = 0; i < c->count;) {
        wire_message m = {.len = 0};
        size_t at = wire_begin(&m, 'Q');
        put_literally(&m, &c->st[i++]);
        while (!c->apart && i < c->count) {
            wire_put(&m, "; ", 2);
            put_literally(&m, &c->st[i++]);
        }
        wire_put(&m, "", 1);
        wire_end(&m, at);
        put_message(out, &m);
        c->syncs++;
    }
}

/* The name of this text; false: it is to be parsed first. */
static bool name_of(client *c, const char *sql, char name[24])
{
    uint32_t hash = 2166136261u;
    for (const char *at = sql; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    snprintf(name, 24, "s%u_%08x", c->named_anew, hash);
    for (unsigned i = 0; i < c->named_count; i++)
        if (c->named[i] == hash)
            return true;
    if (c->named_count == sizeof(c->named) / sizeof(c->named[0]))
        name[0] = '\0';
    else
        c->named[c->named_count++] = hash;
    return false;
}

static void put_parse(wire_message *m, const char *name, const statement *s)
{
    size_t at = wire_begin(m, 'P');
    wire_put_text(m, name);
    wire_put_text(m, s->sql);
    wire_put_u16(m, s->param_count);
    for (unsigned i = 0; i < s->param_count; i++)
        wire_put_u32(m, OID_INT4);
    wire_end(m, at);
}

static void put_bind(wire_message *m, const char *name, const statement *s, bool binary)
{
    size_t at = wire_begin(m, 'B');
    wire_put_text(m, "");
    wire_put_text(m, name);
    wire_put_u16(m, 1);
    wire_put_u16(m, binary);
    wire_put_u16(m, s->param_count);
    for (unsigned i = 0; i < s->param_count; i++) {
        char digits[24];
        if (binary) {
            wire_put_u32(m, 4);
            wire_put_u32(m, (uint32_t)s->params[i]);
            continue;
        }
        snprintf(digits, sizeof(digits), "%" PRId64, s->params[i]);
        wire_put_u32(m, (uint32_t)strlen(digits));
        wire_put(m, digits, strlen(digits));
    }
    wire_put_u16(m, 1);
    wire_put_u16(m, binary);
    wire_end(m, at);
}

static void put_extended(client *c, output *out, const statement *s)
{
    wire_message m = {.len = 0};
    char name[24] = "";
    if (c->how != NAMED || !name_of(c, s->sql, name))
        put_parse(&m, name, s);
    put_bind(&m, name, s, c->how == BINARY);
    size_t at = wire_begin(&m, 'D');
    wire_put_text(&m, "P");
    wire_end(&m, at);
    at = wire_begin(&m, 'E');
    wire_put_text(&m, "");
    wire_put_u32(&m, 0);
    wire_end(&m, at);
    put_message(out, &m);
}

static void put_sync(client *c, output *out)
{
    wire_message m = {.len = 0};
    wire_end(&m, wire_begin(&m, 'S'));
    put_message(out, &m);
    c->syncs++;
}

void client_send(client *c)
{
    static output out;
    out.len = 0;
    c->busy = true;
    c->at = c->syncs = 0;
    c->broken = false;
    int64_t now = wire_now();
    for (unsigned i = 0; i < c->count; i++) {
        statement *s = &c->st[i];
        s->sent = now;
        s->doubtful = w.doubt;
        for (unsigned n = 0; n < s->expected; n++)
            if (s->cells[n].of && s->cells[n].least == 0)
                s->cells[n].least = model_least(s->cells[n].of, c);
    }
    if (c->how == SIMPLE) {
        put_queries(c, &out);
    } else {
        for (unsigned i = 0; i < c->count; i++) {
            put_extended(c, &out, &c->st[i]);
            if (c->apart)
                put_sync(c, &out);
        }
        if (!c->apart)
            put_sync(c, &out);
    }
    send_all(c, out.data, out.len);
}

/* ---- the answer ---- */

static uint32_t read_u32(const uint8_t *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof(n));
    return ntohl(n);
}

static void on_description(client *c, const uint8_t *body)
{
    statement *s = &c->st[c->at];
    s->columns = (unsigned)(body[0] << 8 | body[1]);
    body += 2;
    for (unsigned i = 0; i < s->columns; i++) {
        body += strlen((const char *)body) + 1;
        if (i < CELLS_MAX) {
            c->type[i] = read_u32(body + 6);
            c->format[i] = body[17];
        }
        body += 18;
    }
}

static int64_t read_cell(const uint8_t *bytes, uint32_t len, bool binary)
{
    uint64_t n = 0;
    char digits[32];
    if (!binary) {
        snprintf(digits, sizeof(digits), "%.*s", (int)len, (const char *)bytes);
        return strtoll(digits, NULL, 10);
    }
    for (uint32_t i = 0; i < len; i++)
        n = n << 8 | bytes[i];
    return len == 4 ? (int32_t)n : (int64_t)n;
}

static void on_row(client *c, const uint8_t *body)
{
    statement *s = &c->st[c->at];
    unsigned columns = (unsigned)(body[0] << 8 | body[1]);
    body += 2;
    for (unsigned i = 0; i < columns; i++) {
        uint32_t len = read_u32(body);
        body += 4;
        bool null = len == UINT32_MAX;
        if (s->rows < ROWS_MAX && i < CELLS_MAX)
            s->value[s->rows][i] = null ? INT64_MIN : read_cell(body, len, c->format[i]);
        body += null ? 0 : len;
    }
    s->rows++;
}

/* A deadlock, a row that was changed meanwhile, and what follows from them. */
static bool is_chance(const char *sqlstate)
{
    return strcmp(sqlstate, "40P01") == 0 || strcmp(sqlstate, "40001") == 0 ||
           strcmp(sqlstate, "42P05") == 0 || strcmp(sqlstate, "25P02") == 0;
}

/* The server, the connection or the statement was ended: what it did is not known. Not so for what
 * a session had prepared. */
static bool is_loss(const char *sqlstate)
{
    return memcmp(sqlstate, "08", 2) == 0 || memcmp(sqlstate, "57", 2) == 0 ||
           strcmp(sqlstate, "53300") == 0 || strcmp(sqlstate, "25006") == 0 ||
           strcmp(sqlstate, "26000") == 0;
}

static void on_error(client *c, const uint8_t *body)
{
    const char *words = "";
    if (c->count == 0)
        return; /* last words to who asked for nothing */
    statement *s = &c->st[c->at < c->count ? c->at : c->count - 1];
    s->failed = true;
    c->broken = true;
    for (const char *f = (const char *)body; *f; f += strlen(f) + 1) {
        if (*f == 'C')
            snprintf(s->sqlstate, sizeof(s->sqlstate), "%.5s", f + 1);
        if (*f == 'M')
            words = f + 1;
    }
    w.refused++;
    if (*w.disturbances && is_loss(s->sqlstate)) {
        w.lost++;
        c->lost = true;
        c->named_count = 0; /* some of them may not have been prepared */
        c->named_anew++;
    } else if (!is_chance(s->sqlstate) && !c->may_fail) {
        fail("client %d: %s: %s: %s", c->number, s->sqlstate, words, s->sql);
    }
}

/* The copied rows, all at once. */
static void on_copy(client *c)
{
    wire_message m = {.len = 0};
    const char *data = c->st[c->at].data;
    size_t at = wire_begin(&m, 'd');
    wire_put(&m, data, strlen(data));
    wire_end(&m, at);
    wire_end(&m, wire_begin(&m, 'c'));
    send_all(c, m.data, m.len);
}

static void on_ready(client *c, const uint8_t *body)
{
    c->status = (char)body[0];
    if (c->apart) { /* a failure is of its own */
        c->at += c->broken;
        c->broken = false;
    }
    if (--c->syncs > 0)
        return;
    c->busy = false;
    for (unsigned i = 0; i < c->count; i++)
        judge(c, &c->st[i]);
}

/* FNV: of every byte that describes or holds the answer. */
static void add_to_sum(client *c, const uint8_t *bytes, size_t len)
{
    statement *s = &c->st[c->at];
    if (c->at >= c->count)
        return;
    for (size_t i = 0; i < len; i++)
        s->sum = (s->sum ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void on_message(client *c, const uint8_t *message, size_t size)
{
    uint8_t type = message[0];
    const uint8_t *body = message + 5;
    if (c->entering) {
        client_on_entering(c, type, body);
        return;
    }
    if (type == 'T' || type == 'D' || type == 'C')
        add_to_sum(c, message, size);
    switch (type) {
    case 'T':
        on_description(c, body);
        break;
    case 'D':
        on_row(c, body);
        break;
    case 'C':
        c->st[c->at++].done = true;
        break;
    case 'E':
        on_error(c, body);
        break;
    case 'G':
        on_copy(c);
        break;
    case 'Z':
        on_ready(c, body);
        break;
    default:
        break;
    }
}

void client_lose(client *c)
{
    if (!*w.disturbances)
        fail("client %d: the connection was ended", c->number);
    if (c->entering) {
        client_retry(c);
        return;
    }
    w.lost += c->act != NULL;
    c->lost = c->lost || c->act || c->busy;
    close(c->fd);
    client_enter(c);
}

void client_on_event(client *c)
{
    if (c->fd < 0)
        return;
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_lose(c);
        return;
    }
    c->in_len += (size_t)n;
    size_t pos = 0;
    int fd = c->fd;
    for (size_t size; (size = wire_whole(c->in + pos, c->in_len - pos)); pos += size) {
        on_message(c, c->in + pos, size);
        if (c->fd != fd || c->in_len == 0)
            return; /* it enters anew */
    }
    memmove(c->in, c->in + pos, c->in_len - pos);
    c->in_len -= pos;
}

void client_ask(client *c, void (*what)(client *c, int64_t argument), int64_t argument)
{
    for (int tries = 0; tries < 1000; tries++) {
        client_wait(c);
        c->count = 0;
        c->lost = false;
        what(c, argument);
        client_send(c);
        client_wait(c);
        if (!c->lost)
            return;
    }
    fail("client %d is not answered: %s", c->number, c->st[0].sql);
}
