/* Words for the caller. */
#include "api/api.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

weir_status api_fail(weir_fault *fault, weir_status status, const char *sqlstate, const char *fmt,
                     ...)
{
    va_list args;
    if (!fault)
        return status;
    *fault = (weir_fault){.sqlstate = ""};
    (void)snprintf(fault->sqlstate, sizeof(fault->sqlstate), "%s", sqlstate);
    va_start(args, fmt);
    (void)vsnprintf(fault->message, sizeof(fault->message), fmt, args);
    va_end(args);
    return status;
}

void api_hint(weir_fault *fault, const char *hint)
{
    if (fault)
        (void)snprintf(fault->hint, sizeof(fault->hint), "%s", hint);
}

weir_status api_no_memory(weir_fault *fault)
{
    return api_fail(fault, WEIR_NO_MEMORY, "53200", "weir: out of memory");
}

static void copy(char *to, size_t size, weir_slice from)
{
    (void)snprintf(to, size, "%.*s", (int)(from.len < size ? from.len : size - 1),
                   from.len > 0 ? (const char *)from.data : "");
}

weir_status api_fault_of(weir_fault *fault, weir_slice body)
{
    weir_pg_error_fields f;
    if (weir_pg_error_read(body, &f) < 0)
        return api_fail(fault, WEIR_LOST, "08P01", "weir: an error that cannot be read");
    bool fatal = weir_slice_eq_cstr(f.severity_fixed, "FATAL") ||
                 weir_slice_eq_cstr(f.severity_fixed, "PANIC");
    if (fault) {
        uint8_t code;
        weir_slice value;
        size_t pos = 0;
        *fault = (weir_fault){.sqlstate = ""};
        copy(fault->sqlstate, sizeof(fault->sqlstate), f.sqlstate);
        copy(fault->message, sizeof(fault->message), f.message);
        copy(fault->detail, sizeof(fault->detail), f.detail);
        copy(fault->hint, sizeof(fault->hint), f.hint);
        while (weir_pg_field_next(f.raw, &pos, &code, &value))
            if (code == 'n')
                copy(fault->constraint, sizeof(fault->constraint), value);
    }
    return fatal ? WEIR_LOST : WEIR_REFUSED;
}

void api_fault_of_error(weir_fault *fault, const weir_error *err)
{
    if (!fault)
        return;
    *fault = (weir_fault){.sqlstate = ""};
    (void)snprintf(fault->sqlstate, sizeof(fault->sqlstate), "%s", err->sqlstate);
    (void)snprintf(fault->message, sizeof(fault->message), "%s", err->message);
    (void)snprintf(fault->detail, sizeof(fault->detail), "%s", err->detail);
    (void)snprintf(fault->hint, sizeof(fault->hint), "%s", err->hint);
}
