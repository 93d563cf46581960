/* Which lines are written: the level of a module, then its token bucket. The bucket is one number,
 * the time at which it will be full again (`full_at`): a line moves that by 1/rate, and may pass
 * while it is less than a second away. After a refusal nothing passes until the bucket is full, so
 * that a storm is reported once per recovery and not once per line. All state is atomic; threads
 * that meet lose at most the exactness of one count. */
#include "base/log.h"

#include "base/log_line.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct module_state {
    _Atomic int level;
    _Atomic int64_t full_at;
    _Atomic uint64_t suppressed;
} module_state;

struct weir_log {
    weir_log_options options;
    weir_time interval; /* between lines at the maximal rate; 0: no limit */
    module_state modules[WEIR_LOG_MODULES];
};

static const char *const level_names[] = {
    [WEIR_LOG_DEBUG] = "debug", [WEIR_LOG_INFO] = "info", [WEIR_LOG_WARN] = "warn",
    [WEIR_LOG_ERROR] = "error", [WEIR_LOG_OFF] = "off",
};

static const char *const module_names[WEIR_LOG_MODULES] = {
    [WEIR_LOG_GATEWAY] = "gateway",   [WEIR_LOG_NET] = "net",       [WEIR_LOG_POOL] = "pool",
    [WEIR_LOG_POSTGRES] = "postgres", [WEIR_LOG_SQLITE] = "sqlite", [WEIR_LOG_CACHE] = "cache",
    [WEIR_LOG_SQL] = "sql",           [WEIR_LOG_AUTH] = "auth",     [WEIR_LOG_SLOW] = "slow",
    [WEIR_LOG_ADMIN] = "admin",       [WEIR_LOG_CONFIG] = "config",
};

int weir_log_new(const weir_log_options *options, weir_log **ret)
{
    assert(options->sink && options->wall_ns);
    assert(options->now || options->lines_per_s_max == 0);
    weir_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    log->options = *options;
    log->interval = options->lines_per_s_max ? WEIR_SECOND / options->lines_per_s_max : 0;
    for (int i = 0; i < WEIR_LOG_MODULES; i++)
        atomic_init(&log->modules[i].full_at, INT64_MIN);
    weir_log_set_all(log, options->level);
    *ret = log;
    return 0;
}

void weir_log_set_level(weir_log *log, weir_log_module module, weir_log_level level)
{
    assert(module < WEIR_LOG_MODULES && level <= WEIR_LOG_OFF);
    atomic_store_explicit(&log->modules[module].level, (int)level, memory_order_relaxed);
}

void weir_log_set_all(weir_log *log, weir_log_level level)
{
    for (int i = 0; i < WEIR_LOG_MODULES; i++)
        weir_log_set_level(log, (weir_log_module)i, level);
}

int weir_log_enabled(const weir_log *log, weir_log_module module, weir_log_level level)
{
    assert(module < WEIR_LOG_MODULES);
    if (!log || level >= WEIR_LOG_OFF)
        return 0;
    return (int)level >= atomic_load_explicit(&log->modules[module].level, memory_order_relaxed);
}

static void emit(weir_log *log, weir_log_module module, weir_log_level level, const char *event,
                 const weir_log_field *fields)
{
    weir_log_line line;
    weir_log_line_init(&line, log->options.format, log->options.wall_ns(log->options.user),
                       level_names[level], module_names[module], event);
    for (; fields && fields->type != WEIR_LOG_END; fields++)
        weir_log_line_field(&line, fields);
    log->options.sink(log->options.user, weir_log_line_finish(&line));
}

/* Takes the count, so that one thread reports it. */
static void report_suppressed(weir_log *log, weir_log_module module)
{
    module_state *m = &log->modules[module];
    uint64_t n = atomic_exchange_explicit(&m->suppressed, 0, memory_order_relaxed);
    if (n == 0)
        return;
    char event[64];
    snprintf(event, sizeof(event), "suppressed %" PRIu64 " lines", n);
    emit(log, module, WEIR_LOG_WARN, event, NULL);
}

/* Those whose bucket is full again. A module that fell silent is reported when any other speaks. */
static void report_recovered(weir_log *log, weir_time now)
{
    for (int i = 0; i < WEIR_LOG_MODULES; i++) {
        module_state *m = &log->modules[i];
        if (atomic_load_explicit(&m->suppressed, memory_order_relaxed) > 0 &&
            atomic_load_explicit(&m->full_at, memory_order_relaxed) <= now)
            report_suppressed(log, (weir_log_module)i);
    }
}

/* Takes a token, or counts the line as suppressed. */
static bool take_token(weir_log *log, module_state *m, weir_time now)
{
    int64_t full_at = atomic_load_explicit(&m->full_at, memory_order_relaxed), next;
    do {
        int64_t from = full_at > now ? full_at : now;
        bool storm = atomic_load_explicit(&m->suppressed, memory_order_relaxed) > 0;
        next = from + log->interval;
        if (storm || next - now > WEIR_SECOND) {
            atomic_fetch_add_explicit(&m->suppressed, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&m->full_at, &full_at, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void weir_log_write(weir_log *log, weir_log_module module, weir_log_level level, const char *event,
                    const weir_log_field *fields)
{
    if (!weir_log_enabled(log, module, level))
        return;
    if (log->interval > 0) {
        weir_time now = log->options.now(log->options.user);
        report_recovered(log, now);
        if (!take_token(log, &log->modules[module], now))
            return;
    }
    emit(log, module, level, event, fields);
}

void weir_log_free(weir_log *log)
{
    if (!log)
        return;
    for (int i = 0; i < WEIR_LOG_MODULES; i++)
        report_suppressed(log, (weir_log_module)i);
    free(log);
}

/* The index of `name`, or -EINVAL. */
static int find_name(const char *const *names, int len, weir_slice name)
{
    for (int i = 0; i < len; i++)
        if (weir_slice_eq_cstr(name, names[i]))
            return i;
    return -EINVAL;
}

int weir_log_level_parse(weir_slice name, weir_log_level *ret)
{
    int i = find_name(level_names, WEIR_LOG_OFF + 1, name);
    if (i < 0)
        return i;
    *ret = (weir_log_level)i;
    return 0;
}

const char *weir_log_level_name(weir_log_level level)
{
    assert(level <= WEIR_LOG_OFF);
    return level_names[level];
}

int weir_log_module_parse(weir_slice name, weir_log_module *ret)
{
    int i = find_name(module_names, WEIR_LOG_MODULES, name);
    if (i < 0)
        return i;
    *ret = (weir_log_module)i;
    return 0;
}

const char *weir_log_module_name(weir_log_module module)
{
    assert(module < WEIR_LOG_MODULES);
    return module_names[module];
}
