/* PostgreSQL's real: a double that a float holds, shown in as few digits as tell it from its
 * neighbours (src/common/f2s.c). */
#include "base/utf8.h"
#include "compat/run.h"
#include <math.h>
#include <stdlib.h>

static int out_of_range(weir_error *err, weir_slice text)
{
    weir_error_set(err, "22003", "\"%.*s\" is out of range for type real",
                   WEIR_UTF8_QUOTED(text, 60));
    return WEIR_COMPAT_REFUSED;
}

static int call_float4(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    double real = 0;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    weir_slice s = run_text_of(&args[0], room);
    if (args[0].type != WEIR_VALUE_TEXT)
        real = run_real_of(&args[0]);
    else if (!weir_number_real(s, &real))
        return run_invalid(err, "real", s);
    if (isnan(real))
        return run_refuse(err, "0A000", "weir: NaN is not supported on SQLite");
    char copy[512];
    float narrow = (float)real;
    if (args[0].type == WEIR_VALUE_TEXT && s.len < sizeof(copy)) { /* rounded once, not twice */
        memcpy(copy, s.data, s.len);
        copy[s.len] = '\0';
        narrow = strtof(copy, NULL);
    }
    bool digits = s.len > 0 && s.data[s.len - 1] >= '0' && s.data[s.len - 1] <= '9';
    if ((isinf(narrow) && (isfinite(real) || digits)) || (narrow == 0 && real != 0))
        return out_of_range(err, s);
    run_give_real(ret, (double)narrow);
    return 0;
}

static int call_text(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    size_t len = weir_number_format_float4((float)run_real_of(&args[0]), room);
    int r = weir_buf_append(out, weir_slice_make(room, len));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* As a numeric it has six digits. */
static int call_numeric(RUN_ARGS)
{
    (void)err;
    if (run_any_null(args, count))
        return 0;
    int r = weir_buf_printf(out, "%.6g", run_real_of(&args[0]));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

const weir_face_function weir_face_floats[] = {
    {.name = "weir_float4", .args = 1, .pure = true, .call = call_float4},
    {.name = "weir_float4_text", .args = 1, .pure = true, .call = call_text},
    {.name = "weir_float4_digits", .args = 1, .pure = true, .call = call_numeric},
    {.name = NULL},
};
