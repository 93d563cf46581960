/* Time zones by name: files of the system's tz database, found without regard to case as far as its
 * names have a rule, and POSIX strings. Neither TZ nor the C library's zone is touched. */
#include "backend/sqlite/zones.h"
#include "backend/sqlite/sqlite.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER "/usr/share/zoneinfo/"
#define NAME_MAX_ 64u
#define FILE_SIZE_MAX 65536u
#define KEPT_MAX 32u

typedef struct kept {
    char name[NAME_MAX_];
    weir_zone *zone; /* NULL: there is none */
} kept;

struct weir_sqlite_zones {
    size_t count;
    kept all[KEPT_MAX];
};

/* A path inside the folder, and nothing else. */
static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)name[0]))
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_+-/", *c))
            return false;
    return true;
}

static weir_zone *read_file(const char *name)
{
    char path[sizeof(FOLDER) + NAME_MAX_];
    snprintf(path, sizeof(path), FOLDER "%s", name);
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = file ? malloc(FILE_SIZE_MAX) : NULL;
    size_t len = bytes ? fread(bytes, 1, FILE_SIZE_MAX, file) : 0;
    weir_zone *zone = len > 0 ? weir_zone_parse(weir_slice_make(bytes, len)) : NULL;
    free(bytes);
    if (file)
        (void)fclose(file);
    return zone;
}

static void upper(char *name)
{
    for (; *name; name++)
        *name = (char)toupper((unsigned char)*name);
}

/* america/new_york: America/New_York */
static void capitalize(char *name)
{
    bool first = true;
    for (; *name; name++) {
        *name = (char)(first ? toupper((unsigned char)*name) : tolower((unsigned char)*name));
        first = strchr("/_-", *name) != NULL;
    }
}

/* `name` becomes what the database calls it. */
static weir_zone *load(char name[NAME_MAX_])
{
    char other[NAME_MAX_];
    weir_zone *zone = NULL;
    if (is_name(name)) {
        zone = read_file(name);
        snprintf(other, sizeof(other), "%s", name);
        upper(other);
        if (!zone && (zone = read_file(other)) != NULL)
            memcpy(name, other, sizeof(other));
        capitalize(other);
        if (!zone && (zone = read_file(other)) != NULL)
            memcpy(name, other, sizeof(other));
    }
    return zone ? zone : weir_zone_parse_posix(weir_slice_cstr(name));
}

const weir_zone *weir_sqlite_zones_find(weir_sqlite_zones **zones, weir_slice name)
{
    if (name.len == 0 || name.len >= NAME_MAX_ || memchr(name.data, 0, name.len))
        return NULL;
    if (!*zones)
        *zones = calloc(1, sizeof(**zones));
    weir_sqlite_zones *z = *zones;
    if (!z)
        return NULL;
    for (size_t i = 0; i < z->count; i++)
        if (weir_slice_eq_cstr(name, z->all[i].name))
            return z->all[i].zone;
    if (z->count == KEPT_MAX) /* the oldest makes room */
        weir_zone_free(z->all[0].zone);
    if (z->count == KEPT_MAX)
        memmove(&z->all[0], &z->all[1], --z->count * sizeof(z->all[0]));
    kept *k = &z->all[z->count++];
    char canonical[NAME_MAX_] = "";
    *k = (kept){.zone = NULL};
    memcpy(k->name, name.data, name.len);
    memcpy(canonical, k->name, sizeof(canonical));
    k->zone = load(canonical);
    return k->zone;
}

void weir_sqlite_zones_free(weir_sqlite_zones *zones)
{
    for (size_t i = 0; zones && i < zones->count; i++)
        weir_zone_free(zones->all[i].zone);
    free(zones);
}

bool weir_sqlite_zone_name(char *name, size_t size)
{
    char canonical[NAME_MAX_];
    size_t len = strlen(name);
    if (len == 0 || len >= sizeof(canonical))
        return false;
    memcpy(canonical, name, len + 1);
    memset(canonical + len, 0, sizeof(canonical) - len);
    weir_zone *zone = load(canonical);
    if (!zone || strlen(canonical) >= size) {
        weir_zone_free(zone);
        return false;
    }
    memcpy(name, canonical, strlen(canonical) + 1);
    weir_zone_free(zone);
    return true;
}
