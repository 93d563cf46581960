/* The relations of one statement. Few as a rule, so that a linear search is the quickest. */
#include "sql/names.h"

#include <stdio.h>

#define ARENA_MAX ((size_t)16 << 20)

void weir_names_init(weir_names *n)
{
    weir_arena_init(&n->arena, ARENA_MAX);
    n->read_count = n->written_count = 0;
    n->too_many = n->out_of_memory = false;
}

void weir_names_fini(weir_names *n)
{
    weir_arena_fini(&n->arena);
}

static bool is_name(const char *full, const char *schema, const char *name)
{
    size_t len = strlen(schema);
    if (len == 0)
        return strcmp(full, name) == 0;
    return strncmp(full, schema, len) == 0 && full[len] == '.' && strcmp(full + len + 1, name) == 0;
}

void weir_names_add(weir_names *n, const char *schema, const char *name, bool written)
{
    const char **list = written ? n->writes : n->reads;
    uint16_t *count = written ? &n->written_count : &n->read_count;
    for (size_t i = 0; i < *count; i++) {
        if (is_name(list[i], schema, name))
            return;
    }
    if (*count == WEIR_FOOTPRINT_RELATIONS_MAX) {
        n->too_many = true;
        return;
    }
    size_t size = strlen(schema) + strlen(name) + 2;
    char *full = weir_arena_alloc(&n->arena, size);
    if (!full) {
        n->out_of_memory = true;
        return;
    }
    snprintf(full, size, "%s%s%s", schema, schema[0] ? "." : "", name);
    list[(*count)++] = full;
}

int weir_names_footprint(const weir_names *n, weir_footprint *f, weir_footprint **ret)
{
    char reason[64];
    if (n->out_of_memory)
        return -ENOMEM;
    f->reads = (const char **)(uintptr_t)n->reads;
    f->writes = (const char **)(uintptr_t)n->writes;
    f->read_count = n->read_count;
    f->written_count = n->written_count;
    if (n->too_many) {
        snprintf(reason, sizeof(reason), "more than %u relations", WEIR_FOOTPRINT_RELATIONS_MAX);
        f->reason = reason;
        f->kind = f->kind == WEIR_KIND_READ ? WEIR_KIND_UNKNOWN : f->kind;
    }
    return weir_footprint_copy(f, ret);
}
