/* weir check: is this configuration sound, and what does it amount to? */
#include "cli/cli.h"

static int print(const weir_config *config)
{
    weir_buf out;
    weir_buf_init(&out, (size_t)64 << 20);
    int status = CLI_FAILED;
    if (weir_config_print(config, &out) == 0)
        status = cli_print(weir_buf_slice(&out));
    else
        cli_complain("", "out of memory");
    weir_buf_fini(&out);
    return status;
}

int cli_check(int argc, char **argv)
{
    cli_args args = {0};
    weir_config *config = NULL;
    int status = CLI_OK;
    for (int i = 0; i < argc && status == CLI_OK; i++)
        status = cli_args_take(&args, argc, argv, &i);
    if (status == CLI_OK && !args.file) {
        cli_complain("weir check -c weir.yaml", "no file to check");
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = cli_load(&args, &config);
    if (status == CLI_OK)
        status = print(config);
    weir_config_free(config);
    cli_args_fini(&args);
    return status;
}
