/* A date's and a time's text, field by field as PostgreSQL reads it (DecodeDateTime) where
 * DateStyle is ISO, MDY. What does not fit into four digits of a year is refused: dates are kept as
 * texts, which compare as such. */
#include "compat/moment_read.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "compat/fields.h"
#include "compat/values.h"

enum { HAS_YEAR = 1, HAS_MONTH = 2, HAS_DAY = 4, HAS_DATE = 7, HAS_TIME = 8, HAS_ZONE = 16 };

typedef enum word_kind {
    WORD_OTHER,
    WORD_NOTHING, /* at, on, a day of the week */
    WORD_MONTH,
    WORD_AM,
    WORD_PM,
    WORD_BC,
    WORD_AD,
    WORD_JULIAN,
    WORD_T,
    WORD_ALLBALLS,
    WORD_EPOCH,
    WORD_REFUSED
} word_kind;

typedef enum verdict { OK, MALFORMED, OVERFLOWS, NO_OFFSET, UNSUPPORTED } verdict;

typedef struct moment_reading {
    moment_text out;
    int year, month, day;
    unsigned has;
    bool short_year, month_named;
    word_kind half, before; /* am or pm; what the next number is */
} moment_reading;

static word_kind word_of(weir_slice word, int *ret_month)
{
    static const struct {
        const char *name;
        word_kind kind;
    } words[] = {{"am", WORD_AM},
                 {"pm", WORD_PM},
                 {"bc", WORD_BC},
                 {"ad", WORD_AD},
                 {"j", WORD_JULIAN},
                 {"jd", WORD_JULIAN},
                 {"julian", WORD_JULIAN},
                 {"t", WORD_T},
                 {"allballs", WORD_ALLBALLS},
                 {"epoch", WORD_EPOCH},
                 {"at", WORD_NOTHING},
                 {"on", WORD_NOTHING},
                 {"infinity", WORD_REFUSED},
                 {"inf", WORD_OTHER},
                 {"now", WORD_REFUSED},
                 {"today", WORD_REFUSED},
                 {"tomorrow", WORD_REFUSED},
                 {"yesterday", WORD_REFUSED},
                 {"dst", WORD_REFUSED},
                 {"d", WORD_REFUSED},
                 {"y", WORD_REFUSED},
                 {"h", WORD_REFUSED},
                 {"m", WORD_REFUSED},
                 {"mm", WORD_REFUSED},
                 {"s", WORD_REFUSED}};
    static const char *const months[] = {"january",   "february", "march",    "april",
                                         "may",       "june",     "july",     "august",
                                         "september", "october",  "november", "december"};
    static const char *const days[] = {"sunday", "sun",       "monday", "mon",  "tuesday",  "tue",
                                       "tues",   "wednesday", "wed",    "weds", "thursday", "thu",
                                       "thur",   "thurs",     "friday", "fri",  "saturday", "sat"};
    for (size_t i = 0; i < sizeof(months) / sizeof(months[0]); i++) {
        weir_slice name = weir_slice_cstr(months[i]);
        bool four = i == 8 && weir_slice_eq_nocase(word, "sept");
        if (!weir_ascii_eq(word, name) && !weir_ascii_eq(word, weir_slice_head(name, 3)) && !four)
            continue;
        *ret_month = (int)i + 1;
        return WORD_MONTH;
    }
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
        if (weir_slice_eq_nocase(word, days[i]))
            return WORD_NOTHING;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_slice_eq_nocase(word, words[i].name))
            return words[i].kind;
    return WORD_OTHER;
}

bool weir_zone_abbreviation(weir_slice name, int32_t *ret_offset)
{
    static const struct {
        const char *name;
        int16_t minutes;
    } known[] = {
        {"utc", 0},    {"gmt", 0},     {"z", 0},       {"zulu", 0},   {"ut", 0},     {"est", -300},
        {"edt", -240}, {"cst", -360},  {"cdt", -300},  {"mst", -420}, {"mdt", -360}, {"pst", -480},
        {"pdt", -420}, {"akst", -540}, {"akdt", -480}, {"hst", -600}, {"ast", -240}, {"adt", -180},
        {"nst", -210}, {"ndt", -150},  {"wet", 0},     {"west", 60},  {"bst", 60},   {"cet", 60},
        {"cest", 120}, {"met", 60},    {"mest", 120},  {"eet", 120},  {"eest", 180}, {"ist", 120},
        {"jst", 540},  {"kst", 540},   {"hkt", 480},   {"sgt", 480},  {"awst", 480}, {"acst", 570},
        {"aest", 600}, {"acdt", 630},  {"aedt", 660},  {"nzst", 720}, {"nzdt", 780}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (weir_slice_eq_nocase(name, known[i].name)) {
            *ret_offset = known[i].minutes * 60;
            return true;
        }
    }
    return false;
}

/* ---- parts ---- */

static int number_in(weir_slice s)
{
    int64_t n = 0;
    return weir_fields_take_number(&s, &n) ? (int)n : -1;
}

static verdict note(moment_reading *m, unsigned what)
{
    if (m->has & what)
        return MALFORMED;
    m->has |= what;
    return OK;
}

/* HHMM, HHMMSS, HHMMSS.f */
static verdict read_clock_digits(moment_reading *m, weir_slice s)
{
    size_t len = 0;
    int64_t fraction = 0;
    while (len < s.len && s.data[len] != '.')
        len++;
    weir_slice digits = weir_slice_head(s, len);
    if (len < s.len && !weir_fields_micros(weir_slice_skip(s, len), &fraction))
        return MALFORMED;
    if (len != 4 && len != 6)
        return MALFORMED;
    int h = number_in(weir_slice_head(digits, 2));
    int min = number_in(weir_slice_head(weir_slice_skip(digits, 2), 2));
    int sec = len == 6 ? number_in(weir_slice_skip(digits, 4)) : 0;
    if (min > 59 || sec > 60)
        return OVERFLOWS;
    m->out.us = ((h * INT64_C(60) + min) * 60 + sec) * 1000000 + fraction;
    return note(m, HAS_TIME);
}

/* YYMMDD, YYYYMMDD, or a time where there is a date. */
static verdict read_long(moment_reading *m, weir_slice s)
{
    bool point = memchr(s.data, '.', s.len) != NULL;
    if (point || (m->has & HAS_DATE) == HAS_DATE || s.len < 6)
        return m->has & HAS_TIME ? MALFORMED : read_clock_digits(m, s);
    m->year = number_in(weir_slice_head(s, s.len - 4));
    m->month = number_in(weir_slice_head(weir_slice_skip(s, s.len - 4), 2));
    m->day = number_in(weir_slice_skip(s, s.len - 2));
    m->short_year = s.len == 6;
    if (m->year < 0)
        return OVERFLOWS;
    return note(m, HAS_DATE);
}

/* The order is month, day, year, unless the year has three digits and comes first. */
static verdict read_short(moment_reading *m, weir_slice s)
{
    unsigned what = 0;
    bool year = s.len >= 3;
    int n = number_in(s);
    if (n < 0 || memchr(s.data, '.', s.len))
        return memchr(s.data, '.', s.len) ? read_long(m, s) : OVERFLOWS;
    if (s.len == 3 && (m->has & HAS_DATE) == HAS_YEAR && n >= 1 && n <= 366)
        return UNSUPPORTED; /* a day of the year */
    switch (m->has & HAS_DATE) {
    case 0:
        what = year ? HAS_YEAR : HAS_MONTH;
        break;
    case HAS_YEAR:
    case HAS_DAY:
        what = HAS_MONTH;
        break;
    case HAS_MONTH:
        what = m->month_named && year ? HAS_YEAR : HAS_DAY;
        break;
    case HAS_YEAR | HAS_MONTH:
        what = HAS_DAY;
        break;
    case HAS_MONTH | HAS_DAY:
        what = HAS_YEAR;
        break;
    default:
        return read_long(m, s);
    }
    if (what == HAS_YEAR)
        m->short_year = s.len <= 2;
    *(what == HAS_YEAR ? &m->year : what == HAS_MONTH ? &m->month : &m->day) = n;
    return note(m, what);
}

static verdict take_month(moment_reading *m, int month)
{
    if ((m->has & HAS_MONTH) && !m->month_named && !(m->has & HAS_DAY)) { /* 8 January 1999 */
        m->day = m->month;
        m->has = (m->has & ~(unsigned)HAS_MONTH) | HAS_DAY;
    }
    m->month = month;
    m->month_named = true;
    return note(m, HAS_MONTH);
}

/* One run of letters or of digits of a date; what is between them does not matter. */
static weir_slice take_part(weir_slice *s)
{
    size_t skip = 0, len = 0;
    while (skip < s->len && strchr("-/.+_:", s->data[skip]))
        skip++;
    *s = weir_slice_skip(*s, skip);
    bool digits = s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9';
    while (len < s->len && !strchr("-/.+_:", s->data[len]) &&
           (s->data[len] >= '0' && s->data[len] <= '9') == digits)
        len++;
    weir_slice part = weir_slice_head(*s, len);
    *s = weir_slice_skip(*s, len);
    return part;
}

/* 1999-01-08, 1/8/1999, 08-Jan-1999: the month's name first, wherever it stands. */
static verdict read_date(moment_reading *m, weir_slice s)
{
    verdict v = OK;
    for (int numbers = 0; v == OK && numbers < 2; numbers++) {
        weir_slice rest = s, part;
        while (v == OK && (part = take_part(&rest)).len > 0) {
            bool digits = part.data[0] >= '0' && part.data[0] <= '9';
            int month = 0;
            if (digits && numbers)
                v = read_short(m, part);
            if (digits || numbers)
                continue;
            word_kind kind = word_of(part, &month);
            v = kind == WORD_MONTH ? take_month(m, month) : kind == WORD_NOTHING ? OK : MALFORMED;
        }
    }
    return v == OK && (m->has & (HAS_DATE | HAS_TIME)) != HAS_DATE ? MALFORMED : v;
}

static verdict read_offset(moment_reading *m, const field *f)
{
    weir_slice s = f->text;
    int64_t part[3] = {0, 0, 0};
    bool joined = s.len > 2 && !memchr(s.data, ':', s.len);
    if (!weir_fields_take_number(&s, &part[0]))
        return MALFORMED;
    for (int i = 1; i < 3 && s.len > 0 && s.data[0] == ':'; i++) {
        s = weir_slice_skip(s, 1);
        if (!weir_fields_take_number(&s, &part[i]))
            return MALFORMED;
    }
    if (joined) {
        part[1] = part[0] % 100;
        part[0] /= 100;
    }
    if (s.len > 0)
        return MALFORMED;
    if (part[0] > 15 || part[1] > 59 || part[2] > 59)
        return NO_OFFSET;
    int64_t us = ((part[0] * 60 + part[1]) * 60 + part[2]) * 1000000;
    m->out.offset_us = f->minus ? -us : us;
    m->out.has_offset = true;
    return note(m, HAS_ZONE);
}

/* HHMMSS-HH */
static verdict read_west(moment_reading *m, weir_slice s)
{
    size_t len = 0;
    while (len < s.len && s.data[len] != '-')
        len++;
    verdict v = read_clock_digits(m, weir_slice_head(s, len));
    const field offset = {FIELD_SIGNED, true, weir_slice_skip(s, len < s.len ? len + 1 : len)};
    return v == OK ? read_offset(m, &offset) : v;
}

static verdict take_zone(moment_reading *m, weir_slice name)
{
    int32_t seconds = 0;
    if (weir_zone_abbreviation(name, &seconds)) {
        m->out.has_offset = true;
        m->out.offset_us = seconds * INT64_C(1000000);
    } else {
        m->out.zone = name;
    }
    return note(m, HAS_ZONE);
}

static verdict read_julian(moment_reading *m, weir_slice s)
{
    int64_t n = 0;
    m->before = WORD_OTHER;
    if (!weir_fields_take_number(&s, &n) || s.len > 0)
        return s.len > 0 && s.data[0] == '.' ? UNSUPPORTED : OVERFLOWS;
    if (n < 1721426 || n > 5373484)
        return UNSUPPORTED;
    weir_date_split((int32_t)(n - 2451545), &m->year, &m->month, &m->day);
    return note(m, HAS_DATE);
}

static verdict read_word(moment_reading *m, const field *f, bool last)
{
    int month = 0;
    word_kind kind = word_of(f->text, &month);
    switch (kind) {
    case WORD_NOTHING:
        return f->minus ? MALFORMED : OK;
    case WORD_MONTH:
        return take_month(m, month);
    case WORD_AM:
    case WORD_PM:
        m->half = kind;
        return OK;
    case WORD_AD:
        return OK;
    case WORD_BC:
        return (m->has & HAS_DATE) == HAS_DATE ? UNSUPPORTED : MALFORMED;
    case WORD_JULIAN:
    case WORD_T:
        m->before = kind;
        return last || (kind == WORD_T && (m->has & HAS_DATE) != HAS_DATE) ? MALFORMED : OK;
    case WORD_ALLBALLS:
        m->out.us = 0;
        m->out.has_offset = true;
        return note(m, HAS_TIME | HAS_ZONE);
    case WORD_EPOCH:
        m->year = 1970;
        m->month = m->day = 1;
        m->out.has_offset = true;
        return note(m, HAS_DATE | HAS_TIME | HAS_ZONE);
    case WORD_REFUSED:
        return UNSUPPORTED;
    default:
        return take_zone(m, f->text);
    }
}

static verdict read_number(moment_reading *m, weir_slice s)
{
    const uint8_t *point = memchr(s.data, '.', s.len);
    bool dated = (m->has & HAS_DATE) == HAS_DATE, timed = (m->has & HAS_TIME) != 0;
    if (m->before == WORD_JULIAN)
        return read_julian(m, s);
    if (m->before == WORD_T) {
        m->before = WORD_OTHER;
        return read_long(m, s);
    }
    if (point && !(m->has & HAS_DATE))
        return read_date(m, s);
    if ((point && (size_t)(point - s.data) > 2) || (!point && s.len >= 6 && (!dated || !timed)))
        return read_long(m, s);
    return read_short(m, s);
}

static verdict read_field(moment_reading *m, const field *f, bool last)
{
    int64_t us = 0;
    switch (f->kind) {
    case FIELD_DATE:
        if ((m->has & (HAS_MONTH | HAS_DAY)) != (HAS_MONTH | HAS_DAY) &&
            !(m->has == HAS_TIME && memchr(f->text.data, '/', f->text.len) &&
              (f->text.data[0] | 0x20) >= 'a'))
            return m->before == WORD_OTHER ? read_date(m, f->text) : UNSUPPORTED;
        m->before = WORD_OTHER;
        return (f->text.data[0] | 0x20) >= 'a' ? take_zone(m, f->text) : read_west(m, f->text);
    case FIELD_TIME:
        if (m->before != WORD_OTHER && m->before != WORD_T)
            return MALFORMED;
        m->before = WORD_OTHER;
        switch (weir_fields_time(f->text, false, &us)) {
        case FIELD_TIME_READ:
            m->out.us = us;
            return note(m, HAS_TIME);
        case FIELD_TIME_OVERFLOW:
            return OVERFLOWS;
        default:
            return MALFORMED;
        }
    case FIELD_SIGNED:
        return read_offset(m, f);
    case FIELD_NUMBER:
        return read_number(m, f->text);
    default:
        return read_word(m, f, last);
    }
}

/* ---- the whole ---- */

static verdict finish_time(moment_reading *m)
{
    int64_t hour = INT64_C(3600000000), hours = m->out.us / hour;
    if (m->half != WORD_OTHER && hours > 12)
        return OVERFLOWS;
    if (m->half == WORD_AM && hours == 12)
        m->out.us -= 12 * hour;
    if (m->half == WORD_PM && hours != 12)
        m->out.us += 12 * hour;
    return m->out.us > WEIR_USEC_PER_DAY ? OVERFLOWS : OK;
}

static verdict finish_date(moment_reading *m)
{
    if (m->short_year)
        m->year += m->year < 70 ? 2000 : 1900;
    if (m->year > 9999)
        return UNSUPPORTED;
    return weir_date_join(m->year, m->month, m->day, &m->out.days) ? OK : OVERFLOWS;
}

static verdict read_all(weir_slice s, moment_reading *m)
{
    field fields[FIELDS_MAX];
    size_t count = 0;
    verdict v = OK;
    if (!weir_fields_split(s, fields, &count))
        return MALFORMED;
    for (size_t i = 0; v == OK && i < count; i++)
        v = read_field(m, &fields[i], i + 1 == count);
    m->out.has_date = (m->has & HAS_DATE) == HAS_DATE;
    m->out.has_time = (m->has & HAS_TIME) != 0;
    if (v == OK && !m->out.has_date && (!m->out.has_time || (m->has & HAS_DATE)))
        v = MALFORMED;
    if (v == OK)
        v = finish_time(m);
    return v == OK && m->out.has_date ? finish_date(m) : v;
}

static int give_verdict(verdict v, weir_slice s, weir_error *err)
{
    static const struct {
        const char *state, *words;
    } errors[] = {[MALFORMED] = {"22007", "invalid input syntax for type date/time"},
                  [OVERFLOWS] = {"22008", "date/time field value out of range"},
                  [NO_OFFSET] = {"22009", "time zone displacement out of range"},
                  [UNSUPPORTED] = {"0A000", "weir: not a date or time that SQLite keeps"}};
    if (v == OK)
        return 0;
    weir_error_set(err, errors[v].state, "%s: \"%.*s\"", errors[v].words, WEIR_UTF8_QUOTED(s, 60));
    if (v == UNSUPPORTED)
        weir_error_hint(err, "Years are 1 to 9999, infinity is none; docs/sqlite.md says more.");
    return WEIR_COMPAT_REFUSED;
}

int weir_moment_read(weir_slice s, moment_text *ret, weir_error *err)
{
    moment_reading m = {0};
    verdict v = read_all(s, &m);
    if (v == OK)
        *ret = m.out;
    return give_verdict(v, s, err);
}

int weir_moment_read_time(weir_slice s, moment_text *ret, weir_error *err)
{
    moment_reading m = {0}, alone = {.has = HAS_DATE, .year = 2000, .month = 1, .day = 1};
    verdict v = read_all(s, &m);
    if (v == OK && !m.out.has_time)
        v = MALFORMED;
    if (v == MALFORMED && read_all(s, &alone) == OK && alone.out.has_time) { /* 040506 */
        m = alone;
        m.out.has_date = false;
        v = OK;
    }
    if (v == OK && !m.out.has_date && m.out.zone.len > 0)
        v = MALFORMED; /* how far it is depends on the day */
    if (v == OK)
        *ret = m.out;
    return give_verdict(v, s, err);
}
