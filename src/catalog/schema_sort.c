/* Facts by the numbers that each begins with, and words in sorted tables. */
#include "catalog/schema_internal.h"

static int compare_oids(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_pairs(const void *a, const void *b)
{
    int order = compare_oids(a, b);
    return order != 0 ? order : compare_oids((const uint32_t *)a + 1, (const uint32_t *)b + 1);
}

/* The server may have sorted them. */
static void sort(weir_items *l, size_t size, int (*compare)(const void *a, const void *b))
{
    const char *items = l->items;
    for (uint32_t i = 1; i < l->count; i++)
        if (compare(items + (i - 1) * size, items + i * size) > 0) {
            qsort(l->items, l->count, size, compare);
            return;
        }
}

void weir_schema_sort(weir_items *l, size_t size)
{
    sort(l, size, compare_oids);
}

void weir_schema_sort_pairs(weir_items *l, size_t size)
{
    sort(l, size, compare_pairs);
}

void *weir_schema_first(const weir_items *l, size_t size, uint32_t oid)
{
    uint32_t low = 0, high = l->count;
    char *items = l->items;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (*(const uint32_t *)(const void *)(items + middle * size) < oid)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->count)
        return NULL;
    void *at = items + low * size;
    return *(const uint32_t *)at == oid ? at : NULL;
}

static int compare_word(const void *word, const void *entry)
{
    const weir_slice *s = word;
    const char *text = *(const char *const *)entry;
    size_t n = strlen(text);
    int order = memcmp(s->data, text, s->len < n ? s->len : n);
    return order != 0 ? order : s->len < n ? -1 : s->len > n;
}

bool weir_schema_is_listed(const char *const *table, size_t count, weir_slice word)
{
    return word.len > 0 && bsearch(&word, table, count, sizeof(*table), compare_word);
}
