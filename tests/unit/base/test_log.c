/* log: the two formats, what hostile values can do to a line, levels, the rate limit. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "failalloc.h"

typedef struct sink {
    char text[64 * 1024];
    size_t len, lines, longest;
    int64_t wall;
    weir_time now;
} sink;

static void sink_line(void *user, weir_slice line)
{
    sink *s = user;
    assert_true(line.len > 0 && line.data[line.len - 1] == '\n');
    assert_null(memchr(line.data, '\n', line.len - 1));
    s->lines++;
    s->longest = line.len > s->longest ? line.len : s->longest;
    if (line.len < sizeof(s->text) - s->len) {
        memcpy(s->text + s->len, line.data, line.len);
        s->len += line.len;
        s->text[s->len] = '\0';
    }
}

static int64_t sink_wall(void *user)
{
    return ((sink *)user)->wall;
}

static weir_time sink_now(void *user)
{
    return ((sink *)user)->now;
}

static void sink_clear(sink *s)
{
    s->len = s->lines = s->longest = 0;
    s->text[0] = '\0';
}

static weir_log *log_to(sink *s, weir_log_format format, unsigned lines_per_s_max)
{
    weir_log *log = NULL;
    const weir_log_options options = {
        .format = format,
        .level = WEIR_LOG_INFO,
        .lines_per_s_max = lines_per_s_max,
        .sink = sink_line,
        .wall_ns = sink_wall,
        .now = sink_now,
        .user = s,
    };
    memset(s, 0, sizeof(*s));
    s->wall = 1767323045678 * WEIR_MS; /* 2026-01-02T03:04:05.678Z */
    assert_int_equal(weir_log_new(&options, &log), 0);
    return log;
}

static void test_log_text_line_is_as_documented(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 0);
    weir_log_event(log, WEIR_LOG_POOL, WEIR_LOG_WARN, "acquire timed out", WEIR_F_STR("db", "app"),
                   WEIR_F_DURATION("wait", 5 * WEIR_SECOND), WEIR_F_INT("waiters", -3));
    assert_string_equal(s.text, "2026-01-02T03:04:05.678Z warn pool: acquire timed out db=app "
                                "wait=5.000s waiters=-3\n");
    sink_clear(&s);
    weir_log_event(log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO, "ready");
    assert_string_equal(s.text, "2026-01-02T03:04:05.678Z info gateway: ready\n");
    weir_log_free(log);
}

static void test_log_json_line_is_one_object(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_JSON, 0);
    weir_log_event(log, WEIR_LOG_POOL, WEIR_LOG_WARN, "acquire timed out",
                   WEIR_F_SLICE("db", WEIR_SLICE_LIT("a\"p\\p\n\x01")),
                   WEIR_F_DURATION("wait", 5 * WEIR_SECOND + 1), WEIR_F_INT("n", INT64_MIN),
                   WEIR_F_DURATION("limit", WEIR_TIME_NEVER));
    assert_string_equal(s.text,
                        "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"module\":"
                        "\"pool\",\"event\":\"acquire timed out\",\"db\":\"a\\\"p\\\\p\\n\\u0001\","
                        "\"wait\":5.000000001,\"n\":-9223372036854775808,\"limit\":null}\n");
    weir_log_free(log);
}

static void test_log_durations_have_the_unit_of_their_size(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 0);
    weir_log_event(log, WEIR_LOG_NET, WEIR_LOG_INFO, "t", WEIR_F_DURATION("a", 0),
                   WEIR_F_DURATION("b", 999), WEIR_F_DURATION("c", 250 * WEIR_US + 5),
                   WEIR_F_DURATION("d", 999999999), WEIR_F_DURATION("e", -WEIR_MS),
                   WEIR_F_DURATION("f", WEIR_TIME_NEVER), WEIR_F_DURATION("g", INT64_MIN));
    assert_non_null(strstr(s.text, " t a=0.000us b=0.999us c=250.005us d=999.999ms e=-1.000ms "
                                   "f=never g=-9223372036.854s\n"));
    weir_log_free(log);
}

static void test_log_time_is_civil_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *text;
    } known[] = {
        {0, "1970-01-01T00:00:00.000Z"},          {-1, "1969-12-31T23:59:59.000Z"},
        {951782400, "2000-02-29T00:00:00.000Z"},  {951868799, "2000-02-29T23:59:59.000Z"},
        {951868800, "2000-03-01T00:00:00.000Z"},  {1735689599, "2024-12-31T23:59:59.000Z"},
        {1735689600, "2025-01-01T00:00:00.000Z"}, {4107542399, "2100-02-28T23:59:59.000Z"},
        {4107542400, "2100-03-01T00:00:00.000Z"}, {-9214560000, "1678-01-01T00:00:00.000Z"},
    };
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 0);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        sink_clear(&s);
        s.wall = known[i].s * WEIR_SECOND;
        weir_log_event(log, WEIR_LOG_NET, WEIR_LOG_INFO, "t");
        assert_memory_equal(s.text, known[i].text, strlen(known[i].text));
    }
    sink_clear(&s);
    s.wall = -1;
    weir_log_event(log, WEIR_LOG_NET, WEIR_LOG_INFO, "t");
    assert_memory_equal(s.text, "1969-12-31T23:59:59.999Z", 24);
    weir_log_free(log);
}

static void check_value(weir_log_format format, weir_slice value, const char *wanted)
{
    sink s;
    weir_log *log = log_to(&s, format, 0);
    weir_log_event(log, WEIR_LOG_SQL, WEIR_LOG_INFO, "e", WEIR_F_SLICE("k", value));
    const char *found = strstr(s.text, format == WEIR_LOG_JSON ? "\"k\":" : "k=");
    assert_non_null(found);
    found += format == WEIR_LOG_JSON ? 4 : 2;
    assert_int_equal(strlen(found), strlen(wanted) + (format == WEIR_LOG_JSON ? 2 : 1));
    assert_memory_equal(found, wanted, strlen(wanted));
    weir_log_free(log);
}

/* Hazard: a client's bytes must not forge lines, colour a terminal or break a JSON reader. */
static void test_log_values_cannot_break_out_of_their_field(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text, *json;
    } table[] = {
        {"plain-1.2/x:y", "plain-1.2/x:y", "\"plain-1.2/x:y\""},
        {"", "\"\"", "\"\""},
        {"two words", "\"two words\"", "\"two words\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"say \"hi\" \\", "\"say \\\"hi\\\" \\\\\"", "\"say \\\"hi\\\" \\\\\""},
        {"x\r\n\tlevel=error", "\"x\\u000d\\n\\tlevel=error\"", "\"x\\u000d\\n\\tlevel=error\""},
        {"\x1b[31m\x7f", "\"\\u001b[31m\\u007f\"", "\"\\u001b[31m\\u007f\""},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x80\"",
         "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x80\""},
        {"\xc2\x9b[m", "\"\\u009b[m\"", "\"\\u009b[m\""},
        {"\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6", "\"\\u202e\\u2028\\u2066\"",
         "\"\\u202e\\u2028\\u2066\""},
        {"\xff\xc3", "\"\\xff\\xc3\"", "\"\\ufffd\\ufffd\""},
        {"\xc0\xaf", "\"\\xc0\\xaf\"", "\"\\ufffd\\ufffd\""},
        {"\xe0\x80\xaf", "\"\\xe0\\x80\\xaf\"", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        check_value(WEIR_LOG_TEXT, weir_slice_cstr(table[i].value), table[i].text);
        check_value(WEIR_LOG_JSON, weir_slice_cstr(table[i].value), table[i].json);
    }
    check_value(WEIR_LOG_TEXT, weir_slice_make("\0", 1), "\"\\u0000\"");
    check_value(WEIR_LOG_TEXT, weir_slice_make(NULL, 0), "\"\"");
}

static void test_log_long_values_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\xa6\x80"};
    for (size_t i = 0; i < 4; i++) {
        char value[2048], wanted[2048] = "\"";
        size_t width = strlen(characters[i]), fit = 1024 / width;
        for (size_t at = 0; at + width <= sizeof(value); at += width)
            memcpy(value + at, characters[i], width);
        memcpy(wanted + 1, value, fit * width);
        strcpy(wanted + 1 + fit * width, "...\"");
        check_value(WEIR_LOG_JSON, weir_slice_make(value, 2000), wanted);
        check_value(WEIR_LOG_TEXT, weir_slice_make(value, 2000), wanted);
    }
}

/* Balanced quotes and braces, whatever was cut: every line ends as a complete one does. */
static void test_log_long_lines_are_cut_and_still_complete(void **state)
{
    (void)state;
    static const char *const fills[] = {"a", "\x01", "\"", "\xff", "\xe2\x82\xac"};
    for (size_t f = 0; f < 5; f++) {
        for (size_t len = 0; len < 1300; len += 7) {
            sink s;
            char value[4096];
            size_t width = strlen(fills[f]);
            for (size_t i = 0; i < len; i++)
                memcpy(value + i * width % 4000, fills[f], width);
            weir_slice slice = weir_slice_make(value, len);
            weir_log *log = log_to(&s, WEIR_LOG_JSON, 0);
            weir_log_event(log, WEIR_LOG_SQL, WEIR_LOG_INFO, "e", WEIR_F_SLICE("a", slice),
                           WEIR_F_SLICE("b", slice), WEIR_F_INT("n", len), WEIR_F_SLICE("c", slice),
                           WEIR_F_SLICE("d", slice), WEIR_F_DURATION("t", 1));
            assert_true(s.longest <= 4096);
            bool cut = strstr(s.text, ",\"cut\":true}\n") != NULL;
            assert_int_equal(strstr(s.text, "\"t\":0.000000001}\n") == NULL, cut);
            size_t quotes = 0;
            for (const char *p = s.text; *p; p++) {
                if (*p == '\\')
                    p++;
                else
                    quotes += *p == '"';
            }
            assert_int_equal(quotes % 2, 0);
            weir_log_free(log);
        }
    }
}

static void test_log_lines_of_every_length_around_the_limit_fit(void **state)
{
    (void)state;
    static const weir_log_format formats[] = {WEIR_LOG_TEXT, WEIR_LOG_JSON};
    char value[1024];
    memset(value, ' ', sizeof(value)); /* quoted in text too */
    for (size_t f = 0; f < 2; f++) {
        for (size_t len = 0; len <= sizeof(value); len++) {
            sink s;
            weir_slice full = weir_slice_make(value, sizeof(value));
            weir_log *log = log_to(&s, formats[f], 0);
            weir_log_event(log, WEIR_LOG_SQL, WEIR_LOG_INFO, "e", WEIR_F_SLICE("a", full),
                           WEIR_F_SLICE("b", full), WEIR_F_SLICE("c", full),
                           WEIR_F_SLICE("d", weir_slice_make(value, len)), WEIR_F_SLICE("e", full),
                           WEIR_F_STR("f", "x"), WEIR_F_INT("g", 1));
            assert_int_equal(s.lines, 1);
            assert_true(s.longest <= 4096);
            assert_non_null(strstr(s.text, f ? ",\"cut\":true}\n" : " cut=true\n"));
            weir_log_free(log);
        }
    }
}

static void test_log_levels_are_per_module(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 0);
    assert_false(weir_log_enabled(log, WEIR_LOG_SQL, WEIR_LOG_DEBUG));
    assert_true(weir_log_enabled(log, WEIR_LOG_SQL, WEIR_LOG_INFO));
    weir_log_set_level(log, WEIR_LOG_SQL, WEIR_LOG_DEBUG);
    assert_true(weir_log_enabled(log, WEIR_LOG_SQL, WEIR_LOG_DEBUG));
    assert_false(weir_log_enabled(log, WEIR_LOG_POOL, WEIR_LOG_DEBUG));
    weir_log_event(log, WEIR_LOG_POOL, WEIR_LOG_DEBUG, "unseen");
    assert_int_equal(s.lines, 0);
    weir_log_set_all(log, WEIR_LOG_OFF);
    assert_false(weir_log_enabled(log, WEIR_LOG_SQL, WEIR_LOG_ERROR));
    assert_false(weir_log_enabled(log, WEIR_LOG_SQL, WEIR_LOG_OFF));
    assert_false(weir_log_enabled(NULL, WEIR_LOG_SQL, WEIR_LOG_ERROR));
    weir_log_event(NULL, WEIR_LOG_POOL, WEIR_LOG_ERROR, "nobody listens");
    weir_log_free(log);
    weir_log_free(NULL);
}

static void test_log_names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i <= WEIR_LOG_OFF; i++) {
        weir_log_level level;
        weir_slice name = weir_slice_cstr(weir_log_level_name((weir_log_level)i));
        assert_int_equal(weir_log_level_parse(name, &level), 0);
        assert_int_equal(level, i);
    }
    for (int i = 0; i < WEIR_LOG_MODULES; i++) {
        weir_log_module module;
        weir_slice name = weir_slice_cstr(weir_log_module_name((weir_log_module)i));
        assert_int_equal(weir_log_module_parse(name, &module), 0);
        assert_int_equal(module, i);
    }
    weir_log_level level = WEIR_LOG_WARN;
    weir_log_module module = WEIR_LOG_SQL;
    assert_int_equal(weir_log_level_parse(WEIR_SLICE_LIT("loud"), &level), -EINVAL);
    assert_int_equal(weir_log_module_parse(WEIR_SLICE_LIT(""), &module), -EINVAL);
    assert_int_equal(level, WEIR_LOG_WARN);
    assert_int_equal(module, WEIR_LOG_SQL);
}

static void write_lines(weir_log *log, weir_log_module module, int n)
{
    for (int i = 0; i < n; i++)
        weir_log_event(log, module, WEIR_LOG_ERROR, "storm", WEIR_F_INT("i", i));
}

/* Hazard: log volume under an error storm. */
static void test_log_storm_is_bounded_and_reported_once(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 10);
    s.now = -5 * WEIR_SECOND; /* monotonic clocks may start anywhere */
    write_lines(log, WEIR_LOG_AUTH, 1000);
    assert_int_equal(s.lines, 10);
    write_lines(log, WEIR_LOG_POOL, 3);
    assert_int_equal(s.lines, 13);
    s.now += WEIR_SECOND / 2; /* not recovered yet: silence until the bucket is full */
    write_lines(log, WEIR_LOG_AUTH, 10);
    assert_int_equal(s.lines, 13);
    s.now += WEIR_SECOND / 2;
    write_lines(log, WEIR_LOG_AUTH, 2);
    assert_int_equal(s.lines, 16);
    assert_non_null(strstr(s.text, " warn auth: suppressed 1000 lines\n"));
    weir_log_free(log);
    assert_int_equal(s.lines, 16);
}

static void test_log_endless_storm_stays_within_its_rate(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 10);
    for (int ms = 0; ms < 20000; ms++, s.now += WEIR_MS)
        write_lines(log, WEIR_LOG_AUTH, 1);
    assert_true(s.lines >= 90 && s.lines <= 10 * 20 + 10 + 20);
    weir_log_free(log);
    assert_true(s.lines <= 10 * 20 + 10 + 21);
}

static void test_log_silent_module_is_reported_by_another_or_at_the_end(void **state)
{
    (void)state;
    sink s;
    weir_log *log = log_to(&s, WEIR_LOG_TEXT, 1);
    write_lines(log, WEIR_LOG_AUTH, 3);
    s.now += 2 * WEIR_SECOND;
    write_lines(log, WEIR_LOG_NET, 2);
    assert_non_null(strstr(s.text, " warn auth: suppressed 2 lines\n"));
    assert_int_equal(s.lines, 3);
    weir_log_free(log);
    assert_non_null(strstr(s.text, " warn net: suppressed 1 lines\n"));
}

typedef struct counting {
    _Atomic uint64_t lines, bytes;
} counting;

static void count_line(void *user, weir_slice line)
{
    counting *c = user;
    atomic_fetch_add(&c->lines, 1);
    atomic_fetch_add(&c->bytes, line.len);
}

static int64_t standing_clock(void *user)
{
    (void)user;
    return 0;
}

static void *log_thread(void *user)
{
    for (int i = 0; i < 2000; i++) {
        weir_log_set_level(user, WEIR_LOG_SLOW, i % 2 ? WEIR_LOG_WARN : WEIR_LOG_INFO);
        write_lines(user, (weir_log_module)(i % WEIR_LOG_MODULES), 1);
    }
    return NULL;
}

static void test_log_threads_share_one_rate(void **state)
{
    (void)state;
    counting c = {0};
    const weir_log_options options = {
        .lines_per_s_max = 50,
        .sink = count_line,
        .wall_ns = standing_clock,
        .now = standing_clock,
        .user = &c,
    };
    weir_log *log = NULL;
    pthread_t threads[4];
    assert_int_equal(weir_log_new(&options, &log), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_thread, log), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(c.lines, 50 * WEIR_LOG_MODULES);
    weir_log_free(log);
    assert_int_equal(c.lines, 51 * WEIR_LOG_MODULES);
}

static void try_log(void *user)
{
    weir_log *log = NULL;
    int r = weir_log_new(user, &log);
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
    weir_log_event(log, WEIR_LOG_SQL, WEIR_LOG_ERROR, "needs no memory", WEIR_F_STR("s", "t"));
    weir_log_free(log);
}

static void test_log_survives_every_failed_allocation(void **state)
{
    (void)state;
    counting c = {0};
    weir_log_options options = {.sink = count_line, .wall_ns = standing_clock, .user = &c};
    assert_int_equal(weir_failalloc_each(10, try_log, &options), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_text_line_is_as_documented),
        cmocka_unit_test(test_log_json_line_is_one_object),
        cmocka_unit_test(test_log_durations_have_the_unit_of_their_size),
        cmocka_unit_test(test_log_time_is_civil_utc),
        cmocka_unit_test(test_log_values_cannot_break_out_of_their_field),
        cmocka_unit_test(test_log_long_values_are_cut_between_characters),
        cmocka_unit_test(test_log_long_lines_are_cut_and_still_complete),
        cmocka_unit_test(test_log_lines_of_every_length_around_the_limit_fit),
        cmocka_unit_test(test_log_levels_are_per_module),
        cmocka_unit_test(test_log_names_go_both_ways),
        cmocka_unit_test(test_log_storm_is_bounded_and_reported_once),
        cmocka_unit_test(test_log_endless_storm_stays_within_its_rate),
        cmocka_unit_test(test_log_silent_module_is_reported_by_another_or_at_the_end),
        cmocka_unit_test(test_log_threads_share_one_rate),
        cmocka_unit_test(test_log_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
