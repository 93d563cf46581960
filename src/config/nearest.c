/* The known name that resembles a mistyped one: Damerau-Levenshtein distance with adjacent swaps
 * (optimal string alignment), and only when it is near enough to be worth saying. */
#include "config/keys.h"

enum { NAME_SIZE_MAX = 64 };

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Three rows of the table are kept: swaps look two back. Both texts are at most NAME_SIZE_MAX. */
static unsigned distance(weir_slice a, weir_slice b)
{
    unsigned rows[3][NAME_SIZE_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned cost = a.data[i - 1] != b.data[j - 1];
            now[j] = min2(min2(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                now[j] = min2(now[j], before[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

typedef struct best {
    const char *name;
    unsigned distance;
} best;

/* A third of the letters may differ. */
static void consider(best *b, const char *known, weir_slice name)
{
    weir_slice k = weir_slice_cstr(known);
    if (k.len > NAME_SIZE_MAX)
        return;
    unsigned limit = (unsigned)(k.len > name.len ? k.len : name.len) / 3 + 1;
    unsigned d = distance(name, k);
    if (d <= limit && d < b->distance)
        *b = (best){known, d};
}

/* "max_sizes" for "pool.max_size": the last part alone, when the whole resembles nothing. */
static void consider_last_part(best *b, const config_key *key, weir_slice name)
{
    const char *dot = strrchr(key->path, '.');
    if (!dot)
        return;
    weir_slice last = weir_slice_cstr(dot + 1);
    if (distance(name, last) <= (unsigned)last.len / 4 && b->distance > NAME_SIZE_MAX)
        *b = (best){key->path, NAME_SIZE_MAX};
}

const char *config_key_nearest(key_range range, weir_slice path)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    best b = {NULL, NAME_SIZE_MAX + 1};
    if (path.len > NAME_SIZE_MAX)
        return NULL;
    for (size_t i = range.first; i < range.first + range.count; i++)
        consider(&b, keys[i].path, path);
    for (size_t i = range.first; i < range.first + range.count && !b.name; i++)
        consider_last_part(&b, &keys[i], path);
    return b.name;
}

const char *config_name_nearest(const char *const *names, weir_slice name)
{
    best b = {NULL, NAME_SIZE_MAX + 1};
    if (name.len > NAME_SIZE_MAX)
        return NULL;
    for (; *names; names++)
        consider(&b, *names, name);
    return b.name;
}
