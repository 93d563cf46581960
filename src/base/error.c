/* Words for people, in fixed fields. Too long a text is cut between UTF-8 characters, because what
 * is sent to a client must stay valid in its encoding. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Drops a UTF-8 character that the cut left incomplete at the end of `text`. */
static void trim_partial_character(char *text)
{
    size_t len = strlen(text), start = len, want = 1;
    while (start > 0 && len - start < 3 && ((uint8_t)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    uint8_t lead = (uint8_t)text[--start];
    if (lead >= 0xF0)
        want = 4;
    else if (lead >= 0xE0)
        want = 3;
    else if (lead >= 0xC0)
        want = 2;
    if (len - start < want)
        text[start] = '\0';
}

WEIR_PRINTF(3, 0) static void format(char *to, size_t size, const char *fmt, va_list args)
{
    int len = vsnprintf(to, size, fmt, args);
    if (len < 0)
        to[0] = '\0';
    else if ((size_t)len >= size)
        trim_partial_character(to);
}

void weir_error_set(weir_error *err, const char *sqlstate, const char *fmt, ...)
{
    if (!err)
        return;
    assert(strlen(sqlstate) == sizeof(err->sqlstate) - 1);
    memset(err, 0, sizeof(*err));
    memcpy(err->sqlstate, sqlstate, sizeof(err->sqlstate) - 1);
    va_list args;
    va_start(args, fmt);
    format(err->message, sizeof(err->message), fmt, args);
    va_end(args);
}

void weir_error_detail(weir_error *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, fmt);
    format(err->detail, sizeof(err->detail), fmt, args);
    va_end(args);
}

void weir_error_hint(weir_error *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, fmt);
    format(err->hint, sizeof(err->hint), fmt, args);
    va_end(args);
}
