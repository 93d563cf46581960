/* One log line, built in a fixed array; private to the log. Whatever it is given, the result is one
 * line, valid UTF-8 and, in JSON, one complete object; what does not fit is left out and the line
 * says "cut". */
#ifndef WEIR_BASE_LOG_LINE_H
#define WEIR_BASE_LOG_LINE_H

#include "base/log.h"

#define WEIR_LOG_LINE_SIZE_MAX 4096
#define WEIR_LOG_VALUE_SIZE_MAX 1024

typedef struct weir_log_line {
    weir_log_format format;
    bool cut;
    size_t len;
    char data[WEIR_LOG_LINE_SIZE_MAX];
} weir_log_line;

/* The head of the line: time (since 1970), level, module, event. */
void weir_log_line_init(weir_log_line *l, weir_log_format format, int64_t wall_ns,
                        const char *level, const char *module, const char *event);
void weir_log_line_field(weir_log_line *l, const weir_log_field *field);
/* Ends the line; the bytes are the line's. */
weir_slice weir_log_line_finish(weir_log_line *l);

#endif
