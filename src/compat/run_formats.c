/* to_char(timestamp, text) and to_date(text, text): the templates of PostgreSQL's documentation,
 * table 9.27, in English. A letter that begins no template stands for itself, as there; what has a
 * template there and none here is refused. */
#include "base/ascii.h"
#include "compat/run_moments.h"

/* ---- to_char ---- */

static bool take_word(weir_slice *s, const char *word)
{
    if (!weir_slice_begins(*s, word))
        return false;
    *s = weir_slice_skip(*s, strlen(word));
    return true;
}

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                   "Friday", "Saturday", "Sunday"};

/* What templates are of. */
typedef enum moment_part {
    YEAR,
    ISO_YEAR,
    ISO_WEEK,
    MONTH,
    DAY,
    WEEKDAY, /* 0: Monday */
    DAY_OF_YEAR,
    HOUR,
    SECOND, /* of the day */
    MICROSECOND,
    JULIAN_DAY,
    MOMENT_PARTS
} moment_part;

static void read_parts(int64_t us, const run_fields *f, int64_t ret[MOMENT_PARTS])
{
    int iso_year = 0, week = run_moment_iso_week(us, &iso_year);
    int32_t day = run_moment_day_of(us);
    ret[YEAR] = f->year;
    ret[ISO_YEAR] = iso_year;
    ret[ISO_WEEK] = week;
    ret[MONTH] = f->month;
    ret[DAY] = f->day;
    ret[WEEKDAY] = ((day + 5) % 7 + 7) % 7;
    ret[DAY_OF_YEAR] = run_moment_day_of_year(us);
    ret[HOUR] = f->us / 3600000000;
    ret[SECOND] = f->us / 1000000;
    ret[MICROSECOND] = f->us % 1000000;
    ret[JULIAN_DAY] = day + 2451545;
}

/* Names, in the case that the template's first two letters say. `width`: with blanks to that. */
typedef struct name_template {
    const char *word;
    bool day, brief;
} name_template;

static int put_cased(weir_buf *out, const char *name, const char *word, bool brief, bool padded)
{
    size_t len = brief ? 3 : strlen(name);
    bool upper = word[1] >= 'A' && word[1] <= 'Z', lower = word[0] >= 'a';
    int r = 0;
    for (size_t i = 0; r == 0 && i < len; i++) {
        uint8_t c = weir_ascii_lower((uint8_t)name[i]);
        bool big = upper || (i == 0 && !lower);
        r = weir_buf_append_u8(out, big ? (uint8_t)(c - 'a' + 'A') : c);
    }
    for (size_t i = len; r == 0 && padded && !brief && i < 9; i++)
        r = weir_buf_append_u8(out, ' ');
    return r;
}

/* 1: written; 0: it is no name. */
static int put_name(weir_slice *format, const int64_t *parts, bool fill, weir_buf *out)
{
    static const name_template names[] = {
        {"MONTH", false, false}, {"Month", false, false}, {"month", false, false},
        {"MON", false, true},    {"Mon", false, true},    {"mon", false, true},
        {"DAY", true, false},    {"Day", true, false},    {"day", true, false},
        {"DY", true, true},      {"Dy", true, true},      {"dy", true, true}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!take_word(format, names[i].word))
            continue;
        const char *name = names[i].day ? days[parts[WEEKDAY]] : months[parts[MONTH] - 1];
        int r = put_cased(out, name, names[i].word, names[i].brief, !fill);
        return r == 0 ? 1 : r;
    }
    return 0;
}

static int put_half(weir_slice *format, bool morning, weir_buf *out)
{
    static const char *const words[] = {"A.M.", "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (take_word(format, words[i])) {
            int r = weir_buf_append(out, weir_slice_cstr(words[i - i % 2 + (morning ? 0 : 1)]));
            return r == 0 ? 1 : r;
        }
    return 0;
}

static const char *ordinal(int64_t n, bool upper)
{
    static const char *const endings[][2] = {
        {"th", "TH"}, {"st", "ST"}, {"nd", "ND"}, {"rd", "RD"}};
    bool teen = n / 10 % 10 == 1;
    return endings[!teen && n % 10 < 4 ? n % 10 : 0][upper];
}

/* Behind a number. */
static int put_number(weir_slice *format, int64_t value, int width, bool fill, weir_buf *out)
{
    int r = weir_buf_printf(out, "%0*lld", fill ? 0 : width, (long long)value);
    bool upper = weir_slice_begins(*format, "TH");
    if (r == 0 && (take_word(format, "TH") || take_word(format, "th")))
        r = weir_buf_append(out, weir_slice_cstr(ordinal(value, upper)));
    return r == 0 ? 1 : r;
}

/* (part + before) / by % modulus + behind; modulus 0: none. */
typedef struct number_template {
    const char *upper, *lower;
    moment_part part;
    int before, by, modulus, behind;
    int width;
} number_template;

/* Either all capitals or all small letters; longer ones before what they begin with. */
static int put_value(weir_slice *format, const int64_t *parts, bool fill, weir_buf *out)
{
    static const number_template numbers[] = {{"YYYY", "yyyy", YEAR, 0, 1, 0, 0, 4},
                                              {"YYY", "yyy", YEAR, 0, 1, 1000, 0, 3},
                                              {"YY", "yy", YEAR, 0, 1, 100, 0, 2},
                                              {"Y", "y", YEAR, 0, 1, 10, 0, 1},
                                              {"IYYY", "iyyy", ISO_YEAR, 0, 1, 0, 0, 4},
                                              {"IYY", "iyy", ISO_YEAR, 0, 1, 1000, 0, 3},
                                              {"IY", "iy", ISO_YEAR, 0, 1, 100, 0, 2},
                                              {"IW", "iw", ISO_WEEK, 0, 1, 0, 0, 2},
                                              {"ID", "id", WEEKDAY, 0, 1, 0, 1, 1},
                                              {"I", "i", ISO_YEAR, 0, 1, 10, 0, 1},
                                              {"MM", "mm", MONTH, 0, 1, 0, 0, 2},
                                              {"MI", "mi", SECOND, 0, 60, 60, 0, 2},
                                              {"MS", "ms", MICROSECOND, 0, 1000, 0, 0, 3},
                                              {"DDD", "ddd", DAY_OF_YEAR, 0, 1, 0, 0, 3},
                                              {"DD", "dd", DAY, 0, 1, 0, 0, 2},
                                              {"D", "d", WEEKDAY, 1, 1, 7, 1, 1},
                                              {"HH24", "hh24", HOUR, 0, 1, 0, 0, 2},
                                              {"HH12", "hh12", HOUR, 11, 1, 12, 1, 2},
                                              {"HH", "hh", HOUR, 11, 1, 12, 1, 2},
                                              {"SSSSS", "sssss", SECOND, 0, 1, 0, 0, 1},
                                              {"SSSS", "ssss", SECOND, 0, 1, 0, 0, 1},
                                              {"SS", "ss", SECOND, 0, 1, 60, 0, 2},
                                              {"US", "us", MICROSECOND, 0, 1, 0, 0, 6},
                                              {"WW", "ww", DAY_OF_YEAR, -1, 7, 0, 1, 2},
                                              {"W", "w", DAY, -1, 7, 0, 1, 1},
                                              {"Q", "q", MONTH, -1, 3, 0, 1, 1},
                                              {"J", "j", JULIAN_DAY, 0, 1, 0, 0, 1},
                                              {"CC", "cc", YEAR, 99, 100, 0, 0, 2}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const number_template *n = &numbers[i];
        if (!take_word(format, n->upper) && !take_word(format, n->lower))
            continue;
        int64_t value = (parts[n->part] + n->before) / n->by;
        value = (n->modulus ? value % n->modulus : value) + n->behind;
        return put_number(format, value, n->width, fill, out);
    }
    return 0;
}

/* Templates that are not done here. */
static bool is_refused(weir_slice format)
{
    static const char *const words[] = {"Y,YYY", "y,yyy", "IDDD", "iddd", "BC",   "bc", "B.C.",
                                        "b.c.",  "AD",    "ad",   "A.D.", "a.d.", "TZ", "tz",
                                        "OF",    "of",    "RM",   "rm",   "FF",   "ff", "TM",
                                        "tm",    "SP",    "sp",   "FX",   "fx"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_slice_begins(format, words[i]))
            return true;
    return false;
}

static int put_quoted(weir_slice *format, weir_buf *out)
{
    int r = 0;
    weir_slice s = weir_slice_skip(*format, 1);
    while (r == 0 && s.len > 0 && s.data[0] != '"') {
        if (s.data[0] == '\\' && s.len > 1)
            s = weir_slice_skip(s, 1);
        r = weir_buf_append_u8(out, s.data[0]);
        s = weir_slice_skip(s, 1);
    }
    *format = s.len > 0 ? weir_slice_skip(s, 1) : s;
    return r;
}

static int put_plain(weir_slice *format, weir_buf *out)
{
    if (format->data[0] == '"')
        return put_quoted(format, out);
    if (weir_slice_begins(*format, "\\\""))
        *format = weir_slice_skip(*format, 1);
    int r = weir_buf_append_u8(out, format->data[0]);
    *format = weir_slice_skip(*format, 1);
    return r;
}

static int call_to_char(RUN_ARGS)
{
    int64_t us = 0, parts[MOMENT_PARTS];
    run_fields f;
    if (run_any_null(args, count))
        return 0;
    weir_slice format = run_bytes_of(&args[1]);
    int r = run_moment_read_moment(&args[0], &us, err);
    run_moment_split(us, &f);
    read_parts(us, &f, parts);
    while (r == 0 && format.len > 0) {
        bool fill = take_word(&format, "FM") || take_word(&format, "fm");
        if (is_refused(format))
            return run_refuse(err, "0A000",
                              "weir: this pattern of to_char is not supported on SQLite");
        r = put_name(&format, parts, fill, out);
        if (r == 0)
            r = put_half(&format, parts[HOUR] < 12, out);
        if (r == 0)
            r = put_value(&format, parts, fill, out);
        if (r == 0 && format.len > 0)
            r = put_plain(&format, out);
        r = r > 0 ? 0 : r;
    }
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* ---- to_date ---- */

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A run of what is neither letter nor digit, without blanks, into `ret`; true: of four at most. */
static bool take_separators(weir_slice *s, char ret[5])
{
    size_t len = 0;
    for (; s->len > 0 && !is_letter_or_digit(s->data[0]); *s = weir_slice_skip(*s, 1)) {
        if (s->data[0] == ' ' || s->data[0] == '\t')
            continue;
        if (len == 4)
            return false;
        ret[len++] = (char)s->data[0];
    }
    ret[len] = '\0';
    return true;
}

/* Blanks count for nothing, and one separator is as good as another. */
static bool skip_separators(weir_slice *s, weir_slice *format)
{
    char wanted[5], found[5];
    if (!take_separators(format, wanted) || !take_separators(s, found))
        return false;
    return strcmp(wanted, found) == 0 || (strlen(wanted) == 1 && strlen(found) == 1);
}

static int take_field(weir_slice *s, size_t width, int *ret)
{
    size_t n = 0;
    for (*ret = 0; n < width && s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9'; n++) {
        *ret = *ret * 10 + (s->data[0] - '0');
        *s = weir_slice_skip(*s, 1);
    }
    return n > 0 ? 0 : -EINVAL;
}

static int call_to_date(RUN_ARGS)
{
    run_fields f = {0, 1, 1, 0};
    int64_t us = 0;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = run_bytes_of(&args[0]), format = run_bytes_of(&args[1]);
    while (format.len > 0 && s.len > 0) {
        int *to = take_word(&format, "YYYY") || take_word(&format, "yyyy") ? &f.year
                  : take_word(&format, "MM") || take_word(&format, "mm")   ? &f.month
                  : take_word(&format, "DD") || take_word(&format, "dd")   ? &f.day
                                                                           : NULL;
        bool known = to || !(is_letter_or_digit(format.data[0]) || format.data[0] == '"');
        if (!known || (!to && !skip_separators(&s, &format)))
            return run_refuse(err, "0A000",
                              "weir: this pattern of to_date is not supported on SQLite");
        while (to && s.len > 0 && s.data[0] == ' ')
            s = weir_slice_skip(s, 1);
        if (to && s.len > 0 && take_field(&s, to == &f.year ? 4 : 2, to) < 0) {
            weir_error_set(err, "22007", "invalid value for a field of to_date");
            return WEIR_COMPAT_REFUSED;
        }
    }
    if (f.year == 0)
        return run_refuse(err, "0A000", "weir: years before 1 are not supported on SQLite");
    if (f.month < 1 || f.month > 12 || !run_moment_join(&f, &us))
        return run_refuse(err, "22008", "date/time field value out of range");
    return run_moment_give_date(run_moment_day_of(us), out, ret, err);
}

const weir_face_function weir_face_formats[] = {
    {.name = "weir_to_char", .args = 2, .pure = true, .call = call_to_char},
    {.name = "weir_to_date", .args = 2, .pure = true, .call = call_to_date},
    {.name = NULL},
};
