/* Aggregates of statistics over float8 (PostgreSQL's float8_accum and float8_regr_accum: the sums
 * of Youngs and Cramer, so that the digits are the same), and bit_and, bit_or, bit_xor. */
#include "compat/run.h"
#include <math.h>

/* Of y alone where there is no x. */
typedef struct sums {
    double n, x, xx, y, yy, xy;
} sums;

static bool take(const weir_value *v, double *ret)
{
    *ret = v->type == WEIR_VALUE_REAL ? v->u.real : (double)v->u.integer;
    return v->type == WEIR_VALUE_REAL || v->type == WEIR_VALUE_INTEGER;
}

static int keep(weir_buf *gathered, const sums *s)
{
    weir_buf_clear(gathered);
    return weir_buf_append(gathered, weir_slice_make((const uint8_t *)s, sizeof(*s)));
}

static sums read(const weir_buf *gathered)
{
    sums s = {0};
    if (gathered->len == sizeof(s))
        memcpy(&s, gathered->data, sizeof(s));
    return s;
}

/* f(y) */
static int step_one(const weir_value *args, size_t count, weir_buf *gathered)
{
    double y = 0;
    sums s = read(gathered);
    (void)count;
    if (!take(&args[0], &y))
        return 0;
    s.n += 1;
    s.y += y;
    if (s.n > 1) {
        double d = y * s.n - s.y;
        s.yy += d * d / (s.n * (s.n - 1));
    }
    return keep(gathered, &s);
}

/* f(y, x) */
static int step_two(const weir_value *args, size_t count, weir_buf *gathered)
{
    double x = 0, y = 0;
    sums s = read(gathered);
    (void)count;
    if (!take(&args[0], &y) || !take(&args[1], &x))
        return 0;
    s.n += 1;
    s.x += x;
    s.y += y;
    if (s.n > 1) {
        double dx = x * s.n - s.x, dy = y * s.n - s.y, scale = 1.0 / (s.n * (s.n - 1));
        s.xx += dx * dx * scale;
        s.yy += dy * dy * scale;
        s.xy += dx * dy * scale;
    }
    return keep(gathered, &s);
}

/* `r`: negative: there is none. */
static int give(weir_value *ret, bool known, double value)
{
    if (known)
        run_give_real(ret, value);
    return 0;
}

#define END(name, known, value)                                                                    \
    static int name(RUN_ARGS)                                                                      \
    {                                                                                              \
        (void)args, (void)count, (void)err;                                                        \
        sums s = read(out);                                                                        \
        return give(ret, known, value);                                                            \
    }

END(var_pop, s.n > 0, s.yy / s.n)
END(var_samp, s.n > 1, s.yy / (s.n - 1))
END(stddev_pop, s.n > 0, sqrt(s.yy / s.n))
END(stddev_samp, s.n > 1, sqrt(s.yy / (s.n - 1)))
END(covar_pop, s.n > 0, s.xy / s.n)
END(covar_samp, s.n > 1, s.xy / (s.n - 1))
END(corr, s.n > 0 && s.xx != 0 && s.yy != 0, s.xy / sqrt(s.xx * s.yy))
END(regr_avgx, s.n > 0, s.x / s.n)
END(regr_avgy, s.n > 0, s.y / s.n)
END(regr_sxx, s.n > 0, s.xx)
END(regr_syy, s.n > 0, s.yy)
END(regr_sxy, s.n > 0, s.xy)
END(regr_slope, s.n > 0 && s.xx != 0, s.xy / s.xx)
END(regr_intercept, s.n > 0 && s.xx != 0, (s.y - s.x * s.xy / s.xx) / s.n)
END(regr_r2, s.n > 0 && s.xx != 0, s.yy == 0 ? 1.0 : (s.xy * s.xy) / (s.xx * s.yy))

static int regr_count(RUN_ARGS)
{
    (void)args, (void)count, (void)err;
    run_give_integer(ret, (int64_t)read(out).n);
    return 0;
}

/* ---- bits: the first byte says which ---- */

static int fold(const weir_value *args, char op, weir_buf *gathered)
{
    int64_t all = args[0].u.integer, before;
    if (args[0].type != WEIR_VALUE_INTEGER)
        return 0;
    if (gathered->len == sizeof(before)) {
        memcpy(&before, gathered->data, sizeof(before));
        all = op == '&' ? before & all : op == '|' ? before | all : before ^ all;
    }
    weir_buf_clear(gathered);
    return weir_buf_append(gathered, weir_slice_make((const uint8_t *)&all, sizeof(all)));
}

static int step_and(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return fold(args, '&', gathered);
}

static int step_or(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return fold(args, '|', gathered);
}

static int step_xor(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return fold(args, '^', gathered);
}

static int bits_end(RUN_ARGS)
{
    int64_t all;
    (void)args, (void)count, (void)err;
    if (out->len != sizeof(all))
        return 0;
    memcpy(&all, out->data, sizeof(all));
    run_give_integer(ret, all);
    return 0;
}

const weir_face_function weir_face_statistics[] = {
    {.name = "weir_var_pop", .args = 1, .step = step_one, .call = var_pop},
    {.name = "weir_var_samp", .args = 1, .step = step_one, .call = var_samp},
    {.name = "weir_stddev_pop", .args = 1, .step = step_one, .call = stddev_pop},
    {.name = "weir_stddev_samp", .args = 1, .step = step_one, .call = stddev_samp},
    {.name = "weir_covar_pop", .args = 2, .step = step_two, .call = covar_pop},
    {.name = "weir_covar_samp", .args = 2, .step = step_two, .call = covar_samp},
    {.name = "weir_corr", .args = 2, .step = step_two, .call = corr},
    {.name = "weir_regr_avgx", .args = 2, .step = step_two, .call = regr_avgx},
    {.name = "weir_regr_avgy", .args = 2, .step = step_two, .call = regr_avgy},
    {.name = "weir_regr_sxx", .args = 2, .step = step_two, .call = regr_sxx},
    {.name = "weir_regr_syy", .args = 2, .step = step_two, .call = regr_syy},
    {.name = "weir_regr_sxy", .args = 2, .step = step_two, .call = regr_sxy},
    {.name = "weir_regr_slope", .args = 2, .step = step_two, .call = regr_slope},
    {.name = "weir_regr_intercept", .args = 2, .step = step_two, .call = regr_intercept},
    {.name = "weir_regr_r2", .args = 2, .step = step_two, .call = regr_r2},
    {.name = "weir_regr_count", .args = 2, .step = step_two, .call = regr_count},
    {.name = "weir_bit_and", .args = 1, .step = step_and, .call = bits_end},
    {.name = "weir_bit_or", .args = 1, .step = step_or, .call = bits_end},
    {.name = "weir_bit_xor", .args = 1, .step = step_xor, .call = bits_end},
    {.name = NULL},
};
