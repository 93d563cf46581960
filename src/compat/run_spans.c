/* Aggregates of intervals: sum, avg, min, max. */
#include "compat/run_moments.h"

/* What is gathered so far. */
typedef struct spans {
    run_interval sum;
    int64_t count;
} spans;

static int sum_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    run_interval v;
    weir_error err;
    spans s = {.count = 0};
    (void)count;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (run_moment_read_interval(&args[0], &v, &err) != 0)
        return -EMSGSIZE;
    if (gathered->len == sizeof(s))
        memcpy(&s, gathered->data, sizeof(s));
    s.sum.months += v.months;
    s.sum.days += v.days;
    if (__builtin_add_overflow(s.sum.us, v.us, &s.sum.us))
        return -EMSGSIZE;
    s.count++;
    weir_buf_clear(gathered);
    return weir_buf_append(gathered, weir_slice_make(&s, sizeof(s)));
}

static int give(const weir_buf *gathered, bool average, weir_buf *out, weir_value *ret,
                weir_error *err)
{
    spans s;
    if (gathered->len != sizeof(s))
        return 0;
    memcpy(&s, gathered->data, sizeof(s));
    int r = average ? run_moment_scale(&s.sum, 1 / (double)s.count, &s.sum, err) : 0;
    weir_buf_clear(out);
    return r == 0 ? run_moment_give_interval(&s.sum, out, ret) : r;
}

static int sum_end(RUN_ARGS)
{
    (void)args, (void)count;
    return give(out, false, out, ret, err);
}

static int avg_end(RUN_ARGS)
{
    (void)args, (void)count;
    return give(out, true, out, ret, err);
}

/* As PostgreSQL compares them: a month is 30 days. */
static __int128 length_of(const run_interval *v)
{
    return (__int128)(v->months * 30 + v->days) * WEIR_USEC_PER_DAY + v->us;
}

static int keep(const weir_value *args, int wanted, weir_buf *gathered)
{
    run_interval a, b;
    weir_error err;
    weir_value kept;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    if (run_moment_read_interval(&args[0], &b, &err) != 0)
        return -EMSGSIZE;
    run_give_text(&kept, weir_buf_slice(gathered));
    if (gathered->len > 0) {
        if (run_moment_read_interval(&kept, &a, &err) != 0)
            return -EMSGSIZE;
        __int128 more = length_of(&b) - length_of(&a);
        if (wanted > 0 ? more <= 0 : more >= 0)
            return 0;
    }
    weir_buf_clear(gathered);
    return weir_buf_append(gathered, args[0].u.bytes);
}

static int min_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return keep(args, -1, gathered);
}

static int max_step(const weir_value *args, size_t count, weir_buf *gathered)
{
    (void)count;
    return keep(args, 1, gathered);
}

const weir_face_function weir_face_spans[] = {
    {.name = "weir_interval_sum", .args = 1, .step = sum_step, .call = sum_end},
    {.name = "weir_interval_avg", .args = 1, .step = sum_step, .call = avg_end},
    {.name = "weir_interval_min", .args = 1, .step = min_step, .call = run_gathered},
    {.name = "weir_interval_max", .args = 1, .step = max_step, .call = run_gathered},
    {.name = NULL},
};
