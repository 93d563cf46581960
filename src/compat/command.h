/* Private to compat/command*.c: what the readers of commands share. Each reader gets the text
 * behind its first word. */
#ifndef WEIR_COMPAT_COMMAND_H
#define WEIR_COMPAT_COMMAND_H

#include "compat/compat.h"
#include "compat/token.h"

/* 42601 at the next token. WEIR_COMPAT_REFUSED. */
WEIR_MUST_CHECK int command_syntax(weir_slice rest, weir_error *err);
/* 0: nothing follows. */
WEIR_MUST_CHECK int command_ended(weir_slice rest, weir_error *err);
bool command_take_name(weir_slice *rest, weir_slice *ret);
bool command_accept2(weir_slice *rest, const char *first, const char *second);

/* command_config.c */
WEIR_MUST_CHECK int command_read_select(weir_slice s, weir_command *c, weir_error *err);

/* command_cursor.c */
WEIR_MUST_CHECK int command_read_prepare(weir_slice s, weir_command *c, weir_error *err);
WEIR_MUST_CHECK int command_read_execute(weir_slice s, weir_command *c, weir_error *err);
WEIR_MUST_CHECK int command_read_declare(weir_slice s, weir_command *c, weir_error *err);
WEIR_MUST_CHECK int command_read_fetch(weir_slice s, weir_command *c, weir_error *err);
WEIR_MUST_CHECK int command_read_move(weir_slice s, weir_command *c, weir_error *err);
WEIR_MUST_CHECK int command_read_close(weir_slice s, weir_command *c, weir_error *err);

#endif
