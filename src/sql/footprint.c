/* Footprints are one block of memory each, so that freeing one is one call. */
#include "sql/footprint.h"

#include <stdlib.h>

void weir_footprint_free(void *footprint)
{
    free(footprint);
}

static size_t size_of(const weir_footprint *f)
{
    size_t size = sizeof(*f) + ((size_t)f->read_count + f->written_count) * sizeof(char *);
    for (size_t i = 0; i < f->read_count; i++)
        size += strlen(f->reads[i]) + 1;
    for (size_t i = 0; i < f->written_count; i++)
        size += strlen(f->writes[i]) + 1;
    return size + strlen(f->reason ? f->reason : "") + 1;
}

static const char *copy_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

int weir_footprint_copy(const weir_footprint *from, weir_footprint **ret)
{
    weir_footprint *f = malloc(size_of(from));
    if (!f)
        return -ENOMEM;
    *f = *from;
    f->reads = (const char **)(void *)(f + 1);
    f->writes = f->reads + f->read_count;
    char *at = (char *)(f->writes + f->written_count);
    for (size_t i = 0; i < f->read_count; i++)
        f->reads[i] = copy_text(&at, from->reads[i]);
    for (size_t i = 0; i < f->written_count; i++)
        f->writes[i] = copy_text(&at, from->writes[i]);
    f->reason = copy_text(&at, from->reason ? from->reason : "");
    *ret = f;
    return 0;
}

static const char *reason_of(const weir_lexed *lexed)
{
    if (lexed->unterminated)
        return "a quote or comment does not end";
    if (lexed->over_caps)
        return "too long or too deeply nested to be analysed";
    if (lexed->kind == WEIR_KIND_UNKNOWN)
        return "begins with no word that starts a statement";
    if (lexed->row_locks)
        return "locks rows";
    return "not analysed yet";
}

weir_footprint weir_footprint_of_lexed(const weir_lexed *lexed)
{
    return (weir_footprint){.kind = lexed->kind,
                            .transaction = lexed->transaction,
                            .effects = lexed->effects,
                            .row_locks = lexed->row_locks,
                            .volatile_calls = true,
                            .reason = reason_of(lexed)};
}

int weir_sql_footprint_lexed(const weir_lexed *lexed, weir_footprint **ret)
{
    weir_footprint f = weir_footprint_of_lexed(lexed);
    return weir_footprint_copy(&f, ret);
}
