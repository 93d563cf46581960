/* weir serve: arguments to a configuration, and the gateway on it. */
#include "cli/cli.h"
#include "gateway/gateway.h"

/* The gateway runs until it is told to stop. */
static int run_gateway(const weir_config *config)
{
    weir_error err = {0};
    int r = weir_gateway_serve(config, NULL, &err);
    if (r == 0)
        return CLI_OK;
    cli_complain(err.hint, "%s", err.message[0] != '\0' ? err.message : strerrordesc_np(-r));
    return CLI_FAILED;
}

int cli_serve(int argc, char **argv)
{
    cli_args args = {0};
    weir_config *config = NULL;
    int status = CLI_OK;
    for (int i = 0; i < argc && status == CLI_OK; i++)
        status = cli_args_take(&args, argc, argv, &i);
    if (status == CLI_OK)
        status = cli_load(&args, &config);
    if (status == CLI_OK)
        status = run_gateway(config);
    weir_config_free(config);
    cli_args_fini(&args);
    return status;
}
