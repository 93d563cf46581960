/* Structured log records: one line each, as text or JSON, a level per module, rate-limited per
 * module, with fields as key=value pairs. The log does not write: it gives finished lines to a
 * sink. Secrets are never given to it. Thread-safe: lines are built on the caller's stack and the
 * sink is called once per line. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"

typedef enum weir_log_level {
    WEIR_LOG_DEBUG,
    WEIR_LOG_INFO,
    WEIR_LOG_WARN,
    WEIR_LOG_ERROR,
    WEIR_LOG_OFF
} weir_log_level;

typedef enum weir_log_format { WEIR_LOG_TEXT, WEIR_LOG_JSON } weir_log_format;

/* The modules that log; each has a level of its own (configuration log.level, log.modules). */
typedef enum weir_log_module {
    WEIR_LOG_GATEWAY,
    WEIR_LOG_NET,
    WEIR_LOG_POOL,
    WEIR_LOG_POSTGRES,
    WEIR_LOG_SQLITE,
    WEIR_LOG_CACHE,
    WEIR_LOG_SQL,
    WEIR_LOG_AUTH,
    WEIR_LOG_SLOW,
    WEIR_LOG_ADMIN,
    WEIR_LOG_CONFIG,
    WEIR_LOG_MODULES
} weir_log_module;

typedef struct weir_log weir_log;

typedef struct weir_log_options {
    weir_log_format format;
    weir_log_level level;     /* of every module, until set otherwise */
    unsigned lines_per_s_max; /* per module; what is over is counted and reported in one line; 0: no
                                 limit */
    void (*sink)(void *user, weir_slice line); /* the line ends with '\n' */
    int64_t (*wall_ns)(void *user);            /* for the time stamp (UTC, RFC 3339, ms) */
    weir_time (*now)(void *user);              /* monotonic, for the rate */
    void *user;
} weir_log_options;

WEIR_MUST_CHECK int weir_log_new(const weir_log_options *options, weir_log **ret);
/* Reports lines that were suppressed and not yet reported. */
void weir_log_free(weir_log *log);
void weir_log_set_level(weir_log *log, weir_log_module module, weir_log_level level);
void weir_log_set_all(weir_log *log, weir_log_level level);
/* A cheap test, so that building a record's fields can be skipped. NULL log: false. */
int weir_log_enabled(const weir_log *log, weir_log_module module, weir_log_level level);

/* One field. Values are escaped for the format; control characters never reach the sink raw. */
typedef struct weir_log_field {
    const char *key;
    enum { WEIR_LOG_END, WEIR_LOG_STR, WEIR_LOG_SLICE, WEIR_LOG_INT, WEIR_LOG_DURATION } type;
    union {
        const char *str;
        weir_slice slice;
        int64_t number; /* an integer, or nanoseconds */
    } u;
} weir_log_field;

#define WEIR_F_STR(k, v) ((weir_log_field){.key = (k), .type = WEIR_LOG_STR, .u.str = (v)})
#define WEIR_F_SLICE(k, v) ((weir_log_field){.key = (k), .type = WEIR_LOG_SLICE, .u.slice = (v)})
#define WEIR_F_INT(k, v)                                                                           \
    ((weir_log_field){.key = (k), .type = WEIR_LOG_INT, .u.number = (int64_t)(v)})
#define WEIR_F_DURATION(k, v)                                                                      \
    ((weir_log_field){.key = (k), .type = WEIR_LOG_DURATION, .u.number = (v)})

/* A record: the event in a few words, then the fields, ended by one of type WEIR_LOG_END. Values
 * over 1 KiB are cut; a record over 4 KiB is cut. NULL log: nothing. */
void weir_log_write(weir_log *log, weir_log_module module, weir_log_level level, const char *event,
                    const weir_log_field *fields);

/* weir_log_event(log, WEIR_LOG_POOL, WEIR_LOG_WARN, "acquire timed out", WEIR_F_STR("db", name)) */
#define weir_log_event(log, module, level, event, ...)                                             \
    weir_log_write((log), (module), (level), (event),                                              \
                   (const weir_log_field[]){__VA_ARGS__ __VA_OPT__(, ){.type = WEIR_LOG_END}})

/* "debug", "info", "warn", "error", "off"; -EINVAL for another. */
WEIR_MUST_CHECK int weir_log_level_parse(weir_slice name, weir_log_level *ret);
const char *weir_log_level_name(weir_log_level level);
WEIR_MUST_CHECK int weir_log_module_parse(weir_slice name, weir_log_module *ret);
const char *weir_log_module_name(weir_log_module module);

#endif
