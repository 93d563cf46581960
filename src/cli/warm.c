/* weir warm: asks a running Weir the statements of a listing (sql/listing.h), those of the highest
 * priority first, so that its cache has their answers when clients ask. It is a client like any
 * other; what it brings is given to those for whom everything is the same that answers depend on:
 * user, database, settings, text, parameters and their types, format. */
#include "cli/cli.h"
#include "gateway/gateway.h"
#include "sql/listing.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MAX ((size_t)16 << 20)
#define ATTEMPTS 10u /* until the statement is understood and others' changes are followed */
#define RATE 50u

typedef struct warm {
    const char *path, *dsn;
    unsigned rate; /* statements a second */
    weir_buf file;
    weir_listed *all;
    size_t count;
    PGconn *conn;            /* NULL: none */
    const weir_listed *like; /* whose it is */
    size_t warmed;
} warm;

static int no_memory(void)
{
    cli_complain("", "out of memory");
    return CLI_FAILED;
}

/* ---- the listing ---- */

static int add(warm *w, const weir_listed *listed)
{
    weir_listed *grown = realloc(w->all, (w->count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    w->all = grown;
    w->all[w->count++] = *listed;
    return 0;
}

static int by_priority(const void *a, const void *b)
{
    const weir_listed *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int read_listing(warm *w)
{
    weir_listing listing;
    weir_listed listed;
    weir_error err;
    int r = weir_gateway_read_file(NULL, w->path, &w->file);
    if (r < 0) {
        cli_complain("", "cannot read %s: %s", w->path, strerrordesc_np(-r));
        return CLI_USAGE;
    }
    weir_listing_begin(&listing, WEIR_DIALECT_POSTGRES, weir_buf_slice(&w->file));
    while ((r = weir_listing_next(&listing, &listed, &err)) == 0) {
        r = add(w, &listed);
        if (r < 0) {
            weir_listed_fini(&listed);
            break;
        }
    }
    weir_listing_end(&listing);
    if (r == -ENOMEM)
        return no_memory();
    if (r < 0) {
        cli_complain("`weir help warm` says what may stand there", "%s: %s", w->path, err.message);
        return CLI_USAGE;
    }
    if (w->count > 0)
        qsort(w->all, w->count, sizeof(*w->all), by_priority);
    return CLI_OK;
}

/* ---- the connection ---- */

/* "-c name=value …", spaces escaped. */
static int put_options(weir_slice settings, weir_buf *out)
{
    bool name = true;
    int r = settings.len > 0 ? weir_buf_append(out, WEIR_SLICE_LIT("-c ")) : 0;
    for (size_t i = 0; r == 0 && i < settings.len; i++) {
        uint8_t c = settings.data[i];
        if (c == 0 && name) {
            r = weir_buf_append_u8(out, '=');
        } else if (c == 0) {
            r = i + 1 < settings.len ? weir_buf_append(out, WEIR_SLICE_LIT(" -c ")) : 0;
        } else {
            if (c == ' ' || c == '\\')
                r = weir_buf_append_u8(out, '\\');
            if (r == 0)
                r = weir_buf_append_u8(out, c);
        }
        name = c == 0 ? !name : name;
    }
    return r == 0 ? weir_buf_append_u8(out, 0) : r;
}

static bool is_like(const weir_listed *a, const weir_listed *b)
{
    return weir_slice_eq(a->user, b->user) && weir_slice_eq(a->database, b->database) &&
           weir_slice_eq(weir_buf_slice(&a->settings), weir_buf_slice(&b->settings));
}

static PGconn *open_for(const warm *w, const weir_listed *l)
{
    char user[256], database[256];
    weir_buf options;
    weir_buf_init(&options, 131072);
    if (put_options(weir_buf_slice(&l->settings), &options) < 0) {
        weir_buf_fini(&options);
        return NULL;
    }
    (void)snprintf(user, sizeof(user), "%.*s", (int)l->user.len, (const char *)l->user.data);
    (void)snprintf(database, sizeof(database), "%.*s", (int)l->database.len,
                   (const char *)l->database.data);
    const char *names[] = {"dbname",
                           "application_name",
                           "connect_timeout",
                           "options",
                           *user ? "user" : "application_name",
                           *database ? "dbname" : "application_name",
                           NULL};
    const char *values[] = {w->dsn,
                            "weir warm",
                            "10",
                            (const char *)options.data,
                            *user ? user : "weir warm",
                            *database ? database : "weir warm",
                            NULL};
    PGconn *conn = PQconnectdbParams(names, values, 1); /* the first dbname is the DSN */
    weir_buf_fini(&options);
    return conn;
}

static void drop(warm *w)
{
    PQfinish(w->conn);
    w->conn = NULL;
}

static void complain_about(const warm *w, const weir_listed *l, const char *words)
{
    cli_complain("", "%s: line %u: %.*s", w->path, l->line, (int)strcspn(words, "\n"), words);
}

static bool connect_for(warm *w, const weir_listed *l)
{
    if (w->conn && PQstatus(w->conn) == CONNECTION_OK && is_like(w->like, l))
        return true;
    drop(w);
    w->conn = open_for(w, l);
    w->like = l;
    if (w->conn && PQstatus(w->conn) == CONNECTION_OK)
        return true;
    complain_about(w, l, w->conn ? PQerrorMessage(w->conn) : "out of memory");
    drop(w);
    return false;
}

/* ---- a statement ---- */

typedef struct arguments {
    Oid types[WEIR_LISTED_TYPES_MAX];
    char *values[WEIR_LISTED_TYPES_MAX];
    int count;
} arguments;

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool take_arguments(const weir_listed *l, arguments *ret)
{
    const uint8_t *p = l->params.data;
    *ret = (arguments){.count = l->param_count};
    if (l->param_count > WEIR_LISTED_TYPES_MAX)
        return false;
    for (unsigned i = 0; i < l->param_count; i++) {
        uint32_t len = number_at(p);
        p += 4;
        if (i < l->type_count)
            ret->types[i] = number_at(l->oids.data + (size_t)4 * i);
        if (len == UINT32_MAX)
            continue;
        ret->values[i] = strndup((const char *)p, len);
        if (!ret->values[i])
            return false;
        p += len;
    }
    return true;
}

static void free_arguments(arguments *a)
{
    for (int i = 0; i < a->count && i < (int)WEIR_LISTED_TYPES_MAX; i++)
        free(a->values[i]);
}

/* False: it failed, which is said. */
static bool run(const warm *w, const weir_listed *l, const char *text)
{
    arguments a;
    PGresult *result = NULL;
    if (take_arguments(l, &a))
        result = l->param_count == 0 && !l->binary
                     ? PQexec(w->conn, text)
                     : PQexecParams(w->conn, text, a.count, l->type_count ? a.types : NULL,
                                    (const char *const *)a.values, NULL, NULL, l->binary);
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!good && PQresultStatus(result) == PGRES_COMMAND_OK)
        complain_about(w, l, "it is no query");
    else if (!good)
        complain_about(w, l, result ? PQerrorMessage(w->conn) : "out of memory");
    PQclear(result);
    free_arguments(&a);
    return good;
}

typedef enum verdict { KEPT, LATER, REFUSED } verdict;

/* What Weir says of it; words in `why`. */
static verdict ask(const warm *w, const char *text, char *why, size_t size)
{
    size_t len = strlen(text) + sizeof("EXPLAIN CACHE ");
    char *explain = malloc(len);
    if (!explain)
        return REFUSED;
    (void)snprintf(explain, len, "EXPLAIN CACHE %s", text);
    PGresult *result = PQexec(w->conn, explain);
    free(explain);
    bool said = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0;
    (void)snprintf(why, size, "%s", said ? PQgetvalue(result, 0, 0) : PQerrorMessage(w->conn));
    PQclear(result);
    if (strncmp(why, "cached: yes", 11) == 0)
        return KEPT;
    return strstr(why, "(unknown)") || strstr(why, "(behind)") ? LATER : REFUSED;
}

static void pause_for(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* The first runs let Weir find out what it is; one more after its verdict is kept. */
static bool warm_one(warm *w, const weir_listed *l, const char *text)
{
    char why[256] = "";
    verdict v = LATER;
    for (unsigned i = 0; i < ATTEMPTS && v == LATER; i++) {
        if (i > 0)
            pause_for(200);
        if (!run(w, l, text))
            return false;
        v = ask(w, text, why, sizeof(why));
    }
    if (v != KEPT) {
        complain_about(w, l, why);
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        pause_for(1000 / (long)w->rate);
        if (!run(w, l, text))
            return false;
    }
    return true;
}

static int warm_all(warm *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const weir_listed *l = &w->all[i];
        char *text = strndup((const char *)l->text.data, l->text.len);
        if (!text)
            return no_memory();
        if (connect_for(w, l))
            w->warmed += warm_one(w, l, text);
        free(text);
    }
    (void)printf("warmed %zu of %zu statements\n", w->warmed, w->count);
    return w->warmed == w->count ? CLI_OK : CLI_FAILED;
}

static int take_arguments_of_command(warm *w, int argc, char **argv)
{
    bool bad = false;
    for (int i = 0; i < argc && !bad; i++) {
        const char *rate = cli_option(argc, argv, &i, "--rate", &bad);
        if (rate) {
            w->rate = (unsigned)strtoul(rate, NULL, 10);
            bad = w->rate == 0 || w->rate > 1000;
        } else if (!bad && argv[i][0] != '-' && !w->path) {
            w->path = argv[i];
        } else if (!bad && argv[i][0] != '-' && !w->dsn) {
            w->dsn = argv[i];
        } else {
            bad = true;
        }
    }
    if (!bad && w->path)
        return CLI_OK;
    cli_complain("weir warm FILE [DSN] [--rate 1…1000]",
                 w->path ? "an argument is not understood" : "no file of statements");
    return CLI_USAGE;
}

int cli_warm(int argc, char **argv)
{
    warm w = {.rate = RATE};
    weir_buf_init(&w.file, FILE_MAX);
    int status = take_arguments_of_command(&w, argc, argv);
    if (!w.dsn)
        w.dsn = "postgres://127.0.0.1:6432";
    if (status == CLI_OK)
        status = read_listing(&w);
    if (status == CLI_OK)
        status = warm_all(&w);
    drop(&w);
    for (size_t i = 0; i < w.count; i++)
        weir_listed_fini(&w.all[i]);
    free(w.all);
    weir_buf_fini(&w.file);
    return status;
}
