/* Arguments that several commands share, files, and the configuration made of both. */
#include "cli/cli.h"
#include "gateway/gateway.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_SIZE_MAX (((size_t)1 << 20) + 1) /* one more than the parser takes: it says so */
#define LISTEN_SIZE_MAX ((size_t)8192)

void cli_complain(const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("weir: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    if (*hint)
        fprintf(stderr, "hint: %s\n", hint);
}

int cli_print(weir_slice text)
{
    if (fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
        return CLI_OK;
    cli_complain("", "cannot write the output: %s", strerrordesc_np(errno));
    return CLI_FAILED;
}

const char *cli_option(int argc, char **argv, int *at, const char *name, bool *ret_bad)
{
    const char *arg = argv[*at];
    size_t len = strlen(name);
    if (strncmp(arg, name, len) != 0)
        return NULL;
    if (arg[len] == '=' && len > 2)
        return arg + len + 1;
    if (arg[len] != '\0')
        return NULL;
    if (*at + 1 < argc)
        return argv[++*at];
    cli_complain("", "%s needs a value", name);
    *ret_bad = true;
    return NULL;
}

void cli_args_fini(cli_args *args)
{
    free(args->settings);
    weir_buf_fini(&args->listen);
    weir_buf_fini(&args->admin);
}

static int out_of_memory(void)
{
    cli_complain("", "out of memory");
    return CLI_FAILED;
}

static int add_setting(cli_args *args, const char *setting)
{
    const char **grown =
        realloc(args->settings, (args->setting_count + 2) * sizeof(args->settings[0]));
    if (!grown)
        return out_of_memory();
    grown[args->setting_count++] = setting;
    grown[args->setting_count] = NULL;
    args->settings = grown;
    return CLI_OK;
}

static int add_listen(cli_args *args, const char *address)
{
    weir_buf *b = &args->listen;
    if (b->len == 0)
        weir_buf_init(b, LISTEN_SIZE_MAX);
    int r = weir_buf_printf(b, "%s%s", b->len == 0 ? "listen=" : ",", address);
    if (r == 0)
        return CLI_OK;
    cli_complain("", "too many or too long --listen addresses");
    return CLI_USAGE;
}

static int set_admin(cli_args *args, const char *address)
{
    weir_buf_init(&args->admin, LISTEN_SIZE_MAX);
    if (weir_buf_printf(&args->admin, "admin=%s", address) == 0)
        return CLI_OK;
    cli_complain("", "the --admin address is too long");
    return CLI_USAGE;
}

int cli_args_take(cli_args *args, int argc, char **argv, int *at)
{
    bool bad = false;
    const char *value = cli_option(argc, argv, at, "-c", &bad);
    if (!value && !bad)
        value = cli_option(argc, argv, at, "--config", &bad);
    if (value) {
        args->file = value;
        return CLI_OK;
    }
    if (!bad && (value = cli_option(argc, argv, at, "--set", &bad)))
        return add_setting(args, value);
    if (!bad && (value = cli_option(argc, argv, at, "--listen", &bad)))
        return add_listen(args, value);
    if (!bad && args->admin.len > 0 && strncmp(argv[*at], "--admin", 7) == 0) {
        cli_complain("", "--admin is given twice");
        return CLI_USAGE;
    }
    if (!bad && (value = cli_option(argc, argv, at, "--admin", &bad)))
        return set_admin(args, value);
    if (bad)
        return CLI_USAGE;
    if (argv[*at][0] == '-') {
        cli_complain("`weir help serve` lists the options", "unknown option %.60s", argv[*at]);
        return CLI_USAGE;
    }
    if (args->dsn) {
        cli_complain("several databases go into a file: weir serve -c weir.yaml",
                     "more than one DSN is given");
        return CLI_USAGE;
    }
    args->dsn = argv[*at];
    return CLI_OK;
}

static int load_source(const weir_config_source *source, weir_config **ret)
{
    weir_error err = {0};
    int r = weir_config_load(source, ret, &err);
    if (r == 0)
        return CLI_OK;
    cli_complain(err.hint, "%s", err.message);
    return r == -ENOMEM ? CLI_FAILED : CLI_USAGE;
}

/* The options that are settings of their own go behind --set, zero-terminated. */
static int add_options(cli_args *args)
{
    weir_buf *both[] = {&args->listen, &args->admin};
    for (size_t i = 0; i < 2 && !args->complete; i++) {
        if (both[i]->len == 0)
            continue;
        if (weir_buf_append_u8(both[i], 0) != 0)
            return out_of_memory();
        int status = add_setting(args, (const char *)both[i]->data);
        if (status != CLI_OK)
            return status;
    }
    args->complete = true;
    return CLI_OK;
}

int cli_load(cli_args *args, weir_config **ret)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    weir_buf text;
    weir_buf_init(&text, FILE_SIZE_MAX);
    int status = add_options(args);
    int r = status == CLI_OK && args->file ? weir_gateway_read_file(NULL, args->file, &text) : 0;
    if (r != 0 && r != -EMSGSIZE) {
        cli_complain("", "cannot read the configuration %s: %s", args->file, strerrordesc_np(-r));
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = load_source(&(weir_config_source){.file_name = args->file,
                                                   .file_text = weir_buf_slice(&text),
                                                   .environment = (const char *const *)environ,
                                                   .settings = args->settings,
                                                   .dsn = args->dsn,
                                                   .cores = cores > 0 ? (unsigned)cores : 1,
                                                   .read_file = weir_gateway_read_file},
                             ret);
    weir_buf_fini(&text);
    return status;
}
