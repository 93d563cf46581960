/* weir explain: how a statement is understood, in words. */
#include "backend/sqlite/sqlite.h"
#include "cli/cli.h"
#include "cli/server.h"
#include "compat/compat.h"
#include "sql/reads.h"
#include <pthread.h>

/* PostgreSQL's grammar recurses: it gets the stack that the analysis thread has (DESIGN 3). */
#define GRAMMAR_STACK_SIZE ((size_t)64 << 20)

typedef struct explain_args {
    const char *sql, *dsn;
    const char *path;            /* of an SQLite file to ask; NULL: none */
    weir_config_database server; /* PostgreSQL's, to be asked; host_count 0: none */
    weir_arena arena;
    weir_dialect dialect;
    bool dialect_given;
} explain_args;

typedef struct analysis {
    weir_slice text;
    const weir_lexed *lexed;
    const cli_server *server;
    weir_footprint *footprint;
    int result;
} analysis;

static void *analyze(void *user)
{
    analysis *a = user;
    if (!a->server->schema) {
        a->result = weir_sql_analyze_postgres(a->text, a->lexed, &a->footprint);
        return NULL;
    }
    weir_pg_surroundings at = {.schema = a->server->schema,
                               .search_path = weir_slice_cstr(a->server->search_path),
                               .role = weir_slice_cstr(a->server->role)};
    a->result = weir_sql_analyze_postgres_reads(a->text, a->lexed, &at, &a->footprint);
    return NULL;
}

static int analyze_on_big_stack(analysis *a)
{
    pthread_attr_t attr;
    pthread_t thread;
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    r = pthread_attr_setstacksize(&attr, GRAMMAR_STACK_SIZE);
    if (r == 0)
        r = pthread_create(&thread, &attr, analyze, a);
    if (r == 0)
        r = pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    return r != 0 ? -r : a->result;
}

static int understand(const explain_args *args, const cli_server *server, weir_lexed *lexed,
                      weir_footprint **ret, weir_error *err)
{
    weir_slice text = weir_slice_cstr(args->sql);
    int r = weir_sql_lex(args->dialect, text, lexed);
    if (r != 0)
        return r;
    if (args->path && lexed->statements == 1) {
        r = weir_sqlite_analyze(args->path, weir_compat_face(), text, lexed, ret, err);
        if (r != -ENOBUFS)
            return r;
    }
    if (args->dialect == WEIR_DIALECT_SQLITE || lexed->over_caps || lexed->unterminated)
        return weir_sql_footprint_lexed(lexed, ret);
    analysis a = {.text = text, .lexed = lexed, .server = server};
    r = analyze_on_big_stack(&a);
    *ret = a.footprint;
    return r;
}

static int put_effects(weir_buf *out, unsigned effects)
{
    int r = weir_buf_printf(out, "effects     %s", effects == 0 ? "none" : "");
    const char *before = "";
    for (unsigned bit = 1; effects != 0 && r == 0; bit <<= 1) {
        if ((effects & bit) == 0)
            continue;
        r = weir_buf_printf(out, "%s%s", before, weir_effect_name(bit));
        before = ", ";
        effects &= ~bit;
    }
    return r != 0 ? r : weir_buf_append_u8(out, '\n');
}

static int put_names(weir_buf *out, const char *what, const char **names, unsigned count,
                     bool known)
{
    int r = weir_buf_printf(out, "%-12s%s", what, count > 0 ? "" : known ? "nothing" : "not known");
    for (unsigned i = 0; i < count && r == 0; i++)
        r = weir_buf_printf(out, "%s%s", i > 0 ? ", " : "", names[i]);
    return r != 0 ? r : weir_buf_append_u8(out, '\n');
}

static const char *target_words(weir_dialect dialect, const weir_footprint *f)
{
    if (f->kind == WEIR_KIND_EMPTY)
        return "nowhere: there is nothing to run";
    if (f->kind == WEIR_KIND_TRANSACTION)
        return "the session's connection, from BEGIN to COMMIT or ROLLBACK";
    if (dialect == WEIR_DIALECT_SQLITE)
        return f->kind == WEIR_KIND_READ ? "a reader connection" : "the writer connection";
    return "the primary";
}

static int put_routing(weir_buf *out, weir_dialect dialect, const weir_footprint *f)
{
    int r = weir_buf_printf(out, "target      %s\n", target_words(dialect, f));
    if (r == 0)
        r = f->effects & ~(unsigned)WEIR_EFFECT_WRITES
                ? weir_buf_printf(out, "pinned      yes: it may change session state (%s)\n",
                                  weir_effect_name(f->effects))
                : weir_buf_printf(out, "pinned      no\n");
    return r;
}

/* A line for each of the footprint's own, the first behind its title. */
static int put_dependencies(weir_buf *out, const weir_footprint *f)
{
    weir_buf words;
    weir_buf_init(&words, (size_t)1 << 18);
    int r = weir_footprint_explain(f, &words);
    const char *title = "depends on";
    for (weir_slice rest = weir_buf_slice(&words); rest.len > 0 && r == 0; title = "") {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        r = weir_buf_printf(out, "%-12s%.*s\n", title, (int)len, (const char *)rest.data);
        rest = weir_slice_skip(rest, end ? len + 1 : len);
    }
    weir_buf_fini(&words);
    return r;
}

static int put_cached(weir_buf *out, weir_dialect dialect, const weir_footprint *f)
{
    weir_refusal refusal = f->refusal;
    if (dialect != WEIR_DIALECT_SQLITE && f->fingerprint == 0)
        return weir_buf_printf(out, "cached      not known: name the database "
                                    "(postgres://…) to ask its server\n");
    if (refusal == WEIR_REFUSAL_NONE && f->fingerprint == 0)
        refusal = WEIR_REFUSAL_UNKNOWN;
    if (refusal != WEIR_REFUSAL_NONE)
        return weir_buf_printf(out, "cached      no (%s)\n", weir_refusal_name(refusal));
    int r = weir_buf_printf(out, "cached      yes, unless a rule or a hint says otherwise\n");
    return r != 0 ? r : put_dependencies(out, f);
}

/* Of a write: which answers it makes old. */
static int put_changes(weir_buf *out, const weir_footprint *f)
{
    int r = 0;
    if (f->touches_everything)
        return weir_buf_printf(out, "changes     anything: it %s\n", f->touches_words);
    for (unsigned i = 0; i < f->touch_count && r == 0; i++) {
        const weir_read_dependency *t = &f->touches[i];
        r = t->column == 0
                ? weir_buf_printf(out, "changes     %s\n", t->relation_name)
                : weir_buf_printf(out, "            with %s as given, before and after\n",
                                  t->column_name);
    }
    return r;
}

static int put_template(weir_buf *out, const weir_lexed *lexed)
{
    int r = weir_buf_printf(out, "template    %.*s\n", (int)lexed->text.len,
                            lexed->text.data ? (const char *)lexed->text.data : "");
    if (r == 0)
        r = weir_buf_printf(out, "literals    %zu, parameters up to %u, statements %u\n",
                            lexed->literal_count, lexed->params_max, lexed->statements);
    if (r == 0 && lexed->hint.len > 0)
        r = weir_buf_printf(out, "hint        %.*s\n", (int)lexed->hint.len,
                            (const char *)lexed->hint.data);
    return r;
}

static int describe(weir_buf *out, weir_dialect dialect, const weir_lexed *lexed,
                    const weir_footprint *f)
{
    assert(f);
    int r = put_template(out, lexed);
    if (r == 0)
        r = weir_buf_printf(out, "kind        %s (%s)\n", weir_kind_name(f->kind),
                            f->from_grammar ? "by the database's grammar" : "by its words");
    if (r == 0)
        r = put_effects(out, f->effects & ~(unsigned)WEIR_EFFECT_WRITES);
    if (r == 0 && f->effects & WEIR_EFFECT_WRITES)
        r = weir_buf_printf(out, "beyond      may write relations that its text does not name\n");
    if (r == 0)
        r = put_names(out, "reads", f->reads, f->read_count, f->from_grammar);
    if (r == 0)
        r = put_names(out, "writes", f->writes, f->written_count, f->from_grammar);
    if (r == 0 && f->row_locks)
        r = weir_buf_printf(out, "row locks   yes\n");
    if (r == 0 && f->from_grammar && f->volatile_calls)
        r = weir_buf_printf(out, "volatile    calls a function that is volatile or not known\n");
    if (r == 0)
        r = put_routing(out, dialect, f);
    if (r == 0)
        r = put_cached(out, dialect, f);
    if (r == 0 && f->fingerprint != 0 && f->kind != WEIR_KIND_READ)
        r = put_changes(out, f);
    const char *reason = f->reason;
    if (dialect == WEIR_DIALECT_SQLITE && !f->from_grammar)
        reason = "read by its words; name the database (sqlite:PATH) to ask SQLite itself";
    if (r == 0 && reason && *reason)
        r = weir_buf_printf(out, "reason      %s\n", reason);
    return r;
}

static int explain(const explain_args *args)
{
    weir_lexed lexed;
    weir_footprint *footprint = NULL;
    weir_buf out;
    weir_buf_init(&out, (size_t)1 << 20);
    weir_lexed_init(&lexed);
    weir_error err = {0};
    cli_server server = {.catalog = NULL};
    weir_buf said; /* by it */
    weir_buf_init(&said, (size_t)1 << 20);
    int r = args->server.host_count > 0 ? cli_server_load(&args->server, &server, &said) : 0;
    if (r == 0)
        r = understand(args, &server, &lexed, &footprint, &err);
    if (r == 0 && footprint && server.catalog) {
        unsigned effects = 0;
        r = cli_server_explain(&server, &lexed, footprint->kind, &effects, &said);
        footprint->effects |= effects;
    }
    if (r == 0)
        r = describe(&out, args->dialect, &lexed, footprint);
    if (r == 0)
        r = weir_buf_append(&out, weir_buf_slice(&said));
    int status = CLI_FAILED;
    if (r == 0)
        status = cli_print(weir_buf_slice(&out));
    else
        cli_complain(err.hint, "cannot analyse the statement: %s",
                     err.message[0] ? err.message : strerrordesc_np(-r));
    weir_footprint_free(footprint);
    weir_lexed_fini(&lexed);
    weir_buf_fini(&said);
    cli_server_fini(&server);
    weir_buf_fini(&out);
    return status;
}

static int take_dialect(explain_args *args, const char *name)
{
    args->dialect_given = true;
    args->dialect = WEIR_DIALECT_POSTGRES;
    if (strcmp(name, "sqlite") == 0)
        args->dialect = WEIR_DIALECT_SQLITE;
    else if (strcmp(name, "postgres") != 0) {
        cli_complain("", "--dialect must be postgres or sqlite");
        return CLI_USAGE;
    }
    return CLI_OK;
}

/* The DSN's database speaks the dialect. */
static int dialect_of_dsn(explain_args *args)
{
    weir_config_database db = {0};
    weir_error err = {0};
    int r = weir_config_dsn_parse(&args->arena, args->dsn, &db, &err);
    if (r != 0) {
        cli_complain(err.hint, "%s", err.message);
        return r == -ENOMEM ? CLI_FAILED : CLI_USAGE;
    }
    if (!args->dialect_given)
        args->dialect =
            db.backend == WEIR_CONFIG_SQLITE ? WEIR_DIALECT_SQLITE : WEIR_DIALECT_POSTGRES;
    if (db.backend == WEIR_CONFIG_SQLITE && args->dialect == WEIR_DIALECT_SQLITE)
        args->path = db.path;
    if (db.backend == WEIR_CONFIG_POSTGRES && args->dialect == WEIR_DIALECT_POSTGRES)
        args->server = db;
    return CLI_OK;
}

static int take(explain_args *args, int argc, char **argv, int *at)
{
    bool bad = false;
    const char *dialect = cli_option(argc, argv, at, "--dialect", &bad);
    if (bad)
        return CLI_USAGE;
    if (dialect)
        return take_dialect(args, dialect);
    /* A statement may begin with a comment: only --word is an option. */
    if (strncmp(argv[*at], "--", 2) == 0 && !strpbrk(argv[*at], " \n")) {
        cli_complain("`weir help explain`", "unknown option %.60s", argv[*at]);
        return CLI_USAGE;
    }
    const char **slot = !args->sql ? &args->sql : !args->dsn ? &args->dsn : NULL;
    if (!slot) {
        cli_complain("quote the statement: weir explain 'SELECT 1'", "too many arguments");
        return CLI_USAGE;
    }
    *slot = argv[*at];
    return CLI_OK;
}

int cli_explain(int argc, char **argv)
{
    explain_args args = {.dialect = WEIR_DIALECT_POSTGRES};
    int status = CLI_OK;
    weir_arena_init(&args.arena, (size_t)1 << 20);
    for (int i = 0; i < argc && status == CLI_OK; i++)
        status = take(&args, argc, argv, &i);
    if (status == CLI_OK && !args.sql) {
        cli_complain("weir explain 'SELECT 1' [DSN]", "no statement given");
        status = CLI_USAGE;
    }
    if (status == CLI_OK && args.dsn)
        status = dialect_of_dsn(&args);
    if (status == CLI_OK)
        status = explain(&args);
    weir_arena_fini(&args.arena);
    return status;
}
