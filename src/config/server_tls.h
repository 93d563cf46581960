/* TLS toward servers: a DSN's ssl* options and what they inherit. Private to this folder. */
#ifndef WEIR_CONFIG_SERVER_TLS_H
#define WEIR_CONFIG_SERVER_TLS_H

#include "config/config.h"

/* The option is one of TLS's and of the DSN's `given`. `value` lives in the arena. False: it is
 * another one. On a bad value `*ret_why` says what was expected, else it stays as it was. */
bool config_server_tls_option(weir_config_server_tls *given, weir_slice name, const char *value,
                              const char **ret_why);
/* The known options, for messages. */
extern const char *const config_server_tls_options;
/* What `own` does not say is as `defaults` have it. NULL, or what does not go together. */
const char *config_server_tls_finish(weir_config_server_tls *own,
                                     const weir_config_server_tls *defaults);

#endif
