/* Values of configuration keys: numbers with their units, flags and choices, parsed with an
 * explanation of what is wrong and printed in the unit a person would choose. */
#include "config/value.h"
#include <inttypes.h>
#include <stdio.h>

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Largest first: the printer takes the first that divides. */
static const unit durations[] = {{"h", 3600 * (uint64_t)WEIR_SECOND},
                                 {"m", 60 * (uint64_t)WEIR_SECOND},
                                 {"s", (uint64_t)WEIR_SECOND},
                                 {"ms", (uint64_t)WEIR_MS},
                                 {NULL, 0}};
static const unit sizes[] = {{"GiB", (uint64_t)1 << 30},
                             {"MiB", (uint64_t)1 << 20},
                             {"KiB", (uint64_t)1 << 10},
                             {"B", 1},
                             {NULL, 0}};

static int shown_len(weir_slice text)
{
    return text.len > 40 ? 40 : (int)text.len;
}

/* Leading digits of `text` into `*ret`, which is UINT64_MAX (beyond every bound) when they do not
 * fit; returns how many there are. */
static size_t digits(weir_slice text, uint64_t *ret)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (n == UINT64_MAX)
            continue;
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text.data[i] - '0'), &n))
            n = UINT64_MAX;
    }
    *ret = n;
    return i;
}

static const unit *unit_find(const unit *units, weir_slice name)
{
    for (; units->name; units++) {
        if (weir_slice_eq_cstr(name, units->name))
            return units;
    }
    return NULL;
}

/* A number and its unit; a bare 0 needs none. */
static int parse_units(const unit *units, weir_slice text, uint64_t *ret)
{
    uint64_t n = 0;
    size_t used = digits(text, &n);
    if (used == 0)
        return -EINVAL;
    weir_slice rest = weir_slice_skip(text, used);
    if (rest.len == 0 && n == 0) {
        *ret = 0;
        return 0;
    }
    if (rest.len > 0 && rest.data[0] == ' ')
        rest = weir_slice_skip(rest, 1);
    const unit *u = unit_find(units, rest);
    if (!u)
        return -EINVAL;
    *ret = __builtin_mul_overflow(n, u->factor, &n) ? UINT64_MAX : n;
    return 0;
}

static int parse_choice(const config_key *key, weir_slice text, uint64_t *ret, char *why,
                        size_t why_size)
{
    for (const key_choice *c = key->choices; c->name; c++) {
        if (weir_slice_eq_cstr(text, c->name)) {
            *ret = (uint64_t)c->value;
            return 0;
        }
    }
    int at = snprintf(why, why_size, "is \"%.*s\", must be one of", shown_len(text),
                      (const char *)text.data);
    const char *before = " ";
    for (const key_choice *c = key->choices; c->name && at >= 0 && (size_t)at < why_size; c++) {
        if (c->alias)
            continue;
        at += snprintf(why + at, why_size - (size_t)at, "%s%s", before, c->name);
        before = ", ";
    }
    return -EINVAL;
}

static int parse_flag(weir_slice text, uint64_t *ret)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (weir_slice_eq_nocase(text, yes[i]) || weir_slice_eq_nocase(text, no[i])) {
            *ret = weir_slice_eq_nocase(text, yes[i]);
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_by_type(const config_key *key, weir_slice text, uint64_t *ret,
                         const char **ret_wanted)
{
    switch (key->type) {
    case KEY_COUNT:
        *ret_wanted = "a whole number";
        return text.len > 0 && digits(text, ret) == text.len ? 0 : -EINVAL;
    case KEY_SIZE:
        *ret_wanted = "a size: a whole number and one of B, KiB, MiB, GiB, as in 64MiB";
        return parse_units(sizes, text, ret);
    case KEY_DURATION:
        *ret_wanted = "a duration: a whole number and one of ms, s, m, h, as in 30s";
        return parse_units(durations, text, ret);
    case KEY_FLAG:
        *ret_wanted = "true or false";
        return parse_flag(text, ret);
    case KEY_CHOICE:
    case KEY_ADDRESS:
    case KEY_LISTEN:
    case KEY_SECRET:
    case KEY_TEXT:
    case KEY_TAGS:
    case KEY_DSNS:
    case KEY_RULES:
        break;
    }
    assert(false); /* a text: draft_assign keeps it as it is */
    return -EINVAL;
}

static bool is_number(const config_key *key)
{
    return key->type == KEY_COUNT || key->type == KEY_SIZE || key->type == KEY_DURATION;
}

int config_value_parse(const config_key *key, weir_slice text, uint64_t *ret, char *why,
                       size_t why_size)
{
    uint64_t value = 0;
    const char *wanted = "";
    if (key->type == KEY_CHOICE)
        return parse_choice(key, text, ret, why, why_size);
    if (parse_by_type(key, text, &value, &wanted) != 0) {
        snprintf(why, why_size, "is \"%.*s\", must be %s", shown_len(text), (const char *)text.data,
                 wanted);
        return -EINVAL;
    }
    if (is_number(key) && (value < key->min || value > key->max)) {
        char low[32], high[32];
        snprintf(why, why_size, "is %.*s, must be from %s to %s", shown_len(text),
                 (const char *)text.data, config_value_format(key, key->min, low, sizeof(low)),
                 config_value_format(key, key->max, high, sizeof(high)));
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

void config_value_store(void *field, size_t width, uint64_t value)
{
    if (width == sizeof(uint8_t)) {
        uint8_t v = (uint8_t)value;
        memcpy(field, &v, sizeof(v));
    } else if (width == sizeof(uint32_t)) {
        uint32_t v = (uint32_t)value;
        memcpy(field, &v, sizeof(v));
    } else {
        assert(width == sizeof(uint64_t));
        memcpy(field, &value, sizeof(value));
    }
}

uint64_t config_value_read(const void *field, size_t width)
{
    uint8_t v8 = 0;
    uint32_t v32 = 0;
    uint64_t v64 = 0;
    if (width == sizeof(v8)) {
        memcpy(&v8, field, sizeof(v8));
        return v8;
    }
    if (width == sizeof(v32)) {
        memcpy(&v32, field, sizeof(v32));
        return v32;
    }
    assert(width == sizeof(v64));
    memcpy(&v64, field, sizeof(v64));
    return v64;
}

static const char *format_units(const unit *u, uint64_t value, char *out, size_t size)
{
    while (u->name && (value == 0 || value % u->factor != 0))
        u++;
    if (u->name)
        snprintf(out, size, "%" PRIu64 "%s", value / u->factor, u->name);
    else
        snprintf(out, size, "%" PRIu64, value); /* 0 */
    return out;
}

const char *config_value_format(const config_key *key, uint64_t value, char *out, size_t size)
{
    switch (key->type) {
    case KEY_SIZE:
        return format_units(sizes, value, out, size);
    case KEY_DURATION:
        return format_units(durations, value, out, size);
    case KEY_FLAG:
        snprintf(out, size, "%s", value ? "true" : "false");
        return out;
    case KEY_CHOICE:
        for (const key_choice *c = key->choices; c->name; c++) {
            if ((uint64_t)c->value == value) {
                snprintf(out, size, "%s", c->name);
                return out;
            }
        }
        snprintf(out, size, "unset");
        return out;
    case KEY_COUNT:
    case KEY_ADDRESS:
    case KEY_LISTEN:
    case KEY_SECRET:
    case KEY_TEXT:
    case KEY_TAGS:
    case KEY_DSNS:
    case KEY_RULES:
        break;
    }
    snprintf(out, size, "%" PRIu64, value);
    return out;
}
