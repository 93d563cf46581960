/* The parameters that a session of the PostgreSQL face has. Most change nothing here; they are kept
 * because drivers set them and ask for them. Those that would change how values look are fixed to
 * what the codecs write. */
#include "compat/compat.h"
#include <stdio.h>
#include <stdlib.h>

/* What a client is told at login comes first. */
static const weir_setting settings[] = {
    {"server_version", "15.0", true, true},
    {"server_encoding", "UTF8", true, true},
    {"client_encoding", "UTF8", true, false},
    {"application_name", "", true, false},
    {"is_superuser", "off", true, true},
    {"session_authorization", "", true, true},
    {"DateStyle", "ISO, MDY", true, false},
    {"IntervalStyle", "postgres", true, false},
    {"TimeZone", "UTC", true, false},
    {"integer_datetimes", "on", true, true},
    {"standard_conforming_strings", "on", true, false},
    {"default_transaction_read_only", "off", true, false},
    {"in_hot_standby", "off", true, true},
    {"server_version_num", "150000", false, true},
    {"transaction_isolation", "read committed", false, false},
    {"transaction_read_only", "off", false, false},
    {"default_transaction_isolation", "read committed", false, false},
    {"statement_timeout", "0", false, false},
    {"lock_timeout", "0", false, false},
    {"idle_in_transaction_session_timeout", "0", false, false},
    {"search_path", "\"$user\", public", false, false},
    {"extra_float_digits", "1", false, false},
    {"bytea_output", "hex", false, false},
    {"client_min_messages", "notice", false, false},
    {"row_security", "on", false, false},
    {"synchronous_commit", "on", false, false},
    {"max_identifier_length", "63", false, true},
    {"jit", "off", false, false},
    {"escape_string_warning", "on", false, false},
    {"backslash_quote", "safe_encoding", false, false},
    {"check_function_bodies", "on", false, false},
    {"default_table_access_method", "heap", false, false},
    {"xmloption", "content", false, false},
    {"work_mem", "4MB", false, false},
    {"max_index_keys", "32", false, true},
    {"lc_collate", "C", false, true},
    {"lc_ctype", "C", false, true},
};

static bool same_nocase(weir_slice a, const char *b)
{
    size_t i = 0;
    for (; i < a.len && b[i] != '\0'; i++)
        if ((a.data[i] | 0x20) != ((uint8_t)b[i] | 0x20))
            return false;
    return i == a.len && b[i] == '\0';
}

const weir_setting *weir_setting_at(size_t i)
{
    return i < sizeof(settings) / sizeof(settings[0]) ? &settings[i] : NULL;
}

const weir_setting *weir_setting_find(weir_slice name)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (same_nocase(name, settings[i].name))
            return &settings[i];
    return NULL;
}

static int refuse(const weir_setting *s, const char *value, const char *hint, weir_error *err)
{
    weir_error_set(err, "22023", "weir: invalid value for parameter \"%s\": \"%.100s\"", s->name,
                   value);
    if (hint)
        weir_error_hint(err, "%s", hint);
    return WEIR_COMPAT_REFUSED;
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (same_nocase(weir_slice_cstr(value), *words))
            return true;
    return false;
}

static int check_encoding(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    static const char *const names[] = {"utf8", "utf-8", "unicode", "sql_ascii", NULL};
    if (!is_one_of(value, names))
        return refuse(s, value, "SQLite's texts are UTF-8; use client_encoding UTF8.", err);
    (void)snprintf(value, size, "UTF8");
    return 0;
}

static int refuse_style(const weir_setting *s, const char *value, const char *hint, weir_error *err)
{
    weir_error_set(err, "0A000", "weir: %s \"%.100s\" is not supported on SQLite", s->name, value);
    weir_error_hint(err, "%s", hint);
    return WEIR_COMPAT_REFUSED;
}

/* PostgreSQL keeps the order where only the style is named. */
static int check_date_style(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    static const char *const known[] = {"iso", "mdy", "us", "noneuro", "noneuropean", "default"};
    weir_slice rest = weir_slice_cstr(value);
    while (rest.len > 0) {
        size_t len = 0;
        bool ours = false;
        while (len < rest.len && rest.data[len] != ',' && rest.data[len] != ' ')
            len++;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            ours |= weir_slice_eq_nocase(weir_slice_head(rest, len), known[i]);
        if (len > 0 && !ours)
            return refuse_style(s, value, "Dates are read and written as ISO, MDY says.", err);
        rest = weir_slice_skip(rest, len < rest.len ? len + 1 : len);
    }
    (void)snprintf(value, size, "ISO, MDY");
    return 0;
}

static int check_interval_style(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    if (strcasecmp(value, "postgres") != 0)
        return refuse_style(s, value, "Intervals are written in the style postgres.", err);
    (void)snprintf(value, size, "postgres");
    return 0;
}

static int check_bool(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    static const char *const yes[] = {"on", "true", "yes", "1", "t", NULL};
    static const char *const no[] = {"off", "false", "no", "0", "f", NULL};
    if (!is_one_of(value, yes) && !is_one_of(value, no))
        return refuse(s, value, NULL, err);
    (void)snprintf(value, size, "%s", is_one_of(value, yes) ? "on" : "off");
    return 0;
}

static int check_isolation(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    static const char *const levels[] = {"read committed", "read uncommitted", "repeatable read",
                                         "serializable", NULL};
    (void)size;
    for (char *c = value; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    return is_one_of(value, levels) ? 0 : refuse(s, value, NULL, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

int weir_setting_check(const weir_setting *s, char *value, size_t size, weir_error *err)
{
    int64_t ms = 0;
    if (s->fixed) {
        if (strcmp(s->value, value) == 0)
            return 0;
        weir_error_set(err, "55P02", "weir: parameter \"%s\" cannot be changed", s->name);
        return WEIR_COMPAT_REFUSED;
    }
    if (strcmp(s->name, "client_encoding") == 0)
        return check_encoding(s, value, size, err);
    if (strcmp(s->name, "DateStyle") == 0)
        return check_date_style(s, value, size, err);
    if (strcmp(s->name, "IntervalStyle") == 0)
        return check_interval_style(s, value, size, err);
    if (ends_with(s->name, "isolation"))
        return check_isolation(s, value, size, err);
    if (strcmp(s->value, "on") == 0 || strcmp(s->value, "off") == 0) {
        int r = strcmp(s->name, "synchronous_commit") == 0 ? 0 : check_bool(s, value, size, err);
        if (r == 0 && strcmp(s->name, "standard_conforming_strings") == 0 &&
            strcmp(value, "off") == 0)
            return refuse(s, value, "Use E'…' for strings with backslashes.", err);
        return r;
    }
    if (strcmp(s->name, "bytea_output") == 0 && strcasecmp(value, "hex") != 0)
        return refuse(s, value, "Byte strings are written in hex only.", err);
    if (ends_with(s->name, "_timeout") && weir_setting_milliseconds(value, &ms) < 0)
        return refuse(s, value, "Valid units are us, ms, s, min, h, d.", err);
    return 0;
}

int weir_setting_milliseconds(const char *text, int64_t *ret)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},        {"ms", 1},      {"us", 0.001},  {"s", 1000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || !(v >= 0 && v <= 2147483647.0))
        return -EINVAL;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ret = (int64_t)(v * units[i].factor + 0.5);
            return 0;
        }
    }
    return -EINVAL;
}
