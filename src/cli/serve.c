/* weir serve: arguments to a configuration, and the gateway on it. */
#include "cli/cli.h"
#include "gateway/gateway.h"
#include "ops/ops.h"
#include <string.h>
#include <unistd.h>

/* ---- admin HTTP beside the gateway ---- */

typedef struct admin {
    cli_args *args; /* for reading them again */
    const weir_config *config;
    weir_gateway *gateway;
    weir_ops *ops;
    int inherited; /* listening socket; 0: none */
} admin;

static unsigned count_clients(void *user)
{
    return weir_gateway_clients(((const admin *)user)->gateway);
}

static unsigned count_consoles(void *user)
{
    return weir_gateway_consoles(((const admin *)user)->gateway);
}

static bool is_draining(void *user)
{
    return weir_gateway_draining(((const admin *)user)->gateway);
}

static int64_t tls_expiry(void *user)
{
    return weir_gateway_tls_expiry(((const admin *)user)->gateway);
}

static int make_report(void *user, weir_loop *home, weir_slice name,
                       void (*done)(void *done_user, const weir_report *report), void *done_user)
{
    return weir_gateway_report(((const admin *)user)->gateway, home, name, done, done_user);
}

static int start_admin(void *user, weir_gateway *gateway, weir_loop *control,
                       const char **ret_address, weir_error *err)
{
    admin *a = user;
    weir_ops_host host = {.engine = weir_gateway_engine(gateway),
                          .memory = weir_gateway_memory(gateway),
                          .log = weir_gateway_log(gateway),
                          .clients = count_clients,
                          .consoles = count_consoles,
                          .draining = is_draining,
                          .tls_expiry = tls_expiry,
                          .report = make_report,
                          .listen_fd = a->inherited,
                          .user = a};
    a->gateway = gateway;
    if (!*a->config->admin) { /* switched off */
        if (a->inherited)
            (void)close(a->inherited);
        return 0;
    }
    int r = weir_ops_start(control, a->config, &host, &a->ops, err);
    if (r == 0)
        *ret_address = weir_ops_address(a->ops);
    return r;
}

static int share_admin(void *user, int *ret_fd)
{
    const admin *a = user;
    return a->ops ? weir_ops_share(a->ops, ret_fd) : -ENOENT;
}

static void pause_admin(void *user, bool paused)
{
    const admin *a = user;
    if (a->ops)
        weir_ops_pause(a->ops, paused);
}

static void inherit_admin(void *user, int fd)
{
    ((admin *)user)->inherited = fd;
}

static void stop_admin(void *user)
{
    admin *a = user;
    weir_ops_stop(a->ops);
}

static int load_again(void *user, weir_config **ret)
{
    const admin *a = user;
    return cli_load(a->args, ret) == CLI_OK ? 0 : -EINVAL; /* it says what is wrong */
}

/* The gateway runs until it is told to stop. */
static int run_gateway(cli_args *args, const weir_config *config, const char *takeover, char **argv)
{
    weir_error err = {0};
    admin a = {.args = args, .config = config};
    weir_gateway_extension extension = {.start = start_admin,
                                        .stop = stop_admin,
                                        .load = load_again,
                                        .share = share_admin,
                                        .pause = pause_admin,
                                        .inherit = inherit_admin,
                                        .argv = (const char *const *)argv,
                                        .takeover = takeover,
                                        .user = &a};
    int r = weir_gateway_serve(config, &extension, &err);
    if (r == 0)
        return CLI_OK;
    /* Clients see the prefix in errors; on stderr cli_complain puts one. */
    const char *words = err.message[0] != '\0' ? err.message : strerrordesc_np(-r);
    cli_complain(err.hint, "%s", strncmp(words, "weir: ", 6) == 0 ? words + 6 : words);
    return CLI_FAILED;
}

/* "--takeover" or "--takeover=FROM"; NULL: another word. */
static const char *takeover_from(const char *word)
{
    if (strncmp(word, "--takeover", 10) != 0 || (word[10] != '\0' && word[10] != '='))
        return NULL;
    return word[10] == '=' ? word + 11 : "";
}

/* Where the process to take over from is found, if that was not said: at our own restart.socket. */
static int find_takeover(const weir_config *config, const char **from)
{
    if (!*from || **from)
        return CLI_OK;
    *from = config->restart;
    if (*from)
        return CLI_OK;
    cli_complain("set restart.socket, or say --takeover=PATH; SIGUSR2 to the process that serves "
                 "needs neither",
                 "--takeover needs to know from whom");
    return CLI_USAGE;
}

int cli_serve(int argc, char **argv)
{
    cli_args args = {0};
    weir_config *config = NULL;
    const char *takeover = NULL;
    int status = CLI_OK;
    for (int i = 0; i < argc && status == CLI_OK; i++) {
        if (takeover_from(argv[i]))
            takeover = takeover_from(argv[i]);
        else
            status = cli_args_take(&args, argc, argv, &i);
    }
    if (status == CLI_OK)
        status = cli_load(&args, &config);
    if (status == CLI_OK)
        status = find_takeover(config, &takeover);
    if (status == CLI_OK)
        status = run_gateway(&args, config, takeover, argv - 2); /* the program, "serve", ours */
    weir_config_free(config);
    cli_args_fini(&args);
    return status;
}
