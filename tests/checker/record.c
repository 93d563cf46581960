/* See record.h. */
#include "record.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    char bytes[];
} chunk;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("checker: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* Room for one more element of an array. */
static void *grown(void *array, size_t count, size_t *size, size_t element)
{
    if (count < *size)
        return array;
    *size = *size ? *size * 2 : 4096;
    void *more = realloc(array, *size * element);
    if (!more)
        fail("out of memory");
    return more;
}

statement *record_add(record *r)
{
    r->statements = grown(r->statements, r->count, &r->size, sizeof(*r->statements));
    statement *s = &r->statements[r->count++];
    *s = (statement){.unit = NO_UNIT, .shape = -1};
    return s;
}

commit_unit *record_add_unit(record *r)
{
    r->units = grown(r->units, r->unit_count, &r->unit_size, sizeof(*r->units));
    commit_unit *u = &r->units[r->unit_count++];
    *u = (commit_unit){.first = (uint32_t)r->count};
    return u;
}

const char *record_text(record *r, const char *text, size_t len)
{
    chunk *c = r->chunks;
    if (!c || c->size - c->used <= len) {
        size_t size = len < CHUNK ? CHUNK : len + 1;
        c = malloc(sizeof(*c) + size);
        if (!c)
            fail("out of memory");
        *c = (chunk){.next = r->chunks, .size = size};
        r->chunks = c;
    }
    char *copy = c->bytes + c->used;
    memcpy(copy, text, len);
    copy[len] = 0;
    c->used += len + 1;
    return copy;
}

void record_free(record *r)
{
    for (chunk *c = r->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(r->statements);
    free(r->units);
    *r = (record){0};
}
