/* Private to compat: what run_moments.c, interval_read.c, run_parts.c, run_spans.c and
 * run_zones.c share. */
#ifndef WEIR_COMPAT_RUN_MOMENTS_H
#define WEIR_COMPAT_RUN_MOMENTS_H

#include "compat/moment_read.h"
#include "compat/run.h"

typedef struct run_interval {
    int64_t months, days, us;
} run_interval;

/* Which of its fields an interval is to have: the first and the last of year, month ('o'), day,
 * hour, minute, second by their letters ('\0': any), and digits of a second (-1: six). */
typedef struct run_span_fields {
    char first, last;
    int precision;
} run_span_fields;

#define RUN_SPAN_ALL ((run_span_fields){'\0', '\0', -1})

typedef struct run_fields {
    int year, month, day;
    int64_t us; /* of the day */
} run_fields;

void run_moment_split(int64_t us, run_fields *f);
bool run_moment_join(const run_fields *f, int64_t *ret);
int32_t run_moment_day_of(int64_t us);
/* A text that has a date. */
WEIR_MUST_CHECK int run_moment_read_text(weir_slice s, moment_text *ret, weir_error *err);
WEIR_MUST_CHECK int run_moment_read_moment(const weir_value *v, int64_t *ret, weir_error *err);
WEIR_MUST_CHECK int run_moment_read_interval(const weir_value *value, run_interval *v,
                                             weir_error *err);
/* interval_read.c */
WEIR_MUST_CHECK int run_interval_read(weir_slice text, run_span_fields fields, run_interval *v,
                                      weir_error *err);
WEIR_MUST_CHECK int run_moment_give_checked(int64_t us, bool zone, weir_buf *out, weir_value *ret,
                                            weir_error *err);
WEIR_MUST_CHECK int run_moment_give_date(int32_t days, weir_buf *out, weir_value *ret,
                                         weir_error *err);
WEIR_MUST_CHECK int run_moment_give_interval(const run_interval *v, weir_buf *out, weir_value *ret);
bool run_moment_has_zone(weir_slice s);
WEIR_MUST_CHECK int run_moment_scale(const run_interval *v, double by, run_interval *ret,
                                     weir_error *err);
/* Months first, to the month's last day at most; then days, then the rest. */
bool run_moment_add_interval(int64_t us, const run_interval *v, int sign, int64_t *ret);
/* run_parts.c */
int run_moment_day_of_year(int64_t us); /* from 1 */
/* ISO 8601: the week of the year's first Thursday is 1. */
int run_moment_iso_week(int64_t us, int *ret_year);
/* run_parts.c: that field of it, as a numeric. */
WEIR_MUST_CHECK int run_moment_extract(weir_slice field, int64_t us, weir_buf *out,
                                       weir_error *err);

extern const weir_face_function weir_face_parts[];   /* run_parts.c */
extern const weir_face_function weir_face_formats[]; /* run_formats.c */
extern const weir_face_function weir_face_spans[];   /* run_spans.c */
extern const weir_face_function weir_face_zoned[];   /* run_zones.c */

#endif
