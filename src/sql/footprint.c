/* Footprints are one block of memory each, so that freeing one is one call. */
#include "sql/footprint.h"
#include "sql/reads.h"

#include <stdlib.h>

void weir_footprint_free(void *footprint)
{
    free(footprint);
}

/* NULL counts as empty. */
static size_t text_size(const char *text)
{
    return strlen(text ? text : "") + 1;
}

static size_t dependency_size(const weir_read_dependency *d)
{
    return text_size(d->relation_name) + text_size(d->column_name) + text_size(d->operand) +
           text_size(d->why);
}

static size_t size_of(const weir_footprint *f)
{
    size_t size = sizeof(*f) + ((size_t)f->read_count + f->written_count) * sizeof(char *) +
                  ((size_t)f->dependency_count + f->touch_count) * sizeof(*f->dependencies);
    for (size_t i = 0; i < f->read_count; i++)
        size += strlen(f->reads[i]) + 1;
    for (size_t i = 0; i < f->written_count; i++)
        size += strlen(f->writes[i]) + 1;
    for (size_t i = 0; i < f->dependency_count; i++)
        size += dependency_size(&f->dependencies[i]);
    for (size_t i = 0; i < f->touch_count; i++)
        size += dependency_size(&f->touches[i]);
    size += f->place_count * sizeof(*f->places);
    return size + text_size(f->reason) + text_size(f->touches_words);
}

static const char *copy_text(char **at, const char *text)
{
    size_t size = text_size(text);
    char *copy = memcpy(*at, text ? text : "", size);
    *at += size;
    return copy;
}

static void copy_dependency(char **at, const weir_read_dependency *from, weir_read_dependency *to)
{
    *to = *from;
    to->relation_name = copy_text(at, from->relation_name);
    to->column_name = copy_text(at, from->column_name);
    to->operand = copy_text(at, from->operand);
    to->why = copy_text(at, from->why);
}

int weir_footprint_copy(const weir_footprint *from, weir_footprint **ret)
{
    weir_footprint *f = malloc(size_of(from));
    if (!f)
        return -ENOMEM;
    *f = *from;
    f->dependencies = (weir_read_dependency *)(void *)(f + 1);
    weir_read_dependency *touches = f->dependencies + f->dependency_count;
    f->reads = (const char **)(void *)(touches + f->touch_count);
    f->writes = f->reads + f->read_count;
    weir_receiver *places = (weir_receiver *)(void *)(f->writes + f->written_count);
    char *at = (char *)(places + f->place_count);
    for (size_t i = 0; i < f->read_count; i++)
        f->reads[i] = copy_text(&at, from->reads[i]);
    for (size_t i = 0; i < f->written_count; i++)
        f->writes[i] = copy_text(&at, from->writes[i]);
    for (size_t i = 0; i < f->dependency_count; i++)
        copy_dependency(&at, &from->dependencies[i], &f->dependencies[i]);
    for (size_t i = 0; i < f->touch_count; i++)
        copy_dependency(&at, &from->touches[i], &touches[i]);
    f->touches = touches;
    if (f->place_count > 0)
        memcpy(places, from->places, f->place_count * sizeof(*places));
    f->places = places;
    f->reason = copy_text(&at, from->reason);
    f->touches_words = copy_text(&at, from->touches_words);
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

/* Nothing that the lexer alone understood is kept. */
static weir_refusal refusal_of(const weir_lexed *lexed)
{
    if (lexed->kind != WEIR_KIND_READ && lexed->kind != WEIR_KIND_UNKNOWN)
        return WEIR_REFUSAL_NO_READ;
    return lexed->row_locks ? WEIR_REFUSAL_LOCKS : WEIR_REFUSAL_UNKNOWN;
}

weir_footprint weir_footprint_of_lexed(const weir_lexed *lexed)
{
    return (weir_footprint){.kind = lexed->kind,
                            .transaction = lexed->transaction,
                            .effects = lexed->effects,
                            .row_locks = lexed->row_locks,
                            .volatile_calls = true,
                            .reason = reason_of(lexed),
                            .refusal = refusal_of(lexed)};
}

int weir_sql_footprint_lexed(const weir_lexed *lexed, weir_footprint **ret)
{
    weir_footprint f = weir_footprint_of_lexed(lexed);
    return weir_footprint_copy(&f, ret);
}
