/* See talk.h. */
#include "talk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t print_key(char out[24], long key)
{
    return (size_t)snprintf(out, 24, "%ld", key);
}

/* ---- PostgreSQL ---- */

static void open_simple(const talk *t, int fd)
{
    wire_login(fd, t->user, t->database);
}

static void ask_simple(const talk *t, wire_message *m, long key, int write)
{
    const char *sql = write ? t->write : t->read;
    const char *hole = strstr(sql, "$1");
    char text[24];
    size_t at = wire_begin(m, 'Q');
    if (hole) {
        wire_put(m, sql, (size_t)(hole - sql));
        wire_put(m, text, print_key(text, key));
        sql = hole + 2;
    }
    wire_put_text(m, sql);
    wire_end(m, at);
}

static void prepare(int fd, const char *name, const char *sql)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'P');
    wire_put_text(&m, name);
    wire_put_text(&m, sql);
    wire_put_u16(&m, 0);
    wire_end(&m, at);
    wire_end(&m, wire_begin(&m, 'S'));
    wire_send(fd, m.data, m.len);
    wire_await(fd, 'Z');
}

static void open_extended(const talk *t, int fd)
{
    wire_login(fd, t->user, t->database);
    prepare(fd, "r", t->read);
    if (t->write)
        prepare(fd, "w", t->write);
}

/* As libpq's PQsendQueryPrepared: Bind, Describe, Execute, Sync. */
static void ask_extended(const talk *t, wire_message *m, long key, int write)
{
    (void)t;
    char text[24];
    size_t len = print_key(text, key);
    size_t at = wire_begin(m, 'B');
    wire_put_text(m, "");
    wire_put_text(m, write ? "w" : "r");
    wire_put_u16(m, 0);
    wire_put_u16(m, 1);
    wire_put_u32(m, (uint32_t)len);
    wire_put(m, text, len);
    wire_put_u16(m, 0);
    wire_end(m, at);
    at = wire_begin(m, 'D');
    wire_put(m, "P", 1);
    wire_put_text(m, "");
    wire_end(m, at);
    at = wire_begin(m, 'E');
    wire_put_text(m, "");
    wire_put_u32(m, 0);
    wire_end(m, at);
    wire_end(m, wire_begin(m, 'S'));
}

static size_t part_postgres(const uint8_t *bytes, size_t len, int *ret_last)
{
    size_t size = wire_whole(bytes, len);
    if (size > 0 && bytes[0] == 'E')
        wire_fail("the server answered with an error");
    *ret_last = size > 0 && bytes[0] == 'Z';
    return size;
}

/* ---- Redis ---- */

static void open_resp(const talk *t, int fd)
{
    (void)t;
    (void)fd;
}

static void ask_resp(const talk *t, wire_message *m, long key, int write)
{
    (void)t;
    char text[24], head[64];
    size_t len = print_key(text, key);
    int n = snprintf(head, sizeof(head), "*%d\r\n$3\r\n%s\r\n$%zu\r\n", write ? 3 : 2,
                     write ? "SET" : "GET", len);
    wire_put(m, head, (size_t)n);
    wire_put(m, text, len);
    if (write)
        wire_put(m, "\r\n$3\r\nnew", 9);
    wire_put(m, "\r\n", 2);
}

static size_t part_resp(const uint8_t *bytes, size_t len, int *ret_last)
{
    const uint8_t *end = memchr(bytes, '\n', len);
    if (!end)
        return 0;
    size_t size = (size_t)(end - bytes) + 1;
    if (bytes[0] == '$') {
        long value = strtol((const char *)bytes + 1, NULL, 10);
        if (value < 0)
            wire_fail("Redis does not have the key");
        size += (size_t)value + 2;
    } else if (bytes[0] != '+') {
        wire_fail("Redis answered with an error");
    }
    *ret_last = 1;
    return size <= len ? size : 0;
}

const talk_language *talk_find(const char *name)
{
    static const talk_language languages[] = {
        {"simple", open_simple, ask_simple, part_postgres},
        {"extended", open_extended, ask_extended, part_postgres},
        {"resp", open_resp, ask_resp, part_resp},
    };
    for (size_t i = 0; i < sizeof(languages) / sizeof(*languages); i++)
        if (strcmp(name, languages[i].name) == 0)
            return &languages[i];
    wire_fail("no such language: simple, extended or resp");
}
