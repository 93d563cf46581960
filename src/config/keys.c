/* The table of keys: path, type, unit, default, bounds, reload behaviour, one sentence each. The
 * parser, the printer, --set, the environment and docs/configuration.md are all made of it.
 *
 * Order: root, pool, database, user, rule; config_key_range relies on it. */
#include "config/keys.h"
#include "config/draft.h"

#define ROOT(field)                                                                                \
    .scope = KEY_OF_ROOT, .offset = offsetof(weir_config, field),                                  \
    .width = sizeof(((weir_config *)NULL)->field)
#define POOL(field)                                                                                \
    .scope = KEY_OF_POOL, .offset = offsetof(weir_config_pool, field),                             \
    .width = sizeof(((weir_config_pool *)NULL)->field)
#define RULE(field)                                                                                \
    .scope = KEY_OF_RULE, .offset = offsetof(weir_config_cache_rule, field),                       \
    .width = sizeof(((weir_config_cache_rule *)NULL)->field)

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HOUR (3600 * (uint64_t)WEIR_SECOND)
#define DAY (24 * HOUR)

static const key_choice pool_presets[] = {
    {"none", WEIR_CONFIG_PRESET_NONE, false},
    {"high-traffic", WEIR_CONFIG_PRESET_HIGH_TRAFFIC, false},
    {"low-latency", WEIR_CONFIG_PRESET_LOW_LATENCY, false},
    {NULL, 0, false},
};
static const key_choice pool_modes[] = {
    {"transaction", WEIR_CONFIG_POOL_TRANSACTION, false},
    {"session", WEIR_CONFIG_POOL_SESSION, false},
    {NULL, 0, false},
};
static const key_choice auth_methods[] = {
    {"trust", WEIR_CONFIG_AUTH_TRUST, false},
    {"password", WEIR_CONFIG_AUTH_PASSWORD, false},
    {"md5", WEIR_CONFIG_AUTH_MD5, false},
    {"scram", WEIR_CONFIG_AUTH_SCRAM, false},
    {"scram-sha-256", WEIR_CONFIG_AUTH_SCRAM, true},
    {NULL, 0, false},
};
static const key_choice log_levels[] = {
    {"debug", WEIR_LOG_DEBUG, false}, {"info", WEIR_LOG_INFO, false},
    {"warn", WEIR_LOG_WARN, false},   {"error", WEIR_LOG_ERROR, false},
    {"off", WEIR_LOG_OFF, false},     {NULL, 0, false},
};
static const key_choice log_formats[] = {
    {"text", WEIR_LOG_TEXT, false},
    {"json", WEIR_LOG_JSON, false},
    {NULL, 0, false},
};
static const key_choice synchronous_levels[] = {
    {"full", true, false},
    {"normal", false, false},
    {NULL, 0, false},
};
static const key_choice granularities[] = {
    {"row", false, false},
    {"table", true, false},
    {NULL, 0, false},
};
static const key_choice cache_policies[] = {
    {"s3-fifo", WEIR_CONFIG_S3FIFO, false},
    {"lru", WEIR_CONFIG_LRU, false},
    {"lfu", WEIR_CONFIG_LFU, false},
    {"adaptive", WEIR_CONFIG_ADAPTIVE, false},
    {NULL, 0, false},
};
static const key_choice consistencies[] = {
    {"strict", WEIR_CONFIG_STRICT, false},
    {"session", WEIR_CONFIG_OF_SESSION, false},
    {"bounded", WEIR_CONFIG_BOUNDED, false},
    {NULL, 0, false},
};
static const key_choice rule_flags[] = {
    {"true", WEIR_CONFIG_RULE_CACHE, false},
    {"false", WEIR_CONFIG_RULE_BYPASS, false},
    {"yes", WEIR_CONFIG_RULE_CACHE, true},
    {"no", WEIR_CONFIG_RULE_BYPASS, true},
    {"on", WEIR_CONFIG_RULE_CACHE, true},
    {"off", WEIR_CONFIG_RULE_BYPASS, true},
    {NULL, 0, false},
};

#define LOG_MODULE(name, module)                                                                   \
    {                                                                                              \
        .path = "log.modules." name, .type = KEY_CHOICE, ROOT(log.modules[module]),                \
        .choices = log_levels, .fallback_words = "log.level", .reloadable = true,                  \
        .doc = "Level of the module `" name "` alone."                                             \
    }

static const config_key keys[] = {
    {.path = "listen",
     .type = KEY_LISTEN,
     .scope = KEY_OF_ROOT,
     .fallback = "127.0.0.1:6432",
     .doc =
         "Where clients connect: one address or a list of `host:port`, `[::1]:port`, `*:port` or "
         "`/path/socket`; port 0 picks a free one."},
    {.path = "admin.listen",
     .type = KEY_ADDRESS,
     ROOT(admin),
     .fallback = "127.0.0.1:8432",
     .doc = "Where the admin HTTP interface listens; `off` switches it off; `admin: host:port` is "
            "short for it."},
    {.path = "admin.token",
     .type = KEY_SECRET,
     .scope = KEY_OF_ROOT,
     .fallback_words = "none",
     .doc = "Bearer token for whatever changes state over admin HTTP, and for all of it beyond "
            "loopback."},
    {.path = "admin.token_file",
     .type = KEY_SECRET,
     .scope = KEY_OF_ROOT,
     .fallback_words = "none",
     .doc = "File that holds the admin token."},
    {.path = "admin.token_env",
     .type = KEY_SECRET,
     .scope = KEY_OF_ROOT,
     .fallback_words = "none",
     .doc = "Environment variable that holds the admin token."},
    {.path = "workers",
     .type = KEY_COUNT,
     ROOT(workers),
     .fallback = "0",
     .max = 1024,
     .doc = "Threads that serve clients; 0: one per core."},
    {.path = "memory.max",
     .type = KEY_SIZE,
     ROOT(memory_max),
     .fallback = "512MiB",
     .min = 16 * MIB,
     .max = 16384 * GIB,
     .doc = "Cap over all memory of clients, servers, results and templates; beyond it new work is "
            "refused and old work kept."},
    {.path = "auth.method",
     .type = KEY_CHOICE,
     ROOT(auth),
     .choices = auth_methods,
     .fallback_words = "scram with users, else trust on loopback and UNIX sockets",
     .reloadable = true,
     .doc = "How clients prove who they are."},

    {.path = "limits.clients",
     .type = KEY_COUNT,
     ROOT(limits.clients),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .reloadable = true,
     .doc = "Clients at a time; one more is refused with 53300."},
    {.path = "limits.message_size",
     .type = KEY_SIZE,
     ROOT(limits.message_size),
     .fallback = "256MiB",
     .min = 64 * KIB,
     .max = 1023 * MIB,
     .reloadable = true,
     .doc = "Largest message a client may send."},
    {.path = "limits.rows",
     .type = KEY_COUNT,
     ROOT(limits.rows),
     .fallback = "0",
     .max = INT64_MAX,
     .doc = "Most rows of one result; 0: no limit."},
    {.path = "limits.result_size",
     .type = KEY_SIZE,
     ROOT(limits.result_size),
     .fallback = "0",
     .max = 16384 * GIB,
     .reloadable = true,
     .doc = "Most bytes of one result of SQLite; 0: no limit."},
    {.path = "limits.templates",
     .type = KEY_COUNT,
     ROOT(limits.templates),
     .fallback = "5000",
     .min = 100,
     .max = 1000000,
     .doc = "Statement templates remembered, with their statistics; the least used are forgotten."},
    {.path = "limits.prepared",
     .type = KEY_COUNT,
     ROOT(limits.prepared),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .reloadable = true,
     .doc = "Prepared statements of one client; one more is refused."},
    {.path = "limits.prepared_per_server",
     .type = KEY_COUNT,
     ROOT(limits.prepared_server),
     .fallback = "200",
     .min = 1,
     .max = 100000,
     .doc =
         "Prepared statements kept on one server connection; the least recently used is closed."},

    {.path = "timeouts.connect",
     .type = KEY_DURATION,
     ROOT(timeouts.connect),
     .fallback = "5s",
     .min = WEIR_MS,
     .max = HOUR,
     .doc = "Longest wait for a connection to a server, its login included."},
    {.path = "timeouts.login",
     .type = KEY_DURATION,
     ROOT(timeouts.login),
     .fallback = "60s",
     .min = WEIR_MS,
     .max = HOUR,
     .reloadable = true,
     .doc = "Time a client has to log in before it is sent away."},
    {.path = "timeouts.statement",
     .type = KEY_DURATION,
     ROOT(timeouts.statement),
     .fallback = "0",
     .max = 30 * DAY,
     .reloadable = true,
     .doc = "Longest a statement may run before it is cancelled with 57014; 0: no limit."},
    {.path = "timeouts.client_idle",
     .type = KEY_DURATION,
     ROOT(timeouts.client_idle),
     .fallback = "0",
     .max = 30 * DAY,
     .reloadable = true,
     .doc = "A client that is silent this long outside a transaction is disconnected; 0: never."},
    {.path = "timeouts.idle_in_transaction",
     .type = KEY_DURATION,
     ROOT(timeouts.idle_in_transaction),
     .fallback = "0",
     .max = 30 * DAY,
     .reloadable = true,
     .doc = "A client that is silent this long inside a transaction is disconnected and rolled "
            "back; 0: never."},
    {.path = "timeouts.drain",
     .type = KEY_DURATION,
     ROOT(timeouts.drain),
     .fallback = "30s",
     .max = DAY,
     .reloadable = true,
     .doc = "After SIGTERM, how long running transactions may take to finish."},
    {.path = "timeouts.cancel",
     .type = KEY_DURATION,
     ROOT(timeouts.cancel),
     .fallback = "10s",
     .min = WEIR_MS,
     .max = HOUR,
     .doc = "Longest wait for a cancel request to a server to be taken."},

    {.path = "log.level",
     .type = KEY_CHOICE,
     ROOT(log.level),
     .choices = log_levels,
     .fallback = "info",
     .reloadable = true,
     .doc = "What is logged, of every module."},
    LOG_MODULE("gateway", WEIR_LOG_GATEWAY),
    LOG_MODULE("net", WEIR_LOG_NET),
    LOG_MODULE("pool", WEIR_LOG_POOL),
    LOG_MODULE("postgres", WEIR_LOG_POSTGRES),
    LOG_MODULE("sqlite", WEIR_LOG_SQLITE),
    LOG_MODULE("sql", WEIR_LOG_SQL),
    LOG_MODULE("auth", WEIR_LOG_AUTH),
    LOG_MODULE("slow", WEIR_LOG_SLOW),
    LOG_MODULE("admin", WEIR_LOG_ADMIN),
    LOG_MODULE("config", WEIR_LOG_CONFIG),
    {.path = "log.format",
     .type = KEY_CHOICE,
     ROOT(log.format),
     .choices = log_formats,
     .fallback = "text",
     .doc = "Form of a log line."},
    {.path = "log.rate",
     .type = KEY_COUNT,
     ROOT(log.rate),
     .fallback = "100",
     .max = 1000000,
     .doc = "Lines per second and module; what is over is counted in one line; 0: no limit."},
    {.path = "log.slow",
     .type = KEY_DURATION,
     ROOT(log.slow),
     .fallback = "100ms",
     .max = DAY,
     .reloadable = true,
     .doc = "Statements that take longer are logged and counted as slow; 0: none."},
    {.path = "log.connections",
     .type = KEY_FLAG,
     ROOT(log.connections),
     .fallback = "false",
     .reloadable = true,
     .doc = "Log each login and each end of a client."},

    {.path = "cache.enabled",
     .type = KEY_FLAG,
     ROOT(cache.enabled),
     .fallback = "true",
     .reloadable = true,
     .doc = "Answer from memory what was read before and has not changed since; docs/cache.md says "
            "when."},
    {.path = "cache.granularity",
     .type = KEY_CHOICE,
     ROOT(cache.whole_tables),
     .choices = granularities,
     .fallback = "row",
     .reloadable = true,
     .doc = "What a change makes stale: with `row` the answers that depend on the rows' keys, with "
            "`table` every answer that reads the table."},
    {.path = "cache.policy",
     .type = KEY_CHOICE,
     ROOT(cache.policy),
     .choices = cache_policies,
     .fallback = "s3-fifo",
     .doc = "Which answer goes when room is needed; `adaptive` is for loops, scans and mixes that "
            "change, at a higher price per hit."},
    {.path = "cache.memory",
     .type = KEY_SIZE,
     ROOT(cache.memory),
     .fallback = "128MiB",
     .min = MIB,
     .max = 16384 * GIB,
     .reloadable = true,
     .doc = "Memory for answers, part of memory.max; where it is not given, at most a quarter of "
            "that."},
    {.path = "cache.entries",
     .type = KEY_COUNT,
     ROOT(cache.entries),
     .fallback = "0",
     .max = 1000000000,
     .reloadable = true,
     .doc = "Most answers kept; 0: as many as cache.memory holds."},
    {.path = "cache.entry_size",
     .type = KEY_SIZE,
     ROOT(cache.entry_size),
     .fallback = "1MiB",
     .min = KIB,
     .max = GIB,
     .reloadable = true,
     .doc = "A larger answer is passed on and not kept."},
    {.path = "cache.ttl",
     .type = KEY_DURATION,
     ROOT(cache.ttl),
     .fallback = "0",
     .max = 365 * DAY,
     .reloadable = true,
     .doc = "Longest that any answer is kept, even if nothing has changed; 0: no limit."},
    {.path = "cache.bound",
     .type = KEY_DURATION,
     ROOT(cache.bound),
     .fallback = "1s",
     .min = 10 * WEIR_MS,
     .max = HOUR,
     .reloadable = true,
     .doc = "Commits of other programs are noticed within this time; while that cannot be said, "
            "nothing is answered from the cache."},
    {.path = "cache.consistency",
     .type = KEY_CHOICE,
     ROOT(cache.consistency),
     .choices = consistencies,
     .fallback = "strict",
     .reloadable = true,
     .doc = "Whose writes a read sees at once: with `strict` every one that Weir passed on, with "
            "`session` those of its own session, with `bounded` none; the others within "
            "cache.bound."},
    {.path = "cache.flight_wait",
     .type = KEY_DURATION,
     ROOT(cache.flight_wait),
     .fallback = "1s",
     .max = HOUR,
     .reloadable = true,
     .doc = "How long a statement waits for the same one that another session is running, before "
            "it runs itself; 0: it does not wait."},
    {.path = "cache.slots",
     .type = KEY_COUNT,
     ROOT(cache.slots),
     .fallback = "262144",
     .min = 1024,
     .max = (uint64_t)1 << 28,
     .doc = "Size of each database's change clock, 16 bytes a slot, rounded up to a power of two; "
            "two things that share a slot make each other stale."},
    {.path = "cache.rules",
     .type = KEY_RULES,
     .scope = KEY_OF_ROOT,
     .fallback_words = "none",
     .reloadable = true,
     .doc = "What is cached, for how long and under which tags, by table, template, user or "
            "database: see Cache rules below."},

    {.path = "sqlite.busy_timeout",
     .type = KEY_DURATION,
     ROOT(sqlite.busy_timeout),
     .fallback = "5s",
     .max = HOUR,
     .doc = "Longest wait for another process that holds the file's lock."},
    {.path = "sqlite.executors",
     .type = KEY_COUNT,
     ROOT(sqlite.executors),
     .fallback = "0",
     .max = 1024,
     .doc = "Threads that run SQLite reads; 0: one per core."},
    {.path = "sqlite.synchronous",
     .type = KEY_CHOICE,
     ROOT(sqlite.synchronous_full),
     .choices = synchronous_levels,
     .fallback = "full",
     .doc = "`full`: an acknowledged commit survives a power cut; `normal`: only a crash of the "
            "process."},
    {.path = "sqlite.cache_size",
     .type = KEY_SIZE,
     ROOT(sqlite.cache_size),
     .fallback = "8MiB",
     .min = 64 * KIB,
     .max = 64 * GIB,
     .doc = "Page cache of one SQLite connection."},
    {.path = "sqlite.mmap_size",
     .type = KEY_SIZE,
     ROOT(sqlite.mmap_size),
     .fallback = "256MiB",
     .max = 1024 * GIB,
     .doc = "How much of the file is read through memory mapping; 0: nothing."},

    {.path = "pool.mode",
     .type = KEY_CHOICE,
     POOL(mode),
     .choices = pool_modes,
     .fallback = "transaction",
     .doc = "When a server connection goes back: at the end of a transaction or of the session."},
    {.path = "pool.preset",
     .type = KEY_CHOICE,
     POOL(preset),
     .choices = pool_presets,
     .fallback = "none",
     .reloadable = true,
     .doc =
         "Defaults of min_size, max_size and idle_timeout: high-traffic 20, 100, 60s; low-latency "
         "10, 50, 15s."},
    {.path = "pool.min_size",
     .type = KEY_COUNT,
     POOL(min_size),
     .fallback_words = "10 for PostgreSQL, 3 for SQLite",
     .max = 100000,
     .reloadable = true,
     .doc = "Server connections kept open even when idle, once the database has been used."},
    {.path = "pool.max_size",
     .type = KEY_COUNT,
     POOL(max_size),
     .fallback_words = "50 for PostgreSQL, 10 for SQLite",
     .min = 1,
     .max = 100000,
     .reloadable = true,
     .doc = "Most server connections, pinned ones apart."},
    {.path = "pool.max_pinned",
     .type = KEY_COUNT,
     POOL(max_pinned),
     .fallback_words = "the larger of pool.max_size and 20",
     .max = 100000,
     .reloadable = true,
     .doc = "Most connections that session state pins to one client, beyond pool.max_size; the "
            "statement that would pin one more gets 53300."},
    {.path = "pool.max_waiting",
     .type = KEY_COUNT,
     POOL(max_waiting),
     .fallback = "10000",
     .max = 1000000,
     .reloadable = true,
     .doc = "Most statements waiting for a connection; one more is refused with 53300."},
    {.path = "pool.acquire_timeout",
     .type = KEY_DURATION,
     POOL(acquire_timeout),
     .fallback = "5s",
     .min = WEIR_MS,
     .max = HOUR,
     .reloadable = true,
     .doc = "Longest wait for a connection; then 53300."},
    {.path = "pool.idle_timeout",
     .type = KEY_DURATION,
     POOL(idle_timeout),
     .fallback = "300s",
     .max = 30 * DAY,
     .reloadable = true,
     .doc = "An idle connection beyond pool.min_size is closed after this; 0: never."},
    {.path = "pool.max_lifetime",
     .type = KEY_DURATION,
     POOL(max_lifetime),
     .fallback = "3600s",
     .max = 365 * DAY,
     .reloadable = true,
     .doc = "A connection this old is replaced when it is next idle; 0: never."},
    {.path = "pool.validate_after",
     .type = KEY_DURATION,
     POOL(validate_after),
     .fallback = "30s",
     .max = DAY,
     .reloadable = true,
     .doc = "A connection idle for longer is tried with a query before it is lent; 0: never."},
    {.path = "pool.leak_after",
     .type = KEY_DURATION,
     POOL(leak_after),
     .fallback = "60s",
     .max = DAY,
     .reloadable = true,
     .doc = "A connection held for longer is named in the log with its holder; 0: never."},

    {.path = "dsn",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "required",
     .doc = "Where the database is: `sqlite:PATH` or `postgres://user:password@host:port/db`."},
    {.path = "dsn_file",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "none",
     .doc = "File that holds the DSN."},
    {.path = "dsn_env",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "none",
     .doc = "Environment variable that holds the DSN."},
    {.path = "primary",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "none",
     .doc = "Another name of `dsn`."},
    {.path = "password",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "the DSN's",
     .doc = "Password for the server, kept out of the DSN."},
    {.path = "password_file",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "none",
     .doc = "File that holds the server's password."},
    {.path = "password_env",
     .type = KEY_SECRET,
     .scope = KEY_OF_DATABASE,
     .fallback_words = "none",
     .doc = "Environment variable that holds the server's password."},

    {.path = "password",
     .type = KEY_SECRET,
     .scope = KEY_OF_USER,
     .fallback_words = "none",
     .reloadable = true,
     .doc = "The client's password, in clear or as PostgreSQL keeps it (`SCRAM-SHA-256$…`, "
            "`md5…`)."},
    {.path = "password_file",
     .type = KEY_SECRET,
     .scope = KEY_OF_USER,
     .fallback_words = "none",
     .reloadable = true,
     .doc = "File that holds the password."},
    {.path = "password_env",
     .type = KEY_SECRET,
     .scope = KEY_OF_USER,
     .fallback_words = "none",
     .reloadable = true,
     .doc = "Environment variable that holds the password."},
    {.path = "admin",
     .type = KEY_FLAG,
     .scope = KEY_OF_USER,
     .offset = offsetof(draft_object, admin),
     .width = sizeof(bool),
     .fallback = "false",
     .reloadable = true,
     .doc = "May connect to the database `weir` and change Weir's state there."},

    {.path = "table",
     .type = KEY_TEXT,
     .scope = KEY_OF_RULE,
     .fallback_words = "any",
     .reloadable = true,
     .doc = "Pattern: a statement that reads a table of this name, as `users` or `archive.users`."},
    {.path = "template",
     .type = KEY_TEXT,
     .scope = KEY_OF_RULE,
     .fallback_words = "any",
     .reloadable = true,
     .doc = "Pattern: a statement of this template, as SHOW STATEMENTS gives its text."},
    {.path = "user",
     .type = KEY_TEXT,
     .scope = KEY_OF_RULE,
     .fallback_words = "any",
     .reloadable = true,
     .doc = "Pattern: a statement of a user of this name."},
    {.path = "database",
     .type = KEY_TEXT,
     .scope = KEY_OF_RULE,
     .fallback_words = "any",
     .reloadable = true,
     .doc = "Pattern: a statement to a database of this name."},
    {.path = "cache",
     .type = KEY_CHOICE,
     RULE(cache),
     .choices = rule_flags,
     .fallback_words = "what is safe",
     .reloadable = true,
     .doc = "`false`: never answered from the cache; `true`: kept where that is safe, an "
            "exception before a rule that says `false`."},
    {.path = "ttl",
     .type = KEY_DURATION,
     RULE(ttl),
     .fallback_words = "cache.ttl",
     .min = WEIR_MS,
     .max = 365 * DAY,
     .reloadable = true,
     .doc = "Longest that the answer is kept; declares as well that it may be that old where its "
            "changes cannot be followed."},
    {.path = "tags",
     .type = KEY_TAGS,
     .scope = KEY_OF_RULE,
     .fallback_words = "none",
     .reloadable = true,
     .doc = "Names under which `FLUSH CACHE TAG` finds the answer: `[a, b]` or `a,b`."},
    {.path = "consistency",
     .type = KEY_CHOICE,
     RULE(consistency),
     .choices = consistencies,
     .fallback_words = "cache.consistency",
     .reloadable = true,
     .doc = "As cache.consistency, of these statements."},
    {.path = "bound",
     .type = KEY_DURATION,
     RULE(bound),
     .fallback_words = "cache.bound",
     .min = 10 * WEIR_MS,
     .max = HOUR,
     .reloadable = true,
     .doc = "As cache.bound, of these statements, with `session` or `bounded`."},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

const config_key *config_keys(size_t *ret_count)
{
    *ret_count = KEYS;
    return keys;
}

static size_t first_of(key_scope scope)
{
    size_t i = 0;
    while (i < KEYS && keys[i].scope < scope)
        i++;
    return i;
}

key_range config_key_range(key_scope scope)
{
    size_t first = 0, end = KEYS;
    switch (scope) {
    case KEY_OF_ROOT:
        end = first_of(KEY_OF_DATABASE);
        break;
    case KEY_OF_POOL:
    case KEY_OF_DATABASE:
        first = first_of(KEY_OF_POOL);
        end = first_of(KEY_OF_USER);
        break;
    case KEY_OF_USER:
        first = first_of(KEY_OF_USER);
        end = first_of(KEY_OF_RULE);
        break;
    case KEY_OF_RULE:
        first = first_of(KEY_OF_RULE);
        break;
    }
    return (key_range){first, end - first};
}

const config_key *config_key_find(key_range range, weir_slice path)
{
    for (size_t i = range.first; i < range.first + range.count; i++) {
        if (weir_slice_eq_cstr(path, keys[i].path))
            return &keys[i];
    }
    return NULL;
}

bool config_key_is_section(key_range range, weir_slice path)
{
    for (size_t i = range.first; i < range.first + range.count; i++) {
        weir_slice known = weir_slice_cstr(keys[i].path);
        if (known.len > path.len && keys[i].path[path.len] == '.' &&
            weir_slice_eq(weir_slice_head(known, path.len), path))
            return true;
    }
    return false;
}
