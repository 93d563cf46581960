/* A list of identifiers: quoted ones are taken as they are, others in lower case. Anything that a
 * server may fold, cut or refuse is not decided here. */
#include "sql/search_path.h"
#include "base/ascii.h"

#define NAME_MAX_LEN 63u /* NAMEDATALEN - 1 */

/* scanner_isspace, which is narrower than isspace() by the vertical tab. */
static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void skip_space(weir_slice *s)
{
    while (s->len > 0 && is_space(s->data[0]))
        *s = weir_slice_skip(*s, 1);
}

/* Behind the opening quote. */
static bool quoted(weir_slice *s, uint8_t *to, size_t *ret)
{
    size_t n = 0;
    while (s->len > 0) {
        uint8_t c = s->data[0];
        *s = weir_slice_skip(*s, 1);
        if (c == '"') {
            if (s->len == 0 || s->data[0] != '"') {
                *ret = n;
                return true;
            }
            *s = weir_slice_skip(*s, 1);
        }
        if (n == NAME_MAX_LEN || c == '\0')
            return false;
        to[n++] = c;
    }
    return false;
}

static bool bare(weir_slice *s, uint8_t *to, size_t *ret)
{
    size_t n = 0;
    for (; s->len > 0 && s->data[0] != ',' && !is_space(s->data[0]); *s = weir_slice_skip(*s, 1)) {
        uint8_t c = s->data[0];
        if (n == NAME_MAX_LEN || c >= 0x80 || c < ' ' || c == '"')
            return false;
        to[n++] = weir_ascii_lower(c);
    }
    *ret = n;
    return n > 0;
}

static int add(weir_search_path *path, weir_slice name, weir_slice role, weir_arena *arena)
{
    if (weir_slice_eq_cstr(name, "$user"))
        name = role;
    /* "" is no schema's name; pg_temp is what nobody has here. */
    if (name.len == 0 || weir_slice_eq_cstr(name, "pg_temp"))
        return 0;
    if (path->count == WEIR_SEARCH_PATH_MAX)
        return WEIR_SEARCH_PATH_UNSURE;
    const char *copy = weir_arena_strdup(arena, name);
    if (!copy)
        return -ENOMEM;
    path->catalog = path->catalog || weir_slice_eq_cstr(name, "pg_catalog");
    path->schemas[path->count++] = weir_slice_make(copy, name.len);
    return 0;
}

int weir_search_path_read(weir_slice setting, weir_slice role, weir_arena *arena,
                          weir_search_path *ret)
{
    weir_search_path path = {.count = 0};
    uint8_t name[NAME_MAX_LEN];
    skip_space(&setting);
    for (bool more = setting.len > 0; more;) {
        size_t len = 0;
        bool quote = setting.len > 0 && setting.data[0] == '"';
        if (quote)
            setting = weir_slice_skip(setting, 1);
        if (quote ? !quoted(&setting, name, &len) : !bare(&setting, name, &len))
            return WEIR_SEARCH_PATH_UNSURE;
        int r = add(&path, weir_slice_make(name, len), role, arena);
        if (r != 0)
            return r;
        skip_space(&setting);
        more = setting.len > 0;
        if (more && setting.data[0] != ',')
            return WEIR_SEARCH_PATH_UNSURE;
        if (more)
            setting = weir_slice_skip(setting, 1);
        skip_space(&setting);
    }
    *ret = path;
    return 0;
}
