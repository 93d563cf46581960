/* See client.h.
 *
 * Invariant: `sent` is taken before the first byte goes out and `answered` after the last has come
 * in, so that what the gateway did lies between. */
#include "client.h"
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25 };

void client_open(client *c, uint32_t number, unsigned port, const char *database)
{
    *c = (client){.number = number,
                  .port = port,
                  .database = database,
                  .in_size = 1 << 16,
                  .text_size = 1 << 12};
    c->fd = wire_connect(port);
    wire_login(c->fd, "checker", database);
    c->in = malloc(c->in_size);
    c->text = malloc(c->text_size);
    if (!c->in || !c->text)
        fail("out of memory");
}

void client_close(client *c)
{
    close(c->fd);
    free(c->in);
    free(c->text);
}

/* ---- sending ---- */

static void put_parse(wire_message *m, const char *name, const statement *s)
{
    size_t at = wire_begin(m, 'P');
    wire_put_text(m, name);
    wire_put_text(m, s->sql);
    wire_put_u16(m, s->param_count);
    for (unsigned i = 0; i < s->param_count; i++) {
        const param *p = &s->params[i];
        wire_put_u32(m, !p->typed ? 0 : p->is_text ? OID_TEXT : OID_INT8);
    }
    wire_end(m, at);
}

static void put_param(wire_message *m, const param *p)
{
    char digits[24];
    const char *text = p->is_text ? p->text : digits;
    if (p->binary && !p->is_text) {
        wire_put_u32(m, 8);
        wire_put_u32(m, (uint32_t)((uint64_t)p->number >> 32));
        wire_put_u32(m, (uint32_t)p->number);
        return;
    }
    snprintf(digits, sizeof(digits), "%" PRId64, p->number);
    wire_put_u32(m, (uint32_t)strlen(text));
    wire_put(m, text, strlen(text));
}

static void put_execute(wire_message *m, uint32_t rows_max)
{
    size_t at = wire_begin(m, 'E');
    wire_put_text(m, "");
    wire_put_u32(m, rows_max);
    wire_end(m, at);
}

static void put_bind(wire_message *m, const char *name, const statement *s)
{
    size_t at = wire_begin(m, 'B');
    wire_put_text(m, "");
    wire_put_text(m, name);
    wire_put_u16(m, s->param_count);
    for (unsigned i = 0; i < s->param_count; i++)
        wire_put_u16(m, s->params[i].binary);
    wire_put_u16(m, s->param_count);
    for (unsigned i = 0; i < s->param_count; i++)
        put_param(m, &s->params[i]);
    wire_put_u16(m, 1);
    wire_put_u16(m, s->binary_results);
    wire_end(m, at);
    at = wire_begin(m, 'D');
    wire_put_text(m, "P");
    wire_end(m, at);
}

/* A message at a time; `more`: not the request's last. */
static void send_message(client *c, wire_message *m, bool more)
{
    if (send(c->fd, m->data, m->len, MSG_NOSIGNAL | (more ? MSG_MORE : 0)) != (ssize_t)m->len)
        fail("client %u: send: %s", c->number, strerror(errno));
    m->len = 0;
}

static void send_query(client *c, const request *q, const record *r)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'Q');
    for (uint32_t i = 0; i < q->count; i++) {
        const char *sql = r->statements[q->first + i].sql;
        wire_put(&m, sql, strlen(sql));
        wire_put(&m, "; ", i + 1 < q->count ? 2 : 0);
    }
    wire_put(&m, "", 1);
    wire_end(&m, at);
    send_message(c, &m, false);
}

/* The name of a prepared statement; types are part of what is parsed, so also of the name. True: it
 * is to be parsed first. */
static bool name_prepared(client *c, const statement *s, char name[static 16])
{
    bool typed = s->param_count && s->params[0].typed;
    uint64_t bit = UINT64_C(1) << s->shape;
    snprintf(name, 16, "%c%d", typed ? 't' : 'u', s->shape);
    bool parse = !(c->prepared[typed] & bit);
    c->prepared[typed] |= bit;
    return parse;
}

static void send_extended(client *c, const request *q, const record *r)
{
    wire_message m = {.len = 0};
    for (uint32_t i = 0; i < q->count; i++) {
        const statement *s = &r->statements[q->first + i];
        char name[16] = "";
        if (q->mode != MODE_PREPARED || name_prepared(c, s, name))
            put_parse(&m, name, s);
        put_bind(&m, name, s);
        if (q->mode == MODE_PAGED)
            put_execute(&m, 1);
        put_execute(&m, 0);
        send_message(c, &m, true);
    }
    wire_end(&m, wire_begin(&m, 'S'));
    send_message(c, &m, false);
}

static void stamp_sent(client *c, const request *q, record *r)
{
    int64_t now = wire_now();
    for (uint32_t i = 0; i < q->count; i++) {
        statement *s = &r->statements[q->first + i];
        s->client = c->number;
        s->sent = q->repeatable ? r->statements[q->first - 1].sent : now;
        if (s->unit == NO_UNIT)
            continue;
        commit_unit *u = &r->units[s->unit];
        if (q->first + i == u->first + u->count - 1)
            u->sent = now;
    }
}

bool client_send(client *c, record *r)
{
    const request *q = &c->requests[c->next++];
    c->busy = true;
    c->failed = false;
    c->cursor = q->first;
    c->columns = 0;
    c->text_len = 0;
    stamp_sent(c, q, r);
    if (q->mode == MODE_SIMPLE)
        send_query(c, q, r);
    else
        send_extended(c, q, r);
    if (!q->kill)
        return true;
    client_close(c);
    client_open(c, c->number, c->port, c->database);
    return false;
}

/* ---- receiving ---- */

static void add_text(client *c, const void *bytes, size_t len)
{
    if (len > c->text_size - c->text_len) {
        c->text_size = (c->text_len + len) * 2;
        c->text = realloc(c->text, c->text_size);
        if (!c->text)
            fail("out of memory");
    }
    memcpy(c->text + c->text_len, bytes, len);
    c->text_len += len;
}

static uint32_t read_u32(const uint8_t *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof(n));
    return ntohl(n);
}

/* T: the names, each followed by `|`, and a line's end. */
static void on_description(client *c, const uint8_t *body)
{
    uint16_t columns;
    memcpy(&columns, body, sizeof(columns));
    c->columns = ntohs(columns);
    if (c->columns > sizeof(c->types) / sizeof(c->types[0]))
        fail("more columns than any statement asks for");
    body += 2;
    for (unsigned i = 0; i < c->columns; i++) {
        size_t len = strlen((const char *)body);
        add_text(c, body, len);
        add_text(c, "|", 1);
        c->types[i] = read_u32(body + len + 1 + 6);
        body += len + 1 + 18;
    }
    add_text(c, "\n", 1);
}

/* As text, whatever format it came in. */
static void add_cell(client *c, uint32_t type, bool binary, const uint8_t *bytes, size_t len)
{
    if (!binary || (type != OID_INT8 && type != OID_INT4)) {
        add_text(c, bytes, len);
        return;
    }
    uint64_t n = 0;
    char digits[24];
    for (size_t i = 0; i < len; i++)
        n = n << 8 | bytes[i];
    int64_t value = len == 8 ? (int64_t)n : (int32_t)n;
    add_text(c, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value));
}

/* D: the cells, NULL as `~`, each followed by `|`, and a line's end. */
static void on_row(client *c, const statement *s, const uint8_t *body)
{
    body += 2;
    for (unsigned i = 0; i < c->columns; i++) {
        uint32_t len = read_u32(body);
        body += 4;
        if (len == UINT32_MAX) {
            add_text(c, "~", 1);
        } else {
            add_cell(c, c->types[i], s->binary_results, body, len);
            body += len;
        }
        add_text(c, "|", 1);
    }
    add_text(c, "\n", 1);
}

static void on_complete(client *c, statement *s, record *r, const char *tag)
{
    const char *last = strrchr(tag, ' ');
    s->rows = last ? atoll(last + 1) : 0;
    s->outcome =
        strcmp(tag, "ROLLBACK") || s->role != ROLE_CONTROL ? OUTCOME_DONE : OUTCOME_REFUSED;
    if (c->columns)
        s->result = record_text(r, c->text, c->text_len);
    c->columns = 0;
    c->text_len = 0;
    c->cursor++;
}

static void on_error(client *c, statement *s, const char *fields)
{
    s->outcome = OUTCOME_REFUSED;
    for (; *fields; fields += strlen(fields) + 1) {
        if (*fields == 'C')
            snprintf(s->sqlstate, sizeof(s->sqlstate), "%.5s", fields + 1);
    }
    c->failed = true;
}

/* Z: the request is over. A unit's outcome is that of its last statement. */
static void on_ready(client *c, record *r)
{
    const request *q = &c->requests[c->next - 1];
    int64_t now = wire_now();
    for (uint32_t i = q->first; i < q->first + q->count; i++) {
        statement *s = &r->statements[i];
        s->answered = now;
        if (s->outcome == OUTCOME_LOST)
            s->outcome = OUTCOME_REFUSED; /* skipped */
        if (s->unit == NO_UNIT)
            continue;
        commit_unit *u = &r->units[s->unit];
        if (i == u->first + u->count - 1) {
            u->answered = now;
            u->outcome = s->outcome;
        }
    }
    c->busy = false;
}

static void on_message(client *c, record *r, uint8_t type, const uint8_t *body)
{
    const request *q = &c->requests[c->next - 1];
    statement *s = c->cursor < q->first + q->count ? &r->statements[c->cursor] : NULL;
    if (type == 'C' && !s && q->mode == MODE_PAGED)
        return;            /* of the second Execute, the first one having found all */
    if (type == 'E' && !s) /* found out at the commit, which follows the last */
        s = &r->statements[c->cursor - 1];
    if (strchr("TDCE", type) && !s)
        fail("client %u: an answer too many", c->number);
    switch (type) {
    case 'T':
        on_description(c, body);
        break;
    case 'D':
        on_row(c, s, body);
        break;
    case 'C':
        on_complete(c, s, r, (const char *)body);
        break;
    case 'E':
        on_error(c, s, (const char *)body);
        break;
    case 'Z':
        on_ready(c, r);
        break;
    default: /* ParseComplete and its kin, NoData, notices, parameters */
        break;
    }
}

bool client_receive(client *c, record *r)
{
    if (c->in_len == c->in_size) {
        c->in_size *= 2;
        c->in = realloc(c->in, c->in_size);
        if (!c->in)
            fail("out of memory");
    }
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        fail("client %u: the gateway ended the connection", c->number);
    c->in_len += (size_t)n;
    size_t pos = 0;
    for (size_t size; (size = wire_whole(c->in + pos, c->in_len - pos)); pos += size) {
        if (!c->busy && c->in[pos] != 'N' && c->in[pos] != 'S')
            fail("client %u: an answer to nothing", c->number);
        on_message(c, r, c->in[pos], c->in + pos + 5);
    }
    memmove(c->in, c->in + pos, c->in_len - pos);
    c->in_len -= pos;
    return !c->busy;
}
