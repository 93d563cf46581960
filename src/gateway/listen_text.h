/* Reads LISTEN and UNLISTEN where a text says nothing else, as PostgreSQL's lexer would. */
#ifndef WEIR_GATEWAY_LISTEN_TEXT_H
#define WEIR_GATEWAY_LISTEN_TEXT_H

#include "gateway/listen_book.h"

typedef enum weir_listen_verb {
    WEIR_LISTEN_NONE, /* anything else, or not certain: the server's */
    WEIR_LISTEN_LISTEN,
    WEIR_LISTEN_UNLISTEN,
    WEIR_LISTEN_UNLISTEN_ALL,
    WEIR_LISTEN_DISCARD_ALL
} weir_listen_verb;

typedef struct weir_listen_command {
    weir_listen_verb verb;
    size_t len;
    uint8_t name[WEIR_CHANNEL_MAX]; /* folded or unquoted */
} weir_listen_command;

/* Exactly one such statement, or DISCARD ALL, comments and a semicolon aside. Not certain, hence
 * NONE: U&"…", names that the server would cut (it says so in a NOTICE), bytes above 127 outside
 * quotes (how they fold depends on the server's encoding), an identifier that is a reserved word.
 */
weir_listen_command weir_listen_read(weir_slice text);

#endif
