/* Prometheus' text format (0.0.4), private to ops/: families, samples, label escaping. */
#ifndef WEIR_OPS_TEXT_H
#define WEIR_OPS_TEXT_H

#include "base/buf.h"
#include "base/hist.h"

typedef struct ops_label {
    const char *name;
    const char *value;
} ops_label;

/* The first failure sticks. */
typedef struct ops_text {
    weir_buf *out;
    const char *family;
    int error;
} ops_text;

#define OPS_LABELS(...) ((const ops_label[]){__VA_ARGS__, {NULL, NULL}})
#define OPS_NO_LABELS ((const ops_label[]){{NULL, NULL}})

/* Begins a family: what follows are its samples. `type`: counter, gauge, histogram. */
void ops_family(ops_text *t, const char *name, const char *type, const char *help);
/* Labels end at a NULL name. */
void ops_count(ops_text *t, const ops_label *labels, uint64_t value);
void ops_seconds(ops_text *t, const ops_label *labels, uint64_t ns);
void ops_real(ops_text *t, const ops_label *labels, double value);
void ops_histogram(ops_text *t, const ops_label *labels, const weir_hist *h);

#endif
