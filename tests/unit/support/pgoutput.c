/* pgoutput's messages, written from PostgreSQL's documentation ("Logical Replication Message
 * Formats"), independently of the reader under test. */
#include "pgoutput.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void put(pgoutput *p, const void *bytes, size_t len)
{
    assert(p->len + len <= sizeof(p->bytes));
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static void put_number(pgoutput *p, uint64_t v, unsigned size)
{
    for (unsigned i = size; i-- > 0;) {
        uint8_t byte = (uint8_t)(v >> (8 * i));
        put(p, &byte, 1);
    }
}

static void put_text(pgoutput *p, const char *text)
{
    put(p, text, strlen(text) + 1);
}

/* XLogData's head, and the message's letter. */
static void start(pgoutput *p, char letter)
{
    p->len = 0;
    put(p, "w", 1);
    put_number(p, 0x1111, 8);
    put_number(p, 0x2222, 8);
    put_number(p, 0x3333, 8);
    put(p, &letter, 1);
}

static weir_slice done(const pgoutput *p)
{
    return weir_slice_make(p->bytes, p->len);
}

weir_slice pgoutput_keepalive(pgoutput *p, uint64_t position, bool reply)
{
    p->len = 0;
    put(p, "k", 1);
    put_number(p, position, 8);
    put_number(p, 0x4444, 8);
    put_number(p, reply, 1);
    return done(p);
}

weir_slice pgoutput_begin(pgoutput *p, uint64_t final, uint32_t xid)
{
    start(p, 'B');
    put_number(p, final, 8);
    put_number(p, 0x5555, 8);
    put_number(p, xid, 4);
    return done(p);
}

weir_slice pgoutput_commit(pgoutput *p, uint64_t begins, uint64_t ends)
{
    start(p, 'C');
    put_number(p, 0, 1);
    put_number(p, begins, 8);
    put_number(p, ends, 8);
    put_number(p, 0x5555, 8);
    return done(p);
}

weir_slice pgoutput_origin(pgoutput *p, uint64_t position, const char *name)
{
    start(p, 'O');
    put_number(p, position, 8);
    put_text(p, name);
    return done(p);
}

weir_slice pgoutput_relation(pgoutput *p, uint32_t oid, const char *schema, const char *name,
                             char identity, const char *columns)
{
    unsigned count = 0;
    start(p, 'R');
    put_number(p, oid, 4);
    put_text(p, schema);
    put_text(p, name);
    put(p, &identity, 1);
    size_t mark = p->len;
    put_number(p, 0, 2);
    while (*columns) {
        char column[80];
        size_t len = strcspn(columns, " ");
        memcpy(column, columns, len);
        column[len] = '\0';
        char *type = strchr(column, '/');
        bool key = column[0] == '*';
        *type++ = '\0';
        put_number(p, key, 1);
        put_text(p, column + key);
        put_number(p, strtoul(type, NULL, 10), 4);
        put_number(p, UINT32_MAX, 4);
        columns += len + (columns[len] == ' ');
        count++;
    }
    p->bytes[mark] = (uint8_t)(count >> 8);
    p->bytes[mark + 1] = (uint8_t)count;
    return done(p);
}

weir_slice pgoutput_type(pgoutput *p, uint32_t oid, const char *schema, const char *name)
{
    start(p, 'Y');
    put_number(p, oid, 4);
    put_text(p, schema);
    put_text(p, name);
    return done(p);
}

static void put_value(pgoutput *p, const char *value, size_t len)
{
    if (len == 1 && (*value == '~' || *value == '?')) {
        put(p, *value == '~' ? "n" : "u", 1);
        return;
    }
    put(p, "t", 1);
    put_number(p, len, 4);
    put(p, value, len);
}

static void put_row(pgoutput *p, const char *row)
{
    unsigned count = 0;
    size_t mark = p->len;
    put_number(p, 0, 2);
    for (;;) {
        size_t len = strcspn(row, "|");
        put_value(p, row, len);
        count++;
        row += len;
        if (*row++ == '\0')
            break;
    }
    p->bytes[mark] = (uint8_t)(count >> 8);
    p->bytes[mark + 1] = (uint8_t)count;
}

weir_slice pgoutput_insert(pgoutput *p, uint32_t oid, const char *row)
{
    start(p, 'I');
    put_number(p, oid, 4);
    put(p, "N", 1);
    put_row(p, row);
    return done(p);
}

weir_slice pgoutput_update(pgoutput *p, uint32_t oid, char kind, const char *old, const char *row)
{
    start(p, 'U');
    put_number(p, oid, 4);
    if (kind) {
        put(p, &kind, 1);
        put_row(p, old);
    }
    put(p, "N", 1);
    put_row(p, row);
    return done(p);
}

weir_slice pgoutput_delete(pgoutput *p, uint32_t oid, char kind, const char *old)
{
    start(p, 'D');
    put_number(p, oid, 4);
    put(p, &kind, 1);
    put_row(p, old);
    return done(p);
}

weir_slice pgoutput_truncate(pgoutput *p, uint32_t first, uint32_t second)
{
    start(p, 'T');
    put_number(p, second ? 2 : 1, 4);
    put_number(p, 1, 1);
    put_number(p, first, 4);
    if (second)
        put_number(p, second, 4);
    return done(p);
}

weir_slice pgoutput_message(pgoutput *p, bool transactional, const char *prefix,
                            const char *content)
{
    start(p, 'M');
    put_number(p, transactional, 1);
    put_number(p, 0x6666, 8);
    put_text(p, prefix);
    put_number(p, strlen(content), 4);
    put(p, content, strlen(content));
    return done(p);
}
