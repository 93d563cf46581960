/* Instances: a configuration, and the gateway that is embedded with it. */
#include "api/api.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX (((size_t)1 << 20) + 1) /* one more than the parser takes: it says so */

const char *weir_version(void)
{
    return WEIR_VERSION;
}

static void pass_on(void *user, weir_slice line)
{
    const weir_instance *i = user;
    if (i->log)
        i->log(i->user, (const char *)line.data, line.len);
}

static weir_status read_file(const char *file, weir_buf *text, weir_fault *fault)
{
    int r = weir_gateway_read_file(NULL, file, text);
    if (r == 0 || r == -EMSGSIZE)
        return WEIR_OK;
    return api_fail(fault, WEIR_MISUSE, "F0000", "weir: cannot read the configuration %s: %s", file,
                    strerrordesc_np(-r));
}

static weir_status load(const weir_instance_options *o, weir_config **ret, weir_fault *fault)
{
    weir_error err = {0};
    weir_buf text;
    weir_buf_init(&text, FILE_SIZE_MAX);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    weir_status status = o->file ? read_file(o->file, &text, fault) : WEIR_OK;
    if (status == WEIR_OK) {
        weir_config_source source = {.file_name = o->file,
                                     .file_text = weir_buf_slice(&text),
                                     .settings = o->settings,
                                     .dsn = o->dsn,
                                     .cores = cores > 0 ? (unsigned)cores : 1,
                                     .read_file = weir_gateway_read_file,
                                     .embedded = true};
        int r = weir_config_load(&source, ret, &err);
        status = r == 0 ? WEIR_OK : r == -ENOMEM ? WEIR_NO_MEMORY : WEIR_MISUSE;
        if (r < 0)
            api_fault_of_error(fault, &err);
    }
    weir_buf_fini(&text);
    return status;
}

static weir_status start(weir_instance *i, weir_fault *fault)
{
    weir_error err = {0};
    i->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!i->plain)
        return api_no_memory(fault);
    int r = weir_gateway_embed(i->config, pass_on, i, &i->embedding, &err);
    if (r < 0)
        api_fault_of_error(fault, &err);
    return r == 0 ? WEIR_OK : r == -ENOMEM ? WEIR_NO_MEMORY : WEIR_REFUSED;
}

weir_status weir_instance_open(const weir_instance_options *options, weir_instance **ret,
                               weir_fault *fault)
{
    *ret = NULL;
    weir_instance *i = calloc(1, sizeof(*i));
    if (!i)
        return api_no_memory(fault);
    i->log = options->log;
    i->user = options->user;
    weir_status status = load(options, &i->config, fault);
    if (status == WEIR_OK)
        status = start(i, fault);
    if (status != WEIR_OK) {
        weir_instance_close(i);
        return status;
    }
    *ret = i;
    return WEIR_OK;
}

void weir_instance_close(weir_instance *instance)
{
    if (!instance)
        return;
    weir_embedding_end(instance->embedding);
    weir_config_free(instance->config);
    if (instance->plain)
        freelocale(instance->plain);
    free(instance);
}
